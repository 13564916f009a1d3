import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { HubError } from '@civex/errors';
import { bindFilter, FILTER_LIMITS } from './bind.ts';
import { parseCql2Json } from './cql2-json.ts';
import { parseCql2Text } from './cql2-text.ts';
import { toCql2Json } from './filter.ts';
import { filters, QUERYABLES } from './test-support/arbitraries.ts';
import { toCql2Text } from './test-support/to-cql2-text.ts';

const read = (text: string) => parseCql2Text(text, QUERYABLES);
const refusal = (act: () => unknown): HubError => {
  try {
    act();
  } catch (error) {
    if (error instanceof HubError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

const nom = { property: 'nom', type: 'STRING' };
const count = { property: 'nb vélos', type: 'INTEGER' };
const ratio = { property: 'ratio', type: 'NUMBER' };
const open = { property: 'is_open', type: 'BOOLEAN' };
const date = { property: 'date', type: 'DATE' };
const mdate = { property: 'mdate', type: 'DATETIME' };
const geo = { property: 'geo_shape', type: 'GEOMETRY' };
const eq = (base: object, value: unknown) => ({ ...base, op: '=', value });
const not = (arg: object) => ({ op: 'not', args: [arg] });

describe('parseCql2Text', () => {
  test('every filter is read back from its text', () => {
    fc.assert(
      fc.property(filters, (filter) => {
        expect(read(toCql2Text(filter))).toEqual(filter);
      }),
      { seed: 21, numRuns: 1_000 },
    );
  });

  test.each([
    ["nom = 'a'", eq(nom, 'a')],
    ['"nom"=\'a\'', eq(nom, 'a')],
    ["nom = 'l''eau'", eq(nom, "l'eau")],
    ["nom = 'C:\\'", eq(nom, 'C:\\')],
    ["nom = ''", eq(nom, '')],
    ['"nb vélos" > 5', { ...count, op: '>', value: 5 }],
    ['5 < "nb vélos"', { ...count, op: '>', value: 5 }],
    ['5 >= "nb vélos"', { ...count, op: '<=', value: 5 }],
    ['5 <> "nb vélos"', { ...count, op: '<>', value: 5 }],
    ['"nb vélos" = 9007199254740993', eq(count, 9_007_199_254_740_993n)],
    ['"nb vélos" = -9007199254740993', eq(count, -9_007_199_254_740_993n)],
    ['"nb vélos" = 5.0', eq(count, 5)],
    ['ratio = -1.5', eq(ratio, -1.5)],
    ['ratio = +.5', eq(ratio, 0.5)],
    ['ratio = - 2', eq(ratio, -2)],
    ['ratio = 1.', eq(ratio, 1)],
    ['ratio = 1.5E-3', eq(ratio, 0.0015)],
    ['ratio = 2e3', eq(ratio, 2000)],
    ['is_open = true', eq(open, true)],
    ['FALSE = is_open', eq(open, false)],
    ["date >= DATE('2026-03-29')", { ...date, op: '>=', value: '2026-03-29' }],
    ["date >= '2026-03-29'", { ...date, op: '>=', value: '2026-03-29' }],
    ["date = '2026'", eq(date, '2026-01-01')],
    ["timestamp('2026-03-29T02:30:00Z') < mdate", { ...mdate, op: '>', value: '2026-03-29T02:30:00Z' }],
    ["nom like 'a%'", { ...nom, op: 'like', pattern: 'a%' }],
    ["nom NOT LIKE 'a%'", not({ ...nom, op: 'like', pattern: 'a%' })],
    ["NOT nom LIKE 'a%'", not({ ...nom, op: 'like', pattern: 'a%' })],
    ["nom IN ('a','b')", { ...nom, op: 'in', values: ['a', 'b'] }],
    ['ratio NOT IN (1, -2)', not({ ...ratio, op: 'in', values: [1, -2] })],
    ['ratio BETWEEN -1 AND 1', { ...ratio, op: 'between', lower: -1, upper: 1 }],
    ['ratio NOT BETWEEN -1 AND 1', not({ ...ratio, op: 'between', lower: -1, upper: 1 })],
    ['nom IS NULL', { ...nom, op: 'isNull' }],
    ['raw IS NOT NULL', not({ property: 'raw', type: 'JSON', op: 'isNull' })],
    ['(((nom IS NULL)))', { ...nom, op: 'isNull' }],
    ['NOT NOT nom IS NULL', not(not({ ...nom, op: 'isNull' }))],
    ['S_INTERSECTS(geo_shape, BBOX(-1,-2,3,4.5))', { ...geo, op: 'bbox', bbox: [-1, -2, 3, 4.5] }],
    ['s_intersects(bbox(170,-10,-170,10), geo_shape)', { ...geo, op: 'bbox', bbox: [170, -10, -170, 10] }],
    [
      'S_INTERSECTS(POINT (-0.57 44.84), "geo_shape")',
      { ...geo, op: 'intersects', geometry: { type: 'Point', coordinates: [-0.57, 44.84] } },
    ],
    [
      'S_INTERSECTS(geo_shape, MULTIPOINT(1 2, (3 4)))',
      { ...geo, op: 'intersects', geometry: { type: 'MultiPoint', coordinates: [[1, 2], [3, 4]] } }, // prettier-ignore
    ],
    [
      'S_INTERSECTS(geo_shape, POINT Z (1 2 3))',
      { ...geo, op: 'intersects', geometry: { type: 'Point', coordinates: [1, 2, 3] } },
    ],
    ['S_DWITHIN(geo_shape, POINT(1 2), 250, metre)', { ...geo, op: 'withinMetres', lon: 1, lat: 2, metres: 250 }],
    ["S_DWITHIN(POINT(1 2), geo_shape, 2.5e2, 'meters')", { ...geo, op: 'withinMetres', lon: 1, lat: 2, metres: 250 }],
  ])('%s', (text, filter) => {
    expect(read(text)).toEqual(filter);
  });

  test.each([
    ["CASEI(nom) = CASEI('Straße')", { ...eq(nom, 'strasse'), fold: 'case' }],
    ["casei('Straße') = CaseI(nom)", { ...eq(nom, 'strasse'), fold: 'case' }],
    ["CASEI(nom) = 'Straße'", { ...eq(nom, 'Straße'), fold: 'case' }],
    ["nom = CASEI('Straße')", eq(nom, 'strasse')],
    ["ACCENTI(nom) <> ACCENTI('Umeå')", { ...nom, op: '<>', value: 'Umea', fold: 'accent' }],
    ["CASEI(ACCENTI(nom)) = ACCENTI(CASEI('UMEÅ'))", { ...eq(nom, 'umea'), fold: 'case and accent' }],
    ["ACCENTI(CASEI(ACCENTI(nom))) = 'umea'", { ...eq(nom, 'umea'), fold: 'case and accent' }],
    ["CASEI(nom) IN (CASEI('A'), 'B')", { ...nom, op: 'in', values: ['a', 'B'], fold: 'case' }],
    ["CASEI(nom) NOT BETWEEN CASEI('A') AND CASEI('B')", not({ ...nom, op: 'between', lower: 'a', upper: 'b', fold: 'case' })], // prettier-ignore
    ["ACCENTI(nom) LIKE ACCENTI('%é\\_%')", { ...nom, op: 'like', pattern: '%e\\_%', fold: 'accent' }],
    ['CASEI(nom) IS NULL', { ...nom, op: 'isNull' }],
    ["T_AFTER(date, DATE('2026-01-01'))", { ...date, op: '>', value: '2026-01-01' }],
    ["T_BEFORE(DATE('2026-01-01'), date)", { ...date, op: '>', value: '2026-01-01' }],
    ["t_equals(mdate, TIMESTAMP('2026-01-01T00:00:00.500Z'))", { op: 'and', args: [eq(mdate, '2026-01-01T00:00:00.5Z'), eq(mdate, '2026-01-01T00:00:00.5Z')] }], // prettier-ignore
    ["T_INTERSECTS(date, INTERVAL('2026-01-01', '2026-02-01'))", { op: 'and', args: [{ ...date, op: '<=', value: '2026-02-01' }, { ...date, op: '>=', value: '2026-01-01' }] }], // prettier-ignore
    ["T_AFTER(date, INTERVAL('..', '2026-02-01'))", { ...date, op: '>', value: '2026-02-01' }],
  ])('%j is read', (text, filter) => {
    expect(read(text)).toEqual(filter);
  });

  test('NOT binds closer than AND, and AND closer than OR', () => {
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((value) => eq(nom, value));
    const text = "nom='a' OR NOT nom='b' AND nom='c' AND nom='d'";
    expect(read(text)).toEqual({ op: 'or', args: [a, { op: 'and', args: [not(b!), c, d] }] });
    expect(read("(nom='a' OR nom='b') AND nom='c'")).toEqual({ op: 'and', args: [{ op: 'or', args: [a, b] }, c] });
  });

  test('the AND of BETWEEN does not join conditions', () => {
    expect(read('ratio BETWEEN 1 AND 2 AND nom IS NULL')).toMatchObject({
      op: 'and',
      args: [{ op: 'between' }, { op: 'isNull' }],
    });
  });

  test('words of CQL2 are property names when quoted, and function names when no bracket follows', () => {
    const names = ['and', 'like', 'DATE', 'point', 'a"b', 'a.b:c', 'élan'].map((name) => ({ ...QUERYABLES[0]!, name }));
    for (const { name } of names)
      expect(parseCql2Text(`"${name.replaceAll('"', '""')}" IS NULL`, names)).toMatchObject({ property: name });
    for (const name of ['DATE', 'point', 'a.b:c', 'élan'])
      expect(parseCql2Text(`${name} IS NULL`, names)).toMatchObject({ property: name });
  });

  const REFUSED: readonly (readonly [string, number, RegExp])[] = [
    ['', 1, /expected a condition.*the filter ends/],
    ['   ', 4, /the filter ends/],
    ['nom', 4, /expected an operator.*the filter ends/],
    ["nom == 'a'", 6, /expected a text in quotes; found "="/],
    ["nom != 'a'", 5, /"!" has no meaning here. "not equal" is <>/],
    ["nom = 'a", 7, /no closing '/],
    ['"nom = 1', 1, /no closing "/],
    ["nom = 'a' nom = 'b'", 11, /expected AND, OR or the end of the filter; found "nom"/],
    ["nom = 'a' &", 11, /"&" has no meaning/],
    ["nom = 'it\\'s'", 13, /no closing '. A quote inside a text is written ''/],
    ["(nom = 'a'", 11, /expected AND, OR or "\)"; the filter ends/],
    ["nom = 'a')", 10, /the end of the filter; found "\)"/],
    ["nom = 'a' AND", 14, /expected a condition.*the filter ends/],
    ["AND nom = 'a'", 1, /expected a condition.*found "AND"/],
    ['()', 2, /found "\)"/],
    ["nomm = 'a'", 1, /unknown property "nomm": did you mean "nom"/],
    ["'𝄞' = nomm", 7, /unknown property "nomm"/],
    ["nom = 'a' OR nomm = 'b'", 14, /did you mean "nom"/],
    ['"zzzzzzzzzzzzzz" = 1', 1, /unknown property "z+"\.$/],
    ['nom = 5', 7, /"nom" is STRING and cannot be compared with a number/],
    ['nom = TRUE', 7, /is STRING and cannot be compared with TRUE or FALSE/],
    ['"nb vélos" = \'5\'', 14, /is INTEGER and cannot be compared with a text/],
    ['"nb vélos" = 5.5', 14, /is INTEGER and takes a whole number/],
    ['"nb vélos" = 99999999999999999999', 14, /is INTEGER and takes a whole number/],
    ["ratio = '5'", 9, /is NUMBER and cannot be compared with a text/],
    ['ratio = 1e999', 9, /is NUMBER and takes a number/],
    ['is_open > TRUE', 11, /no order/],
    ['is_open BETWEEN TRUE AND FALSE', 17, /no order/],
    ["is_open = 'true'", 11, /is BOOLEAN and cannot be compared with a text/],
    ["nom = DATE('2026-03-29')", 12, /is STRING and cannot be compared with a DATE/],
    ["mdate > DATE('2026-03-29')", 14, /is DATETIME and cannot be compared with a DATE/],
    ["date = TIMESTAMP('2026-03-29T00:00:00Z')", 18, /is DATE and cannot be compared with a TIMESTAMP/],
    ["date = DATE('2026-02-30')", 13, /not a day of the calendar/],
    ['date = DATE(2026)', 13, /expected a text in quotes, as in DATE\('2026-03-29'\)/],
    ["mdate = TIMESTAMP('2026-03-29T00:00:00')", 19, /RFC 3339 instant with a zone/],
    ["mdate = TIMESTAMP('2026-03-29T24:00:00Z')", 19, /RFC 3339 instant with a zone/],
    ["raw = 'a'", 7, /is JSON and cannot be compared/],
    ["geo_shape = 'a'", 13, /is GEOMETRY and cannot be compared/],
    ["ratio LIKE '1%'", 12, /cannot be compared with a text|only STRING/],
    ["nom LIKE 'a\\'", 10, /lone backslash/],
    ['nom LIKE nom', 10, /comparing two properties is not supported/],
    ['nom = nom', 7, /comparing two properties is not supported/],
    ["'a' = 'b'", 1, /one side of a comparison must be a property/],
    ["'a' LIKE 'b'", 1, /the left side of LIKE must be a property/],
    ['5 IS NULL', 1, /the left side of IS must be a property/],
    ['TRUE', 1, /bare TRUE or FALSE is not supported/],
    ["nom = 'a' AND TRUE", 15, /bare TRUE or FALSE is not supported/],
    ['is_open', 8, /expected an operator/],
    ['nom NOT NULL', 9, /expected LIKE, BETWEEN or IN/],
    ['nom IS 5', 8, /expected NULL or NOT NULL/],
    ['nom IS NOT 5', 12, /expected NULL;/],
    ['nom = NULL', 7, /expected a text in quotes; found "NULL"/],
    ['ratio BETWEEN 1', 16, /expected AND and the upper bound/],
    ['ratio BETWEEN 1, 2', 16, /expected AND and the upper bound/],
    ['nom IN ()', 9, /expected a text in quotes/],
    ["nom IN 'a'", 8, /expected "\(" and a list/],
    ["nom IN ('a', 5)", 14, /cannot be compared with a number/],
    ["nom IN ('a' 'b')", 13, /expected "," or "\)"; found a text/],
    ['ratio = 5x', 10, /unexpected "x" right after a number/],
    ['ratio = 1.2.3', 12, /unexpected ".3" right after a number/],
    ['ratio > 1 + 1', 11, /\+: arithmetic is not supported/],
    ['ratio > (1)', 9, /arithmetic is not supported/],
    ['ratio * 2 > 1', 7, /\*: arithmetic is not supported/],
    ['ratio > -ratio', 9, /-: arithmetic is not supported/],
    ['ratio div 2 = 1', 7, /div: arithmetic is not supported/],
    ["CASEI(ratio) = 'a'", 7, /CASEI takes texts; found property "ratio", which is NUMBER/],
    ['nom = accenti(5)', 15, /ACCENTI takes texts; found a number/],
    ["CASEI(nom = 'a'", 11, /expected "\)"; found "="/],
    ["CASEI('a') = 'b'", 7, /one side of a comparison must be a property/],
    ["CASE(nom) = 'b'", 1, /CASE: functions are not supported\. Did you mean CASEI\?/],
    ['avg(ratio) > 1', 1, /avg: functions are not supported/],
    ["nom = lower('a')", 7, /lower: functions are not supported/],
    ["T_AFTER(mdate, DATE('2026-01-01'))", 21, /property "mdate" is DATETIME and cannot be compared with a DATE/],
    ["T_AFTER(mdate, '2026-01-01T00:00:00Z')", 16, /expected DATE\('\.\.\.'\), TIMESTAMP/],
    ["T_AFTER(nom, DATE('2026-01-01'))", 9, /property "nom" is STRING; temporal predicates take DATE and DATETIME/],
    ['T_AFTER(date, mdate)', 15, /T_AFTER: comparing two properties is not supported/],
    ["T_DURING(date, INTERVAL('2026-01-01', '2026-02-01'))", 10, /T_DURING takes two intervals; an instant is given/],
    ["T_INTERSECTS(date, INTERVAL('2026-02-01', '2026-01-01'))", 20, /the interval ends before it begins/],
    ["T_BEFORE(date, INTERVAL('..', '2026-01-01'))", 16, /T_BEFORE: with these open ends it says the same of every/],
    ["T_AFTER(date, INTERVAL('nonsense', '2026-01-01'))", 24, /property "date" is DATE and takes a date/],
    ["T_AFTER(DATE('2026-01-01'), DATE('2026-01-01'))", 9, /T_AFTER: one side must be a property/],
    ["T_NEAR(date, DATE('2026-01-01'))", 1, /T_NEAR: there is no such temporal predicate; use T_AFTER/],
    ["A_CONTAINS(raw, ('a'))", 1, /A_CONTAINS: array predicates are not supported/],
    ['S_WITHIN(geo_shape, BBOX(0,0,1,1))', 1, /S_WITHIN: this spatial predicate is not supported/],
    ["mdate = INTERVAL('..', '..')", 9, /INTERVAL: an interval stands only in a temporal predicate/],
    ['S_INTERSECTS(nom, BBOX(0,0,1,1))', 19, /only GEOMETRY properties; "nom" is STRING/],
    ['S_INTERSECTS(geo_shape, geo_shape)', 25, /expected BBOX/],
    ['S_INTERSECTS(BBOX(0,0,1,1), BBOX(0,0,1,1))', 29, /BBOX: functions are not supported/],
    ['S_INTERSECTS(geo_shape, BBOX(0,0,1))', 25, /four numbers/],
    ['S_INTERSECTS(geo_shape, BBOX(0,0,0,1,1,1))', 25, /a box with heights is not supported/],
    ['S_INTERSECTS(geo_shape, BBOX(0,0,0,1,1,1,1))', 43, /expected "\)"/],
    ['S_INTERSECTS(geo_shape, BBOX(0,2,1,1))', 25, /south is greater than north/],
    ['S_INTERSECTS(geo_shape, BBOX(0,0,1,91))', 25, /degrees/],
    ['S_INTERSECTS(geo_shape, POINT(0 91))', 25, /RFC 7946 geometry in degrees/],
    ['S_INTERSECTS(geo_shape, POINT(0))', 32, /expected a latitude/],
    ['S_INTERSECTS(geo_shape, POINT(0, 0))', 32, /expected a latitude/],
    ['S_INTERSECTS(geo_shape, POINT EMPTY)', 31, /empty geometry/],
    ['S_INTERSECTS(geo_shape, POLYGON((0 0, 1 0, 1 1, 0 1)))', 25, /RFC 7946/],
    ['S_INTERSECTS(geo_shape, LINESTRING(0 0))', 25, /RFC 7946/],
    ['S_INTERSECTS(geo_shape, CIRCLE(0 0, 1))', 25, /expected BBOX/],
    ['S_INTERSECTS(geo_shape)', 23, /expected ","/],
    ['S_INTERSECTS(geo_shape, BBOX(0,0,1,1)', 38, /expected "\)"/],
    ['S_DWITHIN(geo_shape, POINT(0 0), 5)', 35, /the unit, metre/],
    ['S_DWITHIN(geo_shape, POINT(0 0), 5, foot)', 37, /expected the unit, metre; found "foot"/],
    ['S_DWITHIN(geo_shape, POINT(0 0), -5, metre)', 34, /metres must be from 0/],
    ['S_DWITHIN(geo_shape, BBOX(0,0,1,1), 5, metre)', 22, /S_DWITHIN takes POINT/],
    ['S_DWITHIN(geo_shape, POINT(0 0 7), 5, metre)', 22, /without a height/],
    ['S_DWITHIN(geo_shape, geo_shape, 5, metre)', 22, /expected POINT/],
    [`nom = '${'a'.repeat(2_001)}'`, 7, /at most 2000 characters/],
    ["nom = '\uD800'", 7, /lone surrogate/],
  ];

  test.each(REFUSED)('%j is refused at position %i', (text, position, message) => {
    const error = refusal(() => read(text));
    expect(error).toMatchObject({ code: 'INPUT_INVALID' });
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(new RegExp(String.raw`^position ${position}: `));
  });

  test.each([
    ['too many conditions', Array(101).fill('nom IS NULL').join(' OR ')],
    ['too many conditions with their connectives', Array(100).fill('nom IS NULL').join(' OR ')],
    ['too many nots', `${'NOT '.repeat(60)}nom IS NULL`],
    ['too deep a tree', `${'NOT ('.repeat(12)}nom IS NULL${')'.repeat(12)}`],
    ['brackets without end', '('.repeat(100_000)],
    ['too many brackets that mean nothing', `${'('.repeat(65)}nom IS NULL${')'.repeat(65)}`],
    ['too long a list', `ratio IN (${Array(501).fill('1').join()})`],
    ['too many positions', `S_INTERSECTS(geo_shape, MULTIPOINT(${Array(5_000).fill('1 1').join()}))`],
    ['too long a text', ' '.repeat(FILTER_LIMITS.cql2Length + 1)],
    ['too many words and signs', ')'.repeat(FILTER_LIMITS.cql2Tokens + 2)],
  ])('%s cost too much', (_what, text) => {
    expect(refusal(() => read(text))).toMatchObject({ code: 'INPUT_TOO_COSTLY' });
  });

  test.each([
    ['99 conditions and their connective', Array(99).fill('nom IS NULL').join(' OR ')],
    ['a tree of 12 levels', `${'NOT ('.repeat(11)}nom IS NULL${')'.repeat(11)}`],
    ['64 brackets', `${'('.repeat(64)}nom IS NULL${')'.repeat(64)}`],
    ['a list of 500', `ratio IN (${Array(500).fill('1').join()})`],
  ])('%s are read', (_what, text) => {
    expect(() => read(text)).not.toThrow();
  });

  test('any text is read or refused with a code', () => {
    const word = fc.constantFrom(
      ...'nom ratio "nb\u00A0vélos" = <> < ( ) , AND OR NOT LIKE IN BETWEEN IS NULL \'a\' 5 - + . DATE S_INTERSECTS POINT BBOX'.split(
        ' ',
      ),
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(word, { maxLength: 20 }).map((words) => words.join(' ')),
    );
    fc.assert(
      fc.property(text, (filter) => {
        try {
          read(filter);
        } catch (error) {
          expect(error).toBeInstanceOf(HubError);
        }
      }),
      { seed: 22, numRuns: 3_000 },
    );
  });
});

describe('parseCql2Json', () => {
  test('every filter is read back from its JSON', () => {
    fc.assert(
      fc.property(filters, (filter) => {
        expect(parseCql2Json(JSON.parse(JSON.stringify(toCql2Json(filter))), QUERYABLES)).toEqual(filter);
      }),
      { seed: 23, numRuns: 1_000 },
    );
  });

  const p = (property: string) => ({ property });
  const specimen = {
    op: 'and',
    args: [
      { op: '=', args: [p('nom'), 'a'] },
      { op: '>', args: [p('ratio'), 1] },
    ],
  };

  test('the specimen of the refusals below is read', () => {
    expect(parseCql2Json(specimen, QUERYABLES)).toEqual(read("nom = 'a' AND ratio > 1"));
  });

  test.each([
    [{ op: '<', args: [5, p('ratio')] }, 'ratio > 5'],
    [{ op: '=', args: [p('nb vélos'), 9_007_199_254_740_993n] }, '"nb vélos" = 9007199254740993'],
    [{ op: '=', args: [p('nb vélos'), '9007199254740993'] }, '"nb vélos" = 9007199254740993'],
    [{ op: '=', args: [p('ratio'), 9_007_199_254_740_993n] }, 'ratio = 9007199254740993'],
    [{ op: '=', args: [{ date: '2026-03-29' }, p('date')] }, "date = DATE('2026-03-29')"],
    [{ op: 's_intersects', args: [{ bbox: [0, 0, 1, 1] }, p('geo_shape')] }, 'S_INTERSECTS(geo_shape,BBOX(0,0,1,1))'],
  ])('%o means %s', (json, text) => {
    expect(parseCql2Json(json, QUERYABLES)).toEqual(read(text));
  });

  test.each<readonly [string, unknown, RegExp]>([
    ['null', null, /^filter: expected an object/],
    ['a list', [specimen], /^filter: expected an object/],
    ['a bare true', true, /^filter: a bare true/],
    ['a bare true inside', { ...specimen, args: [true, specimen] }, /^filter\.args\[0\]: a bare true/],
    ['no op', { args: specimen.args }, /^filter\.op: must be a text/],
    ['an unknown op', { op: 'xor', args: specimen.args }, /^filter\.op: xor: functions are not supported/],
    ['an op of the prototype', { op: 'constructor', args: [] }, /^filter\.op: constructor/],
    ['another member', { ...specimen, nott: true }, /^filter: unknown member "nott"/],
    ['args that are no list', { op: 'and', args: specimen }, /^filter\.args: expected a list/],
    ['no args', { op: 'or', args: [] }, /^filter\.args: expected at least 1/],
    ['two args of not', { op: 'not', args: specimen.args }, /^filter\.args: expected 1 entry; found 2/],
    ['three sides', { op: '=', args: [p('nom'), 'a', 'b'] }, /^filter\.args: expected 2 entries; found 3/],
    ['an unknown property', { op: '=', args: [p('nomm'), 'a'] }, /^filter\.args\[0\]\.property: unknown.*"nom"/],
    ['a property that is no text', { op: '=', args: [{ property: 1 }, 'a'] }, /^filter\.args\[0\]\.property: must/],
    ['a property with more', { op: '=', args: [{ property: 'nom', x: 1 }, 'a'] }, /^filter\.args\[0\]: unknown member/],
    ['two properties', { op: '=', args: [p('nom'), p('nom')] }, /^filter\.args\[1\]: comparing two properties/],
    ['two values', { op: '=', args: ['a', 'a'] }, /^filter\.args: one side/],
    ['a value of another type', { op: '=', args: [p('nom'), 5] }, /^filter\.args\[1\]: property "nom" is STRING/],
    ['null as value', { op: '=', args: [p('nom'), null] }, /^filter\.args\[1\]: null compares with nothing/],
    ['a list as value', { op: '=', args: [p('nom'), ['a']] }, /^filter\.args\[1\]: property "nom" is STRING/],
    ['an object as value', { op: '=', args: [p('nom'), { a: 1 }] }, /^filter\.args\[1\]: expected a value/],
    ['a date for a text', { op: '=', args: [p('nom'), { date: '2026-01-01' }] }, /cannot be compared with a DATE/],
    ['a date for an instant', { op: '=', args: [p('mdate'), { date: '2026-01-01' }] }, /compared with a DATE/],
    ['a date with more', { op: '=', args: [p('date'), { date: '2026-01-01', x: 1 }] }, /unknown member "x"/],
    ['an interval', { op: '=', args: [p('mdate'), { interval: ['..', '..'] }] }, /interval: an interval stands only/],
    [
      'arithmetic',
      { op: '>', args: [p('ratio'), { op: '+', args: [1, 1] }] },
      /^filter\.args\[1\]\.op: \+: arithmetic/,
    ],
    [
      'casei of a number',
      { op: '=', args: [{ op: 'casei', args: [p('ratio')] }, 'a'] },
      /^filter\.args\[0\]\.args\[0\]: casei and/,
    ],
    [
      'casei of two',
      { op: '=', args: [{ op: 'casei', args: [p('nom'), 'a'] }, 'a'] },
      /^filter\.args\[0\]\.args: expected 1 entry/,
    ],
    [
      'accenti of a number',
      { op: '=', args: [p('nom'), { op: 'accenti', args: [5] }] },
      /^filter\.args\[1\]\.args\[0\]: casei and|property "nom"/,
    ],
    [
      'a temporal predicate',
      { op: 't_after', args: [p('mdate'), { date: '2026-01-01' }] },
      /^filter\.args\[1\]: property "mdate" is DATETIME/,
    ],
    [
      'an interval of three',
      { op: 't_during', args: [p('date'), { interval: ['..', '..', '..'] }] },
      /^filter\.args\[1\]\.interval: expected 2/,
    ],
    [
      'an interval of numbers',
      { op: 't_after', args: [p('date'), { interval: [1, '..'] }] },
      /^filter\.args\[1\]\.interval\[0\]: expected an instant/,
    ],
    [
      'a number in a list of texts',
      { op: 'in', args: [p('nom'), ['a', 5]] },
      /^filter\.args\[1\]\[1\]: property "nom"/,
    ],
    ['in without list', { op: 'in', args: [p('nom'), 'a'] }, /^filter\.args\[1\]: expected a list/],
    ['in with no value', { op: 'in', args: [p('nom'), []] }, /^filter\.args\[1\]: needs at least 1/],
    ['between one bound', { op: 'between', args: [p('ratio'), 1] }, /^filter\.args: expected 3 entries/],
    ['between texts', { op: 'between', args: [p('ratio'), 1, 'b'] }, /^filter\.args\[2\]: property "ratio"/],
    ['like on a number', { op: 'like', args: [p('ratio'), '%'] }, /^filter\.args\[1\]: only STRING/],
    ['isNull of a value', { op: 'isNull', args: ['a'] }, /^filter\.args\[0\]: expected/],
    ['a box with heights', { op: 's_intersects', args: [p('geo_shape'), { bbox: [0, 0, 0, 1, 1, 1] }] }, /heights/],
    ['a box of text', { op: 's_intersects', args: [p('geo_shape'), { bbox: '0,0,1,1' }] }, /four numbers/],
    ['two geometry properties', { op: 's_intersects', args: [p('geo_shape'), p('geo_shape')] }, /comparing two/],
    [
      'another unit',
      { op: 's_dwithin', args: [p('geo_shape'), { type: 'Point', coordinates: [0, 0] }, 5, 'km'] },
      /metre/,
    ],
    [
      'a height',
      { op: 's_dwithin', args: [p('geo_shape'), { type: 'Point', coordinates: [0, 0, 1] }, 5, 'm'] },
      /Point/,
    ],
  ])('%s is refused', (_what, json, message) => {
    const error = refusal(() => parseCql2Json(json, QUERYABLES));
    expect(error.code).toBe('INPUT_INVALID');
    expect(error.message).toMatch(message);
  });

  test('a filter nested without end costs too much', () => {
    let node: unknown = specimen;
    for (let level = 0; level < 20_000; level++) node = { op: 'not', args: [node] };
    expect(refusal(() => parseCql2Json(node, QUERYABLES)).code).toBe('INPUT_TOO_COSTLY');
  });

  test('a wide filter costs too much', () => {
    const args = Array(100).fill(specimen.args[0]);
    expect(refusal(() => parseCql2Json({ op: 'or', args }, QUERYABLES)).code).toBe('INPUT_TOO_COSTLY');
  });

  test('any JSON is read or refused with a code', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        try {
          parseCql2Json({ op: 'and', args: [value, { op: '=', args: [p('nom'), value] }] }, QUERYABLES);
        } catch (error) {
          expect(error).toBeInstanceOf(HubError);
        }
      }),
      { seed: 24, numRuns: 500 },
    );
  });
});

test('the three notations of a filter give one tree', () => {
  const input = {
    or: [
      { property: 'nom', in: ['a', 'b'] },
      { and: [{ property: 'nb vélos', gte: 5 }, { not: { property: 'mdate', lt: '2026-03-29T00:00:00Z' } }] },
    ],
  };
  const tree = bindFilter(input, QUERYABLES);
  const text = `nom IN ('a', 'b') OR "nb vélos" >= 5 AND NOT mdate < TIMESTAMP('2026-03-29T00:00:00Z')`;
  expect(read(text)).toEqual(tree);
  expect(parseCql2Json(toCql2Json(tree), QUERYABLES)).toEqual(tree);
});
