import { parseExactJson, toJsonText } from '../json-text.ts';
import type { PortalQuirks, PortalRequest, SandboxPortal } from '../portal.ts';
import { stateTotal } from '../quirks.ts';
import { startPortalServer } from '../portal-server.ts';
import type { PortalAnswer, PortalServerOptions } from '../portal-server.ts';
import { uuidFrom } from '../random.ts';
import { CkanError, createCkanErrors } from './ckan-error.ts';
import { loadPackage } from './ckan-dataset.ts';
import type { CkanGroup, CkanLicense, CkanOrganization, CkanPackage, LoadedTable } from './ckan-dataset.ts';
import { searchTable, toBoolean } from './datastore.ts';
import { indexPackage, searchPackages } from './package-search.ts';
import type { IndexedPackage } from './package-search.ts';

export interface CkanPortalOptions {
  readonly id: string;
  readonly title: string;
  /** Language of the messages and of the DataStore's text order: `es`, `fr` or `en`. */
  readonly language: string;
  readonly packages: readonly CkanPackage[];
  readonly organizations?: readonly CkanOrganization[];
  readonly groups?: readonly CkanGroup[];
  readonly licenses?: readonly CkanLicense[];
  /** The address the portal believes to have, as in `resources[].url`. Default `https://<id>.example`. */
  readonly siteUrl?: string;
  /** 0, the default, picks a free port. */
  readonly port?: number;
  /** Clock in milliseconds since 1970, for `NOW` and the request log. Default: the system's. */
  readonly now?: () => number;
  /** Added to every healthy answer. Default 0. */
  readonly latencyMs?: number;
  /**
   * Tokens that may read private packages, as the whole `Authorization` header. As in CKAN, another one is no token at
   * all. Default: none.
   */
  readonly apiKeys?: readonly string[];
}

const JSON_HEADERS = { 'content-type': 'application/json;charset=utf-8', 'cache-control': 'no-cache', server: 'nginx' };
/** Names of one list answer, and objects with `all_fields`. Silent. */
const LIST_MAX = 1000;
const LIST_MAX_ALL_FIELDS = 25;
/** Datasets an `organization_show` includes. */
const INCLUDED_DATASETS = 10;

type Parameters = Readonly<Record<string, unknown>>;

/** A body that is a bare JSON text: unknown actions and unreadable bodies. */
class BareRefusal extends Error {}

function fromPairs(pairs: URLSearchParams): Parameters {
  const parameters: Record<string, unknown> = {};
  for (const name of new Set(pairs.keys())) {
    const values = pairs.getAll(name);
    parameters[name] = values.length === 1 ? values[0] : values;
  }
  return parameters;
}

function readParameters(request: PortalRequest, contentType: string): Parameters {
  const query = new URLSearchParams(request.search);
  if (request.method === 'GET') {
    query.delete('callback');
    return fromPairs(query);
  }
  if (request.body === '') return fromPairs(query);
  const isForm = contentType.includes('application/x-www-form-urlencoded');
  // As in CKAN, a form content type around a JSON body is read as JSON.
  if (isForm && !request.body.trimStart().startsWith('{')) return fromPairs(new URLSearchParams(request.body));
  let parsed: unknown;
  try {
    parsed = parseExactJson(request.body);
  } catch {
    throw new BareRefusal('Bad request - JSON Error: Error decoding JSON data.');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new BareRefusal(
      'Bad request - JSON Error: Request data JSON decoded to a value but it needs to be a dictionary.',
    );
  return parsed as Parameters;
}

/** Starts a stand-in for a CKAN 2.11 portal with its DataStore on the loopback interface. */
export function createCkanPortal(options: CkanPortalOptions): Promise<SandboxPortal> {
  return startPortalServer(describeCkanPortal(options));
}

/** The same portal without a listener, for callers that bring their own wire. */
export function describeCkanPortal(options: CkanPortalOptions): PortalServerOptions {
  const { language } = options;
  const now = options.now ?? Date.now;
  const siteUrl = options.siteUrl ?? `https://${options.id}.example`;
  const errors = createCkanErrors(language);
  const licenses = options.licenses ?? [];

  const owner = (kind: 'organization' | 'group', spec: CkanOrganization): Readonly<Record<string, unknown>> => ({
    id: uuidFrom(`${kind}/${spec.name}`),
    name: spec.name,
    title: spec.title,
    type: kind,
    description: spec.description ?? '',
    image_url: '',
    created: '2026-08-27T14:49:03.990422',
    is_organization: kind === 'organization',
    approval_status: 'approved',
    state: 'active',
  });
  const organizations = new Map((options.organizations ?? []).map((spec) => [spec.name, owner('organization', spec)]));
  const groups = new Map((options.groups ?? []).map((spec) => [spec.name, owner('group', spec)]));
  const registers = { siteUrl, organizations, groups, licenses: new Map(licenses.map((entry) => [entry.id, entry])) };

  const packages = options.packages.map((spec) => indexPackage(loadPackage(spec, registers)));
  const byKey = new Map(
    packages.flatMap((entry) => [[entry.loaded.id, entry] as const, [entry.loaded.spec.name, entry] as const]),
  );
  const tables = new Map(
    packages.flatMap(({ loaded }) => loaded.tables.map((table) => [table.resourceId, table] as const)),
  );

  const isOpen = ({ loaded }: IndexedPackage): boolean => loaded.spec.isPrivate !== true;
  const openPackages = packages.filter(isOpen);
  const apiKeys: ReadonlySet<string> = new Set(options.apiKeys);
  const hasToken = ({ headers }: PortalRequest): boolean =>
    typeof headers['authorization'] === 'string' && apiKeys.has(headers['authorization']);
  const assertReadable = (packageName: string, id: string, request: PortalRequest): void => {
    const found = byKey.get(packageName);
    if (found !== undefined && !isOpen(found) && !hasToken(request)) throw errors.notAuthorized(id);
  };

  const required = (parameters: Parameters, name: string): string => {
    const value = parameters[name];
    if (typeof value !== 'string' || value === '') throw errors.validation({ [name]: [errors.text('missingValue')] });
    return value;
  };
  const findTable = (id: string, request: PortalRequest): LoadedTable => {
    const table = tables.get(id);
    if (table === undefined) throw errors.resourceNotFound(id);
    assertReadable(table.packageName, id, request);
    return table;
  };
  const count = (parameters: Parameters, name: string, fallback: number): number => {
    const value = parameters[name];
    if (value === undefined || value === '') return fallback;
    const parsed = Number(value);
    if (!Number.isInteger(parsed)) throw errors.validation({ [name]: [errors.text('invalidInteger')] });
    if (parsed < 0) throw errors.validation({ [name]: [errors.text('naturalNumber')] });
    return parsed;
  };

  const packagesOf = (kind: 'organization' | 'groups', name: string): Readonly<Record<string, unknown>>[] =>
    openPackages
      .filter(
        ({ document }) => document.strings[kind]?.includes(name) && document.strings['dataset_type']?.[0] === 'dataset',
      )
      .map(({ loaded }) => loaded.body);

  const listOwners = (
    all: ReadonlyMap<string, Readonly<Record<string, unknown>>>,
    kind: 'organization' | 'groups',
    parameters: Parameters,
  ): unknown => {
    const isFull = toBoolean(parameters['all_fields'], false);
    const limit = Math.min(count(parameters, 'limit', Infinity), isFull ? LIST_MAX_ALL_FIELDS : LIST_MAX);
    const offset = count(parameters, 'offset', 0);
    const names = [...all.keys()].sort().slice(offset, offset + limit);
    if (!isFull) return names;
    return names.map((name) => ({
      ...all.get(name),
      display_name: all.get(name)?.['title'],
      image_display_url: '',
      num_followers: 0,
      package_count: packagesOf(kind, name).length,
    }));
  };

  const showOwner = (
    all: ReadonlyMap<string, Readonly<Record<string, unknown>>>,
    kind: 'organization' | 'groups',
    parameters: Parameters,
  ): unknown => {
    const id = required(parameters, 'id');
    const found = [...all.values()].find((entry) => entry['name'] === id || entry['id'] === id);
    if (found === undefined) throw errors.notFound();
    const own = packagesOf(kind, String(found['name'] as string));
    return {
      ...found,
      display_name: found['title'],
      image_display_url: '',
      num_followers: 0,
      package_count: own.length,
      ...(toBoolean(parameters['include_datasets'], false) ? { packages: own.slice(0, INCLUDED_DATASETS) } : {}),
      users: [],
      extras: [],
      tags: [],
    };
  };

  const datastoreSearch = (parameters: Parameters, quirks: PortalQuirks, request: PortalRequest): unknown => {
    const id =
      typeof parameters['resource_id'] === 'string' ? required(parameters, 'resource_id') : required(parameters, 'id');
    const table = findTable(id, request);
    const format = parameters['records_format'] ?? 'objects';
    if (format !== 'objects' && format !== 'lists')
      throw errors.validation({ records_format: [`invalid value "${String(format as string)}"`] });
    const { fields, rows, total, limit, offset } = searchTable(table, parameters, language, quirks, errors);
    const includeTotal = toBoolean(parameters['include_total'], true);
    const query = new URLSearchParams(
      request.method === 'GET' ? request.search : `resource_id=${encodeURIComponent(id)}`,
    );
    const link = (from: number): string => {
      const copy = new URLSearchParams(query);
      copy.delete('offset');
      if (parameters['limit'] !== undefined) copy.set('limit', String(limit));
      if (from > 0) copy.set('offset', String(from));
      return `/api/3/action/datastore_search?${copy.toString()}`;
    };
    return {
      include_total: includeTotal,
      ...(parameters['limit'] === undefined ? {} : { limit }),
      ...(parameters['offset'] === undefined ? {} : { offset: count(parameters, 'offset', 0) }),
      ...(parameters['filters'] === undefined ? {} : { filters: parameters['filters'] }),
      ...(parameters['q'] === undefined ? {} : { q: parameters['q'] }),
      ...(parameters['sort'] === undefined ? {} : { sort: parameters['sort'] }),
      records_format: format,
      resource_id: id,
      total_estimation_threshold: null,
      records: format === 'lists' ? rows.map((row) => fields.map((field) => row[field.id] ?? null)) : rows,
      fields,
      // Always there, past the end as well.
      _links: {
        start: link(0),
        next: link(offset + limit),
        ...(offset > 0 ? { prev: link(Math.max(0, offset - limit)) } : {}),
      },
      ...(includeTotal ? { total: stateTotal(total, quirks), total_was_estimated: false } : {}),
    };
  };

  const datastoreInfo = (parameters: Parameters, _quirks: PortalQuirks, request: PortalRequest): unknown => {
    const id =
      typeof parameters['resource_id'] === 'string' ? required(parameters, 'resource_id') : required(parameters, 'id');
    const table = findTable(id, request);
    return {
      meta: { id, count: table.rows().length, table_type: 'BASE TABLE', size: 0, db_size: 0, idx_size: 0, aliases: [] },
      fields: table.fields
        .filter((field) => field.id !== '_id')
        .map((field) => ({
          ...field,
          schema: { notnull: false, index_name: null, is_index: false, native_type: field.type, uniquekey: false },
        })),
    };
  };

  type Action = (parameters: Parameters, quirks: PortalQuirks, request: PortalRequest) => unknown;
  const actions: Readonly<Record<string, Action>> = {
    package_search: (parameters, quirks, request) => {
      const isPrivateAsked = toBoolean(parameters['include_private'], false);
      const visible = isPrivateAsked && hasToken(request) ? packages : openPackages;
      return searchPackages(visible, parameters, quirks, errors, now());
    },
    package_show: (parameters, _quirks, request) => {
      const id = required(parameters, 'id');
      const found = byKey.get(id);
      if (found === undefined) throw errors.notFound();
      assertReadable(found.loaded.spec.name, id, request);
      return found.loaded.body;
    },
    package_list: (parameters) => {
      const offset = count(parameters, 'offset', 0);
      const names = openPackages.map(({ loaded }) => loaded.spec.name).sort();
      return names.slice(offset, offset + count(parameters, 'limit', Infinity));
    },
    resource_show: (parameters, _quirks, request) => {
      const id = required(parameters, 'id');
      for (const { loaded } of packages) {
        const resources = loaded.body['resources'] as readonly { id: string }[];
        const found = resources.find((resource) => resource.id === id);
        if (found === undefined) continue;
        assertReadable(loaded.spec.name, id, request);
        return found;
      }
      throw errors.notFound();
    },
    organization_list: (parameters) => listOwners(organizations, 'organization', parameters),
    organization_show: (parameters) => showOwner(organizations, 'organization', parameters),
    group_list: (parameters) => listOwners(groups, 'groups', parameters),
    group_show: (parameters) => showOwner(groups, 'groups', parameters),
    license_list: () => licenses,
    tag_list: () => [...new Set(openPackages.flatMap(({ loaded }) => [...(loaded.spec.tags ?? [])]))].sort(),
    status_show: () => ({
      ckan_version: '2.11.5',
      site_url: siteUrl,
      site_description: '',
      site_title: options.title,
      error_emails_to: null,
      locale_default: language,
      extensions: ['activity', 'datastore', 'xloader'],
    }),
    datastore_search: datastoreSearch,
    datastore_info: datastoreInfo,
  };

  const helpUrl = (action: string): string => `${siteUrl}/api/3/action/help_show?name=${action}`;

  const act = (action: string, request: PortalRequest, contentType: string, quirks: PortalQuirks): PortalAnswer => {
    const run = Object.hasOwn(actions, action) ? actions[action] : undefined;
    try {
      if (run === undefined) throw new BareRefusal(`Bad request: Action name not known: ${action}`);
      const result = run(readParameters(request, contentType), quirks, request);
      const body = `{"help": ${JSON.stringify(helpUrl(action))}, "success": true, "result": ${toJsonText(result)}}`;
      return { status: 200, headers: JSON_HEADERS, body };
    } catch (error) {
      if (error instanceof BareRefusal)
        return { status: 400, headers: JSON_HEADERS, body: JSON.stringify(error.message) };
      if (!(error instanceof CkanError)) throw error;
      const body = { help: helpUrl(action), success: false, error: error.body };
      const status = quirks.refusesWith200 === true ? 200 : error.status;
      return { status, headers: JSON_HEADERS, body: JSON.stringify(body) };
    }
  };

  const plain = (status: number, text: string): PortalAnswer => ({
    status,
    headers: { 'content-type': 'text/html; charset=utf-8', server: 'nginx' },
    body: `<!DOCTYPE html><html><head><title>${text}</title></head><body><h1>${text}</h1></body></html>`,
  });

  const dump = (id: string, request: PortalRequest, quirks: PortalQuirks): PortalAnswer => {
    const table = tables.get(id);
    if (table === undefined) return plain(404, errors.text('notFound'));
    const owner = byKey.get(table.packageName);
    if (owner !== undefined && !isOpen(owner) && !hasToken(request)) return plain(403, errors.text('accessDenied'));
    const { format = 'csv', bom, ...parameters } = fromPairs(new URLSearchParams(request.search));
    if (format !== 'csv' && format !== 'json') return plain(400, 'format');
    try {
      const { fields, rows } = searchTable(
        table,
        parameters,
        language,
        { ...quirks, capsSilentlyAt: Infinity },
        errors,
        Infinity,
        Infinity,
      );
      const mark = toBoolean(bom, false) ? '\uFEFF' : '';
      if (format === 'json') {
        const lines = rows.map((row) => `    ${toJsonText(fields.map((field) => row[field.id] ?? null))}`);
        const head = fields.map(({ id: name, type }) => `    ${JSON.stringify({ type, id: name })}`).join(',\n');
        const body = [`${mark}{\n  "fields": [\n${head}\n  ],\n  "records": [`, '\n', lines.join(',\n'), '\n]}\n'];
        return {
          status: 200,
          headers: { ...JSON_HEADERS, 'content-disposition': `attachment; filename="${id}.json"` },
          body,
        };
      }
      const headers = {
        'content-type': 'text/csv; charset=utf-8',
        'content-disposition': `attachment; filename="${id}.csv"`,
      };
      const lines = rows.map((row) => toCsvLine(fields.map((field) => row[field.id])));
      return { status: 200, headers, body: [mark + toCsvLine(fields.map((field) => field.id)), ...lines] };
    } catch (error) {
      if (error instanceof CkanError) return plain(error.status, 'error');
      throw error;
    }
  };

  const answer = (request: PortalRequest, quirks: PortalQuirks, contentType: string): PortalAnswer => {
    const action = /^\/api\/(?:3\/)?action\/([^/]+)\/?$/.exec(request.path)?.[1];
    const table = /^\/datastore\/dump\/([^/]+)\/?$/.exec(request.path)?.[1];
    if (request.method !== 'GET' && request.method !== 'POST') return plain(405, 'Method Not Allowed');
    if (action !== undefined) return act(action, request, contentType, quirks);
    if (table !== undefined && request.method === 'GET') return dump(table, request, quirks);
    return plain(404, errors.text('notFound'));
  };

  return {
    id: options.id,
    kind: 'ckan',
    title: options.title,
    language,
    port: options.port,
    now,
    latencyMs: options.latencyMs,
    answer,
    failure: (status) =>
      status === 429
        ? { ...plain(429, 'Too Many Requests'), headers: { 'content-type': 'text/html', 'retry-after': '1' } }
        : {
            status,
            headers: JSON_HEADERS,
            body: JSON.stringify({
              help: helpUrl('package_search'),
              success: false,
              error: { __type: 'Internal Server Error', message: errors.text('serverError') },
            }),
          },
    truth: (datasetId) => {
      const found = byKey.get(datasetId);
      const table = found === undefined ? tables.get(datasetId) : found.loaded.tables[0];
      const loaded = found?.loaded ?? (table === undefined ? undefined : byKey.get(table.packageName)?.loaded);
      if (loaded === undefined) return null;
      return {
        datasetId,
        title: loaded.spec.title,
        fields: table === undefined ? null : table.fields.map(({ id, type }) => ({ name: id, type })),
        records: table === undefined ? null : table.rows(),
      };
    },
  };
}

function toCsvLine(cells: readonly unknown[]): string {
  const texts = cells.map((cell) => {
    if (cell === null || cell === undefined) return '';
    // Python's csv module writes booleans in its own spelling.
    const text =
      typeof cell === 'string' ? cell : typeof cell === 'boolean' ? (cell ? 'True' : 'False') : toJsonText(cell);
    return /["\r\n,]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${texts.join(',')}\r\n`;
}
