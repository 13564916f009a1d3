import { boundingPolygon, toShape } from '../geo.ts';
import type { Call, Expression, OrderItem, SelectItem } from './ast.ts';
import { AGGREGATES, compileExpression, resolveColumn } from './evaluate.ts';
import type { Compiled, QueryContext } from './evaluate.ts';
import { OdsqlError } from './odsql-error.ts';
import type { RowSchema } from './schema.ts';
import { parseDateLiteral, renderDatetime, toDateParts } from './time.ts';

export type Result = Record<string, unknown>;

const collators = new Map<string, Intl.Collator>();

/**
 * The order of texts: by language, not by code point. Nobody documents which, so a client that takes it for code
 * point order must fail.
 */
export function collatorOf(language: string): Intl.Collator {
  const known = collators.get(language);
  if (known !== undefined) return known;
  const collator = new Intl.Collator(language);
  collators.set(language, collator);
  return collator;
}

const isAggregate = (expression: Expression): expression is Call =>
  expression.kind === 'call' && AGGREGATES.has(expression.name);

const isNumeric = (value: unknown): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

function compareNonNull(a: unknown, b: unknown, language: string): number {
  if (typeof a === 'string' && typeof b === 'string') return collatorOf(language).compare(a, b);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (isNumeric(a) && isNumeric(b)) return a < b ? -1 : a > b ? 1 : 0;
  return 0;
}

/** Nulls come last in both directions, as the reference says. */
function compareForOrder(
  a: unknown,
  b: unknown,
  descending: boolean,
  { language, quirks }: Pick<QueryContext, 'language' | 'quirks'>,
): number {
  const aNull = a === null || a === undefined;
  const bNull = b === null || b === undefined;
  if (aNull || bNull) return aNull === bNull ? 0 : aNull === (quirks.nullsFirst !== true) ? 1 : -1;
  const order = compareNonNull(a, b, language);
  return descending ? -order : order;
}

/** How a value of a column leaves in an answer. */
function render(value: unknown, type: string, context: QueryContext): unknown {
  return type === 'datetime' && typeof value === 'string' ? renderDatetime(value, context.timezone) : value;
}

/** An instant as ISO text of the request's zone, for values that are computed and not stored. */
function renderInstant(ms: number, isDay: boolean, context: QueryContext): string {
  const iso = new Date(ms).toISOString();
  return isDay ? iso.slice(0, 10) : renderDatetime(iso.replace(/(\.000)?Z$/, '+00:00'), context.timezone);
}

/** Compiles an expression into what the select clause returns for a row. */
function compileOutput<Row>(
  expression: Expression,
  schema: RowSchema<Row>,
  context: QueryContext,
): (row: Row) => unknown {
  if (expression.kind === 'field') {
    const column = resolveColumn(expression.name, schema);
    return (row) => render(column.get(row) ?? null, column.type, context);
  }
  const compiled = compileExpression(expression, schema, context);
  if (compiled.type !== 'instant') return compiled.get;
  const isDay = expression.kind === 'date' && !expression.text.includes(':');
  return (row) => {
    const ms = compiled.get(row);
    return typeof ms === 'number' ? renderInstant(ms, isDay, context) : null;
  };
}

/** Applies `include` and `exclude` patterns to the names of all columns. */
function selectNames(names: readonly string[], items: readonly SelectItem[]): string[] {
  const patterns = (name: string): string[] =>
    items.flatMap(({ expression }) =>
      expression.kind === 'call' && expression.name === name
        ? expression.args.map((argument) => (argument.kind === 'text' ? argument.value : ''))
        : [],
    );
  const hits = (pattern: string, name: string): boolean =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
  const included = patterns('include');
  const excluded = patterns('exclude');
  for (const pattern of [...included, ...excluded])
    if (!pattern.endsWith('*') && !names.includes(pattern)) throw new OdsqlError(`Unknown field: ${pattern}`, true);
  return names.filter(
    (name) =>
      (included.length === 0 || included.some((pattern) => hits(pattern, name))) &&
      !excluded.some((pattern) => hits(pattern, name)),
  );
}

const isPattern = ({ expression }: SelectItem): boolean =>
  expression.kind === 'call' && (expression.name === 'include' || expression.name === 'exclude');

/** Compiles a select clause without aggregates. `names` are the columns `*` stands for. */
export function compileProjection<Row>(
  items: readonly SelectItem[],
  names: readonly string[],
  schema: RowSchema<Row>,
  context: QueryContext,
): (row: Row) => Result {
  const parts: (readonly [string, (row: Row) => unknown])[] = [];
  const addColumns = (chosen: readonly string[]): void => {
    for (const name of chosen) parts.push([name, compileOutput({ kind: 'field', name }, schema, context)]);
  };
  const hasPatterns = items.some(isPattern);
  if (items.length === 0) addColumns(names);
  if (hasPatterns) addColumns(selectNames(names, items));
  for (const item of items) {
    if (isPattern(item)) continue;
    if (item.expression.kind === 'star') {
      if (!hasPatterns) addColumns(names);
    } else parts.push([item.label, compileOutput(item.expression, schema, context)]);
  }
  return (row) => Object.fromEntries(parts.map(([label, get]) => [label, get(row)]));
}

/** One aggregate over the rows of a group. */
function compileAggregate<Row>(
  call: Call,
  schema: RowSchema<Row>,
  context: QueryContext,
): (rows: readonly Row[]) => unknown {
  const [argument] = call.args;
  if (argument === undefined || call.args.length > (call.name === 'percentile' ? 2 : 1))
    throw new OdsqlError(`Wrong number of arguments for function ${call.name}`);
  if (call.name === 'count') {
    if (argument.kind === 'star') return (rows) => rows.length;
    const counted = compileExpression(argument, schema, context);
    if (!call.distinct) return (rows) => rows.filter((row) => counted.get(row) !== null).length;
    return (rows) => {
      const values = new Set<unknown>();
      for (const row of rows) {
        const value = counted.get(row);
        if (Array.isArray(value)) for (const entry of value) values.add(entry);
        else if (value !== null) values.add(value);
      }
      return values.size;
    };
  }
  if (call.distinct) throw new OdsqlError(`DISTINCT is only allowed in function count`);
  const compiled = compileExpression(argument, schema, context);
  if (call.name === 'bbox') {
    if (compiled.type !== 'geo') throw new OdsqlError('Function bbox is only allowed on geo fields');
    return (rows) => {
      const polygon = boundingPolygon(rows.map((row) => toShape(compiled.get(row))).filter((shape) => shape !== null));
      return polygon === null ? null : { type: 'Feature', geometry: polygon, properties: {} };
    };
  }
  const isInstant = compiled.type === 'instant' && (call.name === 'min' || call.name === 'max');
  if ((compiled.type !== 'number' && !isInstant) || compiled.isMultivalued)
    throw new OdsqlError(`Function ${call.name} is only allowed on numeric fields`);
  const valuesOf = (rows: readonly Row[]): (number | bigint)[] =>
    rows.map((row) => compiled.get(row)).filter(isNumeric);
  const isDay = compiled.column?.type === 'date';
  switch (call.name) {
    case 'sum':
      // In doubles, whatever the type: nobody documents more, and the index behind such portals has no other numbers.
      return (rows) => valuesOf(rows).reduce<number>((sum, value) => sum + Number(value), 0);
    case 'avg':
      return (rows) => {
        const values = valuesOf(rows);
        return values.length === 0
          ? null
          : values.reduce<number>((sum, value) => sum + Number(value), 0) / values.length;
      };
    case 'min':
    case 'max': {
      const isMax = call.name === 'max';
      return (rows) => {
        let best: number | null = null;
        for (const value of valuesOf(rows).map(Number))
          if (best === null || (isMax ? value > best : value < best)) best = value;
        return isInstant && best !== null ? renderInstant(best, isDay, context) : best;
      };
    }
    case 'median':
    case 'percentile': {
      const [, share] = call.args;
      const percent = call.name === 'median' ? 50 : share?.kind === 'number' ? Number(share.value) : Number.NaN;
      if (!(percent >= 0 && percent <= 100)) throw new OdsqlError('The percentile must be between 0 and 100');
      return (rows) => {
        const values = valuesOf(rows)
          .map(Number)
          .sort((a, b) => a - b);
        if (values.length === 0) return null;
        const rank = (percent / 100) * (values.length - 1);
        const low = values[Math.floor(rank)] ?? 0;
        const high = values[Math.ceil(rank)] ?? low;
        return low + (high - low) * (rank - Math.floor(rank));
      };
    }
    default:
      throw new OdsqlError(`Unknown function: ${call.name}`);
  }
}

/** A key of a group: what sorts it and what the answer shows. */
interface Key {
  readonly order: unknown;
  readonly shown: unknown;
}

const INTERVALS: Readonly<Record<string, string>> = {
  ms: 'ms',
  millisecond: 'ms',
  milliseconds: 'ms',
  s: 's',
  second: 's',
  seconds: 's',
  m: 'm',
  minute: 'm',
  minutes: 'm',
  h: 'h',
  hour: 'h',
  hours: 'h',
  d: 'd',
  day: 'd',
  days: 'd',
  w: 'w',
  week: 'w',
  weeks: 'w',
  M: 'M',
  month: 'M',
  months: 'M',
  q: 'q',
  quarter: 'q',
  quarters: 'q',
  y: 'y',
  year: 'y',
  years: 'y',
};
const FIXED_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Start and end of the interval an instant lies in, in UTC. */
function dateInterval(ms: number, amount: number, unit: string): readonly [number, number] {
  const fixed = FIXED_MS[unit];
  if (fixed !== undefined) {
    const start = Math.floor(ms / (fixed * amount)) * fixed * amount;
    return [start, start + fixed * amount];
  }
  const { year, month, day } = toDateParts(ms, 'UTC');
  if (unit === 'w') {
    const start = Date.UTC(year, month - 1, day - ((new Date(ms).getUTCDay() + 6) % 7));
    return [start, start + 7 * 86_400_000];
  }
  const size = unit === 'y' ? 12 : unit === 'q' ? 3 : 1;
  const first = Math.floor((month - 1) / size) * size;
  return [Date.UTC(year, first, 1), Date.UTC(year, first + size, 1)];
}

function compileRange<Row>(call: Call, schema: RowSchema<Row>, context: QueryContext): (row: Row) => readonly Key[] {
  const [first, ...steps] = call.args;
  if (first?.kind !== 'field') throw new OdsqlError('Wrong type of argument for function range');
  const compiled = compileExpression(first, schema, context);
  const isInstant = compiled.type === 'instant';
  if ((!isInstant && compiled.type !== 'number') || compiled.isMultivalued)
    throw new OdsqlError('Function range is only allowed on numeric and date fields');
  const bound = (value: number): string => (isInstant ? new Date(value).toISOString() : String(value));
  const [step] = steps;
  if (steps.length === 1 && step !== undefined && (step.kind === 'number' || step.kind === 'measure')) {
    if (step.kind === 'measure') {
      const unit = INTERVALS[step.unit];
      if (!isInstant || unit === undefined) throw new OdsqlError('Invalid interval for function range');
      if (step.amount !== 1 && !(unit in FIXED_MS)) throw new OdsqlError('This interval unit only allows 1');
      return (row) => {
        const value = compiled.get(row);
        if (typeof value !== 'number') return [];
        const [start, end] = dateInterval(value, step.amount, unit);
        return [{ order: start, shown: `[${bound(start)}, ${bound(end)}[` }];
      };
    }
    const width = Number(step.value);
    if (isInstant || !(width > 0)) throw new OdsqlError('Invalid interval for function range');
    return (row) => {
      const value = compiled.get(row);
      if (!isNumeric(value)) return [];
      const start = Math.floor(Number(value) / width) * width;
      return [{ order: start, shown: `[${start}, ${start + width}[` }];
    };
  }
  const bounds = steps.map((given, index) => {
    if (given.kind === 'star' && (index === 0 || index === steps.length - 1)) return index === 0 ? -Infinity : Infinity;
    if (!isInstant && given.kind === 'number') return Number(given.value);
    if (isInstant && given.kind === 'date') return parseDateLiteral(given.text, context.timezone);
    throw new OdsqlError('Wrong type of argument for function range');
  });
  if (bounds.length < 2) throw new OdsqlError('Wrong number of arguments for function range');
  return (row) => {
    const value = compiled.get(row);
    if (!isNumeric(value)) return [];
    for (let i = 1; i < bounds.length; i++) {
      const low = bounds[i - 1] ?? 0;
      const high = bounds[i] ?? 0;
      if (value >= low && value < high)
        return [
          {
            order: low,
            shown: `${low === -Infinity ? '[*' : `[${bound(low)}`}, ${high === Infinity ? '*' : bound(high)}[`,
          },
        ];
    }
    return [];
  };
}

function compileKey<Row>(
  expression: Expression,
  schema: RowSchema<Row>,
  context: QueryContext,
): (row: Row) => readonly Key[] {
  if (expression.kind === 'call' && expression.name === 'range') return compileRange(expression, schema, context);
  const compiled: Compiled<Row> = compileExpression(expression, schema, context);
  if (compiled.type === 'geo' || compiled.type === 'other' || compiled.type === 'null')
    throw new OdsqlError('Grouping is not allowed on this type of field');
  const { foldsCase } = context.quirks;
  const toKey = (value: unknown): Key => {
    if (foldsCase === true && typeof value === 'string')
      return { order: value.toLowerCase(), shown: value.toLowerCase() };
    if (compiled.type !== 'instant' || typeof value !== 'number') return { order: value, shown: value };
    return { order: value, shown: renderInstant(value, compiled.column?.type === 'date', context) };
  };
  return (row) => {
    const value = compiled.get(row);
    return Array.isArray(value) ? value.map(toKey) : [toKey(value)];
  };
}

const sameExpression = (a: Expression, b: Expression): boolean =>
  JSON.stringify(a, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)) ===
  JSON.stringify(b, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));

export const hasAggregate = (items: readonly SelectItem[]): boolean =>
  items.some(({ expression }) => isAggregate(expression));

/** Runs select, group_by and order_by over rows that passed the filter: one result for each group. */
export function aggregate<Row>(
  rows: readonly Row[],
  select: readonly SelectItem[],
  groupBy: readonly SelectItem[],
  orderBy: readonly OrderItem[],
  schema: RowSchema<Row>,
  context: QueryContext,
): Result[] {
  const keyOf = groupBy.map(({ expression }) => compileKey(expression, schema, context));
  const groups = new Map<string, { keys: readonly Key[]; rows: Row[] }>();
  if (groupBy.length === 0) groups.set('', { keys: [], rows: [...rows] });
  else {
    for (const row of rows) {
      let combinations: (readonly Key[])[] = [[]];
      for (const get of keyOf) {
        const keys = get(row);
        combinations = combinations.flatMap((before) => keys.map((key) => [...before, key]));
      }
      for (const keys of combinations) {
        const digest = JSON.stringify(keys.map(({ shown }) => (typeof shown === 'bigint' ? `${shown}n` : shown)));
        const group = groups.get(digest);
        if (group === undefined) groups.set(digest, { keys, rows: [row] });
        else group.rows.push(row);
      }
    }
  }

  type Group = { readonly keys: readonly Key[]; readonly rows: readonly Row[] };
  const keyIndex = (expression: Expression): number =>
    groupBy.findIndex(
      (item) =>
        sameExpression(item.expression, expression) ||
        (expression.kind === 'field' && item.hasAlias && item.label === expression.name),
    );
  const outputs: (readonly [string, (group: Group) => unknown])[] = [];
  const addKey = (index: number, label: string): void => {
    outputs.push([label, (group) => group.keys[index]?.shown ?? null]);
  };
  groupBy.forEach((item, index) => addKey(index, item.label));
  for (const item of select) {
    if (isAggregate(item.expression)) {
      const run = compileAggregate(item.expression, schema, context);
      outputs.push([item.label, (group) => run(group.rows)]);
      continue;
    }
    if (item.expression.kind === 'star' && groupBy.length > 0) continue;
    const index = keyIndex(item.expression);
    if (index < 0) throw new OdsqlError(`Field ${item.label} must be in the group by clause`);
    if (item.hasAlias) addKey(index, item.label);
  }

  let sawField = false;
  const orders = orderBy.map(({ expression, descending, label }) => {
    const alias =
      expression.kind === 'field' ? select.find((item) => item.hasAlias && item.label === expression.name) : undefined;
    const target = alias?.expression ?? expression;
    if (isAggregate(target)) {
      if (sawField) throw new OdsqlError('Aggregations must come before fields in order by');
      const run = compileAggregate(target, schema, context);
      return { get: (group: Group): unknown => run(group.rows), descending };
    }
    sawField = true;
    const index = keyIndex(target);
    if (index < 0) throw new OdsqlError(`Unknown field: ${label}`, true);
    return { get: (group: Group): unknown => group.keys[index]?.order ?? null, descending };
  });

  // Without an order groups come by key with the null group first, as recorded from a live portal.
  const byKey = (a: Group, b: Group): number => {
    for (let i = 0; i < groupBy.length; i++) {
      const x = a.keys[i]?.order ?? null;
      const y = b.keys[i]?.order ?? null;
      if (x === null || y === null) {
        if (x !== y) return x === null ? -1 : 1;
      } else {
        const order = compareNonNull(x, y, context.language);
        if (order !== 0) return order;
      }
    }
    return 0;
  };
  const list: Group[] = [...groups.values()].sort(byKey);
  if (orders.length > 0)
    list.sort((a, b) => {
      for (const { get, descending } of orders) {
        const order = compareForOrder(get(a), get(b), descending, context);
        if (order !== 0) return order;
      }
      return 0;
    });
  const { dropsNullGroup, miscountsGroups } = context.quirks;
  const shown = dropsNullGroup === true ? list.filter(({ keys }) => keys.every(({ order }) => order !== null)) : list;
  return shown.map((group, index) => {
    const [row] = group.rows;
    const told =
      miscountsGroups === true && groupBy.length > 0 && index % 3 === 0 && row !== undefined
        ? { ...group, rows: [...group.rows, row] }
        : group;
    return Object.fromEntries(outputs.map(([label, get]) => [label, get(told)]));
  });
}

/** Compiles order_by over rows. Aliases of the select clause may be named. */
export function compileOrder<Row>(
  items: readonly OrderItem[],
  select: readonly SelectItem[],
  schema: RowSchema<Row>,
  context: QueryContext,
): ((rows: readonly Row[]) => Row[]) | null {
  if (items.length === 0) return null;
  const keys = items.map(({ expression, descending }) => {
    if (expression.kind === 'call' && expression.name === 'random') {
      const [seed] = expression.args;
      if (seed?.kind !== 'number') throw new OdsqlError('Wrong type of argument for function random');
      return { random: Number(seed.value), get: null, descending: false };
    }
    const alias =
      expression.kind === 'field' && !schema.columns.has(expression.name)
        ? select.find((item) => item.hasAlias && item.label === expression.name)
        : undefined;
    const compiled = compileExpression(alias?.expression ?? expression, schema, context);
    if (compiled.isMultivalued || compiled.type === 'geo' || compiled.type === 'other')
      throw new OdsqlError('Ordering is not allowed on this type of field');
    return { random: null, get: compiled.get, descending };
  });
  return (rows) => {
    const decorated = rows.map((row, index) => ({
      row,
      values: keys.map(({ get, random }) =>
        get === null ? (Math.imul(index + 1, 0x9e3779b1) ^ Math.imul((random ?? 0) + 1, 0x85ebca6b)) >>> 0 : get(row),
      ),
    }));
    decorated.sort((a, b) => {
      for (let i = 0; i < keys.length; i++) {
        const order = compareForOrder(a.values[i], b.values[i], keys[i]?.descending ?? false, context);
        if (order !== 0) return order;
      }
      return 0;
    });
    return decorated.map(({ row }) => row);
  };
}
