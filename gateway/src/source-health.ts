import type { SourceHealth } from '@civex/adapter-contract';
import type { HubContext, HubSource } from './context.ts';
import { toTimestamp } from './source-report.ts';

/** `SourceHealth` of the contract. */
export interface ReportedHealth extends Omit<SourceHealth, 'datasetCount'> {
  readonly datasetCount: number | null;
  readonly lostCapabilities: readonly {
    readonly dataset: string;
    readonly capability: string;
    readonly since: string;
  }[];
}

/** What a source says of itself, and what the hub found out about it: one that was caught is not simply up. */
export async function readHealth(
  source: HubSource,
  context: HubContext,
  /** Whether a dataset may be named. Default: when the caller may know of it. An operator may know of all. */
  mayName: (datasetId: string) => boolean | Promise<boolean> = (id) => context.access.mayName(source.info.source, id),
): Promise<ReportedHealth> {
  const health = await source.health(context);
  const lostCapabilities = context.services.door
    .lost(source.info.source)
    .map(({ datasetId, capability, sinceEpochMs }) => ({
      dataset: datasetId,
      capability,
      since: toTimestamp(sinceEpochMs),
    }));
  const found = [...(health.lostCapabilities ?? []), ...lostCapabilities];
  // What is said of a dataset that must not be noticed would make it noticed.
  const mayTell = await Promise.all(found.map(async ({ dataset }) => mayName(dataset)));
  const known = found.filter((_, index) => mayTell[index]);
  return {
    ...health,
    state: health.state === 'UP' && known.length > 0 ? 'DEGRADED' : health.state,
    lostCapabilities: known,
  };
}
