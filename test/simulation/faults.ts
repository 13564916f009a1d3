import { gzipSync } from 'node:zlib';
import type { PortalQuirks } from '@civex/sandbox';
import type { ConnectPlan, WireHost, WireRequest } from './wire.ts';
import { toChunks, toMessage } from './wire.ts';
import { createAnswers } from './world.ts';
import type { Dice, PortalSpec } from './world.ts';

const CONNECT_FAULTS = ['refused', 'unresolved', 'never-resolved', 'never-connected'] as const;
/** Instead of an answer. */
const CRUDE_FAULTS = [
  'hang',
  'reset',
  'close',
  'status-500',
  'status-502',
  'status-503',
  'status-503-later',
  'status-429',
  'garbage',
  'page-200',
  'challenge',
  'empty',
] as const;
/** Of the true answer on its way. */
const TRANSPORT_FAULTS = [
  'cut',
  'cut-reset',
  'slow',
  'drip',
  'trickle',
  'more-than-its-length',
  'less-than-its-length',
  'interim',
] as const;
const ANSWER_FAULTS = [...CRUDE_FAULTS, ...TRANSPORT_FAULTS] as const;
/** Well-formed answers that are not true. */
const LIES = [
  'more-in-total',
  'less-in-total',
  'repeats-pages',
  'caps-pages',
  'ignores-filters',
  'short-export',
] as const;

type ConnectFault = (typeof CONNECT_FAULTS)[number];
type CrudeFault = (typeof CRUDE_FAULTS)[number];
type TransportFault = (typeof TRANSPORT_FAULTS)[number];
type FaultName = ConnectFault | CrudeFault | TransportFault | (typeof LIES)[number];

/** A portal does not behave for a while. */
export interface FaultSpan {
  readonly source: string;
  readonly fault: FaultName;
  readonly fromMs: number;
  readonly toMs: number;
  /** Of the connections or requests in that time. */
  readonly share: number;
}

export function createFaultSpans(source: string, startMs: number, endMs: number, dice: Dice): readonly FaultSpan[] {
  return Array.from({ length: dice.int(0, 7) }, () => {
    const fromMs = dice.int(startMs, endMs);
    const toMs = Math.min(endMs, fromMs + dice.int(2_000, 60_000));
    const fault = dice.chance(0.2)
      ? dice.pick(CONNECT_FAULTS)
      : dice.chance(0.4)
        ? dice.pick(LIES)
        : dice.pick(ANSWER_FAULTS);
    return { source, fault, fromMs, toMs, share: dice.pick([1, 1, 0.6, 0.3]) };
  });
}

const isOneOf = <T extends string>(names: readonly T[], name: string): name is T =>
  (names as readonly string[]).includes(name);

/** What a portal that ignores filters makes of a request. */
function withoutFilters(request: WireRequest): WireRequest {
  if (request.path.endsWith('/datastore_search')) {
    const { filters: _, ...body } = JSON.parse(request.body) as Record<string, unknown>;
    return { ...request, body: JSON.stringify(body) };
  }
  if (!/\/datasets\/[^/]+\/(records|exports)/.test(request.path)) return request;
  const search = new URLSearchParams(request.search);
  search.delete('where');
  return { ...request, search: `?${search.toString()}` };
}

const pieces = (bytes: Buffer, count: number): readonly Buffer[] => {
  const size = Math.max(1, Math.ceil(bytes.length / count));
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
};

interface Message {
  readonly head: Buffer;
  readonly body: Buffer;
}
type Answer = ReturnType<WireHost['answer']>;
type Spoilt = Omit<Answer, 'name'>;

/** The far side of a portal's hosts: its answers, spoilt by what its spans say. */
export function createHost(
  portal: PortalSpec,
  spans: readonly FaultSpan[],
  clock: { monotonicMs(): number },
  dice: Dice,
): WireHost {
  const answersAt = createAnswers(portal);
  const activeOf = (isWanted: (fault: FaultName) => boolean): FaultName | null => {
    const now = clock.monotonicMs();
    for (const { fault, fromMs, toMs, share } of spans)
      if (now >= fromMs && now < toMs && isWanted(fault) && dice.chance(share)) return fault;
    return null;
  };

  /** Head and body as they go over the wire. */
  const spell = (request: WireRequest, quirks: PortalQuirks, fault: FaultName | null): Message => {
    const made = answersAt(clock.monotonicMs())(
      fault === 'ignores-filters' ? withoutFilters(request) : request,
      quirks,
    );
    const { status, headers, body } = made;
    if (typeof body === 'string' || Buffer.isBuffer(body)) {
      const plain = Buffer.from(body);
      // Compression of small answers only: the large ones are undone on another thread, beyond the virtual clock.
      if (plain.length > 200 && plain.length < 60_000 && dice.chance(0.3))
        return toMessage(status, { ...headers, 'content-encoding': 'gzip' }, gzipSync(plain, { level: 1 }));
      return toMessage(status, headers, plain);
    }
    const lines = fault === 'short-export' ? body.slice(0, Math.floor(body.length / 2)) : body;
    const parts = pieces(Buffer.from(lines.join('')), 4);
    return {
      ...toMessage(status, { ...headers, 'content-length': null, 'transfer-encoding': 'chunked' }, Buffer.alloc(0)),
      body: toChunks(parts),
    };
  };

  const plain = (status: number, headers: Readonly<Record<string, string>>, text: string, afterMs: number): Spoilt => {
    const { head, body } = toMessage(status, { 'content-type': 'text/html', ...headers }, Buffer.from(text));
    return { steps: [{ afterMs, bytes: Buffer.concat([head, body]) }], isHonest: false };
  };
  const json = { 'content-type': 'application/json' };
  const crude: Readonly<Record<CrudeFault, (afterMs: number) => Spoilt>> = {
    hang: () => ({ steps: [], isHonest: false }),
    reset: (afterMs) => ({ steps: [{ afterMs, ending: 'reset' }], isHonest: false }),
    close: (afterMs) => ({ steps: [{ afterMs, ending: 'end' }], isHonest: false }),
    'status-500': (afterMs) => plain(500, {}, 'oops', afterMs),
    'status-502': (afterMs) => plain(502, {}, 'bad gateway', afterMs),
    'status-503': (afterMs) => plain(503, {}, 'later', afterMs),
    'status-503-later': (afterMs) => plain(503, { 'retry-after': String(dice.int(0, 3)) }, 'later', afterMs),
    'status-429': (afterMs) => ({
      ...plain(429, { 'retry-after': String(dice.int(0, 90)) }, 'too many', afterMs),
      isHonest: null,
    }),
    garbage: (afterMs) => plain(200, json, '{"total_count": 3, "results": [{"a": 1}, {"a":, ]', afterMs),
    'page-200': (afterMs) => plain(200, {}, '<html><body>We will be back soon</body></html>', afterMs),
    challenge: (afterMs) => plain(403, { 'cf-mitigated': 'challenge' }, '<title>Just a moment...</title>', afterMs),
    empty: (afterMs) => plain(200, json, '', afterMs),
  };
  const cut =
    (ending: 'end' | 'reset') =>
    ({ head, body }: Message, afterMs: number): Spoilt => {
      const whole = Buffer.concat([head, body]);
      const bytes = whole.subarray(0, dice.int(0, whole.length - 1));
      return {
        steps: [
          { afterMs, bytes },
          { afterMs: dice.int(1, 30), ending },
        ],
        isHonest: false,
      };
    };
  const transport: Readonly<Record<TransportFault, (message: Message, afterMs: number) => Spoilt>> = {
    cut: cut('end'),
    'cut-reset': cut('reset'),
    slow: ({ head, body }) => ({
      steps: [{ afterMs: dice.int(1_000, 12_000), bytes: Buffer.concat([head, body]) }],
      isHonest: null,
    }),
    drip({ head, body }) {
      // Below the least rate, and for longer than anybody waits.
      const whole = Buffer.concat([head, body]);
      return {
        steps: pieces(whole, Math.ceil(whole.length / 20)).map((bytes) => ({ afterMs: 1_000, bytes })),
        isHonest: null,
      };
    },
    trickle: ({ head, body }) => ({
      steps: pieces(Buffer.concat([head, body]), 12).map((bytes) => ({ afterMs: dice.int(50, 700), bytes })),
      isHonest: null,
    }),
    'more-than-its-length': ({ head, body }, afterMs) => ({
      steps: [{ afterMs, bytes: Buffer.concat([head, body, Buffer.from('{"total_count": 0}')]) }],
      isHonest: null,
    }),
    'less-than-its-length'({ head, body }, afterMs) {
      const text = head.toString('latin1');
      const length = dice.int(0, Math.max(0, body.length - 1));
      const bytes = Buffer.concat([
        Buffer.from(text.replace(/content-length: \d+/, `content-length: ${length}`), 'latin1'),
        body.subarray(0, text.includes('content-length') ? length : body.length),
      ]);
      return { steps: [{ afterMs, bytes }], isHonest: null };
    },
    interim({ head, body }, afterMs) {
      const hint = Buffer.from('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n');
      return {
        steps: [
          { afterMs, bytes: hint },
          { afterMs: 200, bytes: hint },
          { afterMs, bytes: Buffer.concat([head, body]) },
        ],
        isHonest: true,
      };
    },
  };

  const answer = (request: WireRequest): Answer => {
    const fault = activeOf((candidate) => !isOneOf(CONNECT_FAULTS, candidate));
    const afterMs = dice.int(4, 80);
    const name = fault ?? 'good';
    if (fault !== null && isOneOf(CRUDE_FAULTS, fault)) return { ...crude[fault](afterMs), name };
    const quirks: PortalQuirks = {
      ...(fault === 'more-in-total' ? { wrongTotal: dice.int(1, 3) } : {}),
      ...(fault === 'less-in-total' ? { wrongTotal: -dice.int(1, 3) } : {}),
      ...(fault === 'repeats-pages' ? { repeatsPages: true } : {}),
      ...(fault === 'caps-pages' ? { capsSilentlyAt: dice.int(1, 4) } : {}),
    };
    const message = spell(request, quirks, fault);
    if (fault !== null && isOneOf(TRANSPORT_FAULTS, fault)) return { ...transport[fault](message, afterMs), name };
    const { head, body } = message;
    const steps = [
      { afterMs, bytes: head },
      { afterMs: dice.int(1, 20), bytes: body },
    ].filter(({ bytes }) => bytes.length > 0);
    return { steps, isHonest: fault === null ? true : null, name };
  };

  return {
    source: portal.source,
    address: portal.address,
    planConnect(): ConnectPlan {
      const fault = activeOf((candidate) => isOneOf(CONNECT_FAULTS, candidate));
      const afterMs = dice.int(2, 60);
      if (fault === 'never-resolved' || fault === 'never-connected') return { kind: fault };
      return { kind: fault === 'refused' || fault === 'unresolved' ? fault : 'connected', afterMs };
    },
    answer,
  };
}
