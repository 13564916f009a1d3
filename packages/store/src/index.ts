export { backupStore, restoreStore } from './backup.ts';
export type { BackupOptions, BackupSummary } from './backup.ts';
export { openStore } from './store.ts';
export type { Store, StoreLog, StoreOptions } from './store.ts';
export { isOutcomeUnknown, isStoreUnavailable } from './store-error.ts';
export type { Migration, Migrations } from './migrations.ts';
