import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ContractHarness } from './contract-check.ts';

/** Lets everything that is ready happen, without a clock. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextTurn();
}

/** Fails unless the promise rejects before the harness loses patience. */
export async function assertRejectsSoon(
  pending: Promise<unknown>,
  { patienceMs = 2_000 }: ContractHarness,
): Promise<void> {
  const timer = Promise.withResolvers<'late'>();
  const handle = setTimeout(() => timer.resolve('late'), patienceMs);
  try {
    const settled = pending.then(
      () => 'resolved' as const,
      () => 'rejected' as const,
    );
    assert.equal(await Promise.race([settled, timer.promise]), 'rejected');
  } finally {
    clearTimeout(handle);
  }
}
