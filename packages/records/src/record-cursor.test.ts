import type { HubRecord } from '@civex/model';
import type { SortKey } from '@civex/query';
import { describe, expect, test } from 'vitest';
import { createCursorCodec, MAX_CURSOR_LENGTH, PLAIN_SEAL, scanDigest } from './record-cursor.ts';

const sort: readonly SortKey[] = [
  { property: 's', type: 'STRING', direction: 'ASC' },
  { property: 'i', type: 'INTEGER', direction: 'DESC' },
  { property: 'n', type: 'NUMBER', direction: 'ASC' },
];
const codec = createCursorCodec('q', sort, PLAIN_SEAL);
const record: HubRecord = { id: '𝄞"7', values: { s: 'é\n\ud800', i: 9_007_199_254_740_993n, n: null } };
const seal = (fields: unknown): string => Buffer.from(JSON.stringify(fields)).toString('base64url');

test('a scan cursor brings back id and sort values, big integers and null included', () => {
  expect(codec.read(codec.scan(record))).toEqual({ mode: 'scan', position: { kind: 'key', record } });
});

test('a window cursor brings back offset and anchor', () => {
  const digestAnchor = { kind: 'digest', digest: 'abc' } as const;
  const keyAnchor = { kind: 'key', record: { id: '', values: { s: null, i: 9_007_199_254_740_993n } } } as const;
  expect(codec.read(codec.window(7, digestAnchor))).toEqual({ mode: 'window', offset: 7, anchor: digestAnchor });
  expect(codec.read(codec.window(7, keyAnchor))).toEqual({ mode: 'window', offset: 7, anchor: keyAnchor });
});

test.each([
  ['a sort value', { id: 'x', values: { s: '語'.repeat(2_000), i: 1, n: 1 } }],
  ['an id', { id: '語'.repeat(9_000), values: { s: '', i: 1, n: 1 } }],
])('%s that is too long is replaced by a digest', (_name, long) => {
  const cursor = codec.scan(long);
  expect(cursor.length).toBeLessThanOrEqual(MAX_CURSOR_LENGTH);
  expect(codec.read(cursor)).toEqual({ mode: 'scan', position: { kind: 'digest', digest: scanDigest(long, sort) } });
});

test('the longest cursor that is not a digest stays within the bound', () => {
  const lengths = Array.from(
    { length: 200 },
    (_, index) => codec.scan({ id: 'x', values: { s: '語'.repeat(800 + index), i: 1, n: 1 } }).length,
  );
  expect(Math.max(...lengths)).toBeLessThanOrEqual(MAX_CURSOR_LENGTH - 300);
  expect(Math.max(...lengths)).toBeGreaterThan(3_500);
});

const specimen = { v: 1, q: 'q', m: 's', k: ['a', 1, null], i: 'x' };

test('control: the unaltered specimen is read', () => {
  expect(codec.read(seal(specimen))).not.toBeNull();
});

describe('refuses a cursor that', () => {
  test.each<[string, string]>([
    ['is empty', ''],
    ['is not base64url', `${seal(specimen)}=`],
    ['is not JSON', Buffer.from('{').toString('base64url')],
    ['holds no object', seal('x')],
    ['is null', seal(null)],
    ['has another version', seal({ ...specimen, v: 2 })],
    ['belongs to another question', seal({ ...specimen, q: 'r' })],
    ['has no mode', seal({ ...specimen, m: undefined })],
    ['has an unknown mode', seal({ ...specimen, m: 'x' })],
    ['has too few sort values', seal({ ...specimen, k: ['a', 1] })],
    ['has too many sort values', seal({ ...specimen, k: ['a', 1, null, 2] })],
    ['has a list as a sort value', seal({ ...specimen, k: [['a'], 1, null] })],
    ['has an integer that is none', seal({ ...specimen, k: ['a', { i: '1e9' }, null] })],
    ['has an endless integer', seal({ ...specimen, k: ['a', { i: '9'.repeat(41) }, null] })],
    ['has no id', seal({ ...specimen, i: undefined })],
    ['has a negative offset', seal({ v: 1, q: 'q', m: 'w', o: -1, a: 'x' })],
    ['has the offset of a first page', seal({ v: 1, q: 'q', m: 'w', o: 0, a: 'x' })],
    ['has a broken offset', seal({ v: 1, q: 'q', m: 'w', o: 1.5, a: 'x' })],
    ['has no anchor', seal({ v: 1, q: 'q', m: 'w', o: 1 })],
    ['has an anchor without names', seal({ v: 1, q: 'q', m: 'w', o: 1, k: ['a'] })],
    ['is longer than 4 KB', seal({ ...specimen, i: 'x'.repeat(4_000) })],
  ])('%s', (_name, cursor) => {
    expect(codec.read(cursor)).toBeNull();
  });
});
