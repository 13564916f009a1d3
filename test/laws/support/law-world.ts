import { createCkanAdapter, ckanOptions } from '@civex/adapter-ckan';
import type { Call, RecordCapability, RecordsFacet, SourceAdapter } from '@civex/adapter-contract';
import { createCallTrace } from '@civex/adapter-contract';
import { createOpendatasoftAdapter, opendatasoftOptions } from '@civex/adapter-opendatasoft';
import { createSystemEnvironment } from '@civex/environment';
import type { Dataset } from '@civex/model';
import { describeCkanPortal, describeOpendatasoftPortal } from '@civex/sandbox';
import type { PortalQuirks } from '@civex/sandbox';
import type { Column, Row } from '../../test-support/reference.ts';
import { createDirectHttp } from './direct-http.ts';
import type { DirectPortal } from './direct-http.ts';
import type { LawRow, TableSpec } from './law-tables.ts';
import { COLUMNS, makeRows, TABLES } from './law-tables.ts';

export type Kind = 'opendatasoft' | 'ckan';

export interface LawTable {
  readonly spec: TableSpec;
  /** The columns the portal of this kind has. */
  readonly columns: readonly Column[];
  /** The truth, in stored order. */
  readonly rows: readonly Row[];
  readonly dataset: Dataset;
}

export interface LawWorld {
  readonly kind: Kind;
  readonly adapter: SourceAdapter;
  readonly tables: readonly LawTable[];
  /** From here on the portal answers so. */
  setQuirks(quirks: PortalQuirks): void;
  /** Answers so far that differ from what the portal says without its quirks. */
  bentAnswers(): number;
}

const ZONE = 'Europe/Paris';

const ODS_FIELDS = [
  { name: 's', type: 'text' },
  { name: 'n', type: 'double' },
  { name: 'i', type: 'int' },
  { name: 'b', type: 'boolean' },
  { name: 'd', type: 'date' },
  { name: 't', type: 'datetime' },
  { name: 'g', type: 'geo_point_2d' },
] as const;

function toOdsRow({ values }: LawRow): Readonly<Record<string, unknown>> {
  const { g, t } = values as {
    readonly g: { readonly coordinates: readonly number[] } | null;
    readonly t: string | null;
  };
  return {
    ...values,
    t: t?.replace('Z', '+00:00') ?? null,
    g: g === null ? null : { lon: g.coordinates[0], lat: g.coordinates[1] },
  };
}

const CKAN_FIELDS = [
  { id: 'key', type: 'int4' },
  { id: 's', type: 'text' },
  { id: 'n', type: 'float8' },
  { id: 'i', type: 'int8' },
  { id: 'b', type: 'bool' },
  { id: 'd', type: 'date' },
  { id: 't', type: 'timestamp' },
] as const;

function describePortal(kind: Kind, specs: readonly (readonly [TableSpec, readonly LawRow[]])[]): DirectPortal {
  const common = { id: kind, title: kind, language: 'fr', now: () => 0 };
  if (kind === 'opendatasoft')
    return describeOpendatasoftPortal({
      ...common,
      datasets: specs.map(([{ id, isUnique }, rows]) => ({
        id,
        title: id,
        fields: [
          { name: 'key', type: 'int' as const, ...(isUnique ? { annotations: { id: true } } : {}) },
          ...ODS_FIELDS,
        ],
        records: () => rows.map(toOdsRow),
      })),
    });
  return describeCkanPortal({
    ...common,
    packages: specs.map(([{ id }, rows]) => ({
      name: id,
      title: id,
      resources: [
        {
          name: 'table',
          format: 'CSV',
          table: {
            fields: CKAN_FIELDS,
            records: () => rows.map(({ values, wall }) => ({ ...values, t: wall })),
          },
        },
      ],
    })),
  });
}

export function createCall(): Call {
  return {
    signal: new AbortController().signal,
    deadlineEpochMs: Number.MAX_SAFE_INTEGER,
    requestId: 'law',
    trace: createCallTrace(),
  };
}

export async function createWorld(
  kind: Kind,
  isIncluded: (spec: TableSpec) => boolean = () => true,
): Promise<LawWorld> {
  const specs = TABLES.filter(isIncluded).map((spec) => [spec, makeRows(spec)] as const);
  const portal = describePortal(kind, specs);
  let quirks: PortalQuirks = {};
  let bent = 0;
  const answer: DirectPortal['answer'] = (request, given, contentType) => {
    const said = portal.answer(request, given, contentType);
    if (Object.keys(given).length > 0) {
      const honest = portal.answer(request, {}, contentType);
      if (honest.status !== said.status || textOf(honest.body) !== textOf(said.body)) bent++;
    }
    return said;
  };
  const http = createDirectHttp(kind, { answer }, () => quirks);
  const info = { source: kind, kind, title: kind, homepage: null, country: null, region: null, languages: ['fr'] };
  const clock = createSystemEnvironment();
  const adapter =
    kind === 'opendatasoft'
      ? createOpendatasoftAdapter({ info, timeZone: ZONE, options: opendatasoftOptions.parse({}) }, { http, clock })
      : createCkanAdapter(
          { info, baseUrl: 'http://portal.example', timeZone: ZONE, options: ckanOptions.parse({}) },
          { http, clock },
        );
  const found = await adapter.catalog.getMany(
    specs.map(([{ id }]) => id),
    createCall(),
  );
  const columns = kind === 'opendatasoft' ? COLUMNS : COLUMNS.filter(({ type }) => type !== 'GEOMETRY');
  const tables: LawTable[] = [];
  for (const [index, [spec, rows]] of specs.entries()) {
    const dataset = found[index];
    if (dataset == null || dataset instanceof Error) throw new Error(`the portal does not have ${spec.id}`);
    const described = await describe(adapter, dataset);
    // Records of CKAN always have a number of their own.
    const isUnique = spec.isUnique || kind === 'ckan';
    tables.push({ spec: { ...spec, isUnique }, columns, rows: rows.map(({ values }) => values), dataset: described });
  }
  return {
    kind,
    adapter,
    tables,
    setQuirks: (next) => {
      quirks = next;
    },
    bentAnswers: () => bent,
  };
}

const textOf = (body: string | Buffer | readonly string[]): string =>
  typeof body === 'string' || Buffer.isBuffer(body) ? body.toString() : body.join('');

async function describe(adapter: SourceAdapter, dataset: Dataset): Promise<Dataset> {
  if (dataset.recordsState !== 'undescribed') return dataset;
  const queryables = (await adapter.records?.describe?.(dataset, createCall())) ?? null;
  return queryables === null ? dataset : { ...dataset, recordsState: 'described', queryables };
}

function withCapability(
  adapter: SourceAdapter,
  change: (claimed: RecordCapability) => RecordCapability,
  changeFacet: (facet: RecordsFacet) => RecordsFacet = (facet) => facet,
): SourceAdapter {
  const { records } = adapter;
  if (records === undefined) throw new Error('the adapter has no records');
  const kept = new WeakMap<object, RecordCapability>();
  const capability = (dataset: Dataset): RecordCapability => {
    const key = dataset.queryables ?? dataset;
    const known = kept.get(key);
    if (known !== undefined) return known;
    const changed = change(records.capability(dataset));
    kept.set(key, changed);
    return changed;
  };
  return { ...adapter, records: changeFacet({ ...records, capability }) };
}

/** The same portal, of which nothing is asked but all its records in no order: the hub does everything itself. */
export const withoutPushdown = (adapter: SourceAdapter): SourceAdapter =>
  withCapability(
    adapter,
    ({ maxPageSize, maxWindow }) => ({
      grade: () => 'none',
      connectives: { and: false, or: false, not: false },
      sortsExactly: () => false,
      sourceOrder: null,
      recordIds: { kind: 'own' },
      maxPageSize,
      maxWindow,
      scanOrder: 'none',
    }),
    (facet) => ({
      capability: (dataset) => facet.capability(dataset),
      fetchWindow: (...ask) => facet.fetchWindow(...ask),
      scan: (...ask) => facet.scan(...ask),
    }),
  );

/** The same portal with the smallest pages and windows, so that few records lie beyond them. */
export const withSmallWindows = (adapter: SourceAdapter, maxPageSize: number, maxWindow: number): SourceAdapter =>
  withCapability(adapter, (claimed) => ({ ...claimed, maxPageSize, maxWindow }));
