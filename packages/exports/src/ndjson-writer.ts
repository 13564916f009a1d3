import type { HubRecord, RecordValue } from '@civex/model';
import type { BoundColumn } from './columns.ts';
import { emptyFor, freeName, idOf, safeValueOf } from './columns.ts';
import type { ExportOptions, ExportWriter } from './export-writer.ts';
import { escapeLineEnds, toJsonSafe } from './json-text.ts';

/** One JSON object a line, LF, UTF-8 without a byte order mark. No header and no end: nothing but records. */
export function createNdjsonWriter(columns: readonly BoundColumn[], { ids = false }: ExportOptions): ExportWriter {
  const idName = freeName('record_id', columns);
  const names = columns.map(({ name }) => name);
  const empty = emptyFor(columns);

  /** True when the values are those of the columns, in their order, and need no change: then they are written as they are. */
  const isAsShown = (values: HubRecord['values']): boolean => {
    let index = 0;
    for (const name in values) {
      if (name !== names[index++]) return false;
      const value = values[name];
      if (value === undefined || (typeof value !== 'string' && toJsonSafe(value) !== value)) return false;
    }
    return index === names.length;
  };
  const toShown = (record: HubRecord): Readonly<Record<string, RecordValue>> => {
    const shown = empty();
    if (ids) shown[idName] = idOf(record);
    for (const column of columns) shown[column.name] = safeValueOf(record, column);
    return shown;
  };
  return {
    mediaType: 'application/x-ndjson',
    extension: 'ndjson',
    begin: () => null,
    write(records) {
      let text = '';
      for (const record of records)
        text += `${JSON.stringify(!ids && isAsShown(record.values) ? record.values : toShown(record))}\n`;
      return Buffer.from(escapeLineEnds(text));
    },
    end: () => null,
  };
}
