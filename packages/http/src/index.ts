export { createSourceHttp } from './source-http.ts';
export type {
  CacheClass,
  HttpAnswer,
  HttpCall,
  HttpEnvironment,
  HttpRequest,
  SourceHttp,
  SourceHttpOptions,
  SourceHttpState,
} from './types.ts';
