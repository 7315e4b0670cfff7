// values.test.ts: a module owns the values of its parameters and buffers: trainers change them where they lie, one after the other.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BusyError, clip, loss, nn, ops, optim, type Tensor, Trainer } from '../../../lib/index.ts';
import { addon } from '../../../lib/native/addon.ts';
import { collect, detach } from '../../kit.ts';
import { bits, classifier, MLP, points } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-values-'));
const data = points(64);
const hex = (p: { readonly data: ArrayLike<number> }): string =>
  globalThis.Buffer.from(Float32Array.from(p.data).buffer).toString('hex');
const all = (model: nn.Module): string =>
  model
    .parameters()
    .map((p) => hex(p))
    .join(' ');

describe('parameter.data', () => {
  it('is what a trainer has trained, without a copy', async () => {
    const trainer = classifier();
    const view = trainer.model.fc1.weight.data;
    const first = [...view];
    await trainer.fit(data, { steps: 5 });
    expect(trainer.model.fc1.weight.data).toBe(view);
    expect([...view]).not.toEqual(first);
    expect(all(trainer.model)).toBe(await bits(trainer));
    await trainer.fit(data, { steps: 5 });
    expect(all(trainer.model)).toBe(await bits(trainer));
    trainer.dispose();
    const trained = all(trainer.model);
    await collect();
    expect(all(trainer.model)).toBe(trained);
  });

  it('is bit for bit what training the same steps from the same start gives, wherever the values lie', async () => {
    const whole = classifier();
    await whole.fit(data, { steps: 12 });
    // Set by hand, some of them seen before there is a trainer: these have blocks of their own.
    const model = new MLP([6, 16, 2]);
    const start = new MLP([6, 16, 2]).initialize(3).parameters();
    for (const [i, p] of model.parameters().entries()) {
      p.data = start[i]!.data;
      if (i % 2) expect(hex(p)).toBe(hex(start[i]!));
    }
    const apart = classifier({ model });
    await apart.fit(data, { steps: 12 });
    expect(await bits(apart)).toBe(await bits(whole));
    expect(all(model)).toBe(all(whole.model));
    const file = join(folder, 'apart.safetensors');
    await apart.save(file);
    const loaded = classifier({ model: new MLP([6, 16, 2]) });
    await loaded.load(file);
    for (const t of [whole, apart, loaded]) {
      await t.fit(data, { steps: 3 });
      expect(await bits(t)).toBe(await bits(whole));
    }
  });

  it('may be set: the next call sees it', async () => {
    const trainer = classifier({ optimizer: optim.sgd({ lr: 0.1 }) });
    await trainer.fit(data, { steps: 3 });
    const other = new MLP([6, 16, 2]).initialize(9);
    for (const [i, p] of trainer.model.parameters().entries()) p.data = other.parameters()[i]!.data;
    expect(await bits(trainer)).toBe(all(other));
    const wanted = classifier({ model: other });
    expect(trainer.predictSync(data.x)).toEqual(wanted.predictSync(data.x));
    trainer.model.fc2.bias!.data[1] = 7;
    other.fc2.bias!.data = [other.fc2.bias!.data[0]!, 7];
    expect(await trainer.evaluate(data)).toEqual(await wanted.evaluate(data));
  });

  // A SharedArrayBuffer, which takes the place of these, cannot be detached, and has all values of the model.
  it.skipIf(!addon().externalBuffers)('is one view, and another where that was detached', async () => {
    const { model } = classifier();
    const { weight } = model.fc1;
    const view = weight.data;
    const before = hex(weight);
    detach(view.buffer);
    expect(view.length).toBe(0);
    expect(weight.data === view).toBe(false);
    expect(weight.data).toBe(weight.data);
    expect(hex(weight)).toBe(before);
    // Its buffer is its own values and no more.
    expect(weight.data.buffer.byteLength).toBe(4 * weight.size);
  });

  it('lives as long as the view, without parameter and module', async () => {
    let model: MLP | null = new MLP([6, 16, 2]).initialize(1);
    const view = model.fc1.weight.data;
    const before = [...view];
    model = null;
    await collect();
    for (let k = 0; k < 20; k++) new MLP([6, 16, 2]).initialize(k);
    expect([...view]).toEqual(before);
  });

  it('of nothing, and of a parameter by itself', () => {
    expect(new nn.Parameter([0, 3], new Float32Array(0)).data.length).toBe(0);
    const p = new nn.Parameter([2], Float32Array.of(1, 2));
    p.data = new Float64Array([3, 0.1]);
    expect([...p.data]).toEqual([3, Math.fround(0.1)]);
    const view = p.data;
    p.data = view;
    p.data = [5, 6];
    expect([...view]).toEqual([5, 6]);
    expect(() => {
      p.data = undefined as never;
    }).toThrow('parameter: expected 2 values for [2], got undefined');
  });
});

describe('a second trainer', () => {
  it('goes on from the trained values, with slots and counters of its own', async () => {
    const one = classifier();
    await one.fit(data, { steps: 7 });
    const file = join(folder, 'second.safetensors');
    await one.save(file, { weightsOnly: true });
    const two = classifier({ model: one.model });
    const wanted = classifier();
    await wanted.load(file);
    expect(await bits(two)).toBe(await bits(wanted));
    await two.fit(data, { steps: 7 });
    await wanted.fit(data, { steps: 7 });
    expect(await bits(two)).toBe(await bits(wanted));
    // And the first goes on from there, with its own moments.
    expect(await bits(one)).toBe(await bits(two));
    expect(one.counters.step).toBe(7);
    two.dispose();
    await one.fit(data, { steps: 2 });
    expect(all(one.model)).toBe(await bits(one));
  });

  it('may have another module that shares parameters', async () => {
    const body = new nn.Linear(6, 16);
    const make = (classes: number) =>
      new Trainer({
        model: new nn.Sequential({ body, act: ops.relu, head: new nn.Linear(16, classes) }),
        loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
        optimizer: optim.sgd({ lr: 0.5 }),
        clip: clip.none(),
        batchSize: 8,
      });
    const [one, two] = [make(2), make(3)];
    const first = hex(body.weight);
    await one.fit(data, { steps: 3 });
    const between = hex(body.weight);
    expect(between).not.toBe(first);
    expect(hex((await two.readParameters()).get('body.weight')!)).toBe(between);
    await two.fit(data, { steps: 3 });
    expect(hex(body.weight)).not.toBe(between);
    expect(hex((await one.readParameters()).get('body.weight')!)).toBe(hex(body.weight));
  });

  it('does not continue what another has carried from batch to batch', async () => {
    class Sums extends nn.Module {
      sum: nn.Buffer = new nn.Buffer([1], { persistent: false, eachEpoch: true, fill: 2 });
      fc: nn.Linear = new nn.Linear(1, 1);
      forward(x: Tensor): Tensor {
        if (x.graph.mode === 'train') this.sum.assign(ops.add(this.sum, x.graph.scalar(1)));
        return this.fc.forward(x);
      }
    }
    const model = new Sums();
    const make = () =>
      new Trainer({
        model,
        loss: ({ x, y }, m) => loss.mse(m.forward(x), y),
        optimizer: optim.sgd({ lr: 0 }),
        batchSize: 1,
      });
    const x = { data: new Float32Array(8), shape: [8, 1] };
    const [one, two] = [make(), make()];
    await one.fit({ x, y: x }, { steps: 3 });
    await one.fit({ x, y: x }, { steps: 1 });
    expect([...model.sum.data]).toEqual([6]);
    await two.fit({ x, y: x }, { steps: 2 });
    expect([...model.sum.data]).toEqual([4]);
    one.fitSync({ x, y: x }, { steps: 1 });
    expect([...model.sum.data]).toEqual([3]);
    // But what a file says, it does.
    const file = join(folder, 'carried.safetensors');
    await one.save(file);
    await two.fit({ x, y: x }, { steps: 2 });
    await two.load(file);
    await two.fit({ x, y: x }, { steps: 2 });
    expect([...model.sum.data]).toEqual([5]);
  });

  it('trains while no other does, and is told so', async () => {
    const one = classifier();
    const two = classifier({ model: one.model });
    const other = classifier();
    const run = one.fit(data, { steps: 200, chunkSteps: 1 });
    const busy = 'another trainer of these values has a fit that is not done; await it first';
    expect(() => two.fit(data)).toThrow(new BusyError(`fit: ${busy}`));
    expect(() => two.fitSync(data)).toThrow(BusyError);
    expect(() => two.predictSync(data.x)).toThrow(new BusyError(`predictSync: ${busy}`));
    await expect(two.predict(data.x)).rejects.toThrow(BusyError);
    await expect(two.evaluate(data)).rejects.toThrow(BusyError);
    await expect(two.save(join(folder, 'busy.safetensors'))).rejects.toThrow(BusyError);
    await expect(two.load(join(folder, 'second.safetensors'))).rejects.toThrow(BusyError);
    const { weight } = one.model.fc1;
    const set = (): void => {
      weight.data = new Float32Array(weight.size);
    };
    const taken = new BusyError('fc1.weight: a trainer of these values has a fit that is not done; await it first');
    expect(set).toThrow(taken);
    expect(() => {
      weight.init = nn.init.zeros();
    }).toThrow(BusyError);
    expect(() => classifier({ model: one.model, ema: {} })).toThrow(new BusyError(`Trainer: ${busy}`));
    // Its own calls take their turns, and others have other values.
    const own = await one.predict(data.x);
    expect(own.shape).toEqual([64, 2]);
    await other.fit(data, { steps: 1 });
    await run;
    set();
    expect((await two.fit(data, { steps: 1 })).tried).toBe(1);
    const pending = two.predict(data.x);
    expect(() => one.fit(data)).toThrow('fit: another trainer of these values has a call that is not done');
    expect(set).toThrow('a trainer of these values has a call that is not done');
    const reading = one.predict(data.x);
    expect((await pending).data).toEqual((await reading).data);
    expect((await one.fit(data, { steps: 1 })).tried).toBe(1);
  });

  it('may begin when a fit has failed, was stopped or its trainer was disposed of', async () => {
    const one = classifier();
    const two = classifier({ model: one.model });
    await expect(one.fit({ x: data.x })).rejects.toThrow();
    await two.fit(data, { steps: 1 });
    const run = one.fit(data, { steps: 100_000 });
    run.stop();
    await run;
    await two.fit(data, { steps: 1 });
    const gone = one.fit(data, { steps: 100_000 });
    one.dispose();
    await gone;
    await two.fit(data, { steps: 1 });
    expect(all(two.model)).toBe(await bits(two));
  });
});
