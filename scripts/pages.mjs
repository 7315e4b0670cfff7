// pages.mjs: every page that the library and its commands make, as files in a folder: for check-page.mjs. A new page is a line here.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { htmlPage } from '../dist/bench/html.js';
import { policiesPage } from '../dist/lib/cli/bench/policies-page.js';
import { labPage } from '../dist/lib/lab/page/page.js';
import { LADDER, USUAL } from '../dist/lib/lab/policies.js';
import { readLab } from '../dist/lib/lab/record.js';
import { summarize } from '../dist/lib/lab/summary.js';
import { WORKLOADS } from '../dist/lib/lab/workloads/list.js';
import { runPage } from '../dist/lib/pages/run/page.js';

export const PROGRAM = resolve('dist/bundle/main.js');
const run = (cwd, ...argv) => execFileSync(process.execPath, [PROGRAM, ...argv], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });

const CONFIG = {
  data: { type: 'csv', file: 'points.csv', split: { train: 160, validation: 20, test: 20, order: 'seed' } },
  model: { type: 'mlp', sizes: [2, 16, 2] },
  optimizer: { type: 'adamw', lr: 0.02 },
  schedule: { type: 'cosine', steps: 300 },
  clip: { type: 'globalNorm', threshold: 0.5 },
  guards: [{ type: 'loss', max: 0.6, action: 'warn' }],
  ...{ batchSize: 16, epochs: 30, threads: 1, save: 'm.safetensors' },
  record: { file: 'run.jsonl', perLayer: true, clock: true },
};

/** What the pages below are made of: a training with its record. */
export function prepare(folder) {
  const points = Array.from({ length: 200 }, (_, i) => `${(i % 29) / 29},${(i % 31) / 31},${i % 29 > i % 31 ? 1 : 0}\n`);
  writeFileSync(join(folder, 'points.csv'), points.join(''));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(CONFIG));
  run(folder, 'train', 'config.json', '--html', 'run.html');
}

/** By name, what makes the page: gives its text, or writes the file of its name. */
export const PAGES = {
  run: () => {},
  long: () => longRun(),
  report: (folder) => run(folder, 'report', 'run.jsonl', '--html', 'report.html'),
  'clip-report': (folder) => run(folder, 'clip-report', 'run.jsonl', '--html', 'clip-report.html'),
  demo: (folder) => run(folder, 'demo', '--steps', '80', '--report', 'demo.html'),
  tune: (folder) => run(folder, 'tune', 'config.json', '--trials', '8', '--threads', '1', '--html', 'tune.html'),
  evaluation: (folder) => run(folder, 'evaluate', 'm.safetensors', 'points.csv', '--html', 'evaluation.html'),
  suite: () => suitePage(),
  bench: () => policiesPage(['a machine', 'a command'], benchRows()),
  lab: async (_, { lab }) =>
    labPage(summarize(lab === undefined ? labRuns() : (await readLab(lab)).lines), { machine: 'a machine', version: '0' }),
};

/** A hundred thousand steps with all that a page can have. */
function longRun() {
  const length = 100_000;
  const column = (of) => Float64Array.from({ length }, (_, i) => of(i));
  const noise = (i, k = 1) => ((Math.imul(i + 1, 2654435761 + 2 * k) >>> 8) % 1000) / 1000;
  const names = Array.from(
    { length: 40 },
    (_, k) => `transformer.blocks.${k >> 2}.attention.${['query', 'key', 'value', 'out'][k & 3]}.weight`,
  );
  const norm = column((i) => (i % 9973 === 0 ? 80 : 1) * (0.3 + noise(i)) * (1 + 3 * Math.exp(-i / 2000)));
  return runPage(
    {
      norm,
      loss: column((i) => 0.4 + 4 * Math.exp(-i / 9000) + 0.3 * noise(i, 5)),
      normAfter: norm.map((x) => Math.min(1, x)),
      threshold: column(() => 1),
      clipped: Uint8Array.from(norm, (x) => Number(x > 1)),
      skipped: Uint8Array.from({ length }, (_, i) => Number(i % 20_011 === 5)),
      step: column((i) => i),
      attempt: column((i) => i),
      rates: [column((i) => 0.001 * Math.min(1, i / 4000) * (1 - i / length)), column((i) => 0.0001 * (1 - i / length))],
      layers: {
        ...{ names, shapes: names.map(() => [8, 8]) },
        norms: Float64Array.from({ length: length * names.length }, (_, i) => (0.01 + noise(i % 9001)) / (1 + (i % 40))),
      },
      events: Array.from({ length: 100 }, (_, k) => {
        const at = { attempt: 1000 * (k + 1), step: 1000 * (k + 1) };
        return [
          { event: 'validation', ...at, metrics: { loss: 0.5 + 4 * Math.exp(-k / 9), accuracy: 1 - Math.exp(-k / 20) } },
          { event: 'epoch', ...at, epoch: k + 1, loss: 0.5 + 4 * Math.exp(-k / 9), steps: 1000, clipped: 400, skipped: 0 },
          ...(k % 9 === 4 ? [{ event: 'guard', ...at, guard: 'guard.loss', action: 'warn', name: 'loss', value: 9 }] : []),
          { event: 'clock', attempt: at.attempt, time: 2000 * k, ...(k === 0 && { machine: 'a machine' }) },
        ];
      }).flat(),
    },
    { title: 'A hundred thousand steps', facts: { 'test accuracy': '91.20 %' }, configuration: CONFIG },
  );
}

/** Rows of the suite `policies`, with costs that follow from their names. */
function benchRows() {
  return ['globalNorm', 'perTensorNorm', 'agc', 'value'].flatMap((name, i) =>
    [1, 2].map((threads) => ({
      ...{ kind: 'policy', name, peer: 'gradclip', place: 'mlp-small', threads, params: 235_146, tensors: 6 },
      ...{ without_ms: 1.2, with_ms: 1.3 + i / 10, with_q1_ms: 1.2, with_q3_ms: 1.6 },
      ...{ cost_percent: 3 * i, cost_low_percent: 2 * i, cost_high_percent: 4 * i + 1 },
      ...{ extra_passes: 1, policy_state_bytes: 8, passes_ms: 0.1, extra_ms: 0.1 },
    })),
  );
}

/** Runs of all networks, policies and ten seeds, as many as a whole laboratory has, with losses that follow from their names. */
function labRuns() {
  const policies = [{ name: 'globalNorm', levels: LADDER.map((times) => ({ name: `x${times}` })) }, ...USUAL];
  const of = (...words) => [...words.join(' ')].reduce((h, c) => (h * 31 + c.charCodeAt(0)) % 9973, 7) / 9973;
  return [...WORKLOADS.values()].flatMap(({ name: workload, kind }) =>
    ['sgd', 'adam'].flatMap((optimizer) =>
      Array.from({ length: 10 }, (_, seed) => seed).flatMap((seed) =>
        policies.flatMap(({ name: policy, levels }) =>
          levels.map(({ name: level, usual = false }) => {
            const test =
              0.1 +
              0.5 * of(policy, level) +
              0.3 * of(workload, policy, level, optimizer) +
              0.1 * of(seed, policy, level, workload);
            const norms = {
              median: of(workload),
              p99: 1 + 9 * of(workload, optimizer),
              tail: 1 + 4 * of(optimizer, workload),
              drift: of(seed, workload),
            };
            return {
              ...{ workload, optimizer, policy, level, seed, kind, usual, norms },
              ...{ steps: 100, extra: 0, clipped: 0.5, skipped: 0 },
              ...{ train: test, validation: test, test, diverged: null, ignorant: 1, threshold: null, seconds: 0.05 },
            };
          }),
        ),
      ),
    ),
  );
}

/** A suite of the benchmark, with times that follow from names. */
function suitePage() {
  const rows = ['gradclip', 'PyTorch'].map((peer, i) => ({
    suite: 'step',
    name: 'mlp-small',
    peer,
    median_ms: 1.2 + i,
    spread_percent: 3,
  }));
  const bars = ({ name, peer, median_ms }) => [{ chart: 'Milliseconds a step', group: name, label: peer, value: median_ms }];
  const facts = {
    ...{ date: '2026-01-01', command: 'npm run bench', cpu: 'a processor', cores: 2, available: 2, threads: [1, 2], isa: 'avx2' },
    ...{ memory: '8 GiB', load: 0.1, node: 'v22.0.0', gradclip: '0.1.0', peers: { PyTorch: '2.8' } },
  };
  return htmlPage({ bars }, facts, rows);
}
