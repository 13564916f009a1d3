import { HubError } from '@civex/errors';
import type { HttpRequest } from './types.ts';

/** A request as it goes below a base. */
export interface WireRequest {
  readonly method: 'GET' | 'POST';
  /** Path and query. */
  readonly path: string;
  readonly body: string | null;
  /** Equal for equal questions that are read alike, and only for them. */
  readonly key: string;
}

/**
 * Dot segments would climb out of the configured prefix, a `?`, `#` or backslash would end the path early. Ids of
 * datasets travel in paths, so this is caller input.
 */
const UNSAFE_PATH = /(?:^|[/])(?:\.|%2e){1,2}(?:[/]|$)|[^\u0021-\u007e]|[?#\\]/i;

/** @throws HubError `INPUT_INVALID` for a path or a parameter that cannot be spelled safely. */
export function toWireRequest(request: HttpRequest): WireRequest {
  if (!request.path.startsWith('/') || UNSAFE_PATH.test(request.path))
    throw new HubError('INPUT_INVALID', 'An identifier in the request cannot be part of an address at a source.');
  let path = request.path;
  if (request.search !== undefined && request.search.length > 0) {
    let separator = '?';
    try {
      for (const [name, value] of request.search) {
        path += `${separator}${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
        separator = '&';
      }
    } catch (error) {
      // encodeURIComponent throws for one thing only: a lone surrogate.
      throw new HubError('INPUT_INVALID', 'The request holds text that is not valid Unicode.', {}, error);
    }
  }
  const body = request.body === undefined ? null : JSON.stringify(request.body);
  return {
    method: request.method,
    path,
    body,
    key: JSON.stringify([request.method, path, body, request.reading ?? '']),
  };
}
