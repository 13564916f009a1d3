import type { Timer, Timers } from './environment.ts';

/** Divides work that is all there at once over turns of the event loop, so that others are served in between. */
export interface Pacer {
  /**
   * To be waited for before a piece of work. Undefined when it can be done in this turn. Work that was let through is
   * never turned back; a piece larger than a turn has one of its own.
   *
   * @param size in the unit of `perTurn`.
   */
  pass(size: number): Promise<void> | undefined;
  /** Lets everybody through, those that wait and those that come. No timer is left. */
  close(): void;
}

/** @param perTurn size of the pieces let through in one turn of the event loop. */
export function createPacer(timers: Pick<Timers, 'setTimer' | 'clearTimer'>, perTurn: number): Pacer {
  const waiting: { readonly size: number; readonly go: () => void }[] = [];
  let used = 0;
  let turn: Timer | null = null;
  let isClosed = false;

  const fits = (size: number): boolean => used === 0 || used + size <= perTurn;
  const take = (size: number): void => {
    used += size;
    turn ??= timers.setTimer(next, 0);
  };
  function next(): void {
    turn = null;
    used = 0;
    for (let first = waiting[0]; first !== undefined && fits(first.size); first = waiting[0]) {
      waiting.shift();
      take(first.size);
      first.go();
    }
  }

  return {
    pass(size) {
      if (isClosed) return undefined;
      const least = Math.max(1, size);
      if (waiting.length === 0 && fits(least)) {
        take(least);
        return undefined;
      }
      return new Promise((go) => waiting.push({ size: least, go }));
    },
    close() {
      isClosed = true;
      timers.clearTimer(turn);
      for (const { go } of waiting.splice(0)) go();
    },
  };
}
