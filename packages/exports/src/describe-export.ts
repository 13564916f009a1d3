import type { RecordValue } from '@civex/model';
import type { ExportColumn, ExportHeader } from './export-writer.ts';
import { jsonText } from './json-text.ts';

/** What a file says of itself, as a JSON object. `license.raw` is the source's own words. */
export interface ExportDescription {
  readonly datasetId: string;
  readonly title: string;
  readonly publisher: string | null;
  readonly license: {
    readonly id: string | null;
    readonly uri: string | null;
    readonly title: string | null;
    readonly raw: string | null;
  };
  readonly attribution: string;
  readonly modified: string | null;
  readonly fetchedAt: string;
  readonly question: unknown;
  readonly columns: readonly ExportColumn[];
}

/**
 * Licence, attribution, origin, question and columns: the `metadata` member of GeoJSON, the `civex` entry of Parquet, and
 * what is served beside CSV and NDJSON, which have no place for it. JSON values only; big integers become strings.
 *
 * @throws HubError `SOURCE_MALFORMED` when the question cannot be JSON.
 */
export function describeExport(columns: readonly ExportColumn[], header: ExportHeader): ExportDescription {
  const { datasetId, title, publisher, license, attribution, modified, fetchedAt, question } = header;
  return {
    datasetId,
    title,
    publisher,
    license: { id: license.id, uri: license.uri, title: license.title, raw: license.raw },
    attribution,
    modified,
    fetchedAt,
    // JSON values and big integers by contract; `jsonText` refuses what is neither.
    question: JSON.parse(jsonText(question as RecordValue)) as unknown,
    columns: columns.map(({ name, type }) => ({ name, type })),
  };
}

/** The same on one line. */
export function descriptionText(columns: readonly ExportColumn[], header: ExportHeader): string {
  // A description is JSON values only.
  return jsonText(describeExport(columns, header) as unknown as RecordValue);
}
