import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { EXAMPLE_QUESTIONS } from '@civex/gateway';
import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli, startCli } from '../test-support/cli-process.ts';
import type { CliProcess } from '../test-support/cli-process.ts';
import { ask } from '../test-support/test-hub.ts';

let folder: string;
let sandbox: Sandbox;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'civex-'));
  sandbox = await startSandbox();
});
afterAll(async () => {
  await sandbox.close();
  await rm(folder, { recursive: true });
});

const entry = (id: string, adapter: string, url: string): string =>
  `  - id: ${id}\n    adapter: ${adapter}\n    url: ${url}\n    privateNetwork: [127.0.0.1/32]\n`;

async function writeConfig(name: string, text: string): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, text);
  return file;
}
const configOf = (...ids: readonly string[]): string =>
  `sources:\n${ids.map((id) => entry(id, sandbox.portal(id).kind, sandbox.portal(id).baseUrl)).join('')}`;

/** A port that is taken until its server is closed. */
async function takePort(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, server };
}
const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

describe('civex start', () => {
  let cli: CliProcess;
  let url: string;

  beforeAll(async () => {
    cli = startCli(['start', '--port', '0']);
    [, url = ''] = await cli.waitFor('out', /Civex runs at (http:\S+)\. /);
    await cli.waitFor('out', /Ctrl\+C stops the hub/);
  });
  afterAll(() => cli[Symbol.asyncDispose]());

  test('says which catalogs are up and how many datasets each has', () => {
    const counts = { bordeaux: 27, umea: 25, leicester: 25, 'mexico-city': 22, 'nouvelle-aquitaine': 18 };
    for (const [id, count] of Object.entries(counts))
      expect(cli.out).toMatch(new RegExp(`^${id} .* up +${count} +\\d+ ms`, 'm'));
    expect(cli.out).toContain('5 of 5 catalogs are up, 117 datasets.');
  });

  test('says where GraphiQL and the API are, and both are there', async () => {
    expect(cli.out).toContain(`GraphiQL  ${url}/graphql`);
    expect(cli.out).toContain(`POST ${url}/graphql`);
    const page = await fetch(`${url}/graphql`, { headers: { accept: 'text/html' } });
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toMatch('text/html');
    await page.body?.cancel();
    expect((await ask(url, '{ catalogs { id } }')).data['catalogs']).toHaveLength(5);
  });

  test('says how to ask live portals', () => {
    expect(cli.out).toContain('cp hub.example.yaml hub.yaml');
    expect(cli.out).toContain('npm start -- --config hub.yaml');
  });

  test('prints four questions, and each, pasted as printed, has data and no errors', async () => {
    expect(cli.out).toContain('Four questions to paste into GraphiQL');
    const printed = EXAMPLE_QUESTIONS.map(({ title }, index) => {
      const start = cli.out.indexOf(`\n${index + 1}. ${title}\n`);
      expect(start).toBeGreaterThan(0);
      const next = cli.out.indexOf(`\n${index + 2}. `, start);
      return cli.out.slice(
        cli.out.indexOf('\n\n', start),
        next < 0 ? cli.out.indexOf('\n\nThree organisations', start) : next,
      );
    });
    expect(printed).toHaveLength(4);
    for (const query of printed) {
      const { data, errors, status } = await ask(url, query);
      expect(status).toBe(200);
      expect(errors).toBeUndefined();
      expect(JSON.stringify(data)).toMatch(/"(nodes|values|groups)":[[{].{20}/);
    }
  });

  test('answers probes and metrics', async () => {
    expect(await (await fetch(`${url}/healthz`)).text()).toBe('ok\n');
    expect(await (await fetch(`${url}/readyz`)).text()).toBe('ready\n');
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/^# HELP /m);
    expect(metrics).toMatch(/bordeaux/);
  });

  test('stops on SIGTERM with exit code 0', async () => {
    cli.kill('SIGTERM');
    const { code, err } = await cli.exit;
    expect(code).toBe(0);
    expect(err).toContain('Stopping once running requests have ended.');
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });
});

test('a port that is taken by another program is named, and another one beside it', async () => {
  const { port, server } = await takePort();
  try {
    const config = await writeConfig('taken.yaml', configOf('umea'));
    const { code, err } = await runCli(['start', '--config', config, '--port', String(port)]);
    expect(code).toBe(1);
    expect(err).toContain(`Port ${port} is in use. Choose another: npm start -- --config ${config} --port ${port + 1}`);
    expect(err).not.toMatch(/ {4}at |EADDRINUSE/);
  } finally {
    await close(server);
  }
});

describe('civex sources', () => {
  test('lists every catalog of a file with its state, and exits 0 when all are up', async () => {
    const config = await writeConfig('sources.yaml', configOf('umea', 'mexico-city'));
    const { code, out } = await runCli(['sources', '--config', config]);
    expect(out).toMatch(/^CATALOG +TITLE +ADAPTER +STATE +DATASETS +ANSWERED IN/m);
    expect(out).toMatch(/^umea .*opendatasoft +up +25 /m);
    expect(out).toMatch(/^mexico-city .*ckan +up +21 /m);
    expect(code).toBe(0);
  });

  test('exits 1 when a source is down, and says why in a code', async () => {
    const { port, server } = await takePort();
    await close(server);
    const config = await writeConfig('down.yaml', configOf('umea') + entry('gone', 'ckan', `http://127.0.0.1:${port}`));
    const { code, out } = await runCli(['sources', '--config', config]);
    expect(out).toMatch(/^gone .*ckan +down +- .*SOURCE_UNAVAILABLE/m);
    expect(out).toContain('1 of 2 catalogs are up, 25 datasets');
    expect(code).toBe(1);
  });
});

describe('civex query', () => {
  test('prints the answer as JSON and exits 0', async () => {
    const config = await writeConfig('query.yaml', configOf('umea'));
    const { code, out } = await runCli([
      'query',
      'query ($first: Int!) { datasets(first: $first) { nodes { id } } }',
      '--variables',
      '{"first": 2}',
      '--config',
      config,
    ]);
    expect(JSON.parse(out)).toMatchObject({
      data: { datasets: { nodes: [{ id: 'umea:badplatser' }, { id: expect.stringMatching(/^umea:/) }] } },
    });
    expect(code).toBe(0);
  });

  test('reads a file, and asks a hub that runs already', async () => {
    const config = await writeConfig('served.yaml', configOf('umea'));
    const file = await writeConfig('question.graphql', '{ catalogs { id datasetCount } }');
    await using cli = startCli(['serve', '--config', config, '--port', '0']);
    const [, url = ''] = await cli.waitFor('out', /at (http:\S+)\/graphql/);
    const { code, out } = await runCli(['query', file, '--url', url]);
    expect(JSON.parse(out)).toEqual({ data: { catalogs: [{ id: 'umea', datasetCount: 25 }] } });
    expect(code).toBe(0);
  });

  test('exits 1 when the answer has errors, and prints it all the same', async () => {
    const config = await writeConfig('errors.yaml', configOf('umea'));
    const { code, out } = await runCli([
      'query',
      '{ datasets(filter: { themes: ["X"] }) { totalCount } }',
      '--config',
      config,
    ]);
    expect(JSON.parse(out)).toMatchObject({ errors: [{ extensions: { code: 'INPUT_INVALID' } }] });
    expect(code).toBe(1);
  });
});

describe('civex config check', () => {
  test('accepts the example file', async () => {
    const example = path.resolve(import.meta.dirname, '../../hub.example.yaml');
    const { code, out, err } = await runCli(['config', 'check', example]);
    expect(err).toBe('');
    expect(out).toMatch(/is valid: \d+ sources/);
    for (const id of ['bordeaux', 'umea', 'leicester', 'mexico']) expect(out).toContain(id);
    expect(code).toBe(0);
  });

  test('tells all faults at once with file, line and remedy, and no secret', async () => {
    const secret = 'secret-of-the-operator-77';
    const file = await writeConfig(
      'faulty.yaml',
      `server:\n  prot: 4000\nsources:\n  - id: Bad Id\n    adapter: opendatasoft\n    url: https://user:${secret}@portal.example\n  - id: b\n    adapter: opendatasof\n    url: https://b.example\n    apiKeyEnv: ${secret}\n  - id: c\n    adapter: ckan\n    url: https://c.example\n    limits: { totalTimeoutMs: 5 }\n`,
    );
    const { code, out, err } = await runCli(['config', 'check', file]);
    expect(code).toBe(3);
    expect(out).toBe('');
    for (const line of [2, 4, 6, 8, 10, 14])
      expect(err, `line ${line}`).toMatch(new RegExp(`faulty\\.yaml:${line}\\b`));
    expect(err).toMatch(/port/);
    expect(err).toMatch(/"opendatasoft"/);
    expect(err).not.toContain(secret);
  });
});

describe.concurrent('civex', () => {
  test.each<[string, readonly string[], number]>([
    ['a file that is not there', ['config', 'check', 'no-such-file.yaml'], 3],
    ['an unknown option', ['start', '--prot', '1'], 2],
    ['--help', ['--help'], 0],
    ['--version', ['--version'], 0],
  ])('%s has its exit code', async (_, argv, wanted) => {
    const { code, out, err } = await runCli(argv, { cwd: folder });
    expect(code).toBe(wanted);
    expect((wanted === 0 ? out : err).length).toBeGreaterThan(4);
    expect(out + err).not.toMatch(/ {4}at /);
  });
});

describe('a stop', () => {
  test('lets the request under way be answered whole, and exits 0', async () => {
    const config = await writeConfig('stop.yaml', configOf('leicester'));
    await using cli = startCli(['serve', '--config', config, '--port', '0']);
    const [, url = ''] = await cli.waitFor('out', /at (http:\S+)\/graphql/);
    const portal = sandbox.portal('leicester');
    portal.setFault({ slowMs: 1_000 });
    try {
      portal.clearRequests();
      const asked = ask(url, '{ datasets(first: 30) { totalCount nodes { id } sources { status } } }');
      await expect.poll(() => portal.requests.length, { timeout: 10_000 }).toBe(1);
      cli.kill('SIGTERM');
      await cli.waitFor('err', /Stopping once running requests have ended/);
      await expect(fetch(`${url}/readyz`)).rejects.toThrow();
      const { status, data, errors } = await asked;
      expect(errors).toBeUndefined();
      expect(status).toBe(200);
      expect(data['datasets']).toMatchObject({ totalCount: 24, sources: [{ status: 'OK' }] });
      expect(data['datasets'].nodes).toHaveLength(24);
      expect((await cli.exit).code).toBe(0);
    } finally {
      portal.setFault(null);
    }
  });

  test('asked for twice ends the process at once', async () => {
    const config = await writeConfig('twice.yaml', configOf('leicester'));
    await using cli = startCli(['serve', '--config', config, '--port', '0']);
    const [, url = ''] = await cli.waitFor('out', /at (http:\S+)\/graphql/);
    const portal = sandbox.portal('leicester');
    portal.setFault('hang');
    try {
      portal.clearRequests();
      const asked = ask(url, '{ datasets(first: 30) { totalCount } }');
      asked.catch(() => {});
      await expect.poll(() => portal.requests.length, { timeout: 10_000 }).toBe(1);
      cli.kill('SIGINT');
      await cli.waitFor('err', /Again stops at once/);
      cli.kill('SIGINT');
      expect((await cli.exit).code).toBe(130);
      await expect(asked).rejects.toThrow();
    } finally {
      portal.setFault(null);
    }
  });
});
