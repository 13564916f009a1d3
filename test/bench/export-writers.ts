/*
 * `node test/bench/export-writers.ts [seconds]`: how fast the export writers turn records into bytes, beside the floor of
 * JSON.stringify on the same values. One core, nothing else: no portal, no socket.
 */
import { performance } from 'node:perf_hooks';
import { createExportWriter, EXPORT_FORMATS } from '@civex/exports';
import type { ExportColumn, ExportHeader } from '@civex/exports';

const SECONDS = Number(process.argv[2] ?? 3);
const BATCH = 1_000;
const BATCHES = 100;

const COLUMNS: readonly ExportColumn[] = [
  { name: 'id', type: 'INTEGER' },
  { name: 'nom', type: 'STRING' },
  { name: 'commune', type: 'STRING' },
  { name: 'date', type: 'DATE' },
  { name: 'maj', type: 'DATETIME' },
  { name: 'nbvelos', type: 'INTEGER' },
  { name: 'taux', type: 'NUMBER' },
  { name: 'actif', type: 'BOOLEAN' },
  { name: 'geo_point_2d', type: 'GEOMETRY' },
  { name: 'note', type: 'STRING' },
];
const HEADER: ExportHeader = {
  datasetId: 'bench:stations',
  title: 'Stations',
  license: { id: 'LO-2.0', uri: 'https://www.etalab.gouv.fr/licence-ouverte-open-licence', title: null, raw: null },
  attribution: 'Stations, Ville, Licence Ouverte 2.0',
  publisher: 'Ville',
  modified: null,
  fetchedAt: '2026-01-01T00:00:00Z',
  question: {},
};

const two = (value: number): string => String(value).padStart(2, '0');

/** One line of a portal's answer. No value but the small integers comes twice in a row. */
const line = (n: number): string =>
  JSON.stringify({
    id: 100_000 + n,
    nom: n % 5 === 0 ? `Station ${n}, place de l'Hôtel de Ville` : `Station ${n} rue Victor Hugo`,
    commune: ['Bordeaux', 'Pessac', 'Mérignac', 'Talence'][n % 4],
    date: `2024-${two((n % 12) + 1)}-${two((n % 28) + 1)}`,
    maj: `2024-03-05T${two(n % 24)}:${two(n % 60)}:${two((n * 7) % 60)}+01:00`,
    nbvelos: n % 40,
    taux: n / 7,
    actif: n % 2 === 0,
    geo_point_2d: { type: 'Point', coordinates: [-0.57 + n / 1_000_003, 44.8 + n / 1_000_033] },
    note: n % 4 === 0 ? 'dit "hors service", à revoir' : null,
  });

// Parsed from text, because that is where records come from: strings and shapes are as the parser makes them.
const batches = Array.from({ length: BATCHES }, (_, batch) =>
  (JSON.parse(`[${Array.from({ length: BATCH }, (__, n) => line(batch * BATCH + n)).join(',')}]`) as []).map(
    (values) => ({ id: '', values }),
  ),
);

function measure(name: string, write: (batch: (typeof batches)[number]) => number, end: () => number): void {
  const until = performance.now() + SECONDS * 1_000;
  const startedAt = performance.now();
  let records = 0;
  let bytes = 0;
  for (let n = 0; performance.now() < until; n++) {
    bytes += write(batches[n % BATCHES] ?? []);
    records += BATCH;
  }
  bytes += end();
  const seconds = (performance.now() - startedAt) / 1_000;
  console.log(
    `${name.padEnd(16)} ${(records / seconds / 1e6).toFixed(2)} M records/s  ${(bytes / seconds / 1e6).toFixed(0).padStart(4)} MB/s  ${(bytes / records).toFixed(0)} B/record`,
  );
}

for (let round = 1; round <= 2; round++) {
  console.log(round === 1 ? 'warming up' : 'measured');
  measure(
    'JSON.stringify',
    (batch) => {
      let text = '';
      for (const { values } of batch) text += `${JSON.stringify(values)}\n`;
      return Buffer.from(text).length;
    },
    () => 0,
  );
  for (const format of EXPORT_FORMATS) {
    const writer = createExportWriter(format, COLUMNS, HEADER);
    writer.begin();
    measure(
      format,
      (batch) => writer.write(batch)?.length ?? 0,
      () => writer.end()?.length ?? 0,
    );
  }
}
