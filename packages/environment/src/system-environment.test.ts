import { expect, test } from 'vitest';
import { createSystemEnvironment } from './system-environment.ts';

const environment = createSystemEnvironment();
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a timer of no time is over in the next turn, and not in this one', async () => {
  let calls = 0;
  environment.setTimer(() => calls++, 0);
  await Promise.resolve();
  expect(calls).toBe(0);
  await turn();
  expect(calls).toBe(1);
});

test.each([0, 1])('a timer of %i ms that was cleared never calls', async (ms) => {
  let calls = 0;
  const cleared = environment.setTimer(() => calls++, ms);
  environment.clearTimer(cleared);
  await new Promise<void>((resolve) => environment.setTimer(resolve, 20));
  expect(calls).toBe(0);
  environment.clearTimer(cleared);
  environment.clearTimer(null);
});

test('a timer in the background keeps no process alive', () => {
  for (const ms of [0, 1_000]) {
    const timer = environment.setTimer(() => {}, ms, { isBackground: true }) as NodeJS.Timeout | NodeJS.Immediate;
    expect(timer.hasRef()).toBe(false);
    environment.clearTimer(timer);
  }
});
