// clip-function.mjs: a clip is a function of gradients. Beside it in a training: a loss, a penalty on the weights, and pruning.
import { clip, loss, nn, optim, preprocess, prune, regularize, Trainer } from 'gradclip';

// A clip as articles write it, and the same by the library.
const mine = (gradient, most) => gradient.map((value) => Math.min(most, Math.max(-most, value)));
const gradient = Float32Array.of(0.5, -3, 40);
console.log(mine(gradient, 1), clip.apply([gradient], clip.value(1)).grads);

// 2,000 rows of 20 numbers; is the sum of the first two above 0? The answer of one in ten is wrong. 200 rows are learned.
const x = Array.from({ length: 2000 }, (_, i) => Array.from({ length: 20 }, (_, k) => Math.sin((i + 1) * (k + 1) * (k + 2))));
const y = x.map(([u, v], i) => Number(u + v > 0) ^ Number(i % 10 === 7));
const { train, test } = preprocess.split({ x, y }, { test: 0.9 });

/** Train with a policy and other options of the trainer, and print what comes of it. */
async function run(what, policy, options = {}) {
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(20, 64), new nn.ReLU(), new nn.Linear(64, 2)),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.adam({ lr: 0.01 }),
    clip: policy,
    ...options,
  });
  const { clipped, tried } = await trainer.fit(train, { epochs: 60 });
  const [learned, others] = [await trainer.evaluate(train), await trainer.evaluate(test)];
  const { total } = await trainer.sparsity();
  console.log(`${what}: loss ${learned.loss.toFixed(2)}, on other rows ${others.loss.toFixed(2)}`);
  console.log(`  ${clipped} of ${tried} steps clipped, ${(100 * total).toFixed(0)} % of the weights pruned`);
}

const penalty = regularize.l2(0.01);
const pruning = prune.magnitude({ sparsity: 0.8, begin: 100, end: 300, every: 50 });
await run('nothing', clip.none());
await run('clip', clip.globalNorm(1));
await run('clip, penalty', clip.globalNorm(1), { regularize: penalty });
await run('clip, penalty, pruning', clip.globalNorm(1), { regularize: penalty, prune: pruning });
