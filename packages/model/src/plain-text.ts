import { Tokenizer } from 'htmlparser2';
import { splitEntries } from './fold-text.ts';

/** Elements whose content is not text for a reader. */
const DROPPED: ReadonlySet<string> = new Set(['script', 'style', 'template', 'title', 'iframe', 'noembed', 'noframes']);

/** Elements that start and end a line. */
const BLOCKS: ReadonlySet<string> = new Set(
  splitEntries([
    'address | article | aside | blockquote | body | caption | center | dd | details | dialog | div | dl',
    'dt | fieldset | figcaption | figure | footer | form | h1 | h2 | h3 | h4 | h5 | h6 | header | hr',
    'legend | li | main | menu | nav | ol | p | pre | section | summary | table | tbody | tfoot | thead',
    'tr | ul',
  ]),
);

const ENTITY = /&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z][a-z\d]{1,31});/i;
const TAG = /<\/?[a-z][^<>]*>|<!--|<!doctype|<\?[a-z]/i;
/** Portals escape twice at most in what was captured; one more pass costs nothing. */
const PASSES = 3;
/** Characters of one text that are read. A portal's description beyond it is cut: nobody reads it to the end. */
const LONGEST = 1_000_000;

function tidy(text: string): string {
  return (
    text
      .toWellFormed()
      .replaceAll(/\r\n?|[\u2028\u2029\u0085]/g, '\n')
      .replaceAll(/[\t\v\f\u00A0]/g, ' ')
      // Control characters, and the marks that turn the reading direction or hide inside a word.
      .replaceAll(/[^\P{Cc}\n]|[\u00AD\u200B\u202A-\u202E\u2060\u2066-\u2069\uFEFF]/gu, '')
      .replaceAll(/\p{Zs}+/gu, ' ')
      .replaceAll(/ ?\n ?/g, '\n')
      .replaceAll(/\n{3,}/g, '\n\n')
      .trim()
  );
}

/** Hides from the tokenizer what only looks like markup: a `<` that opens no complete tag, a `&` without its `;`. */
const guard = (markup: string): string =>
  markup
    .replaceAll(/<(?=[a-z/][^<>]*(?:<|$))/gi, '&lt;')
    .replaceAll(/&(?!(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z][a-z\d]{1,31});)/gi, '&amp;');

const ignore = (): void => undefined;

function strip(markup: string): string {
  const source = guard(markup);
  const isLaidOut = /<(br|p|div|li|tr|h[1-6]|ul|ol|table|td)\b/i.test(source);
  let text = '';
  let isLineEmpty = true;
  let dropped: string | null = null;
  let droppedDepth = 0;

  const write = (data: string): void => {
    if (dropped !== null) return;
    // Where elements lay the text out, a line break in the source is only a space.
    text += isLaidOut ? data.replaceAll(/\s+/g, ' ') : data;
    if (/\S/.test(data)) isLineEmpty = false;
  };
  const breakLine = (): void => {
    text += '\n';
    isLineEmpty = true;
  };
  const nameAt = (start: number, end: number): string => source.slice(start, end).toLowerCase();

  // The tokenizer and not the parser: the parser's stack of open elements takes quadratic time when they nest deep.
  const tokenizer = new Tokenizer(
    { decodeEntities: true },
    {
      ontext: (start, end) => write(source.slice(start, end)),
      ontextentity: (codePoint) => write(String.fromCodePoint(codePoint)),
      onopentagname: (start, end) => {
        const name = nameAt(start, end);
        if (dropped === null && DROPPED.has(name)) dropped = name;
        if (name === dropped) droppedDepth++;
        if (dropped !== null) return;
        if (name === 'br') breakLine();
        else if (name === 'td' || name === 'th') write(' ');
        else if (BLOCKS.has(name) && !isLineEmpty) breakLine();
      },
      onclosetag: (start, end) => {
        const name = nameAt(start, end);
        if (name === dropped && --droppedDepth === 0) dropped = null;
        else if (dropped === null && BLOCKS.has(name) && !isLineEmpty) breakLine();
      },
      onattribdata: ignore,
      onattribentity: ignore,
      onattribend: ignore,
      onattribname: ignore,
      oncdata: ignore,
      oncomment: ignore,
      ondeclaration: ignore,
      onend: ignore,
      onopentagend: ignore,
      onprocessinginstruction: ignore,
      onselfclosingtag: ignore,
    },
  );
  tokenizer.write(source);
  tokenizer.end();
  return text;
}

/**
 * A portal's markup (HTML, Markdown with HTML, or text already plain) as plain text: entities decoded, also when
 * escaped twice; blocks and `<br>` become line breaks, at most one empty line between two; scripts, styles and comments
 * dropped; spaces collapsed; no control character but the line break.
 *
 * In the result no `<` stands before a letter, `/`, `!` or `?`, so that no HTML parser finds a tag in it, whatever the
 * input. Text such as "a < b" survives. Reads 1,000,000 characters at most. Never throws.
 */
export function toPlainText(markup: string): string {
  let text = markup.slice(0, LONGEST);
  for (let pass = 0; pass < PASSES && (ENTITY.test(text) || TAG.test(text)); pass++) text = tidy(strip(text));
  return tidy(tidy(text).replaceAll(/<(?=[a-z/!?])/gi, '< '));
}
