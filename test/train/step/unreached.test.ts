// unreached.test.ts: a loss that can move no parameter is an error; single parameters that it cannot move are told.
import { expect, test } from 'vitest';
import {
  loss,
  metrics,
  nn,
  OptionError,
  ops,
  optim,
  prune,
  regularize,
  Trainer,
  type TrainerOptions,
} from '../../../lib/index.ts';
import type { Tensor } from '../../../lib/ir/graph.ts';
import { fails } from '../fails.ts';
import { bits, points, stream } from '../models.ts';

const data = points(20);

class Net extends nn.Module {
  readonly body = new nn.Linear(6, 8);
  readonly head = new nn.Linear(8, 2);
  readonly spare = new nn.Linear(8, 2);
  readonly fixed = new nn.Linear(6, 2);
  readonly counted = new nn.Parameter([2], nn.init.ones());
  constructor() {
    super();
    this.setRequiresGrad('fixed.*', false);
  }
  hidden(x: Tensor): Tensor {
    return ops.relu(this.body.forward(x));
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(this.hidden(x));
  }
}

type Loss = TrainerOptions<Net>['loss'];
const crossEntropy: Loss = ({ x, y }, m) => loss.crossEntropy(m.forward(x), y);
const make = (objective: Loss, options: Partial<TrainerOptions<Net>> = {}): Trainer<Net> =>
  new Trainer({ model: new Net(), loss: objective, optimizer: optim.sgd({ lr: 0.1 }), batchSize: 8, ...options });

test.each<[string, Loss, RegExp]>([
  [
    'an accuracy',
    ({ x, y }, m) => metrics.accuracy(m.forward(x), y).summed!.hits!,
    /goes through \w+, which passes no gradient on/,
  ],
  ['a comparison', ({ x }, m) => ops.mean(ops.less(m.forward(x), 0)), /goes through less, which passes no gradient on/],
  ['rounded', ({ x }, m) => ops.mean(ops.round(m.forward(x))), /goes through round, which/],
  ['an integer', ({ x }, m) => ops.mean(ops.cast(ops.argmax(m.forward(x)), 'f32')), /goes through cast, which/],
  ['labels', ({ y }) => ops.mean(ops.cast(y, 'f32')), /it depends on none of them \(body\.weight, body\.bias, head\.weight/],
  ['what is not trained', ({ x }, m) => ops.mean(m.fixed.forward(x)), /it depends on none of them \(body\.weight/],
])('a loss that moves nothing: %s', async (_, objective, why) => {
  const text = /^Trainer: option loss: it can move no trained parameter: /;
  for (const options of [{}, { accumulate: 2 }, { regularize: regularize.l2(1e-3) }, { lossScale: 4 }]) {
    const error = await fails(() => make(objective, options).fit(data), OptionError, 'ERR_OPTION', text);
    expect(error.message).toMatch(why);
  }
  await fails(async () => make(objective).fitSync(data), OptionError, 'ERR_OPTION', text);
  await fails(() => make(objective).fit(stream(data, 8)), OptionError, 'ERR_OPTION', text);
});

test('parameters off the path are named once, with what is in the way', async () => {
  const objective: Loss = ({ x, y }, m) => {
    const logits = m.forward(x);
    const share = ops.mean(ops.less(ops.mul(logits, m.counted), 0), { dtype: 'f64' });
    return ops.add(loss.crossEntropy(logits, y), share);
  };
  const trainer = make(objective);
  // Batches of 8 and of 4 are traced apart.
  const { warnings } = await trainer.fit(data, { epochs: 2 });
  expect(warnings.map(({ code, details }) => [code, details])).toEqual([
    ['unreached', { name: 'spare.weight', step: 0, op: null }],
    ['unreached', { name: 'spare.bias', step: 0, op: null }],
    ['unreached', { name: 'counted', step: 0, op: 'less' }],
  ]);
  expect(warnings[0]!.message).toMatch(/^spare\.weight is trained, but the loss does not depend on it: it does not learn\./);
  expect(warnings[2]!.message).toMatch(
    /^counted is trained, but the loss depends on it only through less, which passes no gradient on/,
  );
  expect((await trainer.fit(data, { steps: 1 })).warnings.map((w) => w.details.step)).toEqual([6, 6, 6]);
});

test('what is not trained is not named, and to be told changes no bit', async () => {
  const run = async (frozen: boolean): Promise<readonly [string, number]> => {
    const model = new Net();
    if (frozen) for (const names of ['spare.*', 'counted']) model.setRequiresGrad(names, false);
    const trainer = make(crossEntropy, { model });
    const { warnings } = await trainer.fit(data, { epochs: 2 });
    return [await bits(trainer), warnings.length];
  };
  const [some, none] = [await run(false), await run(true)];
  expect([some[1], none[1]]).toEqual([3, 0]);
  expect(some[0]).toBe(none[0]);
});

test('with pruning and averages beside', async () => {
  const trainer = make(crossEntropy, { prune: prune.magnitude({ sparsity: 0.5, match: 'body.weight' }), ema: {} });
  expect((await trainer.fit(data, { steps: 2 })).warnings).toHaveLength(3);
});
