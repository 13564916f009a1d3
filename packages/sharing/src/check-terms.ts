import { HubError } from '@civex/errors';
import { decodeDatasetId } from '@civex/model';
import { readInstant } from '@civex/query';
import type { Action, AgreementTerms, Grant, Limits, Mask, MaskMethod } from './agreement.ts';
import { ACTIONS, MASK_METHODS } from './agreement.ts';
import { toCanonicalJson } from './canonical-json.ts';
import { copyRows, NAME_LENGTH } from './check-rows.ts';
import type { Faults, Members } from './faults.ts';
import { createFaults, isName, isObject } from './faults.ts';

/** Bounds on what one version of an agreement may hold. Counts and characters, but for the years. */
export const TERMS_LIMITS = {
  grants: 50,
  /** Of one grant. */
  properties: 200,
  /** Of one grant. */
  masks: 200,
  purposes: 20,
  purposeLength: 100,
  delegates: 20,
  organisationLength: 100,
  datasetLength: 500,
  /** Of the calendar, from the beginning to the end. */
  years: 10,
  /** Of the terms, as canonical JSON. */
  length: 200_000,
} as const;

/**
 * `AgreementInput` of the GraphQL contract and `delegates`, as it arrives: nothing is trusted yet. A member `id` may be
 * there; it names the agreement and is no part of its terms.
 */
export type AgreementInput = Readonly<Record<string, unknown>>;

const ORGANISATION = /^[A-Za-z0-9._:-]+$/;
const PURPOSE = /^[A-Za-z0-9:._/-]+$/;

function refuseOthers(given: Members, known: readonly string[], where: string, faults: Faults): void {
  if (Object.keys(given).some((key) => given[key] !== undefined && !known.includes(key)))
    faults.add(where, `has a member that is not understood; known are ${known.join(', ')}.`);
}

/** The list, or an empty one and a fault. */
function listOf(value: unknown, least: number, most: number, where: string, faults: Faults): readonly unknown[] {
  if (Array.isArray(value) && value.length >= least && value.length <= most) return Array.from(value);
  faults.add(where, `takes a list of ${least} to ${most} entries.`);
  return [];
}

const sorted = (texts: readonly string[]): readonly string[] => [...new Set(texts)].toSorted(compareTexts);
const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function textsOf(
  values: readonly unknown[],
  isRight: (value: unknown) => value is string,
  where: string,
  what: string,
  faults: Faults,
): readonly string[] {
  const right: string[] = [];
  for (const [index, value] of values.entries())
    if (isRight(value)) right.push(value);
    else faults.add(`${where}[${index}]`, what);
  return sorted(right);
}

const isOrganisation = (value: unknown): value is string =>
  isName(value, TERMS_LIMITS.organisationLength) && ORGANISATION.test(value);
const AN_ORGANISATION = `takes the id of an organisation: 1 to ${TERMS_LIMITS.organisationLength} of A-Z, a-z, 0-9, '.', '_', ':', '-'.`;

const isPurpose = (value: unknown): value is string => isName(value, TERMS_LIMITS.purposeLength) && PURPOSE.test(value);
const isAction = (value: unknown): value is Action => ACTIONS.some((action) => action === value);
const isMethod = (value: unknown): value is MaskMethod => MASK_METHODS.some((method) => method === value);
const isColumn = (value: unknown): value is string => isName(value, NAME_LENGTH);
const A_COLUMN = `takes the name of a column, 1 to ${NAME_LENGTH} characters.`;

/** `Date.parse` rolls 30 February over; the calendar does not. */
function isRealDay(text: string): boolean {
  const day = text.slice(0, 10);
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}

/** Milliseconds since the epoch; NaN and a fault for anything but an instant of the years 1970 to 9998. */
function instantOf(value: unknown, where: string, faults: Faults): number {
  const instant = typeof value === 'string' && value.length <= 40 ? readInstant(value) : null;
  if (typeof value === 'string' && instant !== null && isRealDay(value)) {
    const { ms, beyond } = instant;
    if (beyond === 0 && ms >= 0 && ms < Date.UTC(9999, 0, 1)) return ms;
  }
  faults.add(
    where,
    'takes an RFC 3339 instant with a zone, such as "2026-03-01T00:00:00Z", from 1970 on, to the millisecond.',
  );
  return NaN;
}

/** In UTC, without a fraction that says nothing. */
const toInstantText = (epochMs: number): string => new Date(epochMs).toISOString().replace('.000Z', 'Z');

const isBetween = (value: unknown, least: number, most: number): value is number =>
  typeof value === 'number' && value >= least && value <= most;

/** What is wrong with the parameter of a method; null when nothing is. */
function faultOfParameter(method: MaskMethod, parameter: unknown): string | null {
  switch (method) {
    case 'GRID':
      return isBetween(parameter, 1, 1_000_000) ? null : 'takes metres from 1 to 1,000,000.';
    case 'PREFIX':
      return isBetween(parameter, 1, 1_000) && Number.isInteger(parameter)
        ? null
        : 'takes a whole number of characters from 1 to 1,000.';
    case 'ROUND':
      return Number.isFinite(parameter) && isBetween(parameter, Number.MIN_VALUE, Number.MAX_VALUE)
        ? null
        : 'takes a step, a number above 0.';
    case 'HIDE':
    case 'NULL':
    case 'HASH':
    case 'YEAR':
    case 'MONTH':
      return parameter === null ? null : `takes no parameter with ${method}.`;
  }
}

function maskOf(given: unknown, where: string, faults: Faults): Mask | null {
  if (!isObject(given)) {
    faults.add(where, 'takes property, method and parameter.');
    return null;
  }
  refuseOthers(given, ['property', 'method', 'parameter'], where, faults);
  const { property, method } = given;
  const parameter = given['parameter'] ?? null;
  if (!isColumn(property)) faults.add(`${where}.property`, A_COLUMN);
  if (!isMethod(method)) faults.add(`${where}.method`, `takes one of ${MASK_METHODS.join(', ')}.`);
  if (!isColumn(property) || !isMethod(method)) return null;
  const fault = faultOfParameter(method, parameter);
  if (fault !== null) faults.add(`${where}.parameter`, fault);
  return { property, method, parameter: typeof parameter === 'number' ? parameter : null };
}

function masksOf(given: unknown, properties: readonly string[] | null, where: string, faults: Faults): readonly Mask[] {
  if (given === null || given === undefined) return [];
  const masks = new Map<string, Mask>();
  for (const [index, entry] of listOf(given, 0, TERMS_LIMITS.masks, where, faults).entries()) {
    const at = `${where}[${index}]`;
    const mask = maskOf(entry, at, faults);
    if (mask === null) continue;
    if (masks.has(mask.property)) faults.add(at, 'masks a column that another entry masks already; one is enough.');
    masks.set(mask.property, mask);
    if (properties === null) continue;
    const isListed = properties.includes(mask.property);
    if (mask.method === 'HIDE' && isListed)
      faults.add(at, 'hides a column that properties lists; take it out of one of them.');
    if (mask.method !== 'HIDE' && !isListed)
      faults.add(at, 'masks a column that properties does not list; add it there or leave the mask out.');
  }
  return [...masks.values()].toSorted((a, b) => compareTexts(a.property, b.property));
}

const LIMITS = ['requestsPerDay', 'recordsPerDay', 'recordsPerRequest'] as const;

function limitsOf(given: unknown, where: string, faults: Faults): Limits | null {
  if (given === null || given === undefined) return null;
  if (!isObject(given)) {
    faults.add(where, `takes ${LIMITS.join(', ')}.`);
    return null;
  }
  refuseOthers(given, LIMITS, where, faults);
  const read = (name: (typeof LIMITS)[number]): number | null => {
    const value = given[name] ?? null;
    if (value === null || (Number.isSafeInteger(value) && isBetween(value, 1, Number.MAX_SAFE_INTEGER))) return value;
    faults.add(`${where}.${name}`, 'takes a whole number from 1 on, or null for no bound.');
    return null;
  };
  const [requestsPerDay, recordsPerDay, recordsPerRequest] = [read(LIMITS[0]), read(LIMITS[1]), read(LIMITS[2])];
  return requestsPerDay === null && recordsPerDay === null && recordsPerRequest === null
    ? null
    : { requestsPerDay, recordsPerDay, recordsPerRequest };
}

const GRANT_MEMBERS = ['dataset', 'actions', 'properties', 'masks', 'rows', 'disclosure', 'limits'];

function grantOf(given: unknown, where: string, faults: Faults): Grant | null {
  if (!isObject(given)) {
    faults.add(where, 'takes a grant: dataset and actions at least.');
    return null;
  }
  refuseOthers(given, GRANT_MEMBERS, where, faults);
  const dataset = given['dataset'];
  const isDataset = isName(dataset, TERMS_LIMITS.datasetLength) && decodeDatasetId(dataset) !== null;
  if (!isDataset)
    faults.add(
      `${where}.dataset`,
      `takes the id of a dataset, such as "leicester:energy": at most ${TERMS_LIMITS.datasetLength} characters.`,
    );
  const asked = textsOf(
    listOf(given['actions'], 1, ACTIONS.length * 2, `${where}.actions`, faults),
    isAction,
    `${where}.actions`,
    `takes ${ACTIONS.join(', ')}.`,
    faults,
  );
  const columns = given['properties'] ?? null;
  const properties =
    columns === null
      ? null
      : textsOf(
          listOf(columns, 0, TERMS_LIMITS.properties, `${where}.properties`, faults),
          isColumn,
          `${where}.properties`,
          A_COLUMN,
          faults,
        );
  const rows = given['rows'] ?? null;
  return {
    dataset: isDataset ? dataset : '',
    // What one may ask about, one may know of.
    actions: ACTIONS.filter((action) => action === 'DISCOVER' || asked.includes(action)),
    properties,
    masks: masksOf(given['masks'], properties, `${where}.masks`, faults),
    rows: rows === null ? null : copyRows(rows, `${where}.rows`, faults),
    disclosure: null,
    limits: limitsOf(given['limits'], `${where}.limits`, faults),
  };
}

function grantsOf(given: unknown, where: string, faults: Faults): readonly Grant[] {
  const seen = new Set<string>();
  const grants: Grant[] = [];
  for (const [index, entry] of listOf(given, 1, TERMS_LIMITS.grants, where, faults).entries()) {
    const grant = grantOf(entry, `${where}[${index}]`, faults);
    if (grant === null) continue;
    if (seen.has(grant.dataset) && grant.dataset !== '')
      faults.add(`${where}[${index}].dataset`, 'has a grant already; put both into one.');
    seen.add(grant.dataset);
    grants.push(grant);
  }
  return grants.toSorted((a, b) => compareTexts(a.dataset, b.dataset));
}

/** Where disclosure control is asked for. */
function disclosuresOf(grants: unknown): readonly string[] {
  if (!Array.isArray(grants)) return [];
  return Array.from(grants, (grant: unknown, index) =>
    isObject(grant) && (grant['disclosure'] ?? null) !== null ? `grants[${index}].disclosure` : null,
  ).filter((where) => where !== null);
}

const MEMBERS = ['id', 'provider', 'consumer', 'delegates', 'purposes', 'validFrom', 'validUntil', 'grants'];

function checkValidity(fromMs: number, untilMs: number, faults: Faults): void {
  if (Number.isNaN(fromMs) || Number.isNaN(untilMs)) return;
  if (untilMs <= fromMs) faults.add('validUntil', 'must be after validFrom.');
  const latest = new Date(fromMs);
  latest.setUTCFullYear(latest.getUTCFullYear() + TERMS_LIMITS.years);
  if (untilMs > latest.getTime()) faults.add('validUntil', `at most ${TERMS_LIMITS.years} years after validFrom.`);
}

/**
 * The terms an input asks for, in their one form: lists that are sets are sorted and without repeats, actions in the order
 * of ACTIONS with DISCOVER among them, instants in UTC, limits that bound nothing null. Terms put in come out as they are.
 *
 * Whether the datasets exist, whether their columns fit masks and row rules, and who may propose is not looked at.
 *
 * @throws HubError `INPUT_INVALID` with every fault, each with its path and the way out (20 at most, the rest counted);
 * `CAPABILITY_MISSING` when disclosure control is asked for, which nobody would enforce.
 */
export function parseTerms(input: AgreementInput): AgreementTerms {
  const faults = createFaults();
  // Whoever reads a file may hand over anything.
  const given: unknown = input;
  if (!isObject(given)) throw new HubError('INPUT_INVALID', 'input: takes the terms of an agreement.');
  refuseOthers(given, MEMBERS, 'input', faults);
  const { provider, consumer } = given;
  if (!isOrganisation(provider)) faults.add('provider', AN_ORGANISATION);
  if (!isOrganisation(consumer)) faults.add('consumer', AN_ORGANISATION);
  if (isOrganisation(consumer) && consumer === provider)
    faults.add('consumer', 'must be another organisation than the provider.');
  const delegates = textsOf(
    listOf(given['delegates'] ?? [], 0, TERMS_LIMITS.delegates, 'delegates', faults),
    isOrganisation,
    'delegates',
    AN_ORGANISATION,
    faults,
  );
  if (delegates.some((delegate) => delegate === consumer))
    faults.add('delegates', 'names the consumer, which acts for itself; leave it out.');
  const purposes = textsOf(
    listOf(given['purposes'], 1, TERMS_LIMITS.purposes, 'purposes', faults),
    isPurpose,
    'purposes',
    `takes 1 to ${TERMS_LIMITS.purposeLength} of A-Z, a-z, 0-9, ':', '.', '_', '/', '-'.`,
    faults,
  );
  const fromMs = instantOf(given['validFrom'], 'validFrom', faults);
  const untilMs = instantOf(given['validUntil'], 'validUntil', faults);
  checkValidity(fromMs, untilMs, faults);
  const grants = grantsOf(given['grants'], 'grants', faults);
  faults.refuse();

  const [disclosure] = disclosuresOf(given['grants']);
  if (disclosure !== undefined)
    throw new HubError(
      'CAPABILITY_MISSING',
      `${disclosure}: this hub cannot bound what aggregates disclose and does not accept an agreement that asks for it. Leave disclosure out, or the action AGGREGATE.`,
    );
  const terms: AgreementTerms = {
    provider: isOrganisation(provider) ? provider : '',
    consumer: isOrganisation(consumer) ? consumer : '',
    delegates,
    purposes,
    validFrom: toInstantText(fromMs),
    validUntil: toInstantText(untilMs),
    grants,
  };
  if (toCanonicalJson(terms).length > TERMS_LIMITS.length)
    throw new HubError(
      'INPUT_INVALID',
      `input: the terms are longer than ${TERMS_LIMITS.length} characters of JSON; share the grants out among several agreements.`,
    );
  return terms;
}
