import { HttpRequestInterceptor } from '@mswjs/interceptors/http';
import { http as mock, HttpResponse } from 'msw';
import { defineNetwork, InterceptorSource } from 'msw/experimental';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { callFor, createClient, GET, textOf } from './testing.ts';

// The second door: the same client against msw, which knows nothing of our raw servers.
const BASE = 'https://portal.example/api';
const network = defineNetwork({
  sources: [new InterceptorSource({ interceptors: [new HttpRequestInterceptor()] })],
  onUnhandledFrame: 'error',
  context: { quiet: true },
});
beforeAll(() => network.enable());
afterEach(() => network.resetHandlers());
afterAll(() => network.disable());
const client = () =>
  createClient(
    BASE,
    { limits: { retryBudget: 0 } },
    { resolve: (_name, done) => done(null, [{ address: '8.8.8.8', family: 4 }]) },
  );

describe('against msw', () => {
  test('a read sends its headers and parameters and brings the JSON', async () => {
    const seen: Request[] = [];
    network.use(
      mock.get(`${BASE}/datasets`, ({ request }) => {
        seen.push(request);
        return HttpResponse.json({ total: 2 });
      }),
    );
    const { http, clock } = client();
    await using _ = http;
    const request = { ...GET, path: '/datasets', search: [['where', 'a = "é"']] } as const;
    expect(await http.read(request, textOf, callFor(clock))).toBe('200 {"total":2}');
    expect(new URL(seen[0]?.url ?? '').searchParams.get('where')).toBe('a = "é"');
    expect(seen[0]?.headers.get('accept-encoding')).toBe('gzip, br');
    expect(seen[0]?.headers.get('user-agent')).toMatch(/^civex\//);
  });

  test.each([
    [429, 'SOURCE_OVERLOADED'],
    [502, 'SOURCE_UNAVAILABLE'],
    [503, 'SOURCE_UNAVAILABLE'],
    [504, 'SOURCE_UNAVAILABLE'],
    [301, 'SOURCE_REJECTED'],
    [307, 'SOURCE_REJECTED'],
    [206, 'SOURCE_MALFORMED'],
  ] as const)('status %i becomes %s', async (status, code) => {
    network.use(mock.get(`${BASE}/x`, () => HttpResponse.json({}, { status })));
    const { http, clock } = client();
    await using _ = http;
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({ code, facts: { source: 'paris' } });
  });

  test.each([200, 400, 401, 403, 404, 500])('status %i is for parse', async (status) => {
    network.use(mock.get(`${BASE}/x`, () => HttpResponse.json({ status }, { status })));
    const { http, clock } = client();
    await using _ = http;
    expect(await http.read(GET, textOf, callFor(clock))).toBe(`${status} {"status":${status}}`);
  });

  test('a redirect is followed on its origin only', async () => {
    network.use(
      mock.get(`${BASE}/x`, () => HttpResponse.json({}, { status: 302, headers: { location: '/api/y' } })),
      mock.get(`${BASE}/y`, () => HttpResponse.json({ y: 1 })),
      mock.get(`${BASE}/z`, () =>
        HttpResponse.json({}, { status: 302, headers: { location: 'https://evil.example/' } }),
      ),
    );
    const { http, clock } = client();
    await using _ = http;
    expect(await http.read(GET, textOf, callFor(clock))).toBe('200 {"y":1}');
    await expect(http.read({ ...GET, path: '/z' }, textOf, callFor(clock))).rejects.toMatchObject({
      code: 'SOURCE_REJECTED',
    });
  });

  test('a network error makes the source unavailable', async () => {
    network.use(mock.get(`${BASE}/x`, () => HttpResponse.error()));
    const { http, clock } = client();
    await using _ = http;
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });
});
