import { beforeAll, describe, expect, test } from 'vitest';
import { hasCorpora, readCorpus, titled } from './support/corpora.ts';
import { FAULT_ROWS, WAYS } from './support/fault-rows.ts';
import { createStage, playFault, readHealthy } from './support/play-fault.ts';
import type { CellResult, Healthy, Stage } from './support/play-fault.ts';
import { KINDS } from './support/sample-portal.ts';

/** Cells that are played at the same time: most of them wait for a deadline. */
const AT_ONCE = 10;

const corpus = readCorpus<{ readonly id: string; readonly expect: string }>('upstream-faults.jsonl');

/** Sockets, requests of the resolver and timers of this process, by name. */
function countResources(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo())
    if (/TCP|TLS|Connect|GetAddr|Pipe|Timeout/.test(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** What there is more of than there was. */
const moreThan = (before: ReadonlyMap<string, number>): readonly string[] =>
  [...countResources()].flatMap(([name, count]) => (count > (before.get(name) ?? 0) ? [`${name}: ${count}`] : []));

interface Matrix {
  readonly results: readonly CellResult[];
  readonly unhandled: readonly unknown[];
  /** Sockets and timers of the process that were not there before. */
  readonly left: readonly string[];
}

async function playAll(stage: Stage): Promise<readonly CellResult[]> {
  const healthy: Healthy = new Map((await Promise.all(KINDS.map((kind) => readHealthy(kind, stage)))).flat());
  const cells = Object.entries(FAULT_ROWS).flatMap(([id, row]) =>
    KINDS.flatMap((kind) => WAYS.map((way) => () => playFault(id, row, way, kind, stage, healthy))),
  );
  const results: CellResult[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < cells.length; at = next++) {
      const result = await cells[at]?.();
      if (result !== undefined) results.push(result);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  // Lateness, and time that ran out, may be the neighbours' doing: such a cell is measured once more, alone.
  for (const [index, { isOnlySlow, row, way, kind }] of results.entries()) {
    const fault = FAULT_ROWS[row];
    if (isOnlySlow && fault !== undefined) results[index] = await playFault(row, fault, way, kind, stage, healthy);
  }
  return results;
}

let matrix: Matrix;

beforeAll(async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  process.on('uncaughtException', note);
  try {
    const before = countResources();
    const stage = await createStage();
    const results = await playAll(stage);
    await stage[Symbol.asyncDispose]();
    for (let turn = 0; turn < 40 && moreThan(before).length > 0; turn++)
      await new Promise((resolve) => setTimeout(resolve, 25));
    matrix = { results, unhandled, left: moreThan(before) };
  } finally {
    process.off('unhandledRejection', note);
    process.off('uncaughtException', note);
  }
}, 120_000);

const cellsOf = (id: string): readonly CellResult[] => matrix.results.filter(({ row }) => row === id);
const describeCell = ({ row, kind, way, wrong }: CellResult): string => `${row}, ${kind}, ${way}: ${wrong.join('; ')}`;

describe('a portal that fails', () => {
  test.each(Object.keys(FAULT_ROWS))('by %s is answered as it should be, in time, and takes nothing with it', (id) => {
    const cells = cellsOf(id);
    expect(cells).toHaveLength(KINDS.length * WAYS.length);
    expect(cells.filter(({ without }) => without === null).length).toBeGreaterThan(0);
    expect(cells.filter(({ wrong }) => wrong.length > 0).map(describeCell)).toEqual([]);
  });

  test('leaves no socket, no timer and no rejection behind', ({ task }) => {
    expect(matrix.unhandled).toEqual([]);
    expect(matrix.left).toEqual([]);
    const played = matrix.results.filter(({ without }) => without === null);
    const right = played.filter(({ wrong }) => wrong.length === 0);
    const skipped = matrix.results.length - played.length;
    const pairs = new Set(played.map(({ row, kind }) => `${row} ${kind}`));
    const wrongPairs = new Set(played.filter(({ wrong }) => wrong.length > 0).map(({ row, kind }) => `${row} ${kind}`));
    task.meta.figures = [
      {
        point: 7,
        what: `upstream faults: rows x adapters answered right (of ${Object.keys(FAULT_ROWS).length} x ${KINDS.length})`,
        value: `${pairs.size - wrongPairs.size}/${pairs.size}`,
        target: 'all',
        isMet: wrongPairs.size === 0 && pairs.size === Object.keys(FAULT_ROWS).length * KINDS.length,
      },
      {
        point: 7,
        what: `the same, by way of reading (catalog, window, stream); ${skipped} cells have no meaning`,
        value: `${right.length}/${played.length}`,
        target: 'all',
        isMet: right.length === played.length,
      },
      {
        point: 7,
        what: 'the same: rejections and exceptions nobody handled',
        value: matrix.unhandled.length,
        target: '0',
        isMet: matrix.unhandled.length === 0,
      },
    ];
  });
});

describe.skipIf(!hasCorpora)(titled('the catalogue of upstream faults'), () => {
  test('has no row that is not played, and none is played that it does not have', () => {
    expect(Object.keys(FAULT_ROWS).toSorted()).toEqual(corpus.map(({ id }) => id).toSorted());
  });
});
