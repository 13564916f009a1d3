import type { AggregateCapability, AggregateFetch, SourceGroup, SourceMeasure } from '@civex/adapter-contract';
import type { Dataset, HubRecord, QueryableType, RecordValue } from '@civex/model';
import type { GroupKey } from '@civex/query';
import { encodedLength, spellField } from './opendatasoft-dialect.ts';
import { createRecordMapper, rawFieldsOf } from './opendatasoft-mapping.ts';

/** Groups of one answer: "offset+limit should be less than 20000" with `group_by` (Explore API v2.1, "limit"). */
export const GROUP_WINDOW = 19_999;

/** Percent-encoded characters of select and group_by together; with a filter the request line stays below 8,000. */
const MAX_CLAUSES = 2_000;

/** Declared types whose values the portal tells apart as the hub does. */
const GROUPED: Readonly<Record<string, QueryableType>> = { int: 'INTEGER', boolean: 'BOOLEAN', date: 'DATE' };
const MEASURED: Readonly<Record<string, QueryableType>> = { int: 'INTEGER', double: 'NUMBER', date: 'DATE' };
const COUNTED: Readonly<Record<string, QueryableType>> = { ...MEASURED, boolean: 'BOOLEAN', datetime: 'DATETIME' };

/** Parts of an instant that tell the units of each length apart; longer units are put together by the hub. */
const PARTS = {
  YEAR: ['year'],
  QUARTER: ['year', 'month'],
  MONTH: ['year', 'month'],
  WEEK: ['year', 'month', 'day'],
  DAY: ['year', 'month', 'day'],
  HOUR: ['year', 'month', 'day', 'hour'],
} as const;

export interface AggregateDialect {
  readonly capability: AggregateCapability;
  /** The clauses of a question and how to read their answer; null when they do not fit into one request. */
  spell(ask: AggregateFetch): AggregateSpelling | null;
}

interface AggregateSpelling {
  readonly select: string;
  /** Null: one group of all records. */
  readonly groupBy: string | null;
  readonly toGroup: (row: Readonly<Record<string, unknown>>) => SourceGroup;
}

const pad = (value: number, digits = 2): string => String(value).padStart(digits, '0');

/** A value that is of no type, for what the portal should not have said: the hub sees that and asks no further. */
const NO_VALUE: RecordValue = { type: 'none' };

/** The beginning of the hour, day, month or year whose parts these are. */
function toInstantText(parts: readonly unknown[]): RecordValue {
  if (parts.every((part) => part === null)) return null;
  const [year, month = 1, day = 1, hour = 0] = parts;
  const numbers = [year, month, day, hour];
  if (!numbers.every((part): part is number => typeof part === 'number' && Number.isInteger(part) && part >= 0))
    return NO_VALUE;
  const [y = 0, m = 1, d = 1, h = 0] = numbers;
  return `${pad(y, 4)}-${pad(m)}-${pad(d)}T${pad(h)}:00:00Z`;
}

const FUNCTIONS: Readonly<Record<SourceMeasure['op'], string>> = { COUNT: 'count', SUM: 'sum', MIN: 'min', MAX: 'max' };

interface KeySpelling {
  readonly expressions: readonly string[];
  readonly read: (row: Readonly<Record<string, unknown>>) => RecordValue;
}

/**
 * What an Opendatasoft portal aggregates for the hub, for one dataset. Much stays with the hub on purpose: texts, whose
 * grouping may depend on case, length, trimming and several values in one field; `double` keys; times in zones other
 * than UTC; extremes of instants, which the portal holds to the millisecond; `count(distinct)`, which is approximate;
 * sums and averages of doubles, which depend on the order in which they are added.
 *
 * @param timeZone as for the dataset's records.
 */
export function createAggregateDialect(dataset: Dataset, timeZone: string): AggregateDialect {
  const fields = new Map(
    rawFieldsOf(dataset)
      .filter(({ name, annotations }) => spellField(name) !== null && annotations?.['multivalued'] === undefined)
      .map(({ name, type }) => [name, type]),
  );
  const types = new Map((dataset.queryables ?? []).map(({ name, type }) => [name, type]));
  const isOne = (property: string, of: Readonly<Record<string, QueryableType>>): boolean => {
    const declared = fields.get(property);
    return declared !== undefined && Object.hasOwn(of, declared) && of[declared] === types.get(property);
  };

  const spellKey = ({ property, type, every }: GroupKey, place: number): KeySpelling | null => {
    const field = spellField(property);
    if (field === null) return null;
    const label = `k${place}`;
    if (type !== 'DATETIME' || every === null) {
      const read = readerOf(property, label);
      return { expressions: [`${field} as ${label}`], read };
    }
    const parts = PARTS[every].map((part) => ({ part, name: `${label}_${part}` }));
    return {
      expressions: parts.map(({ part, name }) => `${part}(${field}) as ${name}`),
      read: (row) => toInstantText(parts.map(({ name }) => row[name] ?? null)),
    };
  };

  /** Reads a value of the answer as the same property of a record is read. */
  const readerOf = (property: string, label: string): KeySpelling['read'] => {
    const toRecord: (row: Readonly<Record<string, unknown>>) => HubRecord = createRecordMapper(dataset, timeZone, {
      properties: [property],
      ids: false,
      areUnique: false,
    });
    return (row) => toRecord({ [property]: row[label] ?? null }).values[property] ?? null;
  };

  return {
    capability: {
      groups: ({ property, type, every, timeZone: zone }) =>
        isOne(property, GROUPED) ||
        (type === 'DATETIME' && every !== null && zone === 'UTC' && isOne(property, { datetime: 'DATETIME' })),
      measures: ({ op, property }) =>
        isOne(property, op === 'COUNT' ? COUNTED : op === 'SUM' ? { int: 'INTEGER' } : MEASURED),
    },
    spell({ groupBy, measures }) {
      const keys: KeySpelling[] = [];
      for (const [place, key] of groupBy.entries()) {
        const spelling = spellKey(key, place);
        if (spelling === null) return null;
        keys.push(spelling);
      }
      const columns = ['count(*) as n'];
      const readers: KeySpelling['read'][] = [];
      for (const [place, { op, property }] of measures.entries()) {
        const field = spellField(property);
        if (field === null) return null;
        const label = `m${place}`;
        columns.push(`${FUNCTIONS[op]}(${field}) as ${label}`);
        // A count is a number whatever it counts.
        readers.push(op === 'COUNT' ? (row) => (row[label] ?? null) as RecordValue : readerOf(property, label));
      }
      const select = columns.join(', ');
      const expressions = keys.flatMap((key) => key.expressions).join(', ');
      if (encodedLength(select) + encodedLength(expressions) > MAX_CLAUSES) return null;
      return {
        select,
        groupBy: keys.length === 0 ? null : expressions,
        toGroup: (row) => ({
          keys: keys.map(({ read }) => read(row)),
          count: typeof row['n'] === 'number' ? row['n'] : Number.NaN,
          measures: readers.map((read) => read(row)),
        }),
      };
    },
  };
}
