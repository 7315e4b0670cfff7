// teacher.ts: rows whose targets are what a network of one hidden layer, drawn by the seed, makes of them.
import { tanh } from '../../math/index.ts';
import { type Draw, filled, normal } from './draws.ts';

/** From inputs to outputs: weights drawn, fixed. */
export type Teacher = (x: Float32Array, at: number, out: Float32Array, to: number) => void;

/** A teacher of `inputs` numbers through `hidden` units to `outputs` numbers of about variance 1. */
export function teacher(drawn: Draw, inputs: number, hidden: number, outputs: number): Teacher {
  const first = filled(inputs * hidden, () => (2 * normal(drawn)) / Math.sqrt(inputs));
  const second = filled(hidden * outputs, () => (1.3 * normal(drawn)) / Math.sqrt(hidden));
  const inner = new Float64Array(hidden);
  return (x, at, out, to) => {
    for (let h = 0; h < hidden; h++) {
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += x[at + i]! * first[h * inputs + i]!;
      inner[h] = tanh(sum);
    }
    for (let o = 0; o < outputs; o++) {
      let sum = 0;
      for (let h = 0; h < hidden; h++) sum += inner[h]! * second[o * hidden + h]!;
      out[to + o] = sum;
    }
  };
}

/** Normal rows [rows, inputs], and what the teacher makes of them. */
export function taught(
  next: Draw,
  of: Teacher,
  { rows, inputs, outputs }: { readonly rows: number; readonly inputs: number; readonly outputs: number },
): { readonly x: Float32Array; readonly y: Float32Array } {
  const x = filled(rows * inputs, () => normal(next));
  const y = new Float32Array(rows * outputs);
  for (let r = 0; r < rows; r++) of(x, r * inputs, y, r * outputs);
  return { x, y };
}

/** The class of each row: which of its outputs is the largest. */
export function classesOf(y: Float32Array, outputs: number): Int32Array {
  return Int32Array.from({ length: y.length / outputs }, (_, r) => {
    let best = 0;
    for (let o = 1; o < outputs; o++) if (y[r * outputs + o]! > y[r * outputs + best]!) best = o;
    return best;
  });
}
