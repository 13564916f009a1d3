import type { HubRecord, QueryableType, RecordValue } from '@civex/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createExportWriter } from './create-export-writer.ts';
import type { ExportColumn, ExportOptions } from './export-writer.ts';
import { asJson, column, HEADER, hardText, own, record, table, writeFile } from './test-support/fixtures.ts';
import { parquetMetadataOf, readParquet } from './test-support/read-parquet.ts';

type Args = readonly [
  columns: readonly ExportColumn[],
  batches: readonly (readonly HubRecord[])[],
  options?: ExportOptions,
];

const parquet = (...args: Args): Buffer => writeFile('parquet', ...args);
const entryOf = (bytes: Uint8Array, key: string): unknown => {
  const text = parquetMetadataOf(bytes).key_value_metadata?.find((entry) => entry.key === key)?.value;
  return text === undefined ? null : (JSON.parse(text) as unknown);
};

const numbered = (count: number, text = 'x'): readonly HubRecord[] =>
  Array.from({ length: count }, (_, n) => record({ n, s: `${text}${String(n).padStart(4, '0')}` }));
const N_AND_S = [column('n', 'INTEGER'), column('s', 'STRING')];

describe('the file', () => {
  test('declares one type for each column', () => {
    const types: readonly QueryableType[] = [
      'STRING',
      'INTEGER',
      'NUMBER',
      'BOOLEAN',
      'DATE',
      'DATETIME',
      'GEOMETRY',
      'JSON',
    ];
    const { schema } = parquetMetadataOf(
      parquet(
        types.map((type) => column(type, type)),
        [],
      ),
    );
    expect(
      schema
        .slice(1)
        .map(({ name, type, converted_type, logical_type, repetition_type }) => [
          name,
          type,
          converted_type,
          logical_type?.type,
          repetition_type,
        ]),
    ).toEqual([
      ['STRING', 'BYTE_ARRAY', 'UTF8', 'STRING', 'OPTIONAL'],
      ['INTEGER', 'INT64', undefined, undefined, 'OPTIONAL'],
      ['NUMBER', 'DOUBLE', undefined, undefined, 'OPTIONAL'],
      ['BOOLEAN', 'BOOLEAN', undefined, undefined, 'OPTIONAL'],
      ['DATE', 'BYTE_ARRAY', 'UTF8', 'STRING', 'OPTIONAL'],
      ['DATETIME', 'BYTE_ARRAY', 'UTF8', 'STRING', 'OPTIONAL'],
      // The reader's own conclusion from the GeoParquet metadata.
      ['GEOMETRY', 'BYTE_ARRAY', undefined, 'GEOMETRY', 'OPTIONAL'],
      ['JSON', 'BYTE_ARRAY', 'JSON', 'JSON', 'OPTIONAL'],
    ]);
  });

  test('says whose data it is', () => {
    expect(entryOf(parquet(N_AND_S, []), 'civex')).toEqual({
      ...HEADER,
      question: { filter: { property: 'id', eq: '1152921504606846976' }, cql: null },
      columns: N_AND_S,
    });
  });

  test('of no records is a whole file without rows', async () => {
    const file = parquet(N_AND_S, [[]]);
    expect(parquetMetadataOf(file).num_rows).toBe(0n);
    expect(await readParquet(file)).toEqual([]);
  });

  test('of no columns counts its records', async () => {
    expect(await readParquet(parquet([], [numbered(3)], { rowGroup: { records: 2, bytes: 100 } }))).toEqual([
      [1n],
      [2n],
      [3n],
    ]);
  });

  test('carries ids first, under a name no column has', async () => {
    const file = parquet([column('record_id', 'STRING')], [[record({ record_id: 'x' }, 'the id')]], { ids: true });
    expect(parquetMetadataOf(file).schema.map(({ name }) => name)).toEqual(['schema', 'record_id_2', 'record_id']);
    expect(await readParquet(file)).toEqual([['the id', 'x']]);
  });

  test('cut anywhere, it cannot be opened', () => {
    const file = parquet(N_AND_S, [numbered(20)], { rowGroup: { records: 7, bytes: 1e9 } });
    expect(parquetMetadataOf(file).num_rows).toBe(20n);
    for (let length = 0; length < file.length; length++)
      expect(() => parquetMetadataOf(file.subarray(0, length))).toThrow();
  });

  test('lists the kinds of geometry each column has, as GeoParquet 1.1', () => {
    const point = { type: 'Point', coordinates: [1, 2] };
    const file = parquet(
      [column('a', 'STRING'), column('g', 'GEOMETRY'), column('h', 'GEOMETRY')],
      [
        [record({ g: { type: 'MultiPoint', coordinates: [[1, 2, 3]] } }), record({ g: point })],
        [record({ g: { type: 'GeometryCollection', geometries: [point] } }), record({ g: point }), record({})],
      ],
    );
    expect(entryOf(file, 'geo')).toEqual({
      version: '1.1.0',
      primary_column: 'g',
      columns: {
        g: { encoding: 'WKB', geometry_types: ['GeometryCollection', 'MultiPoint Z', 'Point'] },
        h: { encoding: 'WKB', geometry_types: [] },
      },
    });
    expect(entryOf(parquet(N_AND_S, []), 'geo')).toBeNull();
  });
});

describe('row groups', () => {
  test.each([
    ['records', { records: 10, bytes: 1e9 }, 10],
    ['bytes of values', { records: 1e9, bytes: 168 }, 8],
  ])('end at their bound of %s, and leave at once', (_, rowGroup, perGroup) => {
    const writer = createExportWriter('parquet', N_AND_S, HEADER, { rowGroup });
    writer.begin();
    const pieces = numbered(40).map((one) => writer.write([one]));
    expect(pieces.flatMap((piece, index) => (piece === null ? [] : [index + 1]))).toEqual(
      Array.from({ length: 40 / perGroup }, (__, group) => (group + 1) * perGroup),
    );
  });

  test('keep the order of the records across batches of any size', async () => {
    const all = numbered(1_000);
    const batches = [all.slice(0, 1), all.slice(1, 400), [], all.slice(400, 401), all.slice(401)];
    const file = parquet(N_AND_S, batches, { rowGroup: { records: 64, bytes: 1e9 } });
    expect(parquetMetadataOf(file).row_groups).toHaveLength(16);
    expect(await readParquet(file)).toEqual(all.map((one) => [BigInt(own(one, 'n') as number), own(one, 's')]));
  });

  test('pieces that were given out are not written to again', async () => {
    const writer = createExportWriter('parquet', N_AND_S, HEADER, { rowGroup: { records: 2, bytes: 1e9 } });
    const pieces = [writer.begin(), ...numbered(50).map((one) => writer.write([one])), writer.end()].filter(
      (piece) => piece !== null,
    );
    const copies = pieces.map((piece) => Uint8Array.from(piece));
    writer.mediaType.at(0);
    expect(pieces.map((piece) => Uint8Array.from(piece))).toEqual(copies);
    expect(new Set(pieces.map(({ buffer }) => buffer)).size).toBe(pieces.length);
    expect(await readParquet(Buffer.concat(pieces))).toHaveLength(50);
  });

  test('the footer grows by row groups, not by what is in the cells', ({ task }) => {
    const footerOf = (groups: number, text: string): number => {
      const writer = createExportWriter('parquet', [column('s', 'STRING'), column('j', 'JSON')], HEADER, {
        rowGroup: { records: 1, bytes: 1e9 },
      });
      writer.begin();
      for (let n = 0; n < groups; n++) writer.write([record({ s: `${text}${n}`, j: text })]);
      return writer.end()?.length ?? 0;
    };
    // No shorter text comes after it: a library that keeps greatest values keeps it whole.
    const hostile = '\u{10FFFF}'.repeat(50_000);
    const perGroup = (footerOf(200, hostile) - footerOf(100, hostile)) / 100;
    task.meta.figures = [
      {
        point: 4,
        what: 'Parquet footer, bytes for each row group of 2 hostile columns',
        value: Math.round(perGroup),
        target: '< 400',
        isMet: perGroup < 400,
      },
    ];
    expect(perGroup).toBeLessThan(400);
  });
});

describe('what fits no column is refused', () => {
  const rows: readonly [string, QueryableType, RecordValue, RecordValue][] = [
    ['a text', 'INTEGER', 'n/a', 1],
    ['a fraction', 'INTEGER', 1.5, 1],
    ['2^63', 'INTEGER', 2n ** 63n, 2n ** 63n - 1n],
    ['-2^63 - 1', 'INTEGER', -(2n ** 63n) - 1n, -(2n ** 63n)],
    ['1e19 as a number', 'INTEGER', 1e19, 1e18],
    ['a boolean', 'INTEGER', true, 1],
    ['a text', 'NUMBER', '1.5', 1.5],
    ['an integer no double is', 'NUMBER', 2n ** 53n + 1n, 2n ** 60n],
    ['an infinite number', 'NUMBER', Infinity, 1],
    ['not a number', 'NUMBER', NaN, 1],
    ['a text', 'BOOLEAN', 'true', true],
    ['a number', 'BOOLEAN', 1, false],
    ['a text', 'GEOMETRY', '1,2', { type: 'Point', coordinates: [1, 2] }],
    [
      'an open ring',
      'GEOMETRY',
      {
        type: 'Polygon',
        coordinates: [
          [
            [0, 0],
            [1, 0],
            [1, 1],
            [0, 1],
          ],
        ],
      },
      {
        type: 'Polygon',
        coordinates: [
          [
            [0, 0],
            [1, 0],
            [1, 1],
            [0, 0],
          ],
        ],
      },
    ],
    [
      'four numbers',
      'GEOMETRY',
      { type: 'Point', coordinates: [1, 2, 3, 4] },
      { type: 'Point', coordinates: [1, 2, 3] },
    ],
    [
      'positions of two kinds',
      'GEOMETRY',
      {
        type: 'LineString',
        coordinates: [
          [1, 2, 3],
          [1, 2],
        ],
      },
      {
        type: 'LineString',
        coordinates: [
          [1, 2],
          [1, 2],
        ],
      },
    ],
    ['half a surrogate pair', 'STRING', '\udc00', '\u{10000}'],
    ['half a surrogate pair', 'DATE', '\ud800', '2024'],
    ['an infinite number', 'JSON', [Infinity], [1]],
  ];
  test.each(rows)('%s in a column of %s', (_, type, bad, good) => {
    const write = (value: RecordValue): Buffer => parquet([column('a', type)], [[record({ a: value })]]);
    expect(() => write(bad)).toThrow(expect.objectContaining({ code: 'SOURCE_MALFORMED' }) as Error);
    expect(() => write(good)).not.toThrow();
  });

  test('nor does a name that is no Unicode', () => {
    expect(() => parquet([column('\ud800', 'STRING')], [])).toThrow(
      expect.objectContaining({ code: 'SOURCE_MALFORMED' }) as Error,
    );
  });
});

/** A cell read back as the value of its column. */
function expectCell(cell: unknown, value: RecordValue, type: QueryableType): void {
  if (value === null) expect(cell ?? null).toBeNull();
  else if (type === 'INTEGER') expect(cell).toBe(BigInt(value as number));
  else if (type === 'NUMBER') expect(cell).toBe(value);
  else if (type === 'JSON' || type === 'GEOMETRY') expect(JSON.stringify(cell)).toBe(JSON.stringify(asJson(value)));
  else expect(cell).toBe(value);
}

describe('round trips', () => {
  test('minus zero stays minus zero, and what is not of its text column becomes its text', async () => {
    const columns = [column('n', 'NUMBER'), column('s', 'STRING'), column('i', 'INTEGER')];
    const records = [0, -0, 0, -0].map((n, index) =>
      record({ n, s: [1, true, 2n ** 70n, ['a', null]][index] ?? null, i: 1e18 }),
    );
    expect(await readParquet(parquet(columns, [records]))).toEqual([
      [0, '1', 10n ** 18n],
      [-0, 'true', 10n ** 18n],
      [0, '1180591620717411303424', 10n ** 18n],
      [-0, '["a",null]', 10n ** 18n],
    ]);
  });

  test('every value of every type comes back', async ({ task }) => {
    let values = 0;
    await fc.assert(
      fc.asyncProperty(table, fc.integer({ min: 1, max: 4 }), async ({ columns, records }, perGroup) => {
        const rows = await readParquet(
          parquet(columns, [records], { ids: true, rowGroup: { records: perGroup, bytes: 1e9 } }),
        );
        expect(rows).toHaveLength(records.length);
        for (const [index, [id, ...cells]] of rows.entries()) {
          const source = records[index] ?? record({});
          expect(id).toBe(source.id);
          for (const [at, { name, type }] of columns.entries()) {
            expectCell(cells[at], own(source, name), type);
            values++;
          }
        }
      }),
      { seed: 61, numRuns: 500 },
    );
    task.meta.figures = [
      {
        point: 4,
        what: 'Parquet round trip: values back as they were',
        value: values,
        target: '>= 3000, all',
        isMet: values >= 3_000,
      },
    ];
    expect(values).toBeGreaterThan(3_000);
  });

  test('the least and greatest values of a row group enclose its values, so that no reader skips any', () => {
    /** Texts in the order of their bytes, numbers by value. */
    const isAtMost = (a: unknown, b: unknown): boolean =>
      typeof a === 'string' && typeof b === 'string'
        ? Buffer.compare(Buffer.from(a), Buffer.from(b)) <= 0
        : (a as number) <= (b as number);
    let checked = 0;
    fc.assert(
      fc.property(table, fc.array(hardText, { minLength: 1, maxLength: 5 }), ({ columns, records }, long) => {
        const named = [...columns, column('a long text', 'STRING')];
        const rows = records.map((one, index) => ({
          ...one,
          values: Object.fromEntries([
            ...Object.entries(one.values),
            ['a long text', (long[index % long.length] ?? '').repeat(40)],
          ]),
        }));
        const { row_groups: groups } = parquetMetadataOf(
          parquet(named, [rows], { rowGroup: { records: 3, bytes: 1e9 } }),
        );
        for (const [group, { columns: chunks }] of groups.entries())
          for (const [at, { meta_data: chunk }] of chunks.entries()) {
            const { min_value: min, max_value: max } = chunk?.statistics ?? {};
            if (min === undefined || max === undefined || named[at] === undefined) continue;
            for (const one of rows.slice(group * 3, group * 3 + 3)) {
              const value = own(one, named[at].name);
              if (value === null) continue;
              expect(isAtMost(min, value) && isAtMost(value, max)).toBe(true);
              checked++;
            }
          }
      }),
      { seed: 62, numRuns: 300 },
    );
    expect(checked).toBeGreaterThan(1_000);
  });

  test('columns of many pages, repeated and unique texts and nulls come back', async () => {
    const columns = [
      column('same', 'STRING'),
      column('unique', 'STRING'),
      column('n', 'NUMBER'),
      column('i', 'INTEGER'),
      column('b', 'BOOLEAN'),
      column('none', 'STRING'),
    ];
    const records = Array.from({ length: 30_000 }, (_, n) =>
      record({
        same: n % 3 === 0 ? null : `kind ${n % 7}`,
        unique: `${n} `.repeat(20),
        n: n / 3,
        i: n % 11,
        b: n % 100 < 50,
      }),
    );
    const rows = await readParquet(parquet(columns, [records]));
    expect(rows).toHaveLength(records.length);
    const wrong = rows.filter((row, index) =>
      columns.some(({ name, type }, at) => {
        const value = records[index] === undefined ? null : own(records[index], name);
        return (row[at] ?? null) !== (type === 'INTEGER' && value !== null ? BigInt(value as number) : value);
      }),
    );
    expect(wrong).toEqual([]);
  });
});
