// predict.ts: `gradclip predict CHECKPOINT FILE`: predictions of a model that `gradclip train` has trained for rows, as they stand in a file.
import { resolve } from 'node:path';
import { anyText } from '../../data/fields.ts';
import { CheckpointError, DataError, OptionError, ShapeError } from '../../errors.ts';
import { readIdx } from '../../io/arrays/idx.ts';
import { readNpz } from '../../io/arrays/npy.ts';
import { readSafetensors } from '../../io/arrays/safetensors.ts';
import { readFeatures } from '../../io/csv/csv.ts';
import type { TensorData } from '../../io/file/file.ts';
import { parseJson } from '../../io/json.ts';
import type { Tensor } from '../../ir/graph.ts';
import { type Data, sizeOf } from '../../ir/op.ts';
import { largestOf } from '../../math/index.ts';
import { sigmoid } from '../../ops/elementwise/activation.ts';
import { softmax } from '../../ops/reduce/softmax.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { list, Place } from '../../options/index.ts';
import { inUnits, prepare, preprocessOf, type Transforms } from '../../train/feed/prepare.ts';
import { dtypeOf } from '../../train/feed/source.ts';
import { ModelProgram } from '../../train/programs/model-program.ts';
import { Weights } from '../../train/programs/weights.ts';
import { type Arguments, type Command, usage } from '../args.ts';
import { type DataConfig, precisionField, type TrainConfig } from '../config/config.ts';
import { type ClassNames, csvOptions } from '../config/data.ts';
import { clampField, makeModel, model as modelConfig, outputsOf } from '../config/models.ts';
import { data as dataConfig } from '../config/sources.ts';
import { EXIT, exitCodeOfStop } from '../exit.ts';
import type { IO, StopCause } from '../io.ts';
import type { Screen } from '../screen.ts';

export const PREDICT: Command = {
  name: 'predict',
  operands: ['CHECKPOINT', 'FILE'],
  summary: 'Predict the rows of a file with a model that train has trained',
  more: [
    'FILE is of the type that the model was trained on: csv, idx (images) or npz, with the values as they came then: the checkpoint knows what to do',
    'with them. A line for each row: the class (its word, where labels were words) and its probability, or the value.',
  ],
  flags: {
    drop: { value: 'COLUMN', help: 'leave out this column of a csv, by name or index: the label, where FILE has it' },
  },
};

/** Rows that are run at a time. */
const BATCH = 256;

type Told = Pick<TrainConfig, 'loss' | 'model' | 'clamp' | 'precision'> & {
  readonly data: DataConfig;
  readonly classNames: ClassNames;
};

export async function predict(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const [file, rows] = args.operands.map((name) => resolve(io.cwd, name)) as [string, string];
  const { tensors, metadata } = await readSafetensors(file);
  const config = configOf(file, metadata);
  const transforms = preprocessOf(file, metadata, {}) ?? {};
  const x = await readRows(rows, config.data, args);
  const [n, ...row] = x.shape as [number, ...number[]];
  const size = Math.min(BATCH, n);
  const feed = { dtype: dtypeOf(x.data), shape: [size, ...row] } as const;
  const { program, weights } = ofRows(rows, () => {
    const made = makeModel(config.model, { row: rowOf(x, transforms), tokens: null, length: null });
    const weights = new Weights(made, config.precision);
    const program = new ModelProgram(made, weights, (graph) => {
      const batch = prepare({ x: graph.input('x', feed, 'feed') }, {}, transforms, false);
      const outputs = outputsOf(config, made, batch.x!);
      return { y: told(config.loss, outputs, transforms) };
    });
    weights.write(tensors);
    return { program, weights };
  });
  try {
    const width = sizeOf(row);
    for (let start = 0; start < n && !io.signal.aborted; start += size) {
      const count = Math.min(size, n - start);
      // The last rows are run in a batch of the same size, with zeros for what is not there.
      const data = x.data.slice(start * width, (start + size) * width);
      const whole = data.length === size * width ? data : padded(data, size * width);
      const y = (await program.run(1, [new Map([['x', whole]])])).get('y')!;
      for (let i = 0; i < count; i++)
        tell(start + i, y.subarray((i * y.length) / size, ((i + 1) * y.length) / size), config, screen);
    }
  } finally {
    program.dispose();
    weights.dispose();
  }
  return io.signal.aborted ? exitCodeOfStop(io.signal.reason as StopCause) : EXIT.ok;
}

/** What is made for the rows of a file. @throws DataError where the model, or a transform, does not take them */
function ofRows<T>(file: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof ShapeError || cause instanceof OptionError)) throw cause;
    const hint = '; a column that is no input, such as the label, is left out with --drop';
    throw new DataError(`${file}: the model does not take its rows: ${cause.message}${hint}`, { file }, { cause });
  }
}

/** Probabilities of classes, of the one class, or values in their units. */
function told(loss: TrainConfig['loss'], outputs: Tensor, transforms: Transforms): Tensor {
  if (loss === 'crossEntropy') return softmax(outputs);
  const column = reshape(outputs, [outputs.shape[0]!]);
  return loss === 'bceWithLogits' ? sigmoid(column) : inUnits(column, transforms);
}

function tell(row: number, y: Data, { loss, classNames }: Told, screen: Screen): void {
  if (loss !== 'crossEntropy') {
    const key = loss === 'bceWithLogits' ? 'probability' : 'value';
    screen.emit({ row, [key]: y[0] });
    if (!screen.json) screen.say(String(y[0]));
    return;
  }
  const most = largestOf(y);
  const name = classNames?.[most] ?? most;
  screen.emit({ row, class: name, probability: y[most] });
  if (!screen.json) screen.say(`${name} ${y[most]!.toFixed(4)}`);
}

function configOf(file: string, { config: text, classes }: Readonly<Record<string, string>>): Told {
  try {
    // What is not set is null there.
    const config = parseJson(text ?? '{}', true) as Told;
    if (config.data?.type === undefined || config.data.type === 'text') throw new TypeError('no model of rows');
    const classNames = classes === undefined ? null : list(anyText).read(parseJson(classes), new Place('', '', 'classes'));
    const data = dataConfig.read(config.data, new Place('', '', 'data'));
    // Files of before these keys say nothing of them.
    const { clamp = null, precision = 'f32' } = config;
    if (clamp !== null) clampField.read(clamp, new Place('', '', 'clamp'));
    const model = modelConfig.read(config.model, new Place('', '', 'model'));
    return {
      ...config,
      data,
      classNames,
      model,
      clamp,
      precision: precisionField.read(precision, new Place('', '', 'precision')),
    };
  } catch (cause) {
    const message = `${file}: expected what gradclip train writes of rows: ${(cause as Error).message}`;
    throw new CheckpointError(message, { file }, { cause });
  }
}

async function readRows(file: string, data: DataConfig, args: Arguments): Promise<TensorData> {
  const drop = args.text('drop');
  if (drop !== undefined && data.type !== 'csv') throw usage(PREDICT, '--drop: is for csv files');
  if (data.type === 'idx') return readIdx(file, { maxBytes: data.maxBytes });
  if (data.type === 'npz') return (await readNpz(file, { arrays: [data.x], maxBytes: data.maxBytes })).get(data.x)!;
  const label = drop !== undefined && /^-?\d+$/.test(drop) ? Number(drop) : drop;
  const written = data.type === 'csv' ? csvOptions(data) : {};
  const weight = data.type === 'csv' && typeof data.weight === 'string' ? data.weight : null;
  const { features } = await readFeatures(file, { ...written, ...(label !== undefined && { label }) }, weight);
  const shape = data.type === 'csv' ? data.shape : undefined;
  return shape ? { ...features, shape: [features.shape[0]!, ...shape] } : features;
}

/** Shape of a row after its transforms. */
function rowOf({ data, shape }: TensorData, { x }: Transforms): readonly number[] {
  const row = shape.slice(1);
  const first = { data: data.slice(0, sizeOf(row)), shape: [1, ...row] };
  return (x?.transform(first) ?? first).shape.slice(1);
}

function padded(data: Data, length: number): Data {
  const whole = new (data.constructor as new (length: number) => Data)(length);
  whole.set(data);
  return whole;
}
