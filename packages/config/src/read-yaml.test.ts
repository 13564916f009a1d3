import { describe, expect, test } from 'vitest';
import { readYaml } from './read-yaml.ts';

const read = (text: string) => readYaml(text, 'hub.yaml');

test('plain data comes out as written, with the place of every value', () => {
  const { raw, faults, locate } = read('a: 1\nb:\n  - c: x\n    d: [true, null]\n');
  expect(faults).toEqual([]);
  expect(raw).toEqual({ a: 1, b: [{ c: 'x', d: [true, null] }] });
  expect(locate(['b', 0, 'd', 0])).toEqual({ line: 4, column: 9 });
  expect(locate(['b', 0, 'd', 0], 'key')).toEqual({ line: 4, column: 9 });
  expect(locate(['b', 0, 'c'])).toEqual({ line: 3, column: 8 });
  expect(locate(['b', 0, 'c'], 'key')).toEqual({ line: 3, column: 5 });
});

test('what is not there is located at what encloses it', () => {
  expect(read('a: 1\nb:\n  c: {}\n').locate(['b', 'c', 'nothing', 3])).toEqual({ line: 3, column: 3 });
});

describe('refusals', () => {
  test.each([
    ['', 1, 'the file is empty'],
    ['# only a comment\n', 1, 'the file is empty'],
    ['a: 1\nb: 2\na: 3\n', 3, 'this setting is given twice'],
    ['a: {b: 1, b: 2}', 1, 'this setting is given twice'],
    ['a:\n\tb: 1\n', 2, 'a tab is used for indentation'],
    ['a: "x', 1, 'a closing quote, bracket, colon or comma is missing'],
    ['a: b: c', 1, 'two settings stand on one line'],
    ['a: 1\n---\nb: 2\n', 2, 'a second document begins'],
    ['? [a]\n: 1\n', 1, 'a key is not a text'],
    ['a: !x 1', 1, 'a YAML tag is used'],
    ['a: !!binary aGk=', 1, 'a YAML tag is used'],
    ['a: 1\nb: !!js/function x\n', 2, 'a YAML tag is used'],
    ['%YAML 1.1\n---\na: yes\n', 1, 'a YAML version is declared'],
    ['%FOO\n---\na: 1\n', 1, 'a directive is not known'],
    ['__proto__: {x: 1}', 1, 'this key cannot be used'],
    ['a: &x {b: 1}\nc: {<<: *x}\n', 2, 'this key cannot be used'],
    ['a: *nope', 1, 'an alias names nothing'],
    ['a: &x [*x]', 1, 'an alias stands inside what it names'],
    ['['.repeat(20_000), 1, 'lists or maps nest too deeply'],
    [`${'['.repeat(25)}${']'.repeat(25)}`, 1, 'the file holds too much'],
  ])('%j', (text, line, problem) => {
    expect(read(text.slice(0, 20_000)).faults[0]).toMatchObject({ file: 'hub.yaml', line, problem });
  });

  test('a few aliases that stand for millions of values are refused quickly', () => {
    const levels = Array.from(
      { length: 9 },
      (_, level) => `l${level + 1}: &l${level + 1} [${Array(9).fill(`*l${level}`).join(', ')}]`,
    );
    const started = performance.now();
    expect(read(`l0: &l0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n${levels.join('\n')}\n`).faults).toMatchObject([
      { problem: 'the file holds too much' },
    ]);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  test('a text beyond the limit is refused unread', () => {
    expect(read('a'.repeat(2_000_001)).faults).toMatchObject([{ problem: 'the file is too long' }]);
  });

  test('the prototype of the data cannot be changed from the file', () => {
    const { raw } = read('a: {constructor: {prototype: {x: 1}}}');
    expect(raw).toEqual({ a: { constructor: { prototype: { x: 1 } } } });
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});
