import type { Invariant } from './judge.ts';

/** A fault put into the hub on purpose: the simulation must find it. */
export interface Defect {
  readonly name: string;
  /** In a file from the root of the repository: what is there, once, and what takes its place. */
  readonly edits: readonly (readonly [file: string, from: string, to: string])[];
  /** Which of the invariants it breaks; it may break others besides. */
  readonly breaks: readonly Invariant[];
}

const HTTP = 'packages/http/src';

export const DEFECTS: readonly Defect[] = [
  {
    name: 'no deadline',
    edits: [
      [
        `${HTTP}/source-http.ts`,
        'environment.setTimer(() => leave(faults.timedOut()), waitMs)',
        'environment.setTimer(() => leave(faults.timedOut()), waitMs + 3_600_000)',
      ],
    ],
    breaks: ['missed deadline'],
  },
  {
    name: 'a deadline on the wall clock',
    edits: [
      [
        `${HTTP}/source-http.ts`,
        'const waitMs = call.deadlineEpochMs - atMs;',
        'const waitMs = call.deadlineEpochMs - atMs - (environment.now() - environment.monotonicMs());',
      ],
    ],
    breaks: ['missed deadline', 'no recovery'],
  },
  {
    name: 'retries without a budget',
    edits: [[`${HTTP}/retry-budget.ts`, 'if (share <= 0 ||', 'if (share < 0 && ']],
    breaks: ['attempt over budget'],
  },
  {
    name: 'retries without an end',
    edits: [[`${HTTP}/source-http.ts`, '      hasRetried = true;\n', '']],
    breaks: ['attempt over budget'],
  },
  {
    name: 'a breaker closed by a probe that failed',
    edits: [
      [
        `${HTTP}/breaker.ts`,
        "if (how === 'failure') open(Math.min(openMs * 2, MAX_OPEN_MS));",
        "if (how === 'failure') close();",
      ],
    ],
    breaks: ['illegal move of a breaker'],
  },
  {
    name: 'a breaker that lets several probes pass',
    edits: [[`${HTTP}/breaker.ts`, 'if (isProbe) probing = true;', '']],
    breaks: ['illegal move of a breaker'],
  },
  {
    name: 'a breaker that never opens',
    edits: [[`${HTTP}/breaker.ts`, 'const MIN_CALLS = 10;', 'const MIN_CALLS = 10_000;']],
    breaks: ['illegal move of a breaker'],
  },
  {
    name: 'a breaker that stays open',
    edits: [
      [
        `${HTTP}/breaker.ts`,
        'return Math.max(0, openedAt + openMs - at);',
        'return Math.max(1, openedAt + openMs - at);',
      ],
    ],
    breaks: ['no recovery'],
  },
  {
    name: 'a cache that ignores the age',
    edits: [[`${HTTP}/source-http.ts`, 'if (ageMs < freshMs) {', 'if (ageMs < Infinity) {']],
    breaks: ['cache beyond its age'],
  },
  {
    name: 'stale answers without a bound',
    edits: [
      [`${HTTP}/source-http.ts`, 'if (ageMs > freshMs + options.cache.staleIfErrorSeconds * 1000) throw error;', ''],
    ],
    breaks: ['cache beyond its age'],
  },
  {
    name: 'stale answers that are not marked',
    edits: [[`${HTTP}/source-http.ts`, '      call.trace.stale = true;\n', '']],
    breaks: ['cache beyond its age'],
  },
  {
    name: 'stale answers that pass for new ones',
    edits: [[`${HTTP}/source-http.ts`, '      call.trace.stale = true;\n', '      call.trace.maxAgeMs = null;\n']],
    breaks: ['wrong row'],
  },
  {
    name: 'one answer for all questions to a path',
    edits: [
      [
        `${HTTP}/wire-request.ts`,
        "key: JSON.stringify([request.method, path, body, request.reading ?? ''])",
        "key: JSON.stringify([request.method, request.path, request.reading ?? ''])",
      ],
    ],
    breaks: ['wrong row', 'silent short answer'],
  },
  {
    name: 'rows are not held against the filter',
    edits: [
      [
        'packages/records/src/recheck.ts',
        '  if (promised === null) return () => nothing;',
        '  if (promised !== undefined) return () => nothing;',
      ],
    ],
    breaks: ['wrong row'],
  },
  {
    // Of what is read whole, JSON itself shows a cut; of a stream, only the count and the framing do.
    name: 'cut streams are taken for whole',
    edits: [
      [
        `${HTTP}/attempt.ts`,
        '    for await (const chunk of body) {\n      // A body without `setEncoding` yields bytes.\n      const bytes = chunk as Uint8Array;\n      wireBytes += bytes.byteLength;\n      yield bytes;\n    }\n',
        '    try {\n      for await (const chunk of body) {\n        const bytes = chunk as Uint8Array;\n        wireBytes += bytes.byteLength;\n        const end = bytes.lastIndexOf(0x0a);\n        if (end >= 0) yield bytes.subarray(0, end);\n      }\n    } catch {\n      // Cut.\n    }\n',
      ],
      ['adapters/opendatasoft/src/opendatasoft-adapter.ts', 'if (count !== recount.total) throw incomplete();', ''],
    ],
    breaks: ['wrong row', 'silent short answer'],
  },
  {
    name: 'exports are not held against the count',
    edits: [
      ['adapters/opendatasoft/src/opendatasoft-adapter.ts', 'if (count !== recount.total) throw incomplete();', ''],
    ],
    breaks: ['silent short answer'],
  },
  {
    name: 'repeated pages are taken (records)',
    edits: [
      ['packages/records/src/read-window.ts', '|| !isAt(expected, repeated, plan.order, areTied)) {', ') {'],
      [
        'packages/records/src/read-window.ts',
        "if (seen.has(record.id)) throw malformed('The source returned a record twice while its records were paged.');",
        '',
      ],
    ],
    breaks: ['wrong row', 'silent short answer'],
  },
  {
    name: 'repeated pages are taken (CKAN catalog)',
    edits: [
      [
        'adapters/ckan/src/ckan-adapter.ts',
        'if (cursor !== null && found.uuids[0] !== cursor.after) throw changedWhilePaged();',
        '',
      ],
    ],
    breaks: ['wrong row', 'silent short answer'],
  },
  {
    name: 'repeated pages are taken (Opendatasoft catalog)',
    edits: [
      [
        'adapters/opendatasoft/src/opendatasoft-adapter.ts',
        'if (cursor !== null && datasets[0]?.localId !== cursor.anchor)',
        'if (cursor !== null && datasets.length < 0)',
      ],
    ],
    breaks: ['wrong row', 'silent short answer'],
  },
  {
    name: 'a stated total is proof',
    edits: [
      ['packages/records/src/read-window.ts', '    totalIsExact: !hasMore && !isSought,', '    totalIsExact: true,'],
    ],
    breaks: ['silent short answer'],
  },
  {
    name: 'a short page is the end',
    edits: [
      [
        'packages/records/src/read-window.ts',
        'if (records.length < limit && doTotalsAgree) isEnded = true;',
        'if (records.length < limit) isEnded = true;',
      ],
    ],
    breaks: ['silent short answer'],
  },
  {
    name: 'a failed source is left out without a word',
    edits: [
      [
        'gateway/src/dataset-connection.ts',
        'if (failure !== null) reportPartial(context, info, failure);',
        'void failure;',
      ],
    ],
    breaks: ['silent short answer'],
  },
  {
    name: '429 is forgotten',
    edits: [[`${HTTP}/source-http.ts`, 'const quietMs = () => quietUntilMs - clock();', 'const quietMs = () => -1;']],
    breaks: ['portal not left alone'],
  },
  {
    name: 'callers who leave are not heard while connecting',
    edits: [
      [
        `${HTTP}/attempt.ts`,
        "    cancellation.once('abort', onAbort);\n    connection.request",
        '    connection.request',
      ],
    ],
    breaks: ['no recovery', 'leak', 'missed deadline', 'illegal move of a breaker', 'fault of ours'],
  },
  {
    name: 'connections wait for ever',
    edits: [
      [`${HTTP}/link.ts`, 'pending?.destroy();\n        stopConnecting();\n        ending', 'ending'],
      [`${HTTP}/link.ts`, '}, options.connectTimeoutMs);', '}, 3_600_000);'],
    ],
    breaks: ['leak'],
  },
  {
    name: 'a dropped source goes on answering',
    edits: [
      [
        'gateway/src/create-gateway.ts',
        '      config = next;\n',
        '      config = next;\n      sources = new Map([...before, ...sources]);\n',
      ],
    ],
    breaks: ['wrong row'],
  },
  {
    name: 'an export that breaks off passes for whole',
    edits: [
      [
        'gateway/src/exports.ts',
        '  for await (const batch of stream.batches) {\n    const bytes = writer.write(batch);\n    onRecords(batch.length);\n    if (bytes !== null) yield bytes;\n  }\n',
        '  try {\n    for await (const batch of stream.batches) {\n      const bytes = writer.write(batch);\n      onRecords(batch.length);\n      if (bytes !== null) yield bytes;\n    }\n  } catch {\n    // Cut.\n  }\n',
      ],
    ],
    breaks: ['silent short answer'],
  },
  {
    name: 'an aggregate of the records that came',
    edits: [
      [
        'packages/records/src/read-aggregate.ts',
        '  for await (const batch of matches) for (const { values } of batch) aggregator.add(values);\n',
        '  for await (const batch of matches) {\n    for (const { values } of batch) aggregator.add(values);\n    break;\n  }\n',
      ],
    ],
    breaks: ['wrong row'],
  },
  {
    name: 'groups are not held against the records',
    edits: [
      [
        'packages/records/src/aggregate-source.ts',
        'return counted === window.total && window.records.every(({ values }) => aggregator.admits(values))',
        'return counted >= 0 && window.records.length >= 0',
      ],
    ],
    breaks: ['wrong row'],
  },
];
