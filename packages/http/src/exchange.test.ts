import { createSystemEnvironment } from '@civex/environment';
import { createMetrics } from '@civex/telemetry';
import { describe, expect, test } from 'vitest';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { createSourceHttp } from './source-http.ts';
import {
  createTestClock,
  optionsFor,
  callFor,
  chunked,
  createClient,
  GET,
  message,
  serveRaw,
  textOf,
  type Overrides,
} from './testing.ts';

const BODY = JSON.stringify({ results: Array.from({ length: 40 }, (_, id) => ({ id, name: `vélo ${id}` })) });

describe('a request', () => {
  test('carries what the portal needs and nothing else', async () => {
    await using server = await serveRaw((socket) => socket.write(message('{}')));
    const { http, clock } = createClient(server.url, {
      baseUrls: [`${server.url}/api/explore/v2.1/`],
      headers: { authorization: 'Apikey s3cret' },
    });
    await using _ = http;
    await http.read({ ...GET, path: '/datasets', search: [['q', 'é']] }, textOf, callFor(clock));
    const [request] = server.requests;
    expect(request).toMatchObject({ method: 'GET', path: '/api/explore/v2.1/datasets?q=%C3%A9' });
    expect(request?.headers).toEqual({
      accept: 'application/json',
      'accept-encoding': 'gzip, br',
      authorization: 'Apikey s3cret',
      connection: 'keep-alive',
      host: `127.0.0.1:${server.port}`,
      'user-agent': expect.stringMatching(/^civex\/\d+\.\d+\.\d+ \(\+federated open data hub\)$/),
    });
  });

  test('sends a POST read as JSON', async () => {
    await using server = await serveRaw((socket) => socket.write(message('{}')));
    const { http, clock } = createClient(server.url, { headers: { accept: 'text/csv' } });
    await using _ = http;
    await http.read({ ...GET, method: 'POST', body: { sql: 'é' } }, textOf, callFor(clock));
    expect(server.requests[0]).toMatchObject({
      method: 'POST',
      body: '{"sql":"é"}',
      headers: { 'content-type': 'application/json', accept: 'text/csv', 'content-length': '12' },
    });
  });

  test('is counted in the metrics of the hub', async () => {
    await using server = await serveRaw((socket) => socket.write(message('{}')));
    const metrics = createMetrics();
    const clock = createTestClock();
    await using http = createSourceHttp(optionsFor(server.url), {
      ...createSystemEnvironment(),
      now: clock.now,
      monotonicMs: clock.monotonicMs,
      metrics,
    });
    await http.read(GET, textOf, callFor(clock));
    expect(await metrics.render()).toContain('civex_upstream_requests_total{source="paris",outcome="ok"} 1');
  });

  test('reuses connections', async () => {
    await using server = await serveRaw((socket) => socket.write(message('{}')));
    const { http, clock } = createClient(server.url);
    await using _ = http;
    for (let n = 0; n < 9; n++) await http.read(GET, textOf, callFor(clock));
    expect(server.requests).toHaveLength(9);
    // undici rests a connection for one turn of the event loop; meanwhile a second one takes over.
    expect(server.openSockets()).toBeLessThanOrEqual(2);
  });
});

describe('an answer', () => {
  test.each([
    ['identity', message(BODY)],
    ['gzip', message(gzipSync(BODY), { 'content-encoding': 'gzip' })],
    ['br', message(brotliCompressSync(BODY), { 'content-encoding': 'br' })],
    ['deflate', message(deflateSync(BODY), { 'content-encoding': 'deflate' })],
    ['chunked', chunked(Buffer.from(BODY))],
    ['chunked gzip', chunked(gzipSync(BODY), { 'content-encoding': 'gzip' })],
    ['gzip in br', message(brotliCompressSync(gzipSync(BODY)), { 'content-encoding': 'gzip, br' })],
  ])('arrives whole as %s', async (_name, bytes) => {
    await using server = await serveRaw((socket) => socket.write(bytes));
    const { http, clock, outcomes } = createClient(server.url);
    await using _ = http;
    const call = callFor(clock);
    expect(await http.read(GET, textOf, call)).toBe(`200 ${BODY}`);
    expect(call.trace).toEqual({ requests: 1, maxAgeMs: null, stale: false, fetchedAtEpochMs: clock.now() });
    expect(outcomes).toEqual(['ok']);
  });

  test.each([200, 201, 203, 304, 400, 401, 403, 404, 409, 418, 500, 501])(
    'with status %i is for parse',
    async (status) => {
      await using server = await serveRaw((socket) =>
        socket.write(message(status === 304 ? '' : '{"x":1}', {}, status)),
      );
      const { http, clock } = createClient(server.url);
      await using _ = http;
      expect(await http.read(GET, textOf, callFor(clock))).toBe(`${status} ${status === 304 ? '' : '{"x":1}'}`);
      expect(server.requests).toHaveLength(1);
    },
  );

  test('has lower-case headers, repeated ones joined, and a bare media type', async () => {
    await using server = await serveRaw((socket) =>
      socket.write(
        'HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=UTF-8\r\nX-A: 1\r\nX-a: 2\r\nContent-Length: 2\r\n\r\n{}',
      ),
    );
    const { http, clock } = createClient(server.url);
    await using _ = http;
    const answer = await http.read(GET, (complete) => complete, callFor(clock));
    expect(answer.mediaType).toBe('application/json');
    expect(answer.headers).toMatchObject({ 'x-a': '1, 2', 'content-length': '2' });
  });

  test('without length and chunks is taken as JSON, which shows a cut', async () => {
    await using server = await serveRaw((socket) =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{"a":1}'),
    );
    const { http, clock } = createClient(server.url);
    await using _ = http;
    expect(await http.read(GET, textOf, callFor(clock))).toBe('200 {"a":1}');
  });
});

const malformed = (title: string, bytes: Buffer | string, close = false) => [title, bytes, close] as const;
const raw = (head: string, body = '') => `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${head}\r\n${body}`;

describe('a damaged answer', () => {
  test.each([
    malformed('plain text that says gzip', message(BODY, { 'content-encoding': 'gzip' })),
    malformed('an unknown encoding', message(BODY, { 'content-encoding': 'zstd' })),
    malformed('three encodings', message(gzipSync(BODY), { 'content-encoding': 'gzip, gzip, gzip' })),
    malformed(
      'a thousand encodings',
      message(gzipSync(BODY), { 'content-encoding': Array(1_000).fill('gzip').join(',') }),
    ),
    malformed(
      'garbage after gzip',
      message(Buffer.concat([gzipSync(BODY), Buffer.from('x')]), { 'content-encoding': 'gzip' }),
    ),
    malformed('an empty gzip body', message('', { 'content-encoding': 'gzip' })),
    malformed('a length beyond the limit', raw('content-length: 1000001\r\n', 'x')),
    malformed('two lengths', raw('content-length: 2\r\ncontent-length: 3\r\n', '{}')),
    malformed('a negative length', raw('content-length: -2\r\n', '{}')),
    malformed('length and chunks', raw('content-length: 2\r\ntransfer-encoding: chunked\r\n', '2\r\n{}\r\n0\r\n\r\n')),
    malformed('a bad chunk size', raw('transfer-encoding: chunked\r\n', 'xyz\r\n{}\r\n0\r\n\r\n')),
    malformed('a transfer coding', raw('transfer-encoding: gzip, chunked\r\n', '2\r\n{}\r\n0\r\n\r\n')),
    malformed('more bytes than its length', message(BODY, { 'content-length': '10' })),
    malformed('not HTTP', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'),
    malformed('HTTP/0.9', '{"a":1}\r\n\r\n'),
    malformed('huge headers', raw(`x: ${'y'.repeat(70_000)}\r\n`)),
    malformed('ten thousand headers', raw('a: b\r\n'.repeat(10_000))),
    malformed('206', message(BODY, { 'content-range': 'bytes 0-9/100' }, 206)),
    malformed('a range as 200', message(BODY, { 'content-range': 'bytes 0-9/100' })),
    malformed('fewer bytes than its length', message(BODY, { 'content-length': '9000' }), true),
    malformed(
      'fewer bytes than its length and close',
      message(BODY, { 'content-length': '9000', connection: 'close' }),
      true,
    ),
    malformed('chunks without the last one', chunked(Buffer.from(BODY)).subarray(0, -5), true),
    malformed(
      'chunks without the last one and close',
      chunked(Buffer.from(BODY), { connection: 'close' }).subarray(0, -5),
      true,
    ),
    malformed(
      'CSV that ends with the connection',
      raw('content-type: text/csv\r\nconnection: close\r\n', 'a,b').replace(/content-type: application.json\r\n/, ''),
      true,
    ),
  ])('(%s) is refused', async (_title, bytes, close) => {
    await using server = await serveRaw((socket) => (close ? socket.end(bytes) : socket.write(bytes)));
    const { http, clock, outcomes } = createClient(server.url, { limits: { retryBudget: 0 } });
    await using _ = http;
    const parsed: string[] = [];
    await expect(http.read(GET, (answer) => parsed.push(textOf(answer)), callFor(clock))).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
      facts: { source: 'paris' },
    });
    expect(parsed).toEqual([]);
    expect(outcomes).toEqual(['SOURCE_MALFORMED']);
    expect(http.state().inFlight).toBe(0);
  });

  const framings = [
    ['identity', message(BODY)],
    ['identity and close', message(BODY, { connection: 'close' })],
    ['gzip', message(gzipSync(BODY), { 'content-encoding': 'gzip' })],
    ['gzip and close', message(gzipSync(BODY), { 'content-encoding': 'gzip', connection: 'close' })],
    [
      'gzip without length',
      Buffer.concat([Buffer.from(raw('content-encoding: gzip\r\nconnection: close\r\n')), gzipSync(BODY)]),
    ],
    ['br', message(brotliCompressSync(BODY), { 'content-encoding': 'br' })],
    ['chunked', chunked(Buffer.from(BODY))],
    ['chunked gzip', chunked(gzipSync(BODY), { 'content-encoding': 'gzip' })],
    ['chunked br and close', chunked(brotliCompressSync(BODY), { 'content-encoding': 'br', connection: 'close' })],
  ] as const;
  test.each(framings)('(%s) is refused wherever the connection ends', async (_title, bytes) => {
    const offsets = Array.from({ length: 24 }, (_, n) => Math.floor((bytes.length * n) / 24)).concat(bytes.length - 1);
    for (const how of ['end', 'reset'] as const) {
      let served = 0;
      await using server = await serveRaw((socket) => {
        const cut = bytes.subarray(0, offsets[served++]);
        // Written before it is reset: what arrived counts.
        socket.write(cut, () => (how === 'end' ? socket.end() : setImmediate(() => socket.resetAndDestroy())));
      });
      const { http, clock } = createClient(server.url, { limits: { retryBudget: 0 } });
      await using _ = http;
      for (const _offset of offsets) {
        // Without the breaker's help: each cut is a call of its own.
        clock.advance(61_000);
        const outcome = await http.read(GET, textOf, callFor(clock)).catch((error: { code: string }) => error.code);
        expect(['SOURCE_MALFORMED', 'SOURCE_UNAVAILABLE']).toContain(outcome);
      }
      expect(server.requests).toHaveLength(offsets.length);
    }
  });

  test.each([
    ['identity chunks', chunked(Buffer.alloc(2_000_000), {}, 65_536)],
    ['a gzip bomb', message(gzipSync(Buffer.alloc(20_000_000)), { 'content-encoding': 'gzip' })],
    ['a br bomb', message(brotliCompressSync(Buffer.alloc(20_000_000)), { 'content-encoding': 'br' })],
    [
      'a bomb in two layers',
      message(gzipSync(gzipSync(Buffer.alloc(20_000_000))), { 'content-encoding': 'gzip, gzip' }),
    ],
  ])('(%s over the limit) is refused', async (_title, bytes) => {
    await using server = await serveRaw((socket) => socket.write(bytes));
    const { http, clock } = createClient(server.url);
    await using _ = http;
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
      message: expect.stringContaining('larger'),
    });
  });

  test('(endless) is stopped at the limit and its socket closed', async () => {
    await using server = await serveRaw((socket) => {
      socket.write(raw('transfer-encoding: chunked\r\n'));
      const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536, 32), Buffer.from('\r\n')]);
      const pump = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', pump);
      pump();
    });
    const { http, clock } = createClient(server.url);
    await using _ = http;
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
    await server.whenIdle();
  });
});

describe('a portal that does not answer in time', () => {
  const hang = async (answer: Parameters<typeof serveRaw>[0], overrides: Overrides, waitMs: number, tickMs = 1_000) => {
    await using server = await serveRaw(answer);
    const { http, clock, outcomes } = createClient(server.url, overrides, { rateTickMs: tickMs });
    await using _ = http;
    const startedAt = performance.now();
    await expect(http.read(GET, textOf, callFor(clock, waitMs))).rejects.toMatchObject({
      code: 'SOURCE_TIMEOUT',
      message: 'The source did not answer in time.',
      facts: { source: 'paris' },
    });
    const tookMs = performance.now() - startedAt;
    await server.whenIdle();
    expect(outcomes).toEqual(['SOURCE_TIMEOUT']);
    expect(http.state().inFlight).toBe(0);
    return tookMs;
  };
  const drip = (socket: Parameters<Parameters<typeof serveRaw>[0]>[0], stepMs: number) => {
    socket.write(raw('content-length: 100000\r\n'));
    const timer = setInterval(() => socket.write('x'), stepMs);
    socket.on('close', () => clearInterval(timer));
  };

  test('is left at the deadline of the call', async () => {
    expect(await hang(() => {}, {}, 60)).toBeLessThan(1_000);
  });

  test('is left at the total timeout', async () => {
    expect(await hang(() => {}, { limits: { totalTimeoutMs: 60 } }, 60_000)).toBeLessThan(1_000);
  });

  test('is left at the headers timeout', async () => {
    expect(await hang(() => {}, { limits: { headersTimeoutMs: 60 } }, 60_000)).toBeLessThan(2_000);
  });

  test('is left at the deadline however it drips', async () => {
    expect(await hang((socket) => drip(socket, 10), {}, 100)).toBeLessThan(1_000);
  });

  test('is left at the deadline in the middle of a body', async () => {
    await hang((socket) => socket.write(message(BODY).subarray(0, 200)), {}, 60);
  });

  test('is left when it drips below the minimum rate', async () => {
    // 100 bytes per second over five steps of 20 ms are 10 bytes; one byte per step is half of it.
    expect(await hang((socket) => drip(socket, 20), { limits: { minBytesPerSecond: 100 } }, 60_000, 20)).toBeLessThan(
      3_000,
    );
  });

  test('is left at the deadline through endless interim answers', async () => {
    await hang(
      (socket) => {
        const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'), 5);
        socket.on('close', () => clearInterval(timer));
      },
      {},
      100,
    );
  });

  test('is not asked at all when the deadline has passed', async () => {
    await using server = await serveRaw((socket) => socket.write(message('{}')));
    const { http, clock } = createClient(server.url);
    await using _ = http;
    for (const waitMs of [0, -1, Number.NaN])
      await expect(http.read(GET, textOf, callFor(clock, waitMs))).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' });
    expect(server.requests).toEqual([]);
  });

  test('may be waited for without an end', async () => {
    await using server = await serveRaw((socket) => socket.write(message('{}')));
    const { http, clock } = createClient(server.url, { limits: { totalTimeoutMs: Infinity } });
    await using _ = http;
    expect(await http.read(GET, textOf, callFor(clock, Infinity))).toBe('200 {}');
  });
});

describe('a connection', () => {
  test('that is refused makes the source unavailable', async () => {
    const port = await freePort();
    const { http, clock, outcomes } = createClient(`http://127.0.0.1:${port}`, { limits: { retryBudget: 0 } });
    await using _ = http;
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(outcomes).toEqual(['SOURCE_UNAVAILABLE']);
  });

  test('whose name is unknown makes the source unavailable', async () => {
    const { http, clock } = createClient('https://portal.example');
    await using _ = http;
    const call = callFor(clock);
    await expect(http.read(GET, textOf, call)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(call.trace.requests).toBe(1);
  });

  test('whose name is never resolved is given up at the connect timeout', async () => {
    const { http, clock } = createClient(
      'https://portal.example',
      { limits: { connectTimeoutMs: 30, retryBudget: 0 } },
      { resolve: () => {} },
    );
    await using _ = http;
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' });
  });

  test('whose address is learned after the connect timeout is not made', async () => {
    await using server = await serveRaw((socket) => socket.write(message('{}')));
    let learn = () => {};
    const { http, clock } = createClient(
      `http://portal.example:${server.port}`,
      { limits: { connectTimeoutMs: 20, retryBudget: 0 } },
      { resolve: (_name, done) => (learn = () => done(null, [{ address: '127.0.0.1', family: 4 }])) },
    );
    await using _ = http;
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' });
    learn();
    await connectTo(server.port);
    expect(server.connections()).toBe(1);
  });

  test('that is being made is given up, and its slot free, once its caller has gone', async () => {
    await using server = await serveRaw((socket) => socket.write(message('{}')));
    const waiting: (() => void)[] = [];
    const { http, clock } = createClient(
      `http://portal.example:${server.port}`,
      { limits: { maxConcurrent: 1 } },
      {
        resolve: (_name, done) => {
          const answer = () => done(null, [{ address: '127.0.0.1', family: 4 }]);
          if (waiting.push(answer) > 1) answer();
        },
      },
    );
    await using _ = http;
    const call = callFor(clock);
    const reading = http.read(GET, textOf, call);
    call.abort();
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
    await new Promise(setImmediate);
    expect(http.state().inFlight).toBe(0);
    expect(await http.read(GET, textOf, callFor(clock))).toBe('200 {}');
    for (const answer of waiting) answer();
    await connectTo(server.port);
    expect(server.connections()).toBe(2);
  });

  test('whose TLS handshake stalls is given up at the connect timeout', async () => {
    await using server = await serveRaw(() => {});
    const { http, clock } = createClient(`https://127.0.0.1:${server.port}`, {
      limits: { connectTimeoutMs: 50, retryBudget: 0 },
    });
    await using _ = http;
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' });
    await server.whenIdle();
  });

  test('that speaks no TLS makes the source unavailable', async () => {
    const plain = createServer((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end('no tls here\r\n\r\n'),
    );
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port } = plain.address() as { port: number };
    const { http, clock } = createClient(`https://127.0.0.1:${port}`, { limits: { retryBudget: 0 } });
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    await http[Symbol.asyncDispose]();
    await new Promise((resolve) => plain.close(resolve));
  });
});

describe('a caller who goes away', () => {
  test('is told so and the socket is closed', async () => {
    const call = callFor({ monotonicMs: () => 0 });
    await using server = await serveRaw((socket) => {
      socket.write(message(BODY).subarray(0, 100));
      call.abort();
    });
    const { http, clock, outcomes } = createClient(server.url);
    await using _ = http;
    await expect(http.read(GET, textOf, { ...call, deadlineEpochMs: clock.now() + 5_000 })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await server.whenIdle();
    expect(outcomes).toEqual(['CANCELLED']);
    expect(http.state()).toMatchObject({ inFlight: 0, circuit: 'closed' });
  });

  test('before the call begins costs no request', async () => {
    await using server = await serveRaw((socket) => socket.write(message('{}')));
    const { http, clock } = createClient(server.url);
    await using _ = http;
    const call = callFor(clock);
    call.abort();
    await expect(http.read({ ...GET, cache: 'records' }, textOf, call)).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(server.requests).toEqual([]);
  });

  test('while the connection is being made is told so at once', async () => {
    const { http, clock } = createClient('https://portal.example', {}, { resolve: () => {} });
    await using _ = http;
    const call = callFor(clock);
    const reading = http.read(GET, textOf, call);
    call.abort();
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('leaves no listener on its signal, whatever the end', async () => {
    await using server = await serveRaw((socket, { index }) =>
      socket.write(message('{}', {}, index === 1 ? 503 : 200)),
    );
    const { http, clock } = createClient(server.url, { limits: { retryBudget: 0 } });
    await using _ = http;
    const call = callFor(clock);
    let listeners = 0;
    const signal = new Proxy(call.signal, {
      get(target, name) {
        if (name === 'addEventListener') return () => (listeners += 1);
        if (name === 'removeEventListener') return () => (listeners -= 1);
        return Reflect.get(target, name, target) as unknown;
      },
    });
    await http.read(GET, textOf, { ...call, signal });
    await http.read(GET, textOf, { ...call, signal }).catch(() => {});
    for await (const _chunk of http.stream(GET, () => new Error('refused'), { ...call, signal }));
    expect(listeners).toBe(0);
  });
});

describe('closing', () => {
  test('ends when the peer has closed the connections before', async () => {
    await using server = await serveRaw((socket) => socket.write(message('{}')));
    const { http, clock } = createClient(server.url);
    await http.read(GET, textOf, callFor(clock));
    expect(server.openSockets()).toBe(1);
    server.closeSockets();
    await server.whenIdle();
    await new Promise(setImmediate);
    await http[Symbol.asyncDispose]();
  });

  test('ends what is under way, what is queued, and every socket', async () => {
    await using server = await serveRaw(() => {});
    const { http, clock } = createClient(server.url, { limits: { maxConcurrent: 1, retryBudget: 0.1 } });
    const reads = [1, 2].map((n) => http.read({ ...GET, path: `/${n}` }, textOf, callFor(clock)));
    const outcomes = Promise.allSettled(reads);
    while (server.requests.length === 0) await new Promise(setImmediate);
    expect(http.state()).toMatchObject({ inFlight: 1, queued: 1 });
    await http[Symbol.asyncDispose]();
    await http[Symbol.asyncDispose]();
    expect(
      (await outcomes).map((outcome) => outcome.status === 'rejected' && (outcome.reason as { code: string }).code),
    ).toEqual(['SOURCE_UNAVAILABLE', 'SOURCE_UNAVAILABLE']);
    await server.whenIdle();
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(server.requests).toHaveLength(1);
  });
});

/** What was connected before has been counted when this connection stands. */
async function connectTo(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
  await once(socket, 'close');
}

async function freePort(): Promise<number> {
  const server = await serveRaw(() => {});
  await server[Symbol.asyncDispose]();
  return server.port;
}
