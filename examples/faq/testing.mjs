// testing.mjs: is clipping for testing, too? The same weights, in a trainer with a clip and in one without.
import { clip, loss, nn, optim, Trainer } from 'gradclip';
import { test, train } from './data.mjs';

const makeTrainer = (policy) =>
  new Trainer({
    model: new nn.Sequential(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    clip: policy,
  });

const trained = makeTrainer(clip.globalNorm(0.3));
await trained.fit(train, { epochs: 5 });
const loaded = makeTrainer(clip.none());
await loaded.load(await trained.save({ weightsOnly: true }));

const [a, b] = [await trained.predict(test.x), await loaded.predict(test.x)];
console.log(`the same predictions: ${a.data.every((value, i) => Object.is(value, b.data[i]))}`);
const [c, d] = [await trained.evaluate(test), await loaded.evaluate(test)];
console.log(`the same test loss: ${c.loss === d.loss}`);
