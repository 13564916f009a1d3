import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeStrictJson } from './strict-json.ts';

const decode = (text: string, maxDepth = 16) => decodeStrictJson(Buffer.from(text), maxDepth);

describe('strict JSON', () => {
  test('is read as the platform reads it', () => {
    const values = fc.jsonValue({ noUnicodeString: false, maxDepth: 6 }).filter((value) => {
      const text = JSON.stringify(value);
      return !text.includes('__proto__') && text.isWellFormed() && !/\\ud[89a-f]/i.test(text);
    });
    fc.assert(
      fc.property(values, fc.constantFrom(0, 1, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(JSON.parse(JSON.stringify(decode(text)))).toEqual(JSON.parse(text));
      }),
      { seed: 3, numRuns: 2_000 },
    );
  });

  test('never accepts what the platform refuses', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      ':',
      ',',
      '1',
      '-',
      '0',
      '.',
      'e',
      'a',
      '\\',
      'u',
      'true',
      ' ',
      '\n',
      '\u0000',
      'null',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        if (decode(text) !== undefined) expect(() => JSON.parse(text) as unknown).not.toThrow();
      }),
      { seed: 4, numRuns: 20_000 },
    );
  });

  test.each<readonly [string, string]>([
    ['a member twice', '{"a":1,"a":1}'],
    ['a member twice, once with an escape', '{"sub":1,"s\\u0075b":1}'],
    ['a member twice further inside', '[{"a":{"b":1,"b":2}}]'],
    ['the prototype', '{"__proto__":{}}'],
    ['the prototype with an escape', '{"\\u005f_proto__":{}}'],
    ['half a character', '"\\ud800"'],
    ['half a character in a name', '{"\\udc00":1}'],
    ['a number beyond all', '1e999'],
    ['a byte order mark', '\ufeff{}'],
    ['nothing', ''],
    ['two documents', '{} {}'],
    ['a comma at the end', '[1,]'],
    ['a comment', '{}//'],
    ['a number with a plus', '+1'],
    ['a number with a zero', '01'],
    ['a word in capitals', 'True'],
    ['a text without end', '"abc'],
    ['a text that ends in an escape', '"abc\\'],
    ['a text with a line break', '"a\nb"'],
    ['a space of another script', '\u00a0{}'],
  ])('has not %s', (_, text) => {
    expect(decode(text)).toBeUndefined();
  });

  test('is UTF-8', () => {
    expect(decodeStrictJson(Buffer.from([0x22, 0xc3, 0x28, 0x22]), 4)).toBeUndefined();
    expect(decodeStrictJson(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 4)).toBeUndefined();
  });

  test('is no deeper than is allowed, and depth costs no stack', () => {
    expect(decode('[[[1]]]', 3)).toEqual([[[1]]]);
    expect(decode('[[[1]]]', 2)).toBeUndefined();
    expect(decode('['.repeat(200_000))).toBeUndefined();
  });

  test('gives objects that have what they say and nothing else', () => {
    const value = decode('{"constructor":1}') as Record<string, unknown>;
    expect(value['toString']).toBeUndefined();
    expect(value['constructor']).toBe(1);
  });
});
