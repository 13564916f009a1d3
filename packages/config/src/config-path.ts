export type ConfigPath = readonly (string | number)[];

/**
 * Key names that may be shown. Anything else could be a value that slipped into a key: `{token:abc}` is the one key
 * `token:abc` in YAML.
 */
const PLAIN_KEY = /^[A-Za-z][A-Za-z0-9_-]{0,39}$/;

export function isPlainKey(key: string): boolean {
  return PLAIN_KEY.test(key);
}

/** `sources[0].limits.maxConcurrent`; a key that may not be shown becomes `[?]`. */
export function formatPath(path: ConfigPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (isPlainKey(part)) text += text === '' ? part : `.${part}`;
    else text += '[?]';
  }
  return text;
}

/** Where a value stands: the file's line and column, or where the nearest enclosing thing stands. */
export interface ConfigSource {
  readonly file: string;
  readonly raw: unknown;
  readonly locate: (
    path: ConfigPath,
    part?: 'key' | 'value',
  ) => { readonly line: number | null; readonly column: number | null };
}

/** The value at a path of plain data, or undefined. */
export function valueAt(raw: unknown, path: ConfigPath): unknown {
  let value = raw;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    // Own properties of plain data, just checked.
    value = (value as Readonly<Record<string | number, unknown>>)[part];
  }
  return value;
}
