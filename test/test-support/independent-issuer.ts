import { spawn } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';

const SCRIPT = path.join(import.meta.dirname, 'independent-issuer-process.ts');
const PATIENCE_MS = 20_000;

export interface IssuerClient {
  readonly id: string;
  readonly secret: string;
  readonly scopes: readonly string[];
  /** Put into each of its access tokens beside those of RFC 9068, such as `org` and `roles`. */
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface IndependentIssuer extends AsyncDisposable {
  /** Its `iss`; discovery and key set lie below. Plain http on loopback. */
  readonly issuer: string;
  readonly tokenEndpoint: string;
  /** A token of RFC 9068 for the resource; bound when a proof for `POST` to the token endpoint is given. */
  requestToken(clientId: string, scope: string, dpopProof?: string): Promise<string>;
  /** Ends the process: from then on nobody listens. */
  stop(): Promise<void>;
}

/** An identity provider nobody of the hub wrote (oidc-provider), in a process of its own, with keys of its own. */
export async function startIndependentIssuer(options: {
  readonly resource: string;
  readonly clients: readonly IssuerClient[];
  /** Default RS256. */
  readonly algorithm?: 'RS256' | 'ES256';
  /** Default 300. */
  readonly tokenSeconds?: number;
}): Promise<IndependentIssuer> {
  const { resource, clients, algorithm = 'RS256', tokenSeconds = 300 } = options;
  const child = spawn(process.execPath, [SCRIPT], { stdio: ['pipe', 'pipe', 'ignore'] });
  const over = new Promise<void>((done) => child.once('exit', () => done()));
  child.stdin.write(`${JSON.stringify({ resource, algorithm, tokenSeconds, clients })}\n`);
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await over;
  };
  const issuer = await new Promise<string>((done, fail) => {
    const timer = setTimeout(() => fail(new Error('the independent issuer does not start')), PATIENCE_MS);
    void over.then(() => fail(new Error('the independent issuer ended')));
    // Its library prints notices later on.
    createInterface(child.stdout).once('line', (line) => {
      clearTimeout(timer);
      done((JSON.parse(line) as { readonly issuer: string }).issuer);
    });
  }).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  const tokenEndpoint = `${issuer}/token`;
  return {
    issuer,
    tokenEndpoint,
    requestToken: async (clientId, scope, dpopProof) => {
      const secret = clients.find(({ id }) => id === clientId)?.secret ?? '';
      const answer = await fetch(tokenEndpoint, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`,
          ...(dpopProof === undefined ? {} : { DPoP: dpopProof }),
        },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource }),
      });
      const body = (await answer.json()) as { readonly access_token?: string; readonly error?: string };
      if (body.access_token === undefined) throw new Error(`no token: ${body.error}`);
      return body.access_token;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
