// tables.mjs: tables of 50,000 rows with texts, dates and gaps, each from the file to a model by one command, beside what scikit-learn's pipeline has
// learned of them (scripts/tables/pipeline.json), on the same 20,000 other rows. With --choose: what init suggests beside other settings, by validation
// rows of other tables. Run: npm run -s measure:tables
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { choose } from './tables/choose.mjs';
import { writeTables } from './tables/make.mjs';

const MAIN = resolve('dist/lib/cli/main.js');
const theirs = JSON.parse(readFileSync(new URL('./tables/pipeline.json', import.meta.url), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'gradclip-tables-'));
const run = (...argv) => {
  const text = execFileSync(process.execPath, [MAIN, ...argv, '--json'], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(text.trim().split('\n').at(-1));
};

/** The command, its time, and what the model is worth. */
function trained(label) {
  const begun = performance.now();
  run('train', `${label}.csv`);
  const seconds = (performance.now() - begun) / 1000;
  return { seconds, ...run('evaluate', `${label}.safetensors`, `${label}-test.csv`) };
}

const argv = process.argv.slice(2);
const percent = (x) => `${(100 * x).toFixed(2)} %`;

if (argv[0] === '--choose') {
  try {
    choose(folder, MAIN, argv[1] ?? '');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  process.exit();
}

try {
  writeTables(folder);
  console.log(
    `50,000 rows train, 20,000 others test; scikit-learn ${theirs.sklearn} with the same hidden layers: median of ${theirs.seeds.length} seeds`,
  );
  const stays = trained('stays');
  console.log(
    `gradclip train stays.csv   ${stays.seconds.toFixed(1)} s  accuracy ${percent(stays.classes.accuracy)}, scikit-learn ${percent(theirs.accuracy)}`,
  );
  const spends = trained('spends');
  const { r2, rmse } = spends.values;
  console.log(
    `gradclip train spends.csv  ${spends.seconds.toFixed(1)} s  R2 ${r2.toFixed(4)}, scikit-learn ${theirs.r2.toFixed(4)}; RMSE ${rmse.toFixed(2)} and ${theirs.rmse.toFixed(2)}`,
  );
  const good = stays.classes.accuracy >= theirs.accuracy - 0.005 && r2 >= theirs.r2 - 0.005;
  console.log(good ? 'within .5 % of it, or better' : 'MISSED: more than .5 % below it');
  process.exitCode = good ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
