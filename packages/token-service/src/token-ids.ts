import type { Environment } from '@civex/environment';

/**
 * The id of a token names whom it comes from: `<tag of the client>.<random>`, and for an exchanged one the id of the token
 * it was exchanged from before it, with `~` between. So whether a token is revoked, itself, by an ancestor or by the removal
 * of any client of the chain, can be told from its id and the list of revoked ids alone.
 */
const LINK = '~';
const PART = /^[A-Za-z0-9_-]{12}\.[A-Za-z0-9_-]{22}$/;
const TAG_BYTES = 9;
const RANDOM_BYTES = 16;

const text = (environment: Pick<Environment, 'randomBytes'>, size: number): string =>
  Buffer.from(environment.randomBytes(size)).toString('base64url');

export function createTag(environment: Pick<Environment, 'randomBytes'>): string {
  return text(environment, TAG_BYTES);
}

export function createTokenId(
  environment: Pick<Environment, 'randomBytes'>,
  tag: string,
  exchangedFrom: string | null,
): string {
  const own = `${tag}.${text(environment, RANDOM_BYTES)}`;
  return exchangedFrom === null ? own : `${exchangedFrom}${LINK}${own}`;
}

/** Every id whose revocation ends the token. Null when no token of ours has this id. */
export function revocableIds(tokenId: string): readonly string[] | null {
  const parts = tokenId.split(LINK);
  if (!parts.every((part) => PART.test(part))) return null;
  return parts.flatMap((part, index) => [part.slice(0, part.indexOf('.')), parts.slice(0, index + 1).join(LINK)]);
}
