import { hash } from 'node:crypto';
import { HubError } from '@civex/errors';
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
import type {
  AccessRights,
  ContactPoint,
  Dataset,
  Distribution,
  HubRecord,
  LangText,
  License,
  Location,
  Queryable,
  QueryableType,
  RecordValue,
} from '@civex/model';

/** A JSON object as it arrived: every key may be missing, null or of another type. */
type Json = Readonly<Record<string, unknown>>;

export interface MappingContext {
  readonly source: string;
  readonly apiVersion: 'v2.1' | 'v2.0';
  /** Origin of the portal as people open it, without a trailing slash; null when none is configured. */
  readonly origin: string | null;
  /** Zone of times without one, IANA name. */
  readonly timeZone: string;
  /** The language that was asked for, or null when the portal chose. */
  readonly language: string | null;
}

/** What the portal said of one field, kept in `Dataset.raw.fields` because the hub's types are coarser. */
export interface RawField {
  readonly name: string;
  readonly type: string;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

export interface PortalPage {
  /** Matches before paging; null when the portal does not say. */
  readonly total: number | null;
  readonly items: readonly Json[];
}

const malformed = (source: string, what: string): HubError =>
  new HubError('SOURCE_MALFORMED', `The source answered ${what}.`, { source });

export const isJsonObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `trim` also takes the byte order marks that labels copied from spreadsheets begin with. */
function toText(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const text = value.trim();
  return text === '' ? null : text;
}

/** Texts of a value that may be one text, a list or null; in order, without repetition. */
function toTexts(value: unknown): readonly string[] {
  const texts = (Array.isArray(value) ? value : [value]).flatMap((entry) => toText(entry) ?? []);
  return [...new Set(texts)];
}

const toObject = (value: unknown): Json => (isJsonObject(value) ? value : {});

/** Assigns even where the name is `__proto__`. */
function setOwn<T>(target: Record<string, T>, name: string, value: T): void {
  if (name === '__proto__')
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  else target[name] = value;
}

const toTotal = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;

function toPage(source: string, payload: unknown, keys: readonly string[], unwrap: (item: Json) => Json): PortalPage {
  const page = toObject(payload);
  const list = keys.map((key) => page[key]).find(Array.isArray);
  if (list === undefined) throw malformed(source, 'without a list where one belongs');
  const items = list.map((item: unknown) => {
    if (!isJsonObject(item)) throw malformed(source, 'with an entry that is not an object');
    return unwrap(item);
  });
  return { total: toTotal(page['total_count']) ?? toTotal(page['nhits']), items };
}

/**
 * One page of the catalog: v2.1 flat (`results[]`) or v2.0 wrapped (`datasets[].dataset`).
 *
 * @throws HubError `SOURCE_MALFORMED`.
 */
export function readDatasetPage(payload: unknown, source: string): PortalPage {
  return toPage(source, payload, ['results', 'datasets'], (item) =>
    isJsonObject(item['dataset']) ? item['dataset'] : item,
  );
}

/**
 * One page of records: v2.1 flat (`results[]`), v2.0 (`records[].record.fields`) or v1 (`records[].fields`).
 *
 * @throws HubError `SOURCE_MALFORMED`.
 */
export function readRecordPage(payload: unknown, source: string): PortalPage {
  return toPage(source, payload, ['results', 'records'], unwrapRecord);
}

/** The fields of one record as it comes in a page or an export of any version. */
export function unwrapRecord(item: Json): Json {
  const record = item['record'];
  if (isJsonObject(record) && isJsonObject(record['fields'])) return record['fields'];
  return typeof item['recordid'] === 'string' && isJsonObject(item['fields']) ? item['fields'] : item;
}

/**
 * Annotations of a field in one form. The three in use: `{"facet": true, "unit": "%"}`, `{"facet": [], "unit": ["%"]}`
 * and `[{"name": "facet"}, {"name": "unit", "args": ["%"]}]`. A mark without arguments becomes true, one argument
 * stands alone, and false or null means that the mark is absent.
 */
export function readAnnotations(annotations: unknown): Readonly<Record<string, unknown>> {
  const marks: Record<string, unknown> = {};
  const set = (name: string, value: unknown): void => {
    if (value === null || value === false) return;
    if (!Array.isArray(value)) setOwn(marks, name, value ?? true);
    else setOwn(marks, name, value.length === 0 ? true : value.length === 1 ? value[0] : value);
  };
  if (Array.isArray(annotations)) {
    for (const mark of annotations)
      if (isJsonObject(mark) && typeof mark['name'] === 'string') set(mark['name'], mark['args']);
  } else if (isJsonObject(annotations)) {
    for (const name of Object.keys(annotations)) set(name, annotations[name] ?? null);
  }
  return marks;
}

const TYPES: Readonly<Record<string, QueryableType>> = {
  text: 'STRING',
  int: 'INTEGER',
  double: 'NUMBER',
  boolean: 'BOOLEAN',
  date: 'DATE',
  datetime: 'DATETIME',
  geo_point_2d: 'GEOMETRY',
  geo_shape: 'GEOMETRY',
};

const toQueryableType = (type: string, annotations: Readonly<Record<string, unknown>>): QueryableType =>
  Object.hasOwn(annotations, 'multivalued') || !Object.hasOwn(TYPES, type) ? 'JSON' : (TYPES[type] ?? 'JSON');

const inLanguage = (text: string | null, tag: string): LangText => (text === null ? {} : { [tag]: text });

function readFields(
  fields: unknown,
  tag: string,
): { readonly queryables: Queryable[]; readonly rawFields: RawField[] } {
  const queryables: Queryable[] = [];
  const rawFields: RawField[] = [];
  const seen = new Set<string>();
  for (const field of Array.isArray(fields) ? fields : []) {
    if (!isJsonObject(field)) continue;
    const { name, type } = field;
    if (typeof name !== 'string' || name === '' || seen.has(name)) continue;
    seen.add(name);
    const annotations = readAnnotations(field['annotations']);
    const rawType = typeof type === 'string' ? type : '';
    const unit = annotations['unit'];
    queryables.push({
      name,
      titles: inLanguage(toText(field['label']), tag),
      descriptions: inLanguage(toText(field['description']), tag),
      type: toQueryableType(rawType, annotations),
      unit: typeof unit === 'number' ? String(unit) : toText(unit),
    });
    const semanticType = toText(field['semantic_type']);
    rawFields.push({
      name,
      type: rawType,
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      ...(semanticType === null ? {} : { semantic_type: semanticType }),
    });
  }
  return { queryables, rawFields };
}

interface ExportFormat {
  readonly id: string;
  readonly format: string;
  readonly mediaType: string;
  /** Only for datasets with a geometry. */
  readonly isGeographic: boolean;
  readonly since: 'v2.0' | 'v2.1';
}

/** Export formats of the Explore specification that a reader of open data is likely to want, in order of use. */
const EXPORT_FORMATS: readonly ExportFormat[] = [
  { id: 'csv', format: 'CSV', mediaType: 'text/csv', isGeographic: false, since: 'v2.0' },
  { id: 'json', format: 'JSON', mediaType: 'application/json', isGeographic: false, since: 'v2.0' },
  { id: 'geojson', format: 'GeoJSON', mediaType: 'application/geo+json', isGeographic: true, since: 'v2.0' },
  {
    id: 'xlsx',
    format: 'XLSX',
    mediaType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    isGeographic: false,
    since: 'v2.1',
  },
  { id: 'parquet', format: 'Parquet', mediaType: 'application/vnd.apache.parquet', isGeographic: false, since: 'v2.1' },
  { id: 'shp', format: 'SHP', mediaType: 'application/zip', isGeographic: true, since: 'v2.0' },
  { id: 'kml', format: 'KML', mediaType: 'application/vnd.google-earth.kml+xml', isGeographic: true, since: 'v2.0' },
];

/** A link for people: never requested by the hub. Anything but a web address is dropped, `javascript:` included. */
function toWebUrl(value: unknown): string | null {
  const text = toText(value);
  return text !== null && /^https?:\/\//i.test(text) && URL.canParse(text) ? text : null;
}

function toFormat(title: string | null, mediaType: string | null): string | null {
  const extension = title === null ? undefined : /\.([a-z0-9]{1,8})$/i.exec(title)?.[1];
  if (extension !== undefined) return extension.toUpperCase();
  return EXPORT_FORMATS.find((known) => known.mediaType === mediaType)?.format ?? null;
}

function toDistributions(
  payload: Json,
  context: MappingContext,
  given: { readonly localId: string; readonly landingPage: string | null; readonly hasExports: boolean },
): readonly Distribution[] {
  const base =
    context.origin === null
      ? null
      : `${context.origin}/api/explore/${context.apiVersion}/catalog/datasets/${encodeURIComponent(given.localId)}`;
  const distributions: Distribution[] = [];
  const ids = new Set<string>();
  const add = (
    id: string,
    rest: Omit<Distribution, 'id' | 'byteSize' | 'modified' | 'license' | 'accessURL'>,
  ): void => {
    let unique = id;
    for (let count = 2; ids.has(unique); count++) unique = `${id}-${count}`;
    ids.add(unique);
    distributions.push({
      id: unique,
      ...rest,
      accessURL: given.landingPage,
      byteSize: null,
      modified: null,
      license: null,
    });
  };
  if (given.hasExports) {
    const hasGeometry = Array.isArray(payload['features']) && payload['features'].includes('geo');
    for (const { id, format, mediaType, isGeographic, since } of EXPORT_FORMATS) {
      if ((isGeographic && !hasGeometry) || (since === 'v2.1' && context.apiVersion !== 'v2.1')) continue;
      add(id, { title: format, format, mediaType, downloadURL: base === null ? null : `${base}/exports/${id}` });
    }
  }
  const addFiles = (files: unknown, kind: 'attachments' | 'alternative_exports'): void => {
    for (const file of Array.isArray(files) ? files : []) {
      if (!isJsonObject(file)) continue;
      const fileId = toText(file['id']);
      const title = toText(file['title']);
      const mediaType = toText(file['mimetype']) ?? toText(file['mime-type']);
      // Older portals give an internal address, `odsfile://...`; the file is served below its id.
      const served = base === null || fileId === null ? null : `${base}/${kind}/${encodeURIComponent(fileId)}`;
      const isInternal = toText(file['url'])?.startsWith('odsfile:') === true;
      add(`${kind === 'attachments' ? 'attachment' : 'alternative'}:${fileId ?? title ?? 'file'}`, {
        title: title ?? fileId,
        format: toFormat(title, mediaType),
        mediaType,
        downloadURL: isInternal ? served : toWebUrl(file['url']),
      });
    }
  };
  addFiles(payload['attachments'], 'attachments');
  addFiles(payload['alternative_exports'], 'alternative_exports');
  return distributions;
}

const ACCESS_KEYS = ['accessRights', 'access_rights'] as const;

/**
 * What the portal enforces outweighs what its metadata says: nothing restricted is called public. `visibility` is
 * `domain` for what everybody sees; another word than that restricts, as does one of any metadata template.
 */
function toAccessRights(payload: Json, metas: Json): AccessRights {
  const stated = readAccessRights(
    Object.values(metas).flatMap((template) => ACCESS_KEYS.map((key) => toObject(template)[key])),
  );
  if (stated === 'NON_PUBLIC') return stated;
  const { visibility = null, data_visible: isDataVisible } = payload;
  const isEnforced = (visibility !== null && visibility !== 'domain') || isDataVisible === false;
  return isEnforced ? 'RESTRICTED' : (stated ?? 'PUBLIC');
}

function toContactPoint(dcat: Json): ContactPoint | null {
  const name = toText(dcat['contact_name']);
  const address = toText(dcat['contact_email'])?.replace(/^mailto:/i, '') ?? null;
  const email = address !== null && /^[^\s@]+@[^\s@]+$/.test(address) ? address : null;
  return name === null && email === null ? null : { name, email, url: null };
}

function toSpatial(metas: Json, dcat: Json): Location | null {
  const geometry = toGeometry(metas['bbox']);
  const bbox = geometry === null ? null : bboxOf(geometry);
  const places = toTexts(metas['territory']);
  const label = places.length > 0 ? places.join(', ') : (toTexts(dcat['spatial'])[0] ?? null);
  return bbox === null && label === null ? null : { bbox, centroid: null, label };
}

const LANGUAGE = /^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$/;
const toLanguages = (value: unknown): readonly string[] =>
  toTexts(value).flatMap((tag) => (LANGUAGE.test(tag) ? tag.toLowerCase() : []));

/** Keys of `metas.default` that have a place of their own in the dataset or under another name in `raw`. */
const MAPPED_METAS: ReadonlySet<string> = new Set([
  'title',
  'description',
  'theme',
  'keyword',
  'license',
  'license_url',
  'language',
  'metadata_languages',
  'modified',
  'publisher',
  'bbox',
  'territory',
  'records_count',
  'update_frequency',
]);

/** Top-level keys with a place of their own; `_links` are the API's own navigation. */
const MAPPED_KEYS: ReadonlySet<string> = new Set(['dataset_id', 'fields', 'metas', '_links']);

/**
 * Persons the INSPIRE template names. The contact that DCAT publishes is `metas.dcat.contact_*`; copies of personal data
 * in templates nobody reads are not carried.
 */
const PERSONAL_METAS: ReadonlySet<string> = new Set([
  'contact_individual_name',
  'contact_position',
  'contact_address',
  'contact_email',
  'contact_name',
]);

function toRaw(payload: Json, metas: Json, known: Record<string, unknown>): Readonly<Record<string, unknown>> {
  const raw: Record<string, unknown> = { ...known };
  const keep = (key: string, value: unknown): void => {
    const isEmpty = value === null || value === undefined || (Array.isArray(value) && value.length === 0);
    if (!isEmpty && !Object.hasOwn(raw, key)) setOwn(raw, key, value);
  };
  for (const key of Object.keys(payload)) if (!MAPPED_KEYS.has(key)) keep(key, payload[key]);
  const standard = toObject(metas['default']);
  for (const key of Object.keys(standard)) if (!MAPPED_METAS.has(key)) keep(key, standard[key]);
  const templates: Record<string, unknown> = {};
  for (const template of Object.keys(metas)) {
    if (template === 'default') continue;
    const values = toObject(metas[template]);
    const kept: Record<string, unknown> = {};
    let count = 0;
    for (const key of Object.keys(values)) {
      const value = values[key];
      // Templates repeat the title and the HTML description of `default`.
      if (value === null || PERSONAL_METAS.has(key) || (Object.hasOwn(standard, key) && value === standard[key]))
        continue;
      setOwn(kept, key, value);
      count++;
    }
    if (count > 0) setOwn(templates, template, kept);
  }
  keep('metas', Object.keys(templates).length > 0 ? templates : null);
  return raw;
}

/** Ids that one path segment and one string literal can hold. */
export function isDatasetLocalId(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= 255 &&
    value !== '.' &&
    value !== '..' &&
    value.isWellFormed() &&
    !/\p{Cc}/u.test(value)
  );
}

/** Levels of objects and lists in one dataset. Captured ones have six; what nests deeper attacks whoever walks it. */
const DEEPEST = 32;

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (levels === 0) return false;
  const parts: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  return parts.every((part) => isShallow(part, levels - 1));
}

/** A portal says the same few things about all its datasets. Entries; beyond it everything is forgotten. */
const MEMO_ENTRIES = 500;

function memoize<T>(compute: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const value = compute(key);
    if (known.size >= MEMO_ENTRIES) known.clear();
    known.set(key, value);
    return value;
  };
}

/**
 * Maps datasets of the catalog, v2.1 or unwrapped v2.0.
 *
 * The result throws HubError `SOURCE_MALFORMED` for a dataset without a usable id or nested beyond all reason.
 * Everything else may be missing.
 */
export function createDatasetMapper(context: MappingContext): (payload: Json) => Dataset {
  const toLicense = memoize((key) => {
    const [title, url] = JSON.parse(key) as [string | null, string | null];
    return normaliseLicense({ title, url });
  });
  const toTheme = memoize((label) => toEuThemes([label]));
  const toPlain = memoize(toPlainText);
  return (payload) => toDataset(payload, context, toLicense, toTheme, toPlain);
}

function toDataset(
  payload: Json,
  context: MappingContext,
  toLicense: (key: string) => License,
  toTheme: (label: string) => readonly string[],
  toPlain: (markup: string) => string,
): Dataset {
  if (!isShallow(payload, DEEPEST)) throw malformed(context.source, 'with a dataset that nests too deeply');
  const localId = payload['dataset_id'];
  if (!isDatasetLocalId(localId)) throw malformed(context.source, 'with a dataset that has no usable id');
  const metas = toObject(payload['metas']);
  const standard = toObject(metas['default']);
  const dcat = toObject(metas['dcat']);
  const dublinCore = toObject(metas['dublin-core']);
  const spoken = toLanguages(standard['language']);
  const translated = toLanguages(standard['metadata_languages']);
  const tag =
    (context.language !== null && translated.includes(context.language) ? context.language : null) ??
    spoken[0] ??
    translated[0] ??
    'und';
  const title = toText(standard['title']);
  const description = typeof standard['description'] === 'string' ? toText(toPlain(standard['description'])) : null;
  const { queryables, rawFields } = readFields(payload['fields'], tag);
  const isQueryable = payload['has_records'] === true && payload['data_visible'] !== false && queryables.length > 0;
  const themes = toTexts(standard['theme']);
  const frequency = toTexts(standard['update_frequency'])[0] ?? toTexts(dcat['accrualperiodicity'])[0] ?? null;
  const issued = toTexts(dcat['issued'])[0] ?? toTexts(dublinCore['issued'])[0] ?? null;
  const modified = toText(standard['modified']);
  const license = toText(standard['license']);
  const licenseUrl = toText(standard['license_url']);
  const publisher = toText(standard['publisher']);
  const start = toText(dcat['temporal_coverage_start']);
  const end = toText(dcat['temporal_coverage_end']);
  const temporal = {
    start: start === null ? null : toInstant(start, context.timeZone),
    end: end === null ? null : toInstant(end, context.timeZone),
  };
  const landingPage =
    context.origin === null ? null : `${context.origin}/explore/dataset/${encodeURIComponent(localId)}/`;
  return {
    id: encodeDatasetId({ source: context.source, localId }),
    source: context.source,
    localId,
    identifier: toText(payload['dataset_uid']),
    titles: title === null ? { und: localId } : { [tag]: title },
    descriptions: inLanguage(description, tag),
    keywords: toTexts(standard['keyword']),
    themes: [...new Set(themes.flatMap(toTheme))],
    publisher:
      publisher === null ? null : { name: publisher, homepage: null, type: toTexts(dcat['publisher_type'])[0] ?? null },
    contactPoint: toContactPoint(dcat),
    license: toLicense(JSON.stringify([license, licenseUrl])),
    accessRights: toAccessRights(payload, metas),
    issued: issued === null ? null : toInstant(issued, context.timeZone),
    modified: modified === null ? null : toInstant(modified, context.timeZone),
    accrualPeriodicity: frequency === null ? null : toEuFrequency(frequency),
    languages: [...new Set([...spoken, ...translated])],
    spatial: toSpatial(standard, dcat),
    temporal: temporal.start === null && temporal.end === null ? null : temporal,
    landingPage,
    distributions: toDistributions(payload, context, { localId, landingPage, hasExports: isQueryable }),
    recordsState: isQueryable ? 'described' : 'none',
    queryables: isQueryable ? queryables : null,
    recordCount: payload['has_records'] === true ? toTotal(standard['records_count']) : null,
    raw: toRaw(payload, metas, {
      themes,
      accrualPeriodicity: frequency,
      issued,
      modified,
      license,
      licenseUrl,
      fields: rawFields,
    }),
  };
}

/** The declared fields of a mapped dataset, from `raw.fields`; empty when the dataset did not come from this mapping. */
export function rawFieldsOf(dataset: Dataset): readonly RawField[] {
  const fields = dataset.raw['fields'];
  if (!Array.isArray(fields)) return [];
  return fields.filter(
    (field): field is RawField =>
      isJsonObject(field) && typeof field['name'] === 'string' && typeof field['type'] === 'string',
  );
}

/**
 * The field whose value is the record's identity: the portal replaces a record by a newer one with the same value of the
 * field marked `id`. Null when none or several are marked, or the value would not be a text or a whole number.
 */
export function idFieldOf(dataset: Dataset): Queryable | null {
  const marked = rawFieldsOf(dataset).filter(
    ({ annotations }) => annotations !== undefined && Object.hasOwn(annotations, 'id'),
  );
  const [only] = marked;
  if (only === undefined || marked.length > 1) return null;
  const queryable = dataset.queryables?.find(({ name }) => name === only.name);
  return queryable?.type === 'STRING' || queryable?.type === 'INTEGER' ? queryable : null;
}

const INTEGER_TEXT = /^-?\d{1,19}$/;
const NUMBER_TEXT = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** Values come out of a JSON parser, so they are texts, numbers, big integers, booleans, null, lists and objects. */
const asIs = (value: unknown): RecordValue => value as RecordValue;

function toRecordValue(value: unknown, type: QueryableType, timeZone: string): RecordValue {
  if (value === null || value === undefined) return null;
  switch (type) {
    case 'STRING':
      return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
        ? String(value)
        : asIs(value);
    case 'INTEGER': {
      if (typeof value !== 'string' || !INTEGER_TEXT.test(value)) return asIs(value);
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : BigInt(value);
    }
    case 'NUMBER': {
      if (typeof value === 'bigint') return Number(value);
      if (typeof value !== 'string' || !NUMBER_TEXT.test(value)) return asIs(value);
      const number = Number(value);
      return Number.isFinite(number) ? number : value;
    }
    case 'DATE': {
      // Some exports write a date as the midnight it is stored as.
      const midnight =
        typeof value === 'string' ? /^(\d{4}-\d{2}-\d{2})T00:00:00(\.0+)?(Z|\+00:00)$/.exec(value) : null;
      return midnight?.[1] ?? asIs(value);
    }
    case 'DATETIME':
      return (typeof value === 'string' ? toInstant(value, timeZone) : null) ?? asIs(value);
    case 'GEOMETRY': {
      const geometry = toGeometry(value) ?? latLonToPoint(value);
      // A geometry is a JSON object by its own definition; the wider record value type cannot say so.
      return geometry === null ? asIs(value) : (geometry as unknown as RecordValue);
    }
    case 'BOOLEAN':
    case 'JSON':
      return asIs(value);
  }
}

/** JSON with sorted keys, no spaces and no nulls in objects: the same text for the same content. */
function toCanonicalJson(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return value === 0 ? '0' : String(value);
  if (Array.isArray(value)) return `[${value.map(toCanonicalJson).join(',')}]`;
  return isJsonObject(value) ? toCanonicalObject(value, Object.keys(value).toSorted()) : JSON.stringify(value ?? null);
}

function toCanonicalObject(value: Json, sortedKeys: readonly string[]): string {
  const parts: string[] = [];
  for (const key of sortedKeys) {
    const entry = value[key];
    if (entry !== null && entry !== undefined) parts.push(`${JSON.stringify(key)}:${toCanonicalJson(entry)}`);
  }
  return `{${parts.join(',')}}`;
}

/** Keys the API adds to a record on some requests and not on others. */
const API_KEYS: ReadonlySet<string> = new Set(['_id', '_links', '_timestamp', '_size']);

const MAX_ID_LENGTH = 200;

/** Rows whose values had to be copied before a mapper stops looking for one that need not be. */
const MOST_UNFINISHED = 100;

export interface RecordNeeds {
  /** Properties that are needed, null for all. */
  readonly properties: readonly string[] | null;
  /** False: records get no id. */
  readonly ids: boolean;
  /** True: rows come in the order of their unique ids, so nothing has to be kept to tell them apart. */
  readonly areUnique: boolean;
  /** True: every row must have every needed field, null ones too. Default: what a row lacks is null. */
  readonly areWhole?: boolean;
}

/**
 * Turns the rows of one complete answer into records. Ids: the value of the field marked `id`; without one a digest of
 * everything the row says. Rows that are equal in all of it are numbered from the second on (`-2`, `-3` ...): they are
 * interchangeable, so it does not matter which of them bears which number. Without `needs.ids` records have no id, only
 * the needed properties, and the mapper keeps nothing of the rows.
 *
 * The result throws HubError `SOURCE_MALFORMED` for a row that is not whole where it must be: a column that was dropped or
 * renamed would read as null everywhere.
 */
export function createRecordMapper(
  dataset: Dataset,
  timeZone: string,
  needs: RecordNeeds = { properties: null, ids: true, areUnique: false },
): (row: Json) => HubRecord {
  const all = dataset.queryables ?? [];
  const wanted = needs.properties === null ? null : new Set(needs.properties);
  const idField = idFieldOf(dataset);
  // An id may be a digest of everything the row says.
  const isWhole = wanted === null || (needs.ids && !needs.areUnique);
  const queryables = isWhole
    ? all
    : all.filter(({ name }) => wanted.has(name) || (needs.ids && name === idField?.name));
  const declared = new Set(queryables.map(({ name }) => name));
  const sortedNames = [...declared].toSorted();
  const given = new Map<string, number>();

  /** True when the row is its record's values already: the needed names in their order, each value as it is. */
  const isFinished = (row: Json): row is Record<string, RecordValue> => {
    let place = 0;
    for (const name in row) {
      const column = queryables[place++];
      const value = row[name];
      if (column?.name !== name || toRecordValue(value, column.type, timeZone) !== value) return false;
    }
    return place === queryables.length;
  };
  /** Rows in succession that were not; after some of them nobody looks any more. */
  let unfinished = 0;
  const toValues = (row: Json): Readonly<Record<string, RecordValue>> => {
    if (unfinished < MOST_UNFINISHED) {
      if (isFinished(row)) {
        unfinished = 0;
        return row;
      }
      unfinished += 1;
    }
    const values: Record<string, RecordValue> = {};
    for (const { name, type } of queryables) {
      const isGiven = Object.hasOwn(row, name);
      if (!isGiven && needs.areWhole === true && (wanted === null || wanted.has(name)))
        throw malformed(dataset.source, 'with a record that lacks a field of its dataset');
      setOwn(values, name, isGiven ? toRecordValue(row[name], type, timeZone) : null);
    }
    return values;
  };

  return (row) => {
    const values = toValues(row);
    if (!needs.ids) return { id: '', values };
    const own = idField === null ? null : values[idField.name];
    let id: string;
    if (
      (typeof own === 'string' && own !== '' && own.length <= MAX_ID_LENGTH) ||
      typeof own === 'number' ||
      typeof own === 'bigint'
    )
      id = String(own);
    else {
      const unknown = Object.keys(row).filter((name) => !declared.has(name) && !API_KEYS.has(name));
      const content: Record<string, unknown> = unknown.length === 0 ? values : { ...values };
      for (const name of unknown) setOwn(content, name, row[name]);
      const keys = unknown.length === 0 ? sortedNames : Object.keys(content).toSorted();
      // 128 of 256 bits: a collision among 10^12 rows of one dataset has odds of about 10^-15.
      id = hash('sha256', toCanonicalObject(content, keys)).slice(0, 32);
    }
    if (needs.areUnique) return { id, values };
    let unique = id;
    let count = given.get(id) ?? 0;
    if (count > 0) {
      do unique = `${id}-${++count}`;
      while (given.has(unique));
      given.set(unique, 1);
      given.set(id, count);
    } else given.set(id, 1);
    return { id: unique, values };
  };
}
