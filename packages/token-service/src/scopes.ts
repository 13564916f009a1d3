/** The scopes a hub knows. */
export const SCOPES = [
  'catalog:read',
  'records:read',
  'records:export',
  'agreements:read',
  'agreements:write',
] as const;
export type Scope = (typeof SCOPES)[number];

/** Reach restricted data: given only in tokens that are bound to a key (RFC 9449). */
const BOUND_SCOPES: readonly Scope[] = ['records:read', 'records:export', 'agreements:write'];

export function isScope(text: unknown): text is Scope {
  return SCOPES.some((scope) => scope === text);
}

export function mustBeBound(scopes: Iterable<Scope>): boolean {
  return [...scopes].some((scope) => BOUND_SCOPES.includes(scope));
}
