import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Predicate, RecordFilter } from '@civex/query';
import {
  createDialect,
  DIALECT_LIMITS,
  encodedLength,
  orderableProperties,
  spellField,
  spellNumber,
  spellText,
  toCatalogIds,
  toCatalogSearch,
} from './opendatasoft-dialect.ts';
import type { DialectField } from './opendatasoft-dialect.ts';

const FIELDS: readonly DialectField[] = [
  { name: 'nom', type: 'STRING', geo: null },
  { name: 'nbvelos', type: 'INTEGER', geo: null },
  { name: 'taux', type: 'NUMBER', geo: null },
  { name: 'ouvert', type: 'BOOLEAN', geo: null },
  { name: 'jour', type: 'DATE', geo: null },
  { name: 'mdate', type: 'DATETIME', geo: null },
  { name: 'geo_point_2d', type: 'GEOMETRY', geo: 'point' },
  { name: 'geo_shape', type: 'GEOMETRY', geo: 'shape' },
  { name: 'photo', type: 'JSON', geo: null },
  { name: 'date', type: 'INTEGER', geo: null },
  { name: 'bad`name', type: 'INTEGER', geo: null },
  { name: 'bad\nname', type: 'INTEGER', geo: null },
];
const BY_NAME = new Map(FIELDS.map((field) => [field.name, field]));
const dialect = createDialect(BY_NAME, { hasGeoFunctions: true });
const older = createDialect(BY_NAME, { hasGeoFunctions: false });

const onInt = (op: '=' | '<>' | '<' | '<=' | '>' | '>=', value: number | bigint): Predicate => ({
  op,
  property: 'nbvelos',
  type: 'INTEGER',
  value,
});
const onText = (value: string): Predicate => ({ op: '=', property: 'nom', type: 'STRING', value });
const not = (filter: RecordFilter): RecordFilter => ({ op: 'not', args: [filter] });

describe('what is spelled', () => {
  const rows: readonly (readonly [filter: RecordFilter, where: string])[] = [
    [onInt('=', 5), '`nbvelos` = 5'],
    [onInt('<>', 5), '(`nbvelos` < 5 or `nbvelos` > 5)'],
    [onInt('>=', -3), '`nbvelos` >= -3'],
    [onInt('=', -0), '`nbvelos` = 0'],
    [{ op: '<', property: 'taux', type: 'NUMBER', value: 1.5e-7 }, '`taux` < 0.00000015'],
    [{ op: 'in', property: 'nbvelos', type: 'INTEGER', values: [1, 2, 1] }, '`nbvelos` in (1, 2)'],
    [{ op: 'between', property: 'taux', type: 'NUMBER', lower: 0.5, upper: 2 }, '(`taux` >= 0.5 and `taux` <= 2)'],
    [{ op: 'isNull', property: 'nbvelos', type: 'INTEGER' }, '`nbvelos` is null'],
    [{ op: '=', property: 'date', type: 'INTEGER', value: 1 }, '`date` = 1'],
    [{ op: '=', property: 'ouvert', type: 'BOOLEAN', value: true }, '`ouvert` is true'],
    [{ op: '<>', property: 'ouvert', type: 'BOOLEAN', value: true }, '`ouvert` is false'],
    [
      { op: 'in', property: 'ouvert', type: 'BOOLEAN', values: [true, false] },
      '(`ouvert` is true or `ouvert` is false)',
    ],
    [onText('Belcier Gare'), '`nom` = "Belcier Gare"'],
    [onText('say "hi" \\ bye'), '`nom` = "say \\"hi\\" \\\\ bye"'],
    [{ op: 'in', property: 'nom', type: 'STRING', values: ["L'Isle", 'Été'] }, '`nom` in ("L\'Isle", "Été")'],
    [
      { op: '=', property: 'jour', type: 'DATE', value: '2026-03-01' },
      "(`jour` >= date'2026-02-28' and `jour` <= date'2026-03-02')",
    ],
    [{ op: '<', property: 'jour', type: 'DATE', value: '2026' }, "`jour` <= date'2026-01-02'"],
    [{ op: '<>', property: 'jour', type: 'DATE', value: '2026' }, '`jour` is not null'],
    [
      { op: '>', property: 'mdate', type: 'DATETIME', value: '2026-03-29T02:30:00.25+01:00' },
      "`mdate` >= date'2026-03-29T01:29:59'",
    ],
    [
      { op: '<=', property: 'mdate', type: 'DATETIME', value: '2026-03-29T01:30:00.25Z' },
      "`mdate` <= date'2026-03-29T01:30:02'",
    ],
    [
      { op: 'bbox', property: 'geo_point_2d', type: 'GEOMETRY', bbox: [-0.6, 44.8, -0.5, 44.9] },
      'in_bbox(`geo_point_2d`, 44.799999, -0.600001, 44.900001, -0.499999)',
    ],
    [
      { op: 'bbox', property: 'geo_shape', type: 'GEOMETRY', bbox: [-0.6, 44.8, -0.5, 44.9] },
      "intersects(`geo_shape`, geom'POLYGON((-0.600001 44.799999, -0.499999 44.799999, -0.499999 44.900001, -0.600001 44.900001, -0.600001 44.799999))')",
    ],
    [
      { op: 'withinMetres', property: 'geo_point_2d', type: 'GEOMETRY', lon: -0.57, lat: 44.83, metres: 1000 },
      "within_distance(`geo_point_2d`, geom'POINT(-0.57 44.83)', 1015m)",
    ],
    [
      {
        op: 'intersects',
        property: 'geo_point_2d',
        type: 'GEOMETRY',
        geometry: {
          type: 'LineString',
          coordinates: [
            [1, 2],
            [3, 4],
          ],
        },
      },
      'in_bbox(`geo_point_2d`, 1.999999, 0.999999, 4.000001, 3.000001)',
    ],
    [
      { op: 'and', args: [onInt('>', 1), { op: 'or', args: [onText('a'), onText('b')] }] },
      '(`nbvelos` > 1 and (`nom` = "a" or `nom` = "b"))',
    ],
  ];
  test.each(rows)('%j', (filter, where) => {
    expect(dialect.toWhere(filter)).toBe(where);
  });
});

describe('negation', () => {
  const rows: readonly (readonly [filter: RecordFilter, where: string])[] = [
    [not(onInt('=', 5)), '(`nbvelos` < 5 or `nbvelos` > 5)'],
    [not(onInt('<', 5)), '`nbvelos` >= 5'],
    [not(not(onInt('<', 5))), '`nbvelos` < 5'],
    [not({ op: 'isNull', property: 'nbvelos', type: 'INTEGER' }), '`nbvelos` is not null'],
    [not({ op: 'and', args: [onInt('<', 5), not(onInt('=', 1))] }), '(`nbvelos` >= 5 or `nbvelos` = 1)'],
    [not({ op: 'or', args: [onInt('<', 5), onInt('>', 9)] }), '(`nbvelos` >= 5 and `nbvelos` <= 9)'],
    [
      not({ op: 'between', property: 'nbvelos', type: 'INTEGER', lower: 1, upper: 2 }),
      '(`nbvelos` < 1 or `nbvelos` > 2)',
    ],
    [
      not({ op: 'in', property: 'nbvelos', type: 'INTEGER', values: [1, 2] }),
      '((`nbvelos` < 1 or `nbvelos` > 1) and (`nbvelos` < 2 or `nbvelos` > 2))',
    ],
    [not({ op: '=', property: 'ouvert', type: 'BOOLEAN', value: true }), '`ouvert` is false'],
    [
      not({ op: 'in', property: 'ouvert', type: 'BOOLEAN', values: [true, false] }),
      '(`ouvert` is true and `ouvert` is false)',
    ],
  ];
  test.each(rows)('%j moves down to the predicates', (filter, where) => {
    expect(dialect.toWhere(filter)).toBe(where);
    expect(where).not.toMatch(/\bnot\b(?! null)/);
  });

  test('of something inexact is our own fault', () => {
    expect(() => dialect.toWhere(not(onText('a')))).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });
});

describe('grades', () => {
  const geo = 'geo_point_2d';
  const specimen: Predicate = { op: 'bbox', property: geo, type: 'GEOMETRY', bbox: [-0.6, 44.8, -0.5, 44.9] };
  const rows: readonly (readonly [title: string, predicate: Predicate, grade: string])[] = [
    ['a comparison of whole numbers', onInt('=', 5), 'exact'],
    ['inequality of whole numbers', onInt('<>', 5), 'exact'],
    ['a number', { op: '<', property: 'taux', type: 'NUMBER', value: 0.1 }, 'exact'],
    ['a boolean', { op: '=', property: 'ouvert', type: 'BOOLEAN', value: false }, 'exact'],
    ['null of a date', { op: 'isNull', property: 'jour', type: 'DATE' }, 'exact'],
    ['null of a text', { op: 'isNull', property: 'nom', type: 'STRING' }, 'inexact'],
    ['null of a geometry', { op: 'isNull', property: geo, type: 'GEOMETRY' }, 'inexact'],
    ['null of JSON', { op: 'isNull', property: 'photo', type: 'JSON' }, 'inexact'],
    ['equality of texts', onText('a'), 'inexact'],
    ['a time', { op: '<', property: 'mdate', type: 'DATETIME', value: '2026-03-29T01:30:00Z' }, 'inexact'],
    ['a date', { op: '=', property: 'jour', type: 'DATE', value: '2026-03-29' }, 'inexact'],
    ['a box', specimen, 'inexact'],
    ['a box at the antimeridian', { ...specimen, bbox: [179, -1, -179, 1] }, 'none'],
    ['order of texts', { op: '<', property: 'nom', type: 'STRING', value: 'a' }, 'none'],
    ['inequality of texts', { op: '<>', property: 'nom', type: 'STRING', value: 'a' }, 'none'],
    ['a pattern', { op: 'like', property: 'nom', type: 'STRING', pattern: 'a%' }, 'none'],
    ['an empty text', onText(''), 'none'],
    ['a text with spaces around it', onText(' a'), 'none'],
    ['a text with a control character', onText('a\nb'), 'none'],
    ['a text with NUL', onText('a\u0000b'), 'none'],
    ['a text that is not composed', onText('e\u0301'), 'none'],
    ['a long text', onText('a'.repeat(251)), 'none'],
    ['a lone surrogate', onText('a\ud800b'), 'none'],
    ['an integer beyond a double', onInt('=', 9_007_199_254_740_993n), 'none'],
    ['a number without plain digits', { op: '=', property: 'taux', type: 'NUMBER', value: 1e300 }, 'none'],
    ['an unknown property', { op: '=', property: 'nope', type: 'INTEGER', value: 1 }, 'none'],
    ['a property of another type', { op: '=', property: 'nbvelos', type: 'STRING', value: 'a' }, 'none'],
    ['a backquote in the name', { op: '=', property: 'bad`name', type: 'INTEGER', value: 1 }, 'none'],
    ['a line break in the name', { op: '=', property: 'bad\nname', type: 'INTEGER', value: 1 }, 'none'],
    [
      'a circle around a pole on a shape',
      { op: 'withinMetres', property: 'geo_shape', type: 'GEOMETRY', lon: 0, lat: 89.99, metres: 5000 },
      'none',
    ],
    [
      'half of the world on a shape',
      { op: 'bbox', property: 'geo_shape', type: 'GEOMETRY', bbox: [-180, -10, 180, 10] },
      'none',
    ],
  ];
  test.each(rows)('%s', (_title, predicate, grade) => {
    expect(dialect.grade(predicate)).toBe(grade);
  });

  test('before v2.1 shapes are left to the hub and circles become boxes', () => {
    expect(older.grade({ op: 'bbox', property: 'geo_shape', type: 'GEOMETRY', bbox: [0, 0, 1, 1] })).toBe('none');
    const circle: Predicate = { op: 'withinMetres', property: geo, type: 'GEOMETRY', lon: 0, lat: 45, metres: 1000 };
    expect(older.toWhere(circle)).toMatch(/^in_bbox\(`geo_point_2d`, 44\.99\d+, -0\.01\d+, 45\.00\d+, 0\.01\d+\)$/);
  });

  test('a long list of numbers is only claimed inexact, a longer one not at all', () => {
    const list = (count: number): Predicate => ({
      op: 'in',
      property: 'nbvelos',
      type: 'INTEGER',
      values: Array.from({ length: count }, (_, index) => 100_000 + index),
    });
    expect([list(5), list(100), list(400)].map((predicate) => dialect.grade(predicate))).toEqual([
      'exact',
      'inexact',
      'none',
    ]);
  });
});

describe('laws', () => {
  const scalar = fc.oneof(fc.string({ unit: 'binary' }), fc.double(), fc.integer(), fc.boolean(), fc.bigInt());
  const predicate: fc.Arbitrary<Predicate> = fc
    .record({
      field: fc.constantFrom(...FIELDS),
      op: fc.constantFrom('=', '<>', '<', '>=', 'in', 'between', 'isNull', 'like', 'bbox', 'withinMetres'),
      a: scalar,
      b: scalar,
    })
    .map(({ field, op, a, b }) => {
      const on = { property: field.name, type: field.type };
      if (op === 'in') return { ...on, op, values: [a, b] };
      if (op === 'between') return { ...on, op, lower: a, upper: b };
      if (op === 'isNull') return { ...on, op };
      if (op === 'like') return { ...on, op, pattern: String(a) };
      if (op === 'bbox') return { ...on, op, bbox: [Number(a), Number(b), Number(b), Number(a)] };
      if (op === 'withinMetres') return { ...on, op, lon: Number(a), lat: Number(b), metres: Number(a) };
      return { ...on, op: op as '=', value: a };
    });

  test('what is graded can be spelled, what is not cannot, and what is exact can be negated', () => {
    fc.assert(
      fc.property(predicate, (given) => {
        const grade = dialect.grade(given);
        if (grade === 'none') expect(() => dialect.toWhere(given)).toThrow();
        else expect(encodedLength(dialect.toWhere(given))).toBeLessThanOrEqual(DIALECT_LIMITS.predicate);
        if (grade === 'exact') expect(dialect.toWhere(not(given))).not.toBe('');
      }),
      { seed: 7, numRuns: 2_000 },
    );
  });

  test('a number reads back as itself', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (value) => {
        const text = spellNumber(value);
        if (text === null) return;
        expect(text).toMatch(/^-?\d+(\.\d+)?$/);
        expect(Number(text)).toBe(value === 0 ? 0 : value);
      }),
      { seed: 7, numRuns: 5_000 },
    );
  });
});

/** Reads ODSQL as the reference describes it; null when `text` is not exactly one double-quoted literal. */
function readOneLiteral(text: string): string | null {
  if (!text.startsWith('"')) return null;
  let value = '';
  for (let i = 1; i < text.length; i++) {
    if (text[i] === '\\') value += text[++i] ?? '';
    else if (text[i] === '"') return i === text.length - 1 ? value : null;
    else value += text[i];
  }
  return null;
}

describe('hostile texts', () => {
  const corpora = fileURLToPath(new URL('../../../../shared/corpora/hostile/', import.meta.url));
  const isThere = existsSync(corpora);
  const texts = (file: string): string[] =>
    readFileSync(`${corpora}${file}`, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .flatMap((line) => {
        const row = JSON.parse(line) as { enc?: string; data?: unknown; value?: unknown };
        return [row.value, row.enc === undefined || row.enc === 'utf8' ? row.data : null].filter(
          (text) => typeof text === 'string',
        );
      });
  const files = isThere
    ? readdirSync(corpora).filter((file) =>
        /^(query-injection|sqli|blns|xss|strings-misc|csv-formula)\.jsonl$/.test(file),
      )
    : [];

  test.skipIf(!isThere)('the corpora are read', () => {
    expect(files.length).toBe(6);
    expect(files.flatMap(texts).length).toBeGreaterThan(5_000);
  });

  test.each(files)('every text of %s stays one literal or is refused', (file) => {
    for (const text of texts(file)) {
      const literal = spellText(text);
      if (literal !== null) expect(readOneLiteral(literal)).toBe(text);
      const search = toCatalogSearch(text);
      if (search !== null) {
        expect(search.startsWith('search(') && search.endsWith(')')).toBe(true);
        expect(readOneLiteral(search.slice(7, -1))).not.toBeNull();
      }
      const name = spellField(text);
      if (name !== null) expect(name.slice(1, -1)).not.toMatch(/[`\\]/);
    }
  });

  test('any text at all stays one literal or is refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const literal = spellText(text);
        if (literal !== null) expect(readOneLiteral(literal)).toBe(text);
      }),
      { seed: 7, numRuns: 5_000 },
    );
  });
});

describe('catalog clauses', () => {
  test('a search text is escaped, cleaned and cut', () => {
    expect(toCatalogSearch('vélo "rouge" \\ x')).toBe('search("vélo \\"rouge\\" \\\\ x")');
    expect(toCatalogSearch('a\u0000b\n c')).toBe('search("a b  c")');
    expect(toCatalogSearch(' \n ')).toBeNull();
    expect(toCatalogSearch('😀'.repeat(300))).toBe(`search("${'😀'.repeat(200)}")`);
  });

  test('ids become one list', () => {
    expect(toCatalogIds(['ci_vcub_p', 'a"b'])).toBe('dataset_id in ("ci_vcub_p", "a\\"b")');
  });
});

describe('order', () => {
  test('the sort keys come first, then what is left of the tie breakers', () => {
    const sort = [{ property: 'taux', type: 'NUMBER', direction: 'DESC' }] as const;
    expect(dialect.toOrderBy(sort, ['nom', 'taux', 'nbvelos'])).toBe('`taux` desc,`nom`,`nbvelos`');
  });

  test('geometries, JSON and names that cannot be spelled order nothing', () => {
    expect(orderableProperties(FIELDS)).toEqual(['nom', 'nbvelos', 'taux', 'ouvert', 'jour', 'mdate', 'date']);
  });

  test('properties are cut to what one request carries, and the clause names exactly them', () => {
    const many = Array.from({ length: 100 }, (_, index): DialectField => ({
      name: `${'très_long_nom_de_colonne_'.repeat(2)}${index}`,
      type: 'INTEGER',
      geo: null,
    }));
    const properties = orderableProperties(many);
    expect(properties.length).toBeGreaterThan(5);
    expect(properties.length).toBeLessThanOrEqual(DIALECT_LIMITS.orderByFields);
    const clause = dialect.toOrderBy([], properties);
    expect(encodedLength(clause)).toBeLessThanOrEqual(DIALECT_LIMITS.orderBy);
    expect(clause.split(',')).toEqual(properties.map((name) => `\`${name}\``));
    expect(orderableProperties(many.map((field, index) => ({ ...field, name: `c${index}` }))).length).toBe(40);
  });
});
