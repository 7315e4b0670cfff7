// models.ts: the networks of the golden runs, their trainers and their batches, for tests and for what they run in child processes.
import { createHash } from 'node:crypto';
import { clip, loss, type NdArray, nn, ops, optim, rows, type Source, type Tensor, Trainer } from '../../../lib/index.ts';
import { type Curves, charBatch, type Golden, type GoldenName, mlpBatch, weights } from './recipe.ts';

/** `forward` gives the logits of every example, or of every character. */
export abstract class Network extends nn.Module {
  abstract override forward(x: Tensor): Tensor;
}

export class MLP extends Network {
  readonly fc1: nn.Linear = new nn.Linear(784, 256);
  readonly fc2: nn.Linear = new nn.Linear(256, 128);
  readonly fc3: nn.Linear = new nn.Linear(128, 10);
  forward(x: Tensor): Tensor {
    return this.fc3.forward(ops.relu(this.fc2.forward(ops.relu(this.fc1.forward(x)))));
  }
}

export class CharRNN extends Network {
  readonly embedding: nn.Embedding = new nn.Embedding(65, 32);
  readonly rnn: nn.RNN = new nn.RNN(32, 128);
  readonly out: nn.Linear = new nn.Linear(128, 65);
  forward(x: Tensor): Tensor {
    return this.out.forward(this.rnn.forward(this.embedding.forward(x)).output);
  }
}

const isChar = (name: GoldenName): boolean => name === 'char-rnn-sgd';

/** The trainer of a golden run, before its first step. */
export function goldenTrainer(name: GoldenName, made: Golden): Trainer<Network> {
  const model = isChar(name) ? new CharRNN() : new MLP();
  const initial = weights(made);
  for (const [parameter, p] of model.namedParameters()) p.data = initial.get(parameter)!;
  const { optimizer, maxNorm, ...options } = made.settings;
  return new Trainer<Network>({
    model,
    loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
    optimizer: optim[optimizer](options),
    clip: clip.globalNorm(maxNorm, { compat: 'torch' }),
    batchSize: isChar(name) ? 32 : 64,
  });
}

/** All batches of a run one after the other, drawn in this order. */
export function goldenSource(name: GoldenName, steps: number): Source {
  const char = isChar(name);
  const batches = Array.from({ length: steps }, (_, step) => (char ? charBatch(step) : mlpBatch(step)));
  const count = batches[0]!.y.length * (char ? 1 / 64 : 1);
  const join = <A extends Float32Array | Int32Array>(parts: A[], row: number[]): NdArray => {
    const size = parts[0]!.length;
    const data = new (parts[0]!.constructor as new (n: number) => A)(size * parts.length);
    for (const [i, part] of parts.entries()) data.set(part, i * size);
    return { data, shape: [steps * count, ...row] };
  };
  const xs = batches.map((b) => b.x as Float32Array);
  const ys = batches.map((b) => b.y);
  return {
    ...rows({ x: join(xs, [char ? 64 : 784]), y: join(ys, char ? [64] : []) }),
    fill(row, { attempt }) {
      for (let j = 0; j < row.length; j++) row[j] = attempt * count + j;
    },
  };
}

/** What this library makes of a golden run, and a hash of the weights at its end. */
export async function goldenCurves(name: GoldenName, made: Golden, steps: number): Promise<Curves & { readonly hash: string }> {
  const trainer = goldenTrainer(name, made);
  const curves: { loss: number[]; norm: number[] } = { loss: [], norm: [] };
  for await (const report of trainer.fit(goldenSource(name, steps), { steps })) {
    curves.loss.push(report.loss);
    curves.norm.push(report.norm);
  }
  const hash = await hashOf(trainer);
  trainer.dispose();
  return { ...curves, hash };
}

/** A hash of all parameters, to compare bits. */
export async function hashOf<M extends nn.Module>(trainer: Trainer<M>): Promise<string> {
  const hash = createHash('sha256');
  for (const [name, { data }] of await trainer.readParameters()) {
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}
