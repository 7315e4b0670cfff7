// tune.test.ts: whole searches: the same each time, nothing trained twice, the best as a plain training has it, and trials that fail.
import { expect, it } from 'vitest';
import {
  AbortError,
  clip,
  loss,
  NonFiniteError,
  OptionError,
  optim,
  type ParamsOf,
  space,
  Trainer,
  type Trial,
  type TuneEvent,
  type TuneOptions,
  tune,
} from '../../lib/index.ts';
import { make, Net, SPACE, spirals } from './kit.ts';

type Params = ParamsOf<typeof SPACE>;
const STEPS = 81;
const small = { make, space: SPACE, steps: STEPS, budget: { steps: 9 * STEPS }, seeds: 2, finalists: 2, rungs: 3 } as const;
const shown = (result: Awaited<ReturnType<typeof tune>>): unknown => {
  const { seconds: _, trials, best, ...rest } = result;
  return { ...rest, best: best.number, trials: trials.map(({ seconds: __, ...trial }) => trial) };
};

it('the same each time, within its budget; another seed tries others', async () => {
  const events: TuneEvent<Params>[] = [];
  const one = await tune({ ...small, onTrial: (event) => events.push(event) });
  expect(shown(await tune(small))).toEqual(shown(one));
  expect(one.steps).toBeLessThanOrEqual(9 * STEPS);
  expect(one.stopReason).toBe('steps');
  expect(one.trials.length).toBeGreaterThan(5);
  expect(one.trials.map(({ number }) => number).toSorted((a, b) => a - b)).toEqual(one.trials.map((_, i) => i));
  expect(events.reduce((most, { steps }) => Math.max(most, steps), 0)).toBe(one.steps);
  expect(one.best).toBe(one.trials[0]);
  const other = await tune({ ...small, seed: 5, budget: { trials: 2 }, seeds: 0 });
  expect(other.trials[0]!.params).not.toEqual(one.trials[0]!.params);

  // The best one, by a training that nobody has paused.
  const { params, seeds, length } = one.best;
  expect(length).toBe(STEPS);
  for (const { seed, value } of seeds) {
    const { trainer, data, validation } = make(params as Params, seed);
    await trainer.fit(data as never, { steps: STEPS } as never);
    expect((await trainer.evaluate(validation as never)).loss).toBe(value);
    trainer.dispose();
  }
  expect(one.best.rungs.at(-1)).toEqual({ step: STEPS, value: seeds[0]!.value });
});

it('who is paused goes on with what followed it: early stopping counts on, averages and rates too', async () => {
  const rates = { lr: space.log(0.05, 0.5) };
  const validation = spirals(100, 2);
  const made = ({ lr }: { lr: number }, seed: number): Trial => {
    const trainer = new Trainer({
      model: new Net(8),
      loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
      optimizer: optim.sgd({ lr: optim.schedule.cosine(lr, { steps: 90 }), momentum: 0.9 }),
      clip: clip.autoClip(10, { warmup: 5 }),
      ema: { decay: 0.9 },
      plateau: { patience: 1, factor: 0.5 },
      batchSize: 20,
      seed,
    });
    const fit = { validation, validateWeights: 'ema', earlyStop: { patience: 2 } } as const;
    return { trainer, data: spirals(200, 1), validation, fit };
  };
  const result = await tune({ make: made, space: rates, steps: 90, budget: { trials: 4 }, seeds: 0, finalists: 1, rungs: 3 });
  const { params, rungs } = result.best;
  const { trainer, data, fit } = made(params, 0);
  const plain = await trainer.fit(data as never, { ...fit, steps: 90 } as never);
  expect((await trainer.evaluate(validation as never, { weights: 'ema' } as never)).loss).toBe(rungs.at(-1)!.value);
  expect(rungs.at(-1)!.step).toBe(plain.tried);
});

it('trials that diverge end early, those whose parameters make no trainer fail, and others go on', async () => {
  let divergent = 0;
  const result = await tune({
    ...small,
    space: { lr: space.log(0.01, 10), width: space.choice([8, 0, -1]) },
    first: { lr: 0.1, width: 8 },
    make: ({ lr, width }, seed) => {
      const trial = make({ lr, threshold: 1, width: width as 8 }, seed);
      // A rate that makes weights infinite.
      if (lr > 1 && width === 8) {
        divergent++;
        return make({ lr: 1e38, threshold: 1e30, width: 8 }, seed);
      }
      return trial;
    },
  });
  const bad = result.trials.filter(({ status }) => status === 'diverged' || status === 'failed');
  expect(divergent).toBeGreaterThan(0);
  expect(bad.some(({ status, reason }) => status === 'failed' && /outFeatures|inFeatures/.test(reason!))).toBe(true);
  expect(bad.some(({ status }) => status === 'diverged')).toBe(true);
  for (const { value, seeds } of bad) {
    expect(value).toBeNaN();
    expect(seeds.every((seed) => Number.isNaN(seed.value))).toBe(true);
  }
  // They stand behind all others.
  expect(result.trials.slice(-bad.length)).toEqual(bad);
  expect(Number.isFinite(result.best.value)).toBe(true);
});

it('a space with few values is tried to its end, each once', async () => {
  const result = await tune({
    ...small,
    space: { lr: space.choice([0.05, 0.1]), width: space.integer(8, 9) },
    first: { lr: 0.3 as 0.1, width: 8 },
    make: ({ lr, width }, seed) => make({ lr, threshold: 1, width: width as 8 }, seed),
    budget: { trials: 100 },
  });
  expect(result.stopReason).toBe('space');
  expect(result.trials).toHaveLength(5);
  expect(new Set(result.trials.map(({ params }) => JSON.stringify(params))).size).toBe(5);
  expect(result.trials.find(({ number }) => number === 0)!.params).toEqual({ lr: 0.3, width: 8 });
  expect(result.verdict.at(-1)).toMatch(/^(Trial 0, as it stood|Trial)/);
});

it('a metric of which more is better', async () => {
  const options: TuneOptions<typeof SPACE> = {
    ...small,
    metric: 'right',
    budget: { trials: 5 },
    make: (params, seed) => {
      const { data, validation } = make(params, seed);
      const trainer = new Trainer({
        model: new Net(params.width),
        loss: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y),
        metrics: { right: ({ x, y }, model) => loss.crossEntropy(model.forward(x), y) },
        optimizer: optim.sgd({ lr: params.lr }),
        batchSize: 20,
        seed,
      });
      return { trainer, data, validation };
    },
  };
  // The loss under another name: the largest wins where more is better.
  const most = await tune(options);
  const least = await tune({ ...options, mode: 'min' });
  expect(most.best.value).toBeGreaterThan(least.best.value);
  expect(most.comparisons.every(({ worse }) => Number.isNaN(worse) || Number.isFinite(worse))).toBe(true);
  await expect(tune({ ...options, metric: 'acuracy' })).rejects.toThrow(
    'option metric: expected one of loss, right, got "acuracy"',
  );
});

it('seeds that change nothing are told', async () => {
  const warned: string[] = [];
  const result = await tune({ ...small, make: (params) => make(params, 0), logger: (text) => warned.push(text) });
  expect(result.warnings.join()).toMatch(/3 seeds gave the same to the last bit: does make pass its seed on\?/);
  expect(warned).toEqual(result.warnings);
  expect(result.comparisons[0]!.p).toBe(0);
});

it('seconds: ends with a result, within them as far as trials let it', async () => {
  const result = await tune({ ...small, budget: { seconds: 3 } });
  expect(result.stopReason).toBe('seconds');
  expect(Number.isFinite(result.best.value)).toBe(true);
  // Nothing but a clock that stands still could make it train for ever.
  expect(result.trials.length).toBeGreaterThan(0);
});

it('aborted: rejects, and at once where it was before', async () => {
  const controller = new AbortController();
  const running = tune({ ...small, signal: controller.signal, onTrial: () => controller.abort('enough') });
  await expect(running).rejects.toThrow(AbortError);
  await expect(running).rejects.toMatchObject({ cause: 'enough' });
  await expect(tune({ ...small, signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
});

it('errors of make and of data are the search’s own', async () => {
  const broken = (error: Error) => (): never => {
    throw error;
  };
  await expect(tune({ ...small, make: broken(new RangeError('mine')) })).rejects.toThrow(RangeError);
  // The first trial is what the user has: it is no trial that failed.
  await expect(tune({ ...small, make: broken(new OptionError('first')) })).rejects.toThrow('first');
  const diverging = (_: Params, seed: number): Trial => make({ lr: 1e38, threshold: 1e30, width: 8 }, seed);
  await expect(tune({ ...small, make: diverging, budget: { trials: 3 } })).rejects.toThrow(NonFiniteError);
  await expect(tune({ ...small, make: diverging, budget: { trials: 3 } })).rejects.toThrow(
    'every one of 3 trials diverged or failed',
  );
});

const trial = (): Trial => make({ lr: 0.1, threshold: 1, width: 8 }, 0);
const kept = trial();
it.each<[string, Partial<TuneOptions<typeof SPACE>>, string]>([
  ['no trainer', { make: () => ({}) as never }, 'what make gives: trainer: expected a Trainer, got nothing'],
  [
    'no data',
    { make: () => ({ ...trial(), data: undefined }) as never },
    'what make gives: data: expected named arrays, or a source, got nothing',
  ],
  ['a stream', { make: () => ({ ...trial(), data: (function* () {})() as never }) }, 'data: expected rows that lie in memory'],
  [
    'a key too many',
    { make: () => ({ ...trial(), test: 1 }) as never },
    'unknown key test; known: trainer, data, validation, fit',
  ],
  ['steps of its own', { make: () => ({ ...trial(), fit: { epochs: 3 } }) as never }, 'fit.epochs: the search says that itself'],
  ['one trainer for all', { make: () => kept }, 'make gave a trainer, or a model, that a trial had before'],
  ['no space', { space: {} as never }, 'option space: expected parameters by name'],
  ['no domain', { space: { lr: [1e-4, 1] } as never }, 'option space.lr: expected what a function of space gives'],
  ['first of other names', { first: { lr: 1 } as never }, 'option first[0].threshold: expected a value, got nothing'],
  ['first with another', { first: [{ lr: 1, threshold: 1, width: 8, depth: 2 } as never] }, 'unknown option depth'],
  ['threads of a function', { threads: 2 }, 'option threads: trials of a function train in this thread'],
  ['resume of nothing', { resume: true }, 'option resume: goes on with option file, which is not given'],
  ['a budget of nothing', { budget: { steps: 0 } }, 'option budget.steps: expected a whole number >= 1, got 0'],
  ['an unknown option', { budgets: 1 } as never, 'unknown option budgets; did you mean budget?'],
])('refuses %s', async (_, options, message) => {
  const running = tune({ ...small, ...options } as never);
  await expect(running).rejects.toThrow(OptionError);
  await expect(running).rejects.toThrow(message);
});
