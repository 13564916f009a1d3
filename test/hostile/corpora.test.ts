import { createCkanAdapter, ckanOptions } from '@civex/adapter-ckan';
import { createCallTrace, wholeScan } from '@civex/adapter-contract';
import type { Call, SourceAdapter } from '@civex/adapter-contract';
import { createOpendatasoftAdapter, opendatasoftOptions } from '@civex/adapter-opendatasoft';
import { isHubError } from '@civex/errors';
import { createSourceHttp } from '@civex/http';
import type { SourceHttp } from '@civex/http';
import type { Dataset } from '@civex/model';
import { parseCql2Json, parseCql2Text, toCql2Json } from '@civex/query';
import { createRecordDoor, OPEN_VIEW } from '@civex/records';
import { describeCkanPortal, describeOpendatasoftPortal } from '@civex/sandbox';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { corpusFile, hasCorpora, readCorpus, readStrings, titled } from './support/corpora.ts';
import { createCountingEnvironment, createTestHub, LOOPBACK, NO_CACHE, SECRET, toSource } from './support/hub.ts';
import type { Names, Resolution } from './support/hub.ts';
import { JSON_TYPE, startRawPortal, toMessage } from './support/raw-portal.ts';
import type { RawBehaviour, RawHeaders, RawPortal, RawRequest } from './support/raw-portal.ts';
import { bodyOf, DATASET, KINDS, purposeOf, samplePortal } from './support/sample-portal.ts';
import type { Honest, Kind } from './support/sample-portal.ts';

const MEGABYTE = 1_000_000;
const LOCAL: Names = { resolve: () => LOOPBACK, port: (_, port) => port };

function createClient(
  url: string,
  names: Names,
  limits: { readonly maxBytes?: number; readonly isPrivate?: boolean } = {},
): SourceHttp {
  const { maxBytes = 16 * MEGABYTE, isPrivate = true } = limits;
  return createSourceHttp(
    {
      source: 'hostile',
      baseUrls: [url],
      headers: { 'x-api-key': SECRET },
      allowedPrivateCidrs: isPrivate ? ['127.0.0.1/32'] : [],
      limits: {
        connectTimeoutMs: 2_000,
        headersTimeoutMs: 4_000,
        totalTimeoutMs: 8_000,
        maxAnswerBytes: maxBytes,
        maxStreamBytes: maxBytes,
        maxConcurrent: 4,
        maxQueued: 4,
        retryBudget: 0,
        minBytesPerSecond: 0,
      },
      cache: NO_CACHE,
    },
    { ...createCountingEnvironment(names, 1), metrics: { upstream() {}, circuit() {} } },
  );
}

const environment = createCountingEnvironment(LOCAL, 1);
const createCall = (): Call => ({
  signal: new AbortController().signal,
  deadlineEpochMs: environment.monotonicMs() + 20_000,
  requestId: 'hostile',
  trace: createCallTrace(),
});

function createAdapter(kind: Kind, http: SourceHttp): SourceAdapter {
  const info = {
    title: 'Hostile',
    homepage: null,
    country: null,
    region: null,
    languages: ['fr'],
    source: 'hostile',
    kind,
  };
  return kind === 'ckan'
    ? createCkanAdapter(
        { info, baseUrl: 'http://hostile.test', timeZone: 'UTC', options: ckanOptions.parse({}) },
        { http, clock: environment },
      )
    : createOpendatasoftAdapter(
        { info, timeZone: 'UTC', options: opendatasoftOptions.parse({}) },
        { http, clock: environment },
      );
}

async function described(adapter: SourceAdapter, id = DATASET): Promise<Dataset> {
  const [dataset] = await adapter.catalog.getMany([id], createCall());
  if (dataset === null || dataset === undefined || isHubError(dataset)) throw new Error('no dataset');
  if (dataset.recordsState === 'described') return dataset;
  const queryables = (await adapter.records?.describe?.(dataset, createCall())) ?? null;
  return { ...dataset, recordsState: 'described', queryables };
}

const codeOf = async (act: () => Promise<unknown>): Promise<string> => {
  try {
    await act();
    return 'no error';
  } catch (error) {
    return isHubError(error) ? error.code : `no HubError: ${String(error)}`;
  }
};

const start = (answer: RawBehaviour['answer']): Promise<RawPortal> => startRawPortal({ answer });
const honestly = (kind: Kind, request: RawRequest): Buffer =>
  toMessage(200, [JSON_TYPE], bodyOf(samplePortal(kind)(request)));

// ---------------------------------------------------------------- prototypes

const PROTOTYPES = [Object, Function, Array, String, Number, Boolean, Map, Set, Promise, RegExp, Date, Error].map(
  (constructor) => [constructor.name, constructor.prototype as object] as const,
);
/** All that hangs on the prototypes, by name, with what it is. */
const snapshotPrototypes = (): string =>
  JSON.stringify(
    [['Object itself', Object] as const, ...PROTOTYPES].map(([name, prototype]) => [
      name,
      Reflect.ownKeys(prototype).map((key) => {
        const { value, get, writable } = Reflect.getOwnPropertyDescriptor(prototype, key) ?? {};
        return [
          String(key),
          typeof value,
          typeof get,
          writable,
          typeof value === 'function' ? (value as { name: string }).name : JSON.stringify(value),
        ];
      }),
      String(Reflect.getPrototypeOf(prototype) === null),
    ]),
  );
const before = snapshotPrototypes();

interface Pollution {
  readonly id: string;
  readonly where: string;
  readonly payload: string;
}
const pollutions = readCorpus<Pollution>('prototype-pollution.jsonl');

/** JSON in which every object has the members of `payload` in front of its own. */
function infest(text: string, payload: string): string {
  const members = payload.trim().slice(1, -1).trim();
  return members === '' ? text : text.replaceAll(/\{(?=\s*")/g, `{${members},`);
}

describe.skipIf(!hasCorpora)(titled('the corpus of prototype pollution'), () => {
  const objects = pollutions.filter(({ payload }) => payload.trim().startsWith('{') && payload.includes('"'));

  test('has payloads to play', () => {
    expect(pollutions.length).toBeGreaterThan(100);
    expect(objects.length).toBeGreaterThan(30);
  });

  test.each(KINDS)(
    'in every answer of %s changes no prototype, and the hub lives',
    async (kind) => {
      let payload = '{}';
      let where: 'beside' | 'inside' = 'beside';
      await using portal = await start((connection, request, answered) => {
        const honest = bodyOf(samplePortal(kind)(request)).toString('utf8');
        const body =
          where === 'inside' ? infest(honest, payload) : purposeOf(kind, request) === 'catalog' ? payload : honest;
        connection.write(toMessage(200, [JSON_TYPE], Buffer.from(body)), () => answered());
      });
      let right = 0;
      for (const { id, payload: text } of objects)
        for (where of ['beside', 'inside'] as const) {
          payload = text;
          await using hub = createTestHub({
            sources: [toSource('bad', kind, { url: `http://127.0.0.1:${portal.port}` })],
            names: LOCAL,
          });
          const { data } = await hub.ask(
            `{ datasets(first: 3) { nodes { id title keywords raw: provenance { raw } } } dataset(id: "bad:${DATASET}") { id records(first: 3) { nodes { id values } } } }`,
          );
          // Whatever came of it, it is an answer; nobody was made an administrator.
          expect(data, id).toBeDefined();
          expect(({} as Record<string, unknown>)['polluted'], id).toBeUndefined();
          expect(({} as Record<string, unknown>)['isAdmin'], id).toBeUndefined();
          right += 1;
        }
      expect(right).toBe(objects.length * 2);
      expect(snapshotPrototypes()).toBe(before);
    },
    120_000,
  );

  test('in documents, variables, ids, filters and search changes no prototype', async () => {
    await using portal = await start((connection, request, answered) =>
      connection.write(honestly('opendatasoft', request), () => answered()),
    );
    await using hub = createTestHub({
      sources: [toSource('good', 'opendatasoft', { url: `http://127.0.0.1:${portal.port}` })],
      names: LOCAL,
    });
    for (const { where, payload } of pollutions) {
      const isDocument = where.startsWith('GraphQL') && payload.includes('{');
      if (isDocument) await hub.ask(payload);
      const variables =
        payload.trim().startsWith('{') && !isDocument ? (JSON.parse(tolerant(payload)) as Record<string, unknown>) : {};
      await hub.ask(
        'query ($id: ID!, $search: String, $filter: FilterInput, $cql: String) { dataset(id: $id) { id } datasets(search: $search, first: 1) { totalCount } d: dataset(id: "good:stations") { records(first: 1, filter: $filter, cql: $cql) { totalCount } } }',
        { id: `good:${payload}`, search: payload.slice(0, 200), filter: variables, cql: payload },
      );
      await hub.ask(
        'query ($__proto__: String, $v: JSON) { dataset(id: "good:stations") { constructor: id __proto__: id } }',
        { ...variables },
      );
    }
    expect(snapshotPrototypes()).toBe(before);
  }, 60_000);
});

/** Payloads that are not JSON stand for themselves, as a text. */
function tolerant(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify({ text });
  }
}

// ---------------------------------------------------------------- server-side request forgery

interface SsrfRow {
  readonly id: string;
  readonly url: string;
  readonly expect: 'deny' | 'allow';
}

describe.skipIf(!hasCorpora)(titled('the corpus of forged addresses'), () => {
  const rows = readCorpus<SsrfRow>('ssrf-urls.jsonl');
  const urls = rows.filter(({ url }) => !url.startsWith('redirect:'));
  const recipes = rows.filter(({ url }) => url.startsWith('redirect:'));
  /** What the corpus means to lie inside; everything else resolves to a public address. */
  const INSIDE = /nip\.io|localtest|fixture\.test|local|internal|metadata|instance-data|kubernetes|router|lan$/i;

  let packets = 0;
  let canary = 0;
  const server = createServer((socket) => {
    packets += 1;
    socket.destroy();
  });
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    canary = (server.address() as AddressInfo).port;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  /** Whatever is connected to, but the portal that a test means to reach, is the canary. */
  const names = (portal: number | null): Names => ({
    resolve: (hostname): Resolution =>
      hostname === 'portal.test'
        ? LOOPBACK
        : [{ address: INSIDE.test(hostname) ? '10.0.0.1' : '127.0.0.1', family: 4 }],
    port: (hostname, port) => (portal !== null && (hostname === 'portal.test' || port === portal) ? portal : canary),
  });

  test('as addresses of portals reach nobody', async () => {
    packets = 0;
    const reached: string[] = [];
    for (const { id, url } of urls.filter((row) => row.expect === 'deny')) {
      const earlier = packets;
      try {
        await using http = createClient(url, names(null), { isPrivate: false });
        await codeOf(() =>
          createAdapter('opendatasoft', http).catalog.list({ size: 1, after: null, search: null }, createCall()),
        );
      } catch (error) {
        if (!isHubError(error) || error.code !== 'CONFIG_INVALID') throw error;
      }
      if (packets > earlier) reached.push(`${id} ${url}`);
    }
    expect(reached).toEqual([]);
  });

  test('the canary hears a portal that is allowed to be where it is', async () => {
    packets = 0;
    await using http = createClient('http://canary.test', names(null));
    expect(
      await codeOf(() =>
        createAdapter('ckan', http).catalog.list({ size: 1, after: null, search: null }, createCall()),
      ),
    ).toBe('SOURCE_UNAVAILABLE');
    expect(packets).toBeGreaterThan(0);
  });

  /** Answers that point elsewhere: each forged address in each place an answer has for one. */
  const PLACES: Readonly<
    Record<string, (url: string, honest: Buffer) => { status: number; headers: RawHeaders; body: Buffer }>
  > = {
    'a redirect 301': (url) => ({ status: 301, headers: [['location', url]], body: Buffer.alloc(0) }),
    'a redirect 302': (url) => ({ status: 302, headers: [['location', url]], body: Buffer.alloc(0) }),
    'a redirect 307': (url) => ({ status: 307, headers: [['location', url]], body: Buffer.alloc(0) }),
    'a redirect 308': (url) => ({ status: 308, headers: [['location', url]], body: Buffer.alloc(0) }),
    'a choice 300': (url) => ({ status: 300, headers: [['location', url]], body: Buffer.alloc(0) }),
    'a created 201': (url, honest) => ({ status: 201, headers: [JSON_TYPE, ['location', url]], body: honest }),
    'headers of a good answer': (url, honest) => ({
      status: 200,
      headers: [
        JSON_TYPE,
        ['refresh', `0; url=${url}`],
        ['content-location', url],
        ['link', `<${url}>; rel="next", <${url}>; rel="describedby"`],
      ],
      body: honest,
    }),
    'a page that refreshes': (url) => ({
      status: 200,
      headers: [['content-type', 'text/html']],
      body: Buffer.from(`<meta http-equiv="refresh" content="0;url=${url}">`),
    }),
    'members of the answer': (url, honest) => ({
      status: 200,
      headers: [JSON_TYPE],
      body: Buffer.from(
        infest(
          honest.toString('utf8'),
          JSON.stringify({
            next: url,
            href: url,
            url,
            '@context': url,
            $schema: url,
            crs: { type: 'link', properties: { href: url } },
            accessURL: url,
            links: [{ rel: 'next', href: url }],
          }),
        ),
      ),
    }),
  };

  test.each(Object.entries(PLACES))(
    'in %s reach nobody, and no key goes with them',
    async (_, place) => {
      packets = 0;
      for (const kind of KINDS) {
        let target = '';
        await using portal = await start((connection, request, answered) => {
          // No line break can be in a header: such an address is only written into bodies.
          const shown = target.replaceAll(/[\r\n\0]/g, '');
          const { status, headers, body } = place(shown, bodyOf(samplePortal(kind)(request)));
          connection.write(toMessage(status, headers, body), () => answered());
        });
        for (const { url } of urls) {
          target = url;
          await using http = createClient(`http://portal.test:${portal.port}`, names(portal.port));
          const adapter = createAdapter(kind, http);
          await codeOf(async () => {
            await adapter.catalog.list({ size: 2, after: null, search: null }, createCall());
            await adapter.records?.fetchWindow(
              await described(adapter),
              { filter: null, sort: [], offset: 0, limit: 2 },
              createCall(),
            );
          });
        }
        expect(portal.requests.length).toBeGreaterThan(urls.length / 2);
      }
      expect(packets).toBe(0);
    },
    60_000,
  );

  test('reach nobody, in figures', ({ task }) => {
    expect(snapshotPrototypes()).toBe(before);
    task.meta.figures = [
      {
        point: 7,
        what: `packets to canary ports: ${urls.length} forged addresses as portals, and in ${Object.keys(PLACES).length} places of answers of ${KINDS.length} kinds (the ${recipes.length} recipes of the corpus are among them)`,
        value: packets,
        target: '0',
        isMet: packets === 0,
      },
    ];
    expect(packets).toBe(0);
  });
});

// ---------------------------------------------------------------- bombs

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

interface Grown {
  readonly code: string;
  readonly bytes: number;
}

/** What the process has more of at its peak than before, while `act` runs: what lives on the heap and beside it. */
async function measure(act: () => Promise<unknown>): Promise<Grown> {
  const size = (): number => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  collect();
  const least = size();
  let most = least;
  const timer = setInterval(() => {
    // Only what cannot be collected counts.
    if (size() > most + MEGABYTE) collect();
    most = Math.max(most, size());
  }, 2);
  try {
    const code = await codeOf(act);
    most = Math.max(most, size());
    return { code, bytes: most - least };
  } finally {
    clearInterval(timer);
  }
}

describe.skipIf(!hasCorpora)(titled('bombs and endless streams'), () => {
  const LIMIT = 16 * MEGABYTE;
  const BOMBS: readonly (readonly [file: string, encoding: string | null])[] = [
    ['zeros-256M.br', 'br'],
    ['zeros-256M.gz', 'gzip'],
    ['zeros-256M.deflate', 'deflate'],
    ['rows-2M.json.br', 'br'],
    ['long-line-100M.csv.gz', 'gzip'],
    ['quote-open-100M.csv.gz', 'gzip'],
    ['100k-columns.csv.gz', 'gzip'],
    ['brackets-5M.json.gz', 'gzip'],
    ['truncated.gz', 'gzip'],
    ['bad-crc.gz', 'gzip'],
    ['two-members.gz', 'gzip'],
    ['gzip-trailing-garbage.gz', 'gzip'],
    ['raw-deflate-as-deflate.bin', 'deflate'],
    ['gzip-x1000-layers.bin', Array<string>(1_000).fill('gzip').join(', ')],
  ];
  const head = (headers: RawHeaders): Buffer =>
    Buffer.from(
      `HTTP/1.1 200 X\r\n${headers.map(([name, value]) => `${name}: ${value ?? ''}\r\n`).join('')}`,
      'latin1',
    );
  const chunked: RawHeaders = [JSON_TYPE, ['transfer-encoding', 'chunked']];
  const chunk = (text: string): Buffer => Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
  const row = `{"uid":1,"name":"${'x'.repeat(1_000)}"}\n`;
  /** What is written first, and then again and again. */
  const ENDLESS: Readonly<Record<string, readonly [first: Buffer, again: Buffer]>> = {
    'rows of JSON Lines': [Buffer.concat([head(chunked), Buffer.from('\r\n')]), chunk(row.repeat(60))],
    'one line': [Buffer.concat([head(chunked), Buffer.from('\r\n'), chunk('{"name":"')]), chunk('x'.repeat(60_000))],
    'white space': [
      Buffer.concat([head(chunked), Buffer.from('\r\n'), chunk('{"results":')]),
      chunk(' '.repeat(60_000)),
    ],
    brackets: [Buffer.concat([head(chunked), Buffer.from('\r\n')]), chunk('['.repeat(60_000))],
    headers: [head([JSON_TYPE]), Buffer.from(`x-a: ${'y'.repeat(1_000)}\r\n`)],
    'a body without a length': [
      Buffer.concat([head([JSON_TYPE]), Buffer.from('\r\n[')]),
      Buffer.from('0,'.repeat(30_000)),
    ],
    'gzip members': [
      Buffer.concat([head([...chunked, ['content-encoding', 'gzip']]), Buffer.from('\r\n')]),
      (() => {
        const member = gzipSync(Buffer.alloc(MEGABYTE));
        return Buffer.concat([Buffer.from(`${member.length.toString(16)}\r\n`), member, Buffer.from('\r\n')]);
      })(),
    ],
    'empty lines': [Buffer.concat([head(chunked), Buffer.from('\r\n')]), chunk('\n'.repeat(60_000))],
  };

  const grown: number[] = [];
  /** Each bomb as the answer to each purpose of each kind of portal. */
  const play = async (
    kind: Kind,
    purpose: 'catalog' | 'records' | 'scan',
    answer: RawBehaviour['answer'],
  ): Promise<Grown> => {
    await using portal = await start((connection, request, answered) => {
      const asked = purposeOf(kind, request);
      const isTarget = asked === purpose || (purpose === 'scan' && kind === 'ckan' && asked === 'records');
      if (isTarget) answer(connection, request, answered);
      else connection.write(honestly(kind, request), () => answered());
    });
    await using http = createClient(`http://127.0.0.1:${portal.port}`, LOCAL, { maxBytes: LIMIT });
    const adapter = createAdapter(kind, http);
    const dataset = purpose === 'catalog' ? null : await described(adapter);
    const result = await measure(async () => {
      if (dataset === null) return adapter.catalog.list({ size: 2, after: null, search: null }, createCall());
      if (purpose === 'records')
        return adapter.records?.fetchWindow(dataset, { filter: null, sort: [], offset: 0, limit: 2 }, createCall());
      let rows = 0;
      for await (const batch of adapter.records?.scan(dataset, wholeScan(null), createCall()) ?? [])
        rows += batch.length;
      return rows;
    });
    grown.push(result.bytes);
    return result;
  };
  const PURPOSES = ['catalog', 'records', 'scan'] as const;
  const ways = KINDS.flatMap((kind) => PURPOSES.map((purpose) => [kind, purpose] as const));

  test.each(BOMBS)(
    '%s is refused and takes at most twice the limit',
    async (file, encoding) => {
      const body = readFileSync(corpusFile(`bombs/${file}`));
      for (const [kind, purpose] of ways) {
        const headers: RawHeaders = [
          JSON_TYPE,
          ...(encoding === null ? [] : ([['content-encoding', encoding]] as const)),
        ];
        const { code, bytes } = await play(kind, purpose, (connection, _, answered) =>
          connection.write(toMessage(200, headers, body), () => answered()),
        );
        expect(['SOURCE_TOO_LARGE', 'SOURCE_MALFORMED', 'SOURCE_UNAVAILABLE'], `${kind} ${purpose}`).toContain(code);
        expect(bytes, `${kind} ${purpose}`).toBeLessThanOrEqual(2 * LIMIT);
      }
    },
    60_000,
  );

  test.each(Object.entries(ENDLESS))(
    '%s without end are cut off and take at most twice the limit',
    async (_, [first, again]) => {
      for (const [kind, purpose] of ways) {
        let sent = 0;
        const { code, bytes } = await play(kind, purpose, (connection, _request, answered) => {
          const pump = (): void => {
            while (!connection.destroyed && connection.writable) {
              sent += again.length;
              if (!connection.write(again)) {
                connection.once('drain', pump);
                return;
              }
            }
            answered();
          };
          connection.write(first);
          pump();
        });
        expect(code, `${kind} ${purpose}`).toMatch(/^SOURCE_(?:TOO_LARGE|MALFORMED|UNAVAILABLE|TIMEOUT)$/);
        expect(bytes, `${kind} ${purpose}`).toBeLessThanOrEqual(2 * LIMIT);
        // It was the hub that ended it, not the portal.
        expect(sent).toBeGreaterThan(0);
      }
    },
    120_000,
  );

  test('take at most twice the limit, in figures', ({ task }) => {
    const most = Math.max(...grown);
    expect(grown).toHaveLength((BOMBS.length + Object.keys(ENDLESS).length) * ways.length);
    task.meta.figures = [
      {
        point: 7,
        what: `bombs and endless streams (${grown.length} played): memory growth at most, in limits of ${LIMIT / MEGABYTE} MB`,
        value: Number((most / LIMIT).toFixed(2)),
        target: '2',
        isMet: most <= 2 * LIMIT,
      },
    ];
  });
});

// ---------------------------------------------------------------- injection

describe.skipIf(!hasCorpora)(titled('the corpora of injections'), () => {
  const texts = [
    ...new Set([
      ...readCorpus<{ readonly value: string }>('query-injection.jsonl').map(({ value }) => value),
      ...readStrings('sqli.jsonl').map(({ data }) => data),
      ...readStrings('blns.jsonl').map(({ data }) => data),
    ]),
  ].filter((text) => text.isWellFormed() && text.length <= 2_000);

  /** A portal with one record for each text, so that a text that is one literal finds its own record and no other. */
  const portalOf = (kind: Kind): Honest => {
    const rows = texts.map((name, index) => ({ uid: index + 1, name }));
    const common = { id: 'sample', title: 'Sample', language: 'fr', now: () => 0 };
    const { answer } =
      kind === 'opendatasoft'
        ? describeOpendatasoftPortal({
            ...common,
            datasets: [
              {
                id: DATASET,
                title: 'Textes',
                fields: [
                  { name: 'uid', type: 'int' as const, annotations: { id: true } },
                  { name: 'name', type: 'text' as const },
                ],
                records: () => rows,
              },
            ],
          })
        : describeCkanPortal({
            ...common,
            packages: [
              {
                name: DATASET,
                title: 'Textos',
                resources: [
                  {
                    name: 'table',
                    format: 'CSV',
                    table: {
                      fields: [
                        { id: 'uid', type: 'int4' as const },
                        { id: 'name', type: 'text' as const },
                      ],
                      records: () => rows,
                    },
                  },
                ],
              },
            ],
          });
    return (request) => answer({ ...request, headers: {}, atMs: 0 }, {}, 'application/json');
  };

  test.each(KINDS)(
    'are one literal to %s each: the record of that text is found, and no other',
    async (kind) => {
      const portal = portalOf(kind);
      const statuses = new Set<number>();
      await using raw = await start((connection, request, answered) => {
        const answer = portal(request);
        statuses.add(answer.status);
        connection.write(toMessage(answer.status, [JSON_TYPE], bodyOf(answer)), () => answered());
      });
      await using http = createClient(`http://127.0.0.1:${raw.port}`, LOCAL);
      const adapter = createAdapter(kind, http);
      const dataset = await described(adapter);
      const door = createRecordDoor({ scanRecords: 10_000, maxFirst: 1_000, onCapabilityLost: () => {} });
      const wrong: string[] = [];
      const widened: string[] = [];
      let pushed = 0;
      const question = {
        adapter,
        dataset,
        cql: null,
        view: OPEN_VIEW,
        properties: null,
        sortBy: [],
        first: 100,
        after: null,
      };
      for (const text of texts) {
        const { records, plan } = await door.query(
          { ...question, filter: { property: 'name', eq: text } },
          createCall(),
        );
        const names = records.map(({ record }) => record.values['name']);
        if (names.length === 0 || names.some((name) => name !== text)) wrong.push(text);
        if (plan.pushed !== null) {
          pushed += 1;
          // Alike but for case or accents, and no more: a wider clause would let hundreds through.
          if (plan.scannedRecords > 40) widened.push(text);
        }
      }
      expect(wrong).toEqual([]);
      expect(widened).toEqual([]);
      expect([...statuses]).toEqual([200]);
      expect(pushed).toBeGreaterThan(texts.length * 0.5);
    },
    120_000,
  );

  test.each(KINDS)(
    'are harmless as ids and searches of %s',
    async (kind) => {
      const statuses = new Map<number, number>();
      const paths = new Set<string>();
      await using raw = await start((connection, request, answered) => {
        const answer = samplePortal(kind)(request);
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        paths.add(request.path);
        connection.write(toMessage(answer.status, [JSON_TYPE], bodyOf(answer)), () => answered());
      });
      await using http = createClient(`http://127.0.0.1:${raw.port}`, LOCAL);
      const adapter = createAdapter(kind, http);
      const odd: string[] = [];
      for (const text of texts.filter((_, index) => index % 4 === 0)) {
        const [found] = await adapter.catalog.getMany([text], createCall());
        if (found !== null) odd.push(`id ${JSON.stringify(text)}: ${JSON.stringify(found)}`);
        const search = text.slice(0, 200);
        if (!search.isWellFormed()) continue;
        const code = await codeOf(() => adapter.catalog.list({ size: 1, after: null, search }, createCall()));
        if (code !== 'no error' && code !== 'INPUT_INVALID') odd.push(`search ${JSON.stringify(search)}: ${code}`);
      }
      expect(odd).toEqual([]);
      // No text became a path of its own.
      expect(paths.size).toBeLessThan(10);
      expect([...statuses.keys()].every((status) => status < 500)).toBe(true);
    },
    120_000,
  );

  test('are one literal of CQL2 each, in text and in JSON', ({ task }) => {
    const queryables = [{ name: 'name', type: 'STRING' as const, titles: {}, descriptions: {}, unit: null }];
    let right = 0;
    for (const text of texts) {
      const wanted = { op: '=', property: 'name', type: 'STRING', value: text };
      expect(parseCql2Text(`name = '${text.replaceAll("'", "''")}'`, queryables)).toEqual(wanted);
      const json = { op: '=', args: [{ property: 'name' }, text] };
      expect(toCql2Json(parseCql2Json(json, queryables))).toEqual(json);
      right += 1;
    }
    task.meta.figures = [
      {
        point: 7,
        what: `injections: texts that are one literal in ODSQL, CKAN filters, CQL2 Text and CQL2 JSON`,
        value: right,
        target: String(texts.length),
        isMet: right === texts.length,
      },
    ];
  });

  test('leave the prototypes as they were', ({ task }) => {
    const isUnchanged = snapshotPrototypes() === before;
    task.meta.figures = [
      {
        point: 7,
        what: `prototypes after ${pollutions.length} pollutions and all other corpora`,
        value: isUnchanged ? 'unchanged' : 'changed',
        target: 'unchanged',
        isMet: isUnchanged,
      },
    ];
    expect(isUnchanged).toBe(true);
  });
});
