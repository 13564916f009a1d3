export { HubError, isHubError, isRetryable, HUB_ERROR_CODES } from './hub-error.ts';
export type { HubErrorCode, HubErrorFacts } from './hub-error.ts';
