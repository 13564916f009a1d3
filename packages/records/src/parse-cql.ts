import { HubError } from '@civex/errors';
import type { Queryable } from '@civex/model';
import type { RecordFilter } from '@civex/query';

export function parseCql2Text(_text: string, _queryables: readonly Queryable[]): RecordFilter {
  throw new HubError('INPUT_INVALID', 'cql: CQL2 text is not understood; use filter.');
}
