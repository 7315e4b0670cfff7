// parameters.mjs: does clipping remove parameters, or make them small? What the weights are after it, after a penalty, weight clipping and pruning.
import { clip, constraint, loss, nn, optim, prune, regularize, Trainer } from 'gradclip';
import { test, train } from './data.mjs';

async function run(what, options = {}) {
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    ...options,
  });
  await trainer.fit(train, { epochs: 20 });
  const weights = [...(await trainer.readParameters()).values()].flatMap(({ data }) => Array.from(data));
  const zeros = weights.filter((w) => w === 0).length;
  const { loss: found } = await trainer.evaluate(test);
  console.log(
    `${what.padEnd(22)} ${String(zeros).padStart(3)} of ${weights.length} are 0, norm ${Math.hypot(...weights).toFixed(1)},`,
    `largest ${Math.max(...weights.map(Math.abs)).toFixed(1)}; test loss ${found.toPrecision(2)}`,
  );
}

const policy = clip.globalNorm(0.3);
await run('no clip');
await run('clip', { clip: policy });
await run('clip, l2 penalty', { clip: policy, regularize: regularize.l2(0.01) });
await run('clip, weights clipped', { clip: policy, constraints: [{ match: '*', constraint: constraint.weightClip(0.5) }] });
await run('clip, pruning', { clip: policy, prune: prune.magnitude({ sparsity: 0.5, begin: 600 }) });
