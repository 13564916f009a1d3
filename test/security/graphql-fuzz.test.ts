import process from 'node:process';
import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { buildClientSchema, getIntrospectionQuery, parse, validate } from 'graphql';
import type { GraphQLSchema, IntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { measureBlock, startWatchedHub } from './support/watch-hub.ts';
import type { Reply, WatchedHub } from './support/watch-hub.ts';
import { createChance, createDocumentWriter } from './support/write-documents.ts';
import type { Question } from './support/write-documents.ts';

/** Documents to send; `CIVEX_FUZZ_DOCUMENTS` names another count, `CIVEX_FUZZ_SEED` another sequence. */
const DOCUMENTS = Number(process.env['CIVEX_FUZZ_DOCUMENTS'] ?? 2_000);
const SEED = Number(process.env['CIVEX_FUZZ_SEED'] ?? 20_261_123);
/** Milliseconds the event loop may be held up by one request. */
const MAX_BLOCK_MS = 50;
/** Documents between two readings of the event loop. */
const BATCH = 20;

let sandbox: Sandbox;
let hub: WatchedHub;
let schema: GraphQLSchema;

beforeAll(async () => {
  sandbox = await startSandbox();
  hub = await startWatchedHub({ portals: sandbox.portals });
  const { json } = await hub.post(getIntrospectionQuery());
  schema = buildClientSchema(json?.data as unknown as IntrospectionQuery);
});
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await sandbox.close();
});

const isValid = ({ query }: Question): boolean => {
  try {
    return validate(schema, parse(query, { maxTokens: 4_000 })).length === 0;
  } catch {
    return false;
  }
};

/** What is wrong with an answer to such a document; null when nothing is. */
function judge({ status, json, text }: Reply, question: Question): string | null {
  if (![200, 400, 413].includes(status)) return `status ${status}`;
  if (json === undefined) return 'no JSON';
  if ((status === 200) !== 'data' in json) return `status ${status} ${'data' in json ? 'with' : 'without'} data`;
  if (status === 200 && !isValid(question)) return 'an invalid document was answered';
  if (status !== 200 && (json.errors ?? []).length === 0) return 'refused without an error';
  const codes = (json.errors ?? []).map(({ extensions }) => String(extensions['code']));
  if (codes.includes('INTERNAL') || codes.includes('undefined')) return codes.join();
  if (/"stack"|node_modules|at async|\.ts:\d/.test(text)) return 'a stack in the answer';
  return null;
}

test(
  `${DOCUMENTS} documents made by the schema's grammar and spoiled are answered or refused, and none holds the hub up`,
  { timeout: 30_000 + DOCUMENTS * 60 },
  async ({ task }) => {
    const write = createDocumentWriter(schema, createChance(SEED));
    const found: string[] = [];
    const before = (await hub.read()).prototypes;
    let answered = 0;
    let worstMs = 0;
    // The first ones compile the hub: they are judged, their time is not.
    let isWarm = false;
    for (let sent = 0; sent < DOCUMENTS;) {
      const batch: Question[] = [];
      if (isWarm) await hub.reset();
      while (batch.length < BATCH && sent < DOCUMENTS) {
        const question = write();
        const reply = await hub.post(question.query, question.variables).catch((cause: unknown) => {
          throw new Error(`no answer to ${JSON.stringify(question)}`, { cause });
        });
        const fault = judge(reply, question);
        if (fault !== null) found.push(`${fault}: ${JSON.stringify(question)} -> ${reply.text.slice(0, 500)}`);
        if (reply.status === 200) answered++;
        batch.push(question);
        sent++;
      }
      if (isWarm) {
        let { blockedMs } = await hub.read();
        if (blockedMs > MAX_BLOCK_MS) {
          blockedMs = 0;
          for (const question of batch) {
            const again = await measureBlock(hub, MAX_BLOCK_MS, () => hub.post(question.query, question.variables));
            if (again.blockedMs > MAX_BLOCK_MS) found.push(`${again.blockedMs} ms: ${JSON.stringify(question)}`);
            blockedMs = Math.max(blockedMs, again.blockedMs);
          }
        }
        worstMs = Math.max(worstMs, blockedMs);
      }
      isWarm ||= sent >= 200;
    }
    const { prototypes } = await hub.read();
    task.meta.figures = [
      {
        point: 18,
        what: 'GraphQL grammar fuzz: documents sent, findings (5xx, INTERNAL, invalid and answered, held up)',
        value: `${DOCUMENTS} sent, ${answered} answered, ${found.length} findings`,
        target: '0 findings',
        isMet: found.length === 0,
      },
      {
        point: 18,
        what: 'event loop held up longest by one document of the fuzz, ms',
        value: Math.round(worstMs * 10) / 10,
        target: '<= 50',
        isMet: worstMs <= MAX_BLOCK_MS,
      },
    ];
    expect(found.slice(0, 20), `seed ${SEED}`).toEqual([]);
    expect(prototypes).toBe(before);
    // A generator that is always refused proves nothing, and neither does one that never is.
    expect(answered).toBeGreaterThan(DOCUMENTS / 10);
    expect(answered).toBeLessThan(DOCUMENTS * 0.9);
  },
);
