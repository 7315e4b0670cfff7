// wgan.test.ts: two trainers of one model in turns give the losses of PyTorch, which has one optimizer for each; the same bits awaited, on any team.
import { expect, it } from 'vitest';
import { SOME_TEAMS } from '../../kit.ts';
import { ITERATIONS, WganTraining, wganGolden } from './wgan.ts';

const golden = wganGolden();
const weights = ({ model }: WganTraining): Float32Array[] => model.parameters().map((p) => p.data.slice());

it('the first 20 iterations of a Wasserstein GAN', () => {
  const training = new WganTraining(golden);
  const ours = training.losses(ITERATIONS);
  for (const who of ['critic', 'generator'] as const) {
    expect(ours[who].length).toBe(golden.f64[who].length);
    // PyTorch in f32 is 8e-8 from f64 (make_wgan.py); the demand is 1e-4.
    for (const [i, v] of ours[who].entries()) expect(Math.abs(v - golden.f64[who][i]!), `${who} ${i}`).toBeLessThan(1e-6);
  }
  for (const [name, p] of training.model.namedParameters()) {
    const [sum, squares] = golden.final[name]!;
    const found = p.data.reduce((s, v) => s + v, 0);
    expect(Math.abs(p.data.reduce((s, v) => s + v * v, 0) / squares - 1), name).toBeLessThan(1e-4);
    expect(Math.abs(found - sum), name).toBeLessThan(1e-4 * p.size);
    const most = p.data.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    if (name.startsWith('critic')) expect(most).toBeLessThanOrEqual(Math.fround(golden.settings.weightClip));
  }
  // It goes somewhere: the clip bites, and the losses move by a hundred times what they are compared by.
  expect(Math.abs(ours.critic.at(-1)! - ours.critic[0]!)).toBeGreaterThan(0.1);
  training.dispose();
});

it('awaited, and on any team: the same bits', async () => {
  const steps = 4;
  const training = new WganTraining(golden, 1);
  training.losses(steps);
  const wanted = weights(training);
  for (const threads of SOME_TEAMS) {
    const other = new WganTraining(golden, threads);
    for (let i = 0; i < steps; i++) await other.iteration();
    expect(weights(other)).toEqual(wanted);
    other.dispose();
  }
});
