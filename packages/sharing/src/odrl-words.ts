import type { Action } from './agreement.ts';

/** The words of ODRL 2.2 and of our profile of it, as export writes and import reads them. */
const ODRL_CONTEXT = 'http://www.w3.org/ns/odrl.jsonld';
export const ODRL_NAMESPACE = 'http://www.w3.org/ns/odrl/2/';
export const PROFILE = 'urn:civex:odrl:';
export const CONTEXT = [ODRL_CONTEXT, { civex: PROFILE }] as const;

/** `odrl:distribute` and `odrl:use` are not among them: no agreement gives so much. */
export const ACTION_WORDS: Readonly<Record<Action, string>> = {
  DISCOVER: 'civex:discover',
  QUERY: 'read',
  AGGREGATE: 'aggregate',
  EXPORT: 'reproduce',
  SUBSCRIBE: 'civex:subscribe',
};

export const LIMIT_WORDS = {
  requestsPerDay: 'civex:requestsPerDay',
  recordsPerDay: 'civex:recordsPerDay',
  recordsPerRequest: 'civex:recordsPerRequest',
} as const;

/** Names with anything in them become part of a URN. */
const toUrn = (kind: string, ...parts: readonly string[]): string =>
  ['urn:civex', kind, ...parts.map(encodeURIComponent)].join(':');

export const organisationUrn = (organisation: string): string => toUrn('organisation', organisation);
export const datasetUrn = (dataset: string): string => toUrn('dataset', dataset);
export const versionUrn = (agreement: string, version: number): string =>
  toUrn('agreement', agreement, String(version));

/** The parts of a URN of ours, or null: only what `toUrn` writes is read. */
export function readUrn(value: unknown, kind: string, count: number): readonly string[] | null {
  if (typeof value !== 'string' || !value.startsWith(`urn:civex:${kind}:`)) return null;
  try {
    const parts = value.split(':').slice(3).map(decodeURIComponent);
    return parts.length === count && toUrn(kind, ...parts) === value ? parts : null;
  } catch (error) {
    // An escape that stands for no text.
    if (error instanceof URIError) return null;
    throw error;
  }
}
