import { formatTable } from './format-table.ts';
import type { SourceCapabilities } from './world.ts';

type Capability = SourceCapabilities['capabilities'][number];

function wordOf({ grade, evidence }: Capability): string {
  if (grade === 'inexact') return 'narrows';
  if (grade === 'none') return '-';
  return evidence === 'proven' ? 'exact' : evidence === 'refuted' ? 'REFUTED' : 'claimed';
}

/** Sources and types of property down, operators across. */
export function describeCapabilities(sources: readonly SourceCapabilities[]): readonly string[] {
  const operators = [...new Set(sources.flatMap(({ capabilities }) => capabilities.map(({ operator }) => operator)))];
  const rows = sources.flatMap(({ source, capabilities, error }) => {
    const types = [...new Set(capabilities.map(({ type }) => type))];
    const lines = types.map((type) => [
      source,
      type,
      ...operators.map((operator) => {
        const one = capabilities.find((each) => each.type === type && each.operator === operator);
        return one === undefined ? '' : wordOf(one);
      }),
    ]);
    if (error !== null) lines.push([source, error, ...operators.map(() => '')]);
    return lines;
  });
  return formatTable(
    ['SOURCE', 'TYPE', ...operators].map((title) => ({ title, align: 'left' as const })),
    rows,
  );
}
