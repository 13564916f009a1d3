/**
 * Text as the vocabulary tables compare it: accents, case, punctuation, soft hyphens and the width of spaces do not
 * count. Words are separated by one space. `+` and `.` inside a number stay ("2.0").
 */
export function foldText(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/[\p{Mn}\u00AD\u200B-\u200D\uFEFF]/gu, '')
    .toLowerCase()
    .replaceAll('ß', 'ss')
    .replaceAll('æ', 'ae')
    .replaceAll('œ', 'oe')
    .replaceAll('ø', 'o')
    .replaceAll(/(?<!\d)\.|\.(?!\d)|[^\p{L}\p{Nd}.]+/gu, ' ')
    .trim()
    .replaceAll(/ +/g, ' ');
}

/** Entries of a table written several to a line, between ` | `. */
export function splitEntries(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => line.split(' | '));
}
