import { defaultHubConfig } from '@civex/config';
import type { HubConfig, SourceInput } from '@civex/config';
import { createSeededRandom, createVirtualEnvironment } from '@civex/environment';
import { adapterOptionSchemas, createGateway } from '@civex/gateway';
import { ask, createQuestion, LONGEST_THOUGHT_MS, pageOf, readExport } from './clients.ts';
import type { Exchange, Question } from './clients.ts';
import { createFaultSpans, createHost } from './faults.ts';
import { createJudge, judgeWire } from './judge.ts';
import type { CacheTimes, CircuitMove, Invariant, Violation } from './judge.ts';
import { createWire } from './wire.ts';
import { createDice, createPortalSpec } from './world.ts';
import type { Dice, PortalSpec } from './world.ts';

/** What has to come about for a run to show anything. */
export const EVENTS = [
  'failed attempts',
  'circuits opened',
  'reloads',
  'clock steps',
  'questions when closing',
  'callers gone',
  'stale answers',
  'failed sources',
  'whole exports',
  'broken exports',
  'aggregates',
] as const;
export type Events = Readonly<Record<(typeof EVENTS)[number], number>>;

export interface SeedResult {
  readonly seed: number;
  /** GraphQL requests of the clients. */
  readonly requests: number;
  /** Requests and connection attempts that reached a portal. */
  readonly attempts: number;
  /** How many requests ended without any error. */
  readonly clean: number;
  readonly violations: readonly Violation[];
  /** How often each thing that a run is about came about in it. */
  readonly events: Events;
  /** What happened, one line each; empty unless asked for or needed. */
  readonly log: readonly string[];
  /** Of everything that happened: the same seed gives the same one. */
  readonly digest: number;
}

const RUN_MS = 240_000;
/** After the faults: longer than a breaker stays open and a portal is left alone. */
const REST_MS = 75_000;
const QUESTIONS = 28;
const MAX_PAGES = 4;
/** While the hub closes. */
const LAST_QUESTIONS = 5;

interface SourceTerms {
  readonly input: SourceInput;
  readonly times: CacheTimes;
}

function createTerms(portal: PortalSpec, retryBudget: number, dice: Dice): SourceTerms {
  const catalogSeconds = dice.pick([0, 5, 60]);
  const recordsSeconds = dice.pick([0, 2, 10]);
  const staleIfErrorSeconds = dice.pick([0, 30, 300]);
  const totalTimeoutMs = dice.pick([3_000, 10_000]);
  const [first, ...others] = portal.hosts;
  return {
    input: {
      id: portal.source,
      adapter: portal.kind,
      urls: [`https://${first}`, ...others.map((host) => `https://${host}`)],
      cache: { catalogSeconds, recordsSeconds, staleIfErrorSeconds },
      limits: { totalTimeoutMs, retryBudget, maxConcurrent: dice.pick([2, 6, 20]), maxQueued: dice.pick([2, 50]) },
    },
    times: {
      catalogMs: catalogSeconds * 1_000,
      recordsMs: recordsSeconds * 1_000,
      staleMs: staleIfErrorSeconds * 1_000,
      totalTimeoutMs,
    },
  };
}

function fold(digest: number, text: string): number {
  let hash = digest;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** One whole run: a hub, its portals and its clients, in virtual time. The same seed does the same. */
export async function runSeed(seed: number, options: { readonly keepLog?: boolean } = {}): Promise<SeedResult> {
  const dice = (purpose: number): Dice => createDice(createSeededRandom(seed * 31 + purpose));
  const [worldDice, faultDice, wireDice, clientDice, eventDice] = [dice(1), dice(2), dice(3), dice(4), dice(5)];
  const endDice = dice(6);
  const startMs = Date.UTC(2026, 2, 1, 12);
  const endMs = startMs + RUN_MS;

  const log: string[] = [];
  let digest = 0x811c9dc5;
  const violations: Violation[] = [];
  const note = (text: string): void => {
    const line = `${String(env.monotonicMs() - startMs).padStart(7)} ${text}`;
    digest = fold(digest, line);
    log.push(line);
  };
  const report = (invariant: Invariant, text: string): void => {
    violations.push({ invariant, text });
    note(`VIOLATION ${invariant}: ${text}`);
  };

  // ---- the world
  const portals = Array.from({ length: worldDice.int(2, 4) }, (_, index) =>
    createPortalSpec(index, startMs, endMs, worldDice),
  );
  const spans = portals.flatMap(({ source }) => createFaultSpans(source, startMs, endMs, faultDice));
  const clock = { monotonicMs: (): number => env.monotonicMs() };
  const hosts = new Map(
    portals.flatMap((portal) => {
      const host = createHost(
        portal,
        spans.filter(({ source }) => source === portal.source),
        clock,
        wireDice,
      );
      return portal.hosts.map((name) => [name, host] as const);
    }),
  );
  const wire = createWire(hosts, (source, text) => note(`${source} ${text}`));
  const env = createVirtualEnvironment({ seed, startEpochMs: startMs, network: wire.network });
  wire.begin(env);
  for (const { source, fault, fromMs, toMs, share } of spans)
    note(`span ${source} ${fault} ${fromMs - startMs}..${toMs - startMs} share ${share}`);

  // ---- the hub
  const retryBudget = worldDice.pick([0.1, 0.1, 0.3, 1, 0]);
  const terms = new Map(portals.map((portal) => [portal.source, createTerms(portal, retryBudget, worldDice)]));
  const requestTimeoutMs = worldDice.pick([2_000, 8_000, 15_000]);
  const exportTimeoutMs = worldDice.pick([10_000, 30_000]);
  const createConfig = (sources: readonly SourceTerms[]): HubConfig => {
    const config = defaultHubConfig(
      sources.map(({ input }) => input),
      { adapters: adapterOptionSchemas },
    );
    return { ...config, limits: { ...config.limits, requestTimeoutMs, exportSeconds: exportTimeoutMs / 1_000 } };
  };
  const moves: CircuitMove[] = [];
  const gateway = createGateway({
    config: createConfig([...terms.values()]),
    environment: {
      ...env,
      metrics: {
        upstream() {},
        circuit(source, state) {
          moves.push({ source, state, atMs: env.monotonicMs() });
          note(`${source} circuit ${state}`);
        },
      },
    },
    reportError: (error) => note(`masked ${error instanceof Error ? `${error.name}: ${error.message}` : 'something'}`),
    onCapabilityLost: (source, datasetId, op) => note(`${source} ${datasetId} lost ${op}`),
  });

  // ---- what the clients know
  let configured: ReadonlySet<string> = new Set(terms.keys());
  const history: { readonly atMs: number; readonly sources: ReadonlySet<string> }[] = [
    { atMs: startMs, sources: configured },
  ];
  const sourcesAt = (atMs: number): ReadonlySet<string> =>
    history.findLast((entry) => entry.atMs <= atMs)?.sources ?? configured;
  const times = new Map([...terms].map(([source, { times: own }]) => [source, own]));
  const judge = createJudge({ portals, spans, times, requestTimeoutMs, exportTimeoutMs, sourcesAt, report });

  const exchanges: Exchange[] = [];
  const unanswered = new Set<string>();
  const wait = (ms: number): Promise<void> => new Promise((resolve) => env.setTimer(resolve, ms));

  async function walk(op: number, question: Question, cancelAfterMs: number | null, pauseMs: number): Promise<void> {
    const walked: Exchange[] = [];
    let after: string | null = null;
    for (let page = 0; page < MAX_PAGES; page++) {
      const leaving = new AbortController();
      let cancelledMs: number | null = null;
      const timer =
        cancelAfterMs === null
          ? null
          : env.setTimer(() => {
              cancelledMs = env.monotonicMs();
              leaving.abort();
            }, cancelAfterMs);
      const name = `question ${op}, page ${page}`;
      unanswered.add(name);
      const beganMs = env.monotonicMs();
      note(`ask ${op}/${page} ${JSON.stringify(question)}`);
      let answered: { readonly data: unknown; readonly codes: readonly string[] };
      try {
        answered =
          question.kind === 'export'
            ? await readExport(gateway, question, leaving.signal, () => wait(question.thinksMs))
            : await ask(gateway, question, after, leaving.signal);
      } catch (error) {
        report('fault of ours', `${name} threw ${error instanceof Error ? error.message : 'something'}`);
        unanswered.delete(name);
        env.clearTimer(timer);
        return;
      }
      unanswered.delete(name);
      env.clearTimer(timer);
      const exchange: Exchange = {
        question,
        op,
        page,
        startMs: beganMs,
        endMs: env.monotonicMs(),
        cancelledMs,
        ...answered,
      };
      note(`told ${op}/${page} ${JSON.stringify(answered)}`);
      exchanges.push(exchange);
      walked.push(exchange);
      judge.judge(exchange);
      const found = pageOf(question, answered.data);
      if (found === null || !found.pageInfo.hasNextPage || found.pageInfo.endCursor === null || cancelledMs !== null)
        break;
      after = found.pageInfo.endCursor;
      if (pauseMs > 0) await wait(pauseMs);
    }
    judge.judgeWalk(walked);
  }

  // ---- what happens, in order
  const agenda: { readonly atMs: number; readonly run: () => void }[] = [];
  const walks: Promise<void>[] = [];
  const asked: Question[] = [];
  let steps = 0;
  let interrupted = 0;
  /** Crowds come when something is wrong, and again when a breaker tries anew: budget and breaker have something to do. */
  const crowds = spans
    .filter(() => clientDice.chance(0.4))
    .slice(0, 2)
    .flatMap(({ source, fromMs }) => [
      { source, atMs: fromMs + 500, withinMs: 4_000 },
      { source, atMs: fromMs + clientDice.int(6_000, 10_000), withinMs: 400 },
    ]);
  for (let op = 0; op < QUESTIONS; op++) {
    const crowd = clientDice.chance(0.65) ? crowds[clientDice.int(0, crowds.length - 1)] : undefined;
    const atMs =
      crowd === undefined
        ? clientDice.int(startMs, endMs)
        : Math.min(endMs, crowd.atMs + clientDice.int(0, crowd.withinMs));
    const asking =
      crowd === undefined || clientDice.chance(0.2) ? portals : portals.filter(({ source }) => source === crowd.source);
    const again = asked[clientDice.int(0, Math.max(0, asked.length - 1))];
    const isAgain = clientDice.chance(0.3) && again !== undefined && !(again.kind === 'records' && again.mark !== null);
    const question = isAgain ? again : createQuestion(op, asking, clientDice);
    asked.push(question);
    const cancelAfterMs = clientDice.chance(0.12) ? clientDice.int(0, 3_000) : null;
    const pauseMs = clientDice.pick([0, 0, 0, 1_500]);
    agenda.push({ atMs, run: () => walks.push(walk(op, question, cancelAfterMs, pauseMs)) });
  }
  const steady = new Set(terms.keys());
  if (eventDice.chance(0.35))
    for (let count = eventDice.int(1, 3); count > 0; count--) {
      const source = eventDice.pick(['s0', 's1']);
      const change = eventDice.pick(['drop', 'change', 'add']);
      steady.delete(source);
      agenda.push({
        atMs: eventDice.int(startMs, endMs),
        run() {
          const kept = new Set(configured);
          if (change === 'drop' && kept.size > 1) kept.delete(source);
          if (change === 'add') kept.add(source);
          const changed = [...terms].flatMap(([id, own]): SourceTerms[] => {
            if (!kept.has(id)) return [];
            if (id !== source || change !== 'change') return [own];
            return [{ ...own, input: { ...own.input, title: `${id} at ${env.monotonicMs()}` } }];
          });
          note(`reload: ${change} ${source}`);
          gateway.replaceSources(createConfig(changed));
          configured = kept;
          history.push({ atMs: env.monotonicMs(), sources: kept });
        },
      });
    }
  for (let count = eventDice.int(0, 3); count > 0; count--) {
    const ms = eventDice.int(-10, 10) * 60_000 + eventDice.int(-30_000, 30_000);
    agenda.push({
      atMs: eventDice.int(startMs, endMs),
      run() {
        note(`the wall clock steps by ${ms} ms`);
        env.step(ms);
        steps += 1;
      },
    });
  }
  agenda.sort((a, b) => a.atMs - b.atMs);

  const onRejection = (reason: unknown): void =>
    report('fault of ours', `unhandled rejection: ${reason instanceof Error ? reason.message : 'something'}`);
  process.on('unhandledRejection', onRejection);
  try {
    for (const { atMs, run } of agenda) {
      await env.advance(atMs - env.monotonicMs());
      run();
    }
    await env.advance(endMs + REST_MS - env.monotonicMs());
    // Healthy again: every source that is configured answers.
    for (const source of configured)
      walks.push(
        walk(QUESTIONS, { kind: 'list', search: null, catalogs: [source], orderBy: 'RELEVANCE', first: 12 }, null, 0),
      );
    await env.advance(Math.max(requestTimeoutMs * MAX_PAGES, exportTimeoutMs) + 10_000);
    for (const { question, codes, op } of exchanges)
      if (op === QUESTIONS && codes.length > 0)
        report('no recovery', `${JSON.stringify(question)} still fails with ${codes.join(', ')}`);
    for (const name of unanswered) report('missed deadline', `${name} was never answered`);
    if (unanswered.size === 0) await Promise.all(walks);

    // A hub that is told to stop while it is asked answers or refuses, and leaves nothing behind.
    if (endDice.chance(0.3)) {
      for (let op = QUESTIONS + 1; op <= QUESTIONS + LAST_QUESTIONS; op++)
        walks.push(walk(op, createQuestion(op, portals, endDice), null, 0));
      await env.advance(endDice.int(0, 200));
      interrupted = unanswered.size;
      note(`closing over ${interrupted} questions`);
    }
    let isClosed = false;
    const closing = gateway.close().then(() => {
      isClosed = true;
    });
    await env.advance(1_000);
    if (isClosed) await closing;
    else report('leak', 'the gateway does not close');
    // Who thinks about a piece of an export hears of it afterwards.
    await env.advance(LONGEST_THOUGHT_MS);
    for (const name of unanswered) report('missed deadline', `${name} is not answered though the hub has closed`);
    if (unanswered.size === 0) await Promise.all(walks);
    if (wire.openSockets() > 0) report('leak', `${wire.openSockets()} connections are open at the end`);
    if (env.pendingTimers() > 0) report('leak', `${env.pendingTimers()} timers run at the end`);
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  judgeWire(wire.attempts, moves, { steady, retryBudget, exchanges, report });
  const pages = exchanges.flatMap(({ question, data }) => pageOf(question, data)?.sources ?? []);
  const exports = exchanges.filter(({ question }) => question.kind === 'export');
  const cleanExports = exports.filter(({ codes }) => codes.length === 0).length;
  return {
    seed,
    events: {
      'failed attempts': wire.attempts.filter(({ wasGood }) => wasGood === false).length,
      'circuits opened': moves.filter(({ state }) => state === 'open').length,
      reloads: history.length - 1,
      'clock steps': steps,
      'questions when closing': interrupted,
      'callers gone': exchanges.filter(({ cancelledMs }) => cancelledMs !== null).length,
      'stale answers': pages.filter(({ status }) => status === 'STALE').length,
      'failed sources': pages.filter(({ status }) => status === 'FAILED').length,
      'whole exports': cleanExports,
      'broken exports': exports.length - cleanExports,
      aggregates: exchanges.filter(({ question, codes }) => question.kind === 'aggregate' && codes.length === 0).length,
    },
    requests: exchanges.length,
    attempts: wire.attempts.length,
    clean: exchanges.filter(({ codes }) => codes.length === 0).length,
    violations,
    log: options.keepLog === true || violations.length > 0 ? log : [],
    digest,
  };
}
