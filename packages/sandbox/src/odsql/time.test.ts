import { describe, expect, test } from 'vitest';
import { adjustNow, formatDate, parseDateLiteral, renderDatetime } from './time.ts';

const NOW = Date.parse('2021-05-06T12:34:55.450Z');
const at = (parameters: Record<string, number>): string =>
  new Date(adjustNow(NOW, new Map(Object.entries(parameters)))).toISOString();

describe('time', () => {
  test.each<[Record<string, number>, string]>([
    [{}, '2021-05-06T12:34:55.450Z'],
    [{ year: 2000 }, '2000-05-06T12:34:55.450Z'],
    [{ years: -1 }, '2020-05-06T12:34:55.450Z'],
    [{ year: 2001, months: -1 }, '2001-04-06T12:34:55.450Z'],
    [{ day: 31, month: 2 }, '2021-02-28T12:34:55.450Z'],
    [{ weekday: 0 }, '2021-05-10T12:34:55.450Z'],
    [{ mondays: 1 }, '2021-05-10T12:34:55.450Z'],
    [{ mondays: -1 }, '2021-05-03T12:34:55.450Z'],
    [{ hours: -13 }, '2021-05-05T23:34:55.450Z'],
  ])('now(%o) follows the reference', (parameters, expected) => {
    expect(at(parameters)).toBe(expected);
  });

  test.each([
    ['dd/MM/YYYY', '20/11/2007'],
    ["'The date is 'dd/MM/YYYY", 'The date is 20/11/2007'],
    ["'The date is '''dd/MM/YYYY''", "The date is '20/11/2007'"],
    ['EEEE', 'mardi'],
    ['H:HH:m:mm:ss', '1:01:23:23:45'],
    ['yy-M-d', '07-11-20'],
    ['xxxx-ww-e', '2007-47-2'],
    ['DDD', '324'],
  ])('date_format writes %s as the reference does', (format, expected) => {
    expect(formatDate(Date.parse('2007-11-20T01:23:45Z'), format, 'UTC', 'fr')).toBe(expected);
  });

  test.each([
    ['2026-06-27T04:00:00+00:00', 'UTC', '2026-06-27T04:00:00+00:00'],
    ['2026-06-27T04:00:00+00:00', 'Europe/London', '2026-06-27T05:00:00+01:00'],
    ['2026-01-27T04:00:00.482000+00:00', 'Europe/Stockholm', '2026-01-27T05:00:00.482000+01:00'],
    ['2026-01-27T04:00:00+00:00', 'America/Mexico_City', '2026-01-26T22:00:00-06:00'],
  ])('%s in %s is %s', (stored, zone, expected) => {
    expect(renderDatetime(stored, zone)).toBe(expected);
  });

  test('a date literal without an offset is in the zone of the request', () => {
    expect(parseDateLiteral('2020-07-01', 'UTC')).toBe(Date.parse('2020-07-01T00:00Z'));
    expect(parseDateLiteral('2020-07-01', 'Europe/Paris')).toBe(Date.parse('2020-06-30T22:00Z'));
    expect(parseDateLiteral('2020-07-01T10:00Z', 'Europe/Paris')).toBe(Date.parse('2020-07-01T10:00Z'));
  });
});
