import { CommandFailure, EXIT } from './exit-codes.ts';
import { formatTable } from './format-table.ts';
import { readTextFile } from './read-config.ts';
import type { Run } from './setup.ts';
import { prepare, storage, usage } from './setup.ts';
import type { Administration, NewClient, World } from './world.ts';

/** What a hub keeps, for the length of a command; beside the hub when it runs. */
export async function withAdministration<T>(
  { options }: Run,
  world: World,
  use: (administration: Administration) => Promise<T>,
): Promise<T> {
  const setup = await prepare(options['config'], world, true);
  try {
    const administration = await setup.gateway.openAdministration({
      config: setup.config,
      log: (line) => world.report(line),
      ...storage(setup, world),
    });
    try {
      return await use(administration);
    } finally {
      await administration.close();
    }
  } finally {
    await setup.close();
  }
}

const words = (text: string | undefined): readonly string[] => text?.split(/[\s,]+/).filter(Boolean) ?? [];

const READING = ['catalog:read', 'records:read', 'records:export', 'agreements:read'];

/** A JSON Web Key Set from the client's own hands. */
function parseJwks(text: string, file: string): NonNullable<NewClient['jwks']> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The message below says what is wanted.
  }
  const keys = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : null;
  if (Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null))
    // Objects; what is in them the registry checks.
    return { keys: keys as NonNullable<NewClient['jwks']>['keys'] };
  throw new CommandFailure(EXIT.usage, `${file} is no JSON Web Key Set: {"keys": [...]} with public keys.`);
}

/** Registers a client; prints what its owner needs, but for keys that were written to a file. */
export async function addClient(invocation: Run, world: World): Promise<number> {
  const { command, operands, options } = invocation;
  const [id = ''] = operands;
  const { organisation, jwks: jwksFile, out = `${id}.json` } = options;
  if (organisation === undefined) throw usage('--organisation is missing: --organisation ID.', command);
  const isSecret = options['secret'] !== undefined;
  if ([isSecret, jwksFile !== undefined, options['out'] !== undefined].filter(Boolean).length > 1)
    throw usage('Give one of --jwks, --secret and --out.', command);
  const isManager = options['manage'] !== undefined;
  const scopes = options['scope'] === undefined ? [...READING, ...(isManager ? ['agreements:write'] : [])] : words(options['scope']); // prettier-ignore
  const given = jwksFile === undefined ? undefined : parseJwks(await readTextFile(jwksFile, world), jwksFile);

  return withAdministration(invocation, world, async (administration) => {
    const { resource, tokenEndpoint } = administration;
    const scope = scopes.join(' ');
    const register = (proof: Pick<NewClient, 'authentication' | 'jwks'>): Promise<{ readonly secret: string | null }> =>
      administration.addClient({
        id,
        organisation,
        roles: isManager ? ['use', 'manage'] : ['use'],
        // The registry refuses scopes it does not know.
        scopes: scopes as NewClient['scopes'],
        mayActFor: words(options['act-for']),
        ...proof,
      });
    const about = { token_endpoint: tokenEndpoint, client_id: id, resource, scope };
    if (isSecret) {
      const { secret } = await register({ authentication: 'client_secret_basic' });
      world.print(JSON.stringify({ ...about, client_secret: secret }, null, 2));
    } else if (given !== undefined) {
      await register({ authentication: 'private_key_jwt', jwks: given });
      world.print(JSON.stringify(about, null, 2));
    } else {
      const { createClientCredentials, removeCredentials, writeCredentials } = await world.loadCredentials();
      const { credentials, jwks } = await createClientCredentials({ tokenEndpoint, clientId: id, resource, scope });
      // The file first: a client whose keys are lost could not be told from one that is in use.
      await writeCredentials(out, credentials);
      try {
        await register({ authentication: 'private_key_jwt', jwks });
      } catch (error) {
        await removeCredentials(out);
        throw error;
      }
      world.print(JSON.stringify({ ...about, credentials: out }, null, 2));
      world.report(`${out} holds its private keys. Hand it to the client's owner, and keep no copy.`);
    }
    return EXIT.ok;
  });
}

export async function listClients(invocation: Run, world: World): Promise<number> {
  const clients = await withAdministration(invocation, world, (administration) => administration.listClients());
  if (invocation.options['json'] !== undefined) {
    const listed = clients.map(({ createdAtEpochMs, ...client }) => ({ ...client, createdAt: new Date(createdAtEpochMs).toISOString() })); // prettier-ignore
    world.print(JSON.stringify(listed, null, 2));
  } else
    world.print(
      clients.length === 0
        ? 'No clients are registered. civex client add registers one.'
        : formatTable(
            ['CLIENT', 'ORGANISATION', 'MAY', 'ACTS FOR', 'PROVES ITSELF BY', 'SCOPES', 'SINCE'].map((title) => ({ title, align: 'left' as const })), // prettier-ignore
            clients.map(({ id, organisation, roles, mayActFor, authentication, scopes, createdAtEpochMs }) => [
              id,
              organisation,
              roles.join(', '),
              mayActFor.length === 0 ? '-' : mayActFor.join(', '),
              authentication,
              scopes.join(' '),
              new Date(createdAtEpochMs).toISOString().slice(0, 10),
            ]),
          ).join('\n'),
    );
  return EXIT.ok;
}

export async function removeClient(invocation: Run, world: World): Promise<number> {
  const [id = ''] = invocation.operands;
  const isRemoved = await withAdministration(invocation, world, (administration) => administration.removeClient(id));
  if (!isRemoved) throw new CommandFailure(EXIT.failed, 'There is no client of that id. civex client list tells who there is.'); // prettier-ignore
  world.print(`${id} is removed. Its tokens are refused from the next request on.`);
  return EXIT.ok;
}

/** An access token, as it is or as `civex token` printed it. */
export function parseToken(text: string): string {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{')) return trimmed;
  try {
    const value: unknown = JSON.parse(trimmed);
    if (
      typeof value === 'object' &&
      value !== null &&
      'access_token' in value &&
      typeof value.access_token === 'string'
    )
      return value.access_token;
  } catch {
    // Not JSON: no token either, which is found below.
  }
  return '';
}

/** Prints an answer of RFC 6749, 5.1. */
export async function printToken(invocation: Run, world: World): Promise<number> {
  const { command, operands, options } = invocation;
  const [file = ''] = operands;
  const { readCredentials, requestToken } = await world.loadCredentials();
  const credentials = await readCredentials(file);
  const { 'subject-token': subjectFile, details } = options;
  const subjectToken = subjectFile === undefined ? undefined : parseToken(await readTextFile(subjectFile, world));
  if (subjectToken === '') throw usage(`${subjectFile} holds no access token.`, command);
  const { accessToken, tokenType, expiresInSeconds, scope } = await requestToken(credentials, {
    scope: options['scope'],
    subjectToken,
    authorizationDetails: details === undefined ? undefined : parseDetails(details, command),
  });
  world.print(
    JSON.stringify({ access_token: accessToken, token_type: tokenType, expires_in: expiresInSeconds, scope }, null, 2),
  );
  return EXIT.ok;
}

function parseDetails(text: string, command: string): readonly object[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.every((entry): entry is object => typeof entry === 'object' && entry !== null))
      return value;
  } catch {
    // The message below says what is wanted.
  }
  throw usage('--details takes a JSON list (RFC 9396).', command);
}
