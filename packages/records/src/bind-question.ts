import type { Call, RecordsFacet, SourceAdapter } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { Dataset, Queryable } from '@civex/model';
import type { FilterInput, RecordFilter } from '@civex/query';
import { bindFilter, parseCql2Text, suggestName } from '@civex/query';

/** What every question about the records of one dataset consists of, as the caller wrote it. */
export interface RecordQuestion {
  readonly adapter: SourceAdapter;
  /** A dataset of that adapter. */
  readonly dataset: Dataset;
  /** `FilterInput` as the caller wrote it. With `cql` both must hold. */
  readonly filter: FilterInput | null;
  /** CQL2 text as the caller wrote it. */
  readonly cql: string | null;
}

/** A question whose names and values were held against the columns of its dataset. */
export interface BoundQuestion {
  readonly facet: RecordsFacet;
  /** Described: with queryables not null. */
  readonly dataset: Dataset;
  readonly queryables: readonly Queryable[];
  readonly filter: RecordFilter | null;
}

export const factsOf = (dataset: Dataset): { readonly source: string; readonly datasetId: string } => ({
  source: dataset.source,
  datasetId: dataset.id,
});

async function describeColumns({ adapter, dataset }: RecordQuestion, call: Call): Promise<readonly Queryable[] | null> {
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
 * Holds a question against the columns of its dataset, asking the source for them when its catalog does not carry them.
 *
 * @throws HubError `CAPABILITY_MISSING` for a dataset without queryable records; `INPUT_INVALID` and
 * `INPUT_TOO_COSTLY` of the filter; SOURCE_* of the adapter.
 */
export async function bindQuestion(question: RecordQuestion, call: Call): Promise<BoundQuestion> {
  const { adapter, dataset } = question;
  const facet = adapter.records;
  const queryables = facet === undefined ? null : await describeColumns(question, call);
  if (facet === undefined || queryables === null || queryables.length === 0)
    throw new HubError('CAPABILITY_MISSING', 'This dataset has no queryable records.', factsOf(dataset));
  return {
    facet,
    dataset: { ...dataset, recordsState: 'described', queryables },
    queryables,
    filter: bindFilters(question, queryables),
  };
}
