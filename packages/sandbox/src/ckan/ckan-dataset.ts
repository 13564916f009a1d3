import { uuidFrom } from '../random.ts';

export interface CkanOrganization {
  readonly name: string;
  readonly title: string;
  readonly description?: string;
}

export type CkanGroup = CkanOrganization;

export interface CkanLicense {
  readonly id: string;
  readonly title: string;
  readonly url: string;
  /** Other keys of the register, as the portal writes them: booleans may be texts. */
  readonly [key: string]: unknown;
}

/** PostgreSQL types as `datastore_search` names them. */
export type DatastoreType =
  | 'int'
  | 'int4'
  | 'int8'
  | 'numeric'
  | 'float8'
  | 'text'
  | 'bool'
  | 'json'
  | '_text'
  | 'timestamp'
  | 'date';

export interface DatastoreField {
  readonly id: string;
  readonly type: DatastoreType;
  readonly info?: { readonly label?: string; readonly notes?: string };
}

export type DatastoreRow = Readonly<Record<string, unknown>>;

/** A table of the DataStore without its `_id` column, which counts from 1 in the given order. */
export interface CkanTable {
  readonly fields: readonly DatastoreField[];
  /** A function is called once, when somebody first asks. */
  readonly records: readonly DatastoreRow[] | (() => readonly DatastoreRow[]);
}

export interface CkanResource {
  /** Made from the package and the position when absent. */
  readonly id?: string;
  readonly name: string;
  readonly format: string;
  readonly url?: string;
  readonly mimetype?: string | null;
  readonly size?: number | string | null;
  readonly description?: string;
  readonly lastModified?: string | null;
  /** Present: the resource is queryable. */
  readonly table?: CkanTable;
  /** Custom keys at the top level of the resource. */
  readonly custom?: Readonly<Record<string, unknown>>;
}

export interface CkanPackage {
  /** Made from the name when absent. */
  readonly id?: string;
  readonly name: string;
  readonly title: string;
  readonly notes?: string;
  /** `dataset` when absent; harvest sources are of another type. */
  readonly type?: string;
  readonly organization?: string;
  readonly groups?: readonly string[];
  readonly tags?: readonly string[];
  readonly licenseId?: string | null;
  readonly author?: string;
  readonly maintainer?: string;
  readonly maintainerEmail?: string;
  readonly url?: string;
  /** Naive ISO texts with microseconds, as CKAN writes them. */
  readonly created?: string;
  readonly modified?: string;
  readonly resources?: readonly CkanResource[];
  readonly extras?: Readonly<Record<string, string>>;
  /** Custom keys at the top level of the package. */
  readonly custom?: Readonly<Record<string, unknown>>;
  /** True: only those who send a token of the portal see the package, and only when they ask for private ones. */
  readonly isPrivate?: boolean;
}

export interface LoadedTable {
  readonly resourceId: string;
  readonly packageName: string;
  readonly fields: readonly DatastoreField[];
  /** With `_id`. */
  readonly rows: () => readonly DatastoreRow[];
}

export interface LoadedPackage {
  readonly spec: CkanPackage;
  readonly id: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly tables: readonly LoadedTable[];
}

export interface CkanRegisters {
  readonly siteUrl: string;
  readonly organizations: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  readonly groups: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  readonly licenses: ReadonlyMap<string, CkanLicense>;
}

const CREATED = '2026-08-27T14:49:03.990422';
const MODIFIED = '2026-09-01T23:01:10.433111';

function loadTable(table: CkanTable, resourceId: string, packageName: string): LoadedTable {
  let rows: readonly DatastoreRow[] | null = null;
  return {
    resourceId,
    packageName,
    fields: [{ id: '_id', type: 'int' }, ...table.fields],
    rows: () => {
      if (rows !== null) return rows;
      const given = typeof table.records === 'function' ? table.records() : table.records;
      rows = given.map((record, index) => ({
        _id: index + 1,
        ...Object.fromEntries(table.fields.map(({ id }) => [id, record[id] ?? null])),
      }));
      return rows;
    },
  };
}

/** The package as `package_show` and `package_search` return it. */
export function loadPackage(spec: CkanPackage, registers: CkanRegisters): LoadedPackage {
  const id = spec.id ?? uuidFrom(`package/${spec.name}`);
  const tables: LoadedTable[] = [];
  const modified = spec.modified ?? MODIFIED;
  const resources = (spec.resources ?? []).map((resource, position) => {
    const resourceId = resource.id ?? uuidFrom(`resource/${spec.name}/${position}`);
    if (resource.table !== undefined) tables.push(loadTable(resource.table, resourceId, spec.name));
    const extension = resource.format.toLowerCase();
    return {
      cache_last_updated: null,
      cache_url: null,
      created: spec.created ?? CREATED,
      datastore_active: resource.table !== undefined,
      datastore_contains_all_records_of_source_file: resource.table !== undefined,
      description: resource.description ?? '',
      format: resource.format,
      hash: '',
      id: resourceId,
      last_modified: resource.lastModified === undefined ? modified : resource.lastModified,
      metadata_modified: modified,
      mimetype: resource.mimetype ?? null,
      mimetype_inner: null,
      name: resource.name,
      package_id: id,
      position,
      resource_type: null,
      size: resource.size ?? null,
      state: 'active',
      url:
        resource.url ?? `${registers.siteUrl}/dataset/${id}/resource/${resourceId}/download/${resourceId}.${extension}`,
      url_type: resource.url === undefined ? 'upload' : null,
      ...resource.custom,
    };
  });
  const organization =
    spec.organization === undefined ? null : (registers.organizations.get(spec.organization) ?? null);
  const license = registers.licenses.get(spec.licenseId ?? '');
  const body: Record<string, unknown> = {
    author: spec.author ?? '',
    author_email: '',
    creator_user_id: uuidFrom('user/harvest'),
    id,
    isopen: license?.['od_conformance'] === 'approved',
    license_id: spec.licenseId ?? null,
    // A licence outside the register is repeated as its own title and has no address.
    license_title: license?.title ?? spec.licenseId ?? null,
    maintainer: spec.maintainer ?? '',
    maintainer_email: spec.maintainerEmail ?? '',
    metadata_created: spec.created ?? CREATED,
    metadata_modified: modified,
    name: spec.name,
    notes: spec.notes ?? '',
    num_resources: resources.length,
    num_tags: spec.tags?.length ?? 0,
    organization,
    owner_org: organization?.['id'] ?? null,
    private: spec.isPrivate === true,
    state: 'active',
    title: spec.title,
    type: spec.type ?? 'dataset',
    url: spec.url ?? '',
    version: '',
    ...spec.custom,
    groups: (spec.groups ?? []).map((name) => {
      const group = registers.groups.get(name) ?? {};
      return {
        description: group['description'] ?? '',
        display_name: group['title'] ?? name,
        id: group['id'] ?? name,
        image_display_url: '',
        name,
        title: group['title'] ?? name,
      };
    }),
    resources,
    tags: [...(spec.tags ?? [])].map((name) => ({
      display_name: name,
      id: uuidFrom(`tag/${name}`),
      name,
      state: 'active',
      vocabulary_id: null,
    })),
    relationships_as_subject: [],
    relationships_as_object: [],
  };
  if (license !== undefined && license.url !== '') body['license_url'] = license.url;
  if (spec.extras !== undefined) body['extras'] = Object.entries(spec.extras).map(([key, value]) => ({ key, value }));
  return { spec, id, body, tables };
}
