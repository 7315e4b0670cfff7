// accuracy-bf16.mjs: `npm run -s accuracy:bf16 -- FOLDER [--only gpt-nano] [--seeds 3] [--chance] [--steps N] [--threads N]`: what products in
// bf16 cost in accuracy: the table of docs/PRECISION.md. FOLDER has MNIST and a text, under the names in bench/accuracy.ts. Minutes for each
// seed. --chance: also in f32 from weights of which one differs in its last bit. It ends with 1 where a mean is farther off than is wanted
// by more than two standard errors.
import { parseArgs } from 'node:util';
import { ACCURACY_KINDS, accuracyOf, accuracyTable } from '../dist/bench/accuracy.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: ACCURACY_KINDS.join(',') },
    seeds: { type: 'string', default: '3' },
    chance: { type: 'boolean', default: false },
    steps: { type: 'string' },
    threads: { type: 'string' },
  },
});
const [folder] = positionals;
const names = values.only.split(',');
const [seeds, steps, threads] = [values.seeds, values.steps, values.threads].map((text) => text && Number(text));
const whole = (n) => n === undefined || (Number.isInteger(n) && n > 0);
if (!folder || ![seeds, steps, threads].every(whole) || !names.every((name) => ACCURACY_KINDS.includes(name))) {
  console.error(`accuracy-bf16: expected FOLDER, whole numbers, and --only some of ${ACCURACY_KINDS.join(', ')}`);
  process.exit(2);
}
const rows = [];
for (const name of names) {
  rows.push(
    await accuracyOf(name, folder, { seeds, chance: values.chance, steps, threads, tell: (text) => console.error(text) }),
  );
}
console.log(accuracyTable(rows));
const far = rows.filter(({ difference, limit }) => Math.abs(difference.mean) - 2 * (difference.error || 0) > limit);
for (const { name } of far) console.error(`accuracy-bf16: ${name}: farther off than is wanted`);
process.exitCode = far.length > 0 ? 1 : 0;
