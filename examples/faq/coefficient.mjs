// coefficient.mjs: which coefficient? Test loss for thresholds over six decades, with SGD and with Adam.
import { clip, loss, nn, optim, Trainer } from 'gradclip';
import { test, train } from './data.mjs';

const optimizers = { sgd: () => optim.sgd({ lr: 0.1 }), adam: () => optim.adam({ lr: 0.01 }) };

async function run(make, policy) {
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: make(),
    clip: policy,
  });
  const { tried, clipped } = await trainer.fit(train, { epochs: 20 });
  const { loss: found } = await trainer.evaluate(test);
  const cell = `${found.toPrecision(2)} (${((100 * clipped) / tried).toFixed(0)} %)`;
  return { cell, advice: trainer.advise() };
}

const row = (cells) =>
  console.log(
    cells
      .map((cell) => cell.padEnd(16))
      .join('')
      .trimEnd(),
  );
row(['threshold', ...Object.keys(optimizers)]);
async function rowOf(name, policy) {
  const found = [];
  for (const make of Object.values(optimizers)) found.push(await run(make, policy));
  row([name, ...found.map(({ cell }) => cell)]);
  return found[0].advice;
}

const { threshold: advised, warnings } = await rowOf('none', clip.none());
for (const threshold of [100, 10, 3, 1, 0.3, 0.1, 0.01, 0.001]) await rowOf(String(threshold), clip.globalNorm(threshold));
await rowOf('as advised', clip.globalNorm(advised));
console.log(
  `advised for sgd, from the run without a clip: ${advised.toFixed(2)}; ${warnings.map(({ code }) => code).join(', ')}`,
);
