import type { Call, RecordCapability } from '@civex/adapter-contract';
import type { Predicate, RecordFilter } from '@civex/query';
import type { LostCapabilities, TrustedCapability } from './lost-capabilities.ts';
import type { ProbeTarget, ProbeVerdict } from './probe-capability.ts';
import { claimsOf, createSample, probeCapability } from './probe-capability.ts';

/** How long a proof holds, and how long an unsuccessful try is not repeated. Milliseconds. */
const PROOF_MS = 24 * 3_600_000;
const RETRY_MS = 60_000;
/** Time a caller must have left for probes to be tried for it. Milliseconds. */
const LEAST_TIME_MS = 3_000;
/** Proofs remembered; the oldest is forgotten first. */
const MAX_PROOFS = 10_000;

/** Which operators of a source were shown to be decided as claimed. By source, operator and type of property. */
export interface Evidence {
  /**
   * What a source may be relied on for in a filter, probing what nobody has probed. What is not proven is left to
   * the hub: a portal that loses records would lose them when it narrows, too.
   */
  admit(
    target: ProbeTarget,
    filter: RecordFilter | null,
    capability: TrustedCapability,
    call: Call,
  ): Promise<TrustedCapability>;
  /** The verdict on one claim, probing it unless it is known. */
  prove(target: ProbeTarget, claim: Pick<Predicate, 'op' | 'property' | 'type'>, call: Call): Promise<ProbeVerdict>;
}

/** The adapters' claims are taken on their word: for tests of everything else. */
export const NO_PROBES: Evidence = {
  admit: (_target, _filter, capability) => Promise.resolve(capability),
  prove: () => Promise.resolve('unknown'),
};

export function createEvidence(monotonicMs: () => number, lost: LostCapabilities): Evidence {
  const verdicts = new Map<string, { readonly verdict: ProbeVerdict; readonly untilMs: number }>();
  /** Being probed for another caller, who is not waited for. */
  const underWay = new Set<string>();

  const known = (key: string): ProbeVerdict | null => {
    const entry = verdicts.get(key);
    if (entry === undefined || entry.untilMs <= monotonicMs()) return null;
    return entry.verdict;
  };
  const remember = (key: string, verdict: ProbeVerdict): void => {
    verdicts.delete(key);
    verdicts.set(key, { verdict, untilMs: monotonicMs() + (verdict === 'unknown' ? RETRY_MS : PROOF_MS) });
    const [oldest] = verdicts.keys();
    if (verdicts.size > MAX_PROOFS && oldest !== undefined) verdicts.delete(oldest);
  };

  const proveWith = async (
    target: ProbeTarget,
    claim: Pick<Predicate, 'op' | 'property' | 'type'>,
    readSample: ReturnType<typeof createSample>,
    call: Call,
  ): Promise<ProbeVerdict> => {
    const { source, id } = target.dataset;
    const key = JSON.stringify([source, claim.op, claim.type]);
    const before = known(key);
    if (before !== null) return before;
    if (underWay.has(key) || call.deadlineEpochMs - monotonicMs() < LEAST_TIME_MS) return 'unknown';
    underWay.add(key);
    try {
      const verdict = await probeCapability(target, claim, readSample, call);
      remember(key, verdict);
      if (verdict === 'refuted') lost.add(source, id, new Set([claim.op]));
      return verdict;
    } finally {
      underWay.delete(key);
    }
  };

  return {
    async admit(target, filter, capability, call) {
      const doubtful = new Map<string, ProbeVerdict>();
      const readSample = createSample(target, call);
      for (const claim of claimsOf(filter, capability)) {
        const verdict = await proveWith(target, claim, readSample, call);
        if (verdict !== 'proven') doubtful.set(`${claim.op} ${claim.type}`, verdict);
      }
      return doubtful.size === 0 ? capability : withDoubts(capability, doubtful);
    },
    prove: (target, claim, call) => proveWith(target, claim, createSample(target, call), call),
  };
}

function withDoubts(capability: TrustedCapability, doubtful: ReadonlyMap<string, ProbeVerdict>): TrustedCapability {
  const verdictOf = ({ op, type }: Predicate): ProbeVerdict | undefined => doubtful.get(`${op} ${type}`);
  const grade: RecordCapability['grade'] = (predicate) => {
    const claimed = capability.grade(predicate);
    if (claimed !== 'exact') return claimed;
    switch (verdictOf(predicate)) {
      case undefined:
      case 'proven':
        return claimed;
      // Whoever ignores a condition lets too much through; whoever loses records must not be asked at all.
      case 'refuted':
      case 'unknown':
        return 'none';
    }
  };
  return {
    ...capability,
    grade,
    explain: (predicate) => {
      const verdict = capability.grade(predicate) === 'exact' ? verdictOf(predicate) : undefined;
      if (verdict === 'refuted')
        return { reason: 'LOST', text: 'A probe showed that the source does not decide this.' };
      if (verdict === 'unknown')
        return { reason: 'UNPROVEN', text: 'Nothing has shown yet that the source decides this as it claims.' };
      return capability.explain?.(predicate) ?? null;
    },
  };
}
