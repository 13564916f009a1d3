/** What a role of an organisation allows: `use` its agreements, `manage` them. */
export type OrganisationRole = 'use' | 'manage';

/** One entry of `authorization_details` (RFC 9396) of the type hubs understand. Null: not narrowed in this respect. */
export interface ShareDetail {
  /** Id of an agreement. */
  readonly agreement: string | null;
  readonly actions: readonly string[] | null;
  /** Dataset ids. */
  readonly datasets: readonly string[] | null;
  readonly purpose: string | null;
}

/** Who acts for whom, as the outermost `act` claim (RFC 8693) says. */
export interface Actor {
  readonly subject: string;
  readonly organisation: string | null;
}

/** Who the caller is, from a verified access token. Holds no token and no claim that was not asked for. */
export interface Subject {
  readonly issuer: string;
  readonly subject: string;
  readonly clientId: string;
  readonly tokenId: string;
  /** Organisation by its id in hub.yaml; null when the claims name none that is mapped. */
  readonly organisation: string | null;
  readonly roles: ReadonlySet<OrganisationRole>;
  readonly scopes: ReadonlySet<string>;
  /** Null when the token was not exchanged. */
  readonly actor: Actor | null;
  /** Null: not narrowed. Several narrow like alternatives; an empty list allows nothing restricted. */
  readonly details: readonly ShareDetail[] | null;
  /** True when the token is bound to a key the caller has proven to hold (RFC 9449). */
  readonly isBound: boolean;
  /** Whether restricted data needs a bound token of this issuer. */
  readonly mustBeBound: boolean;
  /** First moment at which the token is refused, the tolerance towards other clocks included. */
  readonly expiresAtEpochMs: number;
}
