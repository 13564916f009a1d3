import { createWindow } from './window.ts';

export type CircuitState = 'closed' | 'open' | 'half-open';

/**
 * How one call ended for the breaker. `alive`: the portal answered, but the answer says nothing about its health (4xx);
 * `abandoned`: nobody waited for the end.
 */
export type CallEnd = 'success' | 'failure' | 'alive' | 'abandoned';

export interface Pass {
  /** True for the one call that tries whether an open circuit may close. */
  readonly isProbe: boolean;
  /** Idempotent: the first end counts. */
  end(how: CallEnd): void;
}

export interface Breaker {
  /** Milliseconds until a call may be tried again, or null when one may start. */
  refusedForMs(): number | null;
  /** To be called only right after `refusedForMs` answered null. */
  enter(): Pass;
  state(): CircuitState;
}

const WINDOW_MS = 30_000;
const MIN_CALLS = 10;
const FAILURE_SHARE = 0.5;
const FIRST_OPEN_MS = 5_000;
const MAX_OPEN_MS = 60_000;
/** What a caller is told to wait while the one probe is under way. */
const PROBE_WAIT_MS = 1_000;

/** Opens at 10 calls or more in 30 s of which half or more failed; stays open for 5 s, doubling to 60 s; one probe. */
export function createBreaker(now: () => number, onChange: (state: CircuitState) => void): Breaker {
  const window = createWindow(WINDOW_MS, now);
  let circuit: CircuitState = 'closed';
  let openedAt = 0;
  let openMs = FIRST_OPEN_MS;
  /** Moves on at each change, so that calls begun under an earlier state do not speak for the present one. */
  let era = 0;
  let probing = false;

  const change = (state: CircuitState) => {
    circuit = state;
    era += 1;
    probing = false;
    onChange(state);
  };
  const open = (forMs: number) => {
    openMs = forMs;
    openedAt = now();
    change('open');
  };
  const close = () => {
    window.clear();
    openMs = FIRST_OPEN_MS;
    change('closed');
  };
  const openForMs = (): number => {
    const at = now();
    // A clock that stepped back must not keep the circuit open for longer than it was opened.
    if (at < openedAt) openedAt = at;
    return Math.max(0, openedAt + openMs - at);
  };

  return {
    refusedForMs() {
      if (circuit === 'closed') return null;
      if (circuit === 'open') {
        const leftMs = openForMs();
        if (leftMs > 0) return leftMs;
        change('half-open');
      }
      return probing ? PROBE_WAIT_MS : null;
    },
    enter() {
      const isProbe = circuit === 'half-open';
      if (isProbe) probing = true;
      const enteredEra = era;
      let ended = false;
      return {
        isProbe,
        end(how) {
          if (ended) return;
          ended = true;
          if (enteredEra !== era) return;
          if (isProbe) {
            if (how === 'failure') open(Math.min(openMs * 2, MAX_OPEN_MS));
            else if (how === 'abandoned') probing = false;
            else close();
            return;
          }
          if (how !== 'success' && how !== 'failure') return;
          window.add(how === 'failure');
          if (how === 'failure' && window.total >= MIN_CALLS && window.failed >= window.total * FAILURE_SHARE)
            open(FIRST_OPEN_MS);
        },
      };
    },
    state() {
      return circuit === 'open' && openForMs() === 0 ? 'half-open' : circuit;
    },
  };
}
