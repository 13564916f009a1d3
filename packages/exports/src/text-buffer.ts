/** Gathers texts as UTF-8 in one piece of memory that is used again and again. */
export interface TextBuffer {
  append(text: string): void;
  /** A copy of all that was appended since the last one. */
  take(): Uint8Array;
}

/**
 * Texts that are put together from many small ones live until they are written, and what lives that long is collected late:
 * memory would rise and fall by a hundred megabytes. Each line becomes bytes at once instead.
 */
export function createTextBuffer(size = 262_144): TextBuffer {
  let bytes = Buffer.allocUnsafeSlow(size);
  let used = 0;
  return {
    append(text) {
      // No character of a JavaScript text takes more than three bytes.
      const most = used + text.length * 3;
      if (most > bytes.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(most, bytes.length * 2));
        bytes.copy(larger, 0, 0, used);
        bytes = larger;
      }
      used += bytes.write(text, used, 'utf8');
    },
    take() {
      const taken = Buffer.from(bytes.subarray(0, used));
      used = 0;
      return taken;
    },
  };
}
