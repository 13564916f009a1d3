import type { HubConfig } from '@civex/config';
import { parseHubConfig } from '@civex/config';
import { CommandFailure, EXIT } from './exit-codes.ts';
import type { GatewayModule, World } from './world.ts';

const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : '';

const READ_FAULTS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist. Copy hub.example.yaml to it, or name another file',
  EACCES: 'may not be read by this user',
  EISDIR: 'is a folder',
  EFBIG: 'is longer than 8 MB',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'is not UTF-8 text',
};

/** @throws CommandFailure with exit code 3 for a file that cannot be read. */
export async function readTextFile(file: string, world: World): Promise<string> {
  try {
    return await world.readText(file);
  } catch (cause) {
    throw new CommandFailure(EXIT.config, `${file} ${READ_FAULTS[codeOf(cause)] ?? 'cannot be read'}.`, cause);
  }
}

export function parseConfigText(
  text: string,
  file: string,
  world: World,
  adapters: GatewayModule['adapterOptionSchemas'],
): HubConfig {
  return parseHubConfig(text, { file, env: world.env, adapters });
}
