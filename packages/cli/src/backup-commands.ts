import { EXIT } from './exit-codes.ts';
import type { Run } from './setup.ts';
import { prepare, storage } from './setup.ts';
import type { RowCounts, World } from './world.ts';

const countOf = (rows: RowCounts): string => {
  const tables = Object.values(rows);
  const sum = tables.reduce((total, count) => total + count, 0);
  return `${sum.toLocaleString('en-US')} ${sum === 1 ? 'row' : 'rows'} of ${tables.length} tables`;
};

export async function backup({ operands, options }: Run, world: World): Promise<number> {
  const [file = ''] = operands;
  const setup = await prepare(options['config'], world, true);
  try {
    const { gateway, config } = setup;
    const { rows, sha256 } = await gateway.backupHub(
      { config, log: (line) => world.report(line), ...storage(setup, world) },
      file,
    );
    world.print(`${file} holds ${countOf(rows)}, SHA-256 ${sha256} of its text.`);
    world.report('It holds keys of the hub: keep it as you keep those.');
    return EXIT.ok;
  } finally {
    await setup.close();
  }
}

export async function restore({ operands, options }: Run, world: World): Promise<number> {
  const [file = ''] = operands;
  const setup = await prepare(options['config'], world, true);
  try {
    const { gateway, config } = setup;
    const rows = await gateway.restoreHub(
      { config, log: (line) => world.report(line), ...storage(setup, world) },
      file,
    );
    world.print(`${countOf(rows)} are restored from ${file}.`);
    return EXIT.ok;
  } finally {
    await setup.close();
  }
}
