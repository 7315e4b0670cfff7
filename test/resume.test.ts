// resume.test.ts: a training that is stopped, saved and resumed by new objects is the one that was not stopped, bit for bit: each set-up of the
// table, stopped three times, policies and optimizers once. `npm run -s resume` stops each after every step.
import { describe, expect, test } from 'vitest';
import { compared, outcomeOf, someStops, statesIn } from './resume/outcome.ts';
import { SETUPS } from './resume/setups.ts';

test.each(Object.keys(SETUPS))('%s', async (name) => {
  const setup = SETUPS[name]!;
  const stops = someStops(setup).slice(/^(clip|optim)\./.test(name) ? -1 : 0);
  expect(compared(await outcomeOf(setup, []), await outcomeOf(setup, stops))).toBeNull();
});

describe('a state that is another one after the stop is seen', () => {
  const names = ['clip.topK with error feedback', 'optim.adamw', 'a scale of the loss that grows', 'carry, LSTM'];
  test.each(names)('%s', async (name) => {
    const setup = SETUPS[name]!;
    const whole = await outcomeOf(setup, []);
    const states = statesIn(whole);
    expect(states.length).toBeGreaterThan(0);
    const value = (v: number): number => v + 1;
    for (const name of states) expect(compared(whole, await outcomeOf(setup, [4], { name, value })), name).not.toBeNull();
  });
});
