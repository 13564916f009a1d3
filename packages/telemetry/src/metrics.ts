import { HUB_ERROR_CODES } from '@civex/errors';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  /** One real request to a portal ended. Fits the `metrics` of the outbound client. */
  upstream(source: string, outcome: string, durationMs: number): void;
  circuit(source: string, state: 'closed' | 'open' | 'half-open'): void;
  /** One GraphQL request was answered. `outcome` is `ok` or an error code of ours. */
  graphql(outcome: string, durationMs: number): void;
  /** One export ended. `outcome` is `ok` or an error code of ours. */
  export(outcome: string, durationMs: number): void;
  /** How many sources the hub serves. */
  sourcesConfigured(count: number): void;
  /** A source did not do what it claimed, and the hub stopped asking it to. */
  capabilityLost(source: string, capability: string): void;
  /** Everything in the Prometheus text format. */
  render(): Promise<string>;
  /** Media type of what `render` answers. */
  readonly contentType: string;
}

export interface MetricsOptions {
  /** Adds memory, CPU, event loop and garbage collection of the process. Default false: it starts observers that never end. */
  readonly process?: boolean;
}

/** Upper bounds in seconds; 10 s is the total timeout of a source, 15 s the deadline of a request. */
const DURATION_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];
/** Upper bounds in seconds; an hour is the deadline of an export. */
const EXPORT_BUCKETS = [0.1, 1, 10, 60, 300, 900, 3_600];
const CIRCUIT_VALUE = { closed: 0, 'half-open': 0.5, open: 1 } as const;
const OUTCOMES: ReadonlySet<string> = new Set(['ok', ...HUB_ERROR_CODES]);

/** A label with free text would let one series per text grow. */
const toOutcome = (outcome: string) => (OUTCOMES.has(outcome) ? outcome : 'other');

/** The hub's metrics in a registry of their own: two hubs in one process do not mix. */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.process === true) collectDefaultMetrics({ register: registry });

  const upstreamTotal = new Counter({
    name: 'civex_upstream_requests_total',
    help: 'Requests sent to a source, retries included, by outcome.',
    labelNames: ['source', 'outcome'],
    registers,
  });
  const upstreamSeconds = new Histogram({
    name: 'civex_upstream_duration_seconds',
    help: 'Time from sending a request to a source to its complete answer.',
    labelNames: ['source'],
    buckets: DURATION_BUCKETS,
    registers,
  });
  const circuitState = new Gauge({
    name: 'civex_upstream_circuit_state',
    help: 'Circuit of a source: 0 closed, 0.5 half-open, 1 open.',
    labelNames: ['source'],
    registers,
  });
  const graphqlTotal = new Counter({
    name: 'civex_graphql_requests_total',
    help: 'GraphQL requests answered, by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  const graphqlSeconds = new Histogram({
    name: 'civex_graphql_duration_seconds',
    help: 'Time from receiving a GraphQL request to its complete answer.',
    buckets: DURATION_BUCKETS,
    registers,
  });
  const exportTotal = new Counter({
    name: 'civex_exports_total',
    help: 'Exports ended, by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  const exportSeconds = new Histogram({
    name: 'civex_export_duration_seconds',
    help: 'Time from receiving an export request to the end of its file.',
    buckets: EXPORT_BUCKETS,
    registers,
  });
  const sources = new Gauge({ name: 'civex_sources_configured', help: 'Sources the hub serves.', registers });
  const lost = new Counter({
    name: 'civex_capabilities_lost_total',
    help: 'Times a source did not do what it claimed, by what that was, and the hub stopped asking it to.',
    labelNames: ['source', 'capability'],
    registers,
  });

  // Resolving labels hashes them each time; on the hot path the series is looked up once per source and outcome.
  const upstreamSeries = new Map<
    string,
    { count: Map<string, Counter.Internal>; seconds: Histogram.Internal<'source'> }
  >();
  const seriesOf = (source: string) => {
    let series = upstreamSeries.get(source);
    if (series === undefined) {
      series = { count: new Map(), seconds: upstreamSeconds.labels(source) };
      upstreamSeries.set(source, series);
    }
    return series;
  };

  return {
    upstream(source, outcome, durationMs) {
      const series = seriesOf(source);
      const known = toOutcome(outcome);
      let counter = series.count.get(known);
      if (counter === undefined) {
        counter = upstreamTotal.labels(source, known);
        series.count.set(known, counter);
      }
      counter.inc();
      series.seconds.observe(durationMs / 1000);
    },
    circuit(source, state) {
      circuitState.set({ source }, CIRCUIT_VALUE[state]);
    },
    graphql(outcome, durationMs) {
      graphqlTotal.inc({ outcome: toOutcome(outcome) });
      graphqlSeconds.observe(durationMs / 1000);
    },
    export(outcome, durationMs) {
      exportTotal.inc({ outcome: toOutcome(outcome) });
      exportSeconds.observe(durationMs / 1000);
    },
    sourcesConfigured(count) {
      sources.set(count);
    },
    capabilityLost(source, capability) {
      lost.inc({ source, capability });
    },
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
