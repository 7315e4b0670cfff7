// model.mjs: the network, how it is trained, and how its answers are judged.
import { clip, loss, nn, ops, optim, Trainer } from 'gradclip';
import { encode, labels, WIDTH } from './deliveries.mjs';

/** Rows of a step. */
export const BLOCK = 32;

/** @param threads of a training */
export function makeTrainer(threads) {
  return new Trainer({
    model: new nn.Sequential(new nn.Linear(WIDTH, 64), new nn.ReLU(), new nn.Linear(64, 32), new nn.ReLU(), new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.bceWithLogits(ops.squeeze(model.forward(x), 1), y),
    predict: ({ x }, model) => ops.sigmoid(ops.squeeze(model.forward(x), 1)),
    optimizer: optim.adamw({ lr: 2e-3 }),
    // Rows come as they are: one that is far off must not undo what was learned from thousands. A gradient that is not finite is left out.
    clip: clip.globalNorm(1),
    batchSize: BLOCK,
    seed: 1,
    threads,
  });
}

/** Rows in their order, one step for each block of them. */
export const dataOf = (rows) => ({ x: encode(rows), y: labels(rows) });

/** Mean log loss of probabilities that such deliveries are late: what the trainer's loss is, from what requests are answered. */
export function logLoss(probabilities, rows) {
  const sum = rows.reduce((s, { late }, i) => {
    const p = late ? probabilities[i] : 1 - probabilities[i];
    return s - Math.log(Math.max(p, 1e-7));
  }, 0);
  return sum / rows.length;
}
