import { describeAdapterContract } from '@civex/adapter-testkit';
import { createCallTrace } from '@civex/adapter-contract';
import { createSystemEnvironment } from '@civex/environment';
import { createSourceHttp } from '@civex/http';
import { startSandbox } from '@civex/sandbox';
import type { SandboxPortal } from '@civex/sandbox';
import { createCkanAdapter, ckanOptions } from './index.ts';

/** Types whose values the portal's own data holds as the hub is to see them. Other columns have tests of their own. */
const PLAIN: ReadonlySet<string> = new Set(['text', 'int', 'int4', 'int8', 'numeric', 'float8', 'bool']);

/** Text columns in which the adapter recognises places. */
const GEOMETRY = /^geo/;

type Values = Readonly<Record<string, string | number | bigint | boolean | null>>;

/** The records of a dataset, from the stand-in's own data, in the columns that need no translation. */
function recordsOf(portal: SandboxPortal, localId: string): readonly Values[] | null {
  const { fields, records } = portal.truth(localId) ?? { fields: null, records: null };
  if (fields === null || records === null) return null;
  const isPlain = (value: unknown): value is Values[string] => value === null || typeof value !== 'object';
  const columns = fields.filter(
    ({ name, type }) =>
      name !== '_id' && !GEOMETRY.test(name) && PLAIN.has(type) && records.every((row) => isPlain(row[name] ?? null)),
  );
  return records.map((row) =>
    Object.fromEntries(
      columns.map(({ name }) => {
        const value = row[name] ?? null;
        return [name, isPlain(value) ? value : null];
      }),
    ),
  );
}

/** Ids as the portal itself lists them, asked without the adapter. */
async function listIds(portal: SandboxPortal): Promise<readonly string[]> {
  const response = await fetch(`${portal.baseUrl}/api/3/action/package_search?fq=dataset_type:dataset&rows=1000`);
  const { result } = (await response.json()) as { readonly result: { readonly results: readonly { name: string }[] } };
  return result.results.map(({ name }) => name);
}

for (const id of ['mexico-city', 'nouvelle-aquitaine'])
  describeAdapterContract(`ckan, ${id}`, async () => {
    const sandbox = await startSandbox();
    const portal = sandbox.portal(id);
    const http = createSourceHttp(
      {
        source: id,
        baseUrls: [portal.baseUrl],
        headers: {},
        allowedPrivateCidrs: ['127.0.0.1/32'],
        limits: {
          connectTimeoutMs: 2_000,
          headersTimeoutMs: 10_000,
          totalTimeoutMs: 20_000,
          maxAnswerBytes: 20_000_000,
          maxStreamBytes: 100_000_000,
          maxConcurrent: 8,
          maxQueued: 100,
          retryBudget: 0,
          minBytesPerSecond: 0,
        },
        // An answer from a cache would hide a portal that hangs.
        cache: { catalogSeconds: 0, recordsSeconds: 0, staleIfErrorSeconds: 0, maxBytes: 0 },
      },
      { ...createSystemEnvironment(), metrics: { upstream: () => {}, circuit: () => {} } },
    );
    const localIds = await listIds(portal);
    return {
      adapter: createCkanAdapter(
        {
          info: {
            source: id,
            kind: 'ckan',
            title: portal.title,
            homepage: portal.baseUrl,
            country: null,
            region: null,
            languages: [portal.language],
          },
          baseUrl: portal.baseUrl,
          timeZone: 'UTC',
          options: ckanOptions.parse({}),
        },
        { http, clock: createSystemEnvironment() },
      ),
      truth: { localIds, records: (localId) => recordsOf(portal, localId) },
      portal: {
        stop: () => portal.stop(),
        hang: () => Promise.resolve(portal.setFault('hang')),
        requestCount: () => portal.requests.length,
      },
      call: (signal = new AbortController().signal) => ({
        signal,
        deadlineEpochMs: Date.now() + 20_000,
        requestId: 'contract',
        trace: createCallTrace(),
      }),
      lawRuns: 25,
      async [Symbol.asyncDispose]() {
        await http[Symbol.asyncDispose]();
        await sandbox.close();
      },
    };
  });
