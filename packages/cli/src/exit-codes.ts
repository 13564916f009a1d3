/** What the process returns. Documented in the README and in `civex --help`. */
export const EXIT = {
  ok: 0,
  /** The command could not do its work, or a query answered with errors, or a source is down. */
  failed: 1,
  /** Unknown command or option, or a value that does not fit. */
  usage: 2,
  /** The configuration has faults or cannot be read. */
  config: 3,
} as const;

/** Ends a command with a message for people and an exit code. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: number;

  constructor(exitCode: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
  }
}
