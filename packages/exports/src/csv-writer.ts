import type { HubRecord } from '@civex/model';
import type { BoundColumn } from './columns.ts';
import { freeName, idOf, valueOf } from './columns.ts';
import { cellWriter, textCell } from './csv-cell.ts';
import type { ExportOptions, ExportWriter } from './export-writer.ts';
import { createTextBuffer } from './text-buffer.ts';

const LINE_END = '\r\n';
const BYTE_ORDER_MARK = '\uFEFF';

/**
 * RFC 4180: comma, CRLF, a header, UTF-8. A file without ids and with less than two columns gets `record_number` in
 * front, counted from 1: the record of a lone null would be an empty line, which most readers skip.
 */
export function createCsvWriter(columns: readonly BoundColumn[], options: ExportOptions): ExportWriter {
  const { ids = false, byteOrderMark = false } = options;
  const isNumbered = !ids && columns.length < 2;
  const leadingName = ids ? 'record_id' : isNumbered ? 'record_number' : null;
  const text = createTextBuffer();
  let recordNumber = 0;
  const leadingCell = (record: HubRecord): string => (ids ? textCell(idOf(record)) : String(recordNumber));
  const cells = columns.map((column, index) => ({
    column,
    comma: index > 0 || leadingName !== null ? ',' : '',
    toCell: cellWriter(column.type),
  }));
  return {
    mediaType: 'text/csv; charset=utf-8; header=present',
    extension: 'csv',
    begin() {
      const leading = leadingName === null ? '' : freeName(leadingName, columns);
      const names = cells.map(({ column, comma }) => comma + textCell(column.name)).join('');
      return Buffer.from(`${byteOrderMark ? BYTE_ORDER_MARK : ''}${leading}${names}${LINE_END}`);
    },
    write(records) {
      for (const record of records) {
        recordNumber++;
        let line = leadingName === null ? '' : leadingCell(record);
        for (const { column, comma, toCell } of cells) line += comma + toCell(valueOf(record, column));
        text.append(line + LINE_END);
      }
      return text.take();
    },
    end: () => null,
  };
}
