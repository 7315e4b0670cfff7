// old-files.test.ts: what gradclip 0.1.0 has written (test/golden/0.1.0) is read, and the run goes on bit for bit as it did there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { clip, loss, nn, ops, optim, runtime, type Tensor, Trainer } from '../../lib/index.ts';

const folder = join(import.meta.dirname, '../golden/0.1.0');
interface Expected {
  readonly predictions: readonly number[];
  readonly ema: readonly number[];
  readonly afterResume: readonly { readonly loss: number; readonly norm: number }[];
}

class Net extends nn.Module {
  conv: nn.Conv2d = new nn.Conv2d(1, 4, 3, { padding: 1 });
  bn: nn.BatchNorm2d = new nn.BatchNorm2d(4);
  rnn: nn.LSTM = new nn.LSTM(4 * 8, 12);
  drop: nn.Dropout = new nn.Dropout(0.2);
  out: nn.Linear = new nn.Linear(12, 3);
  forward(x: Tensor): Tensor {
    const h = ops.relu(this.bn.forward(this.conv.forward(x)));
    const t = ops.reshape(ops.transpose(h), [x.shape[0]!, 8, 32]);
    return this.out.forward(this.drop.forward(this.rnn.forward(t).last));
  }
}
const rows = 50;
const pixels = Float32Array.from({ length: rows * 64 }, (_, i) => Math.round(1000 * Math.sin(i * 0.37)) / 1000);
const x = { data: pixels, shape: [rows, 1, 8, 8] };
const y = Int32Array.from({ length: rows }, (_, i) => (i * 7) % 3);

// The baseline without fma has bits of its own.
test.skipIf(runtime().isa === 'x86_64')('a checkpoint with averages, running statistics, policy and loss scale', async () => {
  const wanted = JSON.parse(readFileSync(join(folder, 'net.expected.json'), 'utf8')) as Expected;
  const trainer = new Trainer({
    model: new Net(),
    loss: (batch, model) => loss.crossEntropy(model.forward(batch.x), batch.y),
    optimizer: optim.adamw({ lr: 3e-3 }),
    clip: clip.zclip(),
    ema: { decay: 0.9 },
    lossScale: { init: 1024, growth: 2, backoff: 0.5, interval: 7 },
    batchSize: 8,
    accumulate: 2,
    seed: 5,
  });
  await trainer.load(join(folder, 'net.safetensors'));
  expect([...(await trainer.predict(x)).data.slice(0, 12)]).toEqual(wanted.predictions);
  expect([...(await trainer.predict(x, { weights: 'ema' })).data.slice(0, 12)]).toEqual(wanted.ema);
  const found = [];
  for await (const step of trainer.fit({ x, y }, { steps: 10 })) found.push([step.loss, step.norm]);
  expect(found).toEqual(wanted.afterResume.map((step) => [step.loss, step.norm]));
});
