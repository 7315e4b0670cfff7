// ratings.ts: ratings as products of vectors, with biases (Koren et al. 2009): products of two that are learned are unbounded.
import type { Tensor, TensorLike } from '../../../ir/graph.ts';
import { Embedding } from '../../../nn/layers/embedding.ts';
import { mse } from '../../../nn/loss/regression.ts';
import { normal as normalInit } from '../../../nn/module/init.ts';
import { Module } from '../../../nn/module/module.ts';
import { add, mul } from '../../../ops/elementwise/elementwise.ts';
import { sum } from '../../../ops/reduce/reduce.ts';
import { reshape } from '../../../ops/shape/shape.ts';
import { draws, filled, normal } from '../../data/draws.ts';
import { ofNumbers } from '../../data/ignorant.ts';
import { zipf } from '../../data/zipf.ts';
import { type LabWorkload, workload } from '../../workload.ts';
import { rates, threeSets } from '../parts.ts';

const USERS = 80;
const ITEMS = 50;
const SIZE = 4;

class Factors extends Module {
  users: Embedding = new Embedding(USERS, SIZE);
  items: Embedding = new Embedding(ITEMS, SIZE);
  userBias: Embedding = new Embedding(USERS, 1);
  itemBias: Embedding = new Embedding(ITEMS, 1);
  constructor() {
    super();
    for (const { weight } of [this.users, this.items]) weight.init = normalInit(0, 0.3);
    for (const { weight } of [this.userBias, this.itemBias]) weight.init = normalInit(0, 0.01);
  }
  forward(user: TensorLike, item: TensorLike): Tensor {
    const product = sum(mul(this.users.forward(user), this.items.forward(item)), { axes: [1] });
    const biases = add(this.userBias.forward(user), this.itemBias.forward(item));
    return add(product, reshape(biases, [-1]));
  }
}

export const RATINGS: LabWorkload = workload<Factors>({
  name: 'ratings',
  about: 'products of vectors of 80 users and 50 items, with biases, learn ratings; few items have most of them',
  kind: 'recommendation',
  traits: ['sparse', 'regression', 'imbalance'],
  steps: 400,
  batchSize: 32,
  optimizers: rates(0.1, 3e-2),
  data(seed) {
    const drawn = draws(seed, 'shared');
    const [users, items] = [filled(USERS * SIZE, () => normal(drawn)), filled(ITEMS * SIZE, () => normal(drawn))];
    const [userBias, itemBias] = [filled(USERS, () => normal(drawn)), filled(ITEMS, () => normal(drawn))];
    const pick = zipf(ITEMS);
    return threeSets(seed, { train: 4000, validation: 600, test: 1200 }, (next, rows) => {
      const user = Int32Array.from({ length: rows }, () => Math.floor(next() * USERS));
      const item = Int32Array.from({ length: rows }, () => pick(next()));
      const y = Float32Array.from({ length: rows }, (_, r) => {
        let value = userBias[user[r]!]! + itemBias[item[r]!]! + 0.5 * normal(next);
        for (let k = 0; k < SIZE; k++) value += users[user[r]! * SIZE + k]! * items[item[r]! * SIZE + k]!;
        return value;
      });
      return { user, item, y };
    });
  },
  model: () => new Factors(),
  loss: ({ user, item, y }, model) => mse(model.forward(user!, item!), y),
  ignorant: ofNumbers,
});
