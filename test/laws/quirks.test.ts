import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { QuirkReport } from './support/quirks.ts';
import { QUIRKS, renderQuirks, tryQuirk } from './support/quirks.ts';
import type { Kind } from './support/law-world.ts';

const TABLE = path.join(import.meta.dirname, 'QUIRKS.md');
const KINDS: readonly Kind[] = ['opendatasoft', 'ckan'];
const CASES = 150;
const SEED = 17;

/** What the adapters never ask about: negations are spelled without NOT, numbers beyond 2^53 are not pushed. */
const NEVER_ASKED = ['negates with three truth values', 'compares whole numbers as doubles'];

const reports = new Map<string, QuirkReport>();

describe.each(KINDS)('a %s portal that', (kind) => {
  test.each(QUIRKS)('$title gives no wrong answer', async ({ title, quirks }) => {
    const report = await tryQuirk(kind, quirks, CASES, SEED);
    reports.set(`${kind} ${title}`, report);
    expect(report.wrong).toEqual([]);
  });
});

test('every quirk bends answers of at least one kind of portal, and the table tells what became of each', ({
  task,
}) => {
  const missing = QUIRKS.filter(({ title }) =>
    KINDS.every((kind) => (reports.get(`${kind} ${title}`)?.bent ?? 0) === 0),
  );
  expect(missing.map(({ title }) => title)).toEqual(NEVER_ASKED);
  const text = renderQuirks((kind, title) => reports.get(`${kind} ${title}`) ?? null);
  if (process.env['CIVEX_WRITE_TABLES'] === '1') writeFileSync(TABLE, text);
  // The formatter aligns the table.
  const plain = (markdown: string): string => markdown.replaceAll(/[\s-]+/g, ' ');
  expect(plain(readFileSync(TABLE, 'utf8'))).toBe(plain(text));
  const right = QUIRKS.filter(({ title }) =>
    KINDS.every((kind) => reports.get(`${kind} ${title}`)?.wrong.length === 0),
  ).length;
  task.meta.figures = [
    {
      point: 6,
      what: `quirks of portals that are caught or never relied on, with both adapters (${CASES} questions each)`,
      value: right,
      target: String(QUIRKS.length),
      isMet: right === QUIRKS.length && right >= 17,
    },
  ];
});
