// nan.mjs: why NaN, although it is clipped? A NaN times anything is NaN: it is skipped, or it goes on.
import { clip, loss, nn, optim, Trainer } from 'gradclip';
import { test, train } from './data.mjs';

const x = train.x.with(1234, [NaN, 0, 0, 0]); // one number of 8,000 is none

for (const nonFinite of /** @type {const} */ (['skip', 'propagate'])) {
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    clip: clip.globalNorm(0.3, { nonFinite }),
  });
  const { tried, skipped, warnings } = await trainer.fit({ x, y: train.y }, { epochs: 20 });
  const { loss: found } = await trainer.evaluate(test);
  console.log(`${nonFinite}: ${skipped} of ${tried} steps skipped, test loss ${found.toPrecision(2)}`);
  for (const { message } of warnings) console.log(`  ${message}`);
}
