import type { IncomingMessage } from 'node:http';
import type { HubConfig } from '@civex/config';
import { isHubError } from '@civex/errors';
import { createSourceHttp } from '@civex/http';
import type { HttpEnvironment, SourceHttp } from '@civex/http';
import { createIdentity } from '@civex/identity';
import type { FetchDocument, Identity, IssuerConfig, ReplayStore, Revocations } from '@civex/identity';
import type { Declared } from '@civex/sharing';
import { SCOPE_OF } from '@civex/sharing';
import type { TokenService } from '@civex/token-service';
import type { Asker } from './access.ts';
import { ANONYMOUS } from './access.ts';
import { Refusal } from './refusal.ts';

/** Finds out who asks, from the headers of a request. */
export interface Gatekeeper {
  /** @throws Refusal 401 with `WWW-Authenticate`, 503, or 400 for headers that are not what they must be. */
  admit(request: IncomingMessage): Promise<Asker>;
  /** The body of a well-known address of RFC 9728; null for any other path. */
  metadata(path: string): object | null;
  readonly tokenService: TokenService | null;
  close(): Promise<void>;
}

interface GatekeeperWithIdentity extends Gatekeeper {
  inspect: Identity['inspect'];
}

/** For hubs that know no issuers: whoever asks is nobody in particular. */
export const OPEN_GATE: Gatekeeper = {
  admit: (request) => Promise.resolve({ ...ANONYMOUS, declared: readDeclared(request) }),
  metadata: () => null,
  tokenService: null,
  close: () => Promise.resolve(),
};

/** Where the token service lives, below the hub's origin. */
export const TOKEN_SERVICE_PATH = '/oauth';

const DECLARATIONS = {
  purpose: ['civex-purpose', /^[A-Za-z0-9][A-Za-z0-9:._/-]{0,99}$/],
  caseReference: ['civex-case-reference', /^[\x21-\x7e](?:[\x20-\x7e]{0,98}[\x21-\x7e])?$/],
  agreement: ['civex-agreement', /^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/],
} as const;

/** Every line of a header, as it came. */
function linesOf(request: IncomingMessage, name: string): readonly string[] {
  const lines: string[] = [];
  const { rawHeaders } = request;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2)
    if (rawHeaders[index]?.toLowerCase() === name) lines.push(rawHeaders[index + 1] ?? '');
  return lines;
}

/** What a request says it is for. @throws Refusal 400: what is not understood is never passed over. */
function readDeclared(request: IncomingMessage): Declared {
  const read = ([name, shape]: readonly [string, RegExp]): string | null => {
    const [line, ...more] = linesOf(request, name);
    if (line === undefined) return null;
    if (more.length > 0) throw new Refusal(400, 'INPUT_INVALID', `The header ${name} is sent twice.`);
    if (!shape.test(line))
      throw new Refusal(
        400,
        'INPUT_INVALID',
        `The header ${name} takes 1 to 100 characters without blanks at its ends.`,
      );
    return line;
  };
  return {
    purpose: read(DECLARATIONS.purpose),
    caseReference: read(DECLARATIONS.caseReference),
    agreement: read(DECLARATIONS.agreement),
  };
}

export interface GatekeeperOptions {
  readonly config: Pick<HubConfig, 'identity' | 'organisations'>;
  /** Address the hub listens on. */
  readonly url: string;
  readonly environment: HttpEnvironment;
  readonly replay: ReplayStore;
  /** Null: this hub runs none. */
  readonly createTokenService: ((names: { issuer: string; resource: string }) => Promise<TokenService>) | null;
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'] as const;
const isLoopback = (url: string): boolean => {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && (hostname === '127.0.0.1' || hostname === '[::1]' || hostname === 'localhost');
};

/** Documents of issuers come the way all answers come: through a client that guards addresses and counts bytes. */
function createDocumentFetcher(environment: HttpEnvironment): {
  readonly fetchDocument: FetchDocument;
  close(): Promise<void>;
} {
  const clients = new Map<string, SourceHttp>();
  const clientOf = (origin: string, maxBytes: number, timeoutMs: number): SourceHttp => {
    const known = clients.get(origin);
    if (known !== undefined) return known;
    const client = createSourceHttp(
      {
        source: 'issuer',
        baseUrls: [origin],
        headers: {},
        allowedPrivateCidrs: isLoopback(origin) ? LOOPBACK : [],
        limits: {
          connectTimeoutMs: Math.min(2_000, timeoutMs),
          headersTimeoutMs: timeoutMs,
          totalTimeoutMs: timeoutMs,
          maxAnswerBytes: maxBytes,
          maxStreamBytes: maxBytes,
          maxConcurrent: 2,
          maxQueued: 10,
          retryBudget: 0.1,
          minBytesPerSecond: 100,
        },
        cache: { catalogSeconds: 0, recordsSeconds: 0, staleIfErrorSeconds: 0, maxBytes: 0 },
      },
      environment,
    );
    clients.set(origin, client);
    return client;
  };
  return {
    async fetchDocument(url, { maxBytes, timeoutMs }) {
      const { origin, pathname, searchParams } = new URL(url);
      return clientOf(origin, maxBytes, timeoutMs).read(
        { method: 'GET', path: pathname, search: [...searchParams], cache: 'none' },
        ({ status, body }) => ({ status, body }),
        {
          signal: new AbortController().signal,
          deadlineEpochMs: environment.monotonicMs() + timeoutMs,
          requestId: 'issuer',
          trace: { requests: 0, maxAgeMs: null, stale: false, fetchedAtEpochMs: null },
        },
      );
    },
    async close() {
      await Promise.all([...clients.values()].map((client) => client[Symbol.asyncDispose]()));
    },
  };
}

const NOTHING_REVOKED: Revocations = { isRevoked: () => Promise.resolve(false) };

/** What a hub calls itself and its token service. `url`: the address it listens on. */
export function namesOf(
  { resource: configured }: HubConfig['identity'],
  url: string,
): { readonly resource: string; readonly issuer: string } {
  const resource = new URL(configured ?? `${url}/graphql`);
  // Every interface is no name; on this machine it is known by the first one.
  if (resource.hostname === '0.0.0.0') resource.hostname = '127.0.0.1';
  if (resource.hostname === '[::]') resource.hostname = '[::1]';
  return { resource: configured ?? resource.href, issuer: `${resource.origin}${TOKEN_SERVICE_PATH}` };
}

/** @throws HubError `CONFIG_INVALID` for an issuer or a resource that cannot be relied on. */
export async function createGatekeeper(options: GatekeeperOptions): Promise<GatekeeperWithIdentity> {
  const { config, url, environment, replay, createTokenService } = options;
  const { identity: settings, organisations } = config;
  const { resource, issuer } = namesOf(settings, url);
  const { origin } = new URL(resource);
  const tokenService = createTokenService === null ? null : await createTokenService({ issuer, resource });
  const issuers: IssuerConfig[] = settings.issuers.map((entry) => ({
    issuer: entry.issuer,
    keys: entry.jwksUri === null ? { kind: 'discovery' } : { kind: 'jwksUri', uri: entry.jwksUri },
    tokenType: entry.tokenType,
    audience: entry.audience ?? undefined,
    organisationClaim: entry.organisationClaim,
    organisations: new Map(Object.entries(entry.organisations)),
    managers: entry.managers,
    dpop: entry.dpop,
    mayUseLoopbackHttp: isLoopback(entry.issuer),
  }));
  if (tokenService !== null)
    issuers.push({
      issuer,
      keys: { kind: 'supplied', read: () => tokenService.readKeys() },
      organisationClaim: 'org',
      organisations: new Map(organisations.map(({ id }) => [id, id])),
      managers: [{ claim: 'roles', values: ['manage'] }],
      mayUseLoopbackHttp: isLoopback(issuer),
    });
  const documents = createDocumentFetcher(environment);
  const identity: Identity = await createIdentity({
    resource,
    issuers,
    environment,
    fetchDocument: documents.fetchDocument,
    replay,
    revocations: tokenService ?? NOTHING_REVOKED,
    scopes: [...new Set(Object.values(SCOPE_OF)), 'agreements:read', 'agreements:write'],
  });
  const wellKnown = new Set(['/.well-known/oauth-protected-resource', new URL(identity.metadataUrl).pathname]);
  return {
    tokenService,
    metadata: (path) => (wellKnown.has(path) ? identity.metadata() : null),
    inspect: (token) => identity.inspect(token),
    async admit(request) {
      const declared = readDeclared(request);
      const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
      try {
        const caller = await identity.authenticate({
          authorization: linesOf(request, 'authorization'),
          dpop: linesOf(request, 'dpop'),
          method: request.method ?? 'GET',
          url: `${origin}${path}`,
        });
        return { caller, declared };
      } catch (error) {
        if (!isHubError(error)) throw error;
        if (error.code === 'AUTH_UNAVAILABLE')
          throw new Refusal(503, error.code, error.message, { 'retry-after': '5' });
        throw new Refusal(401, error.code, error.message, { 'www-authenticate': identity.challenge(error) });
      }
    },
    async close() {
      await identity.close();
      tokenService?.close();
      await documents.close();
    },
  };
}
