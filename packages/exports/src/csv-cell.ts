import type { QueryableType, RecordValue } from '@civex/model';
import { assertFinite, jsonText } from './json-text.ts';
import { assertUtf8 } from './malformed.ts';

/** First characters of a formula in one spreadsheet or another, and all that compatibility normalisation (NFKC) makes one. */
const TRIGGER = '=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207a\u207c\u208a\u208c\ufb29\u2a75\u2a76';
/**
 * What spreadsheets may skip before them: white space, control and invisible characters, quotes where the file is split
 * at another separator than ours, and the guard itself.
 */
const SKIPPED = '\'"\\s\\0-\\x20\\x7f-\\xa0\\xad\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2064';

const BEGINS_FORMULA = new RegExp(`^(?:[${SKIPPED}]*[${TRIGGER}]|'*[\\t\\n\\r])`);
/** Where another cell begins for a spreadsheet that splits the file at `;` or TAB and so does not see our quotes. */
const SEPARATORS = ';\t\n\r';
const HAS_SEPARATOR = /[;\t\n\r]/;
const IS_TRIGGER = new RegExp(`[${TRIGGER}]`);
const IS_SKIPPED = new RegExp(`[${SKIPPED}]`);
/** `;` in JSON, where only strings hold it, and every character of theirs may be written as an escape. */
const JSON_FORMULA = new RegExp(`((?:^"|;)[${SKIPPED}]*)([${TRIGGER}])`, 'g');
/** Texts that are their own cell: nothing to quote, nothing that could begin a formula. Most are. */
const IS_BARE = new RegExp(`^[^${SKIPPED}${TRIGGER},;\\ud800-\\udfff][^\\0-\\x1f\\x7f",;\\ud800-\\udfff]*$`);

const quoteCell = (text: string): string => `"${text.replaceAll('"', '""')}"`;

/**
 * The text with an apostrophe behind each separator where a formula would begin. From the end to the start, so that the
 * time is linear: a run of line ends would make a pattern look ahead from each of them.
 */
function guardInside(text: string): string {
  if (!HAS_SEPARATOR.test(text)) return text;
  const parts: string[] = [];
  let end = text.length;
  let beginsFormula = false;
  for (let at = text.length - 1; at >= 0; at--) {
    const character = text.charAt(at);
    if (beginsFormula && SEPARATORS.includes(character)) {
      parts.push(text.slice(at + 1, end), "'");
      end = at + 1;
    }
    beginsFormula = IS_TRIGGER.test(character) || (beginsFormula && IS_SKIPPED.test(character));
  }
  return parts.length === 0 ? text : text.slice(0, end) + parts.toReversed().join('');
}

/**
 * A text as an RFC 4180 field that no spreadsheet evaluates (OWASP, CSV injection): an apostrophe goes before a text that
 * begins with a formula's first character, behind whatever a spreadsheet skips, or with TAB, CR or LF; and inside a text
 * behind every `;`, TAB, CR and LF where, split there, a formula would begin. Texts that already have apostrophes in
 * these places get one more, so that taking one away in each gives the text back.
 *
 * @throws HubError `SOURCE_MALFORMED` for half a surrogate pair.
 */
export function textCell(text: string): string {
  if (IS_BARE.test(text)) return text;
  assertUtf8(text);
  const inside = guardInside(text);
  return quoteCell(BEGINS_FORMULA.test(text) ? `'${inside}` : inside);
}

/** A JSON text as a field. What could begin a formula is written as a JSON escape; only a negative number is guarded. */
function jsonCell(json: string): string {
  const inert = json.replaceAll(
    JSON_FORMULA,
    (_, before: string, trigger: string) => `${before}\\u${trigger.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return quoteCell(inert.startsWith('-') ? `'${inert}` : inert);
}

const NUMBER = /^-?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,4})?$/;

/** Cells of numbers are left as they are; anything else that a source has in such a column is a text like any other. */
function numberCell(value: RecordValue): string {
  if (typeof value === 'number') return String(assertFinite(value));
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'string') return NUMBER.test(value) ? value : textCell(value);
  return plainCell(value);
}

function plainCell(value: RecordValue): string {
  if (typeof value === 'string') return textCell(value);
  if (value === null) return '';
  if (typeof value === 'object') return jsonCell(jsonText(value));
  return textCell(String(typeof value === 'number' ? assertFinite(value) : value));
}

const shortPoint = (value: object): string | null => {
  if (!('type' in value) || value.type !== 'Point' || !('coordinates' in value)) return null;
  const { coordinates } = value;
  if (!Array.isArray(coordinates) || coordinates.length !== 2) return null;
  const [lon, lat]: readonly unknown[] = coordinates;
  if (typeof lon !== 'number' || typeof lat !== 'number') return null;
  for (const key in value) if (key !== 'type' && key !== 'coordinates') return null;
  return `"{""type"":""Point"",""coordinates"":[${assertFinite(lon)},${assertFinite(lat)}]}"`;
};

function geometryCell(value: RecordValue): string {
  return typeof value === 'object' && value !== null ? (shortPoint(value) ?? plainCell(value)) : plainCell(value);
}

const anyJsonCell = (value: RecordValue): string => (value === null ? '' : jsonCell(jsonText(value)));

/**
 * How a column's values become fields. Null is the empty field; an empty text is `""`. Geometries are GeoJSON texts, JSON
 * columns JSON texts, with a text in them as a JSON string. What does not fit its column's type is written all the same.
 */
export function cellWriter(type: QueryableType): (value: RecordValue) => string {
  switch (type) {
    case 'INTEGER':
    case 'NUMBER':
      return numberCell;
    case 'STRING':
    case 'BOOLEAN':
    case 'DATE':
    case 'DATETIME':
      return plainCell;
    case 'GEOMETRY':
      return geometryCell;
    case 'JSON':
      return anyJsonCell;
  }
}
