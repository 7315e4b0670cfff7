// checkpoint.test.ts: checkpoints that do not fit or are not whole; saves that fail or are cut off.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CheckpointError, DataError, io, loss, nn, OptionError, optim, type Tensor, Trainer } from '../../../lib/index.ts';
import { child } from '../../children/kit.ts';
import { fails } from '../fails.ts';
import { bits, classifier, MLP, points } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-'));
const data = points(100);
const at = (name: string): string => join(folder, name);
const trainerOf = <M extends nn.Module & { forward(x: Tensor): Tensor }>(model: M): Trainer<M> =>
  new Trainer({ model, loss: ({ x, y }, net) => loss.crossEntropy(net.forward(x), y), optimizer: optim.adamw() });

test('of another model whose names are the same but for a prefix, of weights and of all state', async () => {
  class Whole extends nn.Module {
    readonly inner: MLP = new MLP([6, 16, 2]);
    forward(x: Tensor): Tensor {
      return this.inner.forward(x);
    }
  }
  const [own, whole] = [classifier(), trainerOf(new Whole())];
  for (const weightsOnly of [true, false]) {
    await own.save(at('own.safetensors'), { weightsOnly });
    await whole.save(at('inner.safetensors'), { weightsOnly });
    const lacks =
      /own.safetensors: the names in the file lack the prefix "inner." of the model's: inner.fc1.weight; option rename: { "": "inner." } takes them$/;
    const error = await fails(() => whole.load(at('own.safetensors')), CheckpointError, 'ERR_CHECKPOINT', lacks);
    expect(error.details.missing).toContain('inner.fc2.bias');
    const has =
      /inner.safetensors: the names in the file have a prefix "inner." that the model's have not: inner.fc1.weight; option rename: { "inner.": "" } takes them$/;
    await fails(() => own.load(at('inner.safetensors')), CheckpointError, 'ERR_CHECKPOINT', has);
  }
});

test('that do not fit: missing, extra and mismatched names', async () => {
  const trainer = classifier();
  await trainer.fit(data, { steps: 3 });
  await trainer.save(at('whole.safetensors'));
  const before = await bits(trainer);

  class Longer extends MLP {
    readonly fc3: nn.Linear = new nn.Linear(2, 2);
  }
  const longer = classifier({ model: new Longer([6, 16, 2]) });
  const error = await fails(
    () => longer.load(at('whole.safetensors')),
    CheckpointError,
    'ERR_CHECKPOINT',
    /missing fc3.weight, fc3.bias/,
  );
  expect(error.details).toMatchObject({ extra: [], mismatched: [] });
  const listed = await longer.load(at('whole.safetensors'), { strict: false });
  expect(listed.missing).toContain('fc3.weight');
  expect((await longer.readParameters()).get('fc1.weight')).toEqual((await trainer.readParameters()).get('fc1.weight'));

  await longer.save(at('longer.safetensors'), { weightsOnly: true });
  await fails(() => trainer.load(at('longer.safetensors')), CheckpointError, 'ERR_CHECKPOINT', /extra fc3.weight, fc3.bias/);
  const wide = classifier({ model: new MLP([6, 17, 2]) });
  await fails(
    () => wide.load(at('whole.safetensors')),
    CheckpointError,
    'ERR_CHECKPOINT',
    /fc1.weight: expected f32\[17,6\], got f32\[16,6\]/,
  );
  await fails(() => wide.load(at('whole.safetensors'), { strict: false }), CheckpointError, 'ERR_CHECKPOINT', /fc1.weight/);
  expect(await bits(trainer)).toBe(before);
  expect(await trainer.load(at('longer.safetensors'), { strict: false })).toEqual({
    missing: [],
    extra: ['fc3.weight', 'fc3.bias'],
  });
});

test('of another version, or with counters that are none', async () => {
  const trainer = classifier();
  await trainer.save(at('good.safetensors'));
  const { tensors, metadata } = await io.readSafetensors(at('good.safetensors'));
  const spoil = async (key: string, value: string, text: RegExp): Promise<void> => {
    await io.writeSafetensors(at('spoilt.safetensors'), tensors, { ...metadata, [key]: value });
    await fails(() => trainer.load(at('spoilt.safetensors')), CheckpointError, 'ERR_CHECKPOINT', text);
  };
  await spoil('gradclip.version', '2', /expected a checkpoint of version 1, got 2/);
  await spoil('gradclip.counters', '{"step":-1}', /its counters cannot be read/);
  await spoil('gradclip.counters', 'null', /its counters cannot be read/);
  await spoil('gradclip.seed', 'x', /its counters cannot be read/);
  await fails(() => trainer.save(at('x'), { metadata: { 'gradclip.seed': '1' } }), OptionError, 'ERR_OPTION', /gradclip\.seed/);
});

test('cut short at any length: an error, and nothing has changed', async () => {
  const trainer = classifier();
  await trainer.fit(data, { steps: 2 });
  await trainer.save(at('full.safetensors'));
  const bytes = readFileSync(at('full.safetensors'));
  const before = await bits(trainer);
  for (const part of [0, 1, 7, 8, 100, bytes.length >> 1, bytes.length - 1]) {
    const cut = at('cut.safetensors');
    writeFileSync(cut, bytes.subarray(0, part));
    await fails(() => trainer.load(cut), DataError, 'ERR_DATA', /cut.safetensors: offset/);
  }
  expect(await bits(trainer)).toBe(before);
});

test('a save that fails leaves the file of before', async () => {
  const trainer = classifier();
  const place = join(folder, 'inner');
  mkdirSync(place);
  const name = join(place, 'model.safetensors');
  await trainer.save(name);
  const before = readFileSync(name);
  await trainer.fit(data, { steps: 1 });
  // The system refuses files above this size, half-way through.
  const ended = await child('save.js', [name, 'once'], { fileLimit: 100 });
  expect(ended).toMatchObject({ code: 0, lines: [{ code: 'ERR_DATA' }] });
  expect(readFileSync(name).equals(before)).toBe(true);
  expect(readdirSync(place)).toEqual(['model.safetensors']);
});

test('a process killed while it saves leaves a whole file, and at most one more, which the next save removes', async () => {
  const name = at('killed.safetensors');
  const left = (): string[] => readdirSync(folder).filter((file) => file.startsWith('killed.safetensors.'));
  for (const after of [0, 7, 23, 60]) {
    const ended = await child('save.js', [name, 'forever'], { killAfter: after });
    expect(ended).toMatchObject({ signal: 'SIGKILL', errors: '' });
    const { tensors, metadata } = await io.readSafetensors(name);
    // Every save is of weights that all hold the number of the save.
    const values = new Set([...tensors.values()].flatMap(({ data: values }) => [values[0], values[values.length - 1]]));
    expect([...values]).toEqual([Number(metadata.number)]);
    expect(left().length).toBeLessThanOrEqual(1);
  }
  await classifier().save(name);
  expect(left()).toEqual([]);
});
