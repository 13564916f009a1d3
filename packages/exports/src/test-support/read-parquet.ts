import { parquetMetadata, parquetRead } from 'hyparquet';
import { decode } from './fixtures.ts';

const toArrayBuffer = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;

/** The reader's own takes a text's first character for a byte order mark and drops it. */
const parsers = {
  stringFromBytes: (bytes: Uint8Array | undefined): string | undefined => bytes && decode(bytes),
} as never;

/** Rows as lists: as objects they would lose a column called `__proto__`. */
export async function readParquet(bytes: Uint8Array): Promise<readonly (readonly unknown[])[]> {
  let rows: readonly (readonly unknown[])[] = [];
  await parquetRead({
    file: toArrayBuffer(bytes),
    parsers,
    onComplete: (all: unknown) => {
      rows = all as readonly (readonly unknown[])[];
    },
  });
  return rows;
}

export const parquetMetadataOf = (bytes: Uint8Array): ReturnType<typeof parquetMetadata> =>
  parquetMetadata(toArrayBuffer(bytes), { parsers });
