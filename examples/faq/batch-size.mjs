// batch-size.mjs: does the threshold depend on the batch size? Norms of the gradient at the same weights, by the size of the batch.
import { clip, loss, nn, optim, Trainer } from 'gradclip';
import { quantile, train } from './data.mjs';

for (const batchSize of [1, 8, 64, 512]) {
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0 }), // the weights stay as they are
    clip: clip.none(),
    batchSize,
  });
  const norms = [];
  for await (const { norm } of trainer.fit(train, { epochs: 1 })) norms.push(norm);
  const [median, most] = [0.5, 0.9].map((part) => quantile(norms, part).toFixed(1));
  console.log(`${batchSize} rows: half of the norms are below ${median}, nine in ten below ${most}`);
}
