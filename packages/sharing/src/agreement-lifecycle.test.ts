import { describe, expect, test } from 'vitest';
import { isHubError } from '@civex/errors';
import type { Agreement, AgreementTerms } from './agreement.ts';
import type { Party } from './agreement-lifecycle.ts';
import {
  approve,
  draftAgreement,
  end,
  LIFECYCLE_LIMITS,
  proposeAgreement,
  proposeVersion,
  reject,
  resume,
  stateAt,
  suspend,
  versionAt,
} from './agreement-lifecycle.ts';
import { parseTerms } from './check-terms.ts';
import { SPECIMEN } from './test-support/terms.ts';

const PROVIDER: Party = { organisation: 'leicester', subject: 'anna', mayManage: true };
const CONSUMER: Party = { organisation: 'region', subject: 'bo', mayManage: true };
const DELEGATE: Party = { organisation: 'university', subject: 'cy', mayManage: true };
const NOW = Date.parse('2026-10-01T00:00:00Z');

const TERMS = parseTerms(SPECIMEN);
const NARROWER: AgreementTerms = { ...TERMS, purposes: ['hub:audit'] };
const NARROWEST: AgreementTerms = { ...NARROWER, delegates: [] };
const WIDER: AgreementTerms = { ...TERMS, purposes: [...TERMS.purposes, 'hub:research'] };
const RENEWED: AgreementTerms = { ...TERMS, validUntil: '2028-09-01T00:00:00Z' };
const AFTER = Date.parse(TERMS.validUntil);

const drafted = draftAgreement('dsa:1', TERMS, CONSUMER, 'for the plan', NOW);
const proposed = proposeAgreement('dsa:1', TERMS, CONSUMER, NOW);
const active = approve(proposed, 1, PROVIDER, NOW);
const suspended = suspend(active, PROVIDER, 'a leak', NOW);
const ended = end(active, PROVIDER, 'done', NOW);
const rejected = reject(proposed, PROVIDER, 'no', NOW);
const waiting = proposeVersion(active, WIDER, PROVIDER, NOW);

/** The code a change is refused with; null when it is not. */
function refusal(change: () => unknown): string | null {
  try {
    change();
  } catch (error) {
    if (isHubError(error)) return error.code;
    throw error;
  }
  return null;
}
const changesOf = ({ history }: Agreement): readonly string[] => history.map(({ change }) => change);

describe('an agreement', () => {
  test('that is asked for is a draft, which gives nothing and waits for nobody', () => {
    expect(drafted).toMatchObject({ state: 'DRAFT', current: null, pending: null, approvedBy: [], revision: 1 });
    expect(drafted.history).toEqual([
      { at: '2026-10-01T00:00:00Z', by: 'region/bo', change: 'requested', version: 1, reason: 'for the plan' },
    ]);
    expect(versionAt(drafted, NOW)).toBeNull();
    expect(refusal(() => approve(drafted, 1, PROVIDER, NOW))).toBe('INPUT_INVALID');
  });

  test.each([PROVIDER, CONSUMER])('that is a draft is proposed by $organisation with the next version', (party) => {
    const next = proposeVersion(drafted, TERMS, party, NOW);
    expect(next).toMatchObject({ state: 'PROPOSED', current: null, pending: 2, revision: 2 });
    expect(next.approvedBy).toEqual([party === PROVIDER ? 'provider' : 'consumer']);
    expect(next.versions).toHaveLength(2);
  });

  test('that is proposed gives nothing until the other party approves', () => {
    expect(proposed).toMatchObject({ state: 'PROPOSED', current: null, pending: 1, approvedBy: ['consumer'] });
    expect(versionAt(proposed, NOW)).toBeNull();
    expect(refusal(() => approve(proposed, 1, CONSUMER, NOW))).toBe('ACCESS_DENIED');
    expect(active).toMatchObject({ state: 'ACTIVE', current: 1, pending: null, approvedBy: [], revision: 2 });
    expect(changesOf(active)).toEqual(['proposed', 'approved', 'activated']);
    expect(versionAt(active, NOW)?.terms).toEqual(TERMS);
  });

  test('is answered with other terms, which the first party then approves', () => {
    const answered = proposeVersion(proposed, NARROWER, PROVIDER, NOW);
    expect(answered).toMatchObject({ state: 'PROPOSED', pending: 2, approvedBy: ['provider'] });
    expect(refusal(() => approve(answered, 1, CONSUMER, NOW))).toBe('INPUT_INVALID');
    expect(refusal(() => approve(answered, 2, PROVIDER, NOW))).toBe('ACCESS_DENIED');
    expect(approve(answered, 2, CONSUMER, NOW)).toMatchObject({ state: 'ACTIVE', current: 2 });
  });

  test('is narrowed by the provider at once', () => {
    const next = proposeVersion(active, NARROWER, PROVIDER, NOW);
    expect(next).toMatchObject({ state: 'ACTIVE', current: 2, pending: null, revision: 3 });
    expect(changesOf(next).slice(-2)).toEqual(['proposed', 'activated']);
    expect(versionAt(next, NOW)?.terms).toEqual(NARROWER);
  });

  test('is not narrowed by the consumer alone', () => {
    const next = proposeVersion(active, NARROWER, CONSUMER, NOW);
    expect(next).toMatchObject({ state: 'ACTIVE', current: 1, pending: 2, approvedBy: ['consumer'] });
  });

  test.each([PROVIDER, CONSUMER])('is not widened by $organisation alone', (party) => {
    const next = proposeVersion(active, WIDER, party, NOW);
    expect(next).toMatchObject({ state: 'ACTIVE', current: 1, pending: 2 });
    expect(versionAt(next, NOW)?.terms).toEqual(TERMS);
    const other = party === PROVIDER ? CONSUMER : PROVIDER;
    expect(approve(next, 2, other, NOW)).toMatchObject({ state: 'ACTIVE', current: 2, pending: null });
  });

  test('that is narrowed drops the version that waits, which would give back what was taken', () => {
    const next = proposeVersion(waiting, NARROWER, PROVIDER, NOW);
    expect(next).toMatchObject({ current: 3, pending: null, approvedBy: [] });
    expect(refusal(() => approve(next, 2, CONSUMER, NOW))).toBe('INPUT_INVALID');
  });

  test('whose waiting version is rejected stays as it is', () => {
    const next = reject(waiting, CONSUMER, 'no', NOW);
    expect(next).toMatchObject({ state: 'ACTIVE', current: 1, pending: null, approvedBy: [] });
    expect(next.history.at(-1)).toMatchObject({ change: 'rejected', version: 2, reason: 'no' });
  });

  test('that is suspended gives nothing, is narrowed and widened, and stays suspended', () => {
    expect(versionAt(suspended, NOW)).toBeNull();
    expect(proposeVersion(suspended, NARROWER, PROVIDER, NOW)).toMatchObject({ state: 'SUSPENDED', current: 2 });
    const wide = approve(proposeVersion(suspended, WIDER, CONSUMER, NOW), 2, PROVIDER, NOW);
    expect(wide).toMatchObject({ state: 'SUSPENDED', current: 2 });
    expect(resume(wide, PROVIDER, NOW)).toMatchObject({ state: 'ACTIVE', current: 2 });
  });

  test('that ends drops the version that waits', () => {
    expect(end(waiting, PROVIDER, 'done', NOW)).toMatchObject({ state: 'ENDED', pending: null, approvedBy: [] });
  });

  test.each([
    ['rejected', rejected],
    ['ended', ended],
  ])('that is %s stays so', (_, agreement) => {
    const changes = [
      () => proposeVersion(agreement, WIDER, PROVIDER, NOW),
      () => approve(agreement, 1, PROVIDER, NOW),
      () => approve(agreement, 1, CONSUMER, NOW),
      () => reject(agreement, PROVIDER, 'no', NOW),
      () => suspend(agreement, PROVIDER, 'no', NOW),
      () => resume(agreement, PROVIDER, NOW),
      () => end(agreement, PROVIDER, 'no', NOW),
    ];
    expect(changes.map(refusal)).toEqual(changes.map(() => 'INPUT_INVALID'));
  });

  test('expires with the version in force, to the millisecond, suspended or not', () => {
    expect(stateAt(active, AFTER - 1)).toBe('ACTIVE');
    expect(stateAt(active, AFTER)).toBe('EXPIRED');
    expect(versionAt(active, AFTER)).toBeNull();
    expect(stateAt(suspended, AFTER)).toBe('EXPIRED');
    expect([drafted, proposed, rejected, ended].map((agreement) => stateAt(agreement, AFTER))).toEqual([
      'DRAFT',
      'PROPOSED',
      'REJECTED',
      'ENDED',
    ]);
  });

  test('gives nothing before its time', () => {
    const from = Date.parse(TERMS.validFrom);
    expect(versionAt(active, from - 1)).toBeNull();
    expect(versionAt(active, from)?.version).toBe(1);
  });

  test('that has expired is renewed by a version both approve', () => {
    const renewal = proposeVersion(active, RENEWED, PROVIDER, AFTER);
    expect(stateAt(renewal, AFTER)).toBe('EXPIRED');
    expect(stateAt(approve(renewal, 2, CONSUMER, AFTER), AFTER)).toBe('ACTIVE');
  });

  test('without a version to tell its end gives nothing', () => {
    expect(stateAt({ ...active, current: 7 }, NOW)).toBe('EXPIRED');
    expect(versionAt({ ...active, current: null }, NOW)).toBeNull();
  });
});

describe('refused are', () => {
  test.each<[string, string, () => unknown]>([
    ['a draft by the provider', 'ACCESS_DENIED', () => draftAgreement('d', TERMS, PROVIDER, 'x', NOW)],
    ['a draft by a stranger', 'ACCESS_DENIED', () => draftAgreement('d', TERMS, DELEGATE, 'x', NOW)],
    ['a draft for no reason', 'INPUT_INVALID', () => draftAgreement('d', TERMS, CONSUMER, ' ', NOW)],
    ['a draft that is over', 'INPUT_INVALID', () => draftAgreement('d', TERMS, CONSUMER, 'x', AFTER)],
    ['a proposal by a delegate', 'ACCESS_DENIED', () => proposeAgreement('d', TERMS, DELEGATE, NOW)],
    ['a proposal that is over', 'INPUT_INVALID', () => proposeAgreement('d', TERMS, PROVIDER, AFTER)],
    ['a version by a delegate', 'ACCESS_DENIED', () => proposeVersion(active, NARROWER, DELEGATE, NOW)],
    ['a version that is over', 'INPUT_INVALID', () => proposeVersion(active, NARROWER, PROVIDER, AFTER)],
    [
      'a version of another provider',
      'INPUT_INVALID',
      () => proposeVersion(active, { ...NARROWER, provider: 'university' }, PROVIDER, NOW),
    ],
    [
      'a version of another consumer',
      'INPUT_INVALID',
      () => proposeVersion(active, { ...NARROWER, consumer: 'university' }, PROVIDER, NOW),
    ],
    [
      'a version in which a stranger is the provider',
      'ACCESS_DENIED',
      () => proposeVersion(active, { ...NARROWER, provider: 'university' }, DELEGATE, NOW),
    ],
    ['a version like the one in force', 'INPUT_INVALID', () => proposeVersion(active, TERMS, PROVIDER, NOW)],
    ['a version like the one that waits', 'INPUT_INVALID', () => proposeVersion(waiting, WIDER, CONSUMER, NOW)],
    ['approval by a delegate', 'ACCESS_DENIED', () => approve(proposed, 1, DELEGATE, NOW)],
    ['approval of what is over', 'INPUT_INVALID', () => approve(proposed, 1, PROVIDER, AFTER)],
    ['approval of nothing', 'INPUT_INVALID', () => approve(active, 1, PROVIDER, NOW)],
    ['rejection by a delegate', 'ACCESS_DENIED', () => reject(proposed, DELEGATE, 'no', NOW)],
    ['rejection of nothing', 'INPUT_INVALID', () => reject(active, PROVIDER, 'no', NOW)],
    ['rejection for no reason', 'INPUT_INVALID', () => reject(proposed, PROVIDER, '', NOW)],
    ['suspension by the consumer', 'ACCESS_DENIED', () => suspend(active, CONSUMER, 'x', NOW)],
    ['suspension of what is suspended', 'INPUT_INVALID', () => suspend(suspended, PROVIDER, 'x', NOW)],
    ['suspension of a proposal', 'INPUT_INVALID', () => suspend(proposed, PROVIDER, 'x', NOW)],
    ['suspension for too long a reason', 'INPUT_INVALID', () => suspend(active, PROVIDER, 'x'.repeat(1_001), NOW)],
    ['resumption by the consumer', 'ACCESS_DENIED', () => resume(suspended, CONSUMER, NOW)],
    ['resumption of what is active', 'INPUT_INVALID', () => resume(active, PROVIDER, NOW)],
    ['the end by the consumer', 'ACCESS_DENIED', () => end(active, CONSUMER, 'x', NOW)],
    ['the end of a proposal', 'INPUT_INVALID', () => end(proposed, PROVIDER, 'x', NOW)],
    ['the end with half a character', 'INPUT_INVALID', () => end(active, PROVIDER, '\uD800', NOW)],
  ])('%s', (_, code, change) => {
    expect(refusal(change)).toBe(code);
  });

  const without: Party = { ...PROVIDER, mayManage: false };
  test.each<[string, () => unknown]>([
    ['a draft', () => draftAgreement('d', TERMS, { ...CONSUMER, mayManage: false }, 'x', NOW)],
    ['a proposal', () => proposeAgreement('d', TERMS, without, NOW)],
    ['a version', () => proposeVersion(active, NARROWER, without, NOW)],
    ['approval', () => approve(proposed, 1, without, NOW)],
    ['rejection', () => reject(proposed, without, 'no', NOW)],
    ['suspension', () => suspend(active, without, 'x', NOW)],
    ['resumption', () => resume(suspended, without, NOW)],
    ['the end', () => end(active, without, 'x', NOW)],
  ])('%s by someone who may not manage', (_, change) => {
    expect(refusal(change)).toBe('ACCESS_DENIED');
  });
});

describe('the history', () => {
  const full: Agreement = {
    ...active,
    history: Array.from({ length: LIFECYCLE_LIMITS.events }, () => active.history[0]!),
  };

  test('takes as many events as it may', () => {
    const room = { ...full, history: full.history.slice(2) };
    expect(proposeVersion(room, NARROWER, PROVIDER, NOW).history).toHaveLength(LIFECYCLE_LIMITS.events);
  });

  test('that is full refuses changes, but never what protects the provider', () => {
    expect(refusal(() => proposeVersion(full, NARROWEST, PROVIDER, NOW))).toBe('INPUT_INVALID');
    const stopped = suspend(full, PROVIDER, 'x', NOW);
    expect(refusal(() => resume(stopped, PROVIDER, NOW))).toBe('INPUT_INVALID');
    expect(end(stopped, PROVIDER, 'x', NOW).history).toHaveLength(LIFECYCLE_LIMITS.events + 2);
  });
});
