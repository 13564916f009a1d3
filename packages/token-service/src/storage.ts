import type { OrganisationRole } from '@civex/identity';
import type { JWK } from 'jose';
import type { Scope } from './scopes.ts';

/** How a client proves to be itself. `secretHash`: `<salt>.<SHA-256 of salt and secret>`, both base64url. */
export type ClientAuthentication =
  | { readonly method: 'private_key_jwt'; readonly keys: readonly JWK[] }
  | { readonly method: 'client_secret_basic'; readonly secretHash: string };

export interface ClientRecord {
  readonly id: string;
  /** By its id in hub.yaml. */
  readonly organisation: string;
  readonly roles: readonly OrganisationRole[];
  readonly scopes: readonly Scope[];
  /** Organisations whose tokens this client may exchange (RFC 8693). */
  readonly mayActFor: readonly string[];
  readonly authentication: ClientAuthentication;
  /** Random, new with every registration, and part of the id of every token: so all of them can be revoked at once. */
  readonly tag: string;
  readonly createdAtEpochMs: number;
}

/** A signing key with its private part. Signs from its moment on until a later one begins. */
export interface KeyRecord {
  readonly kid: string;
  readonly privateKey: JWK;
  readonly signsFromEpochMs: number;
}

/**
 * What all hub processes share. Every method rejects when it cannot tell or cannot keep; what resolved is kept. Texts in
 * `id` are ours and short.
 */
export interface TokenStorage {
  findClient(id: string): Promise<ClientRecord | null>;
  /** By id. */
  listClients(): Promise<readonly ClientRecord[]>;
  /** False when the id is taken. */
  addClient(client: ClientRecord): Promise<boolean>;
  /** Removes the client and revokes its tag in one; false when there is none. */
  removeClient(id: string, revokedUntilEpochMs: number): Promise<boolean>;
  /** In any order. */
  listKeys(): Promise<readonly KeyRecord[]>;
  addKey(key: KeyRecord): Promise<void>;
  removeKeys(kids: readonly string[]): Promise<void>;
  /** False when the id is there already: of two at once, one is told true. */
  addOnce(id: string, keptUntilEpochMs: number): Promise<boolean>;
  /** Again for the same id keeps the later moment. */
  revoke(id: string, revokedUntilEpochMs: number): Promise<void>;
  isAnyRevoked(ids: readonly string[]): Promise<boolean>;
  /** Forgets ids of `addOnce` and `revoke` whose moment has passed. */
  prune(nowEpochMs: number): Promise<void>;
}

/** For tests and for a hub that may forget its clients and keys at its end. */
export function createMemoryTokenStorage(): TokenStorage {
  const clients = new Map<string, ClientRecord>();
  const keys = new Map<string, KeyRecord>();
  const items = new Map<string, number>();
  const revoked = new Map<string, number>();
  const revoke = (id: string, untilEpochMs: number): void => {
    revoked.set(id, Math.max(untilEpochMs, revoked.get(id) ?? 0));
  };
  return {
    findClient: async (id) => clients.get(id) ?? null,
    listClients: async () => [...clients.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    addClient: async (client) => {
      if (clients.has(client.id)) return false;
      clients.set(client.id, structuredClone(client));
      return true;
    },
    removeClient: async (id, untilEpochMs) => {
      const client = clients.get(id);
      if (client === undefined) return false;
      revoke(client.tag, untilEpochMs);
      return clients.delete(id);
    },
    listKeys: async () => [...keys.values()],
    addKey: async (key) => {
      keys.set(key.kid, structuredClone(key));
    },
    removeKeys: async (kids) => {
      for (const kid of kids) keys.delete(kid);
    },
    addOnce: async (id, keptUntilEpochMs) => {
      if (items.has(id)) return false;
      items.set(id, keptUntilEpochMs);
      return true;
    },
    revoke: async (id, untilEpochMs) => revoke(id, untilEpochMs),
    isAnyRevoked: async (ids) => ids.some((id) => revoked.has(id)),
    prune: async (nowEpochMs) => {
      for (const held of [items, revoked]) {
        for (const [id, untilEpochMs] of held) if (untilEpochMs <= nowEpochMs) held.delete(id);
      }
    },
  };
}
