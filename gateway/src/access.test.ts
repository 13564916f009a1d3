import { approve, parseTerms, proposeAgreement } from '@civex/sharing';
import type { Caller } from '@civex/sharing';
import { defaultHubConfig } from '@civex/config';
import { describe, expect, test } from 'vitest';
import { createRequestAccess } from './access.ts';
import type { AccessRules, RequestAccess } from './access.ts';
import { createTestGateway } from './testing/test-hub.ts';

const NOW = Date.parse('2026-05-05T10:00:00Z');
const METERS = 'leicester:meters';
const LISTED_BY_PORTAL = 'leicester:by-its-portal';
const TERMS = parseTerms({
  provider: 'council',
  consumer: 'region',
  purposes: ['planning'],
  validFrom: '2026-01-01T00:00:00Z',
  validUntil: '2027-01-01T00:00:00Z',
  grants: [METERS, LISTED_BY_PORTAL].map((dataset) => ({ dataset, actions: ['DISCOVER', 'QUERY'] })),
});
const AGREEMENT = approve(
  proposeAgreement('dsa-1', TERMS, { organisation: 'council', subject: 'anna', mayManage: true }, NOW),
  1,
  { organisation: 'region', subject: 'bo', mayManage: true },
  NOW,
);

const callerOf = (organisation: string): Caller => ({
  issuer: 'https://hub.example',
  subject: 'dashboard',
  clientId: 'dashboard',
  organisation,
  roles: new Set(['use']),
  scopes: new Set(['catalog:read', 'records:read']),
  actor: null,
  details: null,
  isBound: true,
  mustBeBound: true,
});

/** `council` answers for both datasets, unless somebody else came to. */
function accessOf(organisation: string, provider = 'council'): RequestAccess {
  const rules: AccessRules = {
    restrictions: new Map([[METERS, { datasetId: METERS, provider, isDiscoverable: false }]]),
    providers: new Map([['leicester', provider]]),
    keyedSources: new Set(['leicester']),
    concealingSources: new Set(['leicester']),
    caseReferencePurposes: new Set(),
  };
  return createRequestAccess(
    { caller: callerOf(organisation), declared: { purpose: 'planning', caseReference: null, agreement: null } },
    rules,
    {
      consumedBy: (consumer) => Promise.resolve(consumer === 'region' ? [AGREEMENT] : []),
      keyOf: () => Promise.reject(new Error('not asked for')),
      release: () => Promise.reject(new Error('not asked for')),
    },
    () => NOW,
  );
}

test.each([METERS, LISTED_BY_PORTAL])('an agreement restricts and opens %s to its consumer', async (datasetId) => {
  const access = accessOf('region');
  const restriction = await access.restrictionByName(datasetId);
  expect(restriction).toEqual({ datasetId, provider: 'council', isDiscoverable: false });
  expect((await access.decide(restriction!, 'QUERY')).kind).toBe('allowed');
  expect((await access.usableAgreements()).map(({ id }) => id)).toEqual(['dsa-1']);
});

test.each([METERS, LISTED_BY_PORTAL])(
  'once somebody else answers for %s, what its provider agreed on gives nothing',
  async (datasetId) => {
    const access = accessOf('region', 'health-trust');
    const restriction = { datasetId, provider: 'health-trust', isDiscoverable: false };
    expect(await access.restrictionByName(datasetId)).toBeNull();
    expect(await access.decide(restriction, 'QUERY')).toMatchObject({ kind: 'denied', reason: 'NO_AGREEMENT' });
    expect(await access.summary(restriction)).toEqual({ actions: [], decision: null });
    expect(await access.usableAgreements()).toEqual([]);
    expect(await access.mayKnow(METERS)).toBe(false);
  },
);

test('who answers for a portal is told nothing is restricted of what no rule names', async () => {
  const access = accessOf('council');
  expect(await access.restrictionByName('leicester:parks')).toBeNull();
  expect(await access.restrictionByName(METERS)).toMatchObject({ provider: 'council' });
});

describe('Dataset.access', () => {
  const restricted = {
    organisations: [{ id: 'council' }],
    sharing: {
      restricted: [
        { dataset: 'a:d1', provider: 'council', discoverable: true },
        { dataset: 'b:d2', provider: 'council' },
      ],
    },
  };
  const config = defaultHubConfig(
    ['a', 'b'].map((id) => ({ id, adapter: 'opendatasoft', url: `https://${id}.example` })),
    restricted,
  );
  const question = `query ($on: Boolean!) {
    datasets(first: 20) { nodes { id: title rights: id access { ...seen } } }
    datasetsById(ids: ["a:d1", "b:d2", "b:d3"]) { accessRights: title access { ...seen } }
    dataset(id: "a:d3") { access @include(if: $on) { ...seen } }
  }
  fragment seen on DatasetAccess { allowed actions hiddenProperties maskedProperties rowFiltered agreement { id } }`;
  const answerOf = async (fastLane: boolean, query: string): Promise<string> => {
    const { gateway } = createTestGateway({ config, fastLane });
    const answer = await gateway.execute({ query, variables: { on: true } }, {});
    await gateway.close();
    return JSON.stringify(answer);
  };

  test('is the same by the compiled way, the ordinary one and delegation, whatever else is called like its keys', async () => {
    const plain = question.replace(' @include(if: $on)', '').replace('query ($on: Boolean!)', 'query');
    const delegated = await answerOf(false, question);
    expect(JSON.parse(delegated)).toMatchObject({
      data: {
        datasetsById: [{ access: { allowed: false, actions: ['DISCOVER'] } }, null, { access: { allowed: true } }],
        dataset: { access: { allowed: true } },
      },
    });
    expect(await answerOf(true, question)).toBe(delegated);
    expect(await answerOf(true, plain)).toBe(delegated);
    expect(await answerOf(false, plain)).toBe(delegated);
  });
});
