import { startSandbox } from '@civex/sandbox';
import type { PortalFault, Sandbox } from '@civex/sandbox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { valueAt, withoutTimes } from '../test-support/answers.ts';
import { NO_CACHE, REPORT, startSandboxHub } from '../test-support/test-hub.ts';
import type { Answer, Report, TestHub } from '../test-support/test-hub.ts';

/** Milliseconds a portal gets, and a whole request gets. */
const SOURCE_MS = 1_500;
const REQUEST_MS = 6_000;

const FIELDS = `id title themes publisher { name } license { status id raw } queryables { name type } distributions { format downloadURL }`;
/** Everything a caller asks of several catalogs at once, in one question. */
const QUESTION = `query ($ids: [ID!]!) {
  catalogs { id datasets(filter: { themes: ["TRAN"] }, first: 10) { totalCount totalIsExact nodes { ${FIELDS} } sources { ${REPORT} } } }
  datasets(search: "velo", first: 50) { totalCount totalIsExact nodes { ${FIELDS} } sources { ${REPORT} } }
  datasetsById(ids: $ids) { ${FIELDS} }
  bordeaux: dataset(id: "bordeaux:ci_vcub_p") { ...Free }
  umea: dataset(id: "umea:cykelstationer-umea") { ...Free }
  mexico: dataset(id: "mexico-city:estaciones-de-ecobici") { ...Free }
}
fragment Free on Dataset { id records(first: 3) { totalCount nodes { id values } plan { portalQuery } source { ${REPORT} } } }`;
const IDS = [
  'bordeaux:ci_vcub_p',
  'umea:cykelstationer-umea',
  'leicester:bike-share-docking-stations',
  'mexico-city:estaciones-de-ecobici',
  'nouvelle-aquitaine:gares-ter',
  'bordeaux:st_park_p',
  'mexico-city:estaciones-metro',
];

interface Connection {
  readonly totalCount: number | null;
  readonly totalIsExact: boolean;
  readonly nodes: readonly { readonly id: string }[];
  readonly sources: readonly Report[];
}
interface Data {
  readonly catalogs: readonly { readonly id: string; readonly datasets: Connection }[];
  readonly datasets: Connection;
  readonly datasetsById: readonly ({ readonly id: string } | null)[];
  readonly [city: string]: unknown;
}
type City = { readonly id: string; readonly records: { readonly source: Report } } | null;

const ALIASES: Readonly<Record<string, string>> = { bordeaux: 'bordeaux', umea: 'umea', 'mexico-city': 'mexico' };

let sandbox: Sandbox;
let healthy: Data;

/** A hub of its own for every fault: what one fault does to a circuit must not colour the next. */
const startHub = (): Promise<TestHub> =>
  startSandboxHub(sandbox, {
    limits: { requestTimeoutMs: REQUEST_MS },
    source: { cache: NO_CACHE, limits: { totalTimeoutMs: SOURCE_MS } },
  });

async function askWith(faults: Readonly<Record<string, PortalFault | 'stopped'>>): Promise<Answer<Data>> {
  for (const [id, fault] of Object.entries(faults)) {
    if (fault === 'stopped') await sandbox.portal(id).stop();
    else sandbox.portal(id).setFault(fault);
  }
  try {
    const hub = await startHub();
    try {
      return await hub.ask<Data>(QUESTION, { ids: IDS });
    } finally {
      await hub[Symbol.asyncDispose]();
    }
  } finally {
    for (const id of Object.keys(faults)) {
      sandbox.portal(id).setFault(null);
      await sandbox.portal(id).restart();
    }
  }
}

beforeAll(async () => {
  sandbox = await startSandbox();
  // The first answers of a process take their time: portals make up their data, code is compiled.
  const hub = await startSandboxHub(sandbox);
  const { data, errors } = await hub.ask<Data>(QUESTION, { ids: IDS });
  await hub[Symbol.asyncDispose]();
  expect(errors).toBeUndefined();
  healthy = data;
});
afterAll(() => sandbox.close());

/** What the stand-in portals write when they fail, and what the machine says of a portal that is gone. */
const FOREIGN =
  /just a moment|javascript and cookies|maintenance|back soon|openresty|errorcode|call_limit|domain administrator|interno|servidor|challenge-error|ECONN|127\.0\.0\.1:\d+\/api\/(explore|3)\/[^"]*(where|rows)=| at .*\.ts:/i;

/** The others' answers are whole and unchanged; of the failed ones nothing is left but what happened to them. */
function expectOnlyMissing(answer: Answer<Data>, failed: Readonly<Record<string, readonly string[]>>): void {
  const { data, errors = [] } = answer;
  expect(answer.status).toBe(200);
  for (const [index, { id, datasets }] of data.catalogs.entries()) {
    const [report] = datasets.sources;
    const codes = failed[id];
    if (codes === undefined) {
      expect(withoutTimes(datasets)).toEqual(withoutTimes(healthy.catalogs[index]?.datasets));
      continue;
    }
    expect(datasets).toMatchObject({ totalCount: null, totalIsExact: false, nodes: [] });
    expect(report).toMatchObject({ catalog: id, status: 'FAILED', fetchedAt: null, age: null });
    expect(codes).toContain(report?.error?.code);
  }

  const isFailed = (id: string): boolean => Object.hasOwn(failed, id.slice(0, id.indexOf(':')));
  const kept = healthy.datasets.nodes.filter(({ id }) => !isFailed(id));
  expect(data.datasets.nodes).toEqual(kept);
  expect(data.datasets.totalCount).toBe(kept.length);
  expect(data.datasets.totalIsExact).toBe(false);
  for (const report of data.datasets.sources) {
    const codes = failed[report.catalog];
    if (codes === undefined) expect(report).toMatchObject({ status: 'OK', error: null });
    else {
      expect(report.status).toBe('FAILED');
      expect(codes).toContain(report.error?.code);
    }
  }
  expect(data.datasets.sources.map(({ catalog }) => catalog)).toEqual(sandbox.portals.map(({ id }) => id));

  expect(data.datasetsById).toEqual(
    healthy.datasetsById.map((node) => (node === null || isFailed(node.id) ? null : node)),
  );
  for (const [id, alias] of Object.entries(ALIASES)) {
    if (failed[id] === undefined) expect(withoutTimes(data[alias])).toEqual(withoutTimes(healthy[alias]));
    else expect(data[alias]).toBeNull();
  }

  for (const { path, locations, extensions, message } of errors) {
    expect(failed[extensions.source ?? '']).toContain(extensions.code);
    expect(
      Object.keys(extensions).filter((key) => !['code', 'source', 'datasetId', 'retryAfterMs'].includes(key)),
    ).toEqual([]);
    expect(locations).toHaveLength(1);
    expect(message).toMatch(/^The /);
    const value = valueAt(data, path) as { readonly sources?: unknown } | null | undefined;
    // At its path there is either nothing or a list that reports on its sources.
    expect(value === null || value?.sources !== undefined).toBe(true);
  }
  for (const id of Object.keys(failed)) {
    const places = errors
      .filter(({ extensions }) => extensions.source === id)
      .map(({ path }) => path?.slice(0, 2).join('.'));
    const catalog = data.catalogs.findIndex((entry) => entry.id === id);
    expect(places).toContain(`catalogs.${catalog}`);
    expect(places).toContain('datasets');
    expect(places.filter((place) => place?.startsWith('datasetsById'))).toEqual([
      `datasetsById.${IDS.findIndex((entry) => entry.startsWith(`${id}:`))}`,
    ]);
    const alias = ALIASES[id];
    if (alias !== undefined) expect(places).toContain(alias);
  }
  expect(answer.text).not.toMatch(FOREIGN);
  expect(JSON.stringify(answer.headers)).not.toMatch(/cloudflare|cf-|openresty|retry-after|x-ratelimit/i);
  expect(answer.tookMs).toBeLessThan(REQUEST_MS);
}

const FAULTS: readonly (readonly [PortalFault | 'stopped', readonly string[]])[] = [
  ['stopped', ['SOURCE_UNAVAILABLE']],
  ['hang', ['SOURCE_TIMEOUT']],
  ['html-403', ['SOURCE_UNAVAILABLE']],
  ['html-200', ['SOURCE_MALFORMED']],
  ['429', ['SOURCE_OVERLOADED']],
  ['500', ['SOURCE_UNAVAILABLE']],
  ['garbage', ['SOURCE_MALFORMED']],
  ['cut', ['SOURCE_MALFORMED']],
];

describe.each(['bordeaux', 'mexico-city'])('when %s fails', (id) => {
  test.each(FAULTS)('by %s, the other catalogs answer as if nothing had happened', async (fault, codes) => {
    expectOnlyMissing(await askWith({ [id]: fault }), { [id]: codes });
  });

  test('by answering slowly but in time, nothing is missing', async () => {
    const { data, errors, tookMs } = await askWith({ [id]: { slowMs: 150 } });
    expect(errors).toBeUndefined();
    expect(withoutTimes(data)).toEqual(withoutTimes(healthy));
    expect(tookMs).toBeGreaterThan(150);
  });
});

test('one portal stopped, one hung and one answering HTML 403 leave the other two whole', async () => {
  const answer = await askWith({ umea: 'stopped', leicester: 'hang', bordeaux: 'html-403' });
  expectOnlyMissing(answer, {
    umea: ['SOURCE_UNAVAILABLE'],
    leicester: ['SOURCE_TIMEOUT'],
    bordeaux: ['SOURCE_UNAVAILABLE'],
  });
});

test('all portals failing at once still is an answer with five reports', async () => {
  const answer = await askWith({
    bordeaux: 'hang',
    umea: 'stopped',
    leicester: '429',
    'mexico-city': 'garbage',
    'nouvelle-aquitaine': '500',
  });
  expect(answer.status).toBe(200);
  expect(answer.data.datasets).toMatchObject({ totalCount: null, totalIsExact: false, nodes: [] });
  expect(answer.data.datasets.sources.map(({ catalog, status, error }) => [catalog, status, error?.code])).toEqual([
    ['bordeaux', 'FAILED', 'SOURCE_TIMEOUT'],
    ['umea', 'FAILED', 'SOURCE_UNAVAILABLE'],
    ['leicester', 'FAILED', 'SOURCE_OVERLOADED'],
    ['mexico-city', 'FAILED', 'SOURCE_MALFORMED'],
    ['nouvelle-aquitaine', 'FAILED', 'SOURCE_UNAVAILABLE'],
  ]);
  expect(answer.tookMs).toBeLessThan(REQUEST_MS);
});

test('a portal that hangs longer than the whole request may take is cut off at the deadline of the request', async () => {
  sandbox.portal('umea').setFault('hang');
  const hub = await startSandboxHub(sandbox, {
    limits: { requestTimeoutMs: 500 },
    source: { cache: NO_CACHE, limits: { totalTimeoutMs: 60_000, headersTimeoutMs: 60_000 } },
  });
  try {
    const { data, tookMs } = await hub.ask<Data>(`{ datasets(first: 100) { nodes { id } sources { ${REPORT} } } }`);
    expect(tookMs).toBeGreaterThan(450);
    expect(tookMs).toBeLessThan(2_000);
    expect(data.datasets.sources.map(({ status }) => status)).toEqual(['OK', 'FAILED', 'OK', 'OK', 'OK']);
    expect(data.datasets.sources[1]?.error?.code).toBe('SOURCE_TIMEOUT');
  } finally {
    sandbox.portal('umea').setFault(null);
    await hub[Symbol.asyncDispose]();
  }
});

test('a source whose records fail keeps its metadata, and says FAILED beside an empty list of records', async () => {
  const portal = sandbox.portal('bordeaux');
  portal.setFault('500', ({ path }) => path.includes('/records'));
  const hub = await startHub();
  try {
    const { data, errors } = await hub.ask<Data>(
      `{ bordeaux: dataset(id: "bordeaux:ci_vcub_p") { id title records(first: 3) { totalCount totalIsExact nodes { id } pageInfo { hasNextPage } source { ${REPORT} } } }
         umea: dataset(id: "umea:cykelstationer-umea") { records(first: 3) { nodes { id } source { status } } } }`,
    );
    expect(data['bordeaux']).toMatchObject({
      id: 'bordeaux:ci_vcub_p',
      records: {
        totalCount: null,
        totalIsExact: false,
        nodes: [],
        source: { status: 'FAILED', error: { code: 'SOURCE_UNAVAILABLE' } },
      },
    });
    expect((data['umea'] as City)?.records).toMatchObject({ source: { status: 'OK' } });
    expect(errors).toMatchObject([
      { path: ['bordeaux', 'records'], extensions: { code: 'SOURCE_UNAVAILABLE', source: 'bordeaux' } },
    ]);
  } finally {
    portal.setFault(null);
    await hub[Symbol.asyncDispose]();
  }
});

test('a caller who leaves frees its place at once', async () => {
  const portal = sandbox.portal('leicester');
  portal.setFault('hang');
  const hub = await startSandboxHub(sandbox, {
    limits: { requestTimeoutMs: 60_000, concurrentRequests: 1 },
    source: { cache: NO_CACHE, limits: { totalTimeoutMs: 60_000, headersTimeoutMs: 60_000 } },
  });
  try {
    const gone = new AbortController();
    portal.clearRequests();
    const asked = hub.ask(
      '{ catalog(id: "leicester") { datasets(first: 1) { nodes { id } } } }',
      {},
      { signal: gone.signal },
    );
    await expect.poll(() => portal.requests.length).toBe(1);
    const ask = (): Promise<Answer<unknown>> =>
      hub.ask('{ catalog(id: "umea") { datasets(first: 1) { nodes { id } } } }');
    expect((await ask()).status).toBe(503);
    gone.abort();
    await expect(asked).rejects.toThrow();
    await expect.poll(async () => (await ask()).status, { timeout: 5_000 }).toBe(200);
  } finally {
    portal.setFault(null);
    await hub[Symbol.asyncDispose]();
  }
});
