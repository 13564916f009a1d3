import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBenchPortals } from './bench.ts';
import type { SandboxPortal } from './portal.ts';
import { startSandbox } from './sandbox.ts';
import type { Sandbox } from './sandbox.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

const ODS = '/api/explore/v2.1/catalog';
interface Entry {
  readonly dataset_id: string;
  readonly data_visible: boolean;
  readonly has_records: boolean;
  readonly fields: readonly { readonly label: string; readonly annotations: unknown }[];
  readonly metas: {
    readonly default: { readonly federated: boolean; readonly license: unknown; readonly description: string };
  };
}
/** What either kind of portal may answer; each test reads the part of its own kind. */
interface Body extends Entry {
  readonly total_count: number;
  readonly results: readonly Entry[];
  readonly result: {
    readonly count: number;
    readonly results: readonly { readonly name: string }[];
    readonly resources: readonly { readonly ckan_url: string }[];
    readonly extras: readonly { readonly key: string }[];
  };
}
async function read<T = Body>(portal: SandboxPortal, path: string): Promise<T> {
  const response = await fetch(portal.baseUrl + path);
  expect(response.status, path).toBe(200);
  return (await response.json()) as T;
}
async function search(portal: SandboxPortal, words: string): Promise<string[]> {
  if (portal.kind === 'ckan') {
    const body = await read(
      portal,
      `/api/3/action/package_search?rows=100&fq=dataset_type:dataset&q=${encodeURIComponent(words)}`,
    );
    return body.result.results.map((entry) => entry.name);
  }
  const where = encodeURIComponent(`search(${JSON.stringify(words)})`);
  const body = await read(portal, `${ODS}/datasets?limit=100&where=${where}`);
  return body.results.map((entry) => entry.dataset_id);
}

describe('the sandbox', () => {
  test.each([
    ['bordeaux', 'opendatasoft', 24],
    ['umea', 'opendatasoft', 20],
    ['leicester', 'opendatasoft', 20],
    ['mexico-city', 'ckan', 20],
    ['nouvelle-aquitaine', 'ckan', 15],
  ])('%s is %s with at least %i datasets', async (id, kind, least) => {
    const portal = sandbox.portal(id);
    expect(portal.kind).toBe(kind);
    const body =
      kind === 'ckan'
        ? (await read(portal, '/api/3/action/package_search?rows=0&fq=dataset_type:dataset')).result.count
        : (await read(portal, `${ODS}/datasets?limit=0`)).total_count;
    expect(body).toBeGreaterThanOrEqual(least);
  });

  test.each([
    ['bordeaux', 'theme = "Mobilité, Transport"'],
    ['umea', 'theme = "Trafik"'],
    ['leicester', 'theme = "Transport"'],
    ['mexico-city', 'groups:movilidad'],
    ['nouvelle-aquitaine', 'groups:transports'],
  ])('%s has ten transport datasets under its own label', async (id, filter) => {
    const portal = sandbox.portal(id);
    const count =
      portal.kind === 'ckan'
        ? (await read(portal, `/api/3/action/package_search?rows=0&fq=${encodeURIComponent(filter)}`)).result.count
        : (await read(portal, `${ODS}/datasets?limit=0&where=${encodeURIComponent(filter)}`)).total_count;
    expect(count).toBeGreaterThanOrEqual(10);
  });

  test('a search for velo hits in every portal and for energy as well', async () => {
    for (const portal of sandbox.portals) {
      expect(await search(portal, 'velo'), portal.id).not.toEqual([]);
      expect(await search(portal, 'energy'), portal.id).not.toEqual([]);
    }
    expect(await search(sandbox.portal('bordeaux'), 'velo')).toContain('ci_vcub_p');
    expect(await search(sandbox.portal('nouvelle-aquitaine'), 'vélo')).toContain(
      'bordeaux-metropole-stations-velos-vcub',
    );
  });

  test.each([
    ['bordeaux', 'ci_vcub_p', 'nbvelos', 190],
    ['umea', 'cykelstationer-umea', 'lediga_cyklar', 46],
    ['leicester', 'bike-share-docking-stations', 'bikes_available', 52],
    ['mexico-city', 'estaciones-de-ecobici', 'bicis_disponibles', 420],
  ])('%s has bike stations with free bikes under a name of its own', (id, datasetId, field, size) => {
    const truth = sandbox.portal(id).truth(datasetId);
    expect(truth?.records).toHaveLength(size);
    expect(truth?.fields?.map(({ name }) => name)).toContain(field);
    expect(truth?.records?.some((row) => Number(row[field]) > 0)).toBe(true);
    expect(truth?.records?.some((row) => row[field] === null)).toBe(true);
  });

  test('a dataset larger than the page window is whole in the export', async () => {
    const leicester = sandbox.portal('leicester');
    const rows = await read<unknown>(leicester, `${ODS}/datasets/expenditure-exceeding-ps500-2024/exports/json`);
    expect(rows).toHaveLength(12_500);
    expect(rows).toEqual(leicester.truth('expenditure-exceeding-ps500-2024')?.records);
  });

  test('the oddities adapters must survive are there', async () => {
    const bordeaux = sandbox.portal('bordeaux');
    const entries = await read<readonly Entry[]>(bordeaux, `${ODS}/exports/json`);
    const entry = (id: string): Entry => entries.find((one) => one.dataset_id === id)!;
    expect(entry('ci_chantier').data_visible).toBe(false);
    expect(entry('met_pcaet_documents').has_records).toBe(false);
    expect(entry('communes-gironde').metas.default.federated).toBe(true);
    expect(entry('tb_stvel_p').metas.default.license).toBeNull();
    expect(entry('ci_vcub_p').fields[0]?.annotations).toEqual({});
    expect(entry('st_park_p').fields[1]?.annotations).toEqual({ id: [] });
    expect(entry('ci_trafi_l').fields[2]?.annotations).toEqual([{ name: 'facet' }, { name: 'sortable' }]);
    expect(entry('ci_vcub_p').metas.default.description).toContain('&amp;amp;');
    expect(entry('bor_fontaines_eau_potable').fields.at(-1)).toMatchObject({ name: 'geom', type: 'geo_point_2d' });
    const [first] = (await read(sandbox.portal('leicester'), `${ODS}/datasets/deprivation-in-leicester-2025`)).fields;
    expect(first?.label).toBe('\uFEFF\uFEFFLSOA code');
    const mexico = await read(sandbox.portal('mexico-city'), '/api/3/action/package_show?id=estaciones-de-ecobici');
    expect(mexico.result).toMatchObject({ license_id: 'CC-BY-4.0-ESP', accrual_periodicity: 'diario' });
    expect(mexico.result.resources[0]?.ckan_url).toBe('http://10.80.148.134');
    const copy = await read(
      sandbox.portal('nouvelle-aquitaine'),
      '/api/3/action/package_show?id=bordeaux-metropole-stations-velos-vcub',
    );
    expect(copy.result.extras.map(({ key }) => key)).toEqual(
      expect.arrayContaining(['guid', 'harvest_source', 'identifier']),
    );
  });

  test('the sample data is the same in every process', async () => {
    const other = await startSandbox();
    for (const [id, datasetId] of [
      ['bordeaux', 'ci_vcub_p'],
      ['umea', 'bygglov-beslut'],
      ['mexico-city', 'incidentes-viales-c5'],
    ] as const)
      expect(other.portal(id).truth(datasetId)?.records).toEqual(sandbox.portal(id).truth(datasetId)?.records);
    await other.close();
  });

  test('an unknown portal is an error', () => {
    expect(() => sandbox.portal('atlantis')).toThrow(RangeError);
  });
});

describe('bench portals', () => {
  test('serve a page of about 18 KB, the same from memory, and still evaluate', async () => {
    const bench = await createBenchPortals(2, { datasets: 40 });
    const [portal] = bench.portals as [SandboxPortal];
    const page = `${portal.baseUrl}${ODS}/datasets?limit=10`;
    const first = await (await fetch(page)).text();
    expect(first.length).toBeGreaterThan(15_000);
    expect(first.length).toBeLessThan(22_000);
    expect(await (await fetch(page)).text()).toBe(first);
    expect(await search(portal, 'velo')).toHaveLength(8);
    const rows = await read(
      portal,
      `${ODS}/datasets/bench-velo-0/records?where=${encodeURIComponent('value is null')}`,
    );
    expect(rows.total_count).toBe(2);
    await bench.close();
  });
});
