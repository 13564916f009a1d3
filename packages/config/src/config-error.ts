import { HubError } from '@civex/errors';

/** One thing wrong with the configuration. No text in it is taken from a value: a value may be a secret. */
export interface ConfigFault {
  /** The file as the caller of the parser named it, `environment` or `code`. */
  readonly file: string;
  /** Both from 1; null when the fault is not in a file. */
  readonly line: number | null;
  readonly column: number | null;
  /** For example `sources[2].limits.maxConcurrent`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong, without a full stop at the end. */
  readonly problem: string;
  /** What to do about it, as a sentence. */
  readonly remedy: string;
}

/** `CONFIG_INVALID` with every fault found. The message only counts them; print the faults with `formatConfigFaults`. */
export class ConfigError extends HubError {
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    super('CONFIG_INVALID', `The configuration has ${faults.length === 1 ? '1 fault' : `${faults.length} faults`}.`);
    this.faults = faults;
  }
}

/** One fault per paragraph: `hub.yaml:12:5 path: problem` and the remedy below it. */
export function formatConfigFaults(faults: readonly ConfigFault[]): string {
  return faults
    .map(({ file, line, column, path, problem, remedy }) => {
      const place = line === null ? file : `${file}:${line}:${column ?? 1}`;
      return `${place} ${path === '' ? '' : `${path}: `}${problem}\n    ${remedy}`;
    })
    .join('\n');
}

/** By line, then by column; what is in no file comes last. */
export function sortFaults(faults: readonly ConfigFault[]): readonly ConfigFault[] {
  return faults.toSorted(
    (a, b) => (a.line ?? Infinity) - (b.line ?? Infinity) || (a.column ?? 0) - (b.column ?? 0) || 0,
  );
}
