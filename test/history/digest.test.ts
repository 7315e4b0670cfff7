// digest.test.ts: what a page is drawn from, against plain loops over all steps: however many there are, by a trainer, a record or a history.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { readRecord, readRecordTo } from '../../lib/history/read.ts';
import { Curves, MOST_CELLS } from '../../lib/history/run/curves.ts';
import { Digest, digestOf } from '../../lib/history/run/digest.ts';
import { Heat, MOST_COLUMNS } from '../../lib/history/run/heat.ts';
import { classifier, points } from '../train/models.ts';

const value = fc.oneof(
  { weight: 8, arbitrary: fc.double({ min: -1e6, max: 1e6, noNaN: true }) },
  fc.constantFrom(Number.NaN, Infinity, -Infinity),
);

describe('curves', () => {
  it('have the least, the largest and the mean of the finite values of each cell', () => {
    const parts = fc.array(fc.array(value, { maxLength: 900 }), { maxLength: 8 });
    fc.assert(
      fc.property(parts, fc.integer({ min: 1, max: 3 }), (given, every) => {
        const curves = new Curves();
        const all: number[] = [];
        for (const part of given) {
          // As a report has it: one column of several.
          const rows = Float64Array.from({ length: part.length * every }, (_, i) => (i % every === 0 ? part[i / every]! : 1e99));
          curves.putAll('x', all.length, rows, 0, every);
          all.push(...part);
        }
        const { stride, min, max, mean } = curves.curve('x', all.length);
        expect(Math.log2(stride) % 1).toBe(0);
        expect(min.length).toBe(Math.ceil(all.length / stride));
        expect(min.length).toBeLessThanOrEqual(MOST_CELLS);
        if (all.length > 2 * MOST_CELLS) expect(min.length).toBeGreaterThan(MOST_CELLS / 2);
        for (let cell = 0; cell < min.length; cell++) {
          const known = all.slice(cell * stride, (cell + 1) * stride).filter(Number.isFinite);
          expect(min[cell]).toBe(known.length === 0 ? Number.NaN : Math.min(...known));
          expect(max[cell]).toBe(known.length === 0 ? Number.NaN : Math.max(...known));
          const plain = known.reduce((a, b) => a + b, 0) / known.length;
          if (known.length === 0) expect(mean[cell]).toBeNaN();
          else expect(Math.abs(mean[cell]! - plain)).toBeLessThanOrEqual(1e-9 * Math.max(1, ...known.map(Math.abs)));
        }
      }),
    );
  });

  it('keep columns that begin late or are put now and then at the same steps', () => {
    const curves = new Curves();
    for (let i = 0; i < 10_000; i++) {
      curves.put('each', i, i);
      if (i % 1000 === 999) curves.put('seldom', i, -i);
      if (i >= 5000) curves.put('late', i, 1);
    }
    const [each, seldom, late] = ['each', 'seldom', 'late'].map((name) => curves.curve(name, 10_000));
    expect(each!.stride).toBe(16);
    for (let i = 999; i < 10_000; i += 1000) expect(seldom!.min[Math.floor(i / 16)]).toBe(-i);
    expect(seldom!.min.filter(Number.isFinite)).toHaveLength(10);
    expect(late!.mean.findIndex(Number.isFinite)).toBe(Math.floor(5000 / 16));
    expect(curves.curve('never', 10_000).mean.every(Number.isNaN)).toBe(true);
  });
});

it('the heat of parameters has the mean of the finite norms of each cell', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 700 }),
      fc.integer({ min: 0, max: 50 }),
      fc.infiniteStream(value),
      (steps, from, values) => {
        const heat = new Heat(['a', 'b', 'c'], from);
        const rows = Array.from({ length: steps }, () => [0, 1, 2].map(() => values.next().value as number));
        rows.forEach((row, i) => {
          heat.put(from + i, row);
        });
        expect(heat.cells).toBe(Math.ceil(steps / heat.stride));
        expect(heat.cells).toBeLessThanOrEqual(MOST_COLUMNS);
        for (let cell = 0; cell < heat.cells; cell++) {
          for (const k of [0, 1, 2]) {
            const all = rows.slice(cell * heat.stride, (cell + 1) * heat.stride).map((row) => row[k]!);
            const known = all.filter(Number.isFinite);
            expect(heat.bad(k, cell)).toBe(all.length - known.length);
            const plain = known.reduce((a, b) => a + b, 0) / known.length;
            if (known.length === 0) expect(heat.mean(k, cell)).toBeNaN();
            else expect(Math.abs(heat.mean(k, cell) - plain)).toBeLessThanOrEqual(1e-9 * Math.max(1, ...known.map(Math.abs)));
          }
        }
      },
    ),
    { numRuns: 40 },
  );
});

/** All that is told, but for what the clock says. */
const told = ({ curves, heat, ...d }: Digest): unknown => ({
  ...Object.fromEntries(
    ['loss', 'norm', 'normAfter', 'threshold', 'clipped', 'skipped', 'taken', 'rate 0'].map((name) => [
      name,
      curves.curve(name, d.length),
    ]),
  ),
  heat: heat?.names.map((_, k) => Array.from({ length: heat.cells }, (_, cell) => heat.mean(k, cell))),
  ...{ names: [...d.names], length: d.length, first: d.first, clipped: d.clipped, skipped: d.skipped, badLosses: d.badLosses },
  ...{ nonFinite: [...d.nonFinite], groups: d.groups, validations: d.validations, epochs: d.epochs, findings: d.findings },
});

describe('a digest', () => {
  it('of a trainer, of its record as it is read, and of the history are the same', async () => {
    const path = mkdtempSync(join(tmpdir(), 'gradclip-digest-'));
    onTestFinished(() => rmSync(path, { recursive: true, force: true }));
    const file = join(path, 'run.jsonl');
    const bad = points(64);
    bad.x.data[6 * 11] = Number.NaN;
    const made: Digest[] = [];
    const begin = Digest.prototype.begin;
    Digest.prototype.begin = function (names) {
      if (!made.includes(this)) made.push(this);
      begin.call(this, names);
    };
    onTestFinished(() => {
      Digest.prototype.begin = begin;
    });
    using trainer = classifier({ clip: clip.globalNorm(0.2) });
    await trainer.fit(bad, { epochs: 4, validation: points(24, 6, 7), record: { file, perLayer: true } });
    const read = new Digest();
    await readRecordTo(file, read, Infinity);
    const history = await readRecord(file);
    expect(told(read)).toEqual(told(digestOf(history)));
    expect(made).toHaveLength(1);
    expect(told(made[0]!)).toEqual(told(read));
    expect(read.skipped).toBe(4);
    expect(read.badLosses).toBe(4);
    expect([...read.nonFinite]).toEqual([['fc1.weight', 4]]);
    expect(read.validations).toHaveLength(4);
    expect([...read.curves.curve('loss', 32).mean]).toEqual([...history.loss]);
    expect(read.clipped).toBe(history.clipped.reduce((a, b) => a + b, 0));
    expect(made[0]!.ms).toBeGreaterThan(0);
  });

  it('keeps no more than there is room for', () => {
    const digest = new Digest();
    for (let i = 0; i < 20_000; i++) {
      digest.event({ event: 'validation', attempt: i, step: i, metrics: { loss: i } });
      digest.event({ event: 'guard', attempt: i, step: i, guard: 'guard.loss', action: 'warn', name: 'loss', value: i });
    }
    expect(digest.validated).toBe(20_000);
    expect(digest.validations.length).toBeLessThanOrEqual(4096);
    expect(digest.validations.length).toBeGreaterThan(2000);
    expect(digest.validations.at(-1)!.step).toBe(19_999);
    expect(digest.found).toBe(20_000);
    expect(digest.findings).toHaveLength(100);
  });

  it('adds up the time of fits, from when each has begun', () => {
    const digest = new Digest();
    const row = {
      attempt: 0,
      step: 0,
      loss: 1,
      norm: 1,
      normAfter: 1,
      scale: 1,
      threshold: 1,
      clippedFraction: 0,
      nonFiniteCount: 0,
    };
    const step = (): void =>
      digest.step({ ...row, clipped: false, skipped: false, nonFinite: null, layers: null, rates: [], findings: [] });
    digest.event({ event: 'clock', attempt: 0, time: 1000, machine: 'm' });
    step();
    digest.event({ event: 'clock', attempt: 1, time: 3000 });
    step();
    digest.event({ event: 'clock', attempt: 2, time: 9_000_000, machine: 'n' });
    step();
    digest.event({ event: 'clock', attempt: 3, time: 9_000_500 });
    expect(digest.ms).toBe(2500);
    expect(digest.machine).toBe('n');
  });
});
