// custom.test.ts: optimizers of one's own by optim.custom: the bits of the library's where the rule is the same, one pass or written out, with all
// that stands around an optimizer; each that is wrong is one clear error.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { REWRITTEN } from '../../bench/rewritten.ts';
import { clip, constraint, guard, loss, nn, OptionError, ops, optim, prune, regularize, Trainer } from '../../lib/index.ts';
import { Graph, type Tensor } from '../../lib/ir/graph.ts';
import type { Data } from '../../lib/ir/op.ts';
import { UPDATE_CHAIN } from '../../lib/ops/update/own-update.ts';
import { isUpdate } from '../../lib/ops/update/update.ts';
import { SOME_TEAMS } from '../kit.ts';
import { KINDS_OF_BITS, runNode, sameBits } from '../run-node.ts';
import { fails } from '../train/fails.ts';
import { bits, classifier, points } from '../train/models.ts';

const data = points(44);

// Odd sizes, tails, several chunks, nothing.
const SIZES = [1, 7, 17, 255, 257, 1024, 1025, 3089, 0];
/** Numbers of all sizes, with zeros; `spread` powers of ten on either side. */
const numbers = (n: number, seed: number, spread: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => {
    const u = Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453;
    const x = 2 * (u - Math.floor(u)) - 1;
    return i % 53 === 11 ? 0 : x * 10 ** (((i * 7 + seed) % (2 * spread + 1)) - spread);
  });

/** The update of a group at a step as nodes whose inputs are arrays. */
function updateOf(optimizer: optim.Optimizer, at: number, spread: number) {
  const graph = new Graph('train');
  const values = new Map<Tensor, Data>();
  const inputs = (name: string, seed: number, size = spread) =>
    SIZES.map((n, t) => {
      const x = graph.input(`${name}.${t}`, { dtype: 'f32', shape: [n] }, 'data');
      values.set(x, name.startsWith('slot') ? numbers(n, seed + t, size).map(Math.abs) : numbers(n, seed + t, size));
      return x;
    });
  const params = inputs('p', 1, 2);
  const grads = inputs('g', 50);
  const names = optimizer.slots({ dtype: 'f32', shape: [1] }).map((s) => s.name);
  const slots = names.map((name, k) => inputs(`slot ${name}`, 100 * (k + 2), Math.min(spread, 12)));
  const made = optimizer.build({
    ...{ graph, params, grads, names: params.map((_, t) => `p${t}`), stages: [], measure: false, finish: null },
    slots: params.map((_, t) => slots.map((s) => s[t]!)),
    column(name, size, fill) {
      const column = graph.input(`column ${name}`, { dtype: 'f64', shape: [size] }, 'step');
      const row = new Float64Array(size);
      fill(at, optimizer.lr(at), row);
      values.set(column, row);
      return column;
    },
  });
  const { node } = made.params[0]!;
  expect(isUpdate(node)).toBe(true);
  return { node, ins: node.ins.map((t) => values.get(t)!) };
}

test.each(Object.keys(REWRITTEN))('%s: the bits of the built-in, on every instruction set and team', (name) => {
  const { builtIn, own } = REWRITTEN[name]!();
  expect(own.onePass).toBe(true);
  expect(own.rowwise).toBe(true);
  for (const [at, spread] of [
    [0, 3],
    [4, 3],
    [1, 30],
    [700, 10],
  ] as const) {
    // biome-ignore format: pairs
    const [theirs, ours] = [updateOf(builtIn, at, spread), updateOf(own, at, spread)];
    expect(ours.node.op).toBe(UPDATE_CHAIN);
    for (const isa of KINDS_OF_BITS.flat()) {
      const expected = runNode(theirs.node, theirs.ins, { isa });
      expect(expected.some((x) => x.some((v) => v !== 0 && Number.isFinite(v)))).toBe(true);
      for (const threads of [1, ...SOME_TEAMS]) {
        const same = sameBits(runNode(ours.node, ours.ins, { isa, threads }), expected);
        expect(same, `${name} at ${at}, 1e${spread}, ${isa}, ${threads} threads`).toBe(true);
      }
    }
  }
});

test.each(Object.keys(REWRITTEN))('%s: trains to the bits of the built-in', async (name) => {
  const around = {
    constraints: [
      { match: 'fc1.*', constraint: constraint.weightClip(0.2) },
      { match: 'fc2.weight', constraint: constraint.maxNorm(1) },
    ],
    ema: { decay: 0.8 },
    accumulate: 2,
    prune: prune.magnitude({ sparsity: 0.4, end: 4, every: 1 }),
    regularize: [regularize.l2(1e-3)],
  };
  const { builtIn, own } = REWRITTEN[name]!();
  const runs = [builtIn, own].map(async (optimizer) => {
    const trainer = classifier({ optimizer, clip: clip.globalNorm(0.1), ...around });
    const result = await trainer.fit(data, { steps: 14 });
    return { bits: [await bits(trainer), await bits(trainer, { weights: 'ema' })], last: result.last, clipped: result.clipped };
  });
  const [library, mine] = await Promise.all(runs);
  expect(mine).toEqual(library);
  expect(mine!.clipped).toBeGreaterThan(0);
});

/** A rule that is no chain: the same numbers, and a shape that changes on the way. */
const adamPair = REWRITTEN.adamw!();
const written = (threads?: number): optim.CustomOptimizer =>
  optim.custom({
    name: `written${threads ?? ''}`,
    lr: 0.1,
    slots: { velocity: 0.5 },
    hyper: { beta: 0.9 },
    update(p, g, { velocity }, { lr, beta }) {
      const v = ops.fma(velocity, beta, ops.reshape(ops.reshape(g, [1, ...g.shape]), g.shape));
      return { p: ops.sub(p, ops.mul(lr, v)), slots: { velocity: v } };
    },
  });
const chained = (): optim.CustomOptimizer =>
  optim.custom({
    name: 'chained',
    lr: 0.1,
    slots: { velocity: 0.5 },
    hyper: { beta: 0.9 },
    update(p, g, { velocity }, { lr, beta }) {
      const v = ops.fma(velocity, beta, g);
      return { p: ops.sub(p, ops.mul(lr, v)), slots: { velocity: v } };
    },
  });

const around = {
  nothing: {},
  'bounds and norms': {
    constraints: [
      { match: '*', constraint: constraint.weightClip(0.3) },
      { match: '*.weight', constraint: constraint.maxNorm(0.4) },
    ],
  },
  pruning: { prune: prune.magnitude({ sparsity: 0.5, end: 2, every: 1 }) },
  averages: { ema: { decay: 0.8 } },
  accumulation: { accumulate: 2 },
  'a scaled loss': { lossScale: 1024, clip: clip.value(0.01) },
  'elements limited': { clip: clip.value(0.02) },
  'a policy by rows': { clip: clip.agc(0.05) },
  'several threads': { threads: 3 },
  'a guard that skips': { guards: [guard.exploding({ max: 0.25, action: 'skip' as const })] },
} satisfies Record<string, object>;

test.each(Object.entries(around))('with %s: one pass and written out give the same bits', async (name, options) => {
  const runs = [chained(), written()].map(async (optimizer) => {
    const trainer = classifier({ clip: clip.globalNorm(0.1), optimizer, ...options });
    const result = await trainer.fit(data, { steps: 12 });
    const averages = 'ema' in options ? await bits(trainer, { weights: 'ema' }) : '';
    return { skipped: result.skipped, clipped: result.clipped, bits: (await bits(trainer)) + averages };
  });
  const [one, many] = await Promise.all(runs);
  expect([chained().onePass, written().onePass]).toEqual([true, false]);
  expect(one).toEqual(many);
  if (name === 'a guard that skips') expect(one!.skipped).toBeGreaterThan(0);
  else expect(one!.skipped).toBe(0);
});

test('slots begin at their first values, and what is below 2^-126 becomes 0', () => {
  const p = Float32Array.of(1, 2, 1e-38);
  const bound = chained().bind({ p });
  bound.step({ p: Float32Array.of(1, 0, 0) });
  const v = bound.state().tensors['optim.p.velocity']!;
  expect([...v]).toEqual([1.45, 0.45, 0.45].map(Math.fround));
  const halved = optim.custom({
    lr: 1,
    slots: ['s'],
    update: (p, g, { s }) => ({ p: ops.mul(p, 0.5), slots: { s: ops.mul(g, s) } }),
  });
  const small = Float32Array.of(2 ** -125, 2 ** -126, -(2 ** -126), 1e-40);
  halved.bind([small]).step([new Float32Array(4)]);
  expect([...small]).toEqual([2 ** -126, 0, 0, 0]);
});

test('slots that are given back as they were stay; slots may change places; the parameter may become a slot', () => {
  const rotate = optim.custom({
    lr: 1,
    slots: { a: 1, b: 2, kept: 7 },
    update: (p, _, { a, b, kept }) => ({ p: a, slots: { a: b, b: p, kept } }),
  });
  expect(rotate.onePass).toBe(true);
  for (const n of [1, 5, 300, 2500]) {
    const p = new Float32Array(n).fill(3);
    const bound = rotate.bind([p], { threads: 2 });
    const seen: number[][] = [];
    for (let k = 0; k < 3; k++) {
      bound.step([new Float32Array(n)]);
      const { tensors } = bound.state();
      const all = [p, tensors['optim.0.a']!, tensors['optim.0.b']!, tensors['optim.0.kept']!];
      for (const x of all) expect(new Set(x as Float32Array).size).toBe(1);
      seen.push(all.map((x) => x[n - 1]!));
    }
    expect(seen).toEqual([
      [1, 2, 3, 7],
      [2, 3, 1, 7],
      [3, 1, 2, 7],
    ]);
  }
});

test('numbers of a step: fixed, a schedule, of step and lr, rounded once to f32; steps that are skipped count for nothing', () => {
  const seen: [number, number][] = [];
  const own = optim.custom({
    lr: (step) => 0.1 / (1 + step),
    hyper: {
      fixed: 1 / 3,
      half: optim.schedule.exponential(1, { gamma: 0.5 }),
      both(step, lr) {
        seen.push([step, lr]);
        return step + lr;
      },
    },
    update: (p, g, _, { lr, fixed, half, both }) =>
      ops.add(ops.mul(g, fixed), ops.add(ops.mul(half, 100), ops.add(both, ops.mul(lr, 0)))),
  });
  const p = new Float32Array(3);
  const bound = own.bind([p]);
  const step = (g: number): number => {
    bound.step([new Float32Array(3).fill(g)]);
    return p[1]!;
  };
  const f = Math.fround;
  const want = (g: number, k: number): number => f(f(g * f(1 / 3)) + f(f(0.5 ** k * 100) + f(f(k + 0.1 / (1 + k)) + 0)));
  expect(step(3)).toBe(want(3, 0));
  expect(step(Number.NaN)).toBe(want(3, 0));
  expect(step(0.7)).toBe(want(0.7, 1));
  expect(seen).toEqual([[0, 0.1], [1, 0.05], [1, 0.05]]); // biome-ignore format: pairs
});

test('its slots are in checkpoints: resumed is the run that was not interrupted, to the bit', async () => {
  for (const optimizer of [chained, written, () => optim.lookahead(chained(), { k: 2 })]) {
    const file = join(mkdtempSync(join(tmpdir(), 'gradclip-own-')), 'm.safetensors');
    const make = () => classifier({ optimizer: optimizer(), rate: 0.2 });
    const [whole, first, second] = [make(), make(), make()];
    await whole.fit(data, { epochs: 3 });
    await first.fit(data, { epochs: 1 });
    await first.save(file);
    await second.load(file);
    await second.fit(data, { epochs: 2 });
    expect(await bits(second)).toBe(await bits(whole));
  }
});

test('in a group beside another, with bf16 products, and around lookahead: as the built-in', async () => {
  const { builtIn, own } = adamPair;
  const runs = [builtIn, own].map(async (optimizer) => {
    const groups = [{ match: 'fc2.*', optimizer }];
    const trainer = classifier({
      groups,
      optimizer: optim.lookahead(optimizer, { k: 2 }),
      precision: 'bf16',
      clip: clip.value(0.01),
    });
    await trainer.fit(data, { epochs: 2 });
    return bits(trainer);
  });
  const [library, mine] = await Promise.all(runs);
  expect(mine).toBe(library);
});

class Table extends nn.Module {
  readonly table: nn.Embedding;
  readonly head: nn.Linear;
  constructor(sparse: boolean) {
    super();
    this.table = new nn.Embedding(300, 24, { sparse });
    this.head = new nn.Linear(24, 2);
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(this.table.forward(x));
  }
}
const words = {
  x: Int32Array.from({ length: 40 }, (_, i) => (i * 37) % 211),
  y: Int32Array.from({ length: 40 }, (_, i) => (i * 5) % 2),
};

test.each([false, true])('a table of which few rows are read, updated by rows: %s', async (sparse) => {
  const runs = [adamPair.builtIn, adamPair.own].map(async (optimizer) => {
    const trainer = new Trainer({
      model: new Table(sparse),
      loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y),
      optimizer,
      clip: clip.globalNorm(0.01),
      batchSize: 8,
      seed: 2,
    });
    await trainer.fit(words, { epochs: 3 });
    return bits(trainer as never);
  });
  const [library, mine] = await Promise.all(runs);
  expect(mine).toBe(library);
});

test('of a table that is updated by rows, a rule that looks at whole tensors is refused', async () => {
  const centered = optim.custom({
    name: 'centered',
    lr: 0.1,
    update: (p, g, _, { lr }) => ops.sub(p, ops.mul(lr, ops.sub(g, ops.mean(g)))),
  });
  const byRows = optim.custom({
    name: 'byRows',
    lr: 0.1,
    update: (p, g, _, { lr }) => ops.sub(p, ops.mul(lr, ops.mul(g, p.shape[0]!))),
  });
  expect([centered.onePass, centered.rowwise, byRows.onePass, byRows.rowwise]).toEqual([false, false, true, false]);
  for (const optimizer of [centered, byRows]) {
    const make = () =>
      new Trainer({ model: new Table(true), loss: ({ x, y }, m) => loss.crossEntropy(m.forward(x), y), optimizer }).fit(words, {
        steps: 1,
      });
    await fails(
      make,
      OptionError,
      'ERR_OPTION',
      `table.weight: sparse updates are not for ${optimizer.name}, which looks at whole tensors`,
    );
  }
});

test('a rule that differs by shape: matrices are centered and written out, vectors are one pass, each as by itself', async () => {
  const lr = 0.2;
  const mixed = optim.custom({
    lr,
    slots: ['m'],
    update(p, g, { m }, { lr }) {
      const seen = p.shape.length > 1 ? ops.sub(g, ops.mean(g, { axes: 0, keepDims: true })) : ops.mul(g, p.shape[0]!);
      const next = ops.fma(m, 0.5, seen);
      return { p: ops.sub(p, ops.mul(lr, next)), slots: { m: next } };
    },
  });
  expect(mixed.onePass).toBe(false);
  const shapes = [[3, 4], [4], [2, 2], [3]];
  const params = shapes.map((s, t) =>
    numbers(
      s.reduce((a, b) => a * b),
      t,
      0,
    ),
  );
  const truth = params.map((p) => ({ p: Array.from(p), m: Array.from(p, () => 0) }));
  const bound = mixed.bind(params, { shapes, clip: clip.value(0.4) });
  for (let k = 0; k < 3; k++) {
    const grads = shapes.map((s, t) =>
      numbers(
        s.reduce((a, b) => a * b),
        9 * k + t + 20,
        0,
      ),
    );
    const report = bound.step(grads);
    const limited = grads.map((g) => g.map((v) => Math.max(-0.4, Math.min(0.4, v))));
    expect(report.normAfter).toBeCloseTo(Math.sqrt(limited.flatMap((g) => [...g]).reduce((a, b) => a + b * b, 0)), 5);
    for (const [t, shape] of shapes.entries()) {
      const [rows, columns] = shape.length > 1 ? (shape as [number, number]) : [1, shape[0]!];
      const { p, m } = truth[t]!;
      for (let i = 0; i < p.length; i++) {
        let mean = 0;
        for (let r = 0; r < rows; r++) mean += limited[t]![r * columns + (i % columns)]! / rows;
        const seen = shape.length > 1 ? limited[t]![i]! - mean : limited[t]![i]! * shape[0]!;
        m[i] = 0.5 * m[i]! + seen;
        p[i]! -= lr * m[i]!;
      }
      for (const [i, v] of params[t]!.entries()) expect(v).toBeCloseTo(p[i]!, 5);
    }
  }
});

test('two trainings whose rules differ are never taken for one another', async () => {
  const make = (sign: number) =>
    optim.custom({ name: 'same', lr: 0.1, update: (p, g, _, { lr }) => ops.add(p, ops.mul(lr, ops.mul(g, sign))) });
  const trainer = classifier({ optimizer: make(-1) });
  await trainer.fit(data, { steps: 2 });
  await trainer.change({ optimizer: make(0) } as never);
  const before = await bits(trainer);
  await trainer.fit(data, { steps: 2 });
  expect(await bits(trainer)).toBe(before);
  await trainer.change({ optimizer: make(-1) } as never);
  await trainer.fit(data, { steps: 2 });
  expect(await bits(trainer)).not.toBe(before);
});

const good = { lr: 0.1, update: (p: Tensor, g: Tensor) => ops.sub(p, g) };
const wrong: Record<string, [object, string]> = {
  'no rate': [
    { lr: undefined },
    'optim.custom: option lr: expected a finite number >= 0, or a function of the step, got nothing',
  ],
  'no update': [{ update: undefined }, 'optim.custom: option update: expected a function of parameter, gradient, slots'],
  'an unknown option': [{ beta: 1 }, 'optim.custom: unknown option beta'],
  'slots that are a text': [
    { slots: 'm' },
    'optim.custom: option slots: expected names of slots, or an object of their first values, got "m"',
  ],
  'a slot twice': [{ slots: ['m', 'm'] }, 'optim.custom: option slots: expected names of their own, got "m" twice'],
  'a slot that begins as NaN': [{ slots: { m: Number.NaN } }, 'optim.custom: option slots.m: expected a number, got NaN'],
  'a number that is a text': [
    { hyper: { beta: 'x' } },
    'optim.custom: option hyper.beta: expected a number, or a function of step and lr, got "x"',
  ],
  'lr among the numbers': [{ hyper: { lr: 1 } }, 'optim.custom: option hyper: lr is given beside it'],
  'a number that becomes NaN': [
    { hyper: { b: (step: number) => (step < 2 ? 1 : Number.NaN) } },
    'custom: option hyper.b at step 2: expected a number, got NaN',
  ],
  'nothing comes back': [
    { update: () => undefined },
    'custom: update of fc1.weight: expected a tensor, or { p, slots }, got undefined',
  ],
  'a number comes back': [{ update: () => 3 }, 'custom: update of fc1.weight: expected a tensor, or { p, slots }, got 3'],
  'another shape': [
    { update: (p: Tensor) => ops.sum(p) },
    'custom: update of fc1.weight: expected f32[16,6] as the next value, got f32[]',
  ],
  'another type': [{ update: (p: Tensor) => ops.cast(p, 'f64') }, 'as the next value, got f64[16,6]'],
  'a slot is forgotten': [
    { slots: ['m'] },
    'custom: update of fc1.weight: expected f32[16,6] as the next value of slot m, got undefined',
  ],
  'a slot nobody knows': [
    { slots: ['m'], update: (p: Tensor, _: Tensor, { m }: { m: Tensor }) => ({ p, slots: { m, n: m } }) },
    'custom: update of fc1.weight: there is no slot "n"',
  ],
  'a limit that is 0': [{ limit: 0 }, 'optim.custom: option limit'],
};

test.each(Object.keys(wrong))('wrong: %s', async (name) => {
  const [change, text] = wrong[name]!;
  const run = () => classifier({ optimizer: optim.custom({ ...good, ...change } as never) }).fit(data, { steps: 5 });
  await fails(run, OptionError, 'ERR_OPTION', text);
});
