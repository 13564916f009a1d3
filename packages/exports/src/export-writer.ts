import type { HubRecord, QueryableType } from '@civex/model';

export const EXPORT_FORMATS = ['csv', 'ndjson', 'geojson', 'parquet'] as const;

export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** A column of the file. A `Queryable` is one. */
export interface ExportColumn {
  readonly name: string;
  readonly type: QueryableType;
}

/** What a file says of itself, in it or beside it (`describeExport`). Portal text, shown and never interpreted. */
export interface ExportHeader {
  readonly datasetId: string;
  readonly title: string;
  /** `raw` is what the source said; the others are set only for a licence the hub knows. */
  readonly license: {
    readonly id: string | null;
    readonly uri: string | null;
    readonly title: string | null;
    readonly raw: string | null;
  };
  readonly attribution: string;
  readonly publisher: string | null;
  /** RFC 3339 instant. */
  readonly modified: string | null;
  /** RFC 3339 instant. */
  readonly fetchedAt: string;
  /** What was asked, so that the file can be asked for again. JSON values and big integers. */
  readonly question: Readonly<Record<string, unknown>>;
}

export interface ExportOptions {
  /**
   * True: every record carries its id: the first column of CSV, NDJSON and Parquet, `record_id` or a name beginning so
   * that no column has; `id` of a GeoJSON Feature. An empty id is then refused as `INTERNAL`. Default: false.
   */
  readonly ids?: boolean;
  /** CSV: begins with a byte order mark, which Excel needs to read UTF-8 and some readers take for text. Default: false. */
  readonly byteOrderMark?: boolean;
  /**
   * GeoJSON: the GEOMETRY columns a Feature's geometry comes from, in order; they need not be among the columns shown.
   * Default: the GEOMETRY columns shown.
   */
  readonly geometryColumns?: readonly string[];
  /** Parquet: limits of one row group, which is what is held in memory. Default: 32,768 records, 4 MiB of values. */
  readonly rowGroup?: { readonly records: number; readonly bytes: number };
}

/**
 * Turns batches of records into the bytes of one file, synchronously: `begin`, `write` for each batch, `end`. Bytes that
 * were returned are the caller's; the writer never touches them again. What it holds does not grow with the number of
 * records, except for the footer of Parquet, which grows by row groups.
 *
 * A value the format cannot hold throws `HubError` `SOURCE_MALFORMED`; nothing is replaced or left out. After any throw,
 * and out of order, every call throws `INTERNAL`: what was written so far has no end and cannot get one.
 */
export interface ExportWriter {
  /** For `Content-Type`. */
  readonly mediaType: string;
  /** Without a dot. */
  readonly extension: ExportFormat;
  /** What stands before the records; null when that is nothing. */
  begin(): Uint8Array | null;
  /** Null when the batch is empty or kept back for a later piece. */
  write(records: readonly HubRecord[]): Uint8Array | null;
  /**
   * What makes the file whole; null when the format has no end of its own.
   *
   * @throws HubError `INTERNAL` when `records` is given and is not the number of records written.
   */
  end(summary?: { readonly records: number }): Uint8Array | null;
}
