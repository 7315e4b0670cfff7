// run.ts: the law of the noise for gradients over many draws, by the run's seed and under a secret key. Exits with 1 where a figure is off.
// Run: npm run -s check:noise -- [--draws 10000000]
import { parseArgs } from 'node:util';
import { FAR, faultsOf, kolmogorov, lawAt, type Place } from './law.ts';

const { values } = parseArgs({ options: { draws: { type: 'string', default: '10000000' } } });
const draws = Number(values.draws);
const secret = Int32Array.from({ length: 8 }, (_, i) => Math.imul(0x9e3779b9, i + 1));
const KINDS: Readonly<Record<string, Place>> = {
  'by the seed': { seed: 20n, attempt: 7 },
  'under a key': { secret, attempt: 7 },
};

let faults = 0;
for (const [name, place] of Object.entries(KINDS)) {
  const { x, figures } = lawAt(draws, place);
  console.log(`${draws} numbers ${name}`);
  for (const { what, value, expected, off } of figures) {
    const text = `${value.toPrecision(6).padStart(14)} ${expected.toPrecision(6).padStart(14)}`;
    console.log(`  ${what.padEnd(26)} ${text}${Number.isFinite(off) ? off.toFixed(2).padStart(7) : '    far'}`);
  }
  console.log(`  as far from the law by chance: ${kolmogorov(x).likely.toFixed(3)}`);
  const wrong = faultsOf(figures);
  faults += wrong.length;
  for (const { what } of wrong) console.log(`  off by more than ${FAR} deviations: ${what}`);
}
console.log(faults === 0 ? 'all as they should be' : `${faults} figures are off`);
process.exitCode = faults === 0 ? 0 : 1;
