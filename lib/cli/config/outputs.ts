// outputs.ts: what a trained model makes of rows, some at a time: its outputs, and what they tell.
import { DataError, OptionError, ShapeError } from '../../errors.ts';
import type { Tensor } from '../../ir/graph.ts';
import { type Data, sizeOf } from '../../ir/op.ts';
import { sigmoid } from '../../ops/elementwise/activation.ts';
import { softmax } from '../../ops/reduce/softmax.ts';
import { reshape } from '../../ops/shape/shape.ts';
import { inUnits, prepare, type Transforms } from '../../train/feed/prepare.ts';
import { dtypeOf, type NdArray } from '../../train/feed/source.ts';
import { ModelProgram } from '../../train/programs/model-program.ts';
import { Weights } from '../../train/programs/weights.ts';
import type { TrainConfig } from './config.ts';
import { makeModel, outputsOf } from './models.ts';
import type { Trained } from './trained.ts';

/** Rows that are run at a time. */
const BATCH = 256;

/** Of one row. */
export interface RowOutputs {
  readonly row: number;
  /** What the loss compares: logits, or a value as the loss sees it. */
  readonly outputs: Data;
  /** Probabilities of classes, that of the one class, or a value in its units. */
  readonly told: Data;
}

/**
 * Row by row.
 * @param file of the rows, for errors
 * @throws DataError where the model, or a transform, does not take them
 */
export async function* outputsFor(
  { told: config, tensors, transforms }: Trained,
  x: NdArray,
  file: string,
  signal: AbortSignal,
): AsyncGenerator<RowOutputs> {
  const [n, ...row] = x.shape as [number, ...number[]];
  const size = Math.min(BATCH, n);
  const feed = { dtype: dtypeOf(x.data), shape: [size, ...row] } as const;
  const { program, weights } = ofRows(file, () => {
    const made = makeModel(config.model, { row: rowOf(x, transforms), tokens: null, length: null });
    const weights = new Weights(made, config.precision);
    const program = new ModelProgram(made, weights, (graph) => {
      const batch = prepare({ x: graph.input('x', feed, 'feed') }, {}, transforms, false);
      const outputs = outputsOf(config, made, batch.x!);
      return { outputs, told: told(config.loss, outputs, transforms) };
    });
    weights.write(tensors);
    return { program, weights };
  });
  try {
    const width = sizeOf(row);
    for (let start = 0; start < n && !signal.aborted; start += size) {
      const count = Math.min(size, n - start);
      // The last rows are run in a batch of the same size, with zeros for what is not there.
      const data = x.data.slice(start * width, (start + size) * width);
      const whole = data.length === size * width ? data : padded(data, size * width);
      const made = await program.run(1, [new Map([['x', whole]])]);
      const part = (of: Data, i: number): Data => of.subarray((i * of.length) / size, ((i + 1) * of.length) / size);
      const [outputs, told] = [made.get('outputs')!, made.get('told')!];
      for (let i = 0; i < count; i++) yield { row: start + i, outputs: part(outputs, i), told: part(told, i) };
    }
  } finally {
    program.dispose();
    weights.dispose();
  }
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

/** Probabilities of classes, that of the one class, or values in their units. */
export function told(loss: TrainConfig['loss'], outputs: Tensor, transforms: Transforms): Tensor {
  if (loss === 'crossEntropy') return softmax(outputs);
  const column = reshape(outputs, [outputs.shape[0]!]);
  return loss === 'bceWithLogits' ? sigmoid(column) : inUnits(column, transforms);
}

/** Shape of a row after its transforms. */
function rowOf({ data, shape }: NdArray, { x }: Transforms): readonly number[] {
  const row = shape.slice(1);
  const first = { data: data.slice(0, sizeOf(row)), shape: [1, ...row] };
  return (x?.transform(first) ?? first).shape.slice(1);
}

function padded(data: Data, length: number): Data {
  const whole = new (data.constructor as new (length: number) => Data)(length);
  whole.set(data);
  return whole;
}
