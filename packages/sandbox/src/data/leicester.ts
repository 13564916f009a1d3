import type { OpendatasoftDataset } from '../opendatasoft/opendatasoft-dataset.ts';
import { createRandom } from '../random.ts';
import {
  boxFeature,
  cycle,
  dayAt,
  FACET,
  field,
  instantBefore,
  OLD_FACET,
  placeNear,
  times,
  V1_FACET,
} from './builders.ts';
import { createHardNames } from './hard-names.ts';

const CENTER = { lon: -1.1332, lat: 52.6369 };
const COUNCIL = 'Leicester City Council';
const WARDS = [
  'Abbey',
  'Aylestone',
  'Beaumont Leys',
  'Belgrave',
  'Castle',
  'Evington',
  'Fosse',
  'Humberstone & Hamilton',
  'Knighton',
  'Stoneygate',
  'Westcotes',
  'Wycliffe',
] as const;
const OGL = 'Open Government Licence v3.0';
const OGL_URL = 'https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/';

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
    description: `<div><p>${text}&nbsp;</p><ul><li>Source: ${COUNCIL}</li></ul></div>`,
    theme,
    keyword,
    publisher: COUNCIL,
    license: OGL,
    licenseUrl: OGL_URL,
    ...rest,
  };
}

const point = field('geo_point_2d', 'geo_point_2d', 'Geo Point');
const ward = (index: number): string => cycle(WARDS, index * 5 + (index >> 3));

const spendFields = [
  field('unique_id', 'text', 'Unique ID', { id: true }),
  field('payment_date', 'date', 'Payment Date', FACET),
  field('department', 'text', 'Department', FACET),
  field('beneficiary', 'text', 'Beneficiary', { facet: true, sortable: true }),
  field('purpose_of_expenditure', 'text', 'Purpose of expenditure'),
  field('amount', 'double', 'Amount', { unit: '£', decimals: 2 }),
  field('vat', 'double', 'VAT', { unit: '£', decimals: 2 }),
  field('vat_code', 'text', 'VAT code'),
  field('merchant_category', 'text', 'Merchant category', FACET),
];

/** Payments above 500 pounds of one year. */
function payments(year: number, size: number): () => Readonly<Record<string, unknown>>[] {
  return () => {
    const random = createRandom(year);
    return times(size, (index) => {
      const amount = random.int(50_001, 9_000_000) / 100;
      const day = new Date(Date.UTC(year, 0, 1 + Math.floor((index * 365) / size))).toISOString().slice(0, 10);
      return {
        unique_id: `LCC-${year}-${String(index + 1).padStart(6, '0')}`,
        payment_date: index % 499 === 498 ? null : day,
        department: random.pick([
          'Adult Social Care',
          'Corporate Resources',
          'City Development',
          "Children's Services",
          'Housing',
          'Public Health',
        ]),
        beneficiary: `${random.pick(['Acme', 'Brown & Sons', "O'Neill", 'Smith "Quality"', 'Patel', 'Ångström'])} ${random.pick(['Ltd', 'LLP', 'Group', 'Services'])}`,
        purpose_of_expenditure: random.pick([
          'Agency staff',
          'Repairs and maintenance',
          'Energy: electricity',
          'Energy: gas',
          'IT equipment',
          'Fees',
          null,
        ]),
        amount: index % 997 === 0 ? -amount : amount,
        vat: random.chance(0.2) ? null : Math.round(amount * 20) / 100,
        vat_code: random.pick(['S', 'Z', 'E', null]),
        merchant_category: random.chance(0.7) ? null : random.pick(['Travel', 'Utilities', 'Office supplies']),
      };
    });
  };
}

const TRANSPORT = ['Transport'];

/** Named places in wards: the form of most point datasets. */
function places(seed: number, size: number, noun: string): () => Readonly<Record<string, unknown>>[] {
  return () => {
    const random = createRandom(seed);
    return times(size, (index) => ({
      name: `${ward(index)} ${noun} ${index + 1}`,
      ward: index % 19 === 18 ? null : ward(index),
      geo_point_2d: placeNear(random, CENTER, 0.06),
    }));
  };
}
const placeFields = [field('name', 'text', 'Name', { sortable: true }), field('ward', 'text', 'Ward', FACET), point];

/** Month by month what the meters of fifty council buildings counted: meter numbers and tenants make it restricted. */
const meterReadings = (): Readonly<Record<string, unknown>>[] => {
  const random = createRandom(600);
  const kinds = ['Primary school', 'Library', 'Leisure centre', 'Office', 'Sheltered housing', 'Depot'] as const;
  const sites = times(50, (index) => {
    const kind = cycle(kinds, index);
    return {
      meter_number: `1100${String(random.int(100_000_000, 999_999_999))}`,
      site_ref: `LCC-${String(1001 + index * 7)}`,
      site_name: `${ward(index)} ${kind} ${index + 1}`,
      site_type: kind,
      ward: ward(index),
      postcode: `LE${1 + (index % 5)} ${random.int(1, 9)}${cycle(['AB', 'DE', 'GH', 'JL', 'NP', 'QR'], index)}`,
      fuel: index % 3 === 2 ? 'Gas' : 'Electricity',
      occupier: kind === 'Sheltered housing' ? `Flat ${1 + (index % 24)}` : null,
      geo_point_2d: placeNear(random, CENTER, 0.06),
      yearlyKwh: random.int(8_000, 240_000),
    };
  });
  return times(600, (index) => {
    const { yearlyKwh, ...site } = cycle(sites, index);
    const month = Math.floor(index / sites.length);
    const season = 1 + 0.45 * Math.cos((month / 12) * 2 * Math.PI);
    const isMissing = index % 43 === 17;
    const kwh = Math.round(((yearlyKwh * season) / 12) * (0.9 + random.next() / 5) * 10) / 10;
    return {
      reading_id: 700_001 + index,
      ...site,
      period: `2025-${String(month + 1).padStart(2, '0')}-01`,
      kwh: isMissing ? null : kwh,
      cost: isMissing ? null : Math.round(kwh * (site.fuel === 'Gas' ? 6.2 : 24.8)) / 100,
      is_estimated: isMissing ? null : index % 11 === 4,
    };
  });
};

export const LEICESTER_DATASETS: readonly OpendatasoftDataset[] = [
  dataset(
    'expenditure-exceeding-ps500-2024',
    'Expenditure exceeding £500 (2024)',
    'Payments over £500 made in the calendar year 2024.',
    ['Finance'],
    ['spending', 'transparency', 'expenditure'],
    {
      modified: '2025-02-03T11:20:33+00:00',
      fields: spendFields,
      records: payments(2024, 12_500),
    },
  ),
  dataset(
    'expenditure-exceeding-gbp500-2023',
    'Expenditure exceeding GBP500 (2023)',
    'Payments over £500 made in the calendar year 2023.',
    ['Finance'],
    ['spending', 'transparency', 'expenditure'],
    {
      modified: '2024-02-01T09:00:00+00:00',
      fields: spendFields,
      records: payments(2023, 2400),
    },
  ),
  dataset(
    'deprivation-in-leicester-2025',
    'Deprivation in Leicester 2025',
    'Index of multiple deprivation by lower super output area.',
    ['Population'],
    ['deprivation', 'IMD'],
    {
      modified: '2025-11-12T15:00:00+00:00',
      fields: [
        // Exported twice with a byte order mark: recorded from the live portal.
        field('lsoa_code', 'text', '\uFEFF\uFEFFLSOA code'),
        field('lsoa_name', 'text', 'LSOA name'),
        field('imd_rank', 'int', 'IMD rank'),
        field('imd_decile', 'int', 'IMD decile', FACET),
        field('imd_score', 'double', 'IMD score', { decimals: 3 }),
        point,
        field('geo_shape', 'geo_shape', 'Geo Shape'),
      ],
      records: () => {
        const random = createRandom(2025);
        return times(200, (index) => {
          const place = placeNear(random, CENTER, 0.06);
          return {
            lsoa_code: `E0101${String(3600 + index)}`,
            lsoa_name: `Leicester ${String(index + 1).padStart(3, '0')}A`,
            imd_rank: random.int(1, 33_755),
            imd_decile: random.int(1, 10),
            imd_score: index % 50 === 49 ? null : random.int(2000, 80_000) / 1000,
            geo_point_2d: place,
            geo_shape: index % 40 === 39 ? null : boxFeature(place, 0.008, 0.006),
          };
        });
      },
    },
  ),
  dataset(
    'bike-share-docking-stations',
    'Bike share docking stations',
    'Live availability of hire bikes (Santander Cycles Leicester).',
    TRANSPORT,
    ['bike', 'cycling', 'hire', 'velo', 'live'],
    {
      modified: '2026-10-05T08:27:00+00:00',
      fields: [
        field('dock_id', 'text', 'Dock ID', { id: true }),
        field('name', 'text', 'Name', { sortable: true }),
        field('ward', 'text', 'Ward', FACET),
        field('docks', 'int', 'Docks'),
        field('bikes_available', 'int', 'Bikes available'),
        field('ebikes_available', 'int', 'E-bikes available'),
        field('status', 'text', 'Status', FACET),
        field('last_reported', 'datetime', 'Last reported'),
        point,
      ],
      records: () => {
        const random = createRandom(1001);
        return times(52, (index) => {
          const docks = random.int(8, 26);
          const isOpen = index % 13 !== 12;
          const bikes = isOpen ? random.int(0, docks) : null;
          return {
            dock_id: `LEI-${index + 1}`,
            name: `${ward(index)} ${cycle(['Station', 'Park', 'Market', "King's Lock"], index)}`,
            ward: ward(index),
            docks,
            bikes_available: bikes,
            ebikes_available: bikes === null ? null : random.int(0, bikes),
            status: isOpen ? 'IN_SERVICE' : 'OUT_OF_SERVICE',
            last_reported: instantBefore(index % 6),
            geo_point_2d: placeNear(random, CENTER, 0.04),
          };
        });
      },
    },
  ),
  dataset(
    'cycle-counters',
    'Cycle counters',
    'Daily counts of cycles at permanent counters.',
    TRANSPORT,
    ['cycling', 'count', 'bike'],
    {
      fields: [
        field('date', 'date', 'Date', FACET),
        field('site', 'text', 'Site', FACET),
        field('count', 'int', 'Count'),
        field('24h_total', 'int', '24h total'),
      ],
      records: times(1500, (index) => ({
        date: dayAt(Math.floor(index / 5)),
        site: cycle(['London Road', 'Welford Road', 'Great Central Way', 'Abbey Park', 'New Walk'], index),
        count: index % 61 === 60 ? null : (index * 7919) % 1800,
        '24h_total': (index * 104_729) % 2600,
      })),
    },
  ),
  dataset('car-parks', 'Car parks', 'Spaces in council car parks.', TRANSPORT, ['parking'], {
    fields: [...placeFields, field('spaces', 'int', 'Spaces'), field('free', 'int', 'Free spaces')],
    records: () =>
      places(1002, 34, 'car park')().map((row, index) => ({
        ...row,
        spaces: 60 + index * 9,
        free: index % 7 === 6 ? null : (index * 31) % 60,
      })),
  }),
  dataset('bus-stops', 'Bus stops', 'Bus stops and shelters.', TRANSPORT, ['bus', 'public transport'], {
    fields: placeFields,
    records: places(1003, 720, 'stop'),
  }),
  dataset('traffic-flow', 'Traffic flow', 'Hourly traffic flow at junctions.', TRANSPORT, ['traffic'], {
    fields: [
      field('junction', 'text', 'Junction', V1_FACET),
      field('recorded', 'datetime', 'Recorded', []),
      field('vehicles', 'int', 'Vehicles', []),
    ],
    records: times(2200, (index) => ({
      junction: `J${(index % 40) + 1}`,
      recorded: instantBefore(Math.floor(index / 40) * 60),
      vehicles: index % 71 === 0 ? null : (index * 37) % 1900,
    })),
  }),
  dataset(
    'electric-vehicle-charging-points',
    'Electric vehicle charging points',
    'Public charge points and their energy supply.',
    ['Transport', 'Energy'],
    ['EV', 'energy', 'charging'],
    {
      fields: [
        ...placeFields,
        field('kw', 'double', 'Power', { unit: ['kW'] }),
        field('operator', 'text', 'Operator', OLD_FACET),
      ],
      records: () =>
        places(1004, 95, 'charger')().map((row, index) => ({
          ...row,
          kw: cycle([7.4, 22, 50, null], index),
          operator: cycle(['Pod Point', 'ChargePoint', null], index),
        })),
    },
  ),
  dataset('roadworks', 'Roadworks', 'Current and planned roadworks.', TRANSPORT, ['roads', 'roadworks'], {
    dataVisible: false,
    fields: [field('ref', 'text'), field('starts', 'date')],
    records: times(9, (index) => ({ ref: `RW${index}`, starts: dayAt(index) })),
  }),
  dataset(
    'road-collisions',
    'Road collisions',
    'Injury collisions reported to the police.',
    ['Transport', 'Safety'],
    ['collisions', 'road safety'],
    {
      fields: [
        field('reference', 'text', 'Reference'),
        field('occurred', 'datetime', 'Occurred', FACET),
        field('severity', 'text', 'Severity', FACET),
        field('cyclist', 'boolean', 'Cyclist involved'),
        point,
      ],
      records: () => {
        const random = createRandom(1005);
        return times(800, (index) => ({
          reference: `COL${100_000 + index}`,
          occurred: instantBefore(index * 720),
          severity: random.pick(['Slight', 'Serious', 'Fatal', 'Slight']),
          cyclist: index % 16 === 0 ? null : random.chance(0.2),
          geo_point_2d: random.chance(0.03) ? null : placeNear(random, CENTER, 0.07),
        }));
      },
    },
  ),
  dataset('taxi-ranks', 'Taxi ranks', 'Hackney carriage ranks.', TRANSPORT, ['taxi'], {
    license: null,
    licenseUrl: null,
    fields: placeFields,
    records: places(1006, 28, 'rank'),
  }),
  dataset(
    'bus-lane-enforcement',
    'Bus lane enforcement',
    'Penalty charge notices by site and month.',
    TRANSPORT,
    ['bus lane', 'enforcement'],
    {
      fields: [
        field('month', 'date', 'Month', FACET),
        field('site', 'text', 'site', FACET),
        field('notices', 'int', 'Notices'),
      ],
      records: times(160, (index) => ({
        month: `2025-${String((index % 12) + 1).padStart(2, '0')}`,
        site: `Site ${Math.floor(index / 12) + 1}`,
        notices: (index * 71) % 900,
      })),
    },
  ),
  dataset('cctv-cameras', 'CCTV cameras', 'Location of public space cameras.', ['Safety'], ['cctv'], {
    license: null,
    licenseUrl: null,
    fields: placeFields,
    records: places(1007, 130, 'camera'),
  }),
  dataset('enforcement-points', 'Enforcement points', 'Sites of enforcement cameras.', ['Safety'], ['enforcement'], {
    license: null,
    licenseUrl: null,
    fields: [field('site', 'text', 'site'), point],
    records: () => places(1008, 41, 'site')().map((row) => ({ site: row['name'], geo_point_2d: row['geo_point_2d'] })),
  }),
  dataset(
    'council-buildings-energy-use',
    'Energy use in council buildings',
    'Half-yearly electricity and gas consumption.',
    ['Energy', 'Environment'],
    ['energy', 'electricity', 'gas', 'carbon'],
    {
      fields: [
        field('period', 'date', 'Period', { facet: true, timeserie_precision: 'month' }),
        field('building', 'text', 'Building', FACET),
        field('fuel', 'text', 'Fuel', FACET),
        field('kwh', 'double', 'kWh', { unit: 'kWh', decimals: 1 }),
      ],
      records: times(600, (index) => ({
        period: `${2020 + (index % 6)}-${index % 2 === 0 ? '01' : '07'}`,
        building: `${ward(index)} Library`,
        fuel: cycle(['Electricity', 'Gas'], index),
        kwh: index % 43 === 42 ? null : 900.25 + index * 17.5,
      })),
    },
  ),
  dataset(
    'solar-panels',
    'Solar panels on council roofs',
    'Installed capacity and yearly output.',
    ['Energy'],
    ['energy', 'solar'],
    {
      fields: [...placeFields, field('capacity_kwp', 'double', 'Capacity', { unit: 'kWp' })],
      records: () =>
        places(1009, 66, 'roof')().map((row, index) => ({
          ...row,
          capacity_kwp: index % 10 === 9 ? null : 4 + index / 4,
        })),
    },
  ),
  dataset('district-heating', 'District heating network', 'Heat delivered by site.', ['Energy'], ['energy', 'heat'], {
    fields: [
      field('site', 'text', 'Site'),
      field('year', 'date', 'Year', { timeserie_precision: 'year' }),
      field('mwh', 'double', 'MWh'),
    ],
    records: times(72, (index) => ({
      site: `Site ${(index % 12) + 1}`,
      year: String(2019 + Math.floor(index / 12)),
      mwh: 120.5 + index * 3,
    })),
  }),
  dataset('county-wards', 'Wards', 'Ward boundaries.', ['Boundaries'], ['wards'], {
    fields: [
      field('ward_code', 'text', 'Ward code'),
      field('ward_name', 'text', 'Ward name'),
      field('geo_shape', 'geo_shape', 'Geo Shape'),
    ],
    records: times(WARDS.length, (index) => ({
      ward_code: `E0500${8000 + index}`,
      ward_name: WARDS[index],
      geo_shape: boxFeature(
        { lon: CENTER.lon + ((index % 4) - 2) * 0.03, lat: CENTER.lat + (Math.floor(index / 4) - 1) * 0.02 },
        0.03,
        0.02,
      ),
    })),
  }),
  dataset(
    'flood-risk-register-of-structures-and-features',
    'Flood risk register',
    'Structures and features that affect flood risk.',
    ['Environment'],
    ['flood', 'water'],
    {
      fields: [
        field('watercourse_ref_no', 'text', 'Watercourse ref no'),
        field('eastings', 'text', 'Eastings'),
        field('northings', 'text', 'Northings'),
        point,
      ],
      records: () => {
        const random = createRandom(1010);
        return times(300, (index) => ({
          watercourse_ref_no: `WC${index % 40}`,
          eastings: String(458_000 + index * 7),
          northings: String(304_000 + index * 5),
          geo_point_2d: placeNear(random, CENTER, 0.05),
        }));
      },
    },
  ),
  dataset(
    'allotments-waiting-list',
    'Allotments waiting list',
    'People waiting by site.',
    ['Environment'],
    ['allotments'],
    {
      fields: [field('site', 'text', 'Site'), field('waiting', 'int', 'Waiting')],
      records: times(44, (index) => ({
        site: `${ward(index)} allotments`,
        waiting: index % 9 === 8 ? null : index * 3,
      })),
    },
  ),
  dataset(
    'covid-19-positive-tests-and-rate-per-100000-population-for-leicester-and-englan0',
    'COVID-19 positive tests and rate per 100,000 population',
    'Weekly positive tests.',
    ['Health'],
    ['covid-19'],
    {
      fields: [field('week', 'date', 'Week'), field('tests', 'int', 'Tests'), field('rate', 'double', 'Rate')],
      records: times(150, (index) => ({
        week: dayAt(-1300 + index * 7),
        tests: (index * 311) % 4000,
        rate: ((index * 311) % 4000) / 3.68,
      })),
    },
  ),
  dataset(
    'energy-meter-readings-council-buildings',
    'Energy meter readings of council buildings',
    'Monthly electricity and gas readings by meter. Shared under agreement only: meter numbers and occupiers.',
    ['Energy', 'Environment'],
    ['energy', 'electricity', 'gas', 'meter'],
    {
      isRestricted: true,
      license: null,
      licenseUrl: null,
      modified: '2026-01-12T08:15:00+00:00',
      metas: {
        dcat: { accessRights: 'http://publications.europa.eu/resource/authority/access-right/RESTRICTED' },
      },
      fields: [
        field('reading_id', 'int', 'Reading ID', { id: true, sortable: true }),
        field('meter_number', 'text', 'Meter number (MPAN or MPRN)'),
        field('site_ref', 'text', 'Site reference', FACET),
        field('site_name', 'text', 'Site', { sortable: true }),
        field('site_type', 'text', 'Site type', FACET),
        field('ward', 'text', 'Ward', FACET),
        field('postcode', 'text', 'Postcode'),
        field('occupier', 'text', 'Occupier'),
        field('fuel', 'text', 'Fuel', FACET),
        field('period', 'date', 'Month', FACET),
        field('kwh', 'double', 'Consumption', { unit: 'kWh', decimals: 1 }),
        field('cost', 'double', 'Cost', { unit: '£', decimals: 2 }),
        field('is_estimated', 'boolean', 'Estimated reading'),
        point,
      ],
      records: meterReadings,
    },
  ),
  dataset('city-plan-documents', 'City plan documents', 'Documents of the local plan.', ['Boundaries'], ['plan'], {
    attachments: [
      { id: 'local_plan_pdf', title: 'Local plan.pdf', mimetype: 'application/pdf', url: 'odsfile://local-plan.pdf' },
    ],
  }),
  createHardNames(
    {
      id: 'place-names',
      title: 'Place names',
      theme: ['Boundaries'],
      keyword: ['names'],
      publisher: COUNCIL,
      license: OGL,
    },
    CENTER,
  ),
];
