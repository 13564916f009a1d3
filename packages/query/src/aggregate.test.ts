import { isHubError } from '@civex/errors';
import type { Queryable, QueryableType, RecordValue } from '@civex/model';
import { describe, expect, test } from 'vitest';
import type { AggregateInput } from './aggregate-bind.ts';
import { AGGREGATE_LIMITS, bindAggregate } from './aggregate-bind.ts';
import type { AggregateOutcome, Aggregator } from './aggregate.ts';
import { createAggregator } from './aggregate.ts';
import { compareValues } from './compare.ts';

const TYPES: readonly (readonly [string, QueryableType])[] = [
  ['s', 'STRING'],
  ['i', 'INTEGER'],
  ['n', 'NUMBER'],
  ['b', 'BOOLEAN'],
  ['d', 'DATE'],
  ['t', 'DATETIME'],
  ['g', 'GEOMETRY'],
  ['constructor', 'STRING'],
  ['__proto__', 'STRING'],
];
const COLUMNS = TYPES.map(([name, type]): Queryable => ({
  name,
  titles: { und: name },
  descriptions: {},
  type,
  unit: null,
}));

const aggregatorOf = (input: Partial<AggregateInput>): Aggregator =>
  createAggregator(
    bindAggregate({ groupBy: [], measures: [{ as: 'n_', op: 'COUNT' }], sortBy: [], ...input }, COLUMNS),
  );

function aggregate(
  rows: readonly Readonly<Record<string, RecordValue>>[],
  input: Partial<AggregateInput>,
  first = 1_000,
): AggregateOutcome {
  const aggregator = aggregatorOf(input);
  for (const row of rows) aggregator.add(row);
  return aggregator.finish(first);
}

const codeOf = (act: () => void): string => {
  try {
    act();
  } catch (error) {
    if (isHubError(error)) return error.code;
    throw error;
  }
  return 'no error';
};

describe('measures', () => {
  const measure = (
    property: string,
    op: 'COUNT' | 'COUNT_DISTINCT' | 'SUM' | 'AVG' | 'MIN' | 'MAX',
    values: readonly RecordValue[],
  ): RecordValue | undefined =>
    aggregate(
      values.map((value) => ({ [property]: value })),
      { measures: [{ as: 'm', op, property }] },
    ).groups[0]?.measures['m'];

  test.each<[string, Parameters<typeof measure>[1], readonly RecordValue[], RecordValue]>([
    ['n', 'SUM', [0.1, 0.2], 0.3],
    ['n', 'SUM', ['12345678901234567.89', 0.01], '12345678901234567.9'],
    ['n', 'SUM', [9_007_199_254_740_992, 1], '9007199254740993'],
    ['n', 'SUM', ['NaN', 'Infinity', '1,5', true, 2], 2],
    ['n', 'SUM', [null, 'NaN'], null],
    ['n', 'SUM', [], null],
    ['n', 'SUM', [-0], 0],
    ['i', 'SUM', [9_223_372_036_854_775_807n, 1], '9223372036854775808'],
    ['i', 'SUM', [9_007_199_254_740_993n, -9_007_199_254_740_992n], 1],
    ['i', 'SUM', ['5', 1], 1],
    ['i', 'SUM', [1.5, 1], 2.5],
    ['n', 'AVG', [0.1, 0.2], 0.15],
    ['n', 'AVG', [1, 0, 0], 0.3333333333333333],
    ['n', 'AVG', ['12345678901234567.89', '12345678901234567.91'], '12345678901234567.9'],
    ['n', 'AVG', ['12345678901234567.89', 0, 0], '4115226300411522.63'],
    ['n', 'AVG', ['12345678901234567.88', 0, 0], '4115226300411522.626666666666666667'],
    ['i', 'AVG', [1, 2], 1.5],
    ['i', 'AVG', [9_007_199_254_740_993n], '9007199254740993'],
    ['i', 'AVG', [null], null],
    ['n', 'AVG', [-0, 0], 0],
    ['n', 'COUNT', [null, 'NaN', 1], 2],
    ['g', 'COUNT', [null, { type: 'Point', coordinates: [1, 2] }], 1],
    ['n', 'COUNT_DISTINCT', [1, 1n, '1.0', '1e0', 2, 'NaN', null], 2],
    ['i', 'COUNT_DISTINCT', [9_007_199_254_740_992, 9_007_199_254_740_992n, 9_007_199_254_740_993n], 2],
    ['s', 'COUNT_DISTINCT', ['é', 'e\u0301', 'E', 'e', 'e', 7], 4],
    ['t', 'COUNT_DISTINCT', ['2026-01-01T00:00:00Z', '2026-01-01T01:00:00.000+01:00', '2026-01-01T00:00:00.1Z'], 2],
    ['d', 'COUNT_DISTINCT', ['2026', '2026-01', '2026-01-01', 'soon'], 1],
    ['n', 'MIN', ['-0.00000000000000000001', 0, 'NaN'], -1e-20],
    ['n', 'MAX', ['0.123456789012345678901', 0.1], '0.123456789012345678901'],
    ['i', 'MAX', [9_007_199_254_740_992n, 9_007_199_254_740_993n, 3], '9007199254740993'],
    ['s', 'MAX', ['\uffee', '𝄞', 'z'], '𝄞'],
    ['d', 'MIN', ['2026-02', '2026', '2026-01-02'], '2026-01-01'],
    ['t', 'MAX', ['2026-01-01T00:00:00Z', '2026-01-01T00:30:00+01:00'], '2026-01-01T00:00:00Z'],
    ['t', 'MIN', ['2026-01-01T00:00:00.120Z'], '2026-01-01T00:00:00.12Z'],
  ])('%s: %s', (property, op, values, expected) => {
    expect(measure(property, op, values)).toBe(expected);
    expect(measure(property, op, values.toReversed())).toBe(expected);
  });

  test('a number with more digits than can be reckoned with is refused, not left out', () => {
    const long = `1${'0'.repeat(500)}.5`;
    for (const op of ['SUM', 'AVG', 'MIN', 'COUNT_DISTINCT'] as const)
      expect(codeOf(() => measure('n', op, [long]))).toBe('SOURCE_MALFORMED');
    expect(codeOf(() => aggregate([{ n: long }], { groupBy: [{ property: 'n' }] }))).toBe('SOURCE_MALFORMED');
  });
});

describe('groups', () => {
  test('nulls and values of another type are one group, last in both directions', () => {
    const rows = [{ i: 2 }, { i: null }, { i: 1 }, { i: 'x' }, {}];
    const keys = (direction: 'ASC' | 'DESC'): unknown =>
      aggregate(rows, { groupBy: [{ property: 'i' }], sortBy: [{ property: 'i', direction }] }).groups.map(
        ({ key, measures }) => [key['i'], measures['n_']],
      );
    expect(keys('ASC')).toEqual([
      [1, 1],
      [2, 1],
      [null, 3],
    ]);
    expect(keys('DESC')).toEqual([
      [2, 1],
      [1, 1],
      [null, 3],
    ]);
  });

  test('without keys there is one, of no records too', () => {
    expect(aggregate([], {}).groups).toEqual([{ key: {}, measures: { n_: 0 } }]);
    expect(aggregate([], { groupBy: [{ property: 's' }] }).groups).toEqual([]);
  });

  test('texts that run into each other stay apart', () => {
    const rows = [
      { s: 'a', constructor: '1:b' },
      { s: 'a1', constructor: ':b' },
      { s: '', constructor: 'a1:b' },
      { s: '-', constructor: null },
      { s: null, constructor: '-' },
    ] as unknown as Record<string, RecordValue>[];
    expect(aggregate(rows, { groupBy: [{ property: 's' }, { property: 'constructor' }] }).groups).toHaveLength(5);
  });

  test('names that objects inherit are properties like any other', () => {
    const row = JSON.parse('{"__proto__":"own","constructor":"mine"}') as Record<string, RecordValue>;
    const { groups } = aggregate([row, {}], { groupBy: [{ property: '__proto__' }, { property: 'constructor' }] });
    expect(JSON.stringify(groups)).toBe(
      '[{"key":{"__proto__":"own","constructor":"mine"},"measures":{"n_":1}},{"key":{"__proto__":null,"constructor":null},"measures":{"n_":1}}]',
    );
  });

  test('are ordered by measures, ties by the keys', () => {
    const rows = [{ s: 'b' }, { s: 'a' }, { s: 'c' }, { s: 'c' }, { s: null }];
    const { groups, truncated } = aggregate(
      rows,
      { groupBy: [{ property: 's' }], sortBy: [{ property: 'n_', direction: 'DESC' }] },
      3,
    );
    expect(groups.map(({ key }) => key['s'])).toEqual(['c', 'a', 'b']);
    expect(truncated).toBe(true);
  });

  test('are not truncated when there are as many as asked for', () => {
    expect(aggregate([{ s: 'a' }, { s: 'b' }], { groupBy: [{ property: 's' }] }, 2).truncated).toBe(false);
  });

  test('a null sum comes last, also when the largest come first', () => {
    const rows = [
      { s: 'a', n: null },
      { s: 'b', n: -1 },
    ];
    const input: Partial<AggregateInput> = {
      groupBy: [{ property: 's' }],
      measures: [{ as: 'm', op: 'SUM', property: 'n' }],
      sortBy: [{ property: 'm', direction: 'DESC' }],
    };
    expect(aggregate(rows, input).groups.map(({ key }) => key['s'])).toEqual(['b', 'a']);
  });
});

describe('the bounds', () => {
  test('on groups are refused at once, not when all have been read', () => {
    const aggregator = aggregatorOf({ groupBy: [{ property: 'i' }] });
    for (let i = 0; i < AGGREGATE_LIMITS.groups; i++) aggregator.add({ i });
    aggregator.add({ i: 0 });
    expect(codeOf(() => aggregator.add({ i: -1 }))).toBe('INPUT_TOO_COSTLY');
  });

  test('on different values hold for all of them together', () => {
    const aggregator = aggregatorOf({
      measures: [
        { as: 'a', op: 'COUNT_DISTINCT', property: 'i' },
        { as: 'b', op: 'COUNT_DISTINCT', property: 'i' },
      ],
    });
    const half = AGGREGATE_LIMITS.distinctValues / 2;
    for (let i = 0; i < half; i++) aggregator.add({ i });
    expect(codeOf(() => aggregator.add({ i: -1 }))).toBe('INPUT_TOO_COSTLY');
  });

  test('on characters hold for keys, different values and extremes', () => {
    const long = (index: number): string => `${index}${'x'.repeat(1_000_000)}`;
    for (const input of [
      { groupBy: [{ property: 's' }] },
      { measures: [{ as: 'm', op: 'COUNT_DISTINCT' as const, property: 's' }] },
      { groupBy: [{ property: 'i' }], measures: [{ as: 'm', op: 'MIN' as const, property: 's' }] },
    ]) {
      const aggregator = aggregatorOf(input);
      expect(
        codeOf(() => {
          for (let i = 0; i < 60; i++) aggregator.add({ i, s: long(i) });
        }),
      ).toBe('INPUT_TOO_COSTLY');
    }
  });
});

describe('parts', () => {
  const input: Partial<AggregateInput> = {
    groupBy: [{ property: 't', every: 'MONTH' }],
    measures: [
      { as: 'count', op: 'COUNT' },
      { as: 'sum', op: 'SUM', property: 'i' },
      { as: 'mean', op: 'AVG', property: 'i' },
      { as: 'least', op: 'MIN', property: 'i' },
    ],
  };

  test('of smaller units come together', () => {
    const aggregator = aggregatorOf(input);
    for (const [day, count, sum, least] of [
      ['2026-03-01T00:00:00Z', 2, 10, 4],
      ['2026-03-31T00:00:00Z', 1, null, null],
      ['2026-04-01T00:00:00Z', 1, 7, 7],
      [null, 1, 1, 1],
    ] as const)
      aggregator.addPart({
        keys: [day],
        measures: [
          { op: 'COUNT', count },
          { op: 'SUM', sum, count: sum === null ? 0 : count },
          { op: 'AVG', sum, count: sum === null ? 0 : count },
          { op: 'MIN', value: least },
        ],
      });
    expect(aggregator.finish(10).groups).toEqual([
      { key: { t: '2026-03-01T00:00:00Z' }, measures: { count: 3, sum: 10, mean: 5, least: 4 } },
      { key: { t: '2026-04-01T00:00:00Z' }, measures: { count: 1, sum: 7, mean: 7, least: 7 } },
      { key: { t: null }, measures: { count: 1, sum: 1, mean: 1, least: 1 } },
    ]);
  });

  test('admit a record that may be among them, and none that cannot', () => {
    const aggregator = aggregatorOf({
      groupBy: [{ property: 's' }],
      measures: [
        { as: 'top', op: 'MAX', property: 'i' },
        { as: 'bottom', op: 'MIN', property: 'i' },
        { as: 'values', op: 'COUNT', property: 'd' },
      ],
    });
    aggregator.addPart({
      keys: ['a'],
      measures: [
        { op: 'MAX', value: 5 },
        { op: 'MIN', value: 2 },
        { op: 'COUNT', count: 0 },
      ],
    });
    expect(aggregator.admits({ s: 'a', i: 3 })).toBe(true);
    expect(aggregator.admits({ s: 'a', i: null })).toBe(true);
    expect(aggregator.admits({ s: 'a', i: 6 })).toBe(false);
    expect(aggregator.admits({ s: 'a', i: 1 })).toBe(false);
    expect(aggregator.admits({ s: 'A', i: 3 })).toBe(false);
    expect(aggregator.admits({ s: null, i: 3 })).toBe(false);
    expect(aggregator.admits({ s: 'a', i: 3, d: '2026' })).toBe(false);
  });
});

describe('numbers with more digits than doubles hold', () => {
  test.each([
    ['12345678901234567.89', '12345678901234567.9', -1],
    ['12345678901234567.90', '12345678901234567.9', 0],
    ['0.30000000000000004', 0.1 + 0.2, 0],
    ['0.3', 0.1 + 0.2, -1],
    ['9007199254740993.0', 9_007_199_254_740_993n, 0],
    [9_007_199_254_740_992, 9_007_199_254_740_993n, -1],
    [1e23, 10n ** 23n, 0],
    ['1e300', 1e300, 0],
    ['-1', Infinity, -1],
    ['1', -Infinity, 1],
    ['NaN', 1, null],
    ['x', Infinity, null],
    ['1e500', 1, null],
    ['', 0, null],
    [true, 1, null],
  ])('%s and %s compare by value', (a, b, expected) => {
    expect(compareValues(a, b, 'NUMBER')).toBe(expected);
    const reverse = compareValues(b, a, 'NUMBER');
    expect(reverse === null ? null : 0 - reverse).toBe(expected);
  });

  test('texts are no integers', () => {
    expect(compareValues('1', 1, 'INTEGER')).toBeNull();
  });
});
