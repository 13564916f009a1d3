import { z } from 'zod';

/** Own options of a `kind: ckan` source in hub.yaml. Unknown keys are refused; nothing is coerced. */
export const ckanOptions = z.strictObject({
  /**
   * Path of the Action API below the source's base URL, without a slash at its end. Default `/api/3/action`. Portals
   * that live below a prefix put it here or into the base URL.
   */
  actionPath: z
    .string()
    .max(200)
    .regex(/^(?:\/[A-Za-z0-9._-]+)+$/, 'a path such as /api/3/action')
    .refine((path) => !path.split('/').includes('..') && !path.split('/').includes('.'), 'no dot segments')
    .default('/api/3/action'),
  /**
   * Only packages of this type are datasets; harvest sources and showcases are packages too. Default `dataset`. Null
   * takes every package, for portals that do not know the field.
   */
  datasetTypeFilter: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,100}$/, 'a package type such as dataset')
    .nullable()
    .default('dataset'),
  /**
   * Where licence ids that say nothing by themselves are looked up. `license_list` (default): the portal's own
   * register, asked only when a dataset needs it; a portal without one is no error. `none`: never asked.
   */
  licenseRegister: z.enum(['license_list', 'none']).default('license_list'),
  /**
   * Whether packages are listed that are private at the portal, as far as the token in the source's headers may read
   * them (`include_private` of package_search). Default false. They are `NON_PUBLIC` unless they say `RESTRICTED`.
   */
  includePrivate: z.boolean().default(false),
});

export type CkanOptions = z.infer<typeof ckanOptions>;
