import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';

export interface CountingProxy extends AsyncDisposable {
  readonly url: string;
  /** Bodies of the requests that went through, in order. */
  readonly bodies: readonly string[];
  clear(): void;
  /** False: connections are refused by closing them. */
  setOpen(isOpen: boolean): void;
  /** What is answered in place of the real answer; null: the real one. */
  setAnswer(answer: { readonly status: number; readonly type: string; readonly body: string } | null): void;
}

/** Stands between a hub and a source served by another one, and counts. */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  let bodies: string[] = [];
  let isOpen = true;
  let planned: { readonly status: number; readonly type: string; readonly body: string } | null = null;
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      bodies.push(body);
      if (!isOpen) return void response.destroy();
      if (planned !== null) {
        response.writeHead(planned.status, { 'content-type': planned.type });
        return void response.end(planned.body);
      }
      request(`${target}${incoming.url}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: incoming.headers.accept ?? '*/*' },
        body,
      }).then(
        async (answer) => {
          const text = await answer.body.text();
          response.writeHead(answer.statusCode, { 'content-type': String(answer.headers['content-type']) });
          response.end(text);
        },
        () => response.destroy(),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    get bodies() {
      return bodies;
    },
    clear: () => {
      bodies = [];
    },
    setOpen: (open) => {
      isOpen = open;
    },
    setAnswer: (answer) => {
      planned = answer;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
