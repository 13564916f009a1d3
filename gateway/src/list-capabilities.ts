import { createCallTrace } from '@civex/adapter-contract';
import { isHubError } from '@civex/errors';
import type { Dataset, QueryableType } from '@civex/model';
import { createCall } from './context.ts';
import type { HubContext, LocalSource } from './context.ts';
import { specimens } from './describe-pushdown.ts';

/** How a source decides one operator on one type of property. */
export interface SourceCapability {
  readonly source: string;
  /** The dataset that shows it. */
  readonly dataset: string;
  readonly type: QueryableType;
  /** In the words of `FilterInput`. */
  readonly operator: string;
  readonly grade: 'exact' | 'inexact' | 'none';
  /**
   * Of what is claimed `exact`: shown by a probe, refuted by one, or not shown, because there were no data to show it with
   * or the portal failed. Null for other grades.
   */
  readonly evidence: 'proven' | 'refuted' | 'unknown' | null;
}

export interface SourceCapabilities {
  readonly source: string;
  readonly adapter: string;
  readonly capabilities: readonly SourceCapability[];
  /** One of our error codes when the source could not be looked at. */
  readonly error: string | null;
}

/** Datasets looked at for columns of every type, and how many of them are asked for their columns. */
const MOST_DATASETS = 50;
const MOST_DESCRIBED = 5;

/** Looks at datasets of a source until each type of property was seen, and probes what is claimed exact. */
export async function listCapabilities(source: LocalSource, context: HubContext): Promise<SourceCapabilities> {
  const { adapter, info } = source;
  const base = { source: info.source, adapter: info.kind };
  const facet = adapter.records;
  if (facet === undefined) return { ...base, capabilities: [], error: null };
  const call = createCall(context, createCallTrace());
  const found = new Map<QueryableType, readonly SourceCapability[]>();
  try {
    const { items } = await adapter.catalog.list(
      { size: Math.min(MOST_DATASETS, adapter.catalog.maxPageSize), after: null, search: null },
      call,
    );
    let described = 0;
    for (const item of items) {
      let dataset: Dataset = item;
      if (item.recordsState === 'undescribed') {
        if (described++ >= MOST_DESCRIBED) continue;
        const queryables = (await facet.describe?.(item, call)) ?? null;
        dataset = { ...item, recordsState: queryables === null ? 'none' : 'described', queryables };
      }
      if (dataset.queryables === null) continue;
      const capability = context.services.door.claims({ facet, dataset });
      for (const queryable of dataset.queryables) {
        const { type } = queryable;
        // A type whose claims could not be shown is looked for again in the next dataset.
        if (found.get(type)?.every(({ evidence }) => evidence !== 'unknown') === true) continue;
        const rows: SourceCapability[] = [];
        for (const [operator, predicate] of specimens(queryable)) {
          const grade = capability.grade(predicate);
          const evidence =
            grade === 'exact' ? await context.services.door.prove({ facet, dataset }, predicate, call) : null;
          rows.push({ source: info.source, dataset: dataset.id, type, operator, grade, evidence });
        }
        found.set(type, rows);
      }
    }
    return { ...base, capabilities: [...found.values()].flat(), error: null };
  } catch (error) {
    if (!isHubError(error)) throw error;
    return { ...base, capabilities: [...found.values()].flat(), error: error.code };
  }
}
