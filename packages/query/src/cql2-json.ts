import { HubError } from '@civex/errors';
import type { Queryable } from '@civex/model';
import { bindOperator, createNodeBudget, depthOf, findQueryable, refuse } from './bind.ts';
import type { TemporalEnd, TemporalOperand } from './cql2-temporal.ts';
import { bindTemporal, isTemporal } from './cql2-temporal.ts';
import { COMPARISON_WORDS, explainUnsupported, METRES, MIRRORED } from './cql2-unsupported.ts';
import type { RecordFilter, TextFold } from './filter.ts';
import { bothFolds, foldPredicate } from './fold-text.ts';

type JsonObject = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Members beside the expected ones change a meaning we do not know, so they are refused and not skipped. */
function assertMembers(value: JsonObject, members: readonly string[], at: string): void {
  const stranger = Object.keys(value).find((key) => !members.includes(key));
  if (stranger !== undefined) refuse(at, `unknown member "${stranger.slice(0, 40)}".`);
}

/** What stands inside CASEI and ACCENTI. */
interface Folded {
  readonly inner: unknown;
  readonly fold: TextFold | null;
  readonly at: string;
}
interface FoldedProperty {
  readonly queryable: Queryable;
  readonly fold: TextFold | null;
}
interface FoldedLiteral {
  readonly value: unknown;
  readonly fold: TextFold | null;
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

  /** What stands inside CASEI and ACCENTI, at most 8 of them, and where. */
  const unfold = (given: unknown, place: string): Folded => {
    let folded: Folded = { inner: given, fold: null, at: place };
    for (let depth = 0; ; depth++) {
      const { inner, fold, at } = folded;
      const op = isObject(inner) && typeof inner['op'] === 'string' ? inner['op'].toLowerCase() : null;
      if (!isObject(inner) || (op !== 'casei' && op !== 'accenti')) return folded;
      if (depth === 8) throw new HubError('INPUT_TOO_COSTLY', `${at}: more than 8 casei and accenti in one another.`);
      assertMembers(inner, ['op', 'args'], at);
      const [argument] = readArgs(inner['args'], 1, 1, `${at}.args`);
      folded = {
        inner: argument,
        fold: bothFolds(fold, op === 'casei' ? 'case' : 'accent'),
        at: `${at}.args[0]`,
      };
    }
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

  /** A property with or without CASEI and ACCENTI around it; null when something else stands here. */
  const readFoldedProperty = (operand: unknown, place: string): FoldedProperty | null => {
    const { inner, fold, at } = unfold(operand, place);
    const queryable = readProperty(inner, at);
    if (queryable === null) return null;
    if (fold !== null && queryable.type !== 'STRING')
      return refuse(at, `casei and accenti take texts; property "${queryable.name}" is ${queryable.type}.`);
    return { queryable, fold };
  };
  const mustBeFoldedProperty = (operand: unknown, at: string): FoldedProperty =>
    readFoldedProperty(operand, at) ?? refuse(at, 'expected { "property": ... }.');

  /** A literal with or without CASEI and ACCENTI around it. */
  const readFoldedLiteral = (operand: unknown, queryable: Queryable, place: string): FoldedLiteral => {
    const { inner, fold, at } = unfold(operand, place);
    const value = readLiteral(inner, queryable, at);
    if (fold !== null && typeof value !== 'string') return refuse(at, 'casei and accenti take texts.');
    return { value, fold };
  };

  function readLiteral(operand: unknown, queryable: Queryable, at: string): unknown {
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
  }

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

  const readTemporalEnd = (end: unknown, at: string, isEnd: boolean): TemporalEnd<string> => {
    const queryable = readProperty(end, at);
    if (queryable !== null)
      return queryable.type === 'DATE' || queryable.type === 'DATETIME'
        ? { kind: 'property', queryable, at }
        : refuse(at, `property "${queryable.name}" is ${queryable.type}; temporal predicates take DATE and DATETIME.`);
    if (isEnd) {
      if (typeof end !== 'string') return refuse(at, 'expected an instant as a text, ".." or { "property": ... }.');
      return end === '..' ? { kind: 'open', at } : { kind: 'literal', type: 'text', value: end, at };
    }
    for (const type of ['date', 'timestamp'] as const) {
      if (!isObject(end) || !(type in end)) continue;
      assertMembers(end, [type], at);
      const value = end[type];
      return typeof value === 'string'
        ? { kind: 'literal', type, value, at }
        : refuse(`${at}.${type}`, 'must be a text.');
    }
    return refuse(
      at,
      'expected { "date": ... }, { "timestamp": ... }, { "interval": [ ... ] } or { "property": ... }.',
    );
  };
  const readTemporalOperand = (operand: unknown, at: string): TemporalOperand<string> => {
    if (!isObject(operand) || !('interval' in operand)) {
      const instant = readTemporalEnd(operand, at, false);
      return { start: instant, end: instant, at };
    }
    assertMembers(operand, ['interval'], at);
    const [start, end] = readArgs(operand['interval'], 2, 2, `${at}.interval`);
    return {
      start: readTemporalEnd(start, `${at}.interval[0]`, true),
      end: readTemporalEnd(end, `${at}.interval[1]`, true),
      at,
    };
  };
  const readTemporal = (op: string, args: readonly unknown[], at: string, depth: number): RecordFilter => {
    const [left, right] = args.map((operand, index) => readTemporalOperand(operand, `${at}[${index}]`));
    if (left === undefined || right === undefined) return refuse(at, 'expected 2 entries.');
    return bindTemporal(op, left, right, {
      fail: refuse,
      compare(queryable, sign, literal) {
        budget.take(depth);
        const { type, value } = literal;
        return bind(sign, readLiteral(type === 'text' ? value : { [type]: value }, queryable, literal.at), queryable, literal.at); // prettier-ignore
      },
      join(connective, parts) {
        budget.take(depth);
        return { op: connective, args: parts };
      },
    });
  };

  const readPredicate = (op: string, given: unknown, at: string, depth: number): RecordFilter => {
    const list = `${at}.args`;
    if (isTemporal(op)) return readTemporal(op, readArgs(given, 2, 2, list), list, depth);
    const sign = COMPARISON_WORDS.get(op);
    if (sign !== undefined) {
      const [left, right] = readArgs(given, 2, 2, list);
      const property = readFoldedProperty(left, `${list}[0]`);
      const isMirrored = property === null;
      const { queryable, fold } =
        property ??
        readFoldedProperty(right, `${list}[1]`) ??
        refuse(list, 'one side of a comparison must be { "property": ... }.');
      const spot = isMirrored ? `${list}[0]` : `${list}[1]`;
      const literal = readFoldedLiteral(isMirrored ? left : right, queryable, spot);
      const filter = bind(isMirrored ? MIRRORED[sign] : sign, literal.value, queryable, spot);
      return foldPredicate(filter, fold, [literal.fold]);
    }
    switch (op) {
      case 'like': {
        const [left, right] = readArgs(given, 2, 2, list);
        const { queryable, fold } = mustBeFoldedProperty(left, `${list}[0]`);
        const pattern = readFoldedLiteral(right, queryable, `${list}[1]`);
        return foldPredicate(bind('like', pattern.value, queryable, `${list}[1]`), fold, [pattern.fold]);
      }
      case 'between': {
        const [left, lower, upper] = readArgs(given, 3, 3, list);
        const { queryable, fold } = mustBeFoldedProperty(left, `${list}[0]`);
        const ats = [`${list}[1]`, `${list}[2]`];
        const bounds = [lower, upper].map((bound, index) =>
          readFoldedLiteral(bound, queryable, `${list}[${index + 1}]`),
        );
        const filter = bind('between', bounds.map(({ value }) => value), queryable, list, ats); // prettier-ignore
        return foldPredicate(filter, fold, bounds.map((bound) => bound.fold)); // prettier-ignore
      }
      case 'in': {
        const [left, right] = readArgs(given, 2, 2, list);
        const { queryable, fold } = mustBeFoldedProperty(left, `${list}[0]`);
        const at1 = `${list}[1]`;
        if (!Array.isArray(right)) return refuse(at1, 'expected a list.');
        const entries = right.map((_, index) => `${at1}[${index}]`);
        const literals = right.map((entry: unknown, index) => readFoldedLiteral(entry, queryable, `${at1}[${index}]`));
        const filter = bind('in', literals.map(({ value }) => value), queryable, at1, entries); // prettier-ignore
        return foldPredicate(filter, fold, literals.map((literal) => literal.fold)); // prettier-ignore
      }
      case 'isNull': {
        const [operand] = readArgs(given, 1, 1, list);
        return bind('isNull', true, mustBeFoldedProperty(operand, `${list}[0]`).queryable, `${list}[0]`);
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
    if (op !== 'and' && op !== 'or' && op !== 'not') return readPredicate(op, args, at, depth);
    const parts = readArgs(args, 1, op === 'not' ? 1 : Infinity, `${at}.args`);
    const [first, ...others] = parts.map((part, index) => readNode(part, `${at}.args[${index}]`, depth + 1));
    if (first === undefined) return refuse(`${at}.args`, 'expected a list.');
    return op === 'not' ? { op, args: [first] } : { op, args: [first, ...others] };
  };

  const filter = readNode(value, where, 1);
  createNodeBudget(where).take(depthOf(filter));
  return filter;
}
