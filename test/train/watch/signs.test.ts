// signs.test.ts: what is compared by a factor, or with the best so far, is compared alike for losses below 0, of 0, tiny and huge.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { clip, nn, ops, optim, rows, type Source, type Tensor, Trainer, type TrainerOptions } from '../../../lib/index.ts';
import { Plateau } from '../../../lib/train/state/plateau.ts';

const VALUES = [1, -1, 1e-30, -1e-30, 1e30, -1e30];

/** One weight that changes nothing: the loss is what the data say. */
class Still extends nn.Module {
  weight: nn.Parameter = new nn.Parameter([1], Float32Array.of(0));
  forward(x: Tensor): Tensor {
    return ops.add(ops.mean(x), ops.sum(ops.mul(this.weight, 0)));
  }
}

function still(options: Partial<TrainerOptions<Still>> = {}): Trainer<Still> {
  return new Trainer({
    model: new Still(),
    loss: ({ x }, m) => m.forward(x),
    optimizer: optim.sgd({ lr: 0.1 }),
    batchSize: 1,
    ...options,
  });
}

const constant = (v: number): { x: Float32Array } => ({ x: new Float32Array(4).fill(v) });

test.each([...VALUES, 0])('a constant validation of %d lowers the rate, and stops', async (v) => {
  const trainer = still({ plateau: { factor: 0.5, patience: 2 } });
  const told = await trainer.fit(constant(v), { epochs: 10, validation: constant(v) });
  expect(trainer.rateFactor).toBe(0.125);
  expect(told.epochs.length).toBe(10);
  const stopped = await still().fit(constant(v), { epochs: 10, validation: constant(v), earlyStop: { patience: 3 } });
  expect([stopped.stopReason, stopped.epochs.length]).toEqual(['earlyStop', 4]);
});

test.each(VALUES)('from %d an improvement counts from the threshold on, which is a part of its size', (v) => {
  for (const [mode, sign] of [
    ['min', -1],
    ['max', 1],
  ] as const) {
    for (const [part, better] of [
      [0.05, false],
      [0.2, true],
      [-0.2, false],
    ] as const) {
      const plateau = new Plateau({ mode, threshold: 0.1, patience: 0, factor: 0.5 });
      plateau.see(v, [0.1]);
      plateau.see(v + sign * part * Math.abs(v), [0.1]);
      expect(plateau.rate(1), `${mode}, ${part} of ${v}`).toBe(better ? 1 : 0.5);
    }
  }
});

/** Rows one after the other, in their order. */
function inOrder(values: readonly number[]): Source {
  const x = Float32Array.from(values);
  return { ...rows({ x }), fill: (row, { attempt }) => row.fill(attempt) };
}

/** Which steps of losses `values` are left out. */
async function skips(values: readonly number[], k: number, mode: 'ema' | 'window'): Promise<boolean[]> {
  const trainer = still({ clip: clip.spikeSkip({ of: 'loss', mode, threshold: k, window: 8, warmup: 4, decay: 0.5 }) });
  const skipped: boolean[] = [];
  for await (const report of trainer.fit(inOrder(values), { steps: values.length })) skipped.push(report.skipped);
  return skipped;
}

test.each(VALUES)('around losses of %d a spike is what lies a part of their size above', async (v) => {
  const size = Math.abs(v);
  const steady = new Array<number>(6).fill(v);
  // k = 1.5: half the size above the mean, which is v still.
  const seen = await skips([...steady, v + 0.4 * size, v, v + 0.9 * size, v - 3 * size], 1.5, 'ema');
  expect(seen).toEqual([...steady.map(() => false), false, false, true, false]);
});

test('losses of 0 are no spikes, what comes out of them is', async () => {
  for (const mode of ['ema', 'window'] as const) {
    expect(await skips([0, 0, 0, 0, 0, 0, 1, 0], 2, mode)).toEqual([false, false, false, false, false, false, true, false]);
  }
});

test('a loss that is no number teaches nothing', async () => {
  for (const mode of ['ema', 'window'] as const) {
    const skipped = await skips([1, 1, 1, 1, Number.NaN, 1, 1, 10, 1], 2, mode);
    expect(skipped.flatMap((is, i) => (is ? [i] : []))).toEqual([7]);
  }
});

test('of an epoch the mean is that of its finite losses', async () => {
  const { epochs } = await still().fit(inOrder([1, Number.POSITIVE_INFINITY, 3, Number.NaN]), { epochs: 1 });
  expect(epochs.map(({ loss }) => loss)).toEqual([2]);
});

test('no checkpoint is written while the loss is not finite: what is there stays', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'signs-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'run.safetensors');
  const fit = { steps: 2, chunkSteps: 1, checkpoint: { file, every: { steps: 1 } } };
  const { warnings } = await still().fit(inOrder([1, Number.POSITIVE_INFINITY]), fit);
  expect(warnings.map(({ code }) => code)).toContain('noCheckpoint');
  const other = still();
  await other.load(file);
  expect(other.counters.step).toBe(1);
});
