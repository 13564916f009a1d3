import { createCkanPortal } from './ckan/ckan-portal.ts';
import { BORDEAUX_DATASETS } from './data/bordeaux.ts';
import { LEICESTER_DATASETS } from './data/leicester.ts';
import {
  MEXICO_GROUPS,
  MEXICO_LICENSES,
  MEXICO_ORGANIZATIONS,
  MEXICO_PACKAGES,
  MEXICO_SITE_URL,
} from './data/mexico-city.ts';
import {
  AQUITAINE_GROUPS,
  AQUITAINE_LICENSES,
  AQUITAINE_ORGANIZATIONS,
  AQUITAINE_PACKAGES,
  AQUITAINE_SITE_URL,
} from './data/nouvelle-aquitaine.ts';
import { UMEA_DATASETS } from './data/umea.ts';
import { createOpendatasoftPortal } from './opendatasoft/opendatasoft-portal.ts';
import type { SandboxPortal } from './portal.ts';

export type SandboxPortalId = 'bordeaux' | 'umea' | 'leicester' | 'mexico-city' | 'nouvelle-aquitaine';

export interface SandboxOptions {
  /** Port by portal id; 0 or absent picks a free one. */
  readonly ports?: Readonly<Record<string, number>>;
  /** Clock of all portals in milliseconds since 1970. Default: the system's. */
  readonly now?: () => number;
}

export interface Sandbox {
  readonly portals: readonly SandboxPortal[];
  /** @throws RangeError for an id the sandbox does not have. */
  portal(id: string): SandboxPortal;
  close(): Promise<void>;
}

/**
 * The demonstration keys under which the sample portals show their restricted datasets, by portal. Opendatasoft takes
 * `Authorization: Apikey <key>`, CKAN `Authorization: <key>`.
 */
export const SANDBOX_API_KEYS = {
  leicester: 'demo-leicester-5f0c1e7a9b3d',
  'mexico-city': 'demo-cdmx-8d2b64f19c07',
} as const satisfies Partial<Record<SandboxPortalId, string>>;

/** Starts the five sample portals on the loopback interface. */
export function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const shared = (id: SandboxPortalId): { id: string; port: number; now?: () => number } => ({
    id,
    port: options.ports?.[id] ?? 0,
    ...(options.now === undefined ? {} : { now: options.now }),
  });
  const starting = [
    createOpendatasoftPortal({
      ...shared('bordeaux'),
      title: 'Open Data Bordeaux Métropole',
      language: 'fr',
      datasets: BORDEAUX_DATASETS,
    }),
    createOpendatasoftPortal({
      ...shared('umea'),
      title: 'Öppna data Umeå',
      language: 'sv',
      datasets: UMEA_DATASETS,
    }),
    createOpendatasoftPortal({
      ...shared('leicester'),
      title: 'Open Leicester',
      language: 'en',
      datasets: LEICESTER_DATASETS,
      apiKeys: [SANDBOX_API_KEYS.leicester],
    }),
    createCkanPortal({
      ...shared('mexico-city'),
      title: 'Portal de Datos Abiertos de la CDMX',
      language: 'es',
      siteUrl: MEXICO_SITE_URL,
      packages: MEXICO_PACKAGES,
      apiKeys: [SANDBOX_API_KEYS['mexico-city']],
      organizations: MEXICO_ORGANIZATIONS,
      groups: MEXICO_GROUPS,
      licenses: MEXICO_LICENSES,
    }),
    createCkanPortal({
      ...shared('nouvelle-aquitaine'),
      title: 'Données ouvertes Nouvelle-Aquitaine',
      language: 'fr',
      siteUrl: AQUITAINE_SITE_URL,
      packages: AQUITAINE_PACKAGES,
      organizations: AQUITAINE_ORGANIZATIONS,
      groups: AQUITAINE_GROUPS,
      licenses: AQUITAINE_LICENSES,
    }),
  ];
  return gatherPortals(starting);
}

/** Waits for all portals; when one cannot start, the others are closed again. */
export async function gatherPortals(starting: readonly Promise<SandboxPortal>[]): Promise<Sandbox> {
  const started = await Promise.allSettled(starting);
  const portals = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const close = async (): Promise<void> => {
    await Promise.all(portals.map((portal) => portal.close()));
  };
  const failed = started.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await close();
    throw failed.reason;
  }
  return {
    portals,
    portal: (id) => {
      const found = portals.find((portal) => portal.id === id);
      if (found === undefined) throw new RangeError(`the sandbox has no portal "${id}"`);
      return found;
    },
    close,
  };
}
