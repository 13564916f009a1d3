import type { OpendatasoftDataset, OpendatasoftRow } from '../opendatasoft/opendatasoft-dataset.ts';
import { createRandom } from '../random.ts';
import { FACET, field, HARD_INTEGERS, HARD_TEXTS, instantBefore, dayAt, placeNear } from './builders.ts';
import type { LonLat } from './builders.ts';

/** Rows of the dataset of place names: one for each hard text, with every type and nulls among them. */
function hardRows(center: LonLat): OpendatasoftRow[] {
  const random = createRandom(77);
  return HARD_TEXTS.map((text, index) => ({
    gid: index + 1,
    libelle: text,
    // Reserved words and a leading digit as names.
    date: index % 4 === 0 ? null : `${2000 + (index % 20)}`,
    group: index % 3 === 0 ? 'A' : index % 3 === 1 ? 'b' : null,
    '2e_nom': HARD_TEXTS[(index * 7 + 3) % HARD_TEXTS.length] ?? null,
    identifiant_long: HARD_INTEGERS[index % HARD_INTEGERS.length] ?? null,
    actif: index % 5 === 0 ? null : index % 2 === 0,
    poids: index % 7 === 0 ? null : index % 7 === 1 ? 0.1 + 0.2 : (index - 20) / 8,
    jour: index % 6 === 0 ? null : dayAt(index * 3),
    instant: index % 6 === 1 ? null : instantBefore(index * 487),
    variantes: index % 4 === 1 ? [] : [text ?? 'sans nom', `variante ${index % 3}`],
    geo_point_2d: index % 9 === 4 ? null : placeNear(random, center, 0.05),
  }));
}

/** A dataset of place names whose values are hard on purpose. */
export function createHardNames(
  given: Pick<OpendatasoftDataset, 'id' | 'title' | 'theme' | 'keyword' | 'publisher' | 'license'>,
  center: LonLat,
): OpendatasoftDataset {
  return {
    ...given,
    description: '<p>Noms de lieux relevés sur le terrain,&nbsp;tels quels.</p>',
    modified: '2026-03-02T09:00:00+00:00',
    fields: [
      field('gid', 'int', 'Identifiant', { id: true }),
      field('libelle', 'text', 'Libellé', { sortable: true }),
      field('date', 'text', 'Date de relevé'),
      field('group', 'text', 'Groupe', FACET),
      field('2e_nom', 'text', 'Deuxième nom'),
      field('identifiant_long', 'int', 'Identifiant long'),
      field('actif', 'boolean', 'Actif', FACET),
      field('poids', 'double', 'Poids', { decimals: 3, unit: 'kg' }),
      field('jour', 'date', 'Jour', FACET),
      field('instant', 'datetime', 'Instant'),
      field('variantes', 'text', 'Variantes', { facet: true, multivalued: ',' }),
      field('geo_point_2d', 'geo_point_2d', 'Geo Point'),
    ],
    records: () => hardRows(center),
  };
}
