// proto.ts: a model as messages of Protocol Buffers, by the numbers that onnx.proto gives to their fields.
import { ProtoWriter } from '../io/protobuf.ts';
import type { OnnxAttribute, OnnxType } from '../ir/onnx.ts';
import { isKnown, sizeText } from '../ir/onnx.ts';
import type { Data } from '../ir/op.ts';
import { FORMAT_OF, type OnnxModel, type OnnxNode, type OnnxPort, type OnnxTensor } from './model.ts';

// Numbers of fields, by message.
const MODEL = { format: 1, producer: 2, producerVersion: 3, graph: 7, opset: 8, metadata: 14 } as const;
const OPSET = { version: 2 } as const;
const PAIR = { key: 1, value: 2 } as const;
const GRAPH = { node: 1, name: 2, tensor: 5, input: 11, output: 12 } as const;
const NODE = { input: 1, output: 2, name: 3, op: 4, attribute: 5 } as const;
const ATTRIBUTE = { name: 1, float: 2, int: 3, text: 4, tensor: 5, ints: 8, texts: 9, type: 20 } as const;
const TENSOR = { dims: 1, type: 2, name: 8, raw: 9, external: 13, location: 14 } as const;
const PORT = { name: 1, type: 2 } as const;
const TYPE = { tensor: 1 } as const;
const TENSOR_TYPE = { element: 1, shape: 2 } as const;
const SHAPE = { dim: 1 } as const;
const DIM = { value: 1, name: 2 } as const;

/** Which field of an attribute holds its value. */
const KIND = { float: 1, int: 2, text: 3, tensor: 4, ints: 7, texts: 8 } as const;
/** The values of a tensor lie in another file. */
const EXTERNAL = 1;

/** The number of a type of elements. */
export const ELEMENT: Readonly<Record<OnnxType, number>> = { f32: 1, u8: 2, i32: 6, i64: 7, bool: 9, f64: 11 };

/** Where in another file the values of a tensor lie. */
export interface External {
  /** The name of the file, which lies beside the model. */
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/**
 * The model, in parts: large values are those that it has, not copies.
 * @param external of tensors whose values lie elsewhere, where
 */
export function encodeModel(model: OnnxModel, external: ReadonlyMap<OnnxTensor, External> = new Map()): Uint8Array[] {
  const { opset, producer, metadata } = model;
  const w = new ProtoWriter();
  w.int(MODEL.format, FORMAT_OF[opset]!);
  w.string(MODEL.producer, producer.name);
  w.string(MODEL.producerVersion, producer.version);
  w.message(MODEL.graph, (g) => graph(g, model, external));
  w.message(MODEL.opset, (o) => o.int(OPSET.version, opset));
  for (const [key, value] of Object.entries(metadata)) w.message(MODEL.metadata, (p) => pair(p, key, value));
  return w.chunks();
}

function graph(w: ProtoWriter, model: OnnxModel, external: ReadonlyMap<OnnxTensor, External>): void {
  for (const one of model.nodes) w.message(GRAPH.node, (n) => node(n, one));
  w.string(GRAPH.name, model.name);
  for (const one of model.tensors) w.message(GRAPH.tensor, (t) => tensor(t, one, external.get(one) ?? null));
  for (const one of model.inputs) w.message(GRAPH.input, (p) => port(p, one));
  for (const one of model.outputs) w.message(GRAPH.output, (p) => port(p, one));
}

function node(w: ProtoWriter, { name, op, ins, outs, attributes }: OnnxNode): void {
  for (const value of ins) w.string(NODE.input, value);
  for (const value of outs) w.string(NODE.output, value);
  w.string(NODE.name, name);
  w.string(NODE.op, op);
  for (const [key, value] of Object.entries(attributes)) w.message(NODE.attribute, (a) => attribute(a, key, value));
}

function attribute(w: ProtoWriter, name: string, value: OnnxAttribute): void {
  w.string(ATTRIBUTE.name, name);
  const kind = (type: number): void => {
    w.int(ATTRIBUTE.type, type);
  };
  if (typeof value === 'number') {
    w.int(ATTRIBUTE.int, value);
    kind(KIND.int);
  } else if (typeof value === 'string') {
    w.string(ATTRIBUTE.text, value);
    kind(KIND.text);
  } else if ('float' in value) {
    w.float(ATTRIBUTE.float, value.float);
    kind(KIND.float);
  } else if ('tensor' in value) {
    w.message(ATTRIBUTE.tensor, (t) => tensor(t, ofData(value.tensor), null));
    kind(KIND.tensor);
  } else if (value.every((v) => typeof v === 'string')) {
    for (const v of value) w.string(ATTRIBUTE.texts, v);
    kind(KIND.texts);
  } else {
    for (const v of value as readonly number[]) w.int(ATTRIBUTE.ints, v);
    kind(KIND.ints);
  }
}

function tensor(w: ProtoWriter, { name, type, shape, bytes }: OnnxTensor, external: External | null): void {
  for (const d of shape) w.int(TENSOR.dims, d);
  w.int(TENSOR.type, ELEMENT[type]);
  if (name !== '') w.string(TENSOR.name, name);
  if (!external) {
    w.bytes(TENSOR.raw, bytes);
    return;
  }
  const { file, offset, length } = external;
  for (const [key, value] of Object.entries({ location: file, offset: `${offset}`, length: `${length}` })) {
    w.message(TENSOR.external, (p) => pair(p, key, value));
  }
  w.int(TENSOR.location, EXTERNAL);
}

/** A list of numbers. */
function ofData(data: Data): OnnxTensor {
  return { name: '', type: typeOf(data), shape: [data.length], bytes: bytesOf(data) };
}

export const typeOf = (data: Data): OnnxType =>
  data instanceof Float32Array ? 'f32' : data instanceof Float64Array ? 'f64' : data instanceof Int32Array ? 'i32' : 'u8';

/** The memory of an array, as bytes. */
export const bytesOf = (data: Data | BigInt64Array): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function port(w: ProtoWriter, { name, type, shape }: OnnxPort): void {
  w.string(PORT.name, name);
  w.message(PORT.type, (t) =>
    t.message(TYPE.tensor, (of) => {
      of.int(TENSOR_TYPE.element, ELEMENT[type]);
      of.message(TENSOR_TYPE.shape, (s) => {
        for (const size of shape) {
          s.message(SHAPE.dim, (d) => (isKnown(size) ? d.int(DIM.value, size) : d.string(DIM.name, sizeText(size))));
        }
      });
    }),
  );
}

function pair(w: ProtoWriter, key: string, value: string): void {
  w.string(PAIR.key, key);
  w.string(PAIR.value, value);
}
