import type { Call, RecordCapability, RecordsFacet } from '@civex/adapter-contract';
import { isHubError } from '@civex/errors';
import type { Dataset, HubRecord, QueryableType, RecordValue } from '@civex/model';
import type { Comparison, Predicate, PredicateOp, RecordFilter, ScalarValue } from '@civex/query';
import { compareValues, evaluateFilter, foldOf, isPredicate } from '@civex/query';

/**
 * What a probe found. `proven`: the portal found what it had to and nothing else. `refuted`: it returned a record that
 * fails the predicate, or not the one that satisfies it. `unknown`: it could not be tried, now or on this dataset.
 */
export type ProbeVerdict = 'proven' | 'refuted' | 'unknown';

/** Records a probe looks at, at most. */
const SAMPLE = 100;

/** No city has it: what a probe asks for when it asks for nothing. */
const NOBODY = 'civex asks for a text that nobody has: 7f3a9c51';
const NO_NUMBER = -987_654_321_123;
/** Numbers around which a probe can step by one. */
const MOST_NUMBER = 1e9;

type Values = readonly [like: ScalarValue, below: ScalarValue | null, above: ScalarValue | null, other: ScalarValue];

/** The value itself, one surely below it, one surely above it, and one that is hardly in the data. */
function around(value: RecordValue, type: QueryableType): Values | null {
  switch (type) {
    case 'INTEGER':
    case 'NUMBER':
      return typeof value === 'number' && Math.abs(value) < MOST_NUMBER
        ? [value, value - 1, value + 1, NO_NUMBER]
        : null;
    case 'STRING':
      return typeof value === 'string' && value !== '' && value.length <= 200 ? [value, null, null, NOBODY] : null;
    case 'BOOLEAN':
      return typeof value === 'boolean' ? [value, null, null, !value] : null;
    case 'DATE':
      return typeof value === 'string' ? [value, '1000-01-02', '9998-12-30', '1000-01-02'] : null;
    case 'DATETIME':
      return typeof value === 'string'
        ? [value, '1000-01-02T00:00:00Z', '9998-12-30T00:00:00Z', '1000-01-02T00:00:00Z']
        : null;
    case 'GEOMETRY':
    case 'JSON':
      return null;
  }
}

/** A predicate of the operator that is true of a record with this value; null when there is none to be sure of. */
function holding(op: PredicateOp, property: string, type: QueryableType, values: Values): Predicate | null {
  const [value, below, above, other] = values;
  const base = { property, type };
  const compare = (sign: Comparison['op'], bound: ScalarValue | null): Predicate | null =>
    bound === null ? null : { ...base, op: sign, value: bound };
  switch (op) {
    case '=':
    case '<=':
    case '>=':
      return compare(op, value);
    case '<>':
      return compare(op, other);
    case '<':
      return compare(op, above);
    case '>':
      return compare(op, below);
    case 'in':
      return { ...base, op, values: [value] };
    case 'between':
      return { ...base, op, lower: value, upper: value };
    case 'isNull':
    case 'like':
    case 'intersects':
    case 'bbox':
    case 'withinMetres':
      return null;
  }
}

/** A filter that is true of nothing, or of next to nothing where the source cannot be told NOT; null when there is none. */
function emptyOf(predicate: Predicate, other: ScalarValue, can: RecordCapability): RecordFilter | null {
  if (can.connectives.and && can.connectives.not)
    return { op: 'and', args: [predicate, { op: 'not', args: [predicate] }] };
  const { property, type } = predicate;
  if (predicate.op === '=') return { op: '=', property, type, value: other };
  return predicate.op === 'in' ? { op: 'in', property, type, values: [other] } : null;
}

export interface ProbeTarget {
  readonly facet: RecordsFacet;
  /** With queryables not null. */
  readonly dataset: Dataset;
}

/** Reads records of a dataset to probe with, at most once. */
export function createSample({ facet, dataset }: ProbeTarget, call: Call): () => Promise<readonly HubRecord[]> {
  let sample: Promise<readonly HubRecord[]> | null = null;
  const { maxPageSize, maxWindow } = facet.capability(dataset);
  const limit = Math.min(SAMPLE, maxPageSize, maxWindow ?? SAMPLE);
  return () => {
    sample ??= facet
      .fetchWindow(dataset, { filter: null, sort: [], offset: 0, limit }, call)
      .then(({ records }) => records);
    return sample;
  };
}

/**
 * Shows on one dataset whether the portal decides an operator as it claims, in two requests: a filter that must match
 * nothing, and one that must find a record that is known. Every record that comes back is held against the filter.
 *
 * @throws whatever aborted the call; every other failure is `unknown`.
 */
export async function probeCapability(
  { facet, dataset }: ProbeTarget,
  claim: Pick<Predicate, 'op' | 'property' | 'type'>,
  readSample: () => Promise<readonly HubRecord[]>,
  call: Call,
): Promise<ProbeVerdict> {
  const { op, property, type } = claim;
  const capability = facet.capability(dataset);
  try {
    const sample = await readSample();
    const { maxPageSize, maxWindow } = capability;
    const limit = Math.min(SAMPLE, maxPageSize, maxWindow ?? SAMPLE);
    const ask = async (filter: RecordFilter): Promise<readonly HubRecord[] | null> => {
      const { records } = await facet.fetchWindow(dataset, { filter, sort: [], offset: 0, limit, fresh: true }, call);
      return records.every((record) => evaluateFilter(filter, record) === true) ? records : null;
    };
    if (op === 'isNull') {
      const isNull: Predicate = { op, property, type };
      const filter: RecordFilter = capability.connectives.not ? { op: 'not', args: [isNull] } : isNull;
      const expected = sample.filter((record) => evaluateFilter(filter, record) === true);
      if (expected.length === 0) return 'unknown';
      const [found, nulls] = [await ask(filter), await ask(isNull)];
      if (found === null || nulls === null || found.length === 0) return 'refuted';
      const hasNull = sample.some((record) => evaluateFilter(isNull, record) === true);
      return hasNull && nulls.length === 0 ? 'refuted' : 'proven';
    }
    for (const record of sample) {
      const value = record.values[property] ?? null;
      const values = compareValues(value, value, type) === null ? null : around(value, type);
      if (values === null) continue;
      const predicate = holding(op, property, type, values);
      if (predicate === null || capability.grade(predicate) !== 'exact') return 'unknown';
      const empty = emptyOf(predicate, values[3], capability);
      if (empty === null || (await ask(empty)) === null) return empty === null ? 'unknown' : 'refuted';
      const found = await ask(predicate);
      if (found === null || found.length === 0) return 'refuted';
      // Where all that match came, the known one is among them.
      const isAmong = found.some(({ id, values: other }) => id === record.id || compareValues(other[property] ?? null, value, type) === 0); // prettier-ignore
      return found.length < limit && !isAmong ? 'refuted' : 'proven';
    }
    return 'unknown';
  } catch (error) {
    if (call.signal.aborted || !isHubError(error)) throw error;
    return 'unknown';
  }
}

/** What a filter relies on: each operator and type that the source is graded exact for. */
export function claimsOf(
  filter: RecordFilter | null,
  capability: RecordCapability,
): readonly Pick<Predicate, 'op' | 'property' | 'type'>[] {
  const claims = new Map<string, Pick<Predicate, 'op' | 'property' | 'type'>>();
  const collect = (part: RecordFilter): void => {
    if (!isPredicate(part)) {
      for (const arg of part.args) collect(arg);
      return;
    }
    const { op, property, type } = part;
    if (foldOf(part) === null && capability.grade(part) === 'exact')
      claims.set(`${op} ${type}`, { op, property, type });
  };
  if (filter !== null) collect(filter);
  return [...claims.values()];
}
