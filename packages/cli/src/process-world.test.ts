import { spawn } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createProcessWorld } from './process-world.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'civex-cli-'));
});
afterAll(() => rm(folder, { recursive: true }));

const world = createProcessWorld();

describe('files', () => {
  test('a text is read whole, its byte order mark aside', async () => {
    const path = join(folder, 'text.yaml');
    await writeFile(path, '\ufeffé: 1\n');
    expect(await world.readText(path)).toBe('é: 1\n');
  });

  test.each([
    ['missing', null, 'ENOENT'],
    ['not-utf8', Buffer.from([0x61, 0xff]), 'ERR_ENCODING_INVALID_ENCODED_DATA'],
    ['long', Buffer.alloc(8_000_001, 0x61), 'EFBIG'],
  ])('a file that is %s is refused', async (name, content, code) => {
    const path = join(folder, name);
    if (content !== null) await writeFile(path, content);
    await expect(world.readText(path)).rejects.toThrow(expect.objectContaining({ code }));
  });

  test('a folder and an endless device are refused', async () => {
    await expect(world.readText(folder)).rejects.toThrow(expect.objectContaining({ code: 'EISDIR' }));
    await expect(world.readText('/dev/zero')).rejects.toThrow(expect.objectContaining({ code: 'EFBIG' }));
  });

  test('a file replaced by renaming another over it is noticed', async () => {
    const path = join(folder, 'watched.yaml');
    await writeFile(path, 'a');
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = world.watchFile(path, resolve);
    await writeFile(join(folder, 'watched.tmp'), 'b');
    await rename(join(folder, 'watched.tmp'), path);
    await promise;
    expect(await world.readText(path)).toBe('b');
    stop?.();
  });

  test('a file that is absent for a moment is noticed when it comes back', async () => {
    const path = join(folder, 'absent.yaml');
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = world.watchFile(path, resolve);
    await writeFile(path, 'a');
    await promise;
    stop?.();
  });

  test('a folder that is not there cannot be watched', () => {
    expect(world.watchFile(join(folder, 'none', 'hub.yaml'), () => {})).toBeNull();
  });
});

test('a query is posted as JSON and its answer read', async () => {
  const seen: unknown[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      seen.push({ type: request.headers['content-type'], purpose: request.headers['civex-purpose'], body });
      response.end('{"data":{"é":1}}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/graphql`;
  expect(await world.postJson(url, { query: '{ a }' }, { 'civex-purpose': 'p' })).toEqual({ data: { é: 1 } });
  expect(seen).toEqual([{ type: 'application/json; charset=utf-8', purpose: 'p', body: '{"query":"{ a }"}' }]);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('the program', () => {
  const run = (...argv: readonly string[]): Promise<{ code: number | null; out: string; err: string }> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [fileURLToPath(new URL('main.ts', import.meta.url)), ...argv]);
      let out = '';
      let err = '';
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      child.on('close', (code) => resolve({ code, out, err }));
    });

  test('prints its help to standard output, without colours in a pipe', async () => {
    const { code, out, err } = await run('--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('Usage: civex COMMAND');
    expect(out).not.toContain('\u001b');
  });

  test('ends with 2 for a wrong command and prints to standard error only', async () => {
    const { code, out, err } = await run('strt');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('Did you mean "start"?');
  });

  test('ends with 3 for a configuration that is not there', async () => {
    expect(await run('serve', '--config', join(folder, 'nowhere.yaml'))).toMatchObject({ code: 3, out: '' });
  });
});
