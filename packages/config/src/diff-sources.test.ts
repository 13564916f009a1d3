import { expect, test } from 'vitest';
import { diffSources } from './diff-sources.ts';
import { parse } from './test-fixtures.ts';

const config = (sources: string, env: Readonly<Record<string, string>> = {}) => parse(`sources: [${sources}]`, env);
const one = (id: string, more = '') => `{id: ${id}, adapter: ckan, url: https://${id}.example${more}}`;

test('equal configurations have no difference, in any order', () => {
  const before = config(`${one('a')}, ${one('b')}`);
  expect(diffSources(before, config(`${one('b')}, ${one('a')}`))).toEqual({ added: [], removed: [], changed: [] });
});

test('what came, went and changed is told apart', () => {
  const before = config(`${one('a')}, ${one('b')}, ${one('c')}`);
  const after = config(`${one('c')}, ${one('d')}, ${one('b', ', options: {nested: {pageSize: 7}}')}`);
  expect(diffSources(before, after)).toEqual({ added: ['d'], removed: ['a'], changed: ['b'] });
});

test('a default written out is no change', () => {
  expect(diffSources(config(one('a')), config(one('a', ', timeZone: UTC'))).changed).toEqual([]);
});

test('a new value of the key is a change', () => {
  const keyed = one('a', ', apiKeyEnv: CIVEX_KEY');
  const before = config(keyed, { CIVEX_KEY: 'one' });
  expect(diffSources(before, config(keyed, { CIVEX_KEY: 'one' })).changed).toEqual([]);
  expect(diffSources(before, config(keyed, { CIVEX_KEY: 'two' })).changed).toEqual(['a']);
});

test('the order of addresses is a change', () => {
  const urls = (list: string) => config(`{id: a, adapter: ckan, urls: [${list}]}`);
  expect(
    diffSources(urls('https://x.example, https://y.example'), urls('https://y.example, https://x.example')).changed,
  ).toEqual(['a']);
});
