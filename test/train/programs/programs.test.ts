// programs.test.ts: how many compiled programs a trainer keeps, which are dropped, and that dropping one changes no bit and no profile.
import { afterEach, expect, it, vi } from 'vitest';
import { type Arrays, type FitOptions, loss, nn, optim, Trainer, windows } from '../../../lib/index.ts';
import { inputsOf } from '../../../lib/train/feed/inputs.ts';
import type { NdArray } from '../../../lib/train/feed/source.ts';
import { driveSync } from '../../../lib/train/flow/effect.ts';
import { type Entry, Programs } from '../../../lib/train/programs/programs.ts';
import { Setup } from '../../../lib/train/state/setup.ts';
import { hashOf } from '../../golden/runs/models.ts';
import { classifier, points } from '../models.ts';
import { Network, VARIANTS } from '../variants.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

it('drops the least recently used, over the count and over the bytes, but for the last ones of each owner', () => {
  const dropped: string[] = [];
  const [a, b] = [{}, {}];
  const entry = (name: string, owner: object, bytes = 1): Entry => ({ owner, bytes, drop: () => dropped.push(name) });
  const use = (programs: Programs, ...entries: Entry[]): void => {
    for (const e of entries) {
      programs.hold(e);
      programs.release(e);
    }
  };
  const [one, two, three, large] = [entry('one', a), entry('two', a), entry('three', a), entry('large', b, 1000)];
  const programs = new Programs({ own: 1, known: 0, count: 2, bytes: 10 });
  use(programs, one, two, three, one);
  expect(dropped).toEqual([]);
  use(programs, entry('four', a));
  expect(dropped).toEqual(['two']);
  use(programs, large);
  expect(dropped).toEqual(['two']);
  use(programs, entry('second of b', b, 2));
  expect(dropped).toEqual(['two', 'large']);
  expect(programs).toMatchObject({ count: 4, bytes: 5 });
});

it('keeps as many of an owner as its data are known to need, up to so many bytes', () => {
  const dropped: number[] = [];
  const owner = {};
  const programs = new Programs({ own: 1, known: 30, count: 0, bytes: 0 });
  for (let i = 0; i < 6; i++) {
    const entry = { owner, bytes: i < 5 ? 7 : 16, keep: 4, drop: () => dropped.push(i) };
    programs.hold(entry);
    programs.release(entry);
  }
  // Four of 7 bytes stay; of one of 16 and 7, 7, one more only.
  expect(dropped).toEqual([0, 2, 1]);
  expect(programs).toMatchObject({ count: 3, bytes: 30 });
});

it('drops nothing that is in use, until it is released', () => {
  const dropped: number[] = [];
  const programs = new Programs({ own: 0, known: 0, count: 0, bytes: 0 });
  const entries = [0, 1, 2].map((i): Entry => ({ owner: programs, bytes: 1, drop: () => dropped.push(i) }));
  for (const e of [...entries, entries[0]!]) programs.hold(e);
  programs.release(entries[0]!);
  expect(dropped).toEqual([]);
  programs.release(entries[1]!);
  programs.release(entries[0]!);
  expect(dropped).toEqual([1, 0]);
  programs.drop(entries[2]!);
  programs.release(entries[2]!);
  expect(dropped).toEqual([1, 0, 2]);
});

class Reader extends Network {
  readonly embedding: nn.Embedding = new nn.Embedding(20, 32);
  readonly block: nn.TransformerEncoderLayer = new nn.TransformerEncoderLayer(32, 2, { dimFeedforward: 64 });
  readonly head: nn.Linear = new nn.Linear(32, 20);
  forward(x: Parameters<nn.Embedding['forward']>[0]): ReturnType<nn.Linear['forward']> {
    return this.head.forward(this.block.forward(this.embedding.forward(x)));
  }
}

it('predict with 80 lengths keeps a bounded number of programs, and of bytes', () => {
  const model = new Reader().initialize(0);
  const setup = new Setup({
    model,
    loss: ({ x, y }) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    threads: 1,
  });
  const predict = (length: number): Float32Array => {
    const given = inputsOf('predict', { x: { data: new Int32Array(length).fill(3), shape: [1, length] } }, false);
    const predictions = setup.predicting.of({ where: 'predict', output: null, weights: 'model', dropout: false });
    return (driveSync(predictions.run(given, { batchSize: 8, seed: 0n })) as NdArray<Float32Array>).data;
  };
  const first = predict(1);
  for (let length = 2; length <= 80; length++) predict(length);
  expect(setup.programs.count).toBeGreaterThan(10);
  expect(setup.programs.count).toBeLessThanOrEqual(66);
  expect(setup.programs.bytes).toBeLessThan(40 << 20);
  // Compiled anew.
  expect(predict(1)).toEqual(first);
  setup.dispose();
  expect(setup.programs.count).toBe(0);
});

// A tail, micro-batches of several sizes, validation between steps.
const FITS = [
  'dropout and accumulation, adamw',
  'pruned by the schedule, with bounds and norms',
  'tables of which few rows are read',
  'averages, penalties, an adapting loss scale, guards',
].map((name): [string, () => Promise<unknown>] => {
  const { data, options } = VARIANTS[name]!;
  return [
    name,
    async () => {
      using trainer = new Trainer({ ...options(), threads: 2 });
      const fit: FitOptions = { steps: 16, validation: data, validateEvery: 3, chunkSteps: 2 };
      const { epochs } = await trainer.fit(data, fit);
      trainer.fitSync(data, { steps: 5 });
      const metrics = await trainer.evaluate(data);
      return [epochs, metrics, await hashOf(trainer)];
    },
  ];
});
const text = Uint8Array.from({ length: 403 }, (_, i) => (i * i + 3 * i) % 7);
class Carrying extends Network {
  readonly embedding: nn.Embedding = new nn.Embedding(7, 5);
  readonly rnn: nn.LSTM = new nn.LSTM(5, 6, { carry: 3 });
  readonly head: nn.Linear = new nn.Linear(6, 7);
  forward(x: Parameters<nn.Embedding['forward']>[0]): ReturnType<nn.Linear['forward']> {
    return this.head.forward(this.rnn.forward(this.embedding.forward(x)).output);
  }
}

it.each<[string, () => Promise<unknown>]>([
  ...FITS,
  [
    'carry and accumulation over windows',
    async () => {
      using trainer = new Trainer({
        model: new Carrying(),
        loss: ({ x, y }, m: Carrying) => loss.crossEntropy(m.forward(x), y),
        optimizer: optim.adam({ lr: 0.01 }),
        batchSize: 3,
        accumulate: 2,
        seed: 3,
      });
      const source = windows(text, { length: 4, consecutive: true });
      await trainer.fit(source, { steps: 40, validation: source, validateEvery: 7 });
      return await hashOf(trainer);
    },
  ],
  [
    'a stream whose micro-batches all differ',
    async () => {
      using trainer = classifier({ rate: 0.1, accumulate: 4, threads: 2 });
      await trainer.fit(batches(), { epochs: 2 });
      return await hashOf(trainer);
    },
  ],
])('%s: the same bits with no program kept as with all', async (_name, work) => {
  const kept = await work();
  vi.stubEnv('GRADCLIP_FEW_PROGRAMS', '1');
  expect(await work()).toEqual(kept);
});

function batches(): Arrays[] {
  return [5, 3, 8, 1, 4, 7, 2, 6, 9].map((rows) => points(rows));
}

it('a profile tells of programs that were dropped, too', async () => {
  const profile = async (): Promise<unknown> => {
    using trainer = classifier({ rate: 0.1, threads: 1 });
    const result = await trainer.fit(batches(), { epochs: 3, profile: true });
    return result.profile!.map(({ rows, steps, instrs }) => [rows, steps, instrs.map(({ kernel, calls }) => [kernel, calls])]);
  };
  const kept = await profile();
  vi.stubEnv('GRADCLIP_FEW_PROGRAMS', '1');
  expect(await profile()).toEqual(kept);
  expect(kept).toHaveLength(9);
});
