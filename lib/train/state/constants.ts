// constants.ts: what a layer makes of units (features, channels) that have one value wherever they are: traced, and computed by the ops' refs.
import { GradclipError } from '../../errors.ts';
import { Graph, isOp, type Node, type State, Tensor } from '../../ir/graph.ts';
import { interpret } from '../../ir/interpret.ts';
import { type Data, type RefArray, sizeOf } from '../../ir/op.ts';
import type { Layer } from '../../nn/layers/sequential.ts';
import { Module, namesOf } from '../../nn/module/module.ts';
import { AVG_POOL } from '../../ops/image/avg-pool.ts';
import { MAX_POOL } from '../../ops/image/max-pool.ts';
import type { AvgPoolAttrs } from '../../ops/image/pool-attrs.ts';
import { BATCH_NORM } from '../../ops/norm/batch-norm.ts';
import { MAX, MEAN, MIN } from '../../ops/reduce/reduce.ts';
import { RESHAPE } from '../../ops/shape/shape.ts';
import { traceModel } from '../programs/model-program.ts';

/** Units of a tensor [rows, units, ...]. */
export interface Units {
  /** Dimensions after the units: none of features, two of images. */
  readonly space: number;
  /** Whether what was space lies within the units now: each is so many neighbors, which the next layer tells. */
  readonly flat: boolean;
  /** Of each unit the value that it has in all rows and places. Those that have none are 0 here, which is not meant. */
  readonly values: Float32Array;
}

/** How a layer runs on units. */
interface Traced {
  readonly graph: Graph;
  readonly x: Tensor;
  readonly y: Tensor;
}

// Rows, and the sizes of space that are tried: some layers take no small ones.
const ROWS = 2;
const SIDES = [4, 8, 16, 32, 64, 128, 256];

/**
 * The units after a layer, as `predict` runs it; null where nothing says that it makes each unit of its own alone, and one value of one.
 * @param constant the units that have one value
 * @param own values of parameters and buffers, where the layer is one that may have some: a number for each unit
 */
export function unitsAfter(
  layer: Layer,
  units: Units,
  constant: readonly number[],
  own: ((state: State) => Data) | null,
): Units | null {
  if (!own && layer instanceof Module && namesOf(layer).size > 0) return null;
  const traced = tracedOn(layer, units);
  if (!traced) return null;
  const { graph, x, y } = traced;
  const count = units.values.length;
  const inner = sizeOf(x.shape) / ROWS / count;
  const filled = Float32Array.from({ length: sizeOf(x.shape) }, (_, i) => units.values[Math.floor(i / inner) % count]!);
  const values = interpret(graph, { inputs: { x: filled }, states: (state) => own!(state) as RefArray });
  /** Of each unit the value at its first place. */
  const first = (t: Tensor): Float32Array => {
    const each = sizeOf(t.shape) / ROWS / count;
    return Float32Array.from({ length: count }, (_, c) => values.get(t)![c * each]!);
  };
  const made = new Set([x]);
  for (const node of graph.nodes) {
    if (!node.ins.some((t) => made.has(t))) continue;
    const vanishes = (t: Tensor): boolean => {
      const now = first(t);
      return constant.every((c) => now[c] === 0);
    };
    if (!(keepsApart(node, made, count) && isEven(node, vanishes))) return null;
    for (const t of node.outs) made.add(t);
  }
  if (!made.has(y)) return null;
  const after = first(y);
  const lost = new Set(constant);
  return {
    space: Math.max(0, y.shape.length - 2),
    flat: units.flat || y.shape[1] !== count,
    values: after.map((v, c) => (lost.has(c) ? v : 0)),
  };
}

function tracedOn(layer: Layer, { space, values }: Units): Traced | null {
  for (const side of space === 0 ? [1] : SIDES) {
    const build = (graph: Graph): Traced => {
      const shape = [ROWS, values.length, ...new Array<number>(space).fill(side)];
      const x = graph.input('x', { dtype: 'f32', shape }, 'feed');
      return { graph, x, y: layer instanceof Module ? layer.forward(x) : layer(x) };
    };
    try {
      const traced = layer instanceof Module ? traceModel(layer, build).traced : build(new Graph('eval'));
      return traced.y instanceof Tensor ? traced : null;
    } catch (error) {
      if (!(error instanceof GradclipError)) throw error;
    }
  }
  return null;
}

/** Whether each unit of what a node gives is made of that unit of what it gets. @param made what depends on the units */
function keepsApart(node: Node, made: ReadonlySet<Tensor>, count: number): boolean {
  const { ins, outs } = node;
  const [y] = outs as [Tensor];
  const inUnits = (t: Tensor): boolean => t.shape[0] === ROWS && t.shape.length > 1 && t.shape[1] === count;
  /** In place of space, so many neighbors for each unit. */
  const isFlat = (t: Tensor): boolean => t.shape.length === 2 && t.shape[0] === ROWS && t.shape[1]! % count === 0;
  if (node.op.map !== undefined || node.op.compound) {
    // A number for each unit, which the layer owns: [units], or [units, 1, 1].
    const perUnit = (t: Tensor): boolean => {
      const at = t.shape.length - (y.shape.length - 1);
      return at === 0 && t.shape.every((d, i) => d === (i === 0 ? count : 1));
    };
    return (
      (inUnits(y) || isFlat(y)) &&
      ins.every((t) => (made.has(t) ? t.shape.length === y.shape.length : sizeOf(t.shape) === 1 || perUnit(t)))
    );
  }
  const x = ins[0]!;
  if (!made.has(x) || !inUnits(x)) return false;
  if (isOp(node, RESHAPE)) return inUnits(y) || isFlat(y);
  if (isOp(node, MEAN) || isOp(node, MAX) || isOp(node, MIN)) return node.attrs.axes.every((axis) => axis > 1);
  return isOp(node, MAX_POOL) || isOp(node, AVG_POOL) || isOp(node, BATCH_NORM);
}

/** Whether it makes one value of one, whatever the size of space. @param vanishes whether what it gets is 0 */
function isEven(node: Node, vanishes: (t: Tensor) => boolean): boolean {
  if (!isOp(node, AVG_POOL)) return true;
  // Padding with zeros shows at the border.
  return vanishes(node.ins[0]!) || isWhole(node.attrs);
}

const isWhole = ({ rows, columns, divisor }: AvgPoolAttrs): boolean =>
  divisor === 0 && [...rows, ...columns].every(([from, end, counted]) => end - from === counted);
