const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
const PLAIN = /^[!-~]+$/;

function parseUrl(text: string): URL | null {
  return PLAIN.test(text) && !text.includes('\\') ? URL.parse(text) : null;
}

/** https, or http on a loopback address when that is allowed; no user, no fragment. */
export function isFetchable(text: string, mayUseLoopbackHttp: boolean): boolean {
  const url = parseUrl(text);
  if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return false;
  return url.protocol === 'https:' || (mayUseLoopbackHttp && url.protocol === 'http:' && LOOPBACK.has(url.hostname));
}

/**
 * The `htu` of a request (RFC 9449, 4.3): scheme, host, port and path after RFC 3986 syntax- and scheme-based
 * normalisation, without query and fragment. Null for what is no http address.
 */
export function normaliseHtu(text: string): string | null {
  const url = parseUrl(text);
  if (url === null || url.username !== '' || url.password !== '') return null;
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return null;
  const path = url.pathname.replaceAll(/%[0-9a-fA-F]{2}/g, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : escape.toUpperCase();
  });
  return url.origin + path;
}
