import { parseArgs } from 'node:util';
import { checkCentralLaw } from './support/central-law.ts';
import type { Kind } from './support/law-world.ts';

/*
 * `npm run laws -- --cases 200000 --seed 7 --source ckan`. Asks each kind of portal that many questions and prints how
 * often each limit was straddled, or the first question that is answered wrong.
 */

const KINDS: readonly Kind[] = ['opendatasoft', 'ckan'];

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    source: { type: 'string' },
  },
});
const [cases, seed] = [Number(values.cases), Number(values.seed)];
const kinds = KINDS.filter((kind) => values.source === undefined || values.source === kind);
if (!Number.isSafeInteger(cases) || cases < 1 || !Number.isSafeInteger(seed) || kinds.length === 0)
  throw new RangeError('--cases is a whole number from 1 on, --seed a whole number, --source opendatasoft or ckan.');
for (const kind of kinds) {
  const startedMs = performance.now();
  const { classes, refusals } = await checkCentralLaw(kind, cases, seed);
  for (const [name, times] of [...classes].toSorted(([, a], [, b]) => a - b))
    process.stdout.write(`${String(times).padStart(8)} ${name}\n`);
  for (const [code, times] of refusals) process.stdout.write(`${String(times).padStart(8)} refused: ${code}\n`);
  process.stdout.write(
    `${kind}: ${cases} cases, seed ${seed}, none wrong, ${Math.round((performance.now() - startedMs) / 1_000)} s\n`,
  );
}
