import { collectPlans, explainQuery } from '@civex/gateway';
import type { ExplainedPart } from '@civex/gateway';
import { startSandbox } from '@civex/sandbox';
import type { PortalRequest, Sandbox } from '@civex/sandbox';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NO_CACHE, startSandboxHub } from '../test-support/test-hub.ts';
import type { Loose, TestHub } from '../test-support/test-hub.ts';

let sandbox: Sandbox;
let hub: TestHub;

beforeAll(async () => {
  sandbox = await startSandbox();
  hub = await startSandboxHub(sandbox, { source: { cache: NO_CACHE } });
});
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await sandbox.close();
});

interface Explained {
  readonly parts: readonly ExplainedPart[];
  readonly answer: Loose;
  readonly errors: readonly unknown[];
}
async function explain(query: string): Promise<Explained> {
  const { data, errors = [] } = await hub.ask<Loose>(explainQuery(query));
  return { ...collectPlans(data), errors };
}

/** The requests of a portal that are about records, in its own words. */
function wordsOf(kind: string, { path, search, body }: PortalRequest): string | null {
  if (kind === 'ckan') return path.endsWith('/datastore_search') ? `datastore_search ${body}` : null;
  return /\/(?:records|exports\/jsonl)$/.test(path)
    ? `${decodeURIComponent(path)}?${[...new URLSearchParams(search)].map(([name, value]) => `${name}=${value}`).join('&')}`
    : null;
}

/** Records in the portal's answer to the same request, asked past the hub. */
async function countRecords(kind: string, baseUrl: string, request: PortalRequest): Promise<number> {
  const response = await fetch(`${baseUrl}${request.path}${request.search}`, {
    method: request.method,
    ...(request.method === 'POST' && { body: request.body, headers: { 'content-type': 'application/json' } }),
  });
  const text = await response.text();
  if (request.path.endsWith('/jsonl')) return text.split('\n').filter((line) => line !== '').length;
  if (request.search.includes('group_by') || request.search.includes('select=count')) return 0;
  const answer = JSON.parse(text) as Loose;
  return (kind === 'ckan' ? answer.result.records : answer.results).length as number;
}

const CASES = [
  {
    source: 'bordeaux',
    dataset: 'bordeaux:ci_vcub_p',
    conditions: [
      'nbvelos > 5',
      "nom LIKE 'P%'",
      "CASEI(nom) LIKE CASEI('%place%')",
      "etat = 'CONNECTEE'",
      'nbvelos IN (1, 2, 3)',
      'NOT nbvelos > 3',
      "NOT etat = 'x'",
    ],
    sorts: ['nbvelos', 'nom', 'mdate'],
    groups: ['nbvelos', 'etat'],
  },
  {
    source: 'mexico-city',
    dataset: 'mexico-city:estaciones-de-ecobici',
    conditions: [
      "colonia = 'Juárez'",
      "CASEI(colonia) = CASEI('juárez')",
      "colonia IN ('Juárez', 'Roma Norte')",
      "NOT colonia = 'Juárez'",
      "colonia LIKE 'R%'",
    ],
    sorts: ['colonia', 'capacidad'],
    groups: ['colonia'],
  },
] as const;

describe('the plan of a part of an answer', () => {
  test.for(CASES)('says what $source was asked, word for word, and how much it answered', async (row, { task }) => {
    const portal = sandbox.portal(row.source);
    const { kind, baseUrl } = portal;
    const question = fc.record({
      conditions: fc.uniqueArray(fc.constantFrom(...row.conditions), { maxLength: 3 }),
      join: fc.constantFrom(' AND ', ' OR '),
      sort: fc.option(fc.constantFrom(...row.sorts)),
      first: fc.constantFrom(1, 20, 150),
      group: fc.option(fc.constantFrom(...row.groups), { freq: 3 }),
    });
    let right = 0;
    await fc.assert(
      fc.asyncProperty(question, async ({ conditions, join, sort, first, group }) => {
        const cql = conditions.length === 0 ? '' : `cql: ${JSON.stringify(conditions.join(join))}, `;
        const records = `records(${cql}first: ${first}${sort === null ? '' : `, sortBy: [{property: "${sort}"}]`}) { nodes { id } }`;
        const groups = `aggregate(${cql}groupBy: [{property: "${group ?? ''}"}], measures: [{as: "n", op: COUNT}]) { groups { key } }`;
        portal.clearRequests();
        const { parts, errors } = await explain(
          `{ dataset(id: "${row.dataset}") { ${group === null ? records : groups} } }`,
        );
        const asked = portal.requests.filter((request) => wordsOf(kind, request) !== null);
        expect(errors).toEqual([]);
        expect(parts).toHaveLength(1);
        const [{ plan, dataset, source }] = parts as [ExplainedPart];
        expect([dataset, source.status]).toEqual([row.dataset, 'OK']);
        const words = asked.map((request) => wordsOf(kind, request));
        // CKAN's columns are asked for once, which is a question about the dataset.
        expect(plan.portalQuery?.map(normalise)).toEqual(
          words.slice(-(plan.portalQuery?.length ?? 0)).map((text) => normalise(text ?? '')),
        );
        expect(plan.requests).toBe(asked.length);
        const counts = await Promise.all(asked.map((request) => countRecords(kind, baseUrl, request)));
        expect(plan.scannedRecords).toBe(counts.reduce((sum, count) => sum + count, 0));
        // Whatever was left to the hub has a reason, and the source did all where there is none.
        if (plan.residual !== null) expect(plan.notPushed.length).toBeGreaterThan(0);
        if (plan.strategy === 'WINDOW' || plan.strategy === 'SOURCE_AGGREGATE')
          expect([plan.residual, plan.notPushed]).toEqual([null, []]);
        if (join === ' AND ' && conditions.some((condition) => condition.startsWith('CASEI')))
          expect(JSON.stringify(plan.notPushed)).toContain('FOLDED');
        right += 1;
      }),
      { numRuns: 120, seed: 9 },
    );
    task.meta.figures = [
      {
        point: 9,
        what: `plans that say word for word what the ${kind} portal was asked, and how many records it answered`,
        value: right,
        target: '120',
        isMet: right >= 120,
      },
    ];
  });

  /** Spaces and escapes apart, which are not words. */
  function normalise(text: string): string {
    return text.replaceAll(/\s+/g, '').replaceAll('+', '');
  }

  test('tells why something was left to the hub, by code', async () => {
    const { parts } = await explain(
      `{ dataset(id: "bordeaux:ci_vcub_p") {
          a: records(cql: "nbvelos > 5 AND (CASEI(nom) = 'x' OR nbvelos < 3) AND NOT etat = 'y'", first: 2) { nodes { id } }
          b: records(sortBy: [{property: "nom"}], first: 2) { nodes { id } }
          c: aggregate(groupBy: [{property: "etat"}], measures: [{as: "n", op: COUNT}]) { truncated }
          d: records(first: 2) { nodes { id } } } }`,
    );
    const reasons = Object.fromEntries(
      parts.map(({ path, plan }) => [path, plan.notPushed.map(({ reason }) => reason)]),
    );
    expect(reasons['dataset.a']).toEqual(['FOLDED', 'OPERAND', 'INEXACT', 'INEXACT_BELOW_NOT', 'FILTER']);
    expect(reasons['dataset.b']).toEqual(['SORT_INEXACT']);
    expect(reasons['dataset.c']).toEqual(['SOURCE_CANNOT']);
    expect(reasons['dataset.d']).toEqual([]);
  });

  test('of a source that fails says so, and what it was asked', async () => {
    const portal = sandbox.portal('leicester');
    portal.setFault('500', ({ path }) => path.endsWith('/records'));
    try {
      const { parts, errors } = await explain(
        '{ dataset(id: "leicester:bus-stops") { records(first: 1) { nodes { id } } } }',
      );
      expect(errors).toHaveLength(1);
      expect(parts).toMatchObject([
        {
          source: { status: 'FAILED', error: { code: 'SOURCE_UNAVAILABLE' } },
          plan: { strategy: null, notPushed: [] },
        },
      ]);
      expect(parts[0]?.plan.portalQuery).toHaveLength(1);
    } finally {
      portal.setFault(null);
    }
  });

  test('leaves the answer as it was', async () => {
    const query =
      '{ dataset(id: "umea:badplatser") { records(first: 2) { ...R } } } fragment R on RecordConnection { nodes { id } plan { requests } }';
    const { answer, parts } = await explain(query);
    const { data } = await hub.ask<Loose>(query);
    expect(answer).toEqual(data);
    expect(parts.map(({ path }) => path)).toEqual(['dataset.records']);
  });

  test.each([
    ['{ dataset(id: "a:b") { records { nope } } }', /^query: Cannot query field "nope"/],
    ['{ dataset(', /^query: Syntax Error/],
  ])('%s is refused before anything is asked', (query, message) => {
    expect(() => explainQuery(query)).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID', message: expect.stringMatching(message) as string }) as Error,
    );
  });
});
