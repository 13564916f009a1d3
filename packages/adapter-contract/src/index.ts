export type {
  Call,
  CallTrace,
  CatalogFacet,
  CatalogPage,
  Outcome,
  RecordBatch,
  RecordCapability,
  RecordFetch,
  RecordsFacet,
  SourceAdapter,
  SourceHealth,
  SourceInfo,
} from './adapter-contract.ts';
export { createCallTrace } from './call-trace.ts';
