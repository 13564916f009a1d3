import { gzipSync } from 'node:zlib';
import { toJsonText, toPlainText } from '../json-text.ts';
import type { Condition, Expression, OrderItem, SelectItem } from '../odsql/ast.ts';
import { compileWhere } from '../odsql/evaluate.ts';
import type { QueryContext } from '../odsql/evaluate.ts';
import { OdsqlError } from '../odsql/odsql-error.ts';
import { parseFacet, parseOrderBy, parseSelect, parseWhere } from '../odsql/parse.ts';
import { aggregate, collatorOf, compileOrder, compileProjection, hasAggregate } from '../odsql/query.ts';
import type { Column, RowSchema } from '../odsql/schema.ts';
import { assertTimezone, toDateParts } from '../odsql/time.ts';
import type { PortalQuirks, PortalRequest, SandboxPortal } from '../portal.ts';
import { areRowsBent, bendRow, cutPage, stateTotal } from '../quirks.ts';
import { startPortalServer } from '../portal-server.ts';
import type { PortalAnswer, PortalServerOptions } from '../portal-server.ts';
import { CATALOG_SCHEMA, STRUCTURE_KEYS } from './catalog-schema.ts';
import { toCsvChunks, toGeojsonChunks, toJsonChunks, toJsonLines } from './export-formats.ts';
import { loadDataset, readAnnotation } from './opendatasoft-dataset.ts';
import type { LoadedDataset, OpendatasoftDataset, OpendatasoftRow } from './opendatasoft-dataset.ts';

export interface OpendatasoftPortalOptions {
  readonly id: string;
  readonly title: string;
  /** Language of the metadata and of the text order, such as `fr`. */
  readonly language: string;
  readonly datasets: readonly OpendatasoftDataset[];
  /** 0, the default, picks a free port. */
  readonly port?: number;
  /** Requests a day, as the quota headers tell it. The stand-in counts down and never refuses. Default 15,000. */
  readonly quota?: number;
  /** Clock in milliseconds since 1970, for `now()` and the request log. Default: the system's. */
  readonly now?: () => number;
  /** Added to every healthy answer. Default 0. */
  readonly latencyMs?: number;
  /**
   * Keys that open the restricted datasets, as `Authorization: Apikey <key>` or `?apikey=<key>`. Another key is refused
   * with 401, a shape nobody has recorded. Default: none, and keys are not looked at.
   */
  readonly apiKeys?: readonly string[];
  /** Serves repeated successful GETs from memory: for benchmarks, where the portal must not be the bottleneck. */
  readonly memoizes?: boolean;
}

const PREFIX = '/api/explore/v2.1';
const PAGE_LIMIT = 100;
const GROUP_LIMIT = 20_000;
const PAGE_WINDOW = 10_000;
/** Parsed clauses kept for reuse. A count. */
const KEPT_CLAUSES = 1000;
const MEMOIZED_ANSWERS = 20_000;
const LANGUAGES: ReadonlySet<string> = new Set('en fr nl pt it ar de es ca eu sv'.split(' '));
const FORMATS = ['csv', 'geojson', 'json', 'jsonl'] as const;

const COMMON_HEADERS = {
  server: 'openresty',
  vary: 'Accept-Language, Cookie, Host',
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'POST, GET, OPTIONS',
  'access-control-max-age': '1000',
  'access-control-expose-headers':
    'ODS-Explore-API-Deprecation, Link, X-RateLimit-Remaining, X-RateLimit-Limit, X-RateLimit-Reset, ' +
    'X-RateLimit-dataset-Remaining, X-RateLimit-dataset-Limit, X-RateLimit-dataset-Reset',
  'strict-transport-security': 'max-age=31536000;includeSubdomains',
  'x-content-type-options': 'nosniff',
};

/** The key of a request; the scheme's name is written in any case. */
function keyOf(request: PortalRequest): string | null {
  const { authorization } = request.headers;
  const header = typeof authorization === 'string' ? /^apikey +(\S+)$/i.exec(authorization)?.[1] : undefined;
  return header ?? new URLSearchParams(request.search).get('apikey');
}

/** An answer that ends the evaluation; the portal's error envelope. */
class PortalRefusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const notFound = (message: string): PortalRefusal => new PortalRefusal(404, 'NotFoundResource', message);
const badParameter = (message: string): PortalRefusal => new PortalRefusal(400, 'InvalidRESTParameterError', message);

const refusal = (status: number, code: string, message: string): PortalAnswer => ({
  status,
  headers: { ...COMMON_HEADERS, 'content-type': 'application/json' },
  body: JSON.stringify({ error_code: code, message }, null, 2),
});

/** Runs one clause; a fault is reported with the clause's name, as the portal does. */
function inClause<T>(clause: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof OdsqlError)) throw error;
    throw new PortalRefusal(
      400,
      'ODSQLError',
      `ODSQL query is malformed: ${error.message}. Clause(s) containing the error(s): ${clause}.`,
    );
  }
}

function createClauseCache<T>(parse: (source: string) => T): (source: string) => T {
  const parsed = new Map<string, T>();
  return (source) => {
    const known = parsed.get(source);
    if (known !== undefined) return known;
    const fresh = parse(source);
    if (parsed.size >= KEPT_CLAUSES) parsed.clear();
    parsed.set(source, fresh);
    return fresh;
  };
}

const cachedWhere = createClauseCache<Condition>(parseWhere);
const cachedSelect = createClauseCache<SelectItem[]>(parseSelect);
const cachedOrder = createClauseCache<OrderItem[]>(parseOrderBy);

type Visible = readonly LoadedDataset[];

interface Clauses {
  readonly select: readonly SelectItem[];
  readonly groupBy: readonly SelectItem[];
  readonly orderBy: readonly OrderItem[];
  readonly where: readonly string[];
  readonly refine: readonly string[];
  readonly exclude: readonly string[];
  readonly context: QueryContext;
}

const valuesOf = (parameters: URLSearchParams, name: string): string[] =>
  parameters.getAll(name).filter((value) => value.trim() !== '');

function readInteger(parameters: URLSearchParams, name: string, fallback: number): number {
  const text = valuesOf(parameters, name).at(-1);
  if (text === undefined) return fallback;
  if (!/^[+-]?\d+$/.test(text.trim()))
    throw badParameter(`Invalid value for ${name} API parameter: ${text} was found but an integer is expected.`);
  return Number(text);
}

function assertRange(name: string, value: number, least: number, most: number): void {
  if (value < least || value > most)
    throw badParameter(
      `Invalid value for ${name} API parameter: ${value} was found but ${least} <= ${name} <= ${most} is expected.`,
    );
}

function readBoolean(parameters: URLSearchParams, name: string, fallback: boolean): boolean {
  const text = valuesOf(parameters, name).at(-1)?.toLowerCase();
  if (text === undefined) return fallback;
  if (text === 'true' || text === 'false') return text === 'true';
  throw badParameter(`Invalid value for ${name} API parameter: ${text} was found but true or false is expected.`);
}

/** Splits `facet:value`; the value may stand in double quotes. */
function splitRefine(text: string): readonly [string, string] {
  const at = text.indexOf(':');
  if (at < 1) throw new OdsqlError(`Invalid facet filter: ${text}`);
  const value = text.slice(at + 1);
  const quoted = /^"([\s\S]*)"$/.exec(value);
  return [text.slice(0, at).trim(), quoted?.[1]?.replace(/\\(["\\])/g, '$1') ?? value];
}

function facetColumn<Row>(name: string, schema: RowSchema<Row>): Column<Row> {
  const column = schema.columns.get(name);
  if (column === undefined || !column.isFacet) throw new OdsqlError(`Unknown facet: ${name}`, true);
  return column;
}

/** The facet values of a row: a day counts for its year, its month and itself. */
function facetPaths<Row>(column: Column<Row>, row: Row, timezone: string): string[] {
  const value = column.get(row);
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.map(toPlainText);
  if (column.type !== 'date' && column.type !== 'datetime') return [toPlainText(value)];
  const ms = Date.parse(toPlainText(value));
  if (Number.isNaN(ms)) return [];
  const { year, month, day } = toDateParts(ms, column.type === 'date' ? 'UTC' : timezone);
  const pad = (part: number): string => String(part).padStart(2, '0');
  return [`${year}`, `${year}/${pad(month)}`, `${year}/${pad(month)}/${pad(day)}`];
}

type Test<Row> = (row: Row) => boolean;

function compileFilter<Row>(clauses: Clauses, schema: RowSchema<Row>): Test<Row> {
  const { context } = clauses;
  if (context.quirks.ignoresWhere === true && schema !== CATALOG_SCHEMA) return () => true;
  if (context.quirks.refusesWith200 === true && clauses.where.length > 0)
    throw new PortalRefusal(200, 'ODSQLError', 'ODSQL query is malformed.');
  const tests: Test<Row>[] = [];
  const add = (clause: string, make: () => Test<Row>): void => {
    try {
      tests.push(inClause(clause, make));
    } catch (error) {
      const cause = error instanceof PortalRefusal && /Unknown f(ield|acet):/.test(error.message);
      if (!cause || context.quirks.ignoresUnknownWhere !== true) throw error;
    }
  };
  for (const source of clauses.where) add('where', () => compileWhere(cachedWhere(source), schema, context));
  const refined = new Map<string, { column: Column<Row>; values: string[] }>();
  for (const source of clauses.refine)
    add('refine', () => {
      const [name, value] = splitRefine(source);
      const column = facetColumn(name, schema);
      const entry = refined.get(name);
      if (entry === undefined) refined.set(name, { column, values: [value] });
      else entry.values.push(value);
      return () => true;
    });
  for (const { column, values } of refined.values())
    tests.push((row) => {
      const paths = facetPaths(column, row, context.timezone);
      const hit = (value: string): boolean => paths.includes(value);
      return column.isDisjunctive ? values.some(hit) : values.every(hit);
    });
  for (const source of clauses.exclude)
    add('exclude', () => {
      const [name, value] = splitRefine(source);
      const column = facetColumn(name, schema);
      return (row) => !facetPaths(column, row, context.timezone).includes(value);
    });
  const [only] = tests;
  if (only === undefined) return () => true;
  return tests.length === 1 ? only : (row) => tests.every((test) => test(row));
}

interface Page {
  readonly limit: number;
  readonly offset: number;
}

function readPage(parameters: URLSearchParams, isGrouped: boolean, quirks: PortalQuirks): Page {
  const most = isGrouped ? GROUP_LIMIT : PAGE_LIMIT;
  const window = isGrouped ? GROUP_LIMIT : PAGE_WINDOW;
  const asked = readInteger(parameters, 'limit', 10);
  assertRange('limit', asked, -1, most);
  const limit = asked === -1 ? most : asked;
  const offset = readInteger(parameters, 'offset', 0);
  assertRange('offset', offset, 0, window - limit);
  return {
    limit: quirks.capsSilentlyAt === undefined ? limit : Math.min(limit, quirks.capsSilentlyAt),
    offset: quirks.repeatsPages === true ? 0 : offset,
  };
}

interface FacetRequest {
  readonly name: string;
  readonly sort: string;
  readonly limit: number;
}

function readFacet(source: string): FacetRequest {
  const expression: Expression = parseFacet(source);
  if (expression.kind === 'field') return { name: expression.name, sort: '', limit: Infinity };
  if (expression.kind !== 'call' || expression.name !== 'facet') throw new OdsqlError(`Invalid facet: ${source}`);
  let name = '';
  let sort = '';
  let limit = Infinity;
  for (const argument of expression.args) {
    if (argument.kind === 'named' && argument.name === 'name' && argument.value.kind === 'text')
      name = argument.value.value;
    else if (argument.kind === 'named' && argument.name === 'sort' && argument.value.kind === 'text')
      sort = argument.value.value;
    else if (argument.kind === 'named' && argument.name === 'limit' && argument.value.kind === 'number')
      limit = Number(argument.value.value);
    else throw new OdsqlError('Only name, sort and limit are evaluated in facet()');
  }
  return { name, sort, limit };
}

/** Starts a stand-in for an Opendatasoft portal (Explore API v2.1) on the loopback interface. */
export async function createOpendatasoftPortal(options: OpendatasoftPortalOptions): Promise<SandboxPortal> {
  let listening: SandboxPortal | null = null;
  listening = await startPortalServer(describeOpendatasoftPortal(options, () => listening?.port ?? 0));
  return listening;
}

/**
 * The same portal without a listener, for callers that bring their own wire.
 *
 * @param port of the listener, for the addresses in its answers.
 */
export function describeOpendatasoftPortal(
  options: OpendatasoftPortalOptions,
  port: () => number = () => 0,
): PortalServerOptions {
  const { language } = options;
  const now = options.now ?? Date.now;
  const quota = options.quota ?? 15_000;
  const everything = options.datasets.map((spec) => loadDataset(spec, options.id, language));
  const open = everything.filter(({ spec }) => spec.isRestricted !== true);
  const byId = new Map(everything.map((dataset) => [dataset.spec.id, dataset]));
  const apiKeys: ReadonlySet<string> = new Set(options.apiKeys);
  const memory = new Map<string, PortalAnswer>();
  let answered = 0;

  const success = (body: string | readonly string[], headers: Readonly<Record<string, string>> = {}): PortalAnswer => {
    const midnight = new Date(Math.ceil((now() + 1) / 86_400_000) * 86_400_000).toISOString().slice(0, 10);
    answered = (answered + 1) % quota;
    return {
      status: 200,
      headers: {
        ...COMMON_HEADERS,
        'content-type': 'application/json; charset=utf-8',
        'content-language': language,
        'cache-control': 'no-cache, no-store, max-age=0, must-revalidate',
        'x-ratelimit-limit': String(quota),
        'x-ratelimit-remaining': String(quota - answered),
        // Not an epoch: recorded from live portals in this form.
        'x-ratelimit-reset': `${midnight} 00:00:00+00:00`,
        ...headers,
      },
      body,
    };
  };

  const readClauses = (parameters: URLSearchParams, quirks: PortalQuirks): Clauses => {
    const joined = (name: string): string | undefined => {
      const all = valuesOf(parameters, name);
      return all.length === 0 ? undefined : all.join(',');
    };
    const timezone = valuesOf(parameters, 'timezone').at(-1) ?? 'UTC';
    try {
      assertTimezone(timezone);
    } catch {
      throw badParameter(`Invalid value for timezone API parameter: ${timezone} was found but a timezone is expected.`);
    }
    const lang = valuesOf(parameters, 'lang').at(-1) ?? language;
    if (!LANGUAGES.has(lang)) throw badParameter(`Invalid value for lang API parameter: ${lang} was found.`);
    for (const name of ['include_links', 'include_app_metas'])
      if (readBoolean(parameters, name, false)) throw badParameter(`${name} is not available on this portal.`);
    const [select, groupBy, orderBy] = [joined('select'), joined('group_by'), joined('order_by')];
    return {
      select: select === undefined ? [] : inClause('select', () => cachedSelect(select)),
      groupBy: groupBy === undefined ? [] : inClause('group_by', () => cachedSelect(groupBy)),
      orderBy: orderBy === undefined ? [] : inClause('order_by', () => cachedOrder(orderBy)),
      where: valuesOf(parameters, 'where'),
      refine: valuesOf(parameters, 'refine'),
      exclude: valuesOf(parameters, 'exclude'),
      context: { timezone, language: lang, nowMs: now(), quirks },
    };
  };

  const pageBody = (total: number, page: readonly string[], quirks: PortalQuirks): string =>
    `{"total_count": ${stateTotal(total, quirks)}, "results": [${page.join(', ')}]}`;

  /** Filters and orders; the common beginning of pages and exports. */
  const selectRows = <Row>(all: readonly Row[], clauses: Clauses, schema: RowSchema<Row>): readonly Row[] => {
    const order = inClause('order_by', () =>
      clauses.groupBy.length > 0 || hasAggregate(clauses.select)
        ? null
        : compileOrder(clauses.orderBy, clauses.select, schema, clauses.context),
    );
    const matching = all.filter(compileFilter(clauses, schema));
    return order === null || clauses.context.quirks.ignoresSort === true ? matching : order(matching);
  };

  const runAggregate = <Row>(rows: readonly Row[], clauses: Clauses, schema: RowSchema<Row>): string[] =>
    inClause(clauses.groupBy.length > 0 ? 'select, group_by, order_by' : 'select', () =>
      aggregate(rows, clauses.select, clauses.groupBy, clauses.orderBy, schema, clauses.context).map(toJsonText),
    );

  /** The texts of catalog entries under the select clause. */
  const projectCatalog = (clauses: Clauses): ((dataset: LoadedDataset) => string) => {
    const { select, context } = clauses;
    const isWhole = select.every(
      ({ expression }) =>
        expression.kind === 'star' ||
        (expression.kind === 'call' && (expression.name === 'include' || expression.name === 'exclude')),
    );
    if (select.length === 0) return (dataset) => dataset.entryText();
    if (isWhole) {
      const dropped: string[] = [];
      for (const { expression } of select) {
        if (expression.kind !== 'call') continue;
        if (expression.name === 'include') throw new OdsqlError('include is not allowed on the catalog');
        for (const argument of expression.args) if (argument.kind === 'text') dropped.push(argument.value);
      }
      const unknown = dropped.find((name) => !STRUCTURE_KEYS.has(name));
      if (unknown !== undefined) throw new OdsqlError(`Unknown field: ${unknown}`, true);
      return (dataset) =>
        toJsonText(Object.fromEntries(Object.entries(dataset.entry()).filter(([key]) => !dropped.includes(key))));
    }
    const columns = new Map(CATALOG_SCHEMA.columns);
    for (const name of STRUCTURE_KEYS)
      if (!columns.has(name))
        columns.set(name, {
          name,
          type: 'json_blob',
          isMultivalued: false,
          isFacet: false,
          isDisjunctive: false,
          get: (dataset) => dataset.entry()[name],
        });
    const schema: RowSchema<LoadedDataset> = { ...CATALOG_SCHEMA, columns, forbidden: new Set() };
    const project = compileProjection(select, [...STRUCTURE_KEYS], schema, context);
    return (dataset) => toJsonText(project(dataset));
  };

  const catalogPage = (datasets: Visible, parameters: URLSearchParams, quirks: PortalQuirks): PortalAnswer => {
    const clauses = readClauses(parameters, quirks);
    const isAggregated = clauses.groupBy.length > 0 || hasAggregate(clauses.select);
    const { limit, offset } = readPage(parameters, clauses.groupBy.length > 0, quirks);
    const rows = selectRows(datasets, clauses, CATALOG_SCHEMA);
    if (isAggregated) {
      const results = runAggregate(rows, clauses, CATALOG_SCHEMA);
      const total = clauses.groupBy.length > 0 ? results.length : rows.length;
      return success(pageBody(total, results.slice(offset, offset + limit), quirks));
    }
    const project = inClause('select', () => projectCatalog(clauses));
    return success(pageBody(rows.length, rows.slice(offset, offset + limit).map(project), quirks));
  };

  const catalogExport = (
    datasets: Visible,
    format: string,
    parameters: URLSearchParams,
    quirks: PortalQuirks,
  ): PortalAnswer => {
    if (format !== 'json') throw badParameter(`Invalid value for format API parameter: ${format} was found.`);
    const clauses = readClauses(parameters, quirks);
    if (clauses.groupBy.length > 0 || hasAggregate(clauses.select))
      throw badParameter('group_by is not available on catalog exports of this portal.');
    const limit = readInteger(parameters, 'limit', -1);
    assertRange('limit', limit, -1, Number.MAX_SAFE_INTEGER);
    const offset = readInteger(parameters, 'offset', 0);
    assertRange('offset', offset, 0, Number.MAX_SAFE_INTEGER);
    const project = inClause('select', () => projectCatalog(clauses));
    const rows = selectRows(datasets, clauses, CATALOG_SCHEMA).slice(offset, limit === -1 ? undefined : offset + limit);
    return success(toJsonChunks(rows.map(project)), {
      'content-disposition': `attachment; filename="${options.id}.json"`,
    });
  };

  const recordsPage = (dataset: LoadedDataset, parameters: URLSearchParams, quirks: PortalQuirks): PortalAnswer => {
    const clauses = readClauses(parameters, quirks);
    const isGrouped = clauses.groupBy.length > 0;
    const { limit, offset } = readPage(parameters, isGrouped, quirks);
    const rows = selectRows(dataset.rows(), clauses, dataset.schema);
    if (isGrouped || hasAggregate(clauses.select)) {
      const results = runAggregate(rows, clauses, dataset.schema);
      return success(pageBody(isGrouped ? results.length : rows.length, results.slice(offset, offset + limit), quirks));
    }
    const project = projectRecords(dataset, clauses);
    return success(pageBody(rows.length, cutPage(rows, offset, limit, quirks).map(project), quirks));
  };

  const projectRow = (dataset: LoadedDataset, clauses: Clauses): ((row: OpendatasoftRow) => Record<string, unknown>) =>
    inClause('select', () =>
      compileProjection(
        clauses.select,
        dataset.fields.map(({ name }) => name),
        dataset.schema,
        clauses.context,
      ),
    );

  const projectRecords = (dataset: LoadedDataset, clauses: Clauses): ((row: OpendatasoftRow) => string) => {
    const isPlain = clauses.select.every(({ expression }) => expression.kind === 'star');
    const { quirks, timezone } = clauses.context;
    if (isPlain && timezone === 'UTC' && !areRowsBent(quirks)) return dataset.rowText;
    const project = projectRow(dataset, clauses);
    return (row) => toJsonText(bendRow(project(row), quirks));
  };

  const exportRecords = (
    dataset: LoadedDataset,
    format: string,
    parameters: URLSearchParams,
    quirks: PortalQuirks,
  ): PortalAnswer => {
    if (!(FORMATS as readonly string[]).includes(format))
      throw badParameter(`Invalid value for format API parameter: ${format} was found.`);
    if (parameters.has('offset'))
      throw badParameter('Invalid API parameter: offset is not available on this endpoint.');
    if (readInteger(parameters, 'epsg', 4326) !== 4326) throw badParameter('epsg is not available on this portal.');
    const useLabels = readBoolean(parameters, 'use_labels', false);
    const compressed = readBoolean(parameters, 'compressed', false);
    const clauses = readClauses(parameters, quirks);
    const limit = readInteger(parameters, 'limit', -1);
    assertRange('limit', limit, -1, Number.MAX_SAFE_INTEGER);
    const cut = <T>(rows: readonly T[]): readonly T[] => (limit === -1 ? rows : rows.slice(0, limit));
    const matching = cutPage(selectRows(dataset.rows(), clauses, dataset.schema), 0, Infinity, quirks);
    const isAggregated = clauses.groupBy.length > 0 || hasAggregate(clauses.select);
    const labels = new Map(dataset.fields.map(({ name, label }) => [name, label ?? name]));
    const labelled = (row: Record<string, unknown>): Record<string, unknown> =>
      useLabels ? Object.fromEntries(Object.entries(row).map(([key, value]) => [labels.get(key) ?? key, value])) : row;

    let chunks: string[];
    let contentType: string;
    if (format === 'json' || format === 'jsonl') {
      const texts = isAggregated
        ? cut(runAggregate(matching, clauses, dataset.schema))
        : useLabels
          ? cut(matching).map((row) => toJsonText(labelled(projectRow(dataset, clauses)(row))))
          : cut(matching).map(projectRecords(dataset, clauses));
      chunks = format === 'json' ? toJsonChunks(texts) : toJsonLines(texts);
      contentType = format === 'json' ? 'application/json; charset=utf-8' : 'application/jsonl; charset=utf-8';
    } else {
      const rows = isAggregated
        ? inClause('select, group_by, order_by', () =>
            cut(aggregate(matching, clauses.select, clauses.groupBy, clauses.orderBy, dataset.schema, clauses.context)),
          )
        : cut(matching).map(projectRow(dataset, clauses));
      if (format === 'geojson') {
        if (isAggregated) throw badParameter('group_by is not available for this format.');
        chunks = toGeojsonChunks(rows.map(labelled), dataset.fields, cut(matching));
        contentType = 'application/geo+json; charset=utf-8';
      } else {
        const delimiter = valuesOf(parameters, 'delimiter').at(-1) ?? ';';
        if (![';', ',', '\t', '|'].includes(delimiter))
          throw badParameter(`Invalid value for delimiter API parameter: ${delimiter} was found.`);
        const [sample] = rows;
        const keys =
          sample === undefined
            ? Object.keys(isAggregated ? {} : projectRow(dataset, clauses)(EMPTY_ROW))
            : Object.keys(sample);
        const columns = keys.map((key) => ({
          key,
          header: useLabels ? (labels.get(key) ?? key) : key,
          type: dataset.schema.columns.get(key)?.type ?? 'text',
        }));
        chunks = toCsvChunks(rows, columns, {
          delimiter,
          listSeparator: valuesOf(parameters, 'list_separator').at(-1) ?? ',',
          quoteAll: readBoolean(parameters, 'quote_all', false),
          withBom: readBoolean(parameters, 'with_bom', true),
        });
        contentType = 'text/csv; charset=utf-8';
      }
    }
    const file = `attachment; filename="${dataset.spec.id}.${format}${compressed ? '.gzip' : ''}"`;
    const answer = success(chunks, { 'content-type': contentType, 'content-disposition': file });
    if (!compressed) return answer;
    return {
      ...answer,
      headers: { ...answer.headers, 'content-type': 'application/gzip' },
      body: gzipSync(chunks.join('')),
    };
  };

  const facets = <Row>(
    all: readonly Row[],
    schema: RowSchema<Row>,
    parameters: URLSearchParams,
    quirks: PortalQuirks,
    links: readonly { rel: string; href: string }[],
    sortOf: (name: string) => string,
  ): PortalAnswer => {
    const clauses = readClauses(parameters, quirks);
    const rows = all.filter(compileFilter(clauses, schema));
    const asked = valuesOf(parameters, 'facet');
    const names = [...schema.columns.values()]
      .filter((column) => column.isFacet && !column.name.includes('.'))
      .map(({ name }): FacetRequest => ({ name, sort: '', limit: Infinity }));
    const chosen = asked.length === 0 ? names : inClause('facet', () => asked.map(readFacet));
    const refined = clauses.refine.map(splitRefine);
    const result = chosen.map(({ name, sort, limit }) => {
      const column = inClause('facet', () => facetColumn(name, schema));
      const isDate = column.type === 'date' || column.type === 'datetime';
      const counts = new Map<string, number>();
      for (const row of rows)
        for (const path of facetPaths(column, row, clauses.context.timezone))
          counts.set(path, (counts.get(path) ?? 0) + 1);
      const under = (parent: string): unknown[] => {
        const depth = parent === '' ? 0 : parent.split('/').length;
        const own = [...counts].filter(
          ([path]) =>
            !isDate || (path.split('/').length === depth + 1 && (parent === '' || path.startsWith(`${parent}/`))),
        );
        const order = sort === '' ? sortOf(name) : sort;
        const sign = order.startsWith('-') ? -1 : 1;
        own.sort(([a, x], [b, y]) =>
          order.endsWith('count')
            ? sign * (x - y) || collatorOf(language).compare(a, b)
            : order.endsWith('num') && !order.endsWith('alphanum')
              ? sign * (Number(a) - Number(b))
              : sign * collatorOf(language).compare(a, b),
        );
        return own.slice(0, limit).map(([path, count]) => {
          const isRefined = refined.some(
            ([facet, value]) => facet === name && (value === path || value.startsWith(`${path}/`)),
          );
          const entry = {
            name: isDate ? (path.split('/').at(-1) ?? path) : path,
            count,
            state: isRefined ? 'refined' : 'displayed',
            value: path,
          };
          const children = isDate && isRefined ? under(path) : [];
          return children.length === 0 ? entry : { ...entry, facets: children };
        });
      };
      return { name, facets: under('') };
    });
    return success(toJsonText({ links, facets: result }));
  };

  const ownUrl = (path: string): string => `http://127.0.0.1:${port()}${PREFIX}${path}`;

  const findDataset = (id: string, datasets: Visible): LoadedDataset => {
    const dataset = byId.get(id);
    if (dataset === undefined || !datasets.includes(dataset))
      throw notFound(`The requested dataset ${id} does not exist.`);
    return dataset;
  };
  const readable = (dataset: LoadedDataset): LoadedDataset => {
    if (!dataset.isVisible)
      throw new PortalRefusal(403, 'ForbiddenAccess', "You don't have permission to access the requested resource");
    if (!dataset.hasRecords) throw notFound(`The requested dataset ${dataset.spec.id} does not have records.`);
    return dataset;
  };

  const route = (
    datasets: Visible,
    segments: readonly string[],
    parameters: URLSearchParams,
    quirks: PortalQuirks,
  ): PortalAnswer => {
    const [root, area, id, part, last, ...rest] = segments;
    if (root !== 'catalog' || rest.length > 0) throw notFound('The requested resource does not exist.');
    if (area === 'facets' && id === undefined)
      return facets(
        datasets,
        CATALOG_SCHEMA,
        parameters,
        quirks,
        [
          { rel: 'self', href: ownUrl('/catalog/facets') },
          { rel: 'source', href: ownUrl('/catalog') },
        ],
        (name) => (name === 'modified' ? '-alphanum' : 'alphanum'),
      );
    if (area === 'exports' && part === undefined) {
      if (id !== undefined) return catalogExport(datasets, id, parameters, quirks);
      return success(toJsonText({ links: [{ rel: 'json', href: ownUrl('/catalog/exports/json') }] }));
    }
    if (area !== 'datasets') throw notFound('The requested resource does not exist.');
    if (id === undefined) return catalogPage(datasets, parameters, quirks);
    const dataset = findDataset(id, datasets);
    switch (part) {
      case undefined: {
        const clauses = readClauses(parameters, quirks);
        return success(inClause('select', () => projectCatalog(clauses))(dataset));
      }
      case 'records':
        if (last !== undefined) {
          readable(dataset);
          throw notFound(`The requested record ${last} does not exist.`);
        }
        return recordsPage(readable(dataset), parameters, quirks);
      case 'exports':
        if (last !== undefined) return exportRecords(readable(dataset), last, parameters, quirks);
        readable(dataset);
        return success(
          toJsonText({
            links: FORMATS.map((rel) => ({ rel, href: ownUrl(`/catalog/datasets/${id}/exports/${rel}`) })),
          }),
        );
      case 'facets':
        if (last !== undefined) break;
        return facets(
          readable(dataset).rows(),
          dataset.schema,
          parameters,
          quirks,
          [
            { rel: 'self', href: ownUrl(`/catalog/datasets/${id}/facets`) },
            { rel: 'dataset', href: ownUrl(`/catalog/datasets/${id}`) },
          ],
          (name) => {
            const sort = readAnnotation(dataset.fields.find((field) => field.name === name)?.annotations, 'facetsort');
            const [first] = Array.isArray(sort) ? sort : [sort];
            return typeof first === 'string' ? first : 'alphanum';
          },
        );
      case 'attachments':
        if (last !== undefined) break;
        return success(
          toJsonText({
            links: [{ rel: 'self', href: ownUrl(`/catalog/datasets/${id}/attachments`) }],
            attachments: (dataset.spec.attachments ?? []).map((metas) => ({ href: metas.url, metas })),
          }),
        );
      case 'aggregates':
      case 'query':
        throw new PortalRefusal(410, 'GoneResource', 'This endpoint is not available anymore.');
    }
    throw notFound('The requested resource does not exist.');
  };

  const answer = (request: PortalRequest, quirks: PortalQuirks): PortalAnswer => {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return refusal(405, 'MethodNotAllowed', 'Only the GET method is supported.');
    const apiKey = apiKeys.size === 0 ? null : keyOf(request);
    if (apiKey !== null && !apiKeys.has(apiKey))
      return refusal(401, 'AuthenticationFailed', 'The API key is not valid on this portal.');
    const key = options.memoizes === true ? `${apiKey ?? ''} ${request.path}${request.search}` : '';
    const known = key === '' ? undefined : memory.get(key);
    if (known !== undefined && Object.keys(quirks).length === 0) return known;
    const path = request.path.endsWith('/') ? request.path.slice(0, -1) : request.path;
    try {
      if (!path.startsWith(`${PREFIX}/`)) throw notFound('The requested resource does not exist.');
      const parameters = new URLSearchParams(request.search);
      const visible = apiKey === null ? open : everything;
      const made = route(visible, path.slice(PREFIX.length + 1).split('/'), parameters, quirks);
      if (key !== '' && Object.keys(quirks).length === 0) {
        if (memory.size >= MEMOIZED_ANSWERS) memory.clear();
        memory.set(key, { ...made, body: typeof made.body === 'string' ? Buffer.from(made.body) : made.body });
      }
      return made;
    } catch (error) {
      if (error instanceof PortalRefusal) return refusal(error.status, error.code, error.message);
      throw error;
    }
  };

  const failure = (status: 429 | 500): PortalAnswer =>
    status === 500
      ? {
          status,
          headers: { server: 'openresty', 'content-type': 'text/html' },
          body: '<html><head><title>500 Internal Server Error</title></head><body><center>openresty</center></body></html>',
        }
      : {
          status,
          headers: { ...COMMON_HEADERS, 'content-type': 'application/json', 'retry-after': '1' },
          body: JSON.stringify({
            errorcode: 10002,
            reset_time: new Date(Math.ceil((now() + 1) / 86_400_000) * 86_400_000).toISOString().replace('.000', ''),
            limit_time_unit: 'day',
            call_limit: quota,
            error: 'Too many requests on the domain. Please contact the domain administrator.',
          }),
        };

  return {
    id: options.id,
    kind: 'opendatasoft',
    title: options.title,
    language,
    port: options.port,
    now,
    latencyMs: options.latencyMs,
    answer,
    failure,
    truth: (datasetId) => {
      const dataset = byId.get(datasetId);
      if (dataset === undefined) return null;
      const { spec, hasRecords, fields } = dataset;
      return {
        datasetId,
        title: spec.title,
        fields: hasRecords ? fields.map(({ name, type }) => ({ name, type })) : null,
        records: hasRecords ? dataset.rows() : null,
      };
    },
  };
}

const EMPTY_ROW: OpendatasoftRow = {};
