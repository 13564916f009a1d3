import { join } from 'node:path';
import type { HubConfig, SourceInput } from '@civex/config';
import { defaultHubConfig } from '@civex/config';
import { SANDBOX_ORGANISATIONS, SANDBOX_PURPOSES, SANDBOX_RESTRICTED } from './sandbox-sharing.ts';
import type { GatewayModule, Sandbox, World } from './world.ts';

type Facts = Pick<SourceInput, 'country' | 'languages' | 'region' | 'timeZone'>;

/** What hub.yaml would say of each of the sandbox's portals. */
const FACTS: Readonly<Record<string, Facts>> = {
  bordeaux: { country: 'FR', languages: ['fr'], region: 'Nouvelle-Aquitaine', timeZone: 'Europe/Paris' },
  umea: { country: 'SE', languages: ['sv', 'en'], region: 'Västerbotten', timeZone: 'Europe/Stockholm' },
  leicester: { country: 'GB', languages: ['en'], region: 'East Midlands', timeZone: 'Europe/London' },
  'mexico-city': { country: 'MX', languages: ['es'], region: 'Ciudad de México', timeZone: 'America/Mexico_City' },
  'nouvelle-aquitaine': { country: 'FR', languages: ['fr'], region: 'Nouvelle-Aquitaine', timeZone: 'Europe/Paris' },
};

/** How a portal of each kind is shown a key, and asked for what it does not show without one. */
const KEYED: Readonly<Record<string, Pick<SourceInput, 'apiKeyPrefix' | 'options'>>> = {
  opendatasoft: { apiKeyPrefix: 'Apikey ' },
  ckan: { options: { includePrivate: true } },
};

const keyName = (portal: string): string => `CIVEX_SANDBOX_${portal.toUpperCase().replaceAll('-', '_')}_KEY`;

/**
 * A configuration over the sandbox's portals: loopback only, every default as shipped, and a data folder of its own within
 * the usual one. With sharing the hub knows three organisations, and reads what two portals show under a key only.
 */
export function createSandboxConfig(
  { portals, apiKeys }: Pick<Sandbox, 'portals' | 'apiKeys'>,
  env: World['env'],
  adapters: GatewayModule['adapterOptionSchemas'],
  isSharing: boolean,
): HubConfig {
  const sources = portals.map(({ id, kind, title, baseUrl }): SourceInput => ({
    id,
    adapter: kind,
    title,
    url: baseUrl,
    privateNetwork: ['127.0.0.1/32'],
    ...(Object.hasOwn(FACTS, id) ? FACTS[id] : {}),
    ...(isSharing && Object.hasOwn(apiKeys, id) ? { apiKeyEnv: keyName(id), ...KEYED[kind] } : {}),
  }));
  const keys = Object.fromEntries(Object.entries(apiKeys).map(([portal, key]) => [keyName(portal), key]));
  const config = defaultHubConfig(sources, {
    env: { ...env, ...keys },
    adapters,
    ...(isSharing && {
      organisations: SANDBOX_ORGANISATIONS,
      identity: { tokenService: true },
      sharing: { restricted: SANDBOX_RESTRICTED, purposes: SANDBOX_PURPOSES },
    }),
  });
  return { ...config, server: { ...config.server, dataFolder: join(config.server.dataFolder, 'sandbox') } };
}
