export { ALGORITHMS, DEFAULT_ALGORITHMS, PROOF_ALGORITHMS } from './algorithms.ts';
export type { Algorithm } from './algorithms.ts';
export { SHARE_DETAIL_TYPE } from './authorization-details.ts';
export { createIdentity } from './identity.ts';
export type { AuthenticationRequest, Identity, IdentityHealth } from './identity.ts';
export type { IssuerHealth, KeyState } from './issuer-keys.ts';
export type {
  ClaimPath,
  FetchDocument,
  FetchLimits,
  IdentityEnvironment,
  IdentityOptions,
  IssuerConfig,
  IssuerKeySource,
  RevocationQuestion,
  Revocations,
  TokenType,
} from './options.ts';
export type { ProtectedResourceMetadata } from './protected-resource.ts';
export type { OutageReason, RefusalReason } from './refusal.ts';
export { createMemoryReplayStore } from './replay-store.ts';
export type { ReplayStore } from './replay-store.ts';
export type { Actor, OrganisationRole, ShareDetail, Subject } from './subject.ts';
