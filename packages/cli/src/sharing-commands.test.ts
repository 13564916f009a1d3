import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { HubError } from '@civex/errors';
import type { Agreement } from '@civex/sharing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCredentials } from './client-credentials.ts';
import { runCli } from './run-cli.ts';
import { createTestWorld, yaml } from './test-world.ts';
import type { TestWorldOptions } from './test-world.ts';
import type { Administration, CallerReport, NewClient, Sharing } from './world.ts';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(path.join(os.tmpdir(), 'civex-cli-'))));
afterAll(() => rm(folder, { recursive: true }));
let files = 0;
const newFile = (): string => path.join(folder, `${++files}.json`);

/** Lets every promise that can go on go on, those of files and keys too. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
};

interface Registry {
  readonly added: NewClient[];
  readonly administration: Omit<Administration, 'close'>;
}

function createRegistry(report?: CallerReport, refusal?: HubError): Registry {
  const added: NewClient[] = [];
  return {
    added,
    administration: {
      resource: 'https://hub.example/graphql',
      tokenEndpoint: 'https://hub.example/oauth/token',
      async addClient(client) {
        if (refusal !== undefined) throw refusal;
        added.push(client);
        return { secret: client.authentication === 'client_secret_basic' ? 'told-once' : null };
      },
      listClients: async () =>
        added.map(({ id, organisation, roles = [], scopes, mayActFor = [], authentication }) => ({
          id,
          organisation,
          roles,
          scopes,
          mayActFor,
          authentication,
          createdAtEpochMs: Date.UTC(2026, 10, 23),
        })),
      removeClient: async (id) => added.some((client) => client.id === id),
      async explainCaller({ token }) {
        if (report === undefined || token !== 'a.b.c') throw new HubError('AUTH_REQUIRED', 'not accepted');
        return report;
      },
    },
  };
}

const worldOf = (registry: Registry, options: TestWorldOptions = {}) =>
  createTestWorld({ administration: registry.administration, ...options });

describe('client add', () => {
  test('makes keys, registers the public one and keeps the private ones for the owner of the file', async () => {
    const registry = createRegistry();
    const world = worldOf(registry);
    const out = newFile();
    expect(await runCli(['client', 'add', 'dashboard', '--organisation', 'region', '--out', out], world)).toBe(0);
    const credentials = await readCredentials(out);
    const scope = 'catalog:read records:read records:export agreements:read';
    expect(credentials).toMatchObject({
      clientId: 'dashboard',
      resource: 'https://hub.example/graphql',
      tokenEndpoint: 'https://hub.example/oauth/token',
      scope,
    });
    expect(registry.added).toMatchObject([
      { id: 'dashboard', organisation: 'region', roles: ['use'], mayActFor: [], authentication: 'private_key_jwt' },
    ]);
    expect(registry.added[0]?.scopes.join(' ')).toBe(scope);
    expect(registry.added[0]?.jwks?.keys).toMatchObject([{ x: credentials.privateKey.x }]);
    expect(JSON.stringify(registry.added)).not.toContain(credentials.privateKey.d);
    expect(world.out.join() + world.err.join()).not.toContain(credentials.privateKey.d);
    expect(JSON.parse(world.out.join())).toMatchObject({ client_id: 'dashboard', credentials: out });
    expect(world.events.at(-1)).toBe('sandbox closed');
    expect(world.events).toContain('administration closed');
  });

  test('takes roles, scopes and whom it may act for', async () => {
    const registry = createRegistry();
    const argv = ['client', 'add', 'office', '--organisation', 'region', '--out', newFile()];
    await runCli([...argv, '--manage', '--act-for', 'a, b'], worldOf(registry));
    expect(registry.added[0]).toMatchObject({ roles: ['use', 'manage'], mayActFor: ['a', 'b'] });
    expect(registry.added[0]?.scopes).toContain('agreements:write');
    const narrow = createRegistry();
    await runCli(
      ['client', 'add', 'x', '--organisation', 'region', '--secret', '--scope', 'catalog:read'],
      worldOf(narrow),
    );
    expect(narrow.added[0]?.scopes).toEqual(['catalog:read']);
  });

  test('prints a secret once, in place of keys', async () => {
    const registry = createRegistry();
    const world = worldOf(registry);
    expect(await runCli(['client', 'add', 'old', '--organisation', 'region', '--secret'], world)).toBe(0);
    expect(JSON.parse(world.out.join())).toMatchObject({ client_id: 'old', client_secret: 'told-once' });
    expect(registry.added[0]?.jwks).toBeUndefined();
  });

  test('takes keys the owner has made', async () => {
    const registry = createRegistry();
    const keys = [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }];
    const world = worldOf(registry, { files: { 'own.jwks': JSON.stringify({ keys }), 'bad.jwks': '{"kty":"EC"}' } });
    const argv = ['client', 'add', 'own', '--organisation', 'region', '--jwks'];
    expect(await runCli([...argv, 'own.jwks'], world)).toBe(0);
    expect(registry.added[0]?.jwks?.keys).toEqual(keys);
    expect(await runCli([...argv, 'bad.jwks'], world)).toBe(2);
    expect(world.err.at(-1)).toContain('bad.jwks is no JSON Web Key Set');
  });

  test('leaves no keys behind when the client is not registered', async () => {
    const registry = createRegistry(undefined, new HubError('INPUT_INVALID', 'There is a client of this id already.'));
    const world = worldOf(registry);
    const before = await readdir(folder);
    expect(await runCli(['client', 'add', 'x', '--organisation', 'region', '--out', newFile()], world)).toBe(1);
    expect(world.err.join()).toContain('There is a client of this id already.');
    expect(await readdir(folder)).toEqual(before);
  });

  test('overwrites no file, and registers nothing then', async () => {
    const registry = createRegistry();
    const out = newFile();
    await writeFile(out, 'of somebody else');
    expect(await runCli(['client', 'add', 'x', '--organisation', 'region', '--out', out], worldOf(registry))).toBe(1);
    expect(await readFile(out, 'utf8')).toBe('of somebody else');
    expect(registry.added).toEqual([]);
  });

  test.each<[string, readonly string[]]>([
    ['--organisation is missing', []],
    ['Give one of --jwks, --secret and --out.', ['--organisation', 'region', '--secret', '--out', 'x.json']],
  ])('%s: ends with 2 and opens nothing', async (message, options) => {
    const world = worldOf(createRegistry());
    expect(await runCli(['client', 'add', 'x', ...options], world)).toBe(2);
    expect(world.err.join()).toContain(message);
    expect(world.administered).toEqual([]);
  });
});

describe('client list and remove', () => {
  test('list every client, as a table or as JSON, and say when there is none', async () => {
    const registry = createRegistry();
    const world = worldOf(registry);
    await runCli(['client', 'list'], world);
    expect(world.out.join()).toContain('No clients are registered.');
    await runCli(['client', 'add', 'old', '--organisation', 'region', '--secret'], worldOf(registry));
    await runCli(['client', 'list'], world);
    expect(world.out.at(-1)).toMatch(/^old +region +use +- +client_secret_basic +catalog:read .* 2026-11-23$/m);
    await runCli(['client', 'list', '--json'], world);
    expect(JSON.parse(world.out.at(-1) ?? '')).toMatchObject([{ id: 'old', createdAt: '2026-11-23T00:00:00.000Z' }]);
  });

  test('remove one that is there, and end with 1 for one that is not', async () => {
    const registry = createRegistry();
    await runCli(['client', 'add', 'old', '--organisation', 'region', '--secret'], worldOf(registry));
    const world = worldOf(registry);
    expect(await runCli(['client', 'remove', 'old'], world)).toBe(0);
    expect(await runCli(['client', 'remove', 'nobody'], world)).toBe(1);
    expect(world.err.at(-1)).toContain('There is no client of that id.');
  });

  test('work on the store of the configuration and the environment', async () => {
    const world = worldOf(createRegistry(), {
      files: { 'hub.yaml': yaml('umea') },
      env: { DATABASE_URL: 'postgres://db.example/civex', CIVEX_DATA: '/data' },
    });
    await runCli(['client', 'list', '--config', 'hub.yaml'], world);
    expect(world.administered).toMatchObject([
      { databaseUrl: 'postgres://db.example/civex', config: { server: { dataFolder: '/data' } } },
    ]);
    expect(world.events).toEqual(['administration closed']);
  });

  test('of the sandbox stay in its own folder, whatever the environment names', async () => {
    const world = worldOf(createRegistry(), {
      env: { DATABASE_URL: 'postgres://db.example/civex', CIVEX_DATA: '/data' },
    });
    await runCli(['client', 'list'], world);
    expect(world.administered[0]).not.toHaveProperty('databaseUrl');
    expect(world.administered[0]?.config.server.dataFolder).toBe('/data/sandbox');
  });

  test('say so when the hub knows no callers', async () => {
    const world = createTestWorld();
    expect(await runCli(['client', 'list'], world)).toBe(1);
    expect(world.err.join()).toContain('This hub knows no callers.');
    expect(world.events).toEqual(['sandbox started', 'sandbox closed']);
  });
});

describe('backup and restore', () => {
  test('name the file, count the rows and warn of what it holds', async () => {
    const world = createTestWorld({ files: { 'hub.yaml': yaml('umea') } });
    expect(await runCli(['backup', 'b.gz', '--config', 'hub.yaml'], world)).toBe(0);
    expect(world.out).toEqual([`b.gz holds 1,002 rows of 2 tables, SHA-256 ${'a'.repeat(64)} of its text.`]);
    expect(world.err.join()).toContain('keys of the hub');
    expect(await runCli(['restore', 'b.gz', '--config', 'hub.yaml'], world)).toBe(0);
    expect(world.out.at(-1)).toBe('1 row of 1 tables are restored from b.gz.');
    expect(world.events).toEqual(['backup to b.gz', 'restore from b.gz']);
  });
});

const CALLER: CallerReport['caller'] = {
  issuer: 'https://hub.example/oauth',
  subject: 'dashboard',
  clientId: 'dashboard',
  organisation: 'region',
  roles: new Set(['use']),
  scopes: new Set(['records:read']),
  actor: null,
  details: null,
  isBound: true,
  mustBeBound: true,
};
const REPORT: CallerReport = {
  caller: CALLER,
  isInTime: true,
  restriction: { datasetId: 'leicester:meters', provider: 'leicester', isDiscoverable: false },
  isRestrictedHere: true,
  actions: [
    {
      action: 'QUERY',
      isAllowed: true,
      text: null,
      by: {
        agreement: 'agr-1',
        version: 2,
        terms: { provider: 'leicester', purposes: ['planning'], validUntil: '2027-01-01T00:00:00Z' },
        grant: {
          dataset: 'leicester:meters',
          actions: ['QUERY'],
          properties: null,
          masks: [
            { property: 'occupier', method: 'HIDE', parameter: null },
            { property: 'place', method: 'GRID', parameter: 500 },
          ],
          rows: { property: 'fuel', eq: 'Gas' },
          disclosure: null,
          limits: { requestsPerDay: 10, recordsPerDay: null, recordsPerRequest: null },
        },
      },
    },
    {
      action: 'EXPORT',
      isAllowed: false,
      text: 'Agreement agr-1 does not let its consumer export its records.',
      by: null,
    },
  ],
};

describe('why', () => {
  test('tells who asks, what is allowed by which agreement, and what is not', async () => {
    const world = worldOf(createRegistry(REPORT));
    expect(await runCli(['why', 'a.b.c', 'leicester:meters'], world)).toBe(0);
    const text = world.out.join('\n');
    for (const line of [
      /^organisation +region$/m,
      /^QUERY +yes: agreement agr-1, version 2$/m,
      /^ +purposes +planning$/m,
      /^ +rows +\{"property":"fuel","eq":"Gas"\}$/m,
      /^ +columns +all but occupier$/m,
      /^ +masked +place: GRID 500$/m,
      /^ +limits +10 requests a day$/m,
      /^EXPORT +no: Agreement agr-1 does not let/m,
    ])
      expect(text).toMatch(line);
    expect(text).not.toContain('a.b.c');
  });

  test('reads the token from a file, as it is or as civex token printed it', async () => {
    const given = { plain: 'a.b.c\n', 'token.json': '{"access_token":"a.b.c","token_type":"DPoP"}', 'no.json': '{}' };
    const world = worldOf(createRegistry(REPORT), { files: given });
    expect(await runCli(['why', '@plain', 'leicester:meters'], world)).toBe(0);
    expect(await runCli(['why', '@token.json', 'leicester:meters'], world)).toBe(0);
    expect(await runCli(['why', '@no.json', 'leicester:meters'], world)).toBe(2);
    expect(await runCli(['why', 'x.y.z', 'leicester:meters'], world)).toBe(1);
    expect(world.err.join()).not.toContain('x.y.z');
  });

  test('says that a token has had its time, that it is not bound, and that a portal was not asked', async () => {
    const report = {
      ...REPORT,
      isInTime: false,
      isRestrictedHere: false,
      caller: { ...CALLER, isBound: false, organisation: null, actor: { organisation: 'agency' }, details: [] },
      actions: REPORT.actions.slice(1),
    };
    const world = worldOf(createRegistry(report));
    expect(await runCli(['why', 'a.b.c', 'leicester:meters'], world)).toBe(1);
    const text = world.out.join('\n');
    expect(text).toMatch(/NOT IN TIME[^]*Its portal was not asked/);
    expect(text).toMatch(/^organisation +none/m);
    expect(text).toMatch(/^asked by +agency/m);
    expect(text).toMatch(/^token +not bound to a key: restricted data needs that, narrowed/m);
  });
});

describe('the sandbox', () => {
  const sharingOf = (): Sharing & {
    readonly kept: Map<string, Agreement>;
    readonly clients: Map<string, NewClient>;
  } => {
    const kept = new Map<string, Agreement>();
    const clients = new Map<string, NewClient>();
    return {
      kept,
      clients,
      agreements: {
        find: async (id) => kept.get(id) ?? null,
        async save(agreement) {
          if ((kept.get(agreement.id)?.revision ?? 0) !== agreement.revision - 1) return false;
          kept.set(agreement.id, agreement);
          return true;
        },
      },
      tokenService: {
        async addClient(client) {
          if (clients.has(client.id)) throw new HubError('INPUT_INVALID', 'There is a client of this id already.');
          clients.set(client.id, client);
          return { secret: null };
        },
        listClients: async () =>
          [...clients.values()].map(({ id, organisation, scopes, authentication }) => ({
            id,
            organisation,
            roles: [],
            scopes,
            mayActFor: [],
            authentication,
            createdAtEpochMs: 0,
          })),
        removeClient: async (id) => clients.delete(id),
      },
    };
  };
  const start = async (sharing: Sharing, data: string, port = '4000'): Promise<string> => {
    const world = createTestWorld({ sharing, env: { CIVEX_DATA: data } });
    const ended = runCli(['start', '--port', port], world);
    await world.listening;
    await settle();
    world.signal('SIGINT');
    expect(await ended).toBe(0);
    expect(world.err.join('\n')).toBe('Stopping once running requests have ended. Again stops at once.');
    return world.out.join('\n');
  };

  test('has three organisations with a client each, two agreements in force, and tells how to use them', async () => {
    const sharing = sharingOf();
    const data = path.join(folder, 'new');
    const text = await start(sharing, data);
    expect([...sharing.clients.values()].map(({ organisation }) => organisation)).toEqual([
      'leicester-city-council',
      'fgj-cdmx',
      'emr-region',
    ]);
    expect([...sharing.kept.values()].map(({ state, approvedBy, current }) => [state, approvedBy, current])).toEqual([
      ['ACTIVE', [], 1],
      ['ACTIVE', [], 1],
    ]);
    const file = path.join(data, 'sandbox', 'credentials', 'region-dashboard.json');
    expect(text).toContain(`npm run --silent civex -- token ${file}`);
    expect(text).toContain(`query --credentials ${file} --purpose energy-planning '{ dataset(id: "leicester:`);
    expect(await readCredentials(file)).toMatchObject({ tokenEndpoint: 'http://127.0.0.1:4000/oauth/token' });
  });

  test('is found again as it was left: keys, agreements and their end', async () => {
    const sharing = sharingOf();
    const data = path.join(folder, 'again');
    const file = path.join(data, 'sandbox', 'credentials', 'region-dashboard.json');
    await start(sharing, data);
    const first = await readCredentials(file);
    const ended = sharing.kept.get('sandbox-energy');
    if (ended !== undefined) sharing.kept.set('sandbox-energy', { ...ended, state: 'ENDED', revision: 9 });
    await start(sharing, data, '4001');
    expect(await readCredentials(file)).toEqual({
      ...first,
      tokenEndpoint: 'http://127.0.0.1:4001/oauth/token',
      resource: 'http://127.0.0.1:4001/graphql',
    });
    expect(sharing.kept.get('sandbox-energy')).toMatchObject({ state: 'ENDED', revision: 9 });
  });

  test('makes a client anew when its keys or its registration are gone', async () => {
    const sharing = sharingOf();
    const data = path.join(folder, 'gone');
    const file = path.join(data, 'sandbox', 'credentials', 'region-dashboard.json');
    await start(sharing, data);
    const { privateKey } = await readCredentials(file);
    await rm(file);
    await start(sharing, data);
    const second = await readCredentials(file);
    expect(second.privateKey.d).not.toBe(privateKey.d);
    expect(sharing.clients.get('region-dashboard')?.jwks?.keys[0]?.x).toBe(second.privateKey.x);
    sharing.clients.delete('region-dashboard');
    await start(sharing, data);
    const third = await readCredentials(file);
    expect(sharing.clients.get('region-dashboard')?.jwks?.keys[0]?.x).toBe(third.privateKey.x);
  });

  test('a first start that was killed between proposing and approving is finished by the next', async () => {
    const sharing = sharingOf();
    const data = path.join(folder, 'killed');
    const { save } = sharing.agreements;
    let saves = 0;
    const dying: Sharing = {
      ...sharing,
      agreements: {
        ...sharing.agreements,
        save: (agreement) => (++saves > 1 ? Promise.resolve(false) : save(agreement)),
      },
    };
    await start(dying, data);
    expect(sharing.kept.get('sandbox-energy')?.state).toBe('PROPOSED');
    await start(sharing, data);
    expect([...sharing.kept.values()].map(({ state }) => state)).toEqual(['ACTIVE', 'ACTIVE']);
  });

  test('serves open data alone where nothing can be kept, and says why', async () => {
    const world = createTestWorld({ sharingError: new HubError('CONFIG_INVALID', 'No database for this system.') });
    const ended = runCli(['start'], world);
    await world.listening;
    await settle();
    expect(world.err).toEqual(['Without agreements, as nothing can be kept here: No database for this system.']);
    expect(world.started[0]?.config.identity.tokenService).toBe(false);
    expect(world.out.join('\n')).not.toContain('--credentials');
    world.signal('SIGINT');
    expect(await ended).toBe(0);
  });
});

describe('query as a client', () => {
  const asked: { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
  const server = createServer((req, res) => {
    let body = '';
    req.on('data', (chunk) => (body += String(chunk)));
    req.on('end', () => {
      asked.push({ path: req.url ?? '', headers: req.headers, body });
      res.end(JSON.stringify({ access_token: 'a.b.c', token_type: 'DPoP', expires_in: 600, scope: 'records:read' }));
    });
  });
  let origin: string;
  let credentials: string;
  beforeAll(async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const registry = createRegistry();
    const administration = { ...registry.administration, tokenEndpoint: `${origin}/oauth/token` };
    credentials = newFile();
    const world = createTestWorld({ administration });
    await runCli(['client', 'add', 'dashboard', '--organisation', 'region', '--out', credentials], world);
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test('asks for a token, proves to hold its key and declares what the request is for', async () => {
    const world = createTestWorld({ answer: { data: {} } });
    const argv = ['--credentials', credentials, '--purpose', 'planning', '--case', 'C 1', '--agreement', 'agr-1'];
    expect(await runCli(['query', '{ a }', ...argv], world)).toBe(0);
    expect(world.posted).toHaveLength(1);
    const [{ url, headers = {} } = { url: '' }] = world.posted;
    expect(url).toBe('https://hub.example/graphql');
    expect(headers).toMatchObject({
      authorization: 'DPoP a.b.c',
      'civex-purpose': 'planning',
      'civex-case-reference': 'C 1',
      'civex-agreement': 'agr-1',
    });
    const [, claims = ''] = headers['dpop']?.split('.') ?? [];
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({ htm: 'POST', htu: url });
    expect(world.started).toEqual([]);
  });

  test('asks at another address for the hub of its credentials', async () => {
    const world = createTestWorld({ answer: { data: {} } });
    await runCli(['query', '{ a }', '--credentials', credentials, '--url', 'http://10.0.0.7:4000'], world);
    const [{ url, headers = {} } = { url: '' }] = world.posted;
    expect(url).toBe('http://10.0.0.7:4000/graphql');
    const [, claims = ''] = headers['dpop']?.split('.') ?? [];
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      htu: 'https://hub.example/graphql',
    });
  });

  test('declares without a token too, but not to nobody', async () => {
    const world = createTestWorld({ answer: { data: {} } });
    await runCli(['query', '{ a }', '--url', 'http://127.0.0.1:1', '--purpose', 'p'], world);
    expect(world.posted[0]?.headers).toEqual({ 'civex-purpose': 'p' });
    expect(await runCli(['query', '{ a }', '--purpose', 'p'], world)).toBe(2);
    expect(world.err.at(-1)).toContain('give --credentials or --url');
    expect(await runCli(['query', '{ a }', '--url', 'http://127.0.0.1:1', '--purpose', 'é'], world)).toBe(2);
    expect(await runCli(['query', '{ a }', '--credentials', 'x.json', '--config', 'hub.yaml'], world)).toBe(2);
    expect(world.started).toEqual([]);
  });

  test('a token is printed as the token service gave it, for what was asked', async () => {
    const world = createTestWorld({ files: { 'theirs.json': '{"access_token":"s.t.u"}' } });
    asked.length = 0;
    const argv = ['token', credentials, '--scope', 'records:read', '--subject-token', 'theirs.json'];
    expect(await runCli([...argv, '--details', '[{"type":"urn:civex:data-share"}]'], world)).toBe(0);
    expect(JSON.parse(world.out.join())).toEqual({
      access_token: 'a.b.c',
      token_type: 'DPoP',
      expires_in: 600,
      scope: 'records:read',
    });
    const form = new URLSearchParams(asked[0]?.body);
    expect(Object.fromEntries(form)).toMatchObject({
      scope: 'records:read',
      subject_token: 's.t.u',
      authorization_details: '[{"type":"urn:civex:data-share"}]',
    });
    expect(await runCli(['token', credentials, '--details', '{}'], world)).toBe(2);
    expect(await runCli(['token', path.join(folder, 'none.json')], world)).toBe(1);
  });
});
