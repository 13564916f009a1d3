import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { createSeededRandom, createSystemEnvironment } from '@civex/environment';
import { SANDBOX_API_KEYS, startSandbox } from '@civex/sandbox';
import { createTokenService } from '@civex/token-service';
import { request } from 'undici';
import { openHubStore } from '../../../gateway/src/storage/hub-store.ts';
import type { HubStore } from '../../../gateway/src/storage/hub-store.ts';
import { toSourceInput } from '../../test-support/test-hub.ts';
import { agree, createPartner, ENERGY } from './sharing-hub.ts';
import type { Partner } from './sharing-hub.ts';

export interface KillReport {
  readonly kills: number;
  /** Of them with the database server killed beside the hub. */
  readonly serverKills: number;
  readonly acknowledged: {
    readonly proposals: number;
    readonly approvals: number;
    readonly clients: number;
    readonly releases: number;
  };
  readonly lost: number;
  readonly doubled: number;
  readonly halfWritten: number;
  /** What was found, the first few. */
  readonly faults: readonly string[];
  /**
   * From the start of the process until it has answered a question that needs its store: a token and a proof accepted, an
   * agreement read, records counted on its meter. Milliseconds, sorted.
   */
  readonly readyMs: readonly number[];
}

const PROGRAM = path.join(import.meta.dirname, '..', '..', '..', 'packages', 'cli', 'src', 'main.ts');
/** A hub writes its code cache 5 s after its start. */
const CODE_CACHE_MS = 20_000;
const PURPOSE = { 'civex-purpose': 'energy-planning' };
const READY_BOUND_MS = 30_000;
const GRANT = { dataset: ENERGY, actions: ['QUERY'], properties: ['reading_id', 'kwh'] };
const TERMS = {
  provider: 'leicester-city-council',
  consumer: 'emr-region',
  purposes: ['energy-planning'],
  validFrom: '2026-01-01T00:00:00Z',
  validUntil: '2030-01-01T00:00:00Z',
  grants: [GRANT],
};
const LIMITED = { ...TERMS, grants: [{ ...GRANT, limits: { requestsPerDay: 1_000_000, recordsPerDay: 1_000_000 } }] };

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await request(`${url}/readyz`, { headersTimeout: 1_000 });
    await answer.body.dump();
    return answer.statusCode === 200;
  } catch {
    return false;
  }
}

/** Kills a hub again and again while agreements, clients and meters are written, and looks what became of them. */
export async function runKills(
  kills: number,
  seed: number,
  onRound: (rounds: number, faults: readonly string[]) => void = () => {},
): Promise<KillReport> {
  const random = createSeededRandom(seed);
  const environment = createSystemEnvironment();
  const sandbox = await startSandbox();
  const dataFolder = await mkdtemp(path.join(os.tmpdir(), 'civex-kills-'));
  await chmod(dataFolder, 0o755);
  const codeCache = await mkdtemp(path.join(os.tmpdir(), 'civex-code-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const file = path.join(dataFolder, 'hub.yaml');
  const sources = sandbox.portals.map((portal) =>
    toSourceInput(portal, portal.id === 'leicester' ? { apiKeyEnv: 'LEICESTER_KEY', apiKeyPrefix: 'Apikey ' } : {}),
  );
  const settings = {
    server: { dataFolder },
    sources,
    organisations: [{ id: 'leicester-city-council' }, { id: 'emr-region' }, { id: 'uni' }],
    identity: { tokenService: true },
    sharing: { restricted: [{ dataset: ENERGY, provider: 'leicester-city-council', discoverable: true }] },
  };
  // What is JSON is YAML.
  await writeFile(file, JSON.stringify(settings));
  let child: ChildProcess | null = null;

  /** The product as an operator starts it. `isServing`: asked every 10 ms. @returns milliseconds until it is. */
  const start = async (isServing: () => Promise<boolean>): Promise<number> => {
    const startedAt = performance.now();
    const next = spawn(process.execPath, [PROGRAM, 'serve', '--config', file, '--port', String(port)], {
      stdio: 'ignore',
      env: { ...process.env, LEICESTER_KEY: SANDBOX_API_KEYS.leicester, NODE_COMPILE_CACHE: codeCache },
    });
    child = next;
    while (!(await isServing())) {
      if (next.exitCode !== null) throw new Error(`the hub ended by itself with ${next.exitCode}`);
      if (performance.now() - startedAt > READY_BOUND_MS) throw new Error('the hub does not become ready');
      await pause(10);
    }
    return performance.now() - startedAt;
  };
  const kill = async (withServer: boolean): Promise<void> => {
    const hub = child;
    if (hub === null) return;
    const over = new Promise((done) => hub.once('exit', done));
    const lines = withServer ? await readFile(path.join(dataFolder, 'store', 'cluster', 'postmaster.pid'), 'utf8') : '';
    hub.kill('SIGKILL');
    const server = Number(lines.split('\n')[0]);
    if (Number.isSafeInteger(server) && server > 1) process.kill(server, 'SIGKILL');
    await over;
    child = null;
  };
  const attach = (): Promise<HubStore> => openHubStore({ dataFolder, share: 'attach', environment, log: { warn: () => {} } }); // prettier-ignore

  /** By the purpose that marks each proposal: its id and the least it must have become. */
  const proposals = new Map<string, { id: string; isApproved: boolean }>();
  const attemptedProposals = new Set<string>();
  const clients = new Set<string>();
  const attemptedClients = new Set<string>();
  const releases = { acknowledged: 0, attempted: 0 };
  let approvals = 0;
  let serverKills = 0;
  const found = { lost: 0, doubled: 0, halfWritten: 0 };
  const faults: string[] = [];
  const note = (kind: keyof typeof found, what: string): void => {
    found[kind]++;
    if (faults.length < 10) faults.push(`${kind}: ${what}`);
  };

  const serviceOf = (store: HubStore) =>
    createTokenService({
      issuer: `${url}/oauth`,
      resource: `${url}/graphql`,
      storage: store.tokens,
      environment,
      log: { warn: () => {} },
    });

  const inspect = async (store: HubStore, metered: string): Promise<void> => {
    const kept = await store.agreements.ofParty('uni');
    const byMark = Map.groupBy(kept, ({ versions }) => versions[0]?.terms.purposes[0] ?? '');
    for (const [mark, { id, isApproved }] of proposals) {
      const agreement = byMark.get(mark)?.[0];
      if (agreement?.id !== id) note('lost', `proposal ${mark}`);
      else if (isApproved && agreement.state !== 'ACTIVE') note('lost', `approval of ${mark}`);
    }
    for (const [mark, same] of byMark) {
      if (same.length > 1 || !attemptedProposals.has(mark)) note('doubled', `proposal ${mark}`);
      for (const { state, history, revision, versions, current, pending } of same) {
        const changes = history.map(({ change }) => change).join();
        const isWhole =
          state === 'PROPOSED'
            ? changes === 'proposed' && revision === 1 && current === null && pending === 1
            : state === 'ACTIVE' && changes === 'proposed,approved,activated' && revision === 2 && current === 1 && pending === null; // prettier-ignore
        if (!isWhole || versions.length !== 1) note('halfWritten', `${mark} ${state} ${changes}`);
      }
    }
    const registered = await store.tokens.listClients();
    const load = registered.filter(({ id }) => id.startsWith('load-'));
    for (const id of clients) if (!load.some((client) => client.id === id)) note('lost', `client ${id}`);
    for (const { id, organisation, scopes, authentication } of load) {
      if (!attemptedClients.has(id)) note('doubled', `client ${id}`);
      if (organisation !== 'uni' || scopes.join() !== 'catalog:read' || authentication.method !== 'client_secret_basic') note('halfWritten', `client ${id}`); // prettier-ignore
    }
    const meters = await store.store.use((db) => db.selectFrom('agreement_meter').selectAll().where('agreement', '=', metered).execute()); // prettier-ignore
    const [requests, records] = (['requests', 'records'] as const).map((name) => meters.reduce((sum, meter) => sum + Number(meter[name]), 0)); // prettier-ignore
    for (const counted of [requests ?? 0, records ?? 0]) {
      if (counted < releases.acknowledged) note('lost', `meter ${counted} of ${releases.acknowledged}`);
      if (counted > releases.attempted) note('doubled', `meter ${counted} of at most ${releases.attempted}`);
    }
    if (requests !== records) note('halfWritten', `meter ${requests} ${records}`);
  };

  /** One record under the agreement. @returns whether it came. */
  const release = async (consumer: Partner, metered: string): Promise<boolean> => {
    releases.attempted++;
    const { errors, data } = await consumer.ask(
      'query ($id: ID!) { dataset(id: $id) { records(first: 1) { nodes { values } } } }',
      { id: ENERGY },
      { ...PURPOSE, 'civex-agreement': metered },
    );
    const isReleased = errors === undefined && data.dataset.records.nodes.length === 1;
    if (isReleased) releases.acknowledged++;
    return isReleased;
  };

  /** Until the hub is gone: every answer it gives is a promise. */
  const load = async (
    partners: readonly [Partner, Partner, Partner],
    store: HubStore,
    metered: string,
    isOver: () => boolean,
  ): Promise<void> => {
    // prettier-ignore
    const [council, region, university] = partners;
    const service = await serviceOf(store);
    // What fails was not acknowledged; the store and the hub are being killed.
    const again = async (work: () => Promise<void>): Promise<void> => {
      while (!isOver()) await work().catch(() => pause(5));
    };
    const agreeing = again(async () => {
      const mark = `load-${attemptedProposals.size}`;
      attemptedProposals.add(mark);
      const proposed = await council.ask(
        'mutation ($input: AgreementInput!) { proposeAgreement(input: $input) { id } }',
        { input: { ...TERMS, consumer: 'uni', purposes: [mark] } },
      );
      const id: unknown = proposed.data?.proposeAgreement?.id;
      if (typeof id !== 'string') return;
      const entry = { id, isApproved: false };
      proposals.set(mark, entry);
      if (attemptedProposals.size % 3 === 0) return;
      const approved = await university.ask('mutation ($id: ID!) { approveAgreement(id: $id, version: 1) { state } }', { id }); // prettier-ignore
      if (approved.data?.approveAgreement?.state !== 'ACTIVE') return;
      entry.isApproved = true;
      approvals++;
    });
    const registering = again(async () => {
      const id = `load-${attemptedClients.size}`;
      attemptedClients.add(id);
      await service.addClient({ id, organisation: 'uni', roles: ['use'], scopes: ['catalog:read'], authentication: 'client_secret_basic' } as never); // prettier-ignore
      clients.add(id);
      await pause(10);
    });
    const releasing = Array.from({ length: 2 }, () => again(async () => void (await release(region, metered))));
    await Promise.all([agreeing, registering, ...releasing]);
    service.close();
  };

  try {
    const readyMs: number[] = [];
    await start(() => isReady(url));
    let store = await attach();
    const service = await serviceOf(store);
    const partners = [
      await createPartner(service, url, { id: 'council', organisation: 'leicester-city-council', roles: ['use', 'manage'] }), // prettier-ignore
      await createPartner(service, url, { id: 'region', organisation: 'emr-region', roles: ['use', 'manage'] }),
      await createPartner(service, url, { id: 'university', organisation: 'uni', roles: ['use', 'manage'] }),
    ] as const;
    service.close();
    const metered = await agree(partners[0], partners[1], LIMITED);
    // Hubs run longer than this before they are killed: one that was never started before compiles everything.
    const cachedBy = performance.now() + CODE_CACHE_MS;
    while ((await readdir(codeCache, { recursive: true })).length < 500 && performance.now() < cachedBy)
      await pause(50);
    // The hub is not killed while it writes them.
    await pause(1_000);
    for (let round = 0; round < kills; round++) {
      let isOver = false;
      const loading = load(partners, store, metered, () => isOver);
      await pause(50 + random() * 450);
      const withServer = random() < 0.5;
      if (withServer) serverKills++;
      await kill(withServer);
      isOver = true;
      await loading;
      await store.close();
      const isServing = async (): Promise<boolean> =>
        (await isReady(url)) && (await release(partners[1], metered).catch(() => false));
      readyMs.push(await start(isServing));
      store = await attach();
      await inspect(store, metered);
      onRound(round + 1, faults);
    }
    await store.close();
    return {
      kills,
      serverKills,
      acknowledged: { proposals: proposals.size, approvals, clients: clients.size, releases: releases.acknowledged },
      ...found,
      faults,
      readyMs: readyMs.toSorted((a, b) => a - b),
    };
  } finally {
    // Stopped in good order, so that its database server ends with it.
    const last = child as ChildProcess | null;
    if (last !== null && last.exitCode === null) {
      const lines = await readFile(path.join(dataFolder, 'store', 'cluster', 'postmaster.pid'), 'utf8').catch(() => '');
      const over = new Promise((done) => last.once('exit', done));
      last.kill('SIGKILL');
      await over;
      const server = Number(lines.split('\n')[0]);
      if (Number.isSafeInteger(server) && server > 1) process.kill(server, 'SIGQUIT');
    }
    await pause(200);
    await sandbox.close();
    await rm(dataFolder, { recursive: true, force: true, maxRetries: 5 });
    await rm(codeCache, { recursive: true, force: true });
  }
}
