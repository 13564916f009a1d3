import { createWindow } from './window.ts';

export interface RetryBudget {
  countRequest(): void;
  /** True when one more retry stays within the share; then it is counted. */
  take(): boolean;
}

const WINDOW_MS = 10_000;

/**
 * Retries may be `share` of the requests of the last 10 s; one is always allowed there, so that a quiet source gets its
 * retry too, unless `share` is 0.
 */
export function createRetryBudget(share: number, now: () => number): RetryBudget {
  const requests = createWindow(WINDOW_MS, now);
  const retries = createWindow(WINDOW_MS, now);
  return {
    countRequest() {
      requests.add(false);
    },
    take() {
      if (share <= 0 || retries.total + 1 > Math.max(1, requests.total * share)) return false;
      retries.add(false);
      return true;
    },
  };
}
