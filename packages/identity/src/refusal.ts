import { HubError } from '@civex/errors';

/**
 * Why credentials were refused, for operators: the `cause` of the error. One word of a closed list, so that nothing of a
 * token can be in it.
 */
export type RefusalReason =
  /** Not one `Authorization` header of the scheme Bearer or DPoP, or proofs that do not go with it. */
  | 'CREDENTIALS'
  /** Not a compact JWS in its one canonical spelling, or too large. */
  | 'FORM'
  /** A header member, an algorithm or a type the issuer's tokens do not have. */
  | 'HEADER'
  /** No issuer of ours. */
  | 'ISSUER'
  /** A claim is missing, of the wrong type or not meant for us. */
  | 'CLAIMS'
  /** Expired, not yet valid, too old or meant to live too long. */
  | 'TIME'
  /** No key of that name is trusted for that algorithm. */
  | 'KEY'
  | 'SIGNATURE'
  | 'REVOKED'
  /** A bound token without its key, or the other way round. */
  | 'BINDING'
  /** The proof of possession is not right. */
  | 'PROOF'
  /** The proof of possession was used before. */
  | 'REPLAY';

/** What could not be reached, for operators. */
export type OutageReason = 'KEYS' | 'REVOCATIONS' | 'REPLAY_STORE';

const REFUSED = 'The access token is missing, expired or not accepted.';
const UNAVAILABLE = 'Access tokens cannot be checked at the moment. Try again later.';

/** One text for all reasons: AUTH_REQUIRED. */
export function refuse(reason: RefusalReason): HubError {
  return new HubError('AUTH_REQUIRED', REFUSED, {}, reason);
}

/** AUTH_UNAVAILABLE: never to be taken for a bad token. */
export function unavailable(reason: OutageReason): HubError {
  return new HubError('AUTH_UNAVAILABLE', UNAVAILABLE, { retryAfterMs: 5_000 }, reason);
}
