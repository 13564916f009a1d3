import { createHmac } from 'node:crypto';
import type { Call, RecordFetch, RecordsFacet, RecordScan } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { Dataset, HubRecord, Queryable, RecordValue } from '@civex/model';
import type { Predicate, RecordFilter } from '@civex/query';
import { bindFilter, createPredicate, isPredicate, splitFilter, toCql2Json } from '@civex/query';
import type { AccessView, ColumnMask } from '@civex/sharing';
import { createColumnMask } from '@civex/sharing';
import type { TrustedCapability } from './lost-capabilities.ts';
import { LostCapability } from './lost-capabilities.ts';
import { createRecheck } from './recheck.ts';

/** What was read through a view, in words that do not depend on what the view leaves out. */
interface ViewMeter {
  /** Questions put to the source; a whole reading is one. */
  questions: number;
  /** Records of the view. */
  records: number;
}

/** A dataset seen through a view. Everything that is asked of its records is asked of this. */
export interface RecordView {
  /** The dataset with the columns that are there, typed as they are masked. */
  readonly dataset: Dataset;
  readonly queryables: readonly Queryable[];
  /** True when everything is there as it is. */
  readonly isOpen: boolean;
  /** Names of columns that exist and are not there. */
  readonly hidden: ReadonlySet<string>;
  /** @throws HubError `ACCESS_DENIED` for a filter that asks a masked column for a value it cannot have. */
  check(filter: RecordFilter | null): void;
  /** What has to be proven of a source before it is relied on for a filter on the view. */
  proving(filter: RecordFilter | null): RecordFilter | null;
  /** The source as it can be relied on for the view. Records read and left out count for `maxRows`. */
  through(capability: TrustedCapability, maxRows: number): SeenSource;
}

export interface SeenSource {
  readonly facet: RecordsFacet;
  readonly capability: TrustedCapability;
  readonly meter: ViewMeter;
  /**
   * The id a record is shown under: the ids inside the door are the source's own where the view lets them be, so that
   * orders and cursors are the source's, and tell of records that are left out.
   */
  readonly shownId: (id: string) => string;
  /** True when the order the source reads in tells of what is not there, so that the hub has to make one. */
  readonly hidesOrder: boolean;
  /** What the view asks of the source besides, and what of it the hub decides, as CQL2 JSON; null for nothing. */
  readonly rule: { readonly pushed: unknown; readonly residual: unknown };
}

const both = (a: RecordFilter | null, b: RecordFilter | null): RecordFilter | null =>
  a === null ? b : b === null ? a : { op: 'and', args: [a, b] };

function collect(filter: RecordFilter, into: Predicate[]): void {
  if (isPredicate(filter)) into.push(filter);
  else for (const arg of filter.args) collect(arg, into);
}

const propertiesOf = (filter: RecordFilter | null): readonly string[] => {
  const predicates: Predicate[] = [];
  if (filter !== null) collect(filter, predicates);
  return predicates.map(({ property }) => property);
};

/** A view that does not fit its dataset shows nothing. */
const unfit = (view: AccessView, dataset: Dataset, what: string, cause?: unknown): HubError =>
  new HubError(
    'ACCESS_DENIED',
    `Agreement ${view.agreement} does not fit the columns this dataset has: ${what}. Its provider has to propose a version that does.`,
    { source: dataset.source, datasetId: dataset.id },
    cause,
  );

/** One text for equal values, so that rows that look the same are the same. */
const toText = (value: RecordValue): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? { bigint: part.toString() } : part));

/**
 * @param dataset described: with queryables not null.
 * @throws HubError `ACCESS_DENIED` when the view does not fit the columns.
 */
export function createRecordView(facet: RecordsFacet, dataset: Dataset, view: AccessView): RecordView {
  const columns = dataset.queryables ?? [];
  if (view.fingerprint === '')
    return {
      dataset,
      queryables: columns,
      isOpen: true,
      hidden: new Set(),
      check: () => {},
      proving: (filter) => filter,
      through: (capability) => ({
        facet,
        capability,
        meter: { questions: 0, records: 0 },
        shownId: (id) => id,
        hidesOrder: false,
        rule: { pushed: null, residual: null },
      }),
    };

  const masks = new Map<string, ColumnMask>();
  for (const [property, mask] of view.masks) {
    const column = columns.find(({ name }) => name === property);
    // It may have come back under another name, and would be shown as it is.
    if (column === undefined) throw unfit(view, dataset, 'a column it masks is not there');
    const columnMask = createColumnMask(mask, column, view.key);
    if (columnMask === null) throw unfit(view, dataset, `a column of type ${column.type} is masked by ${mask.method}`);
    masks.set(property, columnMask);
  }
  const names = new Set(columns.map(({ name }) => name));
  if (view.properties === null && [...view.hidden].some((name) => !names.has(name)))
    throw unfit(view, dataset, 'a column it hides is not there');
  const isThere = (name: string): boolean =>
    !view.hidden.has(name) && (view.properties === null || view.properties.has(name));
  const queryables = columns
    .filter(({ name }) => isThere(name))
    .map((column): Queryable => ({ ...column, type: masks.get(column.name)?.type ?? column.type }));
  if (queryables.length === 0) throw unfit(view, dataset, 'none of the columns it gives is there');
  let rows: RecordFilter | null = null;
  try {
    rows = view.rows === null ? null : bindFilter(view.rows, columns, 'rows');
  } catch (error) {
    throw unfit(view, dataset, 'its rows are told apart by columns or values that are not there', error);
  }
  const isPlain = (name: string): boolean => isThere(name) && !masks.has(name);
  const rowColumns = propertiesOf(rows);
  const admits = createPredicate(rows);

  const digest = (text: string): string =>
    createHmac('sha256', view.key).update('civex record\0').update(`${dataset.id}\0${text}`).digest('base64url').slice(0, 22); // prettier-ignore

  /** Ids made of what is there, for one reading: the same for the same records, and none twice. */
  function createDigestIds(): (values: HubRecord['values']) => string {
    const seen = new Map<string, number>();
    return (values) => {
      const like = digest(queryables.map(({ name }) => toText(values[name] ?? null)).join('\0'));
      const before = seen.get(like) ?? 0;
      seen.set(like, before + 1);
      return before === 0 ? like : `${like}-${before}`;
    };
  }

  function see({ values: raw }: HubRecord): HubRecord['values'] {
    const values: [string, RecordValue][] = [];
    for (const { name } of queryables) {
      const value = Object.hasOwn(raw, name) ? (raw[name] ?? null) : null;
      const mask = masks.get(name);
      values.push([name, mask === undefined || value === null ? value : mask.apply(value)]);
    }
    return Object.fromEntries(values);
  }

  function through(capability: TrustedCapability, maxRows: number): SeenSource {
    const rule = splitFilter(rows, capability);
    const isWhole = rule.residual === null;
    const { recordIds, sourceOrder } = capability;
    // A digest is of everything a row says, whatever of it is there.
    const areIdsPlain = recordIds.kind === 'own' || (recordIds.kind === 'property' && isPlain(recordIds.property));
    const columnNames = new Set(columns.map(({ name }) => name));
    const isOrderPlain =
      isWhole &&
      areIdsPlain &&
      sourceOrder !== null &&
      sourceOrder.properties.every((name) => !columnNames.has(name) || isPlain(name));
    const canConjoin = rule.pushed === null || capability.connectives.and;
    const meter: ViewMeter = { questions: 0, records: 0 };
    const recheckRule = createRecheck(rule.pushed, capability);
    const pushedColumns = propertiesOf(rule.pushed);
    const neededFor = (asked: readonly string[] | null): readonly string[] => [
      ...new Set([...(asked ?? queryables.map(({ name }) => name)), ...rowColumns, ...pushedColumns]),
    ];

    /** Leaves out what is not there. @throws LostCapability when the source let through what it was asked not to. */
    const select = (records: readonly HubRecord[]): readonly HubRecord[] => {
      if (rows === null) return records;
      return records.filter((record) => {
        if (admits(record)) return true;
        const lost = recheckRule(record);
        if (lost.size > 0) throw new LostCapability(lost);
        return false;
      });
    };
    const confidential = (call: Call): Call => ({ ...call, isConfidential: true });

    const seen: RecordsFacet = {
      capability: () => seenCapability,
      async fetchWindow(_dataset, ask: RecordFetch, call) {
        meter.questions++;
        const { records, total } = await facet.fetchWindow(
          dataset,
          {
            ...ask,
            filter: both(rule.pushed, ask.filter),
            properties: neededFor(ask.properties ?? null),
            ids: (ask.ids ?? true) && areIdsPlain,
          },
          confidential(call),
        );
        // A window is asked only where the source decides which rows are there; one that fails was let through.
        const visible = select(records);
        meter.records += visible.length;
        return { records: visible.map((record) => ({ id: record.id, values: see(record) })), total };
      },
      async *scan(_dataset, ask: RecordScan, call) {
        meter.questions++;
        const isDigest = ask.ids && !areIdsPlain;
        const toDigestId = isDigest ? createDigestIds() : null;
        let read = 0;
        const scan = facet.scan(
          dataset,
          {
            ...ask,
            filter: both(rule.pushed, ask.filter),
            // A digest is of everything that is there.
            properties: neededFor(isDigest ? null : ask.properties),
            ids: ask.ids && !isDigest,
          },
          confidential(call),
        );
        for await (const batch of scan) {
          read += batch.length;
          if (read > maxRows)
            throw new HubError(
              'INPUT_TOO_COSTLY',
              `This question needs more than ${maxRows.toLocaleString('en-US')} records of one dataset read by the hub: add a condition the source can decide (see queryables.pushdown).`,
              { source: dataset.source, datasetId: dataset.id },
            );
          const visible = select(batch);
          if (visible.length === 0) continue;
          meter.records += visible.length;
          yield visible.map((record) => {
            const values = see(record);
            return { id: toDigestId === null ? record.id : toDigestId(values), values };
          });
        }
      },
      ...(facet.aggregate !== undefined && {
        aggregate: (_dataset: Dataset, ask: Parameters<NonNullable<RecordsFacet['aggregate']>>[1], call: Call) => {
          meter.questions++;
          return (
            facet.aggregate?.(dataset, { ...ask, filter: both(rule.pushed, ask.filter) }, confidential(call)) ??
            Promise.resolve(null)
          );
        },
      }),
    };

    const { aggregates } = capability;
    const seenCapability: TrustedCapability = {
      ...capability,
      grade: (predicate) => (canConjoin && isPlain(predicate.property) ? capability.grade(predicate) : 'none'),
      explain: (predicate) =>
        masks.has(predicate.property)
          ? { reason: 'MASKED', text: `"${predicate.property}" is masked, and the hub decides on the masked values.` }
          : canConjoin
            ? (capability.explain?.(predicate) ?? null)
            : { reason: 'SOURCE_CANNOT', text: 'The source can be asked one condition at a time, and the rows of the agreement are one.' }, // prettier-ignore
      sortsExactly: (property) => isOrderPlain && isPlain(property) && capability.sortsExactly(property),
      sourceOrder: isOrderPlain ? sourceOrder : null,
      scanOrder: isOrderPlain ? capability.scanOrder : 'none',
      aggregates:
        aggregates === undefined || !isOrderPlain
          ? undefined
          : {
              groups: (key) => isPlain(key.property) && aggregates.groups(key),
              measures: (measure) => isPlain(measure.property) && aggregates.measures(measure),
            },
    };
    return {
      facet: seen,
      capability: seenCapability,
      meter,
      hidesOrder: recordIds.kind === 'property' && !isPlain(recordIds.property),
      shownId: areIdsPlain && recordIds.kind === 'own' ? (id) => (id === '' ? '' : digest(id)) : (id) => id,
      rule: {
        pushed: rule.pushed === null ? null : toCql2Json(rule.pushed),
        residual: rule.residual === null ? null : toCql2Json(rule.residual),
      },
    };
  }

  return {
    dataset: { ...dataset, queryables, recordCount: null },
    queryables,
    isOpen: false,
    hidden: new Set(columns.flatMap(({ name }) => (isThere(name) ? [] : [name]))),
    check(filter) {
      const asked: Predicate[] = [];
      if (filter !== null) collect(filter, asked);
      for (const predicate of asked) {
        const mask = masks.get(predicate.property);
        if (mask === undefined || mask.admits(predicate)) continue;
        throw new HubError(
          'ACCESS_DENIED',
          `"${predicate.property}" is masked by agreement ${view.agreement}: it can only be compared with ${mask.values}.`,
          { source: dataset.source, datasetId: dataset.id },
        );
      }
    },
    proving(filter) {
      const asked: Predicate[] = [];
      if (filter !== null) collect(filter, asked);
      const plain = asked.filter(({ property }) => isPlain(property));
      return plain.length === 0 ? rows : both(rows, { op: 'and', args: plain });
    },
    through,
  };
}
