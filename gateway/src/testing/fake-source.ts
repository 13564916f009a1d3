import type { CatalogPage, SourceAdapter } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import { encodeDatasetId } from '@civex/model';
import type { Dataset } from '@civex/model';
import type { AggregateResult, RecordDoor, RecordPlanReport, RecordResult } from '@civex/records';
import { NO_PLAN } from '../aggregate-result.ts';
import { createCursorSeal, CURSOR_KEY_BYTES } from '../cursor-seal.ts';
import type { HubServices, LocalSource } from '../context.ts';

/** Datasets of a source that lives in memory, with every field filled or null by turns. */
function fakeDataset(source: string, localId: string, index: number): Dataset {
  const odd = index % 2 === 1;
  return {
    id: encodeDatasetId({ source, localId }),
    source,
    localId,
    identifier: odd ? `urn:${localId}` : null,
    titles: odd ? { fr: `Titre ${localId}`, en: `Title ${localId}` } : { und: `Bare ${localId}` },
    descriptions: odd ? { fr: 'Une description' } : {},
    keywords: odd ? ['velo', 'station'] : [],
    themes: odd ? ['TRAN'] : [],
    publisher: odd ? { name: 'Ville', homepage: null, type: null } : null,
    contactPoint: odd ? { name: 'Guichet', email: null, url: null } : null,
    license: odd
      ? {
          status: 'KNOWN',
          id: 'LO-2.0',
          uri: 'https://example.org/lo',
          title: 'Licence Ouverte 2.0',
          raw: 'lov2',
          family: 'LO',
        }
      : { status: 'NOT_STATED', id: null, uri: null, title: null, raw: null, family: null },
    accessRights: 'PUBLIC',
    issued: null,
    modified: odd ? '2026-03-01T00:00:00Z' : null,
    accrualPeriodicity: odd ? 'DAILY' : null,
    languages: odd ? ['fr', 'en'] : [],
    spatial: odd
      ? { bbox: [-1, 44, 0, 45], centroid: { type: 'Point', coordinates: [-0.5, 44.5] }, label: 'Bordeaux' }
      : null,
    temporal: odd ? { start: '2020-01-01T00:00:00Z', end: null } : null,
    landingPage: odd ? `https://example.org/${localId}` : null,
    distributions: odd
      ? [
          {
            id: 'csv',
            title: null,
            format: 'CSV',
            mediaType: 'text/csv',
            accessURL: null,
            downloadURL: 'https://example.org/x.csv',
            byteSize: 12,
            modified: null,
            license: null,
          },
        ]
      : [],
    recordsState: odd ? 'described' : 'none',
    queryables: odd ? [{ name: 'n', titles: { fr: 'Nombre' }, descriptions: {}, type: 'INTEGER', unit: null }] : null,
    recordCount: odd ? 3 : null,
    raw: { themes: ['Mobilité'] },
  };
}

export interface FakeSource extends LocalSource {
  /** Ids of every `getMany`, in order of the calls. */
  readonly batches: (readonly string[])[];
  fault: HubError | null;
}

export function createFakeSource(source: string, count: number, overrides: Partial<Dataset> = {}): FakeSource {
  const datasets = Array.from({ length: count }, (_, index) => ({
    ...fakeDataset(source, `d${index}`, index),
    ...overrides,
  }));
  const batches: (readonly string[])[] = [];
  const fake = {
    kind: 'local' as const,
    info: {
      source,
      kind: 'fake',
      title: `Source ${source}`,
      homepage: null,
      country: 'FR',
      region: null,
      languages: ['fr'],
    },
    batches,
    fault: null as HubError | null,
    describe: () => fake.info,
    health: () =>
      Promise.resolve({
        state: 'UP' as const,
        checkedAt: '2026-01-01T00:00:00Z',
        reason: null,
        latencyMs: 1,
        datasetCount: count,
      }),
    close: () => Promise.resolve(),
    adapter: {} as SourceAdapter,
  };
  fake.adapter = {
    info: fake.info,
    catalog: {
      maxPageSize: 100,
      maxBatchKeys: 50,
      list({ size, after }): Promise<CatalogPage> {
        if (fake.fault !== null) return Promise.reject(fake.fault);
        const start = after === null ? 0 : Number(after);
        const items = datasets.slice(start, start + size);
        const end = start + items.length;
        return Promise.resolve({
          items,
          cursors: items.map((_, index) => String(start + index + 1)),
          next: end < datasets.length ? String(end) : null,
          total: datasets.length,
        });
      },
      getMany(ids) {
        batches.push(ids);
        if (fake.fault !== null) return Promise.reject(fake.fault);
        return Promise.resolve(ids.map((id) => datasets.find(({ localId }) => localId === id) ?? null));
      },
    },
    records: {
      capability: () => ({
        grade: () => 'none' as const,
        connectives: { and: false, or: false, not: false },
        sortsExactly: () => false,
        sourceOrder: null,
        recordIds: { kind: 'own' },
        maxPageSize: 100,
        maxWindow: null,
        scanOrder: 'none',
      }),
      fetchWindow: () => Promise.reject(new Error('not asked here')),
      async *scan() {},
    },
    checkHealth: () => fake.health(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return fake;
}

const PLAN: RecordPlanReport = {
  ...NO_PLAN,
  strategy: 'SCAN',
  notPushed: [{ part: { page: { offset: 0, first: 1 } }, reason: 'NO_ORDER', text: 'No order.' }],
  requests: 1,
  pages: 1,
  scannedRecords: 1,
  portalQuery: ['q'],
};

const ANSWER: RecordResult = {
  records: [{ record: { id: '1', values: { n: 3 } }, geometry: null, cursor: 'c' }],
  hasNextPage: false,
  endCursor: 'c',
  totalCount: 1,
  totalIsExact: true,
  duplicates: 0,
  plan: PLAN,
};

const GROUPS: AggregateResult = {
  groups: [{ key: { n: null }, measures: { count: 1, sum: '9007199254740993' } }],
  truncated: false,
  plan: PLAN,
};

export function createFakeServices(
  fastLane: boolean,
  recordFault: (datasetId: string) => HubError | null = () => null,
): HubServices {
  const door: RecordDoor = {
    query({ dataset }) {
      const fault = recordFault(dataset.id);
      return fault === null ? Promise.resolve(ANSWER) : Promise.reject(fault);
    },
    stream: () => Promise.reject(new Error('not asked here')),
    aggregate({ dataset }) {
      const fault = recordFault(dataset.id);
      return fault === null ? Promise.resolve(GROUPS) : Promise.reject(fault);
    },
    columns: () => Promise.reject(new Error('not asked here')),
    claims: ({ facet, dataset }) => facet.capability(dataset),
    lost: () => [],
    prove: () => Promise.resolve('unknown'),
  };
  return {
    door,
    limits: { requestTimeoutMs: 1_000, maxFirst: 1_000, maxIds: 500, maxScanned: 1_000, maxDescribed: 10 },
    cursorSeal: createCursorSeal(new Uint8Array(CURSOR_KEY_BYTES), 'datasets'),
    now: () => 1_772_323_200_000,
    monotonicMs: () => 1_772_323_200_000,
    accessRules: () => ({
      restrictions: new Map(),
      providers: new Map(),
      keyedSources: new Set(),
      concealingSources: new Set(),
      caseReferencePurposes: new Set(),
    }),
    agreements: null,
    randomBytes: (size) => new Uint8Array(size),
    pacer: { pass: () => undefined, close: () => {} },
    fastLane,
  };
}
