import { describe, expect, test } from 'vitest';
import { createSeededRandom, createVirtualEnvironment } from './virtual-environment.ts';

const START_MS = Date.UTC(2026, 0, 1);
const create = (seed = 1) => createVirtualEnvironment({ seed, startEpochMs: START_MS });

describe('a virtual environment', () => {
  test('ends waits in the order of their moments', async () => {
    const env = create();
    const ended: (readonly [string, number])[] = [];
    const wait = (name: string, ms: number) => env.setTimer(() => ended.push([name, env.monotonicMs() - START_MS]), ms);
    for (const [name, ms] of [
      ['late', 30],
      ['first', 10],
      ['second', 10],
      ['between', 20],
    ] as const)
      wait(name, ms);
    await env.advance(29);
    expect(ended).toEqual([
      ['first', 10],
      ['second', 10],
      ['between', 20],
    ]);
    await env.advance(1);
    expect(ended.at(-1)).toEqual(['late', 30]);
    expect(env.pendingTimers()).toBe(0);
  });

  test('lets what follows from a wait happen at its moment, further waits included', async () => {
    const env = create();
    const seen: number[] = [];
    const pause = (ms: number) => new Promise<void>((resolve) => env.setTimer(resolve, ms));
    const work = (async () => {
      for (let turn = 0; turn < 3; turn++) {
        await pause(10);
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(env.monotonicMs() - START_MS);
      }
    })();
    env.setTimer(() => seen.push(-15), 15);
    await env.advance(30);
    await work;
    expect(seen).toEqual([10, -15, 20, 30]);
  });

  test('ends waits of one moment in the order they began, however many there are', async () => {
    const env = create();
    const names = Array.from({ length: 40 }, (_, index) => index);
    const ended: number[] = [];
    for (const name of names) env.setTimer(() => ended.push(name), 10);
    await env.advance(10);
    expect(ended).toEqual(names);
  });

  test('forgets a wait that was cleared, before and after its end', async () => {
    const env = create();
    let calls = 0;
    const timer = env.setTimer(() => calls++, 5);
    env.clearTimer(timer);
    env.clearTimer(timer);
    env.clearTimer(null);
    const ended = env.setTimer(() => calls++, 5);
    await env.advance(5);
    env.clearTimer(ended);
    expect([calls, env.pendingTimers()]).toEqual([1, 0]);
  });

  test.each([
    ['nothing', 0],
    ['less than nothing', -5],
    ['no number', Number.NaN],
  ])('takes a wait of %s for the shortest one', async (_, ms) => {
    const env = create();
    let endedMs = -1;
    env.setTimer(() => (endedMs = env.monotonicMs() - START_MS), ms);
    await env.advance(0);
    expect(endedMs).toBe(-1);
    await env.advance(1);
    expect(endedMs).toBe(1);
  });

  test('steps its wall clock without ending a wait', async () => {
    const env = create();
    let calls = 0;
    env.setTimer(() => calls++, 1_000);
    env.step(-3_600_000);
    env.step(60_000);
    await env.advance(10);
    expect([env.now() - START_MS, env.monotonicMs() - START_MS, calls]).toEqual([-3_539_990, 10, 0]);
  });

  test('gives the same numbers and bytes for the same seed, and others for another', () => {
    const draw = (seed: number) => {
      const env = create(seed);
      return [env.random(), env.random(), ...env.randomBytes(4)];
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  test('reaches nothing unless a network is given', async () => {
    const { network } = create();
    const error = await new Promise((resolve) => network.resolve('portal.example', resolve));
    expect(error).toBeInstanceOf(Error);
  });

  test('says so when the event loop does not come to rest', async () => {
    const env = create();
    let isOver = false;
    const spin = () => {
      if (!isOver) setImmediate(spin);
    };
    spin();
    await expect(env.settle()).rejects.toThrow('does not come to rest');
    isOver = true;
  });
});

test('seeded numbers are spread over 0 to 1, the end excluded', () => {
  const random = createSeededRandom(3);
  const numbers = Array.from({ length: 10_000 }, random);
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...numbers)).toBeLessThan(1);
  const tenths = Array.from({ length: 10 }, (_, tenth) =>
    numbers.filter((number) => Math.floor(number * 10) === tenth),
  );
  for (const { length } of tenths) expect(length).toBeGreaterThan(850);
});
