/** What went over the wire to a portal, in order of arrival. */
export interface PortalRequest {
  readonly method: string;
  /** Decoded path without the query, as sent: a trailing slash stays. */
  readonly path: string;
  /** The raw query with its question mark, or the empty text. */
  readonly search: string;
  /** The body as text; empty for GET. */
  readonly body: string;
  /** As node:http presents them: lower-case names. What a client leaks is seen here. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Milliseconds of the portal's clock. */
  readonly atMs: number;
}

/**
 * How a whole portal fails.
 *
 * - `hang`: the request is read and never answered.
 * - `html-403`: the challenge page of a content delivery network instead of JSON.
 * - `html-200`: a maintenance page with status 200.
 * - `429`: the quota is spent; the body and headers of the portal's kind.
 * - `500`: the portal's kind of server error.
 * - `garbage`: status 200, declared as JSON, and not JSON.
 * - `cut`: the right answer, but the connection closes after half of the body.
 * - `slowMs`: the right answer after that many milliseconds.
 */
export type PortalFault =
  | 'hang'
  | 'html-403'
  | 'html-200'
  | '429'
  | '500'
  | 'garbage'
  | 'cut'
  | { readonly slowMs: number };

/** Deviations a well-formed answer may carry. All absent by default: the documented behaviour. */
export interface PortalQuirks {
  /** A condition on a field that does not exist is dropped with its whole filter instead of refused. */
  readonly ignoresUnknownWhere?: boolean;
  /** Pages hold at most this many entries whatever was asked for, and nobody says so. Records and catalog. */
  readonly capsSilentlyAt?: number;
  /** Added to every reported total. */
  readonly wrongTotal?: number;
  /** Every page after the first repeats the first. */
  readonly repeatsPages?: boolean;
  /** Text equality looks at the first 50 characters only. */
  readonly compares50Characters?: boolean;
  /**
   * Whether NOT keeps rows whose property is null. Absent means the documented rule of the kind: true on Opendatasoft
   * ("a comparison involving a null is false"). `false` makes NOT three-valued as in SQL: null rows disappear.
   */
  readonly twoValuedNot?: boolean;
  /** Text equality ignores case, and so do groups. */
  readonly foldsCase?: boolean;
  /** Groups of records without a value for the key are left out. Opendatasoft, as before v2.1. */
  readonly dropsNullGroup?: boolean;
  /** Every third group counts one record too many. Opendatasoft. */
  readonly miscountsGroups?: boolean;
  /** Conditions on records are taken and dropped. */
  readonly ignoresWhere?: boolean;
  /** Orders of records are taken and dropped: rows come as they are stored. */
  readonly ignoresSort?: boolean;
  /** Rows without a value come first in every order. */
  readonly nullsFirst?: boolean;
  /** Every page of records after the first begins one row late. */
  readonly startsLate?: boolean;
  /** Every answer of two records or more lacks its last one; the total counts it. */
  readonly losesLastRow?: boolean;
  /** The second record of an answer is the first once more. */
  readonly repeatsRows?: boolean;
  /** Pages hold one record more than was asked for. */
  readonly exceedsLimit?: boolean;
  /** Text equality ignores accents and case. */
  readonly foldsAccents?: boolean;
  /** Text equality takes composed and decomposed characters for the same. */
  readonly normalisesTexts?: boolean;
  /** Text equality ignores blanks at both ends. */
  readonly trimsTexts?: boolean;
  /** Less than and greater than let equal values through. Opendatasoft. */
  readonly loosensBounds?: boolean;
  /** An empty text counts as null. Opendatasoft. */
  readonly emptyIsNull?: boolean;
  /** Numbers are compared as doubles. */
  readonly comparesDoubles?: boolean;
  /** The last column of records has another name than the catalog says. */
  readonly driftsSchema?: boolean;
  /** Numbers of records leave as texts of digits. */
  readonly numbersAsTexts?: boolean;
  /** Every question for records with a condition is refused, with status 200. */
  readonly refusesWith200?: boolean;
  /** Totals are rounded up to the next ten. */
  readonly estimatesTotal?: boolean;
}

/** The truth about one dataset, from the portal's own data and not from its protocol. Integers beyond 2^53 are bigint. */
export interface PortalTruth {
  readonly datasetId: string;
  readonly title: string;
  /** Null when the dataset has no records. */
  readonly fields: readonly { readonly name: string; readonly type: string }[] | null;
  /** In stored order; null when the dataset has no records. */
  readonly records: readonly Readonly<Record<string, unknown>>[] | null;
}

export interface SandboxPortal {
  readonly id: string;
  readonly kind: 'opendatasoft' | 'ckan';
  readonly title: string;
  readonly language: string;
  /** `http://127.0.0.1:<port>`, without a trailing slash. Stays the same over stop and restart. */
  readonly baseUrl: string;
  readonly port: number;
  /** The newest 20,000 requests. */
  readonly requests: readonly PortalRequest[];
  clearRequests(): void;
  /** Fails all following requests, or those `when` selects; null heals the portal. */
  setFault(fault: PortalFault | null, when?: (request: PortalRequest) => boolean): void;
  /** Replaces all quirks at once; `{}` restores the documented behaviour. */
  setQuirks(quirks: PortalQuirks): void;
  /** Closes the listener and every open connection: new connections are refused. */
  stop(): Promise<void>;
  /** Listens again on the same port. Does nothing on a portal that runs. */
  restart(): Promise<void>;
  /** Stops for good and answers what hangs with a closed connection. */
  close(): Promise<void>;
  /** Null when the portal has no such dataset. CKAN takes a package id, a package name or a resource id. */
  truth(datasetId: string): PortalTruth | null;
}
