// stage.ts: the stages of a clip policy, as statistics and updates take them: read a gradient through them, never rewrite it.
// The twin of kernels/gradient/stage.h.
import { DTypeError, GraphError, OptionError, ShapeError } from '../../errors.ts';
import { Graph, Tensor } from '../../ir/graph.ts';
import { type LowerContext, type RefArray, type RefContext, sizeOf, type TensorType, typeName } from '../../ir/op.ts';
import { PHILOX_TAG, philox4x32, philoxKey } from '../../ir/philox.ts';
import { tanh as tanhOf } from '../../math/index.ts';
import { choice, custom, type Field, instance, list, show, signature, whole } from '../../options/index.ts';
import { operand, tensor } from '../args.ts';
import { chainInts, type OwnChain, runChain } from '../elementwise/own.ts';
import { AXES, matrixOf, type UnitAxis } from './axis.ts';

/** What a stage may be. The order is that of StageKind in stage.h. */
const KINDS = [
  'scale',
  'limit',
  'zeroNonFinite',
  'sign',
  'shrinkAbove',
  'zeroBelow',
  'soft',
  'tanh',
  'scaleRows',
  'scaleColumns',
  'shiftRows',
  'round',
  'map',
] as const;
/** What a stage does to an element. */
export type StageKind = (typeof KINDS)[number];

// Elements of a tensor that kernels handle at a time: kChunk in stage.h.
export const CHUNK = 1024;
// What a kernel keeps at hand: kMaxStages in stage.h.
export const MOST = 16;

/**
 * One step between a gradient and what the optimizer sees; make one with the functions below. An operand is a number, an f64 scalar, or
 * f64 [n] with a value for each gradient (of `scaleRows`, `scaleColumns` and `shiftRows`: for each row or column of all of them).
 */
export interface Stage {
  /** What is done to an element. */
  readonly kind: StageKind;
  /** Numbers that it reads: constants, scalars, or [n] with one for each gradient. */
  readonly operands: readonly (Tensor | number)[];
  /**
   * Per gradient, where its value stands in the operands (its first row or column; for `round`, its first group of 64 random numbers); -1
   * leaves the gradient alone. Default: all read a scalar, or each its own value.
   */
  readonly at?: readonly number[];
  /** Of rows and columns: per gradient the elements of a row, or the number of columns. */
  readonly unit?: readonly number[];
  /** Of `round`: keys the random numbers. */
  readonly key?: number;
  /** Of `map`: what becomes of an element, and the numbers it is given are the operand. */
  readonly chain?: OwnChain;
  /** Of `scale`: by a power of two, so that what is measured may be scaled in place of what it is measured of. */
  readonly exact?: boolean;
}

const readScale = signature('clip.parts.stage.scale', { by: operand });

/**
 * Elements times `by`. Rounded once to f32, or split into two factors where one f32 would lose bits; 1 changes no
 * bit.
 * @shape by scalar, or [n] with one for each gradient
 * @throws OptionError
 */
export function scale(by: Tensor | number): Stage {
  readScale(arguments);
  return { kind: 'scale', operands: [by] };
}

/** Times `by`, which is a power of two: what undoes the scale of a loss. */
export const unscale = (by: Tensor): Stage => ({ kind: 'scale', operands: [by], exact: true });

const readLimit = signature('clip.parts.stage.limit', { lower: operand, upper: operand });

/**
 * Clamp to [lower, upper]; a NaN stays.
 * @shape lower and upper scalar, or [n] with one for each gradient
 * @throws OptionError
 */
export function limit(lower: Tensor | number, upper: Tensor | number): Stage {
  readLimit(arguments);
  return { kind: 'limit', operands: [lower, upper] };
}

const readZeroNonFinite = signature('clip.parts.stage.zeroNonFinite', {});

/**
 * NaN and infinities become 0.
 * @throws OptionError
 */
export function zeroNonFinite(): Stage {
  readZeroNonFinite(arguments);
  return { kind: 'zeroNonFinite', operands: [] };
}

const readSign = signature('clip.parts.stage.sign', {});

/**
 * The sign of each element: -1, 0 or 1; a NaN stays.
 * @throws OptionError
 */
export function sign(): Stage {
  readSign(arguments);
  return { kind: 'sign', operands: [] };
}

const readShrinkAbove = signature('clip.parts.stage.shrinkAbove', { above: operand, by: operand });

/**
 * Elements with |g| > above are multiplied by `by`; 0 makes them 0.
 * @shape above and by scalar, or [n] with one for each gradient
 * @throws OptionError
 */
export function shrinkAbove(above: Tensor | number, by: Tensor | number): Stage {
  readShrinkAbove(arguments);
  return { kind: 'shrinkAbove', operands: [above, by] };
}

const readZeroBelow = signature('clip.parts.stage.zeroBelow', { least: operand });

/**
 * Elements with |g| < least become 0.
 * @shape least scalar, or [n] with one for each gradient
 * @throws OptionError
 */
export function zeroBelow(least: Tensor | number): Stage {
  readZeroBelow(arguments);
  return { kind: 'zeroBelow', operands: [least] };
}

const readSoft = signature('clip.parts.stage.soft', { threshold: operand });

/**
 * Each element becomes g / (1 + |g| / threshold), which stays within (-threshold, threshold).
 * @shape threshold scalar, or [n] with one for each gradient
 * @throws OptionError
 */
export function soft(threshold: Tensor | number): Stage {
  readSoft(arguments);
  return { kind: 'soft', operands: [threshold] };
}

const readTanh = signature('clip.parts.stage.tanh', { threshold: operand });

/**
 * Each element becomes threshold tanh(g / threshold).
 * @shape threshold scalar, or [n] with one for each gradient
 * @throws OptionError
 */
export function tanh(threshold: Tensor | number): Stage {
  readTanh(arguments);
  return { kind: 'tanh', operands: [threshold] };
}

/** Rows or columns of a list of gradients, numbered one after the other. */
export interface Units {
  /** Rows (of one index of dimension 0, or one of the whole tensor), or columns. */
  readonly axis: 'rows' | 'columns';
  /** Per gradient, its first unit. */
  readonly at: readonly number[];
  /** Per gradient, the elements of a row (dimensions 1 and up), or the number of columns. */
  readonly unit: readonly number[];
  /** Per gradient, how many units it has. */
  readonly counts: readonly number[];
  /** How many units there are in all. */
  readonly total: number;
  /** How many elements each unit of a gradient has. */
  readonly lengths: readonly number[];
}

const shapes = list(list(whole({ min: 0 })));
const units: Field<Units> = custom('what unitsOf gives', (value, place) => {
  const { axis, at, unit } = (value ?? {}) as Partial<Units>;
  if (typeof axis !== 'string' || !Array.isArray(at) || !Array.isArray(unit)) throw place.wrong('what unitsOf gives', value);
  return value as Units;
});
const readUnitsOf = signature('clip.parts.stage.unitsOf', { shapes, axis: choice(...AXES) });

/**
 * The units of gradients: rows (what has one index of dimension 0), columns (what has the same indices of all other
 * dimensions), or whole tensors. A tensor of fewer than two dimensions is one unit.
 * @throws OptionError
 */
export function unitsOf(shapes: readonly (readonly number[])[], axis: UnitAxis): Units {
  readUnitsOf(arguments);
  const all = shapes.map((s) => matrixOf(s, axis));
  const down = axis === 'columns';
  const counts = all.map((m) => (down ? m.width : m.rows));
  const at: number[] = [];
  let total = 0;
  for (const n of counts) {
    at.push(total);
    total += n;
  }
  const lengths = all.map((m) => (down ? m.rows : m.width));
  return { axis: down ? 'columns' : 'rows', at, unit: all.map((m) => m.width), counts, total, lengths };
}

const byUnits = (kind: StageKind, units: Units, by: Tensor): Stage => ({
  kind,
  operands: [by],
  at: units.at,
  unit: units.unit,
});
const readScaleUnits = signature('clip.parts.stage.scaleUnits', { units, by: tensor });

/**
 * Each row, or column, times its own value.
 * @shape by f64 [units.total]
 * @throws OptionError
 */
export function scaleUnits(units: Units, by: Tensor): Stage {
  readScaleUnits(arguments);
  return byUnits(units.axis === 'rows' ? 'scaleRows' : 'scaleColumns', units, by);
}

const readShiftRows = signature('clip.parts.stage.shiftRows', { units, by: tensor });

/**
 * Each row minus its own value.
 * @shape by f64 [units.total]
 * @throws OptionError; GraphError for columns
 */
export function shiftRows(units: Units, by: Tensor): Stage {
  readShiftRows(arguments);
  if (units.axis !== 'rows') throw new GraphError('shiftRows: expected rows, got columns');
  return byUnits('shiftRows', units, by);
}

const readRound = signature('clip.parts.stage.round', { graph: instance('a Graph', Graph), sizes: list(whole({ min: 0 })) });

/**
 * To a whole number, up or down at random so that the mean is the element. `sizes`: elements of each gradient.
 * @throws OptionError
 */
export function round(graph: Graph, sizes: readonly number[]): Stage {
  readRound(arguments);
  return { kind: 'round', operands: [], at: segments(sizes, 64).slice(0, -1), key: graph.randomKey() };
}

/** What a chain of one vector makes of each element. `given`: f64 [chain.given]. */
export const mapped = (chain: OwnChain, given: Tensor): Stage => ({ kind: 'map', operands: [given], chain });

const PAIRS: ReadonlySet<StageKind> = new Set(['limit', 'shrinkAbove']);
const ALONE: ReadonlySet<StageKind> = new Set(['zeroNonFinite', 'sign', 'round']);
const BY_UNIT: ReadonlySet<StageKind> = new Set(['scaleRows', 'scaleColumns', 'shiftRows']);
const operandsOf = (kind: StageKind): number => (PAIRS.has(kind) ? 2 : ALONE.has(kind) ? 0 : 1);

/** A stage as an attribute of an op; its operands are inputs of the op, in order. */
export interface StageAttrs {
  readonly kind: StageKind;
  /** `one`: all gradients read element 0; `each`: gradient t reads element t; else as in Stage. */
  readonly at: 'one' | 'each' | readonly number[];
  readonly unit?: readonly number[];
  readonly key?: number;
  readonly chain?: OwnChain;
}

/** Does it leave zeros alone, wherever they stand? */
export function keepsZeros({ kind }: StageAttrs): boolean {
  return kind !== 'limit' && kind !== 'round' && kind !== 'map' && !BY_UNIT.has(kind);
}

/** Number of operands all stages have together. */
export function stageOperands(stages: readonly StageAttrs[]): number {
  return stages.reduce((n, s) => n + operandsOf(s.kind), 0);
}

/** Has each gradient a value of its own? */
export function readsEach({ kind, operands }: Stage): boolean {
  return kind !== 'map' && operands.some((x) => typeof x !== 'number' && x.shape.length > 0);
}

/** Stages that were made for a list of gradients, for some of those: the ones at these places. */
export function selectStages(stages: readonly Stage[], places: readonly number[]): Stage[] {
  return stages.map((s) => {
    const at = s.at ? places.map((t) => s.at![t]!) : readsEach(s) ? places : null;
    return { ...s, ...(at && { at }), ...(s.unit && { unit: places.map((t) => s.unit![t]!) }) };
  });
}

/** Stages as attributes and inputs. */
export function splitStages(graph: Graph, stages: readonly Stage[]): { attrs: StageAttrs[]; ins: Tensor[] } {
  if (stages.length > MOST) throw new GraphError(`stages: expected at most ${MOST}, got ${stages.length}`);
  const ins: Tensor[] = [];
  const attrs = stages.map((s): StageAttrs => {
    const { kind, operands, at, unit, key, chain } = s;
    ins.push(...operands.map((x) => (typeof x === 'number' ? graph.scalar(x, 'f64') : x)));
    return {
      kind,
      at: at ?? (readsEach(s) ? 'each' : 'one'),
      ...(unit && { unit }),
      ...(key !== undefined && { key }),
      ...(chain && { chain }),
    };
  });
  return { attrs, ins };
}

const placeOf = ({ at }: StageAttrs, t: number): number => (at === 'one' ? 0 : at === 'each' ? t : at[t]!);

/** The integers a kernel takes for stages of `count` tensors. */
export function stageInts(stages: readonly StageAttrs[], count: number, { mapIndex }: LowerContext): number[] {
  const tensors = Array.from({ length: count }, (_, t) => t);
  return stages.flatMap((s) => {
    const chain = s.chain ? chainInts(s.chain, mapIndex) : [];
    const key = s.chain ? chain.length : (s.key ?? 0);
    return [KINDS.indexOf(s.kind), key, ...tensors.map((t) => placeOf(s, t)), ...(s.unit ?? []), ...chain];
  });
}

/** Check the operands of stages of tensors of `sizes` elements. */
export function checkStages(
  op: string,
  stages: readonly StageAttrs[],
  ins: readonly TensorType[],
  sizes: readonly number[],
): void {
  if (ins.length !== stageOperands(stages)) {
    throw new ShapeError(`${op}: expected ${stageOperands(stages)} operands of stages, got ${ins.length}`);
  }
  let next = 0;
  for (const s of stages) {
    const { kind, at, unit, chain } = s;
    if ((kind === 'map') !== (chain?.vectors === 1 && chain.outs.length === 1)) {
      throw new ShapeError(`${op}: stage ${kind}: expected a chain of one vector`);
    }
    if ((typeof at !== 'string' && at.length !== sizes.length) || BY_UNIT.has(kind) !== (unit?.length === sizes.length)) {
      throw new ShapeError(`${op}: stage ${kind}: expected places for ${sizes.length} tensors`);
    }
    const ends = sizes.map((n, t) => {
      const place = placeOf(s, t);
      if (place < 0) return 0;
      if (!unit) return place + 1;
      return place + (kind === 'scaleColumns' ? unit[t]! : unit[t] === 0 ? 0 : Math.ceil(n / unit[t]!));
    });
    const length = chain?.given ?? ends.reduce((a, b) => Math.max(a, b), 1);
    for (let k = 0; k < operandsOf(kind); k++) {
      const type = ins[next++] as TensorType;
      if (type.dtype !== 'f64') throw new DTypeError(`${op}: expected f64 for stage ${kind}, got ${type.dtype}`);
      if (sizeOf(type.shape) < length) {
        throw new ShapeError(`${op}: expected f64[${at === 'one' ? '' : length}] for stage ${kind}, got ${typeName(type)}`);
      }
    }
  }
}

/** A stage that a function here made: whether its operands fit, the policy's gradients say. */
export const stageField: Field<Stage> = custom('a stage such as stage.scale(by)', (value, place) => {
  if (!KINDS.includes((value as Partial<Stage> | null)?.kind as StageKind))
    throw place.wrong('a stage such as stage.scale(by)', value);
  return value as Stage;
});

/** Check stages that a policy made for tensors of `sizes` elements. @throws OptionError; ShapeError and DTypeError for operands that do not fit */
export function checkStageList(graph: Graph, stages: readonly Stage[], sizes: readonly number[]): void {
  if (!Array.isArray(stages)) throw new OptionError(`expected a list of stages, got ${show(stages)}`);
  for (const s of stages as readonly Stage[]) {
    const kind = s?.kind;
    if (!KINDS.includes(kind) || !Array.isArray(s.operands) || s.operands.length !== operandsOf(kind)) {
      throw new OptionError(`expected stages such as stage.scale(by), got ${KINDS.includes(kind) ? kind : show(s)}`);
    }
    for (const x of s.operands) {
      const fits = typeof x === 'number' ? !Number.isNaN(x) : x instanceof Tensor && x.graph === graph;
      if (!fits) throw new OptionError(`expected a number or a tensor for stage ${kind}, got ${show(x)}`);
    }
  }
  const { attrs, ins } = splitStages(graph, stages);
  const types = ins.map((t) => t.type);
  checkStages('its stages', attrs, types, sizes);
}

type Element = (v: number, a: number, b: number) => number;
/** What a stage makes of an element, given its operands' values. */
const ELEMENT: Readonly<Record<Exclude<StageKind, 'round' | 'zeroNonFinite' | 'map'>, Element>> = {
  scale: (v, by) => v * by,
  limit: (v, lower, upper) => Math.max(lower, Math.min(upper, v)),
  sign: (v) => (Number.isNaN(v) ? v : Math.sign(v)),
  shrinkAbove: (v, above, by) => (Math.abs(v) > Math.fround(above) ? (by === 0 ? 0 : v * by) : v),
  zeroBelow: (v, least) => (Math.abs(v) < Math.fround(least) ? 0 : v),
  soft: (v, c) => (v === 0 || c === Infinity ? v : (Math.sign(v) * c) / (c / Math.abs(v) + 1)),
  tanh: (v, c) => (v === 0 || c === Infinity ? v : c * tanhOf(v / c)),
  scaleRows: (v, by) => v * by,
  scaleColumns: (v, by) => v * by,
  shiftRows: (v, by) => v - by,
};

/** A gradient after its stages, in f64. `bad`: zeroNonFinite met an element that is not finite. */
export function applyStages(
  stages: readonly StageAttrs[],
  operands: readonly RefArray[],
  tensor: number,
  x: RefArray,
  context: Pick<RefContext, 'seed' | 'attempt'> = { seed: 0n, attempt: 0 },
): { values: number[]; bad: boolean } {
  let values = Array.from(x);
  let bad = false;
  let next = 0;
  for (const s of stages) {
    const [a, b] = operands.slice(next, next + operandsOf(s.kind));
    next += operandsOf(s.kind);
    const at = placeOf(s, tensor);
    if (at < 0) continue;
    if (s.kind === 'zeroNonFinite') {
      bad ||= values.some((v) => !Number.isFinite(v));
      values = values.map((v) => (Number.isFinite(v) ? v : 0));
    } else if (s.kind === 'map') {
      values = values.map((v) => runChain(s.chain!, [v, ...(a as RefArray)])[0]!);
    } else if (s.kind === 'round') {
      const draw = draws(s.key ?? 0, at, values.length, context);
      values = values.map((v, i) => (Math.abs(v) < 2 ** 23 ? Math.floor(v) + Number(draw[i]! < v - Math.floor(v)) : v));
    } else {
      const unit = s.unit?.[tensor] ?? 0;
      const element = ELEMENT[s.kind];
      const place = (i: number): number => at + (!s.unit ? 0 : s.kind === 'scaleColumns' ? i % unit : Math.floor(i / unit));
      values = values.map((v, i) => element(v, a?.[place(i)] as number, b?.[place(i)] as number));
    }
  }
  return { values, bad };
}

/** Random numbers of [0, 1) with 24 bits, as stage_round draws them. */
function draws(key: number, at: number, n: number, { seed, attempt }: Pick<RefContext, 'seed' | 'attempt'>): number[] {
  const [k0, k1] = philoxKey(seed);
  const tag = PHILOX_TAG.round ^ Math.floor(attempt / 2 ** 32);
  const words = new Uint32Array(4);
  return Array.from({ length: n }, (_, e) => {
    philox4x32(words, (16 * (at + Math.floor(e / 64)) + (e % 16)) | 0, attempt >>> 0, tag, key, k0, k1);
    return (words[(e >>> 4) & 3]! >>> 8) / 2 ** 24;
  });
}

/** Where the pieces of each tensor begin when each is cut into pieces of `unit` elements, and how many pieces there are. */
export function segments(sizes: readonly number[], unit: number): number[] {
  const start = [0];
  for (const n of sizes) start.push((start.at(-1) as number) + Math.ceil(n / unit));
  return start;
}
