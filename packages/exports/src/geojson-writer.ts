import type { HubRecord, RecordValue } from '@civex/model';
import type { BoundColumn } from './columns.ts';
import { bindColumns, emptyFor, idOf, safeValueOf, valueOf } from './columns.ts';
import { descriptionText } from './describe-export.ts';
import type { ExportHeader, ExportOptions, ExportWriter } from './export-writer.ts';
import { isGeometry } from './is-geometry.ts';
import { toJsonSafe } from './json-text.ts';

interface Feature {
  readonly type: 'Feature';
  readonly id?: string;
  readonly geometry: RecordValue;
  readonly properties: Readonly<Record<string, RecordValue>>;
}

/**
 * RFC 7946: one FeatureCollection. What the file says of itself is its second member, `metadata`, before the features;
 * `numberReturned` (as in OGC API Features) is its last. A file that was cut has no closing bracket.
 *
 * The geometry is the first lawful one of the geometry columns. That column is left out of the properties, and so is a
 * null in the first of them when there is no geometry at all; everything else is a property, geometries included.
 */
export function createGeojsonWriter(
  columns: readonly BoundColumn[],
  header: ExportHeader,
  { ids = false, geometryColumns }: ExportOptions,
): ExportWriter {
  const shown = new Map(columns.map((column) => [column.name, column]));
  const sources: readonly BoundColumn[] =
    geometryColumns === undefined
      ? columns.filter(({ type }) => type === 'GEOMETRY')
      : bindColumns(geometryColumns.map((name) => ({ name, type: 'GEOMETRY' }))).map(
          (column) => shown.get(column.name) ?? column,
        );
  const empty = emptyFor(columns);
  let written = 0;

  const toFeature = (record: HubRecord): Feature => {
    let used = sources[0];
    let geometry: RecordValue = null;
    for (const source of sources) {
      const value = valueOf(record, source);
      if (value !== null && isGeometry(value)) {
        used = source;
        geometry = toJsonSafe(value);
        break;
      }
    }
    const properties = empty();
    for (const column of columns)
      if (column !== used || (geometry === null && valueOf(record, column) !== null))
        properties[column.name] = safeValueOf(record, column);
    return ids
      ? { type: 'Feature', id: idOf(record), geometry, properties }
      : { type: 'Feature', geometry, properties };
  };
  return {
    mediaType: 'application/geo+json',
    extension: 'geojson',
    begin: () =>
      Buffer.from(`{"type":"FeatureCollection","metadata":${descriptionText(columns, header)},"features":[\n`),
    write(records) {
      if (records.length === 0) return null;
      const features = JSON.stringify(records.map(toFeature)).slice(1, -1);
      const text = written === 0 ? features : `,\n${features}`;
      written += records.length;
      return Buffer.from(text);
    },
    end: () => Buffer.from(`\n],"numberReturned":${written}}\n`),
  };
}
