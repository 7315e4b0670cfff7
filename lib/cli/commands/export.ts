// export.ts: `gradclip export CHECKPOINT --onnx FILE`: what a model that `gradclip train` has trained predicts, as a file that other programs run.
import { resolve } from 'node:path';
import { CheckpointError, OptionError, ShapeError } from '../../errors.ts';
import { readSafetensors } from '../../io/arrays/safetensors.ts';
import type { Graph, State, Tensor } from '../../ir/graph.ts';
import { isKnown, sizeText } from '../../ir/onnx.ts';
import { ARRAYS, type DType, sameShape } from '../../ir/op.ts';
import { version } from '../../native/package.ts';
import { type Module, namesOf, Parameter } from '../../nn/module/module.ts';
import { valuesOf } from '../../nn/module/values.ts';
import { exported, type OnnxInput } from '../../onnx/export.ts';
import { writeModel } from '../../onnx/file.ts';
import { type OnnxModel, type OnnxPort, OPSETS } from '../../onnx/model.ts';
import type { Weight } from '../../onnx/writer.ts';
import { argmax } from '../../ops/reduce/reduce.ts';
import { choice, whole } from '../../options/index.ts';
import { bytes } from '../../text/format.ts';
import { prepare, preprocessOf, type Transforms } from '../../train/feed/prepare.ts';
import { schemaOf } from '../../train/feed/records.ts';
import type { NdArray } from '../../train/feed/source.ts';
import type { Weights } from '../../train/options.ts';
import { traceModel } from '../../train/programs/model-program.ts';
import { type Arguments, type Command, usage } from '../args.ts';
import { WEIGHTS, weightsAsked, weightsIn } from '../config/averages.ts';
import { makeModel, outputsOf } from '../config/models.ts';
import { told } from '../config/outputs.ts';
import { configOf, preparedRow, ROW_DTYPES, rowIn, type Told } from '../config/trained.ts';
import { EXIT } from '../exit.ts';
import type { IO } from '../io.ts';
import { checkOutput } from '../output.ts';
import type { Screen } from '../screen.ts';
import { readWritten } from './sample.ts';

export const EXPORT: Command = {
  name: 'export',
  operands: ['CHECKPOINT'],
  summary: 'Write a model that train has trained as a file of ONNX, which onnxruntime and others run',
  more: [
    'The file takes rows as they stood in the data, any number of them: what preprocess does is in it. It gives class and probabilities, probability, or',
    'value; of a text, the logits of the token after each. Words of classes and tokens are in its metadata.',
  ],
  flags: {
    onnx: { value: 'FILE', help: 'where it is written' },
    opset: {
      value: 'N',
      help: 'version of the operators',
      takes: whole({ min: OPSETS.least, max: OPSETS.most }).default(OPSETS.usual),
    },
    shape: { value: 'N,N', help: 'values of a row, such as 28,28, where the checkpoint is of a version that did not keep that' },
    dtype: { value: 'TYPE', help: 'their type, likewise', takes: choice(...ROW_DTYPES).optional() },
    weights: WEIGHTS,
    'external-data': { help: 'write the weights into a file of their own, FILE.data; above 2 GiB they always are' },
  },
};

/** What a checkpoint comes to: a model with its inputs and outputs. */
interface Read {
  readonly model: Module;
  readonly inputs: readonly OnnxInput[];
  readonly sizes: Readonly<Record<string, number>>;
  readonly parameters: ReadonlyMap<string, NdArray>;
  readonly weights: Weights;
  readonly outputs: (x: Tensor) => Readonly<Record<string, Tensor>>;
  readonly metadata: Readonly<Record<string, string>>;
}

export async function exportModel(args: Arguments, io: IO, screen: Screen): Promise<number> {
  const given = args.text('onnx');
  if (given === undefined) throw usage(EXPORT, 'expected --onnx FILE');
  const [from, to] = [resolve(io.cwd, args.operands[0]!), resolve(io.cwd, given)];
  const opset = args.number('opset')!;
  const row = rowGiven(args);
  await checkOutput('--onnx', to);
  const read = await readCheckpoint(from, { row, dtype: args.choice('dtype'), weights: weightsAsked(args) });
  const model = modelOf(from, read, opset);
  const written = await writeModel(to, model, args.has('external-data') ? true : null);
  const ports = { inputs: model.inputs.map(portOf), outputs: model.outputs.map(portOf) };
  screen.emit({ event: 'export', ...written, opset, weights: read.weights, ...ports });
  if (screen.json) return EXIT.ok;
  const beside = written.data === null ? '' : ` with ${written.data}`;
  screen.say(
    `${written.file}${beside}: ${bytes(written.bytes)}, operators of version ${opset}${read.weights === 'ema' ? ', averages of the weights' : ''}`,
  );
  for (const [what, all] of Object.entries({ takes: ports.inputs, gives: ports.outputs })) {
    for (const { name, dtype, shape } of all) screen.say(`  ${what} ${name} ${dtype}[${shape.join(', ')}]`);
  }
  return EXIT.ok;
}

function rowGiven(args: Arguments): readonly number[] | null {
  const text = args.text('shape');
  if (text === undefined) return null;
  const row = text.split(',').map(Number);
  if (!row.every((d) => Number.isSafeInteger(d) && d >= 1)) {
    throw usage(EXPORT, `--shape: expected whole numbers from 1 on, such as 28,28, got ${JSON.stringify(text)}`);
  }
  return row;
}

/** What the command line adds to a checkpoint. */
interface Asked {
  readonly row: readonly number[] | null;
  readonly dtype: DType | undefined;
  readonly weights: Weights | undefined;
}

async function readCheckpoint(file: string, asked: Asked): Promise<Read> {
  const { row: given, dtype } = asked;
  const { tensors, metadata } = await readSafetensors(file);
  if (metadata.tokenizer !== undefined) return ofText(file, asked);
  const chosen = weightsIn(file, tensors, asked.weights);
  const config = configOf(file, metadata);
  const transforms = preprocessOf(file, metadata, {}) ?? {};
  const schema = schemaOf(transforms);
  const known = rowIn(file, metadata);
  const shape = given ?? known?.shape ?? rowOfConfig(config, transforms);
  if (shape === null) {
    throw new CheckpointError(`${file}: does not say what values a row has: --shape says it, such as --shape 28,28`, { file });
  }
  const type = dtype ?? known?.dtype ?? (config.data.type === 'idx' ? 'u8' : 'f32');
  const row = ofModel(file, () => preparedRow({ dtype: type, shape }, transforms));
  const model = ofModel(file, () => makeModel(config.model, { row, tokens: null, length: null }));
  return {
    model,
    inputs: [{ name: 'x', dtype: type, shape: ['batch', ...shape] }],
    sizes: {},
    parameters: chosen.tensors,
    weights: chosen.weights,
    metadata: {
      ...(config.classNames && { classes: JSON.stringify(config.classNames) }),
      ...(schema && { schema: JSON.stringify(schema) }),
    },
    outputs: (x) => namedOutputs(config, outputsOf(config, model, prepare({ x }, {}, transforms, false).x!), transforms),
  };
}

/** As `gradclip predict` tells them. */
function namedOutputs({ loss }: Told, outputs: Tensor, transforms: Transforms): Readonly<Record<string, Tensor>> {
  const y = told(loss, outputs, transforms);
  if (loss === 'crossEntropy') return { class: argmax(y), probabilities: y };
  return loss === 'bceWithLogits' ? { probability: y } : { value: y };
}

async function ofText(file: string, { row, dtype, weights: asked }: Asked): Promise<Read> {
  if (row !== null || dtype !== undefined) throw usage(EXPORT, '--shape and --dtype are for rows: a text has tokens');
  const { model, parameters, weights, tokenizer, length } = await readWritten(file, asked);
  return {
    model,
    inputs: [{ name: 'x', dtype: 'i32', shape: ['batch', 'time'] }],
    sizes: { time: length },
    parameters,
    weights,
    metadata: { tokenizer: JSON.stringify(tokenizer) },
    outputs: (x) => ({ logits: (model.forward as (x: Tensor) => Tensor).call(model, x) }),
  };
}

/** A row of a checkpoint without that key: by its transform, its configuration, or the model. */
function rowOfConfig({ data, model }: Told, transforms: Transforms): readonly number[] | null {
  const { row } = (transforms.x ?? {}) as { row?: readonly number[] };
  if (row && row.length > 0) return row;
  if (data.type === 'csv' && data.shape) return data.shape;
  if (transforms.x) return null;
  const sizes = model.type === 'mlp' ? model.sizes : null;
  return sizes ? [sizes[0]!] : model.type === 'ncf' ? [2] : null;
}

/** @throws CheckpointError where model and rows do not go together */
function ofModel<T>(file: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof ShapeError || cause instanceof OptionError)) throw cause;
    throw new CheckpointError(`${file}: the model does not take such rows: ${cause.message}`, { file }, { cause });
  }
}

function modelOf(file: string, { model, inputs, sizes, parameters, outputs, metadata }: Read, opset: number): OnnxModel {
  model.initialize();
  const weights = weightsOf(file, model, parameters);
  return ofModel(file, () =>
    exported({
      inputs,
      sizes,
      opset,
      name: model.constructor.name,
      metadata: { 'gradclip.library': version(), ...metadata },
      weightOf: (state) => weights.get(state)!,
      trace: (of) => {
        const [{ name, dtype, shape }] = inputs as [OnnxInput];
        const dims = shape.map((d) => (typeof d === 'number' ? d : of.get(d)!));
        const build = (graph: Graph): ReturnType<typeof outputs> => outputs(graph.input(name, { dtype, shape: dims }, 'feed'));
        const { graph, traced } = traceModel(model, build, 'f32', true);
        return { graph, outputs: new Map(Object.entries(traced)) };
      },
    }),
  );
}

/** Values of parameters and buffers by what stands for them in graphs. @throws CheckpointError for those of other shapes */
function weightsOf(file: string, model: Module, parameters: ReadonlyMap<string, NdArray>): Map<State, Weight> {
  const found = new Map<State, Weight>();
  for (const [x, names] of namesOf(model)) {
    const { state, shape } = x;
    const name = names.find((n) => parameters.has(n)) ?? names[0]!;
    const values = parameters.get(name);
    if (!values && x instanceof Parameter) {
      throw new CheckpointError(`${file}: no values for the parameter ${name}`, { file, name });
    }
    if (values && !sameShape(values.shape, shape)) {
      throw new CheckpointError(`${file}: ${name}: expected [${shape}], got [${values.shape}]`, { file, name });
    }
    const array = ARRAYS[state.type.dtype];
    const data = values ? (values.data instanceof array ? values.data : array.from(values.data)) : valuesOf(state)!.copy(name);
    found.set(state, { name, data });
  }
  return found;
}

const portOf = ({ name, type, shape }: OnnxPort) => ({
  name,
  dtype: type,
  shape: shape.map((size) => (isKnown(size) ? size : sizeText(size))),
});
