import { readFileSync } from 'node:fs';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { HubError } from '@civex/errors';

export interface FolderLock {
  release(): Promise<void>;
}

/** Pids are used again; a pid with its start time is not. Null when there is no such process. */
function processMark(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is a name in parentheses that may hold blanks; the start time is the 20th after it.
    const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return startTime === undefined ? null : `${pid} ${startTime}`;
  } catch {
    return null;
  }
}

const inUse = (folder: string, pid: string): HubError =>
  new HubError(
    'CONFIG_INVALID',
    `The data folder ${folder} is in use by another hub (process ${pid}). Stop that hub, or give this one a folder of its own.`,
  );

/**
 * Takes a data folder for this process. A lock whose process has ended is taken over. Processes must see each other's
 * pids: hubs in separate containers on one volume are not kept apart.
 * @throws {HubError} CONFIG_INVALID, naming folder and pid, when a living process holds it.
 */
export async function lockFolder(folder: string, ownerPid: number): Promise<FolderLock> {
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'hub.lock');
  const own = processMark(ownerPid) ?? `${ownerPid} 0`;
  const draft = path.join(folder, `hub.lock.${ownerPid}`);
  await writeFile(draft, own);
  try {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      try {
        await link(draft, file);
        return { release: async () => await rm(file, { force: true }) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = await readFile(file, 'utf8').catch(() => '');
      if (holder === '') continue;
      const pid = holder.split(' ')[0] ?? '';
      if (processMark(Number(pid)) === holder) throw inUse(folder, pid);
      const stale = `${file}.${ownerPid}.stale`;
      await rename(file, stale).catch(() => undefined);
      const moved = await readFile(stale, 'utf8').catch(() => holder);
      // Another process took the lock over between our reading and our moving: give it back.
      if (moved !== holder) {
        await link(stale, file).catch(() => undefined);
        await rm(stale, { force: true });
        throw inUse(folder, moved.split(' ')[0] ?? '');
      }
      await rm(stale, { force: true });
    }
    throw inUse(folder, 'unknown');
  } finally {
    await rm(draft, { force: true });
  }
}
