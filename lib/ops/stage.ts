// stage.ts: the stages of a clip policy, as statistics and updates take them: read a gradient through them, never rewrite it.
// The twin of kernels/stage.h.
import { DTypeError, ShapeError } from '../errors.ts';
import type { Graph, Tensor } from '../ir/graph.ts';
import { type RefArray, sizeOf, type TensorType, typeName } from '../ir/op.ts';

/**
 * One step between a gradient and what the optimizer sees. `scale`: times an f64 scalar, or times one value per tensor (f64 [n],
 * n the number of all gradients). The scale is rounded once to f32, or split into two factors where one f32 would lose bits; 1 changes no
 * bit. `limit`: clamp to bounds (f64 scalars or numbers); a NaN stays. `map`: `zeroNonFinite` makes NaN and infinities 0.
 */
export type Stage =
  | { readonly kind: 'scale'; readonly by: Tensor }
  | { readonly kind: 'limit'; readonly lower: Tensor | number; readonly upper: Tensor | number }
  | { readonly kind: 'map'; readonly name: 'zeroNonFinite' };

/** A stage as an attribute of an op; its operands are inputs of the op, in order. */
export type StageKind = 'scale' | 'scaleEach' | 'limit' | 'zeroNonFinite';
const CODE: Readonly<Record<StageKind, number>> = { scale: 0, scaleEach: 1, limit: 2, zeroNonFinite: 3 };
const OPERANDS: Readonly<Record<StageKind, number>> = { scale: 1, scaleEach: 1, limit: 2, zeroNonFinite: 0 };

export function stageCodes(kinds: readonly StageKind[]): number[] {
  return kinds.map((k) => CODE[k]);
}

/** Number of operands all stages have together. */
export function stageOperands(kinds: readonly StageKind[]): number {
  return kinds.reduce((n, k) => n + OPERANDS[k], 0);
}

/** Stages as attributes and inputs. */
export function splitStages(graph: Graph, stages: readonly Stage[]): { kinds: StageKind[]; ins: Tensor[] } {
  const kinds: StageKind[] = [];
  const ins: Tensor[] = [];
  const scalar = (x: Tensor | number): Tensor => (typeof x === 'number' ? graph.scalar(x, 'f64') : x);
  for (const s of stages) {
    if (s.kind === 'scale') {
      kinds.push(s.by.shape.length === 0 ? 'scale' : 'scaleEach');
      ins.push(s.by);
    } else if (s.kind === 'limit') {
      kinds.push('limit');
      ins.push(scalar(s.lower), scalar(s.upper));
    } else {
      kinds.push(s.name);
    }
  }
  return { kinds, ins };
}

/** Check the operands of stages; `tensors` is the least length of a scale per tensor. */
export function checkStages(op: string, kinds: readonly StageKind[], ins: readonly TensorType[], tensors: number): void {
  if (ins.length !== stageOperands(kinds)) {
    throw new ShapeError(`${op}: expected ${stageOperands(kinds)} operands of stages, got ${ins.length}`);
  }
  let at = 0;
  for (const kind of kinds) {
    for (let k = 0; k < OPERANDS[kind]; k++) {
      const type = ins[at++] as TensorType;
      if (type.dtype !== 'f64') throw new DTypeError(`${op}: expected f64 for stage ${kind}, got ${type.dtype}`);
      const fits = kind === 'scaleEach' ? type.shape.length === 1 && sizeOf(type.shape) >= tensors : type.shape.length === 0;
      if (!fits) {
        throw new ShapeError(
          `${op}: expected ${kind === 'scaleEach' ? `f64[${tensors}]` : 'f64[]'} for stage ${kind}, got ${typeName(type)}`,
        );
      }
    }
  }
}

/** A gradient after its stages, in f64. `bad`: zeroNonFinite met an element that is not finite. */
export function applyStages(
  kinds: readonly StageKind[],
  operands: readonly RefArray[],
  tensor: number,
  x: RefArray,
): { values: number[]; bad: boolean } {
  let values = Array.from(x);
  let bad = false;
  let at = 0;
  for (const kind of kinds) {
    const [a, b] = operands.slice(at, at + OPERANDS[kind]);
    at += OPERANDS[kind];
    if (kind === 'limit') {
      const [lower, upper] = [a?.[0] as number, b?.[0] as number];
      values = values.map((v) => Math.max(lower, Math.min(upper, v)));
    } else if (kind === 'zeroNonFinite') {
      bad ||= values.some((v) => !Number.isFinite(v));
      values = values.map((v) => (Number.isFinite(v) ? v : 0));
    } else {
      const scale = a?.[kind === 'scale' ? 0 : tensor] as number;
      values = values.map((v) => v * scale);
    }
  }
  return { values, bad };
}

/** Where the pieces of each tensor begin when each is cut into pieces of `unit` elements, and how many pieces there are. */
export function segments(sizes: readonly number[], unit: number): number[] {
  const start = [0];
  for (const n of sizes) start.push((start.at(-1) as number) + Math.ceil(n / unit));
  return start;
}
