import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { isHubError } from '@civex/errors';
import { createVersion } from './agreement-version.ts';
import { parseTerms } from './check-terms.ts';
import { toOdrl } from './odrl-export.ts';
import { fromOdrl } from './odrl-import.ts';
import { SPECIMEN, terms } from './test-support/terms.ts';

const TERMS = parseTerms(SPECIMEN);
const ID = 'dsa:leicester:2026/014';

// oxlint-disable-next-line typescript/no-explicit-any -- a document to be broken in every way
type Node = Record<string, any>;
/** Without its hash, which any change of the terms would break. */
const specimen = (): Node => {
  const { 'civex:hash': _, ...document } = structuredClone(toOdrl(ID, createVersion(ID, 3, TERMS))) as Node;
  return document;
};
const changed = (change: (document: Node) => unknown): unknown => {
  const document = specimen();
  change(document);
  return document;
};

function refusal(document: unknown): { readonly code: string; readonly message: string } | null {
  try {
    fromOdrl(document);
  } catch (error) {
    if (isHubError(error)) return error;
    throw error;
  }
  return null;
}

describe('an agreement as ODRL', () => {
  test('is an Agreement of ODRL 2.2 in our profile', () => {
    const version = createVersion(ID, 3, TERMS);
    expect(toOdrl(ID, version)).toEqual({
      '@context': ['http://www.w3.org/ns/odrl.jsonld', { civex: 'urn:civex:odrl:' }],
      '@type': 'Agreement',
      uid: 'urn:civex:agreement:dsa%3Aleicester%3A2026%2F014:3',
      profile: 'urn:civex:odrl:',
      conflict: 'prohibit',
      assigner: 'urn:civex:organisation:leicester',
      assignee: 'urn:civex:organisation:region',
      'civex:delegate': ['urn:civex:organisation:contractor', 'urn:civex:organisation:university'],
      'civex:hash': version.hash,
      permission: [
        {
          target: { '@type': 'AssetCollection', source: 'urn:civex:dataset:cdmx%3Avictimas' },
          action: ['civex:discover', 'aggregate'],
          constraint: [
            {
              leftOperand: 'purpose',
              operator: 'isAnyOf',
              rightOperand: { '@list': ['hub:audit', 'hub:planning'] },
            },
            {
              leftOperand: 'dateTime',
              operator: 'gteq',
              rightOperand: { '@type': 'xsd:dateTime', '@value': '2026-09-01T00:00:00Z' },
            },
            {
              leftOperand: 'dateTime',
              operator: 'lt',
              rightOperand: { '@type': 'xsd:dateTime', '@value': '2027-09-01T00:00:00Z' },
            },
          ],
        },
        {
          target: {
            '@type': 'AssetCollection',
            source: 'urn:civex:dataset:leicester%3Aenergy',
            refinement: [
              {
                leftOperand: 'civex:property',
                operator: 'isAnyOf',
                rightOperand: { '@list': ['kwh', 'location', 'site', 'ward'] },
              },
              {
                leftOperand: 'civex:rows',
                operator: 'eq',
                rightOperand: { '@type': '@json', '@value': SPECIMEN.grants[0]!.rows },
              },
            ],
          },
          action: ['civex:discover', 'read', 'reproduce'],
          constraint: [
            expect.objectContaining({ leftOperand: 'purpose' }),
            expect.objectContaining({ operator: 'gteq' }),
            expect.objectContaining({ operator: 'lt' }),
            { leftOperand: 'civex:requestsPerDay', operator: 'lteq', rightOperand: 5_000 },
            { leftOperand: 'civex:recordsPerRequest', operator: 'lteq', rightOperand: 1_000 },
          ],
          duty: [
            ['location', 'GRID', 500],
            ['meter', 'HIDE', null],
            ['site', 'PREFIX', 3],
          ].map(([property, method, parameter]) => ({
            action: [
              {
                'rdf:value': { '@id': 'odrl:anonymize' },
                refinement: [
                  { leftOperand: 'civex:property', operator: 'eq', rightOperand: property },
                  { leftOperand: 'civex:maskMethod', operator: 'eq', rightOperand: method },
                  ...(parameter === null
                    ? []
                    : [{ leftOperand: 'civex:maskParameter', operator: 'eq', rightOperand: parameter }]),
                ],
              },
            ],
          })),
        },
      ],
    });
  });

  test('gives back the same terms, by way of JSON text', ({ task }) => {
    const runs = 2_000;
    let mismatches = 0;
    fc.assert(
      fc.property(
        terms,
        fc.constantFrom(ID, 'x', 'é:🚲 %2F'),
        fc.integer({ min: 1, max: 999 }),
        (given, id, number) => {
          mismatches++;
          const text = JSON.stringify(toOdrl(id, createVersion(id, number, given)));
          expect(fromOdrl(JSON.parse(text))).toStrictEqual(given);
          mismatches--;
        },
      ),
      { seed: 22, numRuns: runs },
    );
    task.meta.figures = [
      {
        point: 14,
        what: `terms that ODRL export and import change (of ${runs.toLocaleString('en')})`,
        value: mismatches,
        target: '0',
        isMet: mismatches === 0,
      },
    ];
  });

  test('is not made of terms with disclosure control', () => {
    const [grant] = TERMS.grants;
    const disclosure = { minimumCount: 10, roundTo: null, dimensions: [] };
    const version = createVersion(ID, 1, { ...TERMS, grants: [{ ...grant!, disclosure }] });
    expect(() => toOdrl(ID, version)).toThrow(expect.objectContaining({ code: 'CAPABILITY_MISSING' }));
  });

  test('is read without a hash', () => {
    expect(fromOdrl(specimen())).toEqual(TERMS);
  });

  test.each<[string, (document: Node) => unknown]>([
    ['with prefixes', (document) => (document['permission'][0].action = ['odrl:aggregate', 'civex:discover'])],
    [
      'in full',
      (document) =>
        (document['permission'][0].action = ['http://www.w3.org/ns/odrl/2/aggregate', 'urn:civex:odrl:discover']),
    ],
    ['as identifiers', (document) => (document['permission'][0].action = [{ '@id': 'odrl:aggregate' }])],
    ['one for a list of one', (document) => (document['permission'][0].action = 'aggregate')],
  ])('is read with its words written %s', (_, change) => {
    expect(fromOdrl(changed(change))).toEqual(TERMS);
  });
});

const constraintOf = (document: Node, index: number): Node => document['permission'][0].constraint[index];
const refinementOf = (document: Node, index: number): Node => document['permission'][1].target.refinement[index];
const dutyOf = (document: Node): Node => document['permission'][1].duty[0];
const maskingOf = (document: Node): Node => dutyOf(document)['action'][0];
const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

const REFUSALS: readonly (readonly [string, string, (document: Node) => unknown])[] = [
  ['no context', '@context', (d) => delete d['@context']],
  ['another context', '@context', (d) => (d['@context'][0] = 'https://www.w3.org/ns/odrl.jsonld')],
  ['a context more', '@context', (d) => d['@context'].push('https://example.org/context.jsonld')],
  ['a word of the context redefined', '@context', (d) => (d['@context'][1].read = 'odrl:use')],
  ['another meaning of our prefix', '@context', (d) => (d['@context'][1].civex = 'urn:other:')],
  ['an offer', '@type', (d) => (d['@type'] = 'Offer')],
  ['no type', '@type', (d) => delete d['@type']],
  ['no profile', 'profile', (d) => delete d['profile']],
  ['another profile', 'profile', (d) => (d['profile'] = 'https://example.org/odrl/')],
  ['a profile more', 'profile', (d) => (d['profile'] = [d['profile'], 'https://example.org/odrl/'])],
  ['no conflict strategy', 'conflict', (d) => delete d['conflict']],
  ['a permissive conflict strategy', 'conflict', (d) => (d['conflict'] = 'perm')],
  ['no uid', 'uid', (d) => delete d['uid']],
  ['a uid of another kind', 'uid', (d) => (d['uid'] = 'https://example.org/policy:1')],
  ['a uid without a version', 'uid', (d) => (d['uid'] = 'urn:civex:agreement:x')],
  ['a uid with version 0', 'uid', (d) => (d['uid'] = 'urn:civex:agreement:x:0')],
  ['a uid with an escape of nothing', 'uid', (d) => (d['uid'] = 'urn:civex:agreement:%FF:1')],
  ['a uid in another spelling', 'uid', (d) => (d['uid'] = 'urn:civex:agreement:%78:1')],
  ['prohibitions', 'document', (d) => (d['prohibition'] = [])],
  ['obligations', 'document', (d) => (d['obligation'] = [])],
  ['an inherited policy', 'document', (d) => (d['inheritFrom'] = 'urn:x')],
  ['a prototype', 'document', (d) => Object.defineProperty(d, '__proto__', { value: {}, enumerable: true })],
  ['no assigner', 'assigner', (d) => delete d['assigner']],
  ['an assignee of another kind', 'assignee', (d) => (d['assignee'] = 'https://example.org/region')],
  ['two assignees', 'assignee', (d) => (d['assignee'] = [d['assignee'], d['assignee']])],
  ['a delegate of another kind', 'civex:delegate[1]', (d) => (d['civex:delegate'][1] = 'x')],
  ['no permission', 'permission', (d) => (d['permission'] = [])],
  ['a permission that is none', 'permission[0]', (d) => (d['permission'][0] = 'x')],
  ['an assignee of a permission', 'permission[0]', (d) => (d['permission'][0].assignee = d['assignee'])],
  ['no target', 'permission[0].target', (d) => delete d['permission'][0].target],
  ['a target by name', 'permission[0].target', (d) => (d['permission'][0].target = 'urn:civex:dataset:a%3Ab')],
  ['a target that is a party', 'permission[0].target.@type', (d) => (d['permission'][0].target['@type'] = 'Party')],
  ['a source of another kind', 'permission[0].target.source', (d) => (d['permission'][0].target.source = 'a:b')],
  ['a target with more', 'permission[0].target', (d) => (d['permission'][0].target.hasPolicy = 'x')],
  ['an unknown action', 'permission[0].action[0]', (d) => (d['permission'][0].action = ['distribute'])],
  ['an action for all', 'permission[0].action', (d) => (d['permission'][0].action = 'use')],
  [
    'an action with a refinement',
    'permission[0].action[0]',
    (d) => (d['permission'][0].action = [{ '@id': 'read', refinement: [] }]),
  ],
  ['an action of another vocabulary', 'permission[0].action', (d) => (d['permission'][0].action = 'other:read')],
  [
    'an unknown left operand',
    'permission[0].constraint[0].leftOperand',
    (d) => (constraintOf(d, 0)['leftOperand'] = 'spatial'),
  ],
  ['no left operand', 'permission[0].constraint[0].leftOperand', (d) => delete constraintOf(d, 0)['leftOperand']],
  ['an unknown operator', 'permission[0].constraint[0].operator', (d) => (constraintOf(d, 0)['operator'] = 'isNoneOf')],
  [
    'an operator of another operand',
    'permission[0].constraint[1].operator',
    (d) => (constraintOf(d, 1)['operator'] = 'isAnyOf'),
  ],
  ['an end that is included', 'permission[0].constraint[2].operator', (d) => (constraintOf(d, 2)['operator'] = 'lteq')],
  [
    'a repeated constraint',
    'permission[0].constraint[3]',
    (d) => d['permission'][0].constraint.push(constraintOf(d, 0)),
  ],
  [
    'a logical constraint',
    'permission[0].constraint[0]',
    (d) => (d['permission'][0].constraint[0] = { or: [constraintOf(d, 0)] }),
  ],
  ['a unit', 'permission[0].constraint[1]', (d) => (constraintOf(d, 1)['unit'] = 'xsd:date')],
  ['no right operand', 'permission[0].constraint[1].rightOperand', (d) => delete constraintOf(d, 1)['rightOperand']],
  ['a bare array', 'permission[0].constraint[0].rightOperand', (d) => (constraintOf(d, 0)['rightOperand'] = ['a'])],
  [
    'a date of another type',
    'permission[0].constraint[1].rightOperand',
    (d) => (constraintOf(d, 1)['rightOperand']['@type'] = 'xsd:date'),
  ],
  [
    'a limit that is null',
    'permission[1].constraint[3].rightOperand',
    (d) => (d['permission'][1].constraint[3].rightOperand = null),
  ],
  [
    'another purpose in one permission',
    'permission[1].constraint',
    (d) => (d['permission'][1].constraint[0].rightOperand['@list'] = ['x']),
  ],
  ['no time in one permission', 'permission[1].constraint', (d) => d['permission'][1].constraint.splice(1, 1)],
  ['no purpose', 'purposes', (d) => d['permission'].forEach((p: Node) => p['constraint'].splice(0, 1))],
  [
    'an unknown refinement',
    'permission[1].target.refinement[0].leftOperand',
    (d) => (refinementOf(d, 0)['leftOperand'] = 'civex:columns'),
  ],
  [
    'columns that are not these',
    'permission[1].target.refinement[0].operator',
    (d) => (refinementOf(d, 0)['operator'] = 'isNoneOf'),
  ],
  [
    'rows as text',
    'permission[1].target.refinement[1].rightOperand',
    (d) => (refinementOf(d, 1)['rightOperand'] = 'a = 1'),
  ],
  [
    'rows that are null',
    'permission[1].target.refinement[1].rightOperand',
    (d) => (refinementOf(d, 1)['rightOperand']['@value'] = null),
  ],
  [
    'rows with an unknown operator',
    'grants[1].rows',
    (d) => (refinementOf(d, 1)['rightOperand']['@value'] = { property: 'a', is: 1 }),
  ],
  [
    'an unknown duty',
    'permission[1].duty[0].action[0].rdf:value',
    (d) => (maskingOf(d)['rdf:value'] = { '@id': 'odrl:delete' }),
  ],
  ['a duty with a constraint', 'permission[1].duty[0]', (d) => (dutyOf(d)['constraint'] = [])],
  ['a duty with two actions', 'permission[1].duty[0].action', (d) => dutyOf(d)['action'].push(maskingOf(d))],
  ['a duty with a consequence', 'permission[1].duty[0]', (d) => (dutyOf(d)['consequence'] = [])],
  [
    'an unknown mask refinement',
    'permission[1].duty[0].action[0].refinement[2].leftOperand',
    (d) => (maskingOf(d)['refinement'][2].leftOperand = 'civex:gridMetres'),
  ],
  ['an unknown mask', 'grants[1].masks[0].method', (d) => (maskingOf(d)['refinement'][1].rightOperand = 'BLUR')],
  ['a mask without a parameter', 'grants[1].masks[0].parameter', (d) => maskingOf(d)['refinement'].pop()],
  ['a duty for a word', 'permission[1].duty[0]', (d) => (d['permission'][1].duty[0] = 'anonymize')],
  ['two permissions for a dataset', 'grants[2].dataset', (d) => d['permission'].push(d['permission'][0])],
  ['another hash', 'civex:hash', (d) => (d['civex:hash'] = `sha256:${'0'.repeat(64)}`)],
  ['a hash of null', 'civex:hash', (d) => (d['civex:hash'] = null)],
  ['too many levels', 'document', (d) => (d['uid'] = deep(64))],
  ['too many values', 'document', (d) => (d['uid'] = Array<number>(200_000).fill(1))],
  ['too many characters', 'document', (d) => (d['uid'] = 'x'.repeat(4_000_001))],
];

describe('an ODRL document is refused', () => {
  test.each(REFUSALS)('with %s, at %s', (_, where, change) => {
    const told = refusal(changed(change));
    expect(told?.code).toBe('INPUT_INVALID');
    expect(told?.message.split('\n')[0]?.startsWith(`${where}: `)).toBe(true);
  });

  test('that is no object', () => {
    for (const document of [null, undefined, 'x', 7, [], [specimen()]])
      expect(refusal(document)).toMatchObject({ code: 'INPUT_INVALID' });
  });

  test('with any terms but those its hash was made of', () => {
    const signed = structuredClone(toOdrl(ID, createVersion(ID, 3, TERMS))) as Node;
    expect(fromOdrl(signed)).toEqual(TERMS);
    expect(refusal({ ...signed, uid: String(signed['uid']).replace(/3$/, '4') })?.message).toMatch(/^civex:hash: /);
    expect(refusal({ ...signed, assignee: 'urn:civex:organisation:firm' })?.message).toMatch(/^civex:hash: /);
    const wider = structuredClone(signed);
    wider['permission'][1].constraint.pop();
    expect(refusal(wider)?.message).toMatch(/^civex:hash: /);
  });

  test('in which one member is added anywhere, since nothing is ignored', () => {
    const paths: (readonly (string | number)[])[] = [];
    const walk = (value: unknown, path: readonly (string | number)[]): void => {
      if (typeof value !== 'object' || value === null) return;
      if (!Array.isArray(value)) paths.push(path);
      for (const [name, member] of Object.entries(value)) walk(member, [...path, name]);
    };
    walk(specimen(), []);
    expect(paths.length).toBeGreaterThan(40);
    for (const path of paths) {
      const document = specimen();
      let node: Node = document;
      for (const step of path) node = node[step];
      node['extra'] = 1;
      expect([path.join('.'), refusal(document)?.code]).toEqual([path.join('.'), 'INPUT_INVALID']);
    }
  });

  test('without repeating what stands in it', () => {
    for (const change of [
      (d: Node) => (d['canary-1'] = 1),
      (d: Node) => (d['permission'][0].action = 'canary-1'),
      (d: Node) => (d['uid'] = 'canary-1'),
      (d: Node) => (constraintOf(d, 0)['leftOperand'] = 'canary-1'),
    ])
      expect(refusal(changed(change))?.message).not.toContain('canary');
  });
});
