import type { RecordCapability } from '@civex/adapter-contract';
import type { RecordFilter, SortKey } from '@civex/query';
import { describe, expect, test } from 'vitest';
import type { RecordPlanInput } from './plan-records.ts';
import { planRecords } from './plan-records.ts';

const isTen: RecordFilter = { op: '=', property: 'n', type: 'NUMBER', value: 10 };
const isLikeA: RecordFilter = { op: 'like', property: 's', type: 'STRING', pattern: 'a%' };
const byName: SortKey = { property: 's', type: 'STRING', direction: 'ASC' };

const can: RecordCapability = {
  grade: ({ op }) => (op === 'like' ? 'inexact' : 'exact'),
  connectives: { and: true, or: true, not: true },
  sortsExactly: (property) => property === 's',
  sourceOrder: { unique: true, properties: ['id'] },
  recordIds: { kind: 'own' },
  maxPageSize: 100,
  maxWindow: 1_000,
  scanOrder: 'none',
};
const specimen: RecordPlanInput = { filter: isTen, sort: [byName], offset: 0, first: 50, capability: can, chain: null };

test('control: an exact filter in an exact order is left to the source, with one record more than the page', () => {
  expect(planRecords(specimen)).toEqual({
    strategy: 'window',
    via: 'window',
    pushed: isTen,
    residual: null,
    sort: [byName],
    order: 'unique',
    wanted: 51,
  });
});

describe('the hub scans when', () => {
  test.each<[string, Partial<RecordPlanInput>]>([
    ['the filter is inexact', { filter: isLikeA }],
    ['a part of the filter is inexact', { filter: { op: 'and', args: [isTen, isLikeA] } }],
    ['a sort key is not sorted exactly', { sort: [byName, { property: 'n', type: 'NUMBER', direction: 'ASC' }] }],
    ['the source has no order of its own', { capability: { ...can, sourceOrder: null } }],
    [
      'equal sort keys are not told apart',
      { capability: { ...can, sourceOrder: { unique: false, properties: ['s'] } } },
    ],
    ['the source has no order and none is asked', { sort: [], capability: { ...can, sourceOrder: null } }],
    ['the page and one record more do not fit the window', { capability: { ...can, maxWindow: 50 } }],
    ['an answer cannot hold two records', { capability: { ...can, maxPageSize: 1 } }],
    ['the chain began as a scan', { chain: 'scan' }],
  ])('%s', (_name, change) => {
    expect(planRecords({ ...specimen, ...change }).strategy).toBe('scan');
  });
});

test('the page that fits the window exactly is still a window', () => {
  expect(planRecords({ ...specimen, capability: { ...can, maxWindow: 51 } }).strategy).toBe('window');
});

test('a source order that is not unique serves questions without sort', () => {
  const capability = { ...can, sourceOrder: { unique: false, properties: ['s', 'n'] } };
  expect(planRecords({ ...specimen, sort: [], capability })).toMatchObject({ strategy: 'window', order: ['s', 'n'] });
});

test('a continued window asks only for what the source still lets through', () => {
  expect(planRecords({ ...specimen, offset: 980, chain: 'window' })).toMatchObject({ strategy: 'window', wanted: 20 });
});

test.each([980, 1_000, 5_000])(
  'behind what the source lets through in windows its whole order is streamed, from %d on',
  (offset) => {
    const capability = { ...can, scanOrder: 'ordered' as const };
    expect(planRecords({ ...specimen, offset, chain: 'window', capability })).toMatchObject({
      strategy: 'window',
      via: 'stream',
      wanted: 51,
    });
  },
);

test('a continued window of a source that streams no order is refused behind what it lets through', () => {
  expect(planRecords({ ...specimen, offset: 1_000, chain: 'window' })).toEqual({
    strategy: 'refused',
    reason: 'beyond-window',
  });
});

test('a continued window is refused, not scanned, when the source is no longer trusted with it', () => {
  const capability = { ...can, sortsExactly: () => false };
  expect(planRecords({ ...specimen, offset: 50, chain: 'window', capability })).toEqual({
    strategy: 'refused',
    reason: 'order-gone',
  });
});
