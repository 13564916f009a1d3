import type { HubRecord, QueryableType, RecordValue } from '@civex/model';
import fc from 'fast-check';
import { createExportWriter } from '../create-export-writer.ts';
import type { ExportColumn, ExportFormat, ExportHeader, ExportOptions } from '../export-writer.ts';

export const HEADER: ExportHeader = {
  datasetId: 'bordeaux:ci_vcub_p',
  title: 'Stations "VCub"',
  license: { id: 'LO-2.0', uri: 'https://licence.example/lo', title: 'Licence Ouverte 2.0', raw: 'lov2' },
  attribution: 'Stations, Bordeaux Métropole, Licence Ouverte 2.0',
  publisher: 'Bordeaux Métropole',
  modified: '2026-01-01T00:00:00Z',
  fetchedAt: '2026-02-03T04:05:06Z',
  question: { filter: { property: 'id', eq: 2n ** 60n }, cql: null },
};

export const column = (name: string, type: QueryableType): ExportColumn => ({ name, type });

/** `fromEntries` defines own members, as the adapters do: `__proto__` is a name like any other. */
export const record = (
  entries: Readonly<Record<string, RecordValue>> | readonly (readonly [string, RecordValue])[],
  id = 'r1',
): HubRecord => ({
  id,
  values: Object.fromEntries(Array.isArray(entries) ? entries : Object.entries(entries)),
});

/** The file of these batches, as text or bytes. */
export function writeFile(
  format: ExportFormat,
  columns: readonly ExportColumn[],
  batches: readonly (readonly HubRecord[])[],
  options?: ExportOptions,
): Buffer {
  const writer = createExportWriter(format, columns, HEADER, options);
  const pieces = [writer.begin(), ...batches.map((batch) => writer.write(batch)), writer.end()];
  return Buffer.concat(pieces.filter((piece) => piece !== null));
}

/** UTF-8 without a byte order mark being taken for nothing, and no byte that is not UTF-8. */
export const decode = (bytes: Uint8Array): string =>
  new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);

const HARD_PIECES = [
  ['"', '""', "'", "''", ',', ';', '\t', '\n', '\r', '\r\n', '\0', '\\', '/', ' ', '\u00a0', '\u200b', '\ufeff'],
  ['=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹣', '=1+1', '-5', '|calc', '{', '[', ']', '}', '</script>'],
  ['\u0085', '\u2028', '\u2029', 'é', 'e\u0301', '€', '𝄞', '👩‍👩‍👧', 'null', 'true', '1e5', '\x7f', '\x1b', '\ufffd'],
].flat();

/** Texts that are hard for one format or another; well-formed Unicode. */
export const hardText: fc.Arbitrary<string> = fc.oneof(
  fc
    .array(fc.oneof(fc.constantFrom(...HARD_PIECES), fc.string({ unit: 'binary', maxLength: 3 })), { maxLength: 7 })
    .map((parts) => parts.join('').toWellFormed()),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
);

const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value));
const int64: fc.Arbitrary<number | bigint> = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc
    .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    .map((value) =>
      value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value,
    ),
);

const lon = fc.double({ min: -180, max: 180, noNaN: true }).map((value) => (value === 0 ? 0 : value));
const lat = fc.double({ min: -90, max: 90, noNaN: true }).map((value) => (value === 0 ? 0 : value));
const positionOf = (hasHeight: boolean): fc.Arbitrary<number[]> =>
  hasHeight
    ? fc.tuple(lon, lat, double).map((position) => [...position])
    : fc.tuple(lon, lat).map((position) => [...position]);

/** Geometries of every kind, all positions of one dimension. */
const geometry: fc.Arbitrary<RecordValue & { readonly type: string }> = fc.boolean().chain((hasHeight) => {
  const position = positionOf(hasHeight);
  const line = fc.array(position, { minLength: 2, maxLength: 4 });
  const ring = fc
    .array(position, { minLength: 3, maxLength: 5 })
    .map((positions) => [...positions, positions[0] ?? []]);
  const rings = fc.array(ring, { minLength: 1, maxLength: 2 });
  const some = <T>(part: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(part, { minLength: 1, maxLength: 3 });
  const of = (type: string, coordinates: fc.Arbitrary<RecordValue>): fc.Arbitrary<RecordValue & { type: string }> =>
    coordinates.map((value) => ({ type, coordinates: value }));
  const simple = fc.oneof(
    of('Point', position),
    of('LineString', line),
    of('Polygon', rings),
    of('MultiPoint', some(position)),
    of('MultiLineString', some(line)),
    of('MultiPolygon', some(rings)),
  );
  return fc.oneof(
    { weight: 5, arbitrary: simple },
    { weight: 1, arbitrary: some(simple).map((geometries) => ({ type: 'GeometryCollection', geometries })) },
  );
});

/** JSON values and big integers. */
const json: fc.Arbitrary<RecordValue> = fc.letrec<{ value: RecordValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    hardText,
    double,
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 70n }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc
      .array(fc.tuple(fc.oneof(fc.constantFrom('__proto__', 'constructor', 'toJSON', '1'), hardText), tie('value')), {
        maxLength: 3,
      })
      .map((entries) => Object.fromEntries(entries)),
  ),
})).value;

export interface Table {
  readonly columns: readonly ExportColumn[];
  readonly records: readonly HubRecord[];
}

const OF_TYPE: Readonly<Record<QueryableType, fc.Arbitrary<RecordValue>>> = {
  STRING: hardText,
  INTEGER: int64,
  NUMBER: double,
  BOOLEAN: fc.boolean(),
  DATE: fc.constantFrom('2024', '2024-02', '2024-02-29'),
  DATETIME: fc.constantFrom('2024-03-31T02:30:00+01:00', '2024-01-01T00:00:00.123456789Z'),
  GEOMETRY: geometry,
  JSON: json,
};

/** Columns of every type under hard names, and records whose values fit them. */
export const table: fc.Arbitrary<Table> = fc
  .uniqueArray(
    fc.tuple(
      fc.oneof(fc.constantFrom('__proto__', 'constructor', 'toString', 'record_id', 'id', '', '7', '=name'), hardText),
      fc.constantFrom(...(Object.keys(OF_TYPE) as QueryableType[])),
    ),
    { minLength: 1, maxLength: 6, selector: ([name]) => name },
  )
  .chain((names) => {
    const columns = names.map(([name, type]) => column(name, type));
    return fc
      .array(fc.tuple(...columns.map(({ type }) => fc.option(OF_TYPE[type], { freq: 4 }))), { maxLength: 6 })
      .map((rows) => ({
        columns,
        records: rows.map((values, row) => ({
          id: `row ${row}`,
          values: Object.fromEntries(columns.map(({ name }, index) => [name, values[index] ?? null])),
        })),
      }));
  });

/** The value as GraphQL answers it: big integers are strings of digits. */
export const asJson = (value: RecordValue): unknown =>
  JSON.parse(JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)));

/** Own value of a record, null where it has none. */
export const own = ({ values }: HubRecord, name: string): RecordValue =>
  Object.hasOwn(values, name) ? (values[name] ?? null) : null;
