// index.ts: per op, the generator of its cases. A new op: a line in its family's table.
import type { Generator } from './draw.ts';
import { ELEMENTWISE_CASES } from './elementwise.ts';
import { LAYOUT_CASES } from './layout.ts';
import { LIST_CASES } from './lists.ts';
import { PLANES_CASES } from './planes.ts';
import { PRODUCT_CASES } from './products.ts';
import { ROWS_CASES } from './rows.ts';
import { SEQUENCE_CASES } from './sequences.ts';
import { UPDATE_CASES } from './updates.ts';

export const GENERATORS: Readonly<Record<string, Generator>> = {
  ...ELEMENTWISE_CASES,
  ...LAYOUT_CASES,
  ...ROWS_CASES,
  ...PRODUCT_CASES,
  ...PLANES_CASES,
  ...SEQUENCE_CASES,
  ...LIST_CASES,
  ...UPDATE_CASES,
};
