import type { Environment, Pacer } from '@civex/environment';

/** What the client needs of a call. The adapter contract's `Call` fits; the caller's identity does not exist here. */
export interface HttpCall {
  readonly signal: AbortSignal;
  /** Time of the environment's monotonic clock after which the answer is of no use. */
  readonly deadlineEpochMs: number;
  readonly requestId: string;
  /** Filled in as things happen; see the fields of the adapter contract's `CallTrace`. */
  readonly trace: {
    requests: number;
    maxAgeMs: number | null;
    stale: boolean;
    fetchedAtEpochMs: number | null;
  };
  /** True: whatever the request says, as `cache: 'none'`; the answer is this call's alone. Default: false. */
  readonly isConfidential?: boolean | undefined;
}

/** How long an answer may be reused. `none`: always asked anew, never stored. */
export type CacheClass = 'catalog' | 'records' | 'none';

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** Absolute path below the configured base, starting with `/`. Never a URL; already percent-encoded. */
  readonly path: string;
  /** Query parameters in order; repeated names allowed. */
  readonly search?: readonly (readonly [name: string, value: string])[];
  /** Sent as JSON. Only for side-effect-free POST reads. */
  readonly body?: unknown;
  readonly cache: CacheClass;
  /**
   * Names what `parse` makes of the answer, and what else that depends on. Requests that are read differently share
   * nothing: no cached value, no flight. Default: the empty text.
   */
  readonly reading?: string;
}

/** A complete answer: every byte of the body has arrived and was decoded. */
export interface HttpAnswer {
  readonly status: number;
  /** Lower-case media type without parameters, or null. */
  readonly mediaType: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The outbound client of one source. */
export interface SourceHttp extends AsyncDisposable {
  /**
   * Asks the portal and turns the answer into a value. `parse` runs once per real answer and its result is what the
   * cache keeps, so it must be immutable. A `HubError` it throws with `SOURCE_MALFORMED` or `SOURCE_UNAVAILABLE` counts
   * as a failure of the portal (breaker, stale-if-error); other codes do not. Only what `parse` returns is cached.
   *
   * A cached or shared value goes to whoever asks the same: method, path, search and body. Equal requests must
   * therefore be read with equal `parse` functions; what differs between them belongs into the request or after the read.
   *
   * `parse` sees every complete answer whose status is not one the client handles itself: 429 becomes
   * `SOURCE_OVERLOADED`; 502, 503, 504 are retried once within the budget and then `SOURCE_UNAVAILABLE`; redirects are
   * refused as `SOURCE_REJECTED` unless they stay on a configured origin.
   *
   * @throws HubError `SOURCE_TIMEOUT`, `SOURCE_UNAVAILABLE` (refused, reset, circuit open), `SOURCE_OVERLOADED` (429 or
   * our own queue is full), `SOURCE_MALFORMED` (cut body, bad encoding, over the byte limit), `CANCELLED`.
   */
  read<T>(request: HttpRequest, parse: (answer: HttpAnswer) => T, call: HttpCall): Promise<T>;
  /**
   * Streams decoded bytes of a 2xx answer, pull-driven; `return()` closes the socket. Ends only when the body ended as
   * its framing and its content encoding say; a cut stream throws. Not cached. `onRefused` turns a complete non-2xx
   * answer into the error to throw.
   */
  stream(request: HttpRequest, onRefused: (answer: HttpAnswer) => Error, call: HttpCall): AsyncIterable<Uint8Array>;
  /** For health and metrics. */
  state(): SourceHttpState;
}

export interface SourceHttpState {
  readonly circuit: 'closed' | 'open' | 'half-open';
  readonly inFlight: number;
  readonly queued: number;
  readonly limit: number;
  readonly cacheEntries: number;
  readonly cacheBytes: number;
}

/** Per-source options. Every field is required: defaults live in `packages/config` only. */
export interface SourceHttpOptions {
  readonly source: string;
  /**
   * Base URLs in order of preference; a path prefix is allowed. `https:`, or `http:` when every address of the host lies
   * in `allowedPrivateCidrs`. The next one is tried when one is unreachable or answers with a bot challenge.
   */
  readonly baseUrls: readonly [string, ...string[]];
  /** Sent with every request, names lower case. Secrets included; never logged. */
  readonly headers: Readonly<Record<string, string>>;
  /** Private or loopback ranges this source may live in, for example `127.0.0.1/32`. Empty: public addresses only. */
  readonly allowedPrivateCidrs: readonly string[];
  readonly limits: {
    readonly connectTimeoutMs: number;
    readonly headersTimeoutMs: number;
    readonly totalTimeoutMs: number;
    /** Decoded bytes of one answer read whole. */
    readonly maxAnswerBytes: number;
    /** Decoded bytes of one streamed answer. */
    readonly maxStreamBytes: number;
    readonly maxConcurrent: number;
    readonly maxQueued: number;
    /** Share of requests that may be retries, 0 to 1. */
    readonly retryBudget: number;
    /** Below this rate for 5 s a body counts as hung. Bytes per second; 0 switches the check off. */
    readonly minBytesPerSecond: number;
  };
  readonly cache: {
    readonly catalogSeconds: number;
    readonly recordsSeconds: number;
    /** How long after its freshness an answer may stand in for a failing portal. */
    readonly staleIfErrorSeconds: number;
    readonly maxBytes: number;
  };
}

/** Everything outside the process, handed in. */
export interface HttpEnvironment extends Environment {
  readonly metrics: {
    /** One real request ended. `outcome` is `ok` or one of our error codes. */
    upstream(source: string, outcome: string, durationMs: number): void;
    circuit(source: string, state: 'closed' | 'open' | 'half-open'): void;
  };
  /** Spreads answers with records that arrive at once, in bytes. Default: each is read when it is there. */
  readonly pacer?: Pacer | undefined;
}
