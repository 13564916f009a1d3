export { createBenchPortals } from './bench.ts';
export type { BenchOptions } from './bench.ts';
export { createCkanPortal, describeCkanPortal } from './ckan/ckan-portal.ts';
export type { CkanPortalOptions } from './ckan/ckan-portal.ts';
export type {
  CkanGroup,
  CkanLicense,
  CkanOrganization,
  CkanPackage,
  CkanResource,
  CkanTable,
  DatastoreField,
  DatastoreRow,
  DatastoreType,
} from './ckan/ckan-dataset.ts';
export { createOpendatasoftPortal, describeOpendatasoftPortal } from './opendatasoft/opendatasoft-portal.ts';
export type { OpendatasoftPortalOptions } from './opendatasoft/opendatasoft-portal.ts';
export type {
  OpendatasoftAnnotations,
  OpendatasoftDataset,
  OpendatasoftField,
  OpendatasoftRow,
} from './opendatasoft/opendatasoft-dataset.ts';
export type { OdsType } from './odsql/schema.ts';
export type { PortalFault, PortalQuirks, PortalRequest, PortalTruth, SandboxPortal } from './portal.ts';
export type { PortalAnswer, PortalServerOptions } from './portal-server.ts';
export { SANDBOX_API_KEYS, startSandbox } from './sandbox.ts';
export type { Sandbox, SandboxOptions, SandboxPortalId } from './sandbox.ts';
