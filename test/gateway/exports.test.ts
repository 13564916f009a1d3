import { connect } from 'node:net';
import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { NO_CACHE, startSandboxHub } from '../test-support/test-hub.ts';
import type { Answer, Loose, TestHub } from '../test-support/test-hub.ts';

const SPENDING = 'leicester:expenditure-exceeding-ps500-2024';
const STATIONS = 'bordeaux:ci_vcub_p';

let sandbox: Sandbox;
let hub: TestHub;

beforeAll(async () => {
  sandbox = await startSandbox();
  hub = await startSandboxHub(sandbox, { source: { cache: NO_CACHE }, limits: { concurrentExports: 3 } });
});
afterEach(() => {
  for (const portal of sandbox.portals) portal.setFault(null);
});
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await sandbox.close();
});

type Row = Readonly<Record<string, Loose>>;
interface File {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly trailers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
}

const address = (name: string, parameters: Readonly<Record<string, string>> = {}): string =>
  `${hub.url}/exports/${encodeURIComponent(name)}${Object.keys(parameters).length === 0 ? '' : `?${new URLSearchParams(parameters)}`}`;

async function download(name: string, parameters: Readonly<Record<string, string>> = {}): Promise<File> {
  const { statusCode, headers, trailers, body } = await request(address(name, parameters));
  const text = await body.text();
  return { status: statusCode, headers, trailers: trailers as File['trailers'], text };
}

const toRows = (text: string): readonly Row[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Row);

const RECORDS = `query ($id: ID!, $filter: FilterInput, $cql: String, $properties: [String!], $sortBy: [SortInput!], $after: String) {
  dataset(id: $id) { records(filter: $filter, cql: $cql, properties: $properties, sortBy: $sortBy, first: 1000, after: $after) {
    nodes { id values geometry } pageInfo { hasNextPage endCursor } } } }`;

interface PagedRecord {
  readonly id: string;
  readonly values: Row;
  readonly geometry: Loose;
}

async function readPages(id: string, asked: Readonly<Record<string, unknown>> = {}): Promise<readonly PagedRecord[]> {
  const all: PagedRecord[] = [];
  for (let after: string | null = null; ;) {
    const answer: Answer<Loose> = await hub.ask<Loose>(RECORDS, { id, ...asked, after });
    expect(answer.errors).toBeUndefined();
    const { nodes, pageInfo }: Loose = answer.data.dataset.records;
    all.push(...nodes);
    if (!pageInfo.hasNextPage) return all;
    after = pageInfo.endCursor;
  }
}

const sorted = (rows: readonly Row[]): readonly string[] => rows.map((row) => JSON.stringify(row)).toSorted();

const recordDatasets = async (): Promise<readonly string[]> => {
  const { data } = await hub.ask(
    '{ datasets(first: 200, filter: { hasRecords: true }) { nodes { id queryables { name } } } }',
  );
  return data['datasets'].nodes.flatMap(({ id, queryables }: Loose) => (queryables === null ? [] : [id]));
};

describe('an export', () => {
  test('of every dataset holds the records that its pages hold, neither more nor fewer', async ({ task }) => {
    const ids = await recordDatasets();
    expect(ids.length).toBeGreaterThan(20);
    let equal = 0;
    for (const id of ids) {
      const [file, pages] = await Promise.all([download(`${id}.ndjson`), readPages(id)]);
      expect(file.status).toBe(200);
      expect(file.trailers['civex-export-status'], id).toBe('complete');
      expect(Number(file.trailers['civex-export-records'])).toBe(pages.length);
      expect(sorted(toRows(file.text)), id).toEqual(sorted(pages.map(({ values }) => values)));
      equal++;
    }
    task.meta.figures = [
      {
        point: 4,
        what: 'datasets whose export equals their pages',
        value: equal,
        target: `${ids.length}`,
        isMet: equal === ids.length,
      },
    ];
  });

  test.each<[string, string, Readonly<Record<string, string>>, Readonly<Record<string, unknown>>]>([
    ['filter', STATIONS, { filter: '{"property":"nbvelos","gt":5}' }, { filter: { property: 'nbvelos', gt: 5 } }],
    [
      'CQL2 text',
      STATIONS,
      { cql: "nbvelos > 5 AND etat = 'CONNECTEE'" },
      { cql: "nbvelos > 5 AND etat = 'CONNECTEE'" },
    ],
    ['properties', STATIONS, { properties: 'nom,nbvelos' }, { properties: ['nom', 'nbvelos'] }],
    ['properties as a list', STATIONS, { properties: '["nbvelos"]' }, { properties: ['nbvelos'] }],
    [
      'sortBy',
      STATIONS,
      { sortBy: '-nbvelos,nom' },
      {
        sortBy: [
          { property: 'nbvelos', direction: 'DESC' },
          { property: 'nom', direction: 'ASC' },
        ],
      },
    ],
    [
      'sortBy as a list',
      STATIONS,
      { sortBy: '[{"property":"nbplaces"}]' },
      { sortBy: [{ property: 'nbplaces', direction: 'ASC' }] },
    ],
  ])('takes %s as records do', async (name, id, parameters, asked) => {
    const [file, pages] = await Promise.all([download(`${id}.ndjson`, parameters), readPages(id, asked)]);
    const rows = toRows(file.text);
    const values = pages.map((page) => page.values);
    expect(rows.length).toBeGreaterThan(0);
    if (name.startsWith('sortBy')) expect(rows).toEqual(values);
    else expect(sorted(rows)).toEqual(sorted(values));
  });

  test('as GeoJSON is one FeatureCollection with licence and attribution before its features', async () => {
    const [file, pages] = await Promise.all([
      download(`${STATIONS}.geojson`, { properties: 'nom' }),
      readPages(STATIONS),
    ]);
    const collection = JSON.parse(file.text);
    expect(collection.type).toBe('FeatureCollection');
    expect(collection.features).toHaveLength(pages.length);
    expect(collection.features.map(({ geometry }: Loose) => JSON.stringify(geometry)).toSorted()).toEqual(
      pages.map(({ geometry }) => JSON.stringify(geometry)).toSorted(),
    );
    expect(Object.keys(collection.features[0].properties)).toEqual(['nom']);
    expect(file.text.indexOf('attribution')).toBeGreaterThan(0);
    expect(file.text.indexOf('attribution')).toBeLessThan(file.text.indexOf('"features"'));
  });

  test('as CSV begins with the names of its columns and has a line for every record', async () => {
    const [file, pages] = await Promise.all([
      download(`${SPENDING}.csv`, { properties: 'unique_id,amount' }),
      readPages(SPENDING, { properties: ['unique_id', 'amount'] }),
    ]);
    const [head, ...lines] = file.text.split('\r\n').slice(0, -1);
    expect(head).toBe('unique_id,amount');
    expect(lines.toSorted()).toEqual(
      pages.map(({ values }) => `${values['unique_id']},${values['amount']}`).toSorted(),
    );
  });

  test('as Parquet begins and ends as such a file does', async () => {
    const { body, statusCode } = await request(address(`${SPENDING}.parquet`));
    const bytes = Buffer.from(await body.arrayBuffer());
    expect(statusCode).toBe(200);
    expect([bytes.subarray(0, 4).toString(), bytes.subarray(-4).toString()]).toEqual(['PAR1', 'PAR1']);
  });

  test('names its licence, its description and its file in headers', async () => {
    const { headers } = await download(`${STATIONS}.csv`);
    expect(headers['content-disposition']).toBe('attachment; filename="bordeaux_ci_vcub_p.csv"');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['link']).toMatch(/^<\/exports\/bordeaux%3Aci_vcub_p\.metadata\.json>; rel="describedby"/);
    expect(headers['link']).toMatch(/<https?:[^>]+>; rel="license"/);
    const metadata = await download(`${STATIONS}.metadata.json`);
    expect(JSON.parse(metadata.text)).toMatchObject({
      datasetId: STATIONS,
      attribution: expect.stringContaining('Bordeaux'),
      columns: expect.arrayContaining([{ name: 'nbvelos', type: 'INTEGER' }]),
    });
  });
});

/** What arrived of a file, and how its connection ended. */
async function take(name: string, parameters: Readonly<Record<string, string>> = {}) {
  const { statusCode, trailers, body } = await request(address(name, parameters));
  const chunks: Buffer[] = [];
  let error: unknown = null;
  try {
    for await (const chunk of body) chunks.push(chunk as Buffer);
  } catch (caught) {
    error = caught;
  }
  return { status: statusCode, text: Buffer.concat(chunks).toString(), error, trailers: trailers as File['trailers'] };
}

describe('an export that is interrupted', () => {
  const isExport = ({ path }: { readonly path: string }): boolean => path.includes('/exports/');

  test('control: the specimen is whole', async () => {
    expect(await take(`${SPENDING}.ndjson`)).toMatchObject({
      status: 200,
      error: null,
      trailers: { 'civex-export-status': 'complete', 'civex-export-records': '12500' },
    });
  });

  test.each(['ndjson', 'csv', 'geojson', 'parquet'])('by the portal cuts the connection: %s', async (format) => {
    sandbox.portal('leicester').setFault('cut', isExport);
    const { status, text, error, trailers } = await take(`${SPENDING}.${format}`);
    if (status === 200) {
      expect(error).not.toBeNull();
      expect(trailers).toEqual({});
      if (format === 'geojson') expect(() => JSON.parse(text)).toThrow(SyntaxError);
      if (format === 'parquet') expect(text.length > 4 && text.endsWith('PAR1')).toBe(false);
    } else expect(status).toBe(502);
  });

  test('continues behind its last record, and both parts are the whole', async () => {
    const id = (await recordDatasets()).find((name) => name.startsWith('mexico-city:'))!;
    const whole = toRows((await download(`${id}.ndjson`, { ids: 'true' })).text);
    expect(whole.length).toBeGreaterThan(3);
    for (const at of [0, 1, whole.length - 2, whole.length - 1]) {
      const rest = await download(`${id}.ndjson`, { ids: 'true', after: whole[at]!['record_id'] });
      expect(toRows(rest.text)).toEqual(whole.slice(at + 1));
    }
    expect((await download(`${id}.ndjson`)).headers['civex-resumable']).toBe('true');
  });

  test('by its reader ends in the hub as well', async () => {
    const cancelled = async (): Promise<string | undefined> => {
      const { body } = await request(`${hub.url}/metrics`);
      return /^civex_exports_total\{outcome="CANCELLED"\} (\d+)$/m.exec(await body.text())?.[1];
    };
    const portal = sandbox.portal('leicester');
    portal.setFault('hang', isExport);
    portal.clearRequests();
    const before = Number((await cancelled()) ?? 0);
    const gone = new AbortController();
    const reading = request(address(`${SPENDING}.ndjson`), { signal: gone.signal });
    await expect.poll(() => portal.requests.some(isExport), { timeout: 5_000 }).toBe(true);
    gone.abort();
    await expect(reading).rejects.toThrow();
    await expect.poll(async () => Number((await cancelled()) ?? 0), { timeout: 5_000 }).toBe(before + 1);
  });
});

describe('an export is refused before it begins', () => {
  test('control: the specimen is answered', async () => {
    expect((await download(`${STATIONS}.csv`, { properties: 'nom' })).status).toBe(200);
  });

  test.each<[string, string, Readonly<Record<string, string>>, number, string]>([
    ['of an unknown dataset', 'bordeaux:nope.csv', {}, 404, 'NOT_FOUND'],
    ['of an unknown source', 'atlantis:x.csv', {}, 404, 'NOT_FOUND'],
    ['of what is no dataset id', 'nonsense.csv', {}, 404, 'NOT_FOUND'],
    ['in an unknown format', `${STATIONS}.xlsx`, {}, 400, 'INPUT_INVALID'],
    ['with an unknown parameter', `${STATIONS}.csv`, { filtre: '{}' }, 400, 'INPUT_INVALID'],
    ['with an unknown property', `${STATIONS}.csv`, { properties: 'nbvelo' }, 400, 'INPUT_INVALID'],
    ['with a filter that is no JSON', `${STATIONS}.csv`, { filter: '{' }, 400, 'INPUT_INVALID'],
    ['with a filter that is a list', `${STATIONS}.csv`, { filter: '[]' }, 400, 'INPUT_INVALID'],
    ['with an empty filter', `${STATIONS}.csv`, { filter: '{}' }, 400, 'INPUT_INVALID'],
    ['with bad CQL2', `${STATIONS}.csv`, { cql: 'nbvelos >' }, 400, 'INPUT_INVALID'],
    ['with an unknown order', `${STATIONS}.csv`, { sortBy: 'nbvelo' }, 400, 'INPUT_INVALID'],
    ['with an order of another form', `${STATIONS}.csv`, { sortBy: '[{"prop":"nom"}]' }, 400, 'INPUT_INVALID'],
    ['with ids that are neither', `${STATIONS}.csv`, { ids: '1' }, 400, 'INPUT_INVALID'],
    ['continued in another order', `${STATIONS}.csv`, { sortBy: 'nom', after: '3' }, 400, 'INPUT_INVALID'],
  ])('%s', async (_name, name, parameters, status, code) => {
    const file = await download(name, parameters);
    expect(file.status).toBe(status);
    expect(JSON.parse(file.text)).toMatchObject({ errors: [{ extensions: { code } }] });
    expect(file.headers['trailer']).toBeUndefined();
  });

  test('with a parameter given twice', async () => {
    const { statusCode, body } = await request(`${address(`${STATIONS}.csv`)}?properties=nom&properties=etat`);
    expect(statusCode).toBe(400);
    expect(await body.text()).toContain('given twice');
  });

  test('by a method that is not GET', async () => {
    const { statusCode, headers } = await request(address(`${STATIONS}.csv`), { method: 'POST' });
    expect([statusCode, headers['allow']]).toEqual([405, 'GET']);
  });

  test('over HTTP/1.0, where a cut file would look whole', async () => {
    const { hostname, port } = new URL(hub.url);
    const socket = connect(Number(port), hostname);
    socket.end(`GET ${new URL(address(`${STATIONS}.csv`)).pathname} HTTP/1.0\r\nhost: hub\r\n\r\n`);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 505 /);
  });

  test.each([
    ['fails', '500', 503],
    ['sends garbage', 'garbage', 502],
  ] as const)('when the portal %s', async (_name, fault, status) => {
    sandbox.portal('bordeaux').setFault(fault);
    expect((await download(`${STATIONS}.csv`)).status).toBe(status);
  });

  test('beyond the number that may be under way, and served again when one has ended', async () => {
    const portal = sandbox.portal('leicester');
    portal.setFault('hang');
    portal.clearRequests();
    const gone = new AbortController();
    const held = Array.from({ length: 3 }, async () => {
      await expect(request(address(`${SPENDING}.ndjson`), { signal: gone.signal })).rejects.toThrow();
    });
    await expect.poll(() => portal.requests.length, { timeout: 5_000 }).toBeGreaterThan(0);
    await expect
      .poll(
        async () => {
          const { status, headers } = await download(`${STATIONS}.csv`);
          return [status, headers['retry-after']];
        },
        { timeout: 5_000 },
      )
      .toEqual([503, '10']);
    gone.abort();
    await Promise.all(held);
    await expect.poll(async () => (await download(`${STATIONS}.csv`)).status, { timeout: 5_000 }).toBe(200);
  });
});
