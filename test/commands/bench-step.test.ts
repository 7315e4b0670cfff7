// bench-step.test.ts: suite step of the benchmark: what its figures come to, beside the peers and beside what the machine can do.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Info } from '../../bench/engine.ts';
import { stepCell } from '../../bench/engines/step.ts';
import type { Facts } from '../../bench/facts.ts';
import type { Row, Sample } from '../../bench/report.ts';
import { readResults } from '../../bench/results.ts';
import { checkStep, step } from '../../bench/step-suite.ts';
import { markdown, stepTables } from '../../bench/step-tables.ts';
import { bestPeer, verdict } from '../../bench/verdict.ts';

const rounds = (...medians: number[]): Sample[] => medians.map((m) => ({ median_ms: m, min_ms: m / 2, n: 10 }));
const timed = (record: Record<string, Sample[]>): ReadonlyMap<string, Sample[]> => new Map(Object.entries(record));

describe('figures', () => {
  // 2 GFLOP at 100 GF/s and 10 MB at 1 GB/s: 20 + 10 ms at least.
  const info = {
    variants: ['step', 'noclip', 'awaited', 'fma', 'stream', 'square', 'product'],
    ...{ params: 121, chunk: 9, flops: 2e9, bytes: 3e7, update_bytes: 1e7 },
    ...{ fma_flops: 1e8, stream_bytes: 1e6, product: [100, 200, 300] },
  };
  // In the second round the machine is at half its speed.
  const ours = timed({
    ...{ step: rounds(40, 80), noclip: rounds(20, 40), awaited: rounds(50, 100) },
    ...{ fma: rounds(1, 2), stream: rounds(1, 2), square: rounds(30, 60), product: rounds(0.24, 0.48) },
  });
  // 1 GFLOP of them is in bf16, at 200 GF/s: 10 + 5 + 10 ms at least.
  const low: Info = { ...info, precision: 'bf16', flops: 1e9, bf16_flops: 1e9, dot_flops: 4e8 };
  const oursLow = timed({ ...Object.fromEntries(ours), dot: rounds(2, 4) });
  it('times what was asked for, probes for a part of the time', () => {
    expect(step.variants(info, new Set())).toEqual(['step', 'fma', 'stream', 'square', 'product']);
    expect(step.variants(info, new Set(['overhead', 'awaited']))).toEqual(expect.arrayContaining(['noclip', 'awaited']));
    expect(step.variants({ variants: ['step', 'chunk'] }, new Set())).toEqual(['step', 'chunk']);
    expect(['step', 'chunk', 'fma', 'square'].map((variant) => step.part!(variant))).toEqual([1, 1, 0.25, 0.25]);
    expect(step.more!(info)).toEqual(['--product', '100x200x300', '--chunk', '9']);
  });
  it('of ours: the floor and the share of it, whatever the machine did meanwhile', () => {
    expect(step.row('mlp-tiny', info, ours)).toMatchObject({
      ...{ median_ms: 60, overhead_percent: 100, awaited_ms: 75 },
      ...{ gflop: 2, update_mb: 10, all_mb: 30, peak_gflops: 66.67, stream_gbytes: 0.6667 },
      ...{ floor_ms: 45, floor_percent: 75, floor_all_ms: 75, floor_all_percent: 125 },
      ...{ square_percent: 71.58, product_percent: 50 },
    });
  });
  it('of ours in bf16: products at what the machine does in bf16, all else at fma', () => {
    expect(step.variants({ ...low, variants: [...low.variants, 'dot'] }, new Set())).toContain('dot');
    expect(step.row('mlp-tiny', low, oursLow)).toMatchObject({
      ...{ precision: 'bf16', gflop: 1, bf16_gflop: 1, peak_gflops: 66.67, bf16_peak_gflops: 133.3 },
      ...{ floor_ms: 37.5, floor_percent: 62.5, square_percent: 35.79, product_percent: 25 },
    });
  });
  it('of a peer: each way to step beside ours', () => {
    const theirs = timed({
      step: rounds(160, 480),
      chunk: rounds(80, 160),
      square: rounds(60, 120),
      product: rounds(0.48, 0.96),
    });
    expect(step.row('mlp-tiny', { variants: [], params: 121, chunk: 9 }, theirs)).toMatchObject({
      chunk_ms: 120,
      chunk_steps: 9,
    });
    expect(step.compare!(theirs, ours, info)).toEqual({ ratio: 5, chunk_ratio: 2, awaited_ratio: 4 });
    expect(step.shares!(theirs, ours, info)).toEqual({ square_percent: 35.79, product_percent: 25 });
    expect(step.shares!(theirs, oursLow, low)).toEqual({ square_percent: 17.9, product_percent: 12.5 });
    expect(step.bars({ peer: 'jax', suite: 'step', threads: 2, median_ms: 3, chunk_ms: 2, chunk_steps: 9 })).toMatchObject([
      { label: 'jax', value: 3 },
      { label: 'jax, 9 steps a call', value: 2 },
    ]);
  });
  it('of steps that are wrong there are none, in whatever way they are taken', async () => {
    const { loss, norm } = { loss: [0.59825266, 0.59814399, 0.59793758], norm: [1.08689427, 1.08658299, 1.08599159] };
    const right = { variants: [], loss, norm, chunk_loss: loss.slice(0, 2), chunk_norm: norm.slice(0, 2) };
    expect(await checkStep('mlp-tiny', right)).toBeNull();
    for (const key of ['loss', 'norm', 'chunk_loss', 'chunk_norm'] as const) {
      const wrong = { ...right, [key]: right[key].map((value, i) => (i === 1 ? 1.002 * value : value)) };
      expect(await checkStep('mlp-tiny', wrong), key).toMatch(/^expected (loss|norm) .* in its first steps, got /);
      const low = { ...wrong, precision: 'bf16' } as const;
      expect(await checkStep('mlp-tiny', low), key).toEqual(
        key.endsWith('norm') ? null : expect.stringMatching(/^expected loss/),
      );
    }
  });
});

const row = (peer: string, workload: string, more: Record<string, unknown>): Row => {
  return { peer, suite: 'step', threads: 2, workload, ...more };
};
const bounds = { floor_ms: 1.5, floor_percent: 75, floor_all_ms: 2, floor_all_percent: 100, peak_gflops: 500, stream_gbytes: 70 };
const ours = row('gradclip', 'mlp-tiny', {
  median_ms: 2,
  ...bounds,
  square_percent: 90,
  product_percent: 80,
  overhead_percent: 1,
  memory_mib: 8,
});
const cell: readonly Row[] = [
  ours,
  row('before', 'mlp-tiny', { median_ms: 2.2, ratio: 1.1, ratio_low: 1, ratio_high: 1.2 }),
  row('torch', 'mlp-tiny', { median_ms: 8, ratio: 4, ratio_low: 3, ratio_high: 5, square_percent: 40 }),
  row('jax', 'mlp-tiny', { median_ms: 10, ratio: 5, chunk_ms: 6, chunk_ratio: 3, chunk_ratio_low: 2.5, chunk_ratio_high: 3.5 }),
];

describe('what a cell comes to', () => {
  it('is told beside the best peer in its best way, never beside ourselves', () => {
    expect(bestPeer(cell, ours)).toEqual({ peer: 'jax', way: 'chunk', ms: 6, ratio: 3, between: [2.5, 3.5] });
    expect(bestPeer(cell.slice(0, 3), ours)).toMatchObject({ peer: 'torch', way: 'step', ratio: 4 });
    expect(bestPeer([ours, { ...cell[2]!, ratio: 0.8, ratio_low: undefined }], ours)).toMatchObject({
      ratio: 0.8,
      between: null,
    });
    expect(bestPeer(cell.slice(0, 2), ours)).toBeNull();
    expect(verdict(cell)).toEqual([
      'mlp-tiny, 2 threads: 3 times as fast as jax with as many steps a call (2.5 to 3.5 with 95 % confidence), the best of torch, jax; at 75 % of its floor of 1.5 ms, with 500 GF/s of fma and 70 GB/s',
    ]);
    expect(verdict([{ ...ours, threads: 1 }])).toEqual([
      expect.stringMatching(/^mlp-tiny, 1 thread: no peer to compare with; at 75 %/),
    ]);
    expect(verdict(cell.slice(1))).toEqual([]);
  });
  it('is told in each precision beside the best peer in any, and in f32 too where that is another', () => {
    const mixed = [
      ...cell.map((row) => (row.peer === 'torch' ? { ...row, bf16_ratio: 8 } : row)),
      row('gradclip-bf16', 'mlp-tiny', { precision: 'bf16', median_ms: 1, ratio: 0.5, ...bounds, bf16_peak_gflops: 900 }),
      row('before-bf16', 'mlp-tiny', { precision: 'bf16', median_ms: 1, ratio: 0.5, bf16_ratio: 1 }),
      row('torch-bf16', 'mlp-tiny', { precision: 'bf16', median_ms: 3, ratio: 1.5, bf16_ratio: 3 }),
    ];
    const [plain, low] = verdict(mixed);
    expect(plain).toContain(
      'threads: 1.5 times as fast as torch-bf16, the best of torch, jax, torch-bf16; 3 times as fast as jax with',
    );
    expect(low).toMatch(
      /^mlp-tiny in bf16, 2 threads: 3 times as fast as torch-bf16, the best of torch, torch-bf16; 8 times as /,
    );
    expect(low).toContain(
      'as fast as torch, the best in f32; at 75 % of its floor of 1.5 ms, with 500 GF/s of fma, 900 GF/s of bf16',
    );
    const tables = stepTables(['A processor'], mixed);
    expect(tables).toContain('| mlp-tiny in bf16 | 1 | torch | 8 | 8 | - | 1.5 | 75 % | torch-bf16 | 3 | 3 |');
    expect(tables).toContain('| mlp-tiny | 500 | 900 | 70 | 2 | 100 % |');
  });
  it('is a line of tables ready to paste', () => {
    expect(
      markdown(
        ['a', 'b', 'c'],
        [
          ['x', '-', '1'],
          ['y', '-', '-'],
        ],
      ),
    ).toBe('| a | c |\n|---|---|\n| x | 1 |\n| y | - |');
    const tables = stepTables(['A processor'], [...cell, row('gradclip', 'ncf', { median_ms: 4 })]);
    expect(tables).toContain('| mlp-tiny | 2 | jax, many steps a call | 6 | 3 | 2.5 to 3.5 | 1.5 | 75 % |');
    expect(tables).toContain('| ncf | 4 | - | - | - | - | - | - |');
    expect(tables).toContain('| ms | gradclip | before | torch | jax | jax, many steps a call |');
    expect(tables).toContain('| mlp-tiny | 2 | 2.2 | 8 | 10 | 6 |');
    expect(tables).toContain('| mlp-tiny | 500 | 70 | 2 | 100 % | 90 %, 80 % | 40 %, - |');
    expect(tables).toContain('### What the clip costs on 2 threads\n\n| workload | gradclip |\n|---|---|\n| mlp-tiny | 1 % |');
    expect(tables).toContain('first steps take on 2 threads, MiB\n\n| workload | gradclip |\n|---|---|\n| mlp-tiny | 8 |');
    expect(tables).toMatch(/^<!-- table steps -->\n- A processor\n\n### Steps on 2 threads: [\s\S]*\n<!-- end -->$/);
    for (const line of tables.split('\n').filter((line) => line.startsWith('|---')))
      expect(tables.split('\n')[tables.split('\n').indexOf(line) - 1]!.split('|')).toHaveLength(line.split('|').length);
  });
});

describe('earlier runs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-results-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const facts = (date: string, peers: Record<string, string>, load: number): Facts => ({
    ...{ date, command: `npm run ${date}`, cpu: 'A', cores: 2, available: 2, threads: [2], isa: 'avx512' },
    ...{ memory: '8 GiB', load, node: 'v20', gradclip: '0.1.0', peers },
  });
  const write = (name: string, values: readonly object[]): string => {
    const file = join(folder, name);
    writeFileSync(file, values.map((value) => `${JSON.stringify(value)}\n`).join(''));
    return file;
  };
  it('are read as one: of a cell that was measured twice, the later rows', () => {
    const first = write('a', [{ facts: facts('Monday', { jax: '1' }, 0.5) }, ...cell, { verdict: 'good' }]);
    const again = [row('gradclip', 'mlp-tiny', { median_ms: 1 }), row('gradclip', 'ncf', { median_ms: 4 })];
    const second = write('b', [{ facts: facts('Tuesday', { torch: '2' }, 0.1) }, ...again]);
    expect(readResults([first], 'step').facts.date).toBe('Monday');
    const { facts: both, rows } = readResults([second, first], 'step');
    expect(rows).toEqual(again);
    expect(both).toMatchObject({ date: 'Monday to Tuesday', load: 0.5, peers: { jax: '1', torch: '2' } });
    expect(both.command).toBe('2 runs, the first by npm run Monday');
  });
  it('are those of a run of one round, whose peers are not there', () => {
    const command = (...args: string[]) =>
      spawnSync(process.execPath, [resolve(import.meta.dirname, '../../dist/bench/run.js'), ...args], {
        env: { ...process.env, PEERS_HOME: folder },
        encoding: 'utf8',
      });
    const short = ['--only', 'mlp-tiny', '--threads', '1', '--rounds', '1', '--seconds', '0.01', '--peers', 'torch,jaxjs'];
    const ran = command(...short, '--json');
    expect(ran.status, ran.stderr).toBe(0);
    for (const peer of ['torch', 'jaxjs']) expect(ran.stderr).toMatch(new RegExp(`bench: ${peer}: no .*, goes without`));
    const file = join(folder, 'run');
    writeFileSync(file, ran.stdout);
    const told = command('--from', file, '--table');
    expect(told.status, told.stderr).toBe(0);
    expect(told.stdout).toMatch(/^<!-- table steps -->/);
    const [ours] = readResults([file], 'step').rows;
    expect(told.stdout).toContain(`| mlp-tiny | ${Number(Number(ours!.median_ms).toPrecision(3))} | `);
    expect(ran.stdout).toContain('{"verdict":"mlp-tiny, 1 thread: no peer to compare with; at ');
  });
  it('of another suite, or of none, are refused', () => {
    const file = write('c', [{ facts: facts('Monday', {}, 0) }, ...cell]);
    expect(() => readResults([file], 'gan')).toThrow(`--from: ${file} holds no run of suite gan`);
    expect(() => readResults([write('d', cell)], 'step')).toThrow('holds no run');
  });
});

it('a cell is verified and timed beside its bounds, on as many threads', async () => {
  const { info, variants } = await stepCell('mlp-tiny', 2);
  expect(await checkStep('mlp-tiny', { ...info, variants: [] })).toBeNull();
  const samples = new Map<string, Sample[]>();
  for (const name of step.variants({ variants: Object.keys(variants) }, new Set(['overhead', 'awaited'])))
    samples.set(name, [await variants[name]!(0.001)]);
  expect([...samples.keys()]).toEqual(['step', 'noclip', 'awaited', 'fit_each', 'fma', 'stream', 'square', 'product']);
  const made = step.row('mlp-tiny', { ...info, variants: [] }, samples);
  for (const key of [
    'floor_ms',
    'floor_percent',
    'floor_all_percent',
    'peak_gflops',
    'stream_gbytes',
    'square_percent',
    'product_percent',
  ])
    expect(made[key], key).toBeGreaterThan(0);
  // Of 121 parameters and their momentum: parameter, gradient and momentum read, parameter and momentum written.
  expect(info.update_bytes).toBeGreaterThanOrEqual(121 * 20);
  expect(info.update_bytes).toBeLessThan(121 * 20 + 1024);
  expect(info.bytes).toBeGreaterThan(Number(info.update_bytes));
  // The products of both layers forward, of their weights' gradients, and of the hidden gradient.
  const products = 2 * 32 * (10 * 10 + 10) * 2 + 2 * 32 * 10;
  expect(info.flops).toBeGreaterThan(products);
  expect(info.flops).toBeLessThan(1.5 * products);
  expect(info.chunk).toBeGreaterThanOrEqual(1);
});
