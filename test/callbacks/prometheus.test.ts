// prometheus.test.ts: metrics in a real registry of prom-client: its own text has what the reports of runs have, of several trainers too, and nobody's metric
// is taken.
import { Counter, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { type Batch, callbacks, clip, guard, metrics, OptionError } from '../../lib/index.ts';
import type { MLP } from '../train/models.ts';
import { data, make, seeing, validation } from './kit.ts';

/** The lines of a registry's text that are values: by name and labels. */
async function values(registry: Registry): Promise<Record<string, number>> {
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, value] = /^(.*) (\S+)$/.exec(line)!;
      return [name!, value === 'Nan' ? Number.NaN : Number(value)];
    }),
  );
}

describe('what the registry says', () => {
  it.each(['fit', 'fitSync'] as const)('%s: counters, gauges and histograms are those of the reports', async (how) => {
    const registry = new Registry();
    const { seen, callback } = seeing();
    using trainer = make({ clip: clip.globalNorm(0.4) });
    const labels = { model: 'a "b"', run: 'x' };
    await trainer[how](data, { epochs: 2, validation, callbacks: [callback, callbacks.prometheus(registry, { labels })] });
    const found = await values(registry);
    const of = (name: string): number | undefined => found[`gradclip_train_${name}{model="a \\"b\\"",run="x"}`];
    const { reports } = seen;
    expect(of('steps_total')).toBe(14);
    expect(of('clipped_steps_total')).toBe(reports.filter((r) => r.clipped).length);
    expect(of('clipped_steps_total')).toBeGreaterThan(0);
    expect(of('skipped_steps_total')).toBe(0);
    expect([of('epochs_total'), of('runs_total'), of('failed_runs_total'), of('running')]).toEqual([2, 1, 0, 0]);
    expect(of('loss')).toBe(reports.at(-1)!.loss);
    expect([of('threshold'), of('learning_rate'), of('step')]).toEqual([0.4, 0.05, 14]);
    expect(of('validation_loss')).toBe(seen.validations.at(-1)!.loss);
    expect(Math.abs(of('last_step_timestamp_seconds')! - Date.now() / 1000)).toBeLessThan(600);
    expect(of('grad_norm_count')).toBe(14);
    expect(of('grad_norm_sum')).toBeCloseTo(
      reports.reduce((sum, r) => sum + r.norm, 0),
      10,
    );
    for (let k = -10; k <= 14; k++) {
      const below = found[`gradclip_train_grad_norm_bucket{le="${2 ** k}",model="a \\"b\\"",run="x"}`];
      expect(below, `le ${2 ** k}`).toBe(reports.filter((r) => r.norm <= 2 ** k).length);
    }
    expect(found['gradclip_train_grad_norm_bucket{le="+Inf",model="a \\"b\\"",run="x"}']).toBe(14);
    expect(of('step_seconds_count')).toBe(14);
    expect(of('step_seconds_sum')).toBeGreaterThan(0);
  });

  it('kinds and help, as text, as JSON, and as OpenMetrics', async () => {
    const registry = new Registry();
    using trainer = make();
    await trainer.fit(data, { steps: 1, callbacks: [callbacks.prometheus(registry)] });
    const text = await registry.metrics();
    expect(text).toContain(
      '# HELP gradclip_train_steps_total Steps tried: those applied, and those skipped\n# TYPE gradclip_train_steps_total counter\ngradclip_train_steps_total 1\n',
    );
    expect(text).toContain('# TYPE gradclip_train_grad_norm histogram');
    expect(text).toContain('# TYPE gradclip_train_running gauge');
    registry.setDefaultLabels({ app: 'mine' });
    expect(await registry.metrics()).toContain('gradclip_train_steps_total{app="mine"} 1');
    const json = await registry.getMetricsAsJSON();
    expect(json.find(({ name }) => name === 'gradclip_train_loss')).toMatchObject({ type: 'gauge', aggregator: 'average' });
    const open = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>();
    open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    using other = make();
    await other.fit(data, { steps: 1, callbacks: [callbacks.prometheus(open)] });
    expect(await open.metrics()).toMatch(/# TYPE gradclip_train_steps counter\ngradclip_train_steps_total 1\n/);
  });

  it('of what was skipped, found by guards, warned of, failed', async () => {
    const registry = new Registry();
    const bad = { ...data, x: { ...data.x, data: data.x.data.map((v, i) => (i === 0 ? Number.NaN : v)) } };
    using trainer = make({ guards: [guard.exploding({ max: 1e-9, action: 'warn' })] });
    await trainer.fit(bad, { epochs: 1, shuffle: false, callbacks: [callbacks.prometheus(registry)] });
    const fail = {
      onSteps() {
        throw new Error('mine');
      },
    };
    await expect(trainer.fit(data, { steps: 2, callbacks: [callbacks.prometheus(registry), fail] })).rejects.toThrow('mine');
    const signal = AbortSignal.abort();
    await expect(trainer.fit(data, { steps: 2, signal, callbacks: [callbacks.prometheus(registry)] })).rejects.toThrow('aborted');
    const found = await values(registry);
    expect(found.gradclip_train_skipped_steps_total).toBe(1);
    expect(found.gradclip_train_guard_events_total).toBeGreaterThan(0);
    expect(found.gradclip_train_warnings_total).toBeGreaterThan(0);
    expect([found.gradclip_train_runs_total, found.gradclip_train_failed_runs_total, found.gradclip_train_running]).toEqual([
      3, 1, 0,
    ]);
  });
});

describe('several runs of one registry', () => {
  it('by labels, also at once and by one callback; without, they add up, and counters rise from fit to fit', async () => {
    const registry = new Registry();
    const shared = callbacks.prometheus(registry);
    using one = make();
    using two = make();
    const labeled = callbacks.prometheus(registry, { labels: { model: 'three' } });
    using three = make();
    const during: (number | undefined)[] = [];
    const look = { onSteps: async () => void during.push((await values(registry)).gradclip_train_running) };
    await Promise.all([
      one.fit(data, { steps: 40, chunkSteps: 4, callbacks: [shared, look] }),
      two.fit(data, { steps: 30, chunkSteps: 4, callbacks: [shared] }),
      three.fit(data, { steps: 5, callbacks: [labeled] }),
    ]);
    await one.fit(data, { steps: 3, callbacks: [shared] });
    const found = await values(registry);
    expect(Math.max(...(during as number[]))).toBe(2);
    expect(found.gradclip_train_steps_total).toBe(73);
    expect(found['gradclip_train_steps_total{model="three"}']).toBe(5);
    expect(found.gradclip_train_runs_total).toBe(3);
    expect(found['gradclip_train_running{model="three"}']).toBe(0);
  });

  it('reset, and cleared between two runs', async () => {
    const registry = new Registry();
    const callback = callbacks.prometheus(registry);
    using trainer = make();
    await trainer.fit(data, { steps: 2, callbacks: [callback] });
    registry.resetMetrics();
    await trainer.fit(data, { steps: 3, callbacks: [callback] });
    expect((await values(registry)).gradclip_train_steps_total).toBe(3);
    registry.clear();
    await trainer.fit(data, { steps: 4, callbacks: [callback] });
    expect((await values(registry)).gradclip_train_steps_total).toBe(4);
  });
});

describe('what is refused', () => {
  it('a name that somebody else has, other buckets, two metrics of one name: before the first step', async () => {
    const registry = new Registry();
    new Counter({ name: 'gradclip_train_epochs_total', help: 'mine', registers: [registry] });
    using trainer = make();
    const taken = trainer.fit(data, { steps: 1, callbacks: [callbacks.prometheus(registry)] });
    await expect(taken).rejects.toThrow(OptionError);
    await expect(taken).rejects.toThrow('gradclip_train_epochs_total already, which another part of the program has made');
    expect(trainer.counters.attempt).toBe(0);
    const buckets = new Registry();
    await trainer.fit(data, { steps: 1, callbacks: [callbacks.prometheus(buckets)] });
    const others = trainer.fit(data, { steps: 1, callbacks: [callbacks.prometheus(buckets, { normBuckets: [1, 2] })] });
    await expect(others).rejects.toThrow('with other buckets');
    const accuracy = ({ x, y }: Batch, model: MLP) => metrics.accuracy(model.forward(x), y);
    using twice = make<string>({ metrics: { 'a b': accuracy, a_b: accuracy } });
    await expect(twice.fit(data, { steps: 1, validation, callbacks: [callbacks.prometheus(new Registry())] })).rejects.toThrow(
      /validation_a b and validation_a_b would both be called gradclip_train_validation_a_b/,
    );
  });

  it('what is no registry, and buckets that do not increase', () => {
    for (const wrong of [undefined, {}, { metrics: () => '' }]) {
      expect(() => callbacks.prometheus(wrong as never)).toThrow('argument registry: expected a Registry of prom-client');
    }
    for (const normBuckets of [[], [1, 1], [2, 1], ['1']] as never[]) {
      expect(() => callbacks.prometheus(new Registry(), { normBuckets })).toThrow('option normBuckets');
    }
    expect(() => callbacks.prometheus(new Registry(), { labels: { host: 'a' } as never })).toThrow('option labels');
  });
});
