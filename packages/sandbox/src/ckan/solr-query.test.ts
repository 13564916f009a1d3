import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { analyse, compileDismax, compileLucene, SolrSyntaxError } from './solr-query.ts';
import type { SolrDocument, SolrSchema } from './solr-query.ts';

const schema: SolrSchema = {
  strings: new Set(['id', 'name', 'tags', 'organization']),
  texts: new Set(['title', 'text']),
  dates: new Set(['metadata_modified']),
  defaultField: 'text',
  nowMs: Date.parse('2026-10-05T00:00:00Z'),
};

function document(id: string, title: string, tags: string[], modified: string): SolrDocument {
  return {
    strings: { id: [id], name: [`name-${id}`], tags, organization: id === 'c' ? [] : ['org'] },
    texts: { title: analyse(title), text: analyse(`${title} ${tags.join(' ')}`) },
    dates: { metadata_modified: Date.parse(modified) },
  };
}
const documents = [
  document('a', 'Stations de vélos', ['Vélo', 'temps réel'], '2026-10-04T00:00:00Z'),
  document('b', 'Bike parkings', ['velo'], '2026-01-01T00:00:00Z'),
  document('c', 'openDataPortal road traffic', [], '2025-01-01T00:00:00Z'),
];
const found = (query: string): string[] => {
  const matches = compileLucene(query, schema);
  return documents.filter(matches).map(({ strings }) => strings['id']?.[0] ?? '');
};

describe('lucene queries', () => {
  test.each<[string, string[]]>([
    ['*:*', ['a', 'b', 'c']],
    ['id:a', ['a']],
    ['id:("a" OR "c")', ['a', 'c']],
    ['id:(a c)', []],
    ['name:name-b', ['b']],
    ['name:name\\-b', ['b']],
    ['tags:velo', ['b']],
    ['tags:"temps réel"', ['a']],
    ['tags:*', ['a', 'b']],
    ['name:name-*', ['a', 'b', 'c']],
    ['name:NAME-*', []],
    ['title:velo', ['a']],
    ['title:VÉLOS', ['a']],
    ['title:"stations de velos"', ['a']],
    ['title:"velos stations"', []],
    ['title:stat*', ['a']],
    ['title:bikes', ['b']],
    ['title:data', ['c']],
    ['velo', ['a', 'b']],
    ['velo AND bike', ['b']],
    ['velo bike', ['b']],
    ['bike OR traffic', ['b', 'c']],
    ['velo NOT bike', ['a']],
    ['velo -bike', ['a']],
    ['NOT velo', ['c']],
    ['-tags:velo', ['a', 'c']],
    ['id:b AND (NOT tags:x)', []],
    ['id:b AND (*:* NOT tags:x)', ['b']],
    ['+id:b', ['b']],
    ['id:a OR id:b AND tags:velo', ['b']],
    ['id:["a" TO "b"]', ['a', 'b']],
    ['id:{a TO *]', ['b', 'c']],
    ['metadata_modified:[2026-01-01T00:00:00Z TO *]', ['a', 'b']],
    ['metadata_modified:{2026-01-01T00:00:00Z TO 2026-12-31T00:00:00Z]', ['a']],
    ['metadata_modified:[NOW-7DAYS TO NOW]', ['a']],
  ])('%s', (query, expected) => {
    expect(found(query)).toEqual(expected);
  });

  test.each([
    'id:(a',
    'id:a)',
    '"open',
    'id:',
    'nofield:x',
    'AND a',
    'a AND',
    'metadata_modified:[2026-01-01 TO *]',
    'metadata_modified:[2026-01-01T00:00:00 TO *]',
    'id:[a b]',
    'title:velo~',
    'title:velo^2',
    '/re.*/',
    '((((((((((((((((((((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))))))))))))))))))))',
  ])('refuses %s', (query) => {
    expect(() => found(query)).toThrow(SolrSyntaxError);
  });

  test('a quoted text with escaped quotes and backslashes means itself on an exact field', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (text, other) => {
        const matches = compileLucene(`tags:"${text.replace(/[\\"]/g, '\\$&')}"`, schema);
        const tagged = (tag: string): SolrDocument => ({ strings: { tags: [tag] }, texts: {}, dates: {} });
        expect(matches(tagged(text))).toBe(true);
        expect(matches(tagged(other))).toBe(text === other);
      }),
      { seed: 21, numRuns: 300 },
    );
  });

  test('a bare term with every special character escaped means itself on an exact field', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
        const bare = text.replace(/[\s\S]/g, '\\$&');
        const matches = compileLucene(`tags:${bare}`, schema);
        expect(matches({ strings: { tags: [text] }, texts: {}, dates: {} })).toBe(true);
      }),
      { seed: 22, numRuns: 300 },
    );
  });
});

describe('dismax queries', () => {
  const score = (query: string): number[] => documents.map(compileDismax(query));

  test('fields weigh differently and all of two terms are needed', () => {
    expect(score('velo')).toEqual([4, 2, 0]);
    expect(score('velo station')).toEqual([8, 0, 0]);
    expect(score('velo -station')).toEqual([0, 2, 0]);
    expect(score('"stations de velos"')).toEqual([4, 0, 0]);
  });

  test('three terms may miss one', () => {
    expect(score('stations velo unobtainium')[0]).toBeGreaterThan(0);
    expect(score('stations unobtainium missing')).toEqual([0, 0, 0]);
  });
});
