import { describeCkanPortal, describeOpendatasoftPortal } from '@civex/sandbox';
import type { PortalQuirks, PortalServerOptions } from '@civex/sandbox';

/** Random choices of one kind; each part of a simulation has its own, so that one more draw here changes nothing there. */
export interface Dice {
  next(): number;
  /** A whole number, both ends included. */
  int(low: number, high: number): number;
  pick<T>(values: readonly [T, ...T[]]): T;
  chance(probability: number): boolean;
}

export function createDice(next: () => number): Dice {
  const int = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    int,
    pick: (values) => values[int(0, values.length - 1)] ?? values[0],
    chance: (probability) => next() < probability,
  };
}

export interface Row {
  readonly key: string;
  readonly n: number | null;
  readonly x: number | null;
  readonly name: string | null;
  /** Version of the data. */
  readonly v: number;
}

export const WORDS = ['velo', 'parc', 'ecole', 'marche', 'tramway', 'musee'] as const;
const NAMES = ['alpha', 'Alpha', 'beta', "l'arbre", 'say "x"', '100 %', 'a_b', 'gamma', 'Été', ''] as const;

export interface DatasetSpec {
  readonly localId: string;
  readonly words: readonly string[];
  /** Of version 0; later ones differ a little. */
  readonly rows: readonly Omit<Row, 'v'>[];
  /** Comes and goes from version to version. */
  readonly flickers: boolean;
  /** Opendatasoft: declares a unique number. */
  readonly hasId: boolean;
}

/** One portal's truth over time. */
export interface PortalSpec {
  readonly source: string;
  readonly kind: 'opendatasoft' | 'ckan';
  readonly hosts: readonly [string, ...string[]];
  readonly address: string;
  readonly datasets: readonly DatasetSpec[];
  /** Moments at which a new version begins, ascending; version 0 began before everything. */
  readonly bumpsMs: readonly number[];
}

export const titleOf = (dataset: DatasetSpec, version: number): string =>
  `${dataset.words.join(' ')} ${dataset.localId} v${version}`;

export const existsIn = (dataset: DatasetSpec, version: number): boolean => !dataset.flickers || version % 2 === 0;

/** Rows come and go at the end; every row tells its version. */
export function rowsOf(dataset: DatasetSpec, version: number): readonly Row[] {
  const count = Math.max(0, dataset.rows.length - 2 * (version % 3));
  return dataset.rows.slice(0, count).map((row) => ({ ...row, v: version }));
}

function versionAt(portal: PortalSpec, atMs: number): number {
  return portal.bumpsMs.filter((bumpMs) => bumpMs <= atMs).length;
}

/** The versions that were the truth at some moment between two. */
export function versionsBetween(portal: PortalSpec, fromMs: number, toMs: number): readonly number[] {
  const [first, last] = [versionAt(portal, fromMs), versionAt(portal, toMs)];
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

export function createPortalSpec(index: number, startMs: number, endMs: number, dice: Dice): PortalSpec {
  const source = `s${index}`;
  const datasets = Array.from({ length: dice.int(2, 9) }, (_, at): DatasetSpec => {
    const size = dice.chance(0.2) ? dice.int(101, 150) : dice.int(0, 40);
    return {
      localId: `${source}-d${at}`,
      words: [...new Set(Array.from({ length: dice.int(1, 3) }, () => dice.pick(WORDS)))],
      rows: Array.from({ length: size }, (__, row) => ({
        key: `${source}-d${at}-${row}`,
        n: dice.chance(0.1) ? null : dice.int(-5, 15),
        x: dice.chance(0.1) ? null : dice.int(-8, 8) / 4,
        name: dice.chance(0.15) ? null : dice.pick(NAMES),
      })),
      flickers: at > 1 && dice.chance(0.15),
      hasId: dice.chance(0.6),
    };
  });
  const bumpsMs = Array.from({ length: dice.int(0, 4) }, () => dice.int(startMs, endMs)).sort((a, b) => a - b);
  const second: readonly string[] = dice.chance(0.25) ? [`${source}-b.portal.example`] : [];
  return {
    source,
    kind: dice.chance(0.5) ? 'opendatasoft' : 'ckan',
    hosts: [`${source}.portal.example`, ...second],
    address: `9.9.9.${index + 1}`,
    datasets,
    bumpsMs,
  };
}

/** The portal's own words for one version of its truth. */
function describePortal(portal: PortalSpec, version: number): PortalServerOptions {
  const datasets = portal.datasets.filter((dataset) => existsIn(dataset, version));
  const common = { id: portal.source, title: portal.source, language: 'en', now: () => 0 };
  if (portal.kind === 'opendatasoft')
    return describeOpendatasoftPortal({
      ...common,
      datasets: datasets.map((dataset) => ({
        id: dataset.localId,
        title: titleOf(dataset, version),
        fields: [
          { name: 'uid', type: 'int', ...(dataset.hasId ? { annotations: { id: true } } : {}) },
          { name: 'key', type: 'text' },
          { name: 'n', type: 'int' },
          { name: 'x', type: 'double' },
          { name: 'name', type: 'text' },
          { name: 'v', type: 'int' },
        ],
        records: () => rowsOf(dataset, version).map((row, index) => ({ uid: index + 1, ...row })),
      })),
    });
  return describeCkanPortal({
    ...common,
    packages: datasets.map((dataset) => ({
      name: dataset.localId,
      title: titleOf(dataset, version),
      resources: [
        {
          name: 'table',
          format: 'CSV',
          table: {
            fields: [
              { id: 'key', type: 'text' },
              { id: 'n', type: 'int4' },
              { id: 'x', type: 'float8' },
              { id: 'name', type: 'text' },
              { id: 'v', type: 'int4' },
            ],
            records: () => rowsOf(dataset, version).map((row) => ({ ...row })),
          },
        },
      ],
    })),
  });
}

/** What a portal answers at a moment: the portals are made when they are first asked. */
export function createAnswers(portal: PortalSpec): (atMs: number) => (
  request: { method: string; path: string; search: string; body: string },
  quirks: PortalQuirks,
) => {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | readonly string[];
} {
  const made = new Map<number, PortalServerOptions>();
  return (atMs) => {
    const version = versionAt(portal, atMs);
    let described = made.get(version);
    if (described === undefined) {
      described = describePortal(portal, version);
      made.set(version, described);
    }
    const { answer } = described;
    return (request, quirks) => answer({ ...request, headers: {}, atMs }, quirks, 'application/json');
  };
}

// ---------------------------------------------------------------- filters, once more and independently

/** `FilterInput` of the contract. */
export type Filter =
  | { readonly and: readonly Filter[] }
  | { readonly or: readonly Filter[] }
  | { readonly not: Filter }
  | ({ readonly property: 'n' | 'x' | 'name' } & Readonly<Record<string, unknown>>);

/** SQL's three values. */
export function evaluate(filter: Filter, row: Row): boolean | null {
  if ('and' in filter) {
    const parts = (filter.and as readonly Filter[]).map((part) => evaluate(part, row));
    return parts.includes(false) ? false : parts.includes(null) ? null : true;
  }
  if ('or' in filter) {
    const parts = (filter.or as readonly Filter[]).map((part) => evaluate(part, row));
    return parts.includes(true) ? true : parts.includes(null) ? null : false;
  }
  if ('not' in filter) {
    const part = evaluate(filter.not as Filter, row);
    return part === null ? null : !part;
  }
  const value = row[filter.property];
  const number = Number(value);
  const [op, operand] = Object.entries(filter).find(([name]) => name !== 'property') ?? ['', null];
  if (op === 'isNull') return (value === null) === operand;
  if (value === null) return null;
  switch (op) {
    case 'eq':
      return value === operand;
    case 'ne':
      return value !== operand;
    case 'lt':
      return number < (operand as number);
    case 'lte':
      return number <= (operand as number);
    case 'gt':
      return number > (operand as number);
    case 'gte':
      return number >= (operand as number);
    case 'in':
      return (operand as unknown[]).includes(value);
    case 'between': {
      const [low, high] = operand as [number, number];
      return number >= low && number <= high;
    }
    case 'like': {
      const source = (operand as string).replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('%', '[^]*');
      return new RegExp(`^${source.replaceAll('_', '[^]')}$`, 'u').test(String(value));
    }
    default:
      throw new RangeError(`no operator "${op}"`);
  }
}

export function createFilter(dice: Dice, depth = 0): Filter {
  const kind = depth < 2 ? dice.int(0, 9) : 9;
  if (kind === 0) return { not: createFilter(dice, depth + 1) };
  if (kind === 1) return { or: [createFilter(dice, depth + 1), createFilter(dice, depth + 1)] };
  if (kind <= 3) return { and: [createFilter(dice, depth + 1), createFilter(dice, depth + 1)] };
  const property = dice.pick<'n' | 'x' | 'name'>(['n', 'x', 'name']);
  if (dice.chance(0.1)) return { property, isNull: dice.chance(0.5) };
  if (property === 'name') {
    switch (dice.int(0, 3)) {
      case 0:
        return { property, in: [dice.pick(NAMES), dice.pick(NAMES)] };
      case 1:
        return { property, like: dice.pick(['%a%', 'a%', '%x_', 'Al%', '%a', '_eta']) };
      case 2:
        return { property, ne: dice.pick(NAMES) };
      default:
        return { property, eq: dice.pick(NAMES) };
    }
  }
  const value = (): number => (property === 'n' ? dice.int(-5, 15) : dice.int(-8, 8) / 4);
  switch (dice.int(0, 3)) {
    case 0:
      return { property, in: [value(), value(), value()] };
    case 1: {
      const [a, b] = [value(), value()];
      return { property, between: [Math.min(a, b), Math.max(a, b)] };
    }
    default:
      return { property, [dice.pick(['eq', 'ne', 'lt', 'lte', 'gt', 'gte'])]: value() };
  }
}
