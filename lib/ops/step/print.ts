// print.ts: a tensor is printed whenever it has been computed. It is measured in the program, natively, and printed when the run is over.
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { bool, fn, options, signature, text, whole } from '../../options/index.ts';
import { tensor } from '../args.ts';
import { describe, describedBy, statisticsText, type TensorStatistics } from '../reduce/describe.ts';

/** What `print` tells. */
export interface Printed extends TensorStatistics {
  /** What the call of `ops.print` named it. */
  readonly label: string;
  /** Of the gradient of the loss with respect to the tensor. */
  readonly gradient: boolean;
  /** Batches drawn before it, in a `fit`; else the place of the batch among those of the call. */
  readonly batch: number;
}

/** Options of `ops.print`. */
export interface PrintOptions {
  /** Tell its gradient, too, wherever one is computed. Default false. */
  readonly gradient?: boolean;
  /** Only every so many batches. Default 1. */
  readonly every?: number;
  /** Gets the line, and what it is made of. Default `console.log`. */
  readonly to?: (line: string, printed: Printed) => void;
}

const readPrint = signature(
  'ops.print',
  { x: tensor, label: text.or('') },
  options<PrintOptions>()({
    gradient: bool.default(false),
    every: whole({ min: 1 }).default(1),
    to: fn<NonNullable<PrintOptions['to']>>().optional(),
  }),
);

/**
 * `x` itself; whenever it has been computed, a line is printed with its label, batch, type, smallest and largest value,
 * mean, 2-norm, how many are NaN or infinite, and the first values. In training, evaluation and prediction, on any
 * number of threads; the bits of what is computed stay the same. Lines come when a run of steps is over, which takes
 * 20 ms; of a step of several micro-batches the last one is printed.
 * ```ts
 * const h = ops.print(ops.relu(this.fc1.forward(x)), 'hidden', { gradient: true, every: 100 });
 * // hidden, batch 0: f32[32,64] min 0 max 1.73 mean 0.2 norm 13; 0 0.3 0 0 1.1 0.2 ... of 2048
 * ```
 * @shape x [...] -> [...]
 * @param label Default: what made the tensor, such as `linear fc1`.
 * @throws OptionError
 * @see gradclip
 */
export function print<T extends TensorLike>(x: T, label?: string, options: PrintOptions = {}): T {
  const { x: t, label: given, gradient, every, to = (line) => console.log(line) } = readPrint(arguments);
  const name = given || t.toString().replace(/^Tensor \S+ of /, '');
  const tell = (of: Tensor, isGradient: boolean): void => {
    const { graph } = of;
    const column = `print ${graph.prints.size}`;
    graph.output(column, describe(of));
    graph.prints.set(column, {
      section: of.node.section,
      tell(numbers, batch) {
        if (batch % every !== 0) return;
        const printed = { label: name, gradient: isGradient, batch, ...describedBy(numbers, of.type) };
        const what = isGradient ? `gradient of ${name}` : name;
        to(`${what}, batch ${batch}: ${statisticsText(printed)}`, printed);
      },
    });
  };
  tell(t, false);
  if (gradient) t.graph.watchGradient(t, (dy) => tell(dy, true));
  return x;
}
