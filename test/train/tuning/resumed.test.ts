// resumed.test.ts: a training that is stopped within a race, after any of its steps, is resumed by new objects as if it had not been: the same bits, and
// who decides is told the same.
import { expect, test, vi } from 'vitest';
import * as clip from '../../../lib/clip/index.ts';
import { compared, outcomeOf, waysOf } from '../../resume/outcome.ts';
import { around, type Setup, validated } from '../../resume/setup.ts';
import { SCRIPTED } from './script.ts';

vi.mock('../../../lib/train/tuning/tuner.ts', async () => ({ Tuner: (await import('./script.ts')).Scripted }));

const auto = { options: { clip: clip.auto({ policy: clip.globalNorm(0.5) }) } };
const setups: Readonly<Record<string, Setup>> = {
  plain: auto,
  'validated, plateau, averages': {
    ...around({ plateau: { factor: 0.5, patience: 0, threshold: 0.3 }, ema: { decay: 0.9 } }),
    ...auto,
    fit: { ...validated, validateEvery: 3, validateWeights: 'ema' },
  },
  'validated, early stop': { ...auto, fit: { ...validated, validateEvery: 2, earlyStop: { patience: 5 } } },
  'an async stream, accumulation with a tail': {
    ...auto,
    batches: 'an async function that is told where',
    program: { accumulate: 4, rows: 65 },
  },
  'a stream told nothing': { ...auto, batches: 'a function that is told nothing' },
  synchronous: { ...auto, sync: true, record: { perLayer: true } },
};
/** Of all ways, these: each set-up has two, by turns. */
const some = (setup: Setup, i: number) => {
  const ways = waysOf(setup);
  return [ways[i % ways.length]!, ways[(i + 2) % ways.length]!];
};
const stops = Array.from({ length: SCRIPTED }, (_, i) => i + 1);

test.each(Object.entries(setups).flatMap(([name, setup], i) => some(setup, i).map((way) => [name, way, setup] as const)))(
  '%s, %s',
  async (_, way, setup) => {
    const whole = await outcomeOf(setup, []);
    for (const stop of stops) {
      expect(compared(whole, await outcomeOf(setup, [stop], { way })), `after ${stop}`).toBeNull();
    }
    if (way !== 'resumes') expect(compared(whole, await outcomeOf(setup, stops, { way })), 'after each').toBeNull();
  },
);

test('what is lost of a branch is seen', async () => {
  const whole = await outcomeOf(setups.plain!, []);
  const value = (v: number): number => v + 1;
  for (const name of ['gradclip.watch.auto.branch1.body.0.weight', 'gradclip.watch.auto.branch1.gradclip.clip.auto.factor']) {
    expect(whole.has(name)).toBe(false);
    expect(compared(whole, await outcomeOf(setups.plain!, [7], { spoilt: { name, value } })), name).not.toBeNull();
  }
});
