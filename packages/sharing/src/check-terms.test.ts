import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { HubError, isHubError } from '@civex/errors';
import type { AgreementInput } from './check-terms.ts';
import { parseTerms } from './check-terms.ts';
import { inputs, SPECIMEN } from './test-support/terms.ts';

const GRANT = SPECIMEN.grants[0]!;
const withGrant = (changes: object): AgreementInput => ({ ...SPECIMEN, grants: [{ ...GRANT, ...changes }] });
const withRows = (rows: unknown): AgreementInput => withGrant({ rows });
const withMask = (mask: object): AgreementInput => withGrant({ properties: null, masks: [{ property: 'a', ...mask }] });

function refusal(input: unknown): HubError {
  try {
    parseTerms(input as AgreementInput);
  } catch (error) {
    if (isHubError(error)) return error;
    throw error;
  }
  throw new TypeError('the terms were taken');
}

const nest = (levels: number): unknown => (levels === 1 ? { property: 'a', eq: 1 } : { not: nest(levels - 1) });
const conditions = (count: number): unknown => ({
  or: Array.from({ length: count }, () => ({ property: 'a', eq: 1 })),
});

describe('terms', () => {
  test('come out in one form', () => {
    expect(parseTerms({ id: 'dsa:1', ...SPECIMEN })).toEqual({
      provider: 'leicester',
      consumer: 'region',
      delegates: ['contractor', 'university'],
      purposes: ['hub:audit', 'hub:planning'],
      validFrom: '2026-09-01T00:00:00Z',
      validUntil: '2027-09-01T00:00:00Z',
      grants: [
        {
          dataset: 'cdmx:victimas',
          actions: ['DISCOVER', 'AGGREGATE'],
          properties: null,
          masks: [],
          rows: null,
          disclosure: null,
          limits: null,
        },
        {
          dataset: 'leicester:energy',
          actions: ['DISCOVER', 'QUERY', 'EXPORT'],
          properties: ['kwh', 'location', 'site', 'ward'],
          masks: [
            { property: 'location', method: 'GRID', parameter: 500 },
            { property: 'meter', method: 'HIDE', parameter: null },
            { property: 'site', method: 'PREFIX', parameter: 3 },
          ],
          rows: GRANT.rows,
          disclosure: null,
          limits: { requestsPerDay: 5_000, recordsPerDay: null, recordsPerRequest: 1_000 },
        },
      ],
    });
  });

  test('put in again come out as they are, also by way of JSON', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const terms = parseTerms(input);
        expect(parseTerms(terms as unknown as AgreementInput)).toStrictEqual(terms);
        expect(parseTerms(JSON.parse(JSON.stringify(terms)) as AgreementInput)).toStrictEqual(terms);
      }),
      { seed: 14, numRuns: 1_000 },
    );
  });

  test('keep the milliseconds of an instant', () => {
    expect(parseTerms({ ...SPECIMEN, validFrom: '2026-09-01T00:00:00.250Z' }).validFrom).toBe(
      '2026-09-01T00:00:00.250Z',
    );
  });

  test('keep an empty list of columns, which is not the same as all', () => {
    expect(parseTerms(withGrant({ properties: [], masks: [] })).grants[0]?.properties).toEqual([]);
  });

  test('hold what the input held when it was read', () => {
    const rows = { property: 'a', in: ['x'], intersects: undefined };
    const terms = parseTerms(withRows(rows));
    rows.in.push('y');
    expect(terms.grants[0]?.rows).toEqual({ property: 'a', in: ['x'] });
  });

  test.each<[string, AgreementInput]>([
    ['limits that bound nothing', withGrant({ limits: { requestsPerDay: null } })],
    ['limits that are null', withGrant({ limits: null })],
  ])('know no limits but those that bound: %s', (_, input) => {
    expect(parseTerms(input).grants[0]?.limits).toBeNull();
  });

  test.each<[string, unknown]>([
    ['a filter as deep as filters may be', nest(12)],
    ['as many conditions as filters may have', conditions(99)],
    ['a geometry', { property: 'a', intersects: { type: 'Point', coordinates: [1, 2] } }],
  ])('take %s', (_, rows) => {
    expect(parseTerms(withRows(rows)).grants[0]?.rows).toEqual(rows);
  });

  test.each<[string, string, unknown]>([
    ['no object', 'input', 'x'],
    ['a list', 'input', []],
    ['an unknown member', 'input', { ...SPECIMEN, prupose: 'x' }],
    ['no provider', 'provider', { ...SPECIMEN, provider: undefined }],
    ['a provider with a slash', 'provider', { ...SPECIMEN, provider: 'a/b' }],
    ['an overlong consumer', 'consumer', { ...SPECIMEN, consumer: 'a'.repeat(101) }],
    ['a consumer that is the provider', 'consumer', { ...SPECIMEN, consumer: 'leicester' }],
    ['a delegate that is the consumer', 'delegates', { ...SPECIMEN, delegates: ['region'] }],
    ['a delegate that is no text', 'delegates[0]', { ...SPECIMEN, delegates: [7] }],
    ['too many delegates', 'delegates', { ...SPECIMEN, delegates: Array.from({ length: 21 }, (_, i) => `d${i}`) }],
    ['no purpose', 'purposes', { ...SPECIMEN, purposes: [] }],
    ['an empty purpose', 'purposes[1]', { ...SPECIMEN, purposes: ['a', ''] }],
    ['a purpose with a space', 'purposes[0]', { ...SPECIMEN, purposes: ['a b'] }],
    ['an overlong purpose', 'purposes[0]', { ...SPECIMEN, purposes: ['a'.repeat(101)] }],
    ['too many purposes', 'purposes', { ...SPECIMEN, purposes: Array.from({ length: 21 }, (_, i) => `p${i}`) }],
    ['a date alone', 'validFrom', { ...SPECIMEN, validFrom: '2026-09-01' }],
    ['a day the calendar has not', 'validFrom', { ...SPECIMEN, validFrom: '2027-02-29T00:00:00Z' }],
    ['a time without a zone', 'validUntil', { ...SPECIMEN, validUntil: '2027-09-01T00:00:00' }],
    ['microseconds', 'validFrom', { ...SPECIMEN, validFrom: '2026-09-01T00:00:00.000001Z' }],
    ['an end at the beginning', 'validUntil', { ...SPECIMEN, validUntil: '2026-09-01T00:00:00Z' }],
    ['more than ten years', 'validUntil', { ...SPECIMEN, validUntil: '2036-09-01T00:00:00.001Z' }],
    ['no grant', 'grants', { ...SPECIMEN, grants: [] }],
    [
      'too many grants',
      'grants',
      { ...SPECIMEN, grants: Array.from({ length: 51 }, (_, i) => ({ dataset: `a:${i}`, actions: ['QUERY'] })) },
    ],
    ['a grant that is none', 'grants[0]', { ...SPECIMEN, grants: [null] }],
    ['two grants of one dataset', 'grants[1].dataset', { ...SPECIMEN, grants: [GRANT, GRANT] }],
    ['an unknown member of a grant', 'grants[0]', withGrant({ row: null })],
    ['a dataset without a source', 'grants[0].dataset', withGrant({ dataset: 'energy' })],
    ['a dataset with a lone surrogate', 'grants[0].dataset', withGrant({ dataset: 'a:\uD800' })],
    ['an overlong dataset', 'grants[0].dataset', withGrant({ dataset: `a:${'x'.repeat(499)}` })],
    ['no action', 'grants[0].actions', withGrant({ actions: [] })],
    ['an unknown action', 'grants[0].actions[1]', withGrant({ actions: ['QUERY', 'DISTRIBUTE'] })],
    ['a column without a name', 'grants[0].properties[0]', withGrant({ properties: [''], masks: [] })],
    [
      'too many columns',
      'grants[0].properties',
      withGrant({ properties: Array.from({ length: 201 }, (_, i) => `c${i}`), masks: [] }),
    ],
    ['columns that are no list', 'grants[0].properties', withGrant({ properties: 'ward', masks: [] })],
    [
      'two masks of one column',
      'grants[0].masks[1]',
      withGrant({
        properties: null,
        masks: [
          { property: 'a', method: 'NULL' },
          { property: 'a', method: 'HIDE' },
        ],
      }),
    ],
    [
      'a column that is listed and hidden',
      'grants[0].masks[0]',
      withGrant({ properties: ['a'], masks: [{ property: 'a', method: 'HIDE' }] }),
    ],
    [
      'a mask of a column that is not listed',
      'grants[0].masks[0]',
      withGrant({ properties: ['a'], masks: [{ property: 'b', method: 'NULL' }] }),
    ],
    ['an unknown method', 'grants[0].masks[0].method', withMask({ method: 'BLUR' })],
    ['an unknown member of a mask', 'grants[0].masks[0]', withMask({ method: 'NULL', salt: 1 })],
    ['a parameter with NULL', 'grants[0].masks[0].parameter', withMask({ method: 'NULL', parameter: 1 })],
    ['a parameter with HASH', 'grants[0].masks[0].parameter', withMask({ method: 'HASH', parameter: 'x' })],
    ['GRID without metres', 'grants[0].masks[0].parameter', withMask({ method: 'GRID' })],
    ['GRID below a metre', 'grants[0].masks[0].parameter', withMask({ method: 'GRID', parameter: 0.5 })],
    ['GRID beyond a million', 'grants[0].masks[0].parameter', withMask({ method: 'GRID', parameter: 1_000_001 })],
    ['GRID of a text', 'grants[0].masks[0].parameter', withMask({ method: 'GRID', parameter: '500' })],
    ['PREFIX of none', 'grants[0].masks[0].parameter', withMask({ method: 'PREFIX', parameter: 0 })],
    ['PREFIX of a half', 'grants[0].masks[0].parameter', withMask({ method: 'PREFIX', parameter: 1.5 })],
    ['ROUND to nothing', 'grants[0].masks[0].parameter', withMask({ method: 'ROUND', parameter: 0 })],
    ['ROUND to NaN', 'grants[0].masks[0].parameter', withMask({ method: 'ROUND', parameter: Number.NaN })],
    ['ROUND to infinity', 'grants[0].masks[0].parameter', withMask({ method: 'ROUND', parameter: Infinity })],
    ['a limit of none', 'grants[0].limits.recordsPerDay', withGrant({ limits: { recordsPerDay: 0 } })],
    ['a limit of a half', 'grants[0].limits.requestsPerDay', withGrant({ limits: { requestsPerDay: 1.5 } })],
    ['a limit that is a text', 'grants[0].limits.recordsPerRequest', withGrant({ limits: { recordsPerRequest: '9' } })],
    ['an unknown limit', 'grants[0].limits', withGrant({ limits: { costPerDay: 1 } })],
    ['rows that are a text', 'grants[0].rows', withRows('a = 1')],
    ['rows without an operator', 'grants[0].rows', withRows({ property: 'a' })],
    ['rows with two operators', 'grants[0].rows', withRows({ property: 'a', eq: 1, ne: 2 })],
    ['rows with an unknown operator', 'grants[0].rows', withRows({ property: 'a', equals: 1 })],
    ['rows with two heads', 'grants[0].rows', withRows({ and: [{ property: 'a', eq: 1 }], property: 'a' })],
    ['rows with something beside a head', 'grants[0].rows', withRows({ not: { property: 'a', eq: 1 }, eq: 1 })],
    ['an empty or', 'grants[0].rows.or', withRows({ or: [] })],
    ['null deep in rows', 'grants[0].rows.and[0].not', withRows({ and: [{ not: null }] })],
    ['a comparison with null', 'grants[0].rows.eq', withRows({ property: 'a', eq: null })],
    ['a big integer', 'grants[0].rows.eq', withRows({ property: 'a', eq: 1n })],
    ['a lone surrogate in rows', 'grants[0].rows.in[1]', withRows({ property: 'a', in: ['x', '\uD800'] })],
    ['an overlong text', 'grants[0].rows.eq', withRows({ property: 'a', eq: 'x'.repeat(2_001) })],
    ['an overlong list', 'grants[0].rows.in', withRows({ property: 'a', in: Array<number>(501).fill(1) })],
    ['between three', 'grants[0].rows.between', withRows({ property: 'a', between: [1, 2, 3] })],
    ['isNull of a text', 'grants[0].rows.isNull', withRows({ property: 'a', isNull: 'true' })],
    [
      'a fold that is no truth value',
      'grants[0].rows.caseInsensitive',
      withRows({ property: 'a', eq: 'x', caseInsensitive: 1 }),
    ],
    ['a box of three', 'grants[0].rows.bbox', withRows({ property: 'a', bbox: [1, 2, 3] })],
    ['half a place', 'grants[0].rows.withinMetres', withRows({ property: 'a', withinMetres: { lon: 1, lat: 2 } })],
    [
      'a geometry that is none',
      'grants[0].rows.intersects',
      withRows({ property: 'a', intersects: { type: 'Point' } }),
    ],
    [
      'a geometry in another system',
      'grants[0].rows.intersects',
      withRows({ property: 'a', intersects: { type: 'Point', coordinates: [1, 2], crs: 'EPSG:27700' } }),
    ],
    ['a filter one level too deep', `grants[0].rows${'.not'.repeat(12)}`, withRows(nest(13))],
    ['one condition too many', 'grants[0].rows.or[99]', withRows(conditions(100))],
    [
      'more text than terms may have',
      'input',
      withRows({
        and: Array.from({ length: 3 }, () => ({ property: 'a', in: Array<string>(50).fill('x'.repeat(2_000)) })),
      }),
    ],
  ])('with %s are refused at %s', (_, where, input) => {
    const { code, message } = refusal(input);
    expect(code).toBe('INPUT_INVALID');
    expect(message.startsWith(`${where}: `)).toBe(true);
    // One fault: one thing was changed.
    expect(message.split('\n')).toHaveLength(1);
  });

  test('with many faults are refused once, with the paths of twenty and the number of the rest', () => {
    const { message } = refusal({ ...SPECIMEN, provider: 1, purposes: Array<string>(20).fill(''), validFrom: 1 });
    const lines = message.split('\n').map((line) => line.replace(/:.*/, ''));
    expect(lines).toEqual(['provider', ...Array.from({ length: 19 }, (_, i) => `purposes[${i}]`), '2 more.']);
  });

  test('that ask for disclosure control are refused, not taken without it', () => {
    const disclosure = { minimumCount: 10, roundTo: 5, dimensions: ['ward'] };
    const { code, message } = refusal(withGrant({ disclosure }));
    expect(code).toBe('CAPABILITY_MISSING');
    expect(message).toContain('grants[0].disclosure');
    expect(refusal({ ...withGrant({ disclosure }), purposes: [] }).code).toBe('INPUT_INVALID');
  });

  test('never come back in a message', () => {
    const secret = 'canary-7f3a';
    const { message } = refusal({
      [secret]: 1,
      provider: `${secret}/`,
      purposes: [` ${secret}`],
      grants: [
        { dataset: secret, actions: [secret], rows: { [secret]: 1 }, masks: [{ property: 'a', method: secret }] },
      ],
    });
    expect(message).not.toContain('canary');
  });
});
