import type {
  Call,
  CatalogFacet,
  CatalogPage,
  RecordCapability,
  RecordScan,
  RecordsFacet,
  SourceAdapter,
  SourceHealth,
  SourceInfo,
} from '@civex/adapter-contract';
import type { Clock } from '@civex/environment';
import { HubError, isHubError } from '@civex/errors';
import type { HttpAnswer, HttpRequest, SourceHttp } from '@civex/http';
import { decodeUtf8, parseJsonLossless } from '@civex/model';
import type { Dataset, HubRecord, Queryable } from '@civex/model';
import { createPredicate, createRecordComparator, isPredicate } from '@civex/query';
import type { RecordFilter, SortKey } from '@civex/query';
import { createAggregateDialect, GROUP_WINDOW } from './opendatasoft-aggregate.ts';
import type { AggregateDialect } from './opendatasoft-aggregate.ts';
import { PORTAL_LANGUAGES } from './opendatasoft-config.ts';
import type { OpendatasoftOptions } from './opendatasoft-config.ts';
import {
  createDialect,
  DIALECT_LIMITS,
  encodedLength,
  orderableProperties,
  spellField,
  toCatalogIds,
  toCatalogSearch,
} from './opendatasoft-dialect.ts';
import type { Dialect, DialectField } from './opendatasoft-dialect.ts';
import {
  createDatasetMapper,
  createRecordMapper,
  idFieldOf,
  isDatasetLocalId,
  isJsonObject,
  rawFieldsOf,
  readDatasetPage,
  readRecordPage,
  unwrapRecord,
} from './opendatasoft-mapping.ts';
import type { MappingContext, PortalPage } from './opendatasoft-mapping.ts';

/** Explore API v2.1, "limit" and "offset": 100 rows a page, `offset + limit` up to 10,000, exports without bound. */
const PAGE_SIZE = 100;
const WINDOW = 10_000;
/** Keys of one `getMany`; with ids of ordinary length one request stays below 6,000 characters. */
const BATCH_KEYS = 50;
/** Percent-encoded characters of one id list. */
const MAX_ID_LIST = 5_000;
/** Bytes of one line of a streamed export. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
/** Records of one batch of a scan. */
const BATCH_RECORDS = 1_000;
/** A portal that takes longer to list one dataset is reported degraded. */
const SLOW_MS = 3_000;
/** Times are asked for and compared in one zone, so that neither ids nor literals depend on a calendar. */
const TIME_ZONE = 'UTC';

const NO_COLUMNS: readonly Queryable[] = [];

type Json = Readonly<Record<string, unknown>>;
type Search = readonly (readonly [name: string, value: string])[];
type Subject = 'catalog' | 'records';

interface DatasetPage {
  readonly total: number | null;
  readonly datasets: readonly Dataset[];
}

/** What is derived once from a dataset to query its records. */
interface RecordProfile {
  readonly dialect: Dialect;
  readonly capability: RecordCapability;
  /** Null: nothing is aggregated there. */
  readonly aggregates: AggregateDialect | null;
  /** Properties that complete every order. */
  readonly tieBreakers: readonly string[];
  /** Set when the order is completed by one unique whole number. */
  readonly uniqueProperty: string | null;
  readonly declared: ReadonlySet<string>;
}

interface Cursor {
  /** Number of datasets before the next one. */
  readonly offset: number;
  /** Id of the dataset right before it. */
  readonly anchor: string;
}

/** As long for every offset: how many lie before a dataset may not be for everybody to know, and seals keep lengths. */
const encodeCursor = ({ offset, anchor }: Cursor): string =>
  Buffer.from(JSON.stringify({ o: offset, a: anchor }) + ' '.repeat(10 - String(offset).length)).toString('base64url');

/** Far beyond any catalog; keeps the arithmetic exact. */
const MAX_OFFSET = 1_000_000_000;

function decodeCursor(text: string): Cursor {
  let value: unknown = null;
  try {
    value = text.length > 2_000 ? null : JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    // Not JSON: refused below like any other cursor that was not issued here.
  }
  if (isJsonObject(value)) {
    const { o: offset, a: anchor } = value;
    if (
      typeof offset === 'number' &&
      Number.isSafeInteger(offset) &&
      offset >= 1 &&
      offset <= MAX_OFFSET &&
      isDatasetLocalId(anchor)
    )
      return { offset, anchor };
  }
  throw new HubError('INPUT_INVALID', 'The cursor was not issued by this source.');
}

/** Names of the columns a filter is about, repeated as often as it names them. */
const propertiesOf = (filter: RecordFilter | null): readonly string[] =>
  filter === null ? [] : isPredicate(filter) ? [filter.property] : filter.args.flatMap(propertiesOf);

/** Domain quota and anonymous quota, as the specification names them under 429; some proxies change the status. */
const QUOTA_CODES: ReadonlySet<unknown> = new Set([10_002, 10_005]);

/** @param config.timeZone IANA zone of the portal's times that carry none. */
export function createOpendatasoftAdapter(
  config: { readonly info: SourceInfo; readonly timeZone: string; readonly options: OpendatasoftOptions },
  deps: { readonly http: SourceHttp; readonly clock: Clock },
): SourceAdapter {
  const { info, timeZone, options } = config;
  const { http } = deps;
  const { source } = info;
  const root = `/api/explore/${options.apiVersion}/catalog`;
  const language =
    options.language ??
    info.languages
      .map((tag) => tag.toLowerCase().split('-')[0])
      .find((tag) => PORTAL_LANGUAGES.some((known) => known === tag)) ??
    null;
  const publicUrl = options.publicUrl ?? info.homepage;
  const context: MappingContext = {
    source,
    apiVersion: options.apiVersion,
    origin: publicUrl !== null && URL.canParse(publicUrl) ? new URL(publicUrl).origin : null,
    timeZone,
    language,
  };
  const toDataset = createDatasetMapper(context);
  const common: Search = [...(language === null ? [] : [['lang', language] as const]), ['timezone', TIME_ZONE]];

  const fail = (code: 'SOURCE_MALFORMED' | 'SOURCE_REJECTED' | 'SOURCE_UNAVAILABLE', message: string): HubError =>
    new HubError(code, message, { source });

  const parseBody = (body: Uint8Array, subject: Subject): unknown => {
    try {
      // Catalog values are passed on as JSON, which has no big integers; records keep theirs.
      return subject === 'catalog' ? JSON.parse(decodeUtf8(body)) : parseJsonLossless(body);
    } catch (cause) {
      throw new HubError('SOURCE_MALFORMED', 'The source did not answer with JSON.', { source }, cause);
    }
  };

  /** The error for an answer that is not what was asked for. Nothing of the portal's own text is repeated. */
  const toRefusal = (status: number, payload: unknown, subject: Subject): HubError => {
    const { error_code: code, errorcode: quotaCode }: Readonly<Record<string, unknown>> = isJsonObject(payload)
      ? payload
      : {};
    if (QUOTA_CODES.has(quotaCode) || status === 429)
      return new HubError('SOURCE_OVERLOADED', 'The quota of the source is used up.', { source });
    if (status >= 500) return fail('SOURCE_UNAVAILABLE', 'The source reported an internal error.');
    if (code === 'ForbiddenAccess' || status === 401 || status === 403)
      return fail(
        'SOURCE_REJECTED',
        subject === 'records'
          ? 'The source does not give out the records of this dataset.'
          : 'The source does not give out its catalog.',
      );
    if (subject === 'records' && (code === 'NotFoundResource' || status === 404))
      return new HubError('NOT_FOUND', 'The source has no such dataset.', { source });
    return fail('SOURCE_REJECTED', 'The source refused the request.');
  };

  const toRefusedAnswer = (answer: HttpAnswer, subject: Subject): HubError => {
    let payload: unknown = null;
    try {
      payload = parseBody(answer.body, subject);
    } catch {
      // A page for people instead of JSON: a challenge, a gateway's error, maintenance.
    }
    // Neither what was asked for nor a refusal: a 304 to a question without conditions, for example.
    if (answer.status < 400) return fail('SOURCE_MALFORMED', 'The source sent an answer nobody asked for.');
    return isJsonObject(payload)
      ? toRefusal(answer.status, payload, subject)
      : fail('SOURCE_UNAVAILABLE', 'The source answered with an error page.');
  };

  const readPayload = (answer: HttpAnswer, subject: Subject): unknown => {
    if (answer.status < 200 || answer.status > 299) throw toRefusedAnswer(answer, subject);
    const payload = parseBody(answer.body, subject);
    // Errors have been recorded under status 200 as well.
    if (
      isJsonObject(payload) &&
      !Array.isArray(payload['results']) &&
      (typeof payload['error_code'] === 'string' || typeof payload['errorcode'] === 'number')
    )
      throw toRefusal(answer.status, payload, subject);
    return payload;
  };

  const readCatalog = (
    search: Search,
    cache: HttpRequest['cache'],
    call: Call,
    path: '/datasets' | '/exports/json' = '/datasets',
  ): Promise<DatasetPage> =>
    http.read(
      { method: 'GET', path: `${root}${path}`, search: [...search, ...common], cache },
      (answer) => {
        const payload = readPayload(answer, 'catalog');
        const page = readDatasetPage(path === '/datasets' ? payload : { results: payload }, source);
        return { total: page.total, datasets: page.items.map(toDataset) };
      },
      call,
    );

  const readTotal = async (page: Promise<{ readonly total: number | null }>): Promise<number> => {
    const { total } = await page;
    if (total === null) throw fail('SOURCE_MALFORMED', 'The source did not say how much it found.');
    return total;
  };

  const catalog: CatalogFacet = {
    maxPageSize: PAGE_SIZE,
    maxBatchKeys: BATCH_KEYS,

    async list({ size, after, search }, call): Promise<CatalogPage> {
      const cursor = after === null ? null : decodeCursor(after);
      const where = search === null ? null : toCatalogSearch(search);
      const filter: Search = where === null ? [] : [['where', where]];
      const start = cursor?.offset ?? 0;
      // A continued page begins one dataset early: the one the cursor names must still be there.
      const offset = cursor === null ? 0 : start - 1;
      const limit = Math.min(PAGE_SIZE, Math.max(1, Math.trunc(size)) + start - offset);
      const window: Search = [
        ...filter,
        ['order_by', 'dataset_id'],
        ['limit', String(limit)],
        ['offset', String(offset)],
      ];
      const isBeyond = offset + limit > WINDOW;
      const page = readCatalog(window, 'catalog', call, isBeyond ? '/exports/json' : '/datasets');
      const [{ datasets }, total] = await Promise.all([
        page,
        // An export carries no total.
        readTotal(isBeyond ? readCatalog([...filter, ['limit', '1']], 'catalog', call) : page),
      ]);
      if (datasets.length > limit) throw fail('SOURCE_MALFORMED', 'The source sent more datasets than were asked for.');
      if (new Set(datasets.map(({ localId }) => localId)).size < datasets.length)
        throw fail('SOURCE_MALFORMED', 'The source listed a dataset twice.');
      if (cursor !== null && datasets[0]?.localId !== cursor.anchor)
        throw new HubError('INPUT_INVALID', 'The catalog changed while it was being paged; start again.', { source });
      const items = cursor === null ? datasets : datasets.slice(1);
      const end = start + items.length;
      // A total that is too small would end the list before its end.
      if (end > total) throw fail('SOURCE_MALFORMED', 'The source listed more datasets than it counted.');
      if (end < total && (items.length === 0 || (isBeyond && datasets.length < limit)))
        throw fail('SOURCE_MALFORMED', 'The source listed fewer datasets than it counted.');
      const cursors = items.map(({ localId }, index) => encodeCursor({ offset: start + index + 1, anchor: localId }));
      return { items, cursors, next: end < total ? (cursors.at(-1) ?? null) : null, total };
    },

    async getMany(localIds, call) {
      const wanted = [...new Set(localIds.filter(isDatasetLocalId))];
      const chunks: string[][] = [];
      let room = 0;
      for (const localId of wanted) {
        const length = encodedLength(`"${localId}", `);
        const chunk = chunks.at(-1);
        if (chunk === undefined || length > room) {
          chunks.push([localId]);
          room = MAX_ID_LIST - length;
        } else {
          chunk.push(localId);
          room -= length;
        }
      }
      const found = new Map<string, Dataset>();
      await Promise.all(
        chunks.map(async (chunk) => {
          const { total, datasets } = await readCatalog(
            [
              ['where', toCatalogIds(chunk)],
              ['limit', String(chunk.length)],
            ],
            'catalog',
            call,
          );
          const asked = new Set(chunk);
          for (const dataset of datasets) {
            if (!asked.delete(dataset.localId))
              throw fail('SOURCE_MALFORMED', 'The source sent a dataset that was not asked for.');
            found.set(dataset.localId, dataset);
          }
          // Absence is only known when everything that was found has been sent.
          if (asked.size > 0 && total !== datasets.length)
            throw fail('SOURCE_MALFORMED', 'The source did not send all datasets it found.');
        }),
      );
      return localIds.map((localId) => found.get(localId) ?? null);
    },
  };

  // By the list of columns: callers copy datasets, the list stays the same object.
  const profiles = new WeakMap<readonly Queryable[], RecordProfile>();
  const profileOf = (dataset: Dataset): RecordProfile => {
    const queryables = dataset.queryables ?? NO_COLUMNS;
    const known = profiles.get(queryables);
    if (known !== undefined) return known;
    const rawTypes = new Map(rawFieldsOf(dataset).map(({ name, type }) => [name, type]));
    const fields = new Map<string, DialectField>();
    for (const { name, type } of queryables) {
      const geo = type !== 'GEOMETRY' ? null : rawTypes.get(name) === 'geo_point_2d' ? 'point' : 'shape';
      fields.set(name, { name, type, geo });
    }
    const dialect = createDialect(fields, { hasGeoFunctions: options.apiVersion === 'v2.1' });
    const idField = idFieldOf(dataset);
    const uniqueProperty =
      idField !== null && idField.type === 'INTEGER' && spellField(idField.name) !== null ? idField.name : null;
    const tieBreakers = uniqueProperty === null ? orderableProperties(fields.values()) : [uniqueProperty];
    // `group_by` on records, with a group of the nulls, is in v2.1 only.
    const aggregates = options.apiVersion === 'v2.1' ? createAggregateDialect(dataset, timeZone) : null;
    const profile: RecordProfile = {
      dialect,
      aggregates,
      tieBreakers,
      uniqueProperty,
      declared: new Set(fields.keys()),
      capability: {
        grade: (predicate) => dialect.grade(predicate),
        connectives: { and: true, or: true, not: true },
        sortsExactly: (property) => {
          const type = fields.get(property)?.type;
          const isOrdered = type === 'INTEGER' || type === 'NUMBER' || type === 'DATE' || type === 'DATETIME';
          return isOrdered && spellField(property) !== null;
        },
        sourceOrder: tieBreakers.length === 0 ? null : { unique: uniqueProperty !== null, properties: tieBreakers },
        recordIds: uniqueProperty === null ? { kind: 'digest' } : { kind: 'property', property: uniqueProperty },
        maxPageSize: PAGE_SIZE,
        maxWindow: WINDOW,
        // An export takes any `order_by`. It begins behind a record by a condition on the unique number.
        scanOrder: tieBreakers.length === 0 ? 'none' : uniqueProperty === null ? 'ordered' : 'resumable',
        ...(aggregates !== null && { aggregates: aggregates.capability }),
      },
    };
    profiles.set(queryables, profile);
    return profile;
  };

  const recordsPath = (dataset: Dataset, rest: string): string => {
    if (!isDatasetLocalId(dataset.localId))
      throw new HubError('NOT_FOUND', 'The source has no such dataset.', { source });
    return `${root}/datasets/${encodeURIComponent(dataset.localId)}${rest}`;
  };

  const note = (path: string, search: Search, call: Call): void => {
    const query = search.map(([name, value]) => `${name}=${value}`).join('&');
    call.trace.portalQueries.push(`${decodeURIComponent(path)}?${query}`);
  };

  const readRecords = async (
    dataset: Dataset,
    search: Search,
    cache: HttpRequest['cache'],
    call: Call,
  ): Promise<PortalPage & { readonly total: number }> => {
    const path = recordsPath(dataset, '/records');
    const full = [...search, ...common];
    note(path, full, call);
    const page = await http.read(
      { method: 'GET', path, search: full, cache },
      (answer) => {
        const page = readRecordPage(readPayload(answer, 'records'), source);
        if (page.total === null) throw fail('SOURCE_MALFORMED', 'The source did not say how much it found.');
        return { items: page.items, total: page.total };
      },
      call,
    );
    call.trace.pages += 1;
    call.trace.records += page.items.length;
    return page;
  };

  const toOrder = (orderBy: string): Search => (orderBy === '' ? [] : [['order_by', orderBy]]);
  const toFilter = (where: string | null): Search => (where === null ? [] : [['where', where]]);

  /** The part of a filter that one request line can carry; `rest` is what the portal is not told. */
  const fitWhere = (
    filter: RecordFilter | null,
    dialect: Dialect,
  ): { where: string | null; rest: RecordFilter | null } => {
    if (filter === null) return { where: null, rest: null };
    const whole = dialect.toWhere(filter);
    if (encodedLength(whole) <= DIALECT_LIMITS.where) return { where: whole, rest: null };
    const sent: string[] = [];
    let room: number = DIALECT_LIMITS.where;
    for (const part of !isPredicate(filter) && filter.op === 'and' ? filter.args : []) {
      const text = dialect.toWhere(part);
      const length = encodedLength(`${text} and `);
      if (length > room) continue;
      room -= length;
      sent.push(text);
    }
    return { where: sent.length === 0 ? null : sent.join(' and '), rest: filter };
  };

  /** What lies behind a record of the unique order is what has a greater number. */
  const behind = ({ filter, after }: RecordScan, { uniqueProperty }: RecordProfile): RecordFilter | null => {
    if (after === null) return filter;
    const value = /^-?\d{1,15}$/.test(after) ? Number(after) : null;
    if (value === null || uniqueProperty === null)
      throw new HubError('INPUT_INVALID', 'The place to continue from is not a record of this dataset.', { source });
    const rest: RecordFilter = { op: '>', property: uniqueProperty, type: 'INTEGER', value };
    return filter === null ? rest : { op: 'and', args: [filter, rest] };
  };

  /**
   * The columns to ask for, in their own order: none named when all are needed, as for an id that is a digest of them
   * all, and when the portal's language cannot name one of them.
   */
  const toSelect = (properties: readonly string[] | null, ids: boolean, profile: RecordProfile): Search => {
    const { uniqueProperty, declared } = profile;
    if (properties === null || (ids && uniqueProperty === null)) return [];
    const wanted = new Set(properties);
    if (uniqueProperty !== null) wanted.add(uniqueProperty);
    const names = [...declared].filter((name) => wanted.has(name));
    if (names.length === declared.size) return [];
    // A list of nothing would be all: one column is less.
    const spelled = (names.length === 0 ? [...declared].slice(0, 1) : names).map(spellField);
    if (spelled.includes(null)) return [];
    const select = spelled.join(',');
    return encodedLength(select) <= DIALECT_LIMITS.orderBy ? [['select', select]] : [];
  };

  /**
   * Holds rows against the unique order they were asked in, and against where it was asked to begin: what stands out of
   * it, or twice, may hide others.
   */
  const inUniqueOrder = (
    toRecord: (row: Json) => HubRecord,
    property: string | null,
    after: string | null,
  ): ((row: Json) => HubRecord) => {
    if (property === null) return toRecord;
    let last: number | bigint | null = after === null ? null : Number(after);
    return (row) => {
      const record = toRecord(row);
      const value = record.values[property];
      if ((typeof value !== 'number' && typeof value !== 'bigint') || (last !== null && value <= last))
        throw fail('SOURCE_MALFORMED', 'The source sent records out of the order of the value it declares unique.');
      last = value;
      return record;
    };
  };

  /**
   * The same in another order: there the unique number only tells apart what is equal in all sort keys, and a record that
   * comes twice is equal to itself. What breaks that is told at the end: whoever reads notices sooner when the portal
   * keeps no order at all, and can do without.
   */
  const amongEquals = (
    toRecord: (row: Json) => HubRecord,
    property: string,
    order: readonly SortKey[],
  ): { readonly toRecord: (row: Json) => HubRecord; readonly isBroken: () => boolean } => {
    const compare = createRecordComparator(order);
    let last: { readonly values: HubRecord['values']; readonly number: number | bigint } | null = null;
    let isBroken = false;
    return {
      isBroken: () => isBroken,
      toRecord(row) {
        const record = toRecord(row);
        const { [property]: value = null } = record.values;
        if (typeof value !== 'number' && typeof value !== 'bigint')
          throw fail('SOURCE_MALFORMED', 'The source sent a record without the value it declares unique.');
        if (last !== null && compare({ id: '', values: last.values }, { id: '', values: record.values }) === 0) {
          if (value === last.number)
            throw fail('SOURCE_MALFORMED', 'The source sent records that share the value it declares unique.');
          isBroken ||= value < last.number;
        }
        last = { values: record.values, number: value };
        return record;
      },
    };
  };

  const incomplete = (): HubError =>
    fail('SOURCE_MALFORMED', 'The source sent a different number of records than it counted.');

  /** Records of an export, one JSON document a line. Ends only after the last line has been read whole. */
  async function* readLines(path: string, search: Search, call: Call): AsyncGenerator<readonly string[]> {
    const chunks = http.stream(
      { method: 'GET', path, search, cache: 'none' },
      (answer) => toRefusedAnswer(answer, 'records'),
      call,
    );
    let pending: Uint8Array[] = [];
    let pendingBytes = 0;
    const take = (bytes: Uint8Array): readonly string[] => {
      const whole = pending.length === 0 ? bytes : Buffer.concat([...pending, bytes]);
      pending = [];
      pendingBytes = 0;
      let text: string;
      try {
        text = decodeUtf8(whole);
      } catch (cause) {
        throw new HubError('SOURCE_MALFORMED', 'The source did not answer with JSON.', { source }, cause);
      }
      return text.split('\n').filter((line) => line.trim() !== '');
    };
    for await (const chunk of chunks) {
      const end = chunk.lastIndexOf(0x0a);
      if (end >= 0) yield take(chunk.subarray(0, end));
      const tail = chunk.subarray(end + 1);
      if (tail.length === 0) continue;
      pendingBytes += tail.length;
      if (pendingBytes > MAX_LINE_BYTES) throw fail('SOURCE_MALFORMED', 'The source sent a record that is too long.');
      pending.push(tail);
    }
    yield take(new Uint8Array());
  }

  // v2.1 writes every field of every record, null ones too; v2.0 was not seen to.
  const areWhole = options.apiVersion === 'v2.1';

  const records: RecordsFacet = {
    capability: (dataset) => profileOf(dataset).capability,

    async fetchWindow(dataset, fetch, call) {
      const profile = profileOf(dataset);
      const { dialect, tieBreakers, uniqueProperty } = profile;
      if (fetch.limit > PAGE_SIZE || fetch.offset + fetch.limit > WINDOW)
        throw new HubError('INTERNAL', 'A window beyond its limits reached a source.');
      const { where, rest } = fitWhere(fetch.filter, dialect);
      if (rest !== null)
        throw new HubError('INPUT_TOO_COSTLY', 'The filter is too long for one request to this source; shorten it.', {
          source,
        });
      const limit = Math.max(1, fetch.limit);
      const { properties = null, ids = true } = fetch;
      const { items, total } = await readRecords(
        dataset,
        [
          ...toSelect(properties, ids, profile),
          ...toFilter(where),
          ...toOrder(dialect.toOrderBy(fetch.sort, tieBreakers)),
          ['limit', String(limit)],
          ['offset', String(fetch.offset)],
        ],
        fetch.fresh === true ? 'none' : 'records',
        call,
      );
      if (items.length > limit) throw fail('SOURCE_MALFORMED', 'The source sent more records than were asked for.');
      // Whether the declared numbers are unique is checked below, and needs them.
      const areUnique = uniqueProperty !== null;
      const toRecord = createRecordMapper(dataset, timeZone, {
        properties,
        ids: ids || areUnique,
        areUnique,
        areWhole,
      });
      const rows = items.slice(0, fetch.limit).map(toRecord);
      if (uniqueProperty !== null) {
        const values = new Set(rows.map(({ values: own }) => own[uniqueProperty] ?? null));
        if (values.size < rows.length || values.has(null))
          throw fail('SOURCE_MALFORMED', 'The source sent records that share the value it declares unique.');
      }
      return { records: rows, total };
    },

    async *scan(dataset, asked, call) {
      const profile = profileOf(dataset);
      // Where a number tells records apart, only its order shows a record that comes twice, in constant memory.
      const placed: RecordScan =
        profile.uniqueProperty === null ? asked : { ...asked, order: asked.order ?? [], ids: true };
      const { dialect, declared } = profile;
      const { where, rest } = fitWhere(behind(placed, profile), dialect);
      const isWanted = createPredicate(rest);
      const ask: RecordScan =
        placed.properties === null
          ? placed
          : {
              ...placed,
              properties: [
                ...placed.properties,
                ...(placed.order ?? []).map(({ property }) => property),
                ...propertiesOf(rest),
              ],
            };
      const select = toSelect(ask.properties, ask.ids, profile);
      const order: Search = ask.order === null ? [] : toOrder(dialect.toOrderBy(ask.order, profile.tieBreakers));
      const first = await readRecords(
        dataset,
        [...select, ...toFilter(where), ...order, ['limit', String(PAGE_SIZE)], ['offset', '0']],
        'records',
        call,
      );
      if (first.items.length > Math.min(PAGE_SIZE, first.total)) throw incomplete();
      const areUnique = profile.uniqueProperty !== null && ask.order?.length === 0;
      const toValues = createRecordMapper(dataset, timeZone, { ...ask, areUnique, areWhole });
      const among =
        areUnique || profile.uniqueProperty === null || ask.order === null
          ? null
          : amongEquals(toValues, profile.uniqueProperty, ask.order);
      const toRecord = among?.toRecord ?? inUniqueOrder(toValues, areUnique ? profile.uniqueProperty : null, ask.after);
      const assertOrder = (): void => {
        if (among?.isBroken() === true)
          throw fail('SOURCE_MALFORMED', 'The source sent records out of the order of the value it declares unique.');
      };
      // A page that is full may have been cut, and the total with it.
      if (first.items.length === first.total && first.total < PAGE_SIZE) {
        if (first.total > 0) yield first.items.map(toRecord).filter(isWanted);
        assertOrder();
        return;
      }
      const path = recordsPath(dataset, '/exports/jsonl');
      const search = [...select, ...toFilter(where), ...order, ...common];
      note(path, search, call);
      call.trace.pages += 1;
      let count = 0;
      for await (const lines of readLines(path, search, call)) {
        for (let start = 0; start < lines.length; start += BATCH_RECORDS) {
          const batch: HubRecord[] = [];
          for (const line of lines.slice(start, start + BATCH_RECORDS)) {
            let row: unknown;
            try {
              row = parseJsonLossless(line);
            } catch (cause) {
              throw new HubError('SOURCE_MALFORMED', 'The source sent a record that is not JSON.', { source }, cause);
            }
            if (!isJsonObject(row)) throw fail('SOURCE_MALFORMED', 'The source sent a record that is not an object.');
            if (typeof row['error_code'] === 'string' && !declared.has('error_code'))
              throw toRefusal(200, row, 'records');
            count++;
            call.trace.records += 1;
            const record = toRecord(unwrapRecord(row));
            if (isWanted(record)) batch.push(record);
          }
          if (batch.length > 0) yield batch;
        }
      }
      assertOrder();
      if (count === first.total) return;
      // The data may have changed between the count and the export; a second count tells.
      const recount = await readRecords(dataset, [...toFilter(where), ['limit', '1'], ['offset', '0']], 'none', call);
      if (count !== recount.total) throw incomplete();
    },
  };

  const readGroups = async (
    dataset: Dataset,
    search: Search,
    cache: HttpRequest['cache'],
    call: Call,
  ): Promise<PortalPage> => {
    const path = recordsPath(dataset, '/records');
    const full = [...search, ...common];
    note(path, full, call);
    return http.read(
      { method: 'GET', path, search: full, cache },
      (answer) => readRecordPage(readPayload(answer, 'records'), source),
      call,
    );
  };

  const aggregate: NonNullable<RecordsFacet['aggregate']> = async (dataset, ask, call) => {
    const { aggregates, dialect } = profileOf(dataset);
    const spelling = aggregates?.spell(ask) ?? null;
    const { where, rest } = fitWhere(ask.filter, dialect);
    if (spelling === null || rest !== null) return null;
    const limit = spelling.groupBy === null ? 1 : GROUP_WINDOW;
    const { items } = await readGroups(
      dataset,
      [
        ['select', spelling.select],
        ...toFilter(where),
        ...(spelling.groupBy === null ? [] : [['group_by', spelling.groupBy] as const]),
        ['limit', String(limit)],
      ],
      ask.fresh ? 'none' : 'records',
      call,
    );
    const groups = items.map(spelling.toGroup);
    // As many as fit: there may be more.
    return groups.length >= GROUP_WINDOW ? null : groups;
  };

  return {
    info,
    catalog,
    records: { ...records, aggregate },
    async checkHealth(call): Promise<SourceHealth> {
      const startedMs = deps.clock.monotonicMs();
      const done = (state: SourceHealth['state'], reason: string | null, datasetCount: number | null): SourceHealth => {
        const latencyMs = deps.clock.monotonicMs() - startedMs;
        return { state, checkedAt: new Date(deps.clock.now()).toISOString(), reason, latencyMs, datasetCount };
      };
      try {
        const total = await readTotal(readCatalog([['limit', '1']], 'none', call));
        return done(deps.clock.monotonicMs() - startedMs > SLOW_MS ? 'DEGRADED' : 'UP', null, total);
      } catch (error) {
        if (call.signal.aborted) throw error;
        return done('DOWN', isHubError(error) ? error.code : 'INTERNAL', null);
      }
    },
    async [Symbol.asyncDispose]() {
      // Holds nothing of its own: the client belongs to whoever handed it in.
    },
  };
}
