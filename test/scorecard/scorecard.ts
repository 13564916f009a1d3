/*
 * `npm run scorecard`: runs the whole suite and the export benchmark, collects every figure a test established, and
 * writes the table of SCORECARD.md. Exit code 1 when a promise is not met or a test fails.
 *
 * `--no-bench` keeps the benchmark's last figures out.
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
  18: 'Hostile callers',
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
    { cwd: ROOT, stdio: 'inherit', env: { ...process.env, CIVEX_FIGURES: figuresFile } },
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

const cell = (text: string | number): string => String(text).replaceAll('|', String.raw`\|`);

function formatTable(figures: readonly Figure[]): string {
  const lines = [
    '# Scorecard of the record engine',
    '',
    `Written by \`npm run scorecard\`; every line is what a test or the benchmark established in that run. Machine: ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}.`,
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
  const bench = process.argv.includes('--no-bench')
    ? []
    : [
        ...runBench(path.join(folder, 'export.json'), 'a portal that only copies bytes', {}),
        // As many as the stand-in can hold.
        ...runBench(path.join(folder, 'evaluated.json'), 'a portal that evaluates', {
          BENCH_PORTAL: 'evaluating',
          BENCH_ROWS: '500000',
        }),
      ];
  const all = [...figures, ...bench];
  writeFileSync(TABLE, formatTable(all));
  process.stdout.write(formatTable(all));
  process.exitCode = failed || all.some(({ isMet }) => !isMet) ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
