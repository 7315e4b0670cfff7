// drawn.test.ts: random numbers in a graph: their law, that counters alone decide, in training and in prediction; and where gradients stop.
import { describe, expect, it } from 'vitest';
import { grad } from '../../lib/autodiff/grad.ts';
import { prepare } from '../../lib/compile/compile.ts';
import { loss, nn, optim, Trainer } from '../../lib/index.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import { f32 } from '../../lib/ir/op.ts';
import * as ops from '../../lib/ops/index.ts';
import { runGraph } from '../run-graph.ts';

const N = 40_000;
/** What `build` makes of a tensor of so many elements, by these counters. */
function drawn(build: (x: Tensor) => Tensor, attempt = 0, seed = 1n, shape: readonly number[] = [N]): ArrayLike<number> {
  const graph = new Graph('train');
  const x = graph.input('x', f32(...shape), 'feed');
  graph.output('y', ops.cast(build(x), 'f64'));
  return runGraph(graph, { inputs: { x: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.3) }, attempt, seed }).get(
    'y',
  )!;
}
const mean = (x: ArrayLike<number>, of = (v: number): number => v): number =>
  Array.from(x, of).reduce((a, b) => a + b, 0) / x.length;

describe('laws, within five deviations', () => {
  const about = (got: number, want: number, deviation: number): void => {
    expect(Math.abs(got - want)).toBeLessThan((5 * deviation) / Math.sqrt(N));
  };
  it('randn', () => {
    const x = drawn((like) => ops.randn(like));
    about(mean(x), 0, 1);
    about(mean(x, (v) => v * v), 1, Math.sqrt(2)); // biome-ignore format: one line
    about(mean(x, (v) => v ** 4), 3, Math.sqrt(96)); // biome-ignore format: one line
    about(mean(x, (v) => Number(v > 1)), 0.158655, 0.366); // biome-ignore format: one line
  });
  it('uniform', () => {
    const x = drawn((like) => ops.uniform(like, [N], { min: -1, max: 3 }));
    expect(Math.min(...Array.from(x))).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...Array.from(x))).toBeLessThan(3);
    about(mean(x), 1, 4 / Math.sqrt(12));
    about(mean(x, (v) => Number(v < 0)), 0.25, 0.433); // biome-ignore format: one line
  });
  it('bernoulli', () => about(mean(drawn((p) => ops.bernoulli(p))), 0.3, 0.458));
  it('categorical', () => {
    const weights = [0.1, 0.2, 0.7];
    const logits = Float32Array.from(weights, Math.log);
    const x = drawn((like) => {
      const line = like.graph.constant(logits, [3], 'f32');
      return ops.categorical(ops.broadcastTo(line, [N, 3]));
    });
    for (const [k, p] of weights.entries()) about(mean(x, (v) => Number(v === k)), p, Math.sqrt(p * (1 - p))); // biome-ignore format: one line
  });
});

it('the same counters draw the same, others others, and so does each use of the op', () => {
  const normal = (x: Tensor): Tensor => ops.randn(x);
  expect(drawn(normal, 3)).toEqual(drawn(normal, 3));
  expect(drawn(normal, 4)).not.toEqual(drawn(normal, 3));
  expect(drawn(normal, 3, 2n)).not.toEqual(drawn(normal, 3));
  expect(Array.from(drawn((x) => ops.sub(ops.randn(x), ops.randn(x)))).every((v) => v === 0)).toBe(false);
});

it('in prediction: the same in each call, others for another batch, and new ones where that is asked for', () => {
  class Drawing extends nn.Module {
    fc = new nn.Linear(2, 1);
    forward(x: Tensor): Tensor {
      return ops.add(ops.mul(this.fc.forward(x), 0), ops.randn(x, [x.shape[0]!, 1]));
    }
  }
  using trainer = new Trainer({
    model: new Drawing(),
    loss: (batch, model) => loss.mse(model.forward(batch.x), batch.y),
    optimizer: optim.sgd({ lr: 0.1 }),
    seed: 7,
  });
  const x = { data: new Float32Array(8), shape: [4, 2] };
  const predict = (options: object): number[] => [...(trainer.predictSync(x, { batchSize: 2, ...options }).data as Float32Array)];
  const first = predict({});
  expect(predict({})).toEqual(first);
  expect(new Set(first).size).toBe(4);
  expect(predict({ dropout: true })).not.toEqual(first);
  expect(predict({ dropout: true, seed: 5 })).toEqual(predict({ dropout: true, seed: 5 }));
});

it('in an evaluation: what predictions of the same batches have, however many batches are run at once', async () => {
  class Drawing extends nn.Module {
    fc = new nn.Linear(2, 1);
    forward(x: Tensor): Tensor {
      return ops.add(ops.mul(this.fc.forward(x), 0), ops.randn(x, [x.shape[0]!, 1]));
    }
  }
  const rows = 2000;
  using trainer = new Trainer({
    model: new Drawing(),
    loss: (batch, model) => ops.mean(ops.square(model.forward(batch.x))),
    optimizer: optim.sgd({ lr: 0.1 }),
    batchSize: 2,
    seed: 7,
  });
  const x = { data: new Float32Array(2 * rows), shape: [rows, 2] };
  const { data } = trainer.predictSync(x, { batchSize: 2 });
  const mean = data.reduce((sum, v) => sum + v * v, 0) / rows;
  const alone = trainer.evaluateSync({ x }).loss;
  expect(alone).toBeCloseTo(mean, 5);
  // Whoever waits for a turn ends the run that is on.
  const [beside] = await Promise.all([trainer.evaluate({ x }), ...Array.from({ length: 20 }, () => trainer.predict([0, 0]))]);
  expect(beside.loss).toBe(alone);
});

describe('where gradients stop', () => {
  const slopes = (build: (x: Tensor) => Tensor): number[] => {
    const graph = new Graph('train');
    const x = graph.input('x', f32(3), 'feed');
    graph.output('d', grad(ops.sum(build(x)), [x])[0]!);
    return [...runGraph(graph, { inputs: { x: Float32Array.of(0.25, 1.5, 2.75) } }).get('d')!];
  };
  it.each<[string, (x: Tensor) => Tensor, number[]]>([
    ['stopGradient', (x) => ops.mul(x, ops.stopGradient(x)), [0.25, 1.5, 2.75]],
    ['straightThrough', (x) => ops.straightThrough(ops.round(x), ops.mul(x, 2)), [2, 2, 2]],
    ['round', (x) => ops.add(ops.round(x), x), [1, 1, 1]],
    ['floor and sign', (x) => ops.add(ops.floor(x), ops.sign(x)), [0, 0, 0]],
    ['oneHot', (x) => ops.add(ops.sum(ops.oneHot(ops.floor(x), { classes: 3 }), { axes: 1 }), x), [1, 1, 1]],
    ['argmax', (x) => ops.add(ops.cast(ops.argmax(x), 'f32'), x), [1, 1, 1]],
    ['less and cast', (x) => ops.add(ops.mul(ops.less(x, 1), x), ops.cast(ops.cast(x, 'i32'), 'f32')), [1, 0, 0]],
    ['indices of a sort', (x) => ops.add(ops.cast(ops.sort(x).indices, 'f32'), x), [1, 1, 1]],
  ])('%s', (_, build, want) => {
    expect(slopes(build)).toEqual(want);
  });

  it('to the bit the value, and no instruction', () => {
    const graph = new Graph('train');
    const x = graph.input('x', f32(3), 'feed');
    graph.output('y', ops.straightThrough(ops.round(x), ops.exp(ops.exp(x))));
    graph.output('z', ops.exp(ops.stopGradient(ops.neg(x))));
    const nodes = prepare(graph).nodes.filter((n) => n.op.name !== 'input');
    expect(nodes.length).toBe(2);
    expect([...runGraph(graph, { inputs: { x: Float32Array.of(0.5, 1.5, 1e9) } }).get('y')!]).toEqual([0, 2, 1e9]);
  });
});

it('an activation of several operations is one pass, forward and backward, and keeps nothing but x', () => {
  for (const activation of [ops.elu, ops.leakyRelu, ops.mish, ops.hardswish, ops.selu, ops.softsign]) {
    const graph = new Graph('train');
    const x = graph.input('x', f32(64), 'feed');
    const w = graph.input('w', f32(64), 'feed');
    const y = activation(x);
    graph.output('y', y);
    graph.output('d', grad(ops.sum(ops.mul(y, w)), [x])[0]!);
    const maps = prepare(graph).nodes.filter((n) => n.op.name === 'map' || n.op.map);
    expect(maps.length, activation.name).toBe(2);
    expect(maps.some((n) => n.ins.some((t) => maps.includes(t.node))), activation.name).toBe(false); // biome-ignore format: one line
  }
});
