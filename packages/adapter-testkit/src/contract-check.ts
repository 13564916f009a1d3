import type { Call, SourceAdapter } from '@civex/adapter-contract';
import type { HubRecord } from '@civex/model';

/** Values of one record, by queryable name, as the hub is to see them. */
export type TruthValues = HubRecord['values'];

/** What the portal holds, from the portal double's own data and never from the adapter. */
export interface ContractTruth {
  /** Local ids of every dataset of the portal, each once, in any order; 4 or more. */
  readonly localIds: readonly string[];
  /**
   * The records of a dataset in any order, or null when it has none to query. Every record has the same keys; columns
   * that are left out of all records are not compared. At least one dataset has 10 records or more.
   */
  records(localId: string): readonly TruthValues[] | null;
}

/** What a portal double can be made to do. A control that is absent makes the checks that need it a skip. */
export interface PortalControls {
  /** From here on nobody answers: connections are refused, or every answer is a server error. */
  readonly stop?: () => Promise<void>;
  /** From here on requests are taken and never answered. */
  readonly hang?: () => Promise<void>;
  /** Requests that reached the portal so far. */
  readonly requestCount?: () => number;
}

/** One adapter in front of one portal double. Each check gets a new one, so nothing needs to be put back. */
export interface ContractHarness extends AsyncDisposable {
  readonly adapter: SourceAdapter;
  readonly truth: ContractTruth;
  readonly portal: PortalControls;
  /** A new call with time enough. */
  readonly call: (signal?: AbortSignal) => Call;
  /** How long an aborted call may take to reject, in milliseconds. Below the adapter's own timeouts. Default: 2,000. */
  readonly patienceMs?: number;
  /** Random questions each law is tried with. Default: 150. */
  readonly lawRuns?: number;
}

/**
 * `records`: the facet. `window`: a dataset with an order of its own. `sort`: a property it sorts exactly. `exact` and
 * `inexact`: a predicate of that grade. `ordered` and `resumable`: a dataset whose scans keep an order, or begin behind a
 * record. `aggregate`: a source that aggregates. The others are portal controls.
 */
export type Need =
  | 'records'
  | 'window'
  | 'sort'
  | 'exact'
  | 'inexact'
  | 'ordered'
  | 'resumable'
  | 'aggregate'
  | 'stop'
  | 'hang'
  | 'requestCount';

export interface ContractCheck {
  /** A sentence about what an adapter does. */
  readonly title: string;
  /** What the check is about. The runner reports a skip, never a pass, when one of these is missing. */
  readonly needs?: readonly Need[];
  /** Rejects when the adapter does not do it. */
  readonly run: (harness: ContractHarness) => Promise<void>;
}
