// rates.mjs: `npm run -s measure:rates` prints which rate a workload of the laboratory should have (bench/rates.ts), and ends with 1 where it has
// another; some: `-- --only mlp-tiny,lenet`. Two minutes.
import { rateOf } from '../dist/bench/rates.js';
import { WORKLOADS } from '../dist/lib/lab/workloads/list.js';

const at = process.argv.indexOf('--only');
const only = at < 0 ? [...WORKLOADS.keys()] : process.argv[at + 1].split(',');
const show = (x) => (Number.isFinite(x) ? String(Number(x.toPrecision(3))) : 'diverges');
console.log('| workload | optimizer | it has | to take | loss by rate: no clip, global norm 1 |\n|---|---|---|---|---|');
for (const name of only) {
  const workload = WORKLOADS.get(name);
  if (!workload) throw new Error(`no workload ${name}: one of ${[...WORKLOADS.keys()].join(', ')}`);
  for (const kind of ['sgd', 'adam']) {
    const { outcomes, best } = rateOf(workload, kind);
    const has = workload.optimizers[kind]().lr(0);
    const losses = outcomes.map(({ lr, none, clipped }) => `${lr}: ${show(none)}, ${show(clipped)}`);
    console.log(`| ${name} | ${kind} | ${has} | ${best} | ${losses.join('; ')} |`);
    if (has !== best) process.exitCode = 1;
  }
}
