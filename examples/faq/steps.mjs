// steps.mjs: does clipping slow training down? Steps until the test loss is below 0.05.
import { clip, loss, nn, optim, Trainer } from 'gradclip';
import { test, train } from './data.mjs';

for (const threshold of [Infinity, 1, 0.3, 0.03]) {
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    clip: clip.globalNorm(threshold), // Infinity: measured, never clipped
  });
  let until = 0;
  while (trainer.counters.step < 1000) {
    await trainer.fit(train, { steps: 20 });
    if ((await trainer.evaluate(test)).loss < 0.05) until ||= trainer.counters.step;
  }
  const when = until > 0 ? `after ${until} steps` : 'not in 1000 steps';
  console.log(`globalNorm(${threshold}): test loss below 0.05 ${when}`);
}
