import { createCkanPortal } from './ckan/ckan-portal.ts';
import { BORDEAUX_DATASETS } from './data/bordeaux.ts';
import {
  MEXICO_GROUPS,
  MEXICO_LICENSES,
  MEXICO_ORGANIZATIONS,
  MEXICO_PACKAGES,
  MEXICO_SITE_URL,
} from './data/mexico-city.ts';
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

/** Starts the five sample portals on the loopback interface. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
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
    createCkanPortal({
      ...shared('mexico-city'),
      title: 'Portal de Datos Abiertos de la CDMX',
      language: 'es',
      siteUrl: MEXICO_SITE_URL,
      packages: MEXICO_PACKAGES,
      organizations: MEXICO_ORGANIZATIONS,
      groups: MEXICO_GROUPS,
      licenses: MEXICO_LICENSES,
    }),
  ];
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
