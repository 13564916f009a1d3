import { OPEN_VIEW } from '@civex/sharing';
import type { HubRecord } from '@civex/model';
import type { PredicateOp } from '@civex/query';
import { describe, expect, test } from 'vitest';
import { createRecordDoor } from './record-door.ts';
import type { RecordDoor } from './record-door.ts';
import { createCall, createFakeSource, FULL_CAPABILITY } from './test-support/fake-source.ts';
import type { FakeLies } from './test-support/fake-source.ts';

const ROWS: readonly HubRecord[] = Array.from({ length: 60 }, (_, index) => ({
  id: String(index + 1),
  values: {
    s: `Text ${index % 7}`,
    n: index % 10 === 3 ? null : (index % 20) / 2,
    i: index % 9,
    b: index % 2 === 0,
    d: `2026-01-${String((index % 28) + 1).padStart(2, '0')}`,
    t: `2026-01-${String((index % 28) + 1).padStart(2, '0')}T00:00:00Z`,
    g: null,
    j: null,
  },
}));

interface Setup {
  readonly door: RecordDoor;
  readonly source: ReturnType<typeof createFakeSource>;
  readonly lost: string[];
  pass(ms: number): void;
}
function setUp(lies: FakeLies = {}, rows = ROWS, changes: Partial<typeof FULL_CAPABILITY> = {}): Setup {
  const lost: string[] = [];
  let nowMs = 1_000_000;
  const source = createFakeSource(rows, { ...FULL_CAPABILITY, ...changes }, lies);
  const door = createRecordDoor({
    scanRecords: 1_000,
    maxFirst: 1_000,
    onCapabilityLost: (_source, _dataset, op) => lost.push(op),
    probes: { now: () => nowMs, monotonicMs: () => nowMs },
  });
  return {
    door,
    source,
    lost,
    pass: (ms) => {
      nowMs += ms;
    },
  };
}
const ask = ({ door, source }: Setup, filter: object, call = createCall()) =>
  door.query(
    { adapter: source.adapter, dataset: source.dataset, filter: { ...filter }, cql: null, view: OPEN_VIEW, properties: null, sortBy: [], first: 100, after: null }, // prettier-ignore
    call,
  );

const FILTERS: readonly (readonly [PredicateOp, object])[] = [
  ['=', { property: 'i', eq: 4 }],
  ['<>', { property: 'i', ne: 4 }],
  ['<', { property: 'n', lt: 5 }],
  ['<=', { property: 'n', lte: 5 }],
  ['>', { property: 'n', gt: 5 }],
  ['>=', { property: 'n', gte: 5 }],
  ['in', { property: 's', in: ['Text 1', 'Text 2'] }],
  ['between', { property: 'd', between: ['2026-01-03', '2026-01-05'] }],
  ['isNull', { property: 'n', isNull: true }],
];

describe.each(FILTERS)('%s', (op, filter) => {
  const honest = async (): Promise<readonly string[]> =>
    (await ask(setUp(), filter)).records.map(({ record }) => record.id).toSorted();

  test('is pushed once a probe has shown that the source decides it', async () => {
    const setup = setUp();
    const { plan, records } = await ask(setup, filter);
    expect(plan.notPushed).toEqual([]);
    expect(plan.pushed).not.toBeNull();
    expect(records.length).toBeGreaterThan(0);
    const before = setup.source.served.requests;
    await ask(setup, filter);
    expect(setup.source.served.requests - before).toBe(1);
  });

  test.each<[string, FakeLies]>([
    ['is ignored', { ignores: op }],
    ['finds nothing, and says so', { loses: op }],
  ])('that %s is refuted, and the answer is right', async (_, lies) => {
    const setup = setUp(lies);
    const { plan, records } = await ask(setup, filter);
    expect(records.map(({ record }) => record.id).toSorted()).toEqual(await honest());
    expect(plan.pushed).toBeNull();
    expect(plan.notPushed[0]?.reason).toBe('LOST');
    expect(setup.lost).toEqual([op]);
    expect(setup.door.lost('fake')).toEqual([{ datasetId: 'fake:rows', capability: op, sinceEpochMs: 1_000_000 }]);
    expect(setup.door.lost('fak')).toEqual([]);
  });
});

describe('a proof', () => {
  const filter = { property: 'i', eq: 4 };
  test('holds for a day', async () => {
    const setup = setUp();
    await ask(setup, filter);
    setup.pass(24 * 3_600_000 - 1);
    const before = setup.source.served.requests;
    await ask(setup, filter);
    expect(setup.source.served.requests - before).toBe(1);
    setup.pass(2);
    await ask(setup, filter);
    expect(setup.source.served.requests - before).toBe(5);
  });

  test('is not made for a caller who has no time, or of a dataset that cannot show it; then the hub decides', async () => {
    const hurried = setUp();
    const { plan } = await ask(hurried, filter, { ...createCall(), deadlineEpochMs: 1_002_000 });
    expect(plan.notPushed[0]?.reason).toBe('UNPROVEN');
    const empty = setUp(
      {},
      ROWS.map(({ id, values }) => ({ id, values: { ...values, i: null } })),
    );
    const outcome = await ask(empty, filter);
    expect([outcome.records.length, outcome.plan.notPushed[0]?.reason]).toEqual([0, 'UNPROVEN']);
  });

  test('of one type says nothing of another', async () => {
    const setup = setUp();
    await ask(setup, filter);
    const before = setup.source.served.requests;
    await ask(setup, { property: 's', eq: 'Text 1' });
    expect(setup.source.served.requests - before).toBe(4);
  });

  test('is made without NOT where the source cannot be told it', async () => {
    const connectives = { and: true, or: false, not: false };
    expect((await ask(setUp({}, ROWS, { connectives }), filter)).plan.pushed).not.toBeNull();
    const ignoring = await ask(setUp({ ignores: '=' }, ROWS, { connectives }), filter);
    expect(ignoring.plan.notPushed[0]?.reason).toBe('LOST');
    // Nothing shows that `<` is decided: there is no filter of it that must be empty.
    const below = await ask(setUp({}, ROWS, { connectives }), { property: 'n', lt: 5 });
    expect(below.plan.notPushed[0]?.reason).toBe('UNPROVEN');
  });
});
