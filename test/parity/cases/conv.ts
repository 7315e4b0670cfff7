// conv.ts: convolutions and transposed convolutions, lenet.
import { LeNet } from '../../../lib/models/index.ts';
import { Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from '../../../lib/nn/index.ts';
import { type ParityCase, parity } from '../case.ts';

const x = { shape: [2, 4, 9, 11] };
const volumes = { shape: [2, 4, 5, 6, 7] };
export const CONV: Readonly<Record<string, ParityCase>> = {
  conv2d: parity({ module: () => new Conv2d(4, 18, 3, { padding: 1 }), inputs: { x } }),
  conv2dSame: parity({ module: () => new Conv2d(4, 5, [4, 3], { padding: 'same', dilation: [1, 2] }), inputs: { x } }),
  conv2dStride: parity({ module: () => new Conv2d(4, 6, 3, { stride: 2, padding: 1, bias: false }), inputs: { x } }),
  conv2dGroups: parity({ module: () => new Conv2d(4, 6, [3, 5], { stride: [1, 3], groups: 2 }), inputs: { x } }),
  conv2dDepthwise: parity({ module: () => new Conv2d(4, 8, 3, { padding: 1, groups: 4 }), inputs: { x } }),
  conv1d: parity({ module: () => new Conv1d(4, 5, 5, { stride: 2, padding: 2 }), inputs: { x: { shape: [3, 4, 21] } } }),
  convTranspose2d: parity({ module: () => new ConvTranspose2d(4, 5, 3, { stride: 2, outputPadding: 1 }), inputs: { x } }),
  convTranspose1d: parity({
    module: () => new ConvTranspose1d(4, 5, 3, { stride: 2, padding: 1, outputPadding: 1 }),
    inputs: { x: { shape: [3, 4, 9] } },
  }),
  convTranspose1dGroups: parity({
    module: () => new ConvTranspose1d(4, 6, 3, { dilation: 3, groups: 2, outputPadding: 2, bias: false }),
    inputs: { x: { shape: [3, 4, 9] } },
  }),
  convTranspose2dGroups: parity({
    module: () => new ConvTranspose2d(4, 6, 3, { padding: 1, dilation: 2, groups: 2 }),
    inputs: { x },
  }),
  conv3d: parity({ module: () => new Conv3d(4, 6, 3, { padding: 1 }), inputs: { x: volumes } }),
  conv3dSame: parity({
    module: () => new Conv3d(4, 5, [2, 3, 1], { padding: 'same', dilation: [2, 1, 1], bias: false }),
    inputs: { x: volumes },
  }),
  conv3dStrideGroups: parity({
    module: () => new Conv3d(4, 6, [3, 2, 3], { stride: [2, 3, 1], padding: [2, 0, 1], groups: 2 }),
    inputs: { x: volumes },
  }),
  convTranspose3d: parity({
    module: () => new ConvTranspose3d(4, 5, [3, 2, 3], { stride: [2, 1, 2], padding: [1, 0, 1], outputPadding: [1, 0, 0] }),
    inputs: { x: volumes },
  }),
  // Few images: among many windows there are some whose largest two differ by less than f32 can tell.
  lenet: parity({ module: () => new LeNet(), inputs: { x: { shape: [16, 1, 28, 28] } }, large: true }),
};
