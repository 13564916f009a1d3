import type { CallTrace } from './adapter-contract.ts';

/** A fresh, empty trace for one source's part in one answer. */
export function createCallTrace(): CallTrace {
  return { requests: 0, maxAgeMs: null, stale: false, fetchedAtEpochMs: null, portalQueries: [], records: 0, pages: 0 };
}
