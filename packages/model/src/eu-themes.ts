import { foldText, splitEntries } from './fold-text.ts';
import { EU_DATA_THEMES } from './vocabularies.ts';

/**
 * Portal theme labels, several to a line, by EU data-theme code. The first lines of each are the authority table's own labels (en, fr, es,
 * sv, de); the others are themes of Opendatasoft's standard list, of CKAN groups and of ISO 19115 topic categories,
 * each only where the authority table's scope notes leave no doubt. Tourism, for one, has no code of its own and is
 * left out.
 */
const LABELS: Readonly<Record<string, readonly string[]>> = {
  AGRI: [
    'Agriculture, fisheries, forestry and food',
    'Agriculture, pêche, sylviculture et alimentation',
    'Agricultura, pesca, silvicultura y alimentación',
    'Jordbruk, fiske, skogsbruk och livsmedel',
    'Landwirtschaft, Fischerei, Forstwirtschaft und Nahrungsmittel',
    'Agriculture | Agricultura | Jordbruk | Lantbruk | Landwirtschaft | Farming | Forestry | Fisheries',
    'Food | Alimentation | Alimentación | Livsmedel | Mat | Pêche | Pesca | Fiske | Fischerei',
    'Sylviculture | Forêt | Forêts | Skogsbruk | Forstwirtschaft | Medio rural | Agroalimentaire',
    'Medio rural y pesca | Nahrungsmittel | Silvicultura | Fishing | Viticulture | Restauration collective',
  ],
  ECON: [
    'Economy and finance',
    'Économie et finances',
    'Economía y finanzas',
    'Ekonomi och finans',
    'Wirtschaft und Finanzen',
    'Economy | Économie | Economía | Ekonomi | Wirtschaft | Finance | Finances | Finanzas | Finans',
    'Finanzen | Business | Entreprise | Entreprises | Empresa | Empresas | Näringsliv | Företag | SME',
    'PME | Économie locale | Economic development | Développement économique | Desarrollo económico',
    'Employment | Emploi | Empleo | Arbetsmarknad | Arbeit | Industry | Industrie | Industria | Commerce',
    'Comercio | Handel | Taxation | Fiscalité | Hacienda | Consommation | Industrie et services | Trade',
    'Economy, Business, SME, Economic development, Employment | Business and economy | Labour market | Jobs',
    'Economie, Entreprise, PME, Développement économique, Emploi | Näringsliv och arbete | Commerces',
    'Ekonomi, Näringsliv | Industria y comercio | Wirtschaft und Arbeit | Sysselsättning | Arbeit und Erwerb',
  ],
  EDUC: [
    'Education, culture and sport',
    'Éducation, culture et sport',
    'Educación, cultura y deportes',
    'Utbildning, kultur och sport',
    'Bildung, Kultur und Sport',
    'Education | Éducation | Educación | Utbildning | Bildung | Culture | Cultura | Kultur | Sport',
    'Sports | Deporte | Deportes | Idrott | Leisure | Loisirs | Ocio | Fritid | Freizeit | Heritage',
    'Patrimoine | Patrimonio | Kulturarv | Training | Formation | Formación | Enseignement | Teaching',
    'Schools | Écoles | Skola | Förskola | Schule | Libraries | Bibliothèques | Bibliotek | Museums',
    'Culture, Heritage | Culture, Patrimoine | Sports, Leisure | Sports, Loisirs | Sport et loisirs',
    'Education, Training, Research, Teaching | Education, Formation, Recherche, Enseignement | Jeunesse',
    'Cultura y ocio | Kultur och fritid | Culture and education | Barn och utbildning | Skola och utbildning',
    'Freizeit, Kunst und Kultur | Kultur und Freizeit | Kunst und Kultur | Arts | Arts and culture | Musées',
    'Équipements sportifs | Événements culturels | Vie scolaire | Enfance et éducation | Petite enfance',
  ],
  ENER: [
    'Energy | Énergie | Énergies | Energía | Energi | Energie | Electricity | Électricité | Electricidad',
    'Renewable energy | Énergies renouvelables | Elektricitet | Strom | Gas | Gaz | Heating | Fjärrvärme',
  ],
  ENVI: [
    'Environment | Environnement | Medio ambiente | Medioambiente | Miljö | Umwelt | Climate | Climat',
    'Clima | Klimat | Klima | Water | Eau | Agua | Vatten | Wasser | Waste | Déchets | Residuos',
    "Avfall | Abfall | Air quality | Qualité de l'air | Calidad del aire | Luftkvalitet | Biodiversity",
    'Biodiversité | Biodiversidad | Biologisk mångfald | Nature | Naturaleza | Natur | Noise | Bruit',
    'Sustainability | Développement durable | Sostenibilidad | Sustentabilidad | Hållbarhet | Pollution',
    'Inland waters | Biota | Climatology meteorology atmosphere | Environmental Protection | Espaces verts',
    'Parks and green spaces | Miljö och klimat | Umwelt und Klima | Natur och miljö | Environnement urbain',
    'Environmental monitoring facilities | Water and sewer | Miljö och natur | Gestion des déchets | Air',
    'Eau et assainissement | Nature en ville | Végétation | Parcs et jardins | Oceans | Propreté | Climate change',
  ],
  GOVE: [
    'Government and public sector',
    'Gouvernement et secteur public',
    'Gobierno y sector público',
    'Regeringen och den offentliga sektorn',
    'Regierung und öffentlicher Sektor',
    'Government | Gouvernement | Gobierno | Administration | Administración | Administración pública',
    'Förvaltning | Verwaltung | Public administration | Administration publique | Offentlig förvaltning',
    'Public finances | Finances publiques | Finanzas públicas | Citizenship | Citoyenneté | Ciudadanía',
    'Public sector | Secteur public | Sector público | Offentlig sektor | Politics | Politique | Politik',
    'Elections | Élections | Elecciones | Val | Wahlen | Democracy | Démocratie | Democracia | Demokrati',
    'Transparency | Transparence | Transparencia | Budget | Presupuesto | Kommun och politik | Vie municipale',
    'Administration, Government, Public finances, Citizenship | Marchés publics | Public procurement',
    "Administration, Gouvernement, Finances publiques, Citoyenneté | Comptes publics | Budget de l'État",
    'Government and finance | Kommun och demokrati | Délibérations | Subventions | Upphandling',
    'Öffentliche Verwaltung',
    'Politik und Wahlen | Participation citoyenne | Vie citoyenne | Vie publique | Action publique | Council',
  ],
  HEAL: [
    'Health | Santé | Salud | Hälsa | Gesundheit | Public health | Santé publique | Salud pública',
    'Folkhälsa | Vård | Hälsa och sjukvård | Hälsa och vård | Health care | Healthcare | Sjukvård | Sanidad',
    'Vård och omsorg | Health and care | Covid-19',
  ],
  INTR: [
    'International issues',
    'Questions internationales',
    'Asuntos internacionales',
    'Internationella frågor',
    'Internationale Themen',
    'International | International relations | Relations internationales | Relaciones internacionales',
  ],
  JUST: [
    'Justice, legal system and public safety',
    'Justice, système juridique et sécurité publique',
    'Justicia, sistema judicial y seguridad pública',
    'Rättvisa, rättsliga system och allmän säkerhet',
    'Justiz, Rechtssystem und öffentliche Sicherheit',
    'Justice | Justicia | Rättsväsen | Justiz | Safety | Sécurité | Seguridad | Säkerhet | Sicherheit',
    'Public safety | Sécurité publique | Seguridad pública | Police | Polis | Policía | Polizei | Crime',
    'Criminalité | Brott | Law | Droit | Recht | Legislación y justicia | Seguridad ciudadana',
    'Justice, Safety, Police, Crime | Justice, Sécurité, Police, Criminalité | Trygghet och säkerhet | Trygghet',
    'Justicia y seguridad | Secours | Crime and community safety | Räddningstjänst | Prévention des risques',
  ],
  REGI: [
    'Regions and cities',
    'Régions et villes',
    'Regiones y ciudades',
    'Regioner och städer',
    'Regionen und Städte',
    'Urban planning | Town planning | Spatial planning | Urbanisme | Urbanismo | Desarrollo urbano',
    'Stadsplanering | Samhällsplanering | Stadtplanung | Stadtentwicklung | Aménagement | Housing | Logement',
    'Vivienda | Bostäder | Boende | Wohnen | Habitat | Buildings | Bâtiments | Byggnader | Equipment',
    'Équipements | Équipement | Aménagement du territoire | Territoire | Territorio | Ordenación del territorio',
    'Boundaries | Planning cadastre | Cadastre | Fysisk planering | Limites administratives | Geography',
    'Spatial planning, Town planning, Buildings, Equipment, Housing | Référentiels géographiques | Geospatial',
    'Aménagement du territoire, Urbanisme, Bâtiments, Equipements, Logement | Urbanismo e infraestructuras',
    'Bygga och bo | Bygga, bo och miljö | Planning | Property and development | Geografi | Bauen und Wohnen',
    'Kartor | Kartor och geografi | Geografía | Géographie | Cartographie | Geographie | Espace public',
    'Raum und Umwelt | Location | Geodata | Structure | Cities | Villes | Städer | Planning and development',
  ],
  SOCI: [
    'Population and society',
    'Population et société',
    'Población y sociedad',
    'Befolkning och samhälle',
    'Bevölkerung und Gesellschaft',
    'Population | Población | Befolkning | Bevölkerung | Society | Société | Sociedad | Samhälle',
    'Gesellschaft | Demography | Démographie | Demografía | Demografi | Demographie | Demographics',
    'Social | Social services | Services sociaux | Servicios sociales | Sociala tjänster | Soziales',
    'Services, Social | Sociedad y bienestar | Solidarité | Solidarités | Action sociale | Inclusión | Census',
    'Desarrollo social | Inclusión social | Socialt | Stöd och omsorg | Handicap | Deprivation | Family',
    'Communities | Community | Vie associative | Associations | Familia | Famille | Población y vivienda INEGI',
  ],
  TECH: [
    'Science and technology',
    'Science et technologie',
    'Ciencia y tecnología',
    'Vetenskap och teknik',
    'Wissenschaft und Technologie',
    'Science | Sciences | Ciencia | Vetenskap | Wissenschaft | Technology | Technologie | Technologies',
    'Tecnología | Teknik | Research | Recherche | Investigación | Forskning | Forschung | Innovation',
    'Innovación | Numérique | Digital | Telecommunications | Télécommunications | Telecomunicaciones | IT',
    'Tecnología e innovación | Digitalisering | Réseaux numériques | Information technology',
  ],
  TRAN: [
    'Transport | Transports | Transporte | Transportes | Trafik | Verkehr | Mobility | Mobilité | Mobilités',
    'Movilidad | Mobilitet | Mobilität | Transportation | Déplacements | Déplacement | Movements | Traffic',
    'Public transport | Transports en commun | Transport en commun | Transporte público | Kollektivtrafik',
    'Transports, Déplacements | Transport, Movements | Parking | Stationnement | Estacionamiento | Parkering',
    'Parken | Cycling | Vélo | Vélos | Cykel | Voirie | Roads | Routes | Vägar | Gator och trafik',
    'Roads and transport',
    'Trafik och gator | Trafik och resor | Streets and transportation | Circulation | Vialidad | Tránsito',
    'Trafik och infrastruktur | Transport och resor | Transport et mobilité | Straßen | Covoiturage | Tráfico',
    'Mobilité et transports | Transport and infrastructure | Resor | Resor och trafik | Movilidad urbana',
  ],
};

const CODES = new Map<string, ReadonlySet<string>>();
for (const [code, labels] of Object.entries(LABELS))
  for (const label of [code, ...splitEntries(labels)]) {
    const key = foldText(label);
    CODES.set(key, new Set([...(CODES.get(key) ?? []), code]));
  }

/** Addresses of themes whose last step is a word of the table above, without scheme and `www.`. */
const VOCABULARIES = [
  'datos.gob.es/kos/sector-publico/sector/',
  'inspire.ec.europa.eu/metadata-codelist/topiccategory/',
];
const EU_AUTHORITY = 'publications.europa.eu/resource/authority/data-theme/';
/** Characters. A label beyond it is a sentence. */
const LONGEST_LABEL = 300;

/** Where one label names several themes: "Culture et patrimoine", "Energie & Umwelt", "Transports, Déplacements". */
const CONJUNCTION = /\s*(?:[,;/&+|]|(?<!\p{L})(?:et|and|och|und|y|e)(?!\p{L}))\s*/iu;

function codesOf(label: string): readonly string[] {
  const whole = CODES.get(foldText(label));
  if (whole !== undefined) return [...whole];
  const parts = label.split(CONJUNCTION).filter((part) => part.trim() !== '');
  if (parts.length < 2) return [];
  const found = parts.map((part) => CODES.get(foldText(part)));
  // A label with one unknown part means something the table does not know.
  return found.every((codes) => codes !== undefined) ? found.flatMap((codes) => [...codes]) : [];
}

/**
 * EU data-theme codes for a portal's theme labels: IRIs of the authority table, its codes, and labels in French,
 * English, Swedish, Spanish and German whatever their case and accents. A label may give several codes, and gives none
 * when any part of it is unknown. Sorted by code, each once. Never throws.
 */
export function toEuThemes(labels: readonly string[]): readonly string[] {
  const codes = new Set<string>();
  for (const label of labels) {
    if (label.length > LONGEST_LABEL) continue;
    const address = label.trim().replace(/^https?:\/\/(www\.)?/i, '');
    const lower = address.toLowerCase();
    if (lower.startsWith(EU_AUTHORITY)) {
      const code = address.slice(EU_AUTHORITY.length).toUpperCase();
      if (EU_DATA_THEMES.has(code)) codes.add(code);
      continue;
    }
    const base = VOCABULARIES.find((start) => lower.startsWith(start));
    const words = base === undefined ? label : address.slice(base.length).replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ');
    for (const code of codesOf(words)) codes.add(code);
  }
  return [...codes].toSorted();
}
