import { isHubError } from '@civex/errors';
import type { Queryable, QueryableType } from '@civex/model';
import { describe, expect, test } from 'vitest';
import { AGGREGATE_LIMITS, bindAggregate } from './aggregate-bind.ts';
import type { AggregateInput } from './aggregate-bind.ts';

const column = (name: string, type: QueryableType): Queryable => ({
  name,
  titles: { und: name },
  descriptions: {},
  type,
  unit: null,
});
const COLUMNS = [
  column('city', 'STRING'),
  column('bikes', 'INTEGER'),
  column('amount', 'NUMBER'),
  column('open', 'BOOLEAN'),
  column('day', 'DATE'),
  column('at', 'DATETIME'),
  column('place', 'GEOMETRY'),
  column('extra', 'JSON'),
  column('constructor', 'INTEGER'),
];

const SPECIMEN: AggregateInput = {
  groupBy: [{ property: 'city' }, { property: 'at', every: 'MONTH', timeZone: 'Europe/Paris' }],
  measures: [
    { as: 'n', op: 'COUNT' },
    { as: 'bikes_total', op: 'SUM', property: 'bikes' },
  ],
  sortBy: [
    { property: 'bikes_total', direction: 'DESC' },
    { property: 'city', direction: 'ASC' },
  ],
};

function refusal(change: Partial<AggregateInput>): string {
  try {
    bindAggregate({ ...SPECIMEN, sortBy: [], ...change }, COLUMNS);
  } catch (error) {
    if (isHubError(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'accepted';
}

describe('a bound aggregate', () => {
  test('knows types, zones, places of the order, and each property once', () => {
    expect(bindAggregate(SPECIMEN, COLUMNS)).toEqual({
      groupBy: [
        { property: 'city', type: 'STRING', every: null, timeZone: 'UTC' },
        { property: 'at', type: 'DATETIME', every: 'MONTH', timeZone: 'Europe/Paris' },
      ],
      measures: [
        { as: 'n', op: 'COUNT', property: null, type: null },
        { as: 'bikes_total', op: 'SUM', property: 'bikes', type: 'INTEGER' },
      ],
      sort: [
        { of: 'measure', index: 1, direction: 'DESC' },
        { of: 'key', index: 0, direction: 'ASC' },
      ],
      properties: ['city', 'at', 'bikes'],
    });
  });

  test.each<[string, Partial<AggregateInput>, string]>([
    [
      'an unknown property of a key',
      { groupBy: [{ property: 'citty' }] },
      'INPUT_INVALID groupBy[0]: unknown property "citty": did you mean "city".',
    ],
    [
      'an unknown property of a measure',
      { measures: [{ as: 'n', op: 'SUM', property: 'bike' }] },
      'INPUT_INVALID measures[0]: unknown property "bike": did you mean "bikes".',
    ],
    [
      'a name that every object has',
      { groupBy: [{ property: 'toString' }] },
      'INPUT_INVALID groupBy[0]: unknown property "toString".',
    ],
    [
      'a geometry as a key',
      { groupBy: [{ property: 'place' }] },
      'INPUT_INVALID groupBy[0]: property "place" is GEOMETRY, whose values cannot be told equal.',
    ],
    [
      'a key twice',
      { groupBy: [{ property: 'city' }, { property: 'city' }] },
      'INPUT_INVALID groupBy[1]: property "city" is named twice.',
    ],
    [
      'a unit of time of a text',
      { groupBy: [{ property: 'city', every: 'DAY' }] },
      'INPUT_INVALID groupBy[0].every: only DATE and DATETIME properties; "city" is STRING.',
    ],
    [
      'hours of a date',
      { groupBy: [{ property: 'day', every: 'HOUR' }] },
      'INPUT_INVALID groupBy[0].every: "day" is a DATE and has no hours.',
    ],
    [
      'an unknown unit',
      { groupBy: [{ property: 'day', every: 'DECADE' as never }] },
      'INPUT_INVALID groupBy[0].every: one of HOUR, DAY, WEEK, MONTH, QUARTER, YEAR.',
    ],
    [
      'a zone without a unit',
      { groupBy: [{ property: 'at', timeZone: 'UTC' }] },
      'INPUT_INVALID groupBy[0].timeZone: only together with every, on a DATETIME property.',
    ],
    [
      'a zone of a date',
      { groupBy: [{ property: 'day', every: 'DAY', timeZone: 'UTC' }] },
      'INPUT_INVALID groupBy[0].timeZone: only together with every, on a DATETIME property.',
    ],
    [
      'a zone that is none',
      { groupBy: [{ property: 'at', every: 'DAY', timeZone: 'Mars/Olympus' }] },
      'INPUT_INVALID groupBy[0].timeZone: not a zone of the IANA database, such as "Europe/Paris" or "UTC".',
    ],
    [
      'an offset for a zone',
      { groupBy: [{ property: 'at', every: 'DAY', timeZone: '+01:00' }] },
      'INPUT_INVALID groupBy[0].timeZone: not a zone of the IANA database, such as "Europe/Paris" or "UTC".',
    ],
    ['no measure', { measures: [] }, 'INPUT_INVALID measures: needs at least 1 entry.'],
    [
      'a sum of texts',
      { measures: [{ as: 'n', op: 'SUM', property: 'city' }] },
      'INPUT_INVALID measures[0]: SUM takes INTEGER, NUMBER; "city" is STRING.',
    ],
    [
      'the greatest truth',
      { measures: [{ as: 'n', op: 'MAX', property: 'open' }] },
      'INPUT_INVALID measures[0]: MAX takes STRING, INTEGER, NUMBER, DATE, DATETIME; "open" is BOOLEAN.',
    ],
    [
      'a sum of nothing',
      { measures: [{ as: 'n', op: 'SUM' }] },
      'INPUT_INVALID measures[0]: SUM needs a property; only COUNT goes without, and counts records.',
    ],
    [
      'an operation that is none',
      { measures: [{ as: 'n', op: 'MEDIAN' as never, property: 'bikes' }] },
      'INPUT_INVALID measures[0].op: one of COUNT, COUNT_DISTINCT, SUM, AVG, MIN, MAX.',
    ],
    [
      'a name of a measure twice',
      {
        measures: [
          { as: 'n', op: 'COUNT' },
          { as: 'n', op: 'COUNT', property: 'city' },
        ],
      },
      'INPUT_INVALID measures[1].as: "n" already names a measure or a property of groupBy.',
    ],
    [
      'a measure called as a key',
      { measures: [{ as: 'city', op: 'COUNT' }] },
      'INPUT_INVALID measures[0].as: "city" already names a measure or a property of groupBy.',
    ],
    [
      'an order by what is neither',
      { sortBy: [{ property: 'bikes', direction: 'ASC' }] },
      'INPUT_INVALID sortBy[0]: "bikes" is neither a property of groupBy nor a measure.',
    ],
    [
      'an order by a mistyped measure',
      { sortBy: [{ property: 'bikes_totl', direction: 'ASC' }] },
      'INPUT_INVALID sortBy[0]: "bikes_totl" is neither a property of groupBy nor a measure: did you mean "bikes_total".',
    ],
    [
      'an order by one thing twice',
      {
        sortBy: [
          { property: 'n', direction: 'ASC' },
          { property: 'n', direction: 'DESC' },
        ],
      },
      'INPUT_INVALID sortBy[1]: "n" is named twice.',
    ],
    [
      'too many keys',
      { groupBy: COLUMNS.slice(0, AGGREGATE_LIMITS.groupKeys + 1).map(({ name }) => ({ property: name })) },
      'INPUT_TOO_COSTLY groupBy: at most 5.',
    ],
    [
      'too many measures',
      { measures: Array.from({ length: 21 }, (_, index) => ({ as: `m${index}`, op: 'COUNT' as const })) },
      'INPUT_TOO_COSTLY measures: at most 20.',
    ],
  ])('%s is refused', (_title, change, expected) => {
    expect(refusal(change)).toBe(expected);
  });

  test.each(['', '1a', 'a b', 'a-b', '__proto__', '__a', 'é', 'a'.repeat(65), 'a\n'])('%j names no measure', (as) => {
    expect(refusal({ measures: [{ as, op: 'COUNT' }] })).toBe(
      'INPUT_INVALID measures[0].as: a letter or _, then letters, digits or _, at most 64, not beginning with __.',
    );
  });

  test.each(['a', '_a', 'A1', 'constructor', 'a'.repeat(64)])('%s names a measure', (as) => {
    expect(refusal({ measures: [{ as, op: 'COUNT' }] })).toBe('accepted');
  });
});
