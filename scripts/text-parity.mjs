// text-parity.mjs: trains a language model on a text here and in PyTorch, from the same weights on the same batches with the same
// schedule, and tells both validation losses. Run: node scripts/text-parity.mjs --text FILE [--model gpt-nano] [--steps 1500]
// [--threads 2] [--python PYTHON], after `npm run build:ts`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { clip, io, loss, models, optim, Trainer, tokenizer, windows } from '../dist/lib/index.js';

// Tolerated distance of the validation losses.
const LIMIT = 0.02;
const crossEntropy = ({ x, y }, model) => loss.crossEntropy(model.forward(x), y);

/** Each is there by the same name in text_parity.py, with the same names of parameters. */
const MODELS = {
  'char-lstm': { make: (characters) => new models.CharRNN(characters), length: 128, batch: 32, lr: 2e-3 },
  'char-gru': { make: (characters) => new models.CharRNN(characters, { kind: 'gru' }), length: 128, batch: 32, lr: 2e-3 },
  'gpt-nano': { make: (characters) => new models.GPT(characters), length: 64, batch: 12, lr: 1e-3 },
};

const { values } = parseArgs({
  options: {
    text: { type: 'string' },
    model: { type: 'string', default: 'gpt-nano' },
    steps: { type: 'string', default: '1500' },
    threads: { type: 'string', default: '2' },
    python: { type: 'string', default: join(homedir(), '.cache/gradclip-peers/torch/bin/python') },
  },
});
const [steps, threads] = [Number(values.steps), Number(values.threads)];
const task = MODELS[values.model];
if (!task || !values.text || !(steps > 0) || !(threads > 0)) {
  console.error(`text-parity: expected --text FILE and a --model of ${Object.keys(MODELS).join(', ')}`);
  process.exit(2);
}

const text = await io.readText(values.text);
const vocab = tokenizer.char(text);
const tokens = vocab.encode(text);
const cut = Math.floor(0.9 * tokens.length);
const { make, length, batch, lr: peak } = task;
const train = windows(tokens.subarray(0, cut), { length });
const lr = optim.schedule.sequential(
  [
    optim.schedule.linear(peak, { from: 0.01, to: 1, steps: 100 }),
    optim.schedule.cosine(peak, { steps: steps - 100, min: peak / 10 }),
  ],
  { milestones: [100] },
);
const model = make(vocab.size).initialize(1);
const folder = mkdtempSync(join(tmpdir(), 'text-parity-'));
try {
  // What PyTorch needs: weights, tokens, the starts of all windows, learning rates.
  await io.writeSafetensors(
    join(folder, 'weights.safetensors'),
    Object.fromEntries(
      Array.from(model.namedParameters(), ([name, p]) => [name, { dtype: 'f32', shape: p.shape, data: p.data }]),
    ),
  );
  const starts = new Int32Array(steps * batch);
  for (let i = 0; i < steps; i++) {
    train.fill(starts.subarray(i * batch, (i + 1) * batch), { epoch: 0, i, attempt: i, batchSize: batch, seed: 0n });
  }
  const lrs = Array.from({ length: steps }, (_, i) => lr(i));
  const files = { tokens: Int32Array.from(tokens), starts, lrs: Float64Array.from(lrs) };
  for (const [name, data] of Object.entries(files)) writeFileSync(join(folder, name), data);
  const shape = { model: values.model, characters: vocab.size, length, batch, steps, cut, threads };
  writeFileSync(join(folder, 'task.json'), JSON.stringify(shape));

  const trainer = new Trainer({
    model,
    loss: crossEntropy,
    optimizer: optim.adamw({ lr }),
    clip: clip.globalNorm(1),
    batchSize: batch,
    threads,
    seed: 0,
  });
  const start = performance.now();
  const reports = [];
  for await (const report of trainer.fit(train, { steps })) reports.push(report.loss);
  const seconds = (performance.now() - start) / 1000;
  const validation = await trainer.evaluate(windows(tokens.subarray(cut), { length }));
  console.log(
    `gradclip   ${seconds.toFixed(1)} s, first loss ${reports[0].toFixed(5)}, validation ${validation.loss.toFixed(4)}`,
  );

  const script = fileURLToPath(new URL('text_parity.py', import.meta.url));
  const peer = spawnSync(values.python, [script, folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (peer.status !== 0) throw new Error(`text_parity.py ended with ${peer.status ?? peer.error}`);
  const theirs = JSON.parse(peer.stdout);
  console.log(
    `PyTorch    ${theirs.seconds.toFixed(1)} s, first loss ${theirs.first.toFixed(5)}, validation ${theirs.validation.toFixed(4)}`,
  );
  const distance = Math.abs(theirs.validation - validation.loss);
  console.log(`distance   ${distance.toFixed(4)}, of ${LIMIT} that are tolerated`);
  process.exitCode = distance <= LIMIT ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
