import { HubError } from '@civex/errors';
import type { AgreementTerms } from './agreement.ts';
import { ACTIONS } from './agreement.ts';
import { createVersion } from './agreement-version.ts';
import { toCanonicalJson } from './canonical-json.ts';
import { parseTerms } from './check-terms.ts';
import type { Members } from './faults.ts';
import { isObject } from './faults.ts';
import { ACTION_WORDS, CONTEXT, LIMIT_WORDS, ODRL_NAMESPACE, PROFILE, readUrn } from './odrl-words.ts';

/** Bounds on a document, looked at before it is read. */
export const ODRL_LIMITS = {
  /** Levels of arrays and objects. */
  depth: 64,
  /** Values of any kind. */
  nodes: 200_000,
  /** Characters of all texts and names together. */
  length: 4_000_000,
} as const;

function refuse(where: string, what: string): never {
  throw new HubError('INPUT_INVALID', `${where}: ${what}`);
}

/** Without recursion, which is what a deep document attacks. */
function assertBounded(document: unknown): void {
  const left: (readonly [value: unknown, depth: number])[] = [[document, 1]];
  let nodes = 0;
  let length = 0;
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [value, depth] = next;
    if (++nodes > ODRL_LIMITS.nodes) refuse('document', `at most ${ODRL_LIMITS.nodes} values.`);
    if (typeof value === 'string') length += value.length;
    else if (typeof value === 'object' && value !== null) {
      if (depth > ODRL_LIMITS.depth) refuse('document', `nested deeper than ${ODRL_LIMITS.depth} levels.`);
      for (const [name, member] of Object.entries(value)) {
        if (!Array.isArray(value)) length += name.length;
        left.push([member, depth + 1]);
      }
    }
    if (length > ODRL_LIMITS.length) refuse('document', `at most ${ODRL_LIMITS.length} characters.`);
  }
}

function membersOf(value: unknown, known: readonly string[], where: string): Members {
  if (!isObject(value)) return refuse(where, `takes an object of ${known.join(', ')}.`);
  if (Object.keys(value).some((name) => !known.includes(name)))
    refuse(where, `has a member that is not understood, and nothing is ignored; known are ${known.join(', ')}.`);
  return value;
}

/** One value may stand for a list of one, as everywhere in JSON-LD. */
function manyOf(value: unknown, where: string): readonly (readonly [value: unknown, where: string])[] {
  if (Array.isArray(value)) return Array.from(value, (entry: unknown, index) => [entry, `${where}[${index}]`] as const);
  return value === undefined ? [] : [[value, where]];
}

/** A word in any of its spellings, as one of `words`; null for any other. */
function wordOf(value: unknown, words: readonly string[]): string | null {
  const given: unknown = isObject(value) && Object.keys(value).length === 1 ? value['@id'] : value;
  if (typeof given !== 'string') return null;
  return (
    words.find((word) => {
      const own = word.startsWith('civex:') ? word.slice('civex:'.length) : null;
      return own === null
        ? given === word || given === `odrl:${word}` || given === ODRL_NAMESPACE + word
        : given === word || given === PROFILE + own;
    }) ?? null
  );
}

const OPERATORS = ['eq', 'gteq', 'lt', 'lteq', 'isAnyOf'];

/** The right operands by left operand and operator. */
function readConstraints(
  value: unknown,
  where: string,
  known: readonly (readonly [leftOperand: string, operator: string])[],
): ReadonlyMap<string, readonly [operand: unknown, where: string]> {
  const read = new Map<string, readonly [unknown, string]>();
  for (const [entry, at] of manyOf(value, where)) {
    const given = membersOf(entry, ['leftOperand', 'operator', 'rightOperand'], at);
    const words = [...new Set(known.map(([left]) => left))];
    const left = wordOf(given['leftOperand'], words);
    if (left === null) return refuse(`${at}.leftOperand`, `is not understood; known here are ${words.join(', ')}.`);
    const operators = known.filter(([word]) => word === left).map(([, operator]) => operator);
    const operator = wordOf(given['operator'], OPERATORS);
    if (operator === null || !operators.includes(operator))
      return refuse(`${at}.operator`, `is not understood; known with ${left} are ${operators.join(', ')}.`);
    const key = `${left} ${operator}`;
    if (read.has(key)) return refuse(at, `repeats ${key}; one is enough.`);
    read.set(key, [given['rightOperand'], `${at}.rightOperand`]);
  }
  return read;
}

type Operand = readonly [operand: unknown, where: string] | undefined;

function listOf(operand: Operand): readonly unknown[] | null {
  if (operand === undefined) return null;
  const [value, where] = operand;
  const list = membersOf(value, ['@list'], where)['@list'];
  return Array.isArray(list) ? Array.from(list) : refuse(where, 'takes a list: {"@list": [...]}.');
}

function typedOf(operand: Operand, type: string): unknown {
  if (operand === undefined) return null;
  const [value, where] = operand;
  const given = membersOf(value, ['@type', '@value'], where);
  if (given['@type'] !== type || given['@value'] === undefined || given['@value'] === null)
    return refuse(where, `takes a value: {"@type": "${type}", "@value": ...}.`);
  return given['@value'];
}

/** Null only where there is no such constraint: one that says nothing bounds nothing, and none may. */
function plainOf(operand: Operand): string | number | null {
  if (operand === undefined) return null;
  const [value, where] = operand;
  return typeof value === 'string' || typeof value === 'number' ? value : refuse(where, 'takes a text or a number.');
}

function readTarget(value: unknown, where: string): Members {
  const given = membersOf(value, ['@type', 'source', 'refinement'], where);
  if (wordOf(given['@type'], ['AssetCollection']) === null) refuse(`${where}.@type`, 'takes AssetCollection.');
  const [dataset] = readUrn(given['source'], 'dataset', 1) ?? refuse(`${where}.source`, 'takes urn:civex:dataset:...');
  const refinements = readConstraints(given['refinement'], `${where}.refinement`, [
    ['civex:property', 'isAnyOf'],
    ['civex:rows', 'eq'],
  ]);
  return {
    dataset,
    properties: listOf(refinements.get('civex:property isAnyOf')),
    rows: typedOf(refinements.get('civex:rows eq'), '@json'),
  };
}

const ACTIONS_BY_WORD = new Map(ACTIONS.map((action) => [ACTION_WORDS[action], action]));

function readAction(value: unknown, where: string): string {
  const word = wordOf(value, [...ACTIONS_BY_WORD.keys()]);
  const action = word === null ? undefined : ACTIONS_BY_WORD.get(word);
  return action ?? refuse(where, `is not understood; known are ${[...ACTIONS_BY_WORD.keys()].join(', ')}.`);
}

function readDuty(value: unknown, where: string): Members {
  const duty = membersOf(value, ['action'], where);
  const [action, ...others] = manyOf(duty['action'], `${where}.action`);
  if (action === undefined || others.length > 0) return refuse(`${where}.action`, 'takes one action.');
  const [entry, at] = action;
  const given = membersOf(entry, ['rdf:value', 'refinement'], at);
  if (wordOf(given['rdf:value'], ['anonymize']) === null)
    refuse(`${at}.rdf:value`, 'is not understood; the only duty known is anonymize.');
  const refinements = readConstraints(given['refinement'], `${at}.refinement`, [
    ['civex:property', 'eq'],
    ['civex:maskMethod', 'eq'],
    ['civex:maskParameter', 'eq'],
  ]);
  return {
    property: plainOf(refinements.get('civex:property eq')),
    method: plainOf(refinements.get('civex:maskMethod eq')),
    parameter: plainOf(refinements.get('civex:maskParameter eq')),
  };
}

const CONSTRAINTS: readonly (readonly [string, string])[] = [
  ['purpose', 'isAnyOf'],
  ['dateTime', 'gteq'],
  ['dateTime', 'lt'],
  ...Object.values(LIMIT_WORDS).map((word) => [word, 'lteq'] as const),
];

interface Permission {
  readonly grant: Members;
  /** What an agreement has once and ODRL writes with every permission. */
  readonly common: Members;
}

function readPermission(value: unknown, where: string): Permission {
  const given = membersOf(value, ['target', 'action', 'constraint', 'duty'], where);
  const constraints = readConstraints(given['constraint'], `${where}.constraint`, CONSTRAINTS);
  const limits = Object.fromEntries(
    Object.entries(LIMIT_WORDS).map(([name, word]) => [name, plainOf(constraints.get(`${word} lteq`))]),
  );
  return {
    grant: {
      ...readTarget(given['target'], `${where}.target`),
      actions: manyOf(given['action'], `${where}.action`).map(([action, at]) => readAction(action, at)),
      masks: manyOf(given['duty'], `${where}.duty`).map(([duty, at]) => readDuty(duty, at)),
      limits,
    },
    common: {
      purposes: listOf(constraints.get('purpose isAnyOf')),
      validFrom: typedOf(constraints.get('dateTime gteq'), 'xsd:dateTime'),
      validUntil: typedOf(constraints.get('dateTime lt'), 'xsd:dateTime'),
    },
  };
}

const MEMBERS = [
  '@context',
  '@type',
  'uid',
  'profile',
  'conflict',
  'assigner',
  'assignee',
  'civex:delegate',
  'civex:hash',
  'permission',
];

function readOrganisation(value: unknown, where: string): string {
  const [organisation] = readUrn(value, 'organisation', 1) ?? [];
  return organisation ?? refuse(where, 'takes urn:civex:organisation:...');
}

/**
 * The terms an ODRL 2.2 agreement of our profile states, in the form `toOdrl` writes. Nothing is fetched: the contexts
 * are compared as texts. Nothing is ignored: a member, left operand, operator, action, duty, profile or conflict strategy
 * that is not understood is refused, since leaving out what bounds an agreement would widen it. When the document states
 * a hash, the terms must be those it was made of.
 *
 * @throws HubError `INPUT_INVALID` with the path of the first thing that is not understood, or the faults of the terms as
 * `parseTerms` tells them (a permission is a grant there).
 */
export function fromOdrl(document: unknown): AgreementTerms {
  assertBounded(document);
  const given = membersOf(document, MEMBERS, 'document');
  if (toJson(given['@context']) !== toCanonicalJson(CONTEXT))
    refuse('@context', `takes exactly ${JSON.stringify(CONTEXT)}.`);
  if (wordOf(given['@type'], ['Agreement']) === null) refuse('@type', 'takes Agreement.');
  if (given['profile'] !== PROFILE) refuse('profile', `takes ${PROFILE}.`);
  if (wordOf(given['conflict'], ['prohibit']) === null) refuse('conflict', 'takes prohibit.');
  const [id, number] = readUrn(given['uid'], 'agreement', 2) ?? [];
  if (id === undefined || id === '' || number === undefined || !/^[1-9]\d{0,8}$/.test(number))
    return refuse('uid', 'takes urn:civex:agreement:ID:VERSION.');

  const permissions = manyOf(given['permission'], 'permission').map(
    ([permission, where]) => [readPermission(permission, where), where] as const,
  );
  const [first] = permissions;
  if (first === undefined) return refuse('permission', 'takes one permission at least.');
  const [{ common }] = first;
  for (const [permission, where] of permissions)
    if (toJson(permission.common) !== toJson(common))
      refuse(`${where}.constraint`, 'states another purpose or time than the first permission; an agreement has one.');

  const terms = parseTerms({
    ...common,
    provider: readOrganisation(given['assigner'], 'assigner'),
    consumer: readOrganisation(given['assignee'], 'assignee'),
    delegates: manyOf(given['civex:delegate'], 'civex:delegate').map(([delegate, at]) =>
      readOrganisation(delegate, at),
    ),
    grants: permissions.map(([{ grant }]) => grant),
  });
  const hash = given['civex:hash'];
  if (hash !== undefined && hash !== createVersion(id, Number(number), terms).hash)
    refuse('civex:hash', 'is not the hash of these terms; leave it out to import them as terms of their own.');
  return terms;
}

/** For comparison only: what canonical JSON cannot say is equal to nothing of ours. */
function toJson(value: unknown): string | null {
  try {
    return toCanonicalJson(value);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
