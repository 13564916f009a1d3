import type { RecordCapability, RecordBatch, SourceGroup, SourceMeasure } from '@civex/adapter-contract';
import type { QueryableType, RecordValue } from '@civex/model';
import type { Aggregator, BoundAggregate, GroupKey, Measure, MeasurePart } from '@civex/query';
import { compareValues, createAggregator } from '@civex/query';
import type { NotPushed } from './explain.ts';

/** What a source is asked so that the hub can put the whole aggregate together from its groups. */
export interface SourceAggregatePlan {
  readonly measures: readonly SourceMeasure[];
}

const toKey = ({ op, property }: SourceMeasure): string => `${op} ${property}`;

/** What has to be asked for one measure; null when it cannot be put together from parts. */
function partsOf({ op, property, type }: Measure): readonly SourceMeasure[] | null {
  if (property === null) return [];
  switch (op) {
    case 'COUNT':
      return [{ op, property }];
    case 'MIN':
    case 'MAX':
      return [{ op, property }];
    case 'SUM':
    case 'AVG':
      // Portals add up doubles. Extremes and count prove that no partial sum of whole numbers was rounded.
      if (type !== 'INTEGER') return null;
      return (['SUM', 'COUNT', 'MIN', 'MAX'] as const).map((part) => ({ op: part, property }));
    case 'COUNT_DISTINCT':
      return null;
  }
}

/**
 * Declined: the hub reads the records. Decides nothing about the filter, which has to be exact as a whole. Without windows
 * there would be no records to hold the groups against.
 */
export function planSourceAggregate(
  { groupBy, measures }: BoundAggregate,
  { aggregates, sourceOrder }: RecordCapability,
): SourceAggregatePlan | { readonly declined: NotPushed } {
  const cannot = (part: unknown, text: string): { readonly declined: NotPushed } => ({
    declined: { part, reason: 'SOURCE_CANNOT', text },
  });
  if (aggregates === undefined || sourceOrder === null)
    return cannot({ aggregate: true }, 'The source makes no groups that can be held against its records.');
  const key = groupBy.find((one) => !aggregates.groups(one));
  if (key !== undefined) {
    const { property, every, timeZone } = key;
    return cannot(
      { groupBy: { property, every, timeZone } },
      `The source does not tell the values of "${property}" apart as the hub does.`,
    );
  }
  const asked = new Map<string, SourceMeasure>();
  for (const measure of measures) {
    const { op, property } = measure;
    const parts = partsOf(measure);
    if (parts === null || !parts.every((part) => aggregates.measures(part)))
      return cannot({ measure: { op, property } }, `The source does not reckon ${op} of "${property ?? ''}" exactly.`);
    for (const part of parts) asked.set(toKey(part), part);
  }
  return { measures: [...asked.values()] };
}

const isCount = (value: RecordValue | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

/** A number that cannot be another one that came through doubles: beyond 2^53 their neighbours are whole numbers apart. */
const isSafeNumber = (value: RecordValue, type: QueryableType): boolean =>
  typeof value === 'number' &&
  Math.abs(value) <= Number.MAX_SAFE_INTEGER &&
  (type === 'NUMBER' || Number.isInteger(value));

const isOfType = (value: RecordValue, type: QueryableType): boolean => compareValues(value, value, type) !== null;

/** Spells a key so that equal ones are the same text. */
const keyText = (value: RecordValue): string => (typeof value === 'bigint' ? `${value}n` : JSON.stringify(value));

/**
 * `sound`: nothing speaks against it. `contradiction`: the source's answer cannot be true, whatever the records are, or
 * they changed while it was asked. `unproven`: it may be true, but a number is too large to have come through doubles
 * unharmed.
 */
type Check = 'sound' | 'contradiction' | 'unproven';
const worst = (checks: readonly Check[]): Check =>
  checks.includes('contradiction') ? 'contradiction' : checks.includes('unproven') ? 'unproven' : 'sound';

/** The measures of one group by what was asked. */
type Measured = ReadonlyMap<string, RecordValue>;

function checkKey(value: RecordValue, { type }: GroupKey): Check {
  if (value === null) return 'sound';
  if (!isOfType(value, type)) return 'contradiction';
  return (type === 'INTEGER' || type === 'NUMBER') && !isSafeNumber(value, type) ? 'unproven' : 'sound';
}

function checkProperty(property: string, type: QueryableType, count: number, measured: Measured): Check {
  const get = (op: SourceMeasure['op']): RecordValue | undefined => measured.get(toKey({ op, property }));
  const [counted, sum, min, max] = [get('COUNT'), get('SUM'), get('MIN'), get('MAX')];
  if (counted !== undefined && (!isCount(counted) || counted > count)) return 'contradiction';
  const values = typeof counted === 'number' ? counted : null;
  for (const extreme of [min, max]) {
    if (extreme === undefined) continue;
    if (extreme === null ? values !== null && values > 0 : values === 0 || !isOfType(extreme, type))
      return 'contradiction';
    if (extreme !== null && (type === 'INTEGER' || type === 'NUMBER') && !isSafeNumber(extreme, type))
      return 'unproven';
  }
  if (min != null && max != null && (compareValues(min, max, type) ?? 1) > 0) return 'contradiction';
  if (sum === undefined) return 'sound';
  if (values === null || values === 0) return sum === null || sum === 0 ? 'sound' : 'contradiction';
  if (typeof min !== 'number' || typeof max !== 'number') return 'contradiction';
  // Every partial sum lies within this, and below 2^53 doubles add whole numbers up exactly, in any order.
  if (!(Math.max(Math.abs(min), Math.abs(max)) * values < Number.MAX_SAFE_INTEGER)) return 'unproven';
  return typeof sum === 'number' && Number.isSafeInteger(sum) && sum >= min * values && sum <= max * values
    ? 'sound'
    : 'contradiction';
}

function toPart({ op, property }: Measure, count: number, measured: Measured): MeasurePart {
  const get = (part: SourceMeasure['op']): RecordValue =>
    property === null ? null : (measured.get(toKey({ op: part, property })) ?? null);
  const toNumber = (value: RecordValue): number => (typeof value === 'number' ? value : 0);
  switch (op) {
    case 'COUNT':
      return { op, count: property === null ? count : toNumber(get('COUNT')) };
    case 'SUM':
    case 'AVG': {
      const counted = toNumber(get('COUNT'));
      return { op, sum: counted === 0 ? null : toNumber(get('SUM')), count: counted };
    }
    case 'MIN':
    case 'MAX':
      return { op, value: get(op) };
    case 'COUNT_DISTINCT':
      // `partsOf` lets none through.
      return { op: 'COUNT', count: 0 };
  }
}

/** `aggregator` has gathered the groups. */
export type SourceVerdict =
  | { readonly kind: 'sound'; readonly aggregator: Aggregator }
  | { readonly kind: 'contradiction' }
  | { readonly kind: 'unproven' };

/**
 * Holds a source's groups against themselves and against a window of the same records: the groups' counts must come to
 * the number of records that match, and every record of the window must have its place among the groups. A portal that
 * cuts its groups, drops the one of the nulls or counts wrongly does not come out at the same number.
 */
export function judgeSourceGroups(
  groups: readonly SourceGroup[],
  window: RecordBatch,
  aggregate: BoundAggregate,
  asked: readonly SourceMeasure[],
): SourceVerdict {
  const { groupBy, measures } = aggregate;
  const seen = new Set<string>();
  const checks: Check[] = [];
  const aggregator = createAggregator(aggregate);
  let counted = 0;
  for (const { keys, count, measures: values } of groups) {
    const id = keys.map(keyText).join(' ');
    if (seen.has(id) || keys.length !== groupBy.length || !isCount(count)) return { kind: 'contradiction' };
    // No portal makes groups of nothing; but without keys there is one, of no records too.
    if (count === 0 && groupBy.length > 0) return { kind: 'contradiction' };
    seen.add(id);
    counted += count;
    const measured: Measured = new Map(asked.map((measure, index) => [toKey(measure), values[index] ?? null]));
    checks.push(...groupBy.map((key, index) => checkKey(keys[index] ?? null, key)));
    for (const { property, type } of measures)
      if (property !== null) checks.push(checkProperty(property, type, count, measured));
    const check = worst(checks);
    if (check !== 'sound') return { kind: check };
    aggregator.addPart({ keys, measures: measures.map((measure) => toPart(measure, count, measured)) });
  }
  return counted === window.total && window.records.every(({ values }) => aggregator.admits(values))
    ? { kind: 'sound', aggregator }
    : { kind: 'contradiction' };
}
