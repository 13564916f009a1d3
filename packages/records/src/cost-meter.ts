import type { CallTrace } from '@civex/adapter-contract';

/** What one answer took from its source. */
export interface Cost {
  readonly requests: number;
  readonly pages: number;
  readonly scannedRecords: number;
  readonly portalQuery: readonly string[];
}

/** Measures from its making on. Parts of one answer may share a trace when they are read one after the other. */
export function createCostMeter(trace: CallTrace): () => Cost {
  const { requests, pages, records } = trace;
  const queries = trace.portalQueries.length;
  return () => ({
    requests: trace.requests - requests,
    pages: trace.pages - pages,
    scannedRecords: trace.records - records,
    portalQuery: trace.portalQueries.slice(queries),
  });
}
