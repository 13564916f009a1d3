import { foldText, splitEntries } from './fold-text.ts';
import { EU_FREQUENCIES } from './vocabularies.ts';

/**
 * Words of portals, several to a line, by EU frequency code: udata identifiers (camelCase), Dublin Core's purl.org/cld/freq, ISO 19115
 * maintenance codes, SDMX codes, and plain words in English, French, Spanish, Swedish and German. "Biweekly" and
 * "bimonthly" mean every second week and month, as in both vocabularies that define them.
 */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  UPDATE_CONT: [
    'continuous | continuously | continual | continually | realtime | real time | live | near real time',
    'continu | en continu | temps réel | en temps réel | tiempo real | en tiempo real | continuo | continua',
    'kontinuerlig | kontinuerligt | löpande | realtid | kontinuierlich | laufend | fortlaufend | Echtzeit',
  ],
  CONT: [
    'severalTimesADay',
    'fourTimesADay',
    'several times per day',
    'plusieurs fois par jour',
    'flera gånger per dag',
  ],
  '1MIN': ['oneMinute', 'every minute', '1 minute', 'toutes les minutes', 'cada minuto', 'varje minut'],
  '5MIN': ['fiveMinutes', '5 minutes', 'every 5 minutes', 'toutes les 5 minutes', 'cada 5 minutos', 'var 5 minut'],
  '10MIN': ['tenMinutes', '10 minutes', 'every 10 minutes', 'toutes les 10 minutes', 'cada 10 minutos', 'var 10 minut'],
  '15MIN': [
    'fifteenMinutes | 15 minutes | every 15 minutes | toutes les 15 minutes | cada 15 minutos',
    "var 15 minut | varje kvart | tous les quarts d'heure",
  ],
  '30MIN': ['thirtyMinutes', '30 minutes', 'every 30 minutes', 'toutes les 30 minutes', 'cada 30 minutos'],
  HOURLY: [
    'hourly | every hour | 1 hour | horaire | toutes les heures | chaque heure | cada hora | por hora',
    'varje timme | timvis | stündlich',
  ],
  BIHOURLY: ['every two hours', 'every 2 hours', 'toutes les 2 heures', 'toutes les deux heures', 'cada 2 horas'],
  TRIHOURLY: ['every three hours', 'every 3 hours', 'toutes les 3 heures', 'toutes les trois heures', 'cada 3 horas'],
  '12HRS': ['twelveHours', 'every 12 hours', 'every twelve hours', 'toutes les 12 heures', 'cada 12 horas'],
  DAILY: [
    'daily | every day | quotidien | quotidienne | quotidiennement | journalier | journalière',
    'tous les jours | chaque jour | diario | diaria | diariamente | cada día | dagligen | daglig | dagligt',
    'varje dag | täglich',
  ],
  DAILY_2: [
    'semidaily',
    'twice a day',
    'two times a day',
    'deux fois par jour',
    'dos veces al día',
    'två gånger per dag',
  ],
  DAILY_3: ['threeTimesADay', 'trois fois par jour', 'tres veces al día', 'tre gånger per dag'],
  WEEKLY: [
    'weekly | every week | hebdomadaire | hebdomadairement | toutes les semaines | chaque semaine | semanal',
    'semanalmente | cada semana | veckovis | varje vecka | en gång i veckan | wöchentlich',
  ],
  WEEKLY_2: ['semiweekly', 'twice a week', 'two times a week', 'bihebdomadaire', 'deux fois par semaine'],
  WEEKLY_3: ['threeTimesAWeek', 'trois fois par semaine', 'tres veces por semana'],
  WEEKLY_5: ['fiveTimesAWeek', 'cinq fois par semaine', 'every working day', 'working days', 'vardagar'],
  BIWEEKLY: [
    'biweekly | fortnightly | fortnighly | every two weeks | every 2 weeks | every second week',
    'toutes les deux semaines | tous les quinze jours | cada dos semanas | catorcenal | varannan vecka',
    'zweiwöchentlich | vierzehntäglich | alle zwei Wochen',
  ],
  MONTHLY: [
    'monthly | every month | mensuel | mensuelle | mensuellement | tous les mois | chaque mois | mensual',
    'mensualmente | cada mes | månadsvis | månatligen | varje månad | monatlich',
  ],
  // A quincena is half a month: the 15th and the last day.
  MONTHLY_2: ['semimonthly', 'twice a month', 'bimensuel', 'bimensuelle', 'deux fois par mois', 'quincenal'],
  MONTHLY_3: ['threeTimesAMonth', 'trois fois par mois'],
  BIMONTHLY: [
    'bimonthly | every two months | every 2 months | bimestriel | bimestrielle | tous les deux mois',
    'bimestral | cada dos meses | varannan månad | zweimonatlich',
  ],
  QUARTERLY: [
    'quarterly | every quarter | every three months | every 3 months | trimestriel | trimestrielle',
    'tous les trois mois | trimestral | cada tres meses | kvartalsvis | varje kvartal | vierteljährlich',
    'quartalsweise | tous les trimestres',
  ],
  ANNUAL_3: ['threeTimesAYear', 'quadrimestriel', 'quadrimestrielle', 'cuatrimestral', 'trois fois par an'],
  ANNUAL_2: [
    'semiannual | semiannually | biannual | biannually | half yearly | twice a year | every six months',
    'every 6 months | six monthly | semestriel | semestrielle | tous les six mois | deux fois par an',
    'semestral | cada seis meses | halvårsvis | varje halvår | två gånger per år | halbjährlich',
  ],
  ANNUAL: [
    'annual | annually | yearly | every year | once a year | annuel | annuelle | annuellement | tous les ans',
    'chaque année | une fois par an | anual | anualmente | cada año | årlig | årligen | årligt | årsvis',
    'varje år | en gång per år | jährlich',
  ],
  BIENNIAL: [
    'biennial | biennially | every two years | every 2 years | biennal | biennale | tous les deux ans',
    'bienal | cada dos años | vartannat år | alle zwei Jahre | zweijährlich',
  ],
  TRIENNIAL: [
    'triennial | every three years | triennal | triennale | tous les trois ans | trienal | cada tres años',
    'vart tredje år | alle drei Jahre',
  ],
  QUADRENNIAL: [
    'quadrennial',
    'every four years',
    'quadriennal',
    'tous les quatre ans',
    'cuatrienal',
    'vart fjärde år',
  ],
  QUINQUENNIAL: [
    'quinquennial | every five years | quinquennal | tous les cinq ans | quinquenal | cada cinco años',
    'vart femte år | alle fünf Jahre',
  ],
  DECENNIAL: ['decennial', 'every ten years', 'décennal', 'décennale', 'tous les dix ans', 'decenal', 'vart tionde år'],
  BIDECENNIAL: ['every twenty years', 'tous les vingt ans'],
  TRIDECENNIAL: ['every thirty years', 'tous les trente ans'],
  AS_NEEDED: [
    'punctual | asNeeded | on demand | on request | ad hoc | when needed | if required | as required',
    'ponctuel | ponctuelle | ponctuellement | à la demande | au besoin | si besoin | según necesidad',
    'cuando sea necesario | a demanda | bajo demanda | vid behov | bei Bedarf',
  ],
  IRREG: [
    'irregular | irregularly | irrégulier | irrégulière | irregulière | irregularmente | oregelbunden',
    'oregelbundet | oregelbunda | unregelmäßig | eventual | esporádico',
  ],
  NEVER: ['never', 'jamais', 'nunca', 'aldrig', 'nie', 'niemals', 'histórico', 'no longer updated', 'uppdateras ej'],
  NOT_PLANNED: [
    'notPlanned',
    'none planned',
    'non planifié',
    'non planifiée',
    'no planificado',
    'ej planerad',
    'nicht geplant',
  ],
  OTHER: ['other', 'fourTimesAWeek', 'autre', 'otro', 'otra', 'annan', 'annat', 'andere'],
  UNKNOWN: ['unknown', 'inconnu', 'inconnue', 'desconocido', 'desconocida', 'okänd', 'okänt', 'unbekannt'],
};

/** Words run together, so that `threeTimesAWeek`, `three times a week` and `three-times-a-week` are one. */
const key = (text: string): string => foldText(text).replaceAll(/[ .]/g, '');

const CODES: ReadonlyMap<string, string> = new Map([
  ...[...EU_FREQUENCIES].map((code) => [key(code), code] as const),
  ...Object.entries(WORDS).flatMap(([code, words]) => splitEntries(words).map((word) => [key(word), code] as const)),
]);

/** ISO 8601 durations as DCAT-US and Andino portals write them (`R/P1Y`). */
const DURATIONS: Readonly<Record<string, string>> = {
  PT1S: 'UPDATE_CONT',
  PT1M: '1MIN',
  PT5M: '5MIN',
  PT10M: '10MIN',
  PT15M: '15MIN',
  PT30M: '30MIN',
  PT1H: 'HOURLY',
  PT60M: 'HOURLY',
  PT2H: 'BIHOURLY',
  PT3H: 'TRIHOURLY',
  PT12H: '12HRS',
  PT24H: 'DAILY',
  P1D: 'DAILY',
  'P0.5D': 'DAILY_2',
  'P0.33D': 'DAILY_3',
  P7D: 'WEEKLY',
  P1W: 'WEEKLY',
  'P3.5D': 'WEEKLY_2',
  'P0.5W': 'WEEKLY_2',
  'P0.33W': 'WEEKLY_3',
  P14D: 'BIWEEKLY',
  P2W: 'BIWEEKLY',
  P1M: 'MONTHLY',
  'P0.5M': 'MONTHLY_2',
  'P0.33M': 'MONTHLY_3',
  P2M: 'BIMONTHLY',
  P3M: 'QUARTERLY',
  P4M: 'ANNUAL_3',
  P6M: 'ANNUAL_2',
  P12M: 'ANNUAL',
  P1Y: 'ANNUAL',
  P2Y: 'BIENNIAL',
  P3Y: 'TRIENNIAL',
  P4Y: 'QUADRENNIAL',
  P5Y: 'QUINQUENNIAL',
  P10Y: 'DECENNIAL',
  P20Y: 'BIDECENNIAL',
  P30Y: 'TRIDECENNIAL',
};
const REPEATING = /^R\d{0,4}\/(?:\d{4}[\dTZ:.+-]{0,30}\/)?(P[\dA-Z.]{2,12})$/i;

/** SDMX frequency codes. */
const SDMX: Readonly<Record<string, string>> = {
  A: 'ANNUAL',
  S: 'ANNUAL_2',
  Q: 'QUARTERLY',
  M: 'MONTHLY',
  W: 'WEEKLY',
  D: 'DAILY',
  H: 'HOURLY',
};
const SDMX_ADDRESS = /^purl\.org\/linked-data\/sdmx\/2009\/code#freq-([A-Z])$/i;

const EU_AUTHORITY = 'publications.europa.eu/resource/authority/frequency/';
/** Addresses whose last step is a word of the table above, without scheme and `www.`, in lower case. */
const VOCABULARIES = [
  'purl.org/cld/freq/',
  'inspire.ec.europa.eu/metadata-codelist/maintenancefrequency/',
  'standards.iso.org/iso/19139/resources/gmxcodelists.xml#md_maintenancefrequencycode_',
];
/** Characters. A text beyond it is a sentence, not a frequency. */
const LONGEST = 200;

/**
 * EU frequency code for what a portal says about updates: IRIs of the EU authority table and of Dublin Core, codes of
 * the EU table, udata and ISO 19115, repeating intervals, words in English, French, Spanish, Swedish and German.
 * Null for anything else, "does not apply" included. Never throws.
 */
export function toEuFrequency(raw: string | null): string | null {
  if (raw === null || raw.length > LONGEST) return null;
  const text = raw.trim();
  const duration = REPEATING.exec(text)?.[1]?.toUpperCase();
  if (duration !== undefined) return Object.hasOwn(DURATIONS, duration) ? (DURATIONS[duration] ?? null) : null;
  const address = text.replace(/^https?:\/\/(www\.)?/i, '');
  if (address === text) return CODES.get(key(text)) ?? null;
  const lower = address.toLowerCase();
  if (lower.startsWith(EU_AUTHORITY)) {
    const code = address.slice(EU_AUTHORITY.length).toUpperCase();
    return EU_FREQUENCIES.has(code) ? code : null;
  }
  const sdmx = SDMX_ADDRESS.exec(address)?.[1]?.toUpperCase();
  if (sdmx !== undefined) return Object.hasOwn(SDMX, sdmx) ? (SDMX[sdmx] ?? null) : null;
  const base = VOCABULARIES.find((start) => lower.startsWith(start));
  return base === undefined ? null : (CODES.get(key(address.slice(base.length))) ?? null);
}
