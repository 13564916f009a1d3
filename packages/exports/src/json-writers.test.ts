import { createInterface } from 'node:readline/promises';
import { Readable } from 'node:stream';
import type { HubRecord, RecordValue } from '@civex/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asJson, column, decode, HEADER, own, record, table, writeFile } from './test-support/fixtures.ts';

type Json = Record<string, unknown>;
interface Feature {
  readonly type: string;
  readonly id?: string;
  readonly geometry: unknown;
  readonly properties: Json;
}
interface Collection {
  readonly type: string;
  readonly metadata: Json;
  readonly features: readonly Feature[];
  readonly numberReturned: number;
}

const ndjson = (...args: Parameters<typeof writeFile> extends [unknown, ...infer Rest] ? Rest : never): string =>
  decode(writeFile('ndjson', ...args));
const geojson = (...args: Parameters<typeof writeFile> extends [unknown, ...infer Rest] ? Rest : never): string =>
  decode(writeFile('geojson', ...args));
const collection = (...args: Parameters<typeof geojson>): Collection => JSON.parse(geojson(...args)) as Collection;

const A = [column('a', 'STRING'), column('n', 'INTEGER')];
const POINT = { type: 'Point', coordinates: [1, 2] };
const LINE = {
  type: 'LineString',
  coordinates: [
    [1, 2],
    [3, 4],
  ],
};
const OPEN_RING = {
  type: 'Polygon',
  coordinates: [
    [
      [0, 0],
      [1, 0],
      [1, 1],
      [0, 1],
    ],
  ],
};

/** Deep equality that also sees own members called `__proto__`. */
const same = (a: unknown, b: unknown): void => expect(JSON.stringify(a)).toBe(JSON.stringify(b));

describe('NDJSON', () => {
  test('is one object a line', () => {
    expect(ndjson(A, [[record({ a: 'x', n: 1 }), record({ a: null })], [], [record({ a: '"', n: 2n ** 60n })]])).toBe(
      '{"a":"x","n":1}\n{"a":null,"n":null}\n{"a":"\\"","n":"1152921504606846976"}\n',
    );
  });

  test('of no records is empty', () => {
    expect(ndjson(A, [[]])).toBe('');
  });

  test('keeps the order of the columns and leaves out what no column names', () => {
    expect(
      ndjson(A, [[record({ n: 1, a: 'x' }), record({ a: 'x', n: 1, b: 'secret' }), record({ x: 'secret' })]]),
    ).toBe('{"a":"x","n":1}\n{"a":"x","n":1}\n{"a":null,"n":null}\n');
    // Against its type, and still no line without a member.
    expect(ndjson(A, [[record({ a: undefined as never, n: 1 })]])).toBe('{"a":null,"n":1}\n');
  });

  test('carries ids under a name no column has', () => {
    const columns = [column('record_id', 'STRING')];
    expect(ndjson(columns, [[record({ record_id: 'x' }, 'é"')]], { ids: true })).toBe(
      '{"record_id_2":"é\\"","record_id":"x"}\n',
    );
  });

  test('a line is a line for readers that know the line ends of Unicode', async () => {
    const texts = ['a\u2028b', 'a\u2029b', 'a\u0085b', 'a\nb', 'a\rb'];
    const file = writeFile('ndjson', A, [texts.map((a) => record({ a: [{ [a]: a }] }))]);
    const lines: string[] = [];
    for await (const line of createInterface({ input: Readable.from([file]) })) lines.push(line);
    expect(lines.map((line) => (JSON.parse(line) as Json)['a'])).toEqual(texts.map((a) => [{ [a]: a }]));
    expect(decode(file)).not.toMatch(/[\u0085\u2028\u2029\r]/);
  });

  test('half a surrogate pair stays half a pair', () => {
    const file = ndjson(A, [[record({ a: 'x\ud800', n: 1 })]]);
    expect(file).toBe('{"a":"x\\ud800","n":1}\n');
    expect((JSON.parse(file) as Json)['a']).toBe('x\ud800');
  });

  test('what objects inherit is no value', () => {
    const columns = ['__proto__', 'constructor', 'toString', '1', 'a'].map((name) => column(name, 'STRING'));
    const [bare, whole] = ndjson(columns, [
      [record({ a: 'x' }), record(columns.map(({ name }): [string, string] => [name, name]))],
    ])
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Json);
    for (const { name } of columns) {
      expect(Object.getOwnPropertyDescriptor(bare, name)?.value).toBe(name === 'a' ? 'x' : null);
      expect(Object.getOwnPropertyDescriptor(whole, name)?.value).toBe(name);
    }
  });

  test('every value of every type comes back', ({ task }) => {
    let values = 0;
    fc.assert(
      fc.property(table, fc.boolean(), fc.boolean(), ({ columns, records }, ids, hasMore) => {
        const given = records.map(({ id, values: all }) => ({
          id,
          values: hasMore ? Object.fromEntries([['not shown', 'x'], ...Object.entries(all)]) : all,
        }));
        const shown = columns.filter(({ name }) => name !== 'not shown');
        const lines = ndjson(shown, [given], { ids }).split('\n');
        expect(lines.pop()).toBe('');
        expect(lines).toHaveLength(records.length);
        for (const [index, line] of lines.entries()) {
          const back = JSON.parse(line) as Json;
          const source = records[index] ?? record({});
          expect(Object.keys(back)).toHaveLength(shown.length + Number(ids));
          if (ids) expect(Object.values(back)).toContain(source.id);
          for (const { name } of shown) {
            expect(Object.hasOwn(back, name)).toBe(true);
            same(back[name], asJson(own(source, name)));
            values++;
          }
        }
      }),
      { seed: 51, numRuns: 1_000 },
    );
    task.meta.figures = [
      {
        point: 4,
        what: 'NDJSON round trip: values back as they were',
        value: values,
        target: '>= 5000, all',
        isMet: values >= 5_000,
      },
    ];
    expect(values).toBeGreaterThan(5_000);
  });
});

describe('GeoJSON', () => {
  const columns = [column('g', 'GEOMETRY'), column('a', 'STRING'), column('h', 'GEOMETRY')];

  test('says whose data it is before the first feature, and how many there were after the last', () => {
    const file = geojson(A, [[record({ a: 'x', n: 1 })], [record({ a: 'y', n: 2 })]]);
    const { type, metadata, features, numberReturned } = JSON.parse(file) as Collection;
    expect({ type, numberReturned, count: features.length }).toEqual({
      type: 'FeatureCollection',
      numberReturned: 2,
      count: 2,
    });
    expect(metadata).toEqual({
      ...HEADER,
      question: { filter: { property: 'id', eq: '1152921504606846976' }, cql: null },
      columns: A,
    });
    expect(file.indexOf('"metadata"')).toBeLessThan(file.indexOf('"features"'));
    expect(file.startsWith('{"type":"FeatureCollection",')).toBe(true);
  });

  test('of no records is an empty collection', () => {
    expect(collection(A, [[], []])).toMatchObject({ features: [], numberReturned: 0 });
  });

  test.each<[string, HubRecord['values'], Pick<Feature, 'geometry' | 'properties'>]>([
    ['the first geometry', { g: POINT, a: 'x', h: LINE }, { geometry: POINT, properties: { a: 'x', h: LINE } }],
    [
      'the next where the first is null',
      { g: null, a: 'x', h: LINE },
      { geometry: LINE, properties: { g: null, a: 'x' } },
    ],
    ['null where there is none', { g: null, a: 'x', h: null }, { geometry: null, properties: { a: 'x', h: null } }],
    [
      'never what is no geometry',
      { g: 'somewhere', a: 'x', h: OPEN_RING },
      { geometry: null, properties: { g: 'somewhere', a: 'x', h: OPEN_RING } },
    ],
    [
      'no point with a height that is no number',
      { g: { type: 'Point', coordinates: [1, 2, 'x'] }, a: 'x', h: null },
      { geometry: null, properties: { g: { type: 'Point', coordinates: [1, 2, 'x'] }, a: 'x', h: null } },
    ],
    [
      'the next where the first is no geometry',
      { g: OPEN_RING, a: 'x', h: POINT },
      { geometry: POINT, properties: { g: OPEN_RING, a: 'x' } },
    ],
  ])('the geometry is %s', (_, values, feature) => {
    expect(collection(columns, [[record(values as Record<string, RecordValue>)]]).features).toEqual([
      { type: 'Feature', ...feature },
    ]);
  });

  test('a geometry with members of its own keeps them, big integers as digits', () => {
    const [feature] = collection(columns, [[record({ g: { ...POINT, bbox: [1, 2, 1, 2], big: 2n ** 60n } })]]).features;
    expect(feature?.geometry).toEqual({ ...POINT, bbox: [1, 2, 1, 2], big: '1152921504606846976' });
  });

  test('the geometry may come from a column that is not shown', () => {
    const [feature] = collection([column('a', 'STRING')], [[record({ a: 'x', g: POINT })]], {
      geometryColumns: ['h', 'g'],
    }).features;
    expect(feature).toEqual({ type: 'Feature', geometry: POINT, properties: { a: 'x' } });
  });

  test('ids are ids of features', () => {
    expect(collection(A, [[record({ a: 'x' }, 'the id')]], { ids: true }).features[0]?.id).toBe('the id');
    expect(collection(A, [[record({ a: 'x' }, 'the id')]]).features[0]).not.toHaveProperty('id');
  });

  test('cut anywhere, it is not JSON', () => {
    const file = geojson(columns, [
      [record({ g: POINT, a: ']}', h: LINE })],
      [record({ a: '\n],"numberReturned":1}\n' })],
    ]).trimEnd();
    expect(JSON.parse(file)).toBeTypeOf('object');
    for (let length = 0; length < file.length; length++)
      expect(() => JSON.parse(file.slice(0, length)) as unknown).toThrow(SyntaxError);
  });

  test('every value of every type comes back, geometries in one place or the other', ({ task }) => {
    let values = 0;
    fc.assert(
      fc.property(table, ({ columns: all, records }) => {
        const { features, numberReturned } = collection(all, [records.slice(0, 2), records.slice(2)], { ids: true });
        expect(numberReturned).toBe(records.length);
        expect(features.map(({ id }) => id)).toEqual(records.map(({ id }) => id));
        const geometries = all.filter(({ type }) => type === 'GEOMETRY');
        for (const [index, { geometry, properties }] of features.entries()) {
          const source = records[index] ?? record({});
          const used = geometries.find(({ name }) => own(source, name) !== null) ?? geometries[0];
          same(geometry, used === undefined ? null : asJson(own(source, used.name)));
          expect(Object.keys(properties).toSorted()).toEqual(
            all
              .filter((one) => one !== used)
              .map(({ name }) => name)
              .toSorted(),
          );
          for (const { name } of all.filter((one) => one !== used)) same(properties[name], asJson(own(source, name)));
          values += all.length;
        }
      }),
      { seed: 52, numRuns: 1_000 },
    );
    task.meta.figures = [
      {
        point: 4,
        what: 'GeoJSON round trip: values back as they were',
        value: values,
        target: '>= 5000, all',
        isMet: values >= 5_000,
      },
    ];
    expect(values).toBeGreaterThan(5_000);
  });
});

describe.each(['ndjson', 'geojson'] as const)('%s', (format) => {
  const deep = (levels: number): RecordValue => (levels === 0 ? 1 : [deep(levels - 1)]);
  test.each<[string, RecordValue]>([
    ['an infinite number', Infinity],
    ['an infinite number inside', { a: [-Infinity] }],
    ['not a number', NaN],
    ['65 levels', deep(65)],
  ])('%s is refused', (_, value) => {
    const write = (given: RecordValue): Buffer => writeFile(format, [column('j', 'JSON')], [[record({ j: given })]]);
    expect(() => write(value)).toThrow(expect.objectContaining({ code: 'SOURCE_MALFORMED' }) as Error);
    expect(() => write(deep(64))).not.toThrow();
  });
});
