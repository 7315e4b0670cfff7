// shown.test.ts: what console.log and template literals show of the library's objects: what they are, in few lines, and no internals.
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { POLICIES } from '../../lib/clip/list.ts';
import * as gradclip from '../../lib/index.ts';
import {
  augment,
  constraint,
  guard,
  loss,
  metrics,
  models,
  nn,
  ops,
  optim,
  preprocess,
  privacy,
  prune,
  regularize,
  rows,
  type Tensor,
  Trainer,
  tokenizer,
} from '../../lib/index.ts';
import { bindParameters } from '../../lib/nn/module/module.ts';
import { OPTIMIZERS } from '../../lib/optim/list.ts';
import { points } from '../train/models.ts';

class Net extends nn.Module {
  rate = 0.5;
  fc: nn.Linear = new nn.Linear(6, 3);
  act: (x: Tensor) => Tensor = ops.relu;
  blocks: nn.Linear[] = Array.from({ length: 3 }, () => new nn.Linear(3, 3));
  heads: Record<string, nn.Module> = { a: new nn.Conv2d(3, 4, 3, { padding: 'same' }), b: new nn.Dropout(0.25) };
  up: nn.Module | null = null;
  readonly seen: string[] = [];
  forward(x: Tensor): Tensor {
    const h = this.fc.forward(x);
    const a = this.act(h);
    const block = this.blocks[1]!.forward(a);
    const sum = ops.add(a, block);
    this.seen.push(...[x, h, a, block, sum, this.fc.weight.toTensor()].map((t) => `${t}`));
    this.seen.push(inspect({ h, deep: [[h]] }), inspect(h.graph), inspect(sum.node));
    return sum;
  }
}

const TREE = `Net(
  rate=0.5
  (fc): Linear(weight=[3,6], bias=[3])
  (act): relu
  (blocks.0-2): 3 x Linear(weight=[3,3], bias=[3])
  (heads.a): Conv2d(weight=[4,3,3,3], bias=[4], stride=[1,1], padding="same", dilation=[1,1], groups=1)
  (heads.b): Dropout(p=0.25)
)`;

const net = new Net();
const trainer = new Trainer({
  model: net,
  loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
  optimizer: optim.adamw({ lr: 1e-3 }),
  batchSize: 8,
});
const run = trainer.fit(points(16), { epochs: 1 });

test('a tensor: the layer that gave it, or the op that made it', async () => {
  await run;
  expect(net.seen.slice(0, 9)).toEqual([
    'Tensor f32[8,6] of batch x',
    'Tensor f32[8,3] of linear fc',
    'Tensor f32[8,3] of relu',
    'Tensor f32[8,3] of linear blocks.1',
    'Tensor f32[8,3] of add',
    'Tensor f32[3,6] of fc.weight',
    '{\n  h: Tensor f32[8,3] of linear fc,\n  deep: [ [ Tensor f32[8,3] of linear fc ] ]\n}',
    expect.stringMatching(/^Graph \(train\) of \d+ nodes, inputs: \$rows i32\[8\], x f32\[16,6\], y i32\[16\], outputs: none$/),
    'Node add: f32[8,3], f32[8,3] -> f32[8,3]',
  ]);
});

test('an op in a layer, and one of a gradient', () => {
  const found: string[] = [];
  class Inner extends nn.Module {
    forward(x: Tensor): Tensor {
      const h = ops.exp(x);
      found.push(`${h}`);
      return ops.add(h, h);
    }
  }
  class Outer extends nn.Module {
    inner: Inner = new Inner();
    forward(x: Tensor): Tensor {
      return this.inner.forward(x);
    }
  }
  const graph = new gradclip.Graph();
  const x = graph.input('x', { dtype: 'f32', shape: [4] }, 'feed');
  const model = new Outer();
  const end = bindParameters(graph, model);
  const y = model.forward(x);
  end();
  const [dx] = gradclip.grad(ops.sum(y), [x]);
  found.push(`${x}`, `${y}`, `${dx}`, `${ops.exp(x)}`);
  expect(found).toEqual([
    'Tensor f32[4] of exp in inner',
    'Tensor f32[4] of input x',
    'Tensor f32[4] of inner inner',
    'Tensor f32[4] of the gradient of exp in inner',
    'Tensor f32[4] of exp',
  ]);
});

test('a model: the tree of its layers', () => {
  expect(String(net)).toBe(TREE);
  expect(`${net}`).toBe(TREE);
  expect(inspect(net)).toBe(TREE);
  expect(inspect({ net })).toBe(`{\n  net: ${TREE.replaceAll('\n', '\n  ')}\n}`);
  expect(String(new models.GPT(20, { context: 8, layers: 3, width: 16, heads: 2 }))).toContain('  (blocks.0-2): 3 x Block(\n');
  expect(String(new nn.Sequential({ up: new nn.Upsample({ scaleFactor: 2 }), pad: new nn.ZeroPad2d([1, 2, 3, 4]) }))).toBe(
    'Sequential(\n  (up): Upsample(scaleFactor=2, mode="nearest", alignCorners=false)\n  (pad): ZeroPad2d(padding=[1,2,3,4])\n)',
  );
});

test('a model in itself is told once', () => {
  const inner = new Net() as Net & { up: nn.Module | null };
  inner.up = inner;
  expect(String(inner)).toBe(TREE);
});

test('parameters, buffers and what trains', async () => {
  await run;
  net.fc.weight.data = Float32Array.from({ length: 18 }, (_, i) => i / 3);
  expect(inspect(net.fc.weight)).toBe('Parameter fc.weight f32[3,6]: 0 0.3333 0.6667 1 1.333 1.667 ... of 18');
  expect(inspect(new nn.Parameter([2], nn.init.zeros(), { requiresGrad: false }))).toBe(
    'Parameter parameter f32[2], not trained, no values yet',
  );
  expect(inspect(new nn.Buffer([2], { fill: 1 }))).toBe('Buffer buffer f32[2]: 1 1');
  expect(inspect(trainer)).toBe('Trainer of Net: 10 parameters trained, 2 updates, epoch 1');
  expect(inspect(rows(points(16)))).toBe('Source of 16 rows: x f32[16,6], y i32[16]');
  expect(inspect(optim.adamw())).toBe('Optimizer optim.adamw');
});

const made: Record<string, () => unknown> = {
  ...Object.fromEntries(Object.entries(OPTIMIZERS).map(([name, make]) => [`optim.${name}`, () => make({})])),
  ...Object.fromEntries(Object.entries(POLICIES).map(([name, make]) => [`clip.${name}`, make])),
  'optim.lookahead': () => optim.lookahead(optim.sgd({ lr: 0.1 })),
  'optim bound': () => optim.sgd({ lr: 0.1 }).bind([new Float32Array(3)]),
  schedule: () => optim.schedule.cosine(0.1, { steps: 100 }),
  'guard.dead': () => guard.dead({ match: 'relu' }),
  'guard.loss': () => guard.loss(),
  'guard.outputs': () => guard.outputs(),
  'regularize.l2': () => regularize.l2(0.1),
  'constraint.maxNorm': () => constraint.maxNorm(1),
  'prune.magnitude': () => prune.magnitude({ sparsity: 0.5, begin: 0, end: 100 }),
  'augment.flip': () => augment.flip(),
  'preprocess.minMax': () => preprocess.minMax().fit({ data: new Float32Array(1e5).map((_, i) => i), shape: [1e5, 1] }),
  'tokenizer.char': () => tokenizer.char('hello world'),
  'tokenizer.byte': () => tokenizer.byte(),
  'privacy.Accountant': () => new privacy.Accountant(),
  'metrics.F1': () => new metrics.F1(),
  'metrics.ConfusionMatrix': () => new metrics.ConfusionMatrix(),
  'a run': () => run,
  'runtime()': () => gradclip.runtime(),
};

describe('at most ten lines', () => {
  test.each(Object.entries(made))('%s', (_, make) => {
    const text = inspect(make());
    expect(text.split('\n').length).toBeLessThanOrEqual(10);
    expect(text.length).toBeLessThan(1000);
  });
});
