// claims.test.ts: `npm run -s measure:claims` in a short form: all claims are tried, and what rules go by is counted right.
import { expect, test } from 'vitest';
import { counted, judged, median, ratioOf, show, train, workloadOf } from '../../bench/claims/claim.ts';
import { smoothed } from '../../bench/claims/fewer-steps.ts';
import { huberized } from '../../bench/claims/label-noise.ts';
import { CLAIMS, claimsMethod, claimsTable, withClaims } from '../../bench/claims/list.ts';
import { correlation } from '../../bench/claims/local-smoothness.ts';
import { halved, spikesOf } from '../../bench/claims/spikes.ts';
import * as clip from '../../lib/clip/index.ts';
import { Linear } from '../../lib/nn/index.ts';
import * as optim from '../../lib/optim/index.ts';
import { Trainer } from '../../lib/train/index.ts';

const EFFORT = { seeds: [1, 2], part: 0.02, cases: 1 };

test('at least eight claims of eight papers, each with its trial and rule', () => {
  expect(CLAIMS.length).toBeGreaterThanOrEqual(8);
  expect(new Set(CLAIMS.map(({ name }) => name)).size).toBe(CLAIMS.length);
  expect(new Set(CLAIMS.map(({ paper }) => paper)).size).toBeGreaterThanOrEqual(8);
  for (const { paper, rule } of CLAIMS) {
    expect(paper).toMatch(/ \d{4}, /);
    expect(rule).toMatch(/confirmed/);
  }
});

test.each(CLAIMS)('$name is tried', (claim) => {
  const outcome = claim.run(EFFORT);
  expect(['confirmed', 'not confirmed', 'depends']).toContain(outcome.verdict);
  expect(outcome.figures).not.toMatch(/NaN|undefined/);
  const table = claimsTable([[claim, outcome]]).split('\n');
  expect(table).toHaveLength(3);
  expect(table[2]).toContain(`| **${outcome.verdict}** | `);
  const method = claimsMethod([claim]);
  expect(method.replaceAll(/\s+/g, ' ')).toContain(`${claim.trial}. ${claim.rule[0]!.toUpperCase()}${claim.rule.slice(1)}.`);
  expect(Math.max(...method.split('\n').map((line) => line.length))).toBeLessThan(120);
  const page = (table: string, own: string): string =>
    `a\n<!-- table claims -->\n${table}\n<!-- end -->\nb\n<!-- claims method -->\n${own}\n<!-- end of claims -->\nc\n`;
  expect(withClaims(page('old', 'old'), [[claim, outcome]])).toBe(page(claimsTable([[claim, outcome]]), method));
});

test('a case speaks for a claim where its interval lies below 1', () => {
  const cases = (better: number, even: number): ReturnType<typeof judged> =>
    judged(
      new Map<string, readonly number[]>([
        ...Array.from({ length: better }, (_, k): [string, number[]] => [`better ${k}`, [0.8, 0.82, 0.79, 0.85]]),
        ...Array.from({ length: even }, (_, k): [string, number[]] => [`even ${k}`, [0.9, 1.1, 1.2, 0.8]]),
      ]),
    );
  expect(cases(3, 1).verdict).toBe('confirmed');
  expect(cases(2, 2).verdict).toBe('depends');
  expect(cases(1, 3).verdict).toBe('not confirmed');
  expect(cases(2, 1).figures).toContain('better in 2 of 3: better 0, better 1; worse in none');
  const { value, low, high } = ratioOf([0.5, 2, 0.5, 2]);
  expect(value).toBeCloseTo(1, 12);
  expect(low).toBeGreaterThanOrEqual(0.5);
  expect(high).toBeLessThanOrEqual(2);
  expect(low).toBeLessThan(1);
});

test('spikes are losses far above those before', () => {
  const calm = Array.from({ length: 100 }, (_, i) => 2 - i / 100 + 0.05 * Math.sin(7 * i));
  expect(spikesOf(calm)).toBe(0);
  const jumps = calm.map((loss, i) => (i === 40 || i === 70 ? loss + 1 : loss));
  expect(spikesOf(jumps)).toBe(2);
  // The first 25 are no spikes, and what is no number is one.
  expect(spikesOf(calm.map((loss, i) => (i === 10 ? 50 : i === 60 ? Number.NaN : loss)))).toBe(1);
  const of = (...spikes: (readonly [number, number])[]): boolean =>
    halved(spikes.map((pair) => ({ raised: 1, spikes: pair, ratio: ratioOf([1]) })));
  expect([of([2, 6], [3, 5]), of([2, 6], [4, 5]), of([0, 9])]).toEqual([true, false, false]);
});

test('means, medians and correlations', () => {
  expect(smoothed([4, 2, 6, 8], 2)).toEqual([Number.POSITIVE_INFINITY, 3, 4, 7]);
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
  expect(correlation([1, 2, 3, 4], [2, 4, 6, 8])).toBeCloseTo(1, 12);
  expect(correlation([1, 2, 3, 4], [1, -1, -1, 1])).toBeCloseTo(0, 12);
  expect(counted({ loss: Number.POSITIVE_INFINITY, ignorant: 2 })).toBeCloseTo(20.04, 12);
  expect([show(0.123456), show(Number.POSITIVE_INFINITY)]).toEqual(['0.123', 'broken']);
});

test('a training tells the losses and norms of its steps, and what it ends with', () => {
  const workload = workloadOf('mlp-tiny');
  const job = { workload, optimizer: workload.optimizers.sgd, policy: clip.none, seed: 4, part: 0.1 };
  const { loss, losses, norms, ignorant } = train(job);
  expect([losses.length, norms.length]).toEqual([40, 40]);
  const { train: rows, test: held } = workload.data(4);
  const { loss: objective, batchSize } = workload;
  using trainer = new Trainer({
    model: workload.model(),
    loss: objective,
    optimizer: workload.optimizers.sgd(),
    batchSize,
    seed: 4,
  });
  trainer.fitSync(rows as never, { steps: 40 });
  expect(trainer.evaluateSync(held as never).loss).toBe(loss);
  expect(loss).toBeLessThan(ignorant);
  expect(train({ ...job, optimizer: () => optim.sgd({ lr: 1e6 }) }).loss).toBe(Number.POSITIVE_INFINITY);
});

test('the partially Huberized loss: -ln p, and a line below a probability of a half', () => {
  const model = new Linear(3, 3, { bias: false });
  model.weight.init = (out) => out.set([1, 0, 0, 0, 1, 0, 0, 0, 1]);
  const logits = [
    [3, 0, 0],
    [0, 0, 0.5],
    [-4, 1, 2],
    [0.1, 0, -3],
  ];
  const y = Int32Array.of(0, 1, 0, 1);
  const values = logits.map((row, r) => {
    const sum = row.reduce((a, v) => a + Math.exp(v), 0);
    const p = Math.exp(row[y[r]!]!) / sum;
    return p > 0.5 ? -Math.log(p) : -2 * p + Math.log(2) + 1;
  });
  using trainer = new Trainer({ model, loss: huberized as never, optimizer: optim.sgd({ lr: 0.1 }) });
  const found = trainer.evaluateSync({ x: { data: Float32Array.from(logits.flat()), shape: [4, 3] }, y }).loss;
  expect(found).toBeCloseTo(values.reduce((a, b) => a + b, 0) / 4, 6);
});
