import { GraphQLError, GraphQLScalarType, Kind } from 'graphql';
import type { ValueNode } from 'graphql';

const MAX_DEPTH = 64;

function fromLiteral(
  node: ValueNode,
  variables: Readonly<Record<string, unknown>> | null | undefined,
  depth = 0,
): unknown {
  if (depth > MAX_DEPTH) throw new GraphQLError(`A value nests deeper than ${MAX_DEPTH} levels.`, { nodes: node });
  switch (node.kind) {
    case Kind.NULL:
      return null;
    case Kind.INT:
    case Kind.FLOAT: {
      const number = Number(node.value);
      // Rounding silently would ask the portal something else.
      if (Number.isInteger(number) && !Number.isSafeInteger(number) && node.kind === Kind.INT)
        throw new GraphQLError('A whole number beyond 2^53 must be written as a text of digits.', { nodes: node });
      return number;
    }
    case Kind.STRING:
    case Kind.ENUM:
    case Kind.BOOLEAN:
      return node.value;
    case Kind.LIST:
      return node.values.map((value) => fromLiteral(value, variables, depth + 1));
    case Kind.OBJECT:
      return Object.fromEntries(
        node.fields.map(({ name, value }) => [name.value, fromLiteral(value, variables, depth + 1)]),
      );
    case Kind.VARIABLE:
      return variables?.[node.name.value];
  }
}

const identity = (value: unknown): unknown => value;

function checkDepth(value: unknown, depth = 0): unknown {
  if (depth > MAX_DEPTH) throw new GraphQLError(`A value nests deeper than ${MAX_DEPTH} levels.`);
  if (typeof value === 'object' && value !== null)
    for (const part of Array.isArray(value) ? value : Object.values(value)) checkDepth(part, depth + 1);
  return value;
}

const asObject = (value: unknown): unknown => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new GraphQLError('A JSON object is needed.');
};

const json = (name: string, description: string, check: (value: unknown) => unknown = identity): GraphQLScalarType =>
  new GraphQLScalarType({
    name,
    description,
    serialize: identity,
    parseValue: (value) => check(checkDepth(value)),
    parseLiteral: (node, variables) => check(fromLiteral(node, variables)),
  });

const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/i;

/** `Date.parse` takes the 30th of February for the 2nd of March. */
function isDay(year: number, month: number, day: number): boolean {
  return day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

function parseDateTime(value: unknown): string {
  if (
    typeof value !== 'string' ||
    !RFC3339.test(value) ||
    Number.isNaN(Date.parse(value)) ||
    !isDay(Number(value.slice(0, 4)), Number(value.slice(5, 7)), Number(value.slice(8, 10)))
  )
    throw new GraphQLError('A DateTime is RFC 3339 with a zone, such as "2026-03-01T00:00:00Z".');
  return value;
}

const text = (name: string, description: string, parse: (value: unknown) => unknown): GraphQLScalarType =>
  new GraphQLScalarType({
    name,
    description,
    serialize: identity,
    parseValue: parse,
    parseLiteral: (node) => parse(node.kind === Kind.STRING ? node.value : undefined),
  });

const parseText = (value: unknown): string => {
  if (typeof value !== 'string') throw new GraphQLError('A text is needed.');
  return value;
};

/** The scalars of the contract. What the hub built is passed through as it is; what a caller sent is checked. */
export const scalarResolvers: Readonly<Record<string, GraphQLScalarType>> = {
  DateTime: text('DateTime', 'RFC 3339 instant with a zone, such as 2026-03-01T00:00:00Z.', parseDateTime),
  Duration: text('Duration', 'ISO 8601 duration, such as PT5M.', parseText),
  URL: text('URL', 'Absolute http or https URL.', parseText),
  JSON: json('JSON', 'Any JSON value. Whole numbers beyond 2^53 are texts of digits.'),
  JSONObject: json('JSONObject', 'A JSON object.', asObject),
  GeoJSON: json('GeoJSON', 'RFC 7946 geometry object, longitude before latitude, CRS84.'),
};
