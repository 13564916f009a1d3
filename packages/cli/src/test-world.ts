import * as z from 'zod';
import { HubError } from '@civex/errors';
import type { HubConfig } from '@civex/config';
import { diffSources } from '@civex/config';
import type { AdministrationOptions } from '@civex/gateway';
import type {
  Administration,
  ExplainedPart,
  GatewayModule,
  Hub,
  Sandbox,
  ServeOptions,
  Sharing,
  SourceCapabilities,
  SourceState,
  World,
} from './world.ts';

interface Posted {
  readonly url: string;
  readonly body: unknown;
  /** Absent when there are none. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestWorld extends World {
  readonly out: string[];
  readonly err: string[];
  /** What happened outside, in order. */
  readonly events: string[];
  readonly files: Map<string, string>;
  readonly started: (ServeOptions & { readonly source?: string })[];
  readonly posted: Posted[];
  readonly administered: AdministrationOptions[];
  readonly reloaded: HubConfig[];
  signal(name: string): void;
  fileChanged(): void;
  /** Resolves when the next hub or source server listens. */
  readonly listening: Promise<void>;
}

export interface TestWorldOptions {
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly colours?: boolean;
  readonly startError?: NodeJS.ErrnoException;
  /** Of a hub that is to keep agreements; open data goes without. */
  readonly sharingError?: HubError;
  readonly sharing?: Sharing;
  readonly administration?: Omit<Administration, 'close'>;
  readonly states?: readonly SourceState[];
  readonly answer?: unknown;
  readonly capabilities?: readonly SourceCapabilities[];
  readonly plans?: readonly ExplainedPart[];
  readonly canWatch?: boolean;
  /** What `close()` of a hub waits for. */
  readonly closing?: Promise<void>;
  /** What `reload()` of a hub waits for, once. */
  readonly reloading?: Promise<void>;
}

export const yaml = (...ids: readonly string[]): string =>
  `sources:\n${ids.map((id) => `  - {id: ${id}, adapter: ckan, url: 'https://${id}.example'}\n`).join('')}`;

const portals: Sandbox['portals'] = [
  { id: 'bordeaux', kind: 'opendatasoft', title: 'Bordeaux Métropole', baseUrl: 'http://127.0.0.1:50001' },
  { id: 'leicester', kind: 'opendatasoft', title: 'Open Leicester', baseUrl: 'http://127.0.0.1:50003' },
  { id: 'mexico-city', kind: 'ckan', title: 'Ciudad de México', baseUrl: 'http://127.0.0.1:50002' },
];

export const questions = [
  { title: 'Bike stations', query: '{ dataset(id: "bordeaux:ci_vcub_p") { title } }\n' },
  { title: 'Search', query: '{ datasets(search: "velo") { totalCount } }\n' },
];

const errno = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

/** A world of memory: nothing is read, listened to or printed. */
export function createTestWorld(options: TestWorldOptions = {}): TestWorld {
  const out: string[] = [];
  const err: string[] = [];
  const events: string[] = [];
  const started: (ServeOptions & { readonly source?: string })[] = [];
  const posted: Posted[] = [];
  const administered: AdministrationOptions[] = [];
  const reloaded: HubConfig[] = [];
  const files = new Map(Object.entries(options.files ?? {}));
  const listeners = new Map<string, Set<() => void>>();
  const watchers = new Set<() => void>();
  const { promise: listening, resolve: nowListening } = Promise.withResolvers<void>();
  let reloading = options.reloading;

  const startHub = async (serve: ServeOptions): Promise<Hub> => {
    if (options.startError !== undefined) throw options.startError;
    if (options.sharingError !== undefined && serve.config.identity.tokenService) throw options.sharingError;
    started.push(serve);
    events.push('hub started');
    let { config } = serve;
    nowListening();
    return {
      sharing: options.sharing ?? null,
      url: `http://${serve.host ?? config.server.host}:${serve.port ?? config.server.port}`,
      sources: () =>
        Promise.resolve(
          options.states ??
            config.sources.map(({ id, adapter, title }) => ({
              id,
              adapter,
              title,
              state: 'UP',
              reason: null,
              datasets: 3,
              latencyMs: 4.4,
              lostCapabilities: [],
            })),
        ),
      capabilities: () => Promise.resolve(options.capabilities ?? []),
      execute: (query, variables) => Promise.resolve(options.answer ?? { data: { query, variables } }),
      async reload(next) {
        const wait = reloading;
        reloading = undefined;
        events.push('reload');
        await wait;
        reloaded.push(next);
        const diff = diffSources(config, next);
        config = next;
        return diff;
      },
      async close() {
        events.push('hub closing');
        await options.closing;
        events.push('hub closed');
      },
    };
  };
  const gateway: GatewayModule = {
    adapterOptionSchemas: {
      ckan: z.strictObject({ includePrivate: z.boolean().optional() }),
      opendatasoft: z.strictObject({}),
    },
    EXAMPLE_QUESTIONS: questions,
    explainQuery(query) {
      if (!query.includes('{')) throw new HubError('INPUT_INVALID', 'query: no question.');
      return `explained ${query}`;
    },
    collectPlans: (answer) => ({ parts: options.plans ?? [], answer }),
    startHub,
    startSourceServer: startHub,
    openAdministration: async (opened) => {
      administered.push(opened);
      if (options.administration === undefined) throw new HubError('CONFIG_INVALID', 'This hub knows no callers.');
      return { ...options.administration, close: async () => void events.push('administration closed') };
    },
    backupHub: async (opened, file) => {
      administered.push(opened);
      events.push(`backup to ${file}`);
      return { rows: { agreement: 2, client: 1_000 }, sha256: 'a'.repeat(64) };
    },
    restoreHub: async (opened, file) => {
      administered.push(opened);
      events.push(`restore from ${file}`);
      return { agreement: 1 };
    },
  };
  return {
    out,
    err,
    events,
    files,
    started,
    posted,
    administered,
    reloaded,
    listening,
    signal: (name) => listeners.get(name)?.forEach((listener) => listener()),
    fileChanged: () => watchers.forEach((listener) => listener()),
    env: options.env ?? {},
    version: '1.2.3',
    colours: options.colours ?? false,
    print: (text) => void out.push(text),
    report: (text) => void err.push(text),
    readText: async (path) => {
      const text = files.get(path);
      if (text === undefined) throw errno('ENOENT');
      return text;
    },
    watchFile(_, onChange) {
      if (options.canWatch === false) return null;
      watchers.add(onChange);
      return () => watchers.delete(onChange);
    },
    onSignal(name, listener) {
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set.add(listener));
      return () => set.delete(listener);
    },
    exit: (code) => void events.push(`exit ${code}`),
    now: () => Date.UTC(2026, 10, 23, 12),
    postJson: async (url, body, headers) => {
      posted.push({ url, body, ...(Object.keys(headers).length === 0 ? {} : { headers }) });
      if (options.answer === undefined) throw errno('ECONNREFUSED');
      return options.answer;
    },
    loadGateway: async () => gateway,
    loadCredentials: () => import('./client-credentials.ts'),
    startSandbox: async () => {
      events.push('sandbox started');
      return {
        portals,
        apiKeys: { 'mexico-city': 'sample-key' },
        close: async () => void events.push('sandbox closed'),
      };
    },
  };
}
