import type { HubRecord, QueryableType, RecordValue } from '@civex/model';
import { HubError } from '@civex/errors';
import type { ExportColumn } from './export-writer.ts';
import { toJsonSafe } from './json-text.ts';

/** A column and how to read it. */
export interface BoundColumn {
  readonly name: string;
  readonly type: QueryableType;
  /** True for names such as `constructor`, which objects have without being given them. */
  readonly isInherited: boolean;
}

/** A second column of a name is left out: records carry values by name. */
export const bindColumns = (columns: readonly ExportColumn[]): readonly BoundColumn[] => [
  ...new Map(columns.map(({ name, type }) => [name, { name, type, isInherited: name in Object.prototype }])).values(),
];

/** The record's own value; null where it has none. */
export function valueOf({ values }: HubRecord, { name, isInherited }: BoundColumn): RecordValue {
  return isInherited && !Object.hasOwn(values, name) ? null : (values[name] ?? null);
}

/** An empty object for members of the columns' names: one without a prototype where a name would reach it. */
export const emptyFor = (columns: readonly BoundColumn[]): (() => Record<string, RecordValue>) =>
  columns.some(({ isInherited }) => isInherited)
    ? () => Object.create(null) as Record<string, RecordValue>
    : () => ({});

/** The column's value for `JSON.stringify`. @throws HubError as `toJsonSafe`. */
export function safeValueOf(record: HubRecord, column: BoundColumn): RecordValue {
  const value = valueOf(record, column);
  // Most values are texts.
  return typeof value === 'string' ? value : toJsonSafe(value);
}

/** `wanted`, or with the first number behind it that no column is called. */
export function freeName(wanted: string, columns: readonly BoundColumn[]): string {
  const taken = new Set(columns.map(({ name }) => name));
  let name = wanted;
  for (let number = 2; taken.has(name); number++) name = `${wanted}_${number}`;
  return name;
}

/** @throws HubError `INTERNAL` for an empty id: records were read without ids. */
export function idOf(record: HubRecord): string {
  if (record.id === '') throw new HubError('INTERNAL', 'A record to be exported with its id has none.');
  return record.id;
}
