// pruned.ts: what pruning has made of a model: how much of it, and the model without the rows it has lost.
import { OptionError } from '../../errors.ts';
import type { TensorData } from '../../io/arrays/safetensors.ts';
import type { State } from '../../ir/graph.ts';
import { type Data, sizeOf } from '../../ir/op.ts';
import { GELU, ReLU, SiLU, Tanh } from '../../nn/layers/activation.ts';
import { Dropout } from '../../nn/layers/dropout.ts';
import { Linear } from '../../nn/layers/linear.ts';
import { type Layer, Sequential } from '../../nn/layers/sequential.ts';
import { type Buffer, type Module, Parameter } from '../../nn/module/module.ts';
import { gelu, relu, silu, tanh } from '../../ops/elementwise/activation.ts';
import type { Finishing } from '../../optim/apply/finishing.ts';

/** The share of weights that are pruned: of all that `prune` is for, and of each tensor. */
export interface Sparsity {
  /** The part that is pruned of all weights that `prune` is for, 0 to 1. */
  readonly total: number;
  /** The part that is pruned of each tensor, 0 to 1, by name. */
  readonly tensors: Readonly<Record<string, number>>;
}

/** A model's parameters with all their names, and how they are pruned. */
interface Pruned {
  readonly finishing: Finishing;
  readonly names: ReadonlyMap<Parameter | Buffer, readonly string[]>;
}

export function sparsityOf({ finishing, names }: Pruned, values: ReadonlyMap<State, Data>): Sparsity {
  const named = new Map(Array.from(names, ([{ state }, all]) => [state, all[0]!]));
  const each = finishing.prunings.flatMap(({ params, pruned }) => {
    return params.map(({ state }, t) => ({
      name: named.get(state)!,
      gone: values.get(pruned)![t]!,
      size: sizeOf(state.type.shape),
    }));
  });
  const sum = (f: (x: (typeof each)[number]) => number): number => each.reduce((n, x) => n + f(x), 0);
  return {
    total:
      sum((x) => x.gone) /
      Math.max(
        1,
        sum((x) => x.size),
      ),
    tensors: Object.fromEntries(each.map(({ name, gone, size }) => [name, gone / Math.max(1, size)])),
  };
}

type Kind<M extends Module> = (abstract new (...args: never[]) => M) & { readonly prototype: M };
/** One of this class, with no forward of its own. */
const isA = <M extends Module>(layer: unknown, kind: Kind<M>): layer is M =>
  layer instanceof kind && layer.forward === kind.prototype.forward;

// Layers that make 0 of 0, whatever else there is.
const KEEP_ZERO: readonly Kind<Module>[] = [ReLU, Tanh, GELU, SiLU, Dropout];
const KEEP_ZERO_FUNCTIONS: ReadonlySet<unknown> = new Set([relu, tanh, gelu, silu]);
const keepsZero = (layer: Layer): boolean => KEEP_ZERO.some((kind) => isA(layer, kind)) || KEEP_ZERO_FUNCTIONS.has(layer);

/**
 * The weights of a model without pruned rows: of a Linear in a Sequential the rows with their biases, and the columns that read them in the next
 * Linear. Between the two there may only be layers that make 0 of 0, so that the smaller model computes the same.
 *
 * @param values of all its parameters
 * @throws OptionError that names the layer, where the structure is another
 */
export function withoutPrunedRows(
  model: Module,
  { finishing: { prunings, masks }, names }: Pruned,
  values: ReadonlyMap<State, Data>,
): Map<string, TensorData> {
  const nameOf = (p: Parameter): string => names.get(p)![0]!;
  const parameters = [...names.keys()].filter((x) => x instanceof Parameter);
  const result = new Map<Parameter, Matrix>();
  for (const p of parameters) result.set(p, { shape: p.shape, data: values.get(p.state) as Float32Array });
  const lost = new Map<Parameter, number[]>();
  for (const { prune, params } of prunings) {
    if (prune.unit !== 'rows') continue;
    for (const p of parameters) {
      const kept = params.some(({ state }) => state === p.state) && keptRows(p, values.get(masks.get(p.state)!)!);
      if (kept && kept.length < p.shape[0]!) lost.set(p, kept);
    }
  }
  /** What the layers before have lost and nobody has dropped the columns of yet. */
  let open: { name: string; kept: number[] } | null = null;
  const left = new Set(lost.keys());
  const seen = new Set<Parameter>();
  for (const [path, layer] of isA(model, Sequential) ? layersOf(model, '') : []) {
    if (!isA(layer, Linear)) {
      if (open && !keepsZero(layer)) throw refused(open.name, `${path} (${kindOf(layer)}) follows, which need not make 0 of 0`);
      continue;
    }
    const { weight, bias } = layer;
    const name = nameOf(weight);
    if (seen.has(weight) && (open || lost.has(weight))) throw refused(name, 'it is used twice');
    seen.add(weight);
    if (open) result.set(weight, columns(result.get(weight)!, open.kept));
    open = null;
    const kept = lost.get(weight);
    if (!kept) continue;
    if (kept.length === 0) throw refused(name, 'it has lost all of them');
    if (bias && !vanishes(result.get(bias)!.data, kept)) throw refused(name, `${nameOf(bias)} of a pruned row is not 0`);
    result.set(weight, rows(result.get(weight)!, kept));
    if (bias) result.set(bias, rows(result.get(bias)!, kept));
    left.delete(weight);
    if (bias) left.delete(bias);
    open = { name, kept };
  }
  if (open) throw refused(open.name, 'they are outputs of the model');
  for (const p of left) throw refused(nameOf(p), 'it is not the weight of a Linear in a Sequential that is the model');
  return new Map(
    [...result].flatMap(([p, { shape, data }]) => names.get(p)!.map((name) => [name, { dtype: 'f32', shape, data }] as const)),
  );
}

interface Matrix {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

function* layersOf(model: Sequential, above: string): IterableIterator<[string, Layer]> {
  for (const [name, layer] of model.layers) {
    const path = above ? `${above}.${name}` : name;
    if (isA(layer, Sequential)) yield* layersOf(layer, path);
    else yield [path, layer];
  }
}

function keptRows({ shape }: Parameter, mask: Data): number[] {
  const row = sizeOf(shape.slice(1));
  return Array.from({ length: shape[0]! }, (_, r) => r).filter((r) => row === 0 || mask[r * row] !== 0);
}

/** Is it 0 everywhere but there? */
function vanishes(data: Float32Array, kept: readonly number[]): boolean {
  const there = new Set(kept);
  return data.every((v, r) => v === 0 || there.has(r));
}

function rows({ shape, data }: Matrix, kept: readonly number[]): Matrix {
  const row = sizeOf(shape.slice(1));
  const out = new Float32Array(kept.length * row);
  for (const [k, r] of kept.entries()) out.set(data.subarray(r * row, (r + 1) * row), k * row);
  return { shape: [kept.length, ...shape.slice(1)], data: out };
}

function columns({ shape, data }: Matrix, kept: readonly number[]): Matrix {
  const [height, width] = shape as [number, number];
  const out = new Float32Array(height * kept.length);
  for (let r = 0; r < height; r++) for (const [k, c] of kept.entries()) out[r * kept.length + k] = data[r * width + c]!;
  return { shape: [height, kept.length], data: out };
}

function refused(name: string, why: string): OptionError {
  return new OptionError(`savePruned: the pruned rows of ${name} cannot be left out: ${why}`, { name });
}

function kindOf(layer: Layer): string {
  return typeof layer === 'function' ? `the function ${layer.name || 'without a name'}` : layer.constructor.name;
}
