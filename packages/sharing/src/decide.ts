import { hash } from 'node:crypto';
import type { AccessView, Release } from './access-view.ts';
import type { Action, Agreement, AgreementTerms, AgreementVersion, Grant, Mask } from './agreement.ts';
import { ACTIONS } from './agreement.ts';
import { stateAt, versionAt } from './agreement-lifecycle.ts';

/** Who asks: what a verified token says of its bearer. */
export interface Caller {
  readonly issuer: string;
  readonly subject: string;
  readonly clientId: string;
  readonly organisation: string | null;
  /** What its organisation lets it do: `use` agreements, `manage` them. */
  readonly roles: ReadonlySet<string>;
  readonly scopes: ReadonlySet<string>;
  /** Who really asks, when the token was exchanged (RFC 8693). */
  readonly actor: { readonly organisation: string | null } | null;
  /** What the token narrows itself to (RFC 9396); null: to nothing. */
  readonly details:
    | readonly {
        readonly agreement: string | null;
        readonly actions: readonly string[] | null;
        readonly datasets: readonly string[] | null;
        readonly purpose: string | null;
      }[]
    | null;
  readonly isBound: boolean;
  readonly mustBeBound: boolean;
}

/** What a request says of itself, in headers. */
export interface Declared {
  readonly purpose: string | null;
  readonly caseReference: string | null;
  /** The one agreement the caller wants to rely on. */
  readonly agreement: string | null;
}

/** How a dataset that is not open is handled. */
export interface Restriction {
  readonly datasetId: string;
  /** Organisation that answers for it; null when nobody was named. */
  readonly provider: string | null;
  /** True: everybody may know that there is such a dataset, and what its columns are. */
  readonly isDiscoverable: boolean;
}

export interface DecisionInput {
  /** Null: nobody in particular. */
  readonly caller: Caller | null;
  readonly restriction: Restriction;
  readonly action: Action;
  /** Those in which the caller's organisation is the consumer. */
  readonly agreements: readonly Agreement[];
  /** `unasked`: what a request would have to declare is not looked at. */
  readonly declared: Declared | 'unasked';
  /** Whether a purpose needs a case reference. */
  readonly needsCaseReference: (purpose: string) => boolean;
  /** Wall clock, epoch milliseconds. */
  readonly now: number;
}

/** Why an action is denied, from what anybody may hear to what only the parties of an agreement do. */
export type DenialReason =
  | 'ANONYMOUS'
  | 'NO_ORGANISATION'
  | 'NO_AGREEMENT'
  | 'NOT_NAMED'
  | 'STATE'
  | 'NOT_YET'
  | 'DELEGATE'
  | 'ACTION'
  | 'SCOPE'
  | 'NARROWED'
  | 'NOT_BOUND'
  | 'PURPOSE_MISSING'
  | 'PURPOSE'
  | 'CASE_REFERENCE';

export interface Allowed {
  readonly kind: 'allowed';
  readonly agreement: Agreement;
  readonly version: AgreementVersion;
  readonly grant: Grant;
}

export interface Denied {
  readonly kind: 'denied';
  readonly reason: DenialReason;
  /** For the caller: what is missing and what would help. */
  readonly text: string;
  /** The agreement that came nearest, when one did. */
  readonly agreement: string | null;
}

export type Decision = Allowed | Denied;

/** The scope of a token that an action needs. */
export const SCOPE_OF: Readonly<Record<Action, string>> = {
  DISCOVER: 'catalog:read',
  QUERY: 'records:read',
  AGGREGATE: 'records:read',
  SUBSCRIBE: 'records:read',
  EXPORT: 'records:export',
};

const PHRASE: Readonly<Record<Action, string>> = {
  DISCOVER: 'know of it',
  QUERY: 'query its records',
  AGGREGATE: 'aggregate its records',
  SUBSCRIBE: 'subscribe to its records',
  EXPORT: 'export its records',
};

/** Ordered: the later a check fails, the nearer an agreement came. */
type Check = (input: DecisionInput, agreement: Agreement) => Omit<Denied, 'kind' | 'agreement'> | null;

/** Whether terms are between the caller's organisation and who answers for the dataset, and about it. */
const areAbout = (
  { provider, consumer, grants }: AgreementTerms,
  organisation: string | null,
  restriction: Restriction,
): boolean =>
  consumer === organisation &&
  provider === restriction.provider &&
  grants.some(({ dataset }) => dataset === restriction.datasetId);

const grantOf = (version: AgreementVersion | null, { caller, restriction }: DecisionInput): Grant | null =>
  version !== null && areAbout(version.terms, caller?.organisation ?? null, restriction)
    ? (version.terms.grants.find(({ dataset }) => dataset === restriction.datasetId) ?? null)
    : null;

/** Whether the bearer of a token acts for its own organisation, or for one that named it as a delegate. */
function mayAct({ actor, organisation }: Caller, version: AgreementVersion | null): boolean {
  if (actor === null) return true;
  if (actor.organisation === null) return false;
  return actor.organisation === organisation || version?.terms.delegates.includes(actor.organisation) === true;
}

const CHECKS: readonly Check[] = [
  ({ declared }, { id }) =>
    declared === 'unasked' || declared.agreement === null || declared.agreement === id
      ? null
      : { reason: 'NOT_NAMED', text: 'The header Civex-Agreement names another agreement.' },
  ({ now }, agreement) => {
    const state = stateAt(agreement, now);
    return state === 'ACTIVE' ? null : { reason: 'STATE', text: `Agreement ${agreement.id} is ${state}.` };
  },
  ({ now }, agreement) =>
    versionAt(agreement, now) === null
      ? { reason: 'NOT_YET', text: `Agreement ${agreement.id} is not in force at this time.` }
      : null,
  ({ caller, now }, agreement) =>
    caller === null || mayAct(caller, versionAt(agreement, now))
      ? null
      : { reason: 'DELEGATE', text: `Agreement ${agreement.id} lets nobody else act for its consumer.` },
  (input, agreement) =>
    grantOf(versionAt(agreement, input.now), input)?.actions.includes(input.action) === true
      ? null
      : { reason: 'ACTION', text: `Agreement ${agreement.id} does not let its consumer ${PHRASE[input.action]}.` },
  ({ caller, action }) =>
    caller?.scopes.has(SCOPE_OF[action]) === true
      ? null
      : { reason: 'SCOPE', text: `The access token needs the scope ${SCOPE_OF[action]}.` },
  ({ caller, action, declared, restriction }, { id }) =>
    caller?.details == null ||
    caller.details.some(
      (detail) =>
        (detail.agreement === null || detail.agreement === id) &&
        (detail.actions === null || detail.actions.includes(action)) &&
        (detail.datasets === null || detail.datasets.includes(restriction.datasetId)) &&
        (detail.purpose === null || declared === 'unasked' || detail.purpose === declared.purpose),
    )
      ? null
      : { reason: 'NARROWED', text: 'The access token was narrowed to something else (authorization_details).' },
  ({ caller, action }) =>
    action === 'DISCOVER' || caller?.isBound === true || caller?.mustBeBound === false
      ? null
      : { reason: 'NOT_BOUND', text: 'Restricted data needs an access token that is bound to a key (DPoP, RFC 9449).' },
  ({ action, declared, now }, agreement) => {
    if (action === 'DISCOVER' || declared === 'unasked') return null;
    const purposes = versionAt(agreement, now)?.terms.purposes ?? [];
    const allowed = `Agreement ${agreement.id} is for: ${purposes.join(', ')}.`;
    if (declared.purpose === null)
      return { reason: 'PURPOSE_MISSING', text: `Say what the data is for with the header Civex-Purpose. ${allowed}` };
    return purposes.includes(declared.purpose)
      ? null
      : { reason: 'PURPOSE', text: `The purpose in the header Civex-Purpose is not agreed on. ${allowed}` };
  },
  ({ action, declared, needsCaseReference }) =>
    action === 'DISCOVER' ||
    declared === 'unasked' ||
    declared.purpose === null ||
    declared.caseReference !== null ||
    !needsCaseReference(declared.purpose)
      ? null
      : { reason: 'CASE_REFERENCE', text: 'This purpose needs a case reference in the header Civex-Case-Reference.' },
];

/**
 * Decides one action on one restricted dataset. Pure. Agreements never add up: one that allows the action is chosen, the
 * one of the least id, and it alone says what is there.
 */
export function decideAccess(input: DecisionInput): Decision {
  const { caller, restriction, agreements, now } = input;
  const deny = (reason: DenialReason, text: string): Denied => ({ kind: 'denied', reason, text, agreement: null });
  if (caller === null)
    return deny('ANONYMOUS', 'This dataset is shared under agreements: send an access token of an organisation.');
  if (caller.organisation === null)
    return deny('NO_ORGANISATION', 'The access token belongs to no organisation this hub knows.');
  let nearest: { readonly depth: number; readonly denied: Denied } | null = null;
  const candidates = agreements
    .filter((agreement) => mentions(agreement, caller.organisation, restriction))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  for (const agreement of candidates) {
    let failed: Omit<Denied, 'kind' | 'agreement'> | null = null;
    let depth = 0;
    for (; depth < CHECKS.length && failed === null; depth++) failed = CHECKS[depth]?.(input, agreement) ?? null;
    const version = versionAt(agreement, now);
    const grant = grantOf(version, input);
    if (failed === null && version !== null && grant !== null) return { kind: 'allowed', agreement, version, grant };
    if (failed !== null && (nearest === null || depth > nearest.depth))
      nearest = { depth, denied: { kind: 'denied', ...failed, agreement: agreement.id } };
  }
  return (
    nearest?.denied ??
    deny('NO_AGREEMENT', 'Your organisation has no agreement about this dataset; requestAccess asks for one.')
  );
}

/**
 * Whether the version in force, or the one that was last or waits, is about a dataset and this consumer, and from who
 * answers for the dataset: what another organisation agreed on before it came to them binds nobody.
 */
const mentions = (
  { versions, current, pending }: Agreement,
  consumer: string | null,
  restriction: Restriction,
): boolean =>
  versions.some(
    ({ version, terms }) => (version === current || version === pending) && areAbout(terms, consumer, restriction),
  );

/** States in which the parties of an agreement go on knowing of what it is about. */
const KNOWING: ReadonlySet<string> = new Set(['PROPOSED', 'ACTIVE', 'SUSPENDED']);

/**
 * Whether the caller may know that there is such a dataset. One that may not be known of looks in every respect like one
 * that does not exist.
 */
export function mayKnowOf(input: Omit<DecisionInput, 'action' | 'declared' | 'needsCaseReference'>): boolean {
  const { caller, restriction, agreements, now } = input;
  if (restriction.isDiscoverable) return true;
  if (caller === null || caller.organisation === null) return false;
  if (!Object.values(SCOPE_OF).some((scope) => caller.scopes.has(scope))) return false;
  if (caller.actor === null && caller.details === null && caller.organisation === restriction.provider) return true;
  return agreements.some((agreement) => {
    if (!mentions(agreement, caller.organisation, restriction)) return false;
    if (!KNOWING.has(stateAt(agreement, now))) return false;
    if (!mayAct(caller, agreement.versions.find(({ version }) => version === agreement.current) ?? null)) return false;
    return (
      caller.details === null ||
      caller.details.some(
        (detail) =>
          (detail.agreement === null || detail.agreement === agreement.id) &&
          (detail.datasets === null || detail.datasets.includes(restriction.datasetId)),
      )
    );
  });
}

/** Everything an agreement lets a caller do with a dataset, whatever a request would have to declare for it. */
export const allowedActions = (input: Omit<DecisionInput, 'action' | 'declared'>): readonly Action[] =>
  ACTIONS.filter((action) => decideAccess({ ...input, action, declared: 'unasked' }).kind === 'allowed');

/** Compiles what was decided into what is there. `key`: 32 bytes that belong to the agreement. */
export function compileView(
  { agreement, version, grant }: Allowed,
  caller: Caller,
  key: Uint8Array,
  release: (what: Release) => Promise<void>,
): AccessView {
  const hidden = new Set(grant.masks.flatMap(({ property, method }) => (method === 'HIDE' ? [property] : [])));
  const masks = new Map<string, Mask>(
    grant.masks.flatMap((mask) => (mask.method === 'HIDE' ? [] : [[mask.property, mask]])),
  );
  const parts = [
    agreement.id,
    version.hash,
    grant.dataset,
    caller.issuer,
    caller.subject,
    caller.clientId,
    caller.organisation,
    caller.actor?.organisation ?? null,
  ];
  return {
    fingerprint: hash('sha256', JSON.stringify(parts), 'base64url'),
    agreement: agreement.id,
    properties: grant.properties === null ? null : new Set(grant.properties.filter((name) => !hidden.has(name))),
    hidden,
    masks,
    rows: grant.rows,
    key,
    maxRecords: grant.limits?.recordsPerRequest ?? null,
    release,
  };
}
