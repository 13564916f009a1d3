import { abortChecks } from './abort-checks.ts';
import { aggregateChecks, hasAggregate } from './aggregate-checks.ts';
import { catalogChecks } from './catalog-checks.ts';
import type { ContractCheck, ContractHarness, Need } from './contract-check.ts';
import { hasGraded, lawChecks } from './law-checks.ts';
import { hasWindow, recordChecks } from './record-checks.ts';
import { hasScanOrder, scanChecks } from './scan-checks.ts';

/** Everything an adapter does, as data: the same list runs against real adapters and against broken ones. */
export const adapterContract: readonly ContractCheck[] = [
  ...catalogChecks,
  ...abortChecks,
  ...recordChecks,
  ...scanChecks,
  ...lawChecks,
  ...aggregateChecks,
];

async function has(need: Need, harness: ContractHarness): Promise<boolean> {
  switch (need) {
    case 'records':
      return harness.adapter.records !== undefined;
    case 'window':
      return hasWindow(harness, false);
    case 'sort':
      return hasWindow(harness, true);
    case 'exact':
    case 'inexact':
      return hasGraded(harness, need);
    case 'ordered':
    case 'resumable':
      return hasScanOrder(harness, need);
    case 'aggregate':
      return hasAggregate(harness);
    case 'stop':
    case 'hang':
    case 'requestCount':
      return harness.portal[need] !== undefined;
  }
}

/** What a check is about that this adapter or its portal double does not have; null when nothing is missing. */
export async function findMissingNeed({ needs = [] }: ContractCheck, harness: ContractHarness): Promise<Need | null> {
  for (const need of needs) if (!(await has(need, harness))) return need;
  return null;
}
