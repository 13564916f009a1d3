import { HubError } from '@civex/errors';
import { verifyVersion } from '@civex/sharing';
import type { Agreement, AgreementEvent, AgreementTerms } from '@civex/sharing';
import type { Migration, Store } from '@civex/store';
import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { AgreementBook } from '../access.ts';

/** Moments of validity are epoch milliseconds. `terms` and `event` hold JSON; int8 comes as text. */
export interface AgreementTables {
  readonly agreement: {
    readonly id: string;
    readonly provider: string;
    readonly consumer: string;
    readonly state: string;
    readonly current: number | null;
    readonly pending: number | null;
    readonly approved_by: string;
    readonly valid_from: number | null;
    readonly valid_until: number | null;
    readonly revision: number;
    readonly key: Uint8Array;
  };
  readonly agreement_version: {
    readonly agreement: string;
    readonly version: number;
    readonly hash: string;
    readonly terms: string;
  };
  readonly agreement_event: { readonly agreement: string; readonly place: number; readonly event: string };
  readonly agreement_meter: {
    readonly agreement: string;
    readonly dataset: string;
    readonly day: string;
    readonly requests: string;
    readonly records: string;
  };
}

export const AGREEMENT_MIGRATION: Migration = {
  statements: [
    `create table agreement (
      id text primary key, provider text not null, consumer text not null, state text not null,
      current integer, pending integer, approved_by text not null,
      valid_from double precision, valid_until double precision,
      revision integer not null, key bytea not null check (length(key) = 32))`,
    'create index agreement_provider on agreement (provider)',
    'create index agreement_consumer on agreement (consumer)',
    `create table agreement_version (
      agreement text not null references agreement (id), version integer not null, hash text not null,
      terms text not null, primary key (agreement, version))`,
    `create table agreement_event (
      agreement text not null references agreement (id), place integer not null, event text not null,
      primary key (agreement, place))`,
    `create table agreement_meter (
      agreement text not null references agreement (id), dataset text not null, day date not null,
      requests bigint not null, records bigint not null, primary key (agreement, dataset, day))`,
    // What was agreed on and what happened is added to and never changed, by whomever.
    `create function civex_refuse_change() returns trigger language plpgsql as $$
      begin raise exception 'rows of % are never changed', tg_table_name; end $$`,
    `create trigger agreement_version_kept before update or delete on agreement_version
      for each row execute function civex_refuse_change()`,
    `create trigger agreement_event_kept before update or delete on agreement_event
      for each row execute function civex_refuse_change()`,
  ],
};

/** Nor is all of it taken away at once, which fires no trigger of a row. */
export const KEPT_WHOLE_MIGRATION: Migration = {
  statements: ['agreement', 'agreement_version', 'agreement_event', 'agreement_meter'].map(
    (table) => `create trigger ${table}_kept_whole before truncate on ${table}
      for each statement execute function civex_refuse_change()`,
  ),
};

/** Agreements as they are kept. */
export interface AgreementStorage extends AgreementBook {
  find(id: string): Promise<Agreement | null>;
  /** Those in which the organisation is a party, by id. */
  ofParty(organisation: string): Promise<readonly Agreement[]>;
  /**
   * Keeps a new agreement, or the next revision of one. False when it was changed by somebody else meanwhile, or the id
   * is taken: nothing is kept then.
   */
  save(agreement: Agreement): Promise<boolean>;
}

type Rows = Kysely<AgreementTables>;

async function read(db: Rows, column: 'id' | 'consumer' | 'party', value: string): Promise<readonly Agreement[]> {
  // Head, versions and events of one moment, whatever others keep between the three questions.
  await sql`set transaction isolation level repeatable read, read only`.execute(db);
  const heads = await db
    .selectFrom('agreement')
    .selectAll()
    .where(
      (where) =>
      column === 'party' ? where.or([where('provider', '=', value), where('consumer', '=', value)]) : where(column, '=', value), // prettier-ignore
    )
    .execute();
  if (heads.length === 0) return [];
  const ids = heads.map(({ id }) => id);
  const versions = await db.selectFrom('agreement_version').selectAll().where('agreement', 'in', ids).orderBy('version').execute(); // prettier-ignore
  const events = await db.selectFrom('agreement_event').selectAll().where('agreement', 'in', ids).orderBy('place').execute(); // prettier-ignore
  return heads
    .map((head): Agreement => {
      const own = versions
        .filter(({ agreement }) => agreement === head.id)
        // Only this file writes these texts; the hash says whether they are still what was agreed on.
        .map(({ version, hash, terms }) => ({ version, hash, terms: JSON.parse(terms) as AgreementTerms }));
      if (own.some((version) => !verifyVersion(head.id, version)))
        throw new HubError('INTERNAL', `What is stored of agreement ${head.id} is not what was agreed on.`);
      return {
        id: head.id,
        state: head.state as Agreement['state'],
        versions: own,
        current: head.current,
        pending: head.pending,
        approvedBy: JSON.parse(head.approved_by) as Agreement['approvedBy'],
        history: events
          .filter(({ agreement }) => agreement === head.id)
          .map(({ event }) => JSON.parse(event) as AgreementEvent),
        revision: head.revision,
      };
    })
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

const toHead = (agreement: Agreement): Omit<AgreementTables['agreement'], 'key'> => {
  const newest = agreement.versions.at(-1);
  if (newest === undefined) throw new TypeError('an agreement has a version at least');
  const current = agreement.versions.find(({ version }) => version === agreement.current);
  const { provider, consumer } = newest.terms;
  return {
    id: agreement.id,
    provider,
    consumer,
    state: agreement.state,
    current: agreement.current,
    pending: agreement.pending,
    approved_by: JSON.stringify(agreement.approvedBy),
    valid_from: current === undefined ? null : Date.parse(current.terms.validFrom),
    valid_until: current === undefined ? null : Date.parse(current.terms.validUntil),
    revision: agreement.revision,
  };
};

/** Agreements in the hub's store. What could not be kept or read rejects. `createKey` makes 32 bytes. */
export function createAgreementStorage(
  store: Pick<Store<AgreementTables>, 'use' | 'transaction'>,
  createKey: () => Uint8Array,
): AgreementStorage {
  return {
    consumedBy: (organisation) => store.transaction((db) => read(db, 'consumer', organisation)),
    ofParty: (organisation) => store.transaction((db) => read(db, 'party', organisation)),
    find: async (id) => (await store.transaction((db) => read(db, 'id', id)))[0] ?? null,

    keyOf: async (id) => {
      const row = await store.use((db) =>
        db.selectFrom('agreement').select('key').where('id', '=', id).executeTakeFirst(),
      );
      if (row === undefined) throw new HubError('INTERNAL', 'Internal error.', {}, 'an agreement without a key');
      return row.key;
    },

    save: (agreement) =>
      store.transaction(async (db) => {
        const head = toHead(agreement);
        const kept =
          agreement.revision === 1
            ? await db
                .insertInto('agreement')
                .values({ ...head, key: Buffer.from(createKey()) })
                .onConflict((conflict) => conflict.doNothing())
                .returning('id')
                .executeTakeFirst()
            : await db
                .updateTable('agreement')
                .set(head)
                .where('id', '=', agreement.id)
                .where('revision', '=', agreement.revision - 1)
                .returning('id')
                .executeTakeFirst();
        if (kept === undefined) return false;
        const { id } = agreement;
        const versions = await db
          .selectFrom('agreement_version')
          .select('version')
          .where('agreement', '=', id)
          .execute();
        const known = new Set(versions.map(({ version }) => version));
        const fresh = agreement.versions.filter(({ version }) => !known.has(version));
        if (fresh.length > 0)
          await db
            .insertInto('agreement_version')
            .values(
              fresh.map(({ version, hash, terms }) => ({ agreement: id, version, hash, terms: JSON.stringify(terms) })),
            ) // prettier-ignore
            .execute();
        const { places } = await db
          .selectFrom('agreement_event')
          .select(({ fn }) => fn.countAll<string>().as('places'))
          .where('agreement', '=', id)
          .executeTakeFirstOrThrow();
        const happened = agreement.history.slice(Number(places));
        if (happened.length > 0)
          await db
            .insertInto('agreement_event')
            .values(
              happened.map((event, index) => ({
                agreement: id,
                place: Number(places) + index,
                event: JSON.stringify(event),
              })),
            ) // prettier-ignore
            .execute();
        return true;
      }),

    release: ({ agreement, version, dataset, limits, now, records, isFirst }) =>
      store.use(async (db) => {
        const requests = isFirst ? 1 : 0;
        const day = new Date(now).toISOString().slice(0, 10);
        const { requestsPerDay, recordsPerDay } = limits;
        // One statement: who ends the agreement waits for it, or it sees the end.
        // A shared lock would let releases pass one that waits to end it, for as long as they keep coming.
        const { rows } = await sql<{ held: string; counted: string }>`
          with held as (
            select id from agreement
            where id = ${agreement} and state = 'ACTIVE' and current = ${version}
              and valid_from <= ${now} and valid_until > ${now}
            for no key update
          ), counted as (
            insert into agreement_meter (agreement, dataset, day, requests, records)
            select id, ${dataset}::text, ${day}::date, ${requests}::bigint, ${records}::bigint from held
            where ${requests}::bigint <= coalesce(${requestsPerDay}::bigint, 9223372036854775807)
              and ${records}::bigint <= coalesce(${recordsPerDay}::bigint, 9223372036854775807)
            on conflict (agreement, dataset, day) do update
              set requests = agreement_meter.requests + excluded.requests,
                  records = agreement_meter.records + excluded.records
              where agreement_meter.requests + excluded.requests <= coalesce(${requestsPerDay}::bigint, 9223372036854775807)
                and agreement_meter.records + excluded.records <= coalesce(${recordsPerDay}::bigint, 9223372036854775807)
            returning 1
          )
          select (select count(*) from held) as held, (select count(*) from counted) as counted
        `.execute(db);
        const [row] = rows;
        if (row === undefined || Number(row.held) === 0) return 'gone';
        return Number(row.counted) === 0 ? 'limit' : 'released';
      }),
  };
}
