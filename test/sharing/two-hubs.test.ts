import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { createSeededRandom } from '@civex/environment';
import { HubError, isHubError } from '@civex/errors';
import { approve, end, parseTerms, proposeAgreement, proposeVersion, reject, resume, suspend } from '@civex/sharing';
import type { Agreement } from '@civex/sharing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { request } from 'undici';
import { ask } from '../test-support/test-hub.ts';
import type { Loose } from '../test-support/test-hub.ts';
import { startTwoHubProcesses } from './support/hub-processes.ts';
import type { TwoHubProcesses } from './support/hub-processes.ts';
import { agree, ENERGY } from './support/sharing-hub.ts';
import type { Partner } from './support/sharing-hub.ts';

/** Batches of six questions at once; `CIVEX_ISOLATION_BATCHES` for a longer programme. */
const BATCHES = Number(process.env['CIVEX_ISOLATION_BATCHES'] ?? '40');
const QUESTIONS = 6;
const SEED = Number(process.env['CIVEX_ISOLATION_SEED'] ?? '4');
const METERS = 'energy-meter-readings-council-buildings';
const PURPOSE = { 'civex-purpose': 'energy-planning' };

type Row = Readonly<Record<string, unknown>>;

let sandbox: Sandbox;
let hubs: TwoHubProcesses;
let council: Partner;
let region: Partner;
let university: Partner;
let rows: readonly Row[];

beforeAll(async () => {
  sandbox = await startSandbox();
  hubs = await startTwoHubProcesses(sandbox);
  council = await hubs.partner('council-office', 'leicester-city-council', ['use', 'manage']);
  region = await hubs.partner('region-dashboard', 'emr-region', ['use', 'manage']);
  university = await hubs.partner('university', 'uni', ['use', 'manage']);
  rows = sandbox.portal('leicester').truth(METERS)?.records ?? [];
}, 60_000);
afterAll(async () => {
  await hubs?.[Symbol.asyncDispose]();
  await sandbox?.close();
});

const termsFor = (consumer: string, grant: object) => ({
  provider: 'leicester-city-council',
  consumer,
  purposes: ['energy-planning'],
  validFrom: '2026-01-01T00:00:00Z',
  validUntil: '2030-01-01T00:00:00Z',
  grants: [{ dataset: ENERGY, actions: ['QUERY', 'AGGREGATE', 'EXPORT'], ...grant }],
});
const GRID_METRES = { region: 500, university: 2_000 } as const;
const UNIVERSITY_COLUMNS = ['reading_id', 'fuel', 'site_type', 'period', 'cost', 'ward', 'geo_point_2d'];
const REGION_TERMS = termsFor('emr-region', {
  masks: [
    { property: 'meter_number', method: 'HASH' },
    { property: 'ward', method: 'HASH' },
    { property: 'occupier', method: 'HIDE' },
    { property: 'postcode', method: 'PREFIX', parameter: 3 },
    { property: 'geo_point_2d', method: 'GRID', parameter: GRID_METRES.region },
  ],
  rows: { property: 'fuel', eq: 'Electricity' },
});
const UNIVERSITY_TERMS = termsFor('uni', {
  properties: UNIVERSITY_COLUMNS,
  masks: [
    { property: 'period', method: 'YEAR' },
    { property: 'ward', method: 'HASH' },
    { property: 'geo_point_2d', method: 'GRID', parameter: GRID_METRES.university },
  ],
  rows: { property: 'fuel', eq: 'Gas' },
});

/** What a consumer's agreement leaves of the portal's own rows, reckoned without the hub. */
interface Own {
  readonly rows: readonly Row[];
  readonly columns: ReadonlySet<string>;
  /** What it sees of a row, but for the columns of `masked`. */
  readonly show: (row: Row) => Row;
  /** What it sees of them depends on a key: `createMaskLaws` holds it against laws. */
  readonly masked: Readonly<Record<string, 'HASH' | 'GRID'>>;
  /** Texts that may be in none of its answers. */
  readonly secrets: readonly string[];
}

const without = (row: Row, columns: readonly string[]): Row =>
  Object.fromEntries(Object.entries(row).filter(([name]) => !columns.includes(name)));

const textsOf = (from: readonly Row[], columns: readonly string[]): readonly string[] => [
  ...new Set(from.flatMap((row) => columns.map((name) => row[name])).filter((value) => typeof value === 'string')),
];

function modelOf(): Readonly<Record<'region' | 'university', Own>> {
  const electric = rows.filter(({ fuel }) => fuel === 'Electricity');
  const gas = rows.filter(({ fuel }) => fuel === 'Gas');
  const all = Object.keys(rows[0] ?? {});
  return {
    region: {
      rows: electric,
      columns: new Set(all.filter((name) => name !== 'occupier')),
      show: (row) => ({
        ...without(row, ['occupier', 'meter_number', 'ward', 'geo_point_2d']),
        postcode: String(row['postcode']).slice(0, 3),
      }),
      masked: { meter_number: 'HASH', ward: 'HASH', geo_point_2d: 'GRID' },
      secrets: [
        ...textsOf(rows, ['meter_number', 'occupier', 'postcode']),
        ...textsOf(gas, ['site_name', 'site_ref']),
        ...gas.map(({ reading_id }) => String(reading_id)),
      ],
    },
    university: {
      rows: gas,
      columns: new Set(UNIVERSITY_COLUMNS),
      show: ({ reading_id, fuel, site_type, cost, period }) => ({
        reading_id,
        fuel,
        site_type,
        cost,
        period: String(period).slice(0, 4),
      }),
      masked: { ward: 'HASH', geo_point_2d: 'GRID' },
      secrets: [
        ...textsOf(rows, ['meter_number', 'occupier', 'postcode', 'site_name', 'site_ref', 'period']),
        ...electric.map(({ reading_id }) => String(reading_id)),
      ],
    },
  };
}

/** Metres between two points, on a sphere. */
function metresBetween([lon1, lat1]: readonly number[], [lon2, lat2]: readonly number[]): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180;
  const half = (a: number, b: number): number => Math.sin(radians((b - a) / 2)) ** 2;
  const chord = half(lat1!, lat2!) + Math.cos(radians(lat1!)) * Math.cos(radians(lat2!)) * half(lon1!, lon2!);
  return 2 * 6_371_000 * Math.asin(Math.sqrt(chord));
}

/** From its corner to the middle of a cell, in metres: that of the H3 resolution at least as wide as what was agreed. */
const CELL_RADIUS = { region: 531, university: 1_406 } as const;

/**
 * What holds of HASH and GRID whatever the keys are: one digest for one value in one agreement and none for two, and none
 * in two agreements; one place for one point, no further away than its cell reaches and no closer to the next than was
 * agreed. Kept over all answers of both processes.
 */
function createMaskLaws() {
  const digests = new Map<string, string>();
  const valueOf = new Map<string, string>();
  const places = new Map<string, readonly number[]>();
  const centres = { region: new Map<string, readonly number[]>(), university: new Map<string, readonly number[]>() };
  const once = <T>(known: Map<string, T>, key: string, value: T): boolean => {
    if (!known.has(key)) known.set(key, value);
    return JSON.stringify(known.get(key)) === JSON.stringify(value);
  };
  const isDigest = (name: 'region' | 'university', raw: unknown, seen: unknown): boolean =>
    typeof seen === 'string' &&
    /^[\w-]{22}$/.test(seen) &&
    once(digests, `${name} ${String(raw)}`, seen) &&
    once(valueOf, seen, `${name} ${String(raw)}`);
  const isPlace = (name: 'region' | 'university', raw: unknown, seen: unknown): boolean => {
    const { lon, lat } = raw as { readonly lon: number; readonly lat: number };
    const { coordinates = [] } = (seen ?? {}) as { readonly coordinates?: readonly number[] };
    if (coordinates.length !== 2) return false;
    centres[name].set(coordinates.join(), coordinates);
    return (
      once(places, `${name} ${lon} ${lat}`, coordinates) &&
      // Cells of one resolution differ by a fifth, and their edges are not those of their children.
      metresBetween([lon, lat], coordinates) <= 1.35 * CELL_RADIUS[name]
    );
  };
  return {
    counts: () => ({ digests: valueOf.size, places: places.size, centres: centres.region.size + centres.university.size }), // prettier-ignore
    /** Whether a masked value may be shown of the raw one. */
    holds: (name: 'region' | 'university', method: 'HASH' | 'GRID', raw: unknown, seen: unknown): boolean =>
      raw === null ? seen === null : method === 'HASH' ? isDigest(name, raw, seen) : isPlace(name, raw, seen),
    /** Pairs of places of one agreement that are closer than it says. */
    tooClose(name: 'region' | 'university'): number {
      const all = [...centres[name].values()];
      return all.flatMap((a, index) => all.slice(index + 1).filter((b) => metresBetween(a, b) < GRID_METRES[name]))
        .length; // prettier-ignore
    },
  };
}

const RECORDS = `query ($id: ID!, $filter: FilterInput, $first: Int!, $properties: [String!], $direction: SortDirection!) {
  dataset(id: $id) { records(filter: $filter, first: $first, properties: $properties, sortBy: [{ property: "reading_id", direction: $direction }]) { totalCount nodes { values } } } }`;
const AGGREGATE = `query ($id: ID!, $filter: FilterInput) { dataset(id: $id) {
  aggregate(filter: $filter, groupBy: [{ property: "fuel" }], measures: [{ op: COUNT, as: "n" }]) { groups { key measures } } } }`;

type Name = 'region' | 'university' | 'council' | 'anonymous';
const NAMES: readonly Name[] = ['region', 'university', 'council', 'anonymous'];

interface Told {
  readonly text: string;
  readonly data?: Loose;
  readonly code?: string | undefined;
}

test('four callers of two hubs see what is theirs and nothing else, whatever the others ask and agree on', async ({
  task,
}) => {
  const random = createSeededRandom(SEED);
  const int = (below: number): number => Math.floor(random() * below);
  const model = modelOf();
  const byId = new Map(rows.map((row) => [Number(row['reading_id']), row]));
  const laws = createMaskLaws();
  const agreements = {
    region: await agree(council, region, REGION_TERMS),
    university: await agree(council.at(hubs.second.url), university, UNIVERSITY_TERMS),
  };
  const isActive = { region: true, university: true };
  const counted = { questions: 0, leaks: 0, wrong: 0, changes: 0, cuts: 0 };
  const faults: string[] = [];
  const note = (kind: 'leaks' | 'wrong', what: string): void => {
    counted[kind]++;
    if (faults.length < 5) faults.push(what);
  };
  const rawSecrets = textsOf(rows, ['meter_number', 'occupier', 'postcode', 'site_name', 'site_ref']);
  const secretsOf = (name: Name): readonly string[] => [
    'detalle',
    ...(name === 'region' || name === 'university'
      ? [...model[name].secrets, agreements[name === 'region' ? 'university' : 'region']]
      : rawSecrets),
    ...(name === 'anonymous' ? Object.values(agreements) : []),
  ];
  const secrets = new Map(NAMES.map((name) => [name, secretsOf(name)]));
  const partnerOf = { region, university, council } as const;

  const askAs = async (name: Name, url: string, query: string, variables: object): Promise<Told> => {
    const answer =
      name === 'anonymous'
        ? await ask(url, query, variables as never, { headers: PURPOSE })
        : await partnerOf[name].at(url).ask(query, variables, PURPOSE);
    return { text: answer.text, data: answer.data, code: answer.errors?.[0]?.extensions.code };
  };
  const exportAs = async (name: Name, url: string): Promise<Told> => {
    const target = `/exports/${encodeURIComponent(ENERGY)}.ndjson`;
    const proof = name === 'anonymous' ? {} : await partnerOf[name].headersFor('GET', target);
    const answer = await request(`${url}${target}`, { headers: { ...PURPOSE, ...proof } });
    let text = '';
    try {
      for await (const chunk of answer.body) text += String(chunk);
    } catch {
      // The agreement ceased to be in force under way; what had left until then counts all the same.
      counted.cuts++;
      return { text, code: 'cut' };
    }
    if (answer.statusCode === 200) return { text };
    return { text, code: JSON.parse(text).errors?.[0]?.extensions?.code ?? 'refused' };
  };

  /** What a caller was shown of a row, but for columns that depend on a key; `null` where these break a law. */
  const withoutMasks = (name: 'region' | 'university', shown: Row): Row | null => {
    const raw = byId.get(Number(shown['reading_id']));
    const left: Record<string, unknown> = { ...shown };
    for (const [column, method] of Object.entries(model[name].masked)) {
      if (!Object.hasOwn(shown, column)) continue;
      if (raw === undefined || !laws.holds(name, method, raw[column], shown[column])) return null;
      delete left[column];
    }
    return left;
  };

  /** One question; holds its answer against the model. `isSettled`: no agreement changes while it is asked. */
  const pose = async (name: Name, url: string, isSettled: boolean): Promise<void> => {
    counted.questions++;
    const own = name === 'region' || name === 'university' ? model[name] : null;
    const isOpen = own !== null && isActive[name as 'region' | 'university'];
    const kind = int(6);
    const bound = int(4_000);
    const filter = kind % 2 === 0 ? { property: 'cost', gt: bound } : null;
    const mine = (own?.rows ?? []).filter(({ cost }) => filter === null || (typeof cost === 'number' && cost > bound));
    const direction = int(2) === 0 ? 'ASC' : 'DESC';
    const size = 1 + int(20);
    const properties = ['reading_id', 'fuel', 'cost', 'ward', 'geo_point_2d', name === 'university' ? 'period' : 'postcode']; // prettier-ignore
    const unmask = (shown: Row): Row | null =>
      own === null ? shown : withoutMasks(name as 'region' | 'university', shown);
    const picked = (row: Row): Row =>
      Object.fromEntries(Object.entries(row).filter(([column]) => properties.includes(column)));
    let told: Told;
    let seen: unknown;
    let expected: unknown;
    let needsAgreement = true;
    if (kind <= 1) {
      told = await askAs(name, url, RECORDS, { id: ENERGY, filter, first: size, properties, direction });
      const { records } = told.data?.dataset ?? {};
      seen = records && { total: records.totalCount, values: records.nodes.map(({ values }: Loose) => unmask(values)) };
      const sorted = mine.toSorted((a, b) => (Number(a['reading_id']) - Number(b['reading_id'])) * (direction === 'ASC' ? 1 : -1)); // prettier-ignore
      expected = own && { total: mine.length, values: sorted.slice(0, size).map((row) => picked(own.show(row))) };
    } else if (kind <= 3) {
      told = await askAs(name, url, AGGREGATE, { id: ENERGY, filter });
      seen = told.data?.dataset?.aggregate?.groups;
      expected = mine.length === 0 ? [] : [{ key: { fuel: mine[0]?.['fuel'] }, measures: { n: mine.length } }];
    } else if (kind === 4) {
      told = await exportAs(name, url);
      const lines =
        told.code === undefined
          ? told.text
              .trim()
              .split('\n')
              .map((line) => JSON.parse(line) as Row)
          : [];
      const ordered = <T extends Row | null>(list: readonly T[]): readonly T[] => list.toSorted((a, b) => Number(a?.['reading_id']) - Number(b?.['reading_id'])); // prettier-ignore
      seen = { rows: ordered(lines.map(unmask)), columns: [...new Set(lines.flatMap(Object.keys))].toSorted() };
      expected = own && { rows: ordered(own.rows.map(own.show)), columns: [...own.columns].toSorted() };
    } else {
      needsAgreement = false;
      told = await askAs(name, url, '{ datasets(first: 200, filter: { catalogs: ["mexico-city", "leicester"] }) { totalCount nodes { id recordCount } } viewer { organisation anonymous agreements { id } } }', {}); // prettier-ignore
      const { viewer, datasets } = told.data ?? {};
      seen = { agreements: viewer?.agreements.map(({ id }: Loose) => id), count: datasets?.nodes.find(({ id }: Loose) => id === ENERGY)?.recordCount }; // prettier-ignore
      expected = { agreements: isOpen ? [agreements[name as 'region' | 'university']] : [], count: null };
    }
    for (const secret of secrets.get(name) ?? [])
      if (told.text.includes(secret)) note('leaks', `${name} was shown ${secret}: ${told.text.slice(0, 300)}`);
    const denied = [...(isSettled ? [] : ['cut']), ...(name === 'anonymous' ? ['AUTH_REQUIRED'] : ['ACCESS_DENIED'])];
    if (needsAgreement && (told.code !== undefined || !isOpen)) {
      if (told.code === undefined && isSettled) note('leaks', `${name} was answered without an agreement: ${told.text.slice(0, 300)}`); // prettier-ignore
      if (told.code !== undefined && (!denied.includes(told.code) || (isOpen && isSettled))) note('wrong', `${name} ${kind}: ${told.code} ${told.text.slice(0, 300)}`); // prettier-ignore
      if (isSettled || told.code !== undefined) return;
    }
    if (!needsAgreement && !isSettled) return;
    if (JSON.stringify(seen, sortKeys) !== JSON.stringify(expected, sortKeys))
      note('wrong', `${name} ${kind} saw ${JSON.stringify(seen)?.slice(0, 400)} instead of ${JSON.stringify(expected)?.slice(0, 400)}`); // prettier-ignore
  };

  const urls = [hubs.first.url, hubs.second.url];
  const anyUrl = (): string => urls[int(2)] ?? '';
  const flip = async (): Promise<void> => {
    const name = int(2) === 0 ? 'region' : 'university';
    const act = isActive[name] ? 'suspendAgreement(id: $id, reason: "x")' : 'resumeAgreement(id: $id)';
    const { errors } = await council.at(anyUrl()).ask(`mutation ($id: ID!) { ${act} { state } }`, { id: agreements[name] }); // prettier-ignore
    expect(errors).toBeUndefined();
    isActive[name] = !isActive[name];
    counted.changes++;
  };
  const poseMany = (isSettled: boolean): readonly Promise<void>[] =>
    Array.from({ length: QUESTIONS }, () => pose(NAMES[int(NAMES.length)] ?? 'anonymous', anyUrl(), isSettled));
  const deadline = performance.now() + 2_000_000;
  for (let batch = 0; batch < BATCHES && performance.now() < deadline; batch++) {
    const chance = int(4);
    if (chance === 0) await flip();
    if (chance === 1) await Promise.all([...poseMany(false), flip()]);
    else await Promise.all(poseMany(true));
  }
  for (const name of ['region', 'university'] as const)
    await council.ask('mutation ($id: ID!) { endAgreement(id: $id, reason: "over") { state } }', { id: agreements[name] }); // prettier-ignore
  expect(counted.changes).toBeGreaterThan(BATCHES / 8);
  expect(new Set([hubs.first.pid, hubs.second.pid, process.pid]).size).toBe(3);
  const { digests, places, centres } = laws.counts();
  const tooClose = laws.tooClose('region') + laws.tooClose('university');
  expect(Math.min(digests, places, centres)).toBeGreaterThan(10);
  task.meta.figures = [
    { point: 15, what: `answers to four callers of two hubs on one store, ${counted.questions} asked: leaks`, value: counted.leaks, target: '0', isMet: counted.leaks === 0 }, // prettier-ignore
    { point: 15, what: `the same, ${counted.changes} changes of agreements between: not what the model has`, value: counted.wrong, target: '0', isMet: counted.wrong === 0 }, // prettier-ignore
    { point: 15, what: `places of ${centres} grid cells closer than the agreement has them; ${digests} digests, ${places} points held against the laws of their masks`, value: tooClose, target: '0', isMet: tooClose === 0 }, // prettier-ignore
  ];
  expect(faults).toEqual([]);
  expect(tooClose).toBe(0);
}, 2_100_000);

/** Objects with their members in order, so that equal ones have one text. */
const sortKeys = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value;

test('the end of an agreement at one hub holds on the next request at the other', async ({ task }) => {
  let late = 0;
  const rounds = 6;
  for (let round = 0; round < rounds; round++) {
    const id = await agree(council, region.at(hubs.second.url), REGION_TERMS);
    const [here, there] = round % 2 === 0 ? [hubs.first, hubs.second] : [hubs.second, hubs.first];
    const pose = () =>
      region.at(there.url).ask(RECORDS, { id: ENERGY, first: 1, properties: ['fuel'], direction: 'ASC' }, { ...PURPOSE, 'civex-agreement': id }); // prettier-ignore
    expect((await pose()).errors).toBeUndefined();
    await council.at(here.url).ask('mutation ($id: ID!) { endAgreement(id: $id, reason: "over") { state } }', { id }); // prettier-ignore
    if ((await pose()).errors?.[0]?.extensions.code !== 'ACCESS_DENIED') late++;
  }
  task.meta.figures = [
    { point: 14, what: `requests answered by another hub after the end of their agreement, of ${rounds}`, value: late, target: '0', isMet: late === 0 }, // prettier-ignore
  ];
  expect(late).toBe(0);
});

/** Sequences of changes; `CIVEX_LIFECYCLE_SEQUENCES` for a longer programme. */
const SEQUENCES = Number(process.env['CIVEX_LIFECYCLE_SEQUENCES'] ?? '12');
const STEPS = 10;

test('whatever is done to an agreement at two hubs is decided as the model of its life decides', async ({ task }) => {
  const random = createSeededRandom(SEED + 1);
  const int = (below: number): number => Math.floor(random() * below);
  const urls = [hubs.first.url, hubs.second.url];
  const parties = [
    [council, { organisation: 'leicester-city-council', subject: 'council-office', mayManage: true }],
    [region, { organisation: 'emr-region', subject: 'region-dashboard', mayManage: true }],
    [university, { organisation: 'uni', subject: 'university', mayManage: true }],
  ] as const;
  const narrow = { dataset: ENERGY, actions: ['QUERY'] };
  const inputs = [{}, { rows: { property: 'fuel', eq: 'Gas' } }, { properties: ['kwh', 'fuel'] }].map((grant) => ({
    ...REGION_TERMS,
    grants: [{ ...narrow, ...grant }],
  }));
  const isParty = (organisation: string): boolean => organisation !== 'uni';
  const STATE = '{ id state version pendingVersion history { change } }';
  let decisions = 0;
  const different: string[] = [];

  for (let sequence = 0; sequence < SEQUENCES; sequence++) {
    let id = '';
    let model: Agreement | null = null;
    for (let step = 0; step < STEPS; step++) {
      const [partner, party] = parties[model === null ? int(2) : int(10) === 0 ? 2 : int(2)] ?? parties[0];
      const input = inputs[int(inputs.length)] ?? {};
      const before: Agreement | null = model;
      const move = before === null ? 0 : int(6);
      const version = 1 + int((before?.versions.length ?? 0) + 1);
      const now = Date.now();
      const mutations = [
        `proposeAgreement(input: $input) ${STATE}`,
        `approveAgreement(id: $id, version: ${version}) ${STATE}`,
        `rejectAgreement(id: $id, reason: "x") ${STATE}`,
        `suspendAgreement(id: $id, reason: "x") ${STATE}`,
        `resumeAgreement(id: $id) ${STATE}`,
        `endAgreement(id: $id, reason: "x") ${STATE}`,
      ];
      const head = move === 0 ? '($input: AgreementInput!)' : '($id: ID!)';
      const variables = move === 0 ? { input: before === null ? input : { ...input, id } } : { id };
      let expected: string;
      try {
        if (!isParty(party.organisation)) throw new HubError(move === 0 ? 'ACCESS_DENIED' : 'NOT_FOUND', '');
        const terms = parseTerms(input as never);
        const moves = [
          (it: Agreement) => proposeVersion(it, terms, party, now),
          (it: Agreement) => approve(it, version, party, now),
          (it: Agreement) => reject(it, party, 'x', now),
          (it: Agreement) => suspend(it, party, 'x', now),
          (it: Agreement) => resume(it, party, now),
          (it: Agreement) => end(it, party, 'x', now),
        ];
        const after: Agreement = before === null ? proposeAgreement('new', terms, party, now) : moves[move]!(before);
        model = after;
        expected = JSON.stringify({
          state: after.state,
          version: after.current ?? after.versions.length,
          pending: after.pending,
          history: after.history.map(({ change }) => change),
        });
      } catch (error) {
        expected = isHubError(error) ? error.code : String(error);
      }
      const { data, errors } = await partner
        .at(urls[int(2)] ?? '')
        .ask(`mutation ${head} { done: ${mutations[move]} }`, variables);
      decisions++;
      const done = errors === undefined ? data.done : null;
      if (before === null && done !== null) id = done.id;
      const seen =
        done === null
          ? String(errors?.[0]?.extensions.code)
          : JSON.stringify({
              state: done.state,
              version: done.version,
              pending: done.pendingVersion,
              history: done.history.map(({ change }: Loose) => change),
            });
      if (seen !== expected) different.push(`${mutations[move]} by ${party.organisation}: ${seen} for ${expected}`);
      if (id === '') break;
    }
  }
  task.meta.figures = [
    { point: 14, what: `changes of agreements at two hubs decided unlike the model, of ${decisions}`, value: different.length, target: '0', isMet: different.length === 0 }, // prettier-ignore
  ];
  expect(different).toEqual([]);
}, 1_000_000);
