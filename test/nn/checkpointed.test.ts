// checkpointed.test.ts: what a backward pass computes again has the bits of what is kept, layer by layer, and less is kept; gradients of gradients,
// and gradients that a checkpointed part takes itself.
import { expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { compile } from '../../lib/compile/compile.ts';
import type { Program } from '../../lib/compile/program.ts';
import { GraphError, OptionError } from '../../lib/errors.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { checkpoint } from '../../lib/ir/recompute.ts';
import { target } from '../../lib/native/program.ts';
import * as nn from '../../lib/nn/index.ts';
import { bindParameters, type Module } from '../../lib/nn/module/module.ts';
import { add, cast, dropout, matmul, mul, relu, square, sub, sum, tanh } from '../../lib/ops/index.ts';
import { uniformNumber } from '../../lib/ops/random.ts';
import { runGraph } from '../run-graph.ts';
import { arraysOf } from '../torture/data.ts';
import { drawProgram, names } from '../torture/draw.ts';
import { LAYERS } from '../torture/layers/index.ts';
import { makeNetwork } from '../torture/network.ts';

const normal = (length: number, seed = 1): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(seed + 12.9898 * i) * Math.cos(78.233 * i * i));

/** A weighted sum, so that each element has a gradient of its own. */
const weighed = (y: Tensor): Tensor => {
  const flat = normal(
    y.shape.reduce((a, b) => a * b, 1),
    5,
  );
  return sum(mul(y, y.graph.constant(flat, y.shape, 'f32')));
};

/** The first program whose turn it is to have a layer in it, and a loss of its own that needs nothing else. */
function programWith(name: string): ReturnType<typeof drawProgram> {
  for (let seed = 0; ; seed++) {
    const spec = drawProgram(seed);
    if (names(spec.layers).includes(name) && spec.input.source === 'rows') return spec;
  }
}

it.each(Object.keys(LAYERS))('%s: the gradients of a network that has it', (name) => {
  const spec = programWith(name);
  const made = makeNetwork(spec);
  const { network } = made;
  network.initialize(7);
  const arrays = arraysOf({ ...spec, rows: 5 }, made) as Record<string, { data: Float32Array; shape: number[] }>;
  const run = (again: boolean): Map<string, unknown> => {
    const graph = new Graph('train');
    const dtype = (data: object): 'f32' | 'i32' | 'u8' =>
      data instanceof Float32Array ? 'f32' : data instanceof Uint8Array ? 'u8' : 'i32';
    const batch = Object.fromEntries(
      Object.entries(arrays).map(([key, { data, shape }]) => [key, graph.input(key, { dtype: dtype(data), shape }, 'feed')]),
    );
    const unbind = bindParameters(graph, network);
    try {
      const y = again ? checkpoint(graph, () => network.forward(batch as never)) : network.forward(batch as never);
      const params = [...network.parameters().map((p) => p.toTensor()), ...(batch.x!.dtype === 'f32' ? [batch.x!] : [])];
      const gradients = grad(weighed(y), params);
      for (const [i, g] of gradients.entries()) graph.output(`g${i}`, g);
    } finally {
      unbind();
    }
    expect(graph.nodes.some((node) => node.round > 0)).toBe(again);
    const inputs = Object.fromEntries(Object.entries(arrays).map(([key, { data }]) => [key, data]));
    return runGraph(graph, { inputs, threads: again ? 3 : 1, seed: 11n, attempt: 2 });
  };
  expect(run(true)).toEqual(run(false));
});

class Block extends nn.Module {
  up: nn.Linear = new nn.Linear(8, 32);
  down: nn.Linear = new nn.Linear(32, 8);
  forward(x: Tensor): Tensor {
    return add(x, this.down.forward(dropout(tanh(this.up.forward(x)), 0.3)));
  }
}

/** Blocks one after the other, each by `around`, and the outputs of `made` from what they give. */
function chain(
  around: (block: Block, x: Tensor) => Tensor,
  made: (y: Tensor, x: Tensor, model: Module) => readonly Tensor[],
): Graph {
  const model = new nn.Sequential(...Array.from({ length: 6 }, () => new Block()));
  model.initialize(3);
  const graph = new Graph('train');
  const x = graph.input('x', { dtype: 'f32', shape: [64, 8] }, 'feed');
  const unbind = bindParameters(graph, model);
  try {
    const y = [...model.namedModules()].reduce((h, [, m]) => (m instanceof Block ? around(m, h) : h), x);
    for (const [i, t] of made(y, x, model).entries()) graph.output(`o${i}`, t);
  } finally {
    unbind();
  }
  return graph;
}
const kept = (block: Block, x: Tensor): Tensor => block.forward(x);
const again = (block: Block, x: Tensor): Tensor => nn.checkpointed((h: Tensor) => block.forward(h), x);
const inputs = { x: normal(64 * 8) };
const gradients = (y: Tensor, _: Tensor, model: Module): readonly Tensor[] =>
  grad(
    weighed(y),
    model.parameters().map((p) => p.toTensor()),
  );

it('one block is alive at a time, computed again just before its gradients', () => {
  const [plain, checkpointed] = [kept, again].map((around) => compile(chain(around, gradients), target()));
  // What six blocks keep, or one; gradients of the weights lie in the report.
  expect(checkpointed!.arenaBytes).toBeLessThan(0.4 * plain!.arenaBytes);
  const products = ({ instrs }: Program): number => instrs.filter(({ kernel }) => kernel === 'matmul').length;
  // A block's second product is read by no gradient; and of the last block, as nobody asks for the loss, nothing but what is computed again.
  expect(products(checkpointed!)).toBe(products(plain!) + 5);
});

it('gradients of gradients have the same bits', () => {
  const penalized = (y: Tensor, x: Tensor, model: Module): readonly Tensor[] => {
    const [dx] = grad(weighed(y), [x]);
    const penalty = sum(square(sub(square(dx!), 1)));
    const params = model.parameters().map((p) => p.toTensor());
    return [dx!, ...grad(add(penalty, weighed(y)), params), ...grad(penalty, [dx!, y])];
  };
  expect(runGraph(chain(again, penalized), { inputs })).toEqual(runGraph(chain(kept, penalized), { inputs }));
});

it('a part that takes gradients itself', () => {
  const own = (block: Block, x: Tensor): Tensor => {
    const energy = sum(square(block.forward(x)));
    return sub(x, mul(grad(energy, [x])[0]!, 0.01));
  };
  const both = [own, (block: Block, x: Tensor) => nn.checkpointed(own, block, x)];
  const [a, b] = both.map((around) => runGraph(chain(around, gradients), { inputs }));
  expect(b).toEqual(a);
});

it('one within another is a part of it, and each call of a module is one of its own', () => {
  const nested = (block: Block, x: Tensor): Tensor => nn.checkpointed((h: Tensor) => again(block, again(block, h)), x);
  const twice = (block: Block, x: Tensor): Tensor => again(block, again(block, x));
  const plain = (block: Block, x: Tensor): Tensor => kept(block, kept(block, x));
  const reference = runGraph(chain(plain, gradients), { inputs });
  for (const around of [nested, twice]) expect(runGraph(chain(around, gradients), { inputs })).toEqual(reference);
  const rounds = (graph: Graph): number => Math.max(...graph.nodes.map((node) => node.round));
  expect(rounds(chain(nested, gradients))).toBe(6);
  expect(rounds(chain(twice, gradients))).toBe(12);
});

it('what gives no gradient is not computed again', () => {
  const graph = chain(again, (y) => [weighed(y)]);
  expect(graph.nodes.every((node) => node.round === 0)).toBe(true);
});

it('draws that read nothing are the same', () => {
  const of = (around: (graph: Graph, build: () => Tensor) => Tensor): Map<string, unknown> => {
    const graph = new Graph('train');
    const x = graph.input('x', { dtype: 'f32', shape: [4, 4] }, 'feed');
    const draw = (): Tensor => cast(uniformNumber(graph), 'f32');
    const y = around(graph, () => matmul(relu(mul(x, draw())), mul(x, draw())));
    graph.output('dx', grad(sum(y), [x])[0]!);
    return runGraph(graph, { inputs: { x: normal(16) }, seed: 3n, attempt: 8 });
  };
  expect(of(checkpoint)).toEqual(of((_, build) => build()));
});

it('needs a tensor, to know where', () => {
  expect(() => nn.checkpointed(() => 1)).toThrow(OptionError);
  expect(() => nn.checkpointed((n: number) => n, 3)).toThrow('nn.checkpointed: argument inputs: expected some tensor among them');
  expect(() => nn.checkpointed(3 as never)).toThrow('nn.checkpointed: argument forward: expected a function');
});

it('an error within it ends it', () => {
  const graph = new Graph('train');
  const x = graph.input('x', { dtype: 'f32', shape: [2, 2] }, 'feed');
  expect(() => nn.checkpointed((h: Tensor) => matmul(h, new Graph().scalar(1)), x)).toThrow(GraphError);
  const y = nn.checkpointed((h: Tensor) => tanh(h), x);
  graph.output('dx', grad(sum(y), [x])[0]!);
  expect(graph.nodes.some((node) => node.round > 0)).toBe(true);
});
