import { OPEN_VIEW } from '@civex/sharing';
import { isHubError } from '@civex/errors';
import type { HubError } from '@civex/errors';
import type { HubRecord } from '@civex/model';
import type { RecordFilter, SortInput, SortKey } from '@civex/query';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RecordResult } from './record-door.ts';
import { createRecordDoor } from './record-door.ts';
import {
  capabilityArb,
  filterArb,
  liesArb,
  paceArb,
  propertiesArb,
  rowsArb,
  sortArb,
} from './test-support/arbitraries.ts';
import type { FakeSource } from './test-support/fake-source.ts';
import { COLUMNS, createCall, createFakeSource } from './test-support/fake-source.ts';
import { referenceIdOrder, referenceKeyOrder, referenceTruth, toFilterInput } from './test-support/reference.ts';

interface Question {
  readonly filter: RecordFilter | null;
  readonly sort: readonly SortInput[];
  readonly properties: readonly string[] | null;
  readonly pace: readonly { readonly first: number; readonly used: number }[];
}

interface Walk {
  readonly ids: readonly string[];
  readonly pages: readonly RecordResult[];
  /** Why the chain of pages stopped before its end. */
  readonly refusal: HubError | null;
  readonly mode: 'w' | 's' | null;
  /** True when the last cursor followed stood inside a page. */
  readonly isFromMiddle: boolean;
}

const modeOf = ({ records }: RecordResult): 'w' | 's' | null => {
  const [entry] = records;
  return entry === undefined ? null : JSON.parse(Buffer.from(entry.cursor, 'base64url').toString()).m;
};

/** Follows cursors to the end, sometimes from the middle of a page. */
async function walk({ adapter, dataset }: FakeSource, { filter, sort, properties, pace }: Question): Promise<Walk> {
  const door = createRecordDoor({ scanRecords: 1_000, maxFirst: 1_000, onCapabilityLost: () => {} });
  const ids: string[] = [];
  const pages: RecordResult[] = [];
  let after: string | null = null;
  let mode: 'w' | 's' | null = null;
  let isFromMiddle = false;
  for (let step = 0; step < 100; step++) {
    const { first, used } = pace[step % pace.length]!;
    let page: RecordResult;
    try {
      page = await door.query(
        {
          adapter,
          dataset,
          filter: filter === null ? null : toFilterInput(filter),
          cql: null,
          view: OPEN_VIEW,
          properties,
          sortBy: sort,
          first,
          after,
        },
        createCall(),
      );
    } catch (error) {
      // Anything but a HubError is a fault of the door, or the double's complaint about over-pushing.
      if (!isHubError(error)) throw error;
      return { ids, pages, refusal: error, mode, isFromMiddle };
    }
    pages.push(page);
    expect(page.records.length).toBeLessThanOrEqual(first);
    expect(page.endCursor).toBe(page.records.at(-1)?.cursor ?? null);
    if (mode !== null && page.records.length > 0) expect(modeOf(page)).toBe(mode);
    mode ??= modeOf(page);
    const taken = page.records.slice(0, Math.max(1, Math.ceil(page.records.length * used)));
    ids.push(...taken.map(({ record }) => record.id));
    if (taken.length === page.records.length && !page.hasNextPage)
      return { ids, pages, refusal: null, mode, isFromMiddle };
    expect(page.records.length).toBeGreaterThan(0);
    after = taken.at(-1)?.cursor ?? null;
    isFromMiddle = taken.length < page.records.length;
  }
  throw new Error('the pages do not end');
}

const toKeys = (sort: readonly SortInput[]): readonly SortKey[] =>
  sort.map(({ property, direction }) => ({
    property,
    direction,
    type: COLUMNS.find(([name]) => name === property)![1],
  }));

const matching = (rows: readonly HubRecord[], filter: RecordFilter | null): readonly HubRecord[] =>
  rows.filter((row) => filter === null || referenceTruth(filter, row) === true);

/** The whole answer in the order the door's strategy promises. `rows` come in the source's own order. */
function expected(rows: readonly HubRecord[], question: Question, mode: 'w' | 's' | null): readonly HubRecord[] {
  const sort = toKeys(question.sort);
  const found = matching(rows, question.filter);
  return mode === 's'
    ? found.toSorted((a, b) => referenceKeyOrder(sort, a, b) || referenceIdOrder(a, b))
    : found.toSorted((a, b) => referenceKeyOrder(sort, a, b));
}

const questionArb: fc.Arbitrary<Question> = fc.record({
  filter: filterArb,
  sort: sortArb,
  properties: propertiesArb,
  pace: paceArb,
});

const toSafe = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? part.toString() : part)));

const RUNS = 5_000;

describe('the door', () => {
  test('gives the same answer whatever the source can do itself, and its pages never lose or repeat a record', async ({
    task,
  }) => {
    const seen = { w: 0, s: 0, paged: 0, unordered: 0, pushed: 0, residual: 0, refused: 0, beyond: 0, exact: 0 };
    await fc.assert(
      fc.asyncProperty(rowsArb, questionArb, capabilityArb, fc.nat(), async (rows, question, can, seed) => {
        const source = createFakeSource(rows, can, {}, seed);
        const { ids, pages, refusal, mode, isFromMiddle } = await walk(source, question);
        const whole = expected(rows, question, mode);
        const isFreeOrder = mode === 'w' && Array.isArray(can.sourceOrder);
        if (isFreeOrder) {
          // The source leaves equal neighbours free, so only its keys can be held against the answer.
          const order = toKeys(can.sourceOrder.map((property) => ({ property, direction: 'ASC' })));
          const byId = new Map(rows.map((row) => [row.id, row]));
          for (const [index, id] of ids.slice(1).entries())
            expect(
              referenceKeyOrder(
                order.filter(({ type }) => type !== 'GEOMETRY'),
                byId.get(ids[index]!)!,
                byId.get(id)!,
              ),
            ).toBeLessThanOrEqual(0);
          expect(new Set(ids).size).toBe(ids.length);
          if (refusal === null) expect(ids.toSorted()).toEqual(whole.map(({ id }) => id).toSorted());
        } else expect(ids).toEqual(whole.slice(0, refusal === null ? undefined : ids.length).map(({ id }) => id));

        if (refusal !== null) {
          // An honest source is refused only where it says itself that it cannot go on.
          seen.refused++;
          const isBeyond =
            refusal.code === 'INPUT_TOO_COSTLY' &&
            can.scanOrder === 'none' &&
            can.maxWindow !== null &&
            ids.length >= can.maxWindow;
          const isUnordered =
            isFreeOrder &&
            (refusal.code === 'CAPABILITY_MISSING' ||
              (isFromMiddle && refusal.message.startsWith('This cursor stands between')));
          expect(mode === 'w' && (isBeyond || isUnordered), `${refusal.code} ${refusal.message}`).toBe(true);
        }
        let scanned = 0;
        for (const page of pages) {
          scanned += page.plan.scannedRecords;
          if (page.totalIsExact) {
            expect(page.totalCount).toBe(whole.length);
            seen.exact++;
          }
          if (page.plan.pushed !== null) seen.pushed++;
          if (page.plan.residual !== null) seen.residual++;
          for (const { record } of page.records) {
            const original = rows.find(({ id }) => id === record.id)!;
            const names = COLUMNS.map(([name]) => name).filter((name) => question.properties?.includes(name) ?? true);
            expect(Object.entries(record.values)).toEqual(names.map((name) => [name, toSafe(original.values[name])]));
          }
        }
        if (refusal === null) expect(scanned).toBe(source.served.window + source.served.scan);
        if (mode !== null) seen[mode]++;
        if (mode === 'w' && can.maxWindow !== null && ids.length > can.maxWindow) seen.beyond++;
        if (pages.length > 1) seen.paged++;
        if (isFreeOrder) seen.unordered++;
      }),
      { numRuns: RUNS, seed: 20_261_123 },
    );
    // The law says nothing where it was not tried.
    expect(Math.min(seen.w, seen.s, seen.paged, seen.pushed, seen.residual)).toBeGreaterThan(300);
    expect(Math.min(seen.unordered, seen.refused)).toBeGreaterThan(30);
    expect(Math.min(seen.beyond, seen.exact), JSON.stringify(seen)).toBeGreaterThan(100);
    task.meta.figures = [
      {
        point: 3,
        what: `chains of pages equal to the whole answer, none lost or repeated (${seen.beyond} beyond a window, ${seen.exact} with a total called exact)`,
        value: RUNS,
        target: '5000',
        isMet: RUNS >= 5_000 && Math.min(seen.beyond, seen.exact) > 100,
      },
    ];
  });

  test('answers right or not at all when a portal lies', async () => {
    const seen = { right: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(
        rowsArb,
        questionArb,
        capabilityArb,
        liesArb,
        fc.nat(),
        async (rows, question, can, lies, seed) => {
          // What a source neither counts nor returns cannot be missed; and a cut answer with a false total is believed.
          const claims = {
            ...can,
            statesTotal: can.statesTotal || 'emptyFrom' in lies,
            silentCap: 'total' in lies ? null : can.silentCap,
          };
          const { ids, refusal, mode } = await walk(createFakeSource(rows, claims, lies, seed), question);
          if (refusal !== null) {
            seen.refused++;
            expect(['SOURCE_MALFORMED', 'INPUT_INVALID', 'INPUT_TOO_COSTLY', 'CAPABILITY_MISSING']).toContain(
              refusal.code,
            );
            return;
          }
          seen.right++;
          const whole = expected(rows, question, mode).map(({ id }) => id);
          if (mode === 'w' && Array.isArray(can.sourceOrder)) expect(ids.toSorted()).toEqual(whole.toSorted());
          else expect(ids).toEqual(whole);
        },
      ),
      { numRuns: 5_000, seed: 20_261_124 },
    );
    expect(Math.min(seen.right, seen.refused)).toBeGreaterThan(300);
  });
});
