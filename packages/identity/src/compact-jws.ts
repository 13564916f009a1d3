import { decodeStrictJson, isJsonObject, type JsonObject } from './strict-json.ts';

/** Longest token and longest proof, characters: reliability.md section 3. */
const MAX_CHARACTERS = 8_192;
const HEADER_DEPTH = 3;
const PAYLOAD_DEPTH = 16;
const PARTS = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)$/;

/** A compact JWS as it is spelled. Nothing in it is true before its signature is verified. */
export interface CompactJws {
  readonly text: string;
  readonly header: JsonObject;
  readonly payload: Uint8Array;
}

/** Bytes of base64url without padding in its canonical spelling; null for everything else. */
export function decodeBase64Url(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
}

/**
 * Takes a compact JWS (RFC 7515) apart: at most 8,192 characters, three parts in canonical base64url, a header of
 * strict JSON with no other members than `headerNames`. Null for everything else. Does not verify the signature.
 */
export function decodeCompactJws(text: string, headerNames: readonly string[]): CompactJws | null {
  if (text.length > MAX_CHARACTERS) return null;
  const [, headerText = '', payloadText = '', signatureText = ''] = PARTS.exec(text) ?? [];
  const header = decodeBase64Url(headerText);
  const payload = decodeBase64Url(payloadText);
  if (header === null || payload === null || decodeBase64Url(signatureText) === null) return null;
  const members = decodeStrictJson(header, HEADER_DEPTH);
  if (!isJsonObject(members) || !Object.keys(members).every((name) => headerNames.includes(name))) return null;
  return { text, header: members, payload };
}

/** The claims of a JWT; null when the payload is not one object of strict JSON. */
export function decodeClaims(payload: Uint8Array): JsonObject | null {
  const claims = decodeStrictJson(payload, PAYLOAD_DEPTH);
  return isJsonObject(claims) ? claims : null;
}
