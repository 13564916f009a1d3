import type { RecordFilter } from '@civex/query';
import type { RecordScan } from './adapter-contract.ts';

/** Every whole record that matches, with its id, in no particular order. */
export function wholeScan(filter: RecordFilter | null): RecordScan {
  return { filter, order: null, after: null, properties: null, ids: true };
}
