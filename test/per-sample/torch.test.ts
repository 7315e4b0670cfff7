// torch.test.ts: the norms of single samples' gradients are PyTorch's in f64, for every layer and model of the parity table whose samples are rows
// (golden/privacy/samples.json, by `npm run -s parity -- --samples`).
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { sizeOf } from '../../lib/ir/op.ts';
import { bindParameters } from '../../lib/nn/module/module.ts';
import { add, mean, mul } from '../../lib/ops/index.ts';
import { uniform } from '../golden/runs/recipe.ts';
import { type ParityCase, valuesOf } from '../parity/case.ts';
import { CASES } from '../parity/cases/index.ts';
import { moduleOf } from '../parity/ours.ts';
import { type Case, type Given, normsTogether } from './traced.ts';

type Norms = Readonly<Record<string, readonly number[]>>;
const KEPT = JSON.parse(readFileSync(new URL('../golden/privacy/samples.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, Norms>
>;

/** Outputs times fixed numbers, of which the loss is the mean: those of `samples.py`, as a part of the batch, since each row has its own. */
function caseOf(of: ParityCase): Case {
  const batch: Record<string, Given> = {};
  for (const [k, [name, input]] of Object.entries(of.inputs).entries()) {
    batch[name] = { dtype: input.below === undefined ? 'f32' : 'i32', shape: input.shape, data: valuesOf(input, k) };
  }
  for (const [k, shape] of outputsOf(of).entries()) {
    batch[`direction ${k}`] = { dtype: 'f32', shape, data: uniform(500 + k, sizeOf(shape)) };
  }
  return {
    model: moduleOf(of),
    batch,
    loss: (given, model) => {
      const outs = forward(of, model as never, given);
      return outs.map((out, k) => mean(mul(out, given[`direction ${k}`]!), { dtype: 'f64' })).reduce((a, b) => add(a, b));
    },
  };
}

function forward(of: ParityCase, model: ReturnType<ParityCase['module']>, given: Readonly<Record<string, Tensor>>): Tensor[] {
  const inputs = Object.fromEntries(Object.keys(of.inputs).map((name) => [name, given[name]!]));
  if (of.run) return Object.values(of.run(model, inputs));
  const y = (model.forward as (...ins: Tensor[]) => unknown).apply(model, Object.values(inputs));
  return [y as Tensor];
}

/** What it gives, as shapes. */
function outputsOf(of: ParityCase): (readonly number[])[] {
  const graph = new Graph('train');
  const model = of.module();
  const given = Object.entries(of.inputs).map(([name, { shape, below }]) => {
    return [name, graph.input(name, { dtype: below === undefined ? 'f32' : 'i32', shape }, 'feed')] as const;
  });
  const unbind = bindParameters(graph, model);
  try {
    return forward(of, model, Object.fromEntries(given)).map(({ shape }) => shape);
  } finally {
    unbind();
  }
}

it('knows the norms of most cases', () => {
  expect(Object.keys(KEPT).length).toBeGreaterThan(50);
  expect(Object.keys(KEPT).filter((name) => !(name in CASES))).toEqual([]);
});

it.each(Object.keys(KEPT))('%s', (name) => {
  const truth = KEPT[name]!;
  const { each } = normsTogether(caseOf(CASES[name]!));
  expect(Object.keys(each).sort()).toEqual(Object.keys(truth).sort());
  const wholes = Object.values(truth)[0]!.map((_, i) => Math.hypot(...Object.values(truth).map((of) => of[i]!)));
  for (const [parameter, norms] of Object.entries(truth)) {
    for (const [i, norm] of norms.entries()) {
      const off = Math.abs(each[parameter]![i]! - norm) / wholes[i]!;
      if (!(off <= 1e-6)) throw new Error(`${parameter}, sample ${i}: ${each[parameter]![i]}, expected ${norm}`);
    }
  }
});
