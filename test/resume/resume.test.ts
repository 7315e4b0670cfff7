// resume.test.ts: a training that is stopped, saved and resumed by new objects is the one that was not stopped, bit for bit: each set-up of the
// table, stopped four times, or once, in one of the ways by turns; and once more by a snapshot. `npm run -s resume` stops each after every step in all
// ways.
import { describe, expect, test } from 'vitest';
import { compared, IN_MEMORY, outcomeOf, someStops, statesIn, waysOf } from './outcome.ts';
import { SETUPS } from './setups.ts';

test.each(Object.keys(SETUPS).map((name, i) => [name, i] as const))('%s', async (name, i) => {
  const setup = SETUPS[name]!;
  const ways = waysOf(setup);
  const way = ways[i % ways.length]!;
  const stops = way === 'resumes' || /^(clip|optim)\./.test(name) ? someStops(setup).slice(-2, -1) : someStops(setup);
  const whole = await outcomeOf(setup, []);
  expect(compared(whole, await outcomeOf(setup, stops, { way }))).toBeNull();
  const memory = ways.filter((w) => IN_MEMORY.includes(w));
  if (memory.length === 0 || IN_MEMORY.includes(way)) return;
  expect(compared(whole, await outcomeOf(setup, stops.slice(0, 1), { way: memory[i % memory.length]! }))).toBeNull();
});

describe('a state that is another one after the stop is seen', () => {
  const names = ['clip.topK with error feedback', 'a scale of the loss that grows'];
  test.each(names)('%s', async (name) => {
    const setup = SETUPS[name]!;
    const whole = await outcomeOf(setup, []);
    const states = statesIn(whole);
    expect(states.length).toBeGreaterThan(0);
    const value = (v: number): number => v + 1;
    for (const name of states)
      expect(compared(whole, await outcomeOf(setup, [4], { spoilt: { name, value } })), name).not.toBeNull();
  });
});
