// learning-rate.mjs: does clipping change the learning rate? Where every step is clipped, the length of SGD's steps is rate times threshold.
import { clip, loss, nn, optim, Trainer } from 'gradclip';
import { test, train } from './data.mjs';

async function run(name, lr, threshold) {
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim[name]({ lr }),
    clip: clip.globalNorm(threshold),
  });
  const { tried, clipped } = await trainer.fit(train, { epochs: 5 });
  const { loss: found } = await trainer.evaluate(test);
  const share = ((100 * clipped) / tried).toFixed(0);
  console.log(
    `${name.padEnd(4)}  lr ${String(lr).padEnd(4)}  threshold ${String(threshold).padEnd(5)}  loss ${found.toFixed(3)}, ${share} % clipped`,
  );
}

await run('sgd', 1, 0.01);
await run('sgd', 10, 0.001);
await run('sgd', 1, 0.001);
await run('adam', 0.01, 0.01);
await run('adam', 0.01, 0.001);
