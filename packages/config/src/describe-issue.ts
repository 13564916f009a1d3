import { suggestName } from '@civex/query';
import type * as z from 'zod';
import type { ConfigFault } from './config-error.ts';
import type { ConfigPath, ConfigSource } from './config-path.ts';
import { formatPath, isPlainKey, valueAt } from './config-path.ts';

type Issue = z.core.$ZodIssue;
type Text = readonly [problem: string, remedy: string];

const EXPECTED: Readonly<Record<string, Text>> = {
  string: ['must be a text', 'Put it in quotes.'],
  int: ['must be a whole number', 'Write digits only, without quotes, units or separators.'],
  number: ['must be a number', 'Write it without quotes, units or separators.'],
  boolean: ['must be true or false', 'Write true or false without quotes.'],
  array: ['must be a list', 'Begin each entry on its own line with a hyphen.'],
  object: ['must be a group of settings', 'Indent the settings below it, or remove the line.'],
  record: ['must be a group of settings', 'Write `name: value` lines below it, or remove the line.'],
};

const DOCUMENTED = 'See the documentation of this setting.';

const sizeUnit = (origin: string, count: number | bigint): string => {
  if (origin === 'string') return ` character${count === 1 ? '' : 's'}`;
  if (origin === 'array' || origin === 'set') return ` entr${count === 1 ? 'y' : 'ies'}`;
  return '';
};

/** The remedy that `rule()` put beside a custom check. */
const remedyOf = (issue: Issue): string | null => {
  const params: unknown = 'params' in issue ? issue.params : undefined;
  return typeof params === 'object' && params !== null && 'remedy' in params && typeof params.remedy === 'string'
    ? params.remedy
    : null;
};

/**
 * What a schema's author wrote about a check, unless it quotes the value or is the library's own text. Looks at values
 * of 3 characters and more.
 */
const authoredText = (issue: Issue, value: unknown): string | null => {
  const quoted = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  if (quoted.length >= 3 && issue.message.includes(quoted)) return null;
  return issue.message === '' || issue.message.startsWith('Invalid') ? null : issue.message;
};

const asked = (text: string | null): string => (text === null ? DOCUMENTED : `Expected: ${text.replace(/\.$/, '')}.`);

function describe(issue: Issue, value: unknown): Text {
  switch (issue.code) {
    case 'invalid_type':
      if (value === undefined) return ['is missing', 'Add it.'];
      return EXPECTED[issue.expected] ?? ['has the wrong type', DOCUMENTED];
    case 'too_big': {
      const most = `at most ${issue.maximum}${sizeUnit(issue.origin, issue.maximum)}`;
      return [`is above its limit`, `Use ${most}.`];
    }
    case 'too_small': {
      const least = `at least ${issue.minimum}${sizeUnit(issue.origin, issue.minimum)}`;
      return [`is below its limit`, `Use ${least}.`];
    }
    case 'invalid_format':
      if (issue.format === 'url')
        return ['is not a URL of the kind asked for', 'Write the full address, beginning with https://.'];
      return ['has the wrong form', asked(authoredText(issue, value))];
    case 'invalid_value':
      return ['is not one of the known values', `Use one of: ${issue.values.map(String).join(', ')}.`];
    case 'not_multiple_of':
      return ['is not a multiple of its step', `Use a multiple of ${issue.divisor}.`];
    case 'custom': {
      const text = authoredText(issue, value);
      const remedy = remedyOf(issue);
      return remedy === null ? ['is not valid', asked(text)] : [text ?? 'is not valid', remedy];
    }
    case 'invalid_key':
      return ['has a name that cannot be used', DOCUMENTED];
    case 'unrecognized_keys':
    case 'invalid_union':
    case 'invalid_element':
      return ['is not valid', DOCUMENTED];
  }
}

export interface IssueContext {
  readonly source: ConfigSource;
  /** Where in the file the schema's root stands. */
  readonly base: ConfigPath;
  /** Names the schema knows at a path below its root; for suggestions. */
  knownKeys(path: ConfigPath): readonly string[];
}

/** One fault per issue, or per key for unknown keys. Never quotes a value. */
export function toFaults(issue: Issue, context: IssueContext): readonly ConfigFault[] {
  const { source, base } = context;
  // Schemas of plain data have no symbol keys.
  const below = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  const path = [...base, ...below];
  const { file } = source;
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const at = [...path, key];
      const known = context.knownKeys(below);
      const near = isPlainKey(key) ? suggestName(key, known) : null;
      const place = { file, ...source.locate(at, 'key'), path: formatPath(at) };
      if (!isPlainKey(key))
        return { ...place, problem: 'is not a known setting', remedy: 'Remove it, or write a space after the colon.' };
      if (near !== null)
        return { ...place, problem: `is not a known setting: did you mean "${near}"`, remedy: 'Correct the name.' };
      const list = known.length > 0 ? ` Known here: ${known.join(', ')}.` : ' No settings are known here.';
      return { ...place, problem: 'is not a known setting', remedy: `Remove it.${list}` };
    });
  const [problem, remedy] = describe(issue, valueAt(source.raw, path));
  return [{ file, ...source.locate(path), path: formatPath(path), problem, remedy }];
}

type Properties = Readonly<Record<string, unknown>>;
const asProperties = (value: unknown): Properties | null =>
  typeof value === 'object' && value !== null ? (value as Properties) : null;

/** Property names an object schema knows at a path, read from its own shape; empty where it has none. */
export function knownKeysOf(schema: unknown, path: ConfigPath): readonly string[] {
  let current = unwrap(schema);
  for (const part of path) {
    const definition = definitionOf(current);
    const next = typeof part === 'number' ? definition?.['element'] : asProperties(definition?.['shape'])?.[part];
    current = unwrap(next ?? definition?.['valueType']);
  }
  return Object.keys(asProperties(definitionOf(current)?.['shape']) ?? {});
}

const definitionOf = (schema: unknown): Properties | null =>
  asProperties(asProperties(asProperties(schema)?.['_zod'])?.['def']);

/** Takes off defaults, optionals and the like; 10 layers at most. */
function unwrap(schema: unknown): unknown {
  let current = schema;
  for (let layer = 0; layer < 10; layer++) {
    const definition = definitionOf(current);
    const inner = definition?.['innerType'] ?? definition?.['in'];
    if (inner === undefined) return current;
    current = inner;
  }
  return current;
}
