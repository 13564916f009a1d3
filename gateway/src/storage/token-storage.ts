import type { Migration, Store } from '@civex/store';
import type { ClientRecord, KeyRecord, TokenStorage } from '@civex/token-service';

/** Moments are epoch milliseconds. `record` holds JSON. */
export interface TokenTables {
  readonly oauth_client: { readonly id: string; readonly tag: string; readonly record: string };
  readonly oauth_key: { readonly kid: string; readonly record: string };
  readonly oauth_item: { readonly id: string; readonly kept_until: number };
  readonly oauth_revoked: { readonly id: string; readonly kept_until: number };
}

export const TOKEN_MIGRATION: Migration = {
  statements: [
    'create table oauth_client (id text primary key, tag text not null, record text not null)',
    'create table oauth_key (kid text primary key, record text not null)',
    // Numbers of JavaScript are double precision, and exact for moments.
    'create table oauth_item (id text primary key, kept_until double precision not null)',
    'create index oauth_item_kept_until on oauth_item (kept_until)',
    'create table oauth_revoked (id text primary key, kept_until double precision not null)',
    'create index oauth_revoked_kept_until on oauth_revoked (kept_until)',
  ],
};

// Only this file writes these texts.
const readClient = (record: string): ClientRecord => JSON.parse(record) as ClientRecord;
const readKey = (record: string): KeyRecord => JSON.parse(record) as KeyRecord;

/** Clients, keys and revocations of the token service in the hub's store. What could not be kept or read rejects: INTERNAL. */
export function createTokenStorage(store: Pick<Store<TokenTables>, 'use' | 'transaction'>): TokenStorage {
  return {
    findClient: async (id) => {
      const row = await store.use((db) =>
        db.selectFrom('oauth_client').select('record').where('id', '=', id).executeTakeFirst(),
      );
      return row === undefined ? null : readClient(row.record);
    },
    listClients: async () => {
      const rows = await store.use((db) => db.selectFrom('oauth_client').select('record').execute());
      return rows.map(({ record }) => readClient(record)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    },
    addClient: async (client) => {
      const row = await store.use((db) =>
        db
          .insertInto('oauth_client')
          .values({ id: client.id, tag: client.tag, record: JSON.stringify(client) })
          .onConflict((conflict) => conflict.doNothing())
          .returning('id')
          .executeTakeFirst(),
      );
      return row !== undefined;
    },
    removeClient: (id, revokedUntilEpochMs) =>
      store.transaction(async (db) => {
        const row = await db.deleteFrom('oauth_client').where('id', '=', id).returning('tag').executeTakeFirst();
        if (row === undefined) return false;
        await db.insertInto('oauth_revoked').values({ id: row.tag, kept_until: revokedUntilEpochMs }).execute();
        return true;
      }),
    listKeys: async () => {
      const rows = await store.use((db) => db.selectFrom('oauth_key').select('record').execute());
      return rows.map(({ record }) => readKey(record));
    },
    addKey: async (key) => {
      await store.use((db) =>
        db
          .insertInto('oauth_key')
          .values({ kid: key.kid, record: JSON.stringify(key) })
          .execute(),
      );
    },
    removeKeys: async (kids) => {
      if (kids.length === 0) return;
      await store.use((db) => db.deleteFrom('oauth_key').where('kid', 'in', kids).execute());
    },
    addOnce: async (id, keptUntilEpochMs) => {
      const row = await store.use((db) =>
        db
          .insertInto('oauth_item')
          .values({ id, kept_until: keptUntilEpochMs })
          .onConflict((conflict) => conflict.doNothing())
          .returning('id')
          .executeTakeFirst(),
      );
      return row !== undefined;
    },
    revoke: async (id, revokedUntilEpochMs) => {
      await store.use((db) =>
        db
          .insertInto('oauth_revoked')
          .values({ id, kept_until: revokedUntilEpochMs })
          .onConflict((conflict) =>
            conflict.column('id').doUpdateSet((row) => ({
              kept_until: row.fn<number>('greatest', ['oauth_revoked.kept_until', 'excluded.kept_until']),
            })),
          )
          .execute(),
      );
    },
    isAnyRevoked: async (ids) => {
      if (ids.length === 0) return false;
      const row = await store.use((db) =>
        db.selectFrom('oauth_revoked').select('id').where('id', 'in', ids).executeTakeFirst(),
      );
      return row !== undefined;
    },
    prune: async (nowEpochMs) => {
      await store.use((db) => db.deleteFrom('oauth_item').where('kept_until', '<=', nowEpochMs).execute());
      await store.use((db) => db.deleteFrom('oauth_revoked').where('kept_until', '<=', nowEpochMs).execute());
    },
  };
}
