import type { RecordCapability } from '@civex/adapter-contract';
import type { PredicateOp } from '@civex/query';

/** A thing a source was caught not doing: deciding an operator, ordering, or grouping and measuring. */
export type LostOp = PredicateOp | 'sort' | 'aggregate';

/**
 * A source was caught not doing what it was relied on for. Not an error of the answer, which is computed again without
 * it (`Trust`); never leaves this package.
 */
export class LostCapability extends Error {
  readonly ops: ReadonlySet<LostOp>;
  constructor(ops: ReadonlySet<LostOp>) {
    super(`caught: ${[...ops].join(', ')}`);
    this.ops = ops;
  }
}

/** Datasets remembered; the one least recently found lying is forgotten first. */
const MAX_DATASETS = 10_000;

/** One thing a source was caught at. */
export interface LostEntry {
  readonly datasetId: string;
  readonly capability: LostOp;
  /** Wall clock, epoch milliseconds. */
  readonly sinceEpochMs: number;
}

/** What sources were caught at, by dataset, for as long as the process lives. */
export interface LostCapabilities {
  /** What a source was caught at, oldest first. */
  ofSource(source: string): readonly LostEntry[];
  of(source: string, datasetId: string): ReadonlySet<LostOp>;
  add(source: string, datasetId: string, ops: ReadonlySet<LostOp>): void;
}

export function createLostCapabilities(
  onCapabilityLost: (source: string, datasetId: string, op: string) => void,
  maxDatasets: number = MAX_DATASETS,
  now: () => number = () => 0,
): LostCapabilities {
  const lost = new Map<string, ReadonlySet<LostOp>>();
  const entries = new Map<string, readonly LostEntry[]>();
  const nothing: ReadonlySet<LostOp> = new Set();
  return {
    ofSource: (source) =>
      [...entries].flatMap(([key, list]) => (key.startsWith(`${JSON.stringify([source]).slice(0, -1)},`) ? list : [])),
    of: (source, datasetId) => lost.get(JSON.stringify([source, datasetId])) ?? nothing,
    add(source, datasetId, ops) {
      const key = JSON.stringify([source, datasetId]);
      const known = lost.get(key) ?? nothing;
      lost.delete(key);
      lost.set(key, new Set([...known, ...ops]));
      const [oldest] = lost.keys();
      if (lost.size > maxDatasets && oldest !== undefined) {
        lost.delete(oldest);
        entries.delete(oldest);
      }
      for (const op of ops) {
        if (known.has(op)) continue;
        entries.set(key, [...(entries.get(key) ?? []), { datasetId, capability: op, sinceEpochMs: now() }]);
        onCapabilityLost(source, datasetId, op);
      }
    },
  };
}

/** What a source may be relied on for, and what it was caught at. */
export interface TrustedCapability extends RecordCapability {
  readonly isSortLost?: boolean;
  readonly isAggregateLost?: boolean;
}

/** The capability without what the source was caught at. */
export function withoutLost(capability: RecordCapability, lost: ReadonlySet<LostOp>): TrustedCapability {
  if (lost.size === 0) return capability;
  return {
    grade: (predicate) => (lost.has(predicate.op) ? 'none' : capability.grade(predicate)),
    connectives: capability.connectives,
    explain: (predicate) =>
      lost.has(predicate.op)
        ? { reason: 'LOST', text: `The source was caught not deciding ${predicate.op} as it was asked.` }
        : (capability.explain?.(predicate) ?? null),
    isSortLost: lost.has('sort'),
    sortsExactly: (property) => !lost.has('sort') && capability.sortsExactly(property),
    recordIds: capability.recordIds,
    sourceOrder: capability.sourceOrder,
    maxPageSize: capability.maxPageSize,
    maxWindow: capability.maxWindow,
    scanOrder: capability.scanOrder,
    isAggregateLost: lost.has('aggregate'),
    ...(capability.aggregates !== undefined && !lost.has('aggregate') && { aggregates: capability.aggregates }),
  };
}
