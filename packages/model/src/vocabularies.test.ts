import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toEuFrequency } from './eu-frequency.ts';
import { toEuThemes } from './eu-themes.ts';
import { EU_DATA_THEMES, EU_FREQUENCIES } from './vocabularies.ts';

describe('toEuThemes', () => {
  test.each([
    ['Transport', ['TRAN']],
    ['Mobilité', ['TRAN']],
    ['MOBILITE', ['TRAN']],
    ['Transports, Déplacements', ['TRAN']],
    ['movilidad', ['TRAN']],
    ['Trafik', ['TRAN']],
    ['Mobilität', ['TRAN']],
    ['Environnement', ['ENVI']],
    ['Miljö', ['ENVI']],
    ['medio-ambiente', ['ENVI']],
    ['Umwelt', ['ENVI']],
    ['Ver\u00ADwalt\u00ADung', ['GOVE']],
    ['Spatial planning, Town planning, Buildings, Equipment, Housing', ['REGI']],
    ['Administration, Government, Public finances, Citizenship', ['GOVE']],
    ['Economy, Business, SME, Economic development, Employment', ['ECON']],
    ['Culture, Heritage', ['EDUC']],
    ['Culture, Sports, Loisirs', ['EDUC']],
    ['Energie & Umwelt', ['ENER', 'ENVI']],
    ['Santé et sécurité', ['HEAL', 'JUST']],
    ['COMPTES PUBLICS', ['GOVE']],
    ['Government and finance', ['GOVE']],
    ['gove', ['GOVE']],
    ['http://publications.europa.eu/resource/authority/data-theme/EDUC', ['EDUC']],
    ['https://publications.europa.eu/resource/authority/data-theme/EDUC', ['EDUC']],
    ['http://datos.gob.es/kos/sector-publico/sector/medio-ambiente', ['ENVI']],
    ['https://inspire.ec.europa.eu/metadata-codelist/TopicCategory/inlandWaters', ['ENVI']],
  ])('%s is %j', (label, codes) => {
    expect(toEuThemes([label])).toEqual(codes);
  });

  test.each([
    'Tourism',
    'Culture et tourisme',
    'Forecasting Data',
    '',
    ' , ',
    'constructor',
    '__proto__',
    'http://publications.europa.eu/resource/authority/data-theme/OP_DATPRO',
    'http://example.org/data-theme/EDUC',
    'https://data.economie.gouv.fr/id/theme/ECONOMIE',
    'Transport '.repeat(100),
  ])('%j contributes nothing', (label) => {
    expect(toEuThemes([label])).toEqual([]);
  });

  test('the codes of several labels come sorted and once each', () => {
    expect(toEuThemes(['Trafik', 'Miljö', 'Transport', 'Tourism', 'Agriculture'])).toEqual(['AGRI', 'ENVI', 'TRAN']);
  });

  test('every EU theme is reached by its code', () => {
    for (const code of EU_DATA_THEMES) expect(toEuThemes([code])).toEqual([code]);
  });

  test('any labels give codes of the authority table only', () => {
    const label = fc.oneof(fc.string(), fc.constantFrom('Sport', 'et', ',', 'Energy', 'och'));
    fc.assert(
      fc.property(fc.array(label), (labels) => {
        const codes = toEuThemes([...labels, labels.join(' ')]);
        expect(codes).toEqual([...new Set(codes)].toSorted());
        for (const code of codes) expect(EU_DATA_THEMES).toContain(code);
      }),
      { seed: 2, numRuns: 300 },
    );
  });
});

describe('toEuFrequency', () => {
  test.each([
    ['annual', 'ANNUAL'],
    ['ANNUAL_2', 'ANNUAL_2'],
    ['IRREG', 'IRREG'],
    ['UPDATE_CONT', 'UPDATE_CONT'],
    ['CONT', 'CONT'],
    ['12HRS', '12HRS'],
    ['http://publications.europa.eu/resource/authority/frequency/NEVER', 'NEVER'],
    ['http://purl.org/cld/freq/annual', 'ANNUAL'],
    ['http://purl.org/cld/freq/threeTimesAWeek', 'WEEKLY_3'],
    ['http://purl.org/cld/freq/irregular', 'IRREG'],
    ['http://inspire.ec.europa.eu/metadata-codelist/MaintenanceFrequency/asNeeded', 'AS_NEEDED'],
    ['http://purl.org/linked-data/sdmx/2009/code#freq-Q', 'QUARTERLY'],
    ['R/P1Y', 'ANNUAL'],
    ['R/P6M', 'ANNUAL_2'],
    ['R/P3.5D', 'WEEKLY_2'],
    ['R/PT1S', 'UPDATE_CONT'],
    ['R5/2020-01-01T00:00:00Z/P1M', 'MONTHLY'],
    ['continuous', 'UPDATE_CONT'],
    ['realtime', 'UPDATE_CONT'],
    ['severalTimesADay', 'CONT'],
    ['semidaily', 'DAILY_2'],
    ['fiveTimesAWeek', 'WEEKLY_5'],
    ['threeTimesAMonth', 'MONTHLY_3'],
    ['punctual', 'AS_NEEDED'],
    ['notPlanned', 'NOT_PLANNED'],
    ['fourTimesAWeek', 'OTHER'],
    ['fortnighly', 'BIWEEKLY'],
    ['biannual', 'ANNUAL_2'],
    ['unknown', 'UNKNOWN'],
    ['Diario', 'DAILY'],
    ['Semanal', 'WEEKLY'],
    ['Quincenal', 'MONTHLY_2'],
    ['Bimestral', 'BIMONTHLY'],
    ['Trimestral', 'QUARTERLY'],
    ['Semestral', 'ANNUAL_2'],
    ['Anual', 'ANNUAL'],
    ['Histórico', 'NEVER'],
    ['Quotidienne', 'DAILY'],
    ['temps réel', 'UPDATE_CONT'],
    ['bimensuel', 'MONTHLY_2'],
    ['Varje år', 'ANNUAL'],
    ['Kvartalsvis', 'QUARTERLY'],
    ['jährlich', 'ANNUAL'],
    ['unregelmäßig', 'IRREG'],
    ['10 minutes', '10MIN'],
    ['Every two weeks', 'BIWEEKLY'],
  ])('%s is %s', (raw, code) => {
    expect(toEuFrequency(raw)).toBe(code);
  });

  test.each([
    null,
    '',
    'no_aplica',
    'No aplica',
    'R/P7Y',
    'R/constructor',
    'constructor',
    'Annuel pour la création des événements',
    'http://example.org/freq/annual',
    'http://publications.europa.eu/resource/authority/frequency/SOMETIMES',
    'http://purl.org/linked-data/sdmx/2009/code#freq-X',
    'annual '.repeat(100),
  ])('%j is unknown to us', (raw) => {
    expect(toEuFrequency(raw)).toBeNull();
  });

  test('every EU code and its IRI is itself', () => {
    for (const code of EU_FREQUENCIES) {
      expect(toEuFrequency(code)).toBe(code);
      expect(toEuFrequency(`http://publications.europa.eu/resource/authority/frequency/${code}`)).toBe(code);
    }
  });

  test('every word leads to a code of the authority table', () => {
    fc.assert(
      fc.property(fc.string(), (raw) => {
        const code = toEuFrequency(raw);
        if (code !== null) expect(EU_FREQUENCIES).toContain(code);
      }),
      { seed: 3, numRuns: 300 },
    );
  });
});
