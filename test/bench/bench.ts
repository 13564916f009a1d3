/*
 * `npm run bench`: the hub beside its floor, in one run. Floor: bare node:http, undici fan-out, JSON.stringify. Each
 * server runs in a process of its own, the portals in another; the load comes from this one, in alternating rounds.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { adapterOptionSchemas, createGateway, startHub } from '@civex/gateway';
import { defaultHubConfig } from '@civex/config';
import { createSystemEnvironment } from '@civex/environment';
import { createBenchPortals } from '@civex/sandbox';
import { Agent, Pool, request } from 'undici';
import { startServer } from '../../gateway/src/server.ts';

const SOURCES = 4;
const CONNECTIONS = Number(process.env['BENCH_CONNECTIONS'] ?? 16);
const ROUND_MS = Number(process.env['BENCH_ROUND_MS'] ?? 4_000);
/** Which of the first three servers, between semicolons; default: all. */
const ONLY = process.env['BENCH_ONLY']?.split(';');
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);

const QUESTIONS = ['search', 'by id', 'records'] as const;
type Question = (typeof QUESTIONS)[number];

const FIELDS = `id title description keywords themes issued modified accrualPeriodicity languages accessRights identifier landingPage
  publisher { name homepage } distributions { id title format mediaType accessURL downloadURL byteSize modified }`;
const SEARCH = `query ($search: String!) { datasets(search: $search, first: 40) { totalCount nodes { ${FIELDS} } sources { catalog status } } }`;
const BY_ID = `query ($ids: [ID!]!) { datasetsById(ids: $ids) { ${FIELDS} } }`;
const RECORDS = `query (${Array.from({ length: SOURCES }, (_, index) => `$d${index}: ID!`).join(', ')}, $first: Int!) { ${Array.from(
  { length: SOURCES },
  (_, index) =>
    `a${index}: dataset(id: $d${index}) { records(first: $first) { totalCount nodes { id values } source { status } } }`,
).join(' ')} }`;

/** Spellings that each match the same ten datasets of a portal, so that no two questions under way are one request. */
const word = (n: number): string =>
  Array.from('stations', (letter, index) => ((n >> index) & 1 && index < 6 ? letter.toUpperCase() : letter)).join('');
const idsOf = (n: number): readonly string[] =>
  Array.from({ length: 20 }, (_, index) => {
    const dataset = ((n + index) * 7) % 40;
    return `bench-${(index % SOURCES) + 1}:${TOPIC[dataset % 5]}-${dataset}`;
  });
/** One dataset of each portal, and so many of its records that no two questions under way are one request. */
const recordsOf = (n: number): Readonly<Record<string, string | number>> => ({
  first: 41 + (n % 10),
  ...Object.fromEntries(
    idsOf(n * 3)
      .slice(0, SOURCES)
      .map((id, index) => [`d${index}`, id]),
  ),
});
const TOPIC = ['bench-velo', 'bench-traffic', 'bench-energy', 'bench-trees', 'bench-permits'];

// ---------------------------------------------------------------- roles

async function servePortals(): Promise<void> {
  const { portals } = await createBenchPortals(SOURCES, { datasets: 50 });
  answerStats(
    () => portals.reduce((sum, portal) => sum + portal.requests.length, 0),
    () => {
      for (const portal of portals) portal.clearRequests();
    },
  );
  process.send?.({ ready: portals.map(({ baseUrl }) => baseUrl) });
}

async function serveFloor(urls: readonly string[]): Promise<void> {
  const pools = urls.map((url) => new Pool(url, { connections: 64 }));
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { variables } = JSON.parse(Buffer.concat(chunks).toString()) as {
        variables: { search?: string; ids?: string[]; first?: number } & Record<string, string>;
      };
      const { first } = variables;
      const send = (data: object): void => {
        const text = JSON.stringify({ data });
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
        response.end(text);
      };
      if (first !== undefined) {
        const ask = async (pool: Pool, index: number) => {
          const dataset = (variables[`d${index}`] ?? '').split(':')[1] ?? '';
          const { body } = await pool.request({
            method: 'GET',
            path: `/api/explore/v2.1/catalog/datasets/${dataset}/records?limit=${first}&offset=0`,
          });
          const page = (await body.json()) as { total_count: number; results: { id: number }[] };
          const nodes = page.results.map((values) => ({ id: String(values.id), values }));
          return [`a${index}`, { records: { totalCount: page.total_count, nodes, source: { status: 'OK' } } }] as const;
        };
        Promise.all(pools.map(ask)).then(
          (parts) => send(Object.fromEntries(parts)),
          () => response.destroy(),
        );
        return;
      }
      const paths = pools.map((_, index) => {
        if (variables.search !== undefined)
          return `/api/explore/v2.1/catalog/datasets?order_by=dataset_id&limit=100&offset=0&where=${encodeURIComponent(`search("${variables.search}")`)}`;
        const own = (variables.ids ?? []).filter((id) => id.startsWith(`bench-${index + 1}:`));
        const list = own.map((id) => `"${id.slice(id.indexOf(':') + 1)}"`).join(',');
        return `/api/explore/v2.1/catalog/datasets?limit=${own.length}&where=${encodeURIComponent(`dataset_id in (${list})`)}`;
      });
      Promise.all(
        pools.map(async (pool, index) => {
          const { body } = await pool.request({ method: 'GET', path: paths[index] ?? '/' });
          const page = (await body.json()) as {
            results: { dataset_id: string; metas: { default: Record<string, unknown> } }[];
          };
          return page.results.map(({ dataset_id, metas: { default: meta } }) => ({
            id: `bench-${index + 1}:${dataset_id}`,
            title: meta['title'],
            description: meta['description'],
            keywords: meta['keyword'],
            themes: meta['theme'],
            issued: null,
            modified: meta['modified'],
            accrualPeriodicity: meta['update_frequency'],
            languages: [meta['language']],
            accessRights: 'PUBLIC',
            identifier: null,
            landingPage: `${urls[index]}/explore/dataset/${dataset_id}/`,
            publisher: { name: meta['publisher'], homepage: null },
            distributions: ['csv', 'json', 'geojson', 'xlsx', 'parquet'].map((format) => ({
              id: format,
              title: null,
              format: format.toUpperCase(),
              mediaType: null,
              accessURL: `${urls[index]}/explore/dataset/${dataset_id}/`,
              downloadURL: `${urls[index]}/api/explore/v2.1/catalog/datasets/${dataset_id}/exports/${format}`,
              byteSize: null,
              modified: null,
            })),
          }));
        }),
      ).then(
        (parts) => {
          const nodes = parts.flat();
          send(
            variables.search === undefined
              ? { datasetsById: nodes }
              : { datasets: { totalCount: nodes.length, nodes } },
          );
        },
        () => response.destroy(),
      );
    });
  });
  server.listen(0, '127.0.0.1', () => {
    answerStats(
      () => 0,
      () => {},
    );
    process.send?.({ ready: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] });
  });
}

function benchConfig(
  urls: readonly string[],
  count = urls.length,
  maxBytes = 32_000_000,
  rest: Parameters<typeof defaultHubConfig>[1] = {},
) {
  return defaultHubConfig(
    Array.from({ length: count }, (_, index) => ({
      id: `bench-${index + 1}`,
      adapter: 'opendatasoft',
      url: urls[index % urls.length] ?? '',
      privateNetwork: ['127.0.0.1/32'],
      limits: { maxConcurrent: 64, maxQueued: 1_000 },
      // Every question goes to the portals, as at the floor.
      cache: { catalogSeconds: 0, recordsSeconds: 0, staleIfErrorSeconds: 0, maxBytes },
    })),
    rest,
  );
}

const environment = {
  ...createSystemEnvironment(),
  metrics: { upstream: () => {}, circuit: () => {} },
};

async function serveHub(urls: readonly string[], maxBytes: number): Promise<void> {
  const config = benchConfig(urls, urls.length, maxBytes);
  const gateway = createGateway({ config, environment, reportError: () => {}, onCapabilityLost: () => {} });
  const server = await startServer({
    gateway,
    host: '127.0.0.1',
    port: 0,
    graphiql: false,
    bodyBytes: config.limits.bodyBytes,
    concurrentRequests: 1_000,
    concurrentExports: 8,
    drainSeconds: 1,
    renderMetrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
    onRequest: () => {},
    onExport: () => {},
    environment,
  });
  answerStats(
    () => 0,
    () => {},
  );
  process.send?.({ ready: [server.url] });
}

/**
 * Two hubs as they are installed: one of open data alone, one with agreements about data that is not. In one process, as
 * two of the same program differ by more than what is looked for.
 */
async function serveWholeHubs(urls: readonly string[]): Promise<void> {
  const folders: string[] = [];
  const serve = async (rest: Parameters<typeof defaultHubConfig>[1]) => {
    const dataFolder = await mkdtemp(path.join(os.tmpdir(), 'civex-bench-'));
    folders.push(dataFolder);
    // The embedded database runs as another user where this one is root.
    await chmod(dataFolder, 0o755);
    const server = { dataFolder, capabilityProbes: false };
    const config = benchConfig(urls, urls.length, 32_000_000, { ...rest, adapters: adapterOptionSchemas, server });
    return startHub({ config, log: () => {}, host: '127.0.0.1', port: 0 });
  };
  const hubs = [
    await serve({}),
    await serve({
      organisations: [{ id: 'city' }, { id: 'region' }],
      identity: { tokenService: true },
      sharing: { restricted: [{ dataset: 'bench-1:bench-permits-49', provider: 'city' }] },
    }),
  ];
  atEnd = async () => {
    for (const hub of hubs) await hub.close();
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  };
  answerStats(
    () => 0,
    () => {},
  );
  process.send?.({ ready: hubs.map(({ url }) => url) });
}

/** Start of a hub of so many sources: milliseconds and megabytes that they add, told by this process about itself. */
async function measureStart(urls: readonly string[], count: number): Promise<void> {
  const open = (config: ReturnType<typeof benchConfig>) =>
    createGateway({ config, environment, reportError: () => {}, onCapabilityLost: () => {} });
  await open(benchConfig(urls, 1)).execute({ query: '{ __typename }' }, {});
  const config = benchConfig(urls, count);
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const startedAt = performance.now();
  const gateway = open(config);
  const result = await gateway.execute({ query: '{ dataset(id: "bench-1:nope") { id } }' }, {});
  const ms = performance.now() - startedAt;
  globalThis.gc?.();
  process.send?.({
    ready: [JSON.stringify({ ms, mb: (process.memoryUsage().rss - before) / 1e6, ok: result.errors === undefined })],
  });
}

/** What a process of a role does when the bench has ended. */
let atEnd = (): Promise<void> => Promise.resolve();

function answerStats(requests: () => number, clear: () => void): void {
  process.on('message', (message: string) => {
    if (message === 'clear') clear();
    if (message === 'stats') {
      const { user, system } = process.cpuUsage();
      process.send?.({ cpuMs: (user + system) / 1_000, rssMb: process.memoryUsage().rss / 1e6, requests: requests() });
    }
  });
}

// ---------------------------------------------------------------- the load

interface Stats {
  readonly cpuMs: number;
  readonly rssMb: number;
  readonly requests: number;
}

const children: ChildProcess[] = [];

function start(
  role: string,
  ...args: readonly string[]
): Promise<{ readonly child: ChildProcess; readonly ready: readonly string[] }> {
  const child = fork(import.meta.filename, [role, ...args], {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.once('message', (message: { ready: readonly string[] }) => resolve({ child, ready: message.ready }));
    child.once('exit', (code) => reject(new Error(`${role} ended with ${code}`)));
  });
}

const statsOf = (child: ChildProcess): Promise<Stats> =>
  new Promise((resolve) => {
    child.once('message', (message: Stats) => resolve(message));
    child.send('stats');
  });

const agent = new Agent({ connections: CONNECTIONS });

interface Round {
  readonly requestsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly count: number;
}

let serial = 0;

const ASKED: Readonly<Record<Question, (n: number) => object>> = {
  search: (n) => ({ query: SEARCH, variables: { search: word(n) } }),
  'by id': (n) => ({ query: BY_ID, variables: { ids: idsOf(n) } }),
  records: (n) => ({ query: RECORDS, variables: recordsOf(n) }),
};

async function load(url: string, question: Question, ms: number): Promise<Round> {
  const latencies: number[] = [];
  const until = performance.now() + ms;
  const startedAt = performance.now();
  const ask = async (): Promise<void> => {
    while (performance.now() < until) {
      const n = serial++;
      const body = JSON.stringify(ASKED[question](n));
      const at = performance.now();
      const response = await request(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        dispatcher: agent,
      });
      const text = await response.body.text();
      if (response.statusCode !== 200 || text.includes('"errors"')) throw new Error(`${url}: ${text.slice(0, 500)}`);
      latencies.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, ask));
  const elapsed = performance.now() - startedAt;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return {
    requestsPerSecond: (latencies.length / elapsed) * 1_000,
    p50: at(0.5),
    p99: at(0.99),
    count: latencies.length,
  };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const percent = (share: number): string => `${share < 0 ? '' : '+'}${(share * 100).toFixed(1)} %`;

async function main(): Promise<void> {
  const portals = await start('portals');
  const roles: Readonly<Record<string, readonly string[]>> = {
    floor: ['floor'],
    civex: ['civex', '32000000'],
    // Nothing is remembered of earlier answers, as if portals never gave the same bytes twice.
    'civex, forgetful': ['civex', '0'],
  };
  const servers: Record<string, Awaited<ReturnType<typeof start>>> = {};
  for (const [name, [role = '', ...args]] of Object.entries(roles))
    if (ONLY?.includes(name) ?? true) servers[name] = await start(role, ...args, ...portals.ready);
  const { child, ready: installed } = await start('hubs', ...portals.ready);
  for (const [index, name] of ['civex, installed', 'civex, sharing'].entries())
    servers[name] = { child, ready: installed.slice(index, index + 1) };
  const rows: string[] = [];
  const added: string[] = [];
  const shares: { readonly question: string; readonly cpu: number; readonly time: number }[] = [];
  for (const question of QUESTIONS) {
    const results: Record<string, { rounds: Round[]; cpu: number[]; upstream: number[]; rss: number }> = {};
    for (const [name, { ready }] of Object.entries(servers)) {
      await load(ready[0] ?? '', question, ROUND_MS / 2);
      results[name] = { rounds: [], cpu: [], upstream: [], rss: 0 };
    }
    for (let round = 0; round < ROUNDS; round++)
      for (const [name, { child, ready }] of Object.entries(servers)) {
        portals.child.send('clear');
        const before = await statsOf(child);
        const measured = await load(ready[0] ?? '', question, ROUND_MS);
        const after = await statsOf(child);
        const upstream = await statsOf(portals.child);
        const result = results[name];
        result?.rounds.push(measured);
        result?.cpu.push((after.cpuMs - before.cpuMs) / measured.count);
        result?.upstream.push(upstream.requests / measured.count);
        if (result !== undefined) result.rss = Math.max(result.rss, after.rssMb);
      }
    // Round beside round, since a machine is faster at one time than at another.
    const [plain, sharing] = [results['civex, installed'], results['civex, sharing']];
    const cpuAdded = (sharing?.cpu ?? []).map((cpu, round) => cpu / (plain?.cpu[round] ?? Number.NaN) - 1);
    const timeAdded = (sharing?.rounds ?? []).map(({ requestsPerSecond }, round) => (plain?.rounds[round]?.requestsPerSecond ?? Number.NaN) / requestsPerSecond - 1); // prettier-ignore
    shares.push({ question, cpu: median(cpuAdded), time: median(timeAdded) });
    added.push(
      `${question.padEnd(9)}${percent(median(cpuAdded))} CPU, ${percent(median(timeAdded))} time a request (rounds from ${percent(Math.min(...timeAdded))} to ${percent(Math.max(...timeAdded))})`,
    );
    const floor = median(results['floor']?.rounds.map(({ requestsPerSecond }) => requestsPerSecond) ?? []);
    for (const [name, { rounds, cpu, upstream, rss }] of Object.entries(results)) {
      const rate = median(rounds.map(({ requestsPerSecond }) => requestsPerSecond));
      rows.push(
        [
          question.padEnd(7),
          name.padEnd(16),
          rate.toFixed(0).padStart(8),
          (rate / floor).toFixed(2).padStart(6),
          median(rounds.map(({ p50 }) => p50))
            .toFixed(1)
            .padStart(8),
          median(rounds.map(({ p99 }) => p99))
            .toFixed(1)
            .padStart(8),
          median(cpu).toFixed(2).padStart(8),
          median(upstream).toFixed(2).padStart(9),
          rss.toFixed(0).padStart(7),
        ].join('  '),
      );
    }
  }
  console.log(`\n${CONNECTIONS} connections, ${ROUNDS} alternating rounds of ${ROUND_MS} ms, medians\n`);
  console.log('question  server               req/s   share   p50 ms   p99 ms   CPU ms   upstream  RSS MB');
  for (const row of rows) console.log(row);
  console.log('\nWhat agreements add to open data, "sharing" beside "installed", medians of the rounds:');
  for (const line of added) console.log(line);
  const figures = process.env['BENCH_FIGURES'];
  if (figures !== undefined) await writeFile(figures, JSON.stringify(shares));
  const { ready } = await start('start', '2000', ...portals.ready);
  const { ms, mb, ok } = JSON.parse(ready[0] ?? '{}') as { ms: number; mb: number; ok: boolean };
  console.log(
    `\n2,000 sources: ${ms.toFixed(0)} ms to the first answer, ${mb.toFixed(0)} MB more${ok ? '' : ', WRONG ANSWER'} (bounds: 1,000 ms, 100 MB)`,
  );
  await agent.close();
  for (const child of children) child.disconnect();
}

const [role, ...rest] = process.argv.slice(2);
process.once('disconnect', () => void atEnd().finally(() => process.exit()));
switch (role) {
  case undefined:
    await main();
    break;
  case 'portals':
    await servePortals();
    break;
  case 'floor':
    await serveFloor(rest);
    break;
  case 'civex':
    await serveHub(rest.slice(1), Number(rest[0]));
    break;
  case 'hubs':
    await serveWholeHubs(rest);
    break;
  case 'start':
    await measureStart(rest.slice(1), Number(rest[0]));
    break;
  default:
    throw new Error(`no role ${role}`);
}
