import { hash } from 'node:crypto';
import type { AgreementTerms, AgreementVersion } from './agreement.ts';
import { toCanonicalJson } from './canonical-json.ts';

const hashOf = (id: string, version: number, terms: AgreementTerms): string =>
  `sha256:${hash('sha256', toCanonicalJson({ id, version, terms }), 'hex')}`;

/** A version of the agreement `id` with its hash. Equal terms of another agreement or number have another hash. */
export function createVersion(id: string, version: number, terms: AgreementTerms): AgreementVersion {
  return { version, hash: hashOf(id, version, terms), terms };
}

/** Whether the terms are those the hash was made of, for this agreement and this number. */
export function verifyVersion(id: string, { version, hash: stated, terms }: AgreementVersion): boolean {
  return stated === hashOf(id, version, terms);
}
