import type { DatasetId } from './dataset-id.ts';

/**
 * Text by language, in the source's own order of preference. Keys are lower-case BCP 47 tags; `und` when the source
 * does not say which language it speaks.
 */
export type LangText = Readonly<Record<string, string>>;

/** west, south, east, north in degrees, CRS84. */
export type Bbox = readonly [number, number, number, number];

/** RFC 7946 geometry object, lon lat. */
export interface Geometry {
  readonly type: string;
  readonly coordinates?: unknown;
  readonly geometries?: readonly Geometry[];
}

export type LicenseStatus = 'KNOWN' | 'UNRECOGNISED' | 'NOT_STATED';

/** `id`, `uri`, `title` and `family` are set only when `status` is KNOWN; `raw` is always what the source said. */
export interface License {
  readonly status: LicenseStatus;
  /** Short code of ours, for example `CC-BY-4.0`, `LO-2.0`, `OGL-UK-3.0`. */
  readonly id: string | null;
  readonly uri: string | null;
  readonly title: string | null;
  readonly raw: string | null;
  /** For example `CC`, `LO`, `OGL`, `ODC`. */
  readonly family: string | null;
}

export type AccessRights = 'PUBLIC' | 'RESTRICTED' | 'NON_PUBLIC';

export interface Agent {
  readonly name: string;
  readonly homepage: string | null;
  readonly type: string | null;
}

export interface ContactPoint {
  readonly name: string | null;
  readonly email: string | null;
  readonly url: string | null;
}

export interface Location {
  readonly bbox: Bbox | null;
  readonly centroid: Geometry | null;
  readonly label: string | null;
}

/** RFC 3339 instants; an open end is null. */
export interface PeriodOfTime {
  readonly start: string | null;
  readonly end: string | null;
}

export interface Distribution {
  /** Unique within its dataset. */
  readonly id: string;
  readonly title: string | null;
  readonly format: string | null;
  readonly mediaType: string | null;
  readonly accessURL: string | null;
  readonly downloadURL: string | null;
  readonly byteSize: number | null;
  /** RFC 3339 instant. */
  readonly modified: string | null;
  readonly license: License | null;
}

export type QueryableType = 'STRING' | 'INTEGER' | 'NUMBER' | 'BOOLEAN' | 'DATE' | 'DATETIME' | 'GEOMETRY' | 'JSON';

/** A property of the records that filters may use. `JSON` holds what no operator but `isNull` understands. */
export interface Queryable {
  readonly name: string;
  readonly titles: LangText;
  readonly descriptions: LangText;
  readonly type: QueryableType;
  readonly unit: string | null;
}

/**
 * What the catalog alone knows about a dataset's records.
 * `none`: there are none to query. `described`: `queryables` lists their columns. `undescribed`: there seem to be
 * records, but the catalog does not carry their columns; `queryables` is null until `RecordsFacet.describe` was asked.
 */
export type RecordsState = 'none' | 'described' | 'undescribed';

/** What a source's catalog says of one dataset, in DCAT-AP 3 words. Frozen by convention: built once, never changed. */
export interface Dataset {
  readonly id: DatasetId;
  readonly source: string;
  readonly localId: string;
  readonly identifier: string | null;
  /** Never empty: a dataset without any title carries its local id under `und`. */
  readonly titles: LangText;
  readonly descriptions: LangText;
  readonly keywords: readonly string[];
  /** EU data-theme codes, only where a mapping is known. The source's own words are in `raw.themes`. */
  readonly themes: readonly string[];
  readonly publisher: Agent | null;
  readonly contactPoint: ContactPoint | null;
  readonly license: License;
  readonly accessRights: AccessRights;
  /** RFC 3339 instants. */
  readonly issued: string | null;
  readonly modified: string | null;
  /** EU frequency code. The source's own words are in `raw.accrualPeriodicity`. */
  readonly accrualPeriodicity: string | null;
  readonly languages: readonly string[];
  readonly spatial: Location | null;
  readonly temporal: PeriodOfTime | null;
  readonly landingPage: string | null;
  readonly distributions: readonly Distribution[];
  readonly recordsState: RecordsState;
  /**
   * Never null when `recordsState` is `described`, always null otherwise. Null under `none` means the dataset has no
   * records that can be queried: a normal state, not an error. Null under `undescribed` means nothing yet.
   */
  readonly queryables: readonly Queryable[] | null;
  readonly recordCount: number | null;
  /** The source's own words for what the hub normalised: themes, accrualPeriodicity, issued, modified, license ... */
  readonly raw: Readonly<Record<string, unknown>>;
}

/**
 * A value of a record as the hub compares it. `bigint` only for integers beyond 2^53; a NUMBER with more digits than a
 * double holds is their text; DATE is `YYYY[-MM[-DD]]`; DATETIME is RFC 3339 with an offset; GEOMETRY is an RFC 7946
 * geometry.
 */
export type RecordValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly RecordValue[]
  | { readonly [key: string]: RecordValue };

export interface HubRecord {
  /** Unique within its dataset and the same whenever the record is read again unchanged. */
  readonly id: string;
  /** One entry for each queryable, null where the source has no value. */
  readonly values: Readonly<Record<string, RecordValue>>;
}
