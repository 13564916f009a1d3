import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { Cancellation } from './cancellation.ts';
import { decodeStream, decodeWhole, parseEncodings, type Encoding } from './decode.ts';
import { createFaults } from './faults.ts';

const faults = createFaults('paris');
const compress = {
  gzip: gzipSync,
  br: (body: Uint8Array) => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
  deflate: deflateSync,
} as const;
const encodings = ['gzip', 'br', 'deflate'] as const;
/** Hard to compress, so that a large one stays large on the wire. */
const NOISE = Buffer.concat(
  Array.from({ length: 10_000 }, (_, at) => createHash('sha256').update(String(at)).digest()),
);
const decode = (wire: Uint8Array, names: readonly Encoding[], maxBytes = 10_000_000) =>
  decodeWhole(wire, names, maxBytes, new Cancellation(), faults);

async function* inPieces(wire: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < wire.length; at += size) yield wire.subarray(at, at + size);
}
async function collect(wire: Uint8Array, names: readonly Encoding[], size: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of decodeStream(inPieces(wire, size), names)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('content-encoding', () => {
  test.each([
    [undefined, []],
    ['', []],
    ['identity', []],
    ['gzip', ['gzip']],
    ['X-GZIP', ['gzip']],
    [' br ', ['br']],
    ['deflate', ['deflate']],
    ['gzip, br', ['br', 'gzip']],
    ['gzip, identity, br', ['br', 'gzip']],
    ['zstd', null],
    ['compress', null],
    ['gzip, zstd', null],
    ['gzip;q=1', null],
    ['gzip, gzip, gzip', null],
    [Array(1_000).fill('gzip').join(','), null],
  ])('%j is read as %j', (header, expected) => {
    expect(parseEncodings(header)).toEqual(expected);
  });
});

describe.each(encodings)('a %s body', (encoding) => {
  const small = Buffer.from('{"a":1}'.repeat(50));
  const large = NOISE.subarray(0, 200_000);

  test('decodes to what was encoded, at once and in pieces', async () => {
    for (const body of [small, large]) {
      const wire = compress[encoding](body);
      expect(Buffer.compare(await decode(wire, [encoding]), body)).toBe(0);
      for (const size of [7_919, 1_000_000])
        expect(Buffer.compare(await collect(wire, [encoding], size), body)).toBe(0);
    }
  });

  test('is refused wherever it is cut', async () => {
    const wire = compress[encoding](small);
    for (let at = 0; at < wire.length; at++) {
      const cut = wire.subarray(0, at);
      await expect(decode(cut, [encoding])).rejects.toThrow();
      await expect(collect(cut, [encoding], 10)).rejects.toThrow();
    }
    const largeWire = compress[encoding](large);
    for (const at of [1, 65_536, 65_537, 150_000, largeWire.length - 1]) {
      await expect(decode(largeWire.subarray(0, at), [encoding])).rejects.toThrow();
      await expect(collect(largeWire.subarray(0, at), [encoding], 65_536)).rejects.toThrow();
    }
  });

  test.each([
    ['one byte', Buffer.from([1])],
    ['zeros', Buffer.alloc(10)],
    ['text', Buffer.from('JUNK')],
    ['much text', Buffer.from('JUNK'.repeat(100_000))],
  ])('is refused with %s after its end', async (_name, junk) => {
    for (const body of [small, large]) {
      const wire = Buffer.concat([compress[encoding](body), junk]);
      await expect(decode(wire, [encoding])).rejects.toThrow();
      for (const size of [50, 65_536, 10_000_000]) await expect(collect(wire, [encoding], size)).rejects.toThrow();
    }
  });

  test('stops at the limit of decoded bytes', async () => {
    const bomb = compress[encoding](Buffer.alloc(8_000_000));
    for (const maxBytes of [1_000, 5_000_000])
      await expect(decode(bomb, [encoding], maxBytes)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
    const exact = compress[encoding](small);
    expect(await decode(exact, [encoding], small.length)).toHaveLength(small.length);
    await expect(decode(exact, [encoding], small.length - 1)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
  });

  test('ends the source when the reader stops', async () => {
    let isEnded = false;
    async function* endless() {
      try {
        for (;;) yield compress[encoding](large);
      } finally {
        isEnded = true;
      }
    }
    for await (const chunk of decodeStream(endless(), [encoding])) {
      expect(chunk.byteLength).toBeGreaterThan(0);
      break;
    }
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(isEnded).toBe(true);
  });
});

test('two layers decode in the order they were applied', async () => {
  const body = Buffer.from('layers '.repeat(1_000));
  const wire = brotliCompressSync(gzipSync(body));
  const names = parseEncodings('gzip, br') ?? [];
  expect(Buffer.compare(await decode(wire, names), body)).toBe(0);
  expect(Buffer.compare(await collect(wire, names, 11), body)).toBe(0);
  await expect(decode(brotliCompressSync(gzipSync(body).subarray(0, -4)), names)).rejects.toThrow();
  await expect(collect(brotliCompressSync(gzipSync(body).subarray(0, -4)), names, 11)).rejects.toThrow();
});

test('a gzip body of several members is one body', async () => {
  const wire = Buffer.concat([gzipSync('one '), gzipSync('two')]);
  expect(Buffer.from(await decode(wire, ['gzip'])).toString()).toBe('one two');
  expect((await collect(wire, ['gzip'], 3)).toString()).toBe('one two');
});

test('raw deflate, plain text and other codings are not taken for what they are not', async () => {
  await expect(decode(deflateRawSync('x'.repeat(100)), ['deflate'])).rejects.toThrow();
  await expect(decode(Buffer.from('{"plain":true}'), ['gzip'])).rejects.toThrow();
  await expect(decode(gzipSync('x'), ['br'])).rejects.toThrow();
});

test('a failure of the source fails the stream', async () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield gzipSync('x'.repeat(1_000)).subarray(0, 15);
    throw new Error('reset');
  }
  const reading = async () => {
    for await (const _chunk of decodeStream(failing(), ['gzip']));
  };
  await expect(reading()).rejects.toThrow('reset');
});

test('decoding is cancelled between pieces', async () => {
  const cancellation = new Cancellation();
  const decoding = decodeWhole(gzipSync(NOISE), ['gzip'], 10_000_000, cancellation, faults);
  cancellation.cancel(faults.cancelled());
  await expect(decoding).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('whatever was encoded comes back the same in any pieces', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 3_000 }),
      fc.array(fc.constantFrom(...encodings), { maxLength: 2 }),
      fc.integer({ min: 1, max: 500 }),
      async (body, names, size) => {
        const wire = [...names].reverse().reduce<Uint8Array>((bytes, name) => compress[name](bytes), body);
        expect(Buffer.compare(await decode(wire, names), body)).toBe(0);
        expect(Buffer.compare(await collect(wire, names, size), body)).toBe(0);
      },
    ),
    { seed: 5, numRuns: 60 },
  );
});

const bombs = new URL('../../../../shared/corpora/hostile/bombs/', import.meta.url);
describe.skipIf(!existsSync(bombs))('the corpus of bombs', () => {
  test.each([
    ['zeros-256M.br', 'br'],
    ['zeros-256M.gz', 'gzip'],
    ['zeros-256M.deflate', 'deflate'],
    ['rows-2M.json.br', 'br'],
    ['long-line-100M.csv.gz', 'gzip'],
    ['quote-open-100M.csv.gz', 'gzip'],
    ['truncated.gz', 'gzip'],
    ['bad-crc.gz', 'gzip'],
    ['gzip-trailing-garbage.gz', 'gzip'],
    ['raw-deflate-as-deflate.bin', 'deflate'],
  ] as const)('%s is refused', async (file, encoding) => {
    await expect(decode(readFileSync(new URL(file, bombs)), [encoding], 4_000_000)).rejects.toThrow();
  });
});
