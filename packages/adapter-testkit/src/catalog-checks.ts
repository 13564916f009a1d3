import assert from 'node:assert/strict';
import { HUB_ERROR_CODES, isHubError } from '@civex/errors';
import type { Dataset } from '@civex/model';
import { encodeDatasetId } from '@civex/model';
import type { ContractCheck, ContractHarness } from './contract-check.ts';
import { getDataset, MAX_PAGES } from './truth.ts';

/** An id no portal double has. Spelled so that every dialect can carry it. */
const MISSING = 'no-such-dataset-civex';

const localIdOf = (outcome: unknown): string | null =>
  typeof outcome === 'object' && outcome !== null && 'localId' in outcome && typeof outcome.localId === 'string'
    ? outcome.localId
    : null;

interface Listed {
  readonly items: readonly Dataset[];
  readonly cursors: readonly string[];
  readonly totals: readonly (number | null)[];
}

/** Every page from `after` on. */
async function listAll(
  { adapter, call }: ContractHarness,
  size: number,
  search: string | null = null,
  after: string | null = null,
): Promise<Listed> {
  const items: Dataset[] = [];
  const cursors: string[] = [];
  const totals: (number | null)[] = [];
  let next = after;
  for (let pages = 0; ; pages++) {
    assert.ok(pages < MAX_PAGES, 'the list does not end');
    const page = await adapter.catalog.list({ size, after: next, search }, call());
    assert.ok(page.items.length <= size, 'a page holds more than was asked for');
    assert.equal(page.cursors.length, page.items.length, 'each item has its cursor');
    items.push(...page.items);
    cursors.push(...page.cursors);
    totals.push(page.total);
    if (page.next === null) return { items, cursors, totals };
    next = page.next;
  }
}

/** A page size that makes about four pages of the whole list. */
const quarter = ({ adapter, truth }: ContractHarness): number => {
  assert.ok(truth.localIds.length >= 4, 'the harness needs 4 datasets or more');
  return Math.min(adapter.catalog.maxPageSize, Math.ceil(truth.localIds.length / 4));
};

const idsOf = (items: readonly Dataset[]): readonly string[] => items.map(({ localId }) => localId);

/** Some ids of the portal, last first, no more than one request takes. */
const someIds = ({ adapter, truth }: ContractHarness): readonly string[] =>
  truth.localIds.toSorted().toReversed().slice(0, Math.min(3, adapter.catalog.maxBatchKeys));

export const catalogChecks: readonly ContractCheck[] = [
  {
    title: 'getMany answers each id in its own place',
    async run(harness) {
      const ids = someIds(harness);
      const turned = ids.toReversed();
      for (const asked of [ids, turned]) {
        const got = await harness.adapter.catalog.getMany(asked, harness.call());
        assert.deepEqual(got.map(localIdOf), asked);
      }
    },
  },
  {
    title: 'getMany answers an id that is asked twice in both places',
    async run(harness) {
      const [id = ''] = someIds(harness);
      const got = await harness.adapter.catalog.getMany([id, id], harness.call());
      assert.deepEqual(got.map(localIdOf), [id, id]);
    },
  },
  {
    title: 'getMany answers null for an id the portal does not have, and knows the others',
    async run(harness) {
      const [id = ''] = someIds(harness);
      const ids = harness.adapter.catalog.maxBatchKeys > 1 ? [MISSING, id] : [MISSING];
      const got = await harness.adapter.catalog.getMany(ids, harness.call());
      assert.equal(got.length, ids.length);
      assert.equal(got[0], null);
      assert.equal(localIdOf(got[1]), ids[1] ?? null);
    },
  },
  {
    title: 'getMany of no ids answers nothing',
    async run({ adapter, call }) {
      assert.deepEqual(await adapter.catalog.getMany([], call()), []);
    },
  },
  {
    title: 'getMany does not fail for ids that are hard to spell',
    async run({ adapter, call }) {
      for (const id of ['"', "it's", 'a\\b', 'a/../b', '%2e%2e', 'é', 'a b', 'a,b', 'a:b', '*', '?x=1#y']) {
        const got = await adapter.catalog.getMany([id], call());
        assert.equal(got.length, 1, id);
        assert.equal(localIdOf(got[0]), null, `${id} was answered with another dataset`);
      }
    },
  },
  {
    title: 'a dataset id is the source and the local id',
    async run(harness) {
      const { source } = harness.adapter.info;
      const { items } = await listAll(harness, quarter(harness));
      const single = await getDataset(harness, someIds(harness)[0] ?? '');
      for (const { id, source: named, localId } of [...items, single]) {
        assert.equal(id, encodeDatasetId({ source, localId }));
        assert.equal(named, source);
      }
    },
  },
  {
    title: 'list yields every dataset once, then ends',
    async run(harness) {
      const { items } = await listAll(harness, quarter(harness));
      assert.deepEqual(idsOf(items).toSorted(), harness.truth.localIds.toSorted());
    },
  },
  {
    title: 'list keeps its order whenever and in whatever pages it is read',
    async run(harness) {
      const size = quarter(harness);
      const order = idsOf((await listAll(harness, size)).items);
      assert.deepEqual(idsOf((await listAll(harness, size)).items), order);
      assert.deepEqual(
        idsOf((await listAll(harness, Math.min(size + 1, harness.adapter.catalog.maxPageSize))).items),
        order,
      );
    },
  },
  {
    title: 'the cursor of an item continues right behind it',
    async run(harness) {
      const size = Math.min(harness.adapter.catalog.maxPageSize, Math.ceil(harness.truth.localIds.length / 2));
      const { items, cursors } = await listAll(harness, size);
      const order = idsOf(items);
      const step = Math.max(1, Math.floor(order.length / 8));
      for (let place = 0; place < order.length; place += step) {
        const rest = await listAll(harness, size, null, cursors[place] ?? '');
        assert.deepEqual(idsOf(rest.items), order.slice(place + 1), `behind item ${place}`);
      }
    },
  },
  {
    title: 'list refuses a cursor it did not issue',
    async run({ adapter, call }) {
      for (const after of ['not-a-cursor', '', '-1', '1e9', 'null'])
        await assert.rejects(
          adapter.catalog.list({ size: 1, after, search: null }, call()),
          (error) => isHubError(error) && error.code === 'INPUT_INVALID',
          JSON.stringify(after),
        );
    },
  },
  {
    title: 'list states the number of datasets or nothing',
    async run(harness) {
      const { totals } = await listAll(harness, quarter(harness));
      for (const total of totals)
        assert.ok(total === null || total === harness.truth.localIds.length, `total ${total}`);
    },
  },
  {
    title: 'a search lists its hits once, in the order of the whole list',
    async run(harness) {
      const { items } = await listAll(harness, quarter(harness));
      const order = idsOf(items);
      const words = items
        .flatMap(({ titles }) => Object.values(titles))
        .flatMap((title) => title.match(/\p{L}{4,}/gu) ?? [])
        .slice(0, 6);
      for (const word of words) {
        const hits = idsOf((await listAll(harness, 2, word)).items);
        assert.deepEqual(
          hits,
          order.filter((id) => hits.includes(id)),
          `search ${word}`,
        );
      }
    },
  },
  {
    title: 'checkHealth says that a portal that answers is not down',
    async run({ adapter, call }) {
      const health = await adapter.checkHealth(call());
      assert.notEqual(health.state, 'DOWN');
      assert.ok(!Number.isNaN(Date.parse(health.checkedAt)), 'checkedAt is an instant');
    },
  },
  {
    title: 'checkHealth resolves when the portal is down, and says why in our words',
    needs: ['stop'],
    async run({ adapter, call, portal }) {
      await portal.stop?.();
      const health = await adapter.checkHealth(call());
      assert.equal(health.state, 'DOWN');
      assert.ok(
        HUB_ERROR_CODES.some((code) => code === health.reason),
        'the reason is one of our error codes',
      );
    },
  },
  {
    title: 'a portal that is down is an error of the source',
    needs: ['stop'],
    async run({ adapter, call, portal, truth }) {
      await portal.stop?.();
      const isSourceError = (error: unknown): boolean => isHubError(error) && error.code.startsWith('SOURCE_');
      await assert.rejects(adapter.catalog.list({ size: 1, after: null, search: null }, call()), isSourceError);
      await assert.rejects(adapter.catalog.getMany(truth.localIds.slice(0, 1), call()), isSourceError);
    },
  },
];
