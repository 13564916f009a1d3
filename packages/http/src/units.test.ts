import { createSystemEnvironment } from '@civex/environment';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { createBreaker } from './breaker.ts';
import { Cancellation, pause } from './cancellation.ts';
import { createLimiter as createLimiterOn, type Slot, type Limiter } from './limiter.ts';
import { createRateWatch } from './rate-watch.ts';
import { createRetryBudget } from './retry-budget.ts';
import { parseRetryAfter } from './retry-after.ts';
import { createTestClock } from './testing.ts';
import { VERSION } from './version.ts';
import { createWindow } from './window.ts';
import { toWireRequest } from './wire-request.ts';

const system = createSystemEnvironment();

test('the version sent to portals is the version of the package', () => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  expect(VERSION).toBe(manifest.version);
});

describe('a window', () => {
  test('forgets what is older than its span', () => {
    const clock = createTestClock();
    const window = createWindow(30_000, clock.now);
    window.add(true);
    clock.advance(15_000);
    window.add(false);
    expect([window.total, window.failed]).toEqual([2, 1]);
    clock.advance(16_000);
    expect([window.total, window.failed]).toEqual([1, 0]);
    clock.advance(30_000);
    expect([window.total, window.failed]).toEqual([0, 0]);
  });

  test('is empty after the clock stepped back', () => {
    const clock = createTestClock();
    const window = createWindow(30_000, clock.now);
    window.add(true);
    clock.advance(-3_600_000);
    expect(window.total).toBe(0);
  });

  test('counts as a plain list of times does, to a tenth of its span', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 9_000 }), fc.boolean()), { maxLength: 60 }), (events) => {
        const clock = createTestClock();
        const window = createWindow(30_000, clock.now);
        const seen: { at: number; failed: boolean }[] = [];
        for (const [gapMs, failed] of events) {
          clock.advance(gapMs);
          window.add(failed);
          seen.push({ at: clock.now(), failed });
          const slice = Math.floor(clock.now() / 3_000);
          const kept = seen.filter(({ at }) => slice - Math.floor(at / 3_000) < 10);
          expect([window.total, window.failed]).toEqual([kept.length, kept.filter((event) => event.failed).length]);
        }
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});

describe('the breaker', () => {
  function createBroken(calls: number, failures: number) {
    const clock = createTestClock();
    const changes: string[] = [];
    const breaker = createBreaker(clock.now, (state) => changes.push(state));
    for (let call = 0; call < calls; call++) {
      if (breaker.refusedForMs() === null) breaker.enter().end(call < calls - failures ? 'success' : 'failure');
    }
    return { clock, breaker, changes };
  }

  test('stays closed below ten calls, whatever they bring', () => {
    expect(createBroken(9, 9).breaker.state()).toBe('closed');
  });

  test('stays closed below half failures', () => {
    expect(createBroken(11, 5).breaker.state()).toBe('closed');
  });

  test('opens at ten calls of which half fail, for five seconds', () => {
    const { breaker, clock } = createBroken(10, 5);
    expect(breaker.state()).toBe('open');
    expect(breaker.refusedForMs()).toBe(5_000);
    clock.advance(4_999);
    expect(breaker.refusedForMs()).toBe(1);
    clock.advance(1);
    expect(breaker.state()).toBe('half-open');
    expect(breaker.refusedForMs()).toBeNull();
  });

  test('lets one probe pass and closes on its success', () => {
    const { breaker, clock, changes } = createBroken(10, 10);
    clock.advance(5_000);
    expect(breaker.refusedForMs()).toBeNull();
    const probe = breaker.enter();
    expect(probe.isProbe).toBe(true);
    expect(breaker.refusedForMs()).toBe(1_000);
    probe.end('success');
    expect(breaker.state()).toBe('closed');
    expect(changes).toEqual(['open', 'half-open', 'closed']);
  });

  test('doubles the pause with each failed probe up to a minute, and starts small again after closing', () => {
    const { breaker, clock } = createBroken(10, 10);
    const pauses: (number | null)[] = [];
    for (let round = 0; round < 6; round++) {
      const pauseMs = breaker.refusedForMs();
      pauses.push(pauseMs);
      clock.advance(pauseMs ?? 0);
      breaker.refusedForMs();
      breaker.enter().end('failure');
    }
    expect(pauses).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
    clock.advance(60_000);
    breaker.refusedForMs();
    breaker.enter().end('alive');
    for (let call = 0; call < 10; call++) breaker.enter().end('failure');
    expect(breaker.refusedForMs()).toBe(5_000);
  });

  test('lets the next probe pass when one was abandoned', () => {
    const { breaker, clock } = createBroken(10, 10);
    clock.advance(5_000);
    breaker.refusedForMs();
    breaker.enter().end('abandoned');
    expect(breaker.refusedForMs()).toBeNull();
  });

  test('ignores calls that began before it opened', () => {
    const { breaker, clock } = createBroken(5, 0);
    const late = breaker.enter();
    for (let call = 0; call < 5; call++) breaker.enter().end('failure');
    expect(breaker.state()).toBe('open');
    clock.advance(5_000);
    late.end('success');
    expect(breaker.state()).toBe('half-open');
  });

  test('is not opened again by calls that began before it opened', () => {
    const { breaker, clock } = createBroken(0, 0);
    const late = Array.from({ length: 10 }, () => breaker.enter());
    for (let call = 0; call < 10; call++) breaker.enter().end('failure');
    clock.advance(5_000);
    breaker.refusedForMs();
    breaker.enter().end('success');
    for (const pass of late) pass.end('failure');
    expect(breaker.state()).toBe('closed');
  });

  test('counts neither client errors nor abandoned calls', () => {
    const { breaker } = createBroken(5, 5);
    for (let call = 0; call < 50; call++) breaker.enter().end(call % 2 === 0 ? 'alive' : 'abandoned');
    expect(breaker.state()).toBe('closed');
  });

  test('is not kept open by a clock that steps back', () => {
    const { breaker, clock } = createBroken(10, 10);
    clock.advance(-3_600_000);
    expect(breaker.refusedForMs()).toBe(5_000);
    clock.advance(5_000);
    expect(breaker.refusedForMs()).toBeNull();
  });
});

describe('the retry budget', () => {
  test('allows one retry to a quiet source and the share to a busy one', () => {
    const clock = createTestClock();
    const budget = createRetryBudget(0.1, clock.now);
    budget.countRequest();
    expect([budget.take(), budget.take()]).toEqual([true, false]);
    for (let request = 0; request < 99; request++) budget.countRequest();
    const taken = Array.from({ length: 20 }, () => budget.take()).filter(Boolean);
    expect(taken).toHaveLength(9);
    clock.advance(10_000);
    expect(budget.take()).toBe(true);
  });

  test('allows none when the share is zero', () => {
    const budget = createRetryBudget(0, createTestClock().now);
    budget.countRequest();
    expect(budget.take()).toBe(false);
  });
});

describe('the limiter', () => {
  const full = () => new Error('full');
  const createLimiter = (maxConcurrent: number, maxQueued: number) =>
    createLimiterOn(maxConcurrent, maxQueued, full, system);
  const take = (limiter: Limiter): Slot => {
    const slot = limiter.tryAcquire();
    if (slot === null) throw new Error('no slot');
    return slot;
  };

  test('serves first come, first served', async () => {
    const limiter = createLimiter(1, 5);
    const held = take(limiter);
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (name) => {
      const slot = await limiter.acquire(10_000, new Cancellation());
      order.push(name);
      slot.release('ok');
    });
    expect(limiter.queued).toBe(3);
    expect(limiter.tryAcquire()).toBeNull();
    held.release('ok');
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
    expect([limiter.inFlight, limiter.queued]).toEqual([0, 0]);
  });

  test('refuses at once when the queue is full', async () => {
    const limiter = createLimiter(1, 1);
    const held = take(limiter);
    const first = limiter.acquire(10_000, new Cancellation());
    await expect(limiter.acquire(10_000, new Cancellation())).rejects.toThrow('full');
    held.release('ok');
    (await first).release('ok');
  });

  test('refuses when the wait is over', async () => {
    const limiter = createLimiter(1, 1);
    take(limiter);
    await expect(limiter.acquire(5, new Cancellation())).rejects.toThrow('full');
    expect(limiter.queued).toBe(0);
  });

  test('lets a cancelled caller leave the queue and keeps its place for nobody', async () => {
    const limiter = createLimiter(1, 5);
    const held = take(limiter);
    const cancellation = new Cancellation();
    const gone = limiter.acquire(10_000, cancellation);
    const next = limiter.acquire(10_000, new Cancellation());
    cancellation.cancel(new Error('gone'));
    await expect(gone).rejects.toThrow('gone');
    expect(cancellation.listenerCount('abort')).toBe(0);
    held.release('ok');
    (await next).release('ok');
    expect(limiter.inFlight).toBe(0);
  });

  test('halves once for one round of overload and recovers step by step while it is used', () => {
    const limiter = createLimiter(16, 5);
    for (const slot of Array.from({ length: 16 }, () => take(limiter))) slot.release('shed');
    expect(limiter.limit).toBe(8);
    const held = Array.from({ length: 7 }, () => take(limiter));
    for (let answer = 0; answer < 9; answer++) take(limiter).release('ok');
    expect(limiter.limit).toBe(9);
    for (const slot of held) slot.release('neutral');
    for (let answer = 0; answer < 100; answer++) take(limiter).release('ok');
    expect(limiter.limit).toBe(9);
  });

  test('never goes below one nor above its maximum, and never loses a slot', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.constantFrom('take', 'ok', 'shed', 'neutral', 'twice'), { maxLength: 200 }),
        (max, steps) => {
          const limiter = createLimiter(max, 0);
          const held: Slot[] = [];
          for (const step of steps) {
            if (step === 'take') {
              const slot = limiter.tryAcquire();
              if (slot !== null) held.push(slot);
            } else {
              const slot = held.shift();
              slot?.release(step === 'twice' ? 'ok' : step);
              if (step === 'twice') slot?.release('shed');
            }
            expect(limiter.inFlight).toBe(held.length);
            expect(limiter.limit).toBeGreaterThanOrEqual(1);
            expect(limiter.limit).toBeLessThanOrEqual(max);
            expect(limiter.inFlight).toBeLessThanOrEqual(max);
          }
        },
      ),
      { seed: 11, numRuns: 300 },
    );
  });
});

describe('a pause', () => {
  test('ends with the reason when cancelled and leaves no listener behind', async () => {
    const cancellation = new Cancellation();
    const waiting = pause(60_000, cancellation, system);
    cancellation.cancel(new Error('over'));
    await expect(waiting).rejects.toThrow('over');
    await expect(pause(1, cancellation, system)).rejects.toThrow('over');
    expect(cancellation.listenerCount('abort')).toBe(0);
  });

  test('leaves no listener behind when it ends by itself', async () => {
    const cancellation = new Cancellation();
    await pause(1, cancellation, system);
    expect(cancellation.listenerCount('abort')).toBe(0);
  });
});

describe('the rate watch', () => {
  /** Bodies that bring `bytes` a tick each; answers how often each was called hung. */
  async function watchFor(bytes: readonly number[], isAwaited: boolean): Promise<number[]> {
    const watch = createRateWatch(1_000, 10, system);
    const hung = bytes.map(() => 0);
    let ticks = 0;
    await new Promise<void>((resolve) => {
      // Asked once per tick: the pace of the bodies is the pace of the watch, however slow the machine.
      watch.watch({
        readBytes: () => ticks * 1_000_000,
        isAwaited: () => {
          ticks += 1;
          if (ticks > 12) resolve();
          return true;
        },
        onHung: () => {},
      });
      bytes.forEach((perTick, at) =>
        watch.watch({
          readBytes: () => ticks * perTick,
          isAwaited: () => isAwaited,
          onHung: () => {
            hung[at] = (hung[at] ?? 0) + 1;
          },
        }),
      );
    });
    watch.close();
    return hung;
  }

  test('finds bodies below the rate and leaves those at it alone', async () => {
    expect(await watchFor([0, 9, 11], true)).toEqual([1, 1, 0]);
  });

  test('does not blame the portal while the reader is slow', async () => {
    expect(await watchFor([0], false)).toEqual([0]);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  test.each([
    ['120', 120_000],
    [' 0 ', 0],
    ['86400', 3_600_000],
    ['9999999999', 3_600_000],
    ['Sun, 01 Mar 2026 12:00:30 GMT', 30_000],
    ['Sun, 01 Mar 2026 11:00:30 GMT', 0],
    ['Mon, 01 Mar 2027 12:00:30 GMT', 3_600_000],
    ['-1', null],
    ['1.5', null],
    ['soon', null],
    ['Monday', null],
    ['', null],
    ['99999999999', null],
    [undefined, null],
  ])('%j is read as %j milliseconds', (value, expected) => {
    expect(parseRetryAfter(value, now)).toBe(expected);
  });
});

describe('a request on the wire', () => {
  const request = { method: 'GET', path: '/datasets/a%2Fb/records', cache: 'none' } as const;

  test('keeps an encoded path and encodes its parameters', () => {
    const search = [
      ['where', 'name = "é" & x+1'],
      ['a b', ''],
    ] as const;
    expect(toWireRequest({ ...request, search }).path).toBe(
      '/datasets/a%2Fb/records?where=name%20%3D%20%22%C3%A9%22%20%26%20x%2B1&a%20b=',
    );
  });

  test.each([
    '/datasets/../admin',
    '/datasets/%2e%2E/admin',
    '/datasets/.%2e',
    '/./x',
    '/x/.',
    '/a?b=1',
    '/a#b',
    '/a\\b',
    '/a b',
    '/é',
    '/a\r\nx',
    'http://other.example/',
    '',
  ])('refuses the path %j', (path) => {
    expect(() => toWireRequest({ ...request, path })).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
  });

  test.each(['/a..b', '/...', '/x/.hidden', '/v2.1/x', '//double'])('takes the path %j', (path) => {
    expect(toWireRequest({ ...request, path }).path).toBe(path);
  });

  test('refuses a lone surrogate', () => {
    expect(() => toWireRequest({ ...request, search: [['q', '\ud800']] })).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID' }),
    );
  });

  test('has one key per question', () => {
    const text = fc.string({ maxLength: 3 });
    const search = fc.array(fc.tuple(text, text), { maxLength: 3 });
    const asked = fc.record({ search, body: fc.option(search, { nil: undefined }) });
    fc.assert(
      fc.property(asked, asked, (left, right) => {
        const keys = [left, right].map((parts) => toWireRequest({ ...request, ...parts }).key);
        expect(keys[0] === keys[1]).toBe(
          JSON.stringify([left.search, left.body]) === JSON.stringify([right.search, right.body]),
        );
      }),
      { seed: 3, numRuns: 500 },
    );
  });
});
