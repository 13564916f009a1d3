import type { Clock } from '@civex/environment';

/** Remembers which proofs were used, for all processes that answer for one resource. */
export interface ReplayStore {
  /**
   * True for the first claim of a key until `expiresAtEpochMs` (wall clock), false for every other. Rejects when it cannot
   * tell: the caller is then answered AUTH_UNAVAILABLE.
   */
  claim(key: string, expiresAtEpochMs: number): Promise<boolean>;
}

const MAX_ENTRIES = 200_000;
/** A full store is looked through at most this often, milliseconds. */
const SWEEP_MS = 1_000;

/**
 * A replay store for one process. Holds at most `maxEntries` (default 200,000) and rejects when it is full: forgetting one
 * early would let it be used twice. Entries are aged by the clock that does not step.
 */
export function createMemoryReplayStore(environment: Clock, maxEntries: number = MAX_ENTRIES): ReplayStore {
  const endsByKey = new Map<string, number>();
  let sweptAtMs = Number.NEGATIVE_INFINITY;
  const dropEnded = (nowMs: number) => {
    if (nowMs - sweptAtMs < SWEEP_MS) return;
    sweptAtMs = nowMs;
    for (const [key, endMs] of endsByKey) if (endMs <= nowMs) endsByKey.delete(key);
  };
  return {
    claim: async (key, expiresAtEpochMs) => {
      const nowMs = environment.monotonicMs();
      const endMs = endsByKey.get(key);
      if (endMs !== undefined && endMs > nowMs) return false;
      if (endsByKey.size >= maxEntries) dropEnded(nowMs);
      if (endsByKey.size >= maxEntries) throw new Error('the replay store is full');
      endsByKey.set(key, nowMs + Math.max(0, expiresAtEpochMs - environment.now()));
      return true;
    },
  };
}
