// pixel-shuffle.ts: channels that become pixels, and the other way round.
import { ShapeError } from '../../errors.ts';
import type { Tensor, TensorLike } from '../../ir/graph.ts';
import { reshape, transpose } from '../../ops/shape/shape.ts';
import { signature } from '../../options/index.ts';
import { forwardOf, size } from '../fields.ts';
import { Module } from '../module/module.ts';

const readShuffle = signature('nn.PixelShuffle', { upscaleFactor: size });
const readShuffleForward = forwardOf('PixelShuffle');

/**
 * Each `upscaleFactor` squared channels become one whose images are so many times as high and as wide: what super-resolution ends with
 * (Shi et al. 2016).
 * @shape x [batch, channels * upscaleFactor^2, height, width] -> [batch, channels, height * upscaleFactor, width * upscaleFactor]
 * @throws OptionError; ShapeError for another number of dimensions, or of channels
 * @see torch.nn.PixelShuffle
 */
export class PixelShuffle extends Module {
  /** How many times as high and as wide. */
  readonly upscaleFactor: number;

  constructor(upscaleFactor: number) {
    super();
    this.upscaleFactor = readShuffle(arguments).upscaleFactor;
  }

  forward(x: TensorLike): Tensor {
    const { x: t } = readShuffleForward(arguments);
    const r = this.upscaleFactor;
    const [batch, channels, height, width] = imagesOf('PixelShuffle', t);
    if (channels % (r * r) !== 0)
      throw new ShapeError(`PixelShuffle: expected x [batch, a multiple of ${r * r}, height, width], got [${t.shape}]`);
    const count = channels / (r * r);
    const blocks = reshape(t, [batch, count, r, r, height, width]);
    return reshape(transpose(blocks, { axes: [0, 1, 4, 2, 5, 3] }), [batch, count, height * r, width * r]);
  }
}

const readUnshuffle = signature('nn.PixelUnshuffle', { downscaleFactor: size });
const readUnshuffleForward = forwardOf('PixelUnshuffle');

/**
 * The inverse of `PixelShuffle`: each square of `downscaleFactor` squared pixels becomes as many channels.
 * @shape x [batch, channels, height * downscaleFactor, width * downscaleFactor] -> [batch, channels * downscaleFactor^2, height, width]
 * @throws OptionError; ShapeError for another number of dimensions, and for images whose sides the factor does not divide
 * @see torch.nn.PixelUnshuffle
 */
export class PixelUnshuffle extends Module {
  /** How many times less high and wide. */
  readonly downscaleFactor: number;

  constructor(downscaleFactor: number) {
    super();
    this.downscaleFactor = readUnshuffle(arguments).downscaleFactor;
  }

  forward(x: TensorLike): Tensor {
    const { x: t } = readUnshuffleForward(arguments);
    const r = this.downscaleFactor;
    const [batch, channels, height, width] = imagesOf('PixelUnshuffle', t);
    if (height % r !== 0 || width % r !== 0) {
      throw new ShapeError(`PixelUnshuffle: expected images whose height and width ${r} divides, got [${t.shape}]`);
    }
    const blocks = reshape(t, [batch, channels, height / r, r, width / r, r]);
    return reshape(transpose(blocks, { axes: [0, 1, 3, 5, 2, 4] }), [batch, channels * r * r, height / r, width / r]);
  }
}

function imagesOf(layer: string, { shape }: Tensor): readonly [number, number, number, number] {
  if (shape.length !== 4) throw new ShapeError(`${layer}: expected x [batch, channels, height, width], got [${shape}]`);
  return shape as [number, number, number, number];
}
