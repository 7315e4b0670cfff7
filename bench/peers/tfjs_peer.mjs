// tfjs_peer.mjs: TensorFlow.js on its wasm backend as a peer: whole training steps of the MLPs, with a clip by global norm written
// by hand, since it has none. In Node its wasm runs on one thread, whatever --threads says.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { option, serve } from '../../dist/bench/engines/serve.js';
import { floats, ids, linearBounds, SEED } from '../../dist/bench/workload.js';
import { sampleCalls } from '../../dist/lib/cli/bench/sample.js';
import { uniform } from '../../dist/test/golden/runs/recipe.js';

const MLPS = {
  'mlp-tiny': { sizes: [10, 10, 1], rows: 32, classify: false },
  'mlp-small': { sizes: [784, 256, 128, 10], rows: 64, classify: true },
};

async function stepCell(name) {
  const require = createRequire(join(option('--home'), 'package.json'));
  const tf = require('@tensorflow/tfjs');
  require('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend('wasm');
  await tf.ready();

  const { sizes, rows, classify } = MLPS[name];
  const tensor = ({ data, shape }, dtype) => tf.tensor(data, shape, dtype);
  const x = tensor(floats(SEED.x, rows, sizes[0]));
  const y = classify ? tf.oneHot(tensor(ids(SEED.y, 10, rows), 'int32'), 10).toFloat() : tensor(floats(SEED.y, rows, 1));

  function variant(clip) {
    const bounds = linearBounds(...sizes.slice(0, -1));
    const fill = (k, ...shape) => {
      const values = uniform(
        k,
        shape.reduce((a, b) => a * b),
      ).map((u) => u * bounds[k]);
      return tf.variable(shape.length === 2 ? tf.tensor(values, shape).transpose() : tf.tensor(values, shape));
    };
    const layers = sizes.slice(1).map((out, i) => [fill(2 * i, out, sizes[i]), fill(2 * i + 1, out)]);
    const forward = () =>
      layers.reduce((h, [w, b], i) => {
        const sum = h.matMul(w).add(b);
        return i < layers.length - 1 ? sum.relu() : sum;
      }, x);
    const loss = () => (classify ? tf.losses.softmaxCrossEntropy(y, forward()) : tf.losses.meanSquaredError(y, forward()));
    const optimizer = tf.train.momentum(1e-4, 0.9);
    return () => {
      return tf.tidy(() => {
        const { value, grads } = tf.variableGrads(loss);
        const norm = clip ? tf.sqrt(tf.addN(Object.values(grads).map((g) => g.square().sum()))) : null;
        const scale = norm && tf.minimum(1, tf.div(1, norm.add(1e-6)));
        optimizer.applyGradients(scale ? Object.fromEntries(Object.entries(grads).map(([k, g]) => [k, g.mul(scale)])) : grads);
        return [value.dataSync()[0], norm?.dataSync()[0]];
      });
    };
  }

  const [clipped, free] = [variant(true), variant(false)];
  const first = [clipped(), clipped(), clipped()];
  for (const call of [clipped, free]) for (let i = 0; i < 20; i++) call();
  const params = sizes.slice(1).reduce((sum, out, i) => sum + out * (sizes[i] + 1), 0);
  return {
    info: { params, loss: first.map(([loss]) => loss), norm: first.map(([, norm]) => norm) },
    variants: { step: (seconds) => sampleCalls(clipped, 1, seconds), noclip: (seconds) => sampleCalls(free, 1, seconds) },
  };
}

const cell = option('--cell');
if (option('--suite') !== 'step') await serve('whole steps only');
else await serve(MLPS[cell] ? await stepCell(cell) : `no model for ${cell}`);
