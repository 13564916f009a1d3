import { BlockList, isIP, isIPv4 } from 'node:net';

/** What is wrong with an address of a portal, or null. `http:` is for portals on private networks only. */
export function findUrlFault(text: string, allowHttp: boolean): readonly [problem: string, remedy: string] | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || text !== text.trim())
    return ['is not a URL', 'Write the portal\'s address, such as "https://data.example.org".'];
  if (url.protocol !== 'https:' && !(allowHttp && url.protocol === 'http:'))
    return url.protocol === 'http:'
      ? ['uses plain http', 'Use https, or list the network the portal stands in under `privateNetwork`.']
      : ['is not an https URL', 'Use https.'];
  if (url.username !== '' || url.password !== '')
    return ['carries a user name or password', 'Remove it; name the variable that holds a key with `apiKeyEnv`.'];
  if (url.search !== '' || text.includes('?'))
    return ['carries query parameters', 'Give the base address only; a key goes into `apiKeyEnv`.'];
  if (url.hash !== '' || text.includes('#')) return ['carries a fragment', 'Remove everything from the # on.'];
  return null;
}

/** The one spelling of a base address: as the URL standard writes it, without a slash at the end. */
export function normaliseBaseUrl(text: string): string {
  return new URL(text).href.replace(/\/+$/, '');
}

const PRIVATE_RANGES = [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['::1', 128],
  ['fc00::', 7],
] as const;

const family = (address: string): 'ipv4' | 'ipv6' => (isIPv4(address) ? 'ipv4' : 'ipv6');

const privateRanges = PRIVATE_RANGES.map(([address, prefix]) => {
  const list = new BlockList();
  list.addSubnet(address, prefix, family(address));
  return { list, prefix, family: family(address) };
});

/**
 * True for a range in CIDR notation that lies wholly in private or loopback space. Link-local space is left out: cloud
 * machines answer there with their own credentials. Does not say whether anything can be reached there.
 */
export function isPrivateCidr(text: string): boolean {
  const [, address = '', digits = ''] = /^([0-9a-fA-F.:]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  if (isIP(address) === 0) return false;
  const prefix = Number(digits);
  if (prefix > (isIPv4(address) ? 32 : 128)) return false;
  return privateRanges.some(
    (range) => range.family === family(address) && prefix >= range.prefix && range.list.check(address, family(address)),
  );
}

const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;
/** RFC 9110 field value without obsolete bytes: visible ASCII, spaces and tabs only between. */
const HEADER_VALUE = /^[\x21-\x7e]([\x20-\x7e\t]{0,998}[\x21-\x7e])?$/;

function isHeaderName(name: string): boolean {
  return HEADER_NAME.test(name);
}

export function isHeaderValue(value: string): boolean {
  return HEADER_VALUE.test(value);
}

/** Framing and connection belong to the client; range and condition turn a whole answer into part of one or none. */
const CLIENT_HEADERS =
  /^(host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|range|date|proxy-.*|content-.*|if-.*)$/;
const SECRET_HEADERS = /^(authorization|cookie)$|token|secret|api-?key|password/;

/** Why a static header may not be configured, or null. */
export function findHeaderNameFault(name: string): readonly [problem: string, remedy: string] | null {
  const lower = name.toLowerCase();
  if (!isHeaderName(name)) return ['is not the name of an HTTP header', 'Use letters, digits and hyphens, 64 at most.'];
  if (SECRET_HEADERS.test(lower))
    return [
      'would hold a secret',
      'Put the secret into an environment variable and name it with `apiKeyEnv` and `apiKeyHeader`.',
    ];
  if (CLIENT_HEADERS.test(lower)) return ['is set by the hub itself', 'Remove it.'];
  return null;
}

/** Why a header cannot carry the API key, or null. */
export function isKeyHeaderName(name: string): boolean {
  return isHeaderName(name) && !CLIENT_HEADERS.test(name.toLowerCase());
}
