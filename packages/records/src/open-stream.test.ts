import { OPEN_VIEW } from '@civex/sharing';
import type { RecordsFacet } from '@civex/adapter-contract';
import type { HubRecord } from '@civex/model';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RecordStream, StreamRequest } from './open-stream.ts';
import { createRecordDoor } from './record-door.ts';
import { capabilityArb, filterArb, rowsArb, sortArb } from './test-support/arbitraries.ts';
import type { FakeCapability, FakeSource } from './test-support/fake-source.ts';
import { COLUMNS, createAdapter, createCall, createFakeSource, FULL_CAPABILITY } from './test-support/fake-source.ts';
import { referenceIdOrder, referenceKeyOrder, referenceTruth, toFilterInput } from './test-support/reference.ts';

const EMPTY = { s: null, n: null, i: null, b: null, d: null, t: null, g: null, j: null };
const ROWS: readonly HubRecord[] = Array.from({ length: 10 }, (_, index) => ({
  id: `r${index}`,
  values: { ...EMPTY, n: index, s: index % 2 === 0 ? 'even' : 'odd' },
}));

const lost: string[] = [];
const open = (
  source: Pick<FakeSource, 'adapter' | 'dataset'>,
  change: Partial<StreamRequest> = {},
  scanRecords = 1_000,
) =>
  createRecordDoor({ scanRecords, maxFirst: 1_000, onCapabilityLost: (_s, _d, op) => lost.push(op) }).stream(
    {
      ...source,
      filter: null,
      cql: null,
      view: OPEN_VIEW,
      properties: null,
      sortBy: [],
      geometry: false,
      ids: false,
      after: null,
      ...change,
    },
    createCall(),
  );

async function readAll(stream: RecordStream): Promise<readonly HubRecord[]> {
  const all: HubRecord[] = [];
  for await (const batch of stream.batches) all.push(...batch);
  return all;
}
const ids = (records: readonly HubRecord[]): readonly string[] => records.map(({ id }) => id);

describe('a stream', () => {
  test('holds the same records as the truth, whatever the source can do, in the order that was asked', async () => {
    const seen = { pushed: 0, hub: 0, free: 0, some: 0 };
    await fc.assert(
      fc.asyncProperty(
        rowsArb,
        filterArb,
        sortArb,
        capabilityArb,
        fc.nat(),
        async (rows, filter, sortBy, can, seed) => {
          const source = createFakeSource(rows, can, {}, seed);
          const stream = await open(source, { filter: filter === null ? null : toFilterInput(filter), sortBy });
          const got = await readAll(stream);
          const sort = sortBy.map(({ property, direction }) => ({
            property,
            direction,
            type: COLUMNS.find(([name]) => name === property)![1],
          }));
          const matching = rows.filter((row) => filter === null || referenceTruth(filter, row) === true);
          const key = ({ values }: HubRecord): string =>
            JSON.stringify(values, (_name, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part));
          expect(got.map(key).toSorted()).toEqual(matching.map(key).toSorted());
          for (const [index, record] of got.slice(1).entries())
            expect(referenceKeyOrder(sort, got[index]!, record)).toBeLessThanOrEqual(0);
          if (sort.length > 0 && ids(got).every((id) => id !== '') && can.scanOrder === 'none')
            expect(ids(got)).toEqual(
              ids(matching.toSorted((a, b) => referenceKeyOrder(sort, a, b) || referenceIdOrder(a, b))),
            );
          if (stream.split.pushed !== null) seen.pushed++;
          if (sort.length > 0 && can.scanOrder === 'none') seen.hub++;
          if (sort.length === 0 && !stream.isResumable) seen.free++;
          if (got.length > 0) seen.some++;
        },
      ),
      { numRuns: 2_000, seed: 20_261_125 },
    );
    expect(Math.min(seen.pushed, seen.hub, seen.free, seen.some)).toBeGreaterThan(100);
  });

  test('continues behind any of its records with just the rest', async () => {
    const source = createFakeSource(ROWS, { ...FULL_CAPABILITY, scanPage: 3 });
    const whole = await readAll(await open(source, { ids: true }));
    expect(ids(whole)).toEqual(ids(ROWS));
    for (const [index, { id }] of whole.entries())
      expect(ids(await readAll(await open(source, { ids: true, after: id })))).toEqual(ids(whole.slice(index + 1)));
  });

  test.each<[string, Partial<FakeCapability>, Partial<StreamRequest>, string]>([
    ['to carry ids that records do not have', { scanOrder: 'ordered' }, { ids: true }, 'CAPABILITY_MISSING'],
    ['to be continued without ids', { scanOrder: 'none' }, { after: 'r3' }, 'CAPABILITY_MISSING'],
    [
      'to be continued in another order',
      {},
      { after: 'r3', sortBy: [{ property: 'n', direction: 'ASC' }] },
      'INPUT_INVALID',
    ],
    ['an unknown property', {}, { properties: ['nn'] }, 'INPUT_INVALID'],
    ['an unknown order', {}, { sortBy: [{ property: 'nn', direction: 'ASC' }] }, 'INPUT_INVALID'],
  ])('is refused before anything is read when asked for %s', async (_name, can, change, code) => {
    const source = createFakeSource(ROWS, { ...FULL_CAPABILITY, ...can });
    await expect(open(source, change)).rejects.toMatchObject({ code });
    expect(source.served.requests).toBe(0);
  });

  test('that the hub has to sort is refused beyond what it may hold', async () => {
    const source = createFakeSource(ROWS, { ...FULL_CAPABILITY, scanOrder: 'none' });
    await expect(open(source, { sortBy: [{ property: 'n', direction: 'ASC' }] }, 9)).rejects.toMatchObject({
      code: 'INPUT_TOO_COSTLY',
    });
  });

  test('begins again without a filter the source does not decide, when the first batch shows it', async () => {
    const source = createFakeSource(ROWS, FULL_CAPABILITY, { ignores: '=' });
    const stream = await open(source, { filter: { property: 's', eq: 'odd' } });
    expect(ids(await readAll(stream))).toEqual(['r1', 'r3', 'r5', 'r7', 'r9']);
    expect(stream.split.pushed).toBeNull();
  });

  test('fails, and does not end, when a later batch shows it', async () => {
    const source = createFakeSource(ROWS, { ...FULL_CAPABILITY, scanPage: 1 });
    const facet: RecordsFacet = {
      ...source.adapter.records!,
      async *scan() {
        for (const index of [1, 3, 4]) yield [ROWS[index]!];
      },
    };
    const stream = await open(
      { adapter: createAdapter(facet), dataset: source.dataset },
      { filter: { property: 's', eq: 'odd' } },
    );
    const got: HubRecord[] = [];
    const reading = (async () => {
      for await (const batch of stream.batches) got.push(...batch);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
    expect(ids(got)).toEqual(['r1', 'r3']);
    expect(lost).toContain('=');
  });

  test('fails when the source leaves the order that was asked', async () => {
    const source = createFakeSource(ROWS, { ...FULL_CAPABILITY, scanPage: 4 }, { order: 'reversed' });
    const stream = open(source, { sortBy: [{ property: 'n', direction: 'ASC' }] });
    // The first batch shows it already, so the hub sorts.
    expect(ids(await readAll(await stream))).toEqual(ids(ROWS));
  });

  test('fails when the source hands out one record twice in succession', async () => {
    const source = createFakeSource(ROWS);
    const facet: RecordsFacet = {
      ...source.adapter.records!,
      async *scan() {
        yield [ROWS[0]!, ROWS[1]!];
        yield [ROWS[1]!, ROWS[2]!];
      },
    };
    const stream = await open({ adapter: createAdapter(facet), dataset: source.dataset });
    await expect(readAll(stream)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
  });

  test('stops the source when its reader stops', async () => {
    let isClosed = false;
    const source = createFakeSource(ROWS);
    const facet: RecordsFacet = {
      ...source.adapter.records!,
      async *scan() {
        try {
          for (let index = 0; ; index++) yield [{ ...ROWS[0]!, id: `x${index}` }];
        } finally {
          isClosed = true;
        }
      },
    };
    const stream = await open({ adapter: createAdapter(facet), dataset: source.dataset });
    for await (const batch of stream.batches) if (batch[0]?.id === 'x3') break;
    expect(isClosed).toBe(true);
  });
});
