// log-sum-exp.ts: the logarithm of a sum of exponentials, of the reductions and elementwise operations there are.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { signature } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { add, cast, exp, isFinite as isFiniteEach, log, sub, where } from '../elementwise/elementwise.ts';
import { floats } from '../elementwise/promote.ts';
import { resolveAxes } from '../shape/axes.ts';
import { reshape } from '../shape/shape.ts';
import { extremeOver, type ReduceOptions, reduceOptions, SHIFT, sum } from './reduce.ts';

const readLogSumExp = signature('ops.logSumExp', { x: tensor }, reduceOptions);

/**
 * log(sum(exp(x))) over `axes`, without overflow: the largest element is taken out first. The
 * sum, its logarithm and the largest are added up in f64. -Infinity for a row of -Infinity, as for no elements; its
 * gradient there is NaN, else the softmax.
 * @shape x [...] -> scalar, or without the dimensions of `axes`
 * @throws OptionError
 * @see torch.logsumexp
 */
export function logSumExp(x: TensorLike, options: ReduceOptions = {}): Tensor {
  const { x: read, keepDims, ...given } = readLogSumExp(arguments);
  const t = floats(read);
  const axes = resolveAxes('logSumExp', given.axes, t.shape.length);
  const empty = axes.some((a) => t.shape[a] === 0);
  const top = empty
    ? t.graph.scalar(0, t.dtype === 'f64' ? 'f64' : 'f32')
    : finite(extremeOver(SHIFT, t, { axes, keepDims: true }));
  const total = sum(exp(sub(t, top)), { axes, keepDims: true, dtype: 'f64' });
  const y = cast(add(log(total), cast(top, 'f64')), t.dtype);
  return keepDims
    ? y
    : reshape(
        y,
        t.shape.filter((_, i) => !axes.includes(i)),
      );
}

/** An infinity taken from itself would be NaN. */
const finite = (x: Tensor): Tensor => where(isFiniteEach(x), x, 0);
