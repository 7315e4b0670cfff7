// products.ts: cases of products of matrices, with all that the compiler fuses into them, and of losses over classes.

import { f32, f64, i32, u8 } from '../../lib/ir/op.ts';
import { ENDS, SLOPED } from '../../lib/ops/elementwise/maps.ts';
import { type Case, type Draw, type FillOf, type Generator, ofTerms } from './draw.ts';

const matmul: Generator = (d) => {
  const [transA, transB] = [d.flag(), d.flag()];
  // Few rows, few columns, or neither.
  const [m, n] = d.shuffled([d.size(d.pick(17, 200)), d.size(d.pick(17, 200, 700))]) as [number, number];
  const lead = d.rarely(3) ? [d.int(0, 7)] : [];
  const most = Math.max(1, Math.floor(3e6 / (m * n * (lead[0] || 1))));
  const k = d.rarely(40) ? 0 : d.terms(Math.min(1100, most));
  const [a, b] = [
    [...lead, ...(transA ? [k, m] : [m, k])],
    [...lead, ...(transB ? [n, k] : [k, n])],
  ];
  if (d.rarely(12)) return { ins: [f64(...a), f64(...b)], attrs: { transA, transB }, tolerance: ofTerms(k) };
  const bf16 = d.flag();
  const slope = d.rarely(5);
  const act = slope ? d.pick(...SLOPED) : d.rarely(3) ? d.pick(...ENDS) : undefined;
  const last = d.rarely(4) ? d.pick('add', 'mul') : undefined;
  const stats = d.rarely(4);
  const fused = {
    ...(bf16 && { bf16 }),
    ...(act && { act }),
    ...(slope && { slope }),
    ...(last && { last }),
    ...(stats && { stats }),
  };
  const bias = d.rarely(3) ? [f32(n)] : [];
  const ins = [f32(...a), f32(...b), ...bias, ...(last ? [f32(...lead, m, n)] : [])];
  return { ins, attrs: { transA, transB, ...fused }, tolerance: ofTerms(k) * (stats ? 200 : 4) };
};

// ---- losses ------------------------------------------------------------------------------------------------------
interface Labeled {
  readonly n: number;
  readonly c: number;
  readonly attrs: { readonly ignored: number | null };
  readonly weights: boolean;
}
function labeled(d: Draw): Labeled {
  const [n, c] = [d.rarely(20) ? 0 : d.size(100), d.size(400)];
  return { n, c, attrs: { ignored: d.rarely(3) ? d.pick(-1, d.int(0, c - 1)) : null }, weights: d.rarely(3) };
}
const labels = (d: Draw, { n, c }: Labeled) => (c <= 256 && d.rarely(3) ? u8(n) : i32(n));
const weight = ({ c, weights }: Labeled) => (weights ? [f32(c)] : []);

const loss = (d: Draw, more: (d: Draw) => object): Case => {
  const l = labeled(d);
  const fill: FillOf[] = [[-9, 9], [0, l.c], 'positive'];
  return { ins: [f32(l.n, l.c), labels(d, l), ...weight(l)], attrs: { ...l.attrs, ...more(d) }, fill, tolerance: 1e-4 };
};
const smoothing = (d: Draw): object => ({ smoothing: d.pick(0, 0, 0.1, 0.5) });

const softmaxCrossEntropyGrad: Generator = (d) => {
  const l = labeled(d);
  const fill: FillOf[] = [[-4, 4], [0, l.c], 'normal', 'positive'];
  return {
    ins: [f32(l.n, l.c), labels(d, l), f64(l.n), ...weight(l)],
    attrs: { ...l.attrs, ...smoothing(d) },
    fill,
    tolerance: 1e-4,
  };
};
const labelWeights: Generator = (d) => {
  const l = labeled(d);
  return { ins: [labels(d, l), ...weight(l)], attrs: { ...l.attrs, classes: l.c }, fill: [[0, l.c], 'positive'] };
};
const linearCrossEntropy: Generator = (d) => {
  const l = labeled(d);
  const [dim, dx, dw] = [d.size(70), d.flag(), d.flag()];
  const back = dx || dw;
  const ins = [f32(l.n, dim), f32(l.c, dim), labels(d, l), ...(back ? [f64(l.n)] : []), ...weight(l)];
  const fill: FillOf[] = [[-1, 1], [-1, 1], [0, l.c], ...(back ? ['normal' as const] : []), 'positive'];
  const part = d.int(1, Math.max(1, l.n));
  const bf16 = d.flag();
  const attrs = { ...l.attrs, ...smoothing(d), part: bf16 ? part + (part % 2) : part, dx, dw, ...(bf16 && { bf16 }) };
  return { ins, attrs, fill: fill.slice(0, ins.length), tolerance: bf16 ? 2e-2 : 1e-4 };
};
const nllGrad: Generator = (d) => {
  const l = labeled(d);
  return {
    ins: [labels(d, l), f64(l.n), ...weight(l)],
    attrs: { ...l.attrs, classes: l.c },
    fill: [[0, l.c], 'normal', 'positive'],
  };
};

export const PRODUCT_CASES: Readonly<Record<string, Generator>> = {
  matmul,
  softmaxCrossEntropy: (d) => loss(d, smoothing),
  softmaxCrossEntropyGrad,
  softmaxCrossEntropyBoth: softmaxCrossEntropyGrad,
  labelWeights,
  linearCrossEntropy,
  nll: (d) => loss(d, () => ({})),
  nllGrad,
};
