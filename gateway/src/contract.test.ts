import { existsSync, readFileSync } from 'node:fs';
import {
  buildSchema,
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
} from 'graphql';
import type { GraphQLSchema } from 'graphql';
import { describe, expect, test } from 'vitest';
import { createTestGateway } from './testing/test-hub.ts';

const contractFile = new URL('../../../shared/contract/schema.graphql', import.meta.url);
const { schema } = createTestGateway().gateway;

/** One line for each member of a schema: type, field, argument, default, enum value. */
function members(of: GraphQLSchema): readonly string[] {
  return Object.values(of.getTypeMap()).flatMap((type) => {
    if (isIntrospectionType(type) || isSpecifiedScalarType(type)) return [];
    if (isEnumType(type)) return type.getValues().map(({ name }) => `enum ${type.name}.${name}`);
    if (isInputObjectType(type))
      return Object.values(type.getFields()).map((field) => `input ${type.name}.${field.name}: ${String(field.type)}`);
    if (!isObjectType(type)) return [`scalar ${type.name}`];
    return Object.values(type.getFields()).flatMap((field) => [
      `type ${type.name}.${field.name}: ${String(field.type)}`,
      ...field.args.map((argument) => `type ${type.name}.${field.name}(${argument.name}: ${String(argument.type)})`),
    ]);
  });
}

/** Parts of the contract that come with the audit log. */
const LATER = /Audit|audit|Usage|usage/;

describe.skipIf(!existsSync(contractFile))('the public contract', () => {
  test('holds in every name and type, the audit log apart', () => {
    const promised = members(buildSchema(readFileSync(contractFile, 'utf8'))).filter((member) => !LATER.test(member));
    const served = new Set(members(schema));
    expect(promised.length).toBeGreaterThan(150);
    expect(promised.filter((member) => !served.has(member))).toEqual([]);
  });
});

test('every type, field, argument and value that callers see is described', () => {
  const bare: string[] = [];
  const check = (name: string, description: string | null | undefined): void => {
    if (description == null || description === '') bare.push(name);
  };
  for (const type of Object.values(schema.getTypeMap())) {
    if (isIntrospectionType(type) || isSpecifiedScalarType(type)) continue;
    if (!isEnumType(type)) check(type.name, type.description);
    if (isEnumType(type)) for (const value of type.getValues()) check(`${type.name}.${value.name}`, value.description);
    if (isInputObjectType(type) || isObjectType(type))
      for (const field of Object.values(type.getFields())) {
        check(`${type.name}.${field.name}`, field.description);
        if ('args' in field)
          for (const argument of field.args)
            check(`${type.name}.${field.name}(${argument.name})`, argument.description);
      }
  }
  expect(bare).toEqual([]);
});
