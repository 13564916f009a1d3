import type { SourceHealth } from '@civex/adapter-contract';
import type { Clock } from '@civex/environment';
import type { HubContext } from './context.ts';

/** How long a health check stands for the next caller, milliseconds. */
const HEALTH_MS = 10_000;

/** No new check while the last one is fresh. A check belongs to its caller: another one does not wait for it. */
export function rememberHealth(
  environment: Pick<Clock, 'monotonicMs'>,
  check: (context: HubContext) => Promise<SourceHealth>,
): (context: HubContext) => Promise<SourceHealth> {
  let last: { readonly atMs: number; readonly health: SourceHealth } | undefined;
  return async (context) => {
    if (last !== undefined && environment.monotonicMs() - last.atMs < HEALTH_MS) return last.health;
    const health = await check(context);
    last = { atMs: environment.monotonicMs(), health };
    return health;
  };
}
