// other-weights.test.ts: files of weights that are nearly the model's: a head of another size, dtypes that the model does not have, other files.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointError, DataError, io, loss, nn, optim, type Tensor, Trainer } from '../../../lib/index.ts';
import { fails } from '../fails.ts';
import { classifier, MLP, points } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-weights-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);
const data = points(40);
const byName = async (trainer: Trainer<MLP>): Promise<Record<string, number[]>> =>
  Object.fromEntries([...(await trainer.readParameters())].map(([name, { data }]) => [name, [...data]]));

describe('a head of another size', () => {
  it.each([true, false])('is left out and listed where skipMismatched says so; weightsOnly %s', async (weightsOnly) => {
    const three = classifier({ model: new MLP([6, 16, 3]) });
    await three.fit(data, { steps: 3 });
    await three.save(at('three'), { weightsOnly });
    const two = classifier();
    const before = await byName(two);
    await fails(
      () => two.load(at('three'), { strict: false }),
      CheckpointError,
      'ERR_CHECKPOINT',
      /fc2.weight: expected f32\[2,16\], got f32\[3,16\].*\(skipMismatched: true leaves out weights of other shapes\)/,
    );
    expect(await byName(two)).toEqual(before);

    expect(await two.load(at('three'), { skipMismatched: true })).toEqual({
      missing: [],
      extra: [],
      mismatched: [
        { name: 'fc2.weight', model: [2, 16], file: [3, 16] },
        { name: 'fc2.bias', model: [2], file: [3] },
      ],
    });
    const { 'fc1.weight': w, 'fc1.bias': b } = await byName(three);
    expect(await byName(two)).toEqual({ ...before, 'fc1.weight': w, 'fc1.bias': b });
    // Another model's training is not gone on with.
    expect(two.counters.step).toBe(0);
    await two.fit(data, { steps: 2 });
  });

  it('nothing to skip: as without the option', async () => {
    const trainer = classifier();
    await trainer.fit(data, { steps: 3 });
    await trainer.save(at('same'));
    const other = classifier();
    expect(await other.load(at('same'), { skipMismatched: true })).toEqual({ missing: [], extra: [], mismatched: [] });
    expect(other.counters.step).toBe(3);
  });
});

describe('dtypes', () => {
  class Masked extends nn.Module {
    readonly fc: nn.Linear = new nn.Linear(2, 2);
    readonly mask: nn.Buffer = new nn.Buffer([2], { fill: 1 });
    forward(x: Tensor): Tensor {
      return this.fc.forward(x);
    }
  }
  const trainerOf = (model: Masked): Trainer<Masked> =>
    new Trainer({ model, loss: ({ x, y }, net) => loss.mse(net.forward(x!), y!), optimizer: optim.sgd({ lr: 0.1 }) });
  /** A file of the model's weights and of others, as dtypes that `save` does not write. */
  const write = (name: string, tensors: Record<string, [dtype: string, shape: number[], bytes: Uint8Array]>): string => {
    let begin = 0;
    const header: Record<string, unknown> = {};
    for (const [key, [dtype, shape, bytes]] of Object.entries(tensors)) {
      header[key] = { dtype, shape, data_offsets: [begin, begin + bytes.length] };
      begin += bytes.length;
    }
    const json = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    writeFileSync(at(name), Buffer.concat([length, json, ...Object.values(tensors).map(([, , bytes]) => bytes)]));
    return at(name);
  };
  const f32 = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
  const fc = {
    'fc.weight': ['F32', [2, 2], f32(1, 2, 3, 4)] as [string, number[], Uint8Array],
    'fc.bias': ['F32', [2], f32(5, 6)] as [string, number[], Uint8Array],
  };

  it('of tensors that the model does not have do not matter', async () => {
    const file = write('more', {
      ...fc,
      mask: ['F32', [2], f32(0, 1)],
      quantized: ['F8_E4M3', [3], Uint8Array.of(1, 2, 3)],
      count: ['U64', [1], new Uint8Array(8).fill(255)],
    });
    const trainer = trainerOf(new Masked());
    expect(await trainer.load(file, { strict: false })).toEqual({ missing: [], extra: ['quantized', 'count'] });
    expect([...(await trainer.readParameters()).get('fc.weight')!.data]).toEqual([1, 2, 3, 4]);
    await fails(() => trainer.load(file), CheckpointError, 'ERR_CHECKPOINT', /extra quantized, count/);
  });

  it('whole numbers and booleans are taken where they fit exactly', async () => {
    const trainer = trainerOf(new Masked());
    const read = async (dtype: string, bytes: Uint8Array): Promise<number[]> => {
      await trainer.load(write(dtype, { ...fc, mask: [dtype, [2], bytes] }));
      await trainer.save(at('again'), { weightsOnly: true });
      return [...(await io.readSafetensors(at('again'))).tensors.get('mask')!.data];
    };
    expect(await read('BOOL', Uint8Array.of(0, 1))).toEqual([0, 1]);
    expect(await read('I8', Uint8Array.of(255, 7))).toEqual([-1, 7]);
    expect(await read('U16', new Uint8Array(Uint16Array.of(65535, 7).buffer))).toEqual([65535, 7]);
    await fails(
      () => read('I32', new Uint8Array(Int32Array.of(2 ** 24 + 1, 7).buffer)),
      CheckpointError,
      'ERR_CHECKPOINT',
      /mask: expected f32\[2\], got i32\[2\]/,
    );
  });

  it('of a tensor that the model has are named', async () => {
    const file = write('f8', { ...fc, mask: ['F8_E4M3', [2], Uint8Array.of(1, 2)] });
    const trainer = trainerOf(new Masked());
    await fails(
      () => trainer.load(file, { strict: false }),
      CheckpointError,
      'ERR_CHECKPOINT',
      /"mask": expected dtype .*, got F8_E4M3/,
    );
  });
});

it('a pointer in its place is named, and maxBytes holds', async () => {
  const trainer = classifier();
  writeFileSync(at('pointer'), 'version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n');
  await fails(() => trainer.load(at('pointer')), DataError, 'ERR_DATA', /got a Git LFS pointer: run git lfs pull/);
  await trainer.save(at('whole'));
  await fails(() => trainer.load(at('whole'), { maxBytes: 100 }), DataError, 'ERR_DATA', /at most 100 bytes \(option maxBytes\)/);
});
