import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { SANDBOX_API_KEYS, startSandbox } from '@civex/sandbox';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli, startCli } from '../test-support/cli-process.ts';
import type { CliProcess, Exit } from '../test-support/cli-process.ts';
import { ask } from '../test-support/test-hub.ts';
import type { Loose } from '../test-support/test-hub.ts';

const ENERGY = 'leicester:energy-meter-readings-council-buildings';
const INCIDENTS = 'mexico-city:victimas-en-carpetas-de-investigacion-detalle';

/** Words of a printed command, as a shell takes them, after `civex --`. */
const wordsOf = (command: string): readonly string[] =>
  [...command.slice(command.indexOf('civex -- ') + 9).matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, plain]) => quoted ?? plain ?? '',
  );

type Position = readonly [number, number];

/** On a sphere; places are some hundred metres apart. */
function metresBetween([lon, lat]: Position, [otherLon, otherLat]: Position): number {
  const radians = Math.PI / 180;
  const x = (otherLon - lon) * radians * Math.cos(((lat + otherLat) / 2) * radians);
  return Math.hypot(x, (otherLat - lat) * radians) * 6_371_000;
}

/** Where the portal itself says the meters are, under its key. */
async function readRawPlaces(readings: readonly number[]): Promise<ReadonlyMap<number, Position>> {
  const sandbox = await startSandbox();
  try {
    const [, id = ''] = ENERGY.split(':');
    const where = encodeURIComponent(`reading_id in (${readings.join(',')})`);
    const answer = await fetch(
      `${sandbox.portal('leicester').baseUrl}/api/explore/v2.1/catalog/datasets/${id}/records?where=${where}`,
      { headers: { authorization: `Apikey ${SANDBOX_API_KEYS.leicester}` } },
    );
    const { results } = (await answer.json()) as Loose;
    return new Map(
      results.map((record: Loose) => [record.reading_id, [record.geo_point_2d.lon, record.geo_point_2d.lat]]),
    );
  } finally {
    await sandbox.close();
  }
}

describe('the agreements of the sandbox', () => {
  let folder: string;
  let cli: CliProcess;
  let url: string;
  let commands: readonly string[];
  const run = (words: readonly string[]): Promise<Exit> =>
    runCli(words, { env: { CIVEX_DATA: folder, CIVEX_PORT: new URL(url).port } });

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'civex-story-'));
    await chmod(folder, 0o711);
    cli = startCli(['start', '--port', '0'], { env: { CIVEX_DATA: folder } });
    [, url = ''] = await cli.waitFor('out', /Civex runs at (http:\S+)\. /);
    await cli.waitFor('out', /Ctrl\+C stops the hub/);
    commands = [...cli.out.matchAll(/^ {2}(npm run --silent civex -- .*)$/gm)].map(([, command = '']) => command);
  });
  afterAll(async () => {
    await cli[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test('begin with a command that prints a partner’s token', async () => {
    expect(commands).toHaveLength(3);
    const { code, out, err } = await run(wordsOf(commands[0] ?? ''));
    expect([code, err]).toEqual([0, '']);
    const { access_token: token, token_type: type } = JSON.parse(out) as Loose;
    expect(type).toBe('DPoP');
    expect(decodeJwt(token)).toMatchObject({ iss: `${url}/oauth`, aud: `${url}/graphql`, org: 'emr-region' });

    await writeFile(path.join(folder, 'token.json'), out);
    const why = await run(['why', `@${path.join(folder, 'token.json')}`, ENERGY]);
    expect([why.code, why.err]).toEqual([0, '']);
    expect(why.out).toMatch(/^organisation +emr-region$[^]*^QUERY +yes: agreement sandbox-energy/m);
  });

  test('show a partner the rows, digests and cells it may see, and what the portal was asked', async ({ task }) => {
    const { code, out, err } = await run(wordsOf(commands[1] ?? ''));
    expect([code, err]).toEqual([0, '']);
    const { totalCount, nodes, plan } = (JSON.parse(out) as Loose).data.dataset.records;
    expect(plan.pushed).toEqual({ op: '=', args: [{ property: 'fuel' }, 'Electricity'] });
    // 34 of 50 meters count electricity, twelve months each.
    expect(totalCount).toBe(408);
    expect(nodes).toHaveLength(3);
    for (const { values, geometry } of nodes) {
      expect(values).toMatchObject({ fuel: 'Electricity', postcode: expect.stringMatching(/^LE\d$/) });
      expect(values.meter_number).toMatch(/^[\w-]{22}$/);
      expect(values).not.toHaveProperty('occupier');
      expect(geometry).toEqual(values.geo_point_2d);
    }
    const raw = await readRawPlaces(nodes.map(({ values }: Loose) => values.reading_id));
    const apart = nodes.map(({ values, geometry }: Loose) =>
      metresBetween(geometry.coordinates, raw.get(values.reading_id) ?? [0, 0]),
    );
    const isMasked = apart.every((metres: number) => metres > 0 && metres < 500);
    expect(isMasked, apart.join(', ')).toBe(true);
    task.meta.figures = [
      {
        point: 17,
        what: 'places shown by the printed question, from the true ones',
        value: apart.map((metres: number) => `${Math.round(metres)} m`).join(', '),
        target: 'above 0, below 500 m',
        isMet: isMasked,
      },
    ];
  });

  test('ask for a purpose and a case, and push a rule the portal decides exactly', async () => {
    const words = wordsOf(commands[2] ?? '');
    const { code, out, err } = await run(words);
    expect([code, err]).toEqual([0, '']);
    const { groups, plan } = (JSON.parse(out) as Loose).data.dataset.aggregate;
    expect(plan).toEqual({
      pushed: { op: '=', args: [{ property: 'alcaldia_hecho' }, 'CUAUHTÉMOC'] },
      residual: null,
    });
    expect(groups.reduce((sum: number, { measures }: Loose) => sum + measures.incidents, 0)).toBe(127);
    const without = words.filter((word, index) => word !== '--case' && words[index - 1] !== '--case');
    const refused = await run(without);
    expect(refused.code).toBe(1);
    expect(refused.out).toContain('Civex-Case-Reference');
  });

  test('are unknown to everybody else', async () => {
    const { data } = await ask(
      url,
      `{ a: dataset(id: "${INCIDENTS}") { id } b: dataset(id: "mexico-city:none") { id } }`,
    );
    expect(data).toEqual({ a: null, b: null });
    const { errors } = await ask(url, `{ dataset(id: "${ENERGY}") { records { totalCount } } }`);
    expect(errors?.[0]?.extensions?.['code']).toBe('AUTH_REQUIRED');
  });

  test('a client that is added while the hub runs gets a token at once, and none once it is removed', async () => {
    const file = path.join(folder, 'more.json');
    const added = await run(['client', 'add', 'more', '--organisation', 'emr-region', '--out', file]);
    expect([added.code, JSON.parse(added.out)]).toMatchObject([0, { client_id: 'more', resource: `${url}/graphql` }]);
    const question = '{ viewer { organisation } }';
    const asked = await run(['query', question, '--credentials', file]);
    expect(asked.err + asked.out).toContain('emr-region');
    expect((await run(['client', 'list'])).out).toMatch(/^more +emr-region /m);
    expect((await run(['client', 'remove', 'more'])).code).toBe(0);
    const refused = await run(['query', question, '--credentials', file]);
    expect([refused.code, refused.err.trim()]).toEqual([
      1,
      'AUTH_REQUIRED: The token service refuses: invalid_client.',
    ]);
    const unknown = await run([
      'client',
      'add',
      'x',
      '--organisation',
      'emr-regio',
      '--out',
      path.join(folder, 'x.json'),
    ]);
    expect([unknown.code, unknown.err]).toEqual([
      1,
      expect.stringContaining('It has: leicester-city-council, fgj-cdmx, emr-region.'),
    ]);
  });

  test('are backed up while the hub runs, and restored into another folder, where the same keys are good', async () => {
    const file = path.join(folder, 'backup.gz');
    expect((await run(['backup', file])).code).toBe(0);
    const other = path.join(folder, 'other');
    const restored = await runCli(['restore', file], { env: { CIVEX_DATA: other } });
    expect([restored.code, restored.err]).toEqual([0, '']);
    const again = await runCli(['restore', file], { env: { CIVEX_DATA: other } });
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('The database is not empty')]);
    const list = await runCli(['client', 'list'], { env: { CIVEX_DATA: other } });
    expect(list.out).toMatch(/^region-dashboard +emr-region /m);
    const here = await run(['restore', file]);
    expect([here.code, here.err]).toEqual([1, expect.stringContaining('in use by another hub')]);
  });
});
