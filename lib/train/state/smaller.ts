// smaller.ts: a model without the rows that pruning has taken, which computes the same.
import { OptionError } from '../../errors.ts';
import type { TensorData } from '../../io/arrays/safetensors.ts';
import type { State } from '../../ir/graph.ts';
import { type Data, sizeOf } from '../../ir/op.ts';
import { Conv1d, Conv2d } from '../../nn/layers/conv.ts';
import { Linear } from '../../nn/layers/linear.ts';
import { BatchNorm1d, BatchNorm2d } from '../../nn/layers/norm/batch-norm.ts';
import { type Layer, Sequential } from '../../nn/layers/sequential.ts';
import type { Buffer, Module, Parameter } from '../../nn/module/module.ts';
import { type Units, unitsAfter } from './constants.ts';
import type { Pruned } from './pruned.ts';

type Kind<M extends Module> = (abstract new (...args: never[]) => M) & { readonly prototype: M };
/** One of this class, with no forward of its own. */
const isA = <M extends Module>(layer: unknown, kind: Kind<M>): layer is M =>
  layer instanceof kind && layer.forward === kind.prototype.forward;

type Convolution = Conv1d | Conv2d;
type Product = Linear | Convolution;
const isConvolution = (layer: Layer): layer is Convolution => isA(layer, Conv1d) || isA(layer, Conv2d);
const isProduct = (layer: Layer): layer is Product => isA(layer, Linear) || isConvolution(layer);
type Norm = BatchNorm1d | BatchNorm2d;
const isNorm = (layer: Layer | undefined): layer is Norm => isA(layer, BatchNorm1d) || isA(layer, BatchNorm2d);

/** Values that may become fewer. */
interface Values {
  readonly shape: readonly number[];
  readonly data: Data;
}

/** Rows that a layer has lost, and that nobody has dropped the columns of yet. */
interface Open {
  /** Of the weight. */
  readonly name: string;
  /** Which rows. */
  readonly lost: readonly number[];
  readonly rows: number;
  /** What is cut with them: of each so many neighbors for a row. */
  readonly along: { readonly of: Parameter | Buffer; readonly each: number }[];
  /** What has become of the rows: so many units of each. */
  units: Units;
}

/** What becomes of the columns of a layer that reads constants: where their share of the sums goes. */
type Taker = { readonly add: Parameter } | { readonly subtract: Buffer } | 'nowhere' | null;

/**
 * The weights of a model without pruned rows: of a Linear or a convolution in a Sequential the rows, with their biases and what batch norms after it have
 * for them, and the columns that read them in the next Linear or convolution. What is computed in place of a row has one value: what that adds to the
 * sums of the next layer goes into its bias, or into the running mean of the batch norm after it.
 *
 * @param values of all its parameters and buffers
 * @param keepConstant rows whose value nothing can take up are left in
 * @throws OptionError that names the layer, where the structure is another
 */
export function withoutPrunedRows(
  model: Module,
  pruned: Pruned,
  values: ReadonlyMap<State, Data>,
  keepConstant: boolean,
): Map<string, TensorData> {
  const cutting = new Cutting(pruned, values, keepConstant);
  const layers = isA(model, Sequential) ? [...layersOf(model, '')] : [];
  for (const [i, [path, layer]] of layers.entries()) cutting.pass(path, layer, layers[i + 1]?.[1]);
  return cutting.end();
}

class Cutting {
  readonly #names: Pruned['names'];
  readonly #keepConstant: boolean;
  readonly #result = new Map<Parameter | Buffer, Values>();
  /** Rows of parameters that are pruned, and not cut yet. */
  readonly #lost = new Map<Parameter | Buffer, readonly number[]>();
  #open: Open | null = null;

  constructor({ finishing: { prunings, masks }, names }: Pruned, values: ReadonlyMap<State, Data>, keepConstant: boolean) {
    this.#names = names;
    this.#keepConstant = keepConstant;
    for (const x of names.keys()) {
      const data = values.get(x.state);
      if (data) this.#result.set(x, { shape: x.shape, data });
    }
    for (const { prune, params } of prunings) {
      if (prune.unit !== 'rows') continue;
      for (const x of names.keys()) {
        if (!params.some(({ state }) => state === x.state)) continue;
        const lost = lostRows(x, values.get(masks.get(x.state)!)!);
        if (lost.length > 0) this.#lost.set(x, lost);
      }
    }
  }

  /** @param next what comes after the layer */
  pass(path: string, layer: Layer, next: Layer | undefined): void {
    const open = this.#open;
    if (isProduct(layer)) {
      if (open) this.#close(open, path, layer, next);
      this.#open = this.#opened(layer);
    } else if (open) {
      const units = isNorm(layer) ? this.#spread(open, layer) : open.units;
      const after = units && unitsAfter(layer, units, lostUnits(open, units), isNorm(layer) ? (s) => this.#valueOf(s) : null);
      if (!after) {
        const why = `${path} (${kindOf(layer)}) follows, and nothing says that what it makes of each is made of that alone`;
        throw refused(open.name, why);
      }
      open.units = after;
      if (!isNorm(layer)) return;
      for (const vector of [layer.weight, layer.bias, layer.running_mean, layer.running_var]) {
        if (vector) open.along.push({ of: vector, each: after.values.length / open.rows });
      }
    }
  }

  /** All values by all their names. */
  end(): Map<string, TensorData> {
    if (this.#open) throw refused(this.#open.name, 'they are outputs of the model');
    for (const x of this.#lost.keys()) {
      throw refused(this.#name(x), 'it is not the weight of a Linear, Conv1d or Conv2d in a Sequential that is the model');
    }
    return new Map(
      [...this.#result].flatMap(([x, { shape, data }]) =>
        this.#names.get(x)!.map((name) => [name, { dtype: x.state.type.dtype, shape, data } as TensorData] as const),
      ),
    );
  }

  /** A layer that has lost rows. */
  #opened(layer: Product): Open | null {
    const { weight, bias } = layer;
    const lost = this.#lost.get(weight);
    if (!lost) return null;
    const name = this.#name(weight);
    const [rows] = weight.shape as [number];
    if (lost.length === rows) throw refused(name, 'it has lost all of them');
    if (isConvolution(layer) && layer.groups !== 1) throw refused(name, `its channels are in ${layer.groups} groups`);
    for (const x of [weight, bias]) if (x) this.#lost.delete(x);
    const values = new Float32Array(rows);
    // Of a row of zeros nothing but the bias is left.
    for (const r of lost) values[r] = bias ? (this.#result.get(bias)!.data[r] as number) : 0;
    const along = [weight, bias].flatMap((of) => (of ? [{ of, each: 1 }] : []));
    return { name, lost, rows, along, units: { space: weight.shape.length - 2, flat: false, values } };
  }

  /** A layer reads what another has lost. */
  #close(open: Open, path: string, layer: Product, next: Layer | undefined): void {
    const { weight } = layer;
    const units = this.#read(open, path, layer);
    const each = units.values.length / open.rows;
    const valuesOf = (r: number): Float32Array => units.values.subarray(r * each, (r + 1) * each);
    const constant = open.lost.filter((r) => valuesOf(r).some((v) => v !== 0));
    const padded = isConvolution(layer) && isPadded(layer);
    const taker = padded ? null : takerOf(layer, next);
    const stay = constant.length > 0 && !taker ? constant : [];
    if (stay.length > 0 && !this.#keepConstant) {
      const what = `${stay.length} of its ${open.lost.length} pruned rows have another value than 0 (row ${stay[0]} is ${valuesOf(stay[0]!)[0]})`;
      const why = padded
        ? `${path} (${kindOf(layer)}) pads with zeros`
        : `${path} (${kindOf(layer)}) has no bias that takes it up, and no batch norm after it`;
      throw refused(open.name, `${what}, and ${why}; option keepConstant leaves such rows in`);
    }
    const cut = open.lost.filter((r) => !stay.includes(r));
    if (constant.length > 0 && taker) this.#take(taker, weight, units, lostUnits(open, units));
    for (const { of, each } of open.along) this.#set(of, without(this.#result.get(of)!, 0, cut, each));
    this.#set(weight, without(this.#result.get(weight)!, 1, cut, each));
  }

  /** The units as the columns of a layer are. */
  #read({ name, rows, units }: Open, path: string, layer: Product): Units {
    const columns = layer.weight.shape[1]!;
    const { length } = units.values;
    if (isConvolution(layer) && layer.groups !== 1) {
      throw refused(name, `${path} (${kindOf(layer)}) reads them in ${layer.groups} groups`);
    }
    const fits = isConvolution(layer)
      ? units.space === layer.weight.shape.length - 2 && columns === length
      : units.space === 0 && columns % length === 0 && (units.flat || columns === length);
    if (!fits) {
      throw refused(name, `${path} (${kindOf(layer)}) follows, whose ${columns} columns do not stand for the ${rows} rows`);
    }
    return spread(units, columns / length);
  }

  /** The units as a batch norm has them; null where these are others. */
  #spread({ units }: Open, { weight, running_mean: mean }: Norm): Units | null {
    const features = (weight ?? mean)?.shape[0] ?? units.values.length;
    const each = features / units.values.length;
    return each === 1 || (units.flat && Number.isInteger(each)) ? spread(units, each) : null;
  }

  /** What constants add to the sums of a layer goes elsewhere. */
  #take(taker: Taker, weight: Parameter, units: Units, lost: readonly number[]): void {
    if (taker === null || taker === 'nowhere') return;
    const { data, shape } = this.#result.get(weight)!;
    const [rows, columns] = shape as [number, number];
    const inner = sizeOf(shape.slice(2));
    const target = 'add' in taker ? taker.add : taker.subtract;
    const sign = 'add' in taker ? 1 : -1;
    const old = this.#result.get(target)!;
    const sums = Float32Array.from({ length: rows }, (_, r) => {
      let sum = 0;
      for (const c of lost) {
        let kernel = 0;
        for (let k = 0; k < inner; k++) kernel += data[(r * columns + c) * inner + k] as number;
        sum += units.values[c]! * kernel;
      }
      return (old.data[r] as number) + sign * sum;
    });
    this.#set(target, { shape: old.shape, data: sums });
  }

  #set(x: Parameter | Buffer, values: Values): void {
    if (this.#names.get(x)!.length > 1) throw refused(this.#name(x), 'it is used twice');
    this.#result.set(x, values);
  }

  #valueOf(state: State): Data {
    for (const [x, { data }] of this.#result) if (x.state === state) return data;
    throw new OptionError(`savePruned: ${state.name} is not of the model`, { name: state.name });
  }

  #name(x: Parameter | Buffer): string {
    return this.#names.get(x)![0]!;
  }
}

function* layersOf(model: Sequential, above: string): IterableIterator<[string, Layer]> {
  for (const [name, layer] of model.layers) {
    const path = above ? `${above}.${name}` : name;
    if (isA(layer, Sequential)) yield* layersOf(layer, path);
    else yield [path, layer];
  }
}

function lostRows({ shape }: Parameter | Buffer, mask: Data): number[] {
  const row = sizeOf(shape.slice(1));
  return Array.from({ length: shape[0]! }, (_, r) => r).filter((r) => row > 0 && mask[r * row] === 0);
}

function lostUnits({ lost, rows }: Open, { values }: Units): number[] {
  const each = values.length / rows;
  return lost.flatMap((r) => Array.from({ length: each }, (_, k) => r * each + k));
}

/** So many of each unit, side by side. */
function spread(units: Units, each: number): Units {
  if (each === 1) return units;
  return {
    space: 0,
    flat: false,
    values: Float32Array.from({ length: units.values.length * each }, (_, i) => units.values[Math.floor(i / each)]!),
  };
}

function takerOf({ bias }: Product, next: Layer | undefined): Taker {
  if (bias) return { add: bias };
  if (!isNorm(next)) return null;
  // By the statistics of the batch what is the same in all rows is taken off anyway.
  return next.running_mean ? { subtract: next.running_mean } : 'nowhere';
}

function isPadded({ padding, weight }: Convolution): boolean {
  if (padding === 'same') return weight.shape.slice(2).some((k) => k > 1);
  return padding !== 'valid' && [padding].flat().some((p) => (p as number) > 0);
}

/** Without some of the units of a dimension, each so many neighbors. */
function without({ shape, data }: Values, axis: 0 | 1, cut: readonly number[], each: number): Values {
  const gone = new Set(cut);
  const width = shape[axis]!;
  const kept = Array.from({ length: width }, (_, i) => i).filter((i) => !gone.has(Math.floor(i / each)));
  const [outer, inner] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))];
  const out = new Float32Array(outer * kept.length * inner);
  for (let o = 0; o < outer; o++) {
    for (const [k, i] of kept.entries()) {
      const from = (o * width + i) * inner;
      out.set(data.subarray(from, from + inner), (o * kept.length + k) * inner);
    }
  }
  return { shape: [...shape.slice(0, axis), kept.length, ...shape.slice(axis + 1)], data: out };
}

function refused(name: string, why: string): OptionError {
  return new OptionError(`savePruned: the pruned rows of ${name} cannot be left out: ${why}`, { name });
}

function kindOf(layer: Layer): string {
  return typeof layer === 'function' ? `the function ${layer.name || 'without a name'}` : layer.constructor.name;
}
