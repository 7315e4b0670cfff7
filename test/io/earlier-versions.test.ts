// earlier-versions.test.ts: files that earlier versions wrote (fixtures/VERSION) load and give what they gave then; files of a format to come
// are refused by one error that names the version which reads them.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkConfig, readConfig } from '../../lib/cli/config/config.ts';
import {
  CheckpointError,
  clip,
  DataError,
  io,
  loss,
  nn,
  ops,
  optim,
  preprocess,
  readRecord,
  runtime,
  type Tensor,
  Trainer,
} from '../../lib/index.ts';
import { run } from '../cli/kit.ts';

const at = (name: string): string => join(import.meta.dirname, '../fixtures/0.1.0', name);
const folder = mkdtempSync(join(tmpdir(), 'gradclip-'));

/** The network of net.safetensors, and the data it was trained on. */
class Net extends nn.Module {
  readonly conv: nn.Conv2d = new nn.Conv2d(1, 4, 3, { padding: 1 });
  readonly bn: nn.BatchNorm2d = new nn.BatchNorm2d(4);
  readonly rnn: nn.LSTM = new nn.LSTM(4 * 8, 12);
  readonly drop: nn.Dropout = new nn.Dropout(0.2);
  readonly out: nn.Linear = new nn.Linear(12, 3);
  forward(x: Tensor): Tensor {
    const h = ops.relu(this.bn.forward(this.conv.forward(x)));
    const t = ops.reshape(ops.transpose(h), [x.shape[0]!, 8, 32]);
    return this.out.forward(this.drop.forward(this.rnn.forward(t).last));
  }
}
const n = 50;
const x = {
  data: Float32Array.from({ length: n * 64 }, (_, i) => Math.round(1000 * Math.sin(i * 0.37)) / 1000),
  shape: [n, 1, 8, 8],
};
const y = Int32Array.from({ length: n }, (_, i) => (i * 7) % 3);

const net = (threads: number): Trainer<Net> =>
  new Trainer({
    model: new Net(),
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    optimizer: optim.adamw({ lr: 3e-3 }),
    clip: clip.zclip(),
    ema: { decay: 0.9 },
    lossScale: { init: 1024, growth: 2, backoff: 0.5, interval: 7 },
    ...{ batchSize: 8, accumulate: 2, seed: 99, threads },
  });

interface Expected {
  readonly predictions: readonly number[];
  readonly ema: readonly number[];
  readonly afterResume: readonly { readonly loss: number; readonly norm: number; readonly scale: number }[];
}

describe('0.1.0', () => {
  const expected = JSON.parse(readFileSync(at('net.expected.json'), 'utf8')) as Expected;

  // The table of the x86-64 baseline has no fma.
  test.skipIf(runtime().isa === 'x86_64').each([1, 3])('a checkpoint, on %i threads', async (threads) => {
    using trainer = net(threads);
    expect(await trainer.load(at('net.safetensors'))).toEqual({ missing: [], extra: [] });
    expect(trainer.counters).toEqual({ epoch: 7, attempt: 53, step: 30, batch: 4, skips: 0 });
    const predictions = await trainer.predict(x);
    expect([...predictions.data.slice(0, 12)]).toEqual(expected.predictions);
    const averaged = await trainer.predict(x, { weights: 'ema' });
    expect([...averaged.data.slice(0, 12)]).toEqual(expected.ema);
    const steps: Expected['afterResume'][number][] = [];
    for await (const { loss, norm, scale } of trainer.fit({ x, y }, { steps: 10 })) steps.push({ loss, norm, scale });
    // Its steps have two batches of 8 rows, or one of 2: what they sum and divide by since then rounds no differently.
    expect(steps).toEqual(expected.afterResume);
  });

  test('the checkpoint and the record of a run of the command line, and its configuration', async () => {
    const config = await readConfig(at('digits.json'));
    expect(config).toMatchObject({ loss: 'crossEntropy', batchSize: 16, accumulate: 1, epochs: 30 });
    expect(config.model).toMatchObject({ type: 'mlp', sizes: [64, 128, 10] });
    const { tensors } = await io.readSafetensors(at('digits.safetensors'));
    const rows = Array.from({ length: 5 }, (_, r) => Array.from({ length: 64 }, (_, i) => (i * (r + 3) * 7) % 17));
    writeFileSync(join(folder, 'raw.csv'), rows.map((r) => `${r.join(',')}\n`).join(''));
    const told = await run(['predict', at('digits.safetensors'), 'raw.csv', '--json'], { cwd: folder });
    expect(told.code, told.stderr).toBe(0);
    const layer = (name: string, v: readonly number[]): number[] => {
      const [w, b] = ['weight', 'bias'].map((of) => tensors.get(`${name}.${of}`)!.data) as [Float32Array, Float32Array];
      return Array.from(b, (bias, o) => v.reduce((sum, value, i) => sum + value * w[o * v.length + i]!, bias));
    };
    for (const [r, { class: label, probability }] of told.json().entries()) {
      const out = layer(
        '2',
        layer('0', rows[r]!).map((v) => Math.max(v, 0)),
      );
      const most = Math.max(...out);
      expect(label).toBe(out.indexOf(most));
      expect(probability).toBeCloseTo(1 / out.reduce((sum, v) => sum + Math.exp(v - most), 0), 5);
    }
    expect(told.json()).toHaveLength(rows.length);
    using trainer = new Trainer({
      model: new nn.Sequential(new nn.Linear(64, 128), ops.relu, new nn.Linear(128, 10)),
      loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
      optimizer: optim.adamw({ lr: 0.003 }),
      clip: clip.globalNorm(1),
    });
    expect(await trainer.load(at('digits.safetensors'))).toEqual({ missing: [], extra: [] });
    expect(trainer.counters).toEqual({ epoch: 3, attempt: 282, step: 282, batch: 0, skips: 0 });

    const history = await readRecord(at('digits.run.jsonl'));
    expect(history.header).toMatchObject({ library: '0.1.0', policy: 'globalNorm', batchSize: 16 });
    expect(history.length).toBe(282);
    expect([history.loss[0], history.norm[281]]).toEqual([4.85006649949279, 5.401095135267229]);
  });

  test('a configuration under the names it had is the one under the names of today', () => {
    const config = (keys: object): unknown => checkConfig({ ...JSON.parse(readFileSync(at('digits.json'), 'utf8')), ...keys });
    const then = {
      clip: [
        { type: 'adaGC', warmup: 3, beta: 0.9 },
        { type: 'spikeSkip', k: 4, active: 9 },
      ],
      preprocess: [{ type: 'standardise', per: 'all' }],
    };
    const now = {
      clip: [
        { type: 'adaGc', warmup: 3, decay: 0.9 },
        { type: 'spikeSkip', threshold: 4, warmup: 9 },
      ],
      preprocess: [{ type: 'standardize', per: 'all' }],
    };
    expect(config(then)).toEqual(config(now));
  });

  test('a transform that it wrote', () => {
    const written = preprocess.standardize().fit({ data: Float32Array.of(1, 2, 3, 5), shape: [2, 2] });
    expect(preprocess.fromJSON({ ...written.toJSON(), type: 'standardise' }).toJSON()).toEqual(written.toJSON());
  });
});

describe('a format to come names the version that reads it', () => {
  test('a checkpoint', async () => {
    const file = join(folder, 'later.safetensors');
    using trainer = net(1);
    const { tensors, metadata } = await io.readSafetensors(at('net.safetensors'));
    const load = async (change: Readonly<Record<string, string>>): Promise<unknown> => {
      await io.writeSafetensors(file, tensors, { ...metadata, ...change });
      return trainer.load(file).catch((e: unknown) => e);
    };
    const told = await load({ 'gradclip.version': '2', 'gradclip.library': '9.4.0' });
    expect(told).toBeInstanceOf(CheckpointError);
    expect((told as Error).message).toMatch(
      /later\.safetensors: expected a checkpoint of version 1, got 2; gradclip 9\.4\.0 wrote it: read it with that version or a later one; this is gradclip \d/,
    );
    expect(((await load({ 'gradclip.version': '2' })) as Error).message).toMatch(/got 2; read it with a later version; this is/);
    await trainer.save(file);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect((await io.readSafetensors(file)).metadata['gradclip.library']).toBe(version);
  });

  test('a record', async () => {
    const file = join(folder, 'later.jsonl');
    const text = readFileSync(at('digits.run.jsonl'), 'utf8');
    writeFileSync(file, text.replace('"version":1,"library":"0.1.0"', '"version":4,"library":"9.4.0"'));
    const told = await readRecord(file).catch((e: unknown) => e);
    expect(told).toBeInstanceOf(DataError);
    expect((told as Error).message).toMatch(
      /line 1: version: expected 1 to 3, got 4; gradclip 9\.4\.0 wrote it: read it with that version/,
    );
  });
});
