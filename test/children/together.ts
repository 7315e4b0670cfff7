// together.ts: what the programs of a group share: who they are, what they say, models and data. Each is given a name and a folder.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clip, loss, mpi, nn, ops, optim, type Tensor, Trainer } from '../../lib/index.ts';

export const name: string = process.argv[2] ?? '';
export const folder: string = process.argv[3] ?? '';
export const say = (x: unknown): boolean => process.stdout.write(`${JSON.stringify(x)}\n`);
/** What each process has to say, in a file of its own: a launcher mixes long lines of several. */
export const report = (x: object): void =>
  writeFileSync(join(folder, `${name}.${group.rank}.json`), JSON.stringify({ rank: group.rank, ...x }));
export const group: mpi.Group = await mpi.init();
/** Says when that goes wrong which a scenario is about. */
export const wrong = (): boolean => process.stdout.write(`goes wrong at ${Date.now()}\n`);
export const file: string = join(folder, `${name}.safetensors`);
/** Of a checkpoint, or of its tensors alone: its header also knows where the last fit began. */
export function hash(tensors: boolean = false, of: string = file): string {
  const bytes = readFileSync(of);
  const from = tensors ? 8 + Number(bytes.readBigUInt64LE(0)) : 0;
  return createHash('sha256').update(bytes.subarray(from)).digest('hex');
}

/** Numbers from -1 to 1, the same everywhere. */
export function numbers(n: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
export const labels = (n: number, classes: number): Int32Array =>
  Int32Array.from(numbers(n, 7), (v) => Math.min(classes - 1, Math.floor(((v + 1) / 2) * classes)));

export class Mlp extends nn.Module {
  first: nn.Linear = new nn.Linear(6, 16);
  drop: nn.Dropout = new nn.Dropout(0.25);
  second: nn.Linear = new nn.Linear(16, 4);
  forward(x: Tensor): Tensor {
    return this.second.forward(this.drop.forward(ops.relu(this.first.forward(x))));
  }
}
export class Wide extends nn.Module {
  first: nn.Linear = new nn.Linear(6, 65);
  second: nn.Linear = new nn.Linear(65, 97);
  third: nn.Linear = new nn.Linear(97, 4);
  forward(x: Tensor): Tensor {
    return this.third.forward(ops.relu(this.second.forward(ops.relu(this.first.forward(x)))));
  }
}
export class Convolved extends nn.Module {
  conv: nn.Conv2d = new nn.Conv2d(2, 8, 3, { padding: 1 });
  norm: nn.GroupNorm = new nn.GroupNorm(4, 8);
  flatten: nn.Flatten = new nn.Flatten();
  head: nn.Linear = new nn.Linear(8 * 4, 3);
  forward(x: Tensor): Tensor {
    return this.head.forward(this.flatten.forward(ops.maxPool2d(ops.relu(this.norm.forward(this.conv.forward(x))), 3)));
  }
}
/** Of sequences of numbers. */
export class Reads extends nn.Module {
  embedding: nn.Embedding = new nn.Embedding(5, 4);
  head: nn.Linear = new nn.Linear(4, 4);
  forward(x: Tensor): Tensor {
    return this.head.forward(ops.mean(this.embedding.forward(x), { axes: [1] }));
  }
}
export class Recurrent extends nn.Module {
  lstm: nn.LSTM = new nn.LSTM(3, 8);
  head: nn.Linear = new nn.Linear(8, 2);
  forward(x: Tensor): Tensor {
    return this.head.forward(this.lstm.forward(x).last);
  }
}

/** Weights that travel in several pieces, while the gradients of others are computed, and others that travel by themselves. */
export class Large extends nn.Module {
  first: nn.Linear = new nn.Linear(6, 700);
  second: nn.Linear = new nn.Linear(700, 700);
  third: nn.Linear = new nn.Linear(700, 4);
  forward(x: Tensor): Tensor {
    return this.third.forward(ops.relu(this.second.forward(ops.relu(this.first.forward(x)))));
  }
}
/** A weight of five blocks of the norm: of more processes some have no part of it. */
export class Few extends nn.Module {
  first: nn.Linear = new nn.Linear(6, 130);
  second: nn.Linear = new nn.Linear(130, 130);
  third: nn.Linear = new nn.Linear(130, 4);
  forward(x: Tensor): Tensor {
    return this.third.forward(ops.relu(this.second.forward(ops.relu(this.first.forward(x)))));
  }
}
/** Rows of a table that are updated by themselves, looked up twice by each row. */
export class Sparse extends nn.Module {
  table: nn.Embedding = new nn.Embedding(50, 16, { sparse: true, paddingIdx: 3 });
  head: nn.Linear = new nn.Linear(16, 4);
  forward(x: Tensor): Tensor {
    return this.head.forward(ops.sum(this.table.forward(x), { axes: [1] }));
  }
}
/** Not batch norm, whose buffers are averages: what each process would have for itself. */
export class Counted extends Mlp {
  seen: nn.Buffer = new nn.Buffer([]);
  override forward(x: Tensor): Tensor {
    this.seen.assign(ops.add(this.seen, 1));
    return super.forward(x);
  }
}
export class Carried extends Recurrent {
  override lstm: nn.LSTM = new nn.LSTM(3, 8, { carry: 2 });
}

interface Rows {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}
interface Labeled {
  readonly x: Rows;
  readonly y: Int32Array;
}
export const rows = (n: number, ...shape: number[]): Rows => ({
  data: numbers(n * shape.reduce((a, b) => a * b, 1)),
  shape: [n, ...shape],
});
// 37 rows in batches of 16: the last batch has 5 rows, of 8 parts of 2 rows three.
export const plain: Labeled = { x: rows(37, 6), y: labels(37, 4) };
// The last batch has one row: one process alone has something to do.
export const single: Labeled = { x: rows(33, 6), y: labels(33, 4) };
const base: object = {
  loss: ({ x, y }: { x: Tensor; y: Tensor }, model: { forward(x: Tensor): Tensor }) => loss.crossEntropy(model.forward(x), y),
  optimizer: optim.adamw({ lr: 1e-2 }),
  clip: clip.globalNorm(0.5),
  batchSize: 16,
  seed: 3,
  threads: Number(process.env.THREADS ?? 1),
};
// biome-ignore lint/suspicious/noExplicitAny: trainers of many models
export type Any = any;
export const make = (options: object): Any => new Trainer({ ...base, group, ...options } as Any);
