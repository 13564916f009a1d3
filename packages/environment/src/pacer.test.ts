import { expect, test } from 'vitest';
import type { Timer } from './environment.ts';
import { createPacer } from './pacer.ts';

/** Turns of an event loop, one at a time. */
function createTurns() {
  let callbacks: (() => void)[] = [];
  return {
    timers: {
      setTimer: (callback: () => void) => {
        callbacks.push(callback);
        return callback as unknown as Timer;
      },
      clearTimer: (timer: Timer | null) => {
        callbacks = callbacks.filter((callback) => callback !== (timer as unknown));
      },
    },
    pending: () => callbacks.length,
    async next() {
      const due = callbacks;
      callbacks = [];
      for (const callback of due) callback();
      await Promise.resolve();
    },
  };
}

test('lets through what fits a turn, and the rest in the turns after it, in their order', async () => {
  const turns = createTurns();
  const pacer = createPacer(turns.timers, 10);
  const passed: string[] = [];
  const pass = (name: string, size: number): void => {
    const turn = pacer.pass(size);
    if (turn === undefined) passed.push(name);
    else void turn.then(() => passed.push(name));
  };
  pass('a', 6);
  pass('b', 4);
  pass('c', 8);
  pass('d', 1);
  pass('e', 5);
  expect(passed).toEqual(['a', 'b']);
  await turns.next();
  expect(passed).toEqual(['a', 'b', 'c', 'd']);
  await turns.next();
  expect(passed).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('gives what is larger than a turn one of its own', async () => {
  const turns = createTurns();
  const pacer = createPacer(turns.timers, 10);
  expect(pacer.pass(1_000)).toBeUndefined();
  let isPassed = false;
  void pacer.pass(2_000)?.then(() => {
    isPassed = true;
  });
  expect(isPassed).toBe(false);
  await turns.next();
  expect(isPassed).toBe(true);
  // Nobody goes past those who wait.
  expect(pacer.pass(1)).toBeInstanceOf(Promise);
});

test('wakes for nothing when there is no work', async () => {
  const turns = createTurns();
  const pacer = createPacer(turns.timers, 10);
  expect(turns.pending()).toBe(0);
  expect(pacer.pass(-5)).toBeUndefined();
  await turns.next();
  expect(turns.pending()).toBe(0);
  expect(pacer.pass(10)).toBeUndefined();
});

test('once closed holds nobody and leaves no timer', async () => {
  const turns = createTurns();
  const pacer = createPacer(turns.timers, 10);
  expect(pacer.pass(10)).toBeUndefined();
  const waiting = [pacer.pass(10), pacer.pass(10)];
  expect(turns.pending()).toBe(1);
  pacer.close();
  for (const one of waiting) await one;
  expect(turns.pending()).toBe(0);
  expect(pacer.pass(1_000)).toBeUndefined();
  expect(turns.pending()).toBe(0);
});
