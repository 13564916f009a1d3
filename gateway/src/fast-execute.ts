import {
  getArgumentValues,
  getNamedType,
  getOperationAST,
  getVariableValues,
  GraphQLError,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  locatedError,
  OperationTypeNode,
  responsePathAsArray,
} from 'graphql';
import type {
  DocumentNode,
  ExecutionArgs,
  ExecutionResult,
  FieldNode,
  FragmentDefinitionNode,
  GraphQLField,
  GraphQLLeafType,
  GraphQLObjectType,
  GraphQLOutputType,
  GraphQLResolveInfo,
  GraphQLSchema,
  OperationDefinitionNode,
  SelectionSetNode,
} from 'graphql';
import type { HubContext } from './context.ts';
import { DatasetNode } from './dataset-node.ts';
import { markProjected } from './projection.ts';

/*
 * Executes questions that the hub and sources of this process answer alone, compiled once per document. It does what
 * graphql-js does (resolvers, arguments, null propagation, located errors) without building a resolve info, a path and
 * a resolver call for each plain property. Everything else (directives, foreign fields, remote sources, mutations)
 * goes to the ordinary executor; a property test holds both to the same answers.
 */

interface FieldPlan {
  readonly responseKey: string;
  readonly name: string;
  readonly field: GraphQLField<unknown, unknown>;
  readonly nodes: readonly FieldNode[];
  readonly parentType: GraphQLObjectType;
  readonly complete: Complete;
  readonly nonNull: boolean;
  /** Arguments known when compiled; null when they hold variables. */
  readonly args: Readonly<Record<string, unknown>> | null;
  /** The hub's own resolver; without one the property or method of the parent is the value. */
  readonly resolve: OwnResolver | null;
}

/** Parent and arguments differ from field to field; the schema has checked them. */
type OwnResolver = (parent: never, args: never, context: HubContext, info: GraphQLResolveInfo) => unknown;

interface Path {
  readonly prev: Path | undefined;
  readonly key: string | number;
  readonly typename: string | undefined;
}

interface Run {
  readonly context: HubContext;
  readonly args: ExecutionArgs;
  readonly variables: unknown;
  readonly plan: OperationPlan;
  readonly errors: GraphQLError[];
  /** True when remembered projections stand in the answer. */
  projected: boolean;
}

/** Turns a resolved value into its part of the answer; throws or rejects when a non-null place would be null. */
type Complete = (value: unknown, run: Run, path: Path, plan: FieldPlan) => unknown;

interface OperationPlan {
  readonly operation: OperationDefinitionNode;
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  readonly fields: readonly FieldPlan[];
  readonly hasVariables: boolean;
}

const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';

/** Scalars whose values the hub makes itself pass as they are when they have the right type; anything else is checked. */
function completeLeaf(type: GraphQLLeafType): (value: unknown) => unknown {
  const serialize = (value: unknown): unknown => {
    const result: unknown = type.serialize(value);
    if (result === undefined || result === null) throw new GraphQLError(`Expected a value of type ${type.name}.`);
    return result;
  };
  switch (type.name) {
    case 'String':
    case 'ID':
      return (value) => (typeof value === 'string' ? value : serialize(value));
    case 'Boolean':
      return (value) => (typeof value === 'boolean' ? value : serialize(value));
    case 'Float':
      return (value) => (typeof value === 'number' && Number.isFinite(value) ? value : serialize(value));
    case 'JSON':
    case 'JSONObject':
    case 'GeoJSON':
    case 'DateTime':
    case 'Duration':
    case 'URL':
      return (value) => value;
    default:
      return serialize;
  }
}

function hasDirectives(document: DocumentNode): boolean {
  const inSet = (set: SelectionSetNode): boolean =>
    set.selections.some(
      (selection) =>
        (selection.directives?.length ?? 0) > 0 ||
        ('selectionSet' in selection && selection.selectionSet !== undefined && inSet(selection.selectionSet)),
    );
  return document.definitions.some(
    (definition) =>
      'selectionSet' in definition && ((definition.directives?.length ?? 0) > 0 || inSet(definition.selectionSet)),
  );
}

class Compiler {
  readonly #schema: GraphQLSchema;
  readonly #own: OwnResolvers;
  readonly #foreign: ReadonlyMap<string, ReadonlySet<string>>;
  readonly fragments: Record<string, FragmentDefinitionNode> = {};
  /** Set when something is met that the ordinary executor has to do. */
  refused = false;

  constructor(
    schema: GraphQLSchema,
    own: OwnResolvers,
    foreign: ReadonlyMap<string, ReadonlySet<string>>,
    document: DocumentNode,
  ) {
    this.#schema = schema;
    this.#own = own;
    this.#foreign = foreign;
    for (const definition of document.definitions)
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.fragments[definition.name.value] = definition;
  }

  compileFields(type: GraphQLObjectType, sets: readonly SelectionSetNode[]): readonly FieldPlan[] {
    const groups = new Map<string, FieldNode[]>();
    const collect = (set: SelectionSetNode): void => {
      for (const selection of set.selections) {
        if (selection.kind === Kind.FIELD) {
          const key = selection.alias?.value ?? selection.name.value;
          const group = groups.get(key);
          if (group === undefined) groups.set(key, [selection]);
          else group.push(selection);
        } else if (selection.kind === Kind.INLINE_FRAGMENT) collect(selection.selectionSet);
        else {
          const fragment = this.fragments[selection.name.value];
          if (fragment === undefined) this.refused = true;
          else collect(fragment.selectionSet);
        }
      }
    };
    for (const set of sets) collect(set);
    return [...groups].flatMap(([key, nodes]) => this.#compileField(type, key, nodes) ?? []);
  }

  #compileField(type: GraphQLObjectType, responseKey: string, nodes: readonly FieldNode[]): FieldPlan | null {
    const [node] = nodes;
    const name = node?.name.value ?? '';
    const field = this.#schema.getField(type, name);
    // `__proto__` as a response key needs an object without a prototype, which the ordinary executor makes.
    if (
      node === undefined ||
      field === undefined ||
      name === '__schema' ||
      name === '__type' ||
      responseKey === '__proto__'
    ) {
      this.refused = true;
      return null;
    }
    // The root has no properties: a field of it that the hub does not resolve belongs to another subschema.
    const isForeignRoot =
      type === this.#schema.getQueryType() && name !== '__typename' && this.#own[type.name]?.[name] === undefined;
    if (isForeignRoot || this.#foreign.get(type.name)?.has(name) === true) {
      this.refused = true;
      return null;
    }
    const constant = !(node.arguments ?? []).some((argument) => holdsVariable(argument.value));
    const typename = type.name;
    return {
      responseKey,
      name,
      field,
      nodes,
      parentType: type,
      nonNull: isNonNullType(field.type),
      complete: this.#compileType(field.type, nodes),
      args: constant ? getArgumentValues(field, node) : null,
      resolve: name === '__typename' ? () => typename : (this.#own[typename]?.[name] ?? null),
    };
  }

  #compileType(type: GraphQLOutputType, nodes: readonly FieldNode[]): Complete {
    if (isNonNullType(type)) {
      const inner = this.#compileType(type.ofType, nodes);
      return (value, run, path, plan) => {
        const completed = inner(value, run, path, plan);
        if (completed === null) throw nullError(plan);
        return isPromise(completed)
          ? completed.then((settled) => {
              if (settled === null) throw nullError(plan);
              return settled;
            })
          : completed;
      };
    }
    if (isListType(type)) {
      const item = this.#compileType(type.ofType, nodes);
      const itemNonNull = isNonNullType(type.ofType);
      const leaf = isLeafType(getNamedType(type));
      return (value, run, path, plan) => {
        if (value === null || value === undefined) return null;
        if (value instanceof Error) throw value;
        if (!Array.isArray(value)) throw new GraphQLError(`Expected a list for ${plan.parentType.name}.${plan.name}.`);
        if (leaf && value.every((entry) => typeof entry === 'string')) return value;
        const out: unknown[] = [];
        let pending: Promise<unknown>[] | null = null;
        try {
          for (let index = 0; index < value.length; index++) {
            const completed = completePlace(
              value[index],
              item,
              itemNonNull,
              run,
              { prev: path, key: index, typename: undefined },
              plan,
            );
            if (isPromise(completed)) {
              out.push(null);
              (pending ??= []).push(
                completed.then((settled) => {
                  out[index] = settled;
                }),
              );
            } else out.push(completed);
          }
        } catch (error) {
          abandon([...(pending ?? []), ...value.filter(isPromise)]);
          throw error;
        }
        return pending === null ? out : Promise.all(pending).then(() => out);
      };
    }
    if (isLeafType(type)) {
      const complete = completeLeaf(type);
      return (value) => {
        if (value === null || value === undefined) return null;
        if (value instanceof Error) throw value;
        return complete(value);
      };
    }
    if (!isObjectType(type)) {
      this.refused = true;
      return () => null;
    }
    const fields = this.compileFields(
      type,
      nodes.flatMap((node) => node.selectionSet ?? []),
    );
    const execute: Complete = (value, run, path) => {
      if (value === null || value === undefined) return null;
      if (value instanceof Error) throw value;
      return executeFields(value, fields, run, path);
    };
    if (type.name !== 'Dataset' || !fields.every(isPure)) return execute;
    return (value, run, path, plan) => {
      if (!(value instanceof DatasetNode)) return execute(value, run, path, plan);
      const known = value.recall(fields);
      if (known !== undefined) {
        run.projected = true;
        return known;
      }
      const before = run.errors.length;
      const made = executeFields(value, fields, run, path);
      if (typeof made === 'object' && made !== null && !isPromise(made) && run.errors.length === before)
        value.remember(fields, made);
      return made;
    };
  }
}

/** Fields of a dataset that depend on more than the dataset: on the request, the portal or the time of fetching. */
const IMPURE: ReadonlySet<string> = new Set(['catalog', 'provenance', 'records', 'aggregate', 'queryables']);

/** True when a field of a dataset depends on nothing but the dataset and the document. */
const isPure = (plan: FieldPlan): boolean =>
  plan.args !== null && (plan.resolve === null || plan.name === '__typename') && !IMPURE.has(plan.name);

const nullError = (plan: FieldPlan): Error =>
  new GraphQLError(`Cannot return null for non-nullable field ${plan.parentType.name}.${plan.name}.`);

function holdsVariable(value: {
  readonly kind: string;
  readonly values?: unknown;
  readonly fields?: unknown;
}): boolean {
  if (value.kind === Kind.VARIABLE) return true;
  if (Array.isArray(value.values)) return value.values.some((part) => holdsVariable(part));
  if (Array.isArray(value.fields)) return value.fields.some((field) => holdsVariable(field.value));
  return false;
}

/** What was begun beside a part that failed at once: nobody waits for it, and its failure must not end the process. */
function abandon(begun: readonly Promise<unknown>[]): void {
  for (const promise of begun) promise.catch(() => {});
}

/** Completes a value at a place of its own: an error ends at the nearest place that may be null. */
function completePlace(
  value: unknown,
  complete: Complete,
  nonNull: boolean,
  run: Run,
  path: Path,
  plan: FieldPlan,
): unknown {
  const fail = (raw: unknown): null => {
    const error = locatedError(raw, plan.nodes, responsePathAsArray(path));
    if (nonNull) throw error;
    run.errors.push(error);
    return null;
  };
  if (isPromise(value))
    return value.then((settled) => complete(settled, run, path, plan)).then((completed) => completed, fail);
  try {
    const completed = complete(value, run, path, plan);
    return isPromise(completed) ? completed.then((settled) => settled, fail) : completed;
  } catch (raw) {
    return fail(raw);
  }
}

function executeFields(parent: unknown, fields: readonly FieldPlan[], run: Run, path: Path | undefined): unknown {
  const out: Record<string, unknown> = {};
  let pending: Promise<unknown>[] | null = null;
  try {
    for (const plan of fields) {
      const { responseKey } = plan;
      const place: Path = { prev: path, key: responseKey, typename: plan.parentType.name };
      let value: unknown;
      try {
        value = resolveField(parent, plan, run, place);
      } catch (raw) {
        // Told like an error of completion: an Error value ends at the nearest place that may be null.
        value = raw instanceof Error ? raw : new Error('not an error', { cause: raw });
      }
      const completed = completePlace(value, plan.complete, plan.nonNull, run, place, plan);
      if (isPromise(completed)) {
        out[responseKey] = null;
        (pending ??= []).push(
          completed.then((settled) => {
            out[responseKey] = settled;
          }),
        );
      } else out[responseKey] = completed;
    }
  } catch (error) {
    abandon(pending ?? []);
    throw error;
  }
  return pending === null ? out : Promise.all(pending).then(() => out);
}

function resolveField(parent: unknown, plan: FieldPlan, run: Run, path: Path): unknown {
  const { resolve, name } = plan;
  if (resolve === null) {
    // Parents are objects: the compiler only descends into object types.
    const property = (parent as Readonly<Record<string, unknown>>)[name];
    if (typeof property !== 'function') return property;
    return (property as (...args: unknown[]) => unknown).call(
      parent,
      argsOf(plan, run),
      run.context,
      infoOf(plan, run, path),
    );
  }
  return resolve(parent as never, argsOf(plan, run) as never, run.context, infoOf(plan, run, path));
}

function argsOf(plan: FieldPlan, run: Run): unknown {
  const [node] = plan.nodes;
  if (plan.args !== null || node === undefined) return plan.args;
  return getArgumentValues(plan.field, node, run.variables as Parameters<typeof getArgumentValues>[2]);
}

function infoOf(plan: FieldPlan, run: Run, path: Path): GraphQLResolveInfo {
  return {
    fieldName: plan.name,
    fieldNodes: plan.nodes,
    returnType: plan.field.type,
    parentType: plan.parentType,
    path,
    schema: run.args.schema,
    fragments: run.plan.fragments,
    rootValue: run.args.rootValue,
    operation: run.plan.operation,
    variableValues: run.variables,
  } as unknown as GraphQLResolveInfo;
}

export type OwnResolvers = Readonly<Record<string, Readonly<Record<string, OwnResolver>>>>;

/**
 * An executor that takes the short way where it can and `otherwise` where it cannot. `own` are the hub's resolvers,
 * `foreign` the fields other subschemas add.
 */
export function createFastExecute(
  schema: GraphQLSchema,
  own: OwnResolvers,
  foreign: ReadonlyMap<string, ReadonlySet<string>>,
): (args: ExecutionArgs, otherwise: (args: ExecutionArgs) => unknown) => unknown {
  /** By document, then by operation name; null when the ordinary executor has to do it. */
  const plans = new WeakMap<DocumentNode, Map<string, OperationPlan | null>>();

  const compile = (document: DocumentNode, operationName: string | null | undefined): OperationPlan | null => {
    const operation = getOperationAST(document, operationName);
    const root = schema.getQueryType();
    if (operation == null || operation.operation !== OperationTypeNode.QUERY || root == null || hasDirectives(document))
      return null;
    const compiler = new Compiler(schema, own, foreign, document);
    const fields = compiler.compileFields(root, [operation.selectionSet]);
    if (compiler.refused) return null;
    const hasVariables = (operation.variableDefinitions?.length ?? 0) > 0;
    return { operation, fragments: compiler.fragments, fields, hasVariables };
  };

  return (args, otherwise) => {
    const context = args.contextValue as HubContext;
    for (const source of context.sources.values()) if (source.kind === 'remote') return otherwise(args);
    let byName = plans.get(args.document);
    if (byName === undefined) plans.set(args.document, (byName = new Map()));
    const name = args.operationName ?? '';
    let plan = byName.get(name);
    if (plan === undefined) {
      plan = compile(args.document, args.operationName);
      byName.set(name, plan);
    }
    if (plan === null) return otherwise(args);
    let variables: unknown = {};
    if (plan.hasVariables) {
      // One error is enough to know: thousands of them would be made only to be dropped.
      const coerced = getVariableValues(schema, plan.operation.variableDefinitions ?? [], args.variableValues ?? {}, {
        maxErrors: 0,
      });
      // The ordinary executor words the refusal.
      if ('errors' in coerced && coerced.errors !== undefined) return otherwise(args);
      variables = 'variableValues' in coerced ? coerced.variableValues : coerced;
    }
    const run: Run = { context, args, variables, plan, errors: [], projected: false };
    const finish = (data: unknown): ExecutionResult => {
      if (run.projected && typeof data === 'object' && data !== null) markProjected(data);
      return (run.errors.length === 0 ? { data } : { errors: run.errors, data }) as ExecutionResult;
    };
    const fail = (error: unknown): ExecutionResult => {
      run.errors.push(
        error instanceof GraphQLError ? error : new GraphQLError('Internal error.', { originalError: error as Error }),
      );
      return finish(null);
    };
    try {
      const data = executeFields({}, plan.fields, run, undefined);
      return isPromise(data) ? data.then(finish, fail) : finish(data);
    } catch (error) {
      return fail(error);
    }
  };
}
