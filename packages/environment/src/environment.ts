import type { LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';

/** A wait that has begun; see `Environment.setTimer`. */
export type Timer = object;

export interface TimerOptions {
  /** True: the wait does not keep the process running. Default false. */
  readonly isBackground?: boolean;
}

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** Answers all addresses of a name. */
export type Resolve = (
  hostname: string,
  done: (error: Error | null, addresses: readonly ResolvedAddress[]) => void,
) => void;

/** Where a connection goes. */
export interface ConnectTarget {
  readonly protocol: 'http:' | 'https:';
  /** A name or an address; an IPv6 address without brackets. */
  readonly hostname: string;
  readonly port: number;
}

/** A connection that stands. `https:` is spoken inside; the bytes are those of HTTP. */
export type Socket = Duplex & {
  /** Of the peer; undefined when it has gone again. */
  readonly remoteAddress?: string | undefined;
};

/**
 * Opens a connection; has no time limit of its own. `done` is called once, later than this returns, or never when the
 * result is destroyed before.
 */
export type Connector = (
  target: ConnectTarget,
  done: (error: Error | null, socket: Socket | null) => void,
) => { destroy(): void };

/** What lies at the other end of the wire. */
export interface Network {
  readonly resolve: Resolve;
  /** @param lookup decides where a name leads; not asked for addresses. */
  createConnector(options: { readonly lookup: LookupFunction }): Connector;
}

/**
 * Everything a package may learn or cause outside its own memory: the time, waiting, chance and the network. There is no
 * other way to them in product code (an architecture test looks), so whoever hands in another one decides all of it.
 */
export interface Environment {
  /**
   * Wall clock, epoch milliseconds: for what people read and what is compared with dates of others. It may step in
   * either direction at any moment: never measure or bound anything with it.
   */
  now(): number;
  /**
   * The clock of deadlines, ages and durations, whole milliseconds. Never steps, neither back nor ahead. It began as the wall
   * clock did when the process started, so both look alike; that is all they have in common.
   */
  monotonicMs(): number;
  /**
   * Calls back once after `delayMs`, 0 or more; what is longer than about 24.8 days is cut to that. After 0 ms: once what
   * has arrived meanwhile was looked at.
   */
  setTimer(callback: () => void, delayMs: number, options?: TimerOptions): Timer;
  /** Ends a wait; nothing happens when it is over. */
  clearTimer(timer: Timer | null | undefined): void;
  /** 0 inclusive to 1 exclusive. Never for secrets. */
  random(): number;
  /** Bytes nobody can foresee, for secrets and names. */
  randomBytes(size: number): Uint8Array;
  readonly network: Network;
}

/** The part of an environment that tells the time. */
export type Clock = Pick<Environment, 'now' | 'monotonicMs'>;
/** The part of an environment that waits. */
export type Timers = Pick<Environment, 'setTimer' | 'clearTimer'>;

/** Longest wait a timer of the platform can hold, milliseconds. */
export const MAX_TIMER_MS = 2_147_483_647;
