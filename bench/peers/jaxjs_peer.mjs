// jaxjs_peer.mjs: jax-js on its wasm backend as a peer: whole training steps of the MLPs, jitted, with clip and optimizer written by hand,
// since it has none. Its arrays are counted: an operation takes what it is given, and `ref` keeps it.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { option } from '../../dist/bench/engines/serve.js';
import { serveSteps } from './mlps.mjs';

const LR = 1e-4;

async function stepsOf({ x: input, y: target, classify, optimizer, layers, params }) {
  const entry = join(option('--home'), 'node_modules/@jax-js/jax/dist/index.js');
  const { init, defaultDevice, blockUntilReady, jit, nn, numpy: np, tree, valueAndGrad } = await import(pathToFileURL(entry));
  await init('wasm');
  defaultDevice('wasm');

  const array = ({ data, shape }) => np.array(data, { dtype: data instanceof Int32Array ? np.int32 : np.float32 }).reshape(shape);
  const x = array(input);
  const y = classify ? nn.oneHot(array(target), 10) : array(target);
  const forward = (ps, x) =>
    ps.reduce((h, [w, b], i) => {
      const sum = np.dot(h, w).add(b);
      return i < ps.length - 1 ? nn.relu(sum) : sum;
    }, x);
  const rows = input.shape[0];
  const loss = (ps, x, y) =>
    classify
      ? nn
          .logSoftmax(forward(ps, x))
          .mul(y)
          .sum()
          .mul(-1 / rows)
      : // Rows first: of a quarter of a million squares in one sum too many digits would be lost.
        np.square(forward(ps, x).sub(y)).mean(1).mean();

  const add = (list) => list.reduce((a, b) => a.add(b));
  const weights = () => layers.map(([w, b]) => [array(w).transpose(), array(b)]);
  const zeros = () => layers.map(([w, b]) => [np.zeros(w.shape.toReversed()), np.zeros(b.shape)]);
  /** How many slots a rule has, what it reads in step t, and (parameters, slots) after it. */
  const rules = {
    sgd: {
      slots: 1,
      hyper: () => [],
      next(ps, [v], g) {
        const moved = tree.map((v, g) => v.mul(0.9).add(g), v, g);
        return [tree.map((p, v) => p.sub(v.mul(LR)), ps, tree.ref(moved)), [moved]];
      },
    },
    adamw: {
      slots: 2,
      hyper: (t) => [LR / (1 - 0.9 ** t), 1 / Math.sqrt(1 - 0.999 ** t)].map((h) => np.array(h)),
      next(ps, [m, v], g, [size, root]) {
        const means = tree.map((m, g) => m.mul(0.9).add(g.mul(0.1)), m, tree.ref(g));
        const squares = tree.map((v, g) => v.mul(0.999).add(np.square(g).mul(0.001)), v, g);
        const moved = tree.map(
          (p, m, v) => p.mul(1 - LR * 0.01).sub(m.mul(size.ref).div(np.sqrt(v).mul(root.ref).add(1e-8))),
          ps,
          tree.ref(means),
          tree.ref(squares),
        );
        size.dispose();
        root.dispose();
        return [moved, [means, squares]];
      },
    },
  };
  const rule = rules[optimizer];

  function variant(clip) {
    const step = jit((ps, slots, hyper, x, y) => {
      let [value, g] = valueAndGrad(loss)(tree.ref(ps), x, y);
      let norm = value.ref;
      if (clip) {
        norm.dispose();
        // Rows first here too: 16 million squares are summed.
        norm = np.sqrt(add(tree.leaves(tree.ref(g)).map((a) => np.square(a).sum(-1).sum())));
        const scale = np.minimum(1, np.array(1).div(norm.ref.add(1e-6)));
        g = tree.map((a) => a.mul(scale.ref), g);
        scale.dispose();
      }
      return [value, norm, ...rule.next(ps, slots, g, hyper)];
    });
    let [ps, slots, t] = [weights(), Array.from({ length: rule.slots }, zeros), 0];
    return async () => {
      const [value, norm, ...rest] = step(ps, slots, rule.hyper(++t), x.ref, y.ref);
      [ps, slots] = rest;
      await blockUntilReady(rest);
      return [(await value.data())[0], (await norm.data())[0]];
    };
  }

  function product(m, n, k) {
    const filled = (...shape) =>
      array({ data: Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(i)), shape });
    const [a, b] = [filled(m, k), filled(k, n)];
    const multiply = jit((a, b) => np.dot(a, b));
    return async () => (await blockUntilReady(multiply(a.ref, b.ref))).dispose();
  }

  return { params, variant, product };
}

await serveSteps(stepsOf);
