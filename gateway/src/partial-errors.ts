import { GraphQLError, responsePathAsArray } from 'graphql';
import type { GraphQLResolveInfo } from 'graphql';
import type { HubContext } from './context.ts';

/** By which a source server marks the errors of fields that have a value all the same. */
export const PARTIAL_EXTENSION = 'civexPartial';

/**
 * Records a located error for a field that still has a value: the part that failed is named in `errors`, the rest of
 * the answer stands. Joined to the result when execution is done.
 */
export function reportPartial(context: HubContext, info: GraphQLResolveInfo, error: Error): void {
  context.partialErrors.push(
    new GraphQLError(error.message, {
      nodes: info.fieldNodes,
      path: responsePathAsArray(info.path),
      originalError: error,
    }),
  );
}
