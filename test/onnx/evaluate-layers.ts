// evaluate-layers.ts: products, convolutions, pooling, norms and recurrent layers of ONNX, by the standard: for evaluate.ts.
import { type Attributes, array, filled, type Numbers, type Operator, sigmoid, sizeOf, total } from './numbers.ts';

function gemm(ins: readonly (Numbers | null)[], a: Attributes): Numbers[] {
  const [x, w, c] = ins as [Numbers, Numbers, Numbers?];
  const [ta, tb] = [a.number('transA', 0) === 1, a.number('transB', 0) === 1];
  const [m, k] = ta ? [x.shape[1]!, x.shape[0]!] : [x.shape[0]!, x.shape[1]!];
  const n = tb ? w.shape[0]! : w.shape[1]!;
  if (k !== (tb ? w.shape[1] : w.shape[0])) throw new Error(`[${x.shape}] times [${w.shape}]`);
  return [
    filled([m, n], x.type, (e) => {
      const [i, j] = [Math.floor(e / n), e % n];
      let sum = 0;
      for (let p = 0; p < k; p++) sum += x.data[ta ? p * m + i : i * k + p]! * w.data[tb ? j * k + p : p * n + j]!;
      return sum + (c ? c.data[c.data.length === 1 ? 0 : j]! : 0);
    }),
  ];
}

/** Stacks of matrices, broadcast. */
function matMul(ins: readonly (Numbers | null)[]): Numbers[] {
  const [a, b] = ins as [Numbers, Numbers];
  const [m, k] = a.shape.slice(-2) as [number, number];
  const [kb, n] = b.shape.slice(-2) as [number, number];
  if (k !== kb) throw new Error(`[${a.shape}] times [${b.shape}]`);
  const rank = Math.max(a.shape.length, b.shape.length) - 2;
  const leadOf = (x: Numbers): number[] => [...new Array<number>(rank - x.shape.length + 2).fill(1), ...x.shape.slice(0, -2)];
  const [la, lb] = [leadOf(a), leadOf(b)];
  const lead = la.map((d, i) => Math.max(d, lb[i]!));
  if (!lead.every((d, i) => [1, d].includes(la[i]!) && [1, d].includes(lb[i]!))) throw new Error(`[${la}] and [${lb}]`);
  const matrixOf = (of: readonly number[], batch: number): number =>
    lead.reduce(
      ({ at, rest }, d, i) => {
        const inner = sizeOf(lead.slice(i + 1));
        const k = Math.floor(rest / inner) % d;
        return { at: at * of[i]! + (of[i] === 1 ? 0 : k), rest: rest % (inner * d) };
      },
      { at: 0, rest: batch },
    ).at;
  return [
    filled([...lead, m, n], a.type, (e) => {
      const batch = Math.floor(e / (m * n));
      const [i, j] = [Math.floor(e / n) % m, e % n];
      const [x, y] = [matrixOf(la, batch) * m * k, matrixOf(lb, batch) * k * n];
      let sum = 0;
      for (let p = 0; p < k; p++) sum += a.data[x + i * k + p]! * b.data[y + p * n + j]!;
      return sum;
    }),
  ];
}

interface Windows {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}
function windowsOf(a: Attributes): Windows {
  const kernel = a.list('kernel_shape', []);
  const [ones, zeros] = [kernel.map(() => 1), kernel.map(() => 0)];
  return {
    kernel,
    strides: a.list('strides', ones),
    pads: a.list('pads', [...zeros, ...zeros]),
    dilations: a.list('dilations', ones),
  };
}

/** How many windows there are along each dimension. */
const countsOf = (size: readonly number[], { kernel, strides, pads, dilations }: Windows): number[] =>
  size.map(
    (n, d) => Math.floor((n + pads[d]! + pads[d + size.length]! - dilations[d]! * (kernel[d]! - 1) - 1) / strides[d]!) + 1,
  );

/** Where element `at` of an array of a shape lies. */
function placeOf(at: number, shape: readonly number[]): number[] {
  const place: number[] = [];
  for (const n of shape.toReversed()) {
    place.unshift(at % n);
    at = Math.floor(at / n);
  }
  return place;
}

/** Call `visit` with each output of a plane (or volume) and each element of its window that lies in x. */
function eachTap(
  size: readonly number[],
  w: Windows,
  visit: (out: number, tap: number, from: number) => void,
  outside?: (out: number) => void,
): void {
  const counts = countsOf(size, w);
  for (let out = 0; out < sizeOf(counts); out++) {
    const first = placeOf(out, counts).map((o, d) => o * w.strides[d]! - w.pads[d]!);
    for (let tap = 0; tap < sizeOf(w.kernel); tap++) {
      const place = placeOf(tap, w.kernel).map((k, d) => first[d]! + k * w.dilations[d]!);
      if (place.every((p, d) => p >= 0 && p < size[d]!))
        visit(
          out,
          tap,
          place.reduce((at, p, d) => at * size[d]! + p, 0),
        );
      else outside?.(out);
    }
  }
}

function conv(ins: readonly (Numbers | null)[], a: Attributes): Numbers[] {
  const [x, w, bias] = ins as [Numbers, Numbers, Numbers?];
  const windows = windowsOf(a);
  const groups = a.number('group', 1);
  const [n, , ...size] = x.shape as [number, number, ...number[]];
  const [filters, ci, ...kernel] = w.shape as [number, number, ...number[]];
  if (`${windows.kernel}` !== `${kernel}`) throw new Error(`kernel ${windows.kernel}`);
  const taps = sizeOf(kernel);
  const counts = countsOf(size, windows);
  const out = array([n, filters, ...counts]);
  const [plane, space] = [sizeOf(counts), sizeOf(size)];
  for (let image = 0; image < n; image++) {
    for (let f = 0; f < filters; f++) {
      const group = Math.floor(f / (filters / groups));
      const to = (image * filters + f) * plane;
      for (let c = 0; c < ci; c++) {
        const from = ((image * groups + group) * ci + c) * space;
        eachTap(size, windows, (o, tap, at) => {
          out.data[to + o]! += x.data[from + at]! * w.data[(f * ci + c) * taps + tap]!;
        });
      }
      if (bias) for (let o = 0; o < plane; o++) out.data[to + o]! += bias.data[f]!;
    }
  }
  return [out];
}

/** What a convolution does to the gradient of its output. */
function convTranspose(ins: readonly (Numbers | null)[], a: Attributes): Numbers[] {
  const [x, w, bias] = ins as [Numbers, Numbers, Numbers?];
  const windows = windowsOf(a);
  const groups = a.number('group', 1);
  const [n, channels, ...from] = x.shape as [number, number, ...number[]];
  const [, co, ...kernel] = w.shape as [number, number, ...number[]];
  const extra = a.list(
    'output_padding',
    from.map(() => 0),
  );
  const { strides, pads, dilations } = windows;
  const size = from.map(
    (n, d) => strides[d]! * (n - 1) + extra[d]! + (kernel[d]! - 1) * dilations[d]! + 1 - pads[d]! - pads[d + from.length]!,
  );
  const filters = co * groups;
  const [space, taps] = [sizeOf(from), sizeOf(kernel)];
  const out = array([n, filters, ...size]);
  for (let e = 0; e < space * taps; e++) {
    const [at, tap] = [Math.floor(e / taps), e % taps];
    const [first, along] = [placeOf(at, from), placeOf(tap, kernel)];
    const place = first.map((p, d) => p * strides[d]! - pads[d]! + along[d]! * dilations[d]!);
    if (place.some((p, d) => p < 0 || p >= size[d]!)) continue;
    const within = place.reduce((to, p, d) => to * size[d]! + p, 0);
    for (let image = 0; image < n; image++) {
      for (let c = 0; c < channels; c++) {
        const group = Math.floor(c / (channels / groups));
        for (let f = 0; f < co; f++) {
          const to = (image * filters + group * co + f) * sizeOf(size) + within;
          out.data[to]! += x.data[(image * channels + c) * space + at]! * w.data[(c * co + f) * taps + tap]!;
        }
      }
    }
  }
  if (bias) for (let i = 0; i < out.data.length; i++) out.data[i]! += bias.data[Math.floor(i / sizeOf(size)) % filters]!;
  return [out];
}

function pool(ins: readonly (Numbers | null)[], a: Attributes, largest: boolean): Numbers[] {
  const [x] = ins as [Numbers];
  const windows = windowsOf(a);
  for (const [d, pad] of windows.pads.entries())
    if (pad >= windows.kernel[d % windows.kernel.length]!) throw new Error('a pad as wide as the kernel');
  const all = !largest && a.number('count_include_pad', 0) === 1;
  const [n, channels, ...size] = x.shape as [number, number, ...number[]];
  const counts = countsOf(size, windows);
  const [plane, space] = [sizeOf(counts), sizeOf(size)];
  const out = filled([n, channels, ...counts], x.type, () => (largest ? -Infinity : 0));
  const seen = new Float64Array(out.data.length);
  for (let p = 0; p < n * channels; p++) {
    eachTap(
      size,
      windows,
      (o, _, at) => {
        const [to, v] = [p * plane + o, x.data[p * space + at]!];
        out.data[to] = largest ? Math.max(out.data[to]!, v) : out.data[to]! + v;
        seen[to]!++;
      },
      (o) => {
        if (all) seen[p * plane + o]!++;
      },
    );
  }
  if (!largest) for (let i = 0; i < seen.length; i++) out.data[i]! /= seen[i]!;
  return [out];
}

function rowNorm(ins: readonly (Numbers | null)[], a: Attributes, centered: boolean): Numbers[] {
  const [x, weight, bias] = ins as [Numbers, Numbers, Numbers?];
  const axis = a.number('axis', -1);
  const dims = x.shape.slice(axis);
  const n = sizeOf(dims);
  const eps = a.number('epsilon', 1e-5);
  if (`${weight.shape}` !== `${dims}` || (bias && `${bias.shape}` !== `${dims}`)) throw new Error(`weight of [${weight.shape}]`);
  const out = array(x.shape, x.type);
  for (let r = 0; r < x.data.length / n; r++) {
    const row = [...x.data.subarray(r * n, (r + 1) * n)];
    const mean = centered ? total(row) / n : 0;
    const scale = 1 / Math.sqrt(total(row.map((v) => (v - mean) ** 2)) / n + eps);
    row.forEach((v, c) => {
      out.data[r * n + c] = (v - mean) * scale * weight.data[c]! + (bias?.data[c] ?? 0);
    });
  }
  return [out];
}

/** One step: from the sums of its gates [4 or 3 or 1 times hidden], apart for input and state, and the states before. */
type Cell = (
  x: readonly number[],
  h: readonly number[],
  before: { h: readonly number[]; c: readonly number[] },
) => { h: number[]; c: number[] };

/** @param cellOf from the attributes, for `hidden` units */
function recurrent(gates: number, cellOf: (a: Attributes, hidden: number) => Cell): Operator {
  return (ins, a, _, outputs) => {
    const [x, w, r, b, lengths, h0, c0] = ins as [Numbers, Numbers, Numbers, Numbers?, Numbers?, Numbers?, Numbers?];
    const [time, batch, width] = x.shape as [number, number, number];
    const hidden = a.number('hidden_size', 0);
    const reverse = a.text('direction', 'forward') === 'reverse';
    const rows = gates * hidden;
    if (`${w.shape}` !== `${[1, rows, width]}` || `${r.shape}` !== `${[1, rows, hidden]}`)
      throw new Error(`[${w.shape}] [${r.shape}]`);
    if (b && `${b.shape}` !== `${[1, 2 * rows]}`) throw new Error(`biases of [${b.shape}]`);
    for (const s of [h0, c0]) if (s && `${s.shape}` !== `${[1, batch, hidden]}`) throw new Error(`states of [${s.shape}]`);
    const cell = cellOf(a, hidden);
    const states = array([time, 1, batch, hidden]);
    const [lastH, lastC] = [array([1, batch, hidden]), array([1, batch, hidden])];
    const product = (of: Numbers, v: readonly number[], bias: number): number[] =>
      Array.from({ length: rows }, (_, g) =>
        v.reduce((sum, e, k) => sum + e * of.data[g * v.length + k]!, b?.data[bias + g] ?? 0),
      );
    for (let n = 0; n < batch; n++) {
      const part = (s: Numbers | null | undefined): number[] =>
        s ? [...s.data.subarray(n * hidden, (n + 1) * hidden)] : new Array<number>(hidden).fill(0);
      let now = { h: part(h0), c: part(c0) };
      const steps = lengths ? lengths.data[n]! : time;
      for (let k = 0; k < steps; k++) {
        const t = reverse ? steps - 1 - k : k;
        const row = [...x.data.subarray((t * batch + n) * width, (t * batch + n + 1) * width)];
        now = cell(product(w, row, 0), product(r, now.h, rows), now);
        states.data.set(now.h, (t * batch + n) * hidden);
      }
      lastH.data.set(now.h, n * hidden);
      lastC.data.set(now.c, n * hidden);
    }
    return [states, lastH, lastC].slice(0, outputs);
  };
}

const rnn = (a: Attributes): Cell => {
  const [activation] = a.get<readonly string[]>('activations', ['Tanh']) as [string];
  const f = activation === 'Relu' ? (v: number): number => Math.max(0, v) : Math.tanh;
  return (x, h) => ({ h: x.map((v, j) => f(v + h[j]!)), c: [] });
};

/** Gates are input, output, forget, cell. */
const lstm = (_: Attributes, hidden: number): Cell => {
  return (x, h, before) => {
    const gate = (g: number, j: number): number => x[g * hidden + j]! + h[g * hidden + j]!;
    const c = before.c.map((v, j) => sigmoid(gate(2, j)) * v + sigmoid(gate(0, j)) * Math.tanh(gate(3, j)));
    return { c, h: c.map((v, j) => sigmoid(gate(1, j)) * Math.tanh(v)) };
  };
};

/** Gates are update, reset, hidden. */
const gru = (a: Attributes, hidden: number): Cell => {
  if (a.number('linear_before_reset', 0) !== 1) throw new Error('linear_before_reset');
  return (x, h, before) => {
    const next = before.h.map((v, j) => {
      const z = sigmoid(x[j]! + h[j]!);
      const r = sigmoid(x[hidden + j]! + h[hidden + j]!);
      const n = Math.tanh(x[2 * hidden + j]! + r * h[2 * hidden + j]!);
      return (1 - z) * n + z * v;
    });
    return { h: next, c: [] };
  };
};

export const LAYERS: Readonly<Record<string, Operator>> = {
  Gemm: gemm,
  MatMul: matMul,
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: (ins, a) => pool(ins, a, true),
  AveragePool: (ins, a) => pool(ins, a, false),
  LayerNormalization: (ins, a) => rowNorm(ins, a, true),
  RMSNormalization: (ins, a) => rowNorm(ins, a, false),
  RNN: recurrent(1, rnn),
  LSTM: recurrent(4, lstm),
  GRU: recurrent(3, gru),
};
