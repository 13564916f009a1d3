import { readFileSync } from 'node:fs';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { HubError } from '@civex/errors';

/** A hub keeps its folder for as long as it runs; an operator's command for the moment of its work. */
export type Role = 'hub' | 'command';

export type FolderLock =
  | { readonly isTaken: true; release(): Promise<void> }
  /** A living process holds it. */
  | { readonly isTaken: false; readonly pid: string; readonly role: Role };

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

const held = (holder: string): FolderLock => {
  const [pid, , role] = holder.split(' ');
  return { isTaken: false, pid: pid ?? 'unknown', role: role === 'command' ? 'command' : 'hub' };
};

/** The refusal for a folder that another process holds. */
export function folderInUse(folder: string, holder: { readonly pid: string; readonly role: Role }): HubError {
  return new HubError(
    'CONFIG_INVALID',
    holder.role === 'hub'
      ? `The data folder ${folder} is in use by another hub (process ${holder.pid}). Stop that hub, or give this one a folder of its own.`
      : `The data folder ${folder} is in use by a command (process ${holder.pid}). Start again when it has ended.`,
  );
}

/**
 * Takes a data folder for this process. A lock whose process has ended is taken over. Processes must see each other's
 * pids: hubs in separate containers on one volume are not kept apart.
 */
export async function lockFolder(folder: string, ownerPid: number, role: Role): Promise<FolderLock> {
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'hub.lock');
  const own = `${processMark(ownerPid) ?? `${ownerPid} 0`} ${role}`;
  const draft = path.join(folder, `hub.lock.${ownerPid}`);
  await writeFile(draft, own);
  try {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      try {
        await link(draft, file);
        return { isTaken: true, release: async () => await rm(file, { force: true }) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = await readFile(file, 'utf8').catch(() => '');
      if (holder === '') continue;
      const [pid, startTime] = holder.split(' ');
      if (processMark(Number(pid)) === `${pid} ${startTime}`) return held(holder);
      const stale = `${file}.${ownerPid}.stale`;
      await rename(file, stale).catch(() => undefined);
      const moved = await readFile(stale, 'utf8').catch(() => holder);
      // Another process took the lock over between our reading and our moving: give it back.
      if (moved !== holder) {
        await link(stale, file).catch(() => undefined);
        await rm(stale, { force: true });
        return held(moved);
      }
      await rm(stale, { force: true });
    }
    return held('unknown');
  } finally {
    await rm(draft, { force: true });
  }
}
