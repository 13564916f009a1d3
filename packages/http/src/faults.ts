import { HubError } from '@civex/errors';

/** The errors of this package. Their texts are ours; what the portal or the system said goes into `cause` only. */
export interface Faults {
  timedOut(cause?: unknown): HubError;
  unreachable(cause?: unknown): HubError;
  failing(retryAfterMs: number | null, cause?: unknown): HubError;
  challenged(): HubError;
  circuitOpen(retryAfterMs: number): HubError;
  overloaded(retryAfterMs: number | null): HubError;
  queueFull(): HubError;
  malformed(cause?: unknown): HubError;
  tooLarge(): HubError;
  partial(): HubError;
  addressRefused(cause?: unknown): HubError;
  redirectRefused(): HubError;
  cancelled(cause?: unknown): HubError;
  closed(cause?: unknown): HubError;
  internal(cause?: unknown): HubError;
}

export function createFaults(source: string): Faults {
  const facts = { source };
  const later = (retryAfterMs: number | null) => (retryAfterMs === null ? facts : { source, retryAfterMs });
  return {
    timedOut: (cause) => new HubError('SOURCE_TIMEOUT', 'The source did not answer in time.', facts, cause),
    unreachable: (cause) => new HubError('SOURCE_UNAVAILABLE', 'The source cannot be reached.', facts, cause),
    failing: (retryAfterMs, cause) =>
      new HubError('SOURCE_UNAVAILABLE', 'The source reported a fault of its own.', later(retryAfterMs), cause),
    challenged: () => new HubError('SOURCE_UNAVAILABLE', 'The source answered with a bot challenge.', facts),
    circuitOpen: (retryAfterMs) =>
      new HubError(
        'SOURCE_UNAVAILABLE',
        'The source failed repeatedly and is not asked for a while.',
        later(retryAfterMs),
      ),
    overloaded: (retryAfterMs) =>
      new HubError('SOURCE_OVERLOADED', 'The source asks for fewer requests.', later(retryAfterMs)),
    queueFull: () => new HubError('SOURCE_OVERLOADED', 'Too many requests are waiting for the source.', facts),
    malformed: (cause) =>
      new HubError('SOURCE_MALFORMED', 'The source sent an answer that is damaged or incomplete.', facts, cause),
    tooLarge: () => new HubError('SOURCE_MALFORMED', 'The source sent an answer larger than the hub accepts.', facts),
    partial: () => new HubError('SOURCE_MALFORMED', 'The source sent a part where the whole was asked for.', facts),
    addressRefused: (cause) =>
      new HubError('SOURCE_REJECTED', 'The address of the source is not one the hub may connect to.', facts, cause),
    redirectRefused: () =>
      new HubError('SOURCE_REJECTED', 'The source redirected to where the hub does not follow.', facts),
    cancelled: (cause) => new HubError('CANCELLED', 'The request was cancelled.', facts, cause),
    closed: (cause) => new HubError('SOURCE_UNAVAILABLE', 'The source is not in use any more.', facts, cause),
    internal: (cause) => new HubError('INTERNAL', 'The hub could not build its request to the source.', facts, cause),
  };
}
