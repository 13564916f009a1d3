import type { Resolve } from '@civex/environment';
import { HubError } from '@civex/errors';
import ipaddr from 'ipaddr.js';
import { isIP, type LookupFunction } from 'node:net';

/** `private`: refused but for the ranges the operator allowed. */
export type AddressKind = 'public' | 'private' | 'refused';

export interface AddressGuard {
  /** What an IP address in text form is to this source. Anything that is not an IP address is `refused`. */
  kindOf(address: string): AddressKind;
}

type Address = ReturnType<typeof ipaddr.parse>;
type Cidr = readonly [Address, number];

/** Inside 2000::/3 and yet not a host of the public internet, beyond what the library's table says. */
const NOT_PUBLIC_V6: readonly Cidr[] = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'].map((cidr) =>
  ipaddr.parseCIDR(cidr),
);
/** RFC 4291: the only block from which public unicast addresses are given out. Leaves out ::/96, NAT64, ULA and the like. */
const GLOBAL_V6: Cidr = ipaddr.parseCIDR('2000::/3');

function parseAddress(text: string): Address | null {
  if (isIP(text) === 0 || text.includes('%')) return null;
  const address = ipaddr.parse(text);
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

function isWithin(address: Address, [base, bits]: Cidr): boolean {
  return address.kind() === base.kind() && address.match(base, bits);
}

function isPublicUnicast(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  if (address instanceof ipaddr.IPv4) return true;
  return isWithin(address, GLOBAL_V6) && !NOT_PUBLIC_V6.some((cidr) => isWithin(address, cidr));
}

/**
 * Decides by address, never by name, where a source may live.
 *
 * @throws HubError `CONFIG_INVALID` for a range that is not `address/bits`.
 */
export function createAddressGuard(allowedPrivateCidrs: readonly string[]): AddressGuard {
  const allowed = allowedPrivateCidrs.map((text, index): Cidr => {
    if (!ipaddr.isValidCIDR(text))
      throw new HubError(
        'CONFIG_INVALID',
        `allowedPrivateCidrs.${index}: not a range such as 127.0.0.1/32 or fd00::/8.`,
      );
    return ipaddr.parseCIDR(text);
  });
  return {
    kindOf(text) {
      const address = parseAddress(text);
      if (address === null) return 'refused';
      if (allowed.some((cidr) => isWithin(address, cidr))) return 'private';
      return isPublicUnicast(address) ? 'public' : 'refused';
    },
  };
}

/** Plain `http:` is for allowed private ranges only: on the internet it would show the hub's credentials. */
export function isAddressAdmitted(kind: AddressKind, protocol: string): boolean {
  return kind === 'private' || (kind === 'public' && protocol === 'https:');
}

/**
 * A lookup for `net.connect` that hands out a name's addresses only when every one of them is admitted: one private
 * answer among public ones is a rebinding attempt. The socket connects to what was checked, there is no second lookup.
 * Not called for literal addresses; those are checked where they are configured and again after connecting.
 */
export function createGuardedLookup(
  guard: AddressGuard,
  protocol: string,
  resolve: Resolve,
  refuse: () => Error,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, (error, addresses) => {
      const [first] = addresses;
      if (error !== null || first === undefined) {
        callback(error ?? Object.assign(new Error('no address'), { code: 'ENOTFOUND' }), '');
      } else if (!addresses.every(({ address }) => isAddressAdmitted(guard.kindOf(address), protocol))) {
        callback(refuse(), '');
      } else if (options.all === true) {
        callback(null, [...addresses]);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}
