import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

const MAIN = path.resolve(import.meta.dirname, '../../packages/cli/src/main.ts');

/** How long a process may take to say or do something before a test gives up. Milliseconds. */
const PATIENCE_MS = 20_000;

export interface Exit {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface CliProcess extends AsyncDisposable {
  readonly out: string;
  readonly err: string;
  /** Resolves when standard output or error, from `from` characters on, matches. @throws when the process ends before. */
  waitFor(stream: 'out' | 'err', pattern: RegExp, from?: number): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
  readonly exit: Promise<Exit>;
}

/** Starts the command line as a process of its own, with a data folder of its own and nothing of this process's settings. */
export function startCli(
  argv: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): CliProcess {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(CIVEX_|VITEST|NODE_OPTIONS|FORCE_COLOR)/.test(name),
  );
  const dataFolder = mkdtempSync(path.join(os.tmpdir(), 'civex-cli-'));
  // PostgreSQL, which refuses to run as root, must get to its folder in this one.
  chmodSync(dataFolder, 0o711);
  const child = spawn(process.execPath, [MAIN, ...argv], {
    cwd: options.cwd ?? path.dirname(MAIN),
    env: { ...Object.fromEntries(inherited), NO_COLOR: '1', CIVEX_DATA: dataFolder, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { out: '', err: '' };
  const listeners = new Set<() => void>();
  const notify = (): void => {
    for (const listener of listeners) listener();
  };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text.out += chunk;
    notify();
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text.err += chunk;
    notify();
  });
  let isOver = false;
  const exit = new Promise<Exit>((resolve) => {
    child.on('close', (code) => {
      isOver = true;
      rmSync(dataFolder, { recursive: true, force: true });
      notify();
      resolve({ code, ...text });
    });
  });
  return {
    get out() {
      return text.out;
    },
    get err() {
      return text.err;
    },
    exit,
    waitFor: (stream, pattern, from = 0) =>
      new Promise((resolve, reject) => {
        const settle = (): void => {
          listeners.delete(look);
          clearTimeout(timer);
        };
        const fail = (why: string): void => {
          settle();
          reject(new Error(`${why} before ${pattern}\nout: ${text.out}\nerr: ${text.err}`));
        };
        const look = (): void => {
          const match = pattern.exec(text[stream].slice(from));
          if (match !== null) {
            settle();
            resolve(match);
          } else if (isOver) fail('the process ended');
        };
        const timer = setTimeout(() => fail('time ran out'), PATIENCE_MS);
        listeners.add(look);
        look();
      }),
    kill: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      if (!isOver) child.kill('SIGKILL');
      await exit;
    },
  };
}

/** Runs a command to its end. */
export const runCli = (...args: Parameters<typeof startCli>): Promise<Exit> => startCli(...args).exit;
