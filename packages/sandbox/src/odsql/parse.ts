import type { Call, Condition, Expression, OrderItem, SelectItem } from './ast.ts';
import { OdsqlError } from './odsql-error.ts';
import { tokenize } from './tokenize.ts';
import type { Token } from './tokenize.ts';

/** Levels of parentheses, NOT and nested calls. */
const MAX_DEPTH = 100;

const RESERVED: ReadonlySet<string> = new Set(
  (
    'and as asc avg by count date_format day dayofweek desc distinct equi false group hour ifnull or limit lower max ' +
    'millisecond min minute month not null quarter range search second select sum top true upper where year'
  ).split(' '),
);

const PREDICATES: ReadonlySet<string> = new Set([
  'search',
  'suggest',
  'startswith',
  'within_distance',
  'distance',
  'in_bbox',
  'intersects',
  'disjoint',
  'within',
  'geometry',
]);

const MEASURE = /^(\d+)([a-zA-Z]+)$/;

interface Parser {
  readonly where: () => Condition;
  readonly select: () => SelectItem[];
  readonly order: () => OrderItem[];
}

function createParser(source: string): Parser {
  const tokens = tokenize(source);
  let position = 0;
  let depth = 0;

  const END: Token = { kind: 'end', text: '', at: source.length, end: source.length };
  const peek = (ahead = 0): Token => tokens[position + ahead] ?? END;
  const fail = (): never => {
    const token = peek();
    const what = token.kind === 'end' ? 'end of expression' : `"${token.text}"`;
    throw new OdsqlError(`Syntax error: unexpected ${what} at position ${token.at}`);
  };
  const isSymbol = (text: string, ahead = 0): boolean => peek(ahead).kind === 'symbol' && peek(ahead).text === text;
  const isKeyword = (text: string, ahead = 0): boolean => {
    const token = peek(ahead);
    return token.kind === 'word' && !token.quoted && token.text.toLowerCase() === text;
  };
  const acceptSymbol = (text: string): boolean => isSymbol(text) && ++position > 0;
  const acceptKeyword = (text: string): boolean => isKeyword(text) && ++position > 0;
  const expectSymbol = (text: string): void => {
    if (!acceptSymbol(text)) fail();
  };
  const expectEnd = (): void => {
    if (peek().kind !== 'end') fail();
  };
  const nested = <T>(parse: () => T): T => {
    if (++depth > MAX_DEPTH) throw new OdsqlError('Syntax error: the expression is nested too deeply');
    const result = parse();
    depth--;
    return result;
  };

  const toNumber = (text: string, negative: boolean): Expression => {
    const value = Number(text);
    if (!text.includes('.') && !Number.isSafeInteger(value)) {
      const big = BigInt(text);
      return { kind: 'number', value: negative ? -big : big };
    }
    return { kind: 'number', value: negative ? -value : value };
  };

  const argument = (): Expression => {
    if (acceptSymbol('*')) return { kind: 'star' };
    const token = peek();
    const compact = token.kind === 'word' && !token.quoted ? MEASURE.exec(token.text) : null;
    if (compact !== null) {
      position++;
      return { kind: 'measure', amount: Number(compact[1]), unit: compact[2] ?? '' };
    }
    const unit = peek(1);
    if (token.kind === 'number' && unit.kind === 'word' && !unit.quoted) {
      position += 2;
      return { kind: 'measure', amount: Number(token.text), unit: unit.text };
    }
    if (token.kind === 'word' && !token.quoted && isSymbol('=', 1)) {
      position += 2;
      acceptSymbol('+');
      return { kind: 'named', name: token.text.toLowerCase(), value: expression() };
    }
    return expression();
  };

  const call = (): Call => {
    const name = peek().text.toLowerCase();
    position += 2;
    const distinct = acceptKeyword('distinct');
    const args: Expression[] = [];
    nested(() => {
      if (acceptSymbol(')')) return;
      do args.push(argument());
      while (acceptSymbol(','));
      expectSymbol(')');
    });
    return { kind: 'call', name, distinct, args };
  };

  const factor = (): Expression => {
    const token = peek();
    switch (token.kind) {
      case 'string':
        position++;
        return { kind: 'text', value: token.text };
      case 'number':
        position++;
        return toNumber(token.text, false);
      case 'date':
      case 'geom':
        position++;
        return { kind: token.kind, text: token.text };
      case 'word': {
        if (!token.quoted && isSymbol('(', 1)) return call();
        const lower = token.text.toLowerCase();
        if (!token.quoted) {
          if (lower === 'true' || lower === 'false') {
            position++;
            return { kind: 'boolean', value: lower === 'true' };
          }
          if (lower === 'null') {
            position++;
            return { kind: 'null' };
          }
          if (RESERVED.has(lower)) return fail();
        }
        position++;
        return { kind: 'field', name: token.text };
      }
      case 'symbol':
        if (token.text === '-') {
          position++;
          const number = peek();
          if (number.kind === 'number') {
            position++;
            return toNumber(number.text, true);
          }
          return { kind: 'arithmetic', op: '-', left: { kind: 'number', value: 0 }, right: nested(factor) };
        }
        if (token.text === '(') {
          position++;
          const inner = nested(expression);
          expectSymbol(')');
          return inner;
        }
        return fail();
      case 'end':
        return fail();
    }
  };

  const term = (): Expression => {
    let left = factor();
    while (isSymbol('*') || isSymbol('/')) {
      const op = peek().text === '*' ? '*' : '/';
      position++;
      left = { kind: 'arithmetic', op, left, right: factor() };
    }
    return left;
  };

  function expression(): Expression {
    let left = term();
    while (isSymbol('+') || isSymbol('-')) {
      const op = peek().text === '+' ? '+' : '-';
      position++;
      left = { kind: 'arithmetic', op, left, right: term() };
    }
    return left;
  }

  const inFilter = (left: Expression): Condition => {
    if (acceptSymbol('(')) {
      const values: Expression[] = [];
      do values.push(factor());
      while (acceptSymbol(','));
      expectSymbol(')');
      return { kind: 'inList', left, values };
    }
    const lowerOpen = isSymbol(']');
    if (!lowerOpen && !isSymbol('[')) fail();
    position++;
    const lower = factor();
    if (!acceptSymbol('..') && !acceptKeyword('to')) fail();
    const upper = factor();
    const upperOpen = isSymbol('[');
    if (!upperOpen && !isSymbol(']')) fail();
    position++;
    return { kind: 'inRange', left, lower, upper, lowerOpen, upperOpen };
  };

  const predicate = (): Condition => {
    const token = peek();
    if (token.kind === 'string' && !isKeyword('in', 1)) {
      position++;
      return { kind: 'freeText', text: token.text };
    }
    if (token.kind === 'word' && !token.quoted && isSymbol('(', 1) && PREDICATES.has(token.text.toLowerCase()))
      return { kind: 'predicate', call: call() };
    const left = expression();
    const isLiteral = left.kind === 'text' || left.kind === 'number' || left.kind === 'boolean' || left.kind === 'date';
    if (isLiteral) {
      if (!acceptKeyword('in')) fail();
      return { kind: 'literalIn', literal: left, field: factor() };
    }
    for (const op of ['=', ':', '>=', '<=', '>', '<'] as const) {
      if (acceptSymbol(op)) return { kind: 'compare', op: op === ':' ? '=' : op, left, right: expression() };
    }
    if (acceptKeyword('like')) {
      const pattern = peek();
      if (pattern.kind !== 'string') return fail();
      position++;
      return { kind: 'like', left, pattern: pattern.text };
    }
    if (acceptKeyword('in')) return inFilter(left);
    if (acceptKeyword('is')) {
      const negated = acceptKeyword('not');
      let test: Condition;
      if (acceptKeyword('null')) test = { kind: 'isNull', left };
      else if (acceptKeyword('true')) test = { kind: 'isTrue', left, value: true };
      else if (acceptKeyword('false')) test = { kind: 'isTrue', left, value: false };
      else return fail();
      return negated ? { kind: 'not', condition: test } : test;
    }
    return { kind: 'isTrue', left, value: true };
  };

  const negation = (): Condition => {
    if (acceptKeyword('not')) return { kind: 'not', condition: nested(negation) };
    if (acceptSymbol('(')) {
      const inner = nested(disjunction);
      expectSymbol(')');
      return inner;
    }
    return predicate();
  };

  const conjunction = (): Condition => {
    let left = negation();
    while (acceptKeyword('and')) left = { kind: 'and', left, right: negation() };
    return left;
  };

  function disjunction(): Condition {
    let left = conjunction();
    while (acceptKeyword('or')) left = { kind: 'or', left, right: conjunction() };
    return left;
  }

  const selectItem = (): SelectItem => {
    const from = peek().at;
    const start = peek();
    const value: Expression = acceptSymbol('*') ? { kind: 'star' } : selectExpression();
    const last = tokens[position - 1] ?? start;
    if (acceptKeyword('as')) {
      const alias = peek();
      if (alias.kind !== 'word') return fail();
      position++;
      return { expression: value, label: alias.text, hasAlias: true };
    }
    return {
      expression: value,
      label: value.kind === 'field' ? value.name : source.slice(from, last.end),
      hasAlias: false,
    };
  };

  /** `include(pop*)` names fields with a wildcard, which is no expression elsewhere. */
  function selectExpression(): Expression {
    const name = peek().text.toLowerCase();
    if (peek().kind !== 'word' || (name !== 'include' && name !== 'exclude') || !isSymbol('(', 1)) return expression();
    position += 2;
    const args: Expression[] = [];
    do {
      const token = peek();
      if (token.kind !== 'word') return fail();
      position++;
      const wildcard = acceptSymbol('*');
      args.push({ kind: 'text', value: wildcard ? `${token.text}*` : token.text });
    } while (acceptSymbol(','));
    expectSymbol(')');
    return { kind: 'call', name, distinct: false, args };
  }

  const list = <T>(parse: () => T): T[] => {
    const items: T[] = [];
    do items.push(parse());
    while (acceptSymbol(','));
    expectEnd();
    return items;
  };

  return {
    where: () => {
      const condition = disjunction();
      expectEnd();
      return condition;
    },
    select: () => list(selectItem),
    order: () =>
      list(() => {
        const from = peek().at;
        const value = expression();
        const last = tokens[position - 1] ?? END;
        const label = value.kind === 'field' ? value.name : source.slice(from, last.end);
        const descending = acceptKeyword('desc');
        if (!descending) acceptKeyword('asc');
        return { expression: value, label, descending };
      }),
  };
}

export const parseWhere = (source: string): Condition => createParser(source).where();
/** Serves `select` and `group_by`, which share their form. */
export const parseSelect = (source: string): SelectItem[] => createParser(source).select();
export const parseOrderBy = (source: string): OrderItem[] => createParser(source).order();
/** `facet(name="f", limit=20)` or a bare name. */
export const parseFacet = (source: string): Expression => {
  const [item, ...rest] = createParser(source).select();
  if (item === undefined || rest.length > 0) throw new OdsqlError('Syntax error: one facet expected');
  return item.expression;
};
