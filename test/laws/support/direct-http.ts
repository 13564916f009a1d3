import { HubError } from '@civex/errors';
import type { HttpAnswer, HttpCall, HttpRequest, SourceHttp } from '@civex/http';
import type { PortalAnswer, PortalQuirks } from '@civex/sandbox';

/** A portal without a listener: what it answers to a request. */
export interface DirectPortal {
  answer(
    request: {
      readonly method: string;
      readonly path: string;
      readonly search: string;
      readonly body: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly atMs: number;
    },
    quirks: PortalQuirks,
    contentType: string,
  ): PortalAnswer;
}

/** Sees each answer beside the request it is for. */
type Witness = (request: HttpRequest, answer: Uint8Array) => void;

const toBytes = ({ body }: PortalAnswer): Uint8Array =>
  typeof body === 'string' || Buffer.isBuffer(body) ? Buffer.from(body) : Buffer.from(body.join(''));

/** Bytes of one chunk of a stream; a prime, so that lines and characters are cut anywhere. */
const CHUNK_BYTES = 4_099;

/**
 * The outbound client in front of a portal in the same process: no socket, no cache, no time. Answers are the same bytes
 * the portal would send.
 */
export function createDirectHttp(
  source: string,
  portal: DirectPortal,
  quirks: () => PortalQuirks,
  witness: Witness = () => {},
): SourceHttp {
  const ask = (request: HttpRequest, call: HttpCall): HttpAnswer => {
    call.signal.throwIfAborted();
    call.trace.requests++;
    const search = new URLSearchParams((request.search ?? []).map(([name, value]) => [name, value])).toString();
    const answer = portal.answer(
      {
        method: request.method,
        path: decodeURIComponent(request.path),
        search: search === '' ? '' : `?${search}`,
        body: request.body === undefined ? '' : JSON.stringify(request.body),
        headers: {},
        atMs: 0,
      },
      quirks(),
      'application/json',
    );
    const body = toBytes(answer);
    witness(request, body);
    if (answer.status >= 500) throw new HubError('SOURCE_UNAVAILABLE', 'The source does not answer.', { source });
    const mediaType = answer.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? null;
    return { status: answer.status, mediaType, headers: answer.headers, body };
  };
  return {
    read: (request, parse, call) => Promise.resolve().then(() => parse(ask(request, call))),
    async *stream(request, onRefused, call) {
      const answer = await Promise.resolve(ask(request, call));
      if (answer.status < 200 || answer.status > 299) throw onRefused(answer);
      for (let start = 0; start < answer.body.length; start += CHUNK_BYTES)
        yield answer.body.subarray(start, start + CHUNK_BYTES);
    },
    state: () => ({
      circuit: 'closed',
      inFlight: 0,
      queued: 0,
      limit: 1,
      cacheEntries: 0,
      cacheBytes: 0,
    }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
