/** Counts of the recent past in equal slices of time. Memory is fixed. */
export interface Window {
  add(failed: boolean): void;
  readonly total: number;
  readonly failed: number;
  clear(): void;
}

const SLICES = 10;

/** A sliding window of `spanMs`, exact to a tenth of it. A clock that steps back empties it. */
export function createWindow(spanMs: number, now: () => number): Window {
  const sliceMs = spanMs / SLICES;
  const totals = Array.from({ length: SLICES }, () => 0);
  const failures = Array.from({ length: SLICES }, () => 0);
  let total = 0;
  let failed = 0;
  let current = Math.floor(now() / sliceMs);

  const clear = () => {
    totals.fill(0);
    failures.fill(0);
    total = 0;
    failed = 0;
  };
  const turn = (): number => {
    const slice = Math.floor(now() / sliceMs);
    if (slice !== current) {
      if (slice < current || slice - current >= SLICES) clear();
      else
        for (let passed = current + 1; passed <= slice; passed++) {
          const at = passed % SLICES;
          total -= totals[at] ?? 0;
          failed -= failures[at] ?? 0;
          totals[at] = 0;
          failures[at] = 0;
        }
      current = slice;
    }
    return slice % SLICES;
  };

  return {
    add(isFailure) {
      const at = turn();
      totals[at] = (totals[at] ?? 0) + 1;
      total += 1;
      if (!isFailure) return;
      failures[at] = (failures[at] ?? 0) + 1;
      failed += 1;
    },
    get total() {
      turn();
      return total;
    },
    get failed() {
      turn();
      return failed;
    },
    clear,
  };
}
