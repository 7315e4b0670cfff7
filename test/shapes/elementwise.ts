// elementwise.ts: cases of elementwise ops by themselves, and of chains of them.
import { type DType, f64, type TensorType } from '../../lib/ir/op.ts';
import { COMPOUNDS } from '../../lib/ops/elementwise/compounds.ts';
import { MAPS } from '../../lib/ops/elementwise/maps.ts';
import type { OwnArg, OwnChain } from '../../lib/ops/elementwise/own.ts';
import type { Case, Draw, FillOf, Generator } from './draw.ts';

const arityOf = (op: (typeof MAPS)[number]): number => op.samples()[0]!.ins.length;

/** Shapes that broadcast to one: dimensions of 1, and leading ones left out. */
function broadcasting(d: Draw, count: number): number[][] {
  const out = d.sizes(d.int(0, 4), 6000);
  return Array.from({ length: count }, () => {
    if (d.flag()) return out;
    return out.slice(d.int(0, out.length)).map((size) => (d.rarely(3) ? 1 : size));
  });
}

const alone = (op: (typeof MAPS)[number]): Generator => {
  const [sample] = op.samples();
  return (d): Case => {
    const dtype = d.rarely(3) ? 'f64' : 'f32';
    const ins = broadcasting(d, sample!.ins.length).map((shape): TensorType => ({ dtype, shape }));
    return { ins, attrs: {}, ...(sample!.fill && { fill: sample!.fill }), ...(sample!.tolerance && sample) };
  };
};

type Arg = { readonly in: number } | { readonly step: number } | number;
export function steps(d: Draw, ins: number): { map: string; args: Arg[] }[] {
  return d.list(1, 7, (k) => {
    const op = d.pick(...MAPS);
    const arg = (): Arg => {
      const from = d.int(0, 5);
      if (from === 0) return d.real(-3, 3);
      return (from < 3 || k === 0) && ins > 0 ? { in: d.int(0, ins - 1) } : k > 0 ? { step: d.int(0, k - 1) } : d.real(-3, 3);
    };
    return { map: op.map!, args: Array.from({ length: arityOf(op) }, arg) };
  });
}

/** A chain of one's own: most steps read the one before, as what is handed on does. */
export function ownChain(d: Draw, vectors: number, results: number): OwnChain {
  const given = d.int(0, 5);
  const made = d.list(1, 12, (k) => {
    const op = d.pick(...MAPS);
    const arg = (): OwnArg => {
      const from = d.int(0, 5);
      if (k === 0 || from < 2) return { in: d.int(0, vectors + given - 1) };
      return { step: from < 5 ? k - 1 : d.int(0, k - 1) };
    };
    return { map: op.map!, args: Array.from({ length: arityOf(op) }, arg) };
  });
  const outs = Array.from({ length: results }, (): OwnArg => {
    return d.rarely(3) ? { in: d.int(0, vectors + given - 1) } : { step: d.int(0, made.length - 1) };
  });
  return { vectors, given, steps: made, outs };
}

const FILLS: Readonly<Record<DType, FillOf>> = { f32: 'normal', f64: 'normal', i32: [-9, 9], u8: [0, 255] };

const chain: Generator = (d) => {
  const ins = broadcasting(d, d.int(1, 5)).map(
    (shape): TensorType => ({ dtype: d.pick('f32', 'f32', 'f64', 'i32', 'u8'), shape }),
  );
  const dtype = d.pick('f32', 'f32', 'f64');
  const attrs = { dtype, outDtype: d.pick<DType>(dtype, dtype, 'f32', 'f64', 'i32', 'u8'), steps: steps(d, ins.length) };
  return { ins, attrs, fill: ins.map((t) => FILLS[t.dtype]), bitsOnly: true };
};

const scalars: Generator = (d) => {
  const ins = d.list(0, 5, () => f64());
  const made = steps(d, ins.length);
  const skips = d.flag() ? { skips: { step: d.int(0, made.length - 1) } } : {};
  return { ins, attrs: { steps: made, outs: d.list(1, 4, () => d.int(0, made.length - 1)), ...skips }, bitsOnly: true };
};

const cast: Generator = (d) => {
  const [from, dtype] = [d.pick<DType>('f32', 'f64', 'i32', 'u8'), d.pick<DType>('f32', 'f64', 'i32', 'u8')];
  const ins = [{ dtype: from, shape: d.sizes(d.int(0, 3)) }];
  return { ins, attrs: { dtype }, fill: [from === 'u8' || dtype === 'u8' ? [0, 255] : [-300, 300]], bitsOnly: true };
};

const narrow: Generator = (d) => ({ ins: [{ dtype: 'f32', shape: d.sizes(d.int(0, 3)) }], attrs: {} });
const widen: Generator = (d) => ({ ins: [{ dtype: 'u8', shape: [...d.sizes(d.int(0, 3)), 2] }], attrs: {}, fill: [[0, 64]] });

/** A compound with attributes of one of its samples. */
const compound = (op: (typeof COMPOUNDS)[number]): Generator => {
  const samples = op.samples();
  return (d): Case => {
    const { ins, attrs } = d.pick(...samples);
    const dtype = d.rarely(3) ? 'f64' : 'f32';
    return { ins: broadcasting(d, ins.length).map((shape): TensorType => ({ dtype, shape })), attrs, tolerance: 4e-6 };
  };
};
const sine: Generator = (d) => {
  const most = d.pick(4, 1000, 1e6, 3e38);
  return { ins: [{ dtype: d.rarely(3) ? 'f64' : 'f32', shape: d.sizes(d.int(0, 3)) }], attrs: {}, fill: [[-most, most]] };
};

export const ELEMENTWISE_CASES: Readonly<Record<string, Generator>> = {
  ...Object.fromEntries(COMPOUNDS.map((op) => [op.name, compound(op)])),
  ...Object.fromEntries(MAPS.map((op) => [op.name, alone(op)])),
  sin: sine,
  cos: sine,
  map: chain,
  scalars,
  cast,
  narrow,
  widen,
};
