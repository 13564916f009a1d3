import { HubError } from '@civex/errors';
import { getNamedType, GraphQLError, Kind, parse, print, TypeInfo, validate, visit, visitWithTypeInfo } from 'graphql';
import type { FieldNode, SelectionSetNode } from 'graphql';
import { createPublicSchema } from './public-schema.ts';

/** Names under which an explained question carries its plans; longer than anybody would choose. */
const PLAN = 'civexExplainPlan';
const SOURCE = 'civexExplainSource';
const PROVENANCE = 'civexExplainProvenance';
const EXPLAINED: ReadonlySet<string> = new Set(['RecordConnection', 'AggregateResult']);

/** What one part of an answer says about how it came about. */
export interface ExplainedPart {
  /** Where in the answer, such as `dataset.records`. */
  readonly path: string;
  readonly dataset: string;
  readonly plan: {
    readonly strategy: string | null;
    readonly pushed: unknown;
    readonly residual: unknown;
    readonly notPushed: readonly { readonly part: unknown; readonly reason: string; readonly text: string }[];
    readonly requests: number;
    readonly pages: number;
    readonly scannedRecords: number;
    /** Null where the portal's words are not for the caller. */
    readonly portalQuery: readonly string[] | null;
  };
  readonly source: {
    readonly catalog: string;
    readonly status: string;
    readonly error: { readonly code: string; readonly message: string } | null;
  };
}

function selectionOf(text: string): readonly FieldNode[] {
  const [definition] = parse(`{ ${text} }`, { noLocation: true }).definitions;
  if (definition?.kind !== Kind.OPERATION_DEFINITION) throw new TypeError('not a selection');
  return definition.selectionSet.selections.filter((selection) => selection.kind === Kind.FIELD);
}

const ADDED = selectionOf(
  `${PLAN}: plan { strategy pushed residual notPushed { part reason text } requests pages scannedRecords portalQuery }
   ${SOURCE}: source { catalog status error { code message } }
   ${PROVENANCE}: provenance { dataset }`,
);

/**
 * The question with the plan of each of its parts that reads records, under names of its own. `collectPlans` takes
 * them out of the answer again.
 *
 * @throws HubError `INPUT_INVALID` for a text that is no question to the public schema, in the words of graphql-js.
 */
export function explainQuery(query: string): string {
  const { schema } = createPublicSchema({ fastLane: false });
  let document: ReturnType<typeof parse>;
  try {
    document = parse(query, { maxTokens: 10_000 });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    throw new HubError('INPUT_INVALID', `query: ${error.message}`, {}, error);
  }
  const [fault] = validate(schema, document);
  if (fault !== undefined) throw new HubError('INPUT_INVALID', `query: ${fault.message}`, {}, fault);
  const types = new TypeInfo(schema);
  const explained = visit(
    document,
    visitWithTypeInfo(types, {
      SelectionSet(node): SelectionSetNode | undefined {
        const type = types.getParentType();
        if (type === null || type === undefined || !EXPLAINED.has(getNamedType(type).name)) return undefined;
        const has = node.selections.some(({ kind, ...rest }) => kind === Kind.FIELD && 'alias' in rest && rest.alias?.value === PLAN); // prettier-ignore
        return has ? undefined : { ...node, selections: [...node.selections, ...ADDED] };
      },
    }),
  );
  return print(explained);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The plans of an answer to an explained question, in the order of the answer, and the answer without them. */
export function collectPlans(answer: unknown): { readonly parts: readonly ExplainedPart[]; readonly answer: unknown } {
  const parts: ExplainedPart[] = [];
  const walk = (value: unknown, path: readonly (string | number)[]): unknown => {
    if (Array.isArray(value)) return value.map((entry, index) => walk(entry, [...path, index]));
    if (!isObject(value)) return value;
    const { [PLAN]: plan, [SOURCE]: source, [PROVENANCE]: provenance, ...rest } = value;
    if (isObject(plan) && isObject(source) && isObject(provenance))
      parts.push({
        path: path.join('.'),
        dataset: String(provenance['dataset']),
        // As the selection above asks for them.
        plan: plan as unknown as ExplainedPart['plan'],
        source: source as unknown as ExplainedPart['source'],
      });
    return Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, walk(part, [...path, key])]));
  };
  const stripped = walk(answer, []);
  return { parts, answer: stripped };
}
