import { EXIT } from './exit-codes.ts';
import { parseToken, withAdministration } from './client-commands.ts';
import { readTextFile } from './read-config.ts';
import type { Run } from './setup.ts';
import { usage } from './setup.ts';
import type { CallerReport, World } from './world.ts';

const list = (names: Iterable<string>, none: string): string => [...names].join(', ') || none;
const label = (name: string, text: string): string => `${name.padEnd(14)}${text}`;

function describeMasks({ grant }: NonNullable<CallerReport['actions'][number]['by']>): readonly string[] {
  const { properties, masks, rows, limits } = grant;
  const hidden = masks.filter(({ method }) => method === 'HIDE').map(({ property }) => property);
  const masked = masks.filter(({ method }) => method !== 'HIDE');
  const bounds = [
    [limits?.requestsPerDay, 'requests a day'],
    [limits?.recordsPerDay, 'records a day'],
    [limits?.recordsPerRequest, 'records a request'],
  ].flatMap(([count, unit]) => (count === null || count === undefined ? [] : [`${count} ${unit}`]));
  return [
    label('  rows', rows === null ? 'all' : JSON.stringify(rows)),
    label('  columns', properties === null ? `all${hidden.length > 0 ? ` but ${hidden.join(', ')}` : ''}` : list(properties.filter((name) => !hidden.includes(name)), 'none')), // prettier-ignore
    ...masked.map(({ property, method, parameter }) => label('  masked', `${property}: ${method}${parameter === null ? '' : ` ${parameter}`}`)), // prettier-ignore
    label('  limits', list(bounds, 'none')),
  ];
}

/** What a caller may do with a dataset, for people. */
function describeCaller(report: CallerReport, dataset: string): readonly string[] {
  const { caller, isInTime, restriction, isRestrictedHere, actions } = report;
  const seen = new Set<string>();
  return [
    label('caller', `${caller.subject} (client ${caller.clientId}) of ${caller.issuer}`),
    label('organisation', caller.organisation ?? 'none: the issuer’s claims name none that is mapped'),
    ...(caller.actor === null ? [] : [label('asked by', `${caller.actor.organisation ?? 'no organisation'}, on its behalf`)]), // prettier-ignore
    label('may', list(caller.roles, 'nothing for its organisation')),
    label('scopes', list(caller.scopes, 'none')),
    label('token', `${caller.isBound ? 'bound to a key' : caller.mustBeBound ? 'not bound to a key: restricted data needs that' : 'not bound to a key'}${caller.details === null ? '' : ', narrowed to parts of its agreements'}`), // prettier-ignore
    ...(isInTime ? [] : [label('', 'NOT IN TIME: it is refused now; the rest is as if it were in time')]),
    '',
    label('dataset', `${dataset}, ${isRestrictedHere ? `restricted; ${restriction.isDiscoverable ? 'everybody may know of it' : 'not known to others'}` : 'not restricted by the configuration'}`), // prettier-ignore
    label('provider', restriction.provider ?? 'nobody'),
    ...(isRestrictedHere
      ? []
      : [label('', 'Its portal was not asked. When that restricts it, what follows holds; when not, it is open.')]),
    '',
    ...actions.flatMap(({ action, isAllowed, text, by }) => {
      if (by === null) return [label(action, `${isAllowed ? 'yes' : 'no'}: ${text ?? ''}`)];
      const { agreement, version, terms } = by;
      const key = `${agreement} ${version}`;
      const lines = [label(action, `yes: agreement ${agreement}, version ${version}`)];
      if (seen.has(key)) return lines;
      seen.add(key);
      return [
        ...lines,
        label('  purposes', terms.purposes.join(', ')),
        label('  until', terms.validUntil),
        ...describeMasks(by),
      ];
    }),
  ];
}

/** Exit code 1 when nothing is allowed. */
export async function explainCaller(invocation: Run, world: World): Promise<number> {
  const { command, operands, options } = invocation;
  const [given = '', datasetId = ''] = operands;
  const token = parseToken(given.startsWith('@') ? await readTextFile(given.slice(1), world) : given);
  if (token === '') throw usage('There is no access token in what was given.', command);
  const { purpose = null, case: caseReference = null, agreement = null } = options;
  const declared = purpose === null && caseReference === null && agreement === null ? null : { purpose, caseReference, agreement }; // prettier-ignore
  const report = await withAdministration(invocation, world, (administration) =>
    administration.explainCaller({ token, datasetId, declared }),
  );
  world.print(describeCaller(report, datasetId).join('\n'));
  return report.actions.some(({ isAllowed }) => isAllowed) ? EXIT.ok : EXIT.failed;
}
