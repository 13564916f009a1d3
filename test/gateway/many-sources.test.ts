import { defaultHubConfig } from '@civex/config';
import { startSandbox } from '@civex/sandbox';
import { expect, test } from 'vitest';
import { startTestHub, toSourceInput } from '../test-support/test-hub.ts';

test('of two thousand sources each answers as itself, and those not asked are left alone', async () => {
  const sandbox = await startSandbox();
  const portal = sandbox.portal('leicester');
  const config = defaultHubConfig(
    Array.from({ length: 2_000 }, (_, index) => toSourceInput({ ...portal, id: `s${index}` })),
  );
  const hub = await startTestHub(config);
  try {
    const { data, errors } = await hub.ask(
      `{ last: dataset(id: "s1999:car-parks") { id title catalog { id } records(first: 2) { nodes { id } source { catalog status } } }
         some: datasetsById(ids: ["s0:car-parks", "s777:bus-stops", "s1999:taxi-ranks", "s2000:car-parks"]) { id }
         list: datasets(filter: { catalogs: ["s1500"], themes: ["TRAN"] }, first: 2) { totalCount nodes { id } sources { catalog status } } }`,
    );
    expect(errors).toBeUndefined();
    expect(data['last']).toMatchObject({
      id: 's1999:car-parks',
      title: 'Car parks',
      catalog: { id: 's1999' },
      records: { source: { catalog: 's1999', status: 'OK' } },
    });
    expect(data['last'].records.nodes).toHaveLength(2);
    expect(data['some']).toEqual([{ id: 's0:car-parks' }, { id: 's777:bus-stops' }, { id: 's1999:taxi-ranks' }, null]);
    expect(data['list']).toMatchObject({ totalCount: 10, sources: [{ catalog: 's1500', status: 'OK' }] });
    // Four sources by id, one batch each; one page of records; one list.
    expect(portal.requests).toHaveLength(5);
  } finally {
    await hub[Symbol.asyncDispose]();
    await sandbox.close();
  }
});
