// findings.ts: what of a measured precision is wrong, in words and with what mends it.
import { short } from '../../text/format.ts';
import type { Measured, ParameterPrecision, PrecisionFinding } from './measured.ts';
import { powerOfTwo } from './range.ts';
import { cosine, figure, listed, most, others, share, size } from './words.ts';

/** A gradient that is off by more than this part of its norm: of those of healthy networks none is off by 1e-4. */
const WRONG = 1e-2;
/** The same of a loss; and below this much whatever the loss is. */
const WRONG_LOSS = 1e-3;
const SMALL_LOSS = 1e-6;
/** bf16 turns a gradient; where by more than 8 degrees. */
const TURNED = 0.99;
/** A norm that is off by more changes what a clip leaves in the third digit. */
const OFF_NORM = 1e-3;
/** Share of a gradient's elements that become 0. */
const LOST = 0.01;

/** What is wrong, and what is worth knowing. */
export function findingsOf(m: Measured): PrecisionFinding[] {
  const { f32, bf16, norms, places } = m;
  const found: PrecisionFinding[] = [];
  const add = (
    level: PrecisionFinding['level'],
    code: PrecisionFinding['code'],
    of: readonly ParameterPrecision[],
    text: string,
    cure: PrecisionFinding['cure'] = null,
  ): void => void found.push({ level, code, parameters: of.map((p) => p.name), text, cure });

  const notFinite = !(Number.isFinite(f32.exactLoss) && f32.parameters.every((p) => Number.isFinite(p.norm)));
  if (notFinite) {
    const where = places['not finite'];
    const text = `loss or gradients are NaN or infinite in f64, too${where === null ? '' : `, first of all what ${where} gives`}: that is no matter of precision; trainer.inspect, or debug: true, shows where it begins`;
    add('warning', 'notFinite', [], text);
    return found;
  }
  const [coarse] = m.coarse;
  if (coarse) {
    const { array, column, min, max, step } = coarse;
    const text = `column ${column} of ${array} lies between ${min} and ${max}, where f32 has steps of ${short(step)}${others(m.coarse, 'are as coarse')}: the data lose digits before anything is computed; subtract what they have in common before they are given`;
    add('warning', 'coarseData', [], text);
  }
  const overflown = f32.parameters.filter((p) => p.overflown > 0);
  if (overflown.length > 0 || !Number.isFinite(f32.loss)) {
    const where = places['above f32'];
    const largest = Math.max(m.values.activations.largest, m.values.gradients.largest);
    const what = where === null ? 'something on the way' : `what ${where} gives`;
    add(
      'warning',
      'overflow',
      overflown,
      `f32 ends at 3.4e38, and ${what} is larger (up to ${short(largest)}): in f32 ${overflown.length > 0 ? `the gradient of ${listed(overflown)}` : 'the loss'} is not finite, though it is in f64; smaller weights or inputs, or a norm layer before it, keep it within`,
    );
  }
  const { power } = m.scaled.find(({ format }) => format === 'f32')!;
  const then = new Map(m.withScale?.parameters.map((p) => [p.name, p.error]));
  // Where some numbers on the way back are too small for f32, and a scale of the loss mends a gradient, that was why.
  const small = m.values.gradients.f32.below > 0;
  const mended = (p: ParameterPrecision): boolean => (then.get(p.name) ?? Infinity) < WRONG;
  const lost = f32.parameters.filter(
    (p) => small && p.overflown === 0 && !p.cancels && (p.lost > LOST || (p.error > WRONG && mended(p))),
  );
  if (lost.length > 0) {
    const worst = most(lost, (p) => p.lost);
    const where = places['small in f32'];
    const left = Math.max(...lost.map((p) => then.get(p.name) ?? Infinity));
    const cures = left < WRONG;
    const cure = cures
      ? `; with lossScale: 2 ** ${power} they are off by ${short(left)} at most, measured`
      : '; no scale of the loss brings all of them back';
    const begins = where === null ? '' : `, from ${where} on`;
    const what =
      worst.lost > 0
        ? `${share(worst.lost)} of the elements of ${worst.name} become 0`
        : `those of ${worst.name} are off by ${size(worst.error)}`;
    add(
      'warning',
      'underflow',
      lost,
      `gradients are too small for f32${begins}: ${what}${others(lost, 'lose some')}${cure}`,
      cures ? { option: 'lossScale', value: powerOfTwo(power) } : null,
    );
  }
  const wrong = f32.parameters.filter((p) => p.error > WRONG && p.overflown === 0 && !p.cancels && !lost.includes(p));
  if (wrong.length > 0) {
    const worst = most(wrong, (p) => p.error);
    add(
      'warning',
      'inaccurateGradient',
      wrong,
      `the gradient of ${worst.name} is off by ${size(worst.error)} of its norm (cosine ${cosine(worst.cosine)})${others(wrong, `by more than ${share(WRONG)}`)}: large terms cancel on the way; inputs around 0, a bias taken off first, or sums of fewer terms keep more digits`,
    );
  }
  const off = Math.abs(f32.loss - f32.exactLoss);
  if (Number.isFinite(f32.loss) && f32.lossError > WRONG_LOSS && off > SMALL_LOSS) {
    add(
      'warning',
      'inaccurateLoss',
      [],
      `the loss is ${f32.loss} in f32 and ${f32.exactLoss} in f64: off by ${size(f32.lossError)}`,
    );
  }
  const turned = (bf16?.parameters ?? []).filter((p) => {
    const here = f32.parameters.find(({ name }) => name === p.name)!;
    return p.error > 0 && !(p.cosine >= TURNED) && !here.cancels && here.error <= WRONG;
  });
  if (turned.length > 0) {
    const worst = most(turned, (p) => p.error);
    add(
      'warning',
      'inaccurateBf16',
      turned,
      `products in bf16 turn the gradient of ${worst.name} (cosine ${cosine(worst.cosine)} with that in f64, off by ${size(worst.error)} of its norm)${others(turned, 'turned by more than 8 degrees')}: precision: 'f32' does not`,
      { option: 'precision', value: 'f32' },
    );
  }
  const cancels = f32.parameters.filter((p) => p.cancels);
  if (cancels.length > 0) {
    add(
      'remark',
      'cancels',
      cancels,
      `${listed(cancels)}: the gradient is 0 but for rounding, since its terms cancel, as those of a bias before a norm layer do: a layer with bias: false computes the same, and Adam and its like make steps of rounding of it`,
    );
  }
  if (norms.forward.error > OFF_NORM || norms.pairwise.error > OFF_NORM) {
    const { forward, pairwise } = norms;
    const worse = forward.error > pairwise.error ? forward : pairwise;
    add(
      'remark',
      'normOrder',
      [],
      `the norm of all gradients is ${figure(norms.f64)}, but ${figure(worse.norm)} where squares are added in f32${worse === forward ? ', one after the other' : ', pairwise'}: a clip by such a norm does something else; here squares are added in f64`,
    );
  }
  return found;
}
