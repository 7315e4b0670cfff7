// index.ts: all cases, by name. A new family: a file here, and its twins in ../cases.py.
import type { ParityCase } from '../case.ts';
import { ATTENTION } from './attention.ts';
import { BASIC } from './basic.ts';
import { CONV } from './conv.ts';
import { IMAGE } from './image.ts';
import { NORM } from './norm.ts';
import { POOL } from './pool.ts';
import { RECURRENT } from './recurrent.ts';

export const CASES: Readonly<Record<string, ParityCase>> = {
  ...BASIC,
  ...CONV,
  ...POOL,
  ...NORM,
  ...IMAGE,
  ...RECURRENT,
  ...ATTENTION,
};
