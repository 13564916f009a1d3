import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import { startHub } from '@civex/gateway';
import { createConfig } from '../../test-support/test-hub.ts';
import type { Asked, Told } from './watch-hub.ts';

/*
 * A hub in a process of its own that tells how long its event loop was held up, so that neither the test nor the
 * portals are part of what is measured.
 */

/** Every prototype an answer or a question could reach, by the names of its members. */
const PROTOTYPES = [Object, Array, Function, String, Number, Boolean, Map, Set, Promise, RegExp, Error, Date].map(
  (constructor) => [constructor.prototype as object, constructor] as const,
);
const readPrototypes = (): string =>
  PROTOTYPES.flatMap((pair) => pair.map((object) => Reflect.ownKeys(object).map(String).join(','))).join(';');

const tell = (told: Told): void => {
  if (process.send !== undefined) process.send(told);
};

/** Samples each millisecond, so what it reports is one millisecond too much at most. */
const delay = monitorEventLoopDelay({ resolution: 1 });
let callers = 0;
subscribe('net.server.socket', (message) => {
  callers++;
  // What the channel carries is documented with node:net.
  (message as { readonly socket: Socket }).socket.once('close', () => {
    callers--;
  });
});

let close = (): Promise<void> => Promise.resolve();

process.on('message', (asked: Asked) => {
  switch (asked.ask) {
    case 'start': {
      const config = createConfig(asked.portals, asked.config);
      void startHub({
        config: { ...config, server: { ...config.server, graphiql: asked.graphiql ?? true } },
        log: (line) => tell({ tell: 'log', line }),
        port: 0,
        host: '127.0.0.1',
        ...(asked.waits === undefined ? {} : { waits: asked.waits }),
      }).then((hub) => {
        close = () => hub.close();
        delay.enable();
        tell({ tell: 'started', url: hub.url });
      });
      break;
    }
    case 'reset':
      delay.reset();
      // The first sample after a reset only begins the count: what came before it would not be seen.
      setTimeout(tell, 5, { tell: 'reset' } satisfies Told);
      break;
    case 'read':
      // After one more sample: what came just before this message counts.
      setTimeout(
        () =>
          tell({
            tell: 'read',
            blockedMs: Math.max(0, delay.max / 1e6 - 1),
            rssBytes: process.memoryUsage.rss(),
            callers,
            prototypes: readPrototypes(),
          }),
        3,
      );
      break;
    case 'block': {
      const until = performance.now() + asked.ms;
      while (performance.now() < until);
      // The next sample sees it, and it is taken before the next message.
      setTimeout(() => tell({ tell: 'reset' }), 5);
      break;
    }
    case 'close':
      void close().then(() => process.exit());
      break;
  }
});
