import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createUuid } from '@civex/environment';
import type { Environment } from '@civex/environment';
import { HubError } from '@civex/errors';
import { CURSOR_KEY_BYTES } from './cursor-seal.ts';

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

const CURSOR_KEY = /^[0-9a-f]{64}\s*$/;

/**
 * The key cursors are sealed with, from `cursor.key` in the data folder (64 hexadecimal digits); made when there is
 * none. Hubs that share it read each other's cursors.
 *
 * @throws HubError `CONFIG_INVALID` when the file cannot be read or written, or holds something else.
 */
export async function readCursorKey(dataFolder: string, environment: Environment): Promise<Uint8Array> {
  const file = path.join(dataFolder, 'cursor.key');
  const unusable = (problem: string, cause?: unknown): HubError =>
    new HubError(
      'CONFIG_INVALID',
      `server.dataFolder: cursor.key in it ${problem}. Cursors are sealed with that key; give the hub a folder it may write to, or restore the file.`,
      {},
      cause,
    );
  const read = async (): Promise<Uint8Array | null> => {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return null;
      throw unusable('cannot be read', error);
    });
    if (text === null) return null;
    if (!CURSOR_KEY.test(text)) throw unusable('is not 64 hexadecimal digits');
    return Buffer.from(text.trim(), 'hex');
  };
  const known = await read();
  if (known !== null) return known;
  const draft = `${file}.${createUuid(environment)}`;
  try {
    // Passed through by others, not listed: PostgreSQL refuses to run as root, and its folder is in this one.
    await mkdir(dataFolder, { recursive: true, mode: 0o711 });
    const made = Buffer.from(environment.randomBytes(CURSOR_KEY_BYTES)).toString('hex');
    await writeFile(draft, `${made}\n`, { flag: 'wx', mode: 0o600, flush: true });
    // The file appears whole or not at all, and whoever comes second reads what the first one made.
    await link(draft, file);
    return Buffer.from(made, 'hex');
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw unusable('cannot be written', error);
  } finally {
    await rm(draft, { force: true });
  }
  const theirs = await read();
  if (theirs === null) throw unusable('is gone again');
  return theirs;
}
