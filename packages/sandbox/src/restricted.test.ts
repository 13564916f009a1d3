import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBenchPortals } from './bench.ts';
import type { Sandbox } from './sandbox.ts';
import { SANDBOX_API_KEYS, startSandbox } from './sandbox.ts';

const METERS = 'energy-meter-readings-council-buildings';
const VICTIMS = 'victimas-en-carpetas-de-investigacion-detalle';
const ODS = '/api/explore/v2.1/catalog';
const CKAN = '/api/3/action';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

async function ask(
  portal: 'leicester' | 'mexico-city',
  path: string,
  authorization?: string,
): Promise<{ readonly status: number; readonly body: string }> {
  const headers = authorization === undefined ? {} : { authorization };
  const response = await fetch(sandbox.portal(portal).baseUrl + path, { headers });
  return { status: response.status, body: await response.text() };
}

describe('a restricted dataset of an Opendatasoft portal', () => {
  const key = `Apikey ${SANDBOX_API_KEYS.leicester}`;
  const inside = [
    `${ODS}/datasets/${METERS}`,
    `${ODS}/datasets/${METERS}/records?limit=2`,
    `${ODS}/datasets/${METERS}/exports/jsonl`,
    `${ODS}/datasets/${METERS}/facets`,
  ];

  test.each(inside)('%s is what a dataset that does not exist is, without a key', async (path) => {
    const missing = await ask('leicester', path.replace(METERS, 'no-such-dataset'));
    const got = await ask('leicester', path);
    expect(got.status).toBe(404);
    expect(got.body.replaceAll(METERS, 'no-such-dataset')).toBe(missing.body);
  });

  test.each([
    `${ODS}/datasets?limit=100`,
    `${ODS}/datasets?limit=100&where=${encodeURIComponent(`dataset_id in ("${METERS}")`)}`,
    `${ODS}/exports/json`,
    `${ODS}/facets`,
    `${ODS}/datasets?select=count(*)`,
  ])('%s tells of it to those with a key alone', async (path) => {
    const [open, keyed] = [await ask('leicester', path), await ask('leicester', path, key)];
    expect([open.status, keyed.status]).toEqual([200, 200]);
    expect(open.body).not.toContain('meter-readings');
    expect(keyed.body).not.toBe(open.body);
  });

  test.each([key, key.replace('Apikey', 'ApiKey')])('is read with %s', async (authorization) => {
    for (const path of inside) expect((await ask('leicester', path, authorization)).status).toBe(200);
    const { body } = await ask('leicester', `${ODS}/datasets/${METERS}`, authorization);
    expect(JSON.parse(body)).toMatchObject({ visibility: 'restricted', dataset_id: METERS });
  });

  test('is read with the key as a parameter, and never with another key', async () => {
    const path = `${ODS}/datasets/${METERS}/records`;
    expect((await ask('leicester', `${path}?apikey=${SANDBOX_API_KEYS.leicester}`)).status).toBe(200);
    expect((await ask('leicester', path, 'Apikey guessed')).status).toBe(401);
    expect((await ask('leicester', path, `Bearer ${SANDBOX_API_KEYS.leicester}`)).status).toBe(404);
  });

  test('has 600 readings of 50 sites', () => {
    const rows = sandbox.portal('leicester').truth(METERS)?.records ?? [];
    expect(rows).toHaveLength(600);
    expect(new Set(rows.map((row) => row['reading_id'])).size).toBe(600);
    expect(new Set(rows.map((row) => row['site_ref'])).size).toBe(50);
    expect(rows.some((row) => row['kwh'] === null)).toBe(true);
  });
});

describe('a private package of a CKAN portal', () => {
  const token = SANDBOX_API_KEYS['mexico-city'];
  const search = `${CKAN}/package_search?rows=100&q=${encodeURIComponent('name:victimas*')}`;
  const tableId = async (): Promise<string> => {
    const { body } = await ask('mexico-city', `${CKAN}/package_show?id=${VICTIMS}`, token);
    const { result } = JSON.parse(body) as { result: { resources: { id: string }[] } };
    return result.resources[0]?.id ?? '';
  };

  test('is listed only to those who send a token and ask for private ones', async () => {
    const isListed = async (path: string, authorization?: string): Promise<boolean> =>
      (await ask('mexico-city', path, authorization)).body.includes(`"${VICTIMS}"`);
    expect(await isListed(search)).toBe(false);
    expect(await isListed(`${search}&include_private=true`)).toBe(false);
    expect(await isListed(`${search}&include_private=true`, 'guessed')).toBe(false);
    expect(await isListed(search, token)).toBe(false);
    expect(await isListed(`${search}&include_private=true`, token)).toBe(true);
    expect(await isListed(`${CKAN}/package_list`)).toBe(false);
    expect(await isListed(`${CKAN}/organization_show?id=fiscalia-general-de-justicia&include_datasets=true`)).toBe(
      false,
    );
  });

  test('is refused as CKAN does, by package, resource, table and dump', async () => {
    const id = await tableId();
    for (const path of [
      `${CKAN}/package_show?id=${VICTIMS}`,
      `${CKAN}/resource_show?id=${id}`,
      `${CKAN}/datastore_search?resource_id=${id}`,
      `${CKAN}/datastore_info?id=${id}`,
    ]) {
      const { status, body } = await ask('mexico-city', path);
      expect(status, path).toBe(403);
      expect(JSON.parse(body), path).toMatchObject({ success: false, error: { __type: 'Authorization Error' } });
      expect((await ask('mexico-city', path, 'guessed')).status, path).toBe(403);
      expect((await ask('mexico-city', path, token)).status, path).toBe(200);
    }
    expect((await ask('mexico-city', `/datastore/dump/${id}`)).status).toBe(403);
    expect((await ask('mexico-city', `/datastore/dump/${id}`, token)).status).toBe(200);
  });

  test('has 800 victims, some without a place or an age', () => {
    const rows = sandbox.portal('mexico-city').truth(VICTIMS)?.records ?? [];
    expect(rows).toHaveLength(800);
    expect(rows.some((row) => row['geo_point_2d'] === null)).toBe(true);
    expect(rows.some((row) => row['edad_victima'] === null)).toBe(true);
  });
});

test('a portal without keys does not look at them', async () => {
  const bench = await createBenchPortals(1, { datasets: 4 });
  const [portal] = bench.portals;
  const response = await fetch(`${portal?.baseUrl}${ODS}/datasets`, { headers: { authorization: 'Apikey any' } });
  expect(response.status).toBe(200);
  await bench.close();
});
