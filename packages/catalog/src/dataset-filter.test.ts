import type { Dataset } from '@civex/model';
import { describe, expect, test } from 'vitest';
import { createDatasetMatcher, parseDatasetFilter } from './dataset-filter.ts';
import type { DatasetFilterInput } from './dataset-filter.ts';
import { createDataset, createQueryable } from './test-support/memory-source.ts';

const license = {
  status: 'KNOWN',
  id: 'CC-BY-4.0',
  uri: 'https://creativecommons.org/licenses/by/4.0/',
  title: null,
  raw: null,
  family: 'CC',
} as const;
const location = { centroid: null, label: null };

/** Passes every condition of `FILTER`. */
const SPECIMEN: Dataset = createDataset('s', 'x', {
  themes: ['ENVI', 'TRAN'],
  keywords: ['eau', 'Vélo'],
  license,
  publisher: { name: 'Métropole', homepage: null, type: null },
  languages: ['sv', 'FR'],
  modified: '2026-03-01T00:00:00Z',
  spatial: { ...location, bbox: [-1, 44, 0, 45] },
  recordsState: 'described',
  queryables: [createQueryable('place', 'GEOMETRY')],
});

const FILTER: DatasetFilterInput = {
  themes: ['AGRI', 'TRAN'],
  keywords: ['nothing', 'velo'],
  licenses: ['OGL', 'CC-BY-4.0'],
  publishers: ['metropole', 'x'],
  languages: ['FR', 'en'],
  modifiedSince: '2026-03-01T01:00:00+01:00',
  bbox: [0, 45, 1, 46],
  hasRecords: true,
  hasGeometry: true,
};

const matches = (input: DatasetFilterInput | null, dataset: Dataset): boolean | 'ask' =>
  createDatasetMatcher(parseDatasetFilter(input))(dataset);

test('control: the specimen passes the whole filter', () => {
  expect(matches(FILTER, SPECIMEN)).toBe(true);
});

describe('the specimen changed in one thing is left out', () => {
  test.each<[string, Partial<Dataset>]>([
    ['other themes', { themes: ['ENVI'] }],
    ['no themes', { themes: [] }],
    ['a keyword that only contains the word', { keywords: ['vélos'] }],
    [
      'another license',
      { license: { ...license, id: 'CC-BY-3.0', uri: 'https://creativecommons.org/licenses/by/3.0/' } },
    ],
    [
      'no license',
      { license: { status: 'NOT_STATED', id: null, uri: null, title: null, raw: 'CC-BY-4.0', family: null } },
    ],
    ['another publisher', { publisher: { name: 'Métropole de Lyon', homepage: null, type: null } }],
    ['no publisher', { publisher: null }],
    ['another language', { languages: ['sv'] }],
    ['a regional form of the language', { languages: ['fr-ca'] }],
    ['modified a millisecond before', { modified: '2026-02-28T23:59:59.999Z' }],
    ['undated', { modified: null }],
    ['a date nobody can read', { modified: 'soon' }],
    ['beside the box', { spatial: { ...location, bbox: [-1, 44, -0.001, 45] } }],
    ['below the box', { spatial: { ...location, bbox: [-1, 44, 0, 44.999] } }],
    ['no box', { spatial: { ...location, bbox: null } }],
    ['no area', { spatial: null }],
    ['no records', { recordsState: 'none', queryables: null }],
    ['no geometry', { queryables: [createQueryable('name', 'STRING')] }],
  ])('%s', (_, changes) => {
    expect(matches(FILTER, { ...SPECIMEN, ...changes })).toBe(false);
  });
});

describe('each condition alone', () => {
  test.each<[string, DatasetFilterInput, boolean]>([
    ['a theme it has', { themes: ['TRAN'] }, true],
    ['a theme it lacks', { themes: ['AGRI'] }, false],
    ['a keyword without accents and in capitals', { keywords: ['VELO'] }, true],
    ['a license by its address', { licenses: [license.uri] }, true],
    ['a license in small letters', { licenses: ['cc-by-4.0'] }, true],
    ['a license by status', { licenses: ['KNOWN'] }, true],
    ['another status', { licenses: ['NOT_STATED'] }, false],
    ['an earlier instant', { modifiedSince: '2026-02-01T00:00:00Z' }, true],
    ['a later instant', { modifiedSince: '2026-03-01T00:00:00.001Z' }, false],
    ['without records', { hasRecords: false }, false],
    ['without geometry', { hasGeometry: false }, false],
  ])('%s: %s', (_, filter, answer) => {
    expect(matches(filter, SPECIMEN)).toBe(answer);
  });

  test('a missing license is found by its status', () => {
    expect(matches({ licenses: ['NOT_STATED'] }, createDataset('s', 'x'))).toBe(true);
  });

  test('records that the catalog only announces count as records, and their columns have to be asked for', () => {
    const undescribed = createDataset('s', 'x', { recordsState: 'undescribed' });
    expect(matches({ hasRecords: true }, undescribed)).toBe(true);
    expect(matches({ hasRecords: false }, undescribed)).toBe(false);
    for (const hasGeometry of [true, false]) {
      expect(matches({ hasGeometry }, undescribed)).toBe('ask');
      expect(matches({ hasGeometry, themes: ['TRAN'] }, undescribed)).toBe(false);
    }
  });
});

describe('boxes', () => {
  test.each<[string, readonly number[], readonly [number, number, number, number], boolean]>([
    ['one inside the other', [-10, 40, 10, 50], [-1, 44, 0, 45], true],
    ['a shared corner', [0, 45, 1, 46], [-1, 44, 0, 45], true],
    ['apart in longitude', [1, 44, 2, 45], [-1, 44, 0, 45], false],
    ['apart in latitude', [-1, 46, 0, 47], [-1, 44, 0, 45], false],
    ['one across the antimeridian, east of it', [170, -20, -170, 20], [-175, 0, -172, 1], true],
    ['one across the antimeridian, west of it', [170, -20, -170, 20], [171, 0, 172, 1], true],
    ['one across the antimeridian, elsewhere', [170, -20, -170, 20], [-10, 0, 10, 1], false],
    ['both across the antimeridian', [170, -20, -170, 20], [175, 0, -179, 1], true],
    ['a point', [0, 45, 0, 45], [-1, 44, 0, 45], true],
  ])('%s: %s %s %s', (_, asked, own, answer) => {
    const dataset = createDataset('s', 'x', { spatial: { ...location, bbox: own } });
    expect(matches({ bbox: asked }, dataset)).toBe(answer);
  });
});

describe('what a caller may not write', () => {
  const long = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `k${n}`);

  test.each<[string, DatasetFilterInput]>([
    ['the whole filter', FILTER],
    ['as many values as allowed', { keywords: long(200) }],
    ['the widest box', { bbox: [-180, -90, 180, 90] }],
    ['a box across the antimeridian', { bbox: [170, 0, -170, 1] }],
    ['a language with a region', { languages: ['pt-BR', 'zh-hant-tw'] }],
  ])('control: %s is taken', (_, input) => {
    expect(parseDatasetFilter(input)).not.toBeNull();
  });

  test.each<[string, DatasetFilterInput]>([
    ['themes', { themes: ['TRAN', 'TRANSPORT'] }],
    ['themes', { themes: ['tran'] }],
    ['themes', { themes: ['constructor'] }],
    ['keywords', { keywords: [] }],
    ['keywords', { keywords: long(201) }],
    ['licenses', { licenses: [] }],
    ['publishers', { publishers: [] }],
    ['languages', { languages: [] }],
    ['languages', { languages: ['french language'] }],
    ['languages', { languages: ['f'] }],
    ['languages', { languages: [''] }],
    ['modifiedSince', { modifiedSince: 'yesterday' }],
    ['bbox', { bbox: [] }],
    ['bbox', { bbox: [0, 45, 1] }],
    ['bbox', { bbox: [0, 45, 1, 46, 0] }],
    ['bbox', { bbox: [0, 46, 1, 45] }],
    ['bbox', { bbox: [-181, 45, 1, 46] }],
    ['bbox', { bbox: [0, 45, 180.5, 46] }],
    ['bbox', { bbox: [0, -91, 1, 46] }],
    ['bbox', { bbox: [0, 45, 1, 90.5] }],
    ['bbox', { bbox: [Number.NaN, 45, 1, 46] }],
    ['bbox', { bbox: [0, 45, Infinity, 46] }],
  ])('%s: %j', (field, change) => {
    expect(() => parseDatasetFilter({ ...FILTER, ...change })).toThrow(
      expect.objectContaining({
        code: 'INPUT_INVALID',
        message: expect.stringContaining(`filter.${field}:`) as string,
      }),
    );
  });
});

test.each<[string, DatasetFilterInput | null | undefined]>([
  ['null', null],
  ['nothing', undefined],
  ['an empty object', {}],
  ['nulls', { themes: null, bbox: null, modifiedSince: null, hasRecords: null }],
])('a filter of %s filters nothing', (_, input) => {
  expect(parseDatasetFilter(input)).toBeNull();
  expect(createDatasetMatcher(parseDatasetFilter(input))(createDataset('s', 'x'))).toBe(true);
});
