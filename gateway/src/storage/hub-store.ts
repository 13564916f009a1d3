import path from 'node:path';
import type { Environment } from '@civex/environment';
import type { ReplayStore } from '@civex/identity';
import { openStore } from '@civex/store';
import type { Migrations, Store, StoreLog, StoreOptions } from '@civex/store';
import type { TokenStorage } from '@civex/token-service';
import { AGREEMENT_MIGRATION, createAgreementStorage, KEPT_WHOLE_MIGRATION } from './agreement-storage.ts';
import type { AgreementStorage, AgreementTables } from './agreement-storage.ts';
import { createTokenStorage, TOKEN_MIGRATION } from './token-storage.ts';
import type { TokenTables } from './token-storage.ts';

/** Everything the hub keeps, in the order it came to be. Never edited: a change is a new one. */
const MIGRATIONS: Migrations = {
  '0001-token-service': TOKEN_MIGRATION,
  '0002-agreements': AGREEMENT_MIGRATION,
  '0003-agreements-kept-whole': KEPT_WHOLE_MIGRATION,
};

export interface HubStore {
  readonly store: Store<AgreementTables & TokenTables>;
  readonly agreements: AgreementStorage;
  readonly tokens: TokenStorage;
  /** Proofs of possession that were used, for every process on this store. */
  readonly replay: ReplayStore;
  close(): Promise<void>;
}

export interface HubStoreOptions {
  readonly dataFolder: string;
  /** Default: the embedded server. */
  readonly databaseUrl?: string | undefined;
  readonly share?: StoreOptions['share'];
  readonly environment: Environment;
  readonly log: StoreLog;
}

/** @throws HubError `CONFIG_INVALID` when the folder is in use, the server too old or the database another hub's. */
export async function openHubStore({
  dataFolder,
  databaseUrl,
  share,
  environment,
  log,
}: HubStoreOptions): Promise<HubStore> {
  const store = await openStore<AgreementTables & TokenTables>({
    dataFolder: path.resolve(dataFolder, 'store'),
    databaseUrl,
    share,
    migrations: MIGRATIONS,
    environment,
    log,
  });
  const tokens = createTokenStorage(store);
  return {
    store,
    agreements: createAgreementStorage(store, () => environment.randomBytes(32)),
    tokens,
    replay: { claim: (key, expiresAtEpochMs) => tokens.addOnce(`proof ${key}`, expiresAtEpochMs) },
    close: () => store.close(),
  };
}
