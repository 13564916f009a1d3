import { once } from 'node:events';
import type { Transform } from 'node:stream';
import zlib from 'node:zlib';
import type { Cancellation } from './cancellation.ts';
import type { Faults } from './faults.ts';

export type Encoding = 'gzip' | 'br' | 'deflate';

/** RFC 9110 allows any number; nobody honest sends more than one. Each further layer multiplies what a bomb unfolds to. */
const MAX_ENCODINGS = 2;
/** A decoder's output arrives in pieces of this many bytes. */
const CHUNK_BYTES = 65_536;
/** Up to here decoding at once costs less than a trip through the thread pool. Bytes in, bytes out. */
const AT_ONCE = { wireBytes: 65_536, decodedBytes: 1_048_576 };

/**
 * The codings to undo, the last one applied first.
 *
 * @returns null when there is one the hub did not offer and cannot undo, or more than two.
 */
export function parseEncodings(header: string | undefined): readonly Encoding[] | null {
  if (header === undefined) return [];
  const encodings: Encoding[] = [];
  for (const token of header.split(',', 16)) {
    switch (token.trim().toLowerCase()) {
      case '':
      case 'identity':
        break;
      case 'gzip':
      case 'x-gzip':
        encodings.unshift('gzip');
        break;
      case 'br':
        encodings.unshift('br');
        break;
      case 'deflate':
        encodings.unshift('deflate');
        break;
      default:
        return null;
    }
    if (encodings.length > MAX_ENCODINGS) return null;
  }
  return encodings;
}

interface AtOnce {
  readonly buffer: Buffer;
  /** `bytesWritten`: how much of the input belonged to the compressed data. */
  readonly engine: { readonly bytesWritten: number };
}

function decodeAtOnce(wire: Uint8Array, encoding: Encoding, maxOutputLength: number): AtOnce {
  const options = { info: true, maxOutputLength };
  const decoded: unknown =
    encoding === 'gzip'
      ? zlib.gunzipSync(wire, options)
      : encoding === 'br'
        ? zlib.brotliDecompressSync(wire, options)
        : zlib.inflateSync(wire, options);
  // Node documents this shape for `info: true`; its types leave it out.
  return decoded as AtOnce;
}

function createEngine(encoding: Encoding): Transform & { readonly bytesWritten: number } {
  const options = { chunkSize: CHUNK_BYTES };
  switch (encoding) {
    case 'gzip':
      return zlib.createGunzip(options);
    case 'br':
      return zlib.createBrotliDecompress(options);
    case 'deflate':
      return zlib.createInflate(options);
  }
}

const trailing = () => new Error('data after the end of the compressed body');

/**
 * Undoes one coding, strictly: the compressed data must end where the body ends. Pull-driven. Whoever stops reading early
 * must also end `source`, which may be waiting for the network.
 */
async function* decodeStage(source: AsyncIterable<Uint8Array>, encoding: Encoding): AsyncGenerator<Uint8Array> {
  const engine = createEngine(encoding);
  // The reader below hears of an error itself; one that comes after the engine's end would else end the process.
  engine.on('error', () => {});
  let fedBytes = 0;
  const over = new AbortController();
  const feed = async () => {
    for await (const chunk of source) {
      if (over.signal.aborted) throw trailing();
      fedBytes += chunk.byteLength;
      if (engine.write(chunk)) continue;
      // An engine that has seen the end of its data never asks for more.
      await once(engine, 'drain', { signal: over.signal }).catch(() => {});
    }
    engine.end();
  };
  engine.once('end', () => over.abort());
  engine.once('close', () => over.abort());
  const feeding = feed().then(
    () => null,
    (error: unknown) => {
      const reason = error instanceof Error ? error : new Error('the body failed', { cause: error });
      engine.destroy(reason);
      return reason;
    },
  );
  try {
    for await (const chunk of engine) {
      // A zlib engine is never in object mode and has no encoding set.
      yield chunk as Buffer;
    }
    const failure = await feeding;
    if (failure !== null) throw failure;
    if (engine.bytesWritten !== fedBytes) throw trailing();
  } finally {
    engine.destroy();
  }
}

/** The decoded bytes of a body that is still arriving. Throws the engine's own errors. */
export function decodeStream(
  wire: AsyncIterable<Uint8Array>,
  encodings: readonly Encoding[],
): AsyncIterable<Uint8Array> {
  return encodings.reduce<AsyncIterable<Uint8Array>>(decodeStage, wire);
}

async function* asStream(wire: Uint8Array): AsyncGenerator<Uint8Array> {
  yield wire;
}

async function decodeLarge(
  wire: Uint8Array,
  encoding: Encoding,
  maxBytes: number,
  cancellation: Cancellation,
  faults: Faults,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of decodeStage(asStream(wire), encoding)) {
    if (cancellation.reason !== null) throw cancellation.reason;
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw faults.tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

/**
 * Decodes a complete body.
 *
 * @throws HubError `SOURCE_MALFORMED` over `maxBytes` decoded; zlib's errors for a cut or damaged body.
 */
export async function decodeWhole(
  wire: Uint8Array,
  encodings: readonly Encoding[],
  maxBytes: number,
  cancellation: Cancellation,
  faults: Faults,
): Promise<Uint8Array> {
  let body = wire;
  for (const encoding of encodings) {
    const atOnceBytes = Math.min(maxBytes, AT_ONCE.decodedBytes);
    if (body.byteLength <= AT_ONCE.wireBytes) {
      try {
        const { buffer, engine } = decodeAtOnce(body, encoding, atOnceBytes);
        if (engine.bytesWritten !== body.byteLength) throw trailing();
        body = buffer;
        continue;
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        if (atOnceBytes === maxBytes) throw faults.tooLarge();
      }
    }
    body = await decodeLarge(body, encoding, maxBytes, cancellation, faults);
  }
  return body;
}
