import { join } from 'node:path';
import { approve, parseTerms, proposeAgreement } from '@civex/sharing';
import type { Agreement, Party } from '@civex/sharing';
import type { CredentialsModule, Sharing } from './world.ts';

const ENERGY = 'leicester:energy-meter-readings-council-buildings';
const INCIDENTS = 'mexico-city:victimas-en-carpetas-de-investigacion-detalle';
const LEICESTER = 'leicester-city-council';
const PROSECUTOR = 'fgj-cdmx';
const REGION = 'emr-region';
const DASHBOARD = 'region-dashboard';

export const SANDBOX_ORGANISATIONS = [
  { id: LEICESTER, title: 'Leicester City Council' },
  { id: PROSECUTOR, title: 'Fiscalía General de Justicia de la Ciudad de México' },
  { id: REGION, title: 'East Midlands Region' },
];
export const SANDBOX_RESTRICTED = [
  { dataset: ENERGY, provider: LEICESTER, discoverable: true },
  { dataset: INCIDENTS, provider: PROSECUTOR, discoverable: false },
];
export const SANDBOX_PURPOSES = [
  { id: 'energy-planning', title: 'Planning of energy supply' },
  { id: 'street-safety', title: 'Comparison of street safety', caseReference: true },
];

interface SandboxClient {
  readonly id: string;
  readonly organisation: string;
  readonly roles: readonly ('use' | 'manage')[];
}
const CLIENTS: readonly SandboxClient[] = [
  { id: 'leicester-office', organisation: LEICESTER, roles: ['use', 'manage'] },
  { id: 'cdmx-office', organisation: PROSECUTOR, roles: ['use', 'manage'] },
  { id: DASHBOARD, organisation: REGION, roles: ['use', 'manage'] },
];
const SCOPES = ['catalog:read', 'records:read', 'records:export', 'agreements:read', 'agreements:write'] as const;

/** Milliseconds of five years: a sandbox that is found again still answers. */
const VALIDITY_MS = 5 * 365 * 86_400_000;

/** Terms of the two agreements, all but when they hold. */
const AGREEMENTS = [
  {
    id: 'sandbox-energy',
    terms: {
      provider: LEICESTER,
      consumer: REGION,
      purposes: ['energy-planning'],
      grants: [
        {
          dataset: ENERGY,
          actions: ['DISCOVER', 'QUERY', 'AGGREGATE', 'EXPORT'],
          rows: { property: 'fuel', eq: 'Electricity' },
          masks: [
            { property: 'meter_number', method: 'HASH' },
            { property: 'occupier', method: 'HIDE' },
            { property: 'site_name', method: 'HIDE' },
            { property: 'postcode', method: 'PREFIX', parameter: 3 },
            { property: 'geo_point_2d', method: 'GRID', parameter: 500 },
          ],
          limits: { recordsPerDay: 100_000, requestsPerDay: 5_000 },
        },
      ],
    },
  },
  {
    id: 'sandbox-incidents',
    terms: {
      provider: PROSECUTOR,
      consumer: REGION,
      purposes: ['street-safety'],
      grants: [
        {
          dataset: INCIDENTS,
          actions: ['DISCOVER', 'QUERY', 'AGGREGATE'],
          properties: ['fecha_hecho', 'delito', 'categoria_delito', 'alcaldia_hecho', 'geo_point_2d'],
          rows: { property: 'alcaldia_hecho', eq: 'CUAUHTÉMOC' },
          masks: [
            { property: 'fecha_hecho', method: 'MONTH' },
            { property: 'geo_point_2d', method: 'GRID', parameter: 1_000 },
          ],
          limits: { recordsPerDay: 10_000, requestsPerDay: 1_000 },
        },
      ],
    },
  },
];

export interface SandboxPlace {
  /** Address of the hub that runs. */
  readonly url: string;
  readonly dataFolder: string;
  /** Wall clock, epoch milliseconds. */
  readonly now: number;
}

/** What `start` tells of the sandbox's sharing. */
export interface SandboxStory {
  /** Credentials of the partner. */
  readonly credentials: string;
  readonly questions: readonly {
    readonly title: string;
    /** What the request declares, as options of `civex query`. */
    readonly declared: string;
    readonly query: string;
  }[];
}

async function keepClient(
  client: SandboxClient,
  file: string,
  { url }: SandboxPlace,
  service: NonNullable<Sharing['tokenService']>,
  credentialsOf: CredentialsModule,
): Promise<void> {
  const { createClientCredentials, readCredentials, replaceCredentials } = credentialsOf;
  const about = {
    tokenEndpoint: `${url}/oauth/token`,
    clientId: client.id,
    resource: `${url}/graphql`,
    scope: SCOPES.join(' '),
  };
  const known = (await service.listClients()).some(({ id }) => id === client.id);
  const kept = known ? await readCredentials(file).catch(() => null) : null;
  if (kept !== null) {
    // The hub may have another port than the last time.
    if (kept.tokenEndpoint !== about.tokenEndpoint) await replaceCredentials(file, { ...kept, ...about });
    return;
  }
  // One of the two is gone; neither is of use without the other.
  await service.removeClient(client.id);
  const { credentials, jwks } = await createClientCredentials(about);
  await replaceCredentials(file, credentials);
  await service.addClient({ ...client, scopes: SCOPES, authentication: 'private_key_jwt', jwks });
}

const officer = (organisation: string): Party => ({ organisation, subject: 'sandbox', mayManage: true });

function propose(id: string, terms: (typeof AGREEMENTS)[number]['terms'], now: number): Agreement {
  const today = now - (now % 86_400_000);
  const validFrom = new Date(today).toISOString();
  const validUntil = new Date(today + VALIDITY_MS).toISOString();
  return proposeAgreement(id, parseTerms({ ...terms, validFrom, validUntil }), officer(terms.provider), now);
}

/**
 * Registers the sandbox's clients, writes their credentials into its data folder, and lets their organisations agree.
 * What is there from the last time is kept, agreements as they were left.
 */
export async function shareSandbox(
  { agreements, tokenService }: Sharing,
  place: SandboxPlace,
  credentialsOf: CredentialsModule,
): Promise<SandboxStory> {
  const fileOf = (id: string): string => join(place.dataFolder, 'credentials', `${id}.json`);
  if (tokenService !== null)
    for (const client of CLIENTS) await keepClient(client, fileOf(client.id), place, tokenService, credentialsOf);
  for (const { id, terms } of AGREEMENTS) {
    // Made as the two offices would: one proposes, the other approves.
    if ((await agreements.find(id)) === null) await agreements.save(propose(id, terms, place.now));
    const proposed = await agreements.find(id);
    // Later proposals are of people, and theirs to approve.
    if (proposed?.state === 'PROPOSED' && proposed.revision === 1)
      await agreements.save(approve(proposed, 1, officer(terms.consumer), place.now));
  }
  return {
    credentials: fileOf(DASHBOARD),
    questions: [
      {
        title:
          "The region reads Leicester's meters: electricity alone, meters by digest, places as cells 500 m across, and what the portal was asked",
        declared: '--purpose energy-planning',
        query: `{ dataset(id: "${ENERGY}") { records(first: 3) { totalCount nodes { values geometry } plan { pushed residual } } } }`,
      },
      {
        title: 'It counts incidents by kind: those of one borough, with a case to name',
        declared: '--purpose street-safety --case EMR-2026-014',
        query: `{ dataset(id: "${INCIDENTS}") { aggregate(groupBy: [{ property: "delito" }], measures: [{ as: "incidents", op: COUNT }]) { groups { key measures } plan { pushed residual } } } }`,
      },
    ],
  };
}
