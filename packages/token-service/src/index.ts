export type { ClientSummary, NewClient } from './client-registry.ts';
export type { TokenServiceLog } from './provider.ts';
export { isScope, SCOPES } from './scopes.ts';
export type { Scope } from './scopes.ts';
export type { PublicKeys } from './signing-keys.ts';
export { createMemoryTokenStorage } from './storage.ts';
export type { ClientAuthentication, ClientRecord, KeyRecord, TokenStorage } from './storage.ts';
export { createTokenService } from './token-service.ts';
export type { TokenService, TokenServiceOptions } from './token-service.ts';
