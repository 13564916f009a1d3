import type { Timer } from '@civex/environment';
import type { Algorithm } from './algorithms.ts';
import { withDeadline } from './deadline.ts';
import { MAX_KEY_SET_BYTES, readKeySet } from './key-set.ts';
import type { FetchDocument, FetchLimits, IdentityEnvironment, IssuerKeySource } from './options.ts';
import type { VerificationKey } from './public-key.ts';
import { unavailable } from './refusal.ts';
import { decodeStrictJson, isJsonObject } from './strict-json.ts';
import { isFetchable } from './urls.ts';

/** Time between refreshes in the background, milliseconds: a key taken back is refused within 5 minutes. */
const REFRESH_MS = 280_000;
/** Up to so much is taken off at random, so that processes do not ask together. */
const REFRESH_JITTER_MS = 20_000;
/** After a refresh that failed, milliseconds. */
const RETRY_MS = 30_000;
/** After a refresh that failed while no keys are kept. */
const FIRST_RETRY_MS = 5_000;
/** A key nobody knows makes us look at most this often, milliseconds. */
const DEMAND_MS = 30_000;
/** How long a set is used that cannot be refreshed, milliseconds: 24 hours of outage and the refresh before it. */
const KEEP_MS = 86_400_000 + 300_000;
/** Keys with a published private half that are remembered; above any honest number. */
const MAX_EXPOSED = 1_000;
/** For one document, milliseconds; `fetchDocument` is told and watched. */
const FETCH_MS = 5_000;
const WATCH_MS = 6_000;
const MAX_DISCOVERY_BYTES = 65_536;
const DISCOVERY_DEPTH = 8;

/** `starting`: nothing was loaded yet. `ok`. `stale`: kept keys are used, the last refresh failed. `down`: no keys. */
export type KeyState = 'starting' | 'ok' | 'stale' | 'down';

export interface IssuerHealth {
  readonly issuer: string;
  readonly state: KeyState;
  /** Keys in use. */
  readonly keys: number;
  /** Keys of the published set that are not used. */
  readonly skippedKeys: number;
  /** Of the last refresh that succeeded, epoch milliseconds; null when none has. */
  readonly lastRefreshEpochMs: number | null;
}

export interface IssuerKeys {
  /**
   * The key of that name; null when the issuer has none. May wait for one fetch. Rejects with AUTH_UNAVAILABLE when no
   * keys are kept and none can be had.
   */
  find(kid: string): Promise<VerificationKey | null>;
  health(): IssuerHealth;
  close(): void;
}

export interface IssuerKeysOptions {
  readonly issuer: string;
  readonly source: Exclude<IssuerKeySource, { kind: 'fixed' }>;
  readonly algorithms: readonly Algorithm[];
  readonly mayUseLoopbackHttp: boolean;
  readonly environment: IdentityEnvironment;
  readonly fetchDocument: FetchDocument;
}

/** A document that cannot be had or believed. Says nothing: what an issuer wrote belongs in no message. */
class LoadFailed extends Error {}

/** Keys that are written down. */
export function createFixedKeys(
  issuer: string,
  keys: ReadonlyMap<string, VerificationKey>,
  skipped: number,
): IssuerKeys {
  return {
    find: async (kid) => keys.get(kid) ?? null,
    health: () => ({ issuer, state: 'ok', keys: keys.size, skippedKeys: skipped, lastRefreshEpochMs: null }),
    close: () => {},
  };
}

/**
 * Keeps one issuer's keys: loads them at once, refreshes them in the background every 5 minutes, keeps the last good set
 * for 24 hours when that fails, and looks again for a key nobody knows at most every 30 seconds. The address fetched
 * follows from the configuration alone, never from a token.
 */
export function createIssuerKeys(options: IssuerKeysOptions): IssuerKeys {
  const { issuer, source, environment } = options;
  let keys: ReadonlyMap<string, VerificationKey> | null = null;
  let skipped = 0;
  let loadedAtMs = 0;
  let loadedAtEpochMs: number | null = null;
  let hasFailed = false;
  let demandedAtMs = Number.NEGATIVE_INFINITY;
  let discoveredUri: string | null = null;
  let underWay: Promise<void> | null = null;
  let timer: Timer | null = null;
  let isClosed = false;
  /** Thumbprints of keys whose private half was published while this process ran. */
  const exposed = new Set<string>();

  const fetchBytes = async (url: string, limits: FetchLimits): Promise<Uint8Array> => {
    if (!isFetchable(url, options.mayUseLoopbackHttp)) throw new LoadFailed();
    const answer = await withDeadline(environment, WATCH_MS, options.fetchDocument(url, limits));
    if (answer.status !== 200 || answer.body.byteLength > limits.maxBytes) throw new LoadFailed();
    return answer.body;
  };

  const discover = async (): Promise<string> => {
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const body = await fetchBytes(url, { maxBytes: MAX_DISCOVERY_BYTES, timeoutMs: FETCH_MS });
    const document = decodeStrictJson(body, DISCOVERY_DEPTH);
    if (!isJsonObject(document) || document['issuer'] !== issuer) throw new LoadFailed();
    const uri = document['jwks_uri'];
    if (typeof uri !== 'string' || !isFetchable(uri, options.mayUseLoopbackHttp)) throw new LoadFailed();
    return uri;
  };

  /** An address that was good stays good while discovery fails. */
  const rediscover = async (): Promise<void> => {
    try {
      discoveredUri = await discover();
    } catch (error) {
      if (discoveredUri === null) throw error;
    }
  };

  const load = async (mayDiscover: boolean): Promise<void> => {
    let bytes: Uint8Array;
    if (source.kind === 'supplied') bytes = await withDeadline(environment, WATCH_MS, source.read());
    else {
      if (source.kind === 'discovery' && (mayDiscover || discoveredUri === null)) await rediscover();
      const uri = source.kind === 'jwksUri' ? source.uri : discoveredUri;
      bytes = await fetchBytes(uri ?? '', { maxBytes: MAX_KEY_SET_BYTES, timeoutMs: FETCH_MS });
    }
    const set = await readKeySet(bytes, options.algorithms);
    for (const thumbprint of set?.exposed ?? []) if (exposed.size < MAX_EXPOSED) exposed.add(thumbprint);
    if (exposed.size > 0 && keys !== null) keys = withoutExposed(keys);
    if (keys?.size === 0) keys = null;
    const usable = withoutExposed(set?.keys ?? new Map());
    if (set === null || usable.size === 0) throw new LoadFailed();
    keys = usable;
    skipped = set.skipped + set.keys.size - usable.size;
    loadedAtMs = environment.monotonicMs();
    loadedAtEpochMs = environment.now();
  };

  const withoutExposed = (set: ReadonlyMap<string, VerificationKey>): ReadonlyMap<string, VerificationKey> =>
    new Map([...set].filter(([, key]) => !exposed.has(key.thumbprint)));

  const refresh = (mayDiscover: boolean): Promise<void> => {
    if (underWay !== null) return underWay;
    const attempt = load(mayDiscover).then(
      () => {
        hasFailed = false;
      },
      () => {
        hasFailed = true; // Health says so; what went wrong may quote the issuer and goes nowhere.
      },
    );
    underWay = attempt.finally(() => {
      underWay = null;
      schedule();
    });
    return underWay;
  };

  const schedule = (): void => {
    environment.clearTimer(timer);
    if (isClosed) return;
    const retryMs = keys === null ? FIRST_RETRY_MS : RETRY_MS;
    const delayMs = hasFailed ? retryMs : REFRESH_MS - environment.random() * REFRESH_JITTER_MS;
    timer = environment.setTimer(() => void refresh(true), delayMs, { isBackground: true });
  };

  const dropOutdated = (): void => {
    if (keys !== null && environment.monotonicMs() - loadedAtMs > KEEP_MS) keys = null;
  };

  /** Only the first load is worth waiting for: once it failed, the background tries again every few seconds. */
  const awaitFirst = async (): Promise<void> => {
    if (!hasFailed && underWay !== null) await underWay;
  };

  /** Looks again, once for all who ask. In an outage nobody waits for it. */
  const lookAgain = async (): Promise<void> => {
    if (underWay === null) {
      const nowMs = environment.monotonicMs();
      if (nowMs - demandedAtMs < DEMAND_MS) return;
      demandedAtMs = nowMs;
    }
    const isOutage = hasFailed;
    const attempt = refresh(false);
    if (!isOutage) await attempt;
  };

  void refresh(true);

  return {
    find: async (kid) => {
      dropOutdated();
      if (keys === null) await awaitFirst();
      if (keys === null) throw unavailable('KEYS');
      const known = keys.get(kid);
      if (known !== undefined) return known;
      await lookAgain();
      return keys?.get(kid) ?? null;
    },
    health: () => {
      dropOutdated();
      const state = keys === null ? (hasFailed ? 'down' : 'starting') : hasFailed ? 'stale' : 'ok';
      return { issuer, state, keys: keys?.size ?? 0, skippedKeys: skipped, lastRefreshEpochMs: loadedAtEpochMs };
    },
    close: () => {
      isClosed = true;
      environment.clearTimer(timer);
    },
  };
}
