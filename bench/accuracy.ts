// accuracy.ts: what products in bf16 cost in accuracy: trainings in f32 and in bf16 from the same weights on the same batches, the table of
// docs/PRECISION.md. Beside them in f32 from weights of which one differs in its last bit: what chance makes of a training.
import { join } from 'node:path';
import { clip, io, loss, metrics, models, type nn, optim, Trainer, tokenizer, windows } from '../lib/index.ts';
import type { Tensor } from '../lib/ir/graph.ts';
import { median } from '../lib/text/format.ts';
import type { NdArray, Source } from '../lib/train/feed/source.ts';

type Network = nn.Module & { forward(x: Tensor): Tensor };
type Rows = { readonly x: NdArray; readonly y: NdArray } | Source<'x' | 'y'>;
type Way = 'f32' | 'bf16' | 'nudged';

/** A training, ready but for seed and precision. */
interface Task {
  make(): Network;
  readonly train: Rows;
  readonly test: Rows;
  readonly batchSize: number;
  /** The learning rate rises to this over a fifteenth of the steps, and falls by a cosine to a tenth of it. */
  readonly lr: number;
  readonly steps: number;
}

interface Kind {
  /** What is told of the test data: accuracy in percent, or loss. */
  readonly told: 'accuracy' | 'loss';
  /** How far the means over seeds may be apart. */
  readonly limit: number;
  open(folder: string): Promise<Task>;
}

/** 8,000 images of MNIST to train, 2,000 to test. */
async function mnist(
  folder: string,
  arrange: (pixels: Float32Array) => Float32Array,
  row: readonly number[],
): Promise<Pick<Task, 'train' | 'test'>> {
  const images = await io.readIdx(join(folder, 'mnist-10k-images-idx3-ubyte.gz'));
  const labels = await io.readIdx(join(folder, 'mnist-10k-labels-idx1-ubyte.gz'));
  const size = row.reduce((a, b) => a * b, 1);
  const all = new Float32Array(10_000 * size);
  for (let i = 0; i < 10_000; i++) {
    const pixels = Float32Array.from((images.data as Uint8Array).subarray(i * 784, (i + 1) * 784), (v) => v / 255);
    all.set(arrange(pixels), i * size);
  }
  const part = (from: number, to: number): Rows => ({
    x: { data: all.subarray(from * size, to * size), shape: [to - from, ...row] },
    y: { data: (labels.data as Uint8Array).subarray(from, to), shape: [to - from] },
  });
  return { train: part(0, 8000), test: part(8000, 10_000) };
}

/** In the middle of 32 x 32, three times. */
function colored(pixels: Float32Array): Float32Array {
  const out = new Float32Array(3 * 1024);
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < 28; i++) out.set(pixels.subarray(28 * i, 28 * (i + 1)), 1024 * c + 32 * (i + 2) + 2);
  return out;
}

/** Nine tenths of Shakespeare's plays to train, the last one to test. */
async function text(
  folder: string,
  length: number,
  make: (characters: number) => Network,
): Promise<Pick<Task, 'make' | 'train' | 'test'>> {
  const written = await io.readText(join(folder, 'tinyshakespeare.txt'));
  const vocab = tokenizer.char(written);
  const tokens = vocab.encode(written);
  const cut = Math.floor(0.9 * tokens.length);
  const of = (part: typeof tokens): Rows => windows(part, { length });
  return { make: () => make(vocab.size), train: of(tokens.subarray(0, cut)), test: of(tokens.subarray(cut)) };
}

const KINDS: Readonly<Record<string, Kind>> = {
  'mnist-mlp': {
    told: 'accuracy',
    limit: 0.1,
    open: async (folder) => ({
      ...(await mnist(folder, (pixels) => pixels, [784])),
      ...{ make: () => new models.MLP([784, 256, 128, 10]), batchSize: 64, lr: 1e-3, steps: 1250 },
    }),
  },
  'mnist-lenet': {
    told: 'accuracy',
    limit: 0.1,
    open: async (folder) => ({
      ...(await mnist(folder, (pixels) => pixels, [1, 28, 28])),
      ...{ make: () => new models.LeNet(), batchSize: 64, lr: 1e-3, steps: 625 },
    }),
  },
  'mnist-resnet20': {
    told: 'accuracy',
    limit: 0.3,
    open: async (folder) => ({
      ...(await mnist(folder, colored, [3, 32, 32])),
      ...{ make: () => new models.ResNet20(), batchSize: 64, lr: 3e-3, steps: 375 },
    }),
  },
  'gpt-nano': {
    told: 'loss',
    limit: 0.003,
    open: async (folder) => ({
      ...(await text(folder, 64, (characters) => new models.GPT(characters))),
      ...{ batchSize: 12, lr: 1e-3, steps: 1500 },
    }),
  },
  'char-lstm': {
    told: 'loss',
    limit: 0.003,
    open: async (folder) => ({
      ...(await text(folder, 128, (characters) => new models.CharRNN(characters))),
      ...{ batchSize: 32, lr: 2e-3, steps: 1500 },
    }),
  },
};
export const ACCURACY_KINDS: readonly string[] = Object.keys(KINDS);

async function trained(
  task: Task,
  told: Kind['told'],
  way: Way,
  seed: number,
  steps: number,
  threads: number | undefined,
): Promise<number> {
  const model = task.make().initialize(seed);
  if (way === 'nudged') {
    // The last one acts on every output.
    const { data } = model.parameters().at(-1)!;
    new Int32Array(data.buffer, data.byteOffset, 1)[0]! ^= 1;
  }
  const warmUp = Math.ceil(steps / 15);
  const lr = optim.schedule.sequential(
    [
      optim.schedule.linear(task.lr, { from: 0.01, to: 1, steps: warmUp }),
      optim.schedule.cosine(task.lr, { steps: Math.max(1, steps - warmUp), min: task.lr / 10 }),
    ],
    { milestones: [warmUp] },
  );
  using trainer = new Trainer({
    model,
    loss: ({ x, y }: { x: Tensor; y: Tensor }, m: Network) => loss.crossEntropy(m.forward(x), y),
    metrics: { accuracy: ({ x, y }: { x: Tensor; y: Tensor }, m: Network) => metrics.accuracy(m.forward(x), y) },
    optimizer: optim.adamw({ lr }),
    clip: clip.globalNorm(1),
    batchSize: task.batchSize,
    precision: way === 'bf16' ? 'bf16' : 'f32',
    seed,
    ...(threads && { threads }),
  });
  await trainer.fit(task.train, { steps });
  const measured = await trainer.evaluate(task.test);
  return told === 'loss' ? measured.loss : 100 * measured.accuracy;
}

/** A mean over seeds, and how sure it is. */
export interface Mean {
  readonly mean: number;
  /** Standard error; NaN of one seed. */
  readonly error: number;
}

export function meanOf(values: readonly number[]): Mean {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const squares = values.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / (values.length - 1) / values.length) };
}

export interface Accuracy {
  readonly name: string;
  readonly told: Kind['told'];
  readonly limit: number;
  readonly seeds: number;
  readonly f32: number;
  readonly bf16: number;
  /** Of bf16 from f32, seed by seed. */
  readonly difference: Mean;
  /** Of nudged f32 from f32: its absolute value, in the middle; NaN where that was not asked for. */
  readonly chance: number;
}

export interface AccuracyOptions {
  readonly seeds: number;
  /** Also in f32 from weights of which one differs in its last bit. */
  readonly chance?: boolean;
  /** Default: those of the training. */
  readonly steps?: number;
  readonly threads?: number;
  /** Hears each value. */
  readonly tell?: (text: string) => void;
}

/** A training in each way from each of the seeds. */
export async function accuracyOf(
  name: string,
  folder: string,
  { seeds, chance = false, steps, threads, tell }: AccuracyOptions,
): Promise<Accuracy> {
  const { told, limit, open } = KINDS[name]!;
  const task = await open(folder);
  const values: Record<Way, number[]> = { f32: [], bf16: [], nudged: [] };
  for (let seed = 0; seed < seeds; seed++) {
    for (const way of Object.keys(values) as Way[]) {
      if (way === 'nudged' && !chance) continue;
      values[way].push(await trained(task, told, way, seed, steps ?? task.steps, threads));
      tell?.(`${name}, seed ${seed}, ${way}: ${told} ${values[way].at(-1)!.toFixed(4)}`);
    }
  }
  const apart = (way: Way): number[] => values[way].map((value, seed) => value - values.f32[seed]!);
  return {
    ...{ name, told, limit, seeds },
    ...{ f32: meanOf(values.f32).mean, bf16: meanOf(values.bf16).mean, difference: meanOf(apart('bf16')) },
    chance: chance ? median(apart('nudged').map(Math.abs)) : Number.NaN,
  };
}

export function accuracyTable(rows: readonly Accuracy[]): string {
  const head = ['training', 'told of the test', 'seeds', 'f32', 'bf16', 'difference', 'wanted within', 'one bit changed'];
  const lines = rows.map(({ name, told, limit, seeds, f32, bf16, difference, chance }) => {
    const [digits, unit] = told === 'loss' ? [4, ''] : [2, ' %'];
    const show = (value: number): string => `${value.toFixed(digits)}${unit}`;
    const apart = `${difference.mean < 0 ? '' : '+'}${difference.mean.toFixed(digits)} ± ${difference.error.toFixed(digits)}${unit}`;
    return [
      name,
      told,
      String(seeds),
      show(f32),
      show(bf16),
      apart,
      `${limit}${unit}`,
      Number.isNaN(chance) ? '-' : show(chance),
    ];
  });
  return [head, head.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
}
