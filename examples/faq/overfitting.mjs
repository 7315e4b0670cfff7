// overfitting.mjs: does clipping prevent overfitting? Loss on 200 rows that are learned and on 1,600 others.
import { clip, loss, nn, optim, preprocess, regularize, Trainer } from 'gradclip';

// Rows of 20 numbers; is the sum of the first two above 0? The answer of one in ten is wrong.
const x = Array.from({ length: 2000 }, (_, i) => Array.from({ length: 20 }, (_, k) => Math.sin((i + 1) * (k + 1) * (k + 2))));
const y = x.map(([u, v], i) => Number(u + v > 0) ^ Number(i % 10 === 7));
const { train, validation, test } = preprocess.split({ x, y }, { validation: 0.1, test: 0.8 });

async function run(what, options = {}, fitting = {}) {
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(20, 64), new nn.ReLU(), new nn.Linear(64, 2)),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.adam({ lr: 0.01 }),
    ...options,
  });
  const { tried, clipped } = await trainer.fit(train, { epochs: 60, ...fitting });
  const [learned, others] = [await trainer.evaluate(train), await trainer.evaluate(test)];
  const share = `${((100 * clipped) / tried).toFixed(0)} %`;
  console.log(what.padEnd(22), learned.loss.toFixed(2).padStart(8), others.loss.toFixed(2).padStart(8), share.padStart(8));
}

console.log('                        learned   others  clipped');
await run('no clip');
for (const threshold of [1, 0.3, 0.1]) await run(`clip.globalNorm(${threshold})`, { clip: clip.globalNorm(threshold) });
await run('regularize.l2(0.01)', { regularize: regularize.l2(0.01) });
await run('earlyStop', {}, { validation, earlyStop: { patience: 3 } });
