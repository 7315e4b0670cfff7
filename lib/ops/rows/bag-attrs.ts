// bag-attrs.ts: the attributes of bags of rows.

/** What is made of the rows of a bag. */
export type BagMode = 'sum' | 'mean' | 'max';

export interface BagAttrs {
  readonly mode: BagMode;
  /** Positions with this index are left out. */
  readonly padding: number | null;
}
