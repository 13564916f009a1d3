import { getNamedType, isObjectType, Kind } from 'graphql';
import type { FieldNode, GraphQLObjectType, GraphQLResolveInfo, SelectionSetNode } from 'graphql';

/**
 * Tells whether everything a field selects comes from the hub itself and from its sources, so that no other subschema
 * has to be asked. Decided once per document node: documents are cached by their text.
 */
export function createOwnSelectionCheck(
  foreignFields: ReadonlyMap<string, ReadonlySet<string>>,
): (info: GraphQLResolveInfo) => boolean {
  if (foreignFields.size === 0) return () => true;
  const known = new WeakMap<FieldNode, boolean>();

  const isOwn = (selectionSet: SelectionSetNode, parent: GraphQLObjectType, info: GraphQLResolveInfo): boolean => {
    const foreign = foreignFields.get(parent.name);
    return selectionSet.selections.every((selection) => {
      if (selection.kind === Kind.FIELD) {
        const name = selection.name.value;
        if (foreign?.has(name) === true) return false;
        if (selection.selectionSet === undefined) return true;
        const field = parent.getFields()[name];
        const type = field === undefined ? undefined : getNamedType(field.type);
        return isObjectType(type) && isOwn(selection.selectionSet, type, info);
      }
      const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : info.fragments[selection.name.value];
      return fragment !== undefined && isOwn(fragment.selectionSet, parent, info);
    });
  };

  return (info) => {
    const type = getNamedType(info.returnType);
    if (!isObjectType(type)) return true;
    return info.fieldNodes.every((node) => {
      if (node.selectionSet === undefined) return true;
      let own = known.get(node);
      if (own === undefined) {
        own = isOwn(node.selectionSet, type, info);
        known.set(node, own);
      }
      return own;
    });
  };
}
