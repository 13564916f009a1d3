export type {
  AggregateCapability,
  AggregateFetch,
  Call,
  CallTrace,
  CatalogFacet,
  CatalogPage,
  Outcome,
  RecordBatch,
  RecordCapability,
  RecordFetch,
  RecordIds,
  RecordScan,
  RecordsFacet,
  SourceAdapter,
  SourceGroup,
  SourceHealth,
  SourceInfo,
  SourceMeasure,
} from './adapter-contract.ts';
export { createCallTrace } from './call-trace.ts';
export { wholeScan } from './whole-scan.ts';
