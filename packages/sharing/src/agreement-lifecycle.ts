import { HubError } from '@civex/errors';
import type { Agreement, AgreementEvent, AgreementState, AgreementTerms, AgreementVersion } from './agreement.ts';
import { createVersion } from './agreement-version.ts';
import { compareTerms } from './compare-terms.ts';

/** Who asks for a change. */
export interface Party {
  /** By its id in hub.yaml. */
  readonly organisation: string;
  readonly subject: string;
  /** Whether the organisation lets the subject manage its agreements. */
  readonly mayManage: boolean;
}

export const LIFECYCLE_LIMITS = {
  /** Events of one agreement. A provider may still suspend and end it, which adds no more than these two. */
  events: 1_000,
  /** Characters of a reason. */
  reasonLength: 1_000,
} as const;

type Side = 'provider' | 'consumer';
type Written = Agreement['state'];

const deny = (message: string): never => {
  throw new HubError('ACCESS_DENIED', message);
};
const refuse = (message: string): never => {
  throw new HubError('INPUT_INVALID', message);
};

function sideOf({ provider, consumer }: AgreementTerms, actor: Party): Side {
  const side = actor.organisation === provider ? 'provider' : actor.organisation === consumer ? 'consumer' : null;
  if (side === null) return deny('Only the parties of an agreement may change it.');
  if (!actor.mayManage) return deny('Your organisation does not let you manage its agreements.');
  return side;
}

const versionOf = ({ versions }: Agreement, number: number | null): AgreementVersion | null =>
  versions.find(({ version }) => version === number) ?? null;

/** The newest terms: their parties are those of all versions. */
function termsOf({ versions }: Agreement): AgreementTerms {
  const newest = versions.at(-1);
  if (newest === undefined) throw new TypeError('an agreement has a version at least');
  return newest.terms;
}

/** The state as it is written, when it is one of those a move is allowed in. */
function assertState(state: Written, move: string, allowed: readonly Written[]): void {
  if (!allowed.includes(state))
    refuse(`An agreement that is ${state} cannot be ${move}; only one that is ${allowed.join(' or ')}.`);
}

function checkReason(reason: string, name = 'reason'): string {
  const text = reason.trim();
  if (text === '' || text.length > LIFECYCLE_LIMITS.reasonLength || !text.isWellFormed())
    return refuse(`${name}: takes a text of 1 to ${LIFECYCLE_LIMITS.reasonLength} characters.`);
  return text;
}

const toInstantText = (epochMs: number): string => new Date(epochMs).toISOString().replace('.000Z', 'Z');

function assertNotOver({ validUntil }: AgreementTerms, now: number): void {
  if (Date.parse(validUntil) <= now) refuse('validUntil: lies in the past; terms must still have time to run.');
}

const eventOf = (
  change: string,
  actor: Party,
  now: number,
  version: number,
  reason: string | null = null,
): AgreementEvent => ({
  at: toInstantText(now),
  by: `${actor.organisation}/${actor.subject}`,
  change,
  version,
  reason,
});

/** The next revision: with what changes, and the events that tell of it. */
function revise(
  agreement: Agreement,
  changes: Partial<Pick<Agreement, 'state' | 'versions' | 'current' | 'pending' | 'approvedBy'>>,
  events: readonly AgreementEvent[],
  isAlwaysRoomFor = false,
): Agreement {
  const history = [...agreement.history, ...events];
  if (history.length > LIFECYCLE_LIMITS.events && !isAlwaysRoomFor)
    refuse(
      `The agreement has reached ${LIFECYCLE_LIMITS.events} events; it can be suspended and ended. Make a new one in its place.`,
    );
  return { ...agreement, ...changes, history, revision: agreement.revision + 1 };
}

/** Version and approvals of the one that comes into force; whatever else was waiting is dropped. */
const inForce = (version: number, state: Written): Pick<Agreement, 'state' | 'current' | 'pending' | 'approvedBy'> => ({
  state: state === 'SUSPENDED' ? 'SUSPENDED' : 'ACTIVE',
  current: version,
  pending: null,
  approvedBy: [],
});

function begin(
  id: string,
  terms: AgreementTerms,
  state: 'DRAFT' | 'PROPOSED',
  side: Side,
  event: AgreementEvent,
): Agreement {
  return {
    id,
    state,
    versions: [createVersion(id, 1, terms)],
    current: null,
    pending: state === 'PROPOSED' ? 1 : null,
    approvedBy: state === 'PROPOSED' ? [side] : [],
    history: [event],
    revision: 1,
  };
}

/**
 * What a consumer asks a provider for: a DRAFT, which binds nobody and waits for either party to propose terms.
 * `reason`: why it is asked for. `now`: epoch milliseconds, here and below.
 *
 * @throws HubError `ACCESS_DENIED` for anybody but a manager of the consumer; `INPUT_INVALID` for terms that are over and
 * for a reason that is none.
 */
export function draftAgreement(
  id: string,
  terms: AgreementTerms,
  actor: Party,
  reason: string,
  now: number,
): Agreement {
  const side = sideOf(terms, actor);
  if (side !== 'consumer') deny('Only the consumer asks for access; a provider proposes an agreement.');
  assertNotOver(terms, now);
  return begin(id, terms, 'DRAFT', side, eventOf('requested', actor, now, 1, checkReason(reason, 'justification')));
}

/**
 * A new agreement with its first version, PROPOSED, approved by the party that proposes it.
 *
 * @throws HubError `ACCESS_DENIED` for anybody but a manager of a party; `INPUT_INVALID` for terms that are over.
 */
export function proposeAgreement(id: string, terms: AgreementTerms, actor: Party, now: number): Agreement {
  const side = sideOf(terms, actor);
  assertNotOver(terms, now);
  return begin(id, terms, 'PROPOSED', side, eventOf('proposed', actor, now, 1));
}

/**
 * The agreement with one version more. Before any was in force: PROPOSED, approved by who proposes it; it takes the place
 * of the one that waited. Of an agreement in force (ACTIVE or SUSPENDED): a narrower version (`compareTerms`) of the
 * provider's is in force at once, and what waited is dropped, since it was made for other terms; any other waits beside
 * the one in force.
 *
 * @throws HubError `ACCESS_DENIED` for anybody but a manager of a party; `INPUT_INVALID` for other parties, for terms
 * that are over or change nothing, and for an agreement that is REJECTED or ENDED.
 */
export function proposeVersion(agreement: Agreement, terms: AgreementTerms, actor: Party, now: number): Agreement {
  const before = termsOf(agreement);
  const side = sideOf(before, actor);
  assertState(agreement.state, 'changed', ['DRAFT', 'PROPOSED', 'ACTIVE', 'SUSPENDED']);
  if (terms.provider !== before.provider || terms.consumer !== before.consumer)
    refuse('The parties of an agreement stay; propose another agreement.');
  assertNotOver(terms, now);
  const waiting = versionOf(agreement, agreement.pending);
  if (waiting !== null && compareTerms(waiting.terms, terms) === 'same')
    refuse(`Version ${waiting.version} waits with these terms; approve it.`);
  const current = versionOf(agreement, agreement.current);
  const change = current === null ? 'wider' : compareTerms(current.terms, terms);
  if (change === 'same') refuse('The version in force has these terms.');

  const number = agreement.versions.length + 1;
  const versions = [...agreement.versions, createVersion(agreement.id, number, terms)];
  const proposed = eventOf('proposed', actor, now, number);
  if (change === 'narrower' && side === 'provider')
    return revise(agreement, { versions, ...inForce(number, agreement.state) }, [
      proposed,
      eventOf('activated', actor, now, number),
    ]);
  const state = current === null ? 'PROPOSED' : agreement.state;
  return revise(agreement, { versions, state, pending: number, approvedBy: [side] }, [proposed]);
}

/**
 * The other party's approval of the version that waits, which is in force from then on, in the place of the one before: the
 * agreement is ACTIVE, or stays SUSPENDED.
 *
 * @throws HubError `ACCESS_DENIED` for anybody but a manager of the party that has not approved; `INPUT_INVALID` when
 * another version waits or none, and for terms that are over.
 */
export function approve(agreement: Agreement, version: number, actor: Party, now: number): Agreement {
  const side = sideOf(termsOf(agreement), actor);
  const waiting = versionOf(agreement, agreement.pending);
  if (waiting === null)
    return refuse(
      agreement.state === 'DRAFT'
        ? 'A draft is approved by nobody; propose its terms.'
        : 'No version of the agreement waits for approval.',
    );
  if (waiting.version !== version) return refuse(`version: version ${waiting.version} is the one that waits.`);
  if (agreement.approvedBy.includes(side))
    deny('Your organisation has approved this version; the other party decides.');
  assertNotOver(waiting.terms, now);
  return revise(agreement, inForce(version, agreement.state), [
    eventOf('approved', actor, now, version),
    eventOf('activated', actor, now, version),
  ]);
}

/**
 * A party's no. An agreement of which no version was ever in force is REJECTED, for good; of one in force the version that
 * waits is dropped and nothing else changes. Who proposed may take back.
 *
 * @throws HubError `ACCESS_DENIED` for anybody but a manager of a party; `INPUT_INVALID` when nothing is there to reject.
 */
export function reject(agreement: Agreement, actor: Party, reason: string, now: number): Agreement {
  sideOf(termsOf(agreement), actor);
  const text = checkReason(reason);
  const { state, pending } = agreement;
  if (state === 'DRAFT' || state === 'PROPOSED')
    return revise(agreement, { state: 'REJECTED', pending: null, approvedBy: [] }, [
      eventOf('rejected', actor, now, pending ?? agreement.versions.length, text),
    ]);
  assertState(state, 'rejected', ['DRAFT', 'PROPOSED', 'ACTIVE', 'SUSPENDED']);
  if (pending === null) return refuse('No version of the agreement waits for approval.');
  return revise(agreement, { pending: null, approvedBy: [] }, [eventOf('rejected', actor, now, pending, text)]);
}

function assertProvider(agreement: Agreement, actor: Party): void {
  if (sideOf(termsOf(agreement), actor) !== 'provider')
    deny('Only the provider may suspend, resume or end an agreement.');
}

/**
 * Nothing is given until it is resumed.
 *
 * @throws HubError `ACCESS_DENIED` for anybody but a manager of the provider; `INPUT_INVALID` unless it is ACTIVE.
 */
export function suspend(agreement: Agreement, actor: Party, reason: string, now: number): Agreement {
  assertProvider(agreement, actor);
  assertState(agreement.state, 'suspended', ['ACTIVE']);
  return revise(
    agreement,
    { state: 'SUSPENDED' },
    [eventOf('suspended', actor, now, agreement.current ?? 0, checkReason(reason))],
    true,
  );
}

/** @throws HubError `ACCESS_DENIED` for anybody but a manager of the provider; `INPUT_INVALID` unless it is SUSPENDED. */
export function resume(agreement: Agreement, actor: Party, now: number): Agreement {
  assertProvider(agreement, actor);
  assertState(agreement.state, 'resumed', ['SUSPENDED']);
  return revise(agreement, { state: 'ACTIVE' }, [eventOf('resumed', actor, now, agreement.current ?? 0)]);
}

/**
 * The end of an agreement, for good; a version that waits is dropped.
 *
 * @throws HubError `ACCESS_DENIED` for anybody but a manager of the provider; `INPUT_INVALID` unless it is ACTIVE or
 * SUSPENDED.
 */
export function end(agreement: Agreement, actor: Party, reason: string, now: number): Agreement {
  assertProvider(agreement, actor);
  assertState(agreement.state, 'ended', ['ACTIVE', 'SUSPENDED']);
  return revise(
    agreement,
    { state: 'ENDED', pending: null, approvedBy: [] },
    [eventOf('ended', actor, now, agreement.current ?? 0, checkReason(reason))],
    true,
  );
}

/** The state at a time: one that is ACTIVE or SUSPENDED is EXPIRED from the end of the version in force on. */
export function stateAt(agreement: Agreement, now: number): AgreementState {
  const { state } = agreement;
  if (state !== 'ACTIVE' && state !== 'SUSPENDED') return state;
  const current = versionOf(agreement, agreement.current);
  // An agreement in force without a version to say until when gives nothing.
  return current !== null && now < Date.parse(current.terms.validUntil) ? state : 'EXPIRED';
}

/**
 * The version whose terms hold at a time; null when none does: the agreement is not ACTIVE, or its time has not come or
 * is over.
 */
export function versionAt(agreement: Agreement, now: number): AgreementVersion | null {
  if (stateAt(agreement, now) !== 'ACTIVE') return null;
  const current = versionOf(agreement, agreement.current);
  return current !== null && Date.parse(current.terms.validFrom) <= now ? current : null;
}
