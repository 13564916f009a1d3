import { describe, expect, test } from 'vitest';
import { readAccessRights } from './access-rights.ts';

const AUTHORITY = 'http://publications.europa.eu/resource/authority/access-right';

describe('access rights', () => {
  test.each<[unknown, string | null]>([
    ['PUBLIC', 'PUBLIC'],
    [' public ', 'PUBLIC'],
    [`${AUTHORITY}/PUBLIC`, 'PUBLIC'],
    [`${AUTHORITY}/PUBLIC/`, 'PUBLIC'],
    [`${AUTHORITY}/RESTRICTED`, 'RESTRICTED'],
    [`${AUTHORITY}/NON_PUBLIC`, 'NON_PUBLIC'],
    ['non-public', 'NON_PUBLIC'],
    ['NonPublic', 'NON_PUBLIC'],
    ['restricted public', 'RESTRICTED'],
    ['http://purl.org/coar/access_right/c_abf2', 'PUBLIC'],
    ['http://purl.org/coar/access_right/c_16ec', 'RESTRICTED'],
    ['info:eu-repo/semantics/openAccess', 'PUBLIC'],
    ['info:eu-repo/semantics/closedAccess', 'RESTRICTED'],
    ['Open', 'PUBLIC'],
    ['Öppen', 'PUBLIC'],
    ['Données ouvertes', 'PUBLIC'],
    ['Público', 'PUBLIC'],
    ['Shared', 'RESTRICTED'],
    ['Confidential: police only', 'NON_PUBLIC'],
    // The public's opposite holds the word as well.
    ['not public', 'NON_PUBLIC'],
    ['public after 2030', 'RESTRICTED'],
    ['Nur auf Anfrage', 'RESTRICTED'],
    ['Open to members', 'RESTRICTED'],
    [true, 'RESTRICTED'],
    [7, 'RESTRICTED'],
    [['Open', 'Shared'], 'RESTRICTED'],
    [[`${AUTHORITY}/PUBLIC`], 'PUBLIC'],
    [[{ uri: `${AUTHORITY}/NON_PUBLIC`, label: { en: 'x' } }], 'NON_PUBLIC'],
    [{ en: 'public', fr: 'public' }, 'PUBLIC'],
    [[[[[[['PUBLIC']]]]]], 'RESTRICTED'],
    ['', null],
    ['  ', null],
    [null, null],
    [undefined, null],
    [false, null],
    [[], null],
    [{}, null],
  ])('%j means %s', (value, expected) => {
    expect(readAccessRights([value])).toBe(expected);
  });

  test('are the strictest of all that is said, in any order', () => {
    const all = ['PUBLIC', null, 'RESTRICTED', 'NON_PUBLIC'];
    expect(readAccessRights(all)).toBe('NON_PUBLIC');
    expect(readAccessRights(all.toReversed())).toBe('NON_PUBLIC');
    expect(readAccessRights(all.slice(0, 3))).toBe('RESTRICTED');
    expect(readAccessRights([])).toBeNull();
  });
});
