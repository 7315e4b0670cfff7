// training.ts: a training that writes checkpoints and goes on from the newest one: what is killed, and the same without a kill.
import { join } from 'node:path';
import { clip, type FitResult, loss, nn, ops, optim, Trainer } from '../../lib/index.ts';

export const STEPS = 60;
const [ROWS, WIDTH, CLASSES] = [45, 32, 5];

const table = (rows: number, seed: number): { x: { data: Float32Array; shape: number[] }; y: Int32Array } => ({
  x: { data: Float32Array.from({ length: rows * WIDTH }, (_, i) => Math.sin(seed + i * i)), shape: [rows, WIDTH] },
  y: Int32Array.from({ length: rows }, (_, i) => (i * i + seed) % CLASSES),
});

export interface Keeping {
  readonly every: number;
  readonly keep: number;
}

/** The files of a training in a folder. */
export const filesIn = (folder: string): { file: string; record: string } => ({
  file: join(folder, 'state.safetensors'),
  record: join(folder, 'record.jsonl'),
});

/** From the newest checkpoint in the folder to the end. Its states are of all kinds: a policy that remembers, dropout, averages, a plateau. */
export async function train(folder: string, { every, keep }: Keeping): Promise<FitResult> {
  const { file, record } = filesIn(folder);
  using trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(WIDTH, 256), ops.relu, new nn.Dropout(0.2), new nn.Linear(256, CLASSES)),
    loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.adamw({ lr: optim.schedule.cosine(0.02, { steps: { epochs: 8 } }) }),
    clip: clip.zclip({ warmup: 5 }),
    ema: { decay: 0.9 },
    plateau: { factor: 0.5, patience: 1 },
    precision: 'bf16',
    batchSize: 8,
    seed: 7,
    threads: 1,
  });
  return await trainer.fit(table(ROWS, 1), {
    steps: STEPS,
    validation: table(11, 2),
    checkpoint: { file, every: { steps: every }, keep },
    resume: 'auto',
    record,
  });
}
