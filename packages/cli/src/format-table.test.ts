import { expect, test } from 'vitest';
import { formatTable } from './format-table.ts';

const columns = [
  { title: 'NAME', align: 'left' },
  { title: 'COUNT', align: 'right' },
] as const;

test('columns are as wide as their widest cell and numbers stand at the right', () => {
  expect(
    formatTable(columns, [
      ['a', '5'],
      ['Bordeaux', '12,345'],
    ]),
  ).toEqual(['NAME       COUNT', 'a              5', 'Bordeaux  12,345']);
});

test('accents and joined emoji take one place', () => {
  const [, first, second] = formatTable(columns, [
    ['e\u0301te\u0301', '1'],
    ['👩‍🔬', '1'],
  ]);
  expect(first).toBe('e\u0301te\u0301       1');
  expect(second).toBe('👩‍🔬         1');
});

test('a cell stays on its line and long ones are cut', () => {
  const [, row = ''] = formatTable(columns, [[`a\n\u001b[31mb${'c'.repeat(60)}`, '1']]);
  for (const control of ['\n', '\u001b']) expect(row).not.toContain(control);
  expect(row).toMatch(/^a \[31mbc+…  {5}1$|^a \[31mbc+… +1$/);
  expect(row.indexOf('…')).toBe(43);
});

test('paint does not move the columns', () => {
  const plain = formatTable(columns, [
    ['up', '1'],
    ['degraded', '2'],
  ]);
  const painted = formatTable(
    columns,
    [
      ['up', '1'],
      ['degraded', '2'],
    ],
    (cell, column) => (column === 0 ? `<${cell}>` : cell),
  );
  expect(painted.map((line) => line.replaceAll(/[<>]/g, ''))).toEqual(plain);
});

test('no line ends in spaces', () => {
  for (const line of formatTable([...columns, { title: 'REASON', align: 'left' }], [['a', '1', '']]))
    expect(line).toBe(line.trimEnd());
});
