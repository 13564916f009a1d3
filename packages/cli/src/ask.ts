import { isHubError } from '@civex/errors';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { readTextFile } from './read-config.ts';
import type { Run } from './setup.ts';
import { usage } from './setup.ts';
import type { Hub, World } from './world.ts';

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseVariables(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // SyntaxError; the message below says what is wanted.
  }
  if (isObject(value)) return value;
  throw new CommandFailure(EXIT.usage, '--variables takes a JSON object, for example --variables \'{"first": 5}\'.');
}

function parseEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new CommandFailure(EXIT.usage, '--url takes the address of a hub, for example --url http://127.0.0.1:4000.');
  if (!/\/graphql\/?$/.test(url.pathname)) url.pathname = `${url.pathname.replace(/\/+$/, '')}/graphql`;
  return url.href;
}

/** Options that declare something of a request, and the headers that carry it. */
const DECLARATIONS = { purpose: 'civex-purpose', case: 'civex-case-reference', agreement: 'civex-agreement' } as const;

function declaredBy({ options }: Run): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(DECLARATIONS).flatMap(([option, header]) => {
      const value = options[option];
      if (value === undefined) return [];
      // What no header may hold would be refused without a word about which it was.
      if (/^[\x20-\x7e]+$/.test(value)) return [[header, value]];
      throw new CommandFailure(EXIT.usage, `--${option} takes printable ASCII characters.`);
    }),
  );
}

/** Where to ask, and as whom. */
interface Target {
  readonly endpoint: string;
  headers(): Promise<Readonly<Record<string, string>>>;
}

async function readTarget(invocation: Run, world: World): Promise<Target | null> {
  const { credentials: file, url } = invocation.options;
  const declared = declaredBy(invocation);
  if (file === undefined) {
    if (url !== undefined) return { endpoint: parseEndpoint(url), headers: () => Promise.resolve(declared) };
    if (Object.keys(declared).length === 0) return null;
    throw usage('What a request declares is for a hub that runs: give --credentials or --url.', invocation.command);
  }
  const { createDpopProof, readCredentials, requestToken } = await world.loadCredentials();
  const credentials = await readCredentials(file);
  return {
    endpoint: url === undefined ? credentials.resource : parseEndpoint(url),
    async headers() {
      const { accessToken, tokenType } = await requestToken(credentials, {});
      // The hub goes by its own name, whatever address it is reached at.
      const proof = { method: 'POST', url: credentials.resource, accessToken };
      return {
        ...declared,
        authorization: `${tokenType} ${accessToken}`,
        ...(tokenType === 'DPoP' ? { dpop: await createDpopProof(credentials, proof) } : {}),
      };
    },
  };
}

interface Asked {
  readonly result: Readonly<Record<string, unknown>>;
  readonly exit: number;
}

/**
 * Runs the query of a command line, as `prepareQuery` makes it, at a hub that is running or at one of its own.
 *
 * @throws CommandFailure, or HubError `AUTH_REQUIRED`, `AUTH_UNAVAILABLE` from the token service.
 */
export async function ask(
  invocation: Run,
  world: World,
  prepareQuery: (query: string) => string,
  withHub: <T>(use: (hub: Hub) => Promise<T>) => Promise<T>,
): Promise<Asked> {
  const { operands, options } = invocation;
  const [operand = ''] = operands;
  for (const option of ['url', 'credentials'] as const)
    if (options[option] !== undefined && options['config'] !== undefined)
      throw new CommandFailure(EXIT.usage, `Give --${option} or --config, not both.`);
  const variables = parseVariables(options['variables']);
  const target = await readTarget(invocation, world);
  const query = prepareQuery(operand.includes('{') ? operand : await readTextFile(operand, world));
  let result: unknown;
  if (target === null) result = await withHub((hub) => hub.execute(query, variables));
  else {
    try {
      const body = { query, ...(variables === undefined ? {} : { variables }) };
      result = await world.postJson(target.endpoint, body, await target.headers());
    } catch (cause) {
      if (isHubError(cause)) throw cause;
      throw new CommandFailure(EXIT.failed, 'No hub answers at that address, or not in time.', cause);
    }
  }
  if (!isObject(result) || !('data' in result || 'errors' in result))
    throw new CommandFailure(EXIT.failed, 'What answers at that address is not a Civex hub.');
  return { result, exit: result['errors'] === undefined ? EXIT.ok : EXIT.failed };
}
