import { z } from 'zod';

/** Languages the Explore API takes for `lang` (specification v2.1, parameter `lang`). */
export const PORTAL_LANGUAGES = ['en', 'fr', 'nl', 'pt', 'it', 'ar', 'de', 'es', 'ca', 'eu', 'sv'] as const;

type PortalLanguage = (typeof PORTAL_LANGUAGES)[number];

/** `options` of a source of kind `opendatasoft` in hub.yaml. Unknown keys are refused. */
export interface OpendatasoftOptions {
  /**
   * Version of the Explore API. Default: `v2.1`. `v2.0` only for portals that have not been migrated: its geographic
   * functions have other names, so the hub evaluates distances and shapes itself.
   */
  readonly apiVersion: 'v2.1' | 'v2.0';
  /**
   * Language in which catalog texts are asked for. Default: the first language of the source that the API knows, else
   * the portal's own.
   */
  readonly language?: PortalLanguage | undefined;
  /**
   * Address of the portal as people open it; only its origin is used, for landing pages and download links. `https:`
   * or `http:`. Default: the homepage of the source. Nothing is ever requested from it.
   */
  readonly publicUrl?: string | undefined;
}

export const opendatasoftOptions: z.ZodType<OpendatasoftOptions> = z.strictObject({
  apiVersion: z.enum(['v2.1', 'v2.0']).default('v2.1'),
  language: z.enum(PORTAL_LANGUAGES).optional(),
  publicUrl: z.url({ protocol: /^https?$/ }).optional(),
});
