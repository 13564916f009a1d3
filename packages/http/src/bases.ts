import type { Environment } from '@civex/environment';
import { HubError } from '@civex/errors';
import { isIP } from 'node:net';
import { createGuardedLookup, isAddressAdmitted, type AddressGuard } from './address-guard.ts';
import type { Faults } from './faults.ts';
import { createLink, type Link } from './link.ts';
import type { SourceHttpOptions } from './types.ts';

/** One configured base URL with the connections to its origin. */
export interface Base {
  readonly origin: string;
  /** Path prefix without a closing slash; empty for the root. */
  readonly prefix: string;
  readonly link: Link;
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

/** @throws HubError `CONFIG_INVALID` for a base URL that is not allowed. */
export function createBases(
  options: SourceHttpOptions,
  guard: AddressGuard,
  environment: Environment,
  faults: Faults,
): readonly Base[] {
  const urls = options.baseUrls.map((text, index) => parseBaseUrl(text, index, guard));
  const links = new Map<string, Link>();
  const refuse = () => faults.addressRefused();
  const { connectTimeoutMs, headersTimeoutMs } = options.limits;
  return urls.map(({ origin, protocol, pathname }): Base => {
    let link = links.get(origin);
    if (link === undefined) {
      const lookup = createGuardedLookup(guard, protocol, environment.network.resolve, refuse);
      link = createLink(
        {
          origin,
          connect: environment.network.createConnector({ lookup }),
          // Without an address the peer has gone again, and nothing can be sent to it.
          isPeerAdmitted: (address) => address === undefined || isAddressAdmitted(guard.kindOf(address), protocol),
          refuse,
          connectTimeoutMs,
          headersTimeoutMs,
        },
        environment,
      );
      links.set(origin, link);
    }
    return { origin, prefix: pathname.replace(/[/]+$/, ''), link };
  });
}
