import type { Environment } from '@civex/environment';
import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import { Pool, type PoolClient, type PoolConfig } from 'pg';
import { isConnectionLost, storeFault, toStoreError, type Phase } from './store-error.ts';

const POOL_SIZE = 10;
const CONNECT_MS = 5000;
const STATEMENT_MS = 15_000;
/** What the server's own bound gets on top before the connection is given up. */
const GRACE_MS = 2000;

interface Rows<Row> {
  readonly rows: readonly Row[];
  readonly rowCount: number;
}

/** One session. Every error of it says what became of the write under way (see `toStoreError`). */
export interface Connection {
  query<Row = Record<string, unknown>>(sql: string, parameters?: readonly unknown[]): Promise<Rows<Row>>;
  /** Gives it back; a broken one is closed. Once is enough, twice does no harm. */
  release(): void;
}

export interface Connections {
  /**
   * Waits at most 5 s for a free one.
   * @param boundMs of each of its queries on this side; default 17 s, after the server's 15 s.
   */
  connect(boundMs?: number): Promise<Connection>;
  readonly forKysely: PostgresPool;
  /** Waits for those in use, then closes them under their users. */
  end(boundMs: number): Promise<void>;
}

/** @param address how to reach the server. @param onLoss called for each connection that is lost while idle. */
export function createConnections(address: PoolConfig, environment: Environment, onLoss: () => void): Connections {
  const pool = new Pool({
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    idle_in_transaction_session_timeout: STATEMENT_MS,
    ...address,
  });
  pool.on('error', onLoss);
  // A connection in use reports its loss on itself as well; unheard, that would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const inUse = new Set<() => void>();

  const open = async (boundMs: number): Promise<PostgresPoolClient> => {
    let client: PoolClient;
    try {
      client = await pool.connect();
    } catch (error) {
      throw toStoreError(error, 'CONNECT');
    }
    let isBroken = false;
    let isReleased = false;
    let isInTransaction = false;
    const release = (isUseless = false): void => {
      if (isReleased) return;
      isReleased = true;
      inUse.delete(abandon);
      client.release(isBroken || isUseless);
    };
    const abandon = (): void => {
      isBroken = true;
      release();
    };
    inUse.add(abandon);

    const bounded = async <Row>(sql: string, parameters: readonly unknown[], phase: Phase) =>
      await new Promise<PostgresQueryResult<Row>>((done, fail) => {
        const timer = environment.setTimer(() => {
          isBroken = true;
          fail(storeFault(phase === 'TRANSACTION' ? 'TOO_SLOW' : 'OUTCOME_UNKNOWN'));
          // Closed at once: the server takes a closed connection for the end of its transaction.
          release();
        }, boundMs);
        client.query(sql, [...parameters]).then(
          (result) => {
            environment.clearTimer(timer);
            // The driver's result has these members for every statement; only its command is typed more widely.
            done(result as unknown as PostgresQueryResult<Row>);
          },
          (error: unknown) => {
            environment.clearTimer(timer);
            isBroken ||= isConnectionLost(error);
            fail(toStoreError(error, phase) as Error);
          },
        );
      });

    const query = async <Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>> => {
      const word = /^\s*(\w+)/.exec(sql)?.[1]?.toLowerCase() ?? '';
      if (isBroken || isReleased) {
        // A lost connection has rolled back: saying so keeps the first error from being replaced by this one.
        if (word === 'rollback') return { command: 'ROLLBACK', rowCount: 0, rows: [] };
        throw storeFault('UNREACHABLE');
      }
      if (word === 'begin' || word === 'start') isInTransaction = true;
      const phase: Phase = word === 'commit' ? 'COMMIT' : isInTransaction ? 'TRANSACTION' : 'STATEMENT';
      const result = await bounded<Row>(sql, parameters, phase);
      if (word === 'commit' || (word === 'rollback' && !/\bto\b/i.test(sql))) isInTransaction = false;
      return result;
    };
    const answer = {
      // Kysely's type has an overload for cursors, which this package does not hand to it.
      query: query as PostgresPoolClient['query'],
      release,
    };
    return 'processID' in client && typeof client.processID === 'number'
      ? { ...answer, processID: client.processID }
      : answer;
  };

  return {
    connect: async (boundMs = STATEMENT_MS + GRACE_MS) => {
      const client = await open(boundMs);
      return {
        query: async <Row>(sql: string, parameters: readonly unknown[] = []) => {
          const { rows, rowCount } = await client.query<Row>(sql, parameters);
          return { rows, rowCount };
        },
        release: () => client.release(),
      };
    },
    forKysely: {
      options: {},
      connect: async () => await open(STATEMENT_MS + GRACE_MS),
      end: async () => undefined,
    },
    end: async (boundMs) => {
      const ended = pool.end();
      const isLate = await new Promise<boolean>((done) => {
        const timer = environment.setTimer(() => done(true), boundMs);
        ended.then(
          () => (environment.clearTimer(timer), done(false)),
          () => (environment.clearTimer(timer), done(false)),
        );
      });
      // A session still opening is bounded by its own 5 s and closes itself.
      if (isLate) inUse.forEach((abandon) => abandon());
    },
  };
}
