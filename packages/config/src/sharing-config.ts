import { decodeDatasetId, encodeDatasetId, isSourceKey } from '@civex/model';
import * as z from 'zod';

/** An organisation that shares data or is shared with. */
export interface OrganisationConfig {
  /** 1 to 100 characters of `A-Z a-z 0-9 . _ : -`. Agreements name organisations by it. */
  readonly id: string;
  /** For people. Default: the id. */
  readonly title: string;
}

/** A purpose that requests declare and agreements name. */
export interface PurposeConfig {
  readonly id: string;
  readonly title: string;
  /** Requests for it must carry a case reference. Default false. */
  readonly caseReference: boolean;
}

/** A dataset that is not open to everybody, whatever its portal says. */
export interface RestrictedDatasetConfig {
  /** `source:localId`. */
  readonly dataset: string;
  /** Organisation that decides about it. */
  readonly provider: string;
  /** True: everybody may know that it exists, and read its metadata and the names of its columns. Default false. */
  readonly discoverable: boolean;
}

/** An issuer of access tokens. */
export interface IssuerInput {
  readonly issuer: string;
  /** Where its keys are. Default: found by discovery. */
  readonly jwksUri: string | null;
  readonly tokenType: 'at+jwt' | 'keycloak' | 'entra';
  /** What `aud` must contain. Default: the resource. */
  readonly audience: string | null;
  /** Claim, as a path with dots, whose value names the organisation. */
  readonly organisationClaim: string | null;
  /** Value of that claim to organisation id. */
  readonly organisations: Readonly<Record<string, string>>;
  /** Claims of which any of the values lets a subject manage its organisation's agreements. */
  readonly managers: readonly { readonly claim: string; readonly values: readonly string[] }[];
  /** Whether restricted data needs tokens that are bound to a key. Default `required`. */
  readonly dpop: 'required' | 'optional';
}

export interface IdentityConfig {
  /** The hub's own identifier, which `aud` of access tokens must contain. Null: the address it listens on, `/graphql`. */
  readonly resource: string | null;
  readonly issuers: readonly IssuerInput[];
  /** Runs the embedded token service under `/oauth`. Default false. */
  readonly tokenService: boolean;
}

/** Data sharing. Without any of it the hub serves open data only, and keeps nothing. */
export interface SharingConfig {
  readonly restricted: readonly RestrictedDatasetConfig[];
  /** Source key to the organisation that answers for datasets its portal itself restricts. */
  readonly providers: Readonly<Record<string, string>>;
  readonly purposes: readonly PurposeConfig[];
}

const ORGANISATION = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/;
const PURPOSE = /^[A-Za-z0-9][A-Za-z0-9:._/-]{0,99}$/;

const rule = (problem: string, remedy: string) => ({ error: problem, params: { remedy } });

const organisationId = z
  .string()
  .refine((text) => ORGANISATION.test(text), rule('is not an organisation id', 'For example leicester-city-council.'));

export const organisationsSchema = z
  .array(
    z
      .strictObject({ id: organisationId, title: z.string().min(1).max(200).optional() })
      .transform(({ id, title }) => ({ id, title: title ?? id })),
  )
  .max(10_000)
  .default([]);

const claimPath = z.string().min(1).max(200);

export const identitySchema = z.strictObject({
  resource: z.url().max(500).nullable().default(null),
  issuers: z
    .array(
      z.strictObject({
        issuer: z.url().max(500),
        jwksUri: z.url().max(2_000).nullable().default(null),
        tokenType: z.enum(['at+jwt', 'keycloak', 'entra']).default('at+jwt'),
        audience: z.string().min(1).max(500).nullable().default(null),
        organisationClaim: claimPath.nullable().default(null),
        organisations: z.record(z.string(), organisationId).default({}),
        managers: z
          .array(z.strictObject({ claim: claimPath, values: z.array(z.string().min(1).max(200)).min(1).max(50) }))
          .max(20)
          .default([]),
        dpop: z.enum(['required', 'optional']).default('required'),
      }),
    )
    .max(100)
    .default([]),
  tokenService: z.boolean().default(false),
}) satisfies z.ZodType<IdentityConfig>;

const isDatasetId = (text: string): boolean => {
  const ref = decodeDatasetId(text);
  return ref !== null && encodeDatasetId(ref) === text;
};

export const sharingSchema = z.strictObject({
  restricted: z
    .array(
      z.strictObject({
        dataset: z
          .string()
          .max(500)
          .refine(
            isDatasetId,
            rule('is not a dataset id', 'Write source:localId, for example leicester:energy-meters.'),
          ),
        provider: organisationId,
        discoverable: z.boolean().default(false),
      }),
    )
    .max(100_000)
    .default([]),
  providers: z.record(z.string().refine(isSourceKey, rule('is not a source key', 'Use an id of `sources`.')), organisationId).default({}), // prettier-ignore
  purposes: z
    .array(
      z
        .strictObject({
          id: z
            .string()
            .refine((text) => PURPOSE.test(text), rule('is not a purpose', 'For example crime-prevention-planning.')),
          title: z.string().min(1).max(200).optional(),
          caseReference: z.boolean().default(false),
        })
        .transform(({ id, title, caseReference }) => ({ id, title: title ?? id, caseReference })),
    )
    .max(1_000)
    .default([]),
});
