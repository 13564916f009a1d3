import { readFileSync } from 'node:fs';
import { createCallTrace } from '@civex/adapter-contract';
import { HubError, isHubError } from '@civex/errors';
import type { AccessRights, Dataset } from '@civex/model';
import { decodeDatasetId } from '@civex/model';
import {
  ACTIONS,
  approve,
  compileView,
  draftAgreement,
  end,
  parseTerms,
  proposeAgreement,
  proposeVersion,
  reject,
  resume,
  stateAt,
  suspend,
  fromOdrl,
  toOdrl,
} from '@civex/sharing';
import type {
  Action,
  Agreement,
  AgreementInput,
  AgreementTerms,
  AgreementVersion,
  Caller,
  Party,
} from '@civex/sharing';
import type { SubschemaConfig } from '@graphql-tools/delegate';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { Kind, parse, print } from 'graphql';
import type { GraphQLSchema } from 'graphql';
import { requireCaller, restrictionOf } from './access.ts';
import { createCall, datasetLoader } from './context.ts';
import type { HubContext, LocalSource } from './context.ts';
import { explainAccess } from './explain-access.ts';
import type { AccessExplanation } from './explain-access.ts';
import type { QueryLimits } from './query-limits.ts';
import { decodePageCursor, digestQuestion, encodePageCursor } from './page-cursor.ts';
import { scalarResolvers } from './scalars.ts';
import { SHARED_SDL } from './source-schema.ts';
import type { AgreementStorage } from './storage/agreement-storage.ts';

const SHARING_SDL = readFileSync(new URL('schema/sharing.graphql', import.meta.url), 'utf8');

/** What data sharing shares with the sources' schema, word for word. */
const COMMON_TYPES = new Set(['FilterInput', 'NearInput', 'PageInfo', 'DateTime', 'JSON', 'JSONObject', 'GeoJSON']);
const COMMON_SDL = parse(SHARED_SDL)
  .definitions.filter((definition) => 'name' in definition && COMMON_TYPES.has(definition.name?.value ?? ''))
  .map((definition) => print(definition))
  .join('\n');
const COMMON_SCALARS = parse(COMMON_SDL).definitions.flatMap((definition) =>
  definition.kind === Kind.SCALAR_TYPE_DEFINITION ? [definition.name.value] : [],
);

/** Tries to keep a change while others change the same agreement. */
const MAX_ATTEMPTS = 5;
const REQUEST_DAYS = 365;
/** What one organisation may have asked for without an answer. */
const MAX_DRAFTS = 100;

const missing = (): HubError => new HubError('NOT_FOUND', 'There is no such agreement.');

function requireStorage({ services }: HubContext): AgreementStorage {
  if (services.agreements === null)
    throw new HubError('CAPABILITY_MISSING', 'This hub keeps no agreements: it knows no issuer of access tokens.');
  return services.agreements;
}

/** @throws HubError as `requireCaller`; `ACCESS_DENIED` for a token anybody could have copied. */
function requireParty(context: HubContext): Party {
  const { organisation, subject, roles, isBound, mustBeBound } = requireCaller(context.access, 'agreements:write');
  if (mustBeBound && !isBound)
    throw new HubError('ACCESS_DENIED', 'Agreements are changed with an access token that is bound to a key (DPoP, RFC 9449).'); // prettier-ignore
  return { organisation, subject, mayManage: roles.has('manage') };
}

const versionOf = ({ versions }: Agreement, number: number | null): AgreementVersion | null =>
  versions.find(({ version }) => version === number) ?? null;

function newestOf({ versions }: Agreement): AgreementVersion {
  const newest = versions.at(-1);
  if (newest === undefined) throw new TypeError('an agreement has a version at least');
  return newest;
}

/** `Agreement` of the contract. */
function toNode(agreement: Agreement, now: number, shown: AgreementVersion | null = null): object {
  const version = shown ?? versionOf(agreement, agreement.current) ?? newestOf(agreement);
  const { terms } = version;
  const pending = versionOf(agreement, agreement.pending);
  return {
    id: agreement.id,
    version: version.version,
    state: shown === null ? stateAt(agreement, now) : 'PROPOSED',
    ...terms,
    history: agreement.history,
    odrl: () => toOdrl(agreement.id, version),
    hash: version.hash,
    pendingVersion: agreement.pending,
    pending: () => (pending === null || shown !== null ? null : toNode(agreement, now, pending)),
  };
}

/**
 * An agreement for whoever relies on it. A token that was exchanged or narrowed, or has no scope for agreements, shows
 * what it may be used for: the others of its datasets may be none that its bearer may know of.
 */
function toUsedNode(agreement: Agreement, context: HubContext): object {
  const { access, services } = context;
  const node = toNode(agreement, services.now());
  try {
    requireCaller(context.access, 'agreements:read');
    return node;
  } catch (error) {
    if (!isHubError(error)) throw error;
    const refuse = (): never => {
      throw error;
    };
    const grants = access.usableGrants(agreement);
    return { ...node, grants, history: refuse, odrl: refuse, pendingVersion: refuse, pending: refuse };
  }
}

async function loadDataset(
  id: string,
  context: HubContext,
): Promise<{ readonly source: LocalSource; readonly dataset: Dataset } | null> {
  const ref = decodeDatasetId(id);
  const source = ref === null ? undefined : context.sources.get(ref.source);
  if (ref === null || source === undefined || source.kind === 'remote') return null;
  const loaded = await datasetLoader(context, source).load(ref.localId);
  return loaded === null ? null : { source, dataset: loaded.dataset };
}

const NO_ONE_KNOWS = 'There is no such dataset.';

/**
 * Holds terms against the datasets they are about: each must be one the provider answers for, with the columns and values
 * the terms speak of.
 *
 * @throws HubError `INPUT_INVALID` naming the grant; SOURCE_* when a portal cannot be asked.
 */
async function checkGrants(terms: AgreementTerms, context: HubContext): Promise<void> {
  const rules = context.services.accessRules();
  for (const [index, grant] of terms.grants.entries()) {
    const where = `grants[${index}]`;
    const fail = (what: string, cause?: unknown): HubError =>
      new HubError('INPUT_INVALID', `${where}: ${what}`, {}, cause);
    const loaded = await loadDataset(grant.dataset, context);
    if (loaded === null) throw fail(NO_ONE_KNOWS);
    const { source, dataset } = loaded;
    const restriction = restrictionOf(dataset, rules);
    if (restriction === null) throw fail('this dataset is open to everybody and needs no agreement.');
    if (restriction.provider !== terms.provider) throw fail('the provider is not the organisation that answers for this dataset.'); // prettier-ignore
    const { facet, queryables } = await describe(source, dataset, context);
    if (facet === undefined || queryables === null) {
      if (grant.properties !== null || grant.masks.length > 0 || grant.rows !== null)
        throw fail('this dataset has no records, so nothing of them can be agreed on.');
      continue;
    }
    const names = new Set(queryables.map(({ name }) => name));
    const unknown = [...(grant.properties ?? []), ...grant.masks.map(({ property }) => property)].find((name) => !names.has(name)); // prettier-ignore
    if (unknown !== undefined) throw fail(`the dataset has no column "${unknown.slice(0, 80)}".`);
    const trial = compileView(
      { kind: 'allowed', agreement: TRIAL, version: newestOf(TRIAL), grant },
      NOBODY,
      new Uint8Array(32),
      () => Promise.resolve(),
    );
    try {
      await context.services.door.columns(
        { adapter: source.adapter, dataset, view: trial },
        createCall(context, createCallTrace()),
      );
    } catch (error) {
      if (isHubError(error) && error.code === 'ACCESS_DENIED')
        throw fail(isHubError(error.cause) ? error.cause.message : error.message, error);
      throw error;
    }
  }
}

async function describe(source: LocalSource, dataset: Dataset, context: HubContext) {
  const facet = source.adapter.records;
  const queryables =
    dataset.recordsState === 'undescribed'
      ? ((await facet?.describe?.(dataset, createCall(context, createCallTrace()))) ?? null)
      : dataset.queryables;
  return { facet, queryables };
}

/** Stands in for an agreement that is not there yet. */
const TRIAL: Agreement = {
  id: 'proposed',
  state: 'DRAFT',
  versions: [
    {
      version: 1,
      hash: '',
      terms: { provider: '', consumer: '', delegates: [], purposes: [], validFrom: '', validUntil: '', grants: [] },
    },
  ],
  current: null,
  pending: null,
  approvedBy: [],
  history: [],
  revision: 0,
};
const NOBODY: Caller = {
  issuer: '',
  subject: '',
  clientId: '',
  organisation: null,
  roles: new Set(),
  scopes: new Set(),
  actor: null,
  details: null,
  isBound: false,
  mustBeBound: true,
};

/** One agreement the caller's organisation is a party of. @throws HubError `NOT_FOUND`: others do not learn that it exists. */
async function findOwn(id: string, organisation: string, storage: AgreementStorage): Promise<Agreement> {
  const agreement = await storage.find(id);
  if (agreement === null) throw missing();
  const { provider, consumer } = newestOf(agreement).terms;
  // A draft nobody proposed yet is a matter of who asked and who is asked, too.
  if (organisation !== provider && organisation !== consumer) throw missing();
  return agreement;
}

/** Changes one agreement, again on what others made of it meanwhile. */
async function change(
  id: string,
  context: HubContext,
  move: (agreement: Agreement, party: Party, now: number) => Agreement | Promise<Agreement>,
): Promise<object> {
  const storage = requireStorage(context);
  const party = requireParty(context);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const before = await findOwn(id, party.organisation, storage);
    const after = await move(before, party, context.services.now());
    if (await storage.save(after)) return toNode(after, context.services.now());
  }
  throw new HubError('INPUT_INVALID', 'Others change this agreement at the same time; look at it and try again.');
}

async function begin(context: HubContext, make: (id: string, now: number) => Agreement): Promise<object> {
  const storage = requireStorage(context);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const now = context.services.now();
    const random = Buffer.from(context.services.randomBytes(6)).toString('hex');
    const agreement = make(`dsa-${new Date(now).getUTCFullYear()}-${random}`, now);
    if (await storage.save(agreement)) return toNode(agreement, now);
  }
  throw new HubError('INTERNAL', 'Internal error.', {}, 'five random ids were taken');
}

/** A new agreement, or another version of the one of an id. */
async function propose(id: string | null, readTerms: () => AgreementTerms, context: HubContext): Promise<object> {
  requireStorage(context);
  const party = requireParty(context);
  const terms = readTerms();
  if (party.organisation !== terms.provider && party.organisation !== terms.consumer)
    throw new HubError('ACCESS_DENIED', 'An agreement is proposed by one of its parties.');
  await checkGrants(terms, context);
  if (id !== null) return change(id, context, (agreement, who, now) => proposeVersion(agreement, terms, who, now));
  return begin(context, (made, now) => proposeAgreement(made, terms, party, now));
}

interface AccessParent {
  readonly id: string;
  readonly accessRights: AccessRights | null;
}

/** What the stitched schema hands over of a dataset. */
interface AccessKey {
  readonly civexAccessId: string;
  readonly civexAccessRights: AccessRights | null;
}

/** `DatasetAccess` of the contract. */
export async function readAccess({ id, accessRights }: AccessParent, context: HubContext): Promise<object> {
  const { access, services } = context;
  const nothing = { agreement: null, hiddenProperties: [], maskedProperties: [], rowFiltered: false };
  const restriction = restrictionOf({ id, accessRights }, services.accessRules());
  if (restriction === null)
    return { ...nothing, allowed: true, actions: ACTIONS.filter((action) => action !== 'SUBSCRIBE') };
  const { actions, decision } = await access.summary(restriction);
  const isAllowed = actions.some((action) => action !== 'DISCOVER');
  if (decision === null) return { ...nothing, allowed: false, actions: restriction.isDiscoverable ? ['DISCOVER'] : [] };
  const { grant, agreement } = decision;
  const hidden = async (): Promise<readonly string[]> => {
    const loaded = await loadDataset(id, context);
    const view = loaded === null ? null : await access.describe(loaded.dataset);
    if (loaded === null || view === null) return [];
    const seen = await services.door.columns(
      { adapter: loaded.source.adapter, dataset: loaded.dataset, view },
      createCall(context, createCallTrace()),
    );
    return seen?.hidden ?? [];
  };
  return {
    allowed: isAllowed,
    actions: restriction.isDiscoverable && !actions.includes('DISCOVER') ? ['DISCOVER', ...actions] : actions,
    agreement: toUsedNode(agreement, context),
    hiddenProperties: hidden,
    maskedProperties: grant.masks.flatMap(({ property, method }) => (method === 'HIDE' ? [] : [property])),
    rowFiltered: grant.rows !== null,
  };
}

const resolvers = {
  Query: {
    viewer: (_: unknown, __: unknown, context: HubContext) => {
      const { caller } = context.access;
      return {
        subject: caller?.subject ?? null,
        organisation: caller?.organisation ?? null,
        scopes: [...(caller?.scopes ?? [])].toSorted(),
        anonymous: caller === null,
        agreements: async () => {
          const usable = await context.access.usableAgreements();
          return usable.map((agreement) => toUsedNode(agreement, context));
        },
      };
    },

    async agreements(
      _: unknown,
      { state, first, after }: { state?: readonly string[] | null; first: number; after?: string | null },
      context: HubContext,
    ) {
      const { services } = context;
      const { organisation } = requireCaller(context.access, 'agreements:read');
      if (!(first >= 1 && first <= services.limits.maxFirst))
        throw new HubError('INPUT_INVALID', `first: from 1 to ${services.limits.maxFirst}.`);
      const digest = digestQuestion(['agreements', organisation, state ?? null]);
      const behind = after == null ? null : (decodePageCursor(after, digest, services.cursorSeal)['id'] ?? null);
      const now = services.now();
      const all = await requireStorage(context).ofParty(organisation);
      const found = all.filter(
        (agreement) =>
          (state == null || state.includes(stateAt(agreement, now))) && (behind === null || agreement.id > behind),
      );
      const page = found.slice(0, first);
      const last = page.at(-1);
      return {
        nodes: page.map((agreement) => toNode(agreement, now)),
        pageInfo: {
          hasNextPage: found.length > page.length,
          endCursor: last === undefined ? null : encodePageCursor(digest, { id: last.id }, services.cursorSeal),
        },
      };
    },

    async agreement(_: unknown, { id }: { id: string }, context: HubContext) {
      const { organisation } = requireCaller(context.access, 'agreements:read');
      const found = await findOwn(id, organisation, requireStorage(context)).catch((error: unknown) => {
        if (isHubError(error) && error.code === 'NOT_FOUND') return null;
        throw error;
      });
      return found === null ? null : toNode(found, context.services.now());
    },

    sourceAccess: (_: unknown, { id, accessRights }: AccessParent) => ({ id, accessRights }),
  },

  Dataset: {
    access: (parent: AccessParent, _: unknown, context: HubContext) => readAccess(parent, context),
  },

  Mutation: {
    proposeAgreement: (_: unknown, { input }: { input: AgreementInput }, context: HubContext) =>
      propose(typeof input['id'] === 'string' ? input['id'] : null, () => parseTerms(input), context),
    importAgreement: (_: unknown, { id, odrl }: { id?: string | null; odrl: unknown }, context: HubContext) =>
      propose(id ?? null, () => fromOdrl(odrl), context),
    approveAgreement: (_: unknown, { id, version }: { id: string; version: number }, context: HubContext) =>
      change(id, context, (agreement, party, now) => approve(agreement, version, party, now)),
    rejectAgreement: (_: unknown, { id, reason }: { id: string; reason: string }, context: HubContext) =>
      change(id, context, (agreement, party, now) => reject(agreement, party, reason, now)),
    suspendAgreement: (_: unknown, { id, reason }: { id: string; reason: string }, context: HubContext) =>
      change(id, context, (agreement, party, now) => suspend(agreement, party, reason, now)),
    resumeAgreement: (_: unknown, { id }: { id: string }, context: HubContext) =>
      change(id, context, (agreement, party, now) => resume(agreement, party, now)),
    endAgreement: (_: unknown, { id, reason }: { id: string; reason: string }, context: HubContext) =>
      change(id, context, (agreement, party, now) => end(agreement, party, reason, now)),

    async requestAccess(
      _: unknown,
      asked: {
        dataset: string;
        actions: readonly Action[];
        properties?: readonly string[] | null;
        purpose: string;
        justification: string;
      },
      context: HubContext,
    ) {
      const storage = requireStorage(context);
      const party = { ...requireParty(context), mayManage: true };
      const loaded = await loadDataset(asked.dataset, context);
      const restriction = loaded === null ? null : restrictionOf(loaded.dataset, context.services.accessRules());
      if (loaded === null) throw new HubError('INPUT_INVALID', `dataset: ${NO_ONE_KNOWS}`);
      if (restriction === null)
        throw new HubError('INPUT_INVALID', 'dataset: it is open to everybody; nothing has to be asked for.');
      if (restriction.provider === null)
        throw new HubError('INPUT_INVALID', 'dataset: this hub does not know which organisation answers for it.');
      const now = context.services.now();
      const terms = parseTerms({
        provider: restriction.provider,
        consumer: party.organisation,
        purposes: [asked.purpose],
        validFrom: new Date(now).toISOString(),
        validUntil: new Date(now + REQUEST_DAYS * 86_400_000).toISOString(),
        grants: [{ dataset: asked.dataset, actions: asked.actions, properties: asked.properties ?? null }],
      });
      await checkGrants(terms, context);
      // Anybody of an organisation may ask: what nobody answers must not pile up.
      const drafts = (await storage.consumedBy(party.organisation)).filter(({ state }) => state === 'DRAFT');
      if (drafts.length >= MAX_DRAFTS)
        throw new HubError(
          'LIMIT_REACHED',
          `Your organisation has ${MAX_DRAFTS} requests without an answer; rejectAgreement takes one back.`,
        );
      return begin(context, (id, at) => draftAgreement(id, terms, party, asked.justification, at));
    },
  },
};

/** The part of the public schema that is about agreements: a subschema beside the sources, merged on `Dataset.id`. */
export function createSharingSubschema(publicSchema: () => GraphQLSchema, limits: QueryLimits): SubschemaConfig {
  const explain = (
    _: unknown,
    asked: { query: string; variables?: Readonly<Record<string, unknown>> | null },
    context: HubContext,
  ): Promise<AccessExplanation> => explainAccess(asked, publicSchema(), limits, context);
  return {
    schema: makeExecutableSchema({
      typeDefs: [COMMON_SDL, SHARING_SDL],
      resolvers: {
        ...resolvers,
        Query: { ...resolvers.Query, explainAccess: explain },
        ...Object.fromEntries(Object.entries(scalarResolvers).filter(([name]) => COMMON_SCALARS.includes(name))),
      },
    }),
    merge: {
      Dataset: {
        // Under names of its own: a caller may call anything else `id` or `accessRights`.
        selectionSet: '{ civexAccessId: id civexAccessRights: accessRights }',
        fieldName: 'sourceAccess',
        args: ({ civexAccessId: id, civexAccessRights: accessRights }: AccessKey) => ({ id, accessRights }),
      },
    },
  };
}
