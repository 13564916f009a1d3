import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import type { AgreementTerms, Grant, Mask, MaskMethod } from './agreement.ts';
import type { TermsChange } from './compare-terms.ts';
import { compareTerms } from './compare-terms.ts';
import { gridResolution } from './mask-value.ts';
import { terms } from './test-support/terms.ts';

const GRANT: Grant = {
  dataset: 'leicester:energy',
  actions: ['DISCOVER', 'QUERY', 'AGGREGATE'],
  properties: null,
  masks: [],
  rows: null,
  disclosure: null,
  limits: null,
};
const OTHER: Grant = { ...GRANT, dataset: 'leicester:water' };
const TERMS: AgreementTerms = {
  provider: 'leicester',
  consumer: 'region',
  delegates: ['a', 'b'],
  purposes: ['p', 'q'],
  validFrom: '2026-01-01T00:00:00Z',
  validUntil: '2027-01-01T00:00:00Z',
  grants: [GRANT, OTHER],
};
const withGrant = (changes: Partial<Grant>): AgreementTerms => ({
  ...TERMS,
  grants: [{ ...GRANT, ...changes }, OTHER],
});
const A = { property: 'a', eq: 1 };
const B = { property: 'b', eq: 2 };
const C = { property: 'c', eq: 3 };

/** What becomes of the first when the second replaces it, and the other way round. */
const CHANGES: readonly (readonly [string, AgreementTerms, AgreementTerms, TermsChange, TermsChange])[] = [
  ['a grant less', TERMS, { ...TERMS, grants: [GRANT] }, 'narrower', 'wider'],
  ['an action less', TERMS, withGrant({ actions: ['DISCOVER'] }), 'narrower', 'wider'],
  ['another action', TERMS, withGrant({ actions: ['DISCOVER', 'EXPORT'] }), 'wider', 'wider'],
  ['a purpose less', TERMS, { ...TERMS, purposes: ['p'] }, 'narrower', 'wider'],
  ['a delegate less', TERMS, { ...TERMS, delegates: ['b'] }, 'narrower', 'wider'],
  ['a later beginning', TERMS, { ...TERMS, validFrom: '2026-02-01T00:00:00Z' }, 'narrower', 'wider'],
  ['an earlier end', TERMS, { ...TERMS, validUntil: '2026-12-31T23:59:59.999Z' }, 'narrower', 'wider'],
  ['another provider', TERMS, { ...TERMS, provider: 'x' }, 'wider', 'wider'],
  ['another consumer', TERMS, { ...TERMS, consumer: 'x' }, 'wider', 'wider'],
  ['some columns for all', TERMS, withGrant({ properties: ['a'] }), 'narrower', 'wider'],
  ['a column less', withGrant({ properties: ['a', 'b'] }), withGrant({ properties: ['b'] }), 'narrower', 'wider'],
  ['no column', withGrant({ properties: ['a'] }), withGrant({ properties: [] }), 'narrower', 'wider'],
  [
    'a limit',
    TERMS,
    withGrant({ limits: { requestsPerDay: 9, recordsPerDay: null, recordsPerRequest: null } }),
    'narrower',
    'wider',
  ],
  [
    'a lower limit',
    withGrant({ limits: { requestsPerDay: null, recordsPerDay: 9, recordsPerRequest: 9 } }),
    withGrant({ limits: { requestsPerDay: null, recordsPerDay: 8, recordsPerRequest: 9 } }),
    'narrower',
    'wider',
  ],
  [
    'one limit for another',
    withGrant({ limits: { requestsPerDay: 9, recordsPerDay: null, recordsPerRequest: null } }),
    withGrant({ limits: { requestsPerDay: null, recordsPerDay: null, recordsPerRequest: 9 } }),
    'wider',
    'wider',
  ],
  ['a row rule', TERMS, withGrant({ rows: A }), 'narrower', 'wider'],
  ['a condition more', withGrant({ rows: A }), withGrant({ rows: { and: [B, A] } }), 'narrower', 'wider'],
  [
    'a condition more in an and',
    withGrant({ rows: { and: [A, B] } }),
    withGrant({ rows: { and: [{ and: [B, C] }, A] } }),
    'narrower',
    'wider',
  ],
  ['an or of the same', withGrant({ rows: A }), withGrant({ rows: { or: [A, B] } }), 'wider', 'wider'],
  ['a not of the same', withGrant({ rows: A }), withGrant({ rows: { not: A } }), 'wider', 'wider'],
  ['another row rule', withGrant({ rows: A }), withGrant({ rows: B }), 'wider', 'wider'],
  ['an or for an and', withGrant({ rows: { and: [A, B] } }), withGrant({ rows: { or: [A, B] } }), 'wider', 'wider'],
];

const mask = (method: MaskMethod, parameter: number | null = null): Mask => ({ property: 'a', method, parameter });
const masked = (given: Mask | null): AgreementTerms => withGrant({ masks: given === null ? [] : [given] });

/** From, to, and what becomes of it in each direction. */
const MASKS: readonly (readonly [Mask | null, Mask | null, TermsChange, TermsChange])[] = [
  ...(['HIDE', 'NULL', 'HASH', 'YEAR', 'MONTH'] as const).map(
    (method) => [null, mask(method), 'narrower', 'wider'] as const,
  ),
  [null, mask('GRID', 100), 'narrower', 'wider'],
  [null, mask('PREFIX', 3), 'narrower', 'wider'],
  [null, mask('ROUND', 5), 'narrower', 'wider'],
  [mask('NULL'), mask('HIDE'), 'narrower', 'wider'],
  [mask('HASH'), mask('NULL'), 'narrower', 'wider'],
  [mask('GRID', 100), mask('HIDE'), 'narrower', 'wider'],
  [mask('MONTH'), mask('YEAR'), 'narrower', 'wider'],
  [mask('HASH'), mask('YEAR'), 'wider', 'wider'],
  [mask('PREFIX', 3), mask('HASH'), 'wider', 'wider'],
  [mask('ROUND', 5), mask('PREFIX', 1), 'wider', 'wider'],
  [mask('PREFIX', 3), mask('PREFIX', 2), 'narrower', 'wider'],
  [mask('GRID', 500), mask('GRID', 5_000), 'narrower', 'wider'],
  [mask('GRID', 600), mask('GRID', 500), 'narrower', 'narrower'],
  [mask('ROUND', 5), mask('ROUND', 10), 'narrower', 'wider'],
  [mask('ROUND', 5), mask('ROUND', 12), 'wider', 'wider'],
  [mask('ROUND', 0.1), mask('ROUND', 0.3), 'narrower', 'wider'],
  [mask('ROUND', 1e-7), mask('ROUND', 1e21), 'narrower', 'wider'],
];

describe('comparing terms', () => {
  test.each(CHANGES)('%s', (_, old, next, forth, back) => {
    expect([compareTerms(old, next), compareTerms(next, old)]).toEqual([forth, back]);
  });

  test.each(MASKS)('a mask %o replaced by %o', (old, next, forth, back) => {
    expect([compareTerms(masked(old), masked(next)), compareTerms(masked(next), masked(old))]).toEqual([forth, back]);
  });

  test('masks of 500 and 600 metres are of one grid', () => {
    expect(gridResolution(500)).toBe(gridResolution(600));
  });

  test('a hidden column that is listed is wider, one that is left out of a list is narrower', () => {
    const hidden = masked(mask('HIDE'));
    expect(compareTerms(hidden, withGrant({ properties: ['a'] }))).toBe('wider');
    expect(compareTerms(hidden, withGrant({ properties: ['b'] }))).toBe('narrower');
    expect(compareTerms(withGrant({ properties: ['b'] }), hidden)).toBe('wider');
  });

  test('a mask taken from a listed column is wider', () => {
    const properties = ['a', 'b'];
    expect(compareTerms(withGrant({ properties, masks: [mask('HASH')] }), withGrant({ properties }))).toBe('wider');
  });

  test('another bound on what aggregates disclose is wider', () => {
    const disclosure = { minimumCount: 10, roundTo: null, dimensions: [] };
    expect(compareTerms(withGrant({ disclosure }), TERMS)).toBe('wider');
    expect(compareTerms(withGrant({ disclosure }), withGrant({ disclosure: { ...disclosure, minimumCount: 5 } }))).toBe(
      'wider',
    );
  });

  test('equal terms are the same', () => {
    fc.assert(
      fc.property(terms, (given) => {
        expect(compareTerms(given, structuredClone(given))).toBe('same');
      }),
      { seed: 15, numRuns: 200 },
    );
  });
});

// An evaluator of its own, over small numbers, texts and months, written without the code under test.

interface Small {
  readonly n: number | null;
  readonly t: string | null;
  readonly d: string | null;
}
type Column = keyof Small;
const COLUMNS: readonly Column[] = ['n', 't', 'd'];
type Truth = boolean | null;
type SmallFilter =
  | { readonly property: Column; readonly eq: number | string }
  | { readonly property: Column; readonly isNull: boolean }
  | { readonly and: readonly SmallFilter[] }
  | { readonly or: readonly SmallFilter[] }
  | { readonly not: SmallFilter };

function holds(filter: SmallFilter, row: Small): Truth {
  if ('and' in filter) {
    const parts = filter.and.map((part) => holds(part, row));
    return parts.includes(false) ? false : parts.includes(null) ? null : true;
  }
  if ('or' in filter) {
    const parts = filter.or.map((part) => holds(part, row));
    return parts.includes(true) ? true : parts.includes(null) ? null : false;
  }
  if ('not' in filter) {
    const part = holds(filter.not, row);
    return part === null ? null : !part;
  }
  const value = row[filter.property];
  if ('isNull' in filter) return (value === null) === filter.isNull;
  return value === null ? null : value === filter.eq;
}

/** What a mask shows of a value: 'gone' when nothing, not even that there is a column. */
function shown(value: number | string | null, given: Mask | undefined): string {
  if (given === undefined) return `raw ${String(value)}`;
  if (given.method === 'HIDE') return 'gone';
  if (given.method === 'NULL' || value === null) return 'null';
  const by = given.parameter ?? 1;
  switch (given.method) {
    case 'HASH':
      return `digest ${String(value)}`;
    case 'YEAR':
      return String(value).split('-')[0] ?? '';
    case 'MONTH':
      return String(value).split('-').slice(0, 2).join('-');
    case 'PREFIX':
      return String(value).slice(0, by);
    case 'ROUND':
      return String(Math.round(Number(value) / by) * by);
    case 'GRID':
      throw new TypeError('no places here');
  }
}

const VALUES: Readonly<Record<Column, readonly (number | string)[]>> = {
  n: Array.from({ length: 121 }, (_, n) => n),
  t: ['', 'a', 'ab', 'abc', 'abd', 'b', 'bc', 'bcd'],
  d: ['2026-01-01', '2026-01-31', '2026-02-01', '2027-02-01'],
};
const METHODS: Readonly<Record<Column, readonly (readonly [MaskMethod, number | null])[]>> = {
  n: [
    ['HIDE', null],
    ['NULL', null],
    ['HASH', null],
    ['ROUND', 1],
    ['ROUND', 2],
    ['ROUND', 3],
    ['ROUND', 6],
  ],
  t: [
    ['HIDE', null],
    ['NULL', null],
    ['HASH', null],
    ['PREFIX', 1],
    ['PREFIX', 2],
  ],
  d: [
    ['HIDE', null],
    ['NULL', null],
    ['YEAR', null],
    ['MONTH', null],
  ],
};

const smallFilter = fc.letrec<{ node: SmallFilter }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom<SmallFilter>(
      { property: 'n', eq: 1 },
      { property: 't', eq: 'ab' },
      { property: 'd', isNull: true },
    ),
    fc.array(tie('node'), { minLength: 1, maxLength: 2 }).map((and): SmallFilter => ({ and })),
    fc.array(tie('node'), { minLength: 1, maxLength: 2 }).map((or): SmallFilter => ({ or })),
    tie('node').map((not): SmallFilter => ({ not })),
  ),
})).node;

interface SmallGrant {
  readonly properties: readonly Column[] | null;
  readonly masks: readonly Mask[];
  readonly rows: SmallFilter | null;
  readonly limit: number | null;
}
const smallGrant: fc.Arbitrary<SmallGrant> = fc
  .record({
    properties: fc.option(fc.subarray([...COLUMNS])),
    n: fc.option(fc.constantFrom(...METHODS.n)),
    t: fc.option(fc.constantFrom(...METHODS.t)),
    d: fc.option(fc.constantFrom(...METHODS.d)),
    rows: fc.option(smallFilter),
    limit: fc.option(fc.integer({ min: 1, max: 3 })),
  })
  .map(({ properties, rows, limit, ...methods }) => ({
    properties,
    rows,
    limit,
    masks: COLUMNS.flatMap((property) => {
      const method = methods[property];
      if (method === null || (properties !== null && properties.includes(property) === (method[0] === 'HIDE')))
        return [];
      return [{ property, method: method[0], parameter: method[1] }];
    }),
  }));

/** One part of a grant changed, or a condition added, so that narrower ones are common. */
const smallPair = fc
  .tuple(
    smallGrant,
    smallGrant,
    fc.subarray(['properties', 'rows', 'limit', 'and', 'mask'] as const),
    fc.constantFrom(...COLUMNS),
  )
  .map(([old, other, parts, column]): readonly [SmallGrant, SmallGrant] => {
    let next = old;
    if (parts.includes('mask'))
      next = {
        ...next,
        masks: [...next.masks, ...other.masks]
          .filter(({ property }, index, all) => all.findLastIndex((m) => m.property === property) === index)
          .filter(({ property }) => property === column || old.masks.some((m) => m.property === property)),
      };
    if (parts.includes('limit')) next = { ...next, limit: other.limit };
    if (parts.includes('rows')) next = { ...next, rows: other.rows };
    if (parts.includes('and') && next.rows !== null && other.rows !== null)
      next = { ...next, rows: { and: [other.rows, next.rows] } };
    if (parts.includes('properties')) next = { ...next, properties: other.properties };
    const { properties } = next;
    const isRight = ({ property, method }: Mask): boolean =>
      properties === null || COLUMNS.some((c) => c === property && properties.includes(c)) !== (method === 'HIDE');
    return [old, { ...next, masks: next.masks.filter(isRight).toSorted((a, b) => (a.property < b.property ? -1 : 1)) }];
  });

const toTerms = ({ properties, masks, rows, limit }: SmallGrant): AgreementTerms =>
  withGrant({
    properties,
    masks,
    rows,
    limits: limit === null ? null : { requestsPerDay: null, recordsPerDay: limit, recordsPerRequest: null },
  });

const isShown = ({ properties, masks }: SmallGrant, column: Column): boolean =>
  (properties === null || properties.includes(column)) &&
  !masks.some(({ property, method }) => property === column && method === 'HIDE');
const maskOf = ({ masks }: SmallGrant, column: Column): Mask | undefined =>
  masks.find(({ property }) => property === column);
const isThere = ({ rows }: SmallGrant, row: Small): boolean => rows === null || holds(rows, row) === true;

/** Groups of values a grant tells apart in a column. */
const classes = (grant: SmallGrant, column: Column): number =>
  new Set(VALUES[column].map((value) => shown(value, maskOf(grant, column)))).size;

describe('what is called narrower', () => {
  test('shows a subset of the cells, none of them finer', ({ task }) => {
    const rowsOfAll = fc.record({
      n: fc.option(fc.constantFrom(0, 1, 2)),
      t: fc.option(fc.constantFrom('ab', 'b')),
      d: fc.option(fc.constantFrom('2026-01-01', '2027-02-01')),
    });
    let narrower = 0;
    let mismatches = 0;
    fc.assert(
      fc.property(smallPair, fc.array(rowsOfAll, { maxLength: 8 }), ([old, next], rows) => {
        if (compareTerms(toTerms(old), toTerms(next)) !== 'narrower') return;
        narrower++;
        mismatches++;
        for (const column of COLUMNS)
          if (isShown(next, column)) {
            expect(isShown(old, column)).toBe(true);
            expect(classes(next, column)).toBeLessThanOrEqual(classes(old, column));
            if (maskOf(old, column) !== undefined)
              for (const row of rows) expect(shown(row[column], maskOf(next, column))).not.toMatch(/^raw/);
          }
        for (const row of rows) if (isThere(next, row)) expect(isThere(old, row)).toBe(true);
        expect(next.limit ?? Infinity).toBeLessThanOrEqual(old.limit ?? Infinity);
        mismatches--;
      }),
      { seed: 16, numRuns: 10_000 },
    );
    expect(narrower).toBeGreaterThan(1_000);
    task.meta.figures = [
      {
        point: 14,
        what: 'random changes of terms called narrower that show more (of 10,000 changes)',
        value: mismatches,
        target: '0',
        isMet: mismatches === 0 && narrower > 1_000,
      },
    ];
  });
});
