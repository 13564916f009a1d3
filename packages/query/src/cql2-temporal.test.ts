import type { Queryable } from '@civex/model';
import { describe, expect, test } from 'vitest';
import { parseCql2Json } from './cql2-json.ts';
import { parseCql2Text } from './cql2-text.ts';
import { evaluateFilter } from './evaluate.ts';

const queryables = ['from', 'to'].map((name): Queryable => ({ name, type: 'DATE', titles: {}, descriptions: {}, unit: null })); // prettier-ignore

/** Days 1 to 5, and beyond them. */
const DAYS = [1, 2, 3, 4, 5];
const dayText = (day: number): string => (Number.isFinite(day) ? `2026-01-0${day}` : '..');

type Span = readonly [start: number, end: number];
/** Allen's relations and OGC's own, as they are defined on spans; written without looking at the code under test. */
const RELATIONS: Readonly<Record<string, (a: Span, b: Span) => boolean>> = {
  T_AFTER: ([start], [, end]) => start > end,
  T_BEFORE: ([, end], [start]) => end < start,
  T_CONTAINS: ([a, b], [c, d]) => a < c && b > d,
  T_DISJOINT: ([a, b], [c, d]) => b < c || a > d,
  T_DURING: ([a, b], [c, d]) => c < a && b < d,
  T_EQUALS: ([a, b], [c, d]) => a === c && b === d,
  T_FINISHEDBY: ([a, b], [c, d]) => a < c && b === d,
  T_FINISHES: ([a, b], [c, d]) => c < a && b === d,
  T_INTERSECTS: ([a, b], [c, d]) => !(b < c || a > d),
  T_MEETS: ([, b], [c]) => b === c,
  T_METBY: ([a], [, d]) => a === d,
  T_OVERLAPPEDBY: ([a, b], [c, d]) => c < a && a < d && d < b,
  T_OVERLAPS: ([a, b], [c, d]) => a < c && c < b && b < d,
  T_STARTEDBY: ([a, b], [c, d]) => a === c && d < b,
  T_STARTS: ([a, b], [c, d]) => a === c && b < d,
};

const spans = (ends: readonly number[]): readonly Span[] =>
  ends.flatMap((start) => ends.filter((end) => end >= start).map((end): Span => [start, end]));
const FINITE = spans(DAYS);
const OPEN: readonly Span[] = [...FINITE, ...DAYS.flatMap((day): Span[] => [[-Infinity, day], [day, Infinity]])]; // prettier-ignore

const truthOf = (text: string, json: unknown, [from, to]: readonly [string | null, string | null]): boolean | null => {
  const filter = parseCql2Text(text, queryables);
  expect(parseCql2Json(json, queryables)).toEqual(filter);
  return evaluateFilter(filter, { id: '1', values: { from, to } });
};

describe('a temporal predicate', () => {
  const cases = Object.entries(RELATIONS);

  test.each(cases)('%s of two properties and a span is what it is of two spans, on either side', (name, holds) => {
    for (const given of OPEN) {
      const [start, end] = given.map(dayText);
      const literal = { interval: [start, end] };
      const own = { interval: [{ property: 'from' }, { property: 'to' }] };
      const ways = [
        { text: `${name}(INTERVAL("from", "to"), INTERVAL('${start}', '${end}'))`, args: [own, literal], isLeft: true },
        {
          text: `${name}(INTERVAL('${start}', '${end}'), INTERVAL("from", "to"))`,
          args: [literal, own],
          isLeft: false,
        },
      ];
      for (const { text, args, isLeft } of ways) {
        const truths = FINITE.map((span) => (isLeft ? holds(span, given) : holds(given, span)));
        const read = () => truthOf(text, { op: name.toLowerCase(), args }, [dayText(1), dayText(1)]);
        if (!given.every(Number.isFinite) && new Set(truths).size === 1) {
          // With an open end some say the same of every record: refused, or else right.
          try {
            read();
          } catch (error) {
            expect(error).toMatchObject({ code: 'INPUT_INVALID', message: expect.stringContaining('says the same of every record') as string }); // prettier-ignore
            continue;
          }
        }
        const filter = parseCql2Text(text, queryables);
        expect(read()).toBeTypeOf('boolean');
        for (const [index, [from, to]] of FINITE.entries())
          expect(
            evaluateFilter(filter, { id: '1', values: { from: dayText(from), to: dayText(to) } }),
            `${text} of ${from} to ${to}`,
          ).toBe(truths[index]);
      }
    }
  });

  test.each(['T_AFTER', 'T_BEFORE', 'T_DISJOINT', 'T_EQUALS', 'T_INTERSECTS'])(
    '%s of an instant is what it is of a span of that instant alone',
    (name) => {
      for (const day of DAYS)
        for (const given of FINITE) {
          const [start, end] = given.map(dayText);
          const text = `${name}("from", INTERVAL('${start}', '${end}'))`;
          const json = { op: name.toLowerCase(), args: [{ property: 'from' }, { interval: [start, end] }] };
          expect(truthOf(text, json, [dayText(day), null])).toBe(RELATIONS[name]?.([day, day], given));
          if (given[0] !== given[1]) continue;
          const instant = `${name}("from", DATE('${start}'))`;
          const asJson = { op: name.toLowerCase(), args: [{ property: 'from' }, { date: start }] };
          expect(truthOf(instant, asJson, [dayText(day), null])).toBe(RELATIONS[name]?.([day, day], given));
        }
    },
  );

  test.each(cases)('%s is not true, nor its negation, where an end that decides is null', (name, holds) => {
    for (const given of FINITE) {
      const [start, end] = given.map(dayText);
      const filter = parseCql2Text(`${name}(INTERVAL("from", "to"), INTERVAL('${start}', '${end}'))`, queryables);
      for (const [from, to] of FINITE)
        for (const values of [
          { from: null, to: dayText(to) },
          { from: dayText(from), to: null },
        ]) {
          const truth = evaluateFilter(filter, { id: '1', values });
          // Known only when it is the same whatever the missing end is.
          const possible = FINITE.filter((span) => (values.from === null ? span[1] === to : span[0] === from)).map((span) => holds(span, given)); // prettier-ignore
          if (truth !== null) expect(new Set(possible)).toEqual(new Set([truth]));
        }
    }
  });
});
