import type { AdapterSchemas, Environment } from './check-sources.ts';
import { checkSharing } from './check-sharing.ts';
import { checkSources } from './check-sources.ts';
import type { ConfigFault } from './config-error.ts';
import { ConfigError, sortFaults } from './config-error.ts';
import type { ConfigSource } from './config-path.ts';
import { knownKeysOf, toFaults } from './describe-issue.ts';
import type { HubConfig, ServerConfig, SourceConfig, SourceEntry, SourceInput } from './hub-config.ts';
import { hubSchema, serverSchema } from './hub-config.ts';
import { normaliseBaseUrl } from './network-rules.ts';
import { FILE_LIMITS, readYaml } from './read-yaml.ts';
import { withSecretHeaders } from './secret-headers.ts';

export interface ParseHubConfigOptions {
  /** Name of the file for faults. Not opened. */
  readonly file: string;
  /** Environment variables: `CIVEX_HOST`, `CIVEX_PORT`, `CIVEX_DATA` and those that `apiKeyEnv` names. */
  readonly env: Environment;
  /** Adapter kind to the strict schema of that kind's `options`. The kind `civex` is known in any case. */
  readonly adapters: AdapterSchemas;
}

/**
 * Reads hub.yaml into a complete, frozen configuration. Opens no file and no connection.
 *
 * @throws ConfigError (`CONFIG_INVALID`) with all faults together, sorted by line; up to 200.
 */
export function parseHubConfig(text: string, options: ParseHubConfigOptions): HubConfig {
  const reading = readYaml(text, options.file);
  return resolveConfig(reading, options.env, options.adapters, reading.faults);
}

export interface DefaultHubConfigOptions {
  readonly server?: Partial<ServerConfig>;
  /** As hub.yaml writes them. */
  readonly organisations?: unknown;
  readonly identity?: unknown;
  readonly sharing?: unknown;
  /** Default: an empty environment. */
  readonly env?: Environment;
  /** Default: kinds and their options are taken as they are, unchecked. */
  readonly adapters?: AdapterSchemas;
}

/**
 * The same configuration from code, with every default filled in, for a hub without a file.
 *
 * @throws ConfigError (`CONFIG_INVALID`), as `parseHubConfig`.
 */
export function defaultHubConfig(sources: readonly SourceInput[], options: DefaultHubConfigOptions = {}): HubConfig {
  const { organisations, identity, sharing } = options;
  const raw = {
    server: { ...options.server },
    sources: structuredClone(sources),
    ...(organisations !== undefined && { organisations }),
    ...(identity !== undefined && { identity }),
    ...(sharing !== undefined && { sharing }),
  };
  const source: ConfigSource = { file: 'code', raw, locate: () => ({ line: null, column: null }) };
  return resolveConfig(source, options.env ?? {}, options.adapters ?? null, []);
}

/** The one place of precedence: the schema's defaults < the file < the environment. */
function resolveConfig(
  source: ConfigSource,
  env: Environment,
  adapters: AdapterSchemas | null,
  readingFaults: readonly ConfigFault[],
): HubConfig {
  const faults = [...readingFaults];
  // Without a tree there is nothing to hold against the schema.
  const parsed = source.raw === undefined ? null : hubSchema.safeParse(source.raw);
  if (parsed?.success === false)
    for (const issue of parsed.error.issues)
      faults.push(...toFaults(issue, { source, base: [], knownKeys: (path) => knownKeysOf(hubSchema, path) }));
  if (source.raw !== undefined) faults.push(...checkSources(source, env, adapters), ...checkSharing(source));
  const overrides = readEnvironment(env, faults);
  if (faults.length > 0 || parsed?.success !== true)
    throw new ConfigError(sortFaults(faults).slice(0, FILE_LIMITS.faults));

  const { server, limits, sources, organisations, identity, sharing } = parsed.data;
  return deepFreeze({
    server: { ...server, ...overrides },
    limits,
    sources: sources.map((entry) => toSourceConfig(entry, env, adapters)),
    organisations,
    identity,
    sharing,
  });
}

function readEnvironment(env: Environment, faults: ConfigFault[]): Partial<ServerConfig> {
  const report = (path: string, problem: string, remedy: string): void => {
    faults.push({ file: 'environment', line: null, column: null, path, problem, remedy });
  };
  const overrides: { host?: string; port?: number; dataFolder?: string } = {};
  const host = env['CIVEX_HOST'];
  if (host !== undefined) {
    if (serverSchema.shape.host.safeParse(host).success) overrides.host = host;
    else report('CIVEX_HOST', 'is not a host name or IP address', 'For example 127.0.0.1, or unset it.');
  }
  const port = env['CIVEX_PORT'];
  if (port !== undefined) {
    if (/^(0|[1-9]\d{0,4})$/.test(port) && Number(port) <= 65_535) overrides.port = Number(port);
    else report('CIVEX_PORT', 'is not a TCP port', 'A whole number from 0 to 65535, or unset it.');
  }
  const dataFolder = env['CIVEX_DATA'];
  if (dataFolder !== undefined) {
    if (serverSchema.shape.dataFolder.safeParse(dataFolder).success) overrides.dataFolder = dataFolder;
    else report('CIVEX_DATA', 'is not a path', 'For example /var/lib/civex, or unset it.');
  }
  return overrides;
}

function toSourceConfig(entry: SourceEntry, env: Environment, adapters: AdapterSchemas | null): SourceConfig {
  const [first, ...rest] = (entry.urls ?? (entry.url === undefined ? [] : [entry.url])).map(normaliseBaseUrl);
  if (first === undefined) throw new TypeError('checkSources lets no source without an address through');
  const key = entry.apiKeyEnv === undefined ? undefined : env[entry.apiKeyEnv];
  const schema = adapters !== null && Object.hasOwn(adapters, entry.adapter) ? adapters[entry.adapter] : undefined;
  const options: unknown = schema === undefined ? entry.options : schema.parse(entry.options);
  return withSecretHeaders(
    {
      id: entry.id,
      adapter: entry.adapter,
      title: entry.title ?? entry.id,
      homepage: entry.homepage ?? null,
      urls: [first, ...rest] as const,
      languages: entry.languages.map((tag) => tag.toLowerCase()),
      country: entry.country ?? null,
      region: entry.region ?? null,
      timeZone: entry.timeZone,
      apiKeyEnv: entry.apiKeyEnv ?? null,
      headers: Object.fromEntries(Object.entries(entry.headers).map(([name, value]) => [name.toLowerCase(), value])),
      privateNetwork: entry.privateNetwork,
      limits: entry.limits,
      cache: entry.cache,
      // The schema of a kind's options is one of an object; the contract says so.
      options: options as Readonly<Record<string, unknown>>,
    },
    key === undefined ? {} : { [entry.apiKeyHeader.toLowerCase()]: `${entry.apiKeyPrefix}${key}` },
  );
}

/** Freezes plain objects and arrays all the way down; instances a schema made (URL, RegExp) stay as they are. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null && !Array.isArray(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}
