import { HubError } from '@civex/errors';
import type { Queryable, QueryableType } from '@civex/model';
import type { Fidelity, Predicate, RecordFilter, SortKey } from '@civex/query';
import { isPredicate } from '@civex/query';

/** Most characters of a search text. Far above what people type, far below what a request line of Solr takes. */
const MAX_SEARCH_LENGTH = 500;

/** A queryable that remembers the PostgreSQL type of its column: `text` and `time` are both STRING, only one is safe to compare. */
export interface CkanQueryable extends Queryable {
  readonly columnType: string;
}

const hasControlCharacter = (text: string): boolean => /\p{Cc}/u.test(text);

/**
 * A user's words for `q`, or null when they contain no word at all.
 *
 * CKAN chooses Solr's parser by looking for `:` in `q` (also an escaped one), and the two parsers disagree about
 * backslashes, so escaping cannot be right for both. Whatever has a meaning to either becomes a space instead; the
 * index splits text at the same characters. `-` and `+` are operators only before a word and stay inside one.
 *
 * @throws HubError `INPUT_INVALID` for control characters, lone surrogates or more than 500 characters.
 */
export function toSearchText(search: string): string | null {
  if (search.length > MAX_SEARCH_LENGTH)
    throw new HubError('INPUT_INVALID', `search: at most ${MAX_SEARCH_LENGTH} characters.`);
  const text = search.replaceAll(/[\t\n\r]/g, ' ');
  if (hasControlCharacter(text) || !text.isWellFormed())
    throw new HubError('INPUT_INVALID', 'search: control characters and broken Unicode are not searched for.');
  const words = text
    .replaceAll(/[\\!(){}[\]^"~*?:/&|;=<>,$`#%@]/g, ' ')
    .replaceAll(/(?<![\p{L}\p{N}])[-+]+|[-+]+(?![\p{L}\p{N}])/gu, ' ')
    .replaceAll(/\b(?:AND|OR|NOT|TO)\b/g, (operator) => operator.toLowerCase())
    .split(/\s+/)
    .filter((word) => /[\p{L}\p{N}]/u.test(word));
  return words.length === 0 ? null : words.join(' ');
}

/** True for a text that may be asked for as a package name: no name of CKAN is longer, none has control characters. */
export function isPackageName(text: string): boolean {
  return text.length >= 1 && text.length <= 200 && text.isWellFormed() && !hasControlCharacter(text);
}

const quoteTerm = (text: string): string => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;

/** The one `fq` of a request: CKAN garbles a repeated one. */
export function toFilterQuery(datasetType: string | null, names: readonly string[] | null): string | null {
  const parts: string[] = [];
  if (names !== null) parts.push(`name:(${names.map(quoteTerm).join(' OR ')})`);
  if (datasetType !== null) parts.push(`dataset_type:${datasetType}`);
  return parts.length === 0 ? null : parts.join(' AND ');
}

/** Body of `package_search`. `id asc` is the only order that does not move while it is paged. */
export function toPackageSearch(request: {
  readonly q: string | null;
  readonly fq: string | null;
  readonly rows: number;
  readonly start: number;
  /** Default: false. */
  readonly includePrivate?: boolean;
}): Readonly<Record<string, unknown>> {
  return {
    q: request.q ?? '*:*',
    ...(request.fq === null ? {} : { fq: request.fq }),
    sort: 'id asc',
    rows: request.rows,
    start: request.start,
    ...(request.includePrivate === true ? { include_private: true } : {}),
  };
}

/** Where a listing continues: after the package `after`, which was the one at `offset - 1`. */
export interface CatalogCursor {
  readonly offset: number;
  readonly after: string;
}

/** As long for every offset: how many lie before a dataset may not be for everybody to know, and seals keep lengths. */
export function encodeCatalogCursor({ offset, after }: CatalogCursor): string {
  const text = JSON.stringify({ o: offset, a: after });
  return Buffer.from(text + ' '.repeat(10 - String(offset).length)).toString('base64url');
}

/** @returns null for anything `encodeCatalogCursor` could not have produced. */
export function decodeCatalogCursor(text: string): CatalogCursor | null {
  if (text.length > 1_000 || !/^[A-Za-z0-9_-]+$/.test(text)) return null;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    // Not JSON: not one of ours.
    return null;
  }
  if (typeof value !== 'object' || value === null || !('o' in value) || !('a' in value)) return null;
  const { o, a } = value;
  if (typeof o !== 'number' || !Number.isSafeInteger(o) || o < 1 || o > 1e9) return null;
  return typeof a === 'string' && a !== '' ? { offset: o, after: a } : null;
}

/**
 * True for column names that mean the same in every CKAN version. `,` separates sort terms, `"` delimits them, `%` and
 * `:` are parameter signs of two generations of its SQL layer, `$and` is a filter operator from 2.12 on.
 */
const isPlainName = (name: string): boolean =>
  !/["%:,\p{Cc}]|^\$|^_/u.test(name) && name.isWellFormed() && name.trim() !== '';

const columnTypeOf = (queryable: Queryable): string | null =>
  'columnType' in queryable && typeof queryable.columnType === 'string' ? queryable.columnType : null;

const TEXT_TYPES: ReadonlySet<string> = new Set(['text', 'varchar']);
const INTEGER_TYPES: ReadonlySet<string> = new Set(['int', 'int2', 'int4', 'int8', 'integer', 'bigint', 'smallint']);

/** True when `filters` can compare this value: JSON carries it exactly and PostgreSQL accepts it. */
function isComparableValue(value: unknown, columnType: string): boolean {
  if (TEXT_TYPES.has(columnType)) return typeof value === 'string' && !value.includes('\0') && value.isWellFormed();
  if (INTEGER_TYPES.has(columnType)) return typeof value === 'number' && Number.isSafeInteger(value);
  return columnType === 'bool' && typeof value === 'boolean';
}

/** The values of an equality or a list; null for every other operator, none of which `filters` can spell. */
function valuesOf(predicate: Predicate): readonly unknown[] | null {
  if (predicate.op === '=') return [predicate.value];
  return predicate.op === 'in' ? predicate.values : null;
}

/**
 * How the DataStore's `filters` decides a predicate. It spells `"column" = value` and `"column" IN (values)` in
 * PostgreSQL (read in CKAN 2.9.11, 2.10.4, 2.11.0 and the 2.13 line): for text a comparison of bytes, for integers
 * and booleans one of values, null never equal, all as our evaluator has it.
 *
 * NUMBER is not pushed: `numeric` holds more digits than a JavaScript number, and PostgreSQL before 12 prints 15 digits
 * of a `float8`, so a row that equals the value for us may differ from it there and would be missing. DATETIME is not
 * pushed: the stored fraction of a second is never printed. DATE is not pushed: ours may have month precision.
 */
export function gradePredicate(predicate: Predicate, queryable: Queryable | undefined): Fidelity | 'none' {
  if (queryable === undefined) return 'none';
  if (queryable.type !== 'STRING' && queryable.type !== 'INTEGER' && queryable.type !== 'BOOLEAN') return 'none';
  const columnType = columnTypeOf(queryable);
  if (columnType === null || !isPlainName(queryable.name)) return 'none';
  const values = valuesOf(predicate);
  return values !== null && values.length > 0 && values.every((value) => isComparableValue(value, columnType))
    ? 'exact'
    : 'none';
}

/**
 * True when the portal orders by this column as we do: by value. Not STRING, whose collation is the database's. Not
 * `timestamp`, which is printed without its fraction of a second: rows that look equal would not be ordered by their id.
 * "NaN", which PostgreSQL takes for the greatest number, is out of our order; the hub sees that in the rows.
 */
export function isSortable(queryable: Queryable): boolean {
  const columnType = columnTypeOf(queryable);
  if (columnType === null || !isPlainName(queryable.name)) return false;
  return queryable.type === 'DATETIME' ? columnType === 'timestamptz' : SORTABLE.has(queryable.type);
}

const SORTABLE: ReadonlySet<QueryableType> = new Set(['INTEGER', 'NUMBER', 'BOOLEAN', 'DATE']);

export type DatastoreFilters =
  | { readonly kind: 'all' }
  /** The conditions contradict each other; the DataStore cannot spell that, and need not be asked. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'some'; readonly filters: Readonly<Record<string, unknown>> };

function collect(filter: RecordFilter, into: Map<string, Set<unknown>>): void {
  if (!isPredicate(filter)) {
    if (filter.op !== 'and') throw new HubError('INTERNAL', 'A connective was pushed that the DataStore cannot spell.');
    for (const arg of filter.args) collect(arg, into);
    return;
  }
  const values = valuesOf(filter);
  if (values === null) throw new HubError('INTERNAL', 'A predicate was pushed that the DataStore cannot spell.');
  const earlier = into.get(filter.property);
  into.set(filter.property, new Set(earlier === undefined ? values : values.filter((value) => earlier.has(value))));
}

/**
 * A pushed filter as the `filters` of `datastore_search`: one entry for each column, which must all hold. Conditions on
 * the same column become the values they share.
 */
export function toDatastoreFilters(filter: RecordFilter | null): DatastoreFilters {
  if (filter === null) return { kind: 'all' };
  const byColumn = new Map<string, Set<unknown>>();
  collect(filter, byColumn);
  const entries: [string, unknown][] = [];
  for (const [column, values] of byColumn) {
    const list = [...values];
    if (list.length === 0) return { kind: 'nothing' };
    entries.push([column, list.length === 1 ? list[0] : list]);
  }
  return entries.length === 0 ? { kind: 'all' } : { kind: 'some', filters: Object.fromEntries(entries) };
}

/**
 * Sort terms, ties broken by `_id`. `nulls last` is always spelled: it is what PostgreSQL does anyway for `asc`, and
 * CKAN's parser takes it at least since 2.9.
 */
export function toDatastoreSort(sort: readonly SortKey[]): string {
  const terms = sort.map(
    ({ property, direction }) => `"${property}" ${direction === 'ASC' ? 'asc' : 'desc'} nulls last`,
  );
  return [...terms, '_id asc'].join(', ');
}

/** What a refused action means. */
type ActionFailure = 'NOT_FOUND' | 'SOURCE_REJECTED' | 'SOURCE_UNAVAILABLE' | 'SOURCE_MALFORMED';

/** What CKAN's `error.__type` means to us. The text beside it is localised and never read. */
const ERROR_TYPES: ReadonlyMap<string, ActionFailure> = new Map<string, ActionFailure>([
  ['Authorization Error', 'SOURCE_REJECTED'],
  ['Not Found Error', 'NOT_FOUND'],
  ['Validation Error', 'SOURCE_REJECTED'],
  ['Search Query Error', 'SOURCE_REJECTED'],
  ['Integrity Error', 'SOURCE_REJECTED'],
  ['Search Error', 'SOURCE_UNAVAILABLE'],
  ['Search Index Error', 'SOURCE_UNAVAILABLE'],
  ['Search Connection Error', 'SOURCE_UNAVAILABLE'],
  ['Internal Server Error', 'SOURCE_UNAVAILABLE'],
]);

export type ActionAnswer =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly code: ActionFailure };

const byStatus = (status: number): ActionFailure =>
  status >= 500
    ? 'SOURCE_UNAVAILABLE'
    : status === 404
      ? 'NOT_FOUND'
      : status >= 400
        ? 'SOURCE_REJECTED'
        : 'SOURCE_MALFORMED';

/**
 * Reads the envelope of an action. `body` is the parsed JSON, or undefined when the body is not JSON: the page of a
 * proxy in front of the portal.
 */
export function readEnvelope(status: number, body: unknown): ActionAnswer {
  if (body === undefined) return { ok: false, code: status >= 400 ? 'SOURCE_UNAVAILABLE' : 'SOURCE_MALFORMED' };
  // An unknown action or a body CKAN cannot read is answered with a bare string.
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return { ok: false, code: byStatus(status) };
  const envelope: { readonly success?: unknown; readonly result?: unknown; readonly error?: unknown } = body;
  if (envelope.success === true && status >= 200 && status < 300 && envelope.result !== undefined)
    return { ok: true, result: envelope.result };
  if (envelope.success === true) return { ok: false, code: status >= 400 ? byStatus(status) : 'SOURCE_MALFORMED' };
  const { error } = envelope;
  const type =
    typeof error === 'object' && error !== null && '__type' in error && typeof error.__type === 'string'
      ? error.__type
      : null;
  return { ok: false, code: (type === null ? undefined : ERROR_TYPES.get(type)) ?? byStatus(status) };
}
