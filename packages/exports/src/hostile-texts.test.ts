import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { column, decode, record, writeFile } from './test-support/fixtures.ts';
import { isFormula, readCsv, withoutGuards } from './test-support/read-csv.ts';
import { readParquet } from './test-support/read-parquet.ts';

const CORPORA = new URL('../../../../shared/corpora/hostile/', import.meta.url);
const FILES = ['blns', 'strings-misc', 'xss', 'sqli', 'query-injection', 'csv-formula'];

test.skipIf(!existsSync(CORPORA))(
  'hostile texts come back from every format, as values and in JSON',
  async ({ task }) => {
    const texts = FILES.flatMap((file) =>
      readFileSync(new URL(`${file}.jsonl`, CORPORA), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const { data, value } = JSON.parse(line) as { data?: string; value?: string };
          return data ?? value ?? '';
        }),
    );
    const columns = [column('text', 'STRING'), column('json', 'JSON')];
    const records = texts.map((text) => record({ text, json: { [text]: [text] } }));
    const isSame = (index: number, text: unknown, json: unknown): boolean =>
      text === texts[index] && JSON.stringify(json) === JSON.stringify({ [texts[index] ?? '']: [texts[index]] });
    const files = {
      csv: readCsv(decode(writeFile('csv', columns, [records])))
        .slice(1)
        .map(([text, json], index) => {
          const isInert = !isFormula(text?.text ?? '=') && !isFormula(json?.text ?? '=');
          return isInert && isSame(index, withoutGuards(text?.text ?? ''), JSON.parse(json?.text ?? ''));
        }),
      ndjson: decode(writeFile('ndjson', columns, [records]))
        .trimEnd()
        .split('\n')
        .map((line, index) => {
          const { text, json } = JSON.parse(line) as { text: unknown; json: unknown };
          return isSame(index, text, json);
        }),
      geojson: (
        JSON.parse(decode(writeFile('geojson', columns, [records]))) as {
          features: { properties: { text: unknown; json: unknown } }[];
        }
      ).features.map(({ properties: { text, json } }, index) => isSame(index, text, json)),
      parquet: (await readParquet(writeFile('parquet', columns, [records]))).map(([text, json], index) =>
        isSame(index, text, json),
      ),
    };
    const right = Object.values(files).flat().filter(Boolean).length;
    const all = texts.length * Object.keys(files).length;
    task.meta.figures = [
      {
        point: 4,
        what: 'hostile texts x export formats that come back, and are inert in CSV',
        value: `${right}/${all}`,
        target: 'all',
        isMet: right === all && texts.length > 5_000,
      },
    ];
    for (const results of Object.values(files)) {
      expect(results).toHaveLength(texts.length);
      expect(results.flatMap((isRight, index) => (isRight ? [] : [index]))).toEqual([]);
    }
    expect(texts.length).toBeGreaterThan(5_000);
  },
);
