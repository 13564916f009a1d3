export { createOpendatasoftPortal } from './opendatasoft/opendatasoft-portal.ts';
export type { OpendatasoftPortalOptions } from './opendatasoft/opendatasoft-portal.ts';
export type {
  OpendatasoftAnnotations,
  OpendatasoftDataset,
  OpendatasoftField,
  OpendatasoftRow,
} from './opendatasoft/opendatasoft-dataset.ts';
export type { OdsType } from './odsql/schema.ts';
export type { PortalFault, PortalQuirks, PortalRequest, PortalTruth, SandboxPortal } from './portal.ts';
