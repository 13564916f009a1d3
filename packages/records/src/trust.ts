import type { Call } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { BoundQuestion } from './bind-question.ts';
import { factsOf } from './bind-question.ts';
import type { LostOp, TrustedCapability } from './lost-capabilities.ts';
import { createLostCapabilities, LostCapability, withoutLost } from './lost-capabilities.ts';

/** Every operator of CQL2 the hub knows, and the order: each can be lost once, so an answer is computed this often at most. */
const MAX_ATTEMPTS = 16;

/** What sources are relied on for. */
export interface Trust {
  /**
   * Computes an answer with what the source may be relied on for, and again without whatever it is caught at, which
   * `attempt` tells by throwing a `LostCapability`.
   *
   * @throws whatever else `attempt` throws.
   */
  answer<T>(
    question: Pick<BoundQuestion, 'facet' | 'dataset'>,
    attempt: (capability: TrustedCapability) => Promise<T>,
    call: Call,
  ): Promise<T>;
  /** The source was caught after its answer had begun to leave: nothing can be computed again, but it is not relied on any more. */
  lose(dataset: BoundQuestion['dataset'], ops: ReadonlySet<LostOp>): void;
}

export function createTrust(onCapabilityLost: (source: string, datasetId: string, op: string) => void): Trust {
  const lostCapabilities = createLostCapabilities(onCapabilityLost);
  return {
    async answer({ facet, dataset }, attempt, call) {
      const claimed = facet.capability(dataset);
      let lost: ReadonlySet<LostOp> = new Set();
      for (let attempts = 0; attempts < MAX_ATTEMPTS; attempts++) {
        call.signal.throwIfAborted();
        lost = new Set([...lost, ...lostCapabilities.of(dataset.source, dataset.id)]);
        try {
          return await attempt(withoutLost(claimed, lost));
        } catch (error) {
          if (!(error instanceof LostCapability)) throw error;
          lostCapabilities.add(dataset.source, dataset.id, error.ops);
          lost = new Set([...lost, ...error.ops]);
        }
      }
      throw new HubError('INTERNAL', 'Internal error.', factsOf(dataset));
    },
    lose: (dataset, ops) => lostCapabilities.add(dataset.source, dataset.id, ops),
  };
}
