// config.test.ts: what a configuration may say, and that errors name the place.
import { expect, it } from 'vitest';
import { checkConfig, readConfig } from '../../../lib/cli/config/config.ts';
import { OptionError } from '../../../lib/errors.ts';
import { folder } from '../kit.ts';

const good = {
  data: { type: 'csv', file: 'digits.csv', split: { train: 1500, order: 'seed' } },
  model: { type: 'mlp', sizes: [64, 128, 10] },
  optimizer: { type: 'adamw', lr: 3e-3 },
  clip: { type: 'globalNorm', threshold: 1 },
  epochs: 30,
};

/** `good` with one place set; undefined removes it. */
function changed(path: string, value: unknown): unknown {
  const copy = structuredClone(good) as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop()!;
  let at = copy;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}

it('fills in the defaults', () => {
  expect(checkConfig(good)).toEqual({
    $schema: null,
    data: {
      type: 'csv',
      dir: '.',
      file: 'digits.csv',
      testFile: null,
      label: -1,
      header: 'auto',
      delimiter: null,
      decimal: '.',
      maxLine: 2 ** 20,
      maxColumns: 2 ** 16,
      maxBytes: 2 ** 32,
      columns: null,
      weight: null,
      shape: null,
      divideBy: 1,
      about: null,
      split: { train: 1500, validation: 0, test: null, order: 'seed', stratify: false },
    },
    preprocess: { x: [], y: [] },
    augment: [],
    model: { type: 'mlp', sizes: [64, 128, 10], hidden: null, embedding: null, embeddings: [], activation: 'relu', dropout: 0 },
    loss: 'crossEntropy',
    optimizer: { type: 'adamw', lr: 3e-3 },
    schedule: null,
    groups: [],
    parameters: [],
    clip: [{ type: 'globalNorm', threshold: 1 }],
    constraints: [],
    prune: [],
    regularize: [],
    guards: [],
    rollback: null,
    ema: null,
    plateau: null,
    lossScale: null,
    clamp: null,
    labelSmoothing: 0,
    classWeights: null,
    batchSize: 32,
    accumulate: 1,
    syncBatchNorm: false,
    shards: null,
    wire: null,
    shardOptimizer: false,
    compareEvery: null,
    dropLast: false,
    checkpointed: [],
    precision: 'f32',
    activations: 'f32',
    epochs: 30,
    steps: null,
    seconds: null,
    seed: 0,
    threads: null,
    tune: null,
    earlyStop: null,
    record: null,
    checkpoint: null,
    resume: null,
    save: null,
    savePruned: null,
  });
});

it.each([
  ['model.sizes', [64, 'x', 10], 'model.sizes[1]: expected a whole number >= 1, got "x"'],
  ['model.sizes', [64], 'model.sizes: expected a list of at least 2, got an array of 1'],
  ['model.sizes', undefined, 'model.sizes: expected sizes, or hidden, got nothing'],
  ['model.dropout', 1, 'model.dropout: expected a finite number >= 0 and < 1, got 1'],
  [
    'model.activation',
    'rule',
    'model.activation: expected one of relu, tanh, sigmoid, gelu, silu, softplus, celu, elu, hardshrink, hardsigmoid, hardswish, hardtanh, leakyRelu, logSigmoid, mish, prelu, relu6, selu, softshrink, softsign, tanhshrink, got "rule"; did you mean relu?',
  ],
  [
    'model.layers',
    3,
    'model: unknown option layers; known options: type, sizes, hidden, embedding, embeddings, activation, dropout',
  ],
  ['model.type', 'mpl', 'model.type: expected one of mlp, lenet, resnet20, ncf, charRnn, gpt, got "mpl"; did you mean mlp?'],
  ['model', { type: 'charRnn' }, 'model.type: charRnn does not read data of type csv'],
  ['model', { type: 'ncf', users: 5, items: 5 }, 'loss: expected bceWithLogits, mse, l1 or huber for ncf, got "crossEntropy"'],
  ['model', [], 'model: expected an object, got an array of 0'],
  ['data.split.train', 0, 'data.split.train: expected a number of rows, or a part of them between 0 and 1, got 0'],
  ['data.split.tset', 5, 'data.split: unknown option tset; did you mean test?'],
  ['data.split.order', 'random', 'data.split.order: expected one of file, seed'],
  ['data.divideBy', 0, 'data.divideBy: expected a finite number > 0, got 0'],
  ['data.file', '', 'data.file: expected a text, got ""'],
  ['data', { type: 'idx', images: 'a', labels: 'b', testImages: 'c' }, 'data: testImages and testLabels go together'],
  [
    'data',
    { type: 'csv', file: 'a', testFile: 'b', split: { test: 3 } },
    'data.split.test: expected nothing, since the test set',
  ],
  ['data.split', { stratify: true }, "data.split.stratify: is for classes, and goes with order 'seed'"],
  [
    'preprocess',
    'standardize',
    'preprocess: expected an object with a type such as { "type": "standardize" }, got "standardize"',
  ],
  ['preprocess', [{ of: 1 }], 'preprocess[0].type: expected a text, got nothing'],
  ['preprocess', { y: [{ type: 'standardize' }] }, 'preprocess.y: expected nothing, since crossEntropy compares with classes'],
  ['preprocess', { y: 'minMax' }, 'preprocess.y: expected an object with a type such as { "type": "minMax" }, got "minMax"'],
  ['preprocess', { type: 'standardise2' }, 'preprocess.type: '],
  ['preprocess', { z: [] }, 'preprocess: unknown option z'],
  ['data.shape', [8, 0], 'data.shape[1]: expected a whole number >= 1, got 0'],
  ['batchsize', 3, 'config: unknown option batchsize; did you mean batchSize?'],
  ['batchSize', 1.5, 'batchSize: expected a whole number >= 1, got 1.5'],
  ['epochs', undefined, 'epochs: expected epochs, steps or seconds, got nothing'],
  ['seed', -1, 'seed: expected a whole number >= 0, got -1'],
  ['threads', 1000, 'threads: expected a whole number >= 1 and <= 256, got 1000'],
  ['optimizer', 'adamw', 'optimizer: expected an object with a type such as { "type": "adamw" }, got "adamw"'],
  ['clip', [], 'clip: expected a list of at least 1, or an object with a type, got an array of 0'],
  ['clip', [{}], 'clip[0].type: expected a text, got nothing'],
  ['loss', 'mse', 'model.sizes[2]: expected 1 for the loss mse, which compares one value a row, got 10'],
  ['lossScale', 'big', 'lossScale: expected a power of two from 1 to 2^100, got "big"'],
  ['labelSmoothing', 2, 'labelSmoothing: expected a finite number >= 0 and <= 1, got 2'],
  ['ema', 0.9, 'ema: expected an object of options, got 0.9'],
  ['earlyStop', { patience: 3 }, 'data.split.validation: expected some rows, for earlyStop to look at, got nothing'],
])('%s = %j', (path, value, message) => {
  const check = (): unknown => checkConfig(changed(path, value));
  expect(check).toThrow(OptionError);
  expect(check).toThrow(message);
});

it('takes one transform, or one augmentation, where several may stand', () => {
  const one = { type: 'standardize', per: 'all' };
  expect(checkConfig(changed('preprocess', one)).preprocess).toEqual({ x: [one], y: [] });
  expect(checkConfig(changed('preprocess', { x: one })).preprocess).toEqual({ x: [one], y: [] });
  expect(checkConfig(changed('augment', { type: 'flip' })).augment).toEqual([{ type: 'flip' }]);
});

it('says infinity as a text, where a number may be infinite', () => {
  const made = checkConfig({ ...good, clip: [{ type: 'globalNorm', threshold: 'inf', p: 'inf' }] });
  expect(made.clip).toEqual([{ type: 'globalNorm', threshold: Infinity, p: Infinity }]);
  expect(() => checkConfig({ ...good, optimizer: { type: 'sgd', lr: 'inf' } })).toThrow(
    'optimizer.lr: expected a finite number >= 0',
  );
});

it('names the file', async () => {
  const cwd = folder({ 'bad.json': '{ "data": }', 'wrong.json': '{}' });
  await expect(readConfig(`${cwd}/none.json`)).rejects.toMatchObject({
    code: 'ERR_OPTION',
    message: `${cwd}/none.json: no such file`,
  });
  await expect(readConfig(`${cwd}/bad.json`)).rejects.toMatchObject({ code: 'ERR_OPTION', details: { file: `${cwd}/bad.json` } });
  await expect(readConfig(`${cwd}/wrong.json`)).rejects.toMatchObject({
    code: 'ERR_OPTION',
    message: `${cwd}/wrong.json: data: expected an object, got nothing`,
  });
});
