// setups.ts: set-ups of trainings, by name, whose state must go through a checkpoint: what each has that the plain one has not.
import * as clip from '../../lib/clip/index.ts';
import { POLICIES as LISTED } from '../../lib/clip/list.ts';
import { OPTIMIZERS as MAKERS } from '../../lib/optim/list.ts';
import type { Network } from '../torture/network.ts';
import { drawOptimizer } from '../torture/optimizers.ts';
import { drawPolicy } from '../torture/policies.ts';
import { Random } from '../torture/random.ts';
import type { InputSpec, LayerSpec, ProgramSpec } from '../torture/spec.ts';
import { around, guards, PLAIN, type Setup, validated } from './setup.ts';
import { WATCHED } from './watched.ts';

const layers = (...names: LayerSpec[]): Partial<ProgramSpec> => ({ layers: [PLAIN.layers[0]!, ...names] });
/** So wide that a batch is kept as bf16 where activations are. */
const wide = { layers: [{ name: 'Linear', options: { out: 1100 } }, ...PLAIN.layers.slice(1), PLAIN.layers[0]!] };
const dropout = layers({ name: 'Tanh', options: {} }, { name: 'Dropout', options: { p: 0.5 } });
/** Rows of 3 tokens; of a text, where source is not rows. */
const tokens = (source: InputSpec['source']): InputSpec => ({ source, dtype: 'i32', row: [3], below: 7, scale: 1 });
const table = (options: object): LayerSpec => ({ name: 'Embedding', options: { dim: 4, below: 7, ...options } });
const recurrent = (name: string, options: object): Partial<ProgramSpec> => ({
  input: tokens('consecutive'),
  layers: [table({}), { name, options: { hidden: 5, give: 'output', carry: true, ...options } }],
  loss: { name: 'crossEntropy', width: 7, options: {} },
});
const image: Partial<ProgramSpec> = {
  input: { source: 'rows', dtype: 'f32', row: [2, 5, 5], below: 5, scale: 1 },
  layers: [{ name: 'Flatten', options: {} }, ...PLAIN.layers],
};
const schedule = (name: string, ...args: readonly unknown[]): Setup => ({
  program: { optimizer: { ...PLAIN.optimizer, options: { lr: 0.05 }, schedule: { name, args } } },
});

const freeze =
  (layer: number) =>
  (model: Network): number =>
    model.setRequiresGrad(`body.${layer}.*`, false);
const thaw = (model: Network): number => model.setRequiresGrad('*', true);

const POLICIES = Object.keys(LISTED).map((key) => key.split(' ')[0]!);
const policies = [...new Set(POLICIES)].map((name): [string, Setup] => [
  `clip.${name}`,
  { program: { policy: drawPolicy(new Random(5, `resume ${name}`), name, true), rows: 24 } },
]);
const optimizers = Object.keys(MAKERS).map((name): [string, Setup] => [
  `optim.${name}`,
  { program: { optimizer: drawOptimizer(new Random(4, `resume ${name}`), name), rows: 24 } },
]);
/** Of no policy that changes gradients. */
const search = (options: object, rest: Partial<ProgramSpec> = {}): Setup => ({
  program: { optimizer: { name: 'lbfgs', options: { ...options } }, policy: { name: 'none', args: [] }, ...rest },
});
const remembering = (name: string, ...args: readonly unknown[]): Setup => ({ program: { policy: { name, args } } });

export const SETUPS: Readonly<Record<string, Setup>> = {
  plain: {},
  ...Object.fromEntries(policies),
  'clip.zclip, warm-up over an epoch': remembering('zclip', { warmup: 7, decay: 0.9, zThreshold: 0.5 }),
  'clip.adaGc, warm-up over an epoch': remembering('adaGc', { warmup: 7, decay: 0.9 }),
  'clip.autoClip of 50 %': remembering('autoClip', 50),
  'clip.percentile, a window of 5': remembering('percentile', 30, { window: 5 }),
  'clip.spikeSkip of the loss': remembering('spikeSkip', { of: 'loss', threshold: 1.02, window: 3, warmup: 2 }),
  'clip.topK with error feedback': remembering('topK', 0.2),
  'clip.oneBit with error feedback': remembering('oneBit'),
  'clip.qsgd, rounded at random, with error feedback': remembering('qsgd', { levels: 4 }),
  'clip.auto of given decisions': {
    options: {
      clip: clip.auto({ policy: clip.globalNorm(0.5), decisions: [3, 7, 8].map((step) => ({ step, factor: 1 / step })) }),
    },
  },
  'clip.stochastic': remembering('stochastic', 0.1, { b: 0.3 }),
  ...Object.fromEntries(optimizers),
  'optim.spam, moments reset every 3 steps': {
    program: { optimizer: { name: 'spam', options: { lr: 0.01, resetEvery: 3, warmup: 2, threshold: 2 } } },
  },
  'optim.lbfgs': search({ lr: 0.1, maxIter: 3, historySize: 2 }),
  'optim.lbfgs, one iteration a step': search({ lr: 0.05, maxIter: 1, historySize: 3 }, { accumulate: 3, ...dropout }),
  'optim.lbfgs with a line search and averages': search(
    { maxIter: 3, lineSearch: 'strongWolfe' },
    { around: { ema: { decay: 0.9 } } },
  ),
  lookahead: around({ lookahead: { k: 3, alpha: 0.5 } }),
  'a group of its own optimizer': around({ group: { name: 'sgd', options: { lr: 0.1, momentum: 0.9 } } }),
  'a frozen parameter': around({ frozen: true }),
  dropout: { program: dropout },
  'dropout and accumulation': { program: { ...dropout, accumulate: 4 } },
  'products in bf16': { program: { precision: 'bf16' } },
  'products and activations in bf16': {
    program: { precision: 'bf16', activations: 'bf16', ...wide },
  },
  'batch norm': { program: layers({ name: 'BatchNorm1d', options: {} }) },
  'batch norm, cumulative, and accumulation': {
    program: { ...layers({ name: 'BatchNorm1d', options: { momentum: null } }), accumulate: 2 },
  },
  augmentation: {
    program: {
      ...image,
      around: {
        augment: [
          { name: 'shift', args: [2] },
          { name: 'flip', args: ['horizontal'] },
          { name: 'cutout', args: [2] },
          { name: 'noise', args: [0.1] },
        ],
      },
    },
  },
  preprocessing: around({ preprocess: { name: 'standardize', args: [{ per: 'column' }] } }),
  ema: around({ ema: { decay: 0.9 } }),
  'ema from step 3, every 2nd': around({ ema: { decay: 0.9, start: 3, every: 2 } }),
  swa: around({ ema: { decay: 'mean', start: 4 } }),
  'a fixed scale of the loss': around({ lossScale: 1024 }),
  'a scale of the loss that grows': around({ lossScale: { interval: 2, init: 2 } }),
  'a scale of the loss that overflows': around(
    { lossScale: { interval: 2, init: 2 ** 100, growth: 16, backoff: 2 ** -10 } },
    { input: { ...PLAIN.input, scale: 1e12 }, layers: [] },
  ),
  'validated every 3 steps': { fit: { ...validated, validateEvery: 3 } },
  'validated each epoch': { fit: validated },
  'a guard that warns': around(guards({ name: 'loss', args: [{ max: 1.1, action: 'warn' }] })),
  'a guard that skips': around(guards({ name: 'loss', args: [{ max: 1.1, action: 'skip' }] })),
  'skips in a row, one too many': {
    ...around(guards({ name: 'loss', args: [{ max: 0.9, action: 'skip' }] })),
    program: {
      around: guards({ name: 'loss', args: [{ max: 0.9, action: 'skip' }] }),
      policy: { name: 'globalNorm', args: [0.5, { maxSkips: 9 }] },
    },
  },
  'pruned by a schedule': around({ prune: { name: 'magnitude', args: [{ sparsity: 0.7, begin: 2, end: 11, every: 3 }] } }),
  'rows pruned by a schedule': around({ prune: { name: 'rows', args: [{ sparsity: 0.5, begin: 1, end: 9, every: 2 }] } }),
  'pruned by a schedule in epochs': around({
    prune: { name: 'magnitude', args: [{ sparsity: 0.7, begin: 0, end: { epochs: 2 }, every: 2 }] },
  }),
  'constraint.maxNorm': around({ constraint: { name: 'maxNorm', args: [0.3] } }),
  'constraint.weightClip': around({ constraint: { name: 'weightClip', args: [0.2] } }),
  'penalties on weights': around({ regularize: { name: 'elasticNet', args: [1e-3, 1e-2] } }),
  'a rate in epochs, a step each': schedule('step', { size: { epochs: 1 }, gamma: 0.5 }),
  'a rate in epochs, cosine': schedule('cosine', { steps: { epochs: 2 } }),
  'a rate in epochs, restarts': schedule('cosineRestarts', { steps: { epochs: 0.5 }, factor: 2 }),
  'a rate of one cycle': schedule('oneCycle', { steps: 12 }),
  'carry, LSTM': { program: recurrent('LSTM', {}) },
  'carry, GRU of two layers with dropout': { program: recurrent('GRU', { numLayers: 2, dropout: 0.4 }) },
  'carry, RNN with accumulation': { program: { ...recurrent('RNN', {}), accumulate: 2 } },
  'windows drawn at random': {
    program: {
      input: tokens('windows'),
      layers: [table({})],
      loss: { name: 'crossEntropy', width: 7, options: {} },
    },
  },
  'a sparse table': {
    program: { input: tokens('rows'), layers: [table({ sparse: true }), { name: 'Flatten', options: {} }] },
  },
  'a sparse table, sgd with momentum': {
    program: {
      input: tokens('rows'),
      layers: [table({ sparse: true }), { name: 'Flatten', options: {} }],
      optimizer: { name: 'sgd', options: { lr: 0.1, momentum: 0.9 } },
    },
  },
  'accumulation with a tail': { program: { accumulate: 4, rows: 41 } },
  'accumulation, the last step of one batch': { program: { accumulate: 2, rows: 35 } },
  'drop last': { program: { dropLast: true } },
  'drop last and accumulation': { program: { dropLast: true, accumulate: 2 } },
  'rows that divide': { program: { rows: 24 } },
  'an epoch of one step': { program: { rows: 3 } },
  'two epochs': { fit: { epochs: 2 } },
  'two epochs, a tail of accumulation, validated': { program: { accumulate: 4, rows: 41 }, fit: { ...validated, epochs: 2 } },
  'rows in order': { fit: { shuffle: false } },
  'classes with weights': {
    program: { loss: { name: 'crossEntropy', width: 3, options: { weight: [1, 2, 0.25], ignoreIndex: 1 } }, accumulate: 2 },
  },
  record: { record: { perLayer: false } },
  'record of each layer': { record: { perLayer: true } },
  'record, validated, accumulation': { program: { accumulate: 2 }, record: { perLayer: false }, fit: validated },
  'batches of another size in the fit': { fit: { batchSize: 6 } },
  'batches that grow within an epoch': { changes: { after: 3, fit: { batchSize: 7 } } },
  'batches that shrink between epochs': { changes: { after: 6, fit: { batchSize: 3 } } },
  'a layer frozen after 4 steps': { changes: { after: 4, model: freeze(0) } },
  'a layer trained from step 7 on': {
    options: { clip: clip.zclip({ warmup: 3 }) },
    ...around({ frozen: true, ema: { decay: 0.9 } }),
    changes: { after: 7, model: thaw },
  },
  'other threads after the stop': {
    program: { rows: 203, batchSize: 32, input: { ...PLAIN.input, row: [64] } },
    after: { threads: 3 },
  },
  'another seed after the stop': { program: dropout, after: { seed: 99 } },
  'synchronous, record': { sync: true, record: { perLayer: true } },
  'one step a call': { program: dropout, fit: { chunkSteps: 1 } },
  ...WATCHED,
};
