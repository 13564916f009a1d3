import type { CallTrace } from '@civex/adapter-contract';
import { isHubError } from '@civex/errors';
import type { HubError } from '@civex/errors';

type SourceStatus = 'OK' | 'STALE' | 'PARTIAL' | 'FAILED' | 'SKIPPED';

/** `SourceReport` of the contract. */
export interface SourceReport {
  readonly catalog: string;
  readonly status: SourceStatus;
  readonly fetchedAt: string | null;
  readonly age: string | null;
  readonly requests: number;
  readonly durationMs: number;
  readonly error: { readonly code: string; readonly message: string; readonly retryAfterMs: number | null } | null;
}

/** ISO 8601 duration in seconds with milliseconds. */
export function toDuration(ms: number): string {
  return `PT${Math.max(0, Math.round(ms)) / 1000}S`;
}

export const toTimestamp = (epochMs: number): string => new Date(epochMs).toISOString();

/** Every failure of a source in the words callers may see. What is not a HubError is a fault of ours and stays unnamed. */
export function describeError(error: unknown): NonNullable<SourceReport['error']> {
  if (!isHubError(error)) return { code: 'INTERNAL', message: 'Internal error.', retryAfterMs: null };
  const { code, message, facts }: HubError = error;
  return { code, message, retryAfterMs: facts.retryAfterMs ?? null };
}

export function createSourceReport(
  catalog: string,
  trace: CallTrace,
  durationMs: number,
  failure: { readonly error: unknown } | null,
  /** What keeps an answer that did come from being known to be whole. */
  shortcoming: HubError | null = null,
): SourceReport {
  return {
    catalog,
    status: failure !== null ? 'FAILED' : shortcoming !== null ? 'PARTIAL' : trace.stale ? 'STALE' : 'OK',
    fetchedAt: failure !== null || trace.fetchedAtEpochMs === null ? null : toTimestamp(trace.fetchedAtEpochMs),
    age: failure !== null || trace.maxAgeMs === null ? null : toDuration(trace.maxAgeMs),
    requests: trace.requests,
    durationMs,
    error: failure !== null ? describeError(failure.error) : shortcoming === null ? null : describeError(shortcoming),
  };
}
