// export.ts: from a model that can be traced to a file's contents: trace for several sizes, write each node as its op says, tidy.
import { OptionError } from '../errors.ts';
import type { State } from '../ir/graph.ts';
import type { Size } from '../ir/onnx.ts';
import type { DType } from '../ir/op.ts';
import { version } from '../native/package.ts';
import type { OnnxModel, OnnxPort } from './model.ts';
import { named, needed, withBiases } from './tidy.ts';
import { type Named, type Trace, Twins } from './twins.ts';
import { type Weight, Writer } from './writer.ts';

/** An array that the model is given. */
export interface OnnxInput {
  readonly name: string;
  readonly dtype: DType;
  /** A dimension of a name may be of any size; those of one name are of one size. */
  readonly shape: readonly (number | string)[];
}

export interface Exported {
  readonly inputs: readonly OnnxInput[];
  /** Sizes that the model takes, for dimensions with a name. Those of first dimensions need none. */
  readonly sizes: Readonly<Record<string, number>>;
  /** The graph for some sizes, its inputs those above, and its outputs by name. */
  readonly trace: Trace;
  readonly weightOf: (state: State) => Weight;
  readonly opset: number;
  /** What the graph is called. */
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * @throws GraphError that names op and layer, where one has no form in ONNX; OptionError for an output that has an input's name; what tracing
 * throws
 */
export function exported({ inputs, sizes, trace, weightOf, opset, name, metadata }: Exported): OnnxModel {
  const ports = inputs.map((input): OnnxPort => ({ name: input.name, type: input.dtype, shape: input.shape.map(asSize) }));
  const twins = Twins.of(namesIn(inputs, sizes), trace);
  const { graph, outputs } = twins.first;
  for (const output of outputs.keys()) {
    if (!inputs.some((input) => input.name === output)) continue;
    const text = `exportOnnx: output ${output} has the name of an input: a file has one value of a name`;
    throw new OptionError(text, { output });
  }
  if (graph.assigns.length > 0) {
    const names = graph.assigns.map(({ state }) => state.name).join(', ');
    throw new OptionError(`exportOnnx: predictions change ${names}: a file of ONNX remembers nothing`, { states: names });
  }
  const writer = new Writer(opset, twins, ports, weightOf, [...ports.map((p) => p.name), ...outputs.keys()]);
  writer.write(outputs.values());
  const values = new Map(Array.from(outputs, ([key, t]) => [key, writer.value(t)]));
  const all = { nodes: writer.nodesWritten, tensors: writer.tensors };
  const written = named(withBiases(needed(all, values.values()), new Set(values.values())), values);
  return {
    opset,
    name,
    producer: { name: 'gradclip', version: version() },
    inputs: ports,
    outputs: Array.from(outputs, ([key, t]) => ({ name: key, type: t.dtype, shape: writer.dims(t) })),
    nodes: written.nodes,
    tensors: [...written.tensors.values()],
    metadata,
  };
}

const asSize = (d: number | string): Size => (typeof d === 'number' ? d : { terms: [{ names: [d], factor: 1 }] });

/** Sizes with names, each once. What is the first dimension of an input counts rows, unless somebody says how many there are. */
function namesIn(inputs: readonly OnnxInput[], sizes: Readonly<Record<string, number>>): Named[] {
  const found = new Map<string, Named>();
  for (const { shape } of inputs) {
    for (const [axis, name] of shape.entries()) {
      if (typeof name !== 'string') continue;
      const usual = Object.hasOwn(sizes, name) ? sizes[name]! : axis === 0 ? null : USUAL;
      if (!found.has(name) || axis === 0) found.set(name, { name, usual });
    }
  }
  const unknown = Object.keys(sizes).find((name) => !found.has(name));
  if (unknown !== undefined) {
    const names = [...found.keys()].join(', ') || 'none';
    throw new OptionError(`exportOnnx: option sizes: no dimension of an input is called ${unknown}; there are ${names}`, {
      name: unknown,
    });
  }
  return [...found.values()];
}

/** What a dimension is tried with of which nobody says a size that fits. */
const USUAL = 8;
