// shape.ts: the shape of a batch: what there is one program for.
import type { Graph } from '../../ir/graph.ts';
import { type TensorType, typeName } from '../../ir/op.ts';
import type { Source, Tensors } from './source.ts';

/** Rows of a batch, where nobody says another number. */
export const BATCH_SIZE = 32;

/** What all batches of one program have in common. */
export interface Shape {
  /** Of a feeder, no other shape has it. */
  readonly name: string;
  /** Rows of a batch: by them it weighs in a mean. */
  readonly rows: number;
  /** How many programs of such shapes are kept, whatever they take: a batch and the shorter last one, of each shape that its data are known to have. */
  readonly keep: number;
  /** Declare its tensors. */
  trace(graph: Graph): Tensors;
}

/** Rows of a source, which are gathered. @param of which one, where there are `count` of them */
export function gathered(source: Source, rows: number, of: string = '', count: number = 1): Shape {
  return { name: `${rows} rows${of}`, rows, keep: 2 * count, trace: (graph) => source.trace(graph, rows) };
}

/** Arrays of these types, which are fed whole. */
export function fed(types: ReadonlyMap<string, TensorType>, rows: number, keep: number): Shape {
  return {
    name: [...types].map(([name, type]) => `${JSON.stringify(name)} ${typeName(type)}`).join(', '),
    rows,
    keep,
    trace: (graph) => Object.fromEntries([...types].map(([name, type]) => [name, graph.input(name, type, 'feed')])),
  };
}

/** How the rows of steps are drawn. */
export interface Sampled {
  /** The probability of each row. */
  readonly q: number;
  /** Rows that a step is expected to have: all rows, times that. */
  readonly expected: number;
  /** Rows of a micro-batch. */
  readonly rows: number;
  /** The most micro-batches of a step. */
  readonly micros: number;
}
