import { HubError } from '@civex/errors';

/** Why a value cannot be exported. Never says the value, nor the name of its column: both are portal text. */
export const malformed = (message: string): HubError => new HubError('SOURCE_MALFORMED', message);

/**
 * The text, unless UTF-8 has no bytes for it: half a surrogate pair, which encoders replace by U+FFFD without a word.
 *
 * @throws HubError `SOURCE_MALFORMED`
 */
export function assertUtf8(text: string): string {
  if (!text.isWellFormed())
    throw malformed(
      'A text of this dataset is not valid Unicode. NDJSON and GeoJSON can carry it, CSV and Parquet cannot.',
    );
  return text;
}
