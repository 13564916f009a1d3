import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { COMMANDS } from './commands.ts';
import { RUNNABLE, runCli } from './run-cli.ts';
import { createTestWorld, questions, yaml } from './test-world.ts';
import type { SourceState } from './world.ts';

const errno = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });
const state = (id: string, rest: Partial<SourceState> = {}): SourceState => ({
  id,
  adapter: 'ckan',
  title: id,
  state: 'UP',
  reason: null,
  datasets: 10,
  lostCapabilities: [],
  latencyMs: 12.3,
  ...rest,
});

/** Lets every promise that can go on go on. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
};

test('every command of the help can be run', () => {
  expect([...RUNNABLE].toSorted()).toEqual(COMMANDS.map(({ name }) => name).toSorted());
});

describe('help', () => {
  test('without words the commands and the exit codes are listed', async () => {
    const world = createTestWorld();
    expect(await runCli([], world)).toBe(0);
    for (const { name } of COMMANDS) expect(world.out.join()).toContain(`  ${name}  `);
    expect(world.out.join()).toMatch(/0 {2}done[^]*3 {2}the configuration has faults/);
  });

  test.each(COMMANDS)('$name --help names every option and starts nothing', async ({ name, options }) => {
    const world = createTestWorld();
    expect(await runCli([...name.split(' '), '--help'], world)).toBe(0);
    for (const option of options) expect(world.out.join()).toContain(`--${option.name} `);
    expect(world.events).toEqual([]);
  });

  test('--version prints the version alone', async () => {
    const world = createTestWorld();
    expect(await runCli(['--version'], world)).toBe(0);
    expect(world.out).toEqual(['1.2.3']);
  });

  test('a wrong option ends with 2, says what was meant and starts nothing', async () => {
    const world = createTestWorld();
    expect(await runCli(['start', '--prot', '1'], world)).toBe(2);
    expect(world.err).toEqual([expect.stringContaining('Did you mean "--port"?')]);
    expect(world.events).toEqual([]);
    expect(world.out).toEqual([]);
  });
});

describe('start', () => {
  test('runs the sandbox and says what is up, where, what to ask and how to go live', async () => {
    const world = createTestWorld();
    const ended = runCli(['start'], world);
    await world.listening;
    await settle();
    const text = world.out.join('\n');
    expect(text).toContain('http://127.0.0.1:4000/graphql');
    expect(text).toMatch(/^bordeaux +Bordeaux Métropole +opendatasoft +up +3 +4 ms$/m);
    expect(text).toContain('3 of 3 catalogs are up, 9 datasets.');
    for (const { query } of questions) expect(text).toContain(query.trim());
    expect(text).toContain('npm start -- --config hub.yaml');
    expect(text).not.toContain('\u001b');
    world.signal('SIGINT');
    expect(await ended).toBe(0);
    expect(world.events).toEqual(['sandbox started', 'hub started', 'hub closing', 'hub closed', 'sandbox closed']);
  });

  test('gives the sandbox sources loopback only, and what hub.yaml would say of them', async () => {
    const world = createTestWorld();
    const ended = runCli(['start'], world);
    await world.listening;
    const sources = world.started[0]?.config.sources;
    expect(sources).toMatchObject([
      {
        id: 'bordeaux',
        urls: ['http://127.0.0.1:50001'],
        privateNetwork: ['127.0.0.1/32'],
        country: 'FR',
        languages: ['fr'],
        timeZone: 'Europe/Paris',
      },
      { id: 'leicester', country: 'GB', apiKeyEnv: null },
      {
        id: 'mexico-city',
        adapter: 'ckan',
        country: 'MX',
        timeZone: 'America/Mexico_City',
        options: { includePrivate: true },
      },
    ]);
    expect(JSON.stringify(sources)).not.toContain('sample-key');
    await settle();
    world.signal('SIGTERM');
    await ended;
  });

  test('hands the hub the database the environment names', async () => {
    const world = createTestWorld({
      env: { DATABASE_URL: 'postgres://hub@db.example/civex' },
      files: { 'hub.yaml': yaml('umea') },
    });
    const ended = runCli(['start', '--config', 'hub.yaml'], world);
    await world.listening;
    expect(world.started[0]).toMatchObject({ databaseUrl: 'postgres://hub@db.example/civex' });
    await settle();
    world.signal('SIGINT');
    await ended;
    expect(world.out.join('\n')).not.toContain('db.example');
  });

  test('the command line beats the environment', async () => {
    const world = createTestWorld({ env: { CIVEX_PORT: '5000' } });
    const ended = runCli(['start', '--port', '0', '--host', '::1'], world);
    await world.listening;
    expect(world.started[0]).toMatchObject({ port: 0, host: '::1' });
    await settle();
    world.signal('SIGINT');
    await ended;
  });

  test('with a file it asks the live portals and prints no question about the sandbox', async () => {
    const world = createTestWorld({ files: { 'hub.yaml': yaml('umea') } });
    const ended = runCli(['start', '--config', 'hub.yaml'], world);
    await world.listening;
    await settle();
    const text = world.out.join('\n');
    expect(text).toContain('One question to paste');
    expect(text).toContain('velo');
    expect(text).not.toContain('ci_vcub_p');
    expect(text).toContain('The portals are those of hub.yaml');
    world.signal('SIGINT');
    expect(await ended).toBe(0);
    expect(world.events).not.toContain('sandbox started');
  });

  test('a second signal ends the process at once', async () => {
    const world = createTestWorld({ closing: new Promise(() => {}) });
    void runCli(['start'], world);
    await world.listening;
    await settle();
    world.signal('SIGINT');
    await settle();
    expect(world.events.at(-1)).toBe('hub closing');
    world.signal('SIGTERM');
    expect(world.events.at(-1)).toBe('exit 143');
  });

  test.each([
    [['start'], 'Port 4000 is in use. Choose another: npm start -- --port 4001'],
    [['start', '--port', '4005'], 'Port 4005 is in use. Choose another: npm start -- --port 4006'],
    [
      ['start', '--config', 'hub.yaml'],
      'Port 4000 is in use. Choose another: npm start -- --config hub.yaml --port 4001',
    ],
    [
      ['serve', '--config', 'hub.yaml'],
      'Port 4000 is in use. Choose another: npm run civex -- serve --config hub.yaml --port 4001',
    ],
    [
      ['serve-source', 'umea', '--config', 'hub.yaml', '--port', '65535'],
      'Port 65535 is in use. Choose another: npm run civex -- serve-source umea --config hub.yaml --port 4001',
    ],
  ])('%j on a taken port ends with 1 and the next command to type', async (argv, message) => {
    const world = createTestWorld({ startError: errno('EADDRINUSE'), files: { 'hub.yaml': yaml('umea') } });
    expect(await runCli(argv, world)).toBe(1);
    expect(world.err).toEqual([message]);
  });

  test('a hub that cannot start takes the sandbox with it', async () => {
    const world = createTestWorld({ startError: errno('EADDRINUSE') });
    await runCli(['start'], world);
    expect(world.events).toEqual(['sandbox started', 'sandbox closed']);
  });

  test('a port or an address that cannot be had is explained', async () => {
    const forbidden = createTestWorld({ startError: errno('EACCES') });
    expect(await runCli(['start', '--port', '80'], forbidden)).toBe(1);
    expect(forbidden.err[0]).toContain('Port 80 may not be used by this user.');
    const foreign = createTestWorld({ startError: errno('EADDRNOTAVAIL') });
    expect(await runCli(['start', '--host', '192.0.2.1'], foreign)).toBe(1);
    expect(foreign.err[0]).toContain('192.0.2.1 is not an address of this machine.');
  });

  test.each([['serve'], ['serve-source', 'umea']])('%s needs a file', async (...argv) => {
    const world = createTestWorld();
    expect(await runCli(argv, world)).toBe(2);
    expect(world.err[0]).toContain('--config is missing');
    expect(world.events).toEqual([]);
  });
});

describe('serve-source', () => {
  test('serves the one source and says what the other hub writes', async () => {
    const world = createTestWorld({ files: { 'hub.yaml': yaml('umea', 'cdmx') } });
    const ended = runCli(['serve-source', 'umea', '--config', 'hub.yaml', '--port', '4010'], world);
    await world.listening;
    await settle();
    expect(world.started).toMatchObject([{ source: 'umea', port: 4_010 }]);
    expect(world.out.join()).toContain('adapter: civex, url: http://127.0.0.1:4010');
    world.signal('SIGINT');
    expect(await ended).toBe(0);
  });

  test('a source the file does not have is refused with the nearest one', async () => {
    const world = createTestWorld({ files: { 'hub.yaml': yaml('umea', 'cdmx') } });
    expect(await runCli(['serve-source', 'umeo', '--config', 'hub.yaml'], world)).toBe(2);
    expect(world.err).toEqual(['The configuration has no source of that id. Did you mean "umea"?']);
    expect(world.started).toEqual([]);
  });
});

describe('reload', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const serve = async (options: Parameters<typeof createTestWorld>[0] = {}) => {
    const world = createTestWorld({ files: { 'hub.yaml': yaml('a', 'b') }, ...options });
    const ended = runCli(['serve', '--config', 'hub.yaml'], world);
    await world.listening;
    await settle();
    return { world, ended };
  };
  const save = async (world: ReturnType<typeof createTestWorld>, text: string): Promise<void> => {
    world.files.set('hub.yaml', text);
    world.fileChanged();
    await vi.advanceTimersByTimeAsync(200);
    await settle();
  };

  test('a saved file is taken over and the difference told', async () => {
    const { world } = await serve();
    await save(world, yaml('b', 'c'));
    expect(world.err).toEqual(['hub.yaml reloaded: added c; removed a.']);
    expect(world.reloaded[0]?.sources.map(({ id }) => id)).toEqual(['b', 'c']);
  });

  test('several events of one save make one reload, 200 ms after the last', async () => {
    const { world } = await serve();
    world.files.set('hub.yaml', yaml('b'));
    for (let event = 0; event < 5; event++) {
      world.fileChanged();
      await vi.advanceTimersByTimeAsync(150);
    }
    expect(world.reloaded).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(50);
    expect(world.reloaded).toHaveLength(1);
  });

  test('an event without a new text does nothing, SIGHUP reloads in any case', async () => {
    const { world } = await serve();
    await save(world, yaml('a', 'b'));
    expect(world.reloaded).toHaveLength(0);
    world.signal('SIGHUP');
    await settle();
    expect(world.err).toEqual(['hub.yaml reloaded: no source changed.']);
  });

  test('a file with faults changes nothing and the faults are told', async () => {
    const { world } = await serve();
    await save(world, yaml('a', 'b').replace('ckan', 'ckann'));
    expect(world.reloaded).toEqual([]);
    expect(world.err).toEqual([
      expect.stringMatching(
        /^hub\.yaml:2:\d+ sources\[0\]\.adapter: is not an adapter[^]*hub\.yaml was not taken over\.$/,
      ),
    ]);
    await save(world, yaml('a'));
    expect(world.err.at(-1)).toBe('hub.yaml reloaded: removed b.');
  });

  test('a file that has gone changes nothing', async () => {
    const { world } = await serve();
    world.files.delete('hub.yaml');
    world.fileChanged();
    await vi.advanceTimersByTimeAsync(200);
    expect(world.reloaded).toEqual([]);
    expect(world.err[0]).toMatch(/^hub\.yaml does not exist\..*Nothing was changed\.$/);
  });

  test('settings of the server wait for the next start, and that is said each time', async () => {
    const { world } = await serve();
    await save(world, `server: {port: 1}\n${yaml('a', 'b')}`);
    expect(world.err.at(-1)).toBe('Changes below `server` and `limits` take effect at the next start.');
    await save(world, `server: {port: 1}\n${yaml('a')}`);
    expect(world.err.at(-1)).toBe('Changes below `server` and `limits` take effect at the next start.');
  });

  test('restrictions are taken over at once; who may issue tokens waits for the next start, and both is said', async () => {
    const { world } = await serve();
    const organisations = 'organisations: [{id: council}]\n';
    const sharing = 'sharing: {restricted: [{dataset: "a:x", provider: council}]}\n';
    await save(world, `${organisations}${sharing}${yaml('a', 'b')}`);
    const later = 'Changes below `identity` and `organisations` take effect at the next start.';
    expect(world.err).toEqual([
      'hub.yaml reloaded: no source changed.',
      'The rules below `sharing` were taken over.',
      later,
    ]);
    expect(world.reloaded[0]?.sharing.restricted).toHaveLength(1);
    await save(world, `${organisations}${sharing}${yaml('a')}`);
    expect(world.err.slice(3)).toEqual(['hub.yaml reloaded: removed b.', later]);
  });

  test('reloads do not overlap, and a change during one is not lost', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { world } = await serve({ reloading: promise });
    await save(world, yaml('b'));
    await save(world, yaml('c'));
    expect(world.events.filter((event) => event === 'reload')).toHaveLength(1);
    resolve();
    await settle();
    expect(world.reloaded.map(({ sources }) => sources.map(({ id }) => id))).toEqual([['b'], ['c']]);
  });

  test('where files cannot be watched this is said and SIGHUP still reloads', async () => {
    const { world } = await serve({ canWatch: false });
    expect(world.err).toEqual(['hub.yaml cannot be watched here; SIGHUP reloads it.']);
    world.files.set('hub.yaml', yaml('z'));
    world.signal('SIGHUP');
    await settle();
    expect(world.reloaded).toHaveLength(1);
  });

  test('nothing is reloaded once the hub stops', async () => {
    const { world, ended } = await serve();
    world.files.set('hub.yaml', yaml('z'));
    world.fileChanged();
    world.signal('SIGTERM');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await ended).toBe(0);
    world.signal('SIGHUP');
    await settle();
    expect(world.reloaded).toEqual([]);
  });
});

describe('sources', () => {
  const states = [
    state('bordeaux', { datasets: 12_345 }),
    state('cdmx', { state: 'DOWN', reason: 'SOURCE_TIMEOUT', datasets: null, latencyMs: null }),
  ];

  test('prints an aligned table with reasons and ends with 1 when one is down', async () => {
    const world = createTestWorld({ states });
    expect(await runCli(['sources'], world)).toBe(1);
    expect(world.out.join('\n').split('\n')).toEqual([
      'CATALOG   TITLE     ADAPTER  STATE  DATASETS  ANSWERED IN  REASON',
      'bordeaux  bordeaux  ckan     up       12,345        12 ms',
      'cdmx      cdmx      ckan     down          -            -  SOURCE_TIMEOUT',
      '',
      '1 of 2 catalogs are up, 12,345 datasets without 1 catalog that did not say.',
    ]);
    expect(world.started[0]).toMatchObject({ port: 0, host: '127.0.0.1' });
    expect(world.events.slice(-2)).toEqual(['hub closed', 'sandbox closed']);
  });

  test('ends with 0 when all are up or at least not down', async () => {
    expect(
      await runCli(['sources'], createTestWorld({ states: [state('a'), state('b', { state: 'DEGRADED' })] })),
    ).toBe(0);
  });

  test('colours appear on a terminal only', async () => {
    const world = createTestWorld({ states, colours: true });
    await runCli(['sources'], world);
    expect(world.out.join()).toContain('\u001b[31mdown\u001b[39m');
  });
});

describe('capabilities', () => {
  const row = (operator: string, grade: 'exact' | 'inexact' | 'none', evidence: 'proven' | 'refuted' | 'unknown' | null) => ({ dataset: 'a:b', type: 'INTEGER', operator, grade, evidence }); // prettier-ignore
  const capabilities = [
    {
      source: 'a',
      adapter: 'ckan',
      capabilities: [
        row('eq', 'exact', 'proven'),
        row('lt', 'exact', 'unknown'),
        row('like', 'inexact', null),
        row('in', 'none', null),
      ],
      error: null,
    },
  ];

  test('prints operators across, sources and types down', async () => {
    const world = createTestWorld({ capabilities });
    expect(await runCli(['capabilities'], world)).toBe(0);
    expect(
      world.out
        .join('\n')
        .split('\n')
        .map((line) => line.trim().split(/\s+/)),
    ).toEqual([
      ['SOURCE', 'TYPE', 'eq', 'lt', 'like', 'in'],
      ['a', 'INTEGER', 'exact', 'claimed', 'narrows', '-'],
    ]);
    const asJson = createTestWorld({ capabilities });
    expect(await runCli(['capabilities', '--json'], asJson)).toBe(0);
    expect(JSON.parse(asJson.out.join('\n'))).toEqual(capabilities);
  });

  test('ends with 1 when a probe refutes a claim or a source fails', async () => {
    const refuted = [{ source: 'a', adapter: 'ckan', capabilities: [row('eq', 'exact', 'refuted')], error: null }];
    const world = createTestWorld({ capabilities: refuted });
    expect(await runCli(['capabilities'], world)).toBe(1);
    expect(world.out.join()).toContain('REFUTED');
    const failed = [{ source: 'a', adapter: 'ckan', capabilities: [], error: 'SOURCE_TIMEOUT' }];
    const other = createTestWorld({ capabilities: failed });
    expect(await runCli(['capabilities'], other)).toBe(1);
    expect(other.out.join()).toContain('SOURCE_TIMEOUT');
  });

  test('sources says what a portal was caught at', async () => {
    const lostCapabilities = [{ dataset: 'a:b', capability: 'like', since: '2026-11-23T12:00:00Z' }];
    const world = createTestWorld({ states: [state('a', { state: 'DEGRADED', lostCapabilities })] });
    expect(await runCli(['sources'], world)).toBe(0);
    expect(world.out.join()).toContain('caught not deciding like');
  });
});

describe('explain', () => {
  const plan = {
    strategy: 'SCAN',
    pushed: { op: '>', args: [{ property: 'n' }, 5] },
    residual: null,
    notPushed: [
      { part: { sortBy: [{ property: 'nom', direction: 'ASC' }] }, reason: 'SORT_INEXACT', text: 'Not as the hub.' },
    ],
    requests: 2,
    pages: 1,
    scannedRecords: 1_234,
    portalQuery: ['/records?where=n > 5'],
  };
  const plans = [
    { path: 'dataset.records', dataset: 'a:b', plan, source: { catalog: 'a', status: 'OK', error: null } },
    {
      path: 'x.records',
      dataset: 'c:d',
      plan: { ...plan, strategy: null, portalQuery: null },
      source: {
        catalog: 'c',
        status: 'FAILED',
        error: { code: 'SOURCE_TIMEOUT', message: 'The source did not answer in time.' },
      },
    },
  ];

  test('prints for each part what was asked, what was left, and why', async () => {
    const world = createTestWorld({ plans });
    expect(await runCli(['explain', '{ a }'], world)).toBe(0);
    expect(world.out.join('\n').split('\n')).toEqual([
      'a:b  (dataset.records)',
      '  source      a OK',
      '  strategy    SCAN: the hub read the candidates, and filtered, ordered and cut what was left to it',
      '  pushed      {"op":">","args":[{"property":"n"},5]}',
      '  left to hub nothing',
      '    because   SORT_INEXACT {"sortBy":[{"property":"nom","direction":"ASC"}]}: Not as the hub.',
      '  portal      2 requests, 1 page, 1,234 records read',
      '    asked     /records?where=n > 5',
      '',
      'c:d  (x.records)',
      '  source      c FAILED: SOURCE_TIMEOUT The source did not answer in time.',
      '  strategy    none: the source failed',
      '  pushed      {"op":">","args":[{"property":"n"},5]}',
      '  left to hub nothing',
      '    because   SORT_INEXACT {"sortBy":[{"property":"nom","direction":"ASC"}]}: Not as the hub.',
      '  portal      2 requests, 1 page, 1,234 records read',
      '    asked     not shown',
    ]);
  });

  test('runs the explained question, as JSON too, at a running hub too', async () => {
    const world = createTestWorld({ plans: plans.slice(0, 1) });
    expect(await runCli(['explain', '{ a }', '--json', '--variables', '{"v": 1}'], world)).toBe(0);
    expect(JSON.parse(world.out.join('\n'))).toEqual({
      plans: plans.slice(0, 1),
      data: { query: 'explained { a }', variables: { v: 1 } },
    });
    const remote = createTestWorld({ answer: { data: {} } });
    expect(await runCli(['explain', '{ a }', '--url', 'http://a.example'], remote)).toBe(0);
    expect(remote.posted).toEqual([{ url: 'http://a.example/graphql', body: { query: 'explained { a }' } }]);
    expect(remote.out.join()).toContain('This question reads no records');
  });

  test('ends with 1 when the answer has errors, which are printed, or when there is no question', async () => {
    const world = createTestWorld({ answer: { data: null, errors: [{ message: 'no' }] } });
    expect(await runCli(['explain', '{ a }'], world)).toBe(1);
    expect(world.err.join()).toContain('"message": "no"');
    const none = createTestWorld({ files: { q: 'no question' } });
    expect(await runCli(['explain', 'q'], none)).toBe(1);
    expect(none.err.join()).toContain('INPUT_INVALID: query: no question.');
  });
});

describe('query', () => {
  test('a text with a brace is the query, anything else a file', async () => {
    const world = createTestWorld({ files: { 'q.graphql': 'query { viewer }' } });
    expect(await runCli(['query', '{ catalogs { id } }', '--variables', '{"a": 1}'], world)).toBe(0);
    expect(JSON.parse(world.out[0] ?? '')).toEqual({ data: { query: '{ catalogs { id } }', variables: { a: 1 } } });
    expect(await runCli(['query', 'q.graphql'], world)).toBe(0);
    expect(JSON.parse(world.out[1] ?? '')).toEqual({ data: { query: 'query { viewer }' } });
  });

  test('an answer with errors is printed and ends with 1', async () => {
    const answer = { data: { a: 1 }, errors: [{ message: 'no' }] };
    const world = createTestWorld({ answer });
    expect(await runCli(['query', '{ a }'], world)).toBe(1);
    expect(JSON.parse(world.out[0] ?? '')).toEqual(answer);
  });

  test.each([
    ['http://127.0.0.1:4000', 'http://127.0.0.1:4000/graphql'],
    ['https://hub.example/civex/', 'https://hub.example/civex/graphql'],
    ['http://127.0.0.1:4000/graphql', 'http://127.0.0.1:4000/graphql'],
  ])('a hub at %s is asked at %s and nothing is started', async (given, asked) => {
    const world = createTestWorld({ answer: { data: {} } });
    expect(await runCli(['query', '{ a }', '--url', given, '--variables', '{}'], world)).toBe(0);
    expect(world.posted).toEqual([{ url: asked, body: { query: '{ a }', variables: {} } }]);
    expect(world.events).toEqual([]);
  });

  test.each([
    [['--url', 'http://a', '--config', 'x'], 2, 'not both'],
    [['--url', 'file:///etc/passwd'], 2, '--url takes'],
    [['--variables', '[1]'], 2, '--variables takes a JSON object'],
    [['--variables', '{'], 2, '--variables takes a JSON object'],
    [['--url', 'http://127.0.0.1:1'], 1, 'No hub answers'],
  ])('%j is refused with %i', async (options, code, message) => {
    const world = createTestWorld();
    expect(await runCli(['query', '{ a }', ...options], world)).toBe(code);
    expect(world.err.join()).toContain(message);
    expect(world.events).toEqual([]);
  });

  test.each([['hello'], [null], [[{ data: 1 }]], [{ ok: true }]])('an answer of %j is not a hub', async (answer) => {
    const world = createTestWorld({ answer });
    expect(await runCli(['query', '{ a }', '--url', 'http://a'], world)).toBe(1);
    expect(world.err[0]).toContain('not a Civex hub');
    expect(world.out).toEqual([]);
  });
});

describe('config check', () => {
  test('says what is configured', async () => {
    const world = createTestWorld({ files: { 'hub.yaml': yaml('a', 'b') } });
    expect(await runCli(['config', 'check'], world)).toBe(0);
    expect(world.out[0]).toMatch(
      /^hub\.yaml is valid: 2 sources\.\n\nCATALOG {2}ADAPTER[^]*\na {8}ckan +https:\/\/a\.example +-\n/,
    );
  });

  test('reports all faults together and ends with 3', async () => {
    const world = createTestWorld({ files: { x: 'sources:\n  - {id: A, adapter: ckan, url: http://a.example}\n' } });
    expect(await runCli(['config', 'check', 'x'], world)).toBe(3);
    expect(world.err[0]).toMatch(
      /x:2:10 sources\[0\]\.id: [^]*x:2:33 sources\[0\]\.url: uses plain http[^]*The configuration has 2 faults\.$/,
    );
    expect(world.out).toEqual([]);
  });

  test('does not print keys', async () => {
    const text = yaml('a').replace("'}", "', apiKeyEnv: CIVEX_KEY}");
    const world = createTestWorld({ files: { 'hub.yaml': text }, env: { CIVEX_KEY: 's3cr3t' } });
    expect(await runCli(['config', 'check'], world)).toBe(0);
    expect(world.out.join()).toContain('CIVEX_KEY');
    expect([...world.out, ...world.err].join()).not.toContain('s3cr3t');
  });

  test('a missing file ends with 3 and says what to do', async () => {
    const world = createTestWorld();
    expect(await runCli(['config', 'check'], world)).toBe(3);
    expect(world.err).toEqual(['hub.yaml does not exist. Copy hub.example.yaml to it, or name another file.']);
  });
});

test('an unforeseen failure ends with 1 and is told', async () => {
  const world = { ...createTestWorld(), loadGateway: () => Promise.reject(new Error('broken')) };
  expect(await runCli(['sources'], world)).toBe(1);
  expect(world.err[0]).toContain('Civex failed: Error: broken');
});
