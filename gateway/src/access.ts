import type { HubConfig } from '@civex/config';
import { HubError } from '@civex/errors';
import { decodeDatasetId } from '@civex/model';
import type { Dataset } from '@civex/model';
import { allowedActions, compileView, decideAccess, mayKnowOf, OPEN_VIEW, versionAt } from '@civex/sharing';
import type {
  AccessView,
  Action,
  Agreement,
  Caller,
  Decision,
  Declared,
  Grant,
  Release,
  Restriction,
} from '@civex/sharing';

/** What is about to leave the hub under an agreement. */
export interface ReleaseQuestion extends Release {
  readonly agreement: string;
  readonly version: number;
  readonly dataset: string;
  readonly limits: { readonly requestsPerDay: number | null; readonly recordsPerDay: number | null };
  /** Wall clock, epoch milliseconds. */
  readonly now: number;
}

/** What decisions need of what is stored. */
export interface AgreementBook {
  /** Every agreement in which the organisation is the consumer, as it is at this moment. */
  consumedBy(organisation: string): Promise<readonly Agreement[]>;
  /** 32 bytes that belong to an agreement and never change: what is masked alike stays alike. */
  keyOf(agreement: string): Promise<Uint8Array>;
  /** Counts and looks once more, in one step. `gone`: the version is not in force any longer. */
  release(question: ReleaseQuestion): Promise<'released' | 'limit' | 'gone'>;
}

export interface AccessRules {
  readonly restrictions: ReadonlyMap<string, Restriction>;
  /** Source to the organisation that answers for what its portal restricts. */
  readonly providers: ReadonlyMap<string, string>;
  /** Sources the hub reads with credentials: what they list is not known to everybody. */
  readonly keyedSources: ReadonlySet<string>;
  /** Sources with datasets that may not be noticed by everybody, as far as the configuration tells. */
  readonly concealingSources: ReadonlySet<string>;
  readonly caseReferencePurposes: ReadonlySet<string>;
}

/** What hub.yaml says of restricted data. */
export function readAccessRules({ sharing, sources }: Pick<HubConfig, 'sharing' | 'sources'>): AccessRules {
  const keyedSources = sources.flatMap(({ id, apiKeyEnv }) => (apiKeyEnv === null ? [] : [id]));
  const concealed = sharing.restricted.filter(({ discoverable }) => !discoverable);
  return {
    restrictions: new Map(
      sharing.restricted.map(({ dataset, provider, discoverable }) => [
        dataset,
        { datasetId: dataset, provider, isDiscoverable: discoverable },
      ]),
    ),
    providers: new Map(Object.entries(sharing.providers)),
    keyedSources: new Set(keyedSources),
    concealingSources: new Set([
      ...keyedSources,
      ...concealed.flatMap(({ dataset }) => decodeDatasetId(dataset)?.source ?? []),
    ]),
    caseReferencePurposes: new Set(sharing.purposes.flatMap(({ id, caseReference }) => (caseReference ? [id] : []))),
  };
}

/** The organisation that answers for a dataset when it is restricted. */
const providerOf = (datasetId: string, { restrictions, providers }: AccessRules): string | null =>
  restrictions.get(datasetId)?.provider ?? providers.get(decodeDatasetId(datasetId)?.source ?? '') ?? null;

/** How a dataset is handled that its portal restricts, or the configuration. */
export const restrictionById = (datasetId: string, rules: AccessRules): Restriction =>
  rules.restrictions.get(datasetId) ?? {
    datasetId,
    provider: providerOf(datasetId, rules),
    // What a portal lists for everybody is known to everybody.
    isDiscoverable: !rules.keyedSources.has(decodeDatasetId(datasetId)?.source ?? ''),
  };

/** Whether a dataset is open to everybody: null, or how it is handled instead. */
export const restrictionOf = (
  { id, accessRights }: { readonly id: string; readonly accessRights: Dataset['accessRights'] | null },
  rules: AccessRules,
): Restriction | null => (rules.restrictions.has(id) || accessRights !== 'PUBLIC' ? restrictionById(id, rules) : null);

const NOTHING_DECLARED: Declared = { purpose: null, caseReference: null, agreement: null };

/** Who asks, in one request. */
export interface Asker {
  readonly caller: Caller | null;
  readonly declared: Declared;
}
export const ANONYMOUS: Asker = { caller: null, declared: NOTHING_DECLARED };

/** `DatasetAccess` of the contract, but for what needs the columns. */
interface AccessSummary {
  readonly actions: readonly Action[];
  /** The decision that shows most of the data, whatever a request would have to declare; null when nothing is shown. */
  readonly decision: Extract<Decision, { readonly kind: 'allowed' }> | null;
}

/** What the asker of one request may know and read. Made for one request and gone with it. */
export interface RequestAccess extends Asker {
  /** True when a list of this source may hold datasets that the asker must not notice. */
  mayConceal(source: string): boolean;
  restrictionOf(dataset: Dataset): Restriction | null;
  /** The dataset as the asker may know it; null when there is none to the asker. The same object when it is open. */
  disclose(dataset: Dataset): Dataset | null | Promise<Dataset | null>;
  /** Whether the asker may know of a dataset by its id alone; open ones are known. */
  mayKnow(datasetId: string): Promise<boolean>;
  /** The same, of one that its portal alone may restrict: where that cannot be told, it may not be named. */
  mayName(source: string, datasetId: string): Promise<boolean>;
  /**
   * What restricts a dataset of this id as far as the hub's rules and the asker's agreements tell, without its portal.
   * Null: nothing they tell of, or nothing the asker may know of.
   */
  restrictionByName(datasetId: string): Promise<Restriction | null>;
  decide(restriction: Restriction, action: Action, declared?: Declared | 'unasked'): Promise<Decision>;
  /**
   * What the asker sees of the records.
   *
   * @throws HubError `AUTH_REQUIRED`, `ACCESS_DENIED`, or `AUTH_UNAVAILABLE` when nobody can say.
   */
  view(dataset: Dataset, action: Action): AccessView | Promise<AccessView>;
  summary(restriction: Restriction): Promise<AccessSummary>;
  /** Agreements that let the asker do something, whatever a request would have to declare; by id. */
  usableAgreements(): Promise<readonly Agreement[]>;
  /** Those of an agreement's grants that let the asker do something, in the same sense. */
  usableGrants(agreement: Agreement): readonly Grant[];
  /** The view of a decision, not counted and not checked again: for what describes the data and shows none. */
  describe(dataset: Dataset): Promise<AccessView | null>;
}

const toError = (decision: Extract<Decision, { readonly kind: 'denied' }>, dataset: Dataset): HubError =>
  new HubError(decision.reason === 'ANONYMOUS' ? 'AUTH_REQUIRED' : 'ACCESS_DENIED', decision.text, {
    source: dataset.source,
    datasetId: dataset.id,
  });

/** A caller of an organisation, to whom agreements are shown. @throws HubError `AUTH_REQUIRED`, `ACCESS_DENIED`. */
export function requireCaller(
  { caller }: Pick<RequestAccess, 'caller'>,
  scope: string,
): Caller & { readonly organisation: string } {
  if (caller === null) throw new HubError('AUTH_REQUIRED', 'Send an access token of an organisation.');
  const { organisation } = caller;
  if (organisation === null)
    throw new HubError('ACCESS_DENIED', 'The access token belongs to no organisation this hub knows.');
  const isAllowed = caller.scopes.has(scope) || (scope === 'agreements:read' && caller.scopes.has('agreements:write'));
  if (!isAllowed) throw new HubError('ACCESS_DENIED', `The access token needs the scope ${scope}.`);
  if (caller.actor !== null || caller.details !== null)
    throw new HubError('ACCESS_DENIED', 'Agreements are read and changed with a token that is neither exchanged nor narrowed.'); // prettier-ignore
  return { ...caller, organisation };
}

/**
 * What would go past an agreement: the portal's own files, how many records there are, and the box around all their
 * places, which portals reckon from the records, to the metre.
 */
const redact = (dataset: Dataset): Dataset => ({
  ...dataset,
  distributions: [],
  recordCount: null,
  spatial: dataset.spatial?.label == null ? null : { bbox: null, centroid: null, label: dataset.spatial.label },
});

export function createRequestAccess(
  asker: Asker,
  rules: AccessRules,
  book: AgreementBook | null,
  now: () => number,
): RequestAccess {
  const { caller, declared } = asker;
  let loaded: Promise<readonly Agreement[]> | undefined;
  const agreements = (): Promise<readonly Agreement[]> => {
    const organisation = caller?.organisation ?? null;
    if (organisation === null || book === null) return Promise.resolve([]);
    // Read once for a request; what leaves is held against what is stored then.
    return (loaded ??= book.consumedBy(organisation));
  };
  const needsCaseReference = (purpose: string): boolean => rules.caseReferencePurposes.has(purpose);

  const knows = async (restriction: Restriction): Promise<boolean> =>
    restriction.isDiscoverable ||
    (caller !== null && mayKnowOf({ caller, restriction, agreements: await agreements(), now: now() }));

  const decide: RequestAccess['decide'] = async (restriction, action, asked = declared) =>
    decideAccess({
      caller,
      restriction,
      action,
      agreements: await agreements(),
      declared: asked,
      needsCaseReference,
      now: now(),
    });

  const compile = async (
    decision: Extract<Decision, { readonly kind: 'allowed' }>,
    dataset: Dataset,
    release: AccessView['release'],
  ): Promise<AccessView> => {
    if (caller === null || book === null) throw new HubError('INTERNAL', 'Internal error.');
    const { grant, agreement } = decision;
    if (grant.disclosure !== null)
      throw new HubError(
        'ACCESS_DENIED',
        `Agreement ${agreement.id} asks for disclosure control, which this hub does not have.`,
        { source: dataset.source, datasetId: dataset.id },
      );
    return compileView(decision, caller, await book.keyOf(agreement.id), release);
  };

  const usableGrants = (agreement: Agreement): readonly Grant[] => {
    const at = now();
    return (versionAt(agreement, at)?.terms.grants ?? []).filter(
      ({ dataset }) =>
        allowedActions({
          caller,
          restriction: { datasetId: dataset, provider: providerOf(dataset, rules), isDiscoverable: false },
          agreements: [agreement],
          needsCaseReference,
          now: at,
        }).length > 0,
    );
  };

  return {
    ...asker,
    mayConceal: (source) => rules.concealingSources.has(source),
    restrictionOf: (dataset) => restrictionOf(dataset, rules),

    disclose(dataset) {
      const restriction = restrictionOf(dataset, rules);
      if (restriction === null) return dataset;
      return knows(restriction).then((isKnown) => (isKnown ? redact(dataset) : null));
    },

    mayKnow(datasetId) {
      const restriction = rules.restrictions.get(datasetId);
      return restriction === undefined ? Promise.resolve(true) : knows(restriction);
    },

    mayName(source, datasetId) {
      const isConfigured = rules.restrictions.has(datasetId);
      return !isConfigured && rules.keyedSources.has(source) ? Promise.resolve(false) : this.mayKnow(datasetId);
    },

    async restrictionByName(datasetId) {
      // What its portal restricts can be told from an agreement about it.
      const restriction = rules.restrictions.get(datasetId) ?? {
        datasetId,
        provider: providerOf(datasetId, rules),
        isDiscoverable: false,
      };
      const isTold = rules.restrictions.has(datasetId) || restriction.provider !== caller?.organisation;
      return isTold && (await knows(restriction)) ? restriction : null;
    },

    decide,

    view(dataset, action) {
      const restriction = restrictionOf(dataset, rules);
      // Without records there is nothing to see; the door says so.
      if (restriction === null || dataset.recordsState === 'none') return OPEN_VIEW;
      return decide(restriction, action).then((decision) => {
        if (decision.kind === 'denied') throw toError(decision, dataset);
        const { agreement, version, grant } = decision;
        return compile(decision, dataset, async (what) => {
          const answer = await book?.release({
            ...what,
            agreement: agreement.id,
            version: version.version,
            dataset: grant.dataset,
            limits: {
              requestsPerDay: grant.limits?.requestsPerDay ?? null,
              recordsPerDay: grant.limits?.recordsPerDay ?? null,
            },
            now: now(),
          });
          if (answer === 'released') return;
          const facts = { source: dataset.source, datasetId: dataset.id };
          if (answer === 'limit')
            throw new HubError(
              'LIMIT_REACHED',
              `The daily limit of agreement ${agreement.id} is reached; it begins anew at midnight UTC.`,
              { ...facts, retryAfterMs: 86_400_000 - (now() % 86_400_000) },
            );
          throw new HubError('ACCESS_DENIED', `Agreement ${agreement.id} is not in force any longer.`, facts);
        });
      });
    },

    async summary(restriction) {
      const named = (await agreements()).filter(({ id }) => declared.agreement === null || declared.agreement === id);
      const input = { caller, restriction, agreements: named, needsCaseReference, now: now() };
      const actions = allowedActions(input);
      for (const action of ['QUERY', 'EXPORT', 'SUBSCRIBE', 'AGGREGATE', 'DISCOVER'] as const)
        for (const asked of [declared, 'unasked'] as const) {
          const decision = decideAccess({ ...input, action, declared: asked });
          if (decision.kind === 'allowed') return { actions, decision };
        }
      return { actions, decision: null };
    },

    async usableAgreements() {
      return (await agreements()).filter((agreement) => usableGrants(agreement).length > 0);
    },
    usableGrants,

    async describe(dataset) {
      const restriction = restrictionOf(dataset, rules);
      if (restriction === null) return OPEN_VIEW;
      const { decision } = await this.summary(restriction);
      return decision === null ? null : compile(decision, dataset, () => Promise.resolve());
    },
  };
}
