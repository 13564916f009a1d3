import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/*
 * X.509 certificates, made when a test runs: no key lies in the repository and none expires there. Just enough DER
 * (ITU-T X.690) and RFC 5280 for a TLS server.
 */

const wrap = (tag: number, content: Buffer): Buffer => {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
};
const sequence = (...parts: readonly Buffer[]): Buffer => wrap(0x30, Buffer.concat(parts));
const objectId = (hex: string): Buffer => wrap(0x06, Buffer.from(hex, 'hex'));
const octets = (content: Buffer): Buffer => wrap(0x04, content);
const bits = (content: Buffer): Buffer => wrap(0x03, Buffer.concat([Buffer.from([0]), content]));
const time = (epochMs: number): Buffer =>
  wrap(0x18, Buffer.from(`${new Date(epochMs).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`));
const TRUE = Buffer.from([0x01, 0x01, 0xff]);
const ECDSA_SHA256 = sequence(objectId('2a8648ce3d040302'));
const commonName = (name: string): Buffer =>
  sequence(wrap(0x31, sequence(objectId('550403'), wrap(0x0c, Buffer.from(name)))));
const extension = (id: string, isCritical: boolean, content: Buffer): Buffer =>
  sequence(objectId(id), ...(isCritical ? [TRUE] : []), octets(content));

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly name: string;
  readonly privateKey: KeyObject;
}

const DAY_MS = 86_400_000;
const toPem = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${(der.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${label}-----\n`;

/**
 * @param issuer null: signs itself.
 * @param validDays from today's day on: `[-1, 30]` is valid at present, `[-30, -1]` has expired.
 */
export function createCertificate(
  name: string,
  issuer: Certificate | null,
  { isAuthority = false, validDays = [-1, 30] }: { isAuthority?: boolean; validDays?: readonly [number, number] } = {},
): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicDer = publicKey.export({ type: 'spki', format: 'der' });
  const nowMs = Date.now();
  const serial = randomBytes(8);
  serial[0] = 0x01;
  const body = sequence(
    wrap(0xa0, wrap(0x02, Buffer.from([2]))),
    wrap(0x02, serial),
    ECDSA_SHA256,
    commonName(issuer?.name ?? name),
    sequence(time(nowMs + validDays[0] * DAY_MS), time(nowMs + validDays[1] * DAY_MS)),
    commonName(name),
    publicDer,
    wrap(
      0xa3,
      sequence(
        extension('551d13', true, sequence(...(isAuthority ? [TRUE] : []))),
        extension('551d0e', false, octets(createHash('sha1').update(publicDer).digest())),
        ...(isAuthority ? [] : [extension('551d11', false, sequence(wrap(0x82, Buffer.from(name))))]),
      ),
    ),
  );
  const signature = sign('sha256', body, issuer?.privateKey ?? privateKey);
  const der = sequence(body, ECDSA_SHA256, bits(signature));
  return {
    cert: toPem('CERTIFICATE', der),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    name,
    privateKey,
  };
}
