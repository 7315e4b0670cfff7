// golden.test.ts: whole training runs against PyTorch 2.13: the same weights, batches, clipping and updates give its losses and norms.
import { expect, it } from 'vitest';
import { runtime } from '../../../lib/native/runtime.ts';
import { child } from '../../children/kit.ts';
import { goldenCurves, goldenSource, goldenTrainer } from './models.ts';
import { type Curves, type GoldenName, golden } from './recipe.ts';

const { isa, isas } = runtime();
const STEPS = 200;
const NAMES: readonly GoldenName[] = ['mlp-sgd', 'mlp-adamw', 'char-rnn-sgd'];

/** PyTorch in f32 stays as close to itself in f64 (recipe.test.ts). */
function expectClose(ours: Curves, theirs: Curves): void {
  const near = (what: 'loss' | 'norm', i: number, tolerance: number): void => {
    const [got, expected] = [ours[what][i]!, theirs[what][i]!];
    expect(Math.abs(got / expected - 1), `${what} of step ${i}: expected ${expected}, got ${got}`).toBeLessThan(tolerance);
  };
  for (let i = 0; i < ours.loss.length; i++) {
    if (i < 100) near('loss', i, i < 10 ? 1e-6 : 1e-5);
    near('norm', i, i < 10 ? 1e-5 : 1e-3);
  }
}

it.each(NAMES)('%s against PyTorch in f64', async (name) => {
  const made = golden(name);
  const trainer = goldenTrainer(name, made);
  const before = await trainer.readParameters();
  expect([...before].map(([parameter, { shape }]) => [parameter, shape])).toEqual(
    Object.entries(made.probe.parameters).map(([parameter, [shape]]) => [parameter, shape]),
  );
  const curves: { loss: number[]; norm: number[] } = { loss: [], norm: [] };
  let clipped = 0;
  for await (const report of trainer.fit(goldenSource(name, STEPS), { steps: STEPS })) {
    curves.loss.push(report.loss);
    curves.norm.push(report.norm);
    if (report.clipped) clipped++;
  }
  expect(curves.loss).toHaveLength(STEPS);
  expectClose(curves, made.f64);
  expect(clipped).toBe(made.f64.norm.filter((n) => n > made.settings.maxNorm).length);
  const final = await trainer.readParameters();
  for (const [parameter, [, squares]] of Object.entries(made.final)) {
    const ours = Array.from(final.get(parameter)!.data as Float32Array).reduce((a, v) => a + v * v, 0);
    expect(Math.abs(ours / squares - 1), parameter).toBeLessThan(1e-4);
  }
  trainer.dispose();
});

it('the same on the older instruction sets of this machine', async () => {
  // Past those whose tolerance is the narrow one.
  const steps = 15;
  const here = new Map<GoldenName, string>();
  for (const name of NAMES) here.set(name, (await goldenCurves(name, golden(name), steps)).hash);
  // An instruction set is chosen once per process.
  for (const other of isas.filter((name) => name !== isa)) {
    const args = [import.meta.dirname, String(steps), ...NAMES];
    const ended = await child('golden.js', args, { env: { GRADCLIP_ISA: other } });
    expect(ended, other).toMatchObject({ code: 0, errors: '' });
    for (const [i, name] of NAMES.entries()) {
      const there = ended.lines[i] as Curves & { hash: string };
      expect(there.loss).toHaveLength(steps);
      expectClose(there, golden(name).f64);
      // Fused multiply-add or not: the baseline has bits of its own.
      expect(there.hash === here.get(name), `${other} ${name}`).toBe((other === 'x86_64') === (isa === 'x86_64'));
    }
  }
});
