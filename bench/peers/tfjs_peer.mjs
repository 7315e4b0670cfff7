// tfjs_peer.mjs: TensorFlow.js on its wasm backend as a peer: whole training steps of the MLPs, with a clip by global norm written
// by hand, since it has none. In Node its wasm runs on one thread, whatever --threads says.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { option } from '../../dist/bench/engines/serve.js';
import { serveSteps } from './mlps.mjs';

async function stepsOf({ x: input, y: target, classify, optimizer, layers: values, params }) {
  const require = createRequire(join(option('--home'), 'package.json'));
  const tf = require('@tensorflow/tfjs');
  require('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend('wasm');
  await tf.ready();

  const tensor = ({ data, shape }, dtype) => tf.tensor(data, shape, dtype);
  const x = tensor(input);
  const y = classify ? tf.oneHot(tensor(target, 'int32'), 10).toFloat() : tensor(target);
  const lr = 1e-4;

  function variant(clip) {
    const layers = values.map(([w, b]) => [tf.variable(tensor(w).transpose()), tf.variable(tensor(b))]);
    const forward = () =>
      layers.reduce((h, [w, b], i) => {
        const sum = h.matMul(w).add(b);
        return i < layers.length - 1 ? sum.relu() : sum;
      }, x);
    // Rows first: of a quarter of a million squares in one sum too many digits would be lost.
    const squares = () => tf.squaredDifference(y, forward()).mean(1).mean();
    const loss = () => (classify ? tf.losses.softmaxCrossEntropy(y, forward()) : squares());
    const rule = optimizer === 'adamw' ? tf.train.adam(lr, 0.9, 0.999, 1e-8) : tf.train.momentum(lr, 0.9);
    return () => {
      return tf.tidy(() => {
        const { value, grads } = tf.variableGrads(loss);
        const norm = clip ? tf.sqrt(tf.addN(Object.values(grads).map((g) => g.square().sum(-1).sum()))) : null;
        const scale = norm && tf.minimum(1, tf.div(1, norm.add(1e-6)));
        if (optimizer === 'adamw') for (const v of layers.flat()) v.assign(v.mul(1 - lr * 0.01));
        rule.applyGradients(scale ? Object.fromEntries(Object.entries(grads).map(([k, g]) => [k, g.mul(scale)])) : grads);
        return [value.dataSync()[0], norm?.dataSync()[0]];
      });
    };
  }

  function product(m, n, k) {
    const [a, b] = [tf.randomNormal([m, k]), tf.randomNormal([k, n])];
    return () => a.matMul(b).dispose();
  }

  return { params, variant, product };
}

await serveSteps(stepsOf);
