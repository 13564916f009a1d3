import { defaultHubConfig } from '@civex/config';
import type { HubConfig, HubLimits, SourceInput } from '@civex/config';
import type { Environment } from '@civex/environment';
import { adapterOptionSchemas, startHub } from '@civex/gateway';
import type { RunningHub } from '@civex/gateway';
import type { Sandbox, SandboxPortal } from '@civex/sandbox';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { request } from 'undici';

/** A part of an answer that a test looks into without describing its type first. */
// oxlint-disable-next-line typescript/no-explicit-any -- an answer's shape follows from the question; assertions check it
export type Loose = any;

export interface GraphQLFault {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly locations?: readonly unknown[];
  readonly extensions: { readonly code?: string; readonly source?: string } & Readonly<Record<string, unknown>>;
}

/** One answer of the hub as it came over the wire. */
export interface Answer<Data> {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly data: Data;
  readonly errors: readonly GraphQLFault[] | undefined;
  readonly tookMs: number;
}

export type Variables = Readonly<Record<string, unknown>>;

export interface AskOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** POSTs one question to a hub. `Data` is what the test says it expects; nothing checks it. */
export async function ask<Data = Record<string, Loose>>(
  url: string,
  query: string,
  variables: Variables = {},
  { headers = {}, signal }: AskOptions = {},
): Promise<Answer<Data>> {
  const startedAt = performance.now();
  const answer = await request(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
    ...(signal === undefined ? {} : { signal }),
  });
  const text = await answer.body.text();
  const { data, errors } = JSON.parse(text) as { data: Data; errors?: readonly GraphQLFault[] };
  return {
    status: answer.statusCode,
    headers: answer.headers,
    text,
    data,
    errors,
    tookMs: performance.now() - startedAt,
  };
}

export const ZONES: Readonly<Record<string, string>> = {
  bordeaux: 'Europe/Paris',
  umea: 'Europe/Stockholm',
  leicester: 'Europe/London',
  'mexico-city': 'America/Mexico_City',
  'nouvelle-aquitaine': 'Europe/Paris',
};
const LANGUAGES: Readonly<Record<string, readonly string[]>> = {
  bordeaux: ['fr'],
  umea: ['sv', 'en'],
  leicester: ['en'],
  'mexico-city': ['es'],
  'nouvelle-aquitaine': ['fr'],
};

/** What hub.yaml would say of a portal of the sandbox. */
export function toSourceInput(
  portal: Pick<SandboxPortal, 'id' | 'kind' | 'title' | 'baseUrl'>,
  overrides: Partial<SourceInput> = {},
): SourceInput {
  return {
    id: portal.id,
    adapter: portal.kind,
    title: portal.title,
    url: portal.baseUrl,
    privateNetwork: ['127.0.0.1/32'],
    timeZone: ZONES[portal.id] ?? 'UTC',
    languages: [...(LANGUAGES[portal.id] ?? [])],
    ...overrides,
  };
}

/** Where hubs of tests keep what they must remember: a key for cursors, the same for all of them. */
export const DATA_FOLDER = path.join(tmpdir(), 'civex-test-data');

/** Every question reaches the portals; nothing old ever stands in. */
export const NO_CACHE: SourceInput['cache'] = { catalogSeconds: 0, recordsSeconds: 0, staleIfErrorSeconds: 0 };

export interface ConfigOptions {
  readonly limits?: Partial<HubLimits>;
  /** For all sources, or for some of them by id. */
  readonly source?: Partial<SourceInput> | ((id: string) => Partial<SourceInput>);
}

export function createConfig(
  portals: readonly Parameters<typeof toSourceInput>[0][],
  { limits = {}, source = {} }: ConfigOptions = {},
): HubConfig {
  const config = defaultHubConfig(
    portals.map((portal) => toSourceInput(portal, typeof source === 'function' ? source(portal.id) : source)),
    { adapters: adapterOptionSchemas, server: { dataFolder: DATA_FOLDER, capabilityProbes: false } },
  );
  return { ...config, limits: { ...config.limits, ...limits } };
}

export interface TestHub extends AsyncDisposable {
  readonly url: string;
  readonly hub: RunningHub;
  /** Lines of the hub's log. */
  readonly log: readonly string[];
  ask<Data = Record<string, Loose>>(query: string, variables?: Variables, options?: AskOptions): Promise<Answer<Data>>;
}

/** A hub on a free port. */
export async function startTestHub(config: HubConfig, environment?: Environment): Promise<TestHub> {
  const log: string[] = [];
  const hub = await startHub({
    config,
    log: (line) => log.push(line),
    port: 0,
    host: '127.0.0.1',
    ...(environment === undefined ? {} : { environment }),
  });
  return {
    url: hub.url,
    hub,
    log,
    ask: (query, variables, options) => ask(hub.url, query, variables, options),
    [Symbol.asyncDispose]: () => hub.close(),
  };
}

/** A hub over a sandbox's portals. */
export function startSandboxHub(
  sandbox: Sandbox,
  options: ConfigOptions = {},
  environment?: Environment,
): Promise<TestHub> {
  return startTestHub(createConfig(sandbox.portals, options), environment);
}

export function clearRequests(sandbox: Sandbox): void {
  for (const portal of sandbox.portals) portal.clearRequests();
}

export const countRequests = (sandbox: Sandbox): Readonly<Record<string, number>> =>
  Object.fromEntries(sandbox.portals.map(({ id, requests }) => [id, requests.length]));

export interface Report {
  readonly catalog: string;
  readonly status: string;
  readonly fetchedAt: string | null;
  readonly age: string | null;
  readonly requests: number;
  readonly durationMs: number;
  readonly error: { readonly code: string; readonly message: string; readonly retryAfterMs: number | null } | null;
}

export const REPORT = 'catalog status fetchedAt age requests durationMs error { code message retryAfterMs }';
