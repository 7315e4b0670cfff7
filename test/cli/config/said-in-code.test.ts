// said-in-code.test.ts: what a configuration says is what code says: groups of policies and of optimizers, clamp, weights of rows, which parameters are
// trained: the same weights to the bit, the same losses; a time ends a training with its result.
import { describe, expect, it } from 'vitest';
import { readRecord } from '../../../lib/history/index.ts';
import {
  clip,
  generate,
  io,
  loss,
  models,
  nn,
  ops,
  optim,
  type Tensor,
  Trainer,
  type TrainerOptions,
  tokenizer,
} from '../../../lib/index.ts';
import { folder, npz, type Ran, run } from '../kit.ts';

/** x of two values, a class, a value, and what the row weighs. */
const rows = Array.from({ length: 96 }, (_, i) => {
  const [a, b] = [((i * 17) % 29) / 29, ((i * 11) % 31) / 31];
  return { x: [a, b], kind: a > b ? 1 : 0, value: 3 * a - 2 * b, weight: [0, 0.5, 1, 4][i % 4]! };
});
type Row = (typeof rows)[number];
const table = (head: string, line: (row: Row) => readonly number[]): string =>
  `${head}\n${rows.map((row) => line(row).join(',')).join('\n')}\n`;
const files = {
  'kind.csv': table('a,b,kind', ({ x, kind }) => [...x, kind]),
  'value.csv': table('a,b,value', ({ x, value }) => [...x, value]),
  'weighted.csv': table('a,w,b,kind', ({ x: [a, b], kind, weight }) => [a!, weight, b!, kind]),
  'weightedValue.csv': table('w,a,b,value', ({ x, value, weight }) => [weight, ...x, value]),
};

const classes = {
  data: { type: 'csv', file: 'kind.csv', split: { train: 64, validation: 16, test: 16 } },
  model: { type: 'mlp', sizes: [2, 8, 2], activation: 'tanh' },
  optimizer: { type: 'sgd', lr: 0.5, momentum: 0.9 },
  batchSize: 16,
  epochs: 3,
  threads: 1,
};
const line = { ...classes, data: { ...classes.data, file: 'value.csv' }, model: { type: 'mlp', sizes: [2, 1] }, loss: 'mse' };

async function train(config: object, ...flags: string[]): Promise<Ran & { readonly cwd: string }> {
  const cwd = folder({ ...files, 'c.json': JSON.stringify(config) });
  return { ...(await run(['train', '--json', 'c.json', '--out', 'm.safetensors', ...flags], { cwd })), cwd };
}

/** Weights that a training has written. */
async function weightsOf(cwd: string): Promise<Record<string, Float32Array>> {
  const { tensors } = await io.readSafetensors(`${cwd}/m.safetensors`);
  const own = [...tensors].filter(([name]) => !name.startsWith('gradclip.'));
  return Object.fromEntries(own.map(([name, { data }]) => [name, data as Float32Array]));
}

const f32 = (part: readonly Row[], of: (row: Row) => readonly number[]): Float32Array => Float32Array.from(part.flatMap(of));
const arrays = (part: readonly Row[]) => ({
  x: { data: f32(part, (r) => r.x), shape: [part.length, 2] },
  y: Int32Array.from(part, (r) => r.kind),
  value: f32(part, (r) => [r.value]),
  weight: f32(part, (r) => [r.weight]),
});
const [training, , testing] = [arrays(rows.slice(0, 64)), arrays(rows.slice(64, 80)), arrays(rows.slice(80))];

const mlp = (): nn.Sequential => new nn.Sequential(new nn.Linear(2, 8), new nn.Tanh(), new nn.Linear(8, 2));
const column = (model: nn.Sequential, x: Tensor): Tensor => ops.reshape(model.forward(x), [-1]);

type Names = 'x' | 'y' | 'value' | 'weight';
interface Coded {
  readonly weights: Record<string, Float32Array>;
  readonly test: { readonly loss: number; readonly accuracy?: number };
}

/** The same in code. */
async function code(options: Omit<Partial<TrainerOptions<nn.Sequential, 'accuracy', Names>>, 'predict'>): Promise<Coded> {
  using trainer = new Trainer<nn.Sequential, 'accuracy', Names>({
    model: mlp(),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.5, momentum: 0.9 }),
    batchSize: 16,
    ...options,
  });
  await trainer.fit(training, { epochs: 3 });
  const read = await trainer.readParameters();
  return {
    weights: Object.fromEntries([...read].map(([name, { data }]) => [name, data])),
    test: await trainer.evaluate(testing),
  };
}

async function same(config: object, coded: Promise<Coded>): Promise<Ran & { readonly cwd: string }> {
  const ran = await train(config);
  expect(ran.code, ran.stderr).toBe(0);
  const { weights, test } = await coded;
  expect(await weightsOf(ran.cwd)).toEqual(weights);
  const { testLoss, testAccuracy } = ran.json().at(-1)!;
  expect([testLoss, testAccuracy]).toEqual([test.loss, test.accuracy ?? null]);
  return ran;
}

const withAccuracy = {
  metrics: {
    accuracy: ({ x, y }: { x: Tensor; y: Tensor }, model: nn.Sequential) =>
      ops.mean(ops.equal(ops.cast(ops.argmax(model.forward(x)), 'f32'), ops.cast(y, 'f32'))),
  },
} as const;

describe('groups of policies', () => {
  const cases: Record<string, [unknown, ReturnType<typeof clip.groups>]> = {
    'by name, rank and the rest': [
      {
        type: 'groups',
        rules: [
          { match: '0.*', policy: { type: 'globalNorm', threshold: 0.05 } },
          { match: 1, policy: { type: 'value', threshold: 0.01 } },
          { policy: { type: 'agc' } },
        ],
      },
      clip.groups([
        { match: '0.*', policy: clip.globalNorm(0.05) },
        { match: 1, policy: clip.value(0.01) },
        { policy: clip.agc() },
      ]),
    ],
    'of several policies, with one norm, after another': [
      [
        { type: 'centralize' },
        {
          type: 'groups',
          norm: 'shared',
          rules: [
            {
              match: '*.weight',
              policy: [
                { type: 'value', threshold: 0.02 },
                { type: 'softNorm', threshold: 0.1 },
              ],
            },
          ],
        },
      ],
      clip.chain(
        clip.centralize(),
        clip.groups([{ match: '*.weight', policy: clip.chain(clip.value(0.02), clip.softNorm(0.1)) }], { norm: 'shared' }),
      ),
    ],
  };
  it.each(Object.entries(cases))('%s', async (_, [said, policy]) => {
    await same({ ...classes, clip: said }, code({ clip: policy, ...withAccuracy }));
  });

  it.each([
    [{ type: 'groups' }, 'clip.rules: expected a list of at least 1, got nothing'],
    [{ type: 'groups', rules: [] }, 'clip.rules: expected a list of at least 1, got an array of 0'],
    [{ type: 'groups', rules: [{ match: '*' }] }, 'clip.rules[0].policy: expected '],
    [
      { type: 'groups', rules: [{ policy: { type: 'value', treshold: 1 } }] },
      'clip.rules[0].policy: unknown option treshold; did you mean threshold?',
    ],
    [
      { type: 'groups', rules: [{ policy: { type: 'groups', rules: [] } }] },
      'clip.rules[0].policy.type: expected one of adaClip, ',
    ],
    [{ type: 'groups', rules: [{ match: -1, policy: { type: 'sign' } }] }, 'clip.rules[0].match: '],
    [
      { type: 'groups', rules: [{ match: '9.*', policy: { type: 'sign' } }] },
      'clip.groups: group 0 matches no parameter; there are 0.weight',
    ],
    [[{ type: 'sign' }, { type: 'groups', norm: 'all', rules: [] }], 'clip[1].rules: expected a list of at least 1'],
    [{ type: 'groups', rules: [{ policy: { type: 'percentile', q: 101 } }] }, 'clip.rules[0].policy.q: expected'],
    [{ type: 'grups' }, 'did you mean groups?'],
  ])('%j is refused', async (said, message) => {
    const { code, stderr } = await train({ ...classes, clip: said });
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});

describe('clamp', () => {
  const bounded = (x: Tensor): Tensor => ops.clamp(x, { min: -0.5, max: 1.2 });
  it('of a linear regression: in training, test and predictions', async () => {
    const options = {
      model: new nn.Sequential(new nn.Linear(2, 1)),
      loss: ({ x, value }: { x: Tensor; value: Tensor }, model: nn.Sequential) => loss.mse(bounded(column(model, x)), value),
    };
    const { cwd } = await same({ ...line, clamp: [-0.5, 1.2] }, code(options));
    const told = (await run(['predict', '--json', 'm.safetensors', 'value.csv', '--drop', 'value'], { cwd })).json();
    const values = told.map(({ value }) => value as number);
    const weights = await weightsOf(cwd);
    const [w, b] = [weights['0.weight']!, weights['0.bias']!];
    values.forEach((value, i) => {
      const [x, y] = rows[i]!.x;
      expect(value).toBeCloseTo(Math.min(1.2, Math.max(-0.5, x! * w[0]! + y! * w[1]! + b[0]!)), 5);
    });
    expect(Math.max(...values)).toBe(Math.fround(1.2));
  });

  it('one bound, or one number for both', async () => {
    const make = (bounds: { min?: number; max?: number }) => ({
      model: new nn.Sequential(new nn.Linear(2, 1)),
      loss: ({ x, value }: { x: Tensor; value: Tensor }, model: nn.Sequential) =>
        loss.mse(ops.clamp(column(model, x), bounds), value),
    });
    await same({ ...line, clamp: [0, null] }, code(make({ min: 0 })));
    await same({ ...line, clamp: [null, 0.5] }, code(make({ max: 0.5 })));
    await same({ ...line, clamp: 1 }, code(make({ min: -1, max: 1 })));
  });

  it('of logits', async () => {
    const logits = (x: Tensor, model: nn.Sequential): Tensor => ops.clamp(model.forward(x), { min: -2, max: 2 });
    await same(
      { ...classes, clamp: 2 },
      code({
        loss: ({ x, y }, model) => loss.crossEntropy(logits(x, model), y),
        ...withAccuracy,
      }),
    );
  });

  it.each([
    [0, 'clamp: expected a finite number > 0, got 0'],
    [[1, 1], 'clamp[1]: expected a finite number > 1, got 1'],
    [[null, null], 'clamp: expected a bound: of the two, one may be null, got an array of 2'],
    [[1], 'clamp: expected two values, got an array of 1'],
    ['1', 'clamp: expected a finite number > 0, or two values, got "1"'],
  ])('%j is refused', async (said, message) => {
    const { code, stderr } = await train({ ...line, clamp: said });
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});

describe('weights of rows', () => {
  it('of classes: in the loss and in accuracy', async () => {
    const data = { ...classes.data, file: 'weighted.csv', weight: 'w' };
    const coded = code({
      loss: ({ x, y, weight }, model) => {
        const losses = loss.crossEntropy(model.forward(x), y, { reduction: 'none' });
        return loss.weightedMean(losses, ops.cast(weight, 'f64'));
      },
      metrics: {
        accuracy: ({ x, y, weight }, model) =>
          loss.weightedMean(ops.equal(ops.cast(ops.argmax(model.forward(x)), 'f32'), ops.cast(y, 'f32')), weight),
      },
    });
    const { cwd } = await same({ ...classes, data }, coded);
    // What rows weigh is no input of the model: `predict` leaves the column out by its name.
    const plain = await run(['predict', 'm.safetensors', 'kind.csv', '--drop', 'kind'], { cwd });
    const beside = await run(['predict', 'm.safetensors', 'weighted.csv', '--drop', 'kind'], { cwd });
    expect(plain.code).toBe(0);
    expect(beside.stdout).toBe(plain.stdout);
  });

  it.each([0, -4])('of values, the column being %i', async (weight) => {
    const data = { ...line.data, file: 'weightedValue.csv', weight, label: 'value' };
    const coded = code({
      model: new nn.Sequential(new nn.Linear(2, 1)),
      loss: ({ x, value, weight }, model) => loss.weightedMean(loss.mse(column(model, x), value, { reduction: 'none' }), weight),
    });
    await same({ ...line, data }, coded);
  });

  it('with those of classes: the mean divides by the products, and balanced classes weigh alike', async () => {
    const data = { ...classes.data, file: 'weighted.csv', weight: 'w' };
    const total = [0, 1].map((k) => rows.slice(0, 64).reduce((sum, r) => sum + (r.kind === k ? r.weight : 0), 0));
    const balanced = total.map((w) => (total[0]! + total[1]!) / (2 * w));
    const given = await train({ ...classes, data, classWeights: balanced });
    const made = await train({ ...classes, data, classWeights: 'balanced' });
    expect(await weightsOf(made.cwd)).toEqual(await weightsOf(given.cwd));
    // Of the test rows, by hand.
    const weights = await weightsOf(given.cwd);
    const at = (name: string, i: number): number => weights[name]![i]!;
    let [sum, by] = [0, 0];
    for (const { x, kind, weight } of rows.slice(80)) {
      const hidden = Array.from({ length: 8 }, (_, j) =>
        Math.tanh(x[0]! * at('0.weight', 2 * j) + x[1]! * at('0.weight', 2 * j + 1) + at('0.bias', j)),
      );
      const logits = [0, 1].map((k) => hidden.reduce((s, h, j) => s + h * at('2.weight', 8 * k + j), at('2.bias', k)));
      const w = weight * balanced[kind]!;
      sum += w * (Math.log(Math.exp(logits[0]!) + Math.exp(logits[1]!)) - logits[kind]!);
      by += w;
    }
    expect(given.json().at(-1)!.testLoss).toBeCloseTo(sum / by, 5);
  });

  it('that are all alike change nothing but rounding, and rows that weigh 0 do not count', async () => {
    const cwd = (change: (row: Row) => number, head = 'a,b,w,kind'): Record<string, string> => ({
      'weighted.csv': table(head, (row) => [...row.x, change(row), row.kind]),
    });
    const run2 = async (change: (row: Row) => number): Promise<Record<string, unknown>> => {
      const dir = folder({
        ...cwd(change),
        'c.json': JSON.stringify({ ...classes, data: { ...classes.data, file: 'weighted.csv', weight: 'w' } }),
      });
      return (await run(['train', '--json', 'c.json'], { cwd: dir })).json().at(-1)!;
    };
    const plain = (await train(classes)).json().at(-1)!;
    const alike = await run2(() => 3);
    expect(alike.testLoss).toBeCloseTo(plain.testLoss as number, 5);
    expect(alike.testAccuracy).toBe(plain.testAccuracy);
    const some = await run2((row) => row.kind);
    expect(some.testAccuracy).toBe(1);
  });

  it('of an array in an npz file', async () => {
    const { x, y, weight } = arrays(rows);
    const config = { ...classes, data: { type: 'npz', file: 'd.npz', weight: 'importance', split: classes.data.split } };
    const there = {
      'd.npz': npz({ x: [x.shape, x.data], y: [[96], y], importance: [[96], weight], few: [[2], weight.subarray(0, 2)] }),
      'c.json': JSON.stringify(config),
      'few.json': JSON.stringify({ ...config, data: { ...config.data, weight: 'few' } }),
    };
    const cwd = folder(there);
    const csv = await train({ ...classes, data: { ...classes.data, file: 'weighted.csv', weight: 'w' } });
    const ran = await run(['train', '--json', 'c.json', '--out', 'm.safetensors'], { cwd });
    expect(ran.code, ran.stderr).toBe(0);
    expect(await weightsOf(cwd)).toEqual(await weightsOf(csv.cwd));
    const few = await run(['train', 'few.json'], { cwd });
    expect(few.stderr).toContain('d.npz: few: expected [96], a weight for each row, got [2]');
    expect(few.code).toBe(4);
  });

  it.each([
    ['a,w,kind\n1,-1,0\n2,1,1\n', { weight: 'w' }, 4, 'row 0: expected a weight >= 0, got -1'],
    ['a,w,kind\n1,0,0\n2,0,1\n', { weight: 'w' }, 4, 'expected a weight above 0, got only 0'],
    ['a,w,kind\n1,x,0\n2,0,1\n', { weight: 'w' }, 4, 'column 2 (w): expected a number, got "x"'],
    ['a,w,kind\n1,1,0\n2,1,1\n', { weight: 'v' }, 2, 'option weight: no column "v"'],
    ['a,w,kind\n1,1,0\n2,1,1\n', { weight: -1 }, 2, 'option weight: the column is that of the label'],
  ])('%j with %j is refused', async (text, more, exit, message) => {
    const data = { type: 'csv', file: 'd.csv', split: { train: 1 }, ...more };
    const cwd = folder({ 'd.csv': text, 'c.json': JSON.stringify({ ...classes, data, model: { type: 'mlp', sizes: [1, 2] } }) });
    const { code, stderr } = await run(['train', 'c.json'], { cwd });
    expect(stderr).toContain(message);
    expect(code).toBe(exit);
  });
});

describe('optimizers of groups', () => {
  it('muon for the matrices within, as in code', async () => {
    const muon = { type: 'muon', lr: 0.02 };
    await same(
      { ...classes, optimizer: { type: 'adamw', lr: 0.01 }, groups: [{ match: '0.weight', optimizer: muon }] },
      code({
        optimizer: optim.adamw({ lr: 0.01 }),
        groups: [{ match: '0.weight', optimizer: optim.muon({ lr: 0.02 }) }],
        ...withAccuracy,
      }),
    );
  });

  it('each with the schedule, from its own rate on', async () => {
    const half = (lr: number) => optim.schedule.exponential(lr, { gamma: 0.9 });
    await same(
      {
        ...classes,
        schedule: { type: 'exponential', gamma: 0.9 },
        groups: [{ match: '*.bias', optimizer: { type: 'sgd', lr: 0.1 } }],
      },
      code({
        optimizer: optim.sgd({ lr: half(0.5), momentum: 0.9 }),
        groups: [{ match: '*.bias', optimizer: optim.sgd({ lr: half(0.1) }) }],
        ...withAccuracy,
      }),
    );
  });

  it('some parameters alone, and no shorter last batch', async () => {
    const ran = await train({ ...classes, batchSize: 24, dropLast: true, parameters: '2.*' });
    expect(ran.json().at(-1)).toMatchObject({ steps: 6 });
    const [before, after] = [mlp(), await weightsOf(ran.cwd)];
    using _ = new Trainer({ model: before, loss: ({ x }, m) => ops.mean(m.forward(x)), optimizer: optim.sgd({ lr: 1 }) });
    const first = before.parameters().map((p) => Float32Array.from(p.data as Float32Array));
    expect([after['0.weight'], after['0.bias']]).toEqual(first.slice(0, 2));
    expect(after['2.weight']).not.toEqual(first[2]);
    await same({ ...classes, parameters: ['2.weight', '0.bias'] }, code({ parameters: ['2.weight', '0.bias'], ...withAccuracy }));
  });

  it.each([
    [{ groups: [{ match: '0.weight', optimizer: { type: 'sgd', lr: -1 } }] }, 'groups[0].optimizer.lr: expected'],
    [{ groups: [{ optimizer: { type: 'sgd' } }] }, 'groups[0].match: expected a text, got nothing'],
    [{ groups: [{ match: 'x', optimizer: { type: 'sgd' } }] }, 'groups: no parameter matches x; there are 0.weight'],
    [
      { schedule: { type: 'exponential', gamma: 0.9 }, groups: [{ match: '0.weight', optimizer: { type: 'sgd' } }] },
      'groups[0].optimizer.lr: expected a finite number >= 0, got nothing',
    ],
    [{ parameters: 'y.*' }, 'y.*'],
    [{ parameters: [] }, 'parameters: expected a list of at least 1'],
  ])('%j is refused', async (change, message) => {
    const { code, stderr } = await train({ ...classes, ...change });
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});

describe('precision bf16 is that of predict and sample too', () => {
  it('predictions have the bits of the trainer', async () => {
    const { cwd } = await train({ ...line, model: { type: 'mlp', sizes: [2, 64, 64, 1] }, precision: 'bf16' });
    const told = (await run(['predict', '--json', 'm.safetensors', 'value.csv', '--drop', 'value'], { cwd })).json();
    const predicted = async (precision: 'f32' | 'bf16'): Promise<number[]> => {
      using trainer = new Trainer({
        model: new nn.Sequential(new nn.Linear(2, 64), new nn.ReLU(), new nn.Linear(64, 64), new nn.ReLU(), new nn.Linear(64, 1)),
        loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
        optimizer: optim.sgd({ lr: 0.1 }),
        precision,
      });
      await trainer.load(`${cwd}/m.safetensors`, { strict: false });
      return [...(await trainer.predict(arrays(rows).x)).data];
    };
    const values = told.map(({ value }) => value as number);
    expect(values).toEqual(await predicted('bf16'));
    expect(values).not.toEqual(await predicted('f32'));
  });

  it('texts are those of the trainer', async () => {
    const text = 'the quick brown fox jumps over the lazy dog. '.repeat(20);
    const config = {
      data: { type: 'text', file: 't.txt', length: 16, split: { train: 0.9 } },
      model: { type: 'charRnn', kind: 'gru', embedding: 8, hidden: 32 },
      optimizer: { type: 'adamw', lr: 0.01 },
      precision: 'bf16',
      steps: 5,
    };
    const cwd = folder({ 't.txt': text, 'c.json': JSON.stringify(config) });
    expect((await run(['train', 'c.json', '--out', 'm.safetensors'], { cwd })).code).toBe(0);
    const [event] = (await run(['sample', '--json', 'm.safetensors', '--prompt', 't', '--length', '3000'], { cwd })).json();
    const written = async (precision: 'f32' | 'bf16'): Promise<string> => {
      const tokens = tokenizer.char(text);
      using trainer = new Trainer({
        model: new models.CharRNN(tokens.size, { kind: 'gru', embedding: 8, hidden: 32 }),
        loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
        optimizer: optim.sgd({ lr: 0.1 }),
        precision,
      });
      await trainer.load(`${cwd}/m.safetensors`, { strict: false });
      const all = await generate(trainer, { prompt: tokens.encode('t'), length: 3000, seed: 0 });
      return tokens.decode(all);
    };
    expect(event!.text).toBe(await written('bf16'));
    expect(event!.text).not.toBe(await written('f32'));
  });
});

describe('seconds', () => {
  const { epochs: _, ...endless } = classes;
  it('end the training with its result: validation, test, checkpoint; with a flag, and alone', async () => {
    const ran = await train({ ...endless, seconds: 1e-9, record: 'run.jsonl' });
    expect(ran.code, ran.stderr).toBe(0);
    const [start, result] = [ran.json()[0]!, ran.json().at(-1)!];
    expect(start).toMatchObject({ event: 'start', steps: null });
    expect(result).toMatchObject({ stopReason: 'seconds', steps: 1, epochs: 0, checkpoint: `${ran.cwd}/m.safetensors` });
    for (const key of ['validationLoss', 'validationAccuracy', 'testLoss', 'testAccuracy']) {
      expect([key, typeof result[key]]).toEqual([key, 'number']);
    }
    expect((await readRecord(`${ran.cwd}/run.jsonl`)).norm.length).toBe(1);
    const flag = (await train(classes, '--seconds', '1e-9')).json().at(-1)!;
    expect(flag).toEqual({ ...result, seconds: flag.seconds, checkpoint: flag.checkpoint });
    const both = (await train({ ...classes, seconds: 1e9 })).json().at(-1)!;
    expect(both).toMatchObject({ stopReason: 'epochs', steps: 12 });
  });

  it('each start has them: resumed until its epochs are over, it is the training that had all the time', async () => {
    const whole = await train(classes);
    const cwd = folder({
      ...files,
      'c.json': JSON.stringify({ ...classes, seconds: 1e-9, checkpoint: 'run.safetensors', resume: 'auto' }),
    });
    let result: Record<string, unknown> = {};
    for (let i = 0; i < 20 && result.stopReason !== 'epochs'; i++) {
      result = (await run(['train', '--json', 'c.json', '--out', 'm.safetensors'], { cwd })).json().at(-1)!;
      expect(result.steps).toBe(1);
    }
    expect(result).toMatchObject({ stopReason: 'epochs', epochs: 3, testLoss: whole.json().at(-1)!.testLoss });
    expect(await weightsOf(cwd)).toEqual(await weightsOf(whole.cwd));
  });

  it('are told as they are, for people', async () => {
    const cwd = folder({ ...files, 'c.json': JSON.stringify({ ...endless, seconds: 1e-9 }) });
    const { stdout } = await run(['train', 'c.json'], { cwd });
    expect(stdout).toMatch(/; 1e-9 s\ntime over after 1 steps in /);
    expect(stdout).toMatch(/\nvalidation loss [\d.]+, accuracy [\d.]+ %\n.*test accuracy/);
  });

  it.each([
    [{ ...endless }, [], 'epochs: expected epochs, steps or seconds, got nothing'],
    [{ ...classes, seconds: 0 }, [], 'seconds: expected a finite number > 0, got 0'],
    [classes, ['--seconds', 'x'], '--seconds: expected a finite number > 0'],
  ])('%# is refused', async (config, flags, message) => {
    const { code, stderr } = await train(config, ...flags);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});
