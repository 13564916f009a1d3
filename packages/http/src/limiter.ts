import type { Timers } from '@civex/environment';
import type { Cancellation } from './cancellation.ts';

/** How the request that held a slot ended. `shed`: a sign that the portal has too much to do. */
export type SlotEnd = 'ok' | 'shed' | 'neutral';

export interface Slot {
  /** Idempotent. */
  release(how: SlotEnd): void;
}

export interface Limiter {
  /** A slot when one is free and nobody waits, else null. */
  tryAcquire(): Slot | null;
  /** First come, first served. Rejects with `full()` when the queue is full or the wait is over. */
  acquire(maxWaitMs: number, cancellation: Cancellation): Promise<Slot>;
  rejectQueued(reason: Error): void;
  readonly inFlight: number;
  readonly queued: number;
  readonly limit: number;
}

interface Waiter {
  admit(slot: Slot): void;
  fail(reason: Error): void;
}

const DECREASE = 0.5;

/**
 * Additive increase, multiplicative decrease between 1 and `maxConcurrent` requests in flight. The limit starts at the
 * top and halves on a sign of overload; each good answer that finds it at least half used adds 1/limit.
 * One round of requests halves it once: those begun before the last cut do not cut again.
 */
export function createLimiter(maxConcurrent: number, maxQueued: number, full: () => Error, timers: Timers): Limiter {
  let limit = maxConcurrent;
  let inFlight = 0;
  let issued = 0;
  let issuedAtCut = 0;
  const queue: Waiter[] = [];

  const issue = (): Slot => {
    inFlight += 1;
    issued += 1;
    const ticket = issued;
    let held = true;
    return {
      release(how) {
        if (!held) return;
        held = false;
        if (how === 'ok') {
          if (inFlight * 2 >= limit) limit = Math.min(maxConcurrent, limit + 1 / limit);
        } else if (how === 'shed' && ticket > issuedAtCut) {
          limit = Math.max(1, limit * DECREASE);
          issuedAtCut = issued;
        }
        inFlight -= 1;
        while (queue.length > 0 && inFlight < Math.floor(limit)) queue.shift()?.admit(issue());
      },
    };
  };

  return {
    tryAcquire: () => (queue.length === 0 && inFlight < Math.floor(limit) ? issue() : null),
    acquire(maxWaitMs, cancellation) {
      return new Promise((resolve, reject) => {
        if (cancellation.reason !== null) {
          reject(cancellation.reason);
          return;
        }
        if (queue.length >= maxQueued) {
          reject(full());
          return;
        }
        const leave = (reason: Error | null) => {
          const at = queue.indexOf(waiter);
          if (at >= 0) queue.splice(at, 1);
          waiter.fail(reason ?? full());
        };
        const onAbort = () => leave(cancellation.reason);
        const settle = () => {
          timers.clearTimer(timer);
          cancellation.off('abort', onAbort);
        };
        const waiter: Waiter = {
          admit(slot) {
            settle();
            resolve(slot);
          },
          fail(reason) {
            settle();
            reject(reason);
          },
        };
        const timer = timers.setTimer(() => leave(null), maxWaitMs);
        cancellation.once('abort', onAbort);
        queue.push(waiter);
      });
    },
    rejectQueued(reason) {
      for (const waiter of queue.splice(0)) waiter.fail(reason);
    },
    get inFlight() {
      return inFlight;
    },
    get queued() {
      return queue.length;
    },
    get limit() {
      return Math.floor(limit);
    },
  };
}
