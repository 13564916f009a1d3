import { enableCompileCache, flushCompileCache } from 'node:module';
import process from 'node:process';
import type { HubProcessStart } from './hub-processes.ts';

/** A hub in a process of its own: what it is started with comes as JSON in the first argument. */
const { portals, codeCache, options } = JSON.parse(process.argv[2] ?? '{}') as HubProcessStart;
enableCompileCache(codeCache);
const { startSharingHub } = await import('./sharing-hub.ts');
const hub = await startSharingHub({ portals }, options);
flushCompileCache();

let isClosing = false;
const close = (): void => {
  if (isClosing) return;
  isClosing = true;
  void Promise.resolve(hub[Symbol.asyncDispose]()).finally(() => process.exit());
};
process.on('message', close);
// Whoever started it is gone.
process.on('disconnect', close);
process.send?.(hub.hub.url);
