import { HubError } from '@civex/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLogger, LOG_LEVELS, type LogFields, type Logger, type LogLevel } from './logger.ts';

function createTestLogger(level: LogLevel = 'debug') {
  const lines: string[] = [];
  const log = createLogger({ write: (line) => lines.push(line), level, now: () => Date.parse('2026-03-01T12:00:00Z') });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? 'null') as Record<string, unknown> };
}

/** As a caller does who fights the types. */
const logAnything = (log: Logger, fields: unknown) => log.info('event', fields as LogFields);

test('a line is one JSON object with time, level, event and fields', () => {
  const { log, lines } = createTestLogger();
  log.warn('source failed', { source: 'paris', durationMs: 12.5, stale: true });
  expect(lines).toEqual([
    '{"time":"2026-03-01T12:00:00.000Z","level":"warn","event":"source failed","source":"paris","durationMs":12.5,"stale":true}\n',
  ]);
});

test.each(LOG_LEVELS)('level %s leaves out what weighs less', (level) => {
  const { log, lines } = createTestLogger(level);
  for (const each of LOG_LEVELS) log[each]('event');
  expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(
    LOG_LEVELS.slice(LOG_LEVELS.indexOf(level)),
  );
});

test('bound fields are on every line and a line’s own fields win', () => {
  const { log, lines, last } = createTestLogger();
  const bound = log.with({ requestId: 'r1', source: 'paris' }).with({ operation: 'records' });
  bound.info('event', { source: 'lyon' });
  expect(last()).toMatchObject({ requestId: 'r1', source: 'lyon', operation: 'records' });
  log.info('event');
  expect(lines[1]).not.toContain('r1');
});

describe('redaction', () => {
  test('keeps out every field that is not on the list', () => {
    const { log, last } = createTestLogger();
    const fields = {
      source: 'paris',
      token: 's3cret',
      authorization: 's3cret',
      headers: { a: 's3cret' },
      __proto__: { port: 1 },
    };
    logAnything(log, fields);
    expect(Object.keys(last())).toEqual(['time', 'level', 'event', 'source']);
  });

  test('keeps out values of another type than their field’s', () => {
    const { log, last } = createTestLogger();
    logAnything(log, { source: { token: 's3cret' }, port: 's3cret', stale: 's3cret', count: Number.NaN, status: 200 });
    expect(last()).toEqual({ time: '2026-03-01T12:00:00.000Z', level: 'info', event: 'event', status: 200 });
  });

  test('keeps out what an error of others says, of its cause too', () => {
    const { log, lines, last } = createTestLogger();
    const cause = Object.assign(new TypeError('portal said s3cret'), { code: 'ECONNRESET', data: 's3cret' });
    log.error('event', { error: cause });
    expect(last()['error']).toEqual({ name: 'TypeError', code: 'ECONNRESET' });
    log.error('event', {
      error: new HubError('SOURCE_TIMEOUT', 'The source did not answer in time.', { source: 'paris' }, cause),
    });
    expect(last()['error']).toEqual({
      name: 'HubError',
      code: 'SOURCE_TIMEOUT',
      message: 'The source did not answer in time.',
      source: 'paris',
      cause: { name: 'TypeError', code: 'ECONNRESET' },
    });
    expect(lines.join('')).not.toContain('s3cret');
  });

  test.each([
    ['a text', 's3cret'],
    ['an object', { code: 'S3CRET' }],
    [
      'an error with a strange name and code',
      Object.assign(new Error('s3cret'), { name: 's3cret x', code: 's3cret x' }),
    ],
    ['null', null],
  ])('keeps out %s thrown as an error', (_name, error) => {
    const { log, lines } = createTestLogger();
    log.error('event', { error });
    expect(lines.join('')).not.toMatch(/s3cret/i);
  });

  test('cuts texts to 200 characters', () => {
    const { log, last } = createTestLogger();
    log.info('e'.repeat(300), { datasetId: 'd'.repeat(300), error: new HubError('INTERNAL', 'm'.repeat(300)) });
    expect(last()).toMatchObject({
      event: 'e'.repeat(200),
      datasetId: 'd'.repeat(200),
      error: { message: 'm'.repeat(200) },
    });
  });

  test('keeps one event on one line of bounded length, whatever the value', () => {
    const { log, lines } = createTestLogger();
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
        lines.length = 0;
        log.info(text, {
          datasetId: `${text}\n{"level":"fatal"}\r\u2028${text}`,
          error: new HubError('INTERNAL', text),
        });
        expect(lines).toHaveLength(1);
        expect(lines[0]?.slice(0, -1)).not.toMatch(/[\n\r]/);
        expect(lines[0]?.length).toBeLessThan(5_000);
        expect((JSON.parse(lines[0] ?? '') as { level: string }).level).toBe('info');
      }),
      { seed: 1, numRuns: 50 },
    );
  });
});
