import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '..');

/**
 * Who may import whom, in product code and (after `+`) in tests only. A folder missing here fails the first test, so
 * nothing joins unplaced. README.md of the house tells why.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[] | 'any'>> = {
  'packages/environment': [],
  'packages/model': [],
  'packages/errors': [],
  'packages/telemetry': ['errors'],
  'packages/query': ['model', 'errors'],
  'packages/adapter-contract': ['model', 'errors', 'query'],
  'packages/http': ['environment', 'errors', 'telemetry'],
  'packages/records': ['model', 'errors', 'query', 'adapter-contract', 'sharing'],
  'packages/catalog': ['model', 'errors', 'query', 'adapter-contract'],
  'packages/config': ['errors', 'model', 'query'],
  'packages/exports': ['model', 'errors', 'query'],
  'packages/sandbox': [],
  'packages/store': ['environment', 'errors'],
  'packages/sharing': ['model', 'errors', 'query'],
  'packages/identity': ['environment', 'errors'],
  'packages/token-service': ['environment', 'errors', 'identity'],
  'packages/adapter-testkit': ['model', 'errors', 'query', 'adapter-contract', 'records'],
  'packages/cli': ['errors', 'query', 'config', 'sandbox', 'sharing', 'gateway'],
  'adapters/*': [
    'environment',
    'model',
    'errors',
    'query',
    'adapter-contract',
    'http',
    '+adapter-testkit',
    '+sandbox',
    '+telemetry',
  ],
  gateway: [
    'environment',
    'model',
    'errors',
    'exports',
    'query',
    'adapter-contract',
    'http',
    'records',
    'catalog',
    'config',
    'identity',
    'sharing',
    'store',
    'telemetry',
    'token-service',
    '+sandbox',
  ],
  test: 'any',
};
/** The one file that may name adapters. */
const ADAPTER_IMPORTER = 'gateway/src/sources.ts';

const folders = [
  ...readdirSync(path.join(ROOT, 'packages')).map((name) => `packages/${name}`),
  ...readdirSync(path.join(ROOT, 'adapters')).map((name) => `adapters/${name}`),
  'gateway',
  'test',
].filter((folder) => existsSync(path.join(ROOT, folder, 'package.json')));

const ruleFor = (folder: string): readonly string[] | 'any' | undefined =>
  MAY_IMPORT[folder] ?? MAY_IMPORT[folder.replace(/\/.*/, '/*')];

/** Test files, and folders that only tests use. */
const isTestFile = (file: string): boolean =>
  /\.test\.ts$|(^|\/)(testing|test-support)(\/|\.ts$)|test-fixtures\.ts$/.test(file);

interface Source {
  readonly file: string;
  readonly imports: readonly string[];
}

function sourcesOf(folder: string): readonly Source[] {
  const base = path.join(ROOT, folder, folder === 'test' ? '' : 'src');
  return readdirSync(base, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.includes('node_modules'))
    .map((file) => ({
      file,
      imports: [
        ...readFileSync(path.join(base, file), 'utf8').matchAll(
          /(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*['"`]([^'"`\n]+)['"`]/g,
        ),
      ].map(([, specifier]) => specifier ?? ''),
    }));
}

/** Exported for the proof below: what is wrong with the imports of one file. */
function offences(folder: string, { file, imports }: Source): readonly string[] {
  const rule = ruleFor(folder);
  if (rule === undefined || rule === 'any') return [];
  const allowed = new Set(
    rule.flatMap((name) => (name.startsWith('+') ? (isTestFile(file) ? [name.slice(1)] : []) : [name])),
  );
  return imports
    .filter((specifier) => {
      if (specifier.startsWith('.')) return path.join('src', path.dirname(file), specifier).startsWith('..');
      if (!specifier.startsWith('@civex/')) return false;
      const name = specifier.slice('@civex/'.length);
      if (name.startsWith('adapter-') && existsSync(path.join(ROOT, 'adapters', name.slice('adapter-'.length))))
        return `${folder}/src/${file}` !== ADAPTER_IMPORTER;
      return !allowed.has(name);
    })
    .map((specifier) => `${file} -> ${specifier}`);
}

test('every folder has a place in the dependency rule', () => {
  expect(folders.length).toBeGreaterThan(10);
  expect(folders.filter((folder) => ruleFor(folder) === undefined)).toEqual([]);
});

test.each(folders)('%s imports only what the rule allows, through the front door', (folder) => {
  expect(sourcesOf(folder).flatMap((source) => offences(folder, source))).toEqual([]);
});

describe('the rule refuses', () => {
  test.each<[string, string, Source]>([
    [
      'an adapter in an adapter',
      'adapters/ckan',
      { file: 'ckan-adapter.ts', imports: ['@civex/adapter-opendatasoft'] },
    ],
    ['an adapter outside sources.ts', 'gateway', { file: 'server.ts', imports: ['@civex/adapter-ckan'] }],
    ['the http client in the contract', 'packages/adapter-contract', { file: 'x.ts', imports: ['@civex/http'] }],
    [
      'a relative path out of the package',
      'packages/model',
      { file: 'a/x.ts', imports: ['../../../errors/src/index.ts'] },
    ],
    ['a deep import', 'packages/query', { file: 'x.ts', imports: ['@civex/model/src/model.ts'] }],
    ['the testkit in product code', 'adapters/ckan', { file: 'ckan-adapter.ts', imports: ['@civex/adapter-testkit'] }],
    ['anything of ours in the sandbox', 'packages/sandbox', { file: 'x.ts', imports: ['@civex/query'] }],
  ])('%s', (_, folder, source) => {
    expect(offences(folder, source)).toHaveLength(1);
  });

  test('and lets the same files import what they may', () => {
    expect(
      offences('adapters/ckan', { file: 'x.test.ts', imports: ['@civex/adapter-testkit', './y.ts', 'node:fs'] }),
    ).toEqual([]);
    expect(offences('gateway', { file: 'sources.ts', imports: ['@civex/adapter-ckan'] })).toEqual([]);
  });
});

test('no package depends on itself through others', () => {
  const graph = new Map(
    folders
      .filter((folder) => folder !== 'test')
      .map((folder) => {
        const names = sourcesOf(folder)
          .filter(({ file }) => !isTestFile(file))
          .flatMap(({ imports }) => imports.filter((specifier) => specifier.startsWith('@civex/')));
        const own = JSON.parse(readFileSync(path.join(ROOT, folder, 'package.json'), 'utf8')) as { name: string };
        return [own.name, new Set(names)] as const;
      }),
  );
  const cycles: string[] = [];
  const visit = (name: string, trail: readonly string[]): void => {
    if (trail.includes(name)) {
      cycles.push([...trail.slice(trail.indexOf(name)), name].join(' -> '));
      return;
    }
    for (const next of graph.get(name) ?? []) visit(next, [...trail, name]);
  };
  for (const name of graph.keys()) visit(name, []);
  expect(cycles).toEqual([]);
});
