import { EXAMPLE_QUESTIONS } from '@civex/gateway';
import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fold, readPortal } from '../test-support/portal-truth.ts';
import { REPORT, startSandboxHub } from '../test-support/test-hub.ts';
import type { Report, TestHub } from '../test-support/test-hub.ts';

const CITIES = ['bordeaux', 'umea', 'leicester', 'mexico-city', 'nouvelle-aquitaine'];

let sandbox: Sandbox;
let hub: TestHub;

beforeAll(async () => {
  sandbox = await startSandbox();
  hub = await startSandboxHub(sandbox);
});
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await sandbox.close();
});

interface DatasetNode {
  readonly id: string;
  readonly title: string;
  readonly themes: readonly string[];
  readonly license: { readonly status: string; readonly id: string | null; readonly raw: string | null };
  readonly publisher: { readonly name: string } | null;
  readonly queryables: readonly { readonly name: string; readonly type: string }[] | null;
  readonly distributions: readonly { readonly format: string | null; readonly downloadURL: string | null }[];
}

/** Each portal's own words for transport. */
const TRANSPORT = new Set(['Mobilité, Transport', 'Trafik', 'Transport', 'movilidad', 'transports']);

describe('transport datasets, ten per catalog', () => {
  const QUESTION = `{ catalogs { id datasets(filter: { themes: ["TRAN"] }, first: 10) {
    totalCount totalIsExact
    nodes { id title themes publisher { name } license { status id raw } queryables { name type } distributions { format downloadURL } }
    sources { ${REPORT} } } } }`;
  interface Data {
    readonly catalogs: readonly {
      readonly id: string;
      readonly datasets: {
        readonly totalCount: number;
        readonly totalIsExact: boolean;
        readonly nodes: readonly DatasetNode[];
        readonly sources: readonly Report[];
      };
    }[];
  }

  test('five catalogs answer with a report each and no error', async () => {
    const { data, errors, status } = await hub.ask<Data>(QUESTION);
    expect(status).toBe(200);
    expect(errors).toBeUndefined();
    expect(data.catalogs.map(({ id }) => id)).toEqual(CITIES);
    for (const { id, datasets } of data.catalogs) {
      expect(datasets.sources).toMatchObject([{ catalog: id, status: 'OK', error: null }]);
      expect(datasets.nodes).toHaveLength(10);
      expect(datasets.totalIsExact).toBe(true);
    }
  });

  test('every dataset a portal calls transport is counted, and what is shown of it is what the portal says', async () => {
    const { data } = await hub.ask<Data>(QUESTION);
    for (const { id, datasets } of data.catalogs) {
      const entries = await readPortal(sandbox.portal(id));
      const transport = entries.filter(({ themes }) => themes.some((theme) => TRANSPORT.has(theme)));
      expect(datasets.totalCount).toBeGreaterThanOrEqual(transport.length);
      const byId = new Map(entries.map((entry) => [entry.id, entry]));
      for (const node of datasets.nodes) {
        const entry = byId.get(node.id);
        expect(node.title).toBe(entry?.title);
        expect(node.themes).toContain('TRAN');
        expect(node.publisher?.name ?? null).toBe(entry?.publisher);
        expect(node.license.raw === null).toBe(node.license.status === 'NOT_STATED');
        expect(node.license.raw === null).toBe(entry?.license == null);
        // Only what the portal hides has nothing to download.
        if (node.queryables !== null) expect(node.distributions.length).toBeGreaterThan(0);
      }
    }
  });

  test('the columns shown are those of the portal, null where there is nothing to ask', async () => {
    const { data } = await hub.ask<Data>(QUESTION);
    let withRecords = 0;
    for (const { id, datasets } of data.catalogs)
      for (const node of datasets.nodes) {
        const truth = sandbox.portal(id).truth(node.id.slice(id.length + 1));
        const names = truth?.fields?.map(({ name }) => name).filter((name) => name !== '_id') ?? null;
        if (node.queryables === null) continue;
        withRecords++;
        expect(node.queryables.map(({ name }) => name)).toEqual(names);
      }
    expect(withRecords).toBeGreaterThan(30);
  });
});

describe('the search "velo" over all catalogs', () => {
  test('brings every dataset with the word in its title, and only datasets that contain it', async () => {
    const { data, errors } = await hub.ask<{
      datasets: { totalCount: number; totalIsExact: boolean; nodes: DatasetNode[]; sources: Report[] };
    }>(`{ datasets(search: "velo", first: 100) { totalCount totalIsExact nodes { id title } sources { ${REPORT} } } }`);
    expect(errors).toBeUndefined();
    expect(data.datasets.sources.map(({ catalog, status }) => [catalog, status])).toEqual(
      CITIES.map((id) => [id, 'OK']),
    );
    expect(data.datasets.totalCount).toBe(data.datasets.nodes.length);
    expect(data.datasets.totalIsExact).toBe(true);
    const found = new Set(data.datasets.nodes.map(({ id }) => id));
    expect(found.size).toBe(data.datasets.nodes.length);
    for (const portal of sandbox.portals)
      for (const entry of await readPortal(portal)) {
        if (/\bvelos?\b/.test(fold(entry.title))) expect(found).toContain(entry.id);
        if (!fold(entry.text).includes('velo')) expect(found).not.toContain(entry.id);
      }
    // Swedish and English datasets carry the word as a keyword: the question crosses languages only by what is written.
    for (const city of CITIES) expect([...found].some((id) => id.startsWith(`${city}:`))).toBe(true);
  });
});

describe('every example question', () => {
  test('there are at least three', () => {
    expect(EXAMPLE_QUESTIONS.length).toBeGreaterThanOrEqual(3);
  });

  test.each(EXAMPLE_QUESTIONS.map(({ title, query }) => [title, query] as const))(
    '"%s" has data and no errors',
    async (_, query) => {
      const { data, errors, status } = await hub.ask(query);
      expect(status).toBe(200);
      expect(errors).toBeUndefined();
      const empty: string[] = [];
      let lists = 0;
      const look = (value: unknown, path: string): void => {
        if (Array.isArray(value)) for (const [index, part] of value.entries()) look(part, `${path}[${index}]`);
        else if (typeof value === 'object' && value !== null)
          for (const [key, part] of Object.entries(value)) {
            if (key === 'nodes' || key === 'groups') {
              lists++;
              if (!Array.isArray(part) || part.length === 0) empty.push(`${path}.${key}`);
            }
            look(part, `${path}.${key}`);
          }
      };
      look(data, '');
      expect(lists).toBeGreaterThan(0);
      expect(empty).toEqual([]);
      expect(Object.values(data)).not.toContain(null);
      const text = JSON.stringify(data);
      for (const city of ['bordeaux', 'umea', 'leicester', 'mexico']) expect(text).toContain(`"${city}`);
    },
  );

  test('the bike question gives live records of four cities, each from its own portal', async () => {
    const bikes = EXAMPLE_QUESTIONS.find(({ query }) => query.includes('nbvelos'));
    const { data } = await hub.ask<
      Record<string, { records: { nodes: { values: Record<string, unknown> }[]; totalCount: number } }>
    >(bikes?.query ?? '');
    const columns = {
      bordeaux: ['ci_vcub_p', 'nbvelos'],
      umea: ['cykelstationer-umea', 'lediga_cyklar'],
      leicester: ['bike-share-docking-stations', 'bikes_available'],
      mexico: ['estaciones-de-ecobici', 'bicis_disponibles'],
    } as const;
    for (const [alias, [localId, column]] of Object.entries(columns)) {
      const truth = sandbox.portal(alias === 'mexico' ? 'mexico-city' : alias).truth(localId);
      const free = truth?.records?.filter((row) => Number(row[column] ?? 0) > 0) ?? [];
      const records = data[alias]?.records;
      expect(records?.nodes).toHaveLength(5);
      expect(records?.totalCount).toBe(free.length);
      for (const { values } of records?.nodes ?? []) expect(values[column]).toBeGreaterThan(0);
    }
  });
});
