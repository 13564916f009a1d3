import { HubError } from '@civex/errors';
import type { Dataset } from '@civex/model';
import { describe, expect, test } from 'vitest';
import { parseDatasetFilter } from './dataset-filter.ts';
import { readSlice } from './read-slice.ts';
import type { CatalogQuery, CatalogSlice, Visibility } from './read-slice.ts';
import {
  createDataset,
  createMemorySource,
  createQueryable,
  createTestCall,
  EVERYTHING,
} from './test-support/memory-source.ts';
import type { MemorySource } from './test-support/memory-source.ts';

const LIMITS = { maxScanned: 100, maxDescribed: 3 };
const LIST: CatalogQuery = { search: null, filter: null, orderBy: 'RELEVANCE', first: 3, after: null };

const read = (source: MemorySource, changes: Partial<CatalogQuery> = {}): Promise<CatalogSlice> =>
  readSlice(source, { ...LIST, ...changes }, LIMITS, EVERYTHING, createTestCall());

const localIds = ({ items }: CatalogSlice): readonly string[] => items.map(({ dataset }) => dataset.localId);
const named = (...ids: readonly string[]): readonly Dataset[] => ids.map((id) => createDataset('s', id));
const many = (count: number): readonly Dataset[] => named(...Array.from({ length: count }, (_, n) => `d${n}`));

const unavailable = new HubError('SOURCE_UNAVAILABLE', 'The source cannot be reached.', { source: 's' });

describe('a plain list where datasets may be left out', () => {
  const concealing = (...hidden: readonly string[]): Visibility => ({
    disclose: (dataset) => (hidden.includes(dataset.localId) ? null : dataset),
    mayConceal: true,
  });
  const page = (source: MemorySource, visibility: Visibility, after: string | null): Promise<CatalogSlice> =>
    readSlice(source, { ...LIST, first: 2, after }, LIMITS, visibility, createTestCall());

  test('pages, counts and asks its source as one that never had them', async () => {
    const told: unknown[] = [];
    for (const [source, visibility] of [
      [createMemorySource('s', named('x', 'a', 'b', 'y', 'c', 'z')), concealing('x', 'y', 'z')],
      [createMemorySource('s', named('a', 'b', 'c')), concealing()],
    ] as const) {
      const first = await page(source, visibility, null);
      const second = await page(source, visibility, first.items.at(-1)!.cursor);
      told.push([first, second, source.asked]);
      expect(localIds(first)).toEqual(['a', 'b']);
      expect(localIds(second)).toEqual(['c']);
    }
    expect(told[0]).toEqual(told[1]);
    expect(told[0]).toMatchObject([
      { total: 3, totalIsExact: true, hasNextPage: true },
      { total: 3, totalIsExact: true, hasNextPage: false },
      [100, 100],
    ]);
  });

  test('takes no cursor of a dataset that is not there for its reader, nor one of an open list', async () => {
    const source = createMemorySource('s', named('a', 'x', 'b'));
    for (const after of ['kx', 'k', 'knobody', 'l1x'])
      await expect(page(source, concealing('x'), after)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    await expect(page(source, EVERYTHING, 'ka')).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });

  test.each([
    ['what is read whole', 150, LIMITS],
    ['2,000 datasets', 2_001, { ...LIMITS, maxScanned: 20_000 }],
  ])('is read page by page beyond the limit of %s', async (_, count, limits) => {
    const source = createMemorySource('s', many(count));
    const ask = (after: string | null): Promise<CatalogSlice> =>
      readSlice(source, { ...LIST, first: 2, after }, limits, concealing('d0', 'd3'), createTestCall());
    const first = await ask(null);
    expect(localIds(first)).toEqual(['d1', 'd2']);
    expect(first).toMatchObject({ total: null, totalIsExact: false, hasNextPage: true });
    const second = await ask(first.items.at(-1)!.cursor);
    expect(localIds(second)).toEqual(['d4', 'd5']);
    expect(source.asked.length).toBeLessThan(10);
  });
});

describe('the plain list', () => {
  test('asks one page of the wanted size and keeps the order of the source', async () => {
    const source = createMemorySource('s', named('c', 'a', 'b', 'd'));
    const slice = await read(source);
    expect(localIds(slice)).toEqual(['c', 'a', 'b']);
    expect(slice.hasNextPage).toBe(true);
    expect(source.asked).toEqual([3]);
  });

  test('asks further pages when the source gives fewer at a time', async () => {
    const source = createMemorySource('s', many(9), { maxPageSize: 2 });
    const slice = await read(source, { first: 5 });
    expect(localIds(slice)).toEqual(['d0', 'd1', 'd2', 'd3', 'd4']);
    expect(source.asked).toEqual([2, 2, 1]);
  });

  test('takes the total of the source as its word, and counts itself when it has seen everything', async () => {
    const lying = { total: 7 };
    expect(await read(createMemorySource('s', many(9), lying))).toMatchObject({ total: 7, totalIsExact: false });
    expect(await read(createMemorySource('s', many(3), lying))).toMatchObject({ total: 3, totalIsExact: true });
    expect(await read(createMemorySource('s', many(9), { total: null }))).toMatchObject({
      total: null,
      totalIsExact: false,
    });
  });

  test('does not call the last page exact: it has not seen the pages before', async () => {
    const source = createMemorySource('s', many(4));
    const after = (await read(source)).items.at(-1)!.cursor;
    expect(await read(source, { after })).toMatchObject({ hasNextPage: false, total: 4, totalIsExact: false });
  });

  test('gives up on a source that lists on without naming a dataset', async () => {
    const source = createMemorySource('s', many(4), { fill: () => 0 });
    await expect(read(source)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED', facts: { source: 's' } });
    expect(source.asked.length).toBeLessThan(200);
    const slow = createMemorySource('s', many(4), { fill: (size, n) => (n % 90 === 89 ? size : 0) });
    expect(localIds(await read(slow))).toEqual(['d0', 'd1', 'd2']);
  });

  test('fails when the source fails on a later page, whatever was read before', async () => {
    const source = createMemorySource('s', many(4), { maxPageSize: 2, fault: (n) => (n === 1 ? unavailable : null) });
    await expect(read(source)).rejects.toBe(unavailable);
  });
});

describe('a catalog that changes while it is read', () => {
  const moved = new HubError('INPUT_INVALID', 'The catalog changed while it was being paged; start again.', {
    source: 's',
  });

  test.each([
    ['the plain list', {}],
    ['a ranked list', { orderBy: 'TITLE' as const }],
  ])('is a passing fault of the source in %s, since the caller sent no cursor', async (_, changes) => {
    const source = createMemorySource('s', many(4), { maxPageSize: 2, fault: (n) => (n === 1 ? moved : null) });
    await expect(read(source, changes)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE', cause: moved });
  });

  test('is a passing fault when its total shrinks: the list may end before its end', async () => {
    const source = createMemorySource('s', many(6), { maxPageSize: 2 });
    let pages = 0;
    const shrinking: typeof source = {
      ...source,
      catalog: {
        ...source.catalog,
        async list(page, call) {
          const given = await source.catalog.list(page, call);
          return pages++ < 1 ? given : { ...given, next: null, total: 4 };
        },
      },
    };
    await expect(read(shrinking, { orderBy: 'TITLE' })).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });

  test('is told to the caller whose own cursor no longer fits', async () => {
    const after = (await read(createMemorySource('s', many(4)))).items[0]!.cursor;
    await expect(read(createMemorySource('s', many(4), { fault: () => moved }), { after })).rejects.toBe(moved);
  });
});

describe('a ranked or filtered list', () => {
  test('counts exactly', async () => {
    const source = createMemorySource('s', many(9), { maxPageSize: 4, total: 3 });
    expect(await read(source, { orderBy: 'TITLE' })).toMatchObject({ total: 9, totalIsExact: true, hasNextPage: true });
  });

  test('refuses a source that lists a dataset twice', async () => {
    const source = createMemorySource('s', named('a', 'b', 'a'));
    await expect(read(source, { orderBy: 'TITLE' })).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
      facts: { source: 's' },
    });
    expect(localIds(await read(createMemorySource('s', named('a', 'b', 'c')), { orderBy: 'TITLE' }))).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  test('reads up to the limit and no further', async () => {
    expect((await read(createMemorySource('s', many(100)), { orderBy: 'TITLE' })).total).toBe(100);
    await expect(read(createMemorySource('s', many(101)), { orderBy: 'TITLE' })).rejects.toMatchObject({
      code: 'INPUT_TOO_COSTLY',
      facts: { source: 's' },
    });
  });

  test('refuses on the first page what the source says is beyond the limit', async () => {
    const source = createMemorySource('s', many(1_000), { maxPageSize: 10 });
    await expect(read(source, { orderBy: 'TITLE' })).rejects.toMatchObject({ code: 'INPUT_TOO_COSTLY' });
    expect(source.asked).toEqual([10]);
  });

  test('a search beyond the limit in the catalog but not in its hits is answered', async () => {
    const hits = named('velo 1', 'velo 2');
    const source = createMemorySource('s', [...many(500), ...hits]);
    expect(localIds(await read(source, { search: 'velo' }))).toEqual(['velo 1', 'velo 2']);
  });

  test('fails when the source fails halfway', async () => {
    const source = createMemorySource('s', many(9), { maxPageSize: 4, fault: (n) => (n === 2 ? unavailable : null) });
    await expect(read(source, { orderBy: 'MODIFIED_DESC' })).rejects.toBe(unavailable);
  });

  test('a dataset that has gone does not lose the ones after it', async () => {
    const before = createMemorySource('s', named('a', 'b', 'c', 'd'));
    const after = (await read(before, { orderBy: 'TITLE', first: 2 })).items.at(-1)!.cursor;
    const later = createMemorySource('s', named('a', 'c', 'd'));
    expect(localIds(await read(later, { orderBy: 'TITLE', after }))).toEqual(['c', 'd']);
  });

  test('cursors stay short however long a portal makes its titles', async () => {
    const long = 'a'.repeat(100_000);
    const source = createMemorySource('s', [
      createDataset('s', 'x', { titles: { fr: long } }),
      createDataset('s', 'b', { titles: { fr: `${long}b` } }),
    ]);
    const slice = await read(source, { orderBy: 'TITLE', first: 1 });
    expect(slice.items[0]!.cursor.length).toBeLessThan(1_000);
    expect(localIds(await read(source, { orderBy: 'TITLE', after: slice.items[0]!.cursor }))).toEqual(['x']);
  });
});

describe('a cursor of another question', () => {
  const source = createMemorySource('s', named('a', 'b', 'c'));
  const cursorOf = async (changes: Partial<CatalogQuery>): Promise<string> =>
    (await read(source, { ...changes, first: 1 })).items[0]!.cursor;

  test.each([
    ['the plain list', {}],
    ['titles', { orderBy: 'TITLE' as const }],
    ['dates', { orderBy: 'MODIFIED_ASC' as const }],
    ['a search', { search: 'a' }],
  ])('control: the cursor of %s continues it', async (_, changes) => {
    const all = localIds(await read(source, changes));
    expect(localIds(await read(source, { ...changes, after: await cursorOf(changes) }))).toEqual(all.slice(1));
  });

  test.each<[string, Partial<CatalogQuery>, string]>([
    ['a ranked one for the plain list', {}, 'r[0,"a"]'],
    ['a plain one for a ranked list', { orderBy: 'TITLE' }, 'l1'],
    ['one without a kind', {}, '1'],
    ['an empty one', {}, ''],
    ['an empty one for a ranked list', { orderBy: 'TITLE' }, ''],
    ['one that is no JSON', { orderBy: 'TITLE' }, 'r["a"'],
    ['one that is no list', { orderBy: 'TITLE' }, 'r{"0":"a","1":"a"}'],
    ['one with a part too few', { orderBy: 'TITLE' }, 'r["a"]'],
    ['one with a part too many', { orderBy: 'TITLE' }, 'r["a","a",1]'],
    ['one whose id is no text', { orderBy: 'TITLE' }, 'r["a",1]'],
    ['a number where titles rank', { orderBy: 'TITLE' }, 'r[1,"a"]'],
    ['no rank where titles rank', { orderBy: 'TITLE' }, 'r[null,"a"]'],
    ['a title where dates rank', { orderBy: 'MODIFIED_DESC' }, 'r["a","a"]'],
    ['a truth value where dates rank', { orderBy: 'MODIFIED_ASC' }, 'r[true,"a"]'],
    ['a title where scores rank', { search: 'a' }, 'r["a","a"]'],
    ['no rank where scores rank', { search: 'a' }, 'r[null,"a"]'],
  ])('%s is refused', async (_, changes, after) => {
    const before = source.asked.length;
    await expect(read(source, { ...changes, after })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: 'This cursor was not issued for this question.',
      facts: { source: 's' },
    });
    expect(source.asked.length).toBe(before);
  });
});

describe('hasGeometry', () => {
  const point = createQueryable('place', 'GEOMETRY');
  const text = createQueryable('name', 'STRING');
  const datasets = [
    createDataset('s', 'none'),
    createDataset('s', 'known-with', { recordsState: 'described', queryables: [text, point] }),
    createDataset('s', 'known-without', { recordsState: 'described', queryables: [text] }),
    createDataset('s', 'asked-with', { recordsState: 'undescribed' }),
    createDataset('s', 'asked-without', { recordsState: 'undescribed', keywords: ['velo'] }),
    createDataset('s', 'asked-gone', { recordsState: 'undescribed' }),
  ];
  const columns = ({ localId }: Dataset) =>
    localId === 'asked-with' ? [text, point] : localId === 'asked-without' ? [text] : null;
  const filtered = (source: MemorySource, hasGeometry: boolean, keywords?: readonly string[]) =>
    read(source, { filter: parseDatasetFilter({ hasGeometry, keywords }), first: 10 });

  test('true keeps the datasets with a geometry column, asking for columns the catalog does not carry', async () => {
    const source = createMemorySource('s', datasets, { columns });
    expect(localIds(await filtered(source, true))).toEqual(['asked-with', 'known-with']);
    expect(source.described).toEqual(['asked-with', 'asked-without', 'asked-gone']);
  });

  test('false keeps exactly the others', async () => {
    const source = createMemorySource('s', datasets, { columns });
    expect(localIds(await filtered(source, false))).toEqual(['asked-gone', 'asked-without', 'known-without', 'none']);
  });

  test('asks only for what the rest of the filter leaves over', async () => {
    const source = createMemorySource('s', datasets, { columns });
    expect(localIds(await filtered(source, false, ['velo']))).toEqual(['asked-without']);
    expect(source.described).toEqual(['asked-without']);
  });

  test('asks for as many datasets as the limit allows, and refuses before asking for more', async () => {
    const undescribed = (count: number) =>
      Array.from({ length: count }, (_, n) => createDataset('s', `d${n}`, { recordsState: 'undescribed' }));
    const enough = createMemorySource('s', undescribed(3), { columns: () => [point] });
    expect((await filtered(enough, true)).total).toBe(3);
    const beyond = createMemorySource('s', undescribed(4), { columns: () => [point] });
    await expect(filtered(beyond, true)).rejects.toMatchObject({ code: 'INPUT_TOO_COSTLY', facts: { source: 's' } });
    expect(beyond.described).toEqual([]);
  });

  test('a source that cannot say fails the list instead of shortening it', async () => {
    const source = createMemorySource('s', datasets, {
      columns: (dataset) => (dataset.localId === 'asked-gone' ? unavailable : columns(dataset)),
    });
    await expect(filtered(source, true)).rejects.toBe(unavailable);
  });
});
