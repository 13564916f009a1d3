import { HubError } from '@civex/errors';
import { describe, expect, test } from 'vitest';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { HttpAnswer } from './types.ts';
import { callFor, chunked, createClient, GET, message, serveRaw, textOf, type Overrides } from './testing.ts';

const CSV = `id,name\n${Array.from({ length: 3_000 }, (_, id) => `${id},station ${id}\n`).join('')}`;
const csv = { 'content-type': 'text/csv' };
const refuse = (answer: HttpAnswer) => new HubError('NOT_FOUND', textOf(answer));

async function readAll(bytes: Buffer | 'reset', overrides: Overrides = {}, how: 'write' | 'end' | 'reset' = 'write') {
  await using server = await serveRaw((socket) => {
    if (bytes === 'reset') socket.resetAndDestroy();
    else if (how === 'write') socket.write(bytes);
    else if (how === 'end') socket.end(bytes);
    else socket.write(bytes, () => setImmediate(() => socket.resetAndDestroy()));
  });
  const { http, clock, outcomes } = createClient(server.url, { limits: { retryBudget: 0, ...overrides.limits } });
  await using _ = http;
  const call = callFor(clock);
  const chunks: Uint8Array[] = [];
  let error: unknown = null;
  try {
    for await (const chunk of http.stream(GET, refuse, call)) chunks.push(chunk);
  } catch (caught) {
    error = caught;
  }
  expect(http.state().inFlight).toBe(0);
  return { text: Buffer.concat(chunks).toString(), error, outcomes, trace: call.trace, now: clock.now() };
}

describe('a stream', () => {
  test.each([
    ['a length', message(CSV, csv)],
    ['chunks', chunked(Buffer.from(CSV), csv, 1_000)],
    ['gzip', message(gzipSync(CSV), { ...csv, 'content-encoding': 'gzip' })],
    ['br in chunks', chunked(brotliCompressSync(CSV), { ...csv, 'content-encoding': 'br' })],
    ['gzip in br', message(brotliCompressSync(gzipSync(CSV)), { ...csv, 'content-encoding': 'gzip, br' })],
  ])('with %s brings every byte', async (_name, bytes) => {
    const { text, error, outcomes, trace, now } = await readAll(bytes);
    expect(error).toBeNull();
    expect(text).toBe(CSV);
    expect(outcomes).toEqual(['ok']);
    expect(trace).toEqual({ requests: 1, maxAgeMs: null, stale: false, fetchedAtEpochMs: now });
  });

  const framings = [
    ['a length', message(CSV, csv)],
    ['a length and close', message(CSV, { ...csv, connection: 'close' })],
    ['chunks', chunked(Buffer.from(CSV), csv, 1_000)],
    ['chunks and close', chunked(Buffer.from(CSV), { ...csv, connection: 'close' }, 1_000)],
    ['gzip', message(gzipSync(CSV), { ...csv, 'content-encoding': 'gzip' })],
    ['gzip in chunks', chunked(gzipSync(CSV), { ...csv, 'content-encoding': 'gzip' }, 1_000)],
    ['br and close', chunked(brotliCompressSync(CSV), { ...csv, 'content-encoding': 'br', connection: 'close' })],
    [
      'gzip until the connection ends',
      Buffer.concat([
        Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n'),
        gzipSync(CSV),
      ]),
    ],
  ] as const;
  test.each(framings)('with %s throws wherever it is cut', async (_name, bytes) => {
    const head = bytes.indexOf('\r\n\r\n') + 4;
    const offsets = [
      head,
      head + 1,
      ...[1, 2, 3, 4].map((part) => head + Math.floor(((bytes.length - head) * part) / 5)),
    ];
    for (const at of [...offsets, bytes.length - 1])
      for (const how of ['end', 'reset'] as const) {
        const { error } = await readAll(bytes.subarray(0, at), {}, how);
        expect(['SOURCE_MALFORMED', 'SOURCE_UNAVAILABLE']).toContain((error as HubError | null)?.code);
      }
  });

  test.each([
    ['no length, chunks or encoding', Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\n\r\na,b\n'), 'end'],
    ['a body longer than its length', message(CSV, { ...csv, 'content-length': '100' }), 'write'],
    [
      'garbage after gzip',
      message(Buffer.concat([gzipSync(CSV), Buffer.from('x')]), { ...csv, 'content-encoding': 'gzip' }),
      'write',
    ],
    ['an unknown encoding', message(CSV, { ...csv, 'content-encoding': 'zstd' }), 'write'],
    ['206', message(CSV, csv, 206), 'write'],
    ['204', message('', {}, 204), 'write'],
    ['205', message('', {}, 205), 'write'],
  ] as const)('with %s is refused', async (_name, bytes, how) => {
    const { error, outcomes } = await readAll(bytes, {}, how);
    expect(error).toMatchObject({ code: 'SOURCE_MALFORMED', facts: { source: 'paris' } });
    expect(outcomes).toEqual(['SOURCE_MALFORMED']);
  });

  test('stops at the limit of decoded bytes', async () => {
    const bomb = message(gzipSync(Buffer.alloc(5_000_000)), { ...csv, 'content-encoding': 'gzip' });
    const { text, error } = await readAll(bomb, { limits: { maxStreamBytes: 1_000_000 } });
    expect(error).toMatchObject({ code: 'SOURCE_MALFORMED', message: expect.stringContaining('larger') });
    expect(text.length).toBeLessThanOrEqual(1_000_000);
  });

  test('that is refused throws what onRefused makes of the complete answer', async () => {
    const { error, outcomes } = await readAll(message(gzipSync('{"error":1}'), { 'content-encoding': 'gzip' }, 404));
    expect(error).toMatchObject({ code: 'NOT_FOUND', message: '404 {"error":1}' });
    expect(outcomes).toEqual(['NOT_FOUND']);
  });

  test.each([
    [429, 'SOURCE_OVERLOADED'],
    [503, 'SOURCE_UNAVAILABLE'],
    [302, 'SOURCE_REJECTED'],
  ] as const)('with %i is refused by the client itself', async (status, code) => {
    expect((await readAll(message('', {}, status))).error).toMatchObject({ code });
  });

  test('is retried before its first byte only', async () => {
    await using server = await serveRaw((socket, { index }) =>
      index === 0 ? socket.resetAndDestroy() : socket.write(message(CSV, csv)),
    );
    const { http, clock } = createClient(server.url);
    await using _ = http;
    const call = callFor(clock);
    let bytes = 0;
    for await (const chunk of http.stream(GET, refuse, call)) bytes += chunk.byteLength;
    expect([bytes, call.trace.requests]).toEqual([Buffer.byteLength(CSV), 2]);
  });

  test('asks for nothing before it is read', async () => {
    await using server = await serveRaw((socket) => socket.write(message(CSV, csv)));
    const { http, clock } = createClient(server.url);
    await using _ = http;
    http.stream(GET, refuse, callFor(clock));
    await new Promise(setImmediate);
    expect(server.requests).toEqual([]);
  });
});

/** A portal that sends for ever, as fast as it is read. */
const serveEndless = async () => {
  let sent = 0;
  const server = await serveRaw((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\ntransfer-encoding: chunked\r\n\r\n');
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536, 97), Buffer.from('\r\n')]);
    const pump = () => {
      do sent += 65_536;
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', pump);
    pump();
  });
  return { server, sentBytes: () => sent };
};

describe('a reader', () => {
  test('who stops closes the socket and frees the slot', async () => {
    const { server } = await serveEndless();
    await using _server = server;
    const { http, clock, outcomes } = createClient(server.url);
    await using _ = http;
    for await (const _chunk of http.stream(GET, refuse, callFor(clock))) {
      expect(http.state().inFlight).toBe(1);
      break;
    }
    expect(http.state()).toMatchObject({ inFlight: 0, circuit: 'closed' });
    await server.whenIdle();
    expect(outcomes).toEqual(['ok']);
  });

  test('who is slow slows the portal', async () => {
    const { server, sentBytes } = await serveEndless();
    await using _server = server;
    const { http, clock } = createClient(server.url, { limits: { maxStreamBytes: 1e12 } });
    await using _ = http;
    const reader = http.stream(GET, refuse, callFor(clock))[Symbol.asyncIterator]();
    await reader.next();
    // The portal sends until the buffers between are full; then its count stands still.
    let last = -1;
    for (let still = 0; still < 20;) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      still = sentBytes() === last ? still + 1 : 0;
      last = sentBytes();
    }
    expect(last).toBeLessThan(100_000_000);
    await reader.return?.();
  });

  test('who goes away is told so and the socket is closed', async () => {
    const { server } = await serveEndless();
    await using _server = server;
    const { http, clock, outcomes } = createClient(server.url);
    await using _ = http;
    const call = callFor(clock);
    const reader = http.stream(GET, refuse, call)[Symbol.asyncIterator]();
    await reader.next();
    call.abort();
    await server.whenIdle();
    expect(http.state().inFlight).toBe(0);
    await expect(reader.next()).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await reader.next()).toEqual({ done: true, value: undefined });
    expect(outcomes).toEqual(['CANCELLED']);
  });

  test('who goes away before the answer is told so at once', async () => {
    await using server = await serveRaw(() => call.abort());
    const { http, clock } = createClient(server.url);
    await using _ = http;
    const call = callFor(clock);
    await expect(http.stream(GET, refuse, call)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await server.whenIdle();
    while (http.state().inFlight > 0) await new Promise(setImmediate);
  });

  test('who never comes back loses the slot at the deadline', async () => {
    const { server } = await serveEndless();
    await using _server = server;
    const { http, clock } = createClient(server.url);
    await using _ = http;
    const reader = http.stream(GET, refuse, callFor(clock, 60))[Symbol.asyncIterator]();
    await reader.next();
    expect(http.state().inFlight).toBe(1);
    await server.whenIdle();
    expect(http.state()).toMatchObject({ inFlight: 0, circuit: 'closed' });
    await expect(reader.next()).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' });
  });

  test('may take longer than the total timeout of a read', async () => {
    await using server = await serveRaw((socket) => {
      const bytes = message(CSV, csv);
      socket.write(bytes.subarray(0, 1_000));
      setTimeout(() => socket.write(bytes.subarray(1_000)), 60);
    });
    const { http, clock } = createClient(server.url, { limits: { totalTimeoutMs: 20 } });
    await using _ = http;
    let bytes = 0;
    for await (const chunk of http.stream(GET, refuse, callFor(clock))) bytes += chunk.byteLength;
    expect(bytes).toBe(Buffer.byteLength(CSV));
  });

  test('is told of a portal that stalls', async () => {
    await using server = await serveRaw((socket) => socket.write(message(CSV, csv).subarray(0, 1_000)));
    const { http, clock } = createClient(server.url, { limits: { minBytesPerSecond: 100 } }, { rateTickMs: 10 });
    await using _ = http;
    const read = async () => {
      for await (const _chunk of http.stream(GET, refuse, callFor(clock, 60_000)));
    };
    await expect(read()).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' });
    await server.whenIdle();
  });

  test('is told when the client closes', async () => {
    const { server } = await serveEndless();
    await using _server = server;
    const { http, clock } = createClient(server.url);
    const reader = http.stream(GET, refuse, callFor(clock))[Symbol.asyncIterator]();
    await reader.next();
    await http[Symbol.asyncDispose]();
    await expect(reader.next()).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    await server.whenIdle();
  });
});
