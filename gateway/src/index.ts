export { backupHub, openAdministration, restoreHub } from './administration.ts';
export type {
  ActionReport,
  Administration,
  AdministrationOptions,
  CallerQuestion,
  CallerReport,
} from './administration.ts';
export { createGateway } from './create-gateway.ts';
export type { Gateway, GatewayOptions } from './create-gateway.ts';
export { collectPlans, explainQuery } from './explain-query.ts';
export type { ExplainedPart } from './explain-query.ts';
export { EXAMPLE_QUESTIONS } from './examples.ts';
export type { ExampleQuestion } from './examples.ts';
export type { SourceCapabilities, SourceCapability } from './list-capabilities.ts';
export { startHub, startSourceServer } from './hub.ts';
export type { HubSourceState, RunningHub, StartHubOptions } from './hub.ts';
export { adapterOptionSchemas } from './sources.ts';
