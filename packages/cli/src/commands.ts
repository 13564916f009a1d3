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

const AS_CALLER: readonly OptionSpec[] = [
  { name: 'url', value: 'ADDRESS', help: 'a hub that is running already' },
  { name: 'credentials', value: 'FILE', help: 'ask as this client, with a token of its own; at its hub without --url' },
  { name: 'purpose', value: 'ID', help: 'what the request is for, as agreements ask for' },
  { name: 'case', value: 'REFERENCE', help: 'the case it belongs to' },
  { name: 'agreement', value: 'ID', help: 'the one agreement to rely on' },
];

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'start',
    summary: 'start a hub and explain how to use it; without --config over the embedded sandbox',
    operands: [],
    options: [CONFIG, PORT, HOST],
    details: [
      'Without --config five portals with sample data run on this machine, and nothing leaves it. Three organisations share',
      'some of it under agreements; what they keep is below the folder sandbox of the data folder, with their credentials.',
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
    options: [CONFIG, ...AS_CALLER, { name: 'variables', value: 'JSON', help: 'the variables, a JSON object' }],
    details: [
      'Without --config, --url and --credentials over the open data of the embedded sandbox. Exit code 1 when the answer',
      'contains errors; what was answered in spite of them is printed all the same.',
    ],
    examples: [
      "npm run civex -- query '{ catalogs { id datasetCount } }'",
      'npm run civex -- query question.graphql --url http://127.0.0.1:4000',
      'npm run civex -- query question.graphql --credentials dashboard.json --purpose energy-planning',
    ],
  },
  {
    name: 'explain',
    summary: 'run one GraphQL query and print what each portal was asked, what was left to the hub, and why',
    operands: [{ name: 'QUERY', help: 'a file, or the query itself when it contains a brace', required: true }],
    options: [
      CONFIG,
      ...AS_CALLER,
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
    name: 'token',
    summary: 'ask for an access token as a client, and print it',
    operands: [{ name: 'FILE', help: 'the credentials of the client, as client add wrote them', required: true }],
    options: [
      { name: 'scope', value: 'SCOPES', help: 'what for, separated by spaces; default: all the client may have' },
      {
        name: 'subject-token',
        value: 'FILE',
        help: 'a token of the organisation to act for (RFC 8693), as this command prints it',
      },
      { name: 'details', value: 'JSON', help: 'what to narrow it to, authorization_details (RFC 9396)' },
    ],
    details: [
      'It holds for ten minutes, and is of use only to whoever has the key of FILE: civex query --credentials.',
    ],
    examples: ['npm run --silent civex -- token .civex/sandbox/credentials/region-dashboard.json'],
  },
  {
    name: 'client add',
    summary: 'register a client of the token service',
    operands: [{ name: 'ID', help: '1 to 64 letters, digits, dots, underlines and hyphens', required: true }],
    options: [
      CONFIG,
      { name: 'organisation', value: 'ID', help: 'whose client it is; one of the configuration' },
      { name: 'scope', value: 'SCOPES', help: `default: catalog:read records:read records:export agreements:read` },
      { name: 'manage', value: null, help: 'it may manage the agreements of its organisation; adds agreements:write' },
      { name: 'act-for', value: 'IDS', help: 'organisations whose tokens it may exchange, separated by commas' },
      { name: 'out', value: 'FILE', help: 'where its keys go, which are made here; default: ID.json' },
      { name: 'jwks', value: 'FILE', help: 'public keys its owner has made, in place of --out' },
      { name: 'secret', value: null, help: 'a secret in place of keys; it is printed, once' },
    ],
    details: [
      'Works beside a running hub, and without one. Best is --jwks: private keys stay where they were made.',
      'Tokens that reach records are bound to a key of the client whichever way it proves who it is (RFC 9449).',
    ],
    examples: [
      'npm run civex -- client add dashboard --organisation emr-region --config hub.yaml',
      'npm run civex -- client add office --organisation emr-region --manage --jwks office.jwks.json --config hub.yaml',
    ],
  },
  {
    name: 'client list',
    summary: 'list the clients of the token service',
    operands: [],
    options: [CONFIG, { name: 'json', value: null, help: 'print it as JSON' }],
    details: ['Without --config those of the embedded sandbox.'],
    examples: ['npm run civex -- client list --config hub.yaml'],
  },
  {
    name: 'client remove',
    summary: 'remove a client, and end its tokens',
    operands: [{ name: 'ID', help: 'the client, as client list calls it', required: true }],
    options: [CONFIG],
    details: ['Its tokens, and those exchanged from them, are refused from the next request on, by running hubs too.'],
    examples: ['npm run civex -- client remove dashboard --config hub.yaml'],
  },
  {
    name: 'why',
    summary: 'tell what the bearer of an access token may do with a dataset, and why not',
    operands: [
      { name: 'TOKEN', help: 'the token, or @FILE that holds it', required: true },
      { name: 'DATASET', help: 'as answers call it, source:id', required: true },
    ],
    options: [
      CONFIG,
      { name: 'purpose', value: 'ID', help: 'as if a request declared it' },
      { name: 'case', value: 'REFERENCE', help: 'as if a request declared it' },
      { name: 'agreement', value: 'ID', help: 'as if a request named it' },
    ],
    details: [
      'For the help desk. Without --purpose, --case and --agreement: whatever a request would have to declare. A token that',
      'has expired is told of as if it had not. No portal is asked. Exit code 1 when nothing is allowed.',
    ],
    examples: ['npm run civex -- why @token.json leicester:energy-meter-readings-council-buildings --config hub.yaml'],
  },
  {
    name: 'backup',
    summary: 'write what a hub keeps to a file: agreements, clients, keys, counts',
    operands: [{ name: 'FILE', help: 'replaced when it is there; compressed when it ends in .gz', required: true }],
    options: [CONFIG],
    details: [
      'What it held at one moment, whether a hub runs or not. The file holds secrets and only its owner can read it.',
    ],
    examples: ['npm run civex -- backup hub-2026-11-23.gz --config hub.yaml'],
  },
  {
    name: 'restore',
    summary: 'fill the empty store of a hub from a file of civex backup',
    operands: [{ name: 'FILE', help: 'as civex backup wrote it', required: true }],
    options: [CONFIG],
    details: ['Wholly or not at all, and by the same version of Civex. No hub may run on the data folder meanwhile.'],
    examples: ['CIVEX_DATA=/var/lib/civex-new npm run civex -- restore hub-2026-11-23.gz --config hub.yaml'],
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
