import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { expect, test } from 'vitest';
import { adapters, faultsOf, parse } from './test-fixtures.ts';
import { hubSchema } from './hub-config.ts';
import { parseHubConfig } from './parse-hub-config.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const example = readFileSync(new URL('../../../hub.example.yaml', import.meta.url), 'utf8');

interface Node {
  readonly type?: string;
  readonly default?: string | number | boolean | object;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
}

/** `path -> default, least, most` of every numeric or boolean setting and every text with a default. */
function settingsOf(node: Node, path: string): readonly string[] {
  if (node.properties !== undefined)
    return Object.entries(node.properties).flatMap(([name, child]) =>
      settingsOf(child, path === '' ? name : `${path}.${name}`),
    );
  if (node.items?.properties !== undefined) return settingsOf(node.items, `${path}[]`);
  if (typeof node.default === 'object' || node.default === undefined || node.default === '') return [];
  const bounds = node.minimum === undefined ? '' : `${node.minimum} to ${node.maximum}`;
  return [`${path} | ${String(node.default)} | ${bounds}`];
}

test('the table of the README repeats the defaults and bounds of the schema', () => {
  const schema = z.toJSONSchema(hubSchema, { io: 'input', unrepresentable: 'any' }) as Node;
  const written = [...readme.matchAll(/^\| `([^`]+)` +\| `([^`]+)` +\| ([^|]*?) +\|/gm)].map(
    ([, path, value, bounds]) => `${path} | ${value} | ${bounds?.replaceAll(',', '')}`,
  );
  expect(written.toSorted()).toEqual([...settingsOf(schema, '')].toSorted());
});

test('every number is bounded both ways', () => {
  const unbounded: string[] = [];
  const visit = (node: Node, path: string): void => {
    if (
      (node.type === 'integer' || node.type === 'number') &&
      !(Number.isFinite(node.minimum) && Number.isFinite(node.maximum))
    )
      unbounded.push(path);
    for (const [name, child] of Object.entries(node.properties ?? {})) visit(child, `${path}.${name}`);
    if (node.items !== undefined) visit(node.items, `${path}[]`);
  };
  visit(z.toJSONSchema(hubSchema, { io: 'input', unrepresentable: 'any' }) as Node, '');
  expect(unbounded).toEqual([]);
});

test('the smallest example of the README is a configuration', () => {
  const [, text = ''] = /```yaml\n([^]*?)```/.exec(readme) ?? [];
  expect(parse(text).sources).not.toHaveLength(0);
});

test('hub.example.yaml configures the four cities', () => {
  const config = parse(example);
  expect(config.sources.map(({ id, adapter, country, timeZone }) => [id, adapter, country, timeZone])).toEqual([
    ['bordeaux', 'opendatasoft', 'FR', 'Europe/Paris'],
    ['umea', 'opendatasoft', 'SE', 'Europe/Stockholm'],
    ['leicester', 'opendatasoft', 'GB', 'Europe/London'],
    ['mexico-city', 'ckan', 'MX', 'America/Mexico_City'],
  ]);
  expect(config.sources[0]?.urls).toHaveLength(2);
  expect(config.sources[1]?.urls[1]).toBe('https://opendataumea.opendatasoft.com');
  for (const { limits } of config.sources)
    expect(limits.totalTimeoutMs).toBeLessThanOrEqual(config.limits.requestTimeoutMs);
});

test('hub.example.yaml is still a configuration with every commented source switched on', () => {
  const text = example.replaceAll(/^#(?=  (- | {2}[a-z]))/gim, '').replaceAll(/^#\n/gm, '');
  expect(faultsOf(text, { CIVEX_INTRANET_KEY: 'x' })).toEqual([]);
  const config = parseHubConfig(text, { file: 'hub.example.yaml', env: { CIVEX_INTRANET_KEY: 'x' }, adapters });
  expect(config.sources.length).toBe(4 + (example.match(/^# {2}- id:/gm) ?? []).length);
});

test('hub.example.yaml with the commented settings of its sources switched on is a configuration', () => {
  const text = example.replaceAll(/^( {4})# (?=apiKey|headers|  User-Agent)/gm, '$1');
  const config = parse(text, { CIVEX_BORDEAUX_KEY: 'k' });
  expect({ ...config.sources[0]?.secretHeaders }).toEqual({ authorization: 'Apikey k' });
  expect(config.sources[3]?.headers['user-agent']).toMatch(/^Mozilla/);
});
