import { createOpendatasoftPortal } from '@civex/sandbox';
import type { SandboxPortal } from '@civex/sandbox';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agree, startSharingHub } from './support/sharing-hub.ts';
import type { Partner, SharingHub } from './support/sharing-hub.ts';

/*
 * Non-interference through HTTP: the portal's rows change only where the caller may not see, and the answers (status,
 * headers, bytes of the body) stay the same, but for the times in them.
 */

const PAIRS = Number(process.env['CIVEX_HTTP_INTERFERENCE_RUNS'] ?? 60);

interface Row {
  readonly ref: string;
  readonly ward: string;
  readonly postcode: string;
  readonly meter: string;
  readonly occupier: string | null;
  readonly kwh: number | null;
}

/** What the portal holds: filled anew for each world. */
const held: Row[] = [];
const fill = (rows: readonly Row[]): void => void held.splice(0, held.length, ...rows.map((row) => ({ ...row })));

let portal: SandboxPortal;
let hub: SharingHub;
let region: Partner;

const field = (name: string, type: 'text' | 'double') => ({ name, type, label: name, annotations: {} });

beforeAll(async () => {
  portal = await createOpendatasoftPortal({
    id: 'meters',
    title: 'Meters',
    language: 'en',
    datasets: [
      {
        id: 'readings',
        title: 'Readings',
        description: 'Meter readings.',
        theme: ['Energy'],
        keyword: ['energy'],
        publisher: 'Council',
        license: null,
        modified: '2026-01-01T00:00:00+00:00',
        fields: [
          field('ref', 'text'),
          field('ward', 'text'),
          field('postcode', 'text'),
          field('meter', 'text'),
          field('occupier', 'text'),
          field('kwh', 'double'),
        ],
        records: held,
      } as never,
    ],
  });
  hub = await startSharingHub({ portals: [portal] } as never, {
    restricted: [{ dataset: 'meters:readings', provider: 'leicester-city-council' }],
  });
  const council = await hub.partner('council-office', 'leicester-city-council', ['use', 'manage']);
  region = await hub.partner('region-dashboard', 'emr-region', ['use', 'manage']);
  await agree(council, region, {
    provider: 'leicester-city-council',
    consumer: 'emr-region',
    purposes: ['study'],
    validFrom: '2026-01-01T00:00:00Z',
    validUntil: '2030-01-01T00:00:00Z',
    grants: [
      {
        dataset: 'meters:readings',
        actions: ['QUERY', 'AGGREGATE', 'EXPORT'],
        rows: { property: 'ward', eq: 'Abbey' },
        masks: [
          { property: 'occupier', method: 'HIDE' },
          { property: 'postcode', method: 'PREFIX', parameter: 3 },
          { property: 'meter', method: 'HASH' },
          { property: 'kwh', method: 'ROUND', parameter: 100 },
        ],
      },
    ],
  });
}, 60_000);
afterAll(async () => {
  await hub?.[Symbol.asyncDispose]();
  await portal?.close();
});

const HEADERS = { 'civex-purpose': 'study' };
const ID = 'meters:readings';

/** Times of the answer, not of the data. */
const settle = (text: string): string =>
  text
    .replaceAll(/"durationMs":[0-9.]+/g, '"durationMs":0')
    .replaceAll(/"fetchedAt":"[^"]+"/g, '"fetchedAt":""')
    .replaceAll(/retrieved [0-9TZ:.-]+/g, 'retrieved');

const QUESTION = `query ($id: ID!, $filter: FilterInput, $sortBy: [SortInput!], $first: Int!) { dataset(id: $id) { recordCount distributions { id }
  records(filter: $filter, sortBy: $sortBy, first: $first) { totalCount totalIsExact pageInfo { hasNextPage endCursor } nodes { id values }
    plan { strategy pushed residual notPushed { part reason text } requests pages scannedRecords portalQuery } source { status requests age error { code } durationMs } provenance { fetchedAt attribution } } } }`;
const GROUPS = `query ($id: ID!, $filter: FilterInput, $groupBy: [GroupByInput!]) { dataset(id: $id) {
  aggregate(filter: $filter, groupBy: $groupBy, measures: [{ as: "n", op: COUNT }, { as: "k", op: SUM, property: "kwh" }]) { truncated groups { key measures } plan { strategy requests scannedRecords } } } }`;

/** Everything that comes back over the wire, as one text. */
async function hear(question: Question): Promise<string> {
  const { filter, sort, first, groupBy } = question;
  const sortBy = sort === null ? [] : [{ property: sort, direction: 'ASC' }];
  const heard: string[] = [];
  for (const answer of [
    await region.ask(QUESTION, { id: ID, filter, sortBy, first }, HEADERS),
    await region.ask(GROUPS, { id: ID, filter, groupBy: [{ property: groupBy }] }, HEADERS),
  ]) {
    const { date: _, 'content-length': length, ...headers } = answer.headers;
    const text = settle(answer.text);
    // Times have other lengths; everything else counts.
    heard.push(String(answer.status), JSON.stringify(headers), text, String(Number(length) - answer.text.length));
  }
  const search = filter === null ? '' : `?filter=${encodeURIComponent(JSON.stringify(filter))}`;
  const file = await region.get(`/exports/${encodeURIComponent(ID)}.csv${search}`, HEADERS);
  heard.push(String(file.status), settle(file.text));
  return heard.join('\n');
}

interface Question {
  readonly filter: object | null;
  readonly sort: string | null;
  readonly first: number;
  readonly groupBy: string;
}

const WARDS = ['Abbey', 'Abbey', 'Aylestone', 'Belgrave'];
const rowArb: fc.Arbitrary<Row> = fc.record({
  ref: fc.constantFrom('a', 'b', 'c', 'd'),
  ward: fc.constantFrom(...WARDS),
  postcode: fc.constantFrom('LE1 1AA', 'LE1 2BB', 'LE2 1AA', 'LE3 9ZZ'),
  meter: fc.constantFrom('m1', 'm2', 'm3'),
  occupier: fc.option(fc.constantFrom('Ann', 'Ben', 'Cid')),
  kwh: fc.option(fc.constantFrom(0, 100, 120.5, 250, 1_000)),
});
const pairArb = fc
  .record({
    rows: fc.array(rowArb, { maxLength: 30 }),
    strangers: fc.array(rowArb, { maxLength: 10 }),
    dice: fc.array(fc.nat({ max: 99 }), { minLength: 30, maxLength: 30 }),
  })
  .map(({ rows, strangers, dice }) => {
    const other = rows.flatMap((row, index): readonly Row[] => {
      const number = dice[index]!;
      if (row.ward !== 'Abbey') return number % 2 === 0 ? [] : [{ ...row, kwh: number }];
      return [
        {
          ...row,
          occupier: number % 3 === 0 ? null : `Other ${number}`,
          postcode: `${row.postcode.slice(0, 3)} ${number}`,
          // Another reading that rounds to the same hundred.
          kwh: row.kwh === null || row.kwh % 100 !== 0 ? row.kwh : row.kwh + (number % 49),
        },
      ];
    });
    const added = strangers.filter(({ ward }) => ward !== 'Abbey');
    return { one: rows, two: [...added, ...other] };
  });
const questionArb: fc.Arbitrary<Question> = fc.record({
  filter: fc.option(
    fc.constantFrom<object>(
      { property: 'ref', eq: 'a' },
      { property: 'ref', in: ['a', 'b'] },
      { property: 'occupier', eq: 'Ann' },
      { property: 'postcode', eq: 'LE1' },
      { property: 'postcode', eq: 'LE1 1AA' },
      { property: 'kwh', gte: 100 },
      { property: 'kwh', eq: 120.5 },
      { property: 'meter', isNull: true },
      { property: 'ward', ne: 'Belgrave' },
    ),
    { nil: null },
  ),
  sort: fc.option(fc.constantFrom('ref', 'kwh', 'postcode', 'meter', 'occupier'), { nil: null }),
  first: fc.constantFrom(1, 3, 100),
  groupBy: fc.constantFrom('ref', 'postcode', 'meter', 'occupier', 'ward'),
});

test('what the caller may not see changes nothing that comes back', async ({ task }) => {
  let different = 0;
  let told = 0;
  await fc.assert(
    fc.asyncProperty(pairArb, questionArb, async ({ one, two }, question) => {
      if (JSON.stringify(one) !== JSON.stringify(two)) different++;
      fill(one);
      const before = await hear(question);
      if (before.includes('"nodes":[{')) told++;
      fill(two);
      expect(await hear(question)).toBe(before);
    }),
    { numRuns: PAIRS, seed: 20_261_205 },
  );
  expect(Math.min(different, told * 2)).toBeGreaterThan(PAIRS / 2);
  task.meta.figures = [
    {
      point: 15,
      what: 'non-interference through HTTP: pairs told apart by status, headers or body (three answers each)',
      value: `0 of ${PAIRS} (${different} differ)`,
      target: '0',
      isMet: different > PAIRS / 2,
    },
  ];
}, 1_200_000);
