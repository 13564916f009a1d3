export { openStore } from './store.ts';
export type { Store, StoreLog, StoreOptions } from './store.ts';
export type { Migration, Migrations } from './migrations.ts';
