import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { defaultHubConfig } from '@civex/config';
import { adapterOptionSchemas, startHub } from '@civex/gateway';
import type { RunningHub } from '@civex/gateway';
import { SANDBOX_API_KEYS } from '@civex/sandbox';
import type { SandboxPortal } from '@civex/sandbox';
import type { TokenService } from '@civex/token-service';
import { request } from 'undici';
import {
  createClientCredentials,
  createDpopProof,
  requestToken,
} from '../../../packages/cli/src/client-credentials.ts';
import type { ClientCredentials } from '../../../packages/cli/src/client-credentials.ts';
import { toSourceInput } from '../../test-support/test-hub.ts';
import type { GraphQLFault, Loose } from '../../test-support/test-hub.ts';

export const ENERGY = 'leicester:energy-meter-readings-council-buildings';
export const INCIDENTS = 'mexico-city:victimas-en-carpetas-de-investigacion-detalle';

/** A client of one organisation, with its keys. */
export interface Partner {
  readonly id: string;
  /** One POST to `/graphql` with a token and a proof of its own. */
  ask(
    query: string,
    variables?: object,
    headers?: Readonly<Record<string, string>>,
  ): Promise<{
    status: number;
    data: Loose;
    errors: readonly GraphQLFault[] | undefined;
    text: string;
    headers: Loose;
  }>;
  /** One GET of a path of the hub. */
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<{ status: number; text: string }>;
  readonly credentials: ClientCredentials;
  /** A token and a proof of its own for one request. */
  headersFor(method: string, target: string): Promise<Readonly<Record<string, string>>>;
  /** The same client and token, asking another process of the same hub. */
  at(url: string): Partner;
}

export interface SharingHub extends AsyncDisposable {
  readonly hub: RunningHub;
  readonly dataFolder: string;
  readonly log: readonly string[];
  partner(id: string, organisation: string, roles?: readonly ('use' | 'manage')[]): Promise<Partner>;
  /** Of the embedded server, for a second hub. */
  databaseUrl(): Promise<string>;
}

const SCOPES = 'catalog:read records:read records:export agreements:read agreements:write';

const ENV = { LEICESTER_KEY: SANDBOX_API_KEYS.leicester, MEXICO_KEY: SANDBOX_API_KEYS['mexico-city'] };

/** A hub over the sandbox's portals with keys to them, a store and a token service of its own. */
export async function startSharingHub(
  sandbox: { readonly portals: readonly Pick<SandboxPortal, 'id' | 'kind' | 'title' | 'baseUrl'>[] },
  options: {
    readonly databaseUrl?: string;
    /** Default: the hub's own address. */
    readonly resource?: string;
    /** Default: a new one, which is removed in the end. */
    readonly dataFolder?: string;
    /** Default: a free one. */
    readonly port?: number;
    readonly restricted?: readonly object[];
    readonly purposes?: readonly object[];
    /** Settings of every source. */
    readonly source?: Parameters<typeof toSourceInput>[1];
  } = {},
): Promise<SharingHub> {
  const dataFolder = options.dataFolder ?? (await mkdtemp(path.join(os.tmpdir(), 'civex-sharing-')));
  await chmod(dataFolder, 0o755);
  const sources = sandbox.portals.map((portal) =>
    toSourceInput(portal, {
      ...(portal.id === 'leicester'
        ? { apiKeyEnv: 'LEICESTER_KEY', apiKeyPrefix: 'Apikey ' }
        : portal.id === 'mexico-city'
          ? { apiKeyEnv: 'MEXICO_KEY', options: { includePrivate: true } }
          : {}),
      ...options.source,
    }),
  );
  const config = defaultHubConfig(sources, {
    env: ENV,
    adapters: adapterOptionSchemas,
    server: { dataFolder, capabilityProbes: false },
    organisations: [{ id: 'leicester-city-council' }, { id: 'fgj-cdmx' }, { id: 'emr-region' }, { id: 'uni' }],
    identity: { tokenService: true, ...(options.resource === undefined ? {} : { resource: options.resource }) },
    sharing: {
      restricted: options.restricted ?? [
        { dataset: ENERGY, provider: 'leicester-city-council', discoverable: true },
        { dataset: INCIDENTS, provider: 'fgj-cdmx' },
      ],
      purposes: options.purposes ?? [],
    },
  });
  const log: string[] = [];
  const hub = await startHub({
    config,
    log: (line) => log.push(line),
    port: options.port ?? 0,
    host: '127.0.0.1',
    ...(options.databaseUrl === undefined ? {} : { databaseUrl: options.databaseUrl }),
  });
  return {
    hub,
    dataFolder,
    log,
    async partner(id, organisation, roles = ['use']) {
      const service = hub.sharing?.tokenService;
      if (service == null) throw new Error('the hub issues no tokens');
      return createPartner(service, hub.url, { id, organisation, roles });
    },
    async databaseUrl() {
      const socketFolder = await readFile(path.join(dataFolder, 'store', 'server.socket'), 'utf8');
      return `postgres://civex@localhost/postgres?host=${encodeURIComponent(socketFolder.trim())}`;
    },
    async [Symbol.asyncDispose]() {
      await hub.close();
      if (options.dataFolder === undefined) await rm(dataFolder, { recursive: true, force: true });
    },
  };
}

/** Half of a token's life. */
const TOKEN_USE_MS = 300_000;

/** Registers a client and gives what its owner would have. `url`: of the hub that issues its tokens. */
export async function createPartner(
  service: Pick<TokenService, 'addClient' | 'removeClient'>,
  url: string,
  {
    id,
    organisation,
    roles,
  }: { readonly id: string; readonly organisation: string; readonly roles: readonly ('use' | 'manage')[] },
): Promise<Partner> {
  const { credentials, jwks } = await createClientCredentials({
    tokenEndpoint: `${url}/oauth/token`,
    clientId: id,
    resource: `${url}/graphql`,
    scope: SCOPES,
  });
  await service.removeClient(id);
  await service.addClient({
    id,
    organisation,
    roles: [...roles],
    scopes: SCOPES.split(' ') as never,
    authentication: 'private_key_jwt',
    jwks: jwks as never,
  });
  let token = '';
  let renewAt = 0;
  const headersFor = async (method: string, target: string): Promise<Record<string, string>> => {
    if (performance.now() >= renewAt) {
      token = (await requestToken(credentials, {})).accessToken;
      renewAt = performance.now() + TOKEN_USE_MS;
    }
    return {
      authorization: `DPoP ${token}`,
      dpop: await createDpopProof(credentials, { method, url: target, accessToken: token }),
    };
  };
  const askAt = (base: string): Partner => ({
    id,
    credentials,
    at: askAt,
    headersFor: (method, target) => headersFor(method, `${url}${target}`),
    async ask(query, variables = {}, headers = {}) {
      const answer = await request(`${base}/graphql`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(await headersFor('POST', `${url}/graphql`)),
          ...headers,
        },
        body: JSON.stringify({ query, variables }),
      });
      const text = await answer.body.text();
      return { status: answer.statusCode, text, headers: answer.headers, ...(JSON.parse(text) as Loose) };
    },
    async get(target, headers = {}) {
      const answer = await request(`${base}${target}`, {
        headers: { ...(await headersFor('GET', `${url}${target}`)), ...headers },
      });
      return { status: answer.statusCode, text: await answer.body.text() };
    },
  });
  return askAt(url);
}

/** Agrees on terms: proposed by one, approved by the other. @returns the agreement's id. */
export async function agree(provider: Partner, consumer: Partner, input: object): Promise<string> {
  const proposed = await provider.ask(
    'mutation ($input: AgreementInput!) { proposeAgreement(input: $input) { id version state pendingVersion } }',
    { input },
  );
  if (proposed.errors !== undefined) throw new Error(proposed.text);
  const { id } = proposed.data.proposeAgreement;
  const approved = await consumer.ask(
    'mutation ($id: ID!) { approveAgreement(id: $id, version: 1) { state version } }',
    { id },
  );
  if (approved.errors !== undefined) throw new Error(approved.text);
  return id;
}
