// prune.test.ts: pruning while training: masks hold through updates of every optimizer, skipped steps, checkpoints and early stopping. (That
// threads, chunks, resuming and ISAs change no bit: bits.test.ts.)
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import {
  constraint,
  io,
  type nn,
  OptionError,
  optim,
  prune,
  readRecord,
  type Trainer,
  type TrainerOptions,
} from '../../../lib/index.ts';
import { ALL_OPTIMIZERS, OPTIMIZERS } from '../../clip/kit.ts';
import { fails } from '../fails.ts';
import { bits, classifier, type MLP, points } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradclip-'));
const at = (name: string): string => join(folder, `${name}.safetensors`);
const data = points(100);
type Values = Map<string, Float32Array>;

async function values(trainer: Pick<Trainer<nn.Module>, 'readParameters'>): Promise<Values> {
  return new Map([...(await trainer.readParameters())].map(([name, { data }]) => [name, data as Float32Array]));
}
const zeros = (x: Float32Array): number => x.filter((v) => Object.is(v, 0)).length;

/** The k smallest become 0. */
function smallestGone(x: Float32Array, k: number): Float32Array {
  const order = Array.from(x, (_, i) => i).sort((a, b) => Math.abs(x[a]!) - Math.abs(x[b]!) || a - b);
  const y = x.slice();
  for (const i of order.slice(0, k)) y[i] = 0;
  return y;
}

describe('after one step', () => {
  const after = async (options: Partial<TrainerOptions<MLP>>): Promise<Values> => {
    const trainer = classifier(options);
    await trainer.fit(data, { steps: 1 });
    return values(trainer);
  };
  it('each tensor has lost its smallest', async () => {
    const [free, pruned] = [await after({}), await after({ prune: prune.magnitude({ sparsity: 0.4, scope: 'tensor' }) })];
    expect(pruned.get('fc1.weight')).toEqual(smallestGone(free.get('fc1.weight')!, 38));
    expect(pruned.get('fc2.weight')).toEqual(smallestGone(free.get('fc2.weight')!, 13));
    for (const b of ['fc1.bias', 'fc2.bias']) expect(pruned.get(b)).toEqual(free.get(b));
  });
  it('all together have lost their smallest', async () => {
    const [free, pruned] = [await after({}), await after({ prune: prune.magnitude({ sparsity: 0.4, match: 'fc*' }) })];
    const names = [...free.keys()];
    const joined = (v: Values): Float32Array => Float32Array.from(names.flatMap((n) => Array.from(v.get(n)!)));
    expect(joined(pruned)).toEqual(smallestGone(joined(free), Math.round(0.4 * 146)));
  });
  it('a weight has lost its shortest rows, and their biases', async () => {
    const [free, pruned] = [await after({}), await after({ prune: prune.rows({ sparsity: 0.25, match: 'fc1.weight' }) })];
    const w = free.get('fc1.weight')!;
    const norms = Float32Array.from({ length: 16 }, (_, r) => Math.hypot(...w.subarray(6 * r, 6 * r + 6)));
    const kept = smallestGone(norms, 4);
    expect(pruned.get('fc1.weight')).toEqual(w.map((v, i) => (kept[Math.floor(i / 6)] ? v : 0)));
    expect(pruned.get('fc1.bias')).toEqual(free.get('fc1.bias')!.map((v, r) => (kept[r] ? v : 0)));
    expect(pruned.get('fc2.weight')).toEqual(free.get('fc2.weight'));
  });
});

// What is pruned would not be so in the average that scheduleFree keeps: it is refused, as test/optim/schedule-free.test.ts has it.
describe.each(Object.entries(ALL_OPTIMIZERS).filter(([name]) => name !== 'scheduleFree'))('%s', (name, optimizer) => {
  it('pruned weights stay exactly 0, those left are trained', async () => {
    const groups = name in OPTIMIZERS ? [] : [{ match: '*.bias', optimizer: optim.sgd() }];
    const trainer = classifier({ optimizer: optimizer(), groups, prune: prune.magnitude({ sparsity: 0.5, begin: 4 }) });
    await trainer.fit(data, { steps: 5 });
    const before = await values(trainer);
    await trainer.fit(data, { steps: 30 });
    const now = await values(trainer);
    let moved = 0;
    for (const name of ['fc1.weight', 'fc2.weight']) {
      const [a, b] = [before.get(name)!, now.get(name)!];
      expect(a.every((v, i) => v !== 0 || Object.is(b[i], 0))).toBe(true);
      moved += a.filter((v, i) => v !== 0 && v !== b[i]).length;
    }
    expect(zeros(now.get('fc1.weight')!) + zeros(now.get('fc2.weight')!)).toBe(64);
    expect(moved).toBeGreaterThan(0);
  });
});

test('the share follows the schedule, is reported, and a mask never grows back', async () => {
  const rule = prune.magnitude({ sparsity: 0.9, begin: 3, end: 40, every: 5 });
  const trainer = classifier({ prune: rule, optimizer: optim.adamw({ lr: 0.05, weightDecay: 0.1 }) });
  expect(await trainer.sparsity()).toEqual({ total: 0, tensors: { 'fc1.weight': 0, 'fc2.weight': 0 } });
  let wanted = 0;
  let gone = new Set<string>();
  for (let step = 0; step < 50; step++) {
    const { last } = await trainer.fit(data, { steps: 1 });
    expect(last!.sparsity).toBe(wanted);
    wanted = rule.share(step) === null ? wanted : Math.round(rule.share(step)! * 128) / 128;
    const { total, tensors } = await trainer.sparsity();
    expect(total).toBe(wanted);
    const now = await values(trainer);
    const zero = new Set<string>();
    for (const [name, share] of Object.entries(tensors)) {
      expect(zeros(now.get(name)!)).toBe(share * now.get(name)!.length);
      now.get(name)!.forEach((v, i) => {
        if (v === 0) zero.add(`${name} ${i}`);
      });
    }
    expect([...gone].every((g) => zero.has(g))).toBe(true);
    gone = zero;
  }
  expect(wanted).toBe(Math.round(0.9 * 128) / 128);
  expect((await classifier().fit(data, { steps: 1 })).last).not.toHaveProperty('sparsity');
});

test('the share is in the record of a run', async () => {
  const record = join(folder, 'run.jsonl');
  const trainer = classifier({ prune: prune.magnitude({ sparsity: 0.5, begin: 2 }) });
  await trainer.fit(data, { steps: 4, record });
  const lines = readFileSync(record, 'utf8').trim().split('\n').slice(1);
  expect(lines.map((line) => (JSON.parse(line) as { sparsity: number }).sparsity)).toEqual([0, 0, 0, 0.5]);
  expect((await readRecord(record)).length).toBe(4);
});

test('a skipped step leaves masks and parameters alone, and what was due comes after the next update', async () => {
  const bad = points(100);
  // Seen by the batches from the beginning, in some order: all but one are bad.
  bad.x.data.fill(Number.NaN, 8 * 6);
  const trainer = classifier({ prune: prune.magnitude({ sparsity: 0.5 }) });
  const before = await bits(trainer);
  let applied = 0;
  for (let k = 0; k < 8; k++) {
    const { last } = await trainer.fit(bad, { steps: 1 });
    if (!last!.skipped) applied++;
    expect((await trainer.sparsity()).total).toBe(applied > 0 ? 0.5 : 0);
    if (applied === 0) expect(await bits(trainer)).toBe(before);
    if (applied > 0) break;
  }
  await trainer.fit(data, { steps: 1 });
  expect((await trainer.sparsity()).total).toBe(0.5);
});

test('masks are in the checkpoint, as bytes; weights from elsewhere have none', async () => {
  const make = (): Trainer<MLP> => classifier({ prune: prune.magnitude({ sparsity: 0.75, end: 30, every: 10 }) });
  const [whole, first, second] = [make(), make(), make()];
  await whole.fit(data, { steps: 60 });
  await first.fit(data, { steps: 17 });
  await first.save(at('masks'));
  const { tensors } = await io.readSafetensors(at('masks'));
  const mask = tensors.get('gradclip.prune.fc1.weight.mask')!;
  expect([mask.dtype, mask.shape]).toEqual(['u8', [16, 6]]);
  const stored = tensors.get('fc1.weight')!.data;
  expect(Array.from(mask.data, Number)).toEqual(Array.from(stored, (v) => Number(v !== 0)));
  await second.load(at('masks'));
  expect(await second.sparsity()).toEqual(await first.sparsity());
  await second.fit(data, { steps: 43 });
  expect(await bits(second)).toBe(await bits(whole));
  expect(await second.sparsity()).toEqual(await whole.sparsity());

  await whole.save(at('weights'), { weightsOnly: true });
  await second.load(at('weights'));
  expect((await second.sparsity()).total).toBe(0);
  expect(await bits(second)).toBe(await bits(whole));
});

test('the best weights come back with their masks', async () => {
  const trainer = classifier({
    prune: prune.magnitude({ sparsity: 0.95, end: 2000, every: 3 }),
    optimizer: optim.sgd({ lr: 0.3 }),
  });
  const { stopReason } = await trainer.fit(data, {
    epochs: 100,
    validation: points(64, 6, 9),
    validateEvery: 5,
    earlyStop: { patience: 3 },
  });
  expect(stopReason).toBe('earlyStop');
  const check = async (): Promise<void> => {
    const now = await values(trainer);
    const { tensors } = await trainer.sparsity();
    for (const [name, share] of Object.entries(tensors))
      expect(zeros(now.get(name)!)).toBe(Math.round(share * now.get(name)!.length));
  };
  await check();
  await trainer.fit(data, { steps: 1 });
  await check();
});

test('what is pruned is 0 in the average of the weights too', async () => {
  const trainer = classifier({ prune: prune.magnitude({ sparsity: 0.5, begin: 5 }), ema: { decay: 0.9 } });
  await trainer.fit(data, { steps: 12 });
  const average = await trainer.readParameters({ weights: 'ema' });
  const pruned = new Map([...(await values(trainer))].map(([name, x]) => [name, zeros(x)]));
  for (const name of ['fc1.weight', 'fc2.weight']) expect(zeros(average.get(name)!.data as Float32Array)).toBe(pruned.get(name));
});

test('norms hold together with masks, and bounds too', async () => {
  const trainer = classifier({
    optimizer: optim.sgd({ lr: 1, momentum: 0.9 }),
    prune: [
      prune.magnitude({ sparsity: 0.6, match: 'fc1.weight', end: 20, every: 4 }),
      prune.rows({ sparsity: 0.5, match: 'fc2.weight' }),
    ],
    constraints: [
      { match: 'fc1.weight', constraint: constraint.unitNorm() },
      { match: '*', constraint: constraint.nonNegative() },
      { match: 'fc2.*', constraint: constraint.weightClip(0.125) },
    ],
  });
  await trainer.fit(data, { steps: 25 });
  const now = await values(trainer);
  const w = now.get('fc1.weight')!;
  for (let r = 0; r < 16; r++) {
    const norm = Math.hypot(...w.subarray(6 * r, 6 * r + 6));
    if (norm !== 0) expect(Math.abs(norm - 1)).toBeLessThan(2 ** -22);
  }
  expect((await trainer.sparsity()).tensors['fc1.weight']).toBe(58 / 96);
  expect((await trainer.sparsity()).tensors['fc2.bias']).toBe(0.5);
  expect(zeros(now.get('fc2.weight')!)).toBeGreaterThanOrEqual(16);
  for (const x of now.values()) expect(x.every((v) => v >= 0)).toBe(true);
  for (const name of ['fc2.weight', 'fc2.bias']) expect(now.get(name)!.every((v) => v <= 0.125)).toBe(true);
});

describe('refused', () => {
  const make = (options: Partial<TrainerOptions<MLP>>) => () => classifier(options);
  // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
  const any = (x: unknown): any => x;
  it.each<[string, () => unknown, string]>([
    [
      'no rule',
      make({ prune: any('magnitude') }),
      'Trainer: option prune: expected one such as prune.magnitude(), got "magnitude"',
    ],
    [
      'a name',
      make({ prune: prune.rows({ sparsity: 0.5, match: 'fc3.weight' }) }),
      'no parameter matches fc3.weight; did you mean fc',
    ],
    [
      'rows of a bias',
      make({ prune: prune.rows({ sparsity: 0.5, match: 'fc1.bias' }) }),
      'finds no weight of two dimensions or more among fc1.bias f32[16]',
    ],
    [
      'the same twice',
      make({ prune: [prune.magnitude({ sparsity: 0.5 }), prune.rows({ sparsity: 0.5, match: 'fc1.weight' })] }),
      'Trainer: prune: fc1.weight is pruned twice, again by prune.rows',
    ],
    [
      'constraints that are no list',
      make({ constraints: any({}) }),
      'Trainer: option constraints: expected a list, got an object',
    ],
    [
      'a constraint for nobody',
      make({ constraints: [{ match: 'x', constraint: constraint.maxNorm() }] }),
      'Trainer: constraints: no parameter matches x',
    ],
  ])('%s', async (_, call, message) => {
    await fails(call, OptionError, 'ERR_OPTION', message);
  });
});
