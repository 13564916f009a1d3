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

/** What is read once: whoever takes an issuer out of the file must hear that its tokens are still taken. */
const AT_START = [
  ['server', 'limits'],
  ['identity', 'organisations'],
] as const;

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
    const sources = [
      ...(added.length > 0 ? [`added ${list(added)}`] : []),
      ...(removed.length > 0 ? [`removed ${list(removed)}`] : []),
      ...(changed.length > 0 ? [`changed ${list(changed)}`] : []),
    ];
    world.report(`${file} reloaded: ${sources.length === 0 ? 'no source changed' : sources.join('; ')}.`);
    if (!isDeepStrictEqual(config.sharing, next.sharing)) world.report('The rules below `sharing` were taken over.');
    for (const parts of AT_START)
      if (parts.some((part) => !isDeepStrictEqual(config[part], next[part])))
        world.report(`Changes below \`${parts.join('` and `')}\` take effect at the next start.`);
    const { server, limits, identity, organisations } = config;
    config = { ...next, server, limits, identity, organisations };
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
