// image.ts: padding, upsampling, the residual network.
import { ResNet20 } from '../../../lib/models/index.ts';
import { ResidualBlock } from '../../../lib/models/resnet20.ts';
import {
  CircularPad2d,
  CircularPad3d,
  ConstantPad2d,
  ConstantPad3d,
  Dropout1d,
  Dropout2d,
  Dropout3d,
  PixelShuffle,
  PixelUnshuffle,
  ReflectionPad2d,
  ReflectionPad3d,
  ReplicationPad1d,
  ReplicationPad3d,
  Upsample,
  ZeroPad1d,
  ZeroPad2d,
  ZeroPad3d,
} from '../../../lib/nn/index.ts';
import { type ParityCase, parity } from '../case.ts';

const x = { shape: [2, 3, 5, 4] };
const volumes = { shape: [2, 2, 3, 5, 4] };
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
  dropout3dEval: parity({ module: () => new Dropout3d(), inputs: { x: volumes }, mode: 'eval' }),
  zeroPad3d: parity({ module: () => new ZeroPad3d([1, 2, 0, 3, 2, 1]), inputs: { x: volumes } }),
  constantPad3d: parity({ module: () => new ConstantPad3d([1, 0, 0, 2, 1, 3], 0.5), inputs: { x: volumes } }),
  reflectionPad3d: parity({ module: () => new ReflectionPad3d([3, 1, 2, 4, 2, 0]), inputs: { x: volumes } }),
  replicationPad3d: parity({ module: () => new ReplicationPad3d([1, 0, 2, 1, 3, 4]), inputs: { x: volumes } }),
  circularPad3d: parity({ module: () => new CircularPad3d([4, 1, 2, 0, 1, 3]), inputs: { x: volumes } }),
  upsampleNearest3d: parity({ module: () => new Upsample({ size: [4, 7, 6] }), inputs: { x: volumes } }),
  upsampleTrilinear: parity({
    module: () => new Upsample({ scaleFactor: [2, 1.5, 2], mode: 'trilinear' }),
    inputs: { x: volumes },
  }),
  upsampleTrilinearAligned: parity({
    module: () => new Upsample({ size: [5, 4, 7], mode: 'trilinear', alignCorners: true }),
    inputs: { x: volumes },
  }),
  residualBlock: parity({ module: () => new ResidualBlock(3, 4, 2), inputs: { x: { shape: [2, 3, 6, 6] } } }),
  // With more images some relu's input is so near 0 that rounding decides its sign, here or in PyTorch's f32, and the gradients part ways.
  resnet20: parity({ module: () => new ResNet20(), inputs: { x: { shape: [4, 3, 32, 32] } }, large: true }),
};
