import { describe, expect, test } from 'vitest';
import { createInstantTruncation, instantText, truncateDate } from './aggregate-time.ts';
import type { TimeUnit } from './aggregate-time.ts';

const start = (text: string, every: TimeUnit, zone = 'UTC'): string | undefined =>
  createInstantTruncation(every, zone)(text)?.text;

describe('a date', () => {
  test.each<[string, TimeUnit, string | null]>([
    ['2026-08-19', 'DAY', '2026-08-19'],
    ['2026-08-19', 'WEEK', '2026-08-17'],
    ['2026-08-17', 'WEEK', '2026-08-17'],
    ['2026-08-16', 'WEEK', '2026-08-10'],
    ['2021-01-03', 'WEEK', '2020-12-28'],
    ['1969-12-31', 'WEEK', '1969-12-29'],
    ['2026-08-19', 'MONTH', '2026-08-01'],
    ['2026-08-19', 'QUARTER', '2026-07-01'],
    ['2026-12-31', 'QUARTER', '2026-10-01'],
    ['2026-08-19', 'YEAR', '2026-01-01'],
    ['2026-08', 'QUARTER', '2026-07-01'],
    ['2026', 'MONTH', '2026-01-01'],
    ['0050-05-05', 'YEAR', '0050-01-01'],
    ['0000-01-01', 'WEEK', null],
    ['2024-02-29', 'DAY', '2024-02-29'],
    ['2023-02-29', 'DAY', null],
    ['2023-02-29', 'YEAR', null],
    ['soon', 'YEAR', null],
    ['2026-08-19T00:00:00Z', 'YEAR', null],
  ])('%s by %s is %s', (text, every, expected) => {
    expect(truncateDate(text, every)).toBe(expected);
  });
});

describe('an instant', () => {
  test.each<[string, string, TimeUnit, string | undefined, string]>([
    ['in UTC', '2026-08-19T13:47:06.995Z', 'HOUR', '2026-08-19T13:00:00Z', 'UTC'],
    ['with an offset of its own', '2026-08-19T00:30:00+02:00', 'DAY', '2026-08-18T00:00:00Z', 'UTC'],
    ['before 1970', '1969-12-31T23:59:59.999Z', 'HOUR', '1969-12-31T23:00:00Z', 'UTC'],
    ['by the days of its city', '2026-08-18T22:30:00Z', 'DAY', '2026-08-19T00:00:00+02:00', 'Europe/Paris'],
    ['by the weeks of its city', '2026-08-16T22:30:00Z', 'WEEK', '2026-08-17T00:00:00+02:00', 'Europe/Paris'],
    ['by the years of its city', '2025-12-31T23:30:00Z', 'YEAR', '2026-01-01T00:00:00+01:00', 'Europe/Paris'],
    [
      'by quarters across the change of clocks',
      '2026-08-01T00:00:00Z',
      'QUARTER',
      '2026-07-01T00:00:00+02:00',
      'Europe/Paris',
    ],
    [
      'in the winter part of a summer quarter',
      '2026-03-30T12:00:00Z',
      'QUARTER',
      '2026-01-01T00:00:00+01:00',
      'Europe/Paris',
    ],
    ['in a zone of quarter hours', '2026-08-19T13:20:00Z', 'HOUR', '2026-08-19T19:00:00+05:45', 'Asia/Kathmandu'],
    ['on the day of 23 hours', '2026-03-29T21:59:00Z', 'DAY', '2026-03-29T00:00:00+01:00', 'Europe/Paris'],
    ['after the day of 23 hours', '2026-03-29T22:00:00Z', 'DAY', '2026-03-30T00:00:00+02:00', 'Europe/Paris'],
    ['in the last of 25 hours', '2026-10-25T22:59:00Z', 'DAY', '2026-10-25T00:00:00+02:00', 'Europe/Paris'],
    [
      'in the first hour that is shown twice',
      '2026-10-25T00:30:00Z',
      'HOUR',
      '2026-10-25T02:00:00+02:00',
      'Europe/Paris',
    ],
    [
      'in the second hour that is shown twice',
      '2026-10-25T01:30:00Z',
      'HOUR',
      '2026-10-25T02:00:00+01:00',
      'Europe/Paris',
    ],
    [
      'after clocks went on by half an hour',
      '2026-10-03T15:45:00Z',
      'HOUR',
      '2026-10-04T02:30:00+11:00',
      'Australia/Lord_Howe',
    ],
    [
      'after clocks went back by half an hour',
      '2026-04-04T15:15:00Z',
      'HOUR',
      '2026-04-05T01:30:00+10:30',
      'Australia/Lord_Howe',
    ],
    ['on a day without a midnight', '2026-03-08T12:00:00Z', 'DAY', '2026-03-08T01:00:00-04:00', 'America/Havana'],
    ['on a day with two midnights', '2026-11-01T05:30:00Z', 'DAY', '2026-11-01T00:00:00-04:00', 'America/Havana'],
    ['after a day that was left out', '2011-12-30T10:30:00Z', 'DAY', '2011-12-31T00:00:00+14:00', 'Pacific/Apia'],
    [
      'where the midnight was left out before it came',
      '1919-03-31T12:00:00Z',
      'DAY',
      '1919-03-31T00:30:00-04:00',
      'America/Toronto',
    ],
    ['in a time before the railways', '1880-06-01T12:30:00Z', 'HOUR', '1880-06-01T11:50:39Z', 'Europe/Paris'],
    ['before the first year', '0000-01-01T00:30:00+01:00', 'YEAR', undefined, 'UTC'],
    ['that is none', 'tomorrow', 'DAY', undefined, 'UTC'],
    ['in a name of UTC', '2026-08-19T13:47:06Z', 'DAY', '2026-08-19T00:00:00Z', 'Etc/UTC'],
  ])('%s', (_title, text, every, expected, zone) => {
    expect(start(text, every, zone)).toBe(expected);
  });

  test('of one unit has the same start whenever it is asked', () => {
    const truncate = createInstantTruncation('DAY', 'America/Havana');
    const texts = Array.from({ length: 24 }, (_, hour) => `2026-03-08T${String(hour).padStart(2, '0')}:30:00-04:00`);
    const starts = texts.slice(1).map((text) => truncate(text)?.text);
    expect(new Set(starts)).toEqual(new Set(['2026-03-08T01:00:00-04:00']));
  });

  test.each([
    [{ ms: 0, beyond: 0 }, '1970-01-01T00:00:00Z'],
    [{ ms: 500, beyond: 0 }, '1970-01-01T00:00:00.5Z'],
    [{ ms: 0, beyond: 1 }, '1970-01-01T00:00:00.000000000001Z'],
    [{ ms: -1, beyond: 120_000_000 }, '1969-12-31T23:59:59.99912Z'],
  ])('%o is spelled %s', (instant, expected) => {
    expect(instantText(instant)).toBe(expected);
  });
});
