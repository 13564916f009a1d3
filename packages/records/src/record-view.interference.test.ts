import { isHubError } from '@civex/errors';
import type { HubRecord, RecordValue } from '@civex/model';
import type { RecordFilter } from '@civex/query';
import type { AccessView, Mask } from '@civex/sharing';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRecordDoor } from './record-door.ts';
import { capabilityArb, filterArb, paceArb, propertiesArb, rowsArb, sortArb } from './test-support/arbitraries.ts';
import { withAggregates } from './test-support/fake-aggregates.ts';
import { COLUMNS, createCall, createFakeSource } from './test-support/fake-source.ts';
import { referenceTruth, toFilterInput } from './test-support/reference.ts';

/*
 * Non-interference: two worlds that differ only in what a view does not show give the same answers, errors, totals,
 * cursors and plans. How much may be read at all, and what a portal is caught at, are outside of it.
 */

const RUNS = Number(process.env['CIVEX_INTERFERENCE_RUNS'] ?? 2_500);
const NAMES = COLUMNS.map(([name]) => name);

const columnsOf = (filter: RecordFilter | null): readonly string[] =>
  filter === null ? [] : 'args' in filter ? filter.args.flatMap(columnsOf) : [filter.property];

interface World {
  readonly rows: readonly HubRecord[];
  readonly other: readonly HubRecord[];
  readonly rule: RecordFilter | null;
  readonly hidden: ReadonlySet<string>;
  readonly masks: ReadonlyMap<string, Mask>;
}

const shows = (rule: RecordFilter | null, row: HubRecord): boolean =>
  rule === null || referenceTruth(rule, row) === true;

/** Another value behind the same mask. */
function disguise(value: RecordValue, { method, parameter }: Mask, noise: number): RecordValue {
  if (value === null) return method === 'NULL' ? noise : null;
  if (method === 'NULL') return noise % 2 === 0 ? null : value;
  if (method === 'PREFIX' && typeof value === 'string') {
    const start = Array.from(value).slice(0, parameter ?? 0);
    return start.length < (parameter ?? 0) ? value : `${start.join('')}${noise}`;
  }
  if (method === 'YEAR' && typeof value === 'string') return `${value.slice(0, 4)}-0${1 + (noise % 9)}-11`;
  if (method === 'ROUND' && typeof value === 'number' && Number.isSafeInteger(value) && value % 10 === 0)
    return value + (noise % 9) - 4;
  return value;
}

const worldArb: fc.Arbitrary<World> = fc
  .record({
    rows: rowsArb,
    strangers: rowsArb,
    rule: filterArb,
    hidden: fc.subarray(NAMES, { maxLength: 3 }),
    masked: fc.subarray<[string, Mask['method'], number | null]>([
      ['s', 'PREFIX', 1],
      ['n', 'NULL', null],
      ['i', 'ROUND', 10],
      ['d', 'YEAR', null],
      ['j', 'NULL', null],
    ]),
    noise: fc.array(fc.nat({ max: 999 }), { minLength: 40, maxLength: 40 }),
  })
  .map(({ rows, strangers, rule, hidden, masked, noise }) => {
    const ruled = new Set(columnsOf(rule));
    // What the rule looks at stays, or other rows would be there.
    const masks = new Map(
      masked.flatMap(([property, method, parameter]) =>
        ruled.has(property) ? [] : [[property, { property, method, parameter }] as const],
      ),
    );
    const free = hidden.filter((name) => !ruled.has(name));
    const changed = rows.flatMap((row, index): readonly HubRecord[] => {
      const dice = noise[index % noise.length]!;
      // A row that is not there goes away, or becomes another that is not there.
      if (!shows(rule, row)) return dice % 2 === 0 ? [] : [row];
      const values: Record<string, RecordValue> = { ...row.values };
      for (const name of free) values[name] = rows[dice % rows.length]?.values[name] ?? null;
      for (const [name, mask] of masks) values[name] = disguise(values[name] ?? null, mask, dice);
      return [{ id: row.id, values }];
    });
    const added = strangers
      .filter((row) => !shows(rule, row))
      .map(({ values }, index) => ({ id: `added ${index}`, values }));
    const other = changed.flatMap((row, index) => (added[index] === undefined ? [row] : [added[index], row]));
    return { rows, other, rule, hidden: new Set(hidden), masks };
  });

interface Question {
  readonly filter: RecordFilter | null;
  readonly sort: readonly { readonly property: string; readonly direction: 'ASC' | 'DESC' }[];
  readonly properties: readonly string[] | null;
  readonly pace: readonly { readonly first: number }[];
  readonly groupBy: readonly string[];
}

const toText = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part));

/** Everything the door says, as one text. */
async function hear(
  rows: readonly HubRecord[],
  world: World,
  question: Question,
  can: Parameters<typeof createFakeSource>[1],
  seed: number,
): Promise<string> {
  const source = withAggregates(createFakeSource(rows, can, {}, seed), rows, { groups: ['s', 'i', 'b', 'd'], measures: ['i', 'b'], window: 1_000 }); // prettier-ignore
  const view: AccessView = {
    fingerprint: 'f',
    agreement: 'dsa-1',
    properties: null,
    hidden: world.hidden,
    masks: world.masks,
    rows: world.rule === null ? null : toFilterInput(world.rule),
    key: Buffer.alloc(32, 9),
    maxRecords: null,
    release: () => Promise.resolve(),
  };
  const door = createRecordDoor({ scanRecords: 1_000, maxFirst: 1_000, onCapabilityLost: () => {} });
  const base = {
    adapter: source.adapter,
    dataset: source.dataset,
    filter: question.filter === null ? null : toFilterInput(question.filter),
    cql: null,
    view,
  };
  const said: unknown[] = [];
  const listen = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      said.push(await work());
    } catch (error) {
      if (!isHubError(error)) throw error;
      said.push([error.code, error.message, error.facts]);
    }
  };
  let after: string | null = null;
  for (let step = 0; step < 60; step++) {
    const before = said.length;
    let next: string | null = null;
    await listen(async () => {
      const page = await door.query(
        { ...base, properties: question.properties, sortBy: question.sort, first: question.pace[step % question.pace.length]!.first, after }, // prettier-ignore
        createCall(),
      );
      next = page.hasNextPage ? page.endCursor : null;
      return { ...page, records: page.records.map(({ record, geometry, cursor }) => [record, geometry, cursor]) };
    });
    if (next === null || said.length === before) break;
    after = next;
  }
  await listen(async () => {
    const opened = await door.stream(
      { ...base, properties: question.properties, sortBy: question.sort, geometry: true, ids: false, after: null },
      createCall(),
    );
    const all: HubRecord[] = [];
    for await (const batch of opened.batches) all.push(...batch);
    // The fake portal deals unordered records anew each time.
    return [opened.columns, opened.geometryColumns, opened.isResumable, all.map(toText).toSorted()];
  });
  await listen(() =>
    door.aggregate(
      { ...base, groupBy: question.groupBy.map((property) => ({ property })), measures: [{ as: 'n', op: 'COUNT' }, { as: 'k', op: 'COUNT', property: 'b' }], sortBy: [], first: 1_000 }, // prettier-ignore
      createCall(),
    ),
  );
  return toText(said);
}

test('worlds that differ in what is not shown cannot be told apart', async ({ task }) => {
  let different = 0;
  await fc.assert(
    fc.asyncProperty(
      worldArb,
      fc.record({
        filter: filterArb,
        sort: sortArb,
        properties: propertiesArb,
        pace: paceArb,
        groupBy: fc.subarray(['s', 'i', 'b', 'd'], { maxLength: 2 }),
      }),
      capabilityArb,
      fc.boolean(),
      fc.nat(),
      async (world, question, drawn, isDigest, seed) => {
        // Where an order leaves neighbours free the fake portal deals them by lot, one lot for every row it has.
        const can = {
          ...drawn,
          sourceOrder: Array.isArray(drawn.sourceOrder) ? ('unique' as const) : drawn.sourceOrder,
          recordIds: isDigest ? { kind: 'digest' as const } : { kind: 'own' as const },
        };
        if (toText(world.rows) !== toText(world.other)) different++;
        const one = await hear(world.rows, world, question, can, seed);
        expect(await hear(world.other, world, question, can, seed)).toBe(one);
      },
    ),
    { numRuns: RUNS, seed: 20_261_203 },
  );
  expect(different).toBeGreaterThan(RUNS / 2);
  task.meta.figures = [
    {
      point: 15,
      what: 'non-interference in process: pairs of worlds told apart',
      value: `0 of ${RUNS} (${different} differ)`,
      target: '0',
      isMet: different > RUNS / 2,
    },
  ];
}, 900_000);
