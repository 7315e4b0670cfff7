// ops-torch.test.ts: every op of `ops` against PyTorch: values, gradients and their gradients, by the refs in f64 and the kernels of every ISA.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { type DType, sizeOf } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { cast } from '../../lib/ops/elementwise/elementwise.ts';
import { add, mul, sum } from '../../lib/ops/index.ts';
import { interpret } from '../interpret.ts';
import { runGraph } from '../run-graph.ts';
import { GIVEN_NAMES, twinOf } from './ops-torch.ts';

type Numbers = readonly (number | string)[];
interface Case {
  readonly name: string;
  readonly ins: readonly { readonly dtype: DType; readonly shape: number[]; readonly data: Numbers }[];
  readonly outs: readonly { readonly shape: number[]; readonly data: Numbers }[];
  readonly grads: readonly (Numbers | null)[];
  /** Gradients of the gradients, null by inputs that they do not depend on; null in all where the library refuses them. */
  readonly seconds: readonly (Numbers | null)[] | null;
}
const golden = JSON.parse(readFileSync(new URL('../golden/ops/ops.json', import.meta.url), 'utf8')) as { cases: Case[] };
const numbers = (x: Numbers): number[] => x.map((v) => (typeof v === 'string' ? Number(v.replace('inf', 'Infinity')) : v));
const float = (t: Tensor): boolean => t.dtype === 'f32' || t.dtype === 'f64';

/** Constants that their records round to f32: a factor of the gradient, sines and cosines. PyTorch's own is the sixth of hardsigmoid. */
const ROUNDED: ReadonlySet<string> = new Set(['erf', 'gelu', 'gelu tanh', 'rotary', 'selu', 'hardsigmoid']);

/** Where a gradient of the gradient is not PyTorch's, and what it is. Of the norm of zeros, which has no slope at 0, all are 0; PyTorch's is NaN. */
const ELSEWHERE: Readonly<Record<string, (second: number) => number>> = {
  'norm of zeros': (second) => (Number.isNaN(second) ? 0 : second),
};

function close(got: ArrayLike<number>, want: Numbers, tolerance: number, what: string): void {
  const values = numbers(want);
  expect(got.length, what).toBe(values.length);
  for (const [i, w] of values.entries()) {
    const g = got[i]!;
    if (Object.is(g, w) || g === w || (Number.isNaN(g) && Number.isNaN(w))) continue;
    expect(Math.abs(g - w), `${what}, element ${i}: ${g} and ${w}`).toBeLessThan(tolerance * Math.max(1, Math.abs(w)));
  }
}

test('each twin has a case', () => {
  const names = golden.cases.map((c) => c.name);
  expect(new Set(names).size).toBe(names.length);
  expect(GIVEN_NAMES.filter((name) => !names.includes(name))).toEqual([]);
});

/** The sum of make_ops.py: every element of every tensor of floats with a weight of its own. */
function weighed(ts: readonly Tensor[], wave: (at: number) => number): Tensor {
  const terms = ts.filter(float).map((t) => {
    const weights = Float64Array.from({ length: sizeOf(t.shape) }, (_, i) => wave(i + 1));
    return sum(mul(cast(t, 'f64'), t.graph.constant(weights, t.shape, 'f64')));
  });
  return terms.reduce((a, b) => add(a, b));
}

test.each(golden.cases)('$name', ({ name, ins, outs, grads, seconds }) => {
  const graph = new Graph('train');
  const inputs = ins.map(({ dtype, shape }, i) => graph.input(`x${i}`, { dtype, shape }, 'feed'));
  const made = twinOf(name)(...inputs);
  const ys = Array.isArray(made) ? (made as readonly Tensor[]) : [made as Tensor];
  for (const [o, y] of ys.entries()) expect(y.shape, `shape of output ${o}`).toEqual(outs[o]!.shape);
  const expected = ys.map((y, o): [string, Tensor, Numbers] => [`output ${o}`, y, outs[o]!.data]);
  const by = [...inputs.keys()].filter((i) => grads[i]);
  if (by.length > 0) {
    const wanted = by.map((i) => inputs[i]!);
    const first = grad(weighed(ys, Math.cos), wanted);
    for (const [k, i] of by.entries()) expected.push([`gradient of input ${i}`, first[k]!, grads[i]!]);
    const slope = weighed(first, Math.sin);
    if (seconds) {
      const second = grad(slope, wanted);
      for (const [k, i] of by.entries()) {
        const theirs = seconds[i] ? numbers(seconds[i]) : grads[i]!.map(() => 0);
        const want = theirs.map((v) => ELSEWHERE[name]?.(v) ?? v);
        expected.push([`gradient of the gradient by input ${i}`, second[k]!, want]);
      }
    } else {
      expect(() => grad(slope, wanted)).toThrow('has no gradient of its own');
    }
  }
  const data = Object.fromEntries(ins.map((x, i) => [`x${i}`, Float64Array.from(numbers(x.data))]));
  const exact = interpret(graph, { inputs: data, f64: true });
  for (const [what, t, want] of expected) close(exact.get(t)!, want, ROUNDED.has(name) ? 1e-7 : 1e-9, what);
  for (const [k, [, t]] of expected.entries()) graph.output(`y${k}`, t);
  for (const isa of addon().isas) {
    const run = runGraph(graph, { inputs: data, isa });
    for (const [k, [what, , want]] of expected.entries()) close(run.get(`y${k}`)!, want, 2e-5, `${what} on ${isa}`);
  }
});
