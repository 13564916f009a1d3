export { createGateway } from './create-gateway.ts';
export type { Gateway, GatewayOptions } from './create-gateway.ts';
export { collectPlans, explainQuery } from './explain-query.ts';
export type { ExplainedPart } from './explain-query.ts';
export { EXAMPLE_QUESTIONS } from './examples.ts';
export type { ExampleQuestion } from './examples.ts';
export { startHub, startSourceServer } from './hub.ts';
export type { HubSourceState, RunningHub, StartHubOptions } from './hub.ts';
export { adapterOptionSchemas } from './sources.ts';
