import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { normaliseLicense, parseJsonLossless } from '@civex/model';
import type { Dataset, HubRecord } from '@civex/model';
import {
  createDatasetMapper,
  createRecordMapper,
  readDatasetPage,
  readRecordPage,
  unwrapRecord,
} from './opendatasoft-mapping.ts';

/** Recorded answers of real portals, kept beside the repository. Without them these tests are skipped. */
const FOLDER = fileURLToPath(new URL('../../../../shared/captures/opendatasoft/', import.meta.url));
const isThere = existsSync(FOLDER);

type Json = Readonly<Record<string, unknown>>;
const read = (file: string): unknown => parseJsonLossless(readFileSync(`${FOLDER}${file}`));
const asObject = (value: unknown): Json => value as Json;

const map = createDatasetMapper({
  source: 'cap',
  apiVersion: 'v2.1',
  origin: 'https://portal.example',
  timeZone: 'Europe/Paris',
  language: null,
});

/** Where each key of a dataset goes. A key that is in none of these lists fails the test: nobody has decided on it. */
const DATASET_KEYS = 'dataset_id fields metas'.split(' ');
const RAW_KEYS = 'dataset_uid has_records features visibility attachments alternative_exports data_visible'.split(' ');
const FIELD_KEYS = 'name label type description annotations'.split(' ');
const MAPPED_METAS =
  'title description theme keyword license license_url language metadata_languages modified publisher bbox territory records_count update_frequency'.split(
    ' ',
  );
const RAW_METAS =
  'timezone modified_updates_on_metadata_change modified_updates_on_data_change data_processed metadata_processed geographic_reference geographic_reference_auto geometry_types references attributions source_domain source_domain_title source_domain_address source_dataset shared_catalog federated parent_domain geographic_area geographic_area_mode oauth_scope'.split(
    ' ',
  );

function expectNothingLost(payload: Json, dataset: Dataset): void {
  const isEmpty = (value: unknown): boolean => value === null || (Array.isArray(value) && value.length === 0);
  const raw = asObject(dataset.raw);
  for (const [key, value] of Object.entries(payload)) {
    expect([...DATASET_KEYS, ...RAW_KEYS]).toContain(key);
    if (RAW_KEYS.includes(key) && !isEmpty(value)) expect(raw[key]).toEqual(value);
  }
  const fields = payload['fields'] as readonly Json[];
  for (const field of fields) for (const key of Object.keys(field)) expect(FIELD_KEYS).toContain(key);
  expect((raw['fields'] as readonly Json[]).map(({ name, type }) => [name, type])).toEqual(
    fields.map(({ name, type }) => [name, type]),
  );
  const metas = asObject(payload['metas']);
  const standard = asObject(metas['default']);
  for (const [key, value] of Object.entries(standard)) {
    expect([...MAPPED_METAS, ...RAW_METAS]).toContain(key);
    if (RAW_METAS.includes(key) && !isEmpty(value)) expect(raw[key]).toEqual(value);
  }
  for (const [template, values] of Object.entries(metas)) {
    if (template === 'default') continue;
    for (const [key, value] of Object.entries(asObject(values))) {
      if (value === null || value === standard[key]) continue;
      expect(asObject(asObject(raw['metas'])[template])[key]).toEqual(value);
    }
  }
}

const mapAll = (file: string): readonly Dataset[] => {
  const body = asObject(read(file));
  const isPage = 'results' in body || 'datasets' in body;
  const payloads = isPage ? readDatasetPage(body, 'cap').items : [asObject(body['dataset'] ?? body)];
  return payloads.map((payload) => {
    const dataset = map(payload);
    expectNothingLost(payload, dataset);
    return dataset;
  });
};

type Columns = Readonly<Record<string, string>>;

const datasetWith = (columns: Columns, idField?: string): Dataset =>
  map({
    dataset_id: 'capture',
    has_records: true,
    fields: Object.entries(columns).map(([name, type]) => ({
      name,
      type,
      annotations: name === idField ? { id: true } : {},
    })),
  });

/** Maps rows and checks that every key of every row is a column, so that no value is dropped unseen. */
const mapRows = (rows: readonly Json[], dataset: Dataset): readonly HubRecord[] => {
  const declared = dataset.queryables?.map(({ name }) => name) ?? [];
  const mapper = createRecordMapper(dataset, 'Europe/Paris');
  const geometric = new Set(dataset.queryables?.flatMap(({ name, type }) => (type === 'GEOMETRY' ? [name] : [])));
  const records = rows.map((row) => {
    expect(declared).toEqual(expect.arrayContaining(Object.keys(row)));
    const record = mapper(row);
    for (const name of declared) if (!geometric.has(name)) expect(record.values[name]).toEqual(row[name] ?? null);
    return record;
  });
  expect(new Set(records.map(({ id }) => id)).size).toBe(rows.length);
  return records;
};

const pointAt = (lon: number, lat: number): unknown => ({ type: 'Point', coordinates: [lon, lat] });
const refusesAsRecords = (file: string): void => {
  expect(() => readRecordPage(read(file), 'cap')).toThrow(expect.objectContaining({ code: 'SOURCE_MALFORMED' }));
};
const notJson = (what: string): readonly [string] => [`${what}: the adapter reads JSON only`];

/** A title and a check, or only the reason why the file is none of the adapter's business. */
const TABLE: Readonly<Record<string, readonly [title: string, check: () => void] | readonly [reason: string]>> = {
  'INDEX.tsv': ['the list of the files'],
  'spec_openapi_explore_v2.0.json': ['a specification, not an answer'],
  'spec_openapi_explore_v2.1.json': ['a specification, not an answer'],
  'v1_leicester_deprivation-in-leicester-2025_export.xlsx': notJson('XLSX'),
  'leicester_county-wards_export.xlsx': notJson('XLSX'),
  'v20_economie_catalog_exports.rdf': notJson('RDF'),
  'v21_rennes_catalog_export_dcat.rdf': notJson('RDF'),
  'v21_vancouver_catalog-export.csv': notJson('CSV'),
  'v21_vancouver_data-property-tax-report.csv': notJson('CSV'),
  'v21_vancouver_data-public-trees.fgb': notJson('FlatGeobuf'),

  'v21_enw_get-dataset-example.json': [
    '1 dataset with hidden data and 101 fields',
    () => {
      const [dataset] = mapAll('v21_enw_get-dataset-example.json');
      expect(dataset).toMatchObject({
        localId: 'dfes-lv-headroom-monitored',
        identifier: 'da_hv0mqt',
        titles: { en: 'SP ENW - DFES - LV Headroom (Monitored)' },
        license: { id: 'CC-BY-4.0', raw: 'CC BY 4.0' },
        accessRights: 'RESTRICTED',
        accrualPeriodicity: 'ANNUAL',
        modified: '2026-03-19T08:54:27+00:00',
        spatial: {
          bbox: [-3.5906195640563965, 53.228806955739856, -1.8896827194839716, 54.944989518262446],
          label: 'England',
        },
        recordsState: 'none',
        queryables: null,
        recordCount: 2444,
        distributions: [],
        raw: {
          data_processed: '2025-03-11T09:45:17+00:00',
          timezone: 'Europe/London',
          attributions: ['Capacity Strategy'],
        },
      });
      expect(dataset?.keywords.length).toBe(14);
      expect(
        dataset?.descriptions['en']?.startsWith('Dataset Classification - Open\nSP ENW - DFES - LV Headroom'),
      ).toBe(true);
      expect(dataset?.raw['fields']).toHaveLength(101);
    },
  ],
  'v21_ukpn_getDataset-live-faults-response.json': [
    '1 dataset with 29 fields, 7 exports and 2 attachments',
    () => {
      const [dataset] = mapAll('v21_ukpn_getDataset-live-faults-response.json');
      expect(dataset).toMatchObject({
        localId: 'ukpn-live-faults',
        accessRights: 'PUBLIC',
        issued: '2023-11-24T00:00:00+00:00',
        modified: '2026-07-27T21:03:03.397000+00:00',
        accrualPeriodicity: 'UPDATE_CONT',
        keywords: [],
        recordCount: 100,
        recordsState: 'described',
        publisher: { name: 'UK Power Networks, Company number 3870728' },
        raw: { themes: ['Network Usage'] },
      });
      expect(dataset?.queryables?.length).toBe(29);
      expect(dataset?.queryables?.[5]).toEqual({
        name: 'nocustomeraffected',
        titles: { en: 'NoCustomerAffected' },
        descriptions: { en: 'Number of customers affected' },
        type: 'INTEGER',
        unit: null,
      });
      expect(dataset?.queryables?.find(({ name }) => name === 'geopoint')?.type).toBe('GEOMETRY');
      expect(dataset?.distributions.length).toBe(9);
      expect(dataset?.distributions.at(-1)).toMatchObject({
        id: 'attachment:ukpn_live_faults_code_listxlsx',
        format: 'XLSX',
        downloadURL:
          'https://ukpowernetworks.opendatasoft.com/api/explore/v2.1/catalog/datasets/ukpn-live-faults/attachments/ukpn_live_faults_code_listxlsx',
      });
    },
  ],
  'v21_ukpn_getDatasets-response.json': [
    'a page of 2 of 136 datasets, one with hidden data',
    () => {
      expect(readDatasetPage(read('v21_ukpn_getDatasets-response.json'), 'cap').total).toBe(136);
      expect(mapAll('v21_ukpn_getDatasets-response.json')).toMatchObject([
        {
          localId: 'ukpn-noise-contours',
          accessRights: 'RESTRICTED',
          queryables: null,
          recordCount: 3396,
          license: { status: 'UNRECOGNISED', raw: 'Shared Dataset Agreement' },
          distributions: [{ id: 'attachment:data_triage_noise_xlsx' }],
          raw: { themes: ['Network Infrastructure', 'Network Usage'], geometry_types: ['Polygon'] },
        },
        {
          localId: 'ukpn-data-best-practice-live-maturity',
          accessRights: 'PUBLIC',
          recordCount: 11,
          accrualPeriodicity: 'ANNUAL',
          spatial: null,
          modified: '2026-07-10T09:01:22.334000+00:00',
          issued: '2025-03-31T13:18:27+00:00',
        },
      ]);
    },
  ],
  'v21_vancouver_metadata-property-tax-report.json': [
    '1 dataset of 1,553,146 records with 30 columns and no geometry',
    () => {
      const [dataset] = mapAll('v21_vancouver_metadata-property-tax-report.json');
      expect(dataset).toMatchObject({
        localId: 'property-tax-report',
        titles: { en: 'Property tax report' },
        publisher: { name: 'City of Vancouver' },
        license: { status: 'UNRECOGNISED', raw: 'Open Government Licence - Vancouver' },
        recordCount: 1_553_146,
        spatial: null,
        modified: '2026-08-10T14:18:01+00:00',
        raw: { metas: { custom: { 'data-owner': ['City of Vancouver', 'BC Assessment'], 'search-term': 'house' } } },
      });
      expect(dataset?.descriptions['en']?.startsWith('This dataset contains information on properties')).toBe(true);
      expect(dataset?.queryables?.length).toBe(30);
      expect(dataset?.distributions.map(({ id }) => id)).toEqual(['csv', 'json', 'xlsx', 'parquet']);
    },
  ],
  'v20_campbelltown_weather-station-dataset.json': [
    '1 dataset whose annotations are lists',
    () => {
      const [dataset] = mapAll('v20_campbelltown_weather-station-dataset.json');
      expect(dataset).toMatchObject({
        localId: 'weather-stations',
        titles: { en: 'Environmental sensors' },
        themes: ['ENVI'],
        keywords: ['weather'],
        recordCount: 100,
        spatial: { bbox: null, label: 'Ingleburn, Campbelltown (NSW)' },
        raw: { parent_domain: 'westernparklands', metas: { custom: { update_frequency: '10 minutes' } } },
      });
      expect(dataset?.raw['fields']).toContainEqual({
        name: 'metadata_time',
        type: 'datetime',
        annotations: { facet: true, facetsort: '-alphanum', timeserie_precision: 'hour' },
      });
    },
  ],
  'v20_economie_catalog_dataset_fantoir.json': [
    '1 dataset without records and with 5 internal attachments',
    () => {
      const [dataset] = mapAllWrapped('v20_economie_catalog_dataset_fantoir.json');
      expect(dataset).toMatchObject({
        localId: 'fichier-fantoir-des-voies-et-lieux-dits',
        titles: { fr: 'Fichier FANTOIR des voies et lieux-dits' },
        license: { id: 'LO-2.0', raw: 'Licence Ouverte v2.0 (Etalab)' },
        keywords: ['cadastre', 'fantoir', 'lieux-dits', 'voies', 'communes', '2022'],
        spatial: { bbox: null, label: 'France' },
        recordsState: 'none',
        recordCount: null,
        raw: {
          themes: ['ADMINISTRATION'],
          metas: { custom: { editeur: ['DGFIP'], 'date-de-creation': '2019-03-01' } },
        },
      });
      expect(dataset?.distributions.map(({ format }) => format)).toEqual(['ZIP', 'ZIP', 'PDF', 'ZIP', 'ZIP']);
      expect(dataset?.distributions[2]?.downloadURL).toBe(
        'https://portal.example/api/explore/v2.1/catalog/datasets/fichier-fantoir-des-voies-et-lieux-dits/attachments/descriptif_du_fichier_national_fantoir_pdf',
      );
    },
  ],
  'v20_economie_catalog_dataset_fantoir_attachments.json': [
    'the same 5 attachments as in the dataset',
    () => {
      const list = asObject(read('v20_economie_catalog_dataset_fantoir_attachments.json'))[
        'attachments'
      ] as readonly Json[];
      const [dataset] = mapAllWrapped('v20_economie_catalog_dataset_fantoir.json');
      const alone = map({
        dataset_id: 'fichier-fantoir-des-voies-et-lieux-dits',
        attachments: list.map(({ metas }) => metas),
      });
      expect(alone.distributions).toEqual(dataset?.distributions);
      // The portal's own address of the file differs from ours only in the generation of the API.
      expect(list.map(({ href }) => String(href).split('/catalog/')[1])).toEqual(
        alone.distributions.map(({ downloadURL }) => downloadURL?.split('/catalog/')[1]),
      );
    },
  ],
  'v20_economie_catalog_datasets.json': [
    'a page of 3 of 426 datasets, one of them with records and no fields',
    () => {
      expect(readDatasetPage(read('v20_economie_catalog_datasets.json'), 'cap').total).toBe(426);
      const datasets = mapAll('v20_economie_catalog_datasets.json');
      expect(datasets.length).toBe(3);
      expect(datasets[0]).toMatchObject({
        localId: 'mef-catalogue-temporaire',
        descriptions: {},
        themes: [],
        recordsState: 'none',
        recordCount: 0,
        publisher: { name: 'OpenDataSoft' },
        spatial: null,
      });
      expect(datasets[1]).toMatchObject({
        localId: 'france-relance-donnees-agregees',
        recordsState: 'described',
        recordCount: 198_275,
        keywords: ['Plan de relance'],
        license: { id: 'LO-2.0' },
      });
      expect(datasets[1]?.queryables?.slice(0, 3).map(({ name, type }) => [name, type])).toEqual([
        ['period_date', 'DATE'],
        ['date', 'DATE'],
        ['abrev_mois', 'STRING'],
      ]);
      expect(datasets[2]).toMatchObject({ themes: ['ECON'], recordCount: 103, publisher: { name: 'DGE' } });
    },
  ],

  'v20_economie_catalog_dataset_record.json': [
    '1 record of 18 columns, text codes kept as text',
    () => {
      const row = unwrapRecord(asObject(read('v20_economie_catalog_dataset_record.json')));
      const columns: Record<string, string> = Object.fromEntries(Object.keys(row).map((name) => [name, 'text']));
      Object.assign(columns, { prix_visite: 'int', prix_contre_visite_min: 'int', prix_contre_visite_max: 'int' });
      Object.assign(columns, {
        date_application_visite: 'date',
        date_application_contre_visite: 'date',
        latitude: 'geo_point_2d',
      });
      const [record] = mapRows([row], datasetWith(columns));
      expect(Object.keys(row).length).toBe(18);
      expect(record?.values).toMatchObject({
        cct_code_dept: 'Vendée',
        code_postal: '85700',
        cct_tel: null,
        prix_visite: 78,
        date_application_visite: '2020-10-02',
        latitude: pointAt(-0.847609, 46.777426),
        cct_siret: '41409085200131',
      });
    },
  ],
  'v20_campbelltown_weather-station-100.json': [
    '100 of 29,307 records of 3 columns',
    () => {
      const page = readRecordPage(read('v20_campbelltown_weather-station-100.json'), 'cap');
      expect(page.total).toBe(29_307);
      const records = mapRows(
        page.items,
        datasetWith({ metadata_time: 'datetime', geolocation: 'geo_point_2d', heat_stress_index: 'double' }),
      );
      expect(records.length).toBe(100);
      expect(records[0]?.values).toEqual({
        metadata_time: '2021-06-18T06:00:37+00:00',
        geolocation: pointAt(150.865419, -33.998172),
        heat_stress_index: null,
      });
      expect(records[2]?.values['geolocation']).toEqual(pointAt(150.808, -34.07001));
    },
  ],
  'v20_campbelltown_weather-station-groupby.json': [
    '2 groups without a total, their key a text',
    () => {
      const page = readRecordPage(read('v20_campbelltown_weather-station-groupby.json'), 'cap');
      expect(page.total).toBeNull();
      expect(page.items).toEqual([
        {
          min_time: '2020-12-07T23:02:57.000Z',
          geolocation: '[-33.998172017745674, 150.86541895754635]',
          num: 23_718,
          max_time: '2021-06-18T06:00:37.000Z',
        },
        {
          min_time: '2020-12-07T23:04:11.000Z',
          geolocation: '[-34.0700100408867, 150.8079999871552]',
          num: 5589,
          max_time: '2021-06-18T05:20:05.000Z',
        },
      ]);
    },
  ],
  'v21_ukpn_getRecords-carbon-intensity-response.json': [
    '2 of 33,736 records of 10 columns',
    () => {
      const page = readRecordPage(read('v21_ukpn_getRecords-carbon-intensity-response.json'), 'cap');
      expect(page.total).toBe(33_736);
      const records = mapRows(
        page.items,
        datasetWith({
          half_hour_period: 'datetime',
          gsp_name: 'text',
          gsp_fl: 'text',
          dno_generation_kwh: 'double',
          weighted_avg_carbon_intensity_gco2_kwh: 'double',
          sgt_energy_kwh: 'double',
          neso_intensity_forecast: 'int',
          blended_carbon_intensity: 'double',
          licence_area: 'text',
          licence_area_average_carbon_intensity: 'double',
        }),
      );
      expect(
        records.map(({ values }) => [
          values['half_hour_period'],
          values['dno_generation_kwh'],
          values['neso_intensity_forecast'],
        ]),
      ).toEqual([
        ['2026-06-27T04:00:00+00:00', 241.2530556321144, 229],
        ['2026-06-27T04:30:00+00:00', 562.9238039255142, 236],
      ]);
    },
  ],
  'v21_ukpn_getRecords-live-faults-response.json': [
    '2 of 100 records read with the columns of the captured dataset',
    () => {
      const [dataset] = mapAll('v21_ukpn_getDataset-live-faults-response.json');
      const page = readRecordPage(read('v21_ukpn_getRecords-live-faults-response.json'), 'cap');
      expect(page.total).toBe(100);
      if (dataset === undefined) throw new Error('the dataset is missing');
      const records = mapRows(page.items, dataset);
      expect(records.map(({ values }) => values['geopoint'])).toEqual([null, pointAt(0.86691, 52.83446)]);
      expect(records[0]?.values).toMatchObject({
        incidentreference: 'INCD-109989-C',
        creationdatetime: '2026-07-08T09:39:45',
        incidentcategory: '28',
        incidenttype: 3,
        restoreddatetime: '2026-07-27T15:24:49.29',
        noplannedcustomers: 6,
      });
    },
  ],
  'v21_bordeaux_st_arceau_p_export.geojson': [
    '4,148 features: 18,618 racks, dates all null, the point in the properties equal to the geometry',
    () => {
      const features = asObject(read('v21_bordeaux_st_arceau_p_export.geojson'))['features'] as readonly Json[];
      const rows = features.map(({ properties }) => asObject(properties));
      const records = mapRows(
        rows,
        datasetWith(
          {
            geo_point_2d: 'geo_point_2d',
            gid: 'int',
            geom_o: 'text',
            geom_err: 'text',
            typologie: 'text',
            nombre: 'int',
            insee: 'text',
            cdate: 'datetime',
            mdate: 'datetime',
          },
          'gid',
        ),
      );
      expect(records.length).toBe(4148);
      expect(records[0]).toEqual({
        id: '933910',
        values: {
          geo_point_2d: pointAt(-0.5695831, 44.8566074),
          gid: 933_910,
          geom_o: '0',
          geom_err: null,
          typologie: 'ARCEAU_VELO',
          nombre: 4,
          insee: '33063',
          cdate: null,
          mdate: null,
        },
      });
      expect(records.at(-1)?.id).toBe('931358');
      expect(records.reduce((sum, { values }) => sum + Number(values['nombre']), 0)).toBe(18_618);
      expect(records.map(({ values }) => values['geo_point_2d'])).toEqual(
        features.map(({ geometry }) => {
          const { type, coordinates } = asObject(geometry);
          return { type, coordinates };
        }),
      );
    },
  ],
  'derived_leicester_flood-risk-register.geojson': [
    '990 features of 7 text columns, eastings kept as text',
    () => {
      const features = asObject(read('derived_leicester_flood-risk-register.geojson'))['features'] as readonly Json[];
      const columns =
        'watercourse_ref_no watercourse_name structure type_of_structure location eastings northings'.split(' ');
      const records = mapRows(
        features.map(({ properties }) => asObject(properties)),
        datasetWith(Object.fromEntries(columns.map((name) => [name, 'text']))),
      );
      expect(records.length).toBe(990);
      expect(records[0]?.values).toMatchObject({ watercourse_ref_no: 'A005', eastings: '460727', northings: '300349' });
      expect(records.at(-1)?.values).toMatchObject({ watercourse_ref_no: 'PP001', location: 'Thurcaston Road' });
    },
  ],
  'v1_bordeaux_ci_vcub_p_records_search.json': [
    '1 record of version 1, its point latitude first',
    () => {
      const page = readRecordPage(read('v1_bordeaux_ci_vcub_p_records_search.json'), 'cap');
      expect(page.total).toBeNull();
      const [record] = mapRows(
        page.items,
        datasetWith({
          etat: 'text',
          commune: 'text',
          ident: 'int',
          mdate: 'datetime',
          nom: 'text',
          nbclassiq: 'text',
          code_commune: 'text',
          gml_id: 'text',
          geo_point_2d: 'geo_point_2d',
          nbplaces: 'int',
          cdate: 'datetime',
          gid: 'int',
          geom_o: 'text',
          geo_shape: 'geo_shape',
          nbelec: 'text',
          nbvelos: 'int',
          type: 'text',
        }),
      );
      expect(record?.values).toMatchObject({
        nom: 'Belcier Gare',
        nbvelos: 21,
        nbelec: '6',
        nbclassiq: '15',
        geo_point_2d: pointAt(-0.554574, 44.823285),
        geo_shape: pointAt(-0.554574, 44.823285),
        mdate: '2021-11-04T11:43:44+00:00',
      });
    },
  ],
  'v1_cdmx_estaciones-metrobus_download.json': [
    '234 stations of version 1, numbers written as text',
    () => {
      const rows = (read('v1_cdmx_estaciones-metrobus_download.json') as readonly Json[]).map(unwrapRecord);
      const records = mapRows(
        rows,
        datasetWith({
          geopoint: 'geo_point_2d',
          lon: 'text',
          lat: 'text',
          wkt_geom: 'text',
          nombre: 'text',
          linea: 'text',
        }),
      );
      expect(records.length).toBe(234);
      expect(records[5]?.values).toEqual({
        geopoint: pointAt(-99.129143, 19.397833),
        lon: '-99.12914299999999912',
        lat: '19.39783299999999855',
        wkt_geom: 'PointZ (-99.12914299999999912 19.39783299999999855 0)',
        nombre: 'Andrés Molina',
        linea: 'Linea 2',
      });
      // Declared as a number, the same text is one.
      const typed = createRecordMapper(datasetWith({ lon: 'double' }), 'UTC')({ lon: rows[5]?.['lon'] });
      expect(typed.values['lon']).toBe(-99.129143);
    },
  ],
  'v1_lille_disponibilite-parkings_records_search.json': [
    '27 car parks of version 1, the geometry among the fields',
    () => {
      const page = readRecordPage(read('v1_lille_disponibilite-parkings_records_search.json'), 'cap');
      expect(page.total).toBe(27);
      const records = mapRows(
        page.items,
        datasetWith(
          {
            id: 'text',
            libelle: 'text',
            adresse: 'text',
            ville: 'text',
            etat: 'text',
            dispo: 'int',
            max: 'int',
            aff: 'text',
            datemaj: 'datetime',
            geometry: 'geo_shape',
          },
          'id',
        ),
      );
      expect(records.length).toBe(27);
      expect(records.at(-1)).toMatchObject({
        id: 'VAQ0002',
        values: {
          libelle: 'Parking 4CANTONS',
          dispo: 1795,
          max: 2000,
          aff: '1795',
          geometry: pointAt(3.1381469089435, 50.604608674461),
        },
      });
    },
  ],
  'v1_paris_velib-disponibilite_records_search.json': [
    '10 of 1,392 stations of version 1, JSON inside a text kept as text',
    () => {
      const page = readRecordPage(read('v1_paris_velib-disponibilite_records_search.json'), 'cap');
      expect(page.total).toBe(1392);
      const columns = Object.fromEntries(page.items.flatMap((row) => Object.keys(row)).map((name) => [name, 'int']));
      for (const name of 'station_state creditcard station_type overflowactivation station_code overflow densitylevel station station_name kioskstate'.split(
        ' ',
      ))
        columns[name] = 'text';
      const records = mapRows(page.items, datasetWith({ ...columns, geo: 'geo_point_2d', duedate: 'date' }));
      expect(records.length).toBe(10);
      expect(records[0]?.values).toMatchObject({
        station_code: '16107',
        nbedock: 35,
        duedate: '2018-07-15',
        geo: pointAt(2.275725, 48.865983),
      });
      expect(records[0]?.values['station']).toEqual(
        expect.stringMatching(/^\{"code": "16107", "name": "Benjamin Godard/),
      );
    },
  ],
  'v1_paris_velib-emplacement_records_search.json': [
    '10 of 1,393 stations of version 1',
    () => {
      const page = readRecordPage(read('v1_paris_velib-emplacement_records_search.json'), 'cap');
      expect(page.total).toBe(1393);
      const records = mapRows(
        page.items,
        datasetWith({
          capacity: 'int',
          name: 'text',
          lon: 'double',
          lat: 'double',
          station_id: 'int',
          stationcode: 'text',
          xy: 'geo_point_2d',
        }),
      );
      expect(records.at(-1)?.values).toEqual({
        capacity: 25,
        name: 'Sibelle - Alésia',
        lon: 2.3384983465075493,
        lat: 48.826701758539215,
        station_id: 213_679_512,
        stationcode: '14012',
        xy: pointAt(2.33849834651, 48.8267017585),
      });
    },
  ],

  'v21_vancouver_aggregate-ungrouped.json': [
    '1 aggregate whose total is the number of records',
    () => {
      expect(readRecordPage(read('v21_vancouver_aggregate-ungrouped.json'), 'cap')).toEqual({
        total: 185_845,
        items: [{ total: 185_845 }],
      });
    },
  ],
  'v21_vancouver_aggregate-grouped.json': [
    'a bare list is no page; its 171 groups have distinct identities',
    () => {
      refusesAsRecords('v21_vancouver_aggregate-grouped.json');
      const groups = read('v21_vancouver_aggregate-grouped.json') as readonly Json[];
      const records = mapRows(groups, datasetWith({ genus_name: 'text', count: 'int' }));
      expect(records.length).toBe(171);
      expect(records[0]?.values).toEqual({ genus_name: null, count: 41 });
      expect(records.find(({ values }) => values['genus_name'] === 'ACER')?.values['count']).toBe(42_180);
    },
  ],
  'v21_enw_catalog-facets-license-example.json': [
    'facets are no page; of the 3 licences the open ones are recognised',
    () => {
      const file = 'v21_enw_catalog-facets-license-example.json';
      refusesAsRecords(file);
      const [facet = {}] = asObject(read(file))['facets'] as readonly Json[];
      const names = (facet['facets'] as readonly Json[]).map(({ name }) => String(name));
      expect(names.map((title) => [title, normaliseLicense({ title }).id])).toEqual([
        ['CC BY 4.0', 'CC-BY-4.0'],
        ['SP ENW Shared Licence', null],
        ['Open Government Licence v3.0', 'OGL-UK-3.0'],
      ]);
    },
  ],
  ...Object.fromEntries(
    [
      'v20_campbelltown_facets.json',
      'v20_economie_catalog_facets.json',
      'v21_ukpn_getDatasetsFacets-response.json',
      'v21_vancouver_facets-catalog.json',
      'v21_vancouver_facets-public-trees.json',
    ].map((file) => [file, ['facets are not taken for a page', () => refusesAsRecords(file)] as const]),
  ),
  ...Object.fromEntries(
    [
      'v21_enw_forbidden-records-example.json',
      'v21_enw_odsql-error-example.json',
      'v21_vancouver_error-odsql.json',
    ].map((file) => [file, ['an error is not taken for a page', () => refusesAsRecords(file)] as const]),
  ),
};

function mapAllWrapped(file: string): readonly Dataset[] {
  return readDatasetPage({ datasets: [read(file)] }, 'cap').items.map((payload) => {
    const dataset = map(payload);
    expectNothingLost(payload, dataset);
    return dataset;
  });
}

describe.skipIf(!isThere)('captures of real portals', () => {
  const files = isThere ? readdirSync(FOLDER).filter((file) => !file.endsWith('.headers.json')) : [];

  test('every captured file has its place in the table', () => {
    expect(files.toSorted()).toEqual(Object.keys(TABLE).toSorted());
  });

  for (const [file, [title, check]] of Object.entries(TABLE)) {
    if (check === undefined) test.skip(`${file}: out of scope, ${title}`);
    else test(`${file}: ${title}`, check);
  }
});
