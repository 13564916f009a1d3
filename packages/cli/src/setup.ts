import type { HubConfig } from '@civex/config';
import { CommandFailure, EXIT } from './exit-codes.ts';
import type { Invocation } from './parse-arguments.ts';
import { parseConfigText, readTextFile } from './read-config.ts';
import { createSandboxConfig } from './sandbox-config.ts';
import type { GatewayModule, World } from './world.ts';

/** A command line that was understood. */
export type Run = Extract<Invocation, { kind: 'run' }>;

/** What a command works on: the configuration of a file, or of the embedded sandbox. */
export interface Setup {
  readonly gateway: GatewayModule;
  readonly config: HubConfig;
  /** The file and its text; null: the embedded sandbox. */
  readonly source: { readonly file: string; readonly text: string } | null;
  /** The sandbox with open data alone, for machines its storage does not run on; null for a file. */
  readonly openConfig: HubConfig | null;
  /** Ends the sandbox, when there is one. */
  readonly close: () => Promise<void>;
}

/** `isSharing`: whether the sandbox is one with callers and agreements. */
export async function prepare(file: string | undefined, world: World, isSharing = false): Promise<Setup> {
  // The file first: loading the gateway takes longer than finding out that there is no such file.
  const text = file === undefined ? null : await readTextFile(file, world);
  const gateway = await world.loadGateway();
  if (file !== undefined && text !== null) {
    const config = parseConfigText(text, file, world, gateway.adapterOptionSchemas);
    return { gateway, config, source: { file, text }, openConfig: null, close: () => Promise.resolve() };
  }
  const sandbox = await world.startSandbox();
  try {
    const openConfig = createSandboxConfig(sandbox, world.env, gateway.adapterOptionSchemas, false);
    const config = isSharing ? createSandboxConfig(sandbox, world.env, gateway.adapterOptionSchemas, true) : openConfig;
    return { gateway, config, source: null, openConfig, close: () => sandbox.close() };
  } catch (error) {
    await sandbox.close();
    throw error;
  }
}

/** Where a hub keeps what it has to remember, when not in its data folder. The sandbox stays in its own. */
export function storage({ source }: Pick<Setup, 'source'>, { env }: World): { readonly databaseUrl?: string } {
  const { DATABASE_URL: databaseUrl = '' } = env;
  return databaseUrl === '' || source === null ? {} : { databaseUrl };
}

export const usage = (message: string, command: string): CommandFailure =>
  new CommandFailure(EXIT.usage, `${message}\nSee civex ${command} --help.`);
