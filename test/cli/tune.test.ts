// tune.test.ts: `gradclip tune`: the configuration to keep, the page, JSON, what is refused, and the same outcome for any threads.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { permutation } from '../../lib/ir/philox.ts';
import { folder, run } from './kit.ts';

const POINTS = Array.from({ length: 220 }, (_, i) => [permutation(220, 5n, 0)[i]! % 29, i % 31] as const);
const CSV = `${POINTS.map(([a, b]) => `${a / 29},${b / 31},${a > b ? 1 : 0}`).join('\n')}\n`;

const CONFIG = {
  data: { type: 'csv', file: 'points.csv', split: { train: 160, validation: 60, order: 'seed' } },
  model: { type: 'mlp', sizes: [2, 8, 2] },
  optimizer: { type: 'sgd', lr: 0.05, momentum: 0.9 },
  clip: { type: 'globalNorm', threshold: 0.5 },
  ...{ batchSize: 16, epochs: 9, save: 'net.safetensors' },
};
const project = (change: object = {}): string =>
  folder({ 'points.csv': CSV, 'config.json': JSON.stringify({ ...CONFIG, ...change }) });
const SHORT = ['--steps', '720', '--seeds', '2', '--threads', '1'];

const result = (ran: Awaited<ReturnType<typeof run>>): Record<string, unknown> => {
  const last = ran.json().at(-1)!;
  expect(last, ran.stderr).toMatchObject({ event: 'result' });
  return last;
};

describe('gradclip tune', () => {
  it('seeks rate and threshold where nothing is said, and writes what train takes', async () => {
    const cwd = project();
    mkdirSync(join(cwd, 'out'));
    const argv = ['tune', 'config.json', ...SHORT, '--output', 'out/best.json', '--html', 'page.html'];
    const { code, stdout, stderr } = await run(argv, { cwd });
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('optimizer.lr: {"log":[0.00167,0.5]}');
    expect(stdout).toContain('clip.threshold: {"log":[0.0167,15]}');
    expect(stdout).toMatch(
      /\nBest: trial \d+ \(optimizer\.lr [\d.]+, clip\.threshold [\d.]+\): loss [\d.]+, mean of \d seeds\.\n/,
    );
    expect(stdout).toMatch(/\nTrial 0, as it stood: loss /);
    const best = JSON.parse(readFileSync(join(cwd, 'out/best.json'), 'utf8'));
    const [, lr, threshold] = /optimizer\.lr ([\d.e-]+), clip\.threshold ([\d.e-]+)\)/.exec(stdout)!;
    expect(best).toEqual({
      ...CONFIG,
      data: { ...CONFIG.data, dir: '..' },
      optimizer: { ...CONFIG.optimizer, lr: Number(lr) },
      clip: { ...CONFIG.clip, threshold: Number(threshold) },
    });
    expect(await run(['train', 'out/best.json', '--epochs', '1'], { cwd })).toMatchObject({ code: 0 });
    expect(existsSync(join(cwd, 'out/net.safetensors'))).toBe(true);
    const page = readFileSync(join(cwd, 'page.html'), 'utf8');
    expect(page).toContain('clip.threshold');
    expect(page.match(/<svg/g)).toHaveLength(3);
    expect(page).not.toMatch(/NaN|undefined|Infinity|<script/);
  });

  it('tells each training and the outcome as JSON, the first trial as it stands', async () => {
    const ran = await run(['tune', 'config.json', ...SHORT, '--json'], { cwd: project() });
    const events = ran.json();
    expect(events[0]).toMatchObject({
      event: 'start',
      budget: { steps: 720, seconds: null, trials: null },
      length: 90,
      workers: 1,
    });
    const trials = events.filter(({ event }) => event === 'trial');
    expect(trials.find(({ trial }) => trial === 0)).toMatchObject({
      params: { 'optimizer.lr': 0.05, 'clip.threshold': 0.5 },
      seed: 0,
    });
    const last = result(ran);
    expect(last.steps).toBeLessThanOrEqual(720);
    expect((last.trials as unknown[]).length).toBeGreaterThan(3);
    expect(last).toMatchObject({ config: { model: CONFIG.model }, output: null });
  });

  it('keys of choice, of policies with thresholds and without, in lists and out of them', async () => {
    const tune = {
      space: {
        clip: { choice: [null, { type: 'globalNorm' }, { type: 'value' }, { type: 'autoClip', q: 20 }] },
        'clip.threshold': { log: [0.01, 10] },
        'model.sizes[1]': { integer: [4, 32], log: true },
        schedule: { choice: [null, { type: 'cosine', steps: { epochs: 9 } }] },
        'optimizer.weightDecay': { uniform: [0, 0.01] },
      },
      budget: { trials: 9 },
      seeds: 0,
      metric: 'accuracy',
    };
    const cwd = project({ tune });
    const ran = await run(['tune', 'config.json', '--threads', '1', '--json'], { cwd });
    const { trials, config } = result(ran) as { trials: Record<string, never>[]; config: Record<string, unknown> };
    expect(trials).toHaveLength(9);
    expect(trials.filter(({ status }) => status === 'failed')).toEqual([]);
    const all = trials.map(({ params }) => params as unknown as Record<string, unknown>);
    for (const params of all) {
      const policy = params.clip as { type: string } | null;
      // What has no threshold is not given one.
      expect(params['clip.threshold'] === null).toBe(policy === null || policy.type === 'autoClip');
    }
    expect(new Set(all.map(({ clip }) => JSON.stringify(clip))).size).toBeGreaterThan(2);
    expect(config).not.toHaveProperty('tune');
    // train has no use for the key.
    expect(await run(['train', 'config.json', '--epochs', '1'], { cwd })).toMatchObject({ code: 0 });
  });

  it('goes on with its record, and ends where it is stopped', async () => {
    const cwd = project();
    const argv = ['tune', 'config.json', ...SHORT, '--json', '--record', 'tune.jsonl'];
    const whole = result(await run(argv, { cwd: project() }));
    const controller = new AbortController();
    let seen = 0;
    const onStdout = (text: string): void => {
      seen += text.split('"event":"trial"').length - 1;
      if (seen >= 4) controller.abort('SIGINT');
    };
    const stopped = await run(argv, { cwd, signal: controller.signal, onStdout });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain('--resume goes on');
    expect(existsSync(join(cwd, 'tune.jsonl.states'))).toBe(true);
    expect(await run(argv, { cwd })).toMatchObject({ code: 2 });
    const resumed = result(await run([...argv, '--resume'], { cwd }));
    const plain = ({ seconds: _, trials, ...rest }: Record<string, unknown>): unknown => ({
      ...rest,
      trials: (trials as Record<string, unknown>[]).map(({ seconds: __, ...trial }) => trial),
    });
    expect(plain(resumed)).toEqual(plain(whole));
    expect(existsSync(join(cwd, 'tune.jsonl.states'))).toBe(false);
  });

  it('the same outcome side by side in threads, as a program of its own', async () => {
    const here = result(await run(['tune', 'config.json', ...SHORT, '--json'], { cwd: project() }));
    for (const threads of ['3']) {
      const argv = ['dist/bundle/main.js', 'tune', join(project(), 'config.json'), ...SHORT, '--threads', threads, '--json'];
      const { stdout, stderr, status } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
      expect(status, stderr).toBe(0);
      const there = JSON.parse(stdout.trim().split('\n').at(-1)!);
      expect(there).toMatchObject({ best: here.best, value: here.value, verdict: here.verdict, steps: here.steps });
    }
  });

  it('killed again and again, at any moment, with threads at work: the same outcome', async () => {
    const argv = [
      'dist/bundle/main.js',
      'tune',
      join(project(), 'config.json'),
      ...SHORT.slice(0, 4),
      '--threads',
      '2',
      '--json',
    ];
    const record = join(folder(), 'tune.jsonl');
    const lines = (): number => (existsSync(record) ? readFileSync(record, 'utf8').split('\n').length : 0);
    // Each start comes some jobs farther, and is killed while others are on.
    for (const kill of [3, 8, 15]) {
      const child = spawn(process.execPath, [...argv, '--record', record, '--resume'], { stdio: 'ignore' });
      const ended = new Promise<void>((done) => child.once('exit', () => done()));
      while (lines() < kill && child.exitCode === null) await new Promise((done) => setTimeout(done, 1));
      child.kill('SIGKILL');
      await ended;
    }
    const outcome = (more: string[]): unknown => {
      const { stdout, stderr, status } = spawnSync(process.execPath, [...argv, ...more], { encoding: 'utf8' });
      expect(status, stderr).toBe(0);
      const { seconds: _, trials, ...rest } = JSON.parse(stdout.trim().split('\n').at(-1)!);
      return { ...rest, trials: trials.map(({ seconds: __, ...trial }: { seconds: number }) => trial) };
    };
    expect(outcome(['--record', record, '--resume'])).toEqual(outcome([]));
  });

  it.each<[string, object, string[], number, string]>([
    [
      'no validation rows',
      { data: { ...CONFIG.data, split: { train: 160 } } },
      [],
      2,
      'data.split.validation: expected some rows, for trials',
    ],
    ['a training by the clock', { epochs: undefined, seconds: 3 }, [], 2, 'seconds: expected steps or epochs'],
    [
      'a key that is not there',
      { tune: { space: { 'clip.treshold': { log: [1, 2] } } } },
      [],
      2,
      'tune.space.clip.treshold: there is no such key in the configuration; did you mean threshold?',
    ],
    [
      'a key within nothing',
      { clip: undefined, tune: { space: { 'clip.threshold': { log: [1, 2] } } } },
      [],
      2,
      'there is no such key',
    ],
    [
      'what is the same for all',
      { tune: { space: { 'data.split.train': { integer: [1, 2] } } } },
      [],
      2,
      'expected a key that trials may differ in, none of data',
    ],
    ['no path', { tune: { space: { 'clip[': { log: [1, 2] } } } }, [], 2, 'expected the path of a key'],
    [
      'no domain',
      { tune: { space: { 'optimizer.lr': [1, 2] } } },
      [],
      2,
      'tune.space.optimizer.lr: expected { "log": [1e-4, 1] }',
    ],
    [
      'two domains',
      { tune: { space: { 'optimizer.lr': { log: [1, 2], uniform: [1, 2] } } } },
      [],
      2,
      'tune.space.optimizer.lr: expected',
    ],
    [
      'bounds in the wrong order',
      { tune: { space: { 'optimizer.lr': { log: [2, 1] } } } },
      [],
      2,
      'tune.space.optimizer.lr.log[1]: expected a number above min, 2, got 1',
    ],
    ['an unknown key of tune', { tune: { spaces: {} } }, [], 2, 'tune: unknown option spaces; did you mean space?'],
    [
      'accuracy of values',
      { loss: 'mse', model: { type: 'mlp', sizes: [2, 8, 1] }, tune: { metric: 'accuracy' } },
      [],
      2,
      'tune.metric: expected loss',
    ],
    ['resume of nothing', {}, ['--resume'], 2, '--resume goes on with the file of --record'],
    ['a folder that is not there', {}, ['--output', 'none/best.json'], 2, '--output: '],
    ['no data', { data: { ...CONFIG.data, file: 'none.csv' } }, [], 4, 'none.csv'],
    [
      'nothing but divergence',
      {
        optimizer: { type: 'sgd', lr: 1e38 },
        clip: undefined,
        tune: { space: { 'optimizer.lr': { log: [1e37, 1e38] } }, budget: { trials: 3 } },
      },
      [],
      3,
      'every one of 3 trials diverged or failed',
    ],
  ])('refuses %s', async (_, change, argv, code, message) => {
    const ran = await run(['tune', 'config.json', '--threads', '1', ...argv], { cwd: project(change) });
    expect(ran.stderr).toContain(message);
    expect(ran.code).toBe(code);
  });
});
