import type { HubConfig, SourcesDiff } from '@civex/config';

/** The parts of `@civex/gateway` the commands use. */
export interface GatewayModule {
  readonly adapterOptionSchemas: Parameters<typeof import('@civex/config').parseHubConfig>[1]['adapters'];
  readonly EXAMPLE_QUESTIONS: readonly { readonly title: string; readonly query: string }[];
  /** The question with the plans of its parts. @throws HubError `INPUT_INVALID` */
  explainQuery(query: string): string;
  collectPlans(answer: unknown): { readonly parts: readonly ExplainedPart[]; readonly answer: unknown };
  startHub(options: ServeOptions): Promise<Hub>;
  startSourceServer(options: ServeOptions & { readonly source: string }): Promise<Server>;
}

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
  sources(): Promise<readonly SourceState[]>;
  capabilities(): Promise<readonly SourceCapabilities[]>;
  execute(query: string, variables?: Readonly<Record<string, unknown>>): Promise<unknown>;
  reload(config: HubConfig): Promise<SourcesDiff>;
}

/** The part of `@civex/sandbox` the commands use. */
export interface Sandbox {
  readonly portals: readonly {
    readonly id: string;
    readonly kind: string;
    readonly title: string;
    readonly baseUrl: string;
  }[];
  close(): Promise<void>;
}

export type StopSignal = 'SIGINT' | 'SIGTERM';

/** Everything a command does outside itself, so that commands can be tried without a process, a socket or a file. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
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
  postJson(url: string, body: unknown): Promise<unknown>;
  loadGateway(): Promise<GatewayModule>;
  startSandbox(): Promise<Sandbox>;
}
