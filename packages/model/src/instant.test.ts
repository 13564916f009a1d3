import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isTimeZone, toInstant } from './instant.ts';

describe('toInstant', () => {
  test('a time that is written as it will be is what the long way makes of it', () => {
    const part = (least: number, most: number, digits = 2) =>
      fc.integer({ min: least, max: most }).map((value) => String(value).padStart(digits, '0'));
    const zone = fc.oneof(fc.constant('Z'), fc.tuple(fc.constantFrom('+', '-'), part(0, 25), part(0, 61)).map(([sign, hours, minutes]) => `${sign}${hours}:${minutes}`)); // prettier-ignore
    const text = fc
      .tuple(part(0, 9_999, 4), part(0, 13), part(0, 32), part(0, 25), part(0, 61), part(0, 61), zone)
      .map(([year, month, day, hour, minute, second, offset]) => `${year}-${month}-${day}T${hour}:${minute}:${second}${offset}`); // prettier-ignore
    fc.assert(
      // With a space around it nothing is taken for finished.
      fc.property(text, (raw) => {
        expect(toInstant(raw, 'Asia/Tokyo')).toBe(toInstant(` ${raw}`, 'Asia/Tokyo'));
      }),
      { seed: 31, numRuns: 3_000 },
    );
  });

  test.each([
    ['2026-08-16T13:47:06.995000+00:00', '2026-08-16T13:47:06.995000+00:00'],
    ['2026-08-16T13:47:06Z', '2026-08-16T13:47:06Z'],
    ['2026-08-16t13:47:06z', '2026-08-16T13:47:06Z'],
    ['2026-08-16 13:47Z', '2026-08-16T13:47:00Z'],
    ['2026-08-16T13:47:06-0600', '2026-08-16T13:47:06-06:00'],
    ['2026-08-16T13:47:06+02', '2026-08-16T13:47:06+02:00'],
    ['2026-08-16T13:47:06,5 +0200', '2026-08-16T13:47:06.5+02:00'],
    [' 2026-08-16T13:47:06Z\n', '2026-08-16T13:47:06Z'],
  ])('the zoned time %s keeps its digits and offset', (raw, instant) => {
    expect(toInstant(raw, 'Asia/Tokyo')).toBe(instant);
  });

  test.each([
    ['2026-01-15T12:00:00', 'Europe/Paris', '2026-01-15T12:00:00+01:00'],
    ['2026-07-15 12:00:00.250', 'Europe/Paris', '2026-07-15T12:00:00.250+02:00'],
    ['2026-07-15', 'Europe/Stockholm', '2026-07-15T00:00:00+02:00'],
    ['2026-07-15', 'America/Mexico_City', '2026-07-15T00:00:00-06:00'],
    ['2019-07-15', 'America/Mexico_City', '2019-07-15T00:00:00-05:00'],
    ['2026-07-15T12:00:00', 'Asia/Kathmandu', '2026-07-15T12:00:00+05:45'],
    ['2026-07-15T12:00:00', 'UTC', '2026-07-15T12:00:00+00:00'],
    ['19.12.2019', 'Europe/Berlin', '2019-12-19T00:00:00+01:00'],
    ['9.2.2019 7:05', 'Europe/Berlin', '2019-02-09T07:05:00+01:00'],
    ['jeu, 19/12/2019 - 03:00', 'Europe/Paris', '2019-12-19T03:00:00+01:00'],
    ['19/12/2019', 'Europe/Paris', '2019-12-19T00:00:00+01:00'],
    ['12/19/2019 08:30', 'America/New_York', '2019-12-19T08:30:00-05:00'],
    ['05/05/2020 - 10:00', 'Europe/Paris', '2020-05-05T10:00:00+02:00'],
    ['ven, 03/04/2020 - 10:00', 'Europe/Paris', '2020-04-03T10:00:00+02:00'],
    ['2105-06-01T00:00:00', 'Europe/Paris', '2105-06-01T00:00:00+02:00'],
    ['1900-01-01', 'Europe/Paris', '1900-01-01T00:00:00+00:09'],
    ['0001-01-01', 'UTC', '0001-01-01T00:00:00+00:00'],
  ])('the naive time %s in %s is %s', (raw, zone, instant) => {
    expect(toInstant(raw, zone)).toBe(instant);
  });

  test.each([
    ['the gap of Stockholm', '2026-03-29T02:30:00', 'Europe/Stockholm', '2026-03-29T02:30:00+01:00'],
    ['the first instant of the gap', '2026-03-29T02:00:00', 'Europe/Stockholm', '2026-03-29T02:00:00+01:00'],
    ['the first instant after the gap', '2026-03-29T03:00:00', 'Europe/Stockholm', '2026-03-29T03:00:00+02:00'],
    ['the last second before the gap', '2026-03-29T01:59:59', 'Europe/Stockholm', '2026-03-29T01:59:59+01:00'],
    ['the fold of Paris', '2026-10-25T02:30:00', 'Europe/Paris', '2026-10-25T02:30:00+02:00'],
    ['the first instant of the fold', '2026-10-25T02:00:00', 'Europe/Paris', '2026-10-25T02:00:00+02:00'],
    ['the first instant after the fold', '2026-10-25T03:00:00', 'Europe/Paris', '2026-10-25T03:00:00+01:00'],
    ['half an hour folded', '2026-04-05T01:45:00', 'Australia/Lord_Howe', '2026-04-05T01:45:00+11:00'],
    ['a day that was skipped', '2011-12-30T12:00:00', 'Pacific/Apia', '2011-12-30T12:00:00-10:00'],
  ])('%s is resolved as Temporal resolves it by default', (_what, raw, zone, instant) => {
    expect(toInstant(raw, zone)).toBe(instant);
  });

  test.each([
    ['1576724400', '2019-12-19T03:00:00Z'],
    ['1576724400.5', '2019-12-19T03:00:00.5Z'],
    ['1576724400123', '2019-12-19T03:00:00.123Z'],
  ])('the epoch number %s is %s', (raw, instant) => {
    expect(toInstant(raw, 'Europe/Paris')).toBe(instant);
  });

  test.each([
    '',
    'yesterday',
    '2019',
    '2019-12',
    '03/04/2020',
    'ven, 19/12/2019 - 03:00',
    'xyz, 19/12/2019 - 03:00',
    '31/31/2019',
    '2021-02-29',
    '2021-02-30T00:00:00Z',
    '30.02.2021',
    '2021-13-01',
    '2021-00-01',
    '2021-01-00',
    '2021-01-01T24:00:00Z',
    '2021-01-01T23:60:00Z',
    '2021-01-01T23:59:60Z',
    '2021-01-01T00:00:00+24:00',
    '2021-01-01T00:00:00+01:60',
    '2021-01-01T00:00:00 Europe/Paris',
    '12345',
    '157672440012',
    '-1576724400',
    `2021-01-01T00:00:00.${'1'.repeat(100)}Z`,
  ])('%j is no instant', (raw) => {
    expect(toInstant(raw, 'Europe/Paris')).toBeNull();
  });

  test('a leap day is a day', () => {
    expect(toInstant('2024-02-29', 'UTC')).toBe('2024-02-29T00:00:00+00:00');
  });

  test('naive time in an unknown zone is no instant, zoned time is', () => {
    expect(toInstant('2021-01-01T00:00:00', 'Europe/Bordeaux')).toBeNull();
    expect(toInstant('2021-01-01T00:00:00Z', 'Europe/Bordeaux')).toBe('2021-01-01T00:00:00Z');
  });

  test('a naive time shows its own digits on a clock of its zone, or falls into a gap of at most a day', () => {
    const zones = ['Europe/Paris', 'Europe/London', 'America/Mexico_City', 'Australia/Lord_Howe', 'Africa/Casablanca'];
    const clock = (zone: string) =>
      new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
    const clocks = new Map(zones.map((zone) => [zone, clock(zone)]));
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.integer({ min: Date.UTC(1970, 0, 1) / 60_000, max: Date.UTC(2037, 0, 1) / 60_000 }),
        (zone, minutes) => {
          const wall = new Date(minutes * 60_000).toISOString().slice(0, 19);
          const instant = toInstant(wall, zone) ?? '';
          expect(instant.slice(0, 19)).toBe(wall);
          const shown = clocks.get(zone)!.format(Date.parse(instant)).replace(' ', 'T');
          const ahead = Date.parse(`${shown}Z`) - Date.parse(`${wall}Z`);
          expect(ahead).toBeGreaterThanOrEqual(0);
          expect(ahead).toBeLessThanOrEqual(3_600_000);
          // Where the digits are shown again an hour or half an hour before, the earlier instant had to be taken.
          for (const earlier of [30, 60]) {
            const before = clocks.get(zone)!.format(Date.parse(instant) - earlier * 60_000);
            expect(before.replace(' ', 'T')).not.toBe(wall);
          }
        },
      ),
      { seed: 7, numRuns: 3_000 },
    );
  });

  test('what it gives it gives again', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }), (date) => {
        const instant = toInstant(date.toISOString().slice(0, 23), 'Europe/Paris') ?? '';
        expect(toInstant(instant, 'Asia/Tokyo')).toBe(instant);
      }),
      { seed: 8, numRuns: 300 },
    );
  });
});

describe('isTimeZone', () => {
  test.each(['Europe/Paris', 'UTC', 'America/Mexico_City', 'Etc/GMT+5'])('%s is a zone', (name) => {
    expect(isTimeZone(name)).toBe(true);
  });
  test.each(['', 'Europe/Bordeaux', '+01:00', 'Europe/Paris ', '../etc/passwd', 'a'.repeat(100)])(
    '%j is none',
    (name) => {
      expect(isTimeZone(name)).toBe(false);
    },
  );
});
