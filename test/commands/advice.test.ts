// advice.test.ts: `npm run -s measure:advice` in a short form: the tasks are learned, and its figures are those of trainings made by hand.
import { expect, test } from 'vitest';
import { adviceTable, FLOOR, outcomeOf, TASKS } from '../../bench/advice.ts';
import * as clip from '../../lib/clip/index.ts';

test('nine networks, by the names of the workloads', () => {
  expect(Object.keys(TASKS)).toEqual([
    ...['mlp-small', 'lenet', 'char-rnn', 'char-lstm', 'char-gru', 'rnn-adding', 'ncf', 'gpt-nano', 'resnet20'],
  ]);
});

test('an outcome is what trainings by hand give', () => {
  const { threshold, median, none, advised, fixed, best, ratio } = outcomeOf('char-rnn', { grid: 3, seeds: [5], part: 0.5 });
  const { trainer: make, train, test: held, steps } = TASKS['char-rnn']!();
  const lossOf = (policy: clip.ClipPolicy): number => {
    using trainer = make(policy, 5);
    trainer.fitSync(train as never, { steps: steps / 2 });
    if (policy.name === 'none') expect(trainer.advise().threshold).toBe(threshold);
    return trainer.evaluateSync(held as never).loss;
  };
  expect(none).toBe(lossOf(clip.none()));
  expect(advised).toBe(lossOf(clip.globalNorm(threshold!)));
  expect(fixed.map(([c]) => c / median)).toEqual([1e-2, 1, 1e2].map((c) => expect.closeTo(c, 9)));
  for (const [c, value] of fixed) expect(value).toBe(lossOf(clip.globalNorm(c)));
  expect(best).toBe(Math.min(...fixed.map(([, value]) => value)));
  expect(ratio).toBe(advised / best);
  // Of a threshold a hundred times below the norms the network learns little, and the advice keeps away from it.
  expect(fixed[0]![1] / best).toBeGreaterThan(2);
  expect(ratio).toBeLessThan(FLOOR.ratio);
});

test('all run, and make a row each', () => {
  const found: string[] = [];
  const table = adviceTable({ grid: 2, seeds: [0], part: 0.01 }, ({ name, none, fixed }) => {
    found.push(name);
    expect(Number.isFinite(none)).toBe(true);
    expect(fixed).toHaveLength(2);
  });
  expect(found).toEqual(Object.keys(TASKS));
  expect(table.split('\n').filter((line) => line.startsWith('| '))).toHaveLength(10);
  expect(table).toMatch(/^Within 1.5 of the best: \d of 9; floor: 8\.$/m);
});
