import { HubError } from '@civex/errors';
import type { Action, Decision, Restriction } from '@civex/sharing';
import {
  getNamedType,
  getArgumentValues,
  getVariableValues,
  GraphQLError,
  isObjectType,
  Kind,
  OperationTypeNode,
  parse,
  validate,
} from 'graphql';
import type {
  DocumentNode,
  FieldNode,
  FragmentDefinitionNode,
  GraphQLObjectType,
  GraphQLSchema,
  OperationDefinitionNode,
  SelectionSetNode,
} from 'graphql';
import type { HubContext } from './context.ts';
import { checkBrackets, checkShape } from './query-limits.ts';
import type { QueryLimits } from './query-limits.ts';

/** `FieldExplanation` of the contract. */
interface FieldExplanation {
  readonly path: string;
  readonly outcome: 'ALLOWED' | 'MASKED' | 'ROW_FILTERED' | 'DENIED';
  readonly reason: string | null;
  readonly agreement: string | null;
}

/** `Unlock` of the contract. */
interface Unlock {
  readonly dataset: string;
  readonly missing: readonly Action[];
  readonly properties: readonly string[];
  readonly provider: string;
}

/** `AccessExplanation` of the contract. */
export interface AccessExplanation {
  readonly decision: 'ALLOW' | 'ALLOW_PARTLY' | 'DENY';
  readonly fields: readonly FieldExplanation[];
  readonly rowRules: readonly string[];
  readonly unlock: readonly Unlock[];
}

const MAX_FIELDS = 500;

/** What is said of a dataset nothing restricts, of one that does not exist, and of one that may not be known of. */
const NOTHING_RESTRICTS = 'Nothing restricts a dataset of this id, if there is one.';

const ACTION_OF: Readonly<Record<string, Action>> = { records: 'QUERY', aggregate: 'AGGREGATE' };

interface Asked {
  readonly datasetId: string;
  readonly path: string;
  readonly node: FieldNode;
}

interface Walker {
  readonly schema: GraphQLSchema;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly variables: Parameters<typeof getArgumentValues>[2];
}

function fieldsOf(
  set: SelectionSetNode | undefined,
  { fragments }: Pick<Walker, 'fragments'>,
  depth = 0,
): readonly FieldNode[] {
  if (set === undefined || depth > 20) return [];
  return set.selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection];
    if (selection.kind === Kind.INLINE_FRAGMENT) return fieldsOf(selection.selectionSet, { fragments }, depth + 1);
    return fieldsOf(fragments.get(selection.name.value)?.selectionSet, { fragments }, depth + 1);
  });
}

const keyOf = (node: FieldNode): string => node.alias?.value ?? node.name.value;

function argumentsOf(
  type: GraphQLObjectType,
  node: FieldNode,
  { variables }: Walker,
): Readonly<Record<string, unknown>> {
  const field = type.getFields()[node.name.value];
  return field === undefined ? {} : getArgumentValues(field, node, variables);
}

/** Names of the columns a FilterInput uses. */
function columnsOfFilter(filter: unknown, into: Set<string>, depth = 0): void {
  if (typeof filter !== 'object' || filter === null || depth > 20) return;
  if (Array.isArray(filter)) for (const part of filter) columnsOfFilter(part, into, depth + 1);
  else {
    const node = filter as Readonly<Record<string, unknown>>;
    if (typeof node['property'] === 'string') into.add(node['property']);
    for (const key of ['and', 'or', 'not']) columnsOfFilter(node[key], into, depth + 1);
  }
}

const listOf = (value: unknown): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(value) ? value.filter((part): part is Readonly<Record<string, unknown>> => typeof part === 'object' && part !== null) : []; // prettier-ignore

/** Columns a question for records names, and those it wants to see; null: all that are there. */
function columnsOf(args: Readonly<Record<string, unknown>>): {
  readonly used: ReadonlySet<string>;
  readonly shown: readonly string[] | null;
} {
  const used = new Set<string>();
  columnsOfFilter(args['filter'], used);
  for (const list of ['sortBy', 'groupBy', 'measures'])
    for (const { property } of listOf(args[list])) if (typeof property === 'string') used.add(property);
  const { properties } = args;
  return {
    used,
    shown: Array.isArray(properties) ? properties.filter((name): name is string => typeof name === 'string') : null,
  };
}

/** Columns of a CQL2 text cannot be told without the columns of the dataset; a name is looked for as it stands. */
const namesInText = (cql: unknown, names: Iterable<string>): readonly string[] =>
  typeof cql === 'string' ? [...names].filter((name) => cql.includes(name)) : [];

/**
 * Tells field by field what a question would be given, from agreements alone: nothing is executed, and no portal is asked.
 * Of what the caller may not know of it says the same as of what does not exist.
 *
 * @throws HubError `INPUT_INVALID` for what is not a question to this hub.
 */
export async function explainAccess(
  { query, variables }: { readonly query: string; readonly variables?: Readonly<Record<string, unknown>> | null },
  schema: GraphQLSchema,
  limits: QueryLimits,
  context: HubContext,
): Promise<AccessExplanation> {
  const { document, operation } = readQuestion(query, schema, limits);
  const read = getVariableValues(schema, operation.variableDefinitions ?? [], variables ?? {});
  if (read.errors !== undefined)
    throw new HubError('INPUT_INVALID', `variables: ${read.errors[0]?.message.slice(0, 500) ?? 'do not fit.'}`);
  const walker: Walker = {
    schema,
    variables: read.variableValues,
    fragments: new Map(
      document.definitions.flatMap((definition) =>
        definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition] as const] : [],
      ),
    ),
  };
  const fields: FieldExplanation[] = [];
  const rowRules = new Map<string, string>();
  const unlock = new Map<string, { missing: Set<Action>; properties: Set<string>; provider: string }>();
  const say = (
    path: string,
    outcome: FieldExplanation['outcome'],
    reason: string | null,
    agreement: string | null = null,
  ): void => {
    // prettier-ignore
    if (fields.length >= MAX_FIELDS) throw new HubError('INPUT_TOO_COSTLY', `query: at most ${MAX_FIELDS} fields are explained at once.`); // prettier-ignore
    fields.push({ path, outcome, reason, agreement });
  };

  const root = schema.getQueryType();
  if (root === null || root === undefined) throw new HubError('INTERNAL', 'Internal error.');
  for (const node of fieldsOf(operation.selectionSet, walker)) {
    const args = argumentsOf(root, node, walker);
    const name = node.name.value;
    if (name === 'dataset' && typeof args['id'] === 'string')
      await explainDataset({ datasetId: args['id'], path: keyOf(node), node });
    else if (name === 'datasetsById' && Array.isArray(args['ids']))
      for (const [index, id] of args['ids'].entries())
        await explainDataset({ datasetId: String(id), path: `${keyOf(node)}.${index}`, node });
    else say(keyOf(node), 'ALLOWED', name === 'datasets' || name === 'catalogs' || name === 'catalog' ? 'Only datasets you may know of are listed; ask about one by its id for its records.' : null); // prettier-ignore
  }

  async function explainDataset({ datasetId, path, node }: Asked): Promise<void> {
    const { access, services } = context;
    const configured = services.accessRules().restrictions.get(datasetId) ?? null;
    const restriction = configured !== null && (await access.mayKnow(datasetId)) ? configured : null;
    const type = getNamedType(schema.getType('Dataset'));
    if (!isObjectType(type)) throw new HubError('INTERNAL', 'Internal error.');
    for (const child of fieldsOf(node.selectionSet, walker)) {
      const at = `${path}.${keyOf(child)}`;
      const action = ACTION_OF[child.name.value];
      if (restriction === null) say(at, 'ALLOWED', NOTHING_RESTRICTS);
      else if (action === undefined) say(at, 'ALLOWED', 'The description of a dataset you may know of.');
      else await explainRecords(restriction, action, at, argumentsOf(type, child, walker));
    }
  }

  async function explainRecords(
    restriction: Restriction,
    action: Action,
    at: string,
    args: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const { access } = context;
    const { datasetId, provider } = restriction;
    const { used, shown } = columnsOf(args);
    const lack = (missing: readonly Action[], properties: readonly string[]): void => {
      if (provider === null) return;
      const entry = unlock.get(datasetId) ?? { missing: new Set(), properties: new Set(), provider };
      for (const one of missing) entry.missing.add(one);
      for (const property of properties) entry.properties.add(property);
      unlock.set(datasetId, entry);
    };
    const decision: Decision = await access.decide(restriction, action);
    if (decision.kind === 'denied') {
      say(at, 'DENIED', decision.text, decision.agreement);
      // What a header or another token mends needs no other agreement.
      const isLacking = ['NO_AGREEMENT', 'STATE', 'NOT_YET', 'ACTION', 'DELEGATE'].includes(decision.reason);
      if (isLacking) lack([action], [...new Set([...used, ...(shown ?? [])])]);
      return;
    }
    const { grant, agreement } = decision;
    if (grant.rows !== null)
      rowRules.set(`${datasetId} ${agreement.id}`, `${datasetId}: ${JSON.stringify(grant.rows)}`);
    const hidden = new Set(grant.masks.flatMap(({ property, method }) => (method === 'HIDE' ? [property] : [])));
    const isHidden = (name: string): boolean =>
      hidden.has(name) || (grant.properties !== null && !grant.properties.includes(name));
    const inText = namesInText(args['cql'], hidden);
    const barred = [...used, ...inText].filter(isHidden);
    if (barred.length > 0) {
      say(at, 'DENIED', `It uses columns that agreement ${agreement.id} hides: ${barred.join(', ')}.`, agreement.id);
      lack([], barred);
      return;
    }
    say(
      at,
      grant.rows === null ? 'ALLOWED' : 'ROW_FILTERED',
      grant.rows === null ? null : 'Only the rows of the agreement are there.',
      agreement.id,
    );
    if (action === 'AGGREGATE') return;
    const named = shown ?? [...new Set([...(grant.properties ?? []), ...grant.masks.map(({ property }) => property)])];
    for (const name of named) {
      const mask = grant.masks.find(({ property }) => property === name);
      if (isHidden(name)) {
        say(`${at}.values.${name}`, 'DENIED', 'The column is hidden.', agreement.id);
        lack([], [name]);
      } else if (mask !== undefined)
        say(`${at}.values.${name}`, 'MASKED', `${mask.method}${mask.parameter === null ? '' : ` ${mask.parameter}`}`, agreement.id); // prettier-ignore
      else say(`${at}.values.${name}`, 'ALLOWED', null, agreement.id);
    }
    if (shown === null && grant.properties === null)
      say(`${at}.values`, 'ALLOWED', 'All other columns are there as they are.', agreement.id);
  }

  const denied = fields.filter(({ outcome }) => outcome === 'DENIED').length;
  return {
    decision: denied === 0 ? 'ALLOW' : denied === fields.length ? 'DENY' : 'ALLOW_PARTLY',
    fields,
    rowRules: [...rowRules.values()],
    unlock: [...unlock].map(([dataset, { missing, properties, provider }]) => ({
      dataset,
      missing: [...missing],
      properties: [...properties],
      provider,
    })),
  };
}

function readQuestion(
  query: string,
  schema: GraphQLSchema,
  limits: QueryLimits,
): { readonly document: DocumentNode; readonly operation: OperationDefinitionNode } {
  const refuse = (message: string): HubError => new HubError('INPUT_INVALID', `query: ${message}`);
  let document: DocumentNode;
  try {
    checkBrackets(query);
    document = parse(query, { maxTokens: limits.queryTokens });
  } catch (error) {
    if (error instanceof GraphQLError) throw refuse(error.message.slice(0, 500));
    throw error;
  }
  checkShape(document, limits);
  const [fault] = validate(schema, document, undefined, { maxErrors: 1 });
  if (fault !== undefined) throw refuse(fault.message.slice(0, 500));
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  const [operation] = operations;
  if (operation === undefined || operations.length > 1) throw refuse('takes one operation.');
  if (operation.operation !== OperationTypeNode.QUERY)
    throw refuse('takes a query; what changes agreements needs none.');
  return { document, operation };
}
