// tune.mjs: `npm run -s measure:tune -- FOLDER` prints the table of docs/TUNING.md: `gradclip tune` on digits and a recurrent network of characters, with a
// quarter of the steps of a grid of 40 configurations, and what both found on test rows that neither saw, with seeds that neither had. FOLDER holds digits.csv.gz
// and tinyshakespeare.txt, as examples/ say where they are. Some minutes; `--searches N`: searches with as many seeds; `--only digits`; `--full`: trainings as long
// as the examples have them, not shorter ones.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { shareOut } from '../dist/lib/cli/config/data.js';
import { checkConfig, makeTrainer } from '../dist/lib/cli/config/trainer.js';
import { applied, defaultSpace } from '../dist/lib/cli/config/tuning.js';
import { configOf, rawDataOf } from '../dist/lib/cli/tune/making.js';
import { Place } from '../dist/lib/options/index.js';
import { valueAt } from '../dist/lib/tune/space.js';
import { pairedTest } from '../dist/lib/tune/statistics.js';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    searches: { type: 'string', default: '1' },
    only: { type: 'string' },
    full: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const [folder] = positionals;
if (!folder) {
  console.error('npm run -s measure:tune -- FOLDER: the folder of digits.csv.gz and tinyshakespeare.txt');
  process.exit(2);
}

/** Rates x thresholds over the ranges that `tune` has where nothing is said. */
const GRID = [8, 5];
const SEEDS = [100, 101, 102, 103, 104];

const example = (name) => JSON.parse(readFileSync(new URL(`../examples/${name}.json`, import.meta.url), 'utf8'));
const shorter = (name, data, length) => {
  const { epochs, steps, ...config } = example(name);
  return {
    ...config,
    ...(values.full ? { ...(epochs && { epochs }), ...(steps && { steps }) } : length),
    data: { ...config.data, dir: resolve(folder), split: { ...config.data.split, ...data } },
  };
};
const TASKS = {
  digits: shorter('digits', { train: 1200, validation: 297, test: 300 }, { epochs: 8 }),
  'char-rnn': shorter('char-rnn', { train: 0.8, validation: 0.03, test: 0.06 }, { steps: 300 }),
};

const mean = (x) => x.reduce((a, b) => a + b, 0) / x.length;
const short = (x) => Number(x.toPrecision(4));

/** A training with these values. @returns loss on validation or test rows; infinite where it diverges */
async function lossOf(making, params, seed, on) {
  const config = { ...configOf(making, params), threads: 1 };
  const data = shareOut(await rawDataOf(making), checkConfig(config), BigInt(seed));
  const trainer = makeTrainer(config, data, seed);
  try {
    const { epochs, steps } = config;
    await trainer.fit(data.sources.train, { ...(epochs && { epochs }), ...(steps && { steps }) });
    return { loss: (await trainer.evaluate(data.sources[on])).loss, steps: trainer.counters.attempt };
  } catch (error) {
    if (!['ERR_NON_FINITE', 'ERR_SKIPS'].includes(error.code)) throw error;
    return { loss: Infinity, steps: trainer.counters.attempt };
  } finally {
    trainer.dispose();
  }
}

function search(file, steps, seed) {
  const main = new URL('../dist/bundle/main.js', import.meta.url).pathname;
  const child = spawn(process.execPath, [main, 'tune', file, '--steps', String(steps), '--seed', String(seed), '--json']);
  let out = '';
  child.stdout.on('data', (text) => (out += text));
  child.stderr.pipe(process.stderr);
  return new Promise((done, fail) =>
    child.on('exit', (code) =>
      code === 0 ? done(JSON.parse(out.trim().split('\n').at(-1))) : fail(new Error(`tune ended with ${code}`)),
    ),
  );
}

const rows = [];
const own = mkdtempSync(join(tmpdir(), 'gradclip-tune-'));
for (const [name, raw] of Object.entries(TASKS)) {
  if (values.only && values.only !== name) continue;
  const file = join(own, `${name}.json`);
  writeFileSync(file, JSON.stringify(raw));
  const space = defaultSpace(raw, new Place('', '', 'tune.space'));
  const making = { raw, space, dir: resolve(folder), threads: 1 };
  const [rate, threshold] = Object.keys(space);
  const points = [];
  let spent = 0;
  let began = performance.now();
  for (let i = 0; i < GRID[0]; i++) {
    for (let j = 0; j < GRID[1]; j++) {
      const params = {
        [rate]: valueAt(space[rate], i / (GRID[0] - 1)),
        [threshold]: valueAt(space[threshold], j / (GRID[1] - 1)),
      };
      const { loss, steps } = await lossOf(making, params, 0, 'validation');
      spent += steps;
      points.push({ params, loss });
    }
  }
  const gridSeconds = (performance.now() - began) / 1000;
  const grid = points.reduce((a, b) => (b.loss < a.loss ? b : a));
  const tested = async (params) => Promise.all(SEEDS.map(async (seed) => (await lossOf(making, params, seed, 'test')).loss));
  const gridTest = await tested(grid.params);
  const asItStands = await tested(applied(raw, space, { [rate]: raw.optimizer.lr, [threshold]: raw.clip.threshold }).params);
  rows.push({ name, what: 'as it stands', params: '', steps: 0, test: mean(asItStands), seconds: 0 });
  const text = (params) => Object.values(params).map(short).join(', ');
  rows.push({ name, what: 'grid of 40', params: text(grid.params), steps: spent, test: mean(gridTest), seconds: gridSeconds });
  for (let seed = 0; seed < Number(values.searches); seed++) {
    began = performance.now();
    const found = await search(file, Math.floor(spent / 4), seed);
    const seconds = (performance.now() - began) / 1000;
    const test = await tested(found.params);
    const { p, interval } = pairedTest(test, gridTest);
    const row = {
      name,
      what: `tune, seed ${seed}`,
      params: text(found.params),
      steps: found.steps,
      test: mean(test),
      seconds,
      p,
      interval,
    };
    rows.push({ ...row, worse: mean(test) / mean(gridTest) });
    // Worse by more than noise, and by more than one in a hundred.
    if (p < 0.05 && mean(test) > 1.01 * mean(gridTest)) process.exitCode = 1;
  }
}
rmSync(own, { recursive: true });
if (values.json) for (const row of rows) console.log(JSON.stringify(row));
else {
  console.log('| | | rate, threshold | steps | seconds | test loss, mean of 5 seeds | against the grid | p |');
  console.log('|---|---|---|---|---|---|---|---|');
  for (const { name, what, params, steps, seconds, test, worse, p } of rows) {
    const beside = worse === undefined ? ['', ''] : [`x ${worse.toFixed(3)}`, p.toPrecision(2)];
    const cells = [
      name,
      what,
      params,
      steps > 0 ? steps.toLocaleString('en-US') : '',
      seconds > 0 ? seconds.toFixed(0) : '',
      test.toFixed(4),
      ...beside,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}
