// The library's first file also prints a line when Node is no LTS release, so these two are imported in its place.
declare module 'oidc-provider/lib/provider.js' {
  export { Provider } from 'oidc-provider';
}
declare module 'oidc-provider/lib/helpers/errors.js' {
  import type { errors } from 'oidc-provider';

  export const CustomOIDCProviderError: typeof errors.CustomOIDCProviderError;
  export const InvalidAuthorizationDetails: typeof errors.InvalidAuthorizationDetails;
  export const InvalidClientAuth: typeof errors.InvalidClientAuth;
  export const InvalidDpopProof: typeof errors.InvalidDpopProof;
  export const InvalidGrant: typeof errors.InvalidGrant;
  export const InvalidRequest: typeof errors.InvalidRequest;
  export const InvalidTarget: typeof errors.InvalidTarget;
}
