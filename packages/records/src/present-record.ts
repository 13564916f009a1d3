import { HubError } from '@civex/errors';
import type { Geometry, HubRecord, Queryable, RecordValue } from '@civex/model';

/** Levels of lists and objects inside one value. */
const MAX_DEPTH = 64;

/**
 * Big integers become decimal strings, at any depth; everything else is JSON already. What holds none is given as it is:
 * a copy of every geometry would be most of the work of a page.
 */
function toJsonSafe(value: RecordValue, depth: number): RecordValue {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH)
    throw new HubError('SOURCE_MALFORMED', `A value of this dataset is nested deeper than ${MAX_DEPTH} levels.`);
  if (Array.isArray(value)) {
    const parts: readonly RecordValue[] = value;
    let copy: RecordValue[] | null = null;
    for (let at = 0; at < parts.length; at++) {
      const part = parts[at] ?? null;
      const safe = toJsonSafe(part, depth + 1);
      if (copy === null && safe !== part) copy = parts.slice(0, at);
      copy?.push(safe);
    }
    return copy ?? value;
  }
  const members = Object.entries(value);
  let isChanged = false;
  for (const [at, [key, part]] of members.entries()) {
    const safe = toJsonSafe(part, depth + 1);
    if (safe === part) continue;
    members[at] = [key, safe];
    isChanged = true;
  }
  // `fromEntries` defines own members, so a portal's `__proto__` stays a name like any other.
  return isChanged ? Object.fromEntries(members) : value;
}

/** A property may be called `constructor`; what objects inherit is no value. */
const ownValue = ({ values }: HubRecord, name: string): RecordValue =>
  Object.hasOwn(values, name) ? (values[name] ?? null) : null;

const isGeometry = (value: RecordValue): value is RecordValue & Geometry =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  'type' in value &&
  typeof value['type'] === 'string';

export interface PresentedRecord {
  /** Values of the asked properties only, in queryable order, JSON-safe. */
  readonly record: HubRecord;
  /** The value of the first GEOMETRY queryable that is not null, asked for or not. */
  readonly geometry: Geometry | null;
}

/** `shown`: the asked queryables, in the dataset's order. */
export function presentRecord(
  record: HubRecord,
  queryables: readonly Queryable[],
  shown: readonly Queryable[],
): PresentedRecord {
  let geometry: Geometry | null = null;
  for (const { name, type } of queryables) {
    const value = type === 'GEOMETRY' ? ownValue(record, name) : null;
    if (isGeometry(value)) {
      geometry = value;
      break;
    }
  }
  const values = Object.fromEntries(shown.map(({ name }) => [name, toJsonSafe(ownValue(record, name), 0)]));
  return { record: { id: record.id, values }, geometry };
}
