import { HubError } from '@civex/errors';
import { getNamedType, isListType, isNonNullType, isObjectType, Kind } from 'graphql';
import type {
  ArgumentNode,
  DocumentNode,
  FragmentDefinitionNode,
  GraphQLObjectType,
  GraphQLSchema,
  OperationDefinitionNode,
  SelectionSetNode,
} from 'graphql';

/** Bounds on one document. Counts; see handbook for what each stops. */
export interface QueryLimits {
  readonly queryTokens: number;
  /** Levels of selection sets. */
  readonly queryDepth: number;
  /** Aliased fields, meta fields included. */
  readonly aliases: number;
  readonly rootFields: number;
  /** Estimated objects of the answer plus upstream work; see `costOf`. */
  readonly cost: number;
}

/** Nesting of brackets a document may have before it is parsed: protects the parser's own recursion. */
const MAX_BRACKETS = 100;
const MAX_DIRECTIVES = 50;
const MAX_FIELDS = 2_000;
const MAX_DEFINITIONS = 50;

const tooCostly = (what: string): HubError => new HubError('INPUT_TOO_COSTLY', what);

/** Looks at the text alone, in one pass. @throws HubError `INPUT_TOO_COSTLY` */
export function checkBrackets(text: string): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 123 || code === 91 || code === 40) {
      if (++depth > MAX_BRACKETS) throw tooCostly(`The query nests deeper than ${MAX_BRACKETS} brackets.`);
    } else if (code === 125 || code === 93 || code === 41) depth--;
  }
}

/**
 * Checks the shape of a parsed document in time linear in its size: every fragment is measured once and remembered,
 * so fragments that spread fragments cannot multiply the work. Counts before `@skip`: what is skipped was paid for.
 * Introspection (`__schema`, `__type`) has its own, deeper bound.
 *
 * @throws HubError `INPUT_TOO_COSTLY`
 */
export function checkShape(document: DocumentNode, limits: QueryLimits): void {
  if (document.definitions.length > MAX_DEFINITIONS)
    throw tooCostly(`The document has more than ${MAX_DEFINITIONS} operations and fragments.`);
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
    measured.set(name, measure);
    return measure;
  };

  const measureSet = (set: SelectionSetNode, introspecting: boolean): Measure => {
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
    const { depth, fields, aliases, directives } = measureSet(definition.selectionSet, false);
    if (depth > limits.queryDepth) throw tooCostly(`The query selects deeper than ${limits.queryDepth} levels.`);
    if (fields > MAX_FIELDS) throw tooCostly(`The query selects more than ${MAX_FIELDS} fields.`);
    if (aliases > limits.aliases) throw tooCostly(`The query has more than ${limits.aliases} aliases.`);
    if (directives > MAX_DIRECTIVES) throw tooCostly(`The query has more than ${MAX_DIRECTIVES} directives.`);
    const roots = countRootFields(definition.selectionSet, fragments, new Set());
    if (roots > limits.rootFields) throw tooCostly(`The query asks more than ${limits.rootFields} root fields.`);
  }
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
const UPSTREAM: Readonly<Record<string, number>> = { 'Dataset.records': 50, 'Catalog.datasets': 20, 'Catalog.health': 10 };

function sizeOf(
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
  variables: Readonly<Record<string, unknown>>,
  sources: number,
): number {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  const known = new Map<string, number>();
  const values: Record<string, unknown> = { ...variables };
  for (const { variable, defaultValue } of operation.variableDefinitions ?? [])
    if (values[variable.name.value] === undefined) values[variable.name.value] = defaultValue;

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
        const first = sizeOf(selection.arguments, 'first', values) ?? sizeOfDefault(field);
        const outer = isNonNullType(field.type) ? field.type.ofType : field.type;
        let times = 1;
        if (isListType(outer))
          times =
            selection.name.value === 'nodes' || selection.name.value === 'edges'
              ? pageSize
              : (sizeOf(selection.arguments, 'ids', values) ?? (type.name === 'Catalog' ? sources : PLAIN_LIST));
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
