import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clearRequests, countRequests, NO_CACHE, startSandboxHub } from '../test-support/test-hub.ts';
import type { TestHub } from '../test-support/test-hub.ts';

/** Five datasets of each of four sources. */
const IDS: Readonly<Record<string, readonly string[]>> = {
  bordeaux: ['ci_vcub_p', 'st_park_p', 'met_agenda', 'pc_captv_p', 'se_quart_s'],
  umea: ['badplatser', 'cykelvagar', 'farthinder', 'laddplatser', 'ortnamn'],
  leicester: ['bus-stops', 'car-parks', 'cctv-cameras', 'taxi-ranks', 'roadworks'],
  'nouvelle-aquitaine': [
    'gares-ter',
    'lignes-ter',
    'aires-de-covoiturage',
    'arrets-des-cars-regionaux',
    'veloroutes-et-voies-vertes',
  ],
};
const TWENTY = Array.from({ length: 20 }, (_, index) => {
  const source = Object.keys(IDS)[index % 4] ?? '';
  return `${source}:${IDS[source]?.[Math.floor(index / 4)]}`;
});
const BY_ID =
  'query ($ids: [ID!]!) { datasetsById(ids: $ids) { id title license { status } publisher { name } distributions { id } } }';
interface ById {
  readonly datasetsById: readonly ({ readonly id: string } | null)[];
}

let sandbox: Sandbox;
let hub: TestHub;

beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());
beforeEach(async () => {
  hub = await startSandboxHub(sandbox, { source: { cache: NO_CACHE } });
  clearRequests(sandbox);
  return () => hub[Symbol.asyncDispose]();
});

describe('datasetsById', () => {
  test('with 20 ids over 4 sources makes exactly 4 upstream requests', async () => {
    const { data, errors } = await hub.ask<ById>(BY_ID, { ids: TWENTY });
    expect(errors).toBeUndefined();
    expect(data.datasetsById.map((node) => node?.id)).toEqual(TWENTY);
    expect(countRequests(sandbox)).toEqual({
      bordeaux: 1,
      umea: 1,
      leicester: 1,
      'mexico-city': 0,
      'nouvelle-aquitaine': 1,
    });
  });

  test('asks a CKAN portal for its licence register once, however many questions need it', async () => {
    const ids = ['estaciones-de-ecobici', 'estaciones-metro', 'ciclovias'].map((localId) => `mexico-city:${localId}`);
    await hub.ask(BY_ID, { ids });
    await hub.ask(BY_ID, { ids });
    const portal = sandbox.portal('mexico-city');
    expect(portal.requests.map(({ path }) => path.split('/').at(-1) ?? '').sort()).toEqual([
      'license_list',
      'package_search',
      'package_search',
    ]);
  });

  test('answers in the order asked, with null for what does not exist and the same object for what is asked twice', async () => {
    const ids = ['umea:badplatser', 'umea:gone', 'nowhere:x', 'not an id', 'umea:badplatser', 'bordeaux:ci_vcub_p'];
    const { data, errors } = await hub.ask<ById>(BY_ID, { ids });
    expect(errors).toBeUndefined();
    expect(data.datasetsById.map((node) => node?.id ?? null)).toEqual([ids[0], null, null, null, ids[4], ids[5]]);
    expect(data.datasetsById[4]).toEqual(data.datasetsById[0]);
    expect(countRequests(sandbox)).toMatchObject({ umea: 1, bordeaux: 1 });
  });

  test('asks a portal for ids it has only: no id of another source leaves for it', async () => {
    await hub.ask(BY_ID, { ids: TWENTY });
    for (const { id, requests } of sandbox.portals)
      for (const { search, body } of requests) {
        const sent = decodeURIComponent(search) + body;
        for (const [source, localIds] of Object.entries(IDS))
          for (const localId of localIds) expect(sent.includes(localId), `${localId} at ${id}`).toBe(source === id);
      }
  });
});

test('a dataset asked several times in one request, in several ways, is fetched once', async () => {
  const { data, errors } = await hub.ask(
    `{ a: dataset(id: "leicester:bus-stops") { id title }
       b: dataset(id: "leicester:bus-stops") { id recordCount }
       c: datasetsById(ids: ["leicester:bus-stops", "leicester:taxi-ranks", "leicester:bus-stops"]) { id } }`,
  );
  expect(errors).toBeUndefined();
  expect(data['c']).toHaveLength(3);
  const { requests } = sandbox.portal('leicester');
  expect(requests).toHaveLength(1);
  expect(decodeURIComponent(requests[0]?.search ?? '').split('bus-stops')).toHaveLength(2);
});

test('what a list has brought is not fetched again by its nodes', async () => {
  await hub.ask(
    '{ datasets(first: 10) { nodes { id title catalog { id title } distributions { id } queryables { name } } edges { node { id } cursor } } }',
  );
  for (const count of Object.values(countRequests(sandbox))) expect(count).toBeLessThanOrEqual(2);
  expect(countRequests(sandbox)).toMatchObject({ bordeaux: 1, umea: 1, leicester: 1 });
});

describe('two requests', () => {
  test('under way at the same time do not share a batch', async () => {
    // A slow portal keeps both under way together; a loader they shared would ask for both ids at once.
    sandbox.portal('umea').setFault({ slowMs: 50 });
    try {
      const [one, two] = await Promise.all([
        hub.ask<ById>(BY_ID, { ids: ['umea:badplatser'] }),
        hub.ask<ById>(BY_ID, { ids: ['umea:cykelvagar'] }),
      ]);
      expect(one.data.datasetsById.map((node) => node?.id)).toEqual(['umea:badplatser']);
      expect(two.data.datasetsById.map((node) => node?.id)).toEqual(['umea:cykelvagar']);
    } finally {
      sandbox.portal('umea').setFault(null);
    }
    const asked = sandbox.portal('umea').requests.map(({ search }) => decodeURIComponent(search));
    expect(asked).toHaveLength(2);
    for (const search of asked) expect(search.includes('badplatser')).toBe(!search.includes('cykelvagar'));
  });

  test('one after the other each ask the portal: nothing a request has loaded outlives it', async () => {
    for (let round = 1; round <= 3; round++) {
      await hub.ask(BY_ID, { ids: ['umea:badplatser'] });
      expect(sandbox.portal('umea').requests).toHaveLength(round);
    }
  });

  test('see a change between them, and an error of one is not the error of the other', async () => {
    const portal = sandbox.portal('leicester');
    portal.setFault('500');
    const failed = await hub.ask<ById>(BY_ID, { ids: ['leicester:bus-stops'] });
    portal.setFault(null);
    const healed = await hub.ask<ById>(BY_ID, { ids: ['leicester:bus-stops'] });
    expect(failed.errors).toMatchObject([{ path: ['datasetsById', 0], extensions: { code: 'SOURCE_UNAVAILABLE' } }]);
    expect(failed.data.datasetsById).toEqual([null]);
    expect(healed.errors).toBeUndefined();
    expect(healed.data.datasetsById[0]?.id).toBe('leicester:bus-stops');
  });

  test('that are the same and public may be one request to the portal, and both get the whole answer', async () => {
    sandbox.portal('umea').setFault({ slowMs: 80 });
    try {
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => hub.ask<ById>(BY_ID, { ids: ['umea:badplatser'] })),
      );
      for (const { data, errors } of answers) {
        expect(errors).toBeUndefined();
        expect(data).toEqual(answers[0]?.data);
      }
    } finally {
      sandbox.portal('umea').setFault(null);
    }
    const { requests } = sandbox.portal('umea');
    expect(requests.length).toBeGreaterThanOrEqual(1);
    expect(requests.length).toBeLessThanOrEqual(8);
    for (const { search } of requests) expect(search).toBe(requests[0]?.search);
  });
});
