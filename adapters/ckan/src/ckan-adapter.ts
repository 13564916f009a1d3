import type {
  Call,
  CatalogPage,
  Outcome,
  RecordBatch,
  RecordCapability,
  RecordFetch,
  RecordScan,
  RecordsFacet,
  SourceAdapter,
  SourceHealth,
  SourceInfo,
} from '@civex/adapter-contract';
import type { Clock } from '@civex/environment';
import { HubError, isHubError } from '@civex/errors';
import type { CacheClass, HttpAnswer, SourceHttp } from '@civex/http';
import type { Dataset, HubRecord, Queryable } from '@civex/model';
import { decodeUtf8, parseJsonLossless } from '@civex/model';
import { compareCodePoints } from '@civex/query';
import type { CkanOptions } from './ckan-config.ts';
import type { ActionAnswer, CkanQueryable } from './ckan-dialect.ts';
import {
  decodeCatalogCursor,
  encodeCatalogCursor,
  gradePredicate,
  isPackageName,
  isSortable,
  readEnvelope,
  toDatastoreFilters,
  toDatastoreSort,
  toFilterQuery,
  toPackageSearch,
  toSearchText,
} from './ckan-dialect.ts';
import type { CkanSource, DatastoreField, RegisteredLicense } from './ckan-mapping.ts';
import {
  isObject,
  packageKeys,
  toDatastoreFields,
  toDataset,
  toHubRecord,
  toLicenseRegister,
  toPackages,
  toQueryables,
  toRecordId,
  unresolvedLicenseId,
} from './ckan-mapping.ts';

/** Packages of up to 60 KB fit the outbound client's usual cap on one answer, 16 MB. CKAN itself stops at 1,000. */
const CATALOG_PAGE_SIZE = 250;
/** Solr takes 1,024 clauses in one query. */
const BATCH_KEYS = 200;
const WINDOW_SIZE = 1_000;

/** Rows of one page of a scan: the first page, then as many as the bytes of the page before allow. */
const SCAN_FIRST_ROWS = 1_000;
const SCAN_MAX_ROWS = 5_000;
const SCAN_MIN_ROWS = 50;
const SCAN_PAGE_BYTES = 4_000_000;
/** Requests of one scan; at least one row arrives with each. */
const MAX_SCAN_PAGES = 100_000;

/** First records `describe` looks at to tell geometry from text. */
const SAMPLE_ROWS = 5;

/** How long the licence register is kept, and how long its absence is. Milliseconds. */
const REGISTER_KEPT_MS = 24 * 3_600_000;
const NO_REGISTER_KEPT_MS = 15 * 60_000;

/** A portal that takes longer than this to count its datasets is DEGRADED. Milliseconds. */
const SLOW_MS = 3_000;

type Json = Readonly<Record<string, unknown>>;

/** One answer of package_search, mapped. */
interface PackagePage {
  readonly count: number;
  readonly uuids: readonly string[];
  readonly datasets: readonly Dataset[];
  /** The packages themselves when a licence among them still waits for the register. */
  readonly waiting: readonly unknown[] | null;
}

/** One answer of datastore_search. */
interface RowPage {
  readonly fields: readonly DatastoreField[];
  readonly rows: readonly Json[];
  /** Null when the portal only estimates it. */
  readonly total: number | null;
  readonly bytes: number;
}

/** One CKAN portal, read through its Action API. */
export function createCkanAdapter(
  config: {
    readonly info: SourceInfo;
    /** First configured base URL, without a slash at its end: where people find the portal's pages. */
    readonly baseUrl: string;
    /** IANA name of the zone in which the portal's people write times. */
    readonly timeZone: string;
    readonly options: CkanOptions;
  },
  deps: { readonly http: SourceHttp; readonly clock: Clock },
): SourceAdapter {
  const { info, baseUrl, options, timeZone } = config;
  const { source } = info;
  const { http } = deps;
  const { includePrivate } = options;

  let register: ReadonlyMap<string, RegisteredLicense> | null = null;
  let registerExpiresAtMs = 0;
  /** Datasets read with another register are other datasets: part of what a catalog answer is read as. */
  let registerGeneration = 0;

  const mapping: CkanSource = {
    source,
    baseUrl,
    languages: info.languages,
    timeZone,
    registered: (licenseId) => register?.get(licenseId) ?? null,
  };

  const malformed = (reason: string): HubError =>
    new HubError(
      'SOURCE_MALFORMED',
      'The portal answered in a form that cannot be read.',
      { source },
      new Error(reason),
    );

  const refused = (code: Exclude<ActionAnswer, { ok: true }>['code']): HubError => {
    switch (code) {
      case 'NOT_FOUND':
        return new HubError('NOT_FOUND', 'The portal has no such dataset or table.', { source });
      case 'SOURCE_REJECTED':
        return new HubError('SOURCE_REJECTED', 'The portal refused the request.', { source });
      case 'SOURCE_UNAVAILABLE':
        return new HubError('SOURCE_UNAVAILABLE', 'The portal cannot answer at the moment.', { source });
      case 'SOURCE_MALFORMED':
        return malformed('not an action answer');
    }
  };

  const readAnswer = (answer: HttpAnswer, parseJson: (text: string) => unknown): ActionAnswer => {
    let body: unknown;
    try {
      body = parseJson(decodeUtf8(answer.body));
    } catch {
      // Not UTF-8 or not JSON: readEnvelope decides by the status.
      body = undefined;
    }
    return readEnvelope(answer.status, body);
  };

  const parseCatalogJson = (text: string): unknown => JSON.parse(text);

  /** Asks an action; `parse` gets its result, and `reading` names what it makes of it. What the portal refuses becomes an error unless `onRefused` has a value for it. */
  const ask = <T>(
    action: string,
    reading: string,
    body: Json,
    cache: CacheClass,
    call: Call,
    parse: (result: unknown, answer: HttpAnswer) => T,
    parseJson = parseCatalogJson,
    onRefused: (code: Exclude<ActionAnswer, { ok: true }>['code']) => T = (code) => {
      throw refused(code);
    },
  ): Promise<T> =>
    http.read(
      { method: 'POST', path: `${options.actionPath}/${action}`, body, cache, reading },
      (answer) => {
        const read = readAnswer(answer, parseJson);
        return read.ok ? parse(read.result, answer) : onRefused(read.code);
      },
      call,
    );

  // -------------------------------------------------------------- catalog

  const readCount = (result: unknown): number => {
    if (!isObject(result)) throw malformed('package_search: no result object');
    const { count } = result;
    if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0)
      throw malformed('package_search: no count');
    return count;
  };

  const parsePackagePage = (result: unknown): PackagePage => {
    const count = readCount(result);
    if (!isObject(result) || !Array.isArray(result['results'])) throw malformed('package_search: no results');
    const packages = toPackages(result);
    const uuids = packages.map((pack) => packageKeys(pack, source).uuid);
    const waits =
      options.licenseRegister === 'license_list' &&
      register === null &&
      packages.some((pack) => isObject(pack) && unresolvedLicenseId(pack) !== null);
    return {
      count,
      uuids,
      datasets: packages.map((pack) => toDataset(pack, mapping)),
      waiting: waits ? packages : null,
    };
  };

  /** The register, asked once a day at most. A portal without one leaves licences unrecognised, which is what they are. */
  const needRegister = async (call: Call): Promise<void> => {
    if (deps.clock.monotonicMs() < registerExpiresAtMs) return;
    try {
      register = await ask('license_list', 'register', {}, 'catalog', call, (result) => {
        const parsed = toLicenseRegister(result);
        if (parsed === null) throw malformed('license_list: not a list');
        return parsed;
      });
      registerGeneration++;
      registerExpiresAtMs = deps.clock.monotonicMs() + REGISTER_KEPT_MS;
    } catch (error) {
      if (!isHubError(error) || error.code === 'CANCELLED' || call.signal.aborted) throw error;
      // The action is switched off on some portals; without it the id stays unrecognised.
      registerExpiresAtMs = deps.clock.monotonicMs() + NO_REGISTER_KEPT_MS;
    }
  };

  const searchPackages = async (body: Json, call: Call): Promise<PackagePage> => {
    const page = await ask(
      'package_search',
      `datasets ${registerGeneration}`,
      body,
      'catalog',
      call,
      parsePackagePage,
      parseCatalogJson,
      // A catalog is always there; what is not found is the action.
      (code) => {
        throw refused(code === 'NOT_FOUND' ? 'SOURCE_REJECTED' : code);
      },
    );
    if (page.waiting === null) return page;
    await needRegister(call);
    return register === null ? page : { ...page, datasets: page.waiting.map((pack) => toDataset(pack, mapping)) };
  };

  const changedWhilePaged = (): HubError =>
    new HubError('INPUT_INVALID', 'The catalog changed while it was being paged; start again.', { source });

  const list = async (
    page: { readonly size: number; readonly after: string | null; readonly search: string | null },
    call: Call,
  ): Promise<CatalogPage> => {
    const cursor = page.after === null ? null : decodeCatalogCursor(page.after);
    if (page.after !== null && cursor === null)
      throw new HubError('INPUT_INVALID', 'after: not a cursor of this catalog.', { source });
    const q = page.search === null ? null : toSearchText(page.search);
    // Words of punctuation only: Solr would take the empty rest for "everything".
    if (page.search !== null && q === null) return { items: [], cursors: [], next: null, total: 0 };
    const size = Math.max(1, Math.min(page.size, CATALOG_PAGE_SIZE));
    // A later page begins with the last package of the page before, so that a shifted list shows itself.
    const start = cursor === null ? 0 : cursor.offset - 1;
    const asked = cursor === null ? size : size + 1;
    const fq = toFilterQuery(options.datasetTypeFilter, null);
    const found = await searchPackages(toPackageSearch({ q, fq, rows: asked, start, includePrivate }), call);
    if (found.uuids.length > asked) throw malformed('package_search: more rows than asked for');
    if (found.uuids.some((uuid, index) => index > 0 && compareCodePoints(found.uuids[index - 1] ?? '', uuid) >= 0))
      throw malformed('package_search: not in the order asked for');
    if (new Set(found.datasets.map(({ localId }) => localId)).size < found.datasets.length)
      throw malformed('package_search: a package name twice');
    if (cursor !== null && found.uuids[0] !== cursor.after) throw changedWhilePaged();
    if (start + found.uuids.length > found.count) throw malformed('package_search: more rows than its count');

    const skipped = cursor === null ? 0 : 1;
    const items = found.datasets.slice(skipped);
    const offset = start + skipped;
    const cursors = found.uuids
      .slice(skipped)
      .map((uuid, index) => encodeCatalogCursor({ offset: offset + index + 1, after: uuid }));
    const ended = offset + items.length >= found.count;
    if (items.length === 0 && !ended) throw malformed('package_search: empty page before the end');
    return { items, cursors, next: ended ? null : (cursors.at(-1) ?? null), total: found.count };
  };

  const getMany = async (localIds: readonly string[], call: Call): Promise<readonly Outcome<Dataset>[]> => {
    const names = [...new Set(localIds)].filter(isPackageName);
    if (names.length > BATCH_KEYS)
      throw new HubError('INTERNAL', 'More ids than one request of this source takes.', { source });
    if (names.length === 0) return localIds.map(() => null);
    const fq = toFilterQuery(options.datasetTypeFilter, names);
    const found = await searchPackages(
      toPackageSearch({ q: null, fq, rows: names.length, start: 0, includePrivate }),
      call,
    );
    const asked = new Set(names);
    const byName = new Map<string, Dataset>();
    for (const dataset of found.datasets) {
      if (!asked.has(dataset.localId) || byName.has(dataset.localId))
        throw malformed('package_search: a package that was not asked for');
      byName.set(dataset.localId, dataset);
    }
    // A missing row would pass for a dataset that does not exist.
    if (byName.size !== found.count) throw malformed('package_search: fewer or more rows than its count');
    return localIds.map((localId) => byName.get(localId) ?? null);
  };

  // -------------------------------------------------------------- records

  const tableOf = (dataset: Dataset): string => {
    const table = dataset.raw['recordsResource'];
    if (typeof table !== 'string') throw new HubError('CAPABILITY_MISSING', 'The dataset has no records.', { source });
    return table;
  };

  const columnsOf = (dataset: Dataset): readonly CkanQueryable[] => {
    if (dataset.queryables === null)
      throw new HubError('INTERNAL', 'Records were asked of a dataset that is not described.', { source });
    return dataset.queryables.map((queryable) => ({
      ...queryable,
      columnType: 'columnType' in queryable && typeof queryable.columnType === 'string' ? queryable.columnType : '',
    }));
  };

  const parseRowPage = (result: unknown, answer: HttpAnswer): RowPage => {
    if (!isObject(result)) throw malformed('datastore_search: no result object');
    const fields = toDatastoreFields(result['fields']);
    if (fields === null) throw malformed('datastore_search: no fields');
    const { records, total } = result;
    if (!Array.isArray(records) || !records.every(isObject)) throw malformed('datastore_search: no records');
    if (result['records_truncated'] === true) throw malformed('datastore_search: truncated');
    if (typeof total !== 'number' || !Number.isSafeInteger(total) || total < 0)
      throw malformed('datastore_search: no total');
    return {
      fields,
      rows: records,
      total: result['total_was_estimated'] === true ? null : total,
      bytes: answer.body.byteLength,
    };
  };

  /** Columns whose numbers may have more digits than a double holds. */
  const decimalsOf = (columns: readonly CkanQueryable[]): ReadonlySet<string> =>
    new Set(columns.filter(({ columnType }) => columnType === 'numeric').map(({ name }) => name));

  const searchRows = async (
    request: {
      readonly table: string;
      readonly decimals: ReadonlySet<string>;
      readonly filters: Json | null;
      /** Names of the columns to send; null for all. */
      readonly fields: readonly string[] | null;
      readonly sort: string;
      readonly offset: number;
      readonly limit: number;
      readonly fresh?: boolean | undefined;
    },
    call: Call,
  ): Promise<RowPage> => {
    const body = {
      resource_id: request.table,
      ...(request.filters === null ? {} : { filters: request.filters }),
      ...(request.fields === null ? {} : { fields: request.fields }),
      sort: request.sort,
      limit: request.limit,
      offset: request.offset,
      include_total: true,
    };
    call.trace.portalQueries.push(`datastore_search ${JSON.stringify(body)}`);
    const { decimals } = request;
    const parseJson = (text: string): unknown => parseJsonLossless(text, { decimals });
    const cache = request.fresh === true ? 'none' : 'records';
    const page = await ask('datastore_search', 'rows', body, cache, call, parseRowPage, parseJson);
    call.trace.pages += 1;
    call.trace.records += page.rows.length;
    if (page.rows.length > request.limit) throw malformed('datastore_search: more rows than asked for');
    return page;
  };

  const toRecords = (rows: readonly Json[], columns: readonly CkanQueryable[]): readonly HubRecord[] =>
    rows.map((row) => {
      const record = toHubRecord(row, columns, timeZone);
      if (record === null) throw malformed('datastore_search: a record without _id');
      return record;
    });

  /** The table must still have the columns the query was made for; a lost one would read as null everywhere. */
  const assertColumns = (page: RowPage, columns: readonly CkanQueryable[]): void => {
    const present = new Map(page.fields.map((field) => [field.id, field.type]));
    if (
      columns.some(
        ({ name, columnType }) => present.get(name) !== columnType && (columnType !== '' || !present.has(name)),
      )
    )
      throw malformed('datastore_search: the columns have changed');
  };

  /**
   * The columns to ask for, and their names with the row key for `fields`. Names with a space at an end are not found:
   * CKAN strips the names it is given.
   */
  const narrowColumns = (
    columns: readonly CkanQueryable[],
    properties: readonly string[] | null,
  ): { readonly columns: readonly CkanQueryable[]; readonly fields: readonly string[] | null } => {
    if (properties === null) return { columns, fields: null };
    const wanted = new Set(properties);
    const some = columns.filter(({ name }) => wanted.has(name));
    if (some.length === columns.length || some.some(({ name }) => name !== name.trim()))
      return { columns, fields: null };
    return { columns: some, fields: ['_id', ...some.map(({ name }) => name)] };
  };

  const describe = async (dataset: Dataset, call: Call): Promise<readonly Queryable[] | null> => {
    if (dataset.recordsState === 'none') return null;
    const sample = await ask<{ readonly columns: readonly Queryable[]; readonly rows: number } | null>(
      'datastore_search',
      'columns',
      { resource_id: tableOf(dataset), sort: '_id asc', limit: SAMPLE_ROWS, offset: 0, include_total: true },
      'catalog',
      call,
      (result, answer) => {
        const { fields, rows } = parseRowPage(result, answer);
        return { columns: toQueryables(fields, rows, mapping), rows: rows.length };
      },
      parseJsonLossless,
      (code) => {
        // No such table here (harvested resources live on another portal), a private one, or one without `_id`.
        if (code === 'NOT_FOUND' || code === 'SOURCE_REJECTED') return null;
        throw refused(code);
      },
    );
    if (sample === null) return null;
    call.trace.pages += 1;
    call.trace.records += sample.rows;
    return sample.columns;
  };

  const capability = (dataset: Dataset): RecordCapability => {
    const columns = new Map(columnsOf(dataset).map((column) => [column.name, column]));
    return {
      grade: (predicate) => gradePredicate(predicate, columns.get(predicate.property)),
      connectives: { and: true, or: false, not: false },
      sortsExactly: (property) => {
        const column = columns.get(property);
        return column !== undefined && isSortable(column);
      },
      // `_id` is no queryable: `toQueryables` leaves it out.
      sourceOrder: { unique: true, properties: ['_id'] },
      recordIds: { kind: 'own' },
      maxPageSize: WINDOW_SIZE,
      maxWindow: null,
      scanOrder: 'resumable',
      aggregates: { groups: () => false, measures: () => false },
    };
  };

  const fetchWindow = async (dataset: Dataset, fetch: RecordFetch, call: Call): Promise<RecordBatch> => {
    const translated = toDatastoreFilters(fetch.filter);
    if (translated.kind === 'nothing') return { records: [], total: 0 };
    const { columns, fields } = narrowColumns(columnsOf(dataset), fetch.properties ?? null);
    const page = await searchRows(
      {
        table: tableOf(dataset),
        decimals: decimalsOf(columns),
        filters: translated.kind === 'some' ? translated.filters : null,
        fields,
        sort: toDatastoreSort(fetch.sort),
        offset: fetch.offset,
        limit: Math.max(0, Math.min(fetch.limit, WINDOW_SIZE)),
        fresh: fetch.fresh,
      },
      call,
    );
    assertColumns(page, columns);
    return { records: toRecords(page.rows, columns), total: page.total };
  };

  interface TableRead {
    readonly table: string;
    readonly decimals: ReadonlySet<string>;
    readonly filters: Json | null;
    readonly fields: readonly string[] | null;
    readonly sort: string;
  }

  /**
   * Number of rows of the `_id` order up to and including `after`. Ids are given out as 1, 2, 3 ..., so the place is
   * that number less the rows that were deleted or do not match: found by halving, one row a request.
   */
  const placeBehind = async (after: string, read: TableRead, call: Call): Promise<number> => {
    const idAt = async (offset: number): Promise<string | null> => {
      const { rows } = await searchRows({ ...read, fields: ['_id'], offset, limit: 1 }, call);
      const [row] = rows;
      if (row === undefined) return null;
      const id = toRecordId(row['_id']);
      if (id === null) throw malformed('datastore_search: a record without _id');
      return id;
    };
    const number = Number(after);
    if (toRecordId(number) !== after || number < 1)
      throw new HubError('INPUT_INVALID', 'The place to continue from is not a record of this dataset.', { source });
    let low = 0;
    let high = number;
    // 2^53 places at most, halved each time.
    while (low < high) {
      const middle = high === number && low === 0 ? high - 1 : Math.floor((low + high) / 2);
      const id = await idAt(middle);
      if (id !== null && compareCodePoints(id, after) === 0) return middle + 1;
      if (id === null || compareCodePoints(id, after) > 0) high = middle;
      else low = middle + 1;
    }
    return low;
  };

  async function* scan(dataset: Dataset, ask: RecordScan, call: Call): AsyncGenerator<readonly HubRecord[]> {
    const translated = toDatastoreFilters(ask.filter);
    if (translated.kind === 'nothing') return;
    const { columns, fields } = narrowColumns(columnsOf(dataset), ask.properties);
    const order = ask.order ?? [];
    const request: TableRead = {
      table: tableOf(dataset),
      decimals: decimalsOf(columns),
      filters: translated.kind === 'some' ? translated.filters : null,
      fields,
      sort: toDatastoreSort(order),
    };
    let offset = ask.after === null ? 0 : await placeBehind(ask.after, request, call);
    let limit = SCAN_FIRST_ROWS;
    let total: number | null = null;
    let lastId: string | null = null;
    for (let pages = 0; ; pages++) {
      if (pages === MAX_SCAN_PAGES) throw malformed('datastore_search: too few rows at a time');
      // A later page begins with the last row of the page before, so that a shifted table shows itself.
      const overlap: 0 | 1 = lastId === null ? 0 : 1;
      const page = await searchRows({ ...request, offset: offset - overlap, limit: limit + overlap }, call);
      assertColumns(page, columns);
      // Rows that came or went shift all later pages: some rows would be read twice and others never.
      if (pages > 0 && page.total !== total) throw malformed('datastore_search: the table changed while it was read');
      total = page.total;
      const rows = toRecords(page.rows, columns);
      if (overlap === 1 && rows[0]?.id !== lastId)
        throw malformed('datastore_search: the table changed while it was read');
      const records: readonly HubRecord[] = overlap === 1 ? rows.slice(1) : rows;
      for (const { id } of records) {
        const isBehind = lastId === null ? ask.after === null || compareCodePoints(id, ask.after) > 0 : id !== lastId;
        if (!isBehind || (order.length === 0 && lastId !== null && compareCodePoints(id, lastId) < 0))
          throw malformed('datastore_search: pages repeat or are out of order');
        lastId = id;
      }
      offset += records.length;
      if (total !== null && offset > total) throw malformed('datastore_search: more rows than its total');
      if (records.length > 0) yield records;
      if (total === null ? records.length === 0 : offset === total) return;
      if (records.length === 0) throw malformed('datastore_search: empty page before the end');
      const bytesPerRow = Math.max(1, page.bytes / rows.length);
      limit = Math.max(SCAN_MIN_ROWS, Math.min(SCAN_MAX_ROWS, Math.floor(SCAN_PAGE_BYTES / bytesPerRow)));
    }
  }

  // -------------------------------------------------------------- health

  const checkHealth = async (call: Call): Promise<SourceHealth> => {
    const startedAtMs = deps.clock.monotonicMs();
    const fq = toFilterQuery(options.datasetTypeFilter, null);
    try {
      const body = toPackageSearch({ q: null, fq, rows: 0, start: 0, includePrivate });
      const datasetCount = await ask('package_search', 'count', body, 'none', call, readCount);
      const latencyMs = deps.clock.monotonicMs() - startedAtMs;
      return {
        state: latencyMs > SLOW_MS ? 'DEGRADED' : 'UP',
        checkedAt: new Date(deps.clock.now()).toISOString(),
        reason: null,
        latencyMs,
        datasetCount,
      };
    } catch (error) {
      if (call.signal.aborted || !isHubError(error)) throw error;
      return {
        state: 'DOWN',
        checkedAt: new Date(deps.clock.now()).toISOString(),
        reason: error.code,
        latencyMs: null,
        datasetCount: null,
      };
    }
  };

  /**
   * Of aggregates only the number of all records: `datastore_search` states it, and has a row at the last place and none
   * behind. Its SQL action is not asked: it is switched off by default, and has been a way in for attackers.
   */
  const aggregate: NonNullable<RecordsFacet['aggregate']> = async (dataset, { filter, fresh }, call) => {
    const translated = toDatastoreFilters(filter);
    if (translated.kind === 'nothing') return [{ keys: [], count: 0, measures: [] }];
    const request = {
      table: tableOf(dataset),
      decimals: new Set<string>(),
      filters: translated.kind === 'some' ? translated.filters : null,
      // Numbers of rows need no values.
      fields: ['_id'],
      sort: toDatastoreSort([]),
      limit: 1,
      fresh,
    };
    const { total } = await searchRows({ ...request, offset: 0 }, call);
    // An estimate is no number of records.
    if (total === null) return null;
    const last = total === 0 ? null : await searchRows({ ...request, offset: total - 1 }, call);
    const beyond = await searchRows({ ...request, offset: total }, call);
    if ((last !== null && last.rows.length !== 1) || beyond.rows.length > 0)
      throw malformed('datastore_search: a total that is none');
    return [{ keys: [], count: total, measures: [] }];
  };

  const records: RecordsFacet = { describe, capability, fetchWindow, scan, aggregate };
  return {
    info,
    catalog: { maxPageSize: CATALOG_PAGE_SIZE, maxBatchKeys: BATCH_KEYS, list, getMany },
    records,
    checkHealth,
    // Holds nothing of its own: the client belongs to whoever handed it in.
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
