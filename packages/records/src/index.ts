export { createRecordDoor } from './record-door.ts';
export type {
  RecordDoor,
  RecordDoorOptions,
  RecordEntry,
  RecordPlanReport,
  RecordRequest,
  RecordResult,
  SeenColumns,
} from './record-door.ts';
export type { ProbeVerdict } from './probe-capability.ts';
export type { LostEntry } from './lost-capabilities.ts';
export type { NotPushed, Strategy } from './explain.ts';
export type { AggregateRequest, AggregateResult } from './read-aggregate.ts';
export type { RecordStream, StreamRequest } from './open-stream.ts';
export { planRecords } from './plan-records.ts';
export type { RecordPlan, RecordPlanInput, RecordStrategy, WindowOrder } from './plan-records.ts';
export type { CursorSeal } from './record-cursor.ts';
export { OPEN_VIEW } from '@civex/sharing';
export type { AccessView } from '@civex/sharing';
