import { distanceMetres, isInBox, isShapeWithin, parseWkt, shapesIntersect, toShape } from '../geo.ts';
import type { Position, Shape } from '../geo.ts';
import type { PortalQuirks } from '../portal.ts';
import { textQuirk } from '../quirks.ts';
import { foldText, isWithinEdits, toTokens } from '../text-search.ts';
import type { Call, Condition, Expression } from './ast.ts';
import { OdsqlError } from './odsql-error.ts';
import type { Column, RowSchema } from './schema.ts';
import { adjustNow, formatDate, parseDateLiteral, toDateParts } from './time.ts';

export interface QueryContext {
  readonly timezone: string;
  readonly language: string;
  readonly nowMs: number;
  readonly quirks: PortalQuirks;
}

/** `instant` serves date and datetime: milliseconds since 1970. */
type ValueType = 'text' | 'number' | 'instant' | 'boolean' | 'geo' | 'other' | 'null';

export interface Compiled<Row> {
  readonly type: ValueType;
  readonly isMultivalued: boolean;
  /** Null, a scalar of `type`, or an array of those when multivalued. */
  readonly get: (row: Row) => unknown;
  /** The column itself, when the expression is nothing but a column. */
  readonly column: Column<Row> | null;
}

const VALUE_TYPES: Readonly<Record<Column<unknown>['type'], ValueType>> = {
  text: 'text',
  int: 'number',
  double: 'number',
  boolean: 'boolean',
  date: 'instant',
  datetime: 'instant',
  geo_point_2d: 'geo',
  geo_shape: 'geo',
  file: 'other',
  json_blob: 'other',
};

export const AGGREGATES: ReadonlySet<string> = new Set([
  'count',
  'avg',
  'sum',
  'min',
  'max',
  'median',
  'percentile',
  'bbox',
]);

const DATE_PARTS = ['year', 'month', 'day', 'hour', 'minute', 'second'] as const;
type DatePart = (typeof DATE_PARTS)[number];
const isDatePart = (name: string): name is DatePart => (DATE_PARTS as readonly string[]).includes(name);

const isNumeric = (value: unknown): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

/** @throws OdsqlError `Unknown field`, or for a field that may not be used. */
export function resolveColumn<Row>(name: string, schema: RowSchema<Row>): Column<Row> {
  if (schema.forbidden.has(name)) throw new OdsqlError(`Field ${name} is not allowed in the current clause`);
  const column = schema.columns.get(name);
  if (column === undefined) throw new OdsqlError(`Unknown field: ${name}`, true);
  return column;
}

const toInstant = (value: unknown): number | null => {
  if (typeof value !== 'string') return null;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? null : ms;
};

function arity(call: Call, least: number, most = least): void {
  if (call.args.length < least || call.args.length > most || (call.distinct && call.name !== 'count'))
    throw new OdsqlError(`Wrong number of arguments for function ${call.name}`);
}

function constant<Row>(type: ValueType, value: unknown): Compiled<Row> {
  return { type, isMultivalued: false, get: () => value, column: null };
}

export function compileExpression<Row>(
  expression: Expression,
  schema: RowSchema<Row>,
  context: QueryContext,
): Compiled<Row> {
  const compile = (inner: Expression): Compiled<Row> => compileExpression(inner, schema, context);
  const single = (inner: Expression | undefined, type: ValueType, what: string): Compiled<Row> => {
    const compiled = compile(inner ?? { kind: 'null' });
    if (compiled.type !== type || compiled.isMultivalued) throw new OdsqlError(`Wrong type of argument for ${what}`);
    return compiled;
  };
  switch (expression.kind) {
    case 'field': {
      const column = resolveColumn(expression.name, schema);
      const type = VALUE_TYPES[column.type];
      const convert = type === 'instant' ? toInstant : (value: unknown): unknown => value ?? null;
      const get = column.isMultivalued
        ? (row: Row): unknown => {
            const values = column.get(row);
            return Array.isArray(values) && values.length > 0 ? values.map(convert) : null;
          }
        : (row: Row): unknown => convert(column.get(row));
      return { type, isMultivalued: column.isMultivalued, get, column };
    }
    case 'text':
      return constant('text', expression.value);
    case 'number':
      return constant('number', expression.value);
    case 'boolean':
      return constant('boolean', expression.value);
    case 'null':
      return constant('null', null);
    case 'date':
      return constant('instant', parseDateLiteral(expression.text, context.timezone));
    case 'geom':
      return constant('geo', toGeometry(expression));
    case 'star':
    case 'measure':
    case 'named':
      throw new OdsqlError('Unexpected argument');
    case 'arithmetic': {
      const left = single(expression.left, 'number', `operator ${expression.op}`);
      const right = single(expression.right, 'number', `operator ${expression.op}`);
      const get = (row: Row): unknown => {
        const a = left.get(row);
        const b = right.get(row);
        if (!isNumeric(a) || !isNumeric(b)) return null;
        const [x, y] = [Number(a), Number(b)];
        switch (expression.op) {
          case '+':
            return x + y;
          case '-':
            return x - y;
          case '*':
            return x * y;
          case '/':
            return y === 0 ? null : x / y;
        }
      };
      return { type: 'number', isMultivalued: false, get, column: null };
    }
    case 'call': {
      const { name, args } = expression;
      const made = (type: ValueType, get: (row: Row) => unknown): Compiled<Row> => ({
        type,
        isMultivalued: false,
        get,
        column: null,
      });
      if (isDatePart(name)) {
        arity(expression, 1);
        const date = single(args[0], 'instant', name);
        return made('number', (row) => {
          const ms = date.get(row);
          return typeof ms === 'number' ? toDateParts(ms, zoneOf(date, context))[name] : null;
        });
      }
      switch (name) {
        case 'date_format': {
          arity(expression, 2);
          const date = single(args[0], 'instant', name);
          const format = args[1];
          if (format?.kind !== 'text') throw new OdsqlError('Wrong type of argument for date_format');
          formatDate(0, format.value, 'UTC', context.language);
          return made('text', (row) => {
            const ms = date.get(row);
            return typeof ms === 'number'
              ? formatDate(ms, format.value, zoneOf(date, context), context.language)
              : null;
          });
        }
        case 'length':
        case 'lower': {
          arity(expression, 1);
          const text = single(args[0], 'text', name);
          const isLength = name === 'length';
          return made(isLength ? 'number' : 'text', (row) => {
            const value = text.get(row);
            if (typeof value !== 'string') return null;
            return isLength ? Array.from(value).length : value.toLowerCase();
          });
        }
        case 'ifnull': {
          arity(expression, 2);
          const first = compile(args[0] ?? { kind: 'null' });
          const second = compile(args[1] ?? { kind: 'null' });
          if (first.isMultivalued || (second.type !== first.type && second.type !== 'null'))
            throw new OdsqlError('Wrong type of argument for ifnull');
          return made(first.type, (row) => first.get(row) ?? second.get(row));
        }
        case 'distance': {
          arity(expression, 2);
          const place = single(args[0], 'geo', name);
          const center = toCenter(args[1]);
          return made('number', (row) => {
            const shape = toShape(place.get(row));
            return shape === null ? null : distanceMetres(shape, center);
          });
        }
        case 'now': {
          const parameters = new Map<string, number>();
          for (const argument of args) {
            if (argument.kind !== 'named' || argument.value.kind !== 'number')
              throw new OdsqlError('Wrong type of argument for now');
            parameters.delete(argument.name);
            parameters.set(argument.name, Number(argument.value.value));
          }
          return constant('instant', adjustNow(context.nowMs, parameters));
        }
        default:
          throw new OdsqlError(
            AGGREGATES.has(name)
              ? `Aggregation ${name} is not allowed in the current clause`
              : `Unknown function: ${name}`,
          );
      }
    }
  }
}

/** Days have no zone: only instants move with the zone of the request. */
const zoneOf = <Row>(date: Compiled<Row>, context: QueryContext): string =>
  date.column?.type === 'date' ? 'UTC' : context.timezone;

function toGeometry(expression: Expression | undefined): Shape {
  if (expression?.kind !== 'geom') throw new OdsqlError('A geometry literal is expected');
  let shape: Shape | null = null;
  if (expression.text.trimStart().startsWith('{')) {
    try {
      shape = toShape(JSON.parse(expression.text));
    } catch {
      shape = null;
    }
  } else shape = parseWkt(expression.text);
  if (shape === null) throw new OdsqlError('Invalid geometry literal');
  return shape;
}

function toCenter(expression: Expression | undefined): Position {
  const shape = toGeometry(expression);
  const [point] = shape.points;
  if (point === undefined || shape.points.length !== 1 || shape.lines.length + shape.polygons.length > 0)
    throw new OdsqlError('The center must be a point');
  return point;
}

const METRES: Readonly<Record<string, number>> = {
  mi: 1609.344,
  yd: 0.9144,
  ft: 0.3048,
  m: 1,
  cm: 0.01,
  km: 1000,
  mm: 0.001,
};

type Truth = boolean | null;
type Test<Row> = (row: Row) => Truth;

/** Compares two scalars of one type; callers have excluded null. */
function compareScalars(a: unknown, b: unknown): number {
  // Both sides were checked to be of one ordered type; JavaScript orders numbers and bigints together.
  const x = a as number;
  const y = b as number;
  return x < y ? -1 : x > y ? 1 : 0;
}

function createTextEquality(quirks: PortalQuirks): (a: unknown, b: unknown) => boolean {
  const fold = textQuirk(quirks);
  if (fold === null) return (a, b) => a === b;
  const normalise = (value: unknown): unknown => (typeof value === 'string' ? fold(value) : value);
  return (a, b) => normalise(a) === normalise(b);
}

const textsOf = (value: unknown): readonly string[] => {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];
};

function fuzzyMatches(token: string, term: string): boolean {
  const limit = term.length > 5 ? 2 : term.length > 2 ? 1 : 0;
  return limit === 0 ? token === term : isWithinEdits(token, term, limit);
}

function compileTextPredicate<Row>(call: Call, schema: RowSchema<Row>): Test<Row> {
  const needle = call.args.at(-1);
  if (needle?.kind !== 'text') throw new OdsqlError(`Wrong type of argument for function ${call.name}`);
  const named = call.args.slice(0, -1);
  const columns = named.some(({ kind }) => kind === 'star')
    ? schema.searched
    : named.map((argument) => {
        if (argument.kind !== 'field') throw new OdsqlError(`Wrong type of argument for function ${call.name}`);
        const column = resolveColumn(argument.name, schema);
        if (column.type !== 'text') throw new OdsqlError(`Function ${call.name} is only allowed on text fields`);
        return column;
      });
  const searched = columns.length === 0 ? schema.searched : columns;
  const terms = toTokens(needle.value);
  const last = terms.at(-1);
  const matches = (text: string): boolean => {
    if (call.name === 'startswith') return text.startsWith(needle.value);
    if (last === undefined) return true;
    const tokens = toTokens(text);
    if (call.name === 'suggest') return terms.every((term) => tokens.some((token) => token.startsWith(term)));
    return terms.every((term, index) =>
      tokens.some((token) => (index === terms.length - 1 ? token.startsWith(term) : fuzzyMatches(token, term))),
    );
  };
  return (row) => searched.some((column) => textsOf(column.get(row)).some(matches));
}

function numberOf(expression: Expression | undefined, name: string): number {
  if (expression?.kind !== 'number') throw new OdsqlError(`Wrong type of argument for function ${name}`);
  return Number(expression.value);
}

function compileGeoPredicate<Row>(
  call: Call,
  schema: RowSchema<Row>,
  context: QueryContext,
  unknown: Truth,
): Test<Row> {
  const { name, args } = call;
  const [first] = args;
  if (first?.kind !== 'field') throw new OdsqlError(`Wrong type of argument for function ${name}`);
  const place = compileExpression(first, schema, context);
  if (place.type !== 'geo') throw new OdsqlError(`Function ${name} is only allowed on geo fields`);
  const on =
    (test: (shape: Shape) => boolean): Test<Row> =>
    (row) => {
      const shape = toShape(place.get(row));
      return shape === null ? unknown : test(shape);
    };
  switch (name) {
    case 'within_distance':
    case 'distance': {
      arity(call, 3);
      const center = toCenter(args[1]);
      const [, , measure] = args;
      const factor = measure?.kind === 'measure' ? METRES[measure.unit.toLowerCase()] : 1;
      if (factor === undefined) throw new OdsqlError('Unknown unit of distance');
      const metres = (measure?.kind === 'measure' ? measure.amount : numberOf(measure, name)) * factor;
      return on((shape) => distanceMetres(shape, center) <= metres);
    }
    case 'in_bbox': {
      arity(call, 5);
      const [, lat1, lon1, lat2, lon2] = args;
      const lats = [numberOf(lat1, name), numberOf(lat2, name)];
      const lons = [numberOf(lon1, name), numberOf(lon2, name)];
      if (lats.some((lat) => Math.abs(lat) > 90) || lons.some((lon) => Math.abs(lon) > 180))
        throw new OdsqlError('in_bbox takes latitude, longitude, latitude, longitude in degrees');
      const box = {
        west: Math.min(...lons),
        east: Math.max(...lons),
        south: Math.min(...lats),
        north: Math.max(...lats),
      };
      return on((shape) => isInBox(shape, box));
    }
    case 'geometry': {
      arity(call, 3);
      const [, , mode] = args;
      const verb = mode?.kind === 'field' ? mode.name.toLowerCase() : '';
      if (verb !== 'intersects' && verb !== 'disjoint' && verb !== 'within')
        throw new OdsqlError('Wrong type of argument for function geometry');
      return compileGeoPredicate({ ...call, name: verb, args: args.slice(0, 2) }, schema, context, unknown);
    }
    default: {
      arity(call, 2);
      const other = toGeometry(args[1]);
      if (name === 'intersects') return on((shape) => shapesIntersect(shape, other));
      if (name === 'disjoint') return on((shape) => !shapesIntersect(shape, other));
      return on((shape) => isShapeWithin(shape, other));
    }
  }
}

/** Compiles a where clause; the result says whether a row is in the answer. */
export function compileWhere<Row>(
  condition: Condition,
  schema: RowSchema<Row>,
  context: QueryContext,
): (row: Row) => boolean {
  // "A comparison involving at least one null value is false", so NOT turns it into true, unless the quirk says SQL.
  const unknown: Truth = context.quirks.twoValuedNot === false ? null : false;
  const equalTexts = createTextEquality(context.quirks);
  const areDoubles = context.quirks.comparesDoubles === true;
  const compare = (a: unknown, b: unknown): number =>
    areDoubles && isNumeric(a) && isNumeric(b) ? compareScalars(Number(a), Number(b)) : compareScalars(a, b);

  const isEqual = (type: ValueType, a: unknown, b: unknown): boolean => {
    if (type === 'text') return equalTexts(a, b);
    return isNumeric(a) && isNumeric(b) ? compare(a, b) === 0 : a === b;
  };

  const overValues = (left: Compiled<Row>, test: (value: unknown) => boolean): Test<Row> => {
    if (left.isMultivalued)
      return (row) => {
        const values = left.get(row);
        return Array.isArray(values) ? values.some((value) => value !== null && test(value)) : unknown;
      };
    return (row) => {
      const value = left.get(row);
      return value === null ? unknown : test(value);
    };
  };

  const literalOf = (expression: Expression, left: Compiled<Row>): unknown => {
    const isCall = expression.kind === 'call' && expression.name === 'now';
    const isLiteral = ['text', 'number', 'boolean', 'date', 'null'].includes(expression.kind);
    if (!isCall && !isLiteral) throw new OdsqlError('A literal is expected on the right of a comparison');
    const right = compileExpression(expression, schema, context);
    if (right.type !== left.type && right.type !== 'null')
      throw new OdsqlError(`A literal of type ${right.type} cannot be compared with a field of type ${left.type}`);
    // A literal does not look at its row.
    return right.get(undefined as never);
  };

  const build = (node: Condition): Test<Row> => {
    switch (node.kind) {
      case 'and':
      case 'or': {
        const left = build(node.left);
        const right = build(node.right);
        const decisive = node.kind === 'or';
        return (row) => {
          const a = left(row);
          if (a === decisive) return decisive;
          const b = right(row);
          if (b === decisive) return decisive;
          return a === null || b === null ? null : !decisive;
        };
      }
      case 'not': {
        const inner = build(node.condition);
        return (row) => {
          const truth = inner(row);
          return truth === null ? null : !truth;
        };
      }
      case 'freeText': {
        const terms = toTokens(node.text);
        return (row) => {
          const tokens = new Set(schema.searched.flatMap((column) => textsOf(column.get(row)).flatMap(toTokens)));
          return terms.every((term) => tokens.has(term));
        };
      }
      case 'compare': {
        const left = compileExpression(node.left, schema, context);
        if (left.type === 'geo' || left.type === 'other' || left.type === 'null')
          throw new OdsqlError(`Operator ${node.op} is not allowed on this type of field`);
        if (node.op !== '=' && (left.type === 'text' || left.type === 'boolean'))
          throw new OdsqlError(`Operator ${node.op} is not allowed on ${left.type} fields`);
        const right = literalOf(node.right, left);
        if (right === null) return () => unknown;
        const { op } = node;
        return overValues(left, (value) => {
          if (op === '=') return isEqual(left.type, value, right);
          const order = compare(value, right);
          if (order === 0 && context.quirks.loosensBounds === true) return true;
          return op === '>' ? order > 0 : op === '<' ? order < 0 : op === '>=' ? order >= 0 : order <= 0;
        });
      }
      case 'like': {
        const left = compileExpression(node.left, schema, context);
        if (left.type !== 'text') throw new OdsqlError('LIKE is only allowed on text fields');
        if (/\*(?=[\p{L}\p{N}])/u.test(node.pattern))
          throw new OdsqlError('A wildcard is only allowed at the end of a word');
        const terms = (foldText(node.pattern).match(/[\p{L}\p{N}]+\*?/gu) ?? []).map((term) => ({
          word: term.replace(/\*$/, ''),
          isPrefix: term.endsWith('*'),
        }));
        return overValues(left, (value) => {
          const tokens = toTokens(String(value));
          return terms.every(({ word, isPrefix }) =>
            tokens.some((token) => (isPrefix ? token.startsWith(word) : token === word)),
          );
        });
      }
      case 'inList': {
        const left = compileExpression(node.left, schema, context);
        if (left.type === 'geo' || left.type === 'other' || left.type === 'null')
          throw new OdsqlError('IN is not allowed on this type of field');
        const values = node.values.map((value) => literalOf(value, left)).filter((value) => value !== null);
        return overValues(left, (value) => values.some((candidate) => isEqual(left.type, value, candidate)));
      }
      case 'inRange': {
        const left = compileExpression(node.left, schema, context);
        if (left.type !== 'number' && left.type !== 'instant')
          throw new OdsqlError('A range is only allowed on numeric and date fields');
        const lower = literalOf(node.lower, left);
        const upper = literalOf(node.upper, left);
        if (lower === null || upper === null) throw new OdsqlError('A range cannot end in null');
        return overValues(left, (value) => {
          const low = compareScalars(value, lower);
          const high = compareScalars(value, upper);
          return (node.lowerOpen ? low > 0 : low >= 0) && (node.upperOpen ? high < 0 : high <= 0);
        });
      }
      case 'literalIn': {
        const left = compileExpression(node.field, schema, context);
        if (left.column === null || !left.isMultivalued)
          throw new OdsqlError('A literal can only be searched in a multivalued field');
        const literal = literalOf(node.literal, left);
        return overValues(left, (value) => isEqual(left.type, value, literal));
      }
      case 'isNull': {
        const left = compileExpression(node.left, schema, context);
        if (left.column === null) throw new OdsqlError('IS NULL is only allowed on fields');
        const { emptyIsNull } = context.quirks;
        return (row) => {
          const value = left.get(row);
          return value === null || (emptyIsNull === true && value === '');
        };
      }
      case 'isTrue': {
        const left = compileExpression(node.left, schema, context);
        if (left.type !== 'boolean') throw new OdsqlError('A boolean field is expected');
        return overValues(left, (value) => value === node.value);
      }
      case 'predicate': {
        const { name } = node.call;
        return name === 'search' || name === 'suggest' || name === 'startswith'
          ? compileTextPredicate(node.call, schema)
          : compileGeoPredicate(node.call, schema, context, unknown);
      }
    }
  };

  const test = build(condition);
  return (row) => test(row) === true;
}
