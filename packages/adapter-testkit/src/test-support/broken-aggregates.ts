import type { Call, RecordsFacet, SourceAdapter, SourceGroup } from '@civex/adapter-contract';

type Break = (adapter: SourceAdapter) => SourceAdapter;

const records =
  (change: (right: RecordsFacet) => Partial<RecordsFacet>): Break =>
  (adapter) => ({ ...adapter, records: { ...adapter.records!, ...change(adapter.records!) } });

const grouping = (change: (groups: readonly SourceGroup[]) => readonly SourceGroup[]): Break =>
  records((right) => ({
    async aggregate(dataset, ask, call) {
      const groups = (await right.aggregate?.(dataset, ask, call)) ?? null;
      return groups === null ? null : change(groups);
    },
  }));

/** The same call, deaf to its signal. */
const deaf = (call: Call): Call => ({ ...call, signal: new AbortController().signal });

const GROUPS = 'the groups of a source are those the hub would make of its records';
const DOOR = 'an aggregate through the door is that of the records of the portal';

/** One fault each, in front of an adapter that is right, and the one check that finds it. */
export const brokenAggregates: readonly (readonly [string, Break, string])[] = [
  [
    'drops the group of the records without a value',
    grouping((groups) => groups.filter(({ keys }) => !keys.includes(null))),
    GROUPS,
  ],
  ['hands out ten groups at most', grouping((groups) => groups.slice(0, 10)), GROUPS],
  [
    'makes two groups of one',
    grouping(([first, ...rest]) =>
      first === undefined || first.count < 2 || first.measures.length > 0
        ? [...(first === undefined ? [] : [first]), ...rest]
        : [{ ...first, count: 1 }, { ...first, count: first.count - 1 }, ...rest],
    ),
    GROUPS,
  ],
  [
    'counts records instead of values',
    grouping((groups) =>
      groups.map((group) => ({
        ...group,
        measures: group.measures.map((value) =>
          typeof value === 'number' && Number.isInteger(value) && value < group.count ? group.count : value,
        ),
      })),
    ),
    GROUPS,
  ],
  [
    'groups all records whatever the filter',
    records((right) => ({
      aggregate: async (dataset, ask, call) =>
        (await right.aggregate?.(dataset, { ...ask, filter: null }, call)) ?? null,
    })),
    GROUPS,
  ],
  [
    'loses the last record of a batch when few values and no ids are needed',
    records((right) => ({
      async *scan(dataset, ask, call) {
        for await (const batch of right.scan(dataset, ask, call))
          yield ask.ids || ask.properties === null ? batch : batch.slice(0, -1);
      },
    })),
    DOOR,
  ],
  [
    'aggregates for a call that was aborted',
    records((right) => ({
      aggregate: async (dataset, ask, call) =>
        (await right.aggregate?.(dataset, ask, call.signal.aborted ? deaf(call) : call)) ?? null,
    })),
    'aggregate rejects when its call was aborted before',
  ],
  [
    'aggregates on when aborted',
    records((right) => ({
      async aggregate(dataset, ask, call) {
        call.signal.throwIfAborted();
        return (await right.aggregate?.(dataset, ask, deaf(call))) ?? null;
      },
    })),
    'aggregate rejects when its call is aborted while the portal hangs',
  ],
];
