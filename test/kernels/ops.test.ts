// ops.test.ts: every op, enumerated: kernel against ref on each ISA and team size, gradient against finite differences in f64.
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { type OpDef, type RefArray, type Sample, sizeOf, typeName } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { cast, mul } from '../../lib/ops/elementwise/elementwise.ts';
import { add, sum } from '../../lib/ops/index.ts';
import { ALL_OPS } from '../../lib/optim/list.ts';
import { allocate, interpret } from '../interpret.ts';
import { fillSample, runGraph } from '../run-graph.ts';

// biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
type AnyOp = OpDef<any>;
type AnySample = Sample<unknown>;

const cases = ALL_OPS.flatMap((op: AnyOp) =>
  op.samples().map((sample, i) => ({ name: `${op.name} #${i} ${sample.ins.map(typeName).join(' ')}`, op, sample })),
);

/** A graph whose inputs are the sample's and whose outputs are the op's. */
function graphOf(op: AnyOp, sample: AnySample): { graph: Graph; inputs: Tensor[]; outs: readonly Tensor[] } {
  const graph = new Graph('train');
  const inputs = sample.ins.map((type, i) => graph.input(`x${i}`, type, 'feed'));
  if (op.skippable) graph.section = 'apply';
  const outs = graph.add(op, inputs, sample.attrs).outs;
  for (const [i, t] of outs.entries()) graph.output(`y${i}`, t);
  return { graph, inputs, outs };
}

it('every op has samples', () => {
  expect(ALL_OPS.length).toBeGreaterThan(30);
  for (const op of ALL_OPS) expect(op.samples().length, op.name).toBeGreaterThan(0);
  expect(new Set(ALL_OPS.map((op) => op.name)).size).toBe(ALL_OPS.length);
});

describe('kernel against ref', () => {
  it.each(cases.filter(({ op }) => !op.effect))('$name', async ({ op, sample }) => {
    const { graph, outs } = graphOf(op, sample);
    const data = fillSample(sample, 7);
    const inputs = Object.fromEntries(data.map((d, i) => [`x${i}`, d]));
    const context = { seed: 5n, attempt: 3, micro: 0, micros: 1 };
    const truth = interpret(graph, { inputs, f64: true, context });
    const bits = new Map<string, Buffer>();
    for (const isa of addon().isas) {
      for (const threads of [1, 6]) {
        const run = runGraph(graph, { inputs, isa, threads, seed: 5n, attempt: 3, fuse: false });
        for (const [i, t] of outs.entries()) {
          const got = run.get(`y${i}`)!;
          compare(got, truth.get(t)!, sample.tolerance ?? 2e-6, `${isa} x${threads} output ${i}`);
          const raw = Buffer.from(got.buffer, got.byteOffset, got.byteLength);
          const key = `${isa === 'x86_64' ? isa : 'fma'} ${i}`;
          const known = bits.get(key);
          if (known) expect(raw.equals(known), `bits of output ${i} on ${isa} with ${threads} threads`).toBe(true);
          else bits.set(key, Buffer.from(raw));
        }
      }
    }
  });
});

function compare(got: RefArray, want: RefArray, tolerance: number, what: string): void {
  expect(got.length, what).toBe(want.length);
  for (let i = 0; i < got.length; i++) {
    const [g, w] = [got[i]!, want[i]!];
    if (Object.is(g, w) || (Number.isNaN(g) && Number.isNaN(w))) continue;
    const error = Math.abs(g - w) / Math.max(1, Math.abs(w));
    if (!(error <= tolerance)) expect.fail(`${what} at ${i}: got ${g}, expected ${w} (error ${error})`);
  }
}

describe('gradient against finite differences', () => {
  const differentiable = cases.filter(
    ({ op, sample }) => op.vjp && !sample.noGradient && sample.ins.some((t) => isFloat(t.dtype)),
  );
  it.each(differentiable)('$name', ({ op, sample }) => {
    const { graph, inputs, outs } = graphOf(op, sample);
    const loss = weightedSum(
      graph,
      outs.filter((_, i) => !op.saved?.includes(i)),
    );
    const floats = inputs.filter((t) => isFloat(t.dtype));
    const gradients = grad(loss, floats);
    const data = fillSample(sample, 11).map((d, i) => (isFloat(sample.ins[i]!.dtype) ? Float64Array.from(d) : d));
    const weights = outs.map((t, i) => waves(sizeOf(t.shape), i + 1));
    const inputsOf = (): Record<string, RefArray> =>
      Object.fromEntries([...data.map((d, i) => [`x${i}`, d] as const), ...weights.map((w, i) => [`w${i}`, w] as const)]);
    const lossAt = (): number => interpret(graph, { inputs: inputsOf(), f64: true }).get(loss)![0]!;
    const values = interpret(graph, { inputs: inputsOf(), f64: true });
    for (const [k, t] of floats.entries()) {
      const x = data[inputs.indexOf(t)]!;
      const dx = values.get(gradients[k]!)!;
      // Large samples: a spread of elements.
      const stride = Math.max(1, Math.ceil(x.length / 24));
      for (let i = 0; i < x.length; i += stride) {
        const at = x[i]!;
        const h = 1e-5 * Math.max(1, Math.abs(at));
        x[i] = at + h;
        const up = lossAt();
        x[i] = at - h;
        const down = lossAt();
        x[i] = at;
        const slope = (up - down) / (2 * h);
        const error = Math.abs(slope - dx[i]!) / Math.max(1, Math.abs(slope));
        if (!(error < 2e-5)) expect.fail(`input ${k} element ${i}: vjp gives ${dx[i]}, differences give ${slope}`);
      }
    }
  });
});

const isFloat = (dtype: string): boolean => dtype === 'f32' || dtype === 'f64';

/** A scalar that depends on every output element with its own weight. */
function weightedSum(graph: Graph, outs: readonly Tensor[]): Tensor {
  const terms = outs.flatMap((t, i) => {
    if (!isFloat(t.dtype)) return [];
    const w = graph.input(`w${i}`, t.type, 'feed');
    const s = sum(mul(t, w));
    return [s.dtype === 'f64' ? s : cast(s, 'f64')];
  });
  return terms.reduce((a, b) => add(a, b));
}

function waves(length: number, k: number): RefArray {
  return allocate('f64', length).map((_: number, i: number) => Math.cos(1 + k * i * 0.7)) as RefArray;
}
