import type { Column, OdsType, RowSchema } from '../odsql/schema.ts';
import type { LoadedDataset } from './opendatasoft-dataset.ts';

/** Metadata a catalog clause may name, by their name in `metas.default`. */
const DEFAULT_COLUMNS: readonly (readonly [string, OdsType, { multi?: true; facet?: true }])[] = [
  ['title', 'text', {}],
  ['description', 'text', {}],
  ['theme', 'text', { multi: true, facet: true }],
  ['keyword', 'text', { multi: true, facet: true }],
  ['license', 'text', { facet: true }],
  ['license_url', 'text', {}],
  ['language', 'text', { facet: true }],
  ['publisher', 'text', { facet: true }],
  ['modified', 'datetime', { facet: true }],
  ['data_processed', 'datetime', {}],
  ['metadata_processed', 'datetime', {}],
  ['records_count', 'int', {}],
  ['references', 'text', {}],
  ['territory', 'text', { multi: true }],
  ['source_domain', 'text', {}],
  ['source_dataset', 'text', {}],
  ['federated', 'boolean', {}],
  ['update_frequency', 'text', {}],
];

const DCAT_COLUMNS = ['created', 'issued', 'creator', 'contributor', 'accrualperiodicity', 'spatial', 'temporal'];

function createCatalogSchema(): RowSchema<LoadedDataset> {
  const columns = new Map<string, Column<LoadedDataset>>();
  const add = (
    name: string,
    type: OdsType,
    get: (dataset: LoadedDataset) => unknown,
    { multi, facet }: { multi?: true; facet?: true } = {},
  ): void => {
    columns.set(name, {
      name,
      type,
      isMultivalued: multi === true,
      isFacet: facet === true,
      isDisjunctive: false,
      get,
    });
  };
  for (const [name, type, flags] of DEFAULT_COLUMNS) {
    const get = (dataset: LoadedDataset): unknown => dataset.defaults()[name] ?? null;
    add(name, type, get, flags);
    add(`default.${name}`, type, get, flags);
  }
  for (const name of DCAT_COLUMNS) {
    add(`dcat.${name}`, 'text', (dataset) => {
      const { dcat } = dataset.entry()['metas'] as { readonly dcat: Readonly<Record<string, unknown>> };
      return dcat[name] ?? null;
    });
  }
  add('dataset_id', 'text', (dataset) => dataset.spec.id);
  add('dataset_uid', 'text', (dataset) => dataset.entry()['dataset_uid']);
  add('has_records', 'boolean', (dataset) => dataset.hasRecords);
  add('features', 'text', (dataset) => dataset.entry()['features'], { multi: true, facet: true });
  const searched = ['title', 'description', 'keyword', 'theme', 'publisher', 'dataset_id'];
  return {
    columns,
    searched: searched.map((name) => columns.get(name)).filter((column) => column !== undefined),
    forbidden: new Set(['data_visible', 'visibility']),
  };
}

export const CATALOG_SCHEMA: RowSchema<LoadedDataset> = createCatalogSchema();

/** Top-level keys of a dataset a catalog select may name besides the metadata. */
export const STRUCTURE_KEYS: ReadonlySet<string> = new Set([
  'visibility',
  'dataset_id',
  'dataset_uid',
  'has_records',
  'features',
  'attachments',
  'alternative_exports',
  'data_visible',
  'fields',
]);
