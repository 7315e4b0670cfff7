// choose.mjs: what `gradclip init` suggests, beside what it might: each trained on made tables, told by validation rows alone. Test rows are not
// looked at. Numbers are losses over that of what knows how often each class is, or the mean. Run: npm run -s measure:tables -- --choose [PART OF A NAME]
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHOOSING } from './make.mjs';

const SEEDS = [0, 1];

/** Changes of what is suggested, each by itself. */
const CHANGES = {
  'as suggested': (c) => c,
  'hidden [32]': (c) => ({ ...c, model: { ...c.model, hidden: [32] } }),
  'hidden [128, 64]': (c) => ({ ...c, model: { ...c.model, hidden: [128, 64] } }),
  'hidden [64, 64, 32]': (c) => ({ ...c, model: { ...c.model, hidden: [64, 64, 32] } }),
  'dropout 0': (c) => ({ ...c, model: { ...c.model, dropout: 0 } }),
  'dropout 0.1': (c) => ({ ...c, model: { ...c.model, dropout: 0.1 } }),
  'dropout 0.25': (c) => ({ ...c, model: { ...c.model, dropout: 0.25 } }),
  'lr 0.0005': (c) => ({ ...c, optimizer: { ...c.optimizer, lr: 0.0005 } }),
  'lr 0.001': (c) => ({ ...c, optimizer: { ...c.optimizer, lr: 0.001 } }),
  'lr 0.004': (c) => ({ ...c, optimizer: { ...c.optimizer, lr: 0.004 } }),
  'lr 0.008': (c) => ({ ...c, optimizer: { ...c.optimizer, lr: 0.008 } }),
  'weightDecay 0': (c) => ({ ...c, optimizer: { ...c.optimizer, weightDecay: 0 } }),
  'weightDecay 0.1': (c) => ({ ...c, optimizer: { ...c.optimizer, weightDecay: 0.1 } }),
  'batchSize 32': (c) => ({ ...c, batchSize: 32 }),
  'batchSize 64': (c) => ({ ...c, batchSize: 64 }),
  'batchSize 256': (c) => ({ ...c, batchSize: 256 }),
  'epochs 10': (c) => ({ ...c, epochs: 10, schedule: { type: 'cosine', steps: { epochs: 10 } } }),
  'epochs 40': (c) => ({ ...c, epochs: 40, schedule: { type: 'cosine', steps: { epochs: 40 } } }),
  'no clip': ({ clip: _, ...c }) => c,
};

/** Loss of what knows how often each class is, in nats; of values, which are standardized, 1. */
function knowingNothing(file, isClass) {
  if (!isClass) return 1;
  const labels = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').at(-1));
  const counts = new Map();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts.values()].reduce((sum, n) => sum - (n / labels.length) * Math.log(n / labels.length), 0);
}

/** @param main the command line */
export function choose(folder, main, only) {
  const run = (...argv) =>
    execFileSync(process.execPath, [main, ...argv, '--json'], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const changes = Object.entries(CHANGES).filter(([name]) => name === 'as suggested' || name.includes(only));
  const shares = new Map(changes.map(([name]) => [name, []]));
  for (const { name, text } of CHOOSING) {
    const file = join(folder, `${name}.csv`);
    writeFileSync(file, text());
    run('init', `${name}.csv`, '--yes');
    const suggested = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
    const nothing = knowingNothing(file, suggested.loss === 'crossEntropy');
    for (const [what, change] of changes) {
      const { save: _, ...config } = change(suggested);
      const losses = SEEDS.map((seed) => {
        writeFileSync(join(folder, 'c.json'), JSON.stringify({ ...config, seed }));
        const { validationLoss } = JSON.parse(run('train', 'c.json').trim().split('\n').at(-1));
        return validationLoss / nothing;
      });
      shares.get(what).push(losses.reduce((a, b) => a + b, 0) / SEEDS.length);
      console.error(`${name}, ${what}: ${shares.get(what).at(-1).toFixed(4)}`);
    }
  }
  const names = CHOOSING.map(({ name }) => name);
  console.log(`| change of what is suggested | ${names.join(' | ')} | mean |`);
  console.log(`|---|${names.map(() => '---|').join('')}---|`);
  const mean = (all) => all.reduce((a, b) => a + b, 0) / all.length;
  const sorted = [...shares].sort(([, a], [, b]) => mean(a) - mean(b));
  for (const [what, all] of sorted) console.log(`| ${what} | ${[...all, mean(all)].map((x) => x.toFixed(4)).join(' | ')} |`);
}
