// data.ts: the rows of a program: what it reads and its targets.
import { type Data, type DType, sizeOf } from '../../lib/ir/op.ts';
import { type Arrays, type NdArray, rows, type Source, windows } from '../../lib/train/feed/source.ts';
import { LOSSES, targetRow } from './losses.ts';
import type { Made } from './network.ts';
import { Random } from './random.ts';
import type { ProgramSpec, Row } from './spec.ts';

/** About normal: sums of uniform ones. */
const normal = (r: Random): number => r.unit() + r.unit() + r.unit() + r.unit() - 2;

function array(count: number, row: Row, make: (length: number) => Data): NdArray {
  return { data: make(count * sizeOf(row)), shape: [count, ...row] };
}
const floats =
  (next: () => number) =>
  (length: number): Data =>
    Float32Array.from({ length }, () => next());
const ints =
  (dtype: DType, next: () => number) =>
  (length: number): Data =>
    dtype === 'u8' ? Uint8Array.from({ length }, () => next()) : Int32Array.from({ length }, () => next());

/** Arrays of `spec.rows` rows. */
export function arraysOf(spec: ProgramSpec, { rows: shapes, extras }: Made): Arrays {
  const { seed, input, loss, rows: count } = spec;
  const xs = new Random(seed, 'x');
  const fill =
    input.dtype === 'f32' ? floats(() => normal(xs) * input.scale) : ints(input.dtype, () => xs.between(0, input.below - 1));
  const x = array(count, input.row, fill);
  if (Number.isNaN(input.scale)) {
    // One value that is none, among others.
    x.data.set(Float32Array.from(x.data, (_, i) => (i === x.data.length >> 1 ? Number.NaN : normal(xs))));
  }
  const others = [...extras.wanted].map(([name, { dtype, row, least, most }]) => {
    const r = new Random(seed, name);
    const fill = dtype === 'f32' ? floats(() => normal(r) * most) : ints(dtype, () => r.between(least, most));
    return [name, array(count, row, fill)] as const;
  });
  const kind = LOSSES[loss.name]!;
  const ys = new Random(seed, 'y');
  const values: Readonly<Record<typeof kind.targets, (length: number) => Data>> = {
    labels: ints('i32', () => ys.between(0, loss.width - 1)),
    normal: floats(() => normal(ys)),
    unit: floats(() => ys.unit()),
    signs: floats(() => (ys.chance(0.5) ? 1 : -1)),
    counts: floats(() => ys.between(0, 5)),
    none: floats(() => 0),
  };
  const y = array(count, targetRow(kind, shapes.at(-1)!), values[kind.targets]);
  return { x, y, ...Object.fromEntries(others) };
}

/** What a trainer is given: its rows, or windows over one text. */
export function sourceOf(spec: ProgramSpec, arrays: Arrays): Source {
  const { source, row, below } = spec.input;
  if (source === 'rows') return rows(arrays);
  const r = new Random(spec.seed, 'text');
  const text = Uint8Array.from({ length: spec.rows * row[0]! + 1 }, () => r.between(0, below - 1));
  return windows(text, { length: row[0]!, consecutive: source === 'consecutive' });
}
