// bench.test.ts: the frame of the benchmark: how rounds become figures, and how engines are talked to.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import type { Info, Launch } from '../../bench/engine.ts';
import { kernelCell } from '../../bench/engines/kernels.ts';
import type { Facts } from '../../bench/facts.ts';
import { htmlPage } from '../../bench/html.ts';
import { KERNEL_CASES, kernelNode } from '../../bench/kernels.ts';
import { measureCell } from '../../bench/measure.ts';
import { parse } from '../../bench/options.ts';
import { engines } from '../../bench/ours.ts';
import { findPeers, peerEnvironment } from '../../bench/peers.ts';
import { humanLine, type Row, ratio, ratioInterval, type Sample, short, summarize } from '../../bench/report.ts';
import type { Rounds } from '../../bench/suite.ts';
import { SUITES } from '../../bench/suites.ts';
import { dotProbe, fmaProbe, type StreamKind, streamProbe } from '../../lib/cli/bench/probe.ts';
import { INPUT, isOp } from '../../lib/ir/graph.ts';

const rounds = (...medians: number[]): Sample[] => medians.map((m) => ({ median_ms: m, min_ms: m / 2, n: 10 }));

describe('report', () => {
  it('summarizes rounds', () => {
    expect(summarize(rounds(2, 1, 3))).toEqual({ median_ms: 2, min_ms: 0.5, n: 30, spread: 100 });
    expect(summarize(rounds(1, 2)).median_ms).toBe(1.5);
  });
  it('compares round by round, so that a machine that slows down changes nothing', () => {
    expect(ratio(rounds(2, 4, 8, 16), rounds(1, 2, 4, 8))).toBe(2);
    // The ranks of published tables of the sign test: 1 of 6, 2 of 9, 4 of 15, 6 of 20.
    for (const [n, rank] of [
      [6, 1],
      [8, 1],
      [9, 2],
      [15, 4],
      [20, 6],
    ] as const) {
      const ratios = rounds(...Array.from({ length: n }, (_, i) => ((i * 7) % n) + 1));
      if (n % 7) expect(ratioInterval(ratios, rounds(...Array<number>(n).fill(1))), String(n)).toEqual([rank, n + 1 - rank]);
    }
    expect(ratioInterval(rounds(1, 2, 3, 4, 5), rounds(1, 1, 1, 1, 1))).toBeNull();
  });
  it('keeps four digits', () => {
    expect([short(0.123456), short(1234.56), short(3)]).toEqual([0.1235, 1235, 3]);
  });
});

describe('options', () => {
  it('has defaults', () => {
    expect(parse([])).toMatchObject({ suiteName: 'step', seconds: 3, rounds: 6, peers: [], json: false, html: null });
    expect(parse([]).cells).toEqual([
      'char-gru',
      'char-lstm',
      'char-rnn',
      'gpt-mini',
      'gpt-nano',
      'lenet',
      'mlp-large',
      'mlp-small',
      'mlp-tiny',
      'ncf-sparse',
      'ncf',
      'resnet20',
      'rnn-adding',
    ]);
  });
  it("takes cells by parts of their names, and the suite's usual peers", () => {
    expect(parse(['--suite', 'clip-step', '--only', '6x40k', '--peers']).cells).toEqual(['6x40k/adamw', '6x40k/sgdm']);
    expect(parse(['--suite', 'gemm', '--peers', '--json']).peers).toEqual(['blas', 'blas-bf16']);
    expect(parse(['--peers', 'jax,tfjs', '--overhead']).extra).toEqual(new Set(['overhead']));
    const policies = parse([
      '--suite',
      'policies',
      '--only',
      'policy/25x1M/globalNorm,optimizer/25x1M/adamw',
      '--threads',
      '1,2',
    ]);
    expect(policies).toMatchObject({
      cells: ['policy/25x1M/globalNorm', 'optimizer/25x1M/adamw'],
      threads: 1,
      threadCounts: [1, 2],
    });
  });
  it('compares the precisions that are asked for, f32 first', () => {
    expect(parse([]).precisions).toEqual(['f32']);
    expect(parse(['--precision', 'bf16,f32']).precisions).toEqual(['f32', 'bf16']);
    expect(engines('before', 'x.js', ['f32', 'bf16'])).toMatchObject([
      { peer: 'before', args: ['x.js'] },
      { peer: 'before-bf16', args: ['x.js', '--precision', 'bf16'], precision: 'bf16' },
    ]);
  });
  it.each([
    [['--fast'], 'unknown option --fast'],
    [['mlp-tiny'], 'unknown option mlp-tiny'],
    [['--suite', 'toString'], '--suite: expected step, clip-step, gemm, kernels, ops, policies, serve, gan, generate'],
    [['--only', 'resnet'], 'got resnet'],
    [['--peers', 'caffe'], 'got caffe'],
    [['--threads', '1,x'], '--threads: expected whole numbers from 1 to 256, got 1,x'],
    [['--rounds', '0'], '--rounds: expected a positive number, got 0'],
    [['--html'], '--html: expected the name of a file'],
    [['--suite', 'gemm', '--table'], '--table: suite gemm has no tables'],
    [['--precision', 'f64'], '--precision: expected some of f32, bf16, got f64'],
    [['--suite', 'gan', '--precision', 'bf16'], '--precision: suite gan has no products in bf16'],
    [['--from'], '--from: expected names of files'],
  ])('refuses %j', (argv, message) => {
    expect(() => parse(argv)).toThrow(message);
  });
});

describe('suites', () => {
  it('gemm: flops of the sizes', () => {
    const of = { variants: ['gradclip', 'peak'], trans: 'nt', m: 10, n: 20, k: 30, peak_flops: 24_000 };
    const timed = new Map([
      ['gradclip', rounds(0.001)],
      ['peak', rounds(0.001)],
    ]);
    const row = SUITES.gemm!.row('nt/10x20x30', of, timed);
    expect(row).toMatchObject({ trans: 'nt', m: 10, gradclip_gflops: 12, peak_percent: 50, spread_percent: 0 });
  });
});

describe('kernels', () => {
  it.each(Object.keys(KERNEL_CASES).filter((name) => !name.includes('25x1M')))('%s is one operation', (name) => {
    const { node, data } = kernelNode(KERNEL_CASES[name]!, 1);
    expect(node.ins.every((t) => isOp(t.node, INPUT))).toBe(true);
    expect(data.map((d) => d.byteLength > 0)).not.toContain(false);
    expect(node.op.cost(node).bytes).toBeGreaterThan(0);
  });
  it.each(['update_adam/6x40k', 'crossEntropy/64x10', 'relu/64x256'])(
    '%s is verified, and timed beside its bounds',
    async (name) => {
      const { info, variants } = await kernelCell(name, 2);
      const timed = Object.keys(variants).map((v) => [v, [variants[v]!(0.001) as Sample]] as const);
      const row = SUITES.kernels!.row(name, { ...info, variants: [] }, new Map(timed));
      for (const key of ['median_ms', 'gflops', 'gbytes', 'peak_percent', 'stream_percent']) expect(row[key]).toBeGreaterThan(0);
    },
  );
  // Each looks at what it computed.
  it.each([1, 2, 4, 6])('probes on %d threads', (threads) => {
    for (const probe of [fmaProbe, dotProbe]) expect(probe(threads).flops).toBeGreaterThan(1e6);
    for (const kind of ['read', 'copy', 'axpy'] as StreamKind[])
      expect(streamProbe(kind, 1e5, threads).bytes).toBeGreaterThan(9e4);
  });
});

describe('output', () => {
  const row = (peer: string, median_ms: number, more = {}): Row => {
    return { peer, suite: 'step', threads: 2, workload: 'mlp-<tiny>', median_ms, ...more };
  };
  it('prints a row as a line', () => {
    expect(humanLine(row('jax', 4))).toBe('jax           threads 2  workload mlp-<tiny>  median_ms 4');
  });
  it('draws bars and a table, and nothing that is fetched or run', () => {
    const facts: Facts = {
      ...{ date: '2026-01-01T00:00', command: 'npm run -s bench -- <x>', cpu: 'A & B', cores: 2, available: 1, threads: [2] },
      ...{ isa: 'avx2', memory: '8 GiB', load: 0, node: 'v20', gradclip: '0.1.0', peers: { jax: '0.10' } },
    };
    const html = htmlPage(SUITES.step!, facts, [row('gradclip', 1, { awaited_ms: 2 }), row('jax', 4, { ratio: 4 })]);
    expect(html).toMatch(/^<!doctype html>/);
    expect(html).not.toMatch(/<script|<link|src=|href=/);
    expect(html).toContain('mlp-&lt;tiny&gt;');
    expect(html).toContain('A &amp; B, 2 cores (1 available)');
    const widths = [...html.matchAll(/width: calc\(\(100% - 90px\) \* ([\d.]+)\)/g)].map((match) => Number(match[1]));
    expect(widths).toEqual([0.25, 0.5, 1]);
    expect(html.match(/<tr>/g)).toHaveLength(3);
  });
});

describe('peers', () => {
  const home = mkdtempSync(join(tmpdir(), 'gradclip-peers-'));
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(home, { recursive: true });
  });
  it('are found where PEERS_HOME says, with their versions; the others are told of', () => {
    vi.stubEnv('PEERS_HOME', home);
    for (const folder of [
      'jax/bin',
      'jax/lib/python3.9/site-packages/jax-1.2.3.dist-info',
      'tfjs/node_modules/@tensorflow/tfjs-backend-wasm',
    ])
      mkdirSync(join(home, folder), { recursive: true });
    writeFileSync(join(home, 'jax/bin/python'), '');
    writeFileSync(join(home, 'tfjs/node_modules/@tensorflow/tfjs-backend-wasm/package.json'), '{"version":"4.5.6"}');
    const told: string[] = [];
    const found = findPeers(['jax', 'tfjs', 'torch'], (text) => told.push(text));
    expect(found.map(({ peer, version }) => `${peer} ${version}`)).toEqual(['jax 1.2.3', 'tfjs 4.5.6']);
    expect(found[0]!.command).toBe(join(home, 'jax/bin/python'));
    expect(found[0]!.env).toMatchObject({ PEERS_HOME: home, MALLOC_TRIM_THRESHOLD_: '10000000000' });
    expect(found[1]).toMatchObject({
      command: process.execPath,
      args: [expect.stringMatching(/tfjs_peer\.mjs$/), '--home', join(home, 'tfjs')],
    });
    expect(told).toEqual([expect.stringMatching(/^torch: no .*torch\/bin\/python, goes without/)]);
  });
  it('start with nothing that the surroundings preset, and with memory that is kept', () => {
    const preset = {
      ...{ OPENBLAS_CORETYPE: 'Haswell', OPENBLAS_L2_SIZE: '512', OMP_NUM_THREADS: '1', MKL_ENABLE_INSTRUCTIONS: 'SSE4_2' },
      ...{ XLA_FLAGS: '-', TF_ENABLE_ONEDNN_OPTS: '0', MALLOC_ARENA_MAX: '1', LD_PRELOAD: 'a.so' },
    };
    for (const [name, value] of Object.entries({ ...preset, LD_LIBRARY_PATH: '/lib' })) vi.stubEnv(name, value);
    const [raised, plain] = [peerEnvironment(), peerEnvironment({ plain: true })];
    for (const env of [raised, plain]) {
      expect(Object.keys(env).filter((name) => name in preset)).toEqual([]);
      expect(env).toMatchObject({ LD_LIBRARY_PATH: '/lib', PATH: process.env.PATH });
    }
    const malloc = (env: NodeJS.ProcessEnv) => Object.keys(env).filter((name) => name.startsWith('MALLOC_'));
    expect([malloc(raised).length, malloc(plain).length]).toEqual([3, 0]);
  });
});

/** An engine that says what it is told, and takes so many milliseconds. */
const fake = (peer: string, info: object, ms: number): Launch => ({
  peer,
  command: process.execPath,
  args: [
    '--input-type=module',
    '-e',
    `import { createInterface } from 'node:readline';
     console.log(${JSON.stringify(JSON.stringify(info))});
     for await (const line of createInterface({ input: process.stdin }))
       console.log(JSON.stringify({ median_ms: ${ms} * JSON.parse(line).variant.length, min_ms: ${ms}, n: 1 }));`,
    '--',
  ],
});

it('measures a cell: rounds of those that compute it rightly, compared; who is left out, and why', async () => {
  const suite = {
    ...SUITES['clip-step']!,
    check: async (_: string, { info }: { info: Info }) => (info.wrong ? 'wrong update' : null),
  };
  const variants = ['update', 'global_norm_step'];
  const launches = [
    fake('gradclip', { variants }, 1),
    fake('torch', { variants }, 3),
    fake('jax', { variants, wrong: true }, 1),
    fake('tf', { unsupported: 'whole steps only' }, 1),
  ];
  const options = { ...parse(['--suite', 'clip-step', '--rounds', '2', '--threads', '2']), suite };
  const { rows, faults } = await measureCell('6x40k/sgdm', launches.slice(0, 1), launches.slice(1), options);
  expect(rows.map((row) => [row.peer, row.update_ms, row.ratio])).toEqual([
    ['gradclip', 6, undefined],
    ['torch', 18, 3],
  ]);
  expect([...faults]).toEqual([
    ['jax', 'wrong update'],
    ['tf', 'whole steps only'],
  ]);
});

it('compares all with ours in each precision, and shares with ours of their own', async () => {
  const suite = {
    ...SUITES['clip-step']!,
    row: (_: string, { precision }: Info) => ({ ...(precision && { precision }) }),
    compare: (theirs: Rounds, ours: Rounds) => ({ ratio: ratio(theirs.get('update')!, ours.get('update')!) }),
    shares: (_: Rounds, ours: Rounds) => ({ share: summarize(ours.get('update')!).median_ms }),
  };
  const low = { variants: ['update'], precision: 'bf16' };
  const ours = [fake('gradclip', { variants: ['update'] }, 4), { ...fake('gradclip-bf16', low, 2), precision: 'bf16' as const }];
  const others = [
    fake('torch', { variants: ['update'] }, 12),
    fake('torch-bf16', low, 8),
    { ...fake('before-bf16', { variants: ['update'] }, 4), precision: 'bf16' as const },
  ];
  const options = { ...parse(['--suite', 'clip-step', '--rounds', '1', '--threads', '1']), suite };
  const { rows, faults } = await measureCell('6x40k/sgdm', ours, others, options);
  expect(rows.map(({ suite: _, threads: __, ...row }) => row)).toEqual([
    { peer: 'gradclip', bf16_ratio: 2 },
    { peer: 'gradclip-bf16', precision: 'bf16', ratio: 0.5 },
    { peer: 'torch', ratio: 3, bf16_ratio: 6, share: 24 },
    { peer: 'torch-bf16', precision: 'bf16', ratio: 2, bf16_ratio: 4, share: 12 },
  ]);
  expect([...faults]).toEqual([['before-bf16', 'it knows no precision bf16']]);
});
