import { HubError } from '@civex/errors';
import type { Geometry, Queryable } from '@civex/model';
import { bindOperator, createNodeBudget, depthOf, FILTER_LIMITS, findQueryable, refuse } from './bind.ts';
import type { Token } from './cql2-text-tokens.ts';
import { readTokens } from './cql2-text-tokens.ts';
import type { TemporalEnd, TemporalOperand } from './cql2-temporal.ts';
import { bindTemporal, isTemporal } from './cql2-temporal.ts';
import { COMPARISON_WORDS, explainUnsupported, METRES, MIRRORED } from './cql2-unsupported.ts';
import type { RecordFilter, TextFold } from './filter.ts';
import { bothFolds, foldPredicate } from './fold-text.ts';

/** Words that are no property names unless quoted. */
const RESERVED: ReadonlySet<string> = new Set([
  'AND',
  'OR',
  'NOT',
  'LIKE',
  'BETWEEN',
  'IN',
  'IS',
  'NULL',
  'TRUE',
  'FALSE',
  'DIV',
]);

/** Open brackets and NOTs around one condition. Brackets leave no trace in the tree, whose own depth is smaller. */
const MOST_BRACKETS = 64;

/** Array levels of `coordinates` above a position, by WKT tag. */
const WKT: Readonly<Record<string, { readonly type: string; readonly levels: number }>> = {
  POINT: { type: 'Point', levels: 0 },
  MULTIPOINT: { type: 'MultiPoint', levels: 1 },
  LINESTRING: { type: 'LineString', levels: 1 },
  MULTILINESTRING: { type: 'MultiLineString', levels: 2 },
  POLYGON: { type: 'Polygon', levels: 2 },
  MULTIPOLYGON: { type: 'MultiPolygon', levels: 3 },
};

/** One side of a comparison. `type` of a literal is what its notation says, before it meets a property. */
type Operand =
  | { readonly kind: 'property'; readonly queryable: Queryable; readonly fold: TextFold | null; readonly at: number }
  | {
      readonly kind: 'literal';
      readonly type: 'text' | 'number' | 'boolean' | 'date' | 'timestamp';
      readonly value: string | boolean;
      readonly fold: TextFold | null;
      readonly at: number;
    };

type Literal = Extract<Operand, { kind: 'literal' }>;
type Shape =
  | { readonly kind: 'bbox'; readonly bbox: readonly number[]; readonly at: number }
  | { readonly kind: 'geometry'; readonly geometry: Geometry; readonly at: number };

/** Property types a literal of each notation can be compared with. */
const FITS: Readonly<Record<Literal['type'], ReadonlySet<Queryable['type']>>> = {
  text: new Set(['STRING', 'DATE', 'DATETIME']),
  number: new Set(['INTEGER', 'NUMBER']),
  boolean: new Set(['BOOLEAN']),
  date: new Set(['DATE']),
  timestamp: new Set(['DATETIME']),
};
const LITERAL_NAMES: Readonly<Record<Literal['type'], string>> = {
  text: 'a text',
  number: 'a number',
  boolean: 'TRUE or FALSE',
  date: 'a DATE',
  timestamp: 'a TIMESTAMP',
};

const isNumberType = (type: Queryable['type']): boolean => type === 'INTEGER' || type === 'NUMBER';

/** An integer too large for a number stays text, which INTEGER properties take; its digits would be lost otherwise. */
function toNumber(text: string): number | string {
  const value = Number(text);
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(value) ? text : value;
}

/**
 * Reads a filter written in CQL2 Text (OGC 21-065r2) into the tree that `bindFilter` makes: comparisons, `IN`,
 * `BETWEEN`, `LIKE`, `IS NULL` and their negations, `AND`, `OR`, `NOT`, brackets, `DATE('…')`, `TIMESTAMP('…')`,
 * `S_INTERSECTS` with a `BBOX` or a WKT geometry, and `S_DWITHIN(property, POINT(lon lat), distance, metre)`.
 *
 * `CASEI` and `ACCENTI` stand around STRING properties and texts (see `foldText`). The temporal predicates (`T_`) become the
 * comparisons that define them; one side is a property or an INTERVAL of two, the other an instant or an INTERVAL.
 *
 * Everything else of CQL2 is refused by name and position: arithmetic, functions, comparisons of two properties, array
 * (`A_`) and other spatial predicates, boxes with heights, bare TRUE and FALSE.
 * A text literal is also taken for DATE and DATETIME properties, in the form DATE and TIMESTAMP take.
 *
 * @throws HubError `INPUT_INVALID`: "position N: ...", counted in characters from 1; `INPUT_TOO_COSTLY` beyond
 * FILTER_LIMITS or 64 brackets around one condition.
 */
export function parseCql2Text(text: string, queryables: readonly Queryable[]): RecordFilter {
  if (text.length > FILTER_LIMITS.cql2Length)
    throw new HubError('INPUT_TOO_COSTLY', `filter: at most ${FILTER_LIMITS.cql2Length} characters.`);
  const place = (at: number): string => `position ${Array.from(text.slice(0, at)).length + 1}`;
  const fail = (at: number, what: string): never => refuse(place(at), what);

  const tokens = readTokens(text, FILTER_LIMITS.cql2Tokens);
  if ('what' in tokens) return fail(tokens.at, tokens.what);
  const end: Token = { kind: 'end', text: '', at: text.length };
  const byName = new Map(queryables.map((queryable) => [queryable.name, queryable]));
  const budget = createNodeBudget('filter');
  let next = 0;
  let brackets = 0;

  const peek = (ahead = 0): Token => tokens[next + ahead] ?? end;
  const advance = (): Token => {
    const token = peek();
    next++;
    return token;
  };
  const isSign = (token: Token, sign: string): boolean => token.kind === 'sign' && token.text === sign;
  const isWord = (token: Token, word: string): boolean => token.kind === 'name' && token.text.toUpperCase() === word;
  const takeWord = (word: string): boolean => {
    if (!isWord(peek(), word)) return false;
    next++;
    return true;
  };
  const found = (token: Token): string => {
    if (token.kind === 'end') return 'the filter ends';
    if (token.kind === 'text') return 'found a text';
    return `found ${JSON.stringify(token.text.slice(0, 40))}`;
  };
  const expected = (what: string, token = peek()): never => fail(token.at, `expected ${what}; ${found(token)}.`);
  const takeSign = (sign: string, what = JSON.stringify(sign)): void => {
    if (!isSign(peek(), sign)) expected(what);
    next++;
  };
  const enter = (at: number): void => {
    if (++brackets > MOST_BRACKETS)
      throw new HubError(
        'INPUT_TOO_COSTLY',
        `${place(at)}: more than ${MOST_BRACKETS} brackets and NOTs in one another.`,
      );
  };

  /** Refuses what may follow an operand in CQL2 but not here. */
  const refuseArithmetic = (): void => {
    const token = peek();
    if ((token.kind === 'sign' && '+-*/%^'.includes(token.text)) || isWord(token, 'DIV'))
      fail(token.at, explainUnsupported(token.text));
  };

  const readNumber = (what: string): { readonly text: string; readonly at: number } => {
    const { at } = peek();
    let sign = '';
    if (isSign(peek(), '-') || isSign(peek(), '+')) sign = advance().text === '-' ? '-' : '';
    const token = peek();
    if (token.kind !== 'number') return expected(what);
    next++;
    return { text: `${sign}${token.text}`, at };
  };
  const readFinite = (what: string): number => {
    const { text: digits, at } = readNumber(what);
    const value = Number(digits);
    return Number.isFinite(value) ? value : fail(at, 'the number is too large.');
  };

  const toProperty = (token: Token): Operand => ({
    kind: 'property',
    queryable: findQueryable(token.text, byName, place(token.at)),
    fold: null,
    at: token.at,
  });

  const readFolded = (word: 'CASEI' | 'ACCENTI'): Operand => {
    enter(peek().at);
    next += 2;
    const inner = readOperand('a text, or the name of a STRING property');
    refuseArithmetic();
    takeSign(')');
    brackets--;
    if (inner.kind === 'literal' ? inner.type !== 'text' : inner.queryable.type !== 'STRING')
      return fail(
        inner.at,
        `${word} takes texts; found ${inner.kind === 'literal' ? LITERAL_NAMES[inner.type] : `property "${inner.queryable.name}", which is ${inner.queryable.type}`}.`,
      );
    return { ...inner, fold: bothFolds(inner.fold, word === 'CASEI' ? 'case' : 'accent') };
  };

  function readOperand(what: string): Operand {
    const token = peek();
    switch (token.kind) {
      case 'text':
        next++;
        return { kind: 'literal', type: 'text', value: token.text, fold: null, at: token.at };
      case 'number':
        next++;
        return { kind: 'literal', type: 'number', value: token.text, fold: null, at: token.at };
      case 'sign': {
        if (token.text === '(')
          return fail(token.at, 'brackets around values: arithmetic is not supported; write the value itself.');
        if ((token.text !== '-' && token.text !== '+') || peek(1).kind !== 'number') {
          if (token.text === '-' || token.text === '+') return fail(token.at, explainUnsupported(token.text));
          return expected(what);
        }
        const { text: digits } = readNumber(what);
        return { kind: 'literal', type: 'number', value: digits, fold: null, at: token.at };
      }
      case 'quoted':
        next++;
        return toProperty(token);
      case 'name': {
        const word = token.text.toUpperCase();
        if (word === 'TRUE' || word === 'FALSE') {
          next++;
          return { kind: 'literal', type: 'boolean', value: word === 'TRUE', fold: null, at: token.at };
        }
        if (RESERVED.has(word)) return expected(what);
        if (!isSign(peek(1), '(')) {
          next++;
          return toProperty(token);
        }
        if (word === 'CASEI' || word === 'ACCENTI') return readFolded(word);
        if (word !== 'DATE' && word !== 'TIMESTAMP') return fail(token.at, explainUnsupported(token.text));
        next += 2;
        const instant = peek();
        if (instant.kind !== 'text')
          return expected(
            `a text in quotes, as in ${word}('${word === 'DATE' ? '2026-03-29' : '2026-03-29T02:30:00Z'}')`,
          );
        next++;
        takeSign(')');
        const type = word === 'DATE' ? 'date' : 'timestamp';
        return { kind: 'literal', type, value: instant.text, fold: null, at: instant.at };
      }
      case 'end':
        return expected(what);
    }
  }

  /** The literal as `bindOperator` takes it, after a check that the notation fits the property. */
  const toValue = ({ type, value, at }: Literal, queryable: Queryable): unknown => {
    if (!FITS[type].has(queryable.type))
      fail(at, `property "${queryable.name}" is ${queryable.type} and cannot be compared with ${LITERAL_NAMES[type]}.`);
    if (type !== 'number' || typeof value !== 'string') return value;
    return queryable.type === 'INTEGER' ? toNumber(value) : Number(value);
  };
  const readLiteral = (what: string): Literal => {
    const operand = readOperand(what);
    refuseArithmetic();
    return operand.kind === 'literal'
      ? operand
      : fail(operand.at, `expected ${what}; comparing two properties is not supported.`);
  };
  const example = ({ type }: Queryable): string =>
    isNumberType(type)
      ? 'a number'
      : type === 'BOOLEAN'
        ? 'TRUE or FALSE'
        : type === 'STRING'
          ? 'a text in quotes'
          : 'a value';

  const bind = (operator: string, value: unknown, queryable: Queryable, at: number, entries: readonly number[] = []) =>
    bindOperator(operator, value, queryable, (entry) => place(entry === undefined ? at : (entries[entry] ?? at)));

  const readPositions = (levels: number, left: { positions: number }): unknown => {
    if (--left.positions < 0)
      throw new HubError('INPUT_TOO_COSTLY', `${place(peek().at)}: at most ${FILTER_LIMITS.positions} positions.`);
    if (levels === 0) {
      const position = [readFinite('a longitude'), readFinite('a latitude')];
      const isNumberNext = peek().kind === 'number' || isSign(peek(), '-') || isSign(peek(), '+');
      if (isNumberNext) position.push(readFinite('a height'));
      return position;
    }
    takeSign('(');
    const parts: unknown[] = [];
    do {
      // A position stands in brackets of its own in a MULTIPOINT, as the grammar has it, or bare, as much software writes it.
      const isBracketed = levels === 1 && isSign(peek(), '(');
      if (isBracketed) next++;
      parts.push(readPositions(levels - 1, left));
      if (isBracketed) takeSign(')');
    } while (isSign(peek(), ',') && ++next > 0);
    takeSign(')', '"," or ")"');
    return parts;
  };

  const readGeometry = (left: { positions: number }, depth: number): Geometry => {
    const tag = advance();
    const word = tag.text.toUpperCase();
    if (isWord(peek(), 'Z')) next++;
    if (isWord(peek(), 'EMPTY')) return fail(peek().at, 'an empty geometry shares no point with anything.');
    if (word === 'GEOMETRYCOLLECTION') {
      if (depth > 4) return fail(tag.at, 'collections nest 4 deep at most.');
      takeSign('(');
      const geometries: Geometry[] = [];
      do {
        const part = peek().text.toUpperCase();
        if (peek().kind !== 'name' || (part !== 'GEOMETRYCOLLECTION' && !Object.hasOwn(WKT, part)))
          expected('a geometry, such as POINT(-0.57 44.84)');
        geometries.push(readGeometry(left, depth + 1));
      } while (isSign(peek(), ',') && ++next > 0);
      takeSign(')', '"," or ")"');
      return { type: 'GeometryCollection', geometries };
    }
    const form = WKT[word];
    if (form === undefined) return expected('a geometry', tag);
    if (form.levels > 0) return { type: form.type, coordinates: readPositions(form.levels, left) };
    takeSign('(');
    const coordinates = readPositions(0, left);
    takeSign(')');
    return { type: form.type, coordinates };
  };

  /** A BBOX or WKT literal, or null when something else stands here. */
  const readShape = (): Shape | null => {
    const token = peek();
    const word = token.text.toUpperCase();
    const isCall = isSign(peek(1), '(') || ((isWord(peek(1), 'Z') || isWord(peek(1), 'EMPTY')) && word !== 'BBOX');
    if (token.kind !== 'name' || !isCall) return null;
    if (word === 'BBOX') {
      next += 2;
      const bbox = [readFinite('a number')];
      while (isSign(peek(), ',')) {
        next++;
        bbox.push(readFinite('a number'));
        if (bbox.length > 6) expected('")"', peek());
      }
      takeSign(')', '"," or ")"');
      if (bbox.length === 6)
        return fail(token.at, 'BBOX: a box with heights is not supported; write west, south, east, north.');
      return { kind: 'bbox', bbox, at: token.at };
    }
    if (word !== 'GEOMETRYCOLLECTION' && !Object.hasOwn(WKT, word)) return null;
    return { kind: 'geometry', geometry: readGeometry({ positions: FILTER_LIMITS.positions }, 1), at: token.at };
  };

  const readGeometryProperty = (): Queryable => {
    const operand = readOperand('the name of a geometry property');
    return operand.kind === 'property'
      ? operand.queryable
      : fail(operand.at, 'expected the name of a geometry property.');
  };

  const readSpatial = (): RecordFilter => {
    const call = advance();
    const isDistance = call.text.toUpperCase() === 'S_DWITHIN';
    takeSign('(');
    // Both are symmetric: the literal may stand first.
    const first = readShape();
    const left = first === null ? readGeometryProperty() : null;
    takeSign(',');
    const second = left === null ? null : readShape();
    if (left !== null && second === null)
      return expected(isDistance ? 'POINT(lon lat)' : 'BBOX(west, south, east, north) or a WKT geometry');
    const queryable = left ?? readGeometryProperty();
    const shape = first ?? second;
    if (shape === null) return expected('a geometry');
    if (!isDistance) {
      takeSign(')');
      return shape.kind === 'bbox'
        ? bind('bbox', shape.bbox, queryable, shape.at)
        : bind('intersects', shape.geometry, queryable, shape.at);
    }
    if (shape.kind !== 'geometry' || shape.geometry.type !== 'Point')
      return fail(shape.at, 'S_DWITHIN takes POINT(lon lat).');
    // `readPositions` built it.
    const [lon, lat, height] = shape.geometry.coordinates as readonly number[];
    if (height !== undefined) return fail(shape.at, 'S_DWITHIN takes POINT(lon lat), without a height.');
    takeSign(',');
    const { at } = peek();
    const metres = readFinite('a distance');
    takeSign(',', '"," and the unit, metre');
    const unit = peek();
    if (unit.kind === 'end' || !METRES.has(unit.text.toLowerCase())) return expected('the unit, metre');
    next++;
    takeSign(')');
    return bind('withinMetres', { lon, lat, metres }, queryable, at);
  };

  const negate = (filter: RecordFilter): RecordFilter => {
    budget.take(1);
    return { op: 'not', args: [filter] };
  };

  /** What an instant of a temporal predicate, or an end of an interval, is; `..` only as an end. */
  const readTemporalEnd = (isEnd: boolean): TemporalEnd<number> => {
    const operand = readOperand(
      isEnd ? "an instant in quotes, '..' or a property" : 'an instant, an INTERVAL or a property',
    );
    const { at } = operand;
    if (operand.kind === 'property') {
      const { queryable } = operand;
      return queryable.type === 'DATE' || queryable.type === 'DATETIME'
        ? { kind: 'property', queryable, at }
        : fail(at, `property "${queryable.name}" is ${queryable.type}; temporal predicates take DATE and DATETIME.`);
    }
    const { type, value, fold } = operand;
    if (typeof value === 'string' && fold === null) {
      if (isEnd && type === 'text') return value === '..' ? { kind: 'open', at } : { kind: 'literal', type, value, at };
      if (!isEnd && (type === 'date' || type === 'timestamp')) return { kind: 'literal', type, value, at };
    }
    return fail(at, isEnd ? "an interval takes instants in quotes, '..' or properties." : "expected DATE('...'), TIMESTAMP('...'), INTERVAL(...) or a property."); // prettier-ignore
  };
  const readTemporalOperand = (): TemporalOperand<number> => {
    const { at } = peek();
    if (!isWord(peek(), 'INTERVAL') || !isSign(peek(1), '(')) {
      const instant = readTemporalEnd(false);
      return { start: instant, end: instant, at };
    }
    next += 2;
    const start = readTemporalEnd(true);
    takeSign(',');
    const end = readTemporalEnd(true);
    takeSign(')');
    return { start, end, at };
  };
  const readTemporal = (): RecordFilter => {
    const name = advance().text;
    takeSign('(');
    const left = readTemporalOperand();
    takeSign(',');
    const right = readTemporalOperand();
    takeSign(')');
    return bindTemporal(name, left, right, {
      fail,
      compare(queryable, op, literal) {
        budget.take(1);
        return bind(op, toValue({ ...literal, fold: null }, queryable), queryable, literal.at);
      },
      join(op, args) {
        budget.take(1);
        return { op, args };
      },
    });
  };

  /** What follows a left side: a comparison, LIKE, BETWEEN, IN, IS NULL. */
  const readComparison = (): RecordFilter => {
    const left = readOperand("a condition, such as name = 'value'");
    refuseArithmetic();
    const operatorAt = peek();
    const sign = operatorAt.kind === 'sign' ? COMPARISON_WORDS.get(operatorAt.text) : undefined;
    if (sign !== undefined) {
      next++;
      if (left.kind === 'property') {
        const right = readLiteral(example(left.queryable));
        const filter = bind(sign, toValue(right, left.queryable), left.queryable, right.at);
        return foldPredicate(filter, left.fold, [right.fold]);
      }
      const right = readOperand('a property');
      refuseArithmetic();
      if (right.kind === 'literal') return fail(left.at, 'one side of a comparison must be a property.');
      const filter = bind(MIRRORED[sign], toValue(left, right.queryable), right.queryable, left.at);
      return foldPredicate(filter, right.fold, [left.fold]);
    }
    const isNegated = takeWord('NOT');
    const word = peek().kind === 'name' ? peek().text.toUpperCase() : '';
    if (!isNegated && word !== 'LIKE' && word !== 'BETWEEN' && word !== 'IN' && word !== 'IS') {
      if (left.kind === 'literal' && left.type === 'boolean')
        return fail(left.at, 'a bare TRUE or FALSE is not supported; compare a property with it.');
      return expected('an operator: =, <>, <, <=, >, >=, LIKE, BETWEEN, IN or IS NULL');
    }
    if (left.kind === 'literal') return fail(left.at, `the left side of ${word || 'NOT'} must be a property.`);
    const { queryable, fold } = left;
    const wrap = (filter: RecordFilter): RecordFilter => (isNegated ? negate(filter) : filter);
    if (takeWord('LIKE')) {
      const pattern = readLiteral('a pattern in quotes');
      return wrap(
        foldPredicate(bind('like', toValue(pattern, queryable), queryable, pattern.at), fold, [pattern.fold]),
      );
    }
    if (takeWord('BETWEEN')) {
      const lower = readLiteral(example(queryable));
      if (!takeWord('AND')) expected('AND and the upper bound');
      const upper = readLiteral(example(queryable));
      const bounds = [toValue(lower, queryable), toValue(upper, queryable)];
      const filter = bind('between', bounds, queryable, lower.at, [lower.at, upper.at]);
      return wrap(foldPredicate(filter, fold, [lower.fold, upper.fold]));
    }
    if (takeWord('IN')) {
      const listAt = peek().at;
      takeSign('(', '"(" and a list of values');
      const values: unknown[] = [];
      const ats: number[] = [];
      const folds: (TextFold | null)[] = [];
      do {
        const entry = readLiteral(example(queryable));
        values.push(toValue(entry, queryable));
        ats.push(entry.at);
        folds.push(entry.fold);
      } while (isSign(peek(), ',') && ++next > 0);
      takeSign(')', '"," or ")"');
      return wrap(foldPredicate(bind('in', values, queryable, listAt, ats), fold, folds));
    }
    if (isNegated) return expected('LIKE, BETWEEN or IN');
    next++;
    const isNot = takeWord('NOT');
    const nullAt = peek().at;
    if (!takeWord('NULL')) expected(isNot ? 'NULL' : 'NULL or NOT NULL');
    const test = bind('isNull', true, queryable, nullAt);
    return isNot ? negate(test) : test;
  };

  const readPrimary = (): RecordFilter => {
    const token = peek();
    if (isSign(token, '(')) {
      enter(token.at);
      next++;
      const inner = readOr();
      takeSign(')', 'AND, OR or ")"');
      brackets--;
      return inner;
    }
    budget.take(1);
    const word = token.kind === 'name' && isSign(peek(1), '(') ? token.text.toUpperCase() : '';
    if (isTemporal(word)) return readTemporal();
    return word === 'S_INTERSECTS' || word === 'S_DWITHIN' ? readSpatial() : readComparison();
  };

  const readNot = (): RecordFilter => {
    const { at } = peek();
    if (!takeWord('NOT')) return readPrimary();
    enter(at);
    const inner = readNot();
    brackets--;
    return negate(inner);
  };

  const readChain = (word: 'AND' | 'OR', readPart: () => RecordFilter): RecordFilter => {
    const first = readPart();
    if (!isWord(peek(), word)) return first;
    budget.take(1);
    const args = [first];
    while (takeWord(word)) args.push(readPart());
    return { op: word === 'AND' ? 'and' : 'or', args };
  };
  const readAnd = (): RecordFilter => readChain('AND', readNot);
  function readOr(): RecordFilter {
    return readChain('OR', readAnd);
  }

  const filter = readOr();
  if (peek().kind !== 'end') return expected('AND, OR or the end of the filter');
  createNodeBudget('filter').take(depthOf(filter));
  return filter;
}
