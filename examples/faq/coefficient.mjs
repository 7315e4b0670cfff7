// coefficient.mjs: which coefficient? Test loss for thresholds over six decades, with SGD and with Adam.
import { clip, loss, nn, optim, Trainer } from 'gradclip';
import { quantile, test, train } from './data.mjs';

const optimizers = { sgd: () => optim.sgd({ lr: 0.1 }), adam: () => optim.adam({ lr: 0.01 }) };

async function run(make, policy) {
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: make(),
    clip: policy,
  });
  const norms = [];
  const onSteps = (steps) => {
    for (const { norm } of steps) norms.push(norm);
  };
  const { tried, clipped } = await trainer.fit(train, { epochs: 20, callbacks: [{ onSteps }] });
  const { loss: found } = await trainer.evaluate(test);
  const cell = `${found.toPrecision(2)} (${((100 * clipped) / tried).toFixed(0)} %)`;
  return { cell, norms };
}

const row = (cells) =>
  console.log(
    cells
      .map((cell) => cell.padEnd(16))
      .join('')
      .trimEnd(),
  );
row(['threshold', ...Object.keys(optimizers)]);
const free = await run(optimizers.sgd, clip.none());
row(['none', free.cell, (await run(optimizers.adam, clip.none())).cell]);
for (const threshold of [100, 10, 3, 1, 0.3, 0.1, 0.01, 0.001]) {
  const cells = [];
  for (const make of Object.values(optimizers)) cells.push((await run(make, clip.globalNorm(threshold))).cell);
  row([String(threshold), ...cells]);
}
console.log(`the median norm without a clip, with SGD: ${quantile(free.norms, 0.5).toFixed(2)}`);
