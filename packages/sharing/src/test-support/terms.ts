import * as fc from 'fast-check';
import type { FilterInput } from '@civex/query';
import type { AgreementTerms } from '../agreement.ts';
import { ACTIONS } from '../agreement.ts';
import type { AgreementInput } from '../check-terms.ts';
import { parseTerms } from '../check-terms.ts';

/** An input with one of everything that may be there. */
export const SPECIMEN = {
  provider: 'leicester',
  consumer: 'region',
  delegates: ['university', 'contractor'],
  purposes: ['hub:planning', 'hub:audit'],
  validFrom: '2026-09-01T02:00:00+02:00',
  validUntil: '2027-09-01T00:00:00.000Z',
  grants: [
    {
      dataset: 'leicester:energy',
      actions: ['EXPORT', 'QUERY'],
      properties: ['ward', 'kwh', 'location', 'site'],
      masks: [
        { property: 'site', method: 'PREFIX', parameter: 3 },
        { property: 'location', method: 'GRID', parameter: 500 },
        { property: 'meter', method: 'HIDE', parameter: null },
      ],
      rows: {
        and: [{ property: 'ward', in: ['Castle', 'Abbey'] }, { not: { property: 'kwh', isNull: true } }],
      },
      disclosure: null,
      limits: { requestsPerDay: 5_000, recordsPerDay: null, recordsPerRequest: 1_000 },
    },
    { dataset: 'cdmx:victimas', actions: ['AGGREGATE'] },
  ],
} satisfies AgreementInput;

const COLUMNS = ['a', 'b', 'c', 'é', 'nb vélos', '"', "it's", 'x:y', '🚲', '\uFFFD'];
const TEXTS = ['', 'a', 'Castle', "l'eau", '"', '\\', '%', 'é', 'e\u0301', '🚲', '\u2028', 'a\nb', '0012', '__proto__'];

const scalar = fc.oneof(
  fc.constantFrom(...TEXTS),
  fc.integer(),
  fc.constantFrom(0.1, -1.5, 1e21, 5e-324, -0, 9_007_199_254_740_991),
  fc.boolean(),
);
const position = fc.tuple(fc.integer({ min: -180, max: 180 }), fc.integer({ min: -90, max: 90 }));
const point = position.map((coordinates) => ({ type: 'Point', coordinates }));
const geometry = fc.oneof(
  point,
  fc.tuple(position, position).map((coordinates) => ({ type: 'LineString', coordinates })),
  fc.array(point, { minLength: 1, maxLength: 3 }).map((geometries) => ({ type: 'GeometryCollection', geometries })),
);
const column = fc.constantFrom(...COLUMNS);

const operand = fc.oneof(
  ...['eq', 'ne', 'lt', 'lte', 'gt', 'gte'].map((operator) => scalar.map((value) => ({ [operator]: value }))),
  fc.array(scalar, { minLength: 1, maxLength: 4 }).map((values) => ({ in: values })),
  fc.tuple(scalar, scalar).map((values) => ({ between: values })),
  fc.constantFrom(...TEXTS).map((pattern) => ({ like: pattern })),
  fc.boolean().map((isNull) => ({ isNull })),
  geometry.map((intersects) => ({ intersects })),
  fc.constant({ bbox: [-1, -2, 3, 4.5] }),
  fc.constant({ withinMetres: { lon: -0.1, lat: 52.6, metres: 250 } }),
);
const folds = fc.constantFrom<FilterInput>(
  {},
  { caseInsensitive: true },
  { caseInsensitive: false, accentInsensitive: true },
);
const predicate = fc
  .tuple(column, operand, folds)
  .map(([property, value, fold]): FilterInput => ({ property, ...value, ...fold }));

/** Row rules as a caller may write them, some levels deep. */
const rows: fc.Arbitrary<FilterInput> = fc.letrec<{ node: FilterInput }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    predicate,
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((and): FilterInput => ({ and })),
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((or): FilterInput => ({ or })),
    tie('node').map((not): FilterInput => ({ not })),
  ),
})).node;

interface Masking {
  readonly method: string;
  readonly parameter?: number | null;
}
const masking: fc.Arbitrary<Masking> = fc.oneof(
  fc.constantFrom('NULL', 'HASH', 'YEAR', 'MONTH').map((method) => ({ method })),
  fc.constantFrom(1, 250.5, 1_000_000).map((parameter) => ({ method: 'GRID', parameter })),
  fc.constantFrom(1, 7, 1_000).map((parameter) => ({ method: 'PREFIX', parameter })),
  fc.constantFrom(0.1, 5, 1e-7, 1e21).map((parameter) => ({ method: 'ROUND', parameter })),
);
const HIDE: Masking = { method: 'HIDE', parameter: null };

const columns = fc
  .tuple(
    fc.boolean(),
    fc.uniqueArray(fc.tuple(column, fc.option(masking), fc.boolean()), { selector: ([name]) => name, maxLength: 6 }),
  )
  .map(([isListed, list]) => ({
    properties: isListed ? list.filter(([, , isHidden]) => !isHidden).map(([name]) => name) : null,
    masks: list.flatMap(([property, mask, isHidden]): readonly (Masking & { readonly property: string })[] =>
      isHidden ? [{ property, ...HIDE }] : mask === null ? [] : [{ property, ...mask }],
    ),
  }));

const bound = fc.option(fc.integer({ min: 1, max: 1_000_000 }));
const grant = fc
  .record({
    actions: fc.array(fc.constantFrom(...ACTIONS), { minLength: 1, maxLength: 7 }),
    columns,
    rows: fc.option(rows),
    limits: fc.option(fc.record({ requestsPerDay: bound, recordsPerDay: bound, recordsPerRequest: bound })),
  })
  .map(({ columns: shown, ...rest }) => ({ ...shown, ...rest }));

const DATASETS = ['leicester:energy', 'cdmx:a b/ñ', 'umea:50%', "bordeaux:l'eau:1", 'a:🚲'];
const ZONES = ['Z', '+02:00', '-06:30'];

/** Inputs that `parseTerms` takes, in no particular order. */
export const inputs: fc.Arbitrary<AgreementInput> = fc
  .record({
    delegates: fc.array(fc.constantFrom('university', 'contractor', 'x:y.z_1'), { maxLength: 4 }),
    purposes: fc.array(fc.constantFrom('a', 'hub:planning', 'https://w3id.org/dpv-x', 'B'), {
      minLength: 1,
      maxLength: 5,
    }),
    fromMs: fc.integer({ min: 1_600_000_000_000, max: 1_800_000_000_000 }),
    days: fc.integer({ min: 1, max: 3_650 }),
    zone: fc.constantFrom(...ZONES),
    grants: fc.uniqueArray(fc.tuple(fc.constantFrom(...DATASETS), grant), {
      selector: ([dataset]) => dataset,
      minLength: 1,
      maxLength: 4,
    }),
  })
  .map(({ fromMs, days, zone, grants, ...rest }) => ({
    provider: 'leicester',
    consumer: 'region',
    ...rest,
    validFrom: new Date(fromMs).toISOString().replace('Z', zone),
    validUntil: new Date(fromMs + days * 86_400_000).toISOString(),
    grants: grants.map(([dataset, given]) => ({ dataset, ...given })),
  }))
  .filter(({ validFrom, validUntil }) => Date.parse(validFrom) < Date.parse(validUntil));

export const terms: fc.Arbitrary<AgreementTerms> = inputs.map(parseTerms);
