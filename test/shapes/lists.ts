// lists.ts: cases of ops on lists of tensors, the gradients and parameters of a model: stages, statistics, pruning, histories.
import { f32, f64, sizeOf, type TensorType, u8 } from '../../lib/ir/op.ts';
import { sin } from '../../lib/math/index.ts';
import { CHUNK, type StageAttrs, type StageKind, segments, unitsOf } from '../../lib/ops/gradient/stage.ts';
import { LARGE } from '../../lib/ops/step/parts.ts';
import type { RowNorm } from '../../lib/ops/update/pruning.ts';
import { type Case, type Draw, elementsOf, type FillOf, type Generator } from './draw.ts';
import { ownChain, steps } from './elementwise.ts';

type Shapes = readonly (readonly number[])[];
/** Around the edges of chunks (1024) and blocks (4096), rows and columns of any width, and nothing at all. */
export function tensors(d: Draw, most = 6): number[][] {
  const shapes = d.shapes(most, 2500);
  if (d.rarely(3)) shapes[d.int(0, shapes.length - 1)] = [d.pick(1, 4, 8) * CHUNK + d.int(-1, 1)];
  return shapes;
}
const normals = (shapes: Shapes): FillOf[] => shapes.map(() => 'normal');
const all = (shapes: Shapes): TensorType[] => shapes.map((s) => f32(...s));

// ---- stages ------------------------------------------------------------------------------------------------------
const OPERANDS: Readonly<Record<StageKind, readonly FillOf[]>> = {
  scale: [[0.1, 2]],
  limit: [[-1, 0], [0, 1]], // biome-ignore format: pairs
  zeroNonFinite: [],
  sign: [],
  shrinkAbove: [[0.2, 1], [0.1, 0.5]], // biome-ignore format: pairs
  zeroBelow: [[0.2, 1]],
  soft: [[0.01, 5]],
  tanh: [[0.01, 5]],
  scaleRows: [[0.1, 2]],
  scaleColumns: [[0.1, 2]],
  shiftRows: [[-1, 1]],
  round: [],
  map: [[-2, 2]],
};
const KINDS = Object.keys(OPERANDS) as StageKind[];
const JUMPS: ReadonlySet<StageKind> = new Set(['sign', 'shrinkAbove', 'zeroBelow', 'round', 'map']);

export interface Staging {
  readonly stages: StageAttrs[];
  readonly ins: TensorType[];
  readonly fill: FillOf[];
  /** A value is compared with a threshold after it was rounded. */
  readonly jumps: boolean;
}
export function staging(d: Draw, shapes: Shapes, least = 0, kinds: readonly StageKind[] = KINDS): Staging {
  const ins: TensorType[] = [];
  const stages = d.list(least, 3, (): StageAttrs => {
    const kind = d.pick(...kinds);
    const operands = (length: number): void => {
      for (const _ of OPERANDS[kind]) ins.push(length < 0 ? f64() : f64(length));
    };
    if (kind === 'map') {
      const chain = ownChain(d, 1, 1);
      operands(Math.max(1, chain.given));
      return { kind, at: shapes.map(() => d.int(-1, 0)), chain };
    }
    if (kind === 'round') {
      const at = segments(shapes.map(sizeOf), 64).slice(0, -1); // biome-ignore format: one line
      return { kind, at, key: d.int(0, 99) };
    }
    if (kind.endsWith('Rows') || kind === 'scaleColumns') {
      const { at, unit, total } = unitsOf(shapes, kind === 'scaleColumns' ? 'columns' : 'rows');
      operands(Math.max(1, total));
      return { kind, at, unit };
    }
    const at = OPERANDS[kind].length === 0 ? 'one' : d.pick('one', 'each', 'some');
    operands(at === 'one' ? -1 : shapes.length);
    return { kind, at: at === 'some' ? shapes.map(() => d.int(-1, shapes.length - 1)) : at };
  });
  const fill = stages.flatMap((s) => OPERANDS[s.kind]);
  const jumps = stages.length > 1 && stages.some((s) => JUMPS.has(s.kind));
  return { stages, ins, fill, jumps: jumps || stages.some((s) => s.kind === 'map') };
}

const staged: Generator = (d) => {
  const shapes = tensors(d);
  const { stages, ins, fill, jumps } = staging(d, shapes, 1);
  return {
    ins: [...all(shapes), ...ins],
    attrs: { stages },
    fill: [...normals(shapes), ...fill],
    tolerance: 1e-5,
    bitsOnly: jumps,
  };
};
const residual: Generator = (d) => {
  const shapes = tensors(d, 4);
  const { stages, ins, fill, jumps } = staging(d, shapes, 1);
  const xs = [...all(shapes), ...all(shapes)];
  return {
    ins: [...xs, ...ins],
    attrs: { stages },
    fill: [...xs.map((): FillOf => 'normal'), ...fill],
    tolerance: 1e-5,
    bitsOnly: jumps,
  };
};

// ---- statistics --------------------------------------------------------------------------------------------------
const statistic: Generator = (d) => {
  const shapes = tensors(d);
  const kind = d.pick('sumSquares', 'sumAbs', 'maxAbs', 'sumPow');
  const max = kind === 'sumPow' ? d.pick('one', 'each') : 'none';
  // Partial sums that were made already have no stages.
  const ready = shapes.map(() => kind === 'sumSquares' && d.rarely(4));
  const { stages, ins, fill, jumps } = ready.includes(true)
    ? { stages: [], ins: [], fill: [], jumps: false }
    : staging(d, shapes);
  const xs = shapes.map((s, t) => (ready[t] ? f64(d.int(1, 9)) : f32(...s)));
  const largest = max === 'none' ? [] : [max === 'one' ? f64() : f64(shapes.length)];
  const attrs = { kind, p: kind === 'sumPow' ? d.pick(0.5, 1.5, 3, 2.7, 9) : 2, max, stages, ready };
  const all = [...normals(shapes), ...largest.map((): FillOf => [1, 2]), ...fill];
  return { ins: [...xs, ...largest, ...ins], attrs, fill: all, tolerance: 1e-4, bitsOnly: jumps };
};
/** Of a group of one, who has all parts. */
const partStatistic: Generator = (d) => {
  const xs = d.list(1, 4, () =>
    d.pick<TensorType>(f32(d.int(LARGE + 1, 4 * LARGE)), f32(d.int(1, 9), d.int(LARGE + 1, 2 * LARGE))),
  );
  const kind = d.pick('sumSquares', 'sumAbs', 'maxAbs');
  return { ins: xs, attrs: { rank: 0, size: 1, kind }, fill: xs.map((): FillOf => 'normal'), tolerance: 1e-4 };
};
const decide: Generator = (d) => {
  const { ins, attrs, fill } = statistic(d);
  const more = d.list(0, 3, () => f64());
  const made = steps(d, 3 + more.length);
  const skips = d.flag() ? { skips: d.pick({ in: d.int(0, 2) }, { step: d.int(0, made.length - 1) }) } : {};
  const chain = { steps: made, outs: d.list(1, 4, () => d.int(0, made.length - 1)), ...skips };
  return {
    ins: [...ins, ...more],
    attrs: { statistic: attrs, chain },
    fill: [...fill!, ...more.map((): FillOf => 'normal')],
    bitsOnly: true,
  };
};
const unitStatistic: Generator = (d) => {
  const shapes = tensors(d);
  const { stages, ins, fill, jumps } = staging(d, shapes);
  const attrs = { kind: d.pick('sum', 'sumAbs', 'sumSquares', 'maxAbs'), axis: d.pick('rows', 'columns'), stages };
  return { ins: [...all(shapes), ...ins], attrs, fill: [...normals(shapes), ...fill], tolerance: 1e-4, bitsOnly: jumps };
};
const analyze: Generator = (d) => ({ ins: all(tensors(d)), attrs: {}, tolerance: 1e-4 });
const kthLargest: Generator = (d) => {
  const shapes = tensors(d, 4);
  // Of many elements the kernel takes a sample.
  if (d.flag()) shapes[0] = [d.pick(8192, 8191, d.int(8000, 20000))];
  const k = d.flag() ? d.int(0, elementsOf(shapes)) : shapes.map((s) => d.int(0, sizeOf(s)));
  return { ins: all(shapes), attrs: { k } };
};
const project: Generator = (d) => {
  const shapes = tensors(d);
  const each = shapes.map(() => ({
    unit: d.flag(),
    limit: d.pick(0.5, 3, 40),
    axis: d.pick('rows', 'columns', 'tensor'),
    eps: d.pick(0, 0, 1e-7),
  }));
  return { ins: all(shapes), attrs: { each }, tolerance: 1e-5 };
};

// ---- pruning -----------------------------------------------------------------------------------------------------
const masks = (shapes: Shapes): TensorType[] => shapes.map((s) => u8(...s));
const shareOf = (d: Draw): FillOf => ({ exactly: [d.pick(-1, 0, 0.3, 0.5, 0.9, 1)] });
const pruneMagnitude: Generator = (d) => {
  const shapes = tensors(d, 4);
  const fill: FillOf[] = [...normals(shapes), ...shapes.map((): FillOf => [0, 4]), [0, 1], shareOf(d)];
  const ins = [...all(shapes), ...masks(shapes), f64(shapes.length), f64()];
  return { ins, attrs: { count: shapes.length, together: d.flag() }, fill };
};
const pruneRows: Generator = (d) => {
  const weights = d.list(1, 4, () => d.sizes(d.int(2, 3), 2500));
  const owners = d.list(0, 3, () => d.int(0, weights.length - 1));
  const shapes = [...weights, ...owners.map((t) => [weights[t]![0]!])];
  const fill: FillOf[] = [...normals(shapes), ...shapes.map((): FillOf => [1, 2]), [0, 1], shareOf(d)];
  const ins = [...all(shapes), ...masks(shapes), f64(shapes.length), f64()];
  // Norms of rows that are nearly equal may come in another order in f64.
  return { ins, attrs: { count: weights.length, norm: d.pick<RowNorm>(1, 2, 'inf'), owners }, fill };
};

// ---- histories ---------------------------------------------------------------------------------------------------
/** Rows of a history, empty, begun, or gone round. */
function history(d: Draw, sorted: boolean): { type: TensorType; fill: FillOf; series: number } {
  const [series, capacity] = [d.size(20), d.size(40)];
  const exactly = Array.from({ length: series }, (_, k) => {
    const count = d.pick(0, d.int(0, capacity), capacity, d.int(0, 5 * capacity));
    const filled = Math.min(count, capacity);
    const ring = Array.from({ length: capacity }, (_, i) => (i < filled ? sin(7 * i + k) : 0));
    const ascending = ring.slice(0, filled).sort((a, b) => a - b);
    return [count, ...ring, ...(sorted ? [...ascending, ...new Array<number>(capacity - filled).fill(0)] : [])];
  });
  return { type: f64(series, 1 + capacity * (sorted ? 2 : 1)), fill: { exactly: exactly.flat() }, series };
}
const historyQuantile: Generator = (d) => {
  const { type, fill, series } = history(d, true);
  return { ins: [type, f64(series)], attrs: { q: d.pick(0, 0.1, 0.5, 0.9, 1) }, fill: [fill, [-1, 1]] };
};
const historyMoments: Generator = (d) => {
  const { type, fill } = history(d, false);
  return { ins: [type], attrs: {}, fill: [fill] };
};
const historyPush: Generator = (d): Case => {
  const sorted = d.flag();
  const { type, fill, series } = history(d, sorted);
  return { ins: [type, f64(series)], attrs: { sorted }, fill: [fill, [-1, 1]] };
};

export const LIST_CASES: Readonly<Record<string, Generator>> = {
  ...{
    staged,
    residual,
    statistic,
    partStatistic,
    decide,
    unitStatistic,
    analyze,
    kthLargest,
    project,
    pruneMagnitude,
    pruneRows,
  },
  ...{ historyQuantile, historyMoments, historyPush },
};
