import type { FilterInput } from '@civex/query';
import { toDecimalKey } from '@civex/query';
import type { AgreementTerms, Grant, Limits, Mask } from './agreement.ts';
import { toCanonicalJson } from './canonical-json.ts';
import { isObject } from './faults.ts';
import { gridResolution } from './mask-value.ts';

export type TermsChange = 'same' | 'narrower' | 'wider';

const isSame = (a: unknown, b: unknown): boolean => toCanonicalJson(a) === toCanonicalJson(b);
const isSubset = <Item>(part: readonly Item[], whole: readonly Item[]): boolean =>
  part.every((item) => whole.includes(item));

/** Whether a step is a whole multiple of another, by what the two numbers' decimal texts say: 0.3 is three times 0.1. */
function isMultiple(step: number, of: number): boolean {
  const [texts, scale] = [[step, of].map((value) => toDecimalKey(value) ?? ''), { digits: 0 }];
  for (const text of texts) scale.digits = Math.max(scale.digits, text.split('.')[1]?.length ?? 0);
  const [dividend = 0n, divisor = 0n] = texts.map((text) => {
    const [whole = '', fraction = ''] = text.split('.');
    return /^\d+$/.test(whole) ? BigInt(whole + fraction.padEnd(scale.digits, '0')) : 0n;
  });
  return divisor > 0n && dividend > 0n && dividend % divisor === 0n;
}

/** The parameter of a method that needs one; 0 where there is none, which never compares as stricter. */
const parameterOf = ({ parameter }: Mask): number => parameter ?? 0;

/**
 * Whether a mask tells at most as much apart as another. Undefined: not masked. Neither is HIDE.
 *
 * GRID: no finer hexagons. ROUND: a whole multiple of the step. Neither nests exactly: a place near a border may lie in
 * another of the wide hexagons than its narrow hexagon does.
 */
function isAsStrict(next: Mask | undefined, old: Mask | undefined): boolean {
  if (old === undefined || next?.method === 'NULL') return true;
  if (next === undefined) return false;
  switch (old.method) {
    case 'HIDE':
    case 'NULL':
      return false;
    case 'HASH':
    case 'YEAR':
      return next.method === old.method;
    case 'MONTH':
      return next.method === 'MONTH' || next.method === 'YEAR';
    case 'GRID':
      return next.method === 'GRID' && gridResolution(parameterOf(next)) <= gridResolution(parameterOf(old));
    case 'PREFIX':
      return next.method === 'PREFIX' && parameterOf(next) <= parameterOf(old);
    case 'ROUND':
      return next.method === 'ROUND' && isMultiple(parameterOf(next), parameterOf(old));
  }
}

const masksOf = ({ masks }: Grant): ReadonlyMap<string, Mask> => new Map(masks.map((mask) => [mask.property, mask]));
const isHidden = (mask: Mask | undefined): boolean => mask?.method === 'HIDE';

function showsNoMore(next: Grant, old: Grant): boolean {
  const [nextMasks, oldMasks] = [masksOf(next), masksOf(old)];
  if (next.properties === null) {
    // Every column there is, also those nobody has named.
    if (old.properties !== null) return false;
    return old.masks.every((mask) => {
      const masked = nextMasks.get(mask.property);
      return isHidden(masked) || (!isHidden(mask) && isAsStrict(masked, mask));
    });
  }
  return next.properties.every((property) => {
    const [masked, mask] = [nextMasks.get(property), oldMasks.get(property)];
    if (isHidden(masked)) return true;
    const isShown = (old.properties === null || old.properties.includes(property)) && !isHidden(mask);
    return isShown && isAsStrict(masked, mask);
  });
}

/** What must all hold, with nested `and`s taken apart. */
function conjunctsOf(filter: FilterInput | null): readonly string[] {
  if (filter === null) return [];
  const { and } = filter;
  return Array.isArray(and)
    ? and.flatMap((entry: unknown) => (isObject(entry) ? conjunctsOf(entry) : [toCanonicalJson(entry)]))
    : [toCanonicalJson(filter)];
}

const isWithin = (next: number | null, old: number | null): boolean => old === null || (next !== null && next <= old);

function limitsNoMore(next: Limits | null, old: Limits | null): boolean {
  if (old === null) return true;
  return (
    next !== null &&
    isWithin(next.requestsPerDay, old.requestsPerDay) &&
    isWithin(next.recordsPerDay, old.recordsPerDay) &&
    isWithin(next.recordsPerRequest, old.recordsPerRequest)
  );
}

function givesNoMore(next: Grant, old: Grant): boolean {
  return (
    isSubset(next.actions, old.actions) &&
    showsNoMore(next, old) &&
    isSubset(conjunctsOf(old.rows), conjunctsOf(next.rows)) &&
    limitsNoMore(next.limits, old.limits) &&
    isSame(next.disclosure, old.disclosure)
  );
}

/**
 * What becomes of an agreement whose terms `old` are replaced by `next`; both as `parseTerms` makes them.
 *
 * `narrower` only where it can be shown: the same parties; no grant, action, column, purpose, delegate, day or record
 * more; the row rule the same or with conditions added by `and`; every mask at least as coarse. Terms that say the same
 * in other words may come out as `wider`, which costs an approval and gives nothing away.
 */
export function compareTerms(old: AgreementTerms, next: AgreementTerms): TermsChange {
  if (isSame(old, next)) return 'same';
  const grants = new Map(old.grants.map((grant) => [grant.dataset, grant]));
  const isNarrower =
    next.provider === old.provider &&
    next.consumer === old.consumer &&
    isSubset(next.delegates, old.delegates) &&
    isSubset(next.purposes, old.purposes) &&
    Date.parse(next.validFrom) >= Date.parse(old.validFrom) &&
    Date.parse(next.validUntil) <= Date.parse(old.validUntil) &&
    next.grants.every((grant) => {
      const before = grants.get(grant.dataset);
      return before !== undefined && givesNoMore(grant, before);
    });
  return isNarrower ? 'narrower' : 'wider';
}
