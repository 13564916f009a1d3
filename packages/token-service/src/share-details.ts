import { SHARE_DETAIL_TYPE } from '@civex/identity';

/**
 * One entry of `authorization_details` (RFC 9396), as it travels. What is absent does not narrow; what is there narrows
 * together; several entries are alternatives.
 */
export interface GrantedDetail {
  readonly type: typeof SHARE_DETAIL_TYPE;
  /** Id of an agreement. */
  readonly identifier?: string;
  readonly actions?: readonly string[];
  /** Dataset ids. */
  readonly locations?: readonly string[];
  readonly purpose?: string;
}

/** Of one request or token. */
const MAX_DETAILS = 16;
/** Of one list. */
const MAX_LIST = 64;
/** As JSON, UTF-8: a token with it stays below the 8 KiB a hub reads. */
const MAX_BYTES = 3072;
const MEMBERS = new Set(['type', 'identifier', 'actions', 'locations', 'purpose']);
const TEXT = /^[^\p{C}]{1,255}$/u;

const isText = (value: unknown): value is string => typeof value === 'string' && TEXT.test(value);

/** Sorted and each once, so that what is equal looks equal. */
function readList(value: unknown): readonly string[] | null {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_LIST || !value.every(isText)) return null;
  return [...new Set<string>(value)].toSorted();
}

function readDetail(value: unknown): GrantedDetail | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const members = new Map<string, unknown>(Object.entries(value));
  if (members.get('type') !== SHARE_DETAIL_TYPE || ![...members.keys()].every((name) => MEMBERS.has(name))) return null;
  const detail: { -readonly [Name in keyof GrantedDetail]: GrantedDetail[Name] } = { type: SHARE_DETAIL_TYPE };
  for (const name of ['identifier', 'purpose'] as const) {
    if (!members.has(name)) continue;
    const text = members.get(name);
    if (!isText(text)) return null;
    detail[name] = text;
  }
  for (const name of ['actions', 'locations'] as const) {
    if (!members.has(name)) continue;
    const list = readList(members.get(name));
    if (list === null) return null;
    detail[name] = list;
  }
  return detail;
}

/** Null when there is none, too many, or too much in one token. */
function fit(details: readonly GrantedDetail[]): readonly GrantedDetail[] | null {
  const kept = details.filter(
    (one, index) =>
      !details.some((other, at) => at !== index && isWithin(one, other) && (at < index || !isWithin(other, one))),
  );
  const isRight = kept.length > 0 && kept.length <= MAX_DETAILS && Buffer.byteLength(JSON.stringify(kept)) <= MAX_BYTES;
  return isRight ? kept : null;
}

/** Null when the value is not a list of details we understand wholly, or is beyond our bounds. */
export function readShareDetails(value: unknown): readonly GrantedDetail[] | null {
  if (!Array.isArray(value) || value.length > MAX_DETAILS) return null;
  const details: GrantedDetail[] = [];
  for (const entry of value) {
    const detail = readDetail(entry);
    if (detail === null) return null;
    details.push(detail);
  }
  return fit(details);
}

/** Whether all that the first allows, the second allows. */
function isWithin(one: GrantedDetail, other: GrantedDetail): boolean {
  const isTextWithin = (name: 'identifier' | 'purpose') => other[name] === undefined || one[name] === other[name];
  const isListWithin = (name: 'actions' | 'locations') => {
    const [mine, theirs] = [one[name], other[name]];
    return theirs === undefined || (mine !== undefined && mine.every((text) => theirs.includes(text)));
  };
  return isTextWithin('identifier') && isTextWithin('purpose') && isListWithin('actions') && isListWithin('locations');
}

/** Null when nothing is allowed by both. */
function intersectTwo(one: GrantedDetail, other: GrantedDetail): GrantedDetail | null {
  const both: { -readonly [Name in keyof GrantedDetail]: GrantedDetail[Name] } = { type: SHARE_DETAIL_TYPE };
  for (const name of ['identifier', 'purpose'] as const) {
    const [mine, theirs] = [one[name], other[name]];
    if (mine !== undefined && theirs !== undefined && mine !== theirs) return null;
    const text = mine ?? theirs;
    if (text !== undefined) both[name] = text;
  }
  for (const name of ['actions', 'locations'] as const) {
    const [mine, theirs] = [one[name], other[name]];
    const list =
      mine === undefined ? theirs : theirs === undefined ? mine : mine.filter((text) => theirs.includes(text));
    if (list?.length === 0) return null;
    if (list !== undefined) both[name] = list;
  }
  return both;
}

/**
 * What both allow. Undefined on a side: it does not narrow. Null: there is nothing both allow, or it is too much for one
 * token.
 */
export function intersectShareDetails(
  one: readonly GrantedDetail[] | undefined,
  other: readonly GrantedDetail[] | undefined,
): readonly GrantedDetail[] | undefined | null {
  if (one === undefined) return other;
  if (other === undefined) return one;
  return fit(one.flatMap((mine) => other.flatMap((theirs) => intersectTwo(mine, theirs) ?? [])));
}
