import type { OpendatasoftDataset, OpendatasoftField } from '../opendatasoft/opendatasoft-dataset.ts';
import { createRandom } from '../random.ts';
import {
  boxFeature,
  cycle,
  dayAt,
  FACET,
  field,
  instantBefore,
  lineFeature,
  OLD_FACET,
  placeNear,
  pointFeature,
  times,
  V1_FACET,
} from './builders.ts';
import { createHardNames } from './hard-names.ts';

const CENTER = { lon: -0.5792, lat: 44.8378 };
const METROPOLE = 'Bordeaux Métropole';
const CITY = 'Ville de Bordeaux';
const TRANSPORT = 'Mobilité, Transport';
const LICENCE = 'Licence Ouverte / Open Licence version 2.0';
const LICENCE_URL = 'https://www.etalab.gouv.fr/wp-content/uploads/2017/04/ETALAB-Licence-Ouverte-v2.0.pdf';

const COMMUNES = [
  ['Bordeaux', '33063'],
  ['Mérignac', '33281'],
  ['Pessac', '33318'],
  ['Talence', '33522'],
  ['Bègles', '33039'],
  ['Cenon', '33119'],
  ['Le Bouscat', '33069'],
  ['Villenave-d’Ornon', '33550'],
  ['Saint-Médard-en-Jalles', '33449'],
] as const;
const PLACES = [
  'Belcier Gare',
  'Place de la Bourse',
  'Quinconces',
  'Gambetta',
  'Jardin Public',
  'Meriadeck',
  'Place de la Victoire',
  'Saint-Jean',
  'Stalingrad',
  'Chartrons',
  'Bassins à flot',
  'Barrière du Médoc',
  "Place de l'Hôtel de Ville",
  'Saint-Augustin',
  'Pellegrin',
  'Buttinière',
  'Peixotto',
  'Camille Godard',
  'Grand Parc',
  'Cité du Vin',
] as const;

const GEO: readonly OpendatasoftField[] = [
  field('geo_point_2d', 'geo_point_2d', 'Geo Point'),
  field('geo_shape', 'geo_shape', 'Geo Shape'),
];

const html = (text: string): string =>
  `<p><span style="font-family: Arial;">${text}</span></p><p><br></p><p>Voir aussi&nbsp;: ` +
  `<a href="https://www.bordeaux-metropole.fr/?a=1&amp;amp;sort=date">la page du service</a>&nbsp;&amp; ses conditions.</p>`;

function dataset(
  id: string,
  title: string,
  text: string,
  keyword: readonly string[] | null,
  rest: Partial<OpendatasoftDataset> = {},
): OpendatasoftDataset {
  return {
    id,
    title,
    description: html(text),
    theme: [TRANSPORT],
    keyword,
    publisher: METROPOLE,
    license: LICENCE,
    licenseUrl: LICENCE_URL,
    ...rest,
    metas: { inspire: {}, ...rest.metas },
  };
}

const commune = (index: number): readonly [string, string] => cycle(COMMUNES, index * 7 + (index >> 2));

const vcub = dataset(
  'ci_vcub_p',
  'Stations de vélos en libre-service (VCub)',
  'Disponibilité des vélos et des places dans les stations du service Le Vélo par TBM. Mise à jour toutes les 2 minutes 30.',
  ['vélo', 'VCub', 'TBM', 'libre-service', 'temps réel'],
  {
    modified: '2026-10-05T08:30:41+00:00',
    metas: {
      dcat: {
        accrualperiodicity: 'CONT',
        creator: METROPOLE,
        contact_name: 'Service SIG',
        contact_email: 'sig@example.org',
      },
    },
    fields: [
      field('gid', 'int', 'GID'),
      field('insee', 'text', 'Code INSEE', FACET),
      field('commune', 'text', 'Commune', FACET),
      field('code_commune', 'text', 'Code commune'),
      field('gml_id', 'text', 'gml_id'),
      field('ident', 'int', 'Identifiant', { id: true }),
      field('type', 'text', 'Type', FACET, 'VLS ou VLS+'),
      field('nom', 'text', 'Nom', { sortable: true }),
      field('etat', 'text', 'Etat', FACET, 'CONNECTEE, DECONNECTEE ou MAINTENANCE'),
      field('nbplaces', 'int', 'Nombre de places disponibles', { unit: 'places' }),
      field('nbvelos', 'int', 'Nombre de vélos disponibles', { unit: 'vélos' }),
      field('nbelec', 'text', 'Nombre de vélos électriques'),
      field('nbclassiq', 'text', 'Nombre de vélos classiques'),
      field('cdate', 'datetime', 'Date de création'),
      field('mdate', 'datetime', 'Date de modification'),
      field('geom_o', 'text', 'Orientation'),
      ...GEO,
    ],
    records: () => {
      const random = createRandom(251);
      return times(190, (index) => {
        const place = placeNear(random, CENTER, 0.12);
        const [name, code] = commune(index);
        const state = index % 23 === 7 ? 'DECONNECTEE' : index % 31 === 11 ? 'MAINTENANCE' : 'CONNECTEE';
        const isOff = state !== 'CONNECTEE';
        const bikes = isOff ? null : random.int(0, 24);
        const electric = bikes === null ? null : random.int(0, bikes);
        return {
          gid: index + 1,
          insee: code,
          commune: name,
          code_commune: code,
          gml_id: `CI_VCUB_P.${index + 1}`,
          ident: index + 1,
          type: index % 17 === 0 ? 'VLS+' : 'VLS',
          nom:
            index < PLACES.length
              ? cycle(PLACES, index)
              : `${cycle(PLACES, index)} ${Math.floor(index / PLACES.length) + 1}`,
          etat: state,
          nbplaces: bikes === null ? null : random.int(0, 30),
          nbvelos: bikes,
          nbelec: electric === null ? null : String(electric),
          nbclassiq: bikes === null || electric === null ? null : String(bikes - electric),
          cdate: '2011-01-01T00:00:00+00:00',
          mdate: instantBefore(random.int(0, 5)),
          geom_o: '0',
          geo_point_2d: place,
          geo_shape: pointFeature(place),
        };
      });
    },
  },
);

const parks = dataset(
  'st_park_p',
  'Parkings hors voirie',
  'Places libres et tarifs des parcs de stationnement.',
  ['parking', 'stationnement', 'temps réel'],
  {
    modified: '2026-10-05T08:28:00+00:00',
    fields: [
      field('gid', 'int', 'GID'),
      field('ident', 'text', 'Identifiant', { id: [] }),
      field('nom', 'text', 'Nom', { sortable: [] }),
      field('etat', 'text', 'Etat', OLD_FACET),
      field('libres', 'int', 'Places libres'),
      field('total', 'int', 'Places'),
      field('connecte', 'int', 'Connecté'),
      field('exploit', 'text', 'Exploitant', OLD_FACET),
      field('secteur', 'text', 'Secteur', OLD_FACET),
      field('ta_type', 'text', 'Tarification'),
      field('an_serv', 'int', 'Année de mise en service'),
      field('gabari_max', 'double', 'Gabarit', { unit: ['m'], decimals: ['2'] }),
      field('th_24', 'double', 'Tarif 24 h', { unit: ['€'] }),
      field('mdate', 'datetime', 'Date de modification'),
      field('geo_point_2d', 'geo_point_2d', 'Geo Point'),
    ],
    records: () => {
      const random = createRandom(86);
      return times(86, (index) => {
        const total = random.int(40, 900);
        const state = index % 19 === 3 ? 'FERME' : index % 11 === 5 ? 'COMPLET' : 'LIBRE';
        const isConnected = index % 4 !== 3;
        return {
          gid: 500 + index,
          ident: `CUBPK${String(index + 1).padStart(2, '0')}`,
          nom: `Parc ${cycle(PLACES, index * 3)}${index >= PLACES.length ? ` ${index}` : ''}`,
          etat: isConnected ? state : null,
          libres: !isConnected ? null : state === 'LIBRE' ? random.int(1, total) : 0,
          total,
          connecte: isConnected ? 1 : 0,
          exploit: cycle(['METPARK', 'INDIGO', 'URBIS PARK', null], index),
          secteur: cycle(['Centre', 'Rive droite', 'Gare', 'Hors secteur'], index),
          ta_type: index % 2 === 0 ? 'HORAIRE' : null,
          an_serv: index % 5 === 0 ? null : 1975 + (index % 45),
          gabari_max: index % 6 === 0 ? null : 1.8 + (index % 5) / 10,
          th_24: index % 3 === 0 ? null : 12 + (index % 8) / 2,
          mdate: instantBefore(index % 9),
          geo_point_2d: placeNear(random, CENTER, 0.05),
        };
      });
    },
  },
);

const traffic = dataset(
  'ci_trafi_l',
  'Trafic routier en temps réel',
  'État du trafic par tronçon, calculé à partir des boucles de comptage.',
  ['trafic', 'circulation', 'temps réel'],
  {
    modified: '2026-10-05T08:29:00+00:00',
    fields: [
      field('gml_id', 'text', 'gml_id'),
      field('gid', 'int', 'GID'),
      field('etat', 'text', 'Etat', V1_FACET),
      field('typevoie', 'text', 'Type de voie', V1_FACET),
      field('commune', 'text', 'Commune', V1_FACET),
      field('mdate', 'datetime', 'Date de modification', []),
      ...GEO,
    ],
    records: () => {
      const random = createRandom(687);
      return times(687, (index) => {
        const place = placeNear(random, CENTER, 0.11);
        return {
          gml_id: `CI_TRAFI_L.${index + 1}`,
          gid: index + 1,
          etat: random.pick(['FLUIDE', 'FLUIDE', 'FLUIDE', 'DENSE', 'EMBOUTEILLE', 'INCONNU']),
          typevoie: random.pick(['AUTOROUTE', 'BOULEVARD', 'RUE']),
          commune: commune(index)[0],
          mdate: instantBefore(1),
          geo_point_2d: place,
          geo_shape: index % 97 === 13 ? null : lineFeature(random, place, random.int(2, 6)),
        };
      });
    },
  },
);

const racks = dataset(
  'st_arceau_p',
  'Arceaux vélos',
  'Emplacement des arceaux de stationnement pour les vélos.',
  ['vélo', 'stationnement', 'arceau'],
  {
    modified: '2026-06-18T05:00:00+00:00',
    fields: [
      field('geo_point_2d', 'geo_point_2d', 'Geo Point'),
      field('gid', 'int', 'GID'),
      field('geom_o', 'text', 'Orientation'),
      field('geom_err', 'text', 'Erreur de géométrie'),
      field('typologie', 'text', 'Typologie', FACET),
      field('nombre', 'int', 'Nombre d’arceaux'),
      field('insee', 'text', 'Code INSEE', FACET),
      field('cdate', 'datetime', 'Date de création'),
      field('mdate', 'datetime', 'Date de modification'),
    ],
    records: () => {
      const random = createRandom(4148);
      return times(4148, (index) => ({
        geo_point_2d: placeNear(random, CENTER, 0.14),
        gid: 80_000 + index * 3,
        geom_o: '0',
        geom_err: null,
        typologie: random.pick(['ARCEAU_VELO', 'ARCEAU_VELO', 'ARCEAU_VELO', 'RATELIER', 'ARCEAU_MOTO']),
        nombre: random.int(1, 20),
        insee: commune(index)[1],
        cdate: null,
        mdate: null,
      }));
    },
  },
);

const SHIPS = ['SILVER WHISPER', 'LE CHAMPLAIN', 'BELEM', 'MAINTENANCE', 'EURODAM', "L'AUSTRAL"] as const;

const small: readonly OpendatasoftDataset[] = [
  dataset(
    'previsions_pont_chaban',
    'Prévisions de fermeture du pont Chaban-Delmas',
    'Dates et heures de levée du pont, en heure locale. La réouverture peut avoir lieu le lendemain.',
    ['pont', 'circulation'],
    {
      modified: '2026-09-28T07:12:00+00:00',
      fields: [
        field('bateau', 'text', 'Bateau', FACET),
        field('date_passage', 'date', 'Date de passage', FACET),
        field('fermeture_a_la_circulation', 'text', 'Fermeture à la circulation'),
        field('re_ouverture_a_la_circulation', 'text', 'Ré-ouverture à la circulation'),
        field('type_de_fermeture', 'text', 'Type de fermeture'),
        field('fermeture_totale', 'text', 'Fermeture totale'),
      ],
      records: times(64, (index) => ({
        bateau: cycle(SHIPS, index),
        date_passage: dayAt(1000 + index * 4),
        fermeture_a_la_circulation: `${String(5 + (index % 18)).padStart(2, '0')}:${index % 2 === 0 ? '00' : '32'}`,
        re_ouverture_a_la_circulation: `${String((7 + (index % 18)) % 24).padStart(2, '0')}:15`,
        type_de_fermeture: index % 3 === 0 ? 'Totale' : 'Partielle',
        fermeture_totale: index % 3 === 0 ? 'oui' : 'non',
      })),
    },
  ),
  dataset(
    'ci_chantier',
    'Chantiers en cours',
    'Emprises des chantiers sur la voirie. Accès sur demande.',
    ['travaux', 'voirie'],
    {
      dataVisible: false,
      modified: '2026-10-04T22:00:00+00:00',
      fields: [
        field('gid', 'int', 'GID'),
        field('libelle', 'text', 'Libellé'),
        field('geo_shape', 'geo_shape', 'Geo Shape'),
      ],
      records: times(12, (index) => ({
        gid: index,
        libelle: `Chantier ${index}`,
        geo_shape: boxFeature(CENTER, 0.001, 0.001),
      })),
    },
  ),
  dataset(
    'ci_courb_a',
    'Courbes de trafic',
    'Prévision du trafic sur la rocade par pas de dix minutes.',
    ['trafic', 'rocade'],
    {
      fields: [
        field('gid', 'int', 'GID'),
        field('bm_heure', 'datetime', 'Heure'),
        field('bm_prevision', 'double', 'Prévision', { unit: 'km' }),
        field('bm_mesure', 'double', 'Mesure', { unit: 'km' }),
      ],
      records: times(144, (index) => ({
        gid: index + 1,
        bm_heure: instantBefore(1440 - index * 10),
        bm_prevision: Math.round(200 * Math.sin((index / 144) * Math.PI)) / 10,
        bm_mesure: index > 100 ? null : Math.round(190 * Math.sin((index / 144) * Math.PI)) / 10,
      })),
    },
  ),
  dataset(
    'ci_tpstj_a',
    'Temps de parcours',
    'Temps de parcours entre les portes de la rocade.',
    ['trafic', 'temps de parcours'],
    {
      fields: [
        field('gid', 'int', 'GID'),
        field('libelle', 'text', 'Libellé'),
        field('temps', 'int', 'Temps', { unit: 's' }),
        field('mdate', 'datetime', 'Date de modification'),
      ],
      records: times(44, (index) => ({
        gid: index + 1,
        libelle: `Porte ${index + 1} → Porte ${index + 3}`,
        temps: index % 13 === 0 ? null : 180 + index * 11,
        mdate: instantBefore(3),
      })),
    },
  ),
  dataset('ci_passa_p', 'Pont Chaban-Delmas : état', 'État de passage du pont levant.', ['pont', 'temps réel'], {
    fields: [
      field('gid', 'int', 'GID'),
      field('ident', 'text', 'Identifiant'),
      field('etat', 'text', 'Etat'),
      field('geo_point_2d', 'geo_point_2d', 'Geo Point'),
    ],
    records: [{ gid: 1, ident: 'PONT_CHABAN', etat: 'OUVERT', geo_point_2d: { lon: -0.5519, lat: 44.8585 } }],
  }),
  dataset(
    'sv_arret_p',
    'Arrêts du réseau TBM',
    'Arrêts physiques de bus, de tram et de navette fluviale.',
    ['TBM', 'bus', 'tramway'],
    {
      license: 'Licence ODbL',
      licenseUrl: 'https://opendatacommons.org/licenses/odbl/',
      fields: [
        field('gid', 'int', 'GID'),
        field('ident', 'text', 'Identifiant'),
        field('libelle', 'text', 'Libellé', { sortable: true }),
        field('vehicule', 'text', 'Véhicule', FACET),
        field('geo_point_2d', 'geo_point_2d', 'Geo Point'),
      ],
      records: () => {
        const random = createRandom(33);
        return times(620, (index) => ({
          gid: index + 1,
          ident: `STOP:${3600 + index}`,
          libelle: cycle(PLACES, index * 11),
          vehicule: cycle(['BUS', 'BUS', 'TRAM', 'BATEAU'], index),
          geo_point_2d: placeNear(random, CENTER, 0.15),
        }));
      },
    },
  ),
  dataset(
    'sv_vehic_p',
    'Véhicules TBM en circulation',
    'Position des véhicules toutes les dix secondes.',
    ['TBM', 'temps réel'],
    {
      fields: [
        field('gid', 'int', 'GID'),
        field('neutralise', 'boolean', 'Neutralisé'),
        field('vitesse', 'int', 'Vitesse', { unit: 'km/h' }),
        field('retard', 'int', 'Retard', { unit: 's' }),
        field('sens', 'text', 'Sens', FACET),
        field('mdate', 'datetime', 'Date de modification'),
        field('geo_point_2d', 'geo_point_2d', 'Geo Point'),
      ],
      records: () => {
        const random = createRandom(34);
        return times(240, (index) => ({
          gid: index + 1,
          neutralise: index % 40 === 9,
          vitesse: random.int(0, 60),
          retard: index % 12 === 0 ? null : random.int(-120, 900),
          sens: cycle(['ALLER', 'RETOUR'], index),
          mdate: instantBefore(0),
          geo_point_2d: placeNear(random, CENTER, 0.12),
        }));
      },
    },
  ),
  dataset(
    'pc_captv_p',
    'Compteurs de vélos',
    'Capteurs de comptage des cyclistes et dernier relevé journalier.',
    ['vélo', 'comptage'],
    {
      fields: [
        field('gid', 'int', 'GID'),
        field('ident', 'text', 'Identifiant'),
        field('libelle', 'text', 'Libellé'),
        field('comptage_5m', 'int', 'Comptage sur 5 minutes'),
        field('mdate', 'datetime', 'Date de modification'),
        field('geo_point_2d', 'geo_point_2d', 'Geo Point'),
      ],
      records: () => {
        const random = createRandom(35);
        return times(71, (index) => ({
          gid: index + 1,
          ident: `PC${index + 100}`,
          libelle: `Compteur ${cycle(PLACES, index)}`,
          comptage_5m: index % 14 === 2 ? null : random.int(0, 90),
          mdate: instantBefore(5),
          geo_point_2d: placeNear(random, CENTER, 0.08),
        }));
      },
    },
  ),
  dataset(
    'tb_stvel_p',
    'Stations vélos : inventaire',
    'Inventaire annuel des stations et de leur capacité.',
    ['vélo', 'inventaire'],
    {
      license: null,
      licenseUrl: null,
      fields: [field('gid', 'int', 'GID'), field('nom', 'text', 'Nom'), field('nbsuppor', 'int', 'Nombre de supports')],
      records: times(190, (index) => ({ gid: index + 1, nom: cycle(PLACES, index), nbsuppor: 10 + (index % 30) })),
    },
  ),
  dataset(
    'comptage-du-trafic-2023-2025',
    'Comptage du trafic 2023-2025',
    'Comptages horaires agrégés par mois.',
    ['trafic', 'comptage'],
    {
      fields: [
        field('mois', 'date', 'Mois', { facet: true, timeserie_precision: 'month' }),
        field('capteur', 'text', 'Capteur', FACET),
        field('vehicules', 'int', 'Véhicules'),
      ],
      records: times(36 * 6, (index) => ({
        mois: `${2023 + Math.floor((index % 36) / 12)}-${String((index % 12) + 1).padStart(2, '0')}`,
        capteur: `Z${Math.floor(index / 36) + 1}CT`,
        vehicules: index % 29 === 0 ? null : 40_000 + ((index * 7919) % 60_000),
      })),
    },
  ),
  dataset(
    'bor_fontaines_eau_potable',
    "Fontaines d'eau potable",
    "Fontaines à boire de l'espace public.",
    ['eau', 'fontaine', 'fraîcheur'],
    {
      theme: ['Environnement'],
      publisher: CITY,
      modified: '2026-05-11T10:00:00+00:00',
      fields: [
        field('gid', 'int', 'GID'),
        field('libelle', 'text', 'Libellé'),
        field('en_service', 'boolean', 'En service', FACET),
        field('geom', 'geo_point_2d', 'Localisation'),
      ],
      records: () => {
        const random = createRandom(36);
        return times(154, (index) => ({
          gid: index + 1,
          libelle: index % 8 === 0 ? null : `Fontaine ${cycle(PLACES, index)}`,
          en_service: index % 10 === 0 ? null : index % 7 !== 0,
          geom: index % 50 === 49 ? null : placeNear(random, CENTER, 0.04),
        }));
      },
    },
  ),
  dataset('met_agenda', 'Agenda métropolitain', 'Événements saisis dans OpenAgenda.', ['agenda', 'culture', 'sport'], {
    theme: ['Culture, Tourisme', 'Sport'],
    modified: '2026-10-05T02:00:00.482000+00:00',
    fields: [
      field('uid', 'text', 'Identifiant'),
      field('title_fr', 'text', 'Titre', { sortable: true }),
      field('html_fr', 'text', 'Description longue'),
      field('firstdate_begin', 'datetime', 'Début', FACET),
      field('lastdate_end', 'datetime', 'Fin'),
      field('keywords_fr', 'text', 'Mots clés', { facet: [], disjunctive: [], multivalued: [','] }),
      field('location_name', 'text', 'Lieu'),
      field('location_city', 'text', 'Ville', FACET),
      field('location_coordinates', 'geo_point_2d', 'Coordonnées'),
      field('registrationurl', 'text', 'Inscription'),
    ],
    records: () => {
      const random = createRandom(37);
      return times(310, (index) => ({
        uid: String(50_000_000 + index),
        title_fr: `${cycle(['Concert', 'Atelier vélo', 'Visite guidée', 'Marché', 'Randonnée'], index)} ${cycle(PLACES, index * 3)}`,
        html_fr: `<p>Rendez-vous à ${cycle(PLACES, index)}.</p>`,
        firstdate_begin: instantBefore(-index * 300),
        lastdate_end: index % 5 === 0 ? null : instantBefore(-index * 300 - 120),
        keywords_fr: index % 6 === 0 ? [] : [cycle(['musique', 'vélo', 'famille', 'plein air'], index), 'gratuit'],
        location_name: cycle(PLACES, index),
        location_city: commune(index)[0],
        location_coordinates: index % 25 === 3 ? null : placeNear(random, CENTER, 0.1),
        registrationurl: index % 3 === 0 ? 'https://example.org/inscription?id=1&amp;amp;lang=fr' : null,
      }));
    },
  }),
  dataset(
    'bor_frequentation_piscine_tr',
    'Fréquentation des piscines',
    'Fréquentation instantanée des piscines municipales.',
    ['piscine', 'sport', 'temps réel'],
    {
      theme: ['Sport'],
      publisher: CITY,
      fields: [
        field('etablissement_etalib', 'text', 'Établissement', FACET),
        field('fmizonlib', 'text', 'Zone'),
        field('fmizonmax', 'int', 'Capacité'),
        field('fmicourante', 'int', 'Fréquentation'),
      ],
      records: times(14, (index) => ({
        etablissement_etalib: cycle(['Judaïque', 'Grand Parc', 'Tissot', 'Galin', 'Stéhélin'], index),
        fmizonlib: index % 2 === 0 ? 'Bassin sportif' : 'Bassin ludique',
        fmizonmax: 80 + index * 10,
        fmicourante: index % 5 === 4 ? null : (index * 17) % 90,
      })),
    },
  ),
  dataset('en_frcol_s', 'Fréquences de collecte des déchets', 'Zones et jours de collecte.', ['déchets', 'collecte'], {
    theme: ['Environnement'],
    fields: [
      field('gid', 'int', 'GID'),
      field('type', 'text', 'Type', FACET),
      field('jour_col', 'text', 'Jours de collecte', { facet: true, multivalued: ',' }),
      field('commune', 'text', 'Commune', FACET),
      field('geo_shape', 'geo_shape', 'Geo Shape'),
    ],
    records: times(96, (index) => ({
      gid: index + 1,
      type: index % 2 === 0 ? 'OM' : 'TRI',
      jour_col:
        index % 9 === 0 ? [] : [cycle(['lundi', 'mardi', 'jeudi'], index), cycle(['vendredi', 'samedi'], index)],
      commune: commune(index)[0],
      geo_shape:
        index % 16 === 15
          ? null
          : boxFeature(
              { lon: CENTER.lon + ((index % 10) - 5) * 0.02, lat: CENTER.lat + (Math.floor(index / 10) - 5) * 0.015 },
              0.02,
              0.015,
            ),
    })),
  }),
  dataset(
    'met_vegetation_urbaine',
    'Végétation urbaine',
    'Nombre d’arbres par îlot.',
    ['arbre', 'végétation', 'climat'],
    {
      theme: ['Environnement'],
      fields: [
        field('gid', 'int', 'GID'),
        field('nb_arbre', 'int', 'Nombre d’arbres'),
        field('insee', 'text', 'Code INSEE', FACET),
        field('geo_shape', 'geo_shape', 'Geo Shape'),
      ],
      records: times(120, (index) => ({
        gid: index + 1,
        nb_arbre: (index * 37) % 400,
        insee: commune(index)[1],
        geo_shape: boxFeature(
          { lon: CENTER.lon + ((index % 12) - 6) * 0.01, lat: CENTER.lat + (Math.floor(index / 12) - 5) * 0.01 },
          0.009,
          0.009,
        ),
      })),
    },
  ),
  dataset(
    'ri_icu_ifu_s',
    'Îlots de chaleur et de fraîcheur',
    'Écart de température de surface à la moyenne.',
    ['climat', 'chaleur'],
    {
      theme: ['Environnement'],
      fields: [
        field('gid', 'int', 'GID'),
        field('delta', 'double', 'Écart', { unit: '°C', decimals: 1 }),
        field('insee', 'text', 'Code INSEE'),
      ],
      records: times(200, (index) => ({
        gid: index + 1,
        delta: ((index * 13) % 100) / 10 - 5,
        insee: commune(index)[1],
      })),
    },
  ),
  dataset('se_quart_s', 'Quartiers', 'Contours des quartiers.', ['découpage', 'quartier'], {
    theme: ['Territoire'],
    fields: [field('gid', 'int', 'GID'), field('nom', 'text', 'Nom'), field('geo_shape', 'geo_shape', 'Geo Shape')],
    records: times(8, (index) => ({
      gid: index + 1,
      nom: `Quartier ${cycle(PLACES, index)}`,
      geo_shape: boxFeature(
        { lon: CENTER.lon + ((index % 4) - 2) * 0.04, lat: CENTER.lat + (index < 4 ? 0.02 : -0.02) },
        0.04,
        0.04,
      ),
    })),
  }),
  dataset('bor_sigsanitaire', 'Toilettes publiques', 'Sanitaires de la ville.', ['toilettes', 'propreté'], {
    theme: ['Citoyenneté'],
    publisher: CITY,
    license: 'Licence Ouverte (Etalab)',
    licenseUrl: null,
    fields: [
      field('cle', 'text', 'Clé'),
      field('adresse', 'text', 'Adresse'),
      field('geo_point_2d', 'geo_point_2d', 'Geo Point'),
    ],
    records: () => {
      const random = createRandom(38);
      return times(88, (index) => ({
        cle: `WC${index}`,
        adresse: `${index + 1} rue ${cycle(PLACES, index)}`,
        geo_point_2d: placeNear(random, CENTER, 0.05),
      }));
    },
  }),
  dataset(
    'met_consommation_energie',
    "Consommation d'énergie du patrimoine",
    "Consommations annuelles d'électricité, de gaz et de chaleur par bâtiment.",
    ['énergie', 'électricité', 'gaz', 'energy'],
    {
      theme: ['Energie', 'Environnement'],
      metas: { dcat: { accrualperiodicity: 'http://publications.europa.eu/resource/authority/frequency/ANNUAL' } },
      fields: [
        field('annee', 'date', 'Année', { facet: true, timeserie_precision: 'year' }),
        field('batiment', 'text', 'Bâtiment', FACET),
        field('fluide', 'text', 'Fluide', FACET),
        field('kwh', 'double', 'Consommation', { unit: 'kWh', decimals: 1 }),
      ],
      records: times(360, (index) => ({
        annee: String(2019 + (index % 6)),
        batiment: `${cycle(['École', 'Gymnase', 'Mairie annexe'], index)} ${cycle(PLACES, index >> 2)}`,
        fluide: cycle(['électricité', 'gaz', 'chaleur'], index),
        kwh: index % 41 === 0 ? null : Math.round(12_345.6 * (1 + (index % 17))) / 10,
      })),
    },
  ),
  dataset(
    'met_pcaet_documents',
    'Plan climat : documents',
    'Documents du plan climat air énergie territorial.',
    ['climat', 'énergie', 'plan'],
    {
      theme: ['Environnement'],
      attachments: [
        {
          id: 'pcaet_2022_pdf',
          title: 'PCAET 2022.pdf',
          mimetype: 'application/pdf',
          url: 'odsfile://pcaet-2022.pdf',
        },
        {
          id: 'pcaet_annexe_xlsx',
          title: 'Annexe chiffrée.xlsx',
          mimetype: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
          url: 'https://opendata.bordeaux-metropole.fr/api/explore/v2.1/catalog/datasets/met_pcaet_documents/attachments/pcaet_annexe_xlsx',
        },
      ],
    },
  ),
  dataset('communes-gironde', 'Communes de la Gironde', 'Copie fédérée du référentiel géographique.', ['communes'], {
    theme: null,
    publisher: 'IGN',
    license: 'Licence Ouverte v2.0 (Etalab)',
    metas: {
      default: {
        federated: true,
        source_domain: 'public',
        source_domain_title: 'data.opendatasoft.com',
        source_domain_address: 'data.opendatasoft.com',
        source_dataset: 'communes-gironde',
      },
    },
    fields: [
      field('insee', 'text', 'Code INSEE'),
      field('nom', 'text', 'Nom'),
      field('population', 'int', 'Population'),
    ],
    records: times(28, (index) => ({
      insee: `33${String(index * 17 + 1).padStart(3, '0')}`,
      nom: commune(index)[0],
      population: 1000 + index * 311,
    })),
  }),
  dataset(
    'accidents-corporels-2012-2019',
    'Accidents corporels 2012-2019',
    'Accidents corporels de la circulation.',
    null,
    {
      theme: [TRANSPORT, 'Sécurité'],
      modified: '2020-11-03T13:45:10.115000+00:00',
      fields: [
        field('identifiant', 'text', 'Identifiant'),
        field('date', 'datetime', 'Date', FACET),
        field('gravite', 'text', 'Gravité', FACET),
        field('velo', 'boolean', 'Vélo impliqué'),
        field('geo_point_2d', 'geo_point_2d', 'Geo Point'),
      ],
      records: () => {
        const random = createRandom(39);
        return times(900, (index) => ({
          identifiant: `2012${String(index).padStart(6, '0')}`,
          date: new Date(Date.UTC(2012, 0, 1) + index * 194_000_000).toISOString().replace('.000Z', '+00:00'),
          gravite: random.pick(['léger', 'grave', 'mortel', 'léger']),
          velo: index % 15 === 0 ? null : random.chance(0.2),
          geo_point_2d: random.chance(0.05) ? null : placeNear(random, CENTER, 0.12),
        }));
      },
    },
  ),
];

export const BORDEAUX_DATASETS: readonly OpendatasoftDataset[] = [
  racks,
  vcub,
  ...small,
  parks,
  traffic,
  createHardNames(
    {
      id: 'met_toponymes',
      title: 'Toponymes',
      theme: ['Territoire'],
      keyword: ['toponyme', 'lieu-dit'],
      publisher: METROPOLE,
      license: 'Licence Ouverte',
    },
    CENTER,
  ),
];
