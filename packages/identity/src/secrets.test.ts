import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  bindTo,
  claimsOf,
  createBench,
  createKey,
  issuerOf,
  KEY_SET_URL,
  prove,
  RESOURCE,
  sign,
} from './test-support/issuer.ts';

const CANARY = 'CANARY4711';

/** Everything an error could be printed as: text, stack, JSON, hidden members, the chain of causes. */
function printAll(error: unknown): string {
  const parts: string[] = [];
  let current = error;
  for (let depth = 0; depth < 8 && current !== undefined && current !== null; depth++) {
    parts.push(
      current instanceof Error ? current.toString() : '',
      JSON.stringify(current) ?? '',
      inspect(current, { depth: 20, showHidden: true, getters: true }),
    );
    if (!(current instanceof Error)) break;
    parts.push(current.message, current.stack ?? '');
    current = current.cause;
  }
  return parts.join('\n');
}

describe('what leaves when a caller is refused', () => {
  test('holds nothing of token, claims, proof, key or issuer', async ({ task }) => {
    const key = await createKey(`kid-${CANARY}`);
    const stranger = { ...(await createKey('x')), kid: `kid-${CANARY}` };
    const holder = await createKey('holder');
    const failure = () => Promise.reject(new Error(`secret ${CANARY}`));
    const jwks = { keys: [key.jwk] };
    const fixed = issuerOf({ keys: { kind: 'fixed', jwks } });
    const claims = { sub: CANARY, jti: CANARY, client_id: CANARY, scope: CANARY, org: CANARY };
    const good = await sign(key, claimsOf(claims));
    const bound = await sign(key, claimsOf({ ...claims, ...(await bindTo(holder)) }));
    const boundProof = await prove(holder, bound, { jti: CANARY });
    const open = await createBench([fixed]);
    const revoked = await createBench([fixed], {}, { revocations: { isRevoked: async () => true } });
    const deaf = await createBench([fixed], {}, { revocations: { isRevoked: failure }, replay: { claim: failure } });
    const full = await createBench([fixed], {}, { replay: { claim: failure } });
    const used = await createBench([fixed], {}, { replay: { claim: async () => false } });
    const dark = await createBench([issuerOf()], { [KEY_SET_URL]: new Error(`secret ${CANARY}`) });
    const strange = await createBench([issuerOf()], { [KEY_SET_URL]: Buffer.from(`<html>${CANARY}`) });
    const raw = (authorization: readonly string[], dpop: readonly string[]) =>
      open.identity.authenticate({ authorization, dpop, method: CANARY, url: `${RESOURCE}?${CANARY}` });
    const attempts: readonly (() => Promise<unknown>)[] = [
      () => raw([`Basic ${CANARY}`], []),
      () => raw([`Bearer ${CANARY}`], []),
      () => raw([`Bearer ${good}`, `Bearer ${good}`], []),
      () => raw([], [CANARY]),
      () => raw([`DPoP ${bound}`], [boundProof]),
      () => open.bearer(`${good}x`),
      () => open.bearer(good.replace('.', '.x')),
      async () => open.bearer(await sign(key, CANARY)),
      async () => open.bearer(await sign(key, { [CANARY]: 1 })),
      async () => open.bearer(await sign(key, claimsOf({ ...claims, iss: `https://${CANARY}` }))),
      async () => open.bearer(await sign(key, claimsOf({ ...claims, aud: CANARY }))),
      async () => open.bearer(await sign(key, claimsOf({ ...claims, exp: CANARY }))),
      async () => open.bearer(await sign(key, claimsOf({ ...claims, exp: 1 }))),
      async () => open.bearer(await sign(key, claimsOf({ ...claims, sub: `\n${CANARY}` }))),
      async () => open.bearer(await sign(key, claimsOf({ ...claims, act: { sub: `${CANARY} ` } }))),
      async () => open.bearer(await sign(key, claimsOf({ ...claims, authorization_details: CANARY }))),
      async () => open.bearer(await sign(key, claimsOf(claims), { kid: `other-${CANARY}` })),
      async () => open.bearer(await sign(key, claimsOf(claims), { typ: CANARY })),
      async () => open.bearer(await sign(key, claimsOf(claims), { [CANARY]: 1 })),
      async () => open.bearer(await sign(stranger, claimsOf(claims))),
      () => open.bearer(bound),
      () => open.bound(good, boundProof),
      async () => open.bound(bound, await prove(stranger, bound, { jti: CANARY })),
      async () => open.bound(bound, await prove(holder, bound, { htu: `https://${CANARY}/` })),
      () => open.bound(bound, CANARY),
      () => revoked.bearer(good),
      () => deaf.bearer(good),
      () => full.bound(bound, boundProof),
      () => used.bound(bound, boundProof),
      () => dark.bearer(good),
      () => strange.bearer(good),
      () => createBench([issuerOf({ issuer: `http://${CANARY}` })]),
      () => createBench([issuerOf({ keys: { kind: 'fixed', jwks: { keys: [{ kty: CANARY }] } } })]),
      () => createBench([issuerOf({ keys: { kind: 'jwksUri', uri: `http://${CANARY}` } })]),
    ];
    const secrets = [CANARY, good, bound, boundProof, ...good.split('.'), ...bound.split('.'), key.jwk.x!];
    let leaks = 0;
    let refusals = 0;
    for (const attempt of attempts) {
      const error: unknown = await attempt().then(
        () => 'accepted',
        (reason: unknown) => reason,
      );
      if (error instanceof Error && /^(AUTH_|CONFIG_)/.test((error as { code?: string }).code ?? '')) refusals++;
      const printed = printAll(error) + open.identity.challenge(error);
      if (secrets.some((secret) => printed.includes(secret))) leaks++;
    }
    const benches = [open, revoked, deaf, full, used, dark, strange];
    const states = benches.map(({ identity }) => JSON.stringify([identity.health(), identity.metadata()])).join();
    if (states.includes(CANARY)) leaks++;
    task.meta.figures = [
      {
        point: 12,
        what: `error paths of ${attempts.length} that show a token, claim or key`,
        value: leaks,
        target: '0',
        isMet: leaks === 0 && refusals === attempts.length,
      },
    ];
    expect(refusals).toBe(attempts.length);
    expect(leaks).toBe(0);
    await Promise.all(benches.map(({ identity }) => identity.close()));
  });
});
