export type {
  Connective,
  Comparison,
  Fidelity,
  Predicate,
  PredicateOp,
  RecordFilter,
  ScalarValue,
  SortKey,
} from './filter.ts';
export { foldOf, isPredicate, toCql2Json } from './filter.ts';
export { bindAggregate, AGGREGATE_LIMITS } from './aggregate-bind.ts';
export type {
  AggregateInput,
  BoundAggregate,
  GroupByInput,
  GroupKey,
  Measure,
  MeasureInput,
  MeasureOp,
} from './aggregate-bind.ts';
export type { TimeUnit } from './aggregate-time.ts';
export { createAggregator } from './aggregate.ts';
export type { AggregateGroup, AggregateOutcome, Aggregator, GroupPart, MeasurePart } from './aggregate.ts';
export { bindFilter, bindSort, FILTER_LIMITS } from './bind.ts';
export type { FilterInput, SortInput } from './bind.ts';
export { parseCql2Json } from './cql2-json.ts';
export { parseCql2Text } from './cql2-text.ts';
export { createPredicate, evaluateFilter } from './evaluate.ts';
export {
  compareCodePoints,
  compareRecordIds,
  compareValues,
  createRecordComparator,
  readInstant,
  toFullDate,
} from './compare.ts';
export { roundToStep, toDecimalKey } from './decimal.ts';
export { explainSplit, splitFilter } from './plan.ts';
export type { Doubt, FilterSplit, NotPushedReason, PushdownGrades } from './plan.ts';
export { suggestName } from './suggest.ts';
export { isGeometryObject, isGeometryValue } from './geometry.ts';
