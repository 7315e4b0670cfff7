// order.mjs: is clipped before or after averaging, and before or after regularization?
import { clip, loss, nn, optim, regularize, Trainer } from 'gradclip';
import { train } from './data.mjs';

const makeTrainer = (options = {}) =>
  new Trainer({
    model: new nn.Sequential(new nn.Linear(4, 32), new nn.Tanh(), new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.sgd({ lr: 0.1 }),
    clip: clip.globalNorm(0.3),
    ...options,
  });
const rows = (from, to) => ({ x: train.x.slice(from, to), y: train.y.slice(from, to) });
const show = (what, { norm, normAfter }) => console.log(what.padEnd(35), norm.toFixed(4), ' ', normAfter.toFixed(4));

console.log('                                    norm     after the clip');
show('64 rows', await makeTrainer().step(rows(0, 64)));
const quarters = [rows(0, 16), rows(16, 32), rows(32, 48), rows(48, 64)];
show('4 times 16 rows, accumulate: 4', await makeTrainer({ accumulate: 4 }).step(quarters));
show('64 rows, regularize.l2(0.1)', await makeTrainer({ regularize: regularize.l2(0.1) }).step(rows(0, 64)));
show('64 rows, adamw, weightDecay: 0.1', await makeTrainer({ optimizer: optim.adamw({ weightDecay: 0.1 }) }).step(rows(0, 64)));
