import { enableCompileCache, flushCompileCache } from 'node:module';
import process from 'node:process';

/**
 * A hub in a process of its own: `portals`, `dataFolder`, `port`, `codeCache` as JSON in the first argument. Whoever is
 * killed writes no code cache when it ends, so it is written once the hub is ready.
 */
const { portals, dataFolder, port, codeCache } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly portals: Parameters<(typeof import('./sharing-hub.ts'))['startSharingHub']>[0]['portals'];
  readonly dataFolder: string;
  readonly port: number;
  readonly codeCache: string;
};
enableCompileCache(codeCache);
const { startSharingHub } = await import('./sharing-hub.ts');
await startSharingHub({ portals }, { dataFolder, port });
flushCompileCache();
