// exporting.ts: what a trainer predicts, as a file of ONNX: the graph of its predictions, with the weights of now.
import { type Arrays, isArray, type Share } from '../data/arrays.ts';
import { OptionError } from '../errors.ts';
import { joined } from '../io/arrays/safetensors.ts';
import { type ByteSink, writeTo } from '../io/file/stream.ts';
import type { State } from '../ir/graph.ts';
import { isKnown, type Size, sizeText } from '../ir/onnx.ts';
import type { Data } from '../ir/op.ts';
import { version } from '../native/package.ts';
import type { Module } from '../nn/module/module.ts';
import { exported, type OnnxInput } from '../onnx/export.ts';
import { modelParts, writeModel } from '../onnx/file.ts';
import type { OnnxModel, OnnxPort } from '../onnx/model.ts';
import { show } from '../options/index.ts';
import { rowTypes } from './feed/batch.ts';
import { inputsOf } from './feed/inputs.ts';
import type { AskedOnnx } from './given.ts';
import type { OnnxExport, OnnxInputs, OnnxShape, OnnxValueType } from './options.ts';
import { nameByState } from './state/checkpoint.ts';
import type { Current } from './state/current.ts';
import type { Setup } from './state/setup.ts';
import type { Output } from './step/step.ts';

const WHERE = 'exportOnnx';
/** What the rows of arrays are called, however many there are. */
const ROWS = 'batch';

/** What is written is when the turn is over: values are copies. @param to not given: the bytes are given back */
export async function exportOnnx(
  current: Current,
  to: string | ByteSink | undefined,
  asked: AskedOnnx,
): Promise<OnnxExport | Uint8Array> {
  current.follow(WHERE);
  current.weightsOf(WHERE, asked.weights);
  const inputs = inputsFor(asked.inputs);
  const model = await current.access.use(WHERE, async () => {
    const { setup } = current;
    const values = await setup.store.snapshot(setup.read(asked.weights));
    return modelOf(setup, current.options.model, inputs, values, asked);
  });
  const external = asked.externalData ?? null;
  if (to === undefined) return joined(modelParts(model, external), WHERE);
  const written =
    typeof to === 'string' ? await writeModel(to, model, external) : await streamed(to, modelParts(model, external));
  return { ...written, opset: model.opset, inputs: model.inputs.map(told), outputs: model.outputs.map(told) };
}

/** The stream is ended. */
async function streamed(stream: ByteSink, parts: readonly Uint8Array[]): Promise<Pick<OnnxExport, 'file' | 'data' | 'bytes'>> {
  await writeTo(WHERE, stream, parts);
  return { file: null, data: null, bytes: parts.reduce((sum, { length }) => sum + length, 0) };
}

function modelOf(
  setup: Setup,
  model: Module,
  inputs: readonly OnnxInput[],
  values: ReadonlyMap<State, Data>,
  { outputs, weights, opset, sizes, metadata }: AskedOnnx,
): OnnxModel {
  const names = nameByState(setup.named.weights(weights));
  const trace = setup.exporting({
    where: WHERE,
    output: (outputs as Output<Module> | undefined) ?? null,
    weights,
    dropout: false,
  });
  return exported({
    inputs,
    sizes,
    opset,
    name: model.constructor.name,
    metadata: { 'gradclip.library': version(), ...metadata },
    weightOf: (state) => ({ name: names.get(state) ?? state.name, data: values.get(state)! }),
    trace: (of) => {
      const { graph, extra } = trace((graph) =>
        Object.fromEntries(
          inputs.map(({ name, dtype, shape }) => {
            const dims = shape.map((d) => (typeof d === 'number' ? d : of.get(d)!));
            return [name, graph.input(name, { dtype, shape: dims }, 'feed')];
          }),
        ),
      );
      const named = Array.from(extra, ([name, column]) => [name === '' ? OUTPUT : name, graph.outputs.get(column)!] as const);
      return { graph, outputs: new Map(named) };
    },
  });
}

/** What one tensor without a name is called. */
const OUTPUT = 'output';

const isShape = (given: unknown): given is OnnxShape =>
  typeof given === 'object' && given !== null && Array.isArray((given as Partial<OnnxShape>).shape) && !('data' in given);

/** Arrays by their names, each as what of it a file knows. */
function inputsFor(given: OnnxInputs): OnnxInput[] {
  if (isShape(given)) return [inputOf('x', given)];
  checkRows('x', given);
  if (isArray(given)) return ofArrays(given);
  const entries = Object.entries(given);
  for (const [name, value] of entries) checkRows(name, value);
  if (!entries.some(([, value]) => isShape(value))) return ofArrays(given as Arrays | Share);
  return entries.flatMap(([name, value]) => (isShape(value) ? [inputOf(name, value)] : ofArrays({ [name]: value })));
}

/** A shape that stands where an array does, as `['batch', 2]`, is no rows of it. */
function checkRows(name: string, value: unknown): void {
  if (!Array.isArray(value) || !value.some((size) => typeof size === 'string')) return;
  const shape = `{ shape: [${value.map((size) => show(size)).join(', ')}] }`;
  throw new OptionError(`${WHERE}: option inputs: ${name}: expected rows, or ${shape}, got a list with a text`, {
    option: 'inputs',
    name,
  });
}

function ofArrays(given: Parameters<typeof inputsOf>[1]): OnnxInput[] {
  const [part, ...others] = inputsOf(WHERE, given, false).parts;
  if (!part || others.length > 0) throw new OptionError(`${WHERE}: option inputs: expected arrays of one shape, got several`);
  return Array.from(rowTypes(part.arrays), ([name, { dtype, shape }]) => ({ name, dtype, shape: [ROWS, ...shape] }));
}

const inputOf = (name: string, { shape, dtype = 'f32' }: OnnxShape): OnnxInput => ({ name, dtype, shape });

/** Types that inputs and outputs have: those of tensors. */
const told = ({ name, type, shape }: OnnxPort): OnnxValueType => ({
  name,
  dtype: type as OnnxValueType['dtype'],
  shape: shape.map((size: Size) => (isKnown(size) ? size : sizeText(size))),
});
