// mistakes.test.ts: what goes wrong in the first hour, each as people write it: one error of this library, short, that names the place and what is right.
import { afterEach, describe, expect, it } from 'vitest';
import * as gradclip from '../../lib/index.ts';
import { type Kind, transferred } from '../train/fails.ts';

const { loss, metrics, nn, ops, optim, preprocess, Trainer } = gradclip;
const { BusyError, DisposedError, DTypeError, GraphError, IndexError, OptionError, ShapeError } = gradclip;

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
afterEach(() => expect(unhandled).toEqual([]));

// As in JavaScript, where no type says what is wrong.
// biome-ignore-start lint/suspicious/noExplicitAny: mistakes have no types
type Any = any;

class Net extends nn.Module {
  fc: gradclip.nn.Linear = new nn.Linear(3, 2);
  constructor(readonly_?: (this: Any, x: Any) => Any) {
    super();
    if (readonly_) this.forward = readonly_;
  }
  forward(x: Any): Any {
    return this.fc.forward(x);
  }
}

const x = { data: Float32Array.from({ length: 60 }, (_, i) => Math.sin(i)), shape: [20, 3] };
const y = Int32Array.from({ length: 20 }, (_, i) => i % 2);
const data = { x, y };

function trainer(options: Any = {}): Any {
  return new (Trainer as Any)({
    model: new Net(),
    loss: ({ x, y }: Any, model: Any) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    batchSize: 4,
    ...options,
  });
}
/** A training with this `forward`. */
const forward = (f: (this: Any, x: Any) => Any): Any => trainer({ model: new Net(f) }).fit(data);
const withLoss = (loss: Any): Any => trainer({ loss }).fit(data);
const withMetric = (a: Any): Any => trainer({ metrics: { a } }).evaluate(data);
const modelOf = (model: Any): Any => trainer({ model }).fit(data);
const images = (shape: number[]): Any => ({ x: { data: new Float32Array(shape.reduce((a, b) => a * b, 1)), shape }, y: [0, 1] });

type Row = readonly [mistake: string, call: () => Any, kind: Kind, words: readonly string[]];

const BATCH: readonly Row[] = [
  [
    'a loss that reads x where the data has input',
    () => trainer().fit({ input: x, y }),
    OptionError,
    ['loss: the batch has no array x; it has input, y'],
  ],
  ['no labels', () => trainer().fit({ x }), OptionError, ['loss: the batch has no array y; it has x']],
  [
    'a metric that reads another name',
    () => withMetric(({ x, labels }: Any, m: Any) => metrics.accuracy(m.forward(x), labels)),
    OptionError,
    ['a: the batch has no array labels; it has x, y'],
  ],
  [
    'predict that reads another name',
    () => trainer({ predict: ({ input }: Any, m: Any) => m.forward(input) }).predict(x),
    OptionError,
    ['predict: the batch has no array input; it has x'],
  ],
  [
    'predict of another name',
    () => trainer().predict({ input: x }),
    OptionError,
    ['predict: the batch has no array x; it has input'],
  ],
  [
    'validation with other names',
    () => trainer().fit(data, { validation: { inputs: x, labels: y } }),
    OptionError,
    ['the batch has no array x; it has inputs, labels'],
  ],
  [
    'validation as a part',
    () => trainer().fit(data, { validation: 0.2 }),
    OptionError,
    ['fit: validation', '0.2', 'preprocess.split'],
  ],
  [
    'validationSplit',
    () => trainer().fit(data, { validationSplit: 0.2 }),
    OptionError,
    ['validationSplit; did you mean validation?'],
  ],
  [
    'labels of another length',
    () => trainer().fit({ x, y: y.slice(0, 10) }),
    ShapeError,
    ['y: expected 20 rows as x has, got 10'],
  ],
  [
    'x and y as two arguments',
    () => trainer().fit(x, y),
    OptionError,
    ['fit: expected an object of options as second argument', 'Int32Array', '{ x, y }'],
  ],
  [
    'x and y as two arguments of evaluate',
    () => trainer().evaluate(x, y),
    OptionError,
    ['evaluate: expected an object of options as second argument', 'Int32Array', '{ x, y }'],
  ],
  [
    'values of rows without a shape',
    () => trainer().fit({ x: x.data, y }),
    ShapeError,
    ['y: expected 60 rows as x has, got 20', 'x is a Float32Array without a shape', '{ data: x, shape: [20, 3] } has 20 rows'],
  ],
  [
    'values of rows without a shape, after the labels',
    () => trainer().fit({ y, x: x.data }),
    ShapeError,
    ['x: expected 20 rows as y has, got 60', '{ data: x, shape: [20, 3] } has 20 rows'],
  ],
  ['x and y in a list', () => trainer().fit([x.data, y]), OptionError, ['fit: expected named arrays', '{ x, y }']],
  ['only x', () => trainer().fit(x), OptionError, ['fit: expected named arrays', '{ x, y }']],
  ['one label', () => trainer().fit({ x, y: 3 }), OptionError, ['y: expected an array of numbers', 'got 3']],
  [
    'words as labels',
    () => trainer().fit({ x: [[1, 2, 3]], y: ['cat'] }),
    DTypeError,
    ['y: expected numbers, got "cat" at row 0'],
  ],
  [
    'ragged rows',
    () =>
      trainer().fit({
        x: [
          [1, 2, 3],
          [1, 2],
        ],
        y: [0, 1],
      }),
    ShapeError,
    ['x: expected 3 values at row 1', 'got 2'],
  ],
  ['no rows', () => trainer().fit({ x: [], y: [] }), gradclip.DataError, ['at least one row, got 0']],
  ['a file that is not awaited', () => trainer().fit(gradclip.io.readCsv('/nowhere.csv')), OptionError, ['is an await missing?']],
  [
    'an array that was transferred',
    () => trainer().fit({ x, y: transferred(y.slice()) }),
    gradclip.DetachedError,
    ['y: ', 'transferred'],
  ],
  [
    'a wrong number of features',
    () => modelOf(new nn.Sequential(new nn.Linear(4, 2))),
    ShapeError,
    ['0: linear', '4', 'got [4,3]'],
  ],
  [
    'images with channels last',
    () => trainer({ model: new nn.Sequential(new nn.Conv2d(3, 2, 3), new nn.Flatten()) }).fit(images([2, 8, 8, 3])),
    ShapeError,
    ['conv2d', '3 channels', '[n, channels, height, width]: ops.transpose(x, { axes: [0, 3, 1, 2] })'],
  ],
  [
    'images without channels',
    () => trainer({ model: new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.Flatten()) }).fit(images([2, 8, 8])),
    ShapeError,
    ['conv2d', '[n, channels, height, width]', 'got [2,8,8]; is'],
  ],
  [
    'bytes for a linear layer',
    () => trainer().fit({ x: { data: new Uint8Array(60), shape: [20, 3] }, y }),
    DTypeError,
    ['u8[4,3]', "ops.cast(x, 'f32')"],
  ],
  [
    'a label beyond the classes',
    () => trainer().fit({ x, y: y.map((v, i) => (i === 7 ? 5 : v)) }),
    IndexError,
    ['expected an index from 0 to 1', 'got 5', 'y: 5 at row 7'],
  ],
  [
    'labels that are no whole numbers',
    () => trainer().fit({ x, y: Float32Array.from(y, (v) => v + 0.5) }),
    IndexError,
    ['whole numbers as labels', '.5', 'y: '],
  ],
  [
    'one-hot labels of another number of classes',
    () => trainer().fit({ x, y: { data: new Float32Array(60), shape: [20, 3] } }),
    ShapeError,
    ['crossEntropy: expected labels [4]', 'got [4,3]'],
  ],
  ['inputs of another width', () => trainer().predict([[1, 2, 3, 4]]), ShapeError, ['linear: expected x [..., 3]', 'got [1,4]']],
  [
    'predict of other names',
    () => trainer().predict({ user: x, item: x }),
    OptionError,
    ['predict: the batch has no array x; it has user, item', 'option predict of the trainer'],
  ],
  [
    'predict where targets were scaled as numbers, and the model gives columns',
    () => trainer({ preprocess: { y: preprocess.standardize().fit([1, 2, 3]) } }).predict(x),
    ShapeError,
    ['preprocess: y: standardize: expected rows []', 'got [2]', 'predict', 'ops.reshape(outputs, [-1])'],
  ],
  [
    'a transform that other rows were fitted to',
    () => trainer({ preprocess: { x: preprocess.standardize().fit([[1, 2]]) } }).fit(data),
    ShapeError,
    ['preprocess: x: standardize: expected rows [2] as those it was fitted to, got [3]'],
  ],
  ['evaluate of a generator', () => trainer().evaluate(function* () {}), OptionError, ['such as { x, y }', 'windows', 'for fit']],
  [
    'batches that are pairs',
    () => trainer().fit(() => [[[[1, 2, 3]], [0]]]),
    OptionError,
    ['loss: the batch has no array x; it has 0, 1; a batch is an object of named arrays, such as { x, y }'],
  ],
  ['predict without rows', () => trainer().predict(), OptionError, ['predict: expected an array of rows', 'undefined']],
];

const LOSS: readonly Row[] = [
  [
    "the library's own loss",
    () => withLoss(loss.crossEntropy),
    OptionError,
    [
      'Trainer: option loss: loss.crossEntropy takes what a model makes',
      'write ({ x, y }, model) => loss.crossEntropy(model.forward(x), y)',
    ],
  ],
  [
    'one output a row against a list of targets',
    () => withLoss(({ x, y }: Any, m: Any) => loss.mse(ops.slice(m.forward(x), { axis: 1, start: 0, end: 1 }), y)),
    ShapeError,
    ['mse: expected a target of [4,1], got [4]', 'ops.reshape(outputs, [-1])'],
  ],
  [
    "the library's own loss of three tensors",
    () => withLoss(loss.tripletMargin),
    OptionError,
    ['write ({ x, y }, model) => loss.tripletMargin(...)'],
  ],
  [
    'the model before the batch',
    () => withLoss((m: Any, { x, y }: Any) => loss.crossEntropy(m.forward(x), y)),
    OptionError,
    ['loss: the batch has no array forward; it has x, y; it is called with the batch first: ({ x, y }, model) => ...'],
  ],
  ['no return', () => withLoss(() => {}), OptionError, ['loss: expected a scalar Tensor, got undefined; is a return missing?']],
  ['a number', () => withLoss(() => 3), OptionError, ['loss: expected a scalar Tensor, got 3']],
  [
    'async',
    () => withLoss(async ({ x, y }: Any, m: Any) => loss.crossEntropy(m.forward(x), y)),
    OptionError,
    ['loss: expected a scalar Tensor, got a Promise', 'nothing to wait for'],
  ],
  [
    'async, and it fails',
    () => withLoss(async () => Promise.reject(new Error('later'))),
    OptionError,
    ['loss: expected a scalar Tensor, got a Promise'],
  ],
  [
    'an object',
    () => withLoss(({ x, y }: Any, m: Any) => ({ total: loss.crossEntropy(m.forward(x), y) })),
    OptionError,
    ['loss: expected a scalar Tensor, got an object'],
  ],
  [
    'a loss for each row',
    () => withLoss(({ x }: Any, m: Any) => m.forward(x)),
    ShapeError,
    ['loss: expected a scalar', 'f32[4,2]'],
  ],
  [
    'its name',
    () => trainer({ loss: 'crossEntropy' }),
    OptionError,
    ['Trainer: option loss: expected a function', '"crossEntropy"'],
  ],
  [
    'arguments the other way round',
    () => withLoss(({ x, y }: Any, m: Any) => loss.crossEntropy(y, m.forward(x))),
    ShapeError,
    ['crossEntropy', 'logits are the first argument'],
  ],
  [
    'no labels',
    () => withLoss(({ x }: Any, m: Any) => (loss.crossEntropy as Any)(m.forward(x))),
    OptionError,
    ['argument labels: expected a Tensor, got nothing'],
  ],
  [
    'targets of another shape',
    () => withLoss(({ x, y }: Any, m: Any) => loss.mse(m.forward(x), y)),
    ShapeError,
    ['mse: expected a target of [4,2], got [4]'],
  ],
  [
    'a batch that is kept',
    () => {
      let kept: Any;
      const first = { x: { data: x.data.slice(0, 30), shape: [10, 3] }, y: y.slice(0, 10) };
      return trainer({
        loss: ({ x, y }: Any, m: Any) => {
          kept ??= x;
          return loss.crossEntropy(m.forward(kept), y);
        },
      }).fit(first);
    },
    GraphError,
    ['comes from another graph', 'kept from an earlier trace'],
  ],
  [
    'backward',
    () =>
      withLoss(({ x, y }: Any, m: Any) => {
        const l: Any = loss.crossEntropy(m.forward(x), y);
        l.backward();
        return l;
      }),
    GraphError,
    ['l.backward is not a function', 'fit makes the gradients'],
  ],
  [
    'item',
    () => withLoss(({ x, y }: Any, m: Any) => Number((loss.crossEntropy(m.forward(x), y) as Any).item())),
    GraphError,
    ['item is not a function', 'no values while a model is traced'],
  ],
  [
    'a model called as a function',
    () => withLoss(({ x, y }: Any, m: Any) => loss.crossEntropy(m(x), y)),
    GraphError,
    ['m.forward(x)'],
  ],
];

const METRICS: readonly Row[] = [
  [
    'a class',
    () => withMetric(metrics.Accuracy),
    OptionError,
    ['Trainer: option metrics.a', 'class Accuracy', 'metrics.accuracy('],
  ],
  [
    'an object of it',
    () => withMetric(new metrics.Accuracy()),
    OptionError,
    ['Trainer: option metrics.a', 'an Accuracy', 'metrics.accuracy('],
  ],
  [
    'its name',
    () => trainer({ metrics: ['accuracy'] }),
    OptionError,
    ['Trainer: option metrics: expected functions by name', '"accuracy"'],
  ],
  [
    'a list',
    () => withMetric(({ x, y }: Any, m: Any) => [metrics.accuracy(m.forward(x), y)]),
    OptionError,
    ['a: expected a scalar Tensor', 'an array of 1'],
  ],
  [
    'a class called in it',
    () => withMetric(({ x, y }: Any, m: Any) => (metrics.Accuracy as Any)(m.forward(x), y)),
    GraphError,
    ['Accuracy is a class'],
  ],
];

const MODEL: readonly Row[] = [
  [
    'a layer called as a function',
    () =>
      forward(function (x) {
        return this.fc(x);
      }),
    GraphError,
    ['this.fc is not a function', 'this.fc.forward(x)'],
  ],
  [
    'a layer in a list called as a function',
    () => {
      const model: Any = new Net(function (x) {
        return this.blocks[0](x);
      });
      model.blocks = [new nn.Linear(3, 2)];
      return modelOf(model);
    },
    GraphError,
    ['this.blocks[0].forward(x)'],
  ],
  [
    'forward without return',
    () =>
      forward(function (x) {
        this.fc.forward(x);
      }),
    GraphError,
    ['forward gave nothing; is a return missing?'],
  ],
  [
    'forward that gives a list',
    () =>
      forward(function (x) {
        return [this.fc.forward(x)];
      }),
    OptionError,
    ['argument logits: expected a Tensor, got an array of 1'],
  ],
  [
    'forward that is async',
    () =>
      forward(async function (x) {
        return this.fc.forward(x);
      }),
    GraphError,
    ['forward gave a promise', 'cannot wait'],
  ],
  [
    'no forward',
    () => trainer({ model: new (class extends (nn.Module as Any) {})() }),
    OptionError,
    ['Trainer: option model: expected a Module with a method forward'],
  ],
  [
    'the class of the model',
    () => trainer({ model: Net }),
    OptionError,
    ['Trainer: option model: expected a Module, got class Net'],
  ],
  [
    'a function',
    () => trainer({ model: (x: Any) => x }),
    OptionError,
    ['Trainer: option model: expected a Module, got a function'],
  ],
  [
    'a model as first argument',
    () => new (Trainer as Any)(new Net(), {}),
    OptionError,
    ['one object of options, { model, loss, optimizer }'],
  ],
  [
    'a method of a tensor',
    () => forward((x) => x.reshape([2, 6])),
    GraphError,
    ['x.reshape is not a function', 'ops.reshape(x, ...)'],
  ],
  ['a method of PyTorch', () => forward((x) => x.view(2, 6)), GraphError, ['x.view is not a function', 'ops.reshape(x, ...)']],
  [
    'a chain of methods',
    () =>
      forward(function (x) {
        return this.fc.forward(x).relu();
      }),
    GraphError,
    ['ops.relu(x, ...)'],
  ],
  ['arithmetic on a tensor', () => forward((x) => x * 2), GraphError, ['is used as a number', 'ops.mul']],
  ['if on a tensor', () => forward((x) => (x > 0 ? x : 1)), GraphError, ['is used as a number', 'ops.where']],
  [
    'a class in place of a layer in forward',
    () => forward((x) => (nn.ReLU as Any)(x)),
    GraphError,
    ['ReLU is a class: make it once, with new'],
  ],
  [
    'a layer made in forward',
    () => forward((x) => new nn.Linear(3, 2).forward(x)),
    GraphError,
    ['not part of a model being traced', 'public field'],
  ],
  [
    'layers in a Map',
    () => {
      const layers = new Map([['a', new nn.Linear(3, 2)]]);
      const model = new Net((x) => layers.get('a')!.forward(x));
      return modelOf(Object.assign(model, { layers }));
    },
    GraphError,
    ['not part of a model being traced', 'public field, array or object'],
  ],
  [
    'layers in private fields',
    () => {
      class Hidden extends nn.Module {
        readonly #fc = new nn.Linear(3, 2);
        forward(x: gradclip.Tensor): gradclip.Tensor {
          return this.#fc.forward(x);
        }
      }
      return modelOf(new Hidden());
    },
    OptionError,
    ['Trainer: the model has no parameter', '#private'],
  ],
  [
    'a matrix without an initializer',
    () => new (nn.Parameter as Any)([4, 3]),
    OptionError,
    ['nn.Parameter: argument init: expected an initializer for [4,3]', 'nn.init.'],
  ],
  [
    'what makes an initializer in place of one',
    () => new nn.Parameter([4, 3], nn.init.zeros),
    OptionError,
    ['nn.Parameter: argument init: expected an initializer, got', 'nn.init.zeros() '],
  ],
  [
    'a size in place of a shape',
    () => new (nn.Parameter as Any)(4),
    OptionError,
    ['nn.Parameter: argument shape: expected a list, got 4'],
  ],
  [
    'a pattern that matches nothing',
    () => new Net().setRequiresGrad('fcc.*', false),
    OptionError,
    ['no parameter matches fcc.*', 'fc.weight'],
  ],
  ['a dropout of 50', () => new nn.Dropout(50), OptionError, ['Dropout', '50']],
];

/** An op in forward, of what linear makes. */
const withOp = (f: (h: Any) => Any): Any =>
  forward(function (x) {
    return f(this.fc.forward(x));
  });
const OPERANDS: readonly Row[] = [
  [
    'text',
    () => withOp((h) => ops.add(h, '2' as Any)),
    OptionError,
    ['ops.add: argument b: expected a Tensor or a number, got "2"'],
  ],
  ['null', () => withOp((h) => ops.mul(h, null as Any)), OptionError, ['ops.mul: argument b', 'got null']],
  ['true', () => withOp((h) => ops.sub(h, true as Any)), OptionError, ['ops.sub: argument b', 'got true']],
  ['a list', () => withOp((h) => ops.add(h, [1] as Any)), OptionError, ['ops.add: argument b', 'got an array of 1']],
  [
    'a typed array',
    () => withOp((h) => ops.add(h, new Float32Array(2) as Any)),
    OptionError,
    ['ops.add: argument b', 'a Float32Array'],
  ],
  ['a bigint', () => withOp((h) => ops.div(h, 2n as Any)), OptionError, ['ops.div: argument b', 'got 2n']],
  ['nothing', () => withOp(() => (ops.relu as Any)()), OptionError, ['ops.relu: argument x: expected a Tensor', 'nothing']],
  [
    'tensors one by one',
    () => withOp((h) => (ops.concat as Any)(h, h)),
    OptionError,
    ['ops.concat', 'expected a list', 'Tensor'],
  ],
  [
    'a condition that is none',
    () => withOp((h) => ops.where(true as Any, h, h)),
    OptionError,
    ['ops.where: argument condition', 'got true'],
  ],
  [
    'axis',
    () => withOp((h) => ops.mean(h, { axis: 1 } as Any)),
    OptionError,
    ['ops.mean: unknown option axis; did you mean axes?'],
  ],
  ['dim', () => withOp((h) => ops.softmax(h, { dim: 1 } as Any)), OptionError, ['ops.softmax: unknown option dim', 'axis']],
  [
    'an axis by itself',
    () => withOp((h) => ops.sum(h, 1 as Any)),
    OptionError,
    ['ops.sum: expected an object of options, got 1'],
  ],
  ['sizes one by one', () => withOp((h) => (ops.reshape as Any)(h, 2, 4)), OptionError, ['ops.reshape', 'got 3']],
  ['an op in map', () => withOp((h) => [h].map(ops.relu as Any)[0]), OptionError, ['ops.relu', 'x => ops.relu(x)']],
  [
    'numbers for a layer',
    () => new nn.Linear(3, 2).forward([1, 2, 3] as Any),
    OptionError,
    ['nn.Linear', 'argument x: expected a Tensor', 'trainer.predict'],
  ],
  [
    'a rate by itself',
    () => optim.adamw(0.01 as Any),
    OptionError,
    ['optim.adamw: expected an object of options, got 0.01', '{ lr: 0.01 }'],
  ],
  ['a class in a sequence', () => new nn.Sequential(nn.Linear as Any), OptionError, ['nn.Sequential', 'class Linear']],
];

const OPTIONS: readonly Row[] = [
  [
    'an optimizer by name',
    () => trainer({ optimizer: 'adam' }),
    OptionError,
    ['Trainer: option optimizer', 'optim.adamw()', '"adam"'],
  ],
  [
    'an optimizer that is not called',
    () => trainer({ optimizer: optim.adam }),
    OptionError,
    ['Trainer: option optimizer', 'a function'],
  ],
  [
    'a policy by its threshold',
    () => trainer({ clip: 1.0 }),
    OptionError,
    ['Trainer: option clip', 'clip.globalNorm()', 'got 1'],
  ],
  ['a policy by name', () => trainer({ clip: 'globalNorm' }), OptionError, ['Trainer: option clip', '"globalNorm"']],
  ['a rate as text', () => optim.adam({ lr: '1e-3' } as Any), OptionError, ['optim.adam', 'lr', '"1e-3"']],
  ['a rate as argument', () => optim.adam(1e-3 as Any), OptionError, ['optim.adam', '0.001']],
  [
    'parameters as argument',
    () => (optim.adam as Any)(new Net().parameters(), { lr: 1 }),
    OptionError,
    ['optim.adam: expected 1 argument, got 2'],
  ],
  ['momentun', () => optim.sgd({ lr: 1, momentun: 0.9 } as Any), OptionError, ['momentun', 'did you mean momentum?']],
  ['epochs as argument', () => trainer().fit(data, 5), OptionError, ['fit: expected an object of options', 'got 5']],
  ['epochs as text', () => trainer().fit(data, { epochs: '5' }), OptionError, ['fit: option epochs', '"5"']],
  ['no epochs', () => trainer().fit(data, { epochs: 0 }), OptionError, ['fit: option epochs', 'got 0']],
  [
    'a controller as signal',
    () => trainer().fit(data, { signal: new AbortController() }),
    OptionError,
    ['fit: option signal', 'AbortSignal'],
  ],
  [
    'a transform that is not fitted',
    () => trainer({ preprocess: { x: preprocess.standardize() } }),
    OptionError,
    ['standardize was not fitted', 'fit(rows)'],
  ],
  [
    'a group that matches nothing',
    () => trainer({ groups: [{ match: '*.bais', optimizer: optim.sgd({ lr: 1 }) }] }),
    OptionError,
    ['*.bais', 'fc.bias'],
  ],
];

const LIFE: readonly Row[] = [
  [
    'two fits at a time',
    async () => {
      const one = trainer();
      const run = one.fit(data, { epochs: 1000 });
      try {
        await one.fit(data);
      } finally {
        run.stop();
        await run;
      }
    },
    BusyError,
    ['fit: a fit of this trainer is running'],
  ],
  [
    'a model of two trainers that train',
    async () => {
      const model = new Net();
      const run = trainer({ model }).fit(data, { epochs: 1000 });
      try {
        await trainer({ model }).fit(data);
      } finally {
        run.stop();
        await run;
      }
    },
    BusyError,
    ['fit: another trainer of these values'],
  ],
  [
    'a fit after dispose',
    () => {
      const done = trainer();
      done.dispose();
      return done.fit(data);
    },
    DisposedError,
    ['fit: the trainer was disposed'],
  ],
  [
    'predict inside of a loss',
    () => withLoss(({ x, y }: Any, m: Any) => loss.mse(trainer().predictSync(m.forward(x)), y)),
    OptionError,
    ['predictSync: expected an array of rows', 'Tensor'],
  ],
];

describe.each([
  ['data', BATCH],
  ['a loss', LOSS],
  ['a metric', METRICS],
  ['a model', MODEL],
  ['an operand', OPERANDS],
  ['an option', OPTIONS],
  ['the order of calls', LIFE],
])('%s', (_name, rows) => {
  it.each(rows)('%s', async (_mistake, call, kind, words) => {
    const error = await (async () => call())().then(
      (): Any => expect.unreachable('no error'),
      (e: unknown) => e as gradclip.GradclipError,
    );
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ name: kind.name, code: expect.stringMatching(/^ERR_/) });
    for (const word of words) expect(error.message).toContain(word);
    expect(error.message.split('\n').length).toBeLessThanOrEqual(5);
    expect(error.message.length).toBeLessThan(400);
  });
});
// biome-ignore-end lint/suspicious/noExplicitAny: mistakes have no types

it('a value that is not finite is told at the first step that is skipped', async () => {
  const bad = { data: x.data.map((v, i) => (i === 4 ? Number.NaN : v)), shape: x.shape };
  const heard: string[] = [];
  const { warnings, skipped } = await trainer().fit({ x: bad, y }, { epochs: 1, logger: (text: string) => heard.push(text) });
  expect(skipped).toBe(1);
  expect(warnings.map((w: gradclip.TrainingWarning) => w.message)).toEqual([
    expect.stringContaining('x: NaN at row 1, column 1'),
  ]);
});

it('a part of a split is data as it is', async () => {
  const { train, validation, test } = preprocess.split(data, { validation: 4, test: 4 });
  const [one, other] = [trainer(), trainer()];
  const { epochs } = await one.fit(train, { validation });
  expect(epochs).toEqual((await other.fit(train.arrays, { validation: validation.arrays })).epochs);
  expect(await one.evaluate(structuredClone(test))).toEqual(await other.evaluate(test.arrays));
  expect(await one.predict(test)).toEqual(await other.predict(test.arrays.x));
  const named = { arrays: [1, 2], rows: Int32Array.of(0, 1) };
  await expect(one.fit(named)).rejects.toThrow('the batch has no array x; it has arrays, rows');
});

it('a loss that reads nothing of its batch trains', async () => {
  const away = trainer({ loss: (_: unknown, m: Net) => ops.sum(ops.square(m.fc.weight)) });
  const { applied } = await away.fit(data, { epochs: 3 });
  expect(applied).toBe(15);
  const before = (await trainer().readParameters()).get('fc.weight').data as Float32Array;
  const after = (await away.readParameters()).get('fc.weight').data as Float32Array;
  // w - 0.1 * 2 w, fifteen times.
  for (const [i, v] of after.entries()) expect(v).toBeCloseTo(before[i]! * 0.8 ** 15, 5);
  const { loss } = await away.evaluate(data);
  expect(loss).toBeCloseTo(
    after.reduce((s, v) => s + v * v, 0),
    6,
  );
});

it('a loss may read an array that is not always there', async () => {
  const options = {
    loss: ({ x, y, weight }: Record<string, gradclip.Tensor>, m: Net) =>
      loss.crossEntropy(m.forward(x), y!, weight ? { reduction: 'sum' } : {}),
  };
  expect((await trainer(options).fit(data)).tried).toBe(5);
});
