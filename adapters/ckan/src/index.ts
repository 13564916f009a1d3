export { createCkanAdapter } from './ckan-adapter.ts';
export { ckanOptions } from './ckan-config.ts';
export type { CkanOptions } from './ckan-config.ts';
