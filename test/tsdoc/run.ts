// run.ts: `npm run -s tsdoc`: what comments of public names lack, a line for each.
import { check, faults } from './check.ts';

const checked = check();
const lines = faults(checked);
for (const line of lines) console.log(line);
console.log(`${lines.length} of ${checked.items.length} names`);
