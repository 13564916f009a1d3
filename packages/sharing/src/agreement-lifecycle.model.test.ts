import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { isHubError } from '@civex/errors';
import type { Agreement, AgreementTerms } from './agreement.ts';
import type { Party } from './agreement-lifecycle.ts';
import {
  approve,
  draftAgreement,
  end,
  proposeAgreement,
  proposeVersion,
  reject,
  resume,
  stateAt,
  suspend,
  versionAt,
} from './agreement-lifecycle.ts';
import { verifyVersion } from './agreement-version.ts';

/** Terms as the model knows them: columns by number, the day they end, and whose they are. */
interface Offer {
  /** Columns 0 to this one. */
  readonly columns: number;
  readonly untilDay: number;
  readonly isOurs: boolean;
}
type Who = 'provider' | 'consumer' | 'stranger' | 'clerk';
type Command =
  | { readonly kind: 'draft' | 'propose'; readonly who: Who; readonly offer: Offer }
  | { readonly kind: 'approve'; readonly who: Who; readonly back: number }
  | { readonly kind: 'reject' | 'suspend' | 'resume' | 'end'; readonly who: Who }
  | { readonly kind: 'wait'; readonly days: number };

const DAY = 86_400_000;
const START = Date.parse('2026-01-01T00:00:00Z');
const dayText = (day: number): string => new Date(START + day * DAY).toISOString().replace('.000Z', 'Z');

const toTerms = ({ columns, untilDay, isOurs }: Offer): AgreementTerms => ({
  provider: 'city',
  consumer: isOurs ? 'region' : 'firm',
  delegates: [],
  purposes: ['p'],
  validFrom: dayText(-1),
  validUntil: dayText(untilDay),
  grants: [
    {
      dataset: 'city:x',
      actions: ['DISCOVER', 'QUERY'],
      properties: Array.from({ length: columns + 1 }, (_, i) => `c${i}`),
      masks: [],
      rows: null,
      disclosure: null,
      limits: null,
    },
  ],
});

const PARTIES: Readonly<Record<Who, Party>> = {
  provider: { organisation: 'city', subject: 'a', mayManage: true },
  consumer: { organisation: 'region', subject: 'b', mayManage: true },
  stranger: { organisation: 'firm', subject: 'c', mayManage: true },
  clerk: { organisation: 'city', subject: 'd', mayManage: false },
};

/** What an agreement is, told in the plainest way: offers by number, and who said yes to the one that waits. */
interface Model {
  state: 'none' | 'DRAFT' | 'PROPOSED' | 'ACTIVE' | 'SUSPENDED' | 'REJECTED' | 'ENDED';
  offers: Offer[];
  inForce: number;
  waits: number;
  yes: 'provider' | 'consumer' | '';
  changes: number;
}
type Verdict = 'done' | 'ACCESS_DENIED' | 'INPUT_INVALID';

const sameOffer = (a: Offer | undefined, b: Offer): boolean => a?.columns === b.columns && a.untilDay === b.untilDay;

function predict(model: Model, command: Exclude<Command, { readonly kind: 'wait' }>, day: number): Verdict {
  const { kind, who } = command;
  if (kind === 'draft' || (kind === 'propose' && model.state === 'none')) {
    const mayAsk = kind === 'draft' ? who === 'consumer' : who === 'provider' || who === 'consumer';
    // To a stranger, terms with the stranger as the consumer are its own; to the consumer they are not.
    const isParty = command.offer.isOurs ? mayAsk : who === 'stranger' || (who === 'provider' && kind === 'propose');
    if (!isParty) return 'ACCESS_DENIED';
    return command.offer.untilDay <= day ? 'INPUT_INVALID' : 'done';
  }
  if (who === 'stranger' || who === 'clerk') return 'ACCESS_DENIED';
  const lives = model.state === 'ACTIVE' || model.state === 'SUSPENDED';
  const young = model.state === 'DRAFT' || model.state === 'PROPOSED';
  if (kind === 'propose') {
    const { offer } = command;
    if ((!lives && !young) || !offer.isOurs || offer.untilDay <= day) return 'INPUT_INVALID';
    if (sameOffer(model.offers[model.waits - 1], offer) || sameOffer(model.offers[model.inForce - 1], offer))
      return 'INPUT_INVALID';
    model.offers.push(offer);
    const before = model.offers[model.inForce - 1];
    const isNarrower = before !== undefined && offer.columns <= before.columns && offer.untilDay <= before.untilDay;
    if (isNarrower && who === 'provider') {
      model.inForce = model.offers.length;
      model.waits = 0;
      model.yes = '';
    } else {
      if (young) model.state = 'PROPOSED';
      model.waits = model.offers.length;
      model.yes = who;
    }
    model.changes++;
    return 'done';
  }
  if (kind === 'approve') {
    const number = model.offers.length - command.back;
    if (model.waits === 0 || model.waits !== number) return 'INPUT_INVALID';
    if (model.yes === who) return 'ACCESS_DENIED';
    if ((model.offers[number - 1]?.untilDay ?? 0) <= day) return 'INPUT_INVALID';
    model.inForce = number;
    model.waits = 0;
    model.yes = '';
    if (model.state !== 'SUSPENDED') model.state = 'ACTIVE';
    model.changes++;
    return 'done';
  }
  if (kind === 'reject') {
    if (!young && (!lives || model.waits === 0)) return 'INPUT_INVALID';
    if (young) model.state = 'REJECTED';
    model.waits = 0;
    model.yes = '';
    model.changes++;
    return 'done';
  }
  if (who !== 'provider') return 'ACCESS_DENIED';
  const from = { suspend: ['ACTIVE'], resume: ['SUSPENDED'], end: ['ACTIVE', 'SUSPENDED'] }[kind];
  if (!from.includes(model.state)) return 'INPUT_INVALID';
  model.state = kind === 'suspend' ? 'SUSPENDED' : kind === 'resume' ? 'ACTIVE' : 'ENDED';
  if (kind === 'end') {
    model.waits = 0;
    model.yes = '';
  }
  model.changes++;
  return 'done';
}

function perform(
  agreement: Agreement | null,
  command: Exclude<Command, { readonly kind: 'wait' }>,
  now: number,
): Agreement {
  const actor = PARTIES[command.who];
  if (command.kind === 'draft') return draftAgreement('dsa:1', toTerms(command.offer), actor, 'why', now);
  if (command.kind === 'propose')
    return agreement === null
      ? proposeAgreement('dsa:1', toTerms(command.offer), actor, now)
      : proposeVersion(agreement, toTerms(command.offer), actor, now);
  if (agreement === null) throw new TypeError('nothing is there yet');
  switch (command.kind) {
    case 'approve':
      return approve(agreement, agreement.versions.length - command.back, actor, now);
    case 'reject':
      return reject(agreement, actor, 'no', now);
    case 'suspend':
      return suspend(agreement, actor, 'stop', now);
    case 'resume':
      return resume(agreement, actor, now);
    case 'end':
      return end(agreement, actor, 'over', now);
  }
}

const who = fc.oneof(
  { arbitrary: fc.constantFrom<Who>('provider', 'consumer'), weight: 9 },
  { arbitrary: fc.constantFrom<Who>('stranger', 'clerk'), weight: 1 },
);
const offer: fc.Arbitrary<Offer> = fc.record({
  columns: fc.integer({ min: 0, max: 4 }),
  untilDay: fc.constantFrom(5, 20, 60),
  isOurs: fc.integer({ min: 0, max: 14 }).map((n) => n > 0),
});
const command: fc.Arbitrary<Command> = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant('draft' as const), who, offer }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('propose' as const), who, offer }), weight: 7 },
  {
    arbitrary: fc.record({
      kind: fc.constant('approve' as const),
      who,
      back: fc.constantFrom(0, 0, 0, 0, 1),
    }),
    weight: 7,
  },
  {
    arbitrary: fc.record({ kind: fc.constantFrom('reject' as const, 'suspend' as const, 'resume' as const), who }),
    weight: 4,
  },
  { arbitrary: fc.record({ kind: fc.constant('end' as const), who }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('wait' as const), days: fc.constantFrom(1, 1, 7) }), weight: 2 },
);

/** Whether a list begins with what another holds. */
const begins = (list: readonly unknown[], start: readonly unknown[]): boolean =>
  start.every((entry, index) => entry === list[index] || JSON.stringify(entry) === JSON.stringify(list[index]));

/** An assertion of its own only where it fails: there are more than a million. */
function same(actual: unknown, expected: unknown): void {
  if (actual !== expected && JSON.stringify(actual) !== JSON.stringify(expected)) expect(actual).toEqual(expected);
}

const SEQUENCES = 5_000;

describe('the life of an agreement', () => {
  test('is what a plain model of it says, over random sequences of changes', ({ task }) => {
    let mismatches = 0;
    const seen = { refused: 0, done: 0, narrowed: 0, widened: 0, expired: 0, ended: 0, rejected: 0 };

    fc.assert(
      fc.property(fc.array(command, { minLength: 5, maxLength: 40, size: 'max' }), (commands) => {
        mismatches++;
        const model: Model = { state: 'none', offers: [], inForce: 0, waits: 0, yes: '', changes: 0 };
        let agreement: Agreement | null = null;
        let day = 0;
        for (const next of commands) {
          if (next.kind === 'wait') {
            day += next.days;
            continue;
          }
          const isNew = model.state === 'none';
          // One agreement a sequence: it is drafted or proposed once, and nothing else can happen to it before.
          if (isNew ? next.kind !== 'draft' && next.kind !== 'propose' : next.kind === 'draft') continue;
          const verdict = predict(model, next, day);
          const before: Agreement | null = agreement;
          const snapshot = JSON.stringify(before);
          let outcome: Verdict = 'done';
          try {
            agreement = perform(before, next, START + day * DAY);
          } catch (error) {
            if (!isHubError(error) || (error.code !== 'ACCESS_DENIED' && error.code !== 'INPUT_INVALID')) throw error;
            outcome = error.code;
          }
          same(outcome, verdict);
          same(JSON.stringify(before), snapshot);
          if (outcome !== 'done') {
            seen.refused++;
            continue;
          }
          seen.done++;
          if (isNew && 'offer' in next) {
            // Another agreement of the stranger's: no business of this model.
            if (!next.offer.isOurs) {
              agreement = null;
              continue;
            }
            model.offers = [next.offer];
            model.state = next.kind === 'draft' ? 'DRAFT' : 'PROPOSED';
            model.waits = next.kind === 'draft' ? 0 : 1;
            model.yes = next.kind === 'draft' ? '' : next.who === 'provider' ? 'provider' : 'consumer';
            model.changes = 1;
          }
          if (agreement === null) throw new TypeError('nothing is there');
          compare(agreement, before, model, next, day);
        }
        mismatches--;
      }),
      { seed: 1_414, numRuns: SEQUENCES },
    );

    function compare(agreement: Agreement, before: Agreement | null, model: Model, next: Command, day: number): void {
      same(
        {
          state: agreement.state,
          current: agreement.current ?? 0,
          pending: agreement.pending ?? 0,
          approvedBy: agreement.approvedBy.join(''),
          revision: agreement.revision,
          columns: agreement.versions.map(({ terms }) => (terms.grants[0]?.properties?.length ?? 0) - 1),
        },
        {
          state: model.state,
          current: model.inForce,
          pending: model.waits,
          approvedBy: model.yes,
          revision: model.changes,
          columns: model.offers.map(({ columns }) => columns),
        },
      );

      // Without the model: what may never be, whatever the moves.
      same((agreement.current ?? 0) >= (before?.current ?? 0), true);
      same(
        agreement.versions.map(({ version }) => version),
        agreement.versions.map((_, i) => i + 1),
      );
      const newest = agreement.versions.at(-1);
      same(newest !== undefined && verifyVersion('dsa:1', newest), true);
      same(begins(agreement.versions, before?.versions ?? []), true);
      same(begins(agreement.history, before?.history ?? []), true);
      same(agreement.history.length > (before?.history.length ?? 0), true);
      if (before?.state === 'REJECTED' || before?.state === 'ENDED') throw new TypeError('this was final');
      if (agreement.current !== null && agreement.current !== before?.current) {
        const was = before?.versions[(before.current ?? 0) - 1]?.terms;
        const is = agreement.versions[agreement.current - 1]?.terms;
        const isMore =
          was === undefined ||
          is === undefined ||
          (is.grants[0]?.properties?.length ?? 0) > (was.grants[0]?.properties?.length ?? 0) ||
          is.validUntil > was.validUntil;
        if (next.kind === 'propose') {
          same([isMore, next.who], [false, 'provider']);
          seen.narrowed++;
        } else {
          // One party has proposed it and the other approves.
          same(next.kind, 'approve');
          const approver = before?.approvedBy.includes('provider') === true ? 'consumer' : 'provider';
          same('who' in next && next.who, approver);
          same(before?.approvedBy.length, 1);
          if (isMore) seen.widened++;
        }
      }
      for (const later of [0, 1, 30]) {
        const offerInForce = model.offers[model.inForce - 1];
        const lives = model.state === 'ACTIVE' || model.state === 'SUSPENDED';
        const isOver = lives && (offerInForce?.untilDay ?? 0) <= day + later;
        const now = START + (day + later) * DAY;
        same(stateAt(agreement, now), isOver ? 'EXPIRED' : model.state);
        same(versionAt(agreement, now)?.version ?? 0, model.state === 'ACTIVE' && !isOver ? model.inForce : 0);
        if (isOver) seen.expired++;
      }
      if (agreement.state === 'ENDED') seen.ended++;
      if (agreement.state === 'REJECTED') seen.rejected++;
    }

    for (const [what, count] of Object.entries(seen)) expect([what, count > 200]).toEqual([what, true]);
    task.meta.figures = [
      {
        point: 14,
        what: `agreement life cycle: mismatches with the model (${SEQUENCES} sequences of up to 40 commands)`,
        value: mismatches,
        target: '0',
        isMet: mismatches === 0,
      },
      {
        point: 14,
        what: 'agreement life cycle: changes made and refused on the way',
        value: seen.done + seen.refused,
        target: '>= 50,000',
        isMet: seen.done + seen.refused >= 50_000,
      },
    ];
  });
});
