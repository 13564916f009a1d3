import { HubError, isHubError } from '@civex/errors';
import type { Queryable, QueryableType } from '@civex/model';
import { bindFilter, isPredicate } from '@civex/query';
import type { FilterInput, RecordFilter } from '@civex/query';
import { createColumnMask, maskableTypes } from '@civex/sharing';
import type { Action, ColumnMask, Decision, Mask, Restriction } from '@civex/sharing';
import {
  getNamedType,
  getArgumentValues,
  getDirectiveValues,
  getVariableValues,
  GraphQLError,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
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
  SelectionNode,
  SelectionSetNode,
} from 'graphql';
import { requireCaller } from './access.ts';
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
const NOTHING_RESTRICTS =
  'No rule of this hub and no agreement of yours restricts a dataset of this id, if there is one. Its portal may.';

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

const isSkipped = (selection: SelectionNode, { variables }: Walker): boolean =>
  getDirectiveValues(GraphQLSkipDirective, selection, variables)?.['if'] === true ||
  getDirectiveValues(GraphQLIncludeDirective, selection, variables)?.['if'] === false;

function fieldsOf(set: SelectionSetNode | undefined, walker: Walker, depth = 0): readonly FieldNode[] {
  if (set === undefined || depth > 20) return [];
  return set.selections.flatMap((selection) => {
    if (isSkipped(selection, walker)) return [];
    if (selection.kind === Kind.FIELD) return [selection];
    if (selection.kind === Kind.INLINE_FRAGMENT) return fieldsOf(selection.selectionSet, walker, depth + 1);
    return fieldsOf(walker.fragments.get(selection.name.value)?.selectionSet, walker, depth + 1);
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

/** The conditions of a FilterInput, without what connects them. */
function leavesOf(filter: unknown, into: FilterInput[] = [], depth = 0): readonly FilterInput[] {
  if (typeof filter !== 'object' || filter === null || depth > 20) return into;
  if (Array.isArray(filter)) for (const part of filter) leavesOf(part, into, depth + 1);
  else {
    const { and, or, not, ...leaf } = filter as FilterInput;
    if (typeof leaf['property'] === 'string') into.push(leaf);
    for (const inner of [and, or, not]) leavesOf(inner, into, depth + 1);
  }
  return into;
}

const listOf = (value: unknown): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(value) ? value.filter((part): part is Readonly<Record<string, unknown>> => typeof part === 'object' && part !== null) : []; // prettier-ignore

/** Columns a question for records names, and those it wants to see; null: all that are there. */
function columnsOf(args: Readonly<Record<string, unknown>>): {
  readonly used: ReadonlySet<string>;
  readonly shown: readonly string[] | null;
} {
  const used = new Set(leavesOf(args['filter']).map(({ property }) => String(property)));
  for (const list of ['sortBy', 'groupBy', 'measures'])
    for (const { property } of listOf(args[list])) if (typeof property === 'string') used.add(property);
  const { properties } = args;
  return {
    used,
    shown: Array.isArray(properties) ? properties.filter((name): name is string => typeof name === 'string') : null,
  };
}

const NO_KEY = new Uint8Array(32);
const toColumn = (name: string, type: QueryableType): Queryable => ({ name, type, titles: {}, descriptions: {}, unit: null }); // prettier-ignore

/** What stands in a masked column, whatever type the column is of. Null for a method that shows nothing. */
function maskedColumnOf(mask: Mask): { readonly column: ColumnMask; readonly name: string } | null {
  if (mask.method === 'HIDE') return null;
  const name = mask.property;
  const column = createColumnMask(mask, toColumn(name, maskableTypes(mask.method).at(-1) ?? 'JSON'), NO_KEY);
  return column === null ? null : { column, name };
}

const everyPredicate = (filter: RecordFilter, test: ColumnMask['admits']): boolean =>
  isPredicate(filter) ? test(filter) : filter.args.every((part) => everyPredicate(part, test));

/** Whether conditions on a masked column ask for what stands there. Those that no column would take are not asked at all. */
function admitsAll({ column, name }: NonNullable<ReturnType<typeof maskedColumnOf>>, filter: unknown): boolean {
  return leavesOf(filter).every((leaf) => {
    if (leaf['property'] !== name) return true;
    // Nothing but whether it is null can be asked of nothing, of any type.
    if (column.type === 'JSON') return leaf['isNull'] !== undefined;
    try {
      return everyPredicate(bindFilter(leaf, [toColumn(name, column.type)]), column.admits);
    } catch (error) {
      if (isHubError(error)) return true;
      throw error;
    }
  });
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
    else if (name === 'agreements' || name === 'agreement') say(keyOf(node), ...explainAgreements());
    else say(keyOf(node), 'ALLOWED', name === 'datasets' || name === 'catalogs' || name === 'catalog' ? 'Only datasets you may know of are listed; ask about one by its id for its records.' : null); // prettier-ignore
  }

  function explainAgreements(): ['ALLOWED' | 'DENIED', string] {
    try {
      requireCaller(context.access, 'agreements:read');
      return ['ALLOWED', 'Agreements your organisation is a party of.'];
    } catch (error) {
      if (!isHubError(error)) throw error;
      return ['DENIED', error.message];
    }
  }

  async function explainDataset({ datasetId, path, node }: Asked): Promise<void> {
    const { access } = context;
    const restriction = await access.restrictionByName(datasetId);
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
    const refuse = (reason: string, properties: readonly string[] = []): void => {
      say(at, 'DENIED', reason, agreement.id);
      if (properties.length > 0) lack([], properties);
    };
    if (grant.disclosure !== null) return refuse(`Agreement ${agreement.id} asks for disclosure control, which this hub does not have.`); // prettier-ignore
    const most = grant.limits?.recordsPerRequest ?? null;
    if (most !== null && typeof args['first'] === 'number' && args['first'] > most)
      return refuse(`Agreement ${agreement.id} gives at most ${most.toLocaleString('en-US')} records for one request.`);
    if (grant.rows !== null)
      rowRules.set(`${datasetId} ${agreement.id}`, `${datasetId}: ${JSON.stringify(grant.rows)}`);
    const hidden = new Set(grant.masks.flatMap(({ property, method }) => (method === 'HIDE' ? [property] : [])));
    const isHidden = (name: string): boolean =>
      hidden.has(name) || (grant.properties !== null && !grant.properties.includes(name));
    const inText = namesInText(args['cql'], hidden);
    const barred = [...used, ...inText].filter(isHidden);
    if (barred.length > 0)
      return refuse(`It uses columns that agreement ${agreement.id} hides: ${barred.join(', ')}.`, barred);
    const asked = new Set([...used, ...namesInText(args['cql'], grant.masks.map(({ property }) => property))]); // prettier-ignore
    const masked = grant.masks.filter(({ property }) => asked.has(property)).flatMap((mask) => maskedColumnOf(mask) ?? []); // prettier-ignore
    const refused = masked.filter((one) => !admitsAll(one, args['filter']));
    if (refused.length > 0)
      return refuse(
        refused.map(({ name, column }) => `"${name}" is masked: it can only be compared with ${column.values}.`).join(' '), // prettier-ignore
        refused.map(({ name }) => name),
      );
    const reasons = [
      ...(grant.rows === null ? [] : ['Only the rows of the agreement are there.']),
      ...(typeof args['cql'] === 'string' ? ['The columns of cql are judged when it is asked.'] : []),
    ];
    say(
      at,
      grant.rows === null ? 'ALLOWED' : 'ROW_FILTERED',
      reasons.length === 0 ? null : reasons.join(' '),
      agreement.id,
    );
    for (const { name, column } of masked)
      say(`${at}.uses.${name}`, 'MASKED', `Seen as masked: ${column.values}. Conditions on anything else are refused.`, agreement.id); // prettier-ignore
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
