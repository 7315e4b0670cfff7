// ignorant.ts: the loss on its test set of who knows nothing of what a configuration trains: of the best constant.
import { OptionError } from '../../errors.ts';
import { log } from '../../math/index.ts';
import type { NdArray, Source } from '../../train/feed/source.ts';
import type { TrainConfig } from '../config/config.ts';
import { type DataSet, ROW_WEIGHT } from '../config/data.ts';
import { classesOf } from '../config/models.ts';

/** @throws OptionError where the losses of a configuration have no such constant */
export function ignorantOf(config: TrainConfig, data: DataSet, test: Source): number {
  if (data.tokens !== null) return ofText(test, data.length!, config.labelSmoothing, data.tokens);
  const y = test.data.get('y')!;
  const weights = test.data.get(ROW_WEIGHT)?.data ?? new Float32Array(y.data.length).fill(1);
  if (config.loss === 'crossEntropy') return ofClasses(config, data, y, weights);
  const values = data.preprocess.y?.transform(y) ?? y;
  return ofValues(config.loss, Array.from(values.data), Array.from(weights));
}

/** Entropy of shares, of which a part is spread over all. */
function entropy(counts: readonly number[], smoothing: number): number {
  const all = counts.reduce((a, b) => a + b, 0);
  return counts.reduce((sum, n) => {
    const share = (1 - smoothing) * (n / all) + smoothing / counts.length;
    return share > 0 ? sum - share * log(share) : sum;
  }, 0);
}

function ofText({ data }: Source, length: number, smoothing: number, tokens: number): number {
  const text = data.get('tokens')!.data;
  const seen = Math.floor((text.length - 1) / length) * length;
  const counts = new Array<number>(tokens).fill(0);
  for (let i = 1; i <= seen; i++) counts[text[i]!]!++;
  return entropy(counts, smoothing);
}

function ofClasses(config: TrainConfig, data: DataSet, { data: labels }: NdArray, weights: ArrayLike<number>): number {
  const { classWeights, labelSmoothing } = config;
  if (classWeights !== null && labelSmoothing > 0) {
    throw new OptionError(
      'labelSmoothing: expected 0 where there are classWeights: the laboratory has no loss of who knows nothing then',
    );
  }
  const seen = data.classes!;
  const count = classesOf(config.model) ?? Math.max(seen.length, ...Array.from(labels, (label) => label + 1));
  const rows = seen.reduce((a, b) => a + b, 0);
  const there = seen.filter((n) => n > 0).length;
  const weightOf = (label: number): number => {
    if (classWeights === null) return 1;
    return classWeights === 'balanced'
      ? (seen[label] ?? 0) === 0
        ? 0
        : rows / (there * seen[label]!)
      : (classWeights[label] ?? 0);
  };
  const counts = new Array<number>(count).fill(0);
  for (const [i, label] of labels.entries()) counts[label]! += weights[i]! * weightOf(label);
  return entropy(counts, labelSmoothing);
}

function ofValues(
  loss: Exclude<TrainConfig['loss'], 'crossEntropy'>,
  values: readonly number[],
  weights: readonly number[],
): number {
  const all = weights.reduce((a, b) => a + b, 0);
  const mean = (of: (value: number) => number): number =>
    values.reduce((sum, value, i) => sum + weights[i]! * of(value), 0) / all;
  if (loss === 'bceWithLogits') return entropy([mean((v) => v), mean((v) => 1 - v)], 0);
  if (loss === 'mse') {
    const middle = mean((v) => v);
    return mean((v) => (v - middle) * (v - middle));
  }
  const one = (away: number): number => (loss === 'l1' ? away : away <= 1 ? (away * away) / 2 : away - 0.5);
  return least((constant) => mean((v) => one(Math.abs(v - constant))), Math.min(...values), Math.max(...values));
}

/** The least value of a convex function, by thirds. */
function least(of: (x: number) => number, from: number, to: number): number {
  let [low, high] = [from, to];
  for (let i = 0; i < 200; i++) {
    const [a, b] = [low + (high - low) / 3, high - (high - low) / 3];
    if (of(a) <= of(b)) high = b;
    else low = a;
  }
  return of((low + high) / 2);
}
