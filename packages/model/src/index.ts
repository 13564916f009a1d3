export { decodeDatasetId, encodeDatasetId, isSourceKey } from './dataset-id.ts';
export type { DatasetId, DatasetRef } from './dataset-id.ts';
export { EU_DATA_THEMES, EU_FREQUENCIES } from './vocabularies.ts';
export type {
  AccessRights,
  Agent,
  Bbox,
  ContactPoint,
  Dataset,
  Distribution,
  Geometry,
  HubRecord,
  LangText,
  License,
  LicenseStatus,
  Location,
  PeriodOfTime,
  Queryable,
  QueryableType,
  RecordValue,
} from './model.ts';
