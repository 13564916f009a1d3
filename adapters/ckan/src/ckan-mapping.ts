import { HubError } from '@civex/errors';
import type {
  AccessRights,
  Agent,
  ContactPoint,
  Dataset,
  Distribution,
  Geometry,
  HubRecord,
  LangText,
  License,
  Location,
  PeriodOfTime,
  QueryableType,
  RecordValue,
} from '@civex/model';
import {
  bboxOf,
  encodeDatasetId,
  latLonToPoint,
  normaliseLicense,
  readAccessRights,
  toEuFrequency,
  toEuThemes,
  toGeometry,
  toInstant,
  toPlainText,
} from '@civex/model';
import type { CkanQueryable } from './ckan-dialect.ts';
import { isPackageName } from './ckan-dialect.ts';

type Json = Readonly<Record<string, unknown>>;

/** What the mapping needs to know of the source. */
export interface CkanSource {
  readonly source: string;
  /** Without a slash at its end. */
  readonly baseUrl: string;
  /** Configured languages; the first one is what untagged text is taken to be. */
  readonly languages: readonly string[];
  /** IANA name of the zone of naive times that people typed: extras and `timestamp` columns. CKAN's own are UTC. */
  readonly timeZone: string;
  /** The register's entry of a licence id, or null. */
  readonly registered: (licenseId: string) => RegisteredLicense | null;
}

export interface RegisteredLicense {
  readonly title: string | null;
  readonly url: string | null;
}

const malformed = (source: string, cause: string): HubError =>
  new HubError('SOURCE_MALFORMED', 'The portal answered in a form that cannot be read.', { source }, new Error(cause));

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Trimmed text, or null when there is none. */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') {
    const text = value.trim();
    return text === '' ? null : text;
  }
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : null;
}

/** Levels of objects and lists in one package. Captured ones have six; what nests deeper attacks whoever walks it. */
const DEEPEST = 32;

function isShallow(value: unknown, levels = DEEPEST): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (levels === 0) return false;
  const parts: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  return parts.every((part) => isShallow(part, levels - 1));
}

/** JSON written into a string, as extras and harvesters do, decoded; any other value as it is. */
function decodeJson(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const text = value.trim();
  if (!/^[[{"]/.test(text)) return value;
  try {
    const decoded: unknown = JSON.parse(text.includes('&quot;') ? text.replaceAll('&quot;', '"') : text);
    return isShallow(decoded) ? decoded : value;
  } catch {
    // Text that only looks like JSON is text.
    return value;
  }
}

/** Texts of a list, of a JSON list in a string, of one text, or of lists by language. */
function textsOf(value: unknown): readonly string[] {
  const decoded = decodeJson(value);
  if (Array.isArray(decoded)) return decoded.flatMap((entry: unknown) => textOf(entry) ?? []);
  if (isObject(decoded)) return Object.values(decoded).flatMap(textsOf);
  const text = textOf(decoded);
  return text === null ? [] : [text];
}

const isTrue = (value: unknown): boolean =>
  value === true || (typeof value === 'string' && /^true$/i.test(value.trim()));

// ---------------------------------------------------------------- addresses

const PLAIN_HOST = /^https?:\/\/([a-z0-9.-]+)(?::\d{1,5})?(?:[/?#]|$)/i;
const INNER_SUFFIX = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home|corp|private|arpa)$/;

function isPublicIpv4(host: string): boolean {
  const [a = 0, b = 0, c = 0] = host.split('.').map(Number);
  return !(
    a === 0 ||
    a === 10 ||
    a === 127 ||
    a >= 224 ||
    (a === 100 && b >= 64 && b <= 127) ||
    (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b <= 31) ||
    (a === 192 && b === 168) ||
    (a === 192 && b === 0 && (c === 0 || c === 2)) ||
    (a === 198 && (b === 18 || b === 19)) ||
    (a === 198 && b === 51 && c === 100) ||
    (a === 203 && b === 0 && c === 113)
  );
}

const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/** IPv6 hosts arrive compressed by the URL parser. Global unicast only, and nothing that carries an IPv4 address. */
const isPublicIpv6 = (host: string): boolean => /^\[[23]/.test(host) && !/^\[2002:|^\[2001:(?:0?:|db8:)/.test(host);

function isPublicHost(host: string): boolean {
  if (host.startsWith('[')) return isPublicIpv6(host);
  if (IPV4.test(host)) return isPublicIpv4(host);
  return host.includes('.') && !INNER_SUFFIX.test(host.endsWith('.') ? host.slice(0, -1) : host);
}

/**
 * An address that may be shown: absolute `http:` or `https:`, without credentials, and not of a host inside somebody's
 * network. Portals publish addresses of their own machines (seen: 10.80.148.134 at Mexico City).
 */
export function toPublicUrl(value: unknown): string | null {
  const text = textOf(value);
  if (text === null || text.length > 4_000) return null;
  // The plain case costs a tenth of the parser. Digits at the end of the host may be an address in disguise.
  const host = PLAIN_HOST.exec(text)?.[1]?.toLowerCase();
  if (host !== undefined && !/(?:\d|0x[0-9a-f]*)\.?$/.test(host))
    return isPublicHost(host) && !/\s/.test(text) ? text : null;
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if ((url.protocol !== 'http:' && url.protocol !== 'https:') || url.username !== '' || url.password !== '')
    return null;
  return isPublicHost(url.hostname) ? text : null;
}

/** Also with the slashes escaped, as in JSON inside a string. */
const ADDRESS_IN_TEXT = /\bhttps?:(?:\\?\/){2}(?:\\\/|[^\s"'<>)\]}\\])+/gi;

/** A value of the portal's own, with addresses that must not be shown taken out of its texts. */
function withoutInnerUrls(value: unknown, depth = 6): unknown {
  if (typeof value === 'string')
    return value.includes('//') || value.includes(String.raw`\/`)
      ? value.replaceAll(ADDRESS_IN_TEXT, (address) =>
          toPublicUrl(address.replaceAll(String.raw`\/`, '/')) === null ? '[withheld]' : address,
        )
      : value;
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return null;
  if (Array.isArray(value)) return value.map((entry) => withoutInnerUrls(entry, depth - 1));
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withoutInnerUrls(entry, depth - 1)]));
}

// ---------------------------------------------------------------- packages

/** Keys whose values become fields of the dataset, or named entries of `raw`. */
export const MAPPED_PACKAGE_KEYS: ReadonlySet<string> = new Set([
  'id',
  'name',
  'title',
  'title_translated',
  'notes',
  'notes_translated',
  'description',
  'tags',
  'keywords',
  'keywords_translated',
  'groups',
  'organization',
  'extras',
  'resources',
  'license_id',
  'license_title',
  'license_url',
  'author',
  'author_email',
  'maintainer',
  'maintainer_email',
  'metadata_created',
  'metadata_modified',
  'private',
  'state',
  'type',
  'url',
  'version',
]);

/**
 * Keys that are left out: counts and flags that repeat what the lists say (`num_*`, `isopen`, `owner_org`), bookkeeping
 * of the portal about itself, users' ids, and copies of the resources.
 */
export const IGNORED_PACKAGE_KEYS: ReadonlySet<string> = new Set([
  'creator_user_id',
  'isopen',
  'num_resources',
  'num_tags',
  'owner_org',
  'relationships_as_object',
  'relationships_as_subject',
  'revision_id',
  'revision_timestamp',
  'tracking_summary',
  'archiver',
  'qa',
  'individual_resources',
]);

export const MAPPED_RESOURCE_KEYS: ReadonlySet<string> = new Set([
  'id',
  'name',
  'name_translated',
  'title',
  'url',
  'url_type',
  'access_url',
  'accessURL',
  'download_url',
  'downloadURL',
  'format',
  'mimetype',
  'size',
  'last_modified',
  'metadata_modified',
  'created',
  'description',
  'hash',
  'license',
  'license_id',
  'license_url',
  'datastore_active',
]);

/** Left out: where the portal's machinery keeps a file, and the notes of its jobs. */
export const IGNORED_RESOURCE_KEYS: ReadonlySet<string> = new Set([
  'archiver',
  'cache_filepath',
  'cache_last_updated',
  'cache_url',
  'ckan_url',
  'ignore_hash',
  'mimetype_inner',
  'original_url',
  'package_id',
  'position',
  'qa',
  'queue_name',
  'resource_group_id',
  'resource_id',
  'revision_id',
  'revision_timestamp',
  'set_url_type',
  'state',
  'task_created',
  'tracking_summary',
  'webstore_last_updated',
  'webstore_url',
]);

function others(from: Json, mapped: ReadonlySet<string>, ignored: ReadonlySet<string>): Json {
  const rest: [string, unknown][] = [];
  for (const key of Object.keys(from))
    if (!mapped.has(key) && !ignored.has(key)) rest.push([key, withoutInnerUrls(from[key])]);
  return rest.length === 0 ? NO_OTHERS : Object.fromEntries(rest);
}
const NO_OTHERS: Json = Object.freeze({});

/** Extras as one object; the first of a repeated key wins, as in CKAN's own forms. */
function extrasOf(value: unknown): Json {
  if (isObject(value)) return value;
  if (!Array.isArray(value)) return NO_OTHERS;
  const extras = new Map<string, unknown>();
  for (const entry of value)
    if (isObject(entry) && typeof entry['key'] === 'string' && !extras.has(entry['key']))
      extras.set(entry['key'], entry['value']);
  return Object.fromEntries(extras);
}

/** The first of these keys that says something: at the top level (scheming) first, then among the extras. */
type Field = (...keys: readonly string[]) => unknown;

const says = (value: unknown): boolean => {
  if (value === null || value === undefined) return false;
  if (typeof value === 'string') return !/^\s*(?:\[\s*\]|\{\s*\})?\s*$/.test(value);
  return Array.isArray(value) ? value.length > 0 : true;
};

function createField(top: Json, extras: Json): Field {
  return (...keys) => {
    for (const key of keys) {
      if (Object.hasOwn(top, key) && says(top[key])) return top[key];
      if (Object.hasOwn(extras, key) && says(extras[key])) return extras[key];
    }
    return null;
  };
}

const LANGUAGE_CODES: Readonly<Record<string, string>> = {
  ara: 'ar',
  cat: 'ca',
  ces: 'cs',
  cze: 'cs',
  dan: 'da',
  deu: 'de',
  dut: 'nl',
  eng: 'en',
  est: 'et',
  eus: 'eu',
  fin: 'fi',
  fra: 'fr',
  fre: 'fr',
  ger: 'de',
  glg: 'gl',
  gre: 'el',
  heb: 'he',
  hrv: 'hr',
  hun: 'hu',
  ita: 'it',
  jpn: 'ja',
  lav: 'lv',
  lit: 'lt',
  nld: 'nl',
  nor: 'no',
  pol: 'pl',
  por: 'pt',
  ron: 'ro',
  rum: 'ro',
  slk: 'sk',
  slv: 'sl',
  spa: 'es',
  swe: 'sv',
  tur: 'tr',
  ukr: 'uk',
  zho: 'zh',
};

/** `fr`, `fr_CA`, `FRA` or an authority IRI as a lower-case BCP 47 tag; null for anything else. */
export function toLanguageTag(text: string): string | null {
  const code = text
    .trim()
    .replace(/^.*[/#]/, '')
    .replaceAll('_', '-')
    .toLowerCase();
  if (Object.hasOwn(LANGUAGE_CODES, code)) return LANGUAGE_CODES[code] ?? null;
  return /^[a-z]{2}(?:-[a-z0-9]{2,8}){0,3}$/.test(code) ? code : null;
}

/** Text by language from a plain text and from what ckanext-fluent puts beside or instead of it. */
function langTextOf(
  plain: unknown,
  translated: unknown,
  source: CkanSource,
  clean: (text: string) => string,
): LangText {
  const byLanguage = new Map<string, string>();
  const put = (tag: string, value: unknown): void => {
    const text = textOf(value);
    if (text === null || byLanguage.has(tag)) return;
    const cleaned = clean(text);
    if (cleaned !== '') byLanguage.set(tag, cleaned);
  };
  for (const candidate of [decodeJson(translated), isObject(plain) ? plain : null]) {
    if (!isObject(candidate)) continue;
    for (const tag of source.languages) put(tag.toLowerCase(), candidate[tag]);
    for (const [key, value] of Object.entries(candidate)) put(toLanguageTag(key) ?? 'und', value);
  }
  if (byLanguage.size === 0) put(source.languages[0]?.toLowerCase() ?? 'und', plain);
  return Object.fromEntries(byLanguage);
}

const asIs = (text: string): string => text;

function toPublisher(field: Field, organization: Json | null): Agent | null {
  const stated = field('publisher_name', 'holder_name');
  const publisher = decodeJson(field('publisher'));
  const agent = Array.isArray(publisher) ? decodeJson(publisher[0]) : publisher;
  const name =
    textOf(stated) ??
    (isObject(agent) ? textOf(agent['name']) : textOf(agent)) ??
    textOf(organization?.['title']) ??
    textOf(organization?.['name']);
  if (name === null) return null;
  return {
    name,
    homepage: toPublicUrl(field('publisher_url')) ?? (isObject(agent) ? toPublicUrl(agent['url']) : null),
    type: textOf(field('publisher_type')),
  };
}

/** A person or body: a plain name, or `{name, email}` as JSON in a string. Blank when neither. */
function contactOf(name: unknown, email: unknown, url: unknown): ContactPoint | null {
  const decoded = decodeJson(name);
  const first: unknown = Array.isArray(decoded) ? decoded[0] : decoded;
  const from: Json = isObject(first) ? first : { name: first };
  const given = [textOf(from['given_name']), textOf(from['name'])].flatMap((text) => text ?? []).join(' ');
  const address = textOf(email) ?? textOf(from['email']);
  const contact: ContactPoint = {
    name: given === '' ? null : given,
    email: address === null ? null : address.replace(/^mailto:/i, ''),
    url: toPublicUrl(url) ?? toPublicUrl(from['url']) ?? toPublicUrl(from['uri']),
  };
  return contact.name === null && contact.email === null && contact.url === null ? null : contact;
}

function toContactPoint(field: Field, top: Json): ContactPoint | null {
  return (
    contactOf(
      field('contact_name', 'contact', 'contact_point'),
      field('contact_email', 'contact-email'),
      field('contact_url', 'contact_uri'),
    ) ??
    contactOf(top['maintainer'], top['maintainer_email'], null) ??
    contactOf(top['author'], top['author_email'], null)
  );
}

/** Where CKAN and its extensions (dcat, scheming, restricted) state who may have something. */
const ACCESS_KEYS = ['access_rights', 'accessRights', 'access_level', 'accessLevel'] as const;

/** ckanext-restricted: `{"level": "public" | "registered" | "any_organization" | ...}`, as an object or as text. */
function toRestriction(resource: Json): unknown {
  const restricted = decodeJson(resource['restricted']);
  return isObject(restricted) && Object.hasOwn(restricted, 'level') ? restricted['level'] : restricted;
}

/**
 * The strictest of what the package and the resource its records come from state. A private package is never public, and
 * less than `NON_PUBLIC` only when it says so.
 */
function toAccessRights(top: Json, extras: Json, recordsResource: Json | undefined): AccessRights {
  const stated = readAccessRights([
    ...[top, extras, recordsResource ?? {}].flatMap((from) => ACCESS_KEYS.map((key) => decodeJson(from[key]))),
    recordsResource === undefined ? null : toRestriction(recordsResource),
  ]);
  // DKAN (state "Active") says `private: true` of everything; CKAN (state "active") means it.
  const isPrivate = isTrue(top['private']) && top['state'] !== 'Active';
  return isPrivate && stated !== 'RESTRICTED' ? 'NON_PUBLIC' : (stated ?? 'PUBLIC');
}

function toNumber(value: unknown): number | null {
  const number = typeof value === 'number' ? value : Number(textOf(value) ?? Number.NaN);
  return Number.isFinite(number) ? number : null;
}

function toLocation(field: Field): Location | null {
  const stated = field('spatial');
  const decoded = decodeJson(stated);
  const geometry = toGeometry(decoded);
  let bbox = geometry === null ? null : bboxOf(geometry);
  if (bbox === null) {
    const [west, south, east, north] = ['bbox-west-long', 'bbox-south-lat', 'bbox-east-long', 'bbox-north-lat'].map(
      (key) => toNumber(field(key)),
    );
    if (
      typeof west === 'number' &&
      typeof south === 'number' &&
      typeof east === 'number' &&
      typeof north === 'number' &&
      Math.abs(west) <= 180 &&
      Math.abs(east) <= 180 &&
      Math.abs(south) <= 90 &&
      Math.abs(north) <= 90 &&
      south <= north
    )
      bbox = [west, south, east, north];
  }
  const label =
    textOf(field('spatial_text', 'spatial_info', 'spatialRelationship', 'spatial_coverage')) ??
    (isObject(decoded) ? null : textOf(stated));
  const centroid = geometry !== null && geometry.type === 'Point' ? geometry : null;
  return bbox === null && label === null ? null : { bbox, centroid, label };
}

function toTemporal(field: Field, timeZone: string): PeriodOfTime | null {
  const coverage = decodeJson(field('temporal_coverage', 'temporal'));
  const first: unknown = Array.isArray(coverage) ? coverage[0] : coverage;
  const [from, until] = typeof first === 'string' ? first.split('/') : [];
  const ends = isObject(first) ? first : {};
  const instantOf = (value: unknown): string | null => {
    const text = textOf(value);
    return text === null ? null : toInstant(text, timeZone);
  };
  const start = instantOf(
    field('temporal_start', 'temporal_coverage_from', 'temporal_coverage-from') ?? ends['start'] ?? from,
  );
  const end = instantOf(field('temporal_end', 'temporal_coverage_to', 'temporal_coverage-to') ?? ends['end'] ?? until);
  return start === null && end === null ? null : { start, end };
}

/** `CSV` of ` .csv`, `CSV` or `http://.../file-type/CSV`. */
function toFormat(value: unknown): string | null {
  const text = textOf(value)
    ?.replace(/^https?:\/\/.*[/#]/, '')
    .replace(/^\./, '')
    .toUpperCase();
  return text === undefined || text === '' ? null : text;
}

/** A whole number of bytes: a number, its digits, or digits with a word for bytes. Rounded sizes ("1.2 MB") are none. */
export function toByteSize(value: unknown): number | null {
  const size =
    typeof value === 'number'
      ? value
      : Number(/^(\d{1,16})(?:\s*(?:octets?|bytes?|b|o))?$/i.exec(textOf(value) ?? '')?.[1]);
  return Number.isSafeInteger(size) && size >= 0 ? size : null;
}

const MEDIA_TYPE = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/i;

const NAIVE = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?$/;

/** Instants CKAN writes itself are UTC without saying so; those DKAN writes in words are local. */
const toSystemInstant = (value: unknown, timeZone: string): string | null => {
  const text = textOf(value);
  if (text === null) return null;
  return NAIVE.test(text) ? toInstant(`${text}Z`, 'UTC') : toInstant(text, timeZone);
};

function toDistribution(resource: Json, index: number, taken: Set<string>, source: CkanSource): Distribution {
  const stated = textOf(resource['id']) ?? `r${index}`;
  const id = taken.has(stated) ? `${stated}#${index}` : stated;
  taken.add(id);
  const url = toPublicUrl(resource['url']);
  const isUpload = resource['url_type'] === 'upload' || resource['url_type'] === 'datastore';
  const mediaType = textOf(resource['mimetype']);
  const names = langTextOf(resource['name'] ?? resource['title'], resource['name_translated'], source, asIs);
  const license = {
    id: textOf(resource['license_id']),
    title: textOf(resource['license']),
    url: textOf(resource['license_url']),
  };
  return {
    id,
    title: Object.values(names)[0] ?? null,
    format: toFormat(resource['format']),
    mediaType: mediaType !== null && MEDIA_TYPE.test(mediaType) ? mediaType.toLowerCase() : null,
    accessURL: toPublicUrl(resource['access_url']) ?? toPublicUrl(resource['accessURL']) ?? url,
    downloadURL:
      toPublicUrl(resource['download_url']) ?? toPublicUrl(resource['downloadURL']) ?? (isUpload ? url : null),
    byteSize: toByteSize(resource['size']),
    modified:
      toSystemInstant(resource['last_modified'], source.timeZone) ??
      toSystemInstant(resource['metadata_modified'], source.timeZone),
    license:
      license.id === null && license.title === null && license.url === null
        ? null
        : readLicense(license.id, license.title, license.url),
  };
}

/** The source's own words about one distribution. */
function rawDistribution(resource: Json, id: string): Json {
  const url = textOf(resource['url']);
  return {
    id,
    format: resource['format'] ?? null,
    mimetype: resource['mimetype'] ?? null,
    size: resource['size'] ?? null,
    description: withoutInnerUrls(resource['description'] ?? null),
    hash: resource['hash'] ?? null,
    created: resource['created'] ?? null,
    modified: resource['last_modified'] ?? null,
    metadataModified: resource['metadata_modified'] ?? null,
    urlType: resource['url_type'] ?? null,
    /** True when the resource has an address that is not shown: not http(s), or of a host inside a network. */
    urlWithheld: url !== null && toPublicUrl(url) === null,
    datastoreActive: resource['datastore_active'] ?? null,
    other: others(resource, MAPPED_RESOURCE_KEYS, IGNORED_RESOURCE_KEYS),
  };
}

const DICTIONARY = /diccionari|dicion[aá]rio|dictionary|dictionnaire|dizionario/i;
const FORMAT_RANK: Readonly<Record<string, number>> = { CSV: 0, TSV: 1, XLSX: 2, XLS: 2, ODS: 3, JSON: 4, GEOJSON: 4 };

/**
 * The resource whose DataStore table holds the dataset's records, or null. A data dictionary never does, even when it
 * is the only table there is (seen: Mexico City loads the dictionary and not the data): its rows would pass for the
 * dataset's records. Only names tell; descriptions of good tables contain dictionaries. Of several tables the best
 * format wins, then the first.
 */
function recordsResourceOf(resources: readonly Json[]): string | null {
  let best: string | null = null;
  let bestRank = Infinity;
  for (const resource of resources) {
    if (!isTrue(resource['datastore_active'])) continue;
    const id = textOf(resource['id']);
    if (id === null || DICTIONARY.test(textOf(resource['name']) ?? '')) continue;
    const rank = FORMAT_RANK[toFormat(resource['format']) ?? ''] ?? 5;
    if (rank < bestRank) {
      best = id;
      bestRank = rank;
    }
  }
  return best;
}

const THEME_KEYS = [
  'theme',
  'themes',
  'super_theme',
  'superTheme',
  'theme-primary',
  'theme-secondary',
  'thematic',
] as const;
const FREQUENCY_KEYS = [
  'frequency',
  'accrual_periodicity',
  'accrualPeriodicity',
  'update_frequency',
  'updateInterval',
  'frequency-of-update',
  'Frequência de atualização',
  'Frequência de Atualização',
  'Periodicidade',
] as const;

/** Answers kept: a portal uses a few dozen licences for thousands of datasets. */
const MAX_LICENSES = 500;
const licenses = new Map<string, License>();

/** `normaliseLicense`, which is pure, with its answers kept: it is the dearest step of mapping a package. */
function readLicense(id: string | null, title: string | null, url: string | null): License {
  const key = JSON.stringify([id, title, url]);
  const known = licenses.get(key);
  if (known !== undefined) return known;
  const license = normaliseLicense({ id, title, url });
  if (licenses.size >= MAX_LICENSES) licenses.clear();
  licenses.set(key, license);
  return license;
}

const objectsOf = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.filter(isObject) : []);

/** Licence ids alone say little on some portals; this is what would have to be looked up in the register. */
export function unresolvedLicenseId(pack: Json): string | null {
  const id = textOf(pack['license_id']);
  if (id === null || textOf(pack['license_url']) !== null) return null;
  return readLicense(id, textOf(pack['license_title']), null).status === 'UNRECOGNISED' ? id : null;
}

function toLicense(top: Json, field: Field, source: CkanSource): License {
  const id = textOf(top['license_id']);
  const title = textOf(top['license_title']);
  const url = textOf(field('license_url'));
  const plain = readLicense(id, title, url);
  if (plain.status !== 'UNRECOGNISED' || id === null || url !== null) return plain;
  const entry = source.registered(id);
  if (entry === null || entry.url === null) return plain;
  const resolved = readLicense(id, title, entry.url);
  return resolved.status === 'KNOWN' ? resolved : plain;
}

/** The unique name and id of a package, checked. @throws HubError `SOURCE_MALFORMED` */
export function packageKeys(pack: unknown, source: string): { readonly name: string; readonly uuid: string } {
  if (!isObject(pack)) throw malformed(source, 'a package is not an object');
  const { name, id } = pack;
  if (typeof name !== 'string' || !isPackageName(name)) throw malformed(source, 'a package has no usable name');
  if (typeof id !== 'string' || id === '') throw malformed(source, 'a package has no id');
  return { name, uuid: id };
}

/**
 * A package as a dataset. Nothing is invented, and nothing is lost: every key of the package and its resources becomes
 * a field, an entry of `raw`, or is in one of the two lists of ignored keys. Fields are read at the top level
 * (ckanext-scheming), then among the extras, JSON in strings decoded.
 *
 * @throws HubError `SOURCE_MALFORMED` for a package without name or id, or nested beyond all reason.
 */
export function toDataset(pack: unknown, source: CkanSource): Dataset {
  const { name, uuid } = packageKeys(pack, source.source);
  const top = pack as Json; // packageKeys has proved it an object.
  if (!isShallow(top)) throw malformed(source.source, 'a package nests too deeply');
  const extras = extrasOf(top['extras']);
  const field = createField(top, extras);
  const organization = isObject(top['organization']) ? top['organization'] : null;
  const resources = objectsOf(top['resources']);
  const groups = objectsOf(top['groups']);
  const titles = langTextOf(top['title'], top['title_translated'], source, asIs);
  const taken = new Set<string>();
  const distributions = resources.map((resource, index) => toDistribution(resource, index, taken, source));
  const recordsResource = recordsResourceOf(resources);

  const themes = [
    ...new Set([
      ...THEME_KEYS.flatMap((key) => textsOf(field(key))),
      ...groups.flatMap(
        (group) => textOf(group['title']) ?? textOf(group['display_name']) ?? textOf(group['name']) ?? [],
      ),
    ]),
  ];
  const keywords = [
    ...new Set([
      ...objectsOf(top['tags']).flatMap((tag) => textOf(tag['display_name']) ?? textOf(tag['name']) ?? []),
      ...textsOf(field('keywords', 'keywords_translated')),
    ]),
  ];
  const frequency = textsOf(field(...FREQUENCY_KEYS));
  const issued = textOf(field('issued'));
  const modified = textOf(field('modified'));
  const languages = textsOf(field('language', 'languages', 'metadata-language'));

  return {
    id: encodeDatasetId({ source: source.source, localId: name }),
    source: source.source,
    localId: name,
    identifier: textOf(field('identifier', 'guid')) ?? uuid,
    titles: Object.keys(titles).length === 0 ? { und: name } : titles,
    descriptions: langTextOf(top['notes'] ?? top['description'], top['notes_translated'], source, toPlainText),
    keywords,
    themes: toEuThemes(themes),
    publisher: toPublisher(field, organization),
    contactPoint: toContactPoint(field, top),
    license: toLicense(top, field, source),
    accessRights: toAccessRights(
      top,
      extras,
      recordsResource === null ? undefined : resources.find((resource) => textOf(resource['id']) === recordsResource),
    ),
    issued:
      (issued === null ? null : toInstant(issued, source.timeZone)) ??
      toSystemInstant(top['metadata_created'], source.timeZone),
    modified:
      (modified === null ? null : toInstant(modified, source.timeZone)) ??
      toSystemInstant(top['metadata_modified'], source.timeZone),
    accrualPeriodicity: frequency.map(toEuFrequency).find((code) => code !== null) ?? null,
    languages: [...new Set(languages.flatMap((text) => toLanguageTag(text) ?? []))],
    spatial: toLocation(field),
    temporal: toTemporal(field, source.timeZone),
    landingPage: `${source.baseUrl}/dataset/${encodeURIComponent(name)}`,
    distributions,
    recordsState: recordsResource === null ? 'none' : 'undescribed',
    queryables: null,
    recordCount: null,
    raw: {
      uuid,
      themes,
      groups: groups.flatMap((group) => textOf(group['name']) ?? []),
      accrualPeriodicity: frequency.length <= 1 ? (frequency[0] ?? null) : frequency,
      license: {
        id: top['license_id'] ?? null,
        title: withoutInnerUrls(top['license_title'] ?? null),
        url: withoutInnerUrls(top['license_url'] ?? null),
      },
      issued,
      modified,
      metadataCreated: top['metadata_created'] ?? null,
      metadataModified: top['metadata_modified'] ?? null,
      organization:
        organization === null ? null : { name: organization['name'] ?? null, title: organization['title'] ?? null },
      author: withoutInnerUrls(top['author'] ?? null),
      authorEmail: top['author_email'] ?? null,
      maintainer: withoutInnerUrls(top['maintainer'] ?? null),
      maintainerEmail: top['maintainer_email'] ?? null,
      private: top['private'] ?? null,
      state: top['state'] ?? null,
      type: top['type'] ?? null,
      version: top['version'] ?? null,
      url: withoutInnerUrls(top['url'] ?? null),
      extras: withoutInnerUrls(extras),
      other: others(top, MAPPED_PACKAGE_KEYS, IGNORED_PACKAGE_KEYS),
      distributions: resources.map((resource, index) => rawDistribution(resource, distributions[index]?.id ?? '')),
      /** Id of the resource whose DataStore table holds the records, or null. */
      recordsResource,
    },
  };
}

/** The packages of a `result`: of package_search, of package_show, or of DKAN, which wraps one package in a list. */
export function toPackages(result: unknown): readonly unknown[] {
  if (Array.isArray(result)) return result.flat();
  if (!isObject(result)) return [];
  return Array.isArray(result['results']) ? result['results'] : [result];
}

/** The register of `license_list`, by id and by the ids an entry had before. Null when it is not one. */
export function toLicenseRegister(result: unknown): ReadonlyMap<string, RegisteredLicense> | null {
  if (!Array.isArray(result)) return null;
  const register = new Map<string, RegisteredLicense>();
  for (const entry of objectsOf(result)) {
    const license = { title: textOf(entry['title']), url: textOf(entry['url']) };
    for (const id of [textOf(entry['id']), ...textsOf(entry['legacy_ids'] ?? null)])
      if (id !== null && !register.has(id)) register.set(id, license);
  }
  return register;
}

// ---------------------------------------------------------------- records

const COLUMN_TYPES: Readonly<Record<string, QueryableType>> = {
  int: 'INTEGER',
  int2: 'INTEGER',
  int4: 'INTEGER',
  int8: 'INTEGER',
  integer: 'INTEGER',
  bigint: 'INTEGER',
  smallint: 'INTEGER',
  numeric: 'NUMBER',
  float: 'NUMBER',
  float4: 'NUMBER',
  float8: 'NUMBER',
  double: 'NUMBER',
  real: 'NUMBER',
  text: 'STRING',
  varchar: 'STRING',
  bpchar: 'STRING',
  time: 'STRING',
  timetz: 'STRING',
  interval: 'STRING',
  uuid: 'STRING',
  bool: 'BOOLEAN',
  boolean: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'DATETIME',
  timestamptz: 'DATETIME',
  json: 'JSON',
  jsonb: 'JSON',
  nested: 'JSON',
};

/** Names under which portals keep GeoJSON, and the one name whose text is always "latitude, longitude" (Opendatasoft's). */
const GEOJSON_NAMES: ReadonlySet<string> = new Set([
  'geojson',
  'geo_shape',
  'geom',
  'geometry',
  'the_geom',
  'geometria',
]);
const LAT_LON_NAMES: ReadonlySet<string> = new Set(['geo_point_2d']);

/** Not columns of the data: the record's id, and what a full-text search adds. */
const HIDDEN_COLUMNS: ReadonlySet<string> = new Set(['_id', '_full_text', 'rank']);

export interface DatastoreField {
  readonly id: string;
  readonly type: string;
  readonly label: string | null;
  readonly notes: string | null;
}

/** `fields` of a DataStore answer, or null when they are not a list of named columns. */
export function toDatastoreFields(value: unknown): readonly DatastoreField[] | null {
  if (!Array.isArray(value)) return null;
  const fields: DatastoreField[] = [];
  const seen = new Set<string>();
  for (const entry of value) {
    if (!isObject(entry) || typeof entry['id'] !== 'string' || typeof entry['type'] !== 'string') return null;
    if (seen.has(entry['id'])) return null;
    seen.add(entry['id']);
    const info = isObject(entry['info']) ? entry['info'] : NO_OTHERS;
    fields.push({
      id: entry['id'],
      type: entry['type'].toLowerCase(),
      label: textOf(info['label']),
      notes: textOf(info['notes']),
    });
  }
  return fields;
}

const columnGeometry = (name: string, columnType: string, value: unknown): Geometry | null => {
  const known = name.toLowerCase();
  if (LAT_LON_NAMES.has(known) && columnType === 'text') return latLonToPoint(value);
  return toGeometry(columnType === 'text' ? decodeJson(value) : value);
};

function isGeometryColumn(field: DatastoreField, sample: readonly Json[]): boolean {
  const name = field.id.toLowerCase();
  if (!GEOJSON_NAMES.has(name) && !LAT_LON_NAMES.has(name)) return false;
  if (field.type !== 'text' && field.type !== 'json' && field.type !== 'jsonb') return false;
  const values = sample.flatMap((record) => (says(record[field.id]) ? [record[field.id]] : []));
  return values.length > 0 && values.every((value) => columnGeometry(field.id, field.type, value) !== null);
}

const cleanTitle = (name: string): string => name.replaceAll(/[\uFEFF\u200B]/g, '').trim();

/**
 * The columns of a table as queryables, under their names to the letter. A text or JSON column is GEOMETRY only when
 * its name is one of a short list and every value of the sample is a geometry; a later value that is none stays what it
 * is and matches no spatial filter. The sample: the first records.
 */
export function toQueryables(
  fields: readonly DatastoreField[],
  sample: readonly Json[],
  source: CkanSource,
): readonly CkanQueryable[] {
  const language = source.languages[0]?.toLowerCase() ?? 'und';
  return fields
    .filter(({ id }) => !HIDDEN_COLUMNS.has(id))
    .map((field) => {
      const title = field.label ?? cleanTitle(field.id);
      return {
        name: field.id,
        titles: { [language]: title === '' ? field.id : title },
        descriptions: field.notes === null ? {} : { [language]: toPlainText(field.notes) },
        type: isGeometryColumn(field, sample)
          ? 'GEOMETRY'
          : field.type.startsWith('_') || field.type.endsWith('[]')
            ? 'JSON'
            : (COLUMN_TYPES[field.type] ?? 'JSON'),
        unit: null,
        columnType: field.type,
      };
    });
}

/** Records are identified by `_id`, padded so that ids order as the numbers do: the hub breaks ties by id. */
const ID_DIGITS = 12;

export function toRecordId(id: unknown): string | null {
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0) return null;
  return String(id).padStart(ID_DIGITS, '0');
}

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?$/i;

/** Characters of a number that is looked at; PostgreSQL's `numeric` goes on to 150,000, and nobody writes them. */
const MAX_NUMBER_TEXT = 1_000;

/**
 * A number written as text: a JavaScript number that is exactly it (15 significant digits always are), else the text,
 * which the hub reckons with digit by digit. Null when it is no number.
 */
function toExactNumber(text: string): number | string | null {
  const trimmed = text.trim();
  if (trimmed.length > MAX_NUMBER_TEXT || !DECIMAL.test(trimmed)) return null;
  const digits = trimmed.replace(/e.*$/i, '').replaceAll(/[+.-]/g, '').replace(/^0+/, '');
  const significant = trimmed.includes('.') ? digits.replace(/0+$/, '') : digits;
  const number = Number(trimmed);
  const isExact = significant.length <= 15 || String(number) === trimmed.replace(/(\.\d*?)0+$/, '$1');
  return isExact && Number.isFinite(number) ? number : trimmed;
}

function toInteger(value: string): number | bigint | null {
  const text = value.trim();
  if (!/^[+-]?\d{1,40}$/.test(text)) return null;
  const big = BigInt(text.replace(/^\+/, ''));
  return big >= BigInt(Number.MIN_SAFE_INTEGER) && big <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(big) : big;
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['t', true],
  ['false', false],
  ['f', false],
]);

/** One value as the hub compares it. What does not fit its column's type stays as it is: it is shown, and never matches. */
function toRecordValue(value: RecordValue, queryable: CkanQueryable, timeZone: string): RecordValue {
  if (value === null) return null;
  switch (queryable.type) {
    case 'STRING':
      return typeof value === 'number' || typeof value === 'bigint' ? String(value) : value;
    case 'INTEGER':
      return typeof value === 'string' ? (toInteger(value) ?? value) : value;
    case 'NUMBER':
      return typeof value === 'string' ? (toExactNumber(value) ?? value) : value;
    case 'BOOLEAN':
      return typeof value === 'string' ? (BOOLEANS.get(value.toLowerCase()) ?? value) : value;
    case 'DATETIME':
      return typeof value === 'string' ? (toInstant(value, timeZone) ?? value) : value;
    case 'GEOMETRY': {
      const geometry = columnGeometry(queryable.name, queryable.columnType, value);
      // A geometry is made of JSON values only; the model's type does not say so.
      return geometry === null ? value : (geometry as unknown as RecordValue);
    }
    case 'DATE':
    case 'JSON':
      return value;
  }
}

/** A row as a record, with a value for every queryable. Null when it has no usable `_id`. */
export function toHubRecord(row: Json, queryables: readonly CkanQueryable[], timeZone: string): HubRecord | null {
  const id = toRecordId(row['_id']);
  if (id === null) return null;
  const values: [string, RecordValue][] = queryables.map((queryable) => {
    // Rows come out of a JSON parser, so every value is a JSON value.
    const value = (Object.hasOwn(row, queryable.name) ? row[queryable.name] : null) as RecordValue;
    return [queryable.name, toRecordValue(value ?? null, queryable, timeZone)];
  });
  return { id, values: Object.fromEntries(values) };
}
