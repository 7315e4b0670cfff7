// dense.mjs: a network of Dense 10, Dense 10 and Dense 1, clipped by the sum of row maxima.
import { clip, loss, nn, optim, Trainer } from 'gradclip';

// 320 rows of 10 numbers; the target is the sum of the first three. In one row a decimal point is missing.
const x = Array.from({ length: 320 }, (_, i) => Array.from({ length: 10 }, (_, k) => Math.sin(i * (k + 2) + k)));
const y = x.map(([a, b, c]) => [a + b + c]);
const spoiled = {
  x: x.with(
    7,
    x[7].map((value) => 100 * value),
  ),
  y,
};

const makeTrainer = (policy) =>
  new Trainer({
    // Keras: Dense(10, activation='relu'), Dense(1).
    model: new nn.Sequential(new nn.Linear(10, 10), new nn.ReLU(), new nn.Linear(10, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    clip: policy,
  });

// Sum of row maxima, written out: of each row of each gradient the largest absolute value. A bias counts as one row.
const { gradients } = await makeTrainer(clip.none()).gradients(spoiled);
let sum = 0;
for (const { data, shape } of gradients.values()) {
  const width = shape.length > 1 ? shape[1] : shape[0];
  for (let at = 0; at < data.length; at += width) sum += Math.max(...data.subarray(at, at + width).map(Math.abs));
}
// The policy's scale for these gradients.
const policy = clip.rowMaxNorm(1, { scope: 'global' });
const arrays = Array.from(gradients.values(), ({ data }) => data);
const shapes = Array.from(gradients.values(), ({ shape }) => shape);
const { report } = clip.apply(arrays, policy, { shapes });
console.log(`sum ${sum.toFixed(2)}, so all gradients times ${(1 / sum).toFixed(4)}; the policy: ${report.scale.toFixed(4)}`);

// Without a clip steps that cannot be made are skipped, however many.
for (const used of [clip.none({ maxSkips: Infinity }), policy]) {
  const trainer = makeTrainer(used);
  const { tried, clipped, skipped } = await trainer.fit(spoiled, { epochs: 60 });
  const { loss: clean } = await trainer.evaluate({ x, y });
  console.log(
    `${used.name}: ${clipped} of ${tried} steps clipped, ${skipped} skipped; loss on clean rows ${clean.toPrecision(1)}`,
  );
}
