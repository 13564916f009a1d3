import type { PortalQuirks } from '../portal.ts';
import type { CkanErrors } from './ckan-error.ts';
import type { LoadedPackage } from './ckan-dataset.ts';
import { analyse, compileDismax, compileLucene, SolrSyntaxError } from './solr-query.ts';
import type { SolrDocument, SolrSchema } from './solr-query.ts';
import { toBoolean } from './datastore.ts';

/** `ckan.search.rows_max` of a stock installation. */
const MAX_ROWS = 1000;
const DEFAULT_SORT = 'score desc, metadata_modified desc';

const STRING_FIELDS =
  'id name title_string organization groups tags res_format res_type license_id author dataset_type state capacity isopen';
const TEXT_FIELDS = 'title notes text url';
const DATE_FIELDS = 'metadata_created metadata_modified';

const ACCEPTED: ReadonlySet<string> = new Set(
  (
    'q fl fq rows sort start wt qf bf boost facet facet.mincount facet.limit facet.field extras fq_list tie defType mm df ' +
    'include_private include_drafts include_deleted use_default_schema'
  ).split(' '),
);
/** Accepted by the real thing and not evaluated here: refused so that nobody believes they took effect. */
const NOT_EVALUATED = ['fl', 'qf', 'bf', 'boost', 'tie', 'mm', 'df', 'extras', 'wt'];

export interface IndexedPackage {
  readonly loaded: LoadedPackage;
  readonly document: SolrDocument;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const namesOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.map((entry: { name?: unknown }) => textOf(entry.name)) : [];

export function indexPackage(loaded: LoadedPackage): IndexedPackage {
  const { body } = loaded;
  const resources = (body['resources'] as readonly Readonly<Record<string, unknown>>[]) ?? [];
  const organization = body['organization'] as { name?: unknown; title?: unknown } | null;
  const groups = (body['groups'] as readonly Readonly<Record<string, unknown>>[]) ?? [];
  const extras = Object.entries(loaded.spec.extras ?? {});
  const strings: Record<string, readonly string[]> = {
    id: [loaded.id],
    name: [loaded.spec.name],
    title_string: [loaded.spec.title],
    organization: organization === null ? [] : [textOf(organization.name)],
    groups: namesOf(groups),
    tags: namesOf(body['tags']),
    res_format: resources.map((resource) => textOf(resource['format'])),
    res_type: [],
    license_id: body['license_id'] === null ? [] : [textOf(body['license_id'])],
    author: [textOf(body['author'])],
    dataset_type: [textOf(body['type'])],
    state: ['active'],
    capacity: [loaded.spec.isPrivate === true ? 'private' : 'public'],
    isopen: [String(body['isopen'])],
  };
  const everything = [
    loaded.spec.name,
    loaded.spec.title,
    textOf(body['notes']),
    ...namesOf(body['tags']),
    ...groups.flatMap((group) => [textOf(group['name']), textOf(group['title'])]),
    textOf(organization?.name),
    textOf(organization?.title),
    textOf(body['author']),
    ...resources.flatMap((resource) => [textOf(resource['name']), textOf(resource['description'])]),
    ...extras.map(([, value]) => value),
  ];
  const texts: Record<string, readonly string[]> = {
    title: analyse(loaded.spec.title),
    notes: analyse(textOf(body['notes'])),
    url: analyse(textOf(body['url'])),
    text: everything.flatMap(analyse),
  };
  for (const [key, value] of extras) texts[`extras_${key}`] = analyse(value);
  return {
    loaded,
    document: {
      strings,
      texts,
      dates: {
        metadata_created: Date.parse(`${textOf(body['metadata_created'])}Z`),
        metadata_modified: Date.parse(`${textOf(body['metadata_modified'])}Z`),
      },
    },
  };
}

export type SearchParameters = Readonly<Record<string, unknown>>;

interface Scored {
  readonly entry: IndexedPackage;
  readonly score: number;
}

/** The result object of `package_search`. */
export function searchPackages(
  packages: readonly IndexedPackage[],
  parameters: SearchParameters,
  quirks: PortalQuirks,
  errors: CkanErrors,
  nowMs: number,
): Readonly<Record<string, unknown>> {
  const invalid = Object.keys(parameters).filter((name) => !ACCEPTED.has(name) && !name.startsWith('ext_'));
  if (invalid.length > 0)
    throw errors.searchQuery(`Invalid search parameters: [${invalid.map((name) => `'${name}'`).join(', ')}]`);
  for (const name of NOT_EVALUATED)
    if (parameters[name] !== undefined) throw errors.searchQuery(`Parameter not evaluated on this portal: ${name}`);
  const parser = parameters['defType'];
  if (parser !== undefined && parser !== 'dismax' && parser !== 'edismax' && parser !== 'lucene')
    throw errors.searchQuery('Unknown query parser');

  const readCount = (name: string, fallback: number): number => {
    const value = parameters[name];
    if (value === undefined || value === null || value === '') return fallback;
    const count =
      typeof value === 'number' ? value : /^[+-]?\d+$/.test(String(value as string)) ? Number(value) : Number.NaN;
    if (!Number.isInteger(count)) throw errors.validation({ [name]: [errors.text('invalidInteger')] });
    if (count < 0) throw errors.validation({ [name]: [errors.text('naturalNumber')] });
    return count;
  };
  const rows = Math.min(readCount('rows', 10), MAX_ROWS, quirks.capsSilentlyAt ?? Infinity);
  const asked = readCount('start', 0);
  const start = quirks.repeatsPages === true ? 0 : asked;

  const schema: SolrSchema = {
    strings: new Set(STRING_FIELDS.split(' ')),
    texts: new Set([...TEXT_FIELDS.split(' '), ...packages.flatMap(({ document }) => Object.keys(document.texts))]),
    dates: new Set(DATE_FIELDS.split(' ')),
    defaultField: 'text',
    nowMs,
  };
  const text = (name: string): string => {
    const value = parameters[name];
    if (value === undefined || value === null) return '';
    // A repeated parameter arrives as a list, which the search cannot join.
    if (typeof value !== 'string') throw errors.searchQuery(`Parameter ${name} must be a single text`);
    if (value.trimStart().startsWith('{!')) throw errors.searchQuery('Local parameters are not supported.');
    return value;
  };
  const lucene = (source: string): ((document: SolrDocument) => boolean) => {
    try {
      return compileLucene(source, schema);
    } catch (error) {
      if (!(error instanceof SolrSyntaxError)) throw error;
      if (quirks.ignoresUnknownWhere === true && error.message.startsWith('undefined field')) return () => true;
      throw errors.search(`SOLR returned an error running query: ${source} Error: ${error.message}`);
    }
  };

  const q = text('q').trim();
  let scoreOf: (document: SolrDocument) => number;
  if (q === '' || q === '*:*') scoreOf = () => 1;
  else if (q.includes(':') || parser === 'lucene') {
    const test = lucene(q);
    scoreOf = (document) => (test(document) ? 1 : 0);
  } else scoreOf = compileDismax(q);

  const list = parameters['fq_list'];
  if (list !== undefined && (!Array.isArray(list) || list.some((entry) => typeof entry !== 'string')))
    throw errors.searchQuery('fq_list must be a list of texts');
  const fq = [text('fq'), ...(Array.isArray(list) ? list.map(String) : [])].filter((source) => source.trim() !== '');
  const filters = fq.map(lucene);

  const sortText = text('sort').trim() === '' ? DEFAULT_SORT : text('sort');
  const terms = sortText.split(',').map((part) => {
    const match = /^\s*(\S+)\s+(asc|desc)\s*$/i.exec(part);
    const name = match?.[1] ?? '';
    const isKnown =
      name === 'score' ||
      schema.dates.has(name) ||
      ['id', 'name', 'title_string', 'author', 'license_id'].includes(name);
    if (match === null || !isKnown) throw errors.searchQuery('Invalid "sort" parameter');
    return { name, sign: match[2]?.toLowerCase() === 'desc' ? -1 : 1 };
  });

  const matching: Scored[] = [];
  for (const entry of packages) {
    const score = scoreOf(entry.document);
    if (score > 0 && filters.every((test) => test(entry.document))) matching.push({ entry, score });
  }
  matching.sort((a, b) => {
    for (const { name, sign } of terms) {
      let order: number;
      if (name === 'score') order = a.score - b.score;
      else if (schema.dates.has(name))
        order = (a.entry.document.dates[name] ?? 0) - (b.entry.document.dates[name] ?? 0);
      else {
        // Exact fields sort by bytes, upper case before lower case.
        const [x, y] = [a.entry.document.strings[name]?.[0] ?? '', b.entry.document.strings[name]?.[0] ?? ''];
        order = Buffer.compare(Buffer.from(x), Buffer.from(y));
      }
      if (order !== 0) return sign * order;
    }
    return 0;
  });

  const facets: Record<string, Record<string, number>> = {};
  const searchFacets: Record<string, unknown> = {};
  if (toBoolean(parameters['facet'], true)) {
    for (const field of readFacetFields(parameters['facet.field'], errors)) {
      if (!schema.strings.has(field)) throw errors.search(`undefined field: "${field}"`);
      const counts = new Map<string, number>();
      for (const { entry } of matching)
        for (const value of new Set(entry.document.strings[field])) counts.set(value, (counts.get(value) ?? 0) + 1);
      const least = readCount('facet.mincount', 1);
      const limitText = parameters['facet.limit'];
      const limit = limitText === '-1' || limitText === -1 ? Infinity : readCount('facet.limit', 50);
      const items = [...counts]
        .filter(([, count]) => count >= least)
        .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
        .slice(0, limit);
      facets[field] = Object.fromEntries(items);
      const titles = new Map(
        packages.flatMap(({ loaded }) => {
          const { organization, groups } = loaded.body as {
            organization: { name: string; title: string } | null;
            groups: readonly { name: string; title: string }[];
          };
          const owners =
            field === 'organization' ? (organization === null ? [] : [organization]) : field === 'groups' ? groups : [];
          return owners.map(({ name, title }) => [name, title] as const);
        }),
      );
      searchFacets[field] = {
        title: field,
        items: items.map(([name, count]) => ({ name, display_name: titles.get(name) ?? name, count })),
      };
    }
  }

  return {
    count: Math.max(0, matching.length + (quirks.wrongTotal ?? 0)),
    facets,
    results: matching.slice(start, start + rows).map(({ entry }) => entry.loaded.body),
    sort: sortText,
    search_facets: searchFacets,
  };
}

function readFacetFields(value: unknown, errors: CkanErrors): readonly string[] {
  if (value === undefined || value === null || value === '') return [];
  let list: unknown = value;
  if (typeof value === 'string')
    try {
      list = JSON.parse(value);
    } catch {
      list = null;
    }
  if (!Array.isArray(list) || list.some((entry) => typeof entry !== 'string'))
    throw errors.validation({ 'facet.field': ['Could not parse as valid JSON'] });
  return list.map(String);
}
