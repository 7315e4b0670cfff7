// checkpoint.ts: a trainer that loads: what it wrote itself and what it did not, and stays as it was where it refuses.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as clip from '../../../lib/clip/index.ts';
import { standardize } from '../../../lib/data/preprocess.ts';
import type { Tensor } from '../../../lib/ir/graph.ts';
import { BatchNorm1d, Linear, type Module, ReLU, Sequential } from '../../../lib/nn/index.ts';
import * as loss from '../../../lib/nn/loss/index.ts';
import * as optim from '../../../lib/optim/index.ts';
import { type LoadOptions, Trainer } from '../../../lib/train/index.ts';
import type { Random } from '../../torture/random.ts';
import { other } from '../make/bytes.ts';
import { changedWeights } from '../make/weights.ts';
import { Broken, type Drawn, type Input, type Reader, type Way } from '../spec.ts';
import { limitOf } from './limits.ts';

const X = { data: Float32Array.from({ length: 24 }, (_, i) => (i * 7) % 5), shape: [8, 3] };
const Y = { data: Int32Array.from({ length: 8 }, (_, i) => i % 2), shape: [8] };

type Model = Module & { forward(x: Tensor): Tensor };
type Kept = Trainer<Model>;

const common = {
  loss: ({ x, y }: Readonly<Record<string, Tensor>>, model: Model): Tensor => loss.crossEntropy(model.forward(x!), y!),
  threads: 1,
} as const;

/** What follows a run has a state of its own in the file. */
const FOLLOWED = {
  batchSize: 4,
  validation: { x: X, y: Y },
  earlyStop: { patience: 9 },
  callbacks: [{ name: 'own', onEpoch() {}, state: () => ({ list: [1, 'two', null] }), restore() {} }],
} as const;

/** Trainers with little and with much to keep. */
const TRAINERS: Readonly<Record<string, () => Kept>> = {
  plain: () =>
    new Trainer<Model>({ ...common, model: new Sequential(new Linear(3, 2)), optimizer: optim.sgd({ lr: 0.1 }), seed: 1 }),
  rich: () =>
    new Trainer<Model>({
      ...common,
      model: new Sequential(new Linear(3, 4), new BatchNorm1d(4), new ReLU(), new Linear(4, 2)),
      optimizer: optim.adamw({ lr: 0.01 }),
      clip: clip.autoClip(50),
      preprocess: { x: standardize().fit(X) },
      ema: { decay: 0.9 },
      plateau: { factor: 0.5, patience: 1 },
      lossScale: 8,
      seed: 2,
      batchSize: 4,
    }),
};
interface Base {
  readonly trainer: Kept;
  readonly bytes: Uint8Array;
}
const bases = new Map<string, Base>();

/** Made once, and used for all inputs; what they leave behind is overwritten by the next that is loaded. */
export async function makeTrainers(folder: string): Promise<void> {
  for (const [kind, make] of Object.entries(TRAINERS)) {
    const trainer = make();
    trainer.fitSync({ x: X, y: Y }, { ...FOLLOWED, steps: 5 });
    const file = join(folder, `${kind}.safetensors`);
    await trainer.save(file, { metadata: { name: 'base' } });
    bases.set(kind, { trainer, bytes: readFileSync(file) });
    rmSync(file);
  }
}

function draw(r: Random): Drawn {
  const kind = r.pick(Object.keys(TRAINERS));
  const { bytes } = bases.get(kind)!;
  const strict = r.chance(0.5);
  const skipMismatched = !strict && r.chance(0.3);
  const options = { kind, load: { strict, skipMismatched }, go: r.chance(0.3) };
  if (r.chance(0.1)) return { files: { 'a.safetensors': bytes }, options, expects: { missing: [], extra: [] } };
  return { files: { 'a.safetensors': r.chance(0.02) ? other(r) : changedWeights(r, bytes) }, options };
}

/** All that a trainer has. */
async function held(trainer: Kept): Promise<unknown> {
  return [trainer.counters, [...(await trainer.readParameters())].map(([name, { data }]) => [name, Array.from(data)])];
}

function ways({ files, options }: Input, folder: string): readonly Way[] {
  const { kind, load: how, go } = options as { readonly kind: string; readonly load: LoadOptions; readonly go: boolean };
  const { trainer } = bases.get(kind)!;
  const file = join(folder, 'a.safetensors');
  const load = async (from: string | Uint8Array): Promise<unknown> => {
    const before = await held(trainer);
    try {
      const { missing, extra } = await trainer.load(from, { ...how, ...limitOf(options) });
      return { missing: [...missing], extra: [...extra] };
    } catch (error) {
      if (!isDeepStrictEqual(await held(trainer), before)) throw new Broken(`refused, and yet the trainer has changed: ${error}`);
      throw error;
    }
  };
  const onwards = async (): Promise<unknown> => {
    const loaded = await load(file);
    await trainer.fit({ x: X, y: Y }, { ...FOLLOWED, steps: 2 });
    await trainer.save(file);
    await trainer.load(file);
    return loaded;
  };
  if (go) return [{ name: 'Trainer.load, then fit and save', run: onwards }];
  return [
    { name: 'Trainer.load', alike: 'load', run: () => load(file) },
    { name: 'Trainer.load of bytes', alike: 'load', run: () => load(files['a.safetensors']!) },
  ];
}

export const CHECKPOINT: Reader = {
  covers: ['Trainer.load', 'Trainer.save'],
  reaches: ['train/state/checkpoint.ts', 'train/state/course.ts', 'train/feed/prepare.ts', 'train/watch/callback.ts'],
  draw,
  ways,
};
