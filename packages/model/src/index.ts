export { readAccessRights } from './access-rights.ts';
export { decodeDatasetId, encodeDatasetId, isSourceKey } from './dataset-id.ts';
export type { DatasetId, DatasetRef } from './dataset-id.ts';
export { toEuFrequency } from './eu-frequency.ts';
export { toEuThemes } from './eu-themes.ts';
export { bboxOf, latLonToPoint, toGeometry } from './geometry.ts';
export { createZoneOffset, isTimeZone, toInstant } from './instant.ts';
export { decodeUtf8, parseJsonLossless } from './json.ts';
export { normaliseLicense } from './license.ts';
export { toPlainText } from './plain-text.ts';
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
  RecordsState,
  RecordValue,
} from './model.ts';
