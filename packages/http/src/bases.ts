import { HubError } from '@civex/errors';
import { isIP } from 'node:net';
import { buildConnector, errors, Pool } from 'undici';
import { createGuardedLookup, isAddressAdmitted, type AddressGuard, type Resolve } from './address-guard.ts';
import type { Faults } from './faults.ts';
import type { SourceHttpOptions } from './types.ts';

/** One configured base URL with the connections to its origin. */
export interface Base {
  readonly origin: string;
  /** Path prefix without a closing slash; empty for the root. */
  readonly prefix: string;
  readonly link: Link;
}

/** The connections to one origin. */
export interface Link {
  readonly pool: Pool;
  /** How many connections were broken off because the peer sent what is not HTTP, or more than its answer. */
  protocolFaults: number;
  /** True for the rest of the turn of the event loop in which that happened. */
  hasJustFaulted: boolean;
}

/** Waiting for the socket to be idle, milliseconds: a little less than the usual 5 s of Node servers. */
const KEEP_ALIVE_MS = 4_000;

const connectErrors = new WeakSet<Error>();

/** True when the error came up before a connection stood: nothing was sent. */
export function isConnectError(error: Error): boolean {
  return connectErrors.has(error);
}

/** @throws HubError `CONFIG_INVALID` without repeating the value, which may hold a secret. */
function parseBaseUrl(text: string, index: number, guard: AddressGuard): URL {
  const refuse = (what: string): never => {
    throw new HubError('CONFIG_INVALID', `baseUrls.${index}: ${what}`);
  };
  // What the URL parser would drop or turn into something else without a word.
  if (/[\s\\\p{Cc}]/u.test(text)) return refuse('must not contain spaces, control characters or backslashes.');
  const url = URL.parse(text);
  if (url === null || !/^https?:[/][/][^/]/i.test(text)) return refuse('must be an absolute https URL.');
  if (url.username !== '' || url.password !== '' || /^https?:[/][/][^/]*@/i.test(text))
    return refuse('must not contain a user name or password.');
  if (url.search !== '' || url.hash !== '' || text.includes('?') || text.includes('#'))
    return refuse('must not contain a query or fragment.');
  if (url.port === '0') return refuse('port 0 cannot be connected to.');
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0 && !isAddressAdmitted(guard.kindOf(literal), url.protocol))
    return refuse('the address is neither public nor in allowedPrivateCidrs (http: needs the latter).');
  return url;
}

function createConnector(
  protocol: string,
  guard: AddressGuard,
  resolve: Resolve,
  timeoutMs: number,
  faults: Faults,
  onProtocolFault: () => void,
): buildConnector.connector {
  const refuse = () => faults.addressRefused();
  const connect = buildConnector({
    allowH2: false,
    // Closes the socket after the timer below has given it up: undici's own timers are exact to a second only.
    timeout: timeoutMs,
    lookup: createGuardedLookup(guard, protocol, resolve, refuse),
  });
  // Without an address the peer has gone again, and nothing can be sent to it.
  const isPeerAdmitted = (address: string | undefined) =>
    address === undefined || isAddressAdmitted(guard.kindOf(address), protocol);
  return (options, callback) => {
    let isOver = false;
    const fail = (error: Error) => {
      isOver = true;
      clearTimeout(timer);
      connectErrors.add(error);
      callback(error, null);
    };
    const timer = setTimeout(() => fail(new errors.ConnectTimeoutError('connect timeout')), timeoutMs);
    connect(options, (...[error, socket]) => {
      if (isOver) {
        socket?.destroy();
      } else if (error !== null) {
        fail(error);
      } else if (!isPeerAdmitted(socket.remoteAddress)) {
        socket.destroy();
        fail(refuse());
      } else {
        isOver = true;
        clearTimeout(timer);
        socket.on('error', (socketError) => {
          if (isProtocolFault(socketError)) onProtocolFault();
        });
        callback(null, socket);
      }
    });
  };
}

/** @throws HubError `CONFIG_INVALID` for a base URL that is not allowed. */
export function createBases(
  options: SourceHttpOptions,
  guard: AddressGuard,
  resolve: Resolve,
  faults: Faults,
): readonly Base[] {
  const urls = options.baseUrls.map((text, index) => parseBaseUrl(text, index, guard));
  const links = new Map<string, Link>();
  return urls.map((url): Base => {
    let link = links.get(url.origin);
    if (link === undefined) {
      const onProtocolFault = () => {
        created.protocolFaults += 1;
        created.hasJustFaulted = true;
        setImmediate(() => {
          created.hasJustFaulted = false;
        });
      };
      const { maxConcurrent, connectTimeoutMs, headersTimeoutMs } = options.limits;
      const pool = new Pool(url.origin, {
        connections: maxConcurrent,
        allowH2: false,
        pipelining: 1,
        connect: createConnector(url.protocol, guard, resolve, connectTimeoutMs, faults, onProtocolFault),
        headersTimeout: headersTimeoutMs,
        // The call's deadline and the rate watch bound the body.
        bodyTimeout: 0,
        keepAliveTimeout: KEEP_ALIVE_MS,
      });
      const created: Link = { pool, protocolFaults: 0, hasJustFaulted: false };
      links.set(url.origin, created);
      link = created;
    }
    return { origin: url.origin, prefix: url.pathname.replace(/[/]+$/, ''), link };
  });
}

/** Bytes that belong to no request, or that the HTTP parser refused. */
export function isProtocolFault(error: Error): boolean {
  return (
    error instanceof errors.HTTPParserError || (error instanceof errors.SocketError && error.message === 'bad response')
  );
}
