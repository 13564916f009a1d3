import { HubError } from '@civex/errors';

const OLDEST_VERSION = 150_000;
const GONE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  '57P01',
  '57P02',
  '57P03',
]);

/** What a driver or server error means to a caller; the error itself is kept as the cause, for operators. */
export function toStoreError(error: unknown): unknown {
  if (error instanceof HubError || !(error instanceof Error)) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code === '53100' || code === 'ENOSPC') {
    return new HubError('INTERNAL', 'The storage is full. Nothing was written.', {}, error);
  }
  if (code === 'ERR_INVALID_URL') {
    // The parser's error holds the address with its password: it is no cause.
    return new HubError('CONFIG_INVALID', 'DATABASE_URL is not a PostgreSQL address.');
  }
  if (code === '57014') {
    return new HubError('INTERNAL', 'The storage took too long and was stopped. Nothing was written.', {}, error);
  }
  if (GONE.has(code) || code.startsWith('08') || /^(Connection terminated|timeout exceeded when)/.test(error.message)) {
    // A commit under way may have been kept: only an answer counts as an acknowledgement.
    return new HubError('INTERNAL', 'The storage is not reachable at the moment.', { retryAfterMs: 1000 }, error);
  }
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
