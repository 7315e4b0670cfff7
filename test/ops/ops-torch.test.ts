// ops-torch.test.ts: every op of `ops` against PyTorch: values and gradients, by the refs in f64 and by the kernels of every ISA.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { grad } from '../../lib/autodiff.ts';
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
}
const golden = JSON.parse(readFileSync(new URL('../golden/ops/ops.json', import.meta.url), 'utf8')) as { cases: Case[] };
const numbers = (x: Numbers): number[] => x.map((v) => (typeof v === 'string' ? Number(v.replace('inf', 'Infinity')) : v));
const float = (t: Tensor): boolean => t.dtype === 'f32' || t.dtype === 'f64';

/** Constants that their records round to f32: a factor of the gradient, sines and cosines. PyTorch's own is the sixth of hardsigmoid. */
const ROUNDED: ReadonlySet<string> = new Set(['erf', 'rotary', 'selu', 'hardsigmoid']);

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

test.each(golden.cases)('$name', ({ name, ins, outs, grads }) => {
  const graph = new Graph('train');
  const inputs = ins.map(({ dtype, shape }, i) => graph.input(`x${i}`, { dtype, shape }, 'feed'));
  const made = twinOf(name)(...inputs);
  const ys = Array.isArray(made) ? (made as readonly Tensor[]) : [made as Tensor];
  for (const [o, y] of ys.entries()) expect(y.shape, `shape of output ${o}`).toEqual(outs[o]!.shape);
  // The loss of make_ops.py: every element of every output with a weight of its own.
  const terms = ys.filter(float).map((y) => {
    const n = sizeOf(y.shape);
    const weights = graph.constant(
      Float64Array.from({ length: n }, (_, i) => Math.cos(i + 1)),
      y.shape,
      'f64',
    );
    return sum(mul(cast(y, 'f64'), weights));
  });
  const wanted = inputs.filter((_, i) => grads[i]);
  const gradients =
    wanted.length > 0
      ? grad(
          terms.reduce((a, b) => add(a, b)),
          wanted,
        )
      : [];
  const expected = [
    ...ys.map((y, o) => [`output ${o}`, y, outs[o]!.data] as const),
    ...gradients.map(
      (g, k) => [`gradient of input ${inputs.indexOf(wanted[k]!)}`, g, grads[inputs.indexOf(wanted[k]!)]!] as const,
    ),
  ];
  const data = Object.fromEntries(ins.map((x, i) => [`x${i}`, Float64Array.from(numbers(x.data))]));
  const exact = interpret(graph, { inputs: data, f64: true });
  for (const [what, t, want] of expected) close(exact.get(t)!, want, ROUNDED.has(name) ? 1e-7 : 1e-9, what);
  for (const [k, [, t]] of expected.entries()) graph.output(`y${k}`, t);
  for (const isa of addon().isas) {
    const run = runGraph(graph, { inputs: data, isa });
    for (const [k, [what, , want]] of expected.entries()) close(run.get(`y${k}`)!, want, 2e-5, `${what} on ${isa}`);
  }
});
