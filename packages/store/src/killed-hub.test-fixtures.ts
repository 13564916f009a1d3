import { createSystemEnvironment } from '@civex/environment';
import { openStore } from './store.ts';

const store = await openStore<{ note: { text: string } }>({
  dataFolder: process.argv[2] ?? '',
  migrations: { '0001-note': { statements: ['create table note (id serial primary key, text text not null)'] } },
  environment: createSystemEnvironment(),
  log: { warn: () => {} },
});
await store.use((db) => db.insertInto('note').values({ text: 'acknowledged' }).execute());
process.stdout.write(String(store.serverPid()));
