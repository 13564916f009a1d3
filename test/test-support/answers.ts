/** What differs between two honest answers to one question: when it was asked and what that took. */
const TIMES: ReadonlySet<string> = new Set(['fetchedAt', 'durationMs', 'requests', 'age', 'checkedAt', 'latencyMs']);

/** An answer without its times. */
export function withoutTimes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutTimes);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, part]) => (TIMES.has(key) ? [] : [[key, withoutTimes(part)] as const])),
  );
}

/** The value at the path of an error. */
export function valueAt(data: unknown, path: readonly (string | number)[] | undefined): unknown {
  let value = data;
  for (const step of path ?? []) value = (value as Record<string | number, unknown> | null | undefined)?.[step];
  return value;
}
