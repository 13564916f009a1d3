import type { PortalQuirks } from './portal.ts';
import { foldText } from './text-search.ts';

/** The entries of one page, or of an export with no bound, as a portal with these quirks cuts them. */
export function cutPage<T>(rows: readonly T[], offset: number, limit: number, quirks: PortalQuirks): readonly T[] {
  const start = quirks.startsLate === true && offset > 0 ? offset + 1 : offset;
  const page = rows.slice(start, start + limit + (quirks.exceedsLimit === true ? 1 : 0));
  if (quirks.losesLastRow === true && page.length > 1) page.pop();
  const [first] = page;
  if (quirks.repeatsRows === true && page.length > 1 && first !== undefined) page[1] = first;
  return page;
}

/** The number of matches a portal with these quirks states. */
export function stateTotal(total: number, quirks: PortalQuirks): number {
  const stated = quirks.estimatesTotal === true ? Math.ceil(total / 10) * 10 : total;
  return Math.max(0, stated + (quirks.wrongTotal ?? 0));
}

/** What a text is compared as; null when texts are compared as they are. */
export function textQuirk(quirks: PortalQuirks): ((text: string) => string) | null {
  const steps: ((text: string) => string)[] = [];
  if (quirks.compares50Characters === true) steps.push((text) => text.slice(0, 50));
  if (quirks.foldsCase === true) steps.push((text) => text.toLowerCase());
  if (quirks.foldsAccents === true) steps.push(foldText);
  if (quirks.normalisesTexts === true) steps.push((text) => text.normalize('NFC'));
  if (quirks.trimsTexts === true) steps.push((text) => text.trim());
  return steps.length === 0 ? null : (text) => steps.reduce((value, step) => step(value), text);
}

const bendsRows = ({ driftsSchema, numbersAsTexts }: PortalQuirks): boolean =>
  driftsSchema === true || numbersAsTexts === true;

/** The name a column leaves under: the last one of a portal whose schema drifts has another than its catalog says. */
export const leavingName = (name: string, isLast: boolean, { driftsSchema }: PortalQuirks): string =>
  driftsSchema === true && isLast ? `${name}_2` : name;

/** A row as it leaves a portal with these quirks; the same object where they do not touch rows. */
export function bendRow(
  row: Readonly<Record<string, unknown>>,
  quirks: PortalQuirks,
): Readonly<Record<string, unknown>> {
  if (!bendsRows(quirks)) return row;
  const entries = Object.entries(row);
  return Object.fromEntries(
    entries.map(([name, value], index) => [
      leavingName(name, index === entries.length - 1, quirks),
      quirks.numbersAsTexts === true && (typeof value === 'number' || typeof value === 'bigint')
        ? String(value)
        : value,
    ]),
  );
}

/** True when the rows of an answer are not the stored ones, letter by letter. */
export const areRowsBent = bendsRows;
