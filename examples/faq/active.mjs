// active.mjs: is the clip active? What steps report, what a run results in, and what the trainer says about it.
import { clip, loss, nn, optim, Trainer } from 'gradclip';
import { train } from './data.mjs';

const trainer = new Trainer({
  model: new nn.Sequential(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)),
  loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
  optimizer: optim.sgd({ lr: 0.1 }),
  clip: clip.globalNorm(3),
});
const run = trainer.fit(train, { epochs: 10 });
for await (const { step, norm, normAfter, scale } of run) {
  if (scale < 0.17) console.log(`step ${step}: norm ${norm.toFixed(1)} -> ${normAfter.toFixed(1)}, times ${scale.toFixed(3)}`);
}
const { clipped, tried } = await run;
console.log(`${clipped} of ${tried} steps were clipped`);
for (const { code, level } of trainer.advise().warnings) console.log(`${code} (${level})`);
