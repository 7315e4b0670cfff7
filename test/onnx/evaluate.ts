// evaluate.ts: a model of ONNX computed in plain loops in f64, operator by operator, by the standard: slowly, and with nothing of the library.
import type { ReadModel, ReadNode, ReadTensor } from './decode.ts';
import { LAYERS } from './evaluate-layers.ts';
import {
  Attributes,
  array,
  axisOf,
  BOOL,
  DOUBLE,
  erf,
  FLOAT,
  filled,
  fromValues,
  INT32,
  INT64,
  indexOf,
  type Numbers,
  type Operator,
  placeOf,
  sigmoid,
  sizeOf,
  stridesOf,
  total,
  UINT8,
} from './numbers.ts';

function broadcast(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, d) => {
    const sizes = shapes.map((s) => s[d - rank + s.length] ?? 1).filter((n) => n !== 1);
    if (new Set(sizes).size > 1) throw new Error(`[${shapes.join('] and [')}] do not broadcast`);
    return sizes[0] ?? 1;
  });
}

/** Element by element, broadcast. */
const each =
  (f: (...v: number[]) => number, typeOf?: number): Operator =>
  (ins) => {
    const xs = ins as readonly Numbers[];
    const shape = broadcast(xs.map((x) => x.shape));
    const strides = xs.map((x) => {
      const own = stridesOf(x.shape);
      const lead = shape.length - x.shape.length;
      return shape.map((_, d) => (d < lead || x.shape[d - lead] === 1 ? 0 : own[d - lead]!));
    });
    const type = typeOf ?? xs.at(-1)!.type;
    const round = (v: number): number => (type === FLOAT ? Math.fround(v) : v);
    return [
      filled(shape, type, (i) => {
        const index = indexOf(i, shape);
        return round(f(...xs.map((x, k) => x.data[placeOf(index, strides[k]!)]!)));
      }),
    ];
  };

const roundEven = (x: number): number => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

/** Rows over some axes: calls `f` with the values of each. */
const reduce =
  (f: (values: number[]) => number, inputFrom: number): Operator =>
  ([x, axesIn], a, opset) => {
    const rank = x!.shape.length;
    const given = opset >= inputFrom ? (axesIn ? [...axesIn.data] : null) : a.list('axes', []);
    if (opset < inputFrom && axesIn) throw new Error('axes are an attribute in this version');
    const axes = (given && given.length > 0 ? given : x!.shape.map((_, i) => i)).map((d) => axisOf(d, rank));
    const keep = a.number('keepdims', 1) === 1;
    const full = x!.shape.map((d, i) => (axes.includes(i) ? 1 : d));
    const groups = Array.from({ length: sizeOf(full) }, (): number[] => []);
    const strides = stridesOf(full);
    for (let i = 0; i < x!.data.length; i++) {
      const index = indexOf(i, x!.shape).map((k, d) => (axes.includes(d) ? 0 : k));
      groups[placeOf(index, strides)]!.push(x!.data[i]!);
    }
    const shape = keep ? full : full.filter((_, i) => !axes.includes(i));
    return [filled(shape, x!.type, (i) => (x!.type === FLOAT ? Math.fround(f(groups[i]!)) : f(groups[i]!)))];
  };

/** Along one axis, which stays. */
const alongAxis =
  (f: (values: number[]) => number[]): Operator =>
  ([x], a) => {
    const { shape } = x!;
    const axis = axisOf(a.number('axis', -1), shape.length);
    const [n, inner] = [shape[axis]!, sizeOf(shape.slice(axis + 1))];
    const out = array(shape, x!.type);
    for (let o = 0; o < sizeOf(shape.slice(0, axis)); o++) {
      for (let i = 0; i < inner; i++) {
        const at = (k: number): number => (o * n + k) * inner + i;
        f(Array.from({ length: n }, (_, k) => x!.data[at(k)]!)).forEach((v, k) => {
          out.data[at(k)] = v;
        });
      }
    }
    return [out];
  };

function softmaxOf(values: readonly number[]): number[] {
  const top = Math.max(...values);
  const e = values.map((v) => Math.exp(v - top));
  return e.map((v) => v / total(e));
}

function cast(x: Numbers, to: number): Numbers {
  const f = (v: number): number => {
    if (to === BOOL) return v !== 0 ? 1 : 0;
    if (to === FLOAT) return Math.fround(v);
    if (to === DOUBLE) return v;
    const t = Math.trunc(v);
    const [lo, hi] = to === UINT8 ? [0, 255] : to === INT32 ? [-(2 ** 31), 2 ** 31 - 1] : [-(2 ** 53), 2 ** 53];
    if (!(t >= lo && t <= hi)) throw new Error(`${v} becomes an integer that is not told`);
    return t;
  };
  return { shape: x.shape, type: to, data: x.data.map(f) };
}

/** Elements of x, where each of the output comes from; null: `value`. */
function moved(x: Numbers, shape: readonly number[], from: (index: number[]) => readonly number[] | null, value = 0): Numbers {
  const strides = stridesOf(x.shape);
  return filled(shape, x.type, (i) => {
    const index = from(indexOf(i, shape));
    return index === null ? value : x.data[placeOf(index, strides)]!;
  });
}

const OPERATORS: Readonly<Record<string, Operator>> = {
  Add: each((a, b) => a! + b!),
  Sub: each((a, b) => a! - b!),
  Mul: each((a, b) => a! * b!),
  Div: each((a, b) => a! / b!),
  Pow: each((a, b) => a! ** b!),
  Min: each((...v) => Math.min(...v)),
  Max: each((...v) => Math.max(...v)),
  Less: each((a, b) => +(a! < b!), BOOL),
  LessOrEqual: each((a, b) => +(a! <= b!), BOOL),
  Greater: each((a, b) => +(a! > b!), BOOL),
  GreaterOrEqual: each((a, b) => +(a! >= b!), BOOL),
  Equal: each((a, b) => +(a === b), BOOL),
  And: each((a, b) => +(a !== 0 && b !== 0), BOOL),
  Or: each((a, b) => +(a !== 0 || b !== 0), BOOL),
  Not: each((a) => +(a === 0), BOOL),
  IsNaN: each((a) => +Number.isNaN(a!), BOOL),
  IsInf: each((a) => +(Math.abs(a!) === Infinity), BOOL),
  Where: each((c, a, b) => (c === 0 ? b! : a!)),
  Neg: each((a) => -a!),
  Abs: each((a) => Math.abs(a!)),
  Sign: each((a) => Math.sign(a!)),
  Sqrt: each((a) => Math.sqrt(a!)),
  Reciprocal: each((a) => 1 / a!),
  Exp: each((a) => Math.exp(a!)),
  Log: each((a) => Math.log(a!)),
  Erf: each((a) => erf(a!)),
  Floor: each((a) => Math.floor(a!)),
  Round: each((a) => roundEven(a!)),
  Relu: each((a) => Math.max(0, a!)),
  Tanh: each((a) => Math.tanh(a!)),
  Sin: each((a) => Math.sin(a!)),
  Cos: each((a) => Math.cos(a!)),
  Sigmoid: each((a) => sigmoid(a!)),
  Softplus: each((a) => Math.max(0, a!) + Math.log1p(Math.exp(-Math.abs(a!)))),
  Gelu(ins, a, opset, outputs) {
    if (opset < 20) throw new Error('Gelu comes with version 20');
    const tanh = a.text('approximate', 'none') === 'tanh';
    const f = (x: number): number =>
      tanh ? 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))) : 0.5 * x * (1 + erf(x / Math.SQRT2));
    return each((x) => f(x!))(ins, a, opset, outputs);
  },
  Identity: ([x]) => [x!],
  Clip: ([x, lo, hi]) => [{ ...x!, data: x!.data.map((v) => Math.min(Math.max(v, lo!.data[0]!), hi!.data[0]!)) }],
  Cast: ([x], a) => [cast(x!, a.number('to', 0))],
  ReduceSum: reduce(total, 13),
  ReduceMean: reduce((v) => total(v) / v.length, 18),
  ReduceMax: reduce((v) => Math.max(...v), 18),
  ReduceMin: reduce((v) => Math.min(...v), 18),
  Softmax: alongAxis(softmaxOf),
  LogSoftmax: alongAxis((v) => {
    const top = Math.max(...v);
    const lse = top + Math.log(total(v.map((x) => Math.exp(x - top))));
    return v.map((x) => x - lse);
  }),
  ArgMax([x], a) {
    const { shape } = x!;
    const axis = axisOf(a.number('axis', 0), shape.length);
    if (a.number('keepdims', 1) !== 0) throw new Error('keepdims');
    const [n, inner] = [shape[axis]!, sizeOf(shape.slice(axis + 1))];
    const out = shape.filter((_, i) => i !== axis);
    return [
      filled(out, INT64, (i) => {
        const at = (k: number): number => (Math.floor(i / inner) * n + k) * inner + (i % inner);
        const values = Array.from({ length: n }, (_, k) => x!.data[at(k)]!);
        return values.indexOf(Math.max(...values));
      }),
    ];
  },
  Reshape([x, to], a) {
    const given = [...to!.data];
    const zero = a.number('allowzero', 0) === 1;
    if (zero && given.includes(0) && given.includes(-1)) throw new Error('a reshape of 0 and -1');
    const shape = given.map((d, i) => (d === 0 && !zero ? x!.shape[i]! : d));
    const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1);
    const full = shape.map((d) => (d === -1 ? x!.data.length / known : d));
    if (sizeOf(full) !== x!.data.length || shape.filter((d) => d === -1).length > 1)
      throw new Error(`[${x!.shape}] is no [${given}]`);
    return [{ ...x!, shape: full }];
  },
  Transpose([x], a) {
    const perm = a.list('perm', []);
    const shape = perm.map((d) => x!.shape[d]!);
    return [moved(x!, shape, (index) => x!.shape.map((_, d) => index[perm.indexOf(d)]!))];
  },
  Expand([x, to]) {
    const shape = broadcast([x!.shape, [...to!.data]]);
    const lead = shape.length - x!.shape.length;
    return [moved(x!, shape, (index) => x!.shape.map((d, i) => (d === 1 ? 0 : index[i + lead]!)))];
  },
  Slice([x, starts, ends, axes, steps]) {
    const cut = x!.shape.map((d) => ({ start: 0, step: 1, count: d }));
    for (const [i, axis] of [...axes!.data].entries()) {
      const d = x!.shape[axisOf(axis, x!.shape.length)]!;
      const place = (at: number): number => Math.min(d, Math.max(0, at < 0 ? at + d : at));
      const [start, end, step] = [place(starts!.data[i]!), place(ends!.data[i]!), steps!.data[i]!];
      cut[axisOf(axis, x!.shape.length)] = { start, step, count: Math.max(0, Math.ceil((end - start) / step)) };
    }
    const shape = cut.map((c) => c.count);
    return [moved(x!, shape, (index) => index.map((k, d) => cut[d]!.start + k * cut[d]!.step))];
  },
  Concat(ins, a) {
    const xs = ins as readonly Numbers[];
    const axis = axisOf(a.number('axis', 0), xs[0]!.shape.length);
    const shape = xs[0]!.shape.map((d, i) => (i === axis ? total(xs.map((x) => x.shape[axis]!)) : d));
    return [
      filled(shape, xs[0]!.type, (i) => {
        const index = indexOf(i, shape);
        let k = index[axis]!;
        for (const x of xs) {
          if (k < x.shape[axis]!)
            return x.data[
              placeOf(
                index.map((v, d) => (d === axis ? k : v)),
                stridesOf(x.shape),
              )
            ]!;
          k -= x.shape[axis]!;
        }
        throw new Error('beyond all parts');
      }),
    ];
  },
  Split([x, sizes], a) {
    const axis = axisOf(a.number('axis', 0), x!.shape.length);
    let start = 0;
    return [...sizes!.data].map((n) => {
      const from = start;
      start += n;
      const shape = x!.shape.map((d, i) => (i === axis ? n : d));
      return moved(x!, shape, (index) => index.map((k, d) => (d === axis ? k + from : k)));
    });
  },
  Pad([x, pads, value], a) {
    if (a.text('mode', 'constant') !== 'constant') throw new Error('mode');
    const rank = x!.shape.length;
    const [before, after] = [[...pads!.data.slice(0, rank)], [...pads!.data.slice(rank)]];
    const shape = x!.shape.map((d, i) => d + before[i]! + after[i]!);
    const inside = (index: number[]): boolean => index.every((k, d) => k >= 0 && k < x!.shape[d]!);
    const from = (index: number[]): number[] | null => {
      const at = index.map((k, d) => k - before[d]!);
      return inside(at) ? at : null;
    };
    return [moved(x!, shape, from, value?.data[0] ?? 0)];
  },
  Gather([x, at], a) {
    const axis = axisOf(a.number('axis', 0), x!.shape.length);
    const shape = [...x!.shape.slice(0, axis), ...at!.shape, ...x!.shape.slice(axis + 1)];
    const rank = at!.shape.length;
    return [
      moved(x!, shape, (index) => {
        const k = at!.data[placeOf(index.slice(axis, axis + rank), stridesOf(at!.shape))]!;
        if (!(k >= 0 && k < x!.shape[axis]!)) throw new Error(`index ${k} of ${x!.shape[axis]}`);
        return [...index.slice(0, axis), k, ...index.slice(axis + rank)];
      }),
    ];
  },
  GatherElements([x, at], a) {
    const axis = axisOf(a.number('axis', 0), x!.shape.length);
    return [
      moved(x!, at!.shape, (index) => {
        const k = at!.data[placeOf(index, stridesOf(at!.shape))]!;
        if (!(k >= 0 && k < x!.shape[axis]!)) throw new Error(`index ${k} of ${x!.shape[axis]}`);
        return index.map((v, d) => (d === axis ? k : v));
      }),
    ];
  },
  ScatterElements([x, at, updates], a) {
    const axis = axisOf(a.number('axis', 0), x!.shape.length);
    const adds = a.text('reduction', 'none') === 'add';
    const out = { ...x!, data: x!.data.slice() };
    for (const [i, k] of at!.data.entries()) {
      const index = indexOf(i, at!.shape).map((v, d) => (d === axis ? k : v));
      const to = placeOf(index, stridesOf(x!.shape));
      out.data[to] = (adds ? out.data[to]! : 0) + updates!.data[i]!;
    }
    return [out];
  },
  CumSum([x, axisAt], a) {
    const axis = axisOf(axisAt!.data[0]!, x!.shape.length);
    if (a.number('exclusive', 0) !== 0) throw new Error('exclusive');
    const [n, back] = [x!.shape[axis]!, a.number('reverse', 0) === 1];
    return [
      filled(x!.shape, x!.type, (i) => {
        const index = indexOf(i, x!.shape);
        const before = Array.from({ length: n }, (_, k) => k).filter((k) => (back ? k >= index[axis]! : k <= index[axis]!));
        return total(before.map((k) => x!.data[placeOf(index.map((v, d) => (d === axis ? k : v)), stridesOf(x!.shape))]!)); // biome-ignore format: one line
      }),
    ];
  },
  TopK([x, taken], a) {
    if (axisOf(a.number('axis', -1), x!.shape.length) !== x!.shape.length - 1 || a.number('sorted', 1) !== 1)
      throw new Error('axis');
    const [n, k, down] = [x!.shape.at(-1)!, taken!.data[0]!, a.number('largest', 1) === 1];
    const shape = [...x!.shape.slice(0, -1), k];
    // Of equal ones the first comes first; NaN the operator leaves open, as above all here.
    const key = (v: number): number => (Number.isNaN(v) ? Infinity : v);
    const places = Array.from({ length: sizeOf(shape.slice(0, -1)) }, (_, r) => {
      const row = [...x!.data.slice(r * n, (r + 1) * n)];
      const nan = (i: number): number => Number(Number.isNaN(row[i]));
      const above = (i: number, j: number): number => nan(i) - nan(j) || (key(row[i]!) === key(row[j]!) ? 0 : key(row[i]!) - key(row[j]!)); // biome-ignore format: one line
      const order = row.map((_, i) => i).sort((i, j) => (down ? above(j, i) : above(i, j)) || i - j);
      return order.slice(0, k);
    }).flat();
    const values = places.map((place, i) => x!.data[Math.floor(i / Math.max(1, k)) * n + place]!);
    return [filled(shape, x!.type, (i) => values[i]!), filled(shape, INT64, (i) => places[i]!)];
  },
  Shape: ([x]) => [filled([x!.shape.length], INT64, (i) => x!.shape[i]!)],
  Squeeze([x, axes]) {
    const gone = [...axes!.data].map((d) => axisOf(d, x!.shape.length));
    if (gone.some((d) => x!.shape[d] !== 1)) throw new Error(`[${x!.shape}] squeezed`);
    return [{ ...x!, shape: x!.shape.filter((_, i) => !gone.includes(i)) }];
  },
  Range([start, limit, delta]) {
    const [a, b, d] = [start!.data[0]!, limit!.data[0]!, delta!.data[0]!];
    return [filled([Math.max(0, Math.ceil((b - a) / d))], start!.type, (i) => a + i * d)];
  },
  ConstantOfShape([shape], a) {
    const value = a.get<ReadTensor | 0>('value', 0) as ReadTensor;
    return [filled([...shape!.data], value.type, () => Number(value.data[0]))];
  },
  EyeLike: ([x]) => [filled(x!.shape, x!.type, (i) => +(Math.floor(i / x!.shape[1]!) === i % x!.shape[1]!))],
  OneHot([at, depth, values], a) {
    if (a.number('axis', -1) !== -1) throw new Error('axis');
    const n = depth!.data[0]!;
    return [filled([...at!.shape, n], values!.type, (i) => values!.data[at!.data[Math.floor(i / n)] === i % n ? 1 : 0]!)];
  },
  ScatterND([x, at, updates], a) {
    if (a.text('reduction', 'none') !== 'add') throw new Error('reduction');
    const row = sizeOf(x!.shape.slice(1));
    const out = { ...x!, data: x!.data.slice() };
    for (const [k, to] of at!.data.entries())
      for (let c = 0; c < row; c++) out.data[to * row + c]! += updates!.data[k * row + c]!;
    return [out];
  },
  ...LAYERS,
};

/** Outputs by name. @throws for an operator or attribute that is not known, and for what does not fit */
export function evaluate(model: ReadModel, inputs: Readonly<Record<string, Numbers>>): Map<string, Numbers> {
  const values = new Map<string, Numbers>();
  for (const [name, { shape, type, data }] of model.tensors) values.set(name, fromValues(shape, type, data));
  for (const port of model.inputs) {
    const given = inputs[port.name];
    if (!given) throw new Error(`no input ${port.name}`);
    const fits =
      given.shape.length === port.shape.length && port.shape.every((d, i) => typeof d === 'string' || d === given.shape[i]);
    if (!fits || given.type !== port.type) throw new Error(`input ${port.name} is no [${port.shape}]`);
    values.set(port.name, given);
  }
  for (const node of model.nodes) run(node, values, model.opset);
  return new Map(
    model.outputs.map((port) => {
      const found = values.get(port.name);
      if (!found) throw new Error(`output ${port.name} is not made`);
      const fits =
        found.shape.length === port.shape.length && port.shape.every((d, i) => typeof d === 'string' || d === found.shape[i]);
      if (!fits || found.type !== port.type)
        throw new Error(`output ${port.name} is ${found.type} [${found.shape}], no [${port.shape}]`);
      return [port.name, found];
    }),
  );
}

function run(node: ReadNode, values: Map<string, Numbers>, opset: number): void {
  const operator = OPERATORS[node.op];
  if (!operator) throw new Error(`operator ${node.op} is not known`);
  const attributes = new Attributes(node.attributes);
  const ins = node.ins.map((name) => {
    if (name === '') return null;
    const value = values.get(name);
    if (!value) throw new Error(`${node.name} reads ${name} before it is there`);
    return value;
  });
  let outs: Numbers[];
  try {
    outs = operator(ins, attributes, opset, node.outs.length);
  } catch (error) {
    throw new Error(`${node.name}: ${(error as Error).message}`, { cause: error });
  }
  const unknown = Object.keys(node.attributes).filter((name) => !attributes.used.has(name));
  if (unknown.length > 0) throw new Error(`${node.name}: attribute ${unknown} is not known`);
  for (const [i, name] of node.outs.entries()) {
    if (name === '') continue;
    if (values.has(name)) throw new Error(`${name} is made twice`);
    values.set(name, outs[i]!);
  }
}
