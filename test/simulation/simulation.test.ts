import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Invariant } from './judge.ts';
import { countViolations, describeFailures, runSeeds } from './run-seeds.ts';

/** Seeds of every run. */
const SEEDS = 1_000;
const PROMISED: ReadonlySet<Invariant> = new Set([
  'wrong row',
  'silent short answer',
  'missed deadline',
  'attempt over budget',
]);

const knownSeeds = JSON.parse(readFileSync(new URL('./known-seeds.json', import.meta.url), 'utf8')) as readonly {
  readonly seed: number;
  readonly found: string;
}[];

describe('a simulated hub', () => {
  test('passes every seed that ever failed', { timeout: 60_000 }, async ({ task }) => {
    const summary = await runSeeds(
      knownSeeds.map(({ seed }) => seed),
      { workers: 2 },
    );
    expect(describeFailures(summary)).toBe('');
    expect(summary.seeds).toBe(knownSeeds.length);
    task.meta.figures = [
      {
        point: 8,
        what: 'simulation: seeds that once failed and pass',
        value: summary.seeds - summary.failures.length,
        target: String(knownSeeds.length),
        isMet: summary.failures.length === 0 && summary.seeds === knownSeeds.length,
      },
    ];
  });

  test('does the same for the same seed, whatever ran before on the same thread', async () => {
    const seeds = Array.from({ length: 12 }, (_, index) => 50 + index);
    const [forwards, backwards] = [
      await runSeeds(seeds, { workers: 1 }),
      await runSeeds(seeds.toReversed(), { workers: 2 }),
    ];
    expect(backwards.digests).toEqual(forwards.digests);
    expect(new Set(forwards.digests).size).toBe(seeds.length);
  });

  test(
    'breaks no promise while portals, clients, clocks and configurations do what they like',
    { timeout: 300_000 },
    async ({ task }) => {
      const summary = await runSeeds(
        Array.from({ length: SEEDS }, (_, index) => index + 1),
        { workers: 2 },
      );
      const figure = (what: string, value: number, target: number) => ({
        point: 8,
        what: `simulation: ${what}`,
        value,
        target: String(target),
        isMet: value === target,
      });
      const others = countViolations(summary, (invariant) => !PROMISED.has(invariant));
      task.meta.figures = [
        figure('seeds run', summary.seeds, SEEDS),
        ...Array.from(PROMISED, (promised) =>
          figure(
            `"${promised}"`,
            countViolations(summary, (invariant) => invariant === promised),
            0,
          ),
        ),
        figure('breaker, cache, 429, leaks, recovery broken', others, 0),
      ];
      expect(describeFailures(summary)).toBe('');
      expect(summary.seeds).toBe(SEEDS);
      // A world in which nothing happens breaks no promise either.
      for (const [name, times] of Object.entries(summary.events)) expect(times, name).toBeGreaterThan(SEEDS / 4);
      expect(summary.clean).toBeGreaterThan(summary.requests / 2);
    },
  );
});
