// perplexity.ts: perplexity of predicted classes, as a function and over arrays.
import type { TensorLike } from '../ir/graph.ts';
import { exp as expOf } from '../math/index.ts';
import { checkIgnored, type IgnoreOptions } from '../nn/loss/rows.ts';
import { exp, log, sub, where } from '../ops/elementwise.ts';
import { max, sum } from '../ops/reduce.ts';
import { reshape } from '../ops/shape.ts';
import { checkOptions } from '../options.ts';
import { type Aggregate, type Checked, checked, type Values } from './aggregate.ts';
import { classRows } from './arrays.ts';
import { logitRows } from './classes.ts';
import { type Reading, Summing } from './streaming.ts';

export interface PerplexityOptions extends IgnoreOptions {}

/**
 * Metric: e to the mean cross-entropy of logits [..., classes] against labels [...], over all rows of the data set. NaN where no row
 * counts. As the exponential of `sklearn.metrics.log_loss` of the softmax.
 */
export const perplexity = (logits: TensorLike, labels: TensorLike, options: PerplexityOptions = {}): Aggregate =>
  measurePerplexity('perplexity', logits, labels, options);

function measurePerplexity(op: string, logits: TensorLike, labels: TensorLike, options: PerplexityOptions): Checked {
  checkOptions(op, options, ['ignoreIndex']);
  const { rows, own, labels: known } = logitRows(op, logits, labels, options);
  // From the largest on, beside which a logarithm would be lost.
  const top = max(rows, { axes: [1], keepDims: true });
  const losses = sub(log(sum(exp(sub(rows, top)), { axes: [1], keepDims: true })), sub(own, top));
  const total = sum(known.weight ? where(reshape(known.weight, losses.shape), losses, 0) : losses);
  const weight = known.weight ? sum(known.weight) : rows.graph.scalar(rows.shape[0]!, 'f64');
  const finish: Aggregate['finish'] = ({ total, weight }) => expOf(total![0]! / weight![0]!);
  return checked({ summed: { total, weight }, finish }, [known.fault]);
}

/** Perplexity of logits (rows of classes) against labels, over arrays; see `perplexity`. */
export class Perplexity extends Summing {
  readonly #options: PerplexityOptions;
  /** @throws OptionError */
  constructor(options: PerplexityOptions = {}) {
    super('Perplexity', options);
    checkOptions('Perplexity', options, ['ignoreIndex']);
    checkIgnored('Perplexity', options);
    this.#options = options;
  }
  protected read(logits: Values, labels: Values): Reading {
    const { batch } = classRows(this.op, logits, labels);
    const build: Reading['build'] = (x, y) => measurePerplexity(this.op, x, y, this.#options);
    return { batch: { ...batch, xRow: batch.xRow.length === 0 ? [1] : batch.xRow }, build };
  }
}
