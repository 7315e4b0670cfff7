// optimizers.mjs: with which optimizer? Test loss without a clip and with one, also of a network with batch norm.
import { clip, loss, nn, optim, Trainer } from 'gradclip';
import { test, train } from './data.mjs';

const optimizers = {
  sgd: () => optim.sgd({ lr: 0.1 }),
  momentum: () => optim.sgd({ lr: 0.01, momentum: 0.9 }),
  rmsprop: () => optim.rmsprop({ lr: 0.003 }),
  adam: () => optim.adam({ lr: 0.01 }),
  adamw: () => optim.adamw({ lr: 0.01 }),
  lion: () => optim.lion({ lr: 0.003 }),
};
const hidden = {
  plain: () => [new nn.Linear(4, 32), new nn.Tanh()],
  'batch norm': () => [new nn.Linear(4, 32), new nn.BatchNorm1d(32), new nn.Tanh()],
};

async function run(optimizer, layers, policy) {
  const trainer = new Trainer({
    model: new nn.Sequential(...layers, new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer,
    clip: policy,
  });
  await trainer.fit(train, { epochs: 20 });
  return (await trainer.evaluate(test)).loss.toPrecision(2);
}

const row = (cells) =>
  console.log(
    cells
      .map((cell) => cell.padEnd(13))
      .join('')
      .trimEnd(),
  );
row(['', ...Object.keys(hidden).flatMap((name) => [name, '+ clip'])]);
for (const [name, make] of Object.entries(optimizers)) {
  const cells = [];
  for (const layers of Object.values(hidden)) {
    for (const policy of [clip.none(), clip.globalNorm(0.3)]) cells.push(await run(make(), layers(), policy));
  }
  row([name, ...cells]);
}
