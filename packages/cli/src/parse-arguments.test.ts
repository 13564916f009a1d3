import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from './commands.ts';
import { CommandFailure } from './exit-codes.ts';
import { parseArguments, parsePort } from './parse-arguments.ts';

const run = (command: string, operands: readonly string[] = [], options: Readonly<Record<string, string>> = {}) => ({
  kind: 'run',
  command,
  operands,
  options,
});

describe('accepted', () => {
  test.each([
    [['start'], run('start')],
    [['start', '--port', '4001'], run('start', [], { port: '4001' })],
    [['start', '--port=4001', '--config', 'a b.yaml'], run('start', [], { port: '4001', config: 'a b.yaml' })],
    [['serve-source', '--config', 'x', 'umea'], run('serve-source', ['umea'], { config: 'x' })],
    [['config', 'check'], run('config check')],
    [['config', 'check', 'x.yaml'], run('config check', ['x.yaml'])],
    [['query', '{ catalogs { id } }', '--url', 'http://a'], run('query', ['{ catalogs { id } }'], { url: 'http://a' })],
    [['explain', '--json', '{ a }'], run('explain', ['{ a }'], { json: '' })],
    [['query', '--', '--odd-file'], run('query', ['--odd-file'])],
    [['start', '--config=-odd'], run('start', [], { config: '-odd' })],
    [['--version'], { kind: 'version' }],
    [[], { kind: 'help', command: null }],
    [['--help'], { kind: 'help', command: null }],
    [['-h'], { kind: 'help', command: null }],
    [['help'], { kind: 'help', command: null }],
  ])('%j', (argv, expected) => {
    expect(parseArguments(argv)).toEqual(expected);
  });

  test.each(COMMANDS.map((command) => [command.name, command] as const))(
    '%s --help asks for its help',
    (name, command) => {
      expect(parseArguments([...name.split(' '), '--help'])).toEqual({ kind: 'help', command });
      expect(parseArguments(['help', ...name.split(' ')])).toEqual({ kind: 'help', command });
    },
  );
});

describe('refused', () => {
  test.each([
    [['strt'], 'There is no command "strt". Did you mean "start"?'],
    [['frobnicate'], 'There is no command "frobnicate".'],
    [['config'], '"config" needs one more word: config check.'],
    [['config', 'chek'], '"config" needs one more word: config check. There is no "chek".'],
    [['start', '--prot', '1'], 'There is no option "--prot". Did you mean "--port"?'],
    [['start', '-p', '1'], 'There is no option "-p".'],
    [['start', '--url', 'http://a'], 'There is no option "--url" for this command.'],
    [['explain', '--json=1', '{ a }'], '--json takes no value.'],
    [['explain', '--json', '--json', '{ a }'], '--json is given twice.'],
    [['start', '--port'], '--port needs a value: --port NUMBER.'],
    [['start', '--port='], '--port needs a value: --port NUMBER.'],
    [['start', '--config', '--port', '1'], '--config needs a value: --config FILE.'],
    [['start', '--port', '1', '--port', '2'], '--port is given twice.'],
    [['start', 'now'], '"now" is one word too many.'],
    [['serve-source', '--config', 'x'], 'ID is missing: the source, as the file calls it.'],
    [['query'], 'QUERY is missing: a file, or the query itself when it contains a brace.'],
    [['--port', '4001'], 'A command must come first, before "--port".'],
    [['--verbose'], 'A command must come first, before "--verbose".'],
    [['constructor'], 'There is no command "constructor".'],
    [['start', '--__proto__', 'x'], 'There is no option "--__proto__".'],
  ])('%j', (argv, message) => {
    const attempt = (): unknown => parseArguments(argv);
    expect(attempt).toThrow(CommandFailure);
    expect(attempt).toThrow(
      expect.objectContaining({ exitCode: 2, message: expect.stringMatching(/\nSee civex .*--help\.$/) }),
    );
    expect(attempt).toThrow(message);
  });

  test('no command line makes the parser fail in any other way', () => {
    const word = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.constantFrom('start', 'config', 'check', '--port', '--config', '--', '-', '--help', 'query', '--x=y'),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
        try {
          parseArguments(argv);
        } catch (error) {
          expect(error).toBeInstanceOf(CommandFailure);
        }
      }),
      { seed: 3, numRuns: 2_000 },
    );
  });
});

test.each(['0', '1', '4000', '65535'])('%s is a port', (text) => expect(parsePort(text, 'start')).toBe(Number(text)));
test.each(['', '-1', '65536', '4e3', '04000', '4000 ', '0x10', 'http', '99999'])('%j is no port', (text) => {
  expect(() => parsePort(text, 'start')).toThrow(expect.objectContaining({ exitCode: 2 }));
});
