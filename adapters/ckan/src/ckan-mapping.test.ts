import type { Dataset } from '@civex/model';
import { compareCodePoints } from '@civex/query';
import { describe, expect, test } from 'vitest';
import type { CkanSource } from './ckan-mapping.ts';
import {
  toByteSize,
  toDatastoreFields,
  toDataset,
  toHubRecord,
  toLanguageTag,
  toLicenseRegister,
  toPublicUrl,
  toQueryables,
  toRecordId,
} from './ckan-mapping.ts';

const SOURCE: CkanSource = {
  source: 'cdmx',
  baseUrl: 'https://datos.example.mx',
  languages: ['es'],
  timeZone: 'America/Mexico_City',
  registered: () => null,
};

const package_ = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  id: 'bfbdc506-3b80-4040-8cd7-750f5e4500e9',
  name: 'ecobici',
  title: 'Ecobici',
  state: 'active',
  type: 'dataset',
  private: false,
  resources: [],
  ...changes,
});

const map = (changes: Record<string, unknown> = {}, source: Partial<CkanSource> = {}): Dataset =>
  toDataset(package_(changes), { ...SOURCE, ...source });

const extras = (values: Record<string, unknown>): Record<string, unknown> => ({
  extras: Object.entries(values).map(([key, value]) => ({ key, value })),
});

const resource = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  id: 'r-1',
  name: 'Estaciones',
  format: 'CSV',
  url: 'https://datos.example.mx/estaciones.csv',
  url_type: 'upload',
  ...changes,
});

describe('package', () => {
  test('the name is the local id and the uuid the identifier', () => {
    const { id, localId, identifier } = map();
    expect({ id, localId, identifier }).toEqual({
      id: 'cdmx:ecobici',
      localId: 'ecobici',
      identifier: 'bfbdc506-3b80-4040-8cd7-750f5e4500e9',
    });
  });

  test.each([
    ['no object', 'ecobici'],
    ['no name', package_({ name: undefined })],
    ['an empty name', package_({ name: '' })],
    ['a name with a control character', package_({ name: 'a\nb' })],
    ['no id', package_({ id: null })],
  ])('%s is malformed', (_title, pack) => {
    expect(() => toDataset(pack, SOURCE)).toThrow(expect.objectContaining({ code: 'SOURCE_MALFORMED' }));
  });

  test('a package without a title carries its name under und', () => {
    expect(map({ title: ' ' }).titles).toEqual({ und: 'ecobici' });
  });

  test('text is of the first configured language, and of none when none is configured', () => {
    expect(map().titles).toEqual({ es: 'Ecobici' });
    expect(map({}, { languages: [] }).titles).toEqual({ und: 'Ecobici' });
  });

  test('translations come in the configured order, then in the portal\u2019s', () => {
    const { titles } = map(
      { title_translated: { en: 'Bikes', it: '', fr: 'Vélos', 'de-CH': 'Velos' } },
      { languages: ['fr', 'it'] },
    );
    expect(Object.entries(titles)).toEqual([
      ['fr', 'Vélos'],
      ['en', 'Bikes'],
      ['de-ch', 'Velos'],
    ]);
  });

  test('a title that is itself a map by language is read as one', () => {
    expect(map({ title: { de: 'Velo', fr: 'Vélo' } }, { languages: ['de'] }).titles).toEqual({
      de: 'Velo',
      fr: 'Vélo',
    });
  });

  test('notes lose their markup', () => {
    expect(map({ notes: '<p>Uno<script>alert(1)</script></p>' }).descriptions).toEqual({ es: 'Uno' });
  });

  test('a field is read at the top level first, then among the extras', () => {
    expect(map({ frequency: 'annual', ...extras({ frequency: 'daily' }) }).accrualPeriodicity).toBe('ANNUAL');
    expect(map({ frequency: '', ...extras({ frequency: 'daily' }) }).accrualPeriodicity).toBe('DAILY');
  });

  test('lists written as JSON in a string are lists', () => {
    const dataset = map(
      extras({
        theme: '["http://publications.europa.eu/resource/authority/data-theme/TRAN"]',
        language: '["spa","fr_CA"]',
      }),
    );
    expect({ themes: dataset.themes, languages: dataset.languages }).toEqual({
      themes: ['TRAN'],
      languages: ['es', 'fr-ca'],
    });
    expect(dataset.raw['themes']).toEqual(['http://publications.europa.eu/resource/authority/data-theme/TRAN']);
  });

  test('CKAN\u2019s own times are UTC, those people typed are local', () => {
    const typed = map({ metadata_created: '2026-01-05T10:00:00.5', ...extras({ issued: '2020-06-01T10:00:00' }) });
    expect(typed.issued).toBe('2020-06-01T10:00:00-05:00');
    expect(map({ metadata_created: '2026-01-05T10:00:00.5' }).issued).toBe('2026-01-05T10:00:00.5Z');
  });

  test('a time that cannot be read falls back to CKAN\u2019s own, and its words are kept', () => {
    const dataset = map({ metadata_modified: '2026-01-05T10:00:00', ...extras({ modified: 'ayer' }) });
    expect(dataset.modified).toBe('2026-01-05T10:00:00Z');
    expect(dataset.raw['modified']).toBe('ayer');
  });

  test('an interval is a period', () => {
    expect(map(extras({ temporal: '2015-01-01/2015-12-31' })).temporal).toEqual({
      start: '2015-01-01T00:00:00-06:00',
      end: '2015-12-31T00:00:00-06:00',
    });
    expect(map(extras({ temporal_start: '2015-01-01' })).temporal).toEqual({
      start: '2015-01-01T00:00:00-06:00',
      end: null,
    });
  });

  test('a GeoJSON extra gives the box', () => {
    expect(map(extras({ spatial: '{"type":"Point","coordinates":[-99.1,19.4]}' })).spatial).toEqual({
      bbox: [-99.1, 19.4, -99.1, 19.4],
      centroid: { type: 'Point', coordinates: [-99.1, 19.4] },
      label: null,
    });
  });

  test('a box out of degrees is none', () => {
    const box = { 'bbox-west-long': '-6', 'bbox-south-lat': '49', 'bbox-east-long': '2', 'bbox-north-lat': '55' };
    expect(map(extras(box)).spatial?.bbox).toEqual([-6, 49, 2, 55]);
    expect(map(extras({ ...box, 'bbox-east-long': '200' })).spatial).toBeNull();
    expect(map(extras({ ...box, 'bbox-north-lat': '48' })).spatial).toBeNull();
  });

  test('the stated publisher stands before the organization that hosts the record', () => {
    const organization = { name: 'semovi', title: 'SEMOVI' };
    expect(map({ organization }).publisher?.name).toBe('SEMOVI');
    expect(map({ organization, ...extras({ holder_name: 'Metro' }) }).publisher?.name).toBe('Metro');
    expect(
      map({ organization, publisher: '{"name":"Metrobús","url":"https://metrobus.example.mx"}' }).publisher,
    ).toEqual({
      name: 'Metrobús',
      homepage: 'https://metrobus.example.mx',
      type: null,
    });
    expect(map().publisher).toBeNull();
  });

  test('the contact is the stated one, else the maintainer, else the author', () => {
    const people = {
      maintainer: 'SEMOVI',
      maintainer_email: 'a@example.mx',
      author: 'B',
      author_email: 'b@example.mx',
    };
    expect(map({ ...people, ...extras({ contact_email: 'mailto:c@example.mx' }) }).contactPoint?.email).toBe(
      'c@example.mx',
    );
    expect(map(people).contactPoint).toEqual({ name: 'SEMOVI', email: 'a@example.mx', url: null });
    expect(map({ ...people, maintainer: '', maintainer_email: null }).contactPoint?.name).toBe('B');
    expect(map().contactPoint).toBeNull();
  });

  test.each<[Record<string, unknown>, string]>([
    [{}, 'PUBLIC'],
    [{ private: true }, 'NON_PUBLIC'],
    // DKAN says so of everything; see the capture of Hauts-de-France.
    [{ private: true, state: 'Active' }, 'PUBLIC'],
    [{ access_rights: 'http://publications.europa.eu/resource/authority/access-right/NON_PUBLIC' }, 'NON_PUBLIC'],
    [{ access_rights: 'http://publications.europa.eu/resource/authority/access-right/RESTRICTED' }, 'RESTRICTED'],
    [{ private: true, access_rights: 'public' }, 'NON_PUBLIC'],
    [{ private: 'true' }, 'NON_PUBLIC'],
    [{ private: true, access_rights: 'RESTRICTED' }, 'RESTRICTED'],
    [{ access_rights: 'Acceso restringido' }, 'RESTRICTED'],
    [{ access_rights: '["http://publications.europa.eu/resource/authority/access-right/RESTRICTED"]' }, 'RESTRICTED'],
    [{ access_rights: [{ uri: 'NON_PUBLIC' }] }, 'NON_PUBLIC'],
    [{ access_rights: 'public', extras: [{ key: 'access_rights', value: 'RESTRICTED' }] }, 'RESTRICTED'],
    [{ extras: [{ key: 'access_rights', value: 'non-public' }] }, 'NON_PUBLIC'],
    [{ accessLevel: 'restricted public' }, 'RESTRICTED'],
    [{ resources: [{ id: 'r', datastore_active: true, restricted: '{"level": "registered"}' }] }, 'RESTRICTED'],
    [{ resources: [{ id: 'r', datastore_active: true, restricted: { level: 'public' } }] }, 'PUBLIC'],
    [{ resources: [{ id: 'r', datastore_active: true, access_rights: 'RESTRICTED' }] }, 'RESTRICTED'],
  ])('%j is %s', (changes, expected) => {
    expect(map(changes).accessRights).toBe(expected);
  });

  test('isopen proves nothing', () => {
    const license = { license_id: 'CC-BY-4.0-ESP', license_title: 'CC-BY-4.0-ESP' };
    expect(map({ ...license, isopen: true }).license).toEqual(map({ ...license, isopen: false }).license);
    expect(map({ ...license, isopen: true }).license.status).toBe('UNRECOGNISED');
  });

  test('the register\u2019s address proves a licence id that says nothing', () => {
    const url = 'https://creativecommons.org/licenses/by/4.0/deed.es';
    const { license } = map(
      { license_id: 'CC-BY-4.0-ESP', license_title: 'CC-BY-4.0-ESP' },
      { registered: () => ({ title: null, url }) },
    );
    expect(license).toMatchObject({ status: 'KNOWN', id: 'CC-BY-4.0', raw: 'CC-BY-4.0-ESP' });
  });

  test('the register does not overrule what the package itself proves', () => {
    const registered = (): { title: null; url: string } => ({
      title: null,
      url: 'https://creativecommons.org/licenses/by/4.0/',
    });
    expect(
      map({ license_id: 'cc-zero', license_url: 'https://creativecommons.org/publicdomain/zero/1.0/' }, { registered })
        .license.id,
    ).toBe('CC0-1.0');
  });

  test('tags and keywords are keywords, each once', () => {
    expect(
      map({ tags: [{ name: 'a', display_name: 'A' }, { name: 'b' }], keywords: { es: ['b', 'c'], en: ['d'] } })
        .keywords,
    ).toEqual(['A', 'b', 'c', 'd']);
  });

  test('unknown keys are kept and known bookkeeping is not', () => {
    const { other } = map({ sszFields: '[]', creator_user_id: 'u', isopen: true }).raw;
    expect(other).toEqual({ sszFields: '[]' });
  });

  test('addresses inside somebody\u2019s network leave neither extras nor unknown keys', () => {
    const dataset = map({
      custom: 'siehe http://10.80.148.134/x und https://datos.example.mx/y',
      ...extras({ origin: String.raw`{"url":"http:\/\/localhost:5000\/x"}` }),
    });
    expect(JSON.stringify(dataset)).not.toMatch(/10\.80|localhost/);
    expect(JSON.stringify(dataset)).toContain('https://datos.example.mx/y');
  });

  test('extras that are no list of pairs are no fault', () => {
    expect(map({ extras: [null, { key: 7 }, { key: 'frequency', value: 'daily' }] }).accrualPeriodicity).toBe('DAILY');
    expect(map({ extras: 'x', tags: 'x', groups: null, resources: null }).distributions).toEqual([]);
  });
});

describe('distributions', () => {
  const first = (changes: Record<string, unknown>): Dataset['distributions'][number] | undefined =>
    map({ resources: [resource(changes)] }).distributions[0];

  test('an upload has a download address, a link only an access address', () => {
    expect(first({})?.downloadURL).toBe('https://datos.example.mx/estaciones.csv');
    expect(first({ url_type: null })?.downloadURL).toBeNull();
    expect(first({ url_type: null })?.accessURL).toBe('https://datos.example.mx/estaciones.csv');
  });

  test('an address inside the portal\u2019s network is withheld, and that is said', () => {
    const dataset = map({
      resources: [resource({ url: 'http://10.80.148.134/x.csv', ckan_url: 'http://10.80.148.134' })],
    });
    expect(dataset.distributions[0]).toMatchObject({ accessURL: null, downloadURL: null });
    expect(dataset.raw['distributions']).toMatchObject([{ urlWithheld: true }]);
    expect(JSON.stringify(dataset)).not.toContain('10.80');
  });

  test('formats are upper case, also from an address', () => {
    expect(first({ format: ' .csv ' })?.format).toBe('CSV');
    expect(first({ format: 'http://publications.europa.eu/resource/authority/file-type/GEOJSON' })?.format).toBe(
      'GEOJSON',
    );
    expect(first({ format: '' })?.format).toBeNull();
  });

  test('repeated and missing ids become unique ones', () => {
    const ids = map({ resources: [resource(), resource(), resource({ id: null })] }).distributions.map(({ id }) => id);
    expect(ids).toEqual(['r-1', 'r-1#1', 'r2']);
  });

  test.each([
    [5120, 5120],
    ['5120', 5120],
    ['42 octets', 42],
    ['0', 0],
    [null, null],
    ['', null],
    ['1.2 MB', null],
    [-1, null],
    [1.5, null],
    [Number.NaN, null],
    ['1e3', null],
  ])('a size of %j is %j bytes', (size, expected) => {
    expect(toByteSize(size)).toBe(expected);
  });
});

describe('records resource', () => {
  const pick = (...resources: Record<string, unknown>[]): unknown => {
    const { recordsState, raw } = map({ resources });
    expect(recordsState).toBe(raw['recordsResource'] === null ? 'none' : 'undescribed');
    return raw['recordsResource'];
  };
  const active = (changes: Record<string, unknown>): Record<string, unknown> =>
    resource({ datastore_active: true, ...changes });

  test('without a table there are no records', () => {
    expect(pick(resource(), resource({ datastore_active: false }))).toBeNull();
  });

  test('the flag may be text', () => {
    expect(pick(active({ id: 'a', datastore_active: 'True' }))).toBe('a');
  });

  test('CSV stands before other formats and the first before later ones', () => {
    expect(pick(active({ id: 'a', format: 'XLSX' }), active({ id: 'b' }), active({ id: 'c' }))).toBe('b');
  });

  test.each(['Diccionario de Datos', 'Data Dictionary', 'Dictionnaire des données', 'Dicionário'])(
    'the table of "%s" is never the dataset\u2019s records',
    (name) => {
      expect(pick(active({ id: 'a', name }), active({ id: 'b', format: 'XLSX' }))).toBe('b');
      expect(pick(active({ id: 'a', name }))).toBeNull();
    },
  );

  test('a description that contains a dictionary says nothing', () => {
    expect(pick(active({ id: 'a', description: '## Dicionário de dados' }))).toBe('a');
  });
});

describe('public addresses', () => {
  test.each([
    'https://datos.example.mx/x?y=1#z',
    'http://186.33.211.253/dataset/x',
    'https://[2606:4700::1111]/x',
    'https://xn--mlaga-pta.es:8443/x',
  ])('%s is shown as it is', (url) => {
    expect(toPublicUrl(url)).toBe(url);
  });

  test.each([
    'http://10.80.148.134/x',
    'http://127.0.0.1/',
    'http://0x7f.1/',
    'http://2130706433/',
    'http://017700000001/',
    'http://127.1/',
    'http://172.20.0.1/',
    'http://192.168.1.1/',
    'http://169.254.169.254/latest',
    'http://100.64.0.1/',
    'http://198.18.0.1/',
    'http://0.0.0.0/',
    'http://224.0.0.1/',
    'http://[::1]/',
    'http://[::ffff:10.0.0.1]/',
    'http://[fd00::1]/',
    'http://[fe80::1]/',
    'http://[64:ff9b::a00:1]/',
    'http://[2002:a00:1::]/',
    'http://localhost/',
    'http://localhost./',
    'http://intranet/x',
    'http://ckan.local/x',
    'http://db.internal/x',
    'http://user:secret@datos.example.mx/x',
    'http://%31%30.80.148.134/',
    'http://１０.80.148.134/',
    String.raw`http:\\10.80.148.134\x`,
    'ftp://datos.example.mx/x',
    'javascript:alert(1)',
    'data:text/html,x',
    '//datos.example.mx/x',
    '/dataset/x',
    'https://Gerenciamento de Projetos www.example.mx/x',
    '',
  ])('%s is not shown', (url) => {
    expect(toPublicUrl(url)).toBeNull();
  });
});

describe('small readers', () => {
  test.each([
    ['spa', 'es'],
    ['FRE', 'fr'],
    ['pt_BR', 'pt-br'],
    ['http://publications.europa.eu/resource/authority/language/SWE', 'sv'],
    ['español', null],
    ['', null],
  ])('language %j is %j', (text, expected) => {
    expect(toLanguageTag(text)).toBe(expected);
  });

  test('the register finds an entry by its former ids too', () => {
    const register = toLicenseRegister([{ id: 'PDDL-1.0', title: 'PDDL', url: '', legacy_ids: ['ODC-PDDL-1.0'] }]);
    expect(register?.get('ODC-PDDL-1.0')).toEqual({ title: 'PDDL', url: null });
    expect(toLicenseRegister({})).toBeNull();
  });
});

describe('columns and values', () => {
  const columns = (
    types: Record<string, string>,
    sample: Record<string, unknown>[] = [],
  ): ReturnType<typeof toQueryables> =>
    toQueryables(toDatastoreFields(Object.entries(types).map(([id, type]) => ({ id, type }))) ?? [], sample, SOURCE);

  test('every type of a DataStore column has its own', () => {
    const types = {
      a: 'int4',
      b: 'int8',
      c: 'numeric',
      d: 'float8',
      e: 'text',
      f: 'bool',
      g: 'date',
      h: 'timestamp',
      i: 'timestamptz',
      j: 'json',
      k: 'jsonb',
      l: '_text',
      m: 'time',
      n: 'tsrange',
    };
    expect(columns(types).map(({ type }) => type)).toEqual([
      'INTEGER',
      'INTEGER',
      'NUMBER',
      'NUMBER',
      'STRING',
      'BOOLEAN',
      'DATE',
      'DATETIME',
      'DATETIME',
      'JSON',
      'JSON',
      'JSON',
      'STRING',
      'JSON',
    ]);
  });

  test('the record id and what a search adds are no columns', () => {
    expect(columns({ _id: 'int', _full_text: 'tsvector', rank: 'float8', a: 'text' }).map(({ name }) => name)).toEqual([
      'a',
    ]);
  });

  test('names stay to the letter, titles are clean', () => {
    const [bom, hebrew] = columns({ '\ufeffSUM(DAILYCOST)': 'numeric', ' שם תחנה ': 'text' });
    expect(bom).toMatchObject({ name: '\ufeffSUM(DAILYCOST)', titles: { es: 'SUM(DAILYCOST)' } });
    expect(hebrew).toMatchObject({ name: ' שם תחנה ', titles: { es: 'שם תחנה' } });
  });

  test('a label and notes are the portal\u2019s own title and description', () => {
    const fields =
      toDatastoreFields([{ id: 'cap', type: 'int4', info: { label: 'Capacidad', notes: '<b>Plazas</b>' } }]) ?? [];
    expect(toQueryables(fields, [], SOURCE)).toMatchObject([
      { name: 'cap', titles: { es: 'Capacidad' }, descriptions: { es: 'Plazas' } },
    ]);
  });

  test.each([
    [null],
    [{}],
    [[{ id: 'a' }]],
    [
      [
        { id: 'a', type: 'text' },
        { id: 'a', type: 'text' },
      ],
    ],
  ])('%j is no list of columns', (fields) => {
    expect(toDatastoreFields(fields)).toBeNull();
  });

  test.each<[string, string, unknown, string]>([
    ['geo_point_2d', 'text', '19.43, -99.13', 'GEOMETRY'],
    ['geo_shape', 'text', '{"type":"Point","coordinates":[-99.13,19.43]}', 'GEOMETRY'],
    ['geom', 'json', { type: 'Point', coordinates: [-99.13, 19.43] }, 'GEOMETRY'],
    // Table Schema writes longitude first, others latitude: nobody can tell.
    ['geopoint', 'text', '30,70', 'STRING'],
    ['coordenadas', 'text', '19.43, -99.13', 'STRING'],
    ['geom', 'text', 'POINT(-99.13 19.43)', 'STRING'],
    ['geo_point_2d', 'text', '119.43, -99.13', 'STRING'],
    ['geo_shape', 'text', null, 'STRING'],
    ['geo_shape', 'json', '', 'JSON'],
  ])('column %s of %s holding %j is %s...', (name, type, value, expected) => {
    expect(columns({ [name]: type }, [{ [name]: value }])[0]?.type).toBe(expected);
  });

  test('one value of the sample that is no geometry makes the column text', () => {
    expect(columns({ geo_point_2d: 'text' }, [{ geo_point_2d: '19.4, -99.1' }, { geo_point_2d: 'n/d' }])[0]?.type).toBe(
      'STRING',
    );
  });

  const valueOf = (type: string, value: unknown, name = 'a'): unknown => {
    const sample = name === 'a' ? [] : [{ [name]: '19.43, -99.13' }];
    return toHubRecord({ _id: 7, [name]: value }, columns({ [name]: type }, sample), SOURCE.timeZone)?.values[name];
  };

  test.each<[string, unknown, unknown]>([
    ['timestamp', '2022-07-01T10:00:00', '2022-07-01T10:00:00-05:00'],
    // Mexico City has kept standard time all year since 2023.
    ['timestamp', '2023-07-01T10:00:00', '2023-07-01T10:00:00-06:00'],
    ['timestamptz', '2023-07-01T10:00:00+00:00', '2023-07-01T10:00:00+00:00'],
    ['timestamp', 'n/d', 'n/d'],
    ['int4', 7, 7],
    ['int4', '7', 7],
    ['int8', '9007199254740993', 9_007_199_254_740_993n],
    ['int8', 9_007_199_254_740_993n, 9_007_199_254_740_993n],
    ['int4', '7.5', '7.5'],
    ['numeric', '1000010010.00000000', 1_000_010_010],
    ['numeric', '-0.5', -0.5],
    ['numeric', '0.1234567890123456789', '0.1234567890123456789'],
    ['numeric', 'NaN', 'NaN'],
    ['bool', 't', true],
    ['bool', false, false],
    ['text', '', ''],
    ['text', '{"a":1}', '{"a":1}'],
    ['json', { a: [1] }, { a: [1] }],
    ['_text', ['a', 'b'], ['a', 'b']],
    ['date', '2020-02-29', '2020-02-29'],
    ['text', null, null],
  ])('%s %o is %o', (type, value, expected) => {
    expect(valueOf(type, value)).toEqual(expected);
  });

  test('a latitude and longitude become a point, and what is none stays what it is', () => {
    expect(valueOf('text', '19.43, -99.13', 'geo_point_2d')).toEqual({ type: 'Point', coordinates: [-99.13, 19.43] });
    expect(valueOf('text', 'sin dato', 'geo_point_2d')).toBe('sin dato');
  });

  test('a column the row does not have is null, also when an object inherits such a name', () => {
    expect(toHubRecord({ _id: 1 }, columns({ constructor: 'text' }), 'UTC')?.values).toEqual({ constructor: null });
  });

  test('record ids order as the numbers do', () => {
    const ids = [1, 2, 9, 10, 100, 2_147_483_647].map((id) => toRecordId(id) ?? '');
    expect(ids.toSorted(compareCodePoints)).toEqual(ids);
  });

  test.each([null, undefined, '7', -1, 1.5, 2 ** 53])('%j is no record id', (id) => {
    expect(toRecordId(id)).toBeNull();
  });
});
