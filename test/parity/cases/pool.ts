// pool.ts: pooling, which has no weights: what is compared is the gradient of the input.
import {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveAvgPool3d,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  AdaptiveMaxPool3d,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
} from '../../../lib/nn/index.ts';
import { type ParityCase, parity } from '../case.ts';

const x = { shape: [2, 3, 7, 9] };
const volumes = { shape: [2, 3, 5, 6, 7] };
export const POOL: Readonly<Record<string, ParityCase>> = {
  maxPool2d: parity({ module: () => new MaxPool2d(2), inputs: { x } }),
  maxPool2dPadded: parity({ module: () => new MaxPool2d(3, { stride: 2, padding: 1 }), inputs: { x } }),
  maxPool1d: parity({ module: () => new MaxPool1d(3, { stride: 2 }), inputs: { x: { shape: [2, 3, 11] } } }),
  avgPool2d: parity({ module: () => new AvgPool2d(3, { stride: 2, padding: 1 }), inputs: { x } }),
  avgPool1d: parity({ module: () => new AvgPool1d(2), inputs: { x: { shape: [2, 3, 11] } } }),
  adaptiveAvgPool1d: parity({ module: () => new AdaptiveAvgPool1d(4), inputs: { x: { shape: [2, 3, 11] } } }),
  adaptiveAvgPool2d: parity({ module: () => new AdaptiveAvgPool2d([3, 2]), inputs: { x } }),
  adaptiveMaxPool1d: parity({ module: () => new AdaptiveMaxPool1d(4), inputs: { x: { shape: [2, 3, 11] } } }),
  // Windows that overlap in both dimensions, in one of them, in none, and more windows than rows.
  adaptiveMaxPool2d: parity({ module: () => new AdaptiveMaxPool2d([3, 2]), inputs: { x } }),
  adaptiveMaxPool2dColumns: parity({ module: () => new AdaptiveMaxPool2d([7, 4]), inputs: { x } }),
  adaptiveMaxPool2dEqual: parity({ module: () => new AdaptiveMaxPool2d([null, 3]), inputs: { x } }),
  adaptiveMaxPool2dMore: parity({ module: () => new AdaptiveMaxPool2d([9, 1]), inputs: { x } }),
  maxPool3d: parity({ module: () => new MaxPool3d([3, 2, 2], { stride: 2, padding: [1, 0, 1] }), inputs: { x: volumes } }),
  avgPool3d: parity({
    module: () => new AvgPool3d([3, 2, 2], { stride: 2, padding: [1, 0, 1], countIncludePad: false }),
    inputs: { x: volumes },
  }),
  adaptiveAvgPool3d: parity({ module: () => new AdaptiveAvgPool3d([2, 4, 3]), inputs: { x: volumes } }),
  adaptiveMaxPool3d: parity({ module: () => new AdaptiveMaxPool3d([3, null, 2]), inputs: { x: volumes } }),
};
