// profile.test.ts: `fit` with `profile: true` tells what every instruction did, and changes nothing else. No time is judged.
import { describe, expect, it } from 'vitest';
import { clip, type FitResult, loss, nn, optim, type Profile, type Tensor, Trainer } from '../../../lib/index.ts';
import { hashOf } from '../../golden/runs/models.ts';

class Small extends nn.Module {
  first: nn.Linear = new nn.Linear(40, 240);
  last: nn.Linear = new nn.Linear(240, 5);
  forward(x: Tensor): Tensor {
    return this.last.forward(this.first.forward(x));
  }
}
const make = (threads: number, accumulate = 1, precision: 'f32' | 'bf16' = 'f32'): Trainer<Small> => {
  const model = new Small();
  return new Trainer({
    model,
    loss: ({ x, y }) => loss.crossEntropy(model.forward(x), y),
    optimizer: optim.adamw(),
    clip: clip.globalNorm(0.5),
    batchSize: 48,
    threads,
    accumulate,
    precision,
  });
};
const data = (n: number) => ({
  x: { data: Float32Array.from({ length: n * 40 }, (_, i) => Math.sin(i * i)), shape: [n, 40] },
  y: { data: Int32Array.from({ length: n }, (_, i) => i % 5), shape: [n] },
});

const only = ({ profile }: FitResult): Profile => {
  expect(profile).toHaveLength(1);
  return profile![0]!;
};
const sum = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);

it.each([1, 2])('%i threads: every instruction with its calls, cost and share', async (threads) => {
  const t = make(threads);
  const p = only(await t.fit(data(96), { steps: 7, profile: true }));
  expect(p).toMatchObject({ rows: 48, threads, steps: 7 });
  expect(p.instrs.map((i) => i.index)).toEqual(p.instrs.map((_, i) => i));
  for (const i of p.instrs) {
    expect(i.calls).toBe(7);
    expect(i.ms).toBeGreaterThan(0);
    expect(i.busy).toBeGreaterThan(0);
    expect(i.busy).toBeLessThanOrEqual(1);
  }
  expect(sum(p.instrs.map((i) => i.share))).toBeCloseTo(1, 9);
  expect(sum(p.instrs.map((i) => i.ms))).toBeCloseTo(p.ms, 9);
  const sections = p.instrs.map((i) => i.section);
  expect(sections).toEqual([...sections].sort().reverse());
  const product = p.instrs.find((i) => i.note === 'matmul -> f32[48,240]')!;
  expect(product.flops).toBe(2 * 48 * 240 * 40);
  expect(product.gflops).toBeCloseTo(product.flops / (product.ms * 1e6), 6);
  expect(p.instrs.find((i) => i.kernel === 'update_adam')).toMatchObject({ section: 'apply', serial: false });
});

it('tells which products are in bf16', async () => {
  const all = only(await make(1, 1, 'bf16').fit(data(48), { steps: 1, profile: true })).instrs;
  expect(new Set(all.filter((i) => i.bf16).map((i) => i.kernel))).toEqual(new Set(['matmul']));
  expect(all.filter((i) => i.kernel === 'matmul' && !i.bf16)).toEqual([]);
  expect(only(await make(1).fit(data(48), { steps: 1, profile: true })).instrs.some((i) => i.bf16)).toBe(false);
});

it('counts micro-batches, and no guarded instruction of a skipped step', async () => {
  const t = make(1, 3);
  const bad = data(288);
  bad.x.data.fill(Number.NaN);
  const p = only(await t.fit(bad, { steps: 2, profile: true }));
  const calls = (kernel: string): number => p.instrs.find((i) => i.kernel === kernel)!.calls;
  expect(calls('matmul')).toBe(6);
  expect(calls('decide')).toBe(2);
  expect(calls('update_adam')).toBe(0);
});

it('has a profile for each batch size, and none unless asked', async () => {
  const t = make(1);
  const { profile } = t.fitSync(data(60), { epochs: 2, profile: true });
  expect(profile!.map((p) => [p.rows, p.steps])).toEqual([
    [48, 2],
    [12, 2],
  ]);
  expect(await t.fit(data(48), { steps: 1 })).not.toHaveProperty('profile');
});

it('changes no bit', async () => {
  const [a, b] = [make(2), make(2)];
  await a.fit(data(96), { steps: 6 });
  await b.fit(data(96), { steps: 6, profile: true, chunkSteps: 2 });
  expect(await hashOf(a)).toBe(await hashOf(b));
});

it('refuses what is not a boolean', () => {
  expect(() => make(1).fitSync(data(48), { profile: 'yes' as unknown as boolean })).toThrow(/profile/);
});

describe.each([1, 2, 5, 16])('of balance, %i threads', (threads) => {
  it('each instruction with its barriers and largest share', async () => {
    const { instrs, ...p } = only(await make(threads, 2).fit(data(96), { steps: 3, profile: 'balance' }));
    expect(p).toMatchObject({ rows: 48, threads, steps: 3 });
    for (const i of instrs) {
      expect(i.calls).toBe(i.section === 'micro' ? 6 : 3);
      expect(i.ms).toBeGreaterThan(0);
      expect(i.busy).toBeGreaterThan(0);
      expect(i.busy).toBeLessThanOrEqual(1);
      expect(i.barriers).toBeGreaterThanOrEqual(i.serial ? 0 : 1);
      if (!i.serial) expect(i.largest).toBeGreaterThanOrEqual(1);
      if (!i.serial) expect(i.largest).toBeLessThanOrEqual(threads);
    }
    // One thread waits for nobody within an instruction.
    if (threads === 1) expect(new Set(instrs.map((i) => i.barriers))).toEqual(new Set(instrs.map((i) => (i.serial ? 0 : 1))));
  });

  it('changes no bit, of skipped steps neither, and a run after it goes as always', async () => {
    const [a, b] = [make(threads), make(1)];
    const odd = data(240);
    odd.x.data.fill(Number.NaN, 48 * 40, 49 * 40);
    await a.fit(odd, { steps: 5, profile: 'balance' });
    await b.fit(odd, { steps: 5 });
    expect(await hashOf(a)).toBe(await hashOf(b));
    await a.fit(odd, { steps: 5 });
    await b.fit(odd, { steps: 5 });
    expect(await hashOf(a)).toBe(await hashOf(b));
  });
});
