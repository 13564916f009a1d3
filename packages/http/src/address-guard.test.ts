import { createSystemEnvironment, type Resolve } from '@civex/environment';
import { describe, expect, test } from 'vitest';
import { existsSync, readFileSync } from 'node:fs';
import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { createAddressGuard, createGuardedLookup, isAddressAdmitted } from './address-guard.ts';
import { createClient, callFor, GET, message, optionsFor, serveRaw, textOf } from './testing.ts';
import { createSourceHttp } from './source-http.ts';

const publicOnly = createAddressGuard([]);

describe('the address guard', () => {
  test.each(['8.8.8.8', '1.1.1.1', '172.15.0.1', '2606:4700:4700::1111', '2a01:e0a::1', '::ffff:8.8.8.8'])(
    'takes the public address %s',
    (address) => {
      expect(publicOnly.kindOf(address)).toBe('public');
    },
  );

  test.each([
    '127.0.0.1',
    '0.0.0.0',
    '10.0.0.1',
    '100.64.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '192.0.0.192',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::7f00:1',
    '::127.0.0.1',
    '::ffff:0:127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::a9fe:a9fe',
    '2002:7f00:1::',
    '2001:0:7f00:1::',
    '2001:db8::1',
    '3fff::1',
    '100::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fec0::1',
    'ff02::1',
    'fe80::1%eth0',
    '2606:4700::1%eth0',
    'localhost',
    '127.1',
    '2130706433',
    '',
  ])('refuses %s', (address) => {
    expect(publicOnly.kindOf(address)).toBe('refused');
  });

  test('takes exactly the private ranges it is given', () => {
    const guard = createAddressGuard(['127.0.0.1/32', '10.1.0.0/16', 'fd00::/8']);
    expect(['127.0.0.1', '::ffff:127.0.0.1', '10.1.2.3', 'fd12::1'].map((address) => guard.kindOf(address))).toEqual(
      Array(4).fill('private'),
    );
    expect(
      ['127.0.0.2', '10.2.0.1', 'fc00::1', '::1', '169.254.169.254'].map((address) => guard.kindOf(address)),
    ).toEqual(Array(5).fill('refused'));
  });

  test('allows plain http only for private ranges', () => {
    expect(isAddressAdmitted('public', 'https:')).toBe(true);
    expect(isAddressAdmitted('public', 'http:')).toBe(false);
    expect(isAddressAdmitted('private', 'http:')).toBe(true);
    expect(isAddressAdmitted('private', 'https:')).toBe(true);
    expect(isAddressAdmitted('refused', 'https:')).toBe(false);
  });

  test.each(['127.0.0.1', 'localhost/8', '10.0.0.0/33', ''])('refuses to be configured with the range %j', (cidr) => {
    expect(() => createAddressGuard([cidr])).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('the guarded lookup', () => {
  const answers = (...addresses: string[]): Resolve => {
    return (_hostname, done) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
  };
  const look = (resolve: Resolve, all: boolean) =>
    new Promise<{ error: unknown; result: unknown }>((settle) => {
      const lookup = createGuardedLookup(publicOnly, 'https:', resolve, () => new Error('refused'));
      lookup('portal.example', { all }, (error: unknown, result: string | LookupAddress[]) =>
        settle({ error, result }),
      );
    });

  test('hands out all addresses when all are public', async () => {
    const { error, result } = await look(answers('8.8.8.8', '2606:4700::1'), true);
    expect(error).toBeNull();
    expect(result).toEqual([
      { address: '8.8.8.8', family: 4 },
      { address: '2606:4700::1', family: 6 },
    ]);
  });

  test('hands out the first address to who wants one', async () => {
    expect((await look(answers('8.8.8.8', '1.1.1.1'), false)).result).toBe('8.8.8.8');
  });

  test.each([[['8.8.8.8', '10.0.0.1']], [['10.0.0.1', '8.8.8.8']], [['::1']], [['8.8.8.8', '::ffff:127.0.0.1']]])(
    'hands out none of %j',
    async (addresses) => {
      const { error, result } = await look(answers(...addresses), true);
      expect(error).toEqual(new Error('refused'));
      expect(result).toBe('');
    },
  );

  test('reports a name without addresses as not found', async () => {
    expect((await look(answers(), true)).error).toMatchObject({ code: 'ENOTFOUND' });
  });
});

describe('a client', () => {
  const toLoopback: Resolve = (_hostname, done) => done(null, [{ address: '127.0.0.1', family: 4 }]);
  const ok = () => serveRaw((socket) => socket.write(message('{}')));

  test('reaches a name whose addresses lie in an allowed range', async () => {
    await using server = await ok();
    const { http, clock } = createClient(`http://portal.example:${server.port}`, {}, { resolve: toLoopback });
    await using _ = http;
    expect(await http.read(GET, textOf, callFor(clock))).toBe('200 {}');
    expect(server.requests[0]?.headers['host']).toBe(`portal.example:${server.port}`);
  });

  test.each([
    ['the allowed range is another one', ['10.0.0.0/8'], [{ address: '127.0.0.1', family: 4 }]],
    [
      'one of several addresses is outside',
      ['127.0.0.1/32'],
      [
        { address: '127.0.0.1', family: 4 },
        { address: '169.254.169.254', family: 4 },
      ],
    ],
    ['http leads to a public address', ['127.0.0.1/32'], [{ address: '8.8.8.8', family: 4 }]],
  ])('sends nothing when %s', async (_title, allowedPrivateCidrs, addresses) => {
    await using server = await ok();
    const { http, clock, outcomes } = createClient(
      `http://portal.example:${server.port}`,
      { allowedPrivateCidrs },
      { resolve: (_hostname, done) => done(null, addresses) },
    );
    await using _ = http;
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({
      code: 'SOURCE_REJECTED',
      facts: { source: 'paris' },
    });
    expect(server.openSockets()).toBe(0);
    expect(outcomes).toEqual(['SOURCE_REJECTED']);
  });

  test('asks the resolver again for each new connection and checks each answer', async () => {
    await using server = await serveRaw((socket) => socket.end(message('{}', { connection: 'close' })));
    const addresses = ['127.0.0.1', '169.254.169.254'];
    const { http, clock } = createClient(
      `http://rebind.example:${server.port}`,
      {},
      { resolve: (_hostname, done) => done(null, [{ address: addresses.shift() ?? '', family: 4 }]) },
    );
    await using _ = http;
    expect(await http.read(GET, textOf, callFor(clock))).toBe('200 {}');
    await expect(http.read(GET, textOf, callFor(clock))).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    expect(server.requests).toHaveLength(1);
  });

  test('uses the system resolver under the same rule', async () => {
    await using server = await ok();
    const environment = { ...createSystemEnvironment(), metrics: { upstream: () => {}, circuit: () => {} } };
    const options = optionsFor(`http://localhost:${server.port}`, { allowedPrivateCidrs: ['10.0.0.0/8'] });
    await using http = createSourceHttp(options, environment);
    await expect(http.read(GET, textOf, callFor(environment))).rejects.toMatchObject({
      code: 'SOURCE_REJECTED',
    });
    expect(server.openSockets()).toBe(0);
  });
});

interface SsrfRow {
  readonly id: string;
  readonly url: string;
  readonly expect: 'deny' | 'allow';
  readonly why: string;
}
const corpus = new URL('../../../../shared/corpora/hostile/ssrf-urls.jsonl', import.meta.url);
const rows: SsrfRow[] = existsSync(corpus)
  ? readFileSync(corpus, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as SsrfRow)
      .filter(({ url }) => !url.startsWith('redirect:'))
  : [];

/** Names the corpus means to resolve to an inside address; everything else in it resolves to a public one. */
const INSIDE = /nip\.io|localtest|fixture\.test|local|internal|metadata|instance-data|kubernetes|router|lan$/i;

describe.skipIf(rows.length === 0)('the SSRF corpus', () => {
  test.each(rows.map((row) => [row.id, row] as const))('%s keeps its verdict', async (_id, row) => {
    // A base URL takes no query, which is not what the corpus is about.
    const [url = ''] = row.expect === 'allow' ? row.url.split('?') : [row.url];
    // `http:` to a public host is allowed by the corpus and refused by the client: credentials would travel in the open.
    const verdict = url.startsWith('http://') ? 'deny' : row.expect;
    expect(await judge(url)).toBe(verdict);
  });

  /** Configuration, then names. Connects nowhere. */
  async function judge(url: string): Promise<string> {
    try {
      await createClient(url, { allowedPrivateCidrs: [] }).http[Symbol.asyncDispose]();
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.not.stringContaining(url) });
      return 'deny';
    }
    const { hostname, protocol } = new URL(url);
    if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) return 'allow';
    const resolve: Resolve = (name, done) =>
      done(null, [{ address: INSIDE.test(name) ? '10.0.0.1' : '8.8.8.8', family: 4 }]);
    const lookup = createGuardedLookup(publicOnly, protocol, resolve, () => new Error('refused'));
    return new Promise((settle) =>
      lookup(hostname, { all: true }, (error) => settle(error === null ? 'allow' : 'deny')),
    );
  }
});
