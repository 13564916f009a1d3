/*
 * `npm run bench:export`: five million rows from a portal through the hub into a socket, against the same bytes piped
 * from the portal's socket into the caller's by undici alone, in the same run. Memory of the hub is watched meanwhile.
 *
 * Each part is a process of its own: portal, floor, hub, and the caller here, who only counts.
 */
import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool, request } from 'undici';

const ROWS = Number(process.env['BENCH_ROWS'] ?? 5_000_000);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const FORMATS = (process.env['BENCH_FORMATS'] ?? 'ndjson,csv,geojson,parquet').split(',');
/**
 * `ready` (default): the portal only copies bytes it has made before, so that nothing but the hub is measured. `evaluating`:
 * the sandbox portal, which answers from its rows as a portal does from its index; both are then as slow as it is.
 */
const IS_EVALUATING = process.env['BENCH_PORTAL'] === 'evaluating';
/** Rows of one piece of the portal's answer. */
const BLOCK = 1_000;
const FIRST_ID = 1_000_000_000;

// ---------------------------------------------------------------- the portal

const FIELDS = [
  ['gid', 'int'],
  ['payment_date', 'date'],
  ['department', 'text'],
  ['beneficiary', 'text'],
  ['purpose', 'text'],
  ['amount', 'double'],
  ['vat', 'double'],
  ['vat_code', 'text'],
  ['paid', 'boolean'],
  ['updated', 'datetime'],
] as const;

const rowOf = (index: number): Readonly<Record<string, unknown>> => ({
  gid: FIRST_ID + index,
  payment_date: `2025-${String((index % 12) + 1).padStart(2, '0')}-${String((index % 28) + 1).padStart(2, '0')}`,
  department: ['Housing', 'Adult Social Care', 'Éducation & enfance', 'Highways'][index % 4],
  beneficiary: `Supplier ${index % 997} "Ltd"`,
  purpose: 'Maintenance of public buildings, second quarter',
  amount: ((index * 7_919) % 9_000_000) / 100,
  vat: index % 7 === 0 ? null : ((index * 7_919) % 1_800_000) / 100,
  vat_code: 'S',
  paid: index % 3 === 0,
  updated: '2025-11-23T08:15:00+00:00',
});

const DATASET = {
  dataset_id: 'payments',
  dataset_uid: 'da_bench',
  has_records: true,
  data_visible: true,
  features: ['analyze'],
  attachments: [],
  fields: FIELDS.map(([name, type]) => ({
    name,
    label: name,
    type,
    description: null,
    annotations: name === 'gid' ? { id: true } : {},
  })),
  metas: {
    default: { title: 'Payments', records_count: ROWS, modified: '2025-11-23T00:00:00+00:00', license: 'ODbL' },
  },
};

async function serveSandbox(): Promise<void> {
  const { createOpendatasoftPortal } = await import('@civex/sandbox');
  const portal = await createOpendatasoftPortal({
    id: 'bench',
    title: 'Bench',
    language: 'en',
    datasets: [
      {
        id: 'payments',
        title: 'Payments',
        fields: FIELDS.map(([name, type]) => ({ name, type, annotations: name === 'gid' ? { id: true } : {} })),
        records: () => Array.from({ length: ROWS }, (_, index) => rowOf(index)),
      },
    ],
  });
  process.send?.({ url: portal.baseUrl });
}

/** Rows as a portal sends them. Each block is the first one with other ids, so that the portal is never what is measured. */
function servePortal(): void {
  const template = Buffer.from(
    Array.from({ length: BLOCK }, (_, index) => `${JSON.stringify(rowOf(index))}\n`).join(''),
  );
  const places: number[] = [];
  for (let at = template.indexOf('"gid":'); at >= 0; at = template.indexOf('"gid":', at + 1)) places.push(at + 6);
  const server = createServer((incoming, response) => {
    const url = new URL(incoming.url ?? '/', 'http://portal');
    const json = (value: unknown): void => {
      response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' });
      response.end(JSON.stringify(value));
    };
    if (url.pathname.endsWith('/catalog/datasets')) return json({ total_count: 1, results: [DATASET] });
    if (url.pathname.endsWith('/records')) {
      const limit = Math.min(100, ROWS, Number(url.searchParams.get('limit') ?? 10));
      return json({ total_count: ROWS, results: Array.from({ length: limit }, (_, index) => rowOf(index)) });
    }
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    let sent = 0;
    const pump = (): void => {
      while (sent < ROWS) {
        const count = Math.min(BLOCK, ROWS - sent);
        const block = Buffer.from(template);
        // Ids of ten digits: only the last seven change.
        for (let index = 0; index < count; index++)
          block.write(String(FIRST_ID + sent + index), places[index] ?? 0, 'latin1');
        sent += count;
        const end = count === BLOCK ? block.length : (places[count] ?? 0) - 7;
        if (!response.write(end === block.length ? block : block.subarray(0, end))) {
          response.once('drain', pump);
          return;
        }
      }
      response.end();
    };
    pump();
    return undefined;
  });
  server.listen(0, '127.0.0.1', () =>
    process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }),
  );
}

// ---------------------------------------------------------------- floor and hub

/** undici's body piped into the caller's socket: nothing is looked at. */
function serveFloor(portal: string): void {
  const pool = new Pool(portal);
  const server = createServer((_, response) => {
    pool
      .request({ method: 'GET', path: '/api/explore/v2.1/catalog/datasets/payments/exports/jsonl' })
      .then(({ body }) => {
        response.writeHead(200, { 'content-type': 'application/x-ndjson' });
        body.pipe(response);
      })
      .catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1', () =>
    process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }),
  );
}

async function serveHub(portal: string): Promise<void> {
  // Portal and floor are to be small.
  const [{ defaultHubConfig }, { startHub }] = await Promise.all([import('@civex/config'), import('@civex/gateway')]);
  const config = defaultHubConfig(
    [
      {
        id: 'bench',
        adapter: 'opendatasoft',
        url: portal,
        privateNetwork: ['127.0.0.1/32'],
        limits: { maxStreamBytes: 100_000_000_000 },
      },
    ],
    { server: { port: 0 } },
  );
  const hub = await startHub({ config, log: () => {} });
  process.send?.({ url: hub.url });
}

// ---------------------------------------------------------------- the caller

interface Part {
  readonly url: string;
  /** Resident megabytes, and CPU seconds used so far. */
  usage(): Promise<{ readonly rssMb: number; readonly cpuS: number }>;
  stop(): void;
}

function startPart(role: string, portal = ''): Promise<Part> {
  const child = fork(import.meta.filename, [role, portal], { execArgv: ['--expose-gc'] });
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${role} ended with ${code}`)));
    child.on('message', (message: { url?: string }) => {
      if (message.url === undefined) return;
      resolve({
        url: message.url,
        usage: () =>
          new Promise((done) => {
            const onUsage = (usage: { rssMb?: number; cpuS?: number }): void => {
              if (usage.rssMb === undefined || usage.cpuS === undefined) return;
              child.off('message', onUsage);
              done({ rssMb: usage.rssMb, cpuS: usage.cpuS });
            };
            child.on('message', onUsage);
            child.send('usage');
          }),
        stop: () => child.kill(),
      });
    });
  });
}

interface Run {
  readonly seconds: number;
  readonly bytes: number;
  readonly status: string | undefined;
  readonly cpuS: number;
  /**
   * What the process grew by with the rows: from its highest point while the first third of the file left to its highest
   * point after it. Highest points, because a collector lets memory rise and fall in between.
   */
  readonly growthMb: number;
}

async function download(url: string, part: Part): Promise<Run> {
  const before = await part.usage();
  const startedAt = performance.now();
  const { body, trailers, statusCode } = await request(url, { bodyTimeout: 0, headersTimeout: 0 });
  if (statusCode !== 200) throw new Error(`${url}: ${statusCode} ${await body.text()}`);
  let bytes = 0;
  const samples: { readonly bytes: number; readonly rssMb: number }[] = [];
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const { rssMb } = await part.usage();
      samples.push({ bytes, rssMb });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  for await (const chunk of body) bytes += (chunk as Buffer).length;
  isOver = true;
  const seconds = (performance.now() - startedAt) / 1_000;
  await watching;
  const after = await part.usage();
  const highest = (isIn: (share: number) => boolean): number =>
    Math.max(0, ...samples.filter((sample) => isIn(sample.bytes / bytes)).map(({ rssMb }) => rssMb));
  return {
    seconds,
    bytes,
    status: trailers['civex-export-status'],
    cpuS: after.cpuS - before.cpuS,
    growthMb: Math.max(0, highest((share) => share > 1 / 3) - highest((share) => share <= 1 / 3)),
  };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

async function main(): Promise<void> {
  const portal = await startPart('portal');
  const floor = await startPart('floor', portal.url);
  const hub = await startPart('hub', portal.url);
  const floors: Run[] = [];
  const runs = new Map<string, Run[]>(FORMATS.map((format) => [format, []]));
  for (let round = 0; round < ROUNDS; round++) {
    floors.push(await download(floor.url, floor));
    for (const format of FORMATS) {
      const run = await download(`${hub.url}/exports/bench:payments.${format}`, hub);
      if (run.status !== 'complete') throw new Error(`${format}: the export did not say that it is complete`);
      runs.get(format)?.push(run);
    }
  }
  for (const part of [hub, floor, portal]) part.stop();
  const floorSeconds = median(floors.map(({ seconds }) => seconds));
  const rate = ({ bytes, seconds }: Run): number => bytes / 1e6 / seconds;
  const lines = FORMATS.map((format) => {
    const all = runs.get(format) ?? [];
    return {
      format,
      rowsPerSecond: Math.round(ROWS / median(all.map(({ seconds }) => seconds))),
      mbPerSecond: Math.round(median(all.map(rate))),
      shareOfFloor: Number((floorSeconds / median(all.map(({ seconds }) => seconds))).toFixed(2)),
      cpuSeconds: Number(median(all.map(({ cpuS }) => cpuS)).toFixed(1)),
      growthMb: Math.round(Math.max(...all.map(({ growthMb }) => growthMb))),
    };
  });
  const figures = {
    rows: ROWS,
    rounds: ROUNDS,
    portal: IS_EVALUATING ? 'evaluating' : 'ready',
    floor: { mbPerSecond: Math.round(median(floors.map(rate))), rowsPerSecond: Math.round(ROWS / floorSeconds) },
    lines,
  };
  console.log(JSON.stringify(figures, null, 2));
  const [, , , , output] = process.argv;
  if (output !== undefined && output !== '') writeFileSync(output, `${JSON.stringify(figures, null, 2)}\n`);
}

const [, , role, target = ''] = process.argv;
if (process.send !== undefined)
  process.on('message', (message) => {
    if (message !== 'usage') return;
    const { user, system } = process.cpuUsage();
    process.send?.({ rssMb: process.memoryUsage().rss / 1e6, cpuS: (user + system) / 1e6 });
  });
if (role === 'portal' && IS_EVALUATING) await serveSandbox();
else if (role === 'portal') servePortal();
else if (role === 'floor') serveFloor(target);
else if (role === 'hub') await serveHub(target);
else await main();
