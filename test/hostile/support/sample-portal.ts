import { describeCkanPortal, describeOpendatasoftPortal } from '@civex/sandbox';
import type { PortalAnswer } from '@civex/sandbox';
import type { RawRequest } from './raw-portal.ts';

export const KINDS = ['opendatasoft', 'ckan'] as const;
export type Kind = (typeof KINDS)[number];

/** What a request of an adapter is for. `scan`: the part of a stream that follows its first page. */
export type Purpose = 'catalog' | 'describe' | 'records' | 'scan' | 'other';

/** Records of the sample dataset: more than one page of a scan of either kind. */
const ROWS = 1_200;
/**
 * Datasets of the sample portal, by size: one page of either kind's catalog, and more than one. What a hub reads with a
 * key it lists from the whole catalog, so that `page` is one request of it.
 */
const DATASETS = { page: 90, whole: 320 } as const;
export type Size = keyof typeof DATASETS;
export const DATASET = 'stations';

export interface SampleRow {
  readonly uid: number;
  readonly name: string;
  readonly docks: number | null;
  readonly level: number;
}

export const sampleRow = (index: number): SampleRow => ({
  uid: index + 1,
  name: `Gare n° ${index + 1}`,
  docks: index % 7 === 3 ? null : (index * 13) % 40,
  level: index / 4,
});

const titleOf = (index: number): string => (index === 0 ? 'Stations' : `Jeu n° ${String(index).padStart(3, '0')}`);
const nameOf = (index: number): string => (index === 0 ? DATASET : `jeu-${String(index).padStart(3, '0')}`);

/** A well-behaved answer to a request of an adapter, from the stand-ins' own evaluators. */
export type Honest = (request: Pick<RawRequest, 'method' | 'path' | 'search' | 'body'>) => PortalAnswer;

function describePortal(kind: Kind, size: Size): Honest {
  const indices = Array.from({ length: DATASETS[size] }, (_, index) => index);
  const records = (): readonly SampleRow[] => Array.from({ length: ROWS }, (_, index) => sampleRow(index));
  const common = { id: 'sample', title: 'Sample', language: 'fr', now: () => 0 };
  const { answer } =
    kind === 'opendatasoft'
      ? describeOpendatasoftPortal({
          ...common,
          datasets: indices.map((index) => ({
            id: nameOf(index),
            title: titleOf(index),
            license: 'CC BY 4.0',
            ...(index > 0
              ? {}
              : {
                  fields: [
                    { name: 'uid', type: 'int' as const, annotations: { id: true } },
                    { name: 'name', type: 'text' as const },
                    { name: 'docks', type: 'int' as const },
                    { name: 'level', type: 'double' as const },
                  ],
                  records: () => records().map((row) => ({ ...row })),
                }),
          })),
        })
      : describeCkanPortal({
          ...common,
          packages: indices.map((index) => ({
            name: nameOf(index),
            title: titleOf(index),
            licenseId: 'cc-by-4.0',
            resources:
              index > 0
                ? []
                : [
                    {
                      name: 'table',
                      format: 'CSV',
                      table: {
                        fields: [
                          { id: 'uid', type: 'int4' as const },
                          { id: 'name', type: 'text' as const },
                          { id: 'docks', type: 'int4' as const },
                          { id: 'level', type: 'float8' as const },
                        ],
                        records: () => records().map((row) => ({ ...row })),
                      },
                    },
                  ],
          })),
        });
  return (request) => answer({ ...request, headers: {}, atMs: 0 }, {}, 'application/json');
}

const portals = new Map<string, Honest>();

/** The sample portal of a kind. */
export function samplePortal(kind: Kind, size: Size = 'whole'): Honest {
  const key = `${kind} ${size}`;
  let honest = portals.get(key);
  if (honest === undefined) {
    honest = describePortal(kind, size);
    portals.set(key, honest);
  }
  return honest;
}

/** The JSON an honest answer holds. */
export function bodyOf({ body }: PortalAnswer): Buffer {
  if (typeof body === 'string' || Buffer.isBuffer(body)) return Buffer.from(body);
  return Buffer.from(body.join(''));
}

export function purposeOf(kind: Kind, { path, body }: Pick<RawRequest, 'path' | 'body'>): Purpose {
  if (kind === 'opendatasoft') {
    if (path.includes('/exports/jsonl')) return 'scan';
    if (path.endsWith('/records')) return 'records';
    return path.includes('/catalog/') ? 'catalog' : 'other';
  }
  if (path.endsWith('/package_search')) return 'catalog';
  if (!path.endsWith('/datastore_search')) return 'other';
  const { limit, offset } = JSON.parse(body) as { limit: number; offset: number };
  if (limit === 5 && offset === 0) return 'describe';
  return offset > 0 ? 'scan' : 'records';
}
