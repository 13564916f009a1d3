import { inspect } from 'node:util';

/** Header values that must never be printed. Names are lower case. */
export type SecretHeaders = Readonly<Record<string, string>>;

const REDACTED = '[redacted]';

/**
 * A frozen header record that reads and spreads like any other, but prints as `[redacted]` through `JSON.stringify`,
 * `util.inspect`, `console` and template text. A copy made by spreading has lost that protection: make one only to
 * send it.
 */
function createSecretHeaders(headers: Readonly<Record<string, string>>): SecretHeaders {
  const record: Record<string, string> = { ...headers };
  const hidden = { value: () => REDACTED, enumerable: false };
  Object.defineProperties(record, { toJSON: hidden, toString: hidden, [inspect.custom]: hidden });
  return Object.freeze(record);
}

/** The same object with `secretHeaders` as a property that no listing, copy or printout of the object contains. */
export function withSecretHeaders<T extends object>(
  target: T,
  headers: Readonly<Record<string, string>>,
): T & { readonly secretHeaders: SecretHeaders } {
  const secretHeaders = createSecretHeaders(headers);
  Object.defineProperty(target, 'secretHeaders', { value: secretHeaders, enumerable: false });
  // The property has just been defined.
  return target as T & { readonly secretHeaders: SecretHeaders };
}
