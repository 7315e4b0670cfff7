// check-tensorboard.mjs: `npm run -s check:tensorboard -- [--python PYTHON]`: a training that is interrupted writes files of TensorBoard, which TensorBoard's own
// reader reads (scripts/read_events.py); what it has is what a table of the same run has. Without TensorBoard in that Python it says so, and ends.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { callbacks, clip, loss, nn, optim, Trainer } from 'gradclip';

const { values } = parseArgs({ options: { python: { type: 'string', default: 'python3' } } });
const { python } = values;
if (spawnSync(python, ['-c', 'import tensorboard']).status !== 0) {
  console.log(`skipped: ${python} has no tensorboard`);
  process.exit(0);
}

const EPOCHS = 20;
const x = Float32Array.from({ length: 800 }, (_, i) => Math.sin(i * i));
const y = Float32Array.from({ length: 400 }, (_, i) => x[2 * i] - 0.5 * x[2 * i + 1]);
const data = { x: { data: x, shape: [400, 2] }, y: { data: y, shape: [400, 1] } };
const make = () =>
  new Trainer({
    model: new nn.Sequential(new nn.Linear(2, 32), new nn.ReLU(), new nn.Linear(32, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.adamw({ lr: 0.01 }),
    clip: clip.globalNorm(0.5),
    batchSize: 20,
  });

const folder = mkdtempSync(join(tmpdir(), 'gradclip-tensorboard-'));
try {
  const [board, table, checkpoint] = [join(folder, 'board'), join(folder, 'run.csv'), join(folder, 'c.safetensors')];
  const sinks = () => [callbacks.tensorBoard(board, { every: 1 }), callbacks.csv(table)];
  const fit = { epochs: EPOCHS, validation: data, checkpoint: { file: checkpoint, every: { steps: 100 } } };
  const giveUp = {
    onSteps(_, { counters }) {
      if (counters.attempt >= 130) throw new Error('given up');
    },
  };
  const first = make();
  await first.fit(data, { ...fit, callbacks: [...sinks(), giveUp] }).catch(() => {});
  const done = first.counters.step;
  const second = make();
  await second.fit(data, { ...fit, resume: checkpoint, callbacks: sinks() });
  const script = fileURLToPath(new URL('read_events.py', import.meta.url));
  const read = JSON.parse(execFileSync(python, [script, board], { encoding: 'utf8', maxBuffer: 2 ** 28 }));
  const [header, ...lines] = readFileSync(table, 'utf8').trimEnd().split('\n');
  const names = header.split(',');
  const rows = lines.map((line) => Object.fromEntries(line.split(',').map((cell, i) => [names[i], cell])));
  const steps = rows.filter(({ loss }) => loss !== '');
  const curve = (rows, column, shift) => rows.map((row) => [Number(row.step) + shift, Math.fround(Number(row[column]))]);
  const wanted = {
    'train/loss': curve(steps, 'loss', 1),
    'train/grad_norm': curve(steps, 'grad_norm', 1),
    'train/grad_norm_clipped': curve(steps, 'grad_norm_clipped', 1),
    'train/threshold': curve(steps, 'threshold', 1),
    'train/learning_rate': curve(steps, 'learning_rate', 1),
    'validation/loss': curve(
      rows.filter(({ loss }) => loss === ''),
      'validation_loss',
      0,
    ),
  };
  let wrong = 0;
  for (const [tag, points] of Object.entries(wanted)) {
    const same = JSON.stringify(read.scalars[tag]) === JSON.stringify(points);
    if (!same) wrong++;
    console.log(`${tag}: ${read.scalars[tag]?.length ?? 0} points, ${same ? 'those of the table' : 'NOT those of the table'}`);
  }
  const weights = Object.fromEntries([...second.model.namedParameters()].map(([name, p]) => [name, p.data]));
  for (const [name, values] of Object.entries(weights)) {
    const all = read.histograms[`weights/${name}`] ?? [];
    const { step, min, max, num, sum, buckets } = all.at(-1) ?? {};
    const counted = buckets?.reduce((total, n) => total + n, 0);
    const near = Math.abs(sum - values.reduce((a, b) => a + b, 0)) < 1e-9;
    const same = step === EPOCHS * 20 && num === values.length && counted === num && near;
    const right = same && min === Math.min(...values) && max === Math.max(...values);
    if (!right) wrong++;
    console.log(
      `weights/${name}: ${all.length} distributions, the last ${right ? 'that of the weights' : 'NOT that of the weights'}`,
    );
    const norms = read.histograms[`gradient_norms/${name}`]?.length ?? 0;
    if (norms !== all.length) wrong++;
  }
  console.log(
    `${read.files} files, of a run that was given up after step ${done} and of one that went on; tensorboard ${read.version}`,
  );
  process.exitCode = wrong > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
