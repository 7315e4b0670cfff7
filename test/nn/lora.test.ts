// lora.test.ts: adapters against PyTorch (golden/models/make_lora.py), what is trained and what stays as it was to the bit, merging, and what is refused.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loss, nn, ops, optim, Trainer } from '../../lib/index.ts';
import type { Tensor } from '../../lib/ir/graph.ts';

interface Golden {
  readonly start: Readonly<Record<string, number[]>>;
  readonly A: Readonly<Record<string, number[]>>;
  readonly x: number[];
  readonly y: number[];
  readonly losses: number[];
  readonly end: Readonly<Record<string, number[]>>;
  readonly predicted: number[];
}
const golden = JSON.parse(readFileSync('test/golden/models/lora.json', 'utf8')) as Golden;

class Net extends nn.Module {
  fc1 = new nn.Linear(3, 8);
  attention = new nn.MultiheadAttention(8, 2);
  head = new nn.Linear(8, 1);
  forward(x: Tensor): Tensor {
    return this.head.forward(this.attention.forward(ops.tanh(this.fc1.forward(x))));
  }
}

/** Names there, by those here. */
const THEIRS: Readonly<Record<string, string>> = {
  'fc1.weight': 'fc1.base.weight',
  'fc1.bias': 'fc1.base.bias',
  'attention.in_proj_weight': 'attention.qkv.base.weight',
  'attention.in_proj_bias': 'attention.qkv.base.bias',
  'attention.out_proj.weight': 'attention.out.base.weight',
  'attention.out_proj.bias': 'attention.out.base.bias',
  'head.weight': 'head.weight',
  'head.bias': 'head.bias',
};
const ADAPTERS: Readonly<Record<string, string>> = {
  'fc1.lora': 'fc1',
  'attention.in_proj_lora': 'attention.qkv',
  'attention.out_proj.lora': 'attention.out',
};
const data = {
  x: { data: Float32Array.from(golden.x), shape: [6, 4, 3] },
  y: { data: Float32Array.from(golden.y), shape: [6, 4, 1] },
};

function made(threads = 1) {
  const model = new Net();
  for (const [ours, theirs] of Object.entries(THEIRS)) model.getParameter(ours).data = golden.start[theirs]!;
  const names = nn.lora(model, { match: ['fc1', 'attention*'], rank: 2, alpha: 6 });
  for (const [ours, theirs] of Object.entries(ADAPTERS)) model.getParameter(`${ours}.A`).data = golden.A[`${theirs}.A`]!;
  const trainer = new Trainer({
    model,
    loss: ({ x, y }, m) => loss.mse(m.forward(x), y),
    optimizer: optim.sgd({ lr: 0.0625, momentum: 0.5 }),
    batchSize: 6,
    threads,
  });
  return { model, names, trainer };
}

const close = (got: ArrayLike<number>, expected: readonly number[]): void => {
  const scale = Math.max(...expected.map(Math.abs), 1e-3);
  expect(got.length).toBe(expected.length);
  for (let i = 0; i < got.length; i++) expect(Math.abs(got[i]! - expected[i]!) / scale, `${i}`).toBeLessThan(2e-5);
};

it('losses, adapters and predictions are those of PyTorch; everything else stays as it was, to the bit', async () => {
  const { model, names, trainer } = made();
  expect(names).toEqual(['fc1.weight', 'attention.in_proj_weight', 'attention.out_proj.weight']);
  expect([...trainer.trained].sort()).toEqual(
    Object.keys(ADAPTERS)
      .flatMap((name) => [`${name}.A`, `${name}.B`])
      .sort(),
  );
  const losses: number[] = [];
  await trainer.fit(data, { steps: 12, callbacks: [{ onSteps: (steps) => losses.push(...[...steps].map((r) => r.loss)) }] });
  close(losses, golden.losses);
  for (const [ours, theirs] of Object.entries(ADAPTERS)) {
    close(model.getParameter(`${ours}.A`).data, golden.end[`${theirs}.A`]!);
    close(model.getParameter(`${ours}.B`).data, golden.end[`${theirs}.B`]!);
  }
  for (const [ours, theirs] of Object.entries(THEIRS)) {
    expect([...model.getParameter(ours).data]).toEqual(golden.start[theirs]);
  }
  close((await trainer.predict(data.x)).data, golden.predicted);
});

it('at first the model gives what it gave; merged, what it gave with adapters, and everything is trained again', async () => {
  const plain = new Net();
  for (const [ours, theirs] of Object.entries(THEIRS)) plain.getParameter(ours).data = golden.start[theirs]!;
  const predict = (model: Net): Float32Array =>
    new Trainer({ model, loss: ({ x, y }, m) => loss.mse(m.forward(x), y), optimizer: optim.sgd({ lr: 1 }) }).predictSync(data.x)
      .data;
  const { model, trainer } = made();
  expect(trainer.predictSync(data.x).data).toEqual(predict(plain));
  await trainer.fit(data, { steps: 12 });
  const adapted = [...trainer.predictSync(data.x).data];
  trainer.dispose();
  expect(nn.mergeLora(model)).toEqual(['fc1.weight', 'attention.in_proj_weight', 'attention.out_proj.weight']);
  expect([...model.namedParameters()].map(([name]) => name)).toEqual([...plain.namedParameters()].map(([name]) => name));
  expect(model.parameters().every((p) => p.requiresGrad)).toBe(true);
  close(predict(model), adapted);
  expect(() => nn.mergeLora(model)).toThrow(/has no adapters/);
});

it('the same bits for any number of threads', async () => {
  const ends: string[] = [];
  for (const threads of [1, 2, 3, 4, 5, 7, 8, 16]) {
    const { model, trainer } = made(threads);
    await trainer.fit(data, { steps: 5 });
    ends.push(
      model
        .parameters()
        .map((p) => Buffer.from(p.data.slice().buffer).toString('base64'))
        .join(),
    );
  }
  expect(new Set(ends).size).toBe(1);
});

it('adapters are saved and loaded alone', async () => {
  const { model, trainer } = made();
  await trainer.fit(data, { steps: 3 });
  const saved = await trainer.save({ weightsOnly: true });
  const other = made();
  await other.trainer.load(saved);
  expect([...other.model.fc1.lora!.B.data]).toEqual([...model.fc1.lora!.B.data]);
});

it('projections of different sizes, and rows that are looked up, are adapted too', () => {
  class Cross extends nn.Module {
    attention = new nn.MultiheadAttention(8, 2, { kdim: 6, vdim: 4 });
    table = new nn.Embedding(5, 8);
    fc = new nn.Linear(8, 8);
    forward(x: Tensor, keys: Tensor, values: Tensor): Tensor {
      return this.attention.forward(this.fc.forward(this.table.forward(x)), keys, values);
    }
  }
  const model = new Cross();
  expect(nn.lora(model)).toEqual([
    'attention.q_proj_weight',
    'attention.k_proj_weight',
    'attention.v_proj_weight',
    'attention.out_proj.weight',
    'fc.weight',
  ]);
  expect(model.attention.k_proj_lora!.A.shape).toEqual([8, 6]);
});

it('what cannot be adapted is refused, by name', () => {
  expect(() => nn.lora(new nn.Sequential(new nn.ReLU()))).toThrow(/no layer that can be adapted has a name that matches "\*"/);
  expect(() => nn.lora(new Net(), { match: 'fc2' })).toThrow(
    /matches "fc2"; there are fc1, attention, attention\.out_proj, head.*fc1/,
  );
  expect(() => nn.lora(new Net(), { rank: 0 })).toThrow(/option rank/);
  expect(() => nn.lora(new Net(), { alpha: -1 })).toThrow(/option alpha/);
  expect(() => nn.lora(new Net(), { dropout: 1 })).toThrow(/option dropout/);
  const twice = new Net();
  nn.lora(twice);
  expect(() => nn.lora(twice)).toThrow(/has adapters/);
  const tied = new Net();
  tied.head = new nn.Linear(3, 8);
  tied.head.weight = tied.fc1.weight;
  expect(() => nn.lora(tied)).toThrow(/share a weight/);
});

it('dropout of an adapter is on while training alone', async () => {
  const model = new Net();
  nn.lora(model, { dropout: 0.5 });
  const trainer = new Trainer({
    model,
    loss: ({ x, y }, m) => loss.mse(m.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    batchSize: 6,
  });
  await trainer.fit(data, { steps: 3 });
  expect(trainer.predictSync(data.x).data).toEqual(trainer.predictSync(data.x).data);
});
