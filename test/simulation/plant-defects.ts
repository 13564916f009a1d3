import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { DEFECTS } from './defects.ts';
import type { Defect } from './defects.ts';

/*
 * Shows that the simulation finds what it is there to find: a copy of the tree for each planted defect, and seeds until
 * one fails. `npm run simulate:defects -- [most seeds, default 2000] [name of a defect]`. Ends with 1 when one passes
 * unseen, or when what fails is not what the defect breaks.
 */

const ROOT = path.resolve(import.meta.dirname, '../..');
const COPIED = [
  'packages',
  'adapters',
  'gateway',
  'test/simulation',
  'test/package.json',
  'test/node_modules',
  'package.json',
];
const run = promisify(execFile);

async function copyTree(to: string): Promise<void> {
  for (const name of COPIED)
    await cp(path.join(ROOT, name), path.join(to, name), { recursive: true, verbatimSymlinks: true });
  await symlink(path.join(ROOT, 'node_modules'), path.join(to, 'node_modules'));
}

/** @throws RangeError when the code the defect changes is not there, once. */
async function plant(defect: Defect, tree: string): Promise<void> {
  for (const [name, from, to] of defect.edits) {
    const file = path.join(tree, name);
    const text = await readFile(file, 'utf8');
    if (text.split(from).length !== 2) throw new RangeError(`${defect.name}: ${name} does not hold once: ${from}`);
    await writeFile(
      file,
      text.replace(from, () => to),
    );
  }
}

/** The first seed that finds it, and what fails there; null when none does. */
async function findDefect(
  defect: Defect,
  mostSeeds: number,
): Promise<{ readonly seed: number; readonly found: readonly string[] } | null> {
  const tree = await mkdtemp(path.join(tmpdir(), 'defect-'));
  try {
    await copyTree(tree);
    await plant(defect, tree);
    const script = path.join(tree, 'test/simulation/simulate.ts');
    const { stdout } = await run(
      process.execPath,
      [script, '--seeds', String(mostSeeds), '--until-failure', '--json'],
      {
        maxBuffer: 100_000_000,
      },
    );
    const { failures } = JSON.parse(stdout) as {
      failures: readonly { seed: number; violations: readonly { invariant: string }[] }[];
    };
    const [first] = failures;
    if (first === undefined) return null;
    return { seed: first.seed, found: [...new Set(first.violations.map(({ invariant }) => invariant))] };
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

const [mostSeeds = '2000', only] = process.argv.slice(2);
const chosen = DEFECTS.filter(({ name }) => only === undefined || name === only);
let found = 0;
for (const defect of chosen) {
  const result = await findDefect(defect, Number(mostSeeds));
  const isMeant = result !== null && result.found.some((name) => defect.breaks.some((broken) => broken === name));
  if (isMeant) found += 1;
  const outcome =
    result === null ? `NOT FOUND in ${mostSeeds} seeds` : `seed ${result.seed} (${result.found.join(', ')})`;
  process.stdout.write(`${defect.name}: ${outcome}${result === null || isMeant ? '' : ', NOT AS MEANT'}\n`);
}
process.stdout.write(`${found} of ${chosen.length} planted defects found\n`);
if (found < chosen.length || chosen.length === 0) process.exitCode = 1;
