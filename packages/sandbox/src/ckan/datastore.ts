import { parseExactJson, toJsonText, toPlainText } from '../json-text.ts';
import { collatorOf } from '../odsql/query.ts';
import type { PortalQuirks } from '../portal.ts';
import { bendRow, cutPage, leavingName, textQuirk } from '../quirks.ts';
import { toTokens } from '../text-search.ts';
import type { CkanErrors } from './ckan-error.ts';
import type { DatastoreField, DatastoreRow, DatastoreType, LoadedTable } from './ckan-dataset.ts';

/** Rows of one answer, silently. `ckan.datastore.search.rows_max` of a stock installation. */
const MAX_ROWS = 32_000;
const DEFAULT_ROWS = 100;

const PARAMETERS: ReadonlySet<string> = new Set(
  (
    'resource_id id filters q full_text plain language distinct limit offset fields sort include_total records_format ' +
    'total_estimation_threshold'
  ).split(' '),
);

/** The parameters of one search; the portal has parsed them from the query or the body. */
export type DatastoreParameters = Readonly<Record<string, unknown>>;

const isNumber = (type: DatastoreType): boolean => ['int', 'int4', 'int8', 'numeric', 'float8'].includes(type);

/** Decimals written in a text compare by value; whole ones beyond 2^53 exactly. */
function parseNumber(text: string, type: DatastoreType): number | bigint | null {
  const isWhole = type !== 'numeric' && type !== 'float8';
  if (isWhole ? !/^\s*[+-]?\d+\s*$/.test(text) : !/^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(text))
    return null;
  const value = Number(text);
  return isWhole && !Number.isSafeInteger(value) ? BigInt(text.trim()) : value;
}

/**
 * `2026-01-05 10:00`, `2026-01-05T10:00:00.5` and `2026-01-05` as milliseconds. The type has no zone: PostgreSQL
 * accepts an offset in the text and drops it.
 */
function parseTimestamp(text: string): number | null {
  const match = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?$/i.exec(
    text.trim(),
  );
  if (match === null) return null;
  const ms = Date.parse(`${match[1]}T${match[2] ?? '00:00'}${match[3] ?? ':00'}Z`);
  return Number.isNaN(ms) ? null : ms;
}

/** What a stored value compares as. */
function toComparable(value: unknown, type: DatastoreType): unknown {
  if (value === null || value === undefined) return null;
  if ((type === 'timestamp' || type === 'date') && typeof value === 'string') return parseTimestamp(value);
  if (type === 'json' || type === '_text') return toJsonText(value);
  return value;
}

class InvalidInput extends Error {}

/** A literal of a filter as PostgreSQL takes it for a column: quoted texts are converted, bare numbers are not texts. */
function toOperand(value: unknown, type: DatastoreType): unknown {
  if (value === null) return null;
  if (isNumber(type)) {
    if (typeof value === 'number' || typeof value === 'bigint') return value;
    const parsed = typeof value === 'string' ? parseNumber(value, type) : null;
    if (parsed === null) throw new InvalidInput();
    return parsed;
  }
  if (type === 'bool') {
    if (typeof value === 'boolean') return value;
    const known: Readonly<Record<string, boolean>> = {
      true: true,
      t: true,
      yes: true,
      '1': true,
      false: false,
      f: false,
      no: false,
      '0': false,
    };
    const parsed = typeof value === 'string' ? known[value.trim().toLowerCase()] : undefined;
    if (parsed === undefined) throw new InvalidInput();
    return parsed;
  }
  if (typeof value !== 'string') throw new InvalidInput();
  if (type === 'timestamp' || type === 'date') {
    const ms = parseTimestamp(value);
    if (ms === null) throw new InvalidInput();
    return ms;
  }
  return value;
}

interface SortTerm {
  readonly field: DatastoreField;
  readonly descending: boolean;
  readonly nullsLast: boolean;
}

const SORT_TERM = /^\s*(?:"((?:[^"]|"")+)"|([^\s",]+))(?:\s+(asc|desc))?(?:\s+nulls\s+(first|last))?\s*$/i;

function splitOutsideQuotes(text: string): string[] {
  return text.match(/(?:"(?:[^"]|"")*"|[^,"])+/g) ?? [];
}

function asList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value === 'string') return splitOutsideQuotes(value).map((part) => part.trim().replace(/^"(.*)"$/, '$1'));
  return [];
}

export interface DatastoreResult {
  readonly fields: readonly DatastoreField[];
  readonly rows: readonly DatastoreRow[];
  readonly total: number;
  readonly limit: number;
  readonly offset: number;
}

/** Runs a search with PostgreSQL's rules for null, types and order. */
export function searchTable(
  table: LoadedTable,
  parameters: DatastoreParameters,
  language: string,
  quirks: PortalQuirks,
  errors: CkanErrors,
  maxRows = MAX_ROWS,
  defaultRows = DEFAULT_ROWS,
): DatastoreResult {
  const byName = new Map(table.fields.map((field) => [field.id, field]));
  const unknownParameter = Object.keys(parameters).find((name) => !PARAMETERS.has(name));
  if (unknownParameter !== undefined)
    throw errors.validation({ __junk: [`The input field ${unknownParameter} was not expected.`] });
  for (const name of ['full_text', 'total_estimation_threshold'])
    if (parameters[name] !== undefined) throw errors.validation({ [name]: ['not evaluated on this portal'] });
  if (parameters['plain'] !== undefined && !toBoolean(parameters['plain'], true))
    throw errors.validation({ plain: ['not evaluated on this portal'] });

  const readCount = (name: string, fallback: number): number => {
    const value = parameters[name];
    if (value === undefined || value === null || value === '') return fallback;
    const count =
      typeof value === 'number'
        ? value
        : typeof value === 'string' && /^[+-]?\d+$/.test(value.trim())
          ? Number(value)
          : Number.NaN;
    if (!Number.isInteger(count)) throw errors.validation({ [name]: [errors.text('invalidInteger')] });
    if (count < 0) throw errors.validation({ [name]: [errors.text('naturalNumber')] });
    return count;
  };
  const limit = Math.min(readCount('limit', defaultRows), maxRows, quirks.capsSilentlyAt ?? Infinity);
  const offset = quirks.repeatsPages === true ? 0 : readCount('offset', 0);
  readCount('offset', 0);

  const tests: ((row: DatastoreRow) => boolean)[] = [];
  const fold = textQuirk(quirks);
  const normalise = (value: unknown): unknown => {
    if (typeof value === 'string') return fold === null ? value : fold(value);
    return quirks.comparesDoubles === true && typeof value === 'bigint' ? Number(value) : value;
  };
  let filters = quirks.ignoresWhere === true ? undefined : parameters['filters'];
  if (quirks.refusesWith200 === true && filters !== undefined)
    throw errors.validation({ filters: ['not evaluated on this portal'] });
  if (typeof filters === 'string') {
    if (filters.trim() === '') filters = undefined;
    else
      try {
        filters = parseExactJson(filters);
      } catch {
        throw errors.validation({ filters: ['Cannot parse JSON'] });
      }
  }
  if (filters !== undefined && filters !== null) {
    if (typeof filters !== 'object' || Array.isArray(filters))
      throw errors.validation({ filters: ['Not a json object'] });
    for (const [name, given] of Object.entries(filters)) {
      const field = byName.get(name);
      if (field === undefined) {
        if (quirks.ignoresUnknownWhere === true) {
          tests.length = 0;
          break;
        }
        throw errors.validation({ filters: [`invalid value "${name}"`] });
      }
      const values = Array.isArray(given) && field.type !== '_text' ? given : [given];
      if (values.length === 0) throw errors.validation({ query: ['Invalid query'] });
      let operands: unknown[];
      try {
        operands = values.map((value: unknown) => toOperand(value, field.type));
      } catch (error) {
        if (!(error instanceof InvalidInput)) throw error;
        throw errors.validation({ query: ['Invalid query'] });
      }
      tests.push((row) => {
        const own = normalise(toComparable(row[name], field.type));
        return own !== null && operands.some((operand) => isEqual(own, normalise(operand)));
      });
    }
  }

  let ranks: Map<DatastoreRow, number> | null = null;
  let q = parameters['q'];
  if (typeof q === 'string' && q.trim().startsWith('{'))
    try {
      q = JSON.parse(q);
    } catch {
      // A text that merely begins with a brace is searched as it is.
    }
  if (q !== undefined && q !== null && q !== '') {
    ranks = new Map();
    const perField = typeof q === 'object' ? Object.entries(q) : [['', String(q as string)] as const];
    const textOf = (row: DatastoreRow, name: string): string =>
      name === ''
        ? table.fields.map(({ id }) => (id === '_id' ? '' : toPlainText(row[id]))).join(' ')
        : toPlainText(row[name]);
    const wanted = perField.map(([name, text]) => {
      if (name !== '' && !byName.has(name)) throw errors.validation({ q: [`invalid value "${name}"`] });
      return { name, terms: toTokens(String(text)) };
    });
    const found = ranks;
    tests.push((row) => {
      let hits = 0;
      for (const { name, terms } of wanted) {
        const tokens = toTokens(textOf(row, name));
        for (const term of terms) {
          const count = tokens.filter((token) => token === term).length;
          if (count === 0) return false;
          hits += count;
        }
      }
      found.set(row, hits);
      return true;
    });
  }

  const sortText = parameters['sort'];
  const terms: SortTerm[] = [];
  for (const part of Array.isArray(sortText)
    ? sortText.map(String)
    : typeof sortText === 'string'
      ? splitOutsideQuotes(sortText)
      : []) {
    const match = SORT_TERM.exec(part);
    const name = match?.[1]?.replaceAll('""', '"') ?? match?.[2] ?? '';
    const field = byName.get(name);
    if (match === null || field === undefined || field.type === 'json')
      throw errors.validation({ sort: [`invalid value "${part.trim()}"`] });
    const descending = match[3]?.toLowerCase() === 'desc';
    // PostgreSQL takes null for the greatest value.
    terms.push({
      field,
      descending,
      nullsLast:
        quirks.nullsFirst !== true && (match[4] === undefined ? !descending : match[4].toLowerCase() === 'last'),
    });
  }

  let rows = table.rows().filter((row) => tests.every((test) => test(row)));
  // Equal rows are in no order that can be relied on: not in the stored one, as a stable sort would leave them.
  if (terms.length > 0 && quirks.ignoresSort !== true) rows = sortRows(rows.toReversed(), terms, language);
  else if (ranks !== null) {
    const found = ranks;
    rows = [...rows].sort((a, b) => (found.get(b) ?? 0) - (found.get(a) ?? 0));
  }

  const asked = asList(parameters['fields']).map(String);
  for (const name of asked) if (!byName.has(name)) throw errors.validation({ fields: [`invalid value "${name}"`] });
  let fields: readonly DatastoreField[] =
    asked.length === 0 ? table.fields : asked.map((name) => byName.get(name)).filter((field) => field !== undefined);
  let shown: readonly DatastoreRow[] = rows;
  if (toBoolean(parameters['distinct'], false)) {
    const seen = new Set<string>();
    shown = rows.filter((row) => {
      const digest = toJsonText(fields.map(({ id }) => row[id]));
      return !seen.has(digest) && seen.add(digest) !== undefined;
    });
  }
  const total = shown.length;
  const page = cutPage(shown, offset, limit, quirks);
  if (asked.length > 0) shown = page.map((row) => Object.fromEntries(asked.map((name) => [name, row[name] ?? null])));
  else if (ranks !== null) {
    const found = ranks;
    fields = [...fields, { id: 'rank', type: 'float8' }];
    shown = page.map((row) => ({ ...row, rank: (found.get(row) ?? 0) / 16.5 }));
  } else shown = page;
  return {
    fields: fields.map((field, index) => {
      const id = leavingName(field.id, index === fields.length - 1, quirks);
      return id === field.id ? field : { ...field, id };
    }),
    rows: shown.map((row) => bendRow(row, quirks)),
    total,
    limit,
    offset,
  };
}

function isEqual(a: unknown, b: unknown): boolean {
  if ((typeof a === 'number' || typeof a === 'bigint') && (typeof b === 'number' || typeof b === 'bigint'))
    return !(a < b) && !(a > b);
  return a === b;
}

function sortRows(rows: readonly DatastoreRow[], terms: readonly SortTerm[], language: string): DatastoreRow[] {
  const collator = collatorOf(language);
  const decorated = rows.map((row) => ({
    row,
    keys: terms.map(({ field }) => toComparable(row[field.id], field.type)),
  }));
  decorated.sort((x, y) => {
    for (let i = 0; i < terms.length; i++) {
      const a = x.keys[i];
      const b = y.keys[i];
      const term = terms[i];
      if (term === undefined) continue;
      if (a === null || b === null) {
        if (a === b) continue;
        return (a === null) === term.nullsLast ? 1 : -1;
      }
      let order = 0;
      if (typeof a === 'string' && typeof b === 'string')
        order = collator.compare(a, b) || Buffer.compare(Buffer.from(a), Buffer.from(b));
      // Both are numbers, bigints or booleans here: JavaScript orders them.
      else order = (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0;
      if (order !== 0) return term.descending ? -order : order;
    }
    return 0;
  });
  return decorated.map(({ row }) => row);
}

/** CKAN's boolean validator: everything arrives as a text in a GET. */
export function toBoolean(value: unknown, fallback: boolean): boolean {
  if (value === undefined || value === null || value === '') return fallback;
  if (typeof value === 'boolean') return value;
  return ['true', 'yes', 't', 'y', '1'].includes(String(value as string).toLowerCase());
}
