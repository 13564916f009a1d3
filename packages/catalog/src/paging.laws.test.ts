import type { SourceAdapter } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { Dataset } from '@civex/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseDatasetFilter } from './dataset-filter.ts';
import type { DatasetFilterInput } from './dataset-filter.ts';
import { mergeSlices, positionsAfter } from './merge-slices.ts';
import type { DatasetOrder } from './rank.ts';
import { readSlice } from './read-slice.ts';
import type { SliceItem } from './read-slice.ts';
import { createDataset, createMemorySource, createTestCall, EVERYTHING } from './test-support/memory-source.ts';

/*
 * The reference below is written from the contract, not from the code: it scores by plain rules on titles of two words,
 * and sorts everything at once.
 */

const WORDS = ['velo', 'Vélo', 'VELOS', 'parking', 'eau', 'Łódź', '\u{1f6b2}', '\uff56', 'zzz velo', 'ívelo'];
const TIMES = [
  null,
  null,
  '2026-01-01T00:00:00Z',
  '2026-01-01T01:00:00+01:00',
  '2025-06-30T12:00:00Z',
  '1969-12-31T00:00:00Z',
];

const dataset = fc.record({
  title: fc.constantFrom(...WORDS),
  modified: fc.constantFrom(...TIMES),
  isTransport: fc.boolean(),
});

interface World {
  readonly adapters: readonly SourceAdapter[];
  readonly datasets: readonly (readonly Dataset[])[];
}

/** Local ids in an order of the source's own: neither sorted nor the order of titles. */
const world = fc
  .array(
    fc.record({
      sets: fc.array(dataset, { maxLength: 12 }),
      maxPageSize: fc.integer({ min: 1, max: 7 }),
      short: fc.array(fc.nat(7), { minLength: 1, maxLength: 5 }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((sources): World => {
    const datasets = sources.map(({ sets }, s) =>
      sets.map(({ title, modified, isTransport }, index) =>
        createDataset(`s${s}`, `${'cab'[index % 3]}${(index * 7) % 13}`, {
          titles: { fr: title },
          modified,
          themes: isTransport ? ['TRAN'] : [],
        }),
      ),
    );
    const adapters = sources.map(({ maxPageSize, short }, s) =>
      createMemorySource(`s${s}`, datasets[s] ?? [], {
        maxPageSize,
        // Some pages hold fewer than asked for, some none; never five empty ones in a row.
        fill: (size, n) => Math.min(size, n % 5 === 4 ? size : (short[n % short.length] ?? size)),
      }),
    );
    return { adapters, datasets };
  });

interface Question {
  readonly search: string | null;
  readonly filter: DatasetFilterInput | null;
  readonly orderBy: DatasetOrder;
}

const question: fc.Arbitrary<Question> = fc.record({
  search: fc.constantFrom(null, null, 'velo'),
  filter: fc.constantFrom(null, null, { themes: ['TRAN'] }),
  orderBy: fc.constantFrom('RELEVANCE', 'TITLE', 'MODIFIED_DESC', 'MODIFIED_ASC'),
});

const LIMITS = { maxScanned: 1_000, maxDescribed: 10 };

async function readPage(
  { adapters }: World,
  { search, filter, orderBy }: Question,
  first: number,
  start: Readonly<Record<string, string>>,
  failing: (source: string) => boolean = () => false,
) {
  const slices = await Promise.all(
    adapters.map(async (adapter) => {
      const { source } = adapter.info;
      if (failing(source)) return { source, items: [], hasNextPage: false, total: null };
      const after = start[source] ?? null;
      return {
        source,
        ...(await readSlice(
          adapter,
          { search, filter: parseDatasetFilter(filter), orderBy, first, after },
          LIMITS,
          EVERYTHING,
          createTestCall(),
        )),
      };
    }),
  );
  return { page: mergeSlices<SliceItem>(slices, orderBy, first), totals: slices.map(({ total }) => total) };
}

const codePoints = (text: string): readonly number[] => Array.from(text, (character) => character.codePointAt(0) ?? 0);

function compareText(a: string, b: string): number {
  const [x, y] = [codePoints(a), codePoints(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return (x[i] ?? 0) - (y[i] ?? 0);
  return x.length - y.length;
}

const FOLDED: Readonly<Record<string, string>> = {
  Vélo: 'velo',
  VELOS: 'velos',
  Łódź: 'łodz',
  ívelo: 'ivelo',
  '\uff56': 'v',
};
/** Of a title, for the search "velo": whole word 8, beginning of a word 5, inside a word 3. */
const SCORES: Readonly<Record<string, number>> = { velo: 8, Vélo: 8, 'zzz velo': 8, VELOS: 5, ívelo: 3 };

/** Every dataset of the sources named, sorted at once. */
function sortEverything(
  { datasets }: World,
  { search, filter, orderBy }: Question,
  isAsked: (s: number) => boolean,
): readonly string[] {
  const titleOf = ({ titles }: Dataset): string => titles['fr'] ?? '';
  const isListed = search === null && filter === null && orderBy === 'RELEVANCE';
  return datasets
    .flatMap((sets, s) => sets.map((set, place) => ({ set, s, place })))
    .filter(({ set, s }) => isAsked(s) && (search === null || titleOf(set).includes(search)))
    .filter(({ set }) => filter === null || set.themes.includes('TRAN'))
    .sort((a, b) => {
      const time = (set: Dataset): number | null => (set.modified === null ? null : Date.parse(set.modified));
      let byRank = 0;
      if (orderBy === 'TITLE') {
        const fold = (title: string): string => FOLDED[title] ?? title;
        byRank = compareText(fold(titleOf(a.set)), fold(titleOf(b.set)));
      } else if (orderBy === 'RELEVANCE') {
        if (search !== null) byRank = (SCORES[titleOf(b.set)] ?? 0) - (SCORES[titleOf(a.set)] ?? 0);
      } else {
        const [x, y] = [time(a.set), time(b.set)];
        if (x === null || y === null) byRank = Number(x === null) - Number(y === null);
        else byRank = orderBy === 'MODIFIED_DESC' ? y - x : x - y;
      }
      if (byRank !== 0) return byRank;
      if (a.s !== b.s) return a.s - b.s;
      return isListed ? a.place - b.place : compareText(a.set.localId, b.set.localId);
    })
    .map(({ set }) => set.id);
}

const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
/** Where in a page a caller goes on, counted from its end. */
const steps = fc.array(fc.nat(3), { minLength: 1, maxLength: 4 });

test('pages of any sizes, continued after any entry, are together what one sort of everything gives', async () => {
  await fc.assert(
    fc.asyncProperty(world, question, sizes, steps, fc.nat(15), async (sources, asked, pageSizes, backs, downMask) => {
      // The sources in the mask fail throughout; the others must not notice.
      const isDown = (source: string): boolean => (downMask & 3 & (1 << Number(source.slice(1)))) !== 0;
      const expected = sortEverything(sources, asked, (s) => !isDown(`s${s}`));
      const seen: string[] = [];
      let start: Readonly<Record<string, string>> = {};
      for (let turn = 0; ; turn++) {
        expect(turn).toBeLessThan(60);
        const first = pageSizes[turn % pageSizes.length] ?? 1;
        const { page } = await readPage(sources, asked, first, start, isDown);
        expect(page.items.length).toBe(Math.min(first, expected.length - seen.length));
        expect(page.hasNextPage).toBe(seen.length + page.items.length < expected.length);
        if (page.items.length === 0) break;
        const back = page.hasNextPage ? (backs[turn % backs.length] ?? 0) : 0;
        const last = Math.max(0, page.items.length - 1 - back);
        seen.push(...page.items.slice(0, last + 1).map(({ item }) => item.dataset.id));
        start = positionsAfter(page, last, start);
        if (!page.hasNextPage) break;
      }
      expect(seen).toEqual(expected);
    }),
    { seed: 21, numRuns: 1_500 },
  );
}, 20_000);

test('a source that fails on some pages and comes back loses and repeats nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      world,
      question,
      sizes,
      fc.array(fc.nat(15), { maxLength: 8 }),
      async (sources, asked, pageSizes, masks) => {
        const seen: string[] = [];
        let start: Readonly<Record<string, string>> = {};
        for (let turn = 0; ; turn++) {
          expect(turn).toBeLessThan(80);
          const mask = masks[turn] ?? 0;
          const { page } = await readPage(
            sources,
            asked,
            pageSizes[turn % pageSizes.length] ?? 1,
            start,
            (source) => (mask & (1 << Number(source.slice(1)))) !== 0,
          );
          if (page.items.length > 0) {
            seen.push(...page.items.map(({ item }) => item.dataset.id));
            start = positionsAfter(page, page.items.length - 1, start);
          }
          if (!page.hasNextPage && mask === 0) break;
        }
        expect([...seen].sort()).toEqual(
          sources.datasets
            .flat()
            .map(({ id }): string => id)
            .filter((id) => sortEverything(sources, asked, () => true).includes(id))
            .sort(),
        );
        for (const s of sources.datasets.keys())
          expect(seen.filter((id) => id.startsWith(`s${s}:`))).toEqual(
            sortEverything(sources, asked, (other) => other === s),
          );
      },
    ),
    { seed: 22, numRuns: 500 },
  );
}, 20_000);

test('totals are the number of datasets there are, and exact only when the hub has counted', async () => {
  await fc.assert(
    fc.asyncProperty(world, question, fc.integer({ min: 1, max: 20 }), async (sources, asked, first) => {
      for (const [s, adapter] of sources.adapters.entries()) {
        const slice = await readSlice(
          adapter,
          { ...asked, filter: parseDatasetFilter(asked.filter), first, after: null },
          LIMITS,
          EVERYTHING,
          createTestCall(),
        );
        const expected = sortEverything(sources, asked, (other) => other === s).length;
        expect(slice.total).toBe(expected);
        const isListed = asked.search === null && asked.filter === null && asked.orderBy === 'RELEVANCE';
        expect(slice.totalIsExact).toBe(!isListed || !slice.hasNextPage);
      }
    }),
    { seed: 23, numRuns: 300 },
  );
});

test('any text is refused as a cursor, or continues the list without losing its order', async () => {
  const source = createMemorySource(
    's',
    ['b', 'a', 'c'].map((id) => createDataset('s', id)),
  );
  const candidates = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.string({ maxLength: 8 }).map((text) => `l${text}`),
    fc.json({ maxDepth: 2 }).map((text) => `r${text}`),
    fc
      .tuple(fc.oneof(fc.string(), fc.double(), fc.constant(null)), fc.string())
      .map((pair) => `r${JSON.stringify(pair)}`),
  );
  await fc.assert(
    fc.asyncProperty(candidates, question, async (after, asked) => {
      const filter = parseDatasetFilter(asked.filter);
      const outcome = await readSlice(
        source,
        { ...asked, filter, first: 5, after },
        LIMITS,
        EVERYTHING,
        createTestCall(),
      ).catch((error: unknown) => error);
      if (outcome instanceof HubError) expect(outcome.code).toBe('INPUT_INVALID');
      else expect((outcome as { items: unknown[] }).items.length).toBeLessThanOrEqual(3);
    }),
    { seed: 24, numRuns: 500 },
  );
});
