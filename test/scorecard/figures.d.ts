import 'vitest';

/** One line of the scorecard: what a test established. */
export interface Figure {
  /** Point of the record engine's promise it belongs to, 1 to 9. */
  readonly point: number;
  /** What was counted or measured, with its unit. */
  readonly what: string;
  readonly value: number | string;
  /** What is promised. */
  readonly target: string;
  /** Computed from the value, never written down. */
  readonly isMet: boolean;
}

declare module 'vitest' {
  interface TaskMeta {
    figures?: readonly Figure[];
  }
}
