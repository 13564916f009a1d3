import type { FilterInput } from '@civex/query';

/** What a consumer may do with a dataset. */
export const ACTIONS = ['DISCOVER', 'QUERY', 'AGGREGATE', 'EXPORT', 'SUBSCRIBE'] as const;
export type Action = (typeof ACTIONS)[number];

export const AGREEMENT_STATES = ['DRAFT', 'PROPOSED', 'ACTIVE', 'SUSPENDED', 'EXPIRED', 'ENDED', 'REJECTED'] as const;
export type AgreementState = (typeof AGREEMENT_STATES)[number];

/**
 * How a column's values are replaced before anything else sees them. HIDE: the column is not there. NULL: no value.
 * HASH: a keyed digest, the same for equal values of one agreement. YEAR, MONTH: of a date or time. GRID: the centre of
 * a hexagon of the H3 grid at least so many metres across. PREFIX: the first characters of a text. ROUND: the nearest
 * multiple of a step.
 */
export const MASK_METHODS = ['HIDE', 'NULL', 'HASH', 'YEAR', 'MONTH', 'GRID', 'PREFIX', 'ROUND'] as const;
export type MaskMethod = (typeof MASK_METHODS)[number];

export interface Mask {
  readonly property: string;
  readonly method: MaskMethod;
  /** GRID: metres, 1 to 1,000,000. PREFIX: characters, 1 to 1,000. ROUND: step, above 0. Null for the others. */
  readonly parameter: number | null;
}

/** Bounds on what an aggregate gives away. */
export interface Disclosure {
  readonly minimumCount: number;
  readonly roundTo: number | null;
  readonly dimensions: readonly string[];
}

/** Null: no bound. Days are those of UTC. */
export interface Limits {
  /** Questions put to records of the dataset; each field of a GraphQL document and each export is one. */
  readonly requestsPerDay: number | null;
  /** Records, or groups of an aggregate, handed out. */
  readonly recordsPerDay: number | null;
  readonly recordsPerRequest: number | null;
}

/** What one agreement gives of one dataset. */
export interface Grant {
  /** `source:localId`. */
  readonly dataset: string;
  readonly actions: readonly Action[];
  /** Columns that are there; null for all. Columns that join the dataset later are then there too. */
  readonly properties: readonly string[] | null;
  readonly masks: readonly Mask[];
  /** Rows that are there, on the columns as the portal has them, hidden ones included; null for all. */
  readonly rows: FilterInput | null;
  readonly disclosure: Disclosure | null;
  readonly limits: Limits | null;
}

/** What the parties agree on: everything a version holds and its hash covers. */
export interface AgreementTerms {
  /** Organisations by their id in hub.yaml. */
  readonly provider: string;
  readonly consumer: string;
  /** Organisations that may act for the consumer with an exchanged token. */
  readonly delegates: readonly string[];
  /** At least one; a request declares one of them. */
  readonly purposes: readonly string[];
  /** RFC 3339 instants; `validUntil` is the first one that is not covered. */
  readonly validFrom: string;
  readonly validUntil: string;
  /** At most one for each dataset. */
  readonly grants: readonly Grant[];
}

/** Never changed once it is written. */
export interface AgreementVersion {
  /** 1, 2, 3 ... */
  readonly version: number;
  /** `sha256:` and 64 hexadecimal digits over the canonical JSON (RFC 8785) of the agreement's id, the version and the terms. */
  readonly hash: string;
  readonly terms: AgreementTerms;
}

export interface AgreementEvent {
  /** RFC 3339 instant. */
  readonly at: string;
  /** Organisation and subject, `organisation/subject`. */
  readonly by: string;
  /** What happened, in one word: `requested`, `proposed`, `approved`, `activated`, `rejected`, `suspended`, `resumed`, `ended`. */
  readonly change: string;
  /** The version it is about. */
  readonly version: number;
  readonly reason: string | null;
}

/**
 * One agreement with all its versions. `state` is what was written down; that an ACTIVE or SUSPENDED one has expired
 * follows from the time: see `stateAt`.
 */
export interface Agreement {
  readonly id: string;
  readonly state: Exclude<AgreementState, 'EXPIRED'>;
  readonly versions: readonly AgreementVersion[];
  /** The version in force, or the last one that was; null when none ever was. */
  readonly current: number | null;
  /** The version that waits for approval; null when none does. */
  readonly pending: number | null;
  /** Who has approved the pending version. */
  readonly approvedBy: readonly ('provider' | 'consumer')[];
  readonly history: readonly AgreementEvent[];
  /** Grows by one with every change; storage refuses a change of another revision. */
  readonly revision: number;
}
