import type { Geometry } from '@civex/model';
import type { FilterInput } from '@civex/query';
import { FILTER_LIMITS, isGeometryObject } from '@civex/query';
import type { Faults, Members } from './faults.ts';
import { isName, isObject } from './faults.ts';

/** Characters of a column's name. */
export const NAME_LENGTH = 200;

const COMPARISONS: ReadonlySet<string> = new Set(['eq', 'ne', 'lt', 'lte', 'gt', 'gte']);
const OPERATORS: ReadonlySet<string> = new Set([
  ...COMPARISONS,
  'in',
  'between',
  'like',
  'isNull',
  'intersects',
  'bbox',
  'withinMetres',
]);
const FOLDS: ReadonlySet<string> = new Set(['caseInsensitive', 'accentInsensitive']);

const isNumbers = (value: unknown, length: number): value is readonly number[] =>
  Array.isArray(value) && value.length === length && value.every((part) => Number.isFinite(part));

/** -0 is written as 0, so that what is kept is what is read again. */
const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === 'boolean' ||
  Number.isFinite(value) ||
  (typeof value === 'string' && value.length <= FILTER_LIMITS.textLength && value.isWellFormed());
const plain = (value: string | number | boolean): string | number | boolean =>
  typeof value === 'number' ? value + 0 : value;

const GEOMETRY_MEMBERS: ReadonlySet<string> = new Set(['type', 'coordinates', 'geometries']);

/** False for members that could change what the coordinates mean, such as `crs`. */
const isBare = (geometry: Geometry): boolean =>
  Object.keys(geometry).every((key) => GEOMETRY_MEMBERS.has(key)) && (geometry.geometries ?? []).every(isBare);

const withoutMinusZero = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(withoutMinusZero) : typeof value === 'number' ? value + 0 : value;

const copyGeometry = ({ type, coordinates, geometries }: Geometry): Geometry =>
  geometries === undefined
    ? { type, coordinates: withoutMinusZero(coordinates) }
    : { type, geometries: geometries.map(copyGeometry) };

/**
 * A copy of a row rule that is plain JSON and within FILTER_LIMITS: its shape is that of `FilterInput`, whose columns and
 * types are looked at when it is bound to a dataset. Null, and a fault added, for what is not.
 */
export function copyRows(input: unknown, where: string, faults: Faults): FilterInput | null {
  let nodes = 0;
  const wrong = (at: string, what: string): null => {
    faults.add(at, what);
    return null;
  };

  const copyOperand = (operator: string, value: unknown, at: string): unknown => {
    const scalar = (entry: unknown, spot: string): unknown =>
      isScalar(entry)
        ? plain(entry)
        : wrong(
            spot,
            `takes a text of at most ${FILTER_LIMITS.textLength} characters, a finite number, true or false; whole numbers beyond 2^53 as texts of digits.`,
          );
    const list = (least: number, most: number): unknown =>
      Array.isArray(value) && value.length >= least && value.length <= most
        ? Array.from(value, (entry, index) => scalar(entry, `${at}[${index}]`))
        : wrong(at, least === most ? `takes ${least} values.` : `takes a list of ${least} to ${most} values.`);
    if (COMPARISONS.has(operator)) return scalar(value, at);
    switch (operator) {
      case 'in':
        return list(1, FILTER_LIMITS.listLength);
      case 'between':
        return list(2, 2);
      case 'like':
        return typeof value === 'string' ? scalar(value, at) : wrong(at, 'takes a text.');
      case 'isNull':
        return typeof value === 'boolean' ? value : wrong(at, 'takes true or false.');
      case 'intersects':
        return isGeometryObject(value, FILTER_LIMITS.positions) && isBare(value)
          ? copyGeometry(value)
          : wrong(
              at,
              `takes an RFC 7946 geometry of at most ${FILTER_LIMITS.positions} positions, with no members but type and coordinates or geometries.`,
            );
      case 'bbox':
        return isNumbers(value, 4)
          ? value.map((part) => part + 0)
          : wrong(at, 'takes four numbers: west, south, east, north.');
      case 'withinMetres': {
        const { lon, lat, metres, ...rest } = isObject(value) ? value : {};
        const numbers = [lon, lat, metres];
        if (!isNumbers(numbers, 3) || Object.keys(rest).length > 0) return wrong(at, 'takes lon, lat and metres.');
        const [x = 0, y = 0, radius = 0] = numbers;
        return { lon: x + 0, lat: y + 0, metres: radius + 0 };
      }
      default:
        return null;
    }
  };

  const copyPredicate = (node: Members, keys: readonly string[], at: string): FilterInput | null => {
    const property = node['property'];
    if (!isName(property, NAME_LENGTH))
      return wrong(`${at}.property`, `takes the name of a column, 1 to ${NAME_LENGTH} characters.`);
    const operators = keys.filter((key) => key !== 'property' && !FOLDS.has(key));
    const [operator] = operators;
    if (operator === undefined || operators.length > 1 || !OPERATORS.has(operator))
      return wrong(at, `takes exactly one operator with a property: ${[...OPERATORS].join(', ')}.`);
    const folds: Record<string, true> = {};
    for (const fold of keys.filter((key) => FOLDS.has(key))) {
      const isWanted = node[fold] ?? false;
      if (typeof isWanted !== 'boolean') return wrong(`${at}.${fold}`, 'takes true or false.');
      if (isWanted) folds[fold] = true;
    }
    return { property, [operator]: copyOperand(operator, node[operator], `${at}.${operator}`), ...folds };
  };

  const copyNode = (value: unknown, at: string, depth: number): FilterInput | null => {
    if (!isObject(value)) return wrong(at, 'takes a filter object.');
    if (++nodes > FILTER_LIMITS.nodes)
      return nodes === FILTER_LIMITS.nodes + 1 ? wrong(at, `at most ${FILTER_LIMITS.nodes} conditions.`) : null;
    if (depth > FILTER_LIMITS.depth) return wrong(at, `nested deeper than ${FILTER_LIMITS.depth} levels.`);
    const keys = Object.keys(value).filter((key) => value[key] !== undefined);
    const heads = keys.filter((key) => key === 'and' || key === 'or' || key === 'not' || key === 'property');
    const [head] = heads;
    if (head === undefined || heads.length > 1) return wrong(at, 'takes exactly one of and, or, not, property.');
    if (head === 'property') return copyPredicate(value, keys, at);
    if (keys.length > 1) return wrong(at, `${head} stands alone.`);
    if (head === 'not') return { not: copyNode(value['not'], `${at}.not`, depth + 1) };
    const args = value[head];
    if (!Array.isArray(args) || args.length === 0 || args.length > FILTER_LIMITS.nodes)
      return wrong(`${at}.${head}`, `takes a list of 1 to ${FILTER_LIMITS.nodes} filters.`);
    return { [head]: Array.from(args, (entry, index) => copyNode(entry, `${at}.${head}[${index}]`, depth + 1)) };
  };

  return copyNode(input, where, 1);
}
