import type {
  CkanGroup,
  CkanLicense,
  CkanOrganization,
  CkanPackage,
  CkanResource,
  CkanTable,
  DatastoreField,
} from '../ckan/ckan-dataset.ts';
import { createRandom, uuidFrom } from '../random.ts';
import { BORDEAUX_DATASETS } from './bordeaux.ts';
import { cycle, HARD_INTEGERS, HARD_TEXTS, naiveBefore, placeNear, times } from './builders.ts';

const CENTER = { lon: 0.2, lat: 45.2 };
const DEPARTMENTS = [
  'Charente',
  'Charente-Maritime',
  'Corrèze',
  'Creuse',
  'Deux-Sèvres',
  'Dordogne',
  'Gironde',
  'Haute-Vienne',
  'Landes',
  'Lot-et-Garonne',
  'Pyrénées-Atlantiques',
  'Vienne',
] as const;

export const AQUITAINE_SITE_URL = 'https://data.nouvelle-aquitaine.example';

export const AQUITAINE_ORGANIZATIONS: readonly CkanOrganization[] = [
  { name: 'region-nouvelle-aquitaine', title: 'Région Nouvelle-Aquitaine' },
  { name: 'bordeaux-metropole', title: 'Bordeaux Métropole' },
  { name: 'nouvelle-aquitaine-mobilites', title: 'Nouvelle-Aquitaine Mobilités' },
  { name: 'departement-des-landes', title: 'Département des Landes' },
];

export const AQUITAINE_GROUPS: readonly CkanGroup[] = [
  { name: 'transports', title: 'Transports' },
  { name: 'environnement', title: 'Environnement' },
  { name: 'energie', title: 'Énergie' },
  { name: 'territoire', title: 'Territoire' },
  { name: 'culture-tourisme', title: 'Culture et tourisme' },
];

export const AQUITAINE_LICENSES: readonly CkanLicense[] = [
  {
    id: 'lov2',
    title: 'Licence Ouverte / Open Licence version 2.0',
    url: 'https://www.etalab.gouv.fr/wp-content/uploads/2017/04/ETALAB-Licence-Ouverte-v2.0.pdf',
    status: 'active',
    od_conformance: 'approved',
    osd_conformance: 'not reviewed',
    family: '',
    is_generic: false,
    domain_data: true,
    domain_content: true,
    domain_software: false,
    maintainer: 'Etalab',
  },
  {
    id: 'fr-lo',
    title: 'Licence Ouverte (Etalab)',
    url: 'https://www.etalab.gouv.fr/wp-content/uploads/2014/05/Licence_Ouverte.pdf',
    status: 'active',
    od_conformance: 'approved',
    osd_conformance: 'not reviewed',
    family: '',
    is_generic: false,
    domain_data: true,
    domain_content: true,
    domain_software: false,
    maintainer: 'Etalab',
  },
  {
    id: 'odc-odbl',
    title: 'Open Data Commons Open Database License (ODbL)',
    url: 'https://opendatacommons.org/licenses/odbl/1-0/',
    status: 'active',
    od_conformance: 'approved',
    osd_conformance: 'not reviewed',
    family: '',
    is_generic: false,
    domain_data: true,
    domain_content: false,
    domain_software: false,
    maintainer: '',
  },
];

function table(
  fields: readonly DatastoreField[],
  size: number,
  seed: number,
  make: (index: number, random: ReturnType<typeof createRandom>) => Readonly<Record<string, unknown>>,
): CkanTable {
  return {
    fields,
    records: () => {
      const random = createRandom(seed);
      return times(size, (index) => make(index, random));
    },
  };
}

const csv = (name: string, content: CkanTable): CkanResource => ({
  name,
  format: 'CSV',
  mimetype: 'text/csv',
  table: content,
  size: 48_211,
});

function pack(
  name: string,
  title: string,
  notes: string,
  groups: readonly string[],
  tags: readonly string[],
  resources: readonly CkanResource[],
  rest: Partial<CkanPackage> = {},
): CkanPackage {
  return {
    name,
    title,
    notes,
    groups,
    tags,
    resources,
    organization: 'region-nouvelle-aquitaine',
    licenseId: 'lov2',
    author: 'Région Nouvelle-Aquitaine',
    maintainerEmail: 'opendata@example.org',
    created: '2025-01-14T09:12:31.221100',
    modified: '2026-09-30T04:00:12.100200',
    ...rest,
  };
}

/** A dataset of Bordeaux as the region republishes it: the records stay with the origin. */
function republished(datasetId: string, name: string, rest: Partial<CkanPackage> = {}): CkanPackage {
  const origin = BORDEAUX_DATASETS.find(({ id }) => id === datasetId);
  if (origin === undefined) throw new RangeError(`Bordeaux has no dataset ${datasetId}`);
  const landing = `https://opendata.bordeaux-metropole.fr/explore/dataset/${datasetId}/`;
  const isTransport = origin.theme?.some((theme) => theme.includes('Transport')) === true;
  return pack(
    name,
    origin.title,
    `${origin.title}. Jeu de données moissonné sur le portail de Bordeaux Métropole.`,
    [isTransport ? 'transports' : 'environnement'],
    origin.keyword ?? [],
    [
      { name: 'CSV', format: 'CSV', url: `${landing}download/?format=csv`, mimetype: 'text/csv', lastModified: null },
      {
        name: 'GeoJSON',
        format: 'GeoJSON',
        url: `${landing}download/?format=geojson`,
        mimetype: 'application/geo+json',
        lastModified: null,
      },
    ],
    {
      organization: 'bordeaux-metropole',
      author: 'Bordeaux Métropole',
      url: landing,
      extras: {
        guid: landing,
        identifier: datasetId,
        harvest_source: 'https://opendata.bordeaux-metropole.fr',
        harvest_source_id: uuidFrom('harvest/bordeaux'),
        harvest_source_title: 'Open Data Bordeaux Métropole',
        harvest_object_id: uuidFrom(`harvest/${datasetId}`),
        frequency: 'http://publications.europa.eu/resource/authority/frequency/CONT',
        theme: '["http://publications.europa.eu/resource/authority/data-theme/TRAN"]',
        modified: '2026-10-05T08:30:41+00:00',
      },
      ...rest,
    },
  );
}

const stops = table(
  [
    { id: 'stop_id', type: 'text' },
    { id: 'nom', type: 'text' },
    { id: 'departement', type: 'text' },
    { id: 'accessible', type: 'bool' },
    { id: 'lat', type: 'numeric' },
    { id: 'lon', type: 'numeric' },
  ],
  1400,
  2001,
  (index, random) => {
    const place = placeNear(random, CENTER, 1.5);
    return {
      stop_id: `NAQ:${100_000 + index}`,
      nom: `${cycle(['Gare routière', 'Mairie', 'Collège', "Place de l'Église", 'Le Bourg'], index)} ${index}`,
      departement: cycle(DEPARTMENTS, index),
      accessible: index % 6 === 5 ? null : index % 2 === 0,
      lat: place.lat,
      lon: place.lon,
    };
  },
);

const simple = (seed: number, size: number, unit: string): CkanTable =>
  table(
    [
      { id: 'code', type: 'text' },
      { id: 'libelle', type: 'text' },
      { id: 'departement', type: 'text' },
      { id: unit, type: 'numeric' },
      { id: 'date_releve', type: 'timestamp' },
    ],
    size,
    seed,
    (index, random) => ({
      code: `${unit.slice(0, 3).toUpperCase()}-${index + 1}`,
      libelle: `${cycle(['Saint-Émilion', 'Cognac', 'Brive', 'Guéret', 'Niort', 'Pau'], index)} ${index + 1}`,
      departement: index % 14 === 13 ? null : cycle(DEPARTMENTS, index),
      [unit]: index % 11 === 7 ? null : random.int(1, 90_000) / 10,
      date_releve: index % 9 === 8 ? null : naiveBefore(index * 1440),
    }),
  );

const hard: CkanTable = {
  fields: [
    { id: 'gid', type: 'int4' },
    { id: 'libelle', type: 'text' },
    { id: 'date', type: 'text' },
    { id: 'identifiant_long', type: 'int8' },
    { id: 'actif', type: 'bool' },
    { id: 'poids', type: 'float8' },
  ],
  records: HARD_TEXTS.map((text, index) => ({
    gid: index + 1,
    libelle: text,
    date: index % 4 === 0 ? null : `${2000 + (index % 20)}`,
    identifiant_long: cycle(HARD_INTEGERS, index),
    actif: index % 5 === 0 ? null : index % 2 === 0,
    poids: index % 7 === 0 ? null : (index - 20) / 8,
  })),
};

const TRANSPORTS = ['transports'];

export const AQUITAINE_PACKAGES: readonly CkanPackage[] = [
  republished('ci_vcub_p', 'bordeaux-metropole-stations-velos-vcub'),
  pack(
    'arrets-des-cars-regionaux',
    'Arrêts des cars régionaux',
    "Points d'arrêt du réseau de cars régionaux.",
    TRANSPORTS,
    ['car', 'arrêt', 'transport scolaire'],
    [csv('arrets', stops)],
    {
      organization: 'nouvelle-aquitaine-mobilites',
      author: 'Nouvelle-Aquitaine Mobilités',
      extras: {
        frequency: 'http://publications.europa.eu/resource/authority/frequency/WEEKLY',
        language: '["http://publications.europa.eu/resource/authority/language/FRA"]',
      },
    },
  ),
  pack(
    'lignes-ter',
    'Lignes TER Nouvelle-Aquitaine',
    'Lignes ferroviaires régionales et leur fréquentation.',
    TRANSPORTS,
    ['TER', 'train'],
    [csv('lignes', simple(2002, 64, 'voyageurs'))],
  ),
  pack(
    'gares-ter',
    'Gares TER',
    'Gares et haltes ferroviaires.',
    TRANSPORTS,
    ['TER', 'gare'],
    [csv('gares', simple(2003, 300, 'montees'))],
  ),
  pack(
    'aires-de-covoiturage',
    'Aires de covoiturage',
    'Aires de covoiturage de la région.',
    TRANSPORTS,
    ['covoiturage', 'voiture'],
    [csv('aires', simple(2004, 220, 'places'))],
    { licenseId: 'fr-lo' },
  ),
  pack(
    'veloroutes-et-voies-vertes',
    'Véloroutes et voies vertes',
    'Itinéraires cyclables (vélo) structurants.',
    ['transports', 'culture-tourisme'],
    ['vélo', 'voie verte', 'velo'],
    [csv('itineraires', simple(2005, 88, 'longueur_km'))],
  ),
  pack(
    'stationnement-velo-gares',
    'Stationnement vélo en gare',
    'Abris et consignes à vélos des gares TER.',
    TRANSPORTS,
    ['vélo', 'gare', 'stationnement'],
    [csv('abris', simple(2006, 130, 'emplacements'))],
  ),
  pack(
    'trafic-routier-departemental-landes',
    'Trafic routier départemental des Landes',
    'Comptages routiers permanents.',
    TRANSPORTS,
    ['trafic', 'comptage'],
    [csv('comptages', simple(2007, 410, 'tmja'))],
    { organization: 'departement-des-landes', author: 'Département des Landes', licenseId: 'odc-odbl' },
  ),
  pack(
    'offre-gtfs-regionale',
    'Offre de transport régionale (GTFS)',
    "Horaires théoriques agrégés de l'ensemble des réseaux.",
    TRANSPORTS,
    ['GTFS', 'horaires'],
    [{ name: 'GTFS agrégé', format: 'ZIP', url: 'https://www.example.org/opendata/gtfs-naq.zip', size: '52 428 800' }],
    { organization: 'nouvelle-aquitaine-mobilites' },
  ),
  republished('st_park_p', 'bordeaux-metropole-parkings-hors-voirie'),
  republished('ci_trafi_l', 'bordeaux-metropole-trafic-routier'),
  republished('st_arceau_p', 'bordeaux-metropole-arceaux-velos', { licenseId: null }),
  republished('sv_arret_p', 'bordeaux-metropole-arrets-tbm', { licenseId: 'odc-odbl' }),
  republished('bor_fontaines_eau_potable', 'bordeaux-fontaines-eau-potable'),
  pack(
    'consommation-energie-lycees',
    "Consommation d'énergie des lycées",
    'Consommations annuelles de gaz et d’électricité (energy) par lycée.',
    ['energie'],
    ['énergie', 'lycée', 'energy'],
    [csv('consommations', simple(2008, 280, 'kwh'))],
    {
      extras: { frequency: 'Annuel', issued: '2024-02-30', modified: 'jeu, 19/12/2024 - 03:00' },
    },
  ),
  pack(
    'installations-photovoltaiques',
    'Installations photovoltaïques',
    'Puissance raccordée par commune.',
    ['energie'],
    ['énergie', 'solaire'],
    [csv('installations', simple(2009, 500, 'puissance_kw'))],
  ),
  pack(
    'qualite-des-eaux-de-baignade',
    'Qualité des eaux de baignade',
    'Résultats des contrôles sanitaires.',
    ['environnement'],
    ['eau', 'baignade'],
    [csv('resultats', simple(2010, 360, 'e_coli'))],
  ),
  pack(
    'toponymes-regionaux',
    'Toponymes régionaux',
    'Noms de lieux tels que relevés.',
    ['territoire'],
    ['toponyme'],
    [csv('toponymes', hard)],
    { licenseId: 'notspecified' },
  ),
  {
    name: 'moissonneur-bordeaux-metropole',
    title: 'Moissonneur Bordeaux Métropole',
    type: 'harvest',
    organization: 'region-nouvelle-aquitaine',
    url: 'https://opendata.bordeaux-metropole.fr/api/explore/v2.1/catalog/exports/dcat',
    custom: { source_type: 'dcat_rdf', active: true, frequency: 'DAILY' },
  },
];
