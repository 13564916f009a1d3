import { createCallTrace } from '@civex/adapter-contract';
import { isHubError } from '@civex/errors';
import { decodeDatasetId } from '@civex/model';
import { createCall } from './context.ts';
import type { HubContext } from './context.ts';

interface RestrictionCheck {
  /** Restricted by the configuration, and not there: whatever dataset was meant is handled as its portal says. */
  readonly missing: readonly string[];
  /** Of portals that could not be asked. */
  readonly unchecked: readonly string[];
}

/** Looks whether the datasets that the configuration restricts are there under the ids it names. Asks their portals. */
export async function checkRestrictions(context: HubContext): Promise<RestrictionCheck> {
  const missing: string[] = [];
  const unchecked: string[] = [];
  const bySource = Map.groupBy(
    [...context.services.accessRules().restrictions.keys()].flatMap((id) => decodeDatasetId(id) ?? []),
    ({ source }) => source,
  );
  for (const [key, refs] of bySource) {
    const source = context.sources.get(key);
    if (source === undefined || source.kind === 'remote') continue;
    const { catalog } = source.adapter;
    for (let start = 0; start < refs.length; start += catalog.maxBatchKeys) {
      const localIds = refs.slice(start, start + catalog.maxBatchKeys).map(({ localId }) => localId);
      const outcomes = await catalog
        .getMany(localIds, createCall(context, createCallTrace()))
        .catch((): readonly null[] | undefined => undefined);
      for (const [index, localId] of localIds.entries()) {
        const id = `${key}:${localId}`;
        const outcome = outcomes?.[index];
        if (outcome === undefined || isHubError(outcome)) unchecked.push(id);
        else if (outcome === null) missing.push(id);
      }
    }
  }
  return { missing, unchecked };
}
