import type { Call, RecordsFacet, SourceAdapter } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { Dataset, Queryable } from '@civex/model';
import type { FilterInput, RecordFilter } from '@civex/query';
import { bindFilter, parseCql2Text, suggestName } from '@civex/query';
import type { AccessView } from '@civex/sharing';
import type { RecordView, SeenSource } from './record-view.ts';
import { createRecordView } from './record-view.ts';
import type { Trust } from './trust.ts';

/** What every question about the records of one dataset consists of, as the caller wrote it. */
export interface RecordQuestion {
  readonly adapter: SourceAdapter;
  /** A dataset of that adapter. */
  readonly dataset: Dataset;
  /** `FilterInput` as the caller wrote it. With `cql` both must hold. */
  readonly filter: FilterInput | null;
  /** CQL2 text as the caller wrote it. */
  readonly cql: string | null;
  /** What the caller sees of the dataset: the question is put to this, never to the dataset behind it. */
  readonly view: AccessView;
}

/** A question whose names and values were held against the columns that are there for its caller. */
export interface BoundQuestion {
  /** Described, with the columns that are there. */
  readonly dataset: Dataset;
  readonly queryables: readonly Queryable[];
  readonly filter: RecordFilter | null;
  readonly view: RecordView;
  readonly access: AccessView;
  /** The dataset behind the view, and what has to be proven of it. For `answerThrough` alone. */
  readonly source: {
    readonly facet: RecordsFacet;
    readonly dataset: Dataset;
    readonly filter: RecordFilter | null;
  };
}

/** A bound question and where its records come from: the source as the view lets it be seen. */
export interface SeenQuestion extends BoundQuestion {
  readonly facet: RecordsFacet;
}

/** What a record is reckoned to be, for `Call.pace`. */
export const RECORD_BYTES = 200;

export const factsOf = (dataset: Dataset): { readonly source: string; readonly datasetId: string } => ({
  source: dataset.source,
  datasetId: dataset.id,
});

async function describeColumns(
  { adapter, dataset }: Pick<RecordQuestion, 'adapter' | 'dataset'>,
  call: Call,
): Promise<readonly Queryable[] | null> {
  switch (dataset.recordsState) {
    case 'none':
      return null;
    case 'described':
      return dataset.queryables;
    case 'undescribed':
      return (await adapter.records?.describe?.(dataset, call)) ?? null;
  }
}

/** The asked queryables in the dataset's order. @throws HubError `INPUT_INVALID` for an unknown or repeated name. */
export function bindProperties(
  properties: readonly string[] | null,
  queryables: readonly Queryable[],
  dataset: Dataset,
): readonly Queryable[] {
  if (properties === null) return queryables;
  const names = new Set(queryables.map(({ name }) => name));
  const asked = new Set<string>();
  for (const [index, property] of properties.entries()) {
    if (!names.has(property)) {
      const near = suggestName(property, names);
      const hint = near === null ? '' : `: did you mean "${near}"`;
      throw new HubError(
        'INPUT_INVALID',
        `properties[${index}]: unknown property "${property.slice(0, 80)}"${hint}.`,
        factsOf(dataset),
      );
    }
    if (asked.has(property))
      throw new HubError('INPUT_INVALID', `properties[${index}]: "${property}" is named twice.`, factsOf(dataset));
    asked.add(property);
  }
  return queryables.filter(({ name }) => asked.has(name));
}

function bindFilters({ filter, cql }: RecordQuestion, queryables: readonly Queryable[]): RecordFilter | null {
  const structured = filter === null ? null : bindFilter(filter, queryables);
  const text = cql === null ? null : parseCql2Text(cql, queryables);
  if (structured !== null && text !== null) return { op: 'and', args: [structured, text] };
  return structured ?? text;
}

/**
 * Binds a part of a question to the columns that are there.
 *
 * @throws HubError `ACCESS_DENIED` when it needs one that is hidden, before anything is read; whatever `bind` throws.
 */
export function bindToView<T>(
  { view, access, source }: Pick<BoundQuestion, 'view' | 'access' | 'source'>,
  bind: (queryables: readonly Queryable[]) => T,
): T {
  try {
    return bind(view.queryables);
  } catch (error) {
    if (view.hidden.size === 0) throw error;
    const hidden = source.dataset.queryables?.filter(({ name }) => view.hidden.has(name)) ?? [];
    try {
      bind([...view.queryables, ...hidden]);
    } catch {
      // Wrong with every column in sight, too.
      throw error;
    }
    throw new HubError(
      'ACCESS_DENIED',
      `This question uses a column that agreement ${access.agreement} hides. Dataset.access.hiddenProperties names them.`,
      factsOf(source.dataset),
    );
  }
}

/**
 * Answers a bound question with the source as it can be relied on, seen through the question's view.
 *
 * @param maxRows records read for it at most, those that are left out included.
 */
export function answerThrough<T>(
  question: BoundQuestion,
  trust: Trust,
  maxRows: number,
  attempt: (seen: SeenSource, question: SeenQuestion) => Promise<T>,
  call: Call,
): Promise<T> {
  return trust.answer(
    question.source,
    (capability) => {
      const seen = question.view.through(capability, maxRows);
      return attempt(seen, { ...question, facet: seen.facet });
    },
    // Probes look at records, too.
    question.view.isOpen ? call : { ...call, isConfidential: true },
  );
}

/** @throws HubError `INPUT_TOO_COSTLY` when more is asked at once than the agreement gives. */
export function checkFirst(first: number, { agreement, maxRecords }: AccessView, dataset: Dataset): void {
  if (maxRecords !== null && first > maxRecords)
    throw new HubError(
      'INPUT_TOO_COSTLY',
      `first: agreement ${agreement} gives at most ${maxRecords.toLocaleString('en-US')} records for one request.`,
      factsOf(dataset),
    );
}

/** The records of a dataset as a caller sees them; null when it has none that can be queried. @throws HubError of the view and the adapter. */
export async function openView(
  question: Pick<RecordQuestion, 'adapter' | 'dataset' | 'view'>,
  call: Call,
): Promise<{ readonly target: Pick<BoundQuestion['source'], 'facet' | 'dataset'>; readonly view: RecordView } | null> {
  const { adapter, dataset } = question;
  const facet = adapter.records;
  const queryables = facet === undefined ? null : await describeColumns(question, call);
  if (facet === undefined || queryables === null || queryables.length === 0) return null;
  const target = { facet, dataset: { ...dataset, recordsState: 'described' as const, queryables } };
  return { target, view: createRecordView(facet, target.dataset, question.view) };
}

/**
 * Holds a question against the columns of its dataset, asking the source for them when its catalog does not carry them.
 *
 * @throws HubError `CAPABILITY_MISSING` for a dataset without queryable records; `INPUT_INVALID` and
 * `INPUT_TOO_COSTLY` of the filter; `ACCESS_DENIED` of the view; SOURCE_* of the adapter.
 */
export async function bindQuestion(question: RecordQuestion, call: Call): Promise<BoundQuestion> {
  const opened = await openView(question, call);
  if (opened === null)
    throw new HubError('CAPABILITY_MISSING', 'This dataset has no queryable records.', factsOf(question.dataset));
  const { target, view } = opened;
  const access = question.view;
  const filter = bindToView({ view, access, source: { ...target, filter: null } }, (columns) =>
    bindFilters(question, columns),
  );
  view.check(filter);
  return {
    dataset: view.dataset,
    queryables: view.queryables,
    filter,
    view,
    access,
    source: { ...target, filter: view.proving(filter) },
  };
}
