import { expect, test } from 'vitest';
import { createMetrics } from './metrics.ts';

const samples = async (metrics: ReturnType<typeof createMetrics>) =>
  (await metrics.render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));

test('requests to sources are counted by source and outcome and timed in seconds', async () => {
  const metrics = createMetrics();
  metrics.upstream('paris', 'ok', 30);
  metrics.upstream('paris', 'ok', 700);
  metrics.upstream('paris', 'SOURCE_TIMEOUT', 10_000);
  metrics.upstream('lyon', 'ok', 1);
  const lines = await samples(metrics);
  expect(lines).toContain('civex_upstream_requests_total{source="paris",outcome="ok"} 2');
  expect(lines).toContain('civex_upstream_requests_total{source="paris",outcome="SOURCE_TIMEOUT"} 1');
  expect(lines).toContain('civex_upstream_requests_total{source="lyon",outcome="ok"} 1');
  expect(lines).toContain('civex_upstream_duration_seconds_bucket{le="0.05",source="paris"} 1');
  expect(lines).toContain('civex_upstream_duration_seconds_bucket{le="10",source="paris"} 3');
  expect(lines).toContain('civex_upstream_duration_seconds_sum{source="paris"} 10.73');
});

test('the circuit of a source is a number that grows with the trouble', async () => {
  const metrics = createMetrics();
  for (const [state, value] of [
    ['open', 1],
    ['half-open', 0.5],
    ['closed', 0],
  ] as const) {
    metrics.circuit('paris', state);
    expect(await samples(metrics)).toContain(`civex_upstream_circuit_state{source="paris"} ${value}`);
  }
});

test('GraphQL requests, sources and lost capabilities are counted', async () => {
  const metrics = createMetrics();
  metrics.graphql('ok', 20);
  metrics.graphql('INPUT_INVALID', 1);
  metrics.sourcesConfigured(4);
  metrics.capabilityLost('paris', 'like');
  metrics.capabilityLost('paris', 'like');
  const lines = await samples(metrics);
  expect(lines).toContain('civex_graphql_requests_total{outcome="ok"} 1');
  expect(lines).toContain('civex_graphql_requests_total{outcome="INPUT_INVALID"} 1');
  expect(lines).toContain('civex_graphql_duration_seconds_count 2');
  expect(lines).toContain('civex_graphql_duration_seconds_sum 0.021');
  expect(lines).toContain('civex_sources_configured 4');
  expect(lines).toContain('civex_capabilities_lost_total{source="paris",capability="like"} 2');
});

test('outcomes outside the closed list share one series', async () => {
  const metrics = createMetrics();
  for (const outcome of ['portal text', '<b>', 'OK']) {
    metrics.upstream('paris', outcome, 1);
    metrics.graphql(outcome, 1);
  }
  const lines = await samples(metrics);
  expect(lines).toContain('civex_upstream_requests_total{source="paris",outcome="other"} 3');
  expect(lines).toContain('civex_graphql_requests_total{outcome="other"} 3');
  expect(lines.join('\n')).not.toContain('portal text');
});

test('two hubs in one process do not mix, and process metrics come only when asked for', async () => {
  const [one, other] = [createMetrics(), createMetrics({ process: true })];
  one.sourcesConfigured(1);
  other.sourcesConfigured(2);
  expect(await samples(one)).toContain('civex_sources_configured 1');
  expect(await samples(other)).toContain('civex_sources_configured 2');
  expect(await one.render()).not.toContain('process_');
  expect(await other.render()).toContain('process_resident_memory_bytes');
  expect(one.contentType).toMatch(/^text\/plain/);
});
