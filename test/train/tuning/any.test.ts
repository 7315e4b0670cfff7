// any.test.ts: whatever a fit is given, clip.auto ends it as any does: so many steps, the same bits at once, awaited and in a team, and given its decisions.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import * as clip from '../../../lib/clip/index.ts';
import type { Tensor } from '../../../lib/ir/graph.ts';
import { Embedding, GRU, Linear, Module } from '../../../lib/nn/index.ts';
import { crossEntropy } from '../../../lib/nn/loss/index.ts';
import { adamw, sgd } from '../../../lib/optim/index.ts';
import { sequences } from '../../../lib/train/feed/sequences.ts';
import { Trainer } from '../../../lib/train/trainer.ts';
import { bits, classifier, points } from '../models.ts';

const optimizers = { sgd: () => sgd({ lr: 0.2, momentum: 0.9 }), adamw: () => adamw({ lr: 1e-2 }) };
const policies = {
  globalNorm: () => clip.globalNorm(1),
  torch: () => clip.globalNorm(3, { compat: 'torch' }),
  schedule: () => clip.globalNorm((step) => 1 + 1 / (1 + step)),
  value: () => clip.value(0.1),
  agc: () => clip.agc(0.01),
  softNorm: () => clip.softNorm(1),
  suppress: () => clip.suppress(0.1),
  normalize: () => clip.normalize(),
  chain: () => clip.chain(clip.value(1), clip.perTensorNorm(0.5)),
};

const anything = fc.record({
  optimizer: fc.constantFrom(...(Object.keys(optimizers) as (keyof typeof optimizers)[])),
  policy: fc.constantFrom(...(Object.keys(policies) as (keyof typeof policies)[])),
  budget: fc.constantFrom(0.01, 0.3, 2),
  rows: fc.integer({ min: 1, max: 60 }),
  validation: fc.constantFrom(0, 1, 3, 50),
  length: fc.oneof(
    fc.record({ steps: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ epochs: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ steps: fc.integer({ min: 1, max: 30 }), epochs: fc.integer({ min: 1, max: 5 }) }),
  ),
  batchSize: fc.integer({ min: 1, max: 16 }),
  accumulate: fc.constantFrom(1, 1, 3),
  rate: fc.constantFrom(0, 0.5),
  plateau: fc.boolean(),
  threads: fc.constantFrom(2, 3, 5),
});

it('is the same in all ways', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(anything, async ({ optimizer, policy, budget, length, validation, plateau, threads, rows, ...options }) => {
      const make = (more: object = {}, auto: clip.AutoOptions = { budget }) =>
        classifier({
          ...options,
          optimizer: optimizers[optimizer](),
          clip: clip.auto({ policy: policies[policy](), ...auto }),
          ...(plateau && validation > 0 && { plateau: { patience: 0, factor: 0.5 } }),
          ...more,
        });
      const fit = { ...length, ...(validation > 0 && { validation: points(validation, 6, 9) }) };
      const data = points(rows, 6, 4);
      using plain = make({ threads: 1 });
      const { auto, tried } = await plain.fit(data, fit);
      using team = make({ threads });
      const other = team.fitSync(data, { ...fit, chunkSteps: 1 });
      expect(other.auto).toEqual(auto);
      expect(await bits(team)).toBe(await bits(plain));
      using again = make({}, { decisions: auto!.decisions });
      const given = await again.fit(data, fit);
      expect(given.tried).toBe(tried);
      // With a plateau, validations before a race is over have seen the branch that was the run then.
      if (!plateau) expect(await bits(again)).toBe(await bits(plain));
      for (const { step, decided, factor, extra } of auto!.decisions) {
        expect(decided).toBeGreaterThanOrEqual(step);
        expect(factor).toBeGreaterThan(0);
        expect(extra).toBeLessThanOrEqual(auto!.extra);
      }
    }),
    { numRuns: Number(process.env.GRADCLIP_RUNS ?? 25) },
  );
});

class Finder extends Module {
  readonly embedding: Embedding = new Embedding(10, 4);
  readonly rnn: GRU = new GRU(4, 6);
  readonly head: Linear = new Linear(6, 2);
  forward(x: Tensor, lengths: Tensor): Tensor {
    return this.head.forward(this.rnn.forward(this.embedding.forward(x), { lengths }).last as Tensor);
  }
}

it('takes sequences, for training and for validation', async () => {
  const of = (n: number, seed: number) => {
    const x = Array.from({ length: n }, (_, i) =>
      Array.from({ length: 2 + (i % 7) }, (_, k) => 1 + ((seed * i + 5 * k * k) % 9)),
    );
    const y = x.map((row) => Number(row.includes(7)));
    return sequences({ x, y }, { buckets: [4, 8], lengths: 'lengths' });
  };
  const found: string[] = [];
  for (const sync of [true, false]) {
    using trainer = new Trainer({
      ...{ model: new Finder(), batchSize: 8, clip: clip.auto({ budget: 2 }), optimizer: sgd({ lr: 0.1 }) },
      loss: ({ x, lengths, y }, model) => crossEntropy(model.forward(x!, lengths!), y!),
    });
    const options = { epochs: 6, validation: of(20, 2) };
    const { auto } = sync ? trainer.fitSync(of(60, 1), options) : await trainer.fit(of(60, 1), options);
    expect(auto!.decisions.length).toBeGreaterThan(0);
    found.push(JSON.stringify([auto, [...(await trainer.readParameters()).values()].map(({ data }) => Array.from(data))]));
  }
  expect(found[0]).toBe(found[1]);
});

it('goes on in another fit, and after its options have changed', async () => {
  const data = points(64);
  const validation = points(40, 6, 2);
  using one = classifier({ clip: clip.globalNorm(1) });
  await one.fit(data, { steps: 10 });
  one.change({ clip: clip.auto() });
  const first = await one.fit(data, { steps: 80, validation });
  expect(first.auto!.decisions.length).toBeGreaterThan(0);
  const second = await one.fit(data, { steps: 80, validation });
  // Another run finds its threshold anew.
  const [before, after] = [first, second].map(({ auto }) => auto!.decisions);
  expect(after!.slice(0, before!.length)).toEqual(before);
  expect(after![before!.length]!.step).toBe(90);
  one.change({ clip: clip.globalNorm(1) });
  expect('auto' in (await one.fit(data, { steps: 5 }))).toBe(false);
});

it('goes on op by op, profiled, and where nothing is trained', async () => {
  const data = points(64);
  using fast = classifier({ clip: clip.auto({ budget: 1 }) });
  await fast.fit(data, { steps: 40 });
  using slow = classifier({ clip: clip.auto({ budget: 1 }), debug: true });
  const { auto } = await slow.fit(data, { steps: 40 });
  expect(auto!.decisions.length).toBeGreaterThan(0);
  using timed = classifier({ clip: clip.auto({ budget: 1 }) });
  const { profile } = await timed.fit(data, { steps: 40, profile: true });
  expect(profile![0]!.steps).toBeGreaterThan(40);
  expect(await bits(timed)).toBe(await bits(fast));
  using none = classifier({ clip: clip.auto() });
  none.model.setRequiresGrad('*', false);
  expect(() => none.fit(data, { steps: 2 })).toThrow('no parameter that requires a gradient');
});

it('a stream without an end, for a time', async () => {
  const endless = function* () {
    for (let i = 1; ; i++) yield points(8, 6, i);
  };
  using one = classifier({ clip: clip.auto({ seconds: 0.1 }) });
  const { stopReason, tried, auto } = await one.fit(endless, { seconds: 0.6 });
  expect(stopReason).toBe('seconds');
  expect(auto!.extra).toBeLessThan(tried + 100);
});
