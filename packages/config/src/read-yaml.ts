import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, ErrorCode, ParsedNode } from 'yaml';
import type { ConfigFault } from './config-error.ts';
import type { ConfigPath, ConfigSource } from './config-path.ts';
import { formatPath } from './config-path.ts';

/** Bounds on the file itself. */
export const FILE_LIMITS = {
  /** UTF-16 units of the text. 2,000 sources of 30 lines fit. */
  characters: 2_000_000,
  /** Levels of maps and lists. */
  depth: 20,
  /** Values in the tree with every alias written out. */
  values: 200_000,
  faults: 200,
} as const;

// yaml's own messages quote the file, so they are not used.
const SYNTAX: Partial<Record<ErrorCode, readonly [problem: string, remedy: string]>> = {
  BAD_INDENT: ['the indentation does not fit', 'Indent by two spaces, alike for everything on one level.'],
  TAB_AS_INDENT: ['a tab is used for indentation', 'Indent with spaces.'],
  MISSING_CHAR: [
    'a closing quote, bracket, colon or comma is missing',
    'Check the line above as well; write a space after every colon.',
  ],
  BLOCK_AS_IMPLICIT_KEY: [
    'two settings stand on one line',
    'Give each its own line, or quote a text that contains ": ".',
  ],
  MULTIPLE_DOCS: ['a second document begins', 'Remove the line `---`; one file holds one configuration.'],
  NON_STRING_KEY: ['a key is not a text', 'Write the name of a setting before the colon.'],
  BAD_DQ_ESCAPE: ['an unknown escape stands in a quoted text', "Use single quotes: '...'."],
  BAD_SCALAR_START: ['a text begins with a reserved character', 'Put it in quotes.'],
  RESOURCE_EXHAUSTION: ['lists or maps nest too deeply', `At most ${FILE_LIMITS.depth} levels.`],
  BAD_ALIAS: ['an alias or anchor is malformed', 'Write `&name` where it is defined and `*name` where it is used.'],
  BAD_DIRECTIVE: ['a directive is not known', 'Remove the line that begins with %.'],
};

export interface YamlReading extends ConfigSource {
  readonly faults: readonly ConfigFault[];
}

/**
 * Reads YAML 1.2 core into plain data and remembers where each value stands. Refused: tags, directives, repeated keys,
 * merge keys, aliases that contain themselves, a second document. Never throws.
 */
export function readYaml(text: string, file: string): YamlReading {
  const faults: ConfigFault[] = [];
  const lines = new LineCounter();
  const positions = new Map<string, { readonly key: number; readonly value: number }>();

  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const fault = (offset: number, path: ConfigPath, problem: string, remedy: string): void => {
    if (faults.length < FILE_LIMITS.faults)
      faults.push({ file, ...at(offset), path: formatPath(path), problem, remedy });
  };
  const locate = (path: ConfigPath, part: 'key' | 'value' = 'value'): { line: number; column: number } => {
    for (let length = path.length; length > 0; length--) {
      const found = positions.get(JSON.stringify(path.slice(0, length)));
      if (found !== undefined) return at(found[part]);
    }
    return at(positions.get('[]')?.value ?? 0);
  };
  const done = (raw: unknown): YamlReading => ({ file, raw, faults, locate });

  if (text.length > FILE_LIMITS.characters) {
    fault(0, [], 'the file is too long', `At most ${FILE_LIMITS.characters} characters.`);
    return done(undefined);
  }
  const document: Document.Parsed = parseDocument(text, {
    lineCounter: lines,
    strict: true,
    stringKeys: true,
    // Checked below: the library compares every key with every other.
    uniqueKeys: false,
    prettyErrors: false,
    resolveKnownTags: false,
    merge: false,
    version: '1.2',
    schema: 'core',
    logLevel: 'error',
  });
  for (const error of document.errors) {
    const [problem, remedy] = SYNTAX[error.code] ?? ['this is not valid YAML', 'Check quotes, colons and indentation.'];
    fault(error.pos[0], [], problem, remedy);
  }
  for (const warning of document.warnings) {
    // Unknown tags are reported once, by the walk below.
    if (warning.code === 'TAG_RESOLVE_FAILED') continue;
    fault(warning.pos[0], [], ...(SYNTAX[warning.code] ?? (['this is not valid YAML', 'Remove it.'] as const)));
  }
  if (document.directives.yaml.explicit === true)
    fault(0, [], 'a YAML version is declared', 'Remove the line that begins with %YAML; the file is read as YAML 1.2.');
  if (faults.length > 0) return done(undefined);
  if (document.contents === null) {
    fault(0, [], 'the file is empty', 'List at least one source: id, adapter and url below `sources:`.');
    return done(undefined);
  }

  let values = 0;
  const open = new Set<ParsedNode>();
  const walk = (node: ParsedNode | null, path: ConfigPath, keyOffset: number): unknown => {
    const key = JSON.stringify(path);
    if (node === null) {
      positions.set(key, { key: keyOffset, value: keyOffset });
      return null;
    }
    const [offset] = node.range;
    positions.set(key, { key: keyOffset, value: isScalar(node) ? offset : keyOffset });
    values += 1;
    if (values > FILE_LIMITS.values || path.length > FILE_LIMITS.depth || open.has(node)) {
      if (values <= FILE_LIMITS.values + 1)
        fault(
          offset,
          path,
          open.has(node) ? 'an alias stands inside what it names' : 'the file holds too much',
          `At most ${FILE_LIMITS.depth} levels and ${FILE_LIMITS.values} values, aliases written out.`,
        );
      return undefined;
    }
    if (node.tag !== undefined && !isAlias(node)) {
      fault(offset, path, 'a YAML tag is used', 'Remove the word that begins with an exclamation mark.');
      return undefined;
    }
    if (isAlias(node)) {
      // A parsed document's anchors name parsed nodes.
      const target = node.resolve(document) as ParsedNode | undefined;
      if (target !== undefined) return walk(target, path, keyOffset);
      fault(
        offset,
        path,
        'an alias names nothing',
        'Define it above with `&name`, or quote a text that begins with *.',
      );
      return undefined;
    }
    if (isScalar(node)) return node.value;
    open.add(node);
    let result: unknown;
    if (isSeq(node)) {
      result = node.items.map((item, index) => walk(item, [...path, index], item.range[0]));
    } else if (isMap(node)) {
      const map: Record<string, unknown> = {};
      for (const { key: keyNode, value } of node.items) {
        const name = isScalar(keyNode) && typeof keyNode.value === 'string' ? keyNode.value : '';
        const start = keyNode.range[0];
        const child = [...path, name];
        if (name === '__proto__' || name === '<<') {
          fault(start, path, 'this key cannot be used', 'Remove it.');
        } else if (Object.hasOwn(map, name)) {
          fault(
            start,
            child,
            'this setting is given twice',
            `Remove one; the first is on line ${locate(child, 'key').line}.`,
          );
        } else map[name] = walk(value, child, start);
      }
      result = map;
    }
    open.delete(node);
    return result;
  };
  return done(walk(document.contents, [], document.contents.range[0]));
}
