import type { Timers } from '@civex/environment';

/** Says so when a wait took too long; the work itself goes on and its end is not waited for. */
class DeadlinePassed extends Error {}

/** Settles as the work does, or rejects with `DeadlinePassed` after `limitMs`. */
export async function withDeadline<Value>(environment: Timers, limitMs: number, work: Promise<Value>): Promise<Value> {
  let timer: object | null = null;
  try {
    return await Promise.race([
      work,
      new Promise<never>((_, reject) => {
        timer = environment.setTimer(() => reject(new DeadlinePassed()), limitMs, { isBackground: true });
      }),
    ]);
  } finally {
    environment.clearTimer(timer);
  }
}
