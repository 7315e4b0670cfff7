// plateau.test.ts: reduce-on-plateau in a fit: what it does to the updates, on any number of threads, async or not, resumed or not.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OptionError, optim, type TrainerOptions } from '../../../lib/index.ts';
import { bits, classifier, type MLP, points } from '../models.ts';

const data = points(100);
const validation = points(64, 6, 9);
const folder = mkdtempSync(join(tmpdir(), 'gradclip-'));
const fit = { validation, validateEvery: 5 };
// No improvement counts unless it is large, so the rate goes down again and again.
const plateau = { patience: 1, factor: 0.5, threshold: 0.5, cooldown: 1 };
const trainer = (options: Partial<TrainerOptions<MLP>> = {}) =>
  classifier({ optimizer: optim.sgd({ lr: 0.5, momentum: 0.9 }), plateau, ...options });

test('the same bits on any number of threads, async or not, in chunks of any length', async () => {
  const reference = trainer({ threads: 1 });
  await reference.fit(data, { steps: 60, ...fit });
  expect(reference.rateFactor).toBeLessThan(1);
  for (const [threads, chunkSteps, sync] of [
    [3, undefined, false],
    [1, 1, false],
    [2, 50, true],
  ] as const) {
    const other = trainer({ threads });
    const options = { steps: 60, ...fit, ...(chunkSteps && { chunkSteps }) };
    if (sync) other.fitSync(data, options);
    else await other.fit(data, options);
    expect(await bits(other)).toBe(await bits(reference));
    expect(other.rateFactor).toBe(reference.rateFactor);
  }
});

test('its state is in the checkpoint', async () => {
  const whole = trainer();
  await whole.fit(data, { steps: 60, ...fit });
  const first = trainer();
  await first.fit(data, { steps: 35, ...fit });
  expect(first.rateFactor).toBeLessThan(1);
  const file = join(folder, 'plateau.safetensors');
  await first.save(file);
  const second = trainer();
  await second.fit(data, { steps: 5, ...fit });
  await second.load(file);
  expect(second.rateFactor).toBe(first.rateFactor);
  await second.fit(data, { steps: 25, ...fit });
  expect(await bits(second)).toBe(await bits(whole));
  expect(second.rateFactor).toBe(whole.rateFactor);
  // Weights alone start it afresh.
  await first.save(file, { weightsOnly: true });
  await second.load(file);
  expect(second.rateFactor).toBe(1);
});

test('the update takes the lowered rate, and not below the least one', async () => {
  // The loss cannot improve by half every step: one reduction after each validation.
  const options = { patience: 0, factor: 0.5, threshold: 0.9, min: 0.02 };
  const rates: number[] = [];
  const spied = optim.sgd({ lr: 0.1 });
  const seen: optim.Optimizer = {
    ...spied,
    build: (group) =>
      spied.build({
        ...group,
        column: (name, size, fill) =>
          group.column(name, size, (step, lr, out) => {
            rates.push(lr);
            fill(step, lr, out);
          }),
      }),
  };
  const one = trainer({ optimizer: seen, plateau: options });
  await one.fit(data, { steps: 20, validation, validateEvery: 4, chunkSteps: 4 });
  // The first validation is better than none.
  expect(rates).toEqual([0.1, 0.1, 0.05, 0.025, 0.02].flatMap((r) => [r, r, r, r]));
  const by = trainer({
    optimizer: optim.sgd({ lr: (step) => [0.1, 0.1, 0.05, 0.025, 0.02][Math.floor(step / 4)]! }),
    plateau: { patience: 99 },
  });
  await by.fit(data, { steps: 20, validation });
  expect(await bits(by)).toBe(await bits(one));
});

test('wrong options', () => {
  expect(() => trainer({ plateau: { patince: 1 } as object })).toThrow(/did you mean patience/);
  expect(() => trainer({ plateau: { factor: 1 } })).toThrow(/option plateau.factor: expected a finite number > 0 and < 1, got 1/);
  expect(() => trainer({ plateau: { metric: 'accuracy' as 'loss' } })).toThrow(/expected "loss", got "accuracy"/);
  const fitting = () => trainer().fitSync(data, { steps: 1 });
  expect(fitting).toThrow(OptionError);
  expect(fitting).toThrow("fitSync: the trainer's plateau needs a validation set");
});
