import { createSeededRandom } from '@civex/environment';
import type { HubErrorCode } from '@civex/errors';
import type { PortalAnswer } from '@civex/sandbox';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { answerWindow, editAnswer, idKeyOf, windowOf } from './edit-answer.ts';
import type { AnswerParts, Item } from './edit-answer.ts';
import { SPEED } from './hub.ts';
import { JSON_TYPE, toChunks, toMessage } from './raw-portal.ts';
import type { RawHeaders, RawRequest } from './raw-portal.ts';
import { bodyOf, purposeOf } from './sample-portal.ts';
import type { Kind, Purpose } from './sample-portal.ts';

/*
 * The catalogue of upstream faults, played. One entry a row of `upstream-faults.jsonl`: what the portal does, and what
 * the hub must say. The corpus speaks of source errors (TIMEOUT, BAD_RESPONSE, TOO_LARGE, SOURCE_AUTH, SSRF_BLOCKED);
 * the hub's closed list has SOURCE_TIMEOUT, SOURCE_MALFORMED (also for what is too large), SOURCE_REJECTED (also for
 * addresses and redirects it does not follow), SOURCE_UNAVAILABLE and SOURCE_OVERLOADED.
 *
 * Where the corpus lets an answer through with an issue noted, the hub has no place for a note beside a value: it
 * refuses the answer, or hands out what the portal said word for word. Each such row says which.
 */

/** The ways a portal is read: its catalog, a window of records (both whole answers), and a stream of records. */
export const WAYS = ['catalog', 'window', 'stream'] as const;
export type Way = (typeof WAYS)[number];

/** `same`: the very data of a healthy portal. `checked`: what the row's own check takes for right. */
export type Verdict = 'same' | 'checked' | HubErrorCode;

/** One request that the fault is for. */
export interface Exchange {
  readonly kind: Kind;
  readonly way: Way;
  readonly connection: Duplex;
  readonly request: RawRequest;
  /** Requests of this kind before it, in this cell. */
  readonly nth: number;
  /** What a healthy portal would answer to any request; by default to this one. */
  readonly honest: (request?: Pick<RawRequest, 'method' | 'path' | 'search' | 'body'>) => PortalAnswer;
  /** Tells that the last byte of the answer is written. */
  readonly answered: () => void;
}

type ConnectFault =
  | 'refused'
  | 'black-hole'
  | 'reset'
  | 'silent'
  | 'not-found'
  | 'servfail'
  | 'slow-resolver'
  | 'tls-expired'
  | 'tls-wrong-host'
  | 'tls-self-signed'
  | 'tls-silent'
  | 'tls-1.0';

/** What a way found out. `rows` are datasets, or records, in the order they came. */
export interface Found {
  readonly total: number | null;
  readonly isExact: boolean;
  readonly rows: readonly Item[];
}

/** A text: why the row has no meaning there. */
type Expected = readonly Verdict[] | string;

export interface FaultRow {
  /** Fault of the connection, from the moment on when the request in question is next. */
  readonly connect?: ConnectFault;
  readonly answer?: (exchange: Exchange) => void;
  readonly expect: (way: Way, kind: Kind) => Expected;
  /** `page`: a few datasets or records. `whole`: more than a page of the portal. Default `page`. */
  readonly question?: 'page' | 'whole';
  /** What the fault is for. Default: catalog, records, and for a stream what follows its first page. */
  readonly target?: (way: Way, kind: Kind) => Purpose;
  /** How often the question is asked. Default 1. */
  readonly asks?: number;
  /** Default `one-by-one`. `after-freshness`: apart by more than the cache keeps. */
  readonly pace?: 'one-by-one' | 'at-once' | 'after-freshness';
  /** Requests in question for one answer at most. Default 2: one and its retry. */
  readonly mostRequests?: number;
  /** False where the question itself is refused, sources and all. Default true. */
  readonly isListWhole?: boolean;
  readonly check?: (found: Found, healthy: Found, way: Way, kind: Kind, ask: number) => boolean;
}

// ---------------------------------------------------------------- how answers are written

const every = (connection: Duplex, hubMs: number, act: () => void): void => {
  const timer = setInterval(act, Math.max(1, hubMs / SPEED));
  connection.once('close', () => clearInterval(timer));
};
const after = (connection: Duplex, hubMs: number, act: () => void): void => {
  const stop = (): void => clearTimeout(timer);
  const timer = setTimeout(() => {
    connection.off('close', stop);
    act();
  }, hubMs / SPEED);
  connection.once('close', stop);
};
const reset = (connection: Duplex): void => {
  // Plain connections are sockets; faults of TLS are played before anything is written.
  (connection as Socket).resetAndDestroy();
};

const honestBody = (exchange: Exchange): Buffer => bodyOf(exchange.honest());
const typed = (...headers: RawHeaders): RawHeaders => [JSON_TYPE, ...headers];

function reply(exchange: Exchange, status: number, headers: RawHeaders, body: Buffer | string): void {
  exchange.connection.write(toMessage(status, headers, Buffer.from(body)), () => exchange.answered());
}

const answerHonestly = (exchange: Exchange): void =>
  reply(exchange, exchange.honest().status, typed(), honestBody(exchange));

/** Writes what is no answer, or not a whole one, and leaves the connection as it is: the hub must end it. */
const write =
  (toBytes: (exchange: Exchange) => Buffer) =>
  (exchange: Exchange): void =>
    void exchange.connection.write(toBytes(exchange));
const writeWhole =
  (text: string) =>
  (exchange: Exchange): void =>
    void exchange.connection.write(text, () => exchange.answered());

const status =
  (code: number, body: string, ...headers: RawHeaders) =>
  (exchange: Exchange): void =>
    reply(exchange, code, typed(...headers), body);

const encoded =
  (encoding: string, toBody: (body: Buffer) => Buffer) =>
  (exchange: Exchange): void =>
    reply(exchange, 200, typed(['content-encoding', encoding]), toBody(honestBody(exchange)));

const html =
  (code: number, ...headers: RawHeaders) =>
  (exchange: Exchange): void =>
    reply(
      exchange,
      code,
      [['content-type', 'text/html'], ...headers],
      '<!doctype html><title>Portail</title><p>Bonjour',
    );

const bytes =
  (toBody: (body: Buffer) => Buffer | string, ...headers: RawHeaders) =>
  (exchange: Exchange): void =>
    reply(exchange, 200, headers.length === 0 ? typed() : headers, toBody(honestBody(exchange)));

/** The honest answer with some of it changed. */
const edited =
  (change: (parts: AnswerParts, exchange: Exchange) => void, finish: (text: string) => string = (text) => text) =>
  (exchange: Exchange): void => {
    const body = editAnswer(exchange.kind, exchange.request, exchange.honest(), (parts) => change(parts, exchange));
    reply(exchange, exchange.honest().status, typed(), finish(body.toString('utf8')));
  };

/** The honest answer to another part of the list, from the second page on. */
const misplaced =
  (move: (offset: number, limit: number, nth: number) => number) =>
  (exchange: Exchange): void => {
    const { kind, request, nth } = exchange;
    const { offset } = windowOf(kind, request);
    if (offset === 0) return answerHonestly(exchange);
    const moved = answerWindow(kind, exchange.honest, request, (window) => ({
      ...window,
      offset: Math.max(0, move(window.offset, window.limit, nth)),
    }));
    reply(exchange, moved.status, typed(), bodyOf(moved));
  };

const half = (body: Buffer): Buffer => body.subarray(0, body.length >> 1);

/** A body without an end, written as fast as it is read. */
const endless =
  (headers: RawHeaders, piece: Buffer, prefix = Buffer.alloc(0)) =>
  (exchange: Exchange): void => {
    const { connection } = exchange;
    connection.write(toMessage(200, headers, prefix));
    const pump = (): void => {
      while (!connection.destroyed && connection.write(piece));
    };
    connection.on('drain', pump);
    pump();
  };

/** One line of the sample dataset's export, over and over, so that a stream sees nothing wrong before its limit. */
const filler = (kind: Kind, way: Way): Buffer =>
  Buffer.from(way === 'stream' && kind === 'opendatasoft' ? `${' '.repeat(4_000)}\n`.repeat(16) : ' '.repeat(65_536));

// ---------------------------------------------------------------- what is expected

const all =
  (...verdicts: readonly Verdict[]) =>
  (): Expected =>
    verdicts;
const ways =
  (catalog: Expected, window: Expected, stream: Expected) =>
  (way: Way): Expected =>
    ({ catalog, window, stream })[way];
const perKind =
  (opendatasoft: (way: Way, kind: Kind) => Expected, ckan: (way: Way, kind: Kind) => Expected) =>
  (way: Way, kind: Kind): Expected =>
    kind === 'ckan' ? ckan(way, kind) : opendatasoft(way, kind);

const TIMEOUT = all('SOURCE_TIMEOUT');
const UNAVAILABLE = all('SOURCE_UNAVAILABLE');
const MALFORMED = all('SOURCE_MALFORMED');
const REJECTED = all('SOURCE_REJECTED');
const OVERLOADED = all('SOURCE_OVERLOADED');
const SAME = all('same');
const CHECKED = all('checked');

const ONE_REQUEST = 'an export of records is one answer, it has no pages';
const NO_TOTAL = 'an export of records states no total';
const LINKS_UNREAD = 'answers carry no links that are followed';

/** The values of records and the texts of datasets, one by one; ids stay. */
function mapValues(parts: AnswerParts, kind: Kind, change: (item: Item, index: number) => void): void {
  for (const [index, item] of parts.items.entries()) {
    const metas = item['metas'] as { default?: Item } | undefined;
    change(kind === 'opendatasoft' && metas?.default !== undefined ? metas.default : item, index);
  }
}
const isDatasets = (item: Item): boolean => 'dataset_id' in item || 'metadata_created' in item;

const valueOf = (found: Found, index: number, key: string): unknown => found.rows[index]?.[key];
/** Same rows but for some values, of which `expected` says what they must be; undefined: as they were. */
const differsOnlyIn = (
  found: Found,
  healthy: Found,
  expected: (row: Item, index: number) => Item | undefined,
): boolean =>
  found.rows.length === healthy.rows.length &&
  healthy.rows.every((row, index) => {
    const wanted = { ...row, ...expected(row, index) };
    return JSON.stringify(found.rows[index]) === JSON.stringify(wanted);
  });

/** 32 MB of spaces. */
const BOMB = Buffer.alloc(32_000_000, ' ');
const GZIP_BOMB = gzipSync(BOMB);
const BR_BOMB = brotliCompressSync(BOMB, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } });
const HUGE = '123456789012345678901234567890';
const XSS = `"><img src=x onerror=alert(1)><script>alert('1')</script>`;

const isScan = ({ kind, request }: Exchange): boolean => purposeOf(kind, request) === 'scan';

function dropColumn(name: string, newName: string | null) {
  return (parts: AnswerParts, { kind }: Exchange): void => {
    for (const item of parts.items) {
      if (isDatasets(item)) continue;
      if (newName !== null) item[newName] = item[name];
      delete item[name];
    }
    if (kind === 'ckan' && parts.fields !== null)
      parts.fields = parts.fields.flatMap((field) =>
        field['id'] !== name ? [field] : newName === null ? [] : [{ ...field, id: newName }],
      );
  };
}

/** Latencies in milliseconds of the hub's clock, the same in every run. */
const latency =
  (waitMs: (nth: number, random: () => number) => number) =>
  (exchange: Exchange): void => {
    const random = createSeededRandom(exchange.nth + 1);
    after(exchange.connection, waitMs(exchange.nth, random), () => answerHonestly(exchange));
  };

const SAME_OR_TIMEOUT = all('same', 'SOURCE_TIMEOUT');

const redirectTo =
  (code: number, location: (exchange: Exchange) => string) =>
  (exchange: Exchange): void =>
    reply(exchange, code, [['location', location(exchange)]], '');

/** Name of a host in the tests that belongs to nobody configured; a listener counts what comes. */
export const ELSEWHERE = 'elsewhere.test';

export const FAULT_ROWS: Readonly<Record<string, FaultRow>> = {
  // ---------------------------------------------------------------- connect
  'dns-nxdomain': { connect: 'not-found', expect: UNAVAILABLE },
  'dns-servfail': { connect: 'servfail', expect: UNAVAILABLE },
  'dns-slow': { connect: 'slow-resolver', expect: TIMEOUT },
  'connect-refused': { connect: 'refused', expect: UNAVAILABLE },
  // Nothing on the loopback interface drops a SYN: the connector of the environment never answers.
  'connect-blackhole': { connect: 'black-hole', expect: TIMEOUT },
  'connect-reset': { connect: 'reset', expect: UNAVAILABLE },
  // ---------------------------------------------------------------- tls
  'tls-expired': { connect: 'tls-expired', expect: UNAVAILABLE },
  'tls-wrong-host': { connect: 'tls-wrong-host', expect: UNAVAILABLE },
  'tls-self-signed': { connect: 'tls-self-signed', expect: UNAVAILABLE },
  'tls-handshake-stall': { connect: 'tls-silent', expect: TIMEOUT },
  'tls-old-version': { connect: 'tls-1.0', expect: UNAVAILABLE },
  // ---------------------------------------------------------------- http
  'accept-no-bytes': { connect: 'silent', expect: TIMEOUT },
  'headers-slow': {
    answer({ connection }) {
      const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx: ';
      let at = 0;
      every(connection, 1_000, () => void connection.write(head[at++] ?? 'y'));
    },
    expect: TIMEOUT,
  },
  'headers-huge': {
    answer: write((exchange) => toMessage(200, typed(['x-filler', 'y'.repeat(65_536)]), honestBody(exchange))),
    expect: MALFORMED,
  },
  'headers-10k': {
    answer: write((exchange) =>
      toMessage(
        200,
        typed(...Array.from({ length: 10_000 }, (_, index) => [`x-${index}`, '1'] as const)),
        honestBody(exchange),
      ),
    ),
    expect: MALFORMED,
  },
  'status-line-garbage': { answer: write(() => Buffer.from('SSH-2.0-OpenSSH_9.9\r\n\r\n')), expect: MALFORMED },
  http09: {
    answer: ({ connection, kind, way, request, honest, nth, answered }) =>
      connection.end(honestBody({ connection, kind, way, request, honest, nth, answered })),
    expect: MALFORMED,
  },
  'cl-too-big': {
    answer(exchange) {
      const body = honestBody(exchange);
      exchange.connection.end(toMessage(200, typed(['content-length', String(body.length + 50)]), body));
    },
    expect: MALFORMED,
  },
  'cl-too-small': {
    answer: write((exchange) => {
      const body = honestBody(exchange);
      // At the end of a line, where a stream has nothing of its own to stumble over.
      const cut = body.lastIndexOf('\n', body.length - 2) + 1 || body.length >> 1;
      return toMessage(200, typed(['content-length', String(cut)]), body);
    }),
    expect: MALFORMED,
  },
  'cl-negative': {
    answer: write((exchange) => toMessage(200, typed(['content-length', '-5']), honestBody(exchange))),
    expect: MALFORMED,
  },
  'cl-dup': {
    answer: write((exchange) => {
      const body = honestBody(exchange);
      const { length } = body;
      return toMessage(200, typed(['content-length', String(length)], ['content-length', String(length - 7)]), body);
    }),
    expect: MALFORMED,
  },
  'cl-and-te': {
    answer: write((exchange) => {
      const body = honestBody(exchange);
      return toMessage(
        200,
        typed(['content-length', String(body.length)], ['transfer-encoding', 'chunked']),
        toChunks(body),
      );
    }),
    expect: MALFORMED,
  },
  'chunk-bad-size': {
    answer: write((exchange) =>
      toMessage(
        200,
        typed(['transfer-encoding', 'chunked']),
        Buffer.from(`5\r\n${honestBody(exchange).toString('latin1').slice(0, 5)}\r\nzz\r\nabc\r\n`, 'latin1'),
      ),
    ),
    expect: MALFORMED,
  },
  'chunk-no-end': {
    answer: write((exchange) => {
      const chunks = toChunks(honestBody(exchange));
      return toMessage(200, typed(['transfer-encoding', 'chunked']), chunks.subarray(0, chunks.length - 5));
    }),
    expect: TIMEOUT,
  },
  'drip-1Bps': {
    answer(exchange) {
      const { connection } = exchange;
      const body = honestBody(exchange);
      connection.write(toMessage(200, typed(['content-length', String(body.length)]), half(body)));
      let at = body.length >> 1;
      every(connection, 1_000, () => void connection.write(body.subarray(at, ++at)));
    },
    expect: TIMEOUT,
  },
  'stall-mid-body': {
    answer: write((exchange) => {
      const body = honestBody(exchange);
      return toMessage(200, typed(['content-length', String(body.length)]), half(body));
    }),
    expect: TIMEOUT,
  },
  'reset-mid-body': {
    answer(exchange) {
      const body = honestBody(exchange);
      exchange.connection.write(toMessage(200, typed(['content-length', String(body.length)]), half(body)), () =>
        after(exchange.connection, 40, () => reset(exchange.connection)),
      );
    },
    expect: UNAVAILABLE,
  },
  'fin-mid-body': {
    answer(exchange) {
      const body = honestBody(exchange);
      exchange.connection.end(toMessage(200, typed(['content-length', String(body.length)]), half(body)));
    },
    expect: MALFORMED,
  },
  endless: {
    answer: (exchange) =>
      endless(
        typed(['transfer-encoding', 'chunked']),
        toChunks(filler(exchange.kind, exchange.way), 65_536).subarray(0, -5),
      )(exchange),
    expect: MALFORMED,
  },
  'large-1GB': {
    answer: (exchange) =>
      endless(typed(['content-length', '1000000000']), filler(exchange.kind, exchange.way))(exchange),
    expect: MALFORMED,
  },
  // ---------------------------------------------------------------- encoding
  'gzip-bomb': { answer: encoded('gzip', () => GZIP_BOMB), expect: MALFORMED },
  'br-bomb': { answer: encoded('br', () => BR_BOMB), expect: MALFORMED },
  'gzip-lies': { answer: encoded('gzip', (body) => body), expect: MALFORMED },
  'plain-lies': { answer: bytes((body) => gzipSync(body)), expect: MALFORMED },
  'layers-1000': {
    answer: encoded(Array.from({ length: 1_000 }, () => 'gzip').join(', '), (body) => gzipSync(body)),
    expect: MALFORMED,
  },
  'unknown-encoding': { answer: encoded('zstd', (body) => body), expect: MALFORMED },
  'truncated-gzip': {
    answer: encoded('gzip', (body) => {
      const packed = gzipSync(body);
      return packed.subarray(0, packed.length - 20);
    }),
    expect: MALFORMED,
  },
  // ---------------------------------------------------------------- status
  'status-500': { answer: status(500, '{"message":"boom"}'), expect: UNAVAILABLE },
  'status-502-html': { answer: html(502), expect: UNAVAILABLE },
  'status-503-retry-after-1': {
    answer: (exchange) => (exchange.nth === 0 ? html(503, ['retry-after', '1'])(exchange) : answerHonestly(exchange)),
    expect: SAME,
  },
  // 5xx, and the portal names a time: the code that says so and passes the time on, capped.
  'status-503-retry-after-86400': { answer: html(503, ['retry-after', '86400']), expect: OVERLOADED, mostRequests: 1 },
  'status-503-retry-after-bad': {
    answer: (exchange) => html(503, ['retry-after', exchange.nth === 0 ? '-1' : 'later'])(exchange),
    expect: UNAVAILABLE,
  },
  'status-429': { answer: status(429, '{"errorcode":10002}'), expect: OVERLOADED },
  'status-401': { answer: status(401, '{"message":"who?"}'), expect: REJECTED, mostRequests: 1 },
  'status-403': { answer: status(403, '{"message":"no"}'), expect: REJECTED, mostRequests: 1 },
  // The catalog itself is not a resource that may be missing.
  'status-404': {
    answer: status(404, '{"message":"nothing here"}'),
    expect: ways(['SOURCE_REJECTED'], ['NOT_FOUND'], ['NOT_FOUND']),
    mostRequests: 1,
  },
  'status-200-error-body': { answer: status(200, '{"success":false}'), expect: MALFORMED },
  'status-200-html': { answer: html(200), expect: MALFORMED },
  'status-204': { answer: writeWhole('HTTP/1.1 204 No Content\r\n\r\n'), expect: MALFORMED },
  'status-206': {
    answer: (exchange) =>
      reply(exchange, 206, typed(['content-range', 'bytes 0-99/5000']), honestBody(exchange).subarray(0, 100)),
    expect: MALFORMED,
  },
  'status-304-unasked': { answer: writeWhole('HTTP/1.1 304 Not Modified\r\n\r\n'), expect: MALFORMED },
  'status-100-flood': {
    answer: ({ connection }) => every(connection, 20, () => void connection.write('HTTP/1.1 103 Early Hints\r\n\r\n')),
    expect: TIMEOUT,
  },
  // RFC 9110 15: an invalid status is to be treated as 5xx.
  'status-999': { answer: status(999, '{"message":"go away"}'), expect: UNAVAILABLE },
  // ---------------------------------------------------------------- redirect
  // Refused, not malformed: the portal's answer is well-formed, the hub does not follow it.
  'redirect-loop': {
    answer: redirectTo(302, ({ request }) => request.path + request.search),
    expect: REJECTED,
    mostRequests: 4,
  },
  'redirect-private': {
    answer: redirectTo(302, () => 'http://169.254.169.254/latest/meta-data/'),
    expect: REJECTED,
    mostRequests: 1,
  },
  'redirect-cross-origin': {
    answer: redirectTo(307, ({ request }) => `http://${ELSEWHERE}${request.path}${request.search}`),
    expect: REJECTED,
    mostRequests: 1,
  },
  // ---------------------------------------------------------------- body
  'body-empty': { answer: bytes(() => ''), expect: MALFORMED, mostRequests: 2 },
  'body-trunc-json': {
    // A stream is cut inside its last line.
    answer: (exchange) =>
      bytes((body) => (isScan(exchange) ? body.subarray(0, body.length - 9) : half(body)))(exchange),
    expect: MALFORMED,
  },
  'body-bom': { answer: bytes((body) => Buffer.concat([Buffer.from('\uFEFF'), body])), expect: SAME },
  // RFC 8259 8.1: JSON between systems is UTF-8. What says otherwise is refused, not guessed at.
  'body-latin1': {
    answer: bytes(
      (body) => Buffer.from(body.toString('utf8').replace(/[^\0-\xff]/g, '?'), 'latin1'),
      ['content-type', 'application/json; charset=iso-8859-1'],
    ),
    expect: ways(['SOURCE_MALFORMED'], ['SOURCE_MALFORMED'], ['SOURCE_MALFORMED']),
    question: 'page',
  },
  'body-latin1-lies': {
    answer: bytes((body) => Buffer.from(body.toString('utf8').replace(/[^\0-\xff]/g, '?'), 'latin1')),
    expect: MALFORMED,
  },
  'body-utf16': {
    answer: bytes(
      (body) => Buffer.from(`\uFEFF${body.toString('utf8')}`, 'utf16le'),
      ['content-type', 'application/json; charset=utf-16'],
    ),
    expect: MALFORMED,
  },
  'body-invalid-utf8': {
    answer: bytes((body) => {
      const broken = Buffer.from(body);
      broken[broken.lastIndexOf('a')] = 0xff;
      return broken;
    }),
    expect: MALFORMED,
  },
  'body-nul': {
    answer: bytes((body) => {
      const broken = Buffer.from(body);
      broken[broken.lastIndexOf('a')] = 0;
      return broken;
    }),
    expect: MALFORMED,
  },
  'body-deep-json': {
    answer: edited(
      ({ items }) => {
        const [first] = items;
        if (first === undefined) return;
        if (isDatasets(first)) first['deep'] = '@deep';
        else first['name'] = '@deep';
      },
      (text) => text.replace('"@deep"', () => '['.repeat(100_000) + ']'.repeat(100_000)),
    ),
    expect: MALFORMED,
  },
  'body-wrong-shape': { answer: bytes(() => '[[1],[2]]\n'), expect: MALFORMED },
  // An answer without its total cannot be told from a part of one.
  'body-missing-field': {
    answer: edited((parts, { kind }) => {
      if (kind === 'opendatasoft' && parts.total === null) delete parts.items[3]?.['level'];
      parts.total = undefined;
    }),
    expect: MALFORMED,
  },
  'body-null-fields': {
    answer: edited((parts, { kind }) =>
      mapValues(parts, kind, (item) => {
        for (const key of Object.keys(item))
          if (!['uid', '_id', 'id', 'name', 'type', 'resources'].includes(key)) item[key] = null;
        if (!('metadata_created' in item) && 'uid' in item) item['name'] = null;
      }),
    ),
    expect: CHECKED,
    check: (found, healthy, way, kind) =>
      differsOnlyIn(found, healthy, (row, index) => {
        if (way === 'catalog') return { title: String(row['id']).split(':')[1], license: 'NOT_STATED', modified: null };
        const isFirstPage = way === 'stream' && kind === 'ckan' ? index < 1_000 : false;
        return isFirstPage ? {} : { name: null, docks: null, level: null };
      }),
  },
  // What does not fit its column is handed out word for word, where it cannot pass for another value.
  'body-type-flip': {
    answer: edited((parts, { kind }) =>
      mapValues(parts, kind, (item, index) => {
        if (index < 2) return;
        if ('title' in item) item['title'] = 5;
        else if (index === 2 && item['docks'] !== null) item['docks'] = String(item['docks'] as number);
        else if (index === 3) item['docks'] = 'many';
      }),
    ),
    expect: CHECKED,
    check: (found, healthy, way, kind) => {
      if (way === 'catalog') return found.rows.length === healthy.rows.length;
      const from = way === 'stream' && kind === 'ckan' ? 999 : 0;
      return differsOnlyIn(found, healthy, (_, index) => (index === from + 3 ? { docks: 'many' } : {}));
    },
  },
  // RFC 8259 leaves it open; the hub takes the last one, as every JSON.parse does.
  'body-dup-keys': {
    answer: edited(
      (parts, { kind }) =>
        mapValues(parts, kind, (item, index) => {
          if (index === 2) item['title' in item ? 'title' : 'name'] = '@twice';
        }),
      (text) => text.replace(/"(title|name)":"@twice"/, '"$1":"first","$1":"last"'),
    ),
    expect: CHECKED,
    check: (found, _, way, kind) =>
      way === 'catalog'
        ? found.rows.some((row) => row['title'] === 'last')
        : valueOf(found, way === 'stream' && kind === 'ckan' ? 1_001 : 2, 'name') === 'last',
  },
  'body-big-int': {
    answer: edited(
      (parts, { kind }) =>
        mapValues(parts, kind, (item, index) => {
          if (index === 2) item['title' in item ? 'records_count' : 'docks'] = '@big';
        }),
      (text) => text.replace('"@big"', HUGE),
    ),
    // Of a catalog's numbers the hub shows none of this size.
    expect: ways(['same'], ['checked'], ['checked']),
    check: (found, _, way, kind) => valueOf(found, way === 'stream' && kind === 'ckan' ? 1_001 : 2, 'docks') === HUGE,
  },
  'body-proto': {
    answer: edited(
      (parts) => {
        for (const item of parts.items) item['@proto'] = { polluted: 1 };
      },
      (text) => text.replaceAll('"@proto"', '"__proto__"'),
    ),
    expect: SAME,
  },
  'body-xss': {
    answer: edited((parts, { kind }) =>
      mapValues(parts, kind, (item) => {
        item['title' in item ? 'title' : 'name'] = XSS;
      }),
    ),
    expect: CHECKED,
    check: (found, healthy, way, kind) =>
      differsOnlyIn(found, healthy, (_, index) =>
        way === 'catalog' ? { title: XSS } : way === 'stream' && kind === 'ckan' && index < 1_000 ? {} : { name: XSS },
      ),
  },
  // ---------------------------------------------------------------- paging
  'page-loop': {
    question: 'whole',
    mostRequests: 13,
    answer: edited((parts, { request }) => {
      const self = request.path + request.search;
      parts.root['_links'] = { start: self, next: self };
      parts.root['links'] = [{ rel: 'next', href: self }];
    }),
    expect: perKind(ways(['same'], ['same'], LINKS_UNREAD), SAME),
  },
  'page-cycle-3': {
    question: 'whole',
    mostRequests: 13,
    answer: misplaced((_, limit, nth) => (nth % 3) * (limit - 1)),
    expect: perKind(
      ways(['SOURCE_UNAVAILABLE', 'SOURCE_MALFORMED'], ['SOURCE_MALFORMED'], ONE_REQUEST),
      ways(['SOURCE_UNAVAILABLE', 'SOURCE_MALFORMED'], ['SOURCE_MALFORMED'], ['SOURCE_MALFORMED']),
    ),
  },
  'page-endless': {
    question: 'whole',
    mostRequests: 2_000,
    isListWhole: false,
    answer(exchange) {
      const { kind, request } = exchange;
      const { offset, limit } = windowOf(kind, request);
      const first = editAnswer(
        kind,
        request,
        answerWindow(kind, exchange.honest, request, (window) => ({
          ...window,
          offset: 0,
          limit: Math.min(window.limit, 100),
        })),
        (parts) => {
          const [model = {}] = parts.items;
          const key = idKeyOf(kind, request);
          parts.items = Array.from({ length: Math.min(limit, 100) }, (_, index) => {
            const place = offset + index;
            if (key === '_id' || key === 'uid') return { ...model, [key]: place + 1 };
            const name = `jeu-${String(place).padStart(9, '0')}`;
            return { ...model, [key]: name, ...(kind === 'ckan' ? { id: name } : {}) };
          });
          parts.total = purposeOf(kind, request) === 'catalog' ? offset + 10_000 : 1_000_000_000;
        },
      );
      after(exchange.connection, 200, () => reply(exchange, 200, typed(), first));
    },
    // A list is read up to a bound, and the question is refused; an export has its deadline.
    expect: perKind(
      ways(['INPUT_TOO_COSTLY', 'SOURCE_TIMEOUT'], 'a window is as long as it was asked for', ONE_REQUEST),
      ways(['INPUT_TOO_COSTLY', 'SOURCE_TIMEOUT'], 'a window is as long as it was asked for', [
        'SOURCE_TIMEOUT',
        'SOURCE_MALFORMED',
      ]),
    ),
  },
  'page-shrinks': {
    question: 'whole',
    mostRequests: 13,
    answer: edited((parts, { kind, request }) => {
      const { offset } =
        purposeOf(kind, request) === 'scan' && kind === 'opendatasoft' ? { offset: 0 } : windowOf(kind, request);
      if (offset > 0 && typeof parts.total === 'number') parts.total = offset + Math.floor(parts.items.length / 2);
    }),
    expect: perKind(
      ways(['SOURCE_MALFORMED', 'SOURCE_UNAVAILABLE'], ['checked'], NO_TOTAL),
      ways(['SOURCE_MALFORMED', 'SOURCE_UNAVAILABLE'], ['checked', 'SOURCE_MALFORMED'], ['SOURCE_MALFORMED']),
    ),
    check: (found, healthy) => differsOnlyIn(found, healthy, () => undefined) && !found.isExact && found.total === null,
  },
  'page-overlap': {
    question: 'whole',
    mostRequests: 13,
    answer: (exchange) =>
      isScan(exchange) && exchange.kind === 'opendatasoft'
        ? edited((parts) => parts.items.splice(600, 0, ...parts.items.slice(590, 600)))(exchange)
        : misplaced((offset) => offset - 5)(exchange),
    expect: ways(['SOURCE_UNAVAILABLE', 'SOURCE_MALFORMED'], ['SOURCE_MALFORMED'], ['SOURCE_MALFORMED']),
  },
  'page-gap': {
    question: 'whole',
    mostRequests: 13,
    answer: (exchange) =>
      isScan(exchange) && exchange.kind === 'opendatasoft'
        ? edited((parts) => parts.items.splice(600, 5))(exchange)
        : misplaced((offset) => offset + 5)(exchange),
    expect: ways(['SOURCE_UNAVAILABLE', 'SOURCE_MALFORMED'], ['SOURCE_MALFORMED'], ['SOURCE_MALFORMED']),
  },
  // Refused rather than cut: what else of the request was ignored is not known.
  'page-ignores-limit': {
    question: 'whole',
    answer: edited((parts, exchange) => {
      const { kind, request } = exchange;
      const pages = Array.from({ length: 10 }, (_, page) => {
        let items: Item[] = [];
        editAnswer(
          kind,
          request,
          answerWindow(kind, exchange.honest, request, ({ limit }) => ({ limit, offset: page * limit })),
          (other) => {
            items = other.items;
          },
        );
        return items;
      });
      parts.items = pages.flat();
    }),
    expect: ways(['SOURCE_MALFORMED'], ['SOURCE_MALFORMED'], 'the last page of a stream has no more to send'),
  },
  'page-ignores-offset': {
    question: 'whole',
    mostRequests: 13,
    answer: misplaced(() => 0),
    expect: perKind(
      ways(['SOURCE_UNAVAILABLE', 'SOURCE_MALFORMED'], ['SOURCE_MALFORMED'], ONE_REQUEST),
      ways(['SOURCE_UNAVAILABLE', 'SOURCE_MALFORMED'], ['SOURCE_MALFORMED'], ['SOURCE_MALFORMED']),
    ),
  },
  'total-lies-low': {
    question: 'whole',
    mostRequests: 13,
    target: (way, kind) => (way === 'catalog' ? 'catalog' : way === 'stream' && kind === 'ckan' ? 'scan' : 'records'),
    answer: edited((parts) => {
      parts.total = 3;
    }),
    expect: ways(['SOURCE_MALFORMED'], ['checked'], ['SOURCE_MALFORMED']),
    check: (found, healthy) => differsOnlyIn(found, healthy, () => undefined) && !found.isExact && found.total === null,
  },
  'total-lies-high': {
    question: 'whole',
    mostRequests: 13,
    target: (way, kind) => (way === 'catalog' ? 'catalog' : way === 'stream' && kind === 'ckan' ? 'scan' : 'records'),
    answer: edited((parts) => {
      parts.total = 2_000;
    }),
    expect: ways(['SOURCE_MALFORMED'], ['checked'], ['SOURCE_MALFORMED']),
    check: (found, healthy) => differsOnlyIn(found, healthy, () => undefined) && !found.isExact,
  },
  'total-negative': {
    target: (way, kind) => (way === 'catalog' ? 'catalog' : way === 'stream' && kind === 'ckan' ? 'scan' : 'records'),
    answer: edited((parts) => {
      parts.total = -3;
    }),
    expect: MALFORMED,
  },
  'total-string': {
    target: (way, kind) => (way === 'catalog' ? 'catalog' : way === 'stream' && kind === 'ckan' ? 'scan' : 'records'),
    answer: edited((parts) => {
      parts.total = String(parts.total as number);
    }),
    expect: MALFORMED,
  },
  'next-other-host': {
    question: 'whole',
    mostRequests: 13,
    answer: edited((parts, { request }) => {
      const other = `http://${ELSEWHERE}${request.path}`;
      parts.root['_links'] = { start: other, next: other };
      parts.root['links'] = [{ rel: 'next', href: other }];
      parts.root['next'] = other;
    }),
    expect: perKind(ways(['same'], ['same'], LINKS_UNREAD), SAME),
  },
  // ---------------------------------------------------------------- ids
  'ids-duplicate': {
    answer: edited((parts, { kind, request }) => {
      const key = idKeyOf(kind, request);
      const [, second, third] = parts.items;
      if (second !== undefined && third !== undefined) third[key] = second[key];
    }),
    expect: MALFORMED,
  },
  'ids-same-across-sources': { answer: answerHonestly, expect: SAME },
  // One without an id leaves it open which others are missing.
  'ids-null': {
    answer: edited((parts, { kind, request }) => {
      const [, second] = parts.items;
      if (second !== undefined) second[idKeyOf(kind, request)] = null;
    }),
    expect: MALFORMED,
  },
  // An id of another type is another id; a number in a text is the same whole number.
  'ids-number': {
    answer: edited((parts, { kind, request }) => {
      const key = idKeyOf(kind, request);
      const [, second] = parts.items;
      if (second !== undefined) second[key] = typeof second[key] === 'number' ? String(second[key]) : 7;
    }),
    expect: perKind(ways(['SOURCE_MALFORMED'], ['same'], ['same']), MALFORMED),
  },
  // ---------------------------------------------------------------- schema
  'schema-drift-add': {
    answer: edited((parts) => {
      for (const item of parts.items) item['added'] = 'x';
      parts.fields?.push({ id: 'added', type: 'text' });
    }),
    expect: SAME,
  },
  // A column that is gone would read as null in every record.
  'schema-drift-drop': {
    answer: edited(dropColumn('level', null)),
    expect: ways('columns are those of records', ['SOURCE_MALFORMED'], ['SOURCE_MALFORMED']),
  },
  'schema-drift-rename': {
    answer: edited(dropColumn('level', 'water_level')),
    expect: ways('columns are those of records', ['SOURCE_MALFORMED'], ['SOURCE_MALFORMED']),
  },
  'schema-drift-type': {
    answer: edited((parts) => {
      for (const item of parts.items) item['docks'] = { value: item['docks'] };
      for (const field of parts.fields ?? []) if (field['id'] === 'docks') field['type'] = 'json';
    }),
    // Opendatasoft's answers do not say their types: the values are handed out as they are.
    expect: perKind(
      ways('columns are those of records', ['checked'], ['checked']),
      ways('columns are those of records', ['SOURCE_MALFORMED'], ['SOURCE_MALFORMED']),
    ),
    check: (found, healthy) => differsOnlyIn(found, healthy, (row) => ({ docks: { value: row['docks'] } })),
  },
  // ---------------------------------------------------------------- time
  'clock-skew': {
    answer: (exchange) =>
      reply(exchange, 200, typed(['date', 'Thu, 01 Jan 2099 00:00:00 GMT'], ['age', '99999999']), honestBody(exchange)),
    expect: SAME,
  },
  // Nothing is harvested in increments; the date is the portal's word.
  'future-lastmod': {
    answer: edited((parts, { kind }) =>
      mapValues(parts, kind, (item) => {
        if ('modified' in item) item['modified'] = '2099-01-01T00:00:00+00:00';
        if ('metadata_modified' in item) item['metadata_modified'] = '2099-01-01T00:00:00';
      }),
    ),
    expect: ways(['checked'], 'records carry no dates of change', 'records carry no dates of change'),
    check: (found, healthy) =>
      healthy.rows.length === found.rows.length &&
      found.rows.every((row) => Date.parse(String(row['modified'])) === Date.UTC(2099, 0)),
  },
  // ---------------------------------------------------------------- cache
  'etag-lies': staleAnswer(['etag', '"one"']),
  'lastmod-lies': staleAnswer(
    ['last-modified', 'Mon, 01 Jan 2024 00:00:00 GMT'],
    ['cache-control', 'max-age=99999999'],
  ),
  // Nothing of a caller is ever sent to a portal, so its answers cannot depend on it: the runner looks at the headers.
  'vary-missing': { answer: answerHonestly, asks: 2, expect: SAME },
  'set-cookie': {
    answer: (exchange) => reply(exchange, 200, typed(['set-cookie', 'session=1; Path=/']), honestBody(exchange)),
    asks: 2,
    expect: SAME,
  },
  // ---------------------------------------------------------------- connections
  'keepalive-race': {
    answer: (exchange) => {
      if (exchange.nth === 0 && exchange.request.earlier > 0) reset(exchange.connection);
      else if (exchange.nth === 0 && exchange.way === 'catalog') answerHonestly(exchange);
      else if (exchange.nth === 1 && exchange.way === 'catalog') reset(exchange.connection);
      else answerHonestly(exchange);
    },
    asks: 2,
    expect: SAME,
  },
  'h1-pipelining-mixup': { answer: latency(() => 200), asks: 6, pace: 'at-once', expect: SAME },
  '100-conns-limit': {
    // The runner lets this portal have two connections at once and resets the others.
    answer: latency(() => 200),
    asks: 6,
    pace: 'at-once',
    expect: all('same', 'SOURCE_UNAVAILABLE'),
  },
  'slow-then-fast': {
    answer: latency((_, random) => (random() < 0.25 ? 5_000 : 20)),
    asks: 5,
    expect: SAME_OR_TIMEOUT,
  },
  bimodal: { answer: latency((nth) => (nth % 10 === 3 ? 3_000 : 20)), asks: 5, expect: SAME_OR_TIMEOUT },
  ramp: { answer: latency((nth) => 200 * 1.6 ** nth), asks: 5, expect: SAME_OR_TIMEOUT },
  flap: {
    answer: (exchange) => (exchange.nth % 4 < 2 ? answerHonestly(exchange) : reset(exchange.connection)),
    asks: 5,
    expect: all('same', 'SOURCE_UNAVAILABLE'),
  },
  'brownout-50': {
    answer: (exchange) => (exchange.nth % 2 === 0 ? html(503)(exchange) : answerHonestly(exchange)),
    asks: 5,
    expect: all('same', 'SOURCE_UNAVAILABLE'),
  },
};

/** Another answer under the same mark of version: the second question, asked after freshness, must see it. */
function staleAnswer(...headers: RawHeaders): FaultRow {
  return {
    asks: 2,
    pace: 'after-freshness',
    answer: (exchange) => {
      const body = editAnswer(exchange.kind, exchange.request, exchange.honest(), (parts) =>
        mapValues(parts, exchange.kind, (item) => {
          item['title' in item ? 'title' : 'name'] = `version ${exchange.nth}`;
        }),
      );
      reply(exchange, 200, typed(...headers), body);
    },
    expect: CHECKED,
    check: (found, _, way, __, ask) => {
      const last = found.rows.at(-1)?.[way === 'catalog' ? 'title' : 'name'];
      return last === `version ${ask}`;
    },
  };
}
