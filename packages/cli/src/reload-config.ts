import { isDeepStrictEqual } from 'node:util';
import type { HubConfig } from '@civex/config';
import { ConfigError, formatConfigFaults } from '@civex/config';
import { CommandFailure } from './exit-codes.ts';
import { parseConfigText, readTextFile } from './read-config.ts';
import type { GatewayModule, Hub, World } from './world.ts';

export interface ReloadOptions {
  readonly file: string;
  readonly hub: Hub;
  readonly world: World;
  readonly adapters: GatewayModule['adapterOptionSchemas'];
  /** What the hub was started with. */
  readonly text: string;
  readonly config: HubConfig;
}

/** Editors save in several steps; a file is read once it has been left alone this long. Milliseconds. */
const SETTLE_MS = 200;

const list = (ids: readonly string[]): string =>
  ids.length > 12 ? `${ids.slice(0, 12).join(', ')} and ${ids.length - 12} more` : ids.join(', ');

/**
 * Reloads the sources when the file changes or SIGHUP arrives, one reload at a time. A file that cannot be read or has
 * faults leaves everything as it is and says so.
 *
 * @returns a function that stops watching.
 */
export function reloadOnChange({ file, hub, world, adapters, ...start }: ReloadOptions): () => void {
  let { text, config } = start;
  let isRunning = false;
  /** A change that came while a reload was under way. */
  let pending: 'none' | 'changed' | 'forced' = 'none';
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;

  const reload = async (isForced: boolean): Promise<void> => {
    const read = await readTextFile(file, world);
    if (read === text && !isForced) return;
    text = read;
    const next = parseConfigText(read, file, world, adapters);
    const { added, removed, changed } = await hub.reload(next);
    const parts = [
      ...(added.length > 0 ? [`added ${list(added)}`] : []),
      ...(removed.length > 0 ? [`removed ${list(removed)}`] : []),
      ...(changed.length > 0 ? [`changed ${list(changed)}`] : []),
    ];
    world.report(`${file} reloaded: ${parts.length === 0 ? 'no source changed' : parts.join('; ')}.`);
    if (!isDeepStrictEqual([config.server, config.limits], [next.server, next.limits]))
      world.report('Changes below `server` and `limits` take effect at the next start.');
    config = { ...next, server: config.server, limits: config.limits };
  };

  const run = async (isForced: boolean): Promise<void> => {
    if (isRunning) {
      if (pending !== 'forced') pending = isForced ? 'forced' : 'changed';
      return;
    }
    isRunning = true;
    try {
      await reload(isForced);
    } catch (error) {
      if (error instanceof ConfigError)
        world.report(`${formatConfigFaults(error.faults)}\n${file} was not taken over.`);
      else if (error instanceof CommandFailure) world.report(`${error.message} Nothing was changed.`);
      else world.report(`${file} could not be taken over.`);
    } finally {
      isRunning = false;
    }
    if (pending !== 'none' && !isStopped) {
      const again = pending === 'forced';
      pending = 'none';
      await run(again);
    }
  };

  const stopWatching = world.watchFile(file, () => {
    clearTimeout(timer);
    timer = setTimeout(() => void run(false), SETTLE_MS);
  });
  if (stopWatching === null) world.report(`${file} cannot be watched here; SIGHUP reloads it.`);
  const stopListening = world.onSignal('SIGHUP', () => void run(true));
  return () => {
    isStopped = true;
    clearTimeout(timer);
    stopWatching?.();
    stopListening();
  };
}
