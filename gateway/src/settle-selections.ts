import { getOperationAST, Kind, visit } from 'graphql';
import type { DocumentNode, FieldNode, SelectionNode, SelectionSetNode } from 'graphql';

type Variables = Readonly<Record<string, unknown>>;

/** What stands where everything was left out: a set may not be empty, and must ask nothing. */
const NOTHING: FieldNode = {
  kind: Kind.FIELD,
  name: { kind: Kind.NAME, value: '__typename' },
  directives: [
    {
      kind: Kind.DIRECTIVE,
      name: { kind: Kind.NAME, value: 'skip' },
      arguments: [
        {
          kind: Kind.ARGUMENT,
          name: { kind: Kind.NAME, value: 'if' },
          value: { kind: Kind.BOOLEAN, value: true },
        },
      ],
    },
  ],
};

/** False when it is left out; null when that cannot be told, because a variable has no value that is true or false. */
function isWanted(selection: SelectionNode, variables: Variables): boolean | null {
  for (const { name, arguments: given } of selection.directives ?? []) {
    const value = given?.find((argument) => argument.name.value === 'if')?.value;
    const condition =
      value?.kind === Kind.BOOLEAN ? value.value : value?.kind === Kind.VARIABLE ? variables[value.name.value] : null;
    if (typeof condition !== 'boolean' || !['skip', 'include'].includes(name.value)) return null;
    if (condition === (name.value === 'skip')) return false;
  }
  return true;
}

/** By document, of those whose variables do not matter. */
const settled = new WeakMap<DocumentNode, DocumentNode>();

/**
 * The same question with `@skip` and `@include` decided and inline fragments dissolved into the fields around them, which
 * in a schema without interfaces and unions changes nothing. Delegation makes one field of two that have one name, with
 * the directives of the first, so that what was asked without a condition is left out with what had one; and it drops
 * an inline fragment that asks for the type alone.
 */
export function settleSelections(
  document: DocumentNode,
  given: Variables,
  operationName?: string | null,
): DocumentNode {
  const known = settled.get(document);
  if (known !== undefined) return known;
  const variables: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const { variable, defaultValue } of getOperationAST(document, operationName)?.variableDefinitions ?? []) {
    const name = variable.name.value;
    if (Object.hasOwn(given, name)) variables[name] = given[name];
    else if (defaultValue?.kind === Kind.BOOLEAN) variables[name] = defaultValue.value;
  }
  let hasConditions = false;
  let isUndecided = false;
  const settle = (set: SelectionSetNode): SelectionSetNode | undefined => {
    const selections: SelectionNode[] = [];
    let isChanged = false;
    for (const selection of set.selections) {
      const isConditional = selection !== NOTHING && (selection.directives ?? []).length > 0;
      const wanted = isConditional ? isWanted(selection, variables) : true;
      hasConditions ||= isConditional;
      isUndecided ||= wanted === null;
      isChanged ||= isConditional || selection.kind === Kind.INLINE_FRAGMENT;
      if (wanted === false) continue;
      if (selection.kind === Kind.INLINE_FRAGMENT) selections.push(...selection.selectionSet.selections);
      else selections.push(isConditional ? { ...selection, directives: [] } : selection);
    }
    if (!isChanged) return undefined;
    const asked = selections.filter((selection) => selection !== NOTHING);
    return { ...set, selections: asked.length === 0 ? [NOTHING] : asked };
  };
  const made = visit(document, { SelectionSet: { leave: settle } });
  // Execution refuses it, in its own words.
  if (isUndecided) return document;
  if (!hasConditions) settled.set(document, made);
  return made;
}
