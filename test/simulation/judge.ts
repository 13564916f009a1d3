import type { Aggregated, Exchange, Exported, Page, Question, Sort, SourceReport } from './clients.ts';
import { pageOf } from './clients.ts';
import type { FaultSpan } from './faults.ts';
import type { Attempt } from './wire.ts';
import type { DatasetSpec, Filter, PortalSpec, Row } from './world.ts';
import { evaluate, existsIn, rowsOf, titleOf, versionsBetween } from './world.ts';

/** What an invariant is about; one line of the scorecard each. */
export type Invariant =
  | 'wrong row'
  | 'silent short answer'
  | 'missed deadline'
  | 'attempt over budget'
  | 'illegal move of a breaker'
  | 'cache beyond its age'
  | 'portal not left alone'
  | 'leak'
  | 'no recovery'
  | 'fault of ours';

export interface Violation {
  readonly invariant: Invariant;
  readonly text: string;
}

export interface CacheTimes {
  readonly catalogMs: number;
  readonly recordsMs: number;
  readonly staleMs: number;
  /** Longest time one answer may take to arrive. */
  readonly totalTimeoutMs: number;
}

export interface Circumstances {
  readonly portals: readonly PortalSpec[];
  readonly spans: readonly FaultSpan[];
  readonly times: ReadonlyMap<string, CacheTimes>;
  readonly requestTimeoutMs: number;
  readonly exportTimeoutMs: number;
  /** The sources that were configured at a moment. */
  readonly sourcesAt: (atMs: number) => ReadonlySet<string>;
  readonly report: (invariant: Invariant, text: string) => void;
}

/** Virtual milliseconds an answer may come after its deadline. */
const GRACE_MS = 250;
const SOURCE_CODES: ReadonlySet<string> = new Set([
  'SOURCE_TIMEOUT',
  'SOURCE_UNAVAILABLE',
  'SOURCE_OVERLOADED',
  'SOURCE_REJECTED',
  'SOURCE_MALFORMED',
]);

const ageMsOf = ({ age }: SourceReport): number => (age === null ? 0 : Number(age.slice(2, -1)) * 1_000);

/** Judges every answer by what the simulation knows and the hub does not. */
export function createJudge(circumstances: Circumstances) {
  const { portals, spans, times, requestTimeoutMs, exportTimeoutMs, sourcesAt, report } = circumstances;
  const portalOf = (source: string) => portals.find((portal) => portal.source === source);
  const timesOf = (source: string): CacheTimes =>
    times.get(source) ?? { catalogMs: 0, recordsMs: 0, staleMs: 0, totalTimeoutMs: 0 };
  /**
   * Lies nobody can see through: a portal that states fewer than it has may cut a list where its own number ends. What it
   * said may be remembered.
   */
  const mayHaveLied = (source: string, fromMs: number, toMs: number): boolean =>
    spans.some(
      (span) => span.source === source && span.fault === 'less-in-total' && span.fromMs <= toMs && span.toMs >= fromMs,
    );

  /** When the oldest part of an answer may have left its portal. */
  const oldestMs = (source: string, startMs: number, ageMs: number): number =>
    startMs - ageMs - timesOf(source).totalTimeoutMs;

  const describe = ({ op, page, question, startMs, endMs }: Exchange): string =>
    `question ${op}, page ${page}, ${startMs}..${endMs}: ${JSON.stringify(question)}`;

  const judgeReport = (exchange: Exchange, source: SourceReport, freshMs: number): void => {
    const ageMs = ageMsOf(source);
    const { staleMs } = timesOf(source.catalog);
    if (source.status === 'OK' && ageMs > freshMs)
      report('cache beyond its age', `${source.catalog} is OK at ${ageMs} of ${freshMs} ms; ${describe(exchange)}`);
    if (source.status === 'STALE' && ageMs > freshMs + staleMs)
      report(
        'cache beyond its age',
        `${source.catalog} is STALE at ${ageMs} of ${freshMs + staleMs} ms; ${describe(exchange)}`,
      );
    if (source.status === 'FAILED' && (source.error === null || !SOURCE_CODES.has(source.error.code)))
      // Other codes are judged where they are told.
      if (!exchange.codes.includes(source.error?.code ?? ''))
        report(
          'fault of ours',
          `${source.catalog} failed with ${source.error?.code ?? 'nothing'}; ${describe(exchange)}`,
        );
  };

  const datasetOf = (id: string): readonly [PortalSpec, DatasetSpec] | null => {
    const [source = '', localId = ''] = id.split(':', 2);
    const portal = portalOf(source);
    const dataset = portal?.datasets.find((candidate) => candidate.localId === localId);
    return portal === undefined || dataset === undefined ? null : [portal, dataset];
  };

  const mayBeGone = (
    { source, localId }: { source: string; localId: string },
    startMs: number,
    endMs: number,
  ): boolean => {
    const found = datasetOf(`${source}:${localId}`);
    const { catalogMs, staleMs } = timesOf(source);
    const fromMs = oldestMs(source, startMs, catalogMs + staleMs);
    return found === null || versionsBetween(found[0], fromMs, endMs).some((version) => !existsIn(found[1], version));
  };

  const judgeTitle = (exchange: Exchange, id: string, title: string | undefined, fromMs: number): void => {
    const found = datasetOf(id);
    const isTrue =
      found !== null &&
      versionsBetween(found[0], fromMs, exchange.endMs).some(
        (version) => existsIn(found[1], version) && titleOf(found[1], version) === title,
      );
    if (!isTrue) report('wrong row', `${id} "${title ?? ''}" was not there since ${fromMs}; ${describe(exchange)}`);
  };

  const judgeList = (exchange: Exchange, page: Page): void => {
    const { question, startMs } = exchange;
    if (question.kind !== 'list') return;
    const configured = sourcesAt(startMs);
    for (const source of page.sources) {
      judgeReport(exchange, source, timesOf(source.catalog).catalogMs);
      if (!configured.has(source.catalog))
        report('wrong row', `${source.catalog} was not configured; ${describe(exchange)}`);
    }
    for (const { id, title } of page.nodes) {
      const source = page.sources.find(({ catalog }) => id.startsWith(`${catalog}:`));
      if (source === undefined || source.status === 'FAILED')
        report('wrong row', `${id} comes from a source that failed; ${describe(exchange)}`);
      else judgeTitle(exchange, id, title, oldestMs(source.catalog, startMs, ageMsOf(source)));
      if (question.search !== null && !(title ?? '').split(' ').includes(question.search))
        report('wrong row', `${id} is no hit; ${describe(exchange)}`);
    }
    if (page.nodes.length > question.first) report('wrong row', `more than asked; ${describe(exchange)}`);
    const failed = page.sources.filter(({ status }) => status === 'FAILED').length;
    const told = exchange.codes.filter((code) => SOURCE_CODES.has(code) || code === 'CANCELLED').length;
    if (told < failed) report('silent short answer', `${failed} sources failed, ${told} errors; ${describe(exchange)}`);
    if (page.totalIsExact && failed > 0)
      report('silent short answer', `an exact total without a source; ${describe(exchange)}`);
  };

  const isRow = (values: Readonly<Record<string, unknown>>, row: Row): boolean =>
    values['key'] === row.key &&
    values['n'] === row.n &&
    values['x'] === row.x &&
    values['name'] === row.name &&
    values['v'] === row.v;

  const matching = (
    question: Extract<Question, { filter: Filter | null }>,
    dataset: DatasetSpec,
    version: number,
  ): readonly Row[] =>
    existsIn(dataset, version)
      ? rowsOf(dataset, version).filter((row) => question.filter === null || evaluate(question.filter, row) === true)
      : [];

  const judgeOrder = (
    exchange: Exchange,
    sort: Sort | null,
    rows: readonly Readonly<Record<string, unknown>>[],
  ): void => {
    if (sort === null) return;
    const { property, direction } = sort;
    const isBehind = (a: unknown, b: unknown): boolean => {
      if (a === null || b === null) return a === null && b !== null;
      const order = typeof a === 'string' && typeof b === 'string' ? byCodePoint(a, b) : Number(a) - Number(b);
      return direction === 'ASC' ? order > 0 : order < 0;
    };
    const values = rows.map((row) => row[property] ?? null);
    if (values.some((value, index) => index > 0 && isBehind(values[index - 1], value)))
      report('wrong row', `out of order: ${JSON.stringify(values)}; ${describe(exchange)}`);
  };

  const judgeRecords = (exchange: Exchange, page: Page): void => {
    const { question, startMs, endMs } = exchange;
    if (question.kind !== 'records') return;
    const [source] = page.sources;
    const found = datasetOf(`${question.source}:${question.localId}`);
    if (source === undefined || found === null) {
      report('wrong row', `records of no dataset; ${describe(exchange)}`);
      return;
    }
    const [portal, dataset] = found;
    const { catalogMs, recordsMs } = timesOf(question.source);
    // Columns are kept as long as the catalog.
    judgeReport(exchange, source, Math.max(catalogMs, recordsMs));
    if (source.status === 'FAILED' && page.nodes.length > 0)
      report('wrong row', `rows of a source that failed; ${describe(exchange)}`);
    if (source.status === 'FAILED' && exchange.codes.length === 0)
      report('silent short answer', `failed without an error; ${describe(exchange)}`);
    const fromMs = oldestMs(question.source, startMs, ageMsOf(source));
    const versions = versionsBetween(portal, fromMs, endMs);
    const truths = versions.map((version) => matching(question, dataset, version));
    for (const { values = {} } of page.nodes)
      if (!truths.some((rows) => rows.some((row) => isRow(values, row))))
        report(
          'wrong row',
          `${JSON.stringify(values)} is none of version ${versions.join(', ')}; ${describe(exchange)}`,
        );
    if (page.nodes.length > question.first) report('wrong row', `more than asked; ${describe(exchange)}`);
    judgeOrder(
      exchange,
      question.sort,
      page.nodes.map(({ values = {} }) => values),
    );
    const [truth] = truths;
    if (
      source.status !== 'FAILED' &&
      page.totalIsExact &&
      truth !== undefined &&
      versions.length === 1 &&
      page.totalCount !== truth.length &&
      !mayHaveLied(question.source, fromMs, endMs)
    )
      report('silent short answer', `${page.totalCount} are said to be all of ${truth.length}; ${describe(exchange)}`);
  };

  const judgeExport = (exchange: Exchange): void => {
    const { question, startMs, endMs, codes } = exchange;
    if (question.kind !== 'export') return;
    // Made by `readExport`.
    const { rows, isComplete, rest } = exchange.data as Exported;
    const found = datasetOf(`${question.source}:${question.localId}`);
    if (found === null) {
      if (isComplete) report('wrong row', `an export of no dataset; ${describe(exchange)}`);
      return;
    }
    const [portal, dataset] = found;
    const { catalogMs, recordsMs, staleMs } = timesOf(question.source);
    const fromMs = oldestMs(question.source, startMs, Math.max(catalogMs, recordsMs) + staleMs);
    const versions = versionsBetween(portal, fromMs, endMs);
    const truths = versions.map((version) => matching(question, dataset, version));
    for (const values of rows)
      if (!truths.some((truth) => truth.some((row) => isRow(values, row))))
        report('wrong row', `exported: ${JSON.stringify(values)}; ${describe(exchange)}`);
    judgeOrder(exchange, question.sort, rows);
    if (!isComplete) {
      if (codes.length === 0) report('silent short answer', `an export ends without a reason; ${describe(exchange)}`);
      return;
    }
    if (rest !== '') report('silent short answer', `an export ends within a line; ${describe(exchange)}`);
    const keys = new Set(rows.map(({ key }) => key));
    if (keys.size < rows.length && versions.length === 1) report('wrong row', `exported twice; ${describe(exchange)}`);
    // Read to its end in one go: it is the whole of one version, or a mixture of those it was read from.
    const least = Math.min(...truths.map((truth) => truth.length));
    if (keys.size < least && !mayHaveLied(question.source, fromMs, endMs))
      report('silent short answer', `${keys.size} of ${least} exported; ${describe(exchange)}`);
  };

  const judgeAggregate = (exchange: Exchange): void => {
    const { question, startMs, endMs, data, codes } = exchange;
    if (question.kind !== 'aggregate') return;
    const aggregated =
      (data as { dataset?: { aggregate?: Aggregated | null } | null } | null)?.dataset?.aggregate ?? null;
    const found = datasetOf(`${question.source}:${question.localId}`);
    if (aggregated === null) return;
    const { groups, truncated, source } = aggregated;
    if (found === null) {
      report('wrong row', `groups of no dataset; ${describe(exchange)}`);
      return;
    }
    const { catalogMs, recordsMs } = timesOf(question.source);
    judgeReport(exchange, source, Math.max(catalogMs, recordsMs));
    if (source.status === 'FAILED') {
      if (groups.length > 0) report('wrong row', `groups of a source that failed; ${describe(exchange)}`);
      if (codes.length === 0) report('silent short answer', `failed without an error; ${describe(exchange)}`);
      return;
    }
    if (truncated) report('silent short answer', `truncated for no reason; ${describe(exchange)}`);
    const [portal, dataset] = found;
    const fromMs = oldestMs(question.source, startMs, ageMsOf(source));
    const versions = versionsBetween(portal, fromMs, endMs);
    const [version] = versions;
    // Read while the data changed, it may be of both.
    if (version === undefined || versions.length > 1 || mayHaveLied(question.source, fromMs, endMs)) return;
    const truth = reckon(matching(question, dataset, version), question);
    const told = groups
      .map(({ key, measures: { count, sum, least, names } }) => JSON.stringify([key, count, sum, least, names]))
      .sort();
    if (JSON.stringify(told) !== JSON.stringify(truth))
      report('wrong row', `groups ${told.join(' ')} in place of ${truth.join(' ')}; ${describe(exchange)}`);
  };

  const judgeDatasets = (exchange: Exchange): void => {
    const { question, startMs, endMs, data } = exchange;
    if (question.kind !== 'datasets') return;
    const nodes =
      (data as { datasetsById?: readonly ({ id: string; title: string } | null)[] } | null)?.datasetsById ?? null;
    if (nodes === null) {
      if (exchange.codes.length === 0) report('silent short answer', `no data and no error; ${describe(exchange)}`);
      return;
    }
    if (nodes.length !== question.ids.length)
      report('silent short answer', `another number of datasets; ${describe(exchange)}`);
    for (const [index, [source, localId]] of question.ids.entries()) {
      const node = nodes[index] ?? null;
      const { catalogMs, staleMs } = timesOf(source);
      const fromMs = oldestMs(source, startMs, catalogMs + staleMs);
      const id = `${source}:${localId}`;
      if (node !== null) {
        if (node.id !== id) report('wrong row', `${node.id} in place of ${id}; ${describe(exchange)}`);
        judgeTitle(exchange, id, node.title, fromMs);
        continue;
      }
      const found = datasetOf(id);
      if (exchange.codes.length > 0 || found === null || !sourcesAt(startMs).has(source)) continue;
      if (
        versionsBetween(found[0], fromMs, endMs).every((version) => existsIn(found[1], version)) &&
        !mayHaveLied(source, fromMs, endMs)
      )
        report('silent short answer', `${id} is there, and null was the answer; ${describe(exchange)}`);
    }
  };

  const judgeHealth = (exchange: Exchange): void => {
    const { question, startMs, endMs, data } = exchange;
    if (question.kind !== 'health') return;
    const catalog =
      (data as { catalog?: { datasetCount: number | null; health: { state: string } } | null } | null)?.catalog ?? null;
    const portal = portalOf(question.source);
    if (catalog === null || portal === undefined || catalog.datasetCount === null) return;
    // A check stands for ten seconds.
    const fromMs = oldestMs(question.source, startMs, 10_000);
    const counts = versionsBetween(portal, fromMs, endMs).map(
      (version) => portal.datasets.filter((dataset) => existsIn(dataset, version)).length,
    );
    const isLied = spans.some(
      ({ source, fault, toMs, fromMs: sinceMs }) =>
        source === question.source && fault.endsWith('-in-total') && sinceMs <= endMs && toMs >= fromMs,
    );
    if (!isLied && !counts.includes(catalog.datasetCount))
      report('wrong row', `${catalog.datasetCount} datasets, not ${counts.join(' or ')}; ${describe(exchange)}`);
  };

  return {
    /** One answer by itself. */
    judge(exchange: Exchange): void {
      const { question, startMs, endMs, cancelledMs, codes } = exchange;
      const limitMs = question.kind === 'export' ? exportTimeoutMs : requestTimeoutMs;
      // Nothing is told to a client who is thinking.
      const graceMs = GRACE_MS + (question.kind === 'export' ? question.thinksMs : 0);
      if (endMs - startMs > limitMs + graceMs)
        report('missed deadline', `${endMs - startMs} of ${limitMs} ms; ${describe(exchange)}`);
      if (cancelledMs !== null && endMs - cancelledMs > graceMs)
        report('missed deadline', `${endMs - cancelledMs} ms after its caller had gone; ${describe(exchange)}`);
      for (const code of codes) {
        if (SOURCE_CODES.has(code)) continue;
        if (code === 'CANCELLED' && cancelledMs !== null) continue;
        // The data moved while it was paged, or the catalog is not configured any more.
        if (code === 'INPUT_INVALID' && (exchange.page > 0 || question.kind === 'health' || question.kind === 'list'))
          continue;
        // The dataset went while its records were asked for.
        const isAbsence = code === 'NOT_FOUND' || code === 'CAPABILITY_MISSING';
        // As is whoever exports from a source that is not configured any more.
        if (code === 'NOT_FOUND' && question.kind === 'export' && !sourcesAt(startMs).has(question.source)) continue;
        if (isAbsence && 'localId' in question && mayBeGone(question, startMs, endMs)) continue;
        // Whoever goes away while the gateway itself is at work gets whatever nobody reads.
        if (cancelledMs !== null) continue;
        report('fault of ours', `${code}; ${describe(exchange)}`);
      }
      const page = pageOf(question, exchange.data);
      if (question.kind === 'list' && page !== null) judgeList(exchange, page);
      if (question.kind === 'records' && page !== null) judgeRecords(exchange, page);
      judgeExport(exchange);
      judgeAggregate(exchange);
      judgeDatasets(exchange);
      judgeHealth(exchange);
    },

    /** All pages of one question, from the first to the one that says that it is the last. */
    judgeWalk(exchanges: readonly Exchange[]): void {
      const [first] = exchanges;
      const last = exchanges.at(-1);
      if (first === undefined || last === undefined) return;
      const { question } = first;
      const pages = exchanges.map((exchange) => pageOf(question, exchange.data));
      const nodes = pages.flatMap((page) => page?.nodes ?? []);
      const isWhole =
        pages.every((page) => page !== null) &&
        pages.at(-1)?.pageInfo.hasNextPage === false &&
        exchanges.every(({ codes }) => codes.length === 0);
      const sources =
        question.kind === 'records' ? [question.source] : question.kind === 'list' ? [...sourcesAt(first.startMs)] : [];
      for (const source of sources) {
        const portal = portalOf(source);
        if (portal === undefined || (question.kind === 'list' && question.catalogs?.includes(source) === false))
          continue;
        const reports = pages.flatMap((page) => page?.sources.filter(({ catalog }) => catalog === source) ?? []);
        if (
          reports.length === 0 &&
          isWhole &&
          question.kind === 'list' &&
          exchanges.every(({ startMs }) => sourcesAt(startMs).has(source))
        )
          report('silent short answer', `${source} has no report; ${describe(first)}`);
        const isAnswered =
          reports.length === pages.length && reports.every(({ status }) => status === 'OK' || status === 'STALE');
        const ageMs = Math.max(0, ...reports.map(ageMsOf));
        const fromMs = oldestMs(source, first.startMs, ageMs);
        const versions = versionsBetween(portal, fromMs, last.endMs);
        const [version] = versions;
        if (version === undefined || versions.length > 1 || !isAnswered || mayHaveLied(source, fromMs, last.endMs))
          continue;
        const found =
          question.kind === 'records'
            ? nodes.map(({ values }) => String(values?.['key']))
            : nodes.filter(({ id }) => id.startsWith(`${source}:`)).map(({ id }) => id);
        const seen = new Set(found);
        if (seen.size < found.length) report('wrong row', `twice: ${JSON.stringify(found)}; ${describe(first)}`);
        if (!isWhole) continue;
        const all =
          question.kind === 'records'
            ? portal.datasets
                .filter(({ localId }) => localId === question.localId)
                .flatMap((dataset) => matching(question, dataset, version))
                .map(({ key }) => key)
            : portal.datasets
                .filter(
                  (dataset) =>
                    existsIn(dataset, version) &&
                    question.kind === 'list' &&
                    (question.search === null || dataset.words.includes(question.search)),
                )
                .map(({ localId }) => `${source}:${localId}`);
        const missing = all.filter((key) => !seen.has(key));
        if (missing.length > 0)
          report(
            'silent short answer',
            `${missing.length} of ${all.length} are missing, ${missing[0] ?? ''} among them; ${describe(first)}`,
          );
      }
      // Absence without a word.
      if (
        question.kind === 'records' &&
        exchanges.length === 1 &&
        first.codes.length === 0 &&
        pages[0] === null &&
        first.cancelledMs === null
      ) {
        const found = datasetOf(`${question.source}:${question.localId}`);
        const { catalogMs, staleMs } = timesOf(question.source);
        const fromMs = oldestMs(question.source, first.startMs, catalogMs + staleMs);
        if (
          found !== null &&
          sourcesAt(first.startMs).has(question.source) &&
          versionsBetween(found[0], fromMs, first.endMs).every((version) => existsIn(found[1], version)) &&
          !mayHaveLied(question.source, fromMs, first.endMs)
        )
          report('silent short answer', `the dataset is there, and null was the answer; ${describe(first)}`);
      }
    },
  };
}

/** The groups as the hub should tell them, sorted as texts. */
function reckon(
  rows: readonly Row[],
  { groupBy, isDistinct }: Extract<Question, { kind: 'aggregate' }>,
): readonly string[] {
  const groups = new Map<string | number | null, Row[]>();
  if (groupBy === null) groups.set(null, []);
  for (const row of rows) {
    const value = groupBy === null ? null : row[groupBy];
    groups.set(value, [...(groups.get(value) ?? []), row]);
  }
  const given = <T>(values: readonly (T | null)[]): readonly T[] => values.filter((value) => value !== null);
  return [...groups]
    .map(([value, members]) => {
      const names = new Set(given(members.map(({ name }) => name))).size;
      const numbers = given(members.map(({ n }) => n));
      // Small whole numbers: doubles add them up exactly.
      const sum = numbers.length === 0 ? null : numbers.reduce((total, number) => total + number, 0);
      const quarters = given(members.map(({ x }) => x));
      const least = quarters.length === 0 ? null : Math.min(...quarters);
      const key = groupBy === null ? {} : { [groupBy]: value };
      return JSON.stringify([key, members.length, sum, least, isDistinct ? names : undefined]);
    })
    .sort();
}

function byCodePoint(a: string, b: string): number {
  const [x, y] = [Array.from(a), Array.from(b)];
  for (let at = 0; at < Math.min(x.length, y.length); at++) {
    const difference = (x[at]?.codePointAt(0) ?? 0) - (y[at]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
}

// ---------------------------------------------------------------- what went over the wire

export interface CircuitMove {
  readonly source: string;
  readonly state: 'closed' | 'open' | 'half-open';
  readonly atMs: number;
}

const textOf = ({ request }: Attempt): string | null =>
  request === null ? null : `${request.method} ${request.path}${request.search} ${request.body}`;

/** The mark in what was asked, when there is one; see `Question`. */
const MARK = /\b1\d{5}\b/;

const LEGAL: ReadonlySet<string> = new Set(['closed>open', 'open>half-open', 'half-open>open', 'half-open>closed']);

export interface WireCircumstances {
  /** Sources whose outbound client was the same all the time: a new one has a new breaker, budget and memory. */
  readonly steady: ReadonlySet<string>;
  readonly retryBudget: number;
  readonly exchanges: readonly Exchange[];
  readonly report: (invariant: Invariant, text: string) => void;
}

/** Judges what the hub did to the portals. */
export function judgeWire(
  attempts: readonly Attempt[],
  moves: readonly CircuitMove[],
  { steady, retryBudget, exchanges, report }: WireCircumstances,
): void {
  for (const source of steady) {
    const own = attempts.filter((attempt) => attempt.source === source);
    judgeRetries(source, own, exchanges, retryBudget, report);
    judgeBreaker(
      source,
      own,
      moves.filter((move) => move.source === source),
      report,
    );
    judgeQuiet(source, own, report);
  }
}

function judgeRetries(
  source: string,
  own: readonly Attempt[],
  exchanges: readonly Exchange[],
  retryBudget: number,
  report: WireCircumstances['report'],
): void {
  const marked = new Map<number, Exchange[]>();
  for (const exchange of exchanges) {
    const { question } = exchange;
    if (question.kind !== 'records' || question.mark === null || question.source !== source) continue;
    marked.set(question.mark, [...(marked.get(question.mark) ?? []), exchange]);
  }
  const retries: number[] = [];
  const asked = new Map<string, { readonly times: number; readonly last: Attempt }>();
  for (const attempt of own) {
    const text = textOf(attempt);
    const { request } = attempt;
    if (text === null || request === null) continue;
    const mark = Number(MARK.exec(`${decodeURIComponent(request.search)} ${request.body}`)?.[0] ?? Number.NaN);
    // Within one request of a client, the same is asked once, and once more when that failed.
    const exchange = marked
      .get(mark)
      ?.find(({ startMs, endMs }) => attempt.startMs >= startMs && attempt.startMs <= endMs);
    if (exchange === undefined) continue;
    const key = `${exchange.op}/${exchange.page} ${text}`;
    const before = asked.get(key);
    // After a good answer the hub may have other reasons to ask again: it saw through a lie, or needs another page.
    // A bot challenge is no failed request: the portal's other address is asked.
    const isRetry = before !== undefined && before.last.wasGood === false && before.last.name !== 'challenge';
    const times = isRetry ? before.times + 1 : 1;
    asked.set(key, { times, last: attempt });
    if (times > 2) report('attempt over budget', `${source}: ${times} times at ${attempt.startMs}: ${text}`);
    if (times > 1) retries.push(attempt.startMs);
  }
  for (const atMs of retries) {
    const recent = retries.filter((other) => other > atMs - 9_000 && other <= atMs).length;
    const requests = own.filter(({ startMs }) => startMs > atMs - 10_100 && startMs <= atMs).length;
    const most = retryBudget === 0 ? 0 : Math.max(1, requests * retryBudget);
    if (recent > most)
      report('attempt over budget', `${source}: ${recent} retries in 9 s up to ${atMs}, ${requests} requests in 10 s`);
  }
}

function judgeBreaker(
  source: string,
  own: readonly Attempt[],
  moves: readonly CircuitMove[],
  report: WireCircumstances['report'],
): void {
  const illegal = (text: string) => report('illegal move of a breaker', `${source}: ${text}`);
  const seen = new Set<string>();
  const firsts = own.filter((attempt) => {
    const text = textOf(attempt);
    const isFirst = text !== null && !seen.has(text);
    if (text !== null) seen.add(text);
    return isFirst;
  });
  let state: CircuitMove['state'] = 'closed';
  let openedMs = 0;
  let openMs = 5_000;
  for (const [index, move] of moves.entries()) {
    if (!LEGAL.has(`${state}>${move.state}`)) illegal(`${state} to ${move.state} at ${move.atMs}`);
    const nextMs = moves[index + 1]?.atMs ?? Infinity;
    switch (move.state) {
      case 'open': {
        openMs = state === 'half-open' ? Math.min(openMs * 2, 60_000) : 5_000;
        openedMs = move.atMs;
        // Nothing new is asked while it is open. What could not connect hides what it was; so no such thing about.
        const isPlain = own.every(
          ({ request, startMs }) => request !== null || startMs < openedMs - 15_000 || startMs > nextMs,
        );
        const late = firsts.find(({ startMs }) => startMs > openedMs && startMs < nextMs);
        if (isPlain && late !== undefined) illegal(`asked at ${late.startMs}, open since ${openedMs}`);
        break;
      }
      case 'half-open': {
        if (move.atMs - openedMs < openMs) illegal(`half-open at ${move.atMs}, open since ${openedMs} for ${openMs}`);
        const probes = firsts.filter(
          ({ startMs }) => startMs >= move.atMs && startMs < nextMs && startMs < move.atMs + 60_000,
        );
        const overlapping = probes.filter(({ startMs }, at) => at > 0 && startMs < (probes[at - 1]?.endMs ?? 0));
        if (overlapping.length > 0) illegal(`${overlapping.length + 1} probes at once after ${move.atMs}`);
        if (moves[index + 1]?.state === 'closed') {
          const [probe] = own.filter(({ startMs }) => startMs >= move.atMs && startMs < nextMs).slice(-1);
          if (probe !== undefined && probe.wasGood === false && probe.request !== null)
            illegal(`closed at ${nextMs} by a probe that failed`);
        }
        break;
      }
      case 'closed':
        openMs = 5_000;
        break;
    }
    state = move.state;
  }
  // A call is three attempts at most: a bot challenge, the portal's other address, a retry. So many failed ones in a row
  // are ten failed calls, and unless as many went well in the half minute before, that must open it.
  const inARow = 30;
  for (let at = inARow - 1; at < own.length; at++) {
    const run = own.slice(at - inARow + 1, at + 1);
    const [first] = run;
    const last = run.at(-1);
    if (first === undefined || last === undefined || last.startMs - first.startMs > 20_000) continue;
    if (run.some(({ wasGood }) => wasGood !== false) || run.some(({ request }) => request === null)) continue;
    const others = own.filter(
      ({ startMs, wasGood }) => wasGood !== false && startMs > last.startMs - 45_000 && startMs <= last.startMs,
    );
    if (others.length > 10) continue;
    if (
      !moves.some(
        (move) => move.state === 'open' && move.atMs >= first.startMs - 60_000 && move.atMs <= last.startMs + 15_000,
      )
    )
      illegal(`closed after ${inARow} failures up to ${last.startMs}`);
  }
}

function judgeQuiet(source: string, own: readonly Attempt[], report: WireCircumstances['report']): void {
  for (const told of own) {
    if (told.quietMs === null || told.arrivedMs === null) continue;
    // The answer needs up to 80 ms to come back; the wait is a minute at most.
    const fromMs = told.arrivedMs + 100;
    const untilMs = told.arrivedMs + Math.min(told.quietMs, 60_000);
    const early = own.find(({ startMs }) => startMs > fromMs && startMs < untilMs);
    if (early !== undefined)
      report(
        'portal not left alone',
        `${source}: asked at ${early.startMs}, told at ${told.arrivedMs} to wait ${told.quietMs} ms`,
      );
  }
}
