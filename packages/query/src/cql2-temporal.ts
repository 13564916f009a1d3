import type { Queryable } from '@civex/model';
import { compareValues } from './compare.ts';
import { MIRRORED } from './cql2-unsupported.ts';
import type { RecordFilter } from './filter.ts';

/** An instant as it is written: in an interval as a text, beside one as a DATE or TIMESTAMP. */
interface TemporalLiteral<Place> {
  readonly kind: 'literal';
  readonly type: 'text' | 'date' | 'timestamp';
  readonly value: string;
  readonly at: Place;
}

/** One end of an interval, or an instant. `at` names its place for messages. */
export type TemporalEnd<Place> =
  | { readonly kind: 'property'; readonly queryable: Queryable; readonly at: Place }
  | TemporalLiteral<Place>
  /** `..`: before everything as a start, after everything as an end. */
  | { readonly kind: 'open'; readonly at: Place };

export interface TemporalOperand<Place> {
  readonly start: TemporalEnd<Place>;
  /** The start itself for an instant. */
  readonly end: TemporalEnd<Place>;
  readonly at: Place;
}

type Side = 'start' | 'end';
/** In the words of `FilterInput`. */
type TemporalSign = 'lt' | 'lte' | 'eq' | 'gte' | 'gt';
type Condition = readonly [left: Side, op: TemporalSign, right: Side];

interface Relation {
  readonly isForInstants: boolean;
  readonly join: 'and' | 'or';
  readonly conditions: readonly Condition[];
}

const all = (...conditions: readonly Condition[]): Relation => ({ isForInstants: false, join: 'and', conditions });
const alsoInstants = (relation: Relation): Relation => ({ ...relation, isForInstants: true });

/** OGC 21-065r2, "Temporal functions": how the ends of the first operand stand to those of the second. Lower case. */
const RELATIONS: Readonly<Record<string, Relation>> = {
  t_after: alsoInstants(all(['start', 'gt', 'end'])),
  t_before: alsoInstants(all(['end', 'lt', 'start'])),
  t_contains: all(['start', 'lt', 'start'], ['end', 'gt', 'end']),
  t_disjoint: { isForInstants: true, join: 'or', conditions: [['end', 'lt', 'start'], ['start', 'gt', 'end']] }, // prettier-ignore
  t_during: all(['start', 'gt', 'start'], ['end', 'lt', 'end']),
  t_equals: alsoInstants(all(['start', 'eq', 'start'], ['end', 'eq', 'end'])),
  t_finishedby: all(['start', 'lt', 'start'], ['end', 'eq', 'end']),
  t_finishes: all(['start', 'gt', 'start'], ['end', 'eq', 'end']),
  t_intersects: alsoInstants(all(['start', 'lte', 'end'], ['end', 'gte', 'start'])),
  t_meets: all(['end', 'eq', 'start']),
  t_metby: all(['start', 'eq', 'end']),
  t_overlappedby: all(['start', 'gt', 'start'], ['start', 'lt', 'end'], ['end', 'gt', 'end']),
  t_overlaps: all(['start', 'lt', 'start'], ['end', 'gt', 'start'], ['end', 'lt', 'end']),
  t_startedby: all(['start', 'eq', 'start'], ['end', 'gt', 'end']),
  t_starts: all(['start', 'eq', 'start'], ['end', 'lt', 'end']),
};

/** True for the name of a temporal predicate, in any case. */
export const isTemporal = (name: string): boolean => Object.hasOwn(RELATIONS, name.toLowerCase());

export interface TemporalReader<Place> {
  /** @throws HubError `INPUT_INVALID` at the place. */
  fail(at: Place, what: string): never;
  /** A comparison of a property with a literal, types and forms checked. Counts as one condition. */
  compare(queryable: Queryable, op: TemporalSign, literal: TemporalLiteral<Place>): RecordFilter;
  /** A connective; counts as one condition. */
  join(op: 'and' | 'or', parts: readonly RecordFilter[]): RecordFilter;
}

/**
 * A temporal predicate as the comparisons of ends that define it. An end that is null makes it unknown, as comparisons
 * are; `..` lies beyond every value.
 *
 * One operand consists of properties and the other of literals. What says the same of every record is refused.
 */
export function bindTemporal<Place>(
  name: string,
  left: TemporalOperand<Place>,
  right: TemporalOperand<Place>,
  reader: TemporalReader<Place>,
): RecordFilter {
  const relation = RELATIONS[name.toLowerCase()];
  if (relation === undefined) throw new RangeError(`no temporal predicate: ${name}`);
  const shown = name.toUpperCase();
  const hasProperty = ({ start, end }: TemporalOperand<Place>) => start.kind === 'property' || end.kind === 'property';
  const isLeft = hasProperty(left);
  if (isLeft && hasProperty(right))
    reader.fail(right.at, `${shown}: comparing two properties is not supported; write an instant or an interval.`);
  if (!isLeft && !hasProperty(right))
    reader.fail(left.at, `${shown}: one side must be a property, or an interval of them.`);
  const [own, other] = isLeft ? [left, right] : [right, left];
  for (const { start, end, at } of [left, right])
    if (start === end && !relation.isForInstants)
      reader.fail(at, `${shown} takes two intervals; an instant is given. T_AFTER, T_BEFORE, T_DISJOINT, T_EQUALS and T_INTERSECTS take instants.`); // prettier-ignore
  const queryables = [own.start, own.end].flatMap((end) => (end.kind === 'property' ? [end.queryable] : []));
  const [queryable] = queryables;
  for (const { type } of queryables)
    if (type !== queryable?.type) reader.fail(own.at, 'the properties of an interval must be of one type.');
  const ends = [other.start, other.end].filter((end) => end.kind === 'literal');
  // Those that the relation does not look at are checked as well.
  if (queryable !== undefined) for (const end of ends) reader.compare(queryable, 'eq', end);
  const [first, last] = ends;
  if (first !== undefined && last !== undefined && queryable !== undefined)
    if ((compareValues(first.value, last.value, queryable.type) ?? 0) > 0)
      reader.fail(other.at, 'the interval ends before it begins.');

  const parts: RecordFilter[] = [];
  let isDecided = false;
  for (const [leftSide, op, rightSide] of relation.conditions) {
    const [ownSide, otherSide] = isLeft ? [leftSide, rightSide] : [rightSide, leftSide];
    const sign = isLeft ? op : MIRRORED[op];
    const [value, bound] = [own[ownSide], other[otherSide]];
    if (value.kind === 'property' && bound.kind === 'literal') {
      parts.push(reader.compare(value.queryable, sign, bound));
      continue;
    }
    if (value.kind === 'literal')
      reader.fail(value.at, `${shown}: an interval of a property and a literal is not supported.`);
    const isTrue = compareRanks(rankOf(value, ownSide), sign, rankOf(bound, otherSide));
    if (isTrue !== (relation.join === 'and')) isDecided = true;
    else if (value.kind === 'property') parts.push(sameForAll(isTrue, value.queryable, reader, bound.at));
  }
  const [part] = parts;
  if (isDecided || part === undefined)
    return reader.fail(right.at, `${shown}: with these open ends it says the same of every record.`);
  return parts.length === 1 ? part : reader.join(relation.join, parts);
}

/** Below, among or above all values. */
const rankOf = <Place>({ kind }: TemporalEnd<Place>, side: Side): -1 | 0 | 1 =>
  kind !== 'open' ? 0 : side === 'start' ? -1 : 1;

function compareRanks(a: number, op: TemporalSign, b: number): boolean {
  switch (op) {
    case 'lt':
      return a < b;
    case 'lte':
      return a <= b;
    case 'eq':
      return a === b;
    case 'gte':
      return a >= b;
    case 'gt':
      return a > b;
  }
}

/** True, or false, for every value of the property; unknown for none. */
function sameForAll<Place>(
  isTrue: boolean,
  queryable: Queryable,
  reader: TemporalReader<Place>,
  at: Place,
): RecordFilter {
  const value = queryable.type === 'DATE' ? '1970-01-01' : '1970-01-01T00:00:00Z';
  const literal: TemporalLiteral<Place> = { kind: 'literal', type: 'text', value, at };
  const sides = [reader.compare(queryable, 'lt', literal), reader.compare(queryable, 'gte', literal)];
  return reader.join(isTrue ? 'or' : 'and', sides);
}
