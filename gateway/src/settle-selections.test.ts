import { isAbstractType, parse, print } from 'graphql';
import { expect, onTestFinished, test } from 'vitest';
import { settleSelections } from './settle-selections.ts';
import { createTestGateway } from './testing/test-hub.ts';

const settled = (query: string, variables: Readonly<Record<string, unknown>> = {}): string =>
  print(settleSelections(parse(query), variables)).replaceAll(/\s+/g, ' ');

test.each<[string, string]>([
  ['{a{...on A{b}}}', '{ a { b } }'],
  ['{a{x ...{b ...on A{c{...on C{__typename}}}} y}}', '{ a { x b c { __typename } y } }'],
  ['{...on Query{a} ...F} fragment F on Query{...on Query{b}}', '{ a ...F } fragment F on Query { b }'],
  ['{a{...on A@include(if:true){b __typename}}}', '{ a { b __typename } }'],
  ['{a{b@skip(if:true) b}}', '{ a { b } }'],
  ['{a{b@include(if:false) c:b d@skip(if:false)@include(if:true)}}', '{ a { c: b d } }'],
  ['{a@skip(if:true)@include(if:true){b} c}', '{ c }'],
  ['{...F@skip(if:true) c} fragment F on Query{a}', '{ c } fragment F on Query { a }'],
  ['{a{...on A@skip(if:false){b@skip(if:true) c}}}', '{ a { c } }'],
  ['{a{b@skip(if:true)}}', '{ a { __typename @skip(if: true) } }'],
  ['{a{...{b@skip(if:true)} c}}', '{ a { c } }'],
])('%s becomes %s', (query, expected) => {
  expect(settled(query)).toBe(expected);
});

test('conditions in variables are decided by their value or their default, for each request', () => {
  const query = 'query($v:Boolean=true $w:Boolean!){a@skip(if:$v) b@include(if:$w) c}';
  const body = (text: string): string => text.replace(/^[^{]*/, '');
  expect(body(settled(query, { w: true }))).toBe('{ b c }');
  expect(body(settled(query, { v: false, w: false }))).toBe('{ a c }');
  const document = parse(query);
  expect(print(settleSelections(document, { v: false, w: true }))).toContain('b');
  expect(print(settleSelections(document, { v: false, w: false }))).not.toContain('b');
});

test('a condition that has no value leaves the document to be refused', () => {
  const document = parse('query($w:Boolean!){a@skip(if:$w)}');
  for (const variables of [{}, { w: null }, { w: 'true' }, { w: 1 }])
    expect(settleSelections(document, variables)).toBe(document);
});

test('a document without fragments and conditions stays what it is, and each is made once', () => {
  const plain = parse('{a{b ...F}} fragment F on A{c}');
  expect(settleSelections(plain, {})).toBe(plain);
  const other = parse('{a{...{b}}}');
  expect(settleSelections(other, {})).toBe(settleSelections(other, {}));
});

test('the public schema has no interface and no union, for which a fragment would matter', () => {
  const { gateway } = createTestGateway();
  onTestFinished(() => gateway.close());
  expect(Object.values(gateway.schema.getTypeMap()).filter(isAbstractType)).toEqual([]);
});
