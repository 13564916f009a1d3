/** A field as it stands in the file: the text without its quotes, and whether it had any. */
export interface CsvField {
  readonly text: string;
  readonly isQuoted: boolean;
}

/**
 * RFC 4180 to the letter: commas, CRLF after every record, quotes only around a whole field. Throws for anything else.
 * Shares nothing with the writer.
 */
export function readCsv(file: string): readonly (readonly CsvField[])[] {
  const rows: CsvField[][] = [];
  let at = 0;
  while (at < file.length) {
    const row: CsvField[] = [];
    for (;;) {
      if (file[at] === '"') {
        let text = '';
        for (;;) {
          const close = file.indexOf('"', at + 1);
          if (close < 0) throw new Error('a quote is not closed');
          text += file.slice(at + 1, close);
          at = close + 1;
          if (file[at] !== '"') break;
          text += '"';
        }
        row.push({ text, isQuoted: true });
      } else {
        let end = at;
        while (end < file.length && !',"\r\n'.includes(file[end] ?? '')) end++;
        row.push({ text: file.slice(at, end), isQuoted: false });
        at = end;
      }
      if (file[at] !== ',') break;
      at++;
    }
    if (file.slice(at, at + 2) !== '\r\n') throw new Error(`a record does not end in CRLF at ${at}`);
    at += 2;
    rows.push(row);
  }
  return rows;
}

const SPACE = /[\s\0-\x20\x7f-\xa0\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]/;

/** First characters after which one spreadsheet or another calculates, in whichever width they are written. */
const isTrigger = (character: string): boolean =>
  character !== '' && '=+-@'.includes(character.normalize('NFKC')[0] ?? 'x');

/** Whether a spreadsheet could calculate a cell with this text: blanks and quotes are skipped. */
export function isFormula(cell: string): boolean {
  let at = 0;
  while (at < cell.length && (SPACE.test(cell[at] ?? '') || cell[at] === '"')) at++;
  return isTrigger(cell[at] ?? '') || '\t\r\n'.includes(cell[0] ?? 'x');
}

/**
 * Takes away the declared apostrophes of a cell that is not a number: the one at its start when, behind blanks, quotes
 * and apostrophes, a formula begins, or behind apostrophes a TAB, CR or LF; and the one behind `;`, TAB, CR and LF when a
 * formula begins there.
 */
export function withoutGuards(cell: string): string {
  const beginsFormula = (from: number): boolean => {
    let at = from;
    while (at < cell.length && (SPACE.test(cell[at] ?? '') || cell[at] === "'" || cell[at] === '"')) at++;
    return isTrigger(cell[at] ?? '');
  };
  const afterApostrophes = cell.replace(/^'+/, '')[0] ?? 'x';
  let text = '';
  for (let at = 0; at < cell.length; at++) {
    const isStart = at === 0 && (beginsFormula(0) || '\t\r\n'.includes(afterApostrophes));
    const isBehind = at > 0 && ';\t\r\n'.includes(cell[at - 1] ?? 'x') && beginsFormula(at);
    if (cell[at] !== "'" || !(isStart || isBehind)) text += cell[at];
  }
  return text;
}
