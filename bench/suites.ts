// suites.ts: what each suite measures: its cells, its peers, the row it prints for an engine, and the bars it draws.
import { fileURLToPath } from 'node:url';
import { CLIP_CELLS } from '../lib/cli/bench/clip-step.ts';
import { clipStepRow, stepRow } from '../lib/cli/bench/rows.ts';
import { REQUEST_CELLS } from './engines/requests.ts';
import { barsOf, ratios } from './figures.ts';
import { KERNEL_CASES } from './kernels.ts';
import { opsSuite } from './ops-suite.ts';
import { PRECISIONS } from './ours.ts';
import { policies } from './policies-suite.ts';
import { privacySuite } from './privacy-suite.ts';
import { ratio, type Sample, short, summarize } from './report.ts';
import { checkStep, step, workloadNames } from './step-suite.ts';
import type { Suite } from './suite.ts';

const clipStep: Suite = {
  cells: CLIP_CELLS,
  peers: ['torch', 'jax'],
  variants: (info) => info.variants,
  row: clipStepRow,
  compare: (theirs, ours) =>
    ratios(theirs, ours, [
      ['ratio', 'global_norm_step', 'global_norm_step'],
      ['update_ratio', 'update', 'update'],
      ['value_ratio', 'value_step', 'value_step'],
    ]),
  bars: (row) =>
    barsOf(row, `${row.case} ${row.optimizer}`, {
      global_norm_step_ms: 'Clip by global norm and update, ms (less is better)',
      value_step_ms: 'Clip by value and update, ms (less is better)',
      update_ms: 'Update alone, ms (less is better)',
    }),
};

const SIZES =
  '64x64x64 128x128x128 256x256x256 512x512x512 1024x1024x1024 2048x2048x2048 64x256x784 64x784x512 64x10x128 256x4096x1024 1024x4096x256 768x512x128 32x1024x256';

const gemm: Suite = {
  cells: ['nn', 'nt', 'tn', 'tt'].flatMap((trans) => SIZES.split(' ').map((size) => `${trans}/${size}`)),
  precisions: PRECISIONS,
  peers: ['blas', 'blas-bf16'],
  variants: (info) => info.variants,
  row(cell, info, rounds) {
    const sizes = cell.split('/')[1]!.split('x').map(Number);
    const flops = 2 * sizes.reduce((product, size) => product * size, 1);
    const most = rounds.get('peak');
    const figures = [...rounds].filter(([name]) => name !== 'peak').map(([name, samples]) => ({ name, ...summarize(samples) }));
    const rates = figures.map(({ name, median_ms }) => [`${name}_gflops`, short(flops / median_ms / 1e6)]);
    const spread_percent = short(Math.max(...figures.map(({ spread }) => spread)));
    const share = most && (flops / Number(info.peak_flops)) * ratio(most, rounds.get('gradclip')!);
    const peak = share ? { peak_percent: short(100 * share) } : {};
    const { trans, m, n, k, precision } = info;
    return { trans, m, n, k, ...(precision && { precision }), ...Object.fromEntries(rates), ...peak, spread_percent };
  },
  compare: (theirs, ours) =>
    ratios(theirs, ours, [
      ['ratio', 'openblas', 'gradclip'],
      ['mkl_ratio', 'mkl', 'gradclip'],
      ['onednn_ratio', 'onednn', 'gradclip'],
      ['autocast_ratio', 'autocast', 'gradclip'],
    ]),
  bars: (row) =>
    ['gradclip', 'openblas', 'mkl', 'onednn', 'autocast'].flatMap((name) =>
      barsOf(
        row,
        `${row.trans} ${row.m} x ${row.n} x ${row.k}`,
        { [`${name}_gflops`]: 'Matrix product, GF/s (more is better)' },
        name === 'gradclip' ? row.peer : name,
      ),
    ),
};

const kernels: Suite = {
  cells: Object.keys(KERNEL_CASES),
  peers: [],
  variants: (info) => info.variants,
  row(cell, info, rounds) {
    const [kernel, size] = cell.split('/');
    const { flops, bytes, fma_flops, stream_bytes } = info as unknown as Record<string, number>;
    const of = (variant: string): readonly Sample[] => rounds.get(variant)!;
    const { median_ms, spread } = summarize(of('kernel'));
    // What the kernel would take if it did nothing but the one or the other.
    const share = (variant: string, part: number): number => short(100 * part * ratio(of(variant), of('kernel')));
    return {
      kernel,
      size,
      median_ms: short(median_ms),
      gflops: short(flops! / median_ms / 1e6),
      gbytes: short(bytes! / median_ms / 1e6),
      peak_percent: share('fma', flops! / fma_flops!),
      peak_gflops: short(fma_flops! / summarize(of('fma')).median_ms / 1e6),
      stream: info.stream,
      stream_percent: share('stream', bytes! / stream_bytes!),
      stream_gbytes: short(stream_bytes! / summarize(of('stream')).median_ms / 1e6),
      spread_percent: short(spread),
    };
  },
  bars: (row) => {
    const group = `${row.kernel} ${row.size}`;
    const charts = { peak_percent: 'Share of the fma peak, %', stream_percent: 'Share of a stream over as many bytes, %' };
    return barsOf(row, group, charts);
  },
};

/** Absolute distance of losses from PyTorch's in f64. */
const GAN_TOLERANCE = 1e-4;

const gan: Suite = {
  cells: ['wgan'],
  peers: ['torch', 'torch-compile'],
  // An iteration is three steps of the critic and one of the generator; `awaited`: each step is awaited, where `step` blocks.
  variants: (info) => info.variants,
  row: stepRow,
  compare: (theirs, ours) =>
    ratios(theirs, ours, [
      ['ratio', 'step', 'step'],
      ['awaited_ratio', 'step', 'awaited'],
    ]),
  bars: (row) =>
    barsOf(row, String(row.workload), { median_ms: 'Three steps of the critic, one of the generator, ms (less is better)' }),
  async check(_, { info }) {
    const { wganGolden } = await import('../test/golden/runs/wgan.ts');
    const golden = wganGolden(fileURLToPath(new URL('../../test/golden/runs/', import.meta.url)));
    for (const who of ['critic', 'generator'] as const) {
      const [expected, found] = [golden.f64[who], (info[who] ?? []) as readonly number[]];
      const far = expected.findIndex((v, i) => !(Math.abs(v - found[i]!) <= GAN_TOLERANCE));
      if (far >= 0) return `expected a loss of ${expected[far]} in step ${far} of the ${who}, got ${found[far]}`;
    }
    return null;
  },
};

/** Absolute distance of logits from PyTorch's in f64. */
const LOGITS_TOLERANCE = 1e-5;

/** Three logits of `torch_peer.py --mode f64` after 48 tokens of the workload's, the last 16 one by one: every engine must have the same before it is timed. */
const LOGITS: Readonly<Record<string, readonly number[]>> = {
  'gpt-nano': [0.177070344, -0.14525304, 0.0698661031],
  'gpt-mini': [0.37715031, -0.157710339, 0.0437461689],
};

/** Text, in tokens: after 1 of them, at the end of the context, and all of it; the whole call, with a copy of the weights. */
const generate: Suite = {
  cells: Object.keys(LOGITS),
  peers: ['torch'],
  variants: (info) => info.variants,
  row(cell, info, rounds) {
    const of = (variant: string): readonly Sample[] => rounds.get(variant)!;
    const figures = ['first', 'last', 'text', 'prompt'].map((name) => ({ name, ...summarize(of(name)) }));
    return {
      workload: cell,
      params: info.params,
      ...Object.fromEntries(figures.map(({ name, median_ms }) => [`${name}_ms`, short(median_ms)])),
      last_to_first: short(ratio(of('last'), of('first'))),
      tokens_per_s: short(1000 / summarize(of('text')).median_ms),
      spread_percent: short(Math.max(...figures.map(({ spread }) => spread))),
    };
  },
  compare: (theirs, ours) =>
    ratios(theirs, ours, [
      ['ratio', 'text', 'text'],
      ['first_ratio', 'first', 'first'],
      ['last_ratio', 'last', 'last'],
      ['prompt_ratio', 'prompt', 'prompt'],
    ]),
  bars: (row) =>
    barsOf(row, String(row.workload), {
      first_ms: 'A token after one, ms (less is better)',
      last_ms: 'A token at the end of the context, ms (less is better)',
    }),
  check: async (cell, { info }) => {
    const [expected, got] = [LOGITS[cell]!, info.logits as readonly number[]];
    const far = expected.some((value, i) => !(Math.abs(got[i]! - value) <= LOGITS_TOLERANCE));
    return far ? `expected logits ${expected.join(', ')}, got ${got.join(', ')}` : null;
  },
};

/** Calls so far, and the time that 99 of 100 of them did not exceed. */
interface Requests extends Sample {
  readonly p99_ms: number;
  readonly all: number;
}

// What a request takes while something trains, beside what it takes in an idle process. `--threads` are those of the training.
const requests: Suite = {
  cells: REQUEST_CELLS,
  peers: [],
  variants: (info) => info.variants,
  row(cell, _info, rounds) {
    const [idle, during] = ['idle', 'during'].map((variant) => rounds.get(variant) as readonly Requests[]);
    const [before, after] = [idle!.at(-1)!, during!.at(-1)!];
    return {
      cell,
      idle_ms: short(summarize(idle!).median_ms),
      idle_p99_ms: short(before.p99_ms),
      during_ms: short(summarize(during!).median_ms),
      during_p99_ms: short(after.p99_ms),
      median_ratio: short(ratio(during!, idle!)),
      p99_ratio: short(after.p99_ms / before.p99_ms),
      calls: after.all,
    };
  },
  bars: (row) =>
    barsOf(row, String(row.cell), {
      idle_p99_ms: 'A request in an idle process, 99 % within ms (less is better)',
      during_p99_ms: 'A request while the model trains, 99 % within ms (less is better)',
    }),
};

// Processes over MPI. `--threads` are the processes, of one thread each, and the threads of the one that they are compared with.
const mpi: Suite = {
  cells: ['gpt-nano', 'gpt-mini', 'mlp-large', 'char-lstm'],
  peers: ['torch'],
  // `parts`: each batch cut into as many as a trainer cuts it into; `ranks`: into one for each process, as the peers have it; `shared`: with the updates
  // shared out (shardOptimizer).
  variants: (info, extra) => info.variants.filter((name) => name !== 'parts' || extra.has('overhead')),
  row(cell, info, rounds) {
    const of = (variant: string): readonly Sample[] => rounds.get(variant)!;
    const [ranks, threads] = [summarize(of('ranks')), summarize(of('threads'))];
    const [shared, parts] = [rounds.get('shared'), rounds.get('parts')];
    const cut = parts && {
      parts: info.parts,
      parts_ms: short(summarize(parts).median_ms),
      parts_to_ranks: short(ratio(parts, of('ranks'))),
    };
    return {
      workload: cell,
      params: info.params,
      library: info.library,
      ranks_ms: short(ranks.median_ms),
      threads_ms: short(threads.median_ms),
      ranks_to_threads: short(ratio(of('ranks'), of('threads'))),
      // No peer has it.
      ...(shared && {
        shared_ms: short(summarize(shared).median_ms),
        shared_to_threads: short(ratio(shared, of('threads'))),
      }),
      ...cut,
      spread_percent: short(Math.max(ranks.spread, threads.spread)),
    };
  },
  compare: (theirs, ours) =>
    ratios(theirs, ours, [
      ['ratio', 'ranks', 'ranks'],
      ['shared_ratio', 'ranks', 'shared'],
      ['threads_ratio', 'threads', 'threads'],
    ]),
  bars: (row) =>
    barsOf(row, String(row.workload), {
      ranks_ms: 'A step by processes of one thread, ms (less is better)',
      shared_ms: 'The same with updates shared out, ms (less is better)',
      threads_ms: 'A step by the threads of one process, ms (less is better)',
    }),
  check: (cell, { info }) => checkStep(cell, info),
};

// How a step is cut for teams of many threads.
const balanced: Suite = {
  cells: workloadNames(),
  peers: [],
  variants: () => [],
  row: () => ({}),
  bars: () => [],
  alone: async (cell, options) => (await import('./balance.ts')).balance(cell, options),
};

export const SUITES: Readonly<Record<string, Suite>> = {
  step,
  'clip-step': clipStep,
  gemm,
  kernels,
  ops: opsSuite,
  policies,
  serve: requests,
  gan,
  generate,
  mpi,
  privacy: privacySuite,
  balance: balanced,
};
