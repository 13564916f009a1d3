import { createCkanAdapter, ckanOptions } from '@civex/adapter-ckan';
import type { SourceAdapter, SourceInfo } from '@civex/adapter-contract';
import { createCallTrace } from '@civex/adapter-contract';
import { createOpendatasoftAdapter, opendatasoftOptions } from '@civex/adapter-opendatasoft';
import { REMOTE_SOURCE_KIND } from '@civex/config';
import type { SourceConfig } from '@civex/config';
import type { Clock } from '@civex/environment';
import { HubError } from '@civex/errors';
import { createSourceHttp } from '@civex/http';
import type { HttpEnvironment, SourceHttp, SourceHttpOptions } from '@civex/http';
import * as z from 'zod';
import { createCall } from './context.ts';
import type { HubSource, LocalSource } from './context.ts';
import { rememberHealth } from './remember-health.ts';
import { createRemoteSource } from './remote-source.ts';

/*
 * The only file that imports adapters. Configuration names a kind; nothing is loaded by a name from configuration.
 */

interface AdapterKind {
  /** Strict schema of the kind's own `options` in hub.yaml. */
  readonly options: z.ZodType;
  create(config: SourceConfig, info: SourceInfo, http: SourceHttp, clock: Clock): SourceAdapter;
}

const KINDS: Readonly<Record<string, AdapterKind>> = {
  opendatasoft: {
    options: opendatasoftOptions,
    create: ({ timeZone, options, urls }, info, http, clock) =>
      createOpendatasoftAdapter(
        { info, timeZone, options: opendatasoftOptions.parse({ publicUrl: info.homepage ?? urls[0], ...options }) },
        { http, clock },
      ),
  },
  ckan: {
    options: ckanOptions,
    create: ({ timeZone, options, urls }, info, http, clock) =>
      createCkanAdapter({ info, baseUrl: urls[0], timeZone, options: ckanOptions.parse(options) }, { http, clock }),
  },
};

/** Schemas of the adapter kinds' own options, for checking hub.yaml. */
export const adapterOptionSchemas: Readonly<Record<string, z.ZodType>> = Object.fromEntries(
  Object.entries(KINDS).map(([kind, { options }]) => [kind, options]),
);

function createHttpOptions(config: SourceConfig): SourceHttpOptions {
  return {
    source: config.id,
    baseUrls: config.urls,
    headers: { ...config.headers, ...config.secretHeaders },
    allowedPrivateCidrs: config.privateNetwork,
    limits: config.limits,
    cache: config.cache,
  };
}

/** A source as configured. Nothing is connected and no adapter is built until the source is first asked. */
export function createHubSource(config: SourceConfig, environment: HttpEnvironment): HubSource {
  const info: SourceInfo = {
    source: config.id,
    kind: config.adapter,
    title: config.title,
    homepage: config.homepage,
    country: config.country,
    region: config.region,
    languages: config.languages,
  };
  if (config.adapter === REMOTE_SOURCE_KIND)
    return createRemoteSource(info, () => createSourceHttp(createHttpOptions(config), environment), environment);
  const kind = Object.hasOwn(KINDS, config.adapter) ? KINDS[config.adapter] : undefined;
  if (kind === undefined) throw new HubError('CONFIG_INVALID', `Source ${config.id} has an unknown adapter kind.`);
  let built: { readonly http: SourceHttp; readonly adapter: SourceAdapter } | undefined;
  const build = (): NonNullable<typeof built> => {
    if (built === undefined) {
      const http = createSourceHttp(createHttpOptions(config), environment);
      built = { http, adapter: kind.create(config, info, http, environment) };
    }
    return built;
  };
  return {
    kind: 'local',
    info,
    get adapter() {
      return build().adapter;
    },
    describe: () => info,
    health: rememberHealth(environment, (context) =>
      build().adapter.checkHealth(createCall(context, createCallTrace())),
    ),
    async close() {
      await built?.adapter[Symbol.asyncDispose]();
      await built?.http[Symbol.asyncDispose]();
    },
  } satisfies LocalSource;
}
