// configs.ts: configurations that are right, with all their rooms, and data that they may name.
import type { Random } from '../../torture/random.ts';

export type DataType = 'csv' | 'table' | 'npz' | 'idx' | 'text';

const DATA: Readonly<Record<DataType, Readonly<Record<string, unknown>>>> = {
  csv: { type: 'csv', file: 'a.csv', label: -1, split: { train: 6, validation: 2, order: 'seed' } },
  table: {
    ...{ type: 'table', file: 'a.csv', label: 'l', columns: { b: { type: 'number', missing: 'mean' } } },
    ...{ unknown: 'ignore', split: { train: 6, validation: 2 } },
  },
  npz: { type: 'npz', file: 'a.npz', x: 'x', y: 'y', split: { train: 0.5, validation: 0.25 } },
  idx: { type: 'idx', images: 'a.idx', labels: 'b.idx', divideBy: 255, split: { train: 6, validation: 2 } },
  text: { type: 'text', file: 'a.txt', length: 4, tokenizer: 'char', split: { train: 0.8 } },
};

const TEXT_MODELS: readonly object[] = [
  { type: 'charRnn', kind: 'gru', embedding: 3, hidden: 4, layers: 1 },
  { type: 'gpt', context: 4, layers: 1, heads: 1, width: 4 },
];
const ROW_MODELS: readonly object[] = [{ type: 'mlp', sizes: [4, 3, 2], activation: 'relu', dropout: 0 }];

const OPTIMIZERS = [
  { type: 'sgd', lr: 0.1, momentum: 0.9 },
  { type: 'adamw', lr: 0.001, betas: [0.9, 0.99], weightDecay: 0.01 },
  { type: 'lion', lr: 0.0001, lookahead: { k: 5 } },
];
const SCHEDULES = [
  null,
  { type: 'cosine', steps: 100, min: 1e-4, warmup: 10 },
  { type: 'step', size: { epochs: 2 }, gamma: 0.5 },
];
const CLIPS = [
  null,
  { type: 'globalNorm', threshold: 1 },
  [
    { type: 'value', threshold: 0.5 },
    { type: 'globalNorm', threshold: 'inf' },
  ],
  { type: 'autoClip', q: 0.1 },
];

/** Keys beside what every configuration has; each works with every data. */
const BESIDE: readonly Readonly<Record<string, unknown>>[] = [
  { ema: { decay: 0.99 } },
  { lossScale: 1024 },
  { regularize: { type: 'l2', weight: 1e-4 } },
  { constraints: [{ type: 'maxNorm', max: 3, match: '*weight' }] },
  { guards: [{ type: 'loss', max: 100 }] },
  { record: { file: 'run.jsonl', perLayer: true } },
  { save: 'm.safetensors' },
  { threads: 1 },
  { labelSmoothing: 0.1 },
  { accumulate: 2 },
  { tune: { space: { 'optimizer.lr': { log: [1e-4, 1] }, batchSize: { integer: [1, 4], log: true } }, budget: { trials: 3 } } },
  { tune: { space: { clip: { choice: [null, { type: 'value' }] }, 'clip.threshold': { uniform: [0.1, 1] } }, metric: 'loss' } },
];

/** What the data are of. */
export const dataOf = (type: DataType): Readonly<Record<string, unknown>> => DATA[type];

export function config(r: Random, type: DataType = r.pick(Object.keys(DATA)) as DataType): Readonly<Record<string, unknown>> {
  const beside = BESIDE.filter(() => r.chance(0.25));
  const [schedule, clip] = [r.pick(SCHEDULES), r.pick(CLIPS)];
  return {
    data: DATA[type],
    model: r.pick(type === 'text' ? TEXT_MODELS : ROW_MODELS),
    loss: 'crossEntropy',
    optimizer: r.pick(OPTIMIZERS),
    ...(schedule !== null && { schedule }),
    ...(clip !== null && { clip }),
    batchSize: r.between(1, 4),
    ...(r.chance(0.5) ? { epochs: 2 } : { steps: 3 }),
    seed: r.between(0, 9),
    ...Object.assign({}, ...beside),
  };
}

/** Eight rows of four values, of two classes. */
export const ROWS: readonly (readonly number[])[] = Array.from({ length: 8 }, (_, i) => [i, (3 * i) % 7, (5 * i) % 3, 1]);
export const LABELS: readonly number[] = ROWS.map((_, i) => i % 2);
