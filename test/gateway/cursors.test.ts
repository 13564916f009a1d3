import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createConfig, NO_CACHE, startTestHub } from '../test-support/test-hub.ts';
import type { Answer, Loose, TestHub } from '../test-support/test-hub.ts';

const RECORDS = `query ($id: ID!, $after: String) { dataset(id: $id) {
  records(first: 5, after: $after, sortBy: [{ property: "nbvelos", direction: DESC }]) { nodes { id } pageInfo { endCursor hasNextPage } } } }`;
const DATASETS = `query ($after: String) { datasets(first: 5, after: $after, orderBy: TITLE) { nodes { id } pageInfo { endCursor hasNextPage } } }`;
const STATIONS = 'bordeaux:ci_vcub_p';

let sandbox: Sandbox;
const folders: string[] = [];

beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(async () => {
  await sandbox.close();
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'civex-cursors-'));
  folders.push(folder);
  return folder;
}

function startIn(dataFolder: string): Promise<TestHub> {
  const config = createConfig(sandbox.portals, { source: { cache: NO_CACHE } });
  return startTestHub({ ...config, server: { ...config.server, dataFolder } });
}

type Page = { readonly nodes: readonly { readonly id: string }[]; readonly pageInfo: { readonly endCursor: string } };
const KINDS: readonly [
  string,
  (hub: TestHub, after: string | null) => Promise<Answer<Loose>>,
  (data: Loose) => Page,
][] = [
  ['records', (hub, after) => hub.ask<Loose>(RECORDS, { id: STATIONS, after }), (data) => data.dataset.records],
  ['datasets', (hub, after) => hub.ask<Loose>(DATASETS, { after }), (data) => data.datasets],
];

describe.each(KINDS)('a cursor of %s', (_kind, ask, pageOf) => {
  test('survives a restart, and continues on another hub with the same key', async () => {
    const folder = await newFolder();
    const before = await startIn(folder);
    const first = pageOf((await ask(before, null)).data);
    const second = pageOf((await ask(before, first.pageInfo.endCursor)).data);
    await before[Symbol.asyncDispose]();
    await using after = await startIn(folder);
    expect(pageOf((await ask(after, first.pageInfo.endCursor)).data).nodes).toEqual(second.nodes);
    expect(second.nodes).toHaveLength(5);
  });

  test('of a hub with another key, or changed in any character, is refused', async ({ task }) => {
    await using own = await startIn(await newFolder());
    await using other = await startIn(await newFolder());
    const cursor = pageOf((await ask(own, null)).data).pageInfo.endCursor;
    const forgeries = [
      pageOf((await ask(other, null)).data).pageInfo.endCursor,
      ...Array.from({ length: 40 }, (_, index) => {
        const at = Math.floor((index * cursor.length) / 40);
        return `${cursor.slice(0, at)}${cursor[at] === 'A' ? 'B' : 'A'}${cursor.slice(at + 1)}`;
      }),
    ];
    let refused = 0;
    for (const forgery of forgeries) {
      const { data, errors } = await ask(own, forgery);
      expect(errors?.[0]?.extensions.code).toBe('INPUT_INVALID');
      expect(JSON.stringify(data)).not.toContain('"nodes"');
      refused++;
    }
    task.meta.figures = [
      {
        point: 3,
        what: `forged or foreign cursors of ${_kind} refused`,
        value: refused,
        target: String(forgeries.length),
        isMet: refused === forgeries.length,
      },
    ];
  });

  test('says nothing of what it holds', async () => {
    await using hub = await startIn(await newFolder());
    const text = Buffer.from(pageOf((await ask(hub, null)).data).pageInfo.endCursor, 'base64url').toString('latin1');
    expect(text).not.toMatch(/bordeaux|"v"|"o"|nbvelos/);
  });
});
