export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
}

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Columns a terminal needs for a text, one per grapheme. East Asian wide characters are not counted double. */
function widthOf(text: string): number {
  return [...segmenter.segment(text)].length;
}

/** At most `width` graphemes of one line: control characters become spaces, the end of a long text an ellipsis. */
function fit(text: string, width: number): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what must not reach a terminal
  const line = text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
  const graphemes = [...segmenter.segment(line)].map(({ segment }) => segment);
  return graphemes.length <= width ? line : `${graphemes.slice(0, width - 1).join('')}…`;
}

const MAX_CELL = 44;

/**
 * Aligned lines, titles first; cells are cut after 44 characters. `paint` may add escape codes to a finished cell;
 * it is not told the padding.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  paint: (cell: string, column: number) => string = (cell) => cell,
): readonly string[] {
  const cells = rows.map((row) => columns.map((_, index) => fit(row[index] ?? '', MAX_CELL)));
  const widths = columns.map(({ title }, index) =>
    Math.max(widthOf(title), ...cells.map((row) => widthOf(row[index] ?? ''))),
  );
  const line = (row: readonly string[], dress: (cell: string, column: number) => string): string =>
    columns
      .map(({ align }, index) => {
        const cell = row[index] ?? '';
        const padding = ' '.repeat((widths[index] ?? 0) - widthOf(cell));
        return align === 'right' ? padding + dress(cell, index) : dress(cell, index) + padding;
      })
      .join('  ')
      .trimEnd();
  return [
    line(
      columns.map(({ title }) => title),
      (cell) => cell,
    ),
    ...cells.map((row) => line(row, paint)),
  ];
}
