import type { OpendatasoftDataset } from '../opendatasoft/opendatasoft-dataset.ts';
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

const CENTER = { lon: 20.263, lat: 63.8258 };
const KOMMUN = 'Umeå kommun';
const AREAS = [
  'Ålidhem',
  'Ersboda',
  'Haga',
  'Teg',
  'Öst på stan',
  'Mariehem',
  'Böleäng',
  'Tomtebo',
  'Röbäck',
  'Sävar',
  'Holmsund',
  'Hörnefors',
] as const;

function dataset(
  id: string,
  title: string,
  text: string,
  theme: readonly string[] | null,
  keyword: readonly string[] | null,
  rest: Partial<OpendatasoftDataset>,
): OpendatasoftDataset {
  return {
    id,
    title,
    description: `<p>${text}</p><p>Källa:&nbsp;${KOMMUN}.</p>`,
    theme,
    keyword,
    publisher: KOMMUN,
    license: 'CC0',
    licenseUrl: 'https://creativecommons.org/publicdomain/zero/1.0/',
    ...rest,
  };
}

const point = field('geo_point_2d', 'geo_point_2d', 'Geo Point');
const area = (index: number): string => cycle(AREAS, index * 5 + (index >> 3));

/** Places with a name and an area: the form of most of the city's point datasets. */
function places(seed: number, size: number, noun: string): () => Readonly<Record<string, unknown>>[] {
  return () => {
    const random = createRandom(seed);
    return times(size, (index) => ({
      namn: index % 21 === 20 ? null : `${area(index)}s ${noun}${index >= AREAS.length ? ` ${index}` : ''}`,
      omrade: area(index),
      geo_point_2d: placeNear(random, CENTER, 0.15),
    }));
  };
}
const placeFields = [
  field('namn', 'text', 'Namn', { sortable: true }),
  field('omrade', 'text', 'Område', FACET),
  point,
];

const TRAFIK = ['Trafik'];

export const UMEA_DATASETS: readonly OpendatasoftDataset[] = [
  dataset(
    'cykelstationer-umea',
    'Lånecyklar: stationer och lediga cyklar',
    'Stationer för lånecyklar (UmeBike) med antal lediga cyklar i realtid.',
    TRAFIK,
    ['cykel', 'lånecykel', 'bike', 'velo', 'realtid'],
    {
      modified: '2026-10-05T08:29:30+00:00',
      fields: [
        field('station_id', 'text', 'Stations-id', { id: true }),
        field('stationsnamn', 'text', 'Stationsnamn', { sortable: true }),
        field('omrade', 'text', 'Område', FACET),
        field('kapacitet', 'int', 'Kapacitet'),
        field('lediga_cyklar', 'int', 'Lediga cyklar'),
        field('lediga_stall', 'int', 'Lediga ställ'),
        field('aktiv', 'boolean', 'Aktiv', FACET),
        field('uppdaterad', 'datetime', 'Uppdaterad'),
        field('position', 'geo_point_2d', 'Position'),
      ],
      records: () => {
        const random = createRandom(901);
        return times(46, (index) => {
          const capacity = random.int(8, 24);
          const isActive = index % 15 !== 14;
          const bikes = isActive ? random.int(0, capacity) : null;
          return {
            station_id: `UME${String(index + 1).padStart(3, '0')}`,
            stationsnamn: `${area(index)} ${cycle(['centrum', 'skola', 'campus', 'station'], index)}`,
            omrade: area(index),
            kapacitet: capacity,
            lediga_cyklar: bikes,
            lediga_stall: bikes === null ? null : capacity - bikes,
            aktiv: isActive,
            uppdaterad: instantBefore(index % 4),
            position: placeNear(random, CENTER, 0.06),
          };
        });
      },
    },
  ),
  dataset(
    'laddplatser',
    'Laddplatser för elfordon',
    'Publika laddstationer för elbilar.',
    [...TRAFIK, 'Energi'],
    ['elbil', 'laddning', 'energi'],
    {
      modified: '2026-10-04T03:00:00+00:00',
      fields: [
        field('name', 'text', 'Namn'),
        field('street', 'text', 'Gata'),
        field('house_number', 'text', 'Nummer'),
        field('zipcode', 'text', 'Postnummer', OLD_FACET),
        field('city', 'text', 'Ort', OLD_FACET),
        field('owned_by', 'text', 'Ägare'),
        field('operator', 'text', 'Operatör', OLD_FACET),
        field('number_charging_points', 'int', 'Antal laddpunkter'),
        field('available_charging_points', 'int', 'Lediga laddpunkter'),
        field('position', 'geo_point_2d', 'Position'),
      ],
      records: () => {
        const random = createRandom(902);
        return times(58, (index) => {
          const all = random.int(1, 12);
          return {
            name: `Laddplats ${area(index)}`,
            street: cycle(['Storgatan', 'Kungsgatan', 'Västra Esplanaden', 'Ö. Kyrkogatan'], index),
            house_number: index % 8 === 0 ? null : String(index + 1),
            zipcode: `90${300 + (index % 60)}`,
            city: index % 6 === 0 ? 'Sävar' : 'Umeå',
            owned_by: cycle(['Umeå Energi', 'UPAB', null], index),
            operator: cycle(['Bee', 'Umeå Energi', 'Mer'], index),
            number_charging_points: all,
            available_charging_points: index % 10 === 7 ? null : random.int(0, all),
            position: placeNear(random, CENTER, 0.1),
          };
        });
      },
    },
  ),
  dataset(
    'umea-transportation-emissions-google-data',
    'Umeå Transportation Emissions (Google data)',
    'Estimated emissions from transportation by mode and year.',
    ['Transport', 'Environment'],
    ['emissions', 'transport'],
    {
      modified: '2026-01-21T10:11:12+00:00',
      fields: [
        field('year', 'date', 'Year', { timeserie_precision: 'year', facet: true }),
        field('mode', 'text', 'Mode', FACET),
        field('travel_bounds', 'text', 'Bounds', FACET),
        field('trips', 'int', 'Trips'),
        field('co2e_tonnes', 'double', 'Tonnes of CO2e', { unit: 't', decimals: 1 }),
      ],
      records: times(94, (index) => ({
        year: String(2018 + (index % 6)),
        mode: cycle(['AUTOMOBILE', 'BUS', 'CYCLING', 'ON FOOT', 'RAIL', 'FERRY'], Math.floor(index / 6)),
        travel_bounds: cycle(['INBOUND', 'OUTBOUND', 'IN-BOUNDARY'], index),
        trips: index % 20 === 19 ? null : 10_000 + index * 7777,
        co2e_tonnes: index % 12 === 11 ? null : Math.round(index * 137.31) / 10,
      })),
    },
  ),
  dataset('roads_umea', 'Vägar i Umeå', 'Vägnätet med hastighetsgräns.', TRAFIK, ['väg', 'hastighet'], {
    fields: [
      field('roadid', 'int', 'Väg-id'),
      field('namn', 'text', 'Namn', V1_FACET),
      field('hastighet', 'int', 'Hastighet', [{ name: 'unit', args: ['km/h'] }]),
      field('geo_shape', 'geo_shape', 'Geo Shape'),
    ],
    records: () => {
      const random = createRandom(903);
      return times(260, (index) => ({
        roadid: index + 1,
        namn: index % 9 === 0 ? null : `${area(index)}vägen`,
        hastighet: random.pick([30, 40, 50, 60, 70, null]),
        geo_shape: index % 33 === 4 ? null : lineFeature(random, placeNear(random, CENTER, 0.12), random.int(2, 5)),
      }));
    },
  }),
  dataset('parkeringsplatser', 'Parkeringsplatser', 'Kommunala parkeringar och taxor.', TRAFIK, ['parkering'], {
    fields: [...placeFields, field('platser', 'int', 'Platser'), field('taxa', 'double', 'Taxa', { unit: 'kr/h' })],
    records: () =>
      places(904, 74, 'parkering')().map((row, index) => ({
        ...row,
        platser: 10 + index,
        taxa: index % 4 === 0 ? null : 5 + (index % 5) * 2.5,
      })),
  }),
  dataset('cykelvagar', 'Cykelvägar', 'Gång- och cykelvägar.', TRAFIK, ['cykel', 'cykelväg', 'velo'], {
    license: 'CC BY 3.0',
    licenseUrl: 'https://creativecommons.org/licenses/by/3.0/',
    fields: [
      field('strackning', 'text', 'Sträckning'),
      field('langd_m', 'double', 'Längd', { unit: 'm' }),
      field('geo_shape', 'geo_shape', 'Geo Shape'),
    ],
    records: () => {
      const random = createRandom(905);
      return times(140, (index) => ({
        strackning: `${area(index)} – ${area(index + 1)}`,
        langd_m: random.int(200, 4000) / 2,
        geo_shape: lineFeature(random, placeNear(random, CENTER, 0.1), 5),
      }));
    },
  }),
  dataset('cykelrakning', 'Cykelräkning', 'Antal cyklister per dag och mätpunkt.', TRAFIK, ['cykel', 'räkning'], {
    fields: [
      field('datum', 'date', 'Datum', FACET),
      field('matpunkt', 'text', 'Mätpunkt', FACET),
      field('antal', 'int', 'Antal'),
    ],
    records: times(1200, (index) => ({
      datum: dayAt(Math.floor(index / 4)),
      matpunkt: cycle(['Tegsbron', 'Kyrkbron', 'Universitetet', 'Ersboda'], index),
      antal: index % 57 === 50 ? null : (index * 7919) % 2400,
    })),
  }),
  dataset('busshallplatser', 'Busshållplatser', 'Hållplatser för Ultra.', TRAFIK, ['buss', 'kollektivtrafik'], {
    fields: placeFields,
    records: places(906, 310, 'hållplats'),
  }),
  dataset('trafikfloden', 'Trafikflöden', 'Uppmätt årsdygnstrafik.', TRAFIK, ['trafik', 'flöde'], {
    fields: [
      field('gata', 'text', 'Gata'),
      field('ar', 'date', 'År', { facet: true, timeserie_precision: 'year' }),
      field('adt', 'int', 'ÅDT'),
    ],
    records: times(180, (index) => ({
      gata: `${area(index)}vägen`,
      ar: String(2015 + (index % 10)),
      adt: index % 17 === 0 ? null : 500 + index * 83,
    })),
  }),
  dataset('farthinder', 'Farthinder', 'Gupp och avsmalningar.', TRAFIK, ['trafiksäkerhet'], {
    fields: placeFields,
    records: places(907, 120, 'farthinder'),
  }),
  dataset('snorojning', 'Snöröjning i realtid', 'Plogade sträckor.', TRAFIK, ['snö', 'vinter'], {
    dataVisible: false,
    fields: [field('strackning', 'text'), field('plogad', 'datetime')],
    records: times(10, (index) => ({ strackning: area(index), plogad: instantBefore(index * 60) })),
  }),
  dataset('gop_lekparker', 'Lekparker', 'Kommunens lekparker.', ['Kultur och fritid'], ['lekpark', 'barn'], {
    modified: '2026-04-22T06:00:00+00:00',
    fields: placeFields,
    records: places(908, 132, 'lekpark'),
  }),
  dataset(
    'badplatser',
    'Badplatser',
    'Badplatser och deras tillgänglighet.',
    ['Kultur och fritid'],
    ['bad', 'sommar'],
    {
      fields: [...placeFields, field('typ', 'text', 'Typ', FACET), field('handik_anp', 'text', 'Handikappanpassad')],
      records: () =>
        places(909, 37, 'badplats')().map((row, index) => ({
          ...row,
          typ: cycle(['EU-bad', 'Övrigt bad'], index),
          handik_anp: cycle(['Ja', 'Nej', null], index),
        })),
    },
  ),
  dataset('vandringsleder', 'Vandringsleder', 'Leder och delsträckor.', ['Kultur och fritid'], ['vandring', 'led'], {
    fields: [
      field('namn', 'text', 'Namn'),
      field('delstracka', 'text', 'Delsträcka'),
      field('kommun', 'text', 'Kommun', FACET),
      field('klass', 'text', 'Klass'),
      field('langd', 'double', 'Längd', { unit: 'km' }),
      field('geo_shape', 'geo_shape', 'Geo Shape'),
    ],
    records: () => {
      const random = createRandom(910);
      return times(48, (index) => ({
        namn: cycle(['Isälvsleden', 'Tavelsjöleden', 'Kustleden'], index),
        delstracka: `Etapp ${index + 1}`,
        kommun: cycle(['Umeå', 'Vännäs', 'Robertsfors'], index),
        klass: index % 5 === 0 ? null : cycle(['Lätt', 'Medel', 'Svår'], index),
        langd: random.int(10, 180) / 10,
        geo_shape: index % 11 === 5 ? null : lineFeature(random, placeNear(random, CENTER, 0.3), 4),
      }));
    },
  }),
  dataset('wifi-hotspots', 'Wifi-hotspots', 'Kommunens öppna trådlösa nät.', ['Samhälle'], ['wifi', 'internet'], {
    fields: [field('popularnamn', 'text', 'Populärnamn'), field('koordinat', 'geo_point_2d', 'Koordinat')],
    records: () =>
      places(911, 90, 'wifi')().map((row, index) => ({
        popularnamn: row['namn'],
        koordinat: index % 30 === 29 ? null : row['geo_point_2d'],
      })),
  }),
  dataset(
    'bygglov-beslut',
    'Bygglov: beslut',
    'Beslut i bygglovsärenden, uppdateras dagligen.',
    ['Bygg och bo'],
    ['bygglov', 'beslut'],
    {
      modified: '2026-10-05T01:15:00+00:00',
      metas: {
        dcat: { accrualperiodicity: 'http://publications.europa.eu/resource/authority/frequency/DAILY' },
        default: { update_frequency: 'DAILY' },
      },
      fields: [
        field('arendebeskrivning', 'text', 'Ärendebeskrivning'),
        field('arendetyp', 'text', 'Ärendetyp', FACET),
        field('beslut', 'text', 'Beslut', FACET),
        field('beslutsdatum', 'date', 'Beslutsdatum', FACET),
        field('registreringsdatum', 'date', 'Registreringsdatum'),
        field('beslutstyp', 'text', 'Beslutstyp', FACET),
      ],
      records: () => {
        const random = createRandom(912);
        return times(1500, (index) => ({
          arendebeskrivning: `Nybyggnad av ${random.pick(['enbostadshus', 'garage', 'carport', 'flerbostadshus'])} på fastigheten ${area(index)} ${index}:${index % 9}`,
          arendetyp: random.pick(['Bygglov', 'Anmälan', 'Förhandsbesked']),
          beslut: random.pick(['Bevilja', 'Avslag', 'Avskriva', 'Bevilja']),
          beslutsdatum: random.chance(0.04) ? null : dayAt(900 - Math.floor(index / 2)),
          registreringsdatum: dayAt(880 - Math.floor(index / 2)),
          beslutstyp: random.pick(['Delegation', 'Nämnd']),
        }));
      },
    },
  ),
  dataset('bygglov-inkomna-arenden', 'Bygglov: inkomna ärenden', 'Inkomna ärenden.', ['Bygg och bo'], ['bygglov'], {
    fields: [
      field('arendetyp', 'text', 'Ärendetyp', FACET),
      field('inkommen', 'datetime', 'Inkommen'),
      field('diarienummer', 'text', 'Diarienummer'),
    ],
    records: times(640, (index) => ({
      arendetyp: cycle(['Bygglov', 'Anmälan'], index),
      inkommen: instantBefore(index * 91),
      diarienummer: `BN-2026/${String(index).padStart(5, '0')}`,
    })),
  }),
  dataset(
    'vaxthusgasutslapp_umea',
    'Växthusgasutsläpp i Umeå',
    'Utsläpp per sektor och år.',
    ['Miljö', 'Energi'],
    ['klimat', 'utsläpp', 'energi'],
    {
      fields: [
        field('artal', 'date', 'Årtal', { facet: true, timeserie_precision: 'year' }),
        field('huvudsektor', 'text', 'Huvudsektor', { facet: true, disjunctive: true }),
        field('undersektor', 'text', 'Undersektor', FACET),
        field('utslapp', 'double', 'Utsläpp', { unit: 'ton CO2e', decimals: 2 }),
      ],
      records: times(252, (index) => ({
        artal: String(2010 + (index % 14)),
        huvudsektor: cycle(
          ['Alla', 'Transporter', 'Industri', 'Jordbruk', 'Uppvärmning', 'Avfall'],
          Math.floor(index / 14),
        ),
        undersektor: cycle(['Alla', 'Personbilar', 'Bussar'], Math.floor(index / 84)),
        utslapp: index % 23 === 22 ? null : Math.round(100_000 * Math.abs(Math.sin(index + 1))) / 100,
      })),
    },
  ),
  dataset(
    'luftkvalitetsmaetningar-vaestra-esplanaden',
    'Luftkvalitetsmätningar Västra Esplanaden',
    'Timvärden.',
    ['Miljö'],
    ['luft', 'luftkvalitet'],
    {
      fields: [
        field('tid', 'datetime', 'Tid', { timerangeFilter: true }),
        field('no2', 'double', 'NO2', { unit: 'µg/m³' }),
        field('pm10', 'double', 'PM10', { unit: 'µg/m³' }),
      ],
      records: times(2000, (index) => ({
        tid: instantBefore(index * 60),
        no2: index % 48 === 47 ? null : ((index * 37) % 900) / 10,
        pm10: index % 30 === 29 ? null : ((index * 53) % 700) / 10,
      })),
    },
  ),
  dataset(
    'elforbrukning-kommunala-fastigheter',
    'Elförbrukning i kommunala fastigheter',
    'El och fjärrvärme per månad (energy).',
    ['Energi'],
    ['energi', 'energy', 'el'],
    {
      fields: [
        field('manad', 'date', 'Månad', { facet: true }),
        field('fastighet', 'text', 'Fastighet', FACET),
        field('kwh', 'double', 'kWh', { unit: 'kWh' }),
      ],
      records: times(480, (index) => ({
        manad: `${2022 + (Math.floor(index / 12) % 4)}-${String((index % 12) + 1).padStart(2, '0')}`,
        fastighet: `${area(index)}skolan`,
        kwh: index % 37 === 36 ? null : 1200.5 + index * 13,
      })),
    },
  ),
  dataset(
    'befolkningsfoeraendringar-helar',
    'Befolkningsförändringar',
    'Födda, döda, in- och utflyttade.',
    ['Befolkning'],
    ['befolkning'],
    {
      fields: [
        field('ar', 'date', 'År', { timeserie_precision: 'year' }),
        field('kategori', 'text', 'Kategori', FACET),
        field('antal', 'int', 'Antal'),
      ],
      records: times(96, (index) => ({
        ar: String(2000 + (index % 24)),
        kategori: cycle(['Födda', 'Döda', 'Inflyttade', 'Utflyttade'], Math.floor(index / 24)),
        antal: 800 + index * 19,
      })),
    },
  ),
  dataset('trad-som-forvaltas-av-gator-och-parker', 'Träd', 'Träd i gator och parker.', ['Miljö'], ['träd', 'park'], {
    fields: [
      field('tradart_svenskt_namn_1_1_3', 'text', 'Trädart', FACET),
      field('lov_eller_barrtrad_1_1_1', 'text', 'Löv eller barr', FACET),
      field('gatu_eller_parktrad_1_4_4', 'text', 'Gatu- eller parkträd', FACET),
      field('geo_shape', 'geo_shape', 'Geo Shape'),
      point,
    ],
    records: () => {
      const random = createRandom(913);
      return times(1100, (index) => {
        const place = placeNear(random, CENTER, 0.08);
        const isPine = index % 5 === 0;
        return {
          tradart_svenskt_namn_1_1_3: isPine ? 'Tall' : random.pick(['Björk', 'Lönn', 'Rönn', 'Ask', null]),
          lov_eller_barrtrad_1_1_1: isPine ? 'Barrträd' : 'Lövträd',
          gatu_eller_parktrad_1_4_4: cycle(['Gatuträd', 'Parkträd'], index),
          geo_shape: pointFeature(place),
          geo_point_2d: place,
        };
      });
    },
  }),
  dataset(
    'detaljplaner-dokument',
    'Detaljplaner: dokument',
    'Planbeskrivningar som bilagor.',
    ['Bygg och bo'],
    ['detaljplan'],
    {
      attachments: [
        { id: 'plan_2024_pdf', title: 'Plan 2024.pdf', mimetype: 'application/pdf', url: 'odsfile://plan-2024.pdf' },
      ],
    },
  ),
  dataset('kommunomraden', 'Kommundelar', 'Gränser för kommundelar.', null, null, {
    license: null,
    licenseUrl: null,
    fields: [field('namn', 'text', 'Namn'), field('geo_shape', 'geo_shape', 'Geo Shape')],
    records: times(12, (index) => ({
      namn: cycle(AREAS, index),
      geo_shape: boxFeature(
        { lon: CENTER.lon + ((index % 4) - 2) * 0.05, lat: CENTER.lat + (Math.floor(index / 4) - 1) * 0.03 },
        0.05,
        0.03,
      ),
    })),
  }),
  createHardNames(
    { id: 'ortnamn', title: 'Ortnamn', theme: ['Samhälle'], keyword: ['ortnamn'], publisher: KOMMUN, license: 'CC0' },
    CENTER,
  ),
];
