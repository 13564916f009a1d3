import { suggestName } from '@civex/query';
import type * as z from 'zod';
import type { ConfigFault } from './config-error.ts';
import type { ConfigPath, ConfigSource } from './config-path.ts';
import { formatPath, valueAt } from './config-path.ts';
import { knownKeysOf, toFaults } from './describe-issue.ts';
import { isVariableName, REMOTE_SOURCE_KIND } from './hub-config.ts';
import { findHeaderNameFault, findUrlFault, isHeaderValue, normaliseBaseUrl } from './network-rules.ts';

export type AdapterSchemas = Readonly<Record<string, z.ZodType>>;
export type Environment = Readonly<Record<string, string | undefined>>;

type Entry = Readonly<Record<string, unknown>>;
const isEntry = (value: unknown): value is Entry =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Kinds a source may name, in alphabetical order. */
function knownKinds(adapters: AdapterSchemas): readonly string[] {
  return [...new Set([...Object.keys(adapters), REMOTE_SOURCE_KIND])].toSorted();
}

/**
 * What one setting alone cannot show: repeated ids, kinds, an adapter's own options, addresses, keys and variables.
 * Works on data whose shape may be wrong and leaves those places to the schema. Does not check that a portal answers.
 */
export function checkSources(
  source: ConfigSource,
  env: Environment,
  /** Null: kinds and options are not checked. */
  adapters: AdapterSchemas | null,
): readonly ConfigFault[] {
  const faults: ConfigFault[] = [];
  const report = (path: ConfigPath, problem: string, remedy: string, part: 'key' | 'value' = 'value'): void => {
    faults.push({ file: source.file, ...source.locate(path, part), path: formatPath(path), problem, remedy });
  };
  const entries = valueAt(source.raw, ['sources']);
  if (!Array.isArray(entries)) return faults;

  const firstWithId = new Map<string, number>();
  const checkId = (id: unknown, index: number): void => {
    if (typeof id !== 'string') return;
    const first = firstWithId.get(id);
    if (first === undefined) firstWithId.set(id, index);
    else {
      const { line } = source.locate(['sources', first, 'id']);
      const where = line === null ? `sources[${first}]` : `the source on line ${line}`;
      report(['sources', index, 'id'], `is the id of ${where} as well`, 'Give every source an id of its own.');
    }
  };

  const checkKind = (entry: Entry, at: ConfigPath): void => {
    const kind = entry['adapter'];
    if (adapters === null || typeof kind !== 'string') return;
    const kinds = knownKinds(adapters);
    if (!kinds.includes(kind)) {
      const near = suggestName(kind, kinds);
      report(
        [...at, 'adapter'],
        near === null ? 'is not an adapter of this hub' : `is not an adapter of this hub: did you mean "${near}"`,
        `Use one of: ${kinds.join(', ')}.`,
      );
      return;
    }
    const options = entry['options'] ?? {};
    const base = [...at, 'options'];
    if (!isEntry(options) || entry['options'] === null) return;
    const schema = Object.hasOwn(adapters, kind) ? adapters[kind] : undefined;
    if (schema === undefined) {
      for (const key of Object.keys(options))
        report([...base, key], 'is not a known setting', 'Remove it. No settings are known here.', 'key');
      return;
    }
    const result = schema.safeParse(options);
    if (!result.success)
      for (const issue of result.error.issues)
        faults.push(...toFaults(issue, { source, base, knownKeys: (path) => knownKeysOf(schema, path) }));
  };

  const checkUrls = (entry: Entry, at: ConfigPath): void => {
    const { url, urls, privateNetwork } = entry;
    if (url === undefined && urls === undefined)
      report(at, 'has no `url`', "Add the portal's address, for example url: https://data.example.org");
    if (url !== undefined && urls !== undefined)
      report(
        [...at, 'urls'],
        'stands beside `url`',
        'Keep one: `url`, or `urls` with the preferred address first.',
        'key',
      );
    const allowHttp = Array.isArray(privateNetwork) && privateNetwork.length > 0;
    const seen = new Set<string>();
    const check = (text: unknown, path: ConfigPath): void => {
      if (typeof text !== 'string') return;
      const found = findUrlFault(text, allowHttp);
      if (found !== null) report(path, ...found);
      else if (seen.has(normaliseBaseUrl(text))) report(path, 'is given twice', 'Remove one.');
      else seen.add(normaliseBaseUrl(text));
    };
    check(url, [...at, 'url']);
    if (Array.isArray(urls)) urls.forEach((text, index) => check(text, [...at, 'urls', index]));
  };

  const checkKey = (entry: Entry, at: ConfigPath): void => {
    const variable = entry['apiKeyEnv'];
    if (variable === undefined)
      for (const name of ['apiKeyHeader', 'apiKeyPrefix'])
        if (entry[name] !== undefined)
          report([...at, name], 'has no effect without `apiKeyEnv`', 'Add `apiKeyEnv`, or remove it.', 'key');
    if (typeof variable !== 'string' || !isVariableName(variable)) return;
    const key = Object.hasOwn(env, variable) ? env[variable] : undefined;
    const path = [...at, 'apiKeyEnv'];
    if (key === undefined || key === '')
      report(
        path,
        `the environment variable ${variable} is not set`,
        `Set ${variable} before the hub starts, or remove \`apiKeyEnv\`.`,
      );
    else if (!isHeaderValue(key))
      report(
        path,
        `the environment variable ${variable} holds characters that cannot be sent in a header`,
        'Look for a line break, a space at either end or a letter outside ASCII.',
      );
  };

  const checkHeaders = (entry: Entry, at: ConfigPath): void => {
    const { headers } = entry;
    if (!isEntry(headers)) return;
    const keyHeader = entry['apiKeyHeader'] ?? 'authorization';
    const seen = new Set<string>();
    for (const name of Object.keys(headers)) {
      const path = [...at, 'headers', name];
      const found = findHeaderNameFault(name);
      const lower = name.toLowerCase();
      if (found !== null) report(path, ...found, 'key');
      else if (seen.has(lower)) report(path, 'is given twice in different letters', 'Remove one.', 'key');
      else if (typeof keyHeader === 'string' && keyHeader.toLowerCase() === lower)
        report(path, 'is the header of the API key', 'Remove it, or change `apiKeyHeader`.', 'key');
      seen.add(lower);
    }
  };

  const checkTimeouts = (entry: Entry, at: ConfigPath): void => {
    const { limits } = entry;
    if (!isEntry(limits)) return;
    const total = limits['totalTimeoutMs'];
    for (const name of ['connectTimeoutMs', 'headersTimeoutMs']) {
      const part = limits[name];
      if (typeof part === 'number' && typeof total === 'number' && part > total)
        report([...at, 'limits', name], 'is longer than `totalTimeoutMs`', 'Make it shorter, or the total longer.');
    }
  };

  entries.forEach((entry: unknown, index) => {
    if (!isEntry(entry)) return;
    const at = ['sources', index];
    checkId(entry['id'], index);
    checkKind(entry, at);
    checkUrls(entry, at);
    checkKey(entry, at);
    checkHeaders(entry, at);
    checkTimeouts(entry, at);
  });
  return faults;
}
