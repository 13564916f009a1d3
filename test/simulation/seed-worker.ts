import { parentPort } from 'node:worker_threads';
import { runSeed } from './run-seed.ts';

parentPort?.on('message', ({ seeds, keepLog }: { readonly seeds: readonly number[]; readonly keepLog: boolean }) => {
  const run = async (): Promise<void> => {
    const results = [];
    for (const seed of seeds) results.push(await runSeed(seed, { keepLog }));
    parentPort?.postMessage(results);
  };
  // A seed that throws is a fault of the simulation: the thread ends, and with it the run.
  run().catch((error: unknown) => {
    throw error;
  });
});
