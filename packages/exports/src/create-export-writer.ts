import { HubError } from '@civex/errors';
import { bindColumns } from './columns.ts';
import { createCsvWriter } from './csv-writer.ts';
import type { ExportColumn, ExportFormat, ExportHeader, ExportOptions, ExportWriter } from './export-writer.ts';
import { createGeojsonWriter } from './geojson-writer.ts';
import { createNdjsonWriter } from './ndjson-writer.ts';
import { createParquetWriter } from './parquet-writer.ts';

const misuse = (message: string): HubError => new HubError('INTERNAL', message);

/** Keeps the calls in order, and an export that failed from getting an end. */
function guard(writer: ExportWriter): ExportWriter {
  let state: 'new' | 'open' | 'over' = 'new';
  let written = 0;
  /** Whatever throws inside leaves the writer over. */
  const step = <T>(from: 'new' | 'open', to: 'open' | 'over', act: () => T): T => {
    if (state !== from) throw misuse('An export was written out of order, or after it failed.');
    state = 'over';
    const result = act();
    state = to;
    return result;
  };
  return {
    mediaType: writer.mediaType,
    extension: writer.extension,
    begin: () => step('new', 'open', () => writer.begin()),
    write: (records) =>
      step('open', 'open', () => {
        const bytes = writer.write(records);
        written += records.length;
        return bytes;
      }),
    end: (summary) =>
      step('open', 'over', () => {
        if (summary !== undefined && summary.records !== written)
          throw misuse('An export does not hold as many records as were read for it.');
        return writer.end();
      }),
  };
}

function createBare(
  format: ExportFormat,
  columns: readonly ExportColumn[],
  header: ExportHeader,
  options: ExportOptions,
): ExportWriter {
  const bound = bindColumns(columns);
  switch (format) {
    case 'csv':
      return createCsvWriter(bound, options);
    case 'ndjson':
      return createNdjsonWriter(bound, options);
    case 'geojson':
      return createGeojsonWriter(bound, header, options);
    case 'parquet':
      return createParquetWriter(bound, header, options);
  }
}

/**
 * The writer of one file. `columns` are those to be shown, in the dataset's order; what records carry beside them is left
 * out, and a column they do not carry is null.
 *
 * @throws HubError `SOURCE_MALFORMED` from `begin` when a column's name cannot be written in the format.
 */
export function createExportWriter(
  format: ExportFormat,
  columns: readonly ExportColumn[],
  header: ExportHeader,
  options: ExportOptions = {},
): ExportWriter {
  return guard(createBare(format, columns, header, options));
}
