import { createCallTrace } from '@civex/adapter-contract';
import type { Call } from '@civex/adapter-contract';
import { HubError, isHubError } from '@civex/errors';
import type { Dataset, Geometry, HubRecord, LangText, Queryable, RecordValue } from '@civex/model';
import type { FilterInput, SortInput } from '@civex/query';
import { OPEN_VIEW } from '@civex/records';
import type { AccessView, AggregateResult, RecordPlanReport, RecordResult } from '@civex/records';
import type { GraphQLResolveInfo } from 'graphql';
import type { AggregateArgs } from './aggregate-result.ts';
import { createAggregateResult, NO_GROUPS, NO_PLAN } from './aggregate-result.ts';
import { createCall } from './context.ts';
import type { HubContext, LocalSource } from './context.ts';
import { reportPartial } from './partial-errors.ts';
import { describePushdown } from './describe-pushdown.ts';
import { recallProjection, rememberProjection } from './projection.ts';
import { createSourceReport, toTimestamp } from './source-report.ts';
import type { SourceReport } from './source-report.ts';

/*
 * What GraphQL reads from: one class per type with behaviour, plain objects for the rest. Methods take the field's
 * arguments and the context, which is how graphql-js calls them without any resolver, so the source schema and the
 * fast lane of the public schema read the very same objects and cannot disagree.
 */

/** The asked language where the source has it (exactly, or another region of it), else the source's first. */
function pickLanguage(texts: LangText, lang: string | null | undefined): string | null {
  if (lang != null) {
    const wanted = lang.toLowerCase();
    const exact = Object.hasOwn(texts, wanted) ? texts[wanted] : undefined;
    if (exact !== undefined) return exact;
    const [primary] = wanted.split('-');
    for (const [tag, text] of Object.entries(texts)) if (tag.split('-')[0] === primary) return text;
  }
  for (const text of Object.values(texts)) return text;
  return null;
}

interface LangArgs {
  readonly lang?: string | null;
}

class QueryableNode {
  readonly name: string;
  readonly type: string;
  readonly unit: string | null;
  readonly pushdown: Readonly<Record<string, readonly string[]>>;
  readonly #queryable: Queryable;

  constructor(queryable: Queryable, pushdown: Readonly<Record<string, readonly string[]>>) {
    this.name = queryable.name;
    this.type = queryable.type;
    this.unit = queryable.unit;
    this.pushdown = pushdown;
    this.#queryable = queryable;
  }

  title({ lang }: LangArgs): string | null {
    return pickLanguage(this.#queryable.titles, lang);
  }

  description({ lang }: LangArgs): string | null {
    return pickLanguage(this.#queryable.descriptions, lang);
  }
}

export interface Provenance {
  readonly catalog: string;
  readonly dataset: string;
  readonly publisher: string | null;
  readonly license: Dataset['license'];
  readonly modified: string | null;
  readonly fetchedAt: string;
  readonly attribution: string;
  readonly raw: Readonly<Record<string, unknown>>;
}

/**
 * What of a portal's own words is told of a dataset that is not open: those of what the hub normalised. The others name
 * its files and tables, and how large they are, which would go past an agreement.
 */
const TOLD_WORDS = ['themes', 'accrualPeriodicity', 'issued', 'modified', 'license', 'licenseUrl'] as const;

const wordsOf = ({ raw }: Dataset, isOpen: boolean): Provenance['raw'] =>
  isOpen
    ? raw
    : Object.fromEntries(TOLD_WORDS.flatMap((name) => (Object.hasOwn(raw, name) ? [[name, raw[name]]] : [])));

/** `isOpen`: nothing restricts the dataset. */
export function createProvenance(
  dataset: Dataset,
  source: LocalSource,
  fetchedAtEpochMs: number,
  isOpen: boolean,
): Provenance {
  const { license } = dataset;
  const name = dataset.titles[Object.keys(dataset.titles)[0] ?? ''] ?? dataset.localId;
  const publisher = dataset.publisher?.name ?? source.info.title;
  const terms = license.status === 'KNOWN' ? (license.title ?? license.id) : license.raw;
  return {
    catalog: source.info.source,
    dataset: dataset.id,
    publisher: dataset.publisher?.name ?? null,
    license,
    modified: dataset.modified,
    fetchedAt: toTimestamp(fetchedAtEpochMs),
    attribution: `${name}, ${publisher} (${source.info.title}), ${terms === null ? 'licence not stated' : terms}`,
    raw: wordsOf(dataset, isOpen),
  };
}

interface RecordsArgs {
  readonly filter?: FilterInput | null;
  readonly cql?: string | null;
  readonly properties?: readonly string[] | null;
  readonly sortBy?: readonly SortInput[] | null;
  readonly first: number;
  readonly after?: string | null;
}

/** What a record is reckoned to be before it is there. */
const RECORD_BYTES = 200;

class RecordNode {
  readonly id: string;
  readonly values: Readonly<Record<string, RecordValue>>;
  readonly geometry: Geometry | null;

  constructor(record: HubRecord, geometry: Geometry | null) {
    this.id = record.id;
    this.values = record.values;
    this.geometry = geometry;
  }

  value({ property }: { readonly property: string }): RecordValue {
    const value = Object.hasOwn(this.values, property) ? this.values[property] : undefined;
    if (value === undefined)
      throw new HubError(
        'INPUT_INVALID',
        `value: "${property.slice(0, 80)}" is not among the properties of this answer.`,
      );
    return value;
  }
}

function createRecordConnection(result: RecordResult, source: SourceReport, provenance: Provenance): object {
  const nodes = result.records.map(({ record, geometry }) => new RecordNode(record, geometry));
  return {
    nodes,
    edges: () => result.records.map(({ cursor }, index) => ({ node: nodes[index], cursor })),
    pageInfo: { hasNextPage: result.hasNextPage, endCursor: result.endCursor },
    totalCount: result.totalCount,
    totalIsExact: result.totalIsExact,
    plan: result.plan,
    source,
    provenance,
  };
}

/** True for what a portal failed to do; false for what the caller got wrong, or we did. */
export function isSourceFailure(error: unknown): error is HubError {
  return isHubError(error) && (error.code.startsWith('SOURCE_') || error.code === 'CAPABILITY_MISSING');
}

/** Records that came twice were dropped, and others may be missing in their place: the answer is not known to be whole. */
const shortcomingOf = ({ duplicates }: RecordResult): HubError | null =>
  duplicates === 0
    ? null
    : new HubError(
        'SOURCE_MALFORMED',
        `The source returned ${duplicates.toLocaleString('en-US')} record(s) again while it was read. They were dropped; others may be missing.`,
      );

const NO_RECORDS: RecordResult = {
  records: [],
  hasNextPage: false,
  endCursor: null,
  totalCount: null,
  totalIsExact: false,
  duplicates: 0,
  plan: NO_PLAN,
};

export class DatasetNode {
  readonly #dataset: Dataset;
  readonly #source: LocalSource;
  readonly #fetchedAtEpochMs: number;

  constructor(dataset: Dataset, source: LocalSource, fetchedAtEpochMs: number) {
    this.#dataset = dataset;
    this.#source = source;
    this.#fetchedAtEpochMs = fetchedAtEpochMs;
  }

  /** See projection.ts. */
  recall(selection: object): object | undefined {
    return recallProjection(this.#dataset, selection);
  }

  remember(selection: object, made: object): void {
    rememberProjection(this.#dataset, selection, made);
  }

  get id(): string {
    return this.#dataset.id;
  }
  /** The hub resolves everything else of a catalog by its id. */
  get catalog(): { readonly id: string } {
    return { id: this.#source.info.source };
  }
  get identifier(): string | null {
    return this.#dataset.identifier;
  }
  title({ lang }: LangArgs): string {
    return pickLanguage(this.#dataset.titles, lang) ?? this.#dataset.localId;
  }
  description({ lang }: LangArgs): string | null {
    return pickLanguage(this.#dataset.descriptions, lang);
  }
  get titles(): LangText {
    return this.#dataset.titles;
  }
  get keywords(): readonly string[] {
    return this.#dataset.keywords;
  }
  get themes(): readonly string[] {
    return this.#dataset.themes;
  }
  get publisher(): Dataset['publisher'] {
    return this.#dataset.publisher;
  }
  get contactPoint(): Dataset['contactPoint'] {
    return this.#dataset.contactPoint;
  }
  get license(): Dataset['license'] {
    return this.#dataset.license;
  }
  get accessRights(): Dataset['accessRights'] {
    return this.#dataset.accessRights;
  }
  get issued(): string | null {
    return this.#dataset.issued;
  }
  get modified(): string | null {
    return this.#dataset.modified;
  }
  get accrualPeriodicity(): string | null {
    return this.#dataset.accrualPeriodicity;
  }
  get languages(): readonly string[] {
    return this.#dataset.languages;
  }
  get spatial(): Dataset['spatial'] {
    return this.#dataset.spatial;
  }
  get temporal(): Dataset['temporal'] {
    return this.#dataset.temporal;
  }
  get landingPage(): string | null {
    return this.#dataset.landingPage;
  }
  get distributions(): Dataset['distributions'] {
    return this.#dataset.distributions;
  }
  get recordCount(): number | null {
    return this.#dataset.recordCount;
  }
  provenance(_: unknown, context: HubContext): Provenance {
    return this.#provenanceAt(this.#fetchedAtEpochMs, context);
  }

  #provenanceAt(fetchedAtEpochMs: number, { access }: HubContext): Provenance {
    const isOpen = access.restrictionOf(this.#dataset) === null;
    return createProvenance(this.#dataset, this.#source, fetchedAtEpochMs, isOpen);
  }

  queryables(
    _: unknown,
    context: HubContext,
  ): readonly QueryableNode[] | null | Promise<readonly QueryableNode[] | null> {
    const { recordsState } = this.#dataset;
    if (recordsState === 'none') return null;
    if (context.access.restrictionOf(this.#dataset) !== null) return this.#seenQueryables(context);
    if (recordsState === 'described') return this.#describeQueryables(this.#dataset, context);
    return this.#described(context).then((dataset) => this.#describeQueryables(dataset, context));
  }

  /** Those of a dataset that is not open: as the caller sees them, or, to whom only its description is shown, as they are. */
  async #seenQueryables(context: HubContext): Promise<readonly QueryableNode[] | null> {
    const view = (await context.access.describe(this.#dataset)) ?? OPEN_VIEW;
    const seen = await context.services.door.columns(
      { adapter: this.#source.adapter, dataset: this.#dataset, view },
      createCall(context, createCallTrace()),
    );
    if (seen === null) return null;
    return seen.queryables.map(
      (queryable) => new QueryableNode(queryable, describePushdown(queryable, seen.capability)),
    );
  }

  async #described(context: HubContext): Promise<Dataset> {
    const queryables =
      (await this.#source.adapter.records?.describe?.(this.#dataset, createCall(context, createCallTrace()))) ?? null;
    return { ...this.#dataset, recordsState: queryables === null ? 'none' : 'described', queryables };
  }

  #describeQueryables(dataset: Dataset, { services }: HubContext): readonly QueryableNode[] | null {
    const { records } = this.#source.adapter;
    if (dataset.queryables === null || records === undefined) return null;
    const capability = services.door.claims({ facet: records, dataset });
    return dataset.queryables.map((queryable) => new QueryableNode(queryable, describePushdown(queryable, capability)));
  }

  async records(args: RecordsArgs, context: HubContext, info: GraphQLResolveInfo): Promise<object> {
    await context.services.pacer.pass(args.first * RECORD_BYTES);
    const view = await context.access.view(this.#dataset, 'QUERY');
    const ask = (call: Call): Promise<RecordResult> =>
      context.services.door.query(
        {
          adapter: this.#source.adapter,
          dataset: this.#dataset,
          filter: args.filter ?? null,
          cql: args.cql ?? null,
          view,
          properties: args.properties ?? null,
          sortBy: args.sortBy ?? [],
          first: args.first,
          after: args.after ?? null,
        },
        call,
      );
    return this.#report(ask, view, NO_RECORDS, context, info, (result, report, provenance) =>
      createRecordConnection(result, report(shortcomingOf(result)), provenance),
    );
  }

  async aggregate(args: AggregateArgs, context: HubContext, info: GraphQLResolveInfo): Promise<object> {
    await context.services.pacer.pass(args.first * RECORD_BYTES);
    const view = await context.access.view(this.#dataset, 'AGGREGATE');
    const ask = (call: Call): Promise<AggregateResult> =>
      context.services.door.aggregate(
        {
          adapter: this.#source.adapter,
          dataset: this.#dataset,
          filter: args.filter ?? null,
          cql: args.cql ?? null,
          view,
          groupBy: args.groupBy ?? [],
          measures: args.measures,
          sortBy: args.sortBy ?? [],
          first: args.first,
        },
        call,
      );
    return this.#report(ask, view, NO_GROUPS, context, info, (result, report, provenance) =>
      createAggregateResult(result, report(null), provenance),
    );
  }

  /**
   * A source that fails leaves an empty answer whose `source` says FAILED, and a located error beside the data:
   * these fields are not nullable, so throwing here would take every other source's answer down with it. What the caller
   * got wrong is thrown.
   */
  async #report<T extends { readonly plan: RecordPlanReport }>(
    ask: (call: Call) => Promise<T>,
    { fingerprint }: AccessView,
    nothing: T,
    context: HubContext,
    info: GraphQLResolveInfo,
    present: (result: T, report: (shortcoming: HubError | null) => SourceReport, provenance: Provenance) => object,
  ): Promise<object> {
    const { services } = context;
    const isOpen = fingerprint === '';
    const trace = createCallTrace();
    const startedAt = services.monotonicMs();
    const report = (failure: { readonly error: unknown } | null, shortcoming: HubError | null): SourceReport => ({
      ...createSourceReport(this.#source.info.source, trace, services.monotonicMs() - startedAt, failure, shortcoming),
      // How much was read under an agreement tells how much there is besides.
      ...(isOpen ? {} : { requests: result.plan.requests }),
    });
    let result: T;
    let failure: { readonly error: unknown } | null = null;
    try {
      result = await ask(createCall(context, trace));
    } catch (error) {
      if (!isSourceFailure(error)) throw error;
      reportPartial(context, info, error);
      failure = { error };
      const { requests, portalQueries } = trace;
      const plan = isOpen
        ? { ...nothing.plan, requests, portalQuery: portalQueries }
        : { ...nothing.plan, requests: Math.min(1, requests) };
      result = { ...nothing, plan };
    }
    const provenance = this.#provenanceAt(trace.fetchedAtEpochMs ?? services.now(), context);
    return present(result, (shortcoming) => report(failure, shortcoming), provenance);
  }
}
