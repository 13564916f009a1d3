import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** What the hub wrote into a cursor, and how to write another one: for tests that forge with the hub's own key. */
export interface CursorForge {
  open(cursor: string): string;
  seal(text: string): string;
}

export function createCursorForge(dataFolder: string, purpose: 'records' | 'datasets'): CursorForge {
  const key = Buffer.from(readFileSync(path.join(dataFolder, 'cursor.key'), 'utf8').trim(), 'hex');
  const derived = (use: string): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', key, '', `civex cursor v2 ${purpose} ${use}`, 32));
  return {
    open(cursor) {
      const bytes = Buffer.from(cursor, 'base64url');
      const cipher = createDecipheriv('aes-256-gcm', derived('encryption'), bytes.subarray(1, 13));
      cipher.setAAD(bytes.subarray(0, 1)).setAuthTag(bytes.subarray(bytes.length - 16));
      const text = cipher.update(bytes.subarray(13, bytes.length - 16), undefined, 'utf8') + cipher.final('utf8');
      return text.replace(/\0+$/, '');
    },
    seal(text) {
      const filled = text.padEnd(text.length + ((64 - (Buffer.byteLength(text) % 64)) % 64), '\0');
      const nonce = createHmac('sha256', derived('nonce')).update(filled).digest().subarray(0, 12);
      const cipher = createCipheriv('aes-256-gcm', derived('encryption'), nonce).setAAD(Buffer.of(2));
      const body = Buffer.concat([cipher.update(filled, 'utf8'), cipher.final()]);
      return Buffer.concat([Buffer.of(2), nonce, body, cipher.getAuthTag()]).toString('base64url');
    },
  };
}
