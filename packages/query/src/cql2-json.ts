import type { Queryable } from '@civex/model';
import { bindOperator, createNodeBudget, findQueryable, refuse } from './bind.ts';
import { COMPARISON_WORDS, explainUnsupported, METRES, MIRRORED } from './cql2-unsupported.ts';
import type { RecordFilter } from './filter.ts';

type JsonObject = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Members beside the expected ones change a meaning we do not know, so they are refused and not skipped. */
function assertMembers(value: JsonObject, members: readonly string[], at: string): void {
  const stranger = Object.keys(value).find((key) => !members.includes(key));
  if (stranger !== undefined) refuse(at, `unknown member "${stranger.slice(0, 40)}".`);
}

/** `{ date }` belongs to DATE properties, `{ timestamp }` to DATETIME ones. */
const INSTANTS: Readonly<Record<string, Queryable['type']>> = { date: 'DATE', timestamp: 'DATETIME' };

/**
 * Reads a filter written in CQL2 JSON (OGC 21-065r2) into the tree that `bindFilter` makes; the counterpart of
 * `toCql2Json`. Understands and refuses the same as `parseCql2Text`. Integers beyond 2^53 may be decimal strings or
 * `bigint`; texts are also taken for DATE and DATETIME properties.
 *
 * @throws HubError `INPUT_INVALID` naming the place ("filter.args[0].op"), the fault and the way out;
 * `INPUT_TOO_COSTLY` beyond FILTER_LIMITS.
 */
export function parseCql2Json(value: unknown, queryables: readonly Queryable[], where = 'filter'): RecordFilter {
  const byName = new Map(queryables.map((queryable) => [queryable.name, queryable]));
  const budget = createNodeBudget(where);

  const readArgs = (args: unknown, least: number, most: number, at: string): readonly unknown[] => {
    if (!Array.isArray(args)) return refuse(at, 'expected a list.');
    if (args.length >= least && args.length <= most) return args;
    const number = least === most ? String(least) : most === Infinity ? `at least ${least}` : `${least} to ${most}`;
    return refuse(at, `expected ${number} ${least === 1 && most === 1 ? 'entry' : 'entries'}; found ${args.length}.`);
  };

  /** Null when something other than a property stands here. */
  const readProperty = (operand: unknown, at: string): Queryable | null => {
    if (!isObject(operand)) return null;
    if ('op' in operand) {
      const { op } = operand;
      return refuse(`${at}.op`, typeof op === 'string' ? explainUnsupported(op) : 'must be a text.');
    }
    if ('interval' in operand) return refuse(at, explainUnsupported('interval'));
    if (!('property' in operand)) return null;
    assertMembers(operand, ['property'], at);
    const { property } = operand;
    if (typeof property !== 'string') return refuse(`${at}.property`, 'must be a text.');
    return findQueryable(property, byName, `${at}.property`);
  };
  const mustBeProperty = (operand: unknown, at: string): Queryable =>
    readProperty(operand, at) ?? refuse(at, 'expected { "property": ... }.');

  const readLiteral = (operand: unknown, queryable: Queryable, at: string): unknown => {
    if (readProperty(operand, at) !== null) return refuse(at, 'comparing two properties is not supported.');
    if (typeof operand === 'bigint')
      return queryable.type === 'INTEGER' ? String(operand) : queryable.type === 'NUMBER' ? Number(operand) : operand;
    if (!isObject(operand)) return operand;
    for (const [member, type] of Object.entries(INSTANTS)) {
      if (!(member in operand)) continue;
      assertMembers(operand, [member], at);
      if (queryable.type !== type)
        return refuse(
          at,
          `property "${queryable.name}" is ${queryable.type} and cannot be compared with a ${member.toUpperCase()}.`,
        );
      return operand[member];
    }
    return refuse(at, 'expected a value: a text, a number, true, false, { "date": ... } or { "timestamp": ... }.');
  };

  const bind = (operator: string, operand: unknown, queryable: Queryable, at: string, entries?: readonly string[]) =>
    bindOperator(operator, operand, queryable, (entry) => (entry === undefined ? at : (entries?.[entry] ?? at)));

  const readSpatial = (args: readonly unknown[], at: string): readonly [Queryable, unknown, string] => {
    const first = readProperty(args[0], `${at}[0]`);
    if (first !== null) {
      if (readProperty(args[1], `${at}[1]`) !== null)
        return refuse(`${at}[1]`, 'comparing two properties is not supported.');
      return [first, args[1], `${at}[1]`];
    }
    return [mustBeProperty(args[1], `${at}[1]`), args[0], `${at}[0]`];
  };

  const readPredicate = (op: string, given: unknown, at: string): RecordFilter => {
    const list = `${at}.args`;
    const sign = COMPARISON_WORDS.get(op);
    if (sign !== undefined) {
      const [left, right] = readArgs(given, 2, 2, list);
      const queryable = readProperty(left, `${list}[0]`);
      if (queryable !== null) return bind(sign, readLiteral(right, queryable, `${list}[1]`), queryable, `${list}[1]`);
      const mirrored = readProperty(right, `${list}[1]`);
      if (mirrored === null) return refuse(list, 'one side of a comparison must be { "property": ... }.');
      return bind(MIRRORED[sign], readLiteral(left, mirrored, `${list}[0]`), mirrored, `${list}[0]`);
    }
    switch (op) {
      case 'like': {
        const [left, right] = readArgs(given, 2, 2, list);
        const queryable = mustBeProperty(left, `${list}[0]`);
        return bind('like', readLiteral(right, queryable, `${list}[1]`), queryable, `${list}[1]`);
      }
      case 'between': {
        const [left, lower, upper] = readArgs(given, 3, 3, list);
        const queryable = mustBeProperty(left, `${list}[0]`);
        const ats = [`${list}[1]`, `${list}[2]`];
        const bounds = [lower, upper].map((bound, index) => readLiteral(bound, queryable, `${list}[${index + 1}]`));
        return bind('between', bounds, queryable, list, ats);
      }
      case 'in': {
        const [left, right] = readArgs(given, 2, 2, list);
        const queryable = mustBeProperty(left, `${list}[0]`);
        const at1 = `${list}[1]`;
        if (!Array.isArray(right)) return refuse(at1, 'expected a list.');
        const entries = right.map((_, index) => `${at1}[${index}]`);
        const values = right.map((entry: unknown, index) => readLiteral(entry, queryable, `${at1}[${index}]`));
        return bind('in', values, queryable, at1, entries);
      }
      case 'isNull': {
        const [operand] = readArgs(given, 1, 1, list);
        return bind('isNull', true, mustBeProperty(operand, `${list}[0]`), `${list}[0]`);
      }
      case 's_intersects': {
        const [queryable, shape, spot] = readSpatial(readArgs(given, 2, 2, list), list);
        if (!isObject(shape) || !('bbox' in shape) || 'type' in shape)
          return bind('intersects', shape, queryable, spot);
        assertMembers(shape, ['bbox'], spot);
        const { bbox } = shape;
        if (Array.isArray(bbox) && bbox.length === 6)
          return refuse(spot, 'a box with heights is not supported; write west, south, east, north.');
        return bind('bbox', bbox, queryable, spot);
      }
      case 's_dwithin': {
        const args = readArgs(given, 4, 4, list);
        const [queryable, point, spot] = readSpatial(args, list);
        const coordinates: unknown = isObject(point) && point['type'] === 'Point' ? point['coordinates'] : undefined;
        if (!Array.isArray(coordinates) || coordinates.length !== 2)
          return refuse(spot, 'takes a Point of longitude and latitude.');
        const [, , metres, unit] = args;
        if (typeof unit !== 'string' || !METRES.has(unit.toLowerCase()))
          return refuse(`${list}[3]`, 'expected the unit, "metre".');
        const [lon, lat]: readonly unknown[] = coordinates;
        return bind('withinMetres', { lon, lat, metres }, queryable, `${list}[2]`);
      }
      default:
        return refuse(`${at}.op`, explainUnsupported(op));
    }
  };

  const readNode = (node: unknown, at: string, depth: number): RecordFilter => {
    if (typeof node === 'boolean')
      return refuse(at, 'a bare true or false is not supported; compare a property with it.');
    if (!isObject(node)) return refuse(at, 'expected an object with op and args.');
    budget.take(depth);
    const { op, args } = node;
    if (typeof op !== 'string') return refuse(`${at}.op`, 'must be a text.');
    assertMembers(node, ['op', 'args'], at);
    if (op !== 'and' && op !== 'or' && op !== 'not') return readPredicate(op, args, at);
    const parts = readArgs(args, 1, op === 'not' ? 1 : Infinity, `${at}.args`);
    const [first, ...others] = parts.map((part, index) => readNode(part, `${at}.args[${index}]`, depth + 1));
    if (first === undefined) return refuse(`${at}.args`, 'expected a list.');
    return op === 'not' ? { op, args: [first] } : { op, args: [first, ...others] };
  };

  return readNode(value, where, 1);
}
