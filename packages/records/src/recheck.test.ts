import type { HubRecord } from '@civex/model';
import type { PushdownGrades, RecordFilter } from '@civex/query';
import { describe, expect, test } from 'vitest';
import { createRecheck } from './recheck.ts';

const record: HubRecord = { id: 'r', values: { n: 1, s: 'x', z: null } };
const can: PushdownGrades = {
  grade: ({ op }) => (op === 'like' ? 'inexact' : 'exact'),
  connectives: { and: true, or: true, not: true },
};
const holds: RecordFilter = { op: '=', property: 'n', type: 'NUMBER', value: 1 };
const fails: RecordFilter = { op: '<', property: 'n', type: 'NUMBER', value: 1 };
const unknown: RecordFilter = { op: '>', property: 'z', type: 'NUMBER', value: 1 };
const inexact: RecordFilter = { op: 'like', property: 's', type: 'STRING', pattern: 'y' };
const and = (...args: RecordFilter[]): RecordFilter => ({ op: 'and', args });
const or = (...args: RecordFilter[]): RecordFilter => ({ op: 'or', args });
const not = (arg: RecordFilter): RecordFilter => ({ op: 'not', args: [arg] });

describe('a record that fails the pushed filter blames', () => {
  test.each<[string, RecordFilter | null, readonly string[]]>([
    ['nobody when nothing was pushed', null, []],
    ['nobody when it holds', holds, []],
    ['the operator that is false', fails, ['<']],
    ['the operator that is unknown', unknown, ['>']],
    ['only the false operand of a conjunction', and(holds, fails), ['<']],
    ['every operand of a disjunction', or(fails, unknown), ['<', '>']],
    ['what a negation denies', not(holds), ['=']],
    ['nobody for an inexact operator', inexact, []],
    ['the exact part beside an inexact one', and(inexact, fails), ['<']],
    ['nobody for a disjunction with an inexact operand', or(inexact, fails), []],
    ['the exact parts of a disjunction of mixed conjunctions', or(and(inexact, fails), unknown), ['<', '>']],
    ['nobody where an inexact operand explains a branch', or(and(inexact, holds), unknown), []],
  ])('%s', (_name, pushed, blamed) => {
    expect([...createRecheck(pushed, can)(record)].sort()).toEqual([...blamed].sort());
  });
});
