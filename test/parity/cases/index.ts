// index.ts: all cases, by name. A new family: a file here, and its twins in ../cases.py.
import type { ParityCase } from '../case.ts';
import { ATTENTION } from './attention.ts';
import { BASIC } from './basic.ts';
import { CONV } from './conv.ts';
import { IMAGE } from './image.ts';
import { NORM } from './norm.ts';
import { POOL } from './pool.ts';
import { RECURRENT } from './recurrent.ts';

const FAMILIES: Readonly<Record<string, Readonly<Record<string, ParityCase>>>> = {
  basic: BASIC,
  conv: CONV,
  pool: POOL,
  norm: NORM,
  image: IMAGE,
  recurrent: RECURRENT,
  attention: ATTENTION,
};

export const CASES: Readonly<Record<string, ParityCase>> = Object.assign({}, ...Object.values(FAMILIES));

/** Where the truth of a case is kept, from the folder of all: its family's folder. */
export function truthFile(name: string): string {
  const [family] = Object.entries(FAMILIES).find(([, cases]) => name in cases)!;
  return `${family}/${name}.safetensors`;
}
