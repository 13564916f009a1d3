import { HubError, isHubError } from '@civex/errors';
import { LRUCache } from 'lru-cache';
import { createAddressGuard } from './address-guard.ts';
import {
  attempt,
  mediaTypeOf,
  toStreamError,
  type AnswerHeaders,
  type AttemptTools,
  type OpenBody,
} from './attempt.ts';
import { createBases, type Base } from './bases.ts';
import { createBreaker, type CallEnd, type Pass } from './breaker.ts';
import { Cancellation, pause } from './cancellation.ts';
import { createFaults } from './faults.ts';
import { createLimiter, type Slot, type SlotEnd } from './limiter.ts';
import type { LinkRequest } from './link.ts';
import { createRateWatch } from './rate-watch.ts';
import { createRetryBudget } from './retry-budget.ts';
import { parseRetryAfter } from './retry-after.ts';
import type {
  HttpAnswer,
  HttpCall,
  HttpEnvironment,
  HttpRequest,
  SourceHttp,
  SourceHttpOptions,
  SourceHttpState,
} from './types.ts';
import { VERSION } from './version.ts';
import { toWireRequest, type WireRequest } from './wire-request.ts';

/** What only tests replace. */
export interface Internals {
  /** Step of the rate watch, milliseconds. */
  readonly rateTickMs: number;
}

const MAX_HOPS = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const RETRIED: ReadonlySet<number> = new Set([502, 503, 504]);
/** How long the base that answered is preferred, milliseconds. */
const PREFER_BASE_MS = 300_000;
/** Full jitter before a retry, milliseconds. */
const BACKOFF = { minMs: 50, maxMs: 250 };
/** Longest `Retry-After` of a 429 the hub waits for itself, milliseconds. */
const MAX_WAIT_ON_429_MS = 2_000;
/** Longest time a portal is left alone because of one 429, milliseconds. */
const MAX_QUIET_MS = 60_000;
const QUEUE_SHARE = 0.25;
/** Failures in place of which an answer past its freshness may be used. */
const STALE_MAY_STAND_IN: ReadonlySet<string> = new Set([
  'SOURCE_TIMEOUT',
  'SOURCE_UNAVAILABLE',
  'SOURCE_OVERLOADED',
  'SOURCE_MALFORMED',
]);
/** Of a bot challenge page, only the beginning is looked at. Bytes. */
const CHALLENGE_BYTES = 4_096;

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const HEADER_VALUE = /^[\t\u0020-\u007e]*$/;
/** Headers that decide how the message is framed, routed or decoded are the client's own. */
const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** @throws HubError `CONFIG_INVALID`; the value is never repeated. */
function toHeaderList(options: SourceHttpOptions): string[] {
  const headers = new Map([
    ['accept', 'application/json'],
    ['user-agent', `civex/${VERSION} (+federated open data hub)`],
  ]);
  for (const [name, value] of Object.entries(options.headers)) {
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value))
      throw new HubError('CONFIG_INVALID', 'headers: a name must be a lower-case token, a value printable ASCII.');
    if (RESERVED_HEADERS.has(name)) throw new HubError('CONFIG_INVALID', `headers.${name}: is set by the hub itself.`);
    headers.set(name, value);
  }
  headers.set('accept-encoding', 'gzip, br');
  return [...headers].flat();
}

/** Cloudflare's interstitial page: the portal behind it never saw the request. */
function isBotChallenge(status: number, headers: AnswerHeaders, body: Uint8Array | null): boolean {
  if (status !== 403 || mediaTypeOf(headers) !== 'text/html') return false;
  if (headers['cf-mitigated'] !== undefined) return true;
  const start = Buffer.from((body ?? new Uint8Array(0)).subarray(0, CHALLENGE_BYTES)).toString('latin1');
  return /<title[^>]*>\s*just a moment/i.test(start);
}

/** The work for one or more callers who asked the same. */
interface Job {
  readonly cancellation: Cancellation;
  /** The last of the waiting callers' deadlines, on the monotonic clock. */
  deadlineMs: number;
  /** Of the caller who began it, while it waits: requests are counted once. */
  trace: HttpCall['trace'] | null;
  pass: Pass | null;
}

interface Received {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: Uint8Array;
  readonly durationMs: number;
}

interface Opened {
  readonly body: OpenBody;
  readonly slot: Slot;
  readonly durationMs: number;
}

type Obtained =
  | { readonly kind: 'received'; readonly received: Received }
  | { readonly kind: 'opened'; readonly opened: Opened }
  | { readonly kind: 'failed'; readonly error: HubError; readonly end: CallEnd };

interface Landed {
  readonly value: unknown;
  /** Wall clock, for people. */
  readonly fetchedAtEpochMs: number;
  /** Monotonic, for its age. */
  readonly landedAtMs: number;
  /** The answer as it came, so that the same answer need not be parsed again. */
  readonly body: Uint8Array;
}

interface CacheEntry extends Landed {
  readonly status: number;
  readonly mediaType: string | null;
}

interface Waiter {
  land(landed: Landed): void;
  fail(reason: unknown): void;
}

interface Flight extends Job {
  readonly key: string | null;
  /** Whether its answer waits for a turn of the event loop. */
  readonly isPaced: boolean;
  readonly startedAtMs: number;
  readonly waiters: Set<Waiter>;
}

function noteFetched(trace: HttpCall['trace'], fetchedAtEpochMs: number): void {
  trace.fetchedAtEpochMs = Math.min(trace.fetchedAtEpochMs ?? fetchedAtEpochMs, fetchedAtEpochMs);
}

function noteCached(trace: HttpCall['trace'], entry: Landed, ageMs: number): void {
  trace.maxAgeMs = Math.max(trace.maxAgeMs ?? 0, ageMs);
  noteFetched(trace, entry.fetchedAtEpochMs);
}

export function createSourceHttpWith(
  options: SourceHttpOptions,
  environment: HttpEnvironment,
  internals: Internals,
): SourceHttp {
  const { source, limits } = options;
  const clock = () => environment.monotonicMs();
  const faults = createFaults(source);
  const guard = createAddressGuard(options.allowedPrivateCidrs);
  const getHeaders = toHeaderList(options);
  const postHeaders = [...getHeaders, 'content-type', 'application/json'];
  const bases = createBases(options, guard, environment, faults);
  const limiter = createLimiter(limits.maxConcurrent, limits.maxQueued, () => faults.queueFull(), environment);
  const breaker = createBreaker(clock, (state) => environment.metrics.circuit(source, state));
  const budget = createRetryBudget(limits.retryBudget, clock);
  const rateWatch = createRateWatch(limits.minBytesPerSecond, internals.rateTickMs, environment);
  const tools: AttemptTools = { faults, rateWatch, maxAnswerBytes: limits.maxAnswerBytes };
  const cache =
    options.cache.maxBytes > 0
      ? new LRUCache<string, CacheEntry>({
          maxSize: options.cache.maxBytes,
          // The value weighs about as much as the answer it was made from.
          sizeCalculation: (entry, key) => Math.max(1, 2 * entry.body.byteLength + key.length),
        })
      : null;
  const flights = new Map<string, Flight>();
  const jobs = new Set<Cancellation>();
  let preferred = { index: 0, untilMs: 0 };
  /** The portal asked to be left alone until then, on the monotonic clock. */
  let quietUntilMs = -Infinity;
  let isClosed = false;

  // ---- one job: queue, requests, retries, redirects -----------------------------------------------------------------

  const leftMs = (job: Job) => job.deadlineMs - clock();
  const jitterMs = () => BACKOFF.minMs + environment.random() * (BACKOFF.maxMs - BACKOFF.minMs);

  /** Lets a job's first request pass the breaker. Throws when the circuit is open. */
  function passBreaker(job: Job, slot: Slot | null): void {
    if (job.pass !== null) return;
    const refusedMs = breaker.refusedForMs();
    if (refusedMs !== null) {
      slot?.release('neutral');
      throw faults.circuitOpen(refusedMs);
    }
    if (slot === null) return;
    job.pass = breaker.enter();
    budget.countRequest();
  }

  const quietMs = () => quietUntilMs - clock();

  async function enterQueue(job: Job): Promise<Slot> {
    passBreaker(job, null);
    const maxWaitMs = Math.max(0, leftMs(job) * QUEUE_SHARE);
    return limiter.acquire(maxWaitMs, job.cancellation);
  }

  const preferredIndex = () => (clock() < preferred.untilMs ? preferred.index : 0);

  /** Not prolonged by further answers, so that the first base gets its turn again. */
  function prefer(base: Base): void {
    if (bases.length === 1) return;
    const index = bases.indexOf(base);
    if (index !== preferredIndex()) preferred = { index, untilMs: clock() + PREFER_BASE_MS };
  }

  /** The preferred base first, then the others as configured. */
  function basesToTry(): Base[] {
    if (bases.length === 1) return [...bases];
    const first = bases[preferredIndex()];
    return first === undefined ? [...bases] : [first, ...bases.filter((base) => base !== first)];
  }

  /** Where a redirect leads, or null where the hub does not follow. */
  function followed(base: Base, path: string, headers: AnswerHeaders): { base: Base; path: string } | null {
    const location = headers['location'];
    const url = location === undefined ? null : URL.parse(location, base.origin + path);
    if (url === null || url.username !== '' || url.password !== '') return null;
    const target = bases.find((candidate) => candidate.origin === url.origin);
    return target === undefined ? null : { base: target, path: url.pathname + url.search };
  }

  async function obtain(wire: WireRequest, leaveOpen: boolean, job: Job): Promise<Obtained> {
    const headers = wire.method === 'POST' ? postHeaders : getHeaders;
    const untried = basesToTry();
    let base = untried.shift();
    // `baseUrls` holds one at least.
    if (base === undefined) return { kind: 'failed', error: faults.internal(), end: 'abandoned' };
    let path = base.prefix + wire.path;
    let hops = 0;
    let hasRetried = false;
    /** What was asked for until then has been waited for, whatever the clock makes of the timer. */
    let heededUntilMs = -Infinity;

    const mustKeepQuiet = () => quietUntilMs > heededUntilMs && quietMs() > 0;
    const mayRetry = (waitMs: number, lastMs: number) =>
      !hasRetried && job.pass?.isProbe !== true && waitMs + lastMs <= leftMs(job) && budget.take();

    for (;;) {
      let slot: Slot;
      try {
        while (mustKeepQuiet()) {
          const restMs = quietMs();
          if (restMs > MAX_WAIT_ON_429_MS || restMs >= leftMs(job)) throw faults.overloaded(restMs);
          heededUntilMs = quietUntilMs;
          await pause(restMs, job.cancellation, environment);
        }
        slot = limiter.tryAcquire() ?? (await enterQueue(job));
        if (mustKeepQuiet()) {
          // Asked for while this one stood in the queue.
          slot.release('neutral');
          continue;
        }
        passBreaker(job, slot);
      } catch (error) {
        return { kind: 'failed', error: toHubError(error), end: 'abandoned' };
      }
      const startedAt = clock();
      if (job.trace !== null) job.trace.requests += 1;
      const outgoing: LinkRequest = { method: wire.method, path, headers, body: wire.body };
      const attempted = await attempt(base, outgoing, leaveOpen, job.cancellation, tools);
      const durationMs = clock() - startedAt;

      if (attempted.kind === 'open') {
        prefer(base);
        return { kind: 'opened', opened: { body: attempted, slot, durationMs } };
      }

      /** The error to answer with, unless the loop goes on. */
      let error: HubError;
      let end: CallEnd = 'failure';
      let slotEnd: SlotEnd = 'ok';
      let waitMs: number | null = null;
      let next: { base: Base; path: string } | null = null;

      if (attempted.kind === 'failed') {
        const { failure } = attempted;
        error = failure.error;
        slotEnd = failure.slotEnd;
        if (failure.blame === 'nobody') end = 'abandoned';
        const other = failure.isConnect ? untried.shift() : undefined;
        if (other !== undefined) next = { base: other, path: other.prefix + wire.path };
        else if (failure.mayRetry) {
          const backoffMs = jitterMs();
          if (mayRetry(backoffMs, 0)) waitMs = backoffMs;
        }
      } else {
        const { status } = attempted;
        if (REDIRECTS.has(status)) {
          error = faults.redirectRefused();
          end = 'alive';
          if (wire.method === 'GET' && hops < MAX_HOPS) next = followed(base, path, attempted.headers);
          if (next !== null) hops += 1;
        } else if (status === 429) {
          const retryAfterMs = parseRetryAfter(attempted.headers['retry-after'], environment.now());
          error = faults.overloaded(retryAfterMs);
          if (retryAfterMs !== null)
            quietUntilMs = Math.max(quietUntilMs, clock() + Math.min(retryAfterMs, MAX_QUIET_MS));
          end = 'alive';
          slotEnd = 'shed';
          if (retryAfterMs !== null && retryAfterMs <= MAX_WAIT_ON_429_MS && mayRetry(retryAfterMs, durationMs)) {
            waitMs = retryAfterMs;
            heededUntilMs = clock() + retryAfterMs;
          }
        } else if (RETRIED.has(status)) {
          const retryAfterMs = parseRetryAfter(attempted.headers['retry-after'], environment.now());
          const fits = retryAfterMs === null || retryAfterMs + durationMs <= leftMs(job);
          error = fits ? faults.failing(retryAfterMs) : faults.overloaded(retryAfterMs);
          slotEnd = 'shed';
          const backoffMs = retryAfterMs ?? jitterMs();
          if (fits && mayRetry(backoffMs, durationMs)) waitMs = backoffMs;
        } else if (isBotChallenge(status, attempted.headers, attempted.body)) {
          error = faults.challenged();
          const other = untried.shift();
          if (other !== undefined) next = { base: other, path: other.prefix + wire.path };
        } else {
          slot.release('ok');
          prefer(base);
          const received = {
            status,
            headers: attempted.headers,
            body: attempted.body ?? new Uint8Array(0),
            durationMs,
          };
          return { kind: 'received', received };
        }
      }

      slot.release(slotEnd);
      const isRedirect = next !== null && attempted.kind === 'answer' && REDIRECTS.has(attempted.status);
      environment.metrics.upstream(source, isRedirect ? 'ok' : error.code, durationMs);
      if (next !== null) {
        if (job.cancellation.reason !== null || leftMs(job) <= 0)
          return { kind: 'failed', error: toHubError(job.cancellation.reason ?? faults.timedOut()), end };
        ({ base, path } = next);
        continue;
      }
      if (waitMs === null) return { kind: 'failed', error, end };
      hasRetried = true;
      try {
        await pause(waitMs, job.cancellation, environment);
      } catch (cancelled) {
        return { kind: 'failed', error: toHubError(cancelled), end };
      }
    }
  }

  function toHubError(error: unknown): HubError {
    return isHubError(error) ? error : faults.internal(error);
  }

  // ---- whole answers ------------------------------------------------------------------------------------------------

  /** Parses, and tells breaker and metrics what became of the answer. */
  function judge<T>(received: Received, parse: (answer: HttpAnswer) => T, job: Job): T {
    const { status, headers, body, durationMs } = received;
    let end: CallEnd = status >= 500 ? 'failure' : status >= 400 ? 'alive' : 'success';
    let outcome = 'ok';
    try {
      return parse({ status, mediaType: mediaTypeOf(headers), headers, body });
    } catch (error) {
      if (isHubError(error)) {
        outcome = error.code;
        if (error.code === 'SOURCE_MALFORMED' || error.code === 'SOURCE_UNAVAILABLE') end = 'failure';
      } else {
        outcome = 'INTERNAL';
      }
      throw error;
    } finally {
      job.pass?.end(end);
      environment.metrics.upstream(source, outcome, durationMs);
    }
  }

  async function fly(flight: Flight, wire: WireRequest, parse: (answer: HttpAnswer) => unknown): Promise<void> {
    let result: { landed: Landed } | { reason: unknown };
    try {
      const obtained = await obtain(wire, false, flight);
      if (obtained.kind === 'received') {
        const { received } = obtained;
        // Lists of datasets are read many at a time, and mostly say what they said before.
        if (flight.isPaced) await environment.pacer?.pass(received.body.length);
        const mediaType = mediaTypeOf(received.headers);
        const before = flight.key === null ? undefined : cache?.peek(flight.key);
        // A portal that gives the same bytes again has said the same thing: its value is made once. The portal was asked
        // all the same, and the answer is as fresh as any.
        const isSame =
          before !== undefined &&
          before.status === received.status &&
          before.mediaType === mediaType &&
          Buffer.compare(before.body, received.body) === 0;
        const value = judge(received, isSame ? () => before.value : parse, flight);
        const { status, body } = received;
        const landed: CacheEntry = {
          value,
          fetchedAtEpochMs: environment.now(),
          landedAtMs: clock(),
          status,
          mediaType,
          body,
        };
        if (flight.key !== null && !isClosed) cache?.set(flight.key, landed);
        result = { landed };
      } else {
        if (obtained.kind === 'failed') flight.pass?.end(obtained.end);
        result = { reason: obtained.kind === 'failed' ? obtained.error : faults.internal() };
      }
    } catch (error) {
      result = { reason: error };
    }
    flight.pass?.end('abandoned');
    jobs.delete(flight.cancellation);
    forget(flight);
    for (const waiter of flight.waiters) {
      if ('landed' in result) waiter.land(result.landed);
      else waiter.fail(result.reason);
    }
  }

  function forget(flight: Flight): void {
    if (flight.key !== null && flights.get(flight.key) === flight) flights.delete(flight.key);
  }

  function startFlight(key: string | null, isPaced: boolean, call: HttpCall, startedAtMs: number): Flight {
    const flight: Flight = {
      key,
      isPaced,
      startedAtMs,
      deadlineMs: startedAtMs,
      cancellation: new Cancellation(),
      waiters: new Set(),
      trace: call.trace,
      pass: null,
    };
    if (key !== null) flights.set(key, flight);
    jobs.add(flight.cancellation);
    return flight;
  }

  /** Waits for a flight as long as this caller wants to. The last one to leave ends the flight. */
  function board(flight: Flight, call: HttpCall, boardedAtMs: number, waitMs: number): Promise<Landed> {
    flight.deadlineMs = Math.max(flight.deadlineMs, boardedAtMs + waitMs);
    return new Promise((resolve, reject) => {
      const settle = () => {
        environment.clearTimer(timer);
        call.signal.removeEventListener('abort', onAbort);
        flight.waiters.delete(waiter);
        if (flight.trace === call.trace) flight.trace = null;
      };
      const leave = (reason: HubError) => {
        settle();
        if (flight.waiters.size === 0) {
          forget(flight);
          flight.cancellation.cancel(reason);
        }
        reject(reason);
      };
      const waiter: Waiter = {
        land(landed) {
          settle();
          resolve(landed);
        },
        fail(reason) {
          settle();
          reject(reason);
        },
      };
      const onAbort = () => leave(faults.cancelled(call.signal.reason));
      const timer = environment.setTimer(() => leave(faults.timedOut()), waitMs);
      call.signal.addEventListener('abort', onAbort, { once: true });
      flight.waiters.add(waiter);
    });
  }

  /** Throws when nobody wants the answer any more. @returns how long the caller may wait. */
  function admit(call: HttpCall, atMs: number): number {
    if (call.signal.aborted) throw faults.cancelled(call.signal.reason);
    if (isClosed) throw faults.closed();
    const waitMs = call.deadlineEpochMs - atMs;
    if (!(waitMs > 0)) throw faults.timedOut();
    return waitMs;
  }

  const freshMsOf = (request: HttpRequest) =>
    (request.cache === 'catalog' ? options.cache.catalogSeconds : options.cache.recordsSeconds) * 1000;

  async function read<T>(request: HttpRequest, parse: (answer: HttpAnswer) => T, call: HttpCall): Promise<T> {
    const askedAt = clock();
    const waitMs = Math.min(admit(call, askedAt), limits.totalTimeoutMs);
    const wire = toWireRequest(request);
    if (request.cache === 'none' || call.isConfidential === true) {
      const flight = startFlight(null, request.cache !== 'catalog', call, askedAt);
      const boarded = board(flight, call, askedAt, waitMs);
      void fly(flight, wire, parse);
      const landed = await boarded;
      noteFetched(call.trace, landed.fetchedAtEpochMs);
      // Only this call's `parse` made it.
      return landed.value as T;
    }

    const freshMs = freshMsOf(request);
    const cached = cache?.get(wire.key);
    if (cached !== undefined) {
      const ageMs = askedAt - cached.landedAtMs;
      if (ageMs < freshMs) {
        noteCached(call.trace, cached, ageMs);
        // Equal requests are parsed alike: the contract of `read`.
        return cached.value as T;
      }
    }
    try {
      let flight = flights.get(wire.key);
      // Who comes in the second half of a flight's time would get less than its own: it starts another.
      const isJoined = flight !== undefined && askedAt - flight.startedAtMs < limits.totalTimeoutMs / 2;
      if (flight === undefined || !isJoined) flight = startFlight(wire.key, request.cache === 'records', call, askedAt);
      const boarded = board(flight, call, askedAt, waitMs);
      if (!isJoined) void fly(flight, wire, parse);
      const landed = await boarded;
      // What each makes of it is work again.
      if (isJoined && flight.isPaced) await environment.pacer?.pass(landed.body.length);
      noteFetched(call.trace, landed.fetchedAtEpochMs);
      // As above.
      return landed.value as T;
    } catch (error) {
      const stale = cache?.get(wire.key);
      if (stale === undefined || !isHubError(error) || !STALE_MAY_STAND_IN.has(error.code)) throw error;
      const ageMs = clock() - stale.landedAtMs;
      if (ageMs > freshMs + options.cache.staleIfErrorSeconds * 1000) throw error;
      noteCached(call.trace, stale, ageMs);
      call.trace.stale = true;
      // As above.
      return stale.value as T;
    }
  }

  // ---- streams ------------------------------------------------------------------------------------------------------

  async function* stream(
    request: HttpRequest,
    onRefused: (answer: HttpAnswer) => Error,
    call: HttpCall,
  ): AsyncGenerator<Uint8Array> {
    const waitMs = admit(call, clock());
    const wire = toWireRequest(request);
    const cancellation = new Cancellation();
    const job: Job = { cancellation, deadlineMs: call.deadlineEpochMs, trace: call.trace, pass: null };
    let opened: Opened | null = null;
    let isAwaited = true;
    let unwatch = () => {};
    let isOver = false;

    // Also runs on the deadline while the consumer holds the stream without reading: the slot must not stay taken.
    const release = (end: CallEnd, outcome: string) => {
      if (isOver) return;
      isOver = true;
      environment.clearTimer(timer);
      call.signal.removeEventListener('abort', onAbort);
      cancellation.off('abort', onCancelled);
      jobs.delete(cancellation);
      unwatch();
      job.trace = null;
      job.pass?.end(end);
      if (opened === null) return;
      opened.body.close();
      opened.slot.release(outcome === 'SOURCE_TIMEOUT' ? 'shed' : 'ok');
      environment.metrics.upstream(source, outcome, opened.durationMs);
    };
    const onAbort = () => cancellation.cancel(faults.cancelled(call.signal.reason));
    const onCancelled = () => {
      const { reason } = cancellation;
      const isTimeout = isHubError(reason) && reason.code === 'SOURCE_TIMEOUT';
      // A consumer that does not read is not the portal's fault.
      release(isTimeout && isAwaited ? 'failure' : 'abandoned', isHubError(reason) ? reason.code : 'CANCELLED');
    };
    const timer = environment.setTimer(() => cancellation.cancel(faults.timedOut()), waitMs);
    call.signal.addEventListener('abort', onAbort, { once: true });
    cancellation.once('abort', onCancelled);
    jobs.add(cancellation);

    try {
      const obtained = await orCancelled(obtain(wire, true, job), cancellation);
      if (obtained.kind === 'failed') {
        job.pass?.end(obtained.end);
        throw obtained.error;
      }
      if (obtained.kind === 'received') {
        let refusal: Error = faults.malformed();
        judge(
          obtained.received,
          (answer) => {
            // An empty success has nothing to stream: taken as the whole, it would pass for an empty dataset.
            if (answer.status >= 300) refusal = onRefused(answer);
            if (isHubError(refusal)) throw refusal;
          },
          job,
        );
        throw refusal;
      }
      if (cancellation.reason !== null) {
        closeUnused(obtained.opened);
        throw cancellation.reason;
      }
      opened = obtained.opened;
      const { body } = opened;
      noteFetched(call.trace, environment.now());
      unwatch = rateWatch.watch({
        readBytes: () => body.wireBytes(),
        isAwaited: () => isAwaited,
        onHung: () => cancellation.cancel(faults.timedOut()),
      });
      let bytes = 0;
      for await (const chunk of body.chunks) {
        if (cancellation.reason !== null) throw cancellation.reason;
        bytes += chunk.byteLength;
        if (bytes > limits.maxStreamBytes) throw faults.tooLarge();
        isAwaited = false;
        yield chunk;
        if (cancellation.reason !== null) throw cancellation.reason;
        isAwaited = true;
      }
      if (cancellation.reason !== null) throw cancellation.reason;
      if (body.hasExcess()) throw faults.malformed();
      release('success', 'ok');
    } catch (error) {
      if (opened === null) {
        release('abandoned', 'ok');
        throw error;
      }
      const failure = isHubError(cancellation.reason) ? cancellation.reason : toStreamError(error, faults);
      release(failure.code === 'CANCELLED' ? 'abandoned' : 'failure', failure.code);
      throw failure;
    } finally {
      // Still open only when the consumer returned early.
      release('alive', 'ok');
    }
  }

  function closeUnused(unused: Opened): void {
    unused.body.close();
    unused.slot.release('neutral');
    environment.metrics.upstream(source, 'CANCELLED', unused.durationMs);
  }

  /** Does not wait for work that cannot be interrupted; what it opens later is closed. */
  function orCancelled(work: Promise<Obtained>, cancellation: Cancellation): Promise<Obtained> {
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(cancellation.reason);
      if (cancellation.reason !== null) onAbort();
      cancellation.once('abort', onAbort);
      work.then((obtained) => {
        cancellation.off('abort', onAbort);
        if (cancellation.reason !== null && obtained.kind === 'opened') closeUnused(obtained.opened);
        else resolve(obtained);
      }, reject);
    });
  }

  return {
    read,
    stream,
    state: (): SourceHttpState => ({
      circuit: breaker.state(),
      inFlight: limiter.inFlight,
      queued: limiter.queued,
      limit: limiter.limit,
      cacheEntries: cache?.size ?? 0,
      cacheBytes: cache?.calculatedSize ?? 0,
    }),
    async [Symbol.asyncDispose]() {
      if (isClosed) return;
      isClosed = true;
      limiter.rejectQueued(faults.closed());
      for (const cancellation of jobs) cancellation.cancel(faults.closed());
      rateWatch.close();
      cache?.clear();
      await Promise.all([...new Set(bases.map((base) => base.link))].map((link) => link.close(faults.closed())));
    },
  };
}

/**
 * The outbound client of one source: pinned origins, public addresses only, one total deadline, strict bodies, limiter,
 * retry budget, breaker, cache of public answers.
 *
 * @throws HubError `CONFIG_INVALID` for a base URL, range or header that is not allowed; values are never repeated.
 */
export function createSourceHttp(options: SourceHttpOptions, environment: HttpEnvironment): SourceHttp {
  return createSourceHttpWith(options, environment, { rateTickMs: 1_000 });
}
