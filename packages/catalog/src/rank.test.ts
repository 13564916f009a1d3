import type { Dataset } from '@civex/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareRanks, createRanker, foldText, isRankOf } from './rank.ts';
import type { DatasetOrder } from './rank.ts';
import { createDataset } from './test-support/memory-source.ts';

const ORDERS: readonly DatasetOrder[] = ['RELEVANCE', 'TITLE', 'MODIFIED_DESC', 'MODIFIED_ASC'];

describe('folding text', () => {
  test.each([
    ['Vélo', 'velo'],
    ['ÅNGSTRÖM', 'angstrom'],
    ['ﬁnances', 'finances'],
    ['ve\u0301lo', 'velo'],
    ['İzmir', 'izmir'],
    ['自転車', '自転車'],
  ])('%s is %s', (text, folded) => {
    expect(foldText(text)).toBe(folded);
  });

  test('a folded text stays as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(foldText(foldText(text))).toBe(foldText(text));
      }),
      { seed: 31, numRuns: 1_000 },
    );
  });
});

describe('comparing ranks', () => {
  test.each<[DatasetOrder, number]>([
    ['MODIFIED_ASC', -1],
    ['MODIFIED_DESC', 1],
    ['RELEVANCE', 1],
  ])('%s: 1 against 2 gives the sign %i', (order, sign) => {
    expect(Math.sign(compareRanks(1, 2, order))).toBe(sign);
    expect(Math.sign(compareRanks(2, 1, order))).toBe(-sign);
    expect(Math.abs(compareRanks(2, 2, order))).toBe(0);
  });

  test('titles go by code point, not by UTF-16 unit', () => {
    expect(compareRanks('\uff56', '\u{1f6b2}', 'TITLE')).toBeLessThan(0);
    expect(compareRanks('a', 'b', 'TITLE')).toBeLessThan(0);
  });

  test.each(ORDERS)('what has no rank stands last in the order %s', (order) => {
    const value = order === 'TITLE' ? 'a' : 5;
    expect(compareRanks(null, value, order)).toBeGreaterThan(0);
    expect(compareRanks(value, null, order)).toBeLessThan(0);
    expect(compareRanks(null, null, order)).toBe(0);
  });
});

describe('the rank by relevance', () => {
  const dataset = (changes: Partial<Dataset>): Dataset => createDataset('s', 'x', { titles: { fr: '' }, ...changes });
  const publisher = (name: string) => ({ name, homepage: null, type: null });

  test.each<[string, Partial<Dataset>, string, number]>([
    ['a whole word of a title', { titles: { fr: 'Stations vélo' } }, 'velo', 8],
    ['the beginning of a word of a title', { titles: { fr: 'Les vélos' } }, 'velo', 5],
    ['the inside of a word of a title', { titles: { fr: 'autovélo' } }, 'velo', 3],
    ['a title in any language', { titles: { fr: 'x', en: 'Bike' } }, 'bike', 8],
    ['a whole keyword', { keywords: ['Vélo'] }, 'velo', 6],
    ['the beginning of a keyword', { keywords: ['vélos'] }, 'velo', 4],
    ['the inside of a keyword', { keywords: ['autovélo'] }, 'velo', 2],
    ['the publisher', { publisher: publisher('Vélo Ville') }, 'velo', 3],
    ['the beginning of a publisher', { publisher: publisher('Vélos') }, 'velo', 2],
    ['the local id', { localId: 'ci_velo-p' }, 'p', 3],
    ['a description', { descriptions: { fr: 'Les Vélos libres' } }, 'velo', 1],
    ['nothing the hub sees', {}, 'velo', 0],
    ['all terms together', { titles: { fr: 'velo parking' }, keywords: ['velo'] }, 'Vélo, parking', 8 + 6 + 8],
    ['a search of punctuation only', { titles: { fr: '!!' } }, '!!', 0],
  ])('of %s', (_, changes, search, score) => {
    expect(createRanker('RELEVANCE', search)(dataset(changes))).toBe(score);
  });

  test('is the same for all without a search', () => {
    expect(createRanker('RELEVANCE', null)(dataset({ titles: { fr: 'null' } }))).toBe(0);
  });

  test('looks at twenty terms and at ten thousand characters of description', () => {
    const many = Array.from({ length: 20 }, (_, n) => `t${n}x`);
    const rank = createRanker('RELEVANCE', [...many, 'velo'].join(' '));
    expect(rank(dataset({ titles: { fr: 'velo' } }))).toBe(0);
    expect(rank(dataset({ titles: { fr: 't19x' } }))).toBe(8);
    const describe = createRanker('RELEVANCE', 'velo');
    expect(describe(dataset({ descriptions: { fr: `${'x'.repeat(9_996)}velo` } }))).toBe(1);
    expect(describe(dataset({ descriptions: { fr: `${'x'.repeat(10_000)}velo` } }))).toBe(0);
  });
});

describe('the rank by title and by date', () => {
  test('is the first title, folded, or the local id', () => {
    expect(createRanker('TITLE', null)(createDataset('s', 'x', { titles: { fr: 'Été', en: 'A' } }))).toBe('ete');
    expect(createRanker('TITLE', null)(createDataset('s', 'X', { titles: {} }))).toBe('x');
  });

  test('is the instant, and none for a date that cannot be read', () => {
    const rank = createRanker('MODIFIED_DESC', null);
    expect(rank(createDataset('s', 'x', { modified: '1970-01-01T01:00:01+01:00' }))).toBe(1_000);
    expect(rank(createDataset('s', 'x', { modified: 'soon' }))).toBeNull();
    expect(rank(createDataset('s', 'x'))).toBeNull();
  });

  test.each(ORDERS)('every rank of the order %s is one that order can have', (order) => {
    for (const modified of [null, '2026-01-01T00:00:00Z'])
      expect(isRankOf(order, createRanker(order, 'x')(createDataset('s', 'x', { modified })))).toBe(true);
    for (const alien of [true, undefined, {}, []]) expect(isRankOf(order, alien)).toBe(false);
  });
});
