// checkpointed.test.ts: modules that a trainer computes again in the backward pass: the bits of one that keeps them, in every way to train; what
// option `checkpointed` refuses; the memory of a transformer.
import { describe, expect, it } from 'vitest';
import { compile } from '../../../lib/compile/compile.ts';
import { clip, guard, loss, models, nn, OptionError, ops, optim, Trainer, type TrainerOptions } from '../../../lib/index.ts';
import type { Graph, Tensor } from '../../../lib/ir/graph.ts';
import { target } from '../../../lib/native/program.ts';
import { Checkpointed } from '../../../lib/train/step/checkpointed.ts';
import { traceGradients } from '../../../lib/train/step/step.ts';
import { SOME_TEAMS } from '../../kit.ts';
import { fails } from '../fails.ts';
import { points } from '../models.ts';

class Block extends nn.Module {
  norm: nn.BatchNorm1d = new nn.BatchNorm1d(24);
  fc: nn.Linear = new nn.Linear(24, 24);
  drop: nn.Dropout = new nn.Dropout(0.25);
  forward(x: Tensor): Tensor {
    return ops.add(x, this.drop.forward(ops.relu(this.fc.forward(this.norm.forward(x)))));
  }
}

class Net extends nn.Module {
  first: nn.Linear = new nn.Linear(6, 24);
  blocks: Block[] = [new Block(), new Block(), new Block()];
  head: nn.Linear = new nn.Linear(24, 2);
  unused: nn.Tanh = new nn.Tanh();
  forward(x: Tensor): Tensor {
    return this.head.forward(this.blocks.reduce((h, block) => block.forward(h), this.first.forward(x)));
  }
}

const data = points(44);
type Options = Partial<TrainerOptions<Net, 'size'>>;
const trainer = (options: Options = {}): Trainer<Net, 'size'> =>
  new Trainer({
    model: new Net(),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    metrics: { size: ({ x }, model) => ops.mean(model.forward(x)) },
    optimizer: optim.adamw({ lr: 1e-2 }),
    clip: clip.globalNorm(0.5),
    batchSize: 8,
    seed: 3,
    ...options,
  });

/** Weights, running statistics and what is measured, as text. */
async function left(of: Trainer<Net, 'size'>): Promise<string> {
  const values = await of.readParameters({ buffers: true });
  const text = [...values].map(
    ([name, { data }]) => `${name} ${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')}`,
  );
  return [...text, JSON.stringify(await of.evaluate(data))].join('\n');
}

async function trained(options: Options, steps = 7): Promise<string> {
  const t = trainer(options);
  await t.fit(data, { steps });
  const found = await left(t);
  t.dispose();
  return found;
}

describe.each<[string, Options]>([
  ['plain', {}],
  ['with micro-batches of several sizes', { accumulate: 3 }],
  ['with guards on what is computed again', { guards: [guard.outputs({ match: 'blocks.*', max: 2, action: 'skip' })] }],
  ['with a scaled loss and an average', { lossScale: 1024, ema: { decay: 0.9 } }],
])('%s: weights, running statistics, metrics', (_, options) => {
  it.each(['blocks.*', /^blocks\.1$/, ['blocks.0', 'blocks.2', 'head']])('of %s', async (checkpointed) => {
    expect(await trained({ ...options, checkpointed: checkpointed as string })).toBe(await trained(options));
  });
});

it('on any team', async () => {
  const reference = await trained({ threads: 1 });
  for (const threads of SOME_TEAMS) expect(await trained({ threads, checkpointed: 'blocks.*' })).toBe(reference);
});

it('a checkpoint goes on with the option or without', async () => {
  const reference = await trained({}, 7);
  for (const options of [{}, { checkpointed: 'blocks.*' }]) {
    const before = trainer({ checkpointed: 'blocks.*', ...options });
    await before.fit(data, { steps: 3 });
    const after = trainer({ ...options, seed: 9 });
    await after.restore(await before.snapshot());
    await after.fit(data, { steps: 4 });
    expect(await left(after)).toBe(reference);
  }
});

it('gradients without a step', async () => {
  const [a, b] = await Promise.all([trainer(), trainer({ checkpointed: 'blocks.*' })].map((t) => t.gradients(data)));
  expect(b).toEqual(a);
});

it('op by op', async () => {
  expect(await trained({ debug: true, checkpointed: 'blocks.*' }, 2)).toBe(await trained({ debug: true }, 2));
});

it('a transformer keeps what its blocks give, and one of them', () => {
  const model = new models.GPT(17, { context: 32, layers: 8, heads: 2, width: 16 });
  model.initialize(0);
  const arena = (patterns: readonly string[]): number => {
    const checkpointed = new Checkpointed(model, patterns);
    const of = { model, loss: models.gptLoss, trained: model.parameters(), accumulators: null, penalties: [] };
    const spec = { ...of, checkpointed, precision: 'f32', activations: 'f32' } as const;
    const tokens = { dtype: 'i32', shape: [4, 32] } as const;
    const graph = traceGradients(spec, 'train', 4, (g: Graph) => ({
      x: g.input('x', tokens, 'feed'),
      y: g.input('y', tokens, 'feed'),
    }));
    return compile(graph, target()).arenaBytes;
  };
  expect(arena(['blocks.*'])).toBeLessThan(0.35 * arena([]));
});

describe('is refused:', () => {
  const refused = (checkpointed: unknown, text: string | RegExp): Promise<unknown> =>
    fails(() => trainer({ checkpointed: checkpointed as string }).fit(data, { steps: 1 }), OptionError, 'ERR_OPTION', text);
  it('a pattern that matches no module', async () => {
    await refused('block.*', 'Trainer: option checkpointed: no module matches block.*');
    await refused('blocks', 'no module matches blocks; did you mean blocks.0?');
    await refused(['blocks.*', /^tail/], 'no module matches /^tail/');
    await refused('blocks.*.weight', 'no module matches blocks.*.weight');
  });
  it('modules that the loss does not call', () =>
    refused(['blocks.*', 'unused'], 'Trainer: option checkpointed: the loss calls no forward of what matches unused'));
  it('what is no pattern', async () => {
    await refused(3, 'Trainer: option checkpointed: expected');
    await refused(true, 'Trainer: option checkpointed: expected');
    await refused([null], 'Trainer: option checkpointed[0]: expected a pattern as string or RegExp, got null');
  });
});
