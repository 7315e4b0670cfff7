// train.test.ts: `gradclip train` on small data made here: results, checkpoints, errors, and what is on stdout.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { permutation } from '../../lib/ir/philox.ts';
import { folder, idx, type Ran, run } from './kit.ts';

/** Two classes that a line parts: the label is 1 where the first value is the larger. */
function points(n: number): string {
  const lines = Array.from(permutation(n, 5n, 0), (k, i) => {
    const [a, b] = [(k % 29) / 29, (i % 31) / 31];
    return `${a},${b},${a > b ? 1 : 0}`;
  });
  return `${lines.join('\n')}\n`;
}

const config = {
  data: { type: 'csv', file: 'points.csv', split: { train: 160, test: 40, order: 'seed' } },
  model: { type: 'mlp', sizes: [2, 16, 2], activation: 'tanh' },
  optimizer: { type: 'adamw', lr: 0.02 },
  clip: { type: 'globalNorm', threshold: 0.5 },
  batchSize: 16,
  epochs: 12,
  threads: 1,
};

function project(change: object = {}, files: Record<string, string | Uint8Array> = {}): string {
  return folder({ 'points.csv': points(200), 'config.json': JSON.stringify({ ...config, ...change }), ...files });
}

function last(ran: Ran): Record<string, unknown> {
  expect(ran.stderr + ran.stdout).not.toContain('ERR_INTERNAL');
  return ran.json().at(-1)!;
}

it('learns, and tells each epoch and the result', async () => {
  const cwd = project();
  const { code, stdout, stderr } = await run(['train', 'config.json'], { cwd });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).toContain('82 parameters; rows: 160 train, 40 test; 120 steps');
  expect(
    stdout.match(/^epoch +\d+\/12 {2}loss [\d.]+ {2}test loss [\d.]+ {2}accuracy [\d.]+ % {2}clipped \d+ % {2}skipped 0$/gm),
  ).toHaveLength(12);
  expect(Number(/test accuracy ([\d.]+) %/.exec(stdout)![1])).toBeGreaterThan(85);
});

it('gives JSON lines and nothing else on stdout', async () => {
  const cwd = project();
  const ran = await run(['train', '--json', 'config.json'], { cwd });
  const events = ran.json();
  expect(events.map((e) => e.event)).toEqual(['start', ...new Array(12).fill('epoch'), 'result']);
  expect(events[0]).toMatchObject({ seed: 0, parameters: 82, rows: { train: 160, validation: 0, test: 40 }, steps: 120 });
  expect(events[1]).toMatchObject({
    epoch: 1,
    steps: 10,
    skipped: 0,
    loss: expect.any(Number),
    testAccuracy: expect.any(Number),
  });
  expect(events.at(-1)).toMatchObject({
    stopReason: 'epochs',
    steps: 120,
    applied: 120,
    testAccuracy: events.at(-2)!.testAccuracy,
  });
  expect(ran.stderr).toContain('test accuracy');
});

it('is the same for the same seed, and another for another', async () => {
  const cwd = project();
  const loss = async (...more: string[]): Promise<unknown> =>
    last(await run(['train', '--json', 'config.json', ...more], { cwd })).loss;
  const first = await loss();
  expect(await loss('--seed', '0', '--threads', '2')).toBe(first);
  expect(await loss('--seed', '1')).not.toBe(first);
});

it('goes on from a checkpoint as if it had not stopped', async () => {
  const cwd = project();
  const whole = last(await run(['train', '--json', 'config.json', '--out', 'whole.safetensors'], { cwd }));
  const half = last(await run(['train', '--json', 'config.json', '--epochs', '5', '--out', 'half.safetensors'], { cwd }));
  expect(half).toMatchObject({ epochs: 5, checkpoint: join(cwd, 'half.safetensors') });
  const events = (await run(['train', '--json', 'config.json', '--resume', 'half.safetensors'], { cwd })).json();
  expect(events[0]).toMatchObject({ resumedAt: 50, steps: 70 });
  expect(events.at(-1)).toMatchObject({ epochs: 12, steps: 70, loss: whole.loss, testLoss: whole.testLoss });
  expect(last(await run(['train', '--json', 'config.json', '--resume', 'whole.safetensors'], { cwd }))).toMatchObject({
    stopReason: 'done before',
    steps: 0,
    testLoss: whole.testLoss,
  });
});

it('trains several seeds and tells the median', async () => {
  const events = (await run(['train', '--json', 'config.json', '--seeds', '3', '--epochs', '2'], { cwd: project() })).json();
  const results = events.filter((e) => e.event === 'result').map((e) => e.testAccuracy as number);
  expect(results).toHaveLength(3);
  expect(events.at(-1)).toMatchObject({ event: 'median', seeds: [0, 1, 2], testAccuracies: results });
  expect(events.at(-1)!.testAccuracy).toBe(results.toSorted((a, b) => a - b)[1]);
});

it('reads images with a test set of their own, and drops out, accumulates, decays and chains', async () => {
  const pixels = (n: number): Uint8Array =>
    Uint8Array.from({ length: n * 9 }, (_, i) => ((i % 9) * 20 + 80 * ((i / 9) & 1)) & 255);
  const labels = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => i & 1);
  const cwd = folder({
    'x.idx': idx([50, 3, 3], pixels(50)),
    'y.idx': idx([50], labels(50)),
    'tx.idx': idx([20, 3, 3], pixels(20)),
    'ty.idx': idx([20], labels(20)),
    'config.json': JSON.stringify({
      data: { type: 'idx', images: 'x.idx', labels: 'y.idx', testImages: 'tx.idx', testLabels: 'ty.idx', divideBy: 255 },
      model: { type: 'mlp', sizes: [9, 8, 2], dropout: 0.1, activation: 'gelu' },
      optimizer: { type: 'sgd', lr: 0.5, momentum: 0.9 },
      schedule: { type: 'cosine', steps: 100, warmup: 10 },
      clip: [
        { type: 'value', threshold: 0.1 },
        { type: 'globalNorm', threshold: 0.3 },
      ],
      batchSize: 8,
      accumulate: 2,
      epochs: 25,
    }),
  });
  const events = (await run(['train', '--json', 'config.json'], { cwd })).json();
  // 6 whole batches make 3 steps, the tail of 2 rows one more.
  expect(events[0]).toMatchObject({ rows: { train: 50, test: 20 }, steps: 100 });
  expect(events.at(-1)).toMatchObject({ steps: 100, testAccuracy: 1 });
});

it('stops early with the best weights, and measures regression by its loss alone', async () => {
  const cwd = project({
    data: { type: 'csv', file: 'points.csv', split: { train: 100, validation: 50, test: 50 } },
    model: { type: 'mlp', sizes: [2, 4, 1] },
    loss: 'mse',
    optimizer: { type: 'sgd', lr: 0.3 },
    earlyStop: { patience: 2, minDelta: 0.5 },
    epochs: 50,
  });
  const ran = await run(['train', '--json', 'config.json'], { cwd });
  expect(ran.code).toBe(0);
  expect(last(ran)).toMatchObject({ stopReason: 'earlyStop', testAccuracy: null, testLoss: expect.any(Number) });
});

it('learns text', async () => {
  const cwd = folder({
    'text.txt': 'abcdefgh'.repeat(200),
    'config.json': JSON.stringify({
      data: { type: 'text', file: 'text.txt', length: 16, split: { train: 0.8 } },
      model: { type: 'charRnn', embedding: 8, hidden: 16 },
      optimizer: { type: 'radam', lr: 0.02, lookahead: { k: 3 } },
      batchSize: 8,
      steps: 60,
    }),
  });
  const ran = await run(['train', '--json', 'config.json', '--out', 'm.safetensors'], { cwd });
  expect(last(ran)).toMatchObject({ stopReason: 'steps', steps: 60 });
  expect(last(ran).testAccuracy).toBeGreaterThan(0.8);
  const [held] = (await run(['inspect', '--json', 'm.safetensors'], { cwd })).json();
  const metadata = held!.metadata as Record<string, string>;
  expect(JSON.parse(metadata.tokenizer!)).toEqual({ type: 'char', chars: [...'abcdefgh'] });
});

it.each([
  [
    'a file that is not there',
    { data: { type: 'csv', file: 'no.csv', about: 'ask Ann' } },
    4,
    /no\.csv: no such file; --data DIR .* ask Ann/,
  ],
  ['ragged rows', { data: { type: 'csv', file: 'ragged.csv' } }, 4, /ragged\.csv:2: /],
  ['labels that are no classes', { data: { type: 'csv', file: 'points.csv', label: 0 } }, 4, /points\.csv:1: /],
  ['a label too large', { data: { type: 'csv', file: 'labels.csv' } }, 4, /expected .*(below|index)|7/],
  [
    'more rows than there are',
    { data: { type: 'csv', file: 'points.csv', split: { train: 500 } } },
    2,
    /data\.split: expected .* at most 200/,
  ],
  ['a model of another width', { model: { type: 'mlp', sizes: [3, 2] } }, 2, /model\.sizes\[0\]: expected 2, .* got 3/],
  ['an unknown optimizer', { optimizer: { type: 'adamm' } }, 2, /optimizer\.type: expected one of .*; did you mean adam\?/],
  [
    'an unknown option of lookahead',
    { optimizer: { type: 'sgd', lookahead: { kk: 1 } } },
    2,
    /optimizer\.lookahead: .*did you mean k\?/,
  ],
  ['an optimizer for matrices', { optimizer: { type: 'muon' } }, 2, /optim\.muon: expected matrices, got .*bias/],
  ['an unknown option of it', { optimizer: { type: 'sgd', lrr: 1 } }, 2, /optimizer: .*unknown option lrr; did you mean lr\?/],
  ['a negative threshold', { clip: { type: 'globalNorm', threshold: -1 } }, 2, /clip\.threshold: expected a number >= 0, got -1/],
  ['an unknown policy', { clip: [{ type: 'none' }, { type: 'globalnorm' }] }, 2, /clip\[1\]\.type: .*did you mean globalNorm\?/],
  [
    'a schedule with nothing to start from',
    { optimizer: { type: 'sgd' }, schedule: { type: 'constant' } },
    2,
    /optimizer\.lr: expected a finite number/,
  ],
])('refuses %s', async (_, change, code, message) => {
  const cwd = project(change, { 'ragged.csv': '1,2,0\n1,2\n', 'labels.csv': '1,2,0\n3,4,7\n' });
  const ran = await run(['train', 'config.json', '--out', 'kept.safetensors'], { cwd });
  expect(ran.stderr).toMatch(message);
  expect(ran.code).toBe(code);
  expect(existsSync(join(cwd, 'kept.safetensors'))).toBe(false);
});

it.each([
  [['config.json', '--seeds', '2', '--out', 'x'], '--seeds'],
  [['config.json', '--seed', '-1'], '--seed: expected a whole number >= 0, got "-1"'],
  [['config.json', '--out', 'no/such/x'], 'x: cannot be written: there is no folder'],
  [['config.json', '--epochs'], '--epochs: expected N after it'],
])('refuses %j', async (argv, message) => {
  const ran = await run(['train', ...argv], { cwd: project() });
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toContain(message);
});

it('exits with 3 where the loss is not finite, and leaves a checkpoint alone', async () => {
  const cwd = project({
    optimizer: { type: 'sgd', lr: 1e30 },
    clip: { type: 'none' },
    loss: 'mse',
    model: { type: 'mlp', sizes: [2, 1] },
  });
  writeFileSync(join(cwd, 'kept.safetensors'), 'as it was');
  const ran = await run(['train', '--json', 'config.json', '--out', 'kept.safetensors'], { cwd });
  expect(ran.code).toBe(3);
  expect(last(ran)).toMatchObject({ event: 'error', code: 'ERR_NON_FINITE' });
  const [file] = (await run(['inspect', 'kept.safetensors'], { cwd })).stderr.split('\n');
  expect(file).toContain('error:');
});

it('refuses a checkpoint of another model, or of weights alone, and another seed', async () => {
  const cwd = project();
  await run(['train', 'config.json', '--epochs', '1', '--out', 'm.safetensors'], { cwd });
  writeFileSync(join(cwd, 'other.json'), JSON.stringify({ ...config, model: { type: 'mlp', sizes: [2, 5, 2] } }));
  expect(await run(['train', 'other.json', '--resume', 'm.safetensors'], { cwd })).toMatchObject({ code: 4 });
  expect(await run(['train', 'config.json', '--resume', 'points.csv'], { cwd })).toMatchObject({ code: 4 });
  expect(await run(['train', 'config.json', '--resume', 'm.safetensors', '--seed', '3'], { cwd })).toMatchObject({ code: 2 });
});

it('stops when it is told to, writes the checkpoint, and says 130', async () => {
  const cwd = project({ epochs: 1_000_000, save: 'm.safetensors' });
  const controller = new AbortController();
  const onStdout = (text: string): void => {
    if (text.includes('"epoch":3')) controller.abort('SIGINT');
  };
  const ran = await run(['train', '--json', 'config.json'], { cwd, signal: controller.signal, onStdout });
  expect(ran.code).toBe(130);
  expect(last(ran)).toMatchObject({ event: 'result', stopReason: 'stopped', checkpoint: join(cwd, 'm.safetensors') });
  expect(readdirSync(cwd).sort()).toEqual(['config.json', 'm.safetensors', 'points.csv']);
  const more = (await run(['train', '--json', 'config.json', '--epochs', '5', '--resume', 'm.safetensors'], { cwd })).json();
  expect(more[0]!.resumedAt).toBeGreaterThanOrEqual(30);
});

it('writes nothing when it is told to stop before the first step', async () => {
  const cwd = project({ save: 'm.safetensors' });
  const ran = await run(['train', '--json', 'config.json'], { cwd, signal: AbortSignal.abort('SIGTERM') });
  expect(ran.code).toBe(143);
  expect(last(ran)).toMatchObject({ event: 'result', steps: 0, checkpoint: null });
  expect(existsSync(join(cwd, 'm.safetensors'))).toBe(false);
});

it('draws a bar on a terminal', async () => {
  const ran = await run(['train', 'config.json'], { cwd: project({ epochs: 300 }), tty: true });
  expect(ran.code).toBe(0);
  expect(ran.stderr).toMatch(/━+.* \d+ %.*steps\/s/);
  // The last thing done to the bar is to take it away.
  expect(ran.stderr.endsWith('\x1b[J')).toBe(true);
});

it('prunes rows, holds weights to their constraints, and writes the smaller model', async () => {
  const cwd = project({
    savePruned: 'small.safetensors',
    constraints: [
      { match: '*', type: 'weightClip', max: 0.75 },
      { match: '2.weight', type: 'maxNorm', max: 1.5, axis: 'columns' },
    ],
    prune: { type: 'rows', match: '0.weight', sparsity: 0.5, end: 60, every: 10, norm: 'inf' },
  });
  const { code, stdout } = await run(['train', 'config.json'], { cwd });
  expect(code).toBe(0);
  expect(stdout).toContain('pruned: 50.0 % of the weights that may be');
  const { tensors } = await readSafetensors(join(cwd, 'small.safetensors'));
  expect([...tensors].map(([name, t]) => [name, t.shape])).toEqual([
    ['0.weight', [8, 2]],
    ['0.bias', [8]],
    ['2.weight', [2, 8]],
    ['2.bias', [2]],
  ]);
  for (const { data } of tensors.values()) expect((data as Float32Array).every((v) => Math.abs(v) <= 0.75)).toBe(true);
  const ran = await run(['train', '--json', 'config.json'], { cwd });
  expect(last(ran)).toMatchObject({ event: 'result', sparsity: 0.5 });
});

it.each([
  [{ prune: { type: 'row', match: '0.weight' } }, 'prune.type: expected one of magnitude, rows, got "row"; did you mean rows?'],
  [{ prune: { type: 'magnitude', sparsity: 2 } }, 'prune.sparsity: expected a finite number >= 0 and <= 1, got 2'],
  [
    {
      prune: [
        { type: 'magnitude', sparsity: 0.5 },
        { type: 'rows', sparsity: 0.5, match: 3 },
      ],
    },
    'prune[1].match: expected a pattern as string or RegExp, got 3',
  ],
  [{ constraints: [{ type: 'maxNorm' }] }, 'constraints[0].match: expected a text, got nothing'],
  [{ constraints: [{ type: 'weightClip', match: '*', min: 1 }] }, 'constraints[0]: unknown option min'],
  [{ constraints: [{ type: 'unitNorm', match: '*', axis: 'row' }] }, 'did you mean rows?'],
  [{ savePruned: 'x' }, 'prune: expected one of type rows, since savePruned leaves out rows'],
])('refuses %j', async (change, message) => {
  const { code, stderr } = await run(['train', 'config.json'], { cwd: project(change) });
  expect(code).not.toBe(0);
  expect(stderr).toContain(message);
});

it('writes checkpoints while it trains, and goes on from the newest', async () => {
  const more = { checkpoint: { file: 'run.safetensors', every: { steps: 7 }, keep: 2 }, resume: 'auto', seed: 3 };
  const cwd = project(more);
  const whole = last(await run(['train', '--json', 'config.json', '--out', 'whole.safetensors', '--resume', 'auto'], { cwd }));
  rmSync(join(cwd, 'run.safetensors'));
  rmSync(join(cwd, 'run.1.safetensors'));
  await run(['train', '--json', 'config.json', '--epochs', '5'], { cwd });
  expect(existsSync(join(cwd, 'run.1.safetensors'))).toBe(true);
  const events = (await run(['train', '--json', 'config.json'], { cwd })).json();
  expect(events[0]).toMatchObject({ resumedAt: 50, steps: 70 });
  expect(events.at(-1)).toMatchObject({ epochs: 12, steps: 70, loss: whole.loss, testLoss: whole.testLoss });
  expect(last(await run(['train', '--json', 'config.json'], { cwd }))).toMatchObject({ stopReason: 'done before', steps: 0 });
  // What it says of itself is what `save` writes.
  expect((await run(['inspect', 'run.safetensors'], { cwd })).stdout).toContain('gradclip');
});

it.each([
  ['resume without files to look for', { resume: 'auto' }, [], 2, /checkpoint: expected a file, for resume to look for/],
  ['the same as a flag', {}, ['--resume', 'auto'], 2, /--resume auto looks for the files of checkpoint/],
  [
    'another seed',
    { checkpoint: 'a.safetensors' },
    ['--resume', 'auto', '--seed', '9'],
    2,
    /--seed 9: the checkpoint has seed 0/,
  ],
])('refuses %s', async (_, more, flags, code, message) => {
  const cwd = project(more);
  if ('checkpoint' in more) await run(['train', 'config.json', '--epochs', '1'], { cwd });
  const ran = await run(['train', 'config.json', ...flags], { cwd });
  expect(ran).toMatchObject({ code });
  expect(ran.stderr).toMatch(message);
});

it('writes curves and a table of the run, which go on with it', async () => {
  const cwd = project({ epochs: 3, save: 'c.safetensors' });
  const flags = ['--tensorboard', 'board', '--csv', 'run.csv'];
  expect((await run(['train', 'config.json', ...flags, '--epochs', '1'], { cwd })).code).toBe(0);
  const rows = (): string[] => readFileSync(join(cwd, 'run.csv'), 'utf8').trimEnd().split('\n');
  const first = rows();
  expect(first[0]).toMatch(/^step,attempt,epoch,loss,learning_rate,/);
  expect(readdirSync(join(cwd, 'board'))).toEqual([expect.stringMatching(/^events\.out\.tfevents\.\d{10}\./)]);
  expect((await run(['train', 'config.json', ...flags, '--resume', 'c.safetensors'], { cwd })).code).toBe(0);
  expect(rows().slice(0, first.length)).toEqual(first);
  expect(rows().length - 1).toBe(3 * (first.length - 1));
  expect(readdirSync(join(cwd, 'board'))).toHaveLength(2);
});

it('curves and tables: what cannot be written is said before anything is read, and several seeds have none', async () => {
  const cwd = project({});
  const gone = await run(['train', 'config.json', '--csv', 'none/run.csv'], { cwd });
  expect(gone).toMatchObject({ code: 2, stderr: expect.stringContaining('--csv') });
  for (const flag of ['--csv', '--tensorboard']) {
    expect(await run(['train', 'config.json', '--seeds', '2', flag, 'x'], { cwd })).toMatchObject({ code: 2 });
  }
  expect(existsSync(join(cwd, 'x'))).toBe(false);
});
