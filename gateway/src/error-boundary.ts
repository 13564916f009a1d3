import { isHubError } from '@civex/errors';
import type { HubError, HubErrorCode } from '@civex/errors';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';

/** Delegation wraps an error once per schema layer; the depth bound stops a cyclic chain. */
export function findHubError(error: unknown, depth = 8): HubError | undefined {
  if (isHubError(error)) return error;
  return depth > 0 && error instanceof GraphQLError ? findHubError(error.originalError, depth - 1) : undefined;
}

export interface ErrorBoundary {
  readonly plugin: Plugin;
  /** Turns anything into what a caller may see. */
  readonly maskError: (error: unknown) => GraphQLError;
}

const HTTP_STATUS: Partial<Record<HubErrorCode, number>> = { AUTH_REQUIRED: 401, AUTH_UNAVAILABLE: 503 };

/**
 * The only door through which an error leaves the hub. Trust follows where an error was made, never how it looks: a
 * portal can send JSON shaped exactly like one of ours. What graphql-js says of the caller's own document (syntax,
 * validation, variables) is the caller's text and passes, with the code INPUT_INVALID.
 */
export function createErrorBoundary(report: (error: unknown) => void): ErrorBoundary {
  const aboutDocument = new WeakSet<object>();
  return {
    plugin: {
      onParse() {
        return ({ result }) => {
          if (result instanceof GraphQLError) aboutDocument.add(result);
        };
      },
      onValidate() {
        return ({ result }) => {
          for (const error of result) if (error instanceof GraphQLError) aboutDocument.add(error);
        };
      },
    },
    maskError(error) {
      const graphQLError = error instanceof GraphQLError ? error : null;
      const place = { nodes: graphQLError?.nodes ?? null, source: graphQLError?.source ?? null, positions: graphQLError?.positions ?? null, path: graphQLError?.path ?? null };
      const hub = findHubError(error);
      if (hub === undefined && graphQLError !== null && isCallersFault(graphQLError, aboutDocument))
        return new GraphQLError(graphQLError.message, { ...place, extensions: { code: 'INPUT_INVALID' } });
      report(hub ?? error);
      const status = hub === undefined ? undefined : HTTP_STATUS[hub.code];
      return new GraphQLError(hub?.message ?? 'Internal error.', {
        ...place,
        extensions: {
          ...hub?.facts,
          code: hub?.code ?? 'INTERNAL',
          ...(status === undefined ? {} : { http: { status } }),
        },
      });
    },
  };
}

/** graphql-js makes errors without an original only for faults of the document or its variables, before any resolver runs. */
function isCallersFault(error: GraphQLError, aboutDocument: WeakSet<object>): boolean {
  return aboutDocument.has(error) || (error.originalError == null && error.path === undefined);
}
