import type { HubError } from '@civex/errors';
import { isHubError } from '@civex/errors';
import type { Dispatcher } from 'undici';
import type { Base } from './bases.ts';
import type { Cancellation } from './cancellation.ts';
import { decodeStream, decodeWhole, parseEncodings, type Encoding } from './decode.ts';
import type { Faults } from './faults.ts';
import type { SlotEnd } from './limiter.ts';
import { isConnectError, isProtocolFault, type Connection, type LinkRequest } from './link.ts';
import type { RateWatch } from './rate-watch.ts';

type Body = Dispatcher.ResponseData['body'];
export type AnswerHeaders = Readonly<Record<string, string>>;

/** Why one request did not bring an answer, and what that means for the next step. */
interface Failure {
  readonly error: HubError;
  /** The same request may be sent once more. */
  readonly mayRetry: boolean;
  /** No connection came about: another base may be tried. */
  readonly isConnect: boolean;
  /** Whether the portal is to blame. */
  readonly blame: 'portal' | 'nobody';
  readonly slotEnd: SlotEnd;
}

export type Attempted =
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** `body` is null for a status that says all. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: AnswerHeaders;
      readonly body: Uint8Array | null;
    }
  | OpenBody;

/** A 2xx body that is still arriving. */
export interface OpenBody {
  readonly kind: 'open';
  readonly chunks: AsyncIterable<Uint8Array>;
  wireBytes(): number;
  /** True when bytes that belong to no answer came after the body. */
  hasExcess(): boolean;
  /** Closes the socket unless the body is complete. Idempotent. */
  close(): void;
}

export interface AttemptTools {
  readonly faults: Faults;
  readonly rateWatch: RateWatch;
  readonly maxAnswerBytes: number;
}

/** Statuses whose body nobody reads. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([301, 302, 303, 307, 308, 429, 502, 503, 504]);
const NEVER_A_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

const TRANSIENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_SOCKET',
]);

const noop = () => {};

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** What is in the headers, so that a name that occurs several times is one line. */
function flatten(raw: Record<string, string | string[] | undefined>): AnswerHeaders {
  const headers: Record<string, string> = {};
  for (const name in raw) {
    const value = raw[name];
    if (typeof value === 'string') headers[name] = value;
    else if (value !== undefined) headers[name] = value.join(', ');
  }
  return headers;
}

/** Lower-case media type without parameters, or null. */
export function mediaTypeOf(headers: AnswerHeaders): string | null {
  const value = headers['content-type'];
  if (value === undefined) return null;
  const cut = value.indexOf(';');
  return (cut < 0 ? value : value.slice(0, cut)).trim().toLowerCase() || null;
}

/**
 * A body without length and chunks ends with the connection: a cut cannot be told from the end. Taken only where the
 * content itself shows a cut: a compressed body or one JSON value.
 */
function endIsKnown(headers: AnswerHeaders, encodings: readonly Encoding[]): boolean {
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) return true;
  if (encodings.length > 0) return true;
  const mediaType = mediaTypeOf(headers);
  return mediaType === 'application/json' || (mediaType !== null && mediaType.endsWith('+json'));
}

/** A body of n bytes may have been meant to be longer; one in chunks says itself where it ends. */
const lengthIsClaimed = (headers: AnswerHeaders) => headers['content-length'] !== undefined;

function failed(
  error: HubError,
  traits: Partial<Pick<Failure, 'mayRetry' | 'isConnect' | 'blame' | 'slotEnd'>> = {},
): Attempted {
  return {
    kind: 'failed',
    failure: { error, mayRetry: false, isConnect: false, blame: 'portal', slotEnd: 'neutral', ...traits },
  };
}

/** @param stage how far the answer had come. */
function toFailed(error: Error, stage: 'head' | 'body', faults: Faults): Attempted {
  const code = codeOf(error);
  const isConnect = isConnectError(error);
  if (isHubError(error)) {
    const blame = error.code === 'SOURCE_TIMEOUT' || error.code === 'SOURCE_MALFORMED' ? 'portal' : 'nobody';
    return failed(error, { isConnect, blame, slotEnd: error.code === 'SOURCE_TIMEOUT' ? 'shed' : 'neutral' });
  }
  const mayRetry = TRANSIENT.has(code);
  if (code === 'UND_ERR_CONNECT_TIMEOUT')
    return failed(faults.timedOut(error), { mayRetry, isConnect, slotEnd: 'shed' });
  if (isConnect) return failed(faults.unreachable(error), { mayRetry, isConnect, slotEnd: 'shed' });
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT')
    return failed(faults.timedOut(error), { slotEnd: 'shed' });
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED')
    return failed(faults.closed(error), { blame: 'nobody' });
  if (code === 'UND_ERR_INVALID_ARG') return failed(faults.internal(error), { blame: 'nobody' });
  if (isProtocolFault(error) || code === 'UND_ERR_HEADERS_OVERFLOW' || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH')
    return failed(faults.malformed(error));
  // The peer closed in good order in the middle of an answer: it sent a short one.
  if (stage === 'body' && code === 'UND_ERR_SOCKET') return failed(faults.malformed(error));
  if (mayRetry) return failed(faults.unreachable(error), { mayRetry, slotEnd: 'shed' });
  return failed(stage === 'body' ? faults.malformed(error) : faults.unreachable(error));
}

type Head =
  | { readonly kind: 'error'; readonly error: Error; readonly stage: 'head' | 'body' }
  | {
      readonly kind: 'head';
      readonly status: number;
      readonly headers: AnswerHeaders;
      readonly encodings: readonly Encoding[];
      /** The whole body as it came; null when it was not read. */
      readonly wire: Uint8Array | null;
      /** Set when the body is left to the caller. */
      readonly open: Body | null;
      readonly connection: Connection;
    };

const EMPTY = new Uint8Array(0);

function exchange(
  base: Base,
  outgoing: LinkRequest,
  leaveOpen: boolean,
  cancellation: Cancellation,
  { faults, rateWatch, maxAnswerBytes }: AttemptTools,
): Promise<Head> {
  return new Promise((resolve) => {
    if (cancellation.reason !== null) {
      resolve({ kind: 'error', error: cancellation.reason, stage: 'head' });
      return;
    }
    const connection = base.link.take();
    let stage: 'head' | 'body' = 'head';
    /** Breaks off: nothing of this connection can be used again. */
    const fail = (error: Error) => {
      cancellation.off('abort', onAbort);
      connection.destroy(error);
      resolve({ kind: 'error', error, stage });
    };
    // At once, whatever the connection waits for.
    const onAbort = () => fail(cancellation.reason ?? faults.cancelled());
    cancellation.once('abort', onAbort);
    connection.request(outgoing, (error, data) => {
      if (error !== null) {
        fail(cancellation.reason ?? error);
        return;
      }
      stage = 'body';
      const { statusCode: status, body } = data;
      const answerHeaders = flatten(data.headers);
      const land = (wire: Uint8Array | null, open: Body | null, encodings: readonly Encoding[]) => {
        cancellation.off('abort', onAbort);
        resolve({ kind: 'head', status, headers: answerHeaders, encodings, wire, open, connection });
      };
      if (cancellation.reason !== null) {
        body.on('error', noop);
        return;
      }

      if (WITHOUT_BODY.has(status)) {
        body.on('error', noop);
        connection.destroy(new Error('body not wanted'));
        land(null, null, []);
        return;
      }
      const drop = (reason: HubError) => {
        body.on('error', noop);
        fail(reason);
      };
      const carriesResult = status >= 200 && status < 300 && !NEVER_A_BODY.has(status);
      const encodings = NEVER_A_BODY.has(status) ? [] : parseEncodings(answerHeaders['content-encoding']);
      const transferEncoding = answerHeaders['transfer-encoding'];
      if (
        encodings === null ||
        (transferEncoding !== undefined && transferEncoding.trim().toLowerCase() !== 'chunked')
      ) {
        drop(faults.malformed());
        return;
      }
      // The hub never asks for ranges.
      if (status === 206 || answerHeaders['content-range'] !== undefined) {
        drop(faults.partial());
        return;
      }
      if (carriesResult && !endIsKnown(answerHeaders, encodings)) {
        drop(faults.malformed());
        return;
      }
      if (leaveOpen && carriesResult) {
        land(null, body, encodings);
        return;
      }
      if (Number(answerHeaders['content-length'] ?? 0) > maxAnswerBytes) {
        drop(faults.tooLarge());
        return;
      }

      const chunks: Uint8Array[] = [];
      let bytes = 0;
      const unwatch = rateWatch.watch({
        readBytes: () => bytes,
        isAwaited: () => true,
        onHung: () => fail(faults.timedOut()),
      });
      body.on('data', (chunk: Uint8Array) => {
        bytes += chunk.byteLength;
        if (bytes > maxAnswerBytes) fail(faults.tooLarge());
        else chunks.push(chunk);
      });
      body.on('end', () => {
        unwatch();
        connection.release(answerHeaders['keep-alive']);
        const [only = EMPTY] = chunks;
        land(chunks.length <= 1 ? only : Buffer.concat(chunks, bytes), null, encodings);
      });
      body.on('error', (bodyError: Error) => {
        unwatch();
        fail(cancellation.reason ?? bodyError);
      });
    });
  });
}

function openBody({ headers, encodings, connection }: Extract<Head, { kind: 'head' }>, body: Body): OpenBody {
  let wireBytes = 0;
  let isOver = false;
  async function* wire(): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      // A body without `setEncoding` yields bytes.
      const bytes = chunk as Uint8Array;
      wireBytes += bytes.byteLength;
      yield bytes;
    }
  }
  // A body that fails while nobody reads would otherwise end the process.
  body.on('error', noop);
  body.on('end', () => {
    if (isOver) return;
    isOver = true;
    connection.release(headers['keep-alive']);
  });
  return {
    kind: 'open',
    chunks: decodeStream(wire(), encodings),
    wireBytes: () => wireBytes,
    hasExcess: () => lengthIsClaimed(headers) && connection.hasFaulted,
    close: () => {
      body.destroy();
      if (isOver) return;
      isOver = true;
      connection.destroy(new Error('body not wanted'));
    },
  };
}

/** What a broken stream means, as an error of the hub. */
export function toStreamError(error: unknown, faults: Faults): HubError {
  const attempted = toFailed(
    error instanceof Error ? error : new Error('stream failed', { cause: error }),
    'body',
    faults,
  );
  return attempted.kind === 'failed' ? attempted.failure.error : faults.malformed(error);
}

/**
 * One real request. Never rejects.
 *
 * @param leaveOpen hand a 2xx body over while it arrives; other bodies are always read whole.
 */
export async function attempt(
  base: Base,
  outgoing: LinkRequest,
  leaveOpen: boolean,
  cancellation: Cancellation,
  tools: AttemptTools,
): Promise<Attempted> {
  const head = await exchange(base, outgoing, leaveOpen, cancellation, tools);
  if (head.kind === 'error') return toFailed(head.error, head.stage, tools.faults);
  const { status, headers, wire, open } = head;
  if (open !== null) return openBody(head, open);
  if (wire === null) return { kind: 'answer', status, headers, body: null };
  // The parser refuses what follows a body when it comes with the body: then its length was a lie.
  if (head.connection.hasFaulted && lengthIsClaimed(headers)) return failed(tools.faults.malformed());
  if (head.encodings.length === 0) return { kind: 'answer', status, headers, body: wire };
  try {
    const body = await decodeWhole(wire, head.encodings, tools.maxAnswerBytes, cancellation, tools.faults);
    return { kind: 'answer', status, headers, body };
  } catch (error) {
    if (isHubError(error)) return toFailed(error, 'body', tools.faults);
    return failed(tools.faults.malformed(error));
  }
}
