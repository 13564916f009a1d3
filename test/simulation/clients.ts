import { isHubError } from '@civex/errors';
import type { Gateway } from '@civex/gateway';
import type { FilterInput } from '@civex/query';
import type { Dice, Filter, PortalSpec } from './world.ts';
import { createFilter, WORDS } from './world.ts';

export interface SourceReport {
  readonly catalog: string;
  readonly status: 'OK' | 'STALE' | 'PARTIAL' | 'FAILED' | 'SKIPPED';
  readonly age: string | null;
  readonly requests: number;
  readonly durationMs: number;
  readonly error: { readonly code: string } | null;
}

export const LONGEST_THOUGHT_MS = 3_000;
/** What is shown of each record. */
const PROPERTIES = ['key', 'n', 'x', 'name', 'v'] as const;
const REPORT = 'catalog status age requests durationMs error { code }';
const LIST = `query List($search: String, $filter: DatasetFilterInput, $orderBy: DatasetOrder!, $first: Int!, $after: String) {
  datasets(search: $search, filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
    totalCount totalIsExact nodes { id title } pageInfo { hasNextPage endCursor } sources { ${REPORT} } } }`;
const RECORDS = `query Records($id: ID!, $filter: FilterInput, $sortBy: [SortInput!], $first: Int!, $after: String) {
  dataset(id: $id) { id title records(filter: $filter, properties: ${JSON.stringify(PROPERTIES)}, sortBy: $sortBy, first: $first, after: $after) {
    totalCount totalIsExact nodes { id values } pageInfo { hasNextPage endCursor } source { ${REPORT} } } } }`;
const AGGREGATE = `query Aggregate($id: ID!, $filter: FilterInput, $groupBy: [GroupByInput!], $measures: [MeasureInput!]!) {
  dataset(id: $id) { id aggregate(filter: $filter, groupBy: $groupBy, measures: $measures) {
    groups { key measures } truncated source { ${REPORT} } } } }`;
/** What every aggregate asks for. */
const MEASURES = [
  { as: 'count', op: 'COUNT' },
  { as: 'sum', op: 'SUM', property: 'n' },
  { as: 'least', op: 'MIN', property: 'x' },
] as const;
/** No portal is asked for this: with it, the hub reads the records. */
const DISTINCT = { as: 'names', op: 'COUNT_DISTINCT', property: 'name' } as const;
const DATASETS = 'query Datasets($ids: [ID!]!) { datasetsById(ids: $ids) { id title } }';
const HEALTH = 'query Health($id: ID!) { catalog(id: $id) { datasetCount health { state reason } } }';

export interface Sort {
  readonly property: 'n' | 'x' | 'name';
  readonly direction: 'ASC' | 'DESC';
}

/** One question with what it is about, so that the answer can be judged. */
export type Question =
  | {
      readonly kind: 'list';
      readonly search: string | null;
      readonly catalogs: readonly string[] | null;
      readonly orderBy: string;
      readonly first: number;
    }
  | {
      readonly kind: 'records';
      readonly source: string;
      readonly localId: string;
      readonly filter: Filter | null;
      readonly sort: Sort | null;
      readonly first: number;
      /** A number that only this question sends to the portals; null when others may ask the same. */
      readonly mark: number | null;
    }
  | {
      readonly kind: 'aggregate';
      readonly source: string;
      readonly localId: string;
      readonly filter: Filter | null;
      readonly groupBy: 'n' | 'name' | null;
      readonly isDistinct: boolean;
    }
  | {
      readonly kind: 'export';
      readonly source: string;
      readonly localId: string;
      readonly filter: Filter | null;
      readonly sort: Sort | null;
      /** Milliseconds this client thinks before it takes the next piece. */
      readonly thinksMs: number;
    }
  | { readonly kind: 'datasets'; readonly ids: readonly (readonly [source: string, localId: string])[] }
  | { readonly kind: 'health'; readonly source: string };

/** `data` of an aggregate. */
export interface Aggregated {
  readonly groups: readonly {
    readonly key: Readonly<Record<string, unknown>>;
    readonly measures: Readonly<Record<string, unknown>>;
  }[];
  readonly truncated: boolean;
  readonly source: SourceReport;
}

/** `data` of an export. */
export interface Exported {
  /** Of the lines that arrived whole. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** The export said that it was complete. */
  readonly isComplete: boolean;
  /** What of a line had arrived at the end. */
  readonly rest: string;
}

export interface Page {
  readonly nodes: readonly {
    readonly id: string;
    readonly title?: string;
    readonly values?: Readonly<Record<string, unknown>>;
  }[];
  readonly totalCount: number | null;
  readonly totalIsExact: boolean;
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  readonly sources: readonly SourceReport[];
}

/** One GraphQL request and its answer. */
export interface Exchange {
  readonly question: Question;
  readonly op: number;
  /** 0 for a first page. */
  readonly page: number;
  readonly startMs: number;
  readonly endMs: number;
  /** When its caller went away; null when it stayed. */
  readonly cancelledMs: number | null;
  readonly data: unknown;
  readonly codes: readonly string[];
}

/** First number of the marks: no other number of the world is as large. */
const FIRST_MARK = 100_000;

export function createQuestion(op: number, portals: readonly PortalSpec[], dice: Dice): Question {
  const [any] = portals;
  if (any === undefined) throw new RangeError('no portal');
  const portal = dice.pick([any, ...portals]);
  const dataset = portal.datasets[dice.int(0, portal.datasets.length - 1)] ?? portal.datasets[0];
  const localId = dataset === undefined || dice.chance(0.03) ? 'nowhere' : dataset.localId;
  const roll = dice.next();
  if (roll < 0.32)
    return {
      kind: 'list',
      search: dice.chance(0.5) ? dice.pick(WORDS) : null,
      catalogs: dice.chance(0.25) ? [portal.source] : null,
      orderBy: dice.pick(['RELEVANCE', 'RELEVANCE', 'TITLE']),
      first: dice.int(1, 12),
    };
  if (roll < 0.42)
    return {
      kind: 'datasets',
      ids: Array.from({ length: dice.int(1, 6) }, () => {
        const from = dice.pick([any, ...portals]);
        return [from.source, `${from.source}-d${dice.int(0, from.datasets.length)}`] as const;
      }),
    };
  if (roll < 0.47) return { kind: 'health', source: portal.source };
  const createSort = (): Sort | null =>
    dice.chance(0.5) ? { property: dice.pick(['n', 'x', 'name']), direction: dice.pick(['ASC', 'DESC']) } : null;
  if (roll < 0.55) {
    const filter = dice.chance(0.6) ? createFilter(dice) : null;
    const groupBy = dice.pick<'n' | 'name' | null>(['n', 'name', null]);
    return { kind: 'aggregate', source: portal.source, localId, filter, groupBy, isDistinct: dice.chance(0.3) };
  }
  if (roll < 0.63) {
    const filter = dice.chance(0.5) ? createFilter(dice) : null;
    const thinksMs = dice.pick([0, 0, 0, 200, LONGEST_THOUGHT_MS]);
    return { kind: 'export', source: portal.source, localId, filter, sort: createSort(), thinksMs };
  }
  if (dice.chance(0.1)) {
    // The hub has to read all of it: no portal orders texts as it does.
    const sort = { property: 'name', direction: dice.pick(['ASC', 'DESC'] as const) } as const;
    return { kind: 'records', source: portal.source, localId, filter: null, sort, first: dice.int(20, 60), mark: null };
  }
  const mark = dice.chance(0.5) ? FIRST_MARK + op : null;
  const filter = dice.chance(0.75) ? createFilter(dice) : null;
  const marked: Filter | null =
    mark === null ? null : { property: 'n', in: [...Array.from({ length: 8 }, () => dice.int(-5, 15)), mark] };
  return {
    kind: 'records',
    source: portal.source,
    localId,
    filter: filter === null ? marked : marked === null ? filter : { and: [filter, marked] },
    sort: createSort(),
    first: dice.int(1, 30),
    mark,
  };
}

interface Result {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly { readonly extensions?: Readonly<Record<string, unknown>> }[];
}

/** Reads an export as its clients do, line by line. What it throws but a `HubError` is a fault of the gateway. */
export async function readExport(
  gateway: Gateway,
  question: Extract<Question, { kind: 'export' }>,
  signal: AbortSignal,
  think: () => Promise<void>,
): Promise<{ readonly data: Exported; readonly codes: readonly string[] }> {
  const { source, localId, filter, sort } = question;
  const rows: Readonly<Record<string, unknown>>[] = [];
  const codes: string[] = [];
  let rest = '';
  let isComplete = false;
  const asked = {
    datasetId: `${source}:${localId}`,
    format: 'ndjson',
    // Spelt as the contract's.
    filter: filter as FilterInput | null,
    cql: null,
    properties: PROPERTIES,
    sortBy: sort === null ? [] : [sort],
    ids: false,
    after: null,
  } as const;
  try {
    await gateway.withExport(asked, { signal }, async ({ chunks }) => {
      for await (const chunk of chunks) {
        const lines = `${rest}${Buffer.from(chunk).toString('utf8')}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) rows.push(JSON.parse(line) as Readonly<Record<string, unknown>>);
        if (question.thinksMs > 0) await think();
      }
    });
    isComplete = true;
  } catch (error) {
    if (!isHubError(error)) throw error;
    codes.push(error.code);
  }
  return { data: { rows, isComplete, rest }, codes };
}

/** Sends one request. Everything that comes back is in the exchange; what is thrown is a fault of the gateway. */
export async function ask(
  gateway: Gateway,
  question: Exclude<Question, { kind: 'export' }>,
  after: string | null,
  signal: AbortSignal,
): Promise<{ readonly data: unknown; readonly codes: readonly string[] }> {
  const params = (() => {
    switch (question.kind) {
      case 'list': {
        const { search, orderBy, first, catalogs } = question;
        const filter = catalogs === null ? null : { catalogs };
        return { query: LIST, variables: { search, filter, orderBy, first, after } };
      }
      case 'records': {
        const { source, localId, filter, sort, first } = question;
        const variables = { id: `${source}:${localId}`, filter, sortBy: sort === null ? null : [sort], first, after };
        return { query: RECORDS, variables };
      }
      case 'aggregate': {
        const { source, localId, filter, groupBy, isDistinct } = question;
        const measures = isDistinct ? [...MEASURES, DISTINCT] : MEASURES;
        const variables = { id: `${source}:${localId}`, filter, groupBy: groupBy && [{ property: groupBy }], measures };
        return { query: AGGREGATE, variables };
      }
      case 'datasets':
        return { query: DATASETS, variables: { ids: question.ids.map(([source, localId]) => `${source}:${localId}`) } };
      case 'health':
        return { query: HEALTH, variables: { id: question.source } };
    }
  })();
  const result = (await gateway.execute(params, { signal })) as Result;
  const codes = (result.errors ?? []).map(({ extensions }) =>
    typeof extensions?.['code'] === 'string' ? extensions['code'] : 'NONE',
  );
  return { data: result.data ?? null, codes };
}

/** The page of a list or of records in an answer; null when there is none. */
export function pageOf(question: Question, data: unknown): Page | null {
  const root = data as {
    datasets?: Page | null;
    dataset?: { records?: (Page & { source: SourceReport }) | null } | null;
  } | null;
  if (question.kind === 'list') return root?.datasets ?? null;
  if (question.kind !== 'records') return null;
  const records = root?.dataset?.records ?? null;
  return records === null ? null : { ...records, sources: [records.source] };
}
