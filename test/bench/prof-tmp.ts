import { createGateway } from '@civex/gateway';
import { defaultHubConfig } from '@civex/config';
import { createBenchPortals } from '@civex/sandbox';
import { stringifyData } from "../../gateway/src/projection.ts";
import { fork } from 'node:child_process';
if (process.argv[2] === 'p') {
  const { portals } = await createBenchPortals(4, { datasets: 50 });
  process.send!(portals.map((p) => p.baseUrl));
} else {
  const c = fork(import.meta.filename, ['p'], { execArgv: [] });
  const urls: string[] = await new Promise((r) => c.once('message', r as any));
  const FIELDS = `id title description keywords themes issued modified accrualPeriodicity languages accessRights identifier landingPage
  publisher { name homepage } distributions { id title format mediaType accessURL downloadURL byteSize modified }`;
  const BY_ID = `query ($ids: [ID!]!) { datasetsById(ids: $ids) { ${FIELDS} } }`;
  const config = defaultHubConfig(urls.map((url, i) => ({ id: `bench-${i + 1}`, adapter: 'opendatasoft', url, privateNetwork: ['127.0.0.1/32'], limits: { maxConcurrent: 64, maxQueued: 1000 }, cache: { catalogSeconds: 0, recordsSeconds: 0, staleIfErrorSeconds: 0 } })));
  const gw = createGateway({ config, environment: { now: Date.now, random: Math.random, metrics: { upstream() {}, circuit() {} } }, reportError: () => {}, onCapabilityLost: () => {} });
  const T = ['bench-velo', 'bench-traffic', 'bench-energy', 'bench-trees', 'bench-permits'];
  const idsOf = (n: number) => Array.from({ length: 20 }, (_, i) => { const d = ((n + i) * 7) % 40; return `bench-${(i % 4) + 1}:${T[d % 5]}-${d}`; });
  let n = 0; let bytes = 0;
  const until = Date.now() + 6000;
  const t0 = Date.now(); const cpu0 = process.cpuUsage();
  await Promise.all(Array.from({ length: 16 }, async () => { while (Date.now() < until) { const r = await gw.execute({ query: BY_ID, variables: { ids: idsOf(n++) } }, { signal: new AbortController().signal }); bytes += stringifyData(r.data).length; if (r.errors) throw r.errors[0]; } }));
  const cpu = process.cpuUsage(cpu0);
  console.log(n, 'requests', (n / (Date.now() - t0) * 1000).toFixed(0), '/s', ((cpu.user + cpu.system) / 1000 / n).toFixed(2), 'cpu ms', bytes / n);
  c.kill(); await gw.close();
}
