// value-or-norm.mjs: value or norm? How far each turns the gradient, and the test loss.
import { clip, loss, nn, optim, Trainer } from 'gradclip';
import { test, train } from './data.mjs';

const makeTrainer = (policy) =>
  new Trainer({
    model: new nn.Sequential(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    clip: policy,
  });

// The gradient of the first 32 rows at the first weights, as one vector.
const { gradients } = await makeTrainer(clip.none()).gradients({ x: train.x.slice(0, 32), y: train.y.slice(0, 32) });
const before = Float32Array.from([...gradients.values()].flatMap(({ data }) => Array.from(data)));
const length = (vector) => Math.hypot(...vector);

for (const policy of [clip.globalNorm(0.3), clip.value(0.3), clip.value(0.1), clip.value(0.03)]) {
  // Nothing, if the step were skipped, as one with a NaN is.
  const after = clip.apply([before], policy).grads?.[0] ?? new Float32Array(before.length);
  const cosine = after.reduce((sum, value, i) => sum + value * before[i], 0) / length(after) / length(before);
  const degrees = (Math.acos(Math.min(1, cosine)) * 180) / Math.PI;

  const trainer = makeTrainer(policy);
  await trainer.fit(train, { epochs: 20 });
  const { loss: found } = await trainer.evaluate(test);
  console.log(
    `${policy.name.padEnd(10)}  norm ${length(before).toFixed(1)} -> ${length(after).toFixed(1)},`,
    `turned by ${degrees.toFixed(0)} degrees; test loss ${found.toPrecision(2)}`,
  );
}
