import { parseArgs } from 'node:util';
import { describeFailures, runSeeds } from './run-seeds.ts';

/*
 * `npm run simulate -- --seeds 10000 --from 1 --workers 2`. Prints every seed that fails with what it broke; `--seed 17
 * --log` runs one and prints everything that happened in it. Ends with 1 when a seed failed.
 */

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    workers: { type: 'string', default: '2' },
    seed: { type: 'string' },
    log: { type: 'boolean', default: false },
    'until-failure': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

const from = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const workers = Math.min(count, Number(values.workers));
if (![from, count, workers].every((number) => Number.isSafeInteger(number) && number > 0))
  throw new RangeError('--seeds, --from, --workers and --seed are whole numbers from 1 on.');
const summary = await runSeeds(
  Array.from({ length: count }, (_, index) => from + index),
  { workers, keepLog: values.log, untilFailure: values['until-failure'] },
);
if (values.json) console.log(JSON.stringify(summary));
else {
  if (values.log) for (const { log } of summary.logged) console.log(log.join('\n'));
  process.stdout.write(describeFailures(summary));
  const { seeds, requests, attempts, clean, failures, events, tookMs } = summary;
  for (const [name, times] of Object.entries(events)) console.log(`${String(times).padStart(8)} ${name}`);
  console.log(
    `${seeds} seeds, ${requests} requests (${clean} without any error), ${attempts} attempts at portals, ${failures.length} seeds failed, ${Math.round(tookMs / 1_000)} s`,
  );
  process.exitCode = failures.length === 0 ? 0 : 1;
}
