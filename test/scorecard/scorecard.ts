/*
 * `npm run scorecard`: runs the whole suite in its full numbers, the kills, the planted faults and the benchmarks, collects
 * every figure they established, and writes the table of SCORECARD.md. Exit code 1 when a promise is not met or a test
 * fails. About three quarters of an hour on two cores that do nothing else.
 *
 * `--no-bench` leaves out all but the suite.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import type { Figure } from './figures.d.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const TABLE = path.join(import.meta.dirname, 'SCORECARD.md');

const POINTS: Readonly<Record<number, string>> = {
  1: 'Filters whole',
  2: 'Aggregates',
  3: 'Paging and counts',
  4: 'Streaming exports',
  5: 'Capability truth',
  6: 'Contract suite',
  7: 'Hostile portals',
  8: 'Virtual time',
  9: 'Explain',
  11: 'Store',
  12: 'Identity',
  13: 'Token service',
  14: 'Agreements',
  15: 'Views',
  16: 'explainAccess',
  17: 'Sandbox story',
  18: 'Hostile callers',
};

/** What `npm test` does fewer of, to be done in a quarter of an hour. */
const FULL = {
  CIVEX_ORACLE_RUNS: '100000',
  CIVEX_INTERFERENCE_RUNS: '50000',
  CIVEX_HTTP_ORACLE_RUNS: '5000',
  CIVEX_HTTP_INTERFERENCE_RUNS: '3000',
  CIVEX_ISOLATION_BATCHES: '1000',
  CIVEX_LIFECYCLE_SEQUENCES: '5000',
};

interface ExportFigures {
  readonly rows: number;
  readonly floor: { readonly mbPerSecond: number };
  readonly lines: readonly {
    readonly format: string;
    readonly rowsPerSecond: number;
    readonly shareOfFloor: number;
    readonly growthMb: number;
  }[];
}

function runTests(figuresFile: string): { readonly figures: readonly Figure[]; readonly failed: boolean } {
  const { status } = spawnSync(
    process.execPath,
    [
      path.join(ROOT, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--reporter=default',
      `--reporter=${path.join(import.meta.dirname, 'scorecard-reporter.ts')}`,
    ],
    { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...FULL, CIVEX_FIGURES: figuresFile } },
  );
  const figures: unknown = existsSync(figuresFile) ? JSON.parse(readFileSync(figuresFile, 'utf8')) : [];
  if (!Array.isArray(figures)) throw new Error('The figures are not a list.');
  return { figures, failed: status !== 0 };
}

/** @param changes to the benchmark's environment. */
function runBench(file: string, portal: string, changes: Readonly<Record<string, string>>): readonly Figure[] {
  const { status } = spawnSync(process.execPath, [path.join(ROOT, 'test/bench/export-bench.ts'), '', '', file], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...changes },
  });
  if (status !== 0) throw new Error('The export benchmark failed.');
  const { rows, floor, lines }: ExportFigures = JSON.parse(readFileSync(file, 'utf8'));
  return lines.flatMap(({ format, rowsPerSecond, shareOfFloor, growthMb }): Figure[] => [
    {
      point: 4,
      what: `export of ${rows.toLocaleString('en-US')} rows from ${portal}, ${format}: growth of memory, MB`,
      value: growthMb,
      target: '< 64',
      isMet: growthMb < 64,
    },
    {
      point: 4,
      what: `the same: share of a raw pipe at ${floor.mbPerSecond} MB/s (${rowsPerSecond.toLocaleString('en-US')} rows/s)`,
      value: shareOfFloor,
      target: '>= 0.7',
      isMet: shareOfFloor >= 0.7,
    },
  ]);
}

/** What a programme of its own wrote to its standard output. */
function runProgramme(file: string, changes: Readonly<Record<string, string>> = {}): string {
  const { stdout } = spawnSync(process.execPath, [path.join(ROOT, file)], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 64_000_000,
    env: { ...process.env, ...changes },
  });
  process.stdout.write(stdout);
  return stdout;
}

function runKills(): readonly Figure[] {
  const report = JSON.parse(runProgramme('test/sharing/kill.ts')) as {
    readonly kills: number;
    readonly lost: number;
    readonly doubled: number;
    readonly halfWritten: number;
    readonly readyMs: { readonly p50: number; readonly p95: number; readonly most: number; readonly within2s: number };
  };
  const { kills, readyMs } = report;
  const bad = report.lost + report.doubled + report.halfWritten;
  return [
    { point: 11, what: `acknowledged writes lost, doubled or half-written in ${kills} kills`, value: bad, target: '0', isMet: bad === 0 },
    { point: 11, what: `of ${kills} kills, those after which a metered question was answered within 2 s of the start of a process (median ${readyMs.p50} ms, 95 % ${readyMs.p95} ms, most ${readyMs.most} ms)`, value: readyMs.within2s, target: String(kills), isMet: readyMs.within2s === kills },
  ]; // prettier-ignore
}

function runDefects(): readonly Figure[] {
  const [, found = '0', planted = '0'] = /(\d+) of (\d+) planted/.exec(runProgramme('test/sharing/plant-view-defects.ts')) ?? []; // prettier-ignore
  return [
    { point: 15, what: 'planted defects in planner, view, masks and cursors that the oracle finds, of 15 at least', value: `${found} of ${planted}`, target: 'all', isMet: found === planted && Number(planted) >= 15 }, // prettier-ignore
  ];
}

function runOverhead(file: string): readonly Figure[] {
  runProgramme('test/bench/bench.ts', { BENCH_FIGURES: file, BENCH_ONLY: 'floor', BENCH_ROUNDS: '20', BENCH_ROUND_MS: '1500' }); // prettier-ignore
  const shares = JSON.parse(readFileSync(file, 'utf8')) as readonly { readonly question: string; readonly cpu: number; readonly time: number }[]; // prettier-ignore
  return shares.map(({ question, cpu, time }) => ({
    point: 15,
    what: `what agreements add to open data, ${question}: CPU, % (time a request ${(time * 100).toFixed(1)} %)`,
    value: Number((cpu * 100).toFixed(1)),
    target: '< 5',
    isMet: cpu < 0.05,
  }));
}

const cell = (text: string | number): string => String(text).replaceAll('|', String.raw`\|`);

function formatTable(figures: readonly Figure[]): string {
  const lines = [
    '# Scorecard',
    '',
    `Written by \`npm run scorecard\`; every line is what a test or a programme established in that run. Machine: ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}.`,
    '',
    '| point | figure | value | promised | kept |',
    '| --- | --- | --- | --- | --- |',
  ];
  for (const { point, what, value, target, isMet } of figures.toSorted((a, b) => a.point - b.point))
    lines.push(
      `| ${point} ${POINTS[point] ?? ''} | ${cell(what)} | ${cell(typeof value === 'number' ? value.toLocaleString('en-US') : value)} | ${cell(target)} | ${isMet ? 'yes' : '**no**'} |`,
    );
  return `${lines.join('\n')}\n`;
}

const folder = mkdtempSync(path.join(tmpdir(), 'civex-scorecard-'));
try {
  const { figures, failed } = runTests(path.join(folder, 'figures.json'));
  const all = [...figures];
  // After each part: what was established stays when a later one is broken off.
  writeFileSync(TABLE, formatTable(all));
  const parts: readonly (() => readonly Figure[])[] = [
    () => runOverhead(path.join(folder, 'overhead.json')),
    runDefects,
    runKills,
    () => runBench(path.join(folder, 'export.json'), 'a portal that only copies bytes', {}),
    // As many as the stand-in can hold.
    () =>
      runBench(path.join(folder, 'evaluated.json'), 'a portal that evaluates', {
        BENCH_PORTAL: 'evaluating',
        BENCH_ROWS: '500000',
      }),
  ];
  for (const part of process.argv.includes('--no-bench') ? [] : parts) {
    all.push(...part());
    writeFileSync(TABLE, formatTable(all));
  }
  process.stdout.write(formatTable(all));
  process.exitCode = failed || all.some(({ isMet }) => !isMet) ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
