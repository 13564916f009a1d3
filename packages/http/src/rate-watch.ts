import type { Timer, Timers } from '@civex/environment';

/** A body on its way. */
interface Transfer {
  /** Bytes that came over the wire since the body began. */
  readBytes(): number;
  /** False while it is the hub's own reader that is slow. */
  isAwaited(): boolean;
  /** Called once, when the body came too slowly. */
  onHung(): void;
}

export interface RateWatch {
  /** @returns what ends the watch; idempotent. */
  watch(transfer: Transfer): () => void;
  close(): void;
}

interface Watched {
  readonly transfer: Transfer;
  bytesAtStart: number;
  ticks: number;
}

const TICKS = 5;

/**
 * Finds bodies that drip: an idle timer never fires on one byte per second. A body is hung when during `5 * tickMs` of
 * waiting it brought less than `minBytesPerSecond` of that time. One timer serves all bodies of a source; it runs only
 * while there are some.
 */
export function createRateWatch(minBytesPerSecond: number, tickMs: number, timers: Timers): RateWatch {
  const watched = new Set<Watched>();
  let timer: Timer | null = null;
  const minBytes = (minBytesPerSecond * TICKS * tickMs) / 1000;

  const start = () => timers.setTimer(tick, tickMs, { isBackground: true });
  const tick = () => {
    timer = null;
    if (watched.size === 0) return;
    timer = start();
    for (const entry of watched) {
      if (!entry.transfer.isAwaited()) continue;
      entry.ticks += 1;
      if (entry.ticks < TICKS) continue;
      const bytes = entry.transfer.readBytes();
      if (bytes - entry.bytesAtStart < minBytes) {
        watched.delete(entry);
        entry.transfer.onHung();
      }
      entry.ticks = 0;
      entry.bytesAtStart = bytes;
    }
  };
  const stop = () => {
    timers.clearTimer(timer);
    timer = null;
  };

  return {
    watch(transfer) {
      if (minBytesPerSecond <= 0) return () => {};
      const entry: Watched = { transfer, bytesAtStart: transfer.readBytes(), ticks: 0 };
      watched.add(entry);
      // Left running when the last body ends and stopped at its next tick: most bodies are over within one tick.
      timer ??= start();
      return () => {
        watched.delete(entry);
      };
    },
    close() {
      watched.clear();
      stop();
    },
  };
}
