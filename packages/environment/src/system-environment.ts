import { randomBytes } from 'node:crypto';
import { lookup as lookupName } from 'node:dns';
// As objects: what is put in place of `connect` later on, for a test, is seen.
import net, { type LookupFunction } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { MAX_TIMER_MS } from './environment.ts';
import type { Connector, Environment } from './environment.ts';

/** After how much silence the system asks whether the peer is still there, milliseconds. */
const TCP_KEEP_ALIVE_MS = 60_000;

/** One connector serves one host, so one session is all there is to resume. */
function createSystemConnector(lookup: LookupFunction): Connector {
  let session: Buffer | undefined;
  return ({ protocol, hostname, port }, done) => {
    const isTls = protocol === 'https:';
    let socket: net.Socket;
    if (isTls) {
      const secure: TLSSocket = tls.connect({
        host: hostname,
        port,
        lookup,
        // Names only: RFC 6066 has no addresses in SNI. The certificate is checked against the host either way.
        ...(net.isIP(hostname) === 0 ? { servername: hostname } : {}),
        ALPNProtocols: ['http/1.1'],
        ...(session === undefined ? {} : { session }),
      });
      secure.on('session', (next: Buffer) => {
        session = next;
      });
      socket = secure;
    } else {
      socket = net.connect({ host: hostname, port, lookup });
    }
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    const onError = (error: Error) => done(error, null);
    socket.once('error', onError);
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      socket.off('error', onError);
      done(null, socket);
    });
    return {
      destroy() {
        socket.off('error', onError).on('error', () => {});
        socket.destroy();
      },
    };
  };
}

/** The real thing: this machine's clocks, timers, randomness and network. For the outermost files of a program only. */
export function createSystemEnvironment(): Environment {
  return {
    now: () => Date.now(),
    monotonicMs: () => Math.floor(performance.timeOrigin + performance.now()),
    setTimer(callback, delayMs, options) {
      // A timer of the platform waits for 1 ms at least.
      const timer = delayMs === 0 ? setImmediate(callback) : setTimeout(callback, Math.min(delayMs, MAX_TIMER_MS));
      if (options?.isBackground === true) timer.unref();
      return timer;
    },
    clearTimer(timer) {
      if (timer === null || timer === undefined) return;
      // Timers come from `setTimer` alone, and each of these leaves the other's kind alone.
      clearTimeout(timer as NodeJS.Timeout);
      clearImmediate(timer as NodeJS.Immediate);
    },
    random: () => Math.random(),
    randomBytes: (size) => randomBytes(size),
    network: {
      resolve(hostname, done) {
        lookupName(hostname, { all: true }, (error, addresses) => done(error, error === null ? addresses : []));
      },
      createConnector: ({ lookup }) => createSystemConnector(lookup),
    },
  };
}
