import type { HubConfig } from '@civex/config';
import { createSystemEnvironment } from '@civex/environment';
import { HubError } from '@civex/errors';
import { decodeDatasetId } from '@civex/model';
import { ACTIONS } from '@civex/sharing';
import type { Action, AgreementTerms, Caller, Declared, Grant, Restriction } from '@civex/sharing';
import { backupStore, restoreStore } from '@civex/store';
import type { BackupSummary } from '@civex/store';
import { createMetrics } from '@civex/telemetry';
import { createTokenService } from '@civex/token-service';
import type { TokenService } from '@civex/token-service';
import { createRequestAccess, readAccessRules, restrictionById } from './access.ts';
import { createGatekeeper, namesOf } from './gatekeeper.ts';
import { openHubStore } from './storage/hub-store.ts';
import type { HubStore, HubStoreOptions } from './storage/hub-store.ts';

export interface AdministrationOptions {
  readonly config: HubConfig;
  /** One line about the store. */
  readonly log: (line: string) => void;
  /** Default: the embedded server. Secret. */
  readonly databaseUrl?: string | undefined;
}

/** What one action on a dataset comes to. */
export interface ActionReport {
  readonly action: Action;
  readonly isAllowed: boolean;
  /** Why not, in the words the caller is told; null when it is allowed. */
  readonly text: string | null;
  /** What it is allowed by; null when it is not. */
  readonly by: {
    readonly agreement: string;
    readonly version: number;
    readonly terms: Pick<AgreementTerms, 'provider' | 'purposes' | 'validUntil'>;
    readonly grant: Grant;
  } | null;
}

export interface CallerReport {
  readonly caller: Caller;
  /** False: the token has expired or its time has not come; all else is as if it were in time. */
  readonly isInTime: boolean;
  /** As hub.yaml has it, or as it would be if the portal restricted the dataset. */
  readonly restriction: Restriction;
  /** False: the dataset is open unless its portal says otherwise, which nobody was asked. */
  readonly isRestrictedHere: boolean;
  readonly actions: readonly ActionReport[];
}

export interface CallerQuestion {
  readonly token: string;
  /** `source:localId`. */
  readonly datasetId: string;
  /** Null: what a request would have to declare is not looked at. */
  readonly declared: Declared | null;
}

/** What operators do to what a hub keeps, whether it runs or not. */
export interface Administration extends Pick<TokenService, 'addClient' | 'listClients' | 'removeClient'> {
  readonly resource: string;
  readonly tokenEndpoint: string;
  /**
   * What the bearer of a token may do with a dataset, and why. No portal is asked.
   *
   * @throws HubError AUTH_REQUIRED for a token that is none of ours, AUTH_UNAVAILABLE, INPUT_INVALID for an id that is none.
   */
  explainCaller(question: CallerQuestion): Promise<CallerReport>;
  close(): Promise<void>;
}

function openStore(
  { config, log, databaseUrl }: AdministrationOptions,
  share: HubStoreOptions['share'],
): Promise<HubStore> {
  return openHubStore({
    dataFolder: config.server.dataFolder,
    databaseUrl,
    share,
    environment: createSystemEnvironment(),
    log: { warn: log },
  });
}

/**
 * Opens what a hub keeps for an operator's command, beside the hub when it runs on this machine.
 *
 * @throws HubError `CONFIG_INVALID` for a hub that knows no callers, or a store that cannot be opened.
 */
export async function openAdministration(options: AdministrationOptions): Promise<Administration> {
  const { config, log } = options;
  const { server, identity } = config;
  if (identity.issuers.length === 0 && !identity.tokenService)
    throw new HubError(
      'CONFIG_INVALID',
      'This hub knows no callers: identity.issuers and identity.tokenService are not set.',
    );
  const environment = { ...createSystemEnvironment(), metrics: createMetrics() };
  const store = await openStore(options, 'attach');
  try {
    const url = `http://${server.host.includes(':') ? `[${server.host}]` : server.host}:${server.port}`;
    const { resource, issuer } = namesOf(identity, url);
    const gatekeeper = await createGatekeeper({
      config,
      url,
      environment,
      replay: store.replay,
      createTokenService: identity.tokenService
        ? (names) => createTokenService({ ...names, storage: store.tokens, environment, log: { warn: log } })
        : null,
    });
    const clients = (): TokenService => {
      if (gatekeeper.tokenService !== null) return gatekeeper.tokenService;
      throw new HubError(
        'CONFIG_INVALID',
        'This hub issues no tokens: identity.tokenService is not set. Its issuers register clients themselves.',
      );
    };
    return {
      resource,
      tokenEndpoint: `${issuer}/token`,
      addClient: (client) => {
        const known = config.organisations.map(({ id }) => id);
        const unknown = [client.organisation, ...(client.mayActFor ?? [])].find((id) => !known.includes(id));
        if (unknown !== undefined)
          throw new HubError(
            'INPUT_INVALID',
            `The configuration has no organisation of the id ${JSON.stringify(unknown.slice(0, 100))}. It has: ${known.slice(0, 12).join(', ')}${known.length > 12 ? ` and ${known.length - 12} more` : ''}.`,
          );
        return clients().addClient(client);
      },
      listClients: () => clients().listClients(),
      removeClient: (id) => clients().removeClient(id),

      async explainCaller({ token, datasetId, declared }) {
        const source = decodeDatasetId(datasetId)?.source;
        if (source === undefined || !config.sources.some(({ id }) => id === source))
          throw new HubError(
            'INPUT_INVALID',
            'A dataset is named by the id of a source of the configuration and its own, such as leicester:council-spending.',
          );
        const { subject: caller, isInTime } = await gatekeeper.inspect(token);
        const rules = readAccessRules(config);
        const restriction = restrictionById(datasetId, rules);
        const asker = { caller, declared: declared ?? { purpose: null, caseReference: null, agreement: null } };
        const access = createRequestAccess(asker, rules, store.agreements, () => environment.now());
        const actions: ActionReport[] = [];
        for (const action of ACTIONS) {
          const decision = await access.decide(restriction, action, declared ?? 'unasked');
          actions.push(
            decision.kind === 'denied'
              ? { action, isAllowed: false, text: decision.text, by: null }
              : {
                  action,
                  isAllowed: true,
                  text: null,
                  by: {
                    agreement: decision.agreement.id,
                    version: decision.version.version,
                    terms: decision.version.terms,
                    grant: decision.grant,
                  },
                },
          );
        }
        return { caller, isInTime, restriction, isRestrictedHere: rules.restrictions.has(datasetId), actions };
      },

      async close() {
        await gatekeeper.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * Writes what a hub keeps to a file, whether it runs or not; compressed when the name ends in `.gz`.
 *
 * @throws HubError `INTERNAL` when it cannot be written whole; nothing is left under the name then.
 */
export async function backupHub(options: AdministrationOptions, file: string): Promise<BackupSummary> {
  const store = await openStore(options, 'attach');
  try {
    return await backupStore(store.store, file);
  } finally {
    await store.close();
  }
}

/**
 * Fills the empty store of a hub that does not run from a file of `backupHub`, wholly or not at all.
 *
 * @throws HubError `CONFIG_INVALID` while a hub runs on the folder; `INPUT_INVALID` when the store has rows, or the file is
 * damaged or of another version.
 */
export async function restoreHub(options: AdministrationOptions, file: string): Promise<BackupSummary['rows']> {
  const store = await openStore(options, undefined);
  try {
    return await restoreStore(store.store, file);
  } finally {
    await store.close();
  }
}
