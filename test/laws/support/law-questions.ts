import * as fc from 'fast-check';
import type { Column, Filter, Row, Sort } from '../../test-support/reference.ts';
import { DAYS, INTEGERS, NUMBERS, PLACES, TABLES, TEXTS, TIMES } from './law-tables.ts';

/** What one case asks. `table` is a place in the list of tables, by weight. */
export interface Question {
  readonly table: string;
  readonly kind: 'pages' | 'stream' | 'aggregate';
  readonly filter: Filter | null;
  readonly sort: readonly Sort[];
  /** Records of a page, as a share of the table's: eighths. */
  readonly share: number;
  /** How a stream is continued: behind this share of its records, in eighths; null: read to the end. */
  readonly resumed: number | null;
  /** Sizes the source's pages and windows are lowered to; null: its own. */
  readonly small: { readonly page: number; readonly window: number } | null;
  /** Rows of one answer of a CKAN portal, which caps them silently; null: its own 32,000. */
  readonly cap: number | null;
  readonly groupBy: readonly GroupBy[];
  readonly measures: readonly { readonly as: string; readonly op: MeasureOp; readonly property: string }[];
}

interface GroupBy {
  readonly property: string;
  readonly every: 'HOUR' | 'DAY' | 'MONTH' | 'YEAR' | null;
  readonly timeZone: string | null;
}

type MeasureOp = 'COUNT' | 'COUNT_DISTINCT' | 'SUM' | 'AVG' | 'MIN' | 'MAX';

const plain = (value: number | bigint): number | string => (typeof value === 'bigint' ? value.toString() : value);

/** Operands near stored ones: in what they say, not in how they are spelled. */
const operands: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  key: fc.constantFrom(1, 2, 3, 9, 17, 36, 37, 40, 41, 99, 100, 101, 102, 9_999, 10_000, 10_001),
  s: fc.oneof(
    fc.constantFrom(...TEXTS),
    fc.constantFrom(...TEXTS),
    fc.constantFrom('absent', `${'x'.repeat(50)}`, `a\u0000b`, 'É'.normalize('NFD'), 'NULL', '*', "a' OR '1'='1"),
  ),
  n: fc.oneof(fc.constantFrom(...NUMBERS), fc.constantFrom(0.15, -1e300, 5e-324, 1e16)),
  i: fc.oneof(fc.constantFrom(...INTEGERS.map(plain)), fc.constantFrom(3, '9007199254740994', '-9007199254740992')),
  b: fc.boolean(),
  d: fc.oneof(fc.constantFrom(...DAYS), fc.constantFrom('2026-01-02', '0001-01-01', '9999-12-31')),
  t: fc.oneof(
    fc.constantFrom(...TIMES.map(({ instant }) => instant)),
    fc.constantFrom(
      '2026-10-25T02:30:00+02:00',
      '2026-10-25T02:30:00+01:00',
      '2026-10-25T01:30:00Z',
      '2026-03-29T00:59:59.999Z',
    ),
  ),
};

const escapeLike = (text: string): string => text.replaceAll(/[\\%_]/g, String.raw`\$&`);

const likePattern = fc
  .tuple(fc.constantFrom(...TEXTS), fc.constantFrom('start', 'middle', 'end', 'one', 'whole'), fc.nat(6))
  .map(([text, shape, cut]) => {
    const characters = Array.from(text);
    const part = escapeLike(characters.slice(0, cut).join(''));
    switch (shape) {
      case 'start':
        return `${part}%`;
      case 'middle':
        return `%${part}%`;
      case 'end':
        return `%${escapeLike(characters.slice(-cut - 1).join(''))}`;
      case 'one':
        return `_${escapeLike(characters.slice(1).join(''))}`;
      case 'whole':
        return escapeLike(text);
    }
  });

function predicateArb({ name: property, type }: Column): fc.Arbitrary<Filter> {
  const isNull = fc.boolean().map((is): Filter => ({ property, isNull: is }));
  if (type === 'GEOMETRY')
    return fc.oneof(
      isNull,
      fc.tuple(fc.constantFrom(...PLACES), fc.constantFrom(0.0007, 0.013, 0.9), fc.boolean()).map(
        // Off centre: no position lies on an edge, where rounding decides.
        ([[lon, lat], side, isBox]): Filter =>
          isBox
            ? {
                property,
                bbox: [lon - side * 0.31, lat - side * 0.29, Math.min(180, lon + side * 0.73), lat + side * 0.67],
              }
            : { property, withinMetres: { lon, lat, metres: side * 31_337 } },
      ),
    );
  const value = operands[property];
  if (value === undefined) throw new Error(`no operands for ${property}`);
  const isIn = fc.array(value, { minLength: 1, maxLength: 4 }).map((values): Filter => ({ property, in: values }));
  const ops = type === 'BOOLEAN' ? ['eq', 'ne'] : ['eq', 'ne', 'lt', 'lte', 'gt', 'gte'];
  const compared = fc
    .tuple(fc.constantFrom(...ops), value)
    .map(([op, operand]): Filter => ({ property, [op]: operand }));
  if (type === 'BOOLEAN') return fc.oneof(isNull, isIn, compared);
  const between = fc.tuple(value, value).map((bounds): Filter => ({ property, between: bounds }));
  const parts = [isNull, isIn, compared, compared, between];
  return type === 'STRING'
    ? fc.oneof(
        ...parts,
        likePattern.map((like): Filter => ({ property, like })),
      )
    : fc.oneof(...parts);
}

function filterArb(columns: readonly Column[]): fc.Arbitrary<Filter> {
  const texts = columns.filter(({ type }) => type === 'STRING');
  const predicate = fc.oneof(...[...columns, ...texts, ...texts].map(predicateArb));
  // Two levels of connectives: what a third adds is a matter of the planner, which has laws of its own.
  const level = (inner: fc.Arbitrary<Filter>): fc.Arbitrary<Filter> =>
    fc.oneof(
      { arbitrary: inner, weight: 5 },
      { arbitrary: fc.array(inner, { minLength: 1, maxLength: 3 }).map((and): Filter => ({ and })), weight: 3 },
      { arbitrary: fc.array(inner, { minLength: 1, maxLength: 3 }).map((or): Filter => ({ or })), weight: 2 },
      { arbitrary: inner.map((not): Filter => ({ not })), weight: 2 },
    );
  return level(level(predicate));
}

export function questionArb(columns: readonly Column[], tables: readonly string[]): fc.Arbitrary<Question> {
  const names = columns.filter(({ type }) => type !== 'GEOMETRY').map(({ name }) => name);
  const weighted = TABLES.filter(({ id }) => tables.includes(id));
  const sort = fc
    .tuple(
      fc.subarray(
        names.filter((name) => name !== 'b' && name !== 'key'),
        { maxLength: 2 },
      ),
      fc.array(fc.constantFrom('ASC', 'DESC'), { minLength: 2, maxLength: 2 }),
    )
    .map(([properties, directions]) =>
      properties.map((property, index): Sort => ({ property, direction: directions[index] ?? 'ASC' })),
    );
  const key = fc.oneof(
    fc
      .constantFrom('s', 'n', 'i', 'b', 'd', 't')
      .map((property): GroupBy => ({ property, every: null, timeZone: null })),
    fc
      .tuple(fc.constantFrom('HOUR', 'DAY', 'MONTH', 'YEAR'), fc.constantFrom('UTC', 'Europe/Paris'))
      .map(([every, timeZone]): GroupBy => ({ property: 't', every, timeZone })),
    fc.constantFrom('DAY', 'MONTH', 'YEAR').map((every): GroupBy => ({ property: 'd', every, timeZone: null })),
  );
  const measure = fc.oneof(
    fc.tuple(fc.constantFrom('COUNT', 'COUNT_DISTINCT', 'MIN', 'MAX'), fc.constantFrom('s', 'n', 'i', 'd', 't')),
    fc.tuple(fc.constantFrom('SUM', 'AVG', 'MIN', 'MAX'), fc.constantFrom('n', 'i')),
  );
  const question = fc.record({
    table: fc.oneof(...weighted.map(({ id, weight }) => ({ arbitrary: fc.constant(id), weight }))),
    kind: fc.constantFrom('pages', 'pages', 'pages', 'stream', 'aggregate'),
    filter: fc.option(filterArb(columns), { freq: 12 }),
    sort,
    share: fc.integer({ min: 2, max: 9 }),
    resumed: fc.option(fc.nat(8), { freq: 2 }),
    small: fc.option(fc.record({ page: fc.integer({ min: 2, max: 9 }), window: fc.integer({ min: 2, max: 40 }) }), {
      freq: 2,
    }),
    cap: fc.oneof(
      { arbitrary: fc.constant(null), weight: 4 },
      { arbitrary: fc.integer({ min: 5, max: 40 }), weight: 1 },
    ),
    groupBy: fc.uniqueArray(key, { maxLength: 2, selector: ({ property }) => property }),
    measures: fc
      .uniqueArray(measure, { maxLength: 3, selector: ([op, property]) => `${op} ${property}` })
      .map((chosen) => chosen.map(([op, property], index) => ({ as: `m${index}`, op, property }))),
  });
  // Few questions of the largest table are asked; all of them reach its end, in few pages.
  return question.map((drawn): Question =>
    drawn.table === 'window' ? { ...drawn, filter: null, share: Math.max(4, drawn.share), cap: null } : drawn,
  );
}

// ---------------------------------------------------------------- what was tried

const textsIn = (value: unknown): readonly string[] =>
  typeof value === 'string'
    ? [value]
    : Array.isArray(value)
      ? value.flatMap(textsIn)
      : typeof value === 'object' && value !== null
        ? Object.values(value).flatMap(textsIn)
        : [];

interface Part {
  readonly property: string;
  readonly op: string;
  readonly operand: unknown;
}

function partsOf(filter: Filter, ops: Set<string>): readonly Part[] {
  for (const op of ['and', 'or', 'not']) if (op in filter) ops.add(op);
  if ('and' in filter) return (filter.and as readonly Filter[]).flatMap((arg) => partsOf(arg, ops));
  if ('or' in filter) return (filter.or as readonly Filter[]).flatMap((arg) => partsOf(arg, ops));
  if ('not' in filter) return partsOf(filter.not as Filter, ops);
  const { property, ...operators } = filter as { readonly property: string } & Readonly<Record<string, unknown>>;
  return Object.entries(operators).map(([op, operand]) => ({ property, op, operand }));
}

const DST_HOUR = /^2026-(?:03-29T0[013]|10-2[45]T(?:2[23]|0[0123]))/;
const LIMITS: readonly (readonly [string, (text: string) => boolean])[] = [
  ['single quote', (text) => text.includes("'")],
  ['double quote', (text) => text.includes('"')],
  ['per cent sign', (text) => text.includes('%')],
  ['underscore', (text) => text.includes('_')],
  ['backslash', (text) => text.includes('\\')],
  ['control character', (text) => /\p{Cc}/u.test(text)],
  ['NFC', (text) => text === 'é' || text === 'É'],
  ['NFD', (text) => text.normalize('NFC') !== text],
  ['empty text', (text) => text === ''],
  ['blank at an end', (text) => text !== text.trim()],
  ['text around 50 characters', (text) => text.length >= 49 && text.length <= 51],
  ['text around 250 characters', (text) => text.length >= 249 && text.length <= 251],
  ['above U+FFFF', (text) => /[\u{10000}-\u{10ffff}]/u.test(text)],
];

/** The classes of difficulty one case belongs to. `matches`: records that match its filter. */
export function classesOf(question: Question, kind: string, matches: readonly Row[]): readonly string[] {
  const ops = new Set<string>();
  const parts = question.filter === null ? [] : partsOf(question.filter, ops);
  const classes = new Set<string>([question.kind, ...ops]);
  for (const { property, op, operand } of parts) {
    classes.add(`operator ${op}`);
    if (op === 'isNull') classes.add('null');
    for (const text of textsIn(operand))
      if (property === 's') for (const [name, test] of LIMITS) if (test(text)) classes.add(name);
    const wide = [operand].flat().some((value) => /^-?90071992547409\d\d$/.test(String(value)));
    if (property === 'i' && wide) classes.add('around 2^53');
    if (property === 't' && textsIn(operand).some((text) => DST_HOUR.test(text))) classes.add('hour of a clock change');
  }
  if (question.sort.length > 0) classes.add('sorted');
  if (question.sort.some(({ property }) => matches.some((row) => row[property] === null))) classes.add('sorted nulls');
  if (matches.length === 0) classes.add('no match');
  if (question.kind === 'pages' && question.small !== null) {
    const { page, window } = question.small;
    if (matches.length > page) classes.add('beyond a page cap');
    if (matches.length > window) classes.add('beyond a window');
  }
  if (matches.length >= 99 && matches.length <= 101) classes.add("around Opendatasoft's own page of 100");
  if (matches.length > 9_000) classes.add("around Opendatasoft's own window of 10,000");
  if (kind === 'ckan' && question.cap !== null && matches.length > question.cap) classes.add('beyond a silent cap');
  if (question.kind === 'stream' && question.resumed !== null && question.sort.length === 0)
    classes.add('continued stream');
  return [...classes];
}
