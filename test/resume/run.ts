// run.ts: `npm run -s resume [-- --only NAME]`: every set-up stopped after each step of two epochs, saved, and resumed by new objects, and once
// stopped after all of them: the same bits as the run that was not stopped. With `--spoil`: whether any state would be missed.
import { parseArgs } from 'node:util';
import { allStops, compared, outcomeOf, someStops, statesIn, waysOf } from './outcome.ts';
import type { Setup } from './setup.ts';
import { SETUPS } from './setups.ts';

const { values: flags } = parseArgs({
  options: { only: { type: 'string', default: '' }, spoil: { type: 'boolean', default: false } },
});
const chosen = Object.entries(SETUPS).filter(([name]) => name.includes(flags.only));
if (chosen.length === 0) throw new Error(`--only: no set-up has ${flags.only} in its name`);

/** What is not the same where the training is stopped, in words. */
async function differing(setup: Setup): Promise<{ tried: number; found: string[] }> {
  const whole = await outcomeOf(setup, []);
  const found: string[] = [];
  const all = allStops(setup);
  let tried = 0;
  for (const way of waysOf(setup)) {
    for (const stops of [...all.map((stop) => [stop]), ...(way === 'resumes' ? [] : [all])]) {
      tried += stops.length === 1 ? 1 : 0;
      const difference = await outcomeOf(setup, stops, { way }).then((outcome) => compared(whole, outcome), String);
      if (difference !== null) found.push(`${way} after ${stops.length > 1 ? 'every step' : stops[0]}: ${difference}`);
    }
  }
  return { tried, found };
}

/** States that may be other ones after the stop, and nobody sees it. */
async function missed(setup: Setup): Promise<{ tried: number; found: string[] }> {
  const whole = await outcomeOf(setup, []);
  const states = statesIn(whole);
  const found: string[] = [];
  for (const name of states) {
    let seen = false;
    // Some matter at few of the stops only.
    for (const stop of new Set([1, ...someStops(setup), ...allStops(setup)])) {
      for (const value of [() => 0, (v: number) => v + 1]) {
        seen ||= compared(whole, await outcomeOf(setup, [stop], { spoilt: { name, value } })) !== null;
      }
    }
    if (!seen) found.push(`${name} makes no difference`);
  }
  return { tried: states.length, found };
}

const [look, what, good] = flags.spoil ? [missed, 'states', 'seen'] : [differing, 'stops', 'same'];
const width = Math.max(...chosen.map(([name]) => name.length));
const started = performance.now();
let count = 0;
let bad = 0;
for (const [name, setup] of chosen) {
  const { tried, found } = await look(setup);
  count += tried;
  bad += found.length > 0 ? 1 : 0;
  console.log(`${name.padEnd(width)}  ${String(tried).padStart(2)} ${what}  ${found.length === 0 ? good : 'DIFFERENT'}`);
  for (const line of found) console.log(`    ${line}`);
}
const seconds = Math.round((performance.now() - started) / 1000);
console.log(`${chosen.length} set-ups, ${count} ${what}, ${bad} set-ups not ${good}, ${seconds} s`);
process.exitCode = bad > 0 ? 1 : 0;
