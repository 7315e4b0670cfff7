// early.test.ts: who waits for a fit waits for the step that is being run, not for its chunk: the chunk ends early, and nothing else is otherwise.
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Arrays, BusyError, guard, metrics, type NdArray, Trainer } from '../../../lib/index.ts';
import type { RunRequest } from '../../../lib/native/addon.ts';
import { BoundProgram, STATUS } from '../../../lib/native/program.ts';
import { Pace } from '../../../lib/train/programs/pace.ts';
import { hashOf } from '../../golden/runs/models.ts';
import { bits, classifier, points, stream } from '../models.ts';
import { plainHash, VARIANTS } from '../variants.ts';

const data = points(100);
/** One chunk of these would take minutes. */
const LONG = { steps: 5_000_000, chunkSteps: 5_000_000 };
const hex = ({ data }: NdArray): string => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');

afterEach(() => {
  vi.restoreAllMocks();
});

it('an evaluation that blocks, of data of the same shapes, in the middle of one that is awaited', async () => {
  const [one, two] = [points(20_000), points(20_000, 6, 2)];
  const trainer = classifier();
  const wanted = [await trainer.evaluate(one), await trainer.evaluate(two)];
  let done = false;
  const awaited = trainer.evaluate(one).finally(() => {
    done = true;
  });
  while (!done) {
    await turn();
    expect(trainer.evaluateSync(two)).toEqual(wanted[1]);
  }
  expect(await awaited).toEqual(wanted[0]);
});

/** Runs of several steps end after so many of them, as they do where somebody waits. */
function endingAfter(most: () => number): { readonly ended: () => number } {
  let ended = 0;
  const run = BoundProgram.prototype.run;
  vi.spyOn(BoundProgram.prototype, 'run').mockImplementation(async function (this: BoundProgram, request: RunRequest) {
    const steps = Math.min(request.steps, most());
    if (steps === request.steps) return run.call(this, request);
    ended++;
    const rows = (bytes: number): number => steps * bytes;
    const { feed, step } = this.program;
    const part = ({ buffer, byteOffset }: NodeJS.TypedArray, length: number): Uint8Array =>
      new Uint8Array(buffer, byteOffset, length);
    const result = await run.call(this, {
      ...request,
      steps,
      ...(request.feed && { feed: part(request.feed, rows(feed.bytes * request.micros)) }),
      ...(request.step && { step: part(request.step, rows(step.bytes)) }),
    });
    return result.status === STATUS.ok ? { ...result, status: STATUS.stopped } : result;
  });
  return { ended: () => ended };
}

describe('the bits are those of a fit that nobody interrupts', () => {
  it.each(Object.entries(VARIANTS))('%s, after each of the steps of its chunks', async (_, variant) => {
    const { data, options } = variant;
    const expected = await plainHash(variant, 24);
    let cuts = 0;
    for (const after of [1, 2, 3]) {
      const { ended } = endingAfter(() => after);
      using trainer = new Trainer(options());
      const { tried } = await trainer.fit(data, { steps: 24, chunkSteps: 6 });
      expect([tried, await hashOf(trainer)]).toEqual([24, expected]);
      cuts += ended();
      vi.restoreAllMocks();
    }
    expect(cuts).toBeGreaterThan(3);
  });

  it.each(['list', 'stream', 'iterator'])('batches of a %s that were drawn for more steps come again', async (kind) => {
    const batches: Arrays[] = [];
    for await (const batch of stream(points(203), 8)) batches.push(batch);
    const make = (): AsyncIterable<Arrays> | Arrays[] | Iterator<Arrays> =>
      kind === 'list' ? batches : kind === 'stream' ? stream(points(203), 8) : batches.values();
    for (const accumulate of [1, 2]) {
      const whole = classifier({ accumulate, rate: 0.2 });
      await whole.fit(make() as Arrays[], { epochs: 1 });
      let k = 0;
      const { ended } = endingAfter(() => 1 + (k++ % 3));
      const cut = classifier({ accumulate, rate: 0.2 });
      const result = await cut.fit(make() as Arrays[], { epochs: 1, chunkSteps: 6 });
      vi.restoreAllMocks();
      // How many a stream has ready is its own affair.
      if (kind !== 'stream') expect(ended()).toBeGreaterThan(0);
      expect([result.tried, cut.counters]).toEqual([whole.counters.step, whole.counters]);
      expect(await bits(cut)).toBe(await bits(whole));
    }
  });

  it('validations, early stop, guards, records of each step', async () => {
    const fit = async (): Promise<unknown> => {
      using trainer = classifier({
        accumulate: 2,
        rate: 0.1,
        metrics: { accuracy: ({ x, y }, model) => metrics.accuracy(model.forward(x), y) },
        guards: [guard.loss({ max: 0.69, action: 'skip' })],
      });
      const reports: unknown[] = [];
      const run = trainer.fit(data, {
        epochs: 4,
        chunkSteps: 5,
        validation: points(300, 6, 9),
        validateEvery: 4,
        earlyStop: { patience: 3 },
      });
      for await (const report of run) reports.push({ ...report });
      return { reports, ...(await run), bits: await bits(trainer) };
    };
    const expected = await fit();
    let k = 0;
    const { ended } = endingAfter(() => 1 + (k++ % 3));
    expect(await fit()).toEqual(expected);
    expect(ended()).toBeGreaterThan(5);
  });

  it('with calls of all kinds in its way, which see the weights between two steps', async () => {
    const steps = 300;
    const known = new Map<string, number>();
    using plain = classifier({ rate: 0.2, accumulate: 2 });
    for (let k = 0; k <= steps; k++) {
      known.set(hex(plain.predictSync(data.x)), k);
      if (k < steps) plain.fitSync(data, { steps: 1 });
    }
    using trainer = classifier({ rate: 0.2, accumulate: 2, threads: 2 });
    using predictor = trainer.predictor();
    const seen: number[] = [];
    const see = (prediction: NdArray): void => void seen.push(known.get(hex(prediction)) ?? -1);
    let on = true;
    const run = trainer.fit(data, { steps, chunkSteps: 7 });
    run.finally(() => {
      on = false;
    });
    const calls: (() => unknown)[] = [
      () => see(trainer.predictSync(data.x)),
      async () => see(await trainer.predict(data.x)),
      () => trainer.evaluateSync(data),
      () => trainer.evaluate(data, { batchSize: 9 }),
      () => {
        predictor.updateSync();
        see(predictor.predictSync(data.x));
      },
      () => {
        using other = trainer.predictor();
        see(other.predictSync(data.x));
      },
      () => trainer.readParameters(),
      () => trainer.readParametersSync(),
    ];
    for (let k = 0; on; k++) {
      await calls[k % calls.length]!();
      if (k % 3 === 0) await turn();
    }
    expect(await run).toMatchObject({ tried: steps });
    expect(seen.length).toBeGreaterThan(8);
    expect(seen).not.toContain(-1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(await bits(trainer)).toBe(await bits(plain));
  });
});

describe('who waits', () => {
  it('waits for a step: the chunk ends, and the fit goes on with another', async () => {
    using trainer = classifier();
    const run = trainer.fit(data, LONG);
    await turn();
    const before: number[] = [];
    for (const call of [
      () => trainer.predict(data.x),
      () => trainer.evaluate(data),
      () => trainer.readParameters(),
      () => trainer.predictSync(data.x),
      () => trainer.evaluateSync(data),
      () => trainer.readParametersSync(),
      () => trainer.predictor().dispose(),
    ]) {
      await call();
      await turn();
      before.push(trainer.counters.step);
    }
    run.stop();
    const { tried } = await run;
    expect(tried).toBeLessThan(LONG.steps);
    expect(before).toEqual([...before].sort((a, b) => a - b));
    expect(before[0]).toBeGreaterThan(0);
  });

  it('again and again lets the fit go on by a step between two turns', async () => {
    using trainer = classifier();
    const run = trainer.fit(data, LONG);
    // Two at a time: there is always one that waits.
    const counts: number[] = [];
    const ask = async (): Promise<void> => {
      for (let k = 0; k < 60; k++) {
        await trainer.predict(data.x);
        counts.push(trainer.counters.step);
      }
    };
    await Promise.all([ask(), ask()]);
    run.stop();
    await run;
    expect(counts.at(-1)).toBeGreaterThanOrEqual(30);
    expect(counts.at(-1)).toBeLessThan(LONG.steps);
  });

  it('is nobody of another trainer of the values', async () => {
    using trainer = classifier();
    using other = classifier({ model: trainer.model });
    const run = trainer.fit(data, LONG);
    await turn();
    expect(() => other.predictSync(data.x)).toThrow(BusyError);
    expect(() => other.evaluateSync(data)).toThrow(BusyError);
    expect(() => trainer.fitSync(data)).toThrow(BusyError);
    run.stop();
    await run;
    expect(other.predictSync(data.x).shape).toEqual([100, 2]);
  });

  it('may be whoever follows a fit that blocks', () => {
    using trainer = classifier();
    const seen: string[] = [];
    trainer.fitSync(data, { epochs: 3, onEpoch: () => void seen.push(hex(trainer.predictSync(data.x))) });
    expect(seen[2]).toBe(hex(trainer.predictSync(data.x)));
    expect(new Set(seen).size).toBe(3);
  });
});

describe('the pace', () => {
  /** A clock that goes on by so many ms while a call runs. */
  const timed = (pace: Pace, perStep: number): ((most?: number) => number) => {
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    return (most = Number.POSITIVE_INFINITY) => {
      const asked = pace.steps;
      const steps = Math.min(asked, most);
      pace.begin();
      now += perStep * steps + 0.05;
      pace.end(steps, steps < asked);
      return asked;
    };
  };

  it('is what it was when calls are no longer ended early, a few calls later', () => {
    const pace = new Pace();
    const call = timed(pace, 0.01);
    for (let k = 0; k < 8; k++) call();
    const steady = pace.steps;
    expect(steady).toBeGreaterThan(1500);
    for (let k = 0; k < 50; k++) call(1);
    // Meanwhile no more are prepared than might be run.
    expect(pace.steps).toBe(2);
    const asked = [call(), call(), call(), call(), call()];
    expect(asked).toEqual([2, 16, 128, 1024, steady]);
  });

  it('of a number that is given is that number', () => {
    const pace = new Pace(100);
    const call = timed(pace, 5);
    expect([call(), call(), call(30), call(), call(), call()]).toEqual([100, 100, 100, 60, 100, 100]);
  });
});
