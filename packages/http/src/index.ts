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
