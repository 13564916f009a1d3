import { refuse } from './refusal.ts';
import { isJsonArray, isJsonObject, isTexts, type JsonObject, type JsonValue } from './strict-json.ts';
import type { ShareDetail } from './subject.ts';

/** The type of `authorization_details` (RFC 9396) hubs understand. */
export const SHARE_DETAIL_TYPE = 'urn:civex:data-share';

const MEMBERS = ['type', 'identifier', 'actions', 'locations', 'purpose'];
const MAX_DETAILS = 64;
const MAX_LIST = 256;
const TEXT = /^[^\p{C}]{1,255}$/u;

/**
 * What the claim narrows the token to. Null without the claim, and when it holds entries of other types only: those
 * concern others. An empty array narrows to nothing. A member we do not know in an entry of our type could narrow in a
 * way we would miss: the token is refused.
 *
 * @throws HubError AUTH_REQUIRED
 */
export function readShareDetails(claim: JsonValue | undefined): readonly ShareDetail[] | null {
  if (claim === undefined) return null;
  if (!isJsonArray(claim) || claim.length > MAX_DETAILS) throw refuse('CLAIMS');
  if (claim.length === 0) return [];
  const details: ShareDetail[] = [];
  for (const entry of claim) {
    if (!isJsonObject(entry) || typeof entry['type'] !== 'string') throw refuse('CLAIMS');
    if (entry['type'] === SHARE_DETAIL_TYPE) details.push(readShareDetail(entry));
  }
  return details.length === 0 ? null : details;
}

function readShareDetail(entry: JsonObject): ShareDetail {
  if (!Object.keys(entry).every((name) => MEMBERS.includes(name))) throw refuse('CLAIMS');
  return {
    agreement: readText(entry['identifier']),
    actions: readTexts(entry['actions']),
    datasets: readTexts(entry['locations']),
    purpose: readText(entry['purpose']),
  };
}

function readText(value: JsonValue | undefined): string | null {
  if (value === undefined) return null;
  if (typeof value !== 'string' || !TEXT.test(value)) throw refuse('CLAIMS');
  return value;
}

function readTexts(value: JsonValue | undefined): readonly string[] | null {
  if (value === undefined) return null;
  if (!isTexts(value) || value.length > MAX_LIST || !value.every((text) => TEXT.test(text))) throw refuse('CLAIMS');
  return value;
}
