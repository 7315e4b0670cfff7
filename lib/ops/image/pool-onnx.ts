// pool-onnx.ts: pooling in ONNX: by its operators, where their windows are ours, else by what these come to.
import type { Node, Tensor } from '../../ir/graph.ts';
import type { OnnxBuilder, OnnxValue, Size } from '../../ir/onnx.ts';
import type { AvgPoolAttrs, MaxPoolAttrs, Span } from './pool-attrs.ts';
import type { Pair } from './windows.ts';

/** Call `pool` with x as [batch, channels, height, width], whatever stands before its planes. */
function asImages<A>({ ins, outs }: Node<A>, b: OnnxBuilder, pool: (x: OnnxValue) => OnnxValue): OnnxValue {
  const x = ins[0] as Tensor;
  const dims = b.dims(x);
  const lead = dims.slice(0, -2);
  if (lead.length === 2) return pool(b.value(x));
  // Planes that are not in two dimensions are put there.
  const full: Size[] = lead.length < 2 ? [1, ...(lead.length === 0 ? [1] : lead)] : [lead[0]!, MANY];
  const y = pool(b.reshape(b.value(x), [...full, ...dims.slice(-2)]));
  return b.reshape(y, b.dims(outs[0] as Tensor));
}
const MANY = -1;

/** Windows that lie one after the other along a dimension. */
interface Line {
  readonly kernel: number;
  readonly stride: number;
  readonly before: number;
  readonly after: number;
}

export function maxPoolOnnx(node: Node<MaxPoolAttrs>, b: OnnxBuilder): (OnnxValue | null)[] {
  const { kernel, stride, padding, dilation, ceil, relu } = node.attrs;
  const sizes = (t: Tensor): number[] =>
    b
      .dims(t)
      .slice(-2)
      .map((size) => b.known(node, size));
  const lines = ([0, 1] as const).map((d): Line => {
    const line = { kernel: kernel[d], stride: stride[d], before: padding[d] };
    if (!ceil) return { ...line, after: padding[d] };
    // As far as the last window reaches: with that padding, whatever it is, their number is ours.
    const [size, count] = [sizes(node.ins[0] as Tensor)[d]!, sizes(node.outs[0] as Tensor)[d]!];
    const reach = dilation[d] * (kernel[d] - 1) + 1;
    return { ...line, after: Math.max(0, (count - 1) * stride[d] + reach - padding[d] - size) };
  });
  const pooled = asImages(node, b, (image) =>
    b.node('MaxPool', [outward(b, image, lines, -Infinity)], { ...attributes(lines), dilations: dilation }),
  );
  return [relu ? b.node('Relu', [pooled]) : pooled, null];
}

/** Operators refuse padding as wide as a window: such comes before them. */
const fits = ({ kernel, before, after }: Line): boolean => before < kernel && after < kernel;

function outward(b: OnnxBuilder, x: OnnxValue, lines: readonly Line[], value: number): OnnxValue {
  if (lines.every(fits)) return x;
  const [rows, columns] = lines as [Line, Line];
  const pads = [0, 0, rows.before, columns.before, 0, 0, rows.after, columns.after];
  return b.node('Pad', [x, b.sizes(pads), b.scalar('f32', value)], { mode: 'constant' });
}

function attributes(lines: readonly Line[]): Record<string, readonly number[]> {
  const [rows, columns] = lines as [Line, Line];
  const inside = lines.every(fits);
  return {
    kernel_shape: [rows.kernel, columns.kernel],
    strides: [rows.stride, columns.stride],
    pads: inside ? [rows.before, columns.before, rows.after, columns.after] : [0, 0, 0, 0],
  };
}

/** What an average is divided by: all of a window, what of it lies in x, or one number. */
type Divides = 'window' | 'inside' | 'number';

export function avgPoolOnnx(node: Node<AvgPoolAttrs>, b: OnnxBuilder): OnnxValue[] {
  const { rows, columns, divisor } = node.attrs;
  const x = node.ins[0] as Tensor;
  const [height, width] = x.shape.slice(-2) as unknown as Pair;
  for (const divides of divisor > 0 ? (['number'] as const) : (['window', 'inside'] as const)) {
    const lines = [lineOf(rows, height, divides), lineOf(columns, width, divides)];
    if (!lines.every((line) => line !== null && fits(line))) continue;
    const [tall, wide] = lines as [Line, Line];
    const pooled = asImages(node, b, (image) => {
      const count = { count_include_pad: divides === 'inside' ? 0 : 1 };
      const y = b.node('AveragePool', [image], { ...attributes([tall, wide]), ...count });
      return divides === 'number' ? b.node('Mul', [y, b.scalar('f32', (tall.kernel * wide.kernel) / divisor)]) : y;
    });
    return [pooled];
  }
  return [byMatrices(node, b, height, width)];
}

/** The windows of a dimension as a line of equal ones; null where they are none. */
function lineOf(spans: readonly Span[], size: number, divides: Divides): Line | null {
  const counts = spans.map(([from, end, count]) => (divides === 'window' ? count : end - from));
  const kernel = Math.max(...counts);
  const [, first] = spans[0]!;
  const before = kernel - first;
  if (before < 0) return null;
  const stride = strideOf(spans, size, kernel, before);
  const line = { kernel, stride, before, after: Math.max(0, (spans.length - 1) * stride + kernel - before - size) };
  const same = spans.every(([from, end, count], i) => {
    const start = i * stride - before;
    const [f, e] = [Math.max(0, start), Math.min(start + kernel, size)];
    const divisor = divides === 'window' ? kernel : Math.max(1, e - f);
    return f === from && e === end && (divides === 'number' || count === divisor);
  });
  // As many windows as ours: the operator takes each that fits.
  const count = Math.floor((size + before + line.after - kernel) / stride) + 1;
  return same && count === spans.length ? line : null;
}

/** From one window to the next, by the last one that begins in x, or the first one that ends in it. */
function strideOf(spans: readonly Span[], size: number, kernel: number, before: number): number {
  // From the only one there is none: whatever lies behind it is left out.
  if (spans.length === 1) return Math.max(1, size);
  for (const [i, [from, end]] of [...spans.entries()].reverse()) {
    if (i === 0) break;
    const start = from > 0 ? from : end < size ? end - kernel : null;
    if (start !== null) return Math.max(1, Math.round((start + before) / i));
  }
  return 1;
}

/** Any windows: one matrix adds up rows, another one columns. */
function byMatrices(node: Node<AvgPoolAttrs>, b: OnnxBuilder, height: number, width: number): OnnxValue {
  const { rows, columns, divisor } = node.attrs;
  const weights = (spans: readonly Span[], size: number, by: number | null): Float32Array => {
    const matrix = new Float32Array(spans.length * size);
    for (const [i, [from, end, count]] of spans.entries()) matrix.fill(1 / (by ?? count), i * size + from, i * size + end);
    return matrix;
  };
  const down = b.constant('f32', [rows.length, height], weights(rows, height, divisor > 0 ? divisor : null));
  const right = b.constant('f32', [columns.length, width], weights(columns, width, divisor > 0 ? 1 : null));
  const across = b.node('Transpose', [right], { perm: [1, 0] });
  return b.node('MatMul', [b.node('MatMul', [down, b.value(node.ins[0]!)]), across]);
}
