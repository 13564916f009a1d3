import { watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import process from 'node:process';
import { request } from 'undici';
import manifest from '../package.json' with { type: 'json' };
import type { World } from './world.ts';

const FILE_BYTES = 8_000_000;
const ANSWER_BYTES = 100_000_000;
const ANSWER_MS = 60_000;

async function readText(path: string): Promise<string> {
  const file = await open(path);
  try {
    const stat = await file.stat();
    if (stat.isDirectory()) throw Object.assign(new Error('is a folder'), { code: 'EISDIR' });
    if (stat.size > FILE_BYTES) throw Object.assign(new Error('is too long'), { code: 'EFBIG' });
    // Pipes and devices have no size: no more than the limit is read of anything.
    const buffer = Buffer.alloc(Math.min(FILE_BYTES, stat.isFile() ? stat.size + 1 : FILE_BYTES));
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length === FILE_BYTES) throw Object.assign(new Error('is too long'), { code: 'EFBIG' });
    return new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, length));
  } finally {
    await file.close();
  }
}

/** Watches the folder: a file replaced by renaming another over it is lost to a watch of its own. */
function watchFile(path: string, onChange: () => void): (() => void) | null {
  const name = basename(path);
  try {
    const watcher = watch(dirname(resolve(path)), { persistent: false }, (_, changed) => {
      // A leading ".." is how mounted configuration volumes swap their content.
      if (changed === null || changed === name || changed.startsWith('..')) onChange();
    });
    watcher.on('error', () => watcher.close());
    return () => watcher.close();
  } catch {
    // No watches left, or a file system without them: the caller says so.
    return null;
  }
}

async function postJson(url: string, body: unknown, headers: Readonly<Record<string, string>>): Promise<unknown> {
  const { body: answer } = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json; charset=utf-8', accept: 'application/json', ...headers },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer) {
    // undici's bodies yield Buffers.
    const bytes = chunk as Buffer;
    length += bytes.length;
    if (length > ANSWER_BYTES) throw new RangeError('the answer is longer than 100 MB');
    chunks.push(bytes);
  }
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))) as unknown;
}

/** The real outside of the commands. */
export function createProcessWorld(): World {
  return {
    env: process.env,
    version: manifest.version,
    now: () => Date.now(),
    colours: process.stdout.hasColors?.() === true && process.env['NO_COLOR'] === undefined,
    print: (text) => void process.stdout.write(`${text}\n`),
    report: (text) => void process.stderr.write(`${text}\n`),
    readText,
    watchFile,
    onSignal(signal, listener) {
      process.on(signal, listener);
      return () => process.off(signal, listener);
    },
    exit: (code) => process.exit(code),
    postJson,
    loadGateway: () => import('@civex/gateway'),
    loadCredentials: () => import('./client-credentials.ts'),
    async startSandbox() {
      const { SANDBOX_API_KEYS, startSandbox } = await import('@civex/sandbox');
      const sandbox = await startSandbox();
      return { portals: sandbox.portals, apiKeys: SANDBOX_API_KEYS, close: () => sandbox.close() };
    },
  };
}
