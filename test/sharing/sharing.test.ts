import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../test-support/test-hub.ts';
import { agree, ENERGY, INCIDENTS, startSharingHub } from './support/sharing-hub.ts';
import type { Partner, SharingHub } from './support/sharing-hub.ts';

let sandbox: Sandbox;
let hub: SharingHub;
let council: Partner;
let region: Partner;
let university: Partner;

beforeAll(async () => {
  sandbox = await startSandbox();
  hub = await startSharingHub(sandbox);
  council = await hub.partner('council-office', 'leicester-city-council', ['use', 'manage']);
  region = await hub.partner('region-dashboard', 'emr-region', ['use', 'manage']);
  university = await hub.partner('university', 'uni', ['use', 'manage']);
}, 60_000);
afterAll(async () => {
  await hub?.[Symbol.asyncDispose]();
  await sandbox?.close();
});

const PURPOSE = { 'civex-purpose': 'energy-planning' };
const TERMS = {
  provider: 'leicester-city-council',
  consumer: 'emr-region',
  purposes: ['energy-planning'],
  validFrom: '2026-01-01T00:00:00Z',
  validUntil: '2030-01-01T00:00:00Z',
  grants: [
    {
      dataset: ENERGY,
      actions: ['QUERY', 'AGGREGATE', 'EXPORT'],
      masks: [
        { property: 'meter_number', method: 'HASH' },
        { property: 'occupier', method: 'HIDE' },
        { property: 'postcode', method: 'PREFIX', parameter: 3 },
        { property: 'geo_point_2d', method: 'GRID', parameter: 500 },
      ],
      rows: { property: 'fuel', eq: 'Electricity' },
    },
  ],
};
const RECORDS =
  'query ($id: ID!, $filter: FilterInput) { dataset(id: $id) { id access { allowed actions hiddenProperties maskedProperties rowFiltered agreement { id state } } queryables { name type } records(first: 5, filter: $filter) { totalCount nodes { id values geometry } plan { strategy pushed residual requests scannedRecords portalQuery } source { status requests } } } }';

test('a restricted dataset one may know of shows its description and nothing of its records', async () => {
  const { data, errors } = await ask(hub.hub.url, '{ dataset(id: "' + ENERGY + '") { title recordCount distributions { id } access { allowed actions } } viewer { anonymous } }'); // prettier-ignore
  expect(errors).toBeUndefined();
  expect(data['dataset']).toMatchObject({ recordCount: null, distributions: [], access: { allowed: false, actions: ['DISCOVER'] } }); // prettier-ignore
  expect(data['viewer']).toEqual({ anonymous: true });
  const refused = await ask(hub.hub.url, RECORDS, { id: ENERGY });
  expect(refused.errors?.map(({ extensions }) => extensions.code)).toEqual(['AUTH_REQUIRED']);
});

test('one that may not be known of looks in every way like none', async () => {
  const question = 'query ($id: ID!) { dataset(id: $id) { id title access { allowed } records { totalCount } } }';
  for (const way of [
    (id: string) => ask(hub.hub.url, question, { id }),
    (id: string) => university.ask(question, { id }),
  ]) {
    const [hidden, none] = [await way(INCIDENTS), await way('mexico-city:no-such-dataset')];
    expect(JSON.stringify(hidden.data)).toBe(JSON.stringify(none.data));
    expect(JSON.stringify(hidden.errors)).toBe(JSON.stringify(none.errors));
  }
  const listed = await ask(
    hub.hub.url,
    '{ datasets(first: 200, filter: { catalogs: ["mexico-city"] }) { nodes { id } totalCount } }',
  );
  expect(listed.text).not.toContain('detalle');
});

test('an agreement leaves and comes back as ODRL; what is not understood in it is refused', async () => {
  const terms = { ...TERMS, delegates: ['uni'], grants: [{ ...TERMS.grants[0], limits: { recordsPerDay: 500 } }] };
  const proposed = await council.ask('mutation ($input: AgreementInput!) { proposeAgreement(input: $input) { id odrl } }', { input: terms }); // prettier-ignore
  expect(proposed.errors).toBeUndefined();
  const { id, odrl } = proposed.data.proposeAgreement;
  const run = (document: object) =>
    council.ask('mutation ($odrl: JSONObject!) { importAgreement(odrl: $odrl) { id state odrl } }', { odrl: document });
  // A hash is that of the agreement it was made of.
  const imported = await run(odrl);
  expect(imported.errors).toBeUndefined();
  expect(imported.data.importAgreement.state).toBe('PROPOSED');
  expect(imported.data.importAgreement.id).not.toBe(id);
  const { uid: _, 'civex:hash': __, ...rest } = imported.data.importAgreement.odrl;
  expect(odrl).toMatchObject(rest);
  const [permission] = odrl.permission;
  const wider = { leftOperand: 'spatial', operator: 'eq', rightOperand: 'http://example.org/leicester' };
  const refused = await run({ ...odrl, permission: [{ ...permission, constraint: [...permission.constraint, wider] }] }); // prettier-ignore
  expect(refused.errors?.[0]).toMatchObject({ extensions: { code: 'INPUT_INVALID' } });
  expect(refused.errors?.[0]?.message).toContain('permission[0].constraint');
  for (const one of [id, imported.data.importAgreement.id])
    await council.ask('mutation ($id: ID!) { rejectAgreement(id: $id, reason: "tried") { state } }', { id: one });
});

test('without an agreement a member of another organisation is told what is missing', async () => {
  const { errors } = await university.ask(RECORDS, { id: ENERGY }, PURPOSE);
  expect(errors?.[0]).toMatchObject({ extensions: { code: 'ACCESS_DENIED' } });
  expect(errors?.[0]?.message).toContain('no agreement');
});

test('an agreement becomes a row filter and masks that the portal and the hub apply', async () => {
  const id = await agree(council, region, TERMS);
  sandbox.portals.find((portal) => portal.id === 'leicester')?.clearRequests();
  const { data, errors, headers } = await region.ask(RECORDS, { id: ENERGY }, PURPOSE);
  expect(errors).toBeUndefined();
  expect(headers['cache-control']).toBe('no-store');
  const { access, queryables, records } = data.dataset;
  expect(access).toEqual({
    allowed: true,
    actions: ['DISCOVER', 'QUERY', 'AGGREGATE', 'EXPORT'],
    hiddenProperties: ['occupier'],
    maskedProperties: expect.arrayContaining(['geo_point_2d', 'meter_number', 'postcode']),
    rowFiltered: true,
    agreement: { id, state: 'ACTIVE' },
  });
  expect(queryables.map(({ name }: { name: string }) => name)).not.toContain('occupier');
  expect(records.nodes).toHaveLength(5);
  for (const { values } of records.nodes) {
    expect(values.fuel).toBe('Electricity');
    expect(values).not.toHaveProperty('occupier');
    expect(values.meter_number).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(values.postcode.length).toBeLessThanOrEqual(3);
  }
  expect(records.plan.pushed).toEqual({ op: '=', args: [{ property: 'fuel' }, 'Electricity'] });
  expect(records.plan).toMatchObject({
    strategy: 'SCAN',
    residual: { op: '=', args: [{ property: 'fuel' }, 'Electricity'] },
    portalQuery: [],
  });
  const asked = sandbox.portals.find((portal) => portal.id === 'leicester')!.requests;
  expect(asked.some(({ search }) => new URLSearchParams(search).get('where')?.includes('fuel') === true)).toBe(true);
  // The portal sees the hub's key and never the caller's token.
  expect(JSON.stringify(asked)).not.toContain('DPoP');
});

test('a hidden column is refused in every part of a question before the portal is asked, whatever the value', async () => {
  const leicester = sandbox.portals.find((portal) => portal.id === 'leicester')!;
  await region.ask(RECORDS, { id: ENERGY }, PURPOSE);
  leicester.clearRequests();
  const messages = new Set<string>();
  for (const value of ['Leicester Leisure Ltd', 'nobody at all']) {
    const { errors } = await region.ask(RECORDS, { id: ENERGY, filter: { property: 'occupier', eq: value } }, PURPOSE);
    expect(errors?.[0]?.extensions.code).toBe('ACCESS_DENIED');
    messages.add(errors?.[0]?.message ?? '');
  }
  expect(messages.size).toBe(1);
  expect(leicester.requests.filter(({ path }) => path.includes('/records') || path.includes('/exports'))).toEqual([]);
});

test('exports see the same rows and columns', async () => {
  const { status, text } = await region.get(`/exports/${encodeURIComponent(ENERGY)}.ndjson`, PURPOSE);
  expect(status).toBe(200);
  const rows = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(rows.length).toBeGreaterThan(100);
  expect(rows.every((row) => row['fuel'] === 'Electricity' && !('occupier' in row))).toBe(true);
  const meta = await region.get(`/exports/${encodeURIComponent(ENERGY)}.metadata.json`, PURPOSE);
  expect(meta.text).not.toContain('occupier');
  expect((await region.get(`/exports/${encodeURIComponent(ENERGY)}.ndjson`)).status).toBe(403);
});

test('the purpose has to be declared, and agreed on', async () => {
  const none = await region.ask(RECORDS, { id: ENERGY });
  expect(none.errors?.[0]?.message).toContain('Civex-Purpose');
  const other = await region.ask(RECORDS, { id: ENERGY }, { 'civex-purpose': 'curiosity' });
  expect(other.errors?.[0]?.extensions.code).toBe('ACCESS_DENIED');
});

const EXPLAIN =
  'query ($query: String!) { explainAccess(query: $query) { decision fields { path outcome reason agreement } rowRules unlock { dataset missing properties provider } } }';

test('a question is explained field by field, and no portal is asked', async () => {
  for (const portal of sandbox.portals) portal.clearRequests();
  const query = `{ dataset(id: "${ENERGY}") { title records(properties: ["kwh", "occupier", "postcode"]) { nodes { values } } } }`;
  const { data, errors } = await region.ask(EXPLAIN, { query }, PURPOSE);
  expect(errors).toBeUndefined();
  expect(data.explainAccess).toMatchObject({ decision: 'ALLOW_PARTLY', rowRules: [expect.stringContaining('fuel')] });
  const outcomes = Object.fromEntries(
    data.explainAccess.fields.map(({ path, outcome }: { path: string; outcome: string }) => [path, outcome]),
  );
  expect(outcomes).toEqual({
    'dataset.title': 'ALLOWED',
    'dataset.records': 'ROW_FILTERED',
    'dataset.records.values.kwh': 'ALLOWED',
    'dataset.records.values.occupier': 'DENIED',
    'dataset.records.values.postcode': 'MASKED',
  });
  expect(data.explainAccess.unlock).toEqual([
    { dataset: ENERGY, missing: [], properties: ['occupier'], provider: 'leicester-city-council' },
  ]);
  const stranger = await university.ask(EXPLAIN, { query }, PURPOSE);
  expect(stranger.data.explainAccess).toMatchObject({ unlock: [{ missing: ['QUERY'], provider: 'leicester-city-council' }] }); // prettier-ignore
  expect(sandbox.portals.flatMap(({ requests }) => requests)).toEqual([]);
});

test('of what may not be known of it is said the same as of what does not exist', async () => {
  const explain = async (id: string): Promise<string> => {
    const { text } = await region.ask(EXPLAIN, { query: `{ dataset(id: "${id}") { title records { totalCount } } }` });
    return text.replaceAll(id, 'ID');
  };
  expect(await explain(INCIDENTS)).toBe(await explain('mexico-city:no-such-dataset'));
});

test('what is suspended or ended holds on the next request', async () => {
  const { data } = await region.ask('{ viewer { organisation agreements { id } } }');
  const id = data.viewer.agreements[0].id;
  const act = (mutation: string) => council.ask(`mutation ($id: ID!) { ${mutation} { state } }`, { id });
  const isOpen = async (): Promise<boolean> =>
    (await region.ask(RECORDS, { id: ENERGY }, PURPOSE)).errors === undefined;
  expect(await isOpen()).toBe(true);
  expect((await region.ask('mutation ($id: ID!) { suspendAgreement(id: $id, reason: "x") { state } }', { id })).errors?.[0]?.extensions.code).toBe('ACCESS_DENIED'); // prettier-ignore
  await act('suspendAgreement(id: $id, reason: "an incident")');
  expect(await isOpen()).toBe(false);
  await act('resumeAgreement(id: $id)');
  expect(await isOpen()).toBe(true);
  await act('endAgreement(id: $id, reason: "over")');
  expect(await isOpen()).toBe(false);
});

test('limits are counted before anything leaves', async () => {
  const id = await agree(council, region, {
    ...TERMS,
    grants: [{ ...TERMS.grants[0], limits: { requestsPerDay: 3, recordsPerDay: 12, recordsPerRequest: 5 } }],
  });
  const named = { ...PURPOSE, 'civex-agreement': id };
  expect((await region.ask(RECORDS, { id: ENERGY }, named)).errors).toBeUndefined();
  expect((await region.ask(RECORDS, { id: ENERGY }, named)).errors).toBeUndefined();
  const third = await region.ask(RECORDS, { id: ENERGY }, named);
  expect(third.errors?.[0]).toMatchObject({ extensions: { code: 'LIMIT_REACHED' } });
  const large = await region.ask('query ($id: ID!) { dataset(id: $id) { records(first: 6) { totalCount } } }', { id: ENERGY }, named); // prettier-ignore
  expect(large.errors?.[0]?.extensions.code).toBe('INPUT_TOO_COSTLY');
});

test('a token that is bad is refused and never taken for none', async () => {
  const answer = await ask(hub.hub.url, '{ viewer { anonymous } }', {}, { headers: { authorization: 'Bearer x.y.z' } });
  expect(answer.status).toBe(401);
  expect(String(answer.headers['www-authenticate'])).toContain('resource_metadata=');
});

test('anybody may ask for access, and nobody but the parties sees it', async () => {
  const asked = await region.ask(
    'mutation ($id: ID!) { requestAccess(dataset: $id, actions: [QUERY], purpose: "research", justification: "A study.") { id state provider consumer } }',
    { id: ENERGY },
  );
  expect(asked.data.requestAccess).toMatchObject({ state: 'DRAFT', provider: 'leicester-city-council', consumer: 'emr-region' }); // prettier-ignore
  const { id } = asked.data.requestAccess;
  const read = 'query ($id: ID!) { agreement(id: $id) { id history { change reason } odrl } }';
  expect((await council.ask(read, { id })).data.agreement).toMatchObject({ history: [{ change: 'requested', reason: 'A study.' }] }); // prettier-ignore
  expect((await university.ask(read, { id })).data.agreement).toBeNull();
  const concealed = await region.ask('mutation { requestAccess(dataset: "' + INCIDENTS + '", actions: [QUERY], purpose: "x", justification: "y") { id } }'); // prettier-ignore
  const none = await region.ask('mutation { requestAccess(dataset: "mexico-city:no-such", actions: [QUERY], purpose: "x", justification: "y") { id } }'); // prettier-ignore
  expect(JSON.stringify(concealed.errors)).toBe(JSON.stringify(none.errors));
});

test('an organisation asks for no more than can be answered', async () => {
  const one = `requestAccess(dataset: "${ENERGY}", actions: [QUERY], purpose: "research", justification: "More.") { id }`;
  const ids: string[] = [];
  let refusal: unknown = null;
  for (let turn = 0; turn < 30 && refusal === null; turn++) {
    const aliased = Array.from({ length: 5 }, (_, index) => `a${index}: ${one}`).join(' ');
    const { data, errors } = await university.ask(`mutation { ${aliased} }`);
    ids.push(...Object.values(data ?? {}).flatMap((made) => (made as { id: string } | null)?.id ?? []));
    refusal = errors?.[0]?.extensions.code ?? null;
  }
  expect(refusal).toBe('LIMIT_REACHED');
  const { data } = await university.ask('{ agreements(state: [DRAFT], first: 500) { nodes { id } } }');
  expect(data.agreements.nodes).toHaveLength(100);
  const [first] = ids;
  const back = await university.ask('mutation ($id: ID!) { rejectAgreement(id: $id, reason: "Not needed.") { state } }', { id: first }); // prettier-ignore
  expect(back.data.rejectAgreement.state).toBe('REJECTED');
  expect((await university.ask(`mutation { ${one} }`)).errors).toBeUndefined();
});
