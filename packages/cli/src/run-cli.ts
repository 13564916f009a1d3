import { ConfigError, formatConfigFaults } from '@civex/config';
import { isHubError } from '@civex/errors';
import { suggestName } from '@civex/query';
import { ask } from './ask.ts';
import { backup, restore } from './backup-commands.ts';
import { addClient, listClients, printToken, removeClient } from './client-commands.ts';
import { COMMANDS, formatCommandHelp, formatHelp } from './commands.ts';
import { describeCapabilities } from './describe-capabilities.ts';
import { describeHub, describeSources } from './describe-hub.ts';
import { describePlans } from './describe-plans.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { formatTable } from './format-table.ts';
import { explainCaller } from './help-desk.ts';
import { parseArguments, parsePort } from './parse-arguments.ts';
import { parseConfigText, readTextFile } from './read-config.ts';
import { reloadOnChange } from './reload-config.ts';
import { shareSandbox } from './sandbox-sharing.ts';
import type { Run } from './setup.ts';
import { prepare, storage } from './setup.ts';
import type { Hub, Server, StopSignal, World } from './world.ts';

const requireConfig = ({ command, options }: Run): string => {
  const file = options['config'];
  if (file !== undefined) return file;
  throw new CommandFailure(EXIT.usage, `--config is missing: --config FILE.\nSee civex ${command} --help.`);
};

const listenOptions = ({ command, options }: Run): { readonly port?: number; readonly host?: string } => ({
  ...(options['port'] === undefined ? {} : { port: parsePort(options['port'], command) }),
  ...(options['host'] === undefined ? {} : { host: options['host'] }),
});

/** Turns what a taken or forbidden address throws into what to do about it. */
async function listen<T>(invocation: Run, port: number, host: string, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (cause) {
    const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : null;
    const { command, operands, options } = invocation;
    const free = port > 0 && port < 65_535 ? port + 1 : 4_001;
    const config = options['config'] === undefined ? '' : ` --config ${options['config']}`;
    const words =
      command === 'start' ? `npm start --${config}` : `npm run civex -- ${[command, ...operands].join(' ')}${config}`;
    const other = `Choose another: ${words} --port ${free}`;
    if (code === 'EADDRINUSE') throw new CommandFailure(EXIT.failed, `Port ${port} is in use. ${other}`, cause);
    if (code === 'EACCES')
      throw new CommandFailure(EXIT.failed, `Port ${port} may not be used by this user. ${other}`, cause);
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw new CommandFailure(
        EXIT.failed,
        `${host} is not an address of this machine. Use --host 127.0.0.1, or --host 0.0.0.0 for every interface.`,
        cause,
      );
    throw cause;
  }
}

const SIGNAL_EXIT: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

/** Resolves once a signal came and `close` has ended. A second signal ends the process at once. */
function untilStopped(world: World, close: () => Promise<void>): Promise<number> {
  return new Promise((resolve) => {
    let isStopping = false;
    const stop = async (signal: StopSignal): Promise<void> => {
      if (isStopping) return world.exit(SIGNAL_EXIT[signal]);
      isStopping = true;
      world.report('Stopping once running requests have ended. Again stops at once.');
      try {
        await close();
        resolve(EXIT.ok);
      } catch {
        // The process is ending; what could not be closed ends with it.
        resolve(EXIT.failed);
      }
    };
    for (const signal of ['SIGINT', 'SIGTERM'] as const) world.onSignal(signal, () => void stop(signal));
  });
}

async function runHub(invocation: Run, world: World, isFriendly: boolean): Promise<number> {
  const address = listenOptions(invocation);
  const setup = await prepare(isFriendly ? invocation.options['config'] : requireConfig(invocation), world, true);
  const { gateway, source } = setup;
  let { config } = setup;
  let hub: Hub | undefined;
  try {
    const startHub = (): Promise<Hub> =>
      listen(invocation, address.port ?? config.server.port, address.host ?? config.server.host, () =>
        gateway.startHub({ config, log: (line) => world.report(line), ...address, ...storage(setup, world) }),
      );
    try {
      hub = await startHub();
    } catch (error) {
      if (setup.openConfig === null || !isHubError(error)) throw error;
      world.report(`Without agreements, as nothing can be kept here: ${error.message}`);
      config = setup.openConfig;
      hub = await startHub();
    }
    const running = hub;
    const stopReloading =
      source === null
        ? () => {}
        : reloadOnChange({ ...source, hub: running, world, config, adapters: gateway.adapterOptionSchemas });
    const stopped = untilStopped(world, async () => {
      stopReloading();
      await running.close();
      await setup.close();
    });
    if (isFriendly) {
      const { url } = running;
      world.print(
        `Civex runs at ${url}. Asking ${config.sources.length === 1 ? '1 catalog' : `${config.sources.length} catalogs`} ...\n`,
      );
      const sources = await running.sources();
      const questions = gateway.EXAMPLE_QUESTIONS;
      const story =
        source === null && running.sharing !== null
          ? await shareSandbox(
              running.sharing,
              { url, dataFolder: config.server.dataFolder, now: world.now() },
              await world.loadCredentials(),
            )
          : null;
      world.print(
        describeHub({ url, config, sources, questions, story, file: source?.file ?? null, colours: world.colours }),
      );
    } else world.print(`Civex serves ${config.sources.length} sources at ${running.url}/graphql`);
    return await stopped;
  } catch (error) {
    await hub?.close();
    await setup.close();
    throw error;
  }
}

async function serveSource(invocation: Run, world: World): Promise<number> {
  const address = listenOptions(invocation);
  const { gateway, config } = await prepare(requireConfig(invocation), world);
  const [source = ''] = invocation.operands;
  const ids = config.sources.map(({ id }) => id);
  if (!ids.includes(source)) {
    const near = suggestName(source, ids);
    const known = ids.length > 12 ? '' : ` It has: ${ids.join(', ')}.`;
    throw new CommandFailure(
      EXIT.usage,
      `The configuration has no source of that id.${near === null ? known : ` Did you mean "${near}"?`}`,
    );
  }
  const server: Server = await listen(
    invocation,
    address.port ?? config.server.port,
    address.host ?? config.server.host,
    () => gateway.startSourceServer({ config, source, log: (line) => world.report(line), ...address }),
  );
  const stopped = untilStopped(world, () => server.close());
  world.print(
    `Civex serves source ${source} at ${server.url}. In the other hub's file: adapter: civex, url: ${server.url}`,
  );
  return stopped;
}

/** A hub for one command, on a free loopback port, gone when the command has ended. */
async function withHub<T>(file: string | undefined, world: World, use: (hub: Hub) => Promise<T>): Promise<T> {
  const setup = await prepare(file, world);
  const { gateway, config, close } = setup;
  try {
    const hub = await gateway.startHub({
      config,
      log: (line) => world.report(line),
      port: 0,
      host: '127.0.0.1',
      ...storage(setup, world),
    });
    try {
      return await use(hub);
    } finally {
      await hub.close();
    }
  } finally {
    await close();
  }
}

async function listSources({ options }: Run, world: World): Promise<number> {
  const sources = await withHub(options['config'], world, (hub) => hub.sources());
  world.print(describeSources(sources, world.colours).join('\n'));
  return sources.some(({ state }) => state === 'DOWN') ? EXIT.failed : EXIT.ok;
}

async function listCapabilities({ options }: Run, world: World): Promise<number> {
  const sources = await withHub(options['config'], world, (hub) => hub.capabilities());
  world.print(
    options['json'] === undefined ? describeCapabilities(sources).join('\n') : JSON.stringify(sources, null, 2),
  );
  const isWrong = sources.some(
    ({ error, capabilities }) => error !== null || capabilities.some(({ evidence }) => evidence === 'refuted'),
  );
  return isWrong ? EXIT.failed : EXIT.ok;
}

const ownHub =
  ({ options }: Run, world: World) =>
  <T>(use: (hub: Hub) => Promise<T>): Promise<T> =>
    withHub(options['config'], world, use);

async function runQuery(invocation: Run, world: World): Promise<number> {
  const { result, exit } = await ask(invocation, world, (query) => query, ownHub(invocation, world));
  world.print(JSON.stringify(result, null, 2));
  return exit;
}

async function explain(invocation: Run, world: World): Promise<number> {
  const gateway = await world.loadGateway();
  const { result, exit } = await ask(
    invocation,
    world,
    (query) => gateway.explainQuery(query),
    ownHub(invocation, world),
  );
  const { parts, answer } = gateway.collectPlans(result['data']);
  const { errors } = result;
  if (invocation.options['json'] !== undefined)
    world.print(JSON.stringify({ plans: parts, data: answer, ...(errors === undefined ? {} : { errors }) }, null, 2));
  else {
    world.print(describePlans(parts, world.colours).join('\n'));
    if (errors !== undefined) world.report(JSON.stringify(errors, null, 2));
  }
  return exit;
}

async function checkConfig({ operands }: Run, world: World): Promise<number> {
  const [file = 'hub.yaml'] = operands;
  const text = await readTextFile(file, world);
  const { adapterOptionSchemas } = await world.loadGateway();
  const { sources } = parseConfigText(text, file, world, adapterOptionSchemas);
  world.print(
    [
      `${file} is valid: ${sources.length === 1 ? '1 source' : `${sources.length} sources`}.`,
      '',
      ...formatTable(
        [
          { title: 'CATALOG', align: 'left' },
          { title: 'ADAPTER', align: 'left' },
          { title: 'ADDRESS', align: 'left' },
          { title: 'KEY FROM', align: 'left' },
        ],
        sources.map(({ id, adapter, urls, apiKeyEnv }) => [
          id,
          adapter,
          urls.length === 1 ? urls[0] : `${urls[0]} +${urls.length - 1}`,
          apiKeyEnv ?? '-',
        ]),
      ),
    ].join('\n'),
  );
  return EXIT.ok;
}

const RUNNERS: Readonly<Record<string, (invocation: Run, world: World) => Promise<number>>> = {
  start: (invocation, world) => runHub(invocation, world, true),
  serve: (invocation, world) => runHub(invocation, world, false),
  'serve-source': serveSource,
  sources: listSources,
  capabilities: listCapabilities,
  query: runQuery,
  explain,
  'config check': checkConfig,
  token: printToken,
  'client add': addClient,
  'client list': listClients,
  'client remove': removeClient,
  why: explainCaller,
  backup,
  restore,
};

/** Names of the commands that can be run; the same as those of `COMMANDS`. */
export const RUNNABLE: readonly string[] = Object.keys(RUNNERS);

/**
 * Runs one command line to its end. Never throws: what goes wrong is reported to standard error.
 *
 * @returns the exit code, one of `EXIT`.
 */
export async function runCli(argv: readonly string[], world: World): Promise<number> {
  try {
    const invocation = parseArguments(argv);
    if (invocation.kind === 'version') world.print(world.version);
    else if (invocation.kind === 'help')
      world.print(invocation.command === null ? formatHelp() : formatCommandHelp(invocation.command));
    else {
      const run = RUNNERS[invocation.command];
      if (run === undefined) throw new TypeError(`no runner for one of ${COMMANDS.length} commands`);
      return await run(invocation, world);
    }
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommandFailure) {
      world.report(error.message);
      return error.exitCode;
    }
    if (error instanceof ConfigError) {
      world.report(`${formatConfigFaults(error.faults)}\n${error.message}`);
      return EXIT.config;
    }
    if (isHubError(error)) world.report(`${error.code}: ${error.message}`);
    else world.report(`Civex failed: ${error instanceof Error ? (error.stack ?? error.message) : 'unknown reason'}`);
    return EXIT.failed;
  }
}
