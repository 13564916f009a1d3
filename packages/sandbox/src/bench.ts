import { cycle, dayAt, FACET, field, placeNear, times } from './data/builders.ts';
import { createOpendatasoftPortal } from './opendatasoft/opendatasoft-portal.ts';
import type { OpendatasoftDataset } from './opendatasoft/opendatasoft-dataset.ts';
import { createRandom } from './random.ts';
import type { Sandbox } from './sandbox.ts';
import { gatherPortals } from './sandbox.ts';

export interface BenchOptions {
  /** Datasets of each portal. Default 40. */
  readonly datasets?: number;
  /** Milliseconds before the first byte of every answer. Default 0. */
  readonly latencyMs?: number;
  /** Records of each dataset. Default 50. */
  readonly records?: number;
}

const TOPICS = [
  ['Bike sharing stations', 'Transport', 'velo'],
  ['Road traffic', 'Transport', 'traffic'],
  ['Public lighting energy', 'Energy', 'energy'],
  ['Street trees', 'Environment', 'trees'],
  ['Building permits', 'Planning', 'permits'],
] as const;

const PARAGRAPH =
  '<p>Compiled each month from the registers of the service.&nbsp;Values are rounded and small counts are left out.</p>';

function benchDataset(portal: number, index: number, records: number): OpendatasoftDataset {
  const [title, theme, keyword] = cycle(TOPICS, index);
  const random = createRandom(portal * 1000 + index);
  const center = { lon: (portal % 50) * 3 - 70, lat: (portal % 20) * 3 - 10 };
  return {
    id: `bench-${keyword}-${index}`,
    title: `${title}, district ${index + 1}`,
    description: `<p>${title} of city ${portal + 1}, district ${index + 1}.</p>${PARAGRAPH}`,
    theme: [theme],
    keyword: [keyword, 'open data', `district ${index + 1}`],
    license: 'CC BY 4.0',
    licenseUrl: 'https://creativecommons.org/licenses/by/4.0/',
    publisher: `City ${portal + 1}`,
    modified: `${dayAt(index * 5)}T06:00:00+00:00`,
    fields: [
      field('id', 'int', 'Id', { id: true }),
      field('name', 'text', 'Name', FACET),
      field('value', 'double', 'Value', { decimals: 1 }),
      field('geo_point_2d', 'geo_point_2d', 'Geo Point'),
    ],
    records: () =>
      times(records, (row) => ({
        id: row + 1,
        name: `${title} ${row + 1}`,
        value: row % 20 === 19 ? null : random.int(0, 10_000) / 10,
        geo_point_2d: placeNear(random, center, 0.1),
      })),
  };
}

/**
 * Starts `count` Opendatasoft portals, ids `bench-1` and so on, for benchmarks in which the portal must not be the
 * bottleneck: a repeated question is answered from memory. A catalog page of 10 datasets has about 18 KB.
 */
export function createBenchPortals(count: number, options: BenchOptions = {}): Promise<Sandbox> {
  const { datasets = 40, latencyMs = 0, records = 50 } = options;
  return gatherPortals(
    times(count, (portal) =>
      createOpendatasoftPortal({
        id: `bench-${portal + 1}`,
        title: `City ${portal + 1}`,
        language: 'en',
        datasets: times(datasets, (index) => benchDataset(portal, index, records)),
        latencyMs,
        memoizes: true,
      }),
    ),
  );
}
