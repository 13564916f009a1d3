import { createCallTrace } from '@civex/adapter-contract';
import { HubError } from '@civex/errors';
import { describe, expect, test } from 'vitest';
import { createSourceReport, describeError, toDuration } from './source-report.ts';

const trace = { ...createCallTrace(), requests: 2, maxAgeMs: 1_500, fetchedAtEpochMs: 1_772_323_200_000 };

describe('the report of a source', () => {
  test('tells what it took and how old the answer is', () => {
    expect(createSourceReport('a', trace, 12.5, null)).toEqual({
      catalog: 'a',
      status: 'OK',
      fetchedAt: '2026-03-01T00:00:00.000Z',
      age: 'PT1.5S',
      requests: 2,
      durationMs: 12.5,
      error: null,
    });
  });

  test('says STALE when an old answer stands in', () => {
    expect(createSourceReport('a', { ...trace, stale: true }, 1, null).status).toBe('STALE');
  });

  test('says FAILED with the code and the hub’s words, and claims no age', () => {
    const error = new HubError(
      'SOURCE_OVERLOADED',
      'Too many requests.',
      { source: 'a', retryAfterMs: 2_000 },
      new Error('portal text'),
    );
    const report = createSourceReport('a', { ...trace, stale: true }, 1, { error });
    expect(report).toMatchObject({ status: 'FAILED', fetchedAt: null, age: null, requests: 2 });
    expect(report.error).toEqual({ code: 'SOURCE_OVERLOADED', message: 'Too many requests.', retryAfterMs: 2_000 });
    expect(JSON.stringify(report)).not.toContain('portal text');
  });

  test('has no time for an answer that was not fetched', () => {
    expect(createSourceReport('a', createCallTrace(), 0, null)).toMatchObject({
      fetchedAt: null,
      age: null,
      requests: 0,
    });
  });

  test('gives no word of an error that is not the hub’s own, whatever it looks like', () => {
    const alike = Object.assign(new Error('portal text'), {
      name: 'HubError',
      code: 'SOURCE_TIMEOUT',
      facts: { source: 'a' },
    });
    for (const error of [
      alike,
      { name: 'HubError', message: 'portal text', code: 'SOURCE_TIMEOUT', facts: {} },
      'portal text',
      undefined,
    ])
      expect(describeError(error)).toEqual({ code: 'INTERNAL', message: 'Internal error.', retryAfterMs: null });
  });
});

test.each([
  [0, 'PT0S'],
  [1, 'PT0.001S'],
  [1_234.4, 'PT1.234S'],
  [60_000, 'PT60S'],
  [-5, 'PT0S'],
])('%d milliseconds are %s', (ms, text) => {
  expect(toDuration(ms)).toBe(text);
});
