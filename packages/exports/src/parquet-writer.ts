import type { QueryableType, RecordValue } from '@civex/model';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { ColumnSource, KeyValue, SchemaElement } from 'hyparquet-writer';
import type { BoundColumn } from './columns.ts';
import { freeName, idOf, valueOf } from './columns.ts';
import { descriptionText } from './describe-export.ts';
import type { ExportHeader, ExportOptions, ExportWriter } from './export-writer.ts';
import { isGeometry } from './is-geometry.ts';
import { assertFinite, jsonText } from './json-text.ts';
import { assertUtf8, malformed } from './malformed.ts';
import { toWkb, wkbTypeOf } from './wkb.ts';

/** What ends a row group: records, or values in UTF-16 units of texts, bytes of geometries, and 8 for each value. */
const ROW_GROUP = { records: 32_768, bytes: 4 * 1024 * 1024 } as const;
/** Bytes of values in a page, before compression. */
const PAGE_BYTES = 1024 * 1024;
/** Longest text, in UTF-16 units, of a column chunk that gets least and greatest values, which may stand in the footer whole. */
const LONGEST_FOR_STATISTICS = 1_024;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** What goes into a column: null, or of the one type its column has. */
type Cell = string | number | bigint | boolean | Uint8Array | null;

const misfit = (type: QueryableType): Error =>
  malformed(
    `A value of this dataset does not fit its column's type ${type}, and a Parquet column has one type. CSV, NDJSON and GeoJSON can carry it.`,
  );

function toInt64(value: RecordValue): bigint {
  if (typeof value === 'number' && Number.isInteger(value)) value = BigInt(value);
  if (typeof value !== 'bigint' || value < INT64_MIN || value > INT64_MAX) throw misfit('INTEGER');
  return value;
}

function toDouble(value: RecordValue): number {
  if (typeof value === 'bigint' && BigInt(Number(value)) === value) return Number(value);
  if (typeof value !== 'number' || !Number.isFinite(value)) throw misfit('NUMBER');
  return value;
}

function toText(value: RecordValue): string {
  if (typeof value === 'string') return assertUtf8(value);
  if (typeof value === 'number') return String(assertFinite(value));
  return typeof value === 'object' ? jsonText(value) : String(value);
}

function toBoolean(value: RecordValue): boolean {
  if (typeof value !== 'boolean') throw misfit('BOOLEAN');
  return value;
}

/** Columns of one row group while it is collected, and how they are declared. */
interface Sink {
  readonly element: SchemaElement;
  /** Returns what it adds to the size of the row group. */
  readonly push: (value: RecordValue) => number;
  /** Takes what was collected. */
  readonly take: () => ColumnSource;
}

function createSink(
  element: SchemaElement,
  toCell: (value: RecordValue) => Exclude<Cell, null>,
  column: { readonly canDictionary: boolean; readonly canStatistics: boolean },
): Sink {
  let data: Cell[] = [];
  let longest = 0;
  return {
    element,
    push(value) {
      const cell = value === null ? null : toCell(value);
      data.push(cell);
      if (typeof cell !== 'string' && !(cell instanceof Uint8Array)) return 8;
      if (cell.length > longest) longest = cell.length;
      return cell.length + 8;
    },
    take() {
      const source: ColumnSource = {
        name: element.name,
        data,
        statistics: column.canStatistics && longest <= LONGEST_FOR_STATISTICS,
        ...(column.canDictionary ? {} : { encoding: 'PLAIN' }),
      };
      data = [];
      longest = 0;
      return source;
    },
  };
}

const FREE = { canDictionary: true, canStatistics: true } as const;
/** A dictionary would take 0 and -0 for one. */
const NO_DICTIONARY = { canDictionary: false, canStatistics: true } as const;
const NO_STATISTICS = { canDictionary: true, canStatistics: false } as const;

const UTF8 = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } as const;

function createColumnSink({ name, type }: BoundColumn, geometryTypes: Set<string>): Sink {
  assertUtf8(name);
  const optional = { name, repetition_type: 'OPTIONAL' } as const;
  switch (type) {
    case 'INTEGER':
      return createSink({ ...optional, type: 'INT64' }, toInt64, FREE);
    case 'NUMBER':
      return createSink({ ...optional, type: 'DOUBLE' }, toDouble, NO_DICTIONARY);
    case 'BOOLEAN':
      return createSink({ ...optional, type: 'BOOLEAN' }, toBoolean, FREE);
    case 'STRING':
    case 'DATE':
    case 'DATETIME':
      return createSink({ ...optional, ...UTF8 }, toText, FREE);
    case 'JSON':
      return createSink({ ...optional, type: 'BYTE_ARRAY', logical_type: { type: 'JSON' } }, jsonText, NO_STATISTICS);
    case 'GEOMETRY':
      return createSink(
        { ...optional, type: 'BYTE_ARRAY' },
        (value) => {
          if (!isGeometry(value)) throw misfit('GEOMETRY');
          geometryTypes.add(wkbTypeOf(value));
          return toWkb(value);
        },
        NO_STATISTICS,
      );
  }
}

/** GeoParquet 1.1. Without `crs` it is OGC:CRS84, without `edges` planar: RFC 7946. */
function geoText(geometryTypes: ReadonlyMap<string, ReadonlySet<string>>): string {
  const columns = [...geometryTypes].map(
    ([name, types]) => [name, { encoding: 'WKB', geometry_types: [...types].toSorted() }] as const,
  );
  return JSON.stringify({
    version: '1.1.0',
    primary_column: columns[0]?.[0],
    columns: Object.fromEntries(columns),
  });
}

/**
 * Parquet in row groups, each given out when it is full; the footer, without which nothing can be read, comes last.
 * INTEGER is INT64, NUMBER DOUBLE, GEOMETRY WKB with GeoParquet metadata, JSON JSON; DATE and DATETIME are UTF8, because
 * a date may be a year alone and an instant has an offset and any number of digits, which no Parquet type keeps.
 */
export function createParquetWriter(
  columns: readonly BoundColumn[],
  header: ExportHeader,
  { ids = false, rowGroup = ROW_GROUP }: ExportOptions,
): ExportWriter {
  const out = new ByteWriter();
  let writer: ParquetWriter | null = null;
  let sinks: readonly { readonly column: BoundColumn; readonly sink: Sink }[] = [];
  let leading: Sink | null = null;
  const geometryTypes = new Map<string, Set<string>>();
  let rows = 0;
  let bytes = 0;

  const flush = (open: ParquetWriter): void => {
    if (rows === 0) return;
    const columnData = [...(leading === null ? [] : [leading.take()]), ...sinks.map(({ sink }) => sink.take())];
    // Returns a promise only when its byte writer flushes to somewhere; this one does not.
    void open.write({ columnData, rowGroupSize: rows, pageSize: PAGE_BYTES });
    rows = 0;
    bytes = 0;
  };
  /** What was written since the last time, as a copy. */
  const taken = (): Uint8Array | null => {
    if (out.index === 0) return null;
    const piece = out.getBytes().slice();
    out.index = 0;
    return piece;
  };
  return {
    mediaType: 'application/vnd.apache.parquet',
    extension: 'parquet',
    begin() {
      sinks = columns.map((column) => {
        const types = new Set<string>();
        if (column.type === 'GEOMETRY') geometryTypes.set(column.name, types);
        return { column, sink: createColumnSink(column, types) };
      });
      // A file without columns could not say how many records it has.
      if (ids || columns.length === 0) {
        const required = {
          name: freeName(ids ? 'record_id' : 'record_number', columns),
          repetition_type: 'REQUIRED',
        } as const;
        leading = ids
          ? createSink({ ...required, ...UTF8 }, toText, FREE)
          : createSink({ ...required, type: 'INT64' }, toInt64, FREE);
      }
      const elements = [...(leading === null ? [] : [leading.element]), ...sinks.map(({ sink }) => sink.element)];
      const kvMetadata: KeyValue[] = [{ key: 'civex', value: descriptionText(columns, header) }];
      writer = new ParquetWriter({
        writer: out,
        schema: [{ name: 'schema', num_children: elements.length }, ...elements],
        kvMetadata,
        createdBy: 'civex',
      });
      return taken();
    },
    write(records) {
      if (writer === null) return null;
      for (const record of records) {
        if (leading !== null) bytes += leading.push(ids ? idOf(record) : writer.num_rows + BigInt(rows) + 1n);
        for (const { column, sink } of sinks) bytes += sink.push(valueOf(record, column));
        rows++;
        if (rows >= rowGroup.records || bytes >= rowGroup.bytes) flush(writer);
      }
      return taken();
    },
    end() {
      if (writer === null) return null;
      flush(writer);
      if (geometryTypes.size > 0) writer.kvMetadata?.push({ key: 'geo', value: geoText(geometryTypes) });
      // Older readers know JSON by this mark alone. Before the footer it would make the library encode the texts again.
      writer.schema = writer.schema.map((element) =>
        element.logical_type?.type === 'JSON' ? { ...element, converted_type: 'JSON' } : element,
      );
      void writer.finish();
      return taken();
    },
  };
}
