import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { normaliseLicense } from './license.ts';

type Input = Parameters<typeof normaliseLicense>[0];

const ETALAB_2 = 'https://www.etalab.gouv.fr/wp-content/uploads/2017/04/ETALAB-Licence-Ouverte-v2.0.pdf';
const OGL_3 = 'http://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/';

const KNOWN: readonly (readonly [Input, string])[] = [
  [{ title: 'CC BY 4.0', url: 'https://creativecommons.org/licenses/by/4.0/' }, 'CC-BY-4.0'],
  [{ title: 'CC BY 4.0' }, 'CC-BY-4.0'],
  [{ title: 'CC BY', url: 'https://creativecommons.org/licenses/by/4.0/' }, 'CC-BY-4.0'],
  [{ title: 'CC BY 3.0' }, 'CC-BY-3.0'],
  [{ title: 'Creative Commons Attribution 3.0 Unported' }, 'CC-BY-3.0'],
  [{ title: 'Creative Commons Attribution 4.0 International (CC BY 4.0)' }, 'CC-BY-4.0'],
  [{ title: 'Creative Commons Attribution Share-Alike 4.0' }, 'CC-BY-SA-4.0'],
  [{ title: 'Creative Commons Atribución-NoComercial-CompartirIgual 4.0 Internacional' }, 'CC-BY-NC-SA-4.0'],
  [{ id: 'CC-BY-4.0' }, 'CC-BY-4.0'],
  [{ id: 'cc-by-nc-nd-4.0' }, 'CC-BY-NC-ND-4.0'],
  [{ id: 'cc-nc', url: 'http://creativecommons.org/licenses/by-nc/2.0/' }, 'CC-BY-NC-2.0'],
  [{ id: 'CC-BY-4.0-ESP', url: 'https://creativecommons.org/licenses/by/4.0/deed.es' }, 'CC-BY-4.0'],
  [
    {
      id: 'CC-BY-4.0-ESP',
      title: 'Español - Creative Commons Attribution 4.0',
      url: 'https://creativecommons.org/licenses/by/4.0/deed.es',
    },
    'CC-BY-4.0',
  ],
  [{ id: 'cc-by', url: 'http://creativecommons.org/licenses/by/4.0/legalcode.sv' }, 'CC-BY-4.0'],
  [{ url: 'https://creativecommons.org/licenses/by/3.0/it/' }, 'CC-BY-3.0-IT'],
  [{ title: 'CC BY 3.0 Italia', url: 'https://creativecommons.org/licenses/by/3.0/it/' }, 'CC-BY-3.0-IT'],
  [{ url: 'creativecommons.org/licenses/by/4.0' }, 'CC-BY-4.0'],
  [{ url: 'http://publications.europa.eu/resource/authority/licence/CC_BY_4_0' }, 'CC-BY-4.0'],
  [{ url: 'https://spdx.org/licenses/CC-BY-SA-4.0.html' }, 'CC-BY-SA-4.0'],
  [{ title: 'CC0' }, 'CC0-1.0'],
  [{ title: 'CC0 1.0 Universal' }, 'CC0-1.0'],
  [
    { id: 'cc-zero', title: 'Creative Commons CCZero', url: 'http://www.opendefinition.org/licenses/cc-zero' },
    'CC0-1.0',
  ],
  [{ url: 'http://dcat-ap.de/def/licenses/cc-zero' }, 'CC0-1.0'],
  [{ url: 'https://creativecommons.org/publicdomain/zero/1.0/deed.sv' }, 'CC0-1.0'],
  [
    {
      id: 'odc-odbl',
      title: 'Open Data Commons Open Database License (ODbL)',
      url: 'http://www.opendefinition.org/licenses/odc-odbl',
    },
    'ODbL-1.0',
  ],
  [{ id: 'odc-odbl' }, 'ODbL-1.0'],
  [{ title: 'Open Database License (ODbL)' }, 'ODbL-1.0'],
  [{ id: 'odc-by' }, 'ODC-By-1.0'],
  [{ title: 'Open Data Commons Attribution License' }, 'ODC-By-1.0'],
  [{ id: 'odc-pddl' }, 'PDDL-1.0'],
  [{ title: 'Open Data Commons Public Domain Dedication and Licence 1.0' }, 'PDDL-1.0'],
  [{ id: 'uk-ogl', title: 'UK Open Government Licence (OGL)', url: OGL_3 }, 'OGL-UK-3.0'],
  [{ title: 'Open Government Licence v3.0' }, 'OGL-UK-3.0'],
  [{ title: 'Open Government Licence v3.0', url: OGL_3 }, 'OGL-UK-3.0'],
  [{ title: 'Open Government Licence 2.0 (United Kingdom)' }, 'OGL-UK-2.0'],
  [{ title: 'Licence Ouverte v2.0 (Etalab)', url: ETALAB_2 }, 'LO-2.0'],
  [{ title: 'Licence Ouverte v2.0 (Etalab)' }, 'LO-2.0'],
  [{ title: 'Licence Ouverte / Open Licence version 2.0' }, 'LO-2.0'],
  [{ title: 'Licence Ouverte / Open Licence', url: ETALAB_2 }, 'LO-2.0'],
  [{ title: `Licence Ouverte version 2.0  ${ETALAB_2}` }, 'LO-2.0'],
  [{ id: 'lov2' }, 'LO-2.0'],
  [{ id: 'etalab-2.0' }, 'LO-2.0'],
  [{ title: 'Licence Ouverte v1.0 (Etalab)' }, 'LO-1.0'],
  [{ id: 'fr-lo', url: 'https://www.etalab.gouv.fr/wp-content/uploads/2014/05/Licence_Ouverte.pdf' }, 'LO-1.0'],
  [{ title: 'Datenlizenz Deutschland Namensnennung 2.0' }, 'DL-DE-BY-2.0'],
  [{ url: 'http://dcat-ap.de/def/licenses/dl-zero-de/2.0' }, 'DL-DE-ZERO-2.0'],
];

const UNRECOGNISED: readonly (readonly [string, Input])[] = [
  ['an unversioned name', { title: 'CC BY' }],
  [
    'an unversioned register entry',
    { id: 'cc-by', title: 'Creative Commons Attribution', url: 'http://www.opendefinition.org/licenses/cc-by' },
  ],
  ['an unversioned address', { url: 'http://www.opendefinition.org/licenses/cc-by' }],
  ['a register key without its register', { id: 'CC-BY-4.0-ESP', title: 'CC-BY-4.0-ESP' }],
  ['an open licence without version', { title: 'Licence Ouverte / Open Licence' }],
  ['an identifier read two ways', { id: 'fr-lo' }],
  ['an address that served both versions', { url: 'https://www.etalab.gouv.fr/licence-ouverte-open-licence/' }],
  ['the old wiki page', { url: 'http://wiki.data.gouv.fr/wiki/Licence_Ouverte_/_Open_Licence' }],
  ['an unversioned OGL', { id: 'uk-ogl', url: 'http://reference.data.gov.uk/id/open-government-licence' }],
  [
    'the OGL of another place',
    { title: 'Open Government Licence - Vancouver', url: 'https://opendata.vancouver.ca/pages/licence/' },
  ],
  ['an OGL version that Canada shares', { title: 'Open Government Licence 2.0' }],
  ['an agreement of the portal', { title: 'Shared Dataset Agreement' }],
  ['the register entry for others', { id: 'other-open', title: 'Other (Open)' }],
  ['a page about terms', { title: 'https://opendataphilly.org/licenses/other' }],
  [
    'markup',
    {
      title:
        '<DIV><P><SPAN>Soumis à la licence Etalab : https://www.etalab.gouv.fr/licence-ouverte-open-licence/</SPAN></P></DIV>',
    },
  ],
  ['markup around a known licence', { title: '<p>CC BY 4.0</p>' }],
  ['another address than the id says', { id: 'cc-by-4.0', url: 'https://creativecommons.org/licenses/by-sa/4.0/' }],
  ['another version than the id says', { id: 'CC-BY-3.0', url: 'https://creativecommons.org/licenses/by/4.0/' }],
  ['another family than the id says', { id: 'lov2', url: 'https://opendatacommons.org/licenses/odbl/1-0/' }],
  ['an unversioned id of another licence', { id: 'cc-by', url: 'https://creativecommons.org/licenses/by-sa/4.0/' }],
  ['a vague id of another family', { id: 'fr-lo', url: 'https://creativecommons.org/licenses/by/4.0/' }],
  [
    'a vague address of another family',
    { title: 'CC BY 4.0', url: 'http://www.etalab.gouv.fr/licence-ouverte-open-licence' },
  ],
  ['a title of another version', { title: 'Licence Ouverte v1.0', url: ETALAB_2 }],
  ['"other" beside a licence', { id: 'other-closed', url: 'https://creativecommons.org/licenses/by/4.0/' }],
  ['"not specified" beside a licence', { id: 'notspecified', url: 'https://creativecommons.org/licenses/by/4.0/' }],
  ['a condition nobody published', { title: 'CC BY 4.0 except photographs' }],
  ['a version nobody published', { title: 'CC BY 7.0' }],
  ['a port of a version without ports', { url: 'https://creativecommons.org/licenses/by/4.0/es/' }],
  ['two versions at once', { title: 'CC BY 3.0 / CC BY 4.0' }],
  ['a look-alike host', { url: 'https://creativecommons.org.example/licenses/by/4.0/' }],
  ['a look-alike path', { url: 'https://example.org/creativecommons.org/licenses/by/4.0/' }],
];

const NOT_STATED: readonly (readonly [Input, string | null])[] = [
  [{}, null],
  [{ id: null, title: null, url: null }, null],
  [{ id: '', title: '  ' }, null],
  [{ id: 'notspecified', title: 'License Not Specified', url: '' }, 'License Not Specified'],
  [{ id: 'notspecified', title: 'No se especificó la licencia' }, 'No se especificó la licencia'],
];

describe('normaliseLicense', () => {
  test.each(KNOWN)('%j is known as %s', (input, id) => {
    const license = normaliseLicense(input);
    expect(license).toMatchObject({ status: 'KNOWN', id });
    expect(license.uri).toMatch(/^https:\/\//);
    expect(license.title).not.toBeNull();
    expect(license.family).not.toBeNull();
    expect(license.raw).toBe(input.title ?? input.id ?? input.url);
  });

  test.each(UNRECOGNISED)('%s is not recognised', (_why, input) => {
    expect(normaliseLicense(input)).toEqual({
      status: 'UNRECOGNISED',
      id: null,
      uri: null,
      title: null,
      family: null,
      raw: input.title ?? input.id ?? input.url,
    });
  });

  test.each(NOT_STATED)('%j states nothing', (input, raw) => {
    expect(normaliseLicense(input)).toEqual({
      status: 'NOT_STATED',
      id: null,
      uri: null,
      title: null,
      family: null,
      raw,
    });
  });

  test('the address of every known licence is known as that licence', () => {
    for (const [input] of KNOWN) {
      const license = normaliseLicense(input);
      expect(normaliseLicense({ url: license.uri })).toMatchObject({ status: 'KNOWN', id: license.id });
    }
  });

  test('the code of every known licence is known as that licence, ports aside', () => {
    for (const [input] of KNOWN) {
      const { id } = normaliseLicense(input);
      if (id !== 'CC-BY-3.0-IT') expect(normaliseLicense({ id })).toMatchObject({ status: 'KNOWN', id });
    }
  });

  test('a very long text is a document, not a licence', () => {
    expect(normaliseLicense({ title: 'CC BY 4.0 '.repeat(1_000) }).status).toBe('UNRECOGNISED');
  });

  test('any input gives a licence whose fields are set exactly when it is known', () => {
    const word = fc.constantFrom(
      'CC',
      'BY',
      'SA',
      '4.0',
      'v2',
      'Licence',
      'Ouverte',
      'Etalab',
      'https://',
      'ogl',
      '<p>',
    );
    const text = fc.option(
      fc.oneof(
        fc.string(),
        fc.array(word, { maxLength: 6 }).map((words) => words.join(' ')),
      ),
    );
    fc.assert(
      fc.property(text, text, text, (id, title, url) => {
        const license = normaliseLicense({ id, title, url });
        const set = [license.id, license.uri, license.title, license.family].map((field) => field !== null);
        expect(set).toEqual(Array(4).fill(license.status === 'KNOWN'));
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
