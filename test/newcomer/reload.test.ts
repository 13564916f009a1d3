import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startCli } from '../test-support/cli-process.ts';
import type { CliProcess } from '../test-support/cli-process.ts';
import { ask } from '../test-support/test-hub.ts';

let sandbox: Sandbox;
let folder: string;
let file: string;
let cli: CliProcess;
let url: string;

/** The three lines of a portal, and a fourth because this one stands on this machine. */
const portalLines = (id: string): string => {
  const { kind, baseUrl } = sandbox.portal(id);
  return `  - id: ${id}\n    adapter: ${kind}\n    url: ${baseUrl}\n    privateNetwork: [127.0.0.1/32]\n`;
};
const hubYaml = (...ids: readonly string[]): string => `sources:\n${ids.map(portalLines).join('')}`;

beforeAll(async () => {
  sandbox = await startSandbox();
  folder = await mkdtemp(path.join(tmpdir(), 'civex-'));
  file = path.join(folder, 'hub.yaml');
  await writeFile(file, hubYaml('umea'));
  cli = startCli(['serve', '--config', file, '--port', '0']);
  [, url = ''] = await cli.waitFor('out', /at (http:\S+)\/graphql/);
});
afterAll(async () => {
  await cli[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
  await sandbox.close();
});
/** Whatever the test before has left: one source, and nothing said yet. */
beforeEach(async () => {
  for (const portal of sandbox.portals) portal.setFault(null);
  await save(hubYaml('umea'));
  if ((await catalogs()).join() !== 'umea') await said(/reloaded: .*\./);
  expect(await catalogs()).toEqual(['umea']);
});

/** Characters of standard error before the last change of the file. */
let before = 0;
async function save(text: string): Promise<void> {
  before = cli.err.length;
  await writeFile(file, text);
}
const said = (pattern: RegExp): Promise<RegExpExecArray> => cli.waitFor('err', pattern, before);

async function catalogs(): Promise<readonly string[]> {
  const { data, errors } = await ask(url, '{ catalogs { id } }');
  expect(errors).toBeUndefined();
  return data['catalogs'].map(({ id }: { id: string }) => id);
}

describe('a portal added to the file', () => {
  test('in three lines is served as soon as the file is saved', async () => {
    expect(await catalogs()).toEqual(['umea']);
    await save(hubYaml('umea', 'mexico-city'));
    await said(/hub\.yaml reloaded: added mexico-city\./);
    expect(await catalogs()).toEqual(['umea', 'mexico-city']);
    const { data, errors } = await ask(
      url,
      '{ dataset(id: "mexico-city:estaciones-metro") { title records(first: 1) { nodes { id } } } }',
    );
    expect(errors).toBeUndefined();
    expect(data['dataset'].records.nodes).toHaveLength(1);
  });

  test('is served when another file is moved over the old one', async () => {
    const next = path.join(folder, 'hub.yaml.next');
    await writeFile(next, hubYaml('umea', 'leicester'));
    before = cli.err.length;
    await rename(next, file);
    await said(/reloaded: added leicester/);
    expect(await catalogs()).toEqual(['umea', 'leicester']);
    // The file of the new name is watched as the old one was.
    await save(hubYaml('leicester'));
    await said(/reloaded: removed umea/);
    expect(await catalogs()).toEqual(['leicester']);
  });
});

test('SIGHUP reloads, also a file that says the same', async () => {
  before = cli.err.length;
  cli.kill('SIGHUP');
  await said(/reloaded: no source changed/);
  expect(await catalogs()).toEqual(['umea']);
});

test('a request under way at a portal that a reload drops is answered whole', async () => {
  const portal = sandbox.portal('umea');
  portal.setFault({ slowMs: 1_500 });
  portal.clearRequests();
  const asked = ask(url, '{ datasets(first: 30) { totalCount nodes { id title } sources { catalog status } } }');
  await expect.poll(() => portal.requests.length, { timeout: 10_000 }).toBe(1);
  await save(hubYaml('leicester'));
  await said(/reloaded: added leicester; removed umea/);
  expect(await catalogs()).toEqual(['leicester']);

  const { data, errors } = await asked;
  expect(errors).toBeUndefined();
  expect(data['datasets']).toMatchObject({ totalCount: 25, sources: [{ catalog: 'umea', status: 'OK' }] });
  expect(data['datasets'].nodes).toHaveLength(25);
});

describe('a file with faults', () => {
  test.each<[string, () => string, RegExp]>([
    [
      'an unknown key',
      () => hubYaml('umea', 'leicester').replace('adapter: opendatasoft', 'adaptor: opendatasoft'),
      /hub\.yaml:3.*adaptor/,
    ],
    ['the same id twice', () => hubYaml('umea', 'umea'), /hub\.yaml:\d+.*id/],
    ['broken YAML', () => 'sources: [', /hub\.yaml:1/],
    ['nothing in it', () => '', /hub\.yaml/],
    ['an address without its leave', () => hubYaml('umea').replace(/ +privateNetwork.*\n/, ''), /hub\.yaml:\d+.*url/],
  ])('of %s changes nothing and says why', async (_, text, reason) => {
    await save(text());
    await said(/hub\.yaml was not taken over/);
    expect(cli.err.slice(before)).toMatch(reason);
    expect(await catalogs()).toEqual(['umea']);
    expect((await ask(url, '{ dataset(id: "umea:badplatser") { id } }')).data['dataset']).toEqual({
      id: 'umea:badplatser',
    });
  });

  test('is taken over once it is mended', async () => {
    await save('sources: [');
    await said(/was not taken over/);
    await save(hubYaml('umea', 'leicester'));
    await said(/reloaded: added leicester/);
    expect(await catalogs()).toEqual(['umea', 'leicester']);
  });

  test('that is gone changes nothing', async () => {
    before = cli.err.length;
    await rm(file);
    await said(/does not exist.*Nothing was changed/);
    expect(await catalogs()).toEqual(['umea']);
  });
});

test('limits of the hub wait for the next start, and it says so', async () => {
  await save(`limits: { maxFirst: 3 }\n${hubYaml('umea')}`);
  await said(/take effect at the next start/);
  expect((await ask(url, '{ datasets(first: 10) { nodes { id } } }')).data['datasets'].nodes).toHaveLength(10);
});
