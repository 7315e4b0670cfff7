// sequences.ts: tasks whose answer depends on what came long before (Hochreiter and Schmidhuber 1997): adding, temporal order, copying.
import type { NdArray } from '../../data/arrays.ts';
import { below, type Draw } from './draws.ts';

/** How many sequences, of how many steps. */
export interface SequencesOptions {
  readonly rows: number;
  readonly length: number;
}

/** Of `length` numbers those two that are marked, one in each half, shall be added: x [rows, length, 2], y [rows, 1]. */
export function adding(next: Draw, { rows, length }: SequencesOptions): { readonly x: NdArray; readonly y: NdArray } {
  const x = new Float32Array(rows * length * 2);
  const y = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    const marked = [Math.floor((next() * length) / 2), length / 2 + Math.floor((next() * length) / 2)];
    for (let t = 0; t < length; t++) {
      const v = next();
      x[(r * length + t) * 2] = v;
      if (!marked.includes(t)) continue;
      x[(r * length + t) * 2 + 1] = 1;
      y[r]! += v;
    }
  }
  return { x: { data: x, shape: [rows, length, 2] }, y: { data: y, shape: [rows, 1] } };
}

/** Symbols of `temporalOrder`: four that mean nothing, and the two that count. */
export const ORDER_SYMBOLS = 6;
/** Their orders: twice the first, the first and the second, ... */
export const ORDERS = 4;

/** Symbols that mean nothing, but for two of two kinds, in the second and in the fifth tenth: x [rows, length], y [rows] tells in which order they came. */
export function temporalOrder(next: Draw, { rows, length }: SequencesOptions): { readonly x: NdArray; readonly y: Int32Array } {
  const x = new Int32Array(rows * length);
  const y = new Int32Array(rows);
  const tenth = length / 10;
  for (let r = 0; r < rows; r++) {
    for (let t = 0; t < length; t++) x[r * length + t] = below(next, 4);
    const [first, second] = [below(next, 2), below(next, 2)];
    x[r * length + Math.floor(tenth + next() * tenth)] = 4 + first;
    x[r * length + Math.floor(4 * tenth + next() * tenth)] = 4 + second;
    y[r] = 2 * first + second;
  }
  return { x: { data: x, shape: [rows, length] }, y };
}

/** What `copying` has beside the symbols: a blank, and the sign to begin. */
export interface CopyingOptions {
  readonly rows: number;
  /** How many symbols are to be kept, of how many kinds, through how many blanks. */
  readonly kept: number;
  readonly kinds: number;
  readonly blanks: number;
}

/** Symbols (from 2), blanks (0), a sign (1), and blanks to say the symbols in: x [rows, 2 kept + blanks + 1]; y [rows, kept], the symbols from 0. */
export function copying(next: Draw, { rows, kept, kinds, blanks }: CopyingOptions): { readonly x: NdArray; readonly y: NdArray } {
  const length = 2 * kept + blanks + 1;
  const x = new Int32Array(rows * length);
  const y = new Int32Array(rows * kept);
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < kept; k++) {
      const symbol = below(next, kinds);
      x[r * length + k] = 2 + symbol;
      y[r * kept + k] = symbol;
    }
    x[r * length + kept + blanks] = 1;
  }
  return { x: { data: x, shape: [rows, length] }, y: { data: y, shape: [rows, kept] } };
}
