/** The closed set of codes a caller may see. Adding one is a minor change; changing a meaning is breaking. */
export const HUB_ERROR_CODES = [
  'INPUT_INVALID',
  'INPUT_TOO_COSTLY',
  'AUTH_REQUIRED',
  'AUTH_UNAVAILABLE',
  'ACCESS_DENIED',
  'LIMIT_REACHED',
  'NOT_FOUND',
  'SOURCE_TIMEOUT',
  'SOURCE_UNAVAILABLE',
  'SOURCE_OVERLOADED',
  'SOURCE_REJECTED',
  'SOURCE_MALFORMED',
  'CAPABILITY_MISSING',
  'CANCELLED',
  'CONFIG_INVALID',
  'INTERNAL',
] as const;

export type HubErrorCode = (typeof HUB_ERROR_CODES)[number];

/** Facts that may travel to the API caller. An allow-list: nothing a portal wrote belongs here. */
export interface HubErrorFacts {
  /** Key of the source involved, from our own configuration. */
  readonly source?: string | undefined;
  readonly datasetId?: string | undefined;
  /** Milliseconds to wait before another try, capped by us. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * The one error class that crosses a package boundary on purpose. `message` is written for the API caller and never
 * contains portal text, URLs, file paths or claims; `cause` is for operators only.
 */
export class HubError extends Error {
  override readonly name = 'HubError';
  readonly code: HubErrorCode;
  readonly facts: HubErrorFacts;

  constructor(code: HubErrorCode, message: string, facts: HubErrorFacts = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.facts = facts;
  }
}

export function isHubError(error: unknown): error is HubError {
  return error instanceof HubError;
}

const RETRYABLE: ReadonlySet<HubErrorCode> = new Set([
  'AUTH_UNAVAILABLE',
  'SOURCE_TIMEOUT',
  'SOURCE_UNAVAILABLE',
  'SOURCE_OVERLOADED',
]);

/** True when the same call may succeed later without being changed. */
export function isRetryable(error: unknown): boolean {
  return error instanceof HubError && RETRYABLE.has(error.code);
}
