import { HubError } from '@civex/errors';

const OLDEST_VERSION = 150_000;
/** Of the system and of PostgreSQL: no connection, or none any more. */
const GONE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  '25P03',
  '53300',
  '57P01',
  '57P02',
  '57P03',
]);
const GONE_TEXT =
  /^(Connection terminated|Connection ended|timeout expired|timeout exceeded when|Client has encountered a connection error|Client was closed|Cannot use a pool after)/;

/** What was under way: it decides what a lost connection leaves behind. */
export type Phase =
  /** Nothing was sent. */
  | 'CONNECT'
  /** A statement that is kept by itself. */
  | 'STATEMENT'
  /** Inside a transaction, before its commit: a lost connection undoes it. */
  | 'TRANSACTION'
  | 'COMMIT';

export type FaultKind = 'UNREACHABLE' | 'OUTCOME_UNKNOWN' | 'FULL' | 'TOO_SLOW';

const MESSAGES: Readonly<Record<FaultKind, string>> = {
  UNREACHABLE: 'The storage is not reachable at the moment. Nothing was written.',
  OUTCOME_UNKNOWN: 'The storage did not answer: what was being written may or may not be kept.',
  FULL: 'The storage is full. Nothing was written.',
  TOO_SLOW: 'The storage took too long and was stopped. Nothing was written.',
};

/** The cause of every HubError that says the storage cannot serve; its own cause is the driver's error. */
class StoreFault extends Error {
  readonly kind: FaultKind;

  constructor(kind: FaultKind, cause: unknown) {
    super(kind, { cause });
    this.kind = kind;
  }
}

export function storeFault(kind: FaultKind, cause?: unknown): HubError {
  const facts = kind === 'UNREACHABLE' || kind === 'OUTCOME_UNKNOWN' ? { retryAfterMs: 1000 } : {};
  return new HubError('INTERNAL', MESSAGES[kind], facts, new StoreFault(kind, cause));
}

const kindOf = (error: unknown): FaultKind | undefined =>
  error instanceof HubError && error.cause instanceof StoreFault ? error.cause.kind : undefined;

/** True when the storage cannot serve: not reachable, full, too slow, or gone before it answered. */
export function isStoreUnavailable(error: unknown): boolean {
  return kindOf(error) !== undefined;
}

/** True when a write may or may not have been kept: look before repeating it. */
export function isOutcomeUnknown(error: unknown): boolean {
  return kindOf(error) === 'OUTCOME_UNKNOWN';
}

/** True when waiting may help without anything else being done. */
export function isUnreachable(error: unknown): boolean {
  return kindOf(error) === 'UNREACHABLE' || kindOf(error) === 'OUTCOME_UNKNOWN';
}

/** Whether this driver error means that its connection is of no use any more. */
export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const severity = 'severity' in error ? error.severity : undefined;
  return (
    GONE.has(code) ||
    code.startsWith('08') ||
    GONE_TEXT.test(error.message) ||
    severity === 'FATAL' ||
    severity === 'PANIC'
  );
}

/**
 * What a driver or server error means to a caller; the error itself is kept below the cause, for operators. Errors about
 * the statement (a broken constraint) come back as they are.
 */
export function toStoreError(error: unknown, phase: Phase): unknown {
  if (error instanceof HubError || !(error instanceof Error)) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  // An error of another severity ends the server's process at any point, also after the write was kept. The severity is in
  // the server's language: one not known counts as the worse.
  const isAnswer = 'severity' in error && error.severity === 'ERROR';
  const isKeptPossible = phase === 'STATEMENT' || phase === 'COMMIT';
  if (code === 'ERR_INVALID_URL') {
    // The parser's error holds the address with its password: it is no cause.
    return new HubError('CONFIG_INVALID', 'DATABASE_URL is not a PostgreSQL address.');
  }
  if (code === 'ENOSPC') return storeFault('FULL', error);
  if (isAnswer && code === '53100') return storeFault('FULL', error);
  if (isAnswer && code === '57014') return storeFault('TOO_SLOW', error);
  if (isConnectionLost(error)) return storeFault(isKeptPossible ? 'OUTCOME_UNKNOWN' : 'UNREACHABLE', error);
  if (code === '53100') return storeFault(isKeptPossible ? 'OUTCOME_UNKNOWN' : 'FULL', error);
  if (code === '57014') return storeFault(isKeptPossible ? 'OUTCOME_UNKNOWN' : 'TOO_SLOW', error);
  return error;
}

/**
 * @param version of `server_version_num`, such as 180004.
 * @throws {HubError} CONFIG_INVALID below PostgreSQL 15.
 */
export function checkServerVersion(version: number): void {
  if (version >= OLDEST_VERSION) return;
  const major = Number.isFinite(version) ? Math.floor(version / 10_000) : 'of an unknown version';
  throw new HubError('CONFIG_INVALID', `The database server is PostgreSQL ${major}; 15 or newer is needed.`);
}
