import { isDeepStrictEqual } from 'node:util';
import type { HubConfig, SourceConfig } from './hub-config.ts';

export interface SourcesDiff {
  /** Source ids, in the order of the newer configuration; `removed` in that of the older one. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Present in both, with any difference, the secret included. */
  readonly changed: readonly string[];
}

const isSame = (a: SourceConfig, b: SourceConfig): boolean =>
  // `secretHeaders` is not enumerable, so a comparison of the sources alone does not see it.
  isDeepStrictEqual(a, b) && isDeepStrictEqual({ ...a.secretHeaders }, { ...b.secretHeaders });

/** What a reload has to do. The order of sources is no difference. */
export function diffSources(before: Pick<HubConfig, 'sources'>, after: Pick<HubConfig, 'sources'>): SourcesDiff {
  const old = new Map(before.sources.map((source) => [source.id, source]));
  const kept = new Set(after.sources.map((source) => source.id));
  const added: string[] = [];
  const changed: string[] = [];
  for (const source of after.sources) {
    const previous = old.get(source.id);
    if (previous === undefined) added.push(source.id);
    else if (!isSame(previous, source)) changed.push(source.id);
  }
  return { added, removed: before.sources.map((source) => source.id).filter((id) => !kept.has(id)), changed };
}
