// truth.test.ts: nothing public is only right by our own word: each op, layer, loss, metric, optimizer, schedule and policy has a case whose
// values come from elsewhere (PyTorch, scikit-learn, optax, Keras, a published table), kept in golden/ by its script, or stands here with a reason.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import * as metrics from '../../lib/metrics/index.ts';
import * as models from '../../lib/models/index.ts';
import * as nn from '../../lib/nn/index.ts';
import * as loss from '../../lib/nn/loss/index.ts';
import * as ops from '../../lib/ops/index.ts';
import * as list from '../../lib/ops/list.ts';
import * as optim from '../../lib/optim/index.ts';
import { OPTIMIZERS } from '../../lib/optim/list.ts';
import { CASES } from '../parity/cases/index.ts';

const GOLDEN = join(import.meta.dirname, '../golden');
/** By their names, whatever folder of golden/ they lie in. */
const goldenFiles = new Map((readdirSync(GOLDEN, { recursive: true }) as string[]).map((file) => [basename(file), file]));
// biome-ignore lint/suspicious/noExplicitAny: golden files differ in shape
const golden = (name: string): any => JSON.parse(readFileSync(join(GOLDEN, goldenFiles.get(`${name}.json`)!), 'utf8'));
const functions = (of: object): string[] =>
  Object.entries(of).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []));
/** The name a case begins with: `topK {"scope": "global"}`, `globalNorm, torch, p 2`. */
const first = (text: string): string => /^\w+/.exec(text)?.[0] ?? text;
const firsts = (texts: Iterable<string>): Set<string> => new Set(Array.from(texts, first));

/** The layers that some case of PyTorch's runs: those of test/parity, whose values lie in golden/parity, and those of the golden files. */
function layersOfCases(): Set<string> {
  const found = new Set<string>();
  for (const [name, { module }] of Object.entries(CASES)) {
    if (!goldenFiles.has(`${name}.safetensors`)) continue;
    for (const [, layer] of module().namedModules()) found.add(layer.constructor.name);
  }
  for (const name of Object.keys(golden('nn').layers)) found.add(name.split('-')[0]!);
  for (const { layer } of golden('conv').cases) found.add(layer);
  for (const { name } of golden('resample').cases) found.add(name);
  for (const name of firsts(Object.keys(golden('recurrent').cases))) found.add(name);
  return found;
}

const METRICS_OF_CASES: ReadonlySet<string> = new Set(
  golden('metrics').sets.flatMap((s: { cases: { metric: string }[] }) => s.cases.map((c) => c.metric.toLowerCase())),
);

interface Kind {
  readonly names: readonly string[];
  readonly covered: ReadonlySet<string>;
  /** Names whose case goes by another: where it is. */
  readonly through?: Readonly<Record<string, string>>;
  readonly exceptions?: Readonly<Record<string, string>>;
}

const micro = 'what passes between micro-batches; docs/TRAINING.md has the sum, test/train/step/accumulation.test.ts plain loops';
const random = 'drawn: Philox gives the published answers of Random123 (philox.test.ts), and the law is tested there';

const KINDS: Readonly<Record<string, Kind>> = {
  ops: {
    // What only the library calls, too.
    names: [...functions(ops), ...functions(list)],
    covered: firsts(golden('ops').cases.map((c: { name: string }) => c.name)),
    through: {
      // Together they give the bits of headsAttention (ops/attention/cached-attention.test.ts).
      appendRows: 'ops headsAttention',
      cachedAttention: 'ops headsAttention',
      resample: 'resample Upsample',
      project: 'constraints maxNorm',
      pruneMagnitude: 'prune tensor',
      pruneRows: 'prune rows',
      greedyBudget: 'policies-norms greedyBudget',
      sumSegments: 'policies-norms blockRms',
      statistic: 'policies-norms globalNorm',
      unitStatistic: 'policies-norms axisNorm',
      staged: 'policies-elements oneBit',
      residual: 'policies-elements topK',
      kthLargest: 'policies-elements topK',
      historyPush: 'policies-adaptive percentile',
      historyQuantile: 'policies-adaptive percentile',
      historyMoments: 'policies-adaptive spikeSkip',
      update: 'optimizers adam',
      weighedCrossEntropy: 'losses crossEntropy',
      weighedNll: 'losses nll',
      // Made of others: the layers are compared.
      adaptiveMaxPool1d: 'parity adaptiveMaxPool1d',
      adaptiveMaxPool2d: 'parity adaptiveMaxPool2d',
      convTranspose1d: 'parity convTranspose1d',
      dropout: 'philox',
      noise: 'philox',
      uniform: 'philox',
      uniformNumber: 'philox',
      ones: 'ops full',
      zeros: 'ops full',
    },
    exceptions: {
      failIf: 'ends a run, computes nothing',
      print: 'gives back what it is given',
      ...Object.fromEntries(['accumulate', 'carry', 'leave'].map((n) => [n, micro])),
      augment: random,
      gaussianNoise:
        'drawn: ChaCha20 gives the words of RFC 8439 and OpenSSL (gaussian-noise.test.ts), and the law is tested there',
      drawSecretKey: 'bits of the system',
      ...Object.fromEntries(['bernoulli', 'categorical', 'randn'].map((n) => [n, random])),
      ...Object.fromEntries(['stopGradient', 'straightThrough'].map((n) => [n, 'gives back what it is given'])),
    },
  },
  layers: {
    names: functions(nn).filter((name) => /^[A-Z]/.test(name)),
    covered: layersOfCases(),
    through: { Lora: 'lora losses' },
    exceptions: { Module: 'what layers are made of', Parameter: 'as Module', Buffer: 'as Module' },
  },
  models: {
    names: functions(models),
    covered: layersOfCases(),
    // Too large for a kept file: `npm run -s parity` compares them with PyTorch.
    through: {
      LeNet: 'parity lenet',
      ResNet20: 'parity resnet20',
      charRnnLoss: 'char-rnn-sgd probe',
      gptLoss: 'losses crossEntropy',
      ncfLoss: 'losses mse',
    },
  },
  losses: {
    names: functions(loss),
    covered: new Set([...golden('losses').cases.map((c: { loss: string }) => c.loss), ...Object.keys(golden('nn').losses)]),
  },
  metrics: {
    names: functions(metrics),
    // Each value is asked of the function and of the class of that name (metrics-golden.test.ts), whatever its case: rocAuc, ROCAUC.
    covered: new Set(functions(metrics).filter((name) => METRICS_OF_CASES.has(name.toLowerCase()))),
    through: { ConfusionMatrix: 'metrics precision' },
  },
  optimizers: {
    names: [...Object.keys(OPTIMIZERS), 'lookahead'],
    covered: firsts(Object.keys(golden('optimizers').cases)),
  },
  schedules: {
    names: functions(optim.schedule),
    covered: firsts(Object.keys(golden('schedules').values)),
    through: { oneCycleMomentum: 'schedules oneCycle' },
  },
  policies: {
    names: functions(clip),
    covered: firsts(['norms', 'elements', 'adaptive'].flatMap((file) => Object.keys(golden(`policies-${file}`).cases))),
    through: { perSample: 'opacus mlp' },
    exceptions: {
      none: 'does nothing: the cases of optimizers are without a clip',
      auto: 'its policy times a factor: train/tuning/branches.test.ts compares it with that policy',
      qsgd: 'drawn: its law is tested in clip/properties.test.ts',
      stochastic: 'drawn: as qsgd',
    },
  },
};

/** Whether a case is there: `file name`, of golden/ or of test/parity; `philox` is a published table in its test. */
function exists(where: string): boolean {
  const [file, name] = where.split(' ') as [string, string | undefined];
  if (file === 'philox')
    return readFileSync(new URL('../kernels/philox.test.ts', import.meta.url), 'utf8').includes('known answers of Random123');
  if (file === 'parity') return name! in CASES;
  const { cases, values, sets, ...rest } = golden(file);
  const found = cases ?? values ?? sets ?? rest;
  const names = Array.isArray(found)
    ? found.flatMap((c) => [c.name, c.loss, ...(c.cases ?? []).map((m: { metric: string }) => m.metric)])
    : Object.keys(found);
  return firsts(names.filter((n) => typeof n === 'string')).has(name!);
}

describe.each(Object.entries(KINDS))('%s', (_, { names, covered, through = {}, exceptions = {} }) => {
  it('each has a case from elsewhere, or a reason', () => {
    expect(names.length).toBeGreaterThan(3);
    expect(names.filter((name) => !covered.has(name) && !(name in through) && !(name in exceptions))).toEqual([]);
  });
  it('what goes by another name is there', () => {
    for (const [name, where] of Object.entries(through)) expect(exists(where), `${name}: ${where}`).toBe(true);
  });
  it('no entry without need, or for what is not there', () => {
    for (const name of [...Object.keys(through), ...Object.keys(exceptions)]) {
      expect(names, name).toContain(name);
      expect(covered.has(name), `${name} has a case`).toBe(false);
    }
  });
});

test('exceptions are at most a tenth of the names', () => {
  const all = Object.values(KINDS);
  const excepted = all.flatMap((k) => Object.keys(k.exceptions ?? {})).length;
  expect(excepted).toBeLessThanOrEqual(all.flatMap((k) => k.names).length / 10);
});
