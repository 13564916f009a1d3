import { inspect } from 'node:util';
import { isHubError } from '@civex/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError, formatConfigFaults } from './config-error.ts';
import { adapters, faultsOf, minimal, parse, withLines } from './test-fixtures.ts';
import { defaultHubConfig, parseHubConfig } from './parse-hub-config.ts';

describe('a complete configuration', () => {
  test('three lines make a source with every default filled in', () => {
    const { server, limits, sources } = parse(minimal);
    expect(server).toEqual({
      host: '127.0.0.1',
      port: 4_000,
      graphiql: true,
      dataFolder: '.civex',
      capabilityProbes: true,
    });
    expect(limits).toMatchObject({ requestTimeoutMs: 15_000, scanRecords: 50_000, drainSeconds: 20 });
    expect(sources).toEqual([
      {
        id: 'umea',
        adapter: 'opendatasoft',
        title: 'umea',
        homepage: null,
        urls: ['https://opendata.umea.se'],
        languages: [],
        country: null,
        region: null,
        timeZone: 'UTC',
        apiKeyEnv: null,
        headers: {},
        privateNetwork: [],
        limits: {
          connectTimeoutMs: 2_000,
          headersTimeoutMs: 5_000,
          totalTimeoutMs: 10_000,
          maxAnswerBytes: 16_000_000,
          maxStreamBytes: 10_000_000_000,
          maxConcurrent: 20,
          maxQueued: 50,
          retryBudget: 0.1,
          minBytesPerSecond: 100,
        },
        cache: { catalogSeconds: 60, recordsSeconds: 10, staleIfErrorSeconds: 3_600, maxBytes: 32_000_000 },
        options: { apiVersion: 'v2.1' },
      },
    ]);
  });

  test('what the file says replaces the default and leaves the others', () => {
    const config = parse(`server: {port: 5000}\nlimits: {queryDepth: 9}\n${withLines('limits: {maxConcurrent: 3}')}`);
    expect(config.server).toMatchObject({ port: 5_000, host: '127.0.0.1' });
    expect(config.limits).toMatchObject({ queryDepth: 9, queryTokens: 4_000 });
    expect(config.sources[0]?.limits).toMatchObject({ maxConcurrent: 3, maxQueued: 50 });
  });

  test('the environment overrides the file', () => {
    const text = `server: {port: 5000, host: 10.0.0.1}\n${minimal}`;
    expect(parse(text, { CIVEX_PORT: '0', CIVEX_HOST: '::1' }).server).toEqual({
      port: 0,
      host: '::1',
      graphiql: true,
      dataFolder: '.civex',
      capabilityProbes: true,
    });
  });

  test('addresses are normalised, several are kept in order', () => {
    const text = minimal.replace(/url: .*/, "urls: ['HTTPS://Data.Example.org:443/portal/', https://b.example]");
    expect(parse(text).sources[0]?.urls).toEqual(['https://data.example.org/portal', 'https://b.example']);
  });

  test('plain http is taken for a portal on a listed private network', () => {
    const text = withLines('privateNetwork: [127.0.0.1/32]').replace('https:', 'http:');
    expect(parse(text).sources[0]?.urls).toEqual(['http://opendata.umea.se']);
  });

  test('header names and language tags are lower case', () => {
    const [source] = parse(withLines('languages: [fr-FR]', "headers: {User-Agent: 'Civex test'}")).sources;
    expect(source?.languages).toEqual(['fr-fr']);
    expect(source?.headers).toEqual({ 'user-agent': 'Civex test' });
  });

  test('the words yes, no and NO stay texts', () => {
    expect(parse(withLines('country: NO', 'languages: [no]', 'title: yes')).sources[0]).toMatchObject({
      country: 'NO',
      languages: ['no'],
      title: 'yes',
    });
  });

  test('an alias repeats what its anchor names', () => {
    const text = `${withLines('limits: &slow {maxConcurrent: 2}')}  - {id: b, adapter: ckan, url: https://b.example, limits: *slow}\n`;
    expect(parse(text).sources[1]?.limits.maxConcurrent).toBe(2);
  });

  test('another Civex needs no schema from the adapters', () => {
    expect(parse(minimal.replace('opendatasoft', 'civex')).sources[0]).toMatchObject({ adapter: 'civex', options: {} });
  });

  test('the result is frozen all the way down', () => {
    const config = parse(withLines('headers: {accept: text/plain}'));
    const [source] = config.sources;
    for (const part of [config, config.server, config.limits, config.sources, source, source?.limits, source?.urls])
      expect(Object.isFrozen(part)).toBe(true);
    for (const part of [source?.headers, source?.options, source?.secretHeaders, source?.cache])
      expect(Object.isFrozen(part)).toBe(true);
  });
});

describe('secrets', () => {
  const env = { CIVEX_UMEA_KEY: 's3cr3t-value' };
  const text = withLines('apiKeyEnv: CIVEX_UMEA_KEY', "apiKeyPrefix: 'Apikey '");

  test('the key of the named variable becomes a header with its prefix', () => {
    expect({ ...parse(text, env).sources[0]?.secretHeaders }).toEqual({ authorization: 'Apikey s3cr3t-value' });
  });

  test('the header may have another name', () => {
    const other = withLines('apiKeyEnv: CIVEX_UMEA_KEY', 'apiKeyHeader: X-CKAN-API-Key');
    expect({ ...parse(other, env).sources[0]?.secretHeaders }).toEqual({ 'x-ckan-api-key': 's3cr3t-value' });
  });

  test('no printout of a configuration contains the key', () => {
    const config = parse(text, env);
    const [source] = config.sources;
    const prints = [
      JSON.stringify(config),
      JSON.stringify(source?.secretHeaders),
      JSON.stringify({ headers: source?.secretHeaders }),
      inspect(config, { depth: 10 }),
      inspect(config, { depth: 10, showHidden: true }),
      inspect(source?.secretHeaders),
      // oxlint-disable-next-line typescript/no-base-to-string -- what it turns into is the question
      String(source?.secretHeaders),
      Object.entries(source ?? {})
        .flat()
        .join(),
      JSON.stringify(structuredClone(config)),
    ];
    for (const print of prints) expect(print).not.toContain('s3cr3t');
    expect(source?.apiKeyEnv).toBe('CIVEX_UMEA_KEY');
  });

  test.each([
    ['is absent', {}],
    ['is empty', { CIVEX_UMEA_KEY: '' }],
    ['is inherited from the prototype', Object.create({ CIVEX_UMEA_KEY: 'inherited' }) as Record<string, string>],
  ])('a variable that %s is a fault that names it', (_, given) => {
    expect(faultsOf(text, given)).toMatchObject([
      { path: 'sources[0].apiKeyEnv', line: 5, problem: 'the environment variable CIVEX_UMEA_KEY is not set' },
    ]);
  });

  test.each(['s3cr3t\n', ' s3cr3t', 's3cr3t\r\nx: y', 's3cr3té'])(
    'a key that no header can carry is a fault without the key: %j',
    (key) => {
      const faults = faultsOf(text, { CIVEX_UMEA_KEY: key });
      expect(faults).toMatchObject([{ path: 'sources[0].apiKeyEnv' }]);
      expect(JSON.stringify(faults)).not.toContain('s3cr3t');
    },
  );

  test('a key pasted in place of a variable name is refused and not repeated', () => {
    const faults = faultsOf(withLines('apiKeyEnv: a1b2c3-secret'));
    expect(faults).toMatchObject([
      { path: 'sources[0].apiKeyEnv', problem: 'is not the name of an environment variable' },
    ]);
    expect(JSON.stringify(faults)).not.toContain('a1b2c3');
  });

  test('a value glued to its key is not repeated as the name of a setting', () => {
    const faults = faultsOf(withLines('options: {token:a1b2c3}'));
    expect(faults).toMatchObject([{ path: 'sources[0].options[?]', line: 5 }]);
    expect(JSON.stringify(faults)).not.toContain('a1b2c3');
  });

  const paths = [
    'id',
    'adapter',
    'url',
    'title',
    'homepage',
    'country',
    'region',
    'timeZone',
    'apiKeyEnv',
    'apiKeyHeader',
    'apiKeyPrefix',
    'languages',
    'urls',
    'headers',
    'privateNetwork',
    'limits',
    'cache',
    'options',
  ];
  test('no fault ever contains a value of the file', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom(...paths),
          fc.constantFrom(
            'zq7\u0007marker',
            ['zq7marker'],
            { a: 'zq7marker' },
            { apiVersion: 'zq7marker' },
            { publicUrl: 'zq7marker' },
            'https://u:zq7marker@x.example/',
            'https://x.example/?key=zq7marker',
            'http://zq7marker.example',
            { authorization: 'zq7marker' },
            { accept: 'zq7marker\u0001' },
            [{ zq7: 'zq7marker' }],
          ),
        ),
        fc.constantFrom('opendatasoft', 'ckan', 'civex'),
        (entry, adapter) => {
          const text = JSON.stringify({ sources: [{ id: 'a', adapter, ...entry }] });
          const faults = faultsOf(text, {});
          expect(formatConfigFaults(faults)).not.toContain('zq7marker');
        },
      ),
      { seed: 7, numRuns: 1_500 },
    );
  });
});

describe('faults', () => {
  test('all faults of a file are reported together, in the order of their lines', () => {
    const text = `server:
  port: 70000
  hosts: 127.0.0.1
limits:
  queryDepth: '12'
sources:
  - id: Umea
    adapter: opendatsoft
    url: http://opendata.umea.se
    timezone: Europe/Stockholm
    limits: {maxConcurrent: 0, retryBudget: 2}
  - id: cdmx
    adapter: ckan
    options: {actionPth: /x, nested: {pageSiz: 1}}
  - id: cdmx
    adapter: ckan
    url: https://a.example
    apiKeyEnv: NOT_THERE
`;
    expect(faultsOf(text, { CIVEX_PORT: '4x' }).map(({ line, path, problem }) => `${line} ${path} ${problem}`)).toEqual(
      [
        '2 server.port is above its limit',
        '3 server.hosts is not a known setting: did you mean "host"',
        '5 limits.queryDepth must be a number',
        '7 sources[0].id is not a source key',
        '8 sources[0].adapter is not an adapter of this hub: did you mean "opendatasoft"',
        '9 sources[0].url uses plain http',
        '10 sources[0].timezone is not a known setting: did you mean "timeZone"',
        '11 sources[0].limits.maxConcurrent is below its limit',
        '11 sources[0].limits.retryBudget is above its limit',
        '12 sources[1] has no `url`',
        '14 sources[1].options.actionPth is not a known setting: did you mean "actionPath"',
        '14 sources[1].options.nested.pageSiz is not a known setting: did you mean "pageSize"',
        '15 sources[2].id is the id of the source on line 12 as well',
        '18 sources[2].apiKeyEnv the environment variable NOT_THERE is not set',
        'null CIVEX_PORT is not a TCP port',
      ],
    );
  });

  test('the error is CONFIG_INVALID and its message only counts', () => {
    const attempt = (): unknown => parse('sources: []');
    expect(attempt).toThrow(ConfigError);
    expect(attempt).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: 'The configuration has 1 fault.' }),
    );
    expect(attempt).toThrow(expect.toSatisfy(isHubError));
  });

  test('a fault says file, line, column, path, problem and remedy', () => {
    expect(formatConfigFaults(faultsOf(withLines('limits:', '  maxConcurrent: 500')))).toBe(
      'hub.yaml:6:22 sources[0].limits.maxConcurrent: is above its limit\n    Use at most 200.',
    );
  });

  /** A valid specimen with one thing changed. */
  const specimen = (line: string): string => withLines(line);
  test('the specimen of the table below is valid', () => {
    expect(faultsOf(specimen('title: Umeå'))).toEqual([]);
  });
  test.each([
    ['title: 12', 'sources[0].title', 'must be a text'],
    ['title:', 'sources[0].title', 'must be a text'],
    ['title: "a\\nb"', 'sources[0].title', 'contains control characters'],
    ["title: ''", 'sources[0].title', 'is below its limit'],
    ['homepage: javascript:alert(1)', 'sources[0].homepage', 'is not an http or https URL'],
    ['homepage: https://me:pw@a.example', 'sources[0].homepage', 'is not an http or https URL'],
    ['languages: fr', 'sources[0].languages', 'must be a list'],
    ['languages: [fr_FR]', 'sources[0].languages[0]', 'is not a BCP 47 language tag'],
    ['languages: [french]', 'sources[0].languages[0]', 'is not a BCP 47 language tag'],
    ['country: UK', 'sources[0].country', 'is not an ISO 3166-1 alpha-2 country code'],
    ['country: se', 'sources[0].country', 'is not an ISO 3166-1 alpha-2 country code'],
    ['country: EU', 'sources[0].country', 'is not an ISO 3166-1 alpha-2 country code'],
    ['country: QX', 'sources[0].country', 'is not an ISO 3166-1 alpha-2 country code'],
    ['timeZone: Europe/Umea', 'sources[0].timeZone', 'is not an IANA time zone'],
    ["timeZone: '+01:00'", 'sources[0].timeZone', 'is not an IANA time zone'],
    ['apiKeyPrefix: Apikey', 'sources[0].apiKeyPrefix', 'has no effect without `apiKeyEnv`'],
    ['apiKeyHeader: X-Key', 'sources[0].apiKeyHeader', 'has no effect without `apiKeyEnv`'],
    ['headers: {Authorization: x}', 'sources[0].headers.Authorization', 'would hold a secret'],
    ['headers: {X-Api-Key: x}', 'sources[0].headers.X-Api-Key', 'would hold a secret'],
    ['headers: {Cookie: x}', 'sources[0].headers.Cookie', 'would hold a secret'],
    ['headers: {Host: x}', 'sources[0].headers.Host', 'is set by the hub itself'],
    ['headers: {Range: bytes=0-1}', 'sources[0].headers.Range', 'is set by the hub itself'],
    ['headers: {Content-Length: "0"}', 'sources[0].headers.Content-Length', 'is set by the hub itself'],
    ['headers: {Transfer-Encoding: chunked}', 'sources[0].headers.Transfer-Encoding', 'is set by the hub itself'],
    ['headers: {"a b": x}', 'sources[0].headers[?]', 'is not the name of an HTTP header'],
    ['headers: {accept: a, Accept: b}', 'sources[0].headers.Accept', 'is given twice in different letters'],
    ['headers: {accept: "a\\r\\nb: c"}', 'sources[0].headers.accept', 'cannot be sent as a header value'],
    ['privateNetwork: [0.0.0.0/0]', 'sources[0].privateNetwork[0]', 'is not a private range in CIDR notation'],
    ['urls: [https://b.example]', 'sources[0].urls', 'stands beside `url`'],
    ['limits: {maxConcurrent: 1.5}', 'sources[0].limits.maxConcurrent', 'must be a whole number'],
    ['limits: {maxConcurrent: 1_0}', 'sources[0].limits.maxConcurrent', 'must be a number'],
    ['limits: {retryBudget: .nan}', 'sources[0].limits.retryBudget', 'must be a number'],
    [
      'limits: {headersTimeoutMs: 5000, totalTimeoutMs: 4000}',
      'sources[0].limits.headersTimeoutMs',
      'is longer than `totalTimeoutMs`',
    ],
    ['limits:', 'sources[0].limits', 'must be a group of settings'],
    ['cache: []', 'sources[0].cache', 'must be a group of settings'],
    ['options: {apiVersion: v3}', 'sources[0].options.apiVersion', 'is not one of the known values'],
    ['options: {publicUrl: nowhere}', 'sources[0].options.publicUrl', 'is not a URL of the kind asked for'],
    ['options: [a]', 'sources[0].options', 'must be a group of settings'],
    ['constructor: x', 'sources[0].constructor', 'is not a known setting'],
  ])('%s is refused', (line, path, problem) => {
    expect(faultsOf(specimen(line))).toEqual([expect.objectContaining({ path, problem, line: 5 })]);
  });

  test.each([
    ['https://me:pw@a.example', 'carries a user name or password'],
    ['https://a.example/?apikey=x', 'carries query parameters'],
    ['https://a.example/#x', 'carries a fragment'],
    ['ftp://a.example', 'is not an https URL'],
    ['a.example', 'is not a URL'],
    ['""', 'is not a URL'],
  ])('the address %s is refused', (url, problem) => {
    expect(faultsOf(minimal.replace(/url: .*/, `url: ${url}`))).toMatchObject([
      { path: 'sources[0].url', problem, line: 4 },
    ]);
  });

  test('the same address twice is refused, however it is spelled', () => {
    const text = minimal.replace(/url: .*/, 'urls: [https://a.example, https://A.example/]');
    expect(faultsOf(text)).toMatchObject([{ path: 'sources[0].urls[1]', problem: 'is given twice' }]);
  });

  test('an unknown adapter lists the known ones', () => {
    expect(faultsOf(minimal.replace('opendatasoft', 'socrata'))).toMatchObject([
      { path: 'sources[0].adapter', remedy: 'Use one of: civex, ckan, opendatasoft.' },
    ]);
  });

  test.each(['constructor', '__proto__', 'toString'])('the adapter name %s is unknown like any other', (kind) => {
    expect(faultsOf(minimal.replace('opendatasoft', kind))).toMatchObject([{ path: 'sources[0].adapter' }]);
  });

  test('another Civex takes no options', () => {
    expect(
      faultsOf(withLines('options: {apiVersion: v2.1}').replace('adapter: opendatasoft', 'adapter: civex')),
    ).toMatchObject([{ path: 'sources[0].options.apiVersion', problem: 'is not a known setting' }]);
  });

  test('a message an adapter wrote for a person is passed on', () => {
    const text = withLines('options: {actionPath: x}').replace('adapter: opendatasoft', 'adapter: ckan');
    expect(faultsOf(text)).toMatchObject([{ remedy: 'Expected: a path such as /api/3/action.' }]);
  });

  test('a message of an adapter that quotes the value is replaced', () => {
    const text = withLines('options: {quoting: a1b2c3}').replace('adapter: opendatasoft', 'adapter: ckan');
    const faults = faultsOf(text);
    expect(faults).toMatchObject([{ path: 'sources[0].options.quoting', problem: 'is not valid' }]);
    expect(JSON.stringify(faults)).not.toContain('a1b2c3');
  });

  test('missing id, adapter and sources are named', () => {
    expect(faultsOf('sources:\n  - url: https://a.example\n').map(({ path, problem }) => `${path} ${problem}`)).toEqual(
      ['sources[0].id is missing', 'sources[0].adapter is missing'],
    );
    expect(faultsOf('server: {}\n')).toMatchObject([{ path: 'sources', problem: 'is missing' }]);
  });

  test.each([
    ['CIVEX_PORT', '65536'],
    ['CIVEX_PORT', ''],
    ['CIVEX_PORT', '4e3'],
    ['CIVEX_HOST', ''],
    ['CIVEX_HOST', 'a b'],
  ])('an environment of %s=%j is refused by name', (name, value) => {
    expect(faultsOf(minimal, { [name]: value })).toMatchObject([{ file: 'environment', path: name, line: null }]);
  });

  test('no text makes the parser fail in any other way', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 200, unit: 'binary' }), fc.json()), (text) => {
        expect(() => parse(text)).toThrow(ConfigError);
      }),
      { seed: 11, numRuns: 500 },
    );
  });

  test('two thousand sources are read in one piece and one more is refused', () => {
    const many = (count: number): string =>
      `sources:\n${Array.from({ length: count }, (_, index) => `  - {id: s${index}, adapter: ckan, url: https://s${index}.example}\n`).join('')}`;
    expect(parse(many(2_000)).sources).toHaveLength(2_000);
    expect(faultsOf(many(2_001))).toMatchObject([{ path: 'sources', problem: 'is above its limit' }]);
  });
});

describe('a configuration from code', () => {
  const source = { id: 'a', adapter: 'ckan', url: 'http://127.0.0.1:3000', privateNetwork: ['127.0.0.1/32'] };

  test('has the same defaults as one from a file', () => {
    const text = `sources: [{id: a, adapter: ckan, url: 'http://127.0.0.1:3000', privateNetwork: [127.0.0.1/32]}]`;
    expect(defaultHubConfig([source], { adapters })).toEqual(parse(text));
  });

  test('takes server settings and the environment', () => {
    expect(defaultHubConfig([source], { server: { port: 0 } }).server.port).toBe(0);
    expect(defaultHubConfig([source], { server: { port: 0 }, env: { CIVEX_PORT: '81' } }).server.port).toBe(81);
  });

  test('does not freeze what the caller handed in', () => {
    defaultHubConfig([source]);
    expect(Object.isFrozen(source.privateNetwork)).toBe(false);
  });

  test('is checked like a file', () => {
    expect(() => defaultHubConfig([{ ...source, privateNetwork: [] }])).toThrow(
      expect.objectContaining({
        faults: [expect.objectContaining({ file: 'code', line: null, path: 'sources[0].url' })],
      }),
    );
  });
});

test('parsing leaves the environment it is given alone', () => {
  const env = Object.freeze({ CIVEX_PORT: '1' });
  expect(parseHubConfig(minimal, { file: 'x', env, adapters }).server.port).toBe(1);
});
