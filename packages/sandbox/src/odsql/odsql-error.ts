/** A query the portal refuses. The message goes into the portal's own error body. */
export class OdsqlError extends Error {
  override readonly name = 'OdsqlError';
  /** True for a field the dataset does not have: the one fault a lenient portal may overlook. */
  readonly isUnknownField: boolean;

  constructor(message: string, isUnknownField = false) {
    super(message);
    this.isUnknownField = isUnknownField;
  }
}
