import fc from 'fast-check';
import type { Queryable, QueryableType } from '@civex/model';
import type { Predicate, RecordFilter } from '@civex/query';
import { createPredicate } from '@civex/query';
import { describe, expect, test } from 'vitest';
import {
  decodeCatalogCursor,
  encodeCatalogCursor,
  gradePredicate,
  isPackageName,
  isSortable,
  readEnvelope,
  toDatastoreFilters,
  toDatastoreSort,
  toFilterQuery,
  toPackageSearch,
  toSearchText,
} from './ckan-dialect.ts';

const column = (name: string, type: QueryableType, columnType: string): Queryable & { columnType: string } => ({
  name,
  titles: { und: name },
  descriptions: {},
  type,
  unit: null,
  columnType,
});

describe('search text', () => {
  test.each([
    ['bicicletas públicas', 'bicicletas públicas'],
    ['Saint-Denis', 'Saint-Denis'],
    ['title:secret', 'title secret'],
    ['*:*', null],
    ['!!!', null],
    ['a OR b AND NOT c TO d', 'a or b and not c to d'],
    ['ORLANDO', 'ORLANDO'],
    ['{!func}private', 'func private'],
    ['-agua +luz', 'agua luz'],
    ['"open phrase', 'open phrase'],
    [String.raw`a\" OR \\*:*`, 'a or'],
    ['l\u2019eau', 'l\u2019eau'],
    ['[2020 TO *]', '2020 to'],
    ['线路 地铁', '线路 地铁'],
  ])('%j is asked for as %j', (search, expected) => {
    expect(toSearchText(search)).toBe(expected);
  });

  test.each(['a\u0000b', 'a\u001bb', 'a\ud800b', 'x'.repeat(501)])('%j is refused', (search) => {
    expect(() => toSearchText(search)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
  });

  test('whatever is typed, Solr sees words and nothing else', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom(
            'a',
            'é',
            '线',
            ' ',
            ':',
            '"',
            '\\',
            '(',
            ')',
            '{',
            '}',
            '[',
            ']',
            '*',
            '?',
            '~',
            '^',
            '/',
            '!',
            '-',
            '+',
            '&',
            '|',
            'AND',
            'OR',
            'NOT',
            'TO',
            ' AND ',
          ),
          { maxLength: 30 },
        ),
        (parts) => {
          const text = toSearchText(parts.join(''));
          if (text === null) return;
          for (const word of text.split(' ')) {
            // A term of the Lucene grammar: no operator character, and none of its keywords.
            expect(word).toMatch(/^[\p{L}\p{N}](?:[\p{L}\p{N}]|[-+]+(?=[\p{L}\p{N}]))*$/u);
            expect(['AND', 'OR', 'NOT', 'TO']).not.toContain(word);
          }
        },
      ),
      { seed: 7, numRuns: 1_000 },
    );
  });
});

describe('filter query', () => {
  test('names and type travel in one filter query', () => {
    expect(toFilterQuery('dataset', ['a-b', 'c_d'])).toBe('name:("a-b" OR "c_d") AND dataset_type:dataset');
  });

  test('without names and type there is none', () => {
    expect(toFilterQuery(null, null)).toBeNull();
  });

  test('a name cannot leave its quotes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', '"', '\\', ' OR ', '*', ')', ':'), { minLength: 1, maxLength: 12 }),
        (parts) => {
          const name = parts.join('');
          const query = toFilterQuery(null, [name]) ?? '';
          const body = query.slice('name:('.length, -1);
          // The grammar of a quoted term: everything up to the first quote without a backslash before it.
          const term = /^"((?:[^"\\]|\\.)*)"$/s.exec(body);
          expect(term?.[1]?.replaceAll(/\\(.)/gs, '$1')).toBe(name);
        },
      ),
      { seed: 7, numRuns: 500 },
    );
  });

  test.each(['', 'a\nb', 'a\u0000', '\ud800', 'x'.repeat(201)])('%j is no package name', (name) => {
    expect(isPackageName(name)).toBe(false);
  });

  test('a page is asked for in the order of ids', () => {
    expect(toPackageSearch({ q: null, fq: 'dataset_type:dataset', rows: 20, start: 40 })).toEqual({
      q: '*:*',
      fq: 'dataset_type:dataset',
      sort: 'id asc',
      rows: 20,
      start: 40,
    });
  });
});

describe('catalog cursor', () => {
  test('a cursor comes back as it was', () => {
    const cursor = { offset: 41, after: 'bfbdc506-3b80-4040-8cd7-750f5e4500e9' };
    expect(decodeCatalogCursor(encodeCatalogCursor(cursor))).toEqual(cursor);
  });

  test('a cursor is as long for every offset', () => {
    const lengths = [1, 9, 10, 99, 100, 1e9].map((offset) => encodeCatalogCursor({ offset, after: 'a' }).length);
    expect(new Set(lengths).size).toBe(1);
    expect(decodeCatalogCursor(encodeCatalogCursor({ offset: 1e9, after: 'a' }))).toEqual({ offset: 1e9, after: 'a' });
  });

  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  test.each([
    ['empty', ''],
    ['not base64url', '%%%'],
    ['not JSON', Buffer.from('{').toString('base64url')],
    ['no object', encode(7)],
    ['no anchor', encode({ o: 1 })],
    ['an empty anchor', encode({ o: 1, a: '' })],
    ['an offset of zero', encode({ o: 0, a: 'x' })],
    ['a fraction', encode({ o: 1.5, a: 'x' })],
    ['an offset in a string', encode({ o: '1', a: 'x' })],
    ['too long', 'A'.repeat(1_001)],
  ])('%s is no cursor', (_title, text) => {
    expect(decodeCatalogCursor(text)).toBeNull();
  });

  test('the same shape with a whole offset and an anchor is one', () => {
    expect(decodeCatalogCursor(encode({ o: 1, a: 'x' }))).toEqual({ offset: 1, after: 'x' });
  });
});

describe('grades', () => {
  const texts = column('alcaldía', 'STRING', 'text');
  test.each<[Predicate, Queryable & { columnType: string }, 'exact' | 'none']>([
    [{ op: '=', property: 'alcaldía', type: 'STRING', value: '' }, texts, 'exact'],
    [{ op: 'in', property: 'alcaldía', type: 'STRING', values: ['a', "o'b"] }, texts, 'exact'],
    [{ op: '=', property: 'n', type: 'INTEGER', value: 7 }, column('n', 'INTEGER', 'int4'), 'exact'],
    [{ op: '=', property: 'b', type: 'BOOLEAN', value: false }, column('b', 'BOOLEAN', 'bool'), 'exact'],
    // PostgreSQL stores no NUL; JSON carries no big integers.
    [{ op: '=', property: 'alcaldía', type: 'STRING', value: 'a\u0000' }, texts, 'none'],
    [{ op: '=', property: 'n', type: 'INTEGER', value: 2n ** 60n }, column('n', 'INTEGER', 'int8'), 'none'],
    // "3:00" equals 03:00:00 there and not here.
    [{ op: '=', property: 't', type: 'STRING', value: '3:00' }, column('t', 'STRING', 'time'), 'none'],
    [{ op: '=', property: 'x', type: 'NUMBER', value: 1 }, column('x', 'NUMBER', 'numeric'), 'none'],
    [{ op: '=', property: 'd', type: 'DATE', value: '2020-01-01' }, column('d', 'DATE', 'date'), 'none'],
    [
      { op: '=', property: 'd', type: 'DATETIME', value: '2020-01-01T00:00:00Z' },
      column('d', 'DATETIME', 'timestamp'),
      'none',
    ],
    [{ op: '<>', property: 'alcaldía', type: 'STRING', value: 'a' }, texts, 'none'],
    [{ op: 'like', property: 'alcaldía', type: 'STRING', pattern: 'a%' }, texts, 'none'],
    [{ op: 'isNull', property: 'alcaldía', type: 'STRING' }, texts, 'none'],
    [{ op: 'in', property: 'alcaldía', type: 'STRING', values: [] }, texts, 'none'],
    [{ op: '=', property: '$and', type: 'STRING', value: 'a' }, column('$and', 'STRING', 'text'), 'none'],
    [{ op: '=', property: 'a%b', type: 'STRING', value: 'a' }, column('a%b', 'STRING', 'text'), 'none'],
    [{ op: '=', property: 'a:b', type: 'STRING', value: 'a' }, column('a:b', 'STRING', 'text'), 'none'],
  ])('grade of case %#', (predicate, queryable, expected) => {
    expect(gradePredicate(predicate, queryable)).toBe(expected);
  });

  test('a column whose portal type is unknown is left to the hub', () => {
    const { columnType: _, ...plain } = texts;
    expect(gradePredicate({ op: '=', property: 'alcaldía', type: 'STRING', value: 'a' }, plain)).toBe('none');
  });

  test.each<[QueryableType, string, boolean]>([
    ['INTEGER', 'int4', true],
    ['NUMBER', 'numeric', true],
    ['BOOLEAN', 'bool', true],
    ['DATE', 'date', true],
    ['DATETIME', 'timestamptz', true],
    ['DATETIME', 'timestamp', false],
    ['STRING', 'text', false],
    ['JSON', 'json', false],
    ['GEOMETRY', 'text', false],
  ])('%s in a column of %s is sorted by the portal: %s', (type, columnType, expected) => {
    expect(isSortable(column('a', type, columnType))).toBe(expected);
  });

  test('a column with a comma in its name is never sorted by the portal', () => {
    expect(isSortable(column('a,b', 'INTEGER', 'int4'))).toBe(false);
    expect(isSortable(column('ab', 'INTEGER', 'int4'))).toBe(true);
  });
});

describe('filters', () => {
  const is = (property: string, value: string): Predicate => ({ op: '=', property, type: 'STRING', value });
  const among = (property: string, ...values: string[]): Predicate => ({ op: 'in', property, type: 'STRING', values });

  test('no filter asks for all', () => {
    expect(toDatastoreFilters(null)).toEqual({ kind: 'all' });
  });

  test('conditions on two columns are one object', () => {
    expect(toDatastoreFilters({ op: 'and', args: [is('a', 'x'), among('b', 'y', 'z')] })).toEqual({
      kind: 'some',
      filters: { a: 'x', b: ['y', 'z'] },
    });
  });

  test('conditions on one column become the values they share', () => {
    expect(
      toDatastoreFilters({ op: 'and', args: [among('a', 'x', 'y', 'z'), among('a', 'y', 'z', 'q'), is('a', 'z')] }),
    ).toEqual({
      kind: 'some',
      filters: { a: 'z' },
    });
  });

  test('a contradiction is never spelled as an empty list', () => {
    expect(toDatastoreFilters({ op: 'and', args: [is('a', 'x'), is('a', 'y')] })).toEqual({ kind: 'nothing' });
  });

  test('a column called __proto__ is a column', () => {
    const translated = toDatastoreFilters(is('__proto__', 'x'));
    expect(JSON.stringify(translated)).toBe('{"kind":"some","filters":{"__proto__":"x"}}');
  });

  test.each<RecordFilter>([
    { op: 'or', args: [is('a', 'x'), is('b', 'y')] },
    { op: 'not', args: [is('a', 'x')] },
    { op: 'isNull', property: 'a', type: 'STRING' },
  ])('what was never declared is our own fault', (filter) => {
    expect(() => toDatastoreFilters(filter)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  test('a conjunction means in the DataStore what it means to the evaluator', () => {
    const value = fc.constantFrom('', 'a', 'A', 'b', "o'b", 'é');
    const predicate = fc.oneof(
      fc.record({
        op: fc.constant('=' as const),
        property: fc.constantFrom('p', 'q'),
        type: fc.constant('STRING' as const),
        value,
      }),
      fc.record({
        op: fc.constant('in' as const),
        property: fc.constantFrom('p', 'q'),
        type: fc.constant('STRING' as const),
        values: fc.array(value, { minLength: 1, maxLength: 3 }),
      }),
    );
    const filter: fc.Arbitrary<RecordFilter> = fc.oneof(
      predicate,
      fc.record({ op: fc.constant('and' as const), args: fc.array(predicate, { minLength: 1, maxLength: 4 }) }),
    );
    const cell = fc.oneof(fc.constant(null), value);
    fc.assert(
      fc.property(filter, cell, cell, (given, p, q) => {
        const row: Record<string, string | null> = { p, q };
        const translated = toDatastoreFilters(given);
        // The DataStore's rule: every entry must hold; null equals nothing.
        const holds =
          translated.kind === 'all' ||
          (translated.kind === 'some' &&
            Object.entries(translated.filters).every(([name, wanted]) => {
              const stored = row[name] ?? null;
              return stored !== null && (Array.isArray(wanted) ? wanted.includes(stored) : stored === wanted);
            }));
        expect(holds).toBe(createPredicate(given)({ id: '1', values: row }));
      }),
      { seed: 7, numRuns: 2_000 },
    );
  });

  test('sort terms put nulls last and end in the record id', () => {
    expect(
      toDatastoreSort([
        { property: 'fecha de alta', type: 'DATE', direction: 'DESC' },
        { property: 'n', type: 'INTEGER', direction: 'ASC' },
      ]),
    ).toBe('"fecha de alta" desc nulls last, "n" asc nulls last, _id asc');
  });
});

describe('envelope', () => {
  const failed = (type: string): unknown => ({ success: false, error: { __type: type, message: 'Acceso denegado' } });
  test.each([
    ['an answer', 200, { success: true, result: 7 }, { ok: true, result: 7 }],
    ['no help text', 200, { success: true, result: {} }, { ok: true, result: {} }],
    ['not authorised', 403, failed('Authorization Error'), 'SOURCE_REJECTED'],
    ['not found', 404, failed('Not Found Error'), 'NOT_FOUND'],
    ['not found behind a proxy that says 200', 200, failed('Not Found Error'), 'NOT_FOUND'],
    ['validation', 409, { success: false, error: { __type: 'Validation Error', tags: ['a', {}] } }, 'SOURCE_REJECTED'],
    ['search query', 400, failed('Search Query Error'), 'SOURCE_REJECTED'],
    ['data', 400, failed('Integrity Error'), 'SOURCE_REJECTED'],
    ['search', 409, failed('Search Error'), 'SOURCE_UNAVAILABLE'],
    ['index', 500, failed('Search Index Error'), 'SOURCE_UNAVAILABLE'],
    ['solr is down', 500, failed('Search Connection Error'), 'SOURCE_UNAVAILABLE'],
    ['server', 500, failed('Internal Server Error'), 'SOURCE_UNAVAILABLE'],
    ['unknown action', 400, 'Bad request: Action name not known: x', 'SOURCE_REJECTED'],
    ['an unknown type', 409, failed('Quota Error'), 'SOURCE_REJECTED'],
    ['an inherited name as type', 500, failed('constructor'), 'SOURCE_UNAVAILABLE'],
    ['a page of a proxy that refuses', 403, undefined, 'SOURCE_UNAVAILABLE'],
    ['a page of a proxy that says all is well', 200, undefined, 'SOURCE_MALFORMED'],
    ['success of nothing', 200, { success: true }, 'SOURCE_MALFORMED'],
    ['success that says 500', 500, { success: true, result: 7 }, 'SOURCE_UNAVAILABLE'],
    ['an empty object', 200, {}, 'SOURCE_MALFORMED'],
    ['null', 200, null, 'SOURCE_MALFORMED'],
    ['a list', 200, [1], 'SOURCE_MALFORMED'],
  ])('%s', (_title, status, body, expected) => {
    expect(readEnvelope(status, body)).toEqual(typeof expected === 'string' ? { ok: false, code: expected } : expected);
  });
});
