import { HubError } from '@civex/errors';
import type { AgreementTerms, AgreementVersion, Grant, Mask } from './agreement.ts';
import { ACTION_WORDS, CONTEXT, datasetUrn, LIMIT_WORDS, organisationUrn, PROFILE, versionUrn } from './odrl-words.ts';

type Json = Readonly<Record<string, unknown>>;

const constraint = (leftOperand: string, operator: string, rightOperand: unknown): Json => ({
  leftOperand,
  operator,
  rightOperand,
});

/** As a list: JSON-LD takes a bare empty array for nothing at all, and this one says "none". */
const list = (values: readonly string[]): Json => ({ '@list': values });
const instant = (text: string): Json => ({ '@type': 'xsd:dateTime', '@value': text });

function targetOf({ dataset, properties, rows }: Grant): Json {
  const refinement = [
    ...(properties === null ? [] : [constraint('civex:property', 'isAnyOf', list(properties))]),
    ...(rows === null ? [] : [constraint('civex:rows', 'eq', { '@type': '@json', '@value': rows })]),
  ];
  return {
    '@type': 'AssetCollection',
    source: datasetUrn(dataset),
    ...(refinement.length === 0 ? {} : { refinement }),
  };
}

const dutyOf = ({ property, method, parameter }: Mask): Json => ({
  action: [
    {
      'rdf:value': { '@id': 'odrl:anonymize' },
      refinement: [
        constraint('civex:property', 'eq', property),
        constraint('civex:maskMethod', 'eq', method),
        ...(parameter === null ? [] : [constraint('civex:maskParameter', 'eq', parameter)]),
      ],
    },
  ],
});

function permissionOf(grant: Grant, { purposes, validFrom, validUntil }: AgreementTerms): Json {
  const { actions, masks, limits, disclosure } = grant;
  if (disclosure !== null)
    throw new HubError('CAPABILITY_MISSING', 'Bounds on what aggregates disclose have no words in the ODRL profile.');
  const bounds = Object.entries(LIMIT_WORDS).flatMap(([name, word]) => {
    const bound = limits?.[name as keyof typeof LIMIT_WORDS] ?? null;
    return bound === null ? [] : [constraint(word, 'lteq', bound)];
  });
  return {
    target: targetOf(grant),
    action: actions.map((action) => ACTION_WORDS[action]),
    constraint: [
      constraint('purpose', 'isAnyOf', list(purposes)),
      constraint('dateTime', 'gteq', instant(validFrom)),
      constraint('dateTime', 'lt', instant(validUntil)),
      ...bounds,
    ],
    ...(masks.length === 0 ? {} : { duty: masks.map(dutyOf) }),
  };
}

/**
 * A version of the agreement `id` as an ODRL 2.2 `Agreement` in JSON-LD: ODRL's own words where it has them, those of our
 * profile (`urn:civex:odrl:`) elsewhere. One permission for each grant. `fromOdrl` reads the same terms out of it.
 *
 * @throws HubError `CAPABILITY_MISSING` for terms with disclosure control, which the profile has no words for.
 */
export function toOdrl(id: string, { version, hash, terms }: AgreementVersion): Readonly<Record<string, unknown>> {
  return {
    '@context': CONTEXT,
    '@type': 'Agreement',
    uid: versionUrn(id, version),
    profile: PROFILE,
    conflict: 'prohibit',
    assigner: organisationUrn(terms.provider),
    assignee: organisationUrn(terms.consumer),
    ...(terms.delegates.length === 0 ? {} : { 'civex:delegate': terms.delegates.map(organisationUrn) }),
    'civex:hash': hash,
    permission: terms.grants.map((grant) => permissionOf(grant, terms)),
  };
}
