import { describe, expect, test } from 'vitest';
import { checkCentralLaw } from './central-law.ts';
import type { Kind } from './law-world.ts';

const CASES = 20_000;
const SEED = 20_261_123;
/** Cases of each class of difficulty, at least. */
const OFTEN = 100;
/** Of tables that cost a hundred times as much. */
const SELDOM = 5;

/** Every limit the questions straddle; a generator that loses one fails. */
const CLASSES: readonly string[] = [
  'pages',
  'stream',
  'aggregate',
  'continued stream',
  'sorted',
  'sorted nulls',
  'no match',
  'beyond a page cap',
  'beyond a window',
  'and',
  'or',
  'not',
  'null',
  'single quote',
  'double quote',
  'per cent sign',
  'underscore',
  'backslash',
  'control character',
  'NFC',
  'NFD',
  'empty text',
  'blank at an end',
  'above U+FFFF',
  'text around 50 characters',
  'text around 250 characters',
  'around 2^53',
  'hour of a clock change',
  ...['eq', 'ne', 'lt', 'lte', 'gt', 'gte', 'in', 'between', 'like', 'isNull'].map((op) => `operator ${op}`),
];

/** `ownClasses`: limits only this kind of portal has. */
export function describeCentralLaw(kind: Kind, ownClasses: readonly string[]): void {
  describe(`the central law, ${kind}`, () => {
    test(
      'pushdown changes the cost of a question and never its answer, around every known limit',
      { timeout: 300_000 },
      async ({ task }) => {
        const { cases, classes } = await checkCentralLaw(kind, CASES, SEED);
        const all = [...CLASSES, ...ownClasses];
        const least = (name: string): number => (name.includes('10,000') ? SELDOM : OFTEN);
        const missed = all.filter((name) => (classes.get(name) ?? 0) < least(name));
        expect(missed.map((name) => `${name}: ${classes.get(name) ?? 0}`)).toEqual([]);
        task.meta.figures = [
          {
            point: 6,
            what: `${kind}: seeded questions whose answer is the same pushed, not pushed and from the portal's own data (pages, totals, streams, aggregates)`,
            value: cases,
            target: '20000',
            isMet: cases >= 20_000,
          },
          {
            point: 6,
            what: `${kind}: classes of known limits each straddled ${OFTEN} times (the window of 10,000: ${SELDOM} times)`,
            value: all.length - missed.length,
            target: String(all.length),
            isMet: missed.length === 0,
          },
        ];
      },
    );
  });
}
