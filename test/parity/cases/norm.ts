// norm.ts: batch norm, in training and in evaluation; group and instance norm.
import {
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  GroupNorm,
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
  LayerNorm,
} from '../../../lib/nn/index.ts';
import { type ParityCase, parity } from '../case.ts';

const image = { shape: [4, 6, 5, 7] };
const volumes = { shape: [3, 4, 3, 2, 5] };
/** As `trained`, of the examples' own statistics. */
function instances(): InstanceNorm2d {
  const layer = new InstanceNorm2d(6, { trackRunningStats: true, affine: true });
  layer.running_mean!.data = [0.5, -1, 0.25, 0, 2, -0.125];
  layer.running_var!.data = [1, 0.5, 2, 0.25, 4, 0.75];
  return layer;
}

/** With running statistics that are not the first ones. */
function trained(): BatchNorm2d {
  const layer = new BatchNorm2d(6);
  layer.running_mean!.data = [0.5, -1, 0.25, 0, 2, -0.125];
  layer.running_var!.data = [1, 0.5, 2, 0.25, 4, 0.75];
  return layer;
}

export const NORM: Readonly<Record<string, ParityCase>> = {
  batchNorm1d: parity({ module: () => new BatchNorm1d(9), inputs: { x: { shape: [7, 9] } } }),
  batchNorm1dLength: parity({
    module: () => new BatchNorm1d(5, { momentum: null, eps: 1e-3 }),
    inputs: { x: { shape: [3, 5, 8] } },
  }),
  batchNorm2d: parity({ module: () => new BatchNorm2d(6), inputs: { x: image } }),
  batchNorm2dPlain: parity({ module: () => new BatchNorm2d(6, { affine: false, momentum: 0.3 }), inputs: { x: image } }),
  batchNorm2dUntracked: parity({
    module: () => new BatchNorm2d(6, { trackRunningStats: false }),
    inputs: { x: image },
    mode: 'eval',
  }),
  batchNorm2dEval: parity({ module: trained, inputs: { x: image }, mode: 'eval' }),
  batchNorm2dNoBias: parity({ module: () => new BatchNorm2d(6, { bias: false }), inputs: { x: image } }),
  batchNorm2dNoBiasEval: parity({ module: () => new BatchNorm2d(6, { bias: false }), inputs: { x: image }, mode: 'eval' }),
  groupNormNoBias: parity({ module: () => new GroupNorm(2, 6, { bias: false }), inputs: { x: image } }),
  instanceNorm1dTracked: parity({
    module: () => new InstanceNorm1d(5, { trackRunningStats: true, momentum: 0.3 }),
    inputs: { x: { shape: [3, 5, 8] } },
  }),
  instanceNorm2dTracked: parity({ module: instances, inputs: { x: image } }),
  instanceNorm2dEval: parity({ module: instances, inputs: { x: image }, mode: 'eval' }),
  groupNorm: parity({ module: () => new GroupNorm(3, 6), inputs: { x: image } }),
  instanceNorm1d: parity({ module: () => new InstanceNorm1d(5), inputs: { x: { shape: [3, 5, 8] } } }),
  instanceNorm2d: parity({ module: () => new InstanceNorm2d(6, { affine: true }), inputs: { x: image } }),
  batchNorm3d: parity({ module: () => new BatchNorm3d(4, { momentum: 0.3 }), inputs: { x: volumes } }),
  instanceNorm3d: parity({
    module: () => new InstanceNorm3d(4, { affine: true, trackRunningStats: true }),
    inputs: { x: volumes },
  }),
  groupNormVolumes: parity({ module: () => new GroupNorm(2, 4), inputs: { x: volumes } }),
  layerNormVolumes: parity({ module: () => new LayerNorm([4, 3, 2, 5]), inputs: { x: volumes } }),
};
