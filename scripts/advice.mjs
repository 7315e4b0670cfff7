// advice.mjs: `npm run -s measure:advice` prints the table of advised thresholds in docs/CLIPPING.md: nine networks, each trained with the threshold
// that `advise` gives and with fixed ones. Some minutes; `-- --json` prints all losses.
import { adviceTable, FLOOR, FULL, outcomeOf, TASKS } from '../dist/bench/advice.js';

if (process.argv.includes('--json')) {
  for (const name of Object.keys(TASKS)) console.log(JSON.stringify(outcomeOf(name, FULL)));
} else {
  const ratios = [];
  console.log(adviceTable(FULL, ({ ratio }) => ratios.push(ratio)));
  if (ratios.filter((r) => r <= FLOOR.ratio).length < FLOOR.of) process.exitCode = 1;
}
