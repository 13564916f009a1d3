export { createOpendatasoftAdapter } from './opendatasoft-adapter.ts';
export { opendatasoftOptions } from './opendatasoft-config.ts';
export type { OpendatasoftOptions } from './opendatasoft-config.ts';
