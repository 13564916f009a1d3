import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Dataset } from '@civex/model';
import { normaliseLicense, parseJsonLossless } from '@civex/model';
import { describe, expect, test } from 'vitest';
import { readEnvelope } from './ckan-dialect.ts';
import type { CkanSource } from './ckan-mapping.ts';
import {
  IGNORED_PACKAGE_KEYS,
  IGNORED_RESOURCE_KEYS,
  MAPPED_PACKAGE_KEYS,
  MAPPED_RESOURCE_KEYS,
  toDatastoreFields,
  toDataset,
  toHubRecord,
  toLicenseRegister,
  toPackages,
  toQueryables,
  unresolvedLicenseId,
} from './ckan-mapping.ts';

// Answers of real portals. They are kept beside the checkout, not in it: where they are missing these tests are skipped.
const DIRECTORY = fileURLToPath(new URL('../../../../shared/captures/ckan/', import.meta.url));
const isPresent = existsSync(DIRECTORY);

type Json = Record<string, unknown>;

const read = (file: string): unknown => JSON.parse(readFileSync(`${DIRECTORY}${file}`, 'utf8'));

/** The status of a capture: recorded beside it, or what CKAN gives that error. */
const statusOf = (file: string, otherwise: number): number => {
  const path = `${DIRECTORY}${file}.http.json`;
  if (!existsSync(path)) return otherwise;
  return (JSON.parse(readFileSync(path, 'utf8')) as { status: { code: number } }).status.code;
};

/** Zürich's files hold the result only; the others the envelope. */
const resultOf = (file: string): unknown => {
  const body = read(file) as Json;
  if (!('success' in body)) return body;
  const answer = readEnvelope(statusOf(file, 200), body);
  if (!answer.ok) throw new Error(`${file} is no success`);
  return answer.result;
};

const sourceOf = (
  language: string,
  timeZone: string,
  register: ReturnType<typeof toLicenseRegister> = null,
): CkanSource => ({
  source: 'portal',
  baseUrl: 'https://portal.example',
  languages: [language],
  timeZone,
  registered: (id) => register?.get(id) ?? null,
});

const packagesOf = (file: string): Json[] => toPackages(resultOf(file)) as Json[];
const datasetsOf = (file: string, language: string, timeZone: string): Dataset[] =>
  packagesOf(file).map((pack) => toDataset(pack, sourceOf(language, timeZone)));
const one = (datasets: readonly Dataset[], localId: string): Dataset =>
  datasets.find((dataset) => dataset.localId === localId) ?? expect.fail(`no ${localId}`);

const PACKAGE_FILES = [
  'andino_package_create_200_es.json',
  'cdmx_package_show_semovi-rutas_2026-10.json',
  'dadosbr_package_search_by-organization.json',
  'dadosbr_package_search_empty.json',
  'dadosbr_package_search_name-prefix.json',
  'dadosbr_package_search_or_start3.json',
  'dadosbr_package_show_bolsa-familia.json',
  'datagovuk_package_show_inspire_2018.json',
  'envidat_package_show.json',
  'hautsdefrance_dkan_package_show_2019.json',
  'zurich_package_search.json',
];
const ERRORS: readonly [file: string, status: number, code: string][] = [
  ['andino_error_403_package_create_es.json', 403, 'SOURCE_REJECTED'],
  ['andino_error_404_package_update_es.json', 404, 'NOT_FOUND'],
  ['ckan_error_409_validation_package_create.json', 409, 'SOURCE_REJECTED'],
  ['dadosbr_error_404_group_package_show.json', 404, 'NOT_FOUND'],
  ['dadosbr_error_404_package_show.json', 404, 'NOT_FOUND'],
];
const TABLES: readonly [file: string, columns: number, rows: number, total: number][] = [
  ['bursa_datastore_search_limit5.json', 5, 5, 342],
  ['demo_datastore_search_all-types.json', 16, 1, 1],
  ['demo_datastore_search_limit0.json', 2, 0, 0],
  ['demo_datastore_search_records.json', 2, 2, 2],
  ['demo_datastore_search_timezone.json', 2, 4, 4],
];
/** Answers of actions the adapter does not ask; read here as what they are. */
const OTHER_FILES = [
  'andino_license_list_es.json',
  'andino_resource_patch_200_es.json',
  'cdmx_license_register_2022.json',
  'envidat_organization_list.json',
  'zurich_group_list.json',
];

describe.skipIf(!isPresent)('captures', () => {
  test('every captured file is read by a test below', () => {
    const files = readdirSync(DIRECTORY).filter((name) => name.endsWith('.json') && !name.endsWith('.http.json'));
    const read_ = [...PACKAGE_FILES, ...OTHER_FILES, ...ERRORS.map(([file]) => file), ...TABLES.map(([file]) => file)];
    expect(read_.toSorted()).toEqual(files.toSorted());
  });

  test.each([
    ['andino_package_create_200_es.json', 1, 1],
    ['cdmx_package_show_semovi-rutas_2026-10.json', 1, 3],
    ['dadosbr_package_search_by-organization.json', 6, 18],
    ['dadosbr_package_search_empty.json', 0, 0],
    ['dadosbr_package_search_name-prefix.json', 10, 158],
    ['dadosbr_package_search_or_start3.json', 10, 27],
    ['dadosbr_package_show_bolsa-familia.json', 1, 59],
    ['datagovuk_package_show_inspire_2018.json', 1, 3],
    ['envidat_package_show.json', 1, 3],
    ['hautsdefrance_dkan_package_show_2019.json', 1, 2],
    ['zurich_package_search.json', 3, 26],
  ])('%s holds %i packages with %i resources', (file, packages, resources) => {
    const datasets = datasetsOf(file, 'es', 'UTC');
    expect(datasets).toHaveLength(packages);
    expect(datasets.reduce((sum, { distributions }) => sum + distributions.length, 0)).toBe(resources);
  });

  test.each(PACKAGE_FILES)('%s loses no key of a package or of a resource', (file) => {
    for (const [index, dataset] of datasetsOf(file, 'es', 'UTC').entries()) {
      const pack = packagesOf(file)[index] ?? {};
      const { other, extras, distributions } = dataset.raw as {
        other: Json;
        extras: Json;
        distributions: { other: Json }[];
      };
      for (const [key, value] of Object.entries(pack))
        if (!MAPPED_PACKAGE_KEYS.has(key) && !IGNORED_PACKAGE_KEYS.has(key))
          expect({ [key]: other[key] }).toEqual({ [key]: value });
      for (const { key, value } of (pack['extras'] ?? []) as { key: string; value: unknown }[])
        expect(extras[key]).toEqual(value);
      for (const [position, resource] of (pack['resources'] as Json[]).entries())
        for (const [key, value] of Object.entries(resource))
          if (!MAPPED_RESOURCE_KEYS.has(key) && !IGNORED_RESOURCE_KEYS.has(key))
            expect({ [key]: distributions[position]?.other[key] }).toEqual({ [key]: value });
    }
  });

  /** All keys that mapping names or leaves out on purpose, and all the custom ones seen so far: a new one shows up here. */
  const CUSTOM_KEYS = [
    'accrual_periodicity',
    'contact-email',
    'dataQuality',
    'dataType',
    'date',
    'dateFirstPublished',
    'dateLastUpdated',
    'doi',
    'funding',
    'language',
    'legalInformation',
    'publication',
    'publication_state',
    'related_datasets',
    'related_publications',
    'resource_type',
    'resource_type_general',
    'spatial',
    'spatialRelationship',
    'spatial_info',
    'sszBemerkungen',
    'sszFields',
    'subtitle',
    'temporal_coverage-from',
    'temporal_coverage-to',
    'theme-primary',
    'theme-secondary',
    'timeRange',
    'updateInterval',
  ];
  const CUSTOM_RESOURCE_KEYS = [
    'attributesDescription',
    'datastore_contains_all_records_of_source_file',
    'doi',
    'file',
    'fileName',
    'key',
    'markdown_snippet',
    'resource_locator_function',
    'resource_locator_protocol',
    'resource_size',
    'resource_type',
    'restricted',
    'zh_hash',
  ];
  test('the custom keys of all captures are the known ones', () => {
    const keys = new Set<string>();
    const resourceKeys = new Set<string>();
    for (const { raw } of PACKAGE_FILES.flatMap((file) => datasetsOf(file, 'es', 'UTC'))) {
      for (const key of Object.keys(raw['other'] as Json)) keys.add(key);
      for (const { other } of raw['distributions'] as { other: Json }[])
        for (const key of Object.keys(other)) resourceKeys.add(key);
    }
    expect([...keys].toSorted()).toEqual(CUSTOM_KEYS);
    expect([...resourceKeys].toSorted()).toEqual(CUSTOM_RESOURCE_KEYS);
  });

  test.each(PACKAGE_FILES)('%s invents nothing: every text of a dataset stands in the answer', (file) => {
    for (const [index, dataset] of datasetsOf(file, 'es', 'UTC').entries()) {
      const text = JSON.stringify(packagesOf(file)[index]);
      const stands = (value: string | null | undefined): void => {
        if (value !== null && value !== undefined) expect(text).toContain(JSON.stringify(value).slice(1, -1));
      };
      stands(dataset.identifier);
      stands(dataset.titles['es']);
      dataset.keywords.forEach(stands);
      stands(dataset.publisher?.name);
      stands(dataset.contactPoint?.email);
      stands(dataset.license.raw);
      for (const distribution of dataset.distributions) {
        stands(distribution.id);
        stands(distribution.title);
        stands(distribution.accessURL);
        stands(distribution.downloadURL);
        stands(distribution.mediaType);
      }
    }
  });

  test('no address inside a network leaves any capture', () => {
    const all = JSON.stringify(PACKAGE_FILES.flatMap((file) => datasetsOf(file, 'es', 'UTC')));
    expect(readFileSync(`${DIRECTORY}cdmx_package_show_semovi-rutas_2026-10.json`, 'utf8')).toContain('10.80.148.134');
    expect(all).not.toContain('10.80.148.134');
    expect(all).not.toContain('/media/hulk');
  });

  test('Mexico City: routes whose only table is the data dictionary', () => {
    const register = toLicenseRegister(read('cdmx_license_register_2022.json'));
    const [pack] = packagesOf('cdmx_package_show_semovi-rutas_2026-10.json');
    expect(unresolvedLicenseId(pack ?? {})).toBe('CC-BY-4.0-ESP');
    const dataset = toDataset(pack, sourceOf('es', 'America/Mexico_City', register));
    expect(dataset).toMatchObject({
      localId: 'ubicacion-de-rutas-del-transporte-publico-concesionado-de-ruta',
      identifier: 'bfbdc506-3b80-4040-8cd7-750f5e4500e9',
      titles: { es: 'Ubicación de rutas del Transporte Público Concesionado de Ruta' },
      descriptions: { es: 'Geolocalización de 995 recorridos de transporte concesionado de ruta' },
      keywords: ['Concesionado', 'Ruta', 'Transporte Público'],
      themes: ['TRAN'],
      publisher: { name: 'Secretaría de Movilidad (SEMOVI)' },
      contactPoint: { name: 'SEMOVI', email: 'datosabiertos@cdmx.gob.mx' },
      license: { status: 'KNOWN', id: 'CC-BY-4.0', raw: 'CC-BY-4.0-ESP' },
      accessRights: 'PUBLIC',
      issued: '2026-08-27T22:40:21.986134Z',
      modified: '2026-09-01T23:01:10.433111Z',
      accrualPeriodicity: null,
      recordsState: 'none',
      queryables: null,
    });
    expect(dataset.raw).toMatchObject({
      accrualPeriodicity: 'no_aplica',
      themes: ['Movilidad'],
      groups: ['movilidad'],
      recordsResource: null,
    });
    expect(dataset.distributions.map(({ format, byteSize, modified }) => [format, byteSize, modified])).toEqual([
      ['XLSX', 5590, '2026-08-28T05:07:56.653125Z'],
      ['SHP', 1825284, '2026-08-28T05:23:33.862600Z'],
      ['KMZ', 2543362, '2026-08-28T05:26:19.885572Z'],
    ]);
  });

  test('Andino: dates, themes and period among the extras', () => {
    const [dataset] = datasetsOf('andino_package_create_200_es.json', 'es', 'America/Argentina/Buenos_Aires');
    expect(dataset).toMatchObject({
      localId: 'sistema-contrataciones-electronicas',
      identifier: 'datos-argentina_99db6631-d1c9-470b-a73e-c62daa32c777',
      issued: '2016-04-14T19:48:05.433640-03:00',
      modified: '2016-04-19T19:48:05.433640-03:00',
      accrualPeriodicity: 'ANNUAL',
      languages: ['es'],
      temporal: { start: '2015-01-01T00:00:00-03:00', end: '2015-12-31T00:00:00-03:00' },
      spatial: { bbox: null, label: 'ARG' },
      license: { status: 'NOT_STATED' },
      recordsState: 'none',
    });
    expect(dataset?.distributions[0]).toMatchObject({
      id: 'datos-argentina_1.1',
      byteSize: 5120,
      mediaType: 'text/csv',
      format: 'CSV',
    });
  });

  test('DKAN: localised dates, sizes in words, private public data', () => {
    const [dataset] = datasetsOf('hautsdefrance_dkan_package_show_2019.json', 'fr', 'Europe/Paris');
    expect(dataset).toMatchObject({
      localId: 'antennes-regionales-de-la-region-hauts-de-france-au-01102019-0',
      identifier: '4b5f8e1b-de37-47cd-9203-37a59f318b09',
      accessRights: 'PUBLIC',
      issued: '2019-12-10T09:23:00+01:00',
      modified: '2019-09-30T22:00:00Z',
      accrualPeriodicity: 'AS_NEEDED',
      languages: ['fr'],
      spatial: { bbox: [1.18652344, 48.80546301, 4.65820313, 51.16423318] },
      descriptions: { fr: 'Liste et coordonnées des antennes de proximité du conseil régional Hauts-de-France.' },
      contactPoint: { email: 'sig@hautsdefrance.fr' },
      publisher: null,
      license: { raw: 'http://www.etalab.gouv.fr/pages/Licence_ouverte_Open_licence-5899923.html' },
    });
    expect(dataset?.raw).toMatchObject({ private: true, state: 'Active', metadataCreated: 'mar, 10/12/2019 - 09:23' });
    expect(dataset?.distributions.map(({ format, byteSize, mediaType }) => [format, byteSize, mediaType])).toEqual([
      ['XLSX', 42, null],
      [null, null, null],
    ]);
    expect(dataset?.keywords).toHaveLength(13);
  });

  test('EnviDat: people and places as JSON in a string', () => {
    const [dataset] = datasetsOf('envidat_package_show.json', 'en', 'Europe/Zurich');
    expect(dataset).toMatchObject({
      contactPoint: { name: 'Avalanche Warning Service SLF', email: 'data@slf.ch' },
      publisher: { name: 'Snow Avalanches and Prevention' },
      spatial: { bbox: [5.95587, 45.81802, 10.49203, 47.80838], label: 'Switzerland' },
      languages: ['en'],
      issued: '2023-06-09T14:03:59.159852Z',
    });
    expect(dataset?.distributions.map(({ byteSize }) => byteSize)).toEqual([185231, 183470, 178156]);
  });

  test('data.gov.uk: an INSPIRE record', () => {
    const [dataset] = datasetsOf('datagovuk_package_show_inspire_2018.json', 'en', 'Europe/London');
    expect(dataset).toMatchObject({
      identifier: '86ec354f-d465-11e4-b09e-f0def148f590',
      license: { status: 'KNOWN', id: 'OGL-UK-3.0' },
      accrualPeriodicity: 'QUARTERLY',
      themes: ['ENVI'],
      spatial: { bbox: [-6.236, 49.943, 2.072, 55.816] },
      publisher: { name: 'Environment Agency' },
      keywords: ['flood', 'flood-protection', 'flooding', 'opendata', 'risk-management'],
    });
  });

  test('Zürich: custom fields beside stock ones', () => {
    const datasets = datasetsOf('zurich_package_search.json', 'de', 'Europe/Zurich');
    const plan = one(datasets, 'geo_kommunaler_richtplan_verkehr');
    expect(plan).toMatchObject({
      license: { status: 'KNOWN', id: 'CC0-1.0' },
      spatial: { label: 'Stadt Zürich' },
      publisher: { name: 'Stadt Zürich' },
      modified: '2026-08-07T06:10:44.740279Z',
    });
    expect(plan.themes).toContain('TRAN');
    expect(plan.raw['other']).toMatchObject({ dateLastUpdated: '22.09.2004', dataType: ['Einzeldaten'] });
    expect(plan.distributions.map(({ format }) => format)).toEqual([
      'CSV',
      'DXF',
      'GPKG',
      'JSON',
      'JSON',
      'SHP',
      'WFS',
      'WMS',
      'WMTS',
    ]);
    expect(datasets.map(({ distributions }) => distributions.length)).toEqual([9, 10, 7]);
  });

  test('Brazil: tables of harvested resources, and a dictionary that is none', () => {
    const datasets = datasetsOf('dadosbr_package_search_or_start3.json', 'pt', 'America/Sao_Paulo');
    const tables = datasets
      .filter(({ recordsState }) => recordsState === 'undescribed')
      .map(({ localId, raw }) => [localId, raw['recordsResource']]);
    expect(tables).toEqual([
      ['contratos10', '65ffbfa9-9ee7-44e0-91b5-58cf50f21e6c'],
      ['contratos16', '6731796f-e0eb-4f61-89c4-18ba2ee19ba2'],
      ['contratos5', '4724a297-791b-4c50-bcaa-1c005f914b92'],
    ]);
    // The one table of contratos12 is called "Dicionário".
    expect(one(datasets, 'contratos12').recordsState).toBe('none');
    expect(one(datasets, 'contratos14').distributions[0]?.byteSize).toBe(96595);
    expect(one(datasets, 'contratos16').license).toMatchObject({ status: 'KNOWN', id: 'CC0-1.0' });
  });

  test('Brazil: an address with spaces in it is withheld', () => {
    const [dataset] = datasetsOf('dadosbr_package_show_bolsa-familia.json', 'pt', 'America/Sao_Paulo');
    const raw = (dataset?.raw['distributions'] ?? []) as { urlWithheld: boolean }[];
    expect(raw.filter(({ urlWithheld }) => urlWithheld)).toHaveLength(1);
    expect(dataset?.distributions.filter(({ accessURL }) => accessURL === null)).toHaveLength(1);
  });

  test.each(ERRORS)('%s, status %i, is %s', (file, status, code) => {
    expect(statusOf(file, status)).toBe(status);
    expect(readEnvelope(status, read(file))).toEqual({ ok: false, code });
  });

  test('Andino: a licence register whose booleans are texts', () => {
    const register = toLicenseRegister(resultOf('andino_license_list_es.json'));
    expect(register?.get('odc-odbl')).toEqual({
      title: 'Open Data Commons Open Database License (ODbL)',
      url: 'http://www.opendefinition.org/licenses/odc-odbl',
    });
    expect(register?.get('notspecified')?.url).toBeNull();
  });

  test('Mexico City: the register resolves the one id that says nothing by itself', () => {
    const url = toLicenseRegister(read('cdmx_license_register_2022.json'))?.get('CC-BY-4.0-ESP')?.url ?? null;
    expect(url).toContain('creativecommons.org/licenses/by/4.0/');
    expect(normaliseLicense({ id: 'CC-BY-4.0-ESP', url }).id).toBe('CC-BY-4.0');
  });

  test('Andino: a single resource maps like one of a package', () => {
    const resource = resultOf('andino_resource_patch_200_es.json') as Json;
    const dataset = toDataset({ id: 'x', name: 'x', resources: [resource] }, sourceOf('es', 'UTC'));
    expect(dataset.distributions).toMatchObject([
      { id: 'datos-argentina_1.1', byteSize: 5120, format: 'CSV', modified: '2016-04-19T19:48:05.433640Z' },
    ]);
  });

  test.each(['envidat_organization_list.json', 'zurich_group_list.json'])(
    '%s: organizations and groups give a publisher and themes',
    (file) => {
      const entries = toPackages(read(file) instanceof Array ? read(file) : resultOf(file)) as Json[];
      expect(entries.length).toBeGreaterThan(0);
      for (const entry of entries) {
        const dataset = toDataset({ id: 'x', name: 'x', organization: entry, groups: [entry] }, sourceOf('de', 'UTC'));
        expect(dataset.publisher?.name).toBe((entry['title'] as string).trim());
        expect(dataset.raw['themes']).toEqual([(entry['title'] as string).trim()]);
        expect(dataset.raw['groups']).toEqual([entry['name']]);
      }
    },
  );

  const tableOf = (file: string): { columns: ReturnType<typeof toQueryables>; rows: Json[]; total: unknown } => {
    const body = parseJsonLossless(readFileSync(`${DIRECTORY}${file}`, 'utf8')) as { result: Json };
    const rows = body.result['records'] as Json[];
    return {
      columns: toQueryables(
        toDatastoreFields(body.result['fields']) ?? [],
        rows,
        sourceOf('es', 'America/Mexico_City'),
      ),
      rows,
      total: body.result['total'],
    };
  };

  test.each(TABLES)('%s has %i columns, %i rows of %i', (file, columns, rows, total) => {
    const table = tableOf(file);
    expect([table.columns.length, table.rows.length, table.total]).toEqual([columns, rows, total]);
    for (const row of table.rows)
      expect(Object.keys(toHubRecord(row, table.columns, 'UTC')?.values ?? {})).toHaveLength(columns);
  });

  test('demo.ckan.org: one row of every type', () => {
    const { columns, rows } = tableOf('demo_datastore_search_all-types.json');
    expect(toHubRecord(rows[0] ?? {}, columns, 'America/Mexico_City')).toEqual({
      id: '000000000001',
      values: {
        any: '中国人',
        array: ['Mike', 'John'],
        boolean: true,
        date: '2015-01-01',
        date_year: '2015',
        datetime: '2015-01-01T03:00:00-06:00',
        duration: 'P1Y1M',
        geojson: { type: 'Point', coordinates: [33, 33.33] },
        geopoint: '30,70',
        integer: 1,
        number: 7,
        object: { chars: 560 },
        string: 'english',
        time: '03:00:00',
        year: 2015,
        yearmonth: '2015-01',
      },
    });
  });

  test('Bursa: GeoJSON in a text column is geometry', () => {
    const { columns, rows } = tableOf('bursa_datastore_search_limit5.json');
    expect(columns.find(({ name }) => name === 'geojson')).toMatchObject({ type: 'GEOMETRY', columnType: 'text' });
    expect(toHubRecord(rows[0] ?? {}, columns, 'Europe/Istanbul')?.values).toMatchObject({
      ad: 'ORHANELİ İLÇE SAĞLIK MÜDÜRLÜĞÜ',
      geojson: { type: 'Point', coordinates: [28.986516686, 39.902503315] },
    });
  });

  test('demo.ckan.org: naive timestamps are local', () => {
    const { columns, rows } = tableOf('demo_datastore_search_timezone.json');
    expect(toHubRecord(rows[0] ?? {}, columns, 'Europe/Paris')?.values).toEqual({
      datetime: '2020-01-01T15:00:00+01:00',
      time: '15:00:00',
    });
  });
});
