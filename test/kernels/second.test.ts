// second.test.ts: gradients of gradients, of every op that has a gradient: against differences of the first gradient in f64, and compiled against both.
import { describe, expect, it } from 'vitest';
import { backward, grad } from '../../lib/autodiff/grad.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { type OpDef, type RefArray, type Sample, sizeOf, typeName } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { cast, mul } from '../../lib/ops/elementwise/elementwise.ts';
import { add, sum } from '../../lib/ops/index.ts';
import { ALL_OPS } from '../../lib/optim/list.ts';
import { interpret } from '../interpret.ts';
import { fillSample, runGraph } from '../run-graph.ts';

// biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
type AnyOp = OpDef<any>;

/** Refused: see the op's page. */
const REFUSED = ['attention', 'ctcLoss', 'gru', 'lstm', 'rnn'];

const isFloat = (t: { readonly dtype: string }): boolean => t.dtype === 'f32' || t.dtype === 'f64';
const waves = (length: number, k: number): Float64Array => Float64Array.from({ length }, (_, i) => Math.cos(1 + k * i * 0.7));

/** The sum of all elements of some tensors, each with a weight of its own, which are inputs. */
function weighed(graph: Graph, ts: readonly Tensor[], name: string): Tensor {
  const terms = ts.map((t, i) => {
    const s = sum(mul(t, graph.input(`${name}${i}`, t.type, 'feed')));
    return s.dtype === 'f64' ? s : cast(s, 'f64');
  });
  return terms.reduce((a, b) => add(a, b));
}

interface Twice {
  readonly graph: Graph;
  /** What is differentiated by: inputs of the op that are floats, and the gradients of its outputs. */
  readonly by: readonly Tensor[];
  /** The weighed sum of all elements of the first gradients. */
  readonly slope: Tensor;
}

/** Null where nothing of the first gradient depends on anything. */
function twice(op: AnyOp, sample: Sample<unknown>, most = Infinity): Twice | null {
  const graph = new Graph('train');
  const inputs = sample.ins.map((type, i) => graph.input(`x${i}`, type, 'feed'));
  const outs = graph.add(op, inputs, sample.attrs).outs.filter((t, i) => isFloat(t) && !op.saved?.includes(i) && i < most);
  const floats = inputs.filter(isFloat);
  if (outs.length === 0 || floats.length === 0) return null;
  const loss = weighed(graph, outs, 'w');
  const first = backward(loss, floats).gradients.filter((g) => g !== null);
  if (first.length === 0) return null;
  const by = [...floats, ...outs.map((_, i) => graph.input(`w${i}`, outs[i]!.type, 'feed'))];
  return { graph, by, slope: weighed(graph, first, 'v') };
}

function inputsOf({ graph }: Twice, sample: Sample<unknown>): Record<string, RefArray> {
  const data = fillSample(sample, 11);
  const values: Record<string, RefArray> = {};
  for (const [name, t] of graph.inputs) {
    const k = Number(name.slice(1));
    values[name] = name[0] !== 'x' ? waves(sizeOf(t.shape), k + (name[0] === 'v' ? 2 : 1)) : data[k]!;
    if (isFloat(t)) values[name] = Float64Array.from(Float32Array.from(values[name]!));
  }
  return values;
}

// Those that take the gradients of others are looked at with these: a saved statistic by itself is no function of x.
const isOwn = (op: AnyOp): boolean => !['batchNormGrad', 'layerNormGrad', 'rmsNormGrad'].includes(op.name);
const elements = ({ ins }: Sample<unknown>): number => ins.reduce((n, t) => n + sizeOf(t.shape), 0);
/** The first samples of each op that are not large: what a kernel does with those, its own tests see. */
const MOST = 5;
const cases = (ALL_OPS as readonly AnyOp[])
  .filter((op) => op.vjp && !REFUSED.includes(op.name) && isOwn(op))
  .flatMap((op) => {
    const small = op.samples().filter((sample) => !sample.noGradient && elements(sample) < 3000);
    return small
      .slice(0, MOST)
      .map((sample, i) => ({ name: `${op.name} #${i} ${sample.ins.map(typeName).join(' ')}`, op, sample }));
  });

describe('the gradient of the gradient against differences', () => {
  it.each(cases)('$name', ({ op, sample }) => {
    const made = twice(op, sample);
    if (!made) return;
    const { graph, by, slope } = made;
    const second = grad(slope, by);
    const inputs = inputsOf(made, sample);
    const run = (): Map<Tensor, RefArray> => interpret(graph, { inputs, f64: true });
    const exact = run();
    for (const [k, t] of by.entries()) {
      const name = [...graph.inputs].find(([, x]) => x === t)![0];
      const x = inputs[name]!;
      const dx = exact.get(second[k]!)!;
      const stride = Math.max(1, Math.ceil(x.length / 4));
      for (let i = 0; i < x.length; i += stride) {
        const at = x[i]!;
        const h = 1e-5 * Math.max(1, Math.abs(at));
        const [up, down] = [at + h, at - h].map((v) => {
          x[i] = v;
          return run().get(slope)![0]!;
        });
        x[i] = at;
        const want = (up! - down!) / (2 * h);
        const error = Math.abs(want - dx[i]!) / Math.max(1, Math.abs(want));
        if (!(error < 5e-5)) expect.fail(`${name} element ${i}: vjp gives ${dx[i]}, differences give ${want}`);
      }
    }
  });
});

describe('compiled, on each instruction set', () => {
  it.each(cases)('$name', ({ op, sample }) => {
    const made = twice(op, sample);
    if (!made) return;
    const { graph, by, slope } = made;
    const inputs = inputsOf(made, sample);
    const second = grad(slope, by);
    for (const [k, t] of second.entries()) graph.output(`d${k}`, t);
    const exact = interpret(graph, { inputs, f64: true, context: { seed: 5n, attempt: 3, micro: 0, micros: 1 } });
    let bits: readonly Buffer[] | null = null;
    for (const isa of addon().isas) {
      for (const threads of isa === addon().isas[0] ? [1, 3] : [2]) {
        const run = runGraph(graph, { inputs, isa, threads, seed: 5n, attempt: 3 });
        const got = second.map((_, k) => run.get(`d${k}`)!);
        for (const [k, t] of second.entries()) {
          const want = exact.get(t)!;
          const scale = Math.max(1, ...want.map(Math.abs));
          let worst = 0;
          for (const [i, v] of got[k]!.entries()) worst = Math.max(worst, Math.abs(v - want[i]!));
          expect(worst / scale, `${isa} x${threads} gradient ${k}`).toBeLessThan(1e-4);
        }
        if (isa === 'x86_64') continue;
        const raw = got.map((x) => Buffer.from(x.buffer, x.byteOffset, x.byteLength));
        bits ??= raw.map((b) => Buffer.from(b));
        expect(
          raw.every((b, k) => b.equals(bits![k]!)),
          `bits of ${isa} x${threads}`,
        ).toBe(true);
      }
    }
  });
});

describe('refused', () => {
  it.each(REFUSED)('%s', (name) => {
    const op = (ALL_OPS as readonly AnyOp[]).find((o) => o.name === name)!;
    const [sample] = op.samples();
    const { slope, by } = twice(op, sample!, 1)!;
    expect(() => grad(slope, by)).toThrow(`grad: the gradient of ${name} has no gradient of its own`);
  });
});

it('of a third time as well', () => {
  for (const name of ['layerNorm', 'softmax', 'gelu', 'silu', 'sigmoid', 'conv2d', 'conv3d', 'scan']) {
    const op = (ALL_OPS as readonly AnyOp[]).find((o) => o.name === name)!;
    const made = twice(op, op.samples()[0]!)!;
    const second = grad(made.slope, made.by);
    const bent = weighed(made.graph, second, 'u');
    expect(grad(bent, made.by).length, name).toBe(made.by.length);
  }
});
