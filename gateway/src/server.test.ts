import { gunzipSync, gzipSync } from 'node:zlib';
import { createSystemEnvironment } from '@civex/environment';
import { HubError } from '@civex/errors';
import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { EXAMPLE_QUESTIONS } from './examples.ts';
import { CONNECTION_WAITS } from './server.ts';
import { createFakeSource } from './testing/fake-source.ts';
import { createHeldSource, startTestHub } from './testing/test-hub.ts';
import type { SendOptions, TestHub, TestHubOptions } from './testing/test-hub.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
const RESPONSE_TYPE = 'application/graphql-response+json; charset=utf-8';
const QUERY = JSON.stringify({ query: '{dataset(id:"a:d1"){id}}' });
const ANSWER = { data: { dataset: { id: 'a:d1' } } };
const AS_JSON = { 'content-type': 'application/json' };

async function startHub(options: TestHubOptions = {}): Promise<TestHub> {
  const hub = await startTestHub(options);
  onTestFinished(() => hub.close());
  return hub;
}

let shared: TestHub;
beforeAll(async () => {
  shared = await startTestHub({ bodyBytes: 2_000 });
});
afterAll(() => shared.close());

const codes = (answer: { readonly json: TestHubAnswer }): readonly unknown[] | undefined =>
  answer.json?.errors?.map(({ extensions }) => extensions['code']);
type TestHubAnswer = Awaited<ReturnType<TestHub['send']>>['json'];

describe('a request that is refused before GraphQL', () => {
  const SPECIMEN: SendOptions = { headers: { ...AS_JSON, accept: 'application/json' }, body: QUERY };

  test('control: the specimen is answered', async () => {
    const answer = await shared.send(SPECIMEN);
    expect([answer.status, answer.headers['content-type'], answer.json]).toEqual([200, JSON_TYPE, ANSWER]);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
  });

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset=UTF-8',
    'Application/JSON ; charset="utf-8"',
  ])('control: the content type %s is taken', async (type) => {
    expect((await shared.send({ ...SPECIMEN, headers: { 'content-type': type } })).json).toEqual(ANSWER);
  });

  const asType = (type: string): SendOptions => ({ ...SPECIMEN, headers: { 'content-type': type } });
  const asBody = (body: string | Uint8Array): SendOptions => ({ ...SPECIMEN, body });
  const asParams = (params: object): SendOptions => asBody(JSON.stringify({ query: '{__typename}', ...params }));

  test.each<[string, SendOptions, number, string]>([
    ['no content type', { ...SPECIMEN, headers: {} }, 415, 'INPUT_INVALID'],
    ['a form', asType('application/x-www-form-urlencoded'), 415, 'INPUT_INVALID'],
    ['multipart', asType('multipart/form-data; boundary=x'), 415, 'INPUT_INVALID'],
    ['plain text', asType('text/plain'), 415, 'INPUT_INVALID'],
    ['bare GraphQL', asType('application/graphql'), 415, 'INPUT_INVALID'],
    ['another charset', asType('application/json; charset=utf-7'), 415, 'INPUT_INVALID'],
    ['two charsets', asType('application/json; charset=utf-8; charset=utf-7'), 415, 'INPUT_INVALID'],
    ['another parameter', asType('application/json; boundary=x'), 415, 'INPUT_INVALID'],
    ['a longer type', asType('application/json-patch+json'), 415, 'INPUT_INVALID'],
    ['two types', asType('application/json, text/plain'), 415, 'INPUT_INVALID'],
    [
      'a gzip body',
      { headers: { ...AS_JSON, 'content-encoding': 'gzip' }, body: gzipSync(QUERY) },
      415,
      'INPUT_INVALID',
    ],
    [
      'a body as it is, called gzip',
      { headers: { ...AS_JSON, 'content-encoding': 'gzip' }, body: QUERY },
      415,
      'INPUT_INVALID',
    ],
    ['an answer in XML', { ...SPECIMEN, headers: { ...AS_JSON, accept: 'text/xml' } }, 406, 'INPUT_INVALID'],
    [
      'both types refused',
      { ...SPECIMEN, headers: { ...AS_JSON, accept: 'application/json;q=0, application/graphql-response+json;q=0' } },
      406,
      'INPUT_INVALID',
    ],
    [
      'a body one byte beyond the limit',
      asBody(`${QUERY}${' '.repeat(2_001 - QUERY.length)}`),
      413,
      'INPUT_TOO_COSTLY',
    ],
    [
      'an endless body',
      { headers: { ...AS_JSON, 'transfer-encoding': 'chunked' }, body: Buffer.alloc(1_000_000, ' ') },
      413,
      'INPUT_TOO_COSTLY',
    ],
    ['an empty body', asBody(''), 400, 'INPUT_INVALID'],
    ['half a body', asBody('{"query":'), 400, 'INPUT_INVALID'],
    ['a second value', asBody(`${QUERY}${QUERY}`), 400, 'INPUT_INVALID'],
    ['invalid UTF-8', asBody(Buffer.from(QUERY.replace('d1', 'd\u00ff'), 'latin1')), 400, 'INPUT_INVALID'],
    ['null', asBody('null'), 400, 'INPUT_INVALID'],
    ['a text', asBody('"{__typename}"'), 400, 'INPUT_INVALID'],
    ['a batch', asBody(`[${QUERY}]`), 400, 'INPUT_INVALID'],
    ['an empty batch', asBody('[]'), 400, 'INPUT_INVALID'],
    ['no query', asBody('{}'), 400, 'INPUT_INVALID'],
    ['a query that is a number', asParams({ query: 1 }), 400, 'INPUT_INVALID'],
    ['a query that is null', asParams({ query: null }), 400, 'INPUT_INVALID'],
    ['a query that is a list', asParams({ query: ['{__typename}'] }), 400, 'INPUT_INVALID'],
    ['variables that are a list', asParams({ variables: [] }), 400, 'INPUT_INVALID'],
    ['variables that are a text', asParams({ variables: '{}' }), 400, 'INPUT_INVALID'],
    ['an operation name that is a number', asParams({ operationName: 1 }), 400, 'INPUT_INVALID'],
    ['extensions that are a list', asParams({ extensions: [] }), 400, 'INPUT_INVALID'],
    ['extensions that are a text', asParams({ extensions: 'x' }), 400, 'INPUT_INVALID'],
    ['a query in the address', { method: 'GET', path: '/graphql?query={__typename}' }, 405, 'INPUT_INVALID'],
    ['PUT', { ...SPECIMEN, method: 'PUT' }, 405, 'INPUT_INVALID'],
    ['DELETE', { method: 'DELETE' }, 405, 'INPUT_INVALID'],
    [
      'OPTIONS',
      { method: 'OPTIONS', headers: { origin: 'https://elsewhere.example', 'access-control-request-method': 'POST' } },
      405,
      'INPUT_INVALID',
    ],
    ['another path', { ...SPECIMEN, path: '/graphql2' }, 404, 'NOT_FOUND'],
    ['a path below', { ...SPECIMEN, path: '/graphql/x' }, 404, 'NOT_FOUND'],
    ['an address that is none', { ...SPECIMEN, path: '//%00?' }, 404, 'NOT_FOUND'],
  ])('%s', async (_, options, status, code) => {
    const asked = shared.sources.flatMap(({ batches }) => batches).length;
    const answer = await shared.send(options);
    expect([answer.status, codes(answer)]).toEqual([status, [code]]);
    expect(Object.keys(answer.json ?? {})).toEqual(['errors']);
    expect(answer.headers['content-type']).toBe(JSON_TYPE);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect(answer.text).not.toMatch(/JSON at position|stack|elsewhere|utf-7/);
    expect(shared.sources.flatMap(({ batches }) => batches).length).toBe(asked);
  });

  test('the largest body is taken, also in pieces', async () => {
    const body = `${QUERY}${' '.repeat(2_000 - QUERY.length)}`;
    expect((await shared.send(asBody(body))).json).toEqual(ANSWER);
    expect((await shared.send({ headers: { ...AS_JSON, 'transfer-encoding': 'chunked' }, body })).json).toEqual(ANSWER);
  });

  test('a body that announces more than the limit is refused before it is sent, and the connection ends', async () => {
    const { socket, until } = shared.open();
    socket.write('POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2001\r\n\r\n');
    const text = await until(null);
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
    expect(text).toMatch(/\r\nconnection: close\r\n/i);
  });

  test('a body without an end is refused as soon as it is beyond the limit', async () => {
    const { socket, until } = shared.open();
    socket.write(
      'POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
    );
    socket.write(`7d1\r\n${' '.repeat(2_001)}\r\n`);
    expect(await until(null)).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('405 names the method that is served', async () => {
    expect((await shared.send({ method: 'PUT' })).headers['allow']).toBe('POST');
  });

  test('headers beyond sixteen kilobytes are refused', async () => {
    const { socket, until } = shared.open();
    socket.write(`POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(await until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 431 /);
  });

  test('null for variables, operation name and extensions is as if they were left out', async () => {
    const answer = await shared.send(asParams({ variables: null, operationName: null, extensions: null }));
    expect(answer.json).toEqual({ data: { __typename: 'Query' } });
  });
});

describe('what the client accepts', () => {
  test.each<[string | undefined, string]>([
    [undefined, JSON_TYPE],
    ['', JSON_TYPE],
    ['*/*', JSON_TYPE],
    ['application/*', JSON_TYPE],
    ['application/json', JSON_TYPE],
    ['application/json; charset=utf-8', JSON_TYPE],
    ['application/graphql-response+json', RESPONSE_TYPE],
    ['Application/GraphQL-Response+JSON', RESPONSE_TYPE],
    ['application/graphql-response+json, application/json', RESPONSE_TYPE],
    ['application/json, application/graphql-response+json', JSON_TYPE],
    ['application/json;q=0.5, application/graphql-response+json;q=0.9', RESPONSE_TYPE],
    ['application/graphql-response+json;q=0.5, application/json', JSON_TYPE],
    ['application/graphql-response+json;q=0, */*', JSON_TYPE],
    ['text/html, */*;q=0.1', JSON_TYPE],
  ])('%s: the answer is %s', async (accept, type) => {
    const answer = await shared.send({
      headers: { ...AS_JSON, ...(accept === undefined ? {} : { accept }) },
      body: QUERY,
    });
    expect([answer.status, answer.headers['content-type']]).toEqual([200, type]);
  });

  test.each<[string, string]>([
    ['does not parse', '{'],
    ['is not valid', '{nothing}'],
    ['names an operation that is not there', 'query A{__typename} query B{__typename}'],
    ['has a variable of the wrong type', 'query($n:Int){datasets(first:$n){nodes{id}}}'],
    ['costs too much', '{datasets(first:1000){nodes{records{nodes{id}}}}}'],
    ['nests too deep', `{a(b:${'['.repeat(200)}`],
  ])('a document that %s is 400 in the newer media type and 200 in the older', async (_, query) => {
    const newer = await shared.post(query, { n: 'x' }, { accept: 'application/graphql-response+json' });
    const older = await shared.post(query, { n: 'x' }, { accept: 'application/json' });
    expect([newer.status, older.status]).toEqual([400, 200]);
    expect(newer.headers['content-type']).toBe(RESPONSE_TYPE);
    expect(Object.keys(newer.json ?? {})).toEqual(['errors']);
    expect(newer.json).toEqual(older.json);
    for (const { extensions } of newer.json?.errors ?? [])
      expect(['INPUT_INVALID', 'INPUT_TOO_COSTLY']).toContain(extensions['code']);
  });

  test('an answer with data is 200 in both, also beside errors', async () => {
    const hub = await startHub({
      createSource: ({ id }) => {
        const source = createFakeSource(id, 3);
        if (id === 'b') source.fault = new HubError('SOURCE_TIMEOUT', 'Too slow.', { source: 'b' });
        return source;
      },
    });
    for (const accept of ['application/json', 'application/graphql-response+json']) {
      const answer = await hub.post('{a:dataset(id:"a:d1"){id} b:dataset(id:"b:d1"){id}}', undefined, { accept });
      expect(answer.status).toBe(200);
      expect(answer.json).toMatchObject({
        data: { a: { id: 'a:d1' }, b: null },
        errors: [{ path: ['b'], extensions: { code: 'SOURCE_TIMEOUT', source: 'b' } }],
      });
    }
  });

  test('what is wrong with one field is no matter of HTTP, which carries the other fields, too', async () => {
    for (const code of ['AUTH_REQUIRED', 'AUTH_UNAVAILABLE', 'ACCESS_DENIED'] as const) {
      const hub = await startHub({
        createSource({ id }) {
          const source = createFakeSource(id, 3);
          source.fault = new HubError(code, 'Not so.');
          return source;
        },
      });
      const answer = await hub.post('{dataset(id:"a:d1"){id}}');
      expect(answer.status).toBe(200);
      expect(answer.json?.errors?.map(({ extensions }) => extensions)).toEqual([{ code }]);
    }
  });
});

describe('what a request says is not said back', () => {
  test('neither headers, nor the address, nor the body of what is refused', async () => {
    const mark = 'd41d8cd98f';
    const headers = {
      ...AS_JSON,
      [`x-${mark}`]: mark,
      authorization: mark,
      cookie: mark,
      origin: `https://${mark}.example`,
      'x-request-id': mark,
    };
    for (const options of [
      { headers, body: QUERY },
      { headers, body: `{"${mark}":"${mark}"}` },
      { headers, body: mark },
      { headers: { ...headers, 'content-type': `text/${mark}` }, body: mark },
      { headers: { ...headers, accept: `text/${mark}` }, body: QUERY },
      { headers, path: `/${mark}?${mark}`, body: QUERY },
      { headers: { ...headers, host: `${mark}.example` }, path: '/', method: 'GET' },
      { headers: { ...headers, 'content-encoding': mark }, body: QUERY },
    ]) {
      const answer = await shared.send(options);
      expect(answer.text).not.toContain(mark);
      expect(JSON.stringify(answer.headers)).not.toContain(mark);
    }
  });

  test('a message about a value of the caller’s is bounded', async () => {
    const hub = await startHub();
    const answer = await hub.post('query($n:Int){datasets(first:$n){nodes{id}}}', { n: 'x'.repeat(100_000) });
    expect(codes(answer)).toEqual(['INPUT_INVALID']);
    expect(answer.body.length).toBeLessThan(2_000);
  });

  test('faults of the program are told in two words', async () => {
    const hub = await startHub({
      createSource({ id }) {
        const source = createFakeSource(id, 3);
        source.fault = Object.assign(new TypeError('secret words of a portal'), {
          code: 'SOURCE_TIMEOUT',
          facts: { source: 'x' },
        }) as never;
        return source;
      },
    });
    const answer = await hub.post('{dataset(id:"a:d1"){id}}');
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({
      data: { dataset: null },
      errors: [{ message: 'Internal error.', path: ['dataset'], extensions: { code: 'INTERNAL' } }],
    });
    expect(answer.text).not.toMatch(/secret|stack|TypeError|\.ts/);
    expect(hub.masked).toHaveLength(1);
  });

  test('an answer has fifty errors at most', async () => {
    const hub = await startHub();
    const fields = Array.from({ length: 80 }, (_, n) => `nothing${n}`).join(' ');
    const answer = await hub.post(`{dataset(id:"a:d1"){${fields}}}`);
    expect(answer.json?.errors).toHaveLength(50);
  });
});

describe('members with names of the language', () => {
  test.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'])(
    '%s is an alias like any other',
    async (name) => {
      const before = Object.getOwnPropertyNames(Object.prototype);
      const answer = await shared.post(
        `{${name}:dataset(id:"a:d1"){${name}:id} x:datasets(first:2){nodes{${name}:title}}}`,
      );
      expect(answer.text).toBe(
        `{"data":{"${name}":{"${name}":"a:d1"},"x":{"nodes":[{"${name}":"Bare d0"},{"${name}":"Titre d1"}]}}}`,
      );
      expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
    },
  );

  test('__proto__ in variables reaches no prototype', async () => {
    const body = `{"query":"query($f:FilterInput,$__proto__:String){dataset(id:\\"a:d1\\"){records(filter:$f,cql:$__proto__){totalCount}}}","variables":{"f":{"property":"n","eq":{"__proto__":{"polluted":1}}},"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}},"__proto__":{"polluted":1}}`;
    const answer = await shared.send({ headers: AS_JSON, body });
    expect(answer.status).toBe(200);
    expect(codes(answer)).toEqual(['INPUT_INVALID']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect((() => {}) as unknown as Record<string, unknown>).not.toHaveProperty('polluted');
  });
});

describe('a busy hub', () => {
  test('keeps its places for requests that are whole: callers who send slowly take none', async () => {
    const hub = await startHub({ concurrentRequests: 2 });
    const slow = Array.from({ length: 6 }, () => hub.open());
    const half = 'POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ';
    for (const { socket } of slow) socket.write(`${half}${QUERY.length}\r\n\r\n${QUERY.slice(0, 9)}`);
    expect((await hub.post('{dataset(id:"a:d1"){id}}')).json).toEqual(ANSWER);
    for (const { socket } of slow) socket.write(QUERY.slice(9));
    for (const { socket, until } of slow) {
      expect(await until('\r\n\r\n{')).toMatch(/^HTTP\/1\.1 (200|503) /);
      socket.destroy();
    }
  });

  test('waits for callers as long as it says', () => {
    expect(CONNECTION_WAITS).toEqual({
      headersMs: 10_000,
      requestMs: 30_000,
      idleMs: 15_000,
      stalledMs: 60_000,
      checkMs: 5_000,
    });
  });

  test('refuses what is beyond its places with 503 and a time to wait, and answers again afterwards', async () => {
    const held = createHeldSource('a');
    const hub = await startHub({ createSource: () => held, concurrentRequests: 2 });
    const running = [hub.post('{dataset(id:"a:d1"){id}}'), hub.post('{dataset(id:"a:d1"){id}}')];
    while (held.signals.length < 2) await new Promise((resolve) => setImmediate(resolve));
    const refused = await hub.post('{__typename}');
    expect([refused.status, codes(refused), refused.headers['retry-after']]).toEqual([503, ['SOURCE_OVERLOADED'], '1']);
    expect((await hub.send({ method: 'GET', path: '/healthz' })).status).toBe(200);
    held.gate.open();
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await hub.post('{dataset(id:"a:d1"){id}}')).json).toEqual(ANSWER);
  });

  test('gives a place back after every kind of refusal', async () => {
    const hub = await startHub({ concurrentRequests: 1, bodyBytes: 100 });
    for (const body of ['{', 'null', '{"query":"{"}', `"${'x'.repeat(200)}"`])
      expect((await hub.send({ headers: AS_JSON, body })).status).not.toBe(503);
    expect((await hub.post('{__typename}')).status).toBe(200);
  });
});

describe('a client that goes away', () => {
  test('ends the calls to the sources that were made for it', async () => {
    const held = createHeldSource('a');
    const hub = await startHub({ createSource: () => held });
    const { socket } = hub.open();
    socket.write(
      `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${QUERY.length}\r\n\r\n${QUERY}`,
    );
    await held.asked.passed;
    const [signal] = held.signals;
    expect(signal?.aborted).toBe(false);
    const aborted = new Promise((resolve) => signal?.addEventListener('abort', resolve));
    socket.destroy();
    await aborted;
    expect(signal?.aborted).toBe(true);
  });

  test('in the middle of its body gives back what was held of it, which all bodies share', async () => {
    const hub = await startHub({ concurrentRequests: 1, bodyBytes: 1_000 });
    const large = { headers: AS_JSON, body: QUERY.padEnd(950) };
    const { socket } = hub.open();
    socket.write(
      `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n${' '.repeat(900)}`,
    );
    // Taken when a second body finds no room.
    let answer = await hub.send(large);
    while (answer.status !== 503) answer = await hub.send(large);
    expect([codes(answer), answer.headers['retry-after']]).toEqual([['SOURCE_OVERLOADED'], '1']);
    expect((await hub.post('{dataset(id:"a:d1"){id}}')).json).toEqual(ANSWER);
    socket.destroy();
    while ((await hub.send(large)).status !== 200);
    expect(hub.outcomes).toContain('refused');
  });

  test('a client that stays has nothing aborted', async () => {
    const held = createHeldSource('a');
    held.gate.open();
    const hub = await startHub({ createSource: () => held });
    expect((await hub.post('{dataset(id:"a:d1"){id}}')).json).toEqual(ANSWER);
    expect(held.signals.map(({ aborted }) => aborted)).toEqual([false]);
  });
});

describe('health', () => {
  test.each([
    ['/healthz', 'ok\n'],
    ['/readyz', 'ready\n'],
    ['/metrics', 'up 1\n'],
  ])('%s says %j', async (path, text) => {
    const answer = await shared.send({ method: 'GET', path });
    expect([answer.status, answer.text]).toEqual([200, text]);
    expect(answer.headers['content-type']).toMatch(/^text\/plain/);
    const head = await shared.send({ method: 'HEAD', path });
    expect([head.status, head.text]).toEqual([200, '']);
    expect((await shared.send({ method: 'POST', path })).status).toBe(404);
  });

  test('asks no source', async () => {
    const held = createHeldSource('a');
    const hub = await startHub({ createSource: () => held });
    expect((await hub.send({ method: 'GET', path: '/healthz' })).status).toBe(200);
    expect(held.signals).toEqual([]);
  });

  test('metrics that cannot be rendered are a fault told in two words', async () => {
    const hub = await startHub({ renderMetrics: () => Promise.reject(new Error('secret')) });
    const answer = await hub.send({ method: 'GET', path: '/metrics' });
    expect([answer.status, codes(answer)]).toEqual([500, ['INTERNAL']]);
    expect(answer.text).not.toContain('secret');
  });
});

describe('stopping', () => {
  test('says not ready, lets running requests end, and ends with them', async () => {
    const held = createHeldSource('a');
    const hub = await startTestHub({ createSource: () => held, drainSeconds: 600 });
    const waiting = hub.open();
    // A connection on which a question has begun is kept; its path is read while the hub stops.
    waiting.socket.write('GET /readyz HTTP/1.1\r\nhost: x\r\n');
    const running = hub.open();
    running.socket.write(
      `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${QUERY.length}\r\n\r\n${QUERY}`,
    );
    await held.asked.passed;
    let closed = false;
    const closing = hub.close().then(() => (closed = true));
    waiting.socket.write('\r\n');
    expect(await waiting.until('stopping')).toMatch(/^HTTP\/1\.1 503 /);
    const late = hub.open();
    late.socket.write('GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(await late.until(null)).toBe('');
    expect(closed).toBe(false);
    held.gate.open();
    // Without an end of the connection it would be kept for the next request.
    const answer = await running.until(null);
    expect(answer).toContain(JSON.stringify(ANSWER));
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    await closing;
    expect(held.isClosed()).toBe(true);
  });

  test('waits no longer than it is told for a request that does not end', async () => {
    const held = createHeldSource('a');
    const hub = await startTestHub({ createSource: () => held, drainSeconds: 0 });
    const running = hub.open();
    running.socket.write(
      `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${QUERY.length}\r\n\r\n${QUERY}`,
    );
    await held.asked.passed;
    const [signal] = held.signals;
    const aborted = new Promise((resolve) => signal?.addEventListener('abort', resolve));
    await hub.close();
    expect(await running.until(null)).toBe('');
    await aborted;
    expect(signal?.aborted).toBe(true);
  });

  test('ends at once when nothing runs, connections kept for later included', async () => {
    const hub = await startTestHub({ drainSeconds: 600 });
    const kept = hub.open();
    kept.socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    await kept.until('ok\n');
    await hub.close();
    expect(await kept.until(null)).toContain('200 OK');
  });

  test('a port that is taken is told by the socket', async () => {
    const { startServer } = await import('./server.ts');
    const attempt = startServer({
      gateway: shared.gateway,
      host: '127.0.0.1',
      port: shared.port,
      graphiql: false,
      bodyBytes: 1_000,
      concurrentRequests: 1,
      concurrentExports: 1,
      drainSeconds: 0,
      renderMetrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
      onRequest() {},
      onExport() {},
      environment: createSystemEnvironment(),
    });
    await expect(attempt).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});

test('each GraphQL request is counted once, by how it ended', async () => {
  const hub = await startHub({
    createSource({ id }) {
      const source = createFakeSource(id, 3);
      if (id === 'b') source.fault = new HubError('SOURCE_TIMEOUT', 'Too slow.', { source: 'b' });
      return source;
    },
  });
  await hub.post('{dataset(id:"a:d1"){id}}');
  await hub.post('{dataset(id:"b:d1"){id}}');
  await hub.post('{nothing}');
  await hub.send({ headers: AS_JSON, body: '[' });
  expect(hub.outcomes).toEqual(['ok', 'partial', 'error', 'refused']);
});

describe('GraphiQL', () => {
  const page = (hub: TestHub, headers: Readonly<Record<string, string>> = {}, method = 'GET') =>
    hub.send({ method, headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8', ...headers } });

  test('is served to browsers, and only to them', async () => {
    const answer = await page(shared);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(answer.headers['x-frame-options']).toBe('DENY');
    expect((await page(shared, { accept: '*/*' })).status).toBe(405);
    expect((await page(shared, { accept: 'application/json' })).status).toBe(405);
    expect((await page(shared, {}, 'HEAD')).text).toBe('');
    const root = await shared.send({ method: 'GET', path: '/' });
    expect([root.status, root.headers['location']]).toEqual([302, '/graphql']);
  });

  test('is the same page compressed', async () => {
    const [plain, zipped] = await Promise.all([page(shared), page(shared, { 'accept-encoding': 'gzip, br' })]);
    expect([plain.headers['content-encoding'], zipped.headers['content-encoding'], plain.headers['vary']]).toEqual([
      undefined,
      'gzip',
      'accept-encoding',
    ]);
    expect(gunzipSync(zipped.body).equals(plain.body)).toBe(true);
  });

  test('can be switched off', async () => {
    const hub = await startHub({ graphiql: false });
    expect((await page(hub)).status).toBe(405);
    expect((await hub.send({ method: 'GET', path: '/' })).status).toBe(404);
  });

  test('loads nothing from elsewhere', async () => {
    const { text } = await page(shared);
    const loads = [
      /\b(?:src|href|srcset|action|poster|data)\s*=\s*\\?["'`]?\s*(?:https?:)?\/\/[^\s"'`>]+/gi,
      /\bimport\s*\(?\s*["'`](?:https?:)?\/\/[^"'`]+/gi,
      /\bfrom\s*["'`](?:https?:)?\/\/[^"'`]+/gi,
      /\burl\(\s*\\?["'`]?(?:https?:)?\/\/[^)]+/gi,
      /\b(?:fetch|importScripts|Worker|EventSource|WebSocket|sendBeacon)\s*\(\s*["'`](?:https?:|wss?:)?\/\/[^"'`]+/gi,
      /https?:\/\/[^\s"'`<>\\)]+\.(?:m?js|css|woff2?|wasm|map)(?=["'`?#])/gi,
    ];
    expect(loads.flatMap((pattern) => text.match(pattern) ?? [])).toEqual([]);
    // Each pattern finds what it is for.
    const specimens = [
      '<script src="https://x.example/a',
      '<link href=//x.example/a',
      "import('https://x.example/a'",
      'from"https://x.example/a"',
      'url(https://x.example/a)',
      'fetch("https://x.example/a"',
      '"https://x.example/a.js"',
    ];
    expect(specimens.filter((specimen) => !loads.some((pattern) => specimen.match(pattern)))).toEqual([]);
  });

  test('opens with the example questions', async () => {
    const { text } = await page(shared);
    for (const { query } of EXAMPLE_QUESTIONS) expect(text).toContain(JSON.stringify(query).slice(1, -1));
  });
});

describe('GraphQL over HTTP, as audited by graphql-http', () => {
  /** Recommendations and permissions this hub does not follow, by audit, each with its reason. */
  const NOT_FOLLOWED: Readonly<Record<string, string>> = {
    '5A70': 'Queries by GET are not served: a link or an image on another site could send them.',
    D6D5: 'Variables in the address belong to queries by GET.',
    '6A70': 'Variables in the address belong to queries by GET.',
  };

  const audits = serverAudits({ url: () => `${shared.url}/graphql` });

  test('the audit is whole', () => {
    expect(audits.filter(({ name }) => name.startsWith('MUST')).length).toBeGreaterThanOrEqual(10);
    expect(
      Object.keys(NOT_FOLLOWED).filter(
        (id) => !audits.some((audit) => audit.id === id && !audit.name.startsWith('MUST')),
      ),
    ).toEqual([]);
  });

  test.each(audits.map((audit) => [audit.id, audit.name, audit] as const))('%s %s', async (id, _, audit) => {
    const result = await audit.fn();
    expect({ id, passes: result.status === 'ok' }).toEqual({ id, passes: NOT_FOLLOWED[id] === undefined });
  });
});
