import type { HubRecord } from '@civex/model';
import { describe, expect, test } from 'vitest';
import { createExportWriter } from './create-export-writer.ts';
import { describeExport } from './describe-export.ts';
import { EXPORT_FORMATS } from './export-writer.ts';
import { column, HEADER, record } from './test-support/fixtures.ts';

const COLUMNS = [column('a', 'STRING'), column('n', 'NUMBER')];
const GOOD = record({ a: 'x', n: 1 });
const BAD = record({ a: 'x', n: Infinity });
const INTERNAL = expect.objectContaining({ code: 'INTERNAL' }) as Error;

describe.each(EXPORT_FORMATS)('%s', (format) => {
  const open = (): ReturnType<typeof createExportWriter> => {
    const writer = createExportWriter(format, COLUMNS, HEADER);
    writer.begin();
    return writer;
  };

  test('names its format', () => {
    const { mediaType, extension } = createExportWriter(format, COLUMNS, HEADER);
    expect(extension).toBe(format);
    expect(mediaType).toMatch(/^[a-z]+\/[a-z.+-]+(; [a-z]+=[a-z0-9-]+)*$/);
  });

  test('ends with the number of records that were read', () => {
    const writer = open();
    writer.write([GOOD, GOOD]);
    writer.write([GOOD]);
    expect(() => writer.end({ records: 3 })).not.toThrow();
  });

  test('has no end for another number of records', () => {
    const writer = open();
    writer.write([GOOD, GOOD]);
    expect(() => writer.end({ records: 3 })).toThrow(INTERNAL);
    expect(() => writer.end({ records: 2 })).toThrow(INTERNAL);
  });

  test('has no end after a value that could not be written', () => {
    const writer = open();
    expect(() => writer.write([GOOD, BAD])).toThrow(expect.objectContaining({ code: 'SOURCE_MALFORMED' }) as Error);
    expect(() => writer.write([GOOD])).toThrow(INTERNAL);
    expect(() => writer.end()).toThrow(INTERNAL);
  });

  test.each<[string, (writer: ReturnType<typeof createExportWriter>) => unknown]>([
    ['records before the beginning', (writer) => writer.write([GOOD])],
    ['the end before the beginning', (writer) => writer.end()],
    ['a second beginning', (writer) => [writer.begin(), writer.begin()]],
    ['a second end', (writer) => [writer.begin(), writer.end(), writer.end()]],
    ['records behind the end', (writer) => [writer.begin(), writer.end(), writer.write([GOOD])]],
  ])('%s is refused', (_, misuse) => {
    expect(() => misuse(createExportWriter(format, COLUMNS, HEADER))).toThrow(INTERNAL);
    const control = open();
    expect(() => [control.write([GOOD]), control.end()]).not.toThrow();
  });

  test('ids that were not read are refused', () => {
    const write = (one: HubRecord): unknown => {
      const writer = createExportWriter(format, COLUMNS, HEADER, { ids: true });
      writer.begin();
      return writer.write([one]);
    };
    expect(() => write({ ...GOOD, id: '' })).toThrow(INTERNAL);
    expect(() => write(GOOD)).not.toThrow();
  });

  test('an error says nothing of what was in the data', () => {
    const secret = 'confidential\ud800';
    for (const one of [record({ a: secret, n: 1 }), record({ a: 'x', n: secret })]) {
      const writer = createExportWriter(format, [...COLUMNS, column('hidden name', 'INTEGER')], HEADER);
      writer.begin();
      try {
        writer.write([one]);
      } catch (error) {
        expect(String(error)).not.toMatch(/confidential|hidden/);
      }
    }
  });

  test('a column named twice is written once', () => {
    const size = (columns: typeof COLUMNS): number => {
      const writer = createExportWriter(format, columns, { ...HEADER, question: {} });
      return [writer.begin(), writer.write([GOOD]), writer.end()].reduce((sum, piece) => sum + (piece?.length ?? 0), 0);
    };
    expect(size([...COLUMNS, column('a', 'STRING')])).toBe(size(COLUMNS));
  });

  test('what it keeps does not grow with the records', () => {
    const writer = createExportWriter(format, COLUMNS, HEADER, { rowGroup: { records: 1_000, bytes: 1e9 } });
    writer.begin();
    const batch = Array.from({ length: 1_000 }, (_, n) => record({ a: `text ${n} `.repeat(20), n }));
    const sizes: number[] = [];
    for (let round = 0; round < 60; round++) sizes.push(writer.write(batch)?.length ?? 0);
    // Every batch leaves whole: the last one is as large as the second, within what a running number may add.
    expect(Math.abs((sizes.at(-1) ?? 0) - (sizes[1] ?? 0))).toBeLessThan(200);
    expect(writer.end()?.length ?? 0).toBeLessThan(60 * 500);
  });
});

test('a description holds what was asked as JSON, and of the licence only what is for the public', () => {
  const license = { ...HEADER.license, status: 'KNOWN', family: 'LO' };
  const header = { ...HEADER, license, question: { eq: 2n ** 64n, ['__proto__']: 1, none: null } };
  expect(describeExport([{ ...column('a', 'STRING'), titles: {} } as never], header)).toEqual({
    ...HEADER,
    question: { eq: '18446744073709551616', ['__proto__']: 1, none: null },
    columns: [{ name: 'a', type: 'STRING' }],
  });
});
