import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toPlainText } from './plain-text.ts';

const RUNNABLE = /<[a-z/!?]/i;

describe('toPlainText', () => {
  test.each([
    ['plain text', 'plain text'],
    ['a < b', 'a < b'],
    ['a < b && c > d', 'a < b && c > d'],
    ['5 <3 6', '5 <3 6'],
    ['<p>5 &lt; 6</p>', '5 < 6'],
    ['<p>a</p><p>b&nbsp;c</p>', 'a\nb c'],
    ['<p>a</p>\n\n<p>b</p>', 'a\nb'],
    ['<div>one\n  two</div>', 'one two'],
    ['line one\nline two\r\n\r\n\r\n\r\n- item', 'line one\nline two\n\n- item'],
    ['Some <b>bold</b> text\nnext line', 'Some bold text\nnext line'],
    ['<span style="color: red">Hello</span><br><br/>you<p><br></p>', 'Hello\n\nyou'],
    ['<ul><li>a<li>b</ul>c', 'a\nb\nc'],
    ['<table><tr><td>a<td>b<tr><th>c</table>', 'a b\nc'],
    ['Tom &amp; Jerry', 'Tom & Jerry'],
    ['Tom &amp;amp; Jerry', 'Tom & Jerry'],
    ['caf&eacute; &#233; &#xe9; &euro;', 'café é é €'],
    ['https://x.example/?a=1&amp;sort=2&copy=3', 'https://x.example/?a=1&sort=2&copy=3'],
    ['&lt;p&gt;one&lt;/p&gt;&lt;p&gt;two&lt;/p&gt;', 'one\ntwo'],
    ['&amp;lt;b&amp;gt;deep&amp;lt;/b&amp;gt;', 'deep'],
    ['a<script>alert(1)</script>b', 'ab'],
    ['a<SCRIPT type="x">if (a<b) {}</script >b', 'ab'],
    ['a<style>p{}</style><!-- secret --><template><b>x</b></template>b', 'ab'],
    ['a<iframe src="x">y</iframe>b', 'ab'],
    ['&lt;script&gt;alert(1)&lt;/script&gt;b', 'b'],
    ['limit <LOD for PM10, the rest', 'limit < LOD for PM10, the rest'],
    ['<img src=x onerror=alert(1)', '< img src=x onerror=alert(1)'],
    ['<svg/onload=alert(1)>hi', 'hi'],
    ['<a title="1>2" href=x>link</a>', 'link'],
    ['a\u0000b\u0007c\u001B[31m\u009Fd\te', 'abc[31md e'],
    ['soft\u00ADhyphen zero\u200Bwidth \u202Eright to left', 'softhyphen zerowidth right to left'],
    ['lone \uD800 surrogate', 'lone \uFFFD surrogate'],
    ['', ''],
    [' <p> </p> ', ''],
  ])('%j becomes %j', (markup, text) => {
    expect(toPlainText(markup)).toBe(text);
  });

  const fragments = [
    '< > </ <!-- --> &lt; &amp; &amp;lt; & ; <script> </script> " \' <p> lt img &#60; &#x3c; <textarea> <![CDATA[ ]]>',
    '<? <xmp> <plaintext> <style \u0000 \u2028 &nbsp; \uD800 a / = onerror=alert(1) <br> <template> </template> é',
  ].flatMap((line) => line.split(' '));
  const fragment = fc.constantFrom(...fragments, ' ', '\n', '<b ');
  const markup = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fragment, { maxLength: 12 }).map((parts) => parts.join('')),
  );

  test('no input gives text in which a tag opens', () => {
    fc.assert(
      fc.property(markup, (input) => {
        expect(toPlainText(input)).not.toMatch(RUNNABLE);
      }),
      { seed: 4, numRuns: 5_000 },
    );
  });

  test('the result is tidy whatever the input', () => {
    fc.assert(
      fc.property(markup, (input) => {
        const text = toPlainText(input);
        expect(text).not.toMatch(/[^\P{Cc}\n]|\n{3}| {2}|^\s|\s$| \n|\n /u);
        expect(text.isWellFormed()).toBe(true);
      }),
      { seed: 5, numRuns: 3_000 },
    );
  });

  test('text without angle bracket or ampersand is a fixed point', () => {
    fc.assert(
      fc.property(markup, (input) => {
        const text = toPlainText(input);
        fc.pre(!/[<&]/.test(text));
        expect(toPlainText(text)).toBe(text);
      }),
      { seed: 6, numRuns: 3_000 },
    );
  });

  test.each(['<div>', '<a ', '<', '&lt;', '<!--', '</p>', ' ', '<p> x<br>', '&amp;', '<p'])(
    'a long run of %j takes time in proportion to its length',
    (unit) => {
      const started = performance.now();
      toPlainText(`<p>${unit.repeat(200_000)}x`);
      expect(performance.now() - started).toBeLessThan(2_500);
    },
  );
});
