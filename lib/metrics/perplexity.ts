// perplexity.ts: perplexity of predicted classes, as a function and over arrays.
import type { Tensor, TensorLike } from '../ir/graph.ts';
import { exp as expOf } from '../math/index.ts';
import { type IgnoreOptions, type IgnoreRead, ignoreFields } from '../nn/loss/rows.ts';
import { tensor } from '../ops/args.ts';
import { exp, log, sub, where } from '../ops/elementwise/elementwise.ts';
import { max, sum } from '../ops/reduce/reduce.ts';
import { reshape } from '../ops/shape/shape.ts';
import { options, signature } from '../options/index.ts';
import { type Aggregate, type Checked, checked } from './aggregate.ts';
import { classRows } from './arrays.ts';
import { logitRows } from './classes.ts';
import { kind, Summing } from './streaming.ts';

/** Options of `metrics.perplexity` and `metrics.Perplexity`. */
export interface PerplexityOptions extends IgnoreOptions {}
const perplexityOptions = options<PerplexityOptions>()(ignoreFields);
const readPerplexity = signature('metrics.perplexity', { logits: tensor, labels: tensor }, perplexityOptions);

/**
 * e to the mean cross-entropy over all rows of the data set. NaN where no row counts.
 * @shape logits [..., classes], labels [...] -> one number for all rows
 * @throws OptionError; ShapeError if the shapes do not fit
 * @see sklearn.metrics.log_loss, exponentiated
 */
export function perplexity(logits: TensorLike, labels: TensorLike, options: PerplexityOptions = {}): Aggregate {
  const { logits: x, labels: y, ...read } = readPerplexity(arguments);
  return measurePerplexity('perplexity', x, y, read);
}

function measurePerplexity(op: string, x: Tensor, y: Tensor, read: IgnoreRead): Checked {
  const { rows, own, labels: known } = logitRows(op, x, y, read);
  // From the largest on, beside which a logarithm would be lost.
  const top = max(rows, { axes: [1], keepDims: true });
  const losses = sub(log(sum(exp(sub(rows, top)), { axes: [1], keepDims: true })), sub(own, top));
  const total = sum(known.weight ? where(reshape(known.weight, losses.shape), losses, 0) : losses);
  const weight = known.weight ? sum(known.weight) : rows.graph.scalar(rows.shape[0]!, 'f64');
  const finish: Aggregate['finish'] = ({ total, weight }) => expOf(total![0]! / weight![0]!);
  return checked({ summed: { total, weight }, finish }, [known.fault]);
}

const perplexityKind = kind('Perplexity', perplexityOptions);

/**
 * Perplexity of logits against labels, over arrays; see `perplexity`.
 * @shape logits [..., classes], labels [...] -> a number
 * @throws OptionError; ShapeError of `update` if shapes do not fit
 * @see sklearn.metrics.log_loss, exponentiated
 */
export class Perplexity extends Summing {
  /** @throws OptionError */
  constructor(options: PerplexityOptions = {}) {
    const read = perplexityKind.made(arguments);
    super(perplexityKind, read, (op, logits, labels) => {
      const { batch } = classRows(op, logits, labels);
      const build = (x: Tensor, y: Tensor): Checked => measurePerplexity(op, x, y, read);
      return { batch: { ...batch, xRow: batch.xRow.length === 0 ? [1] : batch.xRow }, build };
    });
  }
}
