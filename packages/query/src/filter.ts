import type { Bbox, Geometry, QueryableType } from '@civex/model';

export type ScalarValue = string | number | bigint | boolean;

/** exact: the source decides alone. inexact: it may return extra rows, never fewer. */
export type Fidelity = 'exact' | 'inexact';

/** Every predicate names its property and the property's type, so that nobody downstream has to guess it. */
interface PredicateBase {
  readonly property: string;
  readonly type: QueryableType;
}

/** How texts are compared that are not compared as written (CASEI and ACCENTI of CQL2): see `foldText`. */
export type TextFold = 'case' | 'accent' | 'case and accent';

/**
 * Of a STRING property: its values are folded before they are compared. The filter's own values are compared as they stand
 * here; whoever made it has folded them, or wanted them unfolded.
 */
interface Folding {
  readonly fold?: TextFold;
}

/** DATE values are `YYYY-MM-DD`, DATETIME values RFC 3339 with an offset, as the caller wrote
 * them but for zeros at the end of a fraction. */
export interface Comparison extends PredicateBase, Folding {
  readonly op: '=' | '<>' | '<' | '<=' | '>' | '>=';
  readonly value: ScalarValue;
}

export type Predicate =
  | Comparison
  | (PredicateBase & Folding & { readonly op: 'in'; readonly values: readonly ScalarValue[] })
  | (PredicateBase & Folding & { readonly op: 'between'; readonly lower: ScalarValue; readonly upper: ScalarValue })
  /** `%` any run, `_` one character (code point), `\` escapes. */
  | (PredicateBase & Folding & { readonly op: 'like'; readonly pattern: string })
  | (PredicateBase & { readonly op: 'isNull' })
  | (PredicateBase & { readonly op: 'intersects'; readonly geometry: Geometry })
  /** True where the geometry shares a point with the box. West greater than east crosses the antimeridian. */
  | (PredicateBase & { readonly op: 'bbox'; readonly bbox: Bbox })
  /** True where the geometry comes within `metres` of the point, on the sphere. */
  | (PredicateBase & {
      readonly op: 'withinMetres';
      readonly lon: number;
      readonly lat: number;
      readonly metres: number;
    });

export type PredicateOp = Predicate['op'];
export type Connective = 'and' | 'or' | 'not';

/** A CQL2 filter, bound to the queryables of one dataset. SQL three-valued logic. */
export type RecordFilter =
  | Predicate
  | { readonly op: 'and' | 'or'; readonly args: readonly RecordFilter[] }
  | { readonly op: 'not'; readonly args: readonly [RecordFilter] };

export interface SortKey {
  readonly property: string;
  readonly type: QueryableType;
  readonly direction: 'ASC' | 'DESC';
}

export function isPredicate(filter: RecordFilter): filter is Predicate {
  return filter.op !== 'and' && filter.op !== 'or' && filter.op !== 'not';
}

const literal = (value: ScalarValue, type: QueryableType): unknown => {
  if (typeof value === 'bigint') return value.toString();
  if (type === 'DATE') return { date: value };
  if (type === 'DATETIME') return { timestamp: value };
  return value;
};

const FOLD_FUNCTIONS: Readonly<Record<TextFold, readonly string[]>> = {
  case: ['casei'],
  accent: ['accenti'],
  'case and accent': ['accenti', 'casei'],
};

/** The folding of a predicate, or null when it compares what is written. */
export const foldOf = (predicate: Predicate): TextFold | null =>
  ('fold' in predicate ? predicate.fold : undefined) ?? null;

function propertyOf(predicate: Predicate): unknown {
  const fold = foldOf(predicate);
  const functions = fold === null ? [] : FOLD_FUNCTIONS[fold];
  return functions.reduce<unknown>((inner, op) => ({ op, args: [inner] }), { property: predicate.property });
}

/** The filter as CQL2 JSON, for people and logs. Big integers become decimal strings. */
export function toCql2Json(filter: RecordFilter): unknown {
  if (!isPredicate(filter)) return { op: filter.op, args: filter.args.map(toCql2Json) };
  const property = propertyOf(filter);
  switch (filter.op) {
    case 'in':
      return { op: 'in', args: [property, filter.values.map((value) => literal(value, filter.type))] };
    case 'between':
      return {
        op: 'between',
        args: [property, literal(filter.lower, filter.type), literal(filter.upper, filter.type)],
      };
    case 'like':
      return { op: 'like', args: [property, filter.pattern] };
    case 'isNull':
      return { op: 'isNull', args: [property] };
    case 'intersects':
      return { op: 's_intersects', args: [property, filter.geometry] };
    case 'bbox':
      return { op: 's_intersects', args: [property, { bbox: filter.bbox }] };
    case 'withinMetres':
      return {
        op: 's_dwithin',
        args: [property, { type: 'Point', coordinates: [filter.lon, filter.lat] }, filter.metres, 'metre'],
      };
    case '=':
    case '<>':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return { op: filter.op, args: [property, literal(filter.value, filter.type)] };
  }
}
