import net from 'node:net';
import path from 'node:path';
import { newFolder } from './servers.ts';

/**
 * `text`: one row of text columns. `hang`: no answer. `cut`: the connection is closed. With a real server behind it: `pass`
 * lets it answer, `cut-after` lets it do the work and closes the connection in place of the answer.
 */
export type FakeAnswer =
  | { readonly text: readonly string[]; readonly names?: readonly string[] }
  | { readonly error: readonly [severity: string, code: string] }
  | 'hang'
  | 'cut'
  | 'pass'
  | 'cut-after';

const message = (type: string, body: Buffer): Buffer => {
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), size, body]);
};
const text = (value: string): Buffer => Buffer.from(`${value}\0`);
const int = (value: number, bytes: 2 | 4): Buffer => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeIntBE(value, 0, bytes);
  return buffer;
};
const READY = message('Z', Buffer.from('I'));
const COMPLETE = message('C', text('SELECT 1'));

function answerOf(answer: Exclude<FakeAnswer, string>): Buffer {
  if ('error' in answer) {
    const [severity, code] = answer.error;
    const fields = [`S${severity}`, `C${code}`, 'Mfake'].map((field) => text(field));
    return Buffer.concat([message('E', Buffer.concat([...fields, Buffer.from([0])])), READY]);
  }
  const columns = answer.text.map((_, index) =>
    Buffer.concat([
      text(answer.names?.[index] ?? `c${index}`),
      int(0, 4),
      int(0, 2),
      int(25, 4),
      int(-1, 2),
      int(-1, 4),
      int(0, 2),
    ]),
  );
  const cells = answer.text.map((value) => Buffer.concat([int(Buffer.byteLength(value), 4), Buffer.from(value)]));
  return Buffer.concat([
    message('T', Buffer.concat([int(columns.length, 2), ...columns])),
    message('D', Buffer.concat([int(cells.length, 2), ...cells])),
    COMPLETE,
    READY,
  ]);
}

export interface FakeServer {
  readonly databaseUrl: string;
  stop(): Promise<void>;
}

/**
 * A server that answers simple statements as told.
 * @param realAddress a server behind it, reached by its socket, which answers everything else.
 */
export async function startFakeServer(
  decide: (statement: string) => FakeAnswer,
  realAddress?: string,
): Promise<FakeServer> {
  const folder = newFolder();
  const realFolder = realAddress === undefined ? null : (new URL(realAddress).searchParams.get('host') ?? '');
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    const upstream = realFolder === null ? null : net.connect(path.join(realFolder, '.s.PGSQL.5432'));
    for (const each of upstream === null ? [socket] : [socket, upstream]) {
      sockets.add(each);
      each.once('close', () => sockets.delete(each)).on('error', () => undefined);
    }
    let isCutAtAnswer = false;
    upstream?.on('data', (chunk) => (isCutAtAnswer ? socket.destroy() : socket.write(chunk)));
    upstream?.on('close', () => socket.destroy());
    socket.on('close', () => upstream?.destroy());
    let input = Buffer.alloc(0);
    let isStarted = false;
    socket.on('data', (chunk) => {
      input = Buffer.concat([input, Buffer.from(chunk)]);
      for (;;) {
        const offset = isStarted ? 1 : 0;
        if (input.length < offset + 4) return;
        const size = input.readInt32BE(offset) + offset;
        if (input.length < size) return;
        const type = isStarted ? String.fromCharCode(input[0] ?? 0) : '';
        const bytes = Buffer.from(input.subarray(0, size));
        input = input.subarray(size);
        if (!isStarted) {
          isStarted = true;
          if (upstream !== null) upstream.write(bytes);
          else socket.write(Buffer.concat([message('R', int(0, 4)), READY]));
          continue;
        }
        const answer = type === 'Q' ? decide(bytes.toString('utf8', 5).replace(/\0$/, '')) : 'pass';
        if (answer === 'cut') socket.destroy();
        else if (typeof answer !== 'string') socket.write(answerOf(answer));
        else if (answer !== 'hang') {
          isCutAtAnswer = answer === 'cut-after';
          upstream?.write(bytes);
        }
      }
    });
  });
  await new Promise<void>((done) => server.listen(path.join(folder, '.s.PGSQL.5432'), done));
  const address = new URL(realAddress ?? 'postgres://u@localhost/postgres');
  address.searchParams.set('host', folder);
  return {
    databaseUrl: address.href,
    stop: async () => {
      sockets.forEach((socket) => socket.destroy());
      await new Promise((done) => server.close(done));
    },
  };
}
