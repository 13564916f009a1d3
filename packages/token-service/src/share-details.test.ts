import fc from 'fast-check';
import { expect, test } from 'vitest';
import { intersectShareDetails, readShareDetails, type GrantedDetail } from './share-details.ts';

const TYPE = 'urn:civex:data-share';
const AGREEMENTS = ['a', 'b'];
const ACTIONS = ['QUERY', 'EXPORT', 'AGGREGATE'];
const DATASETS = ['x:1', 'x:2', 'y:1'];
const PURPOSES = ['heat', 'crime'];

const list = (values: readonly string[]) => fc.subarray([...values], { minLength: 1 });
const detail: fc.Arbitrary<GrantedDetail> = fc.record(
  {
    type: fc.constant(TYPE as GrantedDetail['type']),
    identifier: fc.constantFrom(...AGREEMENTS),
    actions: list(ACTIONS),
    locations: list(DATASETS),
    purpose: fc.constantFrom(...PURPOSES),
  },
  { requiredKeys: ['type'] },
);
/** As a token has them: read from what was asked. */
const details = fc.option(
  fc.array(detail, { minLength: 1, maxLength: 4 }).map((value) => readShareDetails(value) ?? undefined),
  { nil: undefined },
);

/** Everything there is to be allowed. */
const WORLD = AGREEMENTS.flatMap((identifier) =>
  ACTIONS.flatMap((action) =>
    DATASETS.flatMap((location) => PURPOSES.map((purpose) => ({ identifier, action, location, purpose }))),
  ),
);

/** What a hub would allow, written without the code under test. */
const allowed = (value: readonly GrantedDetail[] | undefined): readonly boolean[] =>
  WORLD.map(
    ({ identifier, action, location, purpose }) =>
      value === undefined ||
      value.some(
        (one) =>
          (one.identifier ?? identifier) === identifier &&
          (one.actions ?? [action]).includes(action) &&
          (one.locations ?? [location]).includes(location) &&
          (one.purpose ?? purpose) === purpose,
      ),
  );

test('the intersection allows exactly what both sides allow', ({ task }) => {
  let runs = 0;
  let wider = 0;
  fc.assert(
    fc.property(details, details, (one, other) => {
      const both = intersectShareDetails(one, other);
      const [left, right] = [allowed(one), allowed(other)];
      const expected = WORLD.map((_, index) => left[index] === true && right[index] === true);
      const given = both === null ? WORLD.map(() => false) : allowed(both);
      runs += 1;
      if (given.some((is, index) => is && !expected[index])) wider += 1;
      expect(given).toEqual(expected);
      // A token with nothing but an empty list is never made of it.
      if (both !== null && both !== undefined) expect(both.length).toBeGreaterThan(0);
    }),
    { seed: 20_261_123, numRuns: 3000 },
  );
  task.meta.figures = [
    {
      point: 13,
      what: 'intersections of authorization_details wider than a side',
      value: wider,
      target: `0 of ${runs}`,
      isMet: wider === 0 && runs === 3000,
    },
  ];
});

test('reading keeps what is allowed and is the same when done twice', () => {
  fc.assert(
    fc.property(fc.array(detail, { minLength: 1, maxLength: 6 }), (asked) => {
      const read = readShareDetails(asked);
      expect(read).not.toBeNull();
      expect(allowed(read ?? [])).toEqual(allowed(asked));
      expect(readShareDetails(read)).toEqual(read);
    }),
    { seed: 20_261_123, numRuns: 1000 },
  );
});

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['no list', { type: TYPE }],
  ['an empty list', []],
  ['null in the list', [null]],
  ['a list in the list', [[]]],
  ['another type', [{ type: 'urn:civex:other' }]],
  ['an unknown member', [{ type: TYPE, privileges: ['x'] }]],
  ['an empty list of datasets', [{ type: TYPE, locations: [] }]],
  ['65 datasets', [{ type: TYPE, locations: Array.from({ length: 65 }, (_, index) => `${index}`) }]],
  ['a text of 256 characters', [{ type: TYPE, purpose: 'x'.repeat(256) }]],
  ['an empty text', [{ type: TYPE, identifier: '' }]],
])('%s is not understood', (_, value) => {
  expect(readShareDetails(value)).toBeNull();
});

test('an intersection too long for a token is refused, not cut', () => {
  const many = (name: 'locations' | 'actions', letter: string) =>
    Array.from({ length: 15 }, (_, index) => ({
      type: TYPE,
      identifier: `agreement-${name === 'actions' ? '' : index}`,
      [name]: [`${letter}-${index}`],
    })).map((one) => (name === 'actions' ? { type: TYPE, actions: one[name] } : one));
  const [one, other] = [readShareDetails(many('locations', 'l')), readShareDetails(many('actions', 'a'))];
  expect([one?.length, other?.length]).toEqual([15, 15]);
  expect(intersectShareDetails(one ?? [], other ?? [])).toBeNull();
});
