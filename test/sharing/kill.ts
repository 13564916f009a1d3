import process from 'node:process';
import { runKills } from './support/kills.ts';

/** `node test/sharing/kill.ts [kills] [seed]`: 200 kills unless told otherwise. Ends with 1 when anything was found. */
const [kills = '200', seed = '4'] = process.argv.slice(2);
const { readyMs, ...report } = await runKills(Number(kills), Number(seed), (rounds, faults) => {
  if (rounds % 20 === 0)
    process.stderr.write(`${rounds} kills, ${faults.length} faults
`);
});
const at = (share: number): number => Math.round(readyMs[Math.min(readyMs.length - 1, Math.floor(readyMs.length * share))] ?? 0); // prettier-ignore
const ready = { p50: at(0.5), p95: at(0.95), most: at(1), within2s: readyMs.filter((ms) => ms <= 2_000).length };
process.stdout.write(`${JSON.stringify({ ...report, readyMs: ready }, null, 2)}\n`);
process.exitCode = report.lost + report.doubled + report.halfWritten === 0 ? 0 : 1;
