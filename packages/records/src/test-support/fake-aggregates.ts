import type { RecordCapability, RecordsFacet, SourceGroup } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { HubRecord, RecordValue } from '@civex/model';
import { referenceAggregate } from './aggregate-reference.ts';
import type { FakeSource } from './fake-source.ts';
import { createAdapter } from './fake-source.ts';
import { referenceTruth } from './reference.ts';

/** What the fake portal aggregates, and declares. */
export interface FakeAggregates {
  /** Properties it groups by, by value and by unit of time. */
  readonly groups: readonly string[];
  /** Properties it measures. */
  readonly measures: readonly string[];
  /** Groups of one answer at most; one that has as many is given up. */
  readonly window: number;
}

/** What the fake portal does against its word. Each alone must lead to the right answer or to an error. */
export type AggregateLie =
  | 'caps groups silently'
  | 'drops the null group'
  | 'counts one group wrongly'
  | 'folds the case of texts'
  | 'splits a group in two'
  | 'ignores the filter'
  | 'refuses to group';

/** Whole numbers as a portal has them that reckons in doubles. */
const throughDouble = (value: RecordValue): RecordValue =>
  typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;

function tell(groups: readonly SourceGroup[], lie: AggregateLie | null): readonly SourceGroup[] {
  const [first, ...rest] = groups;
  if (first === undefined) return groups;
  switch (lie) {
    case 'caps groups silently':
      return groups.slice(0, Math.max(1, Math.floor(groups.length / 2)));
    case 'drops the null group':
      return groups.filter(({ keys }) => keys.length === 0 || !keys.includes(null));
    case 'counts one group wrongly':
      return [{ ...first, count: first.count + 1 }, ...rest];
    case 'splits a group in two':
      return first.count < 2 ? groups : [{ ...first, count: 1 }, { ...first, count: first.count - 1 }, ...rest];
    case 'folds the case of texts': {
      const folded = new Map<string, SourceGroup>();
      for (const group of groups) {
        const keys = group.keys.map((key) => (typeof key === 'string' ? key.toLowerCase() : key));
        const id = JSON.stringify(keys);
        folded.set(id, { ...group, keys, count: group.count + (folded.get(id)?.count ?? 0) });
      }
      return [...folded.values()];
    }
    case 'ignores the filter':
    case 'refuses to group':
    case null:
      return groups;
  }
}

/** The source with a portal that aggregates; `rows` are those of the source. */
export function withAggregates(
  source: FakeSource,
  rows: readonly HubRecord[],
  { groups, measures, window }: FakeAggregates,
  lie: AggregateLie | null = null,
): FakeSource & { readonly asked: { count: number } } {
  const right = source.adapter.records!;
  const asked = { count: 0 };
  const select = (filter: Parameters<typeof referenceTruth>[0] | null): readonly HubRecord[] =>
    rows.filter((row) => filter === null || lie === 'ignores the filter' || referenceTruth(filter, row) === true);
  const facet: RecordsFacet = {
    ...right,
    capability: (dataset): RecordCapability => ({
      ...right.capability(dataset),
      aggregates: {
        groups: ({ property }) => groups.includes(property),
        measures: ({ op, property }) => measures.includes(property) && (op !== 'SUM' || property === 'i'),
      },
    }),
    async aggregate(_dataset, ask, call) {
      call.signal.throwIfAborted();
      asked.count++;
      source.served.requests++;
      call.trace.requests++;
      call.trace.portalQueries.push(`groups ${ask.groupBy.length}`);
      for (const { property } of ask.groupBy)
        if (!groups.includes(property)) throw new Error(`grouped by ${property}, which is not declared`);
      for (const { op, property } of ask.measures)
        if (!measures.includes(property)) throw new Error(`measured ${op} of ${property}, which is not declared`);
      if (lie === 'refuses to group') throw new HubError('SOURCE_REJECTED', 'Refused.');
      const made = referenceAggregate(select(ask.filter), {
        // Smaller units than asked for: days, hours for an hour; instants cannot be told apart by a portal's calendar.
        groupBy: ask.groupBy.map(({ property, every, timeZone }) =>
          every === null ? { property } : { property, every: every === 'HOUR' ? every : 'DAY', timeZone },
        ),
        measures: [
          { as: 'n', op: 'COUNT' },
          ...ask.measures.map(({ op, property }, index) => ({ as: `m${index}`, op, property })),
        ],
        sortBy: [],
      }).map(({ key, measures: values }): SourceGroup => ({
        keys: ask.groupBy.map(({ property }) => key[property] ?? null).map(throughDouble),
        count: Number(values['n']),
        measures: ask.measures.map(({ property }, index) =>
          property === 's' ? (values[`m${index}`] ?? null) : throughDouble(values[`m${index}`] ?? null),
        ),
      }));
      return made.length >= window ? null : tell(made, lie);
    },
    // What a portal that ignores its filter answers, it answers everywhere.
    ...(lie === 'ignores the filter' && {
      fetchWindow: (dataset, ask, call) => right.fetchWindow(dataset, { ...ask, filter: null }, call),
      scan: (dataset, ask, call) => right.scan(dataset, { ...ask, filter: null }, call),
    }),
  };
  return { ...source, adapter: createAdapter(facet), asked };
}
