import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';
import type { CursorSeal } from '@civex/records';

/** Bytes of the key all seals are derived from. */
export const CURSOR_KEY_BYTES = 32;

/** First byte of every sealed cursor; another one belongs to another way of sealing. */
const VERSION = 2;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Texts are filled up to a multiple of it with NUL, so that a cursor's length does not tell how far on a place is. */
const BLOCK_BYTES = 64;
const CIPHER = 'aes-256-gcm';

/**
 * Encrypts and authenticates what callers carry from page to page: they can neither read a place nor make one up, and
 * every process with the same key reads it, before and after a restart. Seals of different purposes do not fit each
 * other. A text does not end with NUL. The nonce is derived from the text (RFC 5297's idea), so the same place is always the same cursor, and no
 * nonce serves two texts.
 *
 * @param key `CURSOR_KEY_BYTES` bytes.
 */
export function createCursorSeal(key: Uint8Array, purpose: 'records' | 'datasets'): CursorSeal {
  const derive = (use: string): Buffer =>
    Buffer.from(hkdfSync('sha256', key, new Uint8Array(0), `civex cursor v${VERSION} ${purpose} ${use}`, 32));
  const encryptionKey = derive('encryption');
  const nonceKey = derive('nonce');
  const header = Buffer.of(VERSION);
  const nonceOf = (text: Uint8Array): Buffer =>
    createHmac('sha256', nonceKey).update(text).digest().subarray(0, NONCE_BYTES);
  return {
    seal(plain) {
      const bare = Buffer.from(plain);
      const text = Buffer.alloc(Math.ceil(Math.max(1, bare.length) / BLOCK_BYTES) * BLOCK_BYTES);
      bare.copy(text);
      const nonce = nonceOf(text);
      const cipher = createCipheriv(CIPHER, encryptionKey, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(header);
      const sealed = [header, nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()];
      return Buffer.concat(sealed).toString('base64url');
    },
    unseal(cursor) {
      const bytes = Buffer.from(cursor, 'base64url');
      // Several texts decode to the same bytes; only the one that was handed out is a cursor.
      if (bytes.toString('base64url') !== cursor || bytes[0] !== VERSION) return null;
      if (bytes.length < 1 + NONCE_BYTES + TAG_BYTES) return null;
      const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
      const decipher = createDecipheriv(CIPHER, encryptionKey, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(header);
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      try {
        const text = decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES));
        return Buffer.concat([text, decipher.final()]).toString().replace(/\0+$/, '');
      } catch {
        // The tag does not fit: forged, or sealed with another key or for another purpose.
        return null;
      }
    },
  };
}
