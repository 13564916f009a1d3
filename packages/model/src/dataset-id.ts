/** `source:localId`. Opaque after the first colon. */
export type DatasetId = string & { readonly __brand: 'DatasetId' };

export interface DatasetRef {
  readonly source: string;
  readonly localId: string;
}

const SOURCE_KEY = /^[a-z][a-z0-9-]{0,30}$/;

/** Lower case letters, digits and hyphen, starting with a letter, 31 characters at most. */
export function isSourceKey(text: string): boolean {
  return SOURCE_KEY.test(text);
}

/** `:` cannot occur in a source key, so the first one always ends it: decoding is unambiguous. */
export function encodeDatasetId(ref: DatasetRef): DatasetId {
  if (!SOURCE_KEY.test(ref.source)) throw new TypeError(`not a source key: ${JSON.stringify(ref.source)}`);
  if (ref.localId === '') throw new TypeError('localId must not be empty');
  return `${ref.source}:${ref.localId}` as DatasetId;
}

/** @returns null for anything `encodeDatasetId` could not have produced. Never throws. */
export function decodeDatasetId(raw: string): DatasetRef | null {
  const cut = raw.indexOf(':');
  if (cut < 1) return null;
  const source = raw.slice(0, cut);
  const localId = raw.slice(cut + 1);
  return SOURCE_KEY.test(source) && localId !== '' ? { source, localId } : null;
}
