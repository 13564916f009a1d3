import { Worker } from 'node:worker_threads';
import type { Invariant } from './judge.ts';
import { EVENTS } from './run-seed.ts';
import type { Events, SeedResult } from './run-seed.ts';

export interface RunOptions {
  readonly workers: number;
  readonly keepLog?: boolean;
  /** Stops soon after a seed failed. */
  readonly untilFailure?: boolean;
}

export interface RunSummary {
  readonly seeds: number;
  readonly requests: number;
  readonly attempts: number;
  readonly clean: number;
  readonly events: Events;
  /** Lowest seed first. */
  readonly failures: readonly SeedResult[];
  /** Of each seed, lowest first: the same seeds give the same ones. */
  readonly digests: readonly number[];
  /** Seeds whose log was kept, lowest first. */
  readonly logged: readonly SeedResult[];
  readonly tookMs: number;
}

/** Seeds a worker is given at a time. */
const BATCH = 10;

/** Runs seeds on threads of their own: each has an event loop to itself, which virtual time needs. */
export async function runSeeds(seeds: readonly number[], options: RunOptions): Promise<RunSummary> {
  const startedAt = performance.now();
  const results: SeedResult[] = [];
  let next = 0;
  const drive = async (): Promise<void> => {
    const worker = new Worker(new URL('./seed-worker.ts', import.meta.url));
    try {
      while (next < seeds.length) {
        if (options.untilFailure === true && results.some(({ violations }) => violations.length > 0)) return;
        const batch = seeds.slice(next, next + BATCH);
        next += BATCH;
        const done = Promise.withResolvers<readonly SeedResult[]>();
        const { resolve, reject } = done;
        worker.once('error', reject).once('message', resolve);
        worker.postMessage({ seeds: batch, keepLog: options.keepLog ?? false });
        results.push(...(await done.promise));
        worker.off('error', reject);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: options.workers }, drive));
  results.sort((a, b) => a.seed - b.seed);
  const sum = (count: (result: SeedResult) => number): number =>
    results.reduce((total, result) => total + count(result), 0);
  return {
    seeds: results.length,
    requests: sum(({ requests }) => requests),
    attempts: sum(({ attempts }) => attempts),
    clean: sum(({ clean }) => clean),
    // Every one of EVENTS.
    events: Object.fromEntries(EVENTS.map((name) => [name, sum(({ events }) => events[name])])) as Events,
    failures: results.filter(({ violations }) => violations.length > 0),
    digests: results.map(({ digest }) => digest),
    logged: results.filter(({ log }) => log.length > 0),
    tookMs: performance.now() - startedAt,
  };
}

/** How often an invariant was broken. */
export function countViolations({ failures }: RunSummary, isMeant: (invariant: Invariant) => boolean): number {
  return failures.flatMap(({ violations }) => violations).filter(({ invariant }) => isMeant(invariant)).length;
}

/** Each seed that failed with what it broke and how to run it again; empty when none did. */
export function describeFailures({ failures }: RunSummary): string {
  return failures
    .map(
      ({ seed, violations }) =>
        `seed ${seed} fails; all of it: npm run simulate -- --seed ${seed} --log; once mended, it belongs into known-seeds.json\n${violations
          .map(({ invariant, text }) => `  ${invariant}: ${text}\n`)
          .join('')}`,
    )
    .join('');
}
