import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createSystemEnvironment } from '@civex/environment';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readCursorKey } from './data-folder.ts';

const environment = createSystemEnvironment();
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'civex-data-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the cursor key', () => {
  test('is made once, readable by its owner only, and stays', async () => {
    const made = await readCursorKey(path.join(folder, 'deep', 'down'), environment);
    expect(made).toHaveLength(32);
    expect(await readCursorKey(path.join(folder, 'deep', 'down'), environment)).toEqual(made);
    expect((await stat(path.join(folder, 'deep', 'down', 'cursor.key'))).mode & 0o777).toBe(0o600);
  });

  test('is one for hubs that start at the same moment', async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => readCursorKey(folder, environment)));
    expect(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size).toBe(1);
  });

  test.each([
    ['cut', 'abcdef'],
    ['empty', ''],
    ['of other characters', 'z'.repeat(64)],
  ])('that is %s is refused and left as it is', async (_name, text) => {
    await writeFile(path.join(folder, 'cursor.key'), text);
    await expect(readCursorKey(folder, environment)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(await readFile(path.join(folder, 'cursor.key'), 'utf8')).toBe(text);
  });

  test('in a folder that is a file is refused', async () => {
    await writeFile(path.join(folder, 'file'), '');
    await chmod(path.join(folder, 'file'), 0o600);
    await expect(readCursorKey(path.join(folder, 'file'), environment)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });
});
