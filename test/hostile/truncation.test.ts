import { createCkanAdapter, ckanOptions } from '@civex/adapter-ckan';
import { createCallTrace, wholeScan } from '@civex/adapter-contract';
import type { Call, SourceAdapter } from '@civex/adapter-contract';
import { createOpendatasoftAdapter, opendatasoftOptions } from '@civex/adapter-opendatasoft';
import { HubError, isHubError } from '@civex/errors';
import { createSourceHttp } from '@civex/http';
import type { SourceHttp } from '@civex/http';
import type { Dataset, HubRecord } from '@civex/model';
import { parseJsonLossless } from '@civex/model';
import type { PortalAnswer } from '@civex/sandbox';
import type { Duplex } from 'node:stream';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createCountingEnvironment, LOOPBACK, NO_CACHE } from './support/hub.ts';
import { startRawPortal, toChunks, toMessage } from './support/raw-portal.ts';
import type { RawHeaders, RawRequest } from './support/raw-portal.ts';
import { bodyOf, DATASET, purposeOf, samplePortal, sampleRow } from './support/sample-portal.ts';
import type { Kind, Purpose } from './support/sample-portal.ts';

/** Places at which each body is cut. */
const CUTS = 200;

// ---------------------------------------------------------------- how a body is cut

interface Framed {
  readonly headers: RawHeaders;
  /** What goes over the wire when nothing is cut. */
  readonly whole: Buffer;
  /** What goes over the wire when it is cut, and the headers then. */
  cut(at: number): { readonly headers: RawHeaders; readonly bytes: Buffer };
}

const typed = (type: string, ...rest: RawHeaders): RawHeaders => [['content-type', type], ...rest];

/** Cuts the bytes of the message, whose headers go on to tell of the whole. */
function cutWire(headers: RawHeaders, whole: Buffer): Framed {
  return { headers, whole, cut: (at) => ({ headers, bytes: whole.subarray(0, at) }) };
}

/** Each takes a body apart in its own way; the connection ends where the cut is. */
const FRAMINGS: Readonly<Record<string, (body: Buffer, type: string) => Framed>> = {
  identity: (body, type) => cutWire(typed(type, ['content-length', String(body.length)]), body),
  chunked: (body, type) => cutWire(typed(type, ['transfer-encoding', 'chunked']), toChunks(body, 211)),
  gzip: (body, type) => {
    const packed = gzipSync(body);
    return cutWire(typed(type, ['content-encoding', 'gzip'], ['content-length', String(packed.length)]), packed);
  },
  br: (body, type) => {
    const packed = brotliCompressSync(body);
    return cutWire(typed(type, ['content-encoding', 'br'], ['content-length', String(packed.length)]), packed);
  },
  'gzip in chunks': (body, type) =>
    cutWire(typed(type, ['content-encoding', 'gzip'], ['transfer-encoding', 'chunked']), toChunks(gzipSync(body), 97)),
  'gzip without a length': (body, type) =>
    cutWire(typed(type, ['content-encoding', 'gzip'], ['content-length', null]), gzipSync(body)),
  'br without a length': (body, type) =>
    cutWire(typed(type, ['content-encoding', 'br'], ['content-length', null]), brotliCompressSync(body)),
  'no length': (body, type) => cutWire(typed(type, ['content-length', null]), body),
};

/** Cut before it was framed: nothing but the content itself can show it. */
const CONTENT_FRAMINGS: typeof FRAMINGS = {
  'a body that was cut at the source': (body, type) => ({
    headers: typed(type, ['content-length', String(body.length)]),
    whole: body,
    cut: (at) => ({ headers: typed(type, ['content-length', String(at)]), bytes: body.subarray(0, at) }),
  }),
  'a body that was cut at the source, then packed': (body, type) => ({
    headers: typed(type, ['content-encoding', 'gzip']),
    whole: gzipSync(body),
    cut: (at) => ({
      headers: typed(type, ['content-encoding', 'gzip']),
      bytes: gzipSync(body.subarray(0, Math.floor((at / gzipSync(body).length) * body.length))),
    }),
  }),
};

/** The first and the last bytes, and the rest evenly between them. */
function cutsOf(length: number): readonly number[] {
  const places = new Set<number>([0, 1, 2, 3, length - 1, length - 2, length - 3, length - 4].filter((at) => at >= 0));
  for (let index = 0; places.size < Math.min(CUTS, length) && index < 4 * length; index++)
    places.add(Math.floor((index * length) / CUTS) % length);
  for (let at = 0; places.size < Math.min(CUTS, length); at++) places.add(at);
  return [...places].toSorted((a, b) => a - b);
}

function send(connection: Duplex, headers: RawHeaders, bytes: Buffer): void {
  // `toMessage` writes a length unless there is one; null says that there is none.
  connection.end(toMessage(200, headers, bytes));
}

// ---------------------------------------------------------------- what reads it

const environment = createCountingEnvironment({ resolve: () => LOOPBACK, port: (_, port) => port }, 1);

function createClient(port: number): SourceHttp {
  return createSourceHttp(
    {
      source: 'cut',
      baseUrls: [`http://127.0.0.1:${port}`],
      headers: {},
      allowedPrivateCidrs: ['127.0.0.1/32'],
      limits: {
        connectTimeoutMs: 10_000,
        headersTimeoutMs: 10_000,
        totalTimeoutMs: 20_000,
        maxAnswerBytes: 1_000_000,
        maxStreamBytes: 1_000_000,
        maxConcurrent: 4,
        maxQueued: 4,
        retryBudget: 0,
        minBytesPerSecond: 0,
      },
      cache: NO_CACHE,
    },
    { ...environment, metrics: { upstream() {}, circuit() {} } },
  );
}

const createCall = (): Call => ({
  signal: new AbortController().signal,
  deadlineEpochMs: environment.monotonicMs() + 20_000,
  requestId: 'cut',
  trace: createCallTrace(),
});

const INFO = { title: 'Cut', homepage: null, country: null, region: null, languages: ['fr'] };

function createAdapter(kind: Kind, http: SourceHttp): SourceAdapter {
  const info = { ...INFO, source: 'cut', kind };
  return kind === 'ckan'
    ? createCkanAdapter(
        { info, baseUrl: 'http://cut.test', timeZone: 'UTC', options: ckanOptions.parse({}) },
        { http, clock: environment },
      )
    : createOpendatasoftAdapter(
        { info, timeZone: 'UTC', options: opendatasoftOptions.parse({}) },
        { http, clock: environment },
      );
}

/** Something that asks a portal; `target` is the request whose answer is cut. */
interface Reader {
  readonly name: string;
  readonly format: 'JSON' | 'NDJSON' | 'CSV' | 'GeoJSON';
  /** Null: read by the client alone, no adapter does. */
  readonly kind: Kind | null;
  readonly target: Purpose;
  readonly type: string;
  /** Of the answer that is cut; null: what a healthy portal answers. */
  readonly body: Buffer | null;
  read(http: SourceHttp, call: Call): Promise<unknown>;
}

async function described(adapter: SourceAdapter, call: Call): Promise<Dataset> {
  const [dataset] = await adapter.catalog.getMany([DATASET], call);
  if (dataset === null || dataset === undefined || isHubError(dataset)) throw new Error('no dataset');
  if (dataset.recordsState === 'described') return dataset;
  const queryables = (await adapter.records?.describe?.(dataset, call)) ?? null;
  return { ...dataset, recordsState: 'described', queryables };
}

const readCatalog =
  (kind: Kind) =>
  async (http: SourceHttp, call: Call): Promise<unknown> => {
    const { items, total, next } = await createAdapter(kind, http).catalog.list(
      { size: 5, after: null, search: null },
      call,
    );
    return { ids: items.map(({ id, titles }) => [id, titles]), total, next };
  };
const readWindow =
  (kind: Kind) =>
  async (http: SourceHttp, call: Call): Promise<unknown> => {
    const adapter = createAdapter(kind, http);
    const dataset = await described(adapter, call);
    return adapter.records?.fetchWindow(dataset, { filter: null, sort: [], offset: 0, limit: 20 }, call);
  };
const readScan =
  (kind: Kind) =>
  async (http: SourceHttp, call: Call): Promise<unknown> => {
    const adapter = createAdapter(kind, http);
    const records: HubRecord[] = [];
    for await (const batch of adapter.records?.scan(await described(adapter, call), wholeScan(null), call) ?? [])
      records.push(...batch);
    return records;
  };

const rows = Array.from({ length: 60 }, (_, index) => sampleRow(index));
const CSV = Buffer.from(
  `uid,name,docks\r\n${rows.map(({ uid, name, docks }) => `${uid},"${name}",${docks ?? ''}`).join('\r\n')}\r\n`,
);
const GEOJSON = Buffer.from(
  JSON.stringify({
    type: 'FeatureCollection',
    features: rows.map((properties) => ({
      type: 'Feature',
      geometry: { type: 'Point', coordinates: [properties.uid / 10, 44] },
      properties,
    })),
  }),
);

/** The client by itself: bytes in, the very same bytes out. */
async function readBytes(http: SourceHttp, call: Call): Promise<string> {
  const request = { method: 'GET', path: '/file', cache: 'none' } as const;
  return http.read(request, ({ body }) => Buffer.from(body).toString('latin1'), call);
}
async function readStream(http: SourceHttp, call: Call): Promise<string> {
  const request = { method: 'GET', path: '/file', cache: 'none' } as const;
  const pieces: Uint8Array[] = [];
  for await (const piece of http.stream(request, () => new Error('refused'), call)) pieces.push(piece);
  return Buffer.concat(pieces).toString('latin1');
}

/** GeoJSON shows its end itself, so a body of it may end with its connection, as JSON may: whoever reads it parses it. */
function parseGeojson(bytes: Uint8Array): unknown {
  try {
    return parseJsonLossless(bytes);
  } catch (cause) {
    throw new HubError('SOURCE_MALFORMED', 'The source answered something that is not GeoJSON.', {}, cause);
  }
}
async function readGeojson(http: SourceHttp, call: Call): Promise<unknown> {
  const request = { method: 'GET', path: '/file', cache: 'none' } as const;
  return http.read(request, ({ body }) => parseGeojson(Buffer.from(body)), call);
}
const streamGeojson = async (http: SourceHttp, call: Call): Promise<unknown> =>
  parseGeojson(Buffer.from(await readStream(http, call), 'latin1'));

const READERS: readonly Reader[] = [
  ...(['opendatasoft', 'ckan'] as const).flatMap((kind): Reader[] => [
    {
      name: `${kind} catalog`,
      format: 'JSON',
      kind,
      target: 'catalog',
      type: 'application/json',
      body: null,
      read: readCatalog(kind),
    },
    {
      name: `${kind} records`,
      format: 'JSON',
      kind,
      target: 'records',
      type: 'application/json',
      body: null,
      read: readWindow(kind),
    },
  ]),
  {
    name: 'ckan scan',
    format: 'JSON',
    kind: 'ckan',
    target: 'scan',
    type: 'application/json',
    body: null,
    read: readScan('ckan'),
  },
  {
    name: 'opendatasoft export',
    format: 'NDJSON',
    kind: 'opendatasoft',
    target: 'scan',
    type: 'application/jsonl',
    body: null,
    read: readScan('opendatasoft'),
  },
  // A type that lets a body end with its connection.
  {
    name: 'opendatasoft export as JSON',
    format: 'NDJSON',
    kind: 'opendatasoft',
    target: 'scan',
    type: 'application/json',
    body: null,
    read: readScan('opendatasoft'),
  },
  { name: 'client, whole', format: 'CSV', kind: null, target: 'other', type: 'text/csv', body: CSV, read: readBytes },
  { name: 'client, stream', format: 'CSV', kind: null, target: 'other', type: 'text/csv', body: CSV, read: readStream },
  {
    name: 'client, whole',
    format: 'GeoJSON',
    kind: null,
    target: 'other',
    type: 'application/geo+json',
    body: GEOJSON,
    read: readGeojson,
  },
  {
    name: 'client, stream',
    format: 'GeoJSON',
    kind: null,
    target: 'other',
    type: 'application/geo+json',
    body: GEOJSON,
    read: streamGeojson,
  },
];

const honestCache = new Map<string, PortalAnswer>();
function answerHonestly(kind: Kind, { method, path, search, body }: RawRequest): Buffer {
  const key = JSON.stringify([kind, path, search, body]);
  let answer = honestCache.get(key);
  if (answer === undefined) {
    answer = samplePortal(kind)({ method, path, search, body });
    honestCache.set(key, answer);
  }
  return bodyOf(answer);
}

interface Tally {
  readonly cuts: number;
  readonly refused: number;
  /** Cuts after which nothing was missing (a last line break, what follows the value). */
  readonly complete: number;
  readonly short: readonly string[];
  readonly odd: readonly string[];
}

async function cutEverywhere(reader: Reader, framing: string, frame: (typeof FRAMINGS)[string]): Promise<Tally> {
  let place: number | null = null;
  let played = 0;
  let length = 0;
  await using portal = await startRawPortal({
    answer(connection, request, answered) {
      const { kind, target, type } = reader;
      if (kind !== null && purposeOf(kind, request) !== target) {
        connection.write(toMessage(200, typed('application/json'), answerHonestly(kind, request)), () => answered());
        return;
      }
      const framed = frame(reader.body ?? answerHonestly(kind ?? 'ckan', request), type);
      length = framed.whole.length;
      played += 1;
      const { headers, bytes } = place === null ? { headers: framed.headers, bytes: framed.whole } : framed.cut(place);
      send(connection, headers, bytes);
    },
  });
  const ask = async (): Promise<{ readonly value: string } | { readonly error: unknown }> => {
    // A client of its own for each: what one cut does to a circuit must not answer for the next.
    await using http = createClient(portal.port);
    try {
      return { value: JSON.stringify(await reader.read(http, createCall())) };
    } catch (error) {
      return { error };
    }
  };
  const control = await ask();
  const isRefusedWhole = 'error' in control;
  // Where the end of a body is the end of its connection, and the content does not say, it is refused whole or cut.
  if (isRefusedWhole && framing !== 'no length') throw control.error;
  const whole = 'value' in control ? control.value : null;
  const short: string[] = [];
  const odd: string[] = [];
  let refused = 0;
  let complete = 0;
  const places = cutsOf(length);
  for (place of places) {
    const outcome = await ask();
    if ('value' in outcome) {
      if (outcome.value === whole) complete += 1;
      else short.push(`${reader.name}, ${framing}, at ${place} of ${length}: ${outcome.value.length} characters`);
    } else if (isHubError(outcome.error) && outcome.error.code.startsWith('SOURCE_')) refused += 1;
    else odd.push(`${reader.name}, ${framing}, at ${place}: ${String(outcome.error)}`);
  }
  if (played < places.length) odd.push(`${reader.name}, ${framing}: only ${played} answers were cut`);
  return { cuts: places.length, refused, complete, short, odd };
}

const tallies: Tally[] = [];

describe('a body that is cut', () => {
  const cases = READERS.flatMap((reader) =>
    Object.entries(reader.kind === null ? FRAMINGS : { ...FRAMINGS, ...CONTENT_FRAMINGS }).map(
      ([framing, frame]) => [reader.format, reader.name, framing, reader, frame] as const,
    ),
  );
  test.concurrent.each(cases)(
    'anywhere, %s of %s (%s), is complete or an error',
    async (_, __, framing, reader, frame) => {
      const tally = await cutEverywhere(reader, framing, frame);
      tallies.push(tally);
      expect(tally.odd).toEqual([]);
      expect(tally.short).toEqual([]);
      // All but what follows the last value.
      expect(tally.refused).toBeGreaterThan(tally.cuts * 0.9);
    },
    60_000,
  );

  test('is never a short answer', ({ task }) => {
    const cuts = tallies.reduce((sum, tally) => sum + tally.cuts, 0);
    const short = tallies.reduce((sum, tally) => sum + tally.short.length, 0);
    task.meta.figures = [
      {
        point: 7,
        what: `truncation: silent short answers among ${cuts.toLocaleString('en-US')} cuts (JSON, NDJSON, CSV, GeoJSON x identity, chunked, gzip, br and more)`,
        value: short,
        target: '0',
        isMet: short === 0 && tallies.length === cases.length,
      },
    ];
    expect(tallies).toHaveLength(cases.length);
    expect(short).toBe(0);
  });
});
