import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import Papa from 'papaparse';
import { describe, expect, test } from 'vitest';
import type { ExportOptions } from './export-writer.ts';
import { asJson, column, decode, hardText, own, record, table, writeFile } from './test-support/fixtures.ts';
import { isFormula, readCsv, withoutGuards } from './test-support/read-csv.ts';

const CORPORA = new URL('../../../../shared/corpora/hostile/', import.meta.url);
const hasCorpora = existsSync(CORPORA);
const corpus = <T>(file: string): readonly T[] =>
  readFileSync(new URL(file, CORPORA), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);

const csv = (...args: [...(Parameters<typeof writeFile> extends [unknown, ...infer Rest] ? Rest : never)]): string =>
  decode(writeFile('csv', ...args));

const TWO = [column('a', 'STRING'), column('b', 'STRING')];
/** The one cell of a text column, as a reader gets it. */
const cellOf = (text: string): string => {
  const rows = readCsv(csv([column('a', 'STRING'), column('n', 'INTEGER')], [[record({ a: text, n: 1 })]]));
  return rows[1]?.[0]?.text ?? 'no such cell';
};

describe('cells that a spreadsheet would calculate', () => {
  test.skipIf(!hasCorpora)('every case of the corpus is inert in a text column, and a number stays one', ({ task }) => {
    const cases = corpus<{ id: string; data: string; expect: string }>('csv-formula.jsonl');
    const wrong = cases.filter(({ data, expect: expected }) => {
      if (expected.startsWith('number')) {
        const [, row] = readCsv(
          csv(
            [column('n', 'NUMBER'), column('x', 'STRING')],
            [[record({ n: Number(data), x: '' })], [record({ n: data, x: '' })]],
          ),
        );
        return (
          row?.[0]?.text !== String(Number(data)) || isFormula(cellOf(data)) || withoutGuards(cellOf(data)) !== data
        );
      }
      const cell = cellOf(data);
      const asName = readCsv(csv([column(data, 'STRING'), column('n', 'STRING')], []))[0]?.[0]?.text ?? '=';
      const inJson =
        readCsv(csv([column('j', 'JSON'), column('n', 'STRING')], [[record({ j: data, n: '' })]]))[1]?.[0]?.text ?? '=';
      return (
        [cell, asName, inJson].some((text) => isFormula(text)) ||
        withoutGuards(cell) !== data ||
        JSON.parse(inJson) !== data ||
        JSON.parse(decode(writeFile('ndjson', TWO, [[record({ a: data, b: '' })]])).trimEnd()).a !== data
      );
    });
    task.meta.figures = [
      {
        point: 4,
        what: 'CSV formula corpus: cells inert, given back whole, unchanged in NDJSON',
        value: `${cases.length - wrong.length}/${cases.length}`,
        target: '42/42',
        isMet: wrong.length === 0 && cases.length >= 42,
      },
    ];
    expect(wrong).toEqual([]);
    expect(cases.length).toBeGreaterThanOrEqual(42);
  });

  test.each([
    ['=1', "'=1"],
    ["'=1", "''=1"],
    ["'s morgens", "'s morgens"],
    ['\u200b＝1', "'\u200b＝1"],
    ['\tx', "'\tx"],
    ['a;=1', "a;'=1"],
    ['a; "=1', `a;' "=1`],
    ['- one\n- two', "'- one\n'- two"],
    ['a-b=c@d', 'a-b=c@d'],
    ['a; b', 'a; b'],
    ['"=1"', `'"=1"`],
    ['"a"', '"a"'],
  ])('%j is written as %j', (text, cell) => {
    expect(cellOf(text)).toBe(cell);
  });

  test('no character that normalisation makes a sign begins a cell, on its own or behind any other', () => {
    const units: string[] = [];
    for (let unit = 0x20; unit < 0xffff; unit++)
      if (unit < 0xd800 || unit > 0xdfff) units.push(String.fromCharCode(unit));
    const [, ...rows] = readCsv(csv(TWO, [units.map((unit) => record({ a: unit, b: `x\n${unit}` }))]));
    const begins = (text: string | undefined): string => text?.normalize('NFKC')[0] ?? 'x';
    expect(rows).toHaveLength(units.length);
    expect(
      rows.filter(([a, b]) => '=+-@'.includes(begins(a?.text)) || '=+-@'.includes(begins(b?.text.slice(2)))),
    ).toEqual([]);
  });

  test('a number in a numeric column is not guarded, other text in it is', () => {
    const columns = [column('n', 'NUMBER'), column('i', 'INTEGER')];
    const values: [string | number | bigint, string | number | bigint][] = [
      [-1.5, -3],
      ['-12345678901234567.891', -(2n ** 70n)],
      ['-1+1', '=A1'],
    ];
    expect(csv(columns, [values.map(([n, i]) => record({ n, i }))])).toBe(
      'n,i\r\n-1.5,-3\r\n-12345678901234567.891,-1180591620717411303424\r\n"\'-1+1","\'=A1"\r\n',
    );
  });

  test('a negative number outside a numeric column is a text like any other', () => {
    const columns = [column('s', 'STRING'), column('j', 'JSON'), column('b', 'BOOLEAN')];
    expect(csv(columns, [[record({ s: '-1', j: -1, b: -1 })]])).toBe('s,j,b\r\n"\'-1","\'-1","\'-1"\r\n');
  });

  test('no cell is calculated, by the comma or torn at another separator, and each is given back whole', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(hardText, hardText), { minLength: 1, maxLength: 3 }), hardText, (rows, name) => {
        const file = csv(
          [column('a', 'STRING'), column(`x${name}`, 'STRING')],
          [rows.map(([a, b]) => record({ a, [`x${name}`]: b }))],
        );
        const cells = readCsv(file).slice(1);
        expect(cells.flat().filter(({ text }) => isFormula(text))).toEqual([]);
        expect(file.split(/[;\t\r\n]/).filter((piece) => isFormula(piece))).toEqual([]);
        expect(cells.map((row) => row.map(({ text }) => withoutGuards(text)))).toEqual(rows);
      }),
      { seed: 41, numRuns: 1_500 },
    );
  });

  test('a text in a JSON column begins no formula behind its quotes, and is the same text', () => {
    const file = csv([column('j', 'JSON'), column('a', 'STRING')], [[record({ j: '=1+1', a: '' })]]);
    expect(file).toBe('j,a\r\n"""\\u003d1+1""",""\r\n');
    expect(JSON.parse(readCsv(file)[1]?.[0]?.text ?? '')).toBe('=1+1');
  });

  test('a JSON cell torn at a semicolon is not calculated and still means the same', () => {
    fc.assert(
      fc.property(hardText, hardText, (key, text) => {
        const value = { [`k${key}`]: [`x;${text}`, text] };
        const file = csv([column('a', 'STRING'), column('j', 'JSON')], [[record({ a: 'a', j: value })]]);
        expect(file.split(/[;\t\r\n]/).filter((piece) => isFormula(piece))).toEqual([]);
        expect(JSON.parse(readCsv(file)[1]?.[1]?.text ?? '')).toEqual(value);
      }),
      { seed: 42, numRuns: 500 },
    );
  });
});

describe('the file', () => {
  test('has a header, commas and CRLF', () => {
    expect(csv(TWO, [[record({ a: 'é', b: 'x y' })], [record({ a: 'say "hi"', b: 'a,b' })]])).toBe(
      'a,b\r\né,x y\r\n"say ""hi""","a,b"\r\n',
    );
  });

  test('of no records is its header', () => {
    expect(csv(TWO, [[]])).toBe('a,b\r\n');
  });

  test('null is an empty field and an empty text two quotes', () => {
    expect(csv(TWO, [[record({ a: null, b: '' }), record({ a: '' })]])).toBe('a,b\r\n,""\r\n"",\r\n');
  });

  test('geometries and JSON columns are JSON texts, a text in a JSON column too', () => {
    const columns = [column('g', 'GEOMETRY'), column('j', 'JSON')];
    const records = [
      record({ g: { type: 'Point', coordinates: [1, -2] }, j: 'x' }),
      record({ g: { coordinates: [1, 2, 3], type: 'Point' }, j: { big: 2n ** 60n } }),
      record({ g: 'somewhere', j: [] }),
      record({ g: { type: 'Point', coordinates: [1, 2], bbox: [1, 2, 1, 2] }, j: 0 }),
    ];
    expect(readCsv(csv(columns, [records])).map((row) => row.map(({ text }) => text))).toEqual([
      ['g', 'j'],
      ['{"type":"Point","coordinates":[1,-2]}', '"x"'],
      ['{"coordinates":[1,2,3],"type":"Point"}', '{"big":"1152921504606846976"}'],
      ['somewhere', '[]'],
      ['{"type":"Point","coordinates":[1,2],"bbox":[1,2,1,2]}', '0'],
    ]);
  });

  test('of one column counts its records, so that a lone null is no empty line', () => {
    expect(csv([column('a', 'STRING')], [[record({ a: null })], [record({ a: '' })]])).toBe(
      'record_number,a\r\n1,\r\n2,""\r\n',
    );
    expect(csv([column('record_number', 'STRING')], [[record({ record_number: 'x' })]])).toBe(
      'record_number_2,record_number\r\n1,x\r\n',
    );
    expect(csv([], [[record({}), record({})]])).toBe('record_number\r\n1\r\n2\r\n');
    expect(csv([], [[record({}, 'x'), record({}, 'y')]], { ids: true })).toBe('record_id\r\nx\r\ny\r\n');
  });

  test.each<[ExportOptions, string]>([
    [{ ids: true }, 'record_id,a,b\r\nr=1,x,y\r\n"\'-2",x,y\r\n'],
    [{ byteOrderMark: true }, '\uFEFFa,b\r\nx,y\r\nx,y\r\n'],
  ])('with %j', (options, file) => {
    expect(csv(TWO, [[record({ a: 'x', b: 'y' }, 'r=1'), record({ a: 'x', b: 'y' }, '-2')]], options)).toBe(file);
  });

  test('a name that begins with a byte order mark does not become one', () => {
    expect(csv([column('\uFEFFa', 'STRING'), column('b', 'STRING')], []).startsWith('"\uFEFFa"')).toBe(true);
  });

  test('values of no column are left out, and what objects inherit is no value', () => {
    const columns = [column('constructor', 'STRING'), column('__proto__', 'STRING'), column('a', 'STRING')];
    expect(
      csv(columns, [
        [
          record({ a: '1', b: '2' }),
          record([
            ['__proto__', 'own'],
            ['a', '1'],
          ]),
        ],
      ]),
    ).toBe('constructor,__proto__,a\r\n,,1\r\n,own,1\r\n');
  });

  test('half a surrogate pair in a JSON column is an escape', () => {
    const file = csv([column('j', 'JSON'), column('b', 'STRING')], [[record({ j: ['x\udc00;'] })]]);
    expect(JSON.parse(readCsv(file)[1]?.[0]?.text ?? '')).toEqual(['x\udc00;']);
  });

  test('a cell of ten million characters passes', () => {
    const text = 'x,'.repeat(5_000_000);
    expect(readCsv(csv(TWO, [[record({ a: text, b: '' })]]))[1]?.[0]?.text).toBe(text);
  });

  test.each(['\n', '\t', ';', ' ', "'", '"', '=', ';=', '\n='])(
    'a million times %j takes no longer than a million others',
    (piece) => {
      const text = `x${piece.repeat(1_000_000)}x`;
      const cell = readCsv(csv(TWO, [[record({ a: text, b: text })]]))[1]?.[1]?.text ?? '';
      expect(cell.replaceAll(/([;\n])'/g, '$1') === text || cell === text).toBe(true);
    },
  );

  test.each([
    ['half a surrogate pair', column('a', 'STRING'), record({ a: 'x\ud800' })],
    ['an infinite number', column('a', 'NUMBER'), record({ a: Infinity })],
    ['not a number', column('a', 'JSON'), record({ a: [NaN] })],
  ])('%s is refused, and nothing stands in for it', (_, one, bad) => {
    const write = (row: typeof bad): string => csv([one, column('b', 'STRING')], [[row]]);
    expect(() => write(bad)).toThrow(expect.objectContaining({ name: 'HubError' }) as Error);
    expect(() => write(record({ a: null }))).not.toThrow();
  });
});

/** A cell read back as the value of its column. */
function readCell({ text, isQuoted }: { text: string; isQuoted: boolean }, type: string): unknown {
  if (text === '' && !isQuoted) return null;
  switch (type) {
    case 'INTEGER':
      return BigInt(text);
    case 'NUMBER':
      return Number(text);
    case 'BOOLEAN':
      return text === 'true';
    case 'GEOMETRY':
    case 'JSON':
      return JSON.parse(withoutGuards(text)) as unknown;
    default:
      return withoutGuards(text);
  }
}

describe('round trips', () => {
  test('every value of every type comes back', ({ task }) => {
    let values = 0;
    fc.assert(
      fc.property(table, fc.boolean(), ({ columns, records }, ids) => {
        const [, ...rows] = readCsv(csv(columns, [records], { ids }));
        expect(rows).toHaveLength(records.length);
        for (const [index, row] of rows.entries()) {
          const shown = row.slice(-columns.length);
          const source = records[index] ?? record({});
          expect(ids ? row.at(-columns.length - 1)?.text : source.id).toBe(source.id);
          for (const [at, { name, type }] of columns.entries()) {
            const value = own(source, name);
            const back = readCell(shown[at] ?? { text: '', isQuoted: false }, type);
            values++;
            if (type === 'INTEGER' && value !== null) expect(back).toBe(BigInt(value as number));
            else if (type === 'NUMBER') expect(back).toBe(value);
            else expect(JSON.stringify(back)).toBe(JSON.stringify(asJson(value)));
          }
        }
      }),
      { seed: 43, numRuns: 1_000 },
    );
    task.meta.figures = [
      {
        point: 4,
        what: 'CSV round trip: values back as they were',
        value: values,
        target: '>= 5000, all',
        isMet: values >= 5_000,
      },
    ];
    expect(values).toBeGreaterThan(5_000);
  });

  test('a reader of another house sees the same cells', () => {
    fc.assert(
      fc.property(table, ({ columns, records }) => {
        const file = csv(columns, [records], { ids: true });
        const { data, errors } = Papa.parse<string[]>(file, { skipEmptyLines: true });
        expect(errors.filter(({ code }) => code !== 'UndetectableDelimiter')).toEqual([]);
        expect(data).toEqual(readCsv(file).map((row) => row.map(({ text }) => text)));
      }),
      { seed: 44, numRuns: 300 },
    );
  });

  test.skipIf(!hasCorpora)('the good files of the reader corpora, written again, mean the same', ({ task }) => {
    const cases = [
      ...corpus<{ id: string; expect: string; data: string }>('csv-spectrum.jsonl'),
      ...corpus<{ id: string; expect: string; data: string }>('csv-sineemore.jsonl'),
    ].filter(({ expect: expected }) => expected === 'rows');
    const wrong = cases.filter(({ data }) => {
      const [names = [], ...rows] = Papa.parse<string[]>(data, { delimiter: ',' }).data;
      const columns = names.map((name, index) => column(`${index}:${name}`, 'STRING'));
      const records = rows.map((row) =>
        record(columns.map(({ name }, index): [string, string | null] => [name, row[index] ?? null])),
      );
      const back = Papa.parse<string[]>(csv(columns, [records], { ids: true })).data.slice(1, -1);
      return (
        JSON.stringify(back) !==
        JSON.stringify(rows.map((row) => ['r1', ...columns.map((_, index) => row[index] ?? '')]))
      );
    });
    task.meta.figures = [
      {
        point: 4,
        what: 'CSV reader corpora: files written again mean the same',
        value: `${cases.length - wrong.length}/${cases.length}`,
        target: 'all',
        isMet: wrong.length === 0 && cases.length > 20,
      },
    ];
    expect(wrong).toEqual([]);
    expect(cases.length).toBeGreaterThan(20);
  });
});
