import * as z from 'zod';
import { ConfigError } from './config-error.ts';
import type { ConfigFault } from './config-error.ts';
import type { HubConfig } from './hub-config.ts';
import { parseHubConfig } from './parse-hub-config.ts';

/** Stands in for the schemas that the gateway hands over. */
export const adapters = {
  opendatasoft: z.strictObject({
    apiVersion: z.enum(['v2.1', 'v2.0']).default('v2.1'),
    publicUrl: z.url({ protocol: /^https?$/ }).optional(),
  }),
  ckan: z.strictObject({
    actionPath: z.string().regex(/^\//, 'a path such as /api/3/action').default('/api/3/action'),
    quoting: z
      .string()
      .refine(() => false, { error: ({ input }) => `${String(input)} is bad` })
      .optional(),
    nested: z.strictObject({ pageSize: z.int().min(1).max(1_000).default(100) }).prefault({}),
  }),
};

export const minimal = `sources:
  - id: umea
    adapter: opendatasoft
    url: https://opendata.umea.se
`;

export type Env = Readonly<Record<string, string | undefined>>;

export function parse(text: string, env: Env = {}): HubConfig {
  return parseHubConfig(text, { file: 'hub.yaml', env, adapters });
}

export function faultsOf(text: string, env: Env = {}): readonly ConfigFault[] {
  try {
    parse(text, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

/** `minimal` with lines added to its one source, each indented to fit. */
export function withLines(...lines: readonly string[]): string {
  return minimal + lines.map((line) => `    ${line}\n`).join('');
}
