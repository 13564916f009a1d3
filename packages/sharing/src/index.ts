export { ACTIONS, AGREEMENT_STATES, MASK_METHODS } from './agreement.ts';
export type {
  Action,
  Agreement,
  AgreementEvent,
  AgreementState,
  AgreementTerms,
  AgreementVersion,
  Disclosure,
  Grant,
  Limits,
  Mask,
  MaskMethod,
} from './agreement.ts';
export { OPEN_VIEW } from './access-view.ts';
export type { AccessView, Release } from './access-view.ts';
export { createColumnMask, gridResolution, maskableTypes } from './mask-value.ts';
export type { ColumnMask, MaskValue } from './mask-value.ts';
export {
  approve,
  draftAgreement,
  end,
  LIFECYCLE_LIMITS,
  proposeAgreement,
  proposeVersion,
  reject,
  resume,
  stateAt,
  suspend,
  versionAt,
} from './agreement-lifecycle.ts';
export type { Party } from './agreement-lifecycle.ts';
export { createVersion, verifyVersion } from './agreement-version.ts';
export { toCanonicalJson } from './canonical-json.ts';
export { parseTerms, TERMS_LIMITS } from './check-terms.ts';
export type { AgreementInput } from './check-terms.ts';
export { compareTerms } from './compare-terms.ts';
export type { TermsChange } from './compare-terms.ts';
export { toOdrl } from './odrl-export.ts';
export { fromOdrl, ODRL_LIMITS } from './odrl-import.ts';
export { allowedActions, compileView, decideAccess, mayKnowOf, SCOPE_OF } from './decide.ts';
export type {
  Allowed,
  Caller,
  Decision,
  DecisionInput,
  Declared,
  DenialReason,
  Denied,
  Restriction,
} from './decide.ts';
