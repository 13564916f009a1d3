import { HubError } from '@civex/errors';
import { decodeDatasetId } from '@civex/model';
import { delegateToSchema } from '@graphql-tools/delegate';
import type { Subschema } from '@graphql-tools/delegate';
import { GraphQLError, OperationTypeNode, responsePathAsArray } from 'graphql';
import type { GraphQLObjectType, GraphQLResolveInfo, SelectionSetNode } from 'graphql';
import type { HubContext } from './context.ts';

/** What a delegation to a source carries beside the document; see the executor in public-schema.ts. */
export interface SourceDelegation {
  readonly source: string;
  /** Takes the located errors of fields that have a value all the same; paths are those of the source's answer. */
  readonly onPartialErrors: (errors: readonly GraphQLError[]) => void;
}

/**
 * Asks a dataset's source for what is selected of it, through stitching: the result is annotated, so that fields which
 * other subschemas add to `Dataset` are merged. Each dataset is a delegation of its own, so that its errors are located
 * where it was asked for; what is asked in one tick is still one upstream request, by the request's loader at a source
 * in this process and by query batching at a remote one.
 *
 * @returns null for ids nobody can have issued and for datasets the source does not have.
 */
export async function delegateDataset(
  id: string,
  context: HubContext,
  info: GraphQLResolveInfo,
  subschema: Subschema,
  selectionSet?: SelectionSetNode,
): Promise<unknown> {
  const ref = decodeDatasetId(id);
  if (ref === null || !context.sources.has(ref.source)) return null;
  const { source } = ref;
  const returnType = info.schema.getType('Dataset') as GraphQLObjectType | undefined;
  if (returnType === undefined) throw new HubError('INTERNAL', 'Internal error.', {}, 'Dataset is not in the schema');
  const delegation: SourceDelegation = {
    source,
    onPartialErrors(errors) {
      const place = responsePathAsArray(info.path);
      for (const error of errors)
        context.partialErrors.push(
          new GraphQLError(error.message, {
            nodes: error.nodes ?? null,
            path: [...place, ...(error.path ?? []).slice(1)],
            originalError: error.originalError ?? error,
          }),
        );
    },
  };
  const result: unknown = await delegateToSchema({
    schema: subschema,
    operation: OperationTypeNode.QUERY,
    fieldName: 'sourceDataset',
    args: { source, id },
    returnType,
    ...(selectionSet === undefined ? {} : { selectionSet }),
    rootValue: delegation,
    context,
    info,
  });
  // A delegation hands over a failure as a value.
  if (result instanceof Error) throw result;
  return result;
}
