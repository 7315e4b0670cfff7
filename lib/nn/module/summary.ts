// summary.ts: a model on inputs of given shapes as a table: layers, the shapes they give, parameters, bytes and multiply-adds.
import { type ArrayInput, dtypeOf, ndarray } from '../../data/arrays.ts';
import { printAs } from '../../errors/inspect.ts';
import { Graph, type Tensor } from '../../ir/graph.ts';
import { bytesOf, type DType, type TensorType } from '../../ir/op.ts';
import { custom, fn, instance, options, record, signature } from '../../options/index.ts';
import { bytes, count, table } from '../../text/format.ts';
import { bindParameters, Module, Parameter } from './module.ts';
import { tensorsIn, wrapForward } from './trace.ts';

/** An input of a model: its shape, of f32; its shape and dtype; or an array as `fit` and `predict` take it. */
export type SummaryInput = readonly number[] | { readonly shape: readonly number[]; readonly dtype?: DType } | ArrayInput;

/** Options of `summary`. */
export interface SummaryOptions<M extends Module> {
  /**
   * What is called in place of `model.forward`, with the inputs by name, each of the shape given for it. Default: `model.forward`
   * with the inputs in their order.
   */
  readonly forward?: (inputs: Readonly<Record<string, Tensor>>, model: M) => unknown;
}

/** One call of a layer's `forward`. */
export interface SummaryRow {
  /** Path in the model, such as `blocks.0.conv1`; '' for the model itself. */
  readonly path: string;
  /** Name of its class. */
  readonly layer: string;
  /** How many calls it is in. */
  readonly depth: number;
  /** What it gave: one type, or several of a layer such as LSTM. */
  readonly outputs: readonly TensorType[];
  /** Values of its own parameters, not of the layers in it; 0 where an earlier row has them. */
  readonly parameters: number;
  /** As many of them as are trained. */
  readonly trained: number;
  /** Multiply-adds of products (matmul, convolutions, attention, recurrent steps) outside the layers in it; the causal half of attention counts whole. */
  readonly macs: number;
  /** Whether it has parameters and an earlier row has all of them. */
  readonly again: boolean;
}

/** What `summary` gives. `String(...)` and `console.log` show the table. */
export class Summary {
  /** Calls of layers, in the order in which they began. */
  readonly rows: readonly SummaryRow[];
  /** Values of all parameters; each once, tied or called several times as it may be. */
  readonly parameters: number;
  /** As many of the values of all parameters as are trained. */
  readonly trained: number;
  /** Bytes of all parameters. */
  readonly parameterBytes: number;
  /** Bytes of what layers give that call no other layer: what a forward pass leaves for the backward one, about. */
  readonly outputBytes: number;
  /** Bytes of the inputs. */
  readonly inputBytes: number;
  /** Multiply-adds of a forward pass, of all rows. */
  readonly macs: number;

  constructor(rows: readonly SummaryRow[], parameters: readonly Parameter[], inputBytes: number) {
    const sum = (of: readonly number[]): number => of.reduce((a, b) => a + b, 0);
    this.rows = rows;
    this.parameters = sum(parameters.map((p) => p.size));
    this.trained = sum(parameters.map((p) => (p.requiresGrad ? p.size : 0)));
    this.parameterBytes = sum(parameters.map((p) => bytesOf(p.state.type)));
    const last = rows.filter((row, i) => (rows[i + 1]?.depth ?? 0) <= row.depth);
    this.outputBytes = sum(last.flatMap((row) => row.outputs.map(bytesOf)));
    this.inputBytes = inputBytes;
    this.macs = sum(rows.map((row) => row.macs));
  }

  /** The table as text, a line for each row, and the totals below. */
  toString(): string {
    const number = (n: number): string => (n === 0 ? '-' : count(n));
    const above: string[] = [];
    const lines = this.rows.map(({ path, layer, depth, outputs, parameters, macs, again }) => {
      const outer = depth === 0 ? '' : above[depth - 1]!;
      above[depth] = path;
      const within = outer !== '' && path.startsWith(`${outer}.`) ? path.slice(outer.length + 1) : path;
      const name = path === '' ? layer : `${within}: ${layer}`;
      const shapes = outputs.map(({ dtype, shape }) => `${dtype === 'f32' ? '' : dtype}[${shape}]`).join(' ');
      return [`${'  '.repeat(depth)}${name}`, shapes, again ? '(again)' : number(parameters), number(macs)];
    });
    const head = ['layer', 'output', 'parameters', 'multiply-adds'];
    const fixed = this.parameters - this.trained;
    const trained = fixed === 0 ? 'all trained' : `${count(this.trained)} trained, ${count(fixed)} not`;
    return [
      ...table([head, ...lines], ['left', 'left', 'right', 'right']),
      '',
      `${count(this.parameters)} parameters, ${trained}, ${bytes(this.parameterBytes)}`,
      `${count(this.macs)} multiply-adds; ${bytes(this.inputBytes)} of inputs, ${bytes(this.outputBytes)} of outputs of layers`,
    ].join('\n');
  }
}

printAs(Summary, function () {
  return this.toString();
});

const input = custom<SummaryInput, TensorType>('a shape, { shape, dtype } or an array', (value, place) => {
  const isShape = (x: unknown): x is readonly number[] => Array.isArray(x) && x.every((d) => Number.isSafeInteger(d) && d >= 0);
  const {
    shape,
    dtype = 'f32',
    data,
  } = (isShape(value) ? { shape: value } : (value ?? {})) as Partial<TensorType> & { data?: unknown };
  if (isShape(shape) && data === undefined && ['f32', 'f64', 'i32', 'u8'].includes(dtype)) return { dtype, shape };
  const flat = Array.isArray(value) && !value.some((x) => typeof x === 'object');
  if (typeof value !== 'object' || value === null || flat || (shape !== undefined && data === undefined)) {
    throw place.wrong('a shape, { shape, dtype } or an array', value);
  }
  const array = ndarray(place.path, value as ArrayInput);
  return { dtype: dtypeOf(array.data), shape: array.shape };
});

const inputs = record(input, 'inputs by name, such as { x: [32, 1, 28, 28] }').map((types, place) => {
  if (Object.keys(types).length === 0) throw place.refuse('expected at least one input, such as { x: [32, 1, 28, 28] }');
  return types;
});

const readSummary = signature(
  'summary',
  { model: instance('a Module', Module), inputs },
  options<SummaryOptions<Module>>()({ forward: fn<NonNullable<SummaryOptions<Module>['forward']>>().optional() }),
);

/**
 * What a model is made of, and what it does with inputs of these shapes, as torchinfo shows it. Nothing is computed: the model is traced, as for
 * evaluation.
 *
 * ```ts
 * console.log(summary(new models.LeNet(), { x: [32, 1, 28, 28] }));
 * summary(gpt, { tokens: { shape: [8, 64], dtype: 'i32' } }).parameters;
 * ```
 * @param inputs by name, in the order in which `forward` takes them
 * @throws OptionError; ShapeError and others, that name the layer, for what the model does not take
 */
export function summary<M extends Module>(
  model: M,
  inputs: Readonly<Record<string, SummaryInput>>,
  options: SummaryOptions<M> = {},
): Summary {
  const { inputs: types } = readSummary(arguments);
  const { forward = (given) => (model.forward as (...given: Tensor[]) => unknown)(...Object.values(given)) } = options;
  const graph = new Graph('eval');
  const seen = new Set<Parameter>();
  const rows: { -readonly [K in keyof SummaryRow]: SummaryRow[K] }[] = [];
  let depth = 0;
  // Multiply-adds that rows have so far.
  let taken = 0;
  const around = (path: string, module: Module, call: () => unknown): unknown => {
    const all = [...module.parts()].map(([, part]) => part).filter((part) => part instanceof Parameter);
    const own = all.filter((p) => !seen.has(p));
    for (const p of own) seen.add(p);
    const size = (ps: readonly Parameter[]): number => ps.reduce((sum, p) => sum + p.size, 0);
    const parts = { parameters: size(own), trained: size(own.filter((p) => p.requiresGrad)), macs: 0 };
    const again = all.length > 0 && own.length === 0;
    const row = { path, layer: module.constructor.name, depth, outputs: [] as TensorType[], ...parts, again };
    rows.push(row);
    const [first, before] = [graph.nodes.length, taken];
    depth++;
    try {
      const given = call();
      row.outputs = tensorsIn(given).map((t) => t.type);
      const macs = graph.nodes.slice(first).reduce((sum, node) => sum + (node.op.cost(node).macs ?? 0), 0);
      row.macs = macs - (taken - before);
      taken = before + macs;
      return given;
    } finally {
      depth--;
    }
  };
  const ends = [
    bindParameters(graph, model),
    ...Array.from(model.namedModules(), ([path, m]) => wrapForward(m, (call) => around(path, m, call))),
  ];
  try {
    const given = Object.entries(types).map(([name, type]) => [name, graph.input(name, type, 'feed')] as const);
    forward(Object.fromEntries(given), model);
  } finally {
    for (const end of ends.reverse()) end();
  }
  return new Summary(
    rows,
    model.parameters(),
    Object.values(types).reduce((sum, type) => sum + bytesOf(type), 0),
  );
}
