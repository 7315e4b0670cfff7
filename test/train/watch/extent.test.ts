// extent.test.ts: what a callback may ask of its run: how far it is, the model, rates, norms of each parameter, warnings; and when it is called for checkpoints.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Callback, type CallbackRun, clip, metrics, OptionError, optim, type RunExtent } from '../../../lib/index.ts';
import { bits, classifier, points } from '../models.ts';

const folder = mkdtempSync(join(tmpdir(), 'extent-'));
afterAll(() => rmSync(folder, { recursive: true }));

const data = points(56);
const validation = points(24);
/** Seven steps an epoch. */
const make = (more: object = {}) => classifier({ batchSize: 8, optimizer: optim.adamw({ lr: 0.05 }), ...more });

/** What a run says of its extent, at its begin and after each chunk. */
function asking(): { readonly said: RunExtent[]; readonly callback: Callback } {
  const said: RunExtent[] = [];
  const ask = (run: CallbackRun): void => void said.push(run.extent);
  return { said, callback: { onStart: ask, onSteps: (_, run) => ask(run) } };
}

describe('extent', () => {
  const none = { secondsLeft: null };

  it.each(['fit', 'fitSync'] as const)('%s: by steps, by epochs, by whichever comes first', async (how) => {
    for (const [fit, expected] of [
      [{ steps: 10 }, { steps: 10, epochs: null }],
      [{ epochs: 3 }, { steps: 21, epochs: 3 }],
      [
        { epochs: 3, steps: 8 },
        { steps: 8, epochs: 3 },
      ],
      [{}, { steps: 7, epochs: 1 }],
    ] as const) {
      const { said, callback } = asking();
      using trainer = make();
      await trainer[how](data, { ...fit, chunkSteps: 4, callbacks: [callback] });
      const all = { ...none, epochSteps: 7, rows: 8, ...expected };
      expect(said[0]).toEqual({ ...all, tried: 0 });
      expect(said.map(({ tried }) => tried)).toEqual(said.map(({ tried }) => tried).toSorted((a, b) => a - b));
      expect(said.at(-1)).toEqual({ ...all, tried: expected.steps });
    }
  });

  it('rows of a step of several micro-batches, a stream, a time', async () => {
    const { said, callback } = asking();
    using trainer = make({ accumulate: 3 });
    await trainer.fit(data, { epochs: 2, callbacks: [callback] });
    expect(said.at(-1)).toEqual({ tried: 6, steps: 6, epochs: 2, epochSteps: 3, rows: 24, ...none });
    const stream = asking();
    await trainer.fit([points(8), points(8), points(8)], { epochs: 2, callbacks: [stream.callback] });
    expect(stream.said.at(-1)).toEqual({ tried: 2, steps: null, epochs: 2, epochSteps: null, rows: null, ...none });
    const timed = asking();
    await trainer.fit(data, { seconds: 1000, steps: 2, callbacks: [timed.callback] });
    expect(timed.said[0]!.secondsLeft).toBeGreaterThan(900);
    expect(timed.said[0]!.secondsLeft).toBeLessThanOrEqual(1000);
  });

  it('of a run that goes on, from where it began', async () => {
    const file = join(folder, 'on.safetensors');
    using first = make();
    const stop: Callback = { onEpoch: (_, run) => run.stop() };
    await first.fit(data, { epochs: 3, checkpoint: file, callbacks: [stop] });
    const { said, callback } = asking();
    using second = make();
    await second.fit(data, { epochs: 3, checkpoint: file, resume: file, callbacks: [callback] });
    expect([said[0]!.tried, said[0]!.steps, said.at(-1)!.tried]).toEqual([7, 21, 21]);
    // Another fit of the same trainer is a run of its own.
    const next = asking();
    await second.fit(data, { steps: 2, callbacks: [next.callback] });
    expect([next.said[0]!.tried, next.said[0]!.steps]).toEqual([0, 2]);
  });
});

it('the model with the weights of the step, what is validated, rates by groups and schedules', async () => {
  using trainer = make({
    optimizer: optim.adamw({ lr: (step) => 0.05 / (1 + step) }),
    groups: [{ match: 'fc1.*', optimizer: optim.sgd({ lr: 0.25 }) }],
    metrics: {
      accuracy: ({ x, y }: never, model: never) => metrics.accuracy((model as { forward(x: unknown): never }).forward(x), y),
    },
  } as never);
  const seen: unknown[] = [];
  let begun: CallbackRun | null = null;
  const callback: Callback = {
    onStart(run) {
      begun = run;
    },
    onSteps(_, run) {
      const weights = [...run.model.parameters()].map(({ data }) => data[0]);
      seen.push(weights, run.ratesAt(run.counters.step));
      expect(run).toBe(begun);
    },
  };
  await trainer.fit(data, { steps: 2, chunkSteps: 1, validation, callbacks: [callback] });
  expect(begun!.model).toBe(trainer.model);
  expect(begun!.trained).toEqual(trainer.trained);
  expect(begun!.measures).toEqual(['loss', 'accuracy']);
  expect(begun!.sync).toBe(false);
  expect([seen[1], seen[3]]).toEqual([
    [0.25, 0.05 / 2],
    [0.25, 0.05 / 3],
  ]);
  expect(seen[2]).toEqual(trainer.model.parameters().map(({ data }) => data[0]));
  expect(seen[0]).not.toEqual(seen[2]);
});

describe('norms of each parameter', () => {
  it('are those of a record, where a callback asks for them, and change no bit', async () => {
    const norms: number[][] = [];
    const asks: Callback = {
      needsLayerNorms: true,
      onSteps(steps) {
        for (let i = 0; i < steps.length; i++) norms.push([...steps.layerNorms(i)]);
      },
    };
    const file = join(folder, 'norms.jsonl');
    using one = make();
    await one.fit(data, { epochs: 2, callbacks: [asks] });
    using two = make();
    await two.fit(data, { epochs: 2, record: { file, perLayer: true } });
    const lines = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { layers?: number[] });
    expect(norms).toEqual(lines.flatMap(({ layers }) => (layers ? [layers] : [])));
    expect(norms).toHaveLength(14);
    using three = make();
    await three.fit(data, { epochs: 2 });
    expect(await bits(one)).toBe(await bits(three));
  });

  it('are measured where somebody asks, and else not; what steps took is a time', async () => {
    const seen: unknown[] = [];
    const onSteps: Callback['onSteps'] = (steps) => void seen.push([steps.layerNorms(0).length, steps.seconds > 0]);
    using trainer = make();
    trainer.fitSync(data, { steps: 1, callbacks: [{ onSteps }] });
    await trainer.fit(data, { steps: 1, callbacks: [{ onSteps, needsLayerNorms: false }] });
    await trainer.fit(data, { steps: 1, perLayer: true, callbacks: [{ onSteps }] });
    expect(seen).toEqual([
      [0, true],
      [0, true],
      [4, true],
    ]);
    const wrong = { onSteps, needsLayerNorms: 1 } as never;
    expect(() => trainer.fit(data, { callbacks: [wrong] })).toThrow(OptionError);
  });
});

describe('warnings', () => {
  it('are heard when they are found: those from before the start too, and what callbacks say', async () => {
    const told: string[] = [];
    const hear: Callback = {
      onStart: () => void told.push('start'),
      onWarning: ({ code }) => void told.push(code),
      onSteps: (_, run) => run.warn('look at this', { value: 7 }),
      onEnd: () => void told.push('end'),
    };
    const bad = { ...data, x: { ...data.x, data: data.x.data.map((v, i) => (i === 20 * 6 ? Number.NaN : v)) } };
    const logged: string[] = [];
    const logger = { warn: (message: string) => void logged.push(message) };
    using trainer = make({ logger });
    const { warnings } = await trainer.fit(bad, { epochs: 1, chunkSteps: 1, shuffle: false, callbacks: [hear] });
    expect(told).toEqual(['start', 'callback', 'nonFinite', 'end']);
    expect(warnings.map(({ code }) => code)).toEqual(['callback', 'nonFinite']);
    expect(warnings[0]).toMatchObject({ message: 'look at this', details: { value: 7, step: 1 } });
    expect(logged[0]).toBe('look at this');
  });

  it('one that a function of a fit fails with ends the run', async () => {
    const fail: Callback = {
      onWarning() {
        throw new Error('mine');
      },
      onSteps: (_, run) => run.warn('look'),
    };
    using trainer = make();
    await expect(trainer.fit(data, { epochs: 1, callbacks: [fail] })).rejects.toThrow('mine');
    expect(() => trainer.fitSync(data, { epochs: 1, callbacks: [fail] })).toThrow('mine');
  });
});

it('a checkpoint takes its place after all callbacks have said that they are ready', async () => {
  const file = join(folder, 'ready.safetensors');
  const log: string[] = [];
  const slow: Callback = {
    async onCheckpoint({ counters }) {
      log.push(`asked at ${counters.step}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      log.push('ready');
    },
  };
  using trainer = make();
  const save: Callback = {
    async onEpoch() {
      await trainer.save(file);
      log.push('saved');
    },
  };
  await trainer.fit(data, { epochs: 1, callbacks: [slow, save] });
  expect(log).toEqual(['asked at 7', 'ready', 'saved']);
  const fail: Callback = { onCheckpoint: () => Promise.reject(new Error('full')) };
  const checkpoint = { file: join(folder, 'never.safetensors'), every: { steps: 2 } };
  await expect(trainer.fit(data, { steps: 6, checkpoint, callbacks: [fail] })).rejects.toThrow('full');
});

it('numbers of steps are those of their reports, of skipped steps and of policies that measure nothing too', async () => {
  const bad = { ...data, x: { ...data.x, data: data.x.data.map((v, i) => (i === 20 * 6 || i === 40 * 6 ? Number.NaN : v)) } };
  const names = ['step', 'loss', 'norm', 'scale', 'normAfter', 'threshold', 'clipped', 'clippedFraction', 'skipped'] as const;
  let skipped = 0;
  let clipped = 0;
  const compare: Callback = {
    onSteps(steps) {
      const reports = [...steps];
      for (const name of names) expect([...steps.numbers(name)], name).toEqual(reports.map((r) => Number(r[name])));
      skipped += reports.filter((r) => r.skipped).length;
      clipped += reports.filter((r) => r.clipped).length;
    },
  };
  for (const policy of [
    clip.globalNorm(0.4),
    clip.none(),
    clip.value(0.05),
    clip.topK(0.5),
    clip.spikeSkip({ warmup: 2, window: 3 }),
  ]) {
    for (const chunkSteps of [1, 7]) {
      using trainer = make({ clip: policy });
      await trainer.fit(bad, { epochs: 2, chunkSteps, callbacks: [compare] });
    }
  }
  expect(skipped).toBeGreaterThan(10);
  expect(clipped).toBeGreaterThan(10);
});
