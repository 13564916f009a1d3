import { isSourceKey } from '@civex/model';
import * as z from 'zod';
import { isHeaderValue, isKeyHeaderName, isPrivateCidr } from './network-rules.ts';
import type { SecretHeaders } from './secret-headers.ts';
import { identitySchema, organisationsSchema, sharingSchema } from './sharing-config.ts';
import type { IdentityConfig, OrganisationConfig, SharingConfig } from './sharing-config.ts';

/** The hub's own socket. A change takes effect at the next start. */
export interface ServerConfig {
  /** Address to listen on. Default `127.0.0.1`: this machine only. `CIVEX_HOST` overrides it. */
  readonly host: string;
  /** TCP port, 0 to 65535; 0 takes a free one. Default 4000. `CIVEX_PORT` overrides it. */
  readonly port: number;
  /** Serves GraphiQL to browsers. Default true. */
  readonly graphiql: boolean;
  /**
   * Folder for what the hub must remember, the key its cursors are sealed with among it; made when it is missing. A
   * relative path is taken from where the hub is started. Default `.civex`. `CIVEX_DATA` overrides it.
   */
  readonly dataFolder: string;
  /**
   * Relies on an operator of a portal only after a probe has shown that it decides it: three requests once a day for each
   * source, operator and type. False: the adapters' claims are taken on their word. Default true.
   */
  readonly capabilityProbes: boolean;
}

/** What one caller's request may cost. */
export interface HubLimits {
  /** Milliseconds for one request, all sources included, 100 to 300,000. Default 15,000. */
  readonly requestTimeoutMs: number;
  /** Bytes of one request body, 1,000 to 25,000,000. Default 1,000,000. */
  readonly bodyBytes: number;
  /** Lexical tokens of one document, 100 to 100,000. Default 4,000. */
  readonly queryTokens: number;
  /** Levels of selections, 3 to 50. Default 12. */
  readonly queryDepth: number;
  /** Aliases of one operation, 0 to 1,000. Default 30. */
  readonly aliases: number;
  /** Root fields of one operation, 1 to 1,000. Default 20. */
  readonly rootFields: number;
  /** Largest computed cost of one operation, 100 to 10,000,000. Default 20,000. */
  readonly cost: number;
  /** Records the hub reads through to decide a filter itself, 100 to 10,000,000. Default 50,000. */
  readonly scanRecords: number;
  /** Records the hub reads through for one aggregate, none of which it keeps, 100 to 100,000,000. Default 1,000,000. */
  readonly aggregateRecords: number;
  /** Largest `first` of any list, 1 to 100,000. Default 1,000. */
  readonly maxFirst: number;
  /** Requests in work at once, 1 to 10,000; beyond it 503. Default 200. */
  readonly concurrentRequests: number;
  /** Exports in work at once, 1 to 1,000; beyond it 503. Default 8. */
  readonly concurrentExports: number;
  /** Seconds for one export, 10 to 86,400. Default 3,600. */
  readonly exportSeconds: number;
  /** Seconds that running requests are given when the hub stops, 0 to 600. Default 20. */
  readonly drainSeconds: number;
}

/** Bounds on the traffic with one portal. The names are those of the outbound client's options. */
export interface SourceLimits {
  /** Milliseconds to connect, TLS included, 50 to 60,000. Default 2,000. */
  readonly connectTimeoutMs: number;
  /** Milliseconds from request to the head of the answer, 100 to 120,000. Default 5,000. */
  readonly headersTimeoutMs: number;
  /** Milliseconds for one call, retry included, 100 to 300,000; the caller's own deadline may be nearer. Default 10,000. */
  readonly totalTimeoutMs: number;
  /** Decoded bytes of one answer read whole, 1,000 to 256,000,000. Default 16,000,000. */
  readonly maxAnswerBytes: number;
  /** Decoded bytes of one streamed answer, 1,000 to 100,000,000,000. Default 10,000,000,000. */
  readonly maxStreamBytes: number;
  /** Requests to this portal at once, 1 to 200. Default 20. */
  readonly maxConcurrent: number;
  /** Requests that may wait for a free place, 0 to 10,000. Default 50. */
  readonly maxQueued: number;
  /** Share of requests that may be retries, 0 to 1. Default 0.1. */
  readonly retryBudget: number;
  /** Bytes per second below which a body counts as hung, 0 to 10,000,000; 0 switches the check off. Default 100. */
  readonly minBytesPerSecond: number;
}

/** How long one portal's answers may be reused. */
export interface SourceCache {
  /** Seconds that catalog answers stay fresh, 0 to 86,400. Default 60. */
  readonly catalogSeconds: number;
  /** Seconds that record answers stay fresh, 0 to 86,400. Default 10. */
  readonly recordsSeconds: number;
  /** Seconds beyond freshness in which an answer may stand in for a failing portal, marked stale; 0 to 604,800. Default 3,600. */
  readonly staleIfErrorSeconds: number;
  /** Bytes kept for this source, 0 to 1,000,000,000. Default 32,000,000. */
  readonly maxBytes: number;
}

/** One portal, checked and complete. */
export interface SourceConfig {
  /** Source key, the first part of its dataset ids: lower case letters, digits, hyphen, at most 31. */
  readonly id: string;
  /** Adapter kind, for example `opendatasoft`. */
  readonly adapter: string;
  /** Default: the id. */
  readonly title: string;
  /** For people; never fetched. */
  readonly homepage: string | null;
  /**
   * Base addresses in order of preference, 1 to 8, without a slash at the end. `https:`, or `http:` when
   * `privateNetwork` is not empty.
   */
  readonly urls: readonly [string, ...string[]];
  /** Languages the portal publishes in, lower-case BCP 47 tags, its own first. */
  readonly languages: readonly string[];
  /** ISO 3166-1 alpha-2. */
  readonly country: string | null;
  readonly region: string | null;
  /** IANA zone in which the portal means times it writes without one. Default `UTC`. */
  readonly timeZone: string;
  /** Name of the environment variable the API key came from; the key is in `secretHeaders`. */
  readonly apiKeyEnv: string | null;
  /** Sent with every request, names lower case. Holds no secret. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Sent with every request, names lower case. Secret: not enumerable, and printed as `[redacted]`. Copying a source
   * by spreading loses it.
   */
  readonly secretHeaders: SecretHeaders;
  /** Private or loopback ranges in CIDR notation the portal may stand in. Empty: public addresses only. */
  readonly privateNetwork: readonly string[];
  readonly limits: SourceLimits;
  readonly cache: SourceCache;
  /** What the adapter's own schema made of `options`. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** hub.yaml, checked, complete and frozen. */
export interface HubConfig {
  readonly server: ServerConfig;
  readonly limits: HubLimits;
  /** At least one, ids unique. */
  readonly sources: readonly SourceConfig[];
  /** Ids unique. Default: none. */
  readonly organisations: readonly OrganisationConfig[];
  readonly identity: IdentityConfig;
  readonly sharing: SharingConfig;
}

/** The kind of source that is another Civex, served with `civex serve-source`. It has no options. */
export const REMOTE_SOURCE_KIND = 'civex';

/** What a refused custom check says. Read by `describe-issue.ts`. */
const rule = (problem: string, remedy: string) => ({ error: problem, params: { remedy } });

const integer = (minimum: number, maximum: number, fallback: number) =>
  z.int().min(minimum).max(maximum).default(fallback);

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const hasControl = (text: string): boolean => /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text);

const label = (maximum: number) =>
  z
    .string()
    .min(1)
    .max(maximum)
    .refine((text) => !hasControl(text), rule('contains control characters', 'Write it on one line.'));

const isLanguageTag = (tag: string): boolean => {
  try {
    return /^[a-z]{2,3}(-|$)/i.test(tag) && Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    // RangeError: not a well-formed tag.
    return false;
  }
};

const regionNames = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' });
const NOT_COUNTRIES = new Set(['EU', 'EZ', 'UN', 'ZZ', 'QO', 'XA', 'XB', 'AC', 'CP', 'CQ', 'DG', 'EA', 'IC', 'TA']);

/** Assigned by ISO 3166-1 as the runtime's CLDR data knows it; XK (Kosovo) is in use and let through. */
const isCountry = (code: string): boolean =>
  /^[A-Z]{2}$/.test(code) &&
  !NOT_COUNTRIES.has(code) &&
  regionNames.of(code) !== undefined &&
  new Intl.Locale(`und-${code}`).region === code;

const isTimeZone = (zone: string): boolean => {
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]*$/.test(zone)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== '';
  } catch {
    // RangeError: no such zone.
    return false;
  }
};

const isHomepage = (text: string): boolean => {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
};

export function isVariableName(text: string): boolean {
  return /^[A-Z][A-Z0-9_]{0,99}$/.test(text);
}

const HOST = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$|^[0-9a-fA-F:.]{2,45}$/;

export const serverSchema = z.strictObject({
  host: z
    .string()
    .refine(
      (text) => HOST.test(text),
      rule('is not a host name or IP address', 'For example 127.0.0.1, or 0.0.0.0 for every interface.'),
    )
    .default('127.0.0.1'),
  port: integer(0, 65_535, 4_000),
  graphiql: z.boolean().default(true),
  dataFolder: label(1_000).default('.civex'),
  capabilityProbes: z.boolean().default(true),
}) satisfies z.ZodType<ServerConfig>;

const hubLimitsSchema = z.strictObject({
  requestTimeoutMs: integer(100, 300_000, 15_000),
  bodyBytes: integer(1_000, 25_000_000, 1_000_000),
  queryTokens: integer(100, 100_000, 4_000),
  queryDepth: integer(3, 50, 12),
  aliases: integer(0, 1_000, 30),
  rootFields: integer(1, 1_000, 20),
  cost: integer(100, 10_000_000, 20_000),
  scanRecords: integer(100, 10_000_000, 50_000),
  aggregateRecords: integer(100, 100_000_000, 1_000_000),
  maxFirst: integer(1, 100_000, 1_000),
  concurrentRequests: integer(1, 10_000, 200),
  concurrentExports: integer(1, 1_000, 8),
  exportSeconds: integer(10, 86_400, 3_600),
  drainSeconds: integer(0, 600, 20),
}) satisfies z.ZodType<HubLimits>;

const sourceLimitsSchema = z.strictObject({
  connectTimeoutMs: integer(50, 60_000, 2_000),
  headersTimeoutMs: integer(100, 120_000, 5_000),
  totalTimeoutMs: integer(100, 300_000, 10_000),
  maxAnswerBytes: integer(1_000, 256_000_000, 16_000_000),
  maxStreamBytes: integer(1_000, 100_000_000_000, 10_000_000_000),
  maxConcurrent: integer(1, 200, 20),
  maxQueued: integer(0, 10_000, 50),
  retryBudget: z.number().min(0).max(1).default(0.1),
  minBytesPerSecond: integer(0, 10_000_000, 100),
}) satisfies z.ZodType<SourceLimits>;

const sourceCacheSchema = z.strictObject({
  catalogSeconds: integer(0, 86_400, 60),
  recordsSeconds: integer(0, 86_400, 10),
  staleIfErrorSeconds: integer(0, 604_800, 3_600),
  maxBytes: integer(0, 1_000_000_000, 32_000_000),
}) satisfies z.ZodType<SourceCache>;

/** One entry of `sources` as it is written. What needs more than one key is checked in `check-sources.ts`. */
const sourceSchema = z.strictObject({
  id: z
    .string()
    .refine(
      isSourceKey,
      rule('is not a source key', 'Lower case letters, digits and hyphens, starting with a letter, 31 at most.'),
    ),
  adapter: z.string(),
  url: z.string().max(2_000).optional(),
  urls: z.array(z.string().max(2_000)).min(1).max(8).optional(),
  title: label(200).optional(),
  homepage: z
    .string()
    .max(2_000)
    .refine(isHomepage, rule('is not an http or https URL', "Write the full address of the portal's front page."))
    .optional(),
  languages: z
    .array(z.string().refine(isLanguageTag, rule('is not a BCP 47 language tag', 'For example fr, sv, en or es-MX.')))
    .max(20)
    .default([]),
  country: z
    .string()
    .refine(
      isCountry,
      rule('is not an ISO 3166-1 alpha-2 country code', 'Two capital letters; the United Kingdom is GB.'),
    )
    .optional(),
  region: label(200).optional(),
  timeZone: z
    .string()
    .refine(isTimeZone, rule('is not an IANA time zone', 'For example Europe/Paris or America/Mexico_City.'))
    .default('UTC'),
  apiKeyEnv: z
    .string()
    .refine(
      isVariableName,
      rule(
        'is not the name of an environment variable',
        'Capital letters, digits and underscores. The key itself does not belong in this file.',
      ),
    )
    .optional(),
  apiKeyHeader: z
    .string()
    .refine(
      isKeyHeaderName,
      rule('cannot carry a key', 'Name an HTTP header, such as Authorization or X-CKAN-API-Key.'),
    )
    .default('Authorization'),
  apiKeyPrefix: z
    .string()
    .max(40)
    .refine(
      (text) => text === '' || isHeaderValue(text.trimEnd()),
      rule('contains characters that cannot be sent', 'For example "Apikey " or "Bearer ", with the space.'),
    )
    .default(''),
  headers: z
    .record(
      z.string(),
      z
        .string()
        .refine(
          isHeaderValue,
          rule('cannot be sent as a header value', 'Visible ASCII characters on one line, 1,000 at most.'),
        ),
    )
    .default({}),
  privateNetwork: z
    .array(
      z
        .string()
        .refine(
          isPrivateCidr,
          rule(
            'is not a private range in CIDR notation',
            'For example 127.0.0.1/32 or 10.20.0.0/16; public and link-local ranges are refused.',
          ),
        ),
    )
    .max(20)
    .default([]),
  limits: sourceLimitsSchema.prefault({}),
  cache: sourceCacheSchema.prefault({}),
  options: z.record(z.string(), z.unknown()).default({}),
});

const MAX_SOURCES = 2_000;

/** The whole file. Every default lives here and nowhere else. */
export const hubSchema = z.strictObject({
  server: serverSchema.prefault({}),
  limits: hubLimitsSchema.prefault({}),
  sources: z.array(sourceSchema).min(1).max(MAX_SOURCES),
  organisations: organisationsSchema,
  identity: identitySchema.prefault({}),
  sharing: sharingSchema.prefault({}),
});

/** One source as hub.yaml writes it: `id`, `adapter` and `url` (or `urls`), everything else optional. */
export type SourceInput = z.input<typeof sourceSchema>;
export type SourceEntry = z.output<typeof sourceSchema>;
