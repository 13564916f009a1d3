import { describe, expect, test } from 'vitest';
import { HubError } from '@civex/errors';
import { callFor, createClient, GET, message, serveRaw, textOf, type RawRequest } from './testing.ts';

const REFUSED_HEADERS: readonly (readonly [string, string])[] = [
  ['Upper-Case', 'x'],
  ['host', 'x'],
  ['content-length', '1'],
  ['accept-encoding', 'zstd'],
  ['range', 'bytes=0-1'],
  ['x-key', 'a\r\nb: c'],
  ['x-key', 'é'],
  ['a b', 'c'],
];

/** A portal that answers with one message after the other, the last one again and again. */
async function serveInTurn(...answers: readonly (Buffer | 'reset' | 'close')[]) {
  let next = 0;
  return serveRaw((socket) => {
    const answer = answers[Math.min(next++, answers.length - 1)];
    if (answer === 'reset') socket.resetAndDestroy();
    else if (answer === 'close') socket.destroy();
    else if (answer !== undefined) socket.write(answer);
  });
}

const ok = message('{"ok":true}');
const status = (code: number, headers: Record<string, string> = {}, body = '<p>portal text</p>') =>
  message(body, { 'content-type': 'text/html', ...headers }, code);

async function read(
  answers: readonly (Buffer | 'reset' | 'close')[],
  { waitMs = 10_000, method = 'GET' as 'GET' | 'POST', budget = 0.1 } = {},
) {
  await using server = await serveInTurn(...answers);
  const { http, clock, outcomes } = createClient(server.url, { limits: { retryBudget: budget } });
  await using _ = http;
  const call = callFor(clock, waitMs);
  const result = await http.read({ ...GET, method }, textOf, call).catch((error: unknown) => error);
  return { result, outcomes, requests: call.trace.requests, served: server.requests.length };
}

describe('a retry', () => {
  test.each([
    ['502', status(502)],
    ['503', status(503)],
    ['504', status(504)],
    ['a reset', 'reset'],
    ['a connection closed without an answer', 'close'],
  ] as const)('follows %s once', async (_name, first) => {
    const { result, requests, served } = await read([first, ok]);
    expect(result).toBe('200 {"ok":true}');
    expect([requests, served]).toEqual([2, 2]);
  });

  test('follows for POST reads too', async () => {
    expect((await read([status(503), ok], { method: 'POST' })).result).toBe('200 {"ok":true}');
  });

  test('is not followed by another', async () => {
    const { result, outcomes, served } = await read([status(503), status(503), ok]);
    expect(result).toMatchObject({ code: 'SOURCE_UNAVAILABLE', facts: { source: 'paris' } });
    expect(served).toBe(2);
    expect(outcomes).toEqual(['SOURCE_UNAVAILABLE', 'SOURCE_UNAVAILABLE']);
  });

  test.each([400, 403, 404, 429, 500, 501])('does not follow %i', async (code) => {
    expect((await read([status(code), ok])).served).toBe(1);
  });

  test('does not follow a cut body', async () => {
    const { result, served } = await read([Buffer.concat([message('{}', { 'content-encoding': 'gzip' })]), ok]);
    expect(result).toMatchObject({ code: 'SOURCE_MALFORMED' });
    expect(served).toBe(1);
  });

  test('does not happen without a budget', async () => {
    expect((await read([status(503), ok], { budget: 0 })).served).toBe(1);
  });

  test('does not happen when the wait reaches beyond the deadline', async () => {
    const { result, served } = await read([status(503), ok], { waitMs: 45 });
    expect(result).toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(served).toBe(1);
  });

  test('keeps to its share of a failing portal’s requests', async () => {
    await using server = await serveInTurn(status(500), ...Array<Buffer>(50).fill(ok), status(503));
    const { http, clock } = createClient(server.url, { limits: { retryBudget: 0.1 } });
    await using _ = http;
    for (let n = 0; n < 60; n++) await http.read({ ...GET, path: `/${n}` }, textOf, callFor(clock)).catch(() => {});
    expect(server.requests.length - 60).toBeLessThanOrEqual(6);
    expect(server.requests.length).toBeGreaterThan(60);
  });

  test('puts nothing of the portal’s page into the error', async () => {
    const { result } = await read([status(503), status(503)]);
    expect(`${(result as Error).message} ${JSON.stringify(result)}`).not.toContain('portal');
  });
});

describe('Retry-After', () => {
  test('is waited for when it fits the deadline', async () => {
    const startedAt = performance.now();
    const { result } = await read([status(503, { 'retry-after': '1' }), ok]);
    expect(result).toBe('200 {"ok":true}');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(990);
  });

  test('beyond the deadline is passed on, an hour at most', async () => {
    const { result, served } = await read([status(503, { 'retry-after': '86400' }), ok]);
    expect(result).toMatchObject({ code: 'SOURCE_OVERLOADED', facts: { source: 'paris', retryAfterMs: 3_600_000 } });
    expect(served).toBe(1);
  });

  test('that is no time is ignored', async () => {
    expect((await read([status(503, { 'retry-after': '-1' }), ok])).result).toBe('200 {"ok":true}');
  });

  test('of a 429 is waited for up to two seconds', async () => {
    expect((await read([status(429, { 'retry-after': '0' }), ok])).result).toBe('200 {"ok":true}');
    const { result, served } = await read([status(429, { 'retry-after': '3' }), ok]);
    expect(result).toMatchObject({ code: 'SOURCE_OVERLOADED', facts: { source: 'paris', retryAfterMs: 3_000 } });
    expect(served).toBe(1);
  });

  test('of a 429 holds for later calls too, which are told how long', async () => {
    await using server = await serveInTurn(status(429, { 'retry-after': '30' }), ok);
    const { http, clock } = createClient(server.url);
    await using _ = http;
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({ code: 'SOURCE_OVERLOADED' });
    clock.advance(10_000);
    const call = callFor(clock);
    await expect(http.read({ ...GET, path: '/y' }, textOf, call)).rejects.toMatchObject({
      code: 'SOURCE_OVERLOADED',
      facts: { source: 'paris', retryAfterMs: 20_000 },
    });
    expect([call.trace.requests, server.requests.length]).toEqual([0, 1]);
    clock.advance(20_000);
    expect(await http.read(GET, textOf, callFor(clock))).toBe('200 {"ok":true}');
    expect(http.state()).toMatchObject({ circuit: 'closed', inFlight: 0 });
  });

  test('of a 429 holds for a minute at most', async () => {
    await using server = await serveInTurn(status(429, { 'retry-after': '3600' }), ok);
    const { http, clock } = createClient(server.url);
    await using _ = http;
    const read = () => http.read(GET, textOf, callFor(clock));
    await expect(read()).rejects.toMatchObject({ facts: { retryAfterMs: 3_600_000 } });
    clock.advance(59_999);
    await expect(http.read(GET, textOf, callFor(clock, 1))).rejects.toMatchObject({ code: 'SOURCE_OVERLOADED' });
    clock.advance(1);
    expect(await read()).toBe('200 {"ok":true}');
  });

  test('that will be over shortly is waited for by later calls', async () => {
    await using server = await serveInTurn(status(429, { 'retry-after': '30' }), ok);
    const { http, clock } = createClient(server.url);
    await using _ = http;
    await http.read(GET, textOf, callFor(clock)).catch(() => {});
    clock.advance(29_900);
    const startedAt = performance.now();
    expect(await http.read(GET, textOf, callFor(clock))).toBe('200 {"ok":true}');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(95);
    expect(server.requests).toHaveLength(2);
  });

  test('of a 429 is heeded by those who stood in the queue', async () => {
    await using server = await serveInTurn(status(429, { 'retry-after': '30' }), ok);
    const { http, clock } = createClient(server.url, { limits: { maxConcurrent: 1 } });
    await using _ = http;
    const first = http.read(GET, textOf, callFor(clock));
    const queued = http.read({ ...GET, path: '/y' }, textOf, callFor(clock));
    await expect(Promise.allSettled([first, queued])).resolves.toMatchObject([
      { reason: { code: 'SOURCE_OVERLOADED' } },
      { reason: { code: 'SOURCE_OVERLOADED' } },
    ]);
    expect(server.requests).toHaveLength(1);
    expect(http.state()).toMatchObject({ circuit: 'closed', inFlight: 0, queued: 0 });
  });

  test('that a 429 does not have is not made up', async () => {
    const { result } = await read([status(429)]);
    expect(result).toMatchObject({ code: 'SOURCE_OVERLOADED' });
    expect((result as HubError).facts).toEqual({ source: 'paris' });
  });
});

describe('a redirect', () => {
  const to = (location: string, code = 302) => status(code, { location });

  test.each([301, 302, 303, 307, 308])('with %i on the own origin is followed', async (code) => {
    await using server = await serveInTurn(to('/new/place?x=1', code), ok);
    const { http, clock, outcomes } = createClient(server.url, { headers: { 'x-api-key': 's3cret' } });
    await using _ = http;
    const call = callFor(clock);
    expect(await http.read(GET, textOf, call)).toBe('200 {"ok":true}');
    expect(server.requests.map(({ path, headers }) => [path, headers['x-api-key']])).toEqual([
      ['/x', 's3cret'],
      ['/new/place?x=1', 's3cret'],
    ]);
    expect(call.trace.requests).toBe(2);
    expect(outcomes).toEqual(['ok', 'ok']);
  });

  test('is followed three times at most', async () => {
    const three = await read([to('/1'), to('/2'), to('/3'), ok]);
    expect([three.result, three.served]).toEqual(['200 {"ok":true}', 4]);
    const four = await read([to('/1'), to('/2'), to('/3'), to('/4'), ok]);
    expect(four.result).toMatchObject({ code: 'SOURCE_REJECTED', facts: { source: 'paris' } });
    expect(four.served).toBe(4);
  });

  test('of a POST is refused', async () => {
    const { result, served } = await read([to('/1', 307), ok], { method: 'POST' });
    expect(result).toMatchObject({ code: 'SOURCE_REJECTED' });
    expect(served).toBe(1);
  });

  test.each([
    'http://169.254.169.254/latest/meta-data/',
    '//169.254.169.254/',
    'https://other.example/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'http://[::1',
  ])('to %s is refused', async (location) => {
    const { result, served } = await read([to(location), ok]);
    expect(result).toMatchObject({ code: 'SOURCE_REJECTED' });
    expect(served).toBe(1);
  });

  test('without a place is refused', async () => {
    expect((await read([status(302), ok])).result).toMatchObject({ code: 'SOURCE_REJECTED' });
  });

  test('to another port, another scheme or with a user name is refused', async () => {
    await using canary = await serveInTurn(ok);
    await using server = await serveRaw((socket, { path }) => {
      if (path === '/') {
        socket.write(ok);
        return;
      }
      const target = decodeURIComponent(path.slice(1)).replace('SELF', `127.0.0.1:${server.port}`);
      socket.write(to(target));
    });
    const { http, clock } = createClient(server.url);
    await using _ = http;
    for (const target of [canary.url, 'https://SELF/', 'http://user:pass@SELF/', 'http://user@SELF/'])
      await expect(
        http.read({ ...GET, path: `/${encodeURIComponent(target)}` }, textOf, callFor(clock)),
      ).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    expect(canary.requests).toEqual([]);
  });

  test('to another configured origin is followed', async () => {
    await using target = await serveInTurn(ok);
    await using server = await serveInTurn(to(`${target.url}/moved`));
    const { http, clock } = createClient(server.url, { baseUrls: [server.url, target.url] });
    await using _ = http;
    expect(await http.read(GET, textOf, callFor(clock))).toBe('200 {"ok":true}');
    expect(target.requests[0]?.path).toBe('/moved');
  });

  test.each([200, 201, 300, 304])('is not seen in a location of %i', async (code) => {
    const { result, served } = await read([status(code, { location: '/elsewhere' }, code === 304 ? '' : 'x'), ok]);
    expect(result).toBe(code === 304 ? '304 ' : `${code} x`);
    expect(served).toBe(1);
  });
});

describe('several base URLs', () => {
  const challenge = status(403, {}, '<html><head><title>Just a moment...</title>');

  test('of which the first refuses connections lead to the second, which is kept for five minutes', async () => {
    const gone = await serveInTurn(ok);
    await gone[Symbol.asyncDispose]();
    await using second = await serveInTurn(ok);
    const { http, clock, outcomes } = createClient(gone.url, { baseUrls: [gone.url, `${second.url}/b`] });
    await using _ = http;
    const first = callFor(clock);
    expect(await http.read(GET, textOf, first)).toBe('200 {"ok":true}');
    expect(first.trace.requests).toBe(2);
    expect(second.requests[0]?.path).toBe('/b/x');
    clock.advance(299_000);
    const later = callFor(clock);
    await http.read(GET, textOf, later);
    expect(later.trace.requests).toBe(1);
    clock.advance(1_000);
    const muchLater = callFor(clock);
    await http.read(GET, textOf, muchLater);
    expect(muchLater.trace.requests).toBe(2);
    expect(outcomes).toEqual(['SOURCE_UNAVAILABLE', 'ok', 'ok', 'SOURCE_UNAVAILABLE', 'ok']);
  });

  test.each([
    ['its title', challenge],
    ['its header', status(403, { 'cf-mitigated': 'challenge' })],
  ])('of which the first shows a bot challenge by %s lead to the second', async (_name, page) => {
    await using first = await serveInTurn(page);
    await using second = await serveInTurn(ok);
    const { http, clock } = createClient(first.url, { baseUrls: [first.url, second.url] });
    await using _ = http;
    expect(await http.read(GET, textOf, callFor(clock))).toBe('200 {"ok":true}');
    expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
  });

  test('that all show a bot challenge make the source unavailable', async () => {
    await using first = await serveInTurn(challenge);
    await using second = await serveInTurn(challenge);
    const { http, clock } = createClient(first.url, { baseUrls: [first.url, second.url] });
    await using _ = http;
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
  });

  test.each([
    ['an HTML page', status(403)],
    ['JSON with the header', message('{}', { 'cf-mitigated': 'challenge' }, 403)],
  ])('leave a 403 that is %s to parse', async (_name, answer) => {
    await using first = await serveInTurn(answer);
    await using second = await serveInTurn(ok);
    const { http, clock } = createClient(first.url, { baseUrls: [first.url, second.url] });
    await using _ = http;
    expect(await http.read(GET, textOf, callFor(clock))).toMatch(/^403 /);
    expect(second.requests).toEqual([]);
  });

  test('are all tried within one deadline', async () => {
    const { http, clock } = createClient(
      'https://a.example',
      {
        baseUrls: ['https://a.example', 'https://b.example', 'https://c.example'],
        limits: { connectTimeoutMs: 60_000 },
      },
      { resolve: () => {} },
    );
    await using _ = http;
    const startedAt = performance.now();
    await expect(http.read(GET, textOf, callFor(clock, 60))).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' });
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

describe('the configuration', () => {
  test.each([
    'portal.example',
    'ftp://portal.example/',
    'https://user:s3cret@portal.example/',
    'https://@portal.example/',
    'https://portal.example/?key=s3cret',
    'https://portal.example/#s3cret',
    'https://portal.example/ s3cret',
    'https:portal.example',
    'https://portal.example:0/',
    'http://8.8.8.8/',
    'https://10.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://0x7f.1/',
    'https://127。0。0。1/',
  ])('refuses the base URL %s without repeating it', (url) => {
    const create = () => createClient(url, { allowedPrivateCidrs: ['192.168.0.0/16'] });
    expect(create).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(create).toThrow(expect.objectContaining({ message: expect.stringMatching(/^baseUrls\.0: /) }));
    expect(create).not.toThrow(/s3cret|portal\.example|127/);
  });

  test.each(['https://portal.example', 'https://portal.example:8443/api/', 'http://192.168.1.2/', 'https://8.8.8.8'])(
    'takes the base URL %s',
    async (url) => {
      await createClient(url, { allowedPrivateCidrs: ['192.168.0.0/16'] }).http[Symbol.asyncDispose]();
    },
  );

  test.each(REFUSED_HEADERS)('refuses the header %s: %j without repeating its value', (name, value) => {
    const create = () => createClient('https://portal.example', { headers: { [name]: `${value}s3cret` } });
    expect(create).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(create).not.toThrow(/s3cret/);
  });
});

describe('the limiter of a source', () => {
  /** A portal that answers only when told to. */
  async function serveOnDemand() {
    const waiting: (() => void)[] = [];
    const onRequest: ((request: RawRequest) => void)[] = [];
    const server = await serveRaw((socket, request) => {
      waiting.push(() => socket.write(ok));
      onRequest.shift()?.(request);
    });
    return {
      server,
      nextRequest: () => new Promise<RawRequest>((resolve) => onRequest.push(resolve)),
      answerNext: () => waiting.shift()?.(),
    };
  }

  test('sends no more than its limit at a time, in order', async () => {
    const { server, nextRequest, answerNext } = await serveOnDemand();
    await using _server = server;
    const { http, clock } = createClient(server.url, { limits: { maxConcurrent: 1 } });
    await using _ = http;
    const order: string[] = [];
    let arrived = nextRequest();
    const reads = ['/1', '/2', '/3'].map(async (path) => {
      await http.read({ ...GET, path }, textOf, callFor(clock));
      order.push(path);
    });
    for (let n = 0; n < 3; n++) {
      await arrived;
      expect(http.state()).toMatchObject({ inFlight: 1, queued: 2 - n, limit: 1 });
      expect(server.requests).toHaveLength(n + 1);
      arrived = nextRequest();
      answerNext();
    }
    await Promise.all(reads);
    expect(order).toEqual(['/1', '/2', '/3']);
    expect(http.state()).toMatchObject({ inFlight: 0, queued: 0 });
  });

  test('refuses when its queue is full, and when a quarter of the deadline was spent there', async () => {
    const { server, nextRequest } = await serveOnDemand();
    await using _server = server;
    const { http, clock } = createClient(server.url, { limits: { maxConcurrent: 1, maxQueued: 1 } });
    await using _ = http;
    const arrived = nextRequest();
    const first = http.read(GET, textOf, callFor(clock)).catch(() => {});
    await arrived;
    const startedAt = performance.now();
    const call = callFor(clock, 400);
    const second = http.read(GET, textOf, call);
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({
      code: 'SOURCE_OVERLOADED',
      facts: { source: 'paris' },
    });
    await expect(second).rejects.toMatchObject({ code: 'SOURCE_OVERLOADED' });
    expect(performance.now() - startedAt).toBeLessThan(390);
    expect(call.trace.requests).toBe(0);
    await http[Symbol.asyncDispose]();
    await first;
  });

  test('lets an aborted caller leave its queue', async () => {
    const { server, nextRequest, answerNext } = await serveOnDemand();
    await using _server = server;
    const { http, clock } = createClient(server.url, { limits: { maxConcurrent: 1 } });
    await using _ = http;
    const arrived = nextRequest();
    const first = http.read(GET, textOf, callFor(clock));
    await arrived;
    const call = callFor(clock);
    const second = http.read(GET, textOf, call);
    expect(http.state().queued).toBe(1);
    call.abort();
    await expect(second).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(http.state().queued).toBe(0);
    answerNext();
    await first;
    expect(server.requests).toHaveLength(1);
  });

  test('halves on 429 and 503', async () => {
    await using server = await serveInTurn(status(429));
    const { http, clock } = createClient(server.url, { limits: { maxConcurrent: 8, retryBudget: 0 } });
    await using _ = http;
    await http.read(GET, textOf, callFor(clock)).catch(() => {});
    expect(http.state().limit).toBe(4);
  });
});

describe('the circuit of a source', () => {
  const reads = async (answers: readonly Buffer[], count: number, parse = textOf as (answer: never) => unknown) => {
    await using server = await serveInTurn(...answers);
    const client = createClient(server.url, { limits: { retryBudget: 0 } });
    await using _ = client.http;
    for (let n = 0; n < count; n++) await client.http.read(GET, parse as never, callFor(client.clock)).catch(() => {});
    return { state: client.http.state().circuit, served: server.requests.length, circuits: client.circuits };
  };
  const throwing = (code: 'SOURCE_MALFORMED' | 'SOURCE_UNAVAILABLE' | 'SOURCE_REJECTED' | 'NOT_FOUND') => () => {
    throw new HubError(code, 'x');
  };

  test.each([
    ['503', status(503), undefined],
    ['500, whatever parse makes of it', status(500), undefined],
    ['damaged bodies', message('x', { 'content-encoding': 'gzip' }), undefined],
    ['answers that parse finds malformed', ok, throwing('SOURCE_MALFORMED')],
    ['answers that parse takes for an outage', ok, throwing('SOURCE_UNAVAILABLE')],
  ])('opens at ten calls with %s', async (_name, answer, parse) => {
    expect(await reads([answer], 15, parse)).toEqual({ state: 'open', served: 10, circuits: ['open'] });
  });

  test.each([
    ['404', status(404), undefined],
    ['429', status(429), undefined],
    ['refused redirects', status(302, { location: 'http://other.example/' }), undefined],
    ['answers that parse refuses for another reason', ok, throwing('SOURCE_REJECTED')],
    ['answers that parse finds empty', ok, throwing('NOT_FOUND')],
  ])('stays closed with %s', async (_name, answer, parse) => {
    expect(await reads([answer], 15, parse)).toEqual({ state: 'closed', served: 15, circuits: [] });
  });

  test('stays closed when callers go away', async () => {
    await using server = await serveRaw((socket, { index }) => {
      calls[index]?.abort();
      socket.write(message('{').subarray(0, 20));
    });
    const { http, clock } = createClient(server.url);
    await using _ = http;
    const calls = Array.from({ length: 15 }, () => callFor(clock));
    for (const call of calls) await expect(http.read(GET, textOf, call)).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(http.state().circuit).toBe('closed');
  });

  test('opens on timeouts, refuses at once with the time to wait, and closes after a good probe', async () => {
    let isWell = false;
    await using server = await serveRaw((socket) => isWell && socket.write(ok));
    const { http, clock, circuits } = createClient(server.url);
    await using _ = http;
    const slow = Array.from({ length: 10 }, () => http.read(GET, textOf, callFor(clock, 40)).catch(() => {}));
    await Promise.all(slow);
    while (http.state().inFlight > 0) await new Promise(setImmediate);
    expect(http.state().circuit).toBe('open');
    clock.advance(2_000);
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      facts: { source: 'paris', retryAfterMs: 3_000 },
    });
    expect(server.requests).toHaveLength(10);
    isWell = true;
    clock.advance(3_000);
    expect(http.state().circuit).toBe('half-open');
    const [probe, other] = [1, 2].map(() => http.read(GET, textOf, callFor(clock)));
    await expect(other).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE', facts: { retryAfterMs: 1_000 } });
    expect(await probe).toBe('200 {"ok":true}');
    expect(circuits).toEqual(['open', 'half-open', 'closed']);
  });

  test('sends a failing probe once, without a retry', async () => {
    await using server = await serveInTurn(status(503));
    const { http, clock } = createClient(server.url, { limits: { retryBudget: 1 } });
    await using _ = http;
    for (let n = 0; n < 10; n++) await http.read(GET, textOf, callFor(clock)).catch(() => {});
    const before = server.requests.length;
    clock.advance(5_000);
    await http.read(GET, textOf, callFor(clock)).catch(() => {});
    expect(server.requests.length - before).toBe(1);
    clock.advance(5_000);
    expect(http.state().circuit).toBe('open');
    clock.advance(5_000);
    expect(http.state().circuit).toBe('half-open');
  });
});
