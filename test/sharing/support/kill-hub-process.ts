import process from 'node:process';
import { startSharingHub } from './sharing-hub.ts';

/** A hub in a process of its own: `portals, dataFolder, port` as JSON in the first argument; says when it is ready. */
const { portals, dataFolder, port } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly portals: Parameters<typeof startSharingHub>[0]['portals'];
  readonly dataFolder: string;
  readonly port: number;
};
await startSharingHub({ portals }, { dataFolder, port });
process.stdout.write('ready\n');
