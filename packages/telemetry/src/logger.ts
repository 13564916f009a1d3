import { isHubError } from '@civex/errors';

/** In order of weight. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * What a log line may carry beside time, level, event and error. A field that is not named here never reaches the log,
 * whatever the types say: redaction is by allow-list, so that a token or a claim cannot get in under a new name.
 */
export interface LogFields {
  readonly requestId?: string | undefined;
  /** Source key from our own configuration. */
  readonly source?: string | undefined;
  readonly kind?: string | undefined;
  readonly datasetId?: string | undefined;
  /** Name of a GraphQL operation, or of a step of the hub. */
  readonly operation?: string | undefined;
  /** `ok` or one of our error codes. */
  readonly outcome?: string | undefined;
  /** One of our error codes. */
  readonly code?: string | undefined;
  readonly capability?: string | undefined;
  readonly circuit?: string | undefined;
  readonly state?: string | undefined;
  readonly signal?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly status?: number | undefined;
  readonly count?: number | undefined;
  readonly total?: number | undefined;
  readonly sources?: number | undefined;
  readonly requests?: number | undefined;
  readonly bytes?: number | undefined;
  readonly durationMs?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly ageMs?: number | undefined;
  readonly stale?: boolean | undefined;
  readonly version?: string | undefined;
  /**
   * Of a `HubError`: code, message, facts' source, and name and code of its cause. Of any other error: name and code
   * only, because its message may repeat what a portal or a caller wrote.
   */
  readonly error?: unknown;
}

type Scalar = 'text' | 'number' | 'boolean';
const ALLOWED: Readonly<Record<Exclude<keyof LogFields, 'error'>, Scalar>> = {
  requestId: 'text',
  source: 'text',
  kind: 'text',
  datasetId: 'text',
  operation: 'text',
  outcome: 'text',
  code: 'text',
  capability: 'text',
  circuit: 'text',
  state: 'text',
  signal: 'text',
  host: 'text',
  port: 'number',
  status: 'number',
  count: 'number',
  total: 'number',
  sources: 'number',
  requests: 'number',
  bytes: 'number',
  durationMs: 'number',
  retryAfterMs: 'number',
  ageMs: 'number',
  stale: 'boolean',
  version: 'text',
};
const ALLOWED_ENTRIES: readonly (readonly [string, Scalar])[] = Object.entries(ALLOWED);

/** Longest text of one field, UTF-16 units. */
const MAX_TEXT = 200;
/** What an error code of the runtime looks like: `ECONNRESET`, `ERR_TLS_...`, `HPE_...`. */
const ERROR_CODE = /^[A-Z][A-Z0-9_]{1,60}$/;
const ERROR_NAME = /^[A-Za-z][A-Za-z0-9]{0,60}$/;

export interface Logger {
  /** `event` is a constant text of ours, never one that holds data: data goes into the fields. */
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  fatal(event: string, fields?: LogFields): void;
  /** A logger whose lines also carry these fields; a line's own fields win. */
  with(fields: LogFields): Logger;
}

export interface LoggerOptions {
  /** Takes one complete line with its line feed. Must not throw. */
  readonly write: (line: string) => void;
  /** The least level that is written. */
  readonly level: LogLevel;
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number;
}

/** Cut to its longest, with lone surrogates replaced; JSON escapes control characters, so a value is never a line. */
function toText(value: string): string {
  return value.slice(0, MAX_TEXT).toWellFormed();
}

function nameAndCode(error: unknown): Record<string, string> {
  if (!(error instanceof Error)) return { name: 'NotAnError' };
  const code: unknown = 'code' in error ? error.code : undefined;
  return {
    name: ERROR_NAME.test(error.name) ? error.name : 'Error',
    ...(typeof code === 'string' && ERROR_CODE.test(code) ? { code } : {}),
  };
}

function describeError(error: unknown): Record<string, unknown> {
  if (!isHubError(error)) return nameAndCode(error);
  return {
    ...nameAndCode(error),
    message: toText(error.message),
    ...(error.facts.source === undefined ? {} : { source: toText(error.facts.source) }),
    ...(error.cause === undefined ? {} : { cause: nameAndCode(error.cause) }),
  };
}

function isScalar(value: unknown, type: Scalar): value is string | number | boolean {
  if (type === 'text') return typeof value === 'string';
  return type === 'number' ? typeof value === 'number' && Number.isFinite(value) : typeof value === 'boolean';
}

/** Structured log: one JSON object per line, allow-listed fields only. */
export function createLogger(options: LoggerOptions): Logger {
  const least = LOG_LEVELS.indexOf(options.level);

  const create = (bound: LogFields): Logger => {
    const at = (level: LogLevel) => {
      if (LOG_LEVELS.indexOf(level) < least) return () => {};
      return (event: string, fields: LogFields = {}) => {
        // Read by allowed name only, so the index signature cannot bring in another one.
        const merged: Readonly<Record<string, unknown>> = { ...bound, ...fields };
        const line: Record<string, unknown> = {
          time: new Date(options.now()).toISOString(),
          level,
          event: toText(event),
        };
        for (const [name, type] of ALLOWED_ENTRIES) {
          if (!Object.hasOwn(merged, name)) continue;
          const value = merged[name];
          if (isScalar(value, type)) line[name] = typeof value === 'string' ? toText(value) : value;
        }
        if (merged['error'] !== undefined) line['error'] = describeError(merged['error']);
        options.write(`${JSON.stringify(line)}\n`);
      };
    };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      fatal: at('fatal'),
      with: (fields) => create({ ...bound, ...fields }),
    };
  };
  return create({});
}
