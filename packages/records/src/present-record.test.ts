import type { Queryable, RecordValue } from '@civex/model';
import { expect, test } from 'vitest';
import { presentRecord } from './present-record.ts';

const column: Queryable = {
  name: 'x',
  type: 'JSON',
} as Queryable;

const present = (value: RecordValue): RecordValue | undefined =>
  presentRecord({ id: '1', values: { x: value } }, [column], [column]).record.values['x'];

test('big integers become texts at any depth, and what they came from stays as it was', () => {
  const given: RecordValue = [1, { a: [2n, 'b', { c: 9_007_199_254_740_993n, d: null }] }, 3n, [4]];
  expect(present(given)).toEqual([1, { a: ['2', 'b', { c: '9007199254740993', d: null }] }, '3', [4]]);
  expect(given).toEqual([1, { a: [2n, 'b', { c: 9_007_199_254_740_993n, d: null }] }, 3n, [4]]);
});

test('a member called __proto__ stays a member', () => {
  const given = Object.fromEntries([
    ['__proto__', 5n],
    ['a', 1],
  ]) as RecordValue;
  expect(JSON.stringify(present(given))).toBe('{"__proto__":"5","a":1}');
});

test('a value nested as deep as may be takes no longer for the big integer at its bottom', () => {
  let given: RecordValue = 1n;
  for (let depth = 0; depth < 60; depth++) given = depth % 2 === 0 ? [given] : { a: given };
  expect(JSON.stringify(present(given))).toContain('"1"');
  for (let depth = 0; depth < 10; depth++) given = [given];
  expect(() => present(given)).toThrow(/nested deeper than 64 levels/);
});
