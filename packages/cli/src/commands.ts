interface OptionSpec {
  /** Without the leading hyphens. */
  readonly name: string;
  /** Placeholder of the value in the help; null for a switch. */
  readonly value: string | null;
  readonly help: string;
}

export interface CommandSpec {
  /** One or two words. */
  readonly name: string;
  readonly summary: string;
  readonly operands: readonly { readonly name: string; readonly help: string; readonly required: boolean }[];
  readonly options: readonly OptionSpec[];
  readonly details: readonly string[];
  readonly examples: readonly string[];
}

const CONFIG: OptionSpec = { name: 'config', value: 'FILE', help: 'the hub.yaml that names the portals' };
const PORT: OptionSpec = {
  name: 'port',
  value: 'NUMBER',
  help: 'TCP port, 0 to 65535; 0 takes a free one. Beats CIVEX_PORT and the file',
};
const HOST: OptionSpec = {
  name: 'host',
  value: 'ADDRESS',
  help: 'address to listen on. Beats CIVEX_HOST and the file',
};

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'start',
    summary: 'start a hub and explain how to use it; without --config over the embedded sandbox',
    operands: [],
    options: [CONFIG, PORT, HOST],
    details: [
      'Without --config five portals with sample data run on this machine, and nothing leaves it.',
      'With --config the hub asks the live portals of that file, and reloads it when it is saved or on SIGHUP.',
      'Ctrl+C stops after running requests have ended; a second one stops at once.',
    ],
    examples: ['npm start', 'npm start -- --port 4001', 'npm start -- --config hub.yaml'],
  },
  {
    name: 'serve',
    summary: 'start a hub over the portals of a file, without the explanations',
    operands: [],
    options: [CONFIG, PORT, HOST],
    details: ['Needs --config. Reloads the file when it is saved or on SIGHUP; a file with faults changes nothing.'],
    examples: ['npm run civex -- serve --config hub.yaml --host 0.0.0.0'],
  },
  {
    name: 'serve-source',
    summary: 'serve one source of a file as a process of its own, for another hub',
    operands: [{ name: 'ID', help: 'the source, as the file calls it', required: true }],
    options: [CONFIG, PORT, HOST],
    details: ['Needs --config. The other hub names it with `adapter: civex` and this address as its `url`.'],
    examples: ['npm run civex -- serve-source umea --config hub.yaml --port 4010'],
  },
  {
    name: 'sources',
    summary: 'ask every source whether it is up and how many datasets it has',
    operands: [],
    options: [CONFIG],
    details: ['Without --config over the embedded sandbox. Exit code 1 when a source is down.'],
    examples: ['npm run civex -- sources --config hub.yaml'],
  },
  {
    name: 'capabilities',
    summary: 'probe every source and print which operators its portal decides, by type of property',
    operands: [],
    options: [CONFIG, { name: 'json', value: null, help: 'print it as JSON' }],
    details: [
      'Without --config over the embedded sandbox. `exact`: the portal decides, and a probe has shown it. `claimed`: it is',
      'said to, and nothing shows it: the hub does it. `REFUTED`: a probe showed the contrary. `narrows`: the portal lets',
      'too much through and the hub decides. `-`: the hub does it. Exit code 1 when something is refuted, or a source fails.',
    ],
    examples: ['npm run capabilities', 'npm run civex -- capabilities --config hub.yaml --json'],
  },
  {
    name: 'query',
    summary: 'run one GraphQL query and print the answer as JSON',
    operands: [{ name: 'QUERY', help: 'a file, or the query itself when it contains a brace', required: true }],
    options: [
      CONFIG,
      { name: 'url', value: 'ADDRESS', help: 'a hub that is running already' },
      { name: 'variables', value: 'JSON', help: 'the variables, a JSON object' },
    ],
    details: [
      'Without --config and --url over the embedded sandbox. Exit code 1 when the answer contains errors; what was',
      'answered in spite of them is printed all the same.',
    ],
    examples: [
      "npm run civex -- query '{ catalogs { id datasetCount } }'",
      'npm run civex -- query question.graphql --url http://127.0.0.1:4000',
    ],
  },
  {
    name: 'explain',
    summary: 'run one GraphQL query and print what each portal was asked, what was left to the hub, and why',
    operands: [{ name: 'QUERY', help: 'a file, or the query itself when it contains a brace', required: true }],
    options: [
      CONFIG,
      { name: 'url', value: 'ADDRESS', help: 'a hub that is running already' },
      { name: 'variables', value: 'JSON', help: 'the variables, a JSON object' },
      { name: 'json', value: null, help: 'print the plans and the answer as JSON' },
    ],
    details: [
      'For each part of the answer that reads records: who filtered, ordered and cut; requests, pages and records read;',
      'the words the portal was asked in. The query is really run. Exit code 1 when the answer contains errors.',
    ],
    examples: [
      'npm run civex -- explain \'{ dataset(id: "bordeaux:ci_vcub_p") { records(first: 3, cql: "nbvelos > 5") { totalCount } } }\'',
      'npm run civex -- explain question.graphql --url http://127.0.0.1:4000 --json',
    ],
  },
  {
    name: 'config check',
    summary: 'say everything that is wrong with a configuration, without starting anything',
    operands: [{ name: 'FILE', help: 'default: hub.yaml', required: false }],
    options: [],
    details: ['Environment variables that the file names must be set. No portal is asked.'],
    examples: ['npm run civex -- config check hub.yaml'],
  },
];

const EXIT_HELP = [
  'Exit codes',
  '  0  done, or stopped on request',
  '  1  not done: an address in use, a source that is down, a query answered with errors',
  '  2  unknown command or option, or a value that does not fit',
  '  3  the configuration has faults or cannot be read',
];

const pairs = (entries: readonly (readonly [string, string])[]): readonly string[] => {
  const width = Math.max(0, ...entries.map(([left]) => left.length));
  return entries.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
};

export function formatHelp(): string {
  return [
    "Civex: one GraphQL question, answered live by many cities' open-data portals.",
    '',
    'Usage: civex COMMAND [OPTIONS]      in a checkout: npm run civex -- COMMAND [OPTIONS]',
    '',
    'Commands',
    ...pairs(COMMANDS.map(({ name, summary }) => [name, summary])),
    '',
    'Options of every command',
    ...pairs([
      ['--help', 'what a command does and takes'],
      ['--version', 'the version of Civex'],
    ]),
    '',
    ...EXIT_HELP,
  ].join('\n');
}

const usageOf = ({ name, operands, options }: CommandSpec): string =>
  [
    'civex',
    name,
    ...operands.map((operand) => (operand.required ? operand.name : `[${operand.name}]`)),
    ...(options.length > 0 ? ['[OPTIONS]'] : []),
  ].join(' ');

export function formatCommandHelp(command: CommandSpec): string {
  const optionLines = pairs([
    ...command.operands.map(({ name, help }) => [name, help] as const),
    ...command.options.map(
      ({ name, value, help }) => [value === null ? `--${name}` : `--${name} ${value}`, help] as const,
    ),
    ['--help', 'this text'],
  ]);
  return [
    `Usage: ${usageOf(command)}`,
    '',
    `${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.`,
    ...command.details,
    '',
    ...optionLines,
    '',
    command.examples.length === 1 ? 'Example' : 'Examples',
    ...command.examples.map((example) => `  ${example}`),
  ].join('\n');
}
