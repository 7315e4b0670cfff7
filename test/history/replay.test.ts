// replay.test.ts: policies on recorded norms: what the run did is what its replay does; what norms do not tell is not made up.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as clip from '../../lib/clip/index.ts';
import { POLICIES } from '../../lib/clip/list.ts';
import { OptionError } from '../../lib/errors.ts';
import { type History, readRecord, replay } from '../../lib/history/index.ts';
import { classifier, points } from '../train/models.ts';

async function recorded(policy: clip.ClipPolicy, perLayer: boolean, data = points(64)): Promise<History> {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-replay-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'run.jsonl');
  using trainer = classifier({ clip: policy });
  await trainer.fit(data, { epochs: 4, record: { file, perLayer } });
  return readRecord(file);
}

const COLUMNS = ['normAfter', 'scale', 'threshold'] as const;
function same(
  digits: number,
  made: { normAfter: Float64Array; scale: Float64Array; threshold: Float64Array; clipped: Uint8Array; isSkipped: Uint8Array },
  run: History,
): void {
  for (const name of COLUMNS) {
    expect(made[name].length).toBe(run.length);
    made[name].forEach((v, i) => {
      if (!Object.is(v, run[name][i]!)) expect(v / run[name][i]!, `${name} of step ${i}`).toBeCloseTo(1, digits);
    });
  }
  expect(made.clipped).toEqual(run.clipped);
  expect(made.isSkipped).toEqual(run.skipped);
}

describe('the replay of the policy that ran', () => {
  it.each([
    ['globalNorm', () => clip.globalNorm(0.25), false],
    ['a threshold by step', () => clip.globalNorm((step) => 0.2 + 0.01 * step), false],
    ['torch', () => clip.globalNorm(0.25, { compat: 'torch' }), false],
    ['none', () => clip.none(), false],
    ['perTensorNorm', () => clip.perTensorNorm(0.1), true],
    ['groups', () => clip.groups([{ match: '*.bias', policy: clip.perTensorNorm(0.1) }, { policy: clip.globalNorm(0.2) }]), true],
    ['groups that share', () => clip.groups([{ match: 2, policy: clip.globalNorm(0.2) }], { norm: 'shared' }), true],
    ['chain', () => clip.chain(clip.perTensorNorm(0.2), clip.globalNorm(0.25)), true],
  ])('%s: the same decisions', async (name, make, perLayer) => {
    const run = await recorded(make(), perLayer);
    const [made] = replay(run, [make()]).policies;
    expect(made).toMatchObject({ exact: true, reason: null, ended: null, steps: run.length });
    // What a chain's second policy and the updates measure went through scales that were rounded to f32.
    same(name === 'chain' || name.startsWith('groups') ? 6 : 12, made!, run);
  });

  // Of those whose norms do not suffice, the reason is tested below.
  const NOT = [
    'value',
    'globalNorm 1',
    'globalNorm inf',
    'globalNorm 3',
    'axisNorm',
    'rowMaxNorm',
    'agc',
    'adaClip',
    'soft',
    'tanh',
    'suppress',
    'map',
  ];
  const NEITHER = ['sign', 'centralize', 'qsgd', 'oneBit', 'topK', 'chain'];
  it.each(Object.keys(POLICIES).filter((name) => name !== 'groups'))('%s, as the list has it', async (name) => {
    const run = await recorded(POLICIES[name]!(), true);
    const [made] = replay(run, [POLICIES[name]!()]).policies;
    if ([...NOT, ...NEITHER].some((other) => name === other || name.split(' ')[0] === other)) {
      expect(made).toMatchObject({ exact: false, steps: 0, reason: expect.any(String) });
    } else if (name === 'stochastic')
      expect(made).toMatchObject({ exact: false, steps: run.length, reason: expect.stringContaining('at random') });
    else {
      expect(made).toMatchObject({ exact: true, reason: null, steps: run.length });
      same(5, made!, run);
    }
  });

  it('skips what it skipped', async () => {
    const data = points(64);
    data.x.data[6 * 11] = Number.NaN;
    const run = await recorded(
      clip.globalNorm((step) => 0.1 + 0.01 * step),
      false,
      data,
    );
    const [made] = replay(run, [clip.globalNorm((step) => 0.1 + 0.01 * step)]).policies;
    expect(run.skipped.reduce((a, b) => a + b)).toBe(4);
    expect(made!.skipped).toBe(4);
    same(12, made!, run);
  });
});

describe('replay', () => {
  const plainly = (norms: readonly number[], c: number) => {
    const applied = norms.filter(Number.isFinite);
    const after = norms.map((n) => (Number.isFinite(n) ? Math.min(n, c) : 0));
    return {
      clipRate: applied.filter((n) => n > c).length / applied.length,
      skipped: norms.length - applied.length,
      meanScale: applied.reduce((s, n) => s + (n > c ? c / n : 1), 0) / applied.length,
      removed: 1 - after.reduce((a, b) => a + b, 0) / applied.reduce((a, b) => a + b, 0),
    };
  };
  it('of norms alone is what a plain loop makes of them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 9, arbitrary: fc.double({ min: 1e-3, max: 1e6, noNaN: true }) }, fc.constant(Number.NaN)), {
          minLength: 1,
        }),
        fc.double({ min: 0.01, max: 1e3, noNaN: true }),
        (norms, c) => {
          norms.push(1);
          const [made] = replay(norms, { mine: clip.globalNorm(c, { maxSkips: Infinity }) }).policies;
          const truth = plainly(norms, c);
          expect(made).toMatchObject({
            name: 'mine',
            policy: 'globalNorm',
            exact: true,
            clipRate: truth.clipRate,
            skipped: truth.skipped,
          });
          expect(made!.meanScale).toBeCloseTo(truth.meanScale, 10);
          expect(made!.removed).toBeCloseTo(truth.removed, 10);
          norms.forEach((n, i) => {
            if (n <= c) expect([made!.scale[i], made!.normAfter[i]]).toEqual([1, n]);
          });
        },
      ),
      { numRuns: 50 },
    );
  });

  it('of more steps than fit into one call goes on where it was', () => {
    const norms = Array.from({ length: 10_000 }, (_, i) => 1 + (i % 97));
    const [made] = replay(norms, [clip.globalNorm((step) => 1 + step / 100)]).policies;
    for (const i of [0, 4095, 4096, 9999]) {
      expect(made!.threshold[i]).toBe(1 + i / 100);
      expect(made!.scale[i]).toBe(norms[i]! > 1 + i / 100 ? (1 + i / 100) / norms[i]! : 1);
    }
  });

  it('of per-layer norms knows the parts of each', () => {
    const layers = { names: ['a', 'b'], shapes: [[30], [10]], norms: Float64Array.of(3, 4, 0.3, 0.4, 0.6, 8) };
    const history = { norm: [5, 0.5, Math.hypot(0.6, 8)], layers };
    const [each] = replay(history, [clip.perTensorNorm(1)]).policies;
    expect(Array.from(each!.scale)).toEqual([0.25, 1, 0.125]);
    expect(each!.normAfter[0]).toBeCloseTo(Math.SQRT2, 14);
    expect(each!.normAfter[2]).toBeCloseTo(Math.hypot(0.6, 1), 14);
  });

  it('ends where the run would have ended', () => {
    const norms = [1, Number.NaN, 2, Number.NaN, Number.NaN, 3];
    const [skip, error] = replay(norms, [
      clip.globalNorm(1, { maxSkips: 2 }),
      clip.globalNorm(1, { nonFinite: 'error' }),
    ]).policies;
    expect(skip).toMatchObject({ name: 'globalNorm', steps: 5, ended: '2 skipped steps in a row', skipped: 3, clipRate: 0.5 });
    expect(error).toMatchObject({ name: 'globalNorm (2)', steps: 1, ended: 'a gradient that is not finite' });
  });

  it.each([
    ['value', () => clip.value(1), 'changes elements one by one (limit)'],
    ['groups by name', () => clip.groups([{ match: 'fc.*', policy: clip.globalNorm(1) }]), 'group 0 matches no parameter'],
    ['a 1-norm', () => clip.globalNorm(1, { p: 1 }), 'it reads sumAbs of the elements of gradients'],
    ['any other norm', () => clip.globalNorm(1, { p: 3 }), 'the elements of gradients'],
    ['each tensor', () => clip.perTensorNorm(1), 'it needs the norm of each tensor: record with perLayer: true'],
    ['a chain with one of them', () => clip.chain(clip.globalNorm(1), clip.value(1)), 'changes elements one by one (limit)'],
    ['zeros for what is not finite', () => clip.globalNorm(1, { nonFinite: 'zero' }), 'it makes zeros of what is not finite'],
  ])('does not make up %s', (_, make, reason) => {
    const [made] = replay([1, 2, Number.NaN], [make()]).policies;
    expect(made).toMatchObject({ exact: false, reason: expect.stringContaining(reason), steps: 0 });
  });

  it('does not take another norm for the 2-norm', async () => {
    const run = await recorded(clip.globalNorm(1, { p: Infinity }), false);
    expect(replay(run, [clip.globalNorm(1)]).policies[0]!.reason).toContain('not the 2-norm');
    // The norms of layers are 2-norms, but the global one is not made of what they are here.
    const layered = await recorded(clip.globalNorm(1, { p: Infinity }), true);
    expect(replay(layered, [clip.perTensorNorm(0.1)]).policies[0]).toMatchObject({ steps: layered.length });
  });

  it.each([
    [() => replay([1], []), 'expected at least one policy'],
    [() => replay([1], { a: 3 as never }), 'policies.a: expected a policy such as clip.globalNorm(), got 3'],
    [() => replay(3 as never, [clip.none()]), 'expected norms, reports or a history, got 3'],
    [() => replay({ norm: [1, 2], loss: [1] }, [clip.none()]), 'replay: expected 2 values of loss, got 1'],
    [() => replay({ norm: [1], lost: [1] } as never, [clip.none()]), 'has no column lost'],
  ])('refuses %s', (call, message) => {
    expect(call).toThrow(OptionError);
    expect(call).toThrow(message);
  });
});

it('parameters of more rows than there is memory for are nothing to list: what a policy asks for is seen before', () => {
  const layers = { names: ['w'], shapes: [[2 ** 40, 2]], norms: Float64Array.of(1, 2) };
  const history = { norm: [1, 2], layers };
  const [centralize, agc, norm] = replay(history, [clip.centralize(), clip.agc(), clip.globalNorm(1)]).policies;
  expect(centralize!.reason).toMatch(/elements/);
  expect(agc!.reason).toMatch(/elements/);
  expect(norm).toMatchObject({ reason: null, steps: 2 });
});
