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
