import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defaultHubConfig } from '@civex/config';
import { HUB_ERROR_CODES } from '@civex/errors';
import { startSandbox } from '@civex/sandbox';
import type { Sandbox } from '@civex/sandbox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NO_CACHE, REPORT, startSandboxHub, startTestHub, toSourceInput } from '../test-support/test-hub.ts';
import type { Answer, Loose } from '../test-support/test-hub.ts';

/** Written by the portal into every place an answer has. */
const MARKER = 'MARKER-5e2c';

interface HostilePortal extends AsyncDisposable {
  readonly url: string;
  readonly received: IncomingMessage[];
}

async function startHostilePortal(
  answer: (response: ServerResponse, request: IncomingMessage) => void,
): Promise<HostilePortal> {
  const received: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    received.push(request);
    request.resume();
    request.on('end', () => answer(response, request));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

const QUESTION = `{
  datasets(search: "velo", first: 50) { totalCount nodes { id } sources { ${REPORT} } }
  catalogs { id datasetCount health { state reason } datasets(first: 2) { nodes { id } sources { ${REPORT} } } }
  hostile: dataset(id: "hostile:x") { id records(first: 1) { nodes { id } } }
  datasetsById(ids: ["hostile:x", "umea:badplatser"]) { id }
}`;

async function askBeside(kind: string, portal: HostilePortal): Promise<Answer<Record<string, Loose>>> {
  const hub = await startTestHub(
    defaultHubConfig([
      toSourceInput({ ...sandbox.portal('umea') }, { cache: NO_CACHE }),
      {
        id: 'hostile',
        adapter: kind,
        url: portal.url,
        privateNetwork: ['127.0.0.1/32'],
        limits: { totalTimeoutMs: 2_000 },
        cache: NO_CACHE,
      },
    ]),
  );
  try {
    return await hub.ask(
      QUESTION,
      {},
      {
        headers: {
          authorization: 'Bearer caller-secret',
          cookie: 'a=caller-secret',
          'x-forwarded-for': 'caller-secret',
        },
      },
    );
  } finally {
    await hub[Symbol.asyncDispose]();
  }
}

const HEADERS = {
  'set-cookie': `a=${MARKER}`,
  'x-marker': MARKER,
  server: MARKER,
  'www-authenticate': `Basic realm="${MARKER}"`,
  'content-language': MARKER,
};
const reply =
  (status: number, type: string, body: string, headers: Readonly<Record<string, string>> = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(status, `${MARKER} reason`, { ...HEADERS, 'content-type': type, ...headers });
    response.end(body);
  };

const OURS = JSON.stringify({
  data: null,
  errors: [
    {
      message: MARKER,
      path: [MARKER],
      extensions: { code: 'AUTH_REQUIRED', http: { status: 418, headers: { 'x-marker': MARKER } }, stack: MARKER },
    },
  ],
});
const ANSWERS: readonly (readonly [string, (response: ServerResponse) => void])[] = [
  ['a page of HTML', reply(200, 'text/html', `<title>${MARKER}</title>`)],
  ['a refusal in HTML', reply(403, 'text/html', `<title>${MARKER}</title>`)],
  ['a demand for a password', reply(401, 'application/json', JSON.stringify({ message: MARKER }))],
  ['a fault', reply(500, 'application/json', JSON.stringify({ message: MARKER, stack: MARKER }))],
  ['a pause', reply(503, 'application/json', MARKER, { 'retry-after': '3600' })],
  ['a quota', reply(429, 'application/json', JSON.stringify({ error: MARKER }), { 'retry-after': '3600' })],
  ['an Opendatasoft error', reply(400, 'application/json', JSON.stringify({ error_code: MARKER, message: MARKER }))],
  [
    'an Opendatasoft error under 200',
    reply(200, 'application/json', JSON.stringify({ error_code: 'ODSQLError', message: MARKER })),
  ],
  [
    'a CKAN error',
    reply(
      409,
      'application/json',
      JSON.stringify({ success: false, error: { __type: 'Validation Error', message: MARKER, [MARKER]: [MARKER] } }),
    ),
  ],
  ['a CKAN error that is a text', reply(400, 'application/json', JSON.stringify(`Bad request - ${MARKER}`))],
  ['an error in the shape of ours', reply(200, 'application/json', OURS)],
  ['an error in the shape of ours, refused', reply(401, 'application/json', OURS)],
  ['JSON that ends early', reply(200, 'application/json', `{"results": [{"dataset_id": "${MARKER}"`)],
  [
    'JSON of another shape',
    reply(
      200,
      'application/json',
      JSON.stringify({
        results: MARKER,
        total_count: MARKER,
        success: true,
        result: { count: MARKER, results: [MARKER] },
      }),
    ),
  ],
  ['bytes that are no text', reply(200, 'application/json', `\u0000${MARKER}\uFFFD`)],
  ['a body that is not encoded as it says', reply(200, 'application/json', MARKER, { 'content-encoding': 'gzip' })],
  ['a redirect to elsewhere', reply(302, 'text/plain', MARKER, { location: `http://127.0.0.1:9/${MARKER}` })],
  ['nothing', (response) => void response.destroy()],
];

describe.each(['opendatasoft', 'ckan'])('what a portal of kind %s writes into', (kind) => {
  test.each(ANSWERS)('%s never reaches the caller', async (_, answer) => {
    const portal = await startHostilePortal(answer);
    try {
      const { status, text, headers, data, errors = [] } = await askBeside(kind, portal);
      expect(portal.received.length).toBeGreaterThan(0);
      expect(status).toBe(200);
      expect(text).not.toContain('MARKER');
      expect(JSON.stringify(headers)).not.toContain('MARKER');
      expect(headers).not.toHaveProperty('set-cookie');
      expect(headers).not.toHaveProperty('retry-after');

      // The failure is told all the same, in words and codes of the hub.
      const [umea, hostile] = data['datasets'].sources;
      expect(umea).toMatchObject({ catalog: 'umea', status: 'OK' });
      expect(hostile).toMatchObject({ catalog: 'hostile', status: 'FAILED' });
      expect(hostile.error.code).toMatch(/^SOURCE_/);
      expect(errors.length).toBeGreaterThan(0);
      for (const { extensions, path, message } of errors) {
        expect(HUB_ERROR_CODES).toContain(extensions.code);
        expect(extensions.code).not.toBe('INTERNAL');
        expect(extensions.source).toBe('hostile');
        expect(path).not.toHaveLength(0);
        expect(message).toMatch(/^The /);
      }
      expect(data['datasetsById']).toEqual([null, { id: 'umea:badplatser' }]);
      expect(data['hostile']).toBeNull();
      expect(data['catalogs'][1]).toMatchObject({ datasetCount: null, health: { state: 'DOWN' } });
    } finally {
      await portal[Symbol.asyncDispose]();
    }
  });

  test('control: the hub does not invent the failure of a portal that answers', async () => {
    const hub = await startSandboxHub(sandbox, { source: { cache: NO_CACHE } });
    try {
      const { data, errors } = await hub.ask(`{ datasets(search: "velo", first: 50) { sources { status } } }`);
      expect(errors).toBeUndefined();
      expect(data['datasets'].sources.every(({ status }: { status: string }) => status === 'OK')).toBe(true);
    } finally {
      await hub[Symbol.asyncDispose]();
    }
  });
});

test('a redirect to another server is not followed', async () => {
  const elsewhere = await startHostilePortal(reply(200, 'application/json', '{"total_count":0,"results":[]}'));
  const portal = await startHostilePortal((response, { url }) => {
    response.writeHead(302, { location: `${elsewhere.url}${url}` });
    response.end();
  });
  try {
    const { data } = await askBeside('opendatasoft', portal);
    expect(data['datasets'].sources[1]).toMatchObject({ status: 'FAILED', error: { code: 'SOURCE_REJECTED' } });
    expect(elsewhere.received).toEqual([]);
  } finally {
    await portal[Symbol.asyncDispose]();
    await elsewhere[Symbol.asyncDispose]();
  }
});

test('an address a portal writes into its metadata is never asked', async () => {
  const bait = await startHostilePortal(reply(200, 'text/plain', 'x'));
  const portal = await startHostilePortal((response) => {
    const results = [
      {
        dataset_id: 'x',
        has_records: false,
        data_visible: true,
        attachments: [{ id: 'a', title: 'a', mimetype: 'text/plain', url: `${bait.url}/a` }],
        alternative_exports: [{ id: 'b', title: 'b', description: '', mimetype: 'text/plain', url: `${bait.url}/b` }],
        fields: [],
        metas: {
          default: { title: 'velo', references: bait.url, license_url: bait.url, source_domain_address: bait.url },
        },
      },
    ];
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ total_count: 1, results }));
  });
  const hub = await startTestHub(
    defaultHubConfig([{ id: 'hostile', adapter: 'opendatasoft', url: portal.url, privateNetwork: ['127.0.0.1/32'] }]),
  );
  try {
    const { data, errors } = await hub.ask(
      '{ datasets(first: 5) { nodes { id landingPage license { uri raw } distributions { accessURL downloadURL } provenance { raw } } } }',
    );
    expect(errors).toBeUndefined();
    expect(data['datasets'].nodes).toHaveLength(1);
    expect(bait.received).toEqual([]);
  } finally {
    await hub[Symbol.asyncDispose]();
    await portal[Symbol.asyncDispose]();
    await bait[Symbol.asyncDispose]();
  }
});

test('nothing of the caller reaches a portal', async () => {
  const portal = await startHostilePortal(reply(500, 'text/plain', ''));
  try {
    await askBeside('opendatasoft', portal);
    expect(portal.received.length).toBeGreaterThan(0);
    for (const { headers, url } of portal.received)
      expect(JSON.stringify(headers) + url).not.toContain('caller-secret');
    for (const { headers, search } of sandbox.portal('umea').requests)
      expect(JSON.stringify(headers) + search).not.toContain('caller-secret');
  } finally {
    await portal[Symbol.asyncDispose]();
  }
});

test('a portal’s key goes to that portal alone, and into no answer and no log line', async () => {
  const key = 'key-of-the-operator-91';
  const portal = await startHostilePortal(reply(403, 'application/json', JSON.stringify({ message: key })));
  const config = defaultHubConfig(
    [
      toSourceInput(sandbox.portal('umea'), { cache: NO_CACHE }),
      {
        id: 'hostile',
        adapter: 'opendatasoft',
        url: portal.url,
        privateNetwork: ['127.0.0.1/32'],
        apiKeyEnv: 'PORTAL_KEY',
        apiKeyPrefix: 'Apikey ',
        cache: NO_CACHE,
      },
    ],
    { env: { PORTAL_KEY: key } },
  );
  const hub = await startTestHub(config);
  sandbox.portal('umea').clearRequests();
  try {
    const { text } = await hub.ask(QUESTION);
    expect(portal.received[0]?.headers.authorization).toBe(`Apikey ${key}`);
    for (const { headers } of sandbox.portal('umea').requests) expect(JSON.stringify(headers)).not.toContain(key);
    expect(text).not.toContain(key);
    expect(hub.log.join('\n')).not.toContain(key);
    const metrics = await (await fetch(`${hub.url}/metrics`)).text();
    expect(metrics).not.toContain(key);
  } finally {
    await hub[Symbol.asyncDispose]();
    await portal[Symbol.asyncDispose]();
  }
});
