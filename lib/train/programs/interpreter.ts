// interpreter.ts: runs the steps of a graph op by op, in plain loops, in place of its compiled program, and looks at what every op gives.
import { Keeping, whole } from '../../compile/keep.ts';
import type { Layout } from '../../compile/layout.ts';
import { orderOf } from '../../compile/order.ts';
import type { Column, Program } from '../../compile/program.ts';
import { liveNodes } from '../../compile/simplify.ts';
import { GradclipError, GraphError, IndexError, NonFiniteError, OptionError } from '../../errors.ts';
import { CONSTANT, type Graph, INPUT, isLeaf, isOp, type Node, STATE, type State, type Tensor } from '../../ir/graph.ts';
import { interpretNode } from '../../ir/interpret.ts';
import { ARRAYS, bytesOf, type Data, type RefArray, type RefContext, sizeOf, type TensorType } from '../../ir/op.ts';
import { toBf16 } from '../../math/bf16.ts';
import type { NativeBlock, RunRequest, RunResult } from '../../native/addon.ts';
import { type Engine, STATUS, withOurErrors } from '../../native/program.ts';
import { indicesOf, statisticsOf, statisticsText } from '../../ops/reduce/describe.ts';
import { FAIL_IF } from '../../ops/step/control.ts';

export interface InterpreterInit {
  readonly graph: Graph;
  /** Says what feeds, steps and reports look like. */
  readonly program: Program;
  readonly layout: Layout;
  readonly blocks: readonly NativeBlock[];
  /** Where in the user's files a node was made. */
  readonly places: ReadonlyMap<Node, string>;
  /** Whether a gradient that is not finite is an error. It is none where the scale of the loss follows what overflows. */
  readonly gradients: boolean;
}

/** Ends the step, as `fail_if` does. */
class Failed extends Error {
  readonly position: number;
  constructor(position: number) {
    super('fail_if');
    this.position = position;
  }
}

export class Interpreter implements Engine {
  #init: InterpreterInit;
  readonly #micro: readonly Node[];
  readonly #free: readonly Node[];
  readonly #skippable: readonly Node[];
  readonly #leaves: readonly Node[];
  readonly #data = new Map<string, Data>();
  readonly #rounding: Rounding | null;
  #stopped = false;

  constructor(init: InterpreterInit) {
    this.#init = init;
    const live = new Set(liveNodes(init.graph));
    const { nodes, microEnd, skippableFrom } = orderOf(init.graph);
    const part = (begin: number, end?: number): Node[] => nodes.slice(begin, end).filter((node) => live.has(node));
    this.#micro = part(0, microEnd);
    this.#free = part(microEnd, skippableFrom);
    this.#skippable = part(skippableFrom);
    this.#leaves = [...live].filter(isLeaf);
    this.#rounding = init.graph.activations === 'bf16' ? new Rounding(new Keeping(init.graph, [...live])) : null;
  }

  async run(request: RunRequest): Promise<RunResult> {
    // Whoever waits for the event loop has a turn between two steps.
    await new Promise<void>((resolve) => void setImmediate(resolve));
    return this.runSync(request);
  }

  runSync(request: RunRequest): RunResult {
    const { program, graph } = this.#init;
    const { micros, part = { first: 0, end: micros } } = request;
    const report = new ArrayBuffer(request.steps * program.report.bytes);
    const result = {
      ...{ status: STATUS.ok as number, tried: 0, attempt: request.attempt, stepCount: request.stepCount, skips: request.skips },
      ...{ instr: -1, position: 0, value: 0, bound: 0, threads: request.threads, report },
    };
    const states = new States(this.#init);
    this.#stopped = false;
    while (result.tried < request.steps && result.status === STATUS.ok) {
      const values = new Map<Tensor, RefArray>();
      const row = new Row(program, request, result);
      const context = { seed: request.seed, attempt: 0, micro: 0, micros };
      try {
        for (let m = part.first; m < part.end; m++) {
          Object.assign(context, { attempt: result.attempt + m, micro: m });
          this.#fill(values, states, row, m - part.first, part.end - part.first);
          this.#rounding?.begin();
          const finite = new Finite(this.#init, values);
          for (const node of this.#micro) {
            this.#compute(node, values, context);
            finite.look(node);
          }
          for (const { state, value, always } of graph.assigns) {
            if (always && value.node.section === 'micro') states.write(state, values.get(value)!);
          }
        }
        if (part.end < micros) return result;
        for (const node of this.#free) this.#compute(node, values, context);
        const skip = graph.skip !== null && values.get(graph.skip)![0] !== 0;
        if (!skip) for (const node of this.#skippable) this.#compute(node, values, context);
        row.report(graph, values, report);
        for (const { state, value, always } of graph.assigns) {
          if (always ? value.node.section === 'apply' : !skip) states.write(state, values.get(value)!);
        }
        result.tried++;
        result.attempt += micros;
        result.skips = skip ? result.skips + 1 : 0;
        if (!skip) result.stepCount++;
        if (request.maxSkips > 0 && result.skips >= request.maxSkips) result.status = STATUS.tooManySkips;
        else if (this.#stopped && result.tried < request.steps) result.status = STATUS.stopped;
      } catch (error) {
        if (error instanceof IndexError)
          throw new IndexError(error.message, { ...(error.details as never as Wrong), result } as Wrong);
        if (!(error instanceof Failed)) throw error;
        row.report(graph, values, report);
        Object.assign(result, { status: STATUS.nonFinite, position: error.position });
      }
    }
    return result;
  }

  rebind(blocks: readonly NativeBlock[]): void {
    this.#init = { ...this.#init, blocks };
    this.#data.clear();
  }

  unbind(): void {
    this.rebind([]);
  }

  startProfile(): void {
    throw new OptionError('fit: option profile: it measures kernels, and with debug none runs', { option: 'profile' });
  }

  profile(): Float64Array {
    return new Float64Array(0);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Nobody can ask while it runs. */
  endEarly(): void {}

  dispose(): void {}

  /** What a micro-batch begins with. */
  #fill(values: Map<Tensor, RefArray>, states: States, row: Row, micro: number, micros: number): void {
    for (const node of this.#leaves) {
      if (isOp(node, STATE)) values.set(node.out, states.read(node.attrs.state));
      else if (isOp(node, CONSTANT)) values.set(node.out, node.attrs.data);
      else if (isOp(node, INPUT)) {
        const { name, role, type } = node.attrs;
        values.set(node.out, role === 'data' ? this.#bound(name, type) : row.input(name, role, micro, micros));
      }
    }
  }

  #bound(name: string, type: TensorType): Data {
    let data = this.#data.get(name);
    if (!data) {
      data = new ARRAYS[type.dtype](sizeOf(type.shape));
      const block = this.#init.blocks[this.#init.layout.data.get(name)!]!;
      if (data.length > 0) withOurErrors(() => block.read(0, data!));
      this.#data.set(name, data);
    }
    return data;
  }

  #compute(node: Node, values: Map<Tensor, RefArray>, context: RefContext): void {
    if (isOp(node as Node, FAIL_IF)) {
      const [flag, position] = node.ins.map((t) => values.get(t)![0]!) as [number, number];
      if (flag !== 0) throw new Failed(position >= 0 && position < 2 ** 53 ? Math.trunc(position) : -1);
      return;
    }
    for (const { input, bound, ignored } of node.op.indices?.(node) ?? []) {
      const op = node.op.madeOf ?? node.op.name;
      for (const [position, value] of values.get(node.ins[input]!)!.entries()) {
        if ((value >= 0 && value < bound) || value === ignored) continue;
        const text = `${op}: expected an index from 0 to ${bound - 1} at position ${position}, got ${value}${this.#where(node)}`;
        throw new IndexError(text, { op, position, value, bound });
      }
    }
    try {
      const read = this.#rounding?.operands(node, values, context) ?? values;
      interpretNode(node, read, context);
      for (const t of node.outs) values.set(t, read.get(t)!);
    } catch (cause) {
      if (cause instanceof GradclipError) throw cause;
      throw new GraphError(`${nameOf(node)} failed: ${(cause as Error).message}${this.#where(node)}`, {
        op: node.op.name,
        cause,
      });
    }
  }

  #where(node: Node): string {
    const place = placeOf(this.#init, node);
    return place === null ? '' : `\n  written at ${place}`;
  }
}

interface Wrong {
  readonly op: string;
  readonly position: number;
  readonly value: number;
  readonly bound: number;
}

const nameOf = ({ op, gradientOf, layer }: Node): string => {
  const name = gradientOf ? `${op.name} in the gradient of ${gradientOf.op.name}` : op.name;
  return layer === '' ? name : `${name} in ${layer}`;
};

const placeOf = ({ places }: InterpreterInit, node: Node): string | null => places.get(node.gradientOf ?? node) ?? null;

/** What a backward pass reads rounded, as the compiler keeps it. */
class Rounding {
  readonly #keeping: Keeping;
  readonly #rounded = new Map<Tensor, RefArray>();
  constructor(keeping: Keeping) {
    this.#keeping = keeping;
  }

  /** A micro-batch begins. */
  begin(): void {
    this.#rounded.clear();
  }

  /** The operands of a node, as it reads them. */
  operands(node: Node, values: ReadonlyMap<Tensor, RefArray>, context: RefContext): Map<Tensor, RefArray> {
    for (const { value, again } of this.#keeping.beginningAt(node)) {
      if (again) {
        const made = new Map(value.node.ins.map((t) => [t, this.#rounded.get(whole(t)) ?? values.get(t)!]));
        interpretNode(value.node, made, context);
        this.#rounded.set(value, made.get(value)!);
      } else this.#rounded.set(value, Float32Array.from(values.get(value)!, toBf16));
    }
    const read = (t: Tensor): RefArray => {
      const value = this.#keeping.readAs(node, t);
      return (value && this.#rounded.get(value)) ?? values.get(t)!;
    };
    return new Map(node.ins.map((t) => [t, read(t)]));
  }
}

/** The states of a run. What was read stays as it was when others write. */
class States {
  readonly #init: InterpreterInit;
  readonly #values = new Map<State, RefArray>();
  constructor(init: InterpreterInit) {
    this.#init = init;
  }

  read(state: State): RefArray {
    let value = this.#values.get(state);
    if (!value) {
      const read = new ARRAYS[state.type.dtype](sizeOf(state.type.shape));
      const { block, offset } = this.#init.layout.states.get(state)!;
      if (read.length > 0) withOurErrors(() => this.#init.blocks[block]!.read(offset, read));
      value = read;
      this.#values.set(state, value);
    }
    return value;
  }

  write(state: State, value: RefArray): void {
    const { block, offset } = this.#init.layout.states.get(state)!;
    this.#values.set(state, value);
    if (value.length > 0) withOurErrors(() => this.#init.blocks[block]!.write(offset, value));
  }
}

/** The rows that a step reads and writes. */
class Row {
  readonly #program: Program;
  readonly #request: RunRequest;
  readonly #tried: number;
  readonly #applied: number;
  constructor(program: Program, request: RunRequest, { tried, stepCount }: Pick<RunResult, 'tried' | 'stepCount'>) {
    this.#program = program;
    this.#request = request;
    this.#tried = tried;
    this.#applied = stepCount - request.stepCount;
  }

  input(name: string, role: 'feed' | 'step', micro: number, micros: number): Data {
    const { bytes, columns } = this.#program[role];
    const row = role === 'feed' ? this.#tried * micros + micro : this.#applied;
    const rows = this.#request[role]!;
    const { offset, type } = columns.find((column) => column.name === name) as Column;
    const start = row * bytes + offset;
    const copied = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength).slice(start, start + bytesOf(type));
    return new ARRAYS[type.dtype](copied.buffer);
  }

  report({ outputs }: Graph, values: ReadonlyMap<Tensor, RefArray>, rows: ArrayBuffer): void {
    const { bytes, columns } = this.#program.report;
    for (const { name, offset, type } of columns) {
      const value = values.get(outputs.get(name)!);
      if (value) new ARRAYS[type.dtype](rows, this.#tried * bytes + offset, value.length).set(value);
    }
  }
}

/** Looks at what ops give in a micro-batch, one after the other. */
class Finite {
  readonly #init: InterpreterInit;
  readonly #values: ReadonlyMap<Tensor, RefArray>;
  /** Index of the first element that is not finite; -1: all are. */
  readonly #first = new Map<Tensor, number>();

  constructor(init: InterpreterInit, values: ReadonlyMap<Tensor, RefArray>) {
    this.#init = init;
    this.#values = values;
  }

  /** @throws NonFiniteError if it gives what is not finite, of operands that all are */
  look(node: Node): void {
    if (node.gradientOf && !this.#init.gradients) return;
    const saved = node.op.saved ?? [];
    const bad = node.outs.find((t, i) => !saved.includes(i) && this.#firstOf(t) >= 0);
    if (!bad) return;
    const source = node.ins.find((t) => this.#firstOf(t) >= 0);
    // A data set may have rows that are not finite: what counts is the batch.
    const given = source === undefined ? null : isOp(source.node, STATE) ? source : isOp(source.node, INPUT) ? bad : null;
    if (source && (given === null || (isOp(source.node, STATE) && source.node.attrs.state.transient))) return;
    throw this.#error(node, bad, given);
  }

  #firstOf(t: Tensor): number {
    let first = this.#first.get(t);
    if (first === undefined) {
      const isFloat = t.dtype === 'f32' || t.dtype === 'f64';
      first = isFloat ? (this.#values.get(t) as Float32Array).findIndex((v) => !Number.isFinite(v)) : -1;
      this.#first.set(t, first);
    }
    return first;
  }

  #error(node: Node, bad: Tensor, given: Tensor | null): NonFiniteError {
    const t = given ?? bad;
    const [first, values] = [this.#firstOf(t), this.#values.get(t)!];
    const at = indicesOf(first, t.shape);
    const count = values.filter((v) => !Number.isFinite(v)).length;
    const told = `${values[first]} at [${at}]${count > 1 ? ` and ${count - 1} more` : ''}`;
    const place = placeOf(this.#init, node);
    const inputs = node.ins.map((x) => ({
      of: String(x).replace(/^Tensor \S+ of /, ''),
      ...statisticsOf(this.#values.get(x)!, x.type),
    }));
    const lines = [
      `debug: ${given ? `${String(t).replace(/^Tensor \S+ of /, '')} has ${told}, read by ${nameOf(node)}` : `${nameOf(node)} gave ${told}`}`,
      ...(place === null ? [] : [`  written at ${place}`]),
      ...inputs.slice(0, 3).map((x, i) => `  input ${i}, ${x.of}: ${statisticsText(x)}`),
    ];
    const { op, layer } = node;
    return new NonFiniteError(lines, {
      op: op.name,
      layer,
      place,
      index: at,
      value: values[first],
      inputs,
    });
  }
}
