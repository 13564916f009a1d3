import type { Call } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import type { BoundQuestion } from './bind-question.ts';
import { factsOf } from './bind-question.ts';
import type { Evidence } from './evidence.ts';
import { createEvidence, NO_PROBES } from './evidence.ts';
import type { LostEntry, LostOp, TrustedCapability } from './lost-capabilities.ts';
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
    source: BoundQuestion['source'],
    attempt: (capability: TrustedCapability) => Promise<T>,
    call: Call,
  ): Promise<T>;
  /** The source was caught after its answer had begun to leave: nothing can be computed again, but it is not relied on any more. */
  lose(dataset: BoundQuestion['dataset'], ops: ReadonlySet<LostOp>): void;
  /** What a source claims for a dataset, without what it was caught at. */
  claims(target: Pick<BoundQuestion['source'], 'facet' | 'dataset'>): TrustedCapability;
  /** What a source was caught at. */
  lost(source: string): readonly LostEntry[];
  /** What a probe says of one claim. */
  prove: Evidence['prove'];
}

export interface TrustOptions {
  readonly onCapabilityLost: (source: string, datasetId: string, op: string) => void;
  /** Null: claims are taken on their word. */
  readonly clock: { now(): number; monotonicMs(): number } | null;
}

export function createTrust({ onCapabilityLost, clock }: TrustOptions): Trust {
  const lostCapabilities = createLostCapabilities(onCapabilityLost, undefined, () => clock?.now() ?? 0);
  const evidence = clock === null ? NO_PROBES : createEvidence(() => clock.monotonicMs(), lostCapabilities);
  return {
    async answer({ facet, dataset, filter }, attempt, call) {
      const claimed = facet.capability(dataset);
      let lost: ReadonlySet<LostOp> = new Set();
      for (let attempts = 0; attempts < MAX_ATTEMPTS; attempts++) {
        call.signal.throwIfAborted();
        lost = new Set([...lost, ...lostCapabilities.of(dataset.source, dataset.id)]);
        try {
          const capability = withoutLost(claimed, lost);
          return await attempt(await evidence.admit({ facet, dataset }, filter, capability, call));
        } catch (error) {
          if (!(error instanceof LostCapability)) throw error;
          lostCapabilities.add(dataset.source, dataset.id, error.ops);
          lost = new Set([...lost, ...error.ops]);
        }
      }
      throw new HubError('INTERNAL', 'Internal error.', factsOf(dataset));
    },
    lose: (dataset, ops) => lostCapabilities.add(dataset.source, dataset.id, ops),
    claims: ({ facet, dataset }) =>
      withoutLost(facet.capability(dataset), lostCapabilities.of(dataset.source, dataset.id)),
    lost: (source) => lostCapabilities.ofSource(source),
    prove: (target, claim, call) => evidence.prove(target, claim, call),
  };
}
