import { boundingPolygon, toShape } from '../geo.ts';
import type { Column, OdsType, RowSchema } from '../odsql/schema.ts';
import { hashText } from '../random.ts';
import { toJsonText } from '../json-text.ts';

export type OpendatasoftRow = Readonly<Record<string, unknown>>;

/** The three encodings portals have used for the same flags. */
export type OpendatasoftAnnotations =
  | Readonly<Record<string, unknown>>
  | readonly { readonly name: string; readonly args?: readonly string[] }[];

export interface OpendatasoftField {
  readonly name: string;
  readonly type: OdsType;
  /** The name when absent. */
  readonly label?: string;
  readonly description?: string | null;
  readonly annotations?: OpendatasoftAnnotations;
}

/** What a test or the sample data says of a dataset; the portal completes the rest of the metadata. */
export interface OpendatasoftDataset {
  readonly id: string;
  readonly title: string;
  /** HTML, as publishers write it. */
  readonly description?: string | null;
  readonly theme?: readonly string[] | null;
  readonly keyword?: readonly string[] | null;
  readonly license?: string | null;
  readonly licenseUrl?: string | null;
  readonly publisher?: string | null;
  /** ISO text with an offset. */
  readonly modified?: string | null;
  /** Empty when the dataset has no records. */
  readonly fields?: readonly OpendatasoftField[];
  /** Absent: attachments only. A function is called once, when somebody first asks. Values as the API shows them. */
  readonly records?: readonly OpendatasoftRow[] | (() => readonly OpendatasoftRow[]);
  /** False: the metadata is public and the records answer 403. */
  readonly dataVisible?: boolean;
  /** True: only those who send a key of the portal know of the dataset; to others it does not exist. */
  readonly isRestricted?: boolean;
  readonly features?: readonly string[];
  readonly attachments?: readonly { id: string; title: string; mimetype: string; url: string }[];
  readonly alternativeExports?: readonly {
    id: string;
    title: string;
    description: string;
    mimetype: string;
    url: string;
  }[];
  /** Templates over the generated ones; keys of `default` replace generated keys one by one. */
  readonly metas?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Value of a flag in whichever encoding; undefined when it is not set. */
export function readAnnotation(annotations: OpendatasoftAnnotations | undefined, key: string): unknown {
  if (annotations === undefined) return undefined;
  if (!Array.isArray(annotations)) return (annotations as Readonly<Record<string, unknown>>)[key];
  const entry = annotations.find(({ name }: { name: string }) => name === key) as { args?: unknown } | undefined;
  return entry === undefined ? undefined : (entry.args ?? true);
}

const isSet = (value: unknown): boolean => value !== undefined && value !== false && value !== null;

export interface LoadedDataset {
  readonly spec: OpendatasoftDataset;
  readonly hasRecords: boolean;
  readonly isVisible: boolean;
  readonly fields: readonly OpendatasoftField[];
  readonly schema: RowSchema<OpendatasoftRow>;
  readonly rows: () => readonly OpendatasoftRow[];
  /** The JSON of a row with all its fields, instants in UTC. */
  readonly rowText: (row: OpendatasoftRow) => string;
  /** The body of `/catalog/datasets/{id}`. */
  readonly entry: () => Readonly<Record<string, unknown>>;
  readonly entryText: () => string;
  /** `metas.default`, for the catalog's own query fields. */
  readonly defaults: () => Readonly<Record<string, unknown>>;
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}

function toColumn(field: OpendatasoftField): Column<OpendatasoftRow> {
  return {
    name: field.name,
    type: field.type,
    isMultivalued: isSet(readAnnotation(field.annotations, 'multivalued')),
    isFacet: isSet(readAnnotation(field.annotations, 'facet')),
    isDisjunctive: isSet(readAnnotation(field.annotations, 'disjunctive')),
    get: (row) => row[field.name] ?? null,
  };
}

const EMPTY_DCAT = Object.fromEntries(
  (
    'created issued creator contributor contact_name contact_email accrualperiodicity spatial temporal granularity ' +
    'dataquality publisher_type conforms_to temporal_coverage_start temporal_coverage_end accessRights relation'
  )
    .split(' ')
    .map((key) => [key, null]),
);

const EMPTY_INSPIRE = Object.fromEntries(
  (
    'theme type file_identifier hierarchy_level hierarchy_level_name spatial_resolution topologic_consistency ' +
    'contact_individual_name contact_position contact_address contact_email identification_purpose extend_description ' +
    'extend_bounding_box_westbound_longitude extend_bounding_box_eastbound_longitude ' +
    'extend_bounding_box_southbound_latitude extend_bounding_box_northbound_latitude'
  )
    .split(' ')
    .map((key) => [key, null]),
);

function uidOf(portalId: string, datasetId: string): string {
  const digits = hashText(`${portalId}/${datasetId}`).toString(36).padStart(6, '0').slice(-6);
  return `da_${digits}`;
}

export function loadDataset(spec: OpendatasoftDataset, portalId: string, language: string): LoadedDataset {
  const hasRecords = spec.records !== undefined;
  const fields = hasRecords ? (spec.fields ?? []) : [];
  const columns = new Map(fields.map((field) => [field.name, toColumn(field)]));
  const given = spec.records;
  const rows = once((): readonly OpendatasoftRow[] => (typeof given === 'function' ? given() : (given ?? [])));
  const texts = new WeakMap<OpendatasoftRow, string>();
  const geo = fields.filter(({ type }) => type === 'geo_point_2d' || type === 'geo_shape');
  const isTimed = fields.some(({ type }) => type === 'date' || type === 'datetime');

  const entry = once((): Readonly<Record<string, unknown>> => {
    const shapes = geo.flatMap(({ name }) => rows().map((row) => toShape(row[name])));
    const polygon = boundingPolygon(shapes.filter((shape) => shape !== null));
    const processed = spec.modified ?? '2026-09-14T04:12:33.417000+00:00';
    const defaults = {
      title: spec.title,
      description: spec.description ?? null,
      theme: spec.theme ?? null,
      keyword: spec.keyword ?? null,
      license: spec.license ?? null,
      license_url: spec.licenseUrl ?? null,
      language,
      metadata_languages: [language],
      timezone: null,
      modified: spec.modified === undefined ? processed : spec.modified,
      modified_updates_on_metadata_change: false,
      modified_updates_on_data_change: false,
      data_processed: hasRecords ? processed : null,
      metadata_processed: '2026-10-02T06:30:12.644000+00:00',
      geographic_reference: null,
      geographic_reference_auto: true,
      territory: null,
      geometry_types:
        geo.length === 0 ? null : geo.some(({ type }) => type === 'geo_shape') ? ['LineString'] : ['Point'],
      bbox: polygon === null ? null : { type: 'Feature', geometry: polygon, properties: {} },
      publisher: spec.publisher ?? null,
      references: null,
      records_count: hasRecords ? rows().length : 0,
      attributions: null,
      source_domain: null,
      source_domain_title: null,
      source_domain_address: null,
      source_dataset: null,
      shared_catalog: null,
      federated: false,
      parent_domain: null,
      update_frequency: null,
      ...spec.metas?.['default'],
    };
    return {
      visibility: spec.isRestricted === true ? 'restricted' : 'domain',
      dataset_id: spec.id,
      dataset_uid: uidOf(portalId, spec.id),
      has_records: hasRecords,
      features: spec.features ?? [
        ...(hasRecords ? ['analyze'] : []),
        ...(isTimed ? ['timeserie'] : []),
        ...(geo.length > 0 ? ['geo'] : []),
      ],
      attachments: spec.attachments ?? [],
      alternative_exports: spec.alternativeExports ?? [],
      data_visible: spec.dataVisible ?? true,
      fields: fields.map((field) => ({
        name: field.name,
        description: field.description ?? null,
        annotations: field.annotations ?? {},
        label: field.label ?? field.name,
        type: field.type,
      })),
      metas: {
        ...spec.metas,
        dcat: { ...EMPTY_DCAT, ...spec.metas?.['dcat'] },
        // Present only where the portal has switched the template on.
        ...(spec.metas?.['inspire'] === undefined ? {} : { inspire: { ...EMPTY_INSPIRE, ...spec.metas['inspire'] } }),
        default: defaults,
      },
    };
  });

  return {
    spec,
    hasRecords,
    isVisible: spec.dataVisible ?? true,
    fields,
    schema: {
      columns,
      searched: [...columns.values()].filter(({ type }) => type === 'text'),
      forbidden: new Set(),
    },
    rows,
    rowText: (row) => {
      const known = texts.get(row);
      if (known !== undefined) return known;
      const text = toJsonText(Object.fromEntries(fields.map(({ name }) => [name, row[name] ?? null])));
      texts.set(row, text);
      return text;
    },
    entry,
    entryText: once(() => toJsonText(entry())),
    // The entry was built above with exactly this shape.
    defaults: () => (entry()['metas'] as { readonly default: Readonly<Record<string, unknown>> }).default,
  };
}
