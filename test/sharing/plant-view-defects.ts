import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

/*
 * Shows that the tests of views find what they are there to find: each defect is planted in a copy of the packages, and
 * the named tests must fail there. `npm run oracle:defects -- [name of a defect]`. Ends with 1 when one passes unseen.
 */

const ROOT = path.resolve(import.meta.dirname, '../..');
const ORACLE = 'packages/records/src/record-view.oracle.test.ts';
const VIEW = 'packages/records/src/record-view.ts';
const MASK = 'packages/sharing/src/mask-value.ts';
const BIND = 'packages/records/src/bind-question.ts';
const DOOR = 'packages/records/src/record-door.ts';
const STREAM = 'packages/records/src/open-stream.ts';
const EXPLAIN = 'packages/records/src/explain.ts';

interface Defect {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const DEFECTS: readonly Defect[] = [
  { name: 'rows are not held against the rule', file: VIEW, from: 'if (admits(record)) return true;', to: 'return true;' }, // prettier-ignore
  { name: 'the rule is dropped where the caller has a filter', file: VIEW, from: 'a === null ? b : b === null ? a :', to: 'b !== null ? b : a === null ? b :' }, // prettier-ignore
  { name: 'rule or filter, not both', file: VIEW, from: "{ op: 'and', args: [a, b] };", to: "{ op: 'or', args: [a, b] };" }, // prettier-ignore
  { name: 'values are not masked', file: VIEW, from: 'mask === undefined || value === null ? value : mask.apply(value)', to: 'value' }, // prettier-ignore
  { name: 'conditions on masked columns are pushed', file: VIEW, from: '(canConjoin && isPlain(predicate.property) ? capability.grade(predicate)', to: '(canConjoin ? capability.grade(predicate)' }, // prettier-ignore
  { name: 'sorts by masked columns are pushed', file: VIEW, from: 'isOrderPlain && isPlain(property) && capability.sortsExactly(property)', to: 'isOrderPlain && capability.sortsExactly(property)' }, // prettier-ignore
  { name: 'windows are asked though the hub decides the rule', file: VIEW, from: 'isWhole &&\n      areIdsPlain &&', to: 'areIdsPlain &&' }, // prettier-ignore
  { name: 'groups are made of raw values', file: VIEW, from: 'groups: (key) => isPlain(key.property) && aggregates.groups(key)', to: 'groups: (key) => aggregates.groups(key)' }, // prettier-ignore
  { name: 'measures are made of raw values', file: VIEW, from: 'measures: (measure) => isPlain(measure.property) && aggregates.measures(measure)', to: 'measures: (measure) => aggregates.measures(measure)' }, // prettier-ignore
  { name: 'groups are made without the rule', file: VIEW, from: '{ ...ask, filter: both(rule.pushed, ask.filter) }, confidential', to: '{ ...ask }, confidential' }, // prettier-ignore
  { name: 'hidden columns are shown', file: VIEW, from: '!view.hidden.has(name) && (', to: '(' },
  { name: 'columns beside the list are shown', file: VIEW, from: '(view.properties === null || view.properties.has(name))', to: 'true' }, // prettier-ignore
  { name: 'raw ids are shown', file: VIEW, from: "(id === '' ? '' : digest(id))", to: 'id' },
  { name: 'ids that depend on hidden columns are kept', file: VIEW, from: "recordIds.kind === 'own' ||", to: "recordIds.kind !== 'property' ||" }, // prettier-ignore
  { name: 'like records share an id', file: VIEW, from: 'return before === 0 ? like : `${like}-${before}`;', to: 'return like;' }, // prettier-ignore
  { name: 'columns the rule needs are not read', file: VIEW, from: ', ...rowColumns, ...pushedColumns]', to: ']' },
  { name: 'hidden columns may be asked of', file: BIND, from: 'return bind(view.queryables);', to: 'return bind(source.dataset.queryables ?? []);' }, // prettier-ignore
  { name: 'what lies behind a mask may be asked for', file: VIEW, from: 'mask === undefined || mask.admits(predicate)', to: 'true' }, // prettier-ignore
  {
    name: 'prefixes are a character too long',
    file: MASK,
    from: 'slice(0, characters)',
    to: 'slice(0, characters + 1)',
  },
  { name: 'months keep their day', file: MASK, from: 'createPeriod(type, 7)', to: 'createPeriod(type, 10 as 7)' },
  { name: 'places are not moved to their cell', file: MASK, from: 'coordinates: [toDegrees(lon), toDegrees(lat)]', to: 'coordinates: [...point]' }, // prettier-ignore
  { name: 'more is handed out than was counted', file: DOOR, from: 'records: page.records.length, isFirst: true', to: 'records: 0, isFirst: true' }, // prettier-ignore
  { name: 'streams show raw records', file: STREAM, from: 'return { first: done === true ? null : value, rest, split, isResumable };', to: 'return { first: done === true ? null : value.map(({ id, values }) => ({ id, values: { ...values, s: values["s"] ?? null, n: null } })), rest, split, isResumable };' }, // prettier-ignore
  { name: 'plans tell what the portal was asked', file: EXPLAIN, from: 'view.isOpen\n', to: 'true\n' },
];

const run = promisify(execFile);

async function isFound({ name, file, from, to }: Defect): Promise<boolean> {
  const tree = await mkdtemp(path.join(tmpdir(), 'view-defect-'));
  try {
    for (const part of ['packages', 'package.json', 'vitest.config.ts', 'tsconfig.base.json', 'tsconfig.json'])
      await cp(path.join(ROOT, part), path.join(tree, part), { recursive: true, verbatimSymlinks: true });
    await symlink(path.join(ROOT, 'node_modules'), path.join(tree, 'node_modules'));
    const target = path.join(tree, file);
    const text = await readFile(target, 'utf8');
    if (text.split(from).length !== 2) throw new RangeError(`${name}: ${file} does not hold once: ${from}`);
    await writeFile(
      target,
      text.replace(from, () => to),
    );
    return await run(process.execPath, [path.join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', ORACLE], {
      cwd: tree,
      env: { ...process.env, CIVEX_ORACLE_RUNS: '3000' },
      timeout: 180_000,
    }).then(
      () => false,
      () => true,
    );
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

// Nothing is shown by a test that fails anyway.
if (
  await isFound({ name: 'nothing', file: VIEW, from: '!view.hidden.has(name) && (', to: '!view.hidden.has(name) && (' })
)
  throw new Error('the tests fail without a defect');
const [only] = process.argv.slice(2);
const chosen = DEFECTS.filter(({ name }) => only === undefined || name === only);
let found = 0;
for (const defect of chosen) {
  const isSeen = await isFound(defect);
  if (isSeen) found += 1;
  process.stdout.write(`${defect.name}: ${isSeen ? 'found' : 'NOT FOUND'}\n`);
}
process.stdout.write(`${found} of ${chosen.length} planted defects found\n`);
if (found < chosen.length || chosen.length === 0) process.exitCode = 1;
