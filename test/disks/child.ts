// child.ts: a training that writes to FILE: node child.js WHAT FILE, where WHAT is save, checkpoint, record or handles. Says with which error it failed, and
// for how long its event loop stood still at most.
import { openSync } from 'node:fs';
import { clip, GradclipError, loss, nn, ops, optim, Trainer } from '../../lib/index.ts';

const [what, file] = process.argv.slice(2) as [string, string];
const data = {
  x: { data: new Float32Array(8 * 64).map((_, i) => Math.sin(i)), shape: [8, 64] },
  y: Int32Array.from([0, 1, 2, 3, 4, 5, 6, 7]),
};
// Its checkpoint has 900 kB.
const trainer = new Trainer({
  model: new nn.Sequential(new nn.Linear(64, 1000), ops.relu, new nn.Linear(1000, 10)),
  loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
  optimizer: optim.adamw({ lr: 1e-3 }),
  clip: clip.globalNorm(1),
  batchSize: 8,
});

let [longest, last] = [0, performance.now()];
const pulse = setInterval(() => {
  const now = performance.now();
  longest = Math.max(longest, now - last);
  last = now;
}, 1);

/** All that the process may have. */
function takeHandles(): void {
  try {
    for (;;) openSync('/dev/null', 'r');
  } catch {}
}

const WORK: Readonly<Record<string, () => Promise<unknown>>> = {
  save: () => trainer.save(file),
  async handles() {
    takeHandles();
    await trainer.save(file);
  },
  checkpoint: async () => trainer.fit(data, { steps: 4, checkpoint: { file, every: { steps: 1 } } }),
  record: async () => trainer.fit(data, { steps: 5000, chunkSteps: 10, record: file }),
};
await trainer.fit(data, { steps: 2 });
process.stdout.write('"begun"\n');
[longest, last] = [0, performance.now()];
let error: unknown = null;
await WORK[what]!().catch((e: unknown) => {
  error = e;
});
clearInterval(pulse);
const { message = '', code, details } = (error ?? {}) as Partial<GradclipError>;
const own = error instanceof GradclipError;
process.stdout.write(`${JSON.stringify({ failed: error !== null, own, message, code, system: details?.code, longest })}\n`);
process.exit();
