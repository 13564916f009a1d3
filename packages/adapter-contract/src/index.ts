export type {
  Call,
  CallTrace,
  CatalogFacet,
  CatalogPage,
  Outcome,
  RecordBatch,
  RecordCapability,
  RecordFetch,
  RecordScan,
  RecordsFacet,
  SourceAdapter,
  SourceHealth,
  SourceInfo,
} from './adapter-contract.ts';
export { createCallTrace } from './call-trace.ts';
export { wholeScan } from './whole-scan.ts';
