import { createHash } from 'node:crypto';
import { PROOF_ALGORITHMS } from './algorithms.ts';
import { decodeClaims, decodeCompactJws } from './compact-jws.ts';
import { isSignedBy, readPublicKey } from './public-key.ts';
import { refuse } from './refusal.ts';
import { isJsonObject } from './strict-json.ts';
import { normaliseHtu } from './urls.ts';

/** Oldest `iat` of a proof, seconds. */
const WINDOW_SECONDS = 60;
/** Newest `iat`, seconds ahead of our clock. */
const AHEAD_SECONDS = 30;
/** A used proof is remembered so much longer than it is accepted, seconds: clocks of several processes differ. */
const REMEMBER_SECONDS = 60;
const IDENTIFIER = /^[\x21-\x7e]{1,256}$/;

export interface ProofRequest {
  readonly proof: string;
  readonly token: string;
  readonly method: string;
  readonly url: string;
}

/** A proof that is right, if it was not used before. */
export interface Proof {
  /** Of the key that signed it, RFC 7638. */
  readonly thumbprint: string;
  /** What a replay store remembers: a digest of key and `jti`. */
  readonly replayKey: string;
  readonly rememberUntilEpochMs: number;
}

/**
 * Verifies a DPoP proof (RFC 9449, 4.3) for this request and this token. Does not look whether it was used before, nor
 * whether the token is bound to its key.
 *
 * @throws HubError AUTH_REQUIRED
 */
export async function verifyProof(request: ProofRequest, nowEpochMs: number): Promise<Proof> {
  const jws = decodeCompactJws(request.proof, ['alg', 'typ', 'jwk']);
  const claims = jws === null ? null : decodeClaims(jws.payload);
  if (jws === null || claims === null) throw refuse('PROOF');
  const { alg, typ, jwk } = jws.header;
  const algorithm = PROOF_ALGORITHMS.find((known) => known === alg);
  if (typ !== 'dpop+jwt' || algorithm === undefined || !isJsonObject(jwk)) throw refuse('PROOF');

  const { jti, htm, htu, iat, ath } = claims;
  const now = nowEpochMs / 1_000;
  if (typeof jti !== 'string' || !IDENTIFIER.test(jti)) throw refuse('PROOF');
  if (htm !== request.method || typeof htu !== 'string') throw refuse('PROOF');
  const target = normaliseHtu(request.url);
  if (target === null || normaliseHtu(htu) !== target) throw refuse('PROOF');
  if (typeof iat !== 'number' || iat < now - WINDOW_SECONDS || iat > now + AHEAD_SECONDS) throw refuse('PROOF');
  if (ath !== createHash('sha256').update(request.token, 'ascii').digest('base64url')) throw refuse('PROOF');

  const key = await readPublicKey(jwk, [algorithm]);
  if (typeof key === 'string' || !(await isSignedBy(jws, algorithm, key))) throw refuse('PROOF');
  return {
    thumbprint: key.thumbprint,
    replayKey: createHash('sha256')
      .update(JSON.stringify([key.thumbprint, jti]))
      .digest('base64url'),
    rememberUntilEpochMs: Math.ceil((iat + WINDOW_SECONDS + REMEMBER_SECONDS) * 1_000),
  };
}
