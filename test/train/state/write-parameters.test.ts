// write-parameters.test.ts: values that are put into a trainer's weights by name: what is written, what stays as it is, and what is refused.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  BusyError,
  clip,
  io,
  loss,
  nn,
  OptionError,
  ops,
  optim,
  ShapeError,
  type Tensor,
  Trainer,
  type TrainerOptions,
} from '../../../lib/index.ts';
import { bits, classifier, MLP, points, Tied, tied } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-write-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = points(40);

type Values = Record<string, number[]>;
const valuesOf = (trainer: Pick<Trainer<nn.Module>, 'readParametersSync'>, weights: 'model' | 'ema' = 'model'): Values =>
  Object.fromEntries([...trainer.readParametersSync({ buffers: true, weights })].map(([name, { data }]) => [name, [...data]]));

/** A network and its target network in one model, of which the first is trained. */
class Twin extends nn.Module {
  readonly q: MLP = new MLP([6, 16, 2]);
  readonly target: MLP = new MLP([6, 16, 2]);
  forward(x: Tensor): Tensor {
    return this.q.forward(x);
  }
}
function twin(): Trainer<Twin> {
  const model = new Twin();
  model.setRequiresGrad('target.*', false);
  return new Trainer({
    model,
    loss: ({ x, y }, net) => loss.crossEntropy(ops.add(net.forward(x), ops.mul(net.target.forward(x), 0.1)), y),
    optimizer: optim.adamw({ lr: 1e-2 }),
    seed: 4,
    batchSize: 8,
  });
}

class Normed extends nn.Module {
  readonly fc: nn.Linear = new nn.Linear(6, 3);
  readonly norm: nn.BatchNorm1d = new nn.BatchNorm1d(3);
  forward(x: Tensor): Tensor {
    return this.norm.forward(this.fc.forward(x));
  }
}
const normed = (options: Partial<TrainerOptions<Normed>> = {}): Trainer<Normed> =>
  new Trainer({
    model: new Normed(),
    loss: ({ x, y }, net) => loss.crossEntropy(net.forward(x), y),
    optimizer: optim.adamw({ lr: 1e-2 }),
    batchSize: 8,
    ...options,
  });

describe('what is written', () => {
  it('goes on with the same optimizer as weights that were assigned, bit for bit', async () => {
    const [a, b] = [classifier(), classifier()];
    const other = classifier({ seed: 9 });
    for (const t of [a, b]) await t.fit(data, { steps: 7 });
    const names = await a.writeParameters(other);
    expect(names).toEqual(['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']);
    for (const [name, { data }] of other.readParametersSync()) b.model.getParameter(name).data = data;
    expect(a.counters.step).toBe(7);
    for (const t of [a, b]) await t.fit(data, { steps: 5 });
    expect(await bits(a)).toBe(await bits(b));
    expect(await bits(a)).not.toBe(await bits(other));
  });

  it.each(['map', 'record', 'nested lists', 'typed arrays without a shape', 'f64', 'another trainer'])('%s', async (kind) => {
    const [from, to] = [classifier({ seed: 9 }), classifier()];
    const map = from.readParametersSync();
    const each = (f: (a: { data: Float32Array; shape: readonly number[] }) => unknown): never =>
      Object.fromEntries([...map].map(([name, a]) => [name, f(a)])) as never;
    const rows = ({ data, shape: [n = 1, m] }: { data: Float32Array; shape: readonly number[] }): unknown =>
      m === undefined ? [...data] : Array.from({ length: n }, (_, i) => [...data.subarray(i * m, (i + 1) * m)]);
    const values = {
      map,
      record: Object.fromEntries(map),
      'nested lists': each(rows),
      'typed arrays without a shape': each((a) => a.data),
      f64: each((a) => ({ ...a, data: Float64Array.from(a.data, (v) => v + Math.abs(v) * 2 ** -40) })),
      'another trainer': from,
    }[kind]!;
    await to.writeParameters(values);
    expect(valuesOf(to)).toEqual(valuesOf(from));
    to.writeParametersSync(classifier({ seed: 2 }));
    expect(valuesOf(to)).not.toEqual(valuesOf(from));
    to.writeParametersSync(values);
    expect(valuesOf(to)).toEqual(valuesOf(from));
  });

  it('arrays are taken as they are when it is called', async () => {
    const to = classifier();
    const bias = Float32Array.of(3, 4);
    const written = to.writeParameters({ 'fc2.bias': bias });
    bias.fill(0);
    expect(await written).toEqual(['fc2.bias']);
    expect(valuesOf(to)['fc2.bias']).toEqual([3, 4]);
  });

  it('the part of a model that follows another part', async () => {
    const trainer = twin();
    await trainer.fit(data, { steps: 3 });
    const before = valuesOf(trainer);
    expect(before['q.fc1.weight']).not.toEqual(before['target.fc1.weight']);
    const rule = { match: 'q.*', rename: { 'q.': 'target.' } };
    for (const write of [() => trainer.writeParameters(trainer, rule), () => trainer.writeParametersSync(trainer, rule)]) {
      trainer.writeParametersSync({ 'target.fc1.bias': new Float32Array(16) });
      expect(await write()).toEqual(['target.fc1.weight', 'target.fc1.bias', 'target.fc2.weight', 'target.fc2.bias']);
      const now = valuesOf(trainer);
      for (const name of ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']) {
        expect(now[`target.${name}`]).toEqual(before[`q.${name}`]);
        expect(now[`q.${name}`]).toEqual(before[`q.${name}`]);
      }
    }
  });

  it('parts of a model change places', () => {
    const trainer = twin();
    const before = valuesOf(trainer);
    trainer.writeParametersSync(trainer, { rename: { 'q.': 'target.', 'target.': 'q.' } });
    const now = valuesOf(trainer);
    for (const name of Object.keys(before)) {
      const swapped = name.startsWith('q.') ? name.replace('q.', 'target.') : name.replace('target.', 'q.');
      expect(now[swapped]).toEqual(before[name]);
    }
  });

  it('a function that renames, and leaves out', () => {
    const [from, to] = [classifier({ seed: 9 }), twin()];
    const before = valuesOf(to);
    const rename = (name: string): string | null => (name.endsWith('bias') ? null : `target.${name}`);
    expect(to.writeParametersSync(from, { rename })).toEqual(['target.fc1.weight', 'target.fc2.weight']);
    const { 'fc1.weight': one, 'fc2.weight': two } = valuesOf(from);
    expect(valuesOf(to)).toEqual({ ...before, 'target.fc1.weight': one, 'target.fc2.weight': two });
    expect(to.writeParametersSync(from, { rename: { 'fc1.': null, '': 'q.' } })).toEqual(['q.fc2.weight', 'q.fc2.bias']);
  });

  it('averages', async () => {
    const trainer = classifier({ ema: { decay: 0.5 } });
    await trainer.fit(data, { steps: 4 });
    const averages = valuesOf(trainer, 'ema');
    expect(averages).not.toEqual(valuesOf(trainer));
    const other = classifier();
    other.writeParametersSync(trainer, { weights: 'ema' });
    expect(valuesOf(other)).toEqual(averages);
    await trainer.writeParameters(trainer, { weights: 'ema' });
    expect(valuesOf(trainer)).toEqual(averages);
    expect(valuesOf(trainer, 'ema')).toEqual(averages);
  });

  it('buffers of a trainer, and those that are given', async () => {
    const [from, to] = [normed({ seed: 1 }), normed({ seed: 2 })];
    await from.fit(data, { steps: 4 });
    await to.writeParameters(from);
    expect(valuesOf(to)).toEqual(valuesOf(from));
    expect(valuesOf(to)['norm.num_batches_tracked']).toEqual([4]);
    to.writeParametersSync({ 'norm.num_batches_tracked': { data: [9], shape: [] }, 'norm.running_var': [1, 2, 3] });
    expect(valuesOf(to)['norm.num_batches_tracked']).toEqual([9]);
    expect(valuesOf(to)['norm.running_var']).toEqual([1, 2, 3]);
    expect(to.readParametersSync().has('norm.running_var')).toBe(false);
  });

  it('what is read is what a file takes, and a file gives what is written', async () => {
    const from = normed({ seed: 1 });
    await from.fit(data, { steps: 4 });
    const file = join(folder, 'read.safetensors');
    for (const read of [await from.readParameters({ buffers: true }), from.readParametersSync({ buffers: true })]) {
      await io.writeSafetensors(file, read);
      const to = normed({ seed: 2 });
      await to.writeParameters((await io.readSafetensors(file)).tensors);
      expect(valuesOf(to)).toEqual(valuesOf(from));
      expect(await normed().load(file)).toEqual({ missing: [], extra: [] });
    }
  });

  it('a tensor with several names, by any of them', () => {
    const [from, to] = [tied({ seed: 1 }), tied({ seed: 2 })];
    const values = from.readParametersSync();
    expect(to.writeParametersSync({ 'head.weight': values.get('wte.weight')! })).toEqual(['head.weight']);
    expect([...to.model.wte.weight.data]).toEqual([...from.model.wte.weight.data]);
    to.writeParametersSync(tied({ seed: 3 }));
    to.writeParametersSync(values);
    expect(valuesOf(to)).toEqual(valuesOf(from));
    const wrong = {
      'wte.weight': values.get('wte.weight')!.data,
      'head.weight': new Float32Array(values.get('wte.weight')!.data.length),
    };
    expect(() => to.writeParametersSync(wrong)).toThrow('wte.weight and head.weight are the same tensor of the model');
    expect(to.model).toBeInstanceOf(Tied);
  });
});

describe('optimizer: reset', () => {
  it('is a trainer that begins with these weights, and counts on', async () => {
    const policy = (): clip.ClipPolicy => clip.none();
    const trainer = classifier({ clip: policy() });
    await trainer.fit({ x: data.x, y: data.y }, { steps: 5 });
    const other = classifier({ seed: 9 });
    await trainer.writeParameters(other, { optimizer: 'reset' });
    expect(trainer.counters.step).toBe(5);
    // From its first step on, on the same rows, in their order.
    const fresh = classifier({ clip: policy() });
    fresh.writeParametersSync(other);
    const again = { steps: 4, shuffle: false } as const;
    await trainer.fit(data, { ...again });
    const { x, y } = data;
    const rest = { x: { data: x.data.slice(0), shape: x.shape }, y };
    await fresh.fit(rest, { ...again });
    // The loss of the first step is that of the same weights; the update that of a first step of Adam.
    expect(await bits(trainer)).toBe(await bits(fresh));
    const kept = classifier({ clip: policy() });
    await kept.fit(data, { steps: 5 });
    await kept.writeParameters(other);
    await kept.fit(data, { ...again });
    expect(await bits(kept)).not.toBe(await bits(fresh));
  });

  it('of those that are written alone', async () => {
    const trainer = classifier();
    await trainer.fit(data, { steps: 5 });
    const file = join(folder, 'slots.safetensors');
    const slots = async (): Promise<Map<string, number[]>> => {
      await trainer.save(file);
      const { tensors } = await io.readSafetensors(file);
      return new Map([...tensors].filter(([name]) => name.startsWith('gradclip.optim.')).map(([name, t]) => [name, [...t.data]]));
    };
    const before = await slots();
    trainer.writeParametersSync({ 'fc2.bias': [1, 2] }, { optimizer: 'reset' });
    for (const [name, values] of await slots()) {
      expect(values, name).toEqual(name.includes('.fc2.bias.') ? [0, 0] : before.get(name));
    }
  });
});

describe('what is refused, and changes nothing', () => {
  const wrong: readonly (readonly [string, unknown, object, typeof OptionError | typeof ShapeError, RegExp])[] = [
    ['a name that there is not', { 'fc2.wieght': [1, 2] }, {}, OptionError, /no weight "fc2.wieght"; did you mean fc2.weight\?/],
    ['another shape', { 'fc2.bias': [1, 2, 3] }, {}, ShapeError, /fc2.bias: expected f32\[2\], got f32\[3\]/],
    [
      'a shape that is turned',
      { 'fc2.weight': { data: new Float32Array(32), shape: [16, 2] } },
      {},
      ShapeError,
      /f32\[2,16\], got f32\[16,2\]/,
    ],
    ['one right, one wrong', { 'fc1.bias': new Float32Array(16), 'fc2.bias': [1] }, {}, ShapeError, /fc2.bias: expected/],
    ['nothing', {}, {}, OptionError, /expected at least one array, got none/],
    ['a list', [1, 2], {}, OptionError, /expected arrays by the names of weights, or a trainer, got an array of 2/],
    ['a promise', Promise.resolve(new Map()), {}, OptionError, /is an await missing\?/],
    [
      'a pattern that matches nothing',
      { 'fc2.bias': [1, 2] },
      { match: 'fc3.*' },
      OptionError,
      /option match: no name matches fc3/,
    ],
    ['a prefix that no name has', { 'fc2.bias': [1, 2] }, { rename: { 'fc3.': '' } }, OptionError, /no name begins with "fc3."/],
    ['everything left out', { 'fc2.bias': [1, 2] }, { rename: () => null }, OptionError, /leaves out everything/],
    ['two of one name', { a: [1, 2], b: [1, 2] }, { rename: () => 'fc2.bias' }, OptionError, /a and b are both "fc2.bias"/],
    ['a name that is none', { a: [1, 2] }, { rename: () => 3 }, OptionError, /option rename/],
    ['averages of arrays', { 'fc2.bias': [1, 2] }, { weights: 'ema' }, OptionError, /arrays were given/],
    ['texts', { 'fc2.bias': 'ab' }, {}, OptionError, /fc2.bias: expected an array of numbers/],
  ];
  it.each(wrong)('%s', async (_, values, options, type, message) => {
    const trainer = classifier({ ema: { decay: 0.5 } });
    const before = valuesOf(trainer);
    await expect(trainer.writeParameters(values as never, options)).rejects.toThrow(message);
    await expect(trainer.writeParameters(values as never, options)).rejects.toBeInstanceOf(type);
    expect(() => trainer.writeParametersSync(values as never, options)).toThrow(message);
    expect(valuesOf(trainer)).toEqual(before);
  });

  it('once it is disposed of', async () => {
    const trainer = classifier();
    trainer.dispose();
    expect(() => trainer.writeParametersSync({ 'fc2.bias': [1, 2] })).toThrow('the trainer was disposed');
    await expect(trainer.writeParameters({ 'fc2.bias': [1, 2] })).rejects.toThrow('the trainer was disposed');
    expect(() => trainer.readParametersSync()).toThrow('the trainer was disposed');
    expect(() => classifier().writeParametersSync(trainer)).toThrow('the trainer was disposed');
  });
});

describe('while a fit is on', () => {
  it('between two steps; what must be written at once, and what begins afresh, waits', async () => {
    const trainer = classifier();
    const other = classifier({ seed: 9 });
    const run = trainer.fit(data, { steps: 40, chunkSteps: 2 });
    expect(() => trainer.writeParametersSync({ 'fc2.bias': [1, 2] })).toThrow(BusyError);
    expect(() => other.writeParametersSync(trainer)).toThrow(BusyError);
    expect([...trainer.readParametersSync().keys()]).toHaveLength(4);
    await expect(trainer.writeParameters({ 'fc2.bias': [1, 2] }, { optimizer: 'reset' })).rejects.toThrow(BusyError);
    expect(await trainer.writeParameters({ 'fc2.bias': [100, 100] })).toEqual(['fc2.bias']);
    expect(await other.writeParameters(trainer)).toHaveLength(4);
    await run;
    // Adam goes 0.01 a step at most.
    for (const value of valuesOf(trainer)['fc2.bias']!) expect(Math.abs(value - 100)).toBeLessThan(1);
  });

  it('of another trainer of the model', async () => {
    const trainer = classifier();
    const second = classifier({ model: trainer.model });
    const run = trainer.fit(data, { steps: 20, chunkSteps: 2 });
    await expect(second.writeParameters({ 'fc2.bias': [1, 2] })).rejects.toThrow(BusyError);
    await run;
    await second.writeParameters({ 'fc2.bias': [1, 2] });
    expect(valuesOf(trainer)['fc2.bias']).toEqual([1, 2]);
  });

  it('early stopping does not go on with what it kept for other weights', async () => {
    const options = { validation: data, earlyStop: { patience: 9 }, epochs: 2 } as const;
    const [a, b] = [classifier(), classifier()];
    for (const t of [a, b]) await t.fit(data, options);
    const other = classifier({ seed: 9 });
    a.writeParametersSync(other);
    for (const [name, { data }] of other.readParametersSync()) b.model.getParameter(name).data = data;
    for (const t of [a, b]) await t.fit(data, options);
    expect(await bits(a)).toBe(await bits(b));
  });
});
