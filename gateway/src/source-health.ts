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
export async function readHealth(source: HubSource, context: HubContext): Promise<ReportedHealth> {
  const health = await source.health(context);
  const lostCapabilities = context.services.door
    .lost(source.info.source)
    .map(({ datasetId, capability, sinceEpochMs }) => ({
      dataset: datasetId,
      capability,
      since: toTimestamp(sinceEpochMs),
    }));
  const known = [...(health.lostCapabilities ?? []), ...lostCapabilities];
  return {
    ...health,
    state: health.state === 'UP' && known.length > 0 ? 'DEGRADED' : health.state,
    lostCapabilities: known,
  };
}
