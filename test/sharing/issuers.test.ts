import { chmod, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { defaultHubConfig } from '@civex/config';
import { adapterOptionSchemas, startHub } from '@civex/gateway';
import type { RunningHub } from '@civex/gateway';
import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { request } from 'undici';
import { createClientCredentials, createDpopProof } from '../../packages/cli/src/client-credentials.ts';
import { startIndependentIssuer } from '../test-support/independent-issuer.ts';
import type { IndependentIssuer } from '../test-support/independent-issuer.ts';
import { ask, toSourceInput } from '../test-support/test-hub.ts';

const RESOURCE = 'http://127.0.0.1:4999/graphql';
const CLIENT = { id: 'dashboard', secret: 's'.repeat(40), scopes: ['catalog:read', 'records:read'] };

let sandbox: Sandbox;
let issuer: IndependentIssuer;
let hub: RunningHub;
let folder: string;

beforeAll(async () => {
  sandbox = await startSandbox();
  issuer = await startIndependentIssuer({
    resource: RESOURCE,
    clients: [
      { ...CLIENT, claims: { org: 'EMR', groups: ['data-stewards'] } },
      { ...CLIENT, id: 'stranger', claims: { org: 'elsewhere' } },
    ],
  });
  folder = await mkdtemp(path.join(os.tmpdir(), 'civex-issuers-'));
  await chmod(folder, 0o755);
  const config = defaultHubConfig(
    sandbox.portals.map((portal) => toSourceInput(portal)),
    {
      adapters: adapterOptionSchemas,
      server: { dataFolder: folder, capabilityProbes: false },
      organisations: [{ id: 'emr-region' }],
      identity: {
        resource: RESOURCE,
        issuers: [
          {
            issuer: issuer.issuer,
            organisationClaim: 'org',
            organisations: { EMR: 'emr-region' },
            managers: [{ claim: 'groups', values: ['data-stewards'] }],
          },
        ],
      },
    },
  );
  hub = await startHub({ config, log: () => {}, port: 0, host: '127.0.0.1' });
}, 60_000);
afterAll(async () => {
  await hub?.close();
  await issuer?.stop();
  await sandbox?.close();
  await rm(folder, { recursive: true, force: true });
});

const VIEWER = '{ viewer { subject organisation scopes anonymous } }';

async function askWith(headers: Readonly<Record<string, string>>) {
  return ask(hub.url, VIEWER, {}, { headers });
}

test('a token of an issuer in a process of its own says who the caller is', async () => {
  const token = await issuer.requestToken('dashboard', 'catalog:read records:read');
  const { status, data } = await askWith({ authorization: `Bearer ${token}` });
  expect(status).toBe(200);
  expect(data['viewer']).toMatchObject({
    organisation: 'emr-region',
    scopes: ['catalog:read', 'records:read'],
    anonymous: false,
  });
});

test('a bound token needs its proof for the address the hub is known by, once', async () => {
  const { credentials } = await createClientCredentials({
    tokenEndpoint: issuer.tokenEndpoint,
    clientId: 'dashboard',
    resource: RESOURCE,
    scope: 'catalog:read',
  });
  const accessToken = await issuer.requestToken(
    'dashboard',
    'catalog:read',
    await createDpopProof(credentials, { method: 'POST', url: issuer.tokenEndpoint }),
  );
  const dpop = await createDpopProof(credentials, { method: 'POST', url: RESOURCE, accessToken });
  const headers = { authorization: `DPoP ${accessToken}`, dpop };
  expect((await askWith(headers)).status).toBe(200);
  const again = await askWith(headers);
  expect(again.status).toBe(401);
  expect(String(again.headers['www-authenticate'])).toContain('DPoP');
  expect((await askWith({ authorization: `Bearer ${accessToken}` })).status).toBe(401);
});

test('claims that are not mapped give no organisation', async () => {
  const token = await issuer.requestToken('stranger', 'catalog:read');
  const { data } = await askWith({ authorization: `Bearer ${token}` });
  expect(data['viewer']).toMatchObject({ organisation: null, anonymous: false });
});

test('clients learn where tokens come from', async () => {
  for (const target of ['/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource/graphql']) {
    const answer = await request(`${hub.url}${target}`);
    expect(await answer.body.json()).toMatchObject({ resource: RESOURCE, authorization_servers: [issuer.issuer] });
  }
});
