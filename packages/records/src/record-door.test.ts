import { OPEN_VIEW } from '@civex/sharing';
import type { Call, RecordsFacet } from '@civex/adapter-contract';
import type { HubRecord } from '@civex/model';
import { describe, expect, test } from 'vitest';
import type { RecordDoorOptions, RecordRequest, RecordResult } from './record-door.ts';
import { createRecordDoor } from './record-door.ts';
import type { FakeCapability, FakeSource } from './test-support/fake-source.ts';
import {
  createAdapter,
  createCall,
  createDataset,
  createFakeSource,
  FULL_CAPABILITY,
  QUERYABLES,
} from './test-support/fake-source.ts';

const EMPTY = { s: null, n: null, i: null, b: null, d: null, t: null, g: null, j: null };
const rowOf = (index: number, values: HubRecord['values'] = {}): HubRecord => ({
  id: `r${index}`,
  values: { ...EMPTY, n: index, s: index % 2 === 0 ? 'even' : 'odd', ...values },
});
const ROWS = Array.from({ length: 10 }, (_, index) => rowOf(index));
const SCAN_ONLY: FakeCapability = { ...FULL_CAPABILITY, grades: {}, sourceOrder: null };

const open = (options: Partial<RecordDoorOptions> = {}) =>
  createRecordDoor({ scanRecords: 50_000, maxFirst: 1_000, onCapabilityLost: () => {}, ...options });

const ask = (
  { adapter, dataset }: Pick<FakeSource, 'adapter' | 'dataset'>,
  change: Partial<RecordRequest> = {},
): RecordRequest => ({
  adapter,
  dataset,
  filter: null,
  cql: null,
  view: OPEN_VIEW,
  properties: null,
  sortBy: [],
  first: 3,
  after: null,
  ...change,
});

const idsOf = ({ records }: RecordResult): readonly string[] => records.map(({ record }) => record.id);
const ODD = { property: 's', eq: 'odd' };

describe('a question', () => {
  const source = createFakeSource(ROWS);

  test('control: the unaltered specimen is answered', async () => {
    expect(idsOf(await open().query(ask(source), createCall()))).toEqual(['r0', 'r1', 'r2']);
  });

  test.each<[string, Partial<RecordRequest>, string, string]>([
    ['first is 0', { first: 0 }, 'INPUT_INVALID', 'first: from 1 to 1,000.'],
    ['first is above the most', { first: 1_001 }, 'INPUT_INVALID', 'first: from 1 to 1,000.'],
    ['first is no whole number', { first: 1.5 }, 'INPUT_INVALID', 'first: from 1 to 1,000.'],
    [
      'a property is unknown',
      { properties: ['n', 'S'] },
      'INPUT_INVALID',
      'properties[1]: unknown property "S": did you mean "s".',
    ],
    [
      'a property is inherited',
      { properties: ['constructor'] },
      'INPUT_INVALID',
      'properties[0]: unknown property "constructor".',
    ],
    [
      'a property is named twice',
      { properties: ['n', 's', 'n'] },
      'INPUT_INVALID',
      'properties[2]: "n" is named twice.',
    ],
    [
      'the filter names an unknown property',
      { filter: { property: 'zzzz', eq: 1 } },
      'INPUT_INVALID',
      'filter: unknown property "zzzz".',
    ],
    [
      'a sort key has no order',
      { sortBy: [{ property: 'g', direction: 'ASC' }] },
      'INPUT_INVALID',
      'sortBy[0]: property "g" is GEOMETRY and has no order.',
    ],
    ['the cursor is forged', { after: 'x' }, 'INPUT_INVALID', 'This cursor belongs to another question.'],
    [
      'the dataset has no records',
      { dataset: createDataset(null) },
      'CAPABILITY_MISSING',
      'This dataset has no queryable records.',
    ],
    [
      'the dataset has no columns',
      { dataset: createDataset([]) },
      'CAPABILITY_MISSING',
      'This dataset has no queryable records.',
    ],
    [
      'the source has no records',
      { adapter: createAdapter(undefined) },
      'CAPABILITY_MISSING',
      'This dataset has no queryable records.',
    ],
  ])('is refused before the portal is asked when %s', async (_name, change, code, message) => {
    const call = createCall();
    await expect(open().query(ask(source, change), call)).rejects.toMatchObject({ code, message });
    expect(call.trace.requests).toBe(0);
  });
});

describe('a filter in CQL2 text', () => {
  test('asks what the same filter asks in the words of GraphQL', async () => {
    const source = createFakeSource(ROWS);
    const result = await open().query(ask(source, { cql: "s = 'odd'" }), createCall());
    expect(idsOf(result)).toEqual(['r1', 'r3', 'r5']);
    const continued = await open().query(ask(source, { filter: ODD, after: result.endCursor }), createCall());
    expect(idsOf(continued)).toEqual(['r7', 'r9']);
  });

  test('narrows a filter that is given beside it', async () => {
    const source = createFakeSource(ROWS);
    const result = await open().query(ask(source, { filter: ODD, cql: 'n > 4 OR n < 2' }), createCall());
    expect(idsOf(result)).toEqual(['r1', 'r5', 'r7']);
    expect(result.plan.pushed).toMatchObject({ op: 'and', args: [{ op: '=' }, { op: 'or' }] });
  });

  test('that is empty is refused, not ignored', async () => {
    const source = createFakeSource(ROWS);
    await expect(open().query(ask(source, { cql: '' }), createCall())).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });
});

describe('columns of an undescribed dataset', () => {
  const undescribed = { ...createDataset(null), recordsState: 'undescribed' as const };
  const describing = (columns: typeof QUERYABLES | null) => {
    const { adapter } = createFakeSource(ROWS);
    const seen: unknown[] = [];
    const facet: RecordsFacet = {
      ...adapter.records!,
      describe: async () => columns,
      capability(dataset) {
        seen.push(dataset.recordsState, dataset.queryables);
        return adapter.records!.capability(dataset);
      },
    };
    return { adapter: createAdapter(facet), seen };
  };

  test('are asked of the source, which then sees a described dataset', async () => {
    const { adapter, seen } = describing(QUERYABLES);
    expect(idsOf(await open().query(ask({ adapter, dataset: undescribed }), createCall()))).toEqual(['r0', 'r1', 'r2']);
    expect(seen.slice(0, 2)).toEqual(['described', QUERYABLES]);
  });

  test('may turn out not to exist', async () => {
    const { adapter } = describing(null);
    await expect(open().query(ask({ adapter, dataset: undescribed }), createCall())).rejects.toMatchObject({
      code: 'CAPABILITY_MISSING',
      facts: { source: 'fake', datasetId: 'fake:rows' },
    });
  });
});

describe('a window', () => {
  test('costs one request when page and one record more fit an answer', async () => {
    const source = createFakeSource(ROWS);
    const result = await open().query(ask(source), createCall());
    expect(result).toMatchObject({
      hasNextPage: true,
      totalCount: 10,
      totalIsExact: false,
      plan: { pushed: null, residual: null, requests: 1, scannedRecords: 4, portalQuery: ['window 0 4'] },
    });
    expect(result.endCursor).toBe(result.records[2]?.cursor);
  });

  test('reads the record before the page again and costs no second request', async () => {
    const source = createFakeSource(ROWS);
    const { endCursor } = await open().query(ask(source), createCall());
    const result = await open().query(ask(source, { after: endCursor, first: 20 }), createCall());
    expect(idsOf(result)).toEqual(['r3', 'r4', 'r5', 'r6', 'r7', 'r8', 'r9']);
    expect(result).toMatchObject({ hasNextPage: false, totalCount: 10, totalIsExact: true });
    expect(result.plan.portalQuery).toEqual(['window 2 22']);
  });

  test('asks on until nothing comes when the source states no total', async () => {
    const source = createFakeSource(ROWS, { ...FULL_CAPABILITY, statesTotal: false, silentCap: 4 });
    const result = await open().query(ask(source, { first: 50 }), createCall());
    expect(idsOf(result)).toHaveLength(10);
    expect(result).toMatchObject({ hasNextPage: false, totalCount: 10, totalIsExact: true });
  });

  test('of single rows is read to its end although the overlap hides them', async () => {
    const source = createFakeSource(ROWS, { ...FULL_CAPABILITY, statesTotal: false, silentCap: 1 });
    expect(idsOf(await open().query(ask(source, { first: 50 }), createCall()))).toHaveLength(10);
  });

  test.each([
    ['answers with nothing', FULL_CAPABILITY, { emptyFrom: 0 }],
    ['states one record more than there are', FULL_CAPABILITY, { total: 11 }],
  ])('of a source that %s before its total is an error', async (_name, can, lies) => {
    const source = createFakeSource(ROWS, can, lies);
    await expect(open().query(ask(source, { first: 50 }), createCall())).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
      message: 'The source ended its records before the number it states.',
    });
  });

  test('with more records than were asked for is an error', async () => {
    const source = createFakeSource(ROWS, FULL_CAPABILITY, { ignoresLimit: true });
    await expect(open().query(ask(source), createCall())).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
      message: 'The source returned more records than were asked for.',
    });
  });

  test('with a total below what was seen states none', async () => {
    const source = createFakeSource(ROWS, FULL_CAPABILITY, { total: 2 });
    expect(await open().query(ask(source), createCall())).toMatchObject({
      hasNextPage: true,
      totalCount: null,
      totalIsExact: false,
    });
  });

  test('whose data moved under the cursor is refused', async () => {
    const { endCursor } = await open().query(ask(createFakeSource(ROWS)), createCall());
    const moved = createFakeSource([rowOf(99), ...ROWS]);
    await expect(open().query(ask(moved, { after: endCursor }), createCall())).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: 'The data changed while it was being paged; start again without `after`.',
    });
  });

  test('ends with a next page where the source lets nothing more through, and the next page is refused', async () => {
    const source = createFakeSource(ROWS, { ...FULL_CAPABILITY, maxWindow: 6, scanOrder: 'none' });
    const first = await open().query(ask(source, { first: 4 }), createCall());
    const second = await open().query(ask(source, { first: 4, after: first.endCursor }), createCall());
    expect(idsOf(second)).toEqual(['r4', 'r5']);
    expect(second.hasNextPage).toBe(true);
    await expect(open().query(ask(source, { first: 4, after: second.endCursor }), createCall())).rejects.toMatchObject({
      code: 'INPUT_TOO_COSTLY',
    });
  });
});

describe('a page beyond what the source lets through in windows', () => {
  const beyond = (scanOrder: FakeCapability['scanOrder']): FakeCapability => ({
    ...FULL_CAPABILITY,
    maxWindow: 4,
    scanOrder,
    scanPage: 1,
  });
  const toEnd = async (source: FakeSource, change: Partial<RecordRequest> = {}): Promise<readonly RecordResult[]> => {
    const pages: RecordResult[] = [];
    let after: string | null = null;
    do {
      const page = await open().query(ask(source, { first: 3, ...change, after }), createCall());
      pages.push(page);
      after = page.hasNextPage ? page.endCursor : null;
    } while (after !== null);
    return pages;
  };

  test.each(['ordered', 'resumable'] as const)(
    'is read from the whole order, %s, and stops the source',
    async (order) => {
      const source = createFakeSource(ROWS, beyond(order));
      const pages = await toEnd(source);
      expect(pages.flatMap(idsOf)).toEqual(ROWS.map(({ id }) => id));
      // A page and one record more, from record 3, 6 and 9 on; and all before it where it was not sought.
      expect(source.served.scan).toBe(order === 'ordered' ? 7 + 10 + 10 : 4 + 4 + 1);
    },
  );

  test('is in the order that was asked, equal keys included', async () => {
    const source = createFakeSource(ROWS, beyond('ordered'));
    const pages = await toEnd(source, { sortBy: [{ property: 's', direction: 'DESC' }] });
    expect(pages.flatMap(idsOf)).toEqual(['r1', 'r3', 'r5', 'r7', 'r9', 'r0', 'r2', 'r4', 'r6', 'r8']);
  });

  test('states an exact total at the end when the way there was read, and the source’s own when it was sought', async () => {
    const [read, sought] = await Promise.all(
      (['ordered', 'resumable'] as const).map((order) => toEnd(createFakeSource(ROWS, beyond(order)))),
    );
    expect(read!.at(-1)).toMatchObject({ totalCount: 10, totalIsExact: true, hasNextPage: false });
    expect(sought!.at(-1)).toMatchObject({ totalCount: 10, totalIsExact: false, hasNextPage: false });
  });

  test('is refused when the record before it is gone', async () => {
    const first = await open().query(ask(createFakeSource(ROWS, beyond('ordered')), { first: 3 }), createCall());
    const shorter = createFakeSource(ROWS.slice(1), beyond('ordered'));
    await expect(open().query(ask(shorter, { first: 3, after: first.endCursor }), createCall())).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
  });

  test('is refused behind more records than may be passed over', async () => {
    const source = createFakeSource(ROWS, beyond('ordered'));
    const first = await open().query(ask(source, { first: 3 }), createCall());
    const second = await open().query(ask(source, { first: 3, after: first.endCursor }), createCall());
    // Ten times `scanRecords` may be passed over, and five lie before the record that is read again.
    await expect(
      open({ scanRecords: 0.4 }).query(ask(source, { first: 3, after: second.endCursor }), createCall()),
    ).rejects.toMatchObject({ code: 'INPUT_TOO_COSTLY' });
  });
});

describe('an order of the source that is not unique', () => {
  const tied = (property: string): FakeCapability => ({ ...FULL_CAPABILITY, sourceOrder: [property] });

  test('is used where page boundaries fall between records it tells apart', async () => {
    const source = createFakeSource(ROWS, tied('n'));
    expect(idsOf(await open().query(ask(source), createCall()))).toEqual(['r0', 'r1', 'r2']);
    expect(source.served.scan).toBe(0);
  });

  test('gives way to a scan by record id where a boundary falls between equal records', async () => {
    const source = createFakeSource(ROWS.toReversed(), tied('s'));
    expect(idsOf(await open().query(ask(source), createCall()))).toEqual(['r0', 'r1', 'r2']);
    expect(source.served.scan).toBe(10);
  });

  test('shortens the page instead when a scan would cost too much', async () => {
    const source = createFakeSource(ROWS, tied('s'));
    const first = await open({ scanRecords: 9 }).query(ask(source, { first: 7 }), createCall());
    expect(new Set(idsOf(first))).toEqual(new Set(['r0', 'r2', 'r4', 'r6', 'r8']));
    expect(first.hasNextPage).toBe(true);
    const rest = await open({ scanRecords: 9 }).query(ask(source, { first: 7, after: first.endCursor }), createCall());
    expect(new Set(idsOf(rest))).toEqual(new Set(['r1', 'r3', 'r5', 'r7', 'r9']));
    expect(rest.hasNextPage).toBe(false);
  });
});

describe('a scan', () => {
  test('counts exactly, orders by record id, and is continued by keys', async () => {
    const source = createFakeSource(ROWS.toReversed(), SCAN_ONLY);
    const first = await open().query(ask(source, { filter: ODD }), createCall());
    expect(idsOf(first)).toEqual(['r1', 'r3', 'r5']);
    expect(first).toMatchObject({ hasNextPage: true, totalCount: 5, totalIsExact: true });
    expect(first.plan).toMatchObject({
      pushed: null,
      residual: { op: '=', args: [{ property: 's' }, 'odd'] },
      scannedRecords: 10,
    });
    const grown = createFakeSource([...ROWS.slice(2), rowOf(55), rowOf(0)], SCAN_ONLY);
    const rest = await open().query(ask(grown, { filter: ODD, after: first.endCursor }), createCall());
    expect(idsOf(rest)).toEqual(['r55', 'r7', 'r9']);
  });

  test('cuts what it keeps and still returns the least records of many', async () => {
    const many = Array.from({ length: 5_000 }, (_, index) => rowOf((index * 7_919) % 5_000));
    const source = createFakeSource(many, SCAN_ONLY);
    const sortBy = [{ property: 'n', direction: 'ASC' }] as const;
    const first = await open().query(ask(source, { sortBy, first: 100 }), createCall());
    const second = await open().query(ask(source, { sortBy, first: 100, after: first.endCursor }), createCall());
    expect([...idsOf(first), ...idsOf(second)]).toEqual(Array.from({ length: 200 }, (_, index) => `r${index}`));
    expect(second).toMatchObject({ hasNextPage: true, totalCount: 5_000 });
  });

  test('knows of a next page when the least records come first', async () => {
    const source = createFakeSource(ROWS, SCAN_ONLY);
    const facet: RecordsFacet = {
      ...source.adapter.records!,
      async *scan() {
        yield Array.from({ length: 3_000 }, (_, index) => rowOf(10_000 + index));
      },
    };
    const result = await open().query(ask({ adapter: createAdapter(facet), dataset: source.dataset }), createCall());
    expect(idsOf(result)).toEqual(['r10000', 'r10001', 'r10002']);
    expect(result).toMatchObject({ hasNextPage: true, totalCount: 3_000 });
  });

  test('reads as many records as allowed', async () => {
    const source = createFakeSource(ROWS, SCAN_ONLY);
    expect(await open({ scanRecords: 10 }).query(ask(source, { filter: ODD }), createCall())).toMatchObject({
      totalCount: 5,
    });
  });

  test('is refused when it needs one record more', async () => {
    const source = createFakeSource(ROWS, SCAN_ONLY);
    await expect(open({ scanRecords: 9 }).query(ask(source, { filter: ODD }), createCall())).rejects.toMatchObject({
      code: 'INPUT_TOO_COSTLY',
      message:
        'This question needs more than 9 records of one dataset read by the hub: add a condition the source can decide (see queryables.pushdown).',
    });
  });

  test('says so when leaving out the order would spare it', async () => {
    const source = createFakeSource(ROWS, { ...FULL_CAPABILITY, sortable: [] });
    const sortBy = [{ property: 'n', direction: 'ASC' }] as const;
    await expect(open({ scanRecords: 9 }).query(ask(source, { sortBy }), createCall())).rejects.toThrow(
      'or leave out sortBy',
    );
  });

  test('drops a record that comes again, says so, and does not call its total exact', async () => {
    const source = createFakeSource([...ROWS, rowOf(3)], SCAN_ONLY);
    const page = await open().query(ask(source, { first: 50 }), createCall());
    expect(idsOf(page)).toEqual(ROWS.map(({ id }) => id));
    expect(page).toMatchObject({ duplicates: 1, totalCount: 10, totalIsExact: false });
  });

  test('of distinct records has no duplicates', async () => {
    const page = await open().query(ask(createFakeSource(ROWS, SCAN_ONLY), { first: 50 }), createCall());
    expect(page).toMatchObject({ duplicates: 0, totalCount: 10, totalIsExact: true });
  });

  test('continues behind a record whose sort value is too long for a cursor', async () => {
    const rows = ROWS.map((_row, index) => rowOf(index, { s: `${'語'.repeat(5_000)}${9 - index}` }));
    const source = createFakeSource(rows, SCAN_ONLY);
    const sortBy = [{ property: 's', direction: 'ASC' }] as const;
    const first = await open().query(ask(source, { sortBy }), createCall());
    const second = await open().query(ask(source, { sortBy, after: first.endCursor }), createCall());
    expect([...idsOf(first), ...idsOf(second)]).toEqual(['r9', 'r8', 'r7', 'r6', 'r5', 'r4']);
    const gone = createFakeSource(
      rows.filter(({ id }) => id !== 'r7'),
      SCAN_ONLY,
    );
    await expect(open().query(ask(gone, { sortBy, after: first.endCursor }), createCall())).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
  });

  test('stops the source when it has failed', async () => {
    let isClosed = false;
    const source = createFakeSource(ROWS, SCAN_ONLY);
    const facet: RecordsFacet = {
      ...source.adapter.records!,
      async *scan() {
        try {
          for (;;) yield ROWS;
        } finally {
          isClosed = true;
        }
      },
    };
    await expect(
      open().query(ask({ adapter: createAdapter(facet), dataset: source.dataset }), createCall()),
    ).rejects.toMatchObject({ code: 'INPUT_TOO_COSTLY' });
    expect(isClosed).toBe(true);
  });
});

describe('a source caught', () => {
  test('returning what it was not asked for loses the operator, once, and the answer is right', async () => {
    const lost: (readonly string[])[] = [];
    const door = open({ onCapabilityLost: (...what) => lost.push(what) });
    const source = createFakeSource(ROWS, FULL_CAPABILITY, { ignores: '=' });
    const question = ask(source, { filter: { and: [ODD, { property: 'n', gt: 2 }] }, first: 50 });
    const result = await door.query(question, createCall());
    expect(idsOf(result)).toEqual(['r3', 'r5', 'r7', 'r9']);
    expect(result.plan).toMatchObject({ pushed: { op: '>' }, residual: { op: '=' } });
    expect(lost).toEqual([['fake', 'fake:rows', '=']]);
    const again = await door.query(question, createCall());
    expect(idsOf(again)).toEqual(['r3', 'r5', 'r7', 'r9']);
    expect(again.plan.scannedRecords).toBe(7);
    expect(lost).toHaveLength(1);
  });

  test('during a scan loses the operator and is read again without it', async () => {
    const lost: string[] = [];
    const door = open({ onCapabilityLost: (_source, _dataset, op) => lost.push(op) });
    const source = createFakeSource(ROWS, { ...FULL_CAPABILITY, sourceOrder: null }, { ignores: '=' });
    const result = await door.query(ask(source, { filter: ODD }), createCall());
    expect(idsOf(result)).toEqual(['r1', 'r3', 'r5']);
    expect(result.plan).toMatchObject({ pushed: null, residual: { op: '=' }, scannedRecords: 20 });
    expect(lost).toEqual(['=']);
  });

  test('sorting wrongly loses sort only', async () => {
    const lost: string[] = [];
    const door = open({ onCapabilityLost: (_source, _dataset, op) => lost.push(op) });
    const source = createFakeSource(ROWS, FULL_CAPABILITY, { order: 'reversed' });
    const result = await door.query(
      ask(source, { filter: ODD, sortBy: [{ property: 'n', direction: 'ASC' }] }),
      createCall(),
    );
    expect(idsOf(result)).toEqual(['r1', 'r3', 'r5']);
    expect(result.plan).toMatchObject({ pushed: { op: '=' }, residual: null });
    expect(lost).toEqual(['sort']);
  });

  test('with extra rows where it promised no less is not blamed', async () => {
    const lost: string[] = [];
    const door = open({ onCapabilityLost: (_source, _dataset, op) => lost.push(op) });
    const grades = { ...FULL_CAPABILITY.grades, '=': 'inexact' } as const;
    const source = createFakeSource(ROWS, { ...FULL_CAPABILITY, grades }, { ignores: '=' });
    const filter = { or: [{ and: [ODD, { property: 'n', gt: 2 }] }, { property: 'n', lt: 1 }] };
    expect(idsOf(await door.query(ask(source, { filter, first: 50 }), createCall()))).toEqual([
      'r0',
      'r3',
      'r5',
      'r7',
      'r9',
    ]);
    expect(lost).toEqual([]);
  });

  test('refuses the cursor of a window that relied on it', async () => {
    const door = open();
    const question = { filter: ODD, first: 2 };
    const { endCursor } = await door.query(ask(createFakeSource(ROWS), question), createCall());
    const lying = createFakeSource(ROWS, FULL_CAPABILITY, { ignores: '=' });
    await expect(door.query(ask(lying, { ...question, after: endCursor }), createCall())).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: 'The order this cursor belongs to is gone; start again without `after`.',
    });
  });
});

describe('a cursor', () => {
  test.each<[string, Partial<RecordRequest>]>([
    ['another filter', { filter: { property: 's', eq: 'even' } }],
    ['no filter', { filter: null }],
    ['another order', { sortBy: [{ property: 'n', direction: 'DESC' }] }],
    ['another dataset', { dataset: { ...createDataset(QUERYABLES), id: 'fake:else' as never } }],
  ])('does not fit a question with %s', async (_name, change) => {
    const source = createFakeSource(ROWS);
    const specimen = { filter: ODD, sortBy: [{ property: 'n', direction: 'ASC' }] } as const;
    const { endCursor } = await open().query(ask(source, specimen), createCall());
    const control = await open().query(ask(source, { ...specimen, after: endCursor }), createCall());
    expect(idsOf(control)).toEqual(['r7', 'r9']);
    await expect(
      open().query(ask(source, { ...specimen, after: endCursor, ...change }), createCall()),
    ).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: 'This cursor belongs to another question.',
    });
  });

  test('fits the same question with other properties and another page size', async () => {
    const source = createFakeSource(ROWS);
    const { endCursor } = await open().query(ask(source), createCall());
    const result = await open().query(ask(source, { after: endCursor, properties: ['n'], first: 1 }), createCall());
    expect(idsOf(result)).toEqual(['r3']);
  });

  test('leaves and enters through the seal', async () => {
    const source = createFakeSource(ROWS);
    const cursorSeal = {
      seal: (plain: string) => `sealed${Buffer.from(plain).toString('hex')}`,
      unseal: (cursor: string) => (cursor.startsWith('sealed') ? Buffer.from(cursor.slice(6), 'hex').toString() : null),
    };
    const door = open({ cursorSeal });
    const { endCursor } = await door.query(ask(source), createCall());
    expect(endCursor).toMatch(/^sealed/);
    expect(idsOf(await door.query(ask(source, { after: endCursor }), createCall()))).toEqual(['r3', 'r4', 'r5']);
    const plain = (await open().query(ask(source), createCall())).endCursor;
    await expect(door.query(ask(source, { after: plain }), createCall())).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
  });
});

describe('a record', () => {
  const rich = rowOf(1, {
    i: 9_007_199_254_740_993n,
    j: { list: [1n, { deep: 2n }], __proto__x: null, ['__proto__']: 'own' },
    g: { type: 'Point', coordinates: [1, 2] },
  });

  test('holds the asked values in the order of the columns, big integers as text at any depth', async () => {
    const result = await open().query(ask(createFakeSource([rich]), { properties: ['j', 'i'] }), createCall());
    const [entry] = result.records;
    expect(JSON.stringify(entry?.record.values)).toBe(
      '{"i":"9007199254740993","j":{"list":["1",{"deep":"2"}],"__proto__x":null,"__proto__":"own"}}',
    );
    expect(entry?.geometry).toEqual({ type: 'Point', coordinates: [1, 2] });
  });

  test('has no geometry where the source has none', async () => {
    const result = await open().query(ask(createFakeSource([rowOf(1)])), createCall());
    expect(result.records[0]?.geometry).toBeNull();
  });

  test('with a value nested without end is an error, not a crash', async () => {
    let nested: HubRecord['values'][string] = null;
    for (let level = 0; level < 100_000; level++) nested = [nested];
    await expect(open().query(ask(createFakeSource([rowOf(1, { j: nested })])), createCall())).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
    });
  });
});

describe('an aborted call', () => {
  const reason = new Error('nobody waits');
  const aborting = (source: FakeSource, onRead: () => void): RecordsFacet => {
    const inner = source.adapter.records!;
    return {
      ...inner,
      async fetchWindow(dataset, fetch, call) {
        const batch = await inner.fetchWindow(dataset, fetch, call);
        onRead();
        return batch;
      },
      async *scan(dataset, filter) {
        // Deaf to the signal on purpose: the door must not rely on the adapter.
        for await (const batch of inner.scan(dataset, filter, createCall())) {
          onRead();
          yield batch;
        }
      },
    };
  };

  test('asks nothing', async () => {
    const source = createFakeSource(ROWS);
    const call: Call = createCall(AbortSignal.abort(reason));
    await expect(open().query(ask(source), call)).rejects.toBe(reason);
    expect(source.served.requests).toBe(0);
  });

  test.each([
    ['windows', { ...FULL_CAPABILITY, maxPageSize: 2 }],
    ['batches of a scan', { ...SCAN_ONLY, scanPage: 2 }],
  ])('stops between %s', async (_name, can) => {
    const source = createFakeSource(ROWS, can);
    const controller = new AbortController();
    const facet = aborting(source, () => controller.abort(reason));
    await expect(
      open().query(
        ask({ adapter: createAdapter(facet), dataset: source.dataset }, { first: 9 }),
        createCall(controller.signal),
      ),
    ).rejects.toBe(reason);
    expect(source.served.requests).toBe(1);
  });
});
