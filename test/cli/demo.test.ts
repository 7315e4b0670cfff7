// demo.test.ts: `gradclip demo` with few steps: the table, the page, JSON, a terminal, and being stopped.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ownSources } from '../../lib/cli/demo/corpus.ts';
import { CharRNN } from '../../lib/models/index.ts';
import { folder, run } from './kit.ts';

const text = 'it is a truth universally acknowledged, that a small network must be in want of a clip.\n'.repeat(30);
const quick = ['demo', '--text', 'text.txt', '--steps', '12', '--threads', '1'];

it('trains three times and writes one page', async () => {
  const cwd = folder({ 'text.txt': text });
  const { code, stdout, stderr } = await run(quick, { cwd });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  for (const label of ['no clip', 'value 0.01', 'global norm 0.25']) {
    expect(stdout).toMatch(new RegExp(`^${label} +[\\d.]+ +\\S+ +\\S+ +[\\d.]+ % +0 +`, 'm'));
    expect(stdout).toContain(`${label} writes:`);
  }
  const page = readFileSync(join(cwd, 'gradclip-report.html'), 'utf8');
  expect(stdout).toContain(join(cwd, 'gradclip-report.html'));
  expect(page.match(/<path class="s\d trend"/g)).toHaveLength(6);
  expect(page).not.toMatch(/(?:src|href)=|https?:/);
  expect(page).toContain('text.txt');
});

it('gives JSON lines, and the same figures for the same seed', async () => {
  const cwd = folder({ 'text.txt': text });
  const once = (await run([...quick, '--json', '--report', 'a.html'], { cwd })).json();
  expect(once.map((e) => e.event)).toEqual(['run', 'run', 'run', 'result']);
  expect(once[0]).toMatchObject({ name: 'none', policy: 'clip.none()', clippedPercent: 0, skipped: 0 });
  expect(once[2]).toMatchObject({ name: 'globalNorm', finalLoss: expect.any(Number), medianNorm: expect.any(Number) });
  expect([...(once[2]!.sample as string)]).toHaveLength(240);
  expect(once[3]).toMatchObject({ report: join(cwd, 'a.html'), steps: 12, seed: 0, threads: 1, text: { length: text.length } });
  const again = (await run([...quick, '--json', '--report', 'b.html', '--threads', '2'], { cwd })).json();
  expect(again.map((e) => [e.finalLoss, e.sample])).toEqual(once.map((e) => [e.finalLoss, e.sample]));
  const other = (await run([...quick, '--json', '--report', 'c.html', '--seed', '1'], { cwd })).json();
  expect(other[0]!.finalLoss).not.toBe(once[0]!.finalLoss);
});

it('draws curves on a terminal, and nothing but text without colors where they are not wanted', async () => {
  const cwd = folder({ 'text.txt': text });
  const shown = await run(quick, { cwd, tty: true, env: { NO_COLOR: '1' } });
  expect(shown.stderr).toMatch(/[\u2801-\u28ff]/);
  expect(shown.stderr).toContain('gradient norm');
  expect((shown.stdout + shown.stderr).split('\x1b[').every((part, i) => i === 0 || !/^\d*m/.test(part))).toBe(true);
  expect((await run(quick, { cwd, tty: true })).stdout).toContain('\x1b[36m');
});

it.each([
  [['--steps', '0'], 2, '--steps: expected a whole number >= 1, got "0"'],
  [['--report', 'no/such/folder.html'], 2, '--report: '],
  [['--text', 'none.txt'], 4, 'none.txt: no such file'],
  [['--text', 'short.txt'], 4, 'short.txt: expected at least 73 characters to learn from, got 5'],
  [['--stpes', '3'], 2, 'did you mean --steps?'],
])('refuses %j', async (argv, code, message) => {
  const cwd = folder({ 'short.txt': 'short' });
  const ran = await run(['demo', ...argv], { cwd });
  expect(ran.stderr).toContain(message);
  expect(ran).toMatchObject({ code, stdout: '' });
});

it('stops when it is told to and leaves no page', async () => {
  const cwd = folder({ 'text.txt': text });
  const controller = new AbortController();
  const onStdout = (): void => controller.abort('SIGTERM');
  const ran = await run(['demo', '--text', 'text.txt', '--steps', '100000'], { cwd, signal: controller.signal, onStdout });
  expect(ran.code).toBe(143);
  expect(existsSync(join(cwd, 'gradclip-report.html'))).toBe(false);
});

it('starts as PyTorch does', () => {
  const model = new CharRNN(65, { kind: 'rnn', embedding: 32, hidden: 128 }).initialize(0);
  const shapes = Object.fromEntries(Array.from(model.namedParameters(), ([name, p]) => [name, p.shape]));
  expect(shapes).toEqual({
    'embedding.weight': [65, 32],
    'rnn.weight_ih_l0': [128, 32],
    'rnn.weight_hh_l0': [128, 128],
    'rnn.bias_ih_l0': [128],
    'rnn.bias_hh_l0': [128],
    'head.weight': [65, 128],
    'head.bias': [65],
  });
  for (const [name, p] of model.namedParameters()) {
    const squares = p.data.reduce((sum, x) => sum + x * x, 0) / p.size;
    const most = p.data.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    if (name === 'embedding.weight') expect(squares).toBeCloseTo(1, 1);
    else expect(most).toBeLessThanOrEqual(1 / Math.sqrt(128));
  }
});

it('has a text that is always there, and always the same', () => {
  const own = ownSources();
  expect(own.length).toBeGreaterThan(100_000);
  expect(own).toBe(ownSources());
  expect(new Set(own).size).toBeLessThanOrEqual(256);
});
