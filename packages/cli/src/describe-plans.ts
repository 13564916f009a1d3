import type { ExplainedPart } from './world.ts';

const STRATEGIES: Readonly<Record<string, string>> = {
  WINDOW: 'the portal filtered, ordered and cut the page',
  ORDERED_STREAM: 'the portal filtered and ordered; the hub read its order up to the page',
  SCAN: 'the hub read the candidates, and filtered, ordered and cut what was left to it',
  SOURCE_AGGREGATE: 'the portal made the groups; the hub held them against its records',
  HUB_AGGREGATE: 'the hub made the groups of every record it read',
};

const count = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString('en-US')} ${number === 1 ? one : many}`;
const show = (value: unknown): string => (value === null || value === undefined ? 'nothing' : JSON.stringify(value));

/** How each part of an answer came about, for people. */
export function describePlans(parts: readonly ExplainedPart[], colours: boolean): readonly string[] {
  const bold = (text: string): string => (colours ? `\u001B[1m${text}\u001B[22m` : text);
  if (parts.length === 0)
    return ['This question reads no records: there is nothing to plan. Catalogs are read as they are.'];
  return parts.flatMap(({ path, dataset, plan, source }, index) => {
    const { strategy, pushed, residual, notPushed, requests, pages, scannedRecords, portalQuery } = plan;
    const label = (name: string, text: string): string => `  ${name.padEnd(12)}${text}`;
    return [
      ...(index === 0 ? [] : ['']),
      bold(`${dataset}  (${path})`),
      label('source', source.error === null ? `${source.catalog} ${source.status}` : `${source.catalog} ${source.status}: ${source.error.code} ${source.error.message}`), // prettier-ignore
      label('strategy', strategy === null ? 'none: the source failed' : `${strategy}: ${STRATEGIES[strategy] ?? ''}`),
      label('pushed', show(pushed)),
      label('left to hub', show(residual)),
      ...notPushed.map(({ part, reason, text }) => label('  because', `${reason} ${show(part)}: ${text}`)),
      label(
        'portal',
        `${count(requests, 'request')}, ${count(pages, 'page')}, ${count(scannedRecords, 'record')} read`,
      ),
      ...(portalQuery === null ? [label('  asked', 'not shown')] : portalQuery.map((text) => label('  asked', text))),
    ];
  });
}
