import type { SandboxPortal } from '@civex/sandbox';
import type { Loose } from './test-hub.ts';

/** What a portal itself says of one of its datasets, asked past the hub. */
export interface PortalEntry {
  readonly id: string;
  readonly title: string;
  readonly themes: readonly string[];
  readonly keywords: readonly string[];
  readonly publisher: string | null;
  readonly license: string | null;
  /** Instant of the last change, epoch milliseconds. */
  readonly modifiedEpochMs: number | null;
  /** True when the portal serves records of it. */
  readonly hasRecords: boolean;
  readonly text: string;
}

/** Instants without a zone are the portal's server time, UTC. */
const epochOf = (text: string | null | undefined): number | null =>
  text == null ? null : Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`);

/** A day written `19/12/2024` in an extra of a harvested package, which outranks the portal's own date. */
function statedDay(extras: readonly { readonly key: string; readonly value: string }[] | undefined): number | null {
  const [, day, month, year] =
    /(\d\d)\/(\d\d)\/(\d{4})/.exec(extras?.find(({ key }) => key === 'modified')?.value ?? '') ?? [];
  return year === undefined ? null : Date.parse(`${year}-${month}-${day}T00:00:00Z`);
}

interface OpendatasoftPage {
  readonly total_count: number;
  readonly results: readonly {
    readonly dataset_id: string;
    readonly data_visible: boolean;
    readonly has_records: boolean;
    readonly metas: { readonly default: Readonly<Record<string, Loose>> };
  }[];
}

async function readOpendatasoft(portal: SandboxPortal, search: string | null): Promise<readonly PortalEntry[]> {
  const where = search === null ? '' : `&where=${encodeURIComponent(`search("${search}")`)}`;
  const answer = await fetch(`${portal.baseUrl}/api/explore/v2.1/catalog/datasets?limit=100${where}`);
  const { total_count: count, results } = (await answer.json()) as OpendatasoftPage;
  if (count !== results.length) throw new RangeError('the portal has more datasets than one page holds');
  return results.map(
    ({ dataset_id: localId, data_visible: isVisible, has_records: hasRecords, metas: { default: meta } }) => ({
      id: `${portal.id}:${localId}`,
      title: meta['title'],
      themes: meta['theme'] ?? [],
      keywords: meta['keyword'] ?? [],
      publisher: meta['publisher'] ?? null,
      license: meta['license'] ?? null,
      modifiedEpochMs: epochOf(meta['modified']),
      hasRecords: hasRecords && isVisible,
      text: JSON.stringify(meta),
    }),
  );
}

async function readCkan(portal: SandboxPortal, search: string | null): Promise<readonly PortalEntry[]> {
  const q = search === null ? '' : `&q=${encodeURIComponent(search)}`;
  const answer = await fetch(`${portal.baseUrl}/api/3/action/package_search?rows=1000&fq=dataset_type:dataset${q}`);
  const { result } = (await answer.json()) as { result: { count: number; results: Readonly<Record<string, Loose>>[] } };
  if (result.count !== result.results.length) throw new RangeError('the portal has more datasets than one page holds');
  return result.results.map((pack) => ({
    id: `${portal.id}:${pack['name']}`,
    title: pack['title'],
    themes: pack['groups'].map(({ name }: { name: string }) => name),
    keywords: pack['tags'].map(({ name }: { name: string }) => name),
    publisher: pack['organization']?.title ?? null,
    license: pack['license_id'] || null,
    modifiedEpochMs: statedDay(pack['extras']) ?? epochOf(pack['metadata_modified']),
    hasRecords: portal.truth(pack['name'])?.records != null,
    text: JSON.stringify(pack),
  }));
}

/** Every dataset of a portal, or what its own search finds. */
export function readPortal(portal: SandboxPortal, search: string | null = null): Promise<readonly PortalEntry[]> {
  return portal.kind === 'opendatasoft' ? readOpendatasoft(portal, search) : readCkan(portal, search);
}

/** Lower case without accents. */
export const fold = (text: string): string => text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
