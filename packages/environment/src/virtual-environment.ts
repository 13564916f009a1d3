import type { Environment, Network, Timer } from './environment.ts';

export interface VirtualOptions {
  /** The same seed gives the same `random()` and `randomBytes()`, in the same order of calls. */
  readonly seed: number;
  /** Both clocks begin here, epoch milliseconds. Default 2026-03-01T12:00:00Z. */
  readonly startEpochMs?: number;
  /** Default: no name resolves and no connection comes about. */
  readonly network?: Network;
}

/** An environment in which time passes only when it is told to: what takes hours is over in milliseconds. */
export interface VirtualEnvironment extends Environment {
  /** Lets everything happen that can happen without time passing. */
  settle(): Promise<void>;
  /** Lets time pass: each wait ends at its own moment, and what follows from it is over before the next one ends. */
  advance(ms: number): Promise<void>;
  /** Sets the wall clock ahead, or back when negative. The monotonic clock does not notice. */
  step(ms: number): void;
  /** How many waits are under way, background ones included. */
  pendingTimers(): number;
}

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
  isLive: boolean;
}

const isBefore = (a: Entry, b: Entry) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** A small deterministic generator (mulberry32): 0 inclusive to 1 exclusive. Not for secrets. */
export function createSeededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const NOWHERE: Network = {
  resolve: (_hostname, done) => queueMicrotask(() => done(new Error('no network'), [])),
  createConnector: () => (_target, done) => {
    queueMicrotask(() => done(new Error('no network'), null));
    return { destroy() {} };
  },
};

/** Turns of the event loop without a wait; more means that something goes on for ever without time passing. */
const MAX_TURNS = 100_000;

/** Immediates that are still to come. */
const immediates = () => process.getActiveResourcesInfo().filter((name) => name === 'Immediate').length;

/**
 * Does not govern what happens on other threads: compression of streams, files, real sockets. Code that uses those is
 * settled before it is done.
 */
export function createVirtualEnvironment(options: VirtualOptions): VirtualEnvironment {
  const startEpochMs = options.startEpochMs ?? Date.UTC(2026, 2, 1, 12);
  const random = createSeededRandom(options.seed);
  const secrets = createSeededRandom(options.seed ^ 0x5eed);
  let nowMs = startEpochMs;
  let steppedMs = 0;
  let orders = 0;
  let live = 0;
  /** A binary heap: the first one is due first. */
  const heap: Entry[] = [];

  const swap = (a: number, b: number) => {
    const [x, y] = [heap[a], heap[b]];
    if (x === undefined || y === undefined) return;
    heap[a] = y;
    heap[b] = x;
  };
  const goesBefore = (a: number, b: number) => {
    const [x, y] = [heap[a], heap[b]];
    return x !== undefined && y !== undefined && isBefore(x, y);
  };
  const add = (entry: Entry) => {
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!goesBefore(at, parent)) break;
      swap(at, parent);
      at = parent;
    }
  };
  const takeFirst = () => {
    swap(0, heap.length - 1);
    heap.pop();
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const least = goesBefore(left + 1, left) ? left + 1 : left;
      if (!goesBefore(least, at)) return;
      swap(least, at);
      at = least;
    }
  };
  /** The next wait to end, not later than a moment. */
  const takeDue = (untilMs: number): Entry | undefined => {
    for (;;) {
      const [first] = heap;
      if (first === undefined || (first.isLive && first.atMs > untilMs)) return undefined;
      takeFirst();
      if (first.isLive) return first;
    }
  };

  const settle = async () => {
    let idleTurns = 0;
    for (let turn = 0; idleTurns < 2; turn++) {
      if (turn === MAX_TURNS) throw new Error('the event loop does not come to rest');
      await new Promise((resolve) => setImmediate(resolve));
      idleTurns = immediates() === 0 ? idleTurns + 1 : 0;
    }
  };

  return {
    now: () => nowMs + steppedMs,
    monotonicMs: () => nowMs,
    setTimer(callback, delayMs): Timer {
      // As the platform does: never at once, and nonsense is the shortest wait.
      const waitMs = delayMs >= 1 ? Math.min(Math.floor(delayMs), 2_147_483_647) : 1;
      const entry: Entry = { atMs: nowMs + waitMs, order: orders++, callback, isLive: true };
      live += 1;
      add(entry);
      return entry;
    },
    clearTimer(timer) {
      if (timer === null || timer === undefined) return;
      // Timers come from `setTimer` alone.
      const entry = timer as Entry;
      if (!entry.isLive) return;
      entry.isLive = false;
      live -= 1;
    },
    random,
    randomBytes: (size) => Uint8Array.from({ length: size }, () => Math.floor(secrets() * 256)),
    network: options.network ?? NOWHERE,
    settle,
    async advance(ms) {
      const untilMs = nowMs + ms;
      await settle();
      for (let due = takeDue(untilMs); due !== undefined; due = takeDue(untilMs)) {
        nowMs = due.atMs;
        due.isLive = false;
        live -= 1;
        due.callback();
        await settle();
      }
      nowMs = untilMs;
    },
    step(ms) {
      steppedMs += ms;
    },
    pendingTimers: () => live,
  };
}
