export type OdsType =
  | 'text'
  | 'int'
  | 'double'
  | 'boolean'
  | 'date'
  | 'datetime'
  | 'geo_point_2d'
  | 'geo_shape'
  | 'file'
  | 'json_blob';

/** A column the query language can name, over any kind of row. */
export interface Column<Row> {
  readonly name: string;
  readonly type: OdsType;
  /** Values are arrays; an empty one counts as null. */
  readonly isMultivalued: boolean;
  /** Set for columns that facets, refine and exclude may name. */
  readonly isFacet: boolean;
  readonly isDisjunctive: boolean;
  readonly get: (row: Row) => unknown;
}

export interface RowSchema<Row> {
  readonly columns: ReadonlyMap<string, Column<Row>>;
  /** Columns full-text search looks at. */
  readonly searched: readonly Column<Row>[];
  /** Names that exist but may not be used in a clause. */
  readonly forbidden: ReadonlySet<string>;
}
