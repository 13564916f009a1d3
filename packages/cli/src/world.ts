import type { HubConfig, SourcesDiff } from '@civex/config';
import type { Administration, AdministrationOptions, CallerReport, RunningHub } from '@civex/gateway';

export type { Administration, CallerReport };
export type NewClient = Parameters<Administration['addClient']>[0];

/** The parts of `@civex/gateway` the commands use. */
export interface GatewayModule {
  readonly adapterOptionSchemas: Parameters<typeof import('@civex/config').parseHubConfig>[1]['adapters'];
  readonly EXAMPLE_QUESTIONS: readonly { readonly title: string; readonly query: string }[];
  /** The question with the plans of its parts. @throws HubError `INPUT_INVALID` */
  explainQuery(query: string): string;
  collectPlans(answer: unknown): { readonly parts: readonly ExplainedPart[]; readonly answer: unknown };
  startHub(options: ServeOptions): Promise<Hub>;
  startSourceServer(options: ServeOptions & { readonly source: string }): Promise<Server>;
  openAdministration(options: AdministrationOptions): Promise<Administration>;
  backupHub(
    options: AdministrationOptions,
    file: string,
  ): Promise<{ readonly rows: RowCounts; readonly sha256: string }>;
  restoreHub(options: AdministrationOptions, file: string): Promise<RowCounts>;
}

/** By table. */
export type RowCounts = Readonly<Record<string, number>>;

export interface ExplainedPart {
  readonly path: string;
  readonly dataset: string;
  readonly plan: {
    readonly strategy: string | null;
    readonly pushed: unknown;
    readonly residual: unknown;
    readonly notPushed: readonly { readonly part: unknown; readonly reason: string; readonly text: string }[];
    readonly requests: number;
    readonly pages: number;
    readonly scannedRecords: number;
    readonly portalQuery: readonly string[] | null;
  };
  readonly source: {
    readonly catalog: string;
    readonly status: string;
    readonly error: { readonly code: string; readonly message: string } | null;
  };
}

export interface ServeOptions {
  readonly config: HubConfig;
  readonly log: (line: string) => void;
  readonly port?: number;
  readonly host?: string;
  /** PostgreSQL for what the hub keeps. Secret. */
  readonly databaseUrl?: string;
}

export interface Server {
  readonly url: string;
  close(): Promise<void>;
}

export interface SourceState {
  readonly id: string;
  readonly adapter: string;
  readonly title: string;
  readonly state: 'UP' | 'DEGRADED' | 'DOWN' | 'UNKNOWN';
  readonly reason: string | null;
  readonly datasets: number | null;
  readonly latencyMs: number | null;
  readonly lostCapabilities: readonly {
    readonly dataset: string;
    readonly capability: string;
    readonly since: string;
  }[];
}

export interface SourceCapabilities {
  readonly source: string;
  readonly adapter: string;
  readonly capabilities: readonly {
    readonly dataset: string;
    readonly type: string;
    readonly operator: string;
    readonly grade: 'exact' | 'inexact' | 'none';
    readonly evidence: 'proven' | 'refuted' | 'unknown' | null;
  }[];
  readonly error: string | null;
}

export interface Hub extends Server {
  /** Null: open data alone. */
  readonly sharing: Sharing | null;
  sources(): Promise<readonly SourceState[]>;
  capabilities(): Promise<readonly SourceCapabilities[]>;
  execute(query: string, variables?: Readonly<Record<string, unknown>>): Promise<unknown>;
  reload(config: HubConfig): Promise<SourcesDiff>;
}

/** The part of `@civex/sandbox` the commands use. */
export interface Sandbox {
  /** Keys under which a portal shows its restricted datasets, by portal. Sample keys, no secrets. */
  readonly apiKeys: Readonly<Record<string, string>>;
  readonly portals: readonly {
    readonly id: string;
    readonly kind: string;
    readonly title: string;
    readonly baseUrl: string;
  }[];
  close(): Promise<void>;
}

/** What a hub keeps of agreements and clients. */
export interface Sharing {
  readonly agreements: Pick<NonNullable<RunningHub['sharing']>['agreements'], 'find' | 'save'>;
  readonly tokenService: Pick<
    NonNullable<NonNullable<RunningHub['sharing']>['tokenService']>,
    'addClient' | 'listClients' | 'removeClient'
  > | null;
}

export type StopSignal = 'SIGINT' | 'SIGTERM';

/** Everything a command does outside itself, so that commands can be tried without a process, a socket or a file. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Wall clock, epoch milliseconds. */
  now(): number;
  /** True when the output is a terminal that shows colours. */
  readonly colours: boolean;
  /** One or more lines of result, to standard output. */
  print(text: string): void;
  /** One or more lines about the result, to standard error. */
  report(text: string): void;
  /** Text of a regular file of at most 8 MB, UTF-8. */
  readText(path: string): Promise<string>;
  /** Calls back on every change of the file, often more than once. @returns null when the system cannot watch it. */
  watchFile(path: string, onChange: () => void): (() => void) | null;
  /** @returns a function that stops listening. */
  onSignal(signal: StopSignal | 'SIGHUP', listener: () => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
  /** POSTs JSON and reads JSON, within 60 s and 100 MB. */
  postJson(url: string, body: unknown, headers: Readonly<Record<string, string>>): Promise<unknown>;
  loadGateway(): Promise<GatewayModule>;
  loadCredentials(): Promise<CredentialsModule>;
  startSandbox(): Promise<Sandbox>;
}

/** What makes, keeps and uses the credentials of clients. */
export type CredentialsModule = Pick<
  typeof import('./client-credentials.ts'),
  | 'createClientCredentials'
  | 'createDpopProof'
  | 'readCredentials'
  | 'removeCredentials'
  | 'replaceCredentials'
  | 'requestToken'
  | 'writeCredentials'
>;
