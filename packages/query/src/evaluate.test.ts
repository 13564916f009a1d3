import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import type { HubRecord, RecordValue } from '@civex/model';
import { createPredicate, evaluateFilter } from './evaluate.ts';
import type { Predicate, RecordFilter } from './filter.ts';
import { filters, records } from './test-support/arbitraries.ts';

const record = (values: HubRecord['values']): HubRecord => ({ id: 'r', values });
const truth = (predicate: object, value?: RecordValue): boolean | null =>
  evaluateFilter(
    { property: 'x', type: 'STRING', ...predicate } as Predicate,
    record(value === undefined ? {} : { x: value }),
  );

const T: RecordFilter = { op: '=', property: 't', type: 'BOOLEAN', value: true };
const F: RecordFilter = { op: '=', property: 't', type: 'BOOLEAN', value: false };
const U: RecordFilter = { op: '=', property: 'u', type: 'BOOLEAN', value: true };
const LOGIC = record({ t: true, u: null });
const NAMES = new Map<RecordFilter, boolean | null>([
  [T, true],
  [F, false],
  [U, null],
]);

/** SQL's tables, written as a function of the lists. */
const all = (parts: readonly (boolean | null)[]): boolean | null =>
  parts.includes(false) ? false : parts.includes(null) ? null : true;
const any = (parts: readonly (boolean | null)[]): boolean | null =>
  parts.includes(true) ? true : parts.includes(null) ? null : false;

describe('connectives', () => {
  test('follow three-valued logic', () => {
    const part = fc.constantFrom(T, F, U);
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (args) => {
        const truths = args.map((arg) => NAMES.get(arg) ?? null);
        expect(evaluateFilter({ op: 'and', args }, LOGIC)).toBe(all(truths));
        expect(evaluateFilter({ op: 'or', args }, LOGIC)).toBe(any(truths));
      }),
      { seed: 51, numRuns: 300 },
    );
    expect([T, F, U].map((arg) => evaluateFilter({ op: 'not', args: [arg] }, LOGIC))).toEqual([false, true, null]);
  });

  test('De Morgan holds for every filter', () => {
    fc.assert(
      fc.property(filters, filters, records, (a, b, given) => {
        const not = (arg: RecordFilter): RecordFilter => ({ op: 'not', args: [arg] });
        expect(evaluateFilter(not({ op: 'and', args: [a, b] }), given)).toBe(
          evaluateFilter({ op: 'or', args: [not(a), not(b)] }, given),
        );
      }),
      { seed: 52, numRuns: 500 },
    );
  });

  test('a record is in the answer only when the filter is true, not when it is unknown', () => {
    fc.assert(
      fc.property(filters, records, (filter, given) => {
        expect(createPredicate(filter)(given)).toBe(evaluateFilter(filter, given) === true);
      }),
      { seed: 53, numRuns: 500 },
    );
    expect(createPredicate(null)(LOGIC)).toBe(true);
    expect(createPredicate(U)(LOGIC)).toBe(false);
    expect(createPredicate({ op: 'not', args: [U] })(LOGIC)).toBe(false);
  });
});

describe('predicates', () => {
  test.each<readonly [object, RecordValue | undefined, boolean | null]>([
    [{ op: '=', value: 'a' }, 'a', true],
    [{ op: '=', value: 'a' }, 'A', false],
    [{ op: '=', value: 'é' }, 'e\u0301', false],
    [{ op: '<>', value: 'a' }, 'b', true],
    [{ op: '<>', value: 'a' }, null, null],
    [{ op: '<>', value: 'a' }, undefined, null],
    [{ op: '=', value: 'a' }, 5, null],
    [{ op: '<', value: 10, type: 'INTEGER' }, 9, true],
    [{ op: '<=', value: 9, type: 'INTEGER' }, 9, true],
    [{ op: '>', value: 9, type: 'INTEGER' }, 9, false],
    [{ op: '>=', value: 9_007_199_254_740_993n, type: 'INTEGER' }, 9_007_199_254_740_992, false],
    [{ op: '=', value: '2026-03-29T01:30:00Z', type: 'DATETIME' }, '2026-03-29T02:30:00+01:00', true],
    [{ op: '=', value: true, type: 'BOOLEAN' }, 'true', null],
    [{ op: 'in', values: ['a', 'b'] }, 'b', true],
    [{ op: 'in', values: ['a', 'b'] }, 'c', false],
    [{ op: 'in', values: ['a', 'b'] }, null, null],
    [{ op: 'between', lower: 1, upper: 3, type: 'NUMBER' }, 1, true],
    [{ op: 'between', lower: 1, upper: 3, type: 'NUMBER' }, 3, true],
    [{ op: 'between', lower: 1, upper: 3, type: 'NUMBER' }, 3.1, false],
    [{ op: 'between', lower: 3, upper: 1, type: 'NUMBER' }, 2, false],
    [{ op: 'between', lower: 1, upper: 3, type: 'NUMBER' }, null, null],
    [{ op: 'isNull' }, null, true],
    [{ op: 'isNull' }, undefined, true],
    [{ op: 'isNull' }, '', false],
    [{ op: 'isNull', type: 'JSON' }, [], false],
    [{ op: 'like', pattern: '%' }, null, null],
    [{ op: 'like', pattern: '%' }, 5, null],
    [{ op: 'bbox', bbox: [0, 0, 2, 2], type: 'GEOMETRY' }, { type: 'Point', coordinates: [1, 1] }, true],
    [{ op: 'bbox', bbox: [0, 0, 2, 2], type: 'GEOMETRY' }, { type: 'Point', coordinates: [3, 3] }, false],
    [{ op: 'bbox', bbox: [0, 0, 2, 2], type: 'GEOMETRY' }, null, null],
    [{ op: 'bbox', bbox: [0, 0, 2, 2], type: 'GEOMETRY' }, { type: 'Point', coordinates: null }, null],
    [{ op: 'bbox', bbox: [0, 0, 2, 2], type: 'GEOMETRY' }, { type: 'Polygon', coordinates: [[]] }, null],
    [{ op: 'intersects', geometry: { type: 'Point', coordinates: [1, 1] }, type: 'GEOMETRY' }, [1, 1], null],
    [
      { op: 'withinMetres', lon: 1, lat: 1, metres: 5, type: 'GEOMETRY' },
      { type: 'Unknown', coordinates: [1, 1] },
      null,
    ],
    [{ op: 'withinMetres', lon: 1, lat: 1, metres: 5, type: 'GEOMETRY' }, { type: 'Point', coordinates: [1, 1] }, true],
  ])('%o on %o is %s', (predicate, value, answer) => {
    expect(truth(predicate, value)).toBe(answer);
  });
});

/** LIKE by its definition: tries every length for `%`. */
function isLike(pattern: readonly string[], text: readonly string[]): boolean {
  const [head, ...rest] = pattern;
  if (head === undefined) return text.length === 0;
  if (head === '%')
    return Array.from({ length: text.length + 1 }, (_, skip) => skip).some((skip) => isLike(rest, text.slice(skip)));
  if (text.length === 0) return false;
  if (head === '_') return isLike(rest, text.slice(1));
  const [character, ...after] = head === '\\' ? rest : pattern;
  return character === text[0] && isLike(after, text.slice(1));
}

describe('like', () => {
  test('matches as its definition does', () => {
    const unit = fc.constantFrom('a', 'b', '%', '_', '\\', '𝄞', '\n');
    const pattern = fc
      .array(fc.oneof(unit, fc.constantFrom('%', '_', '\\%', '\\_', '\\\\', '\\a')), { maxLength: 7 })
      .map((parts) => parts.join(''))
      .filter((text) => !/(?<!\\)(\\\\)*\\$/.test(text));
    fc.assert(
      fc.property(pattern, fc.string({ unit, maxLength: 7 }), (given, text) => {
        expect(truth({ op: 'like', pattern: given }, text)).toBe(isLike(Array.from(given), Array.from(text)));
      }),
      { seed: 54, numRuns: 5_000 },
    );
  });

  test.each([
    ['Smith%', 'Smithers', true],
    ['Smith%', 'smithers', false],
    ['', '', true],
    ['', 'a', false],
    ['%', '', true],
    ['_', '𝄞', true],
    ['_', 'e\u0301', false],
    ['50\\%', '50%', true],
    ['50\\%', '500', false],
    ['a.c', 'abc', false],
    ['a%c', 'a\nc', true],
  ])('%j on %j is %s', (pattern, text, answer) => {
    expect(truth({ op: 'like', pattern }, text)).toBe(answer);
  });

  test('many wildcards cost no exponential time', () => {
    const started = performance.now();
    expect(truth({ op: 'like', pattern: `${'%a'.repeat(500)}b` }, 'a'.repeat(20_000))).toBe(false);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
