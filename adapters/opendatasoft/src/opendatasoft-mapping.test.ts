import { describe, expect, test } from 'vitest';
import type { Dataset, HubRecord } from '@civex/model';
import {
  createDatasetMapper,
  createRecordMapper,
  idFieldOf,
  isDatasetLocalId,
  readAnnotations,
  readDatasetPage,
  readRecordPage,
} from './opendatasoft-mapping.ts';

const map = createDatasetMapper({
  source: 'bordeaux',
  apiVersion: 'v2.1',
  origin: 'https://portal.example',
  timeZone: 'Europe/Paris',
  language: 'fr',
});

type Json = Record<string, unknown>;
const FIELDS: readonly Json[] = [
  { name: 'gid', label: 'Gid', type: 'int', annotations: { id: true } },
  {
    name: 'nom',
    label: '\uFEFF\uFEFFNom',
    type: 'text',
    description: 'Nom <b>usuel</b>',
    annotations: { facet: true },
  },
];

const payload = (changes: Json = {}, standard: Json = {}, templates: Json = {}): Json => ({
  dataset_id: 'ci_vcub_p',
  dataset_uid: 'da_abc123',
  has_records: true,
  data_visible: true,
  visibility: 'domain',
  features: ['geo'],
  attachments: [],
  alternative_exports: [],
  fields: FIELDS,
  metas: {
    default: { title: 'Stations', language: 'fr', metadata_languages: ['fr', 'en'], records_count: 2, ...standard },
    ...templates,
  },
  ...changes,
});

describe('a dataset', () => {
  const links = (dataset: Dataset): unknown => dataset.distributions.map(({ id, downloadURL }) => [id, downloadURL]);

  test('carries what the portal says in our words', () => {
    const dataset = map(
      payload(
        {},
        {
          description: '<p>Une <b>station</b>&nbsp;&amp; plus</p>',
          theme: 'Transport',
          keyword: ['vélo', ' vélo ', '', null],
          license: 'Licence Ouverte v2.0 (Etalab)',
          license_url: 'https://www.etalab.gouv.fr/wp-content/uploads/2017/04/ETALAB-Licence-Ouverte-v2.0.pdf',
          publisher: 'Bordeaux Métropole',
          modified: '2026-03-01T10:00:00',
          update_frequency: 'DAILY',
          territory: ['Bordeaux', 'Pessac'],
          bbox: {
            type: 'Feature',
            geometry: {
              type: 'Polygon',
              coordinates: [
                [
                  [1, 2],
                  [3, 2],
                  [3, 4],
                  [1, 4],
                  [1, 2],
                ],
              ],
            },
            properties: {},
          },
          source_domain: 'scnbdx',
        },
        {
          dcat: {
            issued: '2020-01-02',
            contact_name: 'Service géomatique',
            contact_email: 'mailto:opendata@bordeaux.example',
            temporal_coverage_start: '2020-01-01',
            publisher_type: 'LocalAuthority',
            accessRights: 'http://publications.europa.eu/resource/authority/access-right/PUBLIC',
          },
        },
      ),
    );
    expect(dataset).toMatchObject({
      id: 'bordeaux:ci_vcub_p',
      localId: 'ci_vcub_p',
      identifier: 'da_abc123',
      titles: { fr: 'Stations' },
      descriptions: { fr: 'Une station & plus' },
      keywords: ['vélo'],
      themes: ['TRAN'],
      publisher: { name: 'Bordeaux Métropole', homepage: null, type: 'LocalAuthority' },
      contactPoint: { name: 'Service géomatique', email: 'opendata@bordeaux.example', url: null },
      license: { status: 'KNOWN', id: 'LO-2.0', raw: 'Licence Ouverte v2.0 (Etalab)' },
      accessRights: 'PUBLIC',
      issued: '2020-01-02T00:00:00+01:00',
      modified: '2026-03-01T10:00:00+01:00',
      accrualPeriodicity: 'DAILY',
      languages: ['fr', 'en'],
      spatial: { bbox: [1, 2, 3, 4], centroid: null, label: 'Bordeaux, Pessac' },
      temporal: { start: '2020-01-01T00:00:00+01:00', end: null },
      landingPage: 'https://portal.example/explore/dataset/ci_vcub_p/',
      recordsState: 'described',
      recordCount: 2,
      raw: {
        themes: ['Transport'],
        accrualPeriodicity: 'DAILY',
        issued: '2020-01-02',
        modified: '2026-03-01T10:00:00',
        license: 'Licence Ouverte v2.0 (Etalab)',
        dataset_uid: 'da_abc123',
        source_domain: 'scnbdx',
        metas: { dcat: { temporal_coverage_start: '2020-01-01' } },
      },
    });
    expect(JSON.stringify(dataset.raw)).not.toContain('géomatique');
  });

  test('with nothing but an id is still a dataset', () => {
    expect(map({ dataset_id: 'x' })).toMatchObject({
      titles: { und: 'x' },
      descriptions: {},
      keywords: [],
      themes: [],
      publisher: null,
      contactPoint: null,
      license: { status: 'NOT_STATED' },
      accessRights: 'PUBLIC',
      spatial: null,
      temporal: null,
      distributions: [],
      recordsState: 'none',
      queryables: null,
      recordCount: null,
    });
  });

  test.each([
    [null],
    [{}],
    [{ default: null }],
    [{ default: { theme: null, keyword: null, bbox: null } }],
    ['text'],
    [[]],
  ])('with metas %j is still a dataset', (metas) => {
    expect(map(payload({ metas }))).toMatchObject({ titles: { und: 'ci_vcub_p' }, keywords: [], themes: [] });
  });

  test.each([
    ['visibility', 1],
    ['fields', 'x'],
    ['features', {}],
    ['attachments', [1, null, 'x']],
    ['alternative_exports', null],
  ])('with a wrong type in %s is still a dataset', (key, value) => {
    expect(map(payload({ [key]: value })).localId).toBe('ci_vcub_p');
  });

  test.each([[undefined], [null], [''], [7], ['.'], ['..'], ['a\nb'], ['a'.repeat(256)], ['a\ud800']])(
    'with the id %j is malformed',
    (dataset_id) => {
      expect(() => map(payload({ dataset_id }))).toThrow(expect.objectContaining({ code: 'SOURCE_MALFORMED' }));
      expect(isDatasetLocalId(dataset_id)).toBe(false);
    },
  );

  test('that nests beyond reason is malformed', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100; i++) deep = [deep];
    expect(() => map(payload({}, { attributions: deep }))).toThrow(
      expect.objectContaining({ code: 'SOURCE_MALFORMED' }),
    );
  });

  test('speaks the language that was asked for only when the portal has it', () => {
    expect(map(payload({}, { language: 'sv', metadata_languages: ['sv'] })).titles).toEqual({ sv: 'Stations' });
    expect(map(payload({}, { language: null, metadata_languages: null })).titles).toEqual({ und: 'Stations' });
    expect(map(payload({}, { language: 'EN', metadata_languages: ['en', 'fr'] })).titles).toEqual({ fr: 'Stations' });
  });

  test('keeps every unknown key in raw, whatever its name', () => {
    const { raw } = map(
      JSON.parse(
        '{"dataset_id":"x","novelty":{"a":1},"__proto__":{"polluted":true},"metas":{"default":{"new_meta":7,"themes":"z"},"custom":{"data-owner":["A"],"__proto__":{"polluted":true}}}}',
      ) as Json,
    );
    expect(raw).toMatchObject({
      novelty: { a: 1 },
      new_meta: 7,
      themes: [],
      metas: { custom: { 'data-owner': ['A'] } },
    });
    expect(Object.hasOwn(raw, '__proto__')).toBe(true);
    expect(({} as Json)['polluted']).toBeUndefined();
    expect((raw as Json)['polluted']).toBeUndefined();
  });

  test('offers the exports of a queryable dataset on the configured origin', () => {
    const base = 'https://portal.example/api/explore/v2.1/catalog/datasets/a%20b%2Fc/exports/';
    expect(links(map(payload({ dataset_id: 'a b/c' })))).toEqual(
      ['csv', 'json', 'geojson', 'xlsx', 'parquet', 'shp', 'kml'].map((format) => [format, base + format]),
    );
    expect(map(payload({ features: ['analyze'] })).distributions.map(({ id }) => id)).toEqual([
      'csv',
      'json',
      'xlsx',
      'parquet',
    ]);
  });

  test('resolves internal file addresses, keeps web addresses as text and drops all others', () => {
    const files = [
      { id: 'a', title: 'A.zip', mimetype: 'application/zip', url: 'odsfile://a.zip' },
      { id: 'b', title: 'B', 'mime-type': 'text/csv', url: 'https://other.example/b?x=1#y' },
      { id: 'c', title: null, mimetype: null, url: 'javascript:alert(1)' },
      { id: 'c', title: 'C', mimetype: null, url: 'http://10.0.0.1/c' },
    ];
    const dataset = map(payload({ has_records: false, attachments: files, alternative_exports: files.slice(0, 1) }));
    const base = 'https://portal.example/api/explore/v2.1/catalog/datasets/ci_vcub_p';
    expect(links(dataset)).toEqual([
      ['attachment:a', `${base}/attachments/a`],
      ['attachment:b', 'https://other.example/b?x=1#y'],
      ['attachment:c', null],
      ['attachment:c-2', 'http://10.0.0.1/c'],
      ['alternative:a', `${base}/alternative_exports/a`],
    ]);
    expect(dataset.distributions.map(({ format }) => format)).toEqual(['ZIP', 'CSV', null, null, 'ZIP']);
  });

  test('without a configured origin has no links of its own', () => {
    const bare = createDatasetMapper({
      source: 'x',
      apiVersion: 'v2.1',
      origin: null,
      timeZone: 'UTC',
      language: null,
    });
    const dataset = bare(payload());
    expect(dataset.landingPage).toBeNull();
    expect(
      dataset.distributions.every(({ downloadURL, accessURL }) => downloadURL === null && accessURL === null),
    ).toBe(true);
  });
});

describe('access', () => {
  const access = (changes: Json, stated: unknown = null): unknown => {
    const { accessRights, recordsState } = map(payload(changes, {}, { dcat: { accessRights: stated } }));
    return [accessRights, recordsState];
  };
  test.each([
    ['a public dataset', {}, null, ['PUBLIC', 'described']],
    ['a restricted dataset', { visibility: 'restricted' }, 'PUBLIC', ['RESTRICTED', 'described']],
    ['hidden data', { data_visible: false }, null, ['RESTRICTED', 'none']],
    ['hidden data that is called public', { data_visible: false }, 'PUBLIC', ['RESTRICTED', 'none']],
    ['hidden data that is called non-public', { data_visible: false }, 'NON_PUBLIC', ['NON_PUBLIC', 'none']],
    ['public data that is called restricted', {}, '…/access-right/RESTRICTED', ['RESTRICTED', 'described']],
    ['a word for public', {}, 'Open', ['PUBLIC', 'described']],
    ['a word that nobody knows', {}, 'On request', ['RESTRICTED', 'described']],
    ['a list with a word for restricted', {}, ['Open', 'Shared'], ['RESTRICTED', 'described']],
    ['something that is no text', {}, { level: 3 }, ['RESTRICTED', 'described']],
    ['a visibility that nobody knows', { visibility: 'group' }, 'PUBLIC', ['RESTRICTED', 'described']],
    ['no visibility at all', { visibility: undefined }, null, ['PUBLIC', 'described']],
    ['attachments only', { has_records: false }, null, ['PUBLIC', 'none']],
    ['records without fields', { fields: [] }, null, ['PUBLIC', 'none']],
  ])('%s', (_title, changes, stated, expected) => {
    expect(access(changes, stated)).toEqual(expected);
  });
});

test('access rights of any metadata template count, and their words stay readable', () => {
  const dataset = map(payload({}, {}, { dcat: { accessRights: 'PUBLIC' }, custom: { access_rights: 'Police only' } }));
  expect(dataset.accessRights).toBe('RESTRICTED');
  expect(JSON.stringify(dataset.raw)).toContain('Police only');
});

describe('annotations', () => {
  test.each([
    [{ facet: true, unit: '%', decimals: 2, sortable: false }],
    [{ facet: [], unit: ['%'], decimals: [2] }],
    [[{ name: 'facet' }, { name: 'unit', args: ['%'] }, { name: 'decimals', args: [2] }]],
  ])('%j reads the same in all three encodings', (given) => {
    expect(readAnnotations(given)).toEqual({ facet: true, unit: '%', decimals: 2 });
  });

  test.each([[null], ['x'], [[1, null]], [{ a: null }]])('%j holds none', (given) => {
    expect(readAnnotations(given)).toEqual({});
  });
});

describe('columns', () => {
  test('have the type, the texts and the unit of the field', () => {
    const types = [
      'text',
      'int',
      'double',
      'boolean',
      'date',
      'datetime',
      'geo_point_2d',
      'geo_shape',
      'file',
      'json_blob',
      'new',
    ];
    const { queryables } = map(
      payload({
        fields: [
          ...types.map((type) => ({ name: type, type })),
          { name: 'many', type: 'int', annotations: { multivalued: [','] } },
          { name: 'w', label: '\uFEFF\uFEFF LSOA code', description: 'D', type: 'double', annotations: { unit: 'kW' } },
          { name: 'w', type: 'text' },
          { type: 'text' },
        ],
      }),
    );
    expect(queryables?.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'text STRING',
      'int INTEGER',
      'double NUMBER',
      'boolean BOOLEAN',
      'date DATE',
      'datetime DATETIME',
      'geo_point_2d GEOMETRY',
      'geo_shape GEOMETRY',
      'file JSON',
      'json_blob JSON',
      'new JSON',
      'many JSON',
      'w NUMBER',
    ]);
    expect(queryables?.at(-1)).toEqual({
      name: 'w',
      titles: { fr: 'LSOA code' },
      descriptions: { fr: 'D' },
      type: 'NUMBER',
      unit: 'kW',
    });
  });

  test('one field marked id is the identity, several are none', () => {
    const idOf = (...fields: Json[]): string | undefined => idFieldOf(map(payload({ fields })))?.name;
    expect(idOf({ name: 'a', type: 'int', annotations: { id: [] } })).toBe('a');
    expect(idOf({ name: 'a', type: 'text', annotations: [{ name: 'id' }] })).toBe('a');
    expect(idOf({ name: 'a', type: 'double', annotations: { id: true } })).toBeUndefined();
    expect(idOf({ name: 'a', type: 'int', annotations: { id: false } })).toBeUndefined();
    const twice = { type: 'int', annotations: { id: true } };
    expect(idOf({ ...twice, name: 'a' }, { ...twice, name: 'b' })).toBeUndefined();
  });
});

describe('pages', () => {
  test('are read in the flat and in the wrapped form', () => {
    expect(readDatasetPage({ total_count: 3, results: [{ dataset_id: 'a' }] }, 's')).toEqual({
      total: 3,
      items: [{ dataset_id: 'a' }],
    });
    expect(
      readDatasetPage({ total_count: 3, datasets: [{ links: [], dataset: { dataset_id: 'a' } }] }, 's').items,
    ).toEqual([{ dataset_id: 'a' }]);
    expect(readRecordPage({ total_count: 1, records: [{ record: { id: 'x', fields: { a: 1 } } }] }, 's').items).toEqual(
      [{ a: 1 }],
    );
    expect(readRecordPage({ nhits: 9, records: [{ recordid: 'x', fields: { a: 1 } }] }, 's')).toEqual({
      total: 9,
      items: [{ a: 1 }],
    });
  });

  test('a column named like a wrapper is not taken for one', () => {
    const row = { fields: { a: 1 }, record: 'x' };
    expect(readRecordPage({ results: [row] }, 's').items).toEqual([row]);
  });

  test.each([[null], [[]], [{}], [{ results: {} }], [{ results: [1] }], [{ results: [null] }], ['x']])(
    '%j is no page',
    (given) => {
      expect(() => readRecordPage(given, 's')).toThrow(expect.objectContaining({ code: 'SOURCE_MALFORMED' }));
    },
  );

  test.each([[undefined], ['3'], [-1], [1.5], [null]])('a total of %j is no total', (total_count) => {
    expect(readRecordPage({ total_count, results: [] }, 's').total).toBeNull();
  });
});

const datasetOf = (...fields: readonly (readonly [name: string, type: string, annotations?: Json])[]): Dataset =>
  map(payload({ fields: fields.map(([name, type, annotations]) => ({ name, type, annotations: annotations ?? {} })) }));

describe('record values', () => {
  const point = { type: 'Point', coordinates: [-0.55, 44.82] };
  const rows: readonly (readonly [type: string, given: unknown, mapped: unknown])[] = [
    ['text', '007', '007'],
    ['text', 7, '7'],
    ['text', 9_007_199_254_740_993n, '9007199254740993'],
    ['text', '2026-07-08T09:39:45', '2026-07-08T09:39:45'],
    ['text', ['a', 'b'], ['a', 'b']],
    ['text', null, null],
    ['text', undefined, null],
    ['int', 14_169, 14_169],
    ['int', '0042', 42],
    ['int', '9007199254740993', 9_007_199_254_740_993n],
    ['int', 9_007_199_254_740_993n, 9_007_199_254_740_993n],
    ['int', '12 vélos', '12 vélos'],
    ['int', 1.5, 1.5],
    ['double', '-99.18675199999999847', -99.186752],
    ['double', '1,5', '1,5'],
    ['double', '', ''],
    ['double', '0x10', '0x10'],
    ['double', '1e999', '1e999'],
    ['double', 12_345_678_901_234_567_890n, 12_345_678_901_234_567_000],
    ['boolean', false, false],
    ['boolean', 'oui', 'oui'],
    ['date', '1988-01', '1988-01'],
    ['date', '2020', '2020'],
    ['date', '2020-02-03T00:00:00+00:00', '2020-02-03'],
    ['date', 'hier', 'hier'],
    ['datetime', '2026-06-27T04:00:00+00:00', '2026-06-27T04:00:00+00:00'],
    ['datetime', '2026-06-27T04:00:00', '2026-06-27T04:00:00+02:00'],
    ['datetime', 'demain', 'demain'],
    ['geo_point_2d', { lat: 44.82, lon: -0.55 }, point],
    ['geo_point_2d', [44.82, -0.55], point],
    ['geo_point_2d', '44.82, -0.55', point],
    ['geo_point_2d', 'ici', 'ici'],
    ['geo_shape', { type: 'Feature', geometry: point, properties: {} }, point],
    ['geo_shape', point, point],
    [
      'geo_shape',
      { type: 'Feature', geometry: null, properties: {} },
      { type: 'Feature', geometry: null, properties: {} },
    ],
    ['file', { id: 'x', filename: 'a.jpg' }, { id: 'x', filename: 'a.jpg' }],
  ];
  test.each(rows)('%s', (type, given, mapped) => {
    const record = createRecordMapper(datasetOf(['v', type]), 'Europe/Paris')({ v: given });
    expect(record.values).toEqual({ v: mapped });
  });

  test('there is one for each column and none for anything else', () => {
    const row = JSON.parse('{"a":1,"surprise":2,"__proto__":"own"}') as Json;
    const { values } = createRecordMapper(datasetOf(['a', 'int'], ['b', 'text'], ['__proto__', 'text']), 'UTC')(row);
    expect(Object.keys(values)).toEqual(['a', 'b', '__proto__']);
    expect(Object.getOwnPropertyDescriptor(values, '__proto__')?.value).toBe('own');
    expect(values['b']).toBeNull();
  });
});

describe('record ids', () => {
  const ids = (dataset: Dataset, rows: readonly Json[]): string[] =>
    rows.map(createRecordMapper(dataset, 'UTC')).map(({ id }) => id);
  const marked = datasetOf(['gid', 'int', { id: true }], ['nom', 'text']);
  const plain = datasetOf(['gid', 'int'], ['nom', 'text'], ['shape', 'geo_shape']);

  test('are the value of the field marked id', () => {
    expect(ids(marked, [{ gid: 7 }, { gid: 9_007_199_254_740_993n }])).toEqual(['7', '9007199254740993']);
  });

  test('are a digest where the marked field is empty', () => {
    expect(ids(marked, [{ gid: null, nom: 'a' }])[0]).toMatch(/^[0-9a-f]{32}$/);
  });

  test('are the same whatever the order of keys, explicit nulls and the form of a geometry', () => {
    const geometry = { type: 'Point', coordinates: [1, 2] };
    const [first, ...others] = [
      { gid: 1, nom: 'a', shape: { type: 'Feature', geometry, properties: {} } },
      { shape: { coordinates: [1, 2], type: 'Point' }, nom: 'a', gid: 1 },
      { gid: '1', nom: 'a', shape: geometry, _id: 'x', _timestamp: 't', extra: null },
    ].map((row) => ids(plain, [row])[0]);
    expect(others).toEqual([first, first]);
  });

  test('differ when anything the row says differs, unknown columns included', () => {
    const rows = [{ gid: 1 }, { gid: 2 }, { nom: '1' }, { gid: 1, extra: 1 }, { gid: 1, extra: '1' }];
    expect(new Set(rows.map((row) => ids(plain, [row])[0])).size).toBe(rows.length);
  });

  test('of equal rows are numbered, and stay unique next to values that look like a number', () => {
    const [once = ''] = ids(plain, [{ nom: 'a' }]);
    expect(
      ids(plain, [{ nom: 'a' }, { nom: 'b' }, { nom: 'a' }, { nom: 'a' }]).filter((id) => id.startsWith(once)),
    ).toEqual([once, `${once}-2`, `${once}-3`]);
    const texts = datasetOf(['k', 'text', { id: true }]);
    const rows = ['x-2', 'x', 'x', 'x', 'x-2'].map((k) => ({ k }));
    expect(new Set(ids(texts, rows)).size).toBe(5);
  });

  test('do not depend on how the value of a column is shown', () => {
    const record = (dataset: Dataset): HubRecord => createRecordMapper(dataset, 'UTC')({ gid: 1, nom: 'a' });
    const renamed = { ...plain, titles: { en: 'Other' } };
    expect(record(renamed).id).toBe(record(plain).id);
  });
});
