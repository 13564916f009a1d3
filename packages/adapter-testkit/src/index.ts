export { adapterContract, findMissingNeed } from './adapter-contract-suite.ts';
export { describeAdapterContract } from './describe-adapter-contract.ts';
export { HARD_TEXTS } from './filter-arbitraries.ts';
export type {
  ContractCheck,
  ContractHarness,
  ContractTruth,
  Need,
  PortalControls,
  TruthValues,
} from './contract-check.ts';
