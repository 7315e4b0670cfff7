// convergence.test.ts: every optimizer gets to the minimum of a quadratic and down Rosenbrock's valley, and learns the digits, each at the
// learning rate that docs/OPTIMIZERS.md found for it.
import { expect, it } from 'vitest';
import { RATES as ALL_RATES, descendOn, NAMES, PROBLEMS, readDigits, trainOn } from '../../bench/convergence.ts';
import { sharedData } from '../kit.ts';

const RATES: Readonly<Record<string, readonly [quadratic: number, rosenbrock: number, digits: number]>> = {
  acclip: [0.3, 0.03, 3],
  adabelief: [1, 0.3, 0.03],
  adadelta: [10, 1, 10],
  adafactor: [30, 0.03, 0.1],
  adagrad: [1, 1, 0.1],
  adam: [1, 0.3, 0.03],
  adamax: [1, 1, 0.1],
  adamw: [1, 0.3, 0.03],
  adan: [30, 0.01, 0.1],
  adopt: [10, 3, 0.03],
  asgd: [0.01, 0.003, 1],
  lamb: [1, 0.03, 0.03],
  lars: [30, 3, 10],
  lion: [0.03, 0.01, 0.03],
  muon: [0.1, 0.01, 0.03],
  nadam: [30, 10, 0.03],
  novograd: [1, 0.03, 0.1],
  radam: [0.03, 0.003, 0.3],
  rmsprop: [3, 0.01, 0.01],
  rprop: [30, 0.3, 0.03],
  scheduleFree: [3, 0.3, 0.1],
  sgd: [0.01, 0.003, 1],
  spam: [1, 0.01, 0.03],
  stableAdamw: [1, 0.3, 0.03],
  yogi: [1, 1, 0.1],
  lookahead: [10, 0.3, 0.1],
};
/** One that is not in the table is tried at all. */
const ratesOf = (name: string, problem: 0 | 1 | 2): readonly number[] => (name in RATES ? [RATES[name]![problem]] : ALL_RATES);
// What is left of about 1000 and of 24.2. SGD has no momentum here; RAdam begins as SGD, which bounds its rate by the curvature.
const LEFT: Readonly<Record<string, readonly [quadratic: number, rosenbrock: number]>> = {
  sgd: [0.1, 0.02],
  asgd: [0.1, 0.02],
  radam: [5, 5],
};

it.each(NAMES)('%s: minima', (name) => {
  const [q, r] = LEFT[name] ?? [1e-3, 0.05];
  expect(descendOn(name, PROBLEMS.quadratic, ratesOf(name, 0)).value).toBeLessThan(q);
  expect(descendOn(name, PROBLEMS.rosenbrock, ratesOf(name, 1)).value).toBeLessThan(r);
});

const digits = sharedData('digits.csv.gz');
it.skipIf(!digits)('digits: all of them learn', async () => {
  const data = await readDigits(digits!);
  // Rprop is for the gradient of all rows, and these are batches.
  for (const name of NAMES)
    expect(trainOn(name, data, 8, ratesOf(name, 2)).value, name).toBeGreaterThan(name === 'rprop' ? 0.8 : 0.88);
});
