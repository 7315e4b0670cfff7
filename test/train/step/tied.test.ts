// tied.test.ts: a parameter or buffer that has several names answers to all of them, and files have all of them.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  CheckpointError,
  clip,
  constraint,
  generate,
  io,
  loss,
  nn,
  optim,
  prune,
  regularize,
  type Tensor,
  Trainer,
  type TrainerOptions,
} from '../../../lib/index.ts';
import { Tied, tied, tiedData } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-tied-'));
const at = (name: string): string => join(folder, `${name}.safetensors`);

const [make, data] = [tied, tiedData];
type File = io.Safetensors;
async function rewritten(name: string, change: (tensors: File['tensors']) => void): Promise<string> {
  const { tensors, metadata } = await io.readSafetensors(at(name));
  change(tensors);
  const file = at(`${name} changed`);
  await io.writeSafetensors(file, tensors, metadata);
  return file;
}
const values = (trainer: Trainer<Tied>): number[] => [...trainer.model.wte.weight.data];

describe('files', () => {
  it('have all names, as PyTorch’s state_dict, and are read by any of them', async () => {
    const trainer = make({ ema: { decay: 0.5 } });
    await trainer.fit(data, { steps: 5 });
    await trainer.save(at('weights'), { weightsOnly: true });
    await trainer.save(at('average'), { weightsOnly: true, weights: 'ema' });
    const names = ['wte.weight', 'head.weight', 'norm.weight', 'norm.bias'];
    for (const name of ['weights', 'average']) {
      const { tensors } = await io.readSafetensors(at(name));
      expect([...tensors.keys()]).toEqual(names);
      expect(tensors.get('wte.weight')).toEqual(tensors.get('head.weight'));
    }
    expect([...(await io.readSafetensors(at('weights'))).tensors.get('head.weight')!.data]).toEqual(values(trainer));
    for (const gone of ['wte.weight', 'head.weight', '']) {
      const other = make({ seed: 5 });
      const file = await rewritten('weights', (tensors) => tensors.delete(gone));
      for (const strict of [true, false]) expect(await other.load(file, { strict })).toEqual({ missing: [], extra: [] });
      expect(values(other)).toEqual(values(trainer));
    }
    const none = await rewritten('weights', (tensors) => ['wte.weight', 'head.weight'].map((n) => tensors.delete(n)));
    await expect(make().load(none)).rejects.toThrow('missing wte.weight (strict: false');
    expect((await make().load(none, { strict: false })).missing).toEqual(['wte.weight']);
  });

  it('in which the names disagree are refused, and nothing has changed', async () => {
    const trainer = make();
    await trainer.save(at('agree'), { weightsOnly: true });
    const file = await rewritten('agree', (tensors) => {
      const { data, ...rest } = tensors.get('head.weight')!;
      tensors.set('head.weight', { ...rest, data: (data as Float32Array).map((v, i) => (i === 7 ? v + 1 : v)) });
    });
    const other = make({ seed: 5 });
    const before = values(other);
    for (const strict of [true, false]) {
      const error = await other.load(file, { strict }).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(CheckpointError);
      expect((error as Error).message).toContain(
        'head.weight: other values than wte.weight, which is the same tensor of the model',
      );
    }
    expect(values(other)).toEqual(before);
  });

  it('of a whole trainer that have one of the names resume the run bit for bit', async () => {
    const whole = make({ ema: {}, prune: prune.magnitude({ sparsity: 0.3, begin: 2 }) });
    await whole.fit(data, { steps: 4 });
    await whole.save(at('whole'));
    await whole.fit(data, { steps: 4 });
    for (const gone of ['wte.weight', 'head.weight', '']) {
      const other = make({ ema: {}, prune: prune.magnitude({ sparsity: 0.3, begin: 2 }) });
      await other.load(await rewritten('whole', (tensors) => tensors.delete(gone)));
      await other.fit(data, { steps: 4 });
      expect(values(other)).toEqual(values(whole));
    }
  });

  it('have all names of a layer that is used twice, buffers too', async () => {
    class Twice extends nn.Module {
      first: nn.BatchNorm1d = new nn.BatchNorm1d(2);
      second: nn.BatchNorm1d = this.first;
      forward(input: Tensor): Tensor {
        return this.second.forward(this.first.forward(input));
      }
    }
    const twice = (): Trainer<Twice> =>
      new Trainer({
        model: new Twice(),
        loss: (batch, model) => loss.mse(model.forward(batch.x), batch.x),
        optimizer: optim.sgd({ lr: 0.1 }),
      });
    const trainer = twice();
    await trainer.fit({ x: { data: Float32Array.from({ length: 8 }, Math.sin), shape: [4, 2] } }, { steps: 2 });
    await trainer.save(at('twice'), { weightsOnly: true });
    const { tensors } = await io.readSafetensors(at('twice'));
    const parts = ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'];
    expect([...tensors.keys()].sort()).toEqual(['first', 'second'].flatMap((m) => parts.map((p) => `${m}.${p}`)).sort());
    const other = twice();
    await other.load(await rewritten('twice', (all) => parts.map((p) => all.delete(`first.${p}`))));
    expect([...other.model.first.running_mean!.data]).toEqual([...trainer.model.first.running_mean!.data]);
  });

  it('of either name write text', async () => {
    const trainer = make();
    await trainer.fit(data, { steps: 20 });
    const options = { prompt: [1, 2], length: 6, temperature: 0 };
    const text = await generate(trainer, options);
    for (const gone of ['wte.weight', 'head.weight']) {
      const read = await trainer.readParameters();
      read.delete(gone);
      expect(await generate({ model: new Tied(), readParameters: () => read }, options)).toEqual(text);
    }
  });
});

describe('any name', () => {
  const names = ['wte.weight', 'head.weight'];

  it('is found among the parameters', async () => {
    const trainer = make({ ema: {} });
    for (const weights of ['model', 'ema'] as const) {
      const read = await trainer.readParameters({ weights });
      expect([...read.keys()]).toEqual(['wte.weight', 'head.weight', 'norm.weight', 'norm.bias']);
      expect(read.get('head.weight')).toEqual(read.get('wte.weight'));
    }
    expect(trainer.trained).toEqual(['wte.weight', 'norm.weight', 'norm.bias']);
  });

  it.each<[string, (match: string) => Partial<TrainerOptions<Tied>>]>([
    ['groups', (match) => ({ groups: [{ match, optimizer: optim.sgd({ lr: 0.5 }) }] })],
    ['regularize', (match) => ({ regularize: regularize.l2(0.3, { match }) })],
    ['constraints', (match) => ({ constraints: [{ match, constraint: constraint.weightClip(0.2) }] })],
    ['clip.groups', (match) => ({ clip: clip.groups([{ match, policy: clip.globalNorm(1e-3) }]) })],
    [
      'groups of groups',
      (match) => ({ clip: clip.groups([{ policy: clip.groups([{ match, policy: clip.globalNorm(1e-3) }]) }]) }),
    ],
    [
      'a function of clip.groups',
      (match) => ({ clip: clip.groups([{ match: (name) => name === match, policy: clip.value(1e-3) }]) }),
    ],
    ['prune', (match) => ({ prune: prune.magnitude({ match, sparsity: 0.5 }) })],
  ])('is matched by %s', async (_, options) => {
    const plain = make();
    await plain.fit(data, { steps: 2 });
    const found = [];
    for (const match of names) {
      const trainer = make(options(match));
      await trainer.fit(data, { steps: 2 });
      found.push(values(trainer));
    }
    expect(found[0]).toEqual(found[1]);
    expect(found[0]).not.toEqual(values(plain));
  });

  it.each(names)('freezes: %s', async (name) => {
    const trainer = make();
    const before = values(trainer);
    expect(trainer.model.setRequiresGrad(name, false)).toBe(1);
    const frozen = make({ model: trainer.model });
    await frozen.fit(data, { steps: 2 });
    expect(frozen.trained).toEqual(['norm.weight', 'norm.bias']);
    expect(values(frozen)).toEqual(before);
  });
});
