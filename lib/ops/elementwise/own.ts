// own.ts: elementwise rules of one's own: a function of tensors as a chain that a kernel runs on blocks of what it has at hand (an update, a
// stage of a clip policy). The twin of kernels/elementwise/chain.h.
import { CONSTANT, Graph, isOp, type Node, type Tensor } from '../../ir/graph.ts';
import type { MapArg } from './chain.ts';
import { partsOf } from './compounds.ts';
import { rowOf } from './maps.ts';

/** Steps read the vectors, then uniform numbers that are given, or earlier steps. All is f32; what is given is f64, rounded once. */
export interface OwnChain {
  readonly vectors: number;
  readonly given: number;
  readonly steps: readonly OwnStep[];
  readonly outs: readonly OwnArg[];
}
/** An input, or what an earlier step gave. */
export type OwnArg = { readonly in: number } | { readonly step: number };
export interface OwnStep {
  /** Its name in maps.ts. */
  readonly map: string;
  readonly args: readonly OwnArg[];
}

/** What kernels hold: kChain... in chain.h. */
const MOST = { uniforms: 96, steps: 64, temporaries: 24 } as const;

/** A chain, and the constants that stand behind the numbers that it was traced with; or why there is none. */
export type Traced = { readonly chain: OwnChain; readonly constants: readonly number[] } | { readonly reason: string };

/**
 * What `outs` are computed by, where that is elementwise operations alone.
 * @param vectors tensors of one shape, the first registers
 * @param given scalars, the next ones
 */
export function traceChain(outs: readonly Tensor[], vectors: readonly Tensor[], given: readonly Tensor[]): Traced {
  const known = new Map<Tensor, OwnArg>([...vectors, ...given].map((t, i) => [t, { in: i }]));
  const constants: number[] = [];
  const steps: OwnStep[] = [];
  const made = new Map<string, OwnArg>();
  const first = vectors.length + given.length;
  let reason: string | null = null;
  const constant = (value: number): OwnArg => {
    let at = constants.findIndex((c) => Object.is(c, value));
    if (at < 0) at = constants.push(value) - 1;
    return { in: first + at };
  };
  const push = (step: OwnStep): OwnArg => {
    const key = JSON.stringify(step);
    const arg = made.get(key) ?? { step: steps.push(step) - 1 };
    made.set(key, arg);
    return arg;
  };
  const parts = (node: Node): OwnArg => {
    const ins = node.ins.map(read);
    const own: OwnArg[] = [];
    const of = (a: MapArg): OwnArg => (typeof a === 'number' ? constant(a) : 'in' in a ? ins[a.in]! : own[a.step]!);
    for (const { map, args } of partsOf(node)) own.push(push({ map, args: args.map(of) }));
    return own.at(-1)!;
  };
  const read = (t: Tensor): OwnArg => {
    const found = known.get(t);
    if (found) return found;
    const { node } = t;
    let arg: OwnArg = { in: 0 };
    if (isOp(node, CONSTANT) && t.dtype === 'f32' && t.shape.length === 0) arg = constant(node.attrs.data[0] as number);
    else if (node.op.compound && t.dtype === 'f32') arg = parts(node);
    else if (node.op.map === undefined || t.dtype !== 'f32') reason ??= node.op.name;
    else {
      // The condition of a choice last: the kernel makes a comparison and the choice by it in one.
      if (node.op.map === 'where') for (const t of node.ins.slice(1)) read(t);
      arg = push({ map: node.op.map, args: node.ins.map(read) });
    }
    known.set(t, arg);
    return arg;
  };
  const args = outs.map(read);
  if (reason !== null) return { reason };
  const chain = { vectors: vectors.length, given: given.length + constants.length, steps, outs: args };
  return fits(chain) ? { chain, constants } : { reason: `a chain of ${steps.length} operations` };
}

/** Inputs of a graph of its own, to trace a function with: vectors of a shape, and scalars. */
export function traceInputs(shape: readonly number[], vectors: number, given: number): { vectors: Tensor[]; given: Tensor[] } {
  const graph = new Graph('train');
  const inputs = (name: string, count: number, shape: readonly number[]): Tensor[] =>
    Array.from({ length: count }, (_, i) => graph.input(`${name}.${i}`, { dtype: 'f32', shape }, 'data'));
  return { vectors: inputs('vector', vectors, shape), given: inputs('number', given, []) };
}

interface Laid {
  /** Of each step, whether it reads uniform numbers alone. */
  readonly uniform: readonly boolean[];
  /** The register of each step. */
  readonly at: readonly number[];
  readonly temporaries: number;
}

/** A register for each step: what is computed of uniform numbers has its own, others take one whose value was read for the last time. */
function layOut({ vectors, given, steps, outs }: OwnChain): Laid {
  const uniform: boolean[] = [];
  for (const { args } of steps) uniform.push(args.every((a) => ('in' in a ? a.in >= vectors : uniform[a.step]!)));
  const uniforms = uniform.filter(Boolean).length;
  const lastUse = steps.map((_, i) => i);
  steps.forEach((s, i) => {
    for (const a of s.args) if ('step' in a) lastUse[a.step] = i;
  });
  for (const a of outs) if ('step' in a) lastUse[a.step] = steps.length;
  const busyUntil: number[] = [];
  let next = vectors + given;
  const at = steps.map((_, i) => {
    if (uniform[i]) return next++;
    let t = busyUntil.findIndex((until) => until <= i);
    if (t < 0) t = busyUntil.length;
    busyUntil[t] = lastUse[i]!;
    return vectors + given + uniforms + t;
  });
  return { uniform, at, temporaries: busyUntil.length };
}

function fits(chain: OwnChain): boolean {
  const { uniform, temporaries } = layOut(chain);
  const uniforms = uniform.filter(Boolean).length;
  return chain.given + uniforms <= MOST.uniforms && uniform.length - uniforms <= MOST.steps && temporaries <= MOST.temporaries;
}

/** The integers that a kernel takes for a chain. */
export function chainInts(chain: OwnChain, mapIndex: (name: string) => number): number[] {
  const { vectors, given, steps, outs } = chain;
  const { uniform, at, temporaries } = layOut(chain);
  const register = (a: OwnArg): number => ('in' in a ? a.in : at[a.step]!);
  // An operation that reads fewer than three registers is given register 0 for the others.
  const args = (s: OwnStep): number[] => [0, 1, 2].map((k) => (s.args[k] ? register(s.args[k]) : 0));
  const ofUniform = steps.filter((_, i) => uniform[i]);
  const firstTemporary = vectors + given + ofUniform.length;
  return [
    ...[vectors, given, ofUniform.length, steps.length - ofUniform.length, temporaries, outs.length],
    ...ofUniform.flatMap((s) => [mapIndex(s.map), ...args(s)]),
    ...steps.flatMap((s, i) => (uniform[i] ? [] : [mapIndex(s.map), at[i]! - firstTemporary, ...args(s)])),
    ...outs.map(register),
  ];
}

/** The meaning of a chain: results of one element, in f64. */
export function runChain({ steps, outs }: OwnChain, inputs: readonly number[]): number[] {
  const values: number[] = [];
  const read = (a: OwnArg): number => ('in' in a ? inputs[a.in]! : values[a.step]!);
  for (const { map, args } of steps) {
    const [a = Number.NaN, b = Number.NaN, c = Number.NaN] = args.map(read);
    values.push(rowOf(map).of(a, b, c));
  }
  return outs.map(read);
}
