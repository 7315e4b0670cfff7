// teams.test.ts: the same bits whatever the number of threads: a small network's predictions against plain loops, and every kernel on teams
// far larger than the machine. On teams of few, and shapes drawn at random: shapes.test.ts.
import { expect, test } from 'vitest';
import { loss, nn, ops, optim, Trainer } from '../../lib/index.ts';
import { Graph } from '../../lib/ir/graph.ts';
import type { OpDef } from '../../lib/ir/op.ts';
import { addon } from '../../lib/native/addon.ts';
import { ALL_OPS } from '../../lib/optim/list.ts';
import { TEAMS } from '../kit.ts';
import { fillSample } from '../run-graph.ts';
import { runNode, sameBits } from '../run-node.ts';

test('a small network: layers of 512, 64, 48 and 10', () => {
  const widths = [1024, 512, 64, 48, 10];
  const layers = widths.slice(1).map((width, i) => new nn.Linear(widths[i]!, width));
  const x = Float32Array.from({ length: 4 * 1024 }, (_, i) => Math.sin(i));
  const trainer = (threads: number): Trainer<nn.Sequential> => {
    const model = new nn.Sequential(...layers.flatMap((layer, i) => (i === 0 ? [layer] : [ops.relu, layer])));
    return new Trainer({
      model,
      loss: ({ x: input, y }, net) => loss.crossEntropy(net.forward(input!), y),
      optimizer: optim.sgd({ lr: 0.1 }),
      seed: 1,
      threads,
    });
  };
  const predict = (threads: number): Float32Array => {
    const t = trainer(threads);
    const { data } = t.predictSync({ x: { data: x, shape: [4, 1024] } });
    t.dispose();
    return data as Float32Array;
  };
  const one = predict(1);
  expect(one[0]).toBeCloseTo(0.1506, 4);
  // In f64, from the same weights.
  let rows: number[][] = Array.from({ length: 4 }, (_, r) => Array.from(x.subarray(r * 1024, (r + 1) * 1024)));
  layers.forEach(({ weight, bias }, l) => {
    const [w, b] = [weight.data as Float32Array, bias!.data as Float32Array];
    rows = rows.map((row) => {
      return Array.from(b, (start, j) => {
        const sum = row.reduce((s, v, i) => s + v * w[j * row.length + i]!, start);
        return l < layers.length - 1 ? Math.max(0, sum) : sum;
      });
    });
  });
  rows.flat().forEach((want, i) => {
    expect(Math.abs(one[i]! - want), `output ${i}`).toBeLessThan(1e-6);
  });
  for (const threads of TEAMS) expect(predict(threads), `${threads} threads`).toEqual(one);
});

test('every kernel on teams far larger than the machine', () => {
  let count = 0;
  // biome-ignore lint/suspicious/noExplicitAny: the attributes' type differs from op to op
  for (const op of ALL_OPS as readonly OpDef<any>[]) {
    if (op.effect || !addon().kernels.includes(op.kernel ?? op.name)) continue;
    for (const [i, sample] of op.samples().entries()) {
      const graph = new Graph('train');
      const inputs = sample.ins.map((type, k) => graph.input(`x${k}`, type, 'feed'));
      const node = graph.add(op, inputs, sample.attrs);
      const data = fillSample(sample, 3);
      const run = (threads: number): ReturnType<typeof runNode> => runNode(node, data, { threads, seed: 5n, attempt: 3 });
      const one = run(1);
      // The larger first: its crew serves the other.
      for (const threads of [128, 96]) expect(sameBits(run(threads), one), `${op.name} #${i} on ${threads} threads`).toBe(true);
      count++;
    }
  }
  expect(count).toBeGreaterThan(100);
});
