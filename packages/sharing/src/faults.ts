import { HubError } from '@civex/errors';

/** Faults a message tells; the rest are counted. */
const TOLD = 20;

/** Gathers what is wrong with an input, so that one answer tells all of it. */
export interface Faults {
  /** `where`: path into the input. `what`: the fault and the way out; holds nothing of the input. */
  readonly add: (where: string, what: string) => void;
  /** @throws HubError `INPUT_INVALID` when a fault was added: one line for each. */
  readonly refuse: () => void;
}

export function createFaults(): Faults {
  const told: string[] = [];
  let count = 0;
  return {
    add(where, what) {
      count++;
      if (told.length < TOLD) told.push(`${where}: ${what}`);
    },
    refuse() {
      if (count === 0) return;
      const more = count > told.length ? [`${count - told.length} more.`] : [];
      throw new HubError('INPUT_INVALID', [...told, ...more].join('\n'));
    },
  };
}

export type Members = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A well-formed text of 1 to `length` UTF-16 units without control characters. */
export const isName = (value: unknown, length: number): value is string =>
  typeof value === 'string' &&
  value.length > 0 &&
  value.length <= length &&
  value.isWellFormed() &&
  !/\p{Cc}/u.test(value);
