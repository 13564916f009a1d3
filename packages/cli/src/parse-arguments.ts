import { parseArgs } from 'node:util';
import { suggestName } from '@civex/query';
import type { CommandSpec } from './commands.ts';
import { COMMANDS } from './commands.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';

export type Invocation =
  | { readonly kind: 'help'; readonly command: CommandSpec | null }
  | { readonly kind: 'version' }
  | {
      readonly kind: 'run';
      readonly command: string;
      readonly operands: readonly string[];
      readonly options: Readonly<Record<string, string>>;
    };

const refuse = (message: string, command: string | null): never => {
  throw new CommandFailure(EXIT.usage, `${message}\nSee civex ${command === null ? '' : `${command} `}--help.`);
};

/** What the user typed, for a message: one line, 60 characters at most. */
const quote = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 59)}…` : text);

function findCommand(words: readonly string[]): { readonly command: CommandSpec; readonly used: number } {
  const [first = '', second = ''] = words;
  for (const used of [2, 1]) {
    const name = words.slice(0, used).join(' ');
    const command = words.length >= used ? COMMANDS.find((candidate) => candidate.name === name) : undefined;
    if (command !== undefined) return { command, used };
  }
  const names = COMMANDS.map(({ name }) => name);
  const family = names.filter((name) => name.startsWith(`${first} `));
  if (family.length > 0)
    return refuse(
      `${quote(first)} needs one more word: ${family.join(', ')}.${second === '' ? '' : ` There is no ${quote(second)}.`}`,
      null,
    );
  const near = suggestName(first, names);
  return refuse(`There is no command ${quote(first)}.${near === null ? '' : ` Did you mean "${near}"?`}`, null);
}

/**
 * Reads the command line. A switch that is given is the empty text. Options may stand before or after operands; `--` ends them; each may be given once.
 *
 * @throws CommandFailure with exit code 2 and what to type instead.
 */
export function parseArguments(argv: readonly string[]): Invocation {
  const values = new Set(
    COMMANDS.flatMap(({ options }) => options.filter(({ value }) => value !== null).map(({ name }) => name)),
  );
  const { tokens } = parseArgs({
    args: [...argv],
    // Not strict: its errors know no suggestions. What it lets through is refused below.
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries([...values].map((name) => [name, { type: 'string' as const }])),
  });
  const words = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []));
  const given = tokens.flatMap((token) => (token.kind === 'option' ? [token] : []));
  const asksHelp = given.some(({ rawName }) => rawName === '--help' || rawName === '-h');
  if (words.length === 0) {
    if (given.some(({ rawName }) => rawName === '--version')) return { kind: 'version' };
    const [unknown] = given.filter(({ rawName }) => rawName !== '--help' && rawName !== '-h');
    if (unknown === undefined) return { kind: 'help', command: null };
    return refuse(`A command must come first, before ${quote(unknown.rawName)}.`, null);
  }
  if (words[0] === 'help') {
    const rest = words.slice(1);
    return { kind: 'help', command: rest.length === 0 ? null : findCommand(rest).command };
  }
  const { command, used } = findCommand(words);
  if (asksHelp) return { kind: 'help', command };

  const options: Record<string, string> = {};
  for (const { name, rawName, value, inlineValue } of given) {
    const spec = command.options.find((option) => option.name === name);
    if (spec === undefined || !rawName.startsWith('--')) {
      const known = command.options.map((option) => `--${option.name}`);
      const near = suggestName(rawName, known);
      const elsewhere = values.has(name) && rawName.startsWith('--') ? ' for this command' : '';
      return refuse(
        `There is no option ${quote(rawName)}${elsewhere}.${near === null || elsewhere !== '' ? '' : ` Did you mean "${near}"?`}`,
        command.name,
      );
    }
    if (spec.value === null) {
      if (value !== undefined) return refuse(`--${name} takes no value.`, command.name);
      if (Object.hasOwn(options, name)) return refuse(`--${name} is given twice.`, command.name);
      options[name] = '';
      continue;
    }
    // Without this, `--config --port 1` would open a file called "--port".
    const isMissing = value === undefined || value === '' || (!inlineValue && value.startsWith('-'));
    if (isMissing) return refuse(`--${name} needs a value: --${name} ${spec.value}.`, command.name);
    if (Object.hasOwn(options, name)) return refuse(`--${name} is given twice.`, command.name);
    options[name] = value;
  }

  const operands = words.slice(used);
  const missing = command.operands.filter(({ required }, index) => required && operands[index] === undefined);
  if (missing[0] !== undefined) return refuse(`${missing[0].name} is missing: ${missing[0].help}.`, command.name);
  const extra = operands[command.operands.length];
  if (extra !== undefined) return refuse(`${quote(extra)} is one word too many.`, command.name);
  return { kind: 'run', command: command.name, operands, options };
}

/** @throws CommandFailure with exit code 2. */
export function parsePort(text: string, command: string): number {
  if (!/^(0|[1-9]\d{0,4})$/.test(text) || Number(text) > 65_535)
    return refuse('--port takes a whole number from 0 to 65535.', command);
  return Number(text);
}
