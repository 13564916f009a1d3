import type { SourceInput } from '@civex/config';
import type { PortalAnswer } from '@civex/sandbox';
import type { Socket } from 'node:net';
import { createSecureContext, setDefaultCACertificates, TLSSocket } from 'node:tls';
import type { SecureContextOptions } from 'node:tls';
import { createCertificate } from './certificates.ts';
import type { Certificate } from './certificates.ts';
import type { Item } from './edit-answer.ts';
import { ELSEWHERE, WAYS } from './fault-rows.ts';
import type { Exchange, FaultRow, Found, Verdict, Way } from './fault-rows.ts';
import { createTestHub, LIMITS, LOOPBACK, SECRET, SPEED, toSource } from './hub.ts';
import type { Names, Resolution, TestHub } from './hub.ts';
import { JSON_TYPE, startRawPortal, toMessage } from './raw-portal.ts';
import type { RawPortal, RawRequest } from './raw-portal.ts';
import { bodyOf, DATASET, purposeOf, samplePortal } from './sample-portal.ts';
import type { Kind, Purpose, Size } from './sample-portal.ts';

/** How much later than its deadline an answer may come, milliseconds of the machine. */
const GRACE_MS = 250;
/** Milliseconds of the machine. */
const DEADLINES: Readonly<Record<Way, number>> = {
  catalog: LIMITS.totalTimeoutMs / SPEED,
  window: LIMITS.requestTimeoutMs / SPEED,
  stream: (LIMITS.exportSeconds * 1_000) / SPEED,
};
/** How long what is over may take to be gone, milliseconds of the machine. */
const SETTLE_MS = 1_000;

const hostOf = (way: Way): string => `f${way}`;

/** Real listeners that live as long as the matrix. */
export interface Stage extends AsyncDisposable {
  /** A healthy portal of each kind. */
  readonly good: Readonly<Record<Kind, RawPortal>>;
  /** Listens where nobody should ever come. */
  readonly canary: RawPortal;
  /** A port on which nobody listens. */
  readonly deadPort: number;
  readonly certificates: {
    readonly good: Readonly<Record<Way, Certificate>>;
    readonly expired: Readonly<Record<Way, Certificate>>;
    readonly selfSigned: Readonly<Record<Way, Certificate>>;
    readonly other: Certificate;
  };
}

type AnyRequest = Pick<RawRequest, 'method' | 'path' | 'search' | 'body'>;

const answers = new Map<string, PortalAnswer>();

/** What a healthy portal answers. Made once: the matrix asks for the same few hundreds of times. */
function answerHonestly(kind: Kind, size: Size, { method, path, search, body }: AnyRequest): PortalAnswer {
  const key = JSON.stringify([kind, size, method, path, search, body]);
  let made = answers.get(key);
  if (made === undefined) {
    const answer = samplePortal(kind, size)({ method, path, search, body });
    made = { ...answer, body: bodyOf(answer) };
    answers.set(key, made);
  }
  return made;
}

function healthyMessage(kind: Kind, size: Size, request: RawRequest, isLast: boolean): Buffer {
  const answer = answerHonestly(kind, size, request);
  return toMessage(answer.status, isLast ? [JSON_TYPE, ['connection', 'close']] : [JSON_TYPE], bodyOf(answer));
}

const startHealthy = (kind: Kind): Promise<RawPortal> =>
  startRawPortal({
    answer: (connection, request, answered) =>
      void connection.write(healthyMessage(kind, 'page', request, false), () => answered()),
  });

const perWay = <T>(make: (way: Way) => T): Readonly<Record<Way, T>> => ({
  catalog: make('catalog'),
  window: make('window'),
  stream: make('stream'),
});

export async function createStage(): Promise<Stage> {
  const authority = createCertificate('Test authority', null, { isAuthority: true });
  // The hub has no setting for authorities of its own: the process trusts this one, as an operator's would.
  setDefaultCACertificates([authority.cert]);
  const nameOf = (way: Way): string => `${hostOf(way)}.test`;
  const dead = await startRawPortal({ answer() {} });
  const deadPort = dead.port;
  await dead[Symbol.asyncDispose]();
  const [opendatasoft, ckan] = [await startHealthy('opendatasoft'), await startHealthy('ckan')];
  const canary = await startRawPortal({ answer: (connection) => void connection.end('HTTP/1.1 200 OK\r\n\r\n{}') });
  return {
    good: { opendatasoft, ckan },
    canary,
    deadPort,
    certificates: {
      good: perWay((way) => createCertificate(nameOf(way), authority)),
      expired: perWay((way) => createCertificate(nameOf(way), authority, { validDays: [-30, -1] })),
      selfSigned: perWay((way) => createCertificate(nameOf(way), null)),
      other: createCertificate('somebody.else.test', authority),
    },
    async [Symbol.asyncDispose]() {
      for (const portal of [opendatasoft, ckan, canary]) await portal[Symbol.asyncDispose]();
    },
  };
}

interface Subject {
  readonly portal: RawPortal;
  /** Set once the request in question is next. */
  isArmed(): boolean;
  /** Requests in question so far. */
  targets(): number;
  /** What came that no portal should see. */
  readonly leaks: readonly string[];
}

/** What a healthy portal is asked right before the request in question. */
const before = (way: Way, kind: Kind): Purpose | null =>
  way === 'catalog' ? null : way === 'stream' ? 'records' : kind === 'ckan' ? 'describe' : 'catalog';

function isTarget(row: FaultRow, way: Way, kind: Kind, purpose: Purpose): boolean {
  if (row.target !== undefined) return purpose === row.target(way, kind);
  if (way === 'catalog') return purpose === 'catalog';
  if (way === 'stream') return purpose === 'scan';
  // A window that is longer than a page of CKAN goes on where a scan would.
  return purpose === 'records' || (kind === 'ckan' && purpose === 'scan');
}

/** The portal that fails. */
async function startSubject(id: string, row: FaultRow, way: Way, kind: Kind, stage: Stage): Promise<Subject> {
  const { connect, question: size = 'page' } = row;
  const isTls = connect?.startsWith('tls-') === true;
  const turningPoint = before(way, kind);
  let isArmed = turningPoint === null;
  let targets = 0;
  const leaks: string[] = [];
  const speakTls = (socket: Socket, certificate: Certificate, options: SecureContextOptions = {}): TLSSocket =>
    new TLSSocket(socket, {
      isServer: true,
      secureContext: createSecureContext({ cert: certificate.cert, key: certificate.key, ...options }),
    });
  const { certificates } = stage;
  const open = (socket: Socket) => {
    if (!isArmed) return isTls ? speakTls(socket, certificates.good[way]) : socket;
    if (connect !== undefined) targets += 1;
    switch (connect) {
      case 'reset':
        socket.resetAndDestroy();
        return null;
      case 'silent':
      case 'tls-silent':
        return null;
      case 'tls-expired':
        return speakTls(socket, certificates.expired[way]);
      case 'tls-self-signed':
        return speakTls(socket, certificates.selfSigned[way]);
      case 'tls-wrong-host':
        return speakTls(socket, certificates.other);
      case 'tls-1.0':
        return speakTls(socket, certificates.good[way], {
          minVersion: 'TLSv1',
          maxVersion: 'TLSv1',
          ciphers: 'DEFAULT:@SECLEVEL=0',
        });
      case 'refused':
      case 'black-hole':
      case 'not-found':
      case 'servfail':
      case 'slow-resolver':
      case undefined:
        break;
    }
    return socket;
  };
  const portal: RawPortal = await startRawPortal({
    open(socket) {
      if (id === '100-conns-limit' && portal.openSockets() > 2) {
        socket.resetAndDestroy();
        return null;
      }
      return open(socket);
    },
    answer(connection, request, answered) {
      const {
        authorization,
        cookie,
        'x-api-key': key,
        'if-none-match': tag,
        'if-modified-since': since,
      } = request.headers;
      for (const value of [authorization, cookie, tag, since]) if (value !== undefined) leaks.push(value);
      if (key !== SECRET) leaks.push(`key ${key}`);
      const purpose = purposeOf(kind, request);
      if (row.answer === undefined || !isTarget(row, way, kind, purpose)) {
        connection.write(healthyMessage(kind, size, request, connect !== undefined), () => answered());
        if (purpose === turningPoint) isArmed = true;
        return;
      }
      const exchange: Exchange = {
        kind,
        way,
        connection,
        request,
        nth: targets,
        honest: (other = request) => answerHonestly(kind, size, other),
        answered,
      };
      targets += 1;
      row.answer(exchange);
    },
  });
  return { portal, isArmed: () => isArmed, targets: () => targets, leaks };
}

const NOT_FOUND = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
const SERVFAIL = Object.assign(new Error('the resolver failed'), { code: 'EAI_AGAIN' });

function resolutionOf(connect: FaultRow['connect']): Resolution {
  if (connect === 'not-found') return NOT_FOUND;
  if (connect === 'servfail') return SERVFAIL;
  return connect === 'slow-resolver' ? null : LOOPBACK;
}

function namesOf(
  row: FaultRow | null,
  subjects: ReadonlyMap<string, Subject | RawPortal>,
  stage: Stage,
  siblingKind: Kind,
): Names {
  const find = (hostname: string): Subject | RawPortal | undefined => subjects.get(hostname.replace(/\.test$/, ''));
  return {
    resolve(hostname) {
      const subject = find(hostname);
      if (subject !== undefined && 'isArmed' in subject && subject.isArmed()) return resolutionOf(row?.connect);
      return LOOPBACK;
    },
    port(hostname) {
      if (hostname === ELSEWHERE || hostname === '169.254.169.254') return stage.canary.port;
      if (hostname === 'good.test') return stage.good[siblingKind].port;
      const subject = find(hostname);
      if (subject === undefined) return stage.canary.port;
      if (!('isArmed' in subject)) return subject.port;
      if (subject.isArmed() && row?.connect === 'refused') return stage.deadPort;
      return subject.isArmed() && row?.connect === 'black-hole' ? null : subject.portal.port;
    },
  };
}

// ---------------------------------------------------------------- questions

const LIST = `totalCount totalIsExact nodes { id title license { status } modified } sources { catalog status error { code message } }`;
const RECORDS = `totalCount totalIsExact nodes { id values } source { status error { code } }`;
const CATALOG_QUESTION = `query ($both: [ID!], $first: Int!, $order: DatasetOrder!) {
  list: datasets(filter: { catalogs: $both }, first: $first, orderBy: $order) { ${LIST} }
  good: datasets(filter: { catalogs: ["good"] }, first: 5) { ${LIST} }
}`;
const WINDOW_QUESTION = `query ($first: Int!) {
  faulty: dataset(id: "${hostOf('window')}:${DATASET}") { id records(first: $first) { ${RECORDS} } }
  good: dataset(id: "good:${DATASET}") { id records(first: 3) { ${RECORDS} } }
}`;

/** What one question found out, or which code it was refused with; and what it said of the healthy sibling. */
interface Outcome {
  readonly found: Found | null;
  readonly code: string | null;
  readonly sibling: unknown;
  readonly tookMs: number;
  /** Everything a caller sees. */
  readonly text: string;
}

type Row = Readonly<Record<string, Item>> & { readonly id: string };

async function askCatalog(hub: TestHub, isWhole: boolean): Promise<Outcome> {
  const source = hostOf('catalog');
  const { data, errors, tookMs } = await hub.ask(CATALOG_QUESTION, {
    both: [source, 'good'],
    first: isWhole ? 600 : 30,
    order: isWhole ? 'TITLE' : 'RELEVANCE',
  });
  const text = JSON.stringify({ data, errors });
  const sibling = data?.good ?? null;
  const list = data?.list ?? null;
  const report = list?.sources.find(({ catalog }: { catalog: string }) => catalog === source);
  const goodReport = list?.sources.find(({ catalog }: { catalog: string }) => catalog === 'good');
  if (list === null || report.status !== 'OK') {
    const code = list === null ? errors.find(({ path }) => path?.[0] === 'list')?.extensions.code : report.error?.code;
    const isAlone = list === null || goodReport.status === 'OK';
    return { found: null, code: code ?? 'none', sibling: isAlone ? sibling : goodReport, tookMs, text };
  }
  const rows = (
    list.nodes as readonly { id: string; title: string; license: { status: string }; modified: string | null }[]
  )
    .filter(({ id }) => id.startsWith(`${source}:`))
    .map(({ id, title, license, modified }) => ({ id, title, license: license.status, modified }));
  const total = list.totalCount === null ? null : list.totalCount - (sibling?.totalCount ?? 0);
  return { found: { total, isExact: list.totalIsExact, rows }, code: null, sibling, tookMs, text };
}

async function askWindow(hub: TestHub, isWhole: boolean): Promise<Outcome> {
  const { data, errors, tookMs } = await hub.ask(WINDOW_QUESTION, { first: isWhole ? 1_000 : 5 });
  const text = JSON.stringify({ data, errors });
  const records = data?.faulty?.records ?? null;
  const sibling = data?.good ?? null;
  if (records === null || records.source.status !== 'OK') {
    const error = errors.find(({ path }) => path?.[0] === 'faulty');
    return { found: null, code: error?.extensions.code ?? 'none', sibling, tookMs, text };
  }
  const rows = (records.nodes as readonly { id: string; values: Item }[]).map(({ id, values }) => ({ id, ...values }));
  return {
    found: { total: records.totalCount, isExact: records.totalIsExact, rows },
    code: null,
    sibling,
    tookMs,
    text,
  };
}

async function askStream(hub: TestHub): Promise<Outcome> {
  const [faulty, good] = await Promise.all([
    hub.export(`${hostOf('stream')}:${DATASET}`),
    hub.export(`good:${DATASET}`),
  ]);
  const { code, text, tookMs } = faulty;
  const sibling = { code: good.code, text: good.text };
  if (code !== null) return { found: null, code, sibling, tookMs, text: '' };
  const rows = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
  return { found: { total: rows.length, isExact: true, rows }, code: null, sibling, tookMs, text };
}

const askBy = (way: Way, hub: TestHub, isWhole: boolean): Promise<Outcome> =>
  way === 'catalog' ? askCatalog(hub, isWhole) : way === 'window' ? askWindow(hub, isWhole) : askStream(hub);

// ---------------------------------------------------------------- cells

export interface HealthyAnswers {
  readonly found: Found;
  readonly sibling: unknown;
}
/** What a healthy portal of each kind gives: `kind way question`. */
export type Healthy = ReadonlyMap<string, HealthyAnswers>;

const keyOf = (kind: Kind, way: Way, isWhole: boolean): string => `${kind} ${way} ${isWhole ? 'whole' : 'page'}`;
const otherKind = (kind: Kind): Kind => (kind === 'ckan' ? 'opendatasoft' : 'ckan');

const PLAIN: FaultRow = { expect: () => ['same'] };

const sourceOf = (row: FaultRow, way: Way, kind: Kind): SourceInput =>
  toSource(hostOf(way), kind, {
    ...(row.connect?.startsWith('tls-') === true ? { url: `https://${hostOf(way)}.test` } : {}),
    ...(row.pace === 'after-freshness'
      ? { cache: { catalogSeconds: 1, recordsSeconds: 1, staleIfErrorSeconds: 0, maxBytes: 10_000_000 } }
      : {}),
  });

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function readHealthy(kind: Kind, stage: Stage): Promise<readonly (readonly [string, HealthyAnswers])[]> {
  const entries: (readonly [string, HealthyAnswers])[] = [];
  for (const way of WAYS)
    for (const isWhole of [false, true]) {
      const row: FaultRow = { ...PLAIN, question: isWhole ? 'whole' : 'page' };
      const subject = await startSubject('healthy', row, way, kind, stage);
      const names = namesOf(null, new Map([[hostOf(way), subject]]), stage, otherKind(kind));
      await using hub = createTestHub({
        sources: [sourceOf(PLAIN, way, kind), toSource('good', otherKind(kind))],
        names,
      });
      const { found, code, sibling } = await askBy(way, hub, isWhole);
      if (found === null) throw new Error(`the healthy portal failed: ${kind} ${way} ${code}`);
      entries.push([keyOf(kind, way, isWhole), { found, sibling }]);
      await subject.portal[Symbol.asyncDispose]();
    }
  return entries;
}

export interface CellResult {
  readonly row: string;
  readonly kind: Kind;
  readonly way: Way;
  /** Why it is not played; null when it is. */
  readonly without: string | null;
  readonly verdicts: readonly string[];
  /** What is wrong; empty when nothing is. */
  readonly wrong: readonly string[];
  /** True when all that is wrong may come of a busy machine: worth another measurement with nothing beside it. */
  readonly isOnlySlow: boolean;
}

function judge(row: FaultRow, way: Way, kind: Kind, outcome: Outcome, healthy: HealthyAnswers, ask: number): string {
  const { found, code } = outcome;
  if (found === null) return code ?? 'none';
  const isSame = JSON.stringify(found.rows) === JSON.stringify(healthy.found.rows);
  if (isSame && JSON.stringify(found) === JSON.stringify(healthy.found)) return 'same';
  if (row.check?.(found, healthy.found, way, kind, ask) === true) return 'checked';
  const at = found.rows.findIndex((item, index) => JSON.stringify(item) !== JSON.stringify(healthy.found.rows[index]));
  return `other data: ${found.rows.length} of ${healthy.found.rows.length} rows, total ${found.total} ${found.isExact}, at ${at} ${JSON.stringify(found.rows[at])?.slice(0, 200)}`;
}

/** Plays one row against one adapter, by one of the ways. */
export async function playFault(
  id: string,
  row: FaultRow,
  way: Way,
  kind: Kind,
  stage: Stage,
  healthy: Healthy,
): Promise<CellResult> {
  const expected = row.expect(way, kind);
  if (typeof expected === 'string')
    return { row: id, kind, way, without: expected, verdicts: [], wrong: [], isOnlySlow: false };
  const isWhole = row.question === 'whole';
  const wanted = healthy.get(keyOf(kind, way, isWhole));
  if (wanted === undefined) throw new Error('no healthy answer');
  const wrong: string[] = [];
  let slow = 0;
  const subject = await startSubject(id, row, way, kind, stage);
  const names = namesOf(row, new Map([[hostOf(way), subject]]), stage, otherKind(kind));
  const canaryBefore = stage.canary.connections();
  const hub = createTestHub({ sources: [sourceOf(row, way, kind), toSource('good', otherKind(kind))], names });
  const verdicts: string[] = [];
  const settle = (outcome: Outcome, ask: number): void => {
    const verdict = judge(row, way, kind, outcome, wanted, ask);
    verdicts.push(verdict);
    if (!(expected as readonly string[]).includes(verdict as Verdict)) {
      if (verdict === 'SOURCE_TIMEOUT') slow += 1;
      wrong.push(`ask ${ask}: ${verdict}, expected ${expected.join(' or ')}`);
    }
    const sibling = JSON.stringify(outcome.sibling) ?? '';
    if (sibling !== JSON.stringify(wanted.sibling)) {
      if (sibling.includes('SOURCE_TIMEOUT')) slow += 1;
      wrong.push(`ask ${ask}: the sibling's answer changed: ${sibling.slice(0, 300)}`);
    }
    if (outcome.text.includes(SECRET)) wrong.push('the key of the portal is in the answer');
    // More than one page is more than one call of the source: the deadline is that of the request.
    const limitMs = DEADLINES[isWhole && way === 'catalog' ? 'window' : way] + GRACE_MS;
    if (outcome.tookMs > limitMs) {
      slow += 1;
      wrong.push(`ask ${ask}: took ${Math.round(outcome.tookMs)} ms, ${limitMs} at most`);
    }
  };
  const asks = row.asks ?? 1;
  if (row.pace === 'at-once') {
    const outcomes = await Promise.all(Array.from({ length: asks }, () => askBy(way, hub, isWhole)));
    for (const [ask, outcome] of outcomes.entries()) settle(outcome, ask);
  } else
    for (let ask = 0; ask < asks; ask++) {
      if (ask > 0 && row.pace === 'after-freshness') await pause(1_100 / SPEED);
      const targetsBefore = subject.targets();
      settle(await askBy(way, hub, isWhole), ask);
      const requests = subject.targets() - targetsBefore;
      const most = row.mostRequests ?? 2;
      if (requests > most) wrong.push(`ask ${ask}: ${requests} requests, ${most} at most`);
    }

  const startedAt = performance.now();
  while (subject.portal.unanswered() > 0 && performance.now() - startedAt < SETTLE_MS) await pause(5);
  if (subject.portal.unanswered() > 0) wrong.push('a connection with an answer nobody waits for is still open');
  if (subject.portal.pipelined() > 0) wrong.push('a request was sent before the last one was answered');
  if (subject.leaks.length > 0) wrong.push(`the portal was sent ${subject.leaks.join(', ')}`);
  await hub[Symbol.asyncDispose]();
  if (hub.environment.liveTimers() > 0) wrong.push(`${hub.environment.liveTimers()} timers left`);
  if (!(await subject.portal.isIdleWithin(SETTLE_MS))) wrong.push('sockets left at the portal');
  const closedAt = performance.now();
  while (hub.environment.openSockets() > 0 && performance.now() - closedAt < SETTLE_MS) await pause(5);
  if (hub.environment.openSockets() > 0) wrong.push(`${hub.environment.openSockets()} sockets left at the hub`);
  if (stage.canary.connections() > canaryBefore) wrong.push('a host that is not configured was connected to');
  if (hub.log.join('\n').includes(SECRET)) wrong.push('the key of the portal is in the log');
  await subject.portal[Symbol.asyncDispose]();
  return { row: id, kind, way, without: null, verdicts, wrong, isOnlySlow: slow > 0 && wrong.length === slow };
}
