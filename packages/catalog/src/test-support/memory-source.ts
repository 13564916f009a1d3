import type { Visibility } from '../read-slice.ts';
import type { CatalogPage, SourceAdapter } from '@civex/adapter-contract';
import { createCallTrace } from '@civex/adapter-contract';
import type { Call } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import { encodeDatasetId } from '@civex/model';
import type { Dataset, Queryable } from '@civex/model';

/** Nothing is left out. */
export const EVERYTHING: Visibility = { disclose: (dataset) => dataset, mayConceal: false };

export function createTestCall(): Call {
  return { signal: new AbortController().signal, deadlineEpochMs: 1_000, requestId: 'r', trace: createCallTrace() };
}

export function createDataset(source: string, localId: string, changes: Partial<Dataset> = {}): Dataset {
  return {
    id: encodeDatasetId({ source, localId }),
    source,
    localId,
    identifier: null,
    titles: { und: localId },
    descriptions: {},
    keywords: [],
    themes: [],
    publisher: null,
    contactPoint: null,
    license: { status: 'NOT_STATED', id: null, uri: null, title: null, raw: null, family: null },
    accessRights: 'PUBLIC',
    issued: null,
    modified: null,
    accrualPeriodicity: null,
    languages: [],
    spatial: null,
    temporal: null,
    landingPage: null,
    distributions: [],
    recordsState: 'none',
    queryables: null,
    recordCount: null,
    raw: {},
    ...changes,
  };
}

export function createQueryable(name: string, type: Queryable['type']): Queryable {
  return { name, titles: {}, descriptions: {}, type, unit: null };
}

export interface MemorySource extends SourceAdapter {
  /** `size` of every page asked, in order. */
  readonly asked: number[];
  /** Local ids whose columns were asked, in order. */
  readonly described: string[];
}

export interface MemorySourceOptions {
  /** Default 100. */
  readonly maxPageSize?: number;
  /** How many datasets page `n` holds when `size` were asked for; at least 0. Default `size`. */
  readonly fill?: (size: number, n: number) => number;
  /** What the source claims as total. Default: the truth. */
  readonly total?: number | null;
  /** Rejects the page `n` (from 0). */
  readonly fault?: (n: number) => HubError | null;
  /** Columns of undescribed datasets. Default: none has records. */
  readonly columns?: (dataset: Dataset) => readonly Queryable[] | null | HubError;
}

/** A portal in memory that lists in the order given and searches titles by plain containment. */
export function createMemorySource(
  source: string,
  datasets: readonly Dataset[],
  options: MemorySourceOptions = {},
): MemorySource {
  const asked: number[] = [];
  const described: string[] = [];
  return {
    info: { source, kind: 'memory', title: source, homepage: null, country: null, region: null, languages: [] },
    asked,
    described,
    catalog: {
      maxPageSize: options.maxPageSize ?? 100,
      maxBatchKeys: 1,
      list({ size, after, search }): Promise<CatalogPage> {
        const n = asked.length;
        asked.push(size);
        const fault = options.fault?.(n) ?? null;
        if (fault !== null) return Promise.reject(fault);
        const hits = datasets.filter(({ titles }) => search === null || Object.values(titles).join().includes(search));
        const start = after === null ? 0 : Number(after);
        if (!Number.isInteger(start) || start > hits.length)
          return Promise.reject(new HubError('INPUT_INVALID', 'not a cursor', { source }));
        const items = hits.slice(start, start + (options.fill?.(size, n) ?? size));
        const end = start + items.length;
        return Promise.resolve({
          items,
          cursors: items.map((_, index) => String(start + index + 1)),
          next: end < hits.length ? String(end) : null,
          total: options.total === undefined ? hits.length : options.total,
        });
      },
      getMany: (ids) => Promise.resolve(ids.map(() => null)),
    },
    records: {
      describe(dataset) {
        described.push(dataset.localId);
        const columns = options.columns?.(dataset) ?? null;
        return columns instanceof HubError ? Promise.reject(columns) : Promise.resolve(columns);
      },
      capability: () => {
        throw new Error('nobody asks for records here');
      },
      fetchWindow: () => Promise.reject(new Error('nobody asks for records here')),
      async *scan() {},
    },
    checkHealth: () => Promise.reject(new Error('nobody asks for health here')),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
