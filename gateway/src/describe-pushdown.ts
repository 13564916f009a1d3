import type { RecordCapability } from '@civex/adapter-contract';
import type { Queryable } from '@civex/model';
import type { Predicate } from '@civex/query';

const point = { type: 'Point', coordinates: [0, 0] };

/** One harmless predicate for each operator of the contract that fits the property's type. */
export function specimens({ name: property, type }: Queryable): readonly (readonly [operator: string, Predicate])[] {
  const isNull: readonly [string, Predicate] = ['isNull', { op: 'isNull', property, type }];
  if (type === 'JSON') return [isNull];
  if (type === 'GEOMETRY')
    return [
      isNull,
      ['intersects', { op: 'intersects', property, type, geometry: point }],
      ['bbox', { op: 'bbox', property, type, bbox: [0, 0, 1, 1] }],
      ['withinMetres', { op: 'withinMetres', property, type, lon: 0, lat: 0, metres: 100 }],
    ];
  const value =
    type === 'STRING'
      ? 'a'
      : type === 'BOOLEAN'
        ? true
        : type === 'DATE'
          ? '2026-01-01'
          : type === 'DATETIME'
            ? '2026-01-01T00:00:00Z'
            : 1;
  const equality: readonly (readonly [string, Predicate])[] = [
    ['eq', { op: '=', property, type, value }],
    ['ne', { op: '<>', property, type, value }],
    ['in', { op: 'in', property, type, values: [value] }],
    isNull,
  ];
  if (type === 'BOOLEAN') return equality;
  const ordered: readonly (readonly [string, Predicate])[] = [
    ...equality,
    ['lt', { op: '<', property, type, value }],
    ['lte', { op: '<=', property, type, value }],
    ['gt', { op: '>', property, type, value }],
    ['gte', { op: '>=', property, type, value }],
    ['between', { op: 'between', property, type, lower: value, upper: value }],
  ];
  return type === 'STRING' ? [...ordered, ['like', { op: 'like', property, type, pattern: 'a%' }]] : ordered;
}

/** `Queryable.pushdown`: operators the source decides exactly, those it only narrows, and those the hub does itself. */
export function describePushdown(
  queryable: Queryable,
  capability: RecordCapability,
): Readonly<Record<'exact' | 'inexact' | 'hub', readonly string[]>> {
  const grades = { exact: [] as string[], inexact: [] as string[], hub: [] as string[] };
  for (const [operator, predicate] of specimens(queryable)) {
    const grade = capability.grade(predicate);
    grades[grade === 'none' ? 'hub' : grade].push(operator);
  }
  return grades;
}
