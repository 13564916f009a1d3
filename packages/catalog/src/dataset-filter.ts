import { HubError } from '@civex/errors';
import { EU_DATA_THEMES } from '@civex/model';
import type { Bbox, Dataset } from '@civex/model';
import { foldText } from './rank.ts';

/** `DatasetFilterInput` of the GraphQL contract, without `catalogs`, which says whom to ask. */
export interface DatasetFilterInput {
  readonly themes?: readonly string[] | null | undefined;
  readonly keywords?: readonly string[] | null | undefined;
  readonly licenses?: readonly string[] | null | undefined;
  readonly publishers?: readonly string[] | null | undefined;
  readonly languages?: readonly string[] | null | undefined;
  readonly modifiedSince?: string | null | undefined;
  readonly bbox?: readonly number[] | null | undefined;
  readonly hasRecords?: boolean | null | undefined;
  readonly hasGeometry?: boolean | null | undefined;
}

/** A checked filter. Within a list any value suffices; all given fields must hold. */
export interface DatasetFilter {
  readonly themes: ReadonlySet<string> | null;
  readonly keywords: ReadonlySet<string> | null;
  readonly licenses: ReadonlySet<string> | null;
  readonly publishers: ReadonlySet<string> | null;
  readonly languages: ReadonlySet<string> | null;
  readonly modifiedSinceEpochMs: number | null;
  readonly bbox: Bbox | null;
  readonly hasRecords: boolean | null;
  readonly hasGeometry: boolean | null;
}

const MAX_VALUES = 200;
const LANGUAGE = /^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$/;

const refuse = (field: string, what: string): never => {
  throw new HubError('INPUT_INVALID', `filter.${field}: ${what}`);
};

function toSet(
  field: string,
  values: readonly string[] | null | undefined,
  convert: (value: string) => string,
): ReadonlySet<string> | null {
  if (values === null || values === undefined) return null;
  if (values.length > MAX_VALUES) refuse(field, `at most ${MAX_VALUES} values.`);
  if (values.length === 0) refuse(field, 'an empty list matches nothing; leave it out or name a value.');
  return new Set(values.map(convert));
}

function parseBbox(value: readonly number[] | null | undefined): Bbox | null {
  if (value === null || value === undefined) return null;
  const [west, south, east, north] = value;
  if (value.length !== 4 || west === undefined || south === undefined || east === undefined || north === undefined)
    return refuse('bbox', 'four numbers are needed: west, south, east, north.');
  const isOnEarth = Math.abs(west) <= 180 && Math.abs(east) <= 180 && Math.abs(south) <= 90 && Math.abs(north) <= 90;
  if (!isOnEarth || south > north)
    return refuse('bbox', 'west, south, east, north in degrees, south not greater than north.');
  return [west, south, east, north];
}

function parseInstant(value: string | null | undefined): number | null {
  if (value === null || value === undefined) return null;
  const epochMs = Date.parse(value);
  return Number.isNaN(epochMs) ? refuse('modifiedSince', 'an RFC 3339 instant is needed.') : epochMs;
}

/**
 * Null when nothing is filtered.
 *
 * @throws HubError `INPUT_INVALID`: unknown themes, an empty or too long list, malformed languages, a date that is none,
 * a bad box.
 */
export function parseDatasetFilter(input: DatasetFilterInput | null | undefined): DatasetFilter | null {
  if (input === null || input === undefined) return null;
  const filter: DatasetFilter = {
    themes: toSet('themes', input.themes, (value) => {
      if (EU_DATA_THEMES.has(value)) return value;
      return refuse('themes', `unknown theme; known are ${[...EU_DATA_THEMES].join(', ')}.`);
    }),
    keywords: toSet('keywords', input.keywords, foldText),
    licenses: toSet('licenses', input.licenses, foldText),
    publishers: toSet('publishers', input.publishers, foldText),
    languages: toSet('languages', input.languages, (value) => {
      if (!LANGUAGE.test(value)) return refuse('languages', 'a BCP 47 tag is needed, such as "fr" or "en-GB".');
      return value.toLowerCase();
    }),
    modifiedSinceEpochMs: parseInstant(input.modifiedSince),
    bbox: parseBbox(input.bbox),
    hasRecords: input.hasRecords ?? null,
    hasGeometry: input.hasGeometry ?? null,
  };
  return Object.values(filter).every((value) => value === null) ? null : filter;
}

/** Two boxes share a point; west greater than east crosses the antimeridian. */
function boxesMeet(a: Bbox, b: Bbox): boolean {
  if (a[1] > b[3] || b[1] > a[3]) return false;
  const spans = ([west, , east]: Bbox): readonly (readonly [number, number])[] =>
    west <= east
      ? [[west, east]]
      : [
          [west, 180],
          [-180, east],
        ];
  return spans(a).some(([w1, e1]) => spans(b).some(([w2, e2]) => w1 <= e2 && w2 <= e1));
}

/**
 * Decides everything of a filter that the metadata alone can decide. `hasGeometry` needs the columns: for a dataset
 * whose columns are not known yet the answer is `ask`.
 */
export function createDatasetMatcher(filter: DatasetFilter | null): (dataset: Dataset) => boolean | 'ask' {
  if (filter === null) return () => true;
  return (dataset) => {
    const { themes, keywords, licenses, publishers, languages, modifiedSinceEpochMs, bbox } = filter;
    if (themes !== null && !dataset.themes.some((theme) => themes.has(theme))) return false;
    if (keywords !== null && !dataset.keywords.some((keyword) => keywords.has(foldText(keyword)))) return false;
    if (licenses !== null) {
      const { status, id, uri } = dataset.license;
      if (![status, id, uri].some((name) => name !== null && licenses.has(foldText(name)))) return false;
    }
    if (publishers !== null && !(dataset.publisher !== null && publishers.has(foldText(dataset.publisher.name))))
      return false;
    if (languages !== null && !dataset.languages.some((language) => languages.has(language.toLowerCase())))
      return false;
    if (
      modifiedSinceEpochMs !== null &&
      !(dataset.modified !== null && Date.parse(dataset.modified) >= modifiedSinceEpochMs)
    )
      return false;
    if (bbox !== null && !(dataset.spatial?.bbox != null && boxesMeet(dataset.spatial.bbox, bbox))) return false;
    if (filter.hasRecords !== null && (dataset.recordsState !== 'none') !== filter.hasRecords) return false;
    if (filter.hasGeometry !== null) {
      if (dataset.recordsState === 'undescribed') return 'ask';
      const hasGeometry = dataset.queryables?.some(({ type }) => type === 'GEOMETRY') ?? false;
      if (hasGeometry !== filter.hasGeometry) return false;
    }
    return true;
  };
}
