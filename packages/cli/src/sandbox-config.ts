import type { HubConfig, SourceInput } from '@civex/config';
import { defaultHubConfig } from '@civex/config';
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

/** A configuration over the sandbox's portals: loopback only, every default as shipped. */
export function createSandboxConfig(
  portals: Sandbox['portals'],
  env: World['env'],
  adapters: GatewayModule['adapterOptionSchemas'],
): HubConfig {
  const sources = portals.map(({ id, kind, title, baseUrl }): SourceInput => ({
    id,
    adapter: kind,
    title,
    url: baseUrl,
    privateNetwork: ['127.0.0.1/32'],
    ...(Object.hasOwn(FACTS, id) ? FACTS[id] : {}),
  }));
  return defaultHubConfig(sources, { env, adapters });
}
