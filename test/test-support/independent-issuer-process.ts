/** Run as a process: an issuer that shares nothing with the hub. Reads its settings from standard input, ends with it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

interface Settings {
  readonly resource: string;
  readonly algorithm: 'RS256' | 'ES256';
  readonly tokenSeconds: number;
  readonly clients: readonly {
    readonly id: string;
    readonly secret: string;
    readonly scopes: readonly string[];
    readonly claims: Readonly<Record<string, unknown>>;
  }[];
}

let text = '';
process.stdin.setEncoding('utf8');
process.stdin.on('end', () => process.exit(0));
const settings = await new Promise<Settings>((done) => {
  process.stdin.on('data', (chunk) => {
    text += String(chunk);
    // The parent writes one line and keeps the pipe open.
    if (text.endsWith('\n')) done(JSON.parse(text) as Settings);
  });
});

const { resource, algorithm, clients, tokenSeconds } = settings;
const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
const key = await exportJWK(privateKey);
const server = createServer();
await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const scopes = [...new Set(clients.flatMap((client) => client.scopes))];
const claims = new Map(clients.map((client) => [client.id, client.claims]));
const provider = new Provider(issuer, {
  jwks: { keys: [{ ...key, alg: algorithm, use: 'sig' }] },
  scopes,
  clientDefaults: { id_token_signed_response_alg: algorithm },
  clients: clients.map((client) => ({
    client_id: client.id,
    client_secret: client.secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    scope: client.scopes.join(' '),
    token_endpoint_auth_method: 'client_secret_basic' as const,
  })),
  extraTokenClaims: (_ctx, token) => claims.get(token.clientId ?? ''),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    dPoP: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      getResourceServerInfo: () => ({
        scope: scopes.join(' '),
        audience: resource,
        accessTokenTTL: tokenSeconds,
        accessTokenFormat: 'jwt' as const,
        jwt: { sign: { alg: algorithm } },
      }),
    },
  },
});
const answer = provider.callback();
server.on('request', (req, res) => void answer(req, res));
process.stdout.write(`${JSON.stringify({ issuer })}\n`);
