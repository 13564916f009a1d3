import type { FilterInput } from '@civex/query';
import type { Mask } from './agreement.ts';

/** Asked before records or groups leave the hub. */
export interface Release {
  /** Records or groups about to be handed out. */
  readonly records: number;
  /** True for the first release of a question: it counts as a request. */
  readonly isFirst: boolean;
}

/**
 * What a caller sees of one dataset: rows that are there, columns that are there, values as they are masked. Whatever is
 * asked of the dataset is asked of this.
 */
export interface AccessView {
  /** Names everything the view depends on: views with one fingerprint show the same. Empty for open data. */
  readonly fingerprint: string;
  /** The agreement it is compiled from, for messages; null for open data. */
  readonly agreement: string | null;
  /** Columns that are there; null for all but the hidden ones. */
  readonly properties: ReadonlySet<string> | null;
  /** Columns that are not there. */
  readonly hidden: ReadonlySet<string>;
  /** By property; none of method HIDE. */
  readonly masks: ReadonlyMap<string, Mask>;
  /** Rows that are there, on the columns as the portal has them; null for all. */
  readonly rows: FilterInput | null;
  /** Key of the digests the view shows: masked values and record ids. 32 bytes; empty for open data. */
  readonly key: Uint8Array;
  /** Records or groups of one question at most; null for no bound. */
  readonly maxRecords: number | null;
  /**
   * Counts what is about to leave, and looks once more whether the agreement still holds.
   *
   * @throws HubError `LIMIT_REACHED` when a limit of the agreement would be passed, `ACCESS_DENIED` when it does not hold
   * any longer, `AUTH_UNAVAILABLE` when nobody can say. Nothing may leave then.
   */
  readonly release: (what: Release) => Promise<void>;
}

/** Everything, to everybody: the built-in public agreement of open data. */
export const OPEN_VIEW: AccessView = {
  fingerprint: '',
  agreement: null,
  properties: null,
  hidden: new Set(),
  masks: new Map(),
  rows: null,
  key: new Uint8Array(0),
  maxRecords: null,
  release: () => Promise.resolve(),
};
