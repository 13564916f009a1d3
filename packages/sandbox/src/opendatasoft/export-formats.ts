import { toJsonText } from '../json-text.ts';
import type { OpendatasoftField } from './opendatasoft-dataset.ts';

/** Rows of one chunk of a streamed export. */
const CHUNK_ROWS = 500;

type Row = Readonly<Record<string, unknown>>;

/** Joins entries into chunks so that a large export is written piece by piece. */
function inChunks(entries: readonly string[], separator: string, before: string, after: string): string[] {
  const chunks: string[] = [];
  for (let i = 0; i < entries.length; i += CHUNK_ROWS) {
    const text = entries.slice(i, i + CHUNK_ROWS).join(separator);
    chunks.push((i === 0 ? before : separator) + text);
  }
  if (chunks.length === 0) chunks.push(before);
  chunks.push(after);
  return chunks;
}

export const toJsonChunks = (rows: readonly string[]): string[] => inChunks(rows, ',', '[', ']');
export const toJsonLines = (rows: readonly string[]): string[] =>
  inChunks(rows, '\n', '', rows.length === 0 ? '' : '\n');

export interface CsvOptions {
  readonly delimiter: string;
  readonly listSeparator: string;
  readonly quoteAll: boolean;
  readonly withBom: boolean;
}

function toCell(value: unknown, type: string, listSeparator: string): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map((entry) => toCell(entry, type, listSeparator)).join(listSeparator);
  if (typeof value === 'object') {
    const { lon, lat, geometry } = value as { lon?: unknown; lat?: unknown; geometry?: unknown };
    if (type === 'geo_point_2d') return `${String(lat)}, ${String(lon)}`;
    return toJsonText(type === 'geo_shape' ? (geometry ?? value) : value);
  }
  return typeof value === 'string' ? value : toJsonText(value);
}

/** `columns` name the keys of the rows in order, with the type their cells are written by. */
export function toCsvChunks(
  rows: readonly Row[],
  columns: readonly { readonly key: string; readonly header: string; readonly type: string }[],
  options: CsvOptions,
): string[] {
  const quote = (text: string): string =>
    options.quoteAll || text.includes('"') || text.includes(options.delimiter) || /[\r\n]/.test(text)
      ? `"${text.replaceAll('"', '""')}"`
      : text;
  const line = (cells: readonly string[]): string => cells.map(quote).join(options.delimiter);
  const header = line(columns.map((column) => column.header));
  const lines = rows.map((row) => line(columns.map(({ key, type }) => toCell(row[key], type, options.listSeparator))));
  return inChunks([header, ...lines], '\r\n', options.withBom ? '\uFEFF' : '', '\r\n');
}

/** A FeatureCollection: the shape, else the point, becomes the geometry; the point stays among the properties. */
export function toGeojsonChunks(
  rows: readonly Row[],
  fields: readonly OpendatasoftField[],
  originals: readonly Row[],
): string[] {
  const shape = fields.find(({ type }) => type === 'geo_shape')?.name;
  const point = fields.find(({ type }) => type === 'geo_point_2d')?.name;
  const features = rows.map((row, index) => {
    const original = originals[index] ?? {};
    const drawn = shape === undefined ? null : (original[shape] as { geometry?: unknown } | null | undefined);
    const place = point === undefined ? null : (original[point] as { lon: number; lat: number } | null | undefined);
    const geometry =
      drawn?.geometry ??
      (place === null || place === undefined ? null : { type: 'Point', coordinates: [place.lon, place.lat] });
    const properties = Object.fromEntries(Object.entries(row).filter(([name]) => name !== shape));
    return toJsonText({ type: 'Feature', geometry, properties });
  });
  return inChunks(features, ',', '{"type":"FeatureCollection","features":[', ']}');
}
