import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createSystemEnvironment } from '@civex/environment';
import { createIdentity, createMemoryReplayStore, type Identity, type IssuerConfig } from '@civex/identity';
import { createMemoryTokenStorage, createTokenService, SCOPES, type TokenService } from '@civex/token-service';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createClientCredentials,
  createDpopProof,
  readCredentials,
  requestToken,
  writeCredentials,
  type ClientCredentials,
} from '../../packages/cli/src/client-credentials.ts';
import { startIndependentIssuer } from '../test-support/independent-issuer.ts';

const RESOURCE = 'https://hub.example/';
const URL_ASKED = 'https://hub.example/graphql';
const environment = createSystemEnvironment();
const ORGANISATIONS = new Map(['region', 'contractor'].map((id) => [id, id]));

let service: TokenService;
let issuer = '';
const server = createServer((req, res) => void service.handle(req, res));
const folder = mkdtempSync(path.join(os.tmpdir(), 'tokens-'));
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth`;
  service = await createTokenService({
    issuer,
    resource: RESOURCE,
    storage: createMemoryTokenStorage(),
    environment,
    log: { warn: () => {} },
  });
});
afterAll(async () => {
  service.close();
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true, force: true });
});

const SHAPE = {
  organisationClaim: 'org',
  organisations: ORGANISATIONS,
  managers: [{ claim: 'roles', values: ['manage'] }],
} satisfies Partial<IssuerConfig>;

async function hub(...issuers: readonly IssuerConfig[]): Promise<Identity> {
  return await createIdentity({
    resource: RESOURCE,
    issuers,
    environment,
    fetchDocument: async (url) => {
      const answer = await fetch(url, { redirect: 'error' });
      return { status: answer.status, body: new Uint8Array(await answer.arrayBuffer()) };
    },
    replay: createMemoryReplayStore(environment),
    revocations: service,
  });
}

const embedded = (): IssuerConfig => ({
  issuer,
  keys: { kind: 'supplied', read: () => service.readKeys() },
  mayUseLoopbackHttp: true,
  ...SHAPE,
});

async function partner(id: string, mayActFor: readonly string[] = []): Promise<ClientCredentials> {
  const { credentials, jwks } = await createClientCredentials({
    tokenEndpoint: `${issuer}/token`,
    clientId: id,
    resource: RESOURCE,
    scope: SCOPES.join(' '),
  });
  await service.removeClient(id);
  await service.addClient({
    id,
    organisation: id,
    roles: ['use', 'manage'],
    scopes: SCOPES,
    authentication: 'private_key_jwt',
    jwks,
    mayActFor,
  });
  const file = path.join(folder, `${id}-${Math.random()}.json`);
  await writeCredentials(file, credentials);
  return await readCredentials(file);
}

async function present(identity: Identity, credentials: ClientCredentials, accessToken: string) {
  const dpop = await createDpopProof(credentials, { method: 'POST', url: URL_ASKED, accessToken });
  return await identity.authenticate({
    authorization: [`DPoP ${accessToken}`],
    dpop: [dpop],
    method: 'POST',
    url: URL_ASKED,
  });
}

describe('the embedded token service', () => {
  test('gives a partner tokens the hub accepts, until they are revoked: then not on the next request', async () => {
    const identity = await hub(embedded());
    const region = await partner('region');
    const details = [{ type: 'urn:civex:data-share', identifier: 'agr-1', actions: ['QUERY'] }];
    const { accessToken } = await requestToken(region, {
      scope: 'catalog:read records:read',
      authorizationDetails: details,
    });
    expect(await present(identity, region, accessToken)).toMatchObject({
      issuer,
      subject: 'region',
      clientId: 'region',
      organisation: 'region',
      roles: new Set(['use', 'manage']),
      scopes: new Set(['catalog:read', 'records:read']),
      actor: null,
      details: [{ agreement: 'agr-1', actions: ['QUERY'], datasets: null, purpose: null }],
      isBound: true,
    });
    await service.removeClient('region');
    await expect(present(identity, region, accessToken)).rejects.toMatchObject({ code: 'AUTH_REQUIRED' });
    await identity.close();
  });

  test('gives a contractor a token to act for the region, which the hub reads as such', async () => {
    const identity = await hub(embedded());
    const region = await partner('region');
    const contractor = await partner('contractor', ['region']);
    const { accessToken: subjectToken } = await requestToken(region, { scope: 'records:read' });
    const { accessToken } = await requestToken(contractor, { scope: 'records:read', subjectToken });
    expect(await present(identity, contractor, accessToken)).toMatchObject({
      subject: 'region',
      clientId: 'contractor',
      organisation: 'region',
      actor: { subject: 'contractor', organisation: 'contractor' },
      isBound: true,
    });
    // The region cannot use what is bound to the contractor's key.
    await expect(present(identity, region, accessToken)).rejects.toMatchObject({ code: 'AUTH_REQUIRED' });
    await identity.close();
  });

  test('changes its key without a token being refused', async ({ task }) => {
    const identity = await hub(embedded());
    const region = await partner('region');
    const before = await requestToken(region, { scope: 'records:read' });
    await service.rotateKeys();
    const after = await requestToken(region, { scope: 'records:read' });
    const subjects = [
      await present(identity, region, before.accessToken),
      await present(identity, region, after.accessToken),
    ];
    const accepted = subjects.filter((subject) => subject?.organisation === 'region').length;
    task.meta.figures = [
      {
        point: 13,
        what: 'tokens accepted by the hub before and after a key was rotated',
        value: accepted,
        target: '2',
        isMet: accepted === 2,
      },
    ];
    expect(accepted).toBe(2);
    await identity.close();
  });
});

test.each(['RS256', 'ES256'] as const)(
  'tokens of an independent issuer (%s) are accepted by discovery, bearer and bound',
  async (algorithm) => {
    await using other = await startIndependentIssuer({
      resource: RESOURCE,
      algorithm,
      clients: [
        {
          id: 'university',
          secret: 'a-secret-of-the-university-0123456789',
          scopes: ['catalog:read', 'records:read'],
          claims: { org: 'region', roles: ['use'] },
        },
        {
          id: 'nobody',
          secret: 'a-secret-of-nobody-01234567890123456789',
          scopes: ['catalog:read'],
          claims: { org: 'unknown' },
        },
      ],
    });
    const identity = await hub(embedded(), {
      issuer: other.issuer,
      keys: { kind: 'discovery' },
      mayUseLoopbackHttp: true,
      ...SHAPE,
    });
    const bearer = async (token: string) =>
      await identity.authenticate({ authorization: [`Bearer ${token}`], dpop: [], method: 'POST', url: URL_ASKED });
    expect(await bearer(await other.requestToken('university', 'catalog:read'))).toMatchObject({
      issuer: other.issuer,
      clientId: 'university',
      organisation: 'region',
      roles: new Set(['use']),
      isBound: false,
    });
    expect(await bearer(await other.requestToken('nobody', 'catalog:read'))).toMatchObject({ organisation: null });
    const { credentials } = await createClientCredentials({
      tokenEndpoint: other.tokenEndpoint,
      clientId: 'x',
      resource: RESOURCE,
      scope: 'records:read',
    });
    const proof = await createDpopProof(credentials, { method: 'POST', url: other.tokenEndpoint });
    const bound = await other.requestToken('university', 'records:read', proof);
    expect(await present(identity, credentials, bound)).toMatchObject({ isBound: true, organisation: 'region' });
    await expect(bearer(bound)).rejects.toMatchObject({ code: 'AUTH_REQUIRED' });
    await identity.close();
  },
);
