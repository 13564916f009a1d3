import { HubError } from '@civex/errors';
import { describe, expect, test } from 'vitest';
import type { Socket } from 'node:net';
import type { HttpRequest } from './types.ts';
import { callFor, createClient, message, serveRaw, textOf, type Overrides } from './testing.ts';

const RECORDS: HttpRequest = { method: 'GET', path: '/records', search: [['limit', '10']], cache: 'records' };

/** A portal that numbers its answers and fails while told to. */
async function serveCounted(overrides: Overrides = {}) {
  const portal = { isDown: false, answer: undefined as undefined | ((socket: Socket) => void) };
  let served = 0;
  const server = await serveRaw((socket) => {
    if (portal.answer !== undefined) portal.answer(socket);
    else if (portal.isDown) socket.write(message('', {}, 503));
    else socket.write(message(`{"n":${++served}}`));
  });
  const client = createClient(server.url, { limits: { retryBudget: 0, ...overrides.limits }, ...overrides });
  return {
    ...client,
    server,
    portal,
    async [Symbol.asyncDispose]() {
      await client.http[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe('a fresh answer', () => {
  test('is used again without a request, and the trace tells its age', async () => {
    await using portal = await serveCounted();
    const { http, clock, server } = portal;
    const fetchedAt = clock.now();
    expect(await http.read(RECORDS, textOf, callFor(clock))).toBe('200 {"n":1}');
    clock.advance(9_999);
    const call = callFor(clock);
    expect(await http.read(RECORDS, textOf, call)).toBe('200 {"n":1}');
    expect(call.trace).toEqual({ requests: 0, maxAgeMs: 9_999, stale: false, fetchedAtEpochMs: fetchedAt });
    clock.advance(1);
    const live = callFor(clock);
    expect(await http.read(RECORDS, textOf, live)).toBe('200 {"n":2}');
    expect(live.trace).toEqual({ requests: 1, maxAgeMs: null, stale: false, fetchedAtEpochMs: clock.now() });
    expect(server.requests).toHaveLength(2);
  });

  test('lasts as long as its class says', async () => {
    await using portal = await serveCounted();
    const { http, clock } = portal;
    await http.read({ ...RECORDS, cache: 'catalog' }, textOf, callFor(clock));
    clock.advance(59_999);
    expect(await http.read({ ...RECORDS, cache: 'catalog' }, textOf, callFor(clock))).toBe('200 {"n":1}');
    expect(await http.read(RECORDS, textOf, callFor(clock))).toBe('200 {"n":2}');
  });

  test('is parsed once', async () => {
    await using portal = await serveCounted();
    let parsed = 0;
    const parse = () => ({ parsed: ++parsed });
    const first = await portal.http.read(RECORDS, parse, callFor(portal.clock));
    expect(await portal.http.read(RECORDS, parse, callFor(portal.clock))).toBe(first);
    expect(parsed).toBe(1);
  });

  test('is only used for the same method, path, parameters and body', async () => {
    await using portal = await serveCounted();
    const { http, clock, server } = portal;
    const others: HttpRequest[] = [
      RECORDS,
      { ...RECORDS, path: '/records/' },
      { ...RECORDS, search: [['limit', '11']] },
      {
        ...RECORDS,
        search: [
          ['limit', '10'],
          ['limit', '10'],
        ],
      },
      { ...RECORDS, method: 'POST' },
      { ...RECORDS, method: 'POST', body: null },
      { ...RECORDS, method: 'POST', body: { limit: 10 } },
      { ...RECORDS, method: 'POST', body: { limit: '10' } },
    ];
    for (const request of others) await http.read(request, textOf, callFor(clock));
    expect(server.requests).toHaveLength(others.length);
    for (const request of others) await http.read(request, textOf, callFor(clock));
    expect(server.requests).toHaveLength(others.length);
  });

  test('is neither read nor stored by a call without cache', async () => {
    await using portal = await serveCounted();
    const { http, clock } = portal;
    await http.read({ ...RECORDS, cache: 'none' }, textOf, callFor(clock));
    expect(await http.read(RECORDS, textOf, callFor(clock))).toBe('200 {"n":2}');
    expect(await http.read({ ...RECORDS, cache: 'none' }, textOf, callFor(clock))).toBe('200 {"n":3}');
    expect(await http.read(RECORDS, textOf, callFor(clock))).toBe('200 {"n":2}');
  });

  test.each([-3_600_000, 3_600_000])('is as old as it is when the wall clock steps by %i ms', async (stepMs) => {
    await using portal = await serveCounted();
    const { http, clock } = portal;
    const fetchedAtEpochMs = clock.now();
    await http.read(RECORDS, textOf, callFor(clock));
    clock.step(stepMs);
    clock.advance(9_999);
    const call = callFor(clock);
    expect(await http.read(RECORDS, textOf, call)).toBe('200 {"n":1}');
    expect(call.trace).toEqual({ requests: 0, maxAgeMs: 9_999, stale: false, fetchedAtEpochMs });
    clock.advance(1);
    expect(await http.read(RECORDS, textOf, callFor(clock))).toBe('200 {"n":2}');
  });

  test('makes the trace tell the greatest age of several', async () => {
    await using portal = await serveCounted();
    const { http, clock } = portal;
    const start = clock.now();
    await http.read(RECORDS, textOf, callFor(clock));
    clock.advance(3_000);
    await http.read({ ...RECORDS, path: '/b' }, textOf, callFor(clock));
    clock.advance(3_000);
    const call = callFor(clock);
    await http.read(RECORDS, textOf, call);
    await http.read({ ...RECORDS, path: '/b' }, textOf, call);
    await http.read({ ...RECORDS, path: '/c' }, textOf, call);
    expect(call.trace).toEqual({ requests: 1, maxAgeMs: 6_000, stale: false, fetchedAtEpochMs: start });
  });

  test('is dropped when newer ones need its bytes', async () => {
    await using portal = await serveCounted({ cache: { maxBytes: 200 } });
    const { http, clock, server } = portal;
    for (const path of ['/a', '/b', '/c', '/d', '/e', '/f', '/g']) {
      await http.read({ ...RECORDS, path }, textOf, callFor(clock));
      expect(http.state().cacheBytes).toBeLessThanOrEqual(200);
    }
    const before = server.requests.length;
    await http.read({ ...RECORDS, path: '/a' }, textOf, callFor(clock));
    expect(server.requests.length).toBe(before + 1);
  });

  test('is never kept when the cache has no bytes', async () => {
    await using portal = await serveCounted({ cache: { maxBytes: 0 } });
    await portal.http.read(RECORDS, textOf, callFor(portal.clock));
    expect(await portal.http.read(RECORDS, textOf, callFor(portal.clock))).toBe('200 {"n":2}');
    expect(portal.http.state()).toMatchObject({ cacheEntries: 0, cacheBytes: 0 });
  });
});

describe('an answer past its freshness', () => {
  async function stored(overrides: Overrides = {}) {
    const portal = await serveCounted(overrides);
    await portal.http.read(RECORDS, textOf, callFor(portal.clock));
    portal.portal.isDown = true;
    portal.clock.advance(10_000);
    return portal;
  }

  test('stands in for a failing portal and says so', async () => {
    await using portal = await stored();
    const call = callFor(portal.clock);
    expect(await portal.http.read(RECORDS, textOf, call)).toBe('200 {"n":1}');
    expect(call.trace).toEqual({
      requests: 1,
      maxAgeMs: 10_000,
      stale: true,
      fetchedAtEpochMs: portal.clock.now() - 10_000,
    });
  });

  test('stands in for as long as it may and not longer', async () => {
    await using portal = await stored();
    portal.clock.advance(600_000);
    expect(await portal.http.read(RECORDS, textOf, callFor(portal.clock))).toBe('200 {"n":1}');
    portal.clock.advance(1);
    await expect(portal.http.read(RECORDS, textOf, callFor(portal.clock))).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
    });
  });

  test('stands in while the circuit is open, for a damaged answer and for a silent portal', async () => {
    await using portal = await stored();
    const { http, clock, server } = portal;
    for (let n = 0; n < 12; n++) await http.read(RECORDS, textOf, callFor(clock));
    expect(http.state().circuit).toBe('open');
    const before = server.requests.length;
    expect(await http.read(RECORDS, textOf, callFor(clock))).toBe('200 {"n":1}');
    expect(server.requests.length).toBe(before);
    clock.advance(60_000);
    portal.portal.answer = (socket) => socket.write(message('x', { 'content-encoding': 'br' }));
    expect(await http.read(RECORDS, textOf, callFor(clock))).toBe('200 {"n":1}');
    portal.portal.answer = () => {};
    clock.advance(60_000);
    const call = callFor(clock, 50);
    expect(await http.read(RECORDS, textOf, call)).toBe('200 {"n":1}');
    expect(call.trace).toMatchObject({ requests: 1, stale: true });
  });

  test('stands in when parse finds the new answer malformed, and is kept', async () => {
    await using portal = await stored();
    portal.portal.isDown = false;
    const parse = (): string => {
      throw new HubError('SOURCE_MALFORMED', 'x');
    };
    for (let n = 0; n < 2; n++)
      expect(await portal.http.read(RECORDS, parse, callFor(portal.clock))).toBe('200 {"n":1}');
  });

  test.each(['SOURCE_REJECTED', 'NOT_FOUND', 'INPUT_INVALID'] as const)('does not stand in for %s', async (code) => {
    await using portal = await stored();
    portal.portal.isDown = false;
    const parse = (): string => {
      throw new HubError(code, 'x');
    };
    await expect(portal.http.read(RECORDS, parse, callFor(portal.clock))).rejects.toMatchObject({ code });
  });

  test('does not stand in for a refused redirect, a bug of ours, or a caller who left', async () => {
    await using portal = await stored();
    const { http, clock } = portal;
    portal.portal.answer = (socket) => socket.write(message('', { location: 'http://other.example/' }, 302));
    await expect(http.read(RECORDS, textOf, callFor(clock))).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    portal.portal.answer = (socket) => socket.write(message('{}'));
    const bug = () => {
      throw new TypeError('bug');
    };
    await expect(http.read(RECORDS, bug, callFor(clock))).rejects.toThrow(TypeError);
    const call = callFor(clock);
    portal.portal.answer = () => call.abort();
    await expect(http.read(RECORDS, textOf, call)).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('does not stand in for a call without cache', async () => {
    await using portal = await stored();
    await expect(portal.http.read({ ...RECORDS, cache: 'none' }, textOf, callFor(portal.clock))).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
    });
  });

  test('is replaced by the next good answer', async () => {
    await using portal = await stored();
    await portal.http.read(RECORDS, textOf, callFor(portal.clock));
    portal.portal.isDown = false;
    const call = callFor(portal.clock);
    expect(await portal.http.read(RECORDS, textOf, call)).toBe('200 {"n":2}');
    expect(call.trace).toMatchObject({ stale: false, maxAgeMs: null });
  });
});

describe('equal reads at the same time', () => {
  /** A portal that answers when told to. */
  async function serveHeld(overrides: Overrides = {}) {
    const held: Socket[] = [];
    let onRequest = () => {};
    const server = await serveRaw((socket) => {
      held.push(socket);
      onRequest();
    });
    const client = createClient(server.url, overrides);
    return {
      ...client,
      server,
      answer: (bytes = message(`{"n":${server.requests.length}}`)) => held.shift()?.write(bytes),
      async arrived(count: number) {
        while (server.requests.length < count) await new Promise<void>((resolve) => (onRequest = resolve));
      },
      async [Symbol.asyncDispose]() {
        await client.http[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  }

  test('share one request, which counts for the first', async () => {
    await using portal = await serveHeld();
    const calls = [1, 2, 3].map(() => callFor(portal.clock));
    const reads = calls.map((call) => portal.http.read(RECORDS, textOf, call));
    await portal.arrived(1);
    portal.answer();
    expect(await Promise.all(reads)).toEqual(Array(3).fill('200 {"n":1}'));
    expect(portal.server.requests).toHaveLength(1);
    expect(calls.map(({ trace }) => trace.requests)).toEqual([1, 0, 0]);
    expect(calls.map(({ trace }) => trace.maxAgeMs)).toEqual([null, null, null]);
    expect(calls.map(({ trace }) => trace.fetchedAtEpochMs)).toEqual(Array(3).fill(portal.clock.now()));
  });

  test('share nothing without cache', async () => {
    await using portal = await serveHeld();
    const reads = [1, 2].map(() => portal.http.read({ ...RECORDS, cache: 'none' }, textOf, callFor(portal.clock)));
    await portal.arrived(2);
    portal.answer();
    portal.answer();
    await Promise.all(reads);
    expect(portal.server.requests).toHaveLength(2);
  });

  test('go on when one caller leaves, the first one included', async () => {
    await using portal = await serveHeld();
    const [first, second] = [callFor(portal.clock), callFor(portal.clock)];
    const reads = [first, second].map((call) => portal.http.read(RECORDS, textOf, call));
    await portal.arrived(1);
    first.abort();
    await expect(reads[0]).rejects.toMatchObject({ code: 'CANCELLED' });
    portal.answer();
    expect(await reads[1]).toBe('200 {"n":1}');
    expect(portal.server.requests).toHaveLength(1);
  });

  test('count no request for a caller who has left', async () => {
    await using portal = await serveHeld();
    const [first, second] = [callFor(portal.clock), callFor(portal.clock)];
    const reads = [first, second].map((call) => portal.http.read(RECORDS, textOf, call));
    await portal.arrived(1);
    first.abort();
    await expect(reads[0]).rejects.toMatchObject({ code: 'CANCELLED' });
    portal.answer(message('', {}, 503));
    await portal.arrived(2);
    portal.answer();
    expect(await reads[1]).toBe('200 {"n":2}');
    expect([first.trace.requests, second.trace.requests]).toEqual([1, 0]);
  });

  test('end with the last caller, and the next one asks anew', async () => {
    await using portal = await serveHeld();
    const calls = [callFor(portal.clock), callFor(portal.clock)];
    const reads = calls.map((call) => portal.http.read(RECORDS, textOf, call).catch((error: HubError) => error.code));
    await portal.arrived(1);
    for (const call of calls) call.abort();
    expect(await Promise.all(reads)).toEqual(['CANCELLED', 'CANCELLED']);
    const next = portal.http.read(RECORDS, textOf, callFor(portal.clock));
    await portal.arrived(2);
    portal.answer();
    portal.answer();
    expect(await next).toBe('200 {"n":2}');
    expect(portal.http.state()).toMatchObject({ inFlight: 0, queued: 0, circuit: 'closed' });
  });

  test('are each bound by their own deadline', async () => {
    await using portal = await serveHeld();
    const short = portal.http.read(RECORDS, textOf, callFor(portal.clock, 40));
    const long = portal.http.read(RECORDS, textOf, callFor(portal.clock));
    const shorter = portal.http.read(RECORDS, textOf, callFor(portal.clock, 20));
    await expect(shorter).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' });
    await expect(short).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' });
    portal.answer();
    expect(await long).toBe('200 {"n":1}');
    expect(portal.server.requests).toHaveLength(1);
  });

  test('are not joined late, so that nobody inherits a deadline that is nearly over', async () => {
    await using portal = await serveHeld();
    const early = portal.http.read(RECORDS, textOf, callFor(portal.clock));
    await portal.arrived(1);
    portal.clock.advance(5_000);
    const late = portal.http.read(RECORDS, textOf, callFor(portal.clock));
    await portal.arrived(2);
    portal.answer();
    portal.answer();
    await Promise.all([early, late]);
    expect(portal.server.requests).toHaveLength(2);
  });

  test('fail alike', async () => {
    await using portal = await serveHeld();
    const bug = () => {
      throw new HubError('NOT_FOUND', 'x');
    };
    const reads = [1, 2].map(() => portal.http.read(RECORDS, bug, callFor(portal.clock)));
    const settled = Promise.allSettled(reads);
    await portal.arrived(1);
    portal.answer();
    expect((await settled).map((end) => end.status === 'rejected' && (end.reason as HubError).code)).toEqual([
      'NOT_FOUND',
      'NOT_FOUND',
    ]);
  });
});

describe('an answer that is the same as the one before', () => {
  test('is asked for all the same, and its value is made once', async () => {
    await using portal = await serveCounted();
    portal.portal.answer = (socket) => socket.write(message('{"n":"same"}'));
    const { http, clock, server } = portal;
    let parsed = 0;
    const parse = () => ({ parsed: ++parsed });
    const first = await http.read(RECORDS, parse, callFor(clock));
    clock.advance(10_001);
    const call = callFor(clock);
    expect(await http.read(RECORDS, parse, call)).toBe(first);
    expect(parsed).toBe(1);
    expect(server.requests).toHaveLength(2);
    expect(call.trace).toEqual({ requests: 1, maxAgeMs: null, stale: false, fetchedAtEpochMs: clock.now() });
  });

  test('in its bytes but not in its status is read anew', async () => {
    await using portal = await serveCounted();
    const { http, clock } = portal;
    let status = 200;
    portal.portal.answer = (socket) => socket.write(message('{"n":"same"}', {}, status));
    const parse = (answer: { readonly status: number }) => ({ status: answer.status });
    expect(await http.read(RECORDS, parse, callFor(clock))).toEqual({ status: 200 });
    clock.advance(10_001);
    status = 404;
    expect(await http.read(RECORDS, parse, callFor(clock))).toEqual({ status: 404 });
  });
});

test('requests that are read differently share neither value nor flight', async () => {
  await using portal = await serveCounted();
  const { http, clock, server } = portal;
  const [rows, columns] = await Promise.all([
    http.read({ ...RECORDS, reading: 'rows' }, () => 'rows', callFor(clock)),
    http.read({ ...RECORDS, reading: 'columns' }, () => 'columns', callFor(clock)),
  ]);
  expect([rows, columns]).toEqual(['rows', 'columns']);
  expect(await http.read({ ...RECORDS, reading: 'columns' }, () => 'again', callFor(clock))).toBe('columns');
  expect(server.requests).toHaveLength(2);
});

describe('a confidential call', () => {
  const confidential = (clock: Parameters<typeof callFor>[0]) => ({ ...callFor(clock), isConfidential: true });

  test('is neither answered from the cache nor leaves anything in it', async () => {
    await using portal = await serveCounted();
    const { http, clock } = portal;
    expect(await http.read(RECORDS, textOf, confidential(clock))).toBe('200 {"n":1}');
    expect(http.state()).toMatchObject({ cacheEntries: 0, cacheBytes: 0 });
    expect(await http.read(RECORDS, textOf, callFor(clock))).toBe('200 {"n":2}');
    const call = confidential(clock);
    expect(await http.read(RECORDS, textOf, call)).toBe('200 {"n":3}');
    expect(call.trace).toEqual({ requests: 1, maxAgeMs: null, stale: false, fetchedAtEpochMs: clock.now() });
    expect(await http.read(RECORDS, textOf, callFor(clock))).toBe('200 {"n":2}');
  });

  test('parses its own answer, the same bytes as a kept one included', async () => {
    await using portal = await serveCounted();
    const { http, clock } = portal;
    portal.portal.answer = (socket) => socket.write(message('{"n":"same"}'));
    const parse = () => ({});
    const open = await http.read(RECORDS, parse, callFor(clock));
    expect(await http.read(RECORDS, parse, confidential(clock))).not.toBe(open);
  });

  test('has no earlier answer to stand in for a failing portal', async () => {
    await using portal = await serveCounted();
    const { http, clock } = portal;
    await http.read(RECORDS, textOf, callFor(clock));
    portal.portal.isDown = true;
    clock.advance(10_000);
    const call = confidential(clock);
    await expect(http.read(RECORDS, textOf, call)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(call.trace.stale).toBe(false);
  });

  test.each([
    ['an open one', false, true],
    ['another confidential one', true, true],
    ['and an open one after it', true, false],
  ])('shares no request under way with %s', async (_title, isFirst, isSecond) => {
    const held: Socket[] = [];
    let onRequest = () => {};
    await using server = await serveRaw((socket) => {
      held.push(socket);
      onRequest();
    });
    const { http, clock } = createClient(server.url);
    await using _client = http;
    const reads = [isFirst, isSecond].map((isConfidential) =>
      http.read(RECORDS, textOf, { ...callFor(clock), isConfidential }),
    );
    while (server.requests.length < 2) await new Promise<void>((resolve) => (onRequest = resolve));
    held.forEach((socket, index) => socket.write(message(`{"n":${index}}`)));
    expect(new Set(await Promise.all(reads)).size).toBe(2);
  });
});
