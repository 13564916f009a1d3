import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** A request as it came over a connection. */
export interface RawRequest {
  readonly method: string;
  /** Decoded, without the query. */
  readonly path: string;
  /** With its question mark, or the empty text. */
  readonly search: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Requests this connection brought before. */
  readonly earlier: number;
}

export interface RawPortal extends AsyncDisposable {
  readonly port: number;
  readonly requests: readonly RawRequest[];
  connections(): number;
  openSockets(): number;
  /** Requests that came on a connection whose last one was not yet answered. */
  pipelined(): number;
  /** Open connections with a request that was not answered to its end. */
  unanswered(): number;
  /** Resolves to true when no connection is open, to false when some still is after that long. */
  isIdleWithin(ms: number): Promise<boolean>;
}

export interface RawBehaviour {
  /** What speaks HTTP on a connection, or null for one on which nothing is read. */
  open?(socket: Socket): Duplex | null;
  /** `answered` is to be called when the last byte of the answer is written. */
  answer(connection: Duplex, request: RawRequest, answered: () => void): void;
}

interface Parsed {
  readonly request: Omit<RawRequest, 'earlier'>;
  readonly length: number;
}

function parseRequest(bytes: Buffer): Parsed | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [start = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const length = end + 4 + Number(headers['content-length'] ?? 0);
  if (bytes.length < length) return null;
  const [method = '', target = ''] = start.split(' ');
  const mark = target.indexOf('?');
  return {
    request: {
      method,
      path: decodeURIComponent(mark < 0 ? target : target.slice(0, mark)),
      search: mark < 0 ? '' : target.slice(mark),
      headers,
      body: bytes.subarray(end + 4, length).toString('utf8'),
    },
    length,
  };
}

/** A server below HTTP on the loopback interface: what it writes, and when, is up to `behaviour`, byte by byte. */
export async function startRawPortal(behaviour: RawBehaviour): Promise<RawPortal> {
  const requests: RawRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let pipelined = 0;
  const waiting = new Map<Socket, number>();
  let onIdle: (() => void)[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    connections += 1;
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      waiting.delete(socket);
      if (sockets.size > 0) return;
      const listeners = onIdle;
      onIdle = [];
      for (const notify of listeners) notify();
    });
    const connection = behaviour.open === undefined ? socket : behaviour.open(socket);
    if (connection === null) {
      // Reading is how the end of the connection is noticed.
      socket.resume();
      return;
    }
    connection.on('error', () => {});
    let pending = Buffer.alloc(0);
    let earlier = 0;
    connection.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      for (;;) {
        const parsed = parseRequest(pending);
        if (parsed === null) return;
        pending = pending.subarray(parsed.length);
        const request = { ...parsed.request, earlier };
        earlier += 1;
        const before = waiting.get(socket) ?? 0;
        if (before > 0) pipelined += 1;
        waiting.set(socket, before + 1);
        requests.push(request);
        behaviour.answer(connection, request, () => {
          const left = (waiting.get(socket) ?? 1) - 1;
          if (left > 0) waiting.set(socket, left);
          else waiting.delete(socket);
        });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    connections: () => connections,
    openSockets: () => sockets.size,
    pipelined: () => pipelined,
    unanswered: () => waiting.size,
    isIdleWithin: (ms) =>
      new Promise((resolve) => {
        if (sockets.size === 0) {
          resolve(true);
          return;
        }
        const timer = setTimeout(() => resolve(false), ms);
        onIdle.push(() => {
          clearTimeout(timer);
          resolve(true);
        });
      }),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Headers in order; a name may come twice, null leaves one out. */
export type RawHeaders = readonly (readonly [name: string, value: string | null])[];

/** An HTTP/1.1 message with the right length, unless `headers` say otherwise. */
export function toMessage(status: number, headers: RawHeaders, body: Buffer): Buffer {
  const hasLength = headers.some(([name]) => name === 'content-length' || name === 'transfer-encoding');
  const all: RawHeaders = hasLength ? headers : [...headers, ['content-length', String(body.length)]];
  const lines = all.flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}\r\n`]));
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} X\r\n${lines.join('')}\r\n`, 'latin1'), body]);
}

export const JSON_TYPE = ['content-type', 'application/json; charset=utf-8'] as const;

/** A body in chunks of `size` bytes with its last one. */
export function toChunks(body: Buffer, size = 997): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const part = body.subarray(at, at + size);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}
