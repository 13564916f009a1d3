import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import type { GraphQLField, GraphQLInputType, GraphQLObjectType, GraphQLSchema } from 'graphql';

export interface Question {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** From 0 up to 1, the same sequence for the same seed. */
export function createChance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Values that are right in some places and wrong in most. */
const TEXTS = [
  'umea:badplatser',
  'bordeaux:ci_vcub_p',
  'leicester:expenditure-exceeding-ps500-2024',
  'umea',
  'bordeaux',
  'nowhere:nothing',
  ':',
  '',
  'namn',
  'id',
  'velo',
  '__proto__',
  'constructor',
  '../../etc/passwd',
  "' OR 1=1 --",
  "name = 'x' AND (a > 1",
  '2024-01-01T00:00:00Z',
  '\u0000',
  '\u202e\ud83d\ude00',
  '%_\\',
  'x'.repeat(300),
];
const NUMBERS = [0, 1, 2, 3, 10, 20, 100, 1_000, 1_001, -1, 2_147_483_647, 2_147_483_648, 1.5, 1e21, 2 ** 53];

/** Fragments of text that break or bend a document. */
const PIECES = [
  '{',
  '}',
  '(',
  ')',
  '[',
  ']',
  '...',
  '@skip(if: true)',
  '@include(if: $v0)',
  '@defer',
  '@stream',
  '@nothing',
  '!',
  '$',
  '$v0',
  '$none',
  ':',
  '=',
  '|',
  '&',
  '"',
  '"""',
  '#',
  '\\',
  ',',
  '-',
  '.',
  '\n',
  '\ufeff',
  '\u0000',
  '\ud83d\ude00',
  'null',
  'true',
  '1e999',
  '-0',
  '99999999999999999999',
  '__typename',
  '__schema{types{name}}',
  '__type(name:"Query"){name}',
  'fragment F0 on Query{...F0}',
  '...F0',
  'mutation',
  'subscription',
  'query',
  'on',
  'type T{a:Int}',
  'x:',
  '__proto__:',
  'first:-1',
  'first:1000',
];

/** Writes questions that are right by the schema's grammar, and spoils some of them. */
export function createDocumentWriter(schema: GraphQLSchema, chance: () => number): () => Question {
  const below = (count: number): number => Math.floor(chance() * count);
  const pick = <Item>(items: readonly Item[], otherwise: Item): Item => items[below(items.length)] ?? otherwise;

  function writeDocument(): Question {
    const variables: Record<string, unknown> = {};
    const declared: string[] = [];
    const fragments: string[] = [];
    let fieldsLeft = 3 + below(chance() < 0.05 ? 400 : 40);

    const makeValue = (type: GraphQLInputType, depth: number): unknown => {
      if (!isNonNullType(type) && chance() < 0.05) return null;
      const inner = getNullableType(type);
      if (chance() < 0.02) return pick<unknown>([{}, [], true, ...NUMBERS, ...TEXTS], 0);
      if (isListType(inner)) {
        const item: GraphQLInputType = inner.ofType;
        return Array.from({ length: depth > 5 ? 0 : below(chance() < 0.02 ? 600 : 4) }, () =>
          makeValue(item, depth + 1),
        );
      }
      if (isInputObjectType(inner)) {
        const fields = Object.values(inner.getFields());
        const chosen = fields.filter(
          (field) => (isNonNullType(field.type) && chance() < 0.98) || (depth < 6 && chance() < 2 / fields.length),
        );
        return Object.fromEntries(chosen.map((field) => [field.name, makeValue(field.type, depth + 1)]));
      }
      if (isEnumType(inner)) return pick(inner.getValues(), undefined)?.name ?? 'NOTHING';
      switch (inner.name) {
        case 'Int':
          return chance() < 0.8 ? below(30) : pick(NUMBERS, 0);
        case 'Float':
          return chance() < 0.5 ? chance() * 180 - 90 : pick(NUMBERS, 0);
        case 'Boolean':
          return chance() < 0.5;
        case 'String':
        case 'ID':
          return pick(TEXTS, '');
        default:
          return chance() < 0.3 ? pick(NUMBERS, 0) : pick(TEXTS, '');
      }
    };

    const print = (value: unknown, type: GraphQLInputType): string => {
      const inner = getNullableType(type);
      if (Array.isArray(value))
        return `[${value.map((item) => print(item, isListType(inner) ? inner.ofType : inner)).join(' ')}]`;
      if (typeof value === 'object' && value !== null) {
        const fields = isInputObjectType(inner) ? inner.getFields() : {};
        return `{${Object.entries(value)
          .map(([name, item]) => `${name}: ${print(item, fields[name]?.type ?? inner)}`)
          .join(' ')}}`;
      }
      if (typeof value === 'string' && isEnumType(inner)) return value;
      return JSON.stringify(value);
    };

    const writeArguments = (field: GraphQLField<unknown, unknown>): string => {
      const parts: string[] = [];
      for (const argument of field.args) {
        if (!isNonNullType(argument.type) && chance() < 0.6) continue;
        if (argument.defaultValue !== undefined && chance() < 0.5) continue;
        if (chance() < 0.01) continue;
        const value = makeValue(argument.type, 0);
        if (chance() < 0.3) {
          const name = `v${declared.length}`;
          declared.push(`$${name}: ${String(argument.type)}`);
          if (chance() < 0.95) variables[name] = value;
          parts.push(`${argument.name}: $${name}`);
        } else parts.push(`${argument.name}: ${print(value, argument.type)}`);
      }
      return parts.length === 0 ? '' : `(${parts.join(' ')})`;
    };

    const writeSet = (type: GraphQLObjectType, depth: number): string => {
      const fields = Object.values(type.getFields());
      const parts: string[] = [];
      const count = 1 + below(depth === 0 ? 3 : 5);
      for (let i = 0; i < count; i++) {
        if (fieldsLeft-- <= 0) break;
        const roll = chance();
        if (roll < 0.05) parts.push('__typename');
        else if (roll < 0.1) parts.push(`... on ${type.name} ${writeSet(type, depth + 1)}`);
        else if (roll < 0.14) {
          const name = `F${fragments.length}`;
          fragments.push('');
          fragments[Number(name.slice(1))] = `fragment ${name} on ${type.name} ${writeSet(type, depth + 1)}`;
          parts.push(`...${name}`);
        } else {
          const field = fields[below(fields.length)];
          if (field === undefined) continue;
          const named = getNamedType(field.type);
          if (isObjectType(named) && depth > 8) continue;
          const alias = chance() < 0.15 ? `a${below(50)}: ` : '';
          const directive = chance() < 0.04 ? ` @${pick(['skip', 'include'], 'skip')}(if: ${chance() < 0.5})` : '';
          const set = isObjectType(named) ? ` ${writeSet(named, depth + 1)}` : '';
          parts.push(`${alias}${field.name}${writeArguments(field)}${directive}${set}`);
        }
      }
      return `{ ${parts.length === 0 ? '__typename' : parts.join(' ')} }`;
    };

    const root = schema.getQueryType();
    const set = root == null ? '{ __typename }' : writeSet(root, 0);
    const head = declared.length === 0 ? '' : `query Q(${declared.join(' ')}) `;
    return { query: `${head}${set}\n${fragments.join('\n')}`, variables };
  }

  const spoil = (text: string): string => {
    const at = below(text.length + 1);
    const tokens = text.split(/(\s+|[{}()[\]:])/);
    const token = below(tokens.length);
    switch (below(7)) {
      case 0:
        return `${text.slice(0, at)}${pick(PIECES, '{')}${text.slice(at)}`;
      case 1:
        return text.slice(0, at);
      case 2:
        return tokens.toSpliced(token, 1).join('');
      case 3:
        return tokens.with(token, pick(PIECES, '}')).join('');
      case 4: {
        const other = below(tokens.length);
        return tokens
          .with(token, tokens[other] ?? '')
          .with(other, tokens[token] ?? '')
          .join('');
      }
      case 5: {
        const part = text.slice(at, at + below(60));
        return `${text.slice(0, at)}${part.repeat(1 + below(200))}${text.slice(at)}`;
      }
      default:
        return `${text.slice(0, at)}${String.fromCharCode(below(0x10000))}${text.slice(at + 1)}`;
    }
  };

  return () => {
    let { query, variables } = writeDocument();
    if (chance() < 0.5) for (let rounds = 1 + below(3); rounds > 0; rounds--) query = spoil(query);
    if (chance() < 0.1)
      variables = {
        ...variables,
        [`v${below(3)}`]: pick<unknown>([null, {}, [[]], 'x', 1e300, { a: { b: [] } }, true], null),
      };
    return { query, variables };
  };
}
