// update.ts: the builder of optimizer updates: one op per family of optimizers, whose rule stands beside them (optim/rules). Kernel: update.h.
import { DTypeError, GraphError, ShapeError } from '../../errors.ts';
import type { Node, Tensor } from '../../ir/graph.ts';
import {
  bytesOf,
  f32,
  f64,
  type LowerContext,
  type OpDef,
  type RefArray,
  type Sample,
  sameShape,
  sizeOf,
  type TensorType,
  typeName,
  u8,
} from '../../ir/op.ts';
import { squareOf } from '../../math/index.ts';
import {
  applyStages,
  CHUNK,
  checkStages,
  type Stage,
  type StageAttrs,
  segments,
  splitStages,
  stageInts,
  stageOperands,
} from '../gradient/stage.ts';
import { span } from '../shape/axes.ts';
import { applyFinish, checkFinish, type Finish, type FinishAttrs, finishCodes, finishOperands, splitFinish } from './finish.ts';

/**
 * What an update measures beside its work: `after`: the sum of the squares of the gradients after the stages, and how many elements those
 * changed; `all`: the sum of squares before them too.
 */
export type Measuring = false | 'after' | 'all';
const MEASURING: readonly Measuring[] = [false, 'after', 'all'];
/** Numbers that come out. */
const measuredCount = (m: Measuring): number => (m === 'all' ? 3 : m === 'after' ? 2 : 0);

export interface UpdateAttrs {
  readonly variant: number;
  /** Number of parameters in the group. */
  readonly count: number;
  readonly stages: readonly StageAttrs[];
  readonly measure: Measuring;
  /** Made by the compiler: which gradients are the two outputs of scatterRows, the second one among the last inputs. */
  readonly sparse: readonly boolean[];
  /** Bounds and masks of the new parameters. */
  readonly finish?: FinishAttrs;
}

/** What is particular to one optimizer. */
export interface UpdateRule<H extends string = string, V extends string = string> {
  readonly name: string;
  /** Variants in the order of the kernel's, and the slots of each, named as in PyTorch's state_dict; all have the shape of their parameter. */
  readonly slots: Readonly<Record<V, readonly string[]>>;
  /** What the row of hyper-parameters holds, named and in order as in the kernel's HYPER: a test compares. */
  readonly hyper: readonly H[];
  /** Rows of hyper-parameters that tests try: flags set and not set, limits that bite. */
  readonly rows: readonly Readonly<Record<H, number>>[];
  readonly flops: number;
  /** It reads a number of each tensor. */
  readonly each?: boolean;
  /** Sums of squares over each tensor that it makes. */
  readonly sums?: number;
  /** Of its samples, where the usual one is too tight. */
  readonly tolerance?: number;
  /** One element: changes `slots` and returns the new parameter. `each` is the tensor's number, `squared` takes what the sums are of. */
  step(
    variant: NoInfer<V>,
    p: number,
    g: number,
    slots: number[],
    h: Readonly<Record<H, number>>,
    each: number,
    squared: number[],
  ): number;
}

/** The record of an update, and what its optimizer names of it. */
export interface UpdateOp<H extends string = string, V extends string = string> extends OpDef<UpdateAttrs> {
  readonly slots: UpdateRule<H, V>['slots'];
  readonly hyper: readonly H[];
  /** Where in the row of hyper-parameters each is: `out[at.lr] = lr`. */
  readonly at: Readonly<Record<H, number>>;
}

const made = new Set<UpdateOp>();
const known = new Set<unknown>();

/** Every update whose optimizer has been imported, by name: all of them are in optim/list.ts. */
export function updates(): readonly UpdateOp[] {
  return [...made].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Is it the update of an optimizer, whichever? */
export function isUpdate(node: Node): node is Node<UpdateAttrs> {
  return known.has(node.op);
}

/** One element: changes `slots` and returns the new parameter. `each` is the tensor's number, `squared` takes what the sums are of. */
type Step = (p: number, g: number, slots: number[], each: number, squared: number[]) => number;

/** Updates of one kernel, as their attributes say: what is particular to them. */
export interface UpdateFamily<A extends UpdateAttrs> {
  readonly name: string;
  /** It reads a number of each tensor. */
  readonly each?: boolean;
  /** Sums of squares over each tensor that it makes. */
  readonly sums?: number;
  /** How many slots a parameter has; undefined: there is no such variant. */
  slotsOf(attrs: A): number | undefined;
  /** How many hyper-parameters. */
  hyperOf(attrs: A): number;
  flopsOf(attrs: A): number;
  /** Integers before those of all updates. */
  before?(attrs: A, context: LowerContext): readonly number[];
  /** What a step with these hyper-parameters does. */
  stepOf(attrs: A, row: RefArray): Step;
  samples(): Sample<A>[];
}

/** The record of an update: parameters, gradients, each slot of all parameters, hyper-parameters, operands of the stages. */
export function updateFamily<A extends UpdateAttrs>(family: UpdateFamily<A>): OpDef<A> {
  const { name: op, each = false, sums = 0 } = family;
  const slotsOf = (attrs: A): number => family.slotsOf(attrs)!;
  /** Inputs before the operands of the stages. */
  const fixed = (attrs: A): number => attrs.count * (2 + slotsOf(attrs)) + 1 + Number(each);
  const pairs = new WeakMap<Node<A>, [number, number][]>();
  const record: OpDef<A> = {
    name: op,
    skippable: true,
    infer(ins, attrs) {
      const { count, stages, measure, sparse, finish } = attrs;
      const slots = family.slotsOf(attrs);
      if (slots === undefined) throw new GraphError(`${op}: there is no variant ${attrs.variant}`);
      const arrays = count * (2 + slots);
      const first = fixed(attrs);
      const staged = first + stageOperands(stages);
      const expected = staged + finishOperands(finish) + sparse.filter(Boolean).length;
      if (count < 1 || sparse.length !== count || ins.length !== expected) {
        throw new ShapeError(`${op}: expected ${expected} inputs for ${count} parameters, got ${ins.length}`);
      }
      for (let i = 0; i < arrays; i++) {
        const [x, p] = [ins[i] as TensorType, ins[i % count] as TensorType];
        if (x.dtype !== 'f32') throw new DTypeError(`${op}: expected f32 for input ${i}, got ${x.dtype}`);
        if (i >= count && i < 2 * count && sparse[i - count])
          checkRows(op, x, p, ins[atOf(attrs, first, i - count)] as TensorType);
        else if (!sameShape(x.shape, p.shape))
          throw new ShapeError(`${op}: expected ${typeName(p)} for input ${i}, got ${typeName(x)}`);
      }
      const hyper = ins[arrays] as TensorType;
      const numbers = family.hyperOf(attrs);
      if (hyper.dtype !== 'f64' || !sameShape(hyper.shape, [numbers])) {
        throw new ShapeError(`${op}: expected f64[${numbers}] as hyper-parameters, got ${typeName(hyper)}`);
      }
      const own = ins[arrays + 1] as TensorType;
      if (each && (own.dtype !== 'f64' || !sameShape(own.shape, [count]))) {
        throw new ShapeError(`${op}: expected f64[${count}], a number of each tensor, got ${typeName(own)}`);
      }
      const sizes = ins.slice(0, count).map((p) => sizeOf(p.shape));
      checkStages(op, stages, ins.slice(first, staged), sizes);
      if (finish) checkFinish(op, finish, ins.slice(staged, staged + finishOperands(finish)), ins.slice(0, count));
      const summed = Array.from({ length: sums }, () => f64(count));
      const updated = [...ins.slice(0, count), ...ins.slice(2 * count, arrays), ...summed];
      return [...updated, ...Array.from({ length: measuredCount(measure) }, () => f64())];
    },
    lower({ ins, attrs }, context) {
      const { variant, count, stages, measure, sparse, finish } = attrs;
      const sizes = ins.slice(0, count).map((p) => sizeOf(p.shape));
      const head = [variant, count, MEASURING.indexOf(measure), stages.length, ...stageInts(stages, count, context)];
      const grads = ins.slice(count, 2 * count).map((g, t) => (sparse[t] ? g.shape : []));
      const rows = [...grads.map((s) => (s.length > 0 ? span(s, 1) : 0)), ...grads.map((s) => s[0] ?? 0)];
      const before = family.before?.(attrs, context) ?? [];
      return { ints: [...before, ...head, ...sizes, ...segments(sizes, CHUNK), ...rows, ...finishCodes(finish, count)] };
    },
    cost(node) {
      const elements = node.ins.slice(0, node.attrs.count).reduce((n, t) => n + sizeOf(t.shape), 0);
      const bytes = [...node.ins, ...node.outs].reduce((n, t) => n + bytesOf(t.type), 0);
      return { flops: elements * (family.flopsOf(node.attrs) + node.attrs.stages.length), bytes };
    },
    inplace(node) {
      let list = pairs.get(node);
      if (!list) {
        const { count } = node.attrs;
        const outs = count * (1 + slotsOf(node.attrs));
        list = Array.from({ length: outs }, (_, o) => [o, o < count ? o : o + count]);
        pairs.set(node, list);
      }
      return list;
    },
    ref(outs, ins, node, context) {
      const { count, stages, measure, finish } = node.attrs;
      const slots = slotsOf(node.attrs);
      const step = family.stepOf(node.attrs, ins[count * (2 + slots)] as RefArray);
      const numbers = ins[count * (2 + slots) + 1] as RefArray;
      const operands = ins.slice(fixed(node.attrs));
      const summed = outs.slice(count * (1 + slots), count * (1 + slots) + sums);
      for (const out of summed) out.fill(0);
      const squared = summed.map(() => 0);
      let [before, after, changed] = [0, 0, 0];
      for (let t = 0; t < count; t++) {
        const p = ins[t] as RefArray;
        const at = node.attrs.sparse[t] ? (ins[atOf(node.attrs, fixed(node.attrs), t)] as RefArray) : null;
        const g = at ? spread(ins[count + t] as RefArray, at, p.length) : (ins[count + t] as RefArray);
        const { values } = applyStages(stages, operands, t, g, context);
        values.forEach((v, i) => {
          const s = Array.from({ length: slots }, (_, k) => (ins[(2 + k) * count + t] as RefArray)[i] as number);
          (outs[t] as RefArray)[i] = step(p[i] as number, v, s, each ? numbers[t]! : Number.NaN, squared);
          for (const [k, out] of summed.entries()) out[t]! += squareOf(squared[k]!);
          for (const [k, x] of s.entries()) (outs[(1 + k) * count + t] as RefArray)[i] = x;
          before += squareOf(g[i] as number);
          after += v * v;
          if (v !== g[i] && !Number.isNaN(v)) changed++;
        });
        if (finish) applyFinish(finish, operands.slice(stageOperands(stages)), t, outs[t] as RefArray);
      }
      const found = [after, changed, before].slice(0, measuredCount(measure));
      for (const [k, x] of found.entries()) (outs[outs.length - found.length + k] as RefArray)[0] = x;
    },
    samples: family.samples,
  };
  known.add(record);
  return record;
}

/** The record of a rule: what happens to an element is written in the kernel, too. */
export function updateOp<const H extends string, const V extends string>(rule: UpdateRule<H, V>): UpdateOp<H, V> {
  const variants = Object.keys(rule.slots) as V[];
  const counts = variants.map((variant) => rule.slots[variant].length);
  const record = updateFamily<UpdateAttrs>({
    ...rule,
    slotsOf: ({ variant }) => counts[variant],
    hyperOf: () => rule.hyper.length,
    flopsOf: () => rule.flops,
    stepOf({ variant }, row) {
      const hyper = Object.fromEntries(rule.hyper.map((name, i) => [name, row[i]])) as Record<H, number>;
      return (p, g, slots, each, squared) => rule.step(variants[variant]!, p, g, slots, hyper, each, squared);
    },
    samples: () =>
      counts.flatMap((slots, variant) => updateSamples({ ...rule, rows: rowsOf(rule), slots }).map((s) => ofVariant(s, variant))),
  });
  const at = Object.fromEntries(rule.hyper.map((name, i) => [name, i])) as Record<H, number>;
  const op: UpdateOp<H, V> = Object.assign(record, { slots: rule.slots, hyper: rule.hyper, at });
  made.add(op as unknown as UpdateOp);
  return op;
}

const rowsOf = <H extends string, V extends string>({ hyper, rows }: UpdateRule<H, V>): number[][] =>
  rows.map((row) => hyper.map((name) => row[name]));
const ofVariant = (sample: Sample<UpdateAttrs>, variant: number): Sample<UpdateAttrs> => ({
  ...sample,
  attrs: { ...sample.attrs, variant },
});

/** Where the second output of scatterRows is among the inputs. */
function atOf({ stages, sparse, finish }: UpdateAttrs, fixed: number, t: number): number {
  return fixed + stageOperands(stages) + finishOperands(finish) + sparse.slice(0, t).filter(Boolean).length;
}

function checkRows(op: string, values: TensorType, p: TensorType, at: TensorType): void {
  const fits = p.shape.length > 0 && span(p.shape, 1) > 0 && sameShape(values.shape.slice(1), p.shape.slice(1));
  if (!fits || values.shape.length === 0 || at.dtype !== 'i32' || !sameShape(at.shape, p.shape.slice(0, 1))) {
    throw new ShapeError(`${op}: expected rows of ${typeName(p)}, got ${typeName(values)} at ${typeName(at)}`);
  }
}

/** The dense form of rows of `values`. */
function spread(values: RefArray, at: RefArray, size: number): Float64Array {
  const dense = new Float64Array(size);
  const row = size / at.length;
  Array.from(at).forEach((u, v) => {
    for (let c = 0; u >= 0 && c < row; c++) dense[v * row + c] = values[u * row + c]!;
  });
  return dense;
}

/** What tests try, of variant 0. `rows`: of hyper-parameters. */
export function updateSamples(rule: {
  readonly rows: readonly (readonly number[])[];
  readonly slots: number;
  readonly each?: boolean;
  readonly tolerance?: number;
}): Sample<UpdateAttrs>[] {
  const { rows, slots } = rule;
  let made = 0;
  const sample = (
    shapes: number[][],
    attrs: Omit<UpdateAttrs, 'variant' | 'count' | 'sparse'>,
    operands: TensorType[],
    kept: Readonly<Record<number, number>> = {},
  ): Sample<UpdateAttrs> => {
    const each = shapes.map((s) => f32(...s));
    const sparse = shapes.map((_, t) => kept[t] !== undefined);
    const grads = shapes.map((s, t) => f32(...(kept[t] === undefined ? s : [kept[t], ...s.slice(1)])));
    const at = shapes.flatMap((s, t): TensorType[] => (sparse[t] ? [{ dtype: 'i32', shape: [s[0]!] }] : []));
    const ins = [
      ...each,
      ...grads,
      ...Array.from({ length: slots }, () => each).flat(),
      f64(rows[0]!.length),
      ...(rule.each ? [f64(shapes.length)] : []),
      ...operands,
      ...at,
    ];
    const fill = ins.map((t, i) => {
      if (i < 2 * each.length) return 'normal' as const;
      if (i === (2 + slots) * each.length) return { exactly: rows[made++ % rows.length]! };
      if (t.dtype === 'i32') return [-1, Math.min(...Object.values(kept))] as const;
      if (t.dtype === 'u8') return [0, 2] as const;
      return t.dtype === 'f32' ? ('positive' as const) : ([0.1, 0.9] as const);
    });
    const { tolerance } = rule;
    return { ins, attrs: { variant: 0, count: each.length, sparse, ...attrs }, fill, ...(tolerance && { tolerance }) };
  };
  const plain = { stages: [], measure: false } as const;
  const all = (count: number, first: number): StageAttrs[] => [
    { kind: 'scale', at: Array.from({ length: count }, (_, t) => first + t) },
    { kind: 'zeroNonFinite', at: 'one' },
    { kind: 'limit', at: 'one' },
    { kind: 'scale', at: 'one' },
  ];
  return [
    sample([[1]], plain, []),
    sample([[17, 3], [0], [1030], [5]], { ...plain, stages: [{ kind: 'scale', at: 'one' }] }, [f64()]),
    sample([[2049], [31]], { stages: all(2, 3), measure: 'all' }, [f64(5), f64(), f64(), f64()]),
    sample([[16]], { ...plain, measure: 'after' }, []),
    sample([[1040], [7]], { stages: [{ kind: 'limit', at: 'one' }], measure: 'after' }, [f64(), f64()]),
    sample([[100, 17]], plain, [], { 0: 3 }),
    sample([[5], [40, 3, 20], [7, 2], [1, 3000]], { stages: all(4, 1), measure: 'after' }, [f64(5), f64(), f64(), f64()], {
      1: 4,
      3: 1,
    }),
    sample([[40, 17], [3], [2100]], { ...plain, finish: { bounded: true, masked: [true, false, true] } }, [
      f64(3),
      f64(3),
      u8(40, 17),
      u8(2100),
    ]),
    sample(
      [[9], [40, 3, 20]],
      { ...plain, stages: [{ kind: 'limit', at: 'one' }], finish: { bounded: false, masked: [false, true] } },
      [f64(), f64(), u8(40, 3, 20)],
      { 1: 4 },
    ),
  ];
}

export interface UpdateOperands {
  readonly params: readonly Tensor[];
  readonly grads: readonly Tensor[];
  /** Per slot, one tensor per parameter. */
  readonly slots: readonly (readonly Tensor[])[];
  /** f64, as the rule names them. */
  readonly hyper: Tensor;
  /** f64 [n]: a number of each tensor, for a rule that reads one. */
  readonly each?: Tensor;
  readonly stages: readonly Stage[];
  readonly measure: Measuring;
  readonly finish?: Finish | null;
}

/** f64 scalars: the sums of squares after the stages and before them, and the number of elements the stages changed. */
export interface StageSums {
  readonly before: Tensor | null;
  readonly after: Tensor;
  readonly changed: Tensor;
}

export interface Updated {
  readonly params: readonly Tensor[];
  readonly slots: readonly (readonly Tensor[])[];
  /** f64 [n] each: the sums of squares over each tensor that the rule makes. */
  readonly sums: readonly Tensor[];
  readonly measured: StageSums | null;
}

/** Update the parameters of a group in one pass. */
export function update<H extends string, V extends string>(op: UpdateOp<H, V>, of: NoInfer<V>, x: UpdateOperands): Updated {
  return updateAs(op, { variant: Object.keys(op.slots).indexOf(of) }, x);
}

/** The same with what is particular to the attributes of a family. */
export function updateAs<A extends UpdateAttrs>(
  op: OpDef<A>,
  particular: Omit<A, Exclude<keyof UpdateAttrs, 'variant'>>,
  x: UpdateOperands,
): Updated {
  const count = x.params.length;
  const { attrs: stages, ins } = splitStages(x.hyper.graph, x.stages);
  const finish = x.finish ? splitFinish(x.hyper.graph, x.finish) : null;
  const operands = [
    ...x.params,
    ...x.grads,
    ...x.slots.flat(),
    x.hyper,
    ...(x.each ? [x.each] : []),
    ...ins,
    ...(finish?.ins ?? []),
  ];
  const sparse = x.grads.map(() => false);
  const attrs = { ...particular, count, stages, measure: x.measure, sparse, ...(finish && { finish: finish.attrs }) };
  const { outs } = x.hyper.graph.add(op, operands, attrs as unknown as A);
  const end = outs.length - measuredCount(x.measure);
  const [after, changed, before = null] = outs.slice(end) as [Tensor, Tensor, Tensor?];
  return {
    params: outs.slice(0, count),
    slots: x.slots.map((_, k) => outs.slice((1 + k) * count, (2 + k) * count)),
    sums: outs.slice(count * (1 + x.slots.length), end),
    measured: x.measure ? { before, after, changed } : null,
  };
}
