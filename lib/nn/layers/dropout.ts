// dropout.ts: dropout of single elements, and of whole channels.
import { DTypeError, ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { rate } from '../../ops/args.ts';
import { mul } from '../../ops/elementwise/elementwise.ts';
import { dropout } from '../../ops/random.ts';
import { signature } from '../../options/index.ts';
import { forwardOf, type ReadX } from '../fields.ts';
import { Module } from '../module/module.ts';

const readDropout = signature('nn.Dropout', { p: rate.default(0.5) });
const readDropoutForward = forwardOf('Dropout');

/**
 * In training, elements become 0 with probability `p` and the others grow by 1 / (1 - p); in evaluation nothing
 * changes.
 * @shape x [...] -> [...]
 * @throws OptionError; DTypeError unless x is f32
 * @see torch.nn.Dropout
 */
export class Dropout extends Module {
  /** Probability with which an element becomes 0. */
  readonly p: number;

  /** @param p in [0, 1); default 0.5 */
  constructor(p = 0.5) {
    super();
    this.p = readDropout(arguments).p;
  }

  forward(x: TensorLike): Tensor {
    return dropout(readDropoutForward(arguments).x, this.p);
  }
}

/** One of the layers that drop channels: its readers, and the dimensions of x. */
interface Kind {
  readonly layer: string;
  readonly made: (given: ArrayLike<unknown>) => { readonly p: number };
  readonly forward: ReadX;
  readonly space: readonly string[];
}
const kind = (layer: string, space: readonly string[]): Kind => ({
  layer,
  made: signature(`nn.${layer}`, { p: rate.default(0.5) }),
  forward: forwardOf(layer),
  space,
});

/** What they share: one draw for each channel of each example. */
abstract class ChannelDropout extends Module {
  /** Probability with which a channel becomes 0. */
  readonly p: number;
  readonly #kind: Kind;

  constructor(kind: Kind, p: number) {
    super();
    this.#kind = kind;
    this.p = p;
  }

  /** @throws ShapeError if x has another number of dimensions */
  forward(x: TensorLike): Tensor {
    const { layer, space, forward } = this.#kind;
    const { x: t } = forward(arguments);
    const [batch, channels] = t.shape as [number, number];
    if (t.shape.length !== 2 + space.length) {
      throw new ShapeError(`${layer}: expected x [batch, channels, ${space.join(', ')}], got [${t.shape}]`);
    }
    if (t.dtype !== 'f32') throw new DTypeError(`${layer}: expected f32, got ${t.dtype}; convert it with cast(x, 'f32')`);
    if (!t.graph.dropout || this.p === 0) return t;
    const ones = t.graph.constant(new Float32Array(batch * channels).fill(1), [batch, channels, ...space.map(() => 1)], 'f32');
    return mul(t, dropout(ones, this.p));
  }
}

const dropout1d = kind('Dropout1d', ['length']);
const dropout2d = kind('Dropout2d', ['height', 'width']);
const dropout3d = kind('Dropout3d', ['depth', 'height', 'width']);

/**
 * In training, whole channels of each example become 0 with probability `p` and the others grow by 1 / (1 - p): for features whose
 * neighbors say the same. In evaluation nothing changes.
 * @shape x [batch, channels, length] -> as x
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.Dropout1d
 */
export class Dropout1d extends ChannelDropout {
  /** @param p in [0, 1); default 0.5 */
  constructor(p = 0.5) {
    super(dropout1d, dropout1d.made(arguments).p);
  }
}

/**
 * In training, whole channels of each image become 0 with probability `p` and the others grow by 1 / (1 - p). In evaluation nothing changes.
 * @shape x [batch, channels, height, width] -> as x
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.Dropout2d
 */
export class Dropout2d extends ChannelDropout {
  /** @param p in [0, 1); default 0.5 */
  constructor(p = 0.5) {
    super(dropout2d, dropout2d.made(arguments).p);
  }
}

/**
 * In training, whole channels of each volume become 0 with probability `p` and the others grow by 1 / (1 - p). In evaluation nothing changes.
 * @shape x [batch, channels, depth, height, width] -> as x
 * @throws OptionError; ShapeError for another number of dimensions; DTypeError unless x is f32
 * @see torch.nn.Dropout3d
 */
export class Dropout3d extends ChannelDropout {
  /** @param p in [0, 1); default 0.5 */
  constructor(p = 0.5) {
    super(dropout3d, dropout3d.made(arguments).p);
  }
}
