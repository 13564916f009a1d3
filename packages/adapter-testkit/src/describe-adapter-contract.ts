import { describe, test } from 'vitest';
import { adapterContract, findMissingNeed } from './adapter-contract-suite.ts';
import type { ContractHarness } from './contract-check.ts';

/**
 * Runs the whole suite as Vitest tests, each with a harness of its own. What the adapter or its portal double does not
 * have is reported as a skip that names it.
 */
export function describeAdapterContract(name: string, createHarness: () => Promise<ContractHarness>): void {
  describe(`the adapter contract: ${name}`, () => {
    for (const check of adapterContract)
      test(check.title, async ({ skip }) => {
        await using harness = await createHarness();
        const missing = await findMissingNeed(check, harness);
        if (missing !== null) skip(`needs ${missing}`);
        await check.run(harness);
      });
  });
}
