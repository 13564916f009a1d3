import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createSystemEnvironment } from '@civex/environment';
import { createTokenService } from '@civex/token-service';
import { openHubStore } from '../../../gateway/src/storage/hub-store.ts';
import type { HubStore } from '../../../gateway/src/storage/hub-store.ts';
import { createPartner } from './sharing-hub.ts';
import type { Partner, startSharingHub } from './sharing-hub.ts';

type Portals = Parameters<typeof startSharingHub>[0]['portals'];
type HubOptions = NonNullable<Parameters<typeof startSharingHub>[1]>;

/** What `hub-process.ts` is told. */
export interface HubProcessStart {
  readonly portals: Portals;
  /** Folder of compiled code that hubs of one test share. */
  readonly codeCache: string;
  readonly options: HubOptions;
}

/** A hub that runs in an operating-system process of its own. */
interface HubProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

/** Longest wait for the start and for the end of a process. Milliseconds. */
const PATIENCE_MS = 60_000;

async function startHubProcess(start: HubProcessStart): Promise<HubProcess> {
  const child = fork(new URL('./hub-process.ts', import.meta.url), [JSON.stringify(start)], {
    execArgv: [],
    env: Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(CIVEX_|DATABASE_URL|VITEST|NODE_OPTIONS)/.test(name)),
    ),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error('the hub does not start'));
    }, PATIENCE_MS);
    child.once('message', (told: string) => {
      clearTimeout(timer);
      resolve(told);
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`the hub ended by itself with ${String(code)}`));
    });
  });
  return {
    url,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      if (child.connected) child.send('close');
      const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Two processes of one hub: the first runs the database server of the store, the second is a client of it. */
export interface TwoHubProcesses extends AsyncDisposable {
  readonly first: HubProcess;
  readonly second: HubProcess;
  /** The store both are on, seen from this process. */
  readonly store: HubStore;
  partner(id: string, organisation: string, roles?: readonly ('use' | 'manage')[]): Promise<Partner>;
}

export async function startTwoHubProcesses(
  sandbox: Parameters<typeof startSharingHub>[0],
  options: Pick<HubOptions, 'restricted' | 'purposes'> = {},
): Promise<TwoHubProcesses> {
  const portals = sandbox.portals.map(({ id, kind, title, baseUrl }) => ({ id, kind, title, baseUrl }));
  const codeCache = await mkdtemp(path.join(os.tmpdir(), 'civex-code-'));
  const dataFolder = await mkdtemp(path.join(os.tmpdir(), 'civex-two-'));
  await chmod(dataFolder, 0o755);
  const open = new AsyncDisposableStack();
  open.defer(async () => {
    await rm(dataFolder, { recursive: true, force: true, maxRetries: 5 });
    await rm(codeCache, { recursive: true, force: true, maxRetries: 5 });
  });
  try {
    const first = open.use(await startHubProcess({ portals, codeCache, options: { ...options, dataFolder } }));
    const socketFolder = (await readFile(path.join(dataFolder, 'store', 'server.socket'), 'utf8')).trim();
    const databaseUrl = `postgres://civex@localhost/postgres?host=${encodeURIComponent(socketFolder)}`;
    const resource = `${first.url}/graphql`;
    const second = open.use(
      await startHubProcess({ portals, codeCache, options: { ...options, databaseUrl, resource } }),
    );
    const environment = createSystemEnvironment();
    const log = { warn: () => {} };
    const store = await openHubStore({ dataFolder, share: 'attach', environment, log });
    open.defer(() => store.close());
    const service = await createTokenService({
      issuer: `${first.url}/oauth`,
      resource,
      storage: store.tokens,
      environment,
      log,
    });
    open.defer(() => service.close());
    return {
      first,
      second,
      store,
      partner: (id, organisation, roles = ['use']) => createPartner(service, first.url, { id, organisation, roles }),
      [Symbol.asyncDispose]: () => open.disposeAsync(),
    };
  } catch (error) {
    await open.disposeAsync();
    throw error;
  }
}
