// convergence.mjs: `npm run -s convergence -- [FOLDER]` prints the table of convergence in docs/OPTIMIZERS.md: every optimizer on a
// quadratic, on Rosenbrock's function and, where FOLDER has `digits.csv.gz`, on the 8x8 digits. Some minutes.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { convergenceTable } from '../dist/bench/convergence.js';

const [folder] = process.argv.slice(2);
const file = folder ? join(folder, 'digits.csv.gz') : null;
if (file && !existsSync(file)) {
  console.error(`convergence: there is no ${file}`);
  process.exit(1);
}
console.log(await convergenceTable(file));
