export type Expression =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'number'; readonly value: number | bigint }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'date'; readonly text: string }
  | { readonly kind: 'geom'; readonly text: string }
  | { readonly kind: 'null' }
  | { readonly kind: 'star' }
  /** `10km`, `1 day`. */
  | { readonly kind: 'measure'; readonly amount: number; readonly unit: string }
  /** `years=-1` inside `now(...)`. */
  | { readonly kind: 'named'; readonly name: string; readonly value: Expression }
  | { readonly kind: 'call'; readonly name: string; readonly distinct: boolean; readonly args: readonly Expression[] }
  | {
      readonly kind: 'arithmetic';
      readonly op: '+' | '-' | '*' | '/';
      readonly left: Expression;
      readonly right: Expression;
    };

export type Call = Extract<Expression, { kind: 'call' }>;

export type Condition =
  | { readonly kind: 'and' | 'or'; readonly left: Condition; readonly right: Condition }
  | { readonly kind: 'not'; readonly condition: Condition }
  | { readonly kind: 'freeText'; readonly text: string }
  | {
      readonly kind: 'compare';
      readonly op: '=' | '>' | '<' | '>=' | '<=';
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'like'; readonly left: Expression; readonly pattern: string }
  | { readonly kind: 'inList'; readonly left: Expression; readonly values: readonly Expression[] }
  | {
      readonly kind: 'inRange';
      readonly left: Expression;
      readonly lower: Expression;
      readonly upper: Expression;
      readonly lowerOpen: boolean;
      readonly upperOpen: boolean;
    }
  | { readonly kind: 'literalIn'; readonly literal: Expression; readonly field: Expression }
  | { readonly kind: 'isNull'; readonly left: Expression }
  | { readonly kind: 'isTrue'; readonly left: Expression; readonly value: boolean }
  | { readonly kind: 'predicate'; readonly call: Call };

export interface SelectItem {
  readonly expression: Expression;
  /** The label after AS, or the text of the expression. */
  readonly label: string;
  readonly hasAlias: boolean;
}

export interface OrderItem {
  readonly expression: Expression;
  readonly label: string;
  readonly descending: boolean;
}
