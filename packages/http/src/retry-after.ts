/** Longest wait the hub passes on, milliseconds. */
const MAX_RETRY_AFTER_MS = 3_600_000;

const SECONDS = /^\d{1,10}$/;

/**
 * RFC 9110 10.2.3: seconds or a date.
 *
 * @returns milliseconds from `nowEpochMs`, 0 to one hour, or null when the header is absent or neither.
 */
export function parseRetryAfter(value: string | undefined, nowEpochMs: number): number | null {
  if (value === undefined) return null;
  const text = value.trim();
  if (SECONDS.test(text)) return Math.min(Number(text) * 1000, MAX_RETRY_AFTER_MS);
  // Only the HTTP date forms, which all begin with a weekday: Date.parse alone takes "-1" for a year.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /.test(text)) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.min(Math.max(0, at - nowEpochMs), MAX_RETRY_AFTER_MS);
}
