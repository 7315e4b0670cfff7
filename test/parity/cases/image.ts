// image.ts: padding, upsampling, the residual network.
import { ResNet20 } from '../../../lib/models/index.ts';
import { ResidualBlock } from '../../../lib/models/resnet20.ts';
import {
  CircularPad2d,
  ConstantPad2d,
  Dropout1d,
  Dropout2d,
  PixelShuffle,
  PixelUnshuffle,
  ReflectionPad2d,
  ReplicationPad1d,
  Upsample,
  ZeroPad1d,
  ZeroPad2d,
} from '../../../lib/nn/index.ts';
import { type ParityCase, parity } from '../case.ts';

const x = { shape: [2, 3, 5, 4] };
export const IMAGE: Readonly<Record<string, ParityCase>> = {
  pixelShuffle: parity({ module: () => new PixelShuffle(2), inputs: { x: { shape: [2, 12, 5, 4] } } }),
  pixelUnshuffle: parity({ module: () => new PixelUnshuffle(3), inputs: { x: { shape: [2, 2, 6, 9] } } }),
  // What is drawn in training is tested in test/nn/channel-dropout.test.ts.
  dropout1dEval: parity({ module: () => new Dropout1d(0.4), inputs: { x: { shape: [2, 3, 5] } }, mode: 'eval' }),
  dropout2dEval: parity({ module: () => new Dropout2d(), inputs: { x }, mode: 'eval' }),
  zeroPad1d: parity({ module: () => new ZeroPad1d([2, 1]), inputs: { x: { shape: [2, 3, 5] } } }),
  zeroPad2d: parity({ module: () => new ZeroPad2d([1, 2, 0, 3]), inputs: { x } }),
  constantPad2d: parity({ module: () => new ConstantPad2d(1, 0.5), inputs: { x } }),
  reflectionPad2d: parity({ module: () => new ReflectionPad2d([3, 1, 2, 4]), inputs: { x } }),
  replicationPad1d: parity({ module: () => new ReplicationPad1d(3), inputs: { x: { shape: [2, 3, 5] } } }),
  circularPad2d: parity({ module: () => new CircularPad2d([4, 1, 2, 0]), inputs: { x } }),
  upsampleNearest: parity({ module: () => new Upsample({ scaleFactor: 2 }), inputs: { x } }),
  upsampleBilinear: parity({ module: () => new Upsample({ size: [7, 9], mode: 'bilinear' }), inputs: { x } }),
  upsampleAligned: parity({
    module: () => new Upsample({ scaleFactor: 3, mode: 'bilinear', alignCorners: true }),
    inputs: { x },
  }),
  residualBlock: parity({ module: () => new ResidualBlock(3, 4, 2), inputs: { x: { shape: [2, 3, 6, 6] } } }),
  // With more images some relu's input is so near 0 that rounding decides its sign, here or in PyTorch's f32, and the gradients part ways.
  resnet20: parity({ module: () => new ResNet20(), inputs: { x: { shape: [4, 3, 32, 32] } }, large: true }),
};
