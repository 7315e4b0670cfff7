// direction.mjs: does clipping lead elsewhere? The mean gradient of 60 batches before a clip and after it, at the first weights.
import { clip, loss, nn, optim, Trainer } from 'gradclip';
import { train } from './data.mjs';

const policies = {
  'globalNorm(10)': clip.globalNorm(10),
  'globalNorm(1)': clip.globalNorm(1),
  'globalNorm(0.1)': clip.globalNorm(0.1),
  'value(0.1)': clip.value(0.1),
  'value(0.001)': clip.value(0.001),
  'suppress(0.1)': clip.suppress(0.1),
};
for (const [name, policy] of Object.entries(policies)) {
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    clip: policy,
  });
  const { clip: clipped } = await trainer.probe(train, { batches: 60 });
  const { value, low, high } = clipped.cosine;
  const interval = `${low.toFixed(1)} to ${high.toFixed(1)}`;
  console.log(
    `${name.padEnd(15)}  cosine ${(value ?? NaN).toFixed(2)} (${interval}), single batches turned by ${clipped.turn.toFixed(2)}`,
  );
}
