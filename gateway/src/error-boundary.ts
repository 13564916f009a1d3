import { isHubError } from '@civex/errors';
import type { HubError } from '@civex/errors';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';

/**
 * Delegation wraps an error once per schema layer, and several of one answer into one; the depth bound stops a cyclic
 * chain.
 */
export function findHubError(error: unknown, depth = 8): HubError | undefined {
  if (isHubError(error)) return error;
  if (depth === 0) return undefined;
  if (error instanceof AggregateError) {
    for (const part of error.errors) {
      const found = findHubError(part, depth - 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return error instanceof GraphQLError ? findHubError(error.originalError, depth - 1) : undefined;
}

export interface ErrorBoundary {
  readonly plugin: Plugin;
  /** Turns anything into what a caller may see; what it made itself passes. `extensions` are joined to those of the error. */
  readonly maskError: (error: unknown, extensions?: Readonly<Record<string, unknown>>) => GraphQLError;
}

/** Characters of a message about the caller's document, which may quote a value of the caller's. */
const MAX_MESSAGE = 1_000;

/**
 * The only door through which an error leaves the hub. Trust follows where an error was made, never how it looks: a
 * portal can send JSON shaped exactly like one of ours. What graphql-js says of the caller's own document (syntax,
 * validation, variables) is the caller's text and passes, with the code INPUT_INVALID.
 */
export function createErrorBoundary(report: (error: unknown) => void): ErrorBoundary {
  const aboutDocument = new WeakSet<object>();
  const made = new WeakSet<object>();
  const make = (message: string, options: ConstructorParameters<typeof GraphQLError>[1]): GraphQLError => {
    const error = new GraphQLError(message, options);
    made.add(error);
    return error;
  };
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
    maskError(error, extensions = {}) {
      if (error instanceof GraphQLError && made.has(error)) return error;
      const graphQLError = error instanceof GraphQLError ? error : null;
      const place = {
        nodes: graphQLError?.nodes ?? null,
        source: graphQLError?.source ?? null,
        positions: graphQLError?.positions ?? null,
        path: graphQLError?.path ?? null,
      };
      const hub = findHubError(error);
      if (hub === undefined && graphQLError !== null && isCallersFault(graphQLError, aboutDocument))
        return make(graphQLError.message.slice(0, MAX_MESSAGE), {
          ...place,
          extensions: { ...extensions, code: 'INPUT_INVALID' },
        });
      report(hub ?? error);
      return make(hub?.message ?? 'Internal error.', {
        ...place,
        extensions: { ...extensions, ...hub?.facts, code: hub?.code ?? 'INTERNAL' },
      });
    },
  };
}

/**
 * Faults of the document or its variables are found before any resolver runs, so they have no place in the answer, and
 * behind them stands at most what a scalar said of a value.
 */
function isCallersFault(error: GraphQLError, aboutDocument: WeakSet<object>, depth = 8): boolean {
  if (aboutDocument.has(error)) return true;
  if (error.path !== undefined || depth === 0) return false;
  const { originalError } = error;
  return (
    originalError == null ||
    (originalError instanceof GraphQLError && isCallersFault(originalError, aboutDocument, depth - 1))
  );
}
