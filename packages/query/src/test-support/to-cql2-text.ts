import type { Geometry } from '@civex/model';
import type { RecordFilter, ScalarValue } from '../filter.ts';

const PLAIN = /^[A-Za-z_][A-Za-z0-9_]*$/;
const name = (text: string): string => (PLAIN.test(text) ? text : `"${text.replaceAll('"', '""')}"`);

function literal(value: ScalarValue, type: string): string {
  if (typeof value !== 'string') return String(value).toUpperCase();
  const text = `'${value.replaceAll("'", "''")}'`;
  return type === 'DATE' ? `DATE(${text})` : type === 'DATETIME' ? `TIMESTAMP(${text})` : text;
}

/** `[[0,0],[1,1]]` as `(0 0, 1 1)`, to any depth. */
const positions = (coordinates: unknown): string => {
  const list = coordinates as readonly unknown[];
  return typeof list[0] === 'number' ? list.join(' ') : `(${list.map((part) => positions(part)).join(', ')})`;
};

function wkt({ type, coordinates, geometries }: Geometry): string {
  if (geometries !== undefined) return `GEOMETRYCOLLECTION(${geometries.map(wkt).join(', ')})`;
  const text = positions(coordinates);
  return `${type.toUpperCase()}${type === 'Point' ? `(${text})` : text}`;
}

/** A filter in CQL2 Text, with as many brackets as can do no harm. */
export function toCql2Text(filter: RecordFilter): string {
  const named = 'property' in filter ? name(filter.property) : '';
  const fold = 'fold' in filter ? filter.fold : undefined;
  const property =
    fold === undefined
      ? named
      : fold === 'case'
        ? `CASEI(${named})`
        : fold === 'accent'
          ? `ACCENTI(${named})`
          : `casei(ACCENTI( ${named} ))`;
  switch (filter.op) {
    case 'and':
    case 'or':
      return filter.args.map((arg) => `(${toCql2Text(arg)})`).join(` ${filter.op} `);
    case 'not':
      return `NOT (${toCql2Text(filter.args[0])})`;
    case 'in':
      return `${property} IN (${filter.values.map((value) => literal(value, filter.type)).join(',')})`;
    case 'between':
      return `${property} BETWEEN ${literal(filter.lower, filter.type)} AND ${literal(filter.upper, filter.type)}`;
    case 'like':
      return `${property} LIKE ${literal(filter.pattern, filter.type)}`;
    case 'isNull':
      return `${property} IS NULL`;
    case 'bbox':
      return `S_INTERSECTS(${property}, BBOX(${filter.bbox.join(', ')}))`;
    case 'intersects':
      return `S_INTERSECTS(${property}, ${wkt(filter.geometry)})`;
    case 'withinMetres':
      return `S_DWITHIN(${property}, POINT(${filter.lon} ${filter.lat}), ${filter.metres}, metre)`;
    case '=':
    case '<>':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return `${property} ${filter.op} ${literal(filter.value, filter.type)}`;
  }
}
