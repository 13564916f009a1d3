export { ConfigError, formatConfigFaults } from './config-error.ts';
export type { ConfigFault } from './config-error.ts';
export { diffSources } from './diff-sources.ts';
export type { SourcesDiff } from './diff-sources.ts';
export { REMOTE_SOURCE_KIND } from './hub-config.ts';
export type {
  HubConfig,
  HubLimits,
  ServerConfig,
  SourceCache,
  SourceConfig,
  SourceInput,
  SourceLimits,
} from './hub-config.ts';
export type {
  IdentityConfig,
  IssuerInput,
  OrganisationConfig,
  PurposeConfig,
  RestrictedDatasetConfig,
  SharingConfig,
} from './sharing-config.ts';
export { defaultHubConfig, parseHubConfig } from './parse-hub-config.ts';
export type { DefaultHubConfigOptions, ParseHubConfigOptions } from './parse-hub-config.ts';
export type { SecretHeaders } from './secret-headers.ts';
