import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createCkanPortal } from './ckan/ckan-portal.ts';
import { createOpendatasoftPortal } from './opendatasoft/opendatasoft-portal.ts';
import type { PortalFault, SandboxPortal } from './portal.ts';

let portal: SandboxPortal;
let ckan: SandboxPortal;
const dataset = { id: 'd', title: 'D', fields: [{ name: 'n', type: 'int' as const }], records: [{ n: 1 }, { n: 2 }] };
beforeAll(async () => {
  portal = await createOpendatasoftPortal({ id: 'faulty', title: 'Faulty', language: 'en', datasets: [dataset] });
  ckan = await createCkanPortal({
    id: 'faulty-ckan',
    title: 'Faulty',
    language: 'en',
    packages: [{ name: 'p', title: 'P' }],
  });
});
afterAll(() => Promise.all([portal.close(), ckan.close()]));
afterEach(async () => {
  portal.setFault(null);
  portal.clearRequests();
  await portal.restart();
});

const url = (): string => `${portal.baseUrl}/api/explore/v2.1/catalog/datasets/d/records?limit=2`;
const read = async (fault: PortalFault | null): Promise<Response> => {
  portal.setFault(fault);
  return fetch(url());
};

describe('faults', () => {
  test('a healthy portal answers, so that the faults below are the cause', async () => {
    expect(await (await read(null)).json()).toEqual({ total_count: 2, results: [{ n: 1 }, { n: 2 }] });
  });

  test('hang keeps the connection open without an answer', async () => {
    portal.setFault('hang');
    await expect(fetch(url(), { signal: AbortSignal.timeout(100) })).rejects.toThrow(/abort|timeout/i);
    expect(portal.requests).toHaveLength(1);
  });

  test('html pages come with 403 and with 200', async () => {
    const challenge = await read('html-403');
    expect([challenge.status, challenge.headers.get('cf-mitigated')]).toEqual([403, 'challenge']);
    expect(await challenge.text()).toContain('<title>Just a moment...</title>');
    const page = await read('html-200');
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=UTF-8']);
  });

  test('a spent quota and a server error speak the language of their kind', async () => {
    const quota = await read('429');
    expect([quota.status, quota.headers.get('retry-after')]).toEqual([429, '1']);
    expect(await quota.json()).toMatchObject({ errorcode: 10_002, limit_time_unit: 'day' });
    expect((await read('500')).status).toBe(500);
    ckan.setFault('500');
    const failed = await fetch(`${ckan.baseUrl}/api/3/action/status_show`);
    expect(await failed.json()).toMatchObject({ success: false, error: { __type: 'Internal Server Error' } });
    ckan.setFault(null);
  });

  test('garbage is declared as JSON and is not', async () => {
    const response = await read('garbage');
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    await expect(response.json()).rejects.toThrow(SyntaxError);
  });

  test('cut ends in the middle of the body', async () => {
    const response = await read('cut');
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
  });

  test('slow delivers the right answer after its delay', async () => {
    const started = performance.now();
    const body = await (await read({ slowMs: 60 })).json();
    expect(performance.now() - started).toBeGreaterThanOrEqual(55);
    expect(body).toMatchObject({ total_count: 2 });
  });

  test('a condition limits a fault to some requests', async () => {
    portal.setFault('500', ({ path }) => path.includes('/exports/'));
    expect((await fetch(url())).status).toBe(200);
    expect((await fetch(url().replace('/records', '/exports/json'))).status).toBe(500);
  });
});

describe('life', () => {
  test('a stopped portal refuses connections and comes back on the same port', async () => {
    const { port, baseUrl } = portal;
    await portal.stop();
    await expect(fetch(url())).rejects.toThrow();
    await portal.restart();
    expect((await fetch(url())).status).toBe(200);
    expect([portal.port, portal.baseUrl]).toEqual([port, baseUrl]);
  });

  test('stopping ends requests that hang', async () => {
    portal.setFault('hang');
    const pending = fetch(url());
    pending.catch(() => undefined);
    while (portal.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await portal.stop();
    await expect(pending).rejects.toThrow();
  });

  test('requests are recorded as sent until they are cleared', async () => {
    await fetch(`${portal.baseUrl}/api/explore/v2.1/catalog/datasets/caf%C3%A9/?a=%20b`);
    await fetch(`${ckan.baseUrl}/api/3/action/package_show`, { method: 'POST', body: '{"id":"p"}' });
    expect(portal.requests).toMatchObject([
      { method: 'GET', path: '/api/explore/v2.1/catalog/datasets/café/', search: '?a=%20b', body: '' },
    ]);
    expect(ckan.requests.at(-1)).toMatchObject({
      method: 'POST',
      body: '{"id":"p"}',
      headers: { 'content-type': 'text/plain;charset=UTF-8' },
    });
    portal.clearRequests();
    expect(portal.requests).toEqual([]);
  });

  test('the port can be chosen', async () => {
    await portal.stop();
    const other = await createOpendatasoftPortal({
      id: 'x',
      title: 'X',
      language: 'en',
      datasets: [],
      port: portal.port,
    });
    expect(other.port).toBe(portal.port);
    await other.close();
  });

  test('a clock that is handed in dates requests and answers now()', async () => {
    const other = await createOpendatasoftPortal({
      id: 'x',
      title: 'X',
      language: 'en',
      datasets: [{ ...dataset, modified: '2020-06-01T00:00:00+00:00' }],
      now: () => Date.parse('2020-06-02T00:00:00Z'),
    });
    const ask = async (where: string): Promise<unknown> =>
      (
        (await (
          await fetch(`${other.baseUrl}/api/explore/v2.1/catalog/datasets?where=${encodeURIComponent(where)}`)
        ).json()) as { total_count: number }
      ).total_count;
    expect(await ask('modified > now(days=-2)')).toBe(1);
    expect(await ask('modified > now()')).toBe(0);
    expect(other.requests[0]?.atMs).toBe(Date.parse('2020-06-02T00:00:00Z'));
    await other.close();
  });
});
