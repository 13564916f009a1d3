export { createExportWriter } from './create-export-writer.ts';
export { describeExport } from './describe-export.ts';
export type { ExportDescription } from './describe-export.ts';
export { EXPORT_FORMATS } from './export-writer.ts';
export type { ExportColumn, ExportFormat, ExportHeader, ExportOptions, ExportWriter } from './export-writer.ts';
