import assert from 'node:assert/strict';
import type { SourceAdapter } from '@civex/adapter-contract';
import { isHubError } from '@civex/errors';
import type { HubError } from '@civex/errors';
import type { RecordValue } from '@civex/model';
import type { AggregateInput } from '@civex/query';
import { createRecordDoor, OPEN_VIEW } from '@civex/records';
import type { RecordDoor } from '@civex/records';
import * as fc from 'fast-check';
// The second implementation of aggregates, which the record door is held against as well.
import { referenceAggregate } from '../../../packages/records/src/test-support/aggregate-reference.ts';
import { canonicalRow, compareRows, decide } from '../../test-support/reference.ts';
import type { Row } from '../../test-support/reference.ts';
import type { Question } from './law-questions.ts';
import { classesOf, questionArb } from './law-questions.ts';
import type { Kind, LawTable, LawWorld } from './law-world.ts';
import { createCall, createWorld, withoutPushdown, withSmallWindows } from './law-world.ts';

/** Why a case was refused, which is no answer and so no wrong one. */
interface Refusal {
  readonly refused: HubError;
}

type Verdict = 'right' | Refusal;

/** Pages of a chain; the smallest share makes nine, and a source may cut pages where it does not order. */
const MAX_PAGES = 300;

/** The whole answer as the portal's own data has it; in the only right order where records have a total one. */
function expectedRows({ rows, columns }: LawTable, { filter, sort }: Question): readonly Row[] {
  const found = rows.filter((row) => filter === null || decide(filter, row, columns) === true);
  return found.toSorted((a, b) => compareRows(a, b, sort, columns) || Number(a['key']) - Number(b['key']));
}

/** The records, each as often as wanted, with the values the portal has, in an order the sort keys allow. */
function assertSame(
  got: readonly Row[],
  wanted: readonly Row[],
  { spec, columns }: LawTable,
  { sort }: Question,
  isOrdered: boolean,
): void {
  const [texts, wantedTexts] = [got, wanted].map((rows) => rows.map((row) => canonicalRow(row, columns)));
  if (isOrdered && spec.isUnique) return assert.deepEqual(texts, wantedTexts);
  assert.deepEqual(texts?.toSorted(), wantedTexts?.toSorted());
  if (!isOrdered) return;
  // By the portal's own values: big integers leave as digits.
  const byText = new Map(wanted.map((row) => [canonicalRow(row, columns), row]));
  const order = (texts ?? []).map((text) => byText.get(text) ?? {});
  for (const [index, row] of order.slice(1).entries())
    assert.ok(compareRows(order[index] ?? {}, row, sort, columns) <= 0, 'out of the asked order');
}

interface Asked {
  readonly door: RecordDoor;
  readonly adapter: SourceAdapter;
  readonly table: LawTable;
  readonly question: Question;
  readonly wanted: readonly Row[];
}

async function checkPages({ door, adapter, table, question, wanted }: Asked): Promise<void> {
  const { filter, sort, share } = question;
  const { dataset, rows } = table;
  const first = Math.max(1, Math.ceil((rows.length * share) / 8));
  const got: Row[] = [];
  let after: string | null = null;
  for (let pages = 0; ; pages++) {
    assert.ok(pages < MAX_PAGES, 'the pages do not end');
    const page = await door.query(
      { adapter, dataset, filter, cql: null, view: OPEN_VIEW, properties: null, sortBy: sort, first, after },
      createCall(),
    );
    assert.ok(page.records.length <= first, 'more records than asked for');
    if (page.totalIsExact) assert.equal(page.totalCount, wanted.length, 'a total called exact');
    got.push(...page.records.map(({ record }) => record.values));
    if (!page.hasNextPage) break;
    assert.ok(page.records.length > 0, 'an empty page that is not the last');
    after = page.endCursor;
  }
  assertSame(got, wanted, table, question, true);
}

async function readStream(
  { door, adapter, table, question }: Asked,
  ids: boolean,
  after: string | null,
): Promise<readonly { readonly id: string; readonly values: Row }[]> {
  const { filter, sort } = question;
  const { dataset } = table;
  const { batches } = await door.stream(
    {
      adapter,
      dataset,
      filter,
      cql: null,
      view: OPEN_VIEW,
      properties: null,
      sortBy: sort,
      geometry: false,
      ids,
      after,
    },
    createCall(),
  );
  const records = [];
  for await (const batch of batches) records.push(...batch);
  return records;
}

async function checkStream(asked: Asked, isPushed: boolean): Promise<void> {
  const { table, question, wanted } = asked;
  const isOwnOrder = question.sort.length === 0;
  // Only the source can continue in its own order.
  const ids = isPushed && isOwnOrder && table.spec.isUnique;
  const all = await readStream(asked, ids, null);
  const isOrdered = !isOwnOrder || ids;
  assertSame(
    all.map(({ values }) => values),
    wanted,
    table,
    question,
    isOrdered,
  );
  if (!ids || question.resumed === null || all.length === 0) return;
  const place = Math.min(all.length - 1, Math.floor((all.length * question.resumed) / 8));
  const rest = await readStream(asked, true, all[place]?.id ?? '');
  assertSame(
    rest.map(({ values }) => values),
    wanted.slice(place + 1),
    table,
    question,
    true,
  );
}

/** Groups as one text each, in any order: without a sort that is total the order of equal ones is nobody's promise. */
const toTexts = (groups: readonly { readonly key: unknown; readonly measures: unknown }[]): readonly string[] =>
  groups
    .map(({ key, measures }) =>
      JSON.stringify([key, measures], (_name, value: unknown) =>
        typeof value === 'bigint' ? value.toString() : value,
      ),
    )
    .toSorted();

async function checkAggregate({ door, adapter, table, question, wanted }: Asked): Promise<void> {
  const { filter, groupBy, measures } = question;
  const input: AggregateInput = {
    groupBy,
    measures: [{ as: 'records', op: 'COUNT' }, ...measures],
    sortBy: [{ property: 'records', direction: 'DESC' }],
  };
  const { groups, truncated } = await door.aggregate(
    { adapter, dataset: table.dataset, filter, cql: null, view: OPEN_VIEW, first: 1_000, ...input },
    createCall(),
  );
  assert.equal(truncated, false);
  // The rows hold what records hold: texts, numbers, booleans, geometries.
  const records = wanted.map((row) => ({ id: '', values: row as Readonly<Record<string, RecordValue>> }));
  assert.deepEqual(toTexts(groups), toTexts(referenceAggregate(records, input)));
}

const adapters = new WeakMap<SourceAdapter, Map<string, SourceAdapter>>();

function variant(adapter: SourceAdapter, name: string, make: () => SourceAdapter): SourceAdapter {
  const known = adapters.get(adapter) ?? new Map<string, SourceAdapter>();
  adapters.set(adapter, known);
  const made = known.get(name) ?? make();
  known.set(name, made);
  return made;
}

/** What a case looks like from outside. */
export interface CaseOptions {
  readonly onCapabilityLost: (op: string) => void;
  /** Adds to what the portal does by itself. */
  readonly withCap: boolean;
  /** False: only the answer with pushdown is looked at. */
  readonly withoutPushdown: boolean;
}

/** Tells what came of one question, asked of a source as it claims and as if it could do nothing. */
export async function tryCase(world: LawWorld, question: Question, options: CaseOptions): Promise<Verdict> {
  const table = world.tables.find(({ spec }) => spec.id === question.table);
  assert.ok(table !== undefined, 'no such table');
  const wanted = expectedRows(table, question);
  const isCapped = options.withCap && world.kind === 'ckan' && question.cap !== null;
  if (options.withCap) world.setQuirks(isCapped ? { capsSilentlyAt: question.cap ?? 1 } : {});
  const { small } = question;
  const claimed =
    small === null
      ? world.adapter
      : variant(world.adapter, `${small.page} ${small.window}`, () =>
          withSmallWindows(world.adapter, small.page, small.window),
        );
  const plain = variant(world.adapter, 'none', () => withoutPushdown(world.adapter));
  const variants = options.withoutPushdown ? [claimed, plain] : [claimed];
  for (const adapter of variants) {
    const door = createRecordDoor({
      scanRecords: 100_000,
      maxFirst: 100_000,
      onCapabilityLost: (_source, _dataset, op) => options.onCapabilityLost(op),
    });
    const asked = { door, adapter, table, question, wanted };
    try {
      if (question.kind === 'pages') await checkPages(asked);
      else if (question.kind === 'stream') await checkStream(asked, adapter !== plain);
      else await checkAggregate(asked);
    } catch (error) {
      if (!isHubError(error)) throw error;
      return { refused: error };
    }
  }
  return 'right';
}

export interface LawOutcome {
  readonly cases: number;
  /** Cases by the class of difficulty they belong to. */
  readonly classes: ReadonlyMap<string, number>;
  /** Cases that were refused, by code. */
  readonly refusals: ReadonlyMap<string, number>;
}

const count = (into: Map<string, number>, name: string): void => void into.set(name, (into.get(name) ?? 0) + 1);

/**
 * Pushdown changes the cost of a question, never its answer: what the door says of a portal as its adapter claims, what
 * it says when it does everything itself, and what the portal's own data say are the same.
 *
 * Records without any order among them, equal in all that the portal orders by, may end a chain of pages; nothing else
 * may be refused.
 *
 * @throws the first case that is wrong, as small as it can be made, with its seed and path.
 */
export async function checkCentralLaw(kind: Kind, cases: number, seed: number): Promise<LawOutcome> {
  const world = await createWorld(kind);
  const classes = new Map<string, number>();
  const refusals = new Map<string, number>();
  const [first] = world.tables;
  assert.ok(first !== undefined);
  const arbitrary = questionArb(
    first.columns,
    world.tables.map(({ spec }) => spec.id),
  );
  await fc.assert(
    fc.asyncProperty(arbitrary, async (question) => {
      const table = world.tables.find(({ spec }) => spec.id === question.table);
      assert.ok(table !== undefined);
      for (const name of classesOf(question, kind, expectedRows(table, question))) count(classes, name);
      const verdict = await tryCase(world, question, {
        onCapabilityLost: (op) => assert.fail(`an honest source is said not to do ${op}`),
        withCap: true,
        withoutPushdown: true,
      });
      if (verdict === 'right') return;
      count(refusals, verdict.refused.code);
      assert.ok(
        verdict.refused.code === 'CAPABILITY_MISSING' && table.spec.isTwin,
        `refused: ${verdict.refused.code} ${verdict.refused.message}`,
      );
    }),
    { numRuns: cases, seed },
  );
  return { cases, classes, refusals };
}
