// models.ts: the models that a configuration may name. Adding one: a record in MODELS, a line in `ModelConfig`.
import { OptionError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { sizeOf } from '../../ir/op.ts';
import { CharRNN, GPT, LeNet, NCF, ResNet20 } from '../../models/index.ts';
import * as bounded from '../../nn/layers/activations/bounded.ts';
import * as rectifiers from '../../nn/layers/activations/rectifiers.ts';
import * as smooth from '../../nn/layers/activations/smooth.ts';
import * as usual from '../../nn/layers/activations/usual.ts';
import { Dropout } from '../../nn/layers/dropout.ts';
import { Linear } from '../../nn/layers/linear.ts';
import { type Layer, Sequential } from '../../nn/layers/sequential.ts';
import type { Module } from '../../nn/module/module.ts';
import { cast, clamp } from '../../ops/elementwise/elementwise.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { slice } from '../../ops/shape/slice.ts';
import {
  bool,
  choice,
  either,
  type Field,
  type Giving,
  list,
  nullable,
  number,
  type OptionsOf,
  object,
  Place,
  pair,
  variant,
  whole,
} from '../../options/index.ts';
import type { Transforms } from '../../train/feed/prepare.ts';
import { schemaOf } from '../../train/feed/records.ts';
import { Embedded, type EmbeddedColumn, embeddedWidth } from './embedded.ts';
import { within, wrong } from './named.ts';
import type { DataConfig } from './sources.ts';

export interface MLPConfig {
  readonly type: 'mlp';
  /** Values of a row, widths of the hidden layers, outputs; null: as the data have them, around `hidden`. */
  readonly sizes: readonly number[] | null;
  /** Widths of the hidden layers; null where there are `sizes`. */
  readonly hidden: readonly number[] | null;
  /** Elements of the vector of each category, of columns that give their number; null: half as many as there are, at most 32. */
  readonly embedding: number | null;
  /** Such columns, as the data have them. */
  readonly embeddings: readonly EmbeddedColumn[];
  /** One of those of layers. */
  readonly activation: string;
  /** After each hidden layer. */
  readonly dropout: number;
}

export interface CharRNNConfig {
  readonly type: 'charRnn';
  readonly kind: 'rnn' | 'lstm' | 'gru';
  readonly embedding: number;
  readonly hidden: number;
  readonly layers: number;
  /** Between layers. */
  readonly dropout: number;
}

export interface GPTConfig {
  readonly type: 'gpt';
  /** Longest sequence; null: data.length. */
  readonly context: number | null;
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  readonly dropout: number;
}

export type ModelConfig = MLPConfig | CharRNNConfig | GPTConfig | LeNetConfig | ResNet20Config | NCFConfig;

/** Channels and size are those of the images. */
export interface LeNetConfig {
  readonly type: 'lenet';
  readonly classes: number;
}

/** For images of three channels. */
export interface ResNet20Config {
  readonly type: 'resnet20';
  readonly classes: number;
}

/** For rows of a user and an item, counted from 0. */
export interface NCFConfig {
  readonly type: 'ncf';
  readonly users: number;
  readonly items: number;
  /** Elements of the vector of each. */
  readonly dim: number;
  readonly hidden: readonly number[];
  /** Update the rows of a batch alone. */
  readonly sparse: boolean;
}

/** What a model is to read. */
export interface Reads {
  /** Shape of a row, after its transforms; of a text [], for a token stands alone. */
  readonly row: readonly number[];
  /** Tokens of a text. */
  readonly tokens: number | null;
  /** Tokens of a window of it. */
  readonly length: number | null;
}

interface Kind<C> {
  readonly keys: OptionsOf<C>;
  /** Types of data. */
  readonly reads: readonly DataConfig['type'][];
  /** Values that the model gives for a row; null where the data say it. */
  outputs?(config: C): { readonly path: string; readonly count: number } | null;
  /** It gives one value a row, never classes. */
  readonly scores?: true;
  /** @throws OptionError where it does not fit what it is to read */
  make(config: C, reads: Reads): Module;
  /** Outputs for x; default `forward`. */
  forward?(model: Module, x: Tensor): Tensor;
}

/** Those of `ops` that give as many values as they are given, by the names that they have there. */
const ACTIVATION: Readonly<Record<string, new () => Layer & Module>> = {
  relu: usual.ReLU,
  tanh: usual.Tanh,
  sigmoid: usual.Sigmoid,
  gelu: usual.GELU,
  silu: usual.SiLU,
  softplus: usual.Softplus,
  celu: rectifiers.CELU,
  elu: rectifiers.ELU,
  hardshrink: bounded.Hardshrink,
  hardsigmoid: bounded.Hardsigmoid,
  hardswish: bounded.Hardswish,
  hardtanh: bounded.Hardtanh,
  leakyRelu: rectifiers.LeakyReLU,
  logSigmoid: smooth.LogSigmoid,
  mish: smooth.Mish,
  prelu: rectifiers.PReLU,
  relu6: rectifiers.ReLU6,
  selu: rectifiers.SELU,
  softshrink: bounded.Softshrink,
  softsign: smooth.Softsign,
  tanhshrink: bounded.Tanhshrink,
};

const ROWS = ['idx', 'csv', 'npz', 'table'] as const;
const IMAGES = ['idx', 'csv', 'npz'] as const;

const positive = whole({ min: 1 });
const rate = number({ min: 0, below: 1 }).default(0);

const forward = (model: Module, x: Tensor): Tensor => (model as Module & { forward(x: Tensor): Tensor }).forward(x);

/** Bytes of images that no transform has made f32. */
const numbers = (x: Tensor): Tensor => cast(x, 'f32');

const mlp: Kind<MLPConfig> = {
  keys: object<MLPConfig>({
    type: choice('mlp'),
    sizes: list(positive, { min: 2 })
      .or(null)
      .about('values of a row, widths of the hidden layers, outputs: `[784, 256, 10]`; or `hidden`'),
    hidden: list(positive).or(null).about('in place of `sizes`: widths of the hidden layers alone; the data say the others'),
    embedding: positive
      .or(null)
      .about(
        'with `hidden`: elements of the vector of each category, of columns of a table with `encode` index; half as many as there are categories, at most 32, where it is not given',
      ),
    embeddings: list(
      object<EmbeddedColumn>({
        at: whole({ min: 0 }).about('place of the column'),
        size: positive.about('numbers of categories'),
        dim: positive.about('elements of a vector'),
        unknown: bool.default(false).about('the last number is that of what is not known'),
      }),
    )
      .or([])
      .about('with `sizes`, in a checkpoint: the columns of which `embedding` is'),
    activation: choice(...Object.keys(ACTIVATION))
      .default('relu')
      .about('after each hidden layer'),
    dropout: rate.about('after each hidden layer'),
  }),
  reads: ROWS,
  outputs: ({ sizes }) => sizes && { path: `model.sizes[${sizes.length - 1}]`, count: sizes.at(-1)! },
  /** Linear layers with an activation, and dropout, between them. Parameters are named as in a torch.nn.Sequential of the same layers. */
  make({ sizes, embeddings, activation, dropout }, { row }) {
    if (sizes === null) throw wrong('model.sizes', 'sizes, which the data say where there are none', sizes);
    const width = embeddedWidth(sizeOf(row), embeddings);
    if (sizes[0] !== width) {
      throw new OptionError(`model.sizes[0]: expected ${width}, the values in a row of the data, got ${sizes[0]}`);
    }
    const stack: Layer[] = [];
    for (let i = 1; i < sizes.length; i++) {
      stack.push(new Linear(sizes[i - 1]!, sizes[i]!));
      if (i === sizes.length - 1) break;
      stack.push(new ACTIVATION[activation]!());
      if (dropout > 0) stack.push(new Dropout(dropout));
    }
    const layers = new Sequential(...stack);
    return embeddings.length > 0 ? new Embedded(embeddings, layers) : layers;
  },
  forward: (model, x) => forward(model, reshape(numbers(x), [x.shape[0]!, sizeOf(x.shape.slice(1))])),
};

const charRnn: Kind<CharRNNConfig> = {
  keys: object<CharRNNConfig>({
    type: choice('charRnn'),
    kind: choice('rnn', 'lstm', 'gru').default('rnn').about('of the recurrent layers'),
    embedding: positive.default(32).about('elements of the vector of a token'),
    hidden: positive.default(128).about('elements of the state'),
    layers: positive.default(1).about('recurrent layers'),
    dropout: rate.about('between layers'),
  }),
  reads: ['text'],
  make: ({ type: _, ...options }, { tokens }) => new CharRNN(tokens!, options),
};

const gpt: Kind<GPTConfig> = {
  keys: object<GPTConfig>({
    type: choice('gpt'),
    layers: positive.default(4).about('blocks'),
    heads: positive.default(4).about('heads of the attention of each'),
    width: positive.default(128).about('elements of the vector of a token'),
    dropout: rate.about('after the embedding, and in each block'),
    context: positive.or(null).about('longest sequence; `data.length` where it is not given'),
  }),
  reads: ['text'],
  make({ context, layers, heads, width, dropout }, { tokens, length }) {
    if (context !== null && context < length!) {
      throw new OptionError(`model.context: expected at least data.length, ${length}, got ${context}`, { path: 'model.context' });
    }
    return within('model', () => new GPT(tokens!, { context: context ?? length!, layers, heads, width, dropout }));
  },
};

/** Channels, height and width of rows [height, width] or [channels, height, width]. */
function imageOf(row: readonly number[]): readonly [number, number, number] {
  if (row.length === 2) return [1, row[0]!, row[1]!];
  if (row.length === 3) return row as readonly [number, number, number];
  throw new OptionError(`model: expected images, got rows of [${row}]; data.shape says what a row's values are`, {
    path: 'model',
  });
}

const images = (model: Module, x: Tensor): Tensor =>
  forward(model, reshape(numbers(x), [x.shape[0]!, ...imageOf(x.shape.slice(1))]));

const lenet: Kind<LeNetConfig> = {
  keys: object<LeNetConfig>({ type: choice('lenet'), classes: positive.default(10).about('outputs') }),
  reads: IMAGES,
  outputs: ({ classes }) => ({ path: 'model.classes', count: classes }),
  make({ classes }, { row }) {
    const [channels, height, width] = imageOf(row);
    if (height !== width) throw new OptionError(`model: lenet expects square images, got [${row}]`, { path: 'model' });
    return within('model', () => new LeNet({ channels, size: height, classes }));
  },
  forward: images,
};

const resnet20: Kind<ResNet20Config> = {
  keys: object<ResNet20Config>({ type: choice('resnet20'), classes: positive.default(10).about('outputs') }),
  reads: IMAGES,
  outputs: ({ classes }) => ({ path: 'model.classes', count: classes }),
  make({ classes }, { row }) {
    const [channels] = imageOf(row);
    if (channels !== 3) throw new OptionError(`model: resnet20 expects images of 3 channels, got [${row}]`, { path: 'model' });
    return new ResNet20(classes);
  },
  forward: images,
};

const ncf: Kind<NCFConfig> = {
  keys: object<NCFConfig>({
    type: choice('ncf'),
    users: positive.about('how many there are'),
    items: positive.about('how many there are'),
    dim: positive.default(64).about('elements of the vector of each'),
    hidden: list(positive).default([128, 64]).about('widths of the hidden layers'),
    sparse: bool.default(false).about('update the rows of a batch alone'),
  }),
  reads: ['csv', 'npz'],
  scores: true,
  make({ type: _, ...options }, { row }) {
    if (row.length === 1 && row[0] === 2) return new NCF(options);
    throw new OptionError(`model: ncf expects rows of a user and an item, got [${row}]`, { path: 'model' });
  },
  forward(model, x) {
    const column = (i: number): Tensor => reshape(cast(slice(x, { axis: 1, start: i, end: i + 1 }), 'i32'), [-1]);
    return (model as NCF).forward(column(0), column(1));
  },
};

// biome-ignore lint/suspicious/noExplicitAny: each of its own configuration
const MODELS: { readonly [K in ModelConfig['type']]: Kind<any> } = { mlp, lenet, resnet20, ncf, charRnn, gpt };

/** What key `model` may say, by its type, and the types of data that each reads. */
export const MODEL_KEYS: readonly { readonly keys: OptionsOf<ModelConfig>; readonly reads: readonly string[] }[] =
  Object.values(MODELS);
export const model: Giving<ModelConfig> = variant<ModelConfig>(
  Object.fromEntries(Object.entries(MODELS).map(([type, kind]) => [type, kind.keys])) as never,
);

/** @throws OptionError where model, data and loss do not go together */
export function checkModel(config: ModelConfig, data: DataConfig['type'], loss: string): void {
  const kind = MODELS[config.type];
  if (!kind.reads.includes(data)) {
    const all = Object.entries(MODELS).map(([type, { reads }]) => `${type} reads ${reads.join(', ')}`);
    throw new OptionError(`model.type: ${config.type} does not read data of type ${data} (${all.join('; ')})`);
  }
  if (config.type === 'mlp' && config.embedding !== null && config.hidden === null) {
    throw wrong('model.embedding', 'nothing, without hidden', config.embedding);
  }
  if (config.type === 'mlp' && (config.sizes === null) === (config.hidden === null)) {
    throw wrong('model.sizes', config.sizes === null ? 'sizes, or hidden' : 'no sizes beside hidden', config.sizes ?? undefined);
  }
  if (loss === 'crossEntropy' && kind.scores) throw wrong('loss', `bceWithLogits, mse, l1 or huber for ${config.type}`, loss);
  if (loss === 'crossEntropy') return;
  if (data === 'text') throw wrong('loss', `crossEntropy for a text`, loss);
  const outputs = kind.outputs?.(config);
  if (outputs && outputs.count !== 1) {
    throw wrong(outputs.path, `1 for the loss ${loss}, which compares one value a row`, outputs.count);
  }
}

/** How many classes the model tells apart, null where the data say it. */
export const classesOf = (config: ModelConfig): number | null => MODELS[config.type].outputs?.(config)?.count ?? null;

/** What the data tell about a model. */
export interface SaidByData {
  /** As `Reads`. */
  readonly row: readonly number[];
  /** Classes, or 1. */
  readonly outputs: number;
  readonly preprocess: Transforms;
}

/** With the sizes that the data say, where it leaves them to them. */
export function sized(config: ModelConfig, { row, outputs, preprocess }: SaidByData): ModelConfig {
  if (config.type !== 'mlp' || config.hidden === null) return config;
  const schema = schemaOf(preprocess);
  const embeddings = (schema?.columns ?? []).flatMap((column): EmbeddedColumn[] => {
    if (column.type !== 'category' || column.encode !== 'index') return [];
    const size = schema!.size(column.name);
    const dim = config.embedding ?? Math.min(MOST_DIM, Math.ceil(size / 2));
    return [{ at: schema!.outputs.indexOf(column.name), size, dim, unknown: column.unknown === 'ignore' }];
  });
  const sizes = [embeddedWidth(sizeOf(row), embeddings), ...config.hidden, outputs];
  return { ...config, sizes, embeddings, hidden: null, embedding: null };
}

/** Elements of a vector, where nobody says how many. */
const MOST_DIM = 32;

/** @throws OptionError where the model does not fit what it is to read */
export function makeModel(config: ModelConfig, reads: Reads): Module {
  return MODELS[config.type].make(config, reads);
}

/** Bounds of outputs: [-c, c], or two, of which one may be null. */
export type Clamp = number | readonly [number | null, number | null];

interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** What key `clamp` may say. */
export const clampField: Field<Clamp, Bounds> = either(
  number({ above: 0 }).map((most): Bounds => ({ min: -most, max: most })),
  pair(nullable(number()), nullable(number())).map(([min, max], place): Bounds => {
    if (min === null && max === null) throw place.wrong('a bound: of the two, one may be null', [min, max]);
    if (min !== null && max !== null) number({ above: min }).read(max, place.item(1));
    return { ...(min !== null && { min }), ...(max !== null && { max }) };
  }),
);

/** What the model gives for x, in a graph, within the bounds that the configuration says. */
export function outputsOf(
  config: { readonly model: ModelConfig; readonly clamp: Clamp | null },
  model: Module,
  x: Tensor,
): Tensor {
  const outputs = (MODELS[config.model.type].forward ?? forward)(model, x);
  return config.clamp === null ? outputs : clamp(outputs, clampField.read(config.clamp, new Place('', '', 'clamp')));
}
