export { MAX_TIMER_MS } from './environment.ts';
export type {
  Clock,
  Connector,
  ConnectTarget,
  Environment,
  Network,
  Resolve,
  ResolvedAddress,
  Socket,
  Timer,
  TimerOptions,
  Timers,
} from './environment.ts';
export { createPacer } from './pacer.ts';
export type { Pacer } from './pacer.ts';
export { createSystemEnvironment } from './system-environment.ts';
export { createUuid } from './uuid.ts';
export { createSeededRandom, createVirtualEnvironment } from './virtual-environment.ts';
export type { VirtualEnvironment, VirtualOptions } from './virtual-environment.ts';
