import { HubError } from '@civex/errors';
import {
  getNamedType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import type {
  ArgumentNode,
  DocumentNode,
  FragmentDefinitionNode,
  GraphQLObjectType,
  GraphQLSchema,
  OperationDefinitionNode,
  SelectionSetNode,
} from 'graphql';

/** Bounds on one document, as counts. */
export interface QueryLimits {
  readonly queryTokens: number;
  /** Levels of selection sets. */
  readonly queryDepth: number;
  /** Aliased fields, meta fields included. */
  readonly aliases: number;
  readonly rootFields: number;
  /** Estimated objects of the answer plus upstream work; see `costOf`. */
  readonly cost: number;
  /**
   * Questions one document may stand for: 1, and for a source server as many as a hub batches into one document. All
   * other limits but the depth are for each of them.
   */
  readonly questions?: number;
}

/** Nesting of brackets a document may have before it is parsed: protects the parser's own recursion. */
const MAX_BRACKETS = 100;
const MAX_DIRECTIVES = 50;
const MAX_FIELDS = 2_000;
const MAX_DEFINITIONS = 50;
const MAX_BODY_VALUES = 20_000;
/** Values of all variables together; each is checked against its type before anything else looks at it. */
const MAX_VARIABLE_VALUES = 5_000;

const tooCostly = (what: string): HubError => new HubError('INPUT_TOO_COSTLY', what);

/** The index of the last character of a string or comment that begins at `start`. An unfinished one ends with the text. */
function skipText(text: string, start: number): number {
  if (text.charCodeAt(start) === 35) {
    for (let i = start + 1; i < text.length; i++) if (text[i] === '\n' || text[i] === '\r') return i;
    return text.length;
  }
  if (text.startsWith('"""', start)) {
    let end = text.indexOf('"""', start + 3);
    while (end > 0 && text[end - 1] === '\\') end = text.indexOf('"""', end + 3);
    return end < 0 ? text.length : end + 2;
  }
  for (let i = start + 1; i < text.length; i++) {
    const character = text[i];
    // A line ends every plain string: what the parser refuses must not hide what follows.
    if (character === '"' || character === '\n' || character === '\r') return i;
    if (character === '\\') i++;
  }
  return text.length;
}

/** Looks at the text alone, in one pass; strings and comments do not count. @throws HubError `INPUT_TOO_COSTLY` */
export function checkBrackets(text: string): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 34 || code === 35) i = skipText(text, i);
    else if (code === 123 || code === 91 || code === 40) {
      if (++depth > MAX_BRACKETS) throw tooCostly(`The query nests deeper than ${MAX_BRACKETS} brackets.`);
    } else if (code === 125 || code === 93 || code === 41) depth--;
  }
}

/**
 * Checks the shape of a parsed document in time linear in its size: every fragment is measured once and remembered,
 * so fragments that spread fragments cannot multiply the work. Counts before `@skip`: what is skipped was paid for.
 * Introspection (`__schema`, `__type`) has its own, deeper bound.
 *
 * @throws HubError `INPUT_TOO_COSTLY`; `INPUT_INVALID` for a selection of nothing.
 */
export function checkShape(document: DocumentNode, limits: QueryLimits): void {
  const { queryDepth, questions = 1 } = limits;
  const refuseBeyond = (count: number, limit: number, what: (limit: number) => string): void => {
    if (count > limit * questions) throw tooCostly(what(limit * questions));
  };
  refuseBeyond(
    document.definitions.length,
    MAX_DEFINITIONS,
    (max) => `The document has more than ${max} operations and fragments.`,
  );
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);

  interface Measure {
    depth: number;
    fields: number;
    aliases: number;
    directives: number;
  }
  const measured = new Map<string, Measure | 'open'>();
  const NOTHING: Measure = { depth: 0, fields: 0, aliases: 0, directives: 0 };

  const measureFragment = (name: string): Measure => {
    const known = measured.get(name);
    // A cycle is refused by validation; here it only must not run for ever.
    if (known === 'open') return NOTHING;
    if (known !== undefined) return known;
    const fragment = fragments.get(name);
    if (fragment === undefined) return NOTHING;
    measured.set(name, 'open');
    const measure = measureSet(fragment.selectionSet, false);
    measure.directives += fragment.directives?.length ?? 0;
    measured.set(name, measure);
    return measure;
  };

  const measureSet = (set: SelectionSetNode, introspecting: boolean): Measure => {
    // The grammar of GraphQL asks for one, the parser does not.
    if (set.selections.length === 0) throw new HubError('INPUT_INVALID', 'A selection names at least one field.');
    const total: Measure = { depth: 0, fields: 0, aliases: 0, directives: 0 };
    for (const selection of set.selections) {
      let part: Measure;
      if (selection.kind === Kind.FIELD) {
        const meta = introspecting || selection.name.value === '__schema' || selection.name.value === '__type';
        const below = selection.selectionSet === undefined ? NOTHING : measureSet(selection.selectionSet, meta);
        part = {
          // Introspection nests `ofType` by design; it runs on the schema alone and is bounded by its own depth.
          depth: meta && !introspecting ? (below.depth > 20 ? Infinity : 1) : below.depth + 1,
          fields: below.fields + 1,
          aliases: below.aliases + (selection.alias === undefined ? 0 : 1),
          directives: below.directives,
        };
      } else {
        part =
          selection.kind === Kind.FRAGMENT_SPREAD
            ? measureFragment(selection.name.value)
            : measureSet(selection.selectionSet, introspecting);
      }
      total.depth = Math.max(total.depth, part.depth);
      total.fields += part.fields;
      total.aliases += part.aliases;
      total.directives += part.directives + (selection.directives?.length ?? 0);
    }
    return total;
  };

  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const { depth, fields, aliases, directives: below } = measureSet(definition.selectionSet, false);
    let directives = below + (definition.directives?.length ?? 0);
    for (const variable of definition.variableDefinitions ?? []) directives += variable.directives?.length ?? 0;
    if (depth > queryDepth) throw tooCostly(`The query selects deeper than ${queryDepth} levels.`);
    refuseBeyond(fields, MAX_FIELDS, (max) => `The query selects more than ${max} fields.`);
    refuseBeyond(aliases, limits.aliases, (max) => `The query has more than ${max} aliases.`);
    refuseBeyond(directives, MAX_DIRECTIVES, (max) => `The query has more than ${max} directives.`);
    const roots = countRootFields(definition.selectionSet, fragments, new Set());
    refuseBeyond(roots, limits.rootFields, (max) => `The query asks more than ${max} root fields.`);
  }
}

/**
 * Looks at the bytes alone, in one pass: reading a value from JSON takes time by the number of values, not of bytes.
 *
 * @throws HubError `INPUT_TOO_COSTLY` for more than 20,000 members, entries, objects and lists together, for each
 *   question the body may stand for.
 */
export function checkBodyValues(body: Uint8Array, questions = 1): void {
  const maxValues = MAX_BODY_VALUES * questions;
  let values = 0;
  let isText = false;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i];
    if (isText) {
      if (byte === 92) i++;
      else if (byte === 34) isText = false;
    } else if (byte === 34) isText = true;
    else if ((byte === 44 || byte === 91 || byte === 123) && ++values > maxValues)
      throw tooCostly(`The request holds more than ${maxValues} values.`);
  }
}

/** @throws HubError `INPUT_TOO_COSTLY` for values that nest deeper than a document may, or are too many. */
export function checkVariables(variables: unknown, questions = 1): void {
  const maxValues = MAX_VARIABLE_VALUES * questions;
  let values = 0;
  const check = (value: unknown, depth: number): void => {
    if (++values > maxValues) throw tooCostly(`The variables hold more than ${maxValues} values.`);
    if (typeof value !== 'object' || value === null) return;
    if (depth > MAX_BRACKETS) throw tooCostly(`The variables nest deeper than ${MAX_BRACKETS} levels.`);
    for (const part of Array.isArray(value) ? value : Object.values(value)) check(part, depth + 1);
  };
  check(variables, 0);
}

/**
 * A variable may be nullable where the place is not, when it has a default or the place has one; a null sent all the
 * same is found by graphql-js only when the field is executed, where nobody can tell it from a fault of ours.
 *
 * @throws HubError `INPUT_INVALID`
 */
export function checkNulls(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): void {
  const nulls = new Set(
    (operation.variableDefinitions ?? [])
      .map(({ variable }) => variable.name.value)
      .filter((name) => Object.hasOwn(variables, name) && variables[name] === null),
  );
  if (nulls.size === 0) return;
  const types = new TypeInfo(schema);
  for (const definition of document.definitions)
    if (definition === operation || definition.kind === Kind.FRAGMENT_DEFINITION)
      visit(
        definition,
        visitWithTypeInfo(types, {
          VariableDefinition: () => false,
          Variable({ name: { value: name } }) {
            if (nulls.has(name) && isNonNullType(types.getInputType()))
              throw new HubError('INPUT_INVALID', `Variable "$${name}" must not be null here.`);
          },
        }),
      );
}

function countRootFields(
  set: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  open: Set<string>,
): number {
  let count = 0;
  for (const selection of set.selections) {
    if (selection.kind === Kind.FIELD) count++;
    else if (selection.kind === Kind.INLINE_FRAGMENT) count += countRootFields(selection.selectionSet, fragments, open);
    else {
      const fragment = fragments.get(selection.name.value);
      if (fragment === undefined || open.has(selection.name.value)) continue;
      open.add(selection.name.value);
      count += countRootFields(fragment.selectionSet, fragments, open);
    }
  }
  return count;
}

/** Objects a list without a size argument is reckoned to have. */
const PLAIN_LIST = 5;
/** Upstream work of a field beyond the objects it returns. */
const UPSTREAM: Readonly<Record<string, number>> = {
  'Dataset.records': 50,
  // May read every record of a dataset, a page of records never does.
  'Dataset.aggregate': 500,
  'Catalog.datasets': 20,
  'Dataset.queryables': 20,
  'Catalog.health': 10,
};

/** Lists that are as long as `first` of the field around them. */
const PAGED: ReadonlySet<string> = new Set(['nodes', 'edges', 'groups']);

function sizeOf(
  args: readonly ArgumentNode[] | undefined,
  name: string,
  variables: Readonly<Record<string, unknown>>,
): number | null {
  const size = readSize(args, name, variables);
  // A negative size is refused where it is used; here it must not pay for the rest of the question.
  return size === null ? null : Math.max(0, size);
}

function readSize(
  args: readonly ArgumentNode[] | undefined,
  name: string,
  variables: Readonly<Record<string, unknown>>,
): number | null {
  const value = args?.find((argument) => argument.name.value === name)?.value;
  if (value === undefined) return null;
  const given = value.kind === Kind.VARIABLE ? variables[value.name.value] : value;
  if (typeof given === 'number') return given;
  if (Array.isArray(given)) return given.length;
  if (typeof given === 'object' && given !== null && 'kind' in given) {
    const node = given as ArgumentNode['value'];
    if (node.kind === Kind.INT) return Number(node.value);
    if (node.kind === Kind.LIST) return node.values.length;
  }
  return null;
}

/**
 * An estimate of what an operation asks for: one for each object of the answer, multiplied through lists by `first` or
 * the number of ids, plus the upstream work of fields that ask portals again. Every fragment is reckoned once per type.
 */
export function costOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  given: Readonly<Record<string, unknown>>,
  sources: number,
): number {
  const variables: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
    const name = variable.name.value;
    variables[name] = Object.hasOwn(given, name) ? given[name] : defaultValue;
  }
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  const known = new Map<string, number>();

  const costOfSet = (set: SelectionSetNode, parent: GraphQLObjectType, pageSize: number): number => {
    let cost = 0;
    for (const selection of set.selections) {
      if (selection.kind === Kind.INLINE_FRAGMENT) cost += costOfSet(selection.selectionSet, parent, pageSize);
      else if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const key = `${selection.name.value} ${parent.name} ${pageSize}`;
        const fragment = fragments.get(selection.name.value);
        let part = known.get(key);
        if (part === undefined && fragment !== undefined) {
          known.set(key, 0);
          part = costOfSet(fragment.selectionSet, parent, pageSize);
          known.set(key, part);
        }
        cost += part ?? 0;
      } else {
        const field = parent.getFields()[selection.name.value];
        const type = field === undefined ? undefined : getNamedType(field.type);
        const upstream = UPSTREAM[`${parent.name}.${selection.name.value}`] ?? 0;
        cost += upstream;
        if (selection.selectionSet === undefined || field === undefined || !isObjectType(type)) continue;
        const first = sizeOf(selection.arguments, 'first', variables) ?? sizeOfDefault(field);
        const outer = isNonNullType(field.type) ? field.type.ofType : field.type;
        let times = 1;
        if (isListType(outer))
          times = PAGED.has(selection.name.value)
            ? pageSize
            : (sizeOf(selection.arguments, 'ids', variables) ?? (type.name === 'Catalog' ? sources : PLAIN_LIST));
        cost += times * (1 + costOfSet(selection.selectionSet, type, first ?? pageSize));
      }
      if (cost > 1e12) return cost;
    }
    return cost;
  };

  const root = schema.getQueryType();
  return root == null ? 0 : costOfSet(operation.selectionSet, root, 1);
}

function sizeOfDefault(field: ReturnType<GraphQLObjectType['getFields']>[string]): number | null {
  const first = field.args.find(({ name }) => name === 'first');
  return typeof first?.defaultValue === 'number' ? first.defaultValue : null;
}
